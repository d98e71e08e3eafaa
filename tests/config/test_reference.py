"""
Tests of L{pdlease.config.reference} and of the page that it writes.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from attrs import fields
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.reference import BEGIN, TABLES, default_of, reference
from pdlease.config.toml import ConfigErrors, parse

DOCS = Path(__file__).parents[2] / "docs"

# What a model has beyond the keys of its table: names, inner tables, what is worked out.
MORE = {"name", "delegations", "downstreams", "key", "guests", "nics"}


class ReferenceTests(SynchronousTestCase):
    """
    The reference of the configuration file.
    """

    def test_page_is_up_to_date(self) -> None:
        """
        The page holds exactly what the rows say.  (To write it anew: C{python docs/write_configuration.py}.)
        """
        page = (DOCS / "configuration.rst").read_text()
        self.assertEqual(BEGIN + page.partition(BEGIN)[2], reference())

    def test_every_setting_has_a_row(self) -> None:
        """
        Every attribute of the model is a key with a row, and every row is an attribute of the model.
        """
        for table in TABLES:
            attributes = {attribute.name for attribute in fields(table.model)}
            rows = {row.name for row in table.rows}
            self.assertLessEqual(rows, attributes, table.heading)
            self.assertLessEqual(attributes - rows, MORE, table.heading)

    def test_examples_are_right(self) -> None:
        """
        The example of every key is TOML that its reader accepts.
        """
        for table in TABLES:
            for row in table.rows:
                row.read(tomllib.loads(f"x = {row.example}")["x"])

    def test_defaults_are_right(self) -> None:
        """
        The default of every key that can be written is TOML that its reader accepts, as the model's value.
        """
        for table in TABLES:
            for row in table.rows:
                default = default_of(table, row)
                if default.startswith("``") and default.count("``") == 2:
                    value = row.read(tomllib.loads(f"x = {default.strip('`')}")["x"])
                    self.assertEqual(value, getattr(fields(table.model), row.name).default, row.name)

    def test_lines(self) -> None:
        """
        No line of the page is longer than 120 characters.
        """
        self.assertEqual([line for line in reference().splitlines() if len(line) > 120], [])

    def test_smallest_useful_file(self) -> None:
        """
        The smallest useful file of the page is right.
        """
        page = (DOCS / "configuration.rst").read_text()
        block = page.partition("The smallest useful file")[2].partition("::\n")[2].partition("A file with every")[0]
        self.assertEqual(parse(block.replace("\n    ", "\n").encode(), "x.toml").uplinks[0].links, ("lan0",))

    def test_messages(self) -> None:
        """
        The messages that the page shows are those that are given.
        """
        page = (DOCS / "configuration.rst").read_text()
        text = '[uplinks.wan]\n[[uplinks.wan.delegations]]\ndownstreams = ["a", "b/129"]\n[uplinks.eth0.835]\n'
        errors = self.assertRaises(ConfigErrors, parse, text.encode(), "pdlease.toml")
        for line in str(errors).splitlines():
            self.assertIn(f"    {line}\n", page)
