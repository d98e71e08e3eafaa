"""
Sections A.1 to A.4: constants and timing.  Windows over many seeds, ratios within one run, counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from math import inf

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import Due, NewSettings, Remembered, Request, UpstreamChanged
from pdlease.client.retransmission import CONFIRMING_REBIND, Exchange
from pdlease.client.session import Session
from pdlease.client.states import State
from pdlease.sources import chance
from pdlease.wire.chain import Option
from pdlease.wire.codes import INFINITY, MessageType
from pdlease.wire.messages import Message, encode
from pdlease.wire.options import ClientId, ElapsedTime, InfMaxRt, ReconfigureAccept, ServerId, SolMaxRt, Status
from tests.conformance.test_reconfigure import key, reconfigure
from tests.house import House
from tests.scenarios.conversation import CLIENT, OTHER, SERVER, Conversation, association, bound, prefix, settings

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
        self.assert_spread([run[0] for run in runs], *windows[0])
        if windows[-1][1] - windows[-1][0] <= 0.2 * cap:
            # there all runs are at the cap, and the draw goes by it, not by the time before
            self.assert_spread([run[len(windows) - 1] for run in runs], 0.9 * cap, 1.1 * cap)
        ratios = [run[1] / run[0] for run in runs]
        self.assert_spread(ratios, 1.9, 2.1)

    def assert_spread(self, values: list[float], low: float, high: float) -> None:
        """The values fill their range evenly: every quarter of it has 15 to 35 of a hundred."""
        quarters = Counter(min(3, int(4 * (value - low) / (high - low))) for value in values)
        for quarter in range(4):
            self.assertTrue(0.15 <= quarters[quarter] / len(values) <= 0.35, (quarters, low, high))

    def test_solicit(self) -> None:
        """
        A.1-01, A.2-01, A.2-02, A.2-04, A.2-05, R-15-01, R-15-02, R-18.2.1-12: Solicit begins 0 to 1 s after link up;
        its first gap is longer than 1 s; the cap is 3240 to 3960 s; it goes on for ever.
        """
        runs, delays = [], []
        for seed in SEEDS:
            c = Conversation(settings(solicit_delay=True), seed=seed)
            c.link_up()
            c.wait(30_000)
            self.assertIs(c.state, State.SOLICITING)
            runs.append(gaps(c.times(MessageType.SOLICIT)))
            delays.append(c.times(MessageType.SOLICIT)[0] - 1000.0)
        self.assert_spread(delays, 0.0, 1.0)
        self.assertTrue(all(run[0] >= 1.005 for run in runs))
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
        """
        A.1-02, A.2-01, A.2-02, A.2-03, A.2-05, R-15-01, R-15-02, R-15-03, R-15-04: Request begins at once; ten of them,
        capped at 27 to 33 s; failure 154 to 205 s after the first, when the last time has run out.
        """
        runs, totals = [], []
        for seed in SEEDS:
            c = Conversation(seed=seed)
            c.link_up()
            c.advertise(association(1, prefix()), preference=255)
            c.until_sent(MessageType.SOLICIT)
            requests = c.times(MessageType.REQUEST)
            self.assertEqual((len(requests), requests[0]), (10, 1000.0))
            self.assertTrue(27 <= c.now - requests[-1] <= 33)
            runs.append(gaps(requests))
            totals.append(c.now - requests[0])
        windows = [(0.9, 1.1), (1.71, 2.31), (3.25, 4.86), (6.17, 10.2), (11.72, 21.4), (22.28, 33.0), (27.0, 33.0)]
        self.check(runs, windows, cap=30)
        self.assertTrue(all(154 <= total <= 206 for total in totals), (min(totals), max(totals)))

    def test_renew_and_rebind(self) -> None:
        """
        A.1-03, A.1-04, A.2-02, A.2-05, R-15-01: Renew and Rebind begin at T1 and T2, go on after 9 to 11 s and are
        capped at 540 to 660 s, without a limit to their number.
        """
        for kind, given in (
            (MessageType.RENEW, FOREVER),
            (MessageType.REBIND, association(1, prefix(valid=INFINITY), t1=900, t2=900)),
        ):
            runs = []
            for seed in SEEDS:
                c = bound(given, seed=seed)
                c.wait(8000)
                runs.append(gaps(c.times(kind)))
                self.assertEqual(c.times(kind)[0] - 1000.0, 1000 if kind is MessageType.RENEW else 900)
                self.assertEqual(c.types()[1:], [kind.name] * len(c.times(kind)))
            windows = [(9.0, 11.0), (17.1, 23.1), (32.49, 48.6), (61.7, 101.9), (117, 214.5), (222, 450), (423, 660)]
            self.check(runs, [*windows, (540, 660)], cap=600)

    def test_link_change_rebind(self) -> None:
        """
        A.1-05, A.2-02, A.2-03, A.2-05, R-15-05, R-18.2.12-01: Rebind after a link change begins after 0 to 1 s and ends
        10 s after its first transmission, after 4 or 5 of them; the lease stays as it is.
        """
        runs, counts, delays = [], set(), []
        for seed in SEEDS:
            c = bound(association(1, prefix(), t1=1000, t2=2000), seed=seed)
            c.happen(NewSettings(settings(solicit_delay=True)))
            c.wait(5)
            lease = c.session.lease
            c.link_up()
            begun = c.now
            c.until_sent(MessageType.REBIND)
            delays.append(c.now - begun)
            c.wait(9.99)
            self.assertIs(c.state, State.CONFIRMING)
            runs.append(gaps(c.times(MessageType.REBIND)))
            counts.add(len(c.times(MessageType.REBIND)))
            c.wait(0.02)
            self.assertIs(c.state, State.REBINDING)
            self.assertEqual(c.session.lease, lease)
        self.check(runs, [(0.9, 1.1), (1.71, 2.31), (3.25, 4.4), (3.6, 4.4)], cap=4)
        self.assert_spread(delays, 0.0, 1.0)
        self.assertTrue(counts <= {4, 5} and 4 in counts, counts)

    def test_release(self) -> None:
        """
        A.1-08, A.2-03, A.2-05, R-15-04: Release begins at once: exactly four, without a cap; given up 12 to 18 s after
        the first.
        """
        runs = []
        for seed in SEEDS:
            c = bound(seed=seed)
            c.ask(Request.RELEASE)
            begun = c.now
            while c.state is State.RELEASING:
                c.until(c.session.due or 0.0)
            self.assertTrue(12 <= c.now - begun <= 18.7, c.now - begun)
            runs.append(gaps(c.times(MessageType.RELEASE)))
            self.assertEqual((len(runs[-1]), c.times(MessageType.RELEASE)[0]), (3, begun))
        self.check(runs, [(0.9, 1.1), (1.71, 2.31), (3.25, 4.86)])

    def test_information_request(self) -> None:
        """
        A.1-07, A.2-02, A.2-05: Information-request begins 0 to 1 s after the Reconfigure that asks for it, and is
        capped at 3240 to 3960 s, or about the INF_MAX_RT of the server; it goes on while there is nothing to renew.
        """
        forever = association(1, prefix(preferred=INFINITY, valid=INFINITY), t1=INFINITY, t2=INFINITY)
        for given, cap in ((), 3600), ((InfMaxRt(60),), 60):
            runs, delays = [], []
            for seed in SEEDS:
                c = bound(forever, ReconfigureAccept(), key(), *given, wanted=settings(reconfigure=True), seed=seed)
                c.wait(5)
                begun = c.now
                c.hear(reconfigure(11))
                c.wait(6 * cap)
                moments = c.times(MessageType.INFORMATION_REQUEST)
                delays.append(moments[0] - begun)
                runs.append(gaps(moments))
                self.assertEqual(c.types()[1:], ["INFORMATION_REQUEST"] * len(moments))
            windows = [(0.9, 1.1), (1.71, 2.31), (3.25, 4.86), (6.17, 10.2), (11.72, 21.4), (22.28, 44.93)]
            if cap == 60:
                windows += [(42.3, 66), (54, 66)]
            else:
                windows += [(42, 95), (80, 199), (152, 417), (289, 875), (550, 1836), (1045, 3960)]
            self.check(runs, windows, cap=cap)
            self.assert_spread(delays, 0.0, 1.0)

    def test_both_limits(self) -> None:
        """A.2-03: of a limit to the number and one to the duration the one that is reached first ends the exchange."""
        for count, limit, sent, least, most in (
            (3, 100.0, 3, 6.5, 8.3),
            (30, 5.0, 3, 5.0, 5.0),
            (1, 0.5, 1, 0.5, 0.5),
        ):
            c = Conversation(settings(solicit_count=count, solicit_duration=limit))
            c.link_up()
            while c.session.due is not None:
                c.until(c.session.due)
            self.assertEqual((c.state, len(c.sent)), (State.STOPPED, sent))
            self.assertTrue(least <= c.now - 1000.0 <= most, c.now)

    def test_starts_differ(self) -> None:
        """
        A.2-01, R-15-02: two starts of the daemon's client do not draw the same sequence, and every retransmission time
        is a new draw.
        """
        runs = []
        for _ in range(2):
            c = Conversation()
            c.session = Session.begin(c.session.settings, chance())
            c.link_up()
            c.wait(100)
            runs.append(gaps(c.times(MessageType.SOLICIT)))
        self.assertNotEqual(runs[0], runs[1])
        ratios = [later / earlier for earlier, later in pairwise(runs[0])]
        self.assertEqual(len(set(ratios)), len(ratios))


class DurationTests(SynchronousTestCase):
    """
    A.1: a duration of nothing, and one without an end.
    """

    def test_nothing(self) -> None:
        """A.1-10: with T1 = T2, or with T2 past when the machine wakes up, there is no Renew: Rebind at once."""
        c = bound(association(1, prefix(), t1=1000, t2=1000))
        c.until_sent(MessageType.REBIND)
        self.assertEqual((c.now, c.times(MessageType.RENEW)), (2000.0, []))
        c = bound()
        c.now += 2500.0
        c.happen(Due())
        self.assertEqual(c.types()[1:], ["REBIND"])

    def test_without_end(self) -> None:
        """A.1-10: T2 of infinity is Renew without an end but that of the lease, never a Rebind."""
        c = bound(association(1, prefix(preferred=900, valid=40_000), t1=1000, t2=INFINITY))
        c.until_sent(MessageType.SOLICIT)
        self.assertEqual((c.now, c.times(MessageType.REBIND)), (41_000.0, []))
        self.assertGreater(len(c.times(MessageType.RENEW)), 60)

    def test_not_sent_by_a_client_for_prefixes(self) -> None:
        """A.1-06, A.1-09: no Confirm and no Decline: what they are about, addresses, is not asked for."""
        c = bound()
        for _ in range(3):
            c.link_down()
            c.wait(3)
            c.link_up()
            c.wait(700)
        c.until_sent(MessageType.SOLICIT)
        self.assertEqual(set(c.types()) - {"REQUEST", "RENEW", "REBIND", "SOLICIT"}, set())


class MaximumTests(SynchronousTestCase):
    """
    A.3: SOL_MAX_RT.
    """

    def soliciting(self, *values: int, kind: Callable[[int], Option] = SolMaxRt) -> Conversation:
        """A conversation in which servers without prefixes said SOL_MAX_RT, or INF_MAX_RT."""
        c = Conversation()
        c.link_up()
        for index, value in enumerate(values):
            c.advertise(association(1, Status(6)), kind(value), server=OTHER if index else SERVER)
        return c

    def test_from_ignored_advertise(self) -> None:
        """A.3-03, R-18.2.9-04: SOL_MAX_RT counts although the Advertise is ignored: later gaps are 108 to 132 s."""
        c = self.soliciting(120)
        self.assertEqual((c.session.sol_max_rt, c.session.max_rt_server), (120, SERVER))
        c.wait(3000)
        late = gaps(c.times(MessageType.SOLICIT))[8:]
        self.assertTrue(late and all(108 <= gap <= 132 for gap in late), late)

    def test_disagreement(self) -> None:
        """
        A.3-04, R-18.2.9-05: Advertises that disagree leave the default in force, whatever was in force before; those
        that agree do not, nor does one that says nothing of it or says what does not count.
        """
        self.assertEqual(self.soliciting(120, 7200).session.sol_max_rt_in_force, 3600)
        self.assertEqual(self.soliciting(120, 120).session.sol_max_rt_in_force, 120)
        self.assertEqual(self.soliciting(120, 7200, 120).session.sol_max_rt_in_force, 3600)
        self.assertEqual(self.soliciting(120, 59).session.sol_max_rt_in_force, 120)
        self.assertEqual(self.soliciting(120, 7200, kind=InfMaxRt).session.inf_max_rt, None)
        self.assertEqual(self.soliciting(120, 120, kind=InfMaxRt).session.inf_max_rt, 120)
        c = self.soliciting(120)
        c.advertise(association(1, Status(6)), server=OTHER)
        self.assertEqual(c.session.sol_max_rt_in_force, 120)
        c.link_down()
        c.link_up()
        c.wait(1)
        for value, server in ((600, SERVER), (700, OTHER)):
            c.advertise(association(1, Status(6)), SolMaxRt(value), server=server)
        self.assertEqual(c.session.sol_max_rt_in_force, 3600)
        c.wait(12_000)
        self.assertGreaterEqual(max(gaps(c.times(MessageType.SOLICIT))), 3240)

    def test_from_failing_reply(self) -> None:
        """A.3-03: in a Reply they count as well, with whatever status for the whole of it, and in that to a Release."""
        for status in (1, 2, 3, 5, 6):
            c = bound()
            c.until_sent(MessageType.RENEW)
            c.reply(Status(status), SolMaxRt(120), InfMaxRt(600))
            self.assertEqual((c.session.sol_max_rt_in_force, c.session.inf_max_rt), (120, 600))
        c = bound()
        c.ask(Request.RELEASE)
        c.reply(Status(1), SolMaxRt(60))
        self.assertEqual(c.session.sol_max_rt_in_force, 60)

    def test_bounds(self) -> None:
        """
        A.3-01: values below 60 or above 86400, of either, in an Advertise or a Reply, are ignored, and the old one
        stays.
        """
        for value in (0, 59, 86401, 0xFFFFFFFF):
            self.assertEqual(self.soliciting(value).session.sol_max_rt_in_force, 3600)
            self.assertEqual(self.soliciting(120, value).session.sol_max_rt_in_force, 120)
            self.assertEqual(self.soliciting(120, value, kind=InfMaxRt).session.inf_max_rt, 120)
            c = bound(association(1, prefix()), SolMaxRt(120), InfMaxRt(120))
            c.until_sent(MessageType.RENEW)
            c.reply(association(1, prefix()), SolMaxRt(value), InfMaxRt(value))
            self.assertEqual((c.session.sol_max_rt, c.session.inf_max_rt), (120, 120))
        for value in (60, 86400):
            self.assertEqual(self.soliciting(value).session.sol_max_rt_in_force, value)
            self.assertEqual(self.soliciting(value, kind=InfMaxRt).session.inf_max_rt, value)

    def test_running_timer(self) -> None:
        """
        A.3-05, R-18.2.9-06: a new SOL_MAX_RT, like any ignored Advertise, does not restart the running timer; it counts
        from the next retransmission time on.
        """
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
        c = Conversation()
        c.link_up()
        c.wait(2000)
        due = c.session.due
        c.advertise(association(1, Status(6)), SolMaxRt(60))
        self.assertEqual(c.session.due, due)
        c.wait(3000)
        late = [at for at in c.times(MessageType.SOLICIT) if at >= (due or 0)]
        self.assertEqual(late[0], due)
        self.assertTrue(all(54 <= gap <= 66 for gap in gaps(late)) and len(late) > 20)

    def test_kept(self) -> None:
        """
        A.3-02: the value is told so that it can be kept, once; it lives on with another lease, and a session begun with
        what was kept uses it.
        """
        c = self.soliciting(120)
        c.advertise(association(1, Status(6)), SolMaxRt(120))
        self.assertEqual(c.of(Remembered), [Remembered(120, None)])
        c.advertise(association(1, prefix()), preference=255)
        c.reply(association(1, prefix()))
        c.until_sent(MessageType.SOLICIT)
        self.assertEqual((c.session.sol_max_rt_in_force, c.session.record.sol_max_rt), (120, 120))
        again = Conversation(settings(sol_max_rt=120))
        again.link_up()
        again.wait(3000)
        self.assertTrue(all(gap <= 132 for gap in gaps(again.times(MessageType.SOLICIT))))

    def test_back_soon(self) -> None:
        """
        A.3-06, R-18.2.12-07: with SOL_MAX_RT of a day in force, and nothing heard for days, a Solicit goes out at once,
        and again after 1 s, when the link comes up, a router speaks again, or an operator asks.
        """
        for end in ("link", "upstream", "ask"):
            c = self.soliciting(86400)
            c.wait(600_000)
            self.assertGreater((c.session.due or 0) - c.now, 10_000)
            c.forget()
            if end == "link":
                c.link_down()
                c.link_up()
            elif end == "upstream":
                c.happen(UpstreamChanged())
            else:
                c.ask(Request.SOLICIT)
            c.wait(5)
            self.assertEqual(c.types()[1:], ["SOLICIT"] * 3)
            moments = c.times(MessageType.SOLICIT)[1:]
            self.assertTrue(moments[0] == c.now - 5 and 1.0 < moments[1] - moments[0] <= 1.1, end)

    def test_shown(self) -> None:
        """A.3-06: the status has the SOL_MAX_RT in force and who set it."""
        house = House()
        house.add_links()
        house.silent.add("eth0")
        house.begin().wait(0.1)
        assert house.desk is not None
        document = house.desk.status("wan")["uplinks"]["wan"]
        self.assertEqual((document["sol_max_rt_seconds"], document["sol_max_rt_server"]), (3600, None))
        told = (ClientId(CLIENT), ServerId(SERVER), Status(6), SolMaxRt(86400))
        house.arrive(house.line(), encode(Message(MessageType.ADVERTISE, house.sent[-1][2].transaction_id, told)))
        document = house.desk.status("wan")["uplinks"]["wan"]
        self.assertEqual((document["sol_max_rt_seconds"], document["sol_max_rt_server"]), (86400, str(SERVER)))


class ElapsedTests(SynchronousTestCase):
    """
    A.4: Elapsed Time.
    """

    def test_hundredths_of_this_exchange(self) -> None:
        """
        A.4-01, A.4-02, A.4-03, A.4-04, R-15-07: 0 in the first transmission of each exchange, then hundredths since it,
        at most 0xffff from 655.35 s on: in Solicit, Request, Information-request, Renew, Rebind and Release.
        """
        c = Conversation(settings(reconfigure=True))
        c.link_up()
        c.wait(1000)
        c.advertise(association(1, prefix()))
        c.wait(30)
        c.reply(association(1, prefix(), t1=100, t2=3000), ReconfigureAccept(), key())
        c.wait(5)
        c.hear(reconfigure(11))
        c.wait(3500)
        c.ask(Request.RELEASE)
        c.wait(20)
        for kind in (
            MessageType.SOLICIT,
            MessageType.REQUEST,
            MessageType.INFORMATION_REQUEST,
            MessageType.RENEW,
            MessageType.REBIND,
            MessageType.RELEASE,
        ):
            sent = [(at, message) for at, message in c.sent if message.message_type == kind]
            self.assertGreater(len(sent), 3)
            for at, message in sent:
                (elapsed,) = message.options_of(ElapsedTime)
                hundredths = (at - sent[0][0]) * 100
                self.assertLessEqual(abs(elapsed.hundredths - min(65535, hundredths)), 1.0)
            self.assertEqual(sent[0][1].option(ElapsedTime), ElapsedTime(0))
        saturated = [
            e.hundredths for _, message in c.sent for e in message.options_of(ElapsedTime) if e.hundredths >= 65535
        ]
        self.assertEqual(set(saturated), {65535})

    def test_request_begins_at_zero(self) -> None:
        """A.4-04: Request after a long Solicit starts at 0, with a transaction id of its own."""
        c = Conversation()
        c.link_up()
        c.wait(20)
        c.advertise(association(1, prefix()))
        self.assertEqual(c.types()[-1], "REQUEST")
        self.assertEqual(c.last.options_of(ElapsedTime), (ElapsedTime(0),))

    def test_before_the_first(self) -> None:
        """A.4-01: an exchange that has sent nothing has no elapsed time, and no end."""
        exchange = Exchange(
            message_type=MessageType.SOLICIT,
            parameters=CONFIRMING_REBIND,
            transaction_id=1,
            next_at=5.0,
        )
        self.assertEqual((exchange.elapsed(9.0), exchange.ends_at, exchange.due), (0, inf, 5.0))
