"""
C{pdleasectl watch}: events one by one; across restarts of the daemon if asked to.

Programs that are run for what happens (C{--exec}) are L{pdlease.control.hooks}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import sleep
from typing import Any

from pdlease.control.blocking import Control
from pdlease.control.errors import GoneError, UnreachableError

#: Seconds between attempts to reach a daemon that is not there: the first, and the most.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0

Event = Mapping[str, Any]


class Follower:
    """
    Watches, and resumes where it left off.

    @param connect: makes a connection.
    @param told: called with each event.
    @param pause: waits for so many seconds.
    """

    def __init__(
        self,
        connect: Callable[[], Control],
        told: Callable[[Event], None],
        pause: Callable[[float], None] = sleep,
    ) -> None:
        self._connect = connect
        self._told = told
        self._pause = pause
        self._instance = ""
        self._since: int | None = None

    def once(self, since: int | None = None) -> None:
        """
        Watch until the connection ends.

        @raise GoneError: always, in the end.
        @raise UnreachableError: when there is no daemon.
        """
        self._watch(since)

    def forever(self, since: int | None = None) -> None:
        """Watch, and connect again when the connection ends; a daemon that is not there is waited for."""
        wait = FIRST_PAUSE
        while True:
            before = self._since
            try:
                self._watch(since if self._since is None else self._since)
            except (GoneError, UnreachableError):
                wait = FIRST_PAUSE if self._since != before else min(wait * 2, LONGEST_PAUSE)
            self._pause(wait)

    def _watch(self, since: int | None) -> None:
        with self._connect() as daemon:
            begun, events = daemon.watch(since)
            is_other_run = bool(self._instance) and begun["instance"] != self._instance
            self._instance = begun["instance"]
            self._since = begun["sequence"] if since is None or is_other_run else since
            for event in events:
                self._told(event)
                self._since = event["sequence"]
