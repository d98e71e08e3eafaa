"""
Tests of L{pdlease.occupancy}.
"""

from __future__ import annotations

from ipaddress import IPv6Interface, IPv6Network
from math import inf

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.claims import Claims
from pdlease.kernel import Link
from pdlease.occupancy import Occupancy
from pdlease.placement import Placed, has_better_claim, place
from pdlease.wanted import Wanted, WantedAddress, WantedRoute

LAN = Link(index=2, name="lan0")
GUEST = Link(index=3, name="tap0")


class Names:
    """Two links."""

    links = {2: LAN, 3: GUEST}

    def link_named(self, name: str) -> Link | None:
        """Find one."""
        return next((link for link in self.links.values() if link.name == name), None)


def address(owner: str, number: int = 1, valid: float = inf) -> WantedAddress:
    """An address on the LAN."""
    text = f"2001:db8:{number}::1/64"
    return WantedAddress(
        link="lan0", address=IPv6Interface(text), preferred_until=valid, valid_until=valid, uplink=owner
    )


def route(owner: str, link: str = "lan0", valid: float = inf) -> WantedRoute:
    """A route that there can be only one of."""
    return WantedRoute(
        link=link, prefix=IPv6Network("2001:db8::/64"), valid_until=valid, table=254, metric=512, uplink=owner
    )


def placed(*items: Wanted) -> Placed:
    """The places of these, looked at together."""
    return place(items, Names(), 0.0)


class OccupancyTests(SynchronousTestCase):
    """Who has which place."""

    def setUp(self) -> None:
        self.occupancy = Occupancy()

    def change(self, owner: str, *items: Wanted) -> list[object]:
        """One owner wants these from now on."""
        return list(self.occupancy.change(owner, self.occupancy.claimed(owner, placed(*items))))

    def test_better_claim(self) -> None:
        """Nobody takes an address from another who has the better claim; who has the better claim takes it."""
        self.change("wan", address("wan", valid=500.0))
        self.change("dsl", address("dsl", valid=400.0))
        self.assertEqual(self.occupancy.placed, placed(address("wan", valid=500.0)))
        self.change("dsl", address("dsl", valid=600.0))
        self.assertEqual(self.occupancy.placed, placed(address("dsl", valid=600.0)))

    def test_one_route_in_a_place(self) -> None:
        """Of routes with the same prefix, table and metric the one with the better claim has the place, on any link."""
        self.change("wan", route("wan", valid=500.0))
        self.change("dsl", route("dsl", link="tap0", valid=400.0))
        self.assertEqual(self.occupancy.placed, placed(route("wan", valid=500.0)))
        self.assertEqual(self.change("wan"), [(IPv6Network("2001:db8::/64"), 2, 254, 512)])
        self.change("dsl", route("dsl", link="tap0", valid=400.0))
        self.assertEqual(self.occupancy.placed, placed(route("dsl", link="tap0", valid=400.0)))

    def test_gone(self) -> None:
        """What an owner wants no more has no place, and is not held; what others want is as it was."""
        self.change("wan", address("wan", 1), address("wan", 2))
        self.change("dsl", address("dsl", 3))
        self.occupancy.found({key: item for key, (item, _) in self.occupancy.placed.items()})
        gone = self.change("wan", address("wan", 2))
        self.assertEqual(gone, [(2, IPv6Interface("2001:db8:1::1/64").ip)])
        self.assertEqual({str(key[1]) for key in self.occupancy.held}, {"2001:db8:2::1", "2001:db8:3::1"})
        self.assertEqual(self.occupancy.of_others("wan", self.occupancy.placed), {(2, address("dsl", 3).address.ip)})

    def test_found(self) -> None:
        """What was looked at and not found is not held; what was not looked at is."""
        self.change("wan", address("wan", 1), address("wan", 2))
        first, second = self.occupancy.placed
        self.occupancy.found({first: address("wan", 1), second: address("wan", 2)})
        self.occupancy.found({}, [first])
        self.assertEqual(list(self.occupancy.held), [second])
        self.occupancy.found({first: address("wan", 1)})
        self.assertEqual(list(self.occupancy.held), [first])

    @given(st.lists(st.tuples(st.sampled_from("abc"), st.sets(st.tuples(st.integers(1, 4), st.integers(1, 3))))))
    def test_as_if_looked_at_together(self, history: list[tuple[str, set[tuple[int, int]]]]) -> None:
        """
        Whoever wants what after whom, with a look at everything at once when something is given up that others want and
        a little later otherwise: whatever anybody wants has somebody who wants it, and whoever has the best claim to it
        by what was wanted last has it at once.
        """
        occupancy, claims = Occupancy(), Claims()
        wants: dict[str, list[Wanted]] = {}
        for owner, numbers in history:
            wants[owner] = [address(owner, number, 100.0 * claim) for number, claim in sorted(numbers)]
            together = placed(*(item for items in wants.values() for item in items))
            if claims.change(owner, wants[owner]):
                occupancy.begin(dict(together))
            else:
                occupancy.change(owner, occupancy.claimed(owner, placed(*wants[owner])))
            self.assertEqual(set(occupancy.placed), set(together))
            for item, _ in occupancy.placed.values():
                self.assertIn(item, wants[item.uplink])
            for key, (item, _) in together.items():
                if item.uplink == owner:
                    self.assertFalse(has_better_claim(item, occupancy.placed[key][0]))
            occupancy.begin(dict(together))
