"""
One control connection in the daemon: what is read is bounded before it is parsed, what is written waits for the client.

Input goes through L{pdlease.control.boxes.BoxScanner} one box at a time, only as fast as a rate and the client's own
reading allow; what cannot be taken yet stays in one chunk while the socket is not read.
Events are taken from L{pdlease.control.history} only while the client reads.  Every way in which a connection can be
left hanging has a deadline.  Who may connect is L{pdlease.control.server}; what can be asked
L{pdlease.control.responders}.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Protocol, cast

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.protocols import amp
from twisted.python.failure import Failure
from zope.interface import implementer

from pdlease import __version__
from pdlease.control.boxes import BoxScanner, BoxTooLarge
from pdlease.control.commands import command_of
from pdlease.control.errors import InvalidError, RefusedError, VersionMismatchError
from pdlease.control.history import EventRing
from pdlease.control.paging import PageStore
from pdlease.control.responders import DESKS, responders_before_version, responders_of
from pdlease.control.roles import Role
from pdlease.control.vocabulary import CLOSING, EVENT, NEWEST_PROTOCOL, OLDEST_PROTOCOL, Closing
from pdlease.interfaces import IDaemonControl
from pdlease.logs import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

#: Commands that may be under way at once on a connection; more are refused.
IN_FLIGHT = 16
#: Commands in one go, and a second; what comes faster waits unread.
BURST = 100
RATE = 50.0

#: Seconds until the Version command must have come, a box be complete, a client read on, a goodbye be read.
GREETING_SECONDS = 10.0
UNFINISHED_SECONDS = 10.0
NOT_READING_SECONDS = 30.0
GOODBYE_SECONDS = 5.0
#: Seconds after which a connection that neither watches nor waits is closed.
IDLE_SECONDS = 600.0


class Stream(Protocol):
    """What a connection needs of its transport."""

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """See L{twisted.internet.interfaces.IConsumer}."""

    def unregisterProducer(self) -> None:
        """See L{twisted.internet.interfaces.IConsumer}."""

    def pauseProducing(self) -> None:
        """Read no more for now; see L{IPushProducer}."""

    def resumeProducing(self) -> None:
        """Read on; see L{IPushProducer}."""

    def loseConnection(self) -> None:
        """See L{twisted.internet.interfaces.ITransport}."""

    def abortConnection(self) -> None:
        """See L{twisted.internet.interfaces.ITCPTransport}."""


class Questions(amp.BoxDispatcher):
    """
    Takes commands and nothing else: no answers, since nothing is asked; none without C{_ask}; none beyond the limit.

    @ivar under_way: how many commands are not yet answered.
    """

    def __init__(self, locator: amp.IResponderLocator, bad: Callable[[], None]) -> None:
        amp.BoxDispatcher.__init__(self, locator)
        self.under_way = 0
        self._bad = bad

    def ampBoxReceived(self, box: amp.AmpBox) -> None:
        if amp.COMMAND in box and amp.ASK in box and amp.ANSWER not in box and amp.ERROR not in box:
            amp.BoxDispatcher.ampBoxReceived(self, box)
        else:
            self._bad()

    def dispatchCommand(self, box: amp.AmpBox) -> Deferred[amp.AmpBox]:
        if self.under_way >= IN_FLIGHT:
            busy = RefusedError(f"{IN_FLIGHT} commands are under way on this connection already.")
            return fail(amp.RemoteAmpError(busy.code.encode("ascii"), str(busy)))
        self.under_way += 1

        def over(result: amp.AmpBox) -> amp.AmpBox:
            self.under_way -= 1
            return result

        answered: Deferred[amp.AmpBox] = amp.BoxDispatcher.dispatchCommand(self, box)
        return answered.addBoth(over)


@implementer(IPushProducer)
class ControlConnection(amp.BinaryBoxProtocol):
    """
    Speaks with one client.

    @param daemon: provides L{IDaemonControl}.
    @param clock: provides L{IReactorTime}; the boot-time clock in the daemon.
    @param events: where watchers read.
    @ivar role: what the peer may do once it has said its version.
    @param peer: who it is, in words for the log.
    @param ended: called once with this connection when it is over.
    @param good_for: seconds after which it is over however busy it is.
    """

    _log = Logger()

    def __init__(
        self,
        daemon: IDaemonControl,
        clock: IReactorTime,
        events: EventRing,
        role: Role,
        peer: str,
        ended: Callable[[ControlConnection], None],
        good_for: float = inf,
    ) -> None:
        self.role = role
        self._clock = clock
        self._events = events
        self._peer = peer
        self._ended = ended
        self._pages = PageStore()
        self._desk = DESKS[role](daemon, clock, events, self._pages, self)
        self._questions = Questions(responders_before_version(self._version), self._bad_box)
        amp.BinaryBoxProtocol.__init__(self, self._questions)
        self._stream: Stream | None = None
        self._scanner = BoxScanner()
        self._held = b""
        self._taken = 0
        self._tokens = float(BURST)
        self._tokens_at = clock.seconds()
        self._is_choked = False
        self._is_reading = True
        self._is_advancing = False
        self._is_over = False
        self._position: int | None = None
        self._stop_watching: Callable[[], None] = lambda: None
        self._deadline: IDelayedCall | None = None
        self._deadline_for: Closing | None = None
        self._refill: IDelayedCall | None = None
        self._expiry: IDelayedCall | None = None
        self._good_for = good_for

    @property
    def is_idle(self) -> bool:
        """Whether it asks for nothing, waits for nothing, and has read what it was told."""
        return self._deadline_for in (Closing.NO_VERSION, Closing.IDLE) and not self._is_choked

    def give_way(self) -> None:
        """Hang up in favour of a newer connection."""
        self.close(Closing.DISPLACED)

    # What the transport says.

    def connectionMade(self) -> None:
        self._stream = cast("Stream", self.transport)
        self._stream.registerProducer(self, True)
        self._set_deadline(Closing.NO_VERSION, GREETING_SECONDS)
        if self._good_for < inf:
            self._expiry = self._clock.callLater(self._good_for, self.close, Closing.EXPIRED)

    def dataReceived(self, data: bytes) -> None:
        if self._is_over:
            return
        self._held = self._held[self._taken :] + data
        self._taken = 0
        self._advance()

    def pauseProducing(self) -> None:
        self._is_choked = True
        self._settle()

    def resumeProducing(self) -> None:
        self._is_choked = False
        self._push()
        self._advance()

    def stopProducing(self) -> None:
        self._is_choked = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_over = True
        self._held = b""
        self._stop_watching()
        for call in (self._deadline, self._refill, self._expiry):
            if call is not None and call.active():
                call.cancel()
        self.transport = self._stream = None
        self._desk.close()
        amp.BinaryBoxProtocol.connectionLost(self, reason)
        self._ended(self)

    # Taking input.

    def _advance(self) -> None:
        """Hand over as many boxes as may be taken now, one at a time; never from within itself."""
        if self._is_advancing:
            return
        self._is_advancing = True
        try:
            while self._taken < len(self._held) and not self._is_over and not self._is_choked and self._has_token():
                self._take_one()
        finally:
            self._is_advancing = False
        self._settle()

    def _take_one(self) -> None:
        start = self._taken
        try:
            end = self._scanner.find_end(self._held, start)
        except BoxTooLarge as problem:
            self._log.debug("Control connection of {peer}: {problem}", peer=self._peer, problem=str(problem))
            self.close(Closing.BAD_BOX)
            return
        if end < 0:
            self._taken = len(self._held)
        else:
            self._taken = end
            self._tokens -= 1
            if self._deadline_for in (Closing.UNFINISHED, Closing.IDLE):
                self._drop_deadline()
        amp.BinaryBoxProtocol.dataReceived(self, self._held[start : self._taken])

    def _has_token(self) -> bool:
        now = self._clock.seconds()
        self._tokens = min(float(BURST), self._tokens + (now - self._tokens_at) * RATE)
        self._tokens_at = now
        if self._tokens >= 1:
            return True
        if self._refill is None or not self._refill.active():
            # A whole token's time, since a rounded remainder might never grow to one.
            self._refill = self._clock.callLater(1 / RATE, self._advance)
        return False

    def _settle(self) -> None:
        """Read the socket or leave it, and set the deadline that fits."""
        if self._is_over or self._stream is None:
            return
        if self._taken == len(self._held):
            self._held, self._taken = b"", 0
        wants = not self._held and not self._is_choked
        if wants != self._is_reading:
            self._is_reading = wants
            if wants:
                self._stream.resumeProducing()
            else:
                self._stream.pauseProducing()
        if self._deadline_for is Closing.NO_VERSION:
            return
        if self._is_choked:
            self._set_deadline(Closing.NOT_READING, NOT_READING_SECONDS)
        elif self._scanner.is_inside:
            self._set_deadline(Closing.UNFINISHED, UNFINISHED_SECONDS)
        elif self._position is None and not self._questions.under_way:
            self._set_deadline(Closing.IDLE, IDLE_SECONDS)
        else:
            self._drop_deadline()

    def _bad_box(self) -> None:
        self.close(Closing.BAD_BOX)

    # Deadlines.

    def _set_deadline(self, reason: Closing, seconds: float) -> None:
        if self._deadline_for is reason:
            return
        self._drop_deadline()
        self._deadline_for = reason
        self._deadline = self._clock.callLater(seconds, self.close, reason)

    def _drop_deadline(self) -> None:
        self._deadline_for = None
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None

    # Answering.

    def sendBox(self, box: amp.AmpBox) -> None:
        """Write a box; an answer frees its place, so that what was held may go on."""
        amp.BinaryBoxProtocol.sendBox(self, box)
        if amp.ANSWER in box or amp.ERROR in box:
            self._advance()

    def unhandledError(self, failure: Failure) -> None:
        """Nothing that a command does ends here; if something did, it is ours: log it and hang up."""
        self._log.failure("Control connection of {peer} failed", failure, peer=self._peer)
        self.close(Closing.BAD_BOX)

    def _version(self, oldest: int, newest: int, software: str) -> dict[str, object]:
        protocol = min(newest, NEWEST_PROTOCOL)
        if protocol < max(oldest, OLDEST_PROTOCOL) or oldest > newest:
            raise VersionMismatchError(
                f"pdlease {__version__} speaks versions {OLDEST_PROTOCOL} to {NEWEST_PROTOCOL} of the control protocol,"
                f" the client {oldest} to {newest}: use a pdleasectl of the daemon's release."
            )
        self._drop_deadline()
        self._questions.locator = responders_of(self._desk, self.role)
        self._log.debug("Control connection of {peer}: {software}", peer=self._peer, software=software[:100])
        return {"protocol": protocol, "software": f"pdlease {__version__}", "role": self.role.name.lower()}

    # Watching.

    def watch_from(self, position: int) -> None:
        """Push events from this position of the ring on (L{pdlease.control.responders.Watching})."""
        if self._position is not None:
            raise InvalidError("This connection watches already.")
        self._position = position
        self._stop_watching = self._events.watch(self._push)
        self._push()

    def _push(self) -> None:
        while self._position is not None and not self._is_choked and not self._is_over:
            try:
                event = self._events.after(self._position)
            except LookupError:
                self.close(Closing.TOO_SLOW)
                return
            if event is None:
                return
            self._position += 1
            sequence, text = event
            self._tell(command_of(EVENT), sequence=sequence, event=text)

    def _tell(self, command: type[amp.Command], **arguments: object) -> None:
        box = command.makeArguments(arguments, None)
        box[amp.COMMAND] = command.commandName
        self.sendBox(box)

    # The end.

    def abandon(self) -> None:
        """It never got a transport."""
        self._is_over = True
        self._ended(self)

    def close(self, reason: Closing) -> None:
        """Say why and hang up; who does not read that either is cut off after a while."""
        if self._is_over:
            return
        self._is_over = True
        self._held, self._taken = b"", 0
        self._stop_watching()
        self._drop_deadline()
        if self._stream is None:
            return
        self._tell(command_of(CLOSING), reason=reason.name, text=reason.value)
        self._stream.unregisterProducer()
        self._stream.loseConnection()
        self._deadline = self._clock.callLater(GOODBYE_SECONDS, self._stream.abortConnection)
