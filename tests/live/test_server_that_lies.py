"""
Servers that are silent, wrong, malicious or merely change their minds.

Whatever comes in, the daemon lives, counts it, shows what it counted, and is served as soon as there is an honest
answer.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from ipaddress import IPv6Network
from pathlib import Path

from attrs import evolve

from pdlease.demo.script import SPOILERS
from pdlease.wire.codes import MessageType, OptionCode, StatusCode
from pdlease.wire.messages import Message, encode
from pdlease.wire.options import ClientId, OpaqueOption, ServerId, SolMaxRt, Status
from pdlease.wire.prefixes import IAPD
from tests.live.liar import Liar
from tests.live.network import ip, until
from tests.live.scripted import POOL, WithServer, resident

OWN_VECTORS = Path(__file__).parents[1] / "wire" / "vectors.json"

LAN0 = "2001:db8:1000::1/64"


def vectors() -> list[dict[str, str]]:
    """
    Octets out of other programs' tests: those of this project and, where C{PDLEASE_PUBLIC_VECTORS} names a file, the
    whole public collection.
    """
    paths = [OWN_VECTORS, *filter(None, [os.environ.get("PDLEASE_PUBLIC_VECTORS")])]
    return [packet for path in paths for packet in json.loads(Path(path).read_bytes())["packets"]]


class WithLiar(WithServer):
    """The test itself is the server."""

    def setUp(self) -> None:
        super().setUp()
        self.answered: Message | None = None
        self.liar = Liar(self.network, self.heard)
        self.addCleanup(self.liar.close)
        self.daemon = self.make_daemon(self.network).start()

    def counters(self) -> dict[str, int]:
        """What the daemon counted."""
        counted: dict[str, int] = self.daemon.status()["counters"]
        return counted

    def count_of_discards(self) -> int:
        """How much the daemon dropped."""
        return sum(number for name, number in self.counters().items() if name.startswith("discarded_"))

    def tell_lies(self, about: Message, but: tuple[str, ...] = ()) -> None:
        """Send every kind of lie as an answer to a message, and wait until each was counted."""
        before = self.counters()
        lies = {kind: data for kind, data in self.liar.lies(about).items() if kind not in but}
        for data in lies.values():
            self.liar.send(data)
        until(
            lambda: all(self.counters().get(name, 0) > before.get(name, 0) for name in self.reasons(lies)),
            3,
            "every lie to be counted",
        )

    def reasons(self, lies: dict[str, bytes]) -> list[str]:
        """The counters of these lies."""
        return [self.liar.reason[kind] for kind in lies]

    def bind(self) -> None:
        """Answer honestly from now on until the daemon is bound."""
        solicit = self.liar.heard(MessageType.SOLICIT, time.monotonic(), 8)
        self.liar.answer(solicit)
        self.liar.answer(self.liar.heard(MessageType.REQUEST))
        self.daemon.bound()

    def is_bound_with_help(self) -> bool:
        """Answer honestly whatever was asked last, as the server that was asked; whether the daemon is bound."""
        asked = (MessageType.SOLICIT, MessageType.REQUEST)
        last = [message for _, _, message in self.heard.messages if message.message_type in asked][-1]
        if last is not self.answered:
            self.answered = last
            server = last.server_id or self.liar.server.terms.server
            self.liar.send(encode(self.liar.truth(last, server)))
        return bool(self.daemon.status()["state"] == "bound")


class LieTests(WithLiar):
    """Answers that are wrong."""

    def test_every_lie_in_every_state(self) -> None:
        """
        Wrong transaction id, wrong or missing identifiers, an empty datagram, an unknown type and a message that is cut
        off are counted and change nothing: while soliciting, requesting, bound, renewing and rebinding (R-16.3-01 to
        R-16.3-04, R-16.10-01 to R-16.10-03, R-16-11, R-16-20).
        """
        solicit = self.liar.heard(MessageType.SOLICIT)
        self.tell_lies(solicit)
        self.assertEqual(self.daemon.status()["state"], "soliciting")
        self.liar.answer(solicit)
        request = self.liar.heard(MessageType.REQUEST)
        self.tell_lies(request)
        self.assertEqual((self.daemon.status()["state"], self.on_lan(self.network)), ("requesting", set()))
        self.liar.answer(request)
        self.daemon.bound()
        self.assertEqual(self.on_lan(self.network), {LAN0})
        for kind, data in self.liar.lies(request).items():
            before = self.count_of_discards()
            self.liar.send(data)
            until(lambda before=before: self.count_of_discards() > before, 2, f"{kind} to be counted")
        self.assertEqual(self.daemon.status()["state"], "bound")
        for command, message_type in (("renew", MessageType.RENEW), ("rebind", MessageType.REBIND)):
            since = self.now()
            self.daemon.ctl(command, "wan0")
            asked = self.liar.heard(message_type, since)
            self.tell_lies(asked)
            self.assertEqual(self.daemon.status()["state"], f"{command}ing")
            self.liar.answer(asked)
            self.until_state("bound")
        self.assertEqual(self.on_lan(self.network), {LAN0})
        self.assertEqual(len(self.daemon.status()["prefixes"]), 1)

    def test_told_in_sentences(self) -> None:
        """
        R-16.3-04, R-18.2.9-03: what was dropped and what is waited for is one sentence in C{status}, C{why} and
        C{watch}.
        """
        watch = self.network.run("watch", self.network.router, *self.daemon.ctl_words("watch", "--since", "0"))
        solicit = self.liar.heard(MessageType.SOLICIT)
        self.liar.server.terms = evolve(self.liar.server.terms, pools=())
        self.liar.send(self.liar.lies(solicit)["wrong-xid"])
        self.liar.answer(solicit)
        waits = r"waiting: server said NoPrefixAvail .*, next Solicit in \d+ s"
        until(lambda: re.search(waits, self.daemon.status()["reason_text"]), 3, "the wait in the status")
        dropped = r"Advertise from fe80::[0-9a-f:]+ dropped: transaction id"
        self.assertRegex(self.daemon.status()["last_dropped"]["transaction_id"]["text"], dropped)
        why = self.daemon.ctl("why").stdout
        for sentence in (dropped, waits):
            self.assertRegex(why, sentence)
            until(lambda sentence=sentence: re.search(sentence, watch.said()), 3, f"{sentence} in watch")

    def test_on_link_upstream(self) -> None:
        """
        PDX-04, R-18.2.10.1-22: the upstream link is numbered out of the delegation, which the server does not say: the
        LAN that had this /64 moves behind it.
        """
        self.bind()
        self.assertEqual(self.on_lan(self.network), {LAN0})
        ip("-n", self.network.router, "address", "add", "2001:db8:1000::99/64", "dev", "wan0", "nodad")
        until(lambda: self.on_lan(self.network) == {"2001:db8:1000:1::1/64"}, 3, "the LAN to move")

    def test_largest_datagram(self) -> None:
        """A datagram of 64 KiB, wrong or right, is read like any other; its unknown option is no concern of ours."""
        solicit = self.liar.heard(MessageType.SOLICIT)
        truth = self.liar.truth(solicit)
        self.liar.send(SPOILERS["wrong-xid"](truth)[:4] + SPOILERS["huge"](truth)[4:])
        until(lambda: self.counters().get("discarded_transaction_id"), 3, "the wrong one to be counted")
        self.liar.send(SPOILERS["huge"](truth))
        request = self.liar.heard(MessageType.REQUEST)
        self.liar.send(SPOILERS["huge"](self.liar.truth(request)))
        self.daemon.bound()

    def test_more_than_is_understood(self) -> None:
        """
        SOL_MAX_RT of an Advertise that has nothing to offer is in force at once (A.3-03).  Options that nobody knows,
        at every level, an Auth that no RFC has, and three octets behind the last option cost no lease; the debug view
        shows them (B.1-02, issue 3).
        """
        self.daemon.ctl("log", "debug")
        solicit = self.liar.heard(MessageType.SOLICIT)
        truth = self.liar.truth(solicit)
        nothing = tuple(option for option in truth.options if option.code != OptionCode.IA_PD)
        refusal = (*nothing, Status(StatusCode.NO_PREFIX_AVAIL), SolMaxRt(300))
        self.liar.send(encode(evolve(truth, options=refusal)))
        until(lambda: self.daemon.status()["sol_max_rt_seconds"] == 300, 3, "SOL_MAX_RT to be in force")
        self.assertEqual(self.daemon.status()["state"], "soliciting")
        asked = self.liar.heard(MessageType.SOLICIT, self.now(), 8)
        self.liar.send(self.strange(self.liar.truth(asked)))
        self.liar.send(self.strange(self.liar.truth(self.liar.heard(MessageType.REQUEST))))
        self.daemon.bound()
        self.assertEqual(self.on_lan(self.network), {LAN0})
        for shown in ("option 65000 (aa)", "option 65001 (bb)", "option 65002 (empty)", "3 stray bytes at the end"):
            until(lambda shown=shown: shown in self.daemon.said(), 3, f"{shown} in the debug log")

    def strange(self, truth: Message) -> bytes:
        """The same message with more in it than anybody knows."""
        (association,) = truth.ia_pds
        (prefix,) = association.prefixes
        prefix = evolve(prefix, options=(*prefix.options, OpaqueOption(65001, b"\xbb")))
        association = evolve(association, options=(prefix, OpaqueOption(65002, b"")))
        others = tuple(option for option in truth.options if option.code != OptionCode.IA_PD)
        more = (OpaqueOption(65000, b"\xaa"), OpaqueOption(OptionCode.AUTHENTICATION, bytes(11) + b"static"))
        return encode(evolve(truth, options=(*more, *others, association))) + b"\0\0\0"

    def test_duplicates(self) -> None:
        """Every answer twice, and once more much later: the second is dropped, the lease is the same."""
        solicit = self.liar.heard(MessageType.SOLICIT)
        self.liar.answer(solicit)
        self.liar.answer(solicit)
        request = self.liar.heard(MessageType.REQUEST)
        reply = encode(self.liar.truth(request))
        for _ in range(3):
            self.liar.send(reply)
        self.daemon.bound()
        monitor = self.monitor("address", "route")
        until(lambda: self.count_of_discards() >= 3, 2, "the copies to be counted")
        self.liar.send(reply)
        until(lambda: self.count_of_discards() >= 4, 2, "the late copy to be counted")
        self.assertEqual([line for line in monitor.lines() if "2001:db8:1000:" in line], [])
        self.assertEqual(self.heard.types().count(MessageType.REQUEST), 1)

    def test_public_packets(self) -> None:
        """
        Every packet of other programs' tests, as it is and with our identifiers put in, is survived while soliciting,
        while requesting and while bound, and brings no prefix.
        """
        packets = vectors()
        self.assertGreater(len(packets), 100)
        solicit = self.liar.heard(MessageType.SOLICIT)
        self.send_all(packets, solicit, MessageType.ADVERTISE)
        self.assertEqual((self.daemon.status()["prefixes"], self.on_lan(self.network)), ([], set()))
        self.liar.answer(self.liar.heard(MessageType.SOLICIT, self.now(), 10))
        request = self.liar.heard(MessageType.REQUEST)
        self.send_all(packets, request, MessageType.REPLY)
        self.assertEqual((self.daemon.status()["prefixes"], self.on_lan(self.network)), ([], set()))
        until(self.is_bound_with_help, 20, "the daemon to be bound by honest answers", every=0.2)
        self.send_all(packets, request, MessageType.REPLY)
        self.daemon.bound()
        self.assertEqual(self.on_lan(self.network), {LAN0})
        self.assertNotIn("Traceback", self.daemon.said())

    def send_all(self, packets: list[dict[str, str]], about: Message, message_type: MessageType) -> None:
        """Send every packet: as it is; as an answer to a message; and its options in one, bare and in an IA_PD."""
        assert about.client_id is not None
        identifiers = encode(
            Message(
                message_type, about.transaction_id, (ClientId(about.client_id), ServerId(self.liar.server.terms.server))
            )
        )
        (association,) = about.ia_pds
        refused = Status(StatusCode.NO_PREFIX_AVAIL, "nothing of this counts").body()
        # what an association that failed holds is not used, so that none of these octets is an offer by accident
        start = association.iaid.to_bytes(4, "big") + bytes(8) + _option(OptionCode.STATUS_CODE, refused)
        before = self.count_of_discards()
        sent = 0
        for packet in packets:
            data = bytes.fromhex(packet["hex"])
            options = data[4:] if packet["kind"] == "message" else data
            wrapped = _option(OptionCode.IA_PD, start + options)
            for datagram in (data, identifiers[:4] + options, identifiers + options, identifiers + wrapped):
                self.liar.send(datagram[:65527])
                sent += 1
            # as fast as they are read, and no faster: none shall be lost in the socket's buffer
            if sent % 64 == 0:
                self.daemon.status()
        self.assertEqual(self.daemon.status()["link"], "wan0")
        self.assertGreater(self.count_of_discards(), before + len(packets))


class FloodTests(WithLiar):
    """More than anybody should send."""

    def test_flood(self) -> None:
        """
        Twenty thousand junk datagrams while soliciting: the daemon answers its operator within a second all the time,
        grows by less than 4 MiB, and binds.
        """
        solicit = self.liar.heard(MessageType.SOLICIT)
        truth = self.liar.truth(solicit)
        chance = random.Random(1)
        junk = [
            chance.randbytes(chance.randrange(1, 1200)),
            b"\x02" + solicit.transaction_id.to_bytes(3, "big") + chance.randbytes(400),
            *self.liar.lies(solicit).values(),
        ]
        self.status_within(1.0)
        before = resident(self.daemon.pid)
        slowest = 0.0
        for number in range(20_000):
            self.liar.send(self.offer_of(number, truth) if number % 10 == 0 else junk[number % len(junk)])
            if number % 100 == 0:
                time.sleep(0.005)
            if number % 2000 == 0:
                slowest = max(slowest, self.status_within(1.0))
        dropped = self.count_of_discards()
        self.assertGreater(dropped, 2000)
        grown = resident(self.daemon.pid) - before
        self.assertLess(grown, 4096, f"{grown} KiB more, after {dropped} discards")
        until(self.is_bound_with_help, 20, "the daemon to be bound after the flood", every=0.2)
        self.assertTrue(self.daemon.program is not None and self.daemon.program.running())

    def offer_of(self, number: int, truth: Message) -> bytes:
        """An offer without preference from a server of its own each time, and without a usable prefix every other."""
        server = ServerId(type(self.liar.server.terms.server)(b"\x00\x02\x00\x00\x00\x00" + number.to_bytes(4, "big")))
        kept = [o for o in truth.options if not isinstance(o, (ServerId, *([IAPD] if number % 20 else [])))]
        kept = [o for o in kept if o.code != OptionCode.PREFERENCE]
        return encode(Message(MessageType.ADVERTISE, truth.transaction_id, (*kept, server)))

    def status_within(self, seconds: float) -> float:
        """Ask for the status, which must come in time; how long it took."""
        since = time.monotonic()
        self.daemon.status()
        lasted = time.monotonic() - since
        self.assertLess(lasted, seconds)
        return lasted


class SilenceTests(WithServer):
    """A server that says nothing, or no."""

    def test_silence(self) -> None:
        """While nobody answers, Solicits go out on schedule; the first honest answer is taken (R-18.2.1-08)."""
        self.server.start("--script", "silent on")
        self.daemon = self.make_daemon(self.network).start()
        until(lambda: self.heard.types().count(MessageType.SOLICIT) >= 3, 6, "three Solicits")
        status = self.daemon.status()
        self.assertEqual((status["state"], status["reason"], status["prefixes"]), ("soliciting", "no_answer_yet", []))
        times = [heard for heard, _, message in self.heard.messages if message.message_type == MessageType.SOLICIT]
        first, second = times[1] - times[0], times[2] - times[1]
        # RT > IRT for the first, then 2 RT + RAND RT, with a little for the machine that runs client and listener
        self.assertTrue(0.9 < first < 1.4 and 1.9 * first - 0.3 < second < 2.1 * first + 0.3, (first, second))
        self.server.tell("well")
        self.daemon.bound()

    def test_refusals_are_shown(self) -> None:
        """NoPrefixAvail, UnspecFail and NoBinding are shown with the server's words, and do no harm to a lease."""
        self.server.start("--script", "status noprefix")
        self.daemon = self.make_daemon(self.network).start()
        self.until_text("NoPrefixAvail")
        self.assertEqual(self.daemon.status()["state"], "soliciting")
        self.assertIn("as ordered", self.daemon.status()["reason_text"])
        self.assertIn("NoPrefixAvail", self.daemon.ctl("why", "wan0").stdout)
        self.server.tell("status unspec")
        self.until_text("UnspecFail")
        self.server.tell("well")
        self.daemon.bound()
        before = self.on_lan(self.network)
        self.server.tell("status unspec")
        self.daemon.ctl("renew", "wan0")
        self.until_text("UnspecFail", 3)
        self.assertEqual(self.on_lan(self.network), before)
        self.server.tell("well")
        self.until_state("bound", 20)
        self.server.tell("status noprefix 1")
        self.daemon.ctl("renew", "wan0")
        self.until_text("NoPrefixAvail", 3)
        self.assertEqual(self.on_lan(self.network), before)
        self.server.tell("well", "forget")
        since = self.now()
        self.daemon.ctl("rebind", "wan0")
        # NoBinding has the client ask that server for the same prefix anew (R-18.2.10.1-13)
        self.first(self.heard, MessageType.REQUEST, since, 20)
        self.until_state("bound")
        self.assertEqual(self.on_lan(self.network), before)

    test_refusals_are_shown.timeout = 90  # type: ignore[attr-defined]

    def until_text(self, words: str, seconds: float = 8.0) -> None:
        """Wait until the reason in the status has these words."""
        until(lambda: words in self.daemon.status()["reason_text"], seconds, f"{words} in the status")


class RenumberingTests(WithServer):
    """A server that takes its prefix back, or gives another."""

    def renumber(self, how: str) -> list[str]:
        """Renumber and renew; what the kernel was told of addresses and routes, in order."""
        self.start()
        monitor = self.monitor("address", "route")
        self.server.tell(f"renumber 2001:db8:2000::/44 {how}")
        self.daemon.ctl("renew", "wan0")
        until(lambda: "2001:db8:2000::1/64" in self.on_lan(self.network), 5, "the new prefix on the LAN", every=0.02)
        time.sleep(0.3)
        return monitor.lines()

    def test_withdrawn(self) -> None:
        """
        R-18.2.10.1-04: a prefix with lifetimes 0/0 goes at once, and not before the one that takes its place is there.
        """
        lines = self.renumber("withdraw")
        first_new = next(n for n, line in enumerate(lines) if "2001:db8:2000::1/64" in line)
        first_gone = next(n for n, line in enumerate(lines) if line.startswith("Deleted") and "2001:db8:1000:" in line)
        self.assertLess(first_new, first_gone, lines)
        self.assertEqual(self.on_lan(self.network), {"2001:db8:2000::1/64"})
        self.assertEqual(self.on_lan(self.network, "lan1"), {"2001:db8:2000:1::1/64"})
        self.assertEqual([r["dst"] for r in self.network.routes() if r["dst"].startswith("2001:db8:1000:")], [])
        self.assertEqual([held["prefix"] for held in self.daemon.status()["prefixes"]], ["2001:db8:2000::/60"])

    def test_not_mentioned(self) -> None:
        """
        R-18.2.10.1-05: a prefix that the server does not mention any more while it gives another is deprecated and
        stays until the end of its lifetime.
        """
        lines = self.renumber("forget")
        self.assertEqual([line for line in lines if line.startswith("Deleted") and "inet6" in line], [])
        self.both_are_there(7100)

    def test_deprecated(self) -> None:
        """R-EXP-03: with preferred lifetime 0 a prefix is deprecated, and stays until the end of its valid one."""
        lines = self.renumber("deprecate")
        self.assertEqual([line for line in lines if line.startswith("Deleted") and "inet6" in line], [])
        self.both_are_there(7100)

    def both_are_there(self, valid: int) -> None:
        """Both addresses must be on the LAN, the old one deprecated and valid for so many seconds at least."""
        addresses = self.network.global_addresses("lan0")
        self.assertEqual(addresses.keys(), {LAN0, "2001:db8:2000::1/64"})
        self.assertTrue(addresses[LAN0].get("deprecated"), addresses)
        self.assertGreater(addresses[LAN0]["valid_life_time"], valid)
        self.assertFalse(addresses["2001:db8:2000::1/64"].get("deprecated"))
        held = {entry["prefix"]: entry for entry in self.daemon.status()["prefixes"]}
        self.assertEqual(held.keys(), {"2001:db8:1000::/60", "2001:db8:2000::/60"})
        for prefix in ("2001:db8:1000::/60", "2001:db8:2000::/60"):
            self.assertEqual([route["type"] for route in self.network.routes(prefix)], ["unreachable"])

    def test_another_length(self) -> None:
        """
        A prefix that takes the place of one of another length may have the same addresses: they stay, preferred for as
        long as the new prefix is, though the old one is deprecated and would live longer.
        """
        self.start()
        monitor = self.monitor("address")
        self.server.tell("forget", "length 56", "lifetimes 1800 3600")
        self.daemon.ctl("renew", "wan0")
        until(lambda: self.network.routes("2001:db8:1000::/56"), 5, "the route of the new prefix")
        until(lambda: self.network.global_addresses("lan0")[LAN0]["preferred_life_time"] <= 1800, 2, "new lifetimes")
        (address,) = self.network.global_addresses("lan0").values()
        self.assertFalse(address.get("deprecated"), address)
        self.assertGreater(address["preferred_life_time"], 1700)
        self.assertEqual([line for line in monitor.lines() if line.startswith("Deleted")], [])

    def test_infinite_and_back(self) -> None:
        """Lifetimes that end where they did not, and the other way round, are taken over by address and route."""
        self.start()
        for lifetimes, valid in (("infinite infinite", None), ("100 200", 200), ("infinite infinite", None)):
            self.server.tell(f"lifetimes {lifetimes}")
            self.daemon.ctl("renew", "wan0")
            until(lambda valid=valid: self.kernel_has(valid), 3, f"a valid lifetime of {valid}")

    def kernel_has(self, valid: int | None) -> bool:
        """Whether address and route of C{lan0} are valid for about so many seconds; C{None} for ever."""
        (route,) = self.network.routes("2001:db8:1000::/64")
        shown = self.network.global_addresses("lan0")[LAN0]["valid_life_time"]
        if valid is None:
            return bool(shown == 0xFFFFFFFF and "expires" not in route)
        return valid - 10 < shown <= valid and valid - 10 < route.get("expires", 0) <= valid

    def test_withdrawn_without_another(self) -> None:
        """
        R-18.2.10.1-04, R-RST-03: when all is withdrawn the LAN is empty at once, and the client looks for servers anew.
        """
        self.start()
        self.server.tell("renumber 2001:db8:2000::/64 withdraw", "length 48")
        since = self.now()
        self.daemon.ctl("renew", "wan0")
        until(lambda: not self.on_lan(self.network) and not self.network.routes(), 3, "the LAN to be empty")
        self.first(self.heard, MessageType.SOLICIT, since, 5)
        self.server.tell("renumber 2001:db8:3000::/44", "length 56")
        self.daemon.bound()
        self.assertEqual(self.on_lan(self.network), {"2001:db8:3000::1/64"})

    def test_excluded(self) -> None:
        """What the server excludes for the uplink lies under no downstream and no unreachable route (RFC 6603)."""
        self.server.start("--exclude", "64")
        self.daemon = self.make_daemon(self.network).start()
        self.daemon.bound()
        excluded = IPv6Network(self.daemon.status()["excluded"])
        for route in self.network.routes():
            self.assertFalse(excluded.subnet_of(IPv6Network(route["dst"])), route)

    def test_pool(self) -> None:
        """The prefix is of the server's pool, and lifetimes for ever are shown as such."""
        self.server.start("--preferred", "infinite", "--valid", "infinite")
        self.daemon = self.make_daemon(self.network).start()
        self.daemon.bound()
        (held,) = self.daemon.status()["prefixes"]
        self.assertTrue(IPv6Network(held["prefix"]).subnet_of(IPv6Network(POOL)))
        self.assertEqual((held["infinite"], held["valid_seconds"], held["preferred_seconds"]), (True, None, None))
        self.assertEqual(self.network.global_addresses("lan0")[LAN0]["valid_life_time"], 0xFFFFFFFF)


class StatusTests(WithLiar):
    """Statuses of a whole Reply."""

    def answer_failure(self, request: Message, code: int) -> None:
        """Answer with nothing but a status, whose text is none that a terminal should see."""
        kept = [option for option in self.liar.truth(request).options if not isinstance(option, IAPD)]
        status = Status(code, "out of order\x1b[2J\n")
        self.liar.send(encode(Message(MessageType.REPLY, request.transaction_id, (*kept, status))))

    def until_text(self, words: str) -> None:
        """Wait until the reason in the status has these words, harmless for a terminal."""
        until(lambda: words in self.daemon.status()["reason_text"], 3, f"{words} in the status")
        text = self.daemon.status()["reason_text"]
        self.assertIn("out of order", text)
        self.assertTrue(text.isprintable(), text)

    def test_failed_reply(self) -> None:
        """
        R-18.2.10-03: UnspecFail of a whole Reply is shown and counted, and the Request goes on at its time; an unknown
        failure without any association sends the client to look for servers anew, and is shown as well.
        """
        self.liar.answer(self.liar.heard(MessageType.SOLICIT))
        since = self.now()
        request = self.liar.heard(MessageType.REQUEST)
        self.answer_failure(request, StatusCode.UNSPEC_FAIL)
        self.until_text("UnspecFail")
        self.assertEqual(self.counters()["discarded_server_failed"], 1)
        again = self.liar.heard(MessageType.REQUEST, since + 0.5)
        self.assertEqual(again.transaction_id, request.transaction_id)
        self.answer_failure(again, 4242)
        self.until_text("4242")
        self.assertEqual(self.daemon.status()["state"], "soliciting")
        until(self.is_bound_with_help, 15, "the daemon to be bound by honest answers", every=0.2)


def _option(code: int, data: bytes) -> bytes:
    return code.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data
