"""
Places for connections, shared out so that nobody can keep others out for good.

There are so many places, and so many for each owner: a user, the holder of a certificate, a network.  Where none is
left, a connection that asks for nothing makes room: one of the newcomer's own, or one of whoever holds most.  Who
has which places is L{pdlease.control.server}, for handshakes L{pdlease.control.remote}.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from typing import Generic, Protocol, TypeVar


class Occupant(Protocol):
    """What a place can be taken by."""

    @property
    def is_idle(self) -> bool:
        """Whether it asks for nothing and waits for nothing."""

    def give_way(self) -> None:
        """Hang up, since a newcomer needs the place."""


T = TypeVar("T", bound=Occupant)


class Places(Generic[T]):
    """
    @ivar most: how many places there are.
    @ivar each: how many of them one owner can have.
    """

    def __init__(self, most: int, each: int) -> None:
        self.most = most
        self.each = each
        self._taken: dict[T, Hashable] = {}

    def __len__(self) -> int:
        return len(self._taken)

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._taken))

    def make_room(self, owner: Hashable) -> bool:
        """
        See that there is a place for a newcomer, at the cost of an idle occupant where it must be.

        @return: whether there is one.
        """
        held = Counter(self._taken.values())
        if held[owner] >= self.each:
            return self._dismiss_one_of(owner)
        if len(self._taken) < self.most:
            return True
        # whoever has no more than the newcomer would have is left alone: they would only take turns
        greedier = (other for other, count in held.most_common() if count > held[owner] + 1 or other == owner)
        return any(self._dismiss_one_of(other) for other in greedier)

    def take(self, occupant: T, owner: Hashable) -> None:
        """Have a place."""
        self._taken[occupant] = owner

    def leave(self, occupant: T) -> None:
        """Have it no more; may be called again."""
        self._taken.pop(occupant, None)

    def _dismiss_one_of(self, owner: Hashable) -> bool:
        """Take its place from the first to come that is idle."""
        for occupant, other in self._taken.items():
            if other == owner and occupant.is_idle:
                self.leave(occupant)
                occupant.give_way()
                return True
        return False
