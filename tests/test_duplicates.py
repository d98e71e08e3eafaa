"""
Tests of L{pdlease.duplicates}; with a kernel that detects them, see L{tests.test_applier}.
"""

from __future__ import annotations

from ipaddress import IPv6Interface

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.duplicates import DUPLICATE_WAIT, Duplicates
from pdlease.kernel import AddressKey, Link
from pdlease.placement import Placed
from pdlease.wanted import WantedAddress

ADDRESS = WantedAddress(
    link="lan0", address=IPv6Interface("2001:db8::1/64"), preferred_until=900.0, valid_until=900.0, uplink="wan"
)
RENEWED = evolve(ADDRESS, valid_until=1800.0)
KEY: AddressKey = (2, ADDRESS.address.ip)


def wanted(item: WantedAddress) -> Placed:
    """What is wanted."""
    return {KEY: (item, Link(index=2, name="lan0"))}


class DuplicatesTests(SynchronousTestCase):
    """DS-02: an address that another host holds."""

    def setUp(self) -> None:
        self.duplicates = Duplicates()

    def alone(self, item: WantedAddress, now: float) -> bool:
        """Whether it is left alone, having been taken away in second 100."""
        return KEY in self.duplicates.among(wanted(item), {KEY: 100.0}, now)

    def test_until_renewed(self) -> None:
        """It is left alone for a minute at least, and after that until a Reply has renewed it."""
        self.assertTrue(self.alone(ADDRESS, 100.0))
        self.assertTrue(self.alone(RENEWED, 100.0 + DUPLICATE_WAIT - 1))
        self.assertTrue(self.alone(ADDRESS, 100.0 + 5 * DUPLICATE_WAIT))
        self.assertFalse(self.alone(RENEWED, 100.0 + 5 * DUPLICATE_WAIT))

    def test_not_wanted(self) -> None:
        """One that nobody wants is nobody's concern, and is told anew when somebody does."""
        self.assertTrue(self.alone(ADDRESS, 100.0))
        self.assertEqual(self.duplicates.among({}, {KEY: 100.0}, 110.0), {})
        self.assertTrue(self.alone(RENEWED, 300.0))
