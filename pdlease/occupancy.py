"""
Who has which place in the kernel: for each owner, which of what it wants has one, and what of that is there.

With it a change of one owner's wants is compared by itself, at a cost that does not grow with the number of others.
Where the wants of two meet is L{pdlease.placement}'s to say when all are looked at; between two such looks nobody takes
a place from another that has the better claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pdlease.kernel import ObjectKey, RoutePlace
from pdlease.placement import Placed, has_better_claim, slot_of
from pdlease.wanted import Wanted, WantedRoute, WantedUnreachable


class Occupancy:
    """
    What has its place.

    @ivar placed: what is wanted, by key, as when it was last looked at.
    @ivar held: what of it is there and as wanted.
    """

    def __init__(self) -> None:
        self.placed: Placed = {}
        self.held: dict[ObjectKey, Wanted] = {}
        self._keys: dict[str, list[ObjectKey]] = {}
        self._slots: dict[RoutePlace, ObjectKey] = {}

    def begin(self, placed: Placed) -> list[ObjectKey]:
        """
        These are the places of all from now on.

        @return: the keys that have none any more.
        """
        gone = [key for key in self.placed if key not in placed]
        self.placed = placed
        self._keys, self._slots = {}, {}
        self._note(placed)
        return gone

    def change(self, owner: str, placed: Placed) -> list[ObjectKey]:
        """
        These are the places of one owner from now on, less those that others have a better claim to (L{claimed}).

        @return: the keys that have none any more.
        """
        gone = []
        for key in self._keys.pop(owner, ()):
            item, _ = self.placed.get(key, (None, None))
            if item is None or item.uplink != owner:
                continue
            del self.placed[key]
            if isinstance(item, (WantedRoute, WantedUnreachable)) and self._slots.get(slot_of(item)) == key:
                del self._slots[slot_of(item)]
            if key not in placed:
                gone.append(key)
                self.held.pop(key, None)
        self.placed.update(placed)
        self._note(placed)
        return gone

    def claimed(self, owner: str, placed: Placed) -> Placed:
        """What of this one owner can have, since nobody else has a better claim to the place."""
        return {key: (item, link) for key, (item, link) in placed.items() if not self._is_lost(owner, key, item)}

    def of_others(self, owner: str, keys: Iterable[ObjectKey]) -> set[ObjectKey]:
        """Those of the keys that are somebody else's place."""
        return {key for key in keys if key in self.placed and self.placed[key][0].uplink != owner}

    def found(self, held: Mapping[ObjectKey, Wanted], looked_at: Iterable[ObjectKey] | None = None) -> None:
        """
        Take down what was found as wanted.

        @param looked_at: the keys that were looked at; C{None} for all.
        """
        if looked_at is None:
            self.held = dict(held)
            return
        for key in looked_at:
            self.held.pop(key, None)
        self.held.update(held)

    def _is_lost(self, owner: str, key: ObjectKey, item: Wanted) -> bool:
        there = key
        if isinstance(item, (WantedRoute, WantedUnreachable)):
            there = self._slots.get(slot_of(item), key)
        other, _ = self.placed.get(there, (None, None))
        return other is not None and other.uplink != owner and not has_better_claim(item, other)

    def _note(self, placed: Placed) -> None:
        for key, (item, _) in placed.items():
            self._keys.setdefault(item.uplink, []).append(key)
            if isinstance(item, (WantedRoute, WantedUnreachable)):
                self._slots[slot_of(item)] = key
