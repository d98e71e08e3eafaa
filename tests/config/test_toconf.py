"""
Tests of L{pdlease.config.toconf}.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.leasedconf import parse
from pdlease.config.model import Config
from pdlease.config.toconf import to_conf
from tests.config.forms import configurations

TEXT = b"""
request rapid commit
request prefix delegation on em0 for { em1 em2/60 reserve em3/56 em4 }
request prefix delegation on em5 for { "for" "123" }
request prefix delegation on em0 for em6/31
"""


class PrintedTests(SynchronousTestCase):
    """
    The printed configuration (seed-behaviour 2.7).
    """

    def test_printed(self) -> None:
        """
        As the original's C{-n -v}: rapid commit, then the delegations of each upstream.
        """
        self.assertEqual(
            to_conf(parse(TEXT, "x.conf")).splitlines(),
            [
                "request rapid commit",
                "",
                "request prefix delegation on em0 for {",
                "\tem1/64",
                "\tem2/60",
                "\treserve/64",
                "\tem3/56",
                "\tem4/64",
                "}",
                "",
                "request prefix delegation on em0 for {",
                "\tem6/31",
                "}",
                "request prefix delegation on em5 for {",
                "\tfor/64",
                '\t"123/64"',
                "}",
            ],
        )

    def test_with_plan(self) -> None:
        """
        As C{-n -vv}: with lengths and subnets in comments, the latter where the length is at least 32.
        """
        lines = to_conf(parse(TEXT, "x.conf"), with_plan=True).splitlines()
        self.assertEqual(
            lines[2:9],
            [
                "request prefix delegation on em0 for {\t# prefix length = 54",
                "\tem1/64\t# 2001:db8::/64",
                "\tem2/60\t# 2001:db8:0:10::/60",
                "\treserve/64\t# 2001:db8:0:20::/64",
                "\tem3/56\t# 2001:db8:0:100::/56",
                "\tem4/64\t# 2001:db8:0:200::/64",
                "}",
            ],
        )
        self.assertEqual(lines[10:12], ["request prefix delegation on em0 for {\t# prefix length = 31", "\tem6/31"])

    @given(configurations(), st.booleans())
    @settings(deadline=None)
    def test_read_again(self, config: Config, with_plan: bool) -> None:
        """
        What is printed is read as the same configuration.
        """
        self.assertEqual(parse(to_conf(config, with_plan).encode(), "x.conf"), config)
