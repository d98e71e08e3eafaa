"""
The one door to pyroute2: requests for dumps, and what is heard on the route socket as L{pdlease.netlink.notices}.

pyroute2's message machinery packs the requests and reads the rare messages; links, addresses and routes, which come by
the thousand, are read by L{pdlease.netlink.hotpath}.  What operations become is L{pdlease.netlink.requests}; the socket
is L{pdlease.netlink.routesocket}'s.

The door is narrow.  C{import pyroute2} loads the whole library (some 150 ms and 20 MiB), and so does the import of any
part of it, since C{pyroute2/__init__.py} runs first.  So that one package is put aside for a moment by a bare module
with the same path; afterwards everything is taken out of C{sys.modules} again, and whoever imports pyroute2 later gets
a whole one of their own.  Where that fails, pyroute2 is imported as it is.  L{NARROW} tells which happened, and a test
fails when it was the latter.

The message classes here are written on pyroute2's C{nlmsg} and C{nla} rather than taken from C{pyroute2.netlink.rtnl}:
its C{ifinfmsg} raises C{KeyError} for the very messages that are read here (IFLA_PROTINFO of family AF_INET6), and has
no class for RTM_NEWPREFIX.
"""

from __future__ import annotations

import importlib
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from ipaddress import IPv6Network
from types import ModuleType
from typing import Any

from pdlease.kernel import AdvertisedPrefix
from pdlease.netlink.hotpath import (
    AF_INET6,
    read_address,
    read_link,
    read_lost_multicast,
    read_route,
    read_router,
    read_whole_link,
)
from pdlease.netlink.notices import (
    AddressNotice,
    Damaged,
    DumpDone,
    DumpInterrupted,
    Inet6Doubt,
    Inet6Notice,
    LinkGone,
    LinkNotice,
    Notice,
    PrefixNotice,
    Refusal,
    RouteNotice,
    RouteReplaced,
    RouterNotice,
)
from pdlease.netlink.requests import read_answer

RTPROT_RA = 9
"""The protocol number of the routes that the kernel takes from Router Advertisements."""

GROUPS = (1, 5, 9, 11, 12, 18)
"""The multicast groups of the route socket: LINK, IPV4_IFADDR, IPV6_IFADDR, IPV6_ROUTE, IPV6_IFINFO, IPV6_PREFIX."""


def _is_pyroute2(name: str) -> bool:
    return name == "pyroute2" or name.startswith("pyroute2.")


def open_door(
    load: Callable[[str], ModuleType] = importlib.import_module,
    find: Callable[[str], ModuleSpec | None] = find_spec,
) -> tuple[Any, bool]:
    """
    Load C{pyroute2.netlink}, without the rest of pyroute2 if that can be done.

    @param load: imports a module by name.
    @param find: finds out where a package is, without importing it.
    @return: the module, and whether it came by the narrow way.
    @raise ImportError: when there is no pyroute2, or none with such a module.
    """
    before = {name: module for name, module in sys.modules.items() if _is_pyroute2(name)}
    if "pyroute2" in before:
        return load("pyroute2.netlink"), True
    spec = find("pyroute2")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("pyroute2 is not installed")
    bare = ModuleType("pyroute2")
    bare.__path__ = list(spec.submodule_search_locations)
    bare.__spec__ = spec
    sys.modules["pyroute2"] = bare
    try:
        module = load("pyroute2.netlink")
        if not all(hasattr(module, name) for name in ("nla", "nlmsg")):
            raise ImportError("pyroute2.netlink has changed")
    except Exception:
        # Whatever a later pyroute2 may do in its first lines: the wide door is still there.
        _forget()
        return load("pyroute2.netlink"), False
    _forget()
    return module, True


def _forget() -> None:
    for name in [name for name in sys.modules if _is_pyroute2(name)]:
        del sys.modules[name]


_pyroute2, NARROW = open_door()
_nlmsg: Any = _pyroute2.nlmsg
_nla: Any = _pyroute2.nla


class _LinkMessage(_nlmsg):  # type: ignore[misc]
    """RTM_NEWLINK of family AF_INET6, and the request for links."""

    fields = (("family", "B"), ("pad", "B"), ("kind", "H"), ("index", "i"), ("flags", "I"), ("change", "I"))
    nla_map = ((12, "PROTINFO", "inet6"), (29, "EXT_MASK", "uint32"))

    class inet6(_nla):  # type: ignore[misc]
        """IFLA_INET6_*: flags of the interface, and its settings as an array of 32-bit numbers."""

        nla_map = ((1, "FLAGS", "uint32"), (2, "CONF", "cdata"))


class _AddressMessage(_nlmsg):  # type: ignore[misc]
    """The request for addresses."""

    fields = (("family", "B"), ("length", "B"), ("flags", "B"), ("scope", "B"), ("index", "I"))


class _RouteMessage(_nlmsg):  # type: ignore[misc]
    """The request for routes."""

    fields = (
        *((name, "B") for name in ("family", "length", "source_length", "tos", "table", "protocol", "scope", "kind")),
        ("flags", "I"),
    )


class _PrefixMessage(_nlmsg):  # type: ignore[misc]
    """RTM_NEWPREFIX: a prefix of a Router Advertisement."""

    fields = (
        ("family", "B"), ("pad", "B"), ("pad2", "H"), ("index", "i"),
        ("kind", "B"), ("length", "B"), ("flags", "B"), ("pad3", "B"),
    )  # fmt: skip
    nla_map = ((1, "ADDRESS", "cdata"), (2, "CACHEINFO", "cdata"))


_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_NEWPREFIX = 52
_DUMP_REQUEST = 0x001 | 0x300
_DUMP_INTERRUPTED, _REPLACE = 0x10, 0x100
_SKIP_STATISTICS = 8
_HEADER = struct.Struct("=IHHII")
_ERROR = struct.Struct("=i")
_CACHE = struct.Struct("=II")
_RA_OTHER, _RA_MANAGED, _RA_RECEIVED = 0x80, 0x40, 0x20
_DISABLE_IPV6 = 4 * 26


def _request(message: Any, kind: int, sequence: int, **fields: int) -> bytes:
    message.update(fields)
    message["header"].update(type=kind, flags=_DUMP_REQUEST, sequence_number=sequence, pid=0)
    message.encode()
    return bytes(message.data)


def request_links(sequence: int) -> bytes:
    """Pack the request for all links, without their statistics."""
    message = _LinkMessage()
    message["attrs"] = [("EXT_MASK", _SKIP_STATISTICS)]
    return _request(message, _GETLINK, sequence)


def request_inet6(sequence: int) -> bytes:
    """Pack the request for what IPv6 knows of all links (L{Inet6Notice})."""
    return _request(_LinkMessage(), _GETLINK, sequence, family=AF_INET6)


def request_addresses(sequence: int) -> bytes:
    """Pack the request for all addresses."""
    return _request(_AddressMessage(), _GETADDR, sequence)


def request_routes(sequence: int, protocol: int) -> bytes:
    """
    Pack the request for the IPv6 routes with this protocol number, of all tables.

    A kernel on whose socket NETLINK_GET_STRICT_CHK is set tells only those; others tell all.
    """
    return _request(_RouteMessage(), _GETROUTE, sequence, family=AF_INET6, protocol=protocol)


def _read_inet6(data: bytes) -> Inet6Notice | None:
    message = _LinkMessage(data)
    message.decode()
    settings = message.get_attr("PROTINFO")
    if settings is None:
        return None
    flags = settings.get_attr("FLAGS") or 0
    conf = settings.get_attr("CONF") or b""
    disabled = None
    if len(conf) >= _DISABLE_IPV6 + 4:
        disabled = bool(_ERROR.unpack_from(conf, _DISABLE_IPV6)[0])
    return Inet6Notice(
        message["index"], disabled, bool(flags & _RA_RECEIVED), bool(flags & _RA_MANAGED), bool(flags & _RA_OTHER)
    )


def _read_prefix(data: bytes) -> PrefixNotice | None:
    message = _PrefixMessage(data)
    message.decode()
    address, times = message.get_attr("ADDRESS"), message.get_attr("CACHEINFO")
    if message["family"] != AF_INET6 or address is None or times is None:
        return None
    preferred, valid = _CACHE.unpack_from(times)
    prefix = IPv6Network((address, message["length"]), strict=False)
    return PrefixNotice(
        AdvertisedPrefix(
            index=message["index"], prefix=prefix, flags=message["flags"], preferred=preferred, valid=valid
        )
    )


def _link(data: bytes, start: int, end: int, now: float, protocol: int, flags: int) -> Notice | None:
    family, _ = read_link(data, start, end)
    if family == 0:
        return LinkNotice(read_whole_link(data, start, end))
    return _read_inet6(data[start - 16 : end]) if family == AF_INET6 else None


def _link_gone(data: bytes, start: int, end: int, now: float, protocol: int, flags: int) -> Notice | None:
    family, index = read_link(data, start, end)
    return LinkGone(index) if family == 0 else None


def _address(data: bytes, start: int, end: int, now: float, protocol: int, flags: int) -> Notice | None:
    address = read_address(data, start, end, now)
    return None if address is None else AddressNotice(address)


def _address_gone(data: bytes, start: int, end: int, now: float, protocol: int, flags: int) -> Notice | None:
    address = read_address(data, start, end, now)
    return None if address is None else AddressNotice(address, removed=True)


def _router(data: bytes, start: int, end: int, removed: bool = False) -> RouterNotice | None:
    found = read_router(data, start, end)
    return None if found is None else RouterNotice(*found, removed=removed)


def _route(data: bytes, start: int, end: int, now: float, protocol: int, flags: int) -> Notice | None:
    route = read_route(data, start, end, now, protocol)
    replaces = bool(flags & _REPLACE)
    if route is not None:
        return RouteNotice(route, replaces=replaces)
    if data[start + 5] == RTPROT_RA and not data[start + 1]:
        return _router(data, start, end)
    if replaces:
        foreign = read_route(data, start, end, now, data[start + 5])
        return None if foreign is None else RouteReplaced(foreign)
    return None


def _route_gone(data: bytes, start: int, end: int, now: float, protocol: int, flags: int) -> Notice | None:
    route = read_route(data, start, end, now, protocol)
    if route is not None:
        return RouteNotice(route, removed=True)
    if data[start + 5] == RTPROT_RA and not data[start + 1]:
        return _router(data, start, end, removed=True)
    index = read_lost_multicast(data, start, end)
    return None if index is None else Inet6Doubt(index)


def _prefix(data: bytes, start: int, end: int, now: float, protocol: int, flags: int) -> Notice | None:
    return _read_prefix(data[start - 16 : end])


_READERS: Mapping[int, Callable[[bytes, int, int, float, int, int], Notice | None]] = {
    _NEWLINK: _link,
    _DELLINK: _link_gone,
    _NEWADDR: _address,
    _DELADDR: _address_gone,
    _NEWROUTE: _route,
    _DELROUTE: _route_gone,
    _NEWPREFIX: _prefix,
}


def decode(data: bytes, now: float, protocol: int) -> Iterator[Notice]:
    """
    Tell what a received buffer says, message by message; never raises.  Routes without our protocol number, those
    of IPv4, and message types of no concern are passed over.

    @param data: one or more whole netlink messages.
    @param now: the boot-clock second at which it was received; lifetimes count from it.
    @param protocol: our route protocol number.
    """
    offset = 0
    size = len(data)
    while offset + 16 <= size:
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        end = offset + length
        if length < 16 or end > size:
            yield Damaged(kind, f"length {length} with {size - offset} octets left")
            return
        if flags & _DUMP_INTERRUPTED and sequence:
            yield DumpInterrupted(sequence)
        if (reader := _READERS.get(kind)) is not None:
            try:
                notice = reader(data, offset + 16, end, now, protocol, flags)
            except Exception as problem:  # pyroute2 and struct have many ways to say that octets make no sense
                yield Damaged(kind, f"{type(problem).__name__}: {problem}")
            else:
                if notice is not None:
                    yield notice
        elif kind == _NLMSG_DONE:
            errno = -_ERROR.unpack_from(data, offset + 16)[0] if length >= 20 else 0
            yield DumpDone(sequence, errno)
        elif kind == _NLMSG_ERROR:
            answer = read_answer(flags, sequence, data[offset + 16 : end])
            if answer is None:
                yield Damaged(kind, "too short for an error")
            else:
                yield Refusal(sequence, answer.errno, answer.reason)
        offset += (length + 3) & ~3
