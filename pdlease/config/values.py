"""
Single values of a configuration file: what each must look like.

Every function here takes a value as the TOML reader gives it and returns it in the model's form, or raises
C{ValueError} with a sentence that says what was expected.  Which key has which kind of value is
L{pdlease.config.schema}; what several values must be together is L{pdlease.config.toml}.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from re import fullmatch

from pdlease.config.duidform import parse_form

# IFNAMSIZ less the zero at the end.
LONGEST_LINK_NAME = 15

# sizeof(sun_path) less the zero at the end.
LONGEST_SOCKET_PATH = 107

# Lengths that are asked for one after the other; a few minutes go by until the last one is reached.
MOST_HINTS = 8

# Routing protocol numbers that mean something already, as in the kernel's rtnetlink.h and iproute2's rt_protos.
KNOWN_PROTOCOLS = {
    1: "redirect",
    2: "kernel",
    3: "boot",
    4: "static",
    8: "gated",
    9: "ra",
    10: "mrt",
    11: "zebra",
    12: "bird",
    13: "dnrouted",
    14: "xorp",
    15: "ntk",
    16: "dhcp",
    17: "mrouted",
    18: "keepalived",
    42: "babel",
    84: "ovn",
    99: "openr",
    186: "bgp",
    187: "isis",
    188: "ospf",
    189: "rip",
    192: "eigrp",
}


def shown(value: object) -> str:
    """A value as it is named in a message, cut to a readable length."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, int) and value.bit_length() > 128:
        return "a very large number"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    cut = text if len(text) <= 60 else text[:57] + '..."'
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut)


def wrong(expected: str, value: object) -> ValueError:
    """The error for a value that is not what was expected."""
    return ValueError(f"expected {expected}, not {shown(value)}")


def flag(value: object) -> bool:
    """C{true} or C{false}."""
    if not isinstance(value, bool):
        raise wrong("true or false", value)
    return value


def text(value: object) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise wrong("text in quotes", value)
    return value


def choice(*words: str) -> Callable[[object], str]:
    """One of some words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise wrong(" or ".join(f'"{word}"' for word in words), value)
        return value

    return read


def whole(lowest: int, highest: int) -> Callable[[object], int]:
    """A whole number of a range."""

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise wrong(f"a whole number from {lowest} to {highest}", value)
        return value

    return read


length = whole(1, 128)


def absolute_path(value: object) -> str:
    """An absolute path."""
    name = text(value)
    if not name.startswith("/") or not name.isprintable() or ".." in name.split("/"):
        raise wrong('an absolute path without ".."', value)
    return name


def socket_path(value: object) -> str:
    """An absolute path that a local socket can have."""
    name = absolute_path(value)
    if len(name.encode()) > LONGEST_SOCKET_PATH or name.endswith("/"):
        raise wrong(f"the path of a socket, of at most {LONGEST_SOCKET_PATH} bytes", value)
    return name


def link_name(value: object) -> str:
    """
    A name that the kernel lets a link have: 1 to 15 bytes without slash, colon or white space (seed-behaviour 2.4;
    C{dev_valid_name} of the kernel).
    """
    name = text(value)
    if not name:
        raise ValueError("expected the name of a link, not nothing")
    if len(name.encode(errors="replace")) > LONGEST_LINK_NAME:
        raise ValueError(f"{shown(name)} is too long for the name of a link: {LONGEST_LINK_NAME} bytes at most")
    if name in (".", "..") or any(c in "/:" or c.isspace() or not c.isprintable() for c in name):
        raise ValueError(f'{shown(name)} is not the name of a link: no "/", ":" or white space, not "." or ".."')
    return name


def table_name(value: object) -> str:
    """The name of an uplink, switch or guest: what the operator calls it, and part of file names."""
    name = text(value)
    if not name or len(name.encode(errors="replace")) > 64:
        raise ValueError("expected a name of 1 to 64 bytes")
    if name[0] in ".-" or any(c in "/\\" or c.isspace() or not c.isprintable() for c in name):
        raise ValueError(f'{shown(name)} cannot be a name: no "/", "\\" or white space, no "." or "-" at the start')
    return name


def account(value: object) -> str:
    """Name of a user or group of the system."""
    name = text(value)
    if not name or len(name) > 256 or any(c in ":/\0" or c.isspace() or not c.isprintable() for c in name):
        raise wrong("the name of a user or group", value)
    return name


def accounts(value: object) -> tuple[str, ...]:
    """The names of users, or of groups."""
    if not isinstance(value, list):
        raise wrong("an array of names", value)
    return tuple(dict.fromkeys(map(account, value)))


def provider(value: object) -> str:
    """C{name} or C{name:argument}."""
    name = text(value)
    if not name.partition(":")[0].strip() or not name.isprintable():
        raise wrong("the name of a provider, or name:argument", value)
    return name


def duid(value: object) -> str:
    """A DUID in one of the forms of L{pdlease.config.duidform}."""
    try:
        form = parse_form(text(value))
        if form.link:
            link_name(form.link)
    except ValueError as problem:
        raise ValueError(f"{problem}, not {shown(value)}") from None
    return text(value)


def optional_duid(value: object) -> str:
    """As L{duid}, or empty."""
    return "" if value == "" else duid(value)


def route_protocol(value: object) -> int:
    """A routing protocol number that is nobody else's."""
    number = whole(1, 255)(value)
    if number in KNOWN_PROTOCOLS:
        raise ValueError(f"{number} is the number of {KNOWN_PROTOCOLS[number]}: what carries it is not ours")
    return number


def route_table(value: object) -> int:
    """A routing table that routes may be put into."""
    number = whole(1, 0xFFFFFFFF)(value)
    if number == 255:
        raise ValueError("255 is the kernel's own table of local addresses")
    return number


def rate_limit(value: object) -> tuple[int, float]:
    """C{[messages, seconds]}."""
    expected = "[messages, seconds], as in [20, 20]: at least 1 message, more than 0 and at most 86400 seconds"
    if not isinstance(value, list) or len(value) != 2:
        raise wrong(expected, value)
    messages, seconds = value
    if not isinstance(messages, int) or isinstance(messages, bool) or not 1 <= messages <= 1_000_000:
        raise ValueError(f"expected {expected}, not {shown(messages)} messages")
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 < seconds <= 86400:
        raise ValueError(f"expected {expected}, not {shown(seconds)} seconds")
    return messages, float(seconds)


def hint(value: object) -> str | int | tuple[int, ...]:
    """C{"nibble"}, C{"exact"}, C{"none"}, a prefix length, or an array of different ones."""
    if isinstance(value, list) and 1 <= len(value) <= MOST_HINTS:
        lengths = tuple(length(entry) for entry in value)
        if len(set(lengths)) == len(lengths):
            return lengths
    if isinstance(value, str) and value in ("nibble", "exact", "none"):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 128:
        return value
    raise wrong(
        f'"nibble", "exact", "none", a prefix length from 1 to 128, or an array of 1 to {MOST_HINTS} different ones',
        value,
    )


def host_part(value: object) -> int:
    """The host part of an address, in the notation of an address."""
    try:
        address = IPv6Address(text(value))
    except ValueError:
        raise wrong('the host part of an IPv6 address, as in "::1"', value) from None
    if address.scope_id is not None:
        raise wrong('the host part of an IPv6 address, as in "::1"', value)
    return int(address)


def group(value: object) -> int | str:
    """
    A link group: a number, or a name of the system's group table (seed-behaviour P18: at most 15 characters, no digit
    at the end; and not empty, W16).
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0x7FFFFFFF:
        return value
    if (
        isinstance(value, str)
        and 1 <= len(value.encode(errors="replace")) <= 15
        and not value[-1].isdigit()
        and not any(c.isspace() or not c.isprintable() for c in value)
    ):
        return value
    raise wrong(
        "a group number from 0 to 2147483647, or a group name of 1 to 15 bytes without a digit at its end", value
    )


def mac(value: object) -> str:
    """C{"derived"}, the link-layer address of one station, or empty."""
    if value in ("", "derived"):
        return str(value)
    if isinstance(value, str) and fullmatch(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", value):
        octets = bytes.fromhex(value.replace(":", ""))
        if any(octets) and not octets[0] & 1:
            return value.lower()
    raise wrong('"derived" or the address of one station, as in "02:00:5e:10:00:01"', value)


def optional_link(value: object) -> str:
    """The name of a link, or empty."""
    return "" if value == "" else link_name(value)


def prefix6(value: object) -> IPv6Network:
    """An IPv6 prefix without host bits."""
    try:
        if "/" in text(value):
            return IPv6Network(text(value))
    except ValueError:
        pass
    raise wrong('an IPv6 prefix without bits behind its length, as in "fc00::/7"', value)


def prefixes6(value: object) -> tuple[IPv6Network, ...]:
    """One or more IPv6 prefixes."""
    if not isinstance(value, list) or not value:
        raise wrong("an array of at least one IPv6 prefix", value)
    return tuple(prefix6(entry) for entry in value)


def local_prefix(value: object) -> IPv4Network:
    """An IPv4 prefix of length 1 to 16, without host bits (seed-behaviour P26)."""
    try:
        network = IPv4Network(text(value))
    except ValueError:
        network = None
    if network is None or not 1 <= network.prefixlen <= 16 or "/" not in text(value):
        raise wrong('an IPv4 prefix of length 1 to 16 without bits behind it, as in "100.64.0.0/10"', value)
    return network


def local_prefix6(value: object) -> IPv6Network:
    """An IPv6 prefix of length 1 to 64, without host bits (seed-behaviour P26)."""
    network = prefix6(value)
    if not 1 <= network.prefixlen <= 64:
        raise wrong('an IPv6 prefix of length 1 to 64, as in "fd12:3456:789a:bcde::/64"', value)
    return network
