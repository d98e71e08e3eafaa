"""
The table of conformance: which test shows which row of the requirements.

The rows are in C{rows.txt}.  A test shows the rows that its docstring begins with, if it stands where behaviour is
tried as a server or an operator meets it (L{SHOWING}); a row that is only mentioned, or named by a test of some part
elsewhere, is not shown by that.  What is not done, and why, is said here; C{docs/generate_conformance.py} prints the
table and writes it as a page.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from attrs import frozen

HERE = Path(__file__).parent

SHOWING = ("conformance", "live", "scenarios", "wire")
"""The folders whose tests can show a row."""

NAMES = re.compile(
    r"\b(?:(?:R|WPD|PDX|PF)-[0-9A-Za-z]+(?:\.[0-9]+)*(?:-[0-9]+)?|9096-[A-Z]+(?:-[0-9]+)?|[ABC](?:\.[0-9]+)+-[0-9]+)\b"
)
"""What the name of a row looks like."""

LEAD = re.compile(rf"\s*(?:{NAMES.pattern}|[A-D]\.[0-9.]+|[0-9][0-9.]*|[A-Z][0-9]+|and|,|;|\s|\([^)]*\))+:")
"""The beginning of a docstring that names rows: names, tables and sections, up to a colon."""

NO_ADDRESSES = "no addresses (IA_NA) are asked for"
NO_STATELESS = "Information-request is sent only when a Reconfigure asks for it, and nothing is refreshed"
NO_ANONYMITY = "the anonymity profile is not offered"

NO_SOFTWIRES = "pdlease makes no tunnels and translations; the containers can be requested and are told as they are"
NO_ROUTING = "pdlease speaks no routing protocol"
KERNEL_ADDRESSES = "addresses that a router advertises, and which one packets have as source, are the kernel's business"

REFUSED: Mapping[str, str] = {
    "PF-08": f"{KERNEL_ADDRESSES}: there is nothing to fall back to, and the client goes on asking",
    "PF-13": f"{KERNEL_ADDRESSES}; the status tells whom a lease came from",
}
"""Rows that are not kept on purpose, and why."""

NOT_APPLICABLE: Mapping[str, str] = {
    "A.1-06": NO_ADDRESSES,
    "A.1-09": NO_ADDRESSES,
    "R-17.1-01": NO_ADDRESSES,
    "R-8168-07": NO_ADDRESSES,
    "R-18.2.8-02": NO_ADDRESSES,
    "R-18.2.10.1-19": NO_ADDRESSES,
    "R-18.2.12-03": NO_ADDRESSES,
    "R-4704-01": NO_ADDRESSES,
    "WPD-6": NO_ADDRESSES,
    "R-7598-01": NO_SOFTWIRES,
    "WPD-7": NO_ROUTING,
    "R-16.10-04": "our Client Identifier is in every message",
    **{f"R-21.23-{number:02}": NO_STATELESS for number in range(2, 6)},
    **{f"R-7844-{number:02}": NO_ANONYMITY for number in range(1, 11)},
}
"""Rows that do not concern pdlease, and why."""


@frozen(kw_only=True)
class Row:
    """
    One requirement.

    @ivar name: its name, e.g. R-18.2.1-12.
    @ivar section: the heading it stands under.
    @ivar source: where it comes from.
    @ivar level: MUST, SHOULD and so on.
    @ivar concerns: whom: PD, ALL, NA, INF.
    @ivar text: the requirement in short.
    """

    name: str
    section: str
    source: str
    level: str
    concerns: str
    text: str


def rows() -> tuple[Row, ...]:
    """Every requirement, in order."""
    found = []
    section = ""
    for line in (HERE / "rows.txt").read_text().splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line and not line.startswith("#"):
            name, source, level, concerns, text = line.split(" | ")
            found.append(Row(name=name, section=section, source=source, level=level, concerns=concerns, text=text))
    return tuple(found)


def named(docstring: str) -> tuple[str, ...]:
    """The rows that a docstring names at its beginning."""
    lead = LEAD.match(docstring)
    return tuple(NAMES.findall(lead.group())) if lead is not None else ()


@frozen(kw_only=True)
class Naming:
    """
    A row named by a test.

    @ivar row: the row's name.
    @ivar test: the test's, with its module.
    @ivar is_shown: whether the test shows the row, rather than mentioning it.
    """

    row: str
    test: str
    is_shown: bool


@cache
def namings() -> tuple[Naming, ...]:
    """All rows named in all tests of the project."""
    root = HERE.parent
    found: dict[Naming, None] = {}
    for path in sorted(root.rglob("test_*.py")):
        inside = path.relative_to(root)
        module = ".".join(path.relative_to(root.parent).with_suffix("").parts)
        for test, docstring in documented(path.read_text()):
            shown = named(docstring) if inside.parts[0] in SHOWING else ()
            for row in (*shown, *NAMES.findall(docstring)):
                found.setdefault(Naming(row=row, test=f"{module}.{test}", is_shown=row in shown))
    return tuple(found)


def documented(source: str) -> Iterator[tuple[str, str]]:
    """The tests in a module and their docstrings."""
    for group in ast.parse(source).body:
        for test in group.body if isinstance(group, ast.ClassDef) else ():
            if isinstance(test, (ast.FunctionDef, ast.AsyncFunctionDef)) and test.name.startswith("test_"):
                yield test.name, ast.get_docstring(test) or ""


def judged(row: Row, shown: tuple[str, ...]) -> str:
    """
    What is said of a row.

    @param row: the row.
    @param shown: the tests that show it.
    @return: met, not applicable or refused and why; open where no test shows it.
    """
    if not shown:
        return "open"
    if row.name in REFUSED:
        return f"refused: {REFUSED[row.name]}"
    if row.name in NOT_APPLICABLE:
        return f"not applicable: {NOT_APPLICABLE[row.name]}"
    return "met"
