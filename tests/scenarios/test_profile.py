"""
What goes over the wire under a profile, and with an operator's own options: whole packets, from a configuration file to
the octets.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.asking import numbered, settings_of
from pdlease.client.occurrences import Arrived, Due, LinkUp, Occurrence, Request, Send
from pdlease.client.session import Session, step
from pdlease.client.settings import Chance
from pdlease.client.states import State
from pdlease.config.toml import parse
from pdlease.identity import Identity
from pdlease.wire.codes import MessageType, StatusCode
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import ClientId, OptionRequest, ServerId, Status, UserClass, VendorClass
from pdlease.wire.prefixes import IAPD
from tests.scenarios.conversation import Conversation, association, prefix

CLIENT = DUID.parse_hex("0004001122334455667788" + "99aabbccddeeff")
SERVER = DUID.parse_hex("00030001525400123456")
SYSTEM = b"OpenBSD 7.5 amd64"

ORIGINAL = b"""
[uplinks.em0]
profile = "dhcp6leased"
rapid_commit = %s
solicit_delay = false
vendor_class = { enterprise = 30155 }
[[uplinks.em0.delegations]]
downstreams = ["em1", "em2/60"]
"""

# Both are the vectors of seed-behaviour section 10, less the spaces.
SOLICIT = bytes.fromhex(
    "01a1b2c3000100120004001122334455667788" + "99aabbccddeeff"
    "0019002900000000000000000000000000"[:-2] + "001a001900000000000000003b00000000000000000000000000000000"
    "0006000400520053000800020000000e0000"
    "00100017000075cb00114f70656e42534420372e3520616d643634"
)  # fmt: skip
REQUEST = bytes.fromhex(
    "03a1b2c3000100120004001122334455667788" + "99aabbccddeeff"
    "0002000a00030001525400123456"
    "001900290000000000000000000000000" + "01a001900000000000000003b20010db8000000200000000000000000"
    "00060004005200530008000200" + "64"
    "00100017000075cb00114f70656e42534420372e3520616d643634"
)  # fmt: skip

ORANGE = b"""
[uplinks.wan]
link = "eth0.832"
duid = "raw:00030001001122334455"
vendor_class = { enterprise = 1038, data = ["sagem"] }
user_class = ["FSVDSL_livebox.Internet.softathome.Livebox4"]
raw_options = [{ code = 11, data = "00000000000000000000001a0900000558010341010d6674692f746573743132" }]
request_options = [11, 17, 23, 24]
priority = 6
dscp = 48
[[uplinks.wan.delegations]]
hint = 56
downstreams = ["lan0"]
"""


class Driven:
    """A session of a configuration, with chance that is the same every time, and what it sent, in octets."""

    def __init__(self, text: bytes, duid: DUID = CLIENT) -> None:
        config = parse(text, "x")
        _, iaids = numbered(Identity(duid=duid), config)
        settings = settings_of(config.uplinks[0], duid, iaids, None, lambda: SYSTEM)
        self.now = 1000.0
        # a half makes every retransmission time what it is on average
        self.session = Session.begin(settings, Chance(random=lambda: 0.5, transaction_id=lambda: 0xA1B2C3))
        self.sent: list[bytes] = []

    def happen(self, occurrence: Occurrence) -> None:
        """Let something happen now."""
        self.session, effects = step(self.session, occurrence, self.now)
        self.sent += [encode(effect.message) for effect in effects if isinstance(effect, Send)]

    def hear(self, kind: int, *associations: IAPD) -> None:
        """A server answers."""
        message = Message(kind, 0xA1B2C3, (ClientId(self.session.settings.duid), ServerId(SERVER), *associations))
        self.happen(Arrived(message, "fe80::1", encode(message)))

    def until_sent(self) -> bytes:
        """Let time pass until something is sent."""
        count = len(self.sent)
        while len(self.sent) == count:
            assert self.session.due is not None
            self.now = self.session.due
            self.happen(Due())
        return self.sent[-1]


class OriginalTests(SynchronousTestCase):
    """The layout of the original, byte for byte (seed-behaviour 4.4 and 10)."""

    def test_solicit(self) -> None:
        """The Solicit of the vector: 116 octets."""
        session = Driven(ORIGINAL % b"true")
        session.happen(LinkUp())
        self.assertEqual((len(SOLICIT), session.sent), (116, [SOLICIT]))

    def test_request(self) -> None:
        """The Request of the vector, a second after its first transmission: 126 octets."""
        session = Driven(ORIGINAL % b"false")
        session.happen(LinkUp())
        session.hear(MessageType.ADVERTISE, association(0, prefix("2001:db8:0:20::/59")))
        session.until_sent()
        self.assertEqual((len(REQUEST), session.until_sent()), (126, REQUEST))

    def test_extending(self) -> None:
        """Renew and Rebind are laid out likewise, the first with the server's identifier, the second without."""
        session = Driven(ORIGINAL % b"false")
        session.happen(LinkUp())
        session.hear(MessageType.ADVERTISE, association(0, prefix("2001:db8:0:20::/59")))
        session.until_sent()
        session.hear(MessageType.REPLY, association(0, prefix("2001:db8:0:20::/59")))
        zero = REQUEST.replace(bytes.fromhex("000800020064"), bytes.fromhex("000800020000"))
        self.assertEqual(session.until_sent(), b"\x05" + zero[1:])
        while session.session.state is not State.REBINDING:
            last = session.until_sent()
        self.assertEqual(last, b"\x06" + zero[1:26] + zero[40:])

    def test_several(self) -> None:
        """Associations are numbered from 0, in the order of the file; what is smaller than asked for is no offer."""
        session = Driven(ORIGINAL % b"false" + b'[[uplinks.em0.delegations]]\ndownstreams = ["a0"]\n')
        session.happen(LinkUp())
        self.assertEqual([ia.iaid for ia in decode(session.sent[0]).ia_pds], [0, 1])
        session.hear(MessageType.ADVERTISE, association(0, prefix("2001:db8:0:20::/60")))
        self.assertEqual(session.session.offers, ())

    def test_without_prefix(self) -> None:
        """
        An association that has no prefix asks for its length in Request, Renew and Rebind as it did in the Solicit,
        beside one that names its own: written down by hand from the table of seed-behaviour 4.4.
        """
        identifier, server, tail = SOLICIT[4:26], REQUEST[26:40], SOLICIT[-27:]
        wished = bytes.fromhex("0019002900000000 0000000000000000 001a0019 0000000000000000 3b" + "00" * 16)
        second = bytes.fromhex("0019002900000001 0000000000000000 001a0019 0000000000000000 40" + "00" * 16)
        held = bytes.fromhex(
            "0019002900000000 0000000000000000 001a0019 0000000000000000 3b 20010db800000020" + "00" * 8
        )
        middle = bytes.fromhex("00060004 0052 0053 00080002 0000")
        session = Driven(ORIGINAL % b"false" + b'[[uplinks.em0.delegations]]\ndownstreams = ["a0"]\n')
        session.happen(LinkUp())
        self.assertEqual(session.sent[-1], b"\x01\xa1\xb2\xc3" + identifier + wished + second + middle + tail)
        offer = association(0, prefix("2001:db8:0:20::/59"))
        session.hear(MessageType.ADVERTISE, offer)
        session.until_sent()
        rest = held + second + middle + tail
        self.assertEqual(session.sent[-1], b"\x03\xa1\xb2\xc3" + identifier + server + rest)
        session.hear(MessageType.REPLY, offer, IAPD(1, 0, 0, (Status(StatusCode.NO_PREFIX_AVAIL),)))
        self.assertEqual(session.until_sent(), b"\x05\xa1\xb2\xc3" + identifier + server + rest)
        while session.session.state is not State.REBINDING:
            last = session.until_sent()
        self.assertEqual(last, b"\x06\xa1\xb2\xc3" + identifier + rest)

    def test_lost(self) -> None:
        """A Solicit asks for the length alone, whatever was held before."""
        conversation = Conversation()
        session = Driven(ORIGINAL % b"true")
        conversation.session = session.session
        conversation.link_up()
        first = encode(conversation.last)
        lost = association(0, prefix("2001:db8:0:20::/59"))
        reply = Message(MessageType.REPLY, 0xA1B2C3, (ClientId(CLIENT), ServerId(SERVER), lost))
        self.assertEqual(first, SOLICIT)
        conversation.hear(Message(MessageType.ADVERTISE, 0xA1B2C3, reply.options))
        conversation.until_sent(MessageType.REQUEST)
        conversation.hear(reply)
        self.assertEqual(conversation.held, ["2001:db8:0:20::/59"])
        conversation.ask(Request.SOLICIT)
        self.assertEqual(encode(conversation.last), SOLICIT)


class OrangeTests(SynchronousTestCase):
    """The example of docs/providers.rst."""

    def test_every_message(self) -> None:
        """R-18.2.1-08, R-21.15-01, R-21.7-03: options 11, 15 and 16 and the request stand in every message."""
        session = Driven(ORANGE, DUID.parse_hex("00030001001122334455"))
        session.happen(LinkUp())
        session.until_sent()
        session.hear(MessageType.ADVERTISE, association(session.session.settings.wishes[0].iaid, prefix()))
        session.until_sent()
        session.hear(MessageType.REPLY, association(session.session.settings.wishes[0].iaid, prefix()))
        while session.session.state is not State.REBINDING:
            session.until_sent()
        self.assertEqual(sorted({data[0] for data in session.sent}), [1, 3, 5, 6])
        for data in session.sent:
            message = decode(data)
            self.assertEqual(message.option(VendorClass), VendorClass(1038, (b"sagem",)))
            self.assertEqual(message.option(UserClass), UserClass((b"FSVDSL_livebox.Internet.softathome.Livebox4",)))
            self.assertEqual([option.code for option in message.options].count(11), 1)
            self.assertIn(bytes.fromhex("000b002000000000000000000000001a0900000558"), data)
            self.assertEqual(message.option(OptionRequest), OptionRequest((82, 67, 11, 17, 23, 24)))
