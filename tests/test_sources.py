"""
Tests of L{pdlease.sources}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.sources import chance


class ChanceTests(SynchronousTestCase):
    """Tests of L{chance}."""

    def test_ranges(self) -> None:
        """Random numbers lie in [0, 1), transaction ids have 24 bits (R-16.1-01)."""
        made = chance()
        for _ in range(200):
            self.assertTrue(0 <= made.random() < 1)
            self.assertTrue(0 <= made.transaction_id() < 1 << 24)

    def test_not_repeated(self) -> None:
        """Every start has a sequence of its own (R-15-02), and transaction ids are not repeated (R-16.1-02)."""
        sequences = {tuple(made.random() for _ in range(4)) for made in (chance() for _ in range(20))}
        self.assertEqual(len(sequences), 20)
        made = chance()
        self.assertGreater(len({made.transaction_id() for _ in range(100)}), 95)
