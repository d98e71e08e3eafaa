"""
Tests of L{pdlease.config.plan}.
"""

from __future__ import annotations

from ipaddress import IPv6Network
from pathlib import Path

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.model import NIC, Config, Delegation, Guest, Switch, Uplink
from pdlease.config.plan import carvings, in_file_order, plan_document
from pdlease.config.toml import parse
from pdlease.subnets import Downstream

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "pdlease.toml"


class PlanDocumentTests(SynchronousTestCase):
    """
    The document of C{pdleasectl plan --json}.
    """

    def test_example(self) -> None:
        """
        The plan of the example file with 2001:db8::/56 is the one that the design shows.
        """
        config = parse(EXAMPLE.read_bytes(), str(EXAMPLE))
        document = plan_document(config, in_file_order(config, [IPv6Network("2001:db8::/56")]))
        self.assertEqual(
            document,
            {
                "schema": 1,
                "uplinks": {
                    "wan": [
                        {
                            "iaid": 1,
                            "needed_length": 58,
                            "requested_length": 56,
                            "prefix": "2001:db8::/56",
                            "assignments": [
                                {"link": "lan0", "subnet": "2001:db8::/64", "address": "2001:db8::1"},
                                {"link": "lan1", "subnet": "2001:db8:0:10::/60", "address": "2001:db8:0:10::1"},
                                {"link": "lan2", "subnet": "2001:db8:0:21::/64", "address": "2001:db8:0:21::1"},
                            ],
                            "unassigned": [],
                        }
                    ]
                },
                "guests": {
                    "web1": [
                        {
                            "link": "tap0",
                            "ipv4": "100.64.1.2/31",
                            "ipv6": "fd12:3456:789a:bcde:6440:103:0:1/96",
                            "delegated": "2001:db8:0:1::/64",
                        }
                    ]
                },
                "switches": {"lab": {"link": "br0", "group": 7, "vrf": "blue", "up": True}},
            },
        )

    def test_without_prefix(self) -> None:
        """
        Without a prefix every key is still there: prefix and delegated /64 are null, nothing is assigned.
        """
        config = Config(
            uplinks=(
                Uplink(
                    name="wan",
                    link="eth0",
                    delegations=(Delegation(key="a", hint="none", downstreams=(Downstream(link="a"),), guests=1),),
                ),
            ),
            guests=(Guest(name="g", id=1, nics=(NIC(link="tap0", delegate="wan"), NIC(link="tap1", local=True))),),
            switches=(Switch(name="lab", link="br0", up=False),),
        )
        self.assertEqual(
            plan_document(config, {}),
            {
                "schema": 1,
                "uplinks": {
                    "wan": [
                        {
                            "iaid": None,
                            "needed_length": 63,
                            "requested_length": None,
                            "prefix": None,
                            "assignments": [],
                            "unassigned": [],
                        }
                    ]
                },
                "guests": {
                    "g": [
                        {"link": "tap0", "ipv4": None, "ipv6": None, "delegated": None},
                        {"link": "tap1", "ipv4": "100.64.1.4/31", "ipv6": None, "delegated": None},
                    ]
                },
                "switches": {"lab": {"link": "br0", "group": None, "vrf": None, "up": False}},
            },
        )

    def test_iaids(self) -> None:
        """
        An IAID in use is shown instead of the configured one, 0 included.
        """
        delegations = (Delegation(key="#0", iaid=7), Delegation(key="#1", iaid=8), Delegation(key="#2", iaid=9))
        config = Config(uplinks=(Uplink(name="wan", link="eth0", delegations=delegations),))
        document = plan_document(config, {}, iaids={("wan", "#0"): 0, ("wan", "#1"): 5})
        self.assertEqual([entry["iaid"] for entry in document["uplinks"]["wan"]], [0, 5, 9])  # type: ignore


class CarvingsTests(SynchronousTestCase):
    """
    Which prefix is carved for whom.
    """

    def setUp(self) -> None:
        """
        Two uplinks, the first with two delegations and a guest.
        """
        first = (
            Delegation(key="a", downstreams=(Downstream(link="a"), Downstream(link="b")), guests=1),
            Delegation(key="c", downstreams=(Downstream(link="c"),)),
        )
        self.config = Config(
            uplinks=(
                Uplink(name="wan", link="eth0", delegations=first),
                Uplink(name="lte", link="wwan0", delegations=(Delegation(key="#0"),)),
            ),
            guests=(Guest(name="g", id=1, nics=(NIC(link="tap0", delegate="wan"),)),),
        )

    def test_file_order(self) -> None:
        """
        Several prefixes fill delegations in file order.
        """
        prefixes = [IPv6Network(f"2001:db8:{n}::/56") for n in range(1, 4)]
        self.assertEqual(
            in_file_order(self.config, prefixes),
            {("wan", "a"): prefixes[0], ("wan", "c"): prefixes[1], ("lte", "#0"): prefixes[2]},
        )
        self.assertEqual(in_file_order(self.config, prefixes[:1]), {("wan", "a"): prefixes[0]})

    def test_too_many(self) -> None:
        """
        More prefixes than delegations are an error in words.
        """
        error = self.assertRaises(ValueError, in_file_order, self.config, [IPv6Network("2001:db8::/56")] * 4)
        self.assertEqual(str(error), "4 prefixes for 3 delegations")

    def test_guests_of_the_first_delegation(self) -> None:
        """
        A guest gets a /64 of the uplink's first delegation only.
        """
        given = in_file_order(self.config, [IPv6Network("2001:db8:1::/56"), IPv6Network("2001:db8:2::/56")])
        carved = carvings(self.config, given)
        self.assertEqual([guest.number for guest in carved["wan", "a"].guests], [2])
        self.assertEqual(carved["wan", "c"].guests, ())
        self.assertEqual(set(carved), set(given))

    def test_excluded(self) -> None:
        """
        What a server excludes is assigned to nobody.
        """
        given = in_file_order(self.config, [IPv6Network("2001:db8:1::/56")])
        carved = carvings(self.config, given, excluded={("wan", "a"): IPv6Network("2001:db8:1::/64")})
        self.assertEqual(
            [str(assignment.subnet) for assignment in carved["wan", "a"].assignments],
            ["2001:db8:1:1::/64", "2001:db8:1:2::/64"],
        )

    def test_excluded_host(self) -> None:
        """
        The plan document names what is excluded, where something is, and the address of the uplink's link in it.
        """
        (uplink, *others) = self.config.uplinks
        (first, *rest) = uplink.delegations
        offered = evolve(uplink, delegations=(evolve(first, excluded_host=2), *rest))
        kept = {("wan", "a"): IPv6Network("2001:db8:1::/64")}
        given = in_file_order(self.config, [IPv6Network("2001:db8:1::/56")])
        for config, own in ((self.config, None), (evolve(self.config, uplinks=(offered, *others)), "2001:db8:1::2")):
            (shown, *_) = plan_document(config, given, excluded=kept)["uplinks"]["wan"]  # type: ignore[call-overload, index]
            self.assertEqual((shown["excluded"], shown["excluded_address"]), ("2001:db8:1::/64", own))
            (shown, *_) = plan_document(config, given)["uplinks"]["wan"]  # type: ignore[call-overload, index]
            self.assertNotIn("excluded", shown)
