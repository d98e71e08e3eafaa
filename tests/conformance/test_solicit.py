"""
Section C.5: Solicit.
"""

from __future__ import annotations

from ipaddress import IPv6Network

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import LeaseChanged, Request, Send, UpstreamChanged
from pdlease.client.reasons import Change, DiscardReason
from pdlease.client.session import Session
from pdlease.client.settings import ExtraOption, IAWish
from pdlease.client.states import State
from pdlease.config.advice import advice
from pdlease.sources import chance
from pdlease.wire.chain import OpaqueOption
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.messages import Message
from pdlease.wire.options import ElapsedTime, OptionRequest, RapidCommit, ReconfigureAccept, Status, UserClass
from pdlease.wire.prefixes import IAPrefix
from tests.conformance.test_reconfigure import key, reconfigure
from tests.house import ONE, House, Line
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

GOOD = association(1, prefix())


def first(**more: object) -> Message:
    """The first Solicit under some settings."""
    c = Conversation(settings(**more))
    c.link_up()
    return c.last


def one_of_each(**more: object) -> list[Message]:
    """Messages of every type, with Information-request if Reconfigure is accepted; two associations, one held."""
    c = Conversation(settings(1, 2, **more))
    c.link_up()
    given = (ReconfigureAccept(), key(), association(1, prefix(preferred=9000, valid=9000)))
    c.advertise(*given, preference=255)
    c.reply(*given)
    c.wait(5)
    if more.get("reconfigure"):
        c.hear(reconfigure(11))
        c.until_sent(MessageType.INFORMATION_REQUEST)
        c.reply()
    c.until_sent(MessageType.REBIND)
    c.ask(Request.RELEASE)
    return [message for _, message in c.sent]


def wishing(*wishes: IAWish) -> tuple[IAWish, ...]:
    """Wishes, as settings take them."""
    return wishes


class SolicitTests(SynchronousTestCase):
    def test_old_prefix_is_given_up_first(self) -> None:
        """R-18-01: a new search while bound: the prefix is given up before the first Solicit, which names it."""
        c = bound()
        c.ask(Request.SOLICIT)
        kinds = [type(effect) for _, effect in c.effects]
        self.assertLess(kinds.index(LeaseChanged), kinds.index(Send))
        self.assertEqual((c.of(LeaseChanged)[0].change, c.held, names(c.last)), (Change.GIVEN_UP, [], [PREFIX]))

    def test_old_prefix_is_gone_from_the_links(self) -> None:
        """R-18-01: when the first Solicit of a new search goes out, no address of the old prefix is left downstream."""
        house = House()
        house.add_links()
        house.begin().wait(3)
        self.assertEqual(len(house.addresses()), 1)
        seen = []
        carry = house.carry

        def look(line: Line, data: bytes, size: int) -> int:
            seen.append((data[0], house.addresses()))
            return carry(line, data, size)

        house.carry = look  # type: ignore[method-assign]
        house.uplink().ask(Request.SOLICIT)
        self.assertEqual(seen, [(MessageType.SOLICIT, {})])

    def test_one_message_for_all(self) -> None:
        """R-18.1-01: one Solicit for all associations of the uplink."""
        c = Conversation(settings(1, 2, 3))
        c.link_up()
        self.assertEqual(([ia.iaid for ia in c.last.ia_pds], len(c.sent)), ([1, 2, 3], 1))

    def test_header(self) -> None:
        """R-18.2.1-01, R-18.2.1-02, R-18.2.1-03, R-18.2.1-04: type, Client Identifier, no Server Identifier, time 0."""
        solicit = first()
        self.assertEqual(
            (solicit.message_type, solicit.client_id, solicit.server_id, solicit.option(ElapsedTime)),
            (1, CLIENT, None, ElapsedTime(0)),
        )
        one, two = Conversation(seed=1), Conversation(seed=2)
        one.link_up()
        two.link_up()
        self.assertNotEqual(one.last.transaction_id, two.last.transaction_id)

    def test_option_request(self) -> None:
        """R-18.2.1-05, PDX-01: the option request names SOL_MAX_RT and PD_EXCLUDE."""
        request = first().option(OptionRequest)
        assert request is not None
        self.assertEqual(request.codes, (OptionCode.SOL_MAX_RT, OptionCode.PD_EXCLUDE))

    def test_associations(self) -> None:
        """R-18.2.1-06, R-21.22-01, R-21.22-02: an IA_PD for each association, T1 = T2 = 0, without a wish empty."""
        c = Conversation(settings(5, 0, 0xFFFFFFFF))
        c.link_up()
        self.assertEqual(
            [(ia.iaid, ia.t1, ia.t2, ia.options) for ia in c.last.ia_pds],
            [
                (5, 0, 0, ()),
                (0, 0, 0, ()),
                (0xFFFFFFFF, 0, 0, ()),
            ],
        )

    def test_length_wish(self) -> None:
        """R-18.2.1-07, R-8168-01: a wish for a length: the prefix :: with it, lifetimes 0."""
        (ia,) = first(wishes=wishing(IAWish(iaid=1, hint_length=56))).ia_pds
        self.assertEqual(ia.options, (IAPrefix(0, 0, 56, bytes(16)),))

    def test_prefix_wish(self) -> None:
        """R-8168-02: a wish for a prefix by name."""
        wish = IAWish(iaid=1, hint_prefix=IPv6Network(PREFIX))
        (ia,) = first(wishes=wishing(wish)).ia_pds
        self.assertEqual(ia.options, (IAPrefix(0, 0, 56, IPv6Network(PREFIX).network_address.packed),))

    def test_both_wishes(self) -> None:
        """R-8168-03: the old prefix and a larger one: two IAPREFIX in the same IA_PD."""
        wish = IAWish(iaid=1, hint_prefix=IPv6Network(PREFIX), hint_length=48)
        self.assertEqual(names(first(wishes=wishing(wish))), [PREFIX, "::/48"])

    def test_old_prefix_after_expiry(self) -> None:
        """R-8168-02: after the lease ran out the old prefix is asked for by name, with the same IAID."""
        c = bound()
        solicit = c.until_sent(MessageType.SOLICIT)
        self.assertEqual(names(solicit, 1), [PREFIX])

    def test_old_prefix_after_a_restart(self) -> None:
        """R-8168-02: so it is when the lease ran out while the daemon was not running, or nothing was held any more."""
        held = bound().session.record.lease
        for lease, former in ((held, ()), (None, ((1, IPv6Network(PREFIX)),))):
            c = Conversation()
            c.now = 10_000.0
            c.session = Session.begin(settings(), c.session.chance, lease, former=former)
            c.link_up()
            self.assertEqual((c.types(), names(c.last, 1), c.held), (["SOLICIT"], [PREFIX], []))

    def test_no_other_options(self) -> None:
        """R-18.2.1-08: no message has any option but those that belong into it, by itself."""
        always = {OptionCode.CLIENT_ID, OptionCode.ELAPSED_TIME}
        asking = always | {OptionCode.OPTION_REQUEST, OptionCode.IA_PD}
        for willing in (False, True):
            accept = {OptionCode.RECONFIGURE_ACCEPT} if willing else set()
            rapid = {OptionCode.RAPID_COMMIT} if willing else set()
            allowed = {
                MessageType.SOLICIT: asking | rapid | accept,
                MessageType.REQUEST: asking | accept | {OptionCode.SERVER_ID},
                MessageType.RENEW: asking | accept | {OptionCode.SERVER_ID},
                MessageType.REBIND: asking | accept,
                MessageType.INFORMATION_REQUEST: always | accept | {OptionCode.OPTION_REQUEST, OptionCode.SERVER_ID},
                MessageType.RELEASE: always | {OptionCode.SERVER_ID, OptionCode.IA_PD},
            }
            seen = set()
            for message in one_of_each(rapid_commit=willing, reconfigure=willing):
                kind = MessageType(message.message_type)
                codes = [option.code for option in message.options]
                self.assertEqual(set(codes), allowed[kind], kind.name)
                self.assertEqual(len([code for code in codes if code != OptionCode.IA_PD]), len(allowed[kind] - {25}))
                inner = {option.code for ia in message.ia_pds for option in ia.options}
                innermost = {option.code for ia in message.ia_pds for named in ia.prefixes for option in named.options}
                self.assertTrue(inner <= {OptionCode.IA_PREFIX} and not innermost, kind.name)
                seen.add(kind)
            self.assertEqual(seen, set(allowed) if willing else set(allowed) - {MessageType.INFORMATION_REQUEST})

    def test_written_out_options(self) -> None:
        """R-18.2.1-08: what the operator wrote out is sent as written, in the messages named, with a warning."""
        house = House(ONE.replace("solicit_delay", 'raw_options = [{ code = 11, data = "0a0b" }]\nsolicit_delay'))
        house.add_links()
        house.begin()
        self.assertEqual(house.sent[0][2].options[-1].code, 11)
        self.assertTrue(house.line().sent[0][0].endswith(bytes.fromhex("000b00020a0b")))
        (warning,) = advice(house.config)
        self.assertIn("sent as written", str(warning))
        everywhere = ExtraOption(option=OpaqueOption(11, b"static"))
        once = ExtraOption(option=UserClass((b"fttx",)), message_types=(MessageType.REQUEST,))
        c = bound(GOOD, wanted=settings(extra_options=(everywhere, once)))
        self.assertEqual(c.last.options[-1], once.option)
        self.assertEqual(c.last.option(UserClass), once.option)
        renew = c.until_sent(MessageType.RENEW)
        self.assertEqual(renew.options[-1].code, 11)
        self.assertIsNone(renew.option(UserClass))

    def test_willingness(self) -> None:
        """R-18.2.1-09, R-18.2.1-10: Reconfigure Accept and Rapid Commit only where configured."""
        for willing in (False, True):
            solicit = first(rapid_commit=willing, reconfigure=willing)
            self.assertEqual(solicit.rapid_commit, willing)
            self.assertEqual(solicit.option(ReconfigureAccept) is not None, willing)

    def test_delay(self) -> None:
        """
        R-18.2.1-11: the first Solicit of each of 50 starts waits 0 to 1 s, spread over it; without the setting it does
        not wait.
        """
        delays = []
        for _ in range(50):
            c = Conversation(settings(solicit_delay=True))
            c.session = Session.begin(c.session.settings, chance())
            c.link_up()
            self.assertEqual(c.sent, [])
            c.until_sent(MessageType.SOLICIT)
            delays.append(c.now - 1000.0)
        self.assertTrue(0 <= min(delays) < 0.25 and 0.75 < max(delays) <= 1.0)
        self.assertTrue(10 <= sum(delay < 0.5 for delay in delays) <= 40)
        self.assertGreater(len(set(delays)), 45)
        c = Conversation(settings(solicit_delay=False))
        c.link_up()
        self.assertEqual(c.types(), ["SOLICIT"])

    def test_collection(self) -> None:
        """R-18.2.1-13, R-18.2.1-17: Advertises are collected for the whole first time; the preferred one is asked."""
        c = Conversation()
        c.link_up()
        c.wait(0.1)
        c.advertise(GOOD, preference=10)
        c.wait(0.8)
        c.advertise(GOOD, server=OTHER, preference=200)
        self.assertEqual(c.types(), ["SOLICIT"])
        self.assertIs(c.session.next_message[0] if c.session.next_message else None, MessageType.REQUEST)
        c.until_sent(MessageType.REQUEST)
        self.assertEqual(c.last.server_id, OTHER)
        self.assertTrue(1.0 < c.now - 1000.0 <= 1.1)

    def test_preference_255(self) -> None:
        """R-18.2.1-14: an Advertise of preference 255 is taken up at once."""
        c = Conversation()
        c.link_up()
        c.wait(0.1)
        c.advertise(GOOD, preference=255)
        self.assertEqual((c.types(), c.now), (["SOLICIT", "REQUEST"], 1000.1))
        c = Conversation()
        c.link_up()
        c.advertise(GOOD, preference=254)
        c.wait(0.3)
        self.assertEqual(c.types(), ["SOLICIT"])
        c.advertise(GOOD, server=OTHER, preference=255)
        self.assertEqual((c.types(), c.last.server_id), (["SOLICIT", "REQUEST"], OTHER))

    def test_preference_255_without_prefix(self) -> None:
        """R-18.2.1-15: preference 255 without a prefix does not end the collection, before or after a good offer."""
        for empty_first in (True, False):
            c = Conversation()
            c.link_up()
            for empty in (empty_first, not empty_first):
                if empty:
                    c.advertise(association(1, Status(6)), preference=255)
                else:
                    c.advertise(GOOD, server=OTHER, preference=0)
                c.wait(0.45)
                self.assertEqual(c.types(), ["SOLICIT"])
            c.wait(0.099)
            self.assertEqual(c.types(), ["SOLICIT"])
            c.wait(0.2)
            self.assertEqual((c.types(), c.last.server_id), (["SOLICIT", "REQUEST"], OTHER))

    def test_no_preference(self) -> None:
        """R-18.2.1-16: no Preference option is preference 0: the first of the equal ranks wins."""
        for order in ((None, 0), (0, None)):
            c = Conversation()
            c.link_up()
            for preference, server in zip(order, (SERVER, OTHER), strict=True):
                c.advertise(GOOD, server=server, preference=preference)
            self.assertEqual(c.until_sent(MessageType.REQUEST).server_id, SERVER)

    def test_later_rounds(self) -> None:
        """R-18.2.1-18: after a first round without any, the first valid Advertise is taken up at once."""
        c = Conversation()
        c.link_up()
        while len(c.sent) < 3:
            c.until(c.session.due or 0.0)
        c.advertise(GOOD, preference=0)
        c.advertise(GOOD, server=OTHER, preference=255)
        self.assertEqual(c.types(), ["SOLICIT"] * 3 + ["REQUEST"])
        self.assertEqual(c.last.server_id, SERVER)

    def test_limits(self) -> None:
        """R-18.2.1-19: without limits Solicit never fails; with MRD it stops, and a carrier flap restarts it."""
        c = Conversation(settings(solicit_duration=30.0))
        c.link_up()
        c.wait(29)
        self.assertIs(c.state, State.SOLICITING)
        c.wait(2)
        count = len(c.sent)
        self.assertIs(c.state, State.STOPPED)
        c.wait(10_000)
        self.assertEqual((len(c.sent), c.session.due), (count, None))
        c.link_down()
        c.link_up()
        self.assertEqual((c.state, len(c.sent)), (State.SOLICITING, count + 1))
        c = Conversation(settings(solicit_count=3))
        c.link_up()
        c.wait(10_000)
        self.assertEqual((len(c.sent), c.state), (3, State.STOPPED))

    def test_rapid_commit(self) -> None:
        """R-18.2.1-20: with Rapid Commit a Reply that has the option is used, one without is dropped."""
        c = Conversation(settings(rapid_commit=True))
        c.link_up()
        c.reply(GOOD)
        self.assertEqual((c.state, c.discards()), (State.SOLICITING, [DiscardReason.RAPID_COMMIT_MISSING]))
        c.reply(RapidCommit(), GOOD)
        self.assertEqual((c.state, c.held, c.types()), (State.BOUND, [PREFIX], ["SOLICIT"]))
        self.assertEqual([e.change for e in c.of(LeaseChanged)], [Change.GAINED])

    def test_rapid_commit_with_advertise_only(self) -> None:
        """R-18.2.1-21: no Reply by the end of the first time: the Advertises count."""
        c = Conversation(settings(rapid_commit=True))
        c.link_up()
        c.advertise(GOOD)
        c.wait(0.95)
        self.assertEqual(c.types(), ["SOLICIT"])
        c.wait(0.2)
        self.assertEqual(c.types(), ["SOLICIT", "REQUEST"])
        self.assertFalse(c.last.rapid_commit)

    def test_rapid_commit_race(self) -> None:
        """
        R-18.2.1-22: a Reply to the Solicit that comes after the Request was sent, before its Reply or after it, is
        dropped; one lease results.
        """
        for late_first in (True, False):
            c = Conversation(settings(rapid_commit=True))
            c.link_up()
            other = association(1, prefix("2001:db8:200::/56"))
            late = c.message(MessageType.REPLY, RapidCommit(), other, server=OTHER)
            c.advertise(GOOD)
            c.until_sent(MessageType.REQUEST)
            if late_first:
                c.hear(late)
                self.assertEqual((c.held, c.discards()), ([], [DiscardReason.TRANSACTION_ID]))
            c.reply(GOOD)
            if not late_first:
                c.hear(late)
                self.assertEqual(c.discards(), [DiscardReason.NOTHING_ASKED])
            self.assertEqual((c.held, c.session.lease.server), ([PREFIX], SERVER))
            self.assertEqual(len(c.of(LeaseChanged)), 1)

    def test_rapid_commit_not_asked_for(self) -> None:
        """R-18.2.1-23: a Reply to a Solicit that did not ask for it is dropped, option or not."""
        for options in ((GOOD,), (RapidCommit(), GOOD)):
            c = Conversation()
            c.link_up()
            c.reply(*options)
            self.assertEqual((c.state, c.discards()), (State.SOLICITING, [DiscardReason.RAPID_COMMIT_UNASKED]))

    def test_rapid_commit_refused(self) -> None:
        """R-18.2.1-20, R-18.2.9-06: a Reply without a prefix leaves the Solicit on its schedule."""
        c = Conversation(settings(rapid_commit=True))
        c.link_up()
        due = c.session.due
        c.reply(RapidCommit(), association(1, Status(6, "sold out")))
        self.assertEqual((c.state, c.session.due), (State.SOLICITING, due))
        self.assertIn("NoPrefixAvail (sold out)", c.session.explain(c.now))

    def test_upstream_speaks_again(self) -> None:
        """R-18.2.12-07: a router after silence restarts a backed-off Solicit at its first time, once in 30 s."""
        c = Conversation()
        c.link_up()
        c.wait(5000)
        c.forget()
        for _ in range(29):
            c.happen(UpstreamChanged())
            c.wait(1)
        at = c.times(MessageType.SOLICIT)[1:]
        self.assertLess(at[1] - at[0], 1.11)
        self.assertEqual([each for each in at if each - at[0] > 20], [])
        c.wait(5)
        self.assertEqual(len({m.transaction_id for _, m in c.sent[1:]}), 2)
