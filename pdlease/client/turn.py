"""
One step of a session, worked out: what happened becomes a trigger, the exchange table says what follows.

L{Turn._enter} is the only place that changes state.  Everything sent is sent by L{Turn._transmit}, within the limit on
messages.  What a Reply does to the lease is L{pdlease.client.replies}; the values are L{pdlease.client.session}.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from attrs import evolve

from pdlease.client import reconfigure
from pdlease.client.incoming import answer_problem, type_problem, valid_max_rt
from pdlease.client.occurrences import (
    Arrived,
    Ask,
    Discarded,
    Effect,
    LeaseChanged,
    LinkDown,
    LinkUp,
    Moved,
    Occurrence,
    Released,
    Remembered,
    Request,
    Send,
    UpstreamChanged,
)
from pdlease.client.outgoing import build
from pdlease.client.reasons import Change, DiscardReason, Reason
from pdlease.client.replies import Outcome, read_reply, settle
from pdlease.client.retransmission import (
    CONFIRMING_REBIND,
    REBIND,
    RELEASE,
    RENEW,
    REQUEST,
    SOLICIT,
    Exchange,
    Parameters,
)
from pdlease.client.selection import (
    AT_ONCE,
    Offer,
    best,
    forgiven,
    held_off,
    is_held_off,
    read_offer,
    remembered,
)
from pdlease.client.states import EXCHANGE, IAState, State, Trigger
from pdlease.client.verdicts import after_loss, status_words
from pdlease.lease import Lease
from pdlease.wire.codes import MessageType, StatusCode
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message
from pdlease.wire.options import Status

if TYPE_CHECKING:
    from pdlease.client.session import Session

EXCHANGES: dict[State, tuple[MessageType, Parameters]] = {
    State.SOLICITING: (MessageType.SOLICIT, SOLICIT),
    State.REQUESTING: (MessageType.REQUEST, REQUEST),
    State.RENEWING: (MessageType.RENEW, RENEW),
    State.REBINDING: (MessageType.REBIND, REBIND),
    State.CONFIRMING: (MessageType.REBIND, CONFIRMING_REBIND),
    State.RELEASING: (MessageType.RELEASE, RELEASE),
}
"""The exchange of each state that has one."""

CHANGE_INTERVAL = 30.0
"""Seconds between two attempts for a change of the upstream network, at least (R-18.2.12-05)."""

DEBOUNCE = 1.0
"""Seconds between the first messages after two link ups, at least (R-18.2.12-06)."""

_ASKED = {
    Request.RENEW: Trigger.RENEW_ASKED,
    Request.REBIND: Trigger.REBIND_ASKED,
    Request.SOLICIT: Trigger.SOLICIT_ASKED,
    Request.STOP: Trigger.STOP_ASKED,
}

_GIVEN_UP = {Trigger.RELEASE_ASKED: Change.RELEASED}

_FAILURES = frozenset({StatusCode.UNSPEC_FAIL, StatusCode.USE_MULTICAST})
"""Status codes that keep a whole Reply from being read (R-18.2.10-03, R-18.2.10-06)."""


class Turn:
    """
    A session while one step is taken; thrown away after it.

    @ivar session: the session as far as it has come.
    @ivar now: boot-clock second of the step.
    @ivar effects: what is to be done so far.
    """

    def __init__(self, session: Session, now: float) -> None:
        self.session = session
        self.now = now
        self.effects: list[Effect] = []

    def take(self, occurrence: Occurrence) -> None:
        """
        Let something happen, then do everything that is due.
        """
        # What ended before this moment must not be mistaken for living by what happens now.
        self._expire()
        match occurrence:
            case LinkUp():
                self._link_up(occurrence.new_link)
            case LinkDown():
                self._enter(Trigger.LINK_DOWN)
            case UpstreamChanged():
                self._set(nudge_at=max(self.now, self.session.changed_at + CHANGE_INTERVAL))
            case Arrived():
                self._arrived(occurrence)
            case Ask():
                self._ask(occurrence.request)
            case _:
                pass
        while self._advance():
            pass

    # Time.

    def _advance(self) -> bool:
        """
        Do one thing that is due, if there is one.
        """
        session = self.session
        if self._expire():
            return True
        exchange = session.exchange
        if session.evidence_until <= self.now and self._enter(Trigger.RENUMBERED):
            return True
        if session.lease.t2_at <= self.now and self._enter(Trigger.T2):
            return True
        if session.lease.t1_at <= self.now and self._enter(Trigger.T1):
            return True
        if session.nudge_at <= self.now:
            self._nudge()
            return True
        if exchange is None:
            return False
        if exchange.is_spent(self.now):
            self._spent()
            return True
        if exchange.next_at > self.now:
            return False
        if session.state is State.SOLICITING and session.offers:
            self._choose(Reason.OFFER_CHOSEN)
            return True
        if session.rate.free_at > self.now:
            return False
        self._transmit(exchange)
        return True

    def _expire(self) -> bool:
        """
        Let go of prefixes whose valid lifetime is over.
        """
        session = self.session
        if session.suspect is not None:
            self._set(suspect=session.suspect.without_expired(self.now))
        lease = session.lease.without_expired(self.now)
        if lease is session.lease:
            return False
        self._set(lease=lease, associations=after_loss(session.associations, session.lease, lease))
        self._emit(LeaseChanged(lease, Change.EXPIRED))
        if not lease.prefixes:
            self._enter(Trigger.EXPIRED)
        return True

    def _spent(self) -> None:
        """
        Go on after an exchange has used up its tries or its time.
        """
        match self.session.state:
            case State.REQUESTING:
                self._refused("nothing to our Requests")
            case State.RELEASING:
                self._released()
            case _:
                self._enter(Trigger.SPENT if self.session.lease.prefixes else Trigger.SPENT_EMPTY)

    def _nudge(self) -> None:
        """
        Ask anew because the upstream network changed (R-18.2.12-04, R-18.2.12-07).
        """
        self._set(nudge_at=inf)
        if self.session.lease.prefixes:
            moved = self._enter(Trigger.UPSTREAM_CHANGED)
        else:
            self._set(hold_offs=())
            moved = self._enter(Trigger.UPSTREAM_CHANGED_EMPTY)
        if moved:
            self._set(changed_at=self.now)

    # What happens from outside.

    def _link_up(self, new_link: bool) -> None:
        """
        Begin with a Rebind if there is anything to ask for, else with a Solicit (R-18.2.12-01, R-18.2.12-07).
        """
        self._set(hold_offs=(), nudge_at=inf)
        holding = bool(self.session.lease.prefixes)
        if holding and new_link:
            self._set(evidence_until=self.now + self.session.settings.renumbering_silence)
        suspect = self.session.suspect
        claiming = suspect is not None and bool(suspect.prefixes)
        self._enter(Trigger.LINK_UP_HOLDING if holding or claiming else Trigger.LINK_UP_EMPTY)

    def _ask(self, request: Request) -> None:
        """
        Do what an operator asks.
        """
        self._set(hold_offs=())
        holding = bool(self.session.lease.prefixes)
        if request is Request.RELEASE:
            self._enter(Trigger.RELEASE_ASKED if holding else Trigger.RELEASE_ASKED_EMPTY)
            if self.session.state is not State.RELEASING:
                self._emit(Released())
        elif holding or request in {Request.SOLICIT, Request.STOP}:
            self._enter(_ASKED[request])
        else:
            self._enter(Trigger.SOLICIT_ASKED)

    def _arrived(self, arrived: Arrived) -> None:
        """
        Look at a message.
        """
        message, source = arrived.message, arrived.source
        problem = type_problem(message)
        if problem is None and message.message_type == MessageType.RECONFIGURE:
            self._reconfigure(message, arrived)
            return
        if problem is None:
            problem = answer_problem(message, self.session.settings, self.session.exchange)
        if problem is not None:
            self._discard(problem[0], source, problem[1])
            return
        server = message.server_id
        exchange = self.session.exchange
        if server is None or exchange is None:
            return
        self._set(counters=self.session.counters.one_received(MessageType(message.message_type)))
        self._blemishes(message, source)
        if message.message_type == MessageType.ADVERTISE:
            self._advertise(message, server, source)
        else:
            self._reply(message, server, source, exchange)

    def _blemishes(self, message: Message, source: str) -> None:
        """
        Count what is wrong with a message that is good enough (R-16-20).
        """
        for option in message.malformed:
            self._discard(DiscardReason.MALFORMED_OPTION, source, str(option.problem))
        if message.surplus:
            self._discard(DiscardReason.SURPLUS, source, f"{message.surplus} octets")
        for ia in message.ia_pds:
            if self.session.settings.wish(ia.iaid) is None:
                words = status_words(ia.status)
                self._discard(DiscardReason.IA_NOT_OURS, source, f"IA_PD {ia.iaid} {words}".rstrip())

    def _reconfigure(self, message: Message, arrived: Arrived) -> None:
        """
        Do what a genuine Reconfigure asks for (R-18.2.11-01).
        """
        session = self.session
        problem = reconfigure.reconfigure_problem(message, arrived.datagram, session.settings, session.key)
        if problem is None and not session.lease.prefixes:
            problem = DiscardReason.RECONFIGURE_POINTLESS, ""
        elif problem is None and session.state is not State.BOUND:
            problem = DiscardReason.RECONFIGURE_BUSY, session.state.name.lower()
        if problem is not None:
            self._discard(problem[0], arrived.source, problem[1])

    # Advertise.

    def _advertise(self, message: Message, server: DUID, source: str) -> None:
        """
        Collect an offer, and take it up at once where that is due.
        """
        session = self.session
        self._agree_on_max_rt(message, server)
        offer, remarks = read_offer(message, server, source, session.settings)
        for reason, detail in remarks:
            self._discard(reason, source, detail)
        if offer is None:
            words = next((words for words in map(status_words, _statuses(message)) if words), "nothing of use")
            self._discard(DiscardReason.NOTHING_OFFERED, source, words)
            if not session.offers:
                self._note(Reason.NOTHING_OFFERED, words)
            return
        if is_held_off(session.hold_offs, server, self.now):
            self._discard(DiscardReason.HELD_OFF, source, f"server {server}")
            if not session.offers:
                self._note(Reason.SERVER_REFUSED_BEFORE, str(server))
            return
        offers = remembered(session.offers, offer)
        if offers is None:
            self._discard(DiscardReason.TOO_MANY_OFFERS, source, "")
            return
        self._set(offers=offers)
        self._note(Reason.COLLECTING, source)
        exchange = self.session.exchange
        if offer.preference == AT_ONCE or (exchange is not None and exchange.transmissions > 1):
            self._choose(Reason.OFFER_CHOSEN)

    def _choose(self, reason: Reason) -> bool:
        """
        Take the best offer up; the others are kept for when its server does not deliver (R-18.2.9-07).
        """
        session = self.session
        offers = tuple(o for o in session.offers if not is_held_off(session.hold_offs, o.server, self.now))
        self._set(offers=offers)
        if not offers:
            return False
        offer = best(offers, session.settings)
        self._set(offers=tuple(o for o in offers if o is not offer))
        self._enter(Trigger.SERVER_CHOSEN, detail=str(offer.server), server=offer.server, offer=offer)
        return True

    def _agree_on_max_rt(self, message: Message, server: DUID) -> None:
        """
        Take SOL_MAX_RT and INF_MAX_RT over from an Advertise, as long as all Advertises agree (R-18.2.9-05).
        """
        sol, inf_ = valid_max_rt(message.sol_max_rt), valid_max_rt(message.inf_max_rt)
        sols, infs = self.session.advertised
        sols = sols if sol is None or len(sols) > 1 else sols | {sol}
        infs = infs if inf_ is None or len(infs) > 1 else infs | {inf_}
        self._set(advertised=(sols, infs))
        if sol is not None or inf_ is not None:
            self._max_rt(
                self.session.sol_max_rt if sol is None else (sol if len(sols) == 1 else None),
                self.session.inf_max_rt if inf_ is None else (inf_ if len(infs) == 1 else None),
                server,
            )

    def _max_rt(self, sol_max_rt: int | None, inf_max_rt: int | None, server: DUID) -> None:
        """
        Put SOL_MAX_RT and INF_MAX_RT in force; the running timer is left alone (A.3).
        """
        session = self.session
        changed = (sol_max_rt, inf_max_rt) != (session.sol_max_rt, session.inf_max_rt)
        self._set(sol_max_rt=sol_max_rt, inf_max_rt=inf_max_rt, max_rt_server=server)
        if changed:
            self._emit(Remembered(sol_max_rt, inf_max_rt))

    # Reply.

    def _reply(self, message: Message, server: DUID, source: str, exchange: Exchange) -> None:
        """
        Do what the answer to the exchange under way says.
        """
        sol, inf_ = valid_max_rt(message.sol_max_rt), valid_max_rt(message.inf_max_rt)
        if sol is not None or inf_ is not None:
            session = self.session
            self._max_rt(
                session.sol_max_rt if sol is None else sol, session.inf_max_rt if inf_ is None else inf_, server
            )
        if exchange.message_type is MessageType.RELEASE:
            self._released()
            return
        status = message.status
        if status is not None and status.status in _FAILURES:
            words = status_words(status)
            self._discard(DiscardReason.SERVER_FAILED, source, words)
            self._note(Reason.SERVER_FAILED, words)
            return
        outcome = read_reply(
            message, self.session.settings, self.session.lease, server, self.now, exchange.message_type
        )
        for reason, detail in outcome.remarks:
            self._discard(reason, source, detail)
        if not outcome.verdicts:
            self._discard(DiscardReason.NOTHING_IN_REPLY, source, outcome.words)
        self._adopt(outcome, message, server, source)
        if exchange.message_type in {MessageType.RENEW, MessageType.REBIND}:
            self._extended(outcome, server)
        else:
            self._requested(outcome, server, exchange)

    def _adopt(self, outcome: Outcome, message: Message, server: DUID, source: str) -> None:
        """
        Take over what a Reply says about the lease.
        """
        session = self.session
        self._set(associations=outcome.associations(session.associations))
        if outcome.served:
            self._set(
                source=source,
                suspect=None,
                evidence_until=inf,
                hold_offs=forgiven(session.hold_offs, server),
                key=reconfigure.key_after(message, session.settings, server, session.key),
            )
        if outcome.lease != session.lease:
            self._set(lease=outcome.lease)
            self._emit(LeaseChanged(outcome.lease, outcome.change(session.lease)))

    def _extended(self, outcome: Outcome, server: DUID) -> None:
        """
        Go on after the Reply to a Renew or Rebind.
        """
        if outcome.unbound:
            self._set(evidence_until=inf, offers=())
            self._enter(Trigger.UNBOUND, detail=str(server), server=server)
        elif outcome.served:
            self._settled(outcome, server)
        elif outcome.withdrawn and not self.session.lease.prefixes:
            self._set(suspect=None)
            self._enter(Trigger.WITHDRAWN)
        elif outcome.verdicts:
            self._note(Reason.NOT_EXTENDED, outcome.words)

    def _requested(self, outcome: Outcome, server: DUID, exchange: Exchange) -> None:
        """
        Go on after the Reply to a Request, or to a Solicit with Rapid Commit.
        """
        if outcome.served:
            self._settled(outcome, server)
        elif exchange.message_type is MessageType.SOLICIT:
            self._note(Reason.NOTHING_OFFERED, outcome.words)
        elif outcome.withdrawn and not self.session.lease.prefixes:
            self._enter(Trigger.WITHDRAWN)
        else:
            longest = self.session.sol_max_rt_in_force
            self._set(hold_offs=held_off(self.session.hold_offs, server, self.now, longest))
            self._refused(outcome.words)

    def _settled(self, outcome: Outcome, server: DUID) -> None:
        """
        Come to rest with what was given or extended.
        """
        self._set(lease=settle(self.session.lease, outcome, self.now), offers=(), chosen=None)
        self._enter(Trigger.SERVED, detail=str(server))
        if outcome.words:
            self._note(Reason.SERVED_PARTLY, f"{server} ({outcome.words} for the others)")
        elif self.session.lease.t2_at >= min(p.valid_until for p in self.session.lease.prefixes) < inf:
            self._note(Reason.WILL_NOT_EXTEND, str(server))

    def _refused(self, words: str) -> None:
        """
        Go on after a server that did not deliver: the next offer, or what is sound, or a new search.
        """
        if self._choose(Reason.NEXT_OFFER_CHOSEN):
            return
        lease = self.session.lease
        sound = any(
            association.state in {IAState.HELD, IAState.UNEXTENDED} for association in self.session.associations
        )
        if sound:
            self._set(lease=settle(lease, Outcome(lease=lease), self.now))
        self._enter(Trigger.REFUSED_HOLDING if sound else Trigger.REFUSED, detail=words)

    def _released(self) -> None:
        """
        Go on to the next server that prefixes are given back to, or come to rest.
        """
        session = self.session
        exchange = session.exchange
        done = None if exchange is None else exchange.server
        releasing = _without_server(session.releasing, done)
        self._set(releasing=releasing)
        if releasing.prefixes:
            self._begin(State.RELEASING, self.now, releasing.prefixes[0].server)
        else:
            self._enter(Trigger.RELEASED)
            self._emit(Released())

    # State.

    def _enter(
        self, trigger: Trigger, detail: str = "", server: DUID | None = None, offer: Offer | None = None
    ) -> bool:
        """
        Change state as the exchange table says, and begin the exchange of the new state.

        @param detail: what belongs into the reason's sentence.
        @param server: the server that the new exchange addresses, if that is not the lease's.
        @param offer: the offer that a Request takes up.
        @return: whether the table has anything for this.
        """
        session = self.session
        step = EXCHANGE.get((session.state, trigger))
        if step is None:
            return False
        if step.gives_up:
            self._give_up(_GIVEN_UP.get(trigger, Change.GIVEN_UP))
        self._set(state=step.to, reason=step.reason, detail=detail, exchange=None, chosen=offer)
        if step.to in {State.DOWN, State.BOUND, State.STOPPED}:
            self._set(offers=(), releasing=Lease())
        if step.to is State.SOLICITING:
            self._set(offers=(), advertised=(frozenset(), frozenset()), evidence_until=inf, suspect=None)
        self._emit(Moved(session.state, step.to, step.reason, detail))
        if step.to not in EXCHANGES:
            return True
        if step.to is State.RENEWING:
            server = self.session.lease.server
        elif step.to is State.RELEASING:
            server = self.session.releasing.prefixes[0].server
        linked = trigger in {Trigger.LINK_UP_EMPTY, Trigger.LINK_UP_HOLDING}
        self._begin(step.to, self._after_link_up(step.to) if linked else self.now, server)
        return True

    def _begin(self, state: State, at: float, server: DUID | None) -> None:
        """
        Begin the exchange of a state, with a transaction id of its own (R-16.1-01).
        """
        kind, parameters = EXCHANGES[state]
        settings = self.session.settings
        if state is State.SOLICITING and (settings.solicit_count or settings.solicit_duration is not None):
            parameters = evolve(parameters, count=settings.solicit_count, duration=settings.solicit_duration)
        xid = self.session.chance.transaction_id()
        self._set(
            exchange=Exchange(message_type=kind, parameters=parameters, transaction_id=xid, next_at=at, server=server)
        )

    def _after_link_up(self, state: State) -> float:
        """
        When to send first after a link up: after a random delay, not too soon after the time before.
        """
        at = max(self.now, self.session.linked_at + DEBOUNCE)
        if self.session.settings.solicit_delay:
            at = max(at, self.now + self.session.chance.random() * EXCHANGES[state][1].delay)
        self._set(linked_at=at)
        return at

    def _give_up(self, change: Change) -> None:
        """
        Stop using everything that is held.
        """
        session = self.session
        lease = session.lease
        if not lease.prefixes:
            return
        associations = after_loss(session.associations, lease, Lease())
        releasing = lease if change is Change.RELEASED else Lease()
        self._set(lease=Lease(), associations=associations, releasing=releasing)
        self._emit(LeaseChanged(Lease(), change))

    def _transmit(self, exchange: Exchange) -> None:
        """
        Send the message of the exchange under way, as it is to be now.
        """
        session = self.session
        if exchange.started_at is None:
            exchange = evolve(exchange, started_at=self.now)
        if session.state is State.RELEASING:
            lease = session.releasing
        else:
            lease = session.lease if session.lease.prefixes else session.suspect or session.lease
        message = build(session.settings, exchange, self.now, lease, session.associations, session.chosen)
        longest = session.sol_max_rt if exchange.message_type is MessageType.SOLICIT else None
        self._set(
            exchange=exchange.transmitted(self.now, session.chance.random, longest),
            rate=session.rate.spent(self.now),
            counters=session.counters.one_sent(exchange.message_type),
        )
        if exchange.transmissions == 0 and self.session.reason is Reason.LINK_CAME_UP:
            self._note(Reason.NO_ANSWER_YET)
        self._emit(Send(message))

    # Small change.

    def _set(self, **changes: object) -> None:
        """
        Let the session be another one.
        """
        self.session = evolve(self.session, **changes)  # type: ignore[arg-type]

    def _emit(self, effect: Effect) -> None:
        """
        Have something done.
        """
        self.effects.append(effect)

    def _note(self, reason: Reason, detail: str = "") -> None:
        """
        Tell why the session is as it is, without any change of state.
        """
        self._set(reason=reason, detail=detail)

    def _discard(self, reason: DiscardReason, source: str, detail: str) -> None:
        """
        Drop something, counted.
        """
        self._set(counters=self.session.counters.one_discarded(reason))
        self._emit(Discarded(reason, source, detail))


def _statuses(message: Message) -> list[Status | None]:
    """
    Every status in a message that is not of a single prefix, the most telling first.
    """
    return [*(ia.status for ia in message.ia_pds), message.status]


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
