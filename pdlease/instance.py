"""
That no two instances of pdlease work on the same things: a lock on the state folder, and a name for each uplink.

What they would do to each other is R-D-01: one DUID and the same IAIDs, asked for twice.  That kernel objects of
another instance are never touched is a matter of marks and ledger (L{pdlease.ledger}), not of these locks.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterable

LOCK_NAME = "lock"

SPARES = 64
"""For how many uplinks that reloads add there are sockets at hand."""


class AlreadyRunning(Exception):
    """Another instance holds what we need; the text says which."""


class Instance:
    """
    What this process holds against others, for as long as it lives.

    The kernel gives everything back when the process ends, however it ends.
    """

    def __init__(self) -> None:
        self._state: int | None = None
        self._names: dict[str, socket.socket] = {}
        self._spares: list[socket.socket] | None = None

    def hold_state(self, folder: str) -> None:
        """
        Lock a state folder.

        @raise AlreadyRunning: when another process has it.
        @raise OSError: when the lock file cannot be made.
        """
        descriptor = os.open(
            os.path.join(folder, LOCK_NAME), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise AlreadyRunning(f"another pdlease uses the state folder {folder}") from None
        self._state = descriptor

    def hold_uplinks(self, links: Iterable[str]) -> None:
        """
        Hold exactly the uplinks on these links; what was held besides is given back.

        A name in the abstract socket namespace belongs to one network namespace, as a link does.

        @raise AlreadyRunning: when another process has one of them; then nothing has changed.  Likewise when more of
            them are new than there are spare sockets.
        """
        wanted = set(links)
        fresh: dict[str, socket.socket] = {}
        for link in sorted(wanted - self._names.keys()):
            if self._spares is None:
                name = _nameless()
            elif self._spares:
                name = self._spares.pop()
            else:
                for taken in fresh.values():
                    taken.close()
                raise AlreadyRunning(f"only a restart can add the uplink {link}: too many were added by reloads")
            try:
                name.bind(f"\0pdlease/uplink/{link}")
            except OSError:
                for taken in (name, *fresh.values()):
                    taken.close()
                raise AlreadyRunning(f"another pdlease serves the uplink {link}") from None
            fresh[link] = name
        for link in self._names.keys() - wanted:
            self._names.pop(link).close()
        self._names.update(fresh)

    def prepare(self) -> None:
        """Have sockets at hand for uplinks that a reload adds: behind the sandbox none can be made."""
        if self._spares is None:
            self._spares = [_nameless() for _ in range(SPARES)]

    def close(self) -> None:
        """Give everything back."""
        self.hold_uplinks(())
        while self._spares:
            self._spares.pop().close()
        if self._state is not None:
            os.close(self._state)
            self._state = None


def _nameless() -> socket.socket:
    """A socket that can bear a name, and do nothing else."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    name.shutdown(socket.SHUT_RDWR)
    return name
