"""
Tests for L{pdlease.privilege.box}.
"""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.protocols import amp
from twisted.trial.unittest import SynchronousTestCase

from pdlease.privilege.box import MAX_KEY, MAX_KEYS, MAX_VALUE, Box, BoxReader, encode_box


def boxes(*parts: bytes) -> list[Box]:
    """The boxes that come out when these parts arrive."""
    reader = BoxReader()
    return [box for part in parts for box in reader.feed(part)]


def size(reader: BoxReader) -> int:
    """How many octets a reader keeps."""
    return len(reader._buffer) + sum(len(key) + len(value) for key, value in reader._values.items())


class EncodeTests(SynchronousTestCase):
    """L{encode_box}."""

    def test_as_twisted(self) -> None:
        """
        A box has the octets that Twisted gives it.
        """
        values = {"_ask": b"1f", "_command": b"hello", "empty": b""}
        self.assertEqual(encode_box(values), amp.AmpBox(values).serialize())

    def test_what_amp_cannot_carry(self) -> None:
        """
        Empty and over-long keys and over-long values are errors.
        """
        for values in ({"": b"x"}, {"k" * 256: b""}, {"k": bytes(65536)}):
            self.assertRaises(ValueError, encode_box, values)


class BoxReaderTests(SynchronousTestCase):
    """L{BoxReader}."""

    @settings(deadline=None, max_examples=50)
    @given(
        values=st.lists(
            st.dictionaries(st.text(st.characters(max_codepoint=255), min_size=1, max_size=40), st.binary(max_size=99)),
            max_size=4,
        ),
        cut=st.integers(1, 50),
    )
    def test_round_trip(self, values: list[dict[str, bytes]], cut: int) -> None:
        """
        Boxes come out as they went in, however they are cut on the way.
        """
        data = b"".join(map(encode_box, values))
        parts = [data[start : start + cut] for start in range(0, len(data), cut)]
        found = boxes(*parts)
        for one in found:
            if len(one.values) < MAX_KEYS:
                self.assertEqual(one.problem, "")
        self.assertEqual([box.values for box in found if not box.problem], [v for v in values if len(v) <= MAX_KEYS])

    @settings(deadline=None, max_examples=50)
    @given(parts=st.lists(st.binary(max_size=300), max_size=20))
    def test_any_octets(self, parts: list[bytes]) -> None:
        """
        Whatever arrives, the reader goes on, and keeps no more than one box within bounds and one unfinished part.
        """
        reader = BoxReader()
        for part in parts:
            for box in reader.feed(part):
                self.assertLessEqual(len(box.values), MAX_KEYS)
            self.assertLessEqual(size(reader), MAX_KEYS * (MAX_KEY + MAX_VALUE) + MAX_VALUE + 2)

    def test_over_long_value(self) -> None:
        """
        A value beyond the bound is passed over, its box says so, and the next box is whole.
        """
        first, second = boxes(encode_box({"a": b"1", "k": bytes(MAX_VALUE + 1), "b": b"2"}), encode_box({"c": b"3"}))
        self.assertEqual(
            (first.values, first.problem), ({"a": b"1", "b": b"2"}, "a value of 513 octets; 512 is the most")
        )
        self.assertEqual(second, Box(values={"c": b"3"}, problem=""))

    def test_over_long_key(self) -> None:
        """
        A key beyond the bound is passed over together with its value, whatever its length: not even Twisted's limit of
        255 counts.
        """
        data = struct.pack("!H", 65535) + bytes(65535) + struct.pack("!H", 3) + b"abc" + b"\0\1a\0\x011\0\0"
        (box,) = boxes(data[:70000], data[70000:])
        self.assertEqual((box.values, box.problem), ({"a": b"1"}, "a key of 65535 octets; 40 is the most"))

    def test_passed_over_is_not_kept(self) -> None:
        """
        While an over-long value arrives, nothing of it is kept.
        """
        reader = BoxReader()
        list(reader.feed(b"\0\1k" + struct.pack("!H", 65535)))
        for _ in range(60):
            list(reader.feed(bytes(1000)))
            self.assertEqual(size(reader), 0)

    def test_too_many_keys(self) -> None:
        """
        Of a box with too many keys the first ones are kept.
        """
        (box,) = boxes(encode_box({f"k{number}": b"" for number in range(MAX_KEYS + 5)}))
        self.assertEqual((len(box.values), box.problem), (MAX_KEYS, "more than 16 keys"))

    def test_key_twice(self) -> None:
        """
        Of a key that comes twice the first counts, and the box says so.
        """
        (box,) = boxes(b"\0\1k\0\x011\0\1k\0\x012\0\0")
        self.assertEqual((box.values, box.problem), ({"k": b"1"}, "the key 'k' twice"))

    def test_empty_box(self) -> None:
        """
        Two zeros are an empty box.
        """
        self.assertEqual(boxes(b"\0\0\0", b"\0"), [Box(values={}, problem="")] * 2)
