"""
Carving: how a delegated prefix is laid out over downstream links and guests.

The plan is dhcp6leased's (seed-behaviour 2.6), in 128-bit arithmetic: blocks stand in file order, each at the first
place after the one before it that is aligned to its own size.  Here are numbers and prefixes only: how a configuration
comes to be is L{pdlease.config}, what is made of assignments for the kernel is L{pdlease.wanted}, the addresses of
guests that do not come out of a delegation are L{pdlease.local}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import IPv6Address, IPv6Interface, IPv6Network
from itertools import islice

from attrs import frozen

ADDRESS_SPACE = 1 << 128

# What a guest gets: one /64.
GUEST_LENGTH = 64


class DoesNotFit(ValueError):
    """The blocks of a plan are more than the whole IPv6 address space (D43)."""


def block_size(length: int) -> int:
    """How many addresses a prefix of this length has."""
    return 1 << (128 - length)


@frozen(kw_only=True)
class Downstream:
    """
    One place in the plan of a delegation.

    @ivar link: the link that gets the subnet, or C{None} for a reserve: space that is kept free.
    @ivar length: prefix length of the subnet, 1 to 128.
    @ivar host: the host part of the router's own address in the subnet; C{None} for the usual one (L{host_part}).
    """

    link: str | None = None
    length: int = 64
    host: int | None = None

    @property
    def host_part(self) -> int:
        """
        The host part in force: ::1, as the original has it; for a /128 the one address that there is (D49).
        """
        if self.host is not None:
            return self.host
        return 1 if self.length < 128 else 0


@frozen(kw_only=True)
class GuestShare:
    """
    A guest's NIC that wants a /64 of a delegation.

    @ivar guest: name of the guest.
    @ivar nic: index of the NIC within the guest, from 0.
    @ivar link: the NIC's link on this host.
    @ivar number: the /64 it had before, counted from the start of the delegation; C{None} if it never had one.
    """

    guest: str
    nic: int
    link: str
    number: int | None = None


@frozen(kw_only=True)
class Assignment:
    """
    A downstream link and what it gets out of one delegated prefix.

    @ivar link: the link.
    @ivar subnet: its subnet.
    @ivar address: the router's own address on it, with the length of the subnet.
    """

    link: str
    subnet: IPv6Network
    address: IPv6Interface


@frozen(kw_only=True)
class GuestAssignment:
    """
    A guest's NIC and the /64 that is delegated to it.

    @ivar guest: name of the guest.
    @ivar nic: index of the NIC.
    @ivar link: the NIC's link on this host.
    @ivar subnet: the /64.
    @ivar number: which /64 of the delegation that is, counted from 0: what is to be remembered.
    """

    guest: str
    nic: int
    link: str
    subnet: IPv6Network
    number: int


@frozen(kw_only=True)
class Carving:
    """
    How one delegated prefix is used.

    @ivar prefix: the delegated prefix.
    @ivar assignments: what each downstream link got, in file order.
    @ivar unassigned: links of downstreams for which there was no room, in file order (WPD-3).
    @ivar reserves: the subnets that are kept free by configuration.
    @ivar guests: what each guest NIC got, in the order in which they were given.
    @ivar guests_without: the guest NICs for which there was no room.
    @ivar excluded: what the delegating router keeps for the uplink (RFC 6603), or C{None}.
    @ivar excluded_host: the host part of the address out of it that the uplink's own link is to get, or C{None}.
    """

    prefix: IPv6Network
    assignments: tuple[Assignment, ...] = ()
    unassigned: tuple[str, ...] = ()
    reserves: tuple[IPv6Network, ...] = ()
    guests: tuple[GuestAssignment, ...] = ()
    guests_without: tuple[GuestShare, ...] = ()
    excluded: IPv6Network | None = None
    excluded_host: int | None = None

    @property
    def excluded_address(self) -> IPv6Interface | None:
        """The address of the uplink's own link in the excluded part, where it is to have one and its host part fits."""
        if self.excluded is None or self.excluded_host is None or self.excluded_host >= self.excluded.num_addresses:
            return None
        return IPv6Interface((int(self.excluded.network_address) + self.excluded_host, self.excluded.prefixlen))


def _place(end: int, size: int) -> int:
    """The first offset at or after C{end} that is a multiple of C{size}, a power of two."""
    return (end + size - 1) & ~(size - 1)


def _free(blocks: Iterable[tuple[int, int]], size: int) -> Iterator[int]:
    """
    Every multiple of C{size} at which C{size} addresses touch none of C{blocks}, from the lowest upwards, without end.
    """
    candidate = 0
    for start, end in sorted(blocks):
        while candidate + size <= start:
            yield candidate
            candidate += size
        if end > candidate:
            candidate = _place(end, size)
    while True:
        yield candidate
        candidate += size


def _meets(block: tuple[int, int], blocks: Iterable[tuple[int, int]]) -> bool:
    """Whether a block has an address in common with one of C{blocks}."""
    return any(block[0] < end and start < block[1] for start, end in blocks)


def _place_beside(end: int, size: int, barred: Sequence[tuple[int, int]]) -> int:
    """The first offset at or after C{end} that is a multiple of C{size} and has C{size} addresses not barred."""
    start = _place(end, size)
    while True:
        met = [behind for begin, behind in barred if start < behind and begin < start + size]
        if not met:
            return start
        start = _place(max(met), size)


@frozen
class Taken:
    """
    A part of the address space that is in use on a link already, and so on no other (R-18.2.10.1-22).

    @ivar link: the link, or C{None} where no downstream may have it.
    @ivar subnet: the part.
    """

    link: str | None
    subnet: IPv6Network


def offsets(downstreams: Iterable[Downstream]) -> tuple[int, ...]:
    """
    Where each block starts, counted in addresses from the start of the delegated prefix (seed-behaviour 2.6).

    Numbers may go beyond the address space where the lengths are absurd; L{needed_length} says so.
    """
    result = []
    end = 0
    for downstream in downstreams:
        size = block_size(downstream.length)
        start = _place(end, size)
        result.append(start)
        end = start + size
    return tuple(result)


def needed_length(downstreams: Sequence[Downstream], guests: int = 0) -> int:
    """
    The longest prefix length that has room for all of these downstreams and this many guests' /64s.

    With nothing to place it is 64, since a server delegates no less.

    @raise DoesNotFit: when they are more than the address space.
    """
    blocks = [
        (start, start + block_size(downstream.length))
        for start, downstream in zip(offsets(downstreams), downstreams, strict=True)
    ]
    end = blocks[-1][1] if blocks else 0
    if guests:
        last = next(islice(_free(blocks, block_size(GUEST_LENGTH)), guests - 1, None))
        end = max(end, last + block_size(GUEST_LENGTH))
    if end > ADDRESS_SPACE:
        raise DoesNotFit("the subnets together are larger than the IPv6 address space")
    if end == 0:
        return 64
    return 128 - (end - 1).bit_length()


def requested_length(hint: str | int, needed: int) -> int | None:
    """
    The prefix length to ask servers for.

    @param hint: C{"nibble"}: the needed length rounded up to a whole nibble (RFC 7084 WPD-2, so /64, /60, /56 ...);
        C{"exact"}: the needed length; C{"none"}: no hint; a number: that length.
    @param needed: as by L{needed_length}.
    @return: the length, or C{None} for no hint.
    """
    if isinstance(hint, int):
        return hint
    return {"nibble": needed - needed % 4, "exact": needed, "none": None}[hint]


def carve(
    prefix: IPv6Network,
    downstreams: Sequence[Downstream],
    *,
    excluded: IPv6Network | None = None,
    excluded_host: int | None = None,
    guests: Sequence[GuestShare] = (),
    taken: Sequence[Taken] = (),
) -> Carving:
    """
    Lay out one delegated prefix.

    Downstreams are served in file order while there is room; the others are named (WPD-3), and so is every one after
    the first that found none, so that a subnet never depends on who else was served.  The excluded part is never
    assigned (RFC 6603 section 4.1), nor what is in use on another link: a downstream that would meet it moves behind
    it, a reserve may lie over it, as both are space that is kept free.  Then each guest takes the /64 that it had, if
    that is still free, and those without one the lowest free /64 in the order given.

    @param excluded: the part of C{prefix} that belongs to the uplink; ignored where it is not inside.
    @param excluded_host: the host part of the uplink's own address in it; C{None} for no address, and there is none
        where it does not fit.
    @param taken: what is in use already; what has nothing to do with C{prefix} may be among it.
    """
    base = int(prefix.network_address)
    room = prefix.num_addresses
    if excluded is not None and not excluded.subnet_of(prefix):
        excluded = None
    in_use = [] if excluded is None else [Taken(None, excluded)]
    in_use += [part for part in taken if part.subnet.overlaps(prefix)]

    def barred(link: str | None) -> list[tuple[int, int]]:
        """What a link cannot have, or with C{None} any link."""
        parts = [part.subnet for part in in_use if link is None or part.link != link]
        starts = [(int(subnet.network_address) - base, subnet.num_addresses) for subnet in parts]
        return [(start, start + size) for start, size in starts]

    used: list[tuple[int, int]] = []
    assignments: list[Assignment] = []
    unassigned: list[str] = []
    reserves: list[IPv6Network] = []
    end = 0
    for downstream in downstreams:
        size = block_size(downstream.length)
        start = _place_beside(end, size, barred(downstream.link) if downstream.link is not None else ())
        end = start + size
        if end > room:
            if downstream.link is not None:
                unassigned.append(downstream.link)
            continue
        used.append((start, end))
        subnet = IPv6Network((base + start, downstream.length))
        if downstream.link is None:
            reserves.append(subnet)
        else:
            address = IPv6Interface((base + start + downstream.host_part, downstream.length))
            assignments.append(Assignment(link=downstream.link, subnet=subnet, address=address))

    served, without = _guests(prefix, guests, used, barred)
    return Carving(
        prefix=prefix,
        assignments=tuple(assignments),
        unassigned=tuple(unassigned),
        reserves=tuple(reserves),
        guests=served,
        guests_without=without,
        excluded=excluded,
        excluded_host=excluded_host,
    )


def _guests(
    prefix: IPv6Network,
    guests: Sequence[GuestShare],
    used: list[tuple[int, int]],
    barred: Callable[[str | None], list[tuple[int, int]]],
) -> tuple[tuple[GuestAssignment, ...], tuple[GuestShare, ...]]:
    """Give each guest a /64: remembered ones first, so that no newcomer takes a place that somebody has."""
    size = block_size(GUEST_LENGTH)
    room = prefix.num_addresses
    chosen: dict[int, int] = {}
    held: set[int] = set()
    for index, share in enumerate(guests):
        number = share.number
        if number is None or number in held or not 0 <= number < room // size:
            continue
        if not _meets((number * size, (number + 1) * size), [*used, *barred(share.link)]):
            chosen[index] = number
            held.add(number)
    free = _free([*used, *barred(None), *((number * size, (number + 1) * size) for number in held)], size)
    served = []
    without = []
    for index, share in enumerate(guests):
        if index not in chosen:
            start = next(free)
            if start + size > room:
                without.append(share)
                continue
            chosen[index] = start // size
        number = chosen[index]
        address = IPv6Address(int(prefix.network_address) + number * size)
        served.append(
            GuestAssignment(
                guest=share.guest,
                nic=share.nic,
                link=share.link,
                subnet=IPv6Network((address, GUEST_LENGTH)),
                number=number,
            )
        )
    return tuple(served), tuple(without)


@frozen(kw_only=True)
class Part:
    """
    A part of a delegated prefix and what it is used for.

    @ivar first: its first address.
    @ivar last: its last address.
    @ivar kind: C{"downstream"}, C{"guest"}, C{"reserve"}, C{"excluded"} or C{"free"}.
    @ivar subnet: its prefix; C{None} for a free part, which need not be one.
    @ivar link: the link that has it, else empty.
    @ivar guest: name of the guest that has it, else empty.
    @ivar address: the router's own address in it, or C{None}.
    """

    first: IPv6Address
    last: IPv6Address
    kind: str
    subnet: IPv6Network | None = None
    link: str = ""
    guest: str = ""
    address: IPv6Address | None = None


def _part(kind: str, subnet: IPv6Network, link: str = "", guest: str = "", address: IPv6Address | None = None) -> Part:
    """The part that is exactly one prefix."""
    return Part(
        first=subnet.network_address,
        last=subnet.broadcast_address,
        kind=kind,
        subnet=subnet,
        link=link,
        guest=guest,
        address=address,
    )


def parts(carving: Carving) -> tuple[Part, ...]:
    """
    All of a delegated prefix, in order of address, with what is free between the parts that are used.

    Where a reserve lies over the excluded part both are named.
    """
    used = [_part("downstream", a.subnet, link=a.link, address=a.address.ip) for a in carving.assignments]
    used += [_part("guest", g.subnet, link=g.link, guest=g.guest) for g in carving.guests]
    used += [_part("reserve", subnet) for subnet in carving.reserves]
    if carving.excluded is not None:
        own = carving.excluded_address
        used.append(_part("excluded", carving.excluded, address=None if own is None else own.ip))
    used.sort(key=lambda part: (int(part.first), -int(part.last)))
    result = []
    following = int(carving.prefix.network_address)
    for part in used:
        if int(part.first) > following:
            result.append(Part(first=IPv6Address(following), last=part.first - 1, kind="free"))
        result.append(part)
        following = max(following, int(part.last) + 1)
    end = int(carving.prefix.broadcast_address)
    if following <= end:
        result.append(Part(first=IPv6Address(following), last=IPv6Address(end), kind="free"))
    return tuple(result)
