"""Tests of what the doctor finds, in documents of a daemon and files that stand for /proc."""

from __future__ import annotations

import os
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.blocking import Control
from pdlease.control.doctor import examine
from pdlease.control.errors import UnreachableError
from tests.control.daemons import WAN

LINK_LOCAL = "fe800000000000000000000000000001 02 40 20 80     eth0\n"
DEFAULT_ROUTE = (
    "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
    "fe800000000000000000000000000002 00000400 00000001 00000000 00450003     eth0\n"
)
REJECTING = DEFAULT_ROUTE.replace("00450003", "00200200")


class Daemon:
    """A connection to a daemon with this uplink."""

    def __init__(self, **changes: Any) -> None:
        self.uplink = {**WAN, **changes}

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *problem: object) -> None:
        pass

    def status(self) -> dict[str, Any]:
        return {"uplinks": {"wan": self.uplink}}


class DoctorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.root = self.mktemp()
        self.write("sys/net/ipv6/conf/all/forwarding", "1\n")
        self.write("sys/net/ipv6/conf/eth0/accept_ra", "2\n")
        self.write("sys/net/ipv6/conf/lan0/disable_ipv6", "0\n")
        self.write("net/if_inet6", LINK_LOCAL)
        self.write("net/ipv6_route", DEFAULT_ROUTE)

    def write(self, path: str, text: str) -> None:
        """A file that stands for one below /proc."""
        whole = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "w") as file:
            file.write(text)

    def found(self, **changes: Any) -> list[str]:
        """The codes of what is found with this uplink."""
        return [finding["code"] for finding in examine(lambda: cast("Control", Daemon(**changes)), self.root)]

    def test_healthy(self) -> None:
        """Where all is well nothing is found."""
        self.assertEqual(self.found(), [])

    def test_system(self) -> None:
        """Forwarding off, a forwarding uplink that ignores advertisements, and a missing default route are found."""
        self.write("sys/net/ipv6/conf/eth0/accept_ra", "1\n")
        self.assertEqual(self.found(), ["accept_ra"])
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

    def test_each_says_what_mends_it(self) -> None:
        """Each finding has a sentence and what mends it."""
        self.write("net/if_inet6", "")
        for finding in examine(lambda: cast("Control", Daemon(prefixes=[])), self.root):
            self.assertTrue(finding["text"].endswith("."))
            self.assertTrue(finding["mend"])

    def test_no_daemon(self) -> None:
        """Without a daemon that is the first finding, and the system is looked at all the same."""

        def connect() -> Control:
            raise UnreachableError("No daemon is reachable.")

        self.write("net/ipv6_route", "")
        codes = [finding["code"] for finding in examine(connect, self.root)]
        self.assertEqual(codes, ["daemon_unreachable", "no_default_route"])

    def test_unreadable(self) -> None:
        """What cannot be read is not guessed, and names of links lead nowhere else."""
        self.root = "/nonexistent"
        self.assertEqual(self.found(link="../../../etc/passwd"), [])
