"""
Tests for L{pdlease.belief}.
"""

from __future__ import annotations

from ipaddress import IPv6Interface
from math import inf

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.belief import GRACE, Belief, Beliefs, Believed, Shown, shown
from pdlease.kernel import ADDRESS_TENTATIVE, IPV6_ENABLED, UNREACHABLE, KernelAddress, KernelRoute
from pdlease.operations import (
    INFINITE,
    DisableIPv6,
    EnableIPv6,
    Operation,
    PutAddress,
    PutRoute,
    PutUnreachable,
    RemoveAddress,
)
from tests.fakes import MemoryKernel

ADDRESS = IPv6Interface("2001:db8::1/64")
PREFIX = ADDRESS.network
PUT = PutAddress(link="lan0", index=2, address=ADDRESS, preferred=50, valid=100)
THERE = KernelAddress(index=2, address=ADDRESS, preferred_until=60, valid_until=110, protocol=154)
ROUTE = KernelRoute(prefix=PREFIX, index=2, metric=512, valid_until=110)


def after(operation: Operation, seen: Shown = None) -> Belief:
    """What is believed half a second after an operation that began at 10."""
    return Belief.after(operation, seen, 10.0, 10.5, 154)


class BeliefTests(SynchronousTestCase):
    def test_values(self) -> None:
        """After an operation the kernel is believed to hold just what was asked for, from the time of asking."""
        put_route = PutRoute(link="lan0", index=2, prefix=PREFIX, expires=100, table=254, metric=512)
        refuse = PutUnreachable(link="eth0", prefix=PREFIX, expires=100, table=254, metric=4096)
        self.assertEqual(
            [
                after(operation).value
                for operation in (
                    PUT,
                    evolve(PUT, preferred=INFINITE, valid=INFINITE),
                    put_route,
                    refuse,
                    RemoveAddress(link="lan0", index=2, address=ADDRESS),
                    EnableIPv6(link="lan0", index=2),
                    DisableIPv6(link="lan0", index=2),
                )
            ],
            [
                THERE,
                evolve(THERE, preferred_until=inf, valid_until=inf),
                ROUTE,
                KernelRoute(prefix=PREFIX, metric=4096, kind=UNREACHABLE),
                None,
                False,
                True,
            ],
        )

    def test_grace(self) -> None:
        """A belief ends by itself, so that what went unseen is looked at again."""
        self.assertEqual(after(PUT).until, 10.5 + GRACE)

    def test_silence(self) -> None:
        """Of new lifetimes of a tentative address there is no notice: the belief lasts until there is one."""
        self.assertEqual(after(PUT, evolve(THERE, flags=ADDRESS_TENTATIVE)).until, inf)

    def test_near(self) -> None:
        """
        New times so near the old ones that the table takes them for the same are believed until it shows others: else
        they would be told again and again, and it would look as if somebody else undid them.
        """
        put_route = PutRoute(link="lan0", index=2, prefix=PREFIX, expires=100, table=254, metric=512)
        self.assertEqual(
            [
                after(PUT, evolve(THERE, preferred_until=59, valid_until=108.6)).until,
                after(PUT, evolve(THERE, preferred_until=50, valid_until=108.6)).until,
                after(PUT, evolve(THERE, preferred_until=59, valid_until=107)).until,
                after(put_route, evolve(ROUTE, valid_until=108.6)).until,
                after(put_route, evolve(ROUTE, valid_until=inf)).until,
            ],
            [inf, 10.5 + GRACE, 10.5 + GRACE, inf, 10.5 + GRACE],
        )


class BelievedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.kernel = MemoryKernel(Clock())
        self.link = self.kernel.add_link("lan0", ipv6_disabled=True)
        self.setting = (IPV6_ENABLED, self.link.index)

    def over(self, **values: Shown) -> Believed:
        """Beliefs over the table, under the keys of address, route and setting."""
        keys = {"address": THERE.key, "route": ROUTE.key, "setting": self.setting}
        return Believed(
            self.kernel, {keys[name]: Belief(value=value, seen=None, until=inf) for name, value in values.items()}
        )

    def test_nothing(self) -> None:
        """Without beliefs it is the table."""
        current = self.over()
        self.assertIs(current.addresses, self.kernel.addresses)
        self.assertIs(current.routes, self.kernel.routes)
        self.assertEqual((current.link_named("lan0"), current.link_named("x")), (self.link, None))

    def test_there(self) -> None:
        """What is believed to be there is found, beside what the table shows."""
        other = self.kernel.add_foreign_address("lan0", "2001:db8::2/64")
        current = self.over(address=THERE, route=ROUTE, setting=False)
        self.assertEqual(dict(current.addresses), {THERE.key: THERE, other.key: other})
        self.assertEqual((len(current.addresses), current.routes[ROUTE.key]), (2, ROUTE))
        self.assertEqual(current.link_named("lan0"), evolve(self.link, ipv6_disabled=False))
        self.assertEqual(current.links[self.link.index], evolve(self.link, ipv6_disabled=False))

    def test_gone(self) -> None:
        """What is believed to be gone is not found, whatever the table shows."""
        self.kernel.add_foreign_address("lan0", str(ADDRESS))
        current = self.over(address=None, route=None)
        self.assertEqual((current.addresses.get(THERE.key), current.routes.get(ROUTE.key)), (None, None))

    def test_link_gone(self) -> None:
        """A belief about a link that is gone means nothing."""
        self.kernel.remove_link("lan0")
        self.assertEqual(dict(self.over(setting=False).links), {})


class BeliefsTests(SynchronousTestCase):
    """All beliefs together."""

    def setUp(self) -> None:
        self.kernel = MemoryKernel(Clock())
        self.kernel.add_link("lan0")
        self.beliefs = Beliefs(self.kernel)
        self.beliefs.learn(THERE.key, Belief(value=THERE, seen=None, until=10.0))
        self.beliefs.learn(ROUTE.key, Belief(value=ROUTE, seen=None, until=20.0))

    def test_some(self) -> None:
        """What is asked about is looked at; what has run out, or what the table says otherwise, is believed no more."""
        self.assertEqual(self.beliefs.end, 10.0)
        self.assertEqual(set(self.beliefs.about([THERE.key, (IPV6_ENABLED, 2)], 5.0)), {THERE.key})
        self.assertEqual(self.beliefs.about([THERE.key], 10.0), {})
        self.assertEqual(set(self.beliefs.all), {ROUTE.key})
        self.kernel.heard.routes[ROUTE.key] = ROUTE
        self.assertEqual(self.beliefs.about([ROUTE.key], 11.0), {})
        self.assertEqual(self.beliefs.end, inf)

    def test_all(self) -> None:
        """All of them can be looked at, and one be dropped."""
        self.beliefs.drop_old(15.0)
        self.assertEqual(set(self.beliefs.all), {ROUTE.key})
        self.beliefs.drop(ROUTE.key)
        self.assertEqual(self.beliefs.all, {})


class ShownTests(SynchronousTestCase):
    def test_kinds(self) -> None:
        """Addresses, routes and settings are found by their keys."""
        kernel = MemoryKernel(Clock())
        link = kernel.add_link("lan0", ipv6_disabled=True)
        address = kernel.add_foreign_address("lan0", str(ADDRESS))
        route = kernel.add_foreign_route("lan0", str(PREFIX))
        self.assertEqual(
            [shown(kernel, key) for key in (address.key, route.key, (IPV6_ENABLED, link.index))],
            [address, route, True],
        )
        self.assertEqual([shown(kernel, key) for key in ((*ROUTE.key[:1], 9, 254, 1), (IPV6_ENABLED, 9))], [None, None])
