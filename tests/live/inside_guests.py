"""
What L{tests.live.test_guests} has done on another kernel, one that has VRFs: C{python -m tests.live.inside_guests}, as
root, in a machine that is thrown away.  Nothing here is about time.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.live.daemon import Daemon
from tests.live.inside_lab import PATIENCE, begin
from tests.live.network import Network, ip, until

TABLES = """
[switches.lab]
link = "br0"
vrf = "blue"
[guests.web1]
id = 1
[[guests.web1.nics]]
link = "tap0"
switch = "lab"
[[guests.web1.nics]]
link = "dummy1"
vrf = "blue"
"""


def vrf() -> None:
    """A bridge and the link of a guest are put into a VRF, a port into the bridge, and all are taken out by reload."""
    network = Network(uplinks=0, downstreams=0)

    def link(*words: str) -> None:
        ip("-n", network.router, "link", *words)

    def masters() -> dict[str, Any]:
        told = json.loads(ip("-n", network.router, "-json", "link", "show"))
        return {entry["ifname"]: entry.get("master") for entry in told if entry["ifname"] in ("br0", "tap0", "dummy1")}

    try:
        link("add", "blue", "type", "vrf", "table", "10")
        link("set", "blue", "up")
        link("add", "br0", "type", "bridge")
        ip("-n", network.router, "tuntap", "add", "tap0", "mode", "tap")
        link("add", "dummy1", "type", "dummy")
        daemon = Daemon(network, {})
        try:
            daemon.write({}, extra=TABLES)
            begin(daemon)
            expected = {"br0": "blue", "tap0": "br0", "dummy1": "blue"}
            until(lambda: masters() == expected, PATIENCE, "bridge and links in their places")
            print("VRF: entered", flush=True)
            daemon.write({}, extra='[switches.lab]\nlink = "br0"\n')
            daemon.ctl("reload", seconds=PATIENCE)
            until(lambda: set(masters().values()) == {None}, PATIENCE, "all to be out again")
            print("VRF: left", flush=True)
        except BaseException:
            print(masters(), daemon.said()[-4000:], flush=True)
            raise
    finally:
        network.close()


if __name__ == "__main__":
    vrf()
    sys.exit(0)
