#!/usr/bin/python3
"""
A hook that gives networks of Incus (or LXD, whose tool is lxc) the subnets of their bridges.

    pdleasectl watch --exec incus.py incus|lxc NETWORK=LINK ...

The bridge LINK must be a downstream of pdlease with an address of its own, { link = "incusbr0", host = "::2" }, for the
network gets ::1 of the same subnet and advertises it.  It is set only when it is another: Incus takes every other
address from the bridge then and starts its dnsmasq anew.  pdlease puts its own back at once.
"""

import json
import subprocess
import sys
from ipaddress import IPv6Network


def run(*command):
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def wanted(state, link):
    """The address with length for a network; "none" where its bridge has no subnet."""
    found = [one for uplink in state["uplinks"].values() for one in uplink["assignments"] if one["link"] == link]
    if not found:
        return "none"
    subnet = IPv6Network(found[0]["subnet"])
    return f"{subnet[1]}/{subnet.prefixlen}"


def main():
    tool, *pairs = sys.argv[1:]
    state = json.load(sys.stdin)["state"]
    for pair in pairs:
        network, _, link = pair.partition("=")
        address = wanted(state, link)
        if run(tool, "network", "get", network, "ipv6.address") != address:
            run(tool, "network", "set", network, "ipv6.address", address)


if __name__ == "__main__":
    main()
