"""
How fast DHCPv6 messages are read and written, next to scapy and dhcpkit where these are installed.

Run C{python -m benchmarks.codec} in the checkout.  All codecs get the same Reply (identifiers, associations with a
prefix each, name servers, search list, SOL_MAX_RT), with 1 and with 64 associations.  To read is to have all fields as
values; to write is to make the message from values, in the form each codec likes, and to encode it.  The codecs take
turns in every round, so that a busy machine disturbs them alike; the median of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from ipaddress import IPv6Address, IPv6Network
from statistics import median
from time import perf_counter

import pdlease
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.names import DomainName
from pdlease.wire.options import ClientId, DnsServers, DomainList, ServerId, SolMaxRt
from pdlease.wire.prefixes import IAPD, IAPrefix

SIZES = (1, 64)
ROUNDS = 15
SECONDS_A_ROUND = 0.03

WANTED = {(1, "scapy"): 10.0, (1, "dhcpkit"): 3.0, (64, "scapy"): 10.0}
"""By which factor pdlease has to be faster, by number of associations and codec."""

CLIENT, SERVER = DUID.from_link_layer(1, bytes.fromhex("001122334455")), DUID.from_uuid(bytes(range(16)))
PREFIXES = tuple(IPv6Network((0x20010DB8 << 96 | number << 72, 56)) for number in range(max(SIZES)))
SERVERS = (IPv6Address("2001:db8::53"), IPv6Address("2001:db8::54"))
DOMAINS = ("example.net.", "example.org.")

Codec = tuple[Callable[[bytes], object], Callable[[int], bytes]]
"""To read octets, and to write a message with a number of associations."""


def ours() -> Codec:
    """
    Have pdlease read and write.
    """
    domains = tuple(map(DomainName.parse, DOMAINS))
    prefixes = tuple(prefix.network_address.packed for prefix in PREFIXES)

    def write(size: int) -> bytes:
        return encode(
            Message(
                7,
                0xA1B2C3,
                (
                    ClientId(CLIENT),
                    ServerId(SERVER),
                    *(
                        IAPD(number, 3600, 5760, (IAPrefix(7200, 10800, 56, prefix),))
                        for number, prefix in enumerate(prefixes[:size])
                    ),
                    DnsServers(SERVERS),
                    DomainList(domains),
                    SolMaxRt(3600),
                ),
            )
        )

    return decode, write


def scapy() -> Codec:
    """
    Have scapy read and write.
    """
    from scapy.layers import dhcp6
    from scapy.packet import Raw

    servers = list(map(str, SERVERS))
    prefixes = [str(prefix.network_address) for prefix in PREFIXES]

    def write(size: int) -> bytes:
        message = dhcp6.DHCP6_Reply(trid=0xA1B2C3)
        last = message
        for layer in (
            dhcp6.DHCP6OptClientId(duid=Raw(CLIENT.data)),
            dhcp6.DHCP6OptServerId(duid=Raw(SERVER.data)),
            *(
                dhcp6.DHCP6OptIA_PD(
                    iaid=number,
                    T1=3600,
                    T2=5760,
                    iapdopt=[dhcp6.DHCP6OptIAPrefix(preflft=7200, validlft=10800, plen=56, prefix=prefix)],
                )
                for number, prefix in enumerate(prefixes[:size])
            ),
            dhcp6.DHCP6OptDNSServers(dnsservers=servers),
            dhcp6.DHCP6OptDNSDomains(dnsdomains=list(DOMAINS)),
            dhcp6.DHCP6OptUnknown(optcode=82, data=(3600).to_bytes(4, "big")),
        ):
            last.add_payload(layer)  # The customary "/" copies all that there is, every time.
            last = layer
        return bytes(message)

    return dhcp6._dhcp6_dispatcher, write


def dhcpkit() -> Codec:
    """
    Have dhcpkit read and write.
    """
    from dhcpkit.ipv6 import duids, messages, options
    from dhcpkit.ipv6.extensions import dns, prefix_delegation, sol_max_rt

    def write(size: int) -> bytes:
        return bytes(
            messages.ReplyMessage(
                b"\xa1\xb2\xc3",
                [
                    options.ClientIdOption(duids.LinkLayerDUID(1, CLIENT.data[4:])),
                    options.ServerIdOption(duids.UnknownDUID(4, SERVER.data[2:])),
                    *(
                        prefix_delegation.IAPDOption(
                            number.to_bytes(4, "big"),
                            3600,
                            5760,
                            [prefix_delegation.IAPrefixOption(prefix, 7200, 10800)],
                        )
                        for number, prefix in enumerate(PREFIXES[:size])
                    ),
                    dns.RecursiveNameServersOption(list(SERVERS)),
                    dns.DomainSearchListOption(list(DOMAINS)),
                    sol_max_rt.SolMaxRTOption(3600),
                ],
            ).save()
        )

    return lambda data: messages.Message.parse(data)[1], write


def measure(tasks: dict[str, Callable[[], object]]) -> dict[str, float]:
    """
    Run tasks in turns and give the median time of each, in seconds.
    """
    repeats = {}
    for name, task in tasks.items():
        task()
        start = perf_counter()
        task()
        repeats[name] = max(1, int(SECONDS_A_ROUND / (perf_counter() - start)))
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(ROUNDS):
        for name, task in tasks.items():
            start = perf_counter()
            for _ in range(repeats[name]):
                task()
            times[name].append((perf_counter() - start) / repeats[name])
    return {name: median(found) for name, found in times.items()}


def installed(name: str) -> str | None:
    """
    Give the version of a distribution, or C{None} if it is not installed.
    """
    try:
        return version(name) if find_spec(name) else None
    except PackageNotFoundError:
        return None


def main(arguments: list[str]) -> int:
    """
    Measure, print, and with C{--check} say by the exit code whether pdlease is as fast as wanted.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.codec", description=__doc__.strip().splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--check", action="store_true", help="exit 1 unless 10 times scapy and 3 times dhcpkit")
    options = parser.parse_args(arguments)

    codecs = {"pdlease": ours()}
    versions = {"pdlease": pdlease.__version__}
    for name, make in (("scapy", scapy), ("dhcpkit", dhcpkit)):
        found = installed(name)
        if found is None:
            print(f"{name} is not installed and not measured", file=sys.stderr)
        else:
            codecs[name], versions[name] = make(), found

    results: dict[str, dict[str, float]] = {}
    slow = []
    for size in SIZES:
        data = codecs["pdlease"][1](size)
        for name, (_, write) in codecs.items():
            if write(size) != data:
                raise SystemExit(f"{name} writes another message: {write(size).hex()}, not {data.hex()}")
        for verb, tasks in (
            ("read", {name: partial(read, data) for name, (read, _) in codecs.items()}),
            ("write", {name: partial(write, size) for name, (_, write) in codecs.items()}),
        ):
            times = results[f"{verb} {size}"] = measure(tasks)
            for name, seconds in times.items():
                ratio, wanted = seconds / times["pdlease"], WANTED.get((size, name), 0)
                if ratio < wanted:
                    slow.append(f"{verb} {size}: {ratio:.1f} times as fast as {name}, {wanted:g} wanted")

    if options.json:
        print(json.dumps({"python": platform.python_version(), "versions": versions, "seconds": results}, indent=1))
    else:
        print(
            f"Python {platform.python_version()}, " + ", ".join(f"{name} {found}" for name, found in versions.items())
        )
        for task, times in results.items():
            cells = [f"{name} {seconds * 1e6:.1f} us" for name, seconds in times.items()]
            ratios = [
                f"{seconds / times['pdlease']:.1f} x {name}" for name, seconds in times.items() if name != "pdlease"
            ]
            print(f"{task:>8} IA_PD: {', '.join(cells)}" + (f"; {', '.join(ratios)}" if ratios else ""))
    if options.check and slow:
        print(*slow, sep="\n", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
