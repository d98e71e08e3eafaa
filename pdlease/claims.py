"""
Who wants what of the kernel, so that what one gives up and another wants is noticed.

A claim is known by what the wanted object says of itself, whether or not its link exists; where it has its place is
L{pdlease.placement}, who has it, L{pdlease.occupancy}.
"""

from __future__ import annotations

from collections.abc import Iterable

from pdlease.kernel import IPV6_ENABLED
from pdlease.ledger import Owned, OwnedAddress, OwnedRoute
from pdlease.wanted import Wanted, WantedAddress, WantedIPv6, WantedRoute, WantedUnreachable

Claim = tuple[object, ...]
"""
Link and address; prefix and metric of a route, on whatever link and in whatever table; or a setting and its link.
"""


def claim_to(item: Wanted) -> Claim:
    """What a wanted object lays claim to."""
    if isinstance(item, WantedAddress):
        return item.link, item.address.ip
    if isinstance(item, (WantedRoute, WantedUnreachable)):
        return item.prefix, item.metric
    return (IPV6_ENABLED if isinstance(item, WantedIPv6) else item.setting), item.link


def claim_of(entry: Owned) -> Claim:
    """What an entry of the ledger lays claim to."""
    if isinstance(entry, OwnedAddress):
        return entry.link, entry.address.ip
    if isinstance(entry, OwnedRoute):
        return entry.prefix, entry.metric
    return entry.setting, entry.link


class Claims:
    """The claims of all."""

    def __init__(self) -> None:
        self._of: dict[str, frozenset[Claim]] = {}
        self._owners: dict[Claim, set[str]] = {}

    def change(self, owner: str, items: Iterable[Wanted], entries: Iterable[Owned] = ()) -> bool:
        """
        One owner wants these from now on.

        @param entries: what is ours for it.
        @return: whether somebody else wants something that it gives up.
        """
        new = frozenset(map(claim_to, items))
        old = self._of.pop(owner, frozenset())
        for claim in old - new:
            self._owners[claim].discard(owner)
            if not self._owners[claim]:
                del self._owners[claim]
        for claim in new - old:
            self._owners.setdefault(claim, set()).add(owner)
        if new:
            self._of[owner] = new
        given_up = (old | frozenset(map(claim_of, entries))) - new
        return any(claim in self._owners for claim in given_up)
