"""
What is heard of the network upstream: sections C.10 and D, as far as Router Advertisements start the client or make it
ask anew (RFC 9915 section 18.2.12, RFC 9762).

The kernel is one in memory, and says what a real one says; L{tests.live.test_router_advertisements} has one.
"""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.demo.delegating import Terms
from pdlease.explanation import explanation
from pdlease.kernel import Advertised
from pdlease.lease import UplinkRecord
from pdlease.report import uplink_document
from pdlease.upstream import FRESH, INTERVAL, MANY, SETTLE
from pdlease.wanted import Share
from tests.house import ONE, OWN, House

RA = ONE.replace("[[", 'start = "ra"\n[[')
P_FLAG = ONE.replace("[[", 'start = "p-flag"\n[[')

MANAGED = Advertised(heard=True, managed=True)
OTHER = Advertised(heard=True, other=True)
NEITHER = Advertised(heard=True)

P = 0xD0
"""The flags L, A and P of a prefix."""

REBIND = ["REBIND"]


class HouseCase(SynchronousTestCase):
    """A house whose uplink leads to routers."""

    def begin(self, text: str = ONE, record: UplinkRecord | None = None) -> House:
        """The house begun, with its links."""
        self.house = House(text)
        self.house.add_links()
        return self.house.begin({"wan": record} if record is not None else None)

    def settled(self, *routers: str, prefix: str = "2001:db8:1::/64") -> House:
        """The house bound, with these routers and a prefix known for a while."""
        self.begin()
        self.hear(*(routers or ("fe80::a",)))
        self.house.kernel.advertise("eth0", prefix, preferred=100_000)
        self.house.wait(FRESH + 5)
        self.assertEqual(self.house.types(), ["SOLICIT", "REQUEST"])
        self.since = self.house.clock.seconds()
        return self.house

    def hear(self, *routers: str, flags: Advertised | None = None) -> None:
        """Router Advertisements come from these routers."""
        self.house.kernel.hear_routers("eth0", *routers, flags=flags)

    def lose_own_address(self) -> None:
        """The link-local address of the uplink is removed."""
        kernel = self.house.kernel
        kernel._drop_address((kernel._named("eth0").index, OWN))

    def sent(self, seconds: float = 2 * SETTLE) -> list[str]:
        """What is sent from now on for a while."""
        since = self.house.clock.seconds()
        self.house.wait(seconds)
        return self.house.types(since)

    @property
    def waits_for(self) -> str:
        """What the uplink waits for."""
        return self.house.uplink().waits_for

    def signs(self) -> list[list[str]]:
        """The signs that were told."""
        return [event["signs"] for event in self.house.told("upstream")]


class ChangeTests(HouseCase):
    """Changes without a change of link: Renew, as if T1 had come."""

    def test_prefix_added(self) -> None:
        """R-18.2.12-04: another prefix on the link brings a Renew."""
        self.settled().kernel.advertise("eth0", "2001:db8:2::/64")
        self.assertEqual(self.sent(), ["RENEW"])
        self.assertEqual(self.signs(), [["prefix_added"]])

    def test_prefix_deprecated(self) -> None:
        """R-18.2.12-04: a prefix that is not preferred any more brings a Renew."""
        self.settled().kernel.advertise("eth0", "2001:db8:1::/64", preferred=0)
        self.assertEqual(self.sent(), ["RENEW"])

    def test_prefix_again(self) -> None:
        """R-18.2.12-04: a prefix that is named again, as in every Router Advertisement, brings nothing."""
        self.settled().kernel.advertise("eth0", "2001:db8:1::/64", preferred=100_000)
        self.assertEqual(self.sent(), [])

    def test_rate_limit(self) -> None:
        """R-18.2.12-05: prefixes that come and go each second bring one Renew in 30 seconds."""
        self.settled()
        since = self.house.clock.seconds()
        for number in range(70):
            self.house.kernel.advertise("eth0", "2001:db8:2::/64", preferred=600 * (number % 2))
            self.house.wait(1)
        self.assertEqual(self.house.types(since).count("RENEW"), 3)

    def test_router_added(self) -> None:
        """R-8987-02: another router beside the one that was there brings a Renew: its relay may not know our routes."""
        self.settled()
        self.hear("fe80::a", "fe80::b")
        self.assertEqual(self.sent(), ["RENEW"])

    def test_router_speaks(self) -> None:
        """R-18.2.12-07: the first Router Advertisement after the router was silent begins a Solicit anew."""
        self.begin()
        self.house.silent.add("eth0")
        self.hear("fe80::a")
        self.house.wait(600)
        self.hear()
        self.house.wait(60)
        began = len(self.house.types())
        self.hear("fe80::a")
        self.house.wait(3)
        self.assertEqual(len(self.house.types()) - began, 2)
        first, second = self.house.sent[-2:]
        self.assertTrue(second[0] - first[0] < 1.2, "not at IRT")

    def test_own_address(self) -> None:
        """R-18.2.4-09, R-8987-05: another link-local address of ours brings a Renew although the link stays."""
        self.settled().kernel.add_foreign_address("eth0", "fe80::77/64")
        self.assertEqual(self.sent(), [])
        self.lose_own_address()
        self.assertEqual(self.sent(), ["RENEW"])
        self.assertEqual(self.signs(), [["own_address"]])

    def test_own_address_soon(self) -> None:
        """R-18.2.4-09, R-8987-05: also right after the link came up, when routers and prefixes ask nothing anew."""
        self.begin()
        self.house.wait(FRESH / 2)
        self.house.kernel.add_foreign_address("eth0", "fe80::77/64")
        self.assertEqual(self.sent(), [])
        self.lose_own_address()
        self.assertEqual((self.sent(), self.signs()), (["RENEW"], [["own_address"]]))

    def test_just_come_up(self) -> None:
        """What is heard in the first seconds asks nothing anew: everything has just been asked."""
        self.begin()
        self.house.silent.add("eth0")
        self.house.wait(0.2)
        self.hear("fe80::a", flags=MANAGED)
        self.house.kernel.advertise("eth0", "2001:db8:1::/64")
        self.house.wait(1)
        self.house.kernel.advertise("eth0", "2001:db8:2::/64")
        self.house.wait(2)
        self.assertEqual(self.signs(), [])
        transactions = {message.transaction_id for _, _, message in self.house.sent}
        self.assertEqual(len(transactions), 1)

    def test_many_prefixes(self) -> None:
        """A router that names a new prefix each time costs no more memory than so many prefixes."""
        self.settled()
        for number in range(2 * MANY):
            self.house.kernel.advertise("eth0", f"2001:db8:{number:x}::/64")
        self.house.wait(1)
        self.assertEqual(len(self.house.uplink().upstream._until), MANY)

    def test_stopped(self) -> None:
        """A stopped uplink judges nothing any more."""
        self.settled().kernel.advertise("eth0", "2001:db8:2::/64")
        self.house.router.stop()
        self.assertEqual(self.sent(5), [])
        self.assertEqual(self.house.clock.getDelayedCalls(), [])

    def test_another_link(self) -> None:
        """A prefix that is named on another link is of no concern."""
        self.settled().kernel.advertise("lan0", "2001:db8:2::/64")
        self.assertEqual(self.sent(), [])


class ElsewhereTests(HouseCase):
    """Evidence that the link leads elsewhere: Rebind, and silence ends the lease (R-RST-02)."""

    def test_other_router(self) -> None:
        """
        R-RST-02, C.15-26: another router in place of the one that was there brings a Rebind with the times of Confirm;
        where it stays silent the lease is withdrawn after 60 s, and the Solicit after that names its prefix; until then
        it is in use, and the status says what goes on.
        """
        self.settled().silent.add("eth0")
        self.hear("fe80::b")
        self.assertEqual(self.sent(), REBIND)
        self.assertEqual(self.signs(), [["other_routers"]])
        held = {str(each.prefix) for each in self.house.uplink().lease.prefixes}
        self.house.wait(50)
        self.assertTrue(self.house.addresses())
        self.assertEqual(self.house.uplink().session.state.name, "REBINDING")
        self.house.wait(15)
        self.assertEqual((self.house.addresses(), self.house.uplink().lease.prefixes), ({}, ()))
        self.assertEqual(self.house.types()[-1], "SOLICIT")
        self.assertEqual({str(each.network) for each in self.house.sent[-1][2].ia_pds[0].prefixes}, held)
        moved = [event for event in self.house.told("state") if event["reason"] == "renumbered"]
        self.assertEqual([(event["old"], event["new"]) for event in moved], [("rebinding", "soliciting")])

    def test_silence_without_evidence(self) -> None:
        """R-RST-02, C.15-26: where the router is the same one, silence does not end the lease."""
        self.settled().silent.add("eth0")
        self.hear()
        self.house.wait(30)
        self.hear("fe80::a")
        self.house.wait(120)
        self.assertTrue(self.house.uplink().lease.prefixes)

    def test_other_prefixes(self) -> None:
        """R-RST-02: after a loss of carrier nothing but another prefix is named: the link leads elsewhere."""
        self.settled().kernel.carrier("eth0", False)
        self.house.wait(2)
        self.house.kernel.carrier("eth0", True)
        self.assertEqual(self.sent(), REBIND)
        self.house.silent.add("eth0")
        self.house.kernel.advertise("eth0", "2001:db8:9::/64")
        self.assertEqual(self.sent(), REBIND)
        self.assertEqual(self.signs(), [["other_prefixes"]])
        self.house.wait(65)
        self.assertFalse(self.house.uplink().lease.prefixes)

    def test_same_prefix(self) -> None:
        """R-RST-02: after a loss of carrier the same prefix is named: no evidence, nor is one more after it."""
        self.settled().kernel.carrier("eth0", False)
        self.house.wait(2)
        self.house.kernel.carrier("eth0", True)
        self.assertEqual(self.sent(), REBIND)
        self.house.kernel.advertise("eth0", "2001:db8:1::/64")
        self.assertEqual(self.sent(), [])
        self.house.kernel.advertise("eth0", "2001:db8:2::/64")
        self.assertEqual((self.sent(), self.signs()), ([], []))

    def test_before_the_link_is_ready(self) -> None:
        """Evidence that comes while the link-local address is not ready yet is told when it is."""
        house = self.settled()
        self.lose_own_address()
        house.wait(1)
        self.hear("fe80::b")
        house.wait(5)
        house.silent.add("eth0")
        house.kernel.add_foreign_address("eth0", f"{OWN}/64")
        self.assertEqual(self.sent(0.5), REBIND)
        house.wait(65)
        self.assertFalse(house.uplink().lease.prefixes)

    def test_rate_limit(self) -> None:
        """R-18.2.12-05: routers that take turns each second bring a Rebind in 30 seconds at most."""
        self.settled()
        since = self.house.clock.seconds()
        for number in range(round(2 * INTERVAL) + 5):
            self.hear(f"fe80::{number + 100}")
            self.house.wait(1)
        self.assertEqual(self.house.types(since).count("REBIND"), 3)

    def test_new_link(self) -> None:
        """R-RST-02: a link that is made again has nothing to do with where the old one led, and is evidence itself."""
        house = self.settled()
        house.kernel.remove_link("eth0")
        house.wait(1)
        house.add_uplink("eth0")
        self.hear("fe80::b")
        house.kernel.advertise("eth0", "2001:db8:9::/64")
        self.assertEqual(self.sent(5), REBIND)
        self.assertEqual(self.signs(), [])


class RouterFirstTests(HouseCase):
    """C{start = "ra"}: the network says first that it has DHCPv6."""

    def test_waits(self) -> None:
        """WPD-4, R-18-02: nothing is sent before a Router Advertisement with M or O, and status and why say so."""
        house = self.begin(RA)
        self.assertEqual(self.sent(60), [])
        wanted = "a Router Advertisement on eth0 with the M or O flag"
        self.assertEqual(self.waits_for, wanted)
        document = uplink_document(house.uplink(), Share(uplink="wan"), house.applier, house.clock.seconds())
        self.assertEqual((document["reason"], document["reason_text"]), ("waits_for_router", f"waiting for {wanted}"))
        self.assertIn(f"wan: waiting for {wanted}.", explanation(house.uplink(), None, house.applier, 0))
        self.hear("fe80::a", flags=NEITHER)
        self.assertEqual(self.sent(60), [])

    def test_flags(self) -> None:
        """WPD-4, R-18-02: M starts it, and O alone: a Solicit with an IA_PD is sent, no Information-request."""
        for flags in (MANAGED, OTHER):
            self.begin(RA)
            self.hear("fe80::a", flags=flags)
            self.assertEqual(self.sent(3), ["SOLICIT", "REQUEST"])
            self.assertTrue(self.house.sent[0][2].ia_pds)
            self.hear("fe80::a", flags=NEITHER)
            self.assertEqual(self.house.uplink().session.state.name, "BOUND")

    def test_heard_before(self) -> None:
        """WPD-4: a Router Advertisement that the kernel heard before the daemon started will do."""
        self.house = House(RA)
        self.house.add_links()
        self.hear("fe80::a", flags=MANAGED)
        self.house.begin()
        self.assertEqual(self.sent(3), ["SOLICIT", "REQUEST"])

    def test_lease(self) -> None:
        """R-18.2.12-01: a lease that is held is confirmed without waiting for a router."""
        record = self.settled().uplink().record
        self.begin(RA, record)
        self.assertEqual(self.sent()[:1], REBIND)

    def test_deaf(self) -> None:
        """Where the kernel ignores Router Advertisements that is said, with the setting that would help."""
        self.house = House(RA)
        self.house.add_links()
        kernel = self.house.kernel
        kernel._set_link(evolve(kernel._named("eth0"), ignores_routers=True))
        self.house.begin()
        self.assertIn("but the kernel ignores Router Advertisements on eth0", self.waits_for)
        self.assertIn("/proc/sys/net/ipv6/conf/eth0/accept_ra would have to be 2", self.waits_for)

    def test_deaf_without_need(self) -> None:
        """An uplink that needs no router starts all the same; status and C{why} tell what will not be noticed."""
        house = self.begin()
        self.house.kernel._set_link(evolve(house.kernel._named("eth0"), ignores_routers=True))
        self.assertEqual(self.sent(3), ["SOLICIT", "REQUEST"])
        lines = explanation(house.uplink(), house.router.shares["wan"], house.applier, house.clock.seconds())
        self.assertTrue(any("ignores Router Advertisements" in line for line in lines), lines)
        told = uplink_document(house.uplink(), house.router.shares["wan"], house.applier, house.clock.seconds())[
            "advertisements_problem"
        ]
        self.assertIn("/proc/sys/net/ipv6/conf/eth0/accept_ra would have to be 2", str(told))


class PFlagTests(HouseCase):
    """C{start = "p-flag"}: a prefix says that prefixes are delegated here (RFC 9762)."""

    def test_starts(self) -> None:
        """PF-01, PF-03, R-18-02: the first prefix with the P flag and a preferred lifetime starts it, no other does."""
        house = self.begin(P_FLAG)
        house.kernel.advertise("eth0", "2001:db8:1::/64")
        self.hear("fe80::a", flags=MANAGED)
        self.assertEqual(self.sent(60), [])
        self.assertEqual(self.waits_for, "a Router Advertisement on eth0 with a prefix that has the P flag")
        house.kernel.advertise("eth0", "2001:db8:2::/64", flags=P, preferred=0)
        self.assertEqual(self.sent(60), [])
        house.kernel.advertise("eth0", "fe80::/64", flags=P)
        self.assertEqual(self.sent(60), [])
        house.kernel.advertise("eth0", "2001:db8:2::/64", flags=P)
        self.assertEqual(self.sent(3), ["SOLICIT", "REQUEST"])

    def test_hint(self) -> None:
        """PF-06: the hint is short enough for a link, even where none is configured."""
        house = self.begin(P_FLAG + 'hint = "none"\n')
        house.kernel.advertise("eth0", "2001:db8:2::/64", flags=P)
        self.sent()
        (wished,) = house.sent[0][2].ia_pds[0].prefixes
        self.assertEqual(wished.length, 64)

    def test_longest(self) -> None:
        """PF-09: of several lengths none beyond 64 is asked for; a /80 that is offered is ignored, a /56 is cut up."""
        house = self.begin(P_FLAG + "hint = [48, 64, 72]\n")
        (wish,) = house.uplink().session.settings.wishes
        self.assertEqual((wish.hint_length, wish.further_lengths, wish.longest), (48, (64,), 64))
        for length in (80, 64, 56):
            house = self.begin(P_FLAG)
            house.server.terms = Terms(shortest=length, longest=length)
            house.kernel.advertise("eth0", "2001:db8:2::/64", flags=P)
            self.assertEqual(self.sent(3), ["SOLICIT", "SOLICIT"] if length == 80 else ["SOLICIT", "REQUEST"])
            self.assertEqual(list(house.addresses()), [] if length == 80 else ["2001:db8::1/64"])

    def test_nothing_else(self) -> None:
        """
        PF-07, PF-11: no address is asked for, and what of the delegated prefix is on no LAN is unreachable, so that it
        never leaves by the link that it came from.
        """
        house = self.begin(P_FLAG)
        house.server.length = 60
        house.kernel.advertise("eth0", "2001:db8:2::/64", flags=P)
        self.assertEqual(self.sent(3), ["SOLICIT", "REQUEST"])
        for _, _, message in house.sent:
            self.assertFalse({3, 4} & {option.code for option in message.options})
        (held,) = house.uplink().lease.prefixes
        self.assertIn(f"{held.prefix} unreachable", house.routes())

    def test_stops(self) -> None:
        """
        PF-02, PF-04: when no prefix with the flag is left nothing is asked any more, and what was delegated is kept
        until its end.
        """
        house = self.begin(P_FLAG)
        house.kernel.advertise("eth0", "2001:db8:2::/64", flags=P, preferred=300)
        house.wait(5)
        before = house.addresses()
        self.assertTrue(before)
        ends = house.clock.seconds() + house.uplink().lease.valid_until
        house.kernel.advertise("eth0", "2001:db8:2::/64", flags=P, preferred=0)
        house.wait(SETTLE)
        self.assertIn("the P flag", self.waits_for)
        self.assertEqual(house.addresses().keys(), before.keys())
        self.assertEqual(self.sent(ends - house.clock.seconds() + 1), [])
        self.assertEqual(house.addresses(), {})

    def test_runs_out(self) -> None:
        """PF-02: a prefix with the flag whose preferred lifetime runs out is gone."""
        house = self.begin(P_FLAG)
        house.kernel.advertise("eth0", "2001:db8:2::/64", flags=P, preferred=300)
        house.wait(299)
        self.assertEqual(self.waits_for, "")
        house.wait(2)
        self.assertIn("P flag", self.waits_for)

    def test_flag_taken_back(self) -> None:
        """PF-01: a prefix that is named again without the flag counts no more."""
        house = self.begin(P_FLAG)
        house.kernel.advertise("eth0", "2001:db8:2::/64", flags=P)
        house.wait(5)
        house.kernel.advertise("eth0", "2001:db8:2::/64")
        house.wait(1)
        self.assertIn("P flag", self.waits_for)

    def test_list_changed(self) -> None:
        """PF-05: each prefix with the flag that comes or goes while others are there brings a Rebind."""
        house = self.begin(P_FLAG)
        house.kernel.advertise("eth0", "2001:db8:2::/64", flags=P)
        house.wait(60)
        house.kernel.advertise("eth0", "2001:db8:3::/64", flags=P)
        self.assertEqual(self.sent(), REBIND)
        house.wait(60)
        house.kernel.advertise("eth0", "2001:db8:2::/64", flags=P, preferred=0)
        self.assertEqual(self.sent(), REBIND)

    def test_without(self) -> None:
        """PF-12: where the configuration asks for prefixes anyway, the flag is not needed."""
        self.begin().kernel.advertise("eth0", "2001:db8:1::/64")
        self.assertEqual(self.sent(3), ["SOLICIT", "REQUEST"])

    def test_old_kernel(self) -> None:
        """A kernel that does not hand the flag on is told of."""
        house = self.begin(P_FLAG)
        house.kernel.advertise("eth0", "2001:db8:1::/64", flags=3)
        house.wait(1)
        house.kernel._set_link(evolve(house.kernel._named("eth0"), mtu=1400))
        house.wait(1)
        self.assertIn("which this kernel does not tell of", self.waits_for)
