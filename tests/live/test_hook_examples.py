"""
The hooks in C{docs/examples/hooks}, with the programs that they are for: on a first lease, another prefix, and none.

When hooks are run is L{tests.live.test_hooks}.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv6Network

from tests.live.network import TOP, Program, socket_in, until
from tests.live.require import needs, program
from tests.live.test_hooks import WithHook

EXAMPLES = TOP / "docs" / "examples" / "hooks"

OLD = "2001:db8:1000:"
NEW = "2001:db8:2000:"


class WithExample(WithHook):
    """A bound daemon, and an example that watches it."""

    def example(self, name: str, *arguments: str, env: dict[str, str] | None = None) -> Program:
        """Have a hook watch the daemon."""
        self.hook = self.watch(sys.executable, str(EXAMPLES / name), *arguments, env=env)
        return self.hook

    def renumber(self) -> None:
        """Have the provider take the prefix away and give another one, at once."""
        self.server.tell("renumber 2001:db8:2000::/44 withdraw")
        self.daemon.ctl("renew", "wan0")

    def inside(self, *command: str) -> str:
        """What a command in the router's namespace prints; it must end well."""
        words = ["ip", "netns", "exec", self.network.router, *command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout


@needs(program("radvd"))
class RadvdTests(WithExample):
    """C{radvd.py}."""

    def advertisements(self, seconds: float) -> Iterator[tuple[int, dict[str, tuple[int, int]]]]:
        """The router lifetime and the prefixes, with preferred and valid lifetime, of each advertisement on the LAN."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.host.settimeout(max(0.01, end - time.monotonic()))
            try:
                message = self.host.recv(1500)
            except TimeoutError:
                return
            if message[0] != 134:
                continue
            prefixes = {}
            position = 16
            while position < len(message):
                if message[position] == 3:
                    length, flags, valid, preferred = struct.unpack_from("!BBII", message, position + 2)
                    prefix = IPv6Network((message[position + 16 : position + 32], length))
                    self.assertEqual(flags & 0xC0, 0xC0)
                    prefixes[str(prefix)] = preferred, valid
                position += message[position + 1] * 8
            yield struct.unpack_from("!H", message, 6)[0], prefixes

    def announced(self, router: int, prefixes: dict[str, tuple[int, int]]) -> None:
        """There must be an advertisement with these prefixes, their lifetimes at most a few seconds shorter."""
        seen = []
        for lifetime, told in self.advertisements(30):
            seen.append((lifetime, told))
            if (
                lifetime == router
                and told.keys() == prefixes.keys()
                and all(
                    0 <= most - real <= 20
                    for prefix, pair in prefixes.items()
                    for most, real in zip(pair, told[prefix], strict=True)
                )
            ):
                return
        self.fail(f"no advertisement of {prefixes} with {router}, but {seen}; {self.hook.said()}{self.radvd.said()}")

    def test_radvd(self) -> None:
        """
        9096-STALE-2, L-16: what is delegated is announced, with lifetimes that are cut; when it is replaced the new one
        is, and the old one with lifetimes of 0; when it is gone, the old ones are over and nobody is a default router.
        """
        self.host = socket_in(self.network.lan, socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        self.addCleanup(self.host.close)
        self.host.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"host0")
        self.start()
        file, pid = self.network.folder / "radvd.conf", self.network.folder / "radvd.pid"
        reload = f"test ! -e {pid} || kill -HUP $(cat {pid})"
        self.example("radvd.py", str(file), "sh", "-c", reload, env={"RADVD_INTERVAL": "4"})
        until(file.exists, 30, "the first run of the hook")
        self.radvd = self.network.run(
            "radvd", self.network.router, "radvd", "-n", "-m", "stderr", "-C", str(file), "-p", str(pid)
        )
        self.announced(2700, {f"{OLD}:/64": (2700, 5400)})
        self.renumber()
        self.announced(2700, {f"{NEW}:/64": (2700, 5400), f"{OLD}:/64": (0, 0)})
        self.daemon.ctl("release", "wan0")
        self.announced(0, {f"{NEW}:/64": (0, 0), f"{OLD}:/64": (0, 0)})


@needs(program("dnsmasq"), program("dig"))
class DnsmasqTests(WithExample):
    """C{dnsmasq.py}."""

    def answer(self, name: str) -> str:
        """What dnsmasq answers for a name."""
        return self.inside("dig", "+short", "+tries=1", "-p", "5353", "@::1", name, "AAAA").strip()

    def test_dnsmasq(self) -> None:
        """The router's names follow the prefix; hosts get it from the address, and give up what it replaces."""
        self.network.sysctl(self.network.lan, "net/ipv6/conf/host1/accept_ra", "1")
        self.start()
        hosts, pid = self.network.folder / "hosts", self.network.folder / "dnsmasq.pid"
        reload = f"test ! -e {pid} || kill -HUP $(cat {pid})"
        self.example("dnsmasq.py", str(hosts), "router.home.arpa", "sh", "-c", reload)
        until(hosts.exists, 30, "the first run of the hook")
        self.network.run(
            "dnsmasq",
            self.network.router,
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"),
            *("--port=5353", f"--addn-hosts={hosts}", f"--pid-file={pid}", "--log-facility=-", "--enable-ra"),
            *("--dhcp-range=::,constructor:lan1,ra-stateless,64,45m", f"--dhcp-leasefile={self.network.folder}/leases"),
        )
        both = sorted((f"{OLD}:1", f"{OLD}1::1"))
        until(lambda: sorted(self.answer("router.home.arpa").split()) == both, 30, "the names", every=0.2)
        self.assertEqual(self.answer("lan1.router.home.arpa"), f"{OLD}1::1")
        until(lambda: f"{OLD}1:" in self.on_host(), 30, "an address of the host")
        self.renumber()
        until(lambda: self.answer("lan1.router.home.arpa") == f"{NEW}1::1", 30, "the new name", every=0.2)
        until(lambda: f"{NEW}1:" in self.on_host("-deprecated"), 30, "the host's new address")
        until(lambda: f"{OLD}1:" not in self.on_host("-deprecated"), 30, "the end of the host's old address")
        self.daemon.ctl("release", "wan0")
        until(lambda: self.answer("router.home.arpa") == "", 30, "the end of the names", every=0.2)

    def on_host(self, *words: str) -> str:
        """The addresses of the host."""
        return self.network.addresses(self.network.lan, "host1", "scope", "global", *words)


@needs(program("nft"))
class NftablesTests(WithExample):
    """C{nftables.py}."""

    def elements(self) -> set[str]:
        """What is in the set."""
        words = ("ip", "netns", "exec", self.network.router, "nft", "list", "set", "inet", "filter", "delegated")
        text = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False).stdout
        return set(text.partition("elements = {")[2].partition("}")[0].replace(",", " ").split())

    def test_nftables(self) -> None:
        """The set has what is delegated, also after the firewall was read anew; and nothing when nothing is."""
        self.start()
        file, firewall = self.network.folder / "delegated.nft", self.network.folder / "nftables.conf"
        firewall.write_text(
            f'flush ruleset\ninclude "{file}*"\ntable inet filter {{ chain forward {{\n'
            "type filter hook forward priority 0; policy drop;\nip6 saddr @delegated accept\n}\n}\n"
        )
        self.example("nftables.py", str(file), "inet", "filter", "delegated")
        until(file.exists, 30, "the first run of the hook")
        until(lambda: self.elements() == {f"{OLD}:/60"}, 30, "the prefix in the set")
        self.inside("nft", "-f", str(firewall))
        self.assertEqual(self.elements(), {f"{OLD}:/60"})
        self.renumber()
        until(lambda: self.elements() == {f"{NEW}:/60"}, 30, "the new prefix in the set")
        self.assertIn("ip6 saddr @delegated accept", self.inside("nft", "list", "ruleset"))
        self.daemon.ctl("release", "wan0")
        until(lambda: self.elements() == set(), 30, "an empty set")


@needs(program("named"), program("nsupdate"), program("dig"))
class DynamicDNSTests(WithExample):
    """C{dynamic_dns.py}."""

    def answers(self) -> list[str]:
        """What the name server has for the router and for the host."""
        query = ("dig", "+short", "+tries=1", "-p", "5300", "@::1")
        return [self.inside(*query, f"{name}.example.net", "AAAA").strip() for name in ("router", "nas")]

    def named(self) -> None:
        """BIND in the router's namespace, with a zone that a key may change."""
        folder = self.network.folder / "named"
        folder.mkdir()
        (self.network.folder / "key").write_text(
            'key "hook" { algorithm hmac-sha256; secret "c2VjcmV0IG9mIHRoZSBob29rIGZvciBhIHRlc3QhISE="; };\n'
        )
        (folder / "zone").write_text(
            "$TTL 300\n@ SOA ns root 1 3600 600 86400 300\n@ NS ns\nns AAAA ::1\nnas AAAA 2001:db8:dead::1\n"
        )
        (folder / "named.conf").write_text(
            f'include "{self.network.folder}/key";\n'
            f'options {{ directory "{folder}"; listen-on {{ none; }}; listen-on-v6 port 5300 {{ ::1; }};\n'
            f'pid-file "{folder}/pid"; session-keyfile "{folder}/session"; recursion no; dnssec-validation no; }};\n'
            "controls { };\n"
            'zone "example.net" { type primary; file "zone"; allow-update { key "hook"; }; };\n'
        )
        found = self.network.run(
            "named", self.network.router, "named", "-g", "-n", "1", "-c", str(folder / "named.conf")
        )
        until(lambda: "running" in found.said().splitlines()[-1:][0] if found.said() else False, 15, "BIND to run")
        return found

    def test_dynamic_dns(self) -> None:
        """Names follow the prefix, those of hosts by their last 64 bits, and are gone with it."""
        self.named()
        self.start()
        words = ("::1,5300", "example.net", str(self.network.folder / "key"))
        self.example("dynamic_dns.py", *words, "router.example.net=lan0", "nas.example.net=lan1,::1234")
        until(lambda: self.answers() == [f"{OLD}:1", f"{OLD}1::1234"], 30, "the names", every=0.2)
        self.renumber()
        until(lambda: self.answers() == [f"{NEW}:1", f"{NEW}1::1234"], 30, "the new names", every=0.2)
        self.daemon.ctl("release", "wan0")
        until(lambda: self.answers() == ["", ""], 30, "the end of the names", every=0.2)
