"""
The kernel's links, addresses and routes as they are now, folded from notices.

L{Table} is the believed state of the kernel that L{pdlease.difference} and L{pdlease.applier} read; it knows no socket
and no clock.  Who asks the kernel, and asks again when something was missed, is L{pdlease.netlink.links}; what a notice
is, L{pdlease.netlink.notices}.

What Linux 6.18 sends, seen in a namespace (C{tests/live/test_netlink_live.py} holds it to that):

  - Set down: the link first, then the removal of its routes, then of its addresses.  A permanent address stays where
    C{keep_addr_on_down} is set, and with C{skip_notify_on_dev_down} no removal of a route is told: so the routes of a
    link that is down are dropped here without being told.
  - Set up: the link without carrier, then with it; addresses come when carrier is there, first tentative, then not.
  - Carrier lost: the link, nothing else; addresses and routes stay.
  - Renamed: the link with its new name, nothing else.
  - Addresses flushed, run out, deprecated: one notice for each.
  - C{disable_ipv6} to 1: removal of routes and addresses, and not a word of the setting itself.
  - C{disable_ipv6} to 0: a notice of family AF_INET6 if the link is up, none if it is down.
  - A route replaced: the new one, marked as replacing (NLM_F_REPLACE); not a word of the old one, whoever made either.
  - Out of a bridge: RTM_DELLINK of family AF_BRIDGE, and the link without its master.
  - Deleted, or moved to another namespace: the link down, removals of routes and addresses, then RTM_DELLINK.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import IPv6Address
from math import inf
from types import MappingProxyType
from typing import TypeVar

from attrs import evolve

from pdlease.kernel import AddressKey, Advertised, KernelAddress, KernelRoute, Link, RouteKey, RoutePlace
from pdlease.netlink.notices import (
    AddressNotice,
    Inet6Notice,
    LinkGone,
    LinkNotice,
    Notice,
    RouteNotice,
    RouteReplaced,
    RouterNotice,
)

JITTER = 1.5
"""
Two times of expiry less than so many seconds apart are one and the same, told twice: the kernel tells what is left in
whole seconds.
"""

HASTE = 0.1
"""And a time may seem earlier by so much: one notice is read sooner than another after it was written."""

MANY_DUPLICATES = 256
"""So many addresses that other hosts hold are remembered; of more, the first are forgotten."""


class Table:
    """
    What the kernel is believed to hold (L{pdlease.kernel.KernelTable}).
    """

    def __init__(self) -> None:
        self._advertised: dict[int, Advertised] = {}
        self._routers: dict[int, frozenset[IPv6Address]] = {}
        self._unseen_routers: dict[int, frozenset[IPv6Address]] = {}
        self._links: dict[int, Link] = {}
        self._names: dict[str, int] = {}
        self._addresses: dict[AddressKey, KernelAddress] = {}
        self._addresses_on: dict[int, dict[AddressKey, KernelAddress]] = {}
        self._routes: dict[RouteKey, KernelRoute] = {}
        self._routes_on: dict[int, set[RouteKey]] = {}
        self._routes_in: dict[RoutePlace, set[RouteKey]] = {}
        self._duplicates: dict[AddressKey, float] = {}
        self._changed: set[str] = set()
        self._is_changed = False
        self._unseen_links: set[int] = set()
        self._unseen_addresses: set[AddressKey] = set()
        self._unseen_routes: set[RouteKey] = set()

    # The reading side.

    @property
    def links(self) -> Mapping[int, Link]:
        return MappingProxyType(self._links)

    @property
    def addresses(self) -> Mapping[AddressKey, KernelAddress]:
        return MappingProxyType(self._addresses)

    @property
    def routes(self) -> Mapping[RouteKey, KernelRoute]:
        return MappingProxyType(self._routes)

    @property
    def advertised(self) -> Mapping[int, Advertised]:
        return MappingProxyType(self._advertised)

    @property
    def routers(self) -> Mapping[int, frozenset[IPv6Address]]:
        return MappingProxyType(self._routers)

    @property
    def duplicates(self) -> Mapping[AddressKey, float]:
        return MappingProxyType(self._duplicates)

    def link_named(self, name: str) -> Link | None:
        index = self._names.get(name)
        return None if index is None else self._links.get(index)

    def addresses_on(self, index: int) -> Collection[KernelAddress]:
        return self._addresses_on.get(index, {}).values()

    def routes_in(self, place: RoutePlace) -> Collection[RouteKey]:
        return self._routes_in.get(place, ())

    # The writing side.

    def fold(self, notice: Notice, now: float = 0.0) -> None:
        """
        Take one notice in.

        @param now: boot-clock second at which it was read.
        """
        if isinstance(notice, LinkNotice):
            self._put_link(notice.link)
        elif isinstance(notice, LinkGone):
            self._drop_link(notice.index)
        elif isinstance(notice, AddressNotice):
            if notice.removed:
                if notice.address.duplicate:
                    self._put_duplicate(notice.address.key, now)
                self._drop_address(notice.address.key)
            else:
                self._put_address(notice.address)
        elif isinstance(notice, RouteNotice):
            if notice.removed:
                self._drop_route(notice.route.key)
            else:
                if notice.replaces:
                    self._drop_replaced(notice.route, notice.route.key)
                self._put_route(notice.route)
        elif isinstance(notice, RouteReplaced):
            self._drop_replaced(notice.route, None)
        elif isinstance(notice, Inet6Notice):
            self._put_inet6(notice)
        elif isinstance(notice, RouterNotice):
            self._put_router(notice)

    def changes(self) -> frozenset[str] | None:
        """
        Tell what has changed since this was last asked: names of links, old and new; C{None} if nothing has.  A route
        that belongs to no link is a change without a name.
        """
        if not self._is_changed:
            return None
        changed = frozenset(self._changed)
        self._changed.clear()
        self._is_changed = False
        return changed

    def expect_links(self) -> None:
        """All links are about to be told: those that are not will be missing."""
        self._unseen_links = set(self._links)

    def expect_addresses(self) -> None:
        """All addresses are about to be told."""
        self._unseen_addresses = set(self._addresses)

    def expect_routes(self) -> None:
        """All routes are about to be told."""
        self._unseen_routes = set(self._routes)

    def expect_routers(self) -> None:
        """All default routes from Router Advertisements are about to be told."""
        self._unseen_routers = dict(self._routers)

    def drop_links(self) -> None:
        """All links have been told: those that were not are gone."""
        for index in tuple(self._unseen_links):
            self._drop_link(index)

    def drop_addresses(self) -> None:
        """All addresses have been told: those that were not are gone."""
        for key in tuple(self._unseen_addresses):
            self._drop_address(key)

    def drop_routes(self) -> None:
        """All routes have been told: those that were not are gone."""
        for key in tuple(self._unseen_routes):
            self._drop_route(key)

    def drop_routers(self) -> None:
        """All default routes from Router Advertisements have been told: those that were not are gone."""
        for index, routers in tuple(self._unseen_routers.items()):
            for router in routers:
                self._put_router(RouterNotice(index, router, removed=True))

    def _touch(self, index: int | None) -> None:
        self._is_changed = True
        if index is not None and (link := self._links.get(index)) is not None:
            self._changed.add(link.name)

    def _put_link(self, link: Link) -> None:
        self._unseen_links.discard(link.index)
        old = self._links.get(link.index)
        if old == link and self._names.get(link.name) == link.index:
            return
        self._touch(link.index)
        if old is not None and self._names.get(old.name) == link.index:
            del self._names[old.name]
        self._links[link.index] = link
        self._names[link.name] = link.index
        self._touch(link.index)
        if not (link.is_up and link.has_carrier):
            self._forget_duplicates(link.index)
        if not link.is_up:
            self._routers.pop(link.index, None)
            for key in tuple(self._routes_on.get(link.index, ())):
                self._drop_route(key)

    def _drop_link(self, index: int) -> None:
        self._unseen_links.discard(index)
        self._advertised.pop(index, None)
        self._routers.pop(index, None)
        self._unseen_routers.pop(index, None)
        link = self._links.get(index)
        if link is None:
            return
        for address in tuple(self._addresses_on.get(index, ())):
            self._drop_address(address)
        for route in tuple(self._routes_on.get(index, ())):
            self._drop_route(route)
        self._forget_duplicates(index)
        self._touch(index)
        del self._links[index]
        if self._names.get(link.name) == index:
            del self._names[link.name]

    def _put_duplicate(self, key: AddressKey, now: float) -> None:
        self._duplicates[key] = now
        if len(self._duplicates) > MANY_DUPLICATES:
            del self._duplicates[next(iter(self._duplicates))]

    def _forget_duplicates(self, index: int) -> None:
        for key in [key for key in self._duplicates if key[0] == index]:
            del self._duplicates[key]

    def _put_address(self, address: KernelAddress) -> None:
        self._unseen_addresses.discard(address.key)
        self._duplicates.pop(address.key, None)
        old = self._addresses.get(address.key)
        if old is not None:
            preferred = _steady(old.preferred_until, address.preferred_until)
            valid = _steady(old.valid_until, address.valid_until)
            if (preferred, valid) != (address.preferred_until, address.valid_until):
                address = evolve(address, preferred_until=preferred, valid_until=valid)
            if old == address:
                return
        self._addresses[address.key] = address
        self._addresses_on.setdefault(address.index, {})[address.key] = address
        self._touch(address.index)

    def _drop_address(self, key: AddressKey) -> None:
        self._unseen_addresses.discard(key)
        if self._addresses.pop(key, None) is not None:
            there = self._addresses_on[key[0]]
            del there[key]
            if not there:
                del self._addresses_on[key[0]]
            self._touch(key[0])

    def _put_route(self, route: KernelRoute) -> None:
        self._unseen_routes.discard(route.key)
        old = self._routes.get(route.key)
        if old is not None:
            route = evolve(route, valid_until=_steady(old.valid_until, route.valid_until))
            if old == route:
                return
        self._routes[route.key] = route
        self._routes_in.setdefault((route.prefix, route.table, route.metric), set()).add(route.key)
        if route.index is not None:
            self._routes_on.setdefault(route.index, set()).add(route.key)
        self._touch(route.index)

    def _drop_replaced(self, new: KernelRoute, but: RouteKey | None) -> None:
        """Drop what had the place of a new route; the kernel tells of the new one only."""
        for key in tuple(self.routes_in((new.prefix, new.table, new.metric))):
            if key != but:
                self._drop_route(key)

    def _drop_route(self, key: RouteKey) -> None:
        self._unseen_routes.discard(key)
        if self._routes.pop(key, None) is not None:
            _discard(self._routes_in, (key[0], key[2], key[3]), key)
            if key[1] is not None:
                _discard(self._routes_on, key[1], key)
            self._touch(key[1])

    def _put_inet6(self, notice: Inet6Notice) -> None:
        link = self._links.get(notice.index)
        if link is None:
            return
        advertised = Advertised(heard=notice.heard_router, managed=notice.managed, other=notice.other)
        if self._advertised.get(notice.index, Advertised()) != advertised:
            self._advertised[notice.index] = advertised
            self._touch(notice.index)
        if notice.disabled is not None and notice.disabled != link.ipv6_disabled:
            self._links[notice.index] = evolve(link, ipv6_disabled=notice.disabled)
            self._touch(notice.index)

    def _put_router(self, notice: RouterNotice) -> None:
        index, one = notice.index, frozenset({notice.router})
        if index in self._unseen_routers:
            self._unseen_routers[index] -= one
        old = self._routers.get(index, frozenset())
        new = old - one if notice.removed or index not in self._links else old | one
        if new == old:
            return
        self._routers[index] = new
        if not new:
            del self._routers[index]
        self._touch(index)


_G = TypeVar("_G")


def _discard(groups: dict[_G, set[RouteKey]], group: _G, key: RouteKey) -> None:
    """Take a route out of its group, and the group away with the last one."""
    there = groups[group]
    there.discard(key)
    if not there:
        del groups[group]


def _steady(old: float, new: float) -> float:
    """
    The time that was told before, if it is the same but for the kernel's rounding.  That only ever makes it seem later,
    so an earlier time is news, and nearer the truth, unless it is earlier by no more than reading takes.
    """
    return old if old != inf and old - HASTE < new < old + JITTER else new
