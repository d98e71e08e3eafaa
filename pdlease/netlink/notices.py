"""
What can be heard on the route socket, as values.

L{pdlease.netlink.codec} makes them of received bytes, L{pdlease.netlink.links} folds them into the table.  Links,
addresses and routes are carried as the values of L{pdlease.kernel}.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Union

from attrs import frozen

from pdlease.kernel import AdvertisedPrefix, KernelAddress, KernelRoute, Link


@frozen
class LinkNotice:
    """A link is there or has changed."""

    link: Link


@frozen
class LinkGone:
    """
    A link has departed.

    RTM_DELLINK speaks of this only with no address family: with AF_BRIDGE it tells that a link left its bridge, and
    with AF_INET6 that IPv6 went away from it.
    """

    index: int


@frozen
class AddressNotice:
    """An address was added, has changed, or is gone."""

    address: KernelAddress
    removed: bool = False


@frozen
class RouteNotice:
    """
    An IPv6 route with our protocol number was added, has changed, or is gone.

    @ivar route: the route.
    @ivar removed: whether it is gone.
    @ivar replaces: whether it took the place of another with its prefix, table and metric, if there was one.
    """

    route: KernelRoute
    removed: bool = False
    replaces: bool = False


@frozen
class RouteReplaced:
    """
    An IPv6 route that is not ours took the place of another with its prefix, table and metric, which may have been
    ours.

    @ivar route: the new route.
    """

    route: KernelRoute


@frozen
class Inet6Notice:
    """
    What IPv6 knows of a link has changed (group IPV6_IFINFO).

    @ivar index: the link's.
    @ivar disabled: its C{disable_ipv6} setting, or C{None} if the notice does not tell.
    @ivar heard_router: whether a Router Advertisement was received that the kernel had solicited since IPv6 came up.
    @ivar managed: the M flag of the last Router Advertisement (RFC 4861 section 4.2).
    @ivar other: its O flag.
    """

    index: int
    disabled: bool | None
    heard_router: bool
    managed: bool
    other: bool


@frozen
class Inet6Doubt:
    """
    IPv6 was taken off a link: down, too small an MTU, or C{disable_ipv6}.

    The kernel tells nobody that C{disable_ipv6} was set to 1 (while it tells that it was set to 0, by L{Inet6Notice});
    but it then removes the route of ff00::/8, which this is made of.  Whether that was the reason must be asked.
    """

    index: int


@frozen
class PrefixNotice:
    """
    A Router Advertisement named a prefix (group IPV6_PREFIX); told of each prefix of each Router Advertisement.

    @ivar advertised: the prefix, and what was said of it.
    """

    advertised: AdvertisedPrefix


@frozen
class RouterNotice:
    """
    The kernel took a default route from a Router Advertisement, or has lost it.

    @ivar index: the link that it was heard on.
    @ivar router: the router's link-local address.
    @ivar removed: whether the route is gone: its lifetime is over, or the router said so.
    """

    index: int
    router: IPv6Address
    removed: bool = False


@frozen
class DumpInterrupted:
    """
    The kernel's tables changed while it answered a dump (NLM_F_DUMP_INTR), so the answer may be wrong.

    The kernel says so once, with the first message after the change.

    @ivar sequence: the sequence number of the request.
    """

    sequence: int


@frozen
class DumpDone:
    """
    The answer to a dump is complete.

    @ivar sequence: the sequence number of the request.
    @ivar errno: 0, or why the kernel ended the dump early.
    """

    sequence: int
    errno: int


@frozen
class Refusal:
    """
    The kernel refuses a request.

    @ivar sequence: the sequence number of the request.
    @ivar errno: why, as a number; 0 is an acknowledgement.
    @ivar reason: why, in the kernel's own words where it had some.
    """

    sequence: int
    errno: int
    reason: str


@frozen
class Damaged:
    """
    A message that could not be read.

    @ivar kind: its message type.
    @ivar problem: what is wrong with it.
    """

    kind: int
    problem: str


Notice = Union[
    LinkNotice,
    LinkGone,
    AddressNotice,
    RouteNotice,
    RouteReplaced,
    Inet6Notice,
    Inet6Doubt,
    PrefixNotice,
    RouterNotice,
    DumpInterrupted,
    DumpDone,
    Refusal,
    Damaged,
]
