"""
WIDE dhcp6c: its DUID file is two octets of length, in the order of the machine, and the DUID; IAIDs stand in its
configuration, and leases are not kept.
"""

from __future__ import annotations

import re
import sys

from pdlease.migrate.found import Association, Files, Found, NothingFound
from pdlease.wire.duid import DUID

DUIDS = ("/var/lib/dhcpv6/dhcp6c_duid", "/var/db/dhcp6c_duid", "/var/lib/dhcp6c_duid")

CONFIGURATIONS = ("/etc/wide-dhcpv6/dhcp6c.conf", "/etc/dhcp6c.conf", "/usr/local/etc/dhcp6c.conf")

_COMMENT = re.compile(r"#[^\n]*")
_INTERFACE = re.compile(r'\binterface\s+"?([^\s"{]+)"?\s*\{([^{}]*)\}')
_SENT = re.compile(r"\bia-pd\s+(\d+)")


def read(files: Files, link: str, path: str | None = None) -> Found:
    """
    Find dhcp6c.

    @param link: the uplink's link.
    @param path: the file with the DUID, where it is none of the usual ones.
    @raise NothingFound: when there is no DUID.
    """
    where, data = files.first((path,) if path else DUIDS)
    length = int.from_bytes(data[:2], sys.byteorder)
    try:
        duid = DUID(data[2 : 2 + length])
        if len(data) != 2 + length:
            raise ValueError(f"its length says {length} octets, and there are {len(data) - 2}")
    except ValueError as problem:
        raise NothingFound(f"{where}: {problem}") from None
    remarks = ["dhcp6c keeps no leases: what it held is not known"]
    found = files.any_of(CONFIGURATIONS)
    text = "" if found is None else _COMMENT.sub("", found[1].decode(errors="replace"))
    sent = [int(number) for name, body in _INTERFACE.findall(text) if name == link for number in _SENT.findall(body)]
    numbers = tuple(dict.fromkeys(number for number in sent if number < 2**32))
    if not numbers:
        remarks.append(f"no `send ia-pd` for {link} was found in {' or '.join(CONFIGURATIONS)}: the IAID is not known")
    return Found(
        duid=duid,
        associations=tuple(Association(iaid=number) for number in numbers),
        files=tuple(files.read),
        remarks=tuple(remarks),
    )
