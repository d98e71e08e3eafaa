"""
What the kernel should hold for a lease: addresses, routes and settings, with absolute times at which they end.

One lease and the configuration of its uplink make a share; the shares of all uplinks together are what is wanted.  How
a prefix is cut up is L{pdlease.subnets}; what is to be done about the difference to what is there is
L{pdlease.difference}.

Times are seconds of the boot-time clock, C{math.inf} for ever.  They are the Reply's arrival plus the lifetimes in it,
and stay so however often they are applied (D52, D53, L-15).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface, IPv6Network

from attrs import evolve, frozen

from pdlease.config.model import ON_LINK_METRIC, Delegation, Uplink
from pdlease.lease import Binding, DelegatedPrefix, Lease
from pdlease.linksettings import MASTER
from pdlease.subnets import Carving, GuestShare, Taken, carve


@frozen(kw_only=True)
class WantedAddress:
    """
    An address of ours on a downstream link; on an uplink's own only out of what the server excluded for it (RFC 6603).

    @ivar link: name of the link.
    @ivar address: with the prefix length of the subnet; only local ones of guests are IPv4.
    @ivar preferred_until: from when on it is deprecated.
    @ivar valid_until: from when on it must not be there.
    @ivar uplink: name of the uplink whose lease it comes of, or the guest that it is for.
    """

    link: str
    address: IPv6Interface | IPv4Interface
    preferred_until: float
    valid_until: float
    uplink: str


@frozen(kw_only=True)
class WantedRoute:
    """
    The on-link route of the subnet of such an address; the address makes none, since the kernel's would outlive it.

    In a VRF it belongs into the table of the VRF, which is the only one that its link looks into.

    @ivar link: name of the link.
    @ivar prefix: the subnet.
    @ivar valid_until: from when on it must not be there.
    @ivar table: routing table where the link is in no VRF: a number, or the VRF whose table it is, by name.
    @ivar metric: metric.
    @ivar uplink: name of the uplink whose lease it comes of.
    """

    link: str
    prefix: IPv6Network
    valid_until: float
    table: int | str
    metric: int
    uplink: str


@frozen(kw_only=True)
class WantedUnreachable:
    """
    A route that refuses what is delegated to us and on no link (RFC 7084 WPD-5).

    @ivar link: name of the uplink's link.
    @ivar prefix: the delegated prefix, or a part of it where another part is excluded.
    @ivar valid_until: from when on it must not be there.
    @ivar table: routing table: a number, or the VRF whose table it is, by name.
    @ivar metric: metric; higher than that of every on-link route.
    @ivar uplink: name of the uplink.
    """

    link: str
    prefix: IPv6Network
    valid_until: float
    table: int | str
    metric: int
    uplink: str


@frozen(kw_only=True)
class WantedIPv6:
    """
    IPv6 switched on for a downstream link, for as long as the link is configured: without it nobody could tell the
    hosts there that their prefix has ended.

    @ivar link: name of the link.
    @ivar uplink: name of the uplink that it is needed for.
    """

    link: str
    uplink: str


@frozen(kw_only=True)
class WantedSetting:
    """
    A setting of a link of a switch, guest or uplink: set on appearance and reload only.

    @ivar link: name of the link.
    @ivar setting: which one (L{pdlease.linksettings}).
    @ivar value: its value, as text.
    @ivar uplink: the switch or guest (L{pdlease.guests}), or the uplink, that it is for.
    """

    link: str
    setting: str
    value: str
    uplink: str


Wanted = WantedAddress | WantedRoute | WantedUnreachable | WantedIPv6 | WantedSetting


@frozen(kw_only=True)
class CarvedPrefix:
    """
    One delegated prefix and what was made of it.

    @ivar delegation: key of the delegation in the configuration.
    @ivar iaid: the identity association that holds it.
    @ivar prefix: as the server gave it.
    @ivar carving: how it is cut up.
    @ivar addresses: the address for each of the carving's assignments, in their order.
    @ivar guests: the address of this host for each of the carving's guests, in their order.
    @ivar excluded: the address of the uplink's own link in the excluded part, or C{None}.
    """

    delegation: str
    iaid: int
    prefix: DelegatedPrefix
    carving: Carving
    addresses: tuple[WantedAddress, ...] = ()
    guests: tuple[WantedAddress, ...] = ()
    excluded: WantedAddress | None = None

    @property
    def router_addresses(self) -> tuple[WantedAddress, ...]:
        """The addresses that make this host a router: those of the downstreams, and that of the uplink's link."""
        return (*self.addresses, *(() if self.excluded is None else (self.excluded,)))


@frozen(kw_only=True)
class Share:
    """
    What one uplink contributes.

    @ivar uplink: name of the uplink.
    @ivar carvings: one for each prefix that it holds, in order of configuration.
    @ivar wanted: all that should be in the kernel for it.
    """

    uplink: str
    carvings: tuple[CarvedPrefix, ...] = ()
    wanted: tuple[Wanted, ...] = ()


def share(
    uplink: Uplink,
    lease: Lease,
    iaids: Mapping[str, int],
    now: float,
    guests: Sequence[GuestShare] = (),
    taken: Sequence[Taken] = (),
) -> Share:
    """
    Make of a lease what should be in the kernel.

    Each prefix is carved for itself, so that a link has a subnet of every prefix of its delegation (R-18.2.10.1-16).
    What has run out is left out (R-18.2.10.1-18).  A prefix that the binding's latest Reply did not name, while it did
    name another, is on its way out: it stays until its own end (R-18.2.10.1-05), deprecated.  Of no lease at all
    nothing is made but IPv6 on the downstream links, and the uplink's place in its VRF.  Where prefixes overlap, no two
    links get the same part: who comes first in the configuration has it, and of the prefixes of one delegation the one
    that was given first (R-18.2.10.1-22).

    @param iaids: the IAID of each delegation, by key; a delegation without one contributes nothing.
    @param now: boot-clock second.
    @param guests: the NICs of guests that want a /64 of the first delegation.
    @param taken: what is in use on links already.
    """
    carvings: list[CarvedPrefix] = []
    for index, delegation in enumerate(uplink.delegations):
        binding = lease.binding(iaids[delegation.key]) if delegation.key in iaids else None
        shares = tuple(guests) if index == 0 else ()
        for prefix in binding.prefixes if binding is not None else ():
            if binding is not None and prefix.valid_until > now:
                beside = (*taken, *(part for carved in carvings for part in taken_by(carved.carving)))
                carved = _carved(uplink, delegation, binding, prefix, shares, beside)
                shares = _same_numbers(shares, carved.carving)
                carvings.append(carved)
    return Share(
        uplink=uplink.name,
        carvings=tuple(carvings),
        wanted=(
            *(
                (WantedSetting(link=uplink.link, setting=MASTER, value=uplink.vrf, uplink=uplink.name),)
                if uplink.vrf
                else ()
            ),
            *(wanted for carved in carvings for wanted in _wanted(uplink, carved)),
            *(
                WantedIPv6(link=link, uplink=uplink.name)
                for link in dict.fromkeys((*uplink.links, *(guest.link for guest in guests)))
            ),
        ),
    )


def taken_by(carving: Carving) -> Iterator[Taken]:
    """What links and guests have got out of a prefix."""
    yield from (Taken(each.link, each.subnet) for each in carving.assignments)
    yield from (Taken(each.link, each.subnet) for each in carving.guests)


def _same_numbers(shares: tuple[GuestShare, ...], carving: Carving) -> tuple[GuestShare, ...]:
    """Shares that want in the next prefix what those without a number have got in this one."""
    got = {(guest.guest, guest.nic): guest.number for guest in carving.guests}
    return tuple(
        share if share.number is not None else evolve(share, number=got.get((share.guest, share.nic)))
        for share in shares
    )


def _carved(
    uplink: Uplink,
    delegation: Delegation,
    binding: Binding,
    prefix: DelegatedPrefix,
    guests: tuple[GuestShare, ...],
    taken: Sequence[Taken],
) -> CarvedPrefix:
    carving = carve(
        prefix.prefix,
        delegation.downstreams,
        excluded=prefix.excluded,
        excluded_host=delegation.excluded_host,
        guests=guests,
        taken=taken,
    )
    preferred_until = min(prefix.preferred_until, prefix.valid_until)
    if _is_superseded(prefix, binding):
        preferred_until = min(preferred_until, binding.received_at)

    def address(link: str, own: IPv6Interface) -> WantedAddress:
        return WantedAddress(
            link=link,
            address=own,
            preferred_until=preferred_until,
            valid_until=prefix.valid_until,
            uplink=uplink.name,
        )

    return CarvedPrefix(
        delegation=delegation.key,
        iaid=binding.iaid,
        prefix=prefix,
        carving=carving,
        addresses=tuple(address(assignment.link, assignment.address) for assignment in carving.assignments),
        guests=tuple(
            address(guest.link, IPv6Interface((guest.subnet.network_address + 1, guest.subnet.prefixlen)))
            for guest in carving.guests
        ),
        excluded=None if carving.excluded_address is None else address(uplink.link, carving.excluded_address),
    )


def _is_superseded(prefix: DelegatedPrefix, binding: Binding) -> bool:
    """Whether the latest Reply passed this prefix over while it named another."""
    return prefix.mentioned_at < binding.received_at and any(
        other.mentioned_at >= binding.received_at for other in binding.prefixes
    )


def _wanted(uplink: Uplink, carved: CarvedPrefix) -> Iterator[Wanted]:
    """What should be there for one prefix; what refuses comes before what lets in (WPD-5)."""
    valid_until = carved.prefix.valid_until
    for part in uncovered(carved.prefix.prefix, carved.carving.excluded):
        yield WantedUnreachable(
            link=uplink.link,
            prefix=part,
            valid_until=valid_until,
            table=uplink.table,
            metric=uplink.route_metric,
            uplink=uplink.name,
        )
    for address in (*carved.router_addresses, *carved.guests):
        yield address
        # A /128 is the address itself: there is nobody else on link.
        if isinstance(address.address, IPv6Interface) and address.address.network.prefixlen < 128:
            yield WantedRoute(
                link=address.link,
                prefix=address.address.network,
                valid_until=valid_until,
                table=uplink.table,
                metric=ON_LINK_METRIC,
                uplink=uplink.name,
            )


def uncovered(prefix: IPv6Network, excluded: IPv6Network | None) -> tuple[IPv6Network, ...]:
    """
    The prefixes that make up a delegated prefix less its excluded part (RFC 6603 section 6.1, PDX-06).

    That is the prefix itself where nothing is excluded, else one for each bit by which the excluded part is longer.
    The excluded part is then routed as if it were not delegated at all, whether or not the uplink has a route for it.
    """
    if excluded is None or not excluded.subnet_of(prefix):
        return (prefix,)
    return tuple(sorted(prefix.address_exclude(excluded)))
