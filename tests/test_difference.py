"""
Tests for L{pdlease.difference}.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Interface, IPv6Network
from math import inf

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.difference import LONGEST_EXPIRY, Marking, compare, difference, seconds_left
from pdlease.kernel import KernelAddress, ObjectKey
from pdlease.ledger import Owned, OwnedAddress, OwnedRoute, OwnedSetting
from pdlease.operations import (
    INFINITE,
    DisableIPv6,
    EnableIPv6,
    Operation,
    PutAddress,
    PutRoute,
    PutUnreachable,
    RemoveAddress,
    RemoveRoute,
    RemoveUnreachable,
)
from pdlease.placement import place
from pdlease.wanted import Wanted, WantedAddress, WantedIPv6, WantedRoute, WantedUnreachable
from tests.fakes import MemoryKernel

ADDRESS = IPv6Interface("2001:db8::1/64")
PREFIX = ADDRESS.network
IPV6 = WantedIPv6(link="lan0", uplink="wan")
WANTED = WantedAddress(link="lan0", address=ADDRESS, preferred_until=600.0, valid_until=1100.0, uplink="wan")
ROUTE = WantedRoute(link="lan0", prefix=PREFIX, valid_until=1100.0, table=254, metric=512, uplink="wan")
REFUSE = WantedUnreachable(
    link="eth0", prefix=IPv6Network("2001:db8::/56"), valid_until=1100.0, table=254, metric=4096, uplink="wan"
)
ALL: tuple[Wanted, ...] = (REFUSE, IPV6, WANTED, ROUTE)


class World:
    """A kernel in memory and a ledger, without anything of time or answers between."""

    def __init__(self, now: float = 100.0) -> None:
        self.clock = Clock()
        self.clock.advance(now)
        self.kernel = MemoryKernel(self.clock)
        self.ours: dict[ObjectKey, Owned] = {}

    def round(self, wanted: Iterable[Wanted], kept: tuple[str, ...] = ()) -> list[Operation]:
        """Do once what is to be done; each operation must be one that Linux would not refuse."""
        now = self.clock.seconds()
        found = compare(place(wanted, self.kernel, now), self.kernel, self.ours, now, kept=kept)
        for key in found.gone:
            del self.ours[key]
        for act in found.acts:
            if act.entry is not None:
                self.ours[act.key] = act.entry
            for operation in act.operations:
                self.kernel.execute(operation)
                if isinstance(operation, (EnableIPv6, DisableIPv6)):
                    # As the applier does: of a link that is down the kernel says nothing.
                    self.kernel.ask_link(operation.index)
            if act.wanted is None:
                self.ours.pop(act.key, None)
        return [operation for act in found.acts for operation in act.operations]

    def difference(self, *wanted: Wanted) -> tuple[Operation, ...]:
        """What is to be done."""
        return difference(wanted, self.kernel, self.ours, self.clock.seconds())


class WorldTestCase(SynchronousTestCase):
    """A world with one downstream link of index 2."""

    def setUp(self) -> None:
        self.world = World()
        self.kernel = self.world.kernel
        self.kernel.add_link("lan0")


class PutTests(WorldTestCase):
    def test_order(self) -> None:
        """Refusing routes come first, then each link's address and route (WPD-5)."""
        self.assertEqual(
            self.world.difference(*ALL),
            (
                PutUnreachable(link="eth0", prefix=REFUSE.prefix, expires=1000, table=254, metric=4096),
                PutAddress(link="lan0", index=2, address=ADDRESS, preferred=500, valid=1000),
                PutRoute(link="lan0", index=2, prefix=PREFIX, expires=1000, table=254, metric=512),
            ),
        )

    def test_done(self) -> None:
        """When it is done there is nothing to do."""
        self.world.round(ALL)
        self.assertEqual(self.world.difference(*ALL), ())

    def test_rounded_down(self) -> None:
        """Lifetimes are whole seconds, rounded down, so that nothing outlives the lease (L-15, R-18.2.10.1-17)."""
        self.world.clock.advance(0.001)
        put = self.world.difference(WANTED)[0]
        assert isinstance(put, PutAddress)
        self.assertEqual((put.preferred, put.valid), (499, 999))

    def test_for_ever(self) -> None:
        """What never ends is told as never ending."""
        self.world.round([evolve(WANTED, preferred_until=inf, valid_until=inf), evolve(ROUTE, valid_until=inf)])
        self.assertEqual(self.kernel.addresses[2, ADDRESS.ip].valid_until, inf)
        self.assertEqual({r.valid_until for r in self.kernel.routes.values()}, {inf})

    def test_very_long_route(self) -> None:
        """A route for longer than the kernel can show is made without expiry, and left so."""
        long = evolve(ROUTE, valid_until=100.0 + LONGEST_EXPIRY + 1)
        self.assertEqual([o.expires for o in self.world.round([long]) if isinstance(o, PutRoute)], [INFINITE])
        self.assertEqual(self.world.difference(long), ())
        self.world.clock.advance(1)
        put = self.world.difference(long)[0]
        assert isinstance(put, PutRoute)
        self.assertEqual(put.expires, LONGEST_EXPIRY)

    def test_deprecated(self) -> None:
        """A preferred time that is over is told as 0."""
        self.world.round([WANTED])
        put = self.world.difference(evolve(WANTED, preferred_until=50.0))[0]
        assert isinstance(put, PutAddress)
        self.assertEqual((put.preferred, put.valid), (0, 1000))

    def test_deprecated_once(self) -> None:
        """What the kernel has deprecated, early or late, is not told again."""
        self.world.round([evolve(WANTED, preferred_until=50.0)])
        self.world.clock.advance(300)
        self.assertEqual(self.world.difference(evolve(WANTED, preferred_until=20.0)), ())

    def test_no_time_left(self) -> None:
        """What has hardly any time left is not made any more; a lifetime of 0 is never sent."""
        for left in (0.0, 0.5, 1.0, 2.0):
            until = 100.0 + left
            self.assertEqual(
                self.world.difference(
                    evolve(WANTED, valid_until=until, preferred_until=until),
                    evolve(ROUTE, valid_until=until),
                    evolve(REFUSE, valid_until=until),
                ),
                (),
            )

    def test_nearly_over(self) -> None:
        """What is to end in less than a second and would stay for long is removed; routes follow with the lease."""
        self.world.round(ALL)
        short = [evolve(item, valid_until=100.5) for item in (WANTED, ROUTE)]
        self.assertEqual([type(o) for o in self.world.difference(REFUSE, *short)], [RemoveAddress])

    def test_shortened(self) -> None:
        """Shorter lifetimes are told to the kernel, in place."""
        self.world.round(ALL)
        shorter = [evolve(item, valid_until=600.0) for item in (REFUSE, WANTED, ROUTE)]
        self.assertEqual([type(o) for o in self.world.difference(*shorter)], [PutAddress, PutRoute])

    def test_slack(self) -> None:
        """Differences that come of whole seconds alone are none, wherever in the second the kernel was read."""
        self.world.round(ALL)
        for blur in (0.0, 0.5, 0.999):
            self.kernel.dump(blur)
            self.assertEqual(self.world.difference(*ALL), ())

    def test_length(self) -> None:
        """Another prefix length is made by removing and adding, one right after the other."""
        self.world.round([WANTED])
        longer = evolve(WANTED, address=IPv6Interface("2001:db8::1/60"))
        self.assertEqual(
            [
                (type(o), str(o.address))
                for o in self.world.round([longer])
                if isinstance(o, (PutAddress, RemoveAddress))
            ],
            [(RemoveAddress, "2001:db8::1/64"), (PutAddress, "2001:db8::1/60")],
        )
        self.assertEqual(self.world.difference(longer), ())


class LinkTests(WorldTestCase):
    def test_missing(self) -> None:
        """Nothing is asked for a link that does not exist; the unreachable route needs none."""
        self.assertEqual(
            [type(o) for o in self.world.difference(*(evolve(w, link="lan9") for w in ALL))], [PutUnreachable]
        )

    def test_down(self) -> None:
        """Nothing is put on a link that is down: the kernel would take the address but not the route."""
        self.kernel.set_up("lan0", False)
        self.assertEqual(self.world.difference(IPV6, WANTED, ROUTE), ())

    def test_ipv6_off(self) -> None:
        """Where IPv6 is off it is switched on first, in the same go."""
        self.kernel.set_ipv6("lan0", False)
        self.assertEqual(
            [type(o) for o in self.world.difference(WANTED, ROUTE, IPV6)], [EnableIPv6, PutAddress, PutRoute]
        )

    def test_ipv6_off_unwanted(self) -> None:
        """Where IPv6 is off and nobody wants it on, nothing is put."""
        self.kernel.set_ipv6("lan0", False)
        self.assertEqual(self.world.difference(WANTED, ROUTE), ())

    def test_ipv6_back(self) -> None:
        """IPv6 that we switched on is switched off again last, by the ledger; where it was on it stays on."""
        self.kernel.add_link("lan1", ipv6_disabled=True)
        self.world.round([IPV6, evolve(IPV6, link="lan1")])
        self.assertEqual(self.world.round([]), [DisableIPv6(link="lan1", index=3)])
        self.assertEqual((self.world.ours, self.world.round([])), ({}, []))

    def test_ipv6_earlier_value(self) -> None:
        """The earlier value in the ledger stays the first, however often it is switched on."""
        self.kernel.set_ipv6("lan0", False)
        self.world.round([IPV6])
        first = dict(self.world.ours)
        self.kernel.set_ipv6("lan0", False)
        self.world.round([evolve(IPV6, uplink="dsl")])
        self.assertEqual(self.world.ours, first)

    def test_ipv6_off_already(self) -> None:
        """A setting that somebody put back already is struck out."""
        self.kernel.set_ipv6("lan0", False)
        self.world.round([IPV6])
        self.kernel.set_ipv6("lan0", False)
        self.assertEqual((self.world.round([]), self.world.ours), ([], {}))

    def test_ipv6_needed_by_another(self) -> None:
        """IPv6 is not switched off on a link that still carries what another uplink may want."""
        self.kernel.set_ipv6("lan0", False)
        self.world.round([IPV6, evolve(WANTED, uplink="dsl")])
        self.assertEqual(self.world.round([], kept=("dsl",)), [])
        self.assertEqual([type(o) for o in self.world.round([])], [RemoveAddress, DisableIPv6])

    def test_ipv6_needed_by_others(self) -> None:
        """Nor is it switched off while somebody else has an address or a route there, which would go with it."""
        self.kernel.set_ipv6("lan0", False)
        self.world.round([IPV6])
        self.kernel.add_foreign_address("lan0", "fe80::1/64", protocol=3)
        self.kernel.add_foreign_address("lan0", "2001:db8:9::1/64")
        route = self.kernel.add_foreign_route("lan0", "2001:db8:9::/64")
        self.assertEqual(self.world.round([]), [])
        self.kernel.execute(RemoveAddress(link="lan0", index=2, address=IPv6Interface("2001:db8:9::1/64")))
        self.assertEqual(self.world.round([]), [])
        self.kernel.execute(RemoveRoute(link="lan0", index=2, prefix=route.prefix, table=254, metric=512))
        self.assertEqual(self.world.round([]), [DisableIPv6(link="lan0", index=2)])

    def test_unknown_setting(self) -> None:
        """A setting that a later version wrote down is left alone and struck out."""
        entry = OwnedSetting(setting="group", index=2, earlier="0", link="lan0", uplink="wan")
        self.world.ours[entry.key] = entry
        self.assertEqual((self.world.round([]), self.world.ours), ([], {}))


class RemoveTests(WorldTestCase):
    def test_order(self) -> None:
        """What goes: on-link routes, then addresses, then what refuses, so that nothing leaks to the uplink."""
        self.kernel.set_ipv6("lan0", False)
        self.world.round(ALL)
        self.assertEqual(
            self.world.difference(),
            (
                RemoveRoute(link="lan0", index=2, prefix=PREFIX, table=254, metric=512),
                RemoveAddress(link="lan0", index=2, address=ADDRESS),
                RemoveUnreachable(link="eth0", prefix=REFUSE.prefix, table=254, metric=4096),
                DisableIPv6(link="lan0", index=2),
            ),
        )

    def test_renamed(self) -> None:
        """Removal goes by index, and messages by the name that the link has now."""
        self.world.round([WANTED])
        self.kernel.rename("lan0", "other")
        self.assertEqual(self.world.difference(), (RemoveAddress(link="other", index=2, address=ADDRESS),))

    def test_link_gone(self) -> None:
        """What went with its link is struck out, not removed, whatever is left in a table that lags behind."""
        self.world.round([IPV6, WANTED, ROUTE])
        route = self.kernel.routes[PREFIX, 2, 254, 512]
        self.kernel.remove_link("lan0")
        self.kernel.heard.routes[route.key] = route
        self.assertEqual((self.world.round([]), self.world.ours), ([], {}))

    def test_kept(self) -> None:
        """What belongs to an uplink of which nothing is known yet stays, and stays in the ledger."""
        self.world.round(ALL)
        before = dict(self.world.ours)
        self.kernel.flush("lan0")
        self.assertEqual((self.world.round([], kept=("wan",)), self.world.ours), ([], before))

    def test_moved(self) -> None:
        """A subnet that moves to another link is put there before it goes here; its route is replaced."""
        self.kernel.add_link("lan1")
        self.world.round(ALL)
        moved = [evolve(item, link="lan1") for item in (IPV6, WANTED, ROUTE)]
        self.assertEqual(
            [type(o) for o in self.world.round([REFUSE, *moved])], [PutAddress, PutRoute, RemoveRoute, RemoveAddress]
        )
        self.assertEqual(set(self.kernel.addresses), {(3, ADDRESS.ip)})
        self.assertIn((PREFIX, 3, 254, 512), self.kernel.routes)
        self.assertEqual(self.world.round([REFUSE, *moved]), [])


class OwnershipTests(WorldTestCase):
    def test_unmarked(self) -> None:
        """An address without our mark is not touched, even if the ledger has its key."""
        self.kernel.add_foreign_address("lan0", str(ADDRESS))
        self.world.ours[2, ADDRESS.ip] = OwnedAddress(index=2, address=ADDRESS, link="lan0", uplink="wan")
        self.assertEqual(self.world.difference(WANTED), ())
        self.assertEqual((self.world.round([]), self.world.ours), ([], {}))

    def test_not_in_ledger(self) -> None:
        """What carries our mark and is not in the ledger is another instance's."""
        self.kernel.add_foreign_address("lan0", str(ADDRESS), protocol=154)
        self.kernel.add_foreign_route("lan0", str(PREFIX))
        self.assertEqual(self.world.difference(WANTED, ROUTE), ())
        self.assertEqual(self.world.difference(), ())

    def test_slot_of_another(self) -> None:
        """A route of another instance is not replaced by one of ours on another link."""
        self.kernel.add_link("lan1")
        self.kernel.add_foreign_route("lan1", str(PREFIX))
        self.assertEqual(self.world.difference(ROUTE), ())
        self.assertEqual(len(self.world.difference(evolve(ROUTE, metric=513), REFUSE)), 2)

    def test_marking(self) -> None:
        """Where the kernel shows no marks, an address without one may be ours."""
        address = KernelAddress(index=2, address=ADDRESS)
        self.assertEqual(
            [
                marking.is_on(evolve(address, protocol=protocol))
                for marking in (Marking(), Marking(is_shown=False), Marking(protocol=99))
                for protocol in (None, 154, 3)
            ],
            [False, True, False, True, True, False, False, False, False],
        )


class SecondsTests(SynchronousTestCase):
    def test_bounds(self) -> None:
        """A time is told in whole seconds, at least 0, never by chance as "for ever"."""
        self.assertEqual(
            [seconds_left(until, 10.0) for until in (inf, 2.0**40, 10.0, 9.0, 11.9)],
            [INFINITE, INFINITE - 1, 0, 0, 1],
        )


class SkipAndPushTests(WorldTestCase):
    def test_skip(self) -> None:
        """Nothing is done about what is to be left out; what it is needed for waits."""
        self.kernel.set_ipv6("lan0", False)
        placed = place([IPV6, WANTED, ROUTE], self.kernel, 100.0)
        self.assertEqual(compare(placed, self.kernel, {}, 100.0, skip=[("ipv6", 2)]).acts, ())
        self.kernel.set_ipv6("lan0", True)
        placed = place([IPV6, WANTED, ROUTE], self.kernel, 100.0)
        acts = compare(placed, self.kernel, {}, 100.0, skip=[(2, ADDRESS.ip)]).acts
        self.assertEqual([act.wanted for act in acts], [ROUTE])

    def test_push(self) -> None:
        """What is to be made again is, though it seems right."""
        self.world.round(ALL)
        placed = place(ALL, self.kernel, 100.0)
        acts = compare(placed, self.kernel, self.world.ours, 100.0, push=[(2, ADDRESS.ip)]).acts
        self.assertEqual([act.wanted for act in acts], [WANTED])


LINKS = ("lan0", "lan1", "lan2")
NETWORKS = tuple(IPv6Network(f"2001:db8:0:{number}::/64") for number in range(3))
times = st.sampled_from((50.0, 100.0, 100.5, 102.5, 150.0, 400.0, 1e6, 1e9, inf))
uplinks = st.sampled_from(("wan", "dsl"))
lengths = st.sampled_from((60, 64))
subnets = st.sampled_from(NETWORKS)
names = st.sampled_from(LINKS)

wanted_objects = st.one_of(
    st.builds(
        WantedAddress,
        link=names,
        address=st.builds(lambda n, length: IPv6Interface((n[1], length)), subnets, lengths),
        preferred_until=times,
        valid_until=times,
        uplink=uplinks,
    ),
    st.builds(
        WantedRoute,
        link=names,
        prefix=subnets,
        valid_until=times,
        table=st.just(254),
        metric=st.sampled_from((512, 4096)),
        uplink=uplinks,
    ),
    st.builds(
        WantedUnreachable,
        link=st.just("eth0"),
        prefix=subnets,
        valid_until=times,
        table=st.just(254),
        metric=st.just(4096),
        uplink=uplinks,
    ),
    st.builds(WantedIPv6, link=names, uplink=uplinks),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A world with links in any state, things of others, and what is left of an earlier run."""
    world = World()
    kernel = world.kernel
    present = [name for name in LINKS if draw(st.booleans())]
    for name in present:
        kernel.add_link(name, ipv6_disabled=draw(st.booleans()))
    world.round(draw(st.lists(wanted_objects, max_size=12)))
    for name in present:
        link = kernel.link_named(name)
        assert link is not None
        for network in NETWORKS:
            if (link.index, network[1]) not in kernel.addresses and draw(st.booleans()):
                kernel.add_foreign_address(name, f"{network[1]}/64", protocol=draw(st.sampled_from((None, 154, 3))))
            slot = {(key[0], key[3]) for key in kernel.routes}
            if (network, 512) not in slot and draw(st.booleans()):
                kernel.add_foreign_route(name, str(network))
        if draw(st.booleans()):
            kernel.set_up(name, draw(st.booleans()))
        if draw(st.booleans()):
            kernel.rename(name, draw(st.sampled_from([n for n in (*LINKS, "x", "y") if kernel.link_named(n) is None])))
    return world


class PropertyTests(SynchronousTestCase):
    @settings(deadline=None)
    @given(worlds(), st.lists(wanted_objects, max_size=12), st.floats(0, 500))
    def test_converges(self, world: World, wanted: list[Wanted], later: float) -> None:
        """
        From any state of the kernel, any wants are reached in two rounds, without an operation that Linux would refuse
        and without touching anything that is not ours; then nothing is left to do.
        """
        world.clock.advance(later)
        world.kernel.age()

        def foreign() -> set[object]:
            return {
                *(a for key, a in world.kernel.addresses.items() if key not in world.ours),
                *(r for key, r in world.kernel.routes.items() if key not in world.ours),
            }

        before = foreign()
        world.round(wanted)
        world.round(wanted)
        self.assertEqual(world.round(wanted), [])
        self.assertEqual(foreign(), before)

    @settings(deadline=None)
    @given(worlds(), st.lists(wanted_objects, max_size=12))
    def test_never_beyond(self, world: World, wanted: list[Wanted]) -> None:
        """Nothing is ever told to live beyond what is wanted of it (L-15), nor for 0 seconds."""
        now = world.clock.seconds()
        ends: dict[object, float] = {}
        for item in wanted:
            if isinstance(item, WantedAddress):
                key = item.link, item.address.ip
                ends[key] = max(ends.get(key, 0.0), item.valid_until)
        for operation in world.difference(*wanted):
            if isinstance(operation, PutAddress):
                left = inf if operation.valid == INFINITE else operation.valid
                self.assertTrue(left > 0 and operation.preferred <= operation.valid)
                self.assertLessEqual(now + left, ends[operation.link, operation.address.ip])

    @settings(deadline=None)
    @given(worlds(), st.lists(wanted_objects, max_size=12))
    def test_all_ours_goes(self, world: World, wanted: list[Wanted]) -> None:
        """
        When nothing is wanted any more, nothing of ours is left, in the kernel or in the ledger; only IPv6 stays on
        where others need it.
        """
        world.round(wanted)
        world.round([])
        world.round([])
        inhabited = {key[0] for key in world.kernel.addresses} | {key[1] for key in world.kernel.routes}
        self.assertEqual({key: entry for key, entry in world.ours.items() if entry.index not in inhabited}, {})
        self.assertTrue(all(isinstance(entry, OwnedSetting) for entry in world.ours.values()))


class LinearTests(SynchronousTestCase):
    def test_many(self) -> None:
        """Each object is looked up a bounded number of times: ten times the objects, about ten times the look-ups."""
        counts = []
        for number in (20, 200):
            world = World()
            wanted: list[Wanted] = []
            for index in range(number):
                world.kernel.add_link(f"lan{index}")
                network = IPv6Network((0x20010DB8 << 96 | index << 64, 64))
                wanted += [
                    WantedIPv6(link=f"lan{index}", uplink="wan"),
                    evolve(WANTED, link=f"lan{index}", address=IPv6Interface((network[1], 64))),
                    evolve(ROUTE, link=f"lan{index}", prefix=network),
                ]
            world.round(wanted)
            counts.append(self.look_ups(world, wanted))
        self.assertLessEqual(counts[1], 11 * counts[0])

    def look_ups(self, world: World, wanted: list[Wanted]) -> int:
        """How often the kernel's tables are asked in one comparison."""
        count = 0

        class Counting(dict):  # type: ignore[type-arg]
            def get(self, *args: object) -> object:
                nonlocal count
                count += 1
                return super().get(*args)

        heard = world.kernel.heard
        heard.addresses, heard.routes = Counting(heard.addresses), Counting(heard.routes)
        self.assertEqual(world.difference(*wanted), ())
        return count


class OwnedRouteTests(SynchronousTestCase):
    def test_keys(self) -> None:
        """A ledger entry has the key of the object it stands for."""
        world = World()
        world.kernel.add_link("lan0", ipv6_disabled=True)
        world.round(ALL)
        self.assertEqual({entry.key for entry in world.ours.values()}, set(world.ours))
        self.assertEqual(set(world.ours), {*world.kernel.addresses, *world.kernel.routes, ("ipv6", 2)})
        self.assertIsInstance(world.ours[PREFIX, 2, 254, 512], OwnedRoute)
