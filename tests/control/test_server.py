"""Tests of the control socket: made safely, accepted late, bounded."""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import Any

from twisted.internet import reactor  # noqa: TID251 - real sockets need the real one
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.peers import ControlSocketError, Peer, Roles
from pdlease.control.server import MOST_CONNECTIONS, ROOT_RESERVE, ControlService, Door, listen_socket
from pdlease.control.vocabulary import Closing
from tests.control.daemons import FakeDaemon, read_boxes


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
