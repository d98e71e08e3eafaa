"""
That the lease of an uplink is written, after it was applied, and written again when the store failed (design 18).

What is written is L{pdlease.lease.UplinkRecord}; how it looks on disk, L{pdlease.stores}.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from pdlease.interfaces import ILeaseStore, StoreError
from pdlease.lease import UplinkRecord
from pdlease.logs import Logger

FIRST_WAIT = 5.0
LONGEST_WAIT = 300.0
"""Waits (seconds) before a record that could not be kept is written again."""


class Keeper:
    """
    Keeps the record of one uplink, one write at a time; the newest record wins.

    @ivar problem: why the record is behind, as a sentence, or the empty string.
    """

    log = Logger()

    def __init__(
        self,
        name: str,
        store: ILeaseStore,
        clock: IReactorTime,
        record: Callable[[], UplinkRecord],
        kept: UplinkRecord | None,
        changed: Callable[[str], None],
    ) -> None:
        """
        @param record: makes the record of now.
        @param kept: what the store holds already.
        @param changed: called with L{problem} when it became another one.
        """
        self.problem = ""
        self._name = name
        self._store = store
        self._clock = clock
        self._record = record
        self._kept = kept
        self._changed = changed
        self._writing = False
        self._wait = FIRST_WAIT
        self._retry: IDelayedCall | None = None
        self._stopped = False
        self._finished: list[Deferred[None]] = []

    def keep(self) -> None:
        """Have the record of now written, unless it is; a write under way is followed by another."""
        if self._writing or self._retry is not None or self._stopped:
            return
        record = self._record()
        if record == self._kept:
            return
        self._writing = True
        written: Deferred[None] = maybeDeferred(self._store.save_uplink, self._name, record)
        written.addCallbacks(self._written, self._failed, callbackArgs=(record,))
        written.addErrback(lambda failure: self.log.failure("{uplink}: keeping the lease", failure, uplink=self._name))

    def stop(self) -> None:
        """Begin no further write."""
        self._stopped = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def finished(self) -> Deferred[None]:
        """Fires when no write is under way: calls of a store do not overlap for the same uplink."""
        if not self._writing:
            return succeed(None)
        finished: Deferred[None] = Deferred()
        self._finished.append(finished)
        return finished

    def follow(self, earlier: Keeper) -> None:
        """Take over from another keeper, that was stopped, of the same uplink, with what it could not write."""
        self._writing = True
        earlier.finished().addCallback(lambda _: self._take_over(earlier))

    def _take_over(self, earlier: Keeper) -> None:
        self._kept = earlier._kept
        self._over()
        self.keep()

    def _over(self) -> None:
        """No write is under way any more."""
        self._writing = False
        while self._finished:
            self._finished.pop().callback(None)

    def _written(self, _: None, record: UplinkRecord) -> None:
        self._kept = record
        self._over()
        self._wait = FIRST_WAIT
        if self.problem:
            self.problem = ""
            self.log.info("{uplink}: the lease is kept again", uplink=self._name)
            self._changed(self.problem)
        self.keep()

    def _failed(self, failure: Failure) -> None:
        """The lease stays in use; only its record is behind: a full or lost disk never drops a lease."""
        self._over()
        problem = failure.getErrorMessage()
        if not failure.check(StoreError):
            self.log.failure("{uplink}: keeping the lease", failure, uplink=self._name)
        if problem != self.problem:
            self.problem = problem
            self.log.error("{uplink}: {problem}; trying again", uplink=self._name, problem=problem)
            self._changed(problem)
        if not self._stopped:
            self._retry = self._clock.callLater(self._wait, self._again)
            self._wait = min(2 * self._wait, LONGEST_WAIT)

    def _again(self) -> None:
        self._retry = None
        self.keep()
