"""
Configuration beside the lease (name servers and the like) as plain values, for the control channel and for hooks.

What a server sent becomes texts that can be handed to other programs without harm (R-23-01): an address, a name whose
octets other than letters, digits, hyphen and underscore are escaped, or hexadecimal digits.  What does not keep to the
rules of its option is left out.  Which options a session takes is L{pdlease.client.incoming}.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address

from pdlease.wire.chain import OpaqueOption, Option
from pdlease.wire.codes import OptionCode
from pdlease.wire.names import DomainName, read_names
from pdlease.wire.reader import WireError
from pdlease.wire.services import AftrName, DnsServers, DomainList, SntpServers

UNRESTRICTED = "urn:ietf:params:capport:unrestricted"
"""What a server says where there is no captive portal (RFC 8910, section 2)."""

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_URI = frozenset(range(0x21, 0x7F)) - frozenset(b"\"'<>\\^`{|}")
_SUBOPTIONS = (1, 2, 3)  # of NTP_SERVER: address of a server, address of a group, name


def information(options: Iterable[Option]) -> list[dict[str, object]]:
    """
    Every option as code, name (in small letters; C{None} where it has none here) and values.

    Repeated options stay apart; options that break the rules of their kind are not there.
    """
    told: list[dict[str, object]] = []
    for option in options:
        values = _values(option)
        if values:
            told.append({"code": int(option.code), "name": _name(option.code), "values": values})
    return told


def _values(option: Option) -> list[str]:
    """The values of one option; none where there is nothing to tell."""
    if isinstance(option, (DnsServers, SntpServers)):
        return [str(address) for address in option.addresses]
    if isinstance(option, DomainList):
        return [escaped(name) for name in option.names]
    if isinstance(option, AftrName):
        return [escaped(option.name)]
    data = option.data if isinstance(option, OpaqueOption) else option.body()
    if option.code == OptionCode.NTP_SERVER:
        return _time_source(data)
    if option.code == OptionCode.CAPTIVE_PORTAL:
        return _portal(data)
    return [data.hex()]


def escaped(name: DomainName) -> str:
    """A name as zone files have it: octets that no host's name has are a backslash and three digits (RFC 4343)."""
    labels = ("".join(chr(octet) if octet in _PLAIN else f"\\{octet:03d}" for octet in one) for one in name.labels)
    return ".".join(labels) or "."


def _time_source(data: bytes) -> list[str]:
    """The address or name in an NTP_SERVER, which has just one suboption (R-5908-01)."""
    kind, length = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
    if kind not in _SUBOPTIONS or len(data) != 4 + length:
        return []
    if kind != _SUBOPTIONS[-1]:
        return [str(IPv6Address(data[4:]))] if length == 16 else []
    try:
        names = read_names(data, 4, len(data), "NTP_SERVER")
    except WireError:
        return []
    return [escaped(names[0])] if len(names) == 1 else []


def _portal(data: bytes) -> list[str]:
    """The URI of a captive portal's interface; some servers end it with a zero (R-8910-01)."""
    uri = data.rstrip(b"\0")
    if not uri or not _URI.issuperset(uri) or uri.decode() == UNRESTRICTED:
        return []
    return [uri.decode()]


def _name(code: int) -> str | None:
    try:
        return OptionCode(code).name.lower()
    except ValueError:
        return None
