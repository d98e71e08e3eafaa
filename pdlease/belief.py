"""
What the kernel has acknowledged but not yet been heard to say.

An answer and the notice of the same change come by different sockets, in any order.  Until the table shows something
new, what was acknowledged is laid over it, so that nothing is asked for twice.  The table itself is
L{pdlease.netlink.links}; who compares is L{pdlease.applier}.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from math import inf
from typing import TypeVar, cast

from attrs import evolve, frozen

from pdlease.kernel import (
    ADDRESS_TENTATIVE,
    IPV6_ENABLED,
    UNICAST,
    UNREACHABLE,
    AddressKey,
    KernelAddress,
    KernelRoute,
    KernelTable,
    Link,
    ObjectKey,
    RouteKey,
    RoutePlace,
)
from pdlease.linksettings import Raw, raw, raw_after, with_raw
from pdlease.operations import (
    INFINITE,
    CheckLink,
    DisableIPv6,
    EnableIPv6,
    Operation,
    PutAddress,
    PutIPv4,
    PutRoute,
    PutUnreachable,
    RemoveAddress,
    RemoveIPv4,
    RemoveRoute,
    RemoveUnreachable,
)

GRACE = 0.5
"""
How long (seconds) what was acknowledged is believed without a notice of it; after that the kernel's table is right.
"""

NEAR = 2.0
"""
Times of expiry less than so many seconds apart may be one and the same to the table, for the kernel tells whole seconds
(L{pdlease.netlink.table}); then the notice shows nothing new.
"""

Shown = KernelAddress | KernelRoute | Raw
"""What is under a key: an address, a route, whether IPv6 is off on a link, another setting of a link, or nothing."""


@frozen(kw_only=True)
class Belief:
    """
    Something acknowledged.

    @ivar value: what the kernel holds now.
    @ivar seen: what the table showed when it was asked for; the belief ends when it shows something else.
    @ivar until: boot-clock second at which it ends anyway.
    """

    value: Shown
    seen: Shown
    until: float

    @classmethod
    def after(cls, operation: Operation, seen: Shown, started: float, now: float, protocol: int) -> Belief:
        """
        What to believe when an operation has succeeded.

        @param seen: what the table showed when it was asked for.
        @param started: when that was.
        @param protocol: our mark on addresses.
        """
        # Of new lifetimes of an address that is still tentative the kernel gives no notice.
        is_silent = isinstance(seen, KernelAddress) and bool(seen.flags & ADDRESS_TENTATIVE)
        value = _result(operation, started, protocol)
        until = inf if is_silent or _are_near(value, seen) else now + GRACE
        return cls(value=value, seen=seen, until=until)


def shown(table: KernelTable, key: ObjectKey) -> Shown:
    """What the table shows under a key."""
    if len(key) == 4:
        return table.routes.get(key)
    if isinstance(key[0], str):
        link = table.links.get(key[1])
        if link is None:
            return None
        return link.ipv6_disabled if key[0] == IPV6_ENABLED else raw(link, key[0])
    return table.addresses.get(key)


class Beliefs:
    """
    All that has been acknowledged and not been heard of.

    @ivar all: by key.
    """

    def __init__(self, table: KernelTable) -> None:
        self.all: dict[ObjectKey, Belief] = {}
        self._table = table

    @property
    def end(self) -> float:
        """The boot-clock second at which the first of them ends anyway; C{inf} if there is none."""
        return min((belief.until for belief in self.all.values()), default=inf)

    def learn(self, key: ObjectKey, belief: Belief) -> None:
        """Something has been acknowledged."""
        self.all[key] = belief

    def drop(self, key: ObjectKey) -> None:
        """What was believed does not count any more."""
        self.all.pop(key, None)

    def drop_old(self, now: float) -> None:
        """Let go of what the table has caught up with, or should have."""
        for key in tuple(self.all):
            self._look_at(key, now)

    def about(self, keys: Iterable[ObjectKey], now: float) -> dict[ObjectKey, Belief]:
        """What is believed of these objects."""
        return {key: belief for key in keys if (belief := self._look_at(key, now)) is not None}

    def _look_at(self, key: ObjectKey, now: float) -> Belief | None:
        belief = self.all.get(key)
        if belief is not None and (now >= belief.until or shown(self._table, key) != belief.seen):
            del self.all[key]
            return None
        return belief


class Believed:
    """The table with beliefs laid over it; a L{Current<pdlease.difference.Current>}."""

    def __init__(self, table: KernelTable, beliefs: Mapping[ObjectKey, Belief]) -> None:
        addresses: dict[AddressKey, KernelAddress | None] = {}
        routes: dict[RouteKey, KernelRoute | None] = {}
        changed: dict[int, Link] = {}
        for key, belief in beliefs.items():
            if len(key) == 4:
                routes[key] = cast("KernelRoute | None", belief.value)
            elif isinstance(key[0], str):
                index = key[1]
                link = changed.get(index) or table.links.get(index)
                if link is not None:
                    changed[index] = _changed(link, key[0], belief.value)
            else:
                addresses[key] = cast("KernelAddress | None", belief.value)
        self._table = table
        self._changed = changed
        self.links: Mapping[int, Link] = {**table.links, **changed} if changed else table.links
        self.addresses: Mapping[AddressKey, KernelAddress | None] = (
            _Over(addresses, table.addresses) if addresses else table.addresses
        )
        self.routes: Mapping[RouteKey, KernelRoute | None] = _Over(routes, table.routes) if routes else table.routes

    def link_named(self, name: str) -> Link | None:
        """Find the link that is called C{name} now; C{None} if there is none."""
        link = self._table.link_named(name)
        return self._changed.get(link.index, link) if link is not None else None

    def routes_in(self, place: RoutePlace) -> Collection[RouteKey]:
        """The routes of one place that the table shows and nobody believes to be gone."""
        return [key for key in self._table.routes_in(place) if self.routes.get(key) is not None]


_K = TypeVar("_K")
_V = TypeVar("_V")


def _changed(link: Link, setting: str, value: Shown) -> Link:
    """A link with a setting as it is believed to be."""
    if setting == IPV6_ENABLED:
        return evolve(link, ipv6_disabled=value is True)
    return with_raw(link, setting, cast(Raw, value))


class _Over(Mapping[_K, "_V | None"]):
    """A mapping laid over another."""

    def __init__(self, over: Mapping[_K, _V | None], under: Mapping[_K, _V]) -> None:
        self._over = over
        self._under = under

    def __getitem__(self, key: _K) -> _V | None:
        return self._over[key] if key in self._over else self._under[key]

    def __iter__(self) -> Iterator[_K]:
        return iter({**self._under, **self._over})

    def __len__(self) -> int:
        return len({**self._under, **self._over})


def _are_near(value: Shown, seen: Shown) -> bool:
    """Whether the table may go on showing one where the kernel holds the other."""
    if isinstance(value, KernelAddress) and isinstance(seen, KernelAddress):
        return _is_near(value.valid_until, seen.valid_until) and _is_near(value.preferred_until, seen.preferred_until)
    if isinstance(value, KernelRoute) and isinstance(seen, KernelRoute):
        return _is_near(value.valid_until, seen.valid_until)
    return False


def _is_near(one: float, other: float) -> bool:
    return one == other or abs(one - other) < NEAR


def _until(seconds: int, since: float) -> float:
    return inf if seconds == INFINITE else since + seconds


def _result(operation: Operation, since: float, protocol: int) -> Shown:
    """What the kernel holds after an operation."""
    if isinstance(operation, PutAddress):
        return KernelAddress(
            index=operation.index,
            address=operation.address,
            preferred_until=_until(operation.preferred, since),
            valid_until=_until(operation.valid, since),
            protocol=protocol,
        )
    if isinstance(operation, PutIPv4):
        return KernelAddress(index=operation.index, address=operation.address, protocol=protocol)
    if isinstance(operation, PutRoute):
        return KernelRoute(
            prefix=operation.prefix,
            index=operation.index,
            table=operation.table,
            metric=operation.metric,
            kind=UNICAST,
            valid_until=_until(operation.expires, since),
        )
    if isinstance(operation, PutUnreachable):
        return KernelRoute(prefix=operation.prefix, table=operation.table, metric=operation.metric, kind=UNREACHABLE)
    if isinstance(operation, (EnableIPv6, DisableIPv6)):
        return isinstance(operation, DisableIPv6)
    if isinstance(operation, (RemoveAddress, RemoveIPv4, RemoveRoute, RemoveUnreachable, CheckLink)):
        return None
    return raw_after(operation)
