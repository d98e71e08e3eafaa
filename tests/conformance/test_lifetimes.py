"""
Section A.5: lifetimes, T1 and T2.
"""

from __future__ import annotations

from math import inf

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.lifetimes import times, times_of_unextended
from pdlease.client.occurrences import Discarded, Due
from pdlease.client.reasons import DiscardReason
from pdlease.wire.codes import INFINITY, MessageType
from tests.scenarios.conversation import PREFIX, Conversation, association, bound, prefix, settings


class LifetimeTests(SynchronousTestCase):
    """
    Table A.5, row by row.
    """

    def test_stated(self) -> None:
        """A.5-15: what a server states is used as it is, also 1 to 9 s, without any floor."""
        self.assertEqual(times(1000, 2000, [(3000, 4000)]), (1000, 2000))
        self.assertEqual(times(1, 2, [(3, 4)]), (1, 2))

    def test_infinity(self) -> None:
        """A.5-03, A.5-14: T1 or T2 of 0xffffffff is never; so is what is chosen for infinite lifetimes."""
        self.assertEqual(times(INFINITY, INFINITY, [(3000, 4000)]), (inf, inf))
        self.assertEqual(times(1000, INFINITY, [(3000, 4000)]), (1000, inf))
        self.assertEqual(times(0, 0, [(inf, inf)]), (inf, inf))
        self.assertEqual(times(0, INFINITY, [(inf, inf)]), (inf, inf))

    def test_both_zero(self) -> None:
        """A.5-04, A.5-12: T1 = T2 = 0: half and four fifths of the shortest preferred lifetime above 0."""
        self.assertEqual(times(0, 0, [(3000, 4000), (2000, 9000), (0, 5000)]), (1000, 1600))

    def test_both_zero_all_deprecated(self) -> None:
        """A.5-04: T1 = T2 = 0 and no preferred lifetime above 0: the same of the shortest valid lifetime."""
        self.assertEqual(times(0, 0, [(0, 4000), (0, 5000)]), (2000, 3200))

    def test_floor(self) -> None:
        """A.5-15: chosen times are 10 s at least, but never past half of the valid lifetime."""
        self.assertEqual(times(0, 0, [(4, 1000)]), (10, 16))
        self.assertEqual(times(0, 0, [(4, 8)]), (4, 6.4))

    def test_t1_zero(self) -> None:
        """A.5-05: T1 = 0, T2 > 0: the lesser of half the shortest preferred lifetime and 0.625 T2."""
        self.assertEqual(times(0, 2000, [(2000, 4000)]), (1000, 2000))
        self.assertEqual(times(0, 800, [(2000, 4000)]), (500, 800))

    def test_t2_zero(self) -> None:
        """A.5-06: T1 > 0, T2 = 0 is no reason to drop anything: T2 after T1 and not beyond the valid lifetime."""
        self.assertEqual(times(43200, 0, [(86400, 90000)]), (43200, 69120))
        self.assertEqual(times(1000, 0, [(1000, 4000)]), (1000, 1600))
        renew, rebind = times(3000, 0, [(3000, 4000)])
        self.assertTrue(3000 == renew < rebind < 4000)

    def test_t1_infinite_t2_zero(self) -> None:
        """A.5-03, A.5-06: T1 = infinity, T2 = 0: never a Renew, but a Rebind at a time of our choice."""
        self.assertEqual(times(INFINITY, 0, [(3000, 4000)]), (inf, 2400))

    def test_will_not_be_extended(self) -> None:
        """A.5-08: T1 = T2 = valid lifetime is the server's word that nothing will be extended, and stays."""
        self.assertEqual(times(4000, 4000, [(3000, 4000)]), (4000, 4000))

    def test_beyond_valid(self) -> None:
        """A.5-09: T1 at or beyond the shortest valid lifetime: both are chosen; only T2 beyond: brought before it."""
        self.assertEqual(times(5000, 6000, [(3000, 4000)]), (1500, 2400))
        self.assertEqual(times(4000, 6000, [(3000, 4000)]), (1500, 2400))
        self.assertEqual(times(5000, INFINITY, [(3000, 4000)]), (1500, inf))
        self.assertEqual(times(1000, 6000, [(3000, 4000)]), (1000, 3200))
        self.assertEqual(times(3500, 6000, [(3000, 4000)]), (3500, 3501))

    def test_unextended(self) -> None:
        """R-18.2.10.1-13: what was passed over is asked for again at half of the time that is left; T2 stands."""
        self.assertEqual(times_of_unextended(100.0, 1100.0, 2000.0), (600.0, 1100.0))
        self.assertEqual(times_of_unextended(100.0, 110.0, 2000.0), (110.0, 110.0))
        self.assertEqual(times_of_unextended(100.0, 90.0, 2100.0), (1100.0, 1100.0))
        self.assertEqual(times_of_unextended(100.0, 90.0, 110.0), (inf, inf))
        self.assertEqual(times_of_unextended(100.0, 90.0, inf), (inf, inf))
        self.assertEqual(times_of_unextended(100.0, 120.0, 2000.0), (110.0, 120.0))
        self.assertEqual(times_of_unextended(100.0, 119.0, 2000.0), (119.0, 119.0))
        self.assertEqual(times_of_unextended(100.0, 90.0, 120.0), (110.0, 110.0))


class LifetimeScenarioTests(SynchronousTestCase):
    """
    Table A.5 as it shows in a conversation.
    """

    def test_from_reception(self) -> None:
        """A.5-01: T1, T2 and lifetimes count from the second in which the Reply came, 3 s after the Request."""
        c = Conversation()
        c.link_up()
        c.advertise(association(1, prefix()), preference=255)
        c.wait(3)
        begun = c.now
        c.reply(association(1, prefix(preferred=300, valid=400), t1=100, t2=200))
        (held,) = c.session.lease.prefixes
        self.assertEqual((held.preferred_until, held.valid_until), (begun + 300, begun + 400))
        for kind, after in ((MessageType.RENEW, 100), (MessageType.REBIND, 200), (MessageType.SOLICIT, 400)):
            c.until_sent(kind)
            self.assertEqual(c.now - begun, after)

    def test_largest(self) -> None:
        """A.5-01, A.5-02: 0xfffffffe is a number of seconds, more than a century; 0xffffffff alone is for ever."""
        almost = INFINITY - 1
        c = bound(association(1, prefix(preferred=almost, valid=almost), t1=almost, t2=almost))
        begun = c.now
        c.until_sent(MessageType.SOLICIT, within=5e9)
        self.assertEqual((c.now - begun, len(c.sent)), (almost, 2))
        for t1, t2, long in ((1000, 2000, 1e6), (INFINITY, INFINITY, 1e10)):
            c = bound(association(1, prefix(preferred=INFINITY, valid=INFINITY), t1=t1, t2=t2))
            c.wait(long)
            self.assertEqual((c.held, c.session.lease.valid_until), ([PREFIX], inf))

    def test_stated_and_chosen(self) -> None:
        """
        A.5-03, A.5-04, A.5-05, A.5-06, A.5-08, A.5-09, A.5-12, A.5-14, A.5-15: with each kind of T1 and T2 that a
        Reply can have, the seconds after it at which the first Renew and Rebind go out while nobody answers.
        """
        ever = INFINITY
        for t1, t2, lifetimes, renew, rebind in (
            (1000, 2000, [(3000, 4000)], 1000, 2000),
            (1, 2, [(3, 4)], 1, 2),
            (9, 900, [(3000, 4000)], 9, 900),
            (ever, ever, [(3000, 4000)], None, None),
            (ever, ever, [(ever, ever)], None, None),
            (1000, ever, [(3000, 4000)], 1000, None),
            (0, 0, [(3000, 4000)], 1500, 2400),
            (0, 0, [(3000, 4000), (2000, 9000), (0, 5000)], 1000, 1600),
            (0, 0, [(0, 4000), (0, 5000)], 2000, 3200),
            (0, 0, [(ever, ever)], None, None),
            (0, 0, [(4, 1000)], 10, 16),
            (0, 0, [(3000, 4000), (1, 1000)], 10, 16),
            (0, 0, [(4, 8)], 4, 6.4),
            (0, 2000, [(3000, 4000)], 1250, 2000),
            (0, 800, [(3000, 4000)], 500, 800),
            (0, ever, [(3000, 4000)], 1500, None),
            (1000, 0, [(3000, 4000)], 1000, 2400),
            (43200, 0, [(86400, 90000)], 43200, 69120),
            (3000, 0, [(3000, 4000)], 3000, 3200),
            (1000, 1000, [(3000, 4000)], None, 1000),
            (4000, 4000, [(3000, 4000)], None, None),
            (5000, 6000, [(3000, 4000)], 1500, 2400),
            (1000, 6000, [(3000, 4000)], 1000, 3200),
            (1000, 4000, [(3000, 4000)], 1000, 3200),
            (3999, 6000, [(3000, 4000)], 3999, None),
        ):
            with self.subTest(t1=t1, t2=t2, lifetimes=lifetimes):
                given = [prefix(f"2001:db8:{index}00::/56", *each) for index, each in enumerate(lifetimes)]
                c = bound(association(1, *given, t1=t1, t2=t2))
                begun = c.now
                c.wait(100_000)
                for kind, expected in ((MessageType.RENEW, renew), (MessageType.REBIND, rebind)):
                    found = [round(at - begun, 6) for at in c.times(kind)][:1]
                    self.assertEqual(found, [] if expected is None else [expected], kind.name)

    def test_chosen_together(self) -> None:
        """
        A.5-04, A.5-13: an association whose times are for us to choose takes part in the exchange of one whose T1 comes
        earlier, and the other way round: one message for both.
        """
        for t1, expected in ((700, 700), (1900, 1500)):
            c = bound(
                association(1, prefix(), t1=0, t2=0),
                association(2, prefix("2001:db8:200::/56"), t1=t1, t2=2300),
                wanted=settings(1, 2),
            )
            begun = c.now
            renew = c.until_sent(MessageType.RENEW)
            self.assertEqual((c.now - begun, [ia.iaid for ia in renew.ia_pds]), (expected, [1, 2]))

    def test_zero_times_under_the_limit(self) -> None:
        """
        A.5-04: a server that answers every message with T1 = T2 = 0 and lifetimes of seconds causes no storm: never
        more than 20 messages in 20 s, and none at once.
        """
        for preferred, valid in ((1, 2), (5, 6), (0, 1), (30, 40)):
            given = association(1, prefix(preferred=preferred, valid=valid), t1=0, t2=0)
            c = bound(given)
            c.answer = lambda sent, given=given, c=c: iter(  # type: ignore[misc]
                [
                    c.message(
                        MessageType.ADVERTISE if sent.message_type == MessageType.SOLICIT else MessageType.REPLY, given
                    )
                ]
            )
            begun = c.now
            c.wait(200)
            moments = [at for at, _ in c.sent[1:]]
            self.assertGreater(moments[0], begun + 0.4)
            self.assertTrue(all(later - first >= 20 for first, later in zip(moments, moments[20:], strict=False)))
            self.assertGreater(len(moments), 10)

    def test_t1_after_t2(self) -> None:
        """
        A.5-07: T1 after T2, infinite T1 with a finite T2 as well: that association is as if it were not there, the rest
        of the Reply counts, and the log says so unasked.
        """
        for t1, t2 in ((2001, 2000), (INFINITY, 2000), (2, 1)):
            c = Conversation(settings(1, 2))
            c.link_up()
            good = association(2, prefix("2001:db8:200::/56"))
            c.advertise(association(1, prefix()), good, preference=255)
            c.reply(association(1, prefix(), t1=t1, t2=t2), good)
            self.assertEqual((c.held, c.discards()), (["2001:db8:200::/56"], [DiscardReason.IA_TIMES]))
            self.assertIn(f"T1 {t1}, T2 {t2}", c.of(Discarded)[0].detail)
        self.assertTrue(DiscardReason.IA_TIMES.is_loud)

    def test_late_times_are_told(self) -> None:
        """A.5-09: T1 or T2 not before the end of the shortest valid lifetime is told; T1 = T2 = that end is not."""
        late = (DiscardReason.IA_TIMES_LATE,)
        for t1, t2, expected in (
            (5000, 6000, late),
            (4000, 6000, late),
            (1000, 6000, late),
            (1000, 4000, late),
            (4000, 4000, ()),
            (1000, 3999, ()),
            (1000, INFINITY, ()),
            (0, 0, ()),
        ):
            c = Conversation()
            c.link_up()
            c.advertise(association(1, prefix()), preference=255)
            c.reply(association(1, prefix(), t1=t1, t2=t2))
            self.assertEqual((c.held, tuple(c.discards())), ([PREFIX], expected), (t1, t2))
        self.assertTrue(late[0].is_loud)

    def test_single_prefixes(self) -> None:
        """
        A.5-10, A.5-11, A.5-12: of the prefixes of one association one with more preferred than valid seconds is
        dropped, one with valid lifetime 0 goes at once, one with preferred lifetime 0 stays, deprecated.
        """
        c = bound(association(1, prefix(), prefix("2001:db8:200::/56")))
        c.until_sent(MessageType.RENEW)
        c.reply(
            association(
                1,
                prefix(preferred=0, valid=0),
                prefix("2001:db8:200::/56", 0, 4000),
                prefix("2001:db8:300::/56", 4001, 4000),
                prefix("2001:db8:400::/56"),
                t1=0,
                t2=0,
            )
        )
        self.assertEqual(c.held, ["2001:db8:200::/56", "2001:db8:400::/56"])
        deprecated, _ = c.session.lease.prefixes
        self.assertEqual((deprecated.preferred_until, deprecated.valid_until), (c.now, c.now + 4000))
        self.assertEqual(c.discards(), [DiscardReason.PREFIX_LIFETIMES])
        begun = c.now
        c.until_sent(MessageType.RENEW)
        self.assertEqual(c.now - begun, 1500)

    def test_zero_times_send_nothing_at_once(self) -> None:
        """A.5-04: T1 = T2 = 0 sends nothing at once; Renew follows at half of the preferred lifetime."""
        c = bound(association(1, prefix(preferred=300, valid=400), t1=0, t2=0))
        start = c.now
        c.until_sent(MessageType.RENEW)
        self.assertEqual(c.now - start, 150)
        c.until_sent(MessageType.REBIND)
        self.assertEqual(c.now - start, 240)

    def test_equal_times_skip_renew(self) -> None:
        """A.5-08, A.1-10: T1 = T2: no Renew at all, Rebind at T2."""
        c = bound(association(1, prefix(), t1=1000, t2=1000))
        c.until_sent(MessageType.REBIND)
        self.assertEqual(c.times(MessageType.RENEW), [])

    def test_not_to_be_extended(self) -> None:
        """A.5-08: T1 = T2 = valid lifetime: the operator is told, nothing is sent before the end, then Solicit."""
        c = bound(association(1, prefix(preferred=300, valid=400), t1=400, t2=400))
        self.assertIn("will not be extended", c.session.explain(c.now))
        start = c.now
        c.forget()
        solicit = c.until_sent(MessageType.SOLICIT)
        self.assertEqual((c.now - start, len(c.sent) - 1), (400, 1))
        self.assertEqual(len(solicit.ia_pds), 1)

    def test_never(self) -> None:
        """A.5-02, A.5-03, A.5-14: infinite times and lifetimes: nothing is ever due."""
        c = bound(association(1, prefix(preferred=INFINITY, valid=INFINITY), t1=INFINITY, t2=INFINITY))
        self.assertIsNone(c.session.due)
        self.assertIsNone(c.session.next_message)
        self.assertNotIn("extended (", c.session.explain(c.now))

    def test_infinite_t2(self) -> None:
        """A.5-03: T2 = infinity: Renew goes on until the lease ends, and never becomes a Rebind."""
        c = bound(association(1, prefix(preferred=900, valid=4000), t1=1000, t2=INFINITY))
        c.until_sent(MessageType.SOLICIT)
        self.assertEqual(c.times(MessageType.REBIND), [])

    def test_earliest_of_all(self) -> None:
        """A.5-13, R-18.2.4-08: the earliest T1 and T2 over all associations rule, and all are renewed together."""
        c = bound(
            association(1, prefix(), t1=100, t2=900),
            association(2, prefix("2001:db8:200::/56"), t1=50, t2=70),
            wanted=settings(1, 2),
        )
        start = c.now
        renew = c.until_sent(MessageType.RENEW)
        self.assertEqual((c.now - start, [ia.iaid for ia in renew.ia_pds]), (50, [1, 2]))
        c.until_sent(MessageType.REBIND)
        self.assertEqual(c.now - start, 70)

    def test_tiny_lifetimes(self) -> None:
        """A.5-15, R-14.1-01: a server that states times of a second is obeyed; only the limit slows the client."""
        c = bound(association(1, prefix(preferred=3, valid=4), t1=1, t2=2))
        c.answer = lambda sent: iter(
            [c.message(MessageType.REPLY, association(1, prefix(preferred=3, valid=4), t1=1, t2=2))]
        )
        c.wait(100)
        moments = c.times(MessageType.RENEW)
        self.assertGreater(len(moments), 90)
        self.assertTrue(all(later - first >= 20 for first, later in zip(moments, moments[20:], strict=False)))

    def test_overdue_after_suspend(self) -> None:
        """R-15-11: after a long sleep the time that really passed counts: T2, or the end of the lease, at once."""
        for asleep, kind in ((2500.0, MessageType.REBIND), (5000.0, MessageType.SOLICIT)):
            c = bound()
            c.now += asleep
            c.happen(Due())
            self.assertEqual(c.last.message_type, kind)
            self.assertEqual(len(c.sent), 2)
