"""
Tests of L{pdlease.stale}.
"""

from __future__ import annotations

from ipaddress import IPv6Network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.lease import StaleSubnet
from pdlease.stale import MOST_ON_A_LINK, TOLD_FOR, Announced, Place

NOW = 1000.0
LATE = NOW + TOLD_FOR


def place(number: int, link: str = "lan0") -> Place:
    """One of many subnets on a link."""
    return link, IPv6Network((0x20010DB8 << 96 | number << 64, 64))


def stale(number: int, until: float = LATE, link: str = "lan0") -> StaleSubnet:
    """The same, stale."""
    return StaleSubnet(link=link, subnet=place(number, link)[1], until=until)


class AnnouncedTests(SynchronousTestCase):
    """What hosts may know of."""

    def test_taken_away(self) -> None:
        """9096-STALE-2, 9096-STALE-3: a subnet taken from a link before its end is stale for 5400 s; others are not."""
        known = Announced().after({place(1): 9000.0, place(2): 9000.0}, NOW - 500)
        self.assertEqual(known.stale, ())
        known = known.after({place(2): 9500.0}, NOW)
        self.assertEqual(known.stale, (stale(1),))
        self.assertEqual(known.after({place(2): 9500.0}, LATE - 1).stale, (stale(1),))
        self.assertEqual(known.after({place(2): 9500.0}, LATE).stale, ())

    def test_run_out(self) -> None:
        """L-15: a subnet whose time is over is nothing that hosts must be told of: no host was told a longer time."""
        known = Announced(subnets={place(1): NOW})
        self.assertEqual(known.after({}, NOW).stale, ())

    def test_back(self) -> None:
        """9096-STALE-3: a subnet that comes back is not stale any more, and stale anew when it goes again."""
        known = Announced(stale=(stale(1), stale(2))).after({place(1): 9000.0}, NOW)
        self.assertEqual(known.stale, (stale(2),))
        self.assertEqual(known.after({}, NOW + 50).stale, (stale(2), stale(1, LATE + 50)))

    def test_other_link(self) -> None:
        """A subnet that moved to another link is stale on the one that it left."""
        known = Announced(subnets={place(1, "lan0"): 9000.0}).after({place(1, "lan1"): 9000.0}, NOW)
        self.assertEqual(known.stale, (stale(1),))

    def test_many(self) -> None:
        """9096-RTR: ten prefixes in ten minutes leave nine stale on each link; the number on a link is bounded."""
        known = Announced()
        for number in range(10):
            known = known.after({place(number): 9000.0, place(number, "lan1"): 9000.0}, NOW + 60 * number)
        self.assertEqual(len(known.stale), 18)
        for number in range(10, 200):
            known = known.after({place(number): 99000.0}, NOW + 600)
        (*_, newest) = known.stale
        self.assertEqual(newest, stale(198, LATE + 600))
        self.assertEqual([one.link for one in known.stale].count("lan0"), MOST_ON_A_LINK)
        self.assertEqual([one.link for one in known.stale].count("lan1"), 10)

    def test_disowned(self) -> None:
        """
        9096-STALE-4: what a server takes back is stale whether it is known or not, unless it is on the link; it
        crowds nothing out, and being told again does not prolong what is stale already.
        """
        known = Announced(subnets={place(1): 9000.0}, stale=(stale(2),))
        told = known.told_over([place(1), place(2), place(3)], NOW + 10)
        self.assertEqual(told.stale, (stale(2), stale(3, LATE + 10)))
        for number in range(4, 100):
            told = told.told_over([place(number)], NOW + 20)
        self.assertEqual(len(told.stale), MOST_ON_A_LINK)
        self.assertEqual(told.stale[0], stale(2))

    def test_taking_over(self) -> None:
        """What an uplink leaves behind that is configured no more is told of by another one that serves the link."""
        left = Announced(subnets={place(1): 9000.0, place(2, "lan1"): 9000.0}, stale=(stale(3),))
        heir = Announced(subnets={place(3): 9000.0}, stale=(stale(5),))
        self.assertEqual(heir.taking_over(left, ["lan0"], NOW).stale, (stale(5), stale(1)))

    def test_next_end(self) -> None:
        """The next moment at which there is something to forget."""
        self.assertEqual(Announced(stale=(stale(1, 7.0), stale(2, 5.0))).next_end(), 5.0)
        self.assertEqual(Announced().next_end(), None)

    @given(st.lists(st.sets(st.integers(0, 60)), max_size=12))
    def test_any_history(self, history: list[set[int]]) -> None:
        """Whatever comes and goes, nothing is on a link and stale there, nothing stale twice, and all is bounded."""
        known = Announced()
        seen: set[int] = set()
        for moment, numbers in enumerate(history):
            known = known.after({place(number): 9000.0 for number in numbers}, NOW + moment)
            places = [(one.link, one.subnet) for one in known.stale]
            seen |= numbers
            self.assertEqual(len(places), len(set(places)))
            self.assertFalse(set(places) & {place(number) for number in numbers})
            self.assertLessEqual(set(places), {place(number) for number in seen})
            self.assertLessEqual(len(places), MOST_ON_A_LINK)
            if len(seen) <= MOST_ON_A_LINK:
                self.assertEqual(set(places), {place(number) for number in seen - numbers})
