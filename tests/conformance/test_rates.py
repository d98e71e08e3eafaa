"""
Section C.2: rate limiting and reliability.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, groupby, pairwise

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import Request, UpstreamChanged
from pdlease.client.reasons import DiscardReason
from pdlease.client.session import Session
from pdlease.client.states import State
from pdlease.sources import chance
from pdlease.wire.codes import MessageType
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message
from pdlease.wire.options import Preference, ServerId, Status
from tests.conformance.test_reconfigure import agreed, reconfigure
from tests.house import ONE, House
from tests.scenarios.conversation import (
    OTHER,
    PREFIX,
    SERVER,
    Conversation,
    association,
    bound,
    names,
    prefix,
    settings,
)


def most_in(moments: list[float], seconds: float) -> int:
    """The most moments in any window of that length (the end of the window not counted)."""
    return max(sum(1 for each in moments if first <= each < first + seconds - 1e-6) for first in moments)


def advertise_then_refuse(c: Conversation) -> None:
    """A server that always offers, and always refuses at once."""

    def answer(sent: Message) -> Iterator[Message]:
        if sent.message_type == MessageType.SOLICIT:
            yield c.message(MessageType.ADVERTISE, association(1, prefix()))
        elif sent.message_type == MessageType.REQUEST:
            yield c.message(MessageType.REPLY, association(1, Status(6, "none left")))

    c.answer = answer


class RateTests(SynchronousTestCase):
    def flooded(self, **more: object) -> list[float]:
        """When messages were sent while an operator kept asking, 20 times a second for 120 s."""
        c = Conversation(settings(**more))
        c.link_up()
        for _ in range(2400):
            c.ask(Request.SOLICIT)
            c.wait(0.05)
        return [at for at, _ in c.sent]

    def test_server_that_keeps_refusing(self) -> None:
        """
        R-14.1-01, R-14.1-04: a server that offers, at once refuses, and is another one each time, so that none is held
        off: for two minutes never more than 20 messages in any 20 seconds, and no message is late for another reason.
        """
        c = Conversation()
        servers = (DUID(b"\0\2" + number.to_bytes(4, "big")) for number in count())

        def answer(sent: Message) -> Iterator[Message]:
            if sent.message_type == MessageType.SOLICIT:
                offer = (Preference(255), association(1, prefix()))
                yield c.message(MessageType.ADVERTISE, *offer, server=next(servers))
            else:
                yield c.message(MessageType.REPLY, association(1, Status(6)), server=sent.server_id or SERVER)

        c.answer = answer
        c.link_up()
        c.wait(120)
        moments = [at for at, _ in c.sent]
        self.assertEqual(most_in(moments, 20.0), 20)
        self.assertEqual(len(moments), 140)

    def test_default_limit(self) -> None:
        """R-14.1-01, R-14.1-05: never more than 20 messages in any 20 seconds, and the limit is reached."""
        moments = self.flooded()
        self.assertEqual(most_in(moments, 20.0), 20)
        self.assertGreaterEqual(len(moments), 120)

    def test_limit_of_a_configuration(self) -> None:
        """R-14.1-02: a configuration that says nothing has 20 messages in 20 seconds; it can say another limit."""
        for text, messages, seconds in ((ONE, 20, 20), (ONE.replace("solicit", "rate_limit = [3, 7]\nsolicit"), 3, 7)):
            house = House(text)
            house.add_links()
            house.silent.add("eth0")
            house.begin()
            for _ in range(50):
                house.uplink().ask(Request.SOLICIT)
            self.assertEqual(len(house.sent), messages)
            house.wait(seconds - 0.001)
            self.assertEqual(len(house.sent), messages)
            house.wait(0.002)
            self.assertEqual(len(house.sent), messages + 1)

    def test_configured_limit(self) -> None:
        """R-14.1-02: another limit is obeyed: 5 messages in 20 seconds."""
        self.assertEqual(most_in(self.flooded(rate_limit=(5, 20.0)), 20.0), 5)

    def test_limit_is_explained(self) -> None:
        """R-14.1-01: a message that waits because of the limit is said to."""
        c = Conversation()
        c.link_up()
        for _ in range(100):
            c.ask(Request.SOLICIT)
        self.assertEqual(len(c.sent), 20)
        self.assertTrue(c.session.is_rate_limited)
        self.assertIn("rate limit", c.session.explain(c.now))

    def test_late_message_is_sent_when_allowed(self) -> None:
        """R-14.1-01: a message held back is sent as soon as the limit allows, with an elapsed time of 0."""
        c = Conversation(settings(rate_limit=(1, 20.0)))
        c.link_up()
        c.ask(Request.SOLICIT)
        self.assertEqual(len(c.sent), 1)
        c.wait(20.0)
        self.assertEqual(c.times(MessageType.SOLICIT), [1000.0, 1020.0])

    def test_offer_then_refusal_slows_down(self) -> None:
        """R-14.1-04: a server that offers and then refuses, again and again, is asked ever less often."""
        c = Conversation()
        advertise_then_refuse(c)
        c.link_up()
        c.wait(20_000)
        requests = c.times(MessageType.REQUEST)
        gaps = [later - earlier for earlier, later in pairwise(requests)]
        self.assertLess(gaps[0], 3.0)
        self.assertGreater(gaps[-1], 2000.0)
        self.assertLess(len(requests), 20)
        self.assertIn(DiscardReason.HELD_OFF, c.discards())
        self.assertLess(len(c.sent), 200)

    def test_hold_off_doubles(self) -> None:
        """R-14.1-04: after each refusal the server's offers are passed over twice as long: 1 s, 2 s, 4 s ... 64 s."""
        for failures in range(7):
            c = Conversation(settings(rate_limit=(1000, 1.0)))
            c.link_up()
            for number in range(failures + 1):
                c.wait(2.0**number)
                c.advertise(association(1, prefix()), preference=255)
                self.assertIs(c.state, State.REQUESTING, (failures, number))
                c.reply(association(1, Status(6)))
            c.wait(2.0**failures - 0.001)
            c.advertise(association(1, prefix()), preference=255)
            self.assertEqual((c.state, c.discards()[-1]), (State.SOLICITING, DiscardReason.HELD_OFF), failures)
            c.wait(0.001)
            c.advertise(association(1, prefix()), preference=255)
            self.assertIs(c.state, State.REQUESTING, failures)

    def test_hold_off_is_bounded(self) -> None:
        """R-14.1-04: the hold-off grows up to SOL_MAX_RT, not beyond it."""
        c = Conversation(settings(sol_max_rt=60))
        advertise_then_refuse(c)
        c.link_up()
        c.wait(20_000)
        gaps = [later - earlier for earlier, later in pairwise(c.times(MessageType.REQUEST))]
        self.assertLess(max(gaps), 60 + 2 * 66)

    def test_hold_off_is_cleared(self) -> None:
        """R-14.1-04: link up, a change of the upstream routers and the operator's command end the hold-off."""
        for end in ("link", "upstream", "ask"):
            c = Conversation()
            advertise_then_refuse(c)
            c.link_up()
            c.wait(500)
            count = len(c.times(MessageType.REQUEST))
            if end == "link":
                c.link_down()
                c.link_up()
            elif end == "upstream":
                c.happen(UpstreamChanged())
            else:
                c.ask(Request.SOLICIT)
            c.wait(3.0)
            self.assertGreater(len(c.times(MessageType.REQUEST)), count, end)

    def test_hold_off_is_of_one_server(self) -> None:
        """R-14.1-04: another server's offer is taken up at once while the first is held off."""
        c = Conversation()
        advertise_then_refuse(c)
        c.link_up()
        c.wait(100)
        self.assertIs(c.state, State.SOLICITING)
        c.advertise(association(1, prefix()), server=OTHER)
        self.assertEqual((c.state, c.last.server_id), (State.REQUESTING, OTHER))

    def test_hold_off_leaves_renewal_alone(self) -> None:
        """R-14.1-04: a hold-off never delays the Renew of other leases."""
        c = bound(association(1, prefix()), association(2, Status(6)), wanted=settings(1, 2))
        start = c.now
        c.until_sent(MessageType.RENEW)
        self.assertEqual(c.now - start, 1000)

    def test_unspecified_failure(self) -> None:
        """R-14.1-06, R-18.2.10-03: a server that answers every Renew with UnspecFail is asked on schedule, until T2."""
        c = bound()
        c.answer = lambda sent: (
            iter([c.message(MessageType.REPLY, Status(1), association(1, prefix(valid=9999)))])
            if sent.message_type == MessageType.RENEW
            else iter([])
        )
        c.until_sent(MessageType.REBIND)
        moments = c.times(MessageType.RENEW)
        self.assertTrue(all(later - earlier >= 9.0 for earlier, later in pairwise(moments)))
        self.assertLess(len(moments), 9)
        self.assertEqual(c.discards(), [DiscardReason.SERVER_FAILED] * len(moments))
        self.assertEqual([held.valid_until for held in c.session.lease.prefixes], [5000.0])

    def test_one_transaction(self) -> None:
        """
        R-15-06, R-16.1-01, R-16.1-02: one transaction id through all transmissions of an exchange, a new one for each
        exchange, be it Solicit, Request, Renew, Rebind, that after a link change, Information-request or Release.
        """
        c = agreed()
        c.hear(reconfigure(11))
        c.wait(10)
        c.reply()
        c.until_sent(MessageType.REBIND)
        c.wait(100)
        c.link_down()
        c.link_up()
        c.wait(5)
        c.until_sent(MessageType.SOLICIT)
        c.wait(50)
        c.advertise(association(1, prefix()))
        c.wait(50)
        c.reply(association(1, prefix()))
        c.ask(Request.RELEASE)
        c.wait(15)
        runs = [[message for _, message in run] for _, run in groupby(c.sent[1:], lambda sent: sent[1].transaction_id)]
        self.assertEqual(len({run[0].transaction_id for run in runs}), len(runs))
        kinds = [[MessageType(message.message_type).name for message in run] for run in runs]
        self.assertEqual([set(each) for each in kinds], [{each[0]} for each in kinds])
        self.assertEqual(
            [each[0] for each in kinds],
            ["INFORMATION_REQUEST", "RENEW", "REBIND", "REBIND", "REBIND", "SOLICIT", "REQUEST", "RELEASE"],
        )
        self.assertTrue(all(len(each) > 1 for each in kinds))

    def test_transaction_ids(self) -> None:
        """
        R-16.1-01: the ids of a thousand exchanges of the running daemon's client are 24 bits without a pattern: every
        bit is set in about half of them, none follows from the one before; another start has others.
        """
        drawn = []
        for _ in range(2):
            c = Conversation(settings(rate_limit=(100_000, 1.0)))
            c.session = Session.begin(c.session.settings, chance())
            c.link_up()
            for _ in range(1000):
                c.ask(Request.SOLICIT)
            drawn.append([message.transaction_id for _, message in c.sent])
        ids = drawn[0]
        self.assertEqual(len(ids), 1001)
        self.assertGreater(len(set(ids)), 990)
        for bit in range(24):
            self.assertTrue(400 < sum(each >> bit & 1 for each in ids) < 600, bit)
        steps = {(later - earlier) & 0xFFFFFF for earlier, later in pairwise(ids)}
        self.assertGreater(len(steps), 990)
        self.assertLess(len(set(ids) & set(drawn[1])), 10)

    def test_expired_prefix_leaves_retransmissions(self) -> None:
        """R-15-08, R-18.2.5-02: a prefix that expires during Rebind is gone from the next one, which goes on."""
        both = association(1, prefix(preferred=250, valid=300), prefix("2001:db8:200::/56", 250, 600), t1=100, t2=200)
        c = bound(both)
        start = c.now
        c.until_sent(MessageType.REBIND)
        self.assertEqual(names(c.last), [PREFIX, "2001:db8:200::/56"])
        c.until(start + 300)
        self.assertEqual(c.held, ["2001:db8:200::/56"])
        c.until_sent(MessageType.REBIND)
        self.assertEqual(names(c.last), ["2001:db8:200::/56"])
        c.until_sent(MessageType.SOLICIT)
        self.assertEqual(c.now - start, 600)

    def test_duplicate_reply(self) -> None:
        """R-15-10: the exchange ends with the first appropriate Reply; its duplicate changes nothing."""
        c = Conversation()
        c.link_up()
        c.advertise(association(1, prefix()), preference=255)
        c.reply(association(1, prefix()))
        before = c.session.lease
        c.wait(5)
        c.reply(association(1, prefix(valid=9999)))
        self.assertEqual((c.session.lease, c.discards()), (before, [DiscardReason.NOTHING_ASKED]))

    def test_late_reply(self) -> None:
        """R-15-12: the answer to a Renew that comes after the move to Rebind is dropped by its transaction id."""
        c = bound()
        renew = c.until_sent(MessageType.RENEW)
        c.until_sent(MessageType.REBIND)
        c.hear(Message(MessageType.REPLY, renew.transaction_id, (*renew.options, association(1, prefix()))))
        self.assertEqual((c.state, c.discards()), (State.REBINDING, [DiscardReason.TRANSACTION_ID]))
        self.assertIn(ServerId(SERVER), renew.options)

    def test_reconnect_during_exchanges(self) -> None:
        """R-D-03: the link lost in any state stops its exchange; leases and their ends stay; back it goes on."""
        for stage in (MessageType.SOLICIT, MessageType.REQUEST, MessageType.RENEW, MessageType.REBIND):
            if stage in {MessageType.RENEW, MessageType.REBIND}:
                c = bound()
                c.until_sent(stage)
            else:
                c = Conversation()
                c.link_up()
                if stage is MessageType.REQUEST:
                    c.advertise(association(1, prefix()), preference=255)
            self.assertEqual(c.last.message_type, stage)
            held = c.held
            c.link_down()
            count = len(c.sent)
            c.wait(500)
            self.assertEqual((len(c.sent), c.held), (count, held))
            c.link_up()
            self.assertEqual(c.last.message_type, MessageType.REBIND if held else MessageType.SOLICIT)
