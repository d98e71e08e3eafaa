"""
Tests for L{pdlease.wire.duid}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.wire.duid import DUID
from tests.packets import octets


class DUIDTests(SynchronousTestCase):
    def test_link_layer(self) -> None:
        """B.6-01, R-11-08: a DUID-LL is type 3, the hardware type and the address."""
        duid = DUID.from_link_layer(1, octets("001122334455"))
        self.assertEqual(duid.data, octets("0003 0001 001122334455"))
        self.assertEqual(duid.kind, 3)

    def test_link_layer_time(self) -> None:
        """B.6-01, R-11-07: a DUID-LLT has seconds since 2000 between hardware type and address, modulo 2**32."""
        duid = DUID.from_link_layer_time(1, 2**32 + 7, octets("001122334455"))
        self.assertEqual(duid.data, octets("0001 0001 00000007 001122334455"))
        self.assertEqual(duid.kind, 1)

    def test_enterprise(self) -> None:
        """B.6-01, R-11-12: a DUID-EN is type 2, enterprise number and identifier, as in RFC 9915 section 11.3."""
        duid = DUID.from_enterprise(32473, octets("0cc084d303000912"))
        self.assertEqual(duid.data, octets("0002 00007ed9 0cc084d303000912"))
        self.assertEqual(duid.kind, 2)

    def test_uuid(self) -> None:
        """B.6-01: a DUID-UUID is type 4 and the 16 octets of the UUID."""
        duid = DUID.from_uuid(octets("00112233445566778899aabbccddeeff"))
        self.assertEqual(duid.data, octets("0004 00112233445566778899aabbccddeeff"))
        self.assertEqual(duid.kind, 4)

    def test_uuid_of_wrong_length(self) -> None:
        """What has not 16 octets is no UUID."""
        error = self.assertRaises(ValueError, DUID.from_uuid, bytes(15))
        self.assertEqual(str(error), "a UUID has 16 octets, this one has 15")

    def test_nothing_unique(self) -> None:
        """A DUID without address or identifier would not be unique, and is refused by name of what is missing."""
        error = self.assertRaises(ValueError, DUID.from_link_layer, 1, b"")
        self.assertEqual(str(error), "a DUID needs at least one octet of address")
        self.assertRaises(ValueError, DUID.from_link_layer_time, 1, 0, b"")
        error = self.assertRaises(ValueError, DUID.from_enterprise, 9, b"")
        self.assertEqual(str(error), "a DUID needs at least one octet of identifier")

    def test_length(self) -> None:
        """R-11-03: a DUID has 3 to 130 octets, and one of 131 is refused in a sentence."""
        self.assertEqual(len(DUID(bytes(3)).data), 3)
        self.assertEqual(len(DUID(bytes(130)).data), 130)
        self.assertRaises(ValueError, DUID, bytes(2))
        error = self.assertRaises(ValueError, DUID, bytes(131))
        self.assertEqual(str(error), "a DUID has 3 to 130 octets, this one has 131")

    def test_unknown_type(self) -> None:
        """R-11-01, R-11-02: a DUID of a type nobody knows is as good as any, and is compared by its octets."""
        duid = DUID(octets("00ff") + bytes(128))
        self.assertEqual(duid.kind, 0xFF)
        self.assertEqual(duid, DUID(duid.data))
        self.assertNotEqual(duid, DUID(octets("00ff") + bytes(127)))
        self.assertEqual(len({duid, DUID(duid.data)}), 1)

    def test_text(self) -> None:
        """A DUID prints as hexadecimal digits without anything between."""
        self.assertEqual(str(DUID(octets("0003 0001 00AA"))), "0003000100aa")


class ParseHexTests(SynchronousTestCase):
    def test_plain(self) -> None:
        """Plain digits are read, in either case, with white space around."""
        self.assertEqual(DUID.parse_hex(" 0003000100Aa\n").data, octets("0003000100aa"))

    def test_separated(self) -> None:
        """Colons or dashes may stand between octets, and then a leading zero may be left out."""
        for text in ("00:03:00:01:00:aa", "0:3:0:1:0:aa", "00-03-00-01-00-AA"):
            self.assertEqual(DUID.parse_hex(text).data, octets("0003000100aa"))

    def test_no_hex(self) -> None:
        """What is no hexadecimal gets a sentence that quotes it."""
        for text in ("", "xyz123", "00030001zz", "0003000", "00:03::01", "00:03:0001:00", "0003 0001 00aa", "٣٣٣٣٣٣"):
            error = self.assertRaises(ValueError, DUID.parse_hex, text)
            self.assertEqual(
                str(error), f"{text!r} is no DUID: write pairs of hexadecimal digits, with or without colons between"
            )

    def test_length(self) -> None:
        """R-11-03: digits for too few or too many octets are refused for their number."""
        error = self.assertRaises(ValueError, DUID.parse_hex, "0003")
        self.assertEqual(str(error), "a DUID has 3 to 130 octets, this one has 2")

    def test_inverse(self) -> None:
        """What a DUID prints as can be read back."""
        duid = DUID(octets("0002 00007ed9 0cc084d303000912"))
        self.assertEqual(DUID.parse_hex(str(duid)), duid)
