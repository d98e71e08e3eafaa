"""
An uplink and its LAN in a VRF, for L{tests.live.inside_lab}.  Nothing here is about time.
"""

from __future__ import annotations

import json
from typing import Any

from tests.live.daemon import Daemon
from tests.live.laboratory import PATIENCE, begin
from tests.live.network import Network, ip, until
from tests.live.scripted import Server

BLUE, RED = 10, 20


def vrf_uplink() -> None:
    """
    What is in the file before the VRF exists waits for it and says so; the uplink is put into it and bound there; all
    routes are in its table, on a LAN that is in the VRF as on one that is in none; a reload to another VRF moves
    everything, and one without a VRF takes it back.
    """
    network = Network()
    router = network.router
    uplinks = {"wan0": ['["lan0", "lan1"]']}
    try:
        Server(network, "cpe0", "--preference", "255").start()
        daemon = Daemon(network, uplinks, uplink_extra='vrf = "blue"\nroute_metric = 2048')
        try:
            begin(daemon)
            until(lambda: daemon.status()["reason_text"] == "waiting for VRF blue to appear", PATIENCE, "the reason")
            assert daemon.status()["counters"].get("sent_solicit", 0) == 0
            print("VRF uplink: waits", flush=True)

            for name, table in (("blue", BLUE), ("red", RED)):
                ip("-n", router, "link", "add", name, "type", "vrf", "table", str(table))
                ip("-n", router, "link", "set", name, "up")
            ip("-n", router, "link", "set", "lan0", "master", "blue")
            daemon.bound(seconds=PATIENCE)
            assert master(network, "wan0") == "blue", master(network, "wan0")
            assert placed(network) == {
                ("unreachable", "2001:db8:1000::/60", BLUE, 2048),
                ("lan0", "2001:db8:1000::/64", BLUE, 512),
                ("lan1", "2001:db8:1000:1::/64", BLUE, 512),
            }, placed(network)
            print("VRF uplink: bound", flush=True)

            ping(network, "lan0", "2001:db8:1000::1")
            print("VRF uplink: answers", flush=True)

            solicits = daemon.status()["counters"]["sent_solicit"]
            daemon.write(uplinks, uplink_extra='vrf = "red"\nroute_table = 77')
            daemon.ctl("reload", seconds=PATIENCE)
            wanted = {
                ("unreachable", "2001:db8:1000::/60", 77, 4096),
                ("lan0", "2001:db8:1000::/64", BLUE, 512),
                ("lan1", "2001:db8:1000:1::/64", 77, 512),
            }
            until(lambda: placed(network) == wanted, PATIENCE, f"routes in their tables: {placed(network)}")
            until(lambda: daemon.status()["state"] == "bound", PATIENCE, "the session to be bound in the other VRF")
            assert master(network, "wan0") == "red", master(network, "wan0")
            assert daemon.status()["counters"].get("sent_solicit", 0) in (0, solicits)
            print("VRF uplink: moved", flush=True)

            ip("-n", router, "link", "delete", "red")
            until(lambda: daemon.status()["state"] == "down", PATIENCE, "the session to notice")
            assert daemon.status()["reason_text"] == "waiting for VRF red to appear", daemon.status()["reason_text"]
            assert network.global_addresses("lan0"), "the LAN keeps its prefix"
            print("VRF uplink: lost", flush=True)

            daemon.write(uplinks)
            daemon.ctl("reload", seconds=PATIENCE)
            until(lambda: daemon.status()["state"] == "bound", PATIENCE, "the session to be bound without a VRF")
            wanted = {
                ("unreachable", "2001:db8:1000::/60", 254, 4096),
                ("lan0", "2001:db8:1000::/64", BLUE, 512),
                ("lan1", "2001:db8:1000:1::/64", 254, 512),
            }
            until(lambda: placed(network) == wanted, PATIENCE, "routes in the main table")
            assert master(network, "wan0") is None, master(network, "wan0")
            print("VRF uplink: left", flush=True)

            daemon.write(uplinks, uplink_extra='vrf = "blue"')
            daemon.ctl("reload", seconds=PATIENCE)
            until(lambda: master(network, "wan0") == "blue", PATIENCE, "the uplink to be in the VRF again")
            daemon.bound(seconds=PATIENCE)
            daemon.write({}, extra='[switches.lab]\nlink = "br0"\n')
            daemon.ctl("reload", seconds=PATIENCE)
            until(lambda: master(network, "wan0") is None, PATIENCE, "the removed uplink to be out of the VRF")
            until(lambda: placed(network) == set(), PATIENCE, "the routes to be gone")
            print("VRF uplink: removed", flush=True)
        except BaseException:
            print(placed(network), daemon.said()[-6000:], flush=True)
            raise
    finally:
        network.close()


def master(network: Network, link: str) -> Any:
    """The bridge or VRF that a link of the router is in."""
    (told,) = json.loads(ip("-n", network.router, "-json", "link", "show", link))
    return told.get("master")


def placed(network: Network) -> set[tuple[str, str, int, int]]:
    """Link, prefix, table and metric of every route of ours."""
    names = {"blue": BLUE, "red": RED, "main": 254}
    found = set()
    for route in network.routes():
        table = route.get("table", "main")
        kind = route["type"] if "type" in route else route["dev"]
        found.add((kind, route["dst"], names.get(table) or int(table), route["metric"]))
    return found


def ping(network: Network, link: str, address: str) -> None:
    """A host on the LAN behind a link of the router has an answer of one of its addresses."""
    host = link.replace("lan", "host")
    ip("-n", network.lan, "address", "add", f"{address}00/64", "dev", host, "nodad")
    done = network.run("ping", network.lan, "ping", "-6", "-c", "3", "-W", "20", address)
    assert done.ended(PATIENCE) == 0, done.said()
