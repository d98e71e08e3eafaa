"""
One upstream link: the hall where session, timer, socket, link state and store meet.

Here alone a session changes: something happens, L{pdlease.client.session.step} is asked, its effects are carried out in
order.  What the lease means for the kernel is not decided here: the lease is handed to C{leased}, and
L{pdlease.service} makes wants of it (L{pdlease.wanted}).  Nothing here knows other uplinks.
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

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
from pdlease.clientsocket import ClientSocket
from pdlease.keeping import Keeper
from pdlease.kernel import Link
from pdlease.lease import Lease, StaleSubnet, UplinkRecord
from pdlease.logs import Logger
from pdlease.surroundings import Surroundings
from pdlease.telling import Telling
from pdlease.udp import ClientPort, Marks
from pdlease.upstream import Sign, Upstream
from pdlease.waiting import Waiting
from pdlease.wire.describe import describe
from pdlease.wire.information import information
from pdlease.wire.messages import decode, encode
from pdlease.wire.reader import WireError

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
    @ivar socket: the socket, if it can be had.
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
        self.telling = Telling(self.name, around.clock, lambda event, fields: around.told(self, event, fields))
        self._around = around
        self.socket = ClientSocket(
            self.name,
            link_name,
            around,
            marks,
            received=self.datagram_received,
            discarded=self.discarded,
            changed=self._socket_changed,
            refused=self._socket_refused,
        )
        self._send_problem = ""
        self._index: int | None = None
        self._was_index: int | None = None
        self._ready = False
        self._timer: IDelayedCall | None = None
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
        self.socket.read()

    def link_changed(self) -> None:
        """Judge the link again: is it there, has it carrier and a link-local address that can be used (R-5-04)?"""
        if self._stopped:
            return
        link = self._around.table.link_named(self.link_name)
        if link is None or link.index != self._index:
            self._change_index(link)
        self.upstream.link_changed(link)
        waiting = self.upstream.missing(link, self.session.claims) or self.socket.problem
        if waiting != self.waiting:
            self._wait_for(waiting)
        if link is not None and self.socket.open(link):
            # what is ready is judged again when it is open, which may be at once
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
    def port(self) -> ClientPort | None:
        """The socket in the reactor, or C{None}."""
        return self.socket.port

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
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self.telling.stop()
        self.keeper.stop()
        self.upstream.stop()
        self.socket.stop()
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
        self._index = link.index if link is not None else None
        self.socket.begin_anew(self._index)
        self._not_ready()

    def _not_ready(self) -> None:
        if self._ready:
            self._ready = False
            self.upstream.went_down()
            self._happen(LinkDown())

    def _socket_changed(self) -> None:
        """There is a socket, or it can be asked for again."""
        self.link_changed()
        self._tell_attempted()

    def _socket_refused(self, problem: Waiting) -> None:
        """There is none, which is told each time."""
        self._wait_for(problem)
        self._tell_attempted()

    def _tell_attempted(self) -> None:
        while self._attempt_waiters and (self._stopped or not self.socket.is_opening):
            self._attempt_waiters.pop().callback(None)

    def _tell_released(self) -> None:
        while self._release_waiters:
            self._release_waiters.pop().callback(None)

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
