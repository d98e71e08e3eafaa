"""Tests of the client without Twisted, over a real socket; and of both against a daemon that misbehaves."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor  # noqa: TID251 - real sockets need the real one
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from pdlease.control.blocking import Control
from pdlease.control.boxes import encode_box
from pdlease.control.client import connect
from pdlease.control.commands import goodbye
from pdlease.control.errors import (
    ControlError,
    GoneError,
    NotAllowedError,
    TimedOutError,
    UnknownUplinkError,
)
from pdlease.control.roles import Roles
from pdlease.control.vocabulary import Closing
from tests.control.serving import SocketCase


class BlockingTests(SocketCase):
    def run_in_thread(self, work: Callable[[Control], object]) -> Deferred[Any]:
        """Use a blocking client beside the reactor."""

        def whole() -> object:
            with Control(self.path, seconds=5) as daemon:
                return work(daemon)

        return deferToThread(whole)

    async def test_everything(self) -> None:
        """Each method of the blocking client gives what the daemon says."""
        self.daemon.padding = 200_000

        def work(daemon: Control) -> list[object]:
            return [
                daemon.role,
                daemon.status(),
                daemon.plan(),
                daemon.why("wan"),
                daemon.identity(),
                daemon.renew(),
                daemon.rebind(),
                daemon.request("wan"),
                daemon.guests(),
                daemon.counters(),
                daemon.release("wan", force=True),
                daemon.reload(dry_run=False),
                daemon.set_log_level("debug"),
                daemon.history()["events"],
            ]

        self.assertEqual(
            await self.run_in_thread(work),
            [
                "admin",
                self.daemon.status(None),
                self.daemon.plan(),
                ["wan is bound."],
                self.daemon.identity(),
                {"wan": "Renew was sent."},
                {"wan": "Rebind was sent."},
                {"wan": "Rebind was sent."},
                self.daemon.guests(),
                self.daemon.counters(None),
                {"wan": "The prefixes were given back."},
                {"changed": ["wan"], "operations": ["add 2001:db8::1/64 to lan0"]},
                None,
                [],
            ],
        )

    async def test_errors(self) -> None:
        """The blocking client raises the same errors."""
        await self.assertFailure(self.run_in_thread(lambda daemon: daemon.why("lan")), UnknownUplinkError)
        await self.assertFailure(self.run_in_thread(lambda daemon: daemon.wait("wan", timeout=0.01)), TimedOutError)

    async def test_watch(self) -> None:
        """Events come out of the iterator, and it ends with the daemon's reason."""

        def work(daemon: Control) -> tuple[object, str]:
            _, events = daemon.watch()
            reactor.callFromThread(self.daemon.happen, 1)  # type: ignore[attr-defined]
            first = next(events)
            reactor.callFromThread(self.service.stopService)  # type: ignore[attr-defined]
            with self.assertRaises(GoneError) as gone:
                next(events)
            return first["sequence"], str(gone.exception)

        number, reason = await self.run_in_thread(work)
        self.assertEqual(number, 1)
        self.assertIn("stopping", reason)

    async def test_stranger(self) -> None:
        """Who has no role is told so, not merely hung up on."""
        await self.service.stopService()
        self.service = self.serve(Roles(admin_uids=frozenset()))
        self.service.startService()
        gone = await self.assertFailure(self.run_in_thread(lambda daemon: None), GoneError)
        self.assertIn("control_group", str(gone))

    async def test_viewer(self) -> None:
        """A viewer's call of an admin command is NotAllowedError."""
        await self.service.stopService()
        self.service = self.serve(Roles(admin_uids=frozenset(), viewer_gids=frozenset({os.getegid()})))
        self.service.startService()
        await self.assertFailure(self.run_in_thread(lambda daemon: daemon.renew()), NotAllowedError)


class HostileDaemonTests(TestCase):
    """Clients against a socket that misbehaves."""

    def setUp(self) -> None:
        folder = self.mktemp()
        os.mkdir(folder)
        before = os.getcwd()
        os.chdir(folder)
        self.addCleanup(os.chdir, before)
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind("c.sock")
        self.listening.listen(1)
        self.addCleanup(self.listening.close)

    def answer(self, octets: bytes) -> None:
        """In a thread: accept one connection, answer whatever comes with these octets, and close."""

        def serve() -> None:
            connection, _ = self.listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(octets)

        self.serving = deferToThread(serve)

    async def test_not_amp(self) -> None:
        """What is no AMP makes GoneError in both clients, not a traceback."""
        for octets in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\6_error\0"):
            self.answer(octets)
            await self.assertFailure(deferToThread(lambda: Control("c.sock", seconds=5)), GoneError)
            await self.serving
        self.answer(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await self.assertFailure(connect(reactor, "c.sock"), GoneError)  # type: ignore[arg-type]
        await self.serving

    async def test_farewell(self) -> None:
        """A daemon that hangs up with a reason is quoted by both clients."""
        for _ in range(2):
            self.answer(goodbye(Closing.TOO_MANY))
            problem = await self.assertFailure(deferToThread(lambda: Control("c.sock", seconds=5)), GoneError)
            self.assertIn("Too many", str(problem))
            await self.serving
        self.answer(goodbye(Closing.TOO_MANY))
        problem = await self.assertFailure(connect(reactor, "c.sock"), GoneError)  # type: ignore[arg-type]
        self.assertIn("Too many", str(problem))
        await self.serving

    async def test_silent(self) -> None:
        """A daemon that does not answer is given up on in time."""
        problem = await self.assertFailure(deferToThread(lambda: Control("c.sock", seconds=0.1)), GoneError)
        self.assertIn("does not answer", str(problem))

    async def test_error_of_a_newer_daemon(self) -> None:
        """An error code that this release does not know still arrives with its sentence."""
        self.answer(
            encode_box({b"_error": b"1", b"_error_code": b"STRANGE", b"_error_description": b"Something is strange."})
        )
        problem = await self.assertFailure(deferToThread(lambda: Control("c.sock", seconds=5)), ControlError)
        self.assertEqual((problem.code, str(problem)), ("STRANGE", "Something is strange."))
        await self.serving
