"""
Tests for L{pdlease.wire.prefixes}.
"""

from __future__ import annotations

from ipaddress import IPv6Network

from twisted.trial.unittest import SynchronousTestCase

from pdlease.wire.chain import MalformedOption, OpaqueOption, write_options
from pdlease.wire.codes import INFINITY, OptionCode
from pdlease.wire.messages import decode
from pdlease.wire.options import Preference, Status
from pdlease.wire.prefixes import IAPD, IAPrefix, PDExclude
from pdlease.wire.reader import WireError
from tests.packets import octets
from tests.wire.optioncase import OptionCase

DB8 = octets("20010db8 00000000 00000000 00000000")


def prefix(text: str, valid: int = 10800, preferred: int = 7200) -> IAPrefix:
    """Make an IA Prefix from a prefix in text, host bits allowed."""
    address, _, length = text.partition("/")
    return IAPrefix(preferred, valid, int(length), IPv6Network(address).network_address.packed)


def malformed(option: object) -> MalformedOption:
    """Expect a malformed option."""
    assert isinstance(option, MalformedOption), option
    return option


class PDExcludeTests(SynchronousTestCase):
    """
    Both directions of RFC 6603 (B.4).
    """

    VECTORS = (
        # The example of RFC 6603 section 4.2.
        ("2001:db8:dead:bee0::/59", "2001:db8:dead:beef::/64", "0043 0002 40 78"),
        ("2001:db8::/56", "2001:db8:0:ff::/64", "0043 0002 40 ff"),
        ("2001:db8::/48", "2001:db8:0:1::/64", "0043 0003 40 0001"),
        ("2001:db8::/40", "2001:db8:12:3456::/63", "0043 0004 3f 123456"),
        ("2001:db8::/127", "2001:db8::1/128", "0043 0002 80 80"),
        ("::/1", "::1/128", "0043 0011 80" + "00" * 15 + "02"),
        ("2001:db8:0:ff80::/57", "2001:db8:0:ffff::/64", "0043 0002 40 fe"),
    )

    def test_encode(self) -> None:
        """B.4-01, C.15-21: the bits between the two lengths are sent left-aligned, in as few octets as they need."""
        for network, excluded, expected in self.VECTORS:
            option = PDExclude.for_network(IPv6Network(network), IPv6Network(excluded))
            self.assertEqual(write_options((option,)), octets(expected), excluded)

    def test_decode(self) -> None:
        """B.4-01, C.15-21: the excluded prefix is the delegated one with the bits put behind it."""
        for network, excluded, text in self.VECTORS:
            data = octets(text)
            option = PDExclude.read(data, 4, len(data))
            self.assertEqual(option.excluded(IPv6Network(network)), IPv6Network(excluded))

    def test_within_a_prefix(self) -> None:
        """An excluded prefix in an IA Prefix is found, and the option goes both ways."""
        for network, excluded, text in self.VECTORS:
            delegated = IPv6Network(network)
            option = IAPrefix(
                1,
                2,
                delegated.prefixlen,
                delegated.network_address.packed,
                (PDExclude.for_network(delegated, IPv6Network(excluded)),),
            )
            data = option.body()
            self.assertTrue(data.endswith(octets(text)))
            self.assertEqual(IAPrefix.read(data, 0, len(data)), option)
            self.assertEqual(IAPrefix.read(data, 0, len(data)).excluded, IPv6Network(excluded))

    def test_not_a_part(self) -> None:
        """What lies elsewhere, is the whole, or holds it, cannot be excluded."""
        network = IPv6Network("2001:db8::/56")
        for excluded in ("2001:db8:0:100::/64", "2001:db8::/56", "2001:db8::/48"):
            error = self.assertRaises(ValueError, PDExclude.for_network, network, IPv6Network(excluded))
            self.assertEqual(str(error), f"{excluded} is not a part of 2001:db8::/56")

    def test_padding(self) -> None:
        """B.4-02: bits behind the excluded length count as zero, and are kept as they came."""
        option = PDExclude(60, b"\xff")
        self.assertEqual(option.excluded(IPv6Network("2001:db8::/56")), IPv6Network("2001:db8:0:f0::/60"))
        self.assertEqual(option.body(), b"\x3c\xff")

    def test_misfits(self) -> None:
        """B.4-02, PDX-04: not longer than the delegated one, beyond 128, too many octets or too few: it is no part."""
        for length, subnet_id in (
            (56, b"\0"),
            (48, b"\0"),
            (0, b"\0"),
            (129, bytes(10)),
            (64, b"\0\0"),
            (65, b"\0"),
            (56, b""),
        ):
            option = PDExclude(length, subnet_id)
            self.assertFalse(option.fits(56))
            self.assertIsNone(option.excluded(IPv6Network("2001:db8::/56")))

    def test_misfit_within_a_prefix(self) -> None:
        """B.4-02, PDX-04: what is no part of the delegated prefix is malformed, and the delegated one stays."""
        data = bytes(8) + b"\x38" + DB8 + octets("0043 0002 38 ff")
        option = IAPrefix.read(b"--" + data, 2, 2 + len(data))
        problem = malformed(option.options[0]).problem
        self.assertEqual(str(problem), "PD_EXCLUDE at byte 31: a /56 in 1 byte cannot be a part of a /56 (38 ff)")
        self.assertIsNone(option.excluded)
        self.assertEqual(option.network, IPv6Network("2001:db8::/56"))
        self.assertEqual(option.body(), data)

    def test_where_a_misfit_stands(self) -> None:
        """The offset of an excluded prefix that does not fit is its own, also behind other options."""
        data = bytes(8) + b"\x38" + DB8 + octets("000d 0002 0000 ffff 0001 00 0043 0002 38 ff")
        option = IAPrefix.read(data, 0, len(data))
        self.assertEqual(malformed(option.options[2]).problem.offset, 25 + 6 + 5 + 4)

    def test_first_usable(self) -> None:
        """Of several excluded prefixes the first usable one counts."""
        options = (PDExclude(56, b"\0"), PDExclude(64, b"\1"), PDExclude(64, b"\2"))
        self.assertEqual(IAPrefix(1, 2, 56, DB8, options).excluded, IPv6Network("2001:db8:0:1::/64"))
        self.assertIsNone(IAPrefix(1, 2, 56, DB8, options[:1]).excluded)

    def test_size(self) -> None:
        """B.4-02, PDX-04: less than 2 octets or more than 17 are malformed."""
        for text, problem in (
            ("0043 0000", "PD_EXCLUDE, prefix-len at byte 29: 1 byte wanted, 0 left"),
            ("0043 0001 40", "PD_EXCLUDE, subnet ID at byte 30: 1 to 16 bytes wanted, 0 there"),
            (
                "0043 0012 40 01" + "00" * 16,
                f"PD_EXCLUDE, subnet ID at byte 30: 1 to 16 bytes wanted, 17 there (01{' 00' * 15})",
            ),
        ):
            data = bytes(8) + b"\x38" + DB8 + octets(text)
            option = IAPrefix.read(data, 0, len(data))
            self.assertEqual(str(malformed(option.options[0]).problem), problem)


class IAPrefixTests(SynchronousTestCase):
    def test_both_directions(self) -> None:
        """A prefix is two lifetimes, a length, 16 octets and options (section 21.22)."""
        data = octets("00001c20 ffffffff 38") + DB8 + octets("000d 0002 0000")
        option = IAPrefix(7200, INFINITY, 56, DB8, (Status(0),))
        self.assertEqual(option.body(), data)
        self.assertEqual(IAPrefix.read(data, 0, len(data)), option)
        self.assertEqual(option.code, 26)

    def test_network(self) -> None:
        """B.9-06: bits behind the length are cleared, and kept as they came."""
        option = prefix("2001:db8:0:1234::1/56")
        self.assertEqual(option.network, IPv6Network("2001:db8:0:1200::/56"))
        self.assertEqual(option.prefix, octets("20010db8 00001234 00000000 00000001"))

    def test_extreme_lengths(self) -> None:
        """Every length from 0 to 128 can be a network."""
        self.assertEqual(prefix("2001:db8::1/128").network, IPv6Network("2001:db8::1/128"))
        self.assertEqual(prefix("2001:db8::1/0").network, IPv6Network("::/0"))

    def test_too_long(self) -> None:
        """B.9-06: a length of more than 128 is no prefix."""
        self.assertEqual(IAPrefix.read(bytes(8) + b"\x80" + DB8, 0, 25).length, 128)
        error = self.assertRaises(WireError, IAPrefix.read, bytes(8) + b"\x81" + DB8, 0, 25)
        self.assertEqual(str(error), "IA_PREFIX, prefix-length at byte 8: at most 128 wanted (81)")

    def test_cut(self) -> None:
        """Less than 25 octets are no prefix, and the field that is cut is named."""
        data = bytes(8) + b"\x38" + DB8
        fields = ["preferred-lifetime"] * 4 + ["valid-lifetime"] * 4 + ["prefix-length"] + ["IPv6-prefix"] * 16
        for length, field in enumerate(fields):
            error = self.assertRaises(WireError, IAPrefix.read, data, 0, length)
            self.assertEqual(error.field, f"IA_PREFIX, {field}")

    def test_status(self) -> None:
        """R-16-21: the first status in a prefix counts."""
        self.assertIsNone(prefix("2001:db8::/56").status)
        option = IAPrefix(0, 0, 56, DB8, (OpaqueOption(99, b""), Status(3, "a"), Status(1, "b")))
        self.assertEqual(option.status, Status(3, "a"))

    def test_stray_octets(self) -> None:
        """B.9-04: one to three octets behind the last option do no harm, and are written again."""
        for stray in (b"\0", b"\0\0", b"\0\0\0"):
            data = bytes(8) + b"\x38" + DB8 + stray
            option = IAPrefix.read(data, 0, len(data))
            self.assertEqual((option.options, option.remainder), ((), stray))
            self.assertEqual(option.body(), data)

    def test_opaque(self) -> None:
        """R-16-24, B.2-02: a prefix or an association in a prefix is not looked into."""
        data = bytes(8) + b"\x38" + DB8 + octets("001a 0000 0019 0000")
        self.assertEqual(IAPrefix.read(data, 0, len(data)).options, (OpaqueOption(26, b""), OpaqueOption(25, b"")))


class IAPDTests(OptionCase):
    def test_both_directions(self) -> None:
        """An association is three numbers and options (section 21.21)."""
        self.assert_option(
            IAPD(1, 3600, INFINITY, (IAPrefix(7200, 10800, 56, DB8), Status(0))),
            "0019 002f 00000001 00000e10 ffffffff"
            "001a 0019 00001c20 00002a30 38 20010db8000000000000000000000000"
            "000d 0002 0000",
        )

    def test_cut(self) -> None:
        """Less than 12 octets are no association, and the message stays."""
        self.assert_shortest(OptionCode.IA_PD, 12, bytes(12))
        self.assert_malformed(
            "0019 000a 00000001 00000e10 001e", "IA_PD, T2 at byte 16: 4 bytes wanted, 2 left (00 1e)"
        )

    def test_broken_within(self) -> None:
        """B.9-04: an association whose options do not end where it ends counts as absent."""
        self.assert_malformed(
            "0019 0013 00000001 00000e10 00001680 000d 0004 0000 61",
            "IA_PD, option 13 at byte 20: 4 bytes of content wanted, 3 left (00 0d 00 04 00 00 61)",
        )

    def test_broken_prefix(self) -> None:
        """B.9-04: of a broken prefix the association and its other prefixes do not suffer."""
        good = octets("001a 0019 00001c20 00002a30 38") + DB8
        broken = octets("001a 001f 00001c20 00002a30 38") + DB8 + octets("000d 0003 0000")
        body = bytes(12) + good + broken + good[:12] + b"\x40" + DB8
        association = IAPD.read(b"--" + body, 2, 2 + len(body))
        problem = malformed(association.options[1]).problem
        self.assertEqual(
            str(problem), "IA_PREFIX, option 13 at byte 72: 3 bytes of content wanted, 2 left (00 0d 00 03 00 00)"
        )
        self.assertEqual(
            [option.network for option in association.prefixes],
            [IPv6Network("2001:db8::/56"), IPv6Network("2001:db8::/64")],
        )
        self.assertEqual(association.body(), body)

    def test_stray_octets(self) -> None:
        """B.9-04: one to three octets behind the last option do no harm, and are written again."""
        for stray in (b"\0", b"\0\0", b"\0\0\0"):
            association = IAPD.read(bytes(12) + stray, 0, 12 + len(stray))
            self.assertEqual((association.options, association.remainder), ((), stray))
            self.assertEqual(association.body(), bytes(12) + stray)

    def test_opaque(self) -> None:
        """B.2-02, B.9-05: options that have no place in an association are kept and not looked into."""
        body = bytes(12) + octets("0019 0000 0007 0001 ff 0043 0002 40ff")
        self.assertEqual(
            IAPD.read(body, 0, len(body)).options,
            (OpaqueOption(25, b""), OpaqueOption(7, b"\xff"), OpaqueOption(67, b"\x40\xff")),
        )

    def test_status(self) -> None:
        """R-16-21: the first status counts; one within a prefix is the prefix's."""
        option = IAPD(1, 0, 0, (IAPrefix(0, 0, 56, DB8, (Status(1),)), Status(6, "a"), Status(0)))
        self.assertEqual(option.status, Status(6, "a"))
        self.assertIsNone(IAPD(1, 0, 0, (Preference(1),)).status)

    def test_same_prefix_twice(self) -> None:
        """B.9-07: of the same prefix said twice the first counts, whatever its host bits."""
        first, second = prefix("2001:db8::/56", 100), prefix("2001:db8:0:12::/56", 200)
        self.assertEqual(IAPD(1, 0, 0, (first, second)).prefixes, (first,))

    def test_same_prefix_withdrawn(self) -> None:
        """B.9-07: a prefix that is valid wins over the same one taken away, in either order."""
        alive, gone = prefix("2001:db8::/56", 100), prefix("2001:db8::/56", 0, 0)
        self.assertEqual(IAPD(1, 0, 0, (gone, alive)).prefixes, (alive,))
        self.assertEqual(IAPD(1, 0, 0, (alive, gone)).prefixes, (alive,))
        self.assertEqual(IAPD(1, 0, 0, (gone, gone)).prefixes, (gone,))

    def test_different_prefixes(self) -> None:
        """Prefixes that differ in any bit that counts, or in length, are all there, in order."""
        options = (prefix("2001:db8::/56"), prefix("2001:db8:0:100::/56"), prefix("2001:db8::/64"))
        self.assertEqual(IAPD(1, 0, 0, options).prefixes, options)

    def test_no_length(self) -> None:
        """B.9-06: a prefix of length 0 is left out, and one of 128 is not."""
        options = (prefix("::/0"), prefix("2001:db8::1/128"))
        self.assertEqual(IAPD(1, 0, 0, options).prefixes, options[1:])


class DepthTests(SynchronousTestCase):
    def test_a_thousand_deep(self) -> None:
        """R-16-24: a thousand prefixes inside each other are no recursion error; what is deeper than one is opaque."""
        data = b""
        for _ in range(1000):
            data = octets("001a") + (25 + len(data)).to_bytes(2, "big") + bytes(8) + b"\x38" + DB8 + data
        association = octets("0019") + (12 + len(data)).to_bytes(2, "big") + bytes(12) + data
        message = decode(b"\7abc" + association)
        (outer,) = message.ia_pds[0].prefixes
        (inner,) = outer.options
        self.assertIsInstance(inner, OpaqueOption)
        self.assertEqual(write_options(message.options), association)
