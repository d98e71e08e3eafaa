"""
What the kernel tells of a namespace on a routing socket of our own, in every group that there is.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from ipaddress import IPv6Address

from attrs import frozen

from tests.live.network import ip, socket_in, until

_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_GROUPS = range(1, 40)
# rtnetlink(7): first octet of the payload is the family; where the link's index stands in it, by kind of notice
_LINK, _ADDRESS, _ROUTE, _NEIGHBOUR, _RULE, _CONF = 16, 20, 24, 28, 32, 80
_KINDS = {_LINK: "link", _ADDRESS: "address", _ROUTE: "route", _NEIGHBOUR: "neighbour", _RULE: "rule", _CONF: "conf"}
_OUTGOING, _DESTINATION, _CONF_INDEX = 4, 1, 1


@frozen(kw_only=True)
class Notice:
    """
    One notice.

    @ivar kind: C{link}, C{address}, C{route}, C{conf}..., or the number of the message.
    @ivar index: of the link that it is about; 0 for none.
    @ivar address: the address, or the destination of the route; empty for none.
    @ivar second: of CLOCK_MONOTONIC.
    """

    kind: str
    index: int
    address: str
    second: float


class Notices:
    """
    Everything that the kernel tells of a namespace, but of neighbours, whose states change by themselves.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._heard: list[Notice] = []
        self._socket = socket_in(namespace, socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        for group in _GROUPS:
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        self._socket.settimeout(0.2)
        self._ending = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def since(self, second: float) -> list[Notice]:
        """What was told since a second of CLOCK_MONOTONIC; all of what the kernel has told until now is here."""
        before = len(self._heard)
        ip("-n", self._namespace, "-6", "rule", "add", "pref", "31999", "lookup", "main")
        ip("-n", self._namespace, "-6", "rule", "del", "pref", "31999")
        until(lambda: [n for n in self._heard[before:] if n.kind == "rule"], 5, "the kernel to tell of a rule")
        return [n for n in self._heard if n.second >= second and n.kind not in ("rule", "neighbour")]

    def stop(self) -> None:
        """Hear no more."""
        self._ending = True
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._ending:
            try:
                data = self._socket.recv(1 << 18)
            except TimeoutError:
                continue
            second = time.monotonic()
            while len(data) >= 16:
                length, kind = struct.unpack_from("=IH", data)
                self._heard.append(_notice(kind, data[16:length], second))
                data = data[(length + 3) & ~3 :]


def _notice(number: int, body: bytes, second: float) -> Notice:
    base = number & ~3
    index, address, attributes = 0, "", b""
    if base == _LINK:
        (index,) = struct.unpack_from("=i", body, 4)
    elif base == _ADDRESS:
        (index,) = struct.unpack_from("=I", body, 4)
        attributes = body[8:]
    elif base == _ROUTE:
        attributes = body[12:]
    elif base == _CONF:
        attributes = body[4:]
    for kind, value in _attributes(attributes):
        if len(value) == 16 and kind == _DESTINATION:
            address = str(IPv6Address(value))
        elif (base == _ROUTE and kind == _OUTGOING) or (base == _CONF and kind == _CONF_INDEX):
            (index,) = struct.unpack("=i", value)
    return Notice(kind=_KINDS.get(base, str(number)), index=index, address=address, second=second)


def _attributes(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found.append((kind & 0x3FFF, data[4:length]))
        data = data[(length + 3) & ~3 :]
    return found
