"""
Many uplinks of one daemon.
"""

from __future__ import annotations

from pdlease.wire.codes import MessageType
from tests.live.case import LiveCase, kea
from tests.live.kea import Kea
from tests.live.network import until
from tests.live.require import stop_without

UPLINKS = 40
"""More than the helper may have open, or under way, at a time."""


class ManyUplinksTests(LiveCase):
    """A provider's edge in one box."""

    def test_forty_uplinks(self) -> None:
        """
        Forty uplinks bind at once: the helper passes more sockets than it may have descriptors, each uplink has its own
        exchange and prefix, and no message is lost for it (R-18-00).
        """
        stop_without(self, kea())
        network = self.make_network(uplinks=UPLINKS, downstreams=1)
        Kea(network, UPLINKS).start()
        names = [f"wan{number}" for number in range(UPLINKS)]
        heard = network.hear(UPLINKS - 1)
        daemon = self.make_daemon(network, {name: [f'["lan{number}"]'] for number, name in enumerate(names)}).start()
        until(
            lambda: all(daemon.status(name)["state"] == "bound" for name in names), 20, "every uplink bound", every=0.5
        )
        prefixes = {daemon.status(name)["prefixes"][0]["prefix"] for name in names}
        self.assertEqual(len(prefixes), UPLINKS)
        self.assertEqual(heard.types().count(MessageType.SOLICIT), 1)
