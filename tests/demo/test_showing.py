"""Tests of L{pdlease.demo.showing}."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.toml import parse
from pdlease.demo.network import ISP, end
from pdlease.demo.showing import FIRST, SECOND, Demonstration, Failed, Telling

OLD, NEW = "2001:db8:1000::/60", "2001:db8:2000::/60"

SERVER = """
import json, sys
old, new, pool = sys.argv[1:]
def say(event, kind, *prefixes):
    ia = {"iaid": 1, "t1": 5, "t2": 9,
          "prefixes": [{"prefix": p, "preferred": v // 2, "valid": v} for p, v in prefixes]}
    print(json.dumps({"event": event, "type": kind, "ia_pds": [ia]}), flush=True)
print(json.dumps({"event": "ready"}), flush=True)
say("received", "SOLICIT")
say("sent", "ADVERTISE", (old, 60))
say("received", "REQUEST")
say("sent", "REPLY", (old, 60))
say("received", "RENEW", (old, 0))
say("sent", "REPLY", (old, 60))
assert sys.stdin.readline().split()[:2] == ["renumber", pool]
say("received", "RENEW", (old, 0))
say("sent", "REPLY", (new, 60), (old, 0))
sys.stdin.read()
"""
"""A server that has said everything beforehand."""

DAEMON = "print('the daemon is here', flush=True); input()"

CONTROL = """
import sys
words = sys.argv[sys.argv.index("--control") + 2:]
if words[0] == "plan":
    print('{"uplinks": {"wan": [{"prefix": "2001:db8:1000::/60"}]}}' if "--json" in words else "a tree")
"""


class Network:
    """
    Programs of ours in place of the server and the daemon, and the addresses that there would be.
    """

    def __init__(self, server: str = SERVER, daemon: str = DAEMON, addresses: str = "2001:db8:2000::1/64") -> None:
        self.programs = {ISP: server}
        self.daemon = daemon
        self.shown = addresses
        self.running: list[subprocess.Popen[str]] = []
        self.closed = False

    def start(self, namespace: str, *command: str, errors: Any = None) -> subprocess.Popen[str]:
        """Start our program instead."""
        process = subprocess.Popen(
            [sys.executable, "-c", self.programs.get(namespace, self.daemon), OLD, NEW, SECOND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if errors is None else errors,
            text=True,
        )
        self.running.append(process)
        return process

    def addresses(self, link: str) -> list[str]:
        """The same for each link."""
        return [f"{self.shown} (valid for 59 s)"]

    def close(self) -> None:
        """End all."""
        self.closed = True
        for process in self.running:
            end(process)


class DemonstrationTests(SynchronousTestCase):
    """
    L{Demonstration}, with everything around it played.
    """

    def show(self, network: Network, patience: float = 20.0, control: str = CONTROL) -> list[dict[str, Any]]:
        """What is told, as documents."""
        self.folder = Path(self.mktemp()).absolute()
        out = io.StringIO()
        with redirect_stdout(out):
            demonstration = Demonstration(
                Telling(True),
                lambda: network,  # type: ignore[arg-type, return-value]
                self.folder,
                (sys.executable, "-c", control),
                patience,
            )
            try:
                demonstration.show()
            finally:
                self.assertTrue(network.closed)
                self.assertTrue(all(process.poll() is not None for process in network.running))
        return [json.loads(line) for line in out.getvalue().splitlines()]

    def failed(self, *arguments: Any, **more: Any) -> str:
        """The sentence with which it fails."""
        return str(self.assertRaises(Failed, self.show, *arguments, **more))

    def test_the_whole_story(self) -> None:
        """
        Six headings; every message in order; a tree before and after the change; the end.
        """
        told = self.show(Network())
        headings = [one["text"].strip() for one in told if one["step"] == "heading"]
        self.assertEqual([heading[:2] for heading in headings], [f"{number}." for number in range(1, 7)])
        self.assertEqual(
            [one["message"]["type"] for one in told if "message" in one],
            ["SOLICIT", "ADVERTISE", "REQUEST", "REPLY", "RENEW", "REPLY", "RENEW", "REPLY"],
        )
        self.assertEqual([one["text"].strip() for one in told].count("a tree"), 2)
        self.assertEqual([one["link"] for one in told if "link" in one], ["lan0", "lan1", "lan0", "lan1"])
        self.assertIn("Everything is taken down", told[-1]["text"])
        self.assertEqual([one["seconds"] for one in told], sorted(one["seconds"] for one in told))

    def test_configuration(self) -> None:
        """
        The daemon's configuration is one that the daemon takes.
        """
        self.show(Network())
        path = self.folder / "pdlease.toml"
        # the folder of a test can have a longer name than the path of a socket may
        config = parse(path.read_bytes().replace(bytes(self.folder), b"/run/folder"), str(path))
        (uplink,) = config.uplinks
        self.assertEqual([one.link for one in uplink.delegations[0].downstreams], ["lan0", "lan1"])
        self.assertFalse(uplink.solicit_delay)

    def test_for_people(self) -> None:
        """
        For people every line has the seconds since the beginning, and what is drawn has none.
        """
        out = io.StringIO()
        with redirect_stdout(out):
            telling = Telling(False)
            telling.heading("1. First")
            telling.happened("Something.", message={})
            telling.text("a drawing\n")
        self.assertEqual(out.getvalue(), "\n1. First\n    0.0 s  Something.\na drawing\n")

    def test_daemon_that_ends(self) -> None:
        """
        When the daemon ends, its status and the end of its log are told.
        """
        server = SERVER.replace('say("received", "RENEW"', 'sys.stdin.read(); say("received", "RENEW"', 1)
        told = self.failed(Network(server, daemon="print('no such link', flush=True); raise SystemExit(1)"))
        self.assertIn("the daemon ended with status 1", told)
        self.assertIn("| no such link", told)

    def test_silence(self) -> None:
        """
        What does not happen in time is named.
        """
        server = 'import sys; print(\'{"event": "ready"}\', flush=True); sys.stdin.read()'
        self.assertIn("the first Reply did not come", self.failed(Network(server), patience=0.1))

    def test_server_that_fails(self) -> None:
        """
        A server that cannot serve says why, and that is told.
        """
        self.assertIn("cannot serve it", self.failed(Network("print('customer: cannot serve it')")))
        self.assertIn("it ended", self.failed(Network("pass")))

    def test_control_that_fails(self) -> None:
        """
        What C{pdleasectl} says when it fails is told.
        """
        control = "import sys; sys.exit('nobody is there')"
        self.assertIn("pdleasectl wait wan --timeout 20: nobody is there", self.failed(Network(), control=control))

    def test_addresses_that_stay(self) -> None:
        """
        Addresses of the old prefix that do not go away are a failure.
        """
        told = self.failed(Network(addresses="2001:db8:1000::1/64"), patience=0.5)
        self.assertIn(f"the LAN did not get addresses of {SECOND} alone", told)
        self.assertNotEqual(FIRST, SECOND)
