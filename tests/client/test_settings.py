"""
Tests for L{pdlease.client.settings}: what settings do in a conversation, beyond the rows of the requirements.
"""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import LeaseChanged, NewSettings, Remembered, Request
from pdlease.client.reasons import Change
from pdlease.client.session import Session
from pdlease.client.settings import Chance, ExtraOption, IAWish
from pdlease.client.states import State
from pdlease.lease import ReconfigureKey
from pdlease.wire.codes import MessageType
from pdlease.wire.duid import DUID
from pdlease.wire.messages import encode
from pdlease.wire.options import ClientId, InfMaxRt, Preference, ServerId, Status, VendorClass
from tests.scenarios.conversation import (
    CLIENT,
    PREFIX,
    Conversation,
    association,
    bound,
    chance,
    names,
    prefix,
    settings,
)

GOOD = association(1, prefix())

SOLICIT_OF_THE_ORIGINAL = """
    01 a1 b2 c3
    00 01 00 12  00 04 00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff
    00 19 00 29  00 00 00 00  00 00 00 00  00 00 00 00
      00 1a 00 19  00 00 00 00  00 00 00 00  3b  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    00 06 00 04  00 52 00 53
    00 08 00 02  00 00
    00 0e 00 00
    00 10 00 17  00 00 75 cb  00 11  4f 70 65 6e 42 53 44 20 37 2e 35 20 61 6d 64 36 34
"""

REQUEST_OF_THE_ORIGINAL = """
    03 a1 b2 c3
    00 01 00 12  00 04 00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff
    00 02 00 0a  00 03 00 01 52 54 00 12 34 56
    00 19 00 29  00 00 00 00  00 00 00 00  00 00 00 00
      00 1a 00 19  00 00 00 00  00 00 00 00  3b  20 01 0d b8 00 00 00 20 00 00 00 00 00 00 00 00
    00 06 00 04  00 52 00 53
    00 08 00 02  00 64
    00 10 00 17  00 00 75 cb  00 11  4f 70 65 6e 42 53 44 20 37 2e 35 20 61 6d 64 36 34
"""


class LayoutTests(SynchronousTestCase):
    def test_layout_of_the_original(self) -> None:
        """Options can be ordered as dhcp6leased orders them: its Solicit and Request byte for byte."""
        server = DUID(bytes.fromhex("00030001525400123456"))
        wanted = settings(
            duid=DUID(bytes.fromhex("000400112233445566778899aabbccddeeff")),
            wishes=(IAWish(iaid=0, hint_length=59),),
            rapid_commit=True,
            requested_options=(82, 83),
            extra_options=(ExtraOption(option=VendorClass(30155, (b"OpenBSD 7.5 amd64",))),),
            option_order=(1, 2, 25, 6, 8, 14, 16),
        )
        c = Conversation(wanted)
        always = Chance(random=lambda: 0.5, transaction_id=lambda: 0xA1B2C3)
        c.session = Session.begin(wanted, always)
        c.link_up()
        self.assertEqual(encode(c.last), bytes.fromhex(SOLICIT_OF_THE_ORIGINAL))
        advertise = evolve(
            c.message(MessageType.ADVERTISE, server=server),
            options=(
                ClientId(wanted.duid),
                ServerId(server),
                Preference(255),
                association(0, prefix("2001:db8:0:20::/59")),
            ),
        )
        c.hear(advertise)
        c.wait(1.0)
        self.assertEqual(encode(c.last), bytes.fromhex(REQUEST_OF_THE_ORIGINAL))


class StagedLengthTests(SynchronousTestCase):
    def soliciting(self) -> Conversation:
        """A conversation that would like a /48, or else a /56, or else a /60."""
        c = Conversation(settings(wishes=(IAWish(iaid=1, hint_length=48, further_lengths=(56, 60)),)))
        c.link_up()
        return c

    def test_next_length_after_refusal(self) -> None:
        """A server that has no prefix of the length asked for is asked for the next, and then the first again."""
        c = self.soliciting()
        asked = [names(c.last)]
        for _ in range(4):
            c.advertise(association(1, Status(6)))
            c.advertise(association(1, Status(6)))
            asked.append(names(c.until_sent(MessageType.SOLICIT)))
        self.assertEqual(asked, [["::/48"], ["::/56"], ["::/60"], ["::/48"], ["::/56"]])

    def test_silence_is_no_refusal(self) -> None:
        """Silence, or another failure, leaves the length as it is."""
        c = self.soliciting()
        c.until_sent(MessageType.SOLICIT)
        c.advertise(association(1, Status(1)))
        self.assertEqual(names(c.until_sent(MessageType.SOLICIT)), ["::/48"])

    def test_long_silence(self) -> None:
        """Four Solicits without an offer, answered by nothing of use or by nobody: the next length is asked for."""
        for answers in (False, True):
            c = self.soliciting()
            asked = [names(c.last)]
            while len(asked) < 13:
                if answers:
                    c.advertise(association(1, Status(1)))
                asked.append(names(c.until_sent(MessageType.SOLICIT)))
            lengths = [length for length in ("::/48", "::/56", "::/60", "::/48") for _ in range(4)]
            self.assertEqual(asked, [[length] for length in lengths[:13]])

    def test_refusal_begins_anew(self) -> None:
        """After a refusal the next length has four tries of its own."""
        c = self.soliciting()
        c.until_sent(MessageType.SOLICIT)
        c.until_sent(MessageType.SOLICIT)
        c.advertise(association(1, Status(6)))
        asked = [names(c.until_sent(MessageType.SOLICIT)) for _ in range(5)]
        self.assertEqual(asked, [["::/56"]] * 4 + [["::/60"]])

    def test_no_wish(self) -> None:
        """Without a first length there are no further ones."""
        self.assertIsNone(IAWish(iaid=1, further_lengths=(56,)).length(3))


class NewSettingsTests(SynchronousTestCase):
    def test_other_duid(self) -> None:
        """R-11-10: another DUID: what the old one held is dropped, nothing of it is asked for, discovery begins."""
        for stage in (None, MessageType.RENEW, MessageType.REBIND):
            c = bound()
            if stage is not None:
                c.until_sent(stage)
            other = DUID.from_uuid(bytes(16))
            c.happen(NewSettings(settings(duid=other)))
            self.assertEqual((c.held, c.state), ([], State.SOLICITING))
            self.assertEqual((c.last.message_type, c.last.client_id, names(c.last)), (1, other, []))
            self.assertEqual(c.of(LeaseChanged), [LeaseChanged(c.session.lease, Change.DROPPED)])

    def test_other_duid_forgets(self) -> None:
        """R-11-10: with another DUID neither key nor undated lease of the old one is kept; with the same both are."""
        key = ReconfigureKey(server=DUID(b"\0\2k"), secret=bytes(16), replay=1)
        for duid, kept in ((DUID.from_uuid(bytes(16)), False), (CLIENT, True)):
            c = Conversation()
            lease = bound().session.lease
            c.session = Session.begin(settings(), chance(), suspect=lease, key=key)
            c.happen(NewSettings(settings(1, 2, duid=duid)))
            self.assertEqual((c.session.suspect, c.session.key), (lease, key) if kept else (None, None))
            c.happen(NewSettings(settings(2, duid=duid)))
            c.link_up()
            self.assertEqual(c.types(), ["SOLICIT"])
            self.assertEqual(len(c.of(Remembered)), 0 if kept else 1)

    def test_while_down(self) -> None:
        """Other settings while the link is down are in force when it comes up."""
        c = bound()
        c.link_down()
        c.happen(NewSettings(settings(2)))
        self.assertEqual((c.held, c.state), ([], State.DOWN))
        c.link_up()
        self.assertEqual([ia.iaid for ia in c.until_sent(MessageType.SOLICIT).ia_pds], [2])

    def test_renumbering_by_command(self) -> None:
        """R-12-03: a distinctly new prefix: Release under the old IAID, then Solicit under a new one."""
        c = bound()
        c.ask(Request.RELEASE)
        c.reply()
        c.happen(NewSettings(settings(9)))
        c.ask(Request.SOLICIT)
        self.assertEqual(([ia.iaid for ia in c.last.ia_pds], names(c.last, 9)), ([9], []))

    def test_rate_limit(self) -> None:
        """R-14.1-02: another limit holds at once, and what was sent before still counts."""
        c = Conversation(settings(rate_limit=(1, 20.0)))
        c.link_up()
        c.happen(NewSettings(settings(rate_limit=(2, 20.0))))
        self.assertEqual(len(c.session.rate.sent_at), 1)
        c.wait(1.2)
        self.assertEqual(len(c.sent), 2)


class WhatIsShownTests(SynchronousTestCase):
    def test_server(self) -> None:
        """The server shown is the one that is asked, else the one of the lease."""
        c = Conversation()
        self.assertIsNone(c.session.server)
        c.link_up()
        c.advertise(GOOD, preference=255)
        asked = c.session.server
        c.reply(GOOD)
        self.assertEqual((asked, c.session.server), (c.last.server_id, c.last.server_id))

    def test_next_message(self) -> None:
        """The next message is foretold in every state: kind and time."""
        c = bound()
        self.assertEqual(c.session.next_message, (MessageType.RENEW, 2000.0))
        c.until_sent(MessageType.RENEW)
        kind, at = c.session.next_message or (None, 0.0)
        self.assertEqual((kind, 2009 <= at <= 2011), (MessageType.RENEW, True))
        while c.now < 2990 and (c.session.due or 3000.0) < 3000.0:
            c.until(c.session.due or 0.0)
        self.assertEqual(c.session.next_message, (MessageType.REBIND, 3000.0))
        c.link_down()
        self.assertIsNone(c.session.next_message)
        c = bound(association(1, prefix(), t1=1000, t2=1000))
        self.assertEqual(c.session.next_message, (MessageType.REBIND, 2000.0))
        c = bound(association(1, prefix(), t1=4000, t2=4000))
        self.assertEqual(c.session.next_message, (MessageType.SOLICIT, 5000.0))

    def test_next_message_at_an_end(self) -> None:
        """Where an exchange ends before it would send again, what follows is foretold."""
        c = bound()
        c.wait(5)
        c.link_up()
        c.wait(9.5)
        self.assertEqual(c.session.next_message, (MessageType.REBIND, 1015.0))
        c = bound()
        c.until_sent(MessageType.REBIND)
        while (c.session.due or 5000.0) < 5000.0:
            c.until(c.session.due or 0.0)
        self.assertEqual(c.session.next_message, (MessageType.SOLICIT, 5000.0))

    def test_explanations(self) -> None:
        """Every state has its sentence: why, and what comes next."""
        c = Conversation()
        self.assertEqual(c.session.explain(c.now), "the link has not been up yet")
        c = Conversation(settings(solicit_delay=True))
        c.link_up()
        self.assertIn("the link came up, next Solicit in ", c.session.explain(c.now))
        c = bound()
        self.assertRegex(
            c.session.explain(c.now), r"^server [0-9a-f]+ gave the prefixes .*, next Renew in 16 min 40 s$"
        )
        c.until_sent(MessageType.RENEW)
        self.assertRegex(c.session.explain(c.now), r"^waiting: T1 passed, next Renew in (9|10|11) s$")
        c.reply(association(1, Status(6, "pool is empty")))
        self.assertIn("NoPrefixAvail (pool is empty); the prefixes are kept", c.session.explain(c.now))

    def test_information_maximum(self) -> None:
        """R-21.25-01, A.3: INF_MAX_RT is taken from Advertises that agree and from Replies, and kept."""
        c = Conversation()
        c.link_up()
        c.advertise(InfMaxRt(600), GOOD)
        self.assertEqual(c.session.inf_max_rt, 600)
        c.advertise(InfMaxRt(700), GOOD, server=DUID(b"\0\2x"))
        self.assertEqual(c.session.inf_max_rt, None)
        c.until_sent(MessageType.REQUEST)
        c.reply(InfMaxRt(900), GOOD)
        self.assertEqual(c.session.inf_max_rt, 900)
        self.assertEqual([e.inf_max_rt for e in c.of(Remembered)], [600, None, 900])

    def test_later_ignored_advertises(self) -> None:
        """What a server without a prefix says does not hide that another's offer is there."""
        c = Conversation()
        c.link_up()
        c.advertise(GOOD)
        before = c.session.explain(c.now)
        c.advertise(association(1, Status(6)), server=DUID(b"\0\2x"))
        self.assertEqual(c.session.explain(c.now), before)
        self.assertIn("collecting offers", before)

    def test_held_off_beside_an_offer(self) -> None:
        """R-14.1-04: nor does the offer of a server that is held off."""
        c = Conversation()
        c.link_up()
        c.advertise(GOOD, preference=255)
        c.reply(association(1, Status(6)))
        c.advertise(GOOD, server=DUID(b"\0\2x"))
        before = c.session.explain(c.now)
        c.advertise(GOOD)
        self.assertEqual((c.session.explain(c.now), len(c.session.offers)), (before, 1))

    def test_everything_withdrawn_by_request(self) -> None:
        """R-18.2.10.1-04: after NoBinding the Request is answered by lifetimes 0: gone at once, Solicit naming it."""
        c = bound()
        c.until_sent(MessageType.RENEW)
        c.reply(association(1, Status(3)))
        c.reply(association(1, prefix(preferred=0, valid=0)))
        self.assertEqual((c.held, c.types()[-1], names(c.last)), ([], "SOLICIT", [PREFIX]))
        self.assertEqual(c.session.hold_offs, ())

    def test_chance_is_only_asked_when_needed(self) -> None:
        """R-16.1-01: one transaction id is drawn for each exchange begun, none for steps that begin none."""
        drawn: list[int] = []
        source = chance()

        def draw() -> int:
            drawn.append(source.transaction_id())
            return drawn[-1]

        c = Conversation()
        c.session = Session.begin(settings(), Chance(random=source.random, transaction_id=draw))
        c.link_up()
        c.wait(100)
        c.advertise(GOOD)
        c.reply(GOOD)
        c.wait(500)
        self.assertEqual(drawn, [c.sent[0][1].transaction_id, c.last.transaction_id])
