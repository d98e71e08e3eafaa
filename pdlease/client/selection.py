"""
Which server to ask: offers made of Advertises, and the order among them (RFC 9915 section 18.2.9, RFC 8168 section
3.3).

The policy, deterministic: higher preference; then more identity associations served; then fewer of them without room
for all that is downstream; then fewer prefixes that are smaller than asked for; then lengths nearest to what was asked
for; then larger prefixes; then whoever came first.  Whether an Advertise may be looked at at all is
L{pdlease.client.incoming}; when to choose is L{pdlease.client.answers}.
"""

from __future__ import annotations

from ipaddress import IPv6Network

from attrs import frozen

from pdlease.client.settings import IAWish, Settings
from pdlease.client.verdicts import Remark, offered
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message
from pdlease.wire.prefixes import IAPrefix

MOST_OFFERS = 16
"""How many servers' offers are remembered; anybody on the link can pretend to be any number of servers."""

AT_ONCE = 255
"""The preference that ends the collection of offers (R-18.2.1-14)."""


@frozen(kw_only=True)
class Offer:
    """
    What one server advertised.

    @ivar server: who.
    @ivar source: the address that the Advertise came from.
    @ivar preference: 0 to 255.
    @ivar prefixes: pairs of IAID and the usable prefixes offered for it; associations without any are left out.
    @ivar cramped: how many of these have no prefix with room for everything downstream.
    """

    server: DUID
    source: str
    preference: int
    prefixes: tuple[tuple[int, tuple[IPv6Network, ...]], ...]
    cramped: int = 0

    def of(self, iaid: int) -> tuple[IPv6Network, ...]:
        """What is offered for one identity association."""
        return next((prefixes for each, prefixes in self.prefixes if each == iaid), ())


@frozen(kw_only=True)
class HoldOff:
    """
    How long the offers of a server that offered and then refused are passed over (R-14.1-04).

    @ivar server: the server.
    @ivar failures: how often in a row.
    @ivar until: boot-clock second.
    """

    server: DUID
    failures: int
    until: float


def read_offer(
    message: Message, server: DUID, source: str, settings: Settings
) -> tuple[Offer | None, tuple[Remark, ...]]:
    """
    The offer in an Advertise, or C{None} if it offers nothing that can be used, which is to be ignored (R-18.2.9-03).

    Judged by the prefixes alone: a failure status of the whole message beside a good prefix is an old server's way to
    say that there are no addresses (R-18.2.9-09).
    """
    found: list[tuple[int, tuple[IPv6Network, ...]]] = []
    remarks: list[Remark] = []
    others: tuple[IPv6Network, ...] = ()
    cramped = 0
    for ia in message.ia_pds:
        wish = settings.wish(ia.iaid)
        if wish is None:
            continue
        prefixes, left_out = offered(ia, wish, others)
        remarks.extend(left_out)
        if prefixes:
            networks = tuple(prefix.network for prefix in prefixes)
            found.append((ia.iaid, networks))
            cramped += not any(_has_room(prefix, wish) for prefix in prefixes)
            others += networks
    if not found:
        return None, tuple(remarks)
    offer = Offer(server=server, source=source, preference=message.preference, prefixes=tuple(found), cramped=cramped)
    return offer, tuple(remarks)


def _has_room(prefix: IAPrefix, wish: IAWish) -> bool:
    """
    Whether everything downstream fits into a prefix, less what its server keeps back (PDX-09).
    """
    if wish.needed_length is None:
        return True
    excluded = prefix.excluded
    kept_back = 0 if excluded is None else excluded.num_addresses
    return prefix.network.num_addresses - kept_back >= 1 << 128 - wish.needed_length


def _distance(offer: Offer, settings: Settings) -> tuple[int, int, int]:
    """
    How far the best prefix offered for each association is from what was asked for: how many are too small, distances
    added up, lengths added up (R-8168-05).
    """
    small = distance = lengths = 0
    for iaid, prefixes in offer.prefixes:
        wish = settings.wish(iaid)
        hint = None if wish is None else wish.hint_length
        if hint is None:
            lengths += min(network.prefixlen for network in prefixes)
            continue
        too_small, away, length = min(
            (network.prefixlen > hint, abs(network.prefixlen - hint), network.prefixlen) for network in prefixes
        )
        small += too_small
        distance += away
        lengths += length
    return small, distance, lengths


def best(offers: tuple[Offer, ...], settings: Settings) -> Offer:
    """
    The offer to take; C{offers} in the order of their arrival, at least one.
    """

    def rank(offer: Offer) -> tuple[int, int, int, tuple[int, int, int]]:
        return -offer.preference, -len(offer.prefixes), offer.cramped, _distance(offer, settings)

    return min(offers, key=rank)


def remembered(offers: tuple[Offer, ...], offer: Offer) -> tuple[Offer, ...] | None:
    """
    The offers with one more, in place of an earlier one of the same server; C{None} if there are too many already.
    """
    for index, earlier in enumerate(offers):
        if earlier.server == offer.server:
            return (*offers[:index], offer, *offers[index + 1 :])
    return None if len(offers) >= MOST_OFFERS else (*offers, offer)


FIRST_HOLD_OFF = 1.0
"""Seconds for which a server's offers are passed over after it first refused what it had offered; doubles each time."""

MOST_HOLD_OFFS = 16
"""How many servers are remembered for having refused; the oldest is forgotten first."""


def held_off(hold_offs: tuple[HoldOff, ...], server: DUID, now: float, longest: float) -> tuple[HoldOff, ...]:
    """
    The hold-offs after a server refused what it had offered.

    @param longest: no hold-off is longer than this (SOL_MAX_RT), seconds.
    """
    earlier = next((each for each in hold_offs if each.server == server), None)
    failures = 1 if earlier is None else earlier.failures + 1
    length = min(longest, FIRST_HOLD_OFF * 2.0 ** min(failures - 1, 32))
    others = forgiven(hold_offs, server)
    return (*others, HoldOff(server=server, failures=failures, until=now + length))[-MOST_HOLD_OFFS:]


def forgiven(hold_offs: tuple[HoldOff, ...], server: DUID) -> tuple[HoldOff, ...]:
    """
    The hold-offs without that of one server.
    """
    return tuple(each for each in hold_offs if each.server != server)


def is_held_off(hold_offs: tuple[HoldOff, ...], server: DUID, now: float) -> bool:
    """
    Whether a server's offers are passed over now.
    """
    return any(each.server == server and now < each.until for each in hold_offs)
