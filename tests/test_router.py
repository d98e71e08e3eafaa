"""
Tests of L{pdlease.router}.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Network
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, ensureDeferred, fail
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from pdlease.demo.delegating import Terms
from pdlease.foresight import Change
from pdlease.interfaces import StoreError
from pdlease.lease import UplinkRecord
from pdlease.operations import Operation, PrivilegeError, PutAddress, SetMaster
from pdlease.standing import Condition
from pdlease.wire.codes import MessageType
from pdlease.wire.duid import DUID
from tests.house import CLIENT, ONE, TWO, House

WIDER = ONE.replace('["lan0"]', '["lan0", "lan9"]')
"""L{ONE}, with one downstream more."""

MARKED = WIDER.replace("[[", "dscp = 1\n[[", 1)
"""L{WIDER}, with marks on packets, which only another socket can have."""

NONE = """
[switches.lab]
link = "br0"
"""
"""A configuration without uplinks."""


class Slow:
    """
    A store that does what it is asked when it is told to.

    @ivar asked: what it was asked for, in order.
    @ivar waiting: what is under way.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.waiting: list[Deferred[None]] = []

    def save_uplink(self, name: str, record: UplinkRecord) -> Deferred[None]:
        return self._ask(f"save {name}")

    def forget_uplink(self, name: str) -> Deferred[None]:
        return self._ask(f"forget {name}")

    def _ask(self, what: str) -> Deferred[None]:
        self.asked.append(what)
        asked: Deferred[None] = Deferred()
        self.waiting.append(asked)
        return asked

    def answer(self) -> None:
        """Finish what was begun first."""
        self.waiting.pop(0).callback(None)


class RouterCase(SynchronousTestCase):
    """Houses with two uplinks."""

    def bound(self, text: str = TWO, arrange: Callable[[House], None] = lambda house: None) -> House:
        """A house, every uplink bound."""
        house = House(text)
        house.add_links("lan0")
        for link in ("lan1", "lan2", "lan9"):
            house.kernel.add_link(link)
        arrange(house)
        house.begin()
        house.wait(4)
        self.assertEqual({uplink.session.state.name for uplink in house.router.uplinks.values()}, {"BOUND"})
        house.privilege.take()
        return house


class HintTests(RouterCase):
    """What is asked for by name and by length, over a whole life."""

    def test_other_length_while_bound(self) -> None:
        """
        R-8168-08, R-8168-09: another length after a reload: what is held stays in use, and it and the length are asked
        for together, in a Renew at once and in every one from then on.
        """
        house = self.bound(ONE)
        held = house.uplink().lease.prefixes[0].prefix
        wider = held.prefixlen - 4
        house.replace(ONE.replace("downstreams", f"hint = {wider}\ndownstreams"))
        house.wait(4)
        self.assertEqual([prefix.prefix for prefix in house.uplink().lease.prefixes], [held])
        asked = [message for _, _, message in house.sent][-1]
        self.assertEqual(asked.message_type, MessageType.RENEW)
        self.assertEqual([prefix.network for prefix in asked.ia_pds[0].prefixes], [held, IPv6Network(f"::/{wider}")])
        count = len(house.sent)
        while "RENEW" not in [MessageType(m.message_type).name for _, _, m in house.sent[count:]]:
            house.wait(100)
        renew = next(m for _, _, m in house.sent[count:] if m.message_type == MessageType.RENEW)
        self.assertEqual([prefix.network for prefix in renew.ia_pds[0].prefixes], [held, IPv6Network(f"::/{wider}")])

    def test_one_prefix_a_link(self) -> None:
        """
        R-8987-03: a gateway that gives every association a /64 serves every link; a link more changes nothing for those
        that are there, and the one that is new is asked for in the same Renew.
        """
        split = ONE.replace('["lan0"]', '["lan0", "lan1"]').replace("downstreams", "split = true\ndownstreams")
        only = Terms(length=64, shortest=64)
        house = self.bound(split, lambda house: setattr(house.server, "terms", only))
        before = {link: next(iter(house.addresses(link))) for link in ("lan0", "lan1")}
        self.assertEqual(len(set(before.values())), 2)
        numbers = {ia.iaid for ia in house.sent[0][2].ia_pds}
        house.replace(split.replace('"lan0"', '"lan2", "lan0"'))
        house.wait(4)
        self.assertEqual({link: next(iter(house.addresses(link))) for link in before}, before)
        self.assertEqual(len(house.addresses("lan2")), 1)
        asked = house.sent[-1][2]
        self.assertEqual((asked.message_type, len(asked.ia_pds)), (MessageType.RENEW, 3))
        self.assertLess(numbers, {ia.iaid for ia in asked.ia_pds})

    def test_restart_after_expiry(self) -> None:
        """R-8168-02: what expired before a restart is asked for by name, by the same association."""
        house = self.bound(ONE)
        held = house.uplink().lease.prefixes[0].prefix
        house.silent.add("eth0")
        house.wait(10_000)
        self.assertEqual(house.uplink().lease.prefixes, ())
        record = house.uplink().record
        self.assertEqual(record.former, ((house.iaids["wan", "lan0"], held),))
        again = House(ONE)
        again.add_links("lan0")
        again.begin({"wan": record})
        again.wait(4)
        self.assertEqual([prefix.network for prefix in again.sent[0][2].ia_pds[0].prefixes], [held])
        self.assertEqual([prefix.prefix for prefix in again.uplink().lease.prefixes], [held])
        self.assertEqual(again.uplink().record.former, ())


class OtherClientTests(RouterCase):
    """Another DUID on an uplink, after a reload."""

    def test_nothing_is_mixed(self) -> None:
        """R-11-10: what the old client held goes from the kernel, and the new one asks for nothing of it."""
        house = self.bound(ONE)
        held = house.uplink().lease.prefixes[0].prefix
        house.identity = evolve(house.identity, duid=DUID.from_uuid(b"x" * 16))
        count = len(house.sent)
        with capturedLogs() as logged:
            house.replace(ONE.replace("[[", "dscp = 1\n[[", 1))
        self.assertIn(
            f"wan: the DUID changes from {CLIENT} to {house.identity.duid}", str(list(map(formatEvent, logged)))
        )
        self.assertEqual(house.uplink().lease.prefixes, ())
        house.wait(4)
        first = house.sent[count][2]
        self.assertEqual((first.message_type, first.client_id), (MessageType.SOLICIT, house.identity.duid))
        self.assertNotIn(held, [prefix.network for prefix in first.ia_pds[0].prefixes])
        self.assertNotIn(held, [prefix.prefix for prefix in house.uplink().lease.prefixes])


class BeginTests(RouterCase):
    """How a configuration is put in place."""

    def test_attempted(self) -> None:
        """The first attempts are over when every uplink has sent, or cannot."""
        house = House(TWO)
        house.privilege.slow = True
        house.add_uplink("eth0")
        house.add_uplink("ppp0")
        house.router.begin(house.iaids, {})
        attempted = ensureDeferred(house.router.attempted())
        house.privilege.open_one()
        self.assertNoResult(attempted)
        house.privilege.open_one()
        self.successResultOf(attempted)

    def test_no_uplinks(self) -> None:
        """A configuration without uplinks has nothing to wait for."""
        house = House(NONE)
        house.begin()
        self.successResultOf(ensureDeferred(house.router.attempted()))

    def test_left_overs_of_others(self) -> None:
        """
        What an earlier run left of an uplink that is no longer configured is removed at the start; what it left of one
        whose lease cannot be dated stays until it is known what is held.
        """
        house = self.bound()
        records = {name: uplink.record for name, uplink in house.router.uplinks.items()}
        again = House(ONE)
        again.kernel, again.ledger = house.kernel, house.ledger
        again.applier._table, again.applier._ledger = house.kernel, house.ledger
        again.privilege.kernel = house.kernel
        again.router._around = evolve(again.router._around, table=house.kernel)
        again.clock.rightNow = house.clock.rightNow
        house.kernel.clock = again.clock
        again.silent.add("eth0")
        again.begin({"wan": evolve(records["wan"], trusted=False), "dsl": records["dsl"]})
        self.assertEqual((again.addresses("lan1"), again.addresses("lan2")), ({}, {}))
        self.assertIn("2001:db8::1/64", again.addresses("lan0"))
        again.wait(5)
        self.assertIn("2001:db8::1/64", again.addresses("lan0"))
        # nor would a reload remove it, and a dry run does not say that it would
        self.assertEqual(again.foresee(ONE), ())
        again.server.terms = Terms(pools=(IPv6Network("2001:db8:ff00::/40"),))
        again.silent.clear()
        again.wait(60)
        self.assertEqual(list(again.addresses("lan0")), ["2001:db8:ff00::1/64"])

    def test_lease_of_a_stranger(self) -> None:
        """An uplink that was replaced has no say any more."""
        house = self.bound()
        old = house.uplink("wan")
        house.replace(MARKED)
        before = house.router.shares["wan"]
        house.router.leased(old)
        self.assertIs(house.router.shares["wan"], before)

    def test_links_of_others(self) -> None:
        """A notice about a link is shown to the uplink on it, and to no other."""
        house = House(TWO)
        house.begin()
        house.kernel.listeners.clear()
        house.add_uplink("eth0")
        house.add_uplink("ppp0")
        house.router.links_changed({"ppp0"})
        self.assertEqual([link for link, _ in house.privilege.opened], ["ppp0"])


class ReplaceTests(RouterCase):
    """Tests of L{Router.replace}: reload."""

    def test_unchanged(self) -> None:
        """An uplink that did not change keeps its session, socket and timers; nothing at all happens (D37, D38)."""
        house = self.bound()
        before = [(uplink, uplink.session, uplink.port, uplink._timer) for uplink in house.router.uplinks.values()]
        sent = len(house.sent)
        self.assertEqual(house.replace(TWO), Change(kept=("wan", "dsl")))
        self.assertEqual(
            [(uplink, uplink.session, uplink.port, uplink._timer) for uplink in house.router.uplinks.values()], before
        )
        self.assertEqual((house.privilege.take(), len(house.sent)), ([], sent))

    def test_changed(self) -> None:
        """
        An uplink whose packets are marked otherwise is begun anew with its lease: its addresses stay, what is new comes
        at once, and a Rebind goes out of a new socket (D39).
        """
        house = self.bound(ONE)
        old, line = house.uplink(), house.line()
        self.assertEqual(house.replace(MARKED), Change(replaced=("wan",)))
        self.assertIsNot(house.uplink(), old)
        self.assertEqual((line.closed, house.line().closed), (1, 0))
        self.assertIn("2001:db8::1/64", house.addresses())
        self.assertFalse([o for o in house.privilege.take() if type(o).__name__.startswith("Remove")])
        house.wait(2)
        self.assertEqual((house.types()[-1], house.uplink().session.state.name), ("REBIND", "BOUND"))

    def test_vrf(self) -> None:
        """
        P5, D27: an uplink that shall be in a VRF waits for it and says so, is put into it when it appears, and has sent
        nothing before; its routes are in the VRF's table.  A reload without the VRF takes it out, with its lease.
        """
        text = ONE.replace("solicit_delay", 'vrf = "blue"\nsolicit_delay')
        house = House(text)
        house.add_links("lan0")
        house.begin()
        house.wait(2)
        self.assertEqual((house.uplink().waits_for, house.types()), ("VRF blue to appear", []))
        busy = PrivilegeError("put eth0 into blue", 16, "Device or resource busy")
        house.privilege.refuses = lambda operation: busy if isinstance(operation, SetMaster) else None
        # a notice about the VRF alone has to do
        house.kernel.listeners.clear()
        house.kernel.add_link("blue")
        house.kernel.change("blue", kind="vrf", vrf_table=10)
        house.router.links_changed(frozenset({"blue"}))
        house.kernel.listeners.append(lambda: house.router.links_changed(None))
        house.wait(0.5)
        self.assertEqual((house.uplink().waits_for, house.types()), ("link eth0 to be in VRF blue", []))
        house.privilege.refuses = lambda operation: None
        house.wait(5)
        link = house.kernel.link_named("eth0")
        assert link is not None
        self.assertEqual(link.master, house.kernel._named("blue").index)
        self.assertEqual(house.uplink().waits_for, "")
        self.assertEqual({route.table for route in house.kernel.routes.values()}, {10})
        states = [house.applier.state_of(item) for item in house.router.shares["wan"].wanted]
        self.assertEqual({state.condition for state in states}, {Condition.INSTALLED})
        solicits = house.types().count("SOLICIT")
        change = house.replace(ONE)
        self.assertEqual(change.replaced, ("wan",))
        house.wait(3)
        self.assertIsNone(house.kernel._named("eth0").master)
        self.assertEqual({route.table for route in house.kernel.routes.values()}, {254})
        self.assertEqual((house.types().count("SOLICIT"), house.types().count("REBIND")), (solicits, 1))

    def test_adapted(self) -> None:
        """
        An uplink that wants something else on the same link goes on: it keeps socket, lease and counters, and a Renew
        asks for what is wanted now (R-8168-08); what only concerns this host asks nobody.
        """
        house = self.bound(ONE)
        old, line, counted = house.uplink(), house.line(), dict(house.uplink().session.counters.sent)
        self.assertEqual(house.replace(WIDER), Change(adapted=("wan",)))
        self.assertIs(house.uplink(), old)
        self.assertEqual((line.closed, house.line()), (0, line))
        self.assertFalse([o for o in house.privilege.take() if type(o).__name__.startswith("Remove")])
        house.wait(2)
        self.assertEqual((house.types()[-1], house.uplink().session.state.name), ("RENEW", "BOUND"))
        self.assertEqual(house.uplink().session.counters.sent[MessageType.SOLICIT], counted[MessageType.SOLICIT])
        sent = len(house.sent)
        house.replace(WIDER.replace("[[", "route_metric = 77\n[[", 1))
        house.wait(2)
        self.assertEqual(len(house.sent), sent)
        self.assertEqual({route.metric for route in house.kernel.true.routes.values() if route.index is None}, {77})

    def test_added(self) -> None:
        """An uplink that is new begins at once, and reads; the others are left alone."""
        house = self.bound(ONE)
        wan = house.uplink()
        house.add_uplink("ppp0")
        self.assertEqual(house.replace(TWO), Change(added=("dsl",), kept=("wan",)))
        house.wait(4)
        self.assertIs(house.uplink(), wan)
        self.assertEqual(house.uplink("dsl").session.state.name, "BOUND")

    def test_removed(self) -> None:
        """
        What an uplink held that is removed from the configuration leaves the kernel and the store; nothing is sent, for
        a removal is no Release (D40, design 19).
        """
        house = self.bound()
        line, sent = house.line("ppp0"), len(house.sent)
        self.assertEqual(house.replace(ONE), Change(removed=("dsl",), kept=("wan",)))
        self.assertEqual((house.addresses("lan1"), house.addresses("lan2")), ({}, {}))
        self.assertIn("2001:db8::1/64", house.addresses("lan0"))
        self.assertEqual((line.closed, len(house.sent)), (1, sent))
        self.assertEqual([name for name, _ in self.successResultOf(house.store.load()).uplinks], ["wan"])
        self.assertEqual(set(house.router.shares), {"wan"})

    def test_order(self) -> None:
        """Uplinks stand in the order of the file, however they came."""
        house = self.bound()
        head, tail = TWO.split("[uplinks.dsl]")
        house.replace("[uplinks.dsl]" + tail + head)
        self.assertEqual(list(house.router.uplinks), ["dsl", "wan"])

    def test_refused_before(self) -> None:
        """What the provider refused is tried again at once, for its rules may have changed."""
        house = House(ONE)
        house.add_links()
        rule = PrivilegeError("add", 0, "policy")

        def refuses(operation: Operation) -> PrivilegeError | None:
            return rule if isinstance(operation, PutAddress) else None

        house.privilege.refuses = refuses
        house.begin()
        house.wait(3)
        self.assertEqual(house.addresses(), {})
        house.privilege.refuses = lambda operation: None
        house.replace(ONE)
        self.assertIn("2001:db8::1/64", house.addresses())

    def test_moved_to_another_link(self) -> None:
        """An uplink that moves to another link leaves the old one alone and asks on the new one."""
        house = self.bound(ONE)
        house.add_uplink("eth1")
        house.replace(ONE.replace("eth0", "eth1"))
        house.wait(3)
        self.assertEqual((house.line("eth0").closed, house.types(link="eth1")), (1, ["REBIND"]))


class StoreTests(RouterCase):
    """What is asked of a slow store."""

    def slow(self, text: str = ONE) -> tuple[House, Slow]:
        """A house whose store is slow, with its first write under way."""
        store = Slow()

        def arrange(house: House) -> None:
            house.router._around = evolve(house.router._around, store=store)
            house.router._means = evolve(house.router._means, store=store)

        house = self.bound(text, arrange)
        self.assertEqual(store.asked, ["save wan"])
        return house, store

    def test_forgotten_after_the_write(self) -> None:
        """An uplink is forgotten when the write that was under way is over, and not before."""
        house, store = self.slow()
        house.replace(NONE)
        self.assertEqual(store.asked, ["save wan"])
        store.answer()
        self.assertEqual(store.asked, ["save wan", "forget wan"])

    def test_back_before_it_was_forgotten(self) -> None:
        """An uplink that is configured again meanwhile is not forgotten."""
        house, store = self.slow()
        house.replace(NONE)
        house.replace(ONE)
        store.answer()
        self.assertNotIn("forget wan", store.asked)

    def test_replaced_while_writing(self) -> None:
        """An uplink that is replaced while its lease is being written does not write a second time meanwhile."""
        house, store = self.slow()
        house.replace(MARKED)
        house.wait(3)
        self.assertEqual((store.asked, house.uplink().session.state.name), (["save wan"], "BOUND"))
        store.answer()
        self.assertEqual(store.asked, ["save wan", "save wan"])

    def test_store_that_cannot_forget(self) -> None:
        """A lease that cannot be forgotten is logged, and nothing else suffers."""
        for refusal in (lambda name: fail(StoreError("read-only")), self.raising):
            house = self.bound(ONE)
            house.router._means = evolve(house.router._means, store=_Forgetful(refusal))
            self.assertEqual(house.replace(NONE), Change(removed=("wan",)))
            self.assertEqual(house.addresses(), {})

    def raising(self, name: str) -> Any:
        """A store's fault."""
        raise StoreError("read-only")


class _Forgetful:
    """A store that is only asked to forget."""

    def __init__(self, forget_uplink: Any) -> None:
        self.forget_uplink = forget_uplink
