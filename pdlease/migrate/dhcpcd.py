"""
dhcpcd: its DUID is a line of hexadecimal digits; a lease is the server's last message, as it came.
"""

from __future__ import annotations

import re

from pdlease.migrate.found import Association, Files, Found, duid_of
from pdlease.wire.messages import decode
from pdlease.wire.reader import WireError

DUIDS = ("/var/lib/dhcpcd/duid", "/var/db/dhcpcd/duid", "/var/lib/dhcpcd5/duid", "/etc/dhcpcd.duid")

LEASES = (
    "/var/lib/dhcpcd/{}.lease6",
    "/var/db/dhcpcd/{}.lease6",
    "/var/lib/dhcpcd/dhcpcd-{}.lease6",
    "/var/lib/dhcpcd5/dhcpcd-{}.lease6",
    "/var/db/dhcpcd-{}.lease6",
)

CONFIGURATION = "/etc/dhcpcd.conf"

_IA_PD = re.compile(r"\s*ia_pd(?:\s+([^\s/]+))?")
_VID = re.compile(r"\bVID: (\d+)")
_INTERFACE = re.compile(r"\s*interface\s+(.*)")


def read(files: Files, link: str, path: str | None = None) -> Found:
    """
    Find dhcpcd.

    @param link: the uplink's link.
    @param path: the file with the DUID, where it is none of the usual ones.
    @raise NothingFound: when there is no DUID.
    """
    where, data = files.first((path,) if path else DUIDS)
    duid = duid_of(where, data.decode(errors="replace"))
    associations, remarks = _leased(files, link)
    if not associations:
        numbers, said = _configured(files, link)
        associations = tuple(Association(iaid=number) for number in numbers)
        remarks += said
    return Found(duid=duid, associations=associations, files=tuple(files.read), remarks=tuple(remarks))


def _leased(files: Files, link: str) -> tuple[tuple[Association, ...], list[str]]:
    """The associations of the last lease, and what is wrong with it."""
    lease = files.any_of(path.format(link) for path in LEASES)
    if lease is None:
        return (), []
    try:
        message = decode(lease[1])
    except WireError as problem:
        return (), [f"{lease[0]} is not understood: {problem}"]
    return tuple(
        Association(iaid=ia.iaid, prefixes=tuple(prefix.network for prefix in ia.prefixes)) for ia in message.ia_pds
    ), []


def _configured(files: Files, link: str) -> tuple[tuple[int, ...], list[str]]:
    """The numbers that stand in the configuration, for this link or for all, and what is to be said."""
    words, here = [], True
    for line in (files.text(CONFIGURATION) or "").splitlines():
        interface = _INTERFACE.match(line)
        if interface is not None:
            here = link in interface[1].split()
        found = _IA_PD.match(line)
        if found is not None and here:
            words.append(found[1])
    own = _own(files, link)
    numbers = [own if word is None else _number(word) for word in words or [None]]
    if None in numbers:
        return (), [
            f"neither a lease of {link} nor a number behind ia_pd in {CONFIGURATION} was found: the IAID is not known"
        ]
    said = (
        []
        if words and None not in words
        else [f"no lease of {link} and no number behind ia_pd was found: the IAID was made of the link, as dhcpcd does"]
    )
    return tuple(dict.fromkeys(number for number in numbers if number is not None)), said


def _number(word: str) -> int:
    """An IAID as it is written: a number in the forms of C, else up to four characters."""
    try:
        number = int(f"0o{word}" if word.isdigit() and word[0] == "0" else word, 0)
    except ValueError:
        number = -1
    return number if 0 <= number < 2**32 else int.from_bytes(word.encode()[:4].ljust(4, b"\0"), "big")


def _own(files: Files, link: str) -> int | None:
    """The IAID that dhcpcd makes of a link: its VLAN's number, else the end of its address."""
    vlan = _VID.search(files.text(f"/proc/net/vlan/{link}") or "") if "/" not in link else None
    return int(vlan[1]) | 0xFF000000 if vlan is not None else files.address_iaid(link)
