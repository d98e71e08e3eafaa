"""
Tests of L{pdlease.upstream}: what is taken for a sign.

What is done about it is shown in L{tests.conformance.test_advertisements}.
"""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.kernel import AdvertisedPrefix
from pdlease.upstream import Sign, View, signs

P = 0xD0
"""The flags L, A and P of a prefix."""


def networks(*texts: str) -> frozenset[IPv6Network]:
    """These prefixes."""
    return frozenset(map(IPv6Network, texts))


def hosts(*texts: str) -> frozenset[IPv6Address]:
    """These addresses."""
    return frozenset(map(IPv6Address, texts))


class SignsTests(SynchronousTestCase):
    """What is taken for a change, and what for evidence of another upstream."""

    before = View(
        own=hosts("fe80::1"),
        routers=hosts("fe80::a", "fe80::b"),
        prefixes=networks("2001:db8:1::/64", "2001:db8:2::/64"),
        heard=True,
    )

    def found(self, fresh: str | None = None, **changes: object) -> set[str]:
        """The names of the signs that these changes give."""
        now = evolve(self.before, **changes)  # type: ignore[arg-type]
        named = networks(fresh) if fresh else None
        return {sign.name for sign in signs(self.before, now, self.before.routers, named)}

    def test_nothing(self) -> None:
        """Where nothing changed there is no sign, and what is known for the first time is none."""
        self.assertEqual(self.found(), set())
        self.assertEqual(signs(View(), evolve(self.before, heard=False, routers=frozenset()), frozenset(), None), set())

    def test_own(self) -> None:
        """A link-local address of ours that went is one if there is another to send from (R-18.2.4-09, R-8987-05)."""
        self.assertEqual(self.found(own=hosts("fe80::2")), {"OWN_ADDRESS"})
        self.assertEqual(self.found(own=hosts("fe80::1", "fe80::2")), set())
        self.assertEqual(self.found(own=frozenset()), set())

    def test_routers(self) -> None:
        """A further router is a change, one that goes is none, and only others are evidence (R-RST-02)."""
        self.assertEqual(self.found(routers=hosts("fe80::a", "fe80::b", "fe80::c")), {"ROUTER_ADDED"})
        self.assertEqual(self.found(routers=hosts("fe80::a", "fe80::c")), {"ROUTER_ADDED"})
        self.assertEqual(self.found(routers=hosts("fe80::a")), set())
        self.assertEqual(self.found(routers=frozenset()), set())
        self.assertEqual(self.found(routers=hosts("fe80::c")), {"OTHER_ROUTERS"})

    def test_silence(self) -> None:
        """After a time without routers, one that was there before speaks again, and another one is evidence."""
        silent = evolve(self.before, routers=frozenset())
        known = self.before.routers
        self.assertEqual(signs(silent, self.before, known, None), {Sign.ROUTER_SPEAKS})
        self.assertEqual(signs(silent, self.before, frozenset(), None), {Sign.ROUTER_SPEAKS})
        other = evolve(silent, routers=hosts("fe80::c"))
        self.assertEqual(signs(silent, other, known, None), {Sign.OTHER_ROUTERS})
        unheard = evolve(silent, heard=False)
        self.assertEqual(signs(unheard, silent, frozenset(), None), {Sign.ROUTER_SPEAKS})

    def test_prefixes(self) -> None:
        """A prefix that is added or deprecated is a change, all others are evidence (R-18.2.12-04, R-RST-02)."""
        one, two, other = "2001:db8:1::/64", "2001:db8:2::/64", "2001:db8:9::/64"
        self.assertEqual(self.found(prefixes=networks(one, two, other)), {"PREFIX_ADDED"})
        self.assertEqual(self.found(prefixes=networks(one)), {"PREFIX_DEPRECATED"})
        self.assertEqual(self.found(prefixes=networks(one, other)), {"PREFIX_ADDED", "PREFIX_DEPRECATED"})
        self.assertEqual(self.found(prefixes=networks(other)), {"OTHER_PREFIXES", "PREFIX_DEPRECATED"})

    def test_prefixes_after_the_link_came_up(self) -> None:
        """
        After the link came up it is those named since that count: the lifetimes of the others still run (R-RST-02).
        """
        one, two, other = "2001:db8:1::/64", "2001:db8:2::/64", "2001:db8:9::/64"
        self.assertEqual(self.found(prefixes=networks(one, two, other), fresh=other), {"OTHER_PREFIXES"})
        self.assertEqual(self.found(fresh=two), set())

    def test_delegating(self) -> None:
        """Prefixes with the P flag that are others are a change, unless there are none any more (PF-05)."""
        before, now = View(delegating=networks("2001:db8:1::/64")), View(delegating=networks("2001:db8:2::/64"))
        self.assertEqual(signs(before, now, frozenset(), None), {Sign.DELEGATING_CHANGED})
        self.assertEqual(signs(before, View(), frozenset(), None), set())
        self.assertEqual(signs(View(), now, frozenset(), None), set())


class PrefixTests(SynchronousTestCase):
    """What the flags of a prefix tell."""

    def test_flags(self) -> None:
        """The P flag counts where the kernel hands the octet on as it was advertised; older ones tell two bits."""
        heard = AdvertisedPrefix(index=2, prefix=IPv6Network("2001:db8::/64"), flags=P, preferred=1, valid=1)
        for flags, tells, delegates in ((P, True, True), (0x10, True, True), (0xC0, True, False), (3, False, False)):
            heard = evolve(heard, flags=flags)
            self.assertEqual((heard.tells_flags, heard.is_for_delegation), (tells, delegates))
