"""
What L{tests.live.test_laboratory} has done on another kernel: C{python -m tests.live.inside_lab}, as root, in a machine
that is thrown away.  It computes many times slower than usual: nothing here is about time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from traceback import format_exc

from tests.live.daemon import Daemon
from tests.live.inside_guests import vrf_guests
from tests.live.inside_pppoe import pppoe
from tests.live.inside_vrf import vrf_uplink
from tests.live.laboratory import PATIENCE, begin
from tests.live.network import Network, ip, until
from tests.live.scripted import Server


def vlan() -> None:
    """A VLAN as the uplink: bound, and again after the port below was without carrier."""
    network = Network()
    try:
        for namespace, port, name in ((network.router, "wan0", "wan0.835"), (network.isp, "cpe0", "cpe0.835")):
            ip("-n", namespace, "link", "add", "link", port, "name", name, "type", "vlan", "id", "835")
            ip("-n", namespace, "link", "set", name, "up")
        for namespace, name in ((network.router, "wan0.835"), (network.isp, "cpe0.835")):
            network.ready(namespace, name)
        # as docs/providers.rst has it for Orange
        ip("-n", network.router, "link", "set", "wan0.835", "type", "vlan", "egress-qos-map", "6:6")
        words = ("tcpdump", "-Z", "root", "-l", "-e", "-n", "-v", "-i", "cpe0", "vlan and udp dst port 547")
        heard = network.run("tcpdump", network.isp, *words)
        until(lambda: "listening on" in heard.said(), PATIENCE, "tcpdump to listen")
        Server(network, "cpe0.835", "--preference", "255").start()
        marks = "priority = 6\ndscp = 48"
        daemon = Daemon(network, {'"wan0.835"': ['["lan0", "lan1"]']}, uplink_extra=marks)
        try:
            begin(daemon)
            daemon.bound("wan0.835", PATIENCE)
            assert "2001:db8:1000::1/64" in network.global_addresses("lan0"), network.global_addresses("lan0")
            print("VLAN: bound", flush=True)
            until(lambda: "dhcp6 request" in heard.said(), PATIENCE, "tcpdump to tell")
            told = [line for line in heard.said().splitlines() if "dhcp6" in line]
            assert told and all("vlan 835, p 6," in line and "class 0xc0" in line for line in told), told
            print("VLAN: marked", flush=True)
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
        except BaseException:
            print(daemon.said()[-4000:], flush=True)
            raise
    finally:
        network.close()


def clocks() -> None:
    """
    The machine's real clock stepped from today to 1970 and back: no message is sent for it, nothing is made anew, and
    the kernel's lifetimes go on.
    """
    network = Network()
    try:
        Server(network, "cpe0", "--preference", "255").start()
        daemon = Daemon(network)
        try:
            begin(daemon)
            daemon.bound(seconds=PATIENCE)
            step_clock(network, daemon)
        except BaseException:
            print(daemon.said()[-4000:], flush=True)
            raise
    finally:
        network.close()


def step_clock(network: Network, daemon: Daemon) -> None:
    """Step the machine's clock and back, twice."""
    before = daemon.status()
    addresses = network.global_addresses("lan0")
    today = time.clock_gettime(time.CLOCK_REALTIME)
    # not before the boot: that the kernel refuses
    for step in (1000.0, today, 1000.0, today):
        time.clock_settime(time.CLOCK_REALTIME, step)
        time.sleep(0.5)
        status = daemon.status()
        assert status["state"] == "bound", status
        assert status["counters"] == before["counters"], (before, status)
        assert 0 <= before["t1_seconds"] - status["t1_seconds"] < PATIENCE
    for name, address in network.global_addresses("lan0").items():
        assert 0 <= addresses[name]["valid_life_time"] - address["valid_life_time"] < PATIENCE, (addresses, address)
    print("clock: stepped", flush=True)


def together(*parts: Callable[[], None]) -> bool:
    """Try these, two at a time, each in namespaces of its own; whether all went well."""
    with ThreadPoolExecutor(2) as pool:
        return all([outcome.result() for outcome in [pool.submit(went_well, part) for part in parts]])


def went_well(part: Callable[[], None]) -> bool:
    """Try one."""
    try:
        part()
    except BaseException:
        print(f"{part.__name__} failed:\n{format_exc()}", flush=True)
        return False
    return True


if __name__ == "__main__":
    Server.patience = PATIENCE
    # the clock of the whole machine: when nobody else has business with it
    sys.exit(0 if together(vrf_uplink, pppoe, vlan, vrf_guests) and together(clocks) else 1)
