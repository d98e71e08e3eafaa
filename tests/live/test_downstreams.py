"""
What happens to downstream links, and that it is put right: within a second, whatever it was, and nothing else touched.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from ipaddress import IPv6Interface

from pdlease.kernel import ADDRESS_PROTOCOL
from pdlease.netlink.requests import Marks, encode
from pdlease.operations import PutAddress
from pdlease.wire.codes import MessageType
from tests.live.network import ip, socket_in, until
from tests.live.scripted import FIRST, WithServer

SECOND = 1.0
"""In so many seconds everything must be right again (issue 2, point 5)."""

LAN0 = "2001:db8:1000::1/64"
LAN1 = "2001:db8:1000:1::1/64"


class MendingTests(WithServer):
    """Downstream links that come, go and lose what was put on them."""

    def has(self, link: str, address: str) -> bool:
        """Whether a link has an address and its on-link route."""
        there = self.network.global_addresses(link).get(address)
        if there is None or there.get("tentative"):
            return False
        return any(route.get("dev") == link for route in self.network.routes(_network(address)))

    def mended(self, link: str, address: str, since: float) -> float:
        """Wait for an address and its route on a link; how long after C{since} both were there."""
        until(lambda: self.has(link, address), 5, f"{address} and its route on {link}", every=0.02)
        lasted = time.monotonic() - since
        self.assertLess(lasted, SECOND)
        self.assertEqual(self.network.global_addresses(link).keys(), {address})
        self.settled(link)
        return lasted

    def settled(self, link: str) -> None:
        """The status must come to say that all is there on a link, with no problem."""
        until(lambda: self.assignment(link)["installed"], 2, f"the status of {link}", every=0.05)
        self.assertIsNone(self.assignment(link)["problem"])

    def link(self, *words: str) -> None:
        """Change a link of the router."""
        ip("-n", self.network.router, "link", *words)

    def test_appears_late(self) -> None:
        """D32: a downstream that does not exist yet is waited for, named in the status, and served once it is up."""
        self.start('["lan0", "late0"]', bound=False)
        self.until_state("bound")
        late = self.assignment("late0")
        self.assertEqual((late["installed"], late["condition"]), (False, "waiting"))
        self.assertIn("no link late0", late["problem"]["text"])
        router, lan = self.network.router, self.network.lan
        ip("-n", router, "link", "add", "late0", "type", "veth", "peer", "name", "later0", "netns", lan)
        ip("-n", lan, "link", "set", "later0", "up")
        since = time.monotonic()
        self.link("set", "late0", "up")
        self.mended("late0", LAN1, since)

    def test_appears_late_without_ipv6(self) -> None:
        """A downstream that appears with IPv6 disabled, as new links may by default, is served as well."""
        self.start('["lan0", "late0"]', bound=False)
        self.until_state("bound")
        router, lan = self.network.router, self.network.lan
        self.network.sysctl(router, "net/ipv6/conf/default/disable_ipv6", "1")
        ip("-n", router, "link", "add", "late0", "type", "veth", "peer", "name", "later0", "netns", lan)
        ip("-n", lan, "link", "set", "later0", "up")
        since = time.monotonic()
        self.link("set", "late0", "up")
        self.mended("late0", LAN1, since)

    def test_down_and_up(self) -> None:
        """A downstream that is set down and up again has its address and its route again, three times in a row."""
        self.start()
        for _ in range(3):
            self.link("set", "lan0", "down")
            until(lambda: self.assignment("lan0")["condition"] == "waiting", 2, "the status of a link that is down")
            self.assertIn("down", self.assignment("lan0")["problem"]["text"])
            since = time.monotonic()
            self.link("set", "lan0", "up")
            self.mended("lan0", LAN0, since)
        self.assertEqual(self.on_lan(self.network, "lan1"), {LAN1})

    def test_carrier_lost(self) -> None:
        """A downstream without carrier keeps its address; nothing is removed and nothing made again."""
        self.start()
        monitor = self.monitor("address")
        ip("-n", self.network.lan, "link", "set", "host0", "down")
        time.sleep(0.3)
        ip("-n", self.network.lan, "link", "set", "host0", "up")
        time.sleep(0.3)
        self.assertEqual(self.on_lan(self.network), {LAN0})
        self.assertEqual([line for line in monitor.lines() if line.startswith("Deleted") and "2001:db8:10" in line], [])
        self.settled("lan0")

    def test_ipv6_disabled(self) -> None:
        """A downstream on which IPv6 is switched off has it switched on again, with address and route."""
        self.start()
        for _ in range(2):
            since = time.monotonic()
            self.network.sysctl(self.network.router, "net/ipv6/conf/lan0/disable_ipv6", "1")
            self.mended("lan0", LAN0, since)

    def test_ipv6_disabled_while_down(self) -> None:
        """The same if it is switched off while the link is down, of which the kernel tells nobody."""
        self.start()
        self.link("set", "lan0", "down")
        until(lambda: self.assignment("lan0")["condition"] == "waiting", 2, "the status of a link that is down")
        self.network.sysctl(self.network.router, "net/ipv6/conf/lan0/disable_ipv6", "1")
        since = time.monotonic()
        self.link("set", "lan0", "up")
        self.mended("lan0", LAN0, since)

    def test_flushed(self) -> None:
        """Addresses and routes that somebody flushes are put back, with the lifetimes that are left."""
        self.start()
        router = self.network.router
        routes: tuple[str, ...] = ("-n", router, "-6", "route", "flush", "dev", "lan0", "proto", "154")
        ways: tuple[Callable[[], str], ...] = (
            lambda: ip("-n", router, "-6", "address", "flush", "dev", "lan0", "scope", "global"),
            lambda: ip("-n", router, "-6", "address", "flush", "dev", "lan0"),
            lambda: ip(*routes),
            lambda: ip("-n", router, "-6", "address", "delete", LAN0, "dev", "lan0"),
        )
        for way in ways:
            since = time.monotonic()
            way()
            self.mended("lan0", LAN0, since)
        address = self.network.global_addresses("lan0")[LAN0]
        self.assertTrue(7100 <= address["valid_life_time"] <= 7200, address)
        self.assertTrue(3500 <= address["preferred_life_time"] <= 3600, address)

    def test_unreachable_route_flushed(self) -> None:
        """WPD-5: the unreachable route for the whole prefix is put back as well."""
        self.start()
        self.assertEqual(len(self.network.routes(str(FIRST))), 1)
        since = time.monotonic()
        ip("-n", self.network.router, "-6", "route", "delete", "unreachable", str(FIRST))
        until(lambda: self.network.routes(str(FIRST)), 5, "the unreachable route", every=0.02)
        self.assertLess(time.monotonic() - since, SECOND)

    def test_lifetimes_changed(self) -> None:
        """
        Lifetimes that somebody sets are set right again; where this took our mark off, the address is theirs until it
        goes, and only then put back.
        """
        self.start()
        change = PutAddress(link="lan0", index=self.index("lan0"), address=IPv6Interface(LAN0), preferred=30, valid=60)
        since = time.monotonic()
        with socket_in(self.network.router, socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
            netlink.sendto(encode(change, 1, Marks(route=154, address=ADDRESS_PROTOCOL)), (0, 0))
        until(lambda: self.valid_for("lan0") > 7000, 5, "the lifetimes to be right again", every=0.02)
        self.assertLess(time.monotonic() - since, SECOND)
        words = (LAN0, "dev", "lan0", "valid_lft", "3", "preferred_lft", "3")
        ip("-n", self.network.router, "-6", "address", "change", *words)
        until(lambda: self.assignment("lan0")["condition"] == "foreign", 2, "the address to be another's", every=0.02)
        until(lambda: self.valid_for("lan0") > 7000, 6, "our address to be back", every=0.02)
        self.settled("lan0")

    def index(self, link: str) -> int:
        """The index of a link of the router."""
        return int(ip("-n", self.network.router, "-o", "link", "show", link).split(":")[0])

    def valid_for(self, link: str) -> int:
        """For how many seconds the address on C{lan0} is valid; 0 if it is not there."""
        return int(self.network.global_addresses(link).get(LAN0, {}).get("valid_life_time", 0))

    def test_moved_to_another_namespace(self) -> None:
        """A downstream that is moved into another network namespace and back is served anew."""
        self.start()
        self.link("set", "lan0", "netns", self.network.isp)
        until(lambda: self.assignment("lan0")["condition"] == "waiting", 2, "the status of a link that is away")
        ip("-n", self.network.isp, "link", "set", "lan0", "netns", self.network.router)
        since = time.monotonic()
        self.link("set", "lan0", "up")
        self.mended("lan0", LAN0, since)

    def test_index_used_again(self) -> None:
        """Another link that gets the index of a downstream that is gone is another link: nothing on it is ours."""
        self.start()
        index = str(self.index("lan0"))
        self.link("delete", "lan0")
        router = self.network.router
        ip("-n", router, "link", "add", "mine0", "index", index, "type", "veth", "peer", "name", "mine1")
        ip("-n", router, "address", "add", LAN0, "dev", "mine0", "nodad")
        self.link("set", "mine0", "up")
        until(lambda: self.assignment("lan0")["condition"] == "waiting", 2, "the status of a deleted link")
        self.daemon.ctl("release", "wan0")
        self.assertEqual(self.on_lan(self.network, "mine0"), {LAN0})

    def test_ipv6_disabled_everywhere(self) -> None:
        """IPv6 switched off on all links at once: the LANs have it back in a second; the uplink waits, and says so."""
        self.start()
        since = time.monotonic()
        self.network.sysctl(self.network.router, "net/ipv6/conf/all/disable_ipv6", "1")
        self.mended("lan0", LAN0, since)
        self.mended("lan1", LAN1, since)
        self.assertIn("link-local", self.daemon.status()["reason_text"])
        self.network.sysctl(self.network.router, "net/ipv6/conf/all/disable_ipv6", "0")
        self.until_state("bound")

    def test_helper_stands_still(self) -> None:
        """While the helper stands still the status says what is pending, and the session goes on; then all is done."""
        self.start()
        helper = self.daemon.helper()
        os.kill(helper, signal.SIGSTOP)
        try:
            ip("-n", self.network.router, "-6", "address", "delete", LAN0, "dev", "lan0")
            until(lambda: self.assignment("lan0")["condition"] == "pending", 2, "the status of what was asked for")
            since = self.now()
            self.daemon.ctl("renew", "wan0")
            self.first(self.heard, MessageType.REPLY, since, 3)
            self.until_state("bound", 3)
        finally:
            since = time.monotonic()
            os.kill(helper, signal.SIGCONT)
        self.mended("lan0", LAN0, since)

    def test_renamed(self) -> None:
        """
        D31: a downstream that is renamed away loses what we put on it, for it is another link now; renamed back, or
        another link by its name, is served.
        """
        self.start()
        self.rename("lan0", "other0")
        since = time.monotonic()
        until(lambda: not self.on_lan(self.network, "other0"), 5, "the address to go from the renamed link", every=0.02)
        self.assertLess(time.monotonic() - since, SECOND)
        self.assertEqual(self.assignment("lan0")["condition"], "waiting")
        since = self.rename("other0", "lan0")
        self.mended("lan0", LAN0, since)
        self.rename("lan0", "other0")
        self.rename("lan1", "other1")
        since = self.rename("other1", "lan0")
        self.mended("lan0", LAN0, since)
        since = self.rename("other0", "lan1")
        self.mended("lan1", LAN1, since)

    def rename(self, old: str, new: str) -> float:
        """Rename a link of the router, which must be down for it; when it was up again."""
        self.link("set", old, "down")
        self.link("set", old, "name", new)
        since = time.monotonic()
        self.link("set", new, "up")
        return since

    def test_deleted_and_made_again(self) -> None:
        """A downstream that is deleted and made again, with another index, is served anew."""
        self.start()
        router, lan = self.network.router, self.network.lan
        for _ in range(2):
            self.link("delete", "lan0")
            until(lambda: self.assignment("lan0")["condition"] == "waiting", 2, "the status of a deleted link")
            ip("-n", router, "link", "add", "lan0", "type", "veth", "peer", "name", "host0", "netns", lan)
            ip("-n", lan, "link", "set", "host0", "up")
            since = time.monotonic()
            self.link("set", "lan0", "up")
            self.mended("lan0", LAN0, since)
        entries = (self.daemon.state / "ledger").read_text().splitlines()
        self.assertLess(len(entries), 60)

    def test_uplink_gone(self) -> None:
        """
        D30, D39: what an uplink held whose link is gone can still be taken away when it leaves the file: addresses,
        on-link and unreachable routes, each with the name that its link has now.
        """
        self.start()
        self.link("delete", "wan0")
        self.until_state("down")
        self.assertEqual(self.on_lan(self.network), {LAN0})
        self.rename("lan1", "other1")
        self.link("add", "br9", "type", "bridge")
        self.daemon.write({}, extra='[switches.lab]\nlink = "br9"\n')
        self.daemon.ctl("reload")
        until(lambda: not self.network.routes(), 5, "the routes to be gone")
        for link in ("lan0", "other1"):
            self.assertEqual(self.network.global_addresses(link), {})

    def test_contested(self) -> None:
        """
        An address that somebody takes away again and again is put back with growing delay, and the status says so
        (design 4).
        """
        self.start()
        monitor = self.monitor("address")
        taken, end = 0, time.monotonic() + 4
        while time.monotonic() < end:
            if LAN0 in self.on_lan(self.network):
                ip("-n", self.network.router, "-6", "address", "delete", LAN0, "dev", "lan0", check=False)
                taken += 1
            time.sleep(0.02)
        self.assertTrue(4 <= taken <= 7, taken)
        self.assertEqual(self.assignment("lan0")["condition"], "contested")
        made = [line for line in monitor.lines() if "lan0" in line and LAN0 in line and "Deleted" not in line]
        # the kernel gives two notices of each new address
        self.assertLessEqual(len(made), 2 * taken)
        self.assertEqual(self.assignment("lan1")["condition"], "installed")


class ForeignTests(WithServer):
    """What others put on the same links stays as it is."""

    def test_foreign_objects(self) -> None:
        """Addresses and routes of others are never touched: not at the start, not at a renumbering, not at the end."""
        router = self.network.router
        mine = {"2001:db8:77::1/64", "2001:db8:1000:0:1::5/64"}
        for address in mine:
            ip("-n", router, "address", "add", address, "dev", "lan0")
        ip("-n", router, "route", "add", "2001:db8:78::/64", "dev", "lan0", "proto", "static", "metric", "256")
        ip("-n", router, "route", "add", "2001:db8:1000:5::/64", "dev", "lan1")
        ip("-n", router, "route", "add", "unreachable", "2001:db8:1000:80::/60", "proto", "static")
        before = self.foreign_routes()
        self.start()
        self.assertEqual(self.on_lan(self.network), {LAN0, *mine})
        self.assertEqual(self.foreign_routes(), before)
        self.server.tell("renumber 2001:db8:2000::/44 withdraw")
        self.daemon.ctl("renew", "wan0")
        until(lambda: "2001:db8:2000::1/64" in self.on_lan(self.network), 5, "the new prefix")
        until(lambda: LAN0 not in self.on_lan(self.network), 5, "the old prefix to go")
        self.assertEqual(self.foreign_routes(), before)
        self.daemon.ctl("release", "wan0")
        self.assertEqual(self.on_lan(self.network), mine)
        self.assertEqual(self.foreign_routes(), before)
        self.assertEqual(self.network.routes(), [])

    def foreign_routes(self) -> list[str]:
        """The routes that are not pdlease's, without the multicast and link-local ones."""
        shown = ip("-n", self.network.router, "-6", "route", "show", "table", "main")
        kept = [line.split(" expires ")[0].strip() for line in shown.splitlines() if "proto 154" not in line]
        return sorted(line for line in kept if line.startswith(("2001:", "unreachable 2001:")))

    def test_address_there_already(self) -> None:
        """An address that somebody else put there first is used, stays theirs, and is not removed at the end."""
        ip("-n", self.network.router, "address", "add", LAN0, "dev", "lan0")
        self.start(bound=False)
        self.until_state("bound")
        until(lambda: self.assignment("lan1")["installed"], 2, "the other address")
        self.assertEqual(self.assignment("lan0")["condition"], "foreign")
        (address,) = self.network.global_addresses("lan0").values()
        self.assertEqual(address["valid_life_time"], 0xFFFFFFFF)
        self.daemon.ctl("release", "wan0")
        self.assertEqual(self.on_lan(self.network), {LAN0})

    def test_nothing_lingers(self) -> None:
        """When addresses go, nothing of their prefixes is left in any table, the kernel's own routes included."""
        self.start()
        everything = lambda: ip("-n", self.network.router, "-6", "route", "show", "table", "all")  # noqa: E731
        self.assertIn("2001:db8:1000:", everything())
        self.daemon.ctl("release", "wan0")
        until(lambda: "2001:db8:1000:" not in everything(), 2, "all routes to go", every=0.02)


class FormTests(WithServer):
    """Lengths and host parts of downstreams."""

    def test_lengths(self) -> None:
        """A /127 and a /128 have addresses of their own; a /128 has no on-link route (D49)."""
        self.start('["lan0/127", "lan1/128"]', bound=False)
        self.until_state("bound")
        self.daemon.bound()
        ((first, length),) = [address.split("/") for address in self.on_lan(self.network, "lan0")]
        self.assertEqual(length, "127")
        ((second, length),) = [address.split("/") for address in self.on_lan(self.network, "lan1")]
        self.assertEqual(length, "128")
        self.assertNotEqual(first, second)
        self.assertEqual(
            [
                (route["dst"], route.get("dev"))
                for route in self.network.routes()
                if route.get("dev") in ("lan0", "lan1")
            ],
            [(self.assignment("lan0")["subnet"], "lan0")],
        )

    def test_too_small(self) -> None:
        """
        WPD-3: a delegation that is too small serves the downstreams in order; status and C{why} say who stays without.
        The on-link route goes before the unreachable one of the same prefix.
        """
        self.server.start("--script", "length 64")
        self.daemon = self.make_daemon(self.network).start()
        self.daemon.bound()
        self.assertEqual(self.on_lan(self.network, "lan0"), {LAN0})
        self.assertEqual(self.on_lan(self.network, "lan1"), set())
        self.assertEqual(self.daemon.status()["unassigned"], ["lan1"])
        self.assertIn("2001:db8:1000::/64 is too small: lan1", self.daemon.ctl("why", "wan0").stdout)
        taken = ip("-n", self.network.router, "-6", "route", "get", "2001:db8:1000::99")
        self.assertIn("dev lan0", taken)

    def test_host_part(self) -> None:
        """The host part of a downstream may be given."""
        self.start('[{ link = "lan0", host = "::53" }, { link = "lan1", length = 60, host = "::1:0:0:0:7" }]')
        self.assertEqual(self.on_lan(self.network, "lan0"), {"2001:db8:1000::53/64"})
        self.assertEqual(self.on_lan(self.network, "lan1"), {"2001:db8:1000:11::7/60"})


class DetectionTests(WithServer):
    """Duplicate address detection on a downstream."""

    def setUp(self) -> None:
        super().setUp()
        for link in ("lan0", "lan1"):
            for setting in ("accept_dad", "dad_transmits"):
                self.network.sysctl(self.network.router, f"net/ipv6/conf/{link}/{setting}", "1")

    def test_tentative(self) -> None:
        """While duplicate address detection goes on the status says tentative, and then that the address is there."""
        self.start(bound=False)
        status = self.until_state("bound")
        self.assertEqual([one["condition"] for one in status["assignments"]], ["tentative"] * 2)
        self.assertEqual([one["tentative"] for one in status["assignments"]], [True] * 2)
        self.assertEqual([one["installed"] for one in status["assignments"]], [False] * 2)
        monitor = self.monitor("address")
        self.daemon.bound()
        self.assertEqual(self.assignment("lan0")["condition"], "installed")
        self.assertEqual([line for line in monitor.lines() if line.startswith("Deleted")], [])

    def test_duplicate(self) -> None:
        """
        An address that a host on the LAN holds already is shown as a duplicate and left alone; when the link comes up
        anew it is tried again.
        """
        ip("-n", self.network.lan, "address", "add", LAN0, "dev", "host0", "nodad")
        monitor = self.monitor("address")
        self.start(bound=False)
        self.until_state("bound")
        until(lambda: self.assignment("lan0")["condition"] == "duplicate", 5, "the duplicate in the status")
        shown = self.assignment("lan0")
        self.assertFalse(shown["installed"])
        self.assertIn("another host", shown["problem"]["text"])
        time.sleep(3)
        made = [line for line in monitor.lines() if LAN0 in line and not line.startswith("Deleted")]
        self.assertLessEqual(len(made), 2, made)
        self.assertEqual(self.assignment("lan0")["condition"], "duplicate")
        self.assertTrue(self.assignment("lan1")["installed"])
        self.assertTrue(any("duplicate" in line or "another host" in line for line in self.why()), self.why())
        ip("-n", self.network.lan, "address", "delete", LAN0, "dev", "host0")
        for state in ("down", "up"):
            ip("-n", self.network.lan, "link", "set", "host0", state)
        until(lambda: self.assignment("lan0")["installed"], 8, "the address, when nobody else has it", every=0.1)

    def why(self) -> list[str]:
        """What C{pdleasectl why} says."""
        return self.daemon.ctl("why", "wan0").stdout.splitlines()


def _network(address: str) -> str:
    return address.replace("::1/64", "::/64")
