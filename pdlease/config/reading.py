"""
Reading tables by rows: a place to collect errors, and the general ones (unknown keys, missing keys, names used twice).

What is particular to this configuration is L{pdlease.config.toml}.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pdlease.config.errors import ConfigError
from pdlease.config.schema import Key
from pdlease.config.values import shown, table_name

_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def written(key: str) -> str:
    """A key as it is written in TOML: quoted where it must be."""
    if key and _BARE.issuperset(key):
        return key
    if len(key) > 80:
        key = key[:77] + "..."
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in escaped) + '"'


def joined(path: str, key: str) -> str:
    """The path of a key of a table."""
    return f"{path}.{written(key)}" if path else written(key)


def edits(word: str, other: str) -> int:
    """How many letters must be put in, left out or changed to make one word of the other."""
    before = list(range(len(other) + 1))
    for count, letter in enumerate(word, 1):
        row = [count]
        for place, another in enumerate(other, 1):
            row.append(min(row[-1] + 1, before[place] + 1, before[place - 1] + (letter != another)))
        before = row
    return before[-1]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """
    A question that names the known word nearest to C{word}, with a semicolon before it; empty if none is near.

    Made by hand and not with difflib: a file is also read behind the sandbox, where nothing can be imported any more.
    """
    word = word[:40]
    distance, near = min(((edits(word, other[:40]), other) for other in known), default=(len(word), ""))
    return f"; did you mean {shown(near)}?" if distance <= max(1, len(word) // 3) and distance < len(word) else ""


class Reading:
    """
    One reading of one file.

    @ivar errors: what was found wrong so far; at most so many that a broken file cannot fill memory.
    """

    def __init__(self) -> None:
        self.errors: list[ConfigError] = []
        self._claims: dict[tuple[str, object], str] = {}

    def wrong(self, path: str, problem: str) -> None:
        """Note an error."""
        self.errors.append(ConfigError(path, problem))

    def claim(self, kind: str, value: object, path: str, problem: str) -> None:
        """
        Note that C{value} is used at C{path}; a second use is an error.

        @param kind: within what it may be used once only.
        @param problem: what a second use is, ending so that the path of the first use can follow.
        """
        first = self._claims.setdefault((kind, value), path)
        if first != path:
            self.wrong(path, f"{problem} {first}")

    def table(self, value: object, path: str) -> Mapping[str, object]:
        """C{value} if it is a table, else an error and an empty one."""
        if isinstance(value, dict):
            return value
        self.wrong(path, f"expected a table, not {shown(value)}")
        return {}

    def array(self, value: object, path: str, of: str) -> Iterator[tuple[str, object]]:
        """The entries of an array with the path of each; an error if it is none."""
        if not isinstance(value, list):
            self.wrong(path, f"expected an array of {of}, not {shown(value)}")
            return
        for index, entry in enumerate(value):
            yield f"{path}[{index}]", entry

    def keys(
        self,
        table: Mapping[str, object],
        path: str,
        rows: Iterable[Key],
        others: Collection[str] = (),
        dotted: bool = False,
    ) -> dict[str, Any]:
        """
        Read the keys of a table that have a row.

        @param others: further keys that are known and read by somebody else.
        @param dotted: whether a table inside this one may come of a name with an unquoted dot.
        @return: the values of the keys that are there and right.
        """
        by_name = {row.name: row for row in rows}
        known = [*by_name, *others]
        result: dict[str, Any] = {}
        for name, value in table.items():
            row = by_name.get(name)
            if row is None:
                if name not in others:
                    self._unknown(path, name, value, known, dotted)
                continue
            try:
                result[name] = row.read(value)
            except ValueError as problem:
                self.wrong(joined(path, name), str(problem))
        for row in by_name.values():
            if row.required and row.name not in table:
                self.wrong(joined(path, row.name), f"missing: expected {row.kind.replace('``', '')}")
        return result

    def _unknown(self, path: str, name: str, value: object, known: list[str], dotted: bool) -> None:
        """The error for an unknown key: a name with a dot in it, a slip of the pen, or neither."""
        question = did_you_mean(name, known)
        if dotted and isinstance(value, dict) and not question:
            parent, _, outer = path.partition(".")
            whole = ".".join([outer.strip('"'), name, *_nested_names(value)])
            self.wrong(
                joined(path, name),
                f"unknown table; a name with a dot in it must be quoted: [{parent}.{written(whole)}]",
            )
            return
        self.wrong(joined(path, name), f"unknown key{question or '; known are ' + ', '.join(known)}")

    def named(self, value: object, path: str) -> Iterator[tuple[str, str, Mapping[str, object]]]:
        """The tables of a table of tables: path, name and table of each whose name and kind are right."""
        for name, entry in self.table(value, path).items():
            inner = joined(path, name)
            try:
                table_name(name)
            except ValueError as problem:
                self.wrong(inner, str(problem))
                continue
            if not isinstance(entry, dict):
                self.wrong(inner, f"expected a table, not {shown(entry)}")
                continue
            yield inner, name, entry


def _nested_names(value: Mapping[str, object]) -> Iterator[str]:
    """The names of tables that hold nothing but one table each, downwards: the further parts of a dotted name."""
    while len(value) == 1:
        ((name, inner),) = value.items()
        if not isinstance(inner, dict):
            return
        yield name
        value = inner
