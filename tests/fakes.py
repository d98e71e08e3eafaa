"""
A kernel in memory and a privilege provider that records: for every test that wants to see what would become of the
machine.

L{MemoryKernel} behaves as Linux does where that matters here (the facts are those of seed-behaviour section 9 and of
experiments with Linux 6.18, each named where it is modelled).  It is a L{KernelTable<pdlease.kernel.KernelTable>}, of
what has been heard of it: with C{held_back} the truth runs ahead of what is heard, until L{MemoryKernel.deliver}.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from errno import EACCES, EINVAL, ENETDOWN, ENODEV
from ipaddress import IPv6Address, IPv6Interface, IPv6Network
from math import inf
from os import strerror
from socket import socket
from typing import Protocol

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from pdlease.interfaces import IPrivilege
from pdlease.kernel import (
    ADDRESS_DAD_FAILED,
    ADDRESS_DEPRECATED,
    ADDRESS_PROTOCOL,
    ADDRESS_TENTATIVE,
    UNICAST,
    UNREACHABLE,
    AddressKey,
    Advertised,
    KernelAddress,
    KernelRoute,
    Link,
    RouteKey,
    RoutePlace,
)
from pdlease.operations import (
    INFINITE,
    CheckLink,
    ClearMaster,
    DisableIPv6,
    EnableIPv6,
    Operation,
    PrivilegeError,
    PutAddress,
    PutIPv4,
    PutRoute,
    PutUnreachable,
    RemoveAddress,
    RemoveIPv4,
    RemoveRoute,
    RemoveUnreachable,
    SetDescription,
    SetDown,
    SetGroup,
    SetLinkAddress,
    SetMaster,
    SetUp,
)

ROUTE_PROTOCOL = 154

DAD_SECONDS = 1.0
"""How long duplicate address detection takes."""


class Seconds(Protocol):
    """A clock, as far as it is read here."""

    def seconds(self) -> float:
        """Tell the time."""


@define
class Heard:
    """What has been heard of the kernel."""

    links: dict[int, Link] = field(factory=dict)
    addresses: dict[AddressKey, KernelAddress] = field(factory=dict)
    routes: dict[RouteKey, KernelRoute] = field(factory=dict)
    duplicates: dict[AddressKey, float] = field(factory=dict)
    advertised: dict[int, Advertised] = field(factory=dict)
    routers: dict[int, frozenset[IPv6Address]] = field(factory=dict)


class MemoryKernel:
    """
    Links, addresses and routes in memory.

    @ivar true: the kernel's own state; addresses and routes by the keys of L{pdlease.kernel}.
    @ivar heard: what a listener on its route socket would know.
    @ivar held_back: whether notices wait for L{deliver}.
    @ivar listeners: called after each change that is heard.
    @ivar rivals: addresses that another host on the link holds, so that duplicate address detection fails.
    @ivar detects: whether duplicate address detection is done at all.
    """

    def __init__(self, clock: Seconds, *, detects: bool = False) -> None:
        self.clock = clock
        self.true = Heard()
        self.heard = Heard()
        self.held_back = False
        self.listeners: list[Callable[[], None]] = []
        self.rivals: set[AddressKey] = set()
        self.detects = detects
        self._verdicts: dict[AddressKey, float] = {}
        self._notices: list[Callable[[], object]] = []
        self._next_index = 2

    # What is heard (KernelTable).

    @property
    def links(self) -> Mapping[int, Link]:
        return self.heard.links

    @property
    def addresses(self) -> Mapping[AddressKey, KernelAddress]:
        return self.heard.addresses

    @property
    def routes(self) -> Mapping[RouteKey, KernelRoute]:
        return self.heard.routes

    @property
    def duplicates(self) -> Mapping[AddressKey, float]:
        return self.heard.duplicates

    @property
    def advertised(self) -> Mapping[int, Advertised]:
        return self.heard.advertised

    @property
    def routers(self) -> Mapping[int, frozenset[IPv6Address]]:
        return self.heard.routers

    def link_named(self, name: str) -> Link | None:
        return next((link for link in self.heard.links.values() if link.name == name), None)

    def addresses_on(self, index: int) -> Collection[KernelAddress]:
        return [address for (there, _), address in self.heard.addresses.items() if there == index]

    def routes_in(self, place: RoutePlace) -> Collection[RouteKey]:
        return [key for key in self.heard.routes if (key[0], key[2], key[3]) == place]

    def deliver(self) -> None:
        """Let everything be heard that has been held back."""
        notices, self._notices = self._notices, []
        for notice in notices:
            notice()
        if notices:
            for listener in tuple(self.listeners):
                listener()

    def dump(self, blur: float = 0.0) -> None:
        """
        Hear everything anew, as after an overrun.

        @param blur: the part of a second by which lifetimes seem longer, as the kernel counts whole seconds passed.
        """
        self._notices.clear()
        self.heard = Heard(
            links=dict(self.true.links),
            addresses={
                key: evolve(a, preferred_until=a.preferred_until + blur, valid_until=a.valid_until + blur)
                for key, a in self.true.addresses.items()
            },
            routes=dict(self.true.routes),
            duplicates=dict(self.true.duplicates),
            advertised=dict(self.true.advertised),
            routers=dict(self.true.routers),
        )
        for listener in tuple(self.listeners):
            listener()

    def _tell(self, notice: Callable[[], object]) -> None:
        self._notices.append(notice)
        if not self.held_back:
            self.deliver()

    # What others do to links.

    def add_link(self, name: str, *, is_up: bool = True, ipv6_disabled: bool = False) -> Link:
        """A link appears, with a number that no link had before."""
        link = Link(index=self._next_index, name=name, is_up=is_up, ipv6_disabled=ipv6_disabled)
        self._next_index += 1
        self._set_link(link)
        return link

    def remove_link(self, name: str) -> None:
        """A link goes away, and all that was on it."""
        link = self._named(name)
        self._drop_all(link.index)
        del self.true.links[link.index]
        self._tell(lambda: self._unhear_link(link.index))

    def rename(self, name: str, new: str) -> None:
        """A link gets another name; it may be up."""
        self._set_link(evolve(self._named(name), name=new))

    def set_up(self, name: str, is_up: bool) -> None:
        """
        A link is set up or down.  Down takes addresses of finite lifetime and all routes away, and up does not bring
        them back.
        """
        link = evolve(self._named(name), is_up=is_up, has_carrier=is_up)
        if not is_up:
            self._drop_all(link.index, with_ipv4=False)
        self._set_link(link)

    def hear_routers(self, name: str, *routers: str, flags: Advertised | None = None) -> None:
        """Router Advertisements leave default routes by these routers and no others, and the flags of the last one."""
        index = self._named(name).index
        for state in (self.true, self.heard):
            state.routers[index] = frozenset(map(IPv6Address, routers))
            state.advertised[index] = flags or state.advertised.get(index, Advertised(heard=bool(routers)))
        self._tell(lambda: None)

    def set_ipv6(self, name: str, enabled: bool) -> None:
        """IPv6 is switched on a link; off takes everything away."""
        link = evolve(self._named(name), ipv6_disabled=not enabled)
        if not enabled:
            self._drop_all(link.index, with_ipv4=False)
        if link.is_up:
            self._set_link(link)
        else:  # the kernel says nothing (seen with Linux 6.18)
            self.true.links[link.index] = link

    def ask_link(self, index: int) -> None:
        if index in self.true.links:
            self._set_link(self.true.links[index])

    def flush(self, name: str) -> None:
        """C{ip -6 addr flush}: every address of a link goes; routes that no address made stay."""
        index = self._named(name).index
        for key in [key for key in self.true.addresses if key[0] == index]:
            self._drop_address(key)

    # What others hold.

    def add_foreign_address(self, name: str, address: str, *, protocol: int | None = None) -> KernelAddress:
        """Somebody else adds a permanent address."""
        there = KernelAddress(index=self._named(name).index, address=IPv6Interface(address), protocol=protocol)
        self._set_address(there)
        return there

    def add_foreign_route(self, name: str, prefix: str, *, metric: int = 512) -> KernelRoute:
        """Another instance with our protocol number adds an on-link route."""
        index = self._named(name).index
        there = KernelRoute(prefix=IPv6Network(prefix), index=index, metric=metric, protocol=ROUTE_PROTOCOL)
        self._set_route(there)
        return there

    # What the daemon has done.

    def execute(self, operation: Operation) -> None:
        """
        Carry out an operation.

        @raise PrivilegeError: as Linux would refuse it.
        """
        if isinstance(operation, CheckLink):
            self._link_for(operation, operation.index)
        elif isinstance(operation, PutAddress):
            self._put_address(operation)
        elif isinstance(operation, PutIPv4):
            self._link_for(operation, operation.index)
            own = KernelAddress(index=operation.index, address=operation.address, protocol=ADDRESS_PROTOCOL)
            self._set_address(own)
        elif isinstance(operation, (RemoveAddress, RemoveIPv4)):
            key = operation.index, operation.address.ip
            if key in self.true.addresses:
                self._drop_address(key)
        elif isinstance(operation, (PutRoute, PutUnreachable)):
            self._put_route(operation)
        elif isinstance(operation, (RemoveRoute, RemoveUnreachable)):
            index = operation.index if isinstance(operation, RemoveRoute) else None
            self._drop_route((operation.prefix, index, operation.table, operation.metric))
        elif isinstance(operation, (EnableIPv6, DisableIPv6)):
            link = self._link_for(operation, operation.index)
            self.set_ipv6(link.name, isinstance(operation, EnableIPv6))
        else:
            self._set(operation)

    def _set(
        self, operation: SetMaster | ClearMaster | SetDescription | SetGroup | SetUp | SetDown | SetLinkAddress
    ) -> None:
        """Set something about a link; of its being set down its IPv6 feels the consequences."""
        link = self._link_for(operation, operation.index)
        if isinstance(operation, (SetUp, SetDown)):
            if link.is_up != isinstance(operation, SetUp):
                self.set_up(link.name, isinstance(operation, SetUp))
        elif isinstance(operation, (SetMaster, ClearMaster)):
            self.change(link.name, master=operation.master_index if isinstance(operation, SetMaster) else None)
        elif isinstance(operation, SetDescription):
            self.change(link.name, alias=operation.text or None)
        elif isinstance(operation, SetGroup):
            self.change(link.name, group=operation.group)
        else:
            self.change(link.name, link_layer_address=operation.address)

    def change(self, name: str, **values: object) -> None:
        """Something about a link becomes another."""
        changed: Link = evolve(self._named(name), **values)
        self._set_link(changed)

    def age(self) -> None:
        """What is over by the clock goes; so does a duplicate, if its lifetime is finite."""
        now = self.clock.seconds()
        for key, address in tuple(self.true.addresses.items()):
            if address.valid_until <= now:
                self._drop_address(key)
            elif key in self._verdicts and self._verdicts[key] <= now:
                self._judge(key, address)
            elif address.preferred_until <= now and not address.deprecated:
                self._set_address(evolve(address, flags=address.flags | ADDRESS_DEPRECATED))
        for route_key, route in tuple(self.true.routes.items()):
            if route.valid_until <= now:
                self._drop_route(route_key)

    def _put_address(self, operation: PutAddress) -> None:
        link = self._link_for(operation, operation.index)
        if operation.valid == 0 or operation.preferred > operation.valid:
            raise _refusal(operation, EINVAL, "ipv6: address lifetime invalid")
        if link.ipv6_disabled:
            raise _refusal(operation, EACCES, "ipv6: IPv6 is disabled on this device")
        now = self.clock.seconds()
        key = operation.index, operation.address.ip
        earlier = self.true.addresses.get(key)
        flags = 0
        if earlier is not None:
            flags = earlier.flags & (ADDRESS_TENTATIVE | ADDRESS_DAD_FAILED)
        elif self.detects:
            flags = ADDRESS_TENTATIVE
            self._verdicts[key] = now + DAD_SECONDS
        address = KernelAddress(
            index=operation.index,
            # Replacing an address succeeds with another prefix length but keeps the one that is there.
            address=operation.address if earlier is None else earlier.address,
            flags=flags | (0 if operation.preferred else ADDRESS_DEPRECATED),
            preferred_until=inf if operation.preferred == INFINITE else now + operation.preferred,
            valid_until=inf if operation.valid == INFINITE else now + operation.valid,
            protocol=ADDRESS_PROTOCOL,
        )
        # Of new lifetimes of an address that is tentative there is no notice.
        self._set_address(address, heard=earlier is None or not flags)

    def _put_route(self, operation: PutRoute | PutUnreachable) -> None:
        index = None
        # An expiry of an unreachable route is taken and forgotten.
        valid_until = inf
        if isinstance(operation, PutRoute):
            link = self._link_for(operation, operation.index)
            index = link.index
            if not link.is_up:
                raise _refusal(operation, ENETDOWN, "Nexthop device is not up")
            if link.ipv6_disabled:
                raise _refusal(operation, EACCES, "IPv6 is disabled on nexthop device")
            if operation.expires != INFINITE:
                valid_until = self.clock.seconds() + operation.expires
        self._set_route(
            KernelRoute(
                prefix=operation.prefix,
                index=index,
                table=operation.table,
                metric=operation.metric,
                kind=UNREACHABLE if index is None else UNICAST,
                protocol=ROUTE_PROTOCOL,
                valid_until=valid_until,
            )
        )

    def _judge(self, key: AddressKey, address: KernelAddress) -> None:
        """The end of duplicate address detection."""
        del self._verdicts[key]
        if key not in self.rivals:
            self._set_address(evolve(address, flags=address.flags & ~ADDRESS_TENTATIVE))
        elif address.valid_until == inf:
            self._set_address(evolve(address, flags=address.flags | ADDRESS_DAD_FAILED))
        else:
            # The kernel keeps a duplicate only if it is permanent; of this one there is but a last notice.
            now = self.clock.seconds()
            self.true.duplicates[key] = now
            del self.true.addresses[key]
            self._tell(lambda: self._hear_duplicate(key, now))

    # The truth, and how it is heard.

    def _named(self, name: str) -> Link:
        return next(link for link in self.true.links.values() if link.name == name)

    def _link_for(self, operation: Operation, index: int) -> Link:
        link = self.true.links.get(index)
        if link is None:
            raise _refusal(operation, ENODEV, strerror(ENODEV))
        return link

    def _set_link(self, link: Link) -> None:
        self.true.links[link.index] = link
        self._tell(lambda: self._hear_link(link))

    def _set_address(self, address: KernelAddress, heard: bool = True) -> None:
        self.true.addresses[address.key] = address
        self.true.duplicates.pop(address.key, None)
        if heard:
            self._tell(lambda: self._hear_address(address))

    def _set_route(self, route: KernelRoute) -> None:
        # What is put replaces what has the same prefix, table and metric, on whatever link.
        for key in [key for key in self.true.routes if _slot(key) == _slot(route.key)]:
            del self.true.routes[key]
        self.true.routes[route.key] = route
        self._tell(lambda: self._hear_route(route))

    def _drop_address(self, key: AddressKey) -> None:
        del self.true.addresses[key]
        self._verdicts.pop(key, None)
        self._tell(lambda: self.heard.addresses.pop(key, None))

    def _drop_route(self, key: RouteKey) -> None:
        if self.true.routes.pop(key, None) is not None:
            self._tell(lambda: self.heard.routes.pop(key, None))

    def _drop_all(self, index: int, *, with_ipv4: bool = True) -> None:
        for key in [key for key in self.true.addresses if key[0] == index and (with_ipv4 or key[1].version == 6)]:
            self._drop_address(key)
        for route_key in [key for key in self.true.routes if key[1] == index]:
            self._drop_route(route_key)
        self._forget_duplicates(self.true, index)

    def _hear_link(self, link: Link) -> None:
        self.heard.links[link.index] = link
        if not link.is_up:
            self._forget_duplicates(self.heard, link.index)

    def _unhear_link(self, index: int) -> None:
        self.heard.links.pop(index, None)
        self._forget_duplicates(self.heard, index)

    def _hear_address(self, address: KernelAddress) -> None:
        self.heard.addresses[address.key] = address
        self.heard.duplicates.pop(address.key, None)

    def _hear_duplicate(self, key: AddressKey, now: float) -> None:
        self.heard.addresses.pop(key, None)
        self.heard.duplicates[key] = now

    def _hear_route(self, route: KernelRoute) -> None:
        for key in [key for key in self.heard.routes if _slot(key) == _slot(route.key)]:
            del self.heard.routes[key]
        self.heard.routes[route.key] = route

    def _forget_duplicates(self, state: Heard, index: int) -> None:
        for key in [key for key in state.duplicates if key[0] == index]:
            del state.duplicates[key]


def _slot(key: RouteKey) -> tuple[IPv6Network, int, int]:
    return key[0], key[2], key[3]


def _refusal(operation: Operation, errno: int, reason: str) -> PrivilegeError:
    return PrivilegeError(str(operation), errno, reason)


@implementer(IPrivilege)
class RecordingPrivilege:
    """
    A provider that writes down what it is asked for.

    @ivar asked: every operation, in order.
    @ivar batches: the same, one tuple for each call.
    @ivar kernel: what carries the operations out, or C{None}.
    @ivar refuses: called with each operation; what it returns, if anything, is the refusal.
    @ivar holding: whether operations wait, carried out and answered only by L{answer}.
    @ivar configuration: what L{start} and L{reload} answer.
    @ivar adopted: what was put in force by L{adopt}.
    @ivar sockets: what L{open_client_socket} and L{open_route_socket} answer, from the first on.
    """

    def __init__(self, kernel: MemoryKernel | None = None) -> None:
        self.asked: list[Operation] = []
        self.batches: list[tuple[Operation, ...]] = []
        self.kernel = kernel
        self.refuses: Callable[[Operation], PrivilegeError | None] = lambda operation: None
        self.holding = False
        self.configuration = b""
        self.sockets: list[socket | PrivilegeError] = []
        self.opened: list[tuple[str, int]] = []
        self.adopted: list[bytes] = []
        self.stopped = 0
        self._waiting: list[tuple[Operation, Deferred[None]]] = []

    def take(self) -> list[Operation]:
        """Whatever was asked for since the last time."""
        asked, self.asked = self.asked, []
        return asked

    def answer(self, count: int | None = None) -> int:
        """Carry out and answer what waits, from the first on; how many there were."""
        waiting, self._waiting = self._waiting[:count], self._waiting[count:] if count is not None else []
        for operation, answer in waiting:
            outcome = self._carry_out(operation)
            if outcome is None:
                answer.callback(None)
            else:
                answer.errback(outcome)
        return len(waiting)

    def start(self) -> Deferred[bytes]:
        return succeed(self.configuration)

    def perform(self, operations: Sequence[Operation]) -> Sequence[Deferred[None]]:
        self.asked.extend(operations)
        self.batches.append(tuple(operations))
        answers: list[Deferred[None]] = []
        for operation in operations:
            if self.holding:
                answer: Deferred[None] = Deferred()
                self._waiting.append((operation, answer))
            else:
                outcome = self._carry_out(operation)
                answer = succeed(None) if outcome is None else fail(outcome)
            answers.append(answer)
        return answers

    def open_client_socket(self, link: str, index: int) -> Deferred[socket]:
        self.opened.append((link, index))
        return self._open()

    def open_route_socket(self) -> Deferred[socket]:
        return self._open()

    def reload(self) -> Deferred[bytes]:
        return succeed(self.configuration)

    def adopt(self, source: bytes) -> Deferred[None]:
        self.adopted.append(source)
        return succeed(None)

    def stop(self) -> Deferred[None]:
        self.stopped += 1
        return succeed(None)

    def _open(self) -> Deferred[socket]:
        outcome = self.sockets.pop(0)
        return fail(outcome) if isinstance(outcome, PrivilegeError) else succeed(outcome)

    def _carry_out(self, operation: Operation) -> PrivilegeError | None:
        refusal = self.refuses(operation)
        if refusal is None and self.kernel is not None:
            try:
                self.kernel.execute(operation)
            except PrivilegeError as error:
                refusal = error
        return refusal
