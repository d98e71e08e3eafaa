"""
Tests for L{pdlease.wire.information}.
"""

from __future__ import annotations

from ipaddress import IPv6Address

from twisted.trial.unittest import SynchronousTestCase

from pdlease.wire.chain import OpaqueOption, Option
from pdlease.wire.codes import OptionCode
from pdlease.wire.information import information
from pdlease.wire.names import DomainName
from pdlease.wire.services import AftrName, DnsServers, DomainList, SntpServers
from pdlease.wire.vendor import VendorOptions

ONE, TWO = IPv6Address("2001:db8::53"), IPv6Address("fe80::1")


class InformationTests(SynchronousTestCase):
    def values(self, *options: Option) -> list[object]:
        """The values of options."""
        return [told["values"] for told in information(options)]

    def portal(self, uri: bytes) -> list[object]:
        """What is told of a captive portal."""
        return self.values(OpaqueOption(OptionCode.CAPTIVE_PORTAL, uri))

    def time_source(self, data: str) -> list[object]:
        """What is told of an NTP_SERVER."""
        return self.values(OpaqueOption(OptionCode.NTP_SERVER, bytes.fromhex(data)))

    def test_code_and_name(self) -> None:
        """Every option has its code, and its name where it has one here."""
        self.assertEqual(
            information([DnsServers((ONE,)), OpaqueOption(65000, b"\1")]),
            [
                {"code": 23, "name": "dns_servers", "values": ["2001:db8::53"]},
                {"code": 65000, "name": None, "values": ["01"]},
            ],
        )

    def test_addresses(self) -> None:
        """R-3646-01, R-4075-01: servers stay in their order, the best first."""
        self.assertEqual(
            self.values(DnsServers((TWO, ONE)), SntpServers((ONE, TWO))),
            [["fe80::1", "2001:db8::53"], ["2001:db8::53", "fe80::1"]],
        )

    def test_names_are_escaped(self) -> None:
        """
        R-23-01: what could mean something to a shell, a terminal or a reader of the name is escaped: spaces, line
        ends, quotes, dollar signs, dots within a label.
        """
        hostile = DomainName((b"$(reboot)", b"a.b", b"x\ny\"'`;\x1b[0m"))
        self.assertEqual(
            self.values(DomainList((hostile, DomainName(())))),
            [["\\036\\040reboot\\041.a\\046b.x\\010y\\034\\039\\096\\059\\027\\0910m", "."]],
        )
        self.assertEqual(self.values(AftrName(DomainName.parse("aftr-1.example.net"))), [["aftr-1.example.net"]])

    def test_all_else_is_hexadecimal(self) -> None:
        """R-23-01: octets of which nothing is known are told as hexadecimal digits."""
        self.assertEqual(self.values(OpaqueOption(94, b"a\n$"), VendorOptions(9, ((1, b"x"),))), [
            ["610a24"], ["00000009" "0001000178"],
        ])  # fmt: skip

    def test_time_sources(self) -> None:
        """R-5908-01: a time source is just one suboption that is whole, an address or a name."""
        address = "20010db8000000000000000000000053"
        self.assertEqual(self.time_source(f"0001 0010 {address}"), [["2001:db8::53"]])
        self.assertEqual(self.time_source("0002 0010 ff050000000000000000000000000101"), [["ff05::101"]])
        self.assertEqual(self.time_source("0003 0007 026e7403 6f726700"), [])
        self.assertEqual(self.time_source("0003 0008 026e7403 6f726700"), [["nt.org"]])
        for broken in (
            "",
            "0001",
            "0001 0004 20010db8",
            "0001 0011" + address,
            f"0004 0010 {address}",
            f"0001 0010 {address} 0001 0010 {address}",
            "0003 0002 c000",
            "0003 0006 016100 016200",
        ):
            self.assertEqual(self.time_source(broken), [], broken)

    def test_repeated_time_sources(self) -> None:
        """R-5908-01: time sources in several options stay apart."""
        one = OpaqueOption(OptionCode.NTP_SERVER, bytes.fromhex("0001 0010") + ONE.packed)
        two = OpaqueOption(OptionCode.NTP_SERVER, bytes.fromhex("0001 0010") + TWO.packed)
        self.assertEqual(self.values(one, two), [["2001:db8::53"], ["fe80::1"]])

    def test_portals(self) -> None:
        """
        R-8910-01: a captive portal is a URI; zeros at its end are taken off, what is no URI is left out, and so is the
        word for none.
        """
        self.assertEqual(self.portal(b"https://example.org/api?x=1#y"), [["https://example.org/api?x=1#y"]])
        self.assertEqual(self.portal(b"https://example.org/\0"), [["https://example.org/"]])
        for none in (
            b"",
            b"\0",
            b"urn:ietf:params:capport:unrestricted",
            b"https://a b",
            b"http://a\n",
            b"x'y",
            b"\xff",
        ):
            self.assertEqual(self.portal(none), [], none)
