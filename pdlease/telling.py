"""
What an uplink tells of itself: its events in order, after they were acted upon, and what was dropped, counted.

Nothing here is decided; L{pdlease.uplink} says what happened, and who hears of it is L{pdlease.desk}'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pdlease.client.occurrences import Effect, Moved
from pdlease.client.reasons import DiscardReason, Reason
from pdlease.client.session import Session
from pdlease.logs import Logger

TELL_AFTER = 0.01
"""How long (seconds) after a message was sent it is told: telling takes as long as a near server's answer."""


@frozen
class Dropped:
    """
    Something that was dropped.

    @ivar source: the sender's address.
    @ivar detail: what exactly, in words.
    @ivar text: the whole in words.
    """

    source: str
    detail: str
    text: str


class Telling:
    """
    The voice of one uplink.

    @ivar counted: what is counted beside the session's own counters, by name.
    @ivar last_dropped: what was dropped last for each reason.
    """

    log = Logger()

    def __init__(self, uplink: str, clock: IReactorTime, told: Callable[[str, dict[str, Any]], None]) -> None:
        """
        @param uplink: its name.
        @param clock: the boot-time clock.
        @param told: called with the name of an event and its fields.
        """
        self.counted: dict[str, int] = {}
        self.last_dropped: dict[DiscardReason, Dropped] = {}
        self._uplink = uplink
        self._clock = clock
        self._told = told
        self._acting = 0
        self._timer: IDelayedCall | None = None
        self._untold: list[tuple[str, Callable[[], dict[str, Any]]]] = []

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Tell nothing meanwhile: acting comes first, and telling takes longer."""
        self._acting += 1
        try:
            yield
        finally:
            self._acting -= 1

    @property
    def is_acting(self) -> bool:
        """Whether something is being acted upon, after which all is told."""
        return self._acting > 0

    def count(self, name: str) -> None:
        """Count one more of something."""
        self.counted[name] = self.counted.get(name, 0) + 1

    def note(self, event: str, make: Callable[[], dict[str, Any]]) -> None:
        """Have an event told with the next, its fields made then."""
        self._untold.append((event, make))

    def tell(self, event: str, **fields: Any) -> None:
        """Tell an event, now or as soon as what is under way has been done."""
        self.note(event, lambda: fields)
        if not self._acting:
            self.tell_all()

    def dropped(self, reason: DiscardReason, source: str, detail: str, message: str = "") -> None:
        """
        Tell of something that was dropped, a message or a part of one.  The log has a line of it where the reason is
        one that an operator should know of unasked; how many of a kind are shown is L{pdlease.observers}.

        @param message: the name of the type of the message, where it was read.
        """
        name = reason.name.lower()
        text = reason.sentence(message, source, detail)
        self.last_dropped[reason] = Dropped(source, detail, text)
        if reason.is_loud:
            self.log.warn(
                "{uplink}: {text}", uplink=self._uplink, event="discarded", fields={"reason": name}, text=text
            )
        self.tell("discarded", reason=name, source=source, detail=detail, text=text)

    def tell_wait(self, before: Session, after: Session, effects: tuple[Effect, ...]) -> None:
        """
        Tell that the session is as it is for another reason than before, where no move tells so, or that it has to wait
        for the limit on messages.
        """
        told = [(each.reason, each.detail) for each in effects if isinstance(each, Moved)][-1:]
        why, was = (after.reason, after.detail), (before.reason, before.detail)
        limited = after.is_rate_limited and not before.is_rate_limited
        if limited or (why != was and [why] != told):
            reason = Reason.RATE_LIMITED if after.is_rate_limited else after.reason
            self.tell("waiting", reason=reason.name.lower(), text=after.explain(self._clock.seconds()))

    def tell_soon(self) -> None:
        """Tell in a moment: an answer may come in before."""
        if self._timer is None or not self._timer.active():
            self._timer = self._clock.callLater(TELL_AFTER, self.tell_all)

    def tell_all(self) -> None:
        """Tell what happened, in order."""
        while self._untold and not self._acting:
            event, make = self._untold.pop(0)
            fields = make()
            self.log.debug("{uplink}: {event}: {fields}", uplink=self._uplink, event=event, fields=fields)
            self._told(event, fields)

    def stop(self) -> None:
        """Tell what is left, and nothing later."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self.tell_all()
