"""
L{pdlease.udp} and L{pdlease.clock} in a real reactor, on real links.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
from collections.abc import Callable
from ipaddress import IPv6Address

from twisted.internet.epollreactor import EPollReactor
from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.reasons import DiscardReason
from pdlease.clock import BootClock
from pdlease.privilege.opening import open_client_socket
from pdlease.udp import ClientPort
from tests.live.namespace import enter_namespace, ip, wait_for
from tests.live.require import needs, network_namespaces

LINKS = ("nla", "nlb")


def bound(link: str, port: int) -> socket.socket:
    """A UDP socket on C{[::]} and a port, bound to a link."""
    made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
    made.bind(("::", port))
    return made


def link_local(link: str) -> str:
    """The link-local address of a link that can be used, or nothing."""
    words = ip(f"-6 -o address show dev {link} scope link -tentative").split()
    return words[3].split("/")[0] if "inet6" in words else ""


@needs(network_namespaces)
class ClientPortTests(SynchronousTestCase):
    """Two uplinks, C{nla} and C{nlb}, each with a server at the other end of its veth pair."""

    def setUp(self) -> None:
        enter_namespace(self)
        for link in LINKS:
            ip(f"link add {link} type veth peer name {link}-isp")
            ip(f"link set {link} up")
            ip(f"link set {link}-isp up")
        self.reactor = EPollReactor()
        self.addCleanup(self.reactor.removeAll)
        self.clock = BootClock(self.reactor)
        self.addCleanup(self.clock.close)
        self.told: dict[str, list[tuple[object, ...]]] = {link: [] for link in LINKS}
        self.ports = {link: self.make_port(link) for link in LINKS}
        self.servers = {link: self.make_server(link) for link in LINKS}
        self.until(lambda: all(link_local(link) and link_local(f"{link}-isp") for link in LINKS))

    def make_port(self, link: str) -> ClientPort:
        told = self.told[link]
        port = ClientPort(
            self.reactor,
            open_client_socket(socket.if_nametoindex(link)),
            socket.if_nametoindex(link),
            lambda data, source: told.append((data, source)),
            lambda reason, source, detail: told.append((reason, detail)),
        )
        self.addCleanup(port.stop)
        port.startReading()
        return port

    def make_server(self, link: str) -> socket.socket:
        server = bound(f"{link}-isp", 547)
        self.addCleanup(server.close)
        index = socket.if_nametoindex(f"{link}-isp")
        group = socket.inet_pton(socket.AF_INET6, "ff02::1:2") + struct.pack("=I", index)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        return server

    def until(self, condition: Callable[[], object]) -> None:
        wait_for(condition, self.turn)

    def turn(self, seconds: float) -> None:
        self.reactor.doIteration(seconds)

    def answer(self, link: str, data: bytes, destination: str = "") -> None:
        """Send something from the server's end to the client's port."""
        scope = socket.if_nametoindex(f"{link}-isp")
        self.servers[link].sendto(data, (destination or link_local(link), 546, 0, scope))

    def test_exchange(self) -> None:
        """
        R-5-02, R-7.2-01, R-7.2-02, R-7.2-03: each uplink sends by its own link, to the group of all servers and their
        port, from port 546 and the link-local address, and hears its own answers, sent to port 546, alone.
        """
        for link in LINKS:
            self.assertIsNone(self.ports[link].send(link.encode()))
            self.assertTrue(select.select([self.servers[link]], [], [], 5)[0])
            data, sender = self.servers[link].recvfrom(100)
            self.assertEqual((data, sender[:2]), (link.encode(), (link_local(link), 546)))
        self.answer("nla", b"for a")
        self.until(lambda: self.told["nla"])
        self.assertEqual(self.told, {"nla": [(b"for a", link_local("nla-isp"))], "nlb": []})

    def sent(self, data: bytes) -> str:
        """Send something; the address and port that it came from."""
        self.assertIsNone(self.ports["nla"].send(data))
        self.assertTrue(select.select([self.servers["nla"]], [], [], 5)[0])
        received, sender = self.servers["nla"].recvfrom(100)
        self.assertEqual(received, data)
        return f"{sender[0]} {sender[1]}"

    def test_source(self) -> None:
        """
        R-5-01, R-18.2.7-04, R-19-01: the source is the link-local address whatever other addresses the link has, those
        of a prefix that is being released too, and stays the same from one transmission to the next: relays answer to
        it.
        """
        before = self.sent(b"solicit")
        self.assertEqual(before, f"{link_local('nla')} 546")
        for address in ("2001:db8::1/64", "fd00::1/64", "2001:db8:1::546/128"):
            ip(f"address add {address} dev nla")
            self.assertEqual(self.sent(b"release"), before)
        ip("address delete 2001:db8::1/64 dev nla")
        self.assertEqual(self.sent(b"release"), before)
        self.answer("nla", b"reply")
        self.until(lambda: self.told["nla"])

    def test_hop_limit(self) -> None:
        """
        R-D-02: whatever hop limit an answer has left, it is taken: relays and routed servers are further away.  Ours
        go out with the kernel's own for groups, which is 1.
        """
        for left in (1, 64, 255):
            self.servers["nla"].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, left)
            self.told["nla"].clear()
            self.answer("nla", b"reply")
            self.until(lambda: self.told["nla"])
            self.assertEqual(self.told["nla"], [(b"reply", link_local("nla-isp"))])
        server = self.servers["nla"]
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        self.assertIsNone(self.ports["nla"].send(b"solicit"))
        self.assertTrue(select.select([server], [], [], 5)[0])
        _, ((_, _, value),), _, _ = server.recvmsg(100, socket.CMSG_SPACE(4))
        self.assertEqual(struct.unpack("=i", value), (1,))

    def test_multicast(self) -> None:
        """
        R-16-01: what is sent to all nodes or to our solicited-node group does not reach the session; the group of all
        servers is none of ours, and what is sent to it does not come in at all.
        """
        own = int(IPv6Address(link_local("nla")))
        solicited = str(IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | own & 0xFFFFFF))
        for group in ("ff02::1:2", "ff02::1", solicited):
            self.answer("nla", b"all", group)
        self.until(lambda: len(self.told["nla"]) > 1)
        self.assertEqual(
            self.told["nla"],
            [(DiscardReason.MULTICAST, "sent to ff02::1"), (DiscardReason.MULTICAST, f"sent to {solicited}")],
        )

    def test_fragments(self) -> None:
        """R-D-05, R-D-06: datagrams much longer than the link's MTU come in whole, up to 65,527 octets, and go out."""
        for size in (3000, 60000, 65527 - 8):
            self.told["nla"].clear()
            self.answer("nla", bytes(size))
            self.until(lambda: self.told["nla"])
            self.assertEqual(self.told["nla"], [(bytes(size), link_local("nla-isp"))])
        self.assertIsNone(self.ports["nla"].send(bytes(3000)))
        self.assertTrue(select.select([self.servers["nla"]], [], [], 5)[0])

    def test_wrong_link(self) -> None:
        """R-16-02: a port whose socket hears other links drops what came in by them."""
        told: list[str] = []
        for link in LINKS:
            self.ports[link].stop()
        anywhere = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        anywhere.bind(("::", 546))
        index = socket.if_nametoindex("nla")
        port = ClientPort(
            self.reactor, anywhere, index, lambda *_: told.append("taken"), lambda reason, *_: told.append(reason.name)
        )
        self.addCleanup(port.stop)
        port.startReading()
        self.answer("nlb", b"reply")
        self.answer("nla", b"reply")
        self.until(lambda: len(told) == 2)
        self.assertEqual(sorted(told), ["WRONG_LINK", "taken"])

    def test_link_down(self) -> None:
        """R-D-04: on a link that is down or gone sending fails, which is returned and counted, no more."""
        port = self.ports["nla"]
        ip("link set nla down")
        problem = port.send(b"solicit")
        assert problem is not None
        self.assertEqual(problem.errno, errno.ENETUNREACH)
        ip("link delete nla")
        self.assertIsNotNone(port.send(b"solicit"))
        self.turn(0.05)
        self.assertEqual(port.send_errors, {errno.ENETUNREACH: 2})
        self.answer("nlb", b"still there")
        self.until(lambda: self.told["nlb"])

    def test_error_without_data(self) -> None:
        """
        An error on the socket with nothing to read, for which the reactor lets go of a descriptor, is not the end of
        reading.
        """
        client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        client.bind(("::1", 0))
        name = client.getsockname()
        told: list[bytes] = []
        port = ClientPort(self.reactor, client, 0, lambda data, source: told.append(data), lambda *_: None)
        self.addCleanup(port.stop)
        port.startReading()
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as peer:
            peer.bind(("::1", 0))
            client.connect(peer.getsockname())
            address = peer.getsockname()
        client.send(b"to a port that is closed")
        self.until(lambda: port.read_errors)
        self.assertEqual(port.read_errors, {errno.ECONNREFUSED: 1})
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as peer:
            peer.bind(address)
            peer.sendto(b"after all", name)
            self.until(lambda: told)
        self.assertEqual(told, [b"after all"])

    def test_flood(self) -> None:
        """In a flood the clock's calls are made in time."""
        late: list[float] = []
        destination = (link_local("nla"), 546, 0, socket.if_nametoindex("nla-isp"))
        due = self.clock.seconds() + 0.02
        self.clock.callLater(0.02, lambda: late.append(self.clock.seconds() - due))
        while not late:
            with contextlib.suppress(BlockingIOError):
                for _ in range(500):
                    self.servers["nla"].sendto(b"x" * 100, destination)
            self.turn(0)
        self.assertLess(late[0], 0.5)
        self.assertTrue(self.told["nla"])
