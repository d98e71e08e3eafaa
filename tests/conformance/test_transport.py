"""
Section C.1, and what of other sections is about packets: destinations, ports, links, sources.

The daemon is whole here, with a kernel in memory; what only a real kernel can show is in
L{tests.live.test_udp_live} and L{tests.live.test_links}.
"""

from __future__ import annotations

import os
import socket
import struct
from errno import EADDRNOTAVAIL, EINVAL, ENETDOWN, ENOBUFS, EPERM
from ipaddress import IPv6Address
from typing import Any

from attrs import evolve
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from pdlease.asking import numbered
from pdlease.client.occurrences import Request
from pdlease.config.errors import ConfigErrors
from pdlease.demo.delegating import SERVER
from pdlease.identity import Identity
from pdlease.lease import ReconfigureKey
from pdlease.wire.chain import OpaqueOption, Option
from pdlease.wire.codes import MessageType, OptionCode, StatusCode
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import ClientId, Preference, ServerId, SolMaxRt, Status
from pdlease.wire.prefixes import IAPD, IAPrefix
from tests.conformance.test_reconfigure import SECRET, reconfigure
from tests.house import CLIENT, ONE, OWN, SERVER_ADDRESS, TWO, House, Line, configuration

WILLING = ONE.replace("solicit_delay", "reconfigure = true\nsolicit_delay")
P_FLAG = ONE.replace("solicit_delay", 'start = "p-flag"\nsolicit_delay')

P, L, A = 0x10, 0x80, 0x40
"""Flags of an advertised prefix."""

PREFIXES = {"eth0": IPv6Address("2001:db8:100::"), "ppp0": IPv6Address("2001:db8:200::")}
"""What is delegated on each of two uplinks."""


def datagram(
    data: bytes, destination: str, index: int, source: str = SERVER_ADDRESS, port: int = 547, flags: int = 0
) -> tuple[object, ...]:
    """A datagram as the kernel hands it over."""
    info = struct.pack("=16sI", IPv6Address(destination).packed, index)
    return data, (source, port, 0, index), flags, [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)]


def agree(house: House) -> None:
    """Have the server have given a key for Reconfigure."""
    uplink = house.uplink()
    uplink.session = evolve(uplink.session, key=ReconfigureKey(server=SERVER, secret=SECRET, replay=10))


class DestinationTests(SynchronousTestCase):
    """Where everything goes."""

    def test_all_servers(self) -> None:
        """
        R-5-02, R-7.2-02: every kind of message goes to ff02::1:2, port 547, by the link that it is about, a Renew and a
        Release, which are for one server, as well.
        """
        house = House(TWO.replace("solicit_delay", "reconfigure = true\nsolicit_delay"))
        house.add_links("lan0")
        house.kernel.add_link("lan1")
        house.kernel.add_link("lan2")
        house.begin().wait(4)
        for request in (Request.RENEW, Request.REBIND):
            house.uplink().ask(request)
            house.wait(1)
        agree(house)
        said = reconfigure(11, identifiers=(ClientId(CLIENT), ServerId(SERVER)))
        house.arrive(house.line(), encode(said))
        house.wait(1)
        house.uplink().release()
        house.wait(1)
        self.assertEqual(
            set(house.types()), {"SOLICIT", "REQUEST", "RENEW", "REBIND", "INFORMATION_REQUEST", "RELEASE"}
        )
        for line in house.privilege.lines:
            self.assertEqual({where for _, where in line.sent}, {("ff02::1:2", 547, 0, line.index)})
        self.assertEqual({line.link for line in house.privilege.lines}, {"eth0", "ppp0"})


class AnswerTests(SynchronousTestCase):
    """Which answers are taken: by port, address and link that they come from and go to."""

    def setUp(self) -> None:
        self.house = House(ONE)
        self.house.add_links()
        self.house.silent.add("eth0")
        self.house.begin()

    def answers(self, *more: Option) -> list[bytes]:
        """What the server says to the message sent last, with something more in it."""
        message = self.house.sent[-1][2]
        answers = [decode(data) for data in self.house.server.answer(encode(message), self.house.clock.seconds())]
        return [encode(evolve(answer, options=(*answer.options, *more))) for answer in answers]

    def hear(self, *, destination: str = str(OWN), more: tuple[Option, ...] = (), **how: Any) -> str:
        """Have the answer arrive in some way, and a second pass; the state after that."""
        index = how.pop("index", self.house.line().index)
        for data in self.answers(*more):
            self.house.line().arrive(datagram(data, destination, index, **how))
            self.house.reactor.turn()
        self.house.wait(1.2)
        return self.house.uplink().session.state.name

    def test_any_port_and_scope(self) -> None:
        """
        R-7.2-04, R-7.2-05: an Advertise and a Reply are taken from whatever port and address they come, link-local or
        global: servers and relays may use any.
        """
        self.assertEqual(self.hear(port=40000), "REQUESTING")
        self.assertEqual(self.hear(port=1, source="2001:db8::547"), "BOUND")
        self.assertEqual(self.house.uplink().session.source, "2001:db8::547")

    def test_multicast(self) -> None:
        """
        R-16-01: an Advertise or Reply that was sent to a group, be it all nodes, all servers or our own
        solicited-node group, is dropped and counted, well-formed as it is; the same sent to us is taken.
        """
        groups = ("ff02::1", "ff02::1:2", "ff02::1:ff00:1")
        for group in groups:
            self.assertEqual(self.hear(destination=group), "SOLICITING")
        self.assertEqual(self.house.uplink().telling.counted, {"discarded_multicast": 3})
        self.assertEqual(self.hear(), "REQUESTING")
        for group in groups:
            self.assertEqual(self.hear(destination=group), "REQUESTING")
        self.assertEqual(self.house.uplink().telling.counted, {"discarded_multicast": 6})
        self.assertEqual(self.hear(), "BOUND")

    def test_other_link(self) -> None:
        """R-16-02: the answer to our question that comes in by a downstream link is dropped and counted."""
        (downstream,) = (link.index for link in self.house.kernel.true.links.values() if link.name == "lan0")
        self.assertEqual(self.hear(index=downstream), "SOLICITING")
        self.assertEqual(self.house.uplink().telling.counted, {"discarded_wrong_link": 1})
        self.assertEqual(self.hear(), "REQUESTING")
        self.assertEqual(self.hear(index=downstream), "REQUESTING")
        self.assertEqual(self.hear(), "BOUND")

    def test_other_server(self) -> None:
        """
        R-16.10-05: the answer of a server that the Request was not for is dropped, and whose it was stands in the log,
        in C{status} and in C{why}: that tells of a cluster whose members do not share their DUID.
        """
        logged: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, logged.append)
        self.hear()
        (answer,) = map(decode, self.answers())
        others = tuple(o if o.code != OptionCode.SERVER_ID else ServerId(DUID(b"\0\2other")) for o in answer.options)
        self.house.arrive(self.house.line(), encode(evolve(answer, options=others)))
        self.assertEqual(self.house.uplink().session.state.name, "REQUESTING")
        (line,) = [formatEvent(event) for event in logged if event["log_level"] is LogLevel.warn]
        assert self.house.desk is not None
        dropped = self.house.desk.status("wan")["uplinks"]["wan"]["last_dropped"]
        self.assertEqual((list(dropped), dropped["other_server"]["source"]), (["other_server"], SERVER_ADDRESS))
        (why,) = [sentence for sentence in self.house.desk.why("wan") if "dropped" in sentence]
        for words in (line, dropped["other_server"]["detail"], why):
            self.assertIn("00026f74686572", words)

    def test_truncated(self) -> None:
        """R-D-06: a datagram that was cut off is dropped, although what is left of it could be read."""
        self.assertEqual(self.hear(flags=socket.MSG_TRUNC), "SOLICITING")
        self.assertEqual(self.house.uplink().telling.counted, {"discarded_truncated": 1})

    def test_large(self) -> None:
        """R-D-05, R-D-06: Advertise and Reply of 3,000 and of more than 60,000 octets are taken."""
        for size, after in ((3000, "REQUESTING"), (60_000, "BOUND")):
            many = tuple(OpaqueOption(0xFF00 + number, bytes(size // 10)) for number in range(10))
            self.assertGreater(len(self.answers(*many)[0]), size)
            self.assertEqual(self.hear(more=many), after)

    def test_unicast_is_not_used(self) -> None:
        """
        R-5-03: a server that offers Server Unicast is asked by multicast for ever, and by its DUID in the option.
        """
        unicast = OpaqueOption(OptionCode.UNICAST, IPv6Address("2001:db8::547").packed)
        self.hear(more=(unicast,))
        self.assertEqual(self.hear(more=(unicast,)), "BOUND")
        self.house.wait(4000)
        self.assertIn("RENEW", self.house.types())
        for kind, (_, where) in zip(self.house.types(), self.house.line().sent, strict=True):
            self.assertEqual(where[:2], ("ff02::1:2", 547), kind)
        renews = [message for _, _, message in self.house.sent if message.message_type == MessageType.RENEW]
        self.assertEqual({message.server_id for message in renews}, {SERVER})


class LinkTests(SynchronousTestCase):
    """What happens to the link, and on which link."""

    def test_link_local_address(self) -> None:
        """
        R-5-04: without a link-local address, or with one that is tentative or a duplicate, nothing is sent; the Solicit
        follows as soon as there is one that can be used.
        """
        house = House(ONE)
        house.kernel.add_link("eth0")
        house.kernel.add_link("lan0")
        house.begin().wait(100)
        self.assertIn("a link-local address", house.uplink().waits_for)
        good = house.kernel.add_foreign_address("lan0", f"{OWN}/64")
        index = house.kernel._named("eth0").index
        for flags, words in ((0x40, "duplicate address detection"), (0x48, "that no other host has")):
            house.kernel._set_address(evolve(good, index=index, flags=flags))
            house.wait(100)
            self.assertIn(words, house.uplink().waits_for)
        self.assertEqual(house.types(), [])
        house.kernel.add_foreign_address("eth0", f"{OWN}/64")
        house.wait(0.005)
        self.assertEqual(house.types(), ["SOLICIT"])

    def test_one_message_by_the_uplink(self) -> None:
        """
        R-17.2-01: two delegations for two downstream links are asked for in one Solicit, by the uplink that is
        configured, and by no other link.
        """
        house = House(ONE + '[[uplinks.wan.delegations]]\ndownstreams = ["lan1"]\n')
        house.add_links()
        house.add_uplink("eth1")
        house.begin().wait(3)
        (solicit,) = (message for _, _, message in house.sent if message.message_type == MessageType.SOLICIT)
        self.assertEqual([ia.iaid for ia in solicit.ia_pds], list(house.iaids.values()))
        self.assertEqual(len(solicit.ia_pds), 2)
        self.assertEqual({link for _, link, _ in house.sent}, {"eth0"})
        self.assertEqual(len(house.uplink().lease.prefixes), 2)

    def test_uplinks_are_apart(self) -> None:
        """
        R-18-00, R-14.1-03, A.3-02: two uplinks have one DUID, and servers, leases, exchanges, SOL_MAX_RT and limits
        each of its own: what a server says, and how much is asked, on one of them means nothing to the other.
        """
        house = House(TWO)
        house.add_links()
        servers = {"eth0": DUID(b"\0\2first"), "ppp0": DUID(b"\0\2second")}
        house.silent |= set(servers)
        house.begin()

        def answer(link: str, kind: MessageType, *more: Option) -> None:
            asked = next(message for _, there, message in reversed(house.sent) if there == link)
            given = [
                IAPD(ia.iaid, 1000, 2000, (IAPrefix(3000, 4000, 56, number.packed),))
                for ia, number in zip(asked.ia_pds, (PREFIXES[link],), strict=True)
            ]
            told = (ClientId(CLIENT), ServerId(servers[link]), Preference(255), *more, *given)
            house.arrive(house.line(link), encode(Message(kind, asked.transaction_id, told)))

        answer("eth0", MessageType.ADVERTISE, SolMaxRt(120))
        answer("eth0", MessageType.REPLY)
        wan, dsl = house.uplink("wan"), house.uplink("dsl")
        self.assertEqual((wan.session.state.name, dsl.session.state.name), ("BOUND", "SOLICITING"))
        self.assertEqual((wan.session.sol_max_rt_in_force, dsl.session.sol_max_rt_in_force), (120, 3600))
        for _ in range(100):
            wan.ask(Request.RENEW)
        self.assertEqual(house.types(link="eth0").count("RENEW"), 18)
        self.assertEqual((wan.session.is_rate_limited, dsl.session.is_rate_limited), (True, False))
        answer("ppp0", MessageType.ADVERTISE)
        answer("ppp0", MessageType.REPLY)
        self.assertEqual(house.types(link="ppp0"), ["SOLICIT", "REQUEST"])
        self.assertEqual((wan.lease.server, dsl.lease.server), (servers["eth0"], servers["ppp0"]))
        for uplink, link in ((wan, "eth0"), (dsl, "ppp0")):
            self.assertEqual([str(held.prefix) for held in uplink.lease.prefixes], [f"{PREFIXES[link]}/56"])
        self.assertEqual({message.client_id for _, _, message in house.sent}, {CLIENT})
        ids = {link: {m.transaction_id for _, there, m in house.sent if there == link} for link in servers}
        self.assertEqual(ids["eth0"] & ids["ppp0"], set())

    def test_link_lost(self) -> None:
        """
        R-D-03: the uplink is deleted, or renamed, while soliciting, requesting, bound and renewing: nothing more is
        sent, the prefix stays with its time; when it is back, with another index, Rebind follows, or Solicit.
        """
        for stage in ("SOLICIT", "REQUEST", "", "RENEW"):
            for loss in ("deleted", "renamed"):
                with self.subTest(stage=stage, loss=loss):
                    self.lose(stage, loss)

    def lose(self, stage: str, loss: str) -> None:
        """Lose the uplink while the server leaves a message of some type unanswered, or while bound."""
        house = House(ONE)
        house.add_links()
        if stage == "SOLICIT":
            house.silent.add("eth0")
        house.begin().wait(0.015)
        if stage == "REQUEST":
            house.silent.add("eth0")
        house.wait(1.1)
        house.silent.add("eth0")
        if stage == "RENEW":
            house.wait(house.uplink().lease.t1_at - house.clock.seconds())
        self.assertEqual(house.types()[-1], stage or "REQUEST")
        held, count = house.uplink().lease, len(house.sent)
        if loss == "deleted":
            house.kernel.remove_link("eth0")
        else:
            house.kernel.rename("eth0", "old0")
        house.wait(100)
        self.assertEqual((len(house.sent), house.uplink().lease), (count, held))
        self.assertEqual(house.uplink().session.state.name, "DOWN")
        house.add_uplink("eth0")
        house.wait(1.2)
        self.assertEqual(house.types()[count:][0], "REBIND" if held.prefixes else "SOLICIT")

    def test_sending_fails(self) -> None:
        """
        R-D-04: a message that the kernel does not take, for whatever reason, is a lost one: the exchange goes on at the
        times that it would have had anyway, the message counts for the limit, and the log says it once.
        """
        times = {}
        for problem in (0, ENETDOWN, ENOBUFS, EADDRNOTAVAIL, EPERM, EINVAL):
            house = House(ONE.replace("solicit_delay", "rate_limit = [4, 20]\nsolicit_delay"))
            house.add_links()
            house.silent.add("eth0")
            logged: list[dict[str, Any]] = []
            globalLogPublisher.addObserver(logged.append)
            self.addCleanup(globalLogPublisher.removeObserver, logged.append)
            house.privilege.slow = True
            house.begin()
            (_, index, asked) = house.privilege.asked_sockets.pop()
            line = Line(house, "eth0", index)
            house.privilege.lines.append(line)
            line.refusing = OSError(problem, os.strerror(problem)) if problem else None
            asked.callback(line)
            house.wait(7.5)
            session = house.uplink().session
            times[problem] = session.rate.sent_at, session.exchange, session.rate.free_at
            self.assertEqual(len(session.rate.sent_at), 4)
            self.assertEqual(house.uplink().telling.counted, {"send_failed": 4} if problem else {})
            warned = [event for event in logged if event["log_level"] is LogLevel.warn and "sent" in formatEvent(event)]
            self.assertEqual(len(warned), 1 if problem else 0)
            line.refusing = None
            house.silent.clear()
            house.wait(60)
            self.assertEqual(house.uplink().session.state.name, "BOUND")
            globalLogPublisher.removeObserver(logged.append)
        self.assertEqual(len(set(map(repr, times.values()))), 1, times)


class ArrivalTests(SynchronousTestCase):
    """What is taken, and from where."""

    def setUp(self) -> None:
        self.house = House(WILLING)
        self.house.add_links()
        self.house.begin().wait(3)
        agree(self.house)
        self.said = encode(reconfigure(5, identifiers=(ClientId(CLIENT), ServerId(SERVER))))

    def arrive(self, destination: str = str(OWN), index: int | None = None) -> list[str]:
        """Have the Reconfigure arrive; what was sent since."""
        line: Line = self.house.line()
        line.arrive(datagram(self.said, destination, line.index if index is None else index))
        before = self.house.clock.seconds()
        self.house.reactor.turn()
        return self.house.types(since=before)

    def test_reconfigure_by_multicast(self) -> None:
        """R-16.11-01: a Reconfigure that was not sent to us alone is dropped, one that was is obeyed."""
        for group in ("ff02::1", "ff02::1:2"):
            self.assertEqual(self.arrive(group), [])
        self.assertEqual(self.house.uplink().telling.counted["discarded_multicast"], 2)
        self.assertEqual(self.arrive(), ["RENEW"])

    def test_reconfigure_by_another_link(self) -> None:
        """R-18.2.11-07: a Reconfigure counts only where it came in by a link that DHCP is spoken on."""
        self.assertEqual(self.arrive(index=self.house.line().index + 1), [])
        self.assertEqual(self.house.uplink().telling.counted["discarded_wrong_link"], 1)
        self.assertEqual(self.arrive(), ["RENEW"])


class NothingElseTests(SynchronousTestCase):
    """What is not done on an uplink."""

    def bound(self, text: str = ONE) -> House:
        """A house, bound."""
        house = House(text)
        house.add_links()
        house.begin().wait(3)
        return house

    def test_no_routing_protocol(self) -> None:
        """
        WPD-7: on an uplink there is one socket, for DHCPv6, and nothing but its messages is sent; no routing protocol.
        """
        house = self.bound()
        house.wait(5000)
        self.assertEqual(house.privilege.opened, [("eth0", house.line().index)])
        self.assertEqual(len(house.line().sent), len(house.sent))
        self.assertEqual({where[1] for _, where in house.line().sent}, {547})

    def test_nothing_on_the_uplink(self) -> None:
        """
        PDX-12, PF-10: no address of a delegated prefix is put on the uplink unless the configuration names it, which
        it cannot where the P flag promised the prefix.
        """
        house = self.bound()
        self.assertEqual(set(house.addresses("eth0")), {f"{OWN}/64"})
        named = self.bound(ONE.replace('["lan0"]', '["lan0", "eth0"]'))
        self.assertEqual(set(named.addresses("eth0")), {f"{OWN}/64", "2001:db8:0:1::1/64"})
        self.assertRaises(ConfigErrors, House, P_FLAG.replace('["lan0"]', '["lan0", "eth0"]'))

    def test_autoconfiguration(self) -> None:
        """
        PF-07, PF-08: whether the kernel makes addresses on the uplink of prefixes with the flags P and A is left to it,
        also where no prefix is to be had: the client goes on asking.
        """
        house = House(P_FLAG)
        house.add_links()
        house.begin()
        house.silent.add("eth0")
        house.kernel.advertise("eth0", "2001:db8:2::/64", flags=P | L | A, preferred=100000)
        house.wait(2)
        for _ in range(20):
            (ia,) = house.sent[-1][2].ia_pds
            refusal = IAPD(ia.iaid, 0, 0, (Status(StatusCode.NO_PREFIX_AVAIL),))
            identifiers = (ClientId(CLIENT), ServerId(SERVER))
            answer = Message(MessageType.ADVERTISE, house.sent[-1][2].transaction_id, (*identifiers, refusal))
            house.arrive(house.line(), encode(answer))
            house.wait(1000)
        self.assertEqual(set(house.types(since=house.clock.seconds() - 4000)), {"SOLICIT"})
        self.assertEqual(house.kernel._named("eth0").index, house.line().index)
        self.assertEqual([each for each in house.privilege.asked if getattr(each, "link", "") == "eth0"], [])

    def test_flag_alone(self) -> None:
        """PF-14: a prefix with the flag P starts the client, whether or not M or O is set as well."""
        house = House(P_FLAG)
        house.add_links()
        house.begin().wait(10)
        self.assertEqual(house.types(), [])
        house.kernel.advertise("eth0", "2001:db8:2::/64", flags=P)
        house.wait(3)
        self.assertEqual(house.types(), ["SOLICIT", "REQUEST"])

    def test_whom_it_came_from(self) -> None:
        """PF-13: the status tells the address of whom a lease came from; source addresses are the kernel's choice."""
        house = self.bound()
        assert house.desk is not None
        self.assertEqual(house.desk.status("wan")["uplinks"]["wan"]["server_address"], SERVER_ADDRESS)


class StabilityTests(SynchronousTestCase):
    """What stays the same."""

    def test_iaid_of_a_transient_link(self) -> None:
        """
        WPD-10: a PPP link that comes back with another index, or is called otherwise in the configuration, has the
        same IAIDs as before, and so has a client that was restarted.
        """
        house = House(TWO)
        house.add_links("lan0")
        house.begin().wait(4)
        before = {ia.iaid for _, link, message in house.sent if link == "ppp0" for ia in message.ia_pds}
        house.kernel.remove_link("ppp0")
        house.wait(1)
        count = len(house.sent)
        house.add_uplink("ppp0")
        house.wait(4)
        after = {ia.iaid for _, link, message in house.sent[count:] if link == "ppp0" for ia in message.ia_pds}
        self.assertEqual((len(before), after), (1, before))
        renamed = configuration(TWO.replace("ppp0", "ppp7"))
        _, iaids = numbered(Identity(duid=CLIENT), renamed)
        self.assertEqual({iaids["dsl", "lan1"]}, before)
