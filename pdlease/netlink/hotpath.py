"""
Links, addresses and routes, read by hand from the octets of a notice.

These three kinds come by the thousand, and before the first Solicit can be sent.  pyroute2's classes, even cut down to
the few attributes that matter, took 240, 35 and 48 microseconds for one where this module takes 18, 4 and 10, and 0.3
for a route that is not ours, of which a router may have 200,000.  A test holds what this module reads equal to what
pyroute2's own classes read from the same octets.  The rare kinds, and the taking apart of a buffer, are
L{pdlease.netlink.codec}'s.

Every function takes a buffer with one whole message between C{start} (after the netlink header) and C{end}, and raises
C{struct.error}, C{IndexError} or C{ValueError} when that is no such message.
"""

from __future__ import annotations

import os
import struct
from ipaddress import IPv4Interface, IPv6Address, IPv6Interface, IPv6Network
from math import inf

from pdlease.kernel import UNICAST, UNREACHABLE, KernelAddress, KernelRoute, Link

AF_INET, AF_INET6 = 2, 10

_ATTRIBUTE = struct.Struct("=HH")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_U32 = struct.Struct("=I")
_CACHE = struct.Struct("=II")
_ROUTE_CACHE = struct.Struct("=IIi")

_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_OPERSTATE = 1, 3, 4, 10, 16
_IFLA_LINKINFO, _IFLA_IFALIAS, _IFLA_AF_SPEC, _IFLA_GROUP, _IFLA_CARRIER = 18, 20, 26, 27, 33
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _IFLA_VRF_TABLE, _IFLA_INET6_CONF = 1, 2, 1, 2
_OPERATIONAL = (0, 6)  # IF_OPER_UNKNOWN: the driver does not say; IF_OPER_UP
# Where DEVCONF_FORWARDING, DEVCONF_ACCEPT_RA and DEVCONF_DISABLE_IPV6 are, in octets
_FORWARDING, _ACCEPT_RA, _DISABLE_IPV6 = 0, 4 * 3, 4 * 26

_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO, _IFA_FLAGS, _IFA_PROTO = 1, 2, 6, 8, 11
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_CACHEINFO, _RTA_TABLE = 1, 4, 5, 6, 12, 15
_RTM_F_CLONED = 0x200
_RTN_UNICAST, _RTN_MULTICAST = 1, 5
_RTPROT_KERNEL = 2
_FOR_EVER = 0xFFFFFFFF
_TICKS = 100  # USER_HZ: in which the kernel counts the lifetime of a route

_ROUTE_KINDS = (
    "unspecified", UNICAST, "local", "broadcast", "anycast", "multicast", "blackhole", UNREACHABLE, "prohibit", "throw",
    "nat", "xresolve",
)  # fmt: skip


def _attributes(data: bytes, offset: int, end: int) -> dict[int, tuple[int, int]]:
    """Find the attributes between two offsets: where the value of each begins and ends; a later one of a kind wins."""
    found = {}
    unpack = _ATTRIBUTE.unpack_from
    while offset + 4 <= end:
        length, kind = unpack(data, offset)
        if length < 4 or offset + length > end:
            raise ValueError(f"attribute {kind} at octet {offset}: length {length}")
        found[kind & 0x3FFF] = (offset + 4, offset + length)
        offset += (length + 3) & ~3
    return found


def _name(data: bytes, start: int, end: int) -> str:
    return os.fsdecode(data[start:end].split(b"\0", 1)[0])


def _end(lifetime: int, now: float) -> float:
    """Make a lifetime in seconds absolute.  One that is over ended long ago: when, the kernel does not tell."""
    if lifetime == _FOR_EVER:
        return inf
    return now + lifetime if lifetime else 0.0


def read_link(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Read family and index of a link message without its attributes."""
    if start + _LINK.size > end:
        raise ValueError("a link message is too short")
    family, _, index, _, _ = _LINK.unpack_from(data, start)
    return family, index


def read_whole_link(data: bytes, start: int, end: int) -> Link:
    """
    Read a link message that is complete, which those of family AF_UNSPEC are.

    A link that is up and whose driver does not tell its operational state counts as having carrier.
    """
    _, hardware_type, index, flags, _ = _LINK.unpack_from(data, start)
    found = _attributes(data, start + _LINK.size, end)
    kind = alias = master = vrf_table = None
    address = b""
    mtu = group = state = 0
    disabled = deaf = False
    carrier = True
    if (place := found.get(_IFLA_ADDRESS)) is not None:
        address = bytes(data[place[0] : place[1]])
    if (place := found.get(_IFLA_MTU)) is not None:
        (mtu,) = _U32.unpack_from(data, place[0])
    if (place := found.get(_IFLA_MASTER)) is not None:
        (master,) = _U32.unpack_from(data, place[0])
    if (place := found.get(_IFLA_OPERSTATE)) is not None:
        state = data[place[0]]
    if (place := found.get(_IFLA_CARRIER)) is not None:
        carrier = bool(data[place[0]])
    if (place := found.get(_IFLA_IFALIAS)) is not None:
        alias = data[place[0] : place[1]].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    if (place := found.get(_IFLA_GROUP)) is not None:
        (group,) = _U32.unpack_from(data, place[0])
    if (place := found.get(_IFLA_LINKINFO)) is not None:
        info = _attributes(data, *place)
        if (place := info.get(_IFLA_INFO_KIND)) is not None:
            kind = _name(data, *place)
        if kind == "vrf" and (place := info.get(_IFLA_INFO_DATA)) is not None:
            place = _attributes(data, *place).get(_IFLA_VRF_TABLE)
            vrf_table = None if place is None else int(_U32.unpack_from(data, place[0])[0])
    if (place := found.get(_IFLA_AF_SPEC)) is not None:
        place = _attributes(data, *place).get(AF_INET6)
        place = None if place is None else _attributes(data, *place).get(_IFLA_INET6_CONF)
        if place is not None and place[1] - place[0] >= _DISABLE_IPV6 + 4:
            disabled = bool(_U32.unpack_from(data, place[0] + _DISABLE_IPV6)[0])
            accepts = _U32.unpack_from(data, place[0] + _ACCEPT_RA)[0]
            # a link that forwards hears routers with 2 only
            deaf = not accepts or (accepts != 2 and bool(_U32.unpack_from(data, place[0] + _FORWARDING)[0]))
    return Link(
        index=index,
        name=_name(data, *found[_IFLA_IFNAME]),
        kind=kind,
        is_up=bool(flags & _IFF_UP),
        has_carrier=bool(flags & _IFF_UP) and bool(flags & _IFF_LOWER_UP) and carrier and state in _OPERATIONAL,
        link_layer_address=address,
        hardware_type=hardware_type,
        mtu=mtu,
        master=master or None,
        vrf_table=vrf_table,
        alias=alias or None,
        group=group,
        ipv6_disabled=disabled,
        ignores_routers=deaf,
    )


def read_address(data: bytes, start: int, end: int, now: float) -> KernelAddress | None:
    """Read an address message; C{None} if it is about neither IPv6 nor IPv4."""
    if start + _ADDRESS.size > end:
        raise ValueError("an address message is too short")
    family, length, flags, _, index = _ADDRESS.unpack_from(data, start)
    if family not in (AF_INET6, AF_INET):
        return None
    found = _attributes(data, start + _ADDRESS.size, end)
    # Where both are given IFA_LOCAL is ours, and IFA_ADDRESS that of the peer.
    place = found.get(_IFA_LOCAL) or found[_IFA_ADDRESS]
    preferred = valid = _FOR_EVER
    protocol = None
    if (times := found.get(_IFA_CACHEINFO)) is not None:
        preferred, valid = _CACHE.unpack_from(data, times[0])
    if (more := found.get(_IFA_FLAGS)) is not None:
        (flags,) = _U32.unpack_from(data, more[0])
    if (mark := found.get(_IFA_PROTO)) is not None:
        protocol = data[mark[0]]
    return KernelAddress(
        index=index,
        address=(IPv6Interface if family == AF_INET6 else IPv4Interface)((bytes(data[place[0] : place[1]]), length)),
        flags=flags,
        preferred_until=_end(preferred, now),
        valid_until=_end(valid, now),
        protocol=protocol,
    )


def read_route(data: bytes, start: int, end: int, now: float, protocol: int) -> KernelRoute | None:
    """Read a route message; C{None} if the route is not an IPv6 route with this protocol number."""
    if start + _ROUTE.size > end:
        raise ValueError("a route message is too short")
    family, length, _, _, table, made_by, _, kind, flags = _ROUTE.unpack_from(data, start)
    if made_by != protocol or family != AF_INET6 or flags & _RTM_F_CLONED:
        return None
    found = _attributes(data, start + _ROUTE.size, end)
    destination = IPv6Address(0)
    index = None
    metric = ticks = 0
    if (place := found.get(_RTA_DST)) is not None:
        destination = IPv6Address(bytes(data[place[0] : place[1]]))
    if (place := found.get(_RTA_OIF)) is not None and kind == _RTN_UNICAST:
        (index,) = _U32.unpack_from(data, place[0])
    if (place := found.get(_RTA_PRIORITY)) is not None:
        (metric,) = _U32.unpack_from(data, place[0])
    if (place := found.get(_RTA_TABLE)) is not None:
        (table,) = _U32.unpack_from(data, place[0])
    if (place := found.get(_RTA_CACHEINFO)) is not None:
        ticks = _ROUTE_CACHE.unpack_from(data, place[0])[2]
    return KernelRoute(
        prefix=IPv6Network((destination, length)),
        index=index,
        table=table,
        metric=metric,
        kind=_ROUTE_KINDS[kind] if kind < len(_ROUTE_KINDS) else f"type {kind}",
        protocol=made_by,
        valid_until=now + ticks / _TICKS if ticks else inf,
    )


def read_router(data: bytes, start: int, end: int) -> tuple[int, IPv6Address] | None:
    """Read link and router from a message about a default route that has a gateway; C{None} for any other route."""
    found = _attributes(data, start + _ROUTE.size, end)
    link, gateway = found.get(_RTA_OIF), found.get(_RTA_GATEWAY)
    if link is None or gateway is None:
        return None
    return _U32.unpack_from(data, link[0])[0], IPv6Address(bytes(data[gateway[0] : gateway[1]]))


def read_lost_multicast(data: bytes, start: int, end: int) -> int | None:
    """Read the link's index from a message about the kernel's own route of ff00::/8; C{None} for any other route."""
    family, length, _, _, _, made_by, _, kind, _ = _ROUTE.unpack_from(data, start)
    if family != AF_INET6 or length != 8 or made_by != _RTPROT_KERNEL or kind != _RTN_MULTICAST:
        return None
    place = _attributes(data, start + _ROUTE.size, end).get(_RTA_OIF)
    return None if place is None else int(_U32.unpack_from(data, place[0])[0])
