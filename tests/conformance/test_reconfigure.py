"""
Section C.11: Reconfigure and the key that signs it.
"""

from __future__ import annotations

import hmac

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import Arrived, Moved, NewSettings, Remembered
from pdlease.client.reasons import DiscardReason, Reason
from pdlease.client.session import Session
from pdlease.client.settings import Settings
from pdlease.client.states import State
from pdlease.lease import ReconfigureKey
from pdlease.wire.chain import OpaqueOption, Option
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import (
    Authentication,
    ClientId,
    OptionRequest,
    ReconfigureAccept,
    ReconfigureMessage,
    ServerId,
)
from tests.scenarios.conversation import (
    CLIENT,
    OTHER,
    PREFIX,
    SERVER,
    Conversation,
    association,
    bound,
    chance,
    names,
    prefix,
    settings,
)

SECRET = bytes(range(100, 116))
GOOD = association(1, prefix())
WILLING = settings(reconfigure=True)


def counter(value: int) -> bytes:
    """A value of the replay counter."""
    return value.to_bytes(8, "big")


def key(value: int = 10, protocol: int = 3, algorithm: int = 1, rdm: int = 0, kind: int = 1) -> Authentication:
    """The option that brings the key."""
    return Authentication(protocol, algorithm, rdm, counter(value), bytes([kind]) + SECRET)


def reconfigure(
    told: int | None = 5,
    value: int = 11,
    *more: Option,
    xid: int = 0,
    secret: bytes = SECRET,
    shape: tuple[int, int, int, int] = (3, 1, 0, 2),
    length: int = 16,
    identifiers: tuple[Option, ...] = (ClientId(CLIENT), ServerId(SERVER)),
) -> Message:
    """A signed Reconfigure."""
    protocol, algorithm, rdm, kind = shape

    def whole(digest: bytes) -> Message:
        authentication = Authentication(protocol, algorithm, rdm, counter(value), bytes([kind]) + digest)
        asked = () if told is None else (ReconfigureMessage(told),)
        return Message(MessageType.RECONFIGURE, xid, (*identifiers, *asked, *more, authentication))

    return whole(hmac.new(secret, encode(whole(bytes(length))), "md5").digest()[:length])


def agreed(*more: Option, wanted: Settings = WILLING) -> Conversation:
    """A bound conversation whose server brought a key with counter 10."""
    c = Conversation(wanted)
    c.link_up()
    c.advertise(GOOD, ReconfigureAccept(), preference=255)
    c.reply(*(more or (ReconfigureAccept(), key())), GOOD)
    c.wait(100)
    c.forget()
    return c


class ReconfigureTests(SynchronousTestCase):
    def assert_dropped(self, c: Conversation, message: Message, reason: DiscardReason) -> None:
        """The Reconfigure is dropped for that reason and changes nothing."""
        state, count = c.state, len(c.sent)
        c.effects.clear()
        c.hear(message)
        self.assertEqual((c.discards(), c.state, len(c.sent)), ([reason], state, count))

    def test_obeyed(self) -> None:
        """R-18.2.11-01, R-18.2.11-05, R-18.2.11-06: what it is told, by an id of its own."""
        for told, kind, server in ((5, "RENEW", SERVER), (6, "REBIND", None), (11, "INFORMATION_REQUEST", SERVER)):
            for xid in (0, 77):
                c = agreed()
                c.hear(reconfigure(told, xid=xid))
                c.wait(1.0)
                message = c.sent[1][1]
                self.assertEqual((MessageType(message.message_type).name, message.server_id), (kind, server))
                self.assertEqual(c.discards(), [])
                self.assertEqual(c.held, [PREFIX])
                self.assertEqual(c.session.counters.received[MessageType.RECONFIGURE], 1)

    def test_told(self) -> None:
        """R-18.2.11-04: that the server asked is told, with its name."""
        c = agreed()
        c.hear(reconfigure(5))
        (moved,) = c.of(Moved)
        self.assertEqual((moved.reason, moved.detail), (Reason.SERVER_ASKED, str(SERVER)))

    def test_renewal(self) -> None:
        """R-18.2.11-01: the Reply to the Renew is used as ever."""
        c = agreed()
        c.hear(reconfigure(5))
        c.reply(association(1, prefix("2001:db8:200::/56")), ReconfigureAccept())
        self.assertEqual(c.held, [PREFIX, "2001:db8:200::/56"])

    def test_information(self) -> None:
        """R-18.2.6-01, R-18.2.6-02, R-18.2.6-03, R-18.2.6-04, R-18.2.6-05: codes 32 and 83, delay, no IA."""
        delays = set()
        for seed in range(20):
            c = agreed()
            c.session = evolve(c.session, chance=chance(seed))
            c.hear(reconfigure(11))
            start = c.now
            message = c.until_sent(MessageType.INFORMATION_REQUEST)
            delays.add(c.now - start)
            request = message.option(OptionRequest)
            assert request is not None
            self.assertTrue({32, 83, 82} <= set(request.codes))
            self.assertNotIn(67, request.codes)
            self.assertEqual((message.client_id, message.server_id, message.ia_pds), (CLIENT, SERVER, ()))
        self.assertTrue(0 <= min(delays) < max(delays) <= 1.0)
        c.reply()
        self.assertIs(c.state, State.BOUND)
        c.wait(2)
        c.hear(reconfigure(11, 12))
        c.until_sent(MessageType.INFORMATION_REQUEST)
        renew = c.until_sent(MessageType.RENEW)
        self.assertEqual((c.now, names(renew)), (2000.0, [PREFIX]))

    def test_unwilling(self) -> None:
        """R-21.20-01: not configured: dropped."""
        c = bound()
        self.assert_dropped(c, reconfigure(), DiscardReason.RECONFIGURE_UNWANTED)

    def test_unwilling_any_more(self) -> None:
        """R-21.20-01: no longer configured: dropped, although the server has given a key; messages do not offer it."""
        c = agreed()
        c.happen(NewSettings(settings()))
        self.assert_dropped(c, reconfigure(), DiscardReason.RECONFIGURE_UNWANTED)
        self.assertFalse(c.until_sent(MessageType.RENEW).reconfigure_accept)

    def test_server_unwilling(self) -> None:
        """R-21.20-01: no Reconfigure Accept in the server's last Reply: its Reconfigures are dropped."""
        c = agreed(key())
        self.assert_dropped(c, reconfigure(), DiscardReason.RECONFIGURE_UNWANTED)
        c = agreed()
        c.until_sent(MessageType.RENEW)
        c.reply(GOOD)
        self.assert_dropped(c, reconfigure(), DiscardReason.RECONFIGURE_UNWANTED)

    def test_key_recorded(self) -> None:
        """R-20-01: the key is kept, with its server and counter, and told so that it can be stored; it is not shown."""
        c = Conversation(WILLING)
        c.link_up()
        c.advertise(GOOD, preference=255)
        c.reply(ReconfigureAccept(), key(), GOOD)
        expected = ReconfigureKey(server=SERVER, secret=SECRET, replay=10)
        self.assertEqual((c.session.key, c.of(Remembered)), (expected, [Remembered(None, None, expected)]))
        self.assertEqual(c.session.record.key, expected)
        self.assertNotIn(repr(SECRET), repr(c.session))

    def test_key_kept_over_restart(self) -> None:
        """R-20-01, R-20-02: a session begun with a stored key and lease obeys, and knows what it has seen."""
        old = agreed()
        old.hear(reconfigure(5, 50))
        old.reply(GOOD, ReconfigureAccept())
        record = old.session.record
        c = Conversation(WILLING)
        c.now = old.now
        c.session = Session.begin(WILLING, chance(2), record.lease, key=record.key)
        c.link_up()
        c.reply(GOOD, ReconfigureAccept())
        self.assert_dropped(c, reconfigure(5, 50), DiscardReason.RECONFIGURE_REPLAYED)
        c.hear(reconfigure(5, 51))
        self.assertEqual(c.types()[-1], "RENEW")

    def test_key_of_another_server(self) -> None:
        """R-20-01: the key is its server's: after another server took over without a key, nobody's is obeyed."""
        c = agreed()
        c.until_sent(MessageType.REBIND)
        c.reply(GOOD, ReconfigureAccept(), server=OTHER)
        self.assert_dropped(c, reconfigure(), DiscardReason.RECONFIGURE_UNWANTED)
        other = reconfigure(identifiers=(ClientId(CLIENT), ServerId(OTHER)))
        self.assert_dropped(c, other, DiscardReason.RECONFIGURE_UNWANTED)

    def test_key_of_another_client(self) -> None:
        """R-20-01: with another DUID the key is forgotten, in the record too."""
        c = agreed()
        c.happen(NewSettings(settings(reconfigure=True, duid=OTHER)))
        self.assertEqual((c.session.key, c.of(Remembered)[-1].key), (None, None))

    def test_replay(self) -> None:
        """R-20-02: a counter not above the last is dropped; a Reply never is; a Reply with a key sets it anew."""
        c = agreed()
        for value in (9, 10):
            self.assert_dropped(c, reconfigure(5, value), DiscardReason.RECONFIGURE_REPLAYED)
        c.hear(reconfigure(5, 11))
        self.assertIs(c.state, State.RENEWING)
        c.reply(GOOD, ReconfigureAccept(), key(3))
        self.assertIs(c.state, State.BOUND)
        c.wait(10)
        c.hear(reconfigure(5, 4))
        self.assertIs(c.state, State.RENEWING)

    def test_signature(self) -> None:
        """R-20-03: HMAC-MD5 over the whole message: any octet changed, another key: dropped."""
        message = encode(reconfigure())
        for at in range(4, len(message)):
            c = agreed()
            changed = message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]
            try:
                decoded = decode(changed)
            except ValueError:
                continue
            c.happen(Arrived(decoded, "fe80::1", changed))
            self.assertEqual((c.state, len(c.discards())), (State.BOUND, 1), at)
        c = agreed()
        self.assert_dropped(c, reconfigure(secret=bytes(16)), DiscardReason.RECONFIGURE_UNSIGNED)
        c.happen(Arrived(reconfigure(), "fe80::1", b"something else"))
        self.assertIs(c.state, State.BOUND)

    def test_place_of_the_signature(self) -> None:
        """R-20-03: the Authentication may stand anywhere: what is behind it is signed as well."""
        for place in range(4):
            for spoilt in (False, True):

                def whole(digest: bytes, place: int = place) -> Message:
                    options: list[Option] = [ClientId(CLIENT), ServerId(SERVER), ReconfigureMessage(5)]
                    options.insert(place, Authentication(3, 1, 0, counter(11), b"\2" + digest))
                    return Message(MessageType.RECONFIGURE, 0, tuple(options))

                signed = encode(whole(hmac.new(SECRET, encode(whole(bytes(16))), "md5").digest()))
                if spoilt:
                    signed = signed[:-1] + bytes([signed[-1] ^ (3 if place < 3 else 1)])
                c = agreed()
                c.happen(Arrived(decode(signed), "fe80::1", signed))
                reason = [DiscardReason.RECONFIGURE_UNSIGNED] if spoilt else []
                self.assertEqual((c.discards(), c.state is State.BOUND), (reason, spoilt), place)

    def test_two_authentications(self) -> None:
        """R-20-04: two Authentication options: a Reconfigure is dropped, a Reply used without taking a key."""
        c = agreed()
        self.assert_dropped(c, reconfigure(5, 11, key()), DiscardReason.RECONFIGURE_UNSIGNED)
        c = agreed(ReconfigureAccept(), key(), key())
        self.assertEqual((c.held, c.session.key), ([PREFIX], None))

    def test_authentication_nobody_asked_for(self) -> None:
        """R-20-04, R-20-05: static or foreign Authentication never costs an Advertise or a Reply."""
        for option in (key(protocol=0), key(algorithm=0), key(rdm=1), key(kind=2), OpaqueOption(11, b"x" * 20)):
            c = Conversation(WILLING)
            c.link_up()
            c.advertise(option, GOOD, preference=255)
            c.reply(option, ReconfigureAccept(), GOOD)
            self.assertEqual((c.held, c.session.key), ([PREFIX], None))

    def test_other_methods(self) -> None:
        """R-20-05, R-16.11-06: another protocol, algorithm, method or kind, a wrong length, no key: dropped."""
        for shape in ((2, 1, 0, 2), (3, 0, 0, 2), (3, 1, 1, 2), (3, 1, 0, 1)):
            self.assert_dropped(agreed(), reconfigure(shape=shape), DiscardReason.RECONFIGURE_UNSIGNED)
        self.assert_dropped(agreed(), reconfigure(length=15), DiscardReason.RECONFIGURE_UNSIGNED)
        unsigned = Message(MessageType.RECONFIGURE, 0, (ClientId(CLIENT), ServerId(SERVER), ReconfigureMessage(5)))
        self.assert_dropped(agreed(), unsigned, DiscardReason.RECONFIGURE_UNSIGNED)
        other = reconfigure(identifiers=(ClientId(CLIENT), ServerId(OTHER)))
        self.assert_dropped(agreed(), other, DiscardReason.RECONFIGURE_UNWANTED)

    def test_unsolicited_key(self) -> None:
        """R-20-06: a key in a Reply although none was asked for is not taken."""
        c = Conversation()
        c.link_up()
        c.advertise(GOOD, preference=255)
        c.reply(ReconfigureAccept(), key(), GOOD)
        self.assertEqual((c.held, c.session.key), ([PREFIX], None))

    def test_identifiers(self) -> None:
        """R-16.11-02, R-16.11-03: without Server Identifier or our Client Identifier: dropped."""
        for identifiers in ((ClientId(CLIENT),), (ServerId(SERVER),), (ClientId(OTHER), ServerId(SERVER))):
            self.assert_dropped(agreed(), reconfigure(identifiers=identifiers), DiscardReason.RECONFIGURE_MALFORMED)

    def test_demand(self) -> None:
        """R-16.11-04, R-16.11-05: without Reconfigure Message, or with a type other than 5, 6, 11: dropped."""
        for told in (None, 0, 1, 3, 4, 255):
            self.assert_dropped(agreed(), reconfigure(told), DiscardReason.RECONFIGURE_MALFORMED)

    def test_one_at_a_time(self) -> None:
        """R-18.2.11-02: further Reconfigures are passed over until the exchange is complete."""
        c = agreed()
        c.hear(reconfigure(5, 11))
        exchange = c.session.exchange
        for value in (12, 13):
            self.assert_dropped(c, reconfigure(6, value), DiscardReason.RECONFIGURE_BUSY)
        self.assertEqual(c.session.exchange, exchange)
        self.assertEqual(len(c.times(MessageType.RENEW)), 1)

    def test_silence_after_it(self) -> None:
        """R-18.2.11-03, R-18.2.5-04: nobody answers the Renew or Rebind asked for: the lease runs its normal course."""
        for told in (5, 6):
            c = agreed()
            c.hear(reconfigure(told))
            c.until(4999.0)
            self.assertEqual((c.held, c.state), ([PREFIX], State.REBINDING))
            c.until_sent(MessageType.SOLICIT)
            self.assertEqual(c.now, 5000.0)

    def test_nothing_held(self) -> None:
        """R-18.2.11-08: a genuine Reconfigure while nothing is held is ignored."""
        c = agreed()
        c.until_sent(MessageType.SOLICIT)
        self.assert_dropped(c, reconfigure(), DiscardReason.RECONFIGURE_POINTLESS)

    def test_storm(self) -> None:
        """R-18.2.11-09: a hundred genuine ones a second: one in 2 s is obeyed, within the limit on messages."""
        c = agreed()
        c.answer = lambda sent: iter([c.message(MessageType.REPLY, GOOD, ReconfigureAccept())])
        for value in range(11, 1011):
            c.hear(reconfigure(5, value))
            c.wait(0.01)
        self.assertEqual(len(c.times(MessageType.RENEW)), 5)
        self.assertEqual(set(c.discards()), {DiscardReason.RECONFIGURE_TOO_OFTEN})

    def test_other_options(self) -> None:
        """R-18.2.11-10: an option request or association inside is ignored; we ask for all that we need."""
        c = agreed()
        c.hear(reconfigure(5, 11, OptionRequest((23,)), association(7)))
        self.assertEqual((c.state, [ia.iaid for ia in c.last.ia_pds]), (State.RENEWING, [1]))
        self.assertEqual(c.last.options_of(OptionRequest)[0].codes, (OptionCode.SOL_MAX_RT, OptionCode.PD_EXCLUDE))

    def test_listening_while_idle(self) -> None:
        """R-15-09: with Reconfigure agreed upon one is heard in the idle state, long after the last exchange."""
        c = agreed()
        c.wait(800)
        self.assertIs(c.state, State.BOUND)
        c.hear(reconfigure())
        self.assertIs(c.state, State.RENEWING)
