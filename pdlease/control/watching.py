"""
C{pdleasectl watch}: events as lines, or a program called for each; across restarts of the daemon if asked to.

A hook program must never act on a stale picture: whenever events may have been missed (at the start, after the daemon
restarted, after this watcher was cut off) it gets an event C{resync} with the whole status document first (design 11).
The daemon executes nothing; this does, as its own user.
"""

from __future__ import annotations

import json
import os
import subprocess
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
    @param wants_resync: whether C{resync} events are wanted.
    @param pause: waits for so many seconds.
    """

    def __init__(
        self,
        connect: Callable[[], Control],
        told: Callable[[Event], None],
        wants_resync: bool,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        self._connect = connect
        self._told = told
        self._wants_resync = wants_resync
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
            if self._wants_resync and (since is None or begun["missed"] or is_other_run):
                with self._connect() as asking:
                    status = asking.status()
                self._tell(
                    {"sequence": begun["sequence"], "time": None, "uplink": None, "event": "resync", "status": status}
                )
            self._instance = begun["instance"]
            self._since = begun["sequence"] if since is None or is_other_run else since
            for event in events:
                self._tell(event)
                self._since = event["sequence"]

    def _tell(self, event: Event) -> None:
        self._told(event)


def run_program(program: str, event: Event, environment: Mapping[str, str] = os.environ) -> int:
    """
    Call a hook program: the event's name as its argument, the event as JSON on its standard input, and
    C{PDLEASE_EVENT}, C{PDLEASE_UPLINK} and C{PDLEASE_SEQUENCE} in its environment.

    One at a time: the next event waits until it ends.

    @return: its exit status.
    @raise OSError: when it cannot be started.
    """
    more = {
        "PDLEASE_EVENT": str(event.get("event") or ""),
        "PDLEASE_UPLINK": str(event.get("uplink") or ""),
        "PDLEASE_SEQUENCE": str(event.get("sequence") or ""),
    }
    finished = subprocess.run(
        [program, more["PDLEASE_EVENT"]],
        input=json.dumps(event).encode(),
        env={**environment, **more},
        check=False,
    )
    return finished.returncode
