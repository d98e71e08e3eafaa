"""Tests of events: kept, bounded, pushed to watchers at their own pace."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.history import KEPT_EVENTS
from tests.control.daemons import Line, event


def pushed(boxes: list[dict[bytes, bytes]], command: bytes) -> list[dict[bytes, bytes]]:
    """The boxes that push this command."""
    return [box for box in boxes if box.get(b"_command") == command]


class WatchTests(SynchronousTestCase):
    def sequences(self, line: Line) -> list[int]:
        """The numbers of the events that were pushed."""
        return [int(box[b"sequence"]) for box in pushed(line.received(), b"Event")]

    def test_from_now(self) -> None:
        """Watch pushes what happens from now on, with sequence numbers."""
        line = Line().greet()
        line.events.add(event(1))
        answer = line.ask("Watch")
        self.assertEqual((answer[b"sequence"], answer[b"instance"], answer[b"missed"]), (b"1", b"run1", b"False"))
        line.events.add(event(2))
        (box,) = line.received()
        self.assertEqual(json.loads(box[b"event"]), event(2))

    def test_since(self) -> None:
        """Watch with the last known number pushes what is still kept behind it first."""
        line = Line().greet()
        for number in range(1, 5):
            line.events.add(event(number))
        line.send("Watch", since=2)
        self.assertEqual(self.sequences(line), [3, 4])

    def test_missed(self) -> None:
        """Events that are no longer kept, or a number of another run, are told as missed."""
        line = Line().greet()
        for number in range(1, KEPT_EVENTS + 10):
            line.events.add(event(number))
        line.connection.pauseProducing()
        self.assertEqual(line.events.position_after(3), (9, True))
        self.assertEqual(line.events.position_after(9), (9, False))
        self.assertEqual(line.events.position_after(99999)[1], True)

    def test_twice(self) -> None:
        """A connection watches once."""
        line = Line().greet()
        line.ask("Watch")
        self.assertEqual(line.ask("Watch")[b"_error_code"], b"INVALID")

    def test_slow(self) -> None:
        """A watcher that does not read costs no memory and is cut off once its place has left the ring."""
        line = Line().greet()
        line.ask("Watch")
        line.connection.pauseProducing()
        for number in range(1, KEPT_EVENTS + 1):
            line.events.add(event(number))
        self.assertEqual(line.received(), [])
        line.connection.resumeProducing()
        self.assertEqual(self.sequences(line), list(range(1, KEPT_EVENTS + 1)))
        line.connection.pauseProducing()
        for number in range(KEPT_EVENTS + 1, 2 * KEPT_EVENTS + 2):
            line.events.add(event(number))
        line.connection.resumeProducing()
        (box,) = line.received()
        self.assertEqual(box[b"reason"], b"TOO_SLOW")
        self.assertTrue(line.transport.is_lost)

    def test_history(self) -> None:
        """History answers with the last events, as many as asked for."""
        line = Line().greet()
        for number in range(1, 6):
            line.events.add(event(number))
        history = json.loads(line.ask("History", count=2)[b"page"])
        self.assertEqual([entry["sequence"] for entry in history["events"]], [4, 5])
        self.assertEqual((history["sequence"], history["instance"]), (5, "run1"))
        self.assertEqual(len(json.loads(line.ask("History")[b"page"])["events"]), 5)

    def test_numbering(self) -> None:
        """An event without a usable number gets the next one; one larger than a page keeps only its head."""
        line = Line().greet()
        line.ask("Watch")
        line.events.add({"event": "odd"})
        line.events.add(event(1))
        line.events.add(event(9, text="x" * 70_000))
        events = [json.loads(box[b"event"]) for box in line.received()]
        self.assertEqual([entry["sequence"] for entry in events], [1, 2, 9])
        self.assertEqual(events[2], event(9, shortened=True))

    def test_octets_bounded(self) -> None:
        """Events are kept up to a number of octets, however few they are then."""
        line = Line().greet()
        for number in range(1, 100):
            line.events.add(event(number, text="x" * 50_000))
        self.assertLess(len(line.events.latest(None)), 15)

    def test_unsubscribed(self) -> None:
        """A connection that has ended is not told anything any more."""
        from twisted.internet.error import ConnectionDone
        from twisted.python.failure import Failure

        line = Line().greet()
        line.ask("Watch")
        line.connection.connectionLost(Failure(ConnectionDone()))
        line.events.add(event(1))
        self.assertEqual(line.received(), [])
