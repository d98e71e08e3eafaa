"""
What can be done to the kernel: one frozen value for each kind of act.

These are the words of the privilege vocabulary as values.  How they travel is L{pdlease.privilege.vocabulary}, who may
do them L{pdlease.privilege.policy}, what they become on a netlink socket L{pdlease.netlink.requests}, when they are due
L{pdlease.difference}.

Lifetimes are seconds relative to the moment of execution, 0 to 2**32 - 2; C{INFINITE} (2**32 - 1) means for ever.
C{link} is the name by which the configuration knows a link, C{index} the kernel's number of it.  An addition is judged
by name: the name must resolve to that index.  A removal goes by index; its name only serves messages.
"""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface, IPv6Network
from typing import Union

from attrs import frozen

INFINITE = 0xFFFFFFFF


@frozen(kw_only=True)
class CheckLink:
    """
    Find out whether a link exists, is called so, and is of the kind that it must be (P7); nothing is changed.

    Every other operation answers the same where its link is missing: nothing has to be asked before.
    """

    link: str
    index: int

    def __str__(self) -> str:
        return f"find {self.link}"


@frozen(kw_only=True)
class PutAddress:
    """
    Add an IPv6 address, or give the one that is there these lifetimes without a gap (RTM_NEWADDR with replace).

    The kernel makes no on-link route for it; see L{PutRoute}.  C{preferred} 0 deprecates.
    """

    link: str
    index: int
    address: IPv6Interface
    preferred: int
    valid: int

    def __str__(self) -> str:
        return f"add {self.address} to {self.link}"


@frozen(kw_only=True)
class RemoveAddress:
    """Remove an IPv6 address; one that is already gone is success."""

    link: str
    index: int
    address: IPv6Interface

    def __str__(self) -> str:
        return f"remove {self.address} from {self.link}"


@frozen(kw_only=True)
class PutRoute:
    """Add or refresh the on-link route of a subnet; C{expires} is its lifetime in seconds."""

    link: str
    index: int
    prefix: IPv6Network
    expires: int
    table: int
    metric: int

    def __str__(self) -> str:
        return f"add on-link route {self.prefix} on {self.link}"


@frozen(kw_only=True)
class RemoveRoute:
    """Remove the on-link route of a subnet; one that is already gone is success."""

    link: str
    index: int
    prefix: IPv6Network
    table: int
    metric: int

    def __str__(self) -> str:
        return f"remove on-link route {self.prefix} from {self.link}"


@frozen(kw_only=True)
class PutUnreachable:
    """
    Add or refresh the unreachable route of a delegated prefix (WPD-5), so that what is on no link is refused here.

    C{link} is the uplink that the prefix came by: policy and messages go by it.
    """

    link: str
    prefix: IPv6Network
    expires: int
    table: int
    metric: int

    def __str__(self) -> str:
        return f"add unreachable route {self.prefix}"


@frozen(kw_only=True)
class RemoveUnreachable:
    """Remove the unreachable route of a delegated prefix; one that is already gone is success."""

    link: str
    prefix: IPv6Network
    table: int
    metric: int

    def __str__(self) -> str:
        return f"remove unreachable route {self.prefix}"


@frozen(kw_only=True)
class EnableIPv6:
    """Switch IPv6 on for a link (its C{disable_ipv6} setting to 0)."""

    link: str
    index: int

    def __str__(self) -> str:
        return f"enable IPv6 on {self.link}"


@frozen(kw_only=True)
class DisableIPv6:
    """Switch IPv6 off again for a link that we switched it on for (its earlier value, from the ledger)."""

    link: str
    index: int

    def __str__(self) -> str:
        return f"disable IPv6 on {self.link}"


@frozen(kw_only=True)
class PutIPv4:
    """
    Add an IPv4 address for ever, with its on-link route; one that is there and ours is success (P10, W19).
    """

    link: str
    index: int
    address: IPv4Interface

    def __str__(self) -> str:
        return f"add {self.address} to {self.link}"


@frozen(kw_only=True)
class RemoveIPv4:
    """Remove an IPv4 address; one that is already gone is success."""

    link: str
    index: int
    address: IPv4Interface

    def __str__(self) -> str:
        return f"remove {self.address} from {self.link}"


@frozen(kw_only=True)
class SetMaster:
    """
    Make a link a port of a bridge (P6), or put it into a VRF (P5).

    C{master} and C{master_index} are the name and the index of the bridge or VRF, judged like C{link} and C{index}.  A
    link that belongs to another one is refused, not stolen.
    """

    link: str
    index: int
    master: str
    master_index: int

    def __str__(self) -> str:
        return f"put {self.link} into {self.master}"


@frozen(kw_only=True)
class ClearMaster:
    """Take a link out of its bridge or VRF; one that belongs to none is success."""

    link: str
    index: int

    def __str__(self) -> str:
        return f"take {self.link} out of its bridge or VRF"


@frozen(kw_only=True)
class SetDescription:
    """
    Describe a link (P4, its ifalias): at most L{LONGEST_DESCRIPTION} octets of UTF-8 without control characters; empty
    for no description.
    """

    link: str
    index: int
    text: str

    def __str__(self) -> str:
        return f"describe {self.link} as {self.text!r}" if self.text else f"take the description from {self.link}"


@frozen(kw_only=True)
class SetGroup:
    """Put a link into a link group, by number; it leaves the one that it was in (P9)."""

    link: str
    index: int
    group: int

    def __str__(self) -> str:
        return f"put {self.link} into group {self.group}"


@frozen(kw_only=True)
class SetUp:
    """Set a link up (P8)."""

    link: str
    index: int

    def __str__(self) -> str:
        return f"set {self.link} up"


@frozen(kw_only=True)
class SetDown:
    """Set a link down (P8)."""

    link: str
    index: int

    def __str__(self) -> str:
        return f"set {self.link} down"


@frozen(kw_only=True)
class SetLinkAddress:
    """Give a link another link-layer address: six octets, not a group's (P12, P28)."""

    link: str
    index: int
    address: bytes

    def __str__(self) -> str:
        return f"give {self.link} the link-layer address {self.address.hex(':')}"


LONGEST_DESCRIPTION = 255
"""How many octets a link's description may have (IFALIASZ less the zero at the end)."""

LinkSetting = Union[SetMaster, ClearMaster, SetDescription, SetGroup, SetUp, SetDown, SetLinkAddress]
"""What sets something about a link that cannot carry our mark."""

Operation = Union[
    CheckLink,
    PutAddress,
    RemoveAddress,
    PutRoute,
    RemoveRoute,
    PutUnreachable,
    RemoveUnreachable,
    EnableIPv6,
    DisableIPv6,
    PutIPv4,
    RemoveIPv4,
    SetMaster,
    ClearMaster,
    SetDescription,
    SetGroup,
    SetUp,
    SetDown,
    SetLinkAddress,
]


class PrivilegeError(Exception):
    """
    The kernel or the helper's policy refused an operation.

    @ivar operation: what was to be done, in words.
    @ivar errno: the kernel's error number; 0 when the policy refused.
    @ivar reason: the kernel's own words (extended acknowledgement) where it had some, else those of the error number,
        or the policy's reason.
    """

    def __init__(self, operation: str, errno: int, reason: str) -> None:
        super().__init__(operation, errno, reason)
        self.operation = operation
        self.errno = errno
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.operation}: {self.reason}"
