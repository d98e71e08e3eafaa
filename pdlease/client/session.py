"""
One uplink's session: the value that holds all the client knows of it, and L{step}, by which it becomes the next one.

Nothing here reads a clock, draws a number by itself or sends anything: time comes in with every step, chance with the
session, and what is to be done goes out as effects.  How a step is worked out is L{pdlease.client.progress}; the words
it speaks are L{pdlease.client.occurrences}.
"""

from __future__ import annotations

from ipaddress import IPv6Network
from math import inf

from attrs import evolve, field, frozen

from pdlease.client.counters import Counters
from pdlease.client.occurrences import Effect, Occurrence
from pdlease.client.progress import take
from pdlease.client.ratelimit import RateLimit
from pdlease.client.reasons import Reason
from pdlease.client.retransmission import DEFAULT_SOL_MAX_RT, Exchange
from pdlease.client.selection import HoldOff, Offer
from pdlease.client.settings import Chance, Settings
from pdlease.client.states import EXCHANGE, State, Trigger
from pdlease.client.turn import Turn
from pdlease.client.verdicts import MOST_FORMER, Association
from pdlease.durations import duration
from pdlease.lease import Lease, ReconfigureKey, UplinkRecord
from pdlease.wire.chain import Option
from pdlease.wire.codes import MessageType
from pdlease.wire.duid import DUID

NOTHING = Lease()
"""The lease of an uplink that holds nothing."""


@frozen(kw_only=True)
class Session:
    """
    All that is known of one uplink.

    @ivar settings: what was configured.
    @ivar chance: where randomness comes from.
    @ivar state: what it is doing.
    @ivar reason: why; L{explain} makes a sentence of it.
    @ivar detail: what belongs into the reason's sentence.
    @ivar lease: what is held and may be used.
    @ivar suspect: a lease from before a restart that nobody can date (R-12-06): asked for, not used; or C{None}.
    @ivar associations: how each identity association stands, in order of configuration.
    @ivar exchange: the exchange of messages under way, or C{None}.
    @ivar offers: servers' offers, collected now or kept for when the chosen server does not deliver.
    @ivar chosen: the offer taken up by the running Request, or C{None}.
    @ivar information: the requested options that came with the lease, e.g. of DNS servers.
    @ivar source: the address that the last accepted Reply came from; empty before the first.
    @ivar releasing: the lease that is being given back, empty when none is.
    @ivar rate: the limit on messages.
    @ivar hold_offs: servers whose offers are passed over for a while.
    @ivar linked_at: boot-clock second at which the last Solicit or confirming Rebind was sent first.
    @ivar evidence_until: boot-clock second at which silence ends the lease, for there are signs of another upstream;
        C{inf} where there are none.
    @ivar changed_at: boot-clock second of the last attempt for a change of the upstream network.
    @ivar nudge_at: boot-clock second at which such an attempt is to be made; C{inf} for none.
    @ivar sol_max_rt: the SOL_MAX_RT that a server set, seconds; C{None} for the default.
    @ivar inf_max_rt: likewise INF_MAX_RT.
    @ivar max_rt_server: the server that set them, or C{None} if none did.
    @ivar advertised: the distinct values of both seen in this Solicit exchange, for they must agree (R-18.2.9-05).
    @ivar staged: the transaction and the count of transmissions for which a further length was wished for last.
    @ivar key: the key that Reconfigure messages are signed with, or C{None}.
    @ivar reconfigured_at: boot-clock second of the last Reconfigure obeyed.
    @ivar counters: what was counted.
    """

    settings: Settings
    chance: Chance
    state: State = State.DOWN
    reason: Reason = Reason.NEVER_UP
    detail: str = ""
    lease: Lease = NOTHING
    suspect: Lease | None = None
    associations: tuple[Association, ...] = ()
    exchange: Exchange | None = None
    offers: tuple[Offer, ...] = ()
    chosen: Offer | None = None
    information: tuple[Option, ...] = ()
    source: str = ""
    releasing: Lease = NOTHING
    rate: RateLimit = field(factory=RateLimit)
    hold_offs: tuple[HoldOff, ...] = ()
    linked_at: float = -inf
    evidence_until: float = inf
    changed_at: float = -inf
    nudge_at: float = inf
    sol_max_rt: int | None = None
    inf_max_rt: int | None = None
    max_rt_server: DUID | None = None
    advertised: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
    staged: tuple[int, int] = (-1, 0)
    key: ReconfigureKey | None = None
    reconfigured_at: float = -inf
    counters: Counters = field(factory=Counters)

    @property
    def server(self) -> DUID | None:
        """The server that the lease is from, or the one that is being asked; C{None} where there is neither."""
        if self.exchange is not None and self.exchange.server is not None:
            return self.exchange.server
        return self.lease.server

    @property
    def claims(self) -> bool:
        """Whether there is a lease, in use or only to be asked for."""
        return bool(self.lease.prefixes) or (self.suspect is not None and bool(self.suspect.prefixes))

    @property
    def is_rate_limited(self) -> bool:
        """Whether the next message is late because of the limit on messages."""
        return self.exchange is not None and self.rate.free_at > self.exchange.next_at

    @property
    def due(self) -> float | None:
        """
        The boot-clock second at which L{Due <pdlease.client.occurrences.Due>} is wanted next, or C{None}.

        After a step it always lies in the future.
        """
        times = [prefix.valid_until for prefix in self.lease.prefixes]
        exchange = self.exchange
        if exchange is not None:
            collecting = self.state is State.SOLICITING and self.offers
            spent = 0 < exchange.parameters.count <= exchange.transmissions
            times.append(exchange.next_at if collecting or spent else max(exchange.next_at, self.rate.free_at))
            times.append(exchange.ends_at)
        if (self.state, Trigger.T1) in EXCHANGE:
            times.append(self.lease.t1_at)
        if (self.state, Trigger.T2) in EXCHANGE:
            times.append(self.lease.t2_at)
        if (self.state, Trigger.RENUMBERED) in EXCHANGE:
            times.append(self.evidence_until)
        times.append(self.renews_at)
        times.append(self.nudge_at)
        earliest = min(times)
        return None if earliest == inf else earliest

    @property
    def renews_at(self) -> float:
        """
        The boot-clock second at which a Rebind that began before T1 gives way to a Renew, should nothing come of it:
        the times of the lease hold as ever (R-RST-02), and some servers extend by Renew alone; C{inf} for never.
        """
        began = self.exchange.started_at if self.exchange is not None else None
        lease = self.lease
        if self.state is State.REBINDING and began is not None and began < lease.t1_at < lease.t2_at:
            return lease.t1_at
        return inf

    @property
    def next_message(self) -> tuple[MessageType, float] | None:
        """
        The next message and the boot-clock second at which it is to be sent, if nothing happens before; or C{None}.
        """
        exchange = self.exchange
        if exchange is not None:
            collecting = self.state is State.SOLICITING and self.offers
            at = max(exchange.next_at, self.rate.free_at)
            if collecting:
                return MessageType.REQUEST, at
            if self.state is State.RENEWING and self.lease.t2_at <= at:
                return MessageType.REBIND, self.lease.t2_at
            if self.renews_at <= at:
                return MessageType.RENEW, self.renews_at
            ends = min(exchange.ends_at, self.lease.valid_until if self.lease.prefixes else inf)
            if ends <= at:
                going_on = self.lease.prefixes and ends < self.lease.valid_until
                if going_on and self.lease.t1_at <= ends < self.lease.t2_at:
                    return MessageType.RENEW, ends
                return (MessageType.REBIND if going_on else MessageType.SOLICIT), ends
            return exchange.message_type, at
        if self.state is not State.BOUND:
            return None
        t1, t2 = self.lease.t1_at, self.lease.t2_at
        ends = self.lease.valid_until
        if min(t1, t2, ends) == inf:
            return None
        if min(t1, t2) >= ends:
            return MessageType.SOLICIT, ends
        return (MessageType.RENEW, t1) if t1 < t2 else (MessageType.REBIND, t2)

    @property
    def sol_max_rt_in_force(self) -> int:
        """The SOL_MAX_RT in force, seconds."""
        return DEFAULT_SOL_MAX_RT if self.sol_max_rt is None else self.sol_max_rt

    @property
    def sentence(self) -> str:
        """Why the session is as it is."""
        words = self.reason.sentence(self.detail)
        if self.exchange is not None:
            words = f"waiting: {words}"
        return f"{words}; {Reason.RATE_LIMITED.value}" if self.is_rate_limited else words

    def explain(self, now: float) -> str:
        """
        Why the session is as it is, and what comes next, in one sentence.

        @param now: boot-clock second.
        """
        words = self.sentence
        if self.evidence_until < inf:
            left = duration(max(0, round(self.evidence_until - now)))
            words = f"{words}; there are signs of another upstream: given up in {left} unless a server answers"
        coming = self.next_message
        if coming is None:
            return words
        kind, at = coming
        name = kind.name.capitalize().replace("_", "-")
        return f"{words}, next {name} in {duration(round(at - now))}"

    @classmethod
    def begin(
        cls,
        settings: Settings,
        chance: Chance,
        lease: Lease | None = None,
        suspect: Lease | None = None,
        key: ReconfigureKey | None = None,
        former: tuple[tuple[int, IPv6Network], ...] = (),
    ) -> Session:
        """
        A session whose link is down.

        @param lease: what is held from before a restart and may be used, or C{None}.
        @param suspect: what was held but cannot be dated (R-12-06), or C{None}; one of the two at most.
        @param key: what the server signs Reconfigure with, as kept from before, or C{None}.
        @param former: what was lost before the restart, as in L{UplinkRecord.former}.
        """
        messages, window = settings.rate_limit
        return cls(
            settings=settings,
            chance=chance,
            lease=_configured(lease, settings) or NOTHING,
            suspect=_configured(suspect, settings),
            associations=tuple(_association(wish.iaid, lease, suspect, former) for wish in settings.wishes),
            rate=RateLimit(messages=messages, seconds=window),
            sol_max_rt=settings.sol_max_rt,
            inf_max_rt=settings.inf_max_rt,
            max_rt_server=settings.max_rt_server,
            key=key,
        )

    @property
    def record(self) -> UplinkRecord:
        """What is to be kept over restarts."""
        trusted = self.suspect is None
        lease = self.lease if self.suspect is None else self.suspect
        return UplinkRecord(
            lease=lease,
            sol_max_rt=self.sol_max_rt,
            inf_max_rt=self.inf_max_rt,
            max_rt_server=self.max_rt_server,
            trusted=trusted,
            key=self.key,
            former=tuple(
                (each.iaid, prefix)
                for each in self.associations
                if not lease.holds(each.iaid)
                for prefix in each.former
            ),
        )


def _configured(lease: Lease | None, settings: Settings) -> Lease | None:
    """
    The part of a lease that is still wanted, in order of configuration.
    """
    if lease is None:
        return None
    bindings = (lease.binding(wish.iaid) for wish in settings.wishes)
    return evolve(lease, bindings=tuple(binding for binding in bindings if binding is not None))


def _association(
    iaid: int, lease: Lease | None, suspect: Lease | None, former: tuple[tuple[int, IPv6Network], ...]
) -> Association:
    """
    How an association stands at the beginning.
    """
    if lease is not None and lease.holds(iaid):
        return Association(iaid=iaid).held()
    claimed = None if suspect is None else suspect.binding(iaid)
    if claimed is None or not claimed.prefixes:
        return Association(iaid=iaid, former=tuple(prefix for owner, prefix in former if owner == iaid)[:MOST_FORMER])
    return Association(iaid=iaid).remembering(claimed)


def step(session: Session, occurrence: Occurrence, now: float) -> tuple[Session, tuple[Effect, ...]]:
    """
    What becomes of a session when something happens.  Whatever the network sent, this raises nothing.

    @param session: as it was.
    @param occurrence: what happened.
    @param now: boot-clock second at which it happened; never before that of an earlier step.
    @return: as it is now, and what is to be done, in this order.
    """
    turn = Turn(session, now)
    take(turn, occurrence)
    return turn.session, tuple(turn.effects)
