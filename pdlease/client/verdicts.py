"""
What a server's message says about each identity association: one verdict for each, and what becomes of its binding.

Table C.8.1 of the requirements (status codes) and the rules for single prefixes are here.  What the verdicts together
mean for the exchange is decided in L{pdlease.client.turn}; when to renew is L{pdlease.client.lifetimes}.
"""

from __future__ import annotations

from ipaddress import IPv6Network

from attrs import evolve, frozen

from pdlease.client.lifetimes import are_late, seconds, times
from pdlease.client.reasons import DiscardReason
from pdlease.client.settings import IAWish
from pdlease.client.states import ASSOCIATION, IAState, IATrigger
from pdlease.lease import Binding, DelegatedPrefix, Lease
from pdlease.wire.codes import StatusCode
from pdlease.wire.duid import DUID
from pdlease.wire.options import Status
from pdlease.wire.prefixes import IAPD, IAPrefix

MOST_PREFIXES = 64
"""How many prefixes one identity association may hold; a server could name new ones without end."""

MOST_FORMER = 4
"""How many lost prefixes of one identity association are asked for again by name."""

LONGEST_DETAIL = 200
"""Characters that are kept of what a server says in a status."""

DELEGABLE = (IPv6Network("2000::/3"), IPv6Network("fc00::/7"))
"""Global unicast and unique local space; nothing else can be delegated (R-18.2.10.1-21)."""

BELIEVED = frozenset({StatusCode.SUCCESS, StatusCode.NO_ADDRS_AVAIL, StatusCode.NO_PREFIX_AVAIL})
"""The status codes of an association beside which a valid lifetime of 0 takes a prefix away."""

Remark = tuple[DiscardReason, str]
"""Why a part of a message was left out, and which part."""


@frozen(kw_only=True)
class Association:
    """
    How one identity association stands.

    @ivar iaid: its number.
    @ivar state: its state in the table of associations.
    @ivar former: prefixes that it held and lost, to be asked for by name in a Solicit (R-8168-02).
    @ivar stage: how often a server had no prefix of the length asked for; the wish's next length is asked for then.
    """

    iaid: int
    state: IAState = IAState.WANTED
    former: tuple[IPv6Network, ...] = ()
    stage: int = 0

    def after(self, trigger: IATrigger, lost: tuple[IPv6Network, ...] = ()) -> Association:
        """
        The association after something happened to it.

        @param lost: the prefixes it lost by that; none leaves what is remembered, unless it was served.
        """
        former = () if trigger is IATrigger.SERVED else lost[:MOST_FORMER] or self.former
        return evolve(self, state=ASSOCIATION[self.state, trigger], former=former)

    def held(self) -> Association:
        """The association as it is when a lease from before a restart holds prefixes of it."""
        return self.after(IATrigger.SERVED)

    def remembering(self, binding: Binding | None) -> Association:
        """The association as it is when prefixes of it are known from before a restart, and cannot be used."""
        prefixes = () if binding is None else binding.prefixes
        return evolve(self, former=tuple(held.prefix for held in prefixes[:MOST_FORMER]))


@frozen(kw_only=True)
class Verdict:
    """
    What a Reply means for one identity association.

    @ivar trigger: what it does to the association.
    @ivar binding: what it holds now.
    @ivar lost: the prefixes that were taken away.
    @ivar words: what the server said, for the operator; empty if nothing.
    @ivar remarks: what was left out, and why.
    """

    trigger: IATrigger
    binding: Binding
    lost: tuple[IPv6Network, ...] = ()
    words: str = ""
    remarks: tuple[Remark, ...] = ()


def status_words(status: Status | None) -> str:
    """
    A status in words: the name of its code, and the server's text, made harmless and bounded (R-18.2.9-11).
    """
    if status is None:
        return ""
    try:
        name = StatusCode(status.status).name.title().replace("_", "")
    except ValueError:
        name = f"status {status.status}"
    text = status.text[:LONGEST_DETAIL]
    return f"{name} ({text})" if text else name


def _left_out(prefix: IAPrefix, wish: IAWish, others: tuple[IPv6Network, ...]) -> DiscardReason | None:
    """
    Why a prefix that does not take anything away cannot be used, or C{None} if it can.
    """
    network = prefix.network
    if prefix.status is not None and prefix.status.status != StatusCode.SUCCESS:
        return DiscardReason.PREFIX_STATUS
    if prefix.preferred > prefix.valid:
        return DiscardReason.PREFIX_LIFETIMES
    if not any(network.subnet_of(space) for space in DELEGABLE):
        return DiscardReason.PREFIX_KIND
    if wish.longest is not None and network.prefixlen > wish.longest:
        return DiscardReason.PREFIX_TOO_LONG
    if any(network.overlaps(other) for other in others):
        return DiscardReason.PREFIX_OVERLAP
    return None


def usable(
    ia: IAPD, wish: IAWish, others: tuple[IPv6Network, ...] = ()
) -> tuple[tuple[IAPrefix, ...], tuple[Remark, ...]]:
    """
    The prefixes of an association that can be used, whatever its status, and why the others cannot.

    @param others: prefixes that other associations hold.
    """
    kept: list[IAPrefix] = []
    remarks: list[Remark] = []
    for prefix in ia.prefixes:
        if prefix.valid == 0:
            continue
        reason = _left_out(prefix, wish, others)
        where = f"{prefix.network} in IA_PD {ia.iaid}"
        if reason is not None:
            remarks.append((reason, where))
            continue
        kept.append(prefix)
        if prefix.prefix != prefix.network.network_address.packed:
            remarks.append((DiscardReason.PREFIX_HOST_BITS, where))
    if any(isinstance(option, IAPrefix) and not option.length for option in ia.options):
        remarks.append((DiscardReason.PREFIX_KIND, f"a prefix of length 0 in IA_PD {ia.iaid}"))
    return tuple(kept), tuple(remarks)


def taken_away(ia: IAPD) -> frozenset[IPv6Network]:
    """
    The prefixes that an association in a Reply takes away, by a valid lifetime of 0; none where it is not believed.
    """
    code = StatusCode.SUCCESS if ia.status is None else ia.status.status
    if ia.t1 > ia.t2 > 0 or code not in BELIEVED:
        return frozenset()
    return frozenset(prefix.network for prefix in ia.prefixes if prefix.valid == 0)


def offered(ia: IAPD, wish: IAWish, others: tuple[IPv6Network, ...]) -> tuple[tuple[IAPrefix, ...], tuple[Remark, ...]]:
    """
    The prefixes that an association of an Advertise offers; none if it failed (C.8.1) or its times are impossible.
    """
    code = StatusCode.SUCCESS if ia.status is None else ia.status.status
    if ia.t1 > ia.t2 > 0:
        return (), ((DiscardReason.IA_TIMES, f"IA_PD {ia.iaid}"),)
    if code not in {StatusCode.SUCCESS, StatusCode.USE_MULTICAST}:
        if ia.prefixes:
            return (), ((DiscardReason.IA_STATUS_WITH_PREFIX, f"{status_words(ia.status)} in IA_PD {ia.iaid}"),)
        return (), ()
    return usable(ia, wish, others)


def judge(
    ia: IAPD,
    binding: Binding,
    wish: IAWish,
    server: DUID,
    now: float,
    extending: bool,
    others: tuple[IPv6Network, ...] = (),
) -> Verdict:
    """
    What an association in a Reply means.

    @param ia: the association as received.
    @param binding: what it holds so far.
    @param server: who answered.
    @param now: boot-clock second of reception (R-18.2.10.1-01).
    @param extending: whether it answers a Renew or Rebind.
    @param others: prefixes that other associations hold.
    """
    code = StatusCode.SUCCESS if ia.status is None else ia.status.status
    words = status_words(ia.status) if code != StatusCode.SUCCESS else ""
    if ia.t1 > ia.t2 > 0:
        remark = (DiscardReason.IA_TIMES, f"IA_PD {ia.iaid}: T1 {ia.t1}, T2 {ia.t2}")
        return Verdict(trigger=IATrigger.ABSENT, binding=binding, remarks=(remark,))
    if code == StatusCode.NO_BINDING and extending:
        return Verdict(trigger=IATrigger.UNBOUND, binding=binding, words=words)
    remarks: tuple[Remark, ...] = ()
    given: tuple[IAPrefix, ...] = ()
    if code == StatusCode.SUCCESS:
        given, remarks = usable(ia, wish, others)
    elif any(prefix.valid for prefix in ia.prefixes):
        remarks = ((DiscardReason.IA_STATUS_WITH_PREFIX, f"{words} in IA_PD {ia.iaid}"),)
    gone = taken_away(ia)
    lost = tuple(held.prefix for held in binding.prefixes if held.prefix in gone)
    prefixes, excess = _merged(binding, given, gone, server, now)
    if excess:
        remarks = (*remarks, (DiscardReason.TOO_MANY_PREFIXES, f"{excess} in IA_PD {ia.iaid}"))
    binding = evolve(binding, prefixes=prefixes)
    if given or (lost and prefixes and code == StatusCode.SUCCESS):
        lifetimes = [(seconds(p.preferred), seconds(p.valid)) for p in given] or [
            (p.preferred_until - now, p.valid_until - now) for p in prefixes
        ]
        t1, t2 = times(ia.t1, ia.t2, lifetimes)
        if are_late(ia.t1, ia.t2, lifetimes):
            remarks = (*remarks, (DiscardReason.IA_TIMES_LATE, f"IA_PD {ia.iaid}: T1 {ia.t1}, T2 {ia.t2}"))
        binding = evolve(binding, t1_at=now + t1, t2_at=now + t2, received_at=now)
        return Verdict(trigger=IATrigger.SERVED, binding=binding, lost=lost, remarks=remarks)
    if lost and not prefixes:
        return Verdict(trigger=IATrigger.WITHDRAWN, binding=binding, lost=lost, words=words, remarks=remarks)
    return Verdict(
        trigger=IATrigger.REFUSED, binding=binding, lost=lost, words=words or "nothing of use", remarks=remarks
    )


def _merged(
    binding: Binding, given: tuple[IAPrefix, ...], gone: frozenset[IPv6Network], server: DUID, now: float
) -> tuple[tuple[DelegatedPrefix, ...], int]:
    """
    The prefixes of a binding after a Reply, and how many were too many.

    What the Reply does not name stays as it is (R-18.2.10.1-05).
    """
    merged = {held.prefix: held for held in binding.prefixes if held.prefix not in gone}
    excess = 0
    for prefix in given:
        network = prefix.network
        if network not in merged and len(merged) >= MOST_PREFIXES:
            excess += 1
            continue
        merged[network] = DelegatedPrefix(
            prefix=network,
            preferred_until=now + seconds(prefix.preferred),
            valid_until=now + seconds(prefix.valid),
            mentioned_at=now,
            server=server,
            excluded=prefix.excluded,
        )
    return tuple(merged.values()), excess


def after_loss(associations: tuple[Association, ...], before: Lease, after: Lease) -> tuple[Association, ...]:
    """
    The associations after prefixes expired or were given up; those that hold nothing any more remember what they held.
    """
    changed = []
    for association in associations:
        held = before.binding(association.iaid)
        if held is not None and held.prefixes and not after.holds(association.iaid):
            names = tuple(each.prefix for each in held.prefixes)
            changed.append(association.after(IATrigger.LOST, names))
        else:
            changed.append(association)
    return tuple(changed)
