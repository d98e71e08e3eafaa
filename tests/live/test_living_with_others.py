"""
Others that manage the same links, and what becomes of addresses and routes: C{docs/living-with-others.rst}, tried.
"""

from __future__ import annotations

import json
import time

from tests.live.network import ip, until
from tests.live.others import Networkd, Other, client
from tests.live.require import needs, program
from tests.live.scripted import WithServer

LAN0 = "2001:db8:1000::1/64"
PREFIX = "2001:db8:1000::/60"


class Managing(Networkd):
    """
    systemd-networkd with a downstream of pdlease's, on a machine with udev.

    @ivar network_section: further lines for the downstream.
    @ivar daemon_section: lines for networkd.conf.
    """

    paths = ("/run/systemd", "/etc/systemd", "/run/udev")
    network_section = ""
    daemon_section = ""

    def files(self) -> dict[str, str]:
        # what udev keeps of a link that it has finished with: networkd would wait for it
        links = json.loads(ip("-n", self.network.router, "-json", "link"))
        known = {f"/run/udev/data/n{link['ifindex']}": "I:1\n" for link in links}
        return {
            **known,
            "/run/udev/control": "",
            "/etc/systemd/networkd.conf": f"[Network]\n{self.daemon_section}\n",
            "/etc/systemd/network/20-lan.network": "[Match]\nName=lan0\n[Network]\nAddress=192.168.1.1/24\n"
            f"{self.network_section}\n",
        }

    def inside(self, *command: str) -> list[str]:
        # not in the way of the base class, whose machine has no udev
        return Other.inside(self, *command)

    def configured(self) -> None:
        """Wait until it has put its own address on the link."""
        until(lambda: "192.168.1.1" in ip("-n", self.network.router, "addr", "show", "lan0"), 30, "networkd's address")


class WithOthers(WithServer):
    """A daemon among others."""

    def inside(self, *command: str) -> str:
        """What a command in the router's namespace prints."""
        return ip("netns", "exec", self.network.router, *command)


@needs(client("systemd-networkd"))
class NetworkdTests(WithOthers):
    """systemd-networkd, which takes away what it does not know."""

    def manage(self, networkd: Managing) -> list[str]:
        """Start the daemon, then networkd; what was taken of ours."""
        self.start()
        monitor = self.monitor()
        networkd.start()
        networkd.configured()
        time.sleep(0.5)
        ours = ("scope global", "proto 154")
        lines = [line for line in monitor.lines() if line.startswith("Deleted") and any(word in line for word in ours)]
        until(lambda: self.assignment("lan0")["condition"] == "installed", 30, "the address on lan0")
        until(lambda: len(self.network.routes()) == 3, 30, "every route")
        return lines

    def test_put_back(self) -> None:
        """When networkd begins to manage a downstream, it takes our address and routes; they are put back at once."""
        lines = self.manage(Managing(self.network))
        self.assertTrue([line for line in lines if LAN0 in line], lines)
        self.assertTrue([line for line in lines if PREFIX in line], lines)

    def test_told_not_to(self) -> None:
        """With C{ManageForeignRoutes=no} and C{KeepConfiguration=dhcp} nothing of ours is touched."""
        networkd = Managing(self.network)
        networkd.daemon_section = "ManageForeignRoutes=no"
        networkd.network_section = "KeepConfiguration=dhcp"
        self.assertEqual(self.manage(networkd), [])

    def test_port_held(self) -> None:
        """Networkd's own DHCPv6 client on the uplink is named, and the port is taken once it is free."""
        networkd = Networkd(self.network)
        self.server.start()
        networkd.start()
        self.daemon = self.make_daemon(self.network)
        until(lambda: ":546" in self.inside("ss", "-uln6"), 30, "networkd to hold the port")
        self.daemon.start()
        self.assertRegex(self.daemon.ctl("why").stdout, r"waiting for UDP port 546 on wan0, held by systemd-network")
        networkd.stop()
        self.until_state("bound", 60)


RULES = """flush ruleset
table inet filter {{
 chain input {{
  type filter hook input priority 0; policy drop;
  ct state established,related accept
  iif lo accept
  icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, mld-listener-query }} accept
  {more}
 }}
}}
"""


@needs(program("nft"))
class FirewallTests(WithOthers):
    """A firewall that is read anew."""

    def load(self, more: str = "") -> None:
        """Load a firewall that drops all but what is usual, and lets some more through."""
        path = self.network.folder / "nftables.conf"
        path.write_text(RULES.format(more=more))
        self.inside("nft", "-f", str(path))

    def test_drops(self) -> None:
        """
        A firewall without a rule for UDP port 546 keeps answers out, although it lets answers in (they come from
        another address than was asked); C{why} and C{doctor} say so, and with the rule that the doctor names the lease
        is there at the next message.
        """
        self.load()
        self.start(bound=False)
        until(lambda: "SOLICIT" in self.server.received(), 30, "a Solicit")
        time.sleep(0.5)
        self.assertRegex(self.daemon.ctl("why").stdout, "does a firewall drop UDP port 546")
        found = json.loads(self.inside(*self.daemon.ctl_words("doctor", "--json")))["findings"]
        (mend,) = [one["mend"] for one in found if "A firewall probably drops" in one["text"]]
        self.assertTrue(mend.startswith("nft insert rule inet filter input "), mend)
        self.inside(*mend.split())
        self.until_state("bound", 30)

    def test_read_anew(self) -> None:
        """A firewall that is flushed and read anew, with a rule for port 546, disturbs nothing of ours."""
        self.load("udp dport 546 accept")
        self.start()
        monitor = self.monitor()
        self.load("udp dport 546 accept")
        self.daemon.ctl("renew")
        until(lambda: "RENEW" in self.server.received(), 30, "a Renew")
        self.until_state("bound")
        self.assertEqual([line for line in monitor.lines() if line.startswith("Deleted")], [])


class ForeignBridgeTests(WithServer):
    """Bridges of others."""

    def test_bridge_without_ipv6(self) -> None:
        """
        A bridge as libvirt and Incus make it, with IPv6 disabled for want of an address, made after the daemon started,
        is served, and again after it was made anew.
        """
        self.start('["lan0", "virbr0"]', bound=False)
        self.until_state("bound")
        for _ in range(2):
            self.make_bridge()
            until(lambda: "2001:db8:1000:1::1/64" in self.network.global_addresses("virbr0"), 30, "the address")
            ip("-n", self.network.router, "link", "delete", "virbr0")
            until(lambda: self.assignment("virbr0")["condition"] == "waiting", 30, "the bridge to be missed")

    def make_bridge(self) -> None:
        """What libvirt does for a network without IPv6, in its order."""
        router = self.network.router
        ip("-n", router, "link", "add", "virbr0", "type", "bridge", "stp_state", "1", "forward_delay", "0")
        self.network.sysctl(router, "net/ipv6/conf/virbr0/disable_ipv6", "1")
        ip("-n", router, "address", "add", "192.168.122.1/24", "dev", "virbr0")
        ip("-n", router, "link", "set", "virbr0", "up")
