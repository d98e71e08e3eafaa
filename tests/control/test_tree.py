"""
Tests of L{pdlease.control.tree}, and of L{pdlease.config.space}, which it draws.
"""

from __future__ import annotations

from ipaddress import IPv6Network
from pathlib import Path
from textwrap import dedent

from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.model import Config, Delegation, Uplink
from pdlease.config.plan import carvings, in_file_order
from pdlease.config.space import space_document
from pdlease.config.toml import parse
from pdlease.control.tree import tree_text
from pdlease.control.wording import Paint
from pdlease.subnets import Downstream

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "pdlease.toml"


class PlanTreeTests(SynchronousTestCase):
    """
    The plan as a tree of text.
    """

    def assertTree(self, config: Config, prefixes: list[str], expected: str, excluded: str = "") -> None:
        """The tree is this, with these prefixes in file order."""
        given = in_file_order(config, [IPv6Network(prefix) for prefix in prefixes])
        without = {place: IPv6Network(excluded) for place in given} if excluded else None
        carved = {place: (carving,) for place, carving in carvings(config, given, without).items()}
        self.assertEqual(tree_text(space_document(config, carved), Paint(False)), dedent(expected).removeprefix("\n"))

    def test_example(self) -> None:
        """
        Everything that the prefix is used for is shown in order of address, free and reserved parts included.
        """
        self.assertTree(
            parse(EXAMPLE.read_bytes(), "x.toml"),
            ["2001:db8::/56"],
            """
            wan on eth0.835
            └─ 2001:db8::/56 (IAID 1, needs a /58, asks for a /56)
               ├─ 2001:db8::/64                             lan0, router 2001:db8::1
               ├─ 2001:db8:0:1::/64                         tap0, guest web1
               ├─ 2001:db8:0:2::/64 to 2001:db8:0:f::/64    free, 14 subnets of /64
               ├─ 2001:db8:0:10::/60                        lan1, router 2001:db8:0:10::1
               ├─ 2001:db8:0:20::/64                        reserved
               ├─ 2001:db8:0:21::/64                        lan2, router 2001:db8:0:21::1
               └─ 2001:db8:0:22::/64 to 2001:db8:0:ff::/64  free, 222 subnets of /64
            """,
        )

    def test_too_small(self) -> None:
        """
        WPD-3: who stays without a subnet is shown; the excluded part is shown as the uplink's.
        """
        self.assertTree(
            parse(EXAMPLE.read_bytes(), "x.toml"),
            ["2001:db8::/63"],
            """
            wan on eth0.835
            └─ 2001:db8::/63 (IAID 1, needs a /58, asks for a /56)
               ├─ 2001:db8::/64      excluded, kept for the uplink
               ├─ 2001:db8:0:1::/64  lan0, router 2001:db8:0:1::1
               ├─ no room for lan1
               ├─ no room for lan2
               └─ no room for tap0, guest web1
            """,
            excluded="2001:db8::/64",
        )

    def test_without_prefix(self) -> None:
        """
        A delegation without a prefix shows what it is going to be used for.
        """
        self.assertTree(
            parse(EXAMPLE.read_bytes(), "x.toml"),
            [],
            """
            wan on eth0.835
            └─ no prefix yet (IAID 1, needs a /58, asks for a /56)
               ├─ /64  lan0
               ├─ /60  lan1
               ├─ /64  reserved
               ├─ /64  lan2
               └─ /64  tap0, guest web1
            """,
        )

    def test_several(self) -> None:
        """
        Several delegations and uplinks stand below one another; free space that is no row of /64s is shown by its
        addresses; guests are the first delegation's only.
        """
        small = Delegation(key="a", hint="none", downstreams=(Downstream(link="a", length=128),))
        config = Config(
            uplinks=(
                Uplink(name="eth0", link="eth0", delegations=(small, Delegation(key="#1"))),
                Uplink(name="lte", link="wwan0", delegations=(Delegation(key="#0"), Delegation(key="#1"))),
            )
        )
        self.assertTree(
            config,
            ["2001:db8::/126", "2001:db8:1::/64"],
            """
            eth0
            ├─ 2001:db8::/126 (needs a /128, asks for no length)
            │  ├─ 2001:db8::/128              a, router 2001:db8::
            │  └─ 2001:db8::1 to 2001:db8::3  free
            └─ 2001:db8:1::/64 (needs a /64, asks for a /64)
               └─ 2001:db8:1::/64  free
            lte on wwan0
            ├─ no prefix yet (needs a /64, asks for a /64)
            └─ no prefix yet (needs a /64, asks for a /64)
            """,
        )

    def test_nothing(self) -> None:
        """
        Without uplinks there is nothing to draw.
        """
        self.assertEqual(tree_text(space_document(Config(), {}), Paint(False)), "")
