"""
Tests of L{pdlease.config.editors} and of the file that it writes.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from hypothesis import given, settings
from jsonschema import Draft7Validator
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.editors import accepted, as_text, json_schema
from pdlease.config.model import Config
from pdlease.config.reference import TABLES
from pdlease.config.totoml import to_toml
from tests.config.forms import configurations
from tests.config.test_totoml import files

DOCS = Path(__file__).parents[2] / "docs"

VALIDATOR = Draft7Validator(json_schema())

SMALLEST = '[uplinks.eth0]\n[[uplinks.eth0.delegations]]\ndownstreams = ["lan0"]\n'


def is_valid(text: str) -> bool:
    """Whether a file is right by the schema."""
    return VALIDATOR.is_valid(tomllib.loads(text))


class SchemaTests(SynchronousTestCase):
    """
    The schema for editors.
    """

    def test_file_is_up_to_date(self) -> None:
        """
        The file holds exactly what the rows say.  (To write it anew: C{python docs/write_configuration.py}.)
        """
        self.assertEqual((DOCS / "pdlease.schema.json").read_text(), as_text())

    def test_is_a_schema(self) -> None:
        """
        It is a JSON Schema, with every key that there is.
        """
        Draft7Validator.check_schema(json_schema())
        for table in TABLES:
            for row in table.rows:
                self.assertIn(f'"{row.name}": {{', as_text())

    def test_right_files(self) -> None:
        """
        The examples are right by it.
        """
        self.assertTrue(is_valid(SMALLEST))
        self.assertTrue(is_valid((DOCS / "examples" / "pdlease.toml").read_text()))
        for table in TABLES:
            for row in table.rows:
                example = tomllib.loads(f"x = {row.example}")["x"]
                self.assertTrue(Draft7Validator(accepted(row)).is_valid(example), row.name)

    @given(files())
    @settings(deadline=None, max_examples=50)
    def test_every_key(self, text: str) -> None:
        """
        So is whatever is right for the daemon.
        """
        VALIDATOR.validate(tomllib.loads(text))

    @given(configurations())
    @settings(deadline=None, max_examples=50)
    def test_every_configuration(self, config: Config) -> None:
        """
        So is what a dhcp6leased.conf is converted to.
        """
        VALIDATOR.validate(tomllib.loads(to_toml(config)))

    def test_wrong_files(self) -> None:
        """
        Unknown keys, wrong types, values out of range and missing keys are wrong by it.
        """
        for wrong in (
            "",
            "[uplink.eth0]\n",
            "[uplinks.eth0]\n",
            SMALLEST.replace("downstreams", "downstream"),
            SMALLEST.replace('"lan0"', '"lan0/x"'),
            SMALLEST.replace('["lan0"]', '"lan0"'),
            SMALLEST.replace('["lan0"]', '["averyverylongname"]'),
            SMALLEST + "hint = 129\n",
            SMALLEST + "iaid = -1\n",
            SMALLEST + '[daemon]\nsandbox = "maybe"\n',
            SMALLEST + "[daemon]\nroute_protocol = 16\n",
            SMALLEST + '[daemon]\nstate = "here"\n',
            SMALLEST + "[guests.web1]\n[[guests.web1.nics]]\nlink = 'tap0'\n",
            SMALLEST + "[guests.web1]\nid = 1\n",
            SMALLEST + "[policy]\nprefixes = []\n",
        ):
            self.assertFalse(is_valid(wrong), wrong)
