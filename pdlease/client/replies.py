"""
What a whole Reply does to the lease: the verdicts on every identity association, taken together.

Partial success has no case of its own here: every association has its verdict, and the exchange follows from which
verdicts there are (L{pdlease.client.turn}).  The verdict on one association is L{pdlease.client.verdicts}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Network
from itertools import islice

from attrs import evolve, field, frozen

from pdlease.client.lifetimes import times_of_unextended
from pdlease.client.reasons import Change, DiscardReason
from pdlease.client.settings import Settings
from pdlease.client.states import IATrigger
from pdlease.client.verdicts import DELEGABLE, Association, Remark, Verdict, judge, status_words, taken_away
from pdlease.lease import Binding, Lease
from pdlease.wire.codes import MessageType, StatusCode
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message
from pdlease.wire.prefixes import IAPD

_EXTENDING = frozenset({MessageType.RENEW, MessageType.REBIND})

_FAILED = frozenset({StatusCode.NO_BINDING, StatusCode.NOT_ON_LINK})
"""What a whole Reply to a Request says of all associations, whatever they hold (C.8.1)."""


@frozen(kw_only=True)
class Outcome:
    """
    What a Reply says.

    @ivar lease: the lease after it.
    @ivar verdicts: verdicts by IAID, for those of our associations that are in the Reply.
    @ivar remarks: parts that were left out, and why.
    """

    lease: Lease
    verdicts: Mapping[int, Verdict] = field(factory=dict)
    remarks: tuple[Remark, ...] = ()
    status: str = ""

    def _any(self, trigger: IATrigger) -> bool:
        return any(verdict.trigger is trigger for verdict in self.verdicts.values())

    @property
    def served(self) -> bool:
        """Whether any association was given or extended something."""
        return self._any(IATrigger.SERVED)

    @property
    def unbound(self) -> bool:
        """Whether the server does not know some association (NoBinding)."""
        return self._any(IATrigger.UNBOUND)

    @property
    def withdrawn(self) -> bool:
        """Whether some association lost everything it held."""
        return self._any(IATrigger.WITHDRAWN)

    @property
    def words(self) -> str:
        """What the server said where it did not do as asked; empty if it did."""
        spoken = (verdict.words for verdict in self.verdicts.values() if verdict.words)
        return next(spoken, self.status or ("" if self.served else "nothing of use"))

    def associations(self, before: tuple[Association, ...]) -> tuple[Association, ...]:
        """
        How the associations stand after the Reply.
        """
        after = []
        for association in before:
            verdict = self.verdicts.get(association.iaid)
            if verdict is None:
                after.append(association.after(IATrigger.ABSENT))
            else:
                after.append(association.after(verdict.trigger, verdict.lost))
        return tuple(after)

    def change(self, before: Lease) -> Change:
        """
        What kind of change this is to what was held before.
        """
        old = {(binding.iaid, held.prefix) for binding in before.bindings for held in binding.prefixes}
        new = {(binding.iaid, held.prefix) for binding in self.lease.bindings for held in binding.prefixes}
        if new - old:
            return Change.GAINED
        if old and not new:
            return Change.WITHDRAWN
        return Change.SHRUNK if old - new else Change.REFRESHED


def read_reply(
    message: Message, settings: Settings, lease: Lease, server: DUID, now: float, asked: MessageType
) -> Outcome:
    """
    What a Reply says about each association that is ours (R-16-23) and what is held after it.

    @param lease: what is held so far.
    @param server: who answered.
    @param now: boot-clock second of reception.
    @param asked: the type of message that it answers.
    """
    extending = asked in _EXTENDING
    received = {ia.iaid: ia for ia in message.ia_pds}
    code = StatusCode.SUCCESS if message.status is None else message.status.status
    unknown = extending and code == StatusCode.NO_BINDING
    failed = not extending and code in _FAILED
    verdicts: dict[int, Verdict] = {}
    remarks: list[Remark] = []
    bindings: list[Binding] = []
    after = [wish.iaid for wish in settings.wishes]
    for wish in settings.wishes:
        after.remove(wish.iaid)
        binding = lease.binding(wish.iaid) or Binding(iaid=wish.iaid)
        ia = received.get(wish.iaid)
        if unknown or failed:
            trigger = IATrigger.UNBOUND if unknown else IATrigger.REFUSED
            verdicts[wish.iaid] = Verdict(trigger=trigger, binding=binding, words=status_words(message.status))
            if ia is not None and any(prefix.valid for prefix in ia.prefixes):
                remarks.append((DiscardReason.IA_STATUS_WITH_PREFIX, f"{status_words(message.status)} for the Reply"))
        elif ia is not None:
            others = tuple(held.prefix for other in bindings for held in other.prefixes)
            verdict = judge(ia, binding, wish, server, now, extending, (*others, *_staying(lease, received, after)))
            remarks.extend(verdict.remarks)
            if verdict.trigger is not IATrigger.ABSENT:
                verdicts[wish.iaid] = verdict
            binding = verdict.binding
        if binding.prefixes:
            bindings.append(binding)
    words = "" if code == StatusCode.SUCCESS else status_words(message.status)
    outcome = Outcome(lease=lease, verdicts=verdicts, remarks=tuple(remarks), status=words)
    latest = server if outcome.served else lease.server
    return evolve(outcome, lease=evolve(lease, bindings=tuple(bindings), server=latest))


def _staying(lease: Lease, received: Mapping[int, IAPD], iaids: list[int]) -> Iterator[IPv6Network]:
    """
    What associations hold that were not looked at yet, less what the Reply takes away from them.
    """
    for iaid in iaids:
        binding, ia = lease.binding(iaid), received.get(iaid)
        gone = taken_away(ia) if ia is not None else frozenset()
        if binding is not None:
            yield from (held.prefix for held in binding.prefixes if held.prefix not in gone)


MOST_DISOWNED = 16
"""How many prefixes that we do not hold one Reply can take back; each is carved to see who may have been told of it."""


def disowned(message: Message, settings: Settings, before: Lease, after: Lease) -> tuple[tuple[int, IPv6Network], ...]:
    """
    The prefixes that a Reply takes back although we neither held nor hold them, each with its IAID: whoever was this
    client before us, or we before all was forgotten, may have told hosts of them (9096-STALE-4).
    """
    known = {held.prefix for lease in (before, after) for held in lease.prefixes}
    found = (
        (ia.iaid, prefix.network)
        for ia in message.ia_pds
        if settings.wish(ia.iaid) is not None and (gone := taken_away(ia))
        for prefix in ia.prefixes
        if prefix.network in gone and prefix.network not in known
    )
    kept = (pair for pair in found if any(pair[1].subnet_of(space) for space in DELEGABLE))
    return tuple(islice(dict.fromkeys(kept), MOST_DISOWNED))


def settle(lease: Lease, outcome: Outcome, now: float) -> Lease:
    """
    The lease when an exchange ends although some associations were not served: these are asked for again later, never
    at once (R-18.2.10.1-13).
    """

    def settled(binding: Binding) -> Binding:
        verdict = outcome.verdicts.get(binding.iaid)
        served = verdict is not None and verdict.trigger is IATrigger.SERVED
        if served or not binding.prefixes or min(binding.t1_at, binding.t2_at) > now:
            return binding
        first_end = min(held.valid_until for held in binding.prefixes)
        t1, t2 = times_of_unextended(now, binding.t2_at, first_end)
        return evolve(binding, t1_at=t1, t2_at=t2)

    return evolve(lease, bindings=tuple(settled(binding) for binding in lease.bindings))
