"""
Uplinks of other kinds than a plain Ethernet port, and a kernel that says more than can be heard.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from pdlease.wire.codes import MessageType
from tests.live.case import LiveCase
from tests.live.network import ip, until
from tests.live.require import needs
from tests.live.scripted import Server, WithServer
from tests.live.tunnel import Tunnel, tun_devices

LAN0 = "2001:db8:1000::1/64"


@needs(tun_devices)
class PointToPointTests(LiveCase):
    """A link without a hardware address, as PPP makes it."""

    def test_point_to_point(self) -> None:
        """
        R-D-03, R-18.2.12-01: a prefix is got over a link without a hardware address.  When the link vanishes and comes
        back with another index and another link-local address, the LAN keeps its addresses and the first message is a
        Rebind for the same prefix.
        """
        network = self.make_network(uplinks=0)
        tunnel = Tunnel(network)
        self.addCleanup(tunnel.stop)
        server = Server(network, "cpe0", "--preference", "255").start()
        daemon = self.make_daemon(network).start()
        prefix = daemon.bound()["prefixes"][0]["prefix"]
        self.assertIn("link/none", ip("-n", network.router, "link", "show", "wan0"))
        index = ip("-n", network.router, "-o", "link", "show", "wan0").split(":")[0]
        for _ in range(2):
            tunnel.take_away()
            status = until(lambda: [s for s in [daemon.status()] if s["state"] == "down"], 3, "the session to notice")[
                0
            ]
            self.assertIn("link wan0 to appear", status["reason_text"])
            self.assertEqual(self.on_lan(network), {LAN0})
            # time enough that no two links up are one to the client (R-18.2.12-06)
            time.sleep(1)
            since = time.monotonic()
            tunnel.make()
            asked, message = self.first(tunnel, MessageType.REBIND, since, 5)
            self.assertLess(asked - since, 3.5)
            self.assertEqual([str(p.network) for ia in message.ia_pds for p in ia.prefixes], [prefix])
            self.assertEqual(daemon.bound()["prefixes"][0]["prefix"], prefix)
            self.assertNotIn(MessageType.SOLICIT, tunnel.types(since))
            self.assertNotEqual(ip("-n", network.router, "-o", "link", "show", "wan0").split(":")[0], index)
            self.assertEqual(self.on_lan(network), {LAN0})
        self.assertEqual(server.received().count("REQUEST"), 1)


class UplinkTests(WithServer):
    """What happens to the uplink besides loss of carrier."""

    def link(self, *words: str) -> None:
        """Change a link of the router."""
        ip("-n", self.network.router, "link", *words)

    def test_renamed(self) -> None:
        """An uplink that is renamed away is down; renamed back, the lease is rebound, with the LAN as it was."""
        self.start()
        self.link("set", "wan0", "down")
        self.link("set", "wan0", "name", "gone0")
        self.link("set", "gone0", "up")
        until(lambda: "to appear" in self.daemon.status()["reason_text"], 3, "the session to notice")
        time.sleep(1.5)
        self.assertEqual(self.on_lan(self.network), {LAN0})
        self.link("set", "gone0", "down")
        self.link("set", "gone0", "name", "wan0")
        since = self.now()
        self.link("set", "wan0", "up")
        self.first(self.heard, MessageType.REBIND, since, 5)
        self.assertEqual(self.daemon.bound()["state"], "bound")
        self.assertEqual(self.on_lan(self.network), {LAN0})
        self.assertNotIn(MessageType.SOLICIT, self.heard.types(since))

    def test_link_local_lost(self) -> None:
        """
        R-5-04: without a link-local address nothing can be sent: the status says so; when there is one again the
        session goes on, and no lease was lost meanwhile.
        """
        self.start()
        self.network.sysctl(self.network.router, "net/ipv6/conf/wan0/addr_gen_mode", "1")
        ip("-n", self.network.router, "-6", "address", "flush", "dev", "wan0", "scope", "link")
        until(lambda: "link-local" in self.daemon.status()["reason_text"], 3, "the session to notice")
        time.sleep(1.2)
        since = self.now()
        ip("-n", self.network.router, "address", "add", "fe80::77/64", "dev", "wan0", "nodad")
        self.first(self.heard, MessageType.REBIND, since, 4)
        self.until_state("bound")
        sources = {source for heard, source, message in self.heard.messages if heard >= since}
        self.assertIn("fe80::77", sources)
        self.assertEqual(self.on_lan(self.network), {LAN0})

    def test_link_local_duplicate(self) -> None:
        """
        R-5-04: a link-local address that another host holds is not used, nor is one that is still tentative; the
        status says what is waited for.
        """
        router = self.network.router
        for setting, value in (("addr_gen_mode", "1"), ("accept_dad", "1"), ("dad_transmits", "1")):
            self.network.sysctl(router, f"net/ipv6/conf/wan0/{setting}", value)
        ip("-n", self.network.isp, "address", "add", "fe80::77/64", "dev", "cpe0", "nodad")
        ip("-n", router, "-6", "address", "flush", "dev", "wan0", "scope", "link")
        ip("-n", router, "address", "add", "fe80::77/64", "dev", "wan0")
        self.start(bound=False)
        until(lambda: "no other host has" in self.daemon.status()["reason_text"], 5, "the duplicate in the status")
        self.assertEqual(self.heard.types(), [])
        ip("-n", router, "address", "delete", "fe80::77/64", "dev", "wan0")
        ip("-n", router, "address", "add", "fe80::78/64", "dev", "wan0")
        until(lambda: "detection" in self.daemon.status()["reason_text"], 1, "the tentative address in the status")
        self.daemon.bound()
        self.assertEqual(
            {source for _, source, message in self.heard.messages if message.server_id is None}, {"fe80::78"}
        )

    def test_flapping(self) -> None:
        """R-18.2.12-06: a link that goes up and down twenty times in two seconds costs few messages and no lease."""
        self.start()
        since = self.now()
        # of a carrier that comes and goes as fast the kernel may tell nothing at all
        for _ in range(20):
            for state in ("down", "up"):
                self.link("set", "wan0", state)
                time.sleep(0.05)
        self.until_state("bound", 30)
        self.assertEqual(self.on_lan(self.network), {LAN0})
        sent = [kind for kind in self.heard.types(since) if kind in (MessageType.REBIND, MessageType.SOLICIT)]
        self.assertTrue(1 <= len(sent) <= 6, sent)
        self.assertNotIn(MessageType.SOLICIT, sent)


class OverrunTests(WithServer):
    """A kernel that tells faster than anybody listens."""

    def test_route_socket_overrun(self) -> None:
        """
        While the daemon stands still thousands of routes come and go, and its own objects are taken away: the loss is
        noticed, everything is asked for anew, and the address is put back (D34; issue 2, point 8).
        """
        self.start()
        router = self.network.router
        self.network.pair(router, "many0", self.network.lan, "many1")
        os.kill(self.daemon.pid, signal.SIGSTOP)
        try:
            self.storm("add", 20_000)
            self.storm("delete", 20_000)
            ip("-n", router, "-6", "address", "delete", LAN0, "dev", "lan0")
            ip("-n", router, "-6", "route", "flush", "proto", "154")
            self.assertGreater(self.dropped(), 0, "the storm was too small to overrun the route socket")
        finally:
            since = time.monotonic()
            os.kill(self.daemon.pid, signal.SIGCONT)
        until(lambda: LAN0 in self.on_lan(self.network), 10, "the address to be back", every=0.05)
        until(lambda: len(self.network.routes()) == 3, 10, "the routes to be back", every=0.05)
        self.assertLess(time.monotonic() - since, 6)
        self.assertEqual(self.daemon.bound()["state"], "bound")

    test_route_socket_overrun.timeout = 90  # type: ignore[attr-defined]

    def storm(self, action: str, number: int) -> None:
        """Add or delete so many routes."""
        lines = "\n".join(f"route {action} 2001:db8:99:{n:x}::/64 dev many0" for n in range(1, number + 1))
        done = subprocess.run(
            ["ip", "-n", self.network.router, "-6", "-batch", "-"],
            input=lines,
            text=True,
            capture_output=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr[-500:])

    def dropped(self) -> int:
        """How many messages the kernel dropped for the daemon's route socket."""
        lines = [line.split() for line in Path(f"/proc/{self.daemon.pid}/net/netlink").read_text().splitlines()[1:]]
        inodes = {
            os.readlink(entry.path)[8:-1]
            for entry in os.scandir(f"/proc/{self.daemon.pid}/fd")
            if os.readlink(entry.path).startswith("socket:")
        }
        return sum(int(fields[8]) for fields in lines if fields[1] == "0" and fields[9] in inodes)
