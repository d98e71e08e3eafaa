"""
One upstream link: the hall where session, timer, socket, link state and store meet.

Here alone a session changes: something happens, L{pdlease.client.session.step} is asked, its effects are carried out in
order.  What the lease means for the kernel is not decided here: the lease is handed to C{leased}, and
L{pdlease.service} makes wants of it (L{pdlease.wanted}).  Nothing here knows other uplinks.
"""

from __future__ import annotations

from errno import EADDRINUSE
from socket import socket

from attrs import evolve
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from pdlease.client.occurrences import (
    Arrived,
    Ask,
    Dated,
    Discarded,
    Disowned,
    Due,
    Effect,
    Informed,
    LeaseChanged,
    LinkDown,
    LinkUp,
    Moved,
    NewSettings,
    Occurrence,
    Released,
    Remembered,
    Request,
    Send,
)
from pdlease.client.reasons import DiscardReason, Wait
from pdlease.client.session import Session, step
from pdlease.client.settings import Chance, Settings
from pdlease.client.states import State
from pdlease.keeping import Keeper
from pdlease.kernel import Link
from pdlease.lease import Lease, StaleSubnet, UplinkRecord
from pdlease.logs import Logger
from pdlease.operations import PrivilegeError
from pdlease.surroundings import Surroundings
from pdlease.telling import Telling
from pdlease.udp import ClientPort, Marks
from pdlease.upstream import Sign, Upstream
from pdlease.waiting import Waiting
from pdlease.wire.describe import describe
from pdlease.wire.information import information
from pdlease.wire.messages import decode, encode
from pdlease.wire.reader import WireError

SOCKET_RETRY = (1.0, 60.0)
"""First and longest wait (seconds) before the client socket is asked for again after a refusal."""

UNMARKED = Marks()
"""Packets as any program sends them."""


class Uplink:
    """
    One upstream link and the session on it.

    @ivar name: as in the configuration.
    @ivar link_name: what the kernel calls the link.
    @ivar vrf: name of the VRF that the link has to be in, or the empty string.
    @ivar session: the one thing that changes.
    @ivar waiting: why nothing can be sent at present, or C{None}.
    @ivar upstream: the watch over what is at the other end.
    @ivar telling: tells what happened, and what was dropped.
    """

    log = Logger()

    def __init__(
        self,
        link_name: str,
        settings: Settings,
        chance: Chance,
        record: UplinkRecord | None,
        around: Surroundings[Uplink],
        marks: Marks = UNMARKED,
        start: str = "link",
        vrf: str = "",
    ) -> None:
        self.name = settings.uplink
        self.link_name = link_name
        self.vrf = vrf
        trusted = record is None or record.trusted
        lease = record.lease if record is not None else None
        self.session = Session.begin(
            settings,
            chance,
            lease=lease if trusted else None,
            suspect=None if trusted else lease,
            key=record.key if record is not None else None,
            former=record.former if record is not None else (),
        )
        self.waiting: Waiting | None = Waiting(Wait.WAITS_FOR_LINK, link_name)
        self.upstream = Upstream(
            link_name,
            start,
            around.clock,
            around.table,
            happened=self._upstream_changed,
            changed=self.link_changed,
            vrf=vrf,
        )
        self.port: ClientPort | None = None
        self.telling = Telling(self.name, around.clock, lambda event, fields: around.told(self, event, fields))
        self._around = around
        self._marks = marks
        self._port_problem: Waiting | None = None
        self._holder = self._send_problem = ""
        self._index: int | None = None
        self._was_index: int | None = None
        self._ready = False
        self._reading = False
        self._opening = False
        self._socket_wait = SOCKET_RETRY[0]
        self._timer: IDelayedCall | None = None
        self._socket_timer: IDelayedCall | None = None
        self.keeper = Keeper(
            self.name,
            around.store,
            around.clock,
            lambda: self.record,
            record,
            lambda problem: self.telling.tell("store", problem=problem),
        )
        self._stopped = False
        self._to_keep = False
        self._attempt_waiters: list[Deferred[None]] = []
        self._release_waiters: list[Deferred[None]] = []

    # What the service calls.

    @property
    def lease(self) -> Lease:
        """What the session holds now."""
        return self.session.lease

    def read(self) -> None:
        """Begin to read datagrams: the sandbox is closed (design 6)."""
        self._reading = True
        if self.port is not None:
            self.port.startReading()

    def link_changed(self) -> None:
        """Judge the link again: is it there, has it carrier and a link-local address that can be used (R-5-04)?"""
        if self._stopped:
            return
        link = self._around.table.link_named(self.link_name)
        if link is None or link.index != self._index:
            self._change_index(link)
        self.upstream.link_changed(link)
        waiting = self.upstream.missing(link, self.session.claims) or self._port_problem
        if waiting != self.waiting:
            self._wait_for(waiting)
        if self.port is None and link is not None and not self._opening and self._socket_timer is None:
            # what is ready is judged again when it is open, which may be at once
            self._open(link)
            return
        ready = waiting is None and self.port is not None
        if ready and not self._ready:
            self._ready = True
            moved = self._was_index is not None and self._was_index != self._index
            self._was_index = self._index
            self._happen(LinkUp(new_link=self.upstream.came_up() or moved))
        elif not ready:
            self._not_ready()

    @property
    def waits_for(self) -> str:
        """Why nothing can be sent at present, in words, or the empty string."""
        return self.waiting.text if self.waiting is not None else ""

    def _wait_for(self, waiting: Waiting | None) -> None:
        """Something else is waited for than before, or nothing any more."""
        self.waiting = waiting
        reason = None if waiting is None else waiting.reason.name.lower()
        if reason is not None:
            self.telling.count(f"reason_{reason}")
        self.telling.tell("link", reason=reason, waits_for=self.waits_for)

    def attempted(self) -> Deferred[None]:
        """Fires as soon as no socket is being opened: the first message has been sent, or cannot be sent yet."""
        waiter: Deferred[None] = Deferred()
        self._attempt_waiters.append(waiter)
        self._tell_attempted()
        return waiter

    def ask(self, request: Request) -> None:
        """Do what the operator asks for."""
        self._happen(Ask(request))

    def release(self) -> Deferred[None]:
        """Give everything back (L{Request.RELEASE}); fires when that is over."""
        waiter: Deferred[None] = Deferred()
        self._release_waiters.append(waiter)
        if self._stopped:
            self._tell_released()
        else:
            self.ask(Request.RELEASE)
        return waiter

    def adapt(self, settings: Settings) -> None:
        """Go on with other settings, as an operator wants it from now on."""
        self._happen(NewSettings(settings))

    @property
    def is_undated(self) -> bool:
        """Whether there is a lease from before a restart that nobody can date: asked for, not used (R-12-06)."""
        return self.session.suspect is not None

    def date(self, lease: Lease) -> None:
        """That lease could be dated after all."""
        self._happen(Dated(lease))

    def resumed(self) -> None:
        """The machine slept: what is overdue is done at once, and the link may be another one (R-18.2.12-01)."""
        is_silent = self.session.state in (State.STOPPED, State.RELEASING)
        self._happen(LinkUp() if self._ready and not is_silent else Due())

    def stop(self) -> None:
        """Come to an end; leases stay where they are (design 19: never release by default)."""
        self._stopped = True
        for timer in (self._timer, self._socket_timer):
            if timer is not None and timer.active():
                timer.cancel()
        self.telling.stop()
        self.keeper.stop()
        self.upstream.stop()
        self._close()
        self._tell_attempted()
        self._tell_released()

    # The session.

    def datagram_received(self, data: bytes, source: str) -> None:
        """A datagram for this uplink has come in; a malformed one is counted and dropped."""
        try:
            message = decode(data)
        except WireError as problem:
            self.discarded(DiscardReason.MALFORMED, source, str(problem))
            return
        self.telling.note("received", lambda: {"message": describe(message), "source": source})
        self._happen(Arrived(message, source, data))

    def discarded(self, reason: DiscardReason, source: str, detail: str) -> None:
        """A datagram was dropped before the session saw it; count and show why."""
        self.telling.count(f"discarded_{reason.name.lower()}")
        self.telling.dropped(reason, source, detail)

    def _happen(self, occurrence: Occurrence) -> None:
        """Let the session take one step, carry out its effects in order, and set the timer anew."""
        if self._stopped:
            return
        with self.telling.acting():
            before = self.session
            self.session, effects = step(before, occurrence, self._around.clock.seconds())
            for effect in effects:
                try:
                    self._carry_out(effect)
                except Exception:
                    # whatever is wrong with one effect, neither the others nor the timer must suffer
                    self.log.failure("{uplink}: {effect}", uplink=self.name, effect=type(effect).__name__)
            self._set_timer()
            self.telling.tell_wait(before, self.session, effects)
        if self._to_keep:
            self._to_keep = False
            self.keeper.keep()
        if any(isinstance(effect, Send) for effect in effects):
            # the answer may be here in a moment: be ready for it, and tell after that
            self.telling.tell_soon()
        else:
            self.telling.tell_all()

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Send):
            self._send(effect)
        elif isinstance(effect, LeaseChanged):
            self._to_keep = True
            self._around.leased(self)
            held = effect.lease.prefixes
            excluded = [str(prefix.excluded) for prefix in held if prefix.excluded is not None]
            self.telling.tell(
                "lease",
                change=effect.change.name.lower(),
                text=effect.change.value,
                prefixes=[str(prefix.prefix) for prefix in held],
                excluded=excluded,
                stale=self.stale_places,
            )
        elif isinstance(effect, Disowned):
            self._around.disowned(self, effect.prefixes)
            self.telling.tell("stale", stale=self.stale_places)
        elif isinstance(effect, Moved):
            self._moved(effect)
        elif isinstance(effect, Discarded):
            self.telling.dropped(effect.reason, effect.source, effect.detail, effect.message)
        elif isinstance(effect, Remembered):
            self._to_keep = True
        elif isinstance(effect, Informed):
            self.telling.tell("information", options=information(effect.options))
        elif isinstance(effect, Released):
            self.telling.tell("released")
            self._tell_released()

    def _moved(self, effect: Moved) -> None:
        old, new = effect.old.name.lower(), effect.new.name.lower()
        sentence = effect.reason.sentence(effect.detail)
        self.log.info("{uplink}: {old} -> {new}: {sentence}", uplink=self.name, old=old, new=new, sentence=sentence)
        self.telling.tell("state", old=old, new=new, reason=effect.reason.name.lower(), text=sentence)

    def _send(self, effect: Send) -> None:
        """A message that cannot be sent is a lost packet; the session's schedule stands (R-D-04)."""
        problem = self.port.send(encode(effect.message)) if self.port is not None else OSError(0, "there is no socket")
        self.telling.note("sent", lambda: {"message": describe(effect.message), "problem": problem and str(problem)})
        told, self._send_problem = self._send_problem, str(problem or "")
        if problem is not None:
            self.telling.count("send_failed")
            # said once, however many retransmissions meet with it
            (self.log.debug if told == self._send_problem else self.log.warn)(
                "{uplink}: a message could not be sent: {problem}", uplink=self.name, problem=self._send_problem
            )

    def _set_timer(self) -> None:
        due = self.session.due
        if self._timer is not None and self._timer.active():
            if due is not None and self._timer.getTime() == due:
                return
            self._timer.cancel()
        self._timer = None
        if due is not None and not self._stopped:
            self._timer = self._around.clock.callLater(max(0.0, due - self._around.clock.seconds()), self._due)

    def _due(self) -> None:
        self._timer = None
        self._happen(Due())

    # The link and the socket.

    def _upstream_changed(self, occurrence: Occurrence, signs: tuple[Sign, ...]) -> None:
        """Something upstream is not as it was."""
        self.telling.tell(
            "upstream", signs=[sign.name.lower() for sign in signs], text="; ".join(s.value for s in signs)
        )
        self._happen(occurrence)

    def _change_index(self, link: Link | None) -> None:
        """The link is gone or another one has its name: the old socket refers to the old index (design 16)."""
        self._close()
        self._port_problem = None
        self._socket_wait = SOCKET_RETRY[0]
        self._index = link.index if link is not None else None
        self._not_ready()

    def _not_ready(self) -> None:
        if self._ready:
            self._ready = False
            self.upstream.went_down()
            self._happen(LinkDown())

    def _open(self, link: Link) -> None:
        self._opening = True
        opened: Deferred[socket] = maybeDeferred(self._around.privilege.open_client_socket, self.link_name, link.index)
        opened.addCallbacks(self._opened, self._not_opened, callbackArgs=(link.index,), errbackArgs=(link.index,))
        opened.addErrback(lambda failure: self.log.failure("{uplink}: opening the socket", failure, uplink=self.name))

    def _opened(self, client_socket: socket, index: int) -> None:
        self._opening = False
        if self._stopped or index != self._index:
            client_socket.close()
        else:
            self._socket_wait = SOCKET_RETRY[0]
            self._port_problem, self._holder = None, ""
            self._mark(client_socket)
            self.port = ClientPort(self._around.reactor, client_socket, index, self.datagram_received, self.discarded)
            if self._reading:
                self.port.startReading()
        self.link_changed()
        self._tell_attempted()

    def _mark(self, client_socket: socket) -> None:
        """Mark what is sent as configured; packets without marks are better than none."""
        try:
            self._marks.put_on(client_socket)
        except OSError as problem:
            self.log.warn("{uplink}: packets are not marked: {problem}", uplink=self.name, problem=str(problem))

    def _not_opened(self, failure: Failure, index: int) -> None:
        self._opening = False
        if self._stopped or index != self._index:
            self.link_changed()
            self._tell_attempted()
            return
        problem, told = failure.value, self._port_problem
        self._port_problem = Waiting(Wait.WAITS_FOR_SOCKET, self.link_name, failure.getErrorMessage())
        if not isinstance(problem, PrivilegeError):
            self.log.failure("{uplink}: opening the socket", failure, uplink=self.name)
        elif problem.errno == EADDRINUSE:
            # behind the sandbox other processes cannot be looked at: the last that is known stands
            self._holder = self._around.port_holder() or self._holder
            holder = self._holder or "another DHCPv6 client"
            self._port_problem = Waiting(Wait.WAITS_FOR_PORT, self.link_name, holder)
        # told once, however often it is tried
        (self.log.debug if told == self._port_problem else self.log.warn)(
            "{uplink}: waiting for {what}; trying again", uplink=self.name, what=self._port_problem.text
        )
        self._wait_for(self._port_problem)
        self._tell_attempted()
        self._socket_timer = self._around.clock.callLater(self._socket_wait, self._open_again)
        self._socket_wait = min(2 * self._socket_wait, SOCKET_RETRY[1])

    def _tell_attempted(self) -> None:
        while self._attempt_waiters and (self._stopped or not self._opening):
            self._attempt_waiters.pop().callback(None)

    def _tell_released(self) -> None:
        while self._release_waiters:
            self._release_waiters.pop().callback(None)

    def _open_again(self) -> None:
        self._socket_timer = None
        self.link_changed()

    def _close(self) -> None:
        if self._socket_timer is not None and self._socket_timer.active():
            self._socket_timer.cancel()
        self._socket_timer = None
        if self.port is not None:
            self.port.stop()
            self.port = None

    @property
    def record(self) -> UplinkRecord:
        """What is to be remembered of this uplink."""
        return evolve(self.session.record, stale=self.stale)

    @property
    def stale(self) -> tuple[StaleSubnet, ...]:
        """Subnets that hosts must still be told are over; the newest last."""
        return self._around.stale(self)

    @property
    def stale_places(self) -> list[dict[str, str]]:
        """These subnets and their links, for an event."""
        return [{"link": stale.link, "subnet": str(stale.subnet)} for stale in self.stale]

    def stale_changed(self) -> None:
        """Other subnets than before are over: keep it, and tell unless an event that is to come tells anyway."""
        if self.telling.is_acting:
            self._to_keep = True
            return
        self.telling.tell("stale", stale=self.stale_places)
        self.keeper.keep()
