"""
Who is at the other end of a local connection, and what that makes of them.

The kernel tells user, group and supplementary groups of a peer as they were when it connected (SO_PEERCRED,
SO_PEERGROUPS), so nothing that a client says about itself counts (D54).  Names are resolved once, while the user and
group files can still be read.  Accepting connections is L{pdlease.control.server}.
"""

from __future__ import annotations

import grp
import os
import pwd
import struct
from collections.abc import Callable, Mapping
from socket import SO_PEERCRED, SOL_SOCKET, socket

from attrs import frozen

from pdlease.config.model import Daemon
from pdlease.control.roles import Peer, Roles
from pdlease.sandbox.users import why_no_group

# linux/socket.h, include/uapi/asm-generic/socket.h; Python has no name for it.  Alpha, MIPS, PA-RISC and SPARC differ.
_SO_PEERGROUPS = 59
# The largest buffer that Python's getsockopt gives: 256 groups.
_GROUPS_OCTETS = 1024


class ControlSocketError(Exception):
    """The control socket cannot be made ready; the text is a sentence with the path."""


def group_id(name: str, is_viewer: bool = False) -> int:
    """
    The number of a group, given its name or its number.

    @param is_viewer: whether it is one of C{control_viewers}, and not C{control_group}.
    @raise ControlSocketError: when there is no such group.
    """
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        if is_viewer:
            raise ControlSocketError(f"The group {name} of daemon.control_viewers does not exist.") from None
        raise ControlSocketError(
            f"The group {name}, which is to control the daemon, does not exist: make it (groupadd --system {name}) or"
            f" set daemon.control_group to another one (root for root alone)."
        ) from None


def user_id(name: str) -> int:
    """
    The number of a user, given its name or its number.

    @raise ControlSocketError: when there is no such user.
    """
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ControlSocketError(f"The user {name} of daemon.control_users does not exist.") from None


@frozen(kw_only=True)
class Accounts:
    """
    The numbers of the users and groups that the configuration named when the daemon started.

    They are looked up once: behind the sandbox there is nowhere to look, nor could the permissions of the socket be
    changed.

    @ivar starter: whoever started the daemon.
    @ivar users: name to number, of C{control_users}.
    @ivar groups: name to number, of C{control_group} and C{control_viewers}; without a C{control_group} that a user
        namespace does not have.
    @ivar remark: a sentence on such a one, or empty.
    """

    starter: int
    users: Mapping[str, int]
    groups: Mapping[str, int]
    remark: str = ""

    def roles(self, settings: Daemon) -> Roles:
        """
        Who may do what by these settings.

        @raise ControlSocketError: for a user or group that was not named at the start.
        """
        lacking = [f"user {name}" for name in settings.control_users if name not in self.users]
        lacking += [f"group {name}" for name in settings.control_viewers if name not in self.groups]
        if lacking:
            raise ControlSocketError(
                f"only a restart can let in {', '.join(lacking)}, not named when the daemon started"
            )
        return Roles(
            admin_uids=frozenset({0, self.starter, *(self.users[name] for name in settings.control_users)}),
            admin_gids=frozenset(self.groups[name] for name in self.groups.keys() & {settings.control_group}),
            viewer_gids=frozenset(self.groups[name] for name in settings.control_viewers),
        )


def look_up(settings: Daemon, why_no_group: Callable[[str], str | None] = why_no_group) -> Accounts:
    """
    Look the names up; to be called early, by the user who starts the daemon.

    @param why_no_group: tells why nothing can be given to a group, where it need not be there.
    @raise ControlSocketError: for one that does not exist.
    """
    group = settings.control_group
    reason = why_no_group(group) if group else None
    names = (*([group] if group and reason is None else []), *settings.control_viewers)
    return Accounts(
        starter=os.geteuid(),
        users={name: user_id(name) for name in settings.control_users},
        groups={name: group_id(name, is_viewer=name != group) for name in names},
        remark=f"{reason}: it cannot control the daemon" if reason else "",
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
