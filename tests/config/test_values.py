"""
Tests of L{pdlease.config.values}.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network

from twisted.trial.unittest import SynchronousTestCase

from pdlease.config import values


class ValuesTests(SynchronousTestCase):
    """
    What single values must look like.
    """

    def assertReads(self, read: Callable[[object], object], right: dict[object, object], wrong: list[object]) -> None:
        """A reader makes these of those, and refuses others with a sentence."""
        for value, expected in right.items():
            self.assertEqual(read(value), expected)
        for value in wrong:
            problem = str(self.assertRaises(ValueError, read, value))
            self.assertTrue(problem and problem.isprintable(), (value, problem))

    def test_flag(self) -> None:
        """
        A flag is true or false, not 0 or 1.
        """
        self.assertReads(values.flag, {True: True, False: False}, ["true", "", None])
        self.assertRaises(ValueError, values.flag, 1)

    def test_whole(self) -> None:
        """
        A whole number has both ends of its range, is no fraction and no truth value.
        """
        self.assertReads(values.whole(2, 5), {2: 2, 5: 5}, [1, 6, 3.0, True, "3", 1 << 5000])

    def test_choice(self) -> None:
        """
        A choice is one of its words.
        """
        self.assertReads(values.choice("a", "b"), {"a": "a"}, ["A", "", 3, []])

    def test_link_name(self) -> None:
        """
        Seed-behaviour 2.4: a link name has 1 to 15 bytes, no slash, colon or white space, and is not C{.} or C{..}.
        """
        self.assertReads(
            values.link_name,
            {name: name for name in ("a", "fifteen-letters", "eth0.835", "...", "wg0@x", "büro0")},
            ["", "sixteen-letters!", "übergröße-netz0", "a/b", "a b", "a\tb", "a:1", ".", "..", "a\0", "a\u2028", 3],
        )

    def test_table_name(self) -> None:
        """
        A table's name can be part of a file name and of a command line.
        """
        self.assertReads(
            values.table_name,
            {name: name for name in ("wan", "eth0.835", "x" * 64, "münchen")},
            ["", "x" * 65, "a/b", "a\\b", ".a", "-a", "a b", "a\n", 3],
        )

    def test_paths(self) -> None:
        """
        Paths are absolute and do not lead upwards; that of a socket has at most 107 bytes.
        """
        self.assertReads(values.absolute_path, {"/a b/c": "/a b/c"}, ["", "a", "~/a", "/a/../b", "/a\0b", "/a\nb", 3])
        self.assertReads(
            values.socket_path, {"/" + "a" * 106: "/" + "a" * 106}, ["/" + "a" * 107, "/" + "ä" * 60, "/a/", "a"]
        )

    def test_accounts(self) -> None:
        """
        Names of users and groups have no white space, colon or slash.
        """
        self.assertReads(values.account, {"pdlease": "pdlease"}, ["", "a:b", "a b", "a/b", "a" * 257, 0])

    def test_provider(self) -> None:
        """
        A provider has a name, and may have an argument.
        """
        self.assertReads(values.provider, {"file": "file", "file:/a:b": "file:/a:b"}, ["", ":x", " ", "a\n", 3])

    def test_duid(self) -> None:
        """
        A DUID has one of its forms, with the name of a link where one stands; only that of an uplink may be empty.
        """
        self.assertReads(values.duid, {"uuid": "uuid", "ll:eth0": "ll:eth0"}, ["", "ll:a/b", "raw:00", 3])
        self.assertReads(values.optional_duid, {"": "", "uuid": "uuid"}, ["x"])

    def test_route_protocol(self) -> None:
        """
        Numbers of the kernel and of other routing programs are refused by name.
        """
        self.assertReads(values.route_protocol, {154: 154, 255: 255}, [0, 2, 16, 188, 256, True])
        self.assertIn("bird", str(self.assertRaises(ValueError, values.route_protocol, 12)))

    def test_route_table(self) -> None:
        """
        Any table but the kernel's own.
        """
        self.assertReads(values.route_table, {254: 254, 4294967295: 4294967295}, [0, 255, 4294967296])

    def test_rate_limit(self) -> None:
        """
        A rate limit is a number of messages and a number of seconds.
        """
        self.assertEqual(values.rate_limit([20, 20]), (20, 20.0))
        self.assertEqual(values.rate_limit([1, 0.5]), (1, 0.5))
        self.assertReads(
            values.rate_limit,
            {},
            [20, [], [20], [1, 2, 3], [0, 1], [1, 0], [True, 1], [1.5, 1], [1, True], [1, float("nan")], [1, "1"]],
        )

    def test_hint(self) -> None:
        """
        A hint is one of three words or a prefix length of 1 to 128.
        """
        self.assertReads(
            values.hint,
            {"nibble": "nibble", "exact": "exact", "none": "none", 1: 1, 128: 128},
            [0, 129, "56", 56.0, True],
        )

    def test_host_part(self) -> None:
        """
        A host part is written as an address.
        """
        self.assertReads(
            values.host_part, {"::1": 1, "::": 0, "::1:0:0:0": 1 << 48}, ["1", "", "::1%eth0", "10.0.0.1", 1]
        )

    def test_mac(self) -> None:
        """
        A link-layer address is that of one station, written with colons; or it is derived, or left alone (P28).
        """
        for value in ("", "derived", "02:00:5e:10:00:01"):
            self.assertEqual(values.mac(value), value)
        self.assertEqual(values.mac("02:00:5E:10:00:0A"), "02:00:5e:10:00:0a")
        nobody = ("00:00:00:00:00:00", "01:00:5e:10:00:01", "ff:ff:ff:ff:ff:ff")
        for wrong in (*nobody, "02-00-5e-10-00-01", "02:00:5e:10:00", "random", 2, None):
            self.assertRaises(ValueError, values.mac, wrong)

    def test_group(self) -> None:
        """
        P18, W16: a group is a number, or a name that has 1 to 15 bytes and no digit at its end.
        """
        self.assertReads(
            values.group,
            {0: 0, 2147483647: 2147483647, "dmz": "dmz", "a1b": "a1b"},
            [-1, 1 << 31, "", "a1", "a b", "x" * 16, True],
        )

    def test_prefixes(self) -> None:
        """
        Prefixes have their length and no bits behind it.
        """
        self.assertReads(
            values.prefix6, {"fc00::/7": IPv6Network("fc00::/7")}, ["fc00::", "fc00::1/7", "10.0.0.0/8", "", 3]
        )
        self.assertEqual(values.prefixes6(["2000::/3"]), (IPv6Network("2000::/3"),))
        self.assertReads(values.prefixes6, {}, [[], "2000::/3", [3], ["x"]])

    def test_local_prefixes(self) -> None:
        """
        P26, W15: a local IPv4 prefix has a length of 1 to 16, an IPv6 one of at most 64, both without host bits.
        """
        self.assertReads(
            values.local_prefix,
            {"100.64.0.0/10": IPv4Network("100.64.0.0/10"), "10.1.0.0/16": IPv4Network("10.1.0.0/16")},
            ["0.0.0.0/0", "10.0.0.0/17", "10.0.0.1/8", "10.0.0.0", "10.0.0.0/255.0.0.0.0", "::/8", 3],
        )
        self.assertReads(
            values.local_prefix6,
            {"fd00::/64": IPv6Network("fd00::/64"), "fd00::/8": IPv6Network("fd00::/8")},
            ["::/0", "fd00::/65", "fd00::1/64", "fd00::", 3],
        )

    def test_shown(self) -> None:
        """
        Values are shown in messages in one readable line of bounded length.
        """
        self.assertEqual(
            [values.shown(value) for value in (True, 3, "a", {}, [], 1 << 200, "a\nb")],
            ["true", "3", '"a"', "a table", "an array", "a very large number", '"a\\nb"'],
        )
        self.assertEqual(len(values.shown("x" * 1000)), 61)
