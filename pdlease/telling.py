"""
What an uplink tells of itself: its events in order, after they were acted upon, and what was dropped, counted.

Nothing here is decided; L{pdlease.uplink} says what happened, and who hears of it is L{pdlease.desk}'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pdlease.client.reasons import DiscardReason
from pdlease.logs import Logger

TELL_AFTER = 0.01
"""How long (seconds) after a message was sent it is told: telling takes as long as a near server's answer."""


class Telling:
    """
    The voice of one uplink.

    @ivar counted: what is counted beside the session's own counters, by name.
    @ivar last_dropped: what was dropped last for each reason: the sender's address, and details in words.
    """

    log = Logger()

    def __init__(self, uplink: str, clock: IReactorTime, told: Callable[[str, dict[str, Any]], None]) -> None:
        """
        @param uplink: its name.
        @param clock: the boot-time clock.
        @param told: called with the name of an event and its fields.
        """
        self.counted: dict[str, int] = {}
        self.last_dropped: dict[DiscardReason, tuple[str, str]] = {}
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

    def dropped(self, reason: DiscardReason, source: str, detail: str) -> None:
        """
        Tell of something that was dropped.  The log has a line of it where the reason is one that an operator should
        know of unasked; how many of a kind are shown is L{pdlease.observers}.
        """
        self.last_dropped[reason] = source, detail
        name = reason.name.lower()
        if reason.is_loud:
            self.log.warn(
                "{uplink}: from {source}: {sentence}: {detail}",
                uplink=self._uplink,
                event="discarded",
                fields={"reason": name},
                source=source,
                sentence=reason.value,
                detail=detail,
            )
        self.tell("discarded", reason=name, text=reason.value, source=source, detail=detail)

    def tell_soon(self) -> None:
        """Tell in a moment: an answer may come in before."""
        if self._timer is None or not self._timer.active():
            self._timer = self._clock.callLater(TELL_AFTER, self.tell_all)

    def tell_all(self) -> None:
        """Tell what happened, in order."""
        while self._untold and not self._acting:
            event, make = self._untold.pop(0)
            fields = make()
            self.log.debug("{uplink}: {event} {fields}", uplink=self._uplink, event=event, fields=fields)
            self._told(event, fields)

    def stop(self) -> None:
        """Tell what is left, and nothing later."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self.tell_all()
