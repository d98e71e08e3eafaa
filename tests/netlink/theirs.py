"""
Messages as pyroute2 packs them, to hold ours against.
"""

from __future__ import annotations

from typing import Any

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg


class AddressMessage(ifaddrmsg):
    """pyroute2's address message; with IFA_PROTO, which versions before 0.9 do not know."""

    nla_map = (
        *ifaddrmsg.nla_map[:9],
        ("IFA_RT_PRIORITY", "uint32"),
        ("IFA_TARGET_NETNSID", "asciiz"),
        ("IFA_PROTO", "uint8"),
    )


def packed(
    kind: Any, number: int, fields: dict[str, Any], attrs: list[Any], flags: int = 0, sequence: int = 0
) -> bytes:
    """Pack a message of this type from its fields and attributes."""
    made = kind()
    made.update(fields)
    made["attrs"] = attrs
    made["header"].update(type=number, flags=flags, sequence_number=sequence, pid=0)
    made.encode()
    return bytes(made.data)
