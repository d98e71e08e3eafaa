"""
Section B: which message holds which option, what counts where, and how long each option may be.

Octets of single options and messages written out by hand are in C{tests/wire}.
"""

from __future__ import annotations

import hmac
from ipaddress import IPv6Address

from twisted.trial.unittest import SynchronousTestCase

from pdlease.asking import numbered, settings_of
from pdlease.client.occurrences import Arrived, Informed, Request
from pdlease.client.reasons import DiscardReason
from pdlease.config.toml import parse
from pdlease.identity import Identity
from pdlease.wire.chain import OpaqueOption, Option
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import (
    Authentication,
    ClientId,
    DnsServers,
    OptionRequest,
    Preference,
    ReconfigureMessage,
    ServerId,
    SolMaxRt,
    Status,
)
from pdlease.wire.prefixes import IAPD
from tests.conformance.test_reconfigure import SECRET, agreed, counter, reconfigure
from tests.house import CLIENT as HOUSE_CLIENT
from tests.scenarios.conversation import CLIENT, PREFIX, SERVER, Conversation, association, prefix, settings

GOOD = association(1, prefix())

CLIENT_ID, SERVER_ID, IA_PD, ORO, ELAPSED, RAPID, ACCEPT = 1, 2, 25, 6, 8, 14, 20

MUST = {
    "SOLICIT": {CLIENT_ID, ELAPSED, ORO, IA_PD},
    "REQUEST": {CLIENT_ID, SERVER_ID, ELAPSED, ORO, IA_PD},
    "RENEW": {CLIENT_ID, SERVER_ID, ELAPSED, ORO, IA_PD},
    "REBIND": {CLIENT_ID, ELAPSED, ORO, IA_PD},
    "RELEASE": {CLIENT_ID, SERVER_ID, ELAPSED, IA_PD},
    "INFORMATION_REQUEST": {CLIENT_ID, SERVER_ID, ELAPSED, ORO},
}
"""What each message that the client sends has to hold; an Information-request only ever answers a Reconfigure."""

MAY = {
    "SOLICIT": {RAPID, ACCEPT},
    "REQUEST": {ACCEPT},
    "RENEW": {ACCEPT},
    "REBIND": {ACCEPT},
    "RELEASE": set[int](),
    "INFORMATION_REQUEST": {ACCEPT},
}
"""What it may hold beside that, of what the client adds by itself."""

NEVER_REQUESTED = {
    *range(1, 10), *range(11, 17), *range(18, 21), 25, 26, 37, 38, *range(43, 49), 53, 61, 66, 68, 79, 80, 81, 87,
    *range(89, 94), *range(100, 103), *range(105, 111), 112, *range(114, 136),
}  # fmt: skip
"""Codes that have no place in a client's option request (table B.3)."""


def one_of_each() -> list[Message]:
    """Everything that a willing client sends in its life."""
    c = Conversation(settings(reconfigure=True, rapid_commit=True))
    c.link_up()
    c.advertise(GOOD, preference=255)
    c.reply(GOOD)
    c.until_sent(MessageType.REBIND)
    c.reply(GOOD)
    c.wait(5)
    c.ask(Request.RELEASE)
    told = agreed()
    told.hear(reconfigure(11))
    told.until_sent(MessageType.INFORMATION_REQUEST)
    return [message for _, message in (*c.sent, *told.sent)]


class MessageTests(SynchronousTestCase):
    """Tables B.1 and B.2."""

    def test_types(self) -> None:
        """
        B.1-02: of the 256 types of message a client that waits for an answer looks into Advertise, Reply and
        Reconfigure; the ten that servers and relays receive, and all others, are dropped. It sends 1, 3, 5, 6, 8, 11.
        """
        expected = {2: [], 7: [DiscardReason.RAPID_COMMIT_UNASKED], 10: [DiscardReason.RECONFIGURE_UNWANTED]}
        for kind in range(256):
            c = Conversation()
            c.link_up()
            due = c.session.due
            c.hear(c.message(kind, GOOD))
            client_type = DiscardReason.CLIENT_TYPE if 1 <= kind <= 13 else DiscardReason.UNKNOWN_TYPE
            self.assertEqual((kind, c.discards()), (kind, expected.get(kind, [client_type])))
            self.assertEqual((c.session.due, len(c.sent)), (due, 1))
        self.assertEqual({message.message_type for message in one_of_each()}, {1, 3, 5, 6, 8, 11})

    def test_options_of_each(self) -> None:
        """B.2-01: each message holds what it must, and of all else only what it may, each option once."""
        seen = set()
        for message in one_of_each():
            name = MessageType(message.message_type).name
            seen.add(name)
            codes = [option.code for option in message.options]
            self.assertEqual(len(codes), len(set(codes)), name)
            self.assertLessEqual(MUST[name], set(codes), name)
            self.assertLessEqual(set(codes), MUST[name] | MAY[name], name)
        self.assertEqual(seen, set(MUST))

    def test_requested(self) -> None:
        """B.3-03: whatever the profile, none of the codes that must not be requested is, in any message."""
        for message in one_of_each():
            for request in message.options_of(OptionRequest):
                self.assertEqual(set(request.codes) & NEVER_REQUESTED, set())
        for profile in ("", "dhcp6leased"):
            text = f'[uplinks.wan]\nprofile = "{profile}"\n[[uplinks.wan.delegations]]\ndownstreams = ["lan0"]\n'
            config = parse(text.encode(), "x")
            _, iaids = numbered(Identity(duid=HOUSE_CLIENT), config)
            wanted = settings_of(config.uplinks[0], HOUSE_CLIENT, iaids, None)
            self.assertEqual(set(wanted.requested_options) & NEVER_REQUESTED, set())


class PlaceTests(SynchronousTestCase):
    """What counts only where it belongs."""

    def requested(self, *options: Option) -> Conversation:
        """A conversation whose Request was answered so."""
        c = Conversation(settings(requested_options=(82, 67, 23)))
        c.link_up()
        c.advertise(GOOD, preference=255)
        c.forget()
        c.reply(*options)
        return c

    def test_prefix_at_the_top(self) -> None:
        """B.2-02: a prefix that stands in the message itself is no delegation."""
        self.assertEqual(self.requested(prefix()).held, [])

    def test_association_in_an_association(self) -> None:
        """B.2-02: an IA_PD in an IA_PD, and a prefix in a prefix, are nothing."""
        inner = association(1, prefix("2001:db8:200::/56"))
        self.assertEqual(self.requested(association(1, inner, prefix(PREFIX, 3000, 4000, inner))).held, [PREFIX])

    def test_options_in_an_association(self) -> None:
        """B.2-02: SOL_MAX_RT, name servers and a preference inside of an IA_PD or a prefix count for nothing."""
        strays = (SolMaxRt(120), DnsServers((IPv6Address("2001:db8::53"),)), Preference(255))
        c = self.requested(association(1, *strays, prefix(PREFIX, 3000, 4000, *strays)))
        self.assertEqual((c.held, c.session.sol_max_rt, c.of(Informed)), ([PREFIX], None, []))

    def test_identifiers_in_an_association(self) -> None:
        """B.2-02: identifiers inside of an IA_PD do not stand in for those of the message."""
        c = Conversation()
        c.link_up()
        inside = association(1, ClientId(CLIENT), ServerId(SERVER), prefix())
        c.hear(Message(MessageType.ADVERTISE, c.last.transaction_id, (inside,)))
        self.assertEqual(c.discards(), [DiscardReason.NO_SERVER_ID])

    def test_each_status_in_its_place(self) -> None:
        """B.2-02, B.7-01: a status counts for what it stands in: message, IA_PD, or prefix; none is Success."""
        second = association(2, prefix("2001:db8:200::/56"))
        for options, held in (
            ((GOOD, second), 2),
            ((association(1, Status(6), prefix()), second), 1),
            ((association(1, prefix(PREFIX, 3000, 4000, Status(6))), second), 1),
            ((Status(1), GOOD, second), 0),
            ((Status(6), GOOD, second), 2),
        ):
            c = Conversation(settings(1, 2))
            c.link_up()
            c.advertise(GOOD, second, preference=255)
            c.reply(*options)
            self.assertEqual(len(c.held), held, options)


# The lengths of content that the layout of each option allows (table B.3), up to 40 octets.
LENGTHS: dict[int, set[int]] = {
    OptionCode.CLIENT_ID: set(range(3, 41)),
    OptionCode.SERVER_ID: set(range(3, 41)),
    OptionCode.OPTION_REQUEST: set(range(0, 41, 2)),
    OptionCode.PREFERENCE: {1},
    OptionCode.ELAPSED_TIME: {2},
    OptionCode.AUTHENTICATION: set(range(11, 41)),
    OptionCode.STATUS_CODE: set(range(2, 41)),
    OptionCode.RAPID_COMMIT: {0},
    OptionCode.USER_CLASS: set(range(2, 41, 2)),
    OptionCode.VENDOR_CLASS: set(range(4, 41, 2)),
    OptionCode.VENDOR_OPTIONS: set(range(4, 41, 4)),
    OptionCode.RECONFIGURE_MESSAGE: {1},
    OptionCode.RECONFIGURE_ACCEPT: {0},
    OptionCode.DNS_SERVERS: {16, 32},
    OptionCode.DOMAIN_LIST: set(range(1, 41)),
    OptionCode.IA_PD: set(range(12, 41)),
    OptionCode.SNTP_SERVERS: {16, 32},
    OptionCode.INFORMATION_REFRESH_TIME: {4},
    OptionCode.SOL_MAX_RT: {4},
    OptionCode.INF_MAX_RT: {4},
}


class LengthTests(SynchronousTestCase):
    """Tables B.3 and B.5."""

    def test_each_length(self) -> None:
        """
        B.3-02, B.9-03: every known option with every length of content from 0 to 40 octets, all zero: what the layout
        allows is a value, anything else is as good as absent and told, and the option behind it counts.
        """
        behind = encode(Message(7, 1, (Preference(9),)))[4:]
        for code, allowed in LENGTHS.items():
            for length in range(41):
                data = b"\7abc" + code.to_bytes(2, "big") + length.to_bytes(2, "big") + bytes(length)
                message = decode(data + behind)
                told = [option.code for option in message.malformed]
                self.assertEqual((code, length, told), (code, length, [] if length in allowed else [code]))
                self.assertEqual(message.options_of(Preference)[-1], Preference(9))

    def test_each_length_of_a_prefix(self) -> None:
        """B.3-02, B.9-04: a prefix of fewer than 25 octets is absent, and the prefix beside it stays."""
        good = encode(Message(7, 1, (prefix(),)))[4:]
        for length in range(30):
            short = (26).to_bytes(2, "big") + length.to_bytes(2, "big") + bytes(length)
            body = bytes(12) + short + good
            (ia,) = decode(b"\7abc\0\x19" + len(body).to_bytes(2, "big") + body).ia_pds
            self.assertEqual([str(each.network) for each in ia.prefixes], [PREFIX])
            self.assertEqual(len(decode(b"\7abc\0\x19" + len(body).to_bytes(2, "big") + body).malformed), length < 25)

    def test_layouts(self) -> None:
        """B.3-01: each option that the client sends, as octets written out by hand, read back as the same value."""
        for option, text in (
            (ClientId(CLIENT), "00010012 0004 000102030405060708090a0b0c0d0e0f"),
            (OptionRequest((82, 67)), "00060004 0052 0043"),
            (Preference(255), "00070001 ff"),
            (Status(6, "x"), "000d0003 0006 78"),
            (ReconfigureMessage(11), "00130001 0b"),
            (SolMaxRt(86400), "00520004 00015180"),
            (
                IAPD(1, 2, 3, (prefix("2001:db8:1:200::/56", 16, 32),)),
                "00190029 00000001 00000002 00000003001a0019 00000010 00000020 38 20010db8000102000000000000000000",
            ),
        ):
            data = b"\7abc" + bytes.fromhex(text)
            self.assertEqual(encode(Message(7, 0x616263, (option,))), data)
            self.assertEqual(decode(data).options, (option,))

    def test_authentication(self) -> None:
        """
        B.5-01, R-20-03: a Reconfigure signed octet by octet as section 20.4 writes it, 28 octets of Authentication and
        a digest over the whole message with 16 octets of zero, is obeyed.
        """
        message = bytes.fromhex(
            "0a 000000"
            "0001 0012 0004 000102030405060708090a0b0c0d0e0f"
            "0002 0009 0002 00007ed9 6f6e65"
            "0013 0001 05"
            "000b 001c 03 01 00 000000000000000b 02" + "00" * 16
        )
        digest = hmac.new(SECRET, message, "md5").digest()
        signed = message[:-16] + digest
        c = agreed()
        c.happen(Arrived(decode(signed), "fe80::1", signed))
        self.assertEqual(c.types()[-1], "RENEW")
        self.assertEqual(decode(signed).options[-1], Authentication(3, 1, 0, counter(11), b"\2" + digest))


class BoundTests(SynchronousTestCase):
    """What bounds there are."""

    def test_everything_is_bounded(self) -> None:
        """
        B.9-09: 2000 prefixes in one IA_PD, 2000 IA_PDs, 4000 options: a Reply of 64 KiB is used, what is kept of it is
        bounded, and telling of it is as well.
        """
        many = association(1, *(prefix(f"2001:db8:{number:x}::/64") for number in range(2000)))
        others = tuple(association(number, t1=0, t2=0) for number in range(2, 2002))
        empty = tuple(OpaqueOption(0xFFF0, b"") for _ in range(4000))
        for options in ((many,), (GOOD, *others), (GOOD, *empty)):
            c = Conversation()
            c.link_up()
            c.advertise(GOOD, preference=255)
            c.forget()
            c.reply(*options)
            self.assertTrue(1 <= len(c.held) <= 64)
            self.assertLess(len(c.effects), 10)

    def test_deterministic(self) -> None:
        """B.9-10: two clients with the same settings and the same chance send the same octets."""
        one, two = one_of_each(), one_of_each()
        self.assertEqual([encode(message) for message in one], [encode(message) for message in two])
