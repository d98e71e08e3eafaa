"""
What the operator has a client say beyond what it says by itself: classes, vendor options, options written out, codes to
request; and how these are written in a file.

What becomes of them in a message is L{pdlease.asking}; every other single value of a file is L{pdlease.config.values}.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from attrs import frozen

from pdlease.config.values import shown, text, whole, wrong

PROFILE = "dhcp6leased"
"""The one profile there is: messages laid out as the original's (seed-behaviour 4.4)."""

OWN_CODES = {
    1: "identity.duid says what it is",
    2: "the client names the server by itself",
    6: "request_options adds to it",
    8: "the client counts the time by itself",
    14: "rapid_commit = true sends it",
    20: "reconfigure = true sends it",
    25: "every delegation sends one",
}
"""Codes of options that a client writes by itself and that no server wants twice, with what to use instead."""

UNUSUAL_CODES = {
    3: "asks for an address that this client would not use",
    4: "asks for addresses that this client would not use",
    5: "belongs into an association",
    7: "is a server's to send",
    9: "is a relay's to send",
    11: "is for authentication, of which this client does none with it",
    12: "is a server's to send",
    13: "is a server's to send",
    18: "is a relay's to send",
    19: "is a server's to send",
    26: "belongs into an association",
}
"""Codes of options that no client sends by RFC 9915 sections 18.2 and 24; some providers want one all the same."""

UNREQUESTABLE = frozenset({*range(1, 10), *range(11, 17), *range(18, 21), 25, 26})
"""Codes that do not belong into an option request (R-21.7-01)."""

MESSAGES = ("solicit", "request", "renew", "rebind", "release", "information-request")
"""The messages that a client sends, as they are called in a file."""

ENCAPSULATED = frozenset(range(89, 94))
"""Codes of options that stand in the containers of softwires alone (RFC 7598; RFC 9915 section 21.7)."""

REFRESH_TIME = 32
"""The code that no option request but that of an Information-request may list (RFC 9915 section 21.23)."""

_HEX = frozenset("0123456789abcdefABCDEF")


@frozen(kw_only=True)
class VendorClass:
    """
    What made the client, in words that a vendor defined (RFC 9915 section 21.16).

    @ivar enterprise: the vendor's enterprise number.
    @ivar data: the words; empty for name, release and machine of the operating system, as one word.
    """

    enterprise: int
    data: tuple[bytes, ...] = ()

    def written(self) -> dict[str, object]:
        """The table that says this."""
        words = {"data": [written_word(one) for one in self.data]} if self.data else {}
        return {"enterprise": self.enterprise, **words}


@frozen(kw_only=True)
class VendorOptions:
    """
    Options that a vendor defined (RFC 9915 section 21.17).

    @ivar enterprise: the vendor's enterprise number.
    @ivar options: code and content of each.
    """

    enterprise: int
    options: tuple[tuple[int, bytes], ...]

    def written(self) -> dict[str, object]:
        """The table that says this."""
        options = [{"code": number, "data": data.hex()} for number, data in self.options]
        return {"enterprise": self.enterprise, "options": options}


@frozen(kw_only=True)
class RawOption:
    """
    An option written out (R-18.2.1-08).

    @ivar code: its code.
    @ivar data: its content.
    @ivar messages: names of the messages that carry it; empty for all.
    """

    code: int
    data: bytes
    messages: tuple[str, ...] = ()

    def written(self) -> dict[str, object]:
        """The table that says this."""
        messages = {"messages": list(self.messages)} if self.messages else {}
        return {"code": self.code, "data": self.data.hex(), **messages}


_One = TypeVar("_One")

number = whole(0, 0xFFFFFFFF)
code = whole(1, 0xFFFF)


def octets(value: object) -> bytes:
    """Octets in hexadecimal digits, with or without colons or spaces between them."""
    digits = text(value).replace(":", "").replace(" ", "")
    if len(digits) % 2 or not _HEX.issuperset(digits):
        raise wrong("pairs of hexadecimal digits", value)
    return bytes.fromhex(digits)


def word(value: object) -> bytes:
    """Text, or octets behind C{hex:}."""
    words = text(value)
    data = octets(words[4:]) if words.startswith("hex:") else words.encode(errors="replace")
    if not 1 <= len(data) <= 0xFFFF:
        raise wrong('text, or octets as in "hex:00ff", not empty', value)
    return data


def written_word(data: bytes) -> str:
    """The text that L{word} reads as these octets."""
    try:
        words = data.decode()
    except UnicodeDecodeError:
        return f"hex:{data.hex()}"
    return f"hex:{data.hex()}" if words.startswith("hex:") or not words.isprintable() else words


def _entries(value: object, of: str, read: Callable[[object], _One]) -> tuple[_One, ...]:
    """Every entry of an array."""
    if not isinstance(value, list):
        raise wrong(f"an array of {of}", value)
    found = []
    for index, entry in enumerate(value):
        try:
            found.append(read(entry))
        except ValueError as problem:
            raise ValueError(f"entry {index}: {problem}") from None
    return tuple(found)


def _table(value: object, known: Collection[str], required: Collection[str]) -> dict[str, object]:
    """A table with these keys and no others."""
    if not isinstance(value, dict):
        raise wrong(f"a table with {', '.join(known)}", value)
    for key in value:
        if key not in known:
            raise ValueError(f"unknown key {shown(key)}; known are {', '.join(known)}")
    for key in required:
        if key not in value:
            raise ValueError(f"{key} is missing")
    return value


def _key(table: dict[str, object], key: str, read: Callable[[object], _One]) -> _One:
    """The value of one key of a table."""
    try:
        return read(table[key])
    except ValueError as problem:
        raise ValueError(f"{key}: {problem}") from None


_Vendor = TypeVar("_Vendor", VendorClass, VendorOptions)


def _vendors(value: object, read: Callable[[object], _Vendor]) -> tuple[_Vendor, ...]:
    """One table, or an array of them, with an enterprise number each that no other has (R-21.16-01)."""
    if not isinstance(value, list):
        return (read(value),)
    found = _entries(value, "tables", read)
    numbers = [entry.enterprise for entry in found]
    for enterprise in numbers:
        if numbers.count(enterprise) > 1:
            raise ValueError(f"enterprise {enterprise} stands in two of these; a message may carry one of each")
    return found


def vendor_class(value: object) -> tuple[VendorClass, ...]:
    """C{{ enterprise = NUMBER, data = ["text", ...] }}, or an array of such tables."""

    def read(one: object) -> VendorClass:
        table = _table(one, ("enterprise", "data"), ("enterprise",))
        data: tuple[bytes, ...] = ()
        if "data" in table:
            data = _key(table, "data", lambda words: _entries(words, "texts", word))
        return VendorClass(enterprise=_key(table, "enterprise", number), data=data)

    return _vendors(value, read)


def vendor_options(value: object) -> tuple[VendorOptions, ...]:
    """C{{ enterprise = NUMBER, options = [{ code = 1, data = "HEX" }] }}, or an array of such tables."""

    def option(one: object) -> tuple[int, bytes]:
        table = _table(one, ("code", "data"), ("code", "data"))
        return _key(table, "code", whole(0, 0xFFFF)), _key(table, "data", octets)

    def read(one: object) -> VendorOptions:
        table = _table(one, ("enterprise", "options"), ("enterprise", "options"))
        options = _key(table, "options", lambda entries: _entries(entries, "tables", option))
        return VendorOptions(enterprise=_key(table, "enterprise", number), options=options)

    return _vendors(value, read)


def user_class(value: object) -> tuple[bytes, ...]:
    """An array of texts (R-21.15-01: one that is sent has at least one)."""
    return _entries(value, "texts", word)


def raw_options(value: object) -> tuple[RawOption, ...]:
    """An array of C{{ code = 11, data = "HEX", messages = ["solicit"] }}."""

    def name(one: object) -> str:
        if one not in MESSAGES:
            raise wrong(" or ".join(f'"{message}"' for message in MESSAGES), one)
        return str(one)

    def read(one: object) -> RawOption:
        table = _table(one, ("code", "data", "messages"), ("code", "data"))
        option, data = _key(table, "code", code), _key(table, "data", octets)
        if option in OWN_CODES:
            raise ValueError(f"code: the client writes option {option} by itself: {OWN_CODES[option]}")
        if len(data) > 0xFFFF:
            raise ValueError("data: an option has at most 65535 octets")
        messages: tuple[str, ...] = ()
        if "messages" in table:
            messages = _key(table, "messages", lambda names: _entries(names, "messages", name))
            if not messages:
                raise ValueError("messages: expected at least one message; without this key all carry it")
        return RawOption(code=option, data=data, messages=messages)

    return _entries(value, "tables", read)


def request_options(value: object) -> tuple[int, ...]:
    """An array of option codes, each once."""
    codes = _entries(value, "option codes", code)
    if len(set(codes)) < len(codes):
        raise wrong("every code once", value)
    return codes


def size(
    classes: Collection[VendorClass],
    users: Collection[bytes],
    vendors: Collection[VendorOptions],
    raw: Collection[RawOption],
    requested: Collection[int],
) -> int:
    """How many octets all of this adds to a Solicit at most."""
    return sum(_sizes(classes, users, vendors, raw)) + 2 * len(requested)


def _sizes(
    classes: Collection[VendorClass],
    users: Collection[bytes],
    vendors: Collection[VendorOptions],
    raw: Collection[RawOption],
) -> Iterator[int]:
    """The size of each option."""
    for one in classes:
        # a machine's name, release and kind are far below
        yield 8 + (sum(2 + len(data) for data in one.data) or 100)
    if users:
        yield 4 + sum(2 + len(data) for data in users)
    for vendor in vendors:
        yield 8 + sum(4 + len(data) for _, data in vendor.options)
    for option in raw:
        if not option.messages or "solicit" in option.messages:
            yield 4 + len(option.data)


def advice(raw: Collection[RawOption], requested: Collection[int]) -> Iterator[tuple[str, str]]:
    """What is sent as it is written although it is none of a client's: the key, and a sentence for a warning each."""
    for index, option in enumerate(raw):
        if option.code in UNUSUAL_CODES:
            yield f"raw_options[{index}]", f"option {option.code} {UNUSUAL_CODES[option.code]}; it is sent as written"
    for wanted in requested:
        if wanted in UNREQUESTABLE:
            yield "request_options", f"no option request should list {wanted} (RFC 9915 section 21.7); it is sent"
        elif wanted in ENCAPSULATED:
            yield "request_options", f"{wanted} is a part of other options, which are to be listed; it is sent"
        elif wanted == REFRESH_TIME:
            yield (
                "request_options",
                f"{wanted} is for Information-requests alone, which list it anyway; it is left out elsewhere",
            )
