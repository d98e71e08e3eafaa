#!/usr/bin/python3
"""
A hook that writes the subnets of bridges into the definitions of libvirt's networks.

    pdleasectl watch --exec libvirt.py [--restart] NETWORK=LINK ...

The bridge LINK must be a downstream of pdlease with an address of its own, { link = "virbr0", host = "::2" }, for the
network gets ::1 of the same subnet.  libvirt cannot change the address of a network that is running: it is as defined
from its next start.  With --restart it is started anew at once, and its guests are off the bridge until they are
plugged in again; better leave IPv6 out of the definition, and have radvd announce what pdlease puts on the bridge.
"""

import json
import subprocess
import sys
import tempfile
from ipaddress import IPv6Address, IPv6Network
from xml.etree import ElementTree

LOCAL = IPv6Network("fc00::/7")


def virsh(*command):
    """What virsh prints."""
    words = ("virsh", "-c", "network:///system", *command)
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def subnet(state, link):
    """The subnet of a bridge, or nothing."""
    found = [one for uplink in state["uplinks"].values() for one in uplink["assignments"] if one["link"] == link]
    return IPv6Network(found[0]["subnet"]) if found else None


def changed(network, wanted):
    """The definition with that subnet in the place of another, or nothing if it says so already; ULAs are not ours."""
    ours = [
        entry
        for entry in network.findall("ip")
        if entry.get("family") == "ipv6" and IPv6Address(entry.get("address")) not in LOCAL
    ]
    attributes = {}
    if wanted is not None:
        attributes = {"family": "ipv6", "address": str(wanted[1]), "prefix": str(wanted.prefixlen)}
    if [dict(entry.attrib) for entry in ours] == ([attributes] if attributes else []):
        return None
    for entry in ours:
        network.remove(entry)
    if attributes:
        ElementTree.SubElement(network, "ip", attributes)
    return ElementTree.tostring(network, encoding="unicode")


def main():
    pairs = [word for word in sys.argv[1:] if word != "--restart"]
    state = json.load(sys.stdin)["state"]
    for pair in pairs:
        name, _, link = pair.partition("=")
        definition = changed(ElementTree.fromstring(virsh("net-dumpxml", "--inactive", name)), subnet(state, link))
        if definition is None:
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(definition)
            file.flush()
            virsh("net-define", file.name)
        if "--restart" in sys.argv and name in virsh("net-list", "--name").split():
            virsh("net-destroy", name)
            virsh("net-start", name)


if __name__ == "__main__":
    main()
