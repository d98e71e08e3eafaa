"""Tests of the control socket: made safely, accepted late, both clients over a real socket."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor  # noqa: TID251 - real sockets need the real one
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

import pdlease
from pdlease.control.blocking import Control
from pdlease.control.boxes import encode_box
from pdlease.control.client import ControlClient, connect
from pdlease.control.errors import (
    ControlError,
    GoneError,
    NotAllowedError,
    RefusedError,
    TimedOutError,
    UnknownUplinkError,
    UnreachableError,
)
from pdlease.control.peers import ControlSocketError, Peer, Roles, group_id, peer_of, resolve_roles
from pdlease.control.server import MOST_CONNECTIONS, ROOT_RESERVE, ControlService, Door, goodbye, listen_socket
from pdlease.control.vocabulary import Closing, Role
from tests.control.daemons import FakeDaemon, read_boxes

IS_ROOT = os.geteuid() == 0


class ListenTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = self.mktemp()
        # A socket's path is at most 107 octets; trial's folders can be longer.
        os.mkdir(folder)
        self.before = os.getcwd()
        os.chdir(folder)
        self.addCleanup(os.chdir, self.before)
        self.path = "c.sock"

    def listen(self, group: str = "") -> socket.socket:
        """Make the socket, closed at the end of the test."""
        listening = listen_socket(self.path, group)
        self.addCleanup(listening.close)
        return listening

    def test_mode(self) -> None:
        """Without a group the socket is for its owner alone, with one it is 0660 and of that group."""
        self.listen()
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        other = self.path = "d.sock"
        self.listen(str(os.getegid()))
        self.assertEqual(stat.S_IMODE(os.stat(other).st_mode), 0o660)
        self.assertEqual(os.stat(other).st_gid, os.getegid())

    def test_nonblocking_and_closed_on_exec(self) -> None:
        """The socket blocks nobody and is not inherited."""
        listening = self.listen()
        self.assertFalse(listening.getblocking())
        self.assertFalse(listening.get_inheritable())

    def test_stale(self) -> None:
        """A socket file that nobody listens on any more is replaced."""
        self.listen().close()
        self.assertTrue(os.path.exists(self.path))
        self.listen()

    def test_live(self) -> None:
        """A socket that another daemon listens on is left alone, with an error that says so."""
        first = self.listen()
        inode = os.stat(self.path).st_ino
        with self.assertRaisesRegex(ControlSocketError, "Another daemon listens"):
            listen_socket(self.path, "")
        self.assertEqual(os.stat(self.path).st_ino, inode)
        first.close()

    def test_something_else(self) -> None:
        """A file that is no socket is never removed, nor what a symbolic link points to."""
        with open("file", "w"):
            pass
        os.symlink("file", self.path)
        with self.assertRaisesRegex(ControlSocketError, "something else"):
            listen_socket(self.path, "")
        self.assertTrue(os.path.exists("file"))

    def test_folder(self) -> None:
        """A missing folder is made."""
        self.path = "run/pdlease/c.sock"
        self.listen()

    def test_impossible(self) -> None:
        """A path that cannot be had is one sentence with the path (D56)."""
        for path in ("file/c.sock", "x" * 200):
            with open("file", "w"):
                pass
            with self.assertRaisesRegex(ControlSocketError, "cannot be made"):
                listen_socket(path, "")

    def test_no_such_group(self) -> None:
        """A control group that does not exist is an error that says what to do, and no socket is made."""
        with self.assertRaisesRegex(ControlSocketError, "groupadd"):
            listen_socket(self.path, "no-such-group-here")
        self.assertFalse(os.path.exists(self.path))


class PeerTests(SynchronousTestCase):
    def test_kernel_tells(self) -> None:
        """User, group and supplementary groups of a peer come from the kernel, not from the client (D54)."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        peer = peer_of(ours)
        self.assertEqual((peer.pid, peer.uid), (os.getpid(), os.geteuid()))
        self.assertEqual(peer.gids, {os.getegid(), *os.getgroups()})

    def test_roles(self) -> None:
        """Root and the control group's members are admins, viewer groups' members viewers, nobody else anything."""
        roles = Roles(admin_uids=frozenset({0}), admin_gids=frozenset({10}), viewer_gids=frozenset({20}))

        def role(uid: int, *gids: int) -> Role | None:
            return roles.role_of(Peer(pid=1, uid=uid, gids=frozenset(gids)))

        self.assertEqual(role(0, 5), Role.ADMIN)
        self.assertEqual(role(1000, 1000, 10, 20), Role.ADMIN)
        self.assertEqual(role(1000, 1000, 20), Role.VIEWER)
        self.assertIsNone(role(1000, 1000))

    def test_names(self) -> None:
        """Groups go by name or number; whoever starts the daemon may control it."""
        self.assertEqual(group_id("root"), 0)
        self.assertEqual(group_id("4711"), 4711)
        roles = resolve_roles("", ["root"])
        self.assertEqual(roles.admin_uids, {0, os.geteuid()})
        self.assertEqual((roles.admin_gids, roles.viewer_gids), (frozenset(), {0}))


class AdmitTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.service = ControlService(
            reactor=reactor,  # type: ignore[arg-type]
            clock=self.clock,
            daemon=FakeDaemon(),
            listening=socket.socket(socket.AF_UNIX),
            path="unused",
            roles=Roles(admin_uids=frozenset({0}), admin_gids=frozenset({10})),
        )

    def peer(self, uid: int, *gids: int) -> Peer:
        """A peer of these groups."""
        return Peer(pid=1, uid=uid, gids=frozenset(gids))

    def test_bounded(self) -> None:
        """There are at most 32 connections, and 8 more for root, so that nobody can lock root out."""
        for _ in range(MOST_CONNECTIONS):
            self.assertNotIsInstance(self.service.admit(self.peer(1000, 10)), Closing)
        self.assertIs(self.service.admit(self.peer(1000, 10)), Closing.TOO_MANY)
        for _ in range(ROOT_RESERVE):
            self.assertNotIsInstance(self.service.admit(self.peer(0)), Closing)
        self.assertIs(self.service.admit(self.peer(0)), Closing.TOO_MANY)

    def test_stranger(self) -> None:
        """A user without a role is not let in."""
        self.assertIs(self.service.admit(self.peer(1000, 99)), Closing.NOT_ALLOWED)

    def test_refusals_logged_sparsely(self) -> None:
        """Ten thousand refusals in a second are one line in the log."""
        from twisted.logger import capturedLogs

        with capturedLogs() as events:
            for _ in range(10_000):
                self.service.admit(self.peer(1000, 99))
            self.clock.advance(11)
            self.service.admit(self.peer(1000, 99))
        self.assertEqual([event["count"] for event in events], [1, 10_000])


class Listening:
    """A listening socket with scripted answers."""

    def __init__(self, *answers: socket.socket | OSError) -> None:
        self.answers = list(answers)

    def accept(self) -> tuple[socket.socket, str]:
        if not self.answers:
            raise BlockingIOError(errno.EAGAIN, "nothing")
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer, ""

    def fileno(self) -> int:
        return 99

    def close(self) -> None:
        self.answers = []


class Readers:
    """A reactor that only remembers."""

    def __init__(self, problem: OSError | None = None) -> None:
        self.readers: set[object] = set()
        self.problem = problem
        self.adopted: list[object] = []

    def addReader(self, reader: object) -> None:
        self.readers.add(reader)

    def removeReader(self, reader: object) -> None:
        self.readers.discard(reader)

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: int, factory: Any) -> None:
        if self.problem is not None:
            raise self.problem
        self.adopted.append(factory.buildProtocol(None))


class DoorTests(SynchronousTestCase):
    def door(self, listening: Listening, readers: Readers) -> tuple[Door, Clock, ControlService]:
        """A door that lets its own user in."""
        clock = Clock()
        service = ControlService(
            reactor=readers,  # type: ignore[arg-type]
            clock=clock,
            daemon=FakeDaemon(),
            listening=listening,  # type: ignore[arg-type]
            path="unused",
            roles=Roles(admin_uids=frozenset({os.geteuid()})),
        )
        door = service._door
        door.open()
        return door, clock, service

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Both ends of a connection."""
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        self.addCleanup(ours.close)
        return ours, theirs

    def test_exhausted(self) -> None:
        """Without descriptors or memory it stops accepting for a second, then goes on; nothing is raised."""
        for number in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            readers = Readers()
            door, clock, _ = self.door(Listening(OSError(number, "none left")), readers)
            door.doRead()
            self.assertEqual(readers.readers, set())
            clock.advance(1)
            self.assertEqual(readers.readers, {door})

    def test_closed_while_resting(self) -> None:
        """A door that is closed while it rests stays closed, without a timer."""
        readers = Readers()
        door, clock, _ = self.door(Listening(OSError(errno.EMFILE, "none left")), readers)
        door.doRead()
        door.close()
        self.assertEqual((readers.readers, clock.getDelayedCalls()), (set(), []))

    def test_client_gone(self) -> None:
        """A client that left before it was accepted is nothing."""
        readers = Readers()
        door, clock, _ = self.door(Listening(OSError(errno.ECONNABORTED, "gone")), readers)
        door.doRead()
        self.assertEqual((readers.readers, clock.getDelayedCalls()), ({door}, []))

    def test_not_adopted(self) -> None:
        """A connection that the reactor cannot take does not count for ever."""
        readers = Readers(OSError(errno.EMFILE, "none left"))
        ours, _ = self.pair()
        door, _, service = self.door(Listening(ours), readers)
        door.doRead()
        self.assertEqual(service._connections, set())
        self.assertEqual(readers.readers, set())

    def test_budget(self) -> None:
        """One wake-up accepts at most 16 connections, so that a flood does not starve the protocol."""
        ends = [self.pair()[0] for _ in range(20)]
        readers = Readers()
        door, _, _ = self.door(Listening(*ends), readers)
        door.doRead()
        self.assertEqual(len(readers.adopted), 16)
        door.doRead()
        self.assertEqual(len(readers.adopted), 20)

    def test_refused_with_reason(self) -> None:
        """Who is not let in reads why, then the end."""
        readers = Readers()
        pairs = [self.pair() for _ in range(MOST_CONNECTIONS + ROOT_RESERVE + 1)]
        door, _, _ = self.door(Listening(*(ours for ours, _ in pairs)), readers)
        for _ in range(4):
            door.doRead()
        (box,) = read_boxes(pairs[-1][1].recv(4096))
        self.assertEqual(box[b"reason"], b"TOO_MANY")
        self.assertEqual(pairs[-1][1].recv(1), b"")


class SocketCase(TestCase):
    """A service on a real socket."""

    def setUp(self) -> None:
        folder = self.mktemp()
        os.mkdir(folder)
        self.before = os.getcwd()
        os.chdir(folder)
        self.addCleanup(os.chdir, self.before)
        self.path = "c.sock"
        self.daemon = FakeDaemon()
        self.service = self.serve(Roles(admin_uids=frozenset({os.geteuid()})))
        self.service.startService()
        self.addCleanup(lambda: self.service.running and self.service.stopService())

    def serve(self, roles: Roles) -> ControlService:
        """A service that is not yet started."""
        return ControlService(
            reactor=reactor,  # type: ignore[arg-type]
            clock=reactor,  # type: ignore[arg-type]
            daemon=self.daemon,
            listening=listen_socket(self.path, ""),
            path=self.path,
            roles=roles,
        )

    async def client(self) -> ControlClient:
        """A connected client, disconnected at the end."""
        client = await connect(reactor, self.path)  # type: ignore[arg-type]
        self.addCleanup(client.disconnect)
        return client


class ClientTests(SocketCase):
    async def test_everything(self) -> None:
        """Each typed method gives what the daemon says."""
        client = await self.client()
        self.assertTrue(client.software.startswith("pdlease "))
        self.assertEqual(client.role, "admin")
        self.assertEqual(await client.status(), self.daemon.status(None))
        self.assertEqual(await client.status("wan"), self.daemon.status("wan"))
        self.assertEqual(await client.plan(), self.daemon.plan())
        self.assertEqual(await client.why(), ["wan is bound."])
        self.assertEqual(await client.identity(), self.daemon.identity())
        self.assertEqual(await client.renew(), {"wan": "Renew was sent."})
        self.assertEqual(await client.rebind("wan"), {"wan": "Rebind was sent."})
        self.assertEqual(await client.release("wan", force=True), {"wan": "The prefixes were given back."})
        self.assertEqual((await client.reload(dry_run=True))["changed"], ["wan"])
        self.assertIsNone(await client.set_log_level("brief"))
        self.assertEqual((await client.history(3))["events"], [])

    async def test_pages(self) -> None:
        """A document of 300 kB arrives whole."""
        self.daemon.padding = 300_000
        client = await self.client()
        self.assertEqual(await client.status(), self.daemon.status(None))

    async def test_errors(self) -> None:
        """What the daemon refuses arrives as an exception of its own kind with the daemon's sentence."""
        client = await self.client()
        await self.assertFailure(client.status("lan"), UnknownUplinkError)
        refusal = await self.assertFailure(client.release("wan"), RefusedError)
        self.assertIn("web1", str(refusal))
        await self.assertFailure(client.wait("wan", timeout=0.01), TimedOutError)

    async def test_watch(self) -> None:
        """Events are told as they happen."""
        client = await self.client()
        told: Deferred[dict[str, Any]] = Deferred()
        watched = await client.watch(told.callback)
        self.assertEqual((watched.sequence, watched.missed), (0, False))
        self.daemon.happen(1)
        self.assertEqual((await told)["sequence"], 1)

    async def test_stopping(self) -> None:
        """When the daemon stops, its clients are told why, the file goes, and later calls fail at once."""
        client = await self.client()
        waiting = client.wait("wan")
        while not self.daemon.waits:
            await client.why()
        stopped = self.service.stopService()
        gone = await self.assertFailure(waiting, GoneError)
        self.assertIn("stopping", str(gone))
        self.assertIn("stopping", str(await client.closed))
        await stopped
        self.assertFalse(os.path.exists(self.path))
        await self.assertFailure(client.why(), GoneError)
        self.assertEqual(self.daemon.listeners, [])

    async def test_nobody_there(self) -> None:
        """Where nobody listens there is UnreachableError with the path."""
        problem = await self.assertFailure(connect(reactor, "nothing.sock"), UnreachableError)  # type: ignore[arg-type]
        self.assertIn("nothing.sock", str(problem))

    async def test_file_may_stay(self) -> None:
        """Where the file cannot be removed at stop, the stop is quiet all the same."""
        os.unlink(self.path)
        os.mkdir(self.path)
        await self.service.stopService()
        os.rmdir(self.path)

    async def test_early_connections_wait(self) -> None:
        """A client that connects before the service starts is answered once it does."""
        await self.service.stopService()
        self.service = self.serve(Roles(admin_uids=frozenset({os.geteuid()})))
        connecting = connect(reactor, self.path)  # type: ignore[arg-type]
        self.service.startService()
        client = await connecting
        await client.disconnect()

    async def test_mode_is_kept(self) -> None:
        """Starting to accept does not change the socket file's mode."""
        await self.client()
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)


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


class IdentityTests(SocketCase):
    """Users and groups as the kernel sees them; needs root, to become somebody else."""

    if not IS_ROOT:
        skip = "only root can become another user"

    def as_nobody(self, *groups: int) -> Deferred[str]:
        """The role, or the error, that user 65534 with these supplementary groups gets."""
        code = (
            "import os, sys, encodings.idna\n"
            "from pdlease.control.blocking import Control\n"
            f"os.setgroups({list(groups)}); os.setgid(65534); os.setuid(65534)\n"
            "try: print(Control('c.sock').role)\n"
            "except Exception as problem: print(type(problem).__name__, problem)\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(pdlease.__file__))}
        finished = deferToThread(
            subprocess.run, [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
        )
        return finished.addCallback(lambda process: process.stdout.strip())

    async def restart(self, roles: Roles, group: str) -> None:
        """Serve these roles, with the socket file open to a group."""
        await self.service.stopService()
        self.service = ControlService(
            reactor=reactor,  # type: ignore[arg-type]
            clock=reactor,  # type: ignore[arg-type]
            daemon=self.daemon,
            listening=listen_socket(self.path, group),
            path=self.path,
            roles=roles,
        )
        self.service.startService()

    async def test_control_group(self) -> None:
        """A supplementary group makes an admin; without it not even the file can be opened."""
        await self.restart(resolve_roles("4711"), "4711")
        self.assertEqual(await self.as_nobody(4711), "admin")
        self.assertIn("Permission denied", await self.as_nobody(4712))

    async def test_file_alone_is_not_enough(self) -> None:
        """Who can open the file but has no role is refused by the daemon (D54)."""
        await self.restart(resolve_roles("4711"), "4711")
        os.chmod(self.path, 0o666)
        self.assertIn("GoneError", await self.as_nobody(4712))

    async def test_viewer_group(self) -> None:
        """A viewer group's member is a viewer."""
        await self.restart(resolve_roles("4711", ["4712"]), "4711")
        os.chmod(self.path, 0o666)
        self.assertEqual(await self.as_nobody(4712), "viewer")


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


class ExampleTests(SocketCase):
    """The examples of the documentation, run."""

    def run_example(self, name: str, *arguments: str) -> Deferred[str]:
        """What an example prints."""
        top = os.path.dirname(os.path.dirname(pdlease.__file__))
        return deferToThread(
            lambda: (
                subprocess.run(
                    [sys.executable, os.path.join(top, "docs", "examples", name), *arguments],
                    check=True,
                    capture_output=True,
                    text=True,
                    env={**os.environ, "PYTHONPATH": top},
                ).stdout
            )
        )

    async def test_script(self) -> None:
        """The script without Twisted prints the prefixes."""
        self.assertEqual(await self.run_example("prefixes.py", os.path.abspath("c.sock")), "wan 2001:db8::/56\n")

    async def test_twisted(self) -> None:
        """The Twisted program waits and prints the addresses."""
        running = self.run_example("first_prefix.py", os.path.abspath("c.sock"), "wan")

        def ready() -> None:
            if self.daemon.waits:
                self.daemon.waits.pop().callback(self.daemon.status("wan"))
            else:
                reactor.callLater(0.02, ready)  # type: ignore[attr-defined]

        ready()
        self.assertEqual(await running, "lan0 2001:db8::1\n")
