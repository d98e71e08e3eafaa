"""
Section C.15: what implementers get wrong, each point tried at the place where it goes wrong.

The requirement behind each point has tests of its own; these are about the mistake.
"""

from __future__ import annotations

from ipaddress import IPv6Network
from itertools import pairwise

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import Request
from pdlease.client.reasons import DiscardReason
from pdlease.client.states import State
from pdlease.demo.delegating import Terms
from pdlease.wire.chain import OpaqueOption
from pdlease.wire.codes import INFINITY, MessageType, OptionCode
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import ElapsedTime, InfMaxRt, OptionRequest, SolMaxRt, Status
from pdlease.wire.prefixes import PDExclude
from tests.conformance.test_ending import stored
from tests.conformance.test_reconfigure import agreed, reconfigure
from tests.house import ONE, House, datagram
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

SECOND = "2001:db8:200::/56"
GOOD = association(1, prefix())
NOTHING = association(1, Status(6, "none"))


def soliciting(seed: int = 1, **more: object) -> Conversation:
    """A conversation that has sent its first Solicit."""
    c = Conversation(settings(**more), seed=seed)
    c.link_up()
    return c


class SolicitTraps(SynchronousTestCase):
    def test_first_time(self) -> None:
        """C.15-01: the first gap is above 1 s for every draw; only later rounds act on the first Advertise."""
        for seed in range(50):
            c = soliciting(seed)
            c.wait(1.0)
            self.assertEqual(len(c.sent), 1)
            c.advertise(GOOD, preference=0)
            c.advertise(association(1, prefix(SECOND)), preference=200, server=OTHER)
            self.assertEqual(len(c.sent), 1)
            request = c.until_sent(MessageType.REQUEST, 0.1001)
            self.assertEqual((request.server_id, len(c.sent)), (OTHER, 2))
        c = soliciting()
        c.until_sent(MessageType.SOLICIT)
        c.advertise(GOOD)
        self.assertEqual(c.types()[-1], "REQUEST")

    def test_preference_without_lease(self) -> None:
        """C.15-02: an Advertise of preference 255 without a lease ends nothing; the next one with a lease is taken."""
        c = soliciting()
        c.advertise(NOTHING, preference=255)
        c.wait(0.5)
        c.advertise(GOOD, preference=0, server=OTHER)
        self.assertEqual(c.types(), ["SOLICIT"])
        self.assertEqual(c.until_sent(MessageType.REQUEST).server_id, OTHER)

    def test_ignored_advertises(self) -> None:
        """C.15-03, C.15-20: ignored Advertises leave the timer alone; SOL_MAX_RT and INF_MAX_RT in them count."""
        c, silent = soliciting(), soliciting()
        for _ in range(12):
            c.advertise(NOTHING, SolMaxRt(120), InfMaxRt(600))
            c.until_sent(MessageType.SOLICIT)
            silent.until_sent(MessageType.SOLICIT)
        self.assertEqual(c.times(MessageType.SOLICIT)[:7], silent.times(MessageType.SOLICIT)[:7])
        late = c.times(MessageType.SOLICIT)[-3:]
        self.assertTrue(all(108 <= after - before <= 132 for before, after in pairwise(late)), late)
        self.assertEqual((c.session.sol_max_rt, c.session.inf_max_rt), (120, 600))
        c.advertise(NOTHING, SolMaxRt(7200), server=OTHER)
        self.assertEqual((c.session.sol_max_rt, c.session.sol_max_rt_in_force), (None, 3600))


class TimingTraps(SynchronousTestCase):
    def test_counts(self) -> None:
        """C.15-04: ten Requests, four Releases, each with its last timeout waited for."""
        c = soliciting()
        c.advertise(GOOD, preference=255)
        c.until_sent(MessageType.SOLICIT)
        self.assertEqual(len(c.times(MessageType.REQUEST)), 10)
        self.assertGreater(c.now - c.times(MessageType.REQUEST)[-1], 27)
        c = bound()
        c.ask(Request.RELEASE)
        c.wait(1000)
        self.assertEqual(len(c.times(MessageType.RELEASE)), 4)

    def test_beyond_the_cap(self) -> None:
        """C.15-05: capped gaps spread to both sides of the cap, and are not doubled from the cap's own value."""
        last = []
        for seed in range(60):
            c = soliciting(seed)
            c.advertise(GOOD, preference=255)
            c.until_sent(MessageType.SOLICIT)
            moments = c.times(MessageType.REQUEST)
            last.append(moments[-1] - moments[-2])
        self.assertTrue(27 <= min(last) < 28.5 and 31.5 < max(last) <= 33, (min(last), max(last)))

    def test_elapsed_time(self) -> None:
        """C.15-06: 0 at the start of Solicit, Request, Renew and Rebind, hundredths then, 0xffff for good."""
        c = soliciting()
        c.until_sent(MessageType.SOLICIT)
        c.advertise(GOOD)
        c.reply(GOOD)
        c.until(4990.0)
        begun: dict[int, float] = {}
        for at, message in c.sent:
            first = begun.setdefault(message.transaction_id, at)
            elapsed = message.options_of(ElapsedTime)[0].hundredths
            self.assertEqual(elapsed, min(0xFFFF, int((at - first) * 100)))
        self.assertEqual({"SOLICIT", "REQUEST", "RENEW", "REBIND"}, set(c.types()))
        self.assertEqual(c.last.option(ElapsedTime), ElapsedTime(0xFFFF))


class LinkTraps(SynchronousTestCase):
    def test_link_change(self) -> None:
        """C.15-07, C.15-23: Rebind at 1, 2 and 4 s for 10 s, then at 10 s; silence keeps what is held."""
        c = bound()
        c.wait(100)
        c.forget()
        c.link_up()
        start = c.now
        c.until(start + 9.99)
        rapid = c.times(MessageType.REBIND)
        self.assertIn(len(rapid), (4, 5))
        self.assertTrue(all(gap <= 4.4 for gap in (b - a for a, b in pairwise(rapid))))
        c.until(start + 300)
        slow = [at for at in c.times(MessageType.REBIND) if at >= start + 10]
        self.assertEqual(slow[0], start + 10)
        self.assertGreaterEqual(slow[1] - slow[0], 9)
        self.assertEqual((set(c.types()[1:]), c.held), ({"REBIND"}, [PREFIX]))
        c.until(4999)
        self.assertEqual(c.held, [PREFIX])

    def test_restart(self) -> None:
        """C.15-08: a stop sends no Release, a start with a lease is that Rebind, with the same IAID."""
        c = bound()
        c.link_down()
        record = c.session.record
        self.assertNotIn("RELEASE", c.types())
        again = Conversation(lease=record.lease)
        again.link_up()
        self.assertEqual(
            (again.types(), [ia.iaid for ia in again.last.ia_pds], names(again.last)), (["REBIND"], [1], [PREFIX])
        )

    def test_two_rebinds(self) -> None:
        """C.15-23: the Rebind of T2 goes on after 10 s of silence, until the valid lifetime ends."""
        c = bound()
        c.until_sent(MessageType.REBIND)
        self.assertEqual((c.now, c.state), (3000.0, State.REBINDING))
        c.until(4999)
        self.assertEqual((c.state, c.held), (State.REBINDING, [PREFIX]))

    def test_same_upstream_only(self) -> None:
        """C.15-26: silence keeps the prefixes where nothing hints at another upstream, and ends them where it does."""
        for new_link, held in ((False, [PREFIX]), (True, [])):
            c = Conversation(lease=stored())
            c.link_up(new_link=new_link)
            c.wait(61)
            self.assertEqual(c.held, held)


class ReplyTraps(SynchronousTestCase):
    def test_missing(self) -> None:
        """C.15-09: a prefix missing in its IA stays, an IA missing in the Reply is not hammered for; 0 removes."""
        c = bound(association(1, prefix(), prefix(SECOND)))
        c.until_sent(MessageType.RENEW)
        c.reply(GOOD)
        self.assertEqual(c.held, [PREFIX, SECOND])
        c.until_sent(MessageType.RENEW)
        count = len(c.sent)
        for _ in range(50):
            c.reply()
        self.assertEqual(len(c.sent), count)
        c.reply(association(1, prefix(preferred=0, valid=0)))
        self.assertEqual(c.held, [SECOND])

    def test_no_binding(self) -> None:
        """C.15-10: NoBinding: a Request, not a Solicit, to whoever answered, for all IAs; the others stay in use."""
        c = bound(GOOD, association(2, prefix(SECOND)), wanted=settings(1, 2))
        c.until_sent(MessageType.REBIND)
        c.reply(GOOD, association(2, Status(3)), server=OTHER)
        self.assertEqual((c.types()[-1], c.last.server_id), ("REQUEST", OTHER))
        self.assertEqual(([ia.iaid for ia in c.last.ia_pds], c.held), ([1, 2], [PREFIX, SECOND]))

    def test_impossible_times(self) -> None:
        """C.15-11, C.15-24: T1 > T2 costs the IA, preferred > valid the prefix; T1 = T2 = valid, T2 = 0: nothing."""
        for given, held in (
            (association(1, prefix(), t1=2001, t2=2000), []),
            (association(1, prefix(), t1=INFINITY, t2=2000), []),
            (association(1, prefix(preferred=4001, valid=4000), prefix(SECOND)), [SECOND]),
            (association(1, prefix(preferred=4000, valid=4000), t1=4000, t2=4000), [PREFIX]),
            (association(1, prefix(preferred=86400, valid=172800), t1=43200, t2=0), [PREFIX]),
        ):
            c = soliciting()
            c.advertise(GOOD, preference=255)
            c.reply(given)
            self.assertEqual(c.held, held, given)
        (binding,) = c.session.lease.bindings
        self.assertEqual(binding.t1_at - c.now, 43200)
        self.assertTrue(43200 < binding.t2_at - c.now <= 172800)

    def test_impossible_times_offered(self) -> None:
        """C.15-11: T1 > T2 in an Advertise is no offer, however small the two are; that is told."""
        c = soliciting()
        c.advertise(association(1, prefix(), t1=2, t2=1), preference=255)
        self.assertEqual((c.types(), c.discards()[0]), (["SOLICIT"], DiscardReason.IA_TIMES))

    def test_zero_and_infinity(self) -> None:
        """C.15-12: T1 = T2 = 0 sends nothing at once, nor in a storm; infinity is never, in every sum."""
        c = bound(association(1, prefix(), t1=0, t2=0))
        c.wait(60)
        self.assertEqual(len(c.sent), 1)
        c = bound(association(1, prefix(preferred=INFINITY, valid=INFINITY), t1=INFINITY, t2=INFINITY))
        self.assertIsNone(c.session.due)
        c.wait(2.0**33)
        self.assertEqual((len(c.sent), c.held), (1, [PREFIX]))

    def test_partial_success(self) -> None:
        """C.15-13: one IA failed and one fine is success, also under a legacy NoAddrsAvail for the whole message."""
        c = soliciting(wishes=settings(1, 2).wishes)
        c.advertise(Status(2, "no addresses"), GOOD, association(2, Status(6)), preference=255)
        c.reply(Status(2, "no addresses"), GOOD, association(2, Status(6)))
        self.assertEqual((c.state, c.held), (State.BOUND, [PREFIX]))

    def test_whose(self) -> None:
        """C.15-14: after another server answered a Rebind, Renew and Release go to that one."""
        for ending in ("renew", "release"):
            c = bound()
            c.until_sent(MessageType.REBIND)
            c.reply(GOOD, server=OTHER)
            if ending == "renew":
                self.assertEqual(c.until_sent(MessageType.RENEW).server_id, OTHER)
            else:
                c.ask(Request.RELEASE)
                self.assertEqual((c.types()[-1], c.last.server_id), ("RELEASE", OTHER))


class PacketTraps(SynchronousTestCase):
    def test_option_requests(self) -> None:
        """C.15-15: 82 in Solicit, Request, Renew and Rebind, 32 in none of them; no option request in a Release."""
        c = soliciting()
        c.advertise(GOOD, preference=255)
        c.reply(GOOD)
        c.until_sent(MessageType.REBIND)
        c.ask(Request.RELEASE)
        for _, message in c.sent:
            requests = message.options_of(OptionRequest)
            if message.message_type == MessageType.RELEASE:
                self.assertEqual(requests, ())
            else:
                self.assertIn(OptionCode.SOL_MAX_RT, requests[0].codes)
                self.assertNotIn(OptionCode.INFORMATION_REFRESH_TIME, requests[0].codes)
        self.assertEqual(set(c.types()), {"SOLICIT", "REQUEST", "RENEW", "REBIND", "RELEASE"})

    def test_unknown_things(self) -> None:
        """C.15-22: unknown options in an IA_PD and in a prefix are skipped; an unknown message type moves no timer."""
        odd = OpaqueOption(0xFFF0, b"odd")
        c = soliciting()
        due = c.session.due
        c.hear(c.message(200, GOOD))
        self.assertEqual((c.session.due, c.discards()), (due, [DiscardReason.UNKNOWN_TYPE]))
        given = association(1, odd, prefix(PREFIX, 3000, 4000, odd))
        c.advertise(given, preference=255)
        c.reply(given)
        self.assertEqual(c.held, [PREFIX])

    def test_strictness(self) -> None:
        """
        C.15-25: octets left over, an Authentication and a failed IA that nobody asked for cost nothing; another
        transaction id or Client Identifier costs the message.
        """
        c = soliciting()
        foreign = association(77, Status(6))
        static = OpaqueOption(OptionCode.AUTHENTICATION, bytes(20))
        whole = c.message(MessageType.ADVERTISE, static, foreign, GOOD)
        for spoilt in (
            Message(whole.message_type, whole.transaction_id ^ 1, whole.options),
            Message(whole.message_type, whole.transaction_id, whole.options[1:]),
        ):
            c.hear(spoilt)
        self.assertEqual(c.discards(), [DiscardReason.TRANSACTION_ID, DiscardReason.NO_CLIENT_ID])
        c.hear(decode(encode(whole) + b"\0"))
        self.assertEqual(c.until_sent(MessageType.REQUEST).server_id, SERVER)

    def test_digest_and_counter(self) -> None:
        """C.15-17: the counter that came with the key is the first reference: no Reconfigure with it is obeyed."""
        c = agreed()
        c.hear(reconfigure(5, 10))
        self.assertEqual((c.state, c.discards()), (State.BOUND, [DiscardReason.RECONFIGURE_REPLAYED]))
        c.hear(reconfigure(5, 11))
        self.assertIs(c.state, State.RENEWING)

    def test_exclusion_of_an_odd_length(self) -> None:
        """C.15-21: an exclusion in a /59 is shifted by bits; it is asked for, and goes back in the Release."""
        option = PDExclude(64, b"\x78")
        c = bound(association(1, prefix("2001:db8:dead:bee0::/59", 3000, 4000, option)))
        self.assertEqual(str(c.session.lease.prefixes[0].excluded), "2001:db8:dead:beef::/64")
        self.assertIn(OptionCode.PD_EXCLUDE, c.last.options_of(OptionRequest)[0].codes)
        c.ask(Request.RELEASE)
        self.assertEqual(c.last.ia_pds[0].prefixes[0].options, (option,))

    def test_source_and_destination(self) -> None:
        """C.15-16: an answer from any port and scope is taken; one to a group is not, whatever is in it."""
        house = House(ONE)
        house.add_links()
        house.begin().wait(3)
        house.silent.add("eth0")
        uplink = house.uplink()
        t1 = uplink.lease.t1_at
        house.wait(t1 - house.clock.seconds() + 0.1)
        (answer,) = house.server.answer(encode(house.sent[-1][2]), house.clock.seconds())
        line = house.line()
        for destination, port, source, taken in (
            ("ff02::1", 547, "fe80::5e", False),
            ("ff02::1:2", 547, "fe80::5e", False),
            ("fe80::1", 40000, "2001:db8:9::1", True),
        ):
            line.arrive(datagram(answer, line.index, source, to=destination, port=port))
            house.reactor.turn()
            self.assertEqual(uplink.lease.t1_at > t1, taken, destination)


class StaleTraps(SynchronousTestCase):
    def test_after_a_renumbering(self) -> None:
        """C.15-19: another prefix after a restart: what the LAN had before is known from the record, and goes."""
        house = House(ONE)
        house.add_links()
        house.begin().wait(3)
        self.assertEqual(list(house.addresses()), ["2001:db8::1/64"])
        record = house.uplink().record
        again = House(ONE)
        again.add_links()
        again.clock.advance(house.clock.seconds() - again.clock.seconds())
        again.begin({"wan": record})
        self.assertEqual(list(again.addresses()), ["2001:db8::1/64"])
        again.server.bindings.clear()
        again.server.terms = Terms(pools=(IPv6Network("2001:db8:ff00::/40"),))
        again.wait(5)
        self.assertEqual(list(again.addresses()), ["2001:db8:ff00::1/64"])
