"""
Where in the kernel each wanted object has its place: its key, and the link that it is on.

Two may want the same place; who has it is decided here.  Whether what is there is what is wanted, and what is to be
done if not, is L{pdlease.difference}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from attrs import evolve

from pdlease.kernel import IPV6_ENABLED, Link, ObjectKey, RouteKey, RoutePlace
from pdlease.wanted import Wanted, WantedAddress, WantedIPv6, WantedRoute, WantedSetting, WantedUnreachable

Placed = dict[ObjectKey, tuple[Wanted, Link | None]]
"""What is wanted, by its key in the kernel, with the link that it is on (C{None}: on none)."""


class LinkNames(Protocol):
    """What knows links."""

    @property
    def links(self) -> Mapping[int, Link]:
        """Every link by index."""

    def link_named(self, name: str) -> Link | None:
        """Find the link that is called C{name} now; C{None} if there is none."""


def place(wanted: Iterable[Wanted], names: LinkNames, now: float) -> Placed:
    """
    Find for everything wanted its place in the kernel: its key, and the link that it is on.

    What has run out has none, nor has what is on a link, or in the table of a VRF, that does not exist.  Where two want
    the same place, one has it: of addresses, the one that is preferred longer (a prefix that is on its way out may hold
    the same address as the one of another length that takes its place), then the one that lives longer; of routes with
    the same prefix in a table with the same metric, the one that lives longer, as a route that is put there replaces
    whatever was (an on-link route goes before an unreachable one).
    """
    links: dict[str, Link | None] = {}
    placed: Placed = {}
    slots: dict[RoutePlace, RouteKey] = {}
    for one in wanted:
        if isinstance(one, WantedUnreachable):
            link = None
        else:
            if one.link not in links:
                links[one.link] = names.link_named(one.link)
            link = links[one.link]
            if link is None:
                continue
        if not isinstance(one, (WantedIPv6, WantedSetting)) and one.valid_until <= now:
            continue
        item = in_its_table(one, link, names)
        if item is None:
            continue
        key = key_of(item, link)
        if isinstance(item, (WantedRoute, WantedUnreachable)):
            slot = slot_of(item)
            other = slots.get(slot)
            if other is not None:
                if not has_better_claim(item, placed[other][0]):
                    continue
                del placed[other]
            slots[slot] = key  # type: ignore[assignment]
        elif key in placed and not has_better_claim(item, placed[key][0]):
            continue
        placed[key] = item, link
    return placed


def key_of(item: Wanted, link: Link | None) -> ObjectKey:
    """What the kernel will know a wanted object by; C{link} is that of its name, C{None} for an unreachable route."""
    if isinstance(item, WantedUnreachable):
        return item.prefix, None, table_number(item), item.metric
    assert link is not None
    if isinstance(item, WantedAddress):
        return link.index, item.address.ip
    if isinstance(item, WantedRoute):
        return item.prefix, link.index, table_number(item), item.metric
    return (item.setting if isinstance(item, WantedSetting) else IPV6_ENABLED), link.index


def slot_of(item: WantedRoute | WantedUnreachable) -> RoutePlace:
    """The place that a route takes in its table."""
    return item.prefix, table_number(item), item.metric


def in_its_table(item: Wanted, link: Link | None, names: LinkNames) -> Wanted | None:
    """
    A route with the number of the table that it belongs into: that of the VRF that its link is in, else what it says
    itself; anything else as it is.

    @return: C{None} while the VRF that it names does not exist.
    """
    if not isinstance(item, (WantedRoute, WantedUnreachable)):
        return item
    vrf: Link | None = None
    if isinstance(item, WantedRoute) and link is not None and link.master is not None:
        vrf = names.links.get(link.master)
    if (vrf is None or vrf.vrf_table is None) and isinstance(item.table, str):
        vrf = names.link_named(item.table)
    if vrf is not None and vrf.vrf_table is not None:
        return evolve(item, table=vrf.vrf_table)
    return item if isinstance(item.table, int) else None


def table_number(item: WantedRoute | WantedUnreachable) -> int:
    """The table of a route that has its place."""
    assert isinstance(item.table, int)
    return item.table


def has_better_claim(item: Wanted, other: Wanted) -> bool:
    """Whether a wanted object gets the place that another has."""
    return _rank(item) > _rank(other)


def falls_with_link(item: Wanted) -> bool:
    """Whether the kernel drops an object when its link is set down: IPv6 addresses and routes."""
    if isinstance(item, WantedAddress):
        return item.address.version == 6
    return isinstance(item, WantedRoute)


def _rank(item: Wanted) -> tuple[bool, float, float]:
    """Who has a place that two want: the greater."""
    if isinstance(item, (WantedIPv6, WantedSetting)):
        return True, 0.0, 0.0
    if isinstance(item, WantedAddress):
        return True, item.preferred_until, item.valid_until
    return isinstance(item, WantedRoute), item.valid_until, 0.0
