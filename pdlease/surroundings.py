"""
What every uplink is given of the house that it is in.

Made by L{pdlease.router}, used by L{pdlease.uplink}.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Network
from typing import Any, Generic, TypeVar

from attrs import frozen
from twisted.internet.interfaces import IReactorFDSet, IReactorTime

from pdlease.interfaces import ILeaseStore, IPrivilege
from pdlease.kernel import KernelTable
from pdlease.lease import StaleSubnet

Uplink = TypeVar("Uplink")


@frozen(kw_only=True)
class Surroundings(Generic[Uplink]):
    """
    What every uplink is given.

    @ivar clock: the boot-time clock.
    @ivar reactor: where descriptors are read.
    @ivar privilege: opens client sockets.
    @ivar store: keeps leases.
    @ivar table: the kernel's links and addresses.
    @ivar leased: called with an uplink whenever its lease changed, before anything is sent or written.
    @ivar disowned: called with an uplink and the prefixes, each with its IAID, that a server took back unowned.
    @ivar stale: the subnets behind an uplink that hosts must still be told are over.
    @ivar told: called with an uplink, the name of an event, and its fields.
    @ivar port_holder: who holds UDP port 546, in words, or the empty string.
    """

    clock: IReactorTime
    reactor: IReactorFDSet
    privilege: IPrivilege
    store: ILeaseStore
    table: KernelTable
    leased: Callable[[Uplink], None]
    disowned: Callable[[Uplink, tuple[tuple[int, IPv6Network], ...]], None]
    stale: Callable[[Uplink], tuple[StaleSubnet, ...]]
    told: Callable[[Uplink, str, dict[str, Any]], None]
    port_holder: Callable[[], str]
