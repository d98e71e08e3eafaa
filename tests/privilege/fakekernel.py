"""
A kernel of addresses and routes in memory, as far as L{pdlease.privilege.execute} asks it.
"""

from __future__ import annotations

import errno
import os
import struct
from ipaddress import IPv4Interface, IPv6Address, IPv6Network

from pdlease.netlink.requests import Answer, LinkFacts, attributes, messages
from pdlease.privilege.requestsocket import AddressFacts, RequestSocket, RouteKey

NEWLINK, NEWADDR, DELADDR, NEWROUTE, DELROUTE = 16, 20, 21, 24, 25
EXCLUSIVE, REPLACE = 0x200, 0x100
BLUE_TABLE = 10


class FakeKernel(RequestSocket):
    """
    Answers requests like a route socket.

    @ivar links: names by index.
    @ivar kinds: kinds of links by name; others are of kind veth.
    @ivar masters: the bridge or VRF that a link belongs to, by index.
    @ivar aliases: the description of a link, by index.
    @ivar held: addresses by (index, address).
    @ivar held4: IPv4 addresses by (index, address with length).
    @ivar marks: protocol of each route.
    @ivar others_routes: a route of somebody else by index of its link.
    @ivar asked: what was done, in order.
    @ivar keeps_marks: whether addresses keep their mark (5.18 and later).
    @ivar words: error number and words of what is refused next.
    """

    def __init__(self, keeps_marks: bool = True) -> None:
        self.links = {1: "lo", 2: "wan0", 3: "lan0", 4: "lan1", 5: "other0"}
        self.links.update({6: "tap0", 7: "tap1", 8: "br0", 9: "virbr0", 10: "blue"})
        self.kinds: dict[str, str | None] = {"tap0": "tun", "br0": "bridge", "virbr0": "bridge", "blue": "vrf"}
        self.masters: dict[int, int] = {}
        self.aliases: dict[int, str] = {}
        self.held4: dict[tuple[int, IPv4Interface], AddressFacts] = {}
        self.held: dict[tuple[int, IPv6Address], AddressFacts] = {}
        self.marks: dict[RouteKey, int] = {}
        self.others_routes: dict[int, IPv6Network] = {}
        self.asked: list[str] = []
        self.keeps_marks = keeps_marks
        self.words: tuple[int, str] | None = None
        self.closed = False
        self._sequence = 0

    def close(self) -> None:
        self.closed = True

    def link(self, *, index: int = 0, name: str = "") -> LinkFacts | Answer:
        if name:
            index = next((number for number, known in self.links.items() if known == name), 0)
        if index not in self.links:
            return Answer(sequence=1, errno=errno.ENODEV, reason="No such device")
        name = self.links[index]
        kind = self.kinds.get(name, "veth")
        table = BLUE_TABLE if kind == "vrf" else None
        alias = self.aliases.get(index, "")
        return LinkFacts(
            index=index, name=name, kind=kind, master=self.masters.get(index, 0), vrf_table=table, alias=alias
        )

    def address(self, index: int, address: IPv6Address) -> AddressFacts | None:
        return self.held.get((index, address))

    def addresses(self, index: int = 0) -> tuple[AddressFacts, ...]:
        self.asked.append("list addresses")
        return tuple(facts for facts in self.held.values() if index in (0, facts.index))

    def routes(self, protocol: int) -> frozenset[RouteKey]:
        self.asked.append("list routes")
        return frozenset(key for key, mark in self.marks.items() if mark == protocol)

    def route_of_others(self, index: int, protocol: int) -> IPv6Network | None:
        return self.others_routes.get(index)

    def hold(self, index: int, text: str, length: int = 64, mark: int | None = None, flags: int = 0) -> None:
        """Have somebody put an address."""
        address = IPv6Address(text)
        self.held[index, address] = AddressFacts(
            index=index, address=address, length=length, flags=flags, protocol=mark
        )

    def acknowledge(self, request: bytes, sequence: int) -> Answer:
        ((kind, flags, answered, body),) = messages(request)
        assert answered == sequence
        if self.words is not None:
            (number, reason), self.words = self.words, None
        else:
            way = {NEWLINK: self._link, NEWADDR: self._address, DELADDR: self._address}.get(kind, self._route)
            number = way(kind, flags, body)
            reason = os.strerror(number) if number else ""
        return Answer(sequence=sequence, errno=number, reason=reason)

    def ipv4(self, index: int, address: IPv4Interface) -> AddressFacts | None:
        return self.held4.get((index, address))

    def hold_ipv4(self, index: int, text: str, mark: int | None = None) -> None:
        """Have somebody put an IPv4 address."""
        address = IPv4Interface(text)
        self.held4[index, address] = AddressFacts(
            index=index, address=address.ip, length=address.network.prefixlen, flags=0x80, protocol=mark
        )

    def _link(self, kind: int, flags: int, body: bytes) -> int:
        _, _, index, state, mask = struct.unpack_from("=BxHiII", body)
        found = attributes(body, 16)
        if 10 in found:
            (self.masters[index],) = struct.unpack("=I", found[10])
        if 20 in found:
            self.aliases[index] = found[20].rstrip(b"\0").decode()
        told = [f"{number}={value.hex()}" for number, value in found.items()]
        if mask:
            told.append("up" if state & mask else "down")
        self.asked.append(f"set {self.links[index]} {' '.join(told)}")
        return 0

    def _ipv4(self, kind: int, length: int, index: int, found: dict[int, bytes]) -> int:
        address = IPv4Interface((found[2], length))
        is_there = (index, address) in self.held4
        if kind == DELADDR:
            self.asked.append(f"remove {address}")
            return 0 if self.held4.pop((index, address), None) else errno.EADDRNOTAVAIL
        if is_there:
            return errno.EEXIST
        self.asked.append(f"add {address}")
        self.hold_ipv4(index, str(address), found[11][0] if self.keeps_marks else None)
        return 0

    def _address(self, kind: int, flags: int, body: bytes) -> int:
        family, length, _, _, index = struct.unpack_from("=BBBBI", body)
        found = attributes(body, 8)
        if family == 2:
            return self._ipv4(kind, length, index, found)
        address = IPv6Address(found[1])
        before = self.held.get((index, address))
        if kind == DELADDR:
            if before is None or before.length != length:
                return errno.EADDRNOTAVAIL
            self.asked.append(f"remove {address}/{length}")
            del self.held[index, address]
            return 0
        if before is not None and not flags & REPLACE:
            return errno.EEXIST
        mark = found[11][0] if self.keeps_marks else None
        kept = length if before is None else before.length
        self.asked.append(f"{'add' if before is None else 'replace'} {address}/{length}")
        self.held[index, address] = AddressFacts(index=index, address=address, length=kept, flags=0x200, protocol=mark)
        return 0

    def _route(self, kind: int, flags: int, body: bytes) -> int:
        _, length, _, _, _, protocol, _, made, _ = struct.unpack_from("=BBBBBBBBI", body)
        found = attributes(body, 12)
        table, metric = (struct.unpack("=I", found[number])[0] for number in (15, 6))
        key = (table, metric, made, length, found[1])
        if kind == DELROUTE:
            if self.marks.get(key) != protocol:
                return errno.ESRCH
            self.asked.append("remove route")
            del self.marks[key]
            return 0
        if key in self.marks and flags & EXCLUSIVE:
            return errno.EEXIST
        self.asked.append("replace route" if key in self.marks else "add route")
        self.marks[key] = protocol
        return 0
