"""
Tests for L{pdlease.udp}.
"""

from __future__ import annotations

import errno
import socket
import struct
from ipaddress import IPv6Address

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pdlease.client.reasons import DiscardReason
from pdlease.udp import BUDGET, ClientPort, Marks
from tests.descriptors import FakeReactor, FakeSocket

INDEX = 7
OURS = "fe80::2"
SERVER = "fe80::1"


def datagram(
    data: bytes = b"reply",
    destination: str = OURS,
    index: int = INDEX,
    source: str = SERVER,
    port: int = 547,
    flags: int = 0,
    more: tuple[tuple[int, int, bytes], ...] = (),
) -> tuple[object, ...]:
    """A datagram as recvmsg returns it, with packet information."""
    info = struct.pack("=16sI", IPv6Address(destination).packed, index)
    return data, (source, port, 0, index), flags, [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info), *more]


class ClientPortTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.socket = FakeSocket()
        self.told: list[tuple[object, ...]] = []
        self.port = self.make()
        self.port.startReading()

    def make(self) -> ClientPort:
        return ClientPort(
            self.reactor,  # type: ignore[arg-type]
            self.socket,  # type: ignore[arg-type]
            INDEX,
            lambda data, source: self.told.append((data, source)),
            lambda reason, source, detail: self.told.append((reason, source, detail)),
        )

    def arrive(self, *items: object) -> list[tuple[object, ...]]:
        """Have these read; what was told of them."""
        self.socket.arrive(*items)
        self.reactor.turn()
        told = list(self.told)
        self.told.clear()
        return told

    def test_interface(self) -> None:
        """The port is an C{IReadDescriptor}; what takes the datagrams is a C{DatagramProtocol} (design 15)."""
        self.assertTrue(verifyObject(IReadDescriptor, self.port))
        self.assertIsInstance(self.port.protocol, DatagramProtocol)
        self.assertEqual((self.port.fileno(), self.port.logPrefix()), (42, "DHCPv6"))

    def test_packet_information(self) -> None:
        """The socket is asked for packet information, without which nothing could be judged."""
        self.assertEqual(self.socket.options[socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO], 1)

    def test_unwilling_socket(self) -> None:
        """A socket on which an option cannot be set can be used all the same."""
        self.socket.broken = True
        self.make()
        self.socket.broken = False
        self.assertEqual(self.arrive(datagram()), [(b"reply", SERVER)])

    def test_reading(self) -> None:
        """Nothing is read before it is asked for, however long it has been there (design 6)."""
        self.port.stopReading()
        self.port.stopReading()
        self.assertEqual(self.arrive(datagram()), [])
        self.port.startReading()
        self.port.startReading()
        self.assertEqual(self.arrive(), [(b"reply", SERVER)])

    def test_any_source_port(self) -> None:
        """Servers and relays may send from any port (R-7.2-04)."""
        self.assertEqual(self.arrive(datagram(port=40000)), [(b"reply", SERVER)])

    def test_any_source_scope(self) -> None:
        """A relay may answer from a link-local address or from a global one (R-7.2-05)."""
        self.assertEqual(self.arrive(datagram(source="2001:db8::1")), [(b"reply", "2001:db8::1")])

    def test_multicast(self) -> None:
        """What was sent to a group, be it all nodes or the solicited-node group, is dropped and counted (R-16-01)."""
        for group in ("ff02::1", "ff02::1:2", "ff02::1:ff00:2"):
            self.assertEqual(
                self.arrive(datagram(destination=group)), [(DiscardReason.MULTICAST, SERVER, f"sent to {group}")]
            )

    def test_wrong_link(self) -> None:
        """What came in by another link is dropped (R-16-02), and so is what came in nobody knows where."""
        told = self.arrive(datagram(index=8), (b"reply", (SERVER, 547, 0, 7), 0, [(1, 2, b"x")]))
        self.assertEqual(
            told,
            [
                (DiscardReason.WRONG_LINK, SERVER, "came in by the link with index 8"),
                (DiscardReason.WRONG_LINK, SERVER, "came in by the link with index 0"),
            ],
        )

    def test_largest(self) -> None:
        """A datagram of 65,527 octets is taken whole (R-D-06)."""
        data = bytes(65527)
        self.assertEqual(self.arrive(datagram(data)), [(data, SERVER)])

    def test_truncated(self) -> None:
        """A datagram that was cut off is dropped, and its beginning is never looked at (R-D-06)."""
        told = self.arrive(datagram(b"beginning", flags=socket.MSG_TRUNC), datagram(bytes(65537)))
        self.assertEqual(told, [(DiscardReason.TRUNCATED, SERVER, "longer than 65536 octets")] * 2)

    def test_empty(self) -> None:
        """A datagram without a single octet is dropped."""
        self.assertEqual(self.arrive(datagram(b"")), [(DiscardReason.EMPTY, SERVER, "no octets")])

    def test_budget(self) -> None:
        """In a flood timers and other links have their turn after 64 datagrams."""
        self.assertEqual(BUDGET, 64)
        self.assertEqual(len(self.arrive(*[datagram()] * 100)), 64)
        self.assertEqual(len(self.arrive()), 36)

    def test_overflow(self) -> None:
        """What the kernel dropped because the buffer was full is known."""
        lost = (socket.SOL_SOCKET, 40, struct.pack("=I", 12))
        self.assertEqual(self.arrive(datagram(more=(lost,))), [(b"reply", SERVER)])
        self.assertEqual(self.port.overflowed, 12)

    def test_read_errors(self) -> None:
        """Errors of reading are counted by number and nothing else comes of them; the next datagram is read."""
        down = OSError(errno.ENETDOWN, "down")
        self.assertEqual(self.arrive(down, down, datagram()), [(b"reply", SERVER)])
        self.assertEqual(self.arrive(OSError(errno.EINTR, "interrupted"), datagram()), [])
        self.assertEqual(self.arrive(), [(b"reply", SERVER)])
        self.assertEqual(self.port.read_errors, {errno.ENETDOWN: 2})
        self.assertEqual(self.reactor.readers, [self.port])

    def test_failing_receiver(self) -> None:
        """What fails in whoever takes the datagram is logged, not raised: the reactor would never read here again."""
        self.port.protocol._received = lambda data, source: 1 // 0
        self.assertEqual(self.arrive(datagram(), datagram(b"")), [(DiscardReason.EMPTY, SERVER, "no octets")])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_nonsense(self) -> None:
        """Even what no kernel returns is logged and not raised."""
        self.assertEqual(self.arrive((b"reply", None)), [])
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_stopped_within(self) -> None:
        """A port that is stopped by what it delivers delivers no more."""
        self.port.protocol._received = lambda data, source: self.port.stop()
        self.arrive(datagram(), datagram())
        self.assertEqual((self.socket.closed, len(self.socket._arrived)), (1, 1))

    def test_send(self) -> None:
        """Messages go to all servers and relay agents, port 547, by the uplink (R-5-02, R-7.2-02)."""
        self.assertIsNone(self.port.send(b"solicit"))
        self.assertEqual(self.socket.sent, [(b"solicit", ("ff02::1:2", 547, 0, INDEX))])
        self.assertIsNone(self.port.send(b"solicit", "fe80::1", 5470))
        self.assertEqual(self.socket.sent[1:], [(b"solicit", ("fe80::1", 5470, 0, INDEX))])

    def test_send_errors(self) -> None:
        """Whatever sending fails with is returned and counted, never raised: the packet is lost (R-D-04)."""
        numbers = (errno.ENETDOWN, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.EPERM, errno.EINVAL, errno.EAGAIN)
        for number in numbers:
            self.socket.refusing = OSError(number, "no")
            self.assertIs(self.port.send(b"solicit"), self.socket.refusing)
        self.assertEqual(self.port.send_errors, dict.fromkeys(numbers, 1))
        self.port.send(b"solicit")
        self.assertEqual(self.port.send_errors[errno.EAGAIN], 2)

    def test_given_up_by_the_reactor(self) -> None:
        """A reactor that gives the socket up for an error that passes has it back."""
        self.socket.pending = errno.ECONNREFUSED
        self.reactor.give_up(self.port)
        self.assertEqual(self.port.read_errors, {errno.ECONNREFUSED: 1})
        self.assertEqual(self.arrive(datagram()), [(b"reply", SERVER)])

    def test_end_of_the_reactor(self) -> None:
        """At the reactor's end nothing is begun again, nor where the socket is broken."""
        self.reactor.give_up(self.port)
        self.assertEqual(self.reactor.readers, [])
        self.port.startReading()
        self.socket.broken = True
        self.reactor.give_up(self.port)
        self.assertEqual((self.reactor.readers, self.port.read_errors), ([], {errno.EBADF: 1}))

    def test_stop(self) -> None:
        """A stopped port has closed its socket; it reads nothing and sends nothing, and can be stopped again."""
        self.port.stop()
        self.port.stop()
        self.assertEqual((self.reactor.readers, self.socket.closed, self.port.fileno()), ([], 1, -1))
        self.assertIsInstance(self.port.send(b"solicit"), OSError)
        self.port.startReading()
        self.port.doRead()
        self.reactor.give_up(self.port)
        self.assertEqual((self.reactor.readers, self.told), ([], []))


class Marked:
    """A socket that remembers what was set on it."""

    def __init__(self) -> None:
        self.options: list[tuple[int, int, int]] = []

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Remember."""
        self.options.append((level, option, value))


class MarksTests(SynchronousTestCase):
    """Marks of packets."""

    def test_marks(self) -> None:
        """The code point stands in the upper six bits of the traffic class; nothing is set without a wish."""
        marked = Marked()
        Marks().put_on(marked)  # type: ignore[arg-type]
        self.assertEqual(marked.options, [])
        Marks(dscp=48, priority=6).put_on(marked)  # type: ignore[arg-type]
        self.assertEqual(
            marked.options,
            [(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 192), (socket.SOL_SOCKET, socket.SO_PRIORITY, 6)],
        )

    def test_kernel(self) -> None:
        """The kernel takes both without any privilege."""
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as real:
            Marks(dscp=63, priority=6).put_on(real)
            self.assertEqual(real.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS), 252)
            self.assertEqual(real.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY), 6)
