"""
The rows of switches and guests, and of the addresses that this host has on their links; those of other tables, and what
a row is, are L{pdlease.config.schema}.
"""

from __future__ import annotations

from pdlease.config import values
from pdlease.config.schema import Key

SWITCH = (
    Key("link", values.link_name, "name of a link", '"br0"', "The bridge, which must exist."),
    Key(
        "group",
        values.group,
        "number, or name of a group",
        "7",
        "Link group for the ports of this switch that have none of their own.",
    ),
    Key("vrf", values.optional_link, "name of a link, or empty", '"blue"', "VRF that the bridge is put into."),
    Key("up", values.flag, "true or false", "false", "Whether the bridge is put up, or down."),
)

GUEST = (
    Key(
        "id",
        values.whole(1, 0xFFFFFFFF),
        "whole number, from 1",
        "1",
        "Number of the guest, different from all others: its local addresses follow from it, and guests get delegated "
        "subnets in its order.",
        True,
    ),
)

NIC = (
    Key("link", values.link_name, "name of a link", '"tap0"', "The NIC's link on this host.", True),
    Key("switch", values.text, "name of a switch, or empty", '"lab"', "The switch that it becomes a port of."),
    Key(
        "group",
        values.group,
        "number, or name of a group",
        "7",
        "Link group; without one, that of the switch.  A link has one group only.",
    ),
    Key("vrf", values.optional_link, "name of a link, or empty", '"blue"', "VRF; without one, that of the switch."),
    Key("up", values.flag, "true or false", "false", "Whether the link is put up, or down."),
    Key(
        "local",
        values.flag,
        "true or false",
        "true",
        "Whether the link gets the host's side of a /31 and a /96 out of ``[local]``.",
    ),
    Key(
        "delegate",
        values.text,
        "name of an uplink, or empty",
        '"wan"',
        "Uplink whose first delegation gives this NIC a /64.",
    ),
    Key(
        "mac",
        values.mac,
        '``"derived"``, an address of six octets, or empty',
        '"02:00:5e:10:00:01"',
        "Link-layer address of the link on this host, which the guest sees as its router's; ``derived`` for one that "
        "follows from the guest's id and name.  Without it the address is left alone.  The guest's own is for whatever "
        "runs the guest to give.",
    ),
)

LOCAL = (
    Key(
        "prefix",
        values.local_prefix,
        "IPv4 prefix of length 1 to 16",
        '"100.64.0.0/10"',
        "Every guest has a block of 256 addresses of it, at its number, and every NIC a /31 of that.",
    ),
    Key(
        "inet6",
        values.local_prefix6,
        "IPv6 prefix of length 1 to 64",
        '"fd12:3456:789a:bcde::/64"',
        "Every NIC has a /96 of it.  Without it there are no local IPv6 addresses.",
    ),
)
