"""
odhcp6c: keeps nothing by itself; what it is started with stands in OpenWrt's C{/etc/config/network}.
"""

from __future__ import annotations

import re

from pdlease.migrate.found import Association, Files, Found, NothingFound, duid_of
from pdlease.wire.duid import DUID

CONFIGURATION = "/etc/config/network"

_LINE = re.compile(r"""\s*(config|option|list)\s+(\S+)(?:\s+(?:'([^']*)'|"([^"]*)"|(\S+)))?""")

Section = dict[str, str]


def read(files: Files, link: str, path: str | None = None) -> Found:
    """
    Find what odhcp6c is started with.

    @param link: the uplink's link.
    @param path: the configuration of the network, where it is not the usual one.
    @raise NothingFound: when there is none, or no section in it that asks for prefixes on the link.
    """
    where, data = files.first((path or CONFIGURATION,))
    sections = _sections(data.decode(errors="replace"))
    asking = [section for section in sections if section.get("proto") == "dhcpv6"]
    here = [section for section in asking if link in (section.get("device"), section.get("ifname"))]
    chosen = here or (asking if len(asking) == 1 else [])
    if not chosen:
        raise NothingFound(f"{where}: no interface with proto dhcpv6 has the device {link}")
    duid, remarks = _duid(files, where, link, chosen[0], sections)
    iaid, said = _iaid(chosen[0].get("reqprefix", "auto"))
    remarks += said
    remarks.append("odhcp6c keeps no leases: what it held is not known")
    return Found(
        duid=duid,
        associations=() if iaid is None else (Association(iaid=iaid),),
        files=tuple(files.read),
        remarks=tuple(remarks),
    )


def _sections(text: str) -> list[Section]:
    """The sections of a file of UCI, each with its options, and what it is called under C{.name} and C{.type}."""
    sections: list[Section] = []
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        word, name = found[1], found[2].strip("'\"")
        value = found[3] or found[4] or found[5] or ""
        if word == "config":
            sections.append({".type": name, ".name": value})
        elif word == "option" and sections:
            sections[-1][name] = value
    return sections


def _duid(files: Files, where: str, link: str, section: Section, sections: list[Section]) -> tuple[DUID, list[str]]:
    """The DUID: the one written down for the interface, else that of the whole machine, else one of the address."""
    if section.get("clientid", "*") not in ("", "*"):
        return duid_of(where, section["clientid"]), []
    for other in sections:
        default = other.get("dhcp_default_duid", "")
        if other.get(".type") == "globals" and default not in ("", "auto"):
            return duid_of(where, default), [
                "dhcp_default_duid was taken, which OpenWrt 24.10 and later send; earlier ones a DUID-LL of the link"
            ]
    address = files.link_address(link)
    if address is None or len(address[1]) != 6:
        raise NothingFound(
            f"{where}: no clientid, and {link} has no address that odhcp6c would make a DUID-LL of; it takes that of "
            "the first link with an IPv4 address then: write 00030001 and those six octets as the clientid"
        )
    return DUID.from_link_layer(1, address[1]), [
        f"no DUID is written down: odhcp6c makes a DUID-LL of the address that {link} has now, and so was done here"
    ]


def _iaid(wish: str) -> tuple[int | None, list[str]]:
    """
    The IAID in C{reqprefix}, which is handed to C{-P}: a length, and perhaps C{:} and hexadecimal digits, or C{,} and
    up to four characters.  Without it they are counted from 1.
    """
    if wish == "no":
        return None, ['reqprefix is "no": it does not ask for a prefix']
    _, colon, digits = wish.rpartition("/")[2].partition(":")
    if colon and digits:
        try:
            return int(digits, 16) & 0xFFFFFFFF, []
        except ValueError:
            return None, [f"reqprefix {wish} is not understood: the IAID is not known"]
    _, comma, characters = wish.partition(",")
    if comma and characters:
        return int.from_bytes(characters.encode()[:4].ljust(4, b"\0"), "big"), []
    return 1, []
