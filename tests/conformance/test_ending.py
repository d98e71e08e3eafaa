"""
Section C.9: Release, expiry, restart.
"""

from __future__ import annotations

from ipaddress import IPv6Network

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import Dated, LeaseChanged, Moved, Released, Request, Send
from pdlease.client.reasons import Change, Reason
from pdlease.client.states import State
from pdlease.lease import Binding, DelegatedPrefix, Lease
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.options import ElapsedTime, Status
from pdlease.wire.prefixes import PDExclude
from tests.scenarios.conversation import (
    CLIENT,
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

SECOND = "2001:db8:200::/56"
GOOD = association(1, prefix())


def stored(valid: float = 3000.0) -> Lease:
    """A lease as it comes out of the store at second 1000."""
    held = DelegatedPrefix(
        prefix=IPv6Network(PREFIX),
        preferred_until=1000.0 + valid / 2,
        valid_until=1000.0 + valid,
        mentioned_at=400.0,
        server=SERVER,
    )
    return Lease(bindings=(Binding(iaid=1, prefixes=(held,), t1_at=1500.0, t2_at=2000.0),), server=SERVER)


class ReleaseTests(SynchronousTestCase):
    def test_content(self) -> None:
        """R-18.2.7-01, R-18.2.7-09: server, client, time; no option request, Rapid Commit or Reconfigure Accept."""
        c = bound(wanted=settings(rapid_commit=False, reconfigure=True))
        c.ask(Request.RELEASE)
        release = c.last
        self.assertEqual(
            (release.message_type, release.server_id, release.client_id, release.option(ElapsedTime)),
            (8, SERVER, CLIENT, ElapsedTime(0)),
        )
        self.assertEqual(
            [option.code for option in release.options],
            [OptionCode.CLIENT_ID, OptionCode.SERVER_ID, OptionCode.ELAPSED_TIME, OptionCode.IA_PD],
        )
        self.assertEqual(names(release), [PREFIX])
        (ia,) = release.ia_pds
        self.assertEqual((ia.t1, ia.t2, ia.prefixes[0].preferred, ia.prefixes[0].valid), (0, 0, 0, 0))

    def test_only_what_is_held(self) -> None:
        """R-18.2.7-02: associations without a lease are not in it."""
        c = bound(GOOD, wanted=settings(1, 2))
        c.ask(Request.RELEASE)
        self.assertEqual([ia.iaid for ia in c.last.ia_pds], [1])

    def test_one_of_two_prefixes(self) -> None:
        """R-18.2.7-02: one of two prefixes of an association is given back to its server, the other is not in that."""
        c = bound(GOOD)
        c.until_sent(MessageType.REBIND)
        c.reply(association(1, prefix(SECOND)), server=OTHER)
        self.assertEqual(c.held, [PREFIX, SECOND])
        c.forget()
        c.ask(Request.RELEASE)
        self.assertEqual((c.last.server_id, names(c.last)), (SERVER, [PREFIX]))
        c.reply()
        self.assertEqual((c.last.server_id, names(c.last)), (OTHER, [SECOND]))

    def test_given_up_first(self) -> None:
        """R-18.2.7-03, R-18.2.7-11: the lease is gone before the first Release leaves, once, whatever the answer."""
        c = bound()
        c.ask(Request.RELEASE)
        order = [effect for _, effect in c.effects if isinstance(effect, (LeaseChanged, Send))]
        self.assertEqual([type(effect) for effect in order], [LeaseChanged, Send])
        self.assertEqual(c.of(LeaseChanged), [LeaseChanged(Lease(), Change.RELEASED)])
        c.wait(60)
        self.assertEqual((len(c.of(LeaseChanged)), len(c.of(Released)), c.held), (1, 1, []))

    def test_retransmitted(self) -> None:
        """R-18.2.7-05: sent again while nobody answers: two Releases within 2 s."""
        c = bound()
        c.ask(Request.RELEASE)
        c.wait(2)
        self.assertEqual(len(c.times(MessageType.RELEASE)), 2)

    def test_any_reply_ends_it(self) -> None:
        """R-18.2.7-06: a Reply of any status ends the Release."""
        for options in ((), (Status(1),), (Status(3),), (association(1, Status(3)),), (GOOD,)):
            c = bound()
            c.ask(Request.RELEASE)
            c.reply(*options)
            self.assertEqual((c.state, c.held, len(c.of(Released))), (State.STOPPED, [], 1))
            c.wait(1e6)
            self.assertEqual(len(c.times(MessageType.RELEASE)), 1)

    def test_never_by_itself(self) -> None:
        """R-18.2.7-08, WPD-9: being stopped, losing the link, coming back: never a Release; the lease stays."""
        c = bound()
        c.link_down()
        c.link_up()
        c.wait(20)
        c.ask(Request.STOP)
        self.assertEqual((c.state, c.held, c.times(MessageType.RELEASE)), (State.STOPPED, [PREFIX], []))
        self.assertEqual(c.session.record.lease, c.session.lease)

    def test_exclusion(self) -> None:
        """PDX-07: the prefix in a Release carries the exclusion that came with it."""
        option = PDExclude(64, b"\x01")
        c = bound(association(1, prefix(PREFIX, 3000, 4000, option)))
        c.ask(Request.RELEASE)
        self.assertEqual(c.last.ia_pds[0].prefixes[0].options, (option,))

    def test_two_servers(self) -> None:
        """R-18.2.7-10: leases of two servers: two Releases, each with its own id and its prefixes."""
        c = bound(GOOD, association(2, prefix(SECOND)), wanted=settings(1, 2))
        c.until_sent(MessageType.REBIND)
        c.reply(GOOD, server=OTHER)
        c.forget()
        c.ask(Request.RELEASE)
        one = c.last
        c.reply(server=OTHER)
        two = c.last
        self.assertEqual((one.server_id, names(one, 1), len(one.ia_pds)), (OTHER, [PREFIX], 1))
        self.assertEqual((two.server_id, names(two, 2), len(two.ia_pds)), (SERVER, [SECOND], 1))
        self.assertNotEqual(one.transaction_id, two.transaction_id)
        self.assertEqual(c.of(Released), [])
        c.reply()
        self.assertEqual((c.of(Released), c.state), ([Released()], State.STOPPED))

    def test_nothing_to_release(self) -> None:
        """R-18.2.7-02: nothing held, or no link: no message; the Release is over at once."""
        c = Conversation()
        c.link_up()
        c.ask(Request.RELEASE)
        self.assertEqual((c.types(), c.of(Released), c.state), (["SOLICIT"], [Released()], State.STOPPED))
        c = bound()
        c.link_down()
        c.ask(Request.RELEASE)
        self.assertEqual((len(c.sent), c.of(Released), c.held, c.state), (1, [Released()], [], State.DOWN))

    def test_interrupted(self) -> None:
        """R-18.2.7-11: the link lost, or a search asked for, during the Release: it is over, once."""
        for end in ("link", "stop", "solicit"):
            c = bound()
            c.ask(Request.RELEASE)
            if end == "link":
                c.link_down()
            else:
                c.ask(Request.STOP if end == "stop" else Request.SOLICIT)
            self.assertEqual(len(c.of(Released)), 1, end)
            c.wait(100)
            self.assertEqual(len(c.times(MessageType.RELEASE)), 1, end)

    def test_afterwards(self) -> None:
        """R-18.2.7-03: after a Release the uplink is silent until asked, or until the link comes up again."""
        for again in ("ask", "link"):
            c = bound()
            c.ask(Request.RELEASE)
            c.reply()
            c.wait(1e6)
            self.assertEqual((c.session.due, c.times(MessageType.SOLICIT)), (None, []))
            self.assertIn("given back", c.session.explain(c.now))
            if again == "ask":
                c.ask(Request.RENEW)
            else:
                c.link_up()
            self.assertEqual((c.types()[-1], names(c.last)), ("SOLICIT", [PREFIX]))


class ExpiryTests(SynchronousTestCase):
    def test_all_expired(self) -> None:
        """R-EXP-01: everything expired: Solicit for it, and another server may answer."""
        c = bound()
        c.until_sent(MessageType.SOLICIT)
        c.advertise(GOOD, server=OTHER, preference=255)
        c.reply(GOOD, server=OTHER)
        self.assertEqual((c.held, c.session.lease.server), ([PREFIX], OTHER))

    def test_one_of_two_expired(self) -> None:
        """R-EXP-02: one association expired, the other renewed: the first is in each Renew, without a Solicit."""
        c = bound(
            association(1, prefix(preferred=9000, valid=9000), t1=100, t2=5000),
            association(2, prefix(SECOND, 150, 150), t1=100, t2=140),
            wanted=settings(1, 2),
        )
        c.answer = lambda sent: (
            iter([c.message(7, association(1, prefix(preferred=9000, valid=9000), t1=100, t2=5000))])
            if sent.message_type in {5, 6}
            else iter([])
        )
        c.wait(1000)
        self.assertEqual((c.held, c.times(MessageType.SOLICIT)), ([PREFIX], []))
        self.assertEqual(names(c.last, 2), [])
        self.assertEqual([ia.iaid for ia in c.last.ia_pds], [1, 2])
        c.answer = None
        c.until_sent(MessageType.RENEW)
        c.reply(GOOD, association(2, prefix(SECOND)))
        self.assertEqual(c.held, [PREFIX, SECOND])

    def test_deprecated(self) -> None:
        """R-EXP-03: the end of the preferred lifetime alone changes nothing of what is held."""
        c = bound(association(1, prefix(preferred=100, valid=4000)))
        c.wait(200)
        self.assertEqual(c.held, [PREFIX])


class RestartTests(SynchronousTestCase):
    def test_rebind_first(self) -> None:
        """R-RST-01: with a stored lease the first message is a Rebind within 0 to 1 s, with Confirm's times."""
        delays = []
        for seed in range(50):
            c = Conversation(settings(solicit_delay=True), lease=stored(), seed=seed)
            self.assertEqual(c.held, [PREFIX])
            c.link_up()
            c.until_sent(MessageType.REBIND)
            delays.append(c.now - 1000.0)
            self.assertEqual((c.types(), names(c.last), c.last.server_id), (["REBIND"], [PREFIX], None))
            self.assertIs(c.state, State.CONFIRMING)
        self.assertTrue(0 <= min(delays) < 0.2 and 0.8 < max(delays) <= 1.0)

    def test_silence_keeps(self) -> None:
        """R-RST-02: silence on the same link: Rebind at 10 s, then doubling; the prefix stays until its own end."""
        c = Conversation(lease=stored())
        c.link_up()
        c.until(1009.9)
        self.assertIs(c.state, State.CONFIRMING)
        c.until(1030.0)
        self.assertEqual((c.state, c.held), (State.REBINDING, [PREFIX]))
        late = [at for at in c.times(MessageType.REBIND) if at >= 1010.0]
        self.assertEqual((late[0], len(late)), (1010.0, 2))
        c.until(3999.0)
        self.assertEqual(c.held, [PREFIX])
        c.until_sent(MessageType.SOLICIT)
        self.assertEqual((c.now, names(c.last)), (4000.0, [PREFIX]))
        self.assertEqual([e.change for e in c.of(LeaseChanged)], [Change.EXPIRED])

    def test_silence_with_evidence(self) -> None:
        """R-RST-02: silence and signs of another upstream: after 60 s given up, then Solicit naming it."""
        c = bound()
        c.link_down()
        c.wait(5)
        up = c.now
        c.link_up(new_link=True)
        c.until(up + 59.9)
        self.assertEqual((c.held, c.times(MessageType.SOLICIT)), ([PREFIX], []))
        c.until_sent(MessageType.SOLICIT)
        self.assertEqual((c.now, c.held, names(c.last)), (up + 60.0, [], [PREFIX]))
        self.assertEqual(c.of(LeaseChanged)[-1].change, Change.GIVEN_UP)
        kinds = [type(effect) for at, effect in c.effects if at == c.now]
        self.assertLess(kinds.index(LeaseChanged), kinds.index(Send))
        self.assertIs(c.of(Moved)[-1].reason, Reason.RENUMBERED)

    def test_evidence_outlives_a_flap(self) -> None:
        """R-RST-02: a further flap without a sign of its own keeps the earlier sign; the silence counts anew."""
        c = bound()
        c.link_up(new_link=True)
        c.wait(50)
        c.link_down()
        c.wait(20)
        up = c.now
        c.link_up()
        c.until_sent(MessageType.SOLICIT)
        self.assertEqual(c.now, up + 60.0)

    def test_answer_ends_the_evidence(self) -> None:
        """R-RST-02: an answer on the new upstream, a NoBinding as well, ends the silence."""
        for answer in (GOOD, association(1, Status(3))):
            c = bound()
            c.wait(5)
            c.link_up(new_link=True)
            c.wait(2)
            c.reply(answer)
            c.wait(100)
            self.assertEqual(c.held, [PREFIX])

    def test_thirty_seconds_of_silence(self) -> None:
        """R-RST-02: 30 s of silence after link up (spanning tree) never end a lease, with or without signs."""
        for new_link in (False, True):
            c = bound()
            c.link_down()
            c.link_up(new_link=new_link)
            c.wait(30)
            self.assertEqual(c.held, [PREFIX])
            c.until_sent(MessageType.REBIND)
            c.reply(GOOD)
            self.assertIs(c.state, State.BOUND)

    def test_zeroed(self) -> None:
        """R-RST-03: Rebind answered with lifetimes 0: withdrawn, at once Solicit naming it; given again it is live."""
        c = Conversation(lease=stored())
        c.link_up()
        c.reply(association(1, prefix(preferred=0, valid=0), t1=0, t2=0))
        self.assertEqual((c.held, c.types(), names(c.last)), ([], ["REBIND", "SOLICIT"], [PREFIX]))
        self.assertEqual(c.of(LeaseChanged)[-1].change, Change.WITHDRAWN)
        c.advertise(GOOD, preference=255)
        c.reply(GOOD)
        self.assertEqual((c.state, c.held), (State.BOUND, [PREFIX]))

    def test_no_binding(self) -> None:
        """R-RST-04: Rebind answered NoBinding: Request for all associations to that server."""
        c = Conversation(settings(1, 2), lease=stored())
        c.link_up()
        c.reply(association(1, Status(3)), server=OTHER)
        self.assertEqual((c.types(), c.last.server_id), (["REBIND", "REQUEST"], OTHER))
        self.assertEqual(([ia.iaid for ia in c.last.ia_pds], names(c.last)), ([1, 2], [PREFIX]))

    def test_expired_in_store(self) -> None:
        """R-12-06: a stored lease whose valid lifetime is over is not used: Solicit."""
        c = Conversation(lease=stored(valid=-5.0))
        c.link_up()
        self.assertEqual((c.held, c.types()), ([], ["SOLICIT"]))

    def test_association_no_longer_wanted(self) -> None:
        """R-12-02: what is stored for an association that is not configured any more is not asked for."""
        c = Conversation(settings(2), lease=stored())
        c.link_up()
        self.assertEqual((c.held, c.types()), ([], ["SOLICIT"]))


class SuspectTests(SynchronousTestCase):
    """
    R-12-06: a stored lease that cannot be dated.
    """

    def test_asked_for_not_used(self) -> None:
        """R-12-06: the stored prefix is asked for by Rebind; it is held only once a Reply confirms it."""
        c = Conversation(suspect=stored())
        self.assertEqual((c.held, c.session.record.trusted, c.session.record.lease), ([], False, stored()))
        c.link_up()
        self.assertEqual((c.types(), names(c.last), c.held), (["REBIND"], [PREFIX], []))
        c.reply(GOOD)
        self.assertEqual((c.state, c.held, c.session.record.trusted), (State.BOUND, [PREFIX], True))

    def test_silence(self) -> None:
        """R-12-06: 10 s of silence: Solicit naming it; nothing was ever used, and the record is kept."""
        c = Conversation(suspect=stored())
        c.link_up()
        solicit = c.until_sent(MessageType.SOLICIT)
        self.assertEqual((c.now, names(solicit), c.of(LeaseChanged)), (1010.0, [PREFIX], []))
        self.assertEqual(c.session.record.lease, stored())

    def test_not_confirmed(self) -> None:
        """R-12-06: a Reply that zeroes it, or gives another: nothing unconfirmed is used."""
        c = Conversation(suspect=stored())
        c.link_up()
        c.reply(association(1, prefix(preferred=0, valid=0)))
        self.assertEqual((c.held, c.types()[-1], names(c.last)), ([], "SOLICIT", [PREFIX]))
        c.wait(5)
        c.link_up()
        self.assertEqual((c.types()[-1], c.session.record.trusted), ("SOLICIT", True))
        c = Conversation(suspect=stored())
        c.link_up()
        c.reply(association(1, prefix(SECOND)))
        self.assertEqual((c.held, c.state), ([SECOND], State.BOUND))

    def test_no_binding(self) -> None:
        """R-RST-04: NoBinding for it: Request naming it."""
        c = Conversation(suspect=stored())
        c.link_up()
        c.reply(association(1, Status(3)))
        self.assertEqual((c.types()[-1], names(c.last)), ("REQUEST", [PREFIX]))

    def test_dated_later(self) -> None:
        """R-12-06: the clock becomes good later: used at once and confirmed by Rebind; or over, and dropped."""
        c = Conversation(suspect=stored())
        c.link_up()
        c.until_sent(MessageType.SOLICIT)
        c.happen(Dated(stored()))
        self.assertEqual((c.held, c.state, c.types()[-1]), ([PREFIX], State.CONFIRMING, "REBIND"))
        self.assertEqual(c.of(LeaseChanged), [LeaseChanged(stored(), Change.DATED)])
        c.until(3999.9)
        self.assertEqual(c.held, [PREFIX])
        c.until(4000.0)
        self.assertEqual(c.held, [])
        c = Conversation(suspect=stored())
        c.link_up()
        c.happen(Dated(stored(valid=-1.0)))
        self.assertEqual((c.held, c.of(LeaseChanged), c.session.suspect), ([], [], None))
        c.happen(Dated(stored()))
        self.assertEqual(c.held, [])

    def test_expires(self) -> None:
        """R-12-06: at most what was left at the last storing: after that it is not asked for by Rebind any more."""
        c = Conversation(suspect=stored(valid=100.0))
        c.wait(200)
        c.link_up()
        self.assertEqual(c.types(), ["SOLICIT"])
