"""
The one table of what can be asked of a privileged helper, and how each word of it travels.

Both sides are made from L{VOCABULARY}: the daemon's C{amp.Command} classes (L{pdlease.privilege.commands}) and what
the helper reads (L{pdlease.privilege.answering}).  To add an operation, add its value to L{pdlease.operations}, one row
here, its rule to L{pdlease.privilege.policy} and what it does to L{pdlease.privilege.execute}.

A word is a name, its fields and the fields of its answer; each field has a L{Kind}, which is what bounds it: whatever
reads as a value of its kind is well-formed, whether it is allowed is policy.  This module is loaded by the helper, so
it knows nothing of Twisted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Interface, IPv6Interface, IPv6Network
from typing import Any

from attrs import fields, frozen

from pdlease.operations import (
    LONGEST_DESCRIPTION,
    CheckLink,
    ClearMaster,
    DisableIPv6,
    EnableIPv6,
    Operation,
    PutAddress,
    PutIPv4,
    PutRoute,
    PutUnreachable,
    RemoveAddress,
    RemoveIPv4,
    RemoveRoute,
    RemoveUnreachable,
    SetDescription,
    SetDown,
    SetGroup,
    SetLinkAddress,
    SetMaster,
    SetUp,
)

# How many octets of the configuration travel in one answer (an AMP value holds 65,535).
PAGE = 32768

READ_SINCE = "the file was not read, or something else was read since"
"""Why a configuration is not adopted that is not the one that was read last."""


class VocabularyError(ValueError):
    """
    What was asked is not in the vocabulary.

    @ivar field: name of the offending field, or of the word itself.
    @ivar problem: what is wrong with it.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


@frozen(kw_only=True)
class Kind:
    """
    How one kind of value travels.

    @ivar encode: value to octets.
    @ivar decode: octets to value; raises C{ValueError} with a sentence for anything that is no value of this kind.
    """

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _excerpt(data: bytes) -> str:
    return ascii(data[:40].decode("latin-1")) + (f"... ({len(data)} octets)" if len(data) > 40 else "")


def _decode_text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{_excerpt(data)} is not UTF-8") from None


def check_link_name(name: str) -> str:
    """
    Return a name that a network link can have: 1 to 15 octets, no slash, colon, white space or control character.

    @raise ValueError: for any other.
    """
    data = name.encode("utf-8", "surrogateescape")
    if not 0 < len(data) < 16:
        raise ValueError(f"{_excerpt(data)} has {len(data)} octets; a link's name has 1 to 15")
    if name in {".", ".."} or any(
        character in "/:" or character.isspace() or ord(character) < 33 for character in name
    ):
        raise ValueError(f"{_excerpt(data)} is no name that a link can have")
    return name


def _decode_link(data: bytes) -> str:
    return check_link_name(_decode_text(data))


def _number(low: int, high: int) -> Kind:
    width = len(str(high))

    def decode(data: bytes) -> int:
        if not data.isdigit() or len(data) > width:
            raise ValueError(f"{_excerpt(data)} is no number from {low} to {high}")
        value = int(data)
        if not low <= value <= high:
            raise ValueError(f"{value} is not from {low} to {high}")
        return value

    return Kind(encode=lambda value: b"%d" % value, decode=decode)


def _split_address(data: bytes) -> tuple[bytes, int]:
    if len(data) != 17 or data[16] > 128:
        raise ValueError(f"{_excerpt(data)} is not 16 octets and a length from 0 to 128")
    return data[:16], data[16]


def _decode_ipv4(data: bytes) -> IPv4Interface:
    if len(data) != 5 or data[4] > 32:
        raise ValueError(f"{_excerpt(data)} is not 4 octets and a length from 0 to 32")
    return IPv4Interface((data[:4], data[4]))


def _decode_description(data: bytes) -> str:
    text = _decode_text(data)
    if len(data) > LONGEST_DESCRIPTION:
        raise ValueError(f"{_excerpt(data)} is longer than {LONGEST_DESCRIPTION} octets")
    if not all(character.isprintable() for character in text):
        raise ValueError(f"{_excerpt(data)} has characters that cannot be shown")
    return text


def _decode_link_address(data: bytes) -> bytes:
    if len(data) != 6 or data[0] & 1 or not any(data):
        raise ValueError(f"{_excerpt(data)} is no link-layer address of one station: 6 octets")
    return bytes(data)


LINK = Kind(encode=lambda value: value.encode("utf-8"), decode=_decode_link)
TEXT = Kind(encode=lambda value: value.encode("utf-8"), decode=_decode_text)
OCTETS = Kind(encode=bytes, decode=bytes)
INDEX = _number(1, 0x7FFFFFFF)
SECONDS = _number(0, 0xFFFFFFFF)
TABLE = _number(1, 0xFFFFFFFF)
METRIC = _number(1, 0xFFFFFFFF)
SIZE = _number(0, 0x7FFFFFFF)
ADDRESS = Kind(
    encode=lambda value: value.packed + bytes((value.network.prefixlen,)),
    decode=lambda data: IPv6Interface(_split_address(data)),
)
PREFIX = Kind(
    encode=lambda value: value.network_address.packed + bytes((value.prefixlen,)),
    decode=lambda data: IPv6Network(_split_address(data)),
)
IPV4 = Kind(encode=lambda value: value.packed + bytes((value.network.prefixlen,)), decode=_decode_ipv4)
GROUP = _number(0, 0x7FFFFFFF)
DESCRIPTION = Kind(encode=lambda value: value.encode("utf-8"), decode=_decode_description)
LINK_ADDRESS = Kind(encode=bytes, decode=_decode_link_address)
# Sent beside the box as an SCM_RIGHTS message; in the box stands its ordinal.
DESCRIPTOR = SIZE


@frozen(kw_only=True)
class Word:
    """
    One row of the table.

    @ivar name: what it is called on the wire.
    @ivar fields: names and kinds of what is sent.
    @ivar answer: names and kinds of what comes back.
    @ivar operation: the class of L{pdlease.operations} that it carries, or C{None}.
    """

    name: str
    fields: tuple[tuple[str, Kind], ...] = ()
    answer: tuple[tuple[str, Kind], ...] = ()
    operation: type[Operation] | None = None


def _operation(cls: type[Operation], **kinds: Kind) -> Word:
    name = "".join(f"-{c.lower()}" if c.isupper() and not before.isupper() else c.lower() for before, c in _pairs(cls))
    return Word(name=name.strip("-"), fields=tuple(kinds.items()), operation=cls)


def _pairs(cls: type) -> list[tuple[str, str]]:
    return list(zip(" " + cls.__name__, cls.__name__, strict=False))


_ROUTE = {"table": TABLE, "metric": METRIC}
# C{number} tells one reading of the file from the next; pages are of the latest.
_CONFIGURATION = (("number", SIZE), ("size", SIZE), ("page", OCTETS))

WORDS: tuple[Word, ...] = (
    _operation(CheckLink, link=LINK, index=INDEX),
    _operation(PutAddress, link=LINK, index=INDEX, address=ADDRESS, preferred=SECONDS, valid=SECONDS),
    _operation(RemoveAddress, link=LINK, index=INDEX, address=ADDRESS),
    _operation(PutRoute, link=LINK, index=INDEX, prefix=PREFIX, expires=SECONDS, **_ROUTE),
    _operation(RemoveRoute, link=LINK, index=INDEX, prefix=PREFIX, **_ROUTE),
    _operation(PutUnreachable, link=LINK, prefix=PREFIX, expires=SECONDS, **_ROUTE),
    _operation(RemoveUnreachable, link=LINK, prefix=PREFIX, **_ROUTE),
    _operation(EnableIPv6, link=LINK, index=INDEX),
    _operation(DisableIPv6, link=LINK, index=INDEX),
    _operation(PutIPv4, link=LINK, index=INDEX, address=IPV4),
    _operation(RemoveIPv4, link=LINK, index=INDEX, address=IPV4),
    _operation(SetMaster, link=LINK, index=INDEX, master=LINK, master_index=INDEX),
    _operation(ClearMaster, link=LINK, index=INDEX),
    _operation(SetDescription, link=LINK, index=INDEX, text=DESCRIPTION),
    _operation(SetGroup, link=LINK, index=INDEX, group=GROUP),
    _operation(SetUp, link=LINK, index=INDEX),
    _operation(SetDown, link=LINK, index=INDEX),
    _operation(SetLinkAddress, link=LINK, index=INDEX, address=LINK_ADDRESS),
    Word(name="hello", fields=(("version", TEXT),), answer=(("version", TEXT), ("report", TEXT), *_CONFIGURATION)),
    Word(name="configuration", fields=(("number", SIZE), ("offset", SIZE)), answer=(("page", OCTETS),)),
    Word(name="reload", answer=_CONFIGURATION),
    Word(name="adopt", fields=(("number", SIZE),)),
    Word(name="open-client-socket", fields=(("link", LINK), ("index", INDEX)), answer=(("socket", DESCRIPTOR),)),
    Word(name="open-route-socket", answer=(("socket", DESCRIPTOR),)),
)

VOCABULARY: Mapping[str, Word] = {word.name: word for word in WORDS}

# The word that carries each operation.
CARRIERS: Mapping[type, Word] = {word.operation: word for word in WORDS if word.operation is not None}


def read_fields(word: Word, box: Mapping[str, bytes]) -> dict[str, Any]:
    """
    Read the fields of a word from the values of a box, its own C{_ask} and C{_command} left out.

    @raise VocabularyError: when a field is missing, unknown, or not of its kind.
    """
    values = {}
    for name, kind in word.fields:
        if name not in box:
            raise VocabularyError(name, "missing")
        try:
            values[name] = kind.decode(box[name])
        except ValueError as error:
            raise VocabularyError(name, str(error)) from None
    if len(box) != len(values):
        unknown = next(name for name in box if name not in values)
        raise VocabularyError(_excerpt(unknown.encode("latin-1", "replace")), f"no field of {word.name}")
    return values


def write_fields(operation: Operation) -> dict[str, bytes]:
    """The values of the box that carries an operation."""
    return {name: kind.encode(getattr(operation, name)) for name, kind in CARRIERS[type(operation)].fields}


def field_names(operation: type[Operation]) -> tuple[str, ...]:
    """The fields that an operation has as a value; those of its row must be the same."""
    return tuple(field.name for field in fields(operation))
