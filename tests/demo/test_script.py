"""Tests of L{pdlease.demo.script}."""

from __future__ import annotations

from ipaddress import IPv6Network

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.demo import script
from pdlease.demo.delegating import SERVER, DelegatingServer, Terms
from pdlease.demo.script import LARGEST, SPOILERS, STRANGER, CommandError, Outgoing, ScriptedServer
from pdlease.wire.codes import INFINITY, MessageType
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import ClientId, ServerId
from pdlease.wire.prefixes import IAPD
from pdlease.wire.reader import WireError

CLIENT = DUID(bytes.fromhex("0004000102030405060788090a0b0c0d0e0f"))
SOLICIT = encode(Message(MessageType.SOLICIT, 0x123456, (ClientId(CLIENT), IAPD(1, 0, 0))))
REQUEST = encode(Message(MessageType.REQUEST, 0x123457, (ClientId(CLIENT), ServerId(SERVER), IAPD(1, 0, 0))))


class ScriptedServerTests(SynchronousTestCase):
    """
    L{ScriptedServer}.
    """

    def setUp(self) -> None:
        """A server that goes by the book so far."""
        self.scripted = ScriptedServer(DelegatingServer(Terms(pools=(IPv6Network("2001:db8::/48"),))))
        self.now = 50.0
        self.good = self.answers(SOLICIT)

    def answers(self, data: bytes = SOLICIT) -> list[bytes]:
        """The datagrams that answer one."""
        return [outgoing.data for outgoing in self.scripted.answer(data, self.now)]

    def tell(self, line: str) -> tuple[Outgoing, ...]:
        """Give a command."""
        return self.scripted.command(line, self.now)

    def test_without_a_script(self) -> None:
        """
        A server that was told nothing answers like the one that it wraps, at once.
        """
        (outgoing,) = self.scripted.answer(SOLICIT, self.now)
        self.assertEqual(outgoing, Outgoing(self.scripted.server.answer(SOLICIT, self.now)[0], 0.0))

    def test_silent_for_messages(self) -> None:
        """
        C{silent 2} leaves two messages unanswered.
        """
        self.tell("silent 2")
        self.assertEqual([bool(self.answers()) for _ in range(4)], [False, False, True, True])

    def test_silent_for_seconds(self) -> None:
        """
        C{silent 10s} leaves everything unanswered for ten seconds.
        """
        self.tell("silent 10s")
        self.now += 9.9
        self.assertEqual(self.answers(), [])
        self.now += 0.1
        self.assertEqual(self.answers(), self.good)

    def test_silent_until_told(self) -> None:
        """
        C{silent on} lasts until C{silent off}.
        """
        self.tell("silent on")
        self.assertEqual([self.answers() for _ in range(20)], [[]] * 20)
        self.tell("silent off")
        self.assertEqual(self.answers(), self.good)

    def test_silence_hears_nothing(self) -> None:
        """
        A silent server makes no bindings either: it did not hear.
        """
        self.scripted.server.forget()
        self.tell("silent on")
        self.answers()
        self.assertEqual(self.scripted.server.bindings, {})

    def spoiled(self, kind: str) -> Message:
        """A spoiled answer that is a message."""
        self.tell("well")
        self.tell(f"spoil {kind} 1")
        (data,) = self.answers()
        self.assertEqual(self.answers(), self.good)
        return decode(data)

    def test_spoiled_once(self) -> None:
        """
        Each kind of spoiled answer differs in what its name says, once.
        """
        good = decode(self.good[0])
        self.assertEqual(self.spoiled("wrong-xid").transaction_id, good.transaction_id ^ 1)
        self.assertEqual(self.spoiled("wrong-client").client_id, STRANGER)
        self.assertEqual(self.spoiled("no-client").client_id, None)
        self.assertEqual(self.spoiled("other-server").server_id, STRANGER)
        self.assertEqual(self.spoiled("no-server").server_id, None)
        self.assertEqual(self.spoiled("unknown-type").message_type, 99)
        huge = self.spoiled("huge")
        self.assertEqual((len(encode(huge)), huge.ia_pds), (LARGEST, good.ia_pds))

    def test_spoiled_beyond_reading(self) -> None:
        """
        An empty and a truncated answer are no messages.
        """
        for kind in ("empty", "truncated"):
            self.tell(f"spoil {kind} 1")
            (data,) = self.answers()
            self.assertRaises(WireError, decode, data)

    def test_spoiled_for_ever(self) -> None:
        """
        Without a number every answer is spoiled until C{well}.
        """
        self.tell("spoil empty")
        self.assertEqual([self.answers() for _ in range(20)], [[b""]] * 20)
        self.tell("well")
        self.assertEqual(self.answers(), self.good)

    def test_spoiled_in_turn(self) -> None:
        """
        Several spoilings are done one after the other.
        """
        self.tell("spoil empty 1")
        self.tell("spoil wrong-xid 1")
        first, second, third = (self.answers() for _ in range(3))
        self.assertEqual((first, third), ([b""], self.good))
        self.assertNotEqual(second, self.good)

    def test_before(self) -> None:
        """
        C{before} sends the spoiled answer first and the good one behind it.
        """
        self.tell("before empty 1")
        self.assertEqual([self.answers(), self.answers()], [[b"", *self.good], self.good])

    def test_duplicate(self) -> None:
        """
        C{duplicate 1} sends one answer twice.
        """
        self.tell("duplicate 1")
        self.assertEqual([self.answers(), self.answers()], [self.good * 2, self.good])

    def test_replace(self) -> None:
        """
        C{replace} answers with given octets, in which the transaction id is put right.
        """
        self.tell("replace 02000000ffff 1")
        self.assertEqual(self.answers(), [bytes.fromhex("02123456ffff")])
        self.tell("replace 0200 1")
        self.assertEqual(self.answers(), [b"\2\0"])
        self.assertEqual(self.answers(), self.good)

    def test_raw(self) -> None:
        """
        C{raw} sends octets at once, unasked.
        """
        self.assertEqual(self.tell("raw 0a000000"), (Outgoing(b"\x0a\0\0\0"),))

    def test_delay(self) -> None:
        """
        Answers are sent as much later as told.
        """
        self.tell("delay 1.5")
        self.assertEqual([one.delay for one in self.scripted.answer(SOLICIT, self.now)], [1.5])

    def test_status_in_associations(self) -> None:
        """
        NoPrefixAvail and NoBinding stand in each association, which holds nothing else.
        """
        for name, code in (("noprefix", 6), ("nobinding", 3)):
            self.tell(f"status {name} 1")
            message = decode(self.answers()[0])
            (association,) = message.ia_pds
            self.assertEqual(
                (association.status.status if association.status else None, association.prefixes), (code, ())
            )
            self.assertEqual(self.answers(), self.good)

    def test_status_of_the_message(self) -> None:
        """
        UnspecFail, or any number, is the status of a Reply, which then holds no association.
        """
        for name, code in (("unspec", 1), ("5", 5)):
            self.tell(f"status {name} 1")
            message = decode(self.answers(REQUEST)[0])
            self.assertEqual((message.status.status if message.status else None, message.ia_pds), (code, ()))
            self.assertEqual(len(decode(self.answers(REQUEST)[0]).ia_pds), 1)

    def test_status_of_an_advertise(self) -> None:
        """
        An Advertise with UnspecFail keeps its associations: the client is to judge by them (R-18.2.9-09).
        """
        self.tell("status unspec 1")
        message = decode(self.answers()[0])
        self.assertEqual((message.status.status if message.status else None, len(message.ia_pds)), (1, 1))

    def test_terms(self) -> None:
        """
        Lifetimes, preference and the rest of the terms are changed by a line each.
        """
        for line in (
            "lifetimes 10 infinite 3 4",
            "preference 7",
            "rapid-commit on",
            "adopt on",
            "sol-max-rt 120",
            "inf-max-rt 240",
            "exclude 64",
            "length 60",
        ):
            self.tell(line)
        self.assertEqual(
            self.scripted.server.terms,
            Terms(
                pools=(IPv6Network("2001:db8::/48"),),
                preferred=10,
                valid=INFINITY,
                t1=3,
                t2=4,
                preference=7,
                rapid_commit=True,
                adopt=True,
                sol_max_rt=120,
                inf_max_rt=240,
                exclude=64,
                length=60,
                shortest=60,
                longest=60,
            ),
        )
        for line in ("lifetimes 5 6", "preference none", "rapid-commit off", "sol-max-rt none"):
            self.tell(line)
        terms = self.scripted.server.terms
        self.assertEqual((terms.t1, terms.preference, terms.rapid_commit, terms.sol_max_rt), (None, None, False, None))

    def test_bindings(self) -> None:
        """
        C{renumber}, C{withdraw} and C{forget} act on what is held.
        """
        self.answers(REQUEST)
        self.tell("renumber 2001:db8:2::/48 deprecate")
        (held,) = self.scripted.server.bindings.values()
        self.assertEqual([how for _, how in held.leaving.values()], ["deprecate"])
        self.assertEqual(self.scripted.server.terms.pools, (IPv6Network("2001:db8:2::/48"),))
        self.tell("renumber 2001:db8::/48")
        self.answers(REQUEST)
        self.tell("withdraw")
        self.assertEqual((held.prefixes, [how for _, how in held.leaving.values()][-1]), ({}, "withdraw"))
        self.tell("forget")
        self.assertEqual(self.scripted.server.bindings, {})

    def test_what_is_not_understood(self) -> None:
        """
        A wrong line changes nothing and is answered with a sentence.
        """
        for line in (
            "",
            "dance",
            "silent",
            "silent x",
            "spoil",
            "spoil nicely",
            "spoil empty x",
            "replace xyz",
            "raw xyz",
            "raw",
            "delay -1",
            "delay nan",
            "status maybe",
            "renumber 2001:db8::1/48",
            "renumber 2001:db8::/48 slowly",
            "lifetimes 1",
            "lifetimes -1 5",
            "preference 256",
            "length none",
            "rapid-commit perhaps",
        ):
            error = self.assertRaises(CommandError, self.tell, line)
            self.assertIn(repr(line), str(error))
        self.assertEqual(self.answers(), self.good)

    def test_every_kind_is_documented(self) -> None:
        """
        The module's documentation names every command and every kind of spoiled answer.
        """
        for word in (*SPOILERS, *script._ORDERS, "raw"):
            self.assertIn(word, script.__doc__ or "")

    @settings(deadline=None, max_examples=100)
    @given(st.binary(max_size=300), st.sampled_from([*SPOILERS, "well"]))
    def test_any_octets(self, data: bytes, kind: str) -> None:
        """
        No datagram raises, whatever the server was told.
        """
        self.assertEqual(self.scripted.answer(b"", self.now), ())
        self.tell("well" if kind == "well" else f"spoil {kind} 1")
        self.scripted.answer(data, self.now)
