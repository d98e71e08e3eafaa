"""
Accepts connections on a listening socket, within a budget, and is never stopped by one that fails.

Who may come in is decided by whoever it gives the connections to: L{pdlease.control.server} for local ones,
L{pdlease.control.remote} for others.  Twisted's own ports are not used: its UNIX port makes the socket file writable
for the world when it adopts one, and raises at stop where it may not remove the file.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.interfaces import IAddress, IProtocol, IReactorTime, IReadDescriptor
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from zope.interface import implementer

from pdlease.control.vocabulary import Closing
from pdlease.logs import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

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


class ForOne(Factory):
    """Gives the one connection that is being adopted its protocol."""

    noisy = False

    def __init__(self, protocol: IProtocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: IAddress | None) -> Any:
        return self._protocol


class Refusals:
    """
    Tells the log of connections that are turned away, once in ten seconds with how many there were.

    @param where: what kind of connections, as a sentence begins.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, where: str) -> None:
        self._clock = clock
        self._where = where
        self._count = 0
        self._logged_at = -REFUSAL_LOG_SECONDS

    def tell(self, peer: object, reason: str) -> None:
        """One was turned away."""
        self._count += 1
        now = self._clock.seconds()
        if now - self._logged_at >= REFUSAL_LOG_SECONDS:
            self._log.warn(
                "{where} of {peer} refused: {reason} ({count} refused since the last such line)",
                where=self._where,
                peer=str(peer),
                reason=reason,
                count=self._count,
            )
            self._logged_at = now
            self._count = 0

    def refuse(self, peer: object, reason: Closing) -> Closing:
        """Tell of one, and give its reason back."""
        self.tell(peer, reason.value)
        return reason


@implementer(IReadDescriptor)
class Door:
    """
    Accepts connections and hands each on.

    @param receive: given each connection, which is closed afterwards; what it raises of C{OSError} is no harm.
    @param most: how many are accepted in a second; what comes faster waits in the kernel, or is turned away by it.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: ControlReactor,
        clock: IReactorTime,
        listening: socket.socket,
        receive: Callable[[socket.socket], None],
        most: int | None = None,
    ) -> None:
        self._reactor = reactor
        self._clock = clock
        self._listening = listening
        self._receive = receive
        self._most = most
        self._second = 0.0
        self._accepted = 0
        self._pause: IDelayedCall | None = None

    def open(self) -> None:
        """Begin to accept."""
        self._pause = None
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
            if not self._may_accept():
                return
            try:
                connection, _address = self._listening.accept()
            except OSError as problem:
                if problem.errno in _EXHAUSTED:
                    self._exhausted(problem)
                return
            self._accepted += 1
            with connection:
                try:
                    connection.setblocking(False)
                    self._receive(connection)
                except OSError as problem:
                    if problem.errno in _EXHAUSTED:
                        self._exhausted(problem)
                        return
                    self._log.debug("Control connection not taken: {problem}", problem=str(problem))

    def _may_accept(self) -> bool:
        """Whether another one may be accepted in this second; if not, the next one is waited for."""
        if self._most is None:
            return True
        now = self._clock.seconds()
        if now - self._second >= 1.0:
            self._second, self._accepted = now, 0
        if self._accepted < self._most:
            return True
        self._rest(max(0.01, self._second + 1.0 - now))
        return False

    def _exhausted(self, problem: OSError) -> None:
        self._log.warn("Control connections wait a second: {problem}", problem=problem.strerror)
        self._rest(EXHAUSTED_SECONDS)

    def _rest(self, seconds: float) -> None:
        self._reactor.removeReader(self)
        self._pause = self._clock.callLater(seconds, self.open)
