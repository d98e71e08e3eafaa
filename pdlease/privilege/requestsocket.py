"""
A blocking route socket for requests: one question, one answer.

Used by whoever holds the privilege (L{pdlease.privilege.execute}); the daemon's own view of the kernel is
L{pdlease.netlink.links}.  How requests are packed is L{pdlease.netlink.requests}; here are the three questions that
only policy asks: which link is this, whose address is this, whose route is this.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Network

from attrs import frozen

from pdlease.netlink.requests import (
    NLMSG_ERROR,
    Answer,
    LinkFacts,
    attribute,
    attributes,
    encode_link_query,
    message,
    messages,
    read_answer,
    read_link,
)

SOL_NETLINK = 270
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11
NETLINK_GET_STRICT_CHK = 12

_RTM_NEWADDR, _RTM_GETADDR, _RTM_NEWROUTE, _RTM_GETROUTE = 20, 22, 24, 26
_NLMSG_DONE = 3
_REQUEST, _DUMP, _DUMP_INTERRUPTED = 0x0001, 0x0301, 0x0010
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS, _IFA_PROTO = 1, 2, 8, 11
_RTA_DST, _RTA_OIF, _RTA_PRIORITY, _RTA_MULTIPATH, _RTA_TABLE = 1, 4, 6, 9, 15
# Redirects, the kernel's own, and what it learns of router advertisements.
_BY_ITSELF = frozenset((1, 2, 9))
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_NEXT_HOP = struct.Struct("=HBBi")
_U32 = struct.Struct("=I")
_RECEIVE = 65536

RTN_UNREACHABLE = 7

# The kernel answers at once or not at all; a request that is not answered within this many seconds is an error.
PATIENCE = 5

# A dump that other changes fell into is begun anew this many times.
DUMPS = 5


@frozen(kw_only=True)
class AddressFacts:
    """
    An address as it stands in the kernel.

    @ivar index: the link that it is on.
    @ivar address: the address.
    @ivar length: its prefix length.
    @ivar flags: IFA_F_* flags.
    @ivar protocol: its mark (IFA_PROTO); C{None} when it has none or the kernel knows none.
    """

    index: int
    address: IPv6Address | IPv4Address
    length: int
    flags: int
    protocol: int | None


# What tells one route from another: table, metric, kind (RTN_*), prefix length, destination.
RouteKey = tuple[int, int, int, int, bytes]


class RequestSocket:
    """
    A blocking AF_NETLINK socket on which requests are answered one by one.

    Every method raises C{OSError} when the socket itself fails; what the kernel refuses is an answer, not an exception.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", PATIENCE, 0))
        for option in (NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK):
            try:
                self._socket.setsockopt(SOL_NETLINK, option, 1)
            except OSError:  # a kernel before 4.20: its words are missed, its answers are filtered here
                continue
        self._sequence = 0

    def close(self) -> None:
        """Close the socket; nothing can be asked any more."""
        self._socket.close()

    def next_sequence(self) -> int:
        """A sequence number for one request."""
        self._sequence = self._sequence % 0xFFFFFFFF + 1
        return self._sequence

    def acknowledge(self, request: bytes, sequence: int) -> Answer:
        """Send a request that asks for an acknowledgement and wait for it."""
        answer, _ = self._exchange(request, sequence)
        return answer

    def link(self, *, index: int = 0, name: str = "") -> LinkFacts | Answer:
        """The link of an index or, with index 0, of a name; the kernel's refusal if there is none."""
        sequence = self.next_sequence()
        answer, data = self._exchange(encode_link_query(sequence, index=index, name=name), sequence)
        facts = read_link(data)
        return answer if facts is None else facts

    def address(self, index: int, address: IPv6Address) -> AddressFacts | None:
        """One address of a link, or C{None} when it is not there."""
        sequence = self.next_sequence()
        body = _ADDRESS.pack(socket.AF_INET6, 0, 0, 0, index) + attribute(_IFA_ADDRESS, address.packed)
        answer, data = self._exchange(message(_RTM_GETADDR, _REQUEST, sequence, body), sequence)
        if answer.errno in {errno.EADDRNOTAVAIL, errno.ENODEV}:
            return None
        for facts in _read_addresses(data):
            if (facts.index, facts.address) == (index, address):
                return facts
        raise OSError(answer.errno or errno.EPROTO, answer.reason or "the kernel answers with another address")

    def addresses(self, index: int = 0) -> tuple[AddressFacts, ...]:
        """Every IPv6 address of a link; with index 0, of all links."""
        body = _ADDRESS.pack(socket.AF_INET6, 0, 0, 0, index)
        found = tuple(_read_addresses(self._dump(_RTM_GETADDR, body)))
        return tuple(facts for facts in found if index in {0, facts.index})

    def ipv4(self, index: int, address: IPv4Interface) -> AddressFacts | None:
        """One IPv4 address of a link, with its length, or C{None} when it is not there."""
        body = _ADDRESS.pack(socket.AF_INET, 0, 0, 0, index)
        for facts in _read_addresses(self._dump(_RTM_GETADDR, body), socket.AF_INET):
            if (facts.index, facts.address, facts.length) == (index, address.ip, address.network.prefixlen):
                return facts
        return None

    def routes(self, protocol: int) -> frozenset[RouteKey]:
        """Every IPv6 route with a mark."""
        body = _ROUTE.pack(socket.AF_INET6, 0, 0, 0, 0, protocol, 0, 0, 0)
        return frozenset(_read_routes(self._dump(_RTM_GETROUTE, body), protocol))

    def route_of_others(self, index: int, protocol: int) -> IPv6Network | None:
        """Where a route by way of a link leads that neither has this mark nor is the kernel's own, if there is one."""
        body = _ROUTE.pack(socket.AF_INET6, 0, 0, 0, 0, 0, 0, 0, 0) + attribute(_RTA_OIF, _U32.pack(index))
        for kind, _, _, route in messages(self._dump(_RTM_GETROUTE, body)):
            if kind != _RTM_NEWROUTE or len(route) < _ROUTE.size:
                continue
            family, length, _, _, _, made_by, _, _, _ = _ROUTE.unpack_from(route)
            found = attributes(route, _ROUTE.size)
            if family == socket.AF_INET6 and made_by not in _BY_ITSELF | {protocol} and index in _links_of(found):
                return IPv6Network((found.get(_RTA_DST, bytes(16)), length))
        return None

    def _exchange(self, request: bytes, sequence: int) -> tuple[Answer, bytes]:
        """Send, and receive until what answers this request: the acknowledgement, or a message with its data."""
        self._socket.send(request)
        while True:
            data = self._receive()
            for kind, flags, answered, body in messages(data):
                if answered != sequence:
                    continue
                if kind == NLMSG_ERROR:
                    answer = read_answer(flags, answered, body)
                    if answer is not None:
                        return answer, b""
                return Answer(sequence=sequence, errno=0, reason=""), data

    def _dump(self, kind: int, body: bytes) -> bytes:
        for _ in range(DUMPS):
            sequence = self.next_sequence()
            self._socket.send(message(kind, _DUMP, sequence, body))
            data, interrupted = self._receive_dump(sequence)
            if not interrupted:
                return data
        raise OSError(errno.EAGAIN, "the kernel's tables do not hold still")

    def _receive_dump(self, sequence: int) -> tuple[bytes, bool]:
        found: list[bytes] = []
        interrupted = False
        while True:
            data = self._receive()
            found.append(data)
            for kind, flags, answered, body in messages(data):
                if answered != sequence:
                    continue
                interrupted |= bool(flags & _DUMP_INTERRUPTED)
                if kind == NLMSG_ERROR:
                    answer = read_answer(flags, answered, body)
                    if answer is not None and answer.errno == errno.ENOENT:  # no such table: no such routes
                        return b"", False
                    if answer is not None:
                        raise OSError(answer.errno, answer.reason)
                if kind == _NLMSG_DONE:
                    return b"".join(found), interrupted

    def _receive(self) -> bytes:
        while True:
            try:
                data, _, flags, sender = self._socket.recvmsg(_RECEIVE)
            except BlockingIOError:
                raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
            if sender[0] == 0 and not flags & socket.MSG_TRUNC:  # from the kernel, whole
                return data


class KernelVRFs:
    """
    The routing tables of VRFs, asked of the kernel each time.
    """

    def __init__(self, requests: RequestSocket) -> None:
        """
        @param requests: a socket for questions.
        """
        self._requests = requests

    def table_of(self, vrf: str) -> int | None:
        """The table of a VRF by name; C{None} if there is none."""
        facts = self._requests.link(name=vrf)
        return facts.vrf_table if isinstance(facts, LinkFacts) else None

    def table_around(self, index: int) -> int | None:
        """The table of the VRF that a link is in; C{None} if it is in none."""
        facts = self._requests.link(index=index)
        if not isinstance(facts, LinkFacts) or not facts.master:
            return None
        master = self._requests.link(index=facts.master)
        return master.vrf_table if isinstance(master, LinkFacts) else None


def _read_addresses(data: bytes, wanted: int = socket.AF_INET6) -> Iterator[AddressFacts]:
    for kind, _, _, body in messages(data):
        if kind != _RTM_NEWADDR or len(body) < _ADDRESS.size:
            continue
        family, length, flags, _, index = _ADDRESS.unpack_from(body)
        found = attributes(body, _ADDRESS.size)
        # On a point-to-point address IFA_LOCAL is ours and IFA_ADDRESS the peer's.
        address = found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS, b""))
        if family != wanted or len(address) != (16 if wanted == socket.AF_INET6 else 4):
            continue
        if len(found.get(_IFA_FLAGS, b"")) == 4:
            (flags,) = _U32.unpack(found[_IFA_FLAGS])
        mark = found.get(_IFA_PROTO)
        yield AddressFacts(
            index=index,
            address=IPv6Address(address) if wanted == socket.AF_INET6 else IPv4Address(address),
            length=length,
            flags=flags,
            protocol=mark[0] if mark else None,
        )


def _read_routes(data: bytes, wanted: int) -> Iterator[RouteKey]:
    for kind, _, _, body in messages(data):
        if kind != _RTM_NEWROUTE or len(body) < _ROUTE.size:
            continue
        family, length, _, _, table, protocol, _, made, _ = _ROUTE.unpack_from(body)
        if family != socket.AF_INET6 or protocol != wanted:
            continue
        found = attributes(body, _ROUTE.size)
        yield (
            _number(found.get(_RTA_TABLE), table),
            _number(found.get(_RTA_PRIORITY), 0),
            made,
            length,
            found.get(_RTA_DST, bytes(16)),
        )


def _links_of(route: Mapping[int, bytes]) -> Iterator[int]:
    """The indexes of the links that a route goes by."""
    yield _number(route.get(_RTA_OIF), 0)
    hops = route.get(_RTA_MULTIPATH, b"")
    while len(hops) >= _NEXT_HOP.size:
        length, _, _, index = _NEXT_HOP.unpack_from(hops)
        yield index
        hops = hops[max(length + 3 & ~3, _NEXT_HOP.size) :]


def _number(data: bytes | None, default: int) -> int:
    return int(_U32.unpack(data)[0]) if data is not None and len(data) == 4 else default
