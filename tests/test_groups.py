"""
Tests for L{pdlease.groups}.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from pdlease.groups import read_groups

TABLE = """
# device group names
0\tdefault
0x7  guests   # ours
12 dmz
x bad
99999999999 large
-1 negative
13
"""


class ReadTests(SynchronousTestCase):
    """L{read_groups}."""

    def test_table(self) -> None:
        """Numbers by name, decimal or hexadecimal; whatever makes no sense is passed over."""
        path = os.path.abspath(self.mktemp())
        with open(path, "w") as file:
            file.write(TABLE)
        self.assertEqual(read_groups((path + ".missing", path)), {"default": 0, "guests": 7, "dmz": 12})

    def test_none(self) -> None:
        """Without a table no group has a name."""
        self.assertEqual(read_groups((os.path.abspath(self.mktemp()),)), {})
