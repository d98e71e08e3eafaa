"""
The main way through: Solicit, Advertise, Request, Reply, Renew, Rebind, expiry, link changes, Release.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import LeaseChanged, Moved, Released, Request, Send
from pdlease.client.reasons import Change
from pdlease.client.states import State
from pdlease.wire.codes import MessageType
from tests.scenarios.conversation import OTHER, PREFIX, SERVER, Conversation, association, bound, names, prefix


class MainJobTests(SynchronousTestCase):
    def test_four_messages(self) -> None:
        """Solicit, Advertise, Request, Reply: the offer is taken up when the first retransmission time ends."""
        c = Conversation()
        c.link_up()
        self.assertEqual(c.types(), ["SOLICIT"])
        c.wait(0.2)
        c.advertise(association(1, prefix()))
        self.assertEqual(c.state, State.SOLICITING)
        c.wait(1.0)
        self.assertEqual(c.types(), ["SOLICIT", "REQUEST"])
        self.assertEqual((c.last.server_id, names(c.last)), (SERVER, [PREFIX]))
        self.assertNotEqual(c.sent[0][1].transaction_id, c.last.transaction_id)
        c.reply(association(1, prefix()))
        self.assertEqual((c.state, c.held), (State.BOUND, [PREFIX]))
        self.assertEqual([e.change for e in c.of(LeaseChanged)], [Change.GAINED])
        self.assertEqual(
            [(m.old, m.new) for m in c.of(Moved)],
            [
                (State.DOWN, State.SOLICITING),
                (State.SOLICITING, State.REQUESTING),
                (State.REQUESTING, State.BOUND),
            ],
        )

    def test_renew_then_rebind_then_expiry(self) -> None:
        """R-18.2.4-01, R-18.2.4-10, R-18.2.5-02: silence leads from T1 to T2 to the end of the valid lifetime."""
        c = bound()
        start = c.now
        renew = c.until_sent(MessageType.RENEW)
        self.assertEqual((c.now - start, renew.server_id, names(renew)), (1000.0, SERVER, [PREFIX]))
        rebind = c.until_sent(MessageType.REBIND)
        self.assertEqual((c.now - start, rebind.server_id, names(rebind)), (2000.0, None, [PREFIX]))
        self.assertNotEqual(renew.transaction_id, rebind.transaction_id)
        solicit = c.until_sent(MessageType.SOLICIT)
        self.assertEqual((c.now - start, names(solicit), c.held), (4000.0, [PREFIX], []))
        self.assertEqual([e.change for e in c.of(LeaseChanged)], [Change.EXPIRED])

    def test_renewal(self) -> None:
        """A Reply to Renew sets lifetimes, T1 and T2 anew from its reception."""
        c = bound()
        c.until_sent(MessageType.RENEW)
        c.wait(3)
        c.reply(association(1, prefix(preferred=600, valid=700), t1=100, t2=200))
        self.assertEqual(c.state, State.BOUND)
        (held,) = c.session.lease.prefixes
        self.assertEqual((held.preferred_until, held.valid_until), (c.now + 600, c.now + 700))
        self.assertEqual(c.session.next_message, (MessageType.RENEW, c.now + 100))

    def test_other_server_answers_rebind(self) -> None:
        """R-18.2.4-02: after a Rebind answered by another server the next Renew goes to that one."""
        c = bound()
        c.until_sent(MessageType.REBIND)
        c.reply(association(1, prefix()), server=OTHER)
        self.assertEqual(c.until_sent(MessageType.RENEW).server_id, OTHER)

    def test_link_flap(self) -> None:
        """R-18.2.12-01: link down keeps the lease; link up asks by Rebind at once where no delay is wanted."""
        c = bound()
        c.link_down()
        self.assertEqual((c.state, c.held), (State.DOWN, [PREFIX]))
        c.wait(2)
        c.link_up()
        self.assertEqual((c.types()[-1], c.state), ("REBIND", State.CONFIRMING))
        c.reply(association(1, prefix()))
        self.assertEqual((c.state, c.held), (State.BOUND, [PREFIX]))

    def test_release(self) -> None:
        """R-18.2.7-03: the lease is given up before the Release is sent, which is sent four times."""
        c = bound()
        c.effects.clear()
        c.ask(Request.RELEASE)
        kinds = [type(e).__name__ for _, e in c.effects]
        self.assertLess(kinds.index("LeaseChanged"), kinds.index("Send"))
        c.wait(60)
        self.assertEqual(len(c.times(MessageType.RELEASE)), 4)
        self.assertEqual((len(c.of(Send)), len(c.of(Released)), c.state), (4, 1, State.STOPPED))
        c.link_down()
        c.link_up()
        self.assertEqual(c.types()[-1], "SOLICIT")
