"""
A kernel of addresses and routes in memory, as far as L{pdlease.privilege.execute} asks it.
"""

from __future__ import annotations

import errno
import os
import struct
from ipaddress import IPv6Address

from pdlease.netlink.requests import Answer, LinkFacts, attributes, messages
from pdlease.privilege.requestsocket import AddressFacts, RequestSocket, RouteKey

NEWADDR, DELADDR, NEWROUTE, DELROUTE = 20, 21, 24, 25
EXCLUSIVE, REPLACE = 0x200, 0x100


class FakeKernel(RequestSocket):
    """
    Answers requests like a route socket.

    @ivar links: names by index.
    @ivar held: addresses by (index, address).
    @ivar marks: protocol of each route.
    @ivar asked: what was done, in order.
    @ivar keeps_marks: whether addresses keep their mark (5.18 and later).
    @ivar words: error number and words of what is refused next.
    """

    def __init__(self, keeps_marks: bool = True) -> None:
        self.links = {1: "lo", 2: "wan0", 3: "lan0", 4: "lan1", 5: "other0"}
        self.held: dict[tuple[int, IPv6Address], AddressFacts] = {}
        self.marks: dict[RouteKey, int] = {}
        self.asked: list[str] = []
        self.keeps_marks = keeps_marks
        self.words: tuple[int, str] | None = None
        self.closed = False
        self._sequence = 0

    def close(self) -> None:
        self.closed = True

    def link(self, *, index: int = 0, name: str = "") -> LinkFacts | Answer:
        if index not in self.links:
            return Answer(sequence=1, errno=errno.ENODEV, reason="No such device")
        return LinkFacts(index=index, name=self.links[index], kind="veth")

    def address(self, index: int, address: IPv6Address) -> AddressFacts | None:
        return self.held.get((index, address))

    def addresses(self, index: int = 0) -> tuple[AddressFacts, ...]:
        self.asked.append("list addresses")
        return tuple(facts for facts in self.held.values() if index in (0, facts.index))

    def routes(self, protocol: int) -> frozenset[RouteKey]:
        self.asked.append("list routes")
        return frozenset(key for key, mark in self.marks.items() if mark == protocol)

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
            number = (self._address if kind in (NEWADDR, DELADDR) else self._route)(kind, flags, body)
            reason = os.strerror(number) if number else ""
        return Answer(sequence=sequence, errno=number, reason=reason)

    def _address(self, kind: int, flags: int, body: bytes) -> int:
        _, length, _, _, index = struct.unpack_from("=BBBBI", body)
        found = attributes(body, 8)
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
