"""
What has to be done so that the kernel holds what is wanted.

Three things are compared: what is wanted (L{pdlease.wanted}), what the kernel holds (L{pdlease.kernel}), and what of it
is ours (L{pdlease.ledger}).  The answer depends on nothing else, so the same code makes a first assignment, puts a lost
address back, and finds itself done after a restart.  When it is asked, what is under way and what was refused is
L{pdlease.applier}.

The kernel reports lifetimes in whole seconds, and what it is told is rounded down so as never to go beyond the
remaining lifetime (L-15): two times less than L{SLACK} apart are the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Interface, IPv6Interface
from math import inf
from typing import Protocol, cast

from attrs import evolve, field, frozen

from pdlease.kernel import (
    ADDRESS_PROTOCOL,
    IPV6_ENABLED,
    UNICAST,
    AddressKey,
    KernelAddress,
    KernelRoute,
    Link,
    ObjectKey,
    RouteKey,
)
from pdlease.ledger import Owned, OwnedAddress, OwnedRoute, OwnedSetting
from pdlease.operations import (
    INFINITE,
    DisableIPv6,
    EnableIPv6,
    Operation,
    PutAddress,
    PutRoute,
    PutUnreachable,
    RemoveAddress,
    RemoveIPv4,
    RemoveRoute,
    RemoveUnreachable,
)
from pdlease.placement import Placed, Slot, place, slot_of
from pdlease.wanted import Wanted, WantedAddress, WantedIPv6, WantedRoute, WantedUnreachable

SLACK = 2.0
"""By so many seconds what the kernel shows may end before what is wanted."""

READING_ERROR = 1.0
"""
By so many seconds it may seem to end after it: the kernel counts the part of a second that has passed as not passed.
"""

LONGEST_EXPIRY = 20_000_000
"""
A route that has longer to live (seconds) is made without expiry: the kernel shows no more than 2**31 ticks of 10 ms, so
what it was told could not be compared with what it holds.
"""


class Current(Protocol):
    """
    What the kernel is believed to hold: L{pdlease.kernel.KernelTable}, with what has been acknowledged but not been
    heard of yet laid over it.
    """

    @property
    def links(self) -> Mapping[int, Link]:
        """Every link by index."""

    @property
    def addresses(self) -> Mapping[AddressKey, KernelAddress | None]:
        """Every address; C{None} for one that is believed to be gone."""

    @property
    def routes(self) -> Mapping[RouteKey, KernelRoute | None]:
        """The IPv6 routes with our protocol number; C{None} for one that is believed to be gone."""

    def link_named(self, name: str) -> Link | None:
        """Find the link that is called C{name} now; C{None} if there is none."""


@frozen(kw_only=True)
class Act:
    """
    What is to be done about one object.

    @ivar key: the object's.
    @ivar operations: in order; two where it must be removed before it can be made as wanted.
    @ivar entry: what must stand in the ledger before, or C{None} for a removal.
    @ivar wanted: what it is done for, or C{None} for a removal.
    """

    key: ObjectKey
    operations: tuple[Operation, ...]
    entry: Owned | None = None
    wanted: Wanted | None = None


@frozen(kw_only=True)
class Marking:
    """
    How our mark is told.

    @ivar protocol: IFA_PROTO of our addresses.
    @ivar is_shown: whether the kernel tells it at all (since Linux 5.18); where it does not, the ledger alone decides.
    """

    protocol: int = ADDRESS_PROTOCOL
    is_shown: bool = True

    def is_on(self, address: KernelAddress) -> bool:
        """Whether an address may be ours."""
        return address.protocol == self.protocol or (address.protocol is None and not self.is_shown)


@frozen(kw_only=True)
class Comparison:
    """
    What L{compare} found.

    @ivar acts: what is to be done, in order.
    @ivar held: what is wanted and there, by key.
    @ivar gone: keys of ledger entries that stand for nothing any more.
    @ivar inherited: ledger entries of what is there and wanted by another uplink than before, e.g. by a new name.
    """

    acts: tuple[Act, ...] = ()
    held: Mapping[ObjectKey, Wanted] = field(factory=dict)
    gone: tuple[ObjectKey, ...] = ()
    inherited: tuple[Owned, ...] = ()


def difference(
    wanted: Iterable[Wanted],
    current: Current,
    ours: Mapping[ObjectKey, Owned],
    now: float,
    *,
    marking: Marking = Marking(),
) -> tuple[Operation, ...]:
    """
    The operations that make the kernel hold what is wanted and nothing else of ours.

    New comes before old.  What does not carry our mark, or does not stand in C{ours}, is never touched, not even where
    it is in the way.  Where nothing is to be done the answer is empty.

    @param ours: the ledger's entries.
    @param now: boot-clock second.
    """
    acts = compare(place(wanted, current, now), current, ours, now, marking=marking).acts
    return tuple(operation for act in acts for operation in act.operations)


def compare(
    placed: Placed,
    current: Current,
    ours: Mapping[ObjectKey, Owned],
    now: float,
    *,
    marking: Marking = Marking(),
    skip: Collection[ObjectKey] = (),
    push: Collection[ObjectKey] = (),
    kept: Collection[str] = (),
) -> Comparison:
    """
    The same with more to say and more to be told; the cost is linear in the number of objects.

    @param placed: what is wanted, by L{place}.
    @param skip: keys that nothing is to be done about now.
    @param push: keys whose object is to be made again even if it seems right.
    @param kept: names of uplinks whose objects stay although nobody wants them (yet).
    """
    enabling: list[Act] = []
    puts: list[Act] = []
    held: dict[ObjectKey, Wanted] = {}
    enabled: set[int] = set()
    foreign: set[Slot] | None = None
    for key, (item, link) in placed.items():
        if isinstance(item, WantedIPv6):
            assert link is not None
            if not link.ipv6_disabled:
                held[key] = item
            elif key not in skip:
                enabled.add(link.index)
                enabling.append(_enable(item, link, ours))
    for key, (item, link) in placed.items():
        if isinstance(item, WantedIPv6):
            continue
        there: KernelAddress | KernelRoute | None
        if isinstance(item, WantedAddress):
            there = current.addresses.get(cast(AddressKey, key))
        else:
            there = current.routes.get(cast(RouteKey, key))
        if there is not None and not _is_ours(key, there, ours, marking):
            continue
        if there is not None and key not in push and _agrees(item, there, now):
            held[key] = item
            continue
        if key in skip:
            continue
        if there is None and isinstance(item, (WantedRoute, WantedUnreachable)):
            if foreign is None:
                foreign = _foreign_slots(current, ours)
            if slot_of(item) in foreign:
                continue
        act = _put(key, item, link, there, now)
        if act is not None and (link is None or _can_take(link, enabled)):
            puts.append(act)

    removals, gone = _leftovers(placed, current, ours, marking, skip, kept)
    return Comparison(
        acts=(*enabling, *puts, *removals),
        held=held,
        gone=gone,
        inherited=tuple(
            evolve(ours[key], uplink=item.uplink)
            for key, item in held.items()
            if key in ours and ours[key].uplink != item.uplink
        ),
    )


def seconds_left(until: float, now: float) -> int:
    """A time as the kernel is told it: whole seconds from now, rounded down (L-15)."""
    if until == inf:
        return INFINITE
    return max(0, min(int(until - now), INFINITE - 1))


def _removal(link: str, index: int, address: IPv6Interface | IPv4Interface) -> RemoveAddress | RemoveIPv4:
    """What removes an address."""
    if isinstance(address, IPv4Interface):
        return RemoveIPv4(link=link, index=index, address=address)
    return RemoveAddress(link=link, index=index, address=address)


def _foreign_slots(current: Current, ours: Mapping[ObjectKey, Owned]) -> set[Slot]:
    """The slots that another instance's routes stand in: to put one there would replace theirs."""
    return {
        (prefix, table, metric)
        for (prefix, index, table, metric), route in current.routes.items()
        if route is not None and (prefix, index, table, metric) not in ours
    }


def _can_take(link: Link, enabled: Collection[int]) -> bool:
    """
    Whether addresses and routes can be put on a link.  To one that is down the kernel adds addresses but no routes, and
    when it is set down it drops both: all is put there when it is up.
    """
    return link.is_up and (not link.ipv6_disabled or link.index in enabled)


def _is_ours(
    key: ObjectKey, there: KernelAddress | KernelRoute, ours: Mapping[ObjectKey, Owned], marking: Marking
) -> bool:
    return key in ours and (isinstance(there, KernelRoute) or marking.is_on(there))


def _same_time(shown: float, wanted: float, now: float) -> bool:
    """Whether a time that the kernel shows is the wanted one, as nearly as can be told; all past times are the same."""
    shown, wanted = max(shown, now), max(wanted, now)
    return shown == wanted or (wanted != inf and wanted - SLACK <= shown <= wanted + READING_ERROR)


def _route_until(until: float, now: float) -> float:
    return inf if until - now > LONGEST_EXPIRY else until


def _agrees(item: Wanted, there: KernelAddress | KernelRoute, now: float) -> bool:
    """Whether what is there is what is wanted."""
    if isinstance(there, KernelAddress):
        assert isinstance(item, WantedAddress)
        return (
            there.address == item.address
            and _same_time(there.valid_until, item.valid_until, now)
            and _same_time(there.preferred_until, min(item.preferred_until, item.valid_until), now)
        )
    assert isinstance(item, (WantedRoute, WantedUnreachable))
    if isinstance(item, WantedUnreachable):
        # Linux takes an expiry for such a route and forgets it (as of 6.18); it is removed when it is not wanted.
        return there.kind != UNICAST and (
            there.valid_until == inf or _same_time(there.valid_until, item.valid_until, now)
        )
    return there.kind == UNICAST and _same_time(there.valid_until, _route_until(item.valid_until, now), now)


def _enable(item: WantedIPv6, link: Link, ours: Mapping[ObjectKey, Owned]) -> Act:
    key = (IPV6_ENABLED, link.index)
    entry = ours.get(key)
    if entry is None:
        entry = OwnedSetting(setting=IPV6_ENABLED, index=link.index, earlier="0", link=link.name, uplink=item.uplink)
    return Act(key=key, operations=(EnableIPv6(link=link.name, index=link.index),), entry=entry, wanted=item)


def _put(
    key: ObjectKey, item: Wanted, link: Link | None, there: KernelAddress | KernelRoute | None, now: float
) -> Act | None:
    """
    Make an object as wanted; C{None} if so little time is left that it is not worth it.  An address that is there for
    longer than the kernel can be told is removed.
    """
    assert not isinstance(item, WantedIPv6)
    operations: tuple[Operation, ...]
    entry: Owned
    valid = seconds_left(item.valid_until, now)
    if there is None and valid <= SLACK:
        # The kernel may have let go of it just now, a little early.
        return None
    if isinstance(item, WantedAddress):
        assert link is not None and (there is None or isinstance(there, KernelAddress))
        remove = _removal(link.name, link.index, there.address if there else item.address)
        if valid == 0:
            return Act(key=key, operations=(remove,)) if there else None
        preferred = min(seconds_left(item.preferred_until, now), valid)
        put = PutAddress(link=link.name, index=link.index, address=item.address, preferred=preferred, valid=valid)
        # Replacing an address keeps the prefix length that it has.
        operations = (put,) if there is None or there.address == item.address else (remove, put)
        entry = OwnedAddress(index=link.index, address=item.address, link=link.name, uplink=item.uplink)
        return Act(key=key, operations=operations, entry=entry, wanted=item)
    if valid == 0:
        return None
    if isinstance(item, WantedRoute):
        assert link is not None
        expires = INFINITE if valid > LONGEST_EXPIRY else valid
        operations = (
            PutRoute(
                link=link.name,
                index=link.index,
                prefix=item.prefix,
                expires=expires,
                table=item.table,
                metric=item.metric,
            ),
        )
    else:
        operations = (
            PutUnreachable(link=item.link, prefix=item.prefix, expires=valid, table=item.table, metric=item.metric),
        )
    entry = OwnedRoute(
        prefix=item.prefix,
        index=link.index if link else None,
        table=item.table,
        metric=item.metric,
        link=link.name if link else item.link,
        uplink=item.uplink,
    )
    return Act(key=key, operations=operations, entry=entry, wanted=item)


def _leftovers(
    placed: Placed,
    current: Current,
    ours: Mapping[ObjectKey, Owned],
    marking: Marking,
    skip: Collection[ObjectKey],
    kept: Collection[str],
) -> tuple[tuple[Act, ...], tuple[ObjectKey, ...]]:
    """What is ours and not wanted any more: its removal, and the keys of what is not there any more anyway."""
    routes: list[Act] = []
    addresses: list[Act] = []
    refusing: list[Act] = []
    settings: list[Act] = []
    gone: list[ObjectKey] = []
    guarded = {entry.index for entry in ours.values() if entry.uplink in kept}
    inhabited: set[int] | None = None
    for key, entry in ours.items():
        if key in placed or key in skip or entry.uplink in kept:
            continue
        # An index without a link is that of a link that was deleted, and everything on it with it.
        link = current.links.get(entry.index) if entry.index is not None else None
        name = link.name if link else entry.link
        if isinstance(entry, OwnedSetting):
            if entry.setting == IPV6_ENABLED and link and not link.ipv6_disabled:
                # Switching IPv6 off takes everybody's addresses along: it waits until nobody else has any.
                if inhabited is None:
                    inhabited = _inhabited(current, ours, marking)
                if entry.index in guarded or entry.index in inhabited:
                    continue
                settings.append(Act(key=key, operations=(DisableIPv6(link=name, index=link.index),)))
            else:
                gone.append(key)
        elif isinstance(entry, OwnedAddress):
            address = current.addresses.get(entry.key)
            if link and address and marking.is_on(address):
                removed = _removal(name, entry.index, address.address)
                addresses.append(Act(key=key, operations=(removed,)))
            else:
                gone.append(key)
        elif current.routes.get(entry.key) is None or (entry.index is not None and link is None):
            gone.append(key)
        elif entry.index is None:
            removal: Operation = RemoveUnreachable(
                link=name, prefix=entry.prefix, table=entry.table, metric=entry.metric
            )
            refusing.append(Act(key=key, operations=(removal,)))
        else:
            removal = RemoveRoute(
                link=name, index=entry.index, prefix=entry.prefix, table=entry.table, metric=entry.metric
            )
            routes.append(Act(key=key, operations=(removal,)))
    return (*routes, *addresses, *refusing, *settings), tuple(gone)


def _inhabited(current: Current, ours: Mapping[ObjectKey, Owned], marking: Marking) -> set[int]:
    """The links on which others have addresses or routes; the kernel's own link-local addresses do not count."""
    found = {
        index
        for (index, ip), address in current.addresses.items()
        if address and ip.version == 6 and not ip.is_link_local and not _is_ours((index, ip), address, ours, marking)
    }
    found.update(route.index for key, route in current.routes.items() if route and route.index and key not in ours)
    return found
