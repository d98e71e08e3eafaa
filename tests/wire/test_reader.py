"""
Tests for L{pdlease.wire.reader}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.wire.reader import LONGEST_EXCERPT, Layout, WireError, excerpt
from tests.packets import octets

NUMBERS = Layout("IA_PD", ("IAID", 4), ("T1", 4), ("T2", 4))


class WireErrorTests(SynchronousTestCase):
    def test_text(self) -> None:
        """An error says field, offset, problem and octets, in this order."""
        error = WireError("IA_PD, T2", 38, octets("001e"), "4 bytes wanted, 2 left")
        self.assertEqual(str(error), "IA_PD, T2 at byte 38: 4 bytes wanted, 2 left (00 1e)")

    def test_parts(self) -> None:
        """Every part of an error can be had by itself."""
        error = WireError("IA_PD, T2", 38, octets("001e"), "4 bytes wanted, 2 left")
        self.assertEqual(
            (error.field, error.offset, error.data, error.problem),
            ("IA_PD, T2", 38, octets("001e"), "4 bytes wanted, 2 left"),
        )

    def test_no_octets(self) -> None:
        """An error at the end of the data has no octets to show."""
        self.assertEqual(str(WireError("message", 0, b"", "nothing there")), "message at byte 0: nothing there")

    def test_bounded(self) -> None:
        """An error keeps a few octets only, however many there were."""
        self.assertEqual(len(WireError("message", 0, bytes(60000), "bad").data), LONGEST_EXCERPT)

    def test_excerpt(self) -> None:
        """An excerpt ends where the field ends, or at the limit."""
        self.assertEqual(excerpt(b"abcdef", 1, 3), b"bc")
        self.assertEqual(excerpt(bytes(100), 10, 100), bytes(LONGEST_EXCERPT))


class LayoutTests(SynchronousTestCase):
    def test_read(self) -> None:
        """All fields are read from where they stand; what follows them is left alone."""
        data = octets("ffff 00000001 00000e10 00001680 dddd")
        self.assertEqual(NUMBERS.read(data, 2, len(data)), (1, 3600, 5760))

    def test_cut(self) -> None:
        """Of fields cut short the first that does not fit is named, with its offset in the datagram."""
        data = octets("ffff 00000001 00000e10 001e dddd")
        error = self.assertRaises(WireError, NUMBERS.read, data, 2, 12)
        self.assertEqual(str(error), "IA_PD, T2 at byte 10: 4 bytes wanted, 2 left (00 1e)")
        error = self.assertRaises(WireError, NUMBERS.read_whole, data, 2, 2)
        self.assertEqual(str(error), "IA_PD, IAID at byte 2: 4 bytes wanted, 0 left")

    def test_every_cut(self) -> None:
        """Wherever the data ends, the field named is the one that the end cuts."""
        data = bytes(12)
        for length in range(12):
            error = self.assertRaises(WireError, NUMBERS.read, data, 0, length)
            self.assertEqual(error.field, "IA_PD, " + ("IAID", "T1", "T2")[length // 4])
            self.assertEqual(error.offset, length // 4 * 4)

    def test_read_whole(self) -> None:
        """Fields that must end the option are read if they do."""
        self.assertEqual(NUMBERS.read_whole(octets("00000001 00000e10 00001680"), 0, 12), (1, 3600, 5760))

    def test_surplus(self) -> None:
        """Octets behind fields that must end the option are an error at the first of them."""
        error = self.assertRaises(WireError, NUMBERS.read_whole, bytes(12) + b"\1\2", 0, 14)
        self.assertEqual(str(error), "IA_PD at byte 12: 12 bytes wanted, 14 there (01 02)")

    def test_pack(self) -> None:
        """A layout writes what it reads."""
        self.assertEqual(NUMBERS.pack(1, 3600, 5760), octets("00000001 00000e10 00001680"))
