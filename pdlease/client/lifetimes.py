"""
When to renew, when to rebind, when a prefix ends: from the numbers in a Reply to boot-clock seconds.

All the rules of table A.5 of the requirements that concern T1, T2 and lifetimes are here; which prefixes of a Reply
count at all is L{pdlease.client.verdicts}.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from pdlease.wire.codes import INFINITY

SHORTEST_CHOICE = 20.0
"""
The shortest preferred lifetime that our own choice of T1 and T2 goes by, seconds: with T1 at half of it there are 10 s
between two Renews at least.  What a server states is never slowed (21.21: MUST use).
"""


def seconds(number: int) -> float:
    """A lifetime, T1 or T2 as seconds; C{inf} for 0xffffffff (RFC 9915 section 7.7)."""
    return inf if number == INFINITY else float(number)


def times(t1: int, t2: int, lifetimes: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """
    When to renew and when to rebind one identity association, in seconds from now; C{inf} for never.

    T1 = T2 is a server's word that there is no phase of Renew, and T1 = T2 = valid lifetime that nothing will be
    extended; both stay as they are.  What is 0, or not before the end of the shortest valid lifetime, we choose.

    @param t1: as received; not above C{t2} unless that is 0.
    @param t2: as received.
    @param lifetimes: preferred and valid lifetime (seconds, C{inf} for ever) of its prefixes; at least one, none of
        them with a valid lifetime of 0.
    """
    shortest_valid = min(valid for _, valid in lifetimes)
    # A deprecated prefix says nothing about when the others are to be renewed (RFC 8168 section 3.5).
    shortest = min((preferred for preferred, _ in lifetimes if preferred > 0), default=shortest_valid)
    basis = max(shortest, min(SHORTEST_CHOICE, shortest_valid))
    renew, rebind = seconds(t1), seconds(t2)
    if shortest_valid <= renew < inf and not (renew == rebind == shortest_valid):
        renew = 0.0
        rebind = inf if rebind == inf else 0.0
    if renew == 0 and rebind == 0:
        return 0.5 * basis, 0.8 * basis
    if renew == 0:
        renew = min(0.5 * basis, 0.625 * rebind)
    elif rebind == 0 and renew == inf:
        rebind = 0.8 * basis
    elif rebind == 0:
        rebind = min(max(0.8 * shortest, 1.6 * renew), shortest_valid)
    if renew < shortest_valid <= rebind < inf:
        rebind = max(renew + 1.0, 0.8 * shortest_valid)
    return renew, rebind


def are_late(t1: int, t2: int, lifetimes: Sequence[tuple[float, float]]) -> bool:
    """
    Whether T1 or T2 is not before the end of the shortest valid lifetime, so that L{times} takes another instead; that
    both are that end is a server's word, not a mistake.

    @param t1: as received.
    @param t2: as received.
    @param lifetimes: as for L{times}.
    """
    shortest_valid = min(valid for _, valid in lifetimes)
    renew, rebind = seconds(t1), seconds(t2)
    late = shortest_valid <= renew < inf or shortest_valid <= rebind < inf
    return late and not (renew == rebind == shortest_valid)


def times_of_unextended(now: float, t2_at: float, valid_until: float) -> tuple[float, float]:
    """
    When to ask again for an association that a Reply passed over or refused while others were served.

    Half of what is left until T2, as long as that leaves time for a Renew; after T2, Rebinds at half of what is left of
    the valid lifetime, until too little is left.  So the number of messages is bounded however long the lifetimes are
    (R-18.2.10.1-13), and T2 stands (C.8.1, NoPrefixAvail).

    @param now: boot-clock second.
    @param t2_at: boot-clock second of T2 until now, maybe past.
    @param valid_until: boot-clock second at which its first prefix ends.
    @return: boot-clock seconds of T1 and T2.
    """
    if t2_at > now:
        half = now + (t2_at - now) / 2
        return (half if half - now >= SHORTEST_CHOICE / 2 else t2_at), t2_at
    if valid_until == inf:
        return inf, inf
    half = now + (valid_until - now) / 2
    return (half, half) if half - now >= SHORTEST_CHOICE / 2 else (inf, inf)
