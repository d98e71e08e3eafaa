"""
What a message from a server does to a session.

Here an Advertise is collected or taken up, a Reply ends its exchange or does not, a Reconfigure is obeyed.  Whether a
message may be looked at is L{pdlease.client.incoming}, what it says about each identity association is
L{pdlease.client.verdicts}, which offer is best is L{pdlease.client.selection}.
"""

from __future__ import annotations

from math import inf

from attrs import evolve

from pdlease.client.incoming import Answer, answer, repeated, requested, type_problem, valid_max_rt
from pdlease.client.occurrences import Arrived, Disowned, LeaseChanged
from pdlease.client.reasons import Change, DiscardReason, Reason
from pdlease.client.reconfigure import key_after, reconfigure_problem, replay_of
from pdlease.client.replies import Outcome, disowned, read_reply, settle
from pdlease.client.retransmission import Exchange
from pdlease.client.selection import AT_ONCE, best, forgiven, held_off, is_held_off, read_offer, remembered
from pdlease.client.states import IAState, State, Trigger
from pdlease.client.turn import Turn
from pdlease.client.verdicts import status_words
from pdlease.wire.codes import MessageType, StatusCode
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message

RECONFIGURE_INTERVAL = 2.0
"""Seconds between two Reconfigures that are obeyed, at least (R-18.2.11-09); servers repeat theirs after 2 s."""

_FAILURES = frozenset({StatusCode.UNSPEC_FAIL, StatusCode.USE_MULTICAST})
"""Status codes that keep a whole Reply from being read (R-18.2.10-03, R-18.2.10-06)."""

_TOLD = {
    MessageType.RENEW: Trigger.TOLD_TO_RENEW,
    MessageType.REBIND: Trigger.TOLD_TO_REBIND,
    MessageType.INFORMATION_REQUEST: Trigger.TOLD_TO_INFORM,
}


def arrived(turn: Turn, occurrence: Arrived) -> None:
    """
    Look at a message.
    """
    message, source = occurrence.message, occurrence.source
    turn.heard = message.name
    problem = type_problem(message)
    if problem is None and message.message_type == MessageType.RECONFIGURE:
        _reconfigure(turn, occurrence)
        return
    found = problem or answer(message, turn.session.settings, turn.session.exchange)
    if not isinstance(found, Answer):
        turn.discard(found[0], source, found[1])
        return
    _blemishes(turn, message, source)
    if message.message_type == MessageType.ADVERTISE:
        _advertise(turn, message, found.server, source)
    else:
        _reply(turn, message, found.server, source, found.exchange)


def _blemishes(turn: Turn, message: Message, source: str) -> None:
    """
    Count a message that may be looked at, and what is wrong with it although it is good enough (R-16-20 to R-16-23).
    """
    turn.become(counters=turn.session.counters.one_received(MessageType(message.message_type)))
    wish = turn.session.settings.wish
    parts = [(DiscardReason.MALFORMED_OPTION, str(option.problem)) for option in message.malformed]
    if message.surplus:
        parts.append((DiscardReason.SURPLUS, f"{message.surplus} octets"))
    parts.extend(repeated(message))
    foreign = (ia for ia in message.ia_pds if wish(ia.iaid) is None)
    parts.extend((DiscardReason.IA_NOT_OURS, f"IA_PD {ia.iaid} {status_words(ia.status)}".rstrip()) for ia in foreign)
    turn.discard_parts(parts, source)


# Advertise.


def _advertise(turn: Turn, message: Message, server: DUID, source: str) -> None:
    """
    Collect an offer, and take it up at once where that is due.
    """
    session = turn.session
    _agree_on_max_rt(turn, message, server)
    offer, remarks = read_offer(message, server, source, session.settings)
    turn.discard_parts(remarks, source)
    if offer is None:
        words = _words_of_advertise(message)
        turn.discard(DiscardReason.NOTHING_OFFERED, source, words)
        if not session.offers:
            turn.note(Reason.NOTHING_OFFERED, words)
        _next_length(turn, message)
        return
    if is_held_off(session.hold_offs, server, turn.now):
        turn.discard(DiscardReason.HELD_OFF, source, f"server {server}")
        if not session.offers:
            turn.note(Reason.SERVER_REFUSED_BEFORE, str(server))
        return
    offers = remembered(session.offers, offer)
    if offers is None:
        turn.discard(DiscardReason.TOO_MANY_OFFERS, source, "")
        return
    turn.become(offers=offers)
    turn.note(Reason.COLLECTING, source)
    exchange = turn.session.exchange
    if offer.preference == AT_ONCE or (exchange is not None and exchange.transmissions > 1):
        choose(turn)


def _next_length(turn: Turn, message: Message) -> None:
    """
    Wish for the next length where a server has no prefix of this one, once for each Solicit transmitted.
    """
    session, exchange = turn.session, turn.session.exchange
    if exchange is None or session.staged == (exchange.transaction_id, exchange.transmissions):
        return
    refused_ias = {
        ia.iaid for ia in message.ia_pds if ia.status is not None and ia.status.status == StatusCode.NO_PREFIX_AVAIL
    }
    if not refused_ias:
        return
    turn.become(
        staged=(exchange.transaction_id, exchange.transmissions),
        associations=tuple(
            evolve(each, stage=each.stage + 1) if each.iaid in refused_ias else each for each in session.associations
        ),
    )


def _words_of_advertise(message: Message) -> str:
    """
    What a server said that offered nothing.
    """
    statuses = [*(ia.status for ia in message.ia_pds), message.status]
    failures = (status for status in statuses if status is not None and status.status != StatusCode.SUCCESS)
    return next((status_words(status) for status in failures), "nothing of use")


def choose(turn: Turn) -> bool:
    """
    Take the best offer up; the others are kept for when its server does not deliver (R-18.2.9-07).

    @return: whether there was one.
    """
    session = turn.session
    offers = tuple(offer for offer in session.offers if not is_held_off(session.hold_offs, offer.server, turn.now))
    if not offers:
        turn.become(offers=())
        return False
    offer = best(offers, session.settings)
    turn.become(offers=tuple(other for other in offers if other is not offer))
    return turn.enter(Trigger.SERVER_CHOSEN, detail=str(offer.server), server=offer.server, offer=offer)


def refused(turn: Turn, words: str) -> None:
    """
    Go on after a server that did not deliver: to the next offer, or with what is sound, or with a new search.

    @param words: what it said.
    """
    if choose(turn):
        return
    lease = turn.session.lease
    sound = any(each.state in {IAState.HELD, IAState.UNEXTENDED} for each in turn.session.associations)
    if sound:
        settled = settle(lease, Outcome(lease=lease), turn.now)
        if settled != lease:
            turn.become(lease=settled)
            turn.emit(LeaseChanged(settled, Change.REFRESHED))
    turn.enter(Trigger.REFUSED_HOLDING if sound else Trigger.REFUSED, detail=words)


def _agree_on_max_rt(turn: Turn, message: Message, server: DUID) -> None:
    """
    Take SOL_MAX_RT and INF_MAX_RT over from an Advertise, as long as all Advertises agree (R-18.2.9-05).

    The running timer is left alone (A.3).
    """
    sol, information = valid_max_rt(message.sol_max_rt), valid_max_rt(message.inf_max_rt)
    sols, informations = turn.session.advertised
    if sol is not None:
        sols = sols if len(sols) > 1 else sols | {sol}
        turn.remember(sol_max_rt=sol if len(sols) == 1 else None, max_rt_server=server)
    if information is not None:
        informations = informations if len(informations) > 1 else informations | {information}
        turn.remember(inf_max_rt=information if len(informations) == 1 else None, max_rt_server=server)
    turn.become(advertised=(sols, informations))


# Reply.


def _reply(turn: Turn, message: Message, server: DUID, source: str, exchange: Exchange) -> None:
    """
    Do what the answer to the exchange under way says.
    """
    sol, information = valid_max_rt(message.sol_max_rt), valid_max_rt(message.inf_max_rt)
    if sol is not None:
        turn.remember(sol_max_rt=sol, max_rt_server=server)
    if information is not None:
        turn.remember(inf_max_rt=information, max_rt_server=server)
    if exchange.message_type is MessageType.RELEASE:
        turn.released()
        return
    status = message.status
    if status is not None and status.status in _FAILURES:
        words = status_words(status)
        turn.discard(DiscardReason.SERVER_FAILED, source, words)
        turn.note(Reason.SERVER_FAILED, words)
        return
    if exchange.message_type is MessageType.INFORMATION_REQUEST:
        turn.inform(requested(message, turn.session.settings))
        turn.enter(Trigger.INFORMED, detail=str(server))
        return
    outcome = read_reply(message, turn.session.settings, turn.session.lease, server, turn.now, exchange.message_type)
    turn.discard_parts(outcome.remarks, source)
    if not outcome.verdicts:
        turn.discard(DiscardReason.NOTHING_IN_REPLY, source, outcome.words)
    _adopt(turn, outcome, message, server, source)
    if exchange.message_type in {MessageType.RENEW, MessageType.REBIND}:
        _extended(turn, outcome, server)
    else:
        _requested(turn, outcome, server, exchange)


def _adopt(turn: Turn, outcome: Outcome, message: Message, server: DUID, source: str) -> None:
    """
    Take over what a Reply says about the lease.
    """
    session = turn.session
    turn.become(associations=outcome.associations(session.associations))
    if outcome.served:
        turn.become(source=source, suspect=None, evidence_until=inf, hold_offs=forgiven(session.hold_offs, server))
        turn.remember(key=key_after(message, session.settings, server, session.key))
    lease = settle(outcome.lease, outcome, turn.now) if outcome.served and not outcome.unbound else outcome.lease
    if lease != session.lease:
        turn.become(lease=lease)
        turn.emit(LeaseChanged(lease, outcome.change(session.lease)))
    if prefixes := disowned(message, session.settings, session.lease, lease):
        turn.emit(Disowned(prefixes))
    if outcome.served:
        turn.inform(requested(message, session.settings))


def _extended(turn: Turn, outcome: Outcome, server: DUID) -> None:
    """
    Go on after the Reply to a Renew or Rebind.
    """
    if outcome.unbound:
        turn.become(evidence_until=inf, offers=())
        turn.enter(Trigger.UNBOUND, detail=str(server), server=server)
    elif outcome.served:
        _served(turn, outcome, server)
    elif outcome.verdicts and not turn.session.lease.prefixes:
        # Everything withdrawn; or a lease that nobody could date (R-12-06), and the server does not confirm it.
        turn.become(suspect=None)
        turn.enter(Trigger.WITHDRAWN)
    elif outcome.verdicts:
        turn.note(Reason.NOT_EXTENDED, outcome.words)


def _requested(turn: Turn, outcome: Outcome, server: DUID, exchange: Exchange) -> None:
    """
    Go on after the Reply to a Request, or to a Solicit with Rapid Commit.
    """
    if outcome.served:
        _served(turn, outcome, server)
    elif exchange.message_type is MessageType.SOLICIT:
        turn.note(Reason.NOTHING_OFFERED, outcome.words)
    elif outcome.withdrawn and not turn.session.lease.prefixes:
        turn.enter(Trigger.WITHDRAWN)
    else:
        longest = turn.session.sol_max_rt_in_force
        turn.become(hold_offs=held_off(turn.session.hold_offs, server, turn.now, longest))
        refused(turn, outcome.words)


def _served(turn: Turn, outcome: Outcome, server: DUID) -> None:
    """
    Come to rest with what was given or extended.
    """
    turn.enter(Trigger.SERVED, detail=str(server))
    lease = turn.session.lease
    if outcome.words:
        turn.note(Reason.SERVED_PARTLY, f"{server} ({outcome.words} for the others)")
    elif inf > min(lease.t1_at, lease.t2_at) >= min(held.valid_until for held in lease.prefixes):
        turn.note(Reason.WILL_NOT_EXTEND, str(server))


# Reconfigure.


def _reconfigure(turn: Turn, occurrence: Arrived) -> None:
    """
    Do what a genuine Reconfigure asks for, by an exchange of our own (R-18.2.11-01).

    Others are passed over until that is complete (R-18.2.11-02); the lease stays whatever comes of it (R-18.2.11-03).
    """
    session, message = turn.session, occurrence.message
    key = session.key
    problem = reconfigure_problem(message, occurrence.datagram, session.settings, key)
    if problem is None and not session.lease.prefixes:
        problem = DiscardReason.RECONFIGURE_POINTLESS, ""
    elif problem is None and session.state is not State.BOUND:
        problem = DiscardReason.RECONFIGURE_BUSY, session.state.name.lower()
    elif problem is None and turn.now < session.reconfigured_at + RECONFIGURE_INTERVAL:
        problem = DiscardReason.RECONFIGURE_TOO_OFTEN, ""
    if problem is not None or key is None:
        reason, detail = problem or (DiscardReason.RECONFIGURE_UNWANTED, "")
        turn.discard(reason, occurrence.source, detail)
        return
    _blemishes(turn, message, occurrence.source)
    turn.become(reconfigured_at=turn.now)
    turn.remember(key=evolve(key, replay=replay_of(message)))
    told = _TOLD[MessageType(message.reconfigure_message or 0)]
    turn.enter(told, detail=str(key.server), server=key.server if told is Trigger.TOLD_TO_INFORM else None)
