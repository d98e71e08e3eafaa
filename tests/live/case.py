"""
What live tests of the whole daemon have in common.
"""

from __future__ import annotations

import time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pdlease.wire.codes import MessageType
from pdlease.wire.messages import Message
from tests.live.daemon import Daemon
from tests.live.kea import KEA, Kea
from tests.live.network import Heard, Network, until
from tests.live.require import named_namespaces, root, stop_without


def kea() -> str | None:
    """Kea's DHCPv6 server is installed."""
    return None if KEA else "there is no kea-dhcp6 program"


class LiveCase(SynchronousTestCase):
    """
    Makes networks, servers and daemons, and ends them with the test.

    Decorate subclasses with L{tests.live.require.needs} for what they need besides named namespaces and root.
    """

    def setUp(self) -> None:
        stop_without(self, root() or named_namespaces())

    def make_network(self, **choices: Any) -> Network:
        """A network that is removed with the test."""
        network = Network(**choices)
        self.addCleanup(network.close)
        return network

    def make_daemon(self, network: Network, *arguments: Any, **choices: Any) -> Daemon:
        """A daemon that is ended with the network; what it printed is shown when the test fails."""
        daemon = Daemon(network, *arguments, **choices)
        self.addCleanup(self._tell_of, daemon)
        return daemon

    def _tell_of(self, daemon: Daemon) -> None:
        if self._has_failed() and daemon.program is not None:
            print(f"\n{daemon.name} said:\n{daemon.said()[-6000:]}")

    def run(self, result: Any) -> None:
        """Keep the result at hand, for what is printed about a failure."""
        self._result = result
        super().run(result)

    def _has_failed(self) -> bool:
        result = self._result
        while not hasattr(result, "failures") and hasattr(result, "_originalReporter"):
            result = result._originalReporter
        return any(test.id() == self.id() for test, _ in (*result.failures, *result.errors))

    # Questions that many tests ask.

    def first(self, heard: Heard, message_type: MessageType, since: float, seconds: float) -> tuple[float, Message]:
        """The first message of a type since then, which must come within so many seconds of now."""
        found: tuple[float, Message] = until(
            lambda: heard.first(message_type, since), seconds, f"{message_type.name} on the uplink"
        )
        return found

    def on_lan(self, network: Network, link: str = "lan0") -> set[str]:
        """The global addresses of a downstream link, with prefix length."""
        return set(network.global_addresses(link))


class WithKea(LiveCase):
    """One uplink, two LANs, Kea as the provider, the daemon bound."""

    uplinks = 1
    kea_changes: dict[str, Any] = {}

    def setUp(self) -> None:
        super().setUp()
        stop_without(self, kea())
        self.network = self.make_network(uplinks=self.uplinks)
        self.heard = self.network.hear()
        self.kea = Kea(self.network, self.uplinks, **self.kea_changes)

    def start(self, **choices: Any) -> dict[str, Any]:
        """Start Kea and the daemon; the daemon's status once it is bound."""
        self.kea.start()
        self.daemon = self.make_daemon(self.network, **choices).start()
        return self.daemon.bound()

    def now(self) -> float:
        """CLOCK_MONOTONIC, by which messages are heard."""
        return time.monotonic()
