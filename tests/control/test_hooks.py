"""Tests of programs that are run for what changes, with real programs and a daemon that only tells what it is told."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from math import inf
from pathlib import Path
from typing import Any, cast

from jsonschema import validate
from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.blocking import Control
from pdlease.control.errors import FailedError, GoneError, UnreachableError
from pdlease.control.hooks import EVENTS, GRACE, RECONNECT, RETRY, Hooks
from tests.control.daemons import WAN
from tests.control.running import schema

#: Writes what it reads to a file named after the number of files there are, then does what it is told.
PROGRAM = """#!/bin/sh
cat > {folder}/.new && mv {folder}/.new {folder}/$(ls {folder} | wc -l)
{then}
"""


class Daemon:
    """
    A daemon, as connections to it.

    @ivar here: whether it can be reached.
    @ivar asked: the C{since} of every connection.
    """

    def __init__(self) -> None:
        self.here = True
        self.instance = "a"
        self.sequence = 5
        self.missed = False
        self.asked: list[int | None] = []
        self.uplinks: dict[str, Any] = {"wan": dict(WAN)}
        self.connection: Connection | None = None
        self.at_status: Callable[[], object] = lambda: None

    def connect(self) -> Control:
        if not self.here:
            raise UnreachableError("nobody")
        self.connection = Connection(self)
        return cast("Control", self.connection)

    def happen(self, event: str = "lease", **change: Any) -> None:
        """Something happens; the state of C{wan} with it."""
        self.sequence += 1
        self.uplinks = {"wan": {**self.uplinks["wan"], **change}}
        assert self.connection is not None
        self.connection.arrived.append({"sequence": self.sequence, "time": 1.5, "uplink": "wan", "event": event})
        self.connection.far.send(b"!")

    def go(self) -> None:
        """The connection ends, and nobody is there."""
        self.here = False
        assert self.connection is not None
        self.connection.far.close()

    def come(self, instance: str, sequence: int, missed: bool = False) -> None:
        """It is there again."""
        self.here, self.instance, self.sequence, self.missed = True, instance, sequence, missed


class Connection:
    """
    One connection to it.

    @ivar arrived: events that have not been read yet.
    @ivar told: those that have been, on the way to an answer.
    """

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.arrived: list[dict[str, Any]] = []
        self.told: list[dict[str, Any]] = []

    def begin_to_watch(self, since: int | None) -> dict[str, Any]:
        self.daemon.asked.append(since)
        return {"sequence": self.daemon.sequence, "instance": self.daemon.instance, "missed": self.daemon.missed}

    def events_at_hand(self, *, read: bool = True) -> Iterator[dict[str, Any]]:
        if read:
            try:
                if not self.near.recv(1000):
                    raise GoneError("gone")
            except BlockingIOError:
                pass
            self._read()
        while self.told:
            yield self.told.pop(0)

    def _read(self) -> None:
        self.told += self.arrived
        self.arrived = []

    def status(self) -> dict[str, Any]:
        self._read()
        status = {"schema": 1, "uplinks": deepcopy(self.daemon.uplinks), "guests": {}, "switches": {}}
        self.daemon.at_status()
        return status

    def fileno(self) -> int:
        return self.near.fileno()

    def close(self) -> None:
        self.near.close()


class HooksCase(SynchronousTestCase):
    """A hook at work."""

    def setUp(self) -> None:
        self.daemon = Daemon()
        self.said: list[str] = []
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.second = 0.0
        self.still: float | None = None
        self.every = inf

    def begin(self, then: str = "", seconds: float = 20.0, *arguments: str) -> Hooks:
        """A hook with such a program, that has not begun."""
        program = Path(self.mktemp()).absolute()
        program.write_text(PROGRAM.format(folder=self.folder, then=then))
        program.chmod(0o755)
        made = Hooks(self.daemon.connect, (str(program), *arguments), self.said.append, seconds, self.every, self.clock)
        self.addCleanup(made.close)
        return made

    def clock(self) -> float:
        """A clock that runs, or stands still; and can be put forward."""
        return (time.monotonic() if self.still is None else self.still) + self.second

    def runs(self, made: Hooks, count: int, seconds: float = 30.0) -> list[dict[str, Any]]:
        """Let it work until there were so many runs and none is going on; what they were told."""
        end = time.monotonic() + seconds
        while len(self.files()) < count or made._run is not None:
            self.assertLess(time.monotonic(), end, f"{len(self.files())} runs, not {count}; {self.said}")
            made.turn(0.05)
        return self.told()

    def works_for(self, made: Hooks, seconds: float) -> list[dict[str, Any]]:
        """Let it work for a while; what all runs were told."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            made.turn(0.05)
        return self.told()

    def until(self, made: Hooks, condition: Callable[[], object]) -> None:
        """Let it work until a condition holds."""
        end = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), end, f"{condition}; {self.said}")
            made.turn(0.02)

    def files(self) -> list[Path]:
        """The files of what was told, in order."""
        paths = [path for path in self.folder.iterdir() if path.name != ".new"]
        return sorted(paths, key=lambda path: int(path.name))

    def told(self) -> list[dict[str, Any]]:
        """What the runs were told, each a document of its schema."""
        documents = [json.loads(path.read_text()) for path in self.files()]
        for document in documents:
            validate(document, schema("hook"))
        return documents


class RunTests(HooksCase):
    """When the program is run, and what it is told."""

    def test_start(self) -> None:
        """The first run is told the whole state, and that everything is new."""
        (document,) = self.runs(self.begin(), 1)
        self.assertEqual((document["cause"], document["sequence"], document["instance"]), ("start", 5, "a"))
        self.assertEqual(document["state"]["uplinks"], {"wan": WAN})
        self.assertEqual([entry["what"] for entry in document["changed"]], ["uplink", "prefixes", "assignments"])
        self.assertEqual(document["events"], [])

    def test_change(self) -> None:
        """A change is told with the whole state, what is different, and the events that led to it."""
        made = self.begin()
        self.runs(made, 1)
        self.daemon.happen("state", state="rebinding")
        document = self.runs(made, 2)[1]
        self.assertEqual((document["cause"], document["sequence"]), ("change", 6))
        self.assertEqual(document["state"]["uplinks"]["wan"]["state"], "rebinding")
        self.assertEqual(document["changed"], [{"uplink": "wan", "what": "state", "old": "bound", "new": "rebinding"}])
        self.assertEqual([event["event"] for event in document["events"]], ["state"])

    def test_only_on_change(self) -> None:
        """Events that change nothing make no run; nor do messages and discards, for which nothing is even asked."""
        made = self.begin()
        self.runs(made, 1)
        asked: list[None] = []
        self.daemon.at_status = lambda: asked.append(None)
        for event in ("sent", "received", "discarded"):
            self.daemon.happen(event, counters={"sent_renew": 1})
        self.works_for(made, 0.3)
        self.assertEqual(asked, [])
        self.daemon.happen("state")
        self.until(made, lambda: asked)
        self.assertEqual(len(self.works_for(made, 0.2)), 1)
        self.assertEqual(len(asked), 1)

    def test_arguments(self) -> None:
        """The program gets its arguments as they are; no shell reads them."""
        made = self.begin(f'printf "%s|" "$@" > {self.folder}.arguments', 20.0, "$(id)", "a b", "; exit 1")
        self.runs(made, 1)
        self.assertEqual(Path(f"{self.folder}.arguments").read_text(), "$(id)|a b|; exit 1|")

    def test_coalesced(self) -> None:
        """However much happens while a run goes on, one more follows it, with the last state and all the events."""
        go = Path(f"{self.folder}.go")
        go.touch()
        made = self.begin(f"while test ! -e {go}; do sleep 0.02; done")
        self.runs(made, 1)
        go.unlink()
        self.daemon.happen("state", state="renewing")
        self.until(made, lambda: made._run is not None)
        for state in ("rebinding", "soliciting", "requesting") * 10:
            self.daemon.happen("state", state=state)
            self.second += 0.2
            made.turn(0.01)
        go.touch()
        documents = self.runs(made, 3)
        self.assertEqual(len(self.works_for(made, 0.3)), 3)
        self.assertEqual(documents[2]["changed"][0]["old"], "renewing")
        self.assertEqual(documents[2]["changed"][0]["new"], "requesting")
        self.assertEqual([event["sequence"] for event in documents[2]["events"]], list(range(7, 37)))

    def test_burst(self) -> None:
        """What comes in one burst is one run; what never pauses is told after a second all the same."""
        made = self.begin()
        self.runs(made, 1)
        self.still = time.monotonic()
        for _ in range(19):
            self.daemon.happen("state", state=f"s{self.daemon.sequence}")
            made.turn(0)
            self.second += 0.05
        self.assertIsNone(made._run)
        self.daemon.happen("state", state="last")
        made.turn(0)
        self.second += 0.06
        made.turn(0)
        self.assertIsNotNone(made._run)
        self.assertEqual(len(self.runs(made, 2)[1]["events"]), 20)
        self.daemon.happen("state", state="one")
        made.turn(0)
        self.second += 0.09
        made.turn(0)
        self.assertIsNone(made._run)
        self.second += 0.02
        self.runs(made, 3)

    def test_bounded(self) -> None:
        """Events are kept up to a number; how many were left out is told."""
        made = self.begin("sleep 0.3")
        self.runs(made, 1)
        for number in range(EVENTS + 50):
            self.daemon.happen("state", state=f"s{number}")
        document = self.runs(made, 2)[1]
        self.assertEqual((len(document["events"]), document["events_omitted"]), (EVENTS, 50))
        self.assertEqual(document["events"][-1]["sequence"], document["sequence"])

    def test_event_behind_the_state(self) -> None:
        """What happens just after the state was told is not lost: it is looked at again."""
        made = self.begin()
        self.runs(made, 1)

        def once() -> None:
            self.daemon.at_status = lambda: None
            self.daemon.happen("state", state="second")

        self.daemon.at_status = once
        self.daemon.happen("state", state="first")
        documents = self.runs(made, 3)
        self.assertEqual([one["state"]["uplinks"]["wan"]["state"] for one in documents[1:]], ["first", "second"])

    def test_end_of_a_lifetime(self) -> None:
        """That a preferred lifetime has ended is no event; a run tells of it all the same."""
        prefix = {**WAN["prefixes"][0], "preferred_seconds": 1, "valid_seconds": 600}
        self.daemon.uplinks["wan"]["prefixes"] = [prefix]
        made = self.begin()
        self.runs(made, 1)
        self.daemon.uplinks["wan"]["prefixes"] = [{**prefix, "preferred_seconds": 0}]
        self.assertEqual(len(self.works_for(made, 0.3)), 1)
        document = self.runs(made, 2)[1]
        self.assertEqual([entry["what"] for entry in document["changed"]], ["lifetimes"])
        self.assertEqual(made._look_at - self.clock() > 500, True)

    def test_every(self) -> None:
        """Who wishes so is run again after a time, counted from the run before."""
        self.every = 50.0
        self.daemon.uplinks["wan"]["prefixes"] = []
        made = self.begin()
        self.runs(made, 1)
        self.second += 30
        self.daemon.happen("state", state="renewing")
        self.runs(made, 2)
        self.second += 30
        self.assertEqual(len(self.works_for(made, 0.2)), 2)
        self.second += 30
        document = self.runs(made, 3)[2]
        self.assertEqual((document["cause"], document["changed"]), ("every", []))

    def test_idle(self) -> None:
        """With nothing to do and no lifetime to end it waits without a time."""
        self.daemon.uplinks["wan"]["prefixes"] = []
        made = self.begin()
        self.runs(made, 1)
        self.assertEqual(min(made._deadlines()), inf)

    def test_not_read(self) -> None:
        """A program that does not read is not waited for, however large the state is."""
        self.daemon.uplinks["wan"]["padding"] = "x" * 300_000
        program = ("/bin/true",)
        made = Hooks(self.daemon.connect, program, self.said.append, 20, clock=self.clock)
        self.addCleanup(made.close)
        end = time.monotonic() + 10
        while not made._told.taken:
            self.assertLess(time.monotonic(), end)
            made.turn(0.05)
        self.assertEqual(self.said, [])

    def test_not_there(self) -> None:
        """A program that cannot be run ends the watching, with a sentence."""
        made = Hooks(self.daemon.connect, ("/nonexistent/hook",), self.said.append)
        problem = self.assertRaises(FailedError, made.forever)
        self.assertEqual(str(problem), "/nonexistent/hook cannot be run: No such file or directory")


class FailureTests(HooksCase):
    """Runs that go wrong."""

    def test_failed(self) -> None:
        """
        A run that fails is told of and repeated, later and later, with what was to be dealt with; one that goes well
        ends that.
        """
        made = self.begin(f"test -e {self.folder}.well")
        self.runs(made, 1)
        self.assertRegex(self.said[0], r"/\S+ ended with 1; it is run again in 5 s, or at the next change\.")
        self.daemon.happen("state", state="rebinding")
        document = self.runs(made, 2)[1]
        self.assertEqual(document["cause"], "change")
        self.assertEqual(document["changed"][0]["what"], "uplink")
        self.assertIn("in 10 s", self.said[1])
        self.works_for(made, 0.2)
        self.second += 10
        document = self.runs(made, 3)[2]
        self.assertEqual(document["cause"], "retry")
        self.assertEqual([event["event"] for event in document["events"]], ["state"])
        for _ in range(6):
            self.second += 400
            self.runs(made, len(self.files()) + 1)
        self.assertIn(f"in {RETRY[1]:g} s", self.said[-1])
        Path(f"{self.folder}.well").touch()
        self.second += 400
        count = len(self.runs(made, len(self.files()) + 1))
        self.second += 400
        self.assertEqual(len(self.works_for(made, 0.3)), count)
        self.assertEqual(made._retry_wait, RETRY[0])

    def test_killed(self) -> None:
        """A program that was ended by a signal is told of by its name."""
        self.runs(self.begin("kill -SEGV $$"), 1)
        self.assertIn("was ended by SIGSEGV", self.said[0])

    def test_hangs(self) -> None:
        """A run that takes too long is ended with all that it has started, even what ignores SIGTERM, and told of."""
        made = self.begin(f"trap '' TERM; sleep 300 & echo $! > {self.folder}.child; wait; wait; sleep 300")
        child = self.child(made)
        self.second += 5
        made.turn(0)
        self.assertEqual(self.said, [])
        self.second += 16
        made.turn(0)
        self.assertIsNotNone(made._run)
        self.second += GRACE + 1
        self.runs(made, 1)
        self.assertIn("took longer than 20 s and was ended", self.said[0])
        self.gone(child)

    def test_hangs_in_a_child(self) -> None:
        """A run whose program obeys SIGTERM leaves no child that does not."""
        made = self.begin(f"(trap '' TERM; exec sleep 300) & echo $! > {self.folder}.child; wait")
        child = self.child(made)
        self.second += 21
        self.runs(made, 1)
        self.gone(child)

    def child(self, made: Hooks) -> int:
        """Let it begin a run; the process that this has started."""
        path = Path(f"{self.folder}.child")
        self.until(made, lambda: path.exists() and path.read_text())
        return int(path.read_text())

    def gone(self, process: int) -> None:
        """A process must have ended (or wait for its new parent to notice)."""
        end = time.monotonic() + 15
        while True:
            try:
                state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return
            if state == "Z":
                return
            self.assertLess(time.monotonic(), end, f"process {process} is still there")
            time.sleep(0.02)

    def test_closed(self) -> None:
        """When the watching ends, a run that is going on ends as well."""
        made = self.begin("exec sleep 300")
        while made._run is None or not self.files():
            made.turn(0.05)
        process = made._run.process.pid
        made.close()
        self.gone(process)


class ConnectionTests(HooksCase):
    """Daemons that come and go."""

    def test_restarted(self) -> None:
        """After a restart of the daemon there is a resync, with what differs from the last that was told."""
        made = self.begin()
        self.runs(made, 1)
        self.daemon.go()
        made.turn()
        self.daemon.come("b", 2)
        self.daemon.uplinks["wan"] = {**WAN, "state": "rebinding"}
        document = self.runs(made, 2)[1]
        self.assertEqual((document["cause"], document["instance"], document["sequence"]), ("resync", "b", 2))
        self.assertEqual([entry["what"] for entry in document["changed"]], ["state"])
        self.assertEqual(self.daemon.asked, [None, 5])

    def test_missed(self) -> None:
        """After a gap in the events there is a resync although nothing else differs."""
        made = self.begin()
        self.runs(made, 1)
        self.daemon.go()
        made.turn()
        self.daemon.come("a", 2000, missed=True)
        document = self.runs(made, 2)[1]
        self.assertEqual((document["cause"], document["changed"]), ("resync", []))

    def test_no_gap(self) -> None:
        """A connection that is lost without a gap goes on behind the last event, and makes no run."""
        made = self.begin()
        self.runs(made, 1)
        self.daemon.happen("state", state="renewing")
        self.runs(made, 2)
        self.daemon.go()
        made.turn()
        self.daemon.come("a", 6)
        self.second += 1
        self.until(made, lambda: len(self.daemon.asked) > 1)
        self.assertEqual(len(self.works_for(made, 0.3)), 2)
        self.assertEqual(self.daemon.asked, [None, 6])

    def test_gone_during_a_run(self) -> None:
        """A daemon that goes while the program runs disturbs neither."""
        made = self.begin("sleep 0.3")
        while made._run is None:
            made.turn(0.05)
        self.daemon.go()
        self.runs(made, 1)
        self.daemon.come("b", 1)
        self.assertEqual(self.runs(made, 2)[1]["cause"], "resync")

    def test_waits_for_the_daemon(self) -> None:
        """
        A daemon that is not there is tried again, ever more rarely, and is then told of from the start; why it is not
        to be reached is said once.
        """
        self.daemon.here = False
        made = self.begin()
        waits = []
        for _ in range(8):
            self.second += 100
            made.turn(0)
            waits.append(made._connect_at - self.clock())
        self.assertEqual([round(wait, 1) for wait in waits[:3]], [0.5, 1.0, 2.0])
        self.assertAlmostEqual(waits[-1], RECONNECT[1], 1)
        self.assertEqual(self.said, ["nobody; trying again"])
        self.daemon.here = True
        self.second += 100
        self.assertEqual(self.runs(made, 1)[0]["cause"], "start")
