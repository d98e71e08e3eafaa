"""Tests of what the doctor finds, in documents of a daemon and files that stand for /proc."""

from __future__ import annotations

import json
import os
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from pdlease import RELEASED
from pdlease.control.blocking import Control
from pdlease.control.checkup import Machine, run
from pdlease.control.doctor import Finding, examine
from pdlease.control.errors import ControlError, NotAllowedError, UnreachableError
from tests.control.daemons import WAN

LINK_LOCAL = "fe800000000000000000000000000001 02 40 20 80     eth0\n"
DEFAULT_ROUTE = (
    "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
    "fe800000000000000000000000000002 00000400 00000001 00000000 00450003     eth0\n"
)
REJECTING = DEFAULT_ROUTE.replace("00450003", "00200200")


HEAD = "  sl  local_address    remote_address    st tx_queue rx_queue tr tm->when\n"
DEVICES = "Inter-|   Receive\n face |bytes\n    lo: 0 0\n  eth0: 0 0\n  lan0: 0 0\n"
MOUNTS = """22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:20 / /run rw,nosuid shared:2 - tmpfs tmpfs rw,mode=755
24 23 8:2 / /run/disk rw,relatime - ext4 /dev/sdb1 rw
25 22 0:21 / /with\\040a\\040blank rw - tmpfs tmpfs rw
broken
"""


class Daemon:
    """A connection to a daemon with this uplink."""

    def __init__(self, state_folder: str = "/var/lib/pdlease", **changes: Any) -> None:
        self.uplink = {**WAN, **changes}
        self.state_folder = state_folder

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *problem: object) -> None:
        pass

    def status(self) -> dict[str, Any]:
        return {"uplinks": {"wan": self.uplink}, "state_folder": self.state_folder}


class DoctorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.root = self.mktemp()
        self.write("sys/net/ipv6/conf/all/forwarding", "1\n")
        self.write("sys/net/ipv6/conf/eth0/accept_ra", "2\n")
        self.write("sys/net/ipv6/conf/lan0/disable_ipv6", "0\n")
        self.write("net/if_inet6", LINK_LOCAL)
        self.write("net/ipv6_route", DEFAULT_ROUTE)
        self.write("net/dev", DEVICES)
        self.write("net/raw6", f"{HEAD}   58: {'0' * 32}:003A {'0' * 32}:0000 07 0 0 0 0 0 4711 2 0\n")
        self.write("self/mountinfo", MOUNTS)
        self.printed: dict[str, str] = {}
        self.wall = RELEASED

    def machine(self) -> Machine:
        """The machine that is looked at."""
        return Machine(self.root, run=lambda command: self.printed.get(command[0]), wall=lambda: self.wall)

    def write(self, path: str, text: str) -> None:
        """A file that stands for one below /proc."""
        whole = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "w") as file:
            file.write(text)

    def found(self, **changes: Any) -> list[str]:
        """The codes of what is found with this uplink."""
        return [finding["code"] for finding in self.findings(**changes)]

    def findings(self, **changes: Any) -> list[Finding]:
        """What is found with this uplink; each with a sentence and what mends it."""
        findings = examine(lambda: cast("Control", Daemon(**changes)), self.machine())
        for finding in findings:
            self.assertTrue(finding["text"].endswith("."), finding)
            self.assertTrue(finding["mend"], finding)
        return findings

    def test_healthy(self) -> None:
        """Where all is well nothing is found."""
        self.assertEqual(self.found(), [])

    def test_system(self) -> None:
        """Forwarding off, a forwarding uplink that ignores advertisements, and a missing default route are found."""
        self.write("sys/net/ipv6/conf/eth0/accept_ra", "1\n")
        self.assertEqual(self.found(), [])
        self.write("sys/net/ipv6/conf/eth0/forwarding", "1\n")
        self.assertEqual(self.found(), ["accept_ra"])
        self.write("sys/net/ipv6/conf/eth0/forwarding", "0\n")
        self.write("sys/net/ipv6/conf/all/forwarding", "0\n")
        self.assertEqual(self.found(), ["forwarding_off"])
        self.write("net/ipv6_route", REJECTING)
        self.assertEqual(self.found(), ["forwarding_off", "no_default_route"])

    def test_links(self) -> None:
        """An uplink without a link-local address and a downstream without IPv6 are found."""
        self.write("net/if_inet6", "")
        self.write("sys/net/ipv6/conf/lan0/disable_ipv6", "1\n")
        self.assertEqual(self.found(), ["no_link_local", "ipv6_disabled"])

    def test_daemon(self) -> None:
        """No prefix, what is refused, what has no room and what is not kept are found."""
        problem = {"operation": "add", "errno": 13, "text": "Permission denied"}
        assignment = {**WAN["assignments"][0], "problem": problem}  # type: ignore[index]
        self.assertEqual(
            self.found(prefixes=[], assignments=[assignment], unassigned=["lan9"], store_problem="disk full"),
            ["no_prefix", "not_installed", "too_small", "not_kept"],
        )

    def test_downstream_down(self) -> None:
        """A downstream that is down is set up by the named command; of other refusals the uplink can say more."""
        for text, mend in (("link lan0 is down", "ip link set lan0 up"), ("Permission denied", "pdleasectl why wan")):
            problem = {"operation": "add", "errno": 0, "text": text}
            amiss = {**WAN["assignments"][0], "problem": problem}  # type: ignore[index]
            (finding,) = self.findings(assignments=[amiss])
            self.assertEqual((finding["code"], finding["mend"]), ("not_installed", mend))

    def test_uplink_without_ipv6(self) -> None:
        """IPv6 that is off on the uplink is found as that, and a link that does not exist as that."""
        self.write("net/if_inet6", "")
        self.write("sys/net/ipv6/conf/eth0/disable_ipv6", "1\n")
        (finding,) = self.findings()
        self.assertEqual(
            (finding["code"], finding["mend"]), ("ipv6_disabled", "sysctl -w net.ipv6.conf.eth0.disable_ipv6=0")
        )
        self.assertEqual(self.found(link="ppp0"), ["no_link"])

    def test_port(self) -> None:
        """Who holds port 546 is found by the daemon's own words, or by the descriptors of whoever it is."""
        said = "waiting for UDP port 546 on eth0, held by dhclient (412)"
        (finding,) = self.findings(reason_text=said)
        self.assertEqual(finding["code"], "port_taken")
        self.assertIn("held by dhclient (412)", finding["text"])
        self.write("net/udp6", f"{HEAD}    1: {'0' * 32}:0222 {'0' * 32}:0000 07 0 0 0 0 0 99 2 0\n")
        self.write("413/comm", "dhcpcd\n")
        self.write("413/fd/0", "")
        os.unlink(os.path.join(self.root, "413/fd/0"))
        os.symlink("socket:[99]", os.path.join(self.root, "413/fd/5"))
        (finding,) = self.findings(reason_text=said)
        self.assertIn("held by dhcpcd (413)", finding["text"])
        self.assertEqual(
            [one["code"] for one in examine(_unreachable, self.machine())], ["daemon_unreachable", "port_taken"]
        )

    def test_firewall(self) -> None:
        """What drops answers is found in the rules of nftables and of ip6tables, and said to be a guess."""
        chain = {"family": "inet", "table": "f", "name": "input", "hook": "input", "policy": "drop"}
        self.printed["nft"] = json.dumps({"nftables": [{"chain": chain}]})
        (finding,) = self.findings()
        self.assertEqual(finding["code"], "firewall")
        self.assertIn("probably drops", finding["text"])
        self.assertIn("(a guess from its rules)", finding["text"])
        self.assertTrue(finding["mend"].startswith("nft insert rule inet f input iifname eth0"))
        self.printed = {"nft": "not JSON", "ip6tables-save": "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"}
        (finding,) = self.findings()
        self.assertTrue(finding["mend"].startswith("ip6tables -I INPUT -i eth0"))
        self.printed["ip6tables-save"] = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"
        self.assertEqual(self.found(), [])

    def test_advertiser(self) -> None:
        """Where no program has a raw ICMPv6 socket, nobody can send advertisements on the links that are served."""
        self.write("net/raw6", HEAD)
        (finding,) = self.findings()
        self.assertEqual(finding["code"], "no_advertiser")
        self.assertIn("lan0", finding["text"])
        self.write("net/raw6", f"{HEAD}   17: {'0' * 32}:0011 {'0' * 32}:0000 07 0 0 0 0 0 4711 2 0\n")
        self.assertEqual(self.found(), ["no_advertiser"])
        waiting = {**WAN["assignments"][0], "installed": False}  # type: ignore[index]
        self.assertEqual(self.found(assignments=[waiting]), [])

    def test_contested(self) -> None:
        """An address that something else keeps removing is found as a fight, not as a refusal."""
        problem = {"operation": "add", "errno": 0, "text": "somebody else keeps undoing this"}
        fought = {**WAN["assignments"][0], "condition": "contested", "problem": problem}  # type: ignore[index]
        (finding,) = self.findings(assignments=[fought])
        self.assertEqual(finding["code"], "contested")
        self.assertIn("ip monitor address dev lan0", finding["mend"])

    def test_clock(self) -> None:
        """A clock that is before this program's release is not set."""
        self.wall = 86400.0
        (finding,) = self.findings()
        self.assertEqual(finding["code"], "clock_not_set")
        self.assertIn("1970-01-02", finding["text"])

    def test_state_folder(self) -> None:
        """A state folder in memory is found by the mount that it is on; one whose name only begins alike is not."""
        for folder, found in (
            ("/run/pdlease", ["state_not_durable"]),
            ("/run", ["state_not_durable"]),
            ("/runs/pdlease", []),
            ("/run/disk/pdlease", []),
            ("/with a blank/pdlease", ["state_not_durable"]),
            ("", []),
        ):
            self.assertEqual(self.found(state_folder=folder), found, folder)

    def test_another_machine(self) -> None:
        """Of another machine only what its daemon tells is looked at."""
        self.printed["ip6tables-save"] = "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"
        findings = examine(lambda: cast("Control", Daemon(state_folder="/run/x", prefixes=[])), Machine.unseen())
        self.assertEqual([finding["code"] for finding in findings], ["no_prefix"])

    def test_no_daemon(self) -> None:
        """Without a daemon that is the first finding, and the system is looked at all the same."""
        self.write("net/ipv6_route", "")
        codes = [finding["code"] for finding in examine(_unreachable, self.machine())]
        self.assertEqual(codes, ["daemon_unreachable", "no_default_route"])

    def test_not_allowed(self) -> None:
        """Who may not ask the daemon is told to ask as root."""
        for problem in (
            NotAllowedError("This user may not control the daemon."),
            UnreachableError("No daemon is reachable: Permission denied (be root, or a member of its group)"),
        ):

            def refuse(problem: ControlError = problem) -> Control:
                raise problem

            findings = examine(refuse, self.machine())
            self.assertEqual((findings[0]["code"], findings[0]["mend"]), ("not_allowed", "sudo pdleasectl doctor"))

    def test_unreadable(self) -> None:
        """What cannot be read is not guessed, and names of links lead nowhere else."""
        self.root = "/nonexistent"
        self.assertEqual(self.found(link="../../../etc/passwd"), [])


class RunTests(SynchronousTestCase):
    """Running a program."""

    def test_run(self) -> None:
        """What a program prints is taken where it succeeds; one that is not there or fails says nothing."""
        self.assertEqual(run(("echo", "rules")), "rules\n")
        self.assertIsNone(run(("false",)))
        self.assertIsNone(run(("pdlease-no-such-program",)))


def _unreachable() -> Control:
    raise UnreachableError("No daemon is reachable.")
