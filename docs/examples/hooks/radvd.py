#!/usr/bin/python3
"""
A hook that has radvd announce what is delegated, and tell hosts what is over.

    pdleasectl watch --every 900 --exec radvd.py FILE COMMAND...

Writes FILE, a whole radvd.conf(5), and then runs COMMAND, which must have radvd read it: systemctl reload radvd.

Lifetimes are those of RFC 9096 section 3.4, never beyond what is left of the lease (L-15); radvd counts them down until
the next run.  Subnets that were replaced or taken back are announced with lifetimes of 0 (section 3.5).
"""

import json
import os
import subprocess
import sys
from ipaddress import IPv6Network

PREFERRED, VALID = 2700, 5400
INTERVAL = int(os.environ.get("RADVD_INTERVAL", "600"))
"""Seconds between advertisements, at most; 4 or more."""


def least(seconds, cap):
    """What is left, up to a cap; nothing is said of what never ends."""
    return cap if seconds is None else min(seconds, cap)


def subnets(state):
    """Link, subnet, and for how long it is preferred and valid; 0 and 0 for what is over."""
    for uplink in state["uplinks"].values():
        for one in uplink["assignments"]:
            seconds = least(one["preferred_seconds"], PREFERRED), least(one["valid_seconds"], VALID)
            yield one["link"], one["subnet"], *seconds
        for one in uplink["stale"]:
            yield one["link"], one["subnet"], 0, 0


def configuration(state):
    """The text of radvd.conf."""
    links = {}
    for link, subnet, preferred, valid in subnets(state):
        # hosts make themselves addresses of /64 only (RFC 4862 section 5.5.3)
        if IPv6Network(subnet).prefixlen == 64:
            links.setdefault(link, {})[subnet] = preferred, valid
    text = ""
    for link, prefixes in sorted(links.items()):
        is_router = any(valid for _, valid in prefixes.values())
        text += f"interface {link} {{\n AdvSendAdvert on; IgnoreIfMissing on;\n"
        text += f" MaxRtrAdvInterval {INTERVAL}; MinRtrAdvInterval {max(3, INTERVAL // 3)};\n"
        # without a prefix there is no way out, and hosts should take another (RFC 7084 G-4)
        text += f" AdvDefaultLifetime {PREFERRED if is_router else 0};\n"
        for subnet, (preferred, valid) in sorted(prefixes.items()):
            text += f" prefix {subnet} {{ AdvPreferredLifetime {preferred}; AdvValidLifetime {valid};"
            text += " DecrementLifetimes on; };\n" if preferred else " };\n"
        text += "};\n"
    return text


def main():
    file, *command = sys.argv[1:]
    text = configuration(json.load(sys.stdin)["state"])
    with open(f"{file}.new", "w") as new:
        new.write(text)
    os.replace(f"{file}.new", file)
    # also when the file is as it was: the last run may have ended here
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
