"""
Section C.3 and, as far as a session sees it, C.4: which messages may be looked at.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import Arrived, Discarded, LeaseChanged, Request
from pdlease.client.reasons import DiscardReason
from pdlease.client.states import State
from pdlease.wire.chain import OpaqueOption, write_options
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import (
    ClientId,
    DnsServers,
    ElapsedTime,
    OptionRequest,
    Preference,
    ReconfigureMessage,
    ServerId,
    SolMaxRt,
    Status,
    VendorOptions,
)
from pdlease.wire.reader import WireError
from tests.conformance.test_reconfigure import agreed, reconfigure
from tests.scenarios.conversation import (
    CLIENT,
    OTHER,
    PREFIX,
    SERVER,
    Conversation,
    association,
    bound,
    prefix,
    settings,
)

GOOD = association(1, prefix())


def at(stage: MessageType) -> Conversation:
    """A conversation whose last message is of that type."""
    if stage in {MessageType.RELEASE, MessageType.INFORMATION_REQUEST}:
        c = agreed()
        if stage is MessageType.RELEASE:
            c.ask(Request.RELEASE)
        else:
            c.hear(reconfigure(11))
            c.until_sent(MessageType.INFORMATION_REQUEST)
    elif stage in {MessageType.SOLICIT, MessageType.REQUEST}:
        c = Conversation()
        c.link_up()
        if stage is MessageType.REQUEST:
            c.advertise(GOOD, preference=255)
    else:
        c = bound()
        c.until_sent(stage)
    c.forget()
    return c


STAGES = (
    MessageType.SOLICIT,
    MessageType.REQUEST,
    MessageType.RENEW,
    MessageType.REBIND,
    MessageType.RELEASE,
    MessageType.INFORMATION_REQUEST,
)


class ValidationTests(SynchronousTestCase):
    def assert_dropped(self, c: Conversation, message: Message, reason: DiscardReason) -> None:
        """The message is dropped for that reason alone, and changes nothing."""
        state, lease, exchange = c.state, c.session.lease, c.session.exchange
        c.forget()
        c.hear(message)
        self.assertEqual(c.discards(), [reason])
        self.assertEqual((c.state, c.session.lease, c.session.exchange), (state, lease, exchange))
        self.assertEqual((len(c.sent), c.of(LeaseChanged)), (1, []))

    def test_unknown_options(self) -> None:
        """R-16-10: unknown options, anywhere, and vendor options of unknown vendors do not cost the message."""
        odd = (OpaqueOption(0xFFF0, b"x"), OpaqueOption(250, b""))
        given = association(1, OpaqueOption(0xFFF0, b"y"), prefix(PREFIX, 3000, 4000, OpaqueOption(0xFFF0, b"z")))
        c = at(MessageType.SOLICIT)
        c.advertise(*odd, VendorOptions(99999, ((1, b"x"),)), given, preference=255)
        self.assertIs(c.state, State.REQUESTING)
        c.reply(*odd, VendorOptions(99999, ((1, b"x"),)), given)
        self.assertEqual((c.state, c.held, c.discards()), (State.BOUND, [PREFIX], []))

    def test_unknown_types(self) -> None:
        """R-16-11: unknown types are dropped and counted, in any state, and do not touch timers."""
        for stage in STAGES:
            c = at(stage)
            for kind in (0, 14, 36, 99, 255):
                self.assert_dropped(c, c.message(kind, GOOD), DiscardReason.UNKNOWN_TYPE)
            self.assertEqual(c.session.counters.discarded[DiscardReason.UNKNOWN_TYPE], 5)

    def test_types_for_servers(self) -> None:
        """R-16.2-01: all that clients and relays send is dropped, with the right transaction id as well."""
        for stage in STAGES:
            c = at(stage)
            for kind in (1, 3, 4, 5, 6, 8, 9, 11, 12, 13):
                self.assert_dropped(c, c.message(kind, GOOD), DiscardReason.CLIENT_TYPE)

    def test_options_out_of_place(self) -> None:
        """R-16-12: known options that do not belong into an Advertise or Reply are ignored, the message is used."""
        misplaced = (
            OptionRequest((82,)),
            ElapsedTime(7),
            OpaqueOption(OptionCode.RELAY_MESSAGE, b"1234"),
            OpaqueOption(OptionCode.INTERFACE_ID, b"eth0"),
            ReconfigureMessage(5),
            prefix("2001:db8:900::/56"),
        )
        c = at(MessageType.SOLICIT)
        c.advertise(*misplaced, GOOD, preference=255)
        c.reply(*misplaced, GOOD)
        self.assertEqual((c.state, c.held, c.discards()), (State.BOUND, [PREFIX], []))

    def test_no_server_id(self) -> None:
        """R-16.3-01, R-16.10-01: Advertise and Reply without Server Identifier are dropped."""
        for stage in STAGES:
            c = at(stage)
            kind = MessageType.ADVERTISE if stage is MessageType.SOLICIT else MessageType.REPLY
            message = Message(kind, c.last.transaction_id, (ClientId(CLIENT), GOOD))
            self.assert_dropped(c, message, DiscardReason.NO_SERVER_ID)

    def test_no_client_id(self) -> None:
        """R-16.3-02, R-16.10-03: Advertise and Reply without Client Identifier are dropped."""
        for stage in STAGES:
            c = at(stage)
            kind = MessageType.ADVERTISE if stage is MessageType.SOLICIT else MessageType.REPLY
            message = Message(kind, c.last.transaction_id, (ServerId(SERVER), GOOD))
            self.assert_dropped(c, message, DiscardReason.NO_CLIENT_ID)

    def test_other_client_id(self) -> None:
        """R-16.3-03, R-16.10-03, R-11-01: a byte changed, another length, a prefix of ours: another client's."""
        changed = bytes([*CLIENT.data[:-1], CLIENT.data[-1] ^ 1])
        for stage in STAGES:
            c = at(stage)
            kind = MessageType.ADVERTISE if stage is MessageType.SOLICIT else MessageType.REPLY
            for data in (changed, CLIENT.data[:-1], CLIENT.data + b"\0"):
                options = (ClientId(DUID(data)), ServerId(SERVER), GOOD)
                self.assert_dropped(c, Message(kind, c.last.transaction_id, options), DiscardReason.OTHER_CLIENT)

    def test_other_transaction(self) -> None:
        """R-16.3-04, R-16.10-02: Advertise and Reply with another transaction id are dropped; we keep on."""
        for stage in STAGES:
            c = at(stage)
            kind = MessageType.ADVERTISE if stage is MessageType.SOLICIT else MessageType.REPLY
            options = (ClientId(CLIENT), ServerId(SERVER), GOOD)
            message = Message(kind, (c.last.transaction_id + 1) & 0xFFFFFF, options)
            self.assert_dropped(c, message, DiscardReason.TRANSACTION_ID)
            self.assertEqual(c.until_sent(stage).transaction_id, c.sent[0][1].transaction_id)

    def test_late_advertise(self) -> None:
        """R-16.3-05: an Advertise outside of a Solicit exchange is dropped, whatever its transaction id."""
        for stage in (MessageType.REQUEST, MessageType.RENEW, MessageType.REBIND):
            c = at(stage)
            message = c.message(MessageType.ADVERTISE, GOOD, Preference(255))
            self.assert_dropped(c, message, DiscardReason.ADVERTISE_OUT_OF_PLACE)

    def test_reply_of_server_not_asked(self) -> None:
        """
        R-16.10-05: Request, Renew, Release and the Information-request for a Reconfigure are answered by the server
        they went to alone; the other's DUID is told, unasked.  A Rebind is answered by anybody.
        """
        for stage in STAGES[1:]:
            if stage is MessageType.REBIND:
                continue
            c = at(stage)
            self.assert_dropped(c, c.message(MessageType.REPLY, GOOD, server=OTHER), DiscardReason.OTHER_SERVER)
            self.assertIn(str(OTHER), c.of(Discarded)[-1].detail)
        self.assertTrue(DiscardReason.OTHER_SERVER.is_loud)
        c = at(MessageType.REBIND)
        c.reply(GOOD, server=OTHER)
        self.assertEqual((c.state, c.session.lease.server), (State.BOUND, OTHER))

    def test_nothing_asked(self) -> None:
        """R-15-10, R-16.10-02: what arrives while nothing was asked is dropped: bound, down, delayed, stopped."""
        c = bound()
        self.assert_dropped(c, c.message(MessageType.REPLY, GOOD), DiscardReason.NOTHING_ASKED)
        c.link_down()
        self.assert_dropped(c, c.message(MessageType.REPLY, GOOD), DiscardReason.NOTHING_ASKED)
        c = Conversation(settings(solicit_delay=True))
        c.link_up()
        message = Message(MessageType.ADVERTISE, 0, (ClientId(CLIENT), ServerId(SERVER), GOOD))
        c.hear(message)
        self.assertEqual(c.discards(), [DiscardReason.NOTHING_ASKED])

    def test_checks_come_first(self) -> None:
        """R-16.10-02 (D6 of the original): a status code in a message that is not for us has no effect at all."""
        c = at(MessageType.RENEW)
        for message in (
            Message(MessageType.REPLY, 1, (ClientId(CLIENT), ServerId(SERVER), association(1, Status(3)))),
            Message(MessageType.SOLICIT, c.last.transaction_id, (ClientId(CLIENT), association(1, Status(3)))),
        ):
            c.hear(message)
            self.assertEqual((c.state, len(c.sent)), (State.RENEWING, 1))

    def test_left_over_octets(self) -> None:
        """R-16-20: one to three octets behind the last option are counted and the message is used."""
        for surplus in (1, 2, 3):
            c = at(MessageType.REQUEST)
            message = c.message(MessageType.REPLY, GOOD)
            c.hear(decode(encode(message) + bytes(surplus)))
            self.assertEqual((c.held, c.discards()), ([PREFIX], [DiscardReason.SURPLUS]))

    def test_malformed_option_alone_is_ignored(self) -> None:
        """R-16-20: an option with bad content is ignored alone, and counted."""
        c = at(MessageType.REQUEST)
        c.reply(OpaqueOption(OptionCode.DNS_SERVERS, b"123"), OpaqueOption(OptionCode.SOL_MAX_RT, b"1"), GOOD)
        self.assertEqual((c.held, set(c.discards())), ([PREFIX], {DiscardReason.MALFORMED_OPTION}))
        self.assertIsNone(c.session.sol_max_rt)

    def test_repeated_singletons(self) -> None:
        """R-16-21: of two Server Identifiers, Preferences, statuses or SOL_MAX_RTs the first counts; that is told."""
        c = at(MessageType.SOLICIT)
        c.advertise(ServerId(OTHER), Preference(255), Preference(0), GOOD)
        self.assertEqual((c.state, c.last.server_id), (State.REQUESTING, SERVER))
        c.reply(Status(0), Status(1), ServerId(OTHER), SolMaxRt(120), SolMaxRt(60), GOOD)
        self.assertEqual((c.held, c.session.lease.server, c.session.sol_max_rt), ([PREFIX], SERVER, 120))
        self.assertEqual(c.discards(), [DiscardReason.REPEATED_OPTION] * 2)
        self.assertEqual(c.of(Discarded)[1].detail, "option 13 and 2 more")
        self.assertTrue(DiscardReason.REPEATED_OPTION.is_loud)

    def test_repeated_association(self) -> None:
        """R-16-22: of two IA_PDs with one IAID the first counts; that is told."""
        c = at(MessageType.REQUEST)
        c.reply(GOOD, association(1, prefix("2001:db8:200::/56")))
        self.assertEqual((c.held, c.discards()), ([PREFIX], [DiscardReason.IA_REPEATED]))
        self.assertEqual(c.of(Discarded)[0].detail, "IA_PD 1")
        self.assertTrue(DiscardReason.IA_REPEATED.is_loud)

    def test_association_not_asked_for(self) -> None:
        """R-16-23: an IA_PD that is not ours is ignored with its status, never the message; not bound, not renewed."""
        for foreign in (association(77, prefix("2001:db8:300::/56")), association(77, Status(6))):
            c = at(MessageType.REQUEST)
            c.reply(foreign, GOOD)
            self.assertEqual((c.state, c.held), (State.BOUND, [PREFIX]))
            self.assertEqual(c.discards(), [DiscardReason.IA_NOT_OURS])
            self.assertEqual([ia.iaid for ia in c.until_sent(MessageType.RENEW).ia_pds], [1])

    def test_association_not_asked_for_offered(self) -> None:
        """R-16-23: a prefix offered in an IA_PD that is not ours is no offer; beside one that is it costs nothing."""
        foreign = association(77, prefix("2001:db8:300::/56"))
        c = at(MessageType.SOLICIT)
        c.advertise(foreign, preference=255)
        self.assertEqual((c.state, c.types()), (State.SOLICITING, ["SOLICIT"]))
        self.assertEqual(c.discards(), [DiscardReason.IA_NOT_OURS, DiscardReason.NOTHING_OFFERED])
        c.advertise(foreign, GOOD, preference=255)
        self.assertEqual([(ia.iaid, len(ia.prefixes)) for ia in c.last.ia_pds], [(1, 1)])
        self.assertEqual(c.last.ia_pds[0].prefixes[0].network, GOOD.prefixes[0].network)

    def test_opaque_server_id(self) -> None:
        """R-11-01, R-11-02, R-11-03: a server DUID of an unknown type and 130 octets is echoed byte for byte."""
        server = DUID(b"\0\xff" + bytes(range(128)))
        c = Conversation()
        c.link_up()
        c.advertise(GOOD, server=server, preference=255)
        self.assertEqual(c.last.server_id, server)
        c.reply(GOOD, server=server)
        self.assertEqual(c.until_sent(MessageType.RENEW).server_id, server)

    def test_impossible_server_id(self) -> None:
        """R-11-03: a server DUID outside of 3 to 130 octets is none, and the message is dropped."""
        for data in (b"\0\1", bytes(131)):
            c = at(MessageType.REQUEST)
            options = (ClientId(CLIENT), OpaqueOption(OptionCode.SERVER_ID, data), GOOD)
            self.assert_dropped(
                c, Message(MessageType.REPLY, c.last.transaction_id, options), DiscardReason.NO_SERVER_ID
            )

    def test_source_does_not_matter(self) -> None:
        """R-7.2-05: link-local or global, the address of the sender is no reason to drop."""
        for source in ("fe80::1", "2001:db8::547"):
            c = at(MessageType.REQUEST)
            c.hear(c.message(MessageType.REPLY, GOOD), source)
            self.assertEqual((c.held, c.session.source), ([PREFIX], source))

    def test_many_bad_parts(self) -> None:
        """R-16-20: thousands of bad parts in one message are told once for each reason, not thousands of times."""
        c = at(MessageType.REQUEST)
        bad = OpaqueOption(OptionCode.SOL_MAX_RT, b"")
        c.reply(*[bad] * 5000, *(association(100 + number) for number in range(1000)), GOOD)
        self.assertEqual(c.held, [PREFIX])
        self.assertEqual(c.discards(), [DiscardReason.MALFORMED_OPTION, DiscardReason.IA_NOT_OURS])
        self.assertTrue(c.of(Discarded)[0].detail.endswith("and 4999 more"))

    def test_cut_anywhere(self) -> None:
        """
        R-16-20: a Reply cut off at any octet is dropped whole, or used as the shorter message that it then is, where
        the cut is none to three octets behind the end of an option: never half of it.
        """
        c = at(MessageType.REQUEST)
        options = (ClientId(CLIENT), ServerId(SERVER), GOOD, SolMaxRt(120))
        message = encode(Message(MessageType.REPLY, c.last.transaction_id, options))
        ends = [4 + len(write_options(options[:count])) for count in range(5)]
        before = c.session
        for cut in range(len(message)):
            c.session = before
            try:
                shorter = decode(message[:cut])
            except WireError:
                self.assertFalse(any(0 <= cut - end <= 3 for end in ends), cut)
                continue
            self.assertTrue(any(0 <= cut - end <= 3 for end in ends), cut)
            c.happen(Arrived(shorter, "fe80::1", message[:cut]))
            whole = cut >= ends[3]
            self.assertEqual((c.held, c.session.sol_max_rt), ([PREFIX] if whole else [], None), cut)

    def test_wrong_lengths(self) -> None:
        """
        R-16-20: whatever length an option of a Reply claims, the message is dropped whole, or that option alone: what
        is held afterwards is the whole prefix or none.
        """
        options = (ClientId(CLIENT), ServerId(SERVER), GOOD, DnsServers(()), SolMaxRt(120))
        outcomes = set()
        for count in range(len(options)):
            c = at(MessageType.REQUEST)
            message = encode(Message(MessageType.REPLY, c.last.transaction_id, options))
            position = 4 + len(write_options(options[:count])) + 2
            true = int.from_bytes(message[position : position + 2], "big")
            before = c.session
            for claimed in {0, 1, max(true - 1, 0), true + 1, 0xFFFF} - {true}:
                c.session = before
                data = message[:position] + claimed.to_bytes(2, "big") + message[position + 2 :]
                try:
                    c.happen(Arrived(decode(data), "fe80::1", data))
                except WireError:
                    outcomes.add("dropped")
                else:
                    outcomes.add(str(c.held))
        self.assertEqual(outcomes, {"dropped", str([PREFIX])})
