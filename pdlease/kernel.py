"""
What the kernel says of its links, addresses and routes, as values.

They are filled by L{pdlease.netlink.links} and read by L{pdlease.difference} and L{pdlease.applier}; what can be done
to the kernel is L{pdlease.operations}.

Times are seconds of the boot-time clock (L{pdlease.clock}), C{math.inf} for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, IPv6Network
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

# Bits of the flags of an advertised prefix.
PREFIX_DELEGATION = 0x10
PREFIX_REDUCED = 0x03

UNICAST = "unicast"
UNREACHABLE = "unreachable"

AddressKey = tuple[int, IPv6Address | IPv4Address]
"""Index of the link and the address: what the kernel tells addresses apart by (not by prefix length)."""

RouteKey = tuple[IPv6Network, int | None, int, int]
"""Prefix, index of the link (C{None} for a route that is not C{UNICAST}), table, metric."""

RoutePlace = tuple[IPv6Network, int, int]
"""Prefix, table and metric: a route that is put replaces what has all three, on whatever link."""

SettingKey = tuple[str, int]
"""Name of a setting of a link (L{IPV6_ENABLED}, or one of L{pdlease.linksettings}) and the link's index."""

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
    @ivar vrf_table: the routing table of a VRF; C{None} of all other links.
    @ivar alias: its description, or C{None}.
    @ivar group: number of its group.
    @ivar ipv6_disabled: whether its C{disable_ipv6} setting is on, as far as is known.
    @ivar ignores_routers: whether its C{accept_ra} setting, together with C{forwarding}, made the kernel ignore Router
        Advertisements when the link was last told of; the kernel tells of no change of either.
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
    vrf_table: int | None = None
    alias: str | None = None
    group: int = 0
    ipv6_disabled: bool = False
    ignores_routers: bool = False


@frozen(kw_only=True)
class Advertised:
    """
    What Router Advertisements told of a link (RFC 4861 section 4.2).

    @ivar heard: whether one was received after IPv6 came up and the kernel solicited it, which it does only if it would
        have accepted it by then.
    @ivar managed: the M flag of the last one ever received: addresses by DHCPv6.
    @ivar other: its O flag: other configuration by DHCPv6.
    """

    heard: bool = False
    managed: bool = False
    other: bool = False


@frozen(kw_only=True)
class AdvertisedPrefix:
    """
    A prefix that a Router Advertisement named (Prefix Information option, RFC 4861 section 4.6.2).

    @ivar index: the link that it was heard on.
    @ivar prefix: the prefix.
    @ivar flags: the octet of flags as advertised; from older kernels 1 for on-link and 2 for autonomous instead.
    @ivar preferred: preferred lifetime in seconds, as advertised.
    @ivar valid: valid lifetime in seconds, as advertised.
    """

    index: int
    prefix: IPv6Network
    flags: int
    preferred: int
    valid: int

    @property
    def tells_flags(self) -> bool:
        """Whether C{flags} is the octet as advertised, which older kernels reduce to two bits of their own."""
        return not self.flags & PREFIX_REDUCED

    @property
    def is_for_delegation(self) -> bool:
        """Whether it has the P flag: prefixes are delegated here (RFC 9762)."""
        return self.tells_flags and bool(self.flags & PREFIX_DELEGATION)


@frozen(kw_only=True)
class KernelAddress:
    """
    One address of a link.

    @ivar index: the link's.
    @ivar address: with its prefix length.
    @ivar flags: IFA_FLAGS.
    @ivar preferred_until: when the kernel will deprecate it.
    @ivar valid_until: when the kernel will remove it.
    @ivar protocol: IFA_PROTO, or C{None} where the kernel does not tell.
    """

    index: int
    address: IPv6Interface | IPv4Interface
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
        """Every address, foreign ones as well."""

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

    @property
    def advertised(self) -> Mapping[int, Advertised]:
        """What Router Advertisements told of links, by index."""

    @property
    def routers(self) -> Mapping[int, frozenset[IPv6Address]]:
        """
        The link-local addresses of the routers that the kernel took default routes from, by index of the link, as long
        as it has those routes.
        """

    def link_named(self, name: str) -> Link | None:
        """Find the link that is called C{name} now; C{None} if there is none."""

    def addresses_on(self, index: int) -> Collection[KernelAddress]:
        """The addresses of one link; costs no more for there being others."""

    def routes_in(self, place: RoutePlace) -> Collection[RouteKey]:
        """The routes that have one place; costs no more for there being others."""

    def ask_link(self, index: int) -> None:
        """
        Have the kernel asked for a link anew: of a link that is down it does not tell that IPv6 was switched on or off,
        and of none that C{accept_ra} was set.
        """
