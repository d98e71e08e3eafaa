"""
Tests of L{pdlease.pictures}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.pictures import LOOK_AFTER, Pictures


class PicturesTests(SynchronousTestCase):
    """
    Pictures, compared.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.picture: dict[str, dict[str, Any]] = {"wan": {"a": 1, "b": 2}}
        self.looked = 0
        self.told: list[tuple[str, list[Any], list[str]]] = []
        self.pictures = Pictures(self.clock, self.look, lambda *what: self.told.append(what))

    def look(self) -> dict[str, dict[str, Any]]:
        self.looked += 1
        return {owner: dict(documents) for owner, documents in self.picture.items()}

    def changes(self, times: int = 1) -> list[tuple[str, list[Any], list[str]]]:
        """Something changes; what is told of it."""
        self.told = []
        for _ in range(times):
            self.pictures.changed()
        self.clock.advance(LOOK_AFTER)
        return self.told

    def test_told(self) -> None:
        """
        What is new or another is told to its owner's name, and what is gone by name; the rest is not.
        """
        self.assertEqual(self.changes(), [("wan", [1, 2], [])])
        self.picture["wan"]["b"] = 3
        self.assertEqual(self.changes(), [("wan", [3], [])])
        self.picture["dsl"] = {"c": 4}
        del self.picture["wan"]["a"]
        self.assertEqual(self.changes(), [("wan", [], ["a"]), ("dsl", [4], [])])
        del self.picture["dsl"]
        self.assertEqual(self.changes(), [("dsl", [], ["c"])])

    def test_nothing(self) -> None:
        """
        However often something may have changed, it is looked at once, and nothing is told that is as it was.
        """
        self.changes()
        self.assertEqual(self.changes(100), [])
        self.assertEqual(self.looked, 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopped(self) -> None:
        """
        After the end nothing is looked at, and no timer is left behind.
        """
        self.pictures.changed()
        self.pictures.stop()
        self.pictures.stop()
        self.pictures.changed()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.looked, 0)
