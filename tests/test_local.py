"""
Tests of L{pdlease.local}.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.local import NICS, LocalAddresses, OutOfRange, local_addresses

CARRIER = IPv4Network("100.64.0.0/10")
INET6 = IPv6Network("fd12:3456:789a:bcde::/64")


def host(prefix: str, guest: int, nic: int) -> str | None:
    """The host's address, or C{None} where it is refused."""
    try:
        return str(local_addresses(IPv4Network(prefix), None, guest, nic).ipv4.ip)
    except OutOfRange:
        return None


class LocalAddressesTests(SynchronousTestCase):
    """
    The local addresses of a guest's NIC.
    """

    def test_table(self) -> None:
        """
        P21: the rows of the original's table, with what it got wrong refused (W2, W3, W4).
        """
        for prefix, guest, nic, expected in [
            ("100.64.0.0/10", 1, 0, "100.64.1.2"),
            ("100.64.0.0/10", 1, 1, "100.64.1.4"),
            ("100.64.0.0/10", 5, 2, "100.64.5.6"),
            ("100.64.0.0/10", 256, 0, "100.65.0.2"),
            ("100.64.0.0/10", 16383, 3, "100.127.255.8"),
            ("100.64.0.0/10", 1, 125, "100.64.1.252"),
            ("100.64.0.0/10", 1, 126, None),
            ("100.64.0.0/10", 1, 127, None),
            ("100.64.0.0/10", 1, -1, None),
            ("100.64.0.0/10", 0, 0, None),
            ("100.64.0.0/10", 16384, 0, None),
            ("100.64.0.0/10", 16385, 0, None),
            ("100.64.0.0/10", 32768, 0, None),
            ("10.1.0.0/16", 255, 0, "10.1.255.2"),
            ("10.1.0.0/16", 257, 0, None),
            ("10.2.0.0/16", 256, 0, None),
            ("10.0.0.0/8", 65535, 0, "10.255.255.2"),
            ("10.0.0.0/8", (1 << 24) + 1, 0, None),
        ]:
            self.assertEqual(host(prefix, guest, nic), expected, (prefix, guest, nic))

    def test_ipv6(self) -> None:
        """
        P22: the IPv6 subnet carries the guest's IPv4 address; 1 is the host, 2 the guest.
        """
        found = local_addresses(CARRIER, INET6, 1, 0)
        self.assertEqual(
            (str(found.ipv4), str(found.guest_ipv4), str(found.ipv6), str(found.guest_ipv6)),
            (
                "100.64.1.2/31",
                "100.64.1.3/31",
                "fd12:3456:789a:bcde:6440:103:0:1/96",
                "fd12:3456:789a:bcde:6440:103:0:2/96",
            ),
        )

    def test_without_ipv6(self) -> None:
        """
        Without an IPv6 prefix there are no IPv6 addresses.
        """
        found = local_addresses(CARRIER, None, 1, 0)
        self.assertEqual((found.ipv6, found.guest_ipv6), (None, None))

    def test_refusal_says_why(self) -> None:
        """
        W1: there is no address without a word; the error names the number and its limits, with IPv6 too.
        """
        error = self.assertRaises(OutOfRange, local_addresses, IPv4Network("10.2.0.0/16"), INET6, 256, 0)
        self.assertEqual(str(error), "guest 256 has no local address in 10.2.0.0/16: its numbers are 1 to 255")
        error = self.assertRaises(OutOfRange, local_addresses, CARRIER, None, 1, 126)
        self.assertEqual(str(error), "NIC 126 has no local address: a guest has 126 at most, counted from 0")

    @given(
        st.integers(1, 16),
        st.lists(st.tuples(st.integers(1, 1 << 24), st.integers(0, NICS - 1)), min_size=2, max_size=8, unique=True),
    )
    @settings(deadline=None)
    def test_distinct(self, length: int, places: list[tuple[int, int]]) -> None:
        """
        W2, W3: every address that is given out is inside the prefix, and no two guests or NICs share one.
        """
        prefix = IPv4Network((int(IPv4Address("170.85.0.0")) >> (32 - length) << (32 - length), length))
        found: list[LocalAddresses] = []
        for guest, nic in places:
            try:
                found.append(local_addresses(prefix, INET6, guest, nic))
            except OutOfRange:
                self.assertGreaterEqual(guest << 8, prefix.num_addresses)
        addresses = [side.ip for one in found for side in (one.ipv4, one.guest_ipv4)]
        self.assertEqual(len(set(addresses)), 2 * len(found))
        self.assertTrue(all(address in prefix for address in addresses))
        self.assertEqual(len({one.ipv6.network for one in found if one.ipv6}), len(found))
