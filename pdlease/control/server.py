"""
The control service in the daemon: accepts late, asks the kernel who is there, and is bounded in every way.

The socket was made by L{pdlease.control.listening} while the daemon was still root; connections wait in its backlog
until L{ControlService} starts, behind the closed sandbox.  Twisted's own UNIX port is not used: it makes the socket
file writable for the world when it adopts one, and raises at stop where it may not remove the file.  One connection
is L{pdlease.control.connection}.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IReactorTime, IReadDescriptor
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from zope.interface import implementer

from pdlease.control.commands import command_of
from pdlease.control.connection import ControlConnection
from pdlease.control.history import EventRing
from pdlease.control.peers import peer_of
from pdlease.control.roles import Peer, Role, Roles
from pdlease.control.vocabulary import CLOSING, Closing
from pdlease.interfaces import IDaemonControl
from pdlease.logs import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

#: Connections at once; and how many more for root alone, so that nobody can lock root out.
MOST_CONNECTIONS = 32
ROOT_RESERVE = 8
#: Connections accepted in one go.
ACCEPT_BUDGET = 16
#: Seconds without accepting when descriptors or memory ran out.
EXHAUSTED_SECONDS = 1.0
#: Refused connections are logged once in so many seconds.
REFUSAL_LOG_SECONDS = 10.0

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class ControlReactor(Protocol):
    """What of the reactor the control socket needs."""

    def addReader(self, reader: IReadDescriptor) -> None:
        """See L{twisted.internet.interfaces.IReactorFDSet}."""

    def removeReader(self, reader: IReadDescriptor) -> None:
        """See L{twisted.internet.interfaces.IReactorFDSet}."""

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: int, factory: Any) -> None:
        """See L{twisted.internet.interfaces.IReactorSocket}."""


class _ForOne(Factory):
    """Gives the one connection that is being adopted its protocol."""

    noisy = False

    def __init__(self, connection: ControlConnection) -> None:
        self._connection = connection

    def buildProtocol(self, addr: IAddress | None) -> ControlConnection:
        return self._connection


@implementer(IReadDescriptor)
class Door:
    """
    Accepts connections on a listening socket and gives each to the reactor.

    @param admit: given each peer; answers with the protocol for it, or with why there is none.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: ControlReactor,
        clock: IReactorTime,
        listening: socket.socket,
        admit: Callable[[Peer], ControlConnection | Closing],
    ) -> None:
        self._reactor = reactor
        self._clock = clock
        self._listening = listening
        self._admit = admit
        self._pause: IDelayedCall | None = None

    def open(self) -> None:
        """Begin to accept."""
        self._reactor.addReader(self)

    def close(self) -> None:
        """Accept no more, and close the socket."""
        if self._pause is not None and self._pause.active():
            self._pause.cancel()
        self._reactor.removeReader(self)
        self._listening.close()

    def fileno(self) -> int:
        return self._listening.fileno()

    def logPrefix(self) -> str:
        return "control"

    def connectionLost(self, reason: Failure) -> None:
        self._listening.close()

    def doRead(self) -> None:
        for _ in range(ACCEPT_BUDGET):
            try:
                connection, _address = self._listening.accept()
            except OSError as problem:
                if problem.errno in _EXHAUSTED:
                    self._rest(problem)
                return
            with connection:
                try:
                    self._receive(connection)
                except OSError as problem:
                    if problem.errno in _EXHAUSTED:
                        self._rest(problem)
                        return
                    self._log.debug("Control connection not taken: {problem}", problem=str(problem))

    def _receive(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        admitted = self._admit(peer_of(connection))
        if isinstance(admitted, Closing):
            with suppress(OSError):
                connection.send(goodbye(admitted))
            return
        try:
            self._reactor.adoptStreamConnection(connection.fileno(), socket.AF_UNIX, _ForOne(admitted))
        except OSError:
            admitted.abandon()
            raise

    def _rest(self, problem: OSError) -> None:
        self._log.warn("Control connections wait a second: {problem}", problem=problem.strerror)
        self._reactor.removeReader(self)
        self._pause = self._clock.callLater(EXHAUSTED_SECONDS, self.open)


def goodbye(reason: Closing) -> bytes:
    """The box that says why a connection ends."""
    command = command_of(CLOSING)
    box = command.makeArguments({"reason": reason.name, "text": reason.value}, None)
    box[b"_command"] = command.commandName
    octets: bytes = box.serialize()
    return octets


class ControlService(Service):
    """
    Answers control clients for as long as it runs.

    @param reactor: for descriptors, never for time.
    @param clock: provides L{IReactorTime}; the boot-time clock.
    @param daemon: provides L{IDaemonControl}.
    @param listening: what L{listen_socket<pdlease.control.listening.listen_socket>} gave; closed at stop.
    @param path: its path; the file is removed at stop where that is allowed.
    @param roles: who may do what.
    @ivar events: what happened lately; watchers read it.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        reactor: ControlReactor,
        clock: IReactorTime,
        daemon: IDaemonControl,
        listening: socket.socket,
        path: str,
        roles: Roles,
        instance: str = "",
    ) -> None:
        self._clock = clock
        self._daemon = daemon
        self._path = path
        self._roles = roles
        self._door = Door(reactor, clock, listening, self.admit)
        self._connections: set[ControlConnection] = set()
        self._unsubscribe: Callable[[], None] = lambda: None
        self._stopped: Deferred[None] | None = None
        self._refusals = 0
        self._refusals_logged_at = -REFUSAL_LOG_SECONDS
        self.events = EventRing(instance or os.urandom(8).hex())

    def startService(self) -> None:
        Service.startService(self)
        self._unsubscribe = self._daemon.subscribe(self._happened)
        self._door.open()

    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        self._unsubscribe()
        self._door.close()
        with suppress(OSError):
            os.unlink(self._path)
        if not self._connections:
            return succeed(None)
        self._stopped = Deferred()
        for connection in tuple(self._connections):
            connection.close(Closing.STOPPING)
        return self._stopped

    def admit(self, peer: Peer) -> ControlConnection | Closing:
        """Decide about a new connection: its protocol, or why it is closed at once."""
        role = self._roles.role_of(peer)
        if role is None:
            return self._refuse(peer, Closing.NOT_ALLOWED)
        most = MOST_CONNECTIONS + (ROOT_RESERVE if peer.uid == 0 else 0)
        if len(self._connections) >= most:
            return self._refuse(peer, Closing.TOO_MANY)
        return self.connection_for(role, str(peer))

    def connection_for(self, role: Role, peer: str) -> ControlConnection:
        """The protocol for a connection of this role, counted until it ends."""
        connection = ControlConnection(self._daemon, self._clock, self.events, role, peer, self._ended)
        self._connections.add(connection)
        return connection

    def _refuse(self, peer: Peer, reason: Closing) -> Closing:
        self._refusals += 1
        now = self._clock.seconds()
        if now - self._refusals_logged_at >= REFUSAL_LOG_SECONDS:
            self._log.warn(
                "Control connection of {peer} refused: {reason} ({count} refused since the last such line)",
                peer=str(peer),
                reason=reason.value,
                count=self._refusals,
            )
            self._refusals_logged_at = now
            self._refusals = 0
        return reason

    def _ended(self, connection: ControlConnection) -> None:
        self._connections.discard(connection)
        if self._stopped is not None and not self._connections:
            stopped, self._stopped = self._stopped, None
            stopped.callback(None)

    def _happened(self, event: dict[str, Any]) -> None:
        """Never raises: what is told here must not stop what happens there."""
        try:
            self.events.add(event)
        except Exception:
            self._log.failure("An event could not be told to control clients")
