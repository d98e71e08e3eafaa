"""
Section C.1, and what of other sections is about packets: destinations, ports, links, sources.

The daemon is whole here, with a kernel in memory; what only a real kernel can show is in
L{tests.live.test_udp_live}.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv6Address

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.asking import numbered
from pdlease.client.occurrences import Request
from pdlease.config.errors import ConfigErrors
from pdlease.demo.delegating import SERVER
from pdlease.identity import Identity
from pdlease.lease import ReconfigureKey
from pdlease.wire.codes import MessageType, StatusCode
from pdlease.wire.messages import Message, encode
from pdlease.wire.options import ClientId, ServerId, Status
from pdlease.wire.prefixes import IAPD
from tests.conformance.test_reconfigure import SECRET, reconfigure
from tests.house import CLIENT, ONE, OWN, SERVER_ADDRESS, TWO, House, Line, configuration

WILLING = ONE.replace("solicit_delay", "reconfigure = true\nsolicit_delay")
P_FLAG = ONE.replace("solicit_delay", 'start = "p-flag"\nsolicit_delay')

P, L, A = 0x10, 0x80, 0x40
"""Flags of an advertised prefix."""


def datagram(data: bytes, destination: str, index: int) -> tuple[object, ...]:
    """A datagram as the kernel hands it over."""
    info = struct.pack("=16sI", IPv6Address(destination).packed, index)
    return data, (SERVER_ADDRESS, 547, 0, index), 0, [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)]


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
        self.assertEqual(self.house.uplink().counted["discarded_multicast"], 2)
        self.assertEqual(self.arrive(), ["RENEW"])

    def test_reconfigure_by_another_link(self) -> None:
        """R-18.2.11-07: a Reconfigure counts only where it came in by a link that DHCP is spoken on."""
        self.assertEqual(self.arrive(index=self.house.line().index + 1), [])
        self.assertEqual(self.house.uplink().counted["discarded_wrong_link"], 1)
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
