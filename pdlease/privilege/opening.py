"""
The two sockets that the daemon is given: made here, by whoever holds the privilege, and passed on.

Who may have which is L{pdlease.privilege.policy}; what reads from them is L{pdlease.udp} and
L{pdlease.netlink.routesocket}.  A route socket that was passed on conveys no right: the kernel asks for the capability
of whoever sends on it.
"""

from __future__ import annotations

import contextlib
import os
import socket

from pdlease.privilege.requestsocket import NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK, SOL_NETLINK
from pdlease.wire.codes import CLIENT_PORT

# LINK, IPV4_IFADDR, IPV6_IFADDR, IPV6_ROUTE, IPV6_IFINFO, IPV6_PREFIX.
GROUPS = (1, 5, 9, 11, 12, 18)

# The default of some 200 KiB holds 206 notices; after this many octets the daemon asks for everything anew.
ROUTE_BUFFER = 4 << 20
CLIENT_BUFFER = 1 << 20

_NETLINK_ADD_MEMBERSHIP = 1
_SO_BINDTOIFINDEX = 62
_SO_RCVBUFFORCE = 33


def _enlarge(made: socket.socket, octets: int) -> None:
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, octets)
    except OSError:  # not in a user namespace: as much as the system allows everybody
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, octets)


def open_client_socket(index: int) -> socket.socket:
    """
    Make a non-blocking UDP socket on C{[::]:546} that belongs to one link, by its index.

    @raise OSError: EADDRINUSE when another program holds the port on that link, ENODEV when the link is gone.
    """
    made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        # By index, not by name: a link that is renamed meanwhile stays the one that was judged.
        made.setsockopt(socket.SOL_SOCKET, _SO_BINDTOIFINDEX, index)
        _enlarge(made, CLIENT_BUFFER)
        made.bind(("::", CLIENT_PORT))
    except OSError:
        made.close()
        raise
    return made


def open_route_socket() -> socket.socket:
    """
    Make a non-blocking rtnetlink socket that hears of links, addresses, IPv6 routes, settings and prefixes.

    @raise OSError: when the kernel refuses.
    """
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    made = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
    try:
        _enlarge(made, ROUTE_BUFFER)
        for option in (NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK):
            with contextlib.suppress(OSError):
                made.setsockopt(SOL_NETLINK, option, 1)
        made.bind((0, 0))
        for group in GROUPS:
            made.setsockopt(SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
    except OSError:
        made.close()
        raise
    return made


def words_of(error: OSError) -> str:
    """What an error says, in the system's words."""
    return error.strerror or (os.strerror(error.errno) if error.errno else str(error))
