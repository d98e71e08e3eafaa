"""
Where in the kernel each wanted object has its place: its key, and the link that it is on.

Two may want the same place; who has it is decided here.  Whether what is there is what is wanted, and what is to be
done if not, is L{pdlease.difference}.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Network
from typing import Protocol

from pdlease.kernel import IPV6_ENABLED, Link, ObjectKey, RouteKey
from pdlease.wanted import Wanted, WantedAddress, WantedIPv6, WantedRoute, WantedSetting, WantedUnreachable

Slot = tuple[IPv6Network, int, int]
"""Prefix, table and metric: a route that is put replaces what has all three, on whatever link."""

Placed = dict[ObjectKey, tuple[Wanted, Link | None]]
"""What is wanted, by its key in the kernel, with the link that it is on (C{None}: on none)."""


class LinkNames(Protocol):
    """What knows links by name."""

    def link_named(self, name: str) -> Link | None:
        """Find the link that is called C{name} now; C{None} if there is none."""


def place(wanted: Iterable[Wanted], names: LinkNames, now: float) -> Placed:
    """
    Find for everything wanted its place in the kernel: its key, and the link that it is on.

    What has run out has none, nor has what is on a link that does not exist.  Where two want the same place, one has
    it: of addresses, the one that is preferred longer (a prefix that is on its way out may hold the same address as the
    one of another length that takes its place), then the one that lives longer; of routes with the same prefix in a
    table with the same metric, the one that lives longer, as a route that is put there replaces whatever was (an
    on-link route goes before an unreachable one).
    """
    links: dict[str, Link | None] = {}
    placed: Placed = {}
    slots: dict[Slot, RouteKey] = {}
    for item in wanted:
        if isinstance(item, WantedUnreachable):
            link = None
        else:
            if item.link not in links:
                links[item.link] = names.link_named(item.link)
            link = links[item.link]
            if link is None:
                continue
        if not isinstance(item, (WantedIPv6, WantedSetting)) and item.valid_until <= now:
            continue
        key = key_of(item, link)
        if isinstance(item, (WantedRoute, WantedUnreachable)):
            slot = slot_of(item)
            other = slots.get(slot)
            if other is not None:
                if _rank(item) <= _rank(placed[other][0]):
                    continue
                del placed[other]
            slots[slot] = key  # type: ignore[assignment]
        elif key in placed and _rank(item) <= _rank(placed[key][0]):
            continue
        placed[key] = item, link
    return placed


def key_of(item: Wanted, link: Link | None) -> ObjectKey:
    """What the kernel will know a wanted object by; C{link} is that of its name, C{None} for an unreachable route."""
    if isinstance(item, WantedUnreachable):
        return item.prefix, None, item.table, item.metric
    assert link is not None
    if isinstance(item, WantedAddress):
        return link.index, item.address.ip
    if isinstance(item, WantedRoute):
        return item.prefix, link.index, item.table, item.metric
    return (item.setting if isinstance(item, WantedSetting) else IPV6_ENABLED), link.index


def slot_of(item: WantedRoute | WantedUnreachable) -> Slot:
    """The place that a route takes in its table."""
    return item.prefix, item.table, item.metric


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
