"""
A reactor and a socket under a test's thumb, for what reads sockets.
"""

from __future__ import annotations

import errno
import socket
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure


class FakeReactor:
    """
    The part of a reactor that watches descriptors.

    @ivar readers: what is watched, in order.
    """

    def __init__(self) -> None:
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        if reader not in self.readers:
            self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        if reader in self.readers:
            self.readers.remove(reader)

    def turn(self) -> None:
        """Have every descriptor read once."""
        for reader in tuple(self.readers):
            reader.doRead()

    def give_up(self, reader: Any) -> None:
        """Do as Twisted's reactors do with a descriptor that reports an error and nothing to read."""
        self.removeReader(reader)
        reader.connectionLost(Failure(ConnectionLost()))


class FakeSocket:
    """
    A datagram socket.

    @ivar sent: what was sent, with its destination.
    @ivar options: what was set.
    @ivar refusing: the error that sending gives, or C{None}.
    @ivar pending: the error that SO_ERROR tells, once.
    @ivar broken: whether the descriptor is not a socket any more.
    @ivar closed: how often it was closed.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Any]] = []
        self.options: dict[tuple[int, int], int] = {}
        self.refusing: OSError | None = None
        self.pending = 0
        self.broken = False
        self.closed = 0
        self._arrived: list[Any] = []

    def arrive(self, *items: Any) -> None:
        """Have these read: each an error to raise, or octets, sender, and flags and ancillary data if there are any."""
        self._arrived.extend(items)

    def recvmsg(self, size: int, ancillary: int = 0) -> tuple[bytes, list[Any], int, Any]:
        if not self._arrived:
            raise BlockingIOError(errno.EAGAIN, "nothing there")
        item = self._arrived.pop(0)
        if isinstance(item, Exception):
            raise item
        data, sender, flags, more = (*item, 0, [])[:4] if len(item) < 4 else item
        if len(data) > size:
            data, flags = data[:size], flags | socket.MSG_TRUNC
        return data, more or [], flags, sender

    def sendto(self, data: bytes, destination: Any) -> int:
        if self.refusing is not None:
            raise self.refusing
        self.sent.append((data, destination))
        return len(data)

    def setsockopt(self, level: int, option: int, value: int) -> None:
        if self.broken:
            raise OSError(errno.EBADF, "broken")
        self.options[level, option] = value

    def getsockopt(self, level: int, option: int) -> int:
        if self.broken:
            raise OSError(errno.EBADF, "broken")
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR)
        number, self.pending = self.pending, 0
        return number

    def fileno(self) -> int:
        return 42

    def close(self) -> None:
        self.closed += 1
