"""
Carries operations out: judged by policy, checked against the kernel, done on a netlink socket.

The one piece of code that changes anything, used by the helper process (L{pdlease.privilege.desk}) and by the provider
that works in the daemon's own process (L{pdlease.privilege.inprocess}).  Blocking, since a netlink request takes some
30 microseconds.  Twisted-free.

What is there already is changed or removed only when it carries our mark.  The kernel tells so each time, except on
kernels before 5.18, which know no mark on addresses: there an address counts as ours when this process made it or it
looks like one of ours (no prefix route, inside policy, on a downstream link).
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address
from math import inf

from pdlease.netlink.requests import LinkFacts, Marks, encode, is_done
from pdlease.operations import (
    CheckLink,
    ClearMaster,
    DisableIPv6,
    EnableIPv6,
    LinkSetting,
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
from pdlease.privilege.linkexecute import LinkSetter
from pdlease.privilege.linkpolicy import wrong_kind
from pdlease.privilege.opening import open_client_socket, open_route_socket, words_of
from pdlease.privilege.policy import MOST_OBJECTS, Policy, Refusal, Refused, judge_link
from pdlease.privilege.requestsocket import RTN_UNREACHABLE, AddressFacts, KernelVRFs, RequestSocket, RouteKey

IPV6_SETTINGS = "/proc/sys/net/ipv6/conf"

# For so many seconds a list of our routes is good enough.
MOMENT = 0.1

_IFA_F_NOPREFIXROUTE = 0x200
_NLM_F_EXCL = 0x200
_NLM_F_REPLACE = 0x100
_RTN_UNICAST = 1
_FLAGS = struct.Struct("=H")


def kernel_marks_addresses(release: str) -> bool:
    """Whether a kernel of this release (C{uname -r}) keeps IFA_PROTO: 5.18 and later."""
    numbers = re.match(r"(\d+)\.(\d+)", release)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= (5, 18)


class Executor:
    """
    Holds the bounds, the request socket, and the memory of what this process made.

    @ivar policy: the bounds in force; replaced on reload.
    """

    def __init__(
        self,
        policy: Policy,
        requests: RequestSocket,
        *,
        marks_addresses: bool,
        settings: str,
        seconds: Callable[[], float],
    ) -> None:
        """
        @param policy: the bounds.
        @param requests: a socket for requests.
        @param marks_addresses: whether the kernel keeps IFA_PROTO, as far as its release tells.
        @param settings: the folder of the kernel's IPv6 settings, one folder for each link in it.
        @param seconds: a clock that does not jump.
        """
        self.policy = policy
        self._requests = requests
        self._marks_addresses = marks_addresses
        self._settings = settings
        self._addresses_made: set[tuple[int, IPv6Address]] = set()
        self._enabled: set[int] = set()
        self._objects = {"address": -1, "route": -1}
        self._seconds = seconds
        self._routes: set[RouteKey] = set()
        self._routes_at = -inf
        self._links = LinkSetter(requests, self._request)
        self._vrfs = KernelVRFs(requests)

    @classmethod
    def open(cls, policy: Policy, seconds: Callable[[], float]) -> Executor:
        """
        Make one for this machine and this network namespace.

        @param seconds: a clock that does not jump.
        @raise OSError: when no netlink socket can be had.
        """
        marks = kernel_marks_addresses(os.uname().release)
        return cls(policy, RequestSocket(), marks_addresses=marks, settings=IPV6_SETTINGS, seconds=seconds)

    def close(self) -> None:
        """Close the request socket; what was made in the kernel stays."""
        self._requests.close()

    def perform(self, operation: Operation) -> None:
        """
        Do one operation.

        @raise PrivilegeError: with errno and the kernel's words, or with errno 0 and the policy's.
        """
        refusal = self.policy.judge(operation, self._vrfs)
        if refusal is not None and not self._links.has_touched(operation):
            raise Refused(str(operation), refusal)
        try:
            _WAYS[type(operation)](self, operation)
        except OSError as error:
            raise PrivilegeError(str(operation), error.errno or errno.EIO, words_of(error)) from None

    def open_client_socket(self, link: str, index: int) -> socket.socket:
        """
        Make a client socket for an uplink (L{pdlease.privilege.opening}).

        @raise PrivilegeError: as L{perform}; EADDRINUSE when another program holds the port.
        """
        operation = f"open port 546 on {link}"
        refusal = self.policy.judge_client_socket(link)
        if refusal is not None:
            raise Refused(operation, refusal)
        try:
            self._check_link(operation, link, index)
            return open_client_socket(index)
        except OSError as error:
            raise PrivilegeError(operation, error.errno or errno.EIO, words_of(error)) from None

    def open_route_socket(self) -> socket.socket:
        """
        Make a route socket (L{pdlease.privilege.opening}).

        @raise PrivilegeError: when the kernel refuses.
        """
        try:
            return open_route_socket()
        except OSError as error:
            raise PrivilegeError("open a route socket", error.errno or errno.EIO, words_of(error)) from None

    @property
    def _marks(self) -> Marks:
        return Marks(route=self.policy.route_protocol, address=self.policy.route_protocol)

    def _check_link(self, operation: object, link: str, index: int) -> LinkFacts:
        facts = self._requests.link(index=index)
        if not isinstance(facts, LinkFacts):
            raise PrivilegeError(str(operation), facts.errno, facts.reason)
        refusal = judge_link(link, facts)
        if refusal is not None:
            raise Refused(str(operation), refusal)
        wrong = wrong_kind(self.policy.links, facts)
        if wrong is not None:
            raise Refused(str(operation), Refusal(field=wrong[0], problem=wrong[1]))
        return facts

    def _find_link(self, operation: CheckLink) -> None:
        self._check_link(operation, operation.link, operation.index)

    def _request(self, operation: Operation, *, must_be_new: bool = False) -> int:
        """
        Send an operation's request; return 0, or the error number that is no error: EEXIST where it must be new and is
        not, or that of a removal of what was gone.
        """
        sequence = self._requests.next_sequence()
        request = encode(operation, sequence, self._marks)
        if must_be_new:
            (flags,) = _FLAGS.unpack_from(request, 6)
            request = request[:6] + _FLAGS.pack((flags & ~_NLM_F_REPLACE) | _NLM_F_EXCL) + request[8:]
        answer = self._requests.acknowledge(request, sequence)
        if must_be_new and answer.errno == errno.EEXIST:
            return answer.errno
        if not is_done(operation, answer.errno):
            raise PrivilegeError(str(operation), answer.errno, answer.reason)
        return answer.errno

    def _put_address(self, operation: PutAddress) -> None:
        self._check_link(operation, operation.link, operation.index)
        self._check_count(operation, "address")
        if not self._request(operation, must_be_new=True):
            self._objects["address"] += 1
        else:
            found = self._requests.address(operation.index, operation.address.ip)
            if found is not None:
                self._take_over(operation, found)
            self._request(operation)
        if not self._marks_addresses:
            self._addresses_made.add((operation.index, operation.address.ip))

    def _take_over(self, operation: PutAddress, found: AddressFacts) -> None:
        """Make sure that the address that is there may be replaced, and can be."""
        if not self._is_ours(found):
            raise Refused(str(operation), Refusal(field="address", problem="it is there and is not ours"))
        if found.length != operation.address.network.prefixlen:
            # The kernel keeps the old length when it replaces.
            old = type(operation.address)((found.address, found.length))
            self._request(RemoveAddress(link=operation.link, index=operation.index, address=old))

    def _remove_address(self, operation: RemoveAddress) -> None:
        found = self._requests.address(operation.index, operation.address.ip)
        if found is None or found.length != operation.address.network.prefixlen:
            return
        if not self._is_ours(found):
            raise Refused(str(operation), Refusal(field="address", problem="it is not ours"))
        if not self._request(operation):
            self._objects["address"] -= 1
        self._addresses_made.discard((operation.index, operation.address.ip))

    def _put_ipv4(self, operation: PutIPv4) -> None:
        self._check_link(operation, operation.link, operation.index)
        if self._request(operation, must_be_new=True):
            found = self._requests.ipv4(operation.index, operation.address)
            if found is not None and not self._is_our_ipv4(found):
                raise Refused(str(operation), Refusal(field="address", problem="it is there and is not ours"))

    def _remove_ipv4(self, operation: RemoveIPv4) -> None:
        found = self._requests.ipv4(operation.index, operation.address)
        if found is None:
            return
        if not self._is_our_ipv4(found):
            raise Refused(str(operation), Refusal(field="address", problem="it is not ours"))
        self._request(operation)

    def _is_our_ipv4(self, found: AddressFacts) -> bool:
        """Whether an IPv4 address is ours; on a kernel without marks, any that a link was configured to have."""
        if found.protocol is not None:
            self._marks_addresses = True
        if self._marks_addresses:
            return found.protocol == self.policy.route_protocol
        facts = self._requests.link(index=found.index)
        bounds = self.policy.known_links.get(facts.name) if isinstance(facts, LinkFacts) else None
        return bounds is not None and any(address.ip == found.address for address in bounds.ipv4)

    def _is_ours(self, found: AddressFacts) -> bool:
        if found.protocol is not None:
            self._marks_addresses = True
        if self._marks_addresses or (found.index, found.address) in self._addresses_made:
            return found.protocol == self.policy.route_protocol or (found.index, found.address) in self._addresses_made
        facts = self._requests.link(index=found.index)
        return (
            isinstance(facts, LinkFacts)
            and facts.name in self.policy.known_downstreams
            and bool(found.flags & _IFA_F_NOPREFIXROUTE)
            and any(found.address in prefix for prefix in self.policy.prefixes)
        )

    def _put_route(self, operation: PutRoute) -> None:
        self._check_link(operation, operation.link, operation.index)
        self._put_any_route(operation, _RTN_UNICAST)

    def _put_unreachable(self, operation: PutUnreachable) -> None:
        self._put_any_route(operation, RTN_UNREACHABLE)

    def _put_any_route(self, operation: PutRoute | PutUnreachable, kind: int) -> None:
        self._check_count(operation, "route")
        key = _route_key(operation, kind)
        if not self._request(operation, must_be_new=True):
            self._objects["route"] += 1
            # Only into a list in use: what expires is not told, so that a list is never kept for long.
            if self._are_routes_fresh():
                self._routes.add(key)
            return
        # A replacement goes by destination, table and metric: whose route stands there must be asked first.
        if key not in self._our_routes():
            raise Refused(str(operation), Refusal(field="prefix", problem="a route that is not ours stands there"))
        self._request(operation)

    def _our_routes(self) -> set[RouteKey]:
        """The routes with our mark; those of a moment ago will do, so that many refreshes at once ask once."""
        if not self._are_routes_fresh():
            self._routes_at = self._seconds()
            self._routes = set(self._requests.routes(self.policy.route_protocol))
        return self._routes

    def _are_routes_fresh(self) -> bool:
        return self._routes_at <= self._seconds() < self._routes_at + MOMENT

    def _remove_on_link(self, operation: RemoveRoute) -> None:
        self._remove_any_route(operation, _RTN_UNICAST)

    def _remove_unreachable(self, operation: RemoveUnreachable) -> None:
        self._remove_any_route(operation, RTN_UNREACHABLE)

    def _remove_any_route(self, operation: RemoveRoute | RemoveUnreachable, kind: int) -> None:
        # The request names our protocol number: the kernel passes over every route that has another.
        if not self._request(operation):
            self._objects["route"] -= 1
        self._routes.discard(_route_key(operation, kind))

    def _check_count(self, operation: Operation, kind: str) -> None:
        """Refuse what would be one too many; counted anew only where the count says so, since objects expire."""
        if 0 <= self._objects[kind] < MOST_OBJECTS:
            return
        mark = self.policy.route_protocol
        if kind == "route":
            self._objects[kind] = len(self._requests.routes(mark))
        else:
            found = self._requests.addresses()
            self._addresses_made &= {(entry.index, entry.address) for entry in found}
            marked = sum(entry.protocol == mark for entry in found)
            self._objects[kind] = max(marked, len(self._addresses_made))
        if self._objects[kind] >= MOST_OBJECTS:
            field = "address" if kind == "address" else "prefix"
            raise Refused(str(operation), Refusal(field=field, problem=f"there are {self._objects[kind]} of ours"))

    def _enable_ipv6(self, operation: EnableIPv6) -> None:
        self._check_link(operation, operation.link, operation.index)
        if self._set_disabled(operation, operation.link, "0"):
            self._enabled.add(operation.index)

    def _disable_ipv6(self, operation: DisableIPv6) -> None:
        facts = self._requests.link(index=operation.index)
        if not isinstance(facts, LinkFacts):
            return  # a link that is gone has no setting to put back
        if operation.index not in self._enabled and facts.name not in self.policy.known_downstreams:
            problem = f"{operation.index} is {facts.name}, no downstream of ours"
            raise Refused(str(operation), Refusal(field="index", problem=problem))
        for found in self._requests.addresses(operation.index):
            if not found.address.is_link_local and not self._is_ours(found):
                problem = f"{found.address} would go, which is not ours"
                raise Refused(str(operation), Refusal(field="index", problem=problem))
        route = self._requests.route_of_others(operation.index, self.policy.route_protocol)
        if route is not None:
            problem = f"the route to {route} would go, which is not ours"
            raise Refused(str(operation), Refusal(field="index", problem=problem))
        self._set_disabled(operation, facts.name, "1")
        self._enabled.discard(operation.index)

    def _set_disabled(self, operation: EnableIPv6 | DisableIPv6, name: str, value: str) -> bool:
        """Write a link's C{disable_ipv6}; say whether it was something else."""
        descriptor = os.open(f"{self._settings}/{name}/disable_ipv6", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            # Checked when the file is open: if the link is renamed later, the kernel refuses the write (ENOENT).
            self._check_link(operation, name, operation.index)
            if os.pread(descriptor, 8, 0).strip() == value.encode():
                return False
            os.pwrite(descriptor, value.encode(), 0)
        finally:
            os.close(descriptor)
        return True

    def _set_link(self, operation: LinkSetting) -> None:
        self._links.perform(operation, self.policy.known_links)


def _route_key(operation: PutRoute | PutUnreachable | RemoveRoute | RemoveUnreachable, kind: int) -> RouteKey:
    prefix = operation.prefix
    return (operation.table, operation.metric, kind, prefix.prefixlen, prefix.network_address.packed)


_WAYS: Mapping[type, Callable[..., None]] = {
    CheckLink: Executor._find_link,
    PutAddress: Executor._put_address,
    RemoveAddress: Executor._remove_address,
    PutRoute: Executor._put_route,
    RemoveRoute: Executor._remove_on_link,
    PutUnreachable: Executor._put_unreachable,
    RemoveUnreachable: Executor._remove_unreachable,
    EnableIPv6: Executor._enable_ipv6,
    DisableIPv6: Executor._disable_ipv6,
    PutIPv4: Executor._put_ipv4,
    RemoveIPv4: Executor._remove_ipv4,
    SetMaster: Executor._set_link,
    ClearMaster: Executor._set_link,
    SetDescription: Executor._set_link,
    SetGroup: Executor._set_link,
    SetUp: Executor._set_link,
    SetDown: Executor._set_link,
    SetLinkAddress: Executor._set_link,
}
