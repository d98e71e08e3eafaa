"""
A clock for simulations: as exact as L{twisted.internet.task.Clock}, and not quadratic in the number of calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from pdlease.pending import PendingCalls


@implementer(IReactorTime)
class HeapClock:
    """C{IReactorTime} that stands still until it is told how much time passes; every call is made at its own second."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self._calls = PendingCalls(self.seconds, lambda: None)

    def seconds(self) -> float:
        return self.now

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kwargs: object) -> IDelayedCall:
        return self._calls.add(delay, callable, args, kwargs)

    def getDelayedCalls(self) -> list[DelayedCall]:
        return self._calls.active()

    def next_time(self) -> float | None:
        """Tell the second of the earliest call, C{None} if there is none."""
        return self._calls.next_time()

    def advance(self, amount: float) -> int:
        """Let so many seconds pass; say how many calls were made."""
        return self.advance_to(self.now + amount)

    def advance_to(self, end: float) -> int:
        """Let time pass until this second; say how many calls were made."""
        made = 0
        while (due := self._calls.next_time()) is not None and due <= end:
            self.now = max(self.now, due)
            made += self._calls.run(self.now)
        self.now = max(self.now, end)
        return made

    def pump(self, timings: Iterable[float]) -> None:
        """Advance by each of these amounts in turn."""
        for amount in timings:
            self.advance(amount)
