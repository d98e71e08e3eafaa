"""
ISC dhclient: one file with the DUID and every lease since it was last tidied up; the last one counts.
"""

from __future__ import annotations

import re

from pdlease.migrate.found import Association, Files, Found, NothingFound, duid_of, network_of
from pdlease.wire.duid import DUID

LEASES = (
    "/var/lib/dhcp/dhclient6.{}.leases",
    "/var/lib/dhcp/dhclient6.leases",
    "/var/lib/dhclient/dhclient6.leases",
    "/var/lib/dhclient/dhclient6-{}.leases",
    "/var/db/dhclient6.leases",
)

_DUID = re.compile(r'^\s*default-duid\s+("(?:[^"\\]|\\.)*"|[0-9a-fA-F:]+)\s*;', re.MULTILINE | re.DOTALL)
_LEASE = re.compile(r"^lease6\s*\{(.*?)^\}", re.MULTILINE | re.DOTALL)
_INTERFACE = re.compile(r'^\s*interface\s+"([^"]*)"', re.MULTILINE)
_IA_PD = re.compile(
    r'^\s{1,4}ia-pd\s+("(?:[^"\\]|\\.)*"|[0-9a-fA-F:]+)\s*\{(.*?)(?=^\s{1,4}(?:ia-|option|released)|\Z)',
    re.MULTILINE | re.DOTALL,
)
_PREFIX = re.compile(r"^\s*iaprefix\s+([0-9a-fA-F:.]+)/(\d+)", re.MULTILINE)
_CLIENT = re.compile(r"^\s*option\s+dhcp6\.client-id\s+([0-9a-fA-F:]+)\s*;", re.MULTILINE)
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)


def read(files: Files, link: str, path: str | None = None) -> Found:
    """
    Find dhclient.

    @param link: the uplink's link.
    @param path: its file of leases, where it is none of the usual ones.
    @raise NothingFound: when there is no DUID.
    """
    where, data = files.first((path,) if path else tuple(name.format(link) for name in LEASES))
    text = data.decode("latin-1")
    leases = [body for body in _LEASE.findall(text) if link in _INTERFACE.findall(body)]
    last = leases[-1] if leases else ""
    sent, default = _CLIENT.findall(last), _DUID.findall(text)
    if not sent and not default:
        raise NothingFound(f"{where}: it names no DUID")
    # what was sent says more than what would be: -D may have asked for another kind since
    duid = duid_of(where, sent[-1]) if sent else _duid(where, default[-1])
    associations, remarks = [], []
    for identifier, body in _IA_PD.findall(last):
        number = _octets(identifier)
        prefixes = tuple(filter(None, (network_of(*found) for found in _PREFIX.findall(body))))
        if len(number) == 4:
            associations.append(Association(iaid=int.from_bytes(number, "big"), prefixes=prefixes))
    if not associations:
        made = files.address_iaid(link)
        lack = f"no lease of a prefix on {link} is in {where}: the IAID "
        if made is None:
            remarks.append(f"{lack}is not known")
        else:
            associations.append(Association(iaid=made))
            remarks.append(f"{lack}was made of the link's address, as dhclient does")
    return Found(duid=duid, associations=tuple(associations), files=tuple(files.read), remarks=tuple(remarks))


def _octets(words: str) -> bytes:
    """Octets in quotes, with escapes, or in hexadecimal digits with colons between octets."""
    if not words.startswith('"'):
        return bytes(int(octet, 16) & 0xFF for octet in words.split(":") if octet)
    inner = words[1:-1].encode("latin-1")
    return _ESCAPE.sub(lambda m: bytes([int(m[1], 8) & 0xFF]) if len(m[1]) == 3 else m[1], inner)


def _duid(path: str, words: str) -> DUID:
    """The DUID in C{default-duid}."""
    try:
        return DUID(_octets(words))
    except ValueError as problem:
        raise NothingFound(f"{path}: {problem}") from None
