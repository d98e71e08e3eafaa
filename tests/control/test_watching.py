"""Tests of following events across restarts, and of hook programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.blocking import Control
from pdlease.control.errors import GoneError, UnreachableError
from pdlease.control.watching import FIRST_PAUSE, LONGEST_PAUSE, Follower, run_program


class Run:
    """One run of a daemon, as a connection to it: the events that it has, then the end."""

    def __init__(self, instance: str, sequence: int, events: list[int], missed: bool = False) -> None:
        self.begun = {"sequence": sequence, "instance": instance, "missed": missed}
        self.events = events
        self.since: int | None = None

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *problem: object) -> None:
        pass

    def watch(self, since: int | None) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
        self.since = since
        return self.begun, self.happen()

    def happen(self) -> Iterator[dict[str, Any]]:
        for sequence in self.events:
            yield {"sequence": sequence, "event": "moved", "uplink": "wan"}
        raise GoneError("stopping")

    def status(self) -> dict[str, Any]:
        return {"schema": 1}


class Enough(Exception):
    """Ends following."""


class FollowTests(SynchronousTestCase):
    def test_resync(self) -> None:
        """A hook's first event is the whole status, then events follow."""
        first = Run("a", 5, [6, 7])
        told: list[Any] = []
        follower = Follower(lambda: cast("Control", first), told.append, True, lambda seconds: None)
        self.assertRaises(GoneError, follower.once)
        self.assertEqual([event["event"] for event in told], ["resync", "moved", "moved"])
        self.assertEqual((told[0]["sequence"], told[0]["status"]), (5, {"schema": 1}))

    def test_resumes(self) -> None:
        """After a break it asks for what came behind the last event it knows; nothing missed, no resync."""
        runs = iter([Run("a", 5, [6, 7]), Run("a", 5, []), Run("a", 9, [8, 9])])
        told: list[Any] = []
        second: list[Run] = []

        def connect() -> Control:
            run = next(runs, None)
            if run is None:
                raise Enough
            second.append(run)
            return cast("Control", run)

        follower = Follower(connect, told.append, True, lambda seconds: None)
        self.assertRaises(Enough, follower.forever, None)
        self.assertEqual([event["event"] for event in told], ["resync", "moved", "moved", "moved", "moved"])
        self.assertEqual(second[-1].since, 7)

    def test_other_run(self) -> None:
        """When the daemon was restarted or events were missed, there is a resync first."""
        for instance, missed in (("b", False), ("a", True)):
            runs = iter([Run("a", 5, [6]), Run("a", 5, []), Run(instance, 2, [3], missed), Run(instance, 2, [])])
            told: list[Any] = []

            def connect(runs: Iterator[Run] = runs) -> Control:
                run = next(runs, None)
                if run is None:
                    raise Enough
                return cast("Control", run)

            follower = Follower(connect, told.append, True, lambda seconds: None)
            self.assertRaises(Enough, follower.forever, None)
            self.assertEqual([event["event"] for event in told], ["resync", "moved", "resync", "moved"])

    def test_waits_for_the_daemon(self) -> None:
        """A daemon that is not there is tried again, ever more rarely."""
        pauses: list[float] = []

        def connect() -> Control:
            if len(pauses) == 10:
                raise Enough
            raise UnreachableError("nobody")

        follower = Follower(connect, lambda event: None, False, pauses.append)
        self.assertRaises(Enough, follower.forever, None)
        self.assertEqual(pauses[0], FIRST_PAUSE * 2)
        self.assertEqual(pauses[-1], LONGEST_PAUSE)
        self.assertEqual(pauses, sorted(pauses))


class ProgramTests(SynchronousTestCase):
    def test_called(self) -> None:
        """A hook gets the event's name as argument, the event on its input, and three variables."""
        program, output = os.path.abspath(self.mktemp()), os.path.abspath(self.mktemp())
        with open(program, "w") as file:
            file.write(
                f'#!/bin/sh\n(echo "$1 $PDLEASE_EVENT $PDLEASE_UPLINK $PDLEASE_SEQUENCE"; cat) > {output}\nexit 3\n'
            )
        os.chmod(program, 0o755)
        event = {"sequence": 4, "event": "moved", "uplink": "wan"}
        self.assertEqual(run_program(program, event), 3)
        with open(output) as file:
            head, body = file.read().split("\n", 1)
        self.assertEqual(head, "moved moved wan 4")
        self.assertEqual(json.loads(body), event)

    def test_not_there(self) -> None:
        """A program that cannot be started is an OSError, not silence."""
        self.assertRaises(OSError, run_program, "/nonexistent/hook", {})
