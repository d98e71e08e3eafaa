"""
A session while one step of it is worked out: its state, its exchange, what it sends.

L{Turn.enter} is the only place that changes state, and goes by the exchange table; everything sent is sent by
L{Turn.transmit}.  What time and the world do to a turn is L{pdlease.client.progress}, what messages do is
L{pdlease.client.answers}; the value that is left when it is over is L{pdlease.client.session.Session}.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import TYPE_CHECKING

from attrs import evolve

from pdlease.client.occurrences import Discarded, Effect, Informed, LeaseChanged, Moved, Released, Remembered, Send
from pdlease.client.outgoing import build
from pdlease.client.reasons import Change, DiscardReason, Reason
from pdlease.client.retransmission import (
    CONFIRMING_REBIND,
    INFORMATION_REQUEST,
    REBIND,
    RELEASE,
    RENEW,
    REQUEST,
    SOLICIT,
    Exchange,
    Parameters,
)
from pdlease.client.selection import Offer
from pdlease.client.states import EXCHANGE, State, Trigger
from pdlease.client.verdicts import Remark, after_loss
from pdlease.lease import Lease
from pdlease.wire.chain import Option
from pdlease.wire.codes import MessageType
from pdlease.wire.duid import DUID

if TYPE_CHECKING:
    from pdlease.client.session import Session

EXCHANGES: dict[State, tuple[MessageType, Parameters]] = {
    State.SOLICITING: (MessageType.SOLICIT, SOLICIT),
    State.REQUESTING: (MessageType.REQUEST, REQUEST),
    State.RENEWING: (MessageType.RENEW, RENEW),
    State.REBINDING: (MessageType.REBIND, REBIND),
    State.CONFIRMING: (MessageType.REBIND, CONFIRMING_REBIND),
    State.INFORMING: (MessageType.INFORMATION_REQUEST, INFORMATION_REQUEST),
    State.RELEASING: (MessageType.RELEASE, RELEASE),
}
"""The exchange of each state that has one."""

DEBOUNCE = 1.0
"""Seconds between the first messages after two link ups, at least (R-18.2.12-06)."""

TRIES_OF_A_LENGTH = 4
"""Solicits without any offer after which the next length is wished for, where several were configured."""

_LINKED = frozenset({Trigger.LINK_UP_EMPTY, Trigger.LINK_UP_HOLDING})


# why a search for servers was begun, which says nothing any more once it goes on in vain
_BEGUN = frozenset((Reason.ASKED, Reason.SETTINGS_CHANGED, Reason.UPSTREAM_CHANGED))


class Turn:
    """
    A session while one step is taken; thrown away after it.

    @ivar session: the session as far as it has come.
    @ivar now: boot-clock second of the step.
    @ivar effects: what is to be done so far.
    @ivar heard: the name of the type of the message that is looked at; empty where there is none.
    """

    def __init__(self, session: Session, now: float) -> None:
        self.session = session
        self.now = now
        self.effects: list[Effect] = []
        self.heard = ""

    def become(self, **changes: object) -> None:
        """
        Let the session be another one.
        """
        self.session = evolve(self.session, **changes)  # type: ignore[arg-type]

    def emit(self, effect: Effect) -> None:
        """
        Have something done.
        """
        self.effects.append(effect)

    def note(self, reason: Reason, detail: str = "") -> None:
        """
        Tell why the session is as it is, without any change of state.
        """
        self.become(reason=reason, detail=detail, counters=self.session.counters.one_more(reason))

    def discard(self, reason: DiscardReason, source: str, detail: str) -> None:
        """
        Drop something, counted.
        """
        self.become(counters=self.session.counters.one_discarded(reason))
        self.emit(Discarded(reason, source, detail, self.heard))

    def discard_parts(self, parts: Iterable[Remark], source: str) -> None:
        """
        Drop parts of one message, told once for each reason: a datagram has room for thousands of them.
        """
        found: dict[DiscardReason, list[str]] = {}
        for reason, detail in parts:
            found.setdefault(reason, []).append(detail)
        for reason, details in found.items():
            more = f" and {len(details) - 1} more" if len(details) > 1 else ""
            self.discard(reason, source, details[0] + more)

    def enter(self, trigger: Trigger, detail: str = "", server: DUID | None = None, offer: Offer | None = None) -> bool:
        """
        Change state as the exchange table says, and begin the exchange of the new state.

        @param detail: what belongs into the reason's sentence.
        @param server: the server that the new exchange addresses, where the state does not say.
        @param offer: the offer that a Request takes up.
        @return: whether the table has anything for this.
        """
        old = self.session.state
        step = EXCHANGE.get((old, trigger))
        if step is None:
            return False
        if step.gives_up:
            self._give_up(Change.RELEASED if trigger is Trigger.RELEASE_ASKED else Change.GIVEN_UP)
        self.note(step.reason, detail)
        self.become(state=step.to, exchange=None, chosen=offer)
        self.emit(Moved(old, step.to, step.reason, detail))
        if step.to is not State.REQUESTING:
            self.become(offers=())
        if step.to is not State.RELEASING:
            self.become(releasing=Lease())
            if old is State.RELEASING:
                self.emit(Released())
        if step.to is State.SOLICITING:
            self.become(advertised=(frozenset(), frozenset()), evidence_until=inf)
            self.inform(())  # R-18.2.13-01
        elif step.to is State.RENEWING:
            server = renewing_server(self.session.lease)
        elif step.to is State.RELEASING:
            server = self.session.releasing.prefixes[0].server
        if step.to in EXCHANGES:
            self.begin(step.to, self._first_at(step.to, trigger), server)
        return True

    def begin(self, state: State, at: float, server: DUID | None) -> None:
        """
        Begin the exchange of a state, with a transaction id of its own (R-16.1-01).

        @param at: boot-clock second of its first transmission.
        @param server: the server it addresses, or C{None} for all.
        """
        kind, parameters = EXCHANGES[state]
        settings = self.session.settings
        if state is State.SOLICITING:
            parameters = evolve(parameters, count=settings.solicit_count, duration=settings.solicit_duration)
        self.become(
            exchange=Exchange(
                message_type=kind,
                parameters=parameters,
                transaction_id=self.session.chance.transaction_id(),
                next_at=at,
                server=server,
            )
        )

    def _first_at(self, state: State, trigger: Trigger) -> float:
        """
        When to send the first message of a state's exchange: after a link up, and for an Information-request
        (R-18.2.6-04), after a random delay; after a link up not too soon after the time before either.
        """
        if state is State.INFORMING:
            return self.now + self.session.chance.random() * INFORMATION_REQUEST.delay
        if trigger not in _LINKED:
            return self.now
        at = max(self.now, self.session.linked_at + DEBOUNCE)
        if not self.session.settings.solicit_delay:
            return at
        return max(at, self.now + self.session.chance.random() * EXCHANGES[state][1].delay)

    def _give_up(self, change: Change) -> None:
        """
        Stop using everything that is held.
        """
        session = self.session
        lease = session.lease
        if not lease.prefixes:
            return
        self.become(lease=Lease(), associations=after_loss(session.associations, lease, Lease()))
        if change is Change.RELEASED:
            self.become(releasing=lease)
        self.emit(LeaseChanged(Lease(), change))

    def transmit(self, exchange: Exchange) -> None:
        """
        Send the message of the exchange under way, as it is to be now.
        """
        session = self.session
        if exchange.started_at is None:
            exchange = evolve(exchange, started_at=self.now)
            if session.state in {State.SOLICITING, State.CONFIRMING}:
                self.become(linked_at=self.now)
        if session.state is State.RELEASING:
            lease = session.releasing
        else:
            lease = session.lease if session.lease.prefixes else session.suspect or session.lease
        session = self._next_lengths(exchange)
        if session.rate.free_at > exchange.next_at:
            # it was due before, and had to wait
            self.become(counters=self.session.counters.one_more(Reason.RATE_LIMITED))
            session = self.session
        message = build(session.settings, exchange, self.now, lease, session.associations, session.chosen)
        longest = None
        if exchange.message_type is MessageType.SOLICIT:
            longest = session.sol_max_rt
        elif exchange.message_type is MessageType.INFORMATION_REQUEST:
            longest = session.inf_max_rt
        self.become(
            exchange=exchange.transmitted(self.now, session.chance.random, longest),
            rate=session.rate.spent(self.now),
            counters=session.counters.one_sent(exchange.message_type),
        )
        in_vain = exchange.transmissions > 0 and session.state is State.SOLICITING and session.reason in _BEGUN
        if session.reason is Reason.LINK_CAME_UP or in_vain:
            self.note(Reason.NO_ANSWER_YET)
        self.emit(Send(message))

    def _next_lengths(self, exchange: Exchange) -> Session:
        """
        Wish for the next length where several Solicits for this one were in vain: some servers say nothing at all to a
        wish that is too large for them.
        """
        session = self.session
        transaction, count = session.staged
        since = exchange.transmissions - (count if transaction == exchange.transaction_id else 0)
        if exchange.message_type is MessageType.SOLICIT and since >= TRIES_OF_A_LENGTH:
            self.become(
                staged=(exchange.transaction_id, exchange.transmissions),
                associations=tuple(evolve(each, stage=each.stage + 1) for each in session.associations),
            )
        return self.session

    def released(self) -> None:
        """
        Go on to the next server that prefixes are given back to (R-18.2.7-10), or come to rest.
        """
        exchange = self.session.exchange
        done = None if exchange is None else exchange.server
        releasing = _without_server(self.session.releasing, done)
        self.become(releasing=releasing)
        if releasing.prefixes:
            self.begin(State.RELEASING, self.now, releasing.prefixes[0].server)
        else:
            self.enter(Trigger.RELEASED)

    def inform(self, options: tuple[Option, ...]) -> None:
        """
        Let configuration beside the lease be what was given last.
        """
        if options != self.session.information:
            self.become(information=options)
            self.emit(Informed(options))

    def remember(self, **changes: object) -> None:
        """
        Let what is kept over restarts beside the lease be another.
        """
        before = self.session
        self.become(**changes)
        after = self.session
        kept = (after.sol_max_rt, after.inf_max_rt, after.key)
        if kept != (before.sol_max_rt, before.inf_max_rt, before.key):
            self.emit(Remembered(*kept))


def renewing_server(lease: Lease) -> DUID | None:
    """
    The server that a Renew goes to: the one most recently communicated with (R-18.2.4-02), unless nothing that it gave
    is left.
    """
    servers = [held.server for held in lease.prefixes]
    return lease.server if lease.server in servers else servers[0] if servers else None


def _without_server(lease: Lease, server: DUID | None) -> Lease:
    """
    A lease less what one server gave.
    """
    return evolve(
        lease,
        bindings=tuple(
            evolve(binding, prefixes=tuple(held for held in binding.prefixes if held.server != server))
            for binding in lease.bindings
        ),
    )
