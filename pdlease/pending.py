"""
Calls that wait for their time, for clocks of any kind.

When the time is, and what wakes a program for it, is a clock's to say: L{pdlease.clock} in the daemon.  Twisted's own
test clock sorts all its calls for each that is added, which a simulation of thousands of clients cannot afford.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

from twisted.internet.base import DelayedCall

from pdlease.logs import Logger


class PendingCalls:
    """
    Calls by the time they are due, in a heap; of calls due at the same time the one that was made first goes first.

    Moving a call earlier leaves a dead entry behind, and so does cancelling one; both cost O(log n), and the heap is
    rebuilt when the dead outnumber the living.
    """

    log = Logger()

    def __init__(self, seconds: Callable[[], float], changed: Callable[[], None]) -> None:
        """
        @param seconds: tells the time.
        @param changed: called when the earliest time may have changed, except from within L{run}.
        """
        self._seconds = seconds
        self._changed = changed
        self._heap: list[tuple[float, int, DelayedCall]] = []
        self._order = 0
        self._living = 0
        self._running = False

    def add(
        self, delay: float, function: Callable[..., object], args: tuple[object, ...], keywords: dict[str, object]
    ) -> DelayedCall:
        """
        Have C{function} called after C{delay} seconds; C{inf} is never.

        @raise ValueError: for a negative delay or one that is no number.
        """
        if not delay >= 0:
            raise ValueError(f"a call cannot be due in {delay} seconds")
        call = DelayedCall(
            self._seconds() + delay, function, args, keywords, self._cancelled, self._moved, self._seconds
        )
        self._living += 1
        self._push(call)
        self._tell()
        return call

    def next_time(self) -> float | None:
        """Tell the time of the earliest call, C{None} if there is none."""
        while self._heap:
            due, _, call = self._heap[0]
            if call.active() and call.time == due and call.delayed_time <= 0:
                return due
            heappop(self._heap)
            self._keep(due, call)
        return None

    def run(self, now: float) -> int:
        """
        Make every call that is due, and say how many; what such a call raises is logged.  Calls that are added
        meanwhile wait for the next round, whatever their time.
        """
        made = 0
        newest = self._order
        later = []
        self._running = True
        try:
            while self._heap and self._heap[0][0] <= now:
                entry = heappop(self._heap)
                due, order, call = entry
                if order > newest:
                    later.append(entry)
                elif not call.active() or call.time != due or call.delayed_time > 0:
                    self._keep(due, call)
                else:
                    call.called = 1
                    self._living -= 1
                    made += 1
                    try:
                        call.func(*call.args, **call.kw)
                    except Exception:
                        self.log.failure("a call that was due failed")
        finally:
            self._running = False
            for entry in later:
                heappush(self._heap, entry)
        return made

    def active(self) -> list[DelayedCall]:
        """List every call that is still to be made, in no order."""
        return list({call for due, _, call in self._heap if call.active() and call.time == due})

    def _push(self, call: DelayedCall) -> None:
        self._order += 1
        heappush(self._heap, (call.time, self._order, call))

    def _keep(self, due: float, call: DelayedCall) -> None:
        """Put back a call whose entry came off the heap if it was only delayed; the dead stay off."""
        if call.active() and call.time == due:
            call.activate_delay()
            self._push(call)

    def _cancelled(self, call: DelayedCall) -> None:
        call.cancelled = 1  # DelayedCall does that only after this, too late for whoever asks for the earliest now
        self._living -= 1
        self._clear()

    def _moved(self, call: DelayedCall) -> None:
        self._push(call)
        self._clear()

    def _clear(self) -> None:
        if len(self._heap) > 64 + 2 * self._living:
            self._heap = [entry for entry in self._heap if entry[2].active() and entry[2].time == entry[0]]
            heapify(self._heap)
        self._tell()

    def _tell(self) -> None:
        if not self._running:
            self._changed()
