"""
Tests of L{pdlease.explanation}: what operators are told who ask why.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Network

from attrs import evolve
from twisted.internet.defer import Deferred, fail

from pdlease.client.occurrences import Request
from pdlease.client.states import State
from pdlease.demo.delegating import DelegatingServer, Terms
from pdlease.interfaces import StoreError
from pdlease.wire.codes import MessageType
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import ClientId, Option, ServerId
from tests.house import ONE, House, held_port
from tests.test_report import ReportCase


class WhyTests(ReportCase):
    """Tests of the sentences."""

    def test_bound(self) -> None:
        """One sentence says what the session does and what comes next."""
        self.house()
        self.assertEqual(
            self.why(),
            [
                "wan: holding prefixes: server 0003000102005e005301 gave the prefixes or extended them, next Renew in "
                "29 min 58 s."
            ],
        )

    def test_waiting(self) -> None:
        """While the link is not ready, that is said instead."""
        house = self.house()
        house.kernel.remove_link("eth0")
        house.wait(0.1)
        self.assertEqual(self.why()[0], "wan: waiting for link eth0 to appear.")

    def test_silence(self) -> None:
        """Where nothing at all comes in, the firewall and the provider are pointed at."""
        self.made = House()
        self.made.silent.add("eth0")
        self.made.add_links()
        self.made.begin()
        self.made.wait(10)
        self.assertTrue([line for line in self.why() if "firewall drop UDP port 546" in line])
        self.made.silent.clear()
        self.made.wait(30)
        self.assertFalse([line for line in self.why() if "firewall" in line])

    def test_deaf(self) -> None:
        """Where the kernel ignores Router Advertisements on the uplink, it is said what is missed and what to set."""
        house = self.house()
        house.kernel._set_link(evolve(house.kernel._named("eth0"), ignores_routers=True))
        house.wait(0.1)
        self.assertTrue(
            [line for line in self.why() if "eth0/accept_ra" in line and "changes upstream are not noticed" in line]
        )

    def test_dropped(self) -> None:
        """What the session dropped is told with its number and its reason."""
        house = self.house()
        stray = encode(Message(MessageType.RELAY_FORWARD, 1))
        house.arrive(house.line(), stray)
        self.assertIn(
            "wan: Relay-forward from fe80::5e dropped: message type that only servers and relays receive (R-16.2-01).",
            self.why(),
        )
        house.arrive(house.line(), stray)
        self.assertTrue([line for line in self.why() if line.endswith("(R-16.2-01); the last of 2.")])


def without(answer: bytes, kind: type, *instead: Option) -> bytes:
    """A message without the options of a kind, and with these."""
    message = decode(answer)
    options = (*(option for option in message.options if not isinstance(option, kind)), *instead)
    return encode(evolve(message, options=options))


class Liar(DelegatingServer):
    """
    A server whose answers are tampered with.

    @ivar tamper: makes of an answer what is sent instead.
    """

    tamper: Callable[[bytes], bytes] = staticmethod(lambda answer: answer)

    def answer(self, data: bytes, now: float) -> list[bytes]:
        return [self.tamper(answer) for answer in super().answer(data, now)]


class LyingServerTests(ReportCase):
    """A server that says what it should not: what was dropped and how often, and what to check."""

    def told(self, tamper: Callable[[bytes], bytes], terms: Terms | None = None) -> str:
        """What is told after some vain Solicits."""
        self.made = house = House()
        liar = Liar(terms or Terms())
        liar.tamper = tamper  # type: ignore[method-assign]
        house.server = liar
        house.add_links()
        house.begin()
        house.wait(20)
        self.assertIs(house.uplink().session.state, State.SOLICITING)
        lines = self.why()
        self.assertTrue(all(line.startswith("wan: ") for line in lines))
        self.assertFalse([line for line in lines if "no DHCPv6 message has been received" in line])
        return "\n".join(lines)

    def test_nothing_to_give(self) -> None:
        """NoPrefixAvail is said in the server's words, and the provider is to be asked."""
        told = self.told(lambda answer: answer, Terms(pools=()))
        self.assertIn(
            "wan: looking for servers (Solicit); waiting: server said NoPrefixAvail (no prefix is left)", told
        )
        self.assertRegex(told, r"dropped: Advertise without a usable prefix.*; the last of \d+")
        self.assertIn("wan: Ask the provider whether this line has prefix delegation", told)
        self.assertIn("pdleasectl identity import", told)

    def test_other_transaction(self) -> None:
        """Answers with another transaction id are late ones, or another client's."""
        told = self.told(lambda answer: answer[:1] + b"\0\0\0" + answer[4:])
        self.assertRegex(told, r"dropped: transaction id.*; the last of \d+")
        self.assertIn("is another client on eth0, or does the server lag?", told)

    def test_other_client(self) -> None:
        """So are those with another Client Identifier."""

        def other(answer: bytes) -> bytes:
            return without(answer, ClientId, ClientId(DUID.from_uuid(bytes(16))))

        told = self.told(other)
        self.assertRegex(told, r"dropped: Client Identifier of another client.*; the last of \d+")
        self.assertIn("is another client on eth0, or does the server lag?", told)

    def test_without_server_identifier(self) -> None:
        """A message without what it must contain is the server's fault, and how to show it to the provider is told."""
        told = self.told(lambda answer: without(answer, ServerId))
        self.assertRegex(told, r"dropped: no Server Identifier.*; the last of \d+")
        self.assertIn("wan: The server breaks the protocol; to show it to the provider: `tcpdump -ni eth0 -vv", told)

    def test_garbage(self) -> None:
        """So is what is no DHCPv6 message at all."""
        told = self.told(lambda answer: b"\x02\xff\xff")
        self.assertRegex(told, r"dropped: datagram that is no DHCPv6 message.*; the last of \d+")
        self.assertIn("wan: The server breaks the protocol", told)

    def test_wrong_prefix(self) -> None:
        """A prefix that no LAN can have is named as such."""
        told = self.told(lambda answer: answer, Terms(pools=(IPv6Network("fe80::/40"),)))
        self.assertIn("prefix that is not global unicast or unique local", told)
        self.assertIn("see [policy] prefixes", told)

    def test_held_off(self) -> None:
        """A server that offers and then refuses is passed over, and it is told for how long (R-14.1-04)."""

        class Fickle(DelegatingServer):
            def answer(self, data: bytes, now: float) -> list[bytes]:
                if decode(data).message_type == MessageType.REQUEST:
                    self.terms = evolve(self.terms, pools=())
                    self.forget()
                else:
                    self.terms = Terms()
                return super().answer(data, now)

        self.made = house = House()
        house.server = Fickle()
        house.add_links()
        house.begin()
        house.wait(8)
        told = "\n".join(self.why())
        self.assertRegex(
            told, r"wan: offers of server 0003[0-9a-f]+ are passed over for \d+ s more: it offered and then"
        )


class WaitingTests(ReportCase):
    """What an uplink waits for on its own link, and how that is mended."""

    def told(self, arrange: Callable[[House], None], text: str = ONE) -> list[str]:
        """What is told in a house that never had its link ready."""
        self.made = house = House(text)
        house.kernel.add_link("lan0")
        arrange(house)
        house.begin()
        house.wait(2)
        return self.why()

    def test_every_wait_has_its_check(self) -> None:
        """Each thing that can be missing on the link is named, with what to look at or the command that mends it."""

        def without_carrier(house: House) -> None:
            house.add_uplink()
            house.kernel.carrier("eth0", False)

        def down(house: House) -> None:
            house.add_uplink()
            house.kernel.set_up("eth0", False)

        def held(house: House) -> None:
            house.add_uplink()
            house.holder = "dhclient (process 7)"
            house.privilege.refusals = [held_port() for _ in range(9)]

        for arrange, waits, check in (
            (lambda house: None, "link eth0 to appear", "`ip link`"),
            (down, "link eth0 to be set up", "`ip link set eth0 up`"),
            (without_carrier, "carrier on eth0", "Is the cable plugged in"),
            (
                lambda house: house.kernel.add_link("eth0"),
                "a link-local address on eth0",
                "net.ipv6.conf.eth0.addr_gen_mode` should both say 0",
            ),
            (held, "UDP port 546 on eth0, held by dhclient (process 7)", "Two DHCPv6 clients cannot share a link"),
        ):
            first, second, *others = self.told(arrange)
            self.assertEqual(first, f"wan: waiting for {waits}.")
            self.assertIn(check, second)
            self.assertEqual(others, [])

    def test_lease_meanwhile(self) -> None:
        """While the link is away, what stays in use and for how long is told."""
        house = self.house()
        house.kernel.remove_link("eth0")
        house.wait(0.1)
        self.assertEqual(self.why()[-1], "wan: 2001:db8::/64 stays in use meanwhile, for 1 h 59 min at most.")


class LimitTests(ReportCase):
    """What is held back, or not kept."""

    def test_rate_limit(self) -> None:
        """A message that the rate limit holds back is told with the limit (R-14.1-01)."""
        text = ONE.replace("solicit_delay", "rate_limit = [3, 600]\nsolicit_delay")
        self.made = house = House(text)
        house.silent.add("eth0")
        house.add_links()
        house.begin()
        house.wait(30)
        told = "\n".join(self.why())
        self.assertIn("too many messages in a short time (rate limit)", told)
        self.assertIn("wan: no more than 3 messages are sent in 10 min (rate_limit).", told)

    def test_silence_while_holding(self) -> None:
        """What a server does not answer is told of with its number, its time, and what shows whether answers come."""
        house = self.house()
        house.silent.add("eth0")
        house.wait(1799)
        said, silent = self.why()
        self.assertIn("(Renew, from T1); waiting: T1 passed, next Renew in ", said)
        self.assertEqual(
            silent, "wan: the Renew has not been answered yet (sent since the start: Solicit 1, Request 1, Renew 1)."
        )
        house.wait(100)
        silent = self.why()[1]
        self.assertRegex(silent, r"^wan: 4 Renew messages in 1 min \d+ s were not answered \(sent .*, Renew 4\); ")
        self.assertTrue(silent.endswith("; `tcpdump -ni eth0 udp port 546` shows whether answers arrive."))

    def test_search_in_vain(self) -> None:
        """Why a search for servers was begun is told no more once it goes on in vain: that nobody answers is."""
        house = self.house()
        house.silent.add("eth0")
        house.uplink().release()
        house.wait(30)
        house.uplink().ask(Request.SOLICIT)
        self.assertIn("an operator asked for it", self.why()[0])
        house.wait(10)
        said, silent = self.why()
        self.assertIn("no server has answered yet", said)
        self.assertRegex(silent, r"^wan: \d Solicit messages in \d+ s were not answered ")

    def test_late_answer_of_no_consequence(self) -> None:
        """On an uplink that lacks nothing, what was dropped is told without what to check."""
        house = self.house()
        options = (ServerId(DUID.from_uuid(bytes(16))), ClientId(house.identity.duid))
        reply = Message(MessageType.REPLY, 1, options)
        house.arrive(house.line(), encode(reply))
        self.assertEqual(self.why()[1:], ["wan: Reply from fe80::5e dropped: nothing was asked."])

    def test_not_kept(self) -> None:
        """A lease that cannot be written down is told with the reason."""
        self.made = house = House()

        class Full:
            """A store with no room."""

            def save_uplink(self, name: str, record: object) -> Deferred[None]:
                return fail(StoreError("No space left on device"))

        house.router._around = evolve(house.router._around, store=Full())
        house.add_links()
        house.begin()
        house.wait(3)
        self.assertIn("wan: the lease is in use but not kept: No space left on device.", self.why())
