"""Tests of L{pdlease.demo.reconfiguring}."""

from __future__ import annotations

import hmac

from twisted.trial.unittest import SynchronousTestCase

from pdlease.demo.delegating import SERVER
from pdlease.demo.reconfiguring import ALL_NODES, MOST_AT_ONCE, STATIC
from pdlease.demo.script import CommandError, ScriptedServer
from pdlease.wire.chain import Option
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import Authentication, ClientId, ReconfigureAccept, ServerId
from pdlease.wire.prefixes import IAPD

CLIENT = DUID(bytes.fromhex("0004000102030405060788090a0b0c0d0e0f"))
WITH_SERVER = frozenset({MessageType.REQUEST, MessageType.RENEW, MessageType.RELEASE})


class ReconfiguringTests(SynchronousTestCase):
    """
    L{pdlease.demo.reconfiguring.Reconfiguring}, as a scripted server has it.
    """

    def setUp(self) -> None:
        """A server whose keys count up."""
        self.scripted = ScriptedServer()
        self.made = 0
        self.scripted.reconfiguring.new_key = self.key

    def key(self) -> bytes:
        """The next key."""
        self.made += 1
        return self.made.to_bytes(16, "big")

    def answer(self, kind: MessageType = MessageType.REQUEST, willing: bool = True) -> Message:
        """The answer to a message of a client."""
        options: list[Option] = [ClientId(CLIENT), IAPD(1, 0, 0)]
        options += [ServerId(SERVER)] if kind in WITH_SERVER else []
        options += [ReconfigureAccept()] if willing else []
        (outgoing,) = self.scripted.answer(encode(Message(kind, 0x123456, tuple(options))), 0.0)
        return decode(outgoing.data)

    def keys(self, message: Message) -> list[bytes]:
        """The keys that a message brings."""
        return [option.information for option in message.options_of(Authentication)]

    def orders(self, line: str) -> list[Message]:
        """The Reconfigures that are sent for an order."""
        return [decode(outgoing.data) for outgoing in self.scripted.command(line, 0.0)]

    def test_key_for_the_willing(self) -> None:
        """
        A client that accepts Reconfigure gets the option and a key in the Reply to its Request, and no new key with a
        Renew or Rebind while the server knows it.
        """
        reply = self.answer()
        self.assertTrue(reply.reconfigure_accept)
        self.assertEqual(
            reply.options_of(Authentication), (Authentication(3, 1, 0, bytes(8), b"\1" + b"\0" * 15 + b"\1"),)
        )
        for kind in (MessageType.RENEW, MessageType.REBIND):
            reply = self.answer(kind)
            self.assertTrue(reply.reconfigure_accept)
            self.assertEqual(self.keys(reply), [])
        self.scripted.command("forget", 0.0)
        self.assertEqual(len(self.keys(self.answer(MessageType.RENEW))), 1)

    def test_nothing_for_others(self) -> None:
        """
        Neither a client that does not accept Reconfigure nor an Advertise nor a Release gets anything of it.
        """
        for message in (
            self.answer(willing=False),
            self.answer(MessageType.SOLICIT),
            self.answer(MessageType.RELEASE),
        ):
            self.assertFalse(message.reconfigure_accept)
            self.assertEqual(self.keys(message), [])

    def test_not_agreed(self) -> None:
        """
        C{agree off} is a server that does not do Reconfigure.
        """
        self.scripted.command("agree off", 0.0)
        reply = self.answer()
        self.assertFalse(reply.reconfigure_accept)
        self.assertEqual(self.keys(reply), [])
        self.scripted.command("agree on", 0.0)
        self.assertTrue(self.answer().reconfigure_accept)

    def test_unasked(self) -> None:
        """
        C{auth static} puts a provider's token into every answer, C{auth key} a key into the Reply to a client that did
        not ask, and C{auth off} ends both.
        """
        self.scripted.command("auth static", 0.0)
        for kind in (MessageType.SOLICIT, MessageType.REQUEST, MessageType.RENEW):
            self.assertEqual(self.answer(kind, willing=False).options_of(Authentication), (STATIC,))
        self.scripted.command("auth key", 0.0)
        reply = self.answer(willing=False)
        self.assertEqual(self.keys(reply), [b"\1" + b"\0" * 15 + b"\1"])
        self.assertFalse(reply.reconfigure_accept)
        self.scripted.command("auth off", 0.0)
        self.assertEqual(self.keys(self.answer(willing=False)), [])

    def test_signed(self) -> None:
        """
        A Reconfigure is signed over itself with zeros for the digest, by the client's key, with a counter that grows
        (section 20.4.2).
        """
        self.answer()
        for number, (what, kind) in enumerate((("renew", 5), ("rebind", 6), ("information", 11), ("3", 3)), 1):
            (outgoing,) = self.scripted.command(f"reconfigure {what}", 0.0)
            message = decode(outgoing.data)
            self.assertEqual(
                (message.message_type, message.transaction_id, message.client_id, message.server_id),
                (MessageType.RECONFIGURE, 0, CLIENT, SERVER),
            )
            self.assertEqual(message.reconfigure_message, kind)
            (option,) = message.options_of(Authentication)
            zeroed = outgoing.data.replace(option.information[1:], bytes(16))
            self.assertEqual(option.information[1:], hmac.digest(self.key_of(1), zeroed, "md5"))
            self.assertEqual(option.replay, number.to_bytes(8, "big"))
            self.assertIsNone(outgoing.group)

    def key_of(self, number: int) -> bytes:
        """A key that was made."""
        return number.to_bytes(16, "big")

    def test_variants(self) -> None:
        """
        A Reconfigure can be signed wrongly, have the counter of the one before, go to all nodes, or lack an option.
        """
        self.answer()
        (right,) = self.scripted.command("reconfigure renew", 0.0)
        (again,) = self.scripted.command("reconfigure renew replay", 0.0)
        self.assertEqual(again, right)
        (wrong,) = self.scripted.command("reconfigure renew replay wrong-digest", 0.0)
        self.assertEqual([a ^ b for a, b in zip(wrong.data, right.data, strict=True) if a != b], [1])
        (multicast,) = self.scripted.command("reconfigure renew multicast", 0.0)
        self.assertEqual(multicast.group, ALL_NODES)
        parts = {
            "client-id": OptionCode.CLIENT_ID,
            "server-id": OptionCode.SERVER_ID,
            "reconfigure-message": OptionCode.RECONFIGURE_MESSAGE,
            "auth": OptionCode.AUTHENTICATION,
        }
        for name, code in parts.items():
            (message,) = self.orders(f"reconfigure renew without {name}")
            self.assertEqual({option.code for option in message.options}, {*parts.values()} - {code})

    def test_many(self) -> None:
        """
        C{count N} sends that many, each with a counter of its own.
        """
        self.answer()
        replays = [message.options_of(Authentication)[0].replay for message in self.orders("reconfigure renew count 3")]
        self.assertEqual(replays, [number.to_bytes(8, "big") for number in (1, 2, 3)])

    def test_without_a_key(self) -> None:
        """
        A client that was given no key is sent what is signed with zeros, which no client may take for genuine.
        """
        self.answer(willing=False)
        (outgoing,) = self.scripted.command("reconfigure renew", 0.0)
        zeroed = outgoing.data[:-16] + bytes(16)
        self.assertEqual(outgoing.data[-16:], hmac.digest(bytes(16), zeroed, "md5"))

    def test_refused(self) -> None:
        """
        What is not understood is refused, and so is a Reconfigure when no client is known.
        """
        self.assertRaises(CommandError, self.scripted.command, "reconfigure renew", 0.0)
        self.answer()
        for line in (
            "reconfigure",
            "reconfigure nothing",
            "reconfigure 256",
            "reconfigure renew never",
            "reconfigure renew count",
            "reconfigure renew count 0",
            f"reconfigure renew count {MOST_AT_ONCE + 1}",
            "reconfigure renew without",
            "reconfigure renew without preference",
            "agree",
            "agree perhaps",
            "auth",
            "auth dynamic",
        ):
            self.assertRaises(CommandError, self.scripted.command, line, 0.0)
        self.assertEqual(self.scripted.reconfiguring.counter, 0)
