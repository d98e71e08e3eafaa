#!/usr/bin/python3
"""
A hook that keeps AAAA records in a name server by dynamic update (RFC 2136), signed with a key.

    pdleasectl watch --exec dynamic_dns.py SERVER[,PORT] ZONE KEYFILE NAME=LINK[,HOST] ...

NAME gets the address of the router on LINK, or that of the host there whose last 64 bits are HOST (::1234).  One update
for all names: no resolver sees a mixture.  Names whose link has no subnet lose their records.
"""

import json
import subprocess
import sys
from ipaddress import IPv6Address, IPv6Network

SECONDS = 300
"""The TTL: as long may somebody go on using an address that is no more."""


def address(state, link, host):
    """The address of a host on a link: of the prefix that is preferred longest, where there are several."""
    served = [one for uplink in state["uplinks"].values() for one in uplink["assignments"] if one["link"] == link]
    if not served:
        return None

    def lasts(one):
        return float("inf") if one["preferred_seconds"] is None else one["preferred_seconds"]

    best = max(served, key=lasts)
    if not host:
        return best["address"]
    return str(IPv6Address(int(IPv6Network(best["subnet"])[0]) | int(IPv6Address(host)) & (1 << 64) - 1))


def update(state, server, zone, names):
    """What nsupdate is told."""
    lines = [f"server {server.replace(',', ' ')}", f"zone {zone}"]
    for entry in names:
        name, _, place = entry.partition("=")
        link, _, host = place.partition(",")
        lines.append(f"update delete {name} AAAA")
        found = address(state, link, host)
        if found is not None:
            lines.append(f"update add {name} {SECONDS} AAAA {found}")
    return "".join(f"{line}\n" for line in (*lines, "send"))


def main():
    server, zone, key, *names = sys.argv[1:]
    text = update(json.load(sys.stdin)["state"], server, zone, names)
    subprocess.run(["nsupdate", "-k", key, "-t", "10"], input=text, text=True, check=True)


if __name__ == "__main__":
    main()
