"""
The last events, bounded in number and octets: what watchers read from, each at its own pace.

A watcher is only a position in this ring (L{EventRing.position_after}), so that a slow one costs nothing and is cut off
when its position has left the ring.  How events are pushed is L{pdlease.control.connection}; what happens is decided in
L{pdlease.service}, which numbers its events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from pdlease.control.paging import decode_document, encode_document
from pdlease.control.vocabulary import PAGE_OCTETS

#: What the ring holds at most.
KEPT_EVENTS = 1000
KEPT_OCTETS = 512 * 1024


class EventRing:
    """
    Keeps the newest events as they go onto the wire.

    @ivar instance: differs for every run of the daemon.
    @ivar sequence: sequence number of the newest event ever added, 0 before the first.
    @ivar newest: position of the newest event: the count of events ever added.
    """

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self.sequence = 0
        self.newest = 0
        self._events: deque[tuple[int, bytes]] = deque()
        self._octets = 0
        self._added: list[Callable[[], None]] = []

    @property
    def oldest(self) -> int:
        """Position of the oldest event that is kept; C{newest + 1} when none is."""
        return self.newest - len(self._events) + 1

    def add(self, document: Mapping[str, Any]) -> None:
        """
        Take in an event and tell every watcher that there is one.

        An event without a usable C{sequence} gets the next number; one that is larger than a page keeps only its head.
        """
        sequence = document.get("sequence")
        if not isinstance(sequence, int) or sequence <= self.sequence:
            sequence = self.sequence + 1
            document = {**document, "sequence": sequence}
        text = encode_document(dict(document))
        if len(text) > PAGE_OCTETS:
            head = {key: document.get(key) for key in ("sequence", "time", "uplink", "event")}
            text = encode_document({**head, "shortened": True})
        self.sequence = sequence
        self.newest += 1
        self._events.append((sequence, text))
        self._octets += len(text)
        while len(self._events) > KEPT_EVENTS or self._octets > KEPT_OCTETS:
            self._octets -= len(self._events.popleft()[1])
        for tell in tuple(self._added):
            tell()

    def position_after(self, since: int | None) -> tuple[int, bool]:
        """
        Where a watcher starts that knows everything up to a sequence number.

        @param since: that number; C{None} to start with the next event.
        @return: the position, and whether events in between are no longer kept (or the number is of another run).
        """
        if since is None:
            return self.newest, False
        if since > self.sequence:
            return self.newest, True
        position = self.oldest - 1
        for sequence, _ in self._events:
            if sequence > since:
                break
            position += 1
        missed = position < self.oldest and bool(self._events) and self._events[0][0] > since + 1
        return position, missed

    def after(self, position: int) -> tuple[int, bytes] | None:
        """
        The event that follows a position.

        @return: sequence number and JSON text, or C{None} when the watcher has seen all.
        @raise LookupError: when that event is no longer kept.
        """
        if position >= self.newest:
            return None
        if position + 1 < self.oldest:
            raise LookupError(position)
        return self._events[position + 1 - self.oldest]

    def latest(self, count: int | None) -> list[object]:
        """The newest events, oldest first, at most C{count} of them."""
        kept = list(self._events)
        return [decode_document(text) for _, text in (kept if count is None else kept[-count:])]

    def watch(self, tell: Callable[[], None]) -> Callable[[], None]:
        """
        Call C{tell} after every event that is added.

        @return: what ends that; may be called more than once.
        """
        self._added.append(tell)

        def end() -> None:
            if tell in self._added:
                self._added.remove(tell)

        return end
