"""Tests of accepting control connections: who is let in, how many, and what happens when descriptors run out."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from twisted.internet import reactor  # noqa: TID251 - real sockets need the real one
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.roles import Peer, Roles
from pdlease.control.server import MOST_CONNECTIONS, ROOT_RESERVE, ControlService, Door
from pdlease.control.vocabulary import Closing
from tests.control.daemons import FakeDaemon, read_boxes


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
