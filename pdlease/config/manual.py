"""
The part of the manual page pdlease.toml(5) that lists every table and key, written from the rows that the file is read
by.

C{docs/man/pdlease.toml.5} holds what L{reference} returns between its first and last lines, and a test compares the
two; C{docs/write_configuration.py} puts it there.  The daemon never imports this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pdlease.config.reference import TABLES, Table, default_of

BEGIN = '.\\" Written from here on by the scripts in docs; do not edit.'
END = '.\\" The end of what is written.'

_LITERAL = re.compile(r"``(.+?)``")


def roff(words: str) -> str:
    """Text as it is written in a manual page; C{``literal``} becomes bold."""
    escaped = words.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("^", "\\(ha")
    escaped = _LITERAL.sub(r"\\fB\1\\fR", escaped).replace("~", "\\(ti")
    # Sentences end at the end of a line, and no line may look like a request.
    lines = re.sub(r"(?<=[.:])  (?=\S)", "\n", escaped).split("\n")
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in lines)


def bold(words: str) -> str:
    """Text in bold."""
    return f"\\fB{roff(words)}\\fR"


def replaced(page: str, part: str) -> str:
    """A manual page with its written part replaced."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{part}{rest.partition(END)[2].removeprefix(chr(10))}"


def written_part(page: str) -> str:
    """The written part of a manual page."""
    inner = page.partition(BEGIN)[2].partition(END)[0]
    return f"{BEGIN}{inner}{END}\n"


def reference() -> str:
    """All tables with all their keys."""
    lines = [BEGIN, *(line for table in TABLES for line in _table(table)), END]
    return "".join(f"{line}\n" for line in lines)


def _table(table: Table) -> Iterator[str]:
    yield f".SS {roff(table.heading)}"
    yield roff(table.text)
    for row in table.rows:
        yield ".TP"
        yield bold(row.name)
        yield roff(row.meaning)
        yield ".br"
        yield f"Type: {roff(row.kind)}."
        yield ".br"
        yield f"Default: {roff(default_of(table, row))}."
        yield ".br"
        yield f"Example: {bold(f'{row.name} = {row.example}')}"
