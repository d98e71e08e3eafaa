"""
Tests of L{pdlease.announcing}; with a whole daemon around it, see L{tests.scenarios.test_stale}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.announcing import Announcing
from pdlease.stale import TOLD_FOR
from tests.test_stale import place, stale


class AnnouncingTests(SynchronousTestCase):
    """What hosts behind several uplinks may know of."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.changed: list[str] = []
        self.announcing = Announcing(self.clock, self.changed.append)

    def test_told_long_enough(self) -> None:
        """9096-STALE-3: after 5400 s a stale subnet is forgotten by itself, and that is told; then nothing is due."""
        self.announcing.begin("wan", {place(1): 9000.0}, ())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.announcing.carved("wan", {})
        self.clock.advance(1.0)
        self.announcing.carved("wan", {place(2): 9000.0})
        self.announcing.carved("wan", {})
        self.clock.advance(TOLD_FOR - 1.5)
        self.assertEqual(self.announcing.stale("wan"), (stale(1, TOLD_FOR), stale(2, TOLD_FOR + 1.0)))
        self.assertEqual(self.changed, ["wan", "wan"])
        self.clock.advance(0.5)
        self.assertEqual(self.announcing.stale("wan"), (stale(2, TOLD_FOR + 1.0),))
        self.clock.advance(1.0)
        self.assertEqual(self.announcing.stale("wan"), ())
        self.assertEqual(self.changed, ["wan"] * 4)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unchanged(self) -> None:
        """What stays as it was is not told."""
        self.announcing.carved("wan", {place(1): 9000.0})
        self.announcing.carved("wan", {place(1): 9500.0})
        self.assertEqual(self.changed, [])

    def test_leave(self) -> None:
        """The first uplink in the file that serves a link tells of what one that is gone had there."""
        self.announcing.begin("dsl", {place(1): 9000.0, place(2, "lan1"): 9000.0, place(3, "lan2"): 9000.0}, ())
        self.announcing.leave("dsl", {"wan": ["lan0", "lan1"], "lte": ["lan1", "lan2"]})
        self.assertEqual(self.announcing.stale("wan"), (stale(1, TOLD_FOR), stale(2, TOLD_FOR, "lan1")))
        self.assertEqual(self.announcing.stale("lte"), (stale(3, TOLD_FOR, "lan2"),))
        self.assertEqual(self.announcing.stale("dsl"), ())

    def test_no_such_link(self) -> None:
        """
        Behind a link that does not exist there is nobody to be told; what was stale before a restart stays so, whether
        its link is there by then or not.
        """
        announcing = Announcing(self.clock, self.changed.append, lambda name: name == "lan0")
        announcing.begin("wan", {place(1): 9000.0, place(2, "lan1"): 9000.0}, (stale(3, 50.0, "lan2"),))
        announcing.carved("wan", {})
        self.assertEqual(announcing.stale("wan"), (stale(3, 50.0, "lan2"), stale(1, TOLD_FOR)))
        announcing.disowned("wan", [place(4), place(5, "lan1")])
        self.assertEqual([one.subnet for one in announcing.stale("wan")][2:], [place(4)[1]])

    def test_stop(self) -> None:
        """After the end nothing is due."""
        self.announcing.begin("wan", {}, (stale(1, 50.0),))
        self.announcing.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
