"""
Tests for L{pdlease.kernel}.
"""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Interface, IPv6Network

from twisted.trial.unittest import SynchronousTestCase

from pdlease.kernel import (
    ADDRESS_DAD_FAILED,
    ADDRESS_DEPRECATED,
    ADDRESS_OPTIMISTIC,
    ADDRESS_TENTATIVE,
    UNREACHABLE,
    KernelAddress,
    KernelRoute,
    KernelTable,
)
from tests.fakes import MemoryKernel

ADDRESS = IPv6Interface("2001:db8::1/64")


def states(flags: int) -> tuple[bool, bool, bool]:
    """Whether an address with these flags is tentative, a duplicate, deprecated."""
    address = KernelAddress(index=1, address=ADDRESS, flags=flags)
    return address.tentative, address.duplicate, address.deprecated


class KernelAddressTests(SynchronousTestCase):
    def test_key(self) -> None:
        """The kernel tells addresses apart by link and address; the prefix length does not count."""
        self.assertEqual(KernelAddress(index=7, address=ADDRESS).key, (7, IPv6Address("2001:db8::1")))

    def test_usable(self) -> None:
        """An address without these flags can be used."""
        self.assertEqual(states(0), (False, False, False))

    def test_tentative(self) -> None:
        """An address that is being detected is tentative."""
        self.assertEqual(states(ADDRESS_TENTATIVE), (True, False, False))

    def test_optimistic(self) -> None:
        """An optimistic address can be used while it is being detected (RFC 4429)."""
        self.assertEqual(states(ADDRESS_TENTATIVE | ADDRESS_OPTIMISTIC), (False, False, False))

    def test_duplicate(self) -> None:
        """An address that failed detection keeps the tentative flag in the kernel, but waits for nothing any more."""
        self.assertEqual(states(ADDRESS_TENTATIVE | ADDRESS_DAD_FAILED), (False, True, False))

    def test_deprecated(self) -> None:
        """A deprecated address is told by its flag."""
        self.assertEqual(states(ADDRESS_DEPRECATED), (False, False, True))


class KernelRouteTests(SynchronousTestCase):
    def test_key(self) -> None:
        """Routes are told apart by prefix, link, table and metric; those that refuse have no link."""
        prefix = IPv6Network("2001:db8::/64")
        self.assertEqual(KernelRoute(prefix=prefix, index=3, metric=512).key, (prefix, 3, 254, 512))
        self.assertEqual(KernelRoute(prefix=prefix, kind=UNREACHABLE, metric=4096).key, (prefix, None, 254, 4096))


class KernelTableTests(SynchronousTestCase):
    def test_memory_kernel(self) -> None:
        """The kernel in memory can stand for the real table."""
        table: KernelTable = MemoryKernel(self)  # type: ignore[arg-type]
        self.assertEqual((dict(table.links), table.link_named("lan0"), dict(table.duplicates)), ({}, None, {}))
