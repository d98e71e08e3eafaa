"""
What L{tests.live.test_links} has done on another kernel: C{python -m tests.live.inside_lab}, as root, in a machine that
is thrown away.  It computes many times slower than usual: nothing here is about time.
"""

from __future__ import annotations

import sys
import time

from tests.live.daemon import Daemon
from tests.live.network import Network, ip, until
from tests.live.scripted import Server

PATIENCE = 60.0
"""Seconds in which anything must happen."""


def vlan() -> None:
    """A VLAN as the uplink: bound, and again after the port below was without carrier; then L{clocks}."""
    network = Network()
    try:
        for namespace, port, name in ((network.router, "wan0", "wan0.835"), (network.isp, "cpe0", "cpe0.835")):
            ip("-n", namespace, "link", "add", "link", port, "name", name, "type", "vlan", "id", "835")
            ip("-n", namespace, "link", "set", name, "up")
        for namespace, name in ((network.router, "wan0.835"), (network.isp, "cpe0.835")):
            network.ready(namespace, name)
        Server(network, "cpe0.835", "--preference", "255").start()
        daemon = Daemon(network, {'"wan0.835"': ['["lan0", "lan1"]']})
        try:
            begin(daemon)
            daemon.bound("wan0.835", PATIENCE)
            assert "2001:db8:1000::1/64" in network.global_addresses("lan0"), network.global_addresses("lan0")
            print("VLAN: bound", flush=True)
            solicits = daemon.status("wan0.835")["counters"]["sent_solicit"]
            ip("-n", network.isp, "link", "set", "cpe0", "down")
            until(lambda: daemon.status("wan0.835")["state"] == "down", PATIENCE, "the session to notice")
            assert "2001:db8:1000::1/64" in network.global_addresses("lan0"), network.global_addresses("lan0")
            ip("-n", network.isp, "link", "set", "cpe0", "up")
            ip("-n", network.isp, "link", "set", "cpe0.835", "up")
            until(lambda: daemon.status("wan0.835")["state"] == "bound", PATIENCE, "the session to be bound again")
            assert daemon.status("wan0.835")["counters"]["sent_rebind"] >= 1
            assert daemon.status("wan0.835")["counters"]["sent_solicit"] == solicits
            print("VLAN: bound again", flush=True)
            clocks(network, daemon)
        except BaseException:
            print(daemon.said()[-4000:], flush=True)
            raise
    finally:
        network.close()


def clocks(network: Network, daemon: Daemon) -> None:
    """
    The machine's real clock stepped from today to 1970 and back: no message is sent for it, nothing is made anew, and
    the kernel's lifetimes go on.
    """
    before = daemon.status("wan0.835")
    addresses = network.global_addresses("lan0")
    today = time.clock_gettime(time.CLOCK_REALTIME)
    for step in (100.0, today, 100.0, today):
        time.clock_settime(time.CLOCK_REALTIME, step)
        time.sleep(0.5)
        status = daemon.status("wan0.835")
        assert status["state"] == "bound", status
        assert status["counters"] == before["counters"], (before, status)
        assert 0 <= before["t1_seconds"] - status["t1_seconds"] < PATIENCE
    for name, address in network.global_addresses("lan0").items():
        assert 0 <= addresses[name]["valid_life_time"] - address["valid_life_time"] < PATIENCE, (addresses, address)
    print("clock: stepped", flush=True)


def begin(daemon: Daemon) -> None:
    """Start a daemon with more patience than usual."""
    daemon.start(ready=False)
    until(daemon.answers, PATIENCE, "the daemon to answer")


if __name__ == "__main__":
    vlan()
    sys.exit(0)
