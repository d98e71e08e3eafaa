"""
Tests of L{pdlease.desk.Journal}.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from pdlease.desk import EARLY_EVENTS, Journal
from pdlease.interfaces import ITimeSource


class Times:
    """The machine's clock, standing still."""

    def wall(self) -> float:
        return 5.0


class JournalTests(SynchronousTestCase):
    """
    Events, numbered and told.
    """

    def setUp(self) -> None:
        self.journal = Journal(cast("ITimeSource", Times()))
        self.heard: list[dict[str, Any]] = []

    def test_event(self) -> None:
        """
        An event has a number that grows by one, the time, the uplink, its name and its fields.
        """
        self.journal.subscribe(self.heard.append)
        self.journal.record("wan", "sent", {"message": "SOLICIT"})
        self.journal.record(None, "reload", {})
        self.assertEqual(
            self.heard,
            [
                {"sequence": 1, "time": 5.0, "uplink": "wan", "event": "sent", "message": "SOLICIT"},
                {"sequence": 2, "time": 5.0, "uplink": None, "event": "reload"},
            ],
        )

    def test_from_start(self) -> None:
        """
        Who asks for it is told what happened since the start as well: bounded, and only the first to ask.
        """
        within: list[dict[str, Any]] = []
        self.journal.subscribe(within.append)
        for _ in range(EARLY_EVENTS + 5):
            self.journal.record("wan", "sent", {})
        self.journal.subscribe(self.heard.append, from_start=True)
        self.assertEqual([event["sequence"] for event in self.heard], list(range(6, EARLY_EVENTS + 6)))
        self.journal.record("wan", "sent", {})
        self.assertEqual(self.heard[-1], within[-1])
        others: list[dict[str, Any]] = []
        self.journal.subscribe(others.append, from_start=True)
        self.assertEqual(others, [])

    def test_end(self) -> None:
        """
        Who ended a subscription hears nothing more; ending twice is nothing.
        """
        end = self.journal.subscribe(self.heard.append)
        end()
        end()
        self.journal.record("wan", "sent", {})
        self.assertEqual(self.heard, [])
