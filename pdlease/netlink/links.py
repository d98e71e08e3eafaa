"""
The watch on the kernel: asks for everything once, hears of every change, and asks again when something was missed.

What is known is kept in L{pdlease.netlink.table}, which L{LinkWatch} is one of; the octets are
L{pdlease.netlink.codec}'s, the socket L{pdlease.netlink.routesocket}'s.  What to do about a change is decided by those
who listen.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from errno import EBUSY

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorFDSet, IReactorTime

from pdlease.kernel import AdvertisedPrefix
from pdlease.logs import Logger
from pdlease.netlink.codec import RTPROT_RA, request_addresses, request_inet6, request_links, request_routes
from pdlease.netlink.notices import (
    Damaged,
    DumpDone,
    DumpInterrupted,
    Inet6Doubt,
    Notice,
    PrefixNotice,
    Refusal,
)
from pdlease.netlink.requests import encode_link_query
from pdlease.netlink.routesocket import RoutePort, RouteProtocol
from pdlease.netlink.table import Table

PAUSE = 0.05
"""Seconds from an overrun, or a dump that went wrong, to the next dump; what else is lost meanwhile costs no other."""

LONGEST_PAUSE = 5.0
"""Where dump after dump goes wrong the pause doubles up to so many seconds."""

FLOOD = 8
"""While more comes in than is read in a turn, listeners are told after so many turns (each of some 5 ms at most)."""


class LinkWatch(Table):
    """
    The table of links, addresses and routes, kept true.

    Dumps follow one another (links, what IPv6 knows of them, addresses, routes, routers), since the kernel answers one
    at a time.  While a dump is under way, and while something is known to have been missed, the table keeps what it
    had; what a complete dump did not name is dropped at its end.  Nothing here wakes the reactor while the kernel is
    silent.

    @ivar overruns: how often notices were lost.
    @ivar dumps: how many rounds of dumps were begun.
    """

    log = Logger()

    def __init__(
        self, reactor: IReactorFDSet, clock: IReactorTime, route_socket: socket.socket, route_protocol: int
    ) -> None:
        """
        @param reactor: calls when there is something to read.
        @param clock: the boot-time clock.
        @param route_socket: from L{pdlease.interfaces.IPrivilege.open_route_socket}; belongs to the watch from now on.
        @param route_protocol: the protocol number by which our routes are told from others'.
        """
        super().__init__()
        self.overruns = 0
        self.dumps = 0
        protocol = RouteProtocol(clock, route_protocol, self._heard, self._overrun, self._paused)
        self._port = RoutePort(reactor, route_socket, protocol)
        self._clock = clock
        self._sequence = 0
        self._steps: tuple[tuple[Callable[[int], bytes], Callable[[], None], Callable[[], None]], ...] = (
            (request_links, self.expect_links, self.drop_links),
            (request_inet6, lambda: None, lambda: None),
            (request_addresses, self.expect_addresses, self.drop_addresses),
            (lambda sequence: request_routes(sequence, route_protocol), self.expect_routes, self.drop_routes),
            (lambda sequence: request_routes(sequence, RTPROT_RA), self.expect_routers, self.drop_routers),
        )
        self._step: int | None = None
        self._asked = 0
        self._is_spoiled = False
        self._missed = False
        self._pause = PAUSE
        self._again: IDelayedCall | None = None
        self._started: Deferred[None] | None = None
        self._is_complete = False
        self._turns = 0
        self._listeners: list[Callable[[frozenset[str]], object]] = []
        self._prefix_listeners: list[Callable[[AdvertisedPrefix], object]] = []
        self._damaged: set[int] = set()

    def start(self) -> Deferred[None]:
        """
        Ask for everything.

        @return: fires when the table is complete for the first time.
        """
        self._started = Deferred()
        self._port.startReading()
        self._dump()
        return self._started

    def stop(self) -> None:
        """Hear no more.  The table stays as it is."""
        if self._again is not None and self._again.active():
            self._again.cancel()
        self._again = None
        self._port.stop()

    def listen(self, listener: Callable[[frozenset[str]], object]) -> None:
        """
        Have C{listener} called after each batch of notices that changed something, once the table is complete, with the
        names of the links concerned; after a change of name both names.  A change of a route that belongs to no link
        gives no name.
        """
        self._listeners.append(listener)

    def listen_to_prefixes(self, listener: Callable[[AdvertisedPrefix], object]) -> None:
        """Have C{listener} called with each prefix that a Router Advertisement names, each time it does."""
        self._prefix_listeners.append(listener)

    def ask_again(self) -> None:
        """Ask for everything anew, soon: something may have been missed, as in a suspend."""
        self._missed = True
        self._dump_later()

    def ask_link(self, index: int) -> None:
        """
        Ask for one link anew.  Needed for C{disable_ipv6}: the kernel tells of no change of it while the link is down,
        and never that it was set.
        """
        self._sequence += 1
        problem = self._port.send(encode_link_query(self._sequence, index=index))
        if problem is not None:
            self.ask_again()

    # Dumps.

    def _dump(self) -> None:
        """Begin a round of dumps."""
        self._again = None
        self.dumps += 1
        self._missed = self._is_spoiled = False
        self._begin(0)

    def _dump_later(self) -> None:
        if self._again is None:
            self._again = self._clock.callLater(self._pause, self._dump)

    def _begin(self, step: int) -> None:
        """Ask for one kind; the answer ends with L{DumpDone}."""
        request, expect, _ = self._steps[step]
        self._step = step
        self._sequence += 1
        self._asked = self._sequence
        expect()
        problem = self._port.send(request(self._asked))
        if problem is not None:
            self.log.warn("asking for the kernel's state: {problem}", problem=str(problem))
            self._fail()

    def _fail(self) -> None:
        """Give this round of dumps up; another one comes, later and later."""
        self._step = None
        self._missed = True
        self._dump_later()
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _done(self, notice: DumpDone) -> None:
        if notice.sequence != self._asked or self._step is None:
            return
        if notice.errno or self._is_spoiled or self._missed:
            # What was not named may only have been skipped: nothing is dropped.
            self._fail()
            return
        self._steps[self._step][2]()
        if self._step + 1 < len(self._steps):
            self._begin(self._step + 1)
            return
        self._step = None
        self._pause = PAUSE
        self._is_complete = True
        if self._started is not None:
            started, self._started = self._started, None
            self.changes()
            started.callback(None)

    # What comes in.

    def _heard(self, notice: Notice) -> None:
        if isinstance(notice, DumpDone):
            self._done(notice)
        elif isinstance(notice, DumpInterrupted):
            self._is_spoiled = self._is_spoiled or notice.sequence == self._asked
        elif isinstance(notice, Refusal):
            self._refused(notice)
        elif isinstance(notice, Inet6Doubt):
            link = self.links.get(notice.index)
            if link is not None and link.is_up and not link.ipv6_disabled:
                self.ask_link(notice.index)
        elif isinstance(notice, PrefixNotice):
            known = self.links.get(notice.advertised.index)
            if known is not None and known.ignores_routers:
                # that accept_ra was set is told by nothing but this
                self.ask_link(known.index)
            for listener in tuple(self._prefix_listeners):
                listener(notice.advertised)
        elif isinstance(notice, Damaged):
            if notice.kind not in self._damaged:
                self._damaged.add(notice.kind)
                self.log.error(
                    "a message of type {kind} from the kernel could not be read: {problem}",
                    kind=notice.kind,
                    problem=notice.problem,
                )
        else:
            self.fold(notice, self._clock.seconds())

    def _refused(self, notice: Refusal) -> None:
        if not notice.errno or notice.sequence != self._asked or self._step is None:
            return  # an acknowledgement, or a link that is not there any more
        if notice.errno != EBUSY:
            self.log.warn("the kernel will not tell its state: {reason}", reason=notice.reason)
        self._fail()

    def _overrun(self) -> None:
        self.overruns += 1
        self.ask_again()

    def _paused(self, is_drained: bool) -> None:
        """Tell the listeners once for all that was read; in a flood now and then."""
        self._turns = 0 if is_drained else self._turns + 1
        if not self._is_complete or self._turns % FLOOD:
            return
        changed = self.changes()
        if changed is None:
            return
        for listener in tuple(self._listeners):
            try:
                listener(changed)
            except Exception:
                self.log.failure("what the kernel said could not be dealt with")
