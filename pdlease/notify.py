"""
Tells the supervisor how the daemon is: sd_notify(3), in its few lines.

The socket is made while one can be made, and is connected: behind the sandbox a datagram is all that is sent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from time import CLOCK_MONOTONIC, clock_gettime_ns

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Notifier:
    """
    Tells; costs nothing, and wakes nobody, where nobody asked to be told.

    @ivar every: seconds between two signs of life; C{None} if none are wanted.
    """

    def __init__(
        self, clock: IReactorTime, send: Callable[[bytes], object] | None = None, every: float | None = None
    ) -> None:
        """
        @param clock: counts the seconds between signs of life.
        @param send: sends one datagram to the supervisor; may raise L{OSError}.
        """
        self.every = every if send is not None else None
        self._clock = clock
        self._send = send
        self._due: IDelayedCall | None = None

    def ready(self, status: str) -> None:
        """
        The start is over; from now on there are signs of life.

        @param status: one line for C{systemctl status}.
        """
        self._tell("READY=1", f"STATUS={status}")
        self._live()

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """While the configuration is read again."""
        # systemd compares this with when it asked
        self._tell("RELOADING=1", f"MONOTONIC_USEC={clock_gettime_ns(CLOCK_MONOTONIC) // 1000}")
        try:
            yield
        finally:
            self._tell("READY=1")

    def stopping(self) -> None:
        """The end has begun; it may take as long as the supervisor allows."""
        self._tell("STOPPING=1")
        if self._due is not None and self._due.active():
            self._due.cancel()

    def _live(self) -> None:
        if self.every is not None:
            self._tell("WATCHDOG=1")
            self._due = self._clock.callLater(self.every, self._live)

    def _tell(self, *lines: str) -> None:
        if self._send is not None:
            # a supervisor that is gone or does not read is none
            with suppress(OSError):
                self._send("\n".join(lines).encode())


def notifier(clock: IReactorTime, environment: MutableMapping[str, str] = os.environ) -> Notifier:
    """
    The notifier that the supervisor asks for in the environment, where it is then no more.

    A sign of life is sent twice in the time after which the supervisor would miss it.
    """
    address = environment.pop("NOTIFY_SOCKET", "")
    every = _watchdog(environment)
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        environment.pop(name, None)
    if not address.startswith(("/", "@")):
        return Notifier(clock)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        connection.connect("\0" + address[1:] if address[0] == "@" else address)
    except OSError:
        connection.close()
        return Notifier(clock)
    return Notifier(clock, connection.send, every)


def _watchdog(environment: Mapping[str, str]) -> float | None:
    """Seconds between signs of life, if this process is asked for them."""
    asked, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(os.getpid()))
    if not asked.isascii() or not asked.isdigit() or int(asked) == 0 or process != str(os.getpid()):
        return None
    return int(asked) / 2_000_000
