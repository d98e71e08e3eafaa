"""
The route socket in the reactor: a port that reads it and a protocol that makes notices of what comes in.

The socket is opened by a privilege provider (L{pdlease.interfaces.IPrivilege.open_route_socket}).  What the octets mean
is L{pdlease.netlink.codec}'s, what follows from it L{pdlease.netlink.links}'.

When more comes in than the receive buffer holds, the kernel throws notices away and says so once (ENOBUFS); the socket
goes on.  That is an overrun, and whoever listens must ask for everything anew.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from errno import EAGAIN, EINTR, ENOBUFS

from twisted.internet.interfaces import IReactorFDSet, IReactorTime, IReadDescriptor
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from pdlease.logs import Logger
from pdlease.netlink.codec import decode
from pdlease.netlink.notices import Notice

BUDGET = 32
"""Receptions in one turn of the reactor; a dump comes in parts of 32 KiB, a notice of a change alone."""

_RECEIVE = 65536


class RouteProtocol(DatagramProtocol):
    """Makes notices of what the kernel says on a route socket."""

    def __init__(
        self,
        clock: IReactorTime,
        route_protocol: int,
        heard: Callable[[Notice], object],
        overrun: Callable[[], object],
        paused: Callable[[bool], object],
    ) -> None:
        """
        @param clock: the boot-time clock, by which lifetimes are made absolute.
        @param route_protocol: our route protocol number.
        @param heard: called with each notice.
        @param overrun: called when notices were lost.
        @param paused: called after each turn of reading, with whether all has been read that there was.
        """
        self._clock = clock
        self._route_protocol = route_protocol
        self._heard = heard
        self.overrun = overrun
        self.paused = paused

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        for notice in decode(datagram, self._clock.seconds(), self._route_protocol):
            self._heard(notice)


@implementer(IReadDescriptor)
class RoutePort:
    """
    A route socket in the reactor; nothing that happens on it is raised.

    @ivar read_errors: how many reads failed, by error number.
    """

    log = Logger()

    def __init__(self, reactor: IReactorFDSet, route_socket: socket.socket, protocol: RouteProtocol) -> None:
        """
        @param reactor: calls when there is something to read.
        @param route_socket: non-blocking, subscribed; belongs to the port from now on.
        @param protocol: what takes the messages.
        """
        self.protocol = protocol
        self.read_errors: dict[int, int] = {}
        self._reactor = reactor
        self._socket: socket.socket | None = route_socket
        self._reading = False

    def startReading(self) -> None:
        """Hear what comes in from now on."""
        if self._socket is not None and not self._reading:
            self._reading = True
            self._reactor.addReader(self)

    def stopReading(self) -> None:
        """Leave what comes in where it is."""
        if self._reading:
            self._reading = False
            self._reactor.removeReader(self)

    def stop(self) -> None:
        """Close the socket.  May be called more than once."""
        self.stopReading()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, request: bytes) -> OSError | None:
        """
        Ask the kernel something; the answer is heard like everything else.

        @return: C{None}, or why it could not be asked.
        """
        if self._socket is None:
            return OSError(0, "the socket is closed")
        try:
            self._socket.sendto(request, (0, 0))
        except OSError as problem:
            return problem
        return None

    # IReadDescriptor

    def fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        return "route socket"

    def doRead(self) -> None:
        # An exception from here would make the reactor drop the descriptor for good.
        try:
            is_drained = False
            for _ in range(BUDGET):
                if self._socket is None or not self._read(self._socket):
                    is_drained = True
                    break
            self.protocol.paused(is_drained)
        except Exception:
            self.log.failure("what the kernel said could not be dealt with")

    def connectionLost(self, reason: Failure) -> None:
        """
        Go on reading.  The reactor gives up a descriptor that reports an error and nothing to read; on this socket that
        is an overrun or a failed dump, and asking for the error takes it away.
        """
        self._reading = False
        try:
            number = 0 if self._socket is None else self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        except OSError as problem:
            self._failed(problem.errno or 0)
            return
        if number:
            self._failed(number)
            self.startReading()

    def _read(self, route_socket: socket.socket) -> bool:
        """Read once; whether there may be more."""
        try:
            data, _, flags, sender = route_socket.recvmsg(_RECEIVE)
        except OSError as problem:
            if problem.errno in (EAGAIN, EINTR):
                return False
            self._failed(problem.errno or 0)
            return True
        if flags & socket.MSG_TRUNC:
            self.protocol.overrun()
        elif sender[0] == 0:  # the kernel; another process of root's could send here as well
            try:
                self.protocol.datagramReceived(data, ("kernel", 0))
            except Exception:
                self.log.failure("what the kernel said could not be dealt with")
        return True

    def _failed(self, number: int) -> None:
        self.read_errors[number] = self.read_errors.get(number, 0) + 1
        if number == ENOBUFS:
            self.protocol.overrun()
        elif self.read_errors[number] == 1:
            self.log.error("reading the route socket: error {number}", number=number)
