"""
Tests of L{pdlease.uplink}.
"""

from __future__ import annotations

import socket
from errno import EINVAL, ENETDOWN, EPERM
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import Due, Request
from pdlease.demo.delegating import SERVER, Terms
from pdlease.interfaces import StoreError
from pdlease.kernel import AdvertisedPrefix
from pdlease.lease import Lease, ReconfigureKey, UplinkRecord
from pdlease.logs import set_level
from pdlease.operations import PrivilegeError
from pdlease.wire.codes import MessageType, StatusCode
from pdlease.wire.messages import Message, encode
from pdlease.wire.options import ClientId, ServerId, Status
from pdlease.wire.prefixes import IAPD
from tests.house import CLIENT, ONE, OWN, House, Line, datagram, held_port

KEY = ReconfigureKey(server=SERVER, secret=bytes(16), replay=7)


class UplinkCase(SynchronousTestCase):
    """A house whose one uplink is at hand."""

    def setUp(self) -> None:
        self.house = House()
        self.heard: list[str] = []

    def begin(self, *links: str) -> House:
        """The house begun; without C{links}, with all of them there."""
        if links:
            for link in links:
                self.house.kernel.add_link(link)
        else:
            self.house.add_links()
        return self.house.begin()

    def bound(self) -> House:
        """The house, bound."""
        self.begin()
        self.house.wait(3)
        self.assertEqual(self.house.uplink().session.state.name, "BOUND")
        return self.house

    def hear(self) -> None:
        """Gather every line that is logged."""
        from twisted.logger import formatEvent

        def observe(event: Any) -> None:
            self.heard.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.addCleanup(set_level, "brief")
        set_level("debug")


class SocketTests(UplinkCase):
    """How the client socket comes and goes."""

    def test_opened_for_name_and_index(self) -> None:
        """A socket is asked for by name and index of the link, once (design 16)."""
        house = self.begin()
        house.wait(60)
        index = house.kernel.link_named("eth0")
        assert index is not None
        self.assertEqual(house.privilege.opened, [("eth0", index.index)])

    def test_not_asked_for_twice(self) -> None:
        """While a socket is being opened, no other is asked for, whatever the link does meanwhile."""
        self.house.privilege.slow = True
        house = self.begin()
        for has_carrier in (False, True, False, True):
            house.kernel.carrier("eth0", has_carrier)
            house.wait(0.1)
        self.assertEqual(len(house.privilege.opened), 1)
        house.privilege.open_one()
        house.wait(3)
        self.assertEqual((len(house.privilege.opened), house.types()), (1, ["SOLICIT", "REQUEST"]))

    def test_link_gone_while_opening(self) -> None:
        """A socket that arrives when its link is gone is closed, and nobody waits for a first message any longer."""
        self.house.privilege.slow = True
        house = self.begin()
        attempted = house.uplink().attempted()
        house.kernel.remove_link("eth0")
        house.wait(0.1)
        self.assertNoResult(attempted)
        house.privilege.open_one()
        self.successResultOf(attempted)
        self.assertEqual((house.line().closed, house.uplink().port), (1, None))

    def test_refused_while_the_link_goes(self) -> None:
        """A refusal that arrives when the link is gone leaves nobody waiting, and is not shown as a problem."""
        self.house.privilege.slow = True
        self.house.privilege.refusals = [PrivilegeError("open port 546 on eth0", 19, "No such device")]
        house = self.begin()
        attempted = house.uplink().attempted()
        house.kernel.remove_link("eth0")
        house.wait(0.1)
        house.privilege.open_one()
        self.successResultOf(attempted)
        self.assertEqual(house.uplink().waits_for, "link eth0 to appear")
        house.wait(1)
        self.assertEqual(house.clock.getDelayedCalls(), [])

    def test_another_index_while_opening(self) -> None:
        """A link that is made again while its socket is being opened gets one for its new index (design 16)."""
        self.house.privilege.slow = True
        house = self.begin()
        attempted = house.uplink().attempted()
        house.kernel.remove_link("eth0")
        house.add_uplink("eth0")
        house.wait(0.1)
        house.privilege.open_one()
        self.assertEqual(len(house.privilege.asked_sockets), 1)
        self.assertNoResult(attempted)
        house.privilege.open_one()
        self.successResultOf(attempted)
        house.wait(3)
        old, new = house.privilege.lines
        self.assertEqual((old.closed, old.sent, new.closed), (1, [], 0))
        self.assertEqual(house.types(), ["SOLICIT", "REQUEST"])

    def test_never_opened(self) -> None:
        """
        A provider that does not answer the question for a socket is what is waited for, also when the link is made
        again meanwhile; the answer ends that.
        """
        self.house.privilege.slow = True
        house = self.begin()
        house.wait(1)
        self.assertEqual(house.uplink().waits_for, "")
        for _ in range(2):
            house.wait(4)
            self.assertEqual(
                house.uplink().waits_for,
                "a socket (port 546 was asked for, and the privilege provider does not answer)",
            )
            house.kernel.remove_link("eth0")
            house.add_uplink("eth0")
            house.wait(0.1)
            self.assertEqual(house.uplink().waits_for, "")
        house.wait(4)
        house.privilege.open_one()
        self.assertEqual(house.uplink().waits_for, "")
        house.privilege.open_one()
        house.wait(3)
        self.assertEqual(house.types(), ["SOLICIT", "REQUEST"])

    def test_stopped_while_opening(self) -> None:
        """A socket that arrives after the stop is closed; whoever waits for the first message is let go."""
        self.house.privilege.slow = True
        house = self.begin()
        attempted = house.uplink().attempted()
        house.router.stop()
        self.successResultOf(attempted)
        house.privilege.open_one()
        self.assertEqual((house.line().closed, house.reactor.readers), (1, []))

    def test_port_held(self) -> None:
        """
        While another program holds port 546 the socket is asked for again, later and later, and the program is named
        (design 16); the log tells it once.
        """
        self.house.holder = "dhclient (412)"
        self.house.privilege.refusals = [held_port() for _ in range(8)]
        warnings: list[str] = []

        def observe(event: LogEvent) -> None:
            if event["log_level"] is LogLevel.warn:
                warnings.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        house = self.begin()
        self.assertEqual(house.uplink().waits_for, "UDP port 546 on eth0, held by dhclient (412)")
        self.assertEqual(house.told("link")[-1]["waits_for"], house.uplink().waits_for)
        seconds = [0]
        while house.uplink().waits_for:
            before = len(house.privilege.opened)
            house.wait(1)
            if len(house.privilege.opened) > before:
                seconds.append(round(house.clock.seconds() - 1000))
        self.assertEqual(seconds, [0, 1, 3, 7, 15, 31, 63, 123, 183])
        self.assertEqual(warnings, ["wan: waiting for UDP port 546 on eth0, held by dhclient (412); trying again"])
        house.wait(3)
        self.assertEqual(house.uplink().session.state.name, "BOUND")

    def test_port_holder_is_remembered(self) -> None:
        """Behind the sandbox nobody can be looked at: who held the port when it could be seen is still named."""
        self.house.holder = "dhclient (412)"
        self.house.privilege.refusals = [held_port() for _ in range(3)]
        house = self.begin()
        house.holder = ""
        house.wait(2)
        self.assertEqual(house.uplink().waits_for, "UDP port 546 on eth0, held by dhclient (412)")

    def test_port_held_by_nobody_known(self) -> None:
        """Where it cannot be seen who holds the port, it is said to be another client."""
        self.house.privilege.refusals = [held_port()]
        house = self.begin()
        self.assertEqual(house.uplink().waits_for, "UDP port 546 on eth0, held by another DHCPv6 client")
        house.wait(1.5)
        self.assertEqual((house.uplink().waits_for, house.types()), ("", ["SOLICIT"]))

    def test_patience_begins_anew(self) -> None:
        """After a socket was had, or with a new link, the first wait is short again."""
        self.house.privilege.refusals = [held_port(), held_port()]
        house = self.begin()
        house.wait(1.5)
        house.kernel.remove_link("eth0")
        house.wait(1)
        self.assertEqual(house.clock.getDelayedCalls(), [])
        house.privilege.refusals = [held_port()]
        house.add_uplink("eth0")
        house.wait(0.5)
        self.assertEqual(len(house.privilege.opened), 3)
        house.wait(0.6)
        self.assertEqual(len(house.privilege.opened), 4)
        self.assertEqual(house.uplink().waits_for, "")

    def test_policy_refuses(self) -> None:
        """A refusal of the provider is told in its own words, and tried again."""
        self.house.privilege.refusals = [PrivilegeError("open port 546 on eth0", 0, "eth0 is no uplink")]
        house = self.begin()
        self.assertEqual(house.uplink().waits_for, "a socket (open port 546 on eth0: eth0 is no uplink)")
        house.wait(2)
        self.assertEqual(house.uplink().waits_for, "")

    def test_provider_that_fails(self) -> None:
        """An error that no provider should give is logged, and does not keep the socket from being tried again."""
        self.house.privilege.refusals = [RuntimeError("boom")]
        house = self.begin()
        self.assertEqual(house.uplink().waits_for, "a socket (boom)")
        self.successResultOf(house.uplink().attempted())
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        house.wait(4)
        self.assertEqual(house.types(), ["SOLICIT", "REQUEST"])

    def test_provider_that_raises(self) -> None:
        """An error that a provider raises instead of returning it is dealt with likewise."""

        def raising(link: str, index: int) -> Deferred[Any]:
            raise OSError(EPERM, "Operation not permitted")

        self.house.privilege.open_client_socket = raising  # type: ignore[method-assign]
        house = self.begin()
        self.assertEqual(house.uplink().waits_for, "a socket ([Errno 1] Operation not permitted)")
        house.wait(0.1)
        self.assertIn(1001.0, [call.getTime() for call in house.clock.getDelayedCalls()])
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_carrier_before_port(self) -> None:
        """Without carrier that is what is waited for, even where the port is held; the port is told of afterwards."""
        self.house.privilege.refusals = [held_port(), held_port(), held_port()]
        house = self.begin()
        house.kernel.carrier("eth0", False)
        house.wait(0.1)
        self.assertEqual(house.uplink().waits_for, "carrier on eth0")
        house.kernel.carrier("eth0", True)
        house.wait(0.1)
        self.assertIn("UDP port 546", house.uplink().waits_for)

    def test_renamed_away_and_back(self) -> None:
        """A link that loses its name loses the socket; one that gets it back is no other link (R-RST-02)."""
        house = self.bound()
        house.kernel.rename("eth0", "old")
        house.wait(0.1)
        self.assertEqual((house.line().closed, house.uplink().session.state.name), (1, "DOWN"))
        house.kernel.rename("old", "eth0")
        house.wait(2)
        self.assertEqual((house.uplink().session.state.name, house.types()[-1]), ("BOUND", "REBIND"))
        self.assertEqual(house.uplink().session.evidence_until, float("inf"))

    def test_another_index_is_evidence(self) -> None:
        """A link with another index may lead elsewhere: silence ends the lease after a while (R-RST-02)."""
        house = self.bound()
        house.silent.add("eth0")
        house.kernel.remove_link("eth0")
        house.wait(0.1)
        house.add_uplink("eth0")
        house.wait(59)
        self.assertIn("2001:db8::1/64", house.addresses())
        house.wait(3)
        self.assertEqual((house.addresses(), house.uplink().session.state.name), ({}, "SOLICITING"))


class WaitTests(UplinkCase):
    """What is waited for before anything is sent."""

    def test_no_link(self) -> None:
        """A link that is not there is waited for; whoever waits for the first message does not."""
        house = self.begin("lan0")
        self.successResultOf(house.uplink().attempted())
        house.wait(1)
        self.assertEqual((house.uplink().waits_for, house.clock.getDelayedCalls()), ("link eth0 to appear", []))

    def test_link_down(self) -> None:
        """A link that is not up is waited for, and told once."""
        self.house.add_links()
        self.house.kernel.set_up("eth0", False)
        house = self.house.begin()
        house.wait(5)
        self.assertEqual(house.uplink().waits_for, "link eth0 to be set up")
        self.assertEqual([event["waits_for"] for event in house.told("link")], ["link eth0 to be set up"])
        self.assertEqual(house.sent, [])

    def test_first_message_waits_for_nobody(self) -> None:
        """Whoever waits for the first message is told as soon as no socket is being opened."""
        self.house.privilege.slow = True
        house = self.begin()
        attempted = house.uplink().attempted()
        self.assertNoResult(attempted)
        house.privilege.open_one()
        self.successResultOf(attempted)
        self.assertEqual(house.types(), ["SOLICIT"])


class DatagramTests(UplinkCase):
    """What comes in and goes out."""

    def test_nothing_is_read_before_it_is_said(self) -> None:
        """No datagram is read before the sandbox is closed; those that came meanwhile are read then (design 6)."""
        self.house.add_links()
        house = self.house
        house.router.begin(house.iaids, {})
        house.wait(0.5)
        self.assertEqual((house.types(), house.reactor.readers, house.told("received")), (["SOLICIT"], [], []))
        house.router.read()
        house.reactor.turn()
        self.assertEqual(len(house.told("received")), 1)

    def test_later_sockets_are_read_at_once(self) -> None:
        """A socket that is opened after that is read from the start."""
        house = self.begin("lan0")
        house.add_uplink("eth0")
        house.wait(3)
        self.assertEqual(house.uplink().session.state.name, "BOUND")

    def test_malformed(self) -> None:
        """A datagram that cannot be read is counted and told with field and offset (design 20)."""
        house = self.begin()
        house.arrive(house.line(), b"\x07\x00")
        self.assertEqual(house.uplink().telling.counted, {"discarded_malformed": 1})
        (event,) = house.told("discarded")
        self.assertEqual((event["reason"], event["source"]), ("malformed", "fe80::5e"))
        self.assertTrue(event["detail"].isprintable())

    def test_dropped_by_the_port(self) -> None:
        """What the port drops is counted by its reason (R-16-02)."""
        house = self.begin()
        house.line().arrive(datagram(b"\x07\x00\x00\x01", house.line().index + 1))
        house.reactor.turn()
        self.assertEqual(house.uplink().telling.counted, {"discarded_wrong_link": 1})

    def test_dropped_by_the_session(self) -> None:
        """What the session drops is told with reason and sender."""
        house = self.begin()
        stranger = Message(MessageType.REPLY, 1, (ClientId(CLIENT), ServerId(SERVER)))
        house.arrive(house.line(), encode(stranger), "fe80::bad")
        (event,) = house.told("discarded")
        self.assertEqual((event["reason"], event["source"]), ("transaction_id", "fe80::bad"))

    def test_words_of_strangers(self) -> None:
        """A server's words reach log and events as one printable line (R-18.2.9-11, D43)."""
        self.hear()
        house = self.begin()
        house.silent.add("eth0")
        house.wait(0.1)
        solicit = house.sent[-1][2]
        words = Status(StatusCode.NO_PREFIX_AVAIL, "no\n\x1b[31mprefix \N{RIGHT-TO-LEFT OVERRIDE}today")
        iaid = solicit.ia_pds[0].iaid
        for options in ((words,), (IAPD(iaid, 0, 0, (words,)),)):
            answer = Message(
                MessageType.ADVERTISE, solicit.transaction_id, (ClientId(CLIENT), ServerId(SERVER), *options)
            )
            house.arrive(house.line(), encode(answer))
        texts = [str(value) for event in house.events for value in event.values()] + self.heard
        assert house.desk is not None
        texts += house.desk.why(None)
        self.assertTrue(any("today" in text for text in texts))
        self.assertEqual([text for text in texts if not text.isprintable()], [])

    def test_send_errors(self) -> None:
        """
        An error of sending is a lost packet: counted, told, and tried again when its retransmission is due, EINVAL as
        well (R-D-04, design 15).
        """
        self.house.privilege.slow = True
        house = self.begin()
        (_, _, asked) = house.privilege.asked_sockets.pop()
        line = Line(house, "eth0", 2)
        house.privilege.lines.append(line)
        line.refusing = OSError(ENETDOWN, "refused")
        asked.callback(line)
        self.assertEqual(house.uplink().telling.counted, {"send_failed": 1})
        house.wait(0.1)
        self.assertEqual(house.told("sent")[-1]["problem"], "[Errno 100] refused")
        line.refusing = OSError(EINVAL, "refused")
        house.wait(1.2)
        self.assertEqual(house.uplink().telling.counted, {"send_failed": 2})
        self.assertIn("refused", house.told("sent")[-1]["problem"])
        house.line().refusing = None
        house.wait(20)
        self.assertEqual(house.uplink().session.state.name, "BOUND")

    def test_marks(self) -> None:
        """Packets are marked as configured; where the kernel will not, they go out without."""
        self.house = House(ONE.replace("[[", "dscp = 46\npriority = 5\n[["))
        house = self.begin()
        options = house.line().options
        self.assertEqual(options[socket.IPPROTO_IPV6, socket.IPV6_TCLASS], 46 << 2)
        self.assertEqual(options[socket.SOL_SOCKET, socket.SO_PRIORITY], 5)
        self.house = House(ONE.replace("[[", "dscp = 46\n[["))
        self.house.privilege.slow = True
        house = self.begin()
        (_, index, asked) = house.privilege.asked_sockets.pop()
        line = Line(house, "eth0", index)
        line.broken = True
        asked.callback(line)
        house.wait(0.1)
        self.assertEqual(house.types(), ["SOLICIT"])

    def test_no_socket(self) -> None:
        """A message for which there is no socket is a lost packet as well."""
        house = self.begin()
        house.silent.add("eth0")
        house.wait(0.1)
        house.uplink().socket.port = None
        house.wait(2)
        self.assertEqual(house.uplink().telling.counted["send_failed"], 1)
        self.assertIn("there is no socket", house.told("sent")[-1]["problem"])


class EffectTests(UplinkCase):
    """How a session's effects are carried out."""

    def test_order_of_events(self) -> None:
        """Events are told in the order in which things happened, numbered without a gap."""
        house = self.bound()
        self.assertEqual([event["sequence"] for event in house.events], list(range(1, len(house.events) + 1)))
        began = [
            "link",
            "state",
            "sent",
            "waiting",
            "received",
            "waiting",
            "state",
            "sent",
            "received",
            "lease",
            "state",
        ]
        self.assertEqual([event["event"] for event in house.events], [*began, "assignments"])

    def test_told_after_acting(self) -> None:
        """Nobody is told of a lease before the kernel was asked for its addresses."""
        asked: list[int] = []
        house = self.house
        house.journal.subscribe(
            lambda event: asked.append(len(house.privilege.asked)) if event["event"] == "received" else None
        )
        self.bound()
        self.assertEqual(asked, [0, 3])

    def test_failing_effect(self) -> None:
        """One effect that fails keeps neither the others nor the timer from their work."""
        house = self.begin()
        uplink = house.uplink()

        def failing(uplink: object) -> None:
            raise RuntimeError("boom")

        uplink._around = evolve(uplink._around, leased=failing)
        house.wait(3)
        self.assertEqual(uplink.session.state.name, "BOUND")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(self.successResultOf(house.store.load()).uplinks[0][1].lease, uplink.lease)
        house.wait(1800)
        self.assertIn("RENEW", house.types())
        self.flushLoggedErrors(RuntimeError)

    def test_remembered(self) -> None:
        """SOL_MAX_RT that a server sets is kept over restarts (R-18.2.9-05, A.3)."""
        self.house.server.terms = Terms(sol_max_rt=600)
        house = self.bound()
        ((_, record),) = self.successResultOf(house.store.load()).uplinks
        self.assertEqual(record.sol_max_rt, 600)
        again = House().begin({"wan": record})
        self.assertEqual(again.uplink().session.sol_max_rt_in_force, 600)

    def test_key_is_kept(self) -> None:
        """The key that Reconfigure is signed with is kept over restarts (R-20-01)."""
        record = UplinkRecord(lease=Lease(), key=KEY)
        house = self.house.begin({"wan": record})
        self.assertEqual(house.uplink().record.key, KEY)

    def test_information(self) -> None:
        """
        Name servers that were requested and given are told with the lease, and told again when they are others
        (R-18.2.10-05); an operator sees them in the status.
        """
        self.house = House(ONE.replace("solicit_delay", "request_options = [23]\nsolicit_delay"))
        one, two = IPv6Address("2001:db8::53"), IPv6Address("2001:db8::54")
        self.house.server.terms = Terms(dns=(one, two))
        house = self.bound()
        told = [{"code": 23, "name": "dns_servers", "values": ["2001:db8::53", "2001:db8::54"]}]
        self.assertEqual([event["options"] for event in house.told("information")], [told])
        assert house.desk is not None
        self.assertEqual(house.desk.status("wan")["uplinks"]["wan"]["information"], told)
        house.server.terms = Terms()
        house.uplink().ask(Request.RENEW)
        house.wait(1)
        self.assertEqual([event["options"] for event in house.told("information")], [told, []])
        self.assertEqual(house.desk.status("wan")["uplinks"]["wan"]["information"], [])

    def test_excluded(self) -> None:
        """
        The part that the server keeps for the uplink is told with the lease and shown (PDX-05); nothing of it is put on
        the uplink, whose addresses are the kernel's or a hook's.
        """
        self.house.server.terms = Terms(exclude=66)
        house = self.bound()
        told = house.told("lease")[-1]["excluded"]
        assert house.desk is not None
        self.assertEqual([house.desk.status("wan")["uplinks"]["wan"]["excluded"]], told)
        self.assertTrue(IPv6Network(told[0]).subnet_of(house.uplink().lease.prefixes[0].prefix))
        self.assertEqual(set(house.addresses("eth0")), {f"{OWN}/64"})

    def test_details_only_on_demand(self) -> None:
        """Messages are described in the log only where that was asked for; changes of state always."""
        self.hear()
        set_level("brief")
        self.bound()
        self.assertFalse([line for line in self.heard if "SOLICIT" in line])
        self.assertTrue([line for line in self.heard if "soliciting -> requesting" in line])
        set_level("verbose")
        self.house.uplink().ask(Request.RENEW)
        self.house.wait(0.1)
        self.assertTrue([line for line in self.heard if "RENEW" in line])

    def test_telling_waits(self) -> None:
        """What was sent is told a moment later, so that its answer does not have to wait for that; an end tells all."""
        house = self.bound()
        before = len(house.events)
        house.uplink().ask(Request.RENEW)
        self.assertEqual(len(house.events), before)
        house.uplink().stop()
        self.assertGreater(len(house.events), before)

    def test_store_problem_is_told(self) -> None:
        """A store that fails makes an event, and another one when it is well again."""
        house = self.house
        save, problems = house.store.save_uplink, [StoreError("disk full")]

        class Failing:
            """A store that fails once."""

            def save_uplink(self, name: str, record: UplinkRecord) -> Any:
                if problems:
                    raise problems.pop()
                return save(name, record)

        house.router._around = evolve(house.router._around, store=Failing())
        self.bound()
        house.wait(6)
        self.assertEqual([event["problem"] for event in house.told("store")], ["disk full", ""])

    def test_timer_is_kept(self) -> None:
        """A step that changes nothing about what is due leaves the timer alone."""
        house = self.bound()
        (before,) = house.clock.getDelayedCalls()
        house.arrive(house.line(), b"\x07\x00")
        house.uplink()._happen(Due())
        self.assertEqual(round(house.clock.getDelayedCalls()[0].getTime(), 6), round(before.getTime(), 6))
        self.assertEqual(len(house.clock.getDelayedCalls()), 1)


class UpstreamTests(UplinkCase):
    """What is heard of the network upstream; how it is judged is shown in L{tests.conformance.test_advertisements}."""

    def advertise(self, prefix: str) -> None:
        """A Router Advertisement names a prefix."""
        index = self.house.line().index
        self.house.router.prefix_heard(
            AdvertisedPrefix(index=index, prefix=IPv6Network(prefix), flags=0xC0, preferred=3600, valid=7200)
        )
        self.house.wait(1)

    def test_another_prefix(self) -> None:
        """Another prefix on the link of an uplink is told, and the lease is extended (R-18.2.12-04)."""
        house = self.bound()
        self.advertise("2001:db8:1::/64")
        house.wait(30)
        self.assertEqual((house.told("upstream"), house.types()[-1]), ([], "REQUEST"))
        self.advertise("2001:db8:2::/64")
        self.assertEqual(house.types()[-1], "RENEW")
        (event,) = house.told("upstream")
        self.assertEqual(event["signs"], ["prefix_added"])
        self.assertEqual(event["text"], "there is another prefix on the link")

    def test_nothing_after_the_stop(self) -> None:
        """A stopped uplink judges nothing any more."""
        house = self.bound()
        self.advertise("2001:db8:1::/64")
        house.uplink().stop()
        house.wait(30)
        self.assertEqual(house.clock.getDelayedCalls(), [])


class EndTests(UplinkCase):
    """How it ends."""

    def test_release_of_nothing(self) -> None:
        """A Release with nothing to give back is over at once."""
        house = self.begin()
        self.successResultOf(house.uplink().release())
        self.assertEqual(house.told("released")[-1]["uplink"], "wan")

    def test_release_without_a_link(self) -> None:
        """A Release without a link takes the addresses away, sends nothing, and is over."""
        house = self.bound()
        house.kernel.remove_link("eth0")
        house.wait(0.1)
        self.successResultOf(house.uplink().release())
        self.assertEqual((house.addresses(), house.types()[-1]), ({}, "REQUEST"))

    def test_release_after_the_stop(self) -> None:
        """Whoever asks a stopped uplink for a Release is answered."""
        house = self.bound()
        uplink = house.uplink()
        uplink.stop()
        self.successResultOf(uplink.release())

    def test_stop_while_releasing(self) -> None:
        """A stop lets go of whoever waits for the end of a Release."""
        house = self.bound()
        released = house.uplink().release()
        self.assertNoResult(released)
        house.uplink().stop()
        self.successResultOf(released)

    def test_nothing_after_the_stop(self) -> None:
        """After the stop nothing happens any more, whatever the link does; a second stop does no harm."""
        house = self.bound()
        uplink = house.uplink()
        uplink.stop()
        uplink.stop()
        sent = len(house.sent)
        house.kernel.remove_link("eth0")
        house.add_uplink("eth0")
        house.wait(10)
        uplink.ask(Request.RENEW)
        uplink.resumed()
        self.assertEqual((len(house.sent), house.clock.getDelayedCalls(), uplink.port), (sent, [], None))

    def test_stop_while_waiting_for_the_port(self) -> None:
        """A stop ends the wait for a port that is held."""
        self.house.privilege.refusals = [held_port()]
        house = self.begin()
        house.uplink().stop()
        house.wait(5)
        self.assertEqual(len(house.privilege.opened), 1)
