"""
The client socket of one uplink: asked for when the link is there, asked for again when it was refused, given up when
the link's number is another (design 16).

Datagrams themselves are L{pdlease.udp}'s; what is sent, and what is made of what comes in, is L{pdlease.uplink}'s.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EADDRINUSE
from socket import socket
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from pdlease.client.reasons import DiscardReason, Wait
from pdlease.kernel import Link
from pdlease.logs import Logger
from pdlease.operations import PrivilegeError
from pdlease.surroundings import Surroundings
from pdlease.udp import ClientPort, Marks
from pdlease.waiting import Waiting

SOCKET_RETRY = (1.0, 60.0)
"""First and longest wait (seconds) before the client socket is asked for again after a refusal."""

UNANSWERED = 3.0
"""After so many seconds without an answer it is told that there is none; one takes less than a millisecond."""


class ClientSocket:
    """
    @ivar port: the socket in the reactor, or C{None}.
    @ivar problem: why there is none, if it was refused.
    @ivar is_opening: whether it was asked for, and no answer is there yet.
    """

    log = Logger()

    def __init__(
        self,
        uplink: str,
        link_name: str,
        around: Surroundings[Any],
        marks: Marks,
        *,
        received: Callable[[bytes, str], object],
        discarded: Callable[[DiscardReason, str, str], object],
        changed: Callable[[], None],
        refused: Callable[[Waiting], None],
    ) -> None:
        """
        @param uplink: name of the uplink, for the log.
        @param marks: what packets are marked with.
        @param received: as for L{ClientPort}.
        @param discarded: as for L{ClientPort}.
        @param changed: called when the socket is there, or can be asked for again.
        @param refused: called with each refusal.
        """
        self.port: ClientPort | None = None
        self.problem: Waiting | None = None
        self.is_opening = False
        self._uplink = uplink
        self._link_name = link_name
        self._around = around
        self._marks = marks
        self._received = received
        self._discarded = discarded
        self._changed = changed
        self._refused = refused
        self._index: int | None = None
        self._holder = ""
        self._wait = SOCKET_RETRY[0]
        self._timer: IDelayedCall | None = None
        self._owed: IDelayedCall | None = None
        self._reading = False
        self._stopped = False

    def read(self) -> None:
        """Begin to read datagrams, now or as soon as there is a socket."""
        self._reading = True
        if self.port is not None:
            self.port.startReading()

    def begin_anew(self, index: int | None) -> None:
        """The link is gone or another one has its name: a socket refers to the number that the link had."""
        self.close()
        self.problem = None
        self._wait = SOCKET_RETRY[0]
        self._index = index
        if self.is_opening:
            # still that for the earlier number
            self._expect_answer()

    def open(self, link: Link) -> bool:
        """
        Ask for the socket, unless there is one, or it has been asked for, or is asked for again later.

        @return: whether it was asked for; it may be there already.
        """
        if self.port is not None or self.is_opening or self._timer is not None:
            return False
        self.is_opening = True
        self._expect_answer()
        opened: Deferred[socket] = maybeDeferred(self._around.privilege.open_client_socket, self._link_name, link.index)
        opened.addCallbacks(self._opened, self._not_opened, callbackArgs=(link.index,), errbackArgs=(link.index,))
        opened.addErrback(self._failed)
        return True

    def close(self) -> None:
        """Do without a socket until it is asked for again."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if self.port is not None:
            self.port.stop()
            self.port = None

    def stop(self) -> None:
        """Do without one for good."""
        self._stopped = True
        self._got_answer()
        self.close()

    def _expect_answer(self) -> None:
        self._got_answer()
        self._owed = self._around.clock.callLater(UNANSWERED, self._unanswered)

    def _got_answer(self) -> None:
        if self._owed is not None and self._owed.active():
            self._owed.cancel()
        self._owed = None

    def _unanswered(self) -> None:
        """Whoever opens sockets hangs: that is told, and there is nothing to do but to wait for it."""
        self._owed = None
        text = "port 546 was asked for, and the privilege provider does not answer"
        self.problem = Waiting(Wait.WAITS_FOR_SOCKET, self._link_name, text)
        self.log.warn("{uplink}: waiting for {what}", uplink=self._uplink, what=self.problem.text)
        self._refused(self.problem)

    def _opened(self, client_socket: socket, index: int) -> None:
        self.is_opening = False
        self._got_answer()
        if self._stopped or index != self._index:
            self.problem = None
            client_socket.close()
        else:
            self._wait = SOCKET_RETRY[0]
            self.problem, self._holder = None, ""
            self._mark(client_socket)
            self.port = ClientPort(self._around.reactor, client_socket, index, self._received, self._discarded)
            if self._reading:
                self.port.startReading()
        self._changed()

    def _failed(self, failure: Failure) -> None:
        self.log.failure("{uplink}: opening the socket", failure, uplink=self._uplink)

    def _mark(self, client_socket: socket) -> None:
        """Mark what is sent as configured; packets without marks are better than none."""
        try:
            self._marks.put_on(client_socket)
        except OSError as problem:
            self.log.warn("{uplink}: packets are not marked: {problem}", uplink=self._uplink, problem=str(problem))

    def _not_opened(self, failure: Failure, index: int) -> None:
        self.is_opening = False
        self._got_answer()
        if self._stopped or index != self._index:
            self.problem = None
            self._changed()
            return
        problem, told = failure.value, self.problem
        self.problem = Waiting(Wait.WAITS_FOR_SOCKET, self._link_name, failure.getErrorMessage())
        if not isinstance(problem, PrivilegeError):
            self._failed(failure)
        elif problem.errno == EADDRINUSE:
            # behind the sandbox other processes cannot be looked at: the last that is known stands
            self._holder = self._around.port_holder() or self._holder
            self.problem = Waiting(Wait.WAITS_FOR_PORT, self._link_name, self._holder or "another DHCPv6 client")
        # told once, however often it is tried
        (self.log.debug if told == self.problem else self.log.warn)(
            "{uplink}: waiting for {what}; trying again", uplink=self._uplink, what=self.problem.text
        )
        self._timer = self._around.clock.callLater(self._wait, self._again)
        self._wait = min(2 * self._wait, SOCKET_RETRY[1])
        self._refused(self.problem)

    def _again(self) -> None:
        self._timer = None
        self._changed()
