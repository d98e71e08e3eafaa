"""
What holds of every session, whatever happens to it.
"""

from __future__ import annotations

from ipaddress import IPv6Network
from itertools import combinations
from math import inf

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import (
    Arrived,
    Ask,
    Dated,
    Due,
    LeaseChanged,
    LinkDown,
    LinkUp,
    Moved,
    NewSettings,
    Occurrence,
    Request,
    Send,
    UpstreamChanged,
)
from pdlease.client.session import Session, step
from pdlease.client.settings import IAWish
from pdlease.client.states import State
from pdlease.lease import Binding, DelegatedPrefix, Lease
from pdlease.wire.codes import INFINITY, MessageType
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import ClientId, Preference, RapidCommit, ServerId, SolMaxRt, Status
from pdlease.wire.prefixes import IAPD, IAPrefix
from tests.scenarios.conversation import CLIENT, OTHER, SERVER, chance
from tests.scenarios.conversation import settings as client_settings

LIFETIMES = st.sampled_from([0, 1, 5, 30, 600, 3600, INFINITY - 1, INFINITY])
NETWORKS = st.sampled_from(
    [IPv6Network(text) for text in ("2001:db8::/48", "2001:db8:0:100::/56", "fd00::/60", "fe80::/64", "3fff::/128")]
)
STATUS = st.builds(Status, st.sampled_from([0, 1, 2, 3, 4, 5, 6, 22, 65535]), st.just("words"))


@st.composite
def _prefix(draw: st.DrawFn) -> IAPrefix:
    network = draw(NETWORKS)
    options = (draw(STATUS),) if draw(st.integers(0, 9)) == 0 else ()
    return IAPrefix(draw(LIFETIMES), draw(LIFETIMES), network.prefixlen, network.network_address.packed, options)


PREFIXES = st.one_of(
    _prefix(), st.just(IAPrefix(50, 100, 56, IPv6Network("2001:db8:0:100::/56").network_address.packed))
)
IA = st.builds(
    IAPD,
    st.sampled_from([1, 2, 77]),
    LIFETIMES,
    LIFETIMES,
    st.lists(st.one_of(PREFIXES, PREFIXES, STATUS), max_size=3).map(tuple),
)
OPTIONS = st.lists(
    st.one_of(
        IA,
        IA,
        STATUS,
        st.builds(Preference, st.sampled_from([0, 255])),
        st.just(RapidCommit()),
        st.builds(SolMaxRt, st.sampled_from([1, 60, 86400])),
    ),
    max_size=4,
).map(tuple)


@st.composite
def _happening(draw: st.DrawFn) -> tuple[str, object]:
    kind = draw(st.sampled_from(["wait", "wait", "due", "due", "answer", "answer", "answer", "noise", "other"]))
    match kind:
        case "wait":
            return kind, draw(st.sampled_from([0.0, 0.3, 1.2, 20.0, 700.0, 5000.0]))
        case "answer":
            return kind, (
                draw(st.sampled_from([MessageType.ADVERTISE, MessageType.REPLY, MessageType.REPLY])),
                draw(st.sampled_from([SERVER, SERVER, OTHER])),
                draw(OPTIONS),
            )
        case "noise":
            return kind, (draw(st.integers(0, 255)), draw(OPTIONS))
        case "other":
            return kind, draw(
                st.one_of(
                    st.builds(LinkUp, st.booleans()),
                    st.builds(LinkUp, st.booleans()),
                    st.just(LinkDown()),
                    st.just(UpstreamChanged()),
                    st.builds(lambda seconds: Dated(_lease(50.0, seconds)), st.sampled_from([10.0, 300.0, 9000.0])),
                    st.builds(Ask, st.sampled_from(Request)),
                    st.builds(
                        lambda iaids: NewSettings(client_settings(*iaids)), st.sampled_from([(1,), (1, 2), (2,), (3,)])
                    ),
                )
            )
    return kind, None


def _lease(now: float, seconds: float) -> Lease:
    held = DelegatedPrefix(
        prefix=IPv6Network("2001:db8:0:100::/56"),
        preferred_until=now + seconds / 2,
        valid_until=now + seconds,
        mentioned_at=now,
        server=SERVER,
    )
    return Lease(
        bindings=(Binding(iaid=1, prefixes=(held,), t1_at=now + seconds / 4, t2_at=now + seconds / 3),), server=SERVER
    )


class SessionPropertyTests(SynchronousTestCase):
    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(_happening(), max_size=40),
        st.booleans(),
        st.booleans(),
        st.sampled_from([None, "lease", "suspect"]),
        st.integers(0, 2**16),
    )
    def test_whatever_happens(
        self, happenings: list[tuple[str, object]], rapid: bool, delay: bool, restored: str | None, seed: int
    ) -> None:
        """
        R-14.1-01, R-18.2.10.1-18, R-18.2.10.1-22: no sequence of occurrences raises, leaves a prefix past its valid
        lifetime or the same space with two associations, sends more than the limit in any window, leaves something due
        behind, or changes state or lease untold.
        """
        now = 50.0
        wanted = client_settings(
            wishes=(IAWish(iaid=1, hint_length=56), IAWish(iaid=2)), rapid_commit=rapid, solicit_delay=delay
        )
        lease = _lease(now, 300.0) if restored else None
        session = Session.begin(
            wanted,
            chance(seed),
            lease if restored == "lease" else None,
            lease if restored == "suspect" else None,
        )
        told, state, sent = session.lease, session.state, []
        happenings = [("other", LinkUp(False)), *happenings]
        for kind, content in happenings:
            occurrence: Occurrence = Due()
            if kind == "wait":
                now += content  # type: ignore[operator]
            elif kind == "due":
                now = max(now, now if session.due is None else session.due)
            elif kind == "answer":
                message_type, server, options = content  # type: ignore[misc]
                xid = 0 if session.exchange is None else session.exchange.transaction_id
                message = Message(message_type, xid, (ClientId(CLIENT), ServerId(server), *options))
                occurrence = Arrived(decode(encode(message)), "fe80::1")
            elif kind == "noise":
                message_type, options = content  # type: ignore[misc]
                occurrence = Arrived(Message(message_type, 1, options), "fe80::2")
            else:
                occurrence = content  # type: ignore[assignment]
            was_due = session.due is not None and session.due <= now
            session, effects = step(session, occurrence, now)
            for effect in effects:
                if isinstance(effect, Send):
                    sent.append(now)
                    encode(effect.message)
                    # Nothing is sent for a reason of its own: either it was due, or something happened.
                    self.assertTrue(was_due or not isinstance(occurrence, Due))
                elif isinstance(effect, LeaseChanged):
                    told = effect.lease
                elif isinstance(effect, Moved):
                    self.assertIs(effect.old, state)
                    state = effect.new
            self.assertEqual(told, session.lease)
            self.assertIs(state, session.state)
            self.assertTrue(all(held.valid_until > now for held in session.lease.prefixes))
            for one, two in combinations(session.lease.bindings, 2):
                self.assertFalse(
                    [a for a in one.prefixes for b in two.prefixes if a.prefix.overlaps(b.prefix)], session.lease
                )
            self.assertTrue(session.due is None or now < session.due < inf, (session, now))
            self.assertEqual(session.exchange is None, state in {State.DOWN, State.BOUND, State.STOPPED})
            if state in {State.BOUND, State.RENEWING, State.INFORMING}:
                self.assertTrue(session.lease.prefixes)
            self.assertIsInstance(session.explain(now), str)
            session.record  # noqa: B018  # must not raise either
        for first, last in zip(sent, sent[20:], strict=False):
            self.assertGreaterEqual(last - first, 20.0 - 1e-6)

    @settings(max_examples=50, deadline=None)
    @given(st.integers(0, 2**16), st.floats(0.1, 5000.0))
    def test_early_due_does_nothing(self, seed: int, ahead: float) -> None:
        """A Due that comes too early changes nothing, which is what lets a clock wake for other reasons."""
        session, _ = step(Session.begin(client_settings(), chance(seed)), LinkUp(), 10.0)
        self.assertIsNotNone(session.due)
        early = 10.0 + (session.due - 10.0) * min(0.99, ahead / 5000.0)  # type: ignore[operator]
        after, effects = step(session, Due(), early)
        self.assertEqual((after, effects), (session, ()))
        self.assertEqual(evolve(after), session)
