"""Tests of following events across restarts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.blocking import Control
from pdlease.control.errors import GoneError, UnreachableError
from pdlease.control.watching import FIRST_PAUSE, LONGEST_PAUSE, Follower


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


class Enough(Exception):
    """Ends following."""


class FollowTests(SynchronousTestCase):
    def test_once(self) -> None:
        """Events are told as they come, until the connection ends."""
        told: list[Any] = []
        follower = Follower(lambda: cast("Control", Run("a", 5, [6, 7])), told.append, lambda seconds: None)
        self.assertRaises(GoneError, follower.once)
        self.assertEqual([event["sequence"] for event in told], [6, 7])

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

        follower = Follower(connect, told.append, lambda seconds: None)
        self.assertRaises(Enough, follower.forever, None)
        self.assertEqual([event["event"] for event in told], ["moved", "moved", "moved", "moved"])
        self.assertEqual(second[-1].since, 7)

    def test_other_run(self) -> None:
        """When the daemon was restarted, it begins with the first event of the new run."""
        runs = iter([Run("a", 5, [6]), Run("b", 2, [3]), Run("b", 3, [])])
        told: list[Any] = []
        seen: list[Run] = []

        def connect() -> Control:
            run = next(runs, None)
            if run is None:
                raise Enough
            seen.append(run)
            return cast("Control", run)

        follower = Follower(connect, told.append, lambda seconds: None)
        self.assertRaises(Enough, follower.forever, None)
        self.assertEqual([event["sequence"] for event in told], [6, 3])
        self.assertEqual([run.since for run in seen], [None, 6, 3])

    def test_waits_for_the_daemon(self) -> None:
        """A daemon that is not there is tried again, ever more rarely."""
        pauses: list[float] = []

        def connect() -> Control:
            if len(pauses) == 10:
                raise Enough
            raise UnreachableError("nobody")

        follower = Follower(connect, lambda event: None, pauses.append)
        self.assertRaises(Enough, follower.forever, None)
        self.assertEqual(pauses[0], FIRST_PAUSE * 2)
        self.assertEqual(pauses[-1], LONGEST_PAUSE)
        self.assertEqual(pauses, sorted(pauses))
