"""
Tests for L{pdlease.placement}.
"""

from __future__ import annotations

from ipaddress import IPv6Interface, IPv6Network
from math import inf

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.placement import key_of, place, slot_of
from pdlease.wanted import WantedAddress, WantedIPv6, WantedRoute, WantedUnreachable
from tests.fakes import MemoryKernel

ADDRESS = IPv6Interface("2001:db8::1/64")
PREFIX = ADDRESS.network
IPV6 = WantedIPv6(link="lan0", uplink="wan")
WANTED = WantedAddress(link="lan0", address=ADDRESS, preferred_until=600.0, valid_until=1100.0, uplink="wan")
ROUTE = WantedRoute(link="lan0", prefix=PREFIX, valid_until=1100.0, table=254, metric=512, uplink="wan")
REFUSE = WantedUnreachable(
    link="eth0", prefix=IPv6Network("2001:db8::/56"), valid_until=1100.0, table=254, metric=4096, uplink="wan"
)


class PlaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.kernel = MemoryKernel(Clock())
        self.link = self.kernel.add_link("lan0")

    def test_places(self) -> None:
        """Every object has a key and, but for unreachable routes, a link."""
        self.assertEqual(
            place([REFUSE, IPV6, WANTED, ROUTE], self.kernel, 100.0),
            {
                (REFUSE.prefix, None, 254, 4096): (REFUSE, None),
                ("ipv6", 2): (IPV6, self.link),
                (2, ADDRESS.ip): (WANTED, self.link),
                (PREFIX, 2, 254, 512): (ROUTE, self.link),
            },
        )

    def test_tables_of_vrfs(self) -> None:
        """
        A route that names a VRF has the table that the kernel tells of it, and no place while there is none (P5).
        """
        in_blue = [evolve(REFUSE, table="blue"), evolve(ROUTE, table="blue")]
        self.assertEqual(place(in_blue, self.kernel, 100.0), {})
        self.kernel.add_link("blue")
        self.assertEqual(place(in_blue, self.kernel, 100.0), {}, "it is no VRF")
        self.kernel.change("blue", kind="vrf", vrf_table=10)
        self.assertEqual(
            place(in_blue, self.kernel, 100.0),
            {
                (REFUSE.prefix, None, 10, 4096): (evolve(REFUSE, table=10), None),
                (PREFIX, 2, 10, 512): (evolve(ROUTE, table=10), self.link),
            },
        )

    def test_link_in_a_vrf(self) -> None:
        """
        The on-link route of a link that is in a VRF has that VRF's table, whatever else is said, and goes back with the
        link; that of a port of a bridge, and an unreachable route, have their own.
        """
        vrf = self.kernel.add_link("blue")
        self.kernel.change("blue", kind="vrf", vrf_table=10)
        bridge = self.kernel.add_link("br0")
        for master, table in ((vrf.index, 10), (bridge.index, 254), (None, 254)):
            self.kernel.change("lan0", master=master)
            placed = place([REFUSE, ROUTE], self.kernel, 100.0)
            self.assertEqual(list(placed), [(REFUSE.prefix, None, 254, 4096), (PREFIX, 2, table, 512)])

    def test_none(self) -> None:
        """What is over, or on a link that does not exist, has no place."""
        self.assertEqual(place([WANTED, REFUSE, evolve(IPV6, link="lan9")], self.kernel, 1100.0), {})

    def test_key_and_slot(self) -> None:
        """A route is found by link as well, but takes the place of any with its prefix, table and metric."""
        self.assertEqual(key_of(ROUTE, self.link), (PREFIX, 2, 254, 512))
        self.assertEqual(slot_of(ROUTE), (PREFIX, 254, 512))

    def test_same_address(self) -> None:
        """
        Where two want the same address on a link, the one that is preferred longer has it, then the one that lives
        longer: a prefix on its way out does not deprecate the addresses of the one that takes its place.
        """
        shorter = evolve(WANTED, valid_until=1000.0)
        leaving = evolve(WANTED, preferred_until=100.0, valid_until=7200.0)
        for order in ([shorter, WANTED, leaving], [leaving, WANTED, shorter]):
            placed = place(order, self.kernel, 100.0)
            self.assertEqual([item for item, _ in placed.values()], [WANTED])

    def test_same_route(self) -> None:
        """Where two routes have the same prefix, table and metric, only one can be there: the one that lives longer."""
        self.kernel.add_link("lan1")
        longer = evolve(ROUTE, link="lan1", valid_until=1200.0)
        for order in ([ROUTE, longer], [longer, ROUTE]):
            placed = place(order, self.kernel, 100.0)
            self.assertEqual([item for item, _ in placed.values()], [longer])

    def test_on_link_first(self) -> None:
        """An on-link route goes before an unreachable one in the same place, however long that would live."""
        refuse = evolve(REFUSE, prefix=PREFIX, metric=512, valid_until=inf)
        for order in ([ROUTE, refuse], [refuse, ROUTE]):
            placed = place(order, self.kernel, 100.0)
            self.assertEqual([item for item, _ in placed.values()], [ROUTE])

    def test_setting_once(self) -> None:
        """A setting that two uplinks need is one."""
        placed = place([IPV6, evolve(IPV6, uplink="dsl")], self.kernel, 100.0)
        self.assertEqual([item for item, _ in placed.values()], [IPV6])
