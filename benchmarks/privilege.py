"""
What a privilege provider costs: start, memory, a round trip, a thousand addresses and routes at once.

Run C{unshare -Urn python -m benchmarks.privilege} (or with C{-n} as root) in the checkout: it makes two links in the
network namespace that it finds itself in, and stops if there is more than the loopback link.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from importlib import import_module
from ipaddress import IPv6Interface
from statistics import median
from time import perf_counter
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from pdlease.config.model import ON_LINK_METRIC
from pdlease.config.toml import parse
from pdlease.interfaces import IPrivilege, PrivilegeContext
from pdlease.operations import Operation, PutAddress, PutRoute

PROVIDERS = ("helper", "inprocess")
STARTS = 7
ROUND_TRIPS = 500
MANY = 1000

BUDGET = {"round trip": 0.4e-3, "1000 addresses": 0.5, "1000 refreshed": 0.5}
"""Most seconds that the helper may take."""

TOML = """
[daemon]
user = "root"
helper_user = "root"
[uplinks.wan]
link = "wan0"
[[uplinks.wan.delegations]]
downstreams = ["lan0"]
"""


def make_links() -> None:
    """Make wan0 and lan0, without duplicate address detection."""
    if len(socket.if_nameindex()) > 1:
        raise SystemExit("run this in a network namespace of its own: unshare -Urn python -m benchmarks.privilege")
    with open("/proc/sys/net/ipv6/conf/default/accept_dad", "w", encoding="ascii") as file:
        file.write("0")
    for name in ("wan0", "lan0"):
        subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p"], check=True)
        for end in (name, f"{name}p"):
            subprocess.run(["ip", "link", "set", end, "up"], check=True)


def memory_of_child() -> float:
    """MiB of the one child's proportional share of memory; 0 where there is no child."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        children = file.read().split()
    total = 0
    for child in children:
        with open(f"/proc/{child}/smaps_rollup", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total / 1024


async def done(provider: IPrivilege, operations: Sequence[Operation]) -> float:
    """Seconds until all are done, asked for at once."""
    begin = perf_counter()
    for waited in provider.perform(operations):
        await waited
    return perf_counter() - begin


async def measure(reactor: Any, name: str, path: str) -> dict[str, float]:
    """The figures of one provider."""
    with open(path, "rb") as file:
        configuration = parse(file.read(), path)
    context = PrivilegeContext(reactor=reactor, configuration_path=path, configuration=configuration, ended=print)
    starts = []
    for _ in range(STARTS):
        provider: IPrivilege = import_module(f"pdlease.privilege.{name}").factory.build("", context)
        begin = perf_counter()
        await provider.start()
        starts.append(perf_counter() - begin)
        if len(starts) < STARTS:
            await provider.stop()
    index = socket.if_nametoindex("lan0")
    addresses = [
        PutAddress(
            link="lan0", index=index, address=IPv6Interface(f"2001:db8:0:{number:x}::1/64"), preferred=100, valid=200
        )
        for number in range(MANY)
    ]
    routes = [
        PutRoute(link="lan0", index=index, prefix=put.address.network, expires=200, table=254, metric=ON_LINK_METRIC)
        for put in addresses
    ]
    figures = {"start": median(starts)}
    figures["1000 addresses"] = await done(provider, addresses)
    figures["1000 refreshed"] = await done(provider, addresses)
    figures["1000 routes"] = await done(provider, routes)
    figures["1000 routes refreshed"] = await done(provider, routes)
    figures["round trip"] = median([await done(provider, [addresses[0]]) for _ in range(ROUND_TRIPS)])
    figures["MiB"] = memory_of_child()
    await provider.stop()
    subprocess.run(["ip", "-6", "address", "flush", "dev", "lan0", "scope", "global"], check=True)
    subprocess.run(["ip", "-6", "route", "flush", "proto", "154"], check=True, stderr=subprocess.DEVNULL)
    return figures


async def run(reactor: Any, options: argparse.Namespace) -> None:
    """Measure every provider and print."""
    make_links()
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "pdlease.toml")
    with open(path, "w", encoding="ascii") as file:
        file.write(TOML)
    figures = {name: await measure(reactor, name, path) for name in PROVIDERS}
    os.unlink(path)
    os.rmdir(folder)
    if options.json:
        print(json.dumps({"machine": platform.platform(), "seconds": figures}))
    else:
        print(f"{'':24}" + "".join(f"{name:>14}" for name in PROVIDERS))
        for what in figures["helper"]:
            shown = (
                f"{figures[name][what]:11.1f}   " if what == "MiB" else f"{figures[name][what] * 1000:11.2f} ms"
                for name in PROVIDERS
            )
            print(f"{what:24}" + "".join(shown))
    if options.check:
        late = [what for what, most in BUDGET.items() if figures["helper"][what] > most]
        if late:
            raise SystemExit(f"above budget: {', '.join(late)}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="What a privilege provider costs.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--check", action="store_true", help="exit with 1 when the helper is above its budget")
    options = parser.parse_args()
    react(lambda reactor: Deferred.fromCoroutine(run(reactor, options)))


if __name__ == "__main__":
    main()
