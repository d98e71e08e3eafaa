"""
The control sockets: made early, as root, the local one with the permissions that it keeps.

Nothing is accepted here; that is L{pdlease.control.server}, which is imported later, since every import before the
first Solicit costs time.  A missing group or a socket that cannot be made should keep the daemon from starting (D56).
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pdlease.control.peers import ControlSocketError, group_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pdlease.config.remote import Listen

#: Connections that wait until they are accepted.
BACKLOG = 64
REMOTE_BACKLOG = 16

# linux/in6.h: an address may be bound to before it is there.
_IPV6_FREEBIND = 78

# linux/posix_acl_xattr.h, linux/posix_acl.h
_ACL = "system.posix_acl_access"
_ACL_VERSION = 2
_ACL_USER_OBJ, _ACL_USER, _ACL_GROUP_OBJ, _ACL_GROUP, _ACL_MASK, _ACL_OTHER = 1, 2, 4, 8, 16, 32
_READ_AND_WRITE = 6
_NOBODY = 0xFFFFFFFF


def listen_socket(
    path: str, group: str, users: Iterable[int] = (), further_groups: Iterable[int] = ()
) -> socket.socket:
    """
    Make the control socket and listen; nothing is accepted yet.

    A socket file that nobody listens on is removed; one that somebody does is left alone.  The folder is made (0755) if
    it is missing.  The file is 0660 and of the group, or 0600 without one, with an access list where others may
    connect as well; on a file system that has none everybody may open the file then, and the daemon alone tells who is
    who.

    @param path: where.
    @param group: name or number of the group that may control the daemon; empty for root alone.
    @param users: numbers of users who may connect besides.
    @param further_groups: numbers of groups whose members may.
    @return: a non-blocking listening socket.
    @raise ControlSocketError: when that cannot be done; the daemon should not start then (D56).
    """
    gid = group_id(group) if group else None
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        folder = os.path.dirname(os.path.abspath(path))
        os.makedirs(folder, mode=0o755, exist_ok=True)
        with _locked(folder):
            _remove_stale(path)
            # The folder may belong to the daemon's own user, who must not make us change some other file: so the mode
            # comes with the file, the group never through a link, and nobody gets in before the last line.
            before = os.umask(0o177 if gid is None else 0o117)
            try:
                listening.bind(path)
            finally:
                os.umask(before)
            if gid is not None:
                os.chown(path, -1, gid, follow_symlinks=False)
            _let_in(path, gid is not None, sorted(set(users)), sorted(set(further_groups)))
            listening.listen(BACKLOG)
        listening.setblocking(False)
    except BaseException as problem:
        listening.close()
        if isinstance(problem, OSError):
            words = problem.strerror or str(problem)
            raise ControlSocketError(f"The control socket {path} cannot be made: {words}.") from problem
        raise
    return listening


def listen_remote(place: Listen) -> socket.socket:
    """
    Listen for connections of other machines; nothing is accepted yet.

    Without an address it is all of them, of IPv4 as well.

    @return: a non-blocking listening socket.
    @raise ControlSocketError: when that cannot be done.
    """
    is_ipv4 = "." in place.interface and ":" not in place.interface
    # an address of IPv4 by its IPv6 name: no other family of addresses is needed, in our sandbox or in a supervisor's
    address = f"::ffff:{place.interface}" if is_ipv4 else place.interface or "::"
    listening = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, bool(place.interface) and not is_ipv4)
        listening.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        # with the scope of a link-local address taken apart
        found = socket.getaddrinfo(address, place.port, socket.AF_INET6, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
        listening.bind(found[0][4])
        listening.listen(REMOTE_BACKLOG)
        listening.setblocking(False)
    except OSError as problem:
        listening.close()
        words = problem.strerror or str(problem)
        raise ControlSocketError(f"control.remote.listen, {place.written}: {words}.") from None
    return listening


def _let_in(path: str, is_for_group: bool, users: list[int], groups: list[int]) -> None:
    """Open the socket's file to some users and groups more."""
    if not users and not groups:
        return
    entries = [
        (_ACL_USER_OBJ, _READ_AND_WRITE, _NOBODY),
        *((_ACL_USER, _READ_AND_WRITE, uid) for uid in users),
        (_ACL_GROUP_OBJ, _READ_AND_WRITE if is_for_group else 0, _NOBODY),
        *((_ACL_GROUP, _READ_AND_WRITE, gid) for gid in groups),
        (_ACL_MASK, _READ_AND_WRITE, _NOBODY),
        (_ACL_OTHER, 0, _NOBODY),
    ]
    octets = struct.pack("<I", _ACL_VERSION) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, _ACL, octets, follow_symlinks=False)
    except OSError as problem:
        if problem.errno not in (errno.ENOTSUP, errno.EINVAL):
            raise
        # EINVAL: a user namespace does not know one of them; ENOTSUP is also what a symbolic link says
        _let_everybody_in(path)


def _let_everybody_in(path: str) -> None:
    """Open the socket's file to all users; what took its place meanwhile, in a folder of others, stays as it is."""
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            os.chmod(f"/proc/self/fd/{descriptor}", 0o666)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Keep two daemons that start at once from removing each other's new socket."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_stale(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlSocketError(f"{path}, where the control socket shall be, is something else; remove it.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass
    raise ControlSocketError(f"Another daemon listens on the control socket {path}.")
