"""
Tests of L{pdlease.keeping}.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.interfaces import StoreError
from pdlease.keeping import Keeper
from pdlease.lease import Lease, UplinkRecord

NOTHING = UplinkRecord(lease=Lease())


def numbered(number: int) -> UplinkRecord:
    """A record that is told from others."""
    return evolve(NOTHING, sol_max_rt=number)


class SlowStore:
    """
    A store that writes when it is told to.

    @ivar asked: the records it was asked to write.
    @ivar writes: the writes under way.
    @ivar answer: what a write comes to at once; C{None} for later.
    """

    def __init__(self, answer: Callable[[], Deferred[None]] | None = None) -> None:
        self.asked: list[UplinkRecord] = []
        self.writes: list[Deferred[None]] = []
        self.answer = answer

    def save_uplink(self, name: str, record: UplinkRecord) -> Deferred[None]:
        self.asked.append(record)
        if self.answer is not None:
            return self.answer()
        write: Deferred[None] = Deferred()
        self.writes.append(write)
        return write


class KeeperTests(SynchronousTestCase):
    """Tests of L{Keeper}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.store = SlowStore()
        self.record = numbered(1)
        self.problems: list[str] = []
        self.keeper = self.make()

    def make(self, kept: UplinkRecord | None = None) -> Keeper:
        """A keeper."""
        return Keeper("wan", self.store, self.clock, lambda: self.record, kept, self.problems.append)  # type: ignore[arg-type]

    def numbers(self) -> list[int | None]:
        """The numbers of the records that were to be written."""
        return [record.sol_max_rt for record in self.store.asked]

    def test_one_write_at_a_time(self) -> None:
        """While a write is under way no other begins; the newest record follows it, none of those between."""
        for number in (1, 2, 3):
            self.record = numbered(number)
            self.keeper.keep()
        self.assertEqual(self.numbers(), [1])
        self.store.writes.pop().callback(None)
        self.assertEqual(self.numbers(), [1, 3])
        self.store.writes.pop().callback(None)
        self.assertEqual(self.numbers(), [1, 3])

    def test_nothing_new(self) -> None:
        """What the store holds already is not written again."""
        self.make(kept=self.record).keep()
        self.assertEqual(self.store.asked, [])

    def test_tried_again(self) -> None:
        """A write that failed is tried again after 5 s, then later and later, with the record of then (design 18)."""
        self.store.answer = lambda: fail(StoreError("disk full"))
        self.keeper.keep()
        self.assertEqual((self.keeper.problem, self.problems), ("disk full", ["disk full"]))
        self.record = numbered(2)
        self.keeper.keep()
        moments = []
        for second in range(1, 1600):
            before = len(self.store.asked)
            self.clock.advance(1)
            if len(self.store.asked) > before:
                moments.append(second)
        self.assertEqual(moments, [5, 15, 35, 75, 155, 315, 615, 915, 1215, 1515])
        self.assertEqual(self.numbers()[:2], [1, 2])
        self.assertEqual(self.problems, ["disk full"])

    def test_well_again(self) -> None:
        """The write that succeeds ends the problem, and the next failure is tried again soon."""
        outcomes = [fail(StoreError("disk full")), fail(StoreError("read-only")), succeed(None)]
        self.store.answer = lambda: outcomes.pop(0)
        self.keeper.keep()
        self.clock.advance(5)
        self.clock.advance(10)
        self.assertEqual((self.keeper.problem, self.problems), ("", ["disk full", "read-only", ""]))
        outcomes.extend([fail(StoreError("disk full")), succeed(None)])
        self.record = numbered(2)
        self.keeper.keep()
        self.clock.advance(5)
        self.assertEqual(self.numbers(), [1, 1, 1, 2, 2])

    def test_store_with_a_fault(self) -> None:
        """An error that no store should give is logged, shown, and the write tried again all the same."""

        def raising() -> Deferred[None]:
            raise RuntimeError("boom")

        self.store.answer = raising
        self.keeper.keep()
        self.assertEqual(self.keeper.problem, "boom")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.store.answer = lambda: succeed(None)
        self.clock.advance(5)
        self.assertEqual((self.numbers(), self.keeper.problem), ([1, 1], ""))

    def test_record_with_a_fault(self) -> None:
        """What goes wrong while the outcome is told is logged, not lost."""

        def raising(problem: str) -> None:
            raise RuntimeError("boom")

        self.store.answer = lambda: fail(StoreError("disk full"))
        Keeper("wan", self.store, self.clock, lambda: self.record, None, raising).keep()  # type: ignore[arg-type]
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_stopped(self) -> None:
        """After the stop no write begins, not even one that was to be tried again."""
        self.store.answer = lambda: fail(StoreError("disk full"))
        self.keeper.keep()
        self.keeper.stop()
        self.keeper.keep()
        self.clock.advance(10)
        self.assertEqual((self.numbers(), self.clock.getDelayedCalls()), ([1], []))

    def test_stopped_while_writing(self) -> None:
        """A write that fails after the stop is not tried again; one that is under way can be waited for."""
        self.successResultOf(self.keeper.finished())
        self.keeper.keep()
        self.keeper.stop()
        finished = self.keeper.finished()
        self.assertNoResult(finished)
        self.store.writes.pop().errback(StoreError("disk full"))
        self.successResultOf(finished)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_following(self) -> None:
        """A keeper that takes over waits for the write of the one before, and writes what is new."""
        self.keeper.keep()
        self.keeper.stop()
        following = self.make()
        following.follow(self.keeper)
        self.record = numbered(2)
        following.keep()
        self.assertEqual(self.numbers(), [1])
        self.store.writes.pop().callback(None)
        self.assertEqual(self.numbers(), [1, 2])

    def test_following_with_nothing_new(self) -> None:
        """A keeper that takes over knows what the one before has written."""
        self.keeper.keep()
        self.store.writes.pop().callback(None)
        self.keeper.stop()
        self.make().follow(self.keeper)
        self.assertEqual(self.numbers(), [1])

    def test_following_a_failure(self) -> None:
        """What the one before could not write is written by the one that takes over."""
        self.store.answer = lambda: fail(StoreError("disk full"))
        self.keeper.keep()
        self.keeper.stop()
        self.store.answer = lambda: succeed(None)
        self.make().follow(self.keeper)
        self.assertEqual(self.numbers(), [1, 1])
