"""
Tests for L{pdlease.wanted}.
"""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Interface, IPv6Network, collapse_addresses
from math import inf

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.model import ON_LINK_METRIC, Delegation, Uplink
from pdlease.lease import Binding, DelegatedPrefix, Lease
from pdlease.subnets import Downstream, GuestShare
from pdlease.wanted import (
    Share,
    WantedAddress,
    WantedIPv6,
    WantedRoute,
    WantedSetting,
    WantedUnreachable,
    share,
    uncovered,
)
from pdlease.wire.duid import DUID

SERVER = DUID(bytes.fromhex("000300010011223344aa"))
NOW = 1000.0

UPLINK = Uplink(
    name="wan",
    link="eth0",
    route_table=254,
    route_metric=4096,
    delegations=(
        Delegation(key="lan0", downstreams=(Downstream(link="lan0"), Downstream(link=None), Downstream(link="lan1"))),
    ),
)

IPV6 = (WantedIPv6(link="lan0", uplink="wan"), WantedIPv6(link="lan1", uplink="wan"))
NOTHING = Share(uplink="wan", wanted=IPV6)


def prefix(
    text: str, *, mentioned_at: float = 900.0, preferred: float = 2000.0, valid: float = 3000.0
) -> DelegatedPrefix:
    """A delegated prefix."""
    return DelegatedPrefix(
        prefix=IPv6Network(text),
        preferred_until=preferred,
        valid_until=valid,
        mentioned_at=mentioned_at,
        server=SERVER,
    )


def shared(*prefixes: DelegatedPrefix, uplink: Uplink = UPLINK, now: float = NOW) -> Share:
    """The share of an uplink that holds these prefixes."""
    lease = Lease(bindings=(Binding(iaid=1, prefixes=prefixes, received_at=900.0),), server=SERVER)
    return share(uplink, lease, {"lan0": 1}, now)


def addresses(outcome: Share) -> dict[str, tuple[str, float, float]]:
    """Link, address and times of what is wanted; one address a link."""
    return {
        item.link: (str(item.address), item.preferred_until, item.valid_until)
        for item in outcome.wanted
        if isinstance(item, WantedAddress)
    }


class GuestTests(SynchronousTestCase):
    """Guests that want a /64 of the first delegation."""

    def test_address_and_route(self) -> None:
        """A guest's link has this host's address in its /64, an on-link route and IPv6, as a downstream has."""
        outcome = share(
            UPLINK,
            Lease(bindings=(Binding(iaid=1, prefixes=(prefix("2001:db8::/56"),), received_at=900.0),)),
            {"lan0": 1},
            NOW,
            (GuestShare(guest="web1", nic=0, link="tap0"),),
        )
        subnet = IPv6Network("2001:db8:0:3::/64")
        address = WantedAddress(
            link="tap0",
            address=IPv6Interface("2001:db8:0:3::1/64"),
            preferred_until=2000.0,
            valid_until=3000.0,
            uplink="wan",
        )
        self.assertEqual(outcome.carvings[0].guests, (address,))
        self.assertEqual(
            outcome.wanted[-5:],
            (
                address,
                WantedRoute(
                    link="tap0", prefix=subnet, valid_until=3000.0, table=254, metric=ON_LINK_METRIC, uplink="wan"
                ),
                *IPV6,
                WantedIPv6(link="tap0", uplink="wan"),
            ),
        )

    def test_same_number_in_both(self) -> None:
        """During renumbering a guest without a number gets the same one in the old prefix and in the new."""
        wanted = (("a", 5), ("b", None))
        guests = tuple(GuestShare(guest=name, nic=0, link=f"tap-{name}", number=n) for name, n in wanted)
        prefixes = (prefix("2001:db8::/56"), prefix("2001:db8:1::/56"))
        binding = Binding(iaid=1, prefixes=prefixes, received_at=900.0)
        outcome = share(UPLINK, Lease(bindings=(binding,)), {"lan0": 1}, NOW, guests)
        numbers = [[guest.number for guest in carved.carving.guests] for carved in outcome.carvings]
        self.assertEqual(numbers, [[5, 3], [5, 3]])


class ShareTests(SynchronousTestCase):
    def test_all(self) -> None:
        """
        A prefix gives one unreachable route of exactly its length (WPD-5, R-8987-06) and, for each downstream, IPv6, an
        address and an on-link route, in the uplink's table.
        """
        outcome = shared(prefix("2001:db8::/56"), uplink=evolve(UPLINK, route_table=77, route_metric=5000))
        common = {"valid_until": 3000.0, "uplink": "wan"}
        expected: list[object] = [
            WantedUnreachable(link="eth0", prefix=IPv6Network("2001:db8::/56"), table=77, metric=5000, **common)
        ]
        for link, subnet in (("lan0", "2001:db8::/64"), ("lan1", "2001:db8:0:2::/64")):
            network = IPv6Network(subnet)
            expected += [
                WantedAddress(link=link, address=IPv6Interface((network[1], 64)), preferred_until=2000.0, **common),
                WantedRoute(link=link, prefix=network, table=77, metric=ON_LINK_METRIC, **common),
            ]
        self.assertEqual(list(outcome.wanted), [*expected, *IPV6])

    def test_vrf(self) -> None:
        """
        P5: an uplink in a VRF wants its link there, with a lease or without, and its routes in that VRF's table unless
        it has one of its own.
        """
        uplink = evolve(UPLINK, vrf="blue", route_table=None)
        there = WantedSetting(link="eth0", setting="master", value="blue", uplink="wan")
        self.assertEqual(shared(uplink=uplink).wanted, (there, *IPV6))
        for table in (None, 7):
            (first, *others) = shared(prefix("2001:db8::/56"), uplink=evolve(uplink, route_table=table)).wanted
            self.assertEqual(first, there)
            routes = [item for item in others if isinstance(item, (WantedRoute, WantedUnreachable))]
            self.assertEqual({route.table for route in routes}, {table or "blue"})
            self.assertEqual(len(routes), 3)

    def test_metrics(self) -> None:
        """An on-link route goes before the unreachable one of the same prefix, and after the kernel's own (256)."""
        self.assertTrue(256 < ON_LINK_METRIC < UPLINK.route_metric)

    def test_carvings(self) -> None:
        """What each prefix was made into is told, with the wanted address of each assignment."""
        (carved,) = shared(prefix("2001:db8::/56")).carvings
        self.assertEqual(
            (carved.delegation, carved.iaid, carved.prefix.prefix), ("lan0", 1, IPv6Network("2001:db8::/56"))
        )
        self.assertEqual([a.link for a in carved.carving.assignments], ["lan0", "lan1"])
        self.assertEqual([a.address for a in carved.addresses], [a.address for a in carved.carving.assignments])

    def test_too_small(self) -> None:
        """Downstreams for which there is no room are named, and want nothing (WPD-3)."""
        outcome = shared(prefix("2001:db8::/64"))
        self.assertEqual((list(addresses(outcome)), outcome.carvings[0].carving.unassigned), (["lan0"], ("lan1",)))

    def test_two_prefixes(self) -> None:
        """Each link gets a subnet of each prefix of its delegation (R-18.2.10.1-16)."""
        outcome = shared(prefix("2001:db8::/56"), prefix("2001:db8:1::/56"))
        found = {
            str(item.address) for item in outcome.wanted if isinstance(item, WantedAddress) and item.link == "lan0"
        }
        self.assertEqual(found, {"2001:db8::1/64", "2001:db8:1::1/64"})

    def test_expired(self) -> None:
        """What is over wants nothing (R-18.2.10.1-18)."""
        self.assertEqual(shared(prefix("2001:db8::/56", valid=NOW)), NOTHING)

    def test_absolute(self) -> None:
        """Times are those of the lease, however late it is applied (D52, D53)."""
        self.assertEqual(shared(prefix("2001:db8::/56")), shared(prefix("2001:db8::/56"), now=NOW + 500))

    def test_preferred_not_beyond_valid(self) -> None:
        """Nothing is preferred for longer than it is valid, which the kernel would refuse."""
        outcome = shared(prefix("2001:db8::/56", preferred=inf))
        self.assertEqual(addresses(outcome)["lan0"], ("2001:db8::1/64", 3000.0, 3000.0))

    def test_superseded(self) -> None:
        """A prefix that the latest Reply passed over for another is deprecated, and stays (R-18.2.10.1-05)."""
        old = prefix("2001:db8::/56", mentioned_at=500.0)
        outcome = shared(old, prefix("2001:db8:1::/56"))
        times = {
            str(item.address.network): (item.preferred_until, item.valid_until)
            for item in outcome.wanted
            if isinstance(item, WantedAddress) and item.link == "lan0"
        }
        self.assertEqual(times, {"2001:db8::/64": (900.0, 3000.0), "2001:db8:1::/64": (2000.0, 3000.0)})

    def test_not_mentioned(self) -> None:
        """A prefix that the latest Reply did not mention, without naming another, stays as it is."""
        outcome = shared(prefix("2001:db8::/56", mentioned_at=500.0), prefix("2001:db8:1::/56", mentioned_at=500.0))
        self.assertEqual({time for _, time, _ in addresses(outcome).values()}, {2000.0})

    def test_other_delegation(self) -> None:
        """A Reply for one delegation deprecates nothing of another (D46)."""
        uplink = evolve(
            UPLINK, delegations=(*UPLINK.delegations, Delegation(key="lan9", downstreams=(Downstream(link="lan9"),)))
        )
        lease = Lease(
            bindings=(
                Binding(iaid=1, prefixes=(prefix("2001:db8::/56", mentioned_at=500.0),), received_at=500.0),
                Binding(iaid=2, prefixes=(prefix("2001:db8:1::/64"),), received_at=900.0),
            )
        )
        found = addresses(share(uplink, lease, {"lan0": 1, "lan9": 2}, NOW))
        self.assertEqual(
            found,
            {
                "lan0": ("2001:db8::1/64", 2000.0, 3000.0),
                "lan1": ("2001:db8:0:2::1/64", 2000.0, 3000.0),
                "lan9": ("2001:db8:1::1/64", 2000.0, 3000.0),
            },
        )

    def test_without_binding(self) -> None:
        """A delegation that holds nothing, or has no IAID, wants nothing."""
        self.assertEqual(share(UPLINK, Lease(), {"lan0": 1}, NOW), NOTHING)
        self.assertEqual(share(UPLINK, Lease(), {}, NOW), NOTHING)

    def test_ipv6_stays(self) -> None:
        """IPv6 is wanted on a downstream link with or without a lease, once a link (9096-STALE-2 needs it)."""
        uplink = evolve(UPLINK, delegations=UPLINK.delegations * 2)
        self.assertEqual(share(uplink, Lease(), {}, NOW).wanted, IPV6)

    def test_host_route(self) -> None:
        """A /128 has no on-link route: nobody else is on it; a /127 has one (D49)."""
        uplink = evolve(
            UPLINK,
            delegations=(
                Delegation(
                    key="lan0",
                    downstreams=(Downstream(link="lan0", length=128), Downstream(link="lan1", length=127)),
                ),
            ),
        )
        outcome = shared(prefix("2001:db8::/64"), uplink=uplink)
        self.assertEqual(
            [str(item.prefix) for item in outcome.wanted if isinstance(item, WantedRoute)], ["2001:db8::2/127"]
        )

    def test_excluded(self) -> None:
        """The excluded part is neither assigned nor covered by an unreachable route (RFC 6603, PDX-02, PDX-06)."""
        held = evolve(prefix("2001:db8::/56"), excluded=IPv6Network("2001:db8::/64"))
        outcome = shared(held)
        refused = [item.prefix for item in outcome.wanted if isinstance(item, WantedUnreachable)]
        self.assertEqual(len(refused), 8)
        self.assertFalse(any(part.overlaps(IPv6Network("2001:db8::/64")) for part in refused))
        self.assertEqual(addresses(outcome)["lan0"][0], "2001:db8:0:1::1/64")
        self.assertNotIn("wan0", addresses(outcome))

    def test_excluded_host(self) -> None:
        """
        Where the configuration says which host the uplink's link is in the excluded part, it gets that address and the
        on-link route of the part, with the lifetimes of the prefix (PDX-05, PDX-12); nothing else changes.
        """
        held = evolve(prefix("2001:db8::/56"), excluded=IPv6Network("2001:db8::/64"))
        (delegation,) = UPLINK.delegations
        offered = evolve(UPLINK, delegations=(evolve(delegation, excluded_host=2),))
        plain, outcome = shared(held), shared(held, uplink=offered)
        more = [item for item in outcome.wanted if item not in plain.wanted]
        self.assertEqual(
            more,
            [
                WantedAddress(
                    link=UPLINK.link,
                    address=IPv6Interface("2001:db8::2/64"),
                    preferred_until=held.preferred_until,
                    valid_until=held.valid_until,
                    uplink=UPLINK.name,
                ),
                WantedRoute(
                    link=UPLINK.link,
                    prefix=IPv6Network("2001:db8::/64"),
                    valid_until=held.valid_until,
                    table=UPLINK.route_table,
                    metric=ON_LINK_METRIC,
                    uplink=UPLINK.name,
                ),
            ],
        )
        self.assertEqual([item for item in outcome.wanted if item not in more], list(plain.wanted))
        self.assertEqual(shared(prefix("2001:db8::/56"), uplink=offered).wanted, shared(prefix("2001:db8::/56")).wanted)


class UncoveredTests(SynchronousTestCase):
    def test_nothing_excluded(self) -> None:
        """Without an exclusion it is the prefix itself; one that lies elsewhere excludes nothing."""
        network = IPv6Network("2001:db8::/56")
        self.assertEqual(uncovered(network, None), (network,))
        self.assertEqual(uncovered(network, IPv6Network("2001:db8:1::/64")), (network,))

    @given(st.integers(1, 127), st.integers(0, 2**128 - 1), st.data())
    def test_whole(self, length: int, number: int, data: st.DataObject) -> None:
        """Parts and exclusion together are the prefix, and no part touches the exclusion."""
        network = IPv6Network((number, length), strict=False)
        longer = data.draw(st.integers(length + 1, 128))
        inside = data.draw(st.integers(0, network.num_addresses - 1))
        excluded = IPv6Network((IPv6Address(int(network.network_address) + inside), longer), strict=False)
        parts = uncovered(network, excluded)
        self.assertEqual(list(collapse_addresses([*parts, excluded])), [network])
        self.assertFalse(any(part.overlaps(excluded) for part in parts))
        self.assertEqual(len(parts), longer - length)
