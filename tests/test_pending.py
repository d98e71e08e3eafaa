"""
Tests for L{pdlease.pending} and L{tests.heapclock}.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pdlease.pending import PendingCalls
from tests.heapclock import HeapClock


class PendingCallsTests(SynchronousTestCase):
    def test_cancelled_calls_are_let_go(self) -> None:
        """Calls that are set and cancelled over and over do not pile up."""
        calls = PendingCalls(lambda: 0.0, lambda: None)
        calls.add(5.0, int, (), {})
        for _ in range(10_000):
            calls.add(10.0, int, (), {}).cancel()
        self.assertLess(len(calls._heap), 200)
        self.assertEqual((len(calls.active()), calls.next_time()), (1, 5.0))

    def test_moved_calls_are_let_go(self) -> None:
        """A call that is moved earlier over and over leaves no pile behind."""
        calls = PendingCalls(lambda: 0.0, lambda: None)
        call = calls.add(100_000.0, int, (), {})
        for second in range(10_000):
            call.reset(99_000.0 - second)
        self.assertLess(len(calls._heap), 200)
        self.assertEqual(calls.next_time(), 89_001.0)

    def test_interrupted(self) -> None:
        """When a call ends the program, the others that were due are still there."""
        calls = PendingCalls(lambda: 0.0, lambda: None)

        def end() -> None:
            calls.add(0.0, int, (), {})
            raise SystemExit

        calls.add(0.0, end, (), {})
        calls.add(0.0, int, (), {})
        self.assertRaises(SystemExit, calls.run, 0.0)
        self.assertEqual(calls.run(0.0), 2)


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["add", "cancel", "reset", "delay", "advance"]), st.integers(0, 20), st.integers(0, 40)),
    max_size=40,
)


class HeapClockTests(SynchronousTestCase):
    def test_interface(self) -> None:
        """The clock for simulations is an C{IReactorTime}."""
        self.assertTrue(verifyObject(IReactorTime, HeapClock()))

    def test_exact(self) -> None:
        """Each call is made at its own second, however far the clock is advanced in one go, and may ask for more."""
        clock = HeapClock(100.0)
        made: list[float] = []

        def tick() -> None:
            made.append(clock.seconds())
            clock.callLater(10, tick)

        clock.callLater(10, tick)
        self.assertEqual(clock.advance(35), 3)
        self.assertEqual((made, clock.seconds(), clock.next_time()), ([110.0, 120.0, 130.0], 135.0, 140.0))

    def test_pump(self) -> None:
        """The clock can be advanced by several amounts."""
        clock = HeapClock()
        clock.pump([1, 2, 3])
        self.assertEqual(clock.seconds(), 6)

    @settings(deadline=None)
    @given(ACTIONS)
    def test_like_twisted(self, actions: list[tuple[str, int, int]]) -> None:
        """Whatever is asked of it, the heap makes the same calls at the same seconds as Twisted's test clock."""
        self.assertEqual(self._play(HeapClock(), actions), self._play(Clock(), actions))

    @staticmethod
    def _play(clock: Any, actions: list[tuple[str, int, int]]) -> list[tuple[int, int]]:
        made: list[tuple[int, int]] = []
        calls: list[Any] = []

        def make(number: int) -> None:
            # Twisted's clock makes a call at the end of the step that it falls into: steps are of one second
            made.append((ceil(clock.seconds()), number))

        for action, which, amount in actions:
            call = calls[which % len(calls)] if calls else None
            if action == "add":
                calls.append(clock.callLater(amount + 0.5, make, len(calls)))
            elif action == "advance":
                clock.pump([1] * amount)
            elif call is not None and call.active():
                if action == "cancel":
                    call.cancel()
                elif action == "reset":
                    call.reset(amount + 0.5)
                else:
                    call.delay(amount)
        clock.pump([1] * 2000)
        assert not clock.getDelayedCalls()
        return sorted(made)
