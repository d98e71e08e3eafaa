"""
The control socket: made early, as root, with the permissions that it keeps.

Nothing is accepted here; that is L{pdlease.control.server}, which is imported later, since every import before the
first Solicit costs time.  A missing group or a socket that cannot be made should keep the daemon from starting (D56).
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pdlease.control.peers import ControlSocketError, group_id

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Connections that wait until they are accepted.
BACKLOG = 64


def listen_socket(path: str, group: str) -> socket.socket:
    """
    Make the control socket and listen; nothing is accepted yet.

    A socket file that nobody listens on is removed; one that somebody does is left alone.  The folder is made (0755) if
    it is missing.  The file is 0660 and of the group, or 0600 without one.

    @param path: where.
    @param group: name or number of the group that may control the daemon; empty for root alone.
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
            listening.listen(BACKLOG)
        listening.setblocking(False)
    except BaseException as problem:
        listening.close()
        if isinstance(problem, OSError):
            words = problem.strerror or str(problem)
            raise ControlSocketError(f"The control socket {path} cannot be made: {words}.") from problem
        raise
    return listening


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
