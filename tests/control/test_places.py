"""Tests of how places for connections are shared out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.places import Places


class Occupant:
    """Somebody in a place."""

    def __init__(self, is_idle: bool = True) -> None:
        self.is_idle = is_idle
        self.gave_way = False

    def give_way(self) -> None:
        self.gave_way = True


class PlacesTests(SynchronousTestCase):
    """Who gets in, and who goes."""

    def taken(self, places: Places[Occupant], owner: str, count: int, is_idle: bool = True) -> list[Occupant]:
        """So many occupants of one owner, each of whom got in."""
        occupants = [Occupant(is_idle) for _ in range(count)]
        for occupant in occupants:
            self.assertTrue(places.make_room(owner))
            places.take(occupant, owner)
        return occupants

    def test_own_idle_first(self) -> None:
        """Who has as many as one may displaces the first of their own that idles, and nobody else's."""
        places: Places[Occupant] = Places(8, 3)
        others = self.taken(places, "b", 2)
        busy = self.taken(places, "a", 1, is_idle=False)
        idle = self.taken(places, "a", 2)
        self.taken(places, "a", 1)
        self.assertEqual([one.gave_way for one in (*others, *busy, *idle)], [False, False, False, True, False])
        self.assertEqual(len(places), 5)

    def test_busy_stay(self) -> None:
        """Who does not idle is never displaced; then there is no place."""
        places: Places[Occupant] = Places(4, 2)
        busy = self.taken(places, "a", 2, is_idle=False) + self.taken(places, "b", 2, is_idle=False)
        for owner in ("a", "b", "c"):
            self.assertFalse(places.make_room(owner))
        self.assertEqual([one.gave_way for one in busy], [False] * 4)

    def test_greedy_give(self) -> None:
        """Where all are taken, whoever has most gives to who has less; equals leave each other alone."""
        places: Places[Occupant] = Places(4, 3)
        a, b = self.taken(places, "a", 3), self.taken(places, "b", 1)
        self.taken(places, "c", 1)
        self.assertEqual(([one.gave_way for one in a], b[0].gave_way), ([True, False, False], False))
        self.taken(places, "c", 1)
        self.assertEqual([one.gave_way for one in a], [True, False, False])
        self.assertFalse(places.make_room("d") and len(places) > 4)

    def test_left(self) -> None:
        """A place that was left is free; leaving twice is nothing."""
        places: Places[Occupant] = Places(1, 1)
        (one,) = self.taken(places, "a", 1, is_idle=False)
        self.assertFalse(places.make_room("b"))
        places.leave(one)
        places.leave(one)
        self.assertTrue(places.make_room("b"))

    @given(st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), max_size=60))
    def test_bounds(self, newcomers: list[tuple[str, bool]]) -> None:
        """Whoever comes in whatever order: there are never more than there may be, of one owner neither."""
        places: Places[Occupant] = Places(6, 3)
        present: dict[Occupant, str] = {}
        for owner, is_idle in newcomers:
            if places.make_room(owner):
                newcomer = Occupant(is_idle)
                places.take(newcomer, owner)
                present[newcomer] = owner
            present = {one: whose for one, whose in present.items() if not one.gave_way}
            self.assertEqual(set(places), set(present))
            self.assertLessEqual(len(present), 6)
            self.assertTrue(all(list(present.values()).count(whose) <= 3 for whose in "abcde"))
        # somebody with nothing at all gets in as long as anybody idles and has two more
        idle = [present[one] for one in present if one.is_idle]
        if any(list(present.values()).count(whose) > 1 for whose in idle):
            self.assertTrue(places.make_room("f"))
