"""
AMP boxes as octets: writing one, reading one, and finding where one ends without keeping it.

An AMP box is a run of keys and values, each behind a 16-bit length, ended by an empty key.  Nothing in AMP bounds the
number of pairs, so that one endless box fills the memory of whoever collects it; L{BoxScanner} stands in front of
Twisted's parser in the daemon (L{pdlease.control.connection}) and bounds it.  The codec is for
L{pdlease.control.blocking}.  Neither Twisted nor zope is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

#: What a request may consist of.  The largest that any command of ours needs is a tenth of that.
MAX_KEY = 64
MAX_VALUE = 4096
MAX_PAIRS = 16
MAX_BOX = 8192


class BoxTooLarge(ValueError):
    """What is being received exceeds the bounds of a request; the text says which."""


class BoxScanner:
    """
    Follows a stream of boxes and finds their ends, across any division into chunks.

    Keeps four numbers, never octets.
    """

    def __init__(self) -> None:
        self._skip = 0
        self._high: int | None = None
        self._wants_key = True
        self._pairs = 0
        self._size = 0

    @property
    def is_inside(self) -> bool:
        """Whether a box was begun and has not ended."""
        return self._size > 0 or self._high is not None

    def find_end(self, data: bytes, start: int) -> int:
        """
        Go on scanning.

        @param data: what was received.
        @param start: offset of the first octet not scanned so far.
        @return: the offset just behind the first box that ends in C{data}; -1 when none does (all is scanned then).
        @raise BoxTooLarge: as soon as a length says so, before the octets themselves have come.
        """
        end = len(data)
        while start < end:
            if self._skip:
                step = min(self._skip, end - start)
                self._skip -= step
                start += step
                continue
            if self._high is None:
                self._high = data[start]
                start += 1
                continue
            length = self._high << 8 | data[start]
            self._high = None
            start += 1
            if self._wants_key and length == 0:
                self._pairs = self._size = 0
                return start
            self._count(length)
        return -1

    def _count(self, length: int) -> None:
        bound = MAX_KEY if self._wants_key else MAX_VALUE
        if length > bound:
            raise BoxTooLarge(f"a {'key' if self._wants_key else 'value'} of {length} octets; {bound} are allowed")
        if self._wants_key:
            self._pairs += 1
            if self._pairs > MAX_PAIRS:
                raise BoxTooLarge(f"a box of more than {MAX_PAIRS} keys")
        self._size += length + 2
        if self._size > MAX_BOX:
            raise BoxTooLarge(f"a box of more than {MAX_BOX} octets")
        self._wants_key = not self._wants_key
        self._skip = length


def encode_box(box: Mapping[bytes, bytes]) -> bytes:
    """
    The octets of a box.

    @raise ValueError: for a key that is empty or longer than 255 octets, or a value longer than 65,535.
    """
    parts = []
    for key, value in box.items():
        if not 0 < len(key) < 256 or len(value) > 0xFFFF:
            raise ValueError(f"{key[:40]!r} does not fit into an AMP box")
        parts += [len(key).to_bytes(2, "big"), key, len(value).to_bytes(2, "big"), value]
    parts.append(b"\0\0")
    return b"".join(parts)


def read_box(read_exactly: Callable[[int], bytes]) -> dict[bytes, bytes]:
    """
    Read one box.

    @param read_exactly: gives that many octets, or raises.
    @raise ValueError: for what is no box.
    """
    box: dict[bytes, bytes] = {}
    while True:
        length = int.from_bytes(read_exactly(2), "big")
        if length == 0:
            return box
        if length > 255 or len(box) >= MAX_PAIRS:
            raise ValueError("what the other side sent is no AMP box of this protocol")
        key = read_exactly(length)
        box[key] = read_exactly(int.from_bytes(read_exactly(2), "big"))
