"""
Section A: constants and timing.  Windows over many seeds, ratios within one run, counts.
"""

from __future__ import annotations

from itertools import pairwise
from math import inf

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.lifetimes import times, times_of_unextended
from pdlease.client.occurrences import Due, Remembered, Request
from pdlease.client.retransmission import (
    CONFIRMING_REBIND,
    INFORMATION_REQUEST,
    Exchange,
    first_timeout,
    next_timeout,
)
from pdlease.client.states import State
from pdlease.wire.codes import INFINITY, MessageType
from pdlease.wire.options import ElapsedTime, SolMaxRt, Status
from tests.scenarios.conversation import (
    OTHER,
    SERVER,
    Conversation,
    association,
    bound,
    prefix,
    settings,
)

SEEDS = range(200)

FOREVER = association(1, prefix(preferred=INFINITY, valid=INFINITY), t1=1000, t2=INFINITY)


def gaps(moments: list[float]) -> list[float]:
    """The times between transmissions."""
    return [later - earlier for earlier, later in pairwise(moments)]


class WindowTests(SynchronousTestCase):
    """
    Table A.2: the window of every gap over 200 seeds, and the ratio of each gap to the one before in the same run.
    """

    def check(self, runs: list[list[float]], windows: list[tuple[float, float]], cap: float = 0.0) -> None:
        """Every gap lies in its window; below the cap each is 1.9 to 2.1 times the one before."""
        for run in runs:
            for index, gap in enumerate(run):
                low, high = windows[min(index, len(windows) - 1)]
                self.assertGreaterEqual(gap, low - 1e-6, (index, run))
                self.assertLessEqual(gap, high + 1e-6, (index, run))
                if index and not (cap and 2.1 * run[index - 1] > cap):
                    self.assertTrue(1.9 - 1e-6 <= gap / run[index - 1] <= 2.1 + 1e-6, (index, run))
        for index in range(2):
            values = [run[index] for run in runs]
            low, high = windows[index]
            self.assertLess(min(values), low + (high - low) / 5)
            self.assertGreater(max(values), high - (high - low) / 5)

    def test_solicit(self) -> None:
        """R-15-01, R-15-02, R-18.2.1-12: Solicit's gaps; the first is longer than 1 s; the cap is 3240 to 3960 s."""
        runs = []
        for seed in SEEDS:
            c = Conversation(seed=seed)
            c.link_up()
            c.wait(30_000)
            runs.append(gaps(c.times(MessageType.SOLICIT)))
        self.assertTrue(all(run[0] > 1.0 for run in runs))
        windows = [
            (1.0, 1.1),
            (1.9, 2.31),
            (3.61, 4.86),
            (6.85, 10.2),
            (13.03, 21.4),
            (24.76, 44.93),
            (47, 95),
            (89, 199),
            (169, 417),
            (322, 875),
            (612, 1836),
            (1162, 3960),
            (2209, 3960),
            (3240, 3960),
        ]
        self.check(runs, windows, cap=3600)
        self.assertTrue(all(len(run) > 14 for run in runs))

    def test_request(self) -> None:
        """R-15-03, R-15-04: ten Requests, capped at 27 to 33 s; failure 154 to 205 s after the first."""
        runs, totals = [], []
        for seed in SEEDS:
            c = Conversation(seed=seed)
            c.link_up()
            c.advertise(association(1, prefix()), preference=255)
            c.until_sent(MessageType.SOLICIT)
            requests = c.times(MessageType.REQUEST)
            self.assertEqual(len(requests), 10)
            runs.append(gaps(requests))
            totals.append(c.now - requests[0])
        windows = [(0.9, 1.1), (1.71, 2.31), (3.25, 4.86), (6.17, 10.2), (11.72, 21.4), (22.28, 33.0), (27.0, 33.0)]
        self.check(runs, windows, cap=30)
        self.assertTrue(all(154 <= total <= 206 for total in totals), (min(totals), max(totals)))

    def test_renew_and_rebind(self) -> None:
        """R-15-01: Renew and Rebind begin at 9 to 11 s and are capped at 540 to 660 s."""
        for kind, given in (
            (MessageType.RENEW, FOREVER),
            (MessageType.REBIND, association(1, prefix(valid=INFINITY), t1=900, t2=900)),
        ):
            runs = []
            for seed in SEEDS:
                c = bound(given, seed=seed)
                c.wait(8000)
                runs.append(gaps(c.times(kind)))
            windows = [(9.0, 11.0), (17.1, 23.1), (32.49, 48.6), (61.7, 101.9), (117, 214.5), (222, 450), (423, 660)]
            self.check(runs, [*windows, (540, 660)], cap=600)

    def test_link_change_rebind(self) -> None:
        """R-15-05, R-18.2.12-01: Rebind after a link change: 4 or 5 transmissions in 10 s from the first."""
        runs, counts = [], set()
        for seed in SEEDS:
            c = bound(association(1, prefix(), t1=1000, t2=2000), seed=seed)
            c.wait(5)
            c.link_up()
            c.wait(9.99)
            self.assertIs(c.state, State.CONFIRMING)
            runs.append(gaps(c.times(MessageType.REBIND)))
            counts.add(len(c.times(MessageType.REBIND)))
            c.wait(0.02)
            self.assertIs(c.state, State.REBINDING)
        self.check(runs, [(0.9, 1.1), (1.71, 2.31), (3.25, 4.4), (3.6, 4.4)], cap=4)
        self.assertTrue(counts <= {4, 5} and 4 in counts, counts)

    def test_release(self) -> None:
        """R-15-04: exactly four Releases, without a cap; given up 12 to 18 s after the first."""
        runs = []
        for seed in SEEDS:
            c = bound(seed=seed)
            c.ask(Request.RELEASE)
            begun = c.now
            while c.state is State.RELEASING:
                c.until(c.session.due or 0.0)
            self.assertTrue(12 <= c.now - begun <= 18.7, c.now - begun)
            runs.append(gaps(c.times(MessageType.RELEASE)))
            self.assertEqual(len(runs[-1]), 3)
        self.check(runs, [(0.9, 1.1), (1.71, 2.31), (3.25, 4.86)])

    def test_information_request(self) -> None:
        """A.1: Information-request's parameters: 1 s, doubling, capped at INF_MAX_RT."""
        runs = []
        for seed in SEEDS:
            source = Conversation(seed=seed).session.chance.random
            run = [first_timeout(INFORMATION_REQUEST, source())]
            for _ in range(15):
                run.append(next_timeout(INFORMATION_REQUEST, run[-1], source()))
            runs.append(run)
        windows = [(0.9, 1.1), (1.71, 2.31), (3.25, 4.86), (6.17, 10.2)]
        self.check([run[:4] for run in runs], windows)
        self.assertTrue(all(3240 <= run[-1] <= 3960 for run in runs))

    def test_starts_differ(self) -> None:
        """R-15-02: two starts do not draw the same sequence, and every retransmission time is a new draw."""
        runs = []
        for seed in (1, 2):
            c = Conversation(seed=seed)
            c.link_up()
            c.wait(100)
            runs.append(gaps(c.times(MessageType.SOLICIT)))
        self.assertNotEqual(runs[0], runs[1])
        ratios = [later / earlier for earlier, later in pairwise(runs[0])]
        self.assertEqual(len(set(ratios)), len(ratios))


class MaximumTests(SynchronousTestCase):
    """
    A.3: SOL_MAX_RT.
    """

    def soliciting(self, *values: int) -> Conversation:
        """A conversation in which servers without prefixes said SOL_MAX_RT."""
        c = Conversation()
        c.link_up()
        for index, value in enumerate(values):
            c.advertise(association(1, Status(6)), SolMaxRt(value), server=OTHER if index else SERVER)
        return c

    def test_from_ignored_advertise(self) -> None:
        """R-18.2.9-04: SOL_MAX_RT counts although the Advertise is ignored; gaps are then capped at 108 to 132 s."""
        c = self.soliciting(120)
        self.assertEqual((c.session.sol_max_rt, c.session.max_rt_server), (120, SERVER))
        c.wait(3000)
        late = gaps(c.times(MessageType.SOLICIT))[8:]
        self.assertTrue(late and all(108 <= gap <= 132 for gap in late), late)

    def test_disagreement(self) -> None:
        """R-18.2.9-05: Advertises that disagree leave the default in force; those that agree do not."""
        self.assertEqual(self.soliciting(120, 7200).session.sol_max_rt_in_force, 3600)
        self.assertEqual(self.soliciting(120, 120).session.sol_max_rt_in_force, 120)
        self.assertEqual(self.soliciting(120, 7200, 120).session.sol_max_rt_in_force, 3600)

    def test_bounds(self) -> None:
        """A.3: values below 60 or above 86400 are ignored and leave the old value."""
        for value in (0, 59, 86401, 0xFFFFFFFF):
            self.assertEqual(self.soliciting(value).session.sol_max_rt_in_force, 3600)
            self.assertEqual(self.soliciting(120, value).session.sol_max_rt_in_force, 120)
        for value in (60, 86400):
            self.assertEqual(self.soliciting(value).session.sol_max_rt_in_force, value)

    def test_running_timer(self) -> None:
        """R-18.2.9-06, A.3: a new SOL_MAX_RT, like any ignored Advertise, does not restart the running timer."""
        silent = Conversation()
        silent.link_up()
        silent.wait(70)
        c = Conversation()
        c.link_up()
        for _ in range(6):
            c.wait(0.1)
            c.advertise(association(1, Status(6)), SolMaxRt(86400))
            c.until(c.session.due or 0.0)
        moments = c.times(MessageType.SOLICIT)
        self.assertEqual(moments, silent.times(MessageType.SOLICIT)[: len(moments)])
        self.assertEqual(len(moments), 7)

    def test_kept(self) -> None:
        """A.3: the value is told so that it can be kept, once, and a session begun with it uses it."""
        c = self.soliciting(120)
        c.advertise(association(1, Status(6)), SolMaxRt(120))
        self.assertEqual(c.of(Remembered), [Remembered(120, None)])
        again = Conversation(settings(sol_max_rt=120))
        again.link_up()
        again.wait(3000)
        self.assertTrue(all(gap <= 132 for gap in gaps(again.times(MessageType.SOLICIT))))


class ElapsedTests(SynchronousTestCase):
    """
    A.4: Elapsed Time.
    """

    def test_hundredths_of_this_exchange(self) -> None:
        """R-15-07, A.4: 0 in the first transmission of each exchange, then hundredths since it, never wrapping."""
        c = bound(association(1, prefix(), t1=100, t2=3000))
        c.wait(3500)
        for kind in (MessageType.RENEW, MessageType.REBIND):
            sent = [(at, message) for at, message in c.sent if message.message_type == kind]
            self.assertGreater(len(sent), 4)
            for at, message in sent:
                elapsed = message.option(ElapsedTime)
                assert elapsed is not None
                hundredths = (at - sent[0][0]) * 100
                self.assertLessEqual(abs(elapsed.hundredths - min(65535, hundredths)), 1.0)
        saturated = [
            e.hundredths for _, message in c.sent for e in message.options_of(ElapsedTime) if e.hundredths >= 65535
        ]
        self.assertEqual(set(saturated), {65535})

    def test_request_begins_at_zero(self) -> None:
        """A.4: Request after a long Solicit starts at 0, with a transaction id of its own."""
        c = Conversation()
        c.link_up()
        c.wait(20)
        c.advertise(association(1, prefix()))
        self.assertEqual(c.types()[-1], "REQUEST")
        self.assertEqual(c.last.options_of(ElapsedTime), (ElapsedTime(0),))

    def test_before_the_first(self) -> None:
        """A.4: an exchange that has sent nothing has no elapsed time, and no end."""
        exchange = Exchange(
            message_type=MessageType.SOLICIT,
            parameters=CONFIRMING_REBIND,
            transaction_id=1,
            next_at=5.0,
        )
        self.assertEqual((exchange.elapsed(9.0), exchange.ends_at, exchange.due), (0, inf, 5.0))


class LifetimeTests(SynchronousTestCase):
    """
    Table A.5, row by row.
    """

    def test_stated(self) -> None:
        """A.5 floor: what a server states is used as it is, also 1 to 9 s, without any floor."""
        self.assertEqual(times(1000, 2000, [(3000, 4000)]), (1000, 2000))
        self.assertEqual(times(1, 2, [(3, 4)]), (1, 2))

    def test_infinity(self) -> None:
        """A.5: T1 or T2 of 0xffffffff is never; so is what is chosen for infinite lifetimes."""
        self.assertEqual(times(INFINITY, INFINITY, [(3000, 4000)]), (inf, inf))
        self.assertEqual(times(1000, INFINITY, [(3000, 4000)]), (1000, inf))
        self.assertEqual(times(0, 0, [(inf, inf)]), (inf, inf))
        self.assertEqual(times(0, INFINITY, [(inf, inf)]), (inf, inf))

    def test_both_zero(self) -> None:
        """A.5: T1 = T2 = 0: half and four fifths of the shortest preferred lifetime above 0."""
        self.assertEqual(times(0, 0, [(3000, 4000), (2000, 9000), (0, 5000)]), (1000, 1600))

    def test_both_zero_all_deprecated(self) -> None:
        """A.5: T1 = T2 = 0 and no preferred lifetime above 0: the same of the shortest valid lifetime."""
        self.assertEqual(times(0, 0, [(0, 4000), (0, 5000)]), (2000, 3200))

    def test_floor(self) -> None:
        """A.5 floor: chosen times are 10 s at least, but never past half of the valid lifetime."""
        self.assertEqual(times(0, 0, [(4, 1000)]), (10, 16))
        self.assertEqual(times(0, 0, [(4, 8)]), (4, 6.4))

    def test_t1_zero(self) -> None:
        """A.5: T1 = 0, T2 > 0: the lesser of half the shortest preferred lifetime and 0.625 T2."""
        self.assertEqual(times(0, 2000, [(2000, 4000)]), (1000, 2000))
        self.assertEqual(times(0, 800, [(2000, 4000)]), (500, 800))

    def test_t2_zero(self) -> None:
        """A.5: T1 > 0, T2 = 0 is no reason to drop anything: T2 after T1 and not beyond the valid lifetime."""
        self.assertEqual(times(43200, 0, [(86400, 90000)]), (43200, 69120))
        self.assertEqual(times(1000, 0, [(1000, 4000)]), (1000, 1600))
        renew, rebind = times(3000, 0, [(3000, 4000)])
        self.assertTrue(3000 == renew < rebind < 4000)

    def test_t1_infinite_t2_zero(self) -> None:
        """A.5, 7.7: T1 = infinity, T2 = 0: never a Renew, but a Rebind at a time of our choice."""
        self.assertEqual(times(INFINITY, 0, [(3000, 4000)]), (inf, 2400))

    def test_will_not_be_extended(self) -> None:
        """A.5: T1 = T2 = valid lifetime is the server's word that nothing will be extended, and stays."""
        self.assertEqual(times(4000, 4000, [(3000, 4000)]), (4000, 4000))

    def test_beyond_valid(self) -> None:
        """A.5: T1 at or beyond the shortest valid lifetime: both are chosen; only T2 beyond: brought before it."""
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

    def test_zero_times_send_nothing_at_once(self) -> None:
        """A.5, 14.2: T1 = T2 = 0 sends nothing at once; Renew follows at half of the preferred lifetime."""
        c = bound(association(1, prefix(preferred=300, valid=400), t1=0, t2=0))
        start = c.now
        c.until_sent(MessageType.RENEW)
        self.assertEqual(c.now - start, 150)
        c.until_sent(MessageType.REBIND)
        self.assertEqual(c.now - start, 240)

    def test_equal_times_skip_renew(self) -> None:
        """A.1 trap, A.5: T1 = T2: no Renew at all, Rebind at T2."""
        c = bound(association(1, prefix(), t1=1000, t2=1000))
        c.until_sent(MessageType.REBIND)
        self.assertEqual(c.times(MessageType.RENEW), [])

    def test_not_to_be_extended(self) -> None:
        """A.5: T1 = T2 = valid lifetime: the operator is told, nothing is sent before the end, then Solicit."""
        c = bound(association(1, prefix(preferred=300, valid=400), t1=400, t2=400))
        self.assertIn("will not be extended", c.session.explain(c.now))
        start = c.now
        c.forget()
        solicit = c.until_sent(MessageType.SOLICIT)
        self.assertEqual((c.now - start, len(c.sent) - 1), (400, 1))
        self.assertEqual(len(solicit.ia_pds), 1)

    def test_never(self) -> None:
        """A.5, 7.7: infinite times and lifetimes: nothing is ever due."""
        c = bound(association(1, prefix(preferred=INFINITY, valid=INFINITY), t1=INFINITY, t2=INFINITY))
        self.assertIsNone(c.session.due)
        self.assertIsNone(c.session.next_message)
        self.assertNotIn("extended (", c.session.explain(c.now))

    def test_infinite_t2(self) -> None:
        """A.1, A.5: T2 = infinity: Renew goes on until the lease ends, and never becomes a Rebind."""
        c = bound(association(1, prefix(preferred=900, valid=4000), t1=1000, t2=INFINITY))
        c.until_sent(MessageType.SOLICIT)
        self.assertEqual(c.times(MessageType.REBIND), [])

    def test_earliest_of_all(self) -> None:
        """R-18.2.4-08: the earliest T1 and T2 over all associations rule, and all are renewed together."""
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
        """A.5 floor, R-14.1-01: a server that states times of a second is obeyed; only the limit slows the client."""
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
