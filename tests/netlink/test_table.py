"""
Tests for L{pdlease.netlink.table}.
"""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Interface, IPv6Network
from math import inf

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.kernel import ADDRESS_DAD_FAILED, Advertised, KernelAddress, KernelRoute, Link
from pdlease.netlink.notices import (
    AddressNotice,
    Inet6Notice,
    LinkGone,
    LinkNotice,
    Notice,
    RouteNotice,
    RouteReplaced,
    RouterNotice,
)
from pdlease.netlink.table import JITTER, MANY_DUPLICATES, Table

LAN = Link(index=3, name="lan0")
WAN = Link(index=2, name="wan")
ADDRESS = KernelAddress(
    index=3, address=IPv6Interface("2001:db8:1::1/64"), preferred_until=100.0, valid_until=200.0, protocol=154
)
ROUTE = KernelRoute(prefix=IPv6Network("2001:db8:1::/64"), index=3, protocol=154, valid_until=200.0)
UNREACHABLE = KernelRoute(prefix=IPv6Network("2001:db8::/56"), kind="unreachable", metric=4096, protocol=154)


class TableCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.table = Table()
        self.fold(LinkNotice(WAN), LinkNotice(LAN), AddressNotice(ADDRESS), RouteNotice(ROUTE))
        self.table.changes()

    def fold(self, *notices: Notice) -> None:
        for notice in notices:
            self.table.fold(notice)


class FoldTests(TableCase):
    def test_kept(self) -> None:
        """What was told is there: links by index and name, addresses and routes by their keys."""
        self.assertEqual(self.table.links, {2: WAN, 3: LAN})
        self.assertEqual(self.table.link_named("lan0"), LAN)
        self.assertIsNone(self.table.link_named("lan1"))
        self.assertEqual(self.table.addresses, {(3, IPv6Address("2001:db8:1::1")): ADDRESS})
        self.assertEqual(self.table.routes, {ROUTE.key: ROUTE})

    def test_read_only(self) -> None:
        """Those who read the table cannot change it."""
        for mapping in (self.table.links, self.table.addresses, self.table.routes):
            self.assertRaises(TypeError, _set, mapping)

    def test_renamed(self) -> None:
        """After a change of name a link is found by the new one only, and both are told as changed."""
        self.fold(LinkNotice(evolve(LAN, name="lan7")))
        self.assertEqual(self.table.changes(), {"lan0", "lan7"})
        self.assertIsNone(self.table.link_named("lan0"))
        link = self.table.link_named("lan7")
        assert link is not None
        self.assertEqual(link.index, 3)

    def test_names_exchanged(self) -> None:
        """Where two links exchange their names, each is found by its own, whichever change was told first."""
        self.fold(LinkNotice(evolve(LAN, name="wan")), LinkNotice(evolve(WAN, name="lan0")))
        found = [self.table.link_named(name) for name in ("wan", "lan0")]
        self.assertEqual([link and link.index for link in found], [3, 2])

    def test_name_freed(self) -> None:
        """A name that was told of two links at a time is found again once the other is gone."""
        self.fold(LinkNotice(evolve(WAN, name="lan0")), LinkGone(2), LinkNotice(LAN))
        self.assertEqual(self.table.link_named("lan0"), LAN)

    def test_made_again(self) -> None:
        """A link that is deleted and made again under its name is another one, without the addresses of the first."""
        self.fold(LinkGone(3), LinkNotice(evolve(LAN, index=9)))
        link = self.table.link_named("lan0")
        assert link is not None
        self.assertEqual(link.index, 9)
        self.assertEqual((self.table.addresses, self.table.routes), ({}, {}))
        self.assertEqual(self.table.changes(), {"lan0"})

    def test_unknown_departure(self) -> None:
        """The departure of a link that is not known changes nothing."""
        self.fold(LinkGone(77))
        self.assertIsNone(self.table.changes())

    def test_down(self) -> None:
        """A link that is down has no routes, whether their removal is told or not (skip_notify_on_dev_down)."""
        self.fold(RouteNotice(UNREACHABLE), LinkNotice(evolve(LAN, is_up=False)))
        self.assertEqual(self.table.routes, {UNREACHABLE.key: UNREACHABLE})
        self.assertEqual(len(self.table.addresses), 1)

    def test_removed(self) -> None:
        """Addresses and routes that are removed are gone; a second removal changes nothing."""
        self.fold(AddressNotice(ADDRESS, removed=True), RouteNotice(ROUTE, removed=True))
        self.assertEqual((self.table.addresses, self.table.routes), ({}, {}))
        self.assertEqual(self.table.changes(), {"lan0"})
        self.fold(AddressNotice(ADDRESS, removed=True), RouteNotice(ROUTE, removed=True))
        self.assertIsNone(self.table.changes())

    def test_no_change(self) -> None:
        """Being told the same again is no change."""
        self.fold(LinkNotice(LAN), AddressNotice(ADDRESS), RouteNotice(ROUTE))
        self.assertIsNone(self.table.changes())

    def test_rounding(self) -> None:
        """
        Lifetimes told anew are the same if they are later by the kernel's rounding only; a lifetime that has really
        changed is a change, and so is any that is earlier, as rounding makes none seem earlier.
        """
        steady = evolve(ADDRESS, preferred_until=100.0 + JITTER / 2, valid_until=200.0 + JITTER / 2)
        self.fold(AddressNotice(steady), RouteNotice(evolve(ROUTE, valid_until=200.0 + JITTER / 2)))
        self.assertIsNone(self.table.changes())
        self.assertEqual((self.table.addresses[ADDRESS.key], self.table.routes[ROUTE.key]), (ADDRESS, ROUTE))
        self.fold(AddressNotice(evolve(ADDRESS, valid_until=200.0 + JITTER)))
        self.assertEqual(self.table.changes(), {"lan0"})
        self.fold(AddressNotice(evolve(ADDRESS, valid_until=200.5)))
        self.assertEqual((self.table.changes(), self.table.addresses[ADDRESS.key].valid_until), ({"lan0"}, 200.5))
        self.fold(AddressNotice(evolve(ADDRESS, valid_until=inf)), RouteNotice(evolve(ROUTE, valid_until=inf)))
        self.assertEqual(self.table.addresses[ADDRESS.key].valid_until, inf)
        self.assertEqual(self.table.routes[ROUTE.key].valid_until, inf)

    def test_no_drift(self) -> None:
        """Lifetimes that creep on by less than the rounding are followed in the end."""
        for step in range(1, 50):
            self.fold(AddressNotice(evolve(ADDRESS, valid_until=200.0 + step)))
        self.assertLess(abs(self.table.addresses[ADDRESS.key].valid_until - 249.0), JITTER)

    def test_flags(self) -> None:
        """The end of duplicate address detection is a change, whether or not the times are the same."""
        self.fold(AddressNotice(evolve(ADDRESS, flags=0x40)))
        self.assertEqual(self.table.changes(), {"lan0"})
        self.assertTrue(self.table.addresses[ADDRESS.key].tentative)

    def test_route_without_link(self) -> None:
        """A route that belongs to no link is a change without a name."""
        self.fold(RouteNotice(UNREACHABLE))
        self.assertEqual(self.table.changes(), frozenset())

    def test_replaced(self) -> None:
        """
        A route that replaces another takes its place, whatever the link or the kind of that; the kernel says nothing of
        the other.  A route that is merely added does not.
        """
        elsewhere = evolve(ROUTE, index=2)
        self.fold(RouteNotice(elsewhere))
        self.assertEqual(len(self.table.routes), 2)
        self.fold(RouteNotice(evolve(ROUTE, table=7)), RouteNotice(evolve(ROUTE, metric=7)))
        self.table.changes()
        self.fold(RouteNotice(elsewhere, replaces=True))
        self.assertEqual([(key[1], *key[2:]) for key in self.table.routes], [(2, 254, 256), (3, 7, 256), (3, 254, 7)])
        self.assertEqual(self.table.changes(), {"lan0"})

    def test_replaced_by_others(self) -> None:
        """A route of ours that somebody else's takes the place of is gone, be that on the same link or on none."""
        for other in (evolve(ROUTE, protocol=3), evolve(ROUTE, protocol=3, index=None, kind="unreachable")):
            self.fold(RouteNotice(ROUTE), RouteReplaced(evolve(other, metric=7)))
            self.assertEqual(set(self.table.routes), {ROUTE.key})
            self.fold(RouteReplaced(other))
            self.assertEqual(self.table.routes, {})

    def test_duplicates(self) -> None:
        """
        An address that the kernel took away because another host holds it is remembered until it is added again, or its
        link goes down, loses carrier or goes away.
        """
        lost = AddressNotice(evolve(ADDRESS, flags=ADDRESS_DAD_FAILED), removed=True)
        for end in (
            AddressNotice(ADDRESS),
            LinkNotice(evolve(LAN, is_up=False)),
            LinkNotice(evolve(LAN, has_carrier=False)),
            LinkGone(3),
        ):
            self.fold(LinkNotice(LAN))
            self.table.fold(lost, 77.0)
            self.assertEqual(self.table.duplicates, {ADDRESS.key: 77.0})
            self.fold(end)
            self.assertEqual(self.table.duplicates, {})
        self.fold(AddressNotice(ADDRESS, removed=True))
        self.assertEqual(self.table.duplicates, {})

    def test_many_duplicates(self) -> None:
        """Of addresses that other hosts hold only so many are remembered."""
        for number in range(2 * MANY_DUPLICATES):
            address = evolve(ADDRESS, address=IPv6Interface(f"2001:db8::{number:x}/64"), flags=ADDRESS_DAD_FAILED)
            self.table.fold(AddressNotice(address, removed=True), float(number))
        self.assertEqual(len(self.table.duplicates), MANY_DUPLICATES)
        self.assertEqual(min(self.table.duplicates.values()), MANY_DUPLICATES)

    def test_inet6(self) -> None:
        """What Router Advertisements told of a link is kept; that IPv6 is disabled or not, with the link."""
        notice = Inet6Notice(3, True, True, True, False)
        self.fold(notice)
        self.assertTrue(self.table.links[3].ipv6_disabled)
        advertised = {3: Advertised(heard=True, managed=True)}
        self.assertEqual((self.table.advertised, self.table.changes()), (advertised, {"lan0"}))
        self.fold(notice)
        self.assertIsNone(self.table.changes())
        self.fold(Inet6Notice(3, None, False, False, False))
        self.assertTrue(self.table.links[3].ipv6_disabled)
        self.fold(LinkGone(3), notice)
        self.assertEqual(self.table.advertised, {})

    def test_flags_of_before(self) -> None:
        """
        The flags M and O stay when the link goes down, as in the kernel, which does not repeat them when it hears them
        again; whether a solicited Router Advertisement was heard is of no weight.
        """
        self.fold(Inet6Notice(3, None, False, True, True))
        self.fold(LinkNotice(evolve(self.table.links[3], is_up=False, has_carrier=False)))
        self.assertEqual(self.table.advertised[3], Advertised(managed=True, other=True))

    def test_routers(self) -> None:
        """Routers are known as long as the kernel has default routes by them, and their link is up."""
        one, two = IPv6Address("fe80::1"), IPv6Address("fe80::2")
        self.fold(RouterNotice(3, one))
        self.assertEqual((self.table.routers, self.table.changes()), ({3: {one}}, {"lan0"}))
        self.fold(RouterNotice(3, one))
        self.assertIsNone(self.table.changes())
        self.fold(RouterNotice(3, two), RouterNotice(3, one, removed=True))
        self.assertEqual(self.table.routers, {3: {two}})
        self.fold(RouterNotice(3, two, removed=True), RouterNotice(99, one))
        self.assertEqual(self.table.routers, {})
        self.fold(RouterNotice(3, one), LinkNotice(evolve(self.table.links[3], is_up=False, has_carrier=False)))
        self.assertEqual(self.table.routers, {})

    def test_routers_not_named_again(self) -> None:
        """A router that a dump does not name is gone."""
        one, two = IPv6Address("fe80::1"), IPv6Address("fe80::2")
        self.fold(RouterNotice(3, one), RouterNotice(3, two))
        self.table.expect_routers()
        self.fold(RouterNotice(3, two))
        self.table.drop_routers()
        self.assertEqual(self.table.routers, {3: {two}})


def _set(mapping: object) -> None:
    mapping["x"] = 1  # type: ignore[index]


class SweepTests(TableCase):
    def test_missing(self) -> None:
        """What a complete dump did not name is gone; what it named stays, and so does what came in meanwhile."""
        other = evolve(ADDRESS, address=IPv6Interface("2001:db8:1::2/64"))
        self.fold(AddressNotice(other), RouteNotice(UNREACHABLE))
        self.table.expect_addresses()
        self.table.expect_routes()
        late = evolve(ADDRESS, address=IPv6Interface("2001:db8:1::3/64"))
        self.fold(AddressNotice(other), AddressNotice(late), RouteNotice(UNREACHABLE))
        self.table.drop_addresses()
        self.table.drop_routes()
        self.assertEqual(set(self.table.addresses), {other.key, late.key})
        self.assertEqual(set(self.table.routes), {UNREACHABLE.key})

    def test_missing_link(self) -> None:
        """A link that a complete dump did not name is gone with all that is on it."""
        self.table.expect_links()
        self.fold(LinkNotice(WAN))
        self.table.drop_links()
        self.assertEqual((set(self.table.links), self.table.addresses, self.table.routes), ({2}, {}, {}))
        self.assertEqual(self.table.changes(), {"lan0"})

    def test_same(self) -> None:
        """A dump that names what is known already changes nothing."""
        self.table.expect_links()
        self.table.expect_addresses()
        self.table.expect_routes()
        self.fold(LinkNotice(WAN), LinkNotice(LAN), AddressNotice(ADDRESS), RouteNotice(ROUTE))
        self.table.drop_links()
        self.table.drop_addresses()
        self.table.drop_routes()
        self.assertIsNone(self.table.changes())

    @settings(deadline=None)
    @given(
        st.lists(st.tuples(st.sampled_from(["link", "gone", "address", "route"]), st.integers(1, 4), st.booleans())),
        st.sets(st.integers(1, 4)),
    )
    def test_any_past(self, past: list[tuple[str, int, bool]], present: set[int]) -> None:
        """Whatever was believed before, after complete dumps the table holds what they named and nothing else."""
        table = Table()
        for kind, index, flag in past:
            table.fold(self.make(kind, index, flag))
            self.assert_found(table)
        links = {index: Link(index=index, name=f"new{index}") for index in present}
        table.expect_links()
        for link in links.values():
            table.fold(LinkNotice(link))
        table.drop_links()
        table.expect_addresses()
        for index in present:
            table.fold(self.make("address", index, False))
        table.drop_addresses()
        table.expect_routes()
        table.drop_routes()
        self.assertEqual(table.links, links)
        self.assertEqual({key[0] for key in table.addresses}, present)
        self.assertEqual(table.routes, {})
        self.assertEqual([table.link_named(link.name) for link in links.values()], list(links.values()))
        self.assert_found(table)

    def assert_found(self, table: Table) -> None:
        """What is found by link, and by place, is all that there is, and nothing else."""
        for index in range(1, 5):
            on = {address.key: address for address in table.addresses_on(index)}
            self.assertEqual(on, {key: address for key, address in table.addresses.items() if key[0] == index})
        for place in {(ROUTE.prefix, ROUTE.table, ROUTE.metric), *((k[0], k[2], k[3]) for k in table.routes)}:
            self.assertEqual(set(table.routes_in(place)), {k for k in table.routes if (k[0], k[2], k[3]) == place})

    @staticmethod
    def make(kind: str, index: int, flag: bool) -> Notice:
        if kind == "link":
            return LinkNotice(Link(index=index, name=f"old{index // 2 if flag else index}", is_up=flag))
        if kind == "gone":
            return LinkGone(index)
        if kind == "address":
            return AddressNotice(KernelAddress(index=index, address=ADDRESS.address), removed=flag)
        return RouteNotice(evolve(ROUTE, index=index), removed=flag)
