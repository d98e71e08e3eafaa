"""Tests of the AMP codec and of the scanner that bounds boxes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.protocols import amp
from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.boxes import MAX_BOX, MAX_KEY, MAX_PAIRS, MAX_VALUE, BoxScanner, BoxTooLarge, encode_box
from tests.control.daemons import read_boxes

BOXES = st.dictionaries(
    st.binary(min_size=1, max_size=MAX_KEY), st.binary(max_size=300), min_size=1, max_size=MAX_PAIRS
)


class CodecTests(SynchronousTestCase):
    @settings(max_examples=100, deadline=None)
    @given(BOXES)
    def test_as_twisted(self, box: dict[bytes, bytes]) -> None:
        """What is written is what Twisted's AMP reads, and what Twisted's AMP writes is read."""
        self.assertEqual(amp.parseString(encode_box(box)), [box])
        self.assertEqual(read_boxes(amp.AmpBox(box).serialize()), [box])

    def test_too_large(self) -> None:
        """What does not fit into a box is refused, not cut."""
        for box in ({b"": b"x"}, {b"k" * 256: b""}, {b"k": b"x" * 65536}):
            self.assertRaises(ValueError, encode_box, box)

    def test_no_box(self) -> None:
        """What is no box of this protocol is a ValueError."""
        self.assertRaises(ValueError, read_boxes, b"\x01\x00" + b"k" * 256)


class ScannerTests(SynchronousTestCase):
    @settings(max_examples=100, deadline=None)
    @given(st.lists(BOXES, min_size=1, max_size=4), st.lists(st.integers(1, 40), max_size=30))
    def test_ends(self, boxes: list[dict[bytes, bytes]], cuts: list[int]) -> None:
        """The scanner finds the end of every box, however the stream is cut into chunks."""
        octets = [encode_box(box) for box in boxes if len(encode_box(box)) <= MAX_BOX]
        stream, expected, position = b"".join(octets), [], 0
        for one in octets:
            position += len(one)
            expected.append(position)
        scanner, found, start = BoxScanner(), [], 0
        for size in [*cuts, len(stream) or 1]:
            chunk, place = stream[start : start + size], 0
            while (place := scanner.find_end(chunk, place)) >= 0:
                found.append(start + place)
                self.assertFalse(scanner.is_inside)
            start += len(chunk)
        self.assertEqual(found, expected)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.binary(max_size=200), max_size=20))
    def test_any_octets(self, chunks: list[bytes]) -> None:
        """Any octets at all end in boxes or in BoxTooLarge, nothing else."""
        scanner = BoxScanner()
        try:
            for chunk in chunks:
                place = 0
                while (place := scanner.find_end(chunk, place)) >= 0:
                    pass
        except BoxTooLarge:
            pass

    def test_bounds(self) -> None:
        """Each bound holds exactly: what fills it passes, one more does not, and is noticed from its length alone."""
        pair = b"\0\1k" + MAX_VALUE.to_bytes(2, "big")
        BoxScanner().find_end(pair, 0)
        fits = (pair + b"v" * MAX_VALUE) + b"\0\1k" + (MAX_BOX - MAX_VALUE - 10).to_bytes(2, "big")
        self.assertEqual(BoxScanner().find_end(fits, 0), -1)
        for octets in (
            b"\0\1k" + (MAX_VALUE + 1).to_bytes(2, "big"),
            (MAX_KEY + 1).to_bytes(2, "big"),
            b"\0\1k\0\0" * MAX_PAIRS + b"\0\1",
            (pair + b"v" * MAX_VALUE) + b"\0\1k" + (MAX_BOX - MAX_VALUE - 9).to_bytes(2, "big"),
        ):
            scanner = BoxScanner()
            self.assertEqual(scanner.find_end(octets[:-1], 0), -1)
            with self.assertRaises(BoxTooLarge):
                scanner.find_end(octets[-1:], 0)
