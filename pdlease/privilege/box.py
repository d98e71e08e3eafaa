"""
AMP boxes for a blocking peer: the codec that the helper speaks in place of Twisted's.

A box is a run of (length, key, length, value) with 16-bit lengths, ended by an empty key
(L{twisted.protocols.amp}).  Every run of octets is one: nothing that is sent can take the reader out of step, and
what exceeds a bound is passed over as it arrives, without being kept.  What the boxes say is
L{pdlease.privilege.vocabulary}.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from attrs import frozen

# No box of the vocabulary comes near these.
MAX_KEY = 40
MAX_VALUE = 512
MAX_KEYS = 16

_LENGTH = struct.Struct("!H")


@frozen(kw_only=True)
class Box:
    """
    What was received up to an empty key.

    @ivar values: keys (latin-1, so that any octets are some key) and values, as far as they are within bounds.
    @ivar problem: what was out of bounds, or the empty string.
    """

    values: Mapping[str, bytes]
    problem: str


def encode_box(values: Mapping[str, bytes]) -> bytes:
    """
    Pack one box.

    @raise ValueError: for a key or a value that AMP cannot carry.
    """
    parts: list[bytes] = []
    for key, value in values.items():
        name = key.encode("latin-1")
        if not 0 < len(name) < 256 or len(value) > 0xFFFF:
            raise ValueError(f"{key!r}: AMP carries keys of 1 to 255 and values of up to 65535 octets")
        parts += (_LENGTH.pack(len(name)), name, _LENGTH.pack(len(value)), value)
    return b"".join(parts) + b"\0\0"


class BoxReader:
    """
    Takes octets as they arrive and gives boxes as they are complete.

    What it keeps between two calls is bounded: the values of one box within L{MAX_KEYS}, L{MAX_KEY} and L{MAX_VALUE},
    and one unfinished key or value.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = 0
        self._values: dict[str, bytes] = {}
        self._key: str | None = None
        self._expects_value = False
        self._problem = ""

    def feed(self, data: bytes) -> Iterator[Box]:
        """Take what arrived; iterate over the boxes that it completes."""
        buffer = self._buffer
        buffer += data
        while True:
            if self._skip:
                passed = min(self._skip, len(buffer))
                del buffer[:passed]
                self._skip -= passed
                if self._skip:
                    return
            if len(buffer) < 2:
                return
            (length,) = _LENGTH.unpack_from(buffer)
            if not length and not self._expects_value:
                del buffer[:2]
                yield self._finish()
            elif self._is_too_long(length):
                del buffer[:2]
                self._skip = length
                self._expects_value = not self._expects_value
                self._key = None
            elif len(buffer) < 2 + length:
                return
            else:
                content = bytes(buffer[2 : 2 + length])
                del buffer[: 2 + length]
                self._take(content)

    def _is_too_long(self, length: int) -> bool:
        if self._expects_value:
            if length <= MAX_VALUE:
                return False
            self._problem = self._problem or f"a value of {length} octets; {MAX_VALUE} is the most"
        else:
            if length <= MAX_KEY:
                return False
            self._problem = self._problem or f"a key of {length} octets; {MAX_KEY} is the most"
        return True

    def _take(self, content: bytes) -> None:
        if not self._expects_value:
            self._key = content.decode("latin-1")
        elif self._key is not None:
            if self._key in self._values:
                self._problem = self._problem or f"the key {self._key!a} twice"
            elif len(self._values) >= MAX_KEYS:
                self._problem = self._problem or f"more than {MAX_KEYS} keys"
            else:
                self._values[self._key] = content
        self._expects_value = not self._expects_value

    def _finish(self) -> Box:
        box = Box(values=self._values, problem=self._problem)
        self._values, self._problem, self._key = {}, "", None
        return box
