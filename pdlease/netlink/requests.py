"""
What an operation becomes on a route socket, and what the kernel answers: packed by hand, with C{struct} alone.

This is the only part of netlink that the helper process loads, so it imports neither Twisted nor pyroute2; a test
holds every request equal in meaning to what pyroute2 makes of the same words.  Who may ask for an operation is
L{pdlease.privilege.policy}; who sends these bytes is L{pdlease.privilege.execute}; what the daemon hears on its own
route socket is L{pdlease.netlink.codec}.

Three operations are no netlink requests: L{pdlease.operations.CheckLink} asks and changes nothing, and the kernel takes
C{disable_ipv6} through C{/proc/sys/net/ipv6/conf} only (C{IFLA_INET6_CONF} is read-only), so L{encode} knows neither it
nor L{pdlease.operations.EnableIPv6} and its counterpart, and L{is_request} says so.

Facts of the kernel that this module rests on (Linux 6.18; C{tests/live/test_netlink_live.py} shows them):

  - Replacing an address replaces all its flags and its protocol, so the full set is sent each time.
  - Replacing a route replaces the first one with this destination, table and metric, whoever made it.
  - A request to delete a route ignores the route's type.  An unreachable route belongs to the loopback link, always
    index 1; naming it keeps the request from hitting an on-link route of the same prefix and metric.
  - An unreachable route never expires: the kernel takes RTA_EXPIRES and forgets it.  It is sent for the kernel that may
    learn it; whoever wants the route to go must remove it.
  - A valid lifetime of 0 is refused (EINVAL): such an address is deleted instead, by the caller.
"""

from __future__ import annotations

import errno as _errno
import os
import struct
from collections.abc import Callable, Mapping

from attrs import frozen

from pdlease.operations import (
    INFINITE,
    ClearMaster,
    Operation,
    PutAddress,
    PutIPv4,
    PutRoute,
    PutUnreachable,
    RemoveAddress,
    RemoveIPv4,
    RemoveRoute,
    RemoveUnreachable,
    SetDescription,
    SetDown,
    SetGroup,
    SetLinkAddress,
    SetMaster,
    SetUp,
)

RTM_NEWLINK = 16
RTM_GETLINK = 18
RTM_NEWADDR = 20
RTM_DELADDR = 21
RTM_NEWROUTE = 24
RTM_DELROUTE = 25

NLMSG_ERROR = 2

_REQUEST_ACK = 0x0001 | 0x0004
_CREATE_OR_REPLACE = _REQUEST_ACK | 0x0400 | 0x0100
_REQUEST = 0x0001

_AF_INET, _AF_INET6 = 2, 10
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO, _IFA_FLAGS, _IFA_PROTO = 1, 2, 6, 8, 11
_IFA_F_NOPREFIXROUTE = 0x200
_RTA_DST, _RTA_OIF, _RTA_PRIORITY, _RTA_TABLE, _RTA_EXPIRES = 1, 4, 6, 15, 23
_RTN_UNICAST, _RTN_UNREACHABLE = 1, 7
_RT_TABLE_COMPAT = 252
_LOOPBACK_INDEX = 1
_IFF_UP = 1
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_IFALIAS = 1, 3, 10, 18, 20
_IFLA_GROUP, _IFLA_EXT_MASK = 27, 29
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _IFLA_VRF_TABLE = 1, 2, 1
_RTEXT_FILTER_SKIP_STATS = 8
_NLM_F_CAPPED, _NLM_F_ACK_TLVS = 0x100, 0x200
_NLMSGERR_ATTR_MSG = 1

_HEADER = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_LINK = struct.Struct("=BxHiII")
_ATTRIBUTE = struct.Struct("=HH")
_U32 = struct.Struct("=I")
_ERROR = struct.Struct("=i")


@frozen(kw_only=True)
class Marks:
    """
    The protocol numbers by which our objects are told from everybody else's (design 5).

    @ivar route: the number on routes (C{route_protocol} of the configuration), 1 to 255.
    @ivar address: the number on addresses (IFA_PROTO; kernels before 5.18 ignore it), 1 to 255.
    """

    route: int
    address: int


@frozen(kw_only=True)
class Answer:
    """
    What the kernel says to one request.

    @ivar sequence: the sequence number of the request.
    @ivar errno: 0 for done, else the error number.
    @ivar reason: the kernel's own words (extended acknowledgement) where it had some, else those of the error number;
        empty when done without remark.
    """

    sequence: int
    errno: int
    reason: str


@frozen(kw_only=True)
class LinkFacts:
    """
    What must be known of a link before something may be done to it.

    @ivar index: the kernel's number of it.
    @ivar name: what it is called now.
    @ivar kind: what made it (C{veth}, C{bridge}, C{tun} ...), or C{None} for hardware and loopback.
    @ivar master: index of the bridge or VRF that it belongs to; 0 for none.
    @ivar vrf_table: the routing table of a VRF; C{None} of all other links.
    @ivar alias: its description; empty for none.
    """

    index: int
    name: str
    kind: str | None
    master: int = 0
    vrf_table: int | None = None
    alias: str = ""


def attribute(kind: int, value: bytes) -> bytes:
    """One netlink attribute, padded to the next 4 octets."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """One netlink message with its header; port number 0 (the kernel fills it in)."""
    return _HEADER.pack(16 + len(body), kind, flags, sequence, 0) + body


def _put_address(operation: PutAddress, sequence: int, marks: Marks) -> bytes:
    body = (
        _ADDRESS.pack(_AF_INET6, operation.address.network.prefixlen, 0, 0, operation.index)
        + attribute(_IFA_ADDRESS, operation.address.packed)
        + attribute(_IFA_CACHEINFO, struct.pack("=IIII", operation.preferred, operation.valid, 0, 0))
        + attribute(_IFA_FLAGS, _U32.pack(_IFA_F_NOPREFIXROUTE))
        + attribute(_IFA_PROTO, bytes((marks.address,)))
    )
    return message(RTM_NEWADDR, _CREATE_OR_REPLACE, sequence, body)


def _remove_address(operation: RemoveAddress, sequence: int, marks: Marks) -> bytes:
    body = _ADDRESS.pack(_AF_INET6, operation.address.network.prefixlen, 0, 0, operation.index) + attribute(
        _IFA_ADDRESS, operation.address.packed
    )
    return message(RTM_DELADDR, _REQUEST_ACK, sequence, body)


def _put_ipv4(operation: PutIPv4, sequence: int, marks: Marks) -> bytes:
    body = (
        _ADDRESS.pack(_AF_INET, operation.address.network.prefixlen, 0, 0, operation.index)
        + attribute(_IFA_LOCAL, operation.address.packed)
        + attribute(_IFA_ADDRESS, operation.address.packed)
        + attribute(_IFA_PROTO, bytes((marks.address,)))
    )
    return message(RTM_NEWADDR, _CREATE_OR_REPLACE, sequence, body)


def _remove_ipv4(operation: RemoveIPv4, sequence: int, marks: Marks) -> bytes:
    body = (
        _ADDRESS.pack(_AF_INET, operation.address.network.prefixlen, 0, 0, operation.index)
        + attribute(_IFA_LOCAL, operation.address.packed)
        + attribute(_IFA_ADDRESS, operation.address.packed)
    )
    return message(RTM_DELADDR, _REQUEST_ACK, sequence, body)


def _change_link(index: int, sequence: int, attributes: bytes = b"", flags: int = 0, mask: int = 0) -> bytes:
    body = _LINK.pack(0, 0, index, flags, mask) + attributes
    return message(RTM_NEWLINK, _REQUEST_ACK, sequence, body)


def _set_master(operation: SetMaster, sequence: int, marks: Marks) -> bytes:
    return _change_link(operation.index, sequence, attribute(_IFLA_MASTER, _U32.pack(operation.master_index)))


def _clear_master(operation: ClearMaster, sequence: int, marks: Marks) -> bytes:
    return _change_link(operation.index, sequence, attribute(_IFLA_MASTER, _U32.pack(0)))


def _set_description(operation: SetDescription, sequence: int, marks: Marks) -> bytes:
    # Without a zero at its end, for which the kernel has no room behind 255 octets; of no octets for no description.
    return _change_link(operation.index, sequence, attribute(_IFLA_IFALIAS, operation.text.encode()))


def _set_group(operation: SetGroup, sequence: int, marks: Marks) -> bytes:
    return _change_link(operation.index, sequence, attribute(_IFLA_GROUP, _U32.pack(operation.group)))


def _set_up(operation: SetUp, sequence: int, marks: Marks) -> bytes:
    return _change_link(operation.index, sequence, flags=_IFF_UP, mask=_IFF_UP)


def _set_down(operation: SetDown, sequence: int, marks: Marks) -> bytes:
    return _change_link(operation.index, sequence, mask=_IFF_UP)


def _set_link_address(operation: SetLinkAddress, sequence: int, marks: Marks) -> bytes:
    return _change_link(operation.index, sequence, attribute(_IFLA_ADDRESS, operation.address))


def _route(
    operation: PutRoute | RemoveRoute | PutUnreachable | RemoveUnreachable, kind: int, index: int, marks: Marks
) -> bytes:
    table = operation.table if operation.table < 256 else _RT_TABLE_COMPAT
    body = (
        _ROUTE.pack(_AF_INET6, operation.prefix.prefixlen, 0, 0, table, marks.route, 0, kind, 0)
        + attribute(_RTA_DST, operation.prefix.network_address.packed)
        + attribute(_RTA_TABLE, _U32.pack(operation.table))
        + attribute(_RTA_PRIORITY, _U32.pack(operation.metric))
    )
    return body + attribute(_RTA_OIF, _U32.pack(index)) if index else body


def _expires(seconds: int) -> bytes:
    return b"" if seconds == INFINITE else attribute(_RTA_EXPIRES, _U32.pack(seconds))


def _put_route(operation: PutRoute, sequence: int, marks: Marks) -> bytes:
    body = _route(operation, _RTN_UNICAST, operation.index, marks) + _expires(operation.expires)
    return message(RTM_NEWROUTE, _CREATE_OR_REPLACE, sequence, body)


def _remove_route(operation: RemoveRoute, sequence: int, marks: Marks) -> bytes:
    return message(RTM_DELROUTE, _REQUEST_ACK, sequence, _route(operation, _RTN_UNICAST, operation.index, marks))


def _put_unreachable(operation: PutUnreachable, sequence: int, marks: Marks) -> bytes:
    body = _route(operation, _RTN_UNREACHABLE, 0, marks) + _expires(operation.expires)
    return message(RTM_NEWROUTE, _CREATE_OR_REPLACE, sequence, body)


def _remove_unreachable(operation: RemoveUnreachable, sequence: int, marks: Marks) -> bytes:
    body = _route(operation, _RTN_UNREACHABLE, _LOOPBACK_INDEX, marks)
    return message(RTM_DELROUTE, _REQUEST_ACK, sequence, body)


_ENCODERS: Mapping[type, Callable[..., bytes]] = {
    PutAddress: _put_address,
    RemoveAddress: _remove_address,
    PutRoute: _put_route,
    RemoveRoute: _remove_route,
    PutUnreachable: _put_unreachable,
    RemoveUnreachable: _remove_unreachable,
    PutIPv4: _put_ipv4,
    RemoveIPv4: _remove_ipv4,
    SetMaster: _set_master,
    ClearMaster: _clear_master,
    SetDescription: _set_description,
    SetGroup: _set_group,
    SetUp: _set_up,
    SetDown: _set_down,
    SetLinkAddress: _set_link_address,
}

# What the kernel says to the removal of something that is not there: no such address, no such route, no such link.
_GONE: Mapping[type, frozenset[int]] = {
    RemoveAddress: frozenset({_errno.EADDRNOTAVAIL, _errno.ENODEV}),
    RemoveIPv4: frozenset({_errno.EADDRNOTAVAIL, _errno.ENODEV}),
    ClearMaster: frozenset({_errno.ENODEV}),
    RemoveRoute: frozenset({_errno.ESRCH, _errno.ENODEV}),
    RemoveUnreachable: frozenset({_errno.ESRCH}),
}


def is_request(operation: Operation) -> bool:
    """Whether this operation is done by a netlink request (and L{encode} takes it)."""
    return type(operation) in _ENCODERS


def encode(operation: Operation, sequence: int, marks: Marks) -> bytes:
    """
    Make the request for an operation; it asks for an acknowledgement.

    @raise KeyError: for an operation that is no netlink request (see L{is_request}).
    """
    return _ENCODERS[type(operation)](operation, sequence, marks)


def is_done(operation: Operation, errno: int) -> bool:
    """Whether this answer means that the operation is done: 0, or the removal of what was gone already."""
    return not errno or errno in _GONE.get(type(operation), ())


def encode_link_query(sequence: int, *, index: int = 0, name: str = "") -> bytes:
    """
    Ask for one link by index or, with C{index} 0, by name.  The answer is the link (L{read_link}) or an error
    (L{answers}).

    @raise ValueError: for a name that no link can have (empty with index 0, longer than 15 octets, with a NUL).
    """
    body = _LINK.pack(0, 0, index, 0, 0)
    if not index:
        encoded = os.fsencode(name)
        if not 0 < len(encoded) < 16 or b"\0" in encoded:
            raise ValueError(f"no link can have the name {name!r}")
        body += attribute(_IFLA_IFNAME, encoded + b"\0")
    body += attribute(_IFLA_EXT_MASK, _U32.pack(_RTEXT_FILTER_SKIP_STATS))
    return message(RTM_GETLINK, _REQUEST, sequence, body)


def messages(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """
    Take a received buffer apart: kind, flags, sequence number and body of each whole message; a damaged tail is
    dropped.
    """
    found = []
    offset = 0
    while offset + 16 <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if length < 16 or offset + length > len(data):
            break
        found.append((kind, flags, sequence, data[offset + 16 : offset + length]))
        offset += (length + 3) & ~3
    return found


def attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """Read the attributes from an offset on, by kind without flag bits; a later one of the same kind wins."""
    found = {}
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4 or offset + length > len(data):
            break
        found[kind & 0x3FFF] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def _text(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode("utf-8", "replace")


def read_answer(flags: int, sequence: int, body: bytes) -> Answer | None:
    """Read one message of kind NLMSG_ERROR; C{None} if it is too short to be one."""
    if len(body) < 20:
        return None
    (code,) = _ERROR.unpack_from(body)
    reason = ""
    if flags & _NLM_F_ACK_TLVS:
        # After the error number stands the request: its header alone when it succeeded or was capped, else all of it.
        request = 16 if flags & _NLM_F_CAPPED or not code else _U32.unpack_from(body, 4)[0]
        reason = _text(attributes(body, 4 + ((request + 3) & ~3)).get(_NLMSGERR_ATTR_MSG, b""))
    return Answer(sequence=sequence, errno=-code, reason=reason or (os.strerror(-code) if code else ""))


def answers(data: bytes) -> tuple[Answer, ...]:
    """Every acknowledgement and error in a received buffer, in order; whatever else is there is passed over."""
    found = (read_answer(flags, seq, body) for kind, flags, seq, body in messages(data) if kind == NLMSG_ERROR)
    return tuple(answer for answer in found if answer is not None)


def read_link(data: bytes) -> LinkFacts | None:
    """Read the first link in a received buffer; C{None} if there is none."""
    for kind, _, _, body in messages(data):
        if kind == RTM_NEWLINK and len(body) >= _LINK.size:
            index = _LINK.unpack_from(body)[2]
            found = attributes(body, _LINK.size)
            info = attributes(found.get(_IFLA_LINKINFO, b""))
            made_by = info.get(_IFLA_INFO_KIND)
            kind_name = None if made_by is None else _text(made_by)
            table = attributes(info.get(_IFLA_INFO_DATA, b"")).get(_IFLA_VRF_TABLE, b"") if kind_name == "vrf" else b""
            master = found.get(_IFLA_MASTER, b"")
            return LinkFacts(
                index=index,
                name=os.fsdecode(found.get(_IFLA_IFNAME, b"").split(b"\0", 1)[0]),
                kind=kind_name,
                master=int(_U32.unpack(master)[0]) if len(master) == 4 else 0,
                vrf_table=int(_U32.unpack(table)[0]) if len(table) == 4 else None,
                alias=_text(found.get(_IFLA_IFALIAS, b"")),
            )
    return None
