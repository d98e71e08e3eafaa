"""
What has to be done so that the kernel holds what is wanted.

Three things are compared: what is wanted (L{pdlease.wanted}), what the kernel holds (L{pdlease.kernel}), and what of it
is ours (L{pdlease.ledger}).  The answer depends on nothing else, so the same code makes a first assignment, puts a lost
address back, and finds itself done after a restart.  What is ours and no longer wanted is L{pdlease.leftovers},
settings of links are L{pdlease.settling}.  When it is asked, what is under way and what was refused is
L{pdlease.applier}.

The kernel reports lifetimes in whole seconds, and what it is told is rounded down so as never to go beyond the
remaining lifetime (L-15): two times less than L{SLACK} apart are the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Interface
from math import inf
from types import MappingProxyType
from typing import cast

from attrs import evolve, field, frozen

from pdlease.acts import Act, Current, Marking, is_ours, removal_of
from pdlease.kernel import (
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
from pdlease.leftovers import leftovers
from pdlease.operations import INFINITE, EnableIPv6, Operation, PutAddress, PutIPv4, PutRoute, PutUnreachable
from pdlease.placement import Placed, place, slot_of, table_number
from pdlease.settling import Settled, settle
from pdlease.wanted import Wanted, WantedAddress, WantedIPv6, WantedRoute, WantedSetting, WantedUnreachable

__all__ = ["Act", "Comparison", "Current", "Marking", "compare", "difference", "seconds_left"]

USUAL = Marking()
"""The mark by default, on a kernel that tells it."""

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


@frozen(kw_only=True)
class Comparison:
    """
    What L{compare} found.

    @ivar acts: what is to be done, in order.
    @ivar held: what is wanted and there, by key.
    @ivar gone: keys of ledger entries that stand for nothing any more.
    @ivar inherited: ledger entries of what is there and wanted by another uplink than before, e.g. by a new name, or
        was set as wanted before anything was done.
    @ivar settled: what was found set as wanted.
    """

    acts: tuple[Act, ...] = ()
    held: Mapping[ObjectKey, Wanted] = field(factory=dict)
    gone: tuple[ObjectKey, ...] = ()
    inherited: tuple[Owned, ...] = ()
    settled: Settled = field(factory=dict)


def difference(
    wanted: Iterable[Wanted],
    current: Current,
    ours: Mapping[ObjectKey, Owned],
    now: float,
    *,
    marking: Marking = USUAL,
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
    marking: Marking = USUAL,
    skip: Collection[ObjectKey] = (),
    push: Collection[ObjectKey] = (),
    kept: Collection[str] = (),
    settled: Settled = MappingProxyType({}),
    among: Mapping[ObjectKey, Owned] | None = None,
) -> Comparison:
    """
    The same with more to say and more to be told; the cost is linear in the number of objects.

    @param placed: what is wanted, by L{place}.
    @param skip: keys that nothing is to be done about now.
    @param push: keys whose object is to be made again even if it seems right.
    @param kept: names of uplinks whose objects stay although nobody wants them (yet).
    @param settled: what has been set about links, and is not to be set again (L{pdlease.settling}).
    @param among: the ledger's entries that may be removed when nobody wants them; C{None} for all.
    """
    settlement = settle(
        {key: (item, link) for key, (item, link) in placed.items() if isinstance(item, WantedSetting) and link},
        current,
        ours,
        settled,
        skip,
    )
    enabling: list[Act] = []
    puts: list[Act] = []
    held: dict[ObjectKey, Wanted] = {**settlement.held}
    enabled: set[int] = set()
    for key, (item, link) in placed.items():
        if isinstance(item, WantedIPv6):
            assert link is not None
            if not link.ipv6_disabled:
                held[key] = item
            elif key not in skip:
                enabled.add(link.index)
                enabling.append(_enable(item, link, ours))
    for key, (item, link) in placed.items():
        if isinstance(item, (WantedIPv6, WantedSetting)):
            continue
        there: KernelAddress | KernelRoute | None
        if isinstance(item, WantedAddress):
            there = current.addresses.get(cast(AddressKey, key))
        else:
            there = current.routes.get(cast(RouteKey, key))
        if there is not None and not is_ours(key, there, ours, marking):
            continue
        if there is not None and key not in push and _agrees(item, there, now):
            held[key] = item
            continue
        if key in skip:
            continue
        if there is None and _is_taken(item, current, ours):
            continue
        act = _put(key, item, link, there, now)
        if act is not None and (link is None or _is_ipv4(item) or _can_take(link, enabled)):
            puts.append(act)

    removals, gone = leftovers(placed, current, ours, marking, skip, kept, ours if among is None else among)
    return Comparison(
        acts=(
            *(Act(key=s.key, operations=(s.operation,), entry=s.entry, wanted=s.wanted) for s in settlement.due),
            *enabling,
            *puts,
            *removals,
        ),
        held=held,
        gone=gone,
        inherited=(
            *settlement.entries,
            *(
                evolve(ours[key], uplink=item.uplink)
                for key, item in held.items()
                if key in ours and key not in settlement.settled and ours[key].uplink != item.uplink
            ),
        ),
        settled=settlement.settled,
    )


def seconds_left(until: float, now: float) -> int:
    """A time as the kernel is told it: whole seconds from now, rounded down (L-15)."""
    if until == inf:
        return INFINITE
    return max(0, min(int(until - now), INFINITE - 1))


def _is_taken(item: Wanted, current: Current, ours: Mapping[ObjectKey, Owned]) -> bool:
    """Whether a route's place has another instance's route in it, which it would replace."""
    return isinstance(item, (WantedRoute, WantedUnreachable)) and any(
        other not in ours for other in current.routes_in(slot_of(item))
    )


def _is_ipv4(item: Wanted) -> bool:
    """Whether this is an IPv4 address, which stays on a link that is down, and whose route the kernel makes."""
    return isinstance(item, WantedAddress) and isinstance(item.address, IPv4Interface)


def _can_take(link: Link, enabled: Collection[int]) -> bool:
    """
    Whether addresses and routes can be put on a link.  To one that is down the kernel adds addresses but no routes, and
    when it is set down it drops both: all is put there when it is up.
    """
    return link.is_up and (not link.ipv6_disabled or link.index in enabled)


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
    assert not isinstance(item, (WantedIPv6, WantedSetting))
    operations: tuple[Operation, ...]
    entry: Owned
    valid = seconds_left(item.valid_until, now)
    if there is None and valid <= SLACK:
        # The kernel may have let go of it just now, a little early.
        return None
    if isinstance(item, WantedAddress):
        assert link is not None and (there is None or isinstance(there, KernelAddress))
        remove = removal_of(link.name, link.index, there.address if there else item.address)
        if valid == 0:
            return Act(key=key, operations=(remove,)) if there else None
        put: PutAddress | PutIPv4
        if isinstance(item.address, IPv4Interface):
            put = PutIPv4(link=link.name, index=link.index, address=item.address)
        else:
            preferred = min(seconds_left(item.preferred_until, now), valid)
            put = PutAddress(link=link.name, index=link.index, address=item.address, preferred=preferred, valid=valid)
        # Replacing an address keeps the prefix length that it has.
        operations = (put,) if there is None or there.address == item.address else (remove, put)
        entry = OwnedAddress(index=link.index, address=item.address, link=link.name, uplink=item.uplink)
        return Act(key=key, operations=operations, entry=entry, wanted=item)
    if valid == 0:
        return None
    table = table_number(item)
    if isinstance(item, WantedRoute):
        assert link is not None
        expires = INFINITE if valid > LONGEST_EXPIRY else valid
        operations = (
            PutRoute(
                link=link.name,
                index=link.index,
                prefix=item.prefix,
                expires=expires,
                table=table,
                metric=item.metric,
            ),
        )
    else:
        operations = (
            PutUnreachable(link=item.link, prefix=item.prefix, expires=valid, table=table, metric=item.metric),
        )
    entry = OwnedRoute(
        prefix=item.prefix,
        index=link.index if link else None,
        table=table,
        metric=item.metric,
        link=link.name if link else item.link,
        uplink=item.uplink,
    )
    return Act(key=key, operations=operations, entry=entry, wanted=item)
