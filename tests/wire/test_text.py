"""
Tests for L{pdlease.wire.text}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.wire.text import LONGEST_TEXT, plain_text


class PlainTextTests(SynchronousTestCase):
    def test_plain(self) -> None:
        """Ordinary text in any script stays as it is."""
        self.assertEqual(plain_text("kein Präfix übrig, 前缀".encode()), "kein Präfix übrig, 前缀")

    def test_escape_sequences(self) -> None:
        """R-18.2.9-11, B.9-08: what would steer a terminal loses its control character and so its power."""
        self.assertEqual(plain_text(b"\x1b[31mred\x07\x00\x9b"), "[31mred\N{REPLACEMENT CHARACTER}")
        self.assertEqual(plain_text("\x9b31m".encode()), "31m")

    def test_one_line(self) -> None:
        """R-18.2.9-11: line ends and other white space become spaces, and none stand at the ends."""
        self.assertEqual(plain_text("\r\na\nb\tc\u2028d\u00a0e \0".encode()), "a b c d e")

    def test_writing_direction(self) -> None:
        """Characters that turn the writing direction, and other invisible ones, are left out."""
        self.assertEqual(plain_text("a\u202eb\u200bc\ufeffd\ue000".encode()), "abcd")

    def test_invalid_utf8(self) -> None:
        """R-18.2.9-11, B.9-08: octets that are no UTF-8 become replacement characters."""
        self.assertEqual(plain_text(b"a\xff\xc3b\xed\xa0\x80"), "a" + "\ufffd" * 2 + "b" + "\ufffd" * 3)

    def test_bounded(self) -> None:
        """R-18.2.9-11: a text of 60 kB becomes one of a thousand characters that shows that it was cut."""
        text = plain_text(b"a" * 60000)
        self.assertEqual(text, "a" * (LONGEST_TEXT - 1) + "…")
        self.assertEqual(len(plain_text("前".encode() * 60000, 5)), 5)

    def test_just_fits(self) -> None:
        """A text of just the length allowed is whole."""
        self.assertEqual(plain_text(b"abcde", 5), "abcde")
        self.assertEqual(plain_text(b"abcdef", 5), "abcd…")
