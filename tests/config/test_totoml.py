"""
Tests of L{pdlease.config.totoml}.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from textwrap import dedent
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config import guestschema, leasedconf, schema, toml
from pdlease.config.model import Config
from pdlease.config.toconf import to_conf
from pdlease.config.totoml import text, to_toml
from tests.config.forms import configurations

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "pdlease.toml"

SMALLEST = '[uplinks.eth0]\n{}\n[[uplinks.eth0.delegations]]\ndownstreams = ["lan0"]\n'

ROWS = {"daemon": schema.DAEMON, "identity": schema.IDENTITY, "local": guestschema.LOCAL, "policy": schema.POLICY}


def keys(rows: tuple[schema.Key, ...], *without: str) -> st.SearchStrategy[str]:
    """Any of the keys of a table, each with its example."""
    free = [row for row in rows if not row.required and row.name not in without]
    return st.sets(st.sampled_from(free)).map(
        lambda chosen: "".join(f"{row.name} = {row.example}\n" for row in free if row in chosen)
    )


@st.composite
def files(draw: st.DrawFn) -> str:
    """A file with any of the keys that there are."""
    parts = []
    for name, rows in ROWS.items():
        if draw(st.booleans()):
            parts.append(f"[{name}]\n{draw(keys(rows))}")
    parts.append(f'[uplinks."w.n"]\n{draw(keys(schema.UPLINK, "link"))}link = "eth0"\n')
    parts.append(f'[[uplinks."w.n".delegations]]\n{draw(keys(schema.DELEGATION, "split"))}')
    if draw(st.booleans()):
        parts.append(
            f"downstreams = [{{ link = 'reserve',\t{', '.join(draw(keys(schema.DOWNSTREAM)).splitlines())} }}]"
        )
    parts.append(f"[switches.lab]\n{draw(keys(guestschema.SWITCH))}")
    parts.append(f"[guests.web1]\nid = 7\n[[guests.web1.nics]]\nlink='tap0'\n{draw(keys(guestschema.NIC, 'delegate'))}")
    return "\n".join(parts).replace(",  }", " }").replace(",\t }", " }")


class WrittenTests(SynchronousTestCase):
    """
    TOML made of a configuration.
    """

    def test_converted(self) -> None:
        """
        A file in the form of dhcp6leased.conf becomes the TOML that a person would write.
        """
        config = leasedconf.parse(
            b"request rapid commit\nrequest prefix delegation on eth0.10 for { em1 em2/60 reserve }\n", "x.conf"
        )
        lines = [
            '[uplinks."eth0.10"]',
            "rapid_commit = true",
            "",
            '[[uplinks."eth0.10".delegations]]',
            'hint = "exact"',
            'downstreams = ["em1", "em2/60", "reserve"]',
        ]
        self.assertEqual(to_toml(config).splitlines(), lines)

    def test_with_plan(self) -> None:
        """
        With a plan, comments tell needed lengths, and subnets out of 2001:db8::.
        """
        config = leasedconf.parse(b"request prefix delegation on em0 for { em1 em2/60 }\n", "x.conf")
        written = to_toml(config, with_plan=True)
        for line in ("[[uplinks.em0.delegations]]  # needs a /59", '    "em2/60",  # 2001:db8:0:10::/60'):
            self.assertIn(line, written.splitlines())
        self.assertEqual(toml.parse(written.encode(), "x"), config)

    @given(configurations())
    @settings(deadline=None)
    def test_there_and_back(self, config: Config) -> None:
        """
        From the form of dhcp6leased.conf to the model, to TOML and to the model again is the identity.
        """
        first = leasedconf.parse(to_conf(config).encode(), "x.conf")
        self.assertEqual(first, config)
        self.assertEqual(toml.parse(to_toml(first).encode(), "x.toml"), config)

    @given(files(), st.booleans())
    @settings(deadline=None)
    def test_every_key(self, source: str, with_plan: bool) -> None:
        """
        Whatever key a TOML file has, what is written of it says the same.
        """
        config = toml.parse(source.encode(), "x.toml")
        self.assertEqual(toml.parse(to_toml(config, with_plan).encode(), "x.toml"), config)

    def test_octets(self) -> None:
        """
        Octets are written as text where they are some, and as digits where text would say something else.
        """
        source = SMALLEST.format('user_class = ["a\\"b", "hex:00ff", "hex:6865783a", "hex:0a"]')
        config = toml.parse(source.encode(), "x")
        self.assertIn('user_class = ["a\\"b", "hex:00ff", "hex:6865783a", "hex:0a"]\n', to_toml(config))
        self.assertEqual(toml.parse(to_toml(config).encode(), "x"), config)

    def test_profile(self) -> None:
        """
        Under a profile, which has a default of its own, the hint is always written.
        """
        source = SMALLEST.format('profile = "dhcp6leased"')
        for more in ("", 'hint = "nibble"\n', 'hint = "exact"\n'):
            config = toml.parse((source + more).encode(), "x")
            self.assertEqual(toml.parse(to_toml(config).encode(), "x"), config)

    def test_page(self) -> None:
        """
        The two files on the page about migration are the same, and the second is what is written of the first.
        """
        page = (EXAMPLE.parents[1] / "migrating.rst").read_text()
        blocks = re.findall(r"\.\. code-block:: text\n\n((?:    .*\n|\n)+)", page)
        conf, written = (dedent(block).strip() + "\n" for block in blocks)
        self.assertEqual(to_toml(leasedconf.parse(conf.encode(), "x.conf")), written)

    def test_example(self) -> None:
        """
        The example with every table comes back, plan or no plan.
        """
        config = toml.parse(EXAMPLE.read_bytes(), "x.toml")
        for with_plan in (False, True):
            self.assertEqual(toml.parse(to_toml(config, with_plan).encode(), "x.toml"), config)

    @given(st.text(st.characters(exclude_categories=("Cs",))))
    @settings(deadline=None)
    def test_text(self, value: str) -> None:
        """
        Any text in quotes is that text to a TOML reader.
        """
        read: dict[str, Any] = tomllib.loads(f"x = {text(value)}")
        self.assertEqual(read["x"], value)
