"""
Section C.6: which Advertise is taken up.
"""

from __future__ import annotations

from ipaddress import IPv6Network
from itertools import pairwise

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.reasons import DiscardReason
from pdlease.client.settings import IAWish
from pdlease.client.states import State
from pdlease.wire.codes import INFINITY, MessageType
from pdlease.wire.options import InfMaxRt, Preference, SolMaxRt, Status
from pdlease.wire.prefixes import IAPrefix, PDExclude
from tests.scenarios.conversation import OTHER, PREFIX, SERVER, Conversation, association, names, prefix, settings

GOOD = association(1, prefix())
THIRD = type(SERVER)(b"\0\2third")


def soliciting(*iaids: int, **more: object) -> Conversation:
    """A conversation that has sent its first Solicit."""
    c = Conversation(settings(*iaids, **more))
    c.link_up()
    return c


def wanting(length: int, longest: int | None = None) -> tuple[IAWish, ...]:
    """One wish for a length."""
    return (IAWish(iaid=1, hint_length=length, longest=longest),)


class SelectionTests(SynchronousTestCase):
    def test_preference_before_content(self) -> None:
        """R-18.2.9-01: the highest preference wins, although another offers more associations."""
        c = soliciting(1, 2)
        c.advertise(GOOD, association(2, prefix("2001:db8:200::/56")), preference=0)
        c.advertise(GOOD, server=OTHER, preference=10)
        request = c.until_sent(MessageType.REQUEST)
        self.assertEqual(request.server_id, OTHER)

    def test_content_within_preference(self) -> None:
        """R-18.2.9-02: within equal preference: more associations, then the length, then the first."""
        both = (GOOD, association(2, prefix("2001:db8:200::/56")))
        c = soliciting(1, 2)
        c.advertise(GOOD)
        c.advertise(*both, server=OTHER)
        c.advertise(*both, server=THIRD)
        self.assertEqual(c.until_sent(MessageType.REQUEST).server_id, OTHER)

    def test_empty_advertise(self) -> None:
        """R-18.2.9-03: an Advertise without any prefix is ignored; the reason is told."""
        for options in ((association(1, Status(6, "full")),), (association(1),), ()):
            c = soliciting()
            c.advertise(*options)
            c.wait(60)
            self.assertEqual(set(c.types()), {"SOLICIT"})
            self.assertEqual(c.discards(), [DiscardReason.NOTHING_OFFERED])

    def test_waiting_is_explained(self) -> None:
        """R-18.2.9-03: one sentence says what the server said and when the next Solicit goes out."""
        c = soliciting()
        c.advertise(association(1, Status(6)))
        self.assertEqual(c.session.explain(c.now), "waiting: server said NoPrefixAvail, next Solicit in 1 s")
        self.assertEqual(
            soliciting().session.explain(1000.0), "waiting: no server has answered yet, next Solicit in 1 s"
        )

    def test_maxima_of_ignored_advertises(self) -> None:
        """
        R-18.2.9-04: SOL_MAX_RT and INF_MAX_RT count in an Advertise without a prefix, with whatever failure, of the
        whole or of its association.
        """
        for options in (
            (association(1, Status(6)),),
            (Status(1), association(1)),
            (Status(2), association(1, Status(6))),
            (Status(6),),
            (association(1, prefix(preferred=9, valid=8)),),
        ):
            c = soliciting()
            c.advertise(*options, SolMaxRt(120), InfMaxRt(240))
            self.assertEqual((c.session.sol_max_rt_in_force, c.session.inf_max_rt), (120, 240))
            c.wait(3000)
            late = [later - earlier for earlier, later in pairwise(c.times(MessageType.SOLICIT))][8:]
            self.assertTrue(late and all(108 <= gap <= 132 for gap in late), late)

    def test_timer_untouched(self) -> None:
        """R-18.2.9-06: an ignored Advertise 0.1 s after each Solicit leaves the gaps as they are with silence."""
        silent, c = soliciting(), soliciting()
        silent.wait(200)
        for _ in range(7):
            c.wait(0.1)
            c.advertise(association(1, Status(6)))
            c.until(c.session.due or 0.0)
        count = len(c.times(MessageType.SOLICIT))
        self.assertEqual(c.times(MessageType.SOLICIT), silent.times(MessageType.SOLICIT)[:count])
        self.assertEqual(count, 8)

    def test_next_server_after_silence(self) -> None:
        """R-18.2.9-07, R-18.2.2-05: after ten silent Requests the next server is asked; then discovery again."""
        c = soliciting()
        c.advertise(GOOD, preference=9)
        c.advertise(association(1, prefix("2001:db8:200::/56")), server=OTHER, preference=5)
        c.advertise(GOOD, server=THIRD, preference=7)
        c.until_sent(MessageType.SOLICIT)
        asked = [message.server_id for _, message in c.sent if message.message_type == MessageType.REQUEST]
        self.assertEqual(asked, [SERVER] * 10 + [THIRD] * 10 + [OTHER] * 10)
        self.assertEqual(names(c.sent[-2][1]), ["2001:db8:200::/56"])

    def test_next_server_after_refusal(self) -> None:
        """R-18.2.9-07, R-18.2.10.1-08: a server that refuses what it offered: the next one is asked at once."""
        c = soliciting()
        c.advertise(GOOD, preference=9)
        c.advertise(GOOD, server=OTHER)
        c.until_sent(MessageType.REQUEST)
        c.reply(association(1, Status(6)))
        self.assertEqual((c.last.server_id, c.state), (OTHER, State.REQUESTING))

    def test_partial_offer(self) -> None:
        """R-18.2.9-08, R-18.2.2-02, R-18.2.9-12: an offer of some associations is taken up; the Request lists all."""
        c = soliciting(1, 2)
        c.advertise(GOOD, association(2, Status(6)))
        c.advertise(association(2, prefix("2001:db8:200::/56")), server=OTHER)
        request = c.until_sent(MessageType.REQUEST)
        self.assertEqual((request.server_id, [ia.iaid for ia in request.ia_pds]), (SERVER, [1, 2]))
        self.assertEqual((names(request, 1), names(request, 2)), ([PREFIX], []))

    def test_failure_beside_a_prefix(self) -> None:
        """R-18.2.9-09: a failure status of the whole Advertise beside a prefix: the prefix counts."""
        for code in (1, 2, 3, 4, 5, 6, 22):
            c = soliciting()
            c.advertise(Status(code), GOOD, preference=255)
            self.assertIs(c.state, State.REQUESTING, code)

    def test_impossible_prefixes(self) -> None:
        """R-18.2.9-10: what would be dropped from a Reply is no offer."""
        for given in (
            association(1, prefix(preferred=5000, valid=4000)),
            association(1, prefix(preferred=0, valid=0)),
            association(1, prefix(), t1=3000, t2=2000),
            association(1, prefix(), t1=INFINITY, t2=2000),
            association(1, IAPrefix(3000, 4000, 129, IPv6Network(PREFIX).network_address.packed)),
            association(1, IAPrefix(3000, 4000, 0, bytes(16))),
            association(1, prefix("ff00::/16")),
            association(1, prefix(PREFIX, 3000, 4000, Status(6))),
            association(1, prefix(), Status(6)),
            association(77, prefix()),
        ):
            c = soliciting()
            c.advertise(given, preference=255)
            self.assertIs(c.state, State.SOLICITING, given)
            self.assertIn(DiscardReason.NOTHING_OFFERED, c.discards())

    def test_partial_offer_later(self) -> None:
        """
        R-18.2.9-08, R-18.2.9-12: an association that the chosen server did not serve is asked for again with the
        others, in each Renew and Rebind, of the same server first; no Solicit goes out for it meanwhile.
        """
        c = soliciting(1, 2)
        c.advertise(GOOD, association(2, Status(6)))
        c.advertise(association(2, prefix("2001:db8:200::/56")), server=OTHER)
        c.until_sent(MessageType.REQUEST)
        c.reply(GOOD, association(2, Status(6)))
        count = len(c.sent)
        renew = c.until_sent(MessageType.RENEW)
        self.assertEqual((renew.server_id, [ia.iaid for ia in renew.ia_pds]), (SERVER, [1, 2]))
        rebind = c.until_sent(MessageType.REBIND)
        self.assertEqual([ia.iaid for ia in rebind.ia_pds], [1, 2])
        self.assertEqual(set(c.types()[count:]), {"RENEW", "REBIND"})
        c.reply(association(2, prefix("2001:db8:200::/56")), server=OTHER)
        self.assertEqual(c.held, [PREFIX, "2001:db8:200::/56"])

    def test_hostile_words(self) -> None:
        """R-18.2.9-11: what a server says is told harmless and bounded."""
        c = soliciting()
        c.advertise(association(1, Status(6, b"\x1b[31m\xff\n" + b"x" * 60_000)))
        sentence = c.session.explain(c.now)
        self.assertTrue(sentence.isprintable())
        self.assertLess(len(sentence), 400)

    def test_nearest_length(self) -> None:
        """R-8168-05: hint /56: /52 beats /60, an equal distance goes to the larger, the exact length beats both."""
        for offers, chosen in (
            (("2001:db8::/60", "2001:db8::/52"), 1),
            (("2001:db8::/52", "2001:db8::/56"), 1),
            (("2001:db8::/48", "2001:db8::/52"), 1),
            (("2001:db8::/60", "2001:db8::/64"), 0),
            (("2001:db8::/64", "2001:db8::/40"), 1),
        ):
            c = soliciting(wishes=wanting(56))
            for text, server in zip(offers, (SERVER, OTHER), strict=True):
                c.advertise(association(1, prefix(text)), server=server)
            self.assertEqual(c.until_sent(MessageType.REQUEST).server_id, (SERVER, OTHER)[chosen], offers)

    def test_no_wish_prefers_larger(self) -> None:
        """R-18.2.9-02: without a wish for a length the larger prefix is taken."""
        c = soliciting()
        c.advertise(association(1, prefix("2001:db8::/60")))
        c.advertise(association(1, prefix("2001:db8::/52")), server=OTHER)
        self.assertEqual(c.until_sent(MessageType.REQUEST).server_id, OTHER)

    def test_exclusion_leaves_too_little(self) -> None:
        """PDX-09: an offer whose exclusion leaves too little room ranks below one with enough."""
        kept = PDExclude(64, b"\x00")
        for needed, chosen in ((56, OTHER), (57, SERVER), (None, SERVER)):
            wish = IAWish(iaid=1, hint_length=56, needed_length=needed)
            c = soliciting(wishes=(wish,))
            c.advertise(association(1, prefix("2001:db8:100::/56", 3000, 4000, kept)))
            c.advertise(association(1, prefix("2001:db8:200::/55")), server=OTHER)
            self.assertEqual(c.until_sent(MessageType.REQUEST).server_id, chosen)

    def test_without_exclusion(self) -> None:
        """PDX-08, PDX-09: an Advertise without PD_EXCLUDE is taken up as ever; what just fits is enough."""
        c = soliciting(wishes=(IAWish(iaid=1, needed_length=56),))
        c.advertise(GOOD, preference=255)
        self.assertIs(c.state, State.REQUESTING)
        c = soliciting(wishes=(IAWish(iaid=1, hint_length=56, needed_length=56),))
        c.advertise(association(1, prefix("2001:db8:200::/55")), server=OTHER)
        c.advertise(GOOD)
        self.assertEqual(c.until_sent(MessageType.REQUEST).server_id, SERVER)

    def test_useless_length(self) -> None:
        """
        R-8168-06, PF-09: offers that are too long for the configuration are ignored, each time, and Solicit goes on at
        its normal times.
        """
        silent, c = soliciting(wishes=wanting(60, longest=60)), soliciting(wishes=wanting(60, longest=60))
        silent.wait(200)
        c.answer = lambda sent: iter(
            [c.message(MessageType.ADVERTISE, Preference(255), association(1, prefix("2001:db8::/64")))]
        )
        c.advertise(association(1, prefix("2001:db8::/64")), preference=255)
        c.wait(200)
        self.assertEqual(
            (set(c.types()), c.times(MessageType.SOLICIT)), ({"SOLICIT"}, silent.times(MessageType.SOLICIT))
        )
        self.assertEqual(set(c.discards()), {DiscardReason.PREFIX_TOO_LONG, DiscardReason.NOTHING_OFFERED})

    def test_smaller_than_wished_keeps_asking(self) -> None:
        """R-8168-04, R-8168-05: a /60 offered for a /56: the Request names it and still asks for the length."""
        c = soliciting(wishes=wanting(56))
        c.advertise(association(1, prefix("2001:db8::/60")), preference=255)
        self.assertEqual(c.last.ia_pds[0].options[-1], IAPrefix(0, 0, 56, bytes(16)))
        self.assertEqual(names(c.last), ["2001:db8::/60", "::/56"])

    def test_many_servers(self) -> None:
        """B.9-09, R-18.2.9-07: anybody can pretend to be any number of servers; so many are remembered, no more."""
        c = soliciting()
        for number in range(100):
            c.advertise(GOOD, server=type(SERVER)(b"\0\2" + bytes([number])))
        self.assertEqual(len(c.session.offers), 16)
        self.assertEqual(c.discards(), [DiscardReason.TOO_MANY_OFFERS] * 84)

    def test_repeated_offer(self) -> None:
        """R-18.2.9-07: the later Advertise of a server takes the place of the earlier."""
        c = soliciting()
        c.advertise(GOOD)
        c.advertise(association(1, prefix("2001:db8:200::/56")))
        self.assertEqual(names(c.until_sent(MessageType.REQUEST)), ["2001:db8:200::/56"])
        self.assertEqual(c.session.offers, ())
