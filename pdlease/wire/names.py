"""
Domain names in options (RFC 9915 section 10; B.8): labels, a closing zero octet, never compressed.

Names are shown, not resolved; nothing here asks a name server.
"""

from __future__ import annotations

from attrs import frozen

from pdlease.wire.reader import WireError, excerpt
from pdlease.wire.text import plain_text

LONGEST_LABEL = 63
"""Octets of a label; a greater number would be a compression pointer or is reserved."""

LONGEST_NAME = 255
"""Octets of a whole name, lengths and the closing zero included."""


@frozen
class DomainName:
    """
    A fully qualified name.

    @ivar labels: its labels without the root's empty one, octets as received.
    """

    labels: tuple[bytes, ...]

    @classmethod
    def parse(cls, text: str) -> DomainName:
        """
        Read a name as a person writes it, C{example.com} or C{example.com.}.

        @raise ValueError: if a label is empty or too long, or the name is.
        """
        labels = tuple(label.encode() for label in text.removesuffix(".").split(".")) if text != "." else ()
        if any(not 0 < len(label) <= LONGEST_LABEL for label in labels):
            raise ValueError(f"{text!r} is no domain name: a label has 1 to {LONGEST_LABEL} bytes")
        if sum(len(label) + 1 for label in labels) + 1 > LONGEST_NAME:
            raise ValueError(f"{text!r} is no domain name: it has at most {LONGEST_NAME} bytes")
        return cls(labels)

    def encode(self) -> bytes:
        """
        Give the octets of it (R-10-01: uncompressed).
        """
        return b"".join([bytes((len(label),)) + label for label in self.labels]) + b"\0"

    def __str__(self) -> str:
        return plain_text(b".".join(self.labels)) or "."


def read_names(data: bytes, start: int, end: int, option: str) -> tuple[DomainName, ...]:
    """
    Read names to the end of an option.

    @param option: the option, as errors call it.
    @return: one name at least.
    @raise WireError: for a compression pointer, a label or name too long, or no closing zero (R-10-01).
    """
    if start == end:
        raise WireError(f"{option}, name", start, b"", "at least one name wanted, none there")
    names = []
    while start < end:
        labels = []
        at = start
        while True:
            if at >= end:
                raise WireError(f"{option}, name", start, excerpt(data, start, end), "no zero byte ends it")
            length = data[at]
            if length > LONGEST_LABEL:
                raise WireError(
                    f"{option}, label",
                    at,
                    excerpt(data, at, end),
                    f"length of at most {LONGEST_LABEL} wanted (no compression here), {length} there",
                )
            at += 1 + length
            if at - start > LONGEST_NAME:
                raise WireError(
                    f"{option}, name",
                    start,
                    excerpt(data, start, end),
                    f"at most {LONGEST_NAME} bytes wanted, more there",
                )
            if length == 0:
                break
            labels.append(data[at - length : at])
        names.append(DomainName(tuple(labels)))
        start = at
    return tuple(names)
