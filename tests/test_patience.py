"""
Tests for L{pdlease.patience}.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from math import inf

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.kernel import Link
from pdlease.patience import Patience, Problem

KEY = (2, IPv6Address("2001:db8::1"))
OTHER = (3, IPv6Address("2001:db8::2"))
LINK = Link(index=2, name="lan0")
PROBLEM = Problem(operation="add 2001:db8::1/64 to lan0", errno=1, text="Operation not permitted")


class RefusalTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patience = Patience()

    def test_waits(self) -> None:
        """A refused object waits 1 s, then twice as long each time, up to 60 s."""
        now, waits = 0.0, []
        for _ in range(9):
            self.patience.refused(KEY, PROBLEM, LINK, now)
            waits.append(self.patience.due(now) - now)
            now = self.patience.due(now)
            self.assertEqual(self.patience.barred(now), set())
        self.assertEqual(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60])

    def test_known(self) -> None:
        """While it waits it is barred, and the problem can be asked for."""
        self.patience.refused(KEY, PROBLEM, LINK, 0.0)
        self.assertEqual((self.patience.barred(0.5), self.patience.problem(KEY)), ({KEY}, PROBLEM))
        self.assertEqual([self.patience.is_barred(KEY, now) for now in (0.5, 1.0)], [True, False])
        self.assertFalse(self.patience.is_barred(OTHER, 0.5))
        self.assertIsNone(self.patience.problem(OTHER))

    def test_news(self) -> None:
        """The same refusal again is no news; another one is."""
        other = evolve(PROBLEM, errno=13)
        self.assertEqual(
            [self.patience.refused(KEY, problem, LINK, 0.0) for problem in (PROBLEM, PROBLEM, other, other)],
            [True, False, True, False],
        )

    def test_accepted(self) -> None:
        """Success ends it; the next refusal begins from the shortest wait."""
        self.patience.refused(KEY, PROBLEM, LINK, 0.0)
        self.patience.refused(KEY, PROBLEM, LINK, 0.0)
        self.patience.accepted(KEY)
        self.assertEqual((self.patience.due(0.0), bool(self.patience)), (inf, False))
        self.patience.refused(KEY, PROBLEM, LINK, 0.0)
        self.assertEqual(self.patience.due(0.0), 1.0)

    def test_link_changes(self) -> None:
        """A change of the link, its going included, ends the wait but not the memory of the problem."""
        for links in ({2: evolve(LINK, is_up=False)}, {}):
            self.patience.refused(KEY, PROBLEM, LINK, 0.0)
            self.patience.links_changed({2: LINK})
            self.assertEqual(self.patience.barred(0.0), {KEY})
            self.patience.links_changed(links)
            self.assertEqual((self.patience.barred(0.0), self.patience.problem(KEY)), (set(), PROBLEM))
            self.patience.refused(KEY, PROBLEM, LINK, 0.0)
            self.assertEqual(self.patience.due(0.0), 1.0)

    def test_without_link(self) -> None:
        """What is on no link waits its time whatever links do."""
        self.patience.refused(KEY, PROBLEM, None, 0.0)
        self.patience.links_changed({})
        self.assertEqual(self.patience.barred(0.0), {KEY})

    def test_forgive(self) -> None:
        """Everything may be tried at once when it is told so."""
        self.patience.refused(KEY, PROBLEM, LINK, 0.0)
        for _ in range(5):
            self.patience.disturbed(OTHER, 0.0)
        self.assertEqual(self.patience.barred(0.0), {KEY, OTHER})
        self.patience.forgive()
        self.assertEqual(self.patience.barred(0.0), set())

    def test_keep(self) -> None:
        """What is no longer of interest is forgotten, so that nothing grows for ever."""
        self.patience.refused(KEY, PROBLEM, LINK, 0.0)
        self.patience.refused(OTHER, PROBLEM, LINK, 0.0)
        self.patience.disturbed(OTHER, 0.0)
        self.patience.keep([KEY])
        self.assertEqual((self.patience.problem(OTHER), self.patience.barred(0.0)), (None, {KEY}))
        self.patience.keep([])
        self.assertFalse(self.patience)


class ContestTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patience = Patience()

    def disturb(self, *times: float) -> list[bool]:
        """Somebody takes the object away at these times."""
        return [self.patience.disturbed(KEY, time) for time in times]

    def test_five_in_a_minute(self) -> None:
        """The fifth time in a minute makes it contested."""
        self.assertEqual(self.disturb(0, 10, 20, 30, 59), [False, False, False, False, True])
        self.assertTrue(self.patience.is_contested(KEY, 59))
        self.assertEqual((self.patience.barred(63), self.patience.barred(64)), ({KEY}, set()))

    def test_slower(self) -> None:
        """Fewer than five in any minute do not."""
        self.assertNotIn(True, self.disturb(*range(0, 600, 16)))

    def test_grows(self) -> None:
        """The wait doubles each time, from 5 s to 300 s."""
        self.disturb(0, 0, 0, 0)
        now, waits = 0.0, []
        for _ in range(8):
            self.disturb(now)
            waits.append(self.patience.due(now) - now)
            now = self.patience.due(now)
        self.assertEqual(waits, [5, 10, 20, 40, 80, 160, 300, 300])

    def test_ends(self) -> None:
        """Left alone for a minute after it was put back, it is not contested any more, and counted from the start."""
        self.disturb(0, 0, 0, 0, 0)
        self.assertTrue(self.patience.is_contested(KEY, 65))
        self.assertFalse(self.patience.is_contested(KEY, 65.1))
        self.assertEqual(self.disturb(66, 66, 66, 66, 66), [False, False, False, False, True])

    def test_unknown(self) -> None:
        """What nobody touched is not contested."""
        self.assertFalse(self.patience.is_contested(KEY, 0))
