"""
Print the table of conformance, and write conformance.rst anew from it.

Run it in the project's folder: C{python docs/generate_conformance.py} prints and writes; with C{--check} it writes
nothing, and fails if the page is not as it would be written.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.conformance.table import Row, judged, rows, tests

FILE = Path(__file__).with_name("conformance.rst")

HEAD = """\
Conformance
===========

..
   Written by docs/generate_conformance.py from tests/conformance; do not edit.

Every requirement that pdlease is held to, and the tests that show it. Rows are named after the sections of RFC 9915;
``R-8168-...``, ``R-8987-...`` and the like after other RFCs; ``WPD`` after RFC 7084 and 9096, ``PDX`` after RFC 6603,
``PF`` after RFC 9762. A test shows a row by naming it in its docstring.

{counts}
"""


def shown() -> dict[str, tuple[str, ...]]:
    """The tests of each row."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, test in tests():
        if test not in found[name]:
            found[name].append(test)
    return {name: tuple(each) for name, each in found.items()}


def entry(row: Row, by: tuple[str, ...]) -> str:
    """One row as an entry of a definition list."""
    lines = [f"``{row.name}`` ({row.source}; {row.level}) {judged(row, by)}", f"    {escaped(row.text)}"]
    lines.extend(f"\n    * ``{test}``" if index == 0 else f"    * ``{test}``" for index, test in enumerate(by))
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Text as reStructuredText takes it literally."""
    return "".join("\\" + character if character in "\\*`|_" else character for character in text)


def page() -> str:
    """The whole page."""
    by = shown()
    counted = Counter(judged(row, by.get(row.name, ())).partition(":")[0] for row in rows())
    parts = [HEAD.format(counts=", ".join(f"{number} {what}" for what, number in sorted(counted.items())) + ".")]
    section = ""
    for row in rows():
        if row.section != section:
            section = row.section
            parts.append(f"{section}\n{'-' * len(section)}\n")
        parts.append(entry(row, by.get(row.name, ())) + "\n")
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Print the table; write or check the page."""
    by = shown()
    for row in rows():
        print(f"{row.name:18} {row.level:16} {len(by.get(row.name, ())):3} {judged(row, by.get(row.name, ()))}")
    unknown = sorted(set(by) - {row.name for row in rows()})
    if unknown:
        print("named by tests, but no row:", ", ".join(unknown))
    if "--check" in arguments:
        if FILE.exists() and FILE.read_text() == page():
            return 0
        print("docs/conformance.rst is not up to date: run docs/generate_conformance.py")
        return 1
    FILE.write_text(page())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
