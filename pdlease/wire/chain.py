"""
Options one after the other: code, length, content, without padding (RFC 9915 section 21.1).

The same walk serves a message, an IA_PD and an IA Prefix; they differ in the table of options that are known in them.
Tables stand with their containers (L{pdlease.wire.messages}, L{pdlease.wire.prefixes}), so the depth of nesting is
bounded by there being no deeper table (R-16-24): what is not in the table stays opaque.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from struct import Struct
from struct import error as StructError
from typing import Protocol

from attrs import field, frozen

from pdlease.wire.reader import WireError, counted, excerpt

_HEADER = Struct(">HH")
_read_header = _HEADER.unpack_from
_write_header = _HEADER.pack


class Option(Protocol):
    """
    What every option can do, the unknown and the malformed included.
    """

    @property
    def code(self) -> int:
        """The option code (L{pdlease.wire.codes.OptionCode}, or any other number)."""

    def body(self) -> bytes:
        """
        Give the content as it goes over the wire, without code and length.
        """


OptionReader = Callable[[bytes, int, int], Option]
"""Reads one option's content from octets between two offsets; raises L{WireError}."""


@frozen
class OpaqueOption:
    """
    An option that nobody here knows, or not in this place.  Skipped by readers, kept for the debug log (section 16).

    @ivar option_code: its code.
    @ivar data: its content, verbatim.
    """

    option_code: int
    data: bytes

    @property
    def code(self) -> int:
        """The option code."""
        return self.option_code

    def body(self) -> bytes:
        """Give the content, verbatim."""
        return self.data


@frozen
class MalformedOption:
    """
    An option of a known code whose content is not what the code promises, as good as absent
    (R-16-20, B.9 rules 3 and 4).

    @ivar option_code: its code.
    @ivar data: its content, verbatim.
    @ivar problem: what is wrong with it; no part of the option's value, so it does not count when comparing.
    """

    option_code: int
    data: bytes
    problem: WireError = field(eq=False)

    @property
    def code(self) -> int:
        """The option code."""
        return self.option_code

    def body(self) -> bytes:
        """Give the content, verbatim."""
        return self.data


def read_options(
    data: bytes, start: int, end: int, readers: Mapping[int, OptionReader], container: str
) -> tuple[tuple[Option, ...], bytes]:
    """
    Read all options between two offsets.

    An option of bad content becomes a L{MalformedOption} and its neighbours stay.  One to three octets behind the last
    option are too short for a header and do no harm (R-16-20: a large cloud's servers append a zero octet).

    @param data: the whole datagram.
    @param readers: the options known in this place, by code.
    @param container: what holds the options, as errors call it.
    @return: the options in their order, and the octets left over.
    @raise WireError: if an option reaches past C{end}; then nothing in this container can be trusted.
    """
    options: list[Option] = []
    while end - start >= 4:
        code, length = _read_header(data, start)
        body = start + 4
        following = body + length
        if following > end:
            raise WireError(
                f"{container}, option {code}",
                start,
                excerpt(data, start, end),
                f"{counted(length)} of content wanted, {end - body} left",
            )
        reader = readers.get(code)
        if reader is None:
            options.append(OpaqueOption(code, data[body:following]))
        else:
            try:
                options.append(reader(data, body, following))
            except WireError as problem:
                # The traceback would keep the whole datagram alive as long as the option.
                options.append(MalformedOption(code, data[body:following], problem.with_traceback(None)))
        start = following
    return tuple(options), data[start:end]


def write_options(options: Iterable[Option]) -> bytes:
    """
    Give the octets of options in the order given; the inverse of L{read_options}.

    @raise ValueError: if a number does not fit into its field, or a content into its 65535 octets.
    """
    parts = []
    for option in options:
        try:
            body = option.body()
            parts.append(_write_header(option.code, len(body)))
        except StructError as error:
            raise ValueError(f"{type(option).__name__} cannot be encoded: {error}") from error
        parts.append(body)
    return b"".join(parts)
