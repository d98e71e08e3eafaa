"""
Tests for L{pdlease.wire.services}.
"""

from __future__ import annotations

from ipaddress import IPv6Address

from pdlease.wire.names import DomainName
from pdlease.wire.services import AftrName, DnsServers, DomainList, SntpServers
from tests.wire.optioncase import OptionCase


class AddressesTests(OptionCase):
    def test_both_directions(self) -> None:
        """Servers stand as addresses one after the other, the best first (RFC 3646, RFC 4075)."""
        self.assert_option(
            DnsServers((IPv6Address("2001:db8::53"), IPv6Address("fe80::1"))),
            "0017 0020 20010db8000000000000000000000053 fe800000000000000000000000000001",
        )
        self.assert_option(SntpServers((IPv6Address("2001:db8::7b"),)), "001f 0010 20010db800000000000000000000007b")

    def test_length(self) -> None:
        """R-3646-01, R-4075-01: none at all, or a part of an address, is malformed."""
        self.assert_malformed("0017 0000", "DNS_SERVERS at byte 8: a multiple of 16 bytes wanted, 0 there")
        self.assert_malformed(
            "001f 0002 2001", "SNTP_SERVERS at byte 8: a multiple of 16 bytes wanted, 2 there (20 01)"
        )


class DomainListTests(OptionCase):
    def test_both_directions(self) -> None:
        """Domains stand as whole names one after the other (RFC 3646)."""
        self.assert_option(
            DomainList((DomainName.parse("example.net"), DomainName.parse("net"))),
            "0018 0012 07 6578616d706c65 03 6e6574 00 03 6e6574 00",
        )

    def test_compressed(self) -> None:
        """R-10-01: a list with a compression pointer is ignored as a whole."""
        self.assert_malformed(
            "0018 0007 03 6e6574 00 c000",
            "DOMAIN_LIST, label at byte 13: length of at most 63 wanted (no compression here), 192 there (c0 00)",
        )


class AftrNameTests(OptionCase):
    def test_both_directions(self) -> None:
        """The tunnel's far end is one name (RFC 6334)."""
        self.assert_option(AftrName(DomainName.parse("aftr.net")), "0040 000a 04 61667472 03 6e6574 00")

    def test_two(self) -> None:
        """R-6334-01: of two names the first counts."""
        self.assert_option(AftrName(DomainName.parse("a"), (DomainName.parse("b"),)), "0040 0006 01 61 00 01 62 00")

    def test_no_name(self) -> None:
        """R-6334-01: three octets or less, or the root alone before something, name no tunnel's end."""
        self.assert_malformed("0040 0003 01 61 00", "AFTR_NAME at byte 8: more than 3 bytes wanted, 3 there (01 61 00)")
        self.assert_malformed(
            "0040 0004 00 01 61 00", "AFTR_NAME at byte 8: a name wanted, none but the root's there (00 01 61 00)"
        )
        self.assert_malformed(
            "0040 0005 02 61 62 c0 00",
            "AFTR_NAME, label at byte 11: length of at most 63 wanted (no compression here), 192 there (c0 00)",
        )
