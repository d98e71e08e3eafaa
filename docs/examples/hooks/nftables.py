#!/usr/bin/python3
"""
A hook that keeps a set of nftables filled with the delegated prefixes.

    pdleasectl watch --exec nftables.py FILE FAMILY TABLE SET

Writes FILE, which makes the set and fills it, and has nft read that: one transaction, in which the set is never empty.
The firewall's own file should have a line include "FILE*" in front of its rules: so the set is there again when the
firewall has been read anew, of which nobody tells this hook.  Rules say, for example, ip6 saddr @SET accept.
"""

import json
import os
import subprocess
import sys


def ruleset(state, family, table, name):
    """What makes the set and fills it."""
    prefixes = sorted({one["prefix"] for uplink in state["uplinks"].values() for one in uplink["prefixes"]})
    place = f"{family} {table}"
    lines = [
        f"add table {place}",
        f"add set {place} {name} {{ type ipv6_addr; flags interval; auto-merge; }}",
        f"flush set {place} {name}",
    ]
    if prefixes:
        lines.append(f"add element {place} {name} {{ {', '.join(prefixes)} }}")
    return "".join(f"{line}\n" for line in lines)


def main():
    file, family, table, name = sys.argv[1:]
    text = ruleset(json.load(sys.stdin)["state"], family, table, name)
    with open(f"{file}.new", "w") as new:
        new.write(text)
    os.replace(f"{file}.new", file)
    subprocess.run(["nft", "-f", file], check=True)


if __name__ == "__main__":
    main()
