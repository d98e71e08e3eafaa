"""
Tests for L{pdlease.wire.chain}.
"""

from __future__ import annotations

import sys

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from pdlease.wire.chain import MalformedOption, OpaqueOption, read_options, write_options
from pdlease.wire.codes import OptionCode
from pdlease.wire.options import ElapsedTime, OptionRequest, Preference
from pdlease.wire.reader import WireError
from tests.packets import octets

KNOWN = {OptionCode.PREFERENCE: Preference.read, OptionCode.ELAPSED_TIME: ElapsedTime.read}


class ReadOptionsTests(SynchronousTestCase):
    def read(self, text: str) -> tuple[tuple[object, ...], bytes]:
        """Read options that stand at byte 4 of a datagram and end two bytes before its end."""
        data = b"head" + octets(text) + b"zz"
        return read_options(data, 4, len(data) - 2, KNOWN, "message")

    def test_nothing(self) -> None:
        """No octets are no options."""
        self.assertEqual(self.read(""), ((), b""))

    def test_order(self) -> None:
        """Options come in the order in which they stand, repeated ones each by itself (section 21.1)."""
        self.assertEqual(
            self.read("0007 0001 05  0008 0002 0064  0007 0001 06"),
            ((Preference(5), ElapsedTime(100), Preference(6)), b""),
        )

    def test_unknown(self) -> None:
        """B.9-05, R-16-10: an option that is not known in this place is kept verbatim, empty or not."""
        self.assertEqual(
            self.read("ffff 0002 abcd  0019 0000"), ((OpaqueOption(0xFFFF, octets("abcd")), OpaqueOption(25, b"")), b"")
        )

    def test_malformed(self) -> None:
        """R-16-20, B.3-02, B.9-04: an option of bad content is set aside with what is wrong, its neighbours stay."""
        options, remainder = self.read("0007 0002 0506  0008 0002 0064")
        self.assertEqual(options, (MalformedOption(7, octets("0506"), WireError("", 0, b"", "")), ElapsedTime(100)))
        malformed = options[0]
        assert isinstance(malformed, MalformedOption)
        self.assertEqual(str(malformed.problem), "PREFERENCE at byte 9: 1 byte wanted, 2 there (06)")
        self.assertEqual(remainder, b"")

    def test_malformed_holds_no_frames(self) -> None:
        """What is wrong with an option does not keep the datagram alive through a traceback."""
        options, _ = self.read("0007 0000")
        malformed = options[0]
        assert isinstance(malformed, MalformedOption)
        self.assertIsNone(malformed.problem.__traceback__)

    def test_stray_octets(self) -> None:
        """R-16-20: one to three octets behind the last option are handed back and do no harm."""
        for stray in ("00", "0007", "000700"):
            self.assertEqual(self.read("0007 0001 05" + stray), ((Preference(5),), octets(stray)))

    def test_past_the_end(self) -> None:
        """R-16-20: an option that reaches past the end of its container is an error, also where octets follow."""
        for length in ("0002", "0004", "ffff"):
            error = self.assertRaises(WireError, self.read, f"0007 0001 05  0008 {length} 64")
            self.assertEqual(error.offset, 9)
        self.assertEqual(
            str(error), "message, option 8 at byte 9: 65535 bytes of content wanted, 1 left (00 08 ff ff 64)"
        )


class WriteOptionsTests(SynchronousTestCase):
    def test_order(self) -> None:
        """Options are written in the order given, each behind code and length."""
        self.assertEqual(
            write_options((ElapsedTime(100), OpaqueOption(0xFFFF, b""), Preference(5))),
            octets("0008 0002 0064  ffff 0000  0007 0001 05"),
        )

    def test_malformed(self) -> None:
        """An option that could not be read is written as it came."""
        options, _ = read_options(octets("0007 0002 0506"), 0, 6, KNOWN, "message")
        self.assertEqual(write_options(options), octets("0007 0002 0506"))

    def test_what_does_not_fit(self) -> None:
        """A number too great for its field, content too long for an option, a code too great: all refused by name."""
        for option in (Preference(256), OptionRequest((65536,)), OptionRequest((1,) * 40000), OpaqueOption(65536, b"")):
            error = self.assertRaises(ValueError, write_options, (option,))
            self.assertIn(f"{type(option).__name__} cannot be encoded: ", str(error))

    def test_any_option(self) -> None:
        """Whatever has a code and a body can be written."""

        @frozen
        class Mine:
            code = 60000

            def body(self) -> bytes:
                return b"mine"

        self.assertEqual(write_options((Mine(),)), octets("ea60 0004 6d696e65"))


class PlainOptionTests(SynchronousTestCase):
    def test_codes(self) -> None:
        """Options without a class of their own tell their code all the same."""
        self.assertEqual(OpaqueOption(99, b"").code, 99)
        self.assertEqual(MalformedOption(7, b"", WireError("", 0, b"", "")).code, 7)

    def test_values(self) -> None:
        """Two malformed options are equal when their octets are, wherever they stood."""
        first = MalformedOption(7, b"ab", WireError("PREFERENCE", 4, b"", ""))
        second = MalformedOption(7, b"ab", WireError("PREFERENCE", 90, b"", ""))
        self.assertEqual(first, second)
        self.assertEqual(hash(first), hash(second))
        self.assertNotEqual(first, MalformedOption(7, b"ac", first.problem))

    def test_small(self) -> None:
        """An opaque option has no dictionary: a message of 64 KiB may hold sixteen thousand of them."""
        self.assertFalse(hasattr(OpaqueOption(1, b""), "__dict__"))
        self.assertLessEqual(sys.getsizeof(OpaqueOption(1, b"")), 64)
