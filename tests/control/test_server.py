"""Tests of accepting control connections: who is let in, how many, and what happens when descriptors run out."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from twisted.internet import reactor  # noqa: TID251 - real sockets need the real one
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.boxes import encode_box
from pdlease.control.connection import ControlConnection
from pdlease.control.door import Door
from pdlease.control.roles import Certified, Peer, Role, Roles
from pdlease.control.server import (
    CERTIFIED_CONNECTIONS,
    LOCAL_CONNECTIONS,
    REMOTE_CONNECTIONS,
    ROOT_CONNECTIONS,
    USER_CONNECTIONS,
    ControlService,
)
from pdlease.control.vocabulary import Closing
from tests.control.daemons import FakeDaemon, Transport, read_boxes


class AdmitTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.service = ControlService(
            reactor=reactor,  # type: ignore[arg-type]
            clock=self.clock,
            daemon=FakeDaemon(),
            listening=socket.socket(socket.AF_UNIX),
            path="unused",
            roles=Roles(
                admin_uids=frozenset({0}),
                admin_gids=frozenset({10}),
                names={"DNS:a": Role.ADMIN, "DNS:b": Role.ADMIN, "DNS:c": Role.VIEWER},
            ),
        )

    def busy(self, peer: Peer | Certified) -> ControlConnection:
        """A connection that watches."""
        admitted = self.service.admit(peer)
        assert isinstance(admitted, ControlConnection), admitted
        admitted.makeConnection(Transport())
        octets = encode_box(
            {b"_ask": b"1", b"_command": b"Version", b"oldest": b"1", b"newest": b"1", b"software": b"t"}
        )
        admitted.dataReceived(octets + encode_box({b"_ask": b"2", b"_command": b"Watch"}))
        return admitted

    def idle(self, peer: Peer | Certified) -> Transport:
        """The transport of a connection that asks for nothing."""
        admitted = self.service.admit(peer)
        assert isinstance(admitted, ControlConnection), admitted
        transport = Transport()
        admitted.makeConnection(transport)
        return transport

    def certified(self, name: str) -> Certified:
        """A peer with a certificate."""
        return Certified(names=frozenset({f"DNS:{name}"}), address="2001:db8::1")

    def peer(self, uid: int, *gids: int) -> Peer:
        """A peer of these groups."""
        return Peer(pid=1, uid=uid, gids=frozenset(gids))

    def test_root_has_places_of_its_own(self) -> None:
        """
        However many connections others have, watching and waiting ones even, root gets in; and what root's own
        forgotten ones hold makes room.
        """
        for uid in (1000, 1001, 1002):
            for _ in range(USER_CONNECTIONS):
                if len(self.service._of_users) < LOCAL_CONNECTIONS:
                    self.busy(self.peer(uid, 10))
        self.assertIs(self.service.admit(self.peer(1003, 10)), Closing.TOO_MANY)
        idle = [self.idle(self.peer(0)) for _ in range(ROOT_CONNECTIONS)]
        self.idle(self.peer(0))
        self.assertEqual([transport.is_lost for transport in idle], [True] + [False] * (ROOT_CONNECTIONS - 1))
        self.assertEqual(read_boxes(idle[0].value())[0][b"reason"], b"DISPLACED")

    def test_one_user(self) -> None:
        """One user has 12 connections at most, so that three of them do not keep the others out."""
        for _ in range(USER_CONNECTIONS):
            self.busy(self.peer(1000, 10))
        self.assertIs(self.service.admit(self.peer(1000, 10)), Closing.TOO_MANY)
        self.busy(self.peer(1001, 10))

    def test_idle_gives_way(self) -> None:
        """Where all places are taken, an idle connection of whoever has most makes room for who has less."""
        mine = [self.idle(self.peer(1000, 10)) for _ in range(USER_CONNECTIONS)]
        for uid in range(1001, 1001 + LOCAL_CONNECTIONS - USER_CONNECTIONS):
            self.idle(self.peer(uid, 10))
        self.idle(self.peer(5000, 10))
        self.assertEqual([transport.is_lost for transport in mine[:2]], [True, False])

    def test_remote_places(self) -> None:
        """Remote clients have 16 places of their own, 8 for one certificate, and never one of a local user's."""
        for _ in range(CERTIFIED_CONNECTIONS):
            self.busy(self.certified("a"))
        self.assertIs(self.service.admit(self.certified("a")), Closing.TOO_MANY)
        for _ in range(REMOTE_CONNECTIONS - CERTIFIED_CONNECTIONS):
            self.busy(self.certified("b"))
        self.assertIs(self.service.admit(self.certified("c")), Closing.TOO_MANY)
        for _ in range(USER_CONNECTIONS):
            self.busy(self.peer(1000, 10))

    def test_left(self) -> None:
        """A place is free again when its connection has ended."""
        connections = [self.busy(self.peer(1000, 10)) for _ in range(USER_CONNECTIONS)]
        connections[0].connectionLost()
        self.busy(self.peer(1000, 10))

    def test_remote_roles(self) -> None:
        """The highest role of the names in a certificate counts; a name that is not listed has none."""
        roles = self.service.roles
        both = Certified(names=frozenset({"DNS:c", "DNS:a"}), address="")
        self.assertEqual((roles.role_of(both), roles.role_of(self.certified("c"))), (Role.ADMIN, Role.VIEWER))
        self.assertIs(self.service.admit(self.certified("x")), Closing.NOT_ALLOWED)

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
        self.assertEqual(service._connections, {})
        self.assertEqual(readers.readers, set())

    def test_budget(self) -> None:
        """One wake-up accepts at most 16 connections, so that a flood does not starve the protocol."""
        ends = [self.pair()[0] for _ in range(20)]
        readers = Readers()
        listening = Listening(*ends)
        door, _, _ = self.door(listening, readers)
        door.doRead()
        self.assertEqual((len(readers.adopted), len(listening.answers)), (16, 4))
        door.doRead()
        self.assertEqual(listening.answers, [])

    def test_most_in_a_second(self) -> None:
        """A door with a bound accepts no more in a second, leaves the rest to the kernel, and goes on in the next."""
        readers, clock = Readers(), Clock()
        listening = Listening(*(self.pair()[0] for _ in range(8)))
        received: list[socket.socket] = []
        door = Door(readers, clock, listening, received.append, most=3)  # type: ignore[arg-type]
        door.open()
        door.doRead()
        self.assertEqual((len(received), readers.readers), (3, set()))
        clock.advance(1)
        self.assertEqual(readers.readers, {door})
        door.doRead()
        clock.advance(1)
        door.doRead()
        self.assertEqual((len(received), readers.readers, clock.getDelayedCalls()), (8, {door}, []))

    def test_refused_with_reason(self) -> None:
        """Who is not let in reads why, then the end."""
        readers = Readers()
        ours, theirs = self.pair()
        door, _, service = self.door(Listening(ours), readers)
        service.roles = Roles()
        door.doRead()
        (box,) = read_boxes(theirs.recv(4096))
        self.assertEqual(box[b"reason"], b"NOT_ALLOWED")
        self.assertEqual(theirs.recv(1), b"")
