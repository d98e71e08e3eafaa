"""
What may be done to the links of switches and guests, and to those of uplinks that are in a VRF: the bounds that the
configuration sets (design 9).

Every link is known by its name in the configuration and must be of a kind that the kernel itself reports, so that no
other link that was given such a name can be meant (P3, P16, W5, W22).  Which bridge or VRF a link may be put into, and
which local addresses it may have, is in the configuration as well.  Values of description, group, state and link-layer
address are free on such a link: the value that was there before must be able to return, and only the ledger of the
daemon knows it (design 5).

Pure; whether a link is what it is called, and whose port it is, is asked of the kernel by
L{pdlease.privilege.linkexecute}.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Interface, IPv6Interface

from attrs import evolve, field, frozen

from pdlease.config.model import ON_LINK_METRIC, Config
from pdlease.local import local_addresses
from pdlease.netlink.requests import LinkFacts
from pdlease.operations import INFINITE, PutAddress, PutIPv4, PutRoute, SetMaster

BRIDGE, VRF = "bridge", "vrf"

NIC_KINDS = frozenset({"tun", "veth", "macvtap", "macvlan", "ipvtap", "ipvlan", "netkit", "dummy"})
"""
What the link of a guest's NIC may be.  A tap is of kind C{tun}.  Hardware, bridges, VLANs and tunnels are not among
them, whatever they are called.
"""


@frozen(kw_only=True)
class LinkBounds:
    """
    What may be done to one link.

    @ivar kinds: what it must be, as the kernel reports it; empty for anything.
    @ivar masters: the bridges and VRFs that it may be put into, by name, and which of the two each is.
    @ivar ipv4: the IPv4 addresses that it may have.
    @ivar ipv6: the local IPv6 addresses that it may have.
    @ivar is_settable: whether description, group, state and link-layer address may be set: not those of an uplink.
    """

    kinds: frozenset[str]
    masters: Mapping[str, str] = field(factory=dict)
    ipv4: frozenset[IPv4Interface] = frozenset()
    ipv6: frozenset[IPv6Interface] = frozenset()
    is_settable: bool = True


Links = Mapping[str, LinkBounds]
"""The bounds of every such link, by name."""


def links_of(config: Config) -> Links:
    """Derive the bounds from a configuration."""
    found: dict[str, LinkBounds] = {}
    for switch in config.switches:
        masters = {switch.vrf: VRF} if switch.vrf else {}
        found[switch.link] = LinkBounds(kinds=frozenset({BRIDGE}), masters=masters)
    for guest in config.guests:
        for index, nic in enumerate(guest.nics):
            bounds = LinkBounds(kinds=NIC_KINDS)
            switch_of = config.switch(nic.switch)
            if switch_of is not None:
                bounds = evolve(bounds, masters={switch_of.link: BRIDGE})
            elif nic.vrf:
                bounds = evolve(bounds, masters={nic.vrf: VRF})
            found[nic.link] = bounds
            if nic.local:
                local = local_addresses(config.local.prefix, config.local.inet6, guest.id, index)
                link = config.address_link(nic)
                found[link] = evolve(
                    found[link],
                    ipv4=found[link].ipv4 | {local.ipv4},
                    ipv6=found[link].ipv6 | ({local.ipv6} if local.ipv6 is not None else set()),
                )
    for uplink in config.uplinks:
        if uplink.vrf:
            # an uplink may be of any kind, plain hardware as well
            bounds = found.get(uplink.link, LinkBounds(kinds=frozenset(), is_settable=False))
            found[uplink.link] = evolve(bounds, masters={**bounds.masters, uplink.vrf: VRF})
    return found


def with_earlier(links: Links, earlier: Links) -> Links:
    """The bounds of two configurations together: what the earlier one allowed may still have to be undone."""
    found = dict(earlier)
    for name, bounds in links.items():
        before = found.get(name, bounds)
        found[name] = evolve(
            bounds,
            kinds=bounds.kinds | before.kinds,
            masters={**before.masters, **bounds.masters},
            ipv4=bounds.ipv4 | before.ipv4,
            is_settable=bounds.is_settable or before.is_settable,
        )
    return found


def wrong_master(links: Links, operation: SetMaster) -> tuple[str, str] | None:
    """The field that is out of bounds, and why; C{None} if a link may be put into this bridge or VRF."""
    bounds = links.get(operation.link)
    if bounds is None:
        return "link", f"{operation.link} is no link that is put into a bridge or VRF"
    if operation.master not in bounds.masters:
        return "master", f"{operation.master} is not the configured bridge or VRF of {operation.link}"
    return None


def wrong_ipv4(links: Links, operation: PutIPv4) -> tuple[str, str] | None:
    """The same for an IPv4 address: the configuration gives each link one or none."""
    bounds = links.get(operation.link)
    if bounds is None:
        return "link", f"{operation.link} is no configured link of a guest"
    if operation.address not in bounds.ipv4:
        return "address", f"{operation.address} is not the local address of {operation.link}"
    return None


def is_local_address(links: Links, operation: PutAddress) -> bool:
    """Whether an IPv6 address is the local one of its link, for ever."""
    bounds = links.get(operation.link)
    return (
        bounds is not None and operation.address in bounds.ipv6 and operation.valid == operation.preferred == INFINITE
    )


def is_local_route(links: Links, operation: PutRoute) -> bool:
    """Whether an on-link route is that of the local IPv6 address of its link, for ever, in whatever table."""
    bounds = links.get(operation.link)
    return (
        bounds is not None
        and any(address.network == operation.prefix for address in bounds.ipv6)
        and (operation.metric, operation.expires) == (ON_LINK_METRIC, INFINITE)
    )


def wrong_kind(links: Links, facts: LinkFacts) -> tuple[str, str] | None:
    """Why a link is not of the kind that it must be; a link without bounds may be of any."""
    bounds = links.get(facts.name)
    if bounds is None or not bounds.kinds or facts.kind in bounds.kinds:
        return None
    kinds = " or ".join(sorted(bounds.kinds))
    return "link", f"{facts.name} is of kind {facts.kind or 'none'}; it must be {kinds}"
