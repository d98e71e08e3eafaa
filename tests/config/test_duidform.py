"""
Tests of L{pdlease.config.duidform}.
"""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.duidform import DUIDForm, parse_form


class ParseFormTests(SynchronousTestCase):
    """
    The forms in which a DUID is configured.
    """

    def test_forms(self) -> None:
        """
        Every form of the design is taken apart, and says how long the DUID will be.
        """
        for text, expected, size in [
            ("uuid", DUIDForm(kind="uuid"), 18),
            ("llt:eth0", DUIDForm(kind="llt", link="eth0"), 14),
            ("ll:eth0.835", DUIDForm(kind="ll", link="eth0.835"), 10),
            ("en:30155:00aaff", DUIDForm(kind="en", enterprise=30155, data=b"\x00\xaa\xff"), 9),
            ("raw:00:03:00:01:AA", DUIDForm(kind="raw", data=b"\x00\x03\x00\x01\xaa"), 5),
        ]:
            self.assertEqual(parse_form(text), expected)
            self.assertEqual(parse_form(text).size, size)

    def test_refused(self) -> None:
        """
        What is none of the forms, too short or too long is refused with what was expected.
        """
        for text, words in [
            ("", "expected uuid, llt:LINK"),
            ("uuid:3", "expected uuid, llt:LINK"),
            ("UUID", "expected uuid, llt:LINK"),
            ("ll:", "expected ll:LINK"),
            ("llt", "expected llt:LINK"),
            ("en:x:00", "enterprise number"),
            ("en:4294967296:00", "enterprise number"),
            ("en:1:", "1 to 124 octets"),
            ("en:1:" + "00" * 125, "1 to 124 octets"),
            ("raw:", "3 to 130 octets"),
            ("raw:0003", "3 to 130 octets"),
            ("raw:" + "00" * 131, "3 to 130 octets"),
            ("raw:00030", "hexadecimal"),
            ("raw:0:0:03", "hexadecimal"),
            ("raw:00 03 00", "hexadecimal"),
            ("raw:\u0660\u0660\u0660\u0660\u0660\u0660", "hexadecimal"),
        ]:
            self.assertIn(words, str(self.assertRaises(ValueError, parse_form, text)), text)

    @given(st.binary(min_size=3, max_size=130))
    @settings(deadline=None)
    def test_any_octets(self, data: bytes) -> None:
        """
        Any octets can be given, with colons or without.
        """
        self.assertEqual(parse_form(f"raw:{data.hex()}").data, data)
        self.assertEqual(parse_form(f"raw:{data.hex(':')}").data, data)

    @given(st.text())
    @settings(deadline=None)
    def test_any_text(self, text: str) -> None:
        """
        Any text is a form or a C{ValueError}.
        """
        for prefix in ("", "en:", "raw:"):
            with contextlib.suppress(ValueError):
                parse_form(prefix + text)
