"""
Sections C.8, C.9, C.14 and D, as far as their observable is downstream: addresses and routes of a kernel in memory, the
status document, the events.

The daemon is whole here.  What a real kernel does with the same operations is shown in L{tests.live}.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Interface, IPv6Network
from typing import Any

from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from pdlease.demo.delegating import SERVER, DelegatingServer
from pdlease.interfaces import Refused
from pdlease.wire.chain import OpaqueOption, Option
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import ClientId, ServerId
from pdlease.wire.prefixes import IAPD, IAPrefix, PDExclude
from tests.house import ONE, TWO, House

LANS = ONE.replace('["lan0"]', '["lan0", "lan1", "lan2"]')
"""One delegation for three links."""

EACH = ONE + '[[uplinks.wan.delegations]]\ndownstreams = ["lan1", "lan2"]\n'
"""Two delegations on one uplink."""

GUEST = (
    ONE
    + """
[guests.web1]
id = 1
[[guests.web1.nics]]
link = "tap0"
delegate = "wan"
"""
)
"""A guest that gets a /64 of the delegation."""

Answers = Callable[[Message], tuple[Option, ...]]


class Scripted(DelegatingServer):
    """A server that says what it is told to, whatever is asked."""

    def __init__(self, says: Answers) -> None:
        super().__init__()
        self.says = says

    def answer(self, data: bytes, now: float) -> list[bytes]:
        asked = decode(data)
        kind = MessageType.ADVERTISE if asked.message_type == MessageType.SOLICIT else MessageType.REPLY
        identifiers = [ServerId(SERVER), *asked.options_of(ClientId)]
        return [encode(Message(kind, asked.transaction_id, (*identifiers, *self.says(asked))))]


def prefix(text: str, valid: int = 7200, preferred: int = 3600, *options: Option) -> IAPrefix:
    """A prefix option."""
    network = IPv6Network(text)
    return IAPrefix(min(preferred, valid), valid, network.prefixlen, network.network_address.packed, options)


def giving(*prefixes: IAPrefix, t1: int = 1000, t2: int = 2000) -> Answers:
    """Give these prefixes to the first association that asks."""
    return lambda asked: (IAPD(asked.ia_pds[0].iaid, t1, t2, prefixes),)


def giving_each(*texts: str) -> Answers:
    """Give one prefix to each association, in order."""
    return lambda asked: tuple(
        IAPD(ia.iaid, 1000, 2000, (prefix(text),)) for ia, text in zip(asked.ia_pds, texts, strict=True)
    )


class HouseCase(SynchronousTestCase):
    """A house whose server says what the test wants."""

    def bound(self, says: Answers, text: str = ONE) -> House:
        """The house, bound."""
        self.house = House(text)
        self.house.add_links("lan0", "lan1", "lan2")
        self.house.server = Scripted(says)
        self.house.begin().wait(3)
        self.assertEqual(self.house.uplink().session.state.name, "BOUND")
        return self.house

    def says(self, says: Answers) -> None:
        """The server says something else from now on."""
        assert isinstance(self.house.server, Scripted)
        self.house.server.says = says

    def renewed(self, says: Answers) -> House:
        """The house after the next Renew, answered so."""
        self.says(says)
        t1 = self.house.uplink().lease.t1_at
        self.house.wait(t1 - self.house.clock.seconds() + 0.5)
        self.assertEqual(self.house.types()[-1], "RENEW")
        return self.house

    def subnets(self) -> dict[str, list[str]]:
        """The subnets that each link has an address of."""
        return {
            link: sorted(str(IPv6Interface(address).network) for address in self.house.addresses(link))
            for link in ("lan0", "lan1", "lan2")
        }

    def assert_apart(self, *links: str) -> None:
        """No two links share any address."""
        of = {link: [IPv6Network(each) for each in self.subnets()[link]] for link in links}
        for link, own in of.items():
            for other in links:
                met = [(a, b) for a in own for b in of[other] if other != link and a.overlaps(b)]
                self.assertEqual(met, [], (link, other))

    def status(self) -> dict[str, Any]:
        """The status document of the uplink."""
        assert self.house.desk is not None
        return dict(self.house.desk.status(None)["uplinks"]["wan"])

    def why(self) -> str:
        """The sentences of C{why}."""
        assert self.house.desk is not None
        return "\n".join(self.house.desk.why("wan"))


class LifetimeTests(HouseCase):
    """How long things live in the kernel."""

    def test_shorter(self) -> None:
        """R-18.2.10.1-03: 7200 s become 600 s by a Renew: the kernel's lifetimes shrink at once."""
        self.bound(giving(prefix("2001:db8::/56")))
        self.assertGreater(self.house.addresses()["2001:db8::1/64"][1], 7000)
        self.renewed(giving(prefix("2001:db8::/56", 600, 300), t1=100, t2=200))
        preferred, valid = self.house.addresses()["2001:db8::1/64"]
        self.assertTrue(298 < preferred <= 300 and 598 < valid <= 600, (preferred, valid))
        (route,) = [each for each in self.house.kernel.true.routes.values() if each.index is not None]
        self.assertLessEqual(route.valid_until - self.house.clock.seconds(), 600)

    def test_replaced(self) -> None:
        """R-18.2.10.1-04: the old prefix with 0/0 beside a new one: the new is assigned, the old removed at once."""
        self.bound(giving(prefix("2001:db8::/56")))
        self.renewed(giving(prefix("2001:db8::/56", 0), prefix("2001:db8:ff::/56")))
        self.assertEqual(self.subnets()["lan0"], ["2001:db8:ff::/64"])
        self.assertEqual(self.house.routes(), {"2001:db8:ff::/64 lan0", "2001:db8:ff::/56 unreachable"})

    def test_never_beyond_the_lease(self) -> None:
        """
        R-18.2.10.1-17, C.15-18: second for second, over Renews that lengthen and shorten, no lifetime in the kernel or
        in the status is beyond what is left of the prefix; and they are not needlessly short either.
        """
        self.bound(giving(prefix("2001:db8::/56", 120, 60), t1=30, t2=48))
        valids = (120, 90, 400, 60, 120)
        for second in range(300):
            valid = valids[second // 60]
            self.says(giving(prefix("2001:db8::/56", valid, valid // 2), t1=valid // 4, t2=valid // 2))
            self.house.wait(1)
            now = self.house.clock.seconds()
            (held,) = self.house.uplink().lease.prefixes
            ((preferred, living),) = self.house.addresses().values()
            self.assertLessEqual(living, held.valid_until - now)
            self.assertLessEqual(max(0, preferred), max(0, held.preferred_until - now))
            self.assertGreater(living, held.valid_until - now - 3)
            (shown,) = self.status()["prefixes"]
            self.assertLessEqual(shown["valid_seconds"], held.valid_until - now)
            for route in self.house.kernel.true.routes.values():
                if route.index is not None:
                    self.assertLessEqual(route.valid_until, held.valid_until)
        self.assertGreater(self.house.types().count("RENEW"), 4)

    def test_end(self) -> None:
        """R-18.2.10.1-18: not renewed, at the end of the valid lifetime addresses and routes are gone within 1 s."""
        house = self.bound(giving(prefix("2001:db8::/56", 300, 200), t1=100, t2=160), LANS)
        house.silent.add("eth0")
        house.wait(house.uplink().lease.valid_until - house.clock.seconds() - 2)
        self.assertEqual([len(each) for each in self.subnets().values()], [1, 1, 1])
        self.assertEqual(len(house.routes()), 4)
        house.wait(3)
        self.assertEqual([len(each) for each in self.subnets().values()], [0, 0, 0])
        self.assertEqual(house.routes(), set())
        self.assertEqual(house.told("lease")[-1]["change"], "expired")

    def test_deprecated(self) -> None:
        """R-EXP-03: the preferred lifetime is over: the address is deprecated, and stays to its valid end."""
        house = self.bound(giving(prefix("2001:db8::/56", 600, 100), t1=400, t2=500))
        house.wait(150)
        preferred, valid = house.addresses()["2001:db8::1/64"]
        self.assertTrue(preferred <= 0 < valid)
        self.assertEqual(self.status()["prefixes"][0]["preferred_seconds"], 0)

    def test_given_back(self) -> None:
        """R-RST-03: withdrawn by a Rebind it leaves the LAN, is asked for by name, and is live again when given."""
        house = self.bound(giving(prefix("2001:db8::/56")))
        self.says(giving(prefix("2001:db8::/56", 0)))
        house.kernel.carrier("eth0", False)
        house.wait(1)
        house.kernel.carrier("eth0", True)
        house.wait(0.5)
        self.assertEqual((house.types()[-2:], self.subnets()["lan0"]), (["REBIND", "SOLICIT"], []))
        self.assertEqual([str(each.network) for each in house.sent[-1][2].ia_pds[0].prefixes], ["2001:db8::/56"])
        self.says(giving(prefix("2001:db8::/56")))
        house.wait(5)
        self.assertEqual(self.subnets()["lan0"], ["2001:db8::/64"])


class CarvingTests(HouseCase):
    """Who gets which part."""

    def test_two_prefixes(self) -> None:
        """R-18.2.10.1-16: two prefixes in one IA, two LANs: each gets one subnet of each, all different."""
        text = ONE.replace('["lan0"]', '["lan0", "lan1"]')
        self.bound(giving(prefix("2001:db8:1::/56"), prefix("2001:db8:2::/56")), text)
        self.assertEqual(self.subnets()["lan0"], ["2001:db8:1::/64", "2001:db8:2::/64"])
        self.assertEqual(self.subnets()["lan1"], ["2001:db8:1:1::/64", "2001:db8:2:1::/64"])

    def test_nested_in_another_delegation(self) -> None:
        """R-18.2.10.1-22: a /56 and a /60 within it for two IAs: what is used is unique, the second one is told."""
        self.bound(giving_each("2001:db8::/56", "2001:db8:0:0::/60"), EACH)
        self.assertEqual(self.subnets(), {"lan0": ["2001:db8::/64"], "lan1": [], "lan2": []})
        self.assertEqual(self.status()["counters"]["discarded_prefix_overlap"], 2)

    def test_nested_in_one_association(self) -> None:
        """R-18.2.10.1-22, R-18.2.10.1-06: a /56 and a /60 within it in one IA: both held, no /64 on two links."""
        self.bound(giving(prefix("2001:db8::/56"), prefix("2001:db8:0:1::/64"), prefix("2001:db8:0:0::/62")), LANS)
        self.assertEqual(len(self.status()["prefixes"]), 3)
        self.assert_apart("lan0", "lan1", "lan2")
        firsts = [subnets[0] for subnets in self.subnets().values()]
        self.assertEqual(firsts, ["2001:db8::/64", "2001:db8:0:1::/64", "2001:db8:0:2::/64"])

    def test_same_prefix_shorter(self) -> None:
        """R-18.2.10.1-06: a /56 becomes a /60 of the same bits by a Renew: every link keeps its subnet, once."""
        self.bound(giving(prefix("2001:db8::/56")), LANS)
        before = self.subnets()
        self.renewed(giving(prefix("2001:db8::/60")))
        self.assertEqual(self.subnets(), before)
        self.assertEqual([valid > 7000 for _, valid in self.house.addresses("lan2").values()], [True])

    def test_two_uplinks(self) -> None:
        """R-18.2.10.1-22: two uplinks are given overlapping prefixes: no /64 is on two links."""
        self.bound(giving(prefix("2001:db8::/56")), TWO)
        self.house.wait(2)
        self.assertEqual([len(each) for each in self.subnets().values()], [1, 1, 1])
        self.assert_apart("lan0", "lan1", "lan2")

    def test_local_prefix(self) -> None:
        """R-18.2.10.1-22: a delegated unique local prefix that holds the local one: that /64 is on no link."""
        text = LANS + '\n[local]\ninet6 = "fd00:1:2:1::/64"\n'
        self.bound(giving(prefix("fd00:1:2::/56")), text)
        self.assertEqual(
            [subnets for (subnets,) in self.subnets().values()],
            ["fd00:1:2::/64", "fd00:1:2:2::/64", "fd00:1:2:3::/64"],
        )

    def test_on_link_upstream(self) -> None:
        """
        PDX-04, R-18.2.10.1-22: without a usable PD_EXCLUDE a subnet that is on the upstream link, by what a router
        names there or by an address, is on no LAN: whoever has it moves behind it, for good; the uplink may have it.
        """
        broken = OpaqueOption(OptionCode.PD_EXCLUDE, b"\x30\x00")
        house = self.bound(giving(prefix("2001:db8::/56", 7200, 3600, broken)), LANS)
        self.assertEqual(self.subnets()["lan0"], ["2001:db8::/64"])
        self.assertEqual(self.status()["counters"]["discarded_malformed_option"], 2)
        house.kernel.advertise("eth0", "2001:db8::/64", preferred=0)
        house.wait(1)
        self.assertEqual(self.subnets()["lan0"], ["2001:db8::/64"])
        house.kernel.advertise("eth0", "2001:db8::/64", preferred=100)
        house.wait(1)
        moved = {"lan0": ["2001:db8:0:1::/64"], "lan1": ["2001:db8:0:2::/64"], "lan2": ["2001:db8:0:3::/64"]}
        self.assertEqual(self.subnets(), moved)
        house.wait(500)
        self.assertEqual(self.subnets(), moved)
        house.kernel.add_foreign_address("eth0", "2001:db8:0:2::99/64")
        house.wait(1)
        self.assertEqual(self.subnets()["lan1"], ["2001:db8:0:3::/64"])
        assert house.desk is not None
        (planned,) = house.desk.plan()["uplinks"]["wan"]
        self.assertEqual([each["subnet"] for each in planned["assignments"]][1], "2001:db8:0:3::/64")

    def test_on_link_upstream_around(self) -> None:
        """PDX-04: an on-link prefix upstream that is larger than what is delegated is no reason to assign nothing."""
        house = self.bound(giving(prefix("2001:db8::/56")), LANS)
        house.kernel.advertise("eth0", "2001:db8::/32")
        house.kernel.add_foreign_address("eth0", "2001:db8:ffff::99/32")
        house.wait(1)
        self.assertEqual(self.subnets()["lan0"], ["2001:db8::/64"])

    def test_restart(self) -> None:
        """
        R-8987-04, R-18.2.10.1-25: after a kill between storing and configuring, the start configures all at once, what
        refuses first, before anything is sent.
        """
        record = self.bound(giving(prefix("2001:db8::/56")), LANS).uplink().record
        again = House(LANS)
        again.add_uplink("eth0")
        for link in ("lan0", "lan1", "lan2"):
            again.kernel.add_link(link)
        again.clock.advance(self.house.clock.seconds() - again.clock.seconds())
        again.privilege.slow = True
        again.begin({"wan": record})
        self.assertEqual(again.sent, [])
        self.assertEqual(type(again.privilege.asked[0]).__name__, "PutUnreachable")
        self.assertEqual(again.routes() - self.house.routes(), set())
        self.assertEqual(len(again.routes()), 4)
        self.assertEqual(list(again.addresses("lan2")), ["2001:db8:0:2::1/64"])

    def test_exact_route(self) -> None:
        """R-8987-06, WPD-5: the unreachable route is of exactly the delegated length, of a metric behind all others."""
        self.bound(giving(prefix("2001:db8:1230::/61")), LANS)
        (route,) = [each for each in self.house.kernel.true.routes.values() if each.index is None]
        self.assertEqual((str(route.prefix), route.kind), ("2001:db8:1230::/61", "unreachable"))
        self.assertTrue(all(each.metric <= route.metric for each in self.house.kernel.true.routes.values()))

    def test_refused_first(self) -> None:
        """WPD-5: the unreachable route is asked for before any subnet, and taken away after the last of them."""
        self.bound(giving(prefix("2001:db8::/56")), LANS)
        asked = [type(each).__name__ for each in self.house.privilege.asked]
        self.assertEqual((asked[0], asked.count("PutUnreachable")), ("PutUnreachable", 1))
        before = len(asked)
        assert self.house.desk is not None
        self.house.desk.release("wan", False)
        asked = [type(each).__name__ for each in self.house.privilege.asked[before:]]
        self.assertEqual((asked[-1], asked.count("RemoveUnreachable")), ("RemoveUnreachable", 1))


class ExclusionTests(HouseCase):
    """The part that belongs to the uplink (RFC 6603)."""

    FIRST, SECOND = PDExclude(64, b"\x00"), PDExclude(64, b"\x01")

    def excluding(self, *options: Option) -> Answers:
        """A /56 with an exclusion, or without."""
        return giving(prefix("2001:db8::/56", 7200, 3600, *options))

    def test_not_assigned(self) -> None:
        """PDX-02, WPD-8: the first /64 is excluded: the first LAN gets the next one."""
        self.bound(self.excluding(self.FIRST), LANS)
        self.assertEqual([each for (each,) in self.subnets().values()], [f"2001:db8:0:{n}::/64" for n in (1, 2, 3)])
        self.assertEqual(self.status()["excluded"], "2001:db8::/64")

    def test_not_refused(self) -> None:
        """PDX-06: unreachable routes cover the delegated prefix but for the excluded one, without gaps."""
        self.bound(self.excluding(self.SECOND), LANS)
        refused = [each.prefix for each in self.house.kernel.true.routes.values() if each.index is None]
        excluded = IPv6Network("2001:db8:0:1::/64")
        self.assertFalse(any(each.overlaps(excluded) for each in refused))
        self.assertEqual(sum(each.num_addresses for each in refused) + excluded.num_addresses, 1 << 72)

    def test_changes(self) -> None:
        """PDX-10: an exclusion appears in a Renew, changes, vanishes: LANs that it meets move, and come back."""
        self.bound(self.excluding(), LANS)
        self.assertEqual(self.subnets()["lan0"], ["2001:db8::/64"])
        for options, expected in (((self.FIRST,), 1), ((self.SECOND,), 0), ((), 0)):
            self.renewed(self.excluding(*options))
            first = IPv6Network(self.subnets()["lan0"][0])
            self.assertEqual(int(first.network_address) >> 64 & 0xFF, expected)
            self.assert_apart("lan0", "lan1", "lan2")
            excluded = self.status()["excluded"]
            for (subnet,) in self.subnets().values():
                self.assertNotEqual(subnet, excluded)

    def test_own_address_in_it(self) -> None:
        """
        PDX-10, PDX-04: an address of ours in the excluded part, on the uplink, is no sign that this part is the
        upstream's for ever: when the exclusion vanishes, the LAN gets it.
        """
        text = LANS.replace("downstreams =", 'excluded_host = "::2"\ndownstreams =')
        self.bound(self.excluding(self.FIRST), text)
        self.assertIn("2001:db8::2/64", self.house.addresses("eth0"))
        self.house.wait(5)
        self.assertEqual(self.subnets()["lan0"], ["2001:db8:0:1::/64"])
        self.renewed(self.excluding())
        self.assertEqual(self.subnets()["lan0"], ["2001:db8::/64"])


class SizeTests(HouseCase):
    """What is asked for, and what is done with less."""

    def hint(self, count: int, more: str = "") -> int | None:
        """The length that the first Solicit wishes for, with so many links."""
        links = ", ".join(f'"lan{number}"' for number in range(count))
        house = House(ONE.replace('["lan0"]', f"[{links}]") + more)
        house.add_links()
        house.begin().wait(1)
        (ia,) = house.sent[0][2].ia_pds
        return ia.prefixes[0].length if ia.prefixes else None

    def test_hints(self) -> None:
        """WPD-2: 1 LAN: /64; 2 to 16: /60; 17 to 256: /56; an explicit /48 is obeyed, "none" is none at all."""
        lengths = [self.hint(count) for count in (1, 2, 3, 5, 16, 17, 40)]
        self.assertEqual(lengths, [64, 60, 60, 60, 60, 56, 56])
        self.assertEqual((self.hint(2, "hint = 48\n"), self.hint(2, 'hint = "none"\n')), (48, None))

    def test_too_small(self) -> None:
        """
        WPD-3: wished /56, given /62, six LANs: the first four in the file are served, the others are an error that the
        log, C{why} and status tell; after a Renew it is the same ones.
        """
        logged: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, logged.append)
        links = [f"lan{number}" for number in range(6)]
        text = ONE.replace('["lan0"]', f"[{', '.join(map(repr, links))}]".replace("'", '"')) + "hint = 56\n"
        self.house = House(text)
        self.house.add_uplink()
        for link in links:
            self.house.kernel.add_link(link)
        self.house.server = Scripted(giving(prefix("2001:db8::/62")))
        self.house.begin().wait(3)
        for _ in range(2):
            self.assertEqual([len(self.house.addresses(link)) for link in links], [1, 1, 1, 1, 0, 0])
            self.assertEqual(self.status()["unassigned"], ["lan4", "lan5"])
            self.assertIn("2001:db8::/62 is too small: lan4 stays without a subnet", self.why())
            self.renewed(giving(prefix("2001:db8::/62")))
        errors = [formatEvent(event) for event in logged if event["log_level"] is LogLevel.error]
        self.assertEqual(errors, ["wan: 2001:db8::/62 is too small: without a subnet: lan4, lan5"])

    def test_requesting_router(self) -> None:
        """WPD-1: by default the client asks for one IA_PD on the uplink, and uses what it gets downstream."""
        self.bound(giving(prefix("2001:db8::/56")))
        self.assertEqual([len(message.ia_pds) for _, _, message in self.house.sent], [1, 1])
        self.assertEqual(self.subnets()["lan0"], ["2001:db8::/64"])


class ReleaseTests(HouseCase):
    """Giving back what is in use."""

    def test_in_use(self) -> None:
        """R-18.2.7-07: while a guest has a part of the prefix Release is refused, and sent when told all the same."""
        self.house = House(GUEST)
        self.house.add_uplink()
        for link in ("lan0", "tap0"):
            self.house.kernel.add_link(link)
        self.house.begin().wait(3)
        self.assertEqual(len(self.house.addresses("tap0")), 1)
        assert self.house.desk is not None
        refusal = self.assertRaises(Refused, self.house.desk.release, "wan", False)
        self.assertIn("web1", str(refusal))
        self.house.wait(1)
        self.assertNotIn("RELEASE", self.house.types())
        self.assertTrue(self.house.uplink().lease.prefixes)
        released = self.house.desk.release("wan", True)
        self.assertEqual((self.house.addresses("tap0"), self.house.addresses("lan0")), ({}, {}))
        self.house.wait(1)
        self.successResultOf(released)
        self.assertEqual(self.house.types()[-1], "RELEASE")
