"""
Who is at the other end of a local connection, and what that makes of them.

The kernel tells user, group and supplementary groups of a peer as they were when it connected (SO_PEERCRED,
SO_PEERGROUPS), so nothing that a client says about itself counts (D54).  Names are resolved once, while the user and
group files can still be read.  Accepting connections is L{pdlease.control.server}.
"""

from __future__ import annotations

import grp
import os
import struct
from collections.abc import Iterable
from socket import SO_PEERCRED, SOL_SOCKET, socket

from pdlease.control.roles import Peer, Roles

# linux/socket.h, include/uapi/asm-generic/socket.h; Python has no name for it.  Alpha, MIPS, PA-RISC and SPARC differ.
_SO_PEERGROUPS = 59
# The largest buffer that Python's getsockopt gives: 256 groups.
_GROUPS_OCTETS = 1024


class ControlSocketError(Exception):
    """The control socket cannot be made ready; the text is a sentence with the path."""


def group_id(name: str) -> int:
    """
    The number of a group, given its name or its number.

    @raise ControlSocketError: when there is no such group.
    """
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ControlSocketError(
            f"The group {name}, which is to control the daemon, does not exist: make it (groupadd --system {name}) or"
            f" set daemon.control_group to another one (root for root alone)."
        ) from None


def resolve_roles(control_group: str, viewer_groups: Iterable[str] = ()) -> Roles:
    """
    Look the names up; to be called early, by the user who starts the daemon.

    @raise ControlSocketError: for a group that does not exist.
    """
    return Roles(
        admin_uids=frozenset({0, os.geteuid()}),
        admin_gids=frozenset({group_id(control_group)} if control_group else ()),
        viewer_gids=frozenset(group_id(name) for name in viewer_groups),
    )


def peer_of(connection: socket) -> Peer:
    """
    Ask the kernel who is at the other end of a local stream connection.

    A peer in more groups than can be asked for (256) counts as being in its effective group only.

    @raise OSError: when the kernel does not tell.
    """
    pid, uid, gid = struct.unpack("iII", connection.getsockopt(SOL_SOCKET, SO_PEERCRED, 12))
    try:
        octets = connection.getsockopt(SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_OCTETS)
    except OSError:
        octets = b""
    groups = struct.unpack(f"{len(octets) // 4}I", octets)
    return Peer(pid=pid, uid=uid, gids=frozenset((gid, *groups)))
