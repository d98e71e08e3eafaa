"""
Section C.10: link change and significant change.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import Moved, Request, UpstreamChanged
from pdlease.client.states import State
from pdlease.wire.codes import MessageType
from pdlease.wire.options import Status
from tests.scenarios.conversation import (
    PREFIX,
    Conversation,
    association,
    bound,
    names,
    prefix,
    settings,
)

SECOND = "2001:db8:200::/56"
GOOD = association(1, prefix())


class LinkTests(SynchronousTestCase):
    def test_within_a_second(self) -> None:
        """R-18.2.12-01: carrier off and on: Rebind within 0 to 1 s, spread; at once where no delay is wanted."""
        delays = []
        for seed in range(50):
            c = Conversation(settings(solicit_delay=True), seed=seed)
            c.link_up()
            c.until_sent(MessageType.SOLICIT)
            c.advertise(GOOD, preference=255)
            c.reply(GOOD)
            c.link_down()
            c.wait(5)
            up = c.now
            c.link_up()
            c.until_sent(MessageType.REBIND)
            delays.append(c.now - up)
        self.assertTrue(0 <= min(delays) < 0.2 and 0.8 < max(delays) <= 1.0)

    def test_within_budget_of_carrier(self) -> None:
        """R-18.2.12-01: with solicit_delay off Rebind leaves within 1.1 s of carrier even after a flap just before."""
        c = bound()
        for pause in (0.0, 0.05, 0.4, 2.0):
            c.link_down()
            c.wait(pause)
            up = c.now
            c.link_up()
            c.until_sent(MessageType.REBIND)
            self.assertLessEqual(c.now - up, 1.1)

    def test_without_link_down(self) -> None:
        """R-18.2.12-01: another access point, waking up: a link up without a link down asks anew as well."""
        for stage in (None, MessageType.RENEW, MessageType.REBIND):
            c = bound()
            c.wait(5)
            if stage is not None:
                c.until_sent(stage)
            c.link_up()
            self.assertEqual((c.state, c.types()[-1]), (State.CONFIRMING, "REBIND"))

    def test_content(self) -> None:
        """R-18.2.12-02: the Rebind holds every association, with all its prefixes."""
        c = bound(GOOD, association(2, prefix(SECOND)), wanted=settings(1, 2))
        c.wait(5)
        c.link_up()
        self.assertEqual((names(c.last, 1), names(c.last, 2)), ([PREFIX], [SECOND]))

    def test_significant_change(self) -> None:
        """R-18.2.12-04: an on-link prefix came or went without a link change: Renew as if T1 had come."""
        c = bound()
        c.wait(20)
        c.happen(UpstreamChanged())
        self.assertEqual((c.state, names(c.last)), (State.RENEWING, [PREFIX]))
        c.reply(GOOD)
        self.assertIs(c.state, State.BOUND)

    def test_significant_change_is_limited(self) -> None:
        """R-18.2.12-05: changes each second: one Renew per 30 s at most, and the last change is not forgotten."""
        c = bound()
        c.answer = lambda sent: iter([c.message(MessageType.REPLY, GOOD)])
        for _ in range(100):
            c.happen(UpstreamChanged())
            c.wait(1)
        self.assertEqual([at - 1000.0 for at in c.times(MessageType.RENEW)], [0, 30, 60, 90])
        c.wait(100)
        self.assertEqual([at - 1000.0 for at in c.times(MessageType.RENEW)], [0, 30, 60, 90, 120])

    def test_significant_change_while_asking(self) -> None:
        """R-18.2.12-06: a change during a Renew or Rebind starts nothing beside it."""
        c = bound()
        c.until_sent(MessageType.RENEW)
        exchange = c.session.exchange
        c.happen(UpstreamChanged())
        self.assertEqual((c.session.exchange, len(c.of(Moved))), (exchange, 1))
        self.assertEqual(c.session.changed_at, float("-inf"))

    def test_flapping(self) -> None:
        """R-18.2.12-06: 20 flaps in 5 s: within the limit, a second between first messages, one exchange at the end."""
        for lease in (True, False):
            c = bound() if lease else Conversation()
            c.wait(5)
            count = len(c.sent)
            for _ in range(20):
                c.link_up()
                c.wait(0.125)
                c.link_down()
                c.wait(0.125)
            c.link_up()
            c.wait(0.99)
            self.assertLess(len(c.sent) - count, 8)
            self.assertGreater(len(c.sent) - count, 3)
            self.assertIs(c.state, State.CONFIRMING if lease else State.SOLICITING)

    def test_no_lease_yet(self) -> None:
        """R-18.2.12-07: no lease yet: link up begins Solicit anew, at its first time, however far it had backed off."""
        c = Conversation()
        c.link_up()
        c.wait(20_000)
        c.link_down()
        c.wait(1)
        c.forget()
        c.link_up()
        c.wait(10)
        self.assertEqual(len(c.times(MessageType.SOLICIT)), 1 + 4)

    def test_stopped(self) -> None:
        """R-18.2.12-01: stopped by the operator with a lease: link up asks for it by Rebind."""
        c = bound()
        c.ask(Request.STOP)
        self.assertIsNotNone(c.session.due)
        c.wait(10)
        c.link_up()
        self.assertEqual((c.state, c.types()[-1]), (State.CONFIRMING, "REBIND"))

    def test_new_search_stops_use(self) -> None:
        """R-18.2.13-01: discovery begins again: what the old server gave is given up, whoever answers."""
        c = bound()
        c.until_sent(MessageType.RENEW)
        c.reply(association(1, Status(3)))
        c.reply(association(1, Status(6)))
        self.assertEqual((c.state, c.held), (State.SOLICITING, []))
