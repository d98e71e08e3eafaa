"""
Switches and guests in a VRF, for L{tests.live.inside_lab}.  Nothing here is about time.
"""

from __future__ import annotations

import json
from typing import Any

from tests.live.daemon import Daemon
from tests.live.inside_vrf import placed
from tests.live.laboratory import PATIENCE, begin
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
local = true
[local]
inet6 = "fd12:3456:789a:bcde::/64"
"""

LOCAL = "fd12:3456:789a:bcde:6440:105::/96"


def vrf_guests() -> None:
    """
    A bridge and the link of a guest are put into a VRF, a port into the bridge, and all are taken out by reload.  The
    route of a local /96 is in the table of the VRF.
    """
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
            routes = {("dummy1", LOCAL, 10, 512)}
            until(lambda: placed(network) == routes, PATIENCE, "the route of the /96 in the table of the VRF")
            print("VRF: local", flush=True)
            daemon.write({}, extra='[switches.lab]\nlink = "br0"\n')
            daemon.ctl("reload", seconds=PATIENCE)
            until(lambda: set(masters().values()) == {None}, PATIENCE, "all to be out again")
            until(lambda: placed(network) == set(), PATIENCE, "the route to be gone")
            print("VRF: left", flush=True)
        except BaseException:
            print(masters(), daemon.said()[-4000:], flush=True)
            raise
    finally:
        network.close()
