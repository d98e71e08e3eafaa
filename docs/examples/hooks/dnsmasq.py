#!/usr/bin/python3
"""
A hook that has dnsmasq answer for the router's own names.

    pdleasectl watch --exec dnsmasq.py FILE NAME COMMAND...

Writes FILE, in the form of hosts(5), with the addresses of all links as NAME and each as LINK.NAME, for a line
addn-hosts=FILE in dnsmasq.conf; then runs COMMAND, which must have dnsmasq read it: pkill -HUP -x dnsmasq.

Router advertisements need no hook: with a line dhcp-range=::,constructor:LINK,ra-stateless,64,45m for each link dnsmasq
takes the prefix and its lifetimes from the address that pdlease has put there, and deprecates it when that goes.
"""

import json
import os
import subprocess
import sys


def hosts(state, name):
    """The text of the file."""
    lines = set()
    for uplink in state["uplinks"].values():
        for one in uplink["assignments"]:
            if one["installed"]:
                # a dot in the name of a link would be one in the name of a host
                lines.add(f"{one['address']} {name} {one['link'].replace('.', '-')}.{name}\n")
    return "".join(sorted(lines))


def main():
    file, name, *command = sys.argv[1:]
    text = hosts(json.load(sys.stdin)["state"], name)
    with open(f"{file}.new", "w") as new:
        new.write(text)
    os.replace(f"{file}.new", file)
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
