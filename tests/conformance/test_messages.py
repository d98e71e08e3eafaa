"""
Section C.7: what Request, Renew, Rebind and Information-request contain.
"""

from __future__ import annotations

from ipaddress import IPv6Address

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import NewSettings, Request, UpstreamChanged
from pdlease.client.settings import IAWish
from pdlease.client.states import State
from pdlease.config.advice import advice
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.messages import Message
from pdlease.wire.options import ElapsedTime, OptionRequest, ReconfigureAccept, Status
from pdlease.wire.prefixes import IAPrefix, PDExclude
from tests.conformance.test_reconfigure import key, reconfigure
from tests.house import ONE, OWN, House
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

ASKING = (MessageType.SOLICIT, MessageType.REQUEST, MessageType.RENEW, MessageType.REBIND)


def one_of_each(**more: object) -> dict[MessageType, Message]:
    """One message of each type, the associations 1 and 2 wanted, 1 held."""
    wanted = settings(1, 2, **more) if "wishes" not in more else settings(**more)
    c = Conversation(wanted)
    c.link_up()
    c.advertise(GOOD, preference=255)
    c.reply(GOOD)
    c.until_sent(MessageType.REBIND)
    return {MessageType(message.message_type): message for _, message in c.sent}


def codes_asked(message: Message) -> tuple[int, ...]:
    """The codes in the option request of a message."""
    request = message.option(OptionRequest)
    return () if request is None else request.codes


class ConstructionTests(SynchronousTestCase):
    def test_request(self) -> None:
        """
        R-18.2.2-01, R-18.2.2-02, R-18.2.2-04: identifiers, elapsed time, option request, all associations, a new
        transaction, no Rapid Commit.
        """
        sent = one_of_each(rapid_commit=True)
        request = sent[MessageType.REQUEST]
        self.assertEqual((request.server_id, request.client_id), (SERVER, CLIENT))
        self.assertIn(OptionCode.SOL_MAX_RT, codes_asked(request))
        self.assertEqual([ia.iaid for ia in request.ia_pds], [1, 2])
        self.assertFalse(request.rapid_commit)
        self.assertEqual(request.options_of(ElapsedTime), (ElapsedTime(0),))
        self.assertNotEqual(request.transaction_id, sent[MessageType.SOLICIT].transaction_id)

    def test_request_names_the_offer(self) -> None:
        """R-18.2.2-03: the Request names the advertised prefix, lifetimes 0; another one in the Reply is accepted."""
        c = Conversation()
        c.link_up()
        c.advertise(GOOD, preference=255)
        (named,) = c.last.ia_pds[0].prefixes
        self.assertEqual((str(named.network), named.preferred, named.valid), (PREFIX, 0, 0))
        c.reply(association(1, prefix(SECOND)))
        self.assertEqual((c.state, c.held), (State.BOUND, [SECOND]))

    def test_request_gives_up(self) -> None:
        """R-18.2.2-05: ten Requests without an answer, no other server known: discovery begins again."""
        c = Conversation()
        c.link_up()
        c.advertise(GOOD, preference=255)
        c.until_sent(MessageType.SOLICIT)
        self.assertEqual(len(c.times(MessageType.REQUEST)), 10)
        self.assertIs(c.state, State.SOLICITING)

    def test_renew(self) -> None:
        """R-18.2.4-01, R-18.2.4-02, R-18.2.4-04: Renew to the server, with each association and all it holds."""
        both = (association(1, prefix()), association(2, prefix(SECOND), prefix("2001:db8:300::/60")))
        c = bound(*both, wanted=settings(1, 2))
        renew = c.until_sent(MessageType.RENEW)
        self.assertEqual((renew.server_id, renew.client_id), (SERVER, CLIENT))
        self.assertEqual((renew.options_of(ElapsedTime), c.now), ((ElapsedTime(0),), 2000.0))
        self.assertEqual((names(renew, 1), names(renew, 2)), ([PREFIX], [SECOND, "2001:db8:300::/60"]))

    def test_renew_to_the_last(self) -> None:
        """R-18.2.4-02: after a Rebind that another server answered the next Renew carries that server's DUID."""
        c = bound()
        c.until_sent(MessageType.REBIND)
        c.reply(GOOD, server=OTHER)
        renew = c.until_sent(MessageType.RENEW)
        self.assertEqual((renew.server_id, names(renew)), (OTHER, [PREFIX]))
        c = bound(GOOD, association(2, prefix(SECOND)), wanted=settings(1, 2))
        c.until_sent(MessageType.REBIND)
        c.reply(association(2, prefix(SECOND), t1=100, t2=200), server=OTHER)
        renew = c.until_sent(MessageType.RENEW)
        self.assertEqual((renew.server_id, names(renew, 1), names(renew, 2)), (OTHER, [], [SECOND]))

    def test_renew_without_what_is_over(self) -> None:
        """R-18.2.4-05: a prefix that a Renew Reply left out, and whose valid lifetime is over, is in no later Renew."""
        c = bound(association(1, prefix(preferred=1400, valid=1500), prefix(SECOND), t1=1000, t2=1200))
        self.assertEqual(names(c.until_sent(MessageType.RENEW)), [PREFIX, SECOND])
        c.reply(association(1, prefix(SECOND)))
        self.assertEqual(c.held, [PREFIX, SECOND])
        self.assertEqual(names(c.until_sent(MessageType.RENEW)), [SECOND])
        self.assertEqual((c.now, c.held), (3000.0, [SECOND]))

    def test_rebind_takes_over(self) -> None:
        """
        R-18.2.4-10: the last Renew goes out before T2, at T2 Rebind follows at once, with an id of its own, to
        everybody, its elapsed time beginning at 0; no Renew after that.
        """
        for seed in range(20):
            c = bound(seed=seed)
            c.until_sent(MessageType.REBIND)
            self.assertEqual((c.now, c.last.server_id, c.last.option(ElapsedTime)), (3000.0, None, ElapsedTime(0)))
            self.assertLess(c.times(MessageType.RENEW)[-1], 3000.0)
            self.assertNotIn(c.last.transaction_id, {message.transaction_id for _, message in c.sent[:-1]})
            count = len(c.times(MessageType.RENEW))
            c.wait(1900)
            self.assertEqual(len(c.times(MessageType.RENEW)), count)

    def test_option_request_everywhere(self) -> None:
        """R-18.2.4-03, R-21.7-03: what is wanted is listed in Solicit, Request, Renew and Rebind alike."""
        sent = one_of_each(requested_options=(82, 67, 23))
        self.assertEqual({codes_asked(sent[kind]) for kind in ASKING}, {(82, 67, 23)})

    def test_option_request_bounds(self) -> None:
        """
        R-21.7-01, R-21.7-02: by itself the client requests none of the codes that must not be requested, nor a part of
        another option but PD_EXCLUDE; what the operator lists is requested as it is, with a warning.
        """
        banned = {*range(1, 10), *range(11, 17), 18, 19, 20, 25, 26, *range(89, 94)}
        for message in one_of_each(rapid_commit=True, reconfigure=True).values():
            self.assertEqual(banned & set(codes_asked(message)), set())
            self.assertEqual(codes_asked(message), (82, 67))
        house = House(ONE.replace("solicit_delay", "request_options = [11, 89, 94]\nsolicit_delay"))
        house.add_links()
        house.begin().wait(4000)
        self.assertLessEqual({"SOLICIT", "REQUEST", "RENEW"}, set(house.types()))
        self.assertEqual({codes_asked(message) for _, _, message in house.sent}, {(82, 67, 11, 89, 94)})
        self.assertEqual([str(each).partition("list ")[2][:2] for each in advice(house.config)][:1], ["11"])
        self.assertEqual(len(advice(house.config)), 2)

    def test_refresh_time_is_not_requested(self) -> None:
        """R-21.23-01: code 32 is in no option request but that of Information-request, even where it was listed."""
        for listed in ((82, 67), (82, 67, 32), (32, 82)):
            c = Conversation(settings(reconfigure=True, requested_options=listed))
            c.link_up()
            c.advertise(GOOD, preference=255)
            c.reply(GOOD, ReconfigureAccept(), key())
            c.wait(5)
            c.hear(reconfigure(11))
            c.until_sent(MessageType.INFORMATION_REQUEST)
            self.assertEqual(codes_asked(c.last).count(32), 1)
            c.reply()
            c.until_sent(MessageType.SOLICIT)
            others = [m for _, m in c.sent if m.message_type != MessageType.INFORMATION_REQUEST]
            self.assertEqual({m.message_type for m in others}, set(ASKING))
            self.assertEqual({code for m in others for code in codes_asked(m)}, set(listed) - {32})

    def test_strict_server(self) -> None:
        """R-21.7-03: a server that gives what is requested and nothing else still gives DNS servers at a Renew."""
        house = House(ONE.replace("solicit_delay", "request_options = [23]\nsolicit_delay"))
        house.server.terms = evolve(house.server.terms, dns=(IPv6Address("2001:db8::53"),))
        house.add_links()
        house.begin().wait(3)
        told = house.told("information")
        self.assertEqual(len(told), 1)
        for kind in ("RENEW", "REBIND"):
            if kind == "REBIND":
                house.uplink().ask(Request.REBIND)
            house.wait(2000)
            self.assertIn(kind, house.types())
            self.assertEqual((house.told("information"), len(house.uplink().session.information)), (told, 1))

    def test_renew_lists_only_its_server(self) -> None:
        """R-18.2.4-05, R-18.2.10-07: what another server gave, or what is over, is not in a Renew, but in a Rebind."""
        c = bound(GOOD, association(2, prefix(SECOND)), wanted=settings(1, 2))
        c.until_sent(MessageType.REBIND)
        c.reply(association(1, prefix(), t1=100, t2=200), server=OTHER)
        self.assertEqual((c.state, c.held), (State.BOUND, [PREFIX, SECOND]))
        renew = c.until_sent(MessageType.RENEW)
        self.assertEqual((renew.server_id, names(renew, 1), names(renew, 2)), (OTHER, [PREFIX], []))
        rebind = c.until_sent(MessageType.REBIND)
        self.assertEqual((names(rebind, 1), names(rebind, 2)), ([PREFIX], [SECOND]))

    def test_renew_server_without_prefix(self) -> None:
        """R-18.2.4-05: when nothing of the last server is left, Renew goes to the one whose prefixes are held."""
        c = bound(
            association(1, prefix(preferred=9000, valid=9000), t1=1000, t2=2000),
            association(2, prefix(SECOND, 9000, 9000)),
            wanted=settings(1, 2),
        )
        c.link_up()
        c.until_sent(MessageType.REBIND)
        c.reply(association(1, prefix(preferred=50, valid=60), t1=60, t2=60), server=OTHER)
        renew = c.until_sent(MessageType.RENEW)
        self.assertEqual((renew.server_id, names(renew, 1), names(renew, 2)), (SERVER, [], [SECOND]))

    def test_associations_without_lease(self) -> None:
        """R-18.2.4-06, R-18.2.4-07: what got nothing is in Renew and Rebind again, empty or with the wished length."""
        for hint, expected in ((None, []), (56, ["::/56"])):
            wishes = (IAWish(iaid=1), IAWish(iaid=2, hint_length=hint))
            sent = one_of_each(wishes=wishes)
            for kind in (MessageType.RENEW, MessageType.REBIND):
                self.assertEqual(names(sent[kind], 2), expected)

    def test_upstream_change_renews(self) -> None:
        """R-18.2.12-04: the upstream's prefixes changed: Renew before T1."""
        c = bound()
        c.wait(10)
        c.happen(UpstreamChanged())
        self.assertEqual((c.types()[-1], c.now), ("RENEW", 1010.0))

    def test_own_address_changes(self) -> None:
        """
        R-18.2.4-09, R-8987-05: the link-local address that the server knows is gone and another one there: Renew at
        once, whether or not Reconfigure was agreed upon; if there is none for a while: Rebind as soon as there is.
        """
        for text in (ONE, ONE.replace("solicit_delay", "reconfigure = true\nsolicit_delay")):
            house = House(text)
            house.add_links()
            house.begin().wait(100)
            count = len(house.sent)
            house.kernel.add_foreign_address("eth0", "fe80::2/64")
            house.kernel._drop_address((house.line().index, OWN))
            house.wait(1)
            self.assertEqual(house.types()[count:], ["RENEW"])
            house.wait(100)
            house.kernel._drop_address((house.line().index, IPv6Address("fe80::2")))
            house.wait(10)
            self.assertEqual(house.uplink().session.state.name, "DOWN")
            house.kernel.add_foreign_address("eth0", "fe80::3/64")
            house.wait(1.5)
            self.assertEqual(house.types()[count:], ["RENEW", "REBIND"])

    def test_rebind(self) -> None:
        """R-18.2.5-01: Rebind is Renew without Server Identifier."""
        sent = one_of_each()
        renew, rebind = sent[MessageType.RENEW], sent[MessageType.REBIND]
        self.assertIsNone(rebind.server_id)
        self.assertEqual(renew.ia_pds, rebind.ia_pds)
        self.assertEqual(
            [o.code for o in rebind.options], [o.code for o in renew.options if o.code != OptionCode.SERVER_ID]
        )

    def test_rebind_keeps_expired_association(self) -> None:
        """R-18.2.5-02, R-18.2.5-03, R-EXP-02: an association whose lease is over stays in Rebind, empty."""
        c = bound(
            association(1, prefix(preferred=250, valid=300), t1=100, t2=200),
            association(2, prefix(SECOND, 250, 600), t1=100, t2=200),
            wanted=settings(1, 2),
        )
        start = c.now
        c.until(start + 300)
        rebind = c.until_sent(MessageType.REBIND)
        self.assertEqual((names(rebind, 1), names(rebind, 2)), ([], [SECOND]))
        c.until_sent(MessageType.SOLICIT)
        self.assertEqual(c.now - start, 600)

    def test_length_wish_while_bound(self) -> None:
        """R-8168-04, R-8168-09: the wish goes with what is held only while that is smaller; the held one stays used."""
        for given, expected in (("2001:db8::/56", ["2001:db8::/56"]), ("2001:db8::/60", ["2001:db8::/60", "::/56"])):
            c = bound(association(1, prefix(given)), wanted=settings(wishes=(IAWish(iaid=1, hint_length=56),)))
            self.assertEqual(names(c.last), expected)
            self.assertEqual(names(c.until_sent(MessageType.RENEW)), expected)
            c.reply(association(1, prefix(given)))
            self.assertEqual((c.held, c.state), ([given], State.BOUND))
            self.assertEqual(names(c.until_sent(MessageType.REBIND)), expected)

    def test_other_length_at_run_time(self) -> None:
        """R-8168-08: another length wished while bound: Renew at once, with what is held and the new wish."""
        c = bound()
        changed = settings(wishes=(IAWish(iaid=1, hint_length=48),))
        c.happen(NewSettings(changed))
        self.assertEqual((c.types()[-1], names(c.last)), ("RENEW", [PREFIX, "::/48"]))
        self.assertEqual(c.held, [PREFIX])

    def test_same_settings_again(self) -> None:
        """R-18.2.12-06: settings that wish for the same start nothing."""
        c = bound()
        c.happen(NewSettings(evolve(c.session.settings, rapid_commit=True)))
        self.assertEqual((c.state, len(c.sent)), (State.BOUND, 1))

    def test_association_dropped_from_settings(self) -> None:
        """R-12-02: an association no longer wished for is dropped without a Release, the others are left alone."""
        c = bound(GOOD, association(2, prefix(SECOND)), wanted=settings(1, 2))
        c.happen(NewSettings(settings(2)))
        self.assertEqual((c.held, c.types()[-1]), ([SECOND], "RENEW"))
        c.happen(NewSettings(settings(3)))
        self.assertEqual((c.held, c.types()[-1], [ia.iaid for ia in c.last.ia_pds]), ([], "SOLICIT", [3]))

    def test_never_confirm_nor_decline(self) -> None:
        """R-18.2.3-01, R-18.2.8-01: neither Confirm nor Decline is ever sent, through flaps and refusals."""
        c = bound()
        for _ in range(5):
            c.link_down()
            c.wait(3)
            c.link_up()
            c.wait(30)
            if c.last.message_type == MessageType.REBIND and c.state in {State.CONFIRMING, State.REBINDING}:
                c.reply(association(1, Status(1)))
        self.assertEqual(set(c.types()) & {"CONFIRM", "DECLINE"}, set())

    def test_numbers_are_zero(self) -> None:
        """R-21.22-02: T1, T2 and lifetimes are 0 in every message."""
        c = bound(wanted=settings(wishes=(IAWish(iaid=1, hint_length=48),)))
        c.until_sent(MessageType.REBIND)
        c.link_down()
        c.link_up()
        c.wait(2)
        c.ask(Request.SOLICIT)
        c.advertise(GOOD, preference=255)
        c.reply(GOOD)
        c.ask(Request.RELEASE)
        self.assertEqual(set(c.types()), {"SOLICIT", "REQUEST", "RENEW", "REBIND", "RELEASE"})
        for _, message in c.sent:
            for ia in message.ia_pds:
                self.assertEqual((ia.t1, ia.t2), (0, 0))
                self.assertTrue(ia.prefixes)
                self.assertTrue(all((p.preferred, p.valid) == (0, 0) for p in ia.prefixes))

    def test_no_exclusion_inside(self) -> None:
        """PDX-07: a PD_EXCLUDE that was received is not echoed in Request, Renew or Rebind."""
        excluded = prefix(PREFIX, 3000, 4000, PDExclude(64, b"\x00"))
        c = Conversation()
        c.link_up()
        c.advertise(association(1, excluded), preference=255)
        c.reply(association(1, excluded))
        self.assertEqual(str(c.session.lease.prefixes[0].excluded), "2001:db8:100::/64")
        c.until_sent(MessageType.REBIND)
        for _, message in c.sent[1:]:
            (named,) = message.ia_pds[0].options
            self.assertEqual(named, IAPrefix(0, 0, 56, named.prefix, ()))  # type: ignore[attr-defined]

    def test_willingness_everywhere(self) -> None:
        """R-21.20-01: Reconfigure Accept in Solicit, Request, Renew, Rebind if willing, in none if not."""
        for willing in (True, False):
            sent = one_of_each(reconfigure=willing)
            for kind in ASKING:
                self.assertEqual(sent[kind].option(ReconfigureAccept) is not None, willing)
