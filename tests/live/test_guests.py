"""
Switches and guests on a real kernel: bridges made ready, links set up the moment they appear and put back by reload.

The daemon runs as an operator runs it, with the helper; the links are veths and taps of a namespace.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

from pdlease.control.blocking import Control
from tests.live.case import LiveCase
from tests.live.daemon import Daemon
from tests.live.network import Program, ip, until
from tests.live.scripted import WithServer

SECOND = 1.0

REACH = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 9), 1)
except ConnectionRefusedError:
    pass
"""

SWITCH = """
[switches.lab]
link = "br0"
group = 7
"""
WEB1 = """
[guests.web1]
id = 1
[[guests.web1.nics]]
link = "tap0"
switch = "lab"
[[guests.web1.nics]]
link = "veth1"
group = 9
local = true
mac = "02:00:5e:10:00:01"
"""
LOCAL = """
[local]
inet6 = "fd12:3456:789a:bcde::/64"
"""
HOST = SWITCH + WEB1 + LOCAL
IPV4, IPV6 = "100.64.1.4/31", "fd12:3456:789a:bcde:6440:105:0:1/96"


class HostCase(LiveCase):
    """A host with a bridge, and a daemon for switches and guests alone."""

    def setUp(self) -> None:
        super().setUp()
        self.network = self.make_network(uplinks=0, downstreams=0)
        self.link("add", "br0", "type", "bridge")

    def link(self, *words: str) -> None:
        """Change a link of the host."""
        ip("-n", self.network.router, "link", *words)

    def begin(self, text: str = HOST) -> Daemon:
        """Start the daemon with these tables."""
        self.daemon = self.make_daemon(self.network, {})
        self.write(text)
        return self.daemon.start()

    def write(self, text: str) -> None:
        """Have the file say this."""
        self.daemon.write({})
        with open(self.daemon.path, "a") as file:
            file.write(text)

    def tap(self, name: str = "tap0") -> None:
        """A virtual machine is started: its tap appears, set down."""
        ip("-n", self.network.router, "tuntap", "add", name, "mode", "tap")

    def veth(self, name: str = "veth1") -> None:
        """A container is started: its veth appears, set down."""
        self.link("add", name, "type", "veth", "peer", "name", f"{name}p")

    def shown(self, name: str) -> dict[str, Any]:
        """What C{ip} tells of a link."""
        told = ip("-n", self.network.router, "-json", "link", "show", "dev", name, check=False)
        link: dict[str, Any] = json.loads(told or "[{}]")[0]
        keys = ("master", "ifalias", "group", "address")
        return {"up": "UP" in link.get("flags", ()), **{key: link.get(key) for key in keys}}

    def addresses(self, name: str) -> set[str]:
        """The addresses of a link, link-local ones left out."""
        told = json.loads(ip("-n", self.network.router, "-json", "address", "show", "dev", name))
        return {
            f"{entry['local']}/{entry['prefixlen']}"
            for link in told
            for entry in link.get("addr_info", ())
            if entry.get("scope") == "global"
        }

    def becomes(self, name: str, seconds: float = SECOND, **values: object) -> None:
        """A link must come to be like this in time."""
        until(
            lambda: values.items() <= self.shown(name).items(),
            seconds,
            f"{name} to be {values}; it is {self.shown(name)}",
            every=0.02,
        )

    def guest(self, name: str = "web1") -> list[dict[str, Any]]:
        """What status tells of a guest."""
        with Control(str(self.daemon.control)) as control:
            nics: list[dict[str, Any]] = control.status()["guests"][name]
            return nics


class GuestTests(HostCase):
    """Switches and guests without any uplink (P19, P20)."""

    def test_bridge_made_ready(self) -> None:
        """The bridge is described and up once the daemon is ready (P20)."""
        self.begin()
        self.becomes("br0", up=True, ifalias="switch1-lab")

    def test_tap(self) -> None:
        """A tap is described, put into its bridge, grouped and up within a second of its appearance, each time."""
        self.begin()
        for _ in range(3):
            self.tap()
            self.becomes("tap0", up=True, ifalias="vm1-if0-web1", master="br0", group="7")
            self.link("del", "tap0")

    def test_veth_with_addresses(self) -> None:
        """A veth gets the host's /31 and /96, with their routes, group and link-layer address (P10, P11, P21, P22)."""
        self.begin()
        for _ in range(2):
            self.veth()
            self.link("set", "veth1p", "up")
            until(lambda: self.addresses("veth1") == {IPV4, IPV6}, SECOND, "the addresses of veth1", every=0.02)
            self.becomes("veth1", up=True, ifalias="vm1-if1-web1", group="9", address="02:00:5e:10:00:01")
            routes = [(route["dst"], route["dev"]) for route in self.network.routes()]
            self.assertEqual(routes, [("fd12:3456:789a:bcde:6440:105::/96", "veth1")])
            told = ip("-n", self.network.router, "route", "get", "100.64.1.5")
            self.assertIn("dev veth1 src 100.64.1.4", told)
            until(lambda: self.guest()[1]["ready"], SECOND, "the status of veth1")
            self.link("del", "veth1")

    def test_port_reaches_the_host(self) -> None:
        """A guest on a switch reaches this host by its local addresses: they are on the bridge, not on the port."""
        self.begin(HOST.replace('switch = "lab"\n', 'switch = "lab"\nlocal = true\n'))
        guest = self.network.lan
        self.link("add", "tap0", "type", "veth", "peer", "name", "eth9", "netns", guest)
        ip("-n", guest, "link", "set", "eth9", "up")
        ip("-n", guest, "address", "add", "100.64.1.3/31", "dev", "eth9")
        ip("-n", guest, "address", "add", "fd12:3456:789a:bcde:6440:103:0:2/96", "dev", "eth9")
        self.becomes("tap0", master="br0", up=True)
        own = {"100.64.1.2/31", "fd12:3456:789a:bcde:6440:103:0:1/96"}
        until(lambda: self.addresses("br0") == own, SECOND, "the addresses of br0")
        for address in sorted(own):
            until(lambda: self.reaches(guest, address.partition("/")[0]), 5, f"{guest} to reach {address}")  # noqa: B023

    def reaches(self, namespace: str, address: str) -> bool:
        """Whether an address can be reached from a namespace: a port where nobody listens is refused."""
        command = ("ip", "netns", "exec", namespace, sys.executable, "-c", REACH, address)
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def test_addresses_are_held(self) -> None:
        """A local address that somebody takes away comes back; what they set about the link stays (design 4)."""
        self.begin()
        self.veth()
        until(lambda: self.addresses("veth1") == {IPV4, IPV6}, SECOND, "the addresses of veth1")
        ip("-n", self.network.router, "address", "flush", "dev", "veth1", "scope", "global")
        self.link("set", "veth1", "group", "3")
        until(lambda: self.addresses("veth1") == {IPV4, IPV6}, SECOND, "the addresses again")
        time.sleep(0.3)
        self.assertEqual(self.shown("veth1")["group"], "3")
        self.daemon.ctl("reload")
        self.becomes("veth1", group="9")

    def test_removed_by_reload(self) -> None:
        """What leaves the configuration is put back as it was: master, alias, group, address, state (P31, W8)."""
        self.daemon = self.make_daemon(self.network, {})
        self.tap()
        self.veth()
        self.link("set", "veth1", "alias", "mine")
        self.link("set", "veth1", "group", "4")
        before = [self.shown(name) for name in ("br0", "tap0", "veth1")]
        self.write(HOST)
        self.daemon.start()
        self.becomes("tap0", up=True, master="br0")
        until(lambda: self.addresses("veth1") == {IPV4, IPV6}, SECOND, "the addresses of veth1")
        self.write(SWITCH)
        self.daemon.ctl("reload")
        self.becomes("tap0", **before[1])
        self.becomes("veth1", **before[2])
        self.assertEqual((self.addresses("veth1"), self.network.routes()), (set(), []))
        self.becomes("br0", up=True, ifalias="switch1-lab")
        self.write(HOST)
        self.daemon.ctl("reload")
        self.becomes("tap0", up=True, ifalias="vm1-if0-web1", master="br0", group="7")

    def test_removed_by_restart(self) -> None:
        """
        What leaves the file while the daemon is dead is put back at its next start, by the description that it still
        has; by cleanup as well; and a link that somebody else has described meanwhile is left alone (P31, W8).
        """
        self.daemon = self.make_daemon(self.network, {})
        self.tap()
        self.veth()
        self.link("add", "br1", "type", "bridge")
        before = {name: self.shown(name) for name in ("br0", "tap0", "veth1")}
        del before["br0"]["address"]  # which the kernel takes from its ports
        self.write(HOST)
        for by_cleanup in (False, True):
            self.daemon.start()
            self.becomes("tap0", up=True, master="br0")
            until(lambda: self.addresses("veth1") == {IPV4, IPV6}, SECOND, "the addresses of veth1")
            self.daemon.kill()
            self.write('[switches.other]\nlink = "br1"\n')
            if by_cleanup:
                words = self.daemon.ctl_words("cleanup", "--config", str(self.daemon.path))
                self.assertEqual(self.network.run("cleanup", self.network.router, *words).ended(), 0)
            else:
                self.daemon.start()
            for name, was in before.items():
                self.becomes(name, **was)
            self.assertEqual((self.addresses("veth1"), self.network.routes()), (set(), []))
            if not by_cleanup:
                self.daemon.stop()
                self.write(HOST)
        self.write(HOST)
        self.daemon.start()
        self.becomes("tap0", up=True, master="br0")
        self.daemon.kill()
        self.link("set", "tap0", "alias", "mine now")
        self.write('[switches.other]\nlink = "br1"\n')
        self.daemon.start()
        self.becomes("veth1", **before["veth1"])
        self.assertEqual((self.shown("tap0")["up"], self.shown("tap0")["master"]), (True, "br0"))

    def test_late_helper(self) -> None:
        """
        A helper that answers a reload late has it done late and whole; where the daemon's end comes first nothing of it
        is done.  Of reloads at once the last one counts, whole.
        """
        self.begin(SWITCH)
        self.veth()
        helper = self.daemon.helper()

        def asked(number: int) -> Program:
            return self.network.run(f"reload{number}", self.network.router, *self.daemon.ctl_words("reload"))

        self.write(HOST)
        os.kill(helper, signal.SIGSTOP)
        waiting = [asked(number) for number in range(3)]
        time.sleep(0.5)
        self.assertEqual([one.running() for one in waiting], [True] * 3)
        os.kill(helper, signal.SIGCONT)
        self.assertEqual([one.ended() for one in waiting], [0] * 3)
        until(lambda: self.addresses("veth1") == {IPV4, IPV6}, SECOND, "the addresses of veth1")
        self.write(SWITCH)
        os.kill(helper, signal.SIGSTOP)
        waiting = [asked(3)]
        time.sleep(0.5)
        self.daemon.program.process.terminate()
        time.sleep(0.5)
        os.kill(helper, signal.SIGCONT)
        self.assertEqual((waiting[0].ended() != 0, self.daemon.program.ended()), (True, -signal.SIGTERM))
        self.assertEqual(self.addresses("veth1"), {IPV4, IPV6})

    def test_nothing_accumulates(self) -> None:
        """
        P30, W23: a reload puts the file in the place of the earlier one: another local prefix replaces the first,
        without one there are no local IPv6 addresses, and a group that is left out gives the earlier one back.
        """
        self.begin()
        self.veth()
        until(lambda: self.addresses("veth1") == {IPV4, IPV6}, SECOND, "the addresses of veth1")
        for text, expected in (
            (HOST.replace("bcde", "bcdf"), {IPV4, IPV6.replace("bcde", "bcdf")}),
            (SWITCH + WEB1.replace("group = 9\n", ""), {IPV4}),
            (SWITCH + WEB1.replace("id = 1", "id = 2"), {"100.64.2.4/31"}),
        ):
            self.write(text)
            self.daemon.ctl("reload")
            until(lambda: self.addresses("veth1") == expected, SECOND, f"{expected} on veth1")  # noqa: B023
        self.assertEqual(self.network.routes(), [])
        self.becomes("veth1", group="9", ifalias="vm2-if1-web1")

    def test_killed(self) -> None:
        """The ledger knows the earlier values after a kill, and cleanup puts them back with the daemon dead."""
        self.daemon = self.make_daemon(self.network, {})
        self.tap()
        before = self.shown("tap0")
        self.write(HOST)
        self.daemon.start()
        self.becomes("tap0", up=True, master="br0", group="7")
        self.daemon.kill()
        self.daemon.start()
        self.becomes("tap0", up=True, master="br0", group="7")
        self.daemon.kill()
        self.network.run(
            "cleanup", self.network.router, *self.daemon.ctl_words("cleanup", "--config", str(self.daemon.path))
        ).ended()
        self.becomes("tap0", **before)
        self.assertFalse(self.shown("br0")["up"])

    def test_not_stolen(self) -> None:
        """A port of somebody else's bridge is left there, and status says why (P6)."""
        self.link("add", "other0", "type", "bridge")
        self.tap()
        self.link("set", "tap0", "master", "other0")
        self.begin()
        self.becomes("tap0", up=True, ifalias="vm1-if0-web1", master="other0")
        (problem,) = until(lambda: self.guest()[0]["problems"], SECOND, "a problem")
        self.assertEqual(problem["text"], "link: tap0 belongs to other0, and stays there")
        self.assertIn("tap0 belongs to other0", self.daemon.ctl("guests").stdout)
        self.link("set", "tap0", "nomaster")
        self.becomes("tap0", master="br0")

    def test_kind(self) -> None:
        """A link of the right name and another kind is not touched (W22): here a bridge in a tap's place."""
        self.link("add", "tap0", "type", "bridge")
        self.begin()
        (problem, *_) = until(lambda: self.guest()[0]["problems"], SECOND, "problems")
        self.assertIn("is of kind bridge", problem["text"])
        self.assertEqual(self.shown("tap0"), {**self.shown("tap0"), "up": False, "master": None, "ifalias": None})

    def test_many(self) -> None:
        """Forty guests that start at once are all set up in seconds."""
        guests = "".join(
            f'[guests.vm{number}]\nid = {number}\n[[guests.vm{number}.nics]]\nlink = "tap{number}"\nswitch = "lab"\n'
            for number in range(1, 41)
        )
        self.begin(SWITCH + guests)
        commands = self.network.folder / "links"
        commands.write_text(
            "".join(f"link add tap{number} type veth peer name peer{number}\n" for number in range(1, 41))
        )
        ip("-n", self.network.router, "-batch", str(commands))
        for number in range(1, 41):
            self.becomes(f"tap{number}", 5, up=True, master="br0", ifalias=f"vm{number}-if0-vm{number}")


class DelegatedTests(WithServer):
    """Guests that get a /64 of an uplink's delegation."""

    def guests(self, *names: str) -> str:
        """Tables of guests."""
        return "".join(
            f'[guests.{name}]\nid = {number}\n[[guests.{name}.nics]]\nlink = "{name}"\ndelegate = "wan0"\n'
            for number, name in enumerate(names, 1)
        )

    def becomes(self, link: str, address: str) -> None:
        """A link of this host must come to have an address and its on-link route."""
        until(lambda: set(self.network.global_addresses(link)) == {address}, SECOND, f"{address} on {link}", every=0.02)
        subnet = address.replace("::1/64", "::/64")
        until(lambda: (subnet, link) in self.routes(), SECOND, f"{subnet} on {link}", every=0.02)

    def routes(self) -> set[tuple[str, str]]:
        """Destination and link of our routes."""
        return {(route["dst"], route.get("dev", "")) for route in self.network.routes()}

    def appear(self, name: str) -> None:
        """A guest is started."""
        ip("-n", self.network.router, "link", "add", name, "type", "veth", "peer", "name", f"{name}p")
        ip("-n", self.network.router, "link", "set", f"{name}p", "up")

    def reload(self, *names: str) -> None:
        """Have these guests in the file."""
        self.daemon.write({"wan0": ['["lan0"]']}, extra=self.guests(*names))
        self.daemon.ctl("reload")

    def test_refused_reload(self) -> None:
        """
        A file that the daemon refuses, for what only a restart can change, leaves the helper's policy as it was, too:
        what is held by the earlier file is still put back, and nothing of the other one may be done.
        """
        self.start('["lan0"]', extra=self.guests("vm1"))
        self.appear("vm1")
        self.becomes("vm1", "2001:db8:1000:1::1/64")
        before = self.daemon.path.read_text()
        other = before.replace("[daemon]", "[daemon]\nroute_protocol = 155").replace('["lan0"]', '["lan1"]')
        self.daemon.path.write_text(other.replace(self.guests("vm1"), ""))
        done = self.daemon.ctl("reload", check=False)
        self.assertIn("only a restart can change daemon.route_protocol", done.stderr)
        for link in ("lan0", "vm1"):
            ip("-n", self.network.router, "-6", "address", "flush", "dev", link, "scope", "global")
        self.becomes("lan0", "2001:db8:1000::1/64")
        self.becomes("vm1", "2001:db8:1000:1::1/64")
        self.assertNotIn("refusal", self.daemon.said())
        self.daemon.path.write_text(before)
        self.daemon.ctl("reload")
        self.becomes("vm1", "2001:db8:1000:1::1/64")

    def test_subnets(self) -> None:
        """A guest has its /64 when its link appears, keeps it whoever comes and goes, and loses it with its table."""
        self.start('["lan0"]', extra=self.guests("vm1", "vm2"))
        self.appear("vm2")
        self.becomes("vm2", "2001:db8:1000:2::1/64")
        self.appear("vm1")
        self.becomes("vm1", "2001:db8:1000:1::1/64")
        done = self.daemon.ctl("release", "wan0", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("vm1, vm2 hold parts", done.stderr)
        self.reload("vm2")
        until(lambda: not self.network.global_addresses("vm1"), 5, "vm1 to lose its address")
        self.becomes("vm2", "2001:db8:1000:2::1/64")
        self.daemon.kill()
        self.daemon.start()
        self.daemon.bound()
        self.becomes("vm2", "2001:db8:1000:2::1/64")
        self.reload("vm2", "vm3", "vm1")
        self.becomes("vm2", "2001:db8:1000:2::1/64")
        self.becomes("vm1", "2001:db8:1000:1::1/64")
