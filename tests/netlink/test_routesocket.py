"""
Tests for L{pdlease.netlink.routesocket}.
"""

from __future__ import annotations

import errno
import socket
import struct

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pdlease.netlink.notices import LinkGone, Notice
from pdlease.netlink.requests import message
from pdlease.netlink.routesocket import BUDGET, RoutePort, RouteProtocol
from tests.descriptors import FakeReactor, FakeSocket

KERNEL = (0, 0)


def gone(index: int) -> bytes:
    """RTM_DELLINK of a link."""
    return message(17, 0, 0, struct.pack("=BxHiII", 0, 1, index, 0, 0))


class RoutePortTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.socket = FakeSocket()
        self.told: list[object] = []
        protocol = RouteProtocol(
            Clock(),
            154,
            self.told.append,
            lambda: self.told.append("overrun"),
            lambda is_drained: self.told.append(("paused", is_drained)),
        )
        self.port = RoutePort(self.reactor, self.socket, protocol)  # type: ignore[arg-type]
        self.port.startReading()

    def test_interface(self) -> None:
        """The port is an C{IReadDescriptor} with the socket's number."""
        self.assertTrue(verifyObject(IReadDescriptor, self.port))
        self.assertEqual((self.port.fileno(), self.port.logPrefix()), (self.socket.fileno(), "route socket"))

    def test_notices(self) -> None:
        """What the kernel says is handed on as notices, then that all has been read."""
        self.socket.arrive((gone(3) + gone(4), KERNEL), (gone(5), KERNEL))
        self.reactor.turn()
        self.assertEqual(self.told, [LinkGone(3), LinkGone(4), LinkGone(5), ("paused", True)])

    def test_budget(self) -> None:
        """In one turn only so much is read; others have theirs before the rest."""
        self.socket.arrive(*[(gone(1), KERNEL)] * (BUDGET + 1))
        self.reactor.turn()
        self.assertEqual((len(self.told), self.told[-1]), (BUDGET + 1, ("paused", False)))
        self.reactor.turn()
        self.assertEqual(self.told[BUDGET + 1 :], [LinkGone(1), ("paused", True)])

    def test_overrun(self) -> None:
        """When the kernel had to throw notices away (ENOBUFS) that is told, and the rest is read."""
        self.socket.arrive(OSError(errno.ENOBUFS, "no"), (gone(3), KERNEL))
        self.reactor.turn()
        self.assertEqual(self.told, ["overrun", LinkGone(3), ("paused", True)])
        self.assertEqual(self.port.read_errors, {errno.ENOBUFS: 1})
        self.assertEqual(self.reactor.readers, [self.port])

    def test_truncated(self) -> None:
        """A message that did not fit is one that was missed."""
        self.socket.arrive((gone(3), KERNEL, socket.MSG_TRUNC))
        self.reactor.turn()
        self.assertEqual(self.told, ["overrun", ("paused", True)])

    def test_other_senders(self) -> None:
        """What another process sent is not believed."""
        self.socket.arrive((gone(3), (4711, 0)))
        self.reactor.turn()
        self.assertEqual(self.told, [("paused", True)])

    def test_other_errors(self) -> None:
        """Any other error is counted, logged once, and reading goes on; an interruption is none."""
        self.socket.arrive(*[OSError(errno.ENETDOWN, "down")] * 3, (gone(3), KERNEL), OSError(errno.EINTR, "again"))
        self.reactor.turn()
        self.assertEqual(self.told, [LinkGone(3), ("paused", True)])
        self.assertEqual(self.port.read_errors, {errno.ENETDOWN: 3})

    def test_failing_listener(self) -> None:
        """What fails in whoever listens is logged and not raised: the reactor would drop the descriptor for good."""
        failing = ["once"]

        def heard(notice: Notice) -> None:
            self.told.append(notice)
            if failing:
                raise RuntimeError(failing.pop())

        def paused(is_drained: bool) -> None:
            raise RuntimeError("again")

        self.port.protocol = RouteProtocol(Clock(), 154, heard, int, paused)
        self.socket.arrive((gone(3), KERNEL), (gone(4), KERNEL))
        self.reactor.turn()
        self.assertEqual(self.told, [LinkGone(3), LinkGone(4)])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_given_up_by_the_reactor(self) -> None:
        """A reactor that gives the socket up for an error that passes has it back; an overrun told so is one."""
        self.socket.pending = errno.ENOBUFS
        self.reactor.give_up(self.port)
        self.assertEqual((self.told, self.reactor.readers), (["overrun"], [self.port]))

    def test_end_of_the_reactor(self) -> None:
        """At the reactor's end nothing is begun again, nor where the socket is broken."""
        self.reactor.give_up(self.port)
        self.assertEqual(self.reactor.readers, [])
        self.socket.broken = True
        self.port.startReading()
        self.reactor.give_up(self.port)
        self.assertEqual((self.reactor.readers, self.port.read_errors), ([], {errno.EBADF: 1}))

    def test_send(self) -> None:
        """Requests go to the kernel; one that cannot be sent says why."""
        self.assertIsNone(self.port.send(b"request"))
        self.assertEqual(self.socket.sent, [(b"request", KERNEL)])
        self.socket.refusing = OSError(errno.ENOBUFS, "full")
        self.assertIs(self.port.send(b"request"), self.socket.refusing)

    def test_stop(self) -> None:
        """A stopped port has closed its socket and hears nothing; stopping it again does nothing."""
        self.port.stop()
        self.port.stop()
        self.assertEqual((self.reactor.readers, self.socket.closed, self.port.fileno()), ([], 1, -1))
        self.assertIsNotNone(self.port.send(b"request"))
        self.port.startReading()
        self.port.doRead()
        self.port.connectionLost(Failure(RuntimeError()))
        self.assertEqual((self.reactor.readers, self.told), ([], [("paused", True)]))
        self.port.stopReading()
