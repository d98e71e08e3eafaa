"""
Print the table of conformance, and write conformance.rst anew from it.

Run it in the project's folder: C{python docs/generate_conformance.py} prints and writes; with C{--check} it writes
nothing, and fails if the page is not as it would be written.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from attrs import frozen

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.conformance.table import Row, judged, namings, rows

FILE = Path(__file__).with_name("conformance.rst")

HEAD = """\
Conformance
===========

..
   Written by docs/generate_conformance.py from tests/conformance; do not edit.

Every requirement that pdlease is held to, and the tests that show it. Rows are named after the sections of RFC 9915;
``A`` rows are its times and constants; ``R-8168-...``, ``R-8987-...`` and the like are named after other RFCs; ``WPD``
after RFC 7084 and 9096, ``PDX`` after RFC 6603, ``PF`` after RFC 9762. A test shows a row by giving the row's own
stimulus, and its docstring begins with the row's name; a row that no test shows is open, whatever else mentions it.

{counts}
"""


@frozen(kw_only=True)
class Entry:
    """
    One line of the table.

    @ivar row: the requirement.
    @ivar shown: the tests that show it.
    @ivar mentioned: those that mention it besides.
    """

    row: Row
    shown: tuple[str, ...]
    mentioned: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """Met, not applicable, refused or open, and why."""
        return judged(self.row, self.shown)


def entries() -> tuple[Entry, ...]:
    """The whole table, in order."""
    found = namings()
    return tuple(
        Entry(
            row=row,
            shown=tuple(each.test for each in found if each.row == row.name and each.is_shown),
            mentioned=tuple(each.test for each in found if each.row == row.name and not each.is_shown),
        )
        for row in rows()
    )


def counts(table: tuple[Entry, ...]) -> str:
    """How many rows there are of each verdict."""
    counted = Counter(each.verdict.partition(":")[0] for each in table)
    return f"{len(table)} rows: " + ", ".join(f"{number} {what}" for what, number in sorted(counted.items())) + "."


def described(each: Entry) -> str:
    """One row as an entry of a definition list."""
    row = each.row
    lines = [f"``{row.name}`` ({row.source}; {row.level}) {each.verdict}", f"    {escaped(row.text)}"]
    lines.extend(f"\n    * ``{test}``" if index == 0 else f"    * ``{test}``" for index, test in enumerate(each.shown))
    if each.mentioned:
        lines.append("\n    Mentioned by " + ", ".join(f"``{test}``" for test in each.mentioned))
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Text as reStructuredText takes it literally."""
    return "".join("\\" + character if character in "\\*`|_" else character for character in text)


def page(table: tuple[Entry, ...]) -> str:
    """The whole page."""
    parts = [HEAD.format(counts=counts(table))]
    section = ""
    for each in table:
        if each.row.section != section:
            section = each.row.section
            parts.append(f"{section}\n{'-' * len(section)}\n")
        parts.append(described(each) + "\n")
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Print the table; write or check the page."""
    table = entries()
    for each in table:
        print(f"{each.row.name:18} {each.row.level:16} {each.verdict}")
        for test in each.shown:
            print(f"    {test}")
    print(counts(table))
    unknown = sorted({each.row for each in namings()} - {row.name for row in rows()})
    if unknown:
        print("named by tests, but no row:", ", ".join(unknown))
    if "--check" in arguments:
        if FILE.exists() and FILE.read_text() == page(table):
            return 0
        print("docs/conformance.rst is not up to date: run docs/generate_conformance.py")
        return 1
    FILE.write_text(page(table))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
