"""
Tests for L{pdlease.wire.vendor}.
"""

from __future__ import annotations

from pdlease.wire.codes import OptionCode
from pdlease.wire.vendor import UserClass, VendorClass, VendorOptions
from tests.wire.optioncase import OptionCase


class UserClassTests(OptionCase):
    def test_both_directions(self) -> None:
        """User classes stand each behind its length, the empty one too (section 21.15)."""
        self.assert_option(UserClass((b"abc", b"")), "000f 0007 0003 616263 0000")

    def test_none(self) -> None:
        """One class at least must be there."""
        self.assert_malformed("000f 0000", "USER_CLASS at byte 8: at least one class wanted, none there")

    def test_cut(self) -> None:
        """A class that is cut, in its length or in its content, spoils the option."""
        self.assert_malformed("000f 0001 00", "USER_CLASS, length at byte 8: 2 bytes wanted, 1 left (00)")
        self.assert_malformed("000f 0004 0003 6162", "USER_CLASS, data at byte 10: 3 bytes wanted, 2 left (61 62)")
        self.assert_malformed("000f 0004 0001 61 00", "USER_CLASS, length at byte 11: 2 bytes wanted, 1 left (00)")


class VendorClassTests(OptionCase):
    def test_both_directions(self) -> None:
        """A vendor class is an enterprise number and values (section 21.16)."""
        self.assert_option(VendorClass(30155, (b"OpenBSD",)), "0010 000d 000075cb 0007 4f70656e425344")
        self.assert_option(VendorClass(9, ()), "0010 0004 00000009")

    def test_cut(self) -> None:
        """Less than the enterprise number, or a cut value, spoils the option."""
        self.assert_shortest(OptionCode.VENDOR_CLASS, 4, bytes(4))
        self.assert_malformed(
            "0010 0007 000075cb 0007 4f", "VENDOR_CLASS, data at byte 14: 7 bytes wanted, 1 left (4f)"
        )


class VendorOptionsTests(OptionCase):
    def test_both_directions(self) -> None:
        """Vendor options are an enterprise number and options of its own (section 21.17)."""
        self.assert_option(
            VendorOptions(4491, ((1, b"ab"), (65535, b""))), "0011 000e 0000118b 0001 0002 6162 ffff 0000"
        )
        self.assert_option(VendorOptions(4491, ()), "0011 0004 0000118b")

    def test_cut(self) -> None:
        """Less than the enterprise number, or a cut option, spoils them all; the message stays."""
        self.assert_shortest(OptionCode.VENDOR_OPTIONS, 4, bytes(4))
        self.assert_malformed(
            "0011 0007 0000118b 0001 00", "VENDOR_OPTIONS, option-len at byte 14: 2 bytes wanted, 1 left (00)"
        )
        self.assert_malformed(
            "0011 0009 0000118b 0001 0002 61", "VENDOR_OPTIONS, option 1 at byte 16: 2 bytes wanted, 1 left (61)"
        )
