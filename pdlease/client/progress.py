"""
What the world and time do to a session: links, operators, settings, and everything that is due.

L{take} is the whole of a step.  What a message does is L{pdlease.client.answers}; how state changes is
L{pdlease.client.turn}.
"""

from __future__ import annotations

from math import inf

from attrs import evolve

from pdlease.client.answers import arrived, choose, refused
from pdlease.client.occurrences import (
    Arrived,
    Ask,
    Dated,
    LeaseChanged,
    LinkDown,
    LinkUp,
    NewSettings,
    Occurrence,
    Released,
    Request,
    UpstreamChanged,
)
from pdlease.client.ratelimit import RateLimit
from pdlease.client.reasons import Change
from pdlease.client.settings import Settings
from pdlease.client.states import State, Trigger
from pdlease.client.turn import Turn
from pdlease.client.verdicts import Association, after_loss
from pdlease.lease import Lease

CHANGE_INTERVAL = 30.0
"""Seconds between two attempts for a change of the upstream network, at least (R-18.2.12-05)."""

_ASKED = {
    Request.RENEW: Trigger.RENEW_ASKED,
    Request.REBIND: Trigger.REBIND_ASKED,
    Request.SOLICIT: Trigger.SOLICIT_ASKED,
    Request.STOP: Trigger.STOP_ASKED,
}


def take(turn: Turn, occurrence: Occurrence) -> None:
    """
    Let something happen to a session, then do everything that is due.
    """
    # What ended before this moment must not be mistaken for living by what happens now.
    _expire(turn)
    match occurrence:
        case Arrived():
            arrived(turn, occurrence)
        case LinkUp():
            _link_up(turn, occurrence.new_link)
        case LinkDown():
            turn.enter(Trigger.LINK_DOWN)
        case UpstreamChanged():
            turn.become(nudge_at=max(turn.now, turn.session.changed_at + CHANGE_INTERVAL))
        case Ask():
            _ask(turn, occurrence.request)
        case NewSettings():
            _settle_in(turn, occurrence.settings)
        case Dated():
            _dated(turn, occurrence.lease)
        case _:
            pass
    while _advance(turn):
        pass


def _advance(turn: Turn) -> bool:
    """
    Do one thing that is due, if there is one.
    """
    session, now = turn.session, turn.now
    for at, trigger in (
        (session.evidence_until, Trigger.RENUMBERED),
        (session.lease.t2_at, Trigger.T2),
        (session.lease.t1_at, Trigger.T1),
        (session.renews_at, Trigger.T1_IN_VAIN),
    ):
        if at <= now and turn.enter(trigger):
            return True
    if session.nudge_at <= now:
        _nudge(turn)
        return True
    exchange = session.exchange
    if exchange is None:
        return False
    if exchange.is_spent(now):
        _spent(turn)
        return True
    if exchange.next_at > now:
        return False
    if session.state is State.SOLICITING and choose(turn):
        return True
    if session.rate.free_at > now:
        return False
    turn.transmit(exchange)
    return True


def _expire(turn: Turn) -> None:
    """
    Let go of prefixes whose valid lifetime is over.
    """
    session = turn.session
    if session.suspect is not None:
        turn.become(suspect=session.suspect.without_expired(turn.now))
    lease = session.lease.without_expired(turn.now)
    if lease is session.lease:
        return
    turn.become(lease=lease, associations=after_loss(session.associations, session.lease, lease))
    turn.emit(LeaseChanged(lease, Change.EXPIRED))
    if not lease.prefixes:
        turn.enter(Trigger.EXPIRED)


def _spent(turn: Turn) -> None:
    """
    Go on after an exchange has used up its tries or its time.
    """
    if turn.session.state is State.REQUESTING:
        refused(turn, "nothing to our Requests")
    elif turn.session.state is State.RELEASING:
        turn.released()
    elif not turn.session.lease.prefixes:
        turn.enter(Trigger.SPENT_EMPTY)
    elif turn.session.lease.t1_at <= turn.now < turn.session.lease.t2_at and turn.enter(Trigger.T1_IN_VAIN):
        pass
    else:
        turn.enter(Trigger.SPENT)


def _nudge(turn: Turn) -> None:
    """
    Ask anew because the upstream network changed (R-18.2.12-04, R-18.2.12-07).
    """
    turn.become(nudge_at=inf)
    holding = bool(turn.session.lease.prefixes)
    if turn.enter(Trigger.UPSTREAM_CHANGED if holding else Trigger.UPSTREAM_CHANGED_EMPTY):
        turn.become(changed_at=turn.now, hold_offs=())


def _link_up(turn: Turn, new_link: bool) -> None:
    """
    Begin with a Rebind if there is anything to ask for, else with a Solicit (R-18.2.12-01, R-18.2.12-07).
    """
    session = turn.session
    holding = bool(session.lease.prefixes)
    turn.become(hold_offs=(), nudge_at=inf)
    if holding and (new_link or session.evidence_until < inf):
        turn.become(evidence_until=turn.now + session.settings.renumbering_silence)
    turn.enter(Trigger.LINK_UP_HOLDING if session.claims else Trigger.LINK_UP_EMPTY)


def _ask(turn: Turn, request: Request) -> None:
    """
    Do what an operator asks.
    """
    turn.become(hold_offs=())
    holding = bool(turn.session.lease.prefixes)
    if request is Request.RELEASE:
        turn.enter(Trigger.RELEASE_ASKED if holding else Trigger.RELEASE_ASKED_EMPTY)
        if turn.session.state is not State.RELEASING:
            # Nothing to give back, or no link to say so on.
            turn.emit(Released())
    elif holding or request in {Request.SOLICIT, Request.STOP}:
        turn.enter(_ASKED[request])
    else:
        turn.enter(Trigger.SOLICIT_ASKED)


def _dated(turn: Turn, dated: Lease) -> None:
    """
    Use a lease that was only asked for so far, as if it had been known from the beginning.
    """
    session = turn.session
    if session.suspect is None:
        return
    lease = _still_wanted(dated, session.settings).without_expired(turn.now)
    turn.become(suspect=None)
    if lease.prefixes:
        associations = tuple(each.held() if lease.holds(each.iaid) else each for each in session.associations)
        turn.become(lease=lease, associations=associations)
        turn.emit(LeaseChanged(lease, Change.DATED))
        turn.enter(Trigger.DATED)


def _settle_in(turn: Turn, settings: Settings) -> None:
    """
    Go on with other settings: drop what is not wanted any more, ask for what is new.
    """
    session = turn.session
    messages, seconds = settings.rate_limit
    same = settings.duid == session.settings.duid
    known = {association.iaid: association for association in session.associations if same}
    turn.become(
        settings=settings,
        associations=tuple(known.get(wish.iaid) or Association(iaid=wish.iaid) for wish in settings.wishes),
        rate=RateLimit(messages=messages, seconds=seconds, sent_at=session.rate.sent_at[-messages:]),
    )
    if not same:
        turn.remember(key=None)
    if session.suspect is not None:
        turn.become(suspect=_still_wanted(session.suspect, settings) if same else None)
    # What was given to somebody else is not ours to use or to ask for (R-11-10).
    lease = _still_wanted(session.lease, settings) if same else Lease()
    if lease.bindings != session.lease.bindings:
        turn.become(lease=lease)
        turn.emit(LeaseChanged(lease, Change.DROPPED))
    if not same or session.settings.wishes != settings.wishes:
        holding = bool(turn.session.lease.prefixes)
        turn.enter(Trigger.SETTINGS_CHANGED if holding else Trigger.SETTINGS_CHANGED_EMPTY)


def _still_wanted(lease: Lease, settings: Settings) -> Lease:
    """
    A lease less what is not wished for any more.
    """
    bindings = tuple(binding for binding in lease.bindings if settings.wish(binding.iaid) is not None)
    return lease if bindings == lease.bindings else evolve(lease, bindings=bindings)
