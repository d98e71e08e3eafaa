"""
Tests for L{pdlease.privilege.refusals}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.privilege.refusals import BURST, INTERVAL, RefusalLog


class RefusalLogTests(SynchronousTestCase):
    """L{RefusalLog}."""

    def setUp(self) -> None:
        self.lines: list[str] = []
        self.clock = Clock()
        self.log = RefusalLog(self.lines.append, self.clock.seconds)

    def test_a_few_are_written(self) -> None:
        """
        The first refusals are written as they come.
        """
        for number in range(BURST):
            self.log.refused(f"number {number}")
        self.assertEqual(self.lines, [f"refusal {number + 1}: number {number}" for number in range(BURST)])

    def test_a_flood_is_counted(self) -> None:
        """
        Beyond that one line for every interval is written, with how many were left out.
        """
        for _ in range(1000):
            self.log.refused("flood")
        self.assertEqual((len(self.lines), self.log.count), (BURST, 1000))
        self.clock.advance(INTERVAL)
        self.log.refused("later")
        self.assertEqual(self.lines[BURST:], ["refused 990 more that are not listed", "refusal 1001: later"])
        self.log.refused("at once")
        self.assertEqual(len(self.lines), BURST + 2)

    def test_quiet_times_are_not_saved_up(self) -> None:
        """
        After a long silence there are as many lines at once as in the beginning.
        """
        self.clock.advance(INTERVAL * 1000)
        for _ in range(100):
            self.log.refused("flood")
        self.assertEqual(len(self.lines), BURST)
