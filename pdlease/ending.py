"""
How the daemon ends: with a status of its own, which twistd has no way for, and whether or not everybody answers.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IReactorCore, IReactorTime

PATIENCE = 5.0
"""How long (seconds) the end of the daemon waits for each of those that it needs an answer from."""


async def answered_in_time(waited: Deferred[object], clock: IReactorTime) -> bool:
    """
    Wait for an answer that the end of the daemon would like to have, and no longer than L{PATIENCE}.

    @return: whether it came.
    """
    waited.addTimeout(PATIENCE, clock)
    try:
        await waited
    except TimeoutError:
        return False
    return True


class Ending:
    """
    Ends the reactor, and then the process with the status that was asked for.

    After a SIGTERM nobody asks: twistd ends by that signal (143), once every service has stopped.
    """

    def __init__(
        self,
        reactor: IReactorCore,
        at_exit: Callable[[Callable[[], None]], object] = atexit.register,
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        """
        @param at_exit: has something done last of all.
        @param leave: ends the process with a status at once.
        """
        self._reactor = reactor
        self._at_exit = at_exit
        self._leave = leave
        self._status: int | None = None

    def end(self, status: int) -> None:
        """Stop the reactor and have the process end with C{status}; the first status that is asked for stands."""
        if self._status is not None:
            return
        self._status = status
        self._at_exit(self._exit)
        with suppress(ReactorNotRunning):  # it is being stopped already
            self._reactor.stop()

    def _exit(self) -> None:
        """Last of all; the interpreter's own end would give status 0."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._leave(self._status or 0)
