"""
Tests for L{pdlease.netlink.links}.
"""

from __future__ import annotations

import errno
import struct
from ipaddress import IPv6Address

from twisted.trial.unittest import SynchronousTestCase

from pdlease.kernel import Advertised, AdvertisedPrefix
from pdlease.netlink.links import FLOOD, LONGEST_PAUSE, PAUSE, LinkWatch
from pdlease.netlink.requests import attribute, message
from pdlease.netlink.routesocket import BUDGET
from tests.descriptors import FakeReactor, FakeSocket
from tests.heapclock import HeapClock

KERNEL = (0, 0)
GETLINK, GETADDR, GETROUTE = 18, 22, 26
OURS = 154
MULTI, INTERRUPTED = 0x2, 0x10
RA_RECEIVED, RA_MANAGED = 0x20, 0x40


def link(
    index: int, name: str, flags: int = 0x10001, sequence: int = 0, marks: int = 0, disabled: int = 0, accepts: int = 0
) -> bytes:
    """RTM_NEWLINK."""
    settings = [0] * 60
    settings[3], settings[26] = accepts, disabled
    body = struct.pack("=BxHiII", 0, 1, index, flags, 0) + attribute(3, name.encode() + b"\0")
    inet6 = attribute(26, attribute(10, attribute(2, struct.pack("=60i", *settings))))
    return message(16, marks, sequence, body + inet6)


def inet6(index: int, flags: int) -> bytes:
    """RTM_NEWLINK of family AF_INET6."""
    body = struct.pack("=BxHiII", 10, 1, index, 0x10001, 0)
    return message(16, 0, 0, body + attribute(12, attribute(1, struct.pack("=I", flags))))


def router(text: str, index: int) -> bytes:
    """RTM_NEWROUTE of a default route from a Router Advertisement."""
    body = struct.pack("=BBBBBBBBI", 10, 0, 0, 0, 254, 9, 0, 1, 0)
    return message(24, 0, 0, body + attribute(5, IPv6Address(text).packed) + attribute(4, struct.pack("=I", index)))


def address(index: int, text: str, kind: int = 20, sequence: int = 0) -> bytes:
    """RTM_NEWADDR or another kind about an address."""
    return message(
        kind, 0, sequence, struct.pack("=BBBBI", 10, 64, 0, 0, index) + attribute(1, IPv6Address(text).packed)
    )


def route(text: str, length: int, kind: int = 24, protocol: int = OURS, of_type: int = 7, index: int = 1) -> bytes:
    """RTM_NEWROUTE or another kind about a route."""
    body = struct.pack("=BBBBBBBBI", 10, length, 0, 0, 254, protocol, 0, of_type, 0)
    return message(kind, 0, 0, body + attribute(1, IPv6Address(text).packed) + attribute(4, struct.pack("=I", index)))


def done(sequence: int, number: int = 0, marks: int = MULTI) -> bytes:
    """NLMSG_DONE."""
    return message(3, marks, sequence, struct.pack("=i", -number))


def refusal(sequence: int, number: int) -> bytes:
    """NLMSG_ERROR."""
    return message(2, 0, sequence, struct.pack("=i", -number) + struct.pack("=IHHII", 16, 18, 1, sequence, 0))


class LinkWatchTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.clock = HeapClock(100.0)
        self.socket = FakeSocket()
        self.watch = LinkWatch(self.reactor, self.clock, self.socket, OURS)  # type: ignore[arg-type]
        self.told: list[frozenset[str]] = []
        self.watch.listen(self.told.append)

    def say(self, *messages: bytes) -> None:
        """Have the kernel say this, and the reactor read it."""
        self.socket.arrive(*((said, KERNEL) for said in messages))
        self.reactor.turn()

    def asked(self) -> list[tuple[int, int]]:
        """What the kernel was asked since this was last called: kind and sequence number of each request."""
        kinds = [struct.unpack_from("=IHHI", request)[1::2] for request, _ in self.socket.sent]
        self.socket.sent.clear()
        return kinds

    def dump(
        self,
        links: tuple[bytes, ...],
        addresses: tuple[bytes, ...] = (),
        routes: tuple[bytes, ...] = (),
        routers: tuple[bytes, ...] = (),
    ) -> None:
        """Answer the dumps of a round: links, what IPv6 knows of them, addresses, our routes, routers."""
        kinds = (GETLINK, GETLINK, GETADDR, GETROUTE, GETROUTE)
        for expected, answer in zip(kinds, (links, (), addresses, routes, routers), strict=True):
            ((kind, sequence),) = self.asked()
            self.assertEqual(kind, expected)
            self.say(*answer, done(sequence))

    def started(self) -> None:
        """Have the watch started, with two links and an address."""
        self.watch.start()
        self.dump((link(2, "wan"), link(3, "lan0")), (address(3, "2001:db8::1"),))
        self.told.clear()

    def test_start(self) -> None:
        """
        The start is over when links, what IPv6 knows of them, addresses, routes and routers have been told, one after
        the other; listeners hear of changes after that only.
        """
        ready = self.watch.start()
        self.assertEqual(self.reactor.readers[0].fileno(), 42)
        for kind, answer in (
            (GETLINK, link(2, "wan")),
            (GETLINK, inet6(2, RA_RECEIVED | RA_MANAGED)),
            (GETADDR, address(2, "fe80::1")),
            (GETROUTE, route("2001:db8::", 56)),
            (GETROUTE, router("fe80::9", 2)),
        ):
            self.assertNoResult(ready)
            ((asked, sequence),) = self.asked()
            self.assertEqual(asked, kind)
            self.say(answer, done(sequence))
        self.assertIsNone(self.successResultOf(ready))
        self.assertEqual((len(self.watch.links), len(self.watch.addresses), len(self.watch.routes)), (1, 1, 1))
        self.assertEqual(self.watch.advertised, {2: Advertised(heard=True, managed=True)})
        self.assertEqual(self.watch.routers, {2: {IPv6Address("fe80::9")}})
        self.assertEqual((self.told, self.asked(), self.clock.getDelayedCalls()), ([], [], []))

    def test_batch(self) -> None:
        """Listeners are called once for all that was read in a turn, with the names of the links concerned."""
        self.started()
        self.say(address(3, "2001:db8::2"), address(3, "2001:db8::3"), link(2, "wan7"))
        self.assertEqual(self.told, [frozenset({"lan0", "wan", "wan7"})])
        self.say(link(2, "wan7"))
        self.assertEqual(len(self.told), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_route_without_link(self) -> None:
        """A change of an unreachable route is told too, without a name."""
        self.started()
        self.say(route("2001:db8::", 56))
        self.assertEqual(self.told, [frozenset()])

    def test_flood(self) -> None:
        """In a flood listeners are not called each turn, but they are called."""
        self.started()
        self.socket.arrive(
            *((address(3, f"2001:db8::{number:x}"), KERNEL) for number in range(2, 2 + FLOOD * BUDGET + 5))
        )
        for _ in range(FLOOD - 1):
            self.reactor.turn()
        self.assertEqual(self.told, [])
        self.reactor.turn()
        self.assertEqual(len(self.told), 1)
        self.reactor.turn()
        self.assertEqual(len(self.told), 2)

    def test_failing_listener(self) -> None:
        """A listener that raises is logged and does not keep the others from being called."""
        self.started()
        self.watch._listeners.insert(0, lambda changed: 1 // 0)
        self.say(link(2, "wan", flags=0))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.told, [frozenset({"wan"})])

    def test_overrun(self) -> None:
        """
        When notices were lost the table stays as it is; a moment later everything is asked for again, once, and the
        differences are told.
        """
        self.started()
        self.socket.arrive(OSError(errno.ENOBUFS, "lost"), OSError(errno.ENOBUFS, "lost"))
        self.reactor.turn()
        self.assertEqual((self.watch.overruns, len(self.watch.links), self.asked()), (2, 2, []))
        self.clock.advance(PAUSE * 0.9)
        self.assertEqual(self.asked(), [])
        self.clock.advance(PAUSE * 0.1)
        self.dump((link(2, "wan"), link(4, "lan1")))
        self.assertEqual(frozenset().union(*self.told), {"lan0", "lan1"})
        self.assertEqual((set(self.watch.links), self.watch.addresses), ({2, 4}, {}))
        self.assertEqual((self.watch.dumps, self.clock.getDelayedCalls()), (2, []))

    def test_overrun_within_dump(self) -> None:
        """Notices lost while a dump is under way spoil it: nothing is dropped after it, and it is done again."""
        self.started()
        self.watch.ask_again()
        self.clock.advance(PAUSE)
        ((_, sequence),) = self.asked()
        self.socket.arrive(OSError(errno.ENOBUFS, "lost"))
        self.say(done(sequence))
        self.assertEqual(set(self.watch.links), {2, 3})
        self.clock.advance(PAUSE)
        self.dump((link(2, "wan"),))
        self.assertEqual(set(self.watch.links), {2})

    def test_interrupted(self) -> None:
        """A dump into which a change fell (NLM_F_DUMP_INTR) is done again; nothing is dropped after it."""
        self.started()
        self.watch.ask_again()
        self.clock.advance(PAUSE)
        ((_, sequence),) = self.asked()
        self.say(link(2, "wan", sequence=sequence, marks=MULTI | INTERRUPTED), done(sequence))
        self.assertEqual(set(self.watch.links), {2, 3})
        self.clock.advance(PAUSE)
        self.dump((link(2, "wan"), link(3, "lan0")), (address(3, "2001:db8::1"),))
        self.assertEqual((self.told, self.watch.dumps), ([], 3))

    def test_ended_early(self) -> None:
        """A dump that the kernel ends with an error is done again."""
        ready = self.watch.start()
        ((_, sequence),) = self.asked()
        self.say(done(sequence, errno.EINVAL))
        self.assertNoResult(ready)
        self.clock.advance(PAUSE)
        self.dump((link(2, "wan"),))
        self.assertIsNone(self.successResultOf(ready))

    def test_refused(self) -> None:
        """A dump that the kernel refuses, or cannot be asked for, is asked for again, later and later."""
        ready = self.watch.start()
        waits = []
        pause = PAUSE
        while pause < LONGEST_PAUSE:
            ((_, sequence),) = self.asked()
            self.say(refusal(sequence, errno.EBUSY))
            (call,) = self.clock.getDelayedCalls()
            waits.append(call.getTime() - self.clock.seconds())
            self.clock.advance(waits[-1])
            pause *= 2
        self.assertEqual([round(wait, 9) for wait in waits], [PAUSE * 2**step for step in range(len(waits))])
        ((_, sequence),) = self.asked()
        self.socket.refusing = OSError(errno.ENOBUFS, "full")
        self.say(refusal(sequence, errno.EPERM))
        for _ in range(3):
            (call,) = self.clock.getDelayedCalls()
            self.assertEqual(round(call.getTime() - self.clock.seconds(), 9), LONGEST_PAUSE)
            self.clock.advance(LONGEST_PAUSE)
        self.socket.refusing = None
        self.clock.advance(LONGEST_PAUSE)
        self.dump((link(2, "wan"),))
        self.assertIsNone(self.successResultOf(ready))
        self.watch.ask_again()
        (call,) = self.clock.getDelayedCalls()
        self.assertEqual(round(call.getTime() - self.clock.seconds(), 9), PAUSE)

    def test_old_answers(self) -> None:
        """The end of an earlier dump, and refusals of other requests, end nothing."""
        ready = self.watch.start()
        ((_, sequence),) = self.asked()
        self.say(done(sequence - 1), refusal(sequence - 1, errno.ENODEV), refusal(sequence, 0))
        self.assertNoResult(ready)
        self.assertEqual(self.asked(), [])

    def test_ipv6_disabled(self) -> None:
        """
        That disable_ipv6 was set is not told by the kernel: when it takes the multicast route from a link that should
        have IPv6, the link is asked for, and the answer told.
        """
        self.started()
        self.say(route("ff00::", 8, kind=25, protocol=2, of_type=5, index=3))
        ((kind, sequence),) = self.asked()
        self.assertEqual(kind, GETLINK)
        self.say(link(3, "lan0", sequence=sequence, disabled=1))
        self.assertTrue(self.watch.links[3].ipv6_disabled)
        self.assertEqual(self.told, [frozenset({"lan0"})])

    def test_no_doubt(self) -> None:
        """A link that is down, disabled already, or not there is not asked for."""
        self.started()
        self.say(link(2, "wan", flags=0), link(3, "lan0", disabled=1))
        for index in (2, 3, 9):
            self.say(route("ff00::", 8, kind=25, protocol=2, of_type=5, index=index))
        self.assertEqual(self.asked(), [])

    def test_ask_link(self) -> None:
        """A link can be asked for; where the question cannot be sent, everything is asked for a little later."""
        self.started()
        self.watch.ask_link(3)
        ((kind, sequence),) = self.asked()
        self.assertEqual(kind, GETLINK)
        self.say(refusal(sequence, errno.ENODEV))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.socket.refusing = OSError(errno.ENOBUFS, "full")
        self.watch.ask_link(3)
        self.socket.refusing = None
        self.clock.advance(PAUSE)
        self.assertEqual([kind for kind, _ in self.asked()], [GETLINK])

    def test_prefixes(self) -> None:
        """Prefixes of Router Advertisements are told to those who want to know."""
        heard: list[AdvertisedPrefix] = []
        self.watch.listen_to_prefixes(heard.append)
        body = struct.pack("=BBHiBBBB", 10, 0, 0, 3, 3, 64, 3, 0)
        rest = attribute(1, IPv6Address("2001:db8:5::").packed) + attribute(2, struct.pack("=II", 600, 1200))
        self.watch.start()
        self.say(message(52, 0, 0, body + rest))
        self.assertEqual([(told.index, str(told.prefix)) for told in heard], [(3, "2001:db8:5::/64")])

    def test_deaf_no_more(self) -> None:
        """
        That a link hears Router Advertisements is told by no notice: a prefix of one shows that it must be asked for.
        """
        self.started()
        body = struct.pack("=BBHiBBBB", 10, 0, 0, 3, 3, 64, 3, 0)
        rest = attribute(1, IPv6Address("2001:db8:5::").packed) + attribute(2, struct.pack("=II", 600, 1200))
        self.assertTrue(self.watch.links[3].ignores_routers)
        self.say(message(52, 0, 0, body + rest))
        self.assertEqual([kind for kind, _ in self.asked()], [GETLINK])
        self.say(link(3, "lan0", accepts=2))
        self.assertFalse(self.watch.links[3].ignores_routers)
        self.say(message(52, 0, 0, body + rest))
        self.assertEqual(self.asked(), [])

    def test_damaged(self) -> None:
        """A message that cannot be read changes nothing, and what follows is read."""
        self.started()
        self.say(message(16, 0, 0, b"\0\0"), message(16, 0, 0, b"\0\0"), link(5, "lan5"))
        self.assertEqual(self.told, [frozenset({"lan5"})])

    def test_stop(self) -> None:
        """A stopped watch hears nothing, asks nothing, and keeps what it knew."""
        self.started()
        self.watch.ask_again()
        self.watch.stop()
        self.watch.stop()
        self.assertEqual((self.clock.getDelayedCalls(), self.reactor.readers, self.socket.closed), ([], [], 1))
        self.assertEqual(set(self.watch.links), {2, 3})
