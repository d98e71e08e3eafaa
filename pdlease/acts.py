"""
What is to be done about one object, what it is compared with, and how ours is told from others'.

The words that L{pdlease.difference} and L{pdlease.leftovers} share.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import IPv4Interface, IPv6Interface
from typing import Protocol

from attrs import frozen

from pdlease.kernel import (
    ADDRESS_PROTOCOL,
    AddressKey,
    KernelAddress,
    KernelRoute,
    Link,
    ObjectKey,
    RouteKey,
    RoutePlace,
)
from pdlease.ledger import Owned
from pdlease.operations import Operation, RemoveAddress, RemoveIPv4
from pdlease.wanted import Wanted


class Current(Protocol):
    """
    What the kernel is believed to hold: L{pdlease.kernel.KernelTable}, with what has been acknowledged but not been
    heard of yet laid over it.
    """

    @property
    def links(self) -> Mapping[int, Link]:
        """Every link by index."""

    @property
    def addresses(self) -> Mapping[AddressKey, KernelAddress | None]:
        """Every address; C{None} for one that is believed to be gone."""

    @property
    def routes(self) -> Mapping[RouteKey, KernelRoute | None]:
        """The IPv6 routes with our protocol number; C{None} for one that is believed to be gone."""

    def link_named(self, name: str) -> Link | None:
        """Find the link that is called C{name} now; C{None} if there is none."""

    def routes_in(self, place: RoutePlace) -> Collection[RouteKey]:
        """The routes that have one place."""


@frozen(kw_only=True)
class Act:
    """
    What is to be done about one object.

    @ivar key: the object's.
    @ivar operations: in order; two where it must be removed before it can be made as wanted.
    @ivar entry: what must stand in the ledger before, or C{None} for a removal.
    @ivar wanted: what it is done for, or C{None} for a removal.
    """

    key: ObjectKey
    operations: tuple[Operation, ...]
    entry: Owned | None = None
    wanted: Wanted | None = None


@frozen(kw_only=True)
class Marking:
    """
    How our mark is told.

    @ivar protocol: IFA_PROTO of our addresses.
    @ivar is_shown: whether the kernel tells it at all (since Linux 5.18); where it does not, the ledger alone decides.
    """

    protocol: int = ADDRESS_PROTOCOL
    is_shown: bool = True

    def is_on(self, address: KernelAddress) -> bool:
        """Whether an address may be ours."""
        return address.protocol == self.protocol or (address.protocol is None and not self.is_shown)


def is_ours(
    key: ObjectKey, there: KernelAddress | KernelRoute, ours: Mapping[ObjectKey, Owned], marking: Marking
) -> bool:
    """Whether an object that is there is ours: it stands in the ledger and carries our mark (design 5)."""
    return key in ours and (isinstance(there, KernelRoute) or marking.is_on(there))


def removal_of(link: str, index: int, address: IPv6Interface | IPv4Interface) -> RemoveAddress | RemoveIPv4:
    """What removes an address."""
    if isinstance(address, IPv4Interface):
        return RemoveIPv4(link=link, index=index, address=address)
    return RemoveAddress(link=link, index=index, address=address)
