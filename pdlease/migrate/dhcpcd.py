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

_IA_PD = re.compile(r"\s*ia_pd\s+(\d+)\b")
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
        associations = tuple(Association(iaid=number) for number in _configured(files, link))
    if not associations:
        remarks.append(
            f"neither a lease of {link} nor a number behind ia_pd in {CONFIGURATION} was found: the IAID is not known "
            "(dhcpcd makes it of the last four octets of the link's address)"
        )
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


def _configured(files: Files, link: str) -> tuple[int, ...]:
    """The numbers that stand in the configuration, for this link or for all."""
    numbers, here = [], True
    for line in (files.text(CONFIGURATION) or "").splitlines():
        interface = _INTERFACE.match(line)
        if interface is not None:
            here = link in interface[1].split()
        found = _IA_PD.match(line)
        if found is not None and here and int(found[1]) < 2**32:
            numbers.append(int(found[1]))
    return tuple(dict.fromkeys(numbers))
