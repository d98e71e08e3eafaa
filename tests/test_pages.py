"""
Tests of the pages in docs/ and of CONTRIBUTING.rst: that what they name exists.
"""

from __future__ import annotations

import re
from pathlib import Path

from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

TOP = Path(__file__).parents[1]
PAGES = [TOP / "README.rst", TOP / "CONTRIBUTING.rst", *sorted((TOP / "docs").glob("*.rst"))]

NAME = re.compile(r"``(pdlease(?:\.\w+)+)``")
TEST = re.compile(r"``((?:\w+\.)*test_\w+\.\w+Tests\.test_\w+)``")
FILE = re.compile(r"``((?:pdlease|tests|docs|scripts|newsfragments|twisted)/[\w./-]*)``")


class NamesTests(SynchronousTestCase):
    """
    Names of modules and files in the documentation.
    """

    def test_names_exist(self) -> None:
        """
        Every dotted name of pdlease that a page speaks of can be imported.
        """
        missing = []
        for page in PAGES:
            for name in sorted(set(NAME.findall(page.read_text()))):
                if name.endswith((".toml", ".rst", ".conf", ".sock")):
                    continue
                try:
                    namedAny(name)
                except (AttributeError, ImportError) as problem:
                    missing.append(f"{page.name}: {name}: {problem}")
        self.assertEqual(missing, [])

    def test_tests_exist(self) -> None:
        """
        Every test that a page names in full is there: the threat model is as true as they are.
        """
        page = (TOP / "docs" / "security.rst").read_text()
        names = sorted(set(TEST.findall(page)))
        self.assertGreater(len(names), 50)
        missing = []
        for name in names:
            try:
                namedAny(f"tests.{name}")
            except (AttributeError, ImportError) as problem:
                missing.append(f"{name}: {problem}")
        self.assertEqual(missing, [])

    def test_files_exist(self) -> None:
        """
        Every file of the project that a page speaks of is there.
        """
        missing = [
            f"{page.name}: {name}"
            for page in PAGES
            for name in sorted(set(FILE.findall(page.read_text())))
            if not (TOP / name).exists()
        ]
        self.assertEqual(missing, [])

    def test_floors(self) -> None:
        """
        The floors on the page are floors of the import contracts, in their order.
        """
        contracts = (TOP / "pyproject.toml").read_text().partition("layers = [")[2].partition("]")[0]
        floors = [
            {room.removeprefix("pdlease.") for room in line.split(" | ")} for line in re.findall(r'"(.+)"', contracts)
        ]
        block = (TOP / "docs" / "house.rst").read_text().partition("keeps them::\n\n")[2].partition("\n\n")[0]
        page = [set(line.strip().split(", ")) for line in block.splitlines()]
        self.assertGreater(len(page), 10)
        found = [next((level for level, floor in enumerate(floors) if rooms <= floor), -1) for rooms in page]
        self.assertNotIn(-1, found, page[found.index(-1)] if -1 in found else None)
        self.assertEqual(found, sorted(set(found)))
