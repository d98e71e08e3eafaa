"""
Privilege providers on a real kernel, in a network namespace made for each test.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import time
from collections.abc import Iterable
from ipaddress import IPv6Network
from typing import Any

from attrs import evolve

from pdlease.config.model import ON_LINK_METRIC
from pdlease.interfaces import IPrivilege, IPrivilegeFactory
from pdlease.netlink.requests import answers, messages
from pdlease.operations import (
    INFINITE,
    DisableIPv6,
    EnableIPv6,
    Operation,
    RemoveAddress,
    RemoveRoute,
    RemoveUnreachable,
    SetDown,
    SetLinkAddress,
)
from pdlease.privilege import dryrun, helper, inprocess
from pdlease.testing import PrivilegeContract
from tests.live.network import until
from tests.live.privilege import TOML, NamespaceCase, done, ip, kernel_state, outcome, refused
from tests.live.require import root, stop_without

GUESTS = """
[switches.lab]
link = "br0"
[guests.web1]
id = 1
[[guests.web1.nics]]
link = "tap0"
switch = "lab"
[[guests.web1.nics]]
link = "tap1"
local = true
"""


NEWADDR, DELADDR = 20, 21


class Contract(PrivilegeContract, NamespaceCase):
    """The contract of all providers, in a namespace."""

    made: Any = None
    toml = TOML + GUESTS
    nic, port, bridge = "tap1", "tap0", "br0"
    nic_address = "100.64.1.4/31"

    def setUp(self) -> None:
        NamespaceCase.setUp(self)
        self.index = self.indexes["lan0"]
        ip("link", "add", "br0", "type", "bridge")
        for name in ("tap0", "tap1"):
            ip("link", "add", name, "type", "veth", "peer", "name", f"{name}p")
        self.nic_index, self.port_index, self.bridge_index = map(socket.if_nametoindex, ("tap1", "tap0", "br0"))

    def create(self) -> IPrivilege:
        return self.build(self.made)

    def factory(self) -> IPrivilegeFactory:
        return self.made


class HelperContractTests(Contract):
    made = helper.factory


class InProcessContractTests(Contract):
    made = inprocess.factory


class DryRunContractTests(Contract):
    made = dryrun.factory
    carries_out = False


del Contract


class DryRunBehaviourTests(NamespaceCase):
    """What L{pdlease.privilege.dryrun} asks the kernel for."""

    async def test_left_by_an_earlier_run(self) -> None:
        """
        Of a link that is in no configuration it would undo what the others would, by its description; nothing happens.
        """
        for name, alias in (("tap0", "vm1-if0-web1"), ("tap1", "mine")):
            ip("tuntap", "add", name, "mode", "tap")
            ip("link", "set", name, "alias", alias, "up")
        before = kernel_state()
        provider = self.build(dryrun.factory)
        await provider.start()
        await done(provider, SetDown(link="tap0", index=socket.if_nametoindex("tap0")))
        error = await refused(provider, SetDown(link="tap1", index=socket.if_nametoindex("tap1")))
        self.assertEqual(error.reason, "link: tap1 is no configured link of a switch or guest")
        self.assertEqual(kernel_state(), before)


class KernelBehaviour(NamespaceCase):
    """
    What C{helper} and C{inprocess} do to the kernel, and what they refuse.
    """

    made: Any = None

    async def started(self) -> IPrivilege:
        """A provider that is ready."""
        provider = self.build(self.made)
        self.assertEqual(await provider.start(), self.source)
        return provider

    async def test_address_with_lifetimes_and_mark(self) -> None:
        """
        An address has the lifetimes asked for, our mark, and no route that the kernel made for it; a second time
        changes the lifetimes of the one that is there.
        """
        provider = await self.started()
        await done(provider, self.address())
        shown = ip("-6", "address", "show", "dev", "lan0", "scope", "global")
        self.assertRegex(shown, r"2001:db8:0:1::1/64 scope global (tentative )?(dynamic )?noprefixroute (proto 0x9a )?")
        self.assertRegex(shown, r"valid_lft (600|599)sec preferred_lft (300|299)sec")
        self.assertNotIn("2001:db8", ip("-6", "route"))
        await done(provider, evolve(self.address(), preferred=0, valid=INFINITE))
        shown = ip("-6", "address", "show", "dev", "lan0", "scope", "global")
        self.assertRegex(shown, r"deprecated")
        self.assertRegex(shown, r"valid_lft forever preferred_lft 0sec")

    async def test_address_with_another_length(self) -> None:
        """
        The same address with another prefix length replaces it: the kernel alone would keep the old length.
        """
        provider = await self.started()
        await done(provider, self.address("2001:db8:0:10::1/60", "lan1"), self.address("2001:db8:0:10::1/64", "lan1"))
        shown = ip("-6", "-o", "address", "show", "dev", "lan1", "scope", "global").splitlines()
        self.assertEqual([line.split()[3] for line in shown], ["2001:db8:0:10::1/64"])

    async def test_replaced_without_a_gap(self) -> None:
        """
        W20, P11: other lifetimes are given to the very address that is there: the kernel tells of no removal in
        between, nor does it look for duplicates again; a local address for ever is no other case.
        """
        self.write(TOML + GUESTS + '[local]\ninet6 = "fd12:3456:789a:bcde::/64"\n')
        ip("link", "add", "tap1", "type", "veth", "peer", "name", "tap1p")
        for end in ("tap1", "tap1p"):
            ip("link", "set", end, "up")
        self.indexes["tap1"] = socket.if_nametoindex("tap1")
        for link in ("lan0", "tap1"):
            for setting in ("accept_dad", "dad_transmits"):
                with open(f"/proc/sys/net/ipv6/conf/{link}/{setting}", "w") as file:
                    file.write("1")
        provider = await self.started()
        local = evolve(self.address("fd12:3456:789a:bcde:6440:105:0:1/96", "tap1"), preferred=INFINITE, valid=INFINITE)
        changed = [evolve(self.address(), preferred=preferred, valid=900) for preferred in (600, 0, 900)]
        await done(provider, self.address(), local)
        until(lambda: not ip("-6", "address", "show", "tentative"), 10, "duplicate address detection to end")
        with await provider.open_route_socket() as heard:
            await done(provider, *changed, local, evolve(changed[0], valid=INFINITE, preferred=INFINITE))
            told = []
            with contextlib.suppress(BlockingIOError):
                while data := heard.recv(65536):
                    told += [kind for kind, _, _, _ in messages(data)]
        self.assertEqual(told.count(NEWADDR), 5)
        self.assertNotIn(DELADDR, told)
        self.assertEqual(ip("-6", "address", "show", "tentative"), "")

    async def test_link_layer_address(self) -> None:
        """
        P12, W12: a link-layer address is set; where the link can have none the answer says so in the kernel's words.
        """
        self.write(TOML + GUESTS)
        ip("tuntap", "add", "tap0", "mode", "tun")
        ip("tuntap", "add", "tap1", "mode", "tap")
        provider = await self.started()
        address = bytes.fromhex("02005e100001")
        tun, tap = (
            SetLinkAddress(link=name, index=socket.if_nametoindex(name), address=address) for name in ("tap0", "tap1")
        )
        error = await refused(provider, tun)
        self.assertEqual(error.errno, errno.EOPNOTSUPP)
        self.assertTrue(error.reason)
        await done(provider, tap)
        self.assertIn("link/ether 02:00:5e:10:00:01", ip("link", "show", "tap1"))

    async def test_routes(self) -> None:
        """
        An on-link route with expiry and an unreachable route come, are refreshed, and go.
        """
        provider = await self.started()
        await done(provider, self.route(), self.unreachable())
        await done(provider, evolve(self.route(), expires=900), self.unreachable())
        shown = ip("-6", "route", "show", "proto", "154")
        self.assertRegex(shown, rf"2001:db8:0:1::/64 dev lan0 metric {ON_LINK_METRIC} expires (900|899)sec")
        self.assertIn("unreachable 2001:db8::/56 dev lo metric 4096", shown)
        on_link, unreachable = self.route(), self.unreachable()
        await done(
            provider,
            RemoveRoute(
                link="lan0", index=on_link.index, prefix=on_link.prefix, table=on_link.table, metric=on_link.metric
            ),
            RemoveUnreachable(link="wan0", prefix=unreachable.prefix, table=254, metric=4096),
        )
        self.assertEqual(ip("-6", "route", "show", "proto", "154"), "")

    async def test_ipv6_switched_on_and_off(self) -> None:
        """
        IPv6 is switched on for a downstream that has it off, and off again; no address does so by the way (P11, W14).
        """
        path = "/proc/sys/net/ipv6/conf/lan0/disable_ipv6"
        with open(path, "w") as file:
            file.write("1")
        provider = await self.started()
        error = await refused(provider, self.address())
        # "ipv6: IPv6 is disabled on this device", or an older kernel's "Permission denied"
        self.assertEqual((error.errno, error.reason != ""), (errno.EACCES, True))
        await done(provider, EnableIPv6(link="lan0", index=self.indexes["lan0"]))
        with open(path) as file:
            self.assertEqual(file.read(), "0\n")
        await done(provider, self.address(), DisableIPv6(link="lan0", index=self.indexes["lan0"]))
        with open(path) as file:
            self.assertEqual(file.read(), "1\n")

    async def test_ipv6_is_not_switched_off_under_others(self) -> None:
        """
        IPv6 is not switched off for a link that has an address of somebody else, or a route, alone or among others of
        the same destination, nor for a link that was never ours.
        """
        provider = await self.started()
        index = self.indexes["lan0"]
        hops = ("nexthop", "via", "fe80::1", "dev", "lan0", "nexthop", "via", "fe80::2", "dev", "other0")
        for to in ("2001:db8:77::/48", "default"):
            way = ("dev", "lan0", "table", "77") if to != "default" else hops
            ip("-6", "route", "add", to, *way)
            before = kernel_state()
            error = await refused(provider, DisableIPv6(link="lan0", index=index))
            shown = "::/0" if to == "default" else to
            self.assertEqual(error.reason, f"index: the route to {shown} would go, which is not ours")
            self.assertEqual(kernel_state(), before)
            ip("-6", "route", "delete", to, *way)
        ip("address", "add", "2001:db8:99::1/64", "dev", "lan0")
        before = kernel_state()
        error = await refused(provider, DisableIPv6(link="lan0", index=self.indexes["lan0"]))
        self.assertEqual(error.reason, "index: 2001:db8:99::1 would go, which is not ours")
        error = await refused(provider, DisableIPv6(link="lan0", index=self.indexes["other0"]))
        self.assertEqual(error.reason, f"index: {self.indexes['other0']} is other0, no downstream of ours")
        await refused(provider, EnableIPv6(link="lan0", index=self.indexes["other0"]))
        self.assertEqual(kernel_state(), before)

    async def test_other_peoples_addresses_are_left_alone(self) -> None:
        """
        An address that does not carry our mark is neither changed nor removed.
        """
        ip("address", "add", "2001:db8:0:1::1/64", "dev", "lan0")
        provider = await self.started()
        before = kernel_state()
        error = await refused(provider, self.address())
        self.assertEqual((error.errno, error.reason), (0, "address: it is there and is not ours"))
        put = self.address()
        error = await refused(provider, RemoveAddress(link="lan0", index=put.index, address=put.address))
        self.assertEqual((error.errno, error.reason), (0, "address: it is not ours"))
        self.assertEqual(kernel_state(), before)

    async def test_other_peoples_routes_are_left_alone(self) -> None:
        """
        A route that does not carry our protocol number is neither replaced nor removed.
        """
        metric = str(ON_LINK_METRIC)
        ip("-6", "route", "add", "2001:db8:0:1::/64", "dev", "other0", "metric", metric, "proto", "static")
        ip("-6", "route", "add", "unreachable", "2001:db8::/56", "metric", "4096", "proto", "static")
        provider = await self.started()
        before = kernel_state()
        for operation in (self.route(), self.unreachable()):
            error = await refused(provider, operation)
            self.assertEqual((error.errno, error.reason), (0, "prefix: a route that is not ours stands there"))
        route = self.route()
        await done(
            provider,
            RemoveRoute(
                link="lan0", index=self.indexes["other0"], prefix=route.prefix, table=254, metric=ON_LINK_METRIC
            ),
            RemoveUnreachable(link="wan0", prefix=IPv6Network("2001:db8::/56"), table=254, metric=4096),
        )
        self.assertEqual(kernel_state(), before)

    async def test_what_an_earlier_process_made_is_ours(self) -> None:
        """
        What carries our mark is changed and removed by a provider that did not make it: a restart finds its own.
        """
        first = await self.started()
        await done(first, self.address(), self.route(), self.unreachable())
        await first.stop()
        second = await self.started()
        await done(second, self.address(valid=900), self.route(), self.unreachable())
        put = self.address()
        await done(second, RemoveAddress(link="renamed", index=put.index, address=put.address))
        self.assertEqual(ip("-6", "address", "show", "dev", "lan0", "scope", "global"), "")

    async def test_the_kernels_own_words(self) -> None:
        """
        What the kernel refuses is answered with its error number and its own words.
        """
        provider = await self.started()
        await done(provider, self.address("2001:db8:0:1::1/64", "lan0"))
        gone = evolve(self.address(), index=4711)
        error = await refused(provider, gone)
        self.assertEqual(error.errno, errno.ENODEV)
        self.assertEqual(error.operation, "add 2001:db8:0:1::1/64 to lan0")
        ip("link", "set", "lan1", "down")
        error = await refused(provider, self.route("2001:db8:0:10::/60", "lan1"))
        self.assertEqual(error.errno, errno.ENETDOWN)

    async def test_hostile_fields(self) -> None:
        """
        Whatever policy does not allow is refused with the field that is out of bounds, and changes nothing.
        """
        provider = await self.started()
        before = kernel_state()
        lan, route, unreachable = self.address(), self.route(), self.unreachable()
        other = self.indexes["other0"]
        cases: Iterable[tuple[str, Operation]] = (
            ("link", evolve(lan, index=other)),
            ("link", evolve(lan, link="other0", index=other)),
            ("link", evolve(lan, link="wan0", index=self.indexes["wan0"])),
            ("link", evolve(lan, link="lo", index=1)),
            ("link", evolve(lan, index=1)),
            ("address", self.address("ff02::1/64")),
            ("address", self.address("fe80::1/64")),
            ("address", self.address("::1/128")),
            ("address", self.address("2001:db8::1/48")),
            ("address", self.address("::ffff:1.2.3.4/128")),
            ("valid", evolve(lan, preferred=0, valid=0)),
            ("preferred", evolve(lan, preferred=10, valid=9)),
            ("link", evolve(route, index=other)),
            ("link", evolve(route, link="other0", index=other)),
            ("prefix", self.route("::/0")),
            ("prefix", self.route("2000::/3")),
            ("prefix", self.route("fe80::/64")),
            ("prefix", self.route("ff00::/64")),
            ("prefix", self.route("2001:db8::/63")),
            ("metric", evolve(route, metric=1)),
            ("table", evolve(route, table=255)),
            ("expires", evolve(route, expires=0)),
            ("link", evolve(unreachable, link="lan0")),
            ("prefix", self.unreachable("::/0")),
            ("prefix", self.unreachable("2000::/3")),
            ("prefix", self.unreachable("2001:d80::/27")),
            ("prefix", self.unreachable("fc00::/7")),
            ("table", evolve(unreachable, table=255)),
            ("table", evolve(unreachable, metric=1)),
        )
        for field, operation in cases:
            error = await refused(provider, operation)
            self.assertEqual((error.errno, error.reason.partition(":")[0]), (0, field), str(operation))
        self.assertEqual(kernel_state(), before)

    async def test_renamed_link(self) -> None:
        """
        A link that was renamed is not taken for the one that has its name now: the name of the index counts.
        """
        provider = await self.started()
        for old, new in (("lan0", "old"), ("other0", "lan0")):
            ip("link", "set", old, "down")
            ip("link", "set", old, "name", new)
            ip("link", "set", new, "up")
        error = await refused(provider, self.address())
        self.assertEqual(error.reason, f"link: index {self.indexes['lan0']} is old, not lan0")

    async def test_client_socket(self) -> None:
        """
        The client socket is bound to port 546 on one link, tells the destination of datagrams, does not block and is
        not inherited; while it is open there is no other for that link (EADDRINUSE).
        """
        provider = await self.started()
        with await provider.open_client_socket("wan0", self.indexes["wan0"]) as made:
            self.assertEqual(made.getsockname()[:2], ("::", 546))
            self.assertEqual(made.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0"), b"wan0")
            self.assertEqual(made.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY), 1)
            self.assertEqual(made.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO), 1)
            self.assertFalse(os.get_blocking(made.fileno()))
            self.assertFalse(made.get_inheritable())
            error = await outcome(provider.open_client_socket("wan0", self.indexes["wan0"]))
            assert error is not None
            self.assertEqual(
                (error.errno, str(error)), (errno.EADDRINUSE, "open port 546 on wan0: Address already in use")
            )
        for link, index in (("lan0", "lan0"), ("wan0", "lan0"), ("other0", "other0")):
            error = await outcome(provider.open_client_socket(link, self.indexes[index]))
            assert error is not None
            self.assertEqual((error.errno, error.reason[:5]), (0, "link:"))

    async def test_route_socket_hears(self) -> None:
        """
        The route socket hears of changes.
        """
        provider = await self.started()
        with await provider.open_route_socket() as made:
            self.assertFalse(made.get_inheritable())
            ip("link", "set", "other0", "down")
            self.assertGreater(len(made.recv(65536)), 16)

    async def test_route_socket_may_nothing(self) -> None:
        """
        The route socket is large; in the hands of a process without capabilities it changes nothing.
        """
        stop_without(self, root())
        provider = await self.started()
        with await provider.open_route_socket() as made:
            self.assertGreater(made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF), 1 << 20)
            # RTM_NEWLINK, other0 down, with an acknowledgement, sent by a child that is nobody
            body = struct.pack("=BxHiII", 0, 0, self.indexes["other0"], 0, 1)
            request = struct.pack("=IHHII", 16 + len(body), 16, 5, 1, 0) + body
            child = os.fork()
            if not child:
                os.setresuid(65534, 65534, 65534)
                made.send(request)
                os._exit(0)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            made.setblocking(True)
            (answer,) = answers(made.recv(65536))
            self.assertEqual(answer.errno, errno.EPERM)
            self.assertIn("UP", ip("-o", "link", "show", "other0").split("<")[1].split(">")[0].split(","))

    async def test_reload_changes_what_is_allowed(self) -> None:
        """
        After a reload that was adopted the new configuration counts, and not before: a link that came is served, one
        that went is refused, and what is on it can still be removed.
        """
        provider = await self.started()
        put = self.address()
        await done(provider, put)
        self.write(TOML.replace('"lan0"', '"other0"'))
        self.assertEqual(await provider.reload(), self.source)
        await done(provider, put)
        error = await refused(provider, self.address("2001:db8:0:2::1/64", "other0"))
        self.assertEqual(error.reason, "link: other0 is no configured downstream")
        await provider.adopt(self.source)
        await done(provider, self.address("2001:db8:0:2::1/64", "other0"))
        error = await refused(provider, put)
        self.assertEqual(error.reason, "link: lan0 is no configured downstream")
        await done(provider, RemoveAddress(link="lan0", index=put.index, address=put.address))
        self.assertEqual(ip("-6", "address", "show", "dev", "lan0", "scope", "global"), "")

    async def test_only_the_latest_reading_is_adopted(self) -> None:
        """
        What was read is forgotten when the file is read again: of two reloads at once the policy of the first is never
        put in force, and a file of many pages is not put together of two readings.
        """
        provider = await self.started()
        self.write(TOML.replace('"lan0"', '"other0"') + "#" * 100_000)
        first, source = provider.reload(), self.source
        self.write(TOML)
        second = provider.reload()
        failure = await outcome(first)
        if failure is not None:
            self.assertEqual(failure.errno, errno.ESTALE)
        self.assertEqual(await second, self.source)
        failure = await outcome(provider.adopt(source))
        assert failure is not None
        self.assertEqual(failure.errno, errno.ESTALE)
        await provider.adopt(self.source)
        await done(provider, self.address())

    async def test_wrong_configuration_is_not_taken(self) -> None:
        """
        A file that is wrong, or that others may write, is refused at reload; what was allowed stays allowed.
        """
        provider = await self.started()
        source = self.source.decode()
        self.write(source.replace("uplinks.wan]", "uplnks.wan]"))
        error = await outcome(provider.reload())
        assert error is not None
        self.assertIn("uplnks", error.reason)
        self.write(source)
        os.chmod(self.path, 0o666)
        error = await outcome(provider.reload())
        assert error is not None
        self.assertEqual(error.reason, f"{self.path} may be written by others (mode 0666)")
        await done(provider, self.address())

    async def test_large_configuration(self) -> None:
        """
        A configuration of more octets than one AMP value holds comes whole.
        """
        self.write(TOML + "# much is to be said here\n" * 8000)
        self.assertGreater(len(self.source), 3 * 65535)
        provider = await self.started()
        self.assertEqual(await provider.reload(), self.source)

    async def test_wrong_configuration_at_start(self) -> None:
        """
        A configuration that is wrong when the provider reads it is an error of its start, with all that is wrong.
        """
        provider = self.build(self.made)
        self.write('[uplinks.wan]\nlinnk = "wan0"\n[daemon]\nsandbox = "maybe"\n')
        error = await outcome(provider.start())
        assert error is not None
        self.assertIn("linnk", error.reason)
        self.assertIn("daemon.sandbox", error.reason)

    async def test_many_at_once(self) -> None:
        """
        A thousand addresses come in one call, in 0.2 s on a quiet machine, within 5 s on a busy one.
        """
        provider = await self.started()
        many = [self.address(f"2001:db8:0:{number:x}::1/64") for number in range(1000)]
        begin = time.monotonic()
        await done(provider, *many)
        self.assertLess(time.monotonic() - begin, 5.0)
        self.assertEqual(len(ip("-6", "-o", "address", "show", "dev", "lan0", "scope", "global").splitlines()), 1000)


class HelperBehaviourTests(KernelBehaviour):
    """L{pdlease.privilege.helper}."""

    made = helper.factory


class InProcessTests(KernelBehaviour):
    """L{pdlease.privilege.inprocess}."""

    made = inprocess.factory


del KernelBehaviour
