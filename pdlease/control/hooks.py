"""
C{pdleasectl watch --exec}: a program is run for what changed, one run at a time, with the whole state on its input.

The daemon executes nothing (design 11); this does, as its own user, as a client of the control channel.  What counts as
a change is L{pdlease.control.changes}.  The rules:

  - Events only say when to look.  What a run is told is the state as it is when the run begins, and how that differs
    from the state of the last run that went well; so many events become one run, and a lost event costs nothing.
  - Without a difference there is no run, except at the start, after a gap (events were missed, or the daemon was
    restarted), after a run that failed, and when it has been wished that there be one from time to time.
  - A run that takes too long is ended with its whole process group, and counts as failed.  What failed is run again,
    later and later.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from math import inf
from time import CLOCK_BOOTTIME, clock_gettime
from typing import Any

from attrs import define

from pdlease.control.blocking import Control
from pdlease.control.changes import Snapshot, compare
from pdlease.control.errors import ControlError, FailedError, GoneError, UnreachableError

SCHEMA = 1

RUN_SECONDS = 60.0
"""How long a run may take unless it is said otherwise."""

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""

QUIET = 0.1
"""Seconds without an event after which the state is looked at: what belongs together comes together."""

LONGEST_WAIT = 1.0
"""Seconds after the first event after which it is looked at in any case."""

RETRY = (5.0, 300.0)
"""Seconds until a failed run is repeated: at first, and at most."""

RECONNECT = (0.5, 15.0)
"""Seconds between attempts to reach a daemon that is not there: at first, and at most."""

EVENTS = 100
"""How many events a run is told at most; the newest are kept."""

NOISE = frozenset(("sent", "received", "discarded"))
"""Events that by themselves change nothing; the network can cause any number of them."""


@define
class Run:
    """
    One run of the program, in a process group of its own.

    @ivar snapshot: what it was told.
    @ivar events: the events that led to it, and how many were left out.
    @ivar ends: boot-clock second at which it is ended.
    @ivar signals: what it gets then, in order.
    """

    process: subprocess.Popen[bytes]
    handle: int
    snapshot: Snapshot
    events: tuple[list[dict[str, Any]], int]
    ends: float
    signals: list[signal.Signals]

    @classmethod
    def of(cls, command: Sequence[str], document: dict[str, Any], **rest: Any) -> Run:
        """
        Start it.

        @raise OSError: when it cannot be started.
        """
        with tempfile.TemporaryFile() as document_file:
            # a file: nobody waits for a program that does not read
            document_file.write(json.dumps(document).encode() + b"\n")
            document_file.seek(0)
            process = subprocess.Popen(command, stdin=document_file, start_new_session=True)
        return cls(process, os.pidfd_open(process.pid), signals=[signal.SIGTERM, signal.SIGKILL], **rest)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of the group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def collect(self) -> int:
        """Its exit status, once it has ended.  Of a run that was ended nothing is left running."""
        if len(self.signals) < 2:
            # before its number is free for others
            self.send(signal.SIGKILL)
        os.close(self.handle)
        return self.process.wait()


class Hooks:
    """
    Watches a daemon, and runs a program.

    @param connect: makes a connection.
    @param command: the program and its arguments; there is no shell.
    @param say: told what goes wrong, in sentences.
    @param seconds: how long a run may take.
    @param every: seconds after a run at which there is another, for programs that hand on what passes with time.
    @param clock: the boot clock.
    """

    def __init__(
        self,
        connect: Callable[[], Control],
        command: Sequence[str],
        say: Callable[[str], None],
        seconds: float = RUN_SECONDS,
        every: float = inf,
        clock: Callable[[], float] = lambda: clock_gettime(CLOCK_BOOTTIME),
    ) -> None:
        self._connect = connect
        self._command = tuple(command)
        self._say = say
        self._seconds = seconds
        self._every, self._again_at = every, inf
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._daemon: Control | None = None
        self._excuse = self._instance = ""
        self._since: int | None = None
        self._connect_at, self._connect_wait = -inf, RECONNECT[0]
        self._events: deque[dict[str, Any]] = deque(maxlen=EVENTS)
        self._omitted = 0
        self._cause = ""
        self._look_at = self._look_latest = inf
        self._retry_at, self._retry_wait = inf, RETRY[0]
        self._told = Snapshot()
        self._run: Run | None = None

    def forever(self) -> None:
        """
        Watch, and run the program.

        @raise FailedError: when the program cannot be run.
        """
        try:
            while True:
                self.turn()
        finally:
            self.close()

    def turn(self, longest: float = inf) -> None:
        """
        Wait for the next thing to happen, and do what is to be done about it.

        @param longest: seconds to wait at most.
        """
        now = self._clock()
        due = min(now + longest, *self._deadlines())
        for key, _ in self._selector.select(None if due == inf else max(0.0, due - now)):
            if key.data == "daemon":
                self._receive()
            else:
                self._collect()
        now = self._clock()
        if self._daemon is None and self._connect_at <= now:
            self._reach(now)
        if self._run is not None and self._run.ends <= now:
            self._end_run(now)
        if self._run is None and self._daemon is not None:
            for cause, due in (("retry", self._retry_at), ("every", self._again_at)):
                self._cause = self._cause or (cause if due <= now else "")
            if self._next_look <= now:
                self._look(now)

    def close(self) -> None:
        """End a run that is under way, and the connection."""
        if self._run is not None:
            self._run.send(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._run.process.wait(GRACE)
            self._run.signals.clear()
            self._run.collect()
            self._run = None
        if self._daemon is not None:
            self._daemon.close()
        self._selector.close()

    def _deadlines(self) -> Iterator[float]:
        if self._daemon is None:
            yield self._connect_at
        if self._run is not None:
            yield self._run.ends
        elif self._daemon is not None:
            yield self._next_look
        yield inf

    @property
    def _next_look(self) -> float:
        return min(self._look_at, self._retry_at, self._again_at)

    # The daemon.

    def _reach(self, now: float) -> None:
        """Connect, and find out whether anything was missed."""
        try:
            daemon = self._connect()
            self._daemon = daemon
            begun = daemon.begin_to_watch(self._since)
        except (GoneError, UnreachableError) as problem:
            self._lost(problem)
            return
        self._selector.register(daemon, selectors.EVENT_READ, "daemon")
        is_first, is_other_run = not self._instance, begun["instance"] != self._instance
        if is_first or is_other_run or begun["missed"]:
            self._cause = "start" if is_first else "resync"
            self._look_at = now
        if is_first or is_other_run:
            self._since = begun["sequence"]
        self._instance = begun["instance"]
        self._connect_wait, self._excuse = RECONNECT[0], ""
        self._receive()

    def _receive(self) -> None:
        """Take in the events that are there."""
        assert self._daemon is not None
        try:
            for event in self._daemon.events_at_hand():
                self._happened(event)
        except GoneError as problem:
            self._lost(problem)

    def _happened(self, event: dict[str, Any]) -> None:
        self._since = event["sequence"]
        if event["event"] in NOISE:
            return
        now = self._clock()
        self._remember([event])
        if self._look_latest == inf:
            self._look_latest = now + LONGEST_WAIT
        self._look_at = min(now + QUIET, self._look_latest)

    def _remember(self, events: Sequence[dict[str, Any]]) -> None:
        self._omitted += max(0, len(self._events) + len(events) - EVENTS)
        self._events.extend(events)

    def _lost(self, problem: ControlError) -> None:
        """The daemon is gone, or was not to be reached; why is told once."""
        if str(problem) != self._excuse:
            self._excuse = str(problem)
            self._say(f"{str(problem).rstrip('.')}; trying again")
        if self._daemon is not None:
            with suppress(KeyError):
                self._selector.unregister(self._daemon)
            self._daemon.close()
            self._daemon = None
        self._connect_at = self._clock() + self._connect_wait
        self._connect_wait = min(2 * self._connect_wait, RECONNECT[1])

    # The runs.

    def _look(self, now: float) -> None:
        """Ask for the state, and run the program if there is a reason."""
        assert self._daemon is not None
        try:
            status = self._daemon.status()
        except GoneError as problem:
            self._lost(problem)
            return
        for event in self._daemon.events_at_hand(read=False):
            # they came before the answer, and are in it
            self._happened(event)
        snapshot = Snapshot(status=status, taken=now)
        self._look_at, self._look_latest = snapshot.next_end, inf
        changed = compare(self._told, snapshot)
        events, omitted = list(self._events), self._omitted
        self._events.clear()
        self._omitted = 0
        if not changed and not self._cause:
            return
        document = {
            "schema": SCHEMA,
            "cause": self._cause or "change",
            "instance": self._instance,
            "sequence": self._since,
            "changed": changed,
            "events": events,
            "events_omitted": omitted,
            "state": status,
        }
        self._cause = ""
        self._retry_at, self._again_at = inf, now + self._every
        try:
            self._run = Run.of(
                self._command, document, snapshot=snapshot, events=(events, omitted), ends=now + self._seconds
            )
        except OSError as problem:
            raise FailedError(f"{self._command[0]} cannot be run: {problem.strerror or problem}") from None
        self._selector.register(self._run.handle, selectors.EVENT_READ, "run")

    def _collect(self) -> None:
        """A run is over."""
        run, self._run = self._run, None
        assert run is not None
        self._selector.unregister(run.handle)
        in_time = len(run.signals) == 2
        code = run.collect()
        if in_time and code == 0:
            self._told = run.snapshot
            self._retry_wait = RETRY[0]
            return
        how = f"ended with {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
        if not in_time:
            how = f"took longer than {self._seconds:g} s and was ended"
        self._say(f"{self._command[0]} {how}; it is run again in {self._retry_wait:g} s, or at the next change.")
        self._retry_at = self._clock() + self._retry_wait
        self._retry_wait = min(2 * self._retry_wait, RETRY[1])
        # what it should have dealt with is still to be dealt with
        newer, self._events = self._events, deque(run.events[0], EVENTS)
        self._omitted += run.events[1]
        self._remember(newer)

    def _end_run(self, now: float) -> None:
        assert self._run is not None
        if self._run.signals:
            self._run.send(self._run.signals.pop(0))
        self._run.ends = now + GRACE
