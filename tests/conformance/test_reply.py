"""
Section C.8: the Reply to Solicit, Request, Renew and Rebind.
"""

from __future__ import annotations

from ipaddress import IPv6Network

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import LeaseChanged, Moved, Remembered
from pdlease.client.reasons import Change, DiscardReason, Reason
from pdlease.client.states import IAState, State
from pdlease.wire.codes import MessageType
from pdlease.wire.options import SolMaxRt, Status
from pdlease.wire.prefixes import IAPrefix
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


def requesting(*iaids: int) -> Conversation:
    """A conversation that has sent its first Request."""
    c = Conversation(settings(*iaids))
    c.link_up()
    c.advertise(GOOD, preference=255)
    c.forget()
    return c


def renewing(*iaids: int) -> Conversation:
    """A conversation that has sent its first Renew; 1 holds PREFIX, 2 (if wanted) SECOND."""
    given = (GOOD, association(2, prefix(SECOND))) if 2 in iaids else (GOOD,)
    c = bound(*given, wanted=settings(*iaids))
    c.until_sent(MessageType.RENEW)
    c.forget()
    return c


def state_of(c: Conversation, iaid: int) -> IAState:
    """The state of one association."""
    return next(each.state for each in c.session.associations if each.iaid == iaid)


class WholeReplyTests(SynchronousTestCase):
    def test_no_status(self) -> None:
        """R-18.2.10-01: no status is success."""
        for status in ((), (Status(0),)):
            c = requesting()
            c.reply(*status, GOOD)
            self.assertEqual(c.held, [PREFIX])

    def test_sol_max_rt_of_failure(self) -> None:
        """R-18.2.10-02: SOL_MAX_RT of a failed Reply counts."""
        c = requesting()
        c.reply(Status(1), SolMaxRt(60))
        self.assertEqual((c.session.sol_max_rt, c.of(Remembered)), (60, [Remembered(60, None)]))

    def test_unspecified_failure(self) -> None:
        """R-18.2.10-03, R-15-10: a Reply with UnspecFail is not processed, not used; the exchange goes on."""
        c = requesting()
        exchange = c.session.exchange
        c.reply(Status(1, "oops"), GOOD)
        self.assertEqual((c.held, c.state, c.session.exchange), ([], State.REQUESTING, exchange))
        self.assertIn("UnspecFail (oops)", c.session.explain(c.now))

    def test_other_status(self) -> None:
        """R-18.2.10-04: any other status of the whole message: the associations are judged alone."""
        for code in (0, 2, 6, 22, 65535):
            c = requesting()
            c.reply(Status(code), GOOD)
            self.assertEqual(c.held, [PREFIX], code)

    def test_no_binding_for_all(self) -> None:
        """C.8.1-03: NoBinding for a whole Reply to a Renew, with associations or none: Request, for all."""
        for given in ((), (association(1),)):
            c = renewing()
            c.reply(Status(3), *given)
            self.assertEqual((c.types()[-1], names(c.last), c.held, c.discards()), ("REQUEST", [PREFIX], [PREFIX], []))

    def test_failed_for_all(self) -> None:
        """C.8.1-03, C.8.1-04: NoBinding and NotOnLink for a whole Reply to a Request: none of its prefixes is used."""
        for code in (3, 4):
            c = requesting()
            c.reply(Status(code), GOOD)
            self.assertEqual((c.held, c.state, len(c.session.hold_offs)), ([], State.SOLICITING, 1), code)
            self.assertEqual(c.discards(), [DiscardReason.IA_STATUS_WITH_PREFIX])

    def test_use_multicast(self) -> None:
        """R-18.2.10-06: UseMulticast is obsolete: nothing is processed, the exchange goes on at its pace."""
        c = renewing()
        due = c.session.due
        c.reply(Status(5), association(1, prefix(valid=9000)))
        self.assertEqual((c.state, c.session.due, len(c.sent)), (State.RENEWING, due, 1))
        self.assertEqual(c.session.lease.prefixes[0].valid_until, 5000.0)


class LeaseTests(SynchronousTestCase):
    def test_counted_from_reception(self) -> None:
        """R-18.2.10.1-01: T1, T2 and lifetimes count from the reception of the Reply."""
        c = requesting()
        c.wait(3)
        c.reply(GOOD)
        (binding,) = c.session.lease.bindings
        self.assertEqual((binding.t1_at, binding.t2_at), (c.now + 1000, c.now + 2000))
        self.assertEqual(binding.prefixes[0].valid_until, c.now + 4000)

    def test_new_prefix(self) -> None:
        """R-18.2.10.1-02: a Renew Reply with the old and another prefix: both are held."""
        c = renewing()
        c.reply(association(1, prefix(), prefix(SECOND)))
        self.assertEqual((c.held, c.of(LeaseChanged)[-1].change), ([PREFIX, SECOND], Change.GAINED))

    def test_smaller_lifetimes(self) -> None:
        """R-18.2.10.1-03: lifetimes are set anew, to smaller values too."""
        c = renewing()
        c.reply(association(1, prefix(preferred=300, valid=600), t1=100, t2=200))
        (held,) = c.session.lease.prefixes
        self.assertEqual((held.preferred_until - c.now, held.valid_until - c.now), (300, 600))
        self.assertEqual(c.of(LeaseChanged)[-1].change, Change.REFRESHED)

    def test_valid_zero(self) -> None:
        """R-18.2.10.1-04: valid lifetime 0 takes a prefix away at once, beside a new one."""
        c = renewing()
        c.reply(association(1, prefix(preferred=0, valid=0), prefix(SECOND)))
        self.assertEqual((c.state, c.held), (State.BOUND, [SECOND]))

    def test_valid_zero_of_some(self) -> None:
        """R-18.2.10.1-04: one of two prefixes taken away, the other not named: that one stays, the Reply counts."""
        c = bound(association(1, prefix(), prefix(SECOND)))
        c.until_sent(MessageType.RENEW)
        c.reply(association(1, prefix(preferred=0, valid=0), t1=100, t2=200))
        self.assertEqual((c.state, c.held, c.of(LeaseChanged)[-1].change), (State.BOUND, [SECOND], Change.SHRUNK))
        self.assertEqual(c.session.lease.t1_at, c.now + 100)

    def test_not_mentioned(self) -> None:
        """R-18.2.10.1-05: a prefix that the Reply does not name stays as it is until its own end."""
        c = renewing()
        c.reply(association(1, prefix(SECOND)))
        self.assertEqual(c.held, [PREFIX, SECOND])
        old, new = c.session.lease.prefixes
        self.assertEqual((old.valid_until, old.mentioned_at, new.mentioned_at), (5000.0, 1000.0, c.now))
        c.until(5000.0)
        self.assertEqual(c.held, [SECOND])

    def test_same_prefix_other_length(self) -> None:
        """R-18.2.10.1-06: the same address bits with another length are another lease."""
        c = renewing()
        c.reply(association(1, prefix("2001:db8:100::/60")))
        self.assertEqual(c.held, [PREFIX, "2001:db8:100::/60"])

    def test_partial_success(self) -> None:
        """R-18.2.10.1-07: what succeeded is used; the other association is asked for again in Renew and Rebind."""
        c = requesting(1, 2)
        c.reply(GOOD, association(2, Status(6, "no more")))
        self.assertEqual((c.state, c.held, state_of(c, 2)), (State.BOUND, [PREFIX], IAState.REFUSED))
        self.assertIn("no more", c.session.explain(c.now))
        renew = c.until_sent(MessageType.RENEW)
        self.assertEqual([ia.iaid for ia in renew.ia_pds], [1, 2])
        c.reply(GOOD, association(2, prefix(SECOND)))
        self.assertEqual((c.held, state_of(c, 2)), ([PREFIX, SECOND], IAState.HELD))
        self.assertIs(c.session.reason, Reason.SERVED)

    def test_nothing_usable(self) -> None:
        """R-18.2.10.1-08, R-18.2.10.1-23: nothing usable, or an empty association: a new search, rate-limited."""
        for given in (association(1, Status(6)), association(1)):
            c = requesting()
            c.reply(given)
            self.assertEqual((c.state, c.types()[-1]), (State.SOLICITING, "SOLICIT"))
            c.advertise(GOOD, preference=255)
            self.assertEqual((c.state, c.discards()), (State.SOLICITING, [DiscardReason.HELD_OFF]))

    def test_nothing_at_all(self) -> None:
        """R-18.2.10.1-08, C.8.1-06: a Reply with a status and no association: a new search, the server's words told."""
        c = requesting()
        c.reply(Status(6, "pool is empty"))
        moved = c.of(Moved)[-1]
        self.assertEqual((moved.new, moved.detail), (State.SOLICITING, "NoPrefixAvail (pool is empty)"))

    def test_not_on_link(self) -> None:
        """R-18.2.10.1-09: NotOnLink in one association leaves the prefix of another; alone it restarts discovery."""
        c = requesting(1, 2)
        c.reply(GOOD, association(2, Status(4)))
        self.assertEqual((c.state, c.held), (State.BOUND, [PREFIX]))
        c = requesting()
        c.reply(Status(4))
        self.assertEqual(c.state, State.SOLICITING)

    def test_no_binding(self) -> None:
        """R-18.2.10.1-10, R-18.2.10.1-12, R-RST-04: Request to the answering server for all; the others are updated."""
        c = renewing(1, 2)
        c.reply(association(1, prefix(valid=9000)), association(2, Status(3)))
        self.assertEqual((c.state, c.last.message_type, c.last.server_id), (State.REQUESTING, 3, SERVER))
        self.assertEqual((names(c.last, 1), names(c.last, 2)), ([PREFIX], [SECOND]))
        self.assertEqual((c.held, state_of(c, 2)), ([PREFIX, SECOND], IAState.UNBOUND))
        self.assertEqual(c.session.lease.prefixes[0].valid_until, c.now + 9000)
        c.reply(GOOD, association(2, prefix(SECOND)))
        self.assertEqual((c.state, c.held, state_of(c, 2)), (State.BOUND, [PREFIX, SECOND], IAState.HELD))

    def test_no_binding_then_nothing(self) -> None:
        """R-18.2.10.1-10: the Request after NoBinding fails or brings nothing: Solicit, the old prefix as hint."""
        for silent in (True, False):
            c = renewing()
            c.reply(association(1, Status(3)))
            self.assertEqual((c.types()[-1], c.held), ("REQUEST", [PREFIX]))
            if silent:
                c.until_sent(MessageType.SOLICIT)
            else:
                c.reply(association(1, Status(6)))
            self.assertEqual((c.types()[-1], names(c.last), c.held), ("SOLICIT", [PREFIX], []))

    def test_no_binding_then_nothing_while_others_live(self) -> None:
        """R-18.2.10.1-10, R-18.2.10.1-12: the Request brings nothing, another association is sound: both stay."""
        c = renewing(1, 2)
        c.reply(GOOD, association(2, Status(3)))
        c.reply(association(1, Status(6)), association(2, Status(6)))
        self.assertEqual((c.state, c.held), (State.BOUND, [PREFIX, SECOND]))
        count = len(c.sent)
        c.wait(100)
        self.assertEqual(len(c.sent), count)
        renew = c.until_sent(MessageType.RENEW)
        self.assertEqual((names(renew, 1), names(renew, 2)), ([PREFIX], [SECOND]))

    def test_no_binding_before_t1(self) -> None:
        """R-18.2.10.1-12: NoBinding after a link change, not mended by the Request: T1 and T2 stay."""
        c = bound(GOOD, association(2, prefix(SECOND)), wanted=settings(1, 2))
        c.wait(5)
        c.link_up()
        before = c.session.lease
        c.reply(association(2, Status(3)))
        c.reply(association(2, Status(6)))
        self.assertEqual((c.state, c.session.lease.bindings, c.of(LeaseChanged)), (State.BOUND, before.bindings, []))

    def test_no_binding_from_another_server(self) -> None:
        """R-18.2.10.1-11: NoBinding in the Rebind Reply of another server: the Request goes to that one."""
        c = bound()
        c.until_sent(MessageType.REBIND)
        c.reply(association(1, Status(3)), server=OTHER)
        self.assertEqual((c.last.message_type, c.last.server_id), (MessageType.REQUEST, OTHER))

    def test_association_missing(self) -> None:
        """R-18.2.10.1-13, R-15-10: a Reply without our association: the next Renew at its time; T2 leads to Rebind."""
        c = renewing()
        due = c.session.due
        c.reply()
        self.assertEqual(
            (c.state, c.session.due, c.discards()), (State.RENEWING, due, [DiscardReason.NOTHING_IN_REPLY])
        )
        c.until_sent(MessageType.RENEW)
        self.assertEqual(c.now, due)
        c.until_sent(MessageType.REBIND)
        self.assertEqual(c.now, 3000.0)

    def test_one_of_two_missing(self) -> None:
        """R-18.2.10.1-13: one answered, one not: the answered is used, the other asked for later; its T2 stands."""
        c = renewing(1, 2)
        c.reply(association(1, prefix(), t1=5000, t2=6000))
        self.assertEqual((c.state, state_of(c, 2)), (State.BOUND, IAState.UNEXTENDED))
        start = c.now
        c.until_sent(MessageType.RENEW)
        self.assertEqual(c.now - start, 500)
        c.until_sent(MessageType.REBIND)
        self.assertEqual(c.now, 3000.0)
        self.assertEqual(c.held, [PREFIX, SECOND])

    def test_one_of_two_refused(self) -> None:
        """R-18.2.10.1-13, R-18.2.10.1-07: one extended, one refused: no Renew at once, the next at half way to T2."""
        c = renewing(1, 2)
        c.reply(association(1, prefix(), t1=5000, t2=6000), association(2, Status(6)))
        self.assertEqual((c.state, len(c.sent), state_of(c, 2)), (State.BOUND, 1, IAState.UNEXTENDED))
        start = c.now
        c.until_sent(MessageType.RENEW)
        self.assertEqual((c.now - start, c.held), (500, [PREFIX, SECOND]))

    def test_t1_after_t2(self) -> None:
        """R-18.2.10.1-14: T1 > T2 > 0: the association counts as absent, with its prefix; loudly."""
        c = renewing()
        c.reply(association(1, prefix(SECOND), t1=3000, t2=2000))
        self.assertEqual((c.state, c.held), (State.RENEWING, [PREFIX]))
        self.assertEqual(c.discards(), [DiscardReason.IA_TIMES, DiscardReason.NOTHING_IN_REPLY])
        c = requesting()
        c.reply(association(1, prefix(), t1=2, t2=1))
        self.assertEqual(c.held, [])
        c = requesting(1, 2)
        c.reply(association(1, prefix(), t1=3000, t2=2000), association(2, prefix(SECOND)))
        self.assertEqual((c.state, c.held), (State.BOUND, [SECOND]))

    def test_preferred_above_valid(self) -> None:
        """R-18.2.10.1-15: a prefix with preferred > valid is left out, the others of its association are used."""
        c = requesting()
        c.reply(association(1, prefix(preferred=5000, valid=4000), prefix(SECOND)))
        self.assertEqual((c.held, c.discards()), ([SECOND], [DiscardReason.PREFIX_LIFETIMES]))

    def test_valid_lifetime_ends(self) -> None:
        """R-18.2.10.1-18: a prefix is gone at the very second its valid lifetime ends, in any state, also link down."""
        for link in (True, False):
            c = bound()
            if not link:
                c.link_down()
            c.until(4999.9)
            self.assertEqual(c.held, [PREFIX])
            c.until(5000.0)
            self.assertEqual((c.held, c.of(LeaseChanged)[-1].change), ([], Change.EXPIRED))

    def test_host_bits(self) -> None:
        """R-18.2.10.1-20: bits behind the prefix length are cleared, and that is told."""
        c = requesting()
        crooked = IAPrefix(3000, 4000, 56, IPv6Network("2001:db8:100::1/128").network_address.packed)
        c.reply(association(1, crooked))
        self.assertEqual((c.held, c.discards()), ([PREFIX], [DiscardReason.PREFIX_HOST_BITS]))

    def test_kinds_of_prefix(self) -> None:
        """R-18.2.10.1-21: only global unicast and unique local space is used."""
        for text in ("ff00::/16", "fe80::/64", "::/56", "::1/128", "::ffff:0:0/96", "64:ff9b::/96", "::/1"):
            c = requesting()
            c.reply(association(1, prefix(text)), Status(0))
            self.assertEqual((c.held, c.discards()[0]), ([], DiscardReason.PREFIX_KIND), text)
        for text in ("fd00:1234::/48", "2001:db8::/32", "3fff:100::/40"):
            c = requesting()
            c.reply(association(1, prefix(text)))
            self.assertEqual(c.held, [text])
        c = requesting()
        c.reply(association(1, prefix("::/0")))
        self.assertEqual((c.held, c.discards()), ([], [DiscardReason.PREFIX_KIND]))
        c = requesting()
        c.reply(association(1, IAPrefix(3000, 4000, 129, bytes(16))))
        self.assertEqual((c.held, c.discards()), ([], [DiscardReason.MALFORMED_OPTION]))

    def test_overlap(self) -> None:
        """R-18.2.10.1-22: a prefix inside that of another association is left out: the earlier in order counts."""
        c = requesting(1, 2)
        c.reply(association(2, prefix("2001:db8:100:10::/60")), GOOD)
        self.assertEqual((c.held, c.discards()), ([PREFIX], [DiscardReason.PREFIX_OVERLAP]))

    def test_moved_between_associations(self) -> None:
        """R-18.2.10.1-22: a prefix taken from one association and given to another in one Reply is no overlap."""
        for first, second in ((1, 2), (2, 1)):
            c = bound(association(first, prefix()), wanted=settings(1, 2))
            c.until_sent(MessageType.RENEW)
            c.reply(association(first, prefix(preferred=0, valid=0)), association(second, prefix()))
            self.assertEqual((c.held, c.session.lease.holds(second), c.discards()), ([PREFIX], True, []))

    def test_overlap_with_what_stays(self) -> None:
        """R-18.2.10.1-22: what a later association still holds counts, for it is in use."""
        c = bound(association(2, prefix()), wanted=settings(1, 2))
        c.until_sent(MessageType.RENEW)
        c.reply(association(1, prefix("2001:db8::/32")), association(2, prefix()))
        self.assertEqual((c.held, c.discards()), ([PREFIX], [DiscardReason.PREFIX_OVERLAP]))

    def test_overlap_with_what_is_not_taken_away(self) -> None:
        """
        R-18.2.10.1-22: a valid lifetime of 0 that is not believed, beside a failure or impossible times, takes nothing
        away from a later association, and an earlier one does not get it.
        """
        gone = prefix(preferred=0, valid=0)
        for later in (association(2, Status(1), gone), association(2, gone, t1=2, t2=1)):
            c = bound(association(2, prefix()), wanted=settings(1, 2))
            c.until_sent(MessageType.RENEW)
            c.reply(association(1, prefix("2001:db8::/32")), later)
            self.assertEqual(c.held, [PREFIX])
            self.assertIn(DiscardReason.PREFIX_OVERLAP, c.discards())

    def test_status_in_prefix(self) -> None:
        """R-18.2.10.1-24: a failure inside an IAPREFIX concerns that prefix only."""
        c = requesting()
        c.reply(association(1, prefix(PREFIX, 3000, 4000, Status(1)), prefix(SECOND, 3000, 4000, Status(0))))
        self.assertEqual((c.held, c.discards()), ([SECOND], [DiscardReason.PREFIX_STATUS]))

    def test_atomic(self) -> None:
        """R-18.2.10.1-25: good and bad parts in one Reply: the good ones are applied in one change of the lease."""
        c = requesting(1, 2)
        c.reply(
            association(1, prefix(), prefix("fe80::/64"), prefix(SECOND, 9, 8)),
            association(2, prefix("2001:db8:300::/56")),
            association(9, Status(3)),
        )
        self.assertEqual((c.held, len(c.of(LeaseChanged))), ([PREFIX, "2001:db8:300::/56"], 1))

    def test_several_servers(self) -> None:
        """R-18.2.10-07: another server answers a Rebind for one association: the other stays to its end."""
        c = renewing(1, 2)
        c.until_sent(MessageType.REBIND)
        c.reply(association(1, prefix(), t1=1000, t2=1800), server=OTHER)
        self.assertEqual([held.server for held in c.session.lease.prefixes], [OTHER, SERVER])
        self.assertEqual(c.session.lease.server, OTHER)
        c.until(4999.0)
        self.assertEqual(c.held, [PREFIX, SECOND])
        c.until(5000.0)
        self.assertEqual((c.held, state_of(c, 2)), ([PREFIX], IAState.WANTED))

    def test_another_server_that_extends_nothing(self) -> None:
        """R-18.2.10-07: another server's answer to a Rebind without anything of use leaves the lease where it is."""
        c = renewing()
        c.until_sent(MessageType.REBIND)
        c.reply(association(1, Status(6)), server=OTHER)
        self.assertEqual((c.session.lease.server, c.held), (SERVER, [PREFIX]))

    def test_many_prefixes(self) -> None:
        """R-18.2.10.1-02: a server that names new prefixes without end does not fill the memory."""
        c = requesting()
        c.reply(association(1, *(prefix(f"2001:db8:{number:x}::/64") for number in range(100))))
        self.assertEqual((len(c.held), c.discards()), (64, [DiscardReason.TOO_MANY_PREFIXES]))

    def test_failed_with_prefix(self) -> None:
        """C.8.1: a prefix beside NoPrefixAvail in one association is not used, and the server is held off."""
        c = requesting()
        c.reply(association(1, Status(6), prefix()))
        self.assertEqual((c.held, c.discards()), ([], [DiscardReason.IA_STATUS_WITH_PREFIX]))
        self.assertEqual(len(c.session.hold_offs), 1)

    def test_failed_and_taken_away(self) -> None:
        """R-18.2.10.1-04, C.8.1: NoPrefixAvail beside the held prefix with valid 0: taken away, for it says so."""
        c = renewing()
        c.reply(association(1, Status(6), prefix(preferred=0, valid=0)))
        self.assertEqual((c.held, c.types()[-1], names(c.last)), ([], "SOLICIT", [PREFIX]))

    def test_failed_takes_nothing_away(self) -> None:
        """C.8.1-01, C.8.1-04, C.8.1-05, C.8.1-07: lifetimes 0 beside another failure of the association are no word."""
        for code in (1, 4, 5, 22, 65535):
            c = renewing()
            due = c.session.due
            c.reply(association(1, Status(code), prefix(preferred=0, valid=0)))
            self.assertEqual((c.held, c.state, c.session.due), ([PREFIX], State.RENEWING, due), code)

    def test_taken_away_from_one_of_two(self) -> None:
        """R-18.2.10.1-04: all of one association taken away, the other not answered: the exchange goes on for that."""
        c = renewing(1, 2)
        c.reply(association(1, prefix(preferred=0, valid=0)))
        self.assertEqual((c.state, c.held), (State.RENEWING, [SECOND]))
        self.assertEqual(c.of(LeaseChanged)[-1].change, Change.SHRUNK)
        c.until_sent(MessageType.RENEW)
        self.assertEqual((names(c.last, 1), names(c.last, 2)), ([], [SECOND]))
