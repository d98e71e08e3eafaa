"""
C{pdleasectl doctor} on a real kernel: whatever is amiss is made so, found, and mended by the command that it names.
"""

from __future__ import annotations

import json
import subprocess
import sys

from tests.live.network import TOP, until
from tests.live.require import needs, program
from tests.live.scripted import Server, WithServer

HOLD = """
import socket, sys, time
held = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
held.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wan0")
held.bind(("::", 546))
print("held", flush=True)
time.sleep(600)
"""


@needs(program("nft"), program("ip6tables-save"), program("radvd"), program("faketime"))
class DoctorTests(WithServer):
    """What the doctor finds."""

    def doctor(self, *before: str) -> dict[str, dict[str, str]]:
        """What is found, by its code."""
        words = ("ip", "netns", "exec", self.network.router, *before, *self.daemon.ctl_words("doctor", "--json"))
        done = subprocess.run(words, cwd=TOP, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found: list[dict[str, str]] = json.loads(done.stdout)["findings"]
        self.assertTrue(all(finding["text"] and finding["mend"] for finding in found))
        return {finding["code"]: finding for finding in found}

    def inside(self, command: str) -> None:
        """Run a command line in the router's namespace, as root would."""
        words = ("ip", "netns", "exec", self.network.router, "sh", "-ec", command)
        subprocess.run(words, stdout=subprocess.DEVNULL, check=True, timeout=30)

    def assertMended(self, code: str, *amiss: str) -> None:
        """Check that what these commands put amiss is found, and gone after the command that the finding names."""
        for command in amiss:
            self.inside(command)
        found = self.doctor()
        self.assertEqual(list(found), [code])
        self.inside(found[code]["mend"].partition(";")[0] if code == "no_default_route" else found[code]["mend"])
        self.assertEqual(self.doctor(), {})

    def test_found_and_mended(self) -> None:
        """
        A router that lacks nothing has no finding.  Then, one after the other: a firewall of nftables, one of
        ip6tables, forwarding off, advertisements ignored, IPv6 off on the uplink, a clock before our time; each is
        found alone, and the named command mends it.
        """
        for link in ("lan0", "lan1"):
            self.inside(f"sysctl -qw net.ipv6.conf.{link}.accept_ra=0")
        self.start()
        healthy = set(self.doctor())
        self.assertEqual(healthy, {"accept_ra", "no_default_route", "no_advertiser"})
        self.inside(self.doctor()["accept_ra"]["mend"])
        self.inside("ip -6 route add default via fe80::1 dev wan0")
        self.advertise()
        self.assertEqual(self.doctor(), {})

        usual = "add rule inet f input ct state established,related accept"
        chain = "add chain inet f input { type filter hook input priority 0; policy drop; }"
        self.assertMended("firewall", f"nft 'add table inet f; {chain}; {usual}'")
        self.inside("nft delete table inet f")
        self.assertMended("firewall", "ip6tables -P INPUT DROP; ip6tables -A INPUT -p ipv6-icmp -j ACCEPT")
        self.inside("ip6tables -P INPUT ACCEPT; ip6tables -F")
        self.assertMended("forwarding_off", "sysctl -qw net.ipv6.conf.all.forwarding=0")
        self.assertMended("accept_ra", "sysctl -qw net.ipv6.conf.wan0.accept_ra=1")
        self.assertEqual(set(self.doctor("faketime", "1970-01-02 03:04:05")), {"clock_not_set"})
        self.inside("sysctl -qw net.ipv6.conf.wan0.disable_ipv6=1")
        found = self.doctor()
        # without IPv6 on its link the uplink has lost its default route as well
        self.assertEqual(set(found), {"ipv6_disabled", "no_default_route"})
        self.inside(found["ipv6_disabled"]["mend"])
        self.network.ready(self.network.router, "wan0")
        self.assertNotIn("ipv6_disabled", self.doctor())

        # somebody else removes an address again and again
        def is_noticed() -> bool:
            self.inside("ip -6 address flush dev lan0 scope global")
            return self.assignment("lan0").get("condition") == "contested"

        until(is_noticed, 20, "the fight to be noticed", every=0.5)
        self.assertIn("contested", self.doctor())

        self.daemon.stop()
        self.assertIn("daemon_unreachable", self.doctor())

    def test_before_the_lease(self) -> None:
        """
        A state folder in memory, a port that another program holds, by its name, a link without a link-local address,
        and a prefix that is too small are found.
        """
        self.server = Server(self.network, "cpe0", "--preference", "255", "--length", "64")
        self.daemon = self.make_daemon(self.network, {"wan0": ['["lan0", "lan1"]\nhint = "none"']})
        self.daemon.state.mkdir()
        subprocess.run(("mount", "-t", "tmpfs", "-o", "mode=700", "none", str(self.daemon.state)), check=True)
        self.addCleanup(subprocess.run, ("umount", "-l", str(self.daemon.state)), check=True)
        holder = self.network.run("holder", self.network.router, sys.executable, "-c", HOLD)
        until(lambda: "held" in holder.said(), 5, "the port to be held")
        self.server.start()
        self.daemon.start()
        found = self.doctor()
        self.assertLessEqual({"no_prefix", "port_taken", "state_not_durable"}, set(found))
        self.assertRegex(found["port_taken"]["text"], rf"held by python[\w.]* \({holder.process.pid}\)\.$")
        self.assertIn("(tmpfs)", found["state_not_durable"]["text"])
        holder.stop()
        until(lambda: self.daemon.status()["prefixes"], 20, "a prefix")
        found = self.doctor()
        self.assertIn("too_small", found)
        self.assertNotIn("port_taken", found)
        self.inside("ip -6 address flush dev wan0 scope link")
        found = self.doctor()
        self.assertIn("no_link_local", found)
        self.inside(found["no_link_local"]["mend"])
        self.network.ready(self.network.router, "wan0")
        self.assertNotIn("no_link_local", self.doctor())

    def advertise(self) -> None:
        """Have radvd serve the LANs."""
        path = self.network.folder / "lan.conf"
        path.write_text(
            "".join(f"interface {link} {{ AdvSendAdvert on; prefix ::/64 {{ }}; }};\n" for link in ("lan0", "lan1"))
        )
        words = ("radvd", "-n", "-m", "stderr", "-C", str(path), "-p", str(self.network.folder / "lan.pid"))
        self.network.run("lan-radvd", self.network.router, *words)
        until(lambda: "no_advertiser" not in self.doctor(), 10, "radvd to run")
