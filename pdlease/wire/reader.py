"""
Reading of fixed fields within bounds, and the one error that says what was wrong, where, and with which bytes.

What the fields mean is said in the modules of the options; how options follow each other is L{pdlease.wire.chain}.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

LONGEST_EXCERPT = 16
"""Octets of the message that an error shows at most."""

_WIDTHS = {1: "B", 2: "H", 4: "I"}


class WireError(ValueError):
    """
    Octets that are no DHCPv6 message, or an option whose content is not what its code promises.

    Always the peer's fault; nothing else is ever raised by decoding.

    @ivar field: what was being read, outermost first: C{"IA_PD, T2"}.
    @ivar offset: where it begins, counted in octets from the start of the datagram.
    @ivar data: the octets that stand there, at most L{LONGEST_EXCERPT}.
    @ivar problem: what is wrong with them, in words.
    """

    def __init__(self, field: str, offset: int, data: bytes, problem: str) -> None:
        self.field = field
        self.offset = offset
        self.data = data[:LONGEST_EXCERPT]
        self.problem = problem
        super().__init__(field, offset, self.data, problem)

    def __str__(self) -> str:
        octets = f" ({self.data.hex(' ')})" if self.data else ""
        return f"{self.field} at byte {self.offset}: {self.problem}{octets}"


def excerpt(data: bytes, start: int, end: int) -> bytes:
    """
    Cut out the octets from C{start} to C{end}, as many of them as an error shows.
    """
    return data[start : min(end, start + LONGEST_EXCERPT)]


def counted(number: int) -> str:
    """
    Say a number of bytes.
    """
    return "1 byte" if number == 1 else f"{number} bytes"


class Layout:
    """
    The fixed part of an option: its name, and its fields in their order.

    One C{struct} call reads all fields; only when they do not fit is it worked out which one was cut.
    """

    def __init__(self, name: str, *fields: tuple[str, int | str]) -> None:
        """
        @param name: the option, as errors call it.
        @param fields: for each its name, and its width in octets (an integer of 1, 2 or 4) or a C{struct} format.
        """
        self.name = name
        formats = [(label, _WIDTHS[width] if isinstance(width, int) else width) for label, width in fields]
        self._widths = [(label, Struct(">" + part).size) for label, part in formats]
        self._struct = Struct(">" + "".join(part for _, part in formats))
        self.size = self._struct.size
        self.pack = self._struct.pack

    def read(self, data: bytes, start: int, end: int) -> tuple[Any, ...]:
        """
        Read the fields at C{start}; more may follow before C{end}.

        @raise WireError: naming the first field that does not fit before C{end}.
        """
        if end - start < self.size:
            raise self._cut(data, start, end)
        return self._struct.unpack_from(data, start)

    def read_whole(self, data: bytes, start: int, end: int) -> tuple[Any, ...]:
        """
        Read the fields at C{start}, with which the option must end.

        @raise WireError: if there is less, or anything follows.
        """
        if end - start != self.size:
            if end - start < self.size:
                raise self._cut(data, start, end)
            surplus = start + self.size
            raise WireError(
                self.name, surplus, excerpt(data, surplus, end), f"{counted(self.size)} wanted, {end - start} there"
            )
        return self._struct.unpack_from(data, start)

    def _cut(self, data: bytes, start: int, end: int) -> WireError:
        """
        Say which field reaches past C{end}.
        """
        offset = start
        fields = iter(self._widths)
        label, width = next(fields)
        while offset + width <= end:
            offset += width
            label, width = next(fields)
        return WireError(
            f"{self.name}, {label}", offset, excerpt(data, offset, end), f"{counted(width)} wanted, {end - offset} left"
        )
