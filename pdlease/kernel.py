"""
What the kernel says of its links, addresses and routes, as values.

They are filled by L{pdlease.netlink.links} and read by L{pdlease.difference} and L{pdlease.applier}; what can be done
to the kernel is L{pdlease.operations}.

Times are seconds of the boot-time clock (L{pdlease.clock}), C{math.inf} for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, IPv6Interface, IPv6Network
from math import inf
from typing import Protocol

from attrs import frozen

# Bits of the flags of an address (linux/if_addr.h) that matter here.
ADDRESS_OPTIMISTIC = 0x04
ADDRESS_DAD_FAILED = 0x08
ADDRESS_DEPRECATED = 0x20
ADDRESS_TENTATIVE = 0x40
ADDRESS_NO_PREFIX_ROUTE = 0x200

ADDRESS_PROTOCOL = 154
"""Our mark on addresses (IFA_PROTO, one octet): the number that also marks routes by default."""

UNICAST = "unicast"
UNREACHABLE = "unreachable"

AddressKey = tuple[int, IPv6Address]
"""Index of the link and the address: what the kernel tells addresses apart by (not by prefix length)."""

RouteKey = tuple[IPv6Network, int | None, int, int]
"""Prefix, index of the link (C{None} for a route that is not C{UNICAST}), table, metric."""

SettingKey = tuple[str, int]
"""Name of a setting of a link (L{IPV6_ENABLED}) and the link's index."""

ObjectKey = AddressKey | RouteKey | SettingKey
"""What anything that we hold in the kernel is found by; keys of different kinds never compare equal."""

IPV6_ENABLED = "ipv6"
"""The setting that L{operations.EnableIPv6<pdlease.operations.EnableIPv6>} switches."""


@frozen(kw_only=True)
class Link:
    """
    One network link.

    @ivar index: the kernel's number of it; a link that is deleted and made again gets another.
    @ivar name: what it is called now.
    @ivar kind: as the kernel reports it (C{vlan}, C{bridge}, C{veth}, C{ppp}...), or C{None} for plain hardware.
    @ivar is_up: administratively up (IFF_UP).
    @ivar has_carrier: up and operational (IFF_LOWER_UP; an unknown operational state counts as up).
    @ivar link_layer_address: its octets, empty where the link has none.
    @ivar hardware_type: ARPHRD number, as in DUIDs.
    @ivar mtu: in octets.
    @ivar master: index of its bridge or VRF, or C{None}.
    @ivar alias: its description, or C{None}.
    @ivar group: number of its group.
    @ivar ipv6_disabled: whether its C{disable_ipv6} setting is on, as far as is known.
    """

    index: int
    name: str
    kind: str | None = None
    is_up: bool = True
    has_carrier: bool = True
    link_layer_address: bytes = b""
    hardware_type: int = 1
    mtu: int = 1500
    master: int | None = None
    alias: str | None = None
    group: int = 0
    ipv6_disabled: bool = False


@frozen(kw_only=True)
class KernelAddress:
    """
    One IPv6 address of a link.

    @ivar index: the link's.
    @ivar address: with its prefix length.
    @ivar flags: IFA_FLAGS.
    @ivar preferred_until: when the kernel will deprecate it.
    @ivar valid_until: when the kernel will remove it.
    @ivar protocol: IFA_PROTO, or C{None} where the kernel does not tell.
    """

    index: int
    address: IPv6Interface
    flags: int = 0
    preferred_until: float = inf
    valid_until: float = inf
    protocol: int | None = None

    @property
    def key(self) -> AddressKey:
        """What it is found by."""
        return self.index, self.address.ip

    @property
    def tentative(self) -> bool:
        """Whether duplicate address detection is still going on, so that it cannot be used yet (RFC 4862)."""
        return bool(self.flags & ADDRESS_TENTATIVE) and not self.flags & (ADDRESS_OPTIMISTIC | ADDRESS_DAD_FAILED)

    @property
    def duplicate(self) -> bool:
        """Whether another host holds the address (RFC 4862 section 5.4); the kernel keeps it, unusable."""
        return bool(self.flags & ADDRESS_DAD_FAILED)

    @property
    def deprecated(self) -> bool:
        """Whether the kernel has deprecated it."""
        return bool(self.flags & ADDRESS_DEPRECATED)


@frozen(kw_only=True)
class KernelRoute:
    """
    One IPv6 route.

    @ivar prefix: its destination.
    @ivar index: of the link it goes out by; C{None} for a route that is not C{UNICAST} (the kernel shows those on the
        loopback link).
    @ivar table: number of its routing table (RTA_TABLE).
    @ivar metric: RTA_PRIORITY.
    @ivar kind: C{UNICAST}, C{UNREACHABLE} or another type of rtnetlink(7) in lower case.
    @ivar protocol: who made it (rtm_protocol).
    @ivar valid_until: when the kernel will remove it.
    """

    prefix: IPv6Network
    index: int | None = None
    table: int = 254
    metric: int = 256
    kind: str = UNICAST
    protocol: int = 0
    valid_until: float = inf

    @property
    def key(self) -> RouteKey:
        """What it is found by."""
        return self.prefix, self.index, self.table, self.metric


class KernelTable(Protocol):
    """
    What reads the kernel's state as it was last heard; it is never older than the last notice read.

    What the kernel does without a notice, the table does by itself: a route that replaces one of the same prefix, table
    and metric on another link takes its place, and with a link all that was on it goes.
    """

    @property
    def links(self) -> Mapping[int, Link]:
        """Every link by index."""

    @property
    def addresses(self) -> Mapping[AddressKey, KernelAddress]:
        """Every IPv6 address, foreign ones as well."""

    @property
    def routes(self) -> Mapping[RouteKey, KernelRoute]:
        """The IPv6 routes that carry our protocol number."""

    @property
    def duplicates(self) -> Mapping[AddressKey, float]:
        """
        When the kernel took an address away because another host holds it: of one with finite lifetimes that fails
        duplicate address detection nothing remains but a notice of removal with C{ADDRESS_DAD_FAILED} among the flags.
        An entry goes when the address is added again, when its link goes down, loses carrier or goes away.
        """

    def link_named(self, name: str) -> Link | None:
        """Find the link that is called C{name} now; C{None} if there is none."""

    def ask_link(self, index: int) -> None:
        """
        Have the kernel asked for a link anew: of a link that is down it does not tell that IPv6 was switched on or off.
        """
