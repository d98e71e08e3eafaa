"""
Which subnets the hosts of a link were told of and must be told are over (RFC 9096 section 3.5).

A host keeps an address until its lifetime ends or a Router Advertisement ends it.  So when a subnet is taken from a
link before its time, whoever sends Router Advertisements there has to name it for a while longer, with lifetimes of 0.
pdlease sends none; it remembers, tells and keeps which subnets that is about.  What is on a link now is
L{pdlease.wanted}; what is kept on disk, L{pdlease.stores.serial}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Network

from attrs import evolve, field, frozen

from pdlease.lease import StaleSubnet
from pdlease.subnets import Carving
from pdlease.wanted import Share

TOLD_FOR = 5400.0
"""
For how long hosts are told that a subnet is over, seconds: ND_VALID_LIMIT (RFC 9096 section 3.4), the longest valid
lifetime that whoever sends Router Advertisements should have named before.
"""

MOST_ON_A_LINK = 32
"""How many stale subnets of one link are remembered; those that were stale longest are forgotten first."""

Place = tuple[str, IPv6Network]
"""A subnet on a link."""


@frozen(kw_only=True)
class Announced:
    """
    What the hosts behind one uplink may know of.

    @ivar subnets: the subnets that are on links now, and the boot-clock second at which each ends.
    @ivar stale: those that were, and hosts must be told of still; the newest last.
    """

    subnets: Mapping[Place, float] = field(factory=dict)
    stale: tuple[StaleSubnet, ...] = ()

    def after(self, subnets: Mapping[Place, float], now: float) -> Announced:
        """
        What hosts may know when these subnets are on the links.

        One that was there and had time left becomes stale (9096-STALE-2); one that is there again is not stale any
        more.  What has run out needs nobody's word: no host was told a longer time (L-15).
        """
        gone = (place for place, valid_until in self.subnets.items() if place not in subnets and valid_until > now)
        return evolve(self, subnets=dict(subnets))._with_stale(gone, now)

    def told_over(self, places: Iterable[Place], now: float) -> Announced:
        """
        What hosts may know when a server took back what it never gave us: whoever had it before us may have told them
        (9096-STALE-4).
        """
        known = {(stale.link, stale.subnet) for stale in self.stale}
        room = [place for place in places if place not in known and self._count(place[0]) < MOST_ON_A_LINK]
        return self._with_stale(room, now)

    def taking_over(self, other: Announced, links: Iterable[str], now: float) -> Announced:
        """
        What hosts may know when another uplink is gone: what it had put on these links is stale.
        """
        served = frozenset(links)
        left = other.after({}, now).stale
        known = {(stale.link, stale.subnet) for stale in self.stale}
        more = (each for each in left if each.link in served and (each.link, each.subnet) not in known)
        return evolve(self, stale=(*self.stale, *more))._bounded(now)

    def next_end(self) -> float | None:
        """The boot-clock second at which the first stale subnet may be forgotten, or C{None}."""
        return min((stale.until for stale in self.stale), default=None)

    def _count(self, link: str) -> int:
        return sum(stale.link == link for stale in self.stale)

    def _with_stale(self, places: Iterable[Place], now: float) -> Announced:
        """The same with more stale subnets."""
        new = {place: StaleSubnet(link=place[0], subnet=place[1], until=now + TOLD_FOR) for place in places}
        old = (stale for stale in self.stale if (stale.link, stale.subnet) not in new)
        return evolve(self, stale=(*old, *new.values()))._bounded(now)

    def _bounded(self, now: float) -> Announced:
        """The same less what was told long enough, what is back, and what is too much for one link (9096-RTR)."""
        kept: list[StaleSubnet] = []
        count: dict[str, int] = {}
        for stale in reversed(self.stale):
            if stale.until <= now or (stale.link, stale.subnet) in self.subnets:
                continue
            count[stale.link] = count.get(stale.link, 0) + 1
            if count[stale.link] <= MOST_ON_A_LINK:
                kept.append(stale)
        return evolve(self, stale=tuple(reversed(kept)))


def subnets_of(share: Share) -> dict[Place, float]:
    """The subnets that a share puts on links, and when each ends; a single address is nobody else's."""
    return {
        (address.link, network): address.valid_until
        for carved in share.carvings
        for address in (*carved.addresses, *carved.guests)
        if isinstance(network := address.address.network, IPv6Network) and network.prefixlen < 128
    }


def places_of(carving: Carving) -> tuple[Place, ...]:
    """The subnets on links that a prefix is cut into."""
    subnets = (
        *((assignment.link, assignment.subnet) for assignment in carving.assignments),
        *((guest.link, guest.subnet) for guest in carving.guests),
    )
    return tuple(place for place in subnets if place[1].prefixlen < 128)
