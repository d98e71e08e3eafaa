"""
Tests of L{pdlease.dating}.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from pdlease.dating import date_leases
from pdlease.interfaces import Stored
from pdlease.lease import UplinkRecord
from tests.house import TWO, House


class Shelf:
    """A store that can be read, and counts how often."""

    def __init__(self, **records: UplinkRecord) -> None:
        self.records = records
        self.loads = 0

    def load(self) -> Deferred[Stored]:
        """What is on it."""
        self.loads += 1
        return succeed(Stored(identity=None, uplinks=tuple(self.records.items())))


class DatingTests(SynchronousTestCase):
    """Leases of a machine that did not know what time it was."""

    def setUp(self) -> None:
        before = House()
        before.add_links()
        before.begin().wait(3)
        self.record = before.uplink().record
        self.house = House(TWO)
        self.house.clock.advance(before.clock.seconds() - self.house.clock.seconds())
        self.house.silent.update(("eth0", "ppp0"))
        self.house.add_links()
        self.house.begin({"wan": evolve(self.record, trusted=False)})
        self.house.wait(5)

    def date(self, store: Any) -> None:
        """The clock can be believed by now."""
        self.successResultOf(ensureDeferred(date_leases(self.house.router.uplinks, store)))

    def test_dated(self) -> None:
        """
        A lease that nobody could date is on the LAN as soon as the store can say when it ends, and kept as trusted,
        although no server has answered yet (R-12-06).
        """
        house = self.house
        self.assertEqual((house.addresses(), house.uplink().is_undated), ({}, True))
        self.date(Shelf(wan=self.record, dsl=self.record, other=self.record))
        self.assertEqual(list(house.addresses()), ["2001:db8::1/64"])
        self.assertEqual((house.uplink().is_undated, house.uplink().record.trusted), (False, True))
        self.assertEqual(house.uplink("dsl").lease.prefixes, ())
        self.assertEqual(house.told("lease")[-1]["change"], "dated")
        house.wait(7200)
        self.assertEqual(house.addresses(), {})

    def test_still_undated(self) -> None:
        """What the store still cannot date stays as it is."""
        self.date(Shelf(wan=evolve(self.record, trusted=False)))
        self.assertEqual((self.house.addresses(), self.house.uplink().is_undated), ({}, True))

    def test_forgotten(self) -> None:
        """What the store does not know any more stays as it is."""
        self.date(Shelf())
        self.assertTrue(self.house.uplink().is_undated)

    def test_not_needed(self) -> None:
        """Where every lease has its times, the store is left alone."""
        shelf = Shelf(wan=self.record)
        self.date(shelf)
        self.date(shelf)
        self.assertEqual(shelf.loads, 1)
