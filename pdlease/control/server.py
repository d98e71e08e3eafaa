"""
The control service in the daemon: who has connections, in which role, and how many.

The socket was made by L{pdlease.control.listening} while the daemon was still root; connections wait in its backlog
until L{ControlService} starts, behind the closed sandbox.  How they are accepted is L{pdlease.control.door}; one
connection is L{pdlease.control.connection}; what stands before one that comes from another machine,
L{pdlease.control.remote}.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Hashable
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from pdlease.control.commands import goodbye
from pdlease.control.connection import ControlConnection
from pdlease.control.door import ControlReactor, Door, ForOne, Refusals
from pdlease.control.history import EventRing
from pdlease.control.peers import peer_of
from pdlease.control.places import Places
from pdlease.control.roles import Certified, Peer, Roles
from pdlease.control.vocabulary import Closing
from pdlease.interfaces import IDaemonControl
from pdlease.logs import Logger

if TYPE_CHECKING:
    from pdlease.control.remote import Gate

#: Connections of root alone, so that nobody can lock root out.
ROOT_CONNECTIONS = 16
#: Connections of all other users of this machine, and of one of them.
LOCAL_CONNECTIONS = 32
USER_CONNECTIONS = 12
#: Connections from other machines, and of the holder of one certificate.
REMOTE_CONNECTIONS = 16
CERTIFIED_CONNECTIONS = 8


class ControlService(Service):
    """
    Answers control clients for as long as it runs.

    @param reactor: for descriptors, never for time.
    @param clock: provides L{IReactorTime}; the boot-time clock.
    @param daemon: provides L{IDaemonControl}.
    @param listening: what L{listen_socket<pdlease.control.listening.listen_socket>} gave; closed at stop.
    @param path: its path; the file is removed at stop where that is allowed.
    @param roles: who may do what.
    @param gate: where connections of other machines come in; C{None} for none.
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
        gate: Gate | None = None,
        instance: str = "",
    ) -> None:
        self._reactor = reactor
        self._clock = clock
        self._daemon = daemon
        self._path = path
        self._roles = roles
        self._door = Door(reactor, clock, listening, self._receive)
        self._gate = gate
        self._refusals = Refusals(clock, "Control connection")
        self._connections: dict[ControlConnection, Peer | Certified] = {}
        self._of_root: Places[ControlConnection] = Places(ROOT_CONNECTIONS, ROOT_CONNECTIONS)
        self._of_users: Places[ControlConnection] = Places(LOCAL_CONNECTIONS, USER_CONNECTIONS)
        self._of_others: Places[ControlConnection] = Places(REMOTE_CONNECTIONS, CERTIFIED_CONNECTIONS)
        self._unsubscribe: Callable[[], None] = lambda: None
        self._stopped: Deferred[None] | None = None
        self.events = EventRing(instance or os.urandom(8).hex())

    def startService(self) -> None:
        Service.startService(self)
        self._unsubscribe = self._daemon.subscribe(self._happened)
        self._door.open()
        if self._gate is not None:
            self._gate.open(self.admit)

    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        self._unsubscribe()
        self._door.close()
        if self._gate is not None:
            self._gate.close()
        with suppress(OSError):
            os.unlink(self._path)
        if not self._connections:
            return succeed(None)
        self._stopped = Deferred()
        for connection in tuple(self._connections):
            connection.close(Closing.STOPPING)
        return self._stopped

    @property
    def roles(self) -> Roles:
        """Who may do what."""
        return self._roles

    @roles.setter
    def roles(self, roles: Roles) -> None:
        """Go by other roles from now on; whoever has another one now is hung up on."""
        self._roles = roles
        for connection, peer in tuple(self._connections.items()):
            if roles.role_of(peer) is not connection.role:
                connection.close(Closing.ROLE_CHANGED)

    def close_remote(self, reason: Closing) -> None:
        """End every connection from another machine."""
        for connection, peer in tuple(self._connections.items()):
            if isinstance(peer, Certified):
                connection.close(reason)

    def admit(self, peer: Peer | Certified) -> ControlConnection | Closing:
        """Decide about a new connection: its protocol, or why it is closed at once."""
        role = self._roles.role_of(peer)
        if role is None:
            return self._refuse(peer, Closing.NOT_ALLOWED)
        places, owner = self._places_for(peer)
        if not places.make_room(owner):
            return self._refuse(peer, Closing.TOO_MANY)
        good_for = peer.good_for if isinstance(peer, Certified) else inf
        connection = ControlConnection(self._daemon, self._clock, self.events, role, str(peer), self._ended, good_for)
        places.take(connection, owner)
        self._connections[connection] = peer
        return connection

    def _refuse(self, peer: Peer | Certified, reason: Closing) -> Closing:
        if isinstance(peer, Peer):
            return self._refusals.refuse(peer, reason)
        return reason  # the gate tells of its own, lest they drown what is told of these

    def _places_for(self, peer: Peer | Certified) -> tuple[Places[ControlConnection], Hashable]:
        """Which places a peer may have one of, and whose it counts as."""
        if isinstance(peer, Certified):
            return self._of_others, peer.names
        return (self._of_root if peer.uid == 0 else self._of_users), peer.uid

    def _receive(self, connection: socket.socket) -> None:
        """A local client has come."""
        admitted = self.admit(peer_of(connection))
        if isinstance(admitted, Closing):
            with suppress(OSError):
                connection.send(goodbye(admitted))
            return
        try:
            self._reactor.adoptStreamConnection(connection.fileno(), socket.AF_UNIX, ForOne(admitted))
        except OSError:
            admitted.abandon()
            raise

    def _ended(self, connection: ControlConnection) -> None:
        self._connections.pop(connection, None)
        for places in (self._of_root, self._of_users, self._of_others):
            places.leave(connection)
        if self._stopped is not None and not self._connections:
            stopped, self._stopped = self._stopped, None
            stopped.callback(None)

    def _happened(self, event: dict[str, Any]) -> None:
        """Never raises: what is told here must not stop what happens there."""
        try:
            self.events.add(event)
        except Exception:
            self._log.failure("An event could not be told to control clients")
