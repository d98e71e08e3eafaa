"""
The netlink room on a real kernel: what Linux sends, held to what L{pdlease.netlink.table} says it sends.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable
from errno import EINVAL, ENODEV
from ipaddress import IPv6Interface, IPv6Network, ip_interface
from math import inf
from typing import Any

from attrs import evolve
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg
from twisted.trial.unittest import SynchronousTestCase

from pdlease.clock import BootClock
from pdlease.kernel import UNREACHABLE, KernelAddress, Link
from pdlease.netlink import codec
from pdlease.netlink.links import LinkWatch
from pdlease.netlink.notices import AddressNotice, LinkNotice, RouteNotice
from pdlease.netlink.requests import Answer, Marks, answers, encode, encode_link_query, is_done, messages, read_link
from pdlease.operations import (
    INFINITE,
    Operation,
    PutAddress,
    PutRoute,
    PutUnreachable,
    RemoveAddress,
    RemoveRoute,
    RemoveUnreachable,
)
from tests.descriptors import FakeReactor
from tests.live.namespace import enter_namespace, ip, set_ipv6, wait_for
from tests.live.require import needs, network_namespaces

OURS = 154
MARKS = Marks(route=OURS, address=OURS)
ADDRESS = IPv6Interface("2001:db8:0:1::1/64")
SUBNET = IPv6Network("2001:db8:0:1::/64")
PREFIX = IPv6Network("2001:db8::/56")
SOL_NETLINK, ADD_MEMBERSHIP, CAP_ACK, EXT_ACK, STRICT = 270, 1, 10, 11, 12


def route_socket(buffer: int = 0) -> socket.socket:
    """A route socket as the daemon is given one."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    for option in (CAP_ACK, EXT_ACK, STRICT):
        made.setsockopt(SOL_NETLINK, option, 1)
    if buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    made.bind((0, 0))
    for group in codec.GROUPS:
        made.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, group)
    return made


class Requests:
    """A blocking socket that operations are done with, as the helper does."""

    def __init__(self, test: SynchronousTestCase) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        test.addCleanup(self._socket.close)
        for option in (CAP_ACK, EXT_ACK):
            self._socket.setsockopt(SOL_NETLINK, option, 1)
        self._socket.bind((0, 0))

    def ask(self, request: bytes) -> bytes:
        self._socket.send(request)
        return self._socket.recv(65536)

    def do(self, operation: Operation) -> Answer:
        (answer,) = answers(self.ask(encode(operation, 7, MARKS)))
        return answer

    def index(self, name: str) -> int:
        facts = read_link(self.ask(encode_link_query(1, name=name)))
        assert facts is not None
        return facts.index


def put_address(index: int, preferred: int = 100, valid: int = 200) -> PutAddress:
    """Say that the address is to be put on a link."""
    return PutAddress(link="nla", index=index, address=ADDRESS, preferred=preferred, valid=valid)


def put_route(index: int, expires: int = 200, table: int = 254, metric: int = 256) -> PutRoute:
    """Say that the on-link route is to be put on a link."""
    return PutRoute(link="nla", index=index, prefix=SUBNET, expires=expires, table=table, metric=metric)


@needs(network_namespaces)
class RequestTests(SynchronousTestCase):
    """What the kernel makes of the requests."""

    def setUp(self) -> None:
        enter_namespace(self)
        ip("link add nla type veth peer name nlb")
        ip("link set nla up")
        ip("link set nlb up")
        self.kernel = Requests(self)
        self.index = self.kernel.index("nla")

    def test_link(self) -> None:
        """A link is found by name and by index, with its kind; one that is not there is an error in words."""
        facts = read_link(self.kernel.ask(encode_link_query(3, index=self.index)))
        assert facts is not None
        self.assertEqual((facts.index, facts.name, facts.kind), (self.index, "nla", "veth"))
        loopback = read_link(self.kernel.ask(encode_link_query(3, name="lo")))
        assert loopback is not None
        self.assertEqual((loopback.index, loopback.kind), (1, None))
        for query in (encode_link_query(3, index=4711), encode_link_query(3, name="nowhere")):
            (answer,) = answers(self.kernel.ask(query))
            self.assertEqual((answer.sequence, answer.errno, answer.reason), (3, ENODEV, "No such device"))

    def test_address(self) -> None:
        """An address is made with mark, flags and lifetimes, replaced without a gap, and removed; twice is once."""
        for _ in range(2):
            self.assertEqual(self.kernel.do(put_address(self.index)).errno, 0)
        shown = ip("-6 -d address show dev nla scope global")
        self.assertIn("2001:db8:0:1::1/64 scope global", shown)
        self.assertIn("noprefixroute", shown)
        self.assertRegex(shown, r"valid_lft (200|199)sec preferred_lft (100|99)sec")
        self.assertNotIn("2001:db8:0:1::/64", ip("-6 route show table main"))
        self.assertEqual(self.kernel.do(put_address(self.index, 0, INFINITE)).errno, 0)
        self.assertRegex(
            ip("-6 address show dev nla scope global"), r"deprecated.*\n.*valid_lft forever preferred_lft 0sec"
        )
        remove = RemoveAddress(link="nla", index=self.index, address=ADDRESS)
        self.assertEqual(self.kernel.do(remove).errno, 0)
        self.assertEqual(ip("-6 address show dev nla scope global"), "")
        self.assertTrue(is_done(remove, self.kernel.do(remove).errno))

    def test_words(self) -> None:
        """Errors come with the kernel's own words, which say more than those of the error number."""
        wrong = (put_address(self.index, 300, 200), put_address(self.index, 0, 0), put_address(4711))
        told = [(answer.errno, answer.reason) for answer in map(self.kernel.do, wrong)]
        self.assertEqual([number for number, _ in told], [EINVAL, EINVAL, ENODEV])
        self.assertTrue(all(reason.startswith("ipv6:") for _, reason in told), told)

    def test_gone_link(self) -> None:
        """Removing something from a link that is gone is done."""
        address = RemoveAddress(link="nla", index=4711, address=ADDRESS)
        route = RemoveRoute(link="nla", index=4711, prefix=SUBNET, table=254, metric=256)
        for operation in (address, route):
            self.assertTrue(is_done(operation, self.kernel.do(operation).errno))

    def test_routes(self) -> None:
        """On-link routes are made, refreshed and removed in any table, and carry our protocol number."""
        for table in (254, 1000):
            for expires in (200, INFINITE):
                self.assertEqual(self.kernel.do(put_route(self.index, expires, table)).errno, 0)
        shown = ip("-6 -d route show table all proto 154")
        self.assertEqual(shown.count("unicast 2001:db8:0:1::/64 dev nla"), 2)
        self.assertNotIn("expires", shown)
        for table in (254, 1000):
            remove = RemoveRoute(link="nla", index=self.index, prefix=SUBNET, table=table, metric=256)
            self.assertEqual(self.kernel.do(remove).errno, 0)
            self.assertTrue(is_done(remove, self.kernel.do(remove).errno))
        self.assertEqual(ip("-6 route show table all proto 154"), "")

    def test_unreachable(self) -> None:
        """An unreachable route is made, refreshed, removed; its removal spares an on-link route of the same prefix."""
        put = PutUnreachable(link="wan", prefix=PREFIX, expires=200, table=254, metric=4096)
        remove = RemoveUnreachable(link="wan", prefix=PREFIX, table=254, metric=4096)
        for _ in range(2):
            self.assertEqual(self.kernel.do(put).errno, 0)
        self.assertEqual(ip("-6 route show table all proto 154").count("unreachable 2001:db8::/56"), 1)
        self.assertEqual(self.kernel.do(remove).errno, 0)
        self.assertTrue(is_done(remove, self.kernel.do(remove).errno))
        self.assertEqual(self.kernel.do(put_route(self.index)).errno, 0)
        same = RemoveUnreachable(link="wan", prefix=SUBNET, table=254, metric=256)
        self.assertTrue(is_done(same, self.kernel.do(same).errno))
        self.assertIn("2001:db8:0:1::/64 dev nla", ip("-6 route show proto 154"))

    def test_unreachable_never_expires(self) -> None:
        """
        The kernel forgets the lifetime of an unreachable route.  If this fails the kernel has learnt it, and
        L{pdlease.netlink.requests} and L{pdlease.difference} say something that is no longer true.
        """
        self.kernel.do(PutUnreachable(link="wan", prefix=PREFIX, expires=200, table=254, metric=4096))
        self.assertNotIn("expires", ip("-6 route show proto 154"))


@needs(network_namespaces)
class CodecTests(SynchronousTestCase):
    """What the kernel tells is read alike by our hand codec and by pyroute2's own classes (design 17)."""

    def dump(self, request: bytes) -> list[bytes]:
        """Every message of a dump's answer, with its header."""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
            asking.setsockopt(SOL_NETLINK, STRICT, 1)
            asking.bind((0, 0))
            asking.send(request)
            parts = []
            while True:
                data = asking.recv(65536)
                for kind, flags, sequence, body in messages(data):
                    if kind in (2, 3):
                        return parts
                    parts.append(struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body)

    def read(self, kind: Any, data: bytes) -> Any:
        read = kind(data)
        read.decode()
        return read

    def test_alike(self) -> None:
        """Links of several kinds, addresses and routes, from the octets that the kernel sends."""
        enter_namespace(self)
        ip("link add nla type veth peer name nlb")
        ip("link add br0 type bridge")
        ip("link add mv0 link nlb type macvlan")
        ip("link set nla master br0")
        ip("link set nlb alias the-other-end group 7 mtu 1400 up")
        ip("link set nla up")
        ip("link set br0 up")
        ip("address add 2001:db8::1/64 dev nlb valid_lft 1000 preferred_lft 500 noprefixroute")
        ip("address add 2001:db8::5 peer 2001:db8::6/128 dev br0")
        ip("-6 route add 2001:db8:5::/64 dev nlb proto 154 metric 99 table 1000 expires 777")
        ip("-6 route add unreachable 2001:db8:6::/64 proto 154")
        links = self.dump(codec.request_links(1))
        self.assertGreaterEqual(len(links), 5)
        for data in links:
            (notice,) = codec.decode(data, 0.0, OURS)
            assert isinstance(notice, LinkNotice)
            self.assertEqual(notice.link, self.link(self.read(ifinfmsg, data)))
        addresses = self.dump(codec.request_addresses(1))
        self.assertGreaterEqual(len(addresses), 4)
        for data in addresses:
            (told,) = codec.decode(data, 0.0, OURS)
            assert isinstance(told, AddressNotice)
            self.assertEqual(told.address, self.address(self.read(ifaddrmsg, data)))
        routes = self.dump(codec.request_routes(1, OURS))
        self.assertEqual(len(routes), 2)
        for data in routes:
            (heard,) = codec.decode(data, 0.0, OURS)
            assert isinstance(heard, RouteNotice)
            theirs = self.read(rtmsg, data)
            self.assertEqual(
                (str(heard.route.prefix), heard.route.table, heard.route.metric, heard.route.protocol),
                (
                    f"{theirs.get_attr('RTA_DST')}/{theirs['dst_len']}",
                    theirs.get_attr("RTA_TABLE"),
                    theirs.get_attr("RTA_PRIORITY"),
                    theirs["proto"],
                ),
            )
            ticks = theirs.get_attr("RTA_CACHEINFO")["rta_expires"]
            self.assertEqual(heard.route.valid_until, ticks / 100 if ticks else inf)
            self.assertEqual(heard.route.index, None if heard.route.kind == UNREACHABLE else theirs.get_attr("RTA_OIF"))

    @staticmethod
    def link(theirs: Any) -> Link:
        made_by = theirs.get_attr("IFLA_LINKINFO")
        flags = theirs["flags"]
        state = theirs.get_attr("IFLA_OPERSTATE")
        return Link(
            index=theirs["index"],
            name=theirs.get_attr("IFLA_IFNAME"),
            kind=made_by.get_attr("IFLA_INFO_KIND") if made_by else None,
            is_up=bool(flags & 1),
            has_carrier=bool(flags & 1 and flags & 0x10000) and state in ("UP", "UNKNOWN"),
            link_layer_address=bytes.fromhex((theirs.get_attr("IFLA_ADDRESS") or "").replace(":", "")),
            hardware_type=theirs["ifi_type"],
            mtu=theirs.get_attr("IFLA_MTU"),
            master=theirs.get_attr("IFLA_MASTER"),
            alias=theirs.get_attr("IFLA_IFALIAS"),
            group=theirs.get_attr("IFLA_GROUP"),
            ipv6_disabled=bool(theirs.get_nested("IFLA_AF_SPEC", "AF_INET6", "IFLA_INET6_CONF")["disable_ipv6"]),
        )

    @staticmethod
    def address(theirs: Any) -> KernelAddress:
        times = theirs.get_attr("IFA_CACHEINFO")
        return KernelAddress(
            index=theirs["index"],
            address=ip_interface(
                f"{theirs.get_attr('IFA_LOCAL') or theirs.get_attr('IFA_ADDRESS')}/{theirs['prefixlen']}"
            ),
            flags=theirs.get_attr("IFA_FLAGS"),
            preferred_until=inf if times["ifa_preferred"] == INFINITE else float(times["ifa_preferred"]),
            valid_until=inf if times["ifa_valid"] == INFINITE else float(times["ifa_valid"]),
            protocol=theirs.get_attr("IFA_PROTO"),
        )


@needs(network_namespaces)
class WatchTests(SynchronousTestCase):
    """What becomes of the table when the kernel's state changes."""

    def setUp(self) -> None:
        enter_namespace(self)
        ip("link add nla type veth peer name nlb")
        ip("link set nla up")
        ip("link set nlb up")
        self.kernel = Requests(self)
        self.index = self.kernel.index("nla")
        self.begin()

    def begin(self, buffer: int = 0) -> None:
        self.reactor = FakeReactor()
        self.clock = BootClock(self.reactor)  # type: ignore[arg-type]
        self.addCleanup(self.clock.close)
        self.watch = LinkWatch(self.reactor, self.clock, route_socket(buffer), OURS)  # type: ignore[arg-type]
        self.addCleanup(self.watch.stop)
        self.told: list[frozenset[str]] = []
        self.watch.listen(self.told.append)
        ready = self.watch.start()
        self.until(lambda: ready.called)
        self.until(lambda: self.link_local("nla") and self.link_local("nlb"))

    def turn(self, seconds: float) -> None:
        for reader in select.select(self.reactor.readers, [], [], seconds)[0]:
            reader.doRead()

    def until(self, condition: Callable[[], object]) -> None:
        wait_for(condition, self.turn)

    def link_local(self, name: str) -> bool:
        link = self.watch.link_named(name)
        return link is not None and any(
            address.is_link_local and not found.tentative
            for (index, address), found in self.watch.addresses.items()
            if index == link.index
        )

    def put_all(self) -> None:
        """Put an address, an on-link route and an unreachable route, and hear of them."""
        for operation in (
            put_address(self.index),
            put_route(self.index),
            PutUnreachable(link="wan", prefix=PREFIX, expires=200, table=254, metric=4096),
        ):
            self.assertEqual(self.kernel.do(operation).errno, 0)
        self.until(lambda: self.has_address() and len(self.watch.routes) == 2)

    def has_address(self) -> bool:
        return (self.index, ADDRESS.ip) in self.watch.addresses

    @property
    def link(self) -> Link:
        return self.watch.links[self.index]

    def state(self) -> tuple[object, ...]:
        """The table without what the kernel's rounding may change."""
        return (
            dict(self.watch.links),
            {key: evolve(found, preferred_until=0, valid_until=0) for key, found in self.watch.addresses.items()},
            {key: evolve(found, valid_until=0) for key, found in self.watch.routes.items()},
        )

    def check(self) -> None:
        """Whatever was heard, asking for everything anew finds nothing else."""
        for _ in range(5):
            self.turn(0.02)
        before = self.state()
        self.told.clear()
        dumps = self.watch.dumps
        self.watch.ask_again()
        self.until(lambda: self.watch.dumps > dumps and self.watch._step is None)
        self.assertEqual(self.state(), before)
        self.assertEqual(self.told, [])

    def test_put(self) -> None:
        """What we put is heard with our mark, its lifetimes, and on its link."""
        self.put_all()
        address = self.watch.addresses[self.index, ADDRESS.ip]
        self.assertEqual((address.address, address.protocol), (ADDRESS, OURS))
        self.assertLess(abs(address.valid_until - self.clock.seconds() - 200), 5)
        self.assertLess(abs(address.preferred_until - self.clock.seconds() - 100), 5)
        on_link = self.watch.routes[SUBNET, self.index, 254, 256]
        self.assertLess(abs(on_link.valid_until - self.clock.seconds() - 200), 5)
        self.assertEqual(self.watch.routes[PREFIX, None, 254, 4096].kind, UNREACHABLE)
        self.check()

    def test_ipv6_disabled_and_enabled(self) -> None:
        """disable_ipv6 takes addresses and on-link routes away, and is known itself; so is its end."""
        self.put_all()
        set_ipv6("nla", "disable_ipv6", 1)
        self.until(lambda: self.link.ipv6_disabled)
        self.assertFalse(self.has_address())
        self.assertEqual(set(self.watch.routes), {(PREFIX, None, 254, 4096)})
        self.check()
        set_ipv6("nla", "disable_ipv6", 0)
        self.until(lambda: not self.link.ipv6_disabled and self.link_local("nla"))
        self.check()

    def test_ipv6_of_a_link_that_is_down(self) -> None:
        """For a link that is down disable_ipv6 changes without a word; asked for, it is known."""
        ip("link set nla down")
        self.until(lambda: not self.link.is_up)
        for value in (1, 0):
            set_ipv6("nla", "disable_ipv6", value)
            self.turn(0.05)
            self.assertEqual(self.link.ipv6_disabled, not value)
            self.watch.ask_link(self.index)
            self.until(lambda expected=bool(value): self.link.ipv6_disabled == expected)
        self.check()

    def test_renamed(self) -> None:
        """A link that is renamed while up keeps everything, under its new name."""
        self.put_all()
        ip("link set nla name nlc")
        self.until(lambda: self.watch.link_named("nlc"))
        self.assertIsNone(self.watch.link_named("nla"))
        self.assertIn(frozenset({"nla", "nlc"}), self.told)
        self.assertTrue(self.has_address())
        self.check()

    def test_flushed(self) -> None:
        """Addresses that somebody flushed are gone; a route that stands for itself stays."""
        self.put_all()
        ip("-6 address flush dev nla scope global")
        self.until(lambda: not self.has_address())
        self.assertEqual(len(self.watch.routes), 2)
        self.check()

    def test_down_and_up(self) -> None:
        """A link that goes down loses addresses and on-link routes; up again it has a link-local address."""
        self.put_all()
        ip("link set nla down")
        self.until(lambda: not self.link.is_up and not self.has_address())
        self.assertEqual(set(self.watch.routes), {(PREFIX, None, 254, 4096)})
        self.check()
        ip("link set nla up")
        self.until(lambda: self.link.is_up and self.link.has_carrier and self.link_local("nla"))
        self.check()

    def test_carrier(self) -> None:
        """A veth whose other end goes down has no carrier, but keeps what it has."""
        self.put_all()
        ip("link set nlb down")
        self.until(lambda: not self.link.has_carrier)
        self.assertTrue(self.link.is_up and self.has_address())
        self.check()
        ip("link set nlb up")
        self.until(lambda: self.link.has_carrier)

    def test_bridge(self) -> None:
        """A link that goes into a bridge and out again is there all the time."""
        self.put_all()
        ip("link add br0 type bridge")
        ip("link set nla master br0")
        self.until(lambda: self.link.master == self.kernel.index("br0"))
        self.check()
        ip("link set nla nomaster")
        self.until(lambda: self.link.master is None)
        self.assertTrue(self.has_address())
        self.check()

    def test_small_mtu(self) -> None:
        """Below 1280 octets a link loses IPv6 with all its addresses, without being down or disabled."""
        self.put_all()
        ip("link set nla mtu 1200")
        self.until(lambda: not self.has_address() and self.link.mtu == 1200)
        self.check()
        ip("link set nla mtu 1500")
        self.until(lambda: self.link_local("nla"))
        self.check()

    def test_deleted(self) -> None:
        """A link that is deleted is gone with all that was on it; one made anew under its name is another."""
        self.put_all()
        ip("link delete nla")
        self.until(lambda: self.watch.link_named("nla") is None)
        self.assertEqual((set(self.watch.links), set(self.watch.routes)), ({1}, {(PREFIX, None, 254, 4096)}))
        self.check()
        ip("link add nla type veth peer name nlb")
        self.until(lambda: self.watch.link_named("nla"))
        self.assertNotIn(self.index, self.watch.links)

    def test_attributes(self) -> None:
        """Description, group and link-layer address are known as soon as they change."""
        ip("link set nla alias uplink group 7 address 02:00:00:00:00:07")
        self.until(
            lambda: (
                (self.link.alias, self.link.group, self.link.link_layer_address) == ("uplink", 7, b"\x02\0\0\0\0\x07")
            )
        )

    def test_run_out(self) -> None:
        """An address is deprecated and removed by the kernel in time, and both are heard."""
        self.kernel.do(put_address(self.index, 1, 2))
        self.until(self.has_address)
        self.until(lambda: self.watch.addresses[self.index, ADDRESS.ip].deprecated)
        self.assertEqual(self.watch.addresses[self.index, ADDRESS.ip].preferred_until, 0.0)
        self.until(lambda: not self.has_address())

    def test_replaced(self) -> None:
        """
        A route that takes the place of ours, of another link or of another's making, leaves ours nowhere; the kernel
        says not a word of it.
        """
        self.put_all()
        other = self.kernel.index("nlb")
        self.kernel.do(put_route(other))
        self.until(lambda: (SUBNET, other, 254, 256) in self.watch.routes)
        self.assertNotIn((SUBNET, self.index, 254, 256), self.watch.routes)
        self.check()
        ip("-6 route replace 2001:db8:0:1::/64 dev nlb metric 256 proto static")
        self.until(lambda: (SUBNET, other, 254, 256) not in self.watch.routes)
        self.check()

    def test_foreign_routes(self) -> None:
        """Routes of others are not kept, however many there are."""
        ip("-6 route add 2001:db8:77::/64 dev nla proto static")
        self.put_all()
        self.check()
        self.assertEqual(len(self.watch.routes), 2)

    def addresses6(self) -> list[KernelAddress]:
        """The IPv6 addresses that are known of."""
        return [address for (_, ip), address in self.watch.addresses.items() if ip.version == 6]

    def test_overrun(self) -> None:
        """
        More changes than the receive buffer holds: after the flood one round of dumps makes the table right, and
        listeners hear of the difference.
        """
        self.watch.stop()
        self.begin(buffer=4096)
        self.told.clear()
        for number in range(300):
            address = IPv6Interface(f"2001:db8:0:2::{number + 1:x}/64")
            operation = PutAddress(link="nla", index=self.index, address=address, preferred=100, valid=200)
            self.assertEqual(self.kernel.do(operation).errno, 0)
        self.until(lambda: len(self.addresses6()) >= 303)
        self.assertGreaterEqual(self.watch.overruns, 1)
        self.assertLessEqual(self.watch.dumps, 3)
        self.assertTrue(self.told)
        self.check()
        ip("-6 address flush dev nla scope global")
        self.until(lambda: len(self.addresses6()) == 3)
        self.check()

    def test_idle(self) -> None:
        """While the kernel is silent nothing wakes the reactor."""
        self.put_all()
        self.check()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(select.select(self.reactor.readers, [], [], 0.3)[0], [])
