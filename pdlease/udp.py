"""
DHCPv6 datagrams: one port and one protocol for each uplink.

L{ClientPort} reads and writes the socket that a privilege provider opened and bound; L{ClientProtocol} drops what no
client may take and hands on the rest.  What a datagram says is L{pdlease.wire}'s to read, what follows from it
L{pdlease.client.session}'s; when the socket is opened anew is decided in L{pdlease.uplink}.

Twisted's own UDP port is not used: it drops scope and packet information, and reads up to 256 KiB before anybody else
has a turn (design 15).

Rows R-7.2-01 to R-7.2-05, R-16-01, R-16-02, R-D-04 to R-D-06.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from errno import EAGAIN, EINTR
from ipaddress import IPv6Address

from attrs import frozen
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from pdlease.client.reasons import DiscardReason
from pdlease.logs import Logger
from pdlease.wire.codes import ALL_AGENTS_AND_SERVERS, SERVER_PORT

BUDGET = 64
"""Datagrams that are read in one turn of the reactor, so that a flood does not keep timers from firing."""

# One octet more than an IPv6 datagram without jumbo payload can carry (65,527, R-D-06).
_LARGEST = 65536

_PACKET_INFO = struct.Struct("=16sI")
_U32 = struct.Struct("=I")
_SO_RXQ_OVFL = 40
_ANCILLARY = socket.CMSG_SPACE(_PACKET_INFO.size) + socket.CMSG_SPACE(_U32.size)


@frozen(kw_only=True)
class Origin:
    """
    Where a datagram came from and how it got here.

    @ivar source: the sender's address, of any scope (R-7.2-05), without scope id.
    @ivar port: the sender's port, any (R-7.2-04).
    @ivar destination: the address it was sent to.
    @ivar index: the link it came in by; 0 when the kernel does not tell.
    """

    source: str
    port: int
    destination: IPv6Address
    index: int


@frozen(kw_only=True)
class Marks:
    """
    What our packets are marked with.

    @ivar dscp: differentiated services code point in the IPv6 header, 0 to 63.
    @ivar priority: the kernel's priority, 0 to 6, of which a VLAN may make one of IEEE 802.1p.
    """

    dscp: int = 0
    priority: int = 0

    def put_on(self, client_socket: socket.socket) -> None:
        """
        Mark everything that is sent by a socket; without any mark nothing is asked of the kernel.

        @raise OSError: what the kernel says.
        """
        if self.dscp:
            # the two low bits are for congestion notification (RFC 3168)
            client_socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, self.dscp << 2)
        if self.priority:
            client_socket.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, self.priority)


class ClientProtocol(DatagramProtocol):
    """
    Takes the datagrams of one uplink and drops what is not for a client on this link.

    The reasons: MULTICAST (R-16-01), WRONG_LINK (R-16-02), TRUNCATED (R-D-06), EMPTY.
    """

    def __init__(
        self,
        index: int,
        received: Callable[[bytes, str], object],
        discarded: Callable[[DiscardReason, str, str], object],
    ) -> None:
        """
        @param index: the link's number; 0 for any link.
        @param received: called with each datagram and the address of its sender.
        @param discarded: called with reason, address of the sender, and details in words.
        """
        self.index = index
        self._received = received
        self._discarded = discarded

    def arrived(self, datagram: bytes, origin: Origin, truncated: bool = False) -> None:
        """Judge a datagram by the way it came in, and take it or drop it; what was cut off is never parsed."""
        if truncated:
            self._discarded(DiscardReason.TRUNCATED, origin.source, f"longer than {_LARGEST} octets")
        elif origin.destination.is_multicast:
            self._discarded(DiscardReason.MULTICAST, origin.source, f"sent to {origin.destination}")
        elif self.index and origin.index != self.index:
            self._discarded(DiscardReason.WRONG_LINK, origin.source, f"came in by the link with index {origin.index}")
        elif not datagram:
            self._discarded(DiscardReason.EMPTY, origin.source, "no octets")
        else:
            self.datagramReceived(datagram, (origin.source, origin.port))

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self._received(datagram, addr[0])


@implementer(IReadDescriptor)
class ClientPort:
    """
    The socket of one uplink in the reactor.

    Nothing that happens on the socket is raised: errors of reading are counted, errors of sending are counted and
    returned.

    @ivar protocol: what takes the datagrams.
    @ivar read_errors: how many reads failed, by error number.
    @ivar send_errors: how many sends failed, by error number.
    @ivar overflowed: datagrams that the kernel dropped because the receive buffer was full.
    """

    log = Logger()

    def __init__(
        self,
        reactor: IReactorFDSet,
        client_socket: socket.socket,
        index: int,
        received: Callable[[bytes, str], object],
        discarded: Callable[[DiscardReason, str, str], object],
    ) -> None:
        """
        @param reactor: calls when there is something to read.
        @param client_socket: non-blocking, bound; belongs to the port from now on.
        @param index: the number of the link that the socket is bound to.
        @param received: see L{ClientProtocol}.
        @param discarded: see L{ClientProtocol}.
        """
        self.protocol = ClientProtocol(index, received, discarded)
        self.read_errors: dict[int, int] = {}
        self.send_errors: dict[int, int] = {}
        self.overflowed = 0
        self._reactor = reactor
        self._socket: socket.socket | None = client_socket
        self._reading = False
        for level, option in ((socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO), (socket.SOL_SOCKET, _SO_RXQ_OVFL)):
            with suppress(OSError):
                client_socket.setsockopt(level, option, 1)

    def startReading(self) -> None:
        """Hear what comes in from now on; what came in before is still in the socket."""
        if self._socket is not None and not self._reading:
            self._reading = True
            self._reactor.addReader(self)

    def stopReading(self) -> None:
        """Leave what comes in where it is."""
        if self._reading:
            self._reading = False
            self._reactor.removeReader(self)

    def stop(self) -> None:
        """Close the socket; nothing is delivered after this.  May be called more than once."""
        self.stopReading()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, data: bytes, host: str = ALL_AGENTS_AND_SERVERS, port: int = SERVER_PORT) -> OSError | None:
        """
        Send a datagram out of the uplink, by default to all servers and relay agents.

        @return: C{None}, or why it was not sent.  A datagram that could not be sent is a lost packet, tried again when
            its retransmission is due, whatever the error was (R-D-04): ENETDOWN, ENOBUFS, EADDRNOTAVAIL, EPERM, and
            EINVAL, which a kernel gives whose neighbour table is full.
        """
        if self._socket is None:
            return OSError(0, "the socket is closed")
        try:
            # The scope is given with each datagram: without it the kernel picks a link by itself where none is bound.
            self._socket.sendto(data, (host, port, 0, self.protocol.index))
        except OSError as problem:
            _count(self.send_errors, problem)
            return problem
        return None

    # IReadDescriptor

    def fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        return "DHCPv6"

    def doRead(self) -> None:
        # An exception from here would make the reactor drop the descriptor for good.
        try:
            for _ in range(BUDGET):
                if self._socket is None or not self._read(self._socket):
                    break
        except Exception:
            self.log.failure("a datagram could not be dealt with")

    def connectionLost(self, reason: Failure) -> None:
        """
        Go on reading.  The reactor gives up a descriptor that reports an error and nothing to read; for a datagram
        socket that is a passing thing (an ICMP error, a link gone down), and asking for the error takes it away.
        """
        self._reading = False
        try:
            number = 0 if self._socket is None else self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        except OSError as problem:
            _count(self.read_errors, problem)
            return
        if number:
            _count(self.read_errors, OSError(number, ""))
            self.startReading()

    def _read(self, client_socket: socket.socket) -> bool:
        """Read one datagram; whether there may be more."""
        try:
            data, ancillary, flags, sender = client_socket.recvmsg(_LARGEST, _ANCILLARY)
        except OSError as problem:
            if problem.errno in (EAGAIN, EINTR):
                return False
            _count(self.read_errors, problem)
            return True
        destination, index = IPv6Address(0), 0
        for level, kind, value in ancillary:
            if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO and len(value) == _PACKET_INFO.size:
                octets, index = _PACKET_INFO.unpack(value)
                destination = IPv6Address(octets)
            elif level == socket.SOL_SOCKET and kind == _SO_RXQ_OVFL and len(value) == _U32.size:
                (self.overflowed,) = _U32.unpack(value)
        origin = Origin(source=sender[0], port=sender[1], destination=destination, index=index)
        try:
            self.protocol.arrived(data, origin, bool(flags & socket.MSG_TRUNC))
        except Exception:
            self.log.failure("a datagram from {source} could not be dealt with", source=origin.source)
        return True


def _count(errors: dict[int, int], problem: OSError) -> None:
    number = problem.errno or 0
    errors[number] = errors.get(number, 0) + 1
