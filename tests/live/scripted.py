"""
Our own delegating server as the provider of a live test, and what tests with it have in common.

What the server can be told is in L{pdlease.demo.script}.
"""

from __future__ import annotations

import json
import sys
import time
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

from tests.live.case import LiveCase
from tests.live.daemon import Daemon
from tests.live.network import Network, Program, ip, until

POOL = "2001:db8:1000::/44"
"""What the server delegates from, beginning with the lowest."""

FIRST = IPv6Network("2001:db8:1000::/60")
"""The first prefix of the pool, which the only client gets that wants two /64."""


class Server:
    """
    C{python -m pdlease.demo.server} on the provider's side; C{start} and C{stop} may be called again and again.
    """

    patience = 30.0
    """Seconds in which it must be ready."""

    def __init__(self, network: Network, link: str = "cpe0", *arguments: str, pool: str = POOL) -> None:
        self.network = network
        self.words = (sys.executable, "-m", "pdlease.demo.server", "--link", link, "--prefix", pool, *arguments)
        self.program: Program | None = None
        self._began = 0

    def start(self, *more: str) -> Server:
        """Start it and wait until it listens."""
        self._began = len(self.program.said()) if self.program is not None else 0
        self.program = self.network.run("server", self.network.isp, *self.words, *more)
        until(lambda: self._has_told("ready"), self.patience, "the server to listen")
        return self

    def stop(self) -> None:
        """End it."""
        if self.program is not None:
            self.program.stop()

    def events(self) -> list[dict[str, Any]]:
        """What it told since it was started."""
        assert self.program is not None
        lines = self.program.said()[self._began :].splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def tell(self, *commands: str) -> None:
        """Give commands, and wait until it has taken them."""
        assert self.program is not None
        before = len(self._taken())
        for command in commands:
            self.program.tell(command)
        until(lambda: len(self._taken()) >= before + len(commands), 5, f"the server to take {commands[-1][:60]!r}")
        refused = [event for event in self._taken()[before:] if event["event"] == "refused"]
        assert not refused, refused

    def received(self) -> list[str]:
        """The types of the messages that it received, in order."""
        return [event["type"] for event in self.events() if event["event"] == "received"]

    def _taken(self) -> list[dict[str, Any]]:
        return [event for event in self.events() if event["event"] in ("command", "refused")]

    def _has_told(self, name: str) -> bool:
        assert self.program is not None
        if not self.program.running():
            raise AssertionError(f"the server ended: {self.program.said()}")
        return any(event["event"] == name for event in self.events())


class WithServer(LiveCase):
    """
    One uplink, two LANs, our own server as the provider.

    @ivar server_words: further arguments of the server.
    """

    server_words: tuple[str, ...] = ("--preference", "255")

    def setUp(self) -> None:
        super().setUp()
        self.network = self.make_network()
        self.heard = self.network.hear()
        self.server = Server(self.network, "cpe0", *self.server_words)

    def start(self, downstreams: str = '["lan0", "lan1"]', *, bound: bool = True, **texts: str) -> Daemon:
        """Start server and daemon, and wait until the daemon is bound and every address is there."""
        self.server.start()
        self.daemon = self.make_daemon(self.network, {"wan0": [downstreams]}, **texts).start()
        if bound:
            self.daemon.bound()
        return self.daemon

    def now(self) -> float:
        """CLOCK_MONOTONIC, by which messages are heard."""
        return time.monotonic()

    def assignment(self, link: str) -> dict[str, Any]:
        """How the assignment of a link stands, by the daemon's status; empty if it has none."""
        found = [one for one in self.daemon.status()["assignments"] if one["link"] == link]
        return found[-1] if found else {}

    def until_state(self, state: str, seconds: float = 10.0) -> dict[str, Any]:
        """Wait for the session to be in a state; the status."""
        found: list[dict[str, Any]] = until(
            lambda: [status for status in [self.daemon.status()] if status["state"] == state],
            seconds,
            f"the session to be {state}",
        )
        return found[0]

    def monitor(self, *objects: str, name: str = "monitor") -> Monitor:
        """Record what the kernel tells about these kinds of objects in the router's namespace."""
        monitor = Monitor(self.network, name, *objects)
        self.addCleanup(monitor.stop)
        return monitor


class Monitor:
    """C{ip monitor} in the router's namespace."""

    def __init__(self, network: Network, name: str, *objects: str) -> None:
        self._network = network
        self._program = network.run(
            name, network.router, "ip", "-6", "-o", "monitor", *(objects or ("address", "route"))
        )
        # it says nothing when it is ready: a loopback route is the sign
        until(self._is_hearing, 5, "ip monitor to hear", every=0.02)

    def lines(self) -> list[str]:
        """What was told so far, a line for each notice."""
        return [line for line in self._program.said().splitlines() if "2001:db8:fade" not in line]

    def stop(self) -> None:
        """Hear no more."""
        self._program.stop()

    def _is_hearing(self) -> bool:
        for action in ("add", "delete"):
            ip("-n", self._network.router, "-6", "route", action, "unreachable", "2001:db8:fade::/64", check=False)
            ip("-n", self._network.router, "-6", "address", action, "2001:db8:fade::1/128", "dev", "lo", check=False)
        return bool(self._program.said())


def resident(pid: int) -> int:
    """The resident memory of a process in KiB."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])
