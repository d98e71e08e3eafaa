"""
Tests of L{pdlease.control.terminal}.
"""

from __future__ import annotations

import io
import os
import pty
import struct
import sys
from fcntl import ioctl
from termios import TIOCSWINSZ
from textwrap import dedent

from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.terminal import fitted, width_of


class FittedTests(SynchronousTestCase):
    """Lines that are longer than the terminal is wide."""

    def assertFitted(self, text: str, width: int, expected: str) -> None:
        """Check that this text becomes that, and that no line of it is longer than the terminal is wide."""
        text, expected = (dedent(one).removeprefix("\n") for one in (text, expected))
        shown = fitted(text, width)
        self.assertEqual(shown, expected)
        self.assertTrue(all(len(line) <= width for line in shown.splitlines()))

    def test_columns(self) -> None:
        """A line goes on below the column that it broke in, and one that fits stays as it is."""
        self.assertFitted(
            """
            wan: bound
              why       server 0003000102005e005301 gave the prefixes or extended them
              lan0      2001:db8::1/64  installed
            """,
            48,
            """
            wan: bound
              why       server 0003000102005e005301 gave the
                        prefixes or extended them
              lan0      2001:db8::1/64  installed
            """,
        )

    def test_sentences(self) -> None:
        """A sentence goes on a little to the right; what has no blank is broken where the terminal ends."""
        self.assertFitted(
            "wan: the kernel ignores Router Advertisements on it\n" + "x" * 50 + "\n",
            40,
            """
            wan: the kernel ignores Router
                Advertisements on it
            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
                xxxxxxxxxx
            """,
        )

    def test_tree(self) -> None:
        """The branches of a tree go on; a column in the right half is no place to go on in."""
        self.assertFitted(
            """
            wan
            ├─ 2001:db8::/56 (IAID 1, needs a /58, asks for a /56)
            │  └─ 2001:db8::/64  lan0, router 2001:db8::1
            """,
            41,
            """
            wan
            ├─ 2001:db8::/56 (IAID 1, needs a /58,
            │  asks for a /56)
            │  └─ 2001:db8::/64  lan0, router
            │     2001:db8::1
            """,
        )

    def test_colours(self) -> None:
        """Colours go on in the next line, and take no room."""
        text = f"  why       \x1b[31m{'word ' * 10}\x1b[0m\n"
        first, second = fitted(text, 50).splitlines()
        self.assertEqual(first.count("word"), 7)
        self.assertTrue(first.startswith("  why       \x1b[31mword"), first)
        self.assertTrue(second.startswith(f"{' ' * 12}\x1b[31mword"), second)
        self.assertEqual(fitted(text, 62), text)

    def test_as_it_is(self) -> None:
        """Where there is no terminal, or one that nobody can read on, nothing is broken; nor is without rich."""
        text = "word " * 50 + "\n"
        for width in (None, 0, 39, 1000):
            self.assertEqual(fitted(text, width), text)
        self.patch(sys, "modules", {**sys.modules, "rich.console": None})
        self.assertEqual(fitted(text, 80), text)


class WidthTests(SynchronousTestCase):
    """What is asked of a stream."""

    def test_terminal(self) -> None:
        """The width is the terminal's own; what is none has none."""
        leader, follower = pty.openpty()
        self.addCleanup(os.close, leader)
        ioctl(follower, TIOCSWINSZ, struct.pack("HHHH", 24, 77, 0, 0))
        with open(follower, "w", encoding="utf-8") as stream:
            self.assertEqual(width_of(stream), 77)
        self.assertIsNone(width_of(io.StringIO()))

    def test_without_descriptor(self) -> None:
        """A stream that only says it is a terminal has no width."""

        class Pretender(io.StringIO):
            def isatty(self) -> bool:
                return True

        self.assertIsNone(width_of(Pretender()))
