"""
Tests of L{pdlease.rehearsal}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.rehearsal import rehearse
from pdlease.wanted import WantedAddress, WantedRoute, WantedUnreachable


class RehearsalTests(SynchronousTestCase):
    """Tests of L{rehearse}."""

    def test_goes_all_the_way(self) -> None:
        """The rehearsal gets as far as the first real Reply has to: address, on-link route and unreachable route."""
        wanted = {type(item) for item in rehearse().wanted}
        self.assertTrue({WantedAddress, WantedRoute, WantedUnreachable} <= wanted, wanted)

    def test_the_same_every_time(self) -> None:
        """It depends on nothing but itself."""
        self.assertEqual(rehearse(1), rehearse(2))
