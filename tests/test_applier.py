"""
Tests for L{pdlease.applier}.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from errno import EACCES, EPERM
from ipaddress import IPv6Address, IPv6Interface, IPv6Network
from itertools import pairwise
from math import inf

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pdlease.applier import GATHER, Applier
from pdlease.duplicates import DUPLICATE_WAIT
from pdlease.interfaces import IPrivilege
from pdlease.kernel import ADDRESS_DEPRECATED, UNREACHABLE, AddressKey, Link
from pdlease.ledger import Ledger
from pdlease.logs import level, set_level
from pdlease.netlink.notices import LinkNotice
from pdlease.netlink.table import Table
from pdlease.operations import (
    DisableIPv6,
    EnableIPv6,
    Operation,
    PrivilegeError,
    PutAddress,
    PutRoute,
    PutUnreachable,
    RemoveAddress,
    RemoveRoute,
    RemoveUnreachable,
)
from pdlease.patience import Problem
from pdlease.standing import Condition
from pdlease.wanted import Wanted, WantedAddress, WantedIPv6, WantedRoute, WantedUnreachable
from tests.fakes import MemoryKernel, RecordingPrivilege

ADDRESS = IPv6Interface("2001:db8:0:1::1/64")


def address(link: str = "lan0", text: str = str(ADDRESS), valid: float = 2000.0, uplink: str = "wan") -> WantedAddress:
    """A wanted address, preferred for half of its time."""
    return WantedAddress(
        link=link, address=IPv6Interface(text), preferred_until=valid / 2, valid_until=valid, uplink=uplink
    )


def wants(link: str = "lan0", text: str = str(ADDRESS), valid: float = 2000.0, uplink: str = "wan") -> list[Wanted]:
    """Whatever is wanted for one downstream link."""
    network = IPv6Interface(text).network
    return [
        WantedUnreachable(
            link="eth0", prefix=network.supernet(8), valid_until=valid, table=254, metric=4096, uplink=uplink
        ),
        WantedIPv6(link=link, uplink=uplink),
        address(link, text, valid, uplink),
        WantedRoute(link=link, prefix=network, valid_until=valid, table=254, metric=512, uplink=uplink),
    ]


class ApplierTestCase(SynchronousTestCase):
    """A kernel with one downstream link, and an applier at it."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.kernel = MemoryKernel(self.clock)
        self.lan = self.kernel.add_link("lan0")
        self.kernel.listeners.append(self.heard)
        self.privilege = RecordingPrivilege(self.kernel)
        self.ledger = Ledger(None)
        self.changes = 0
        self.applier = self.make()

    def heard(self) -> None:
        """The kernel said something."""
        self.applier.kernel_changed()

    def make(self) -> Applier:
        """Another applier with the same surroundings."""
        return Applier(self.clock, self.privilege, self.ledger, self.kernel, self.count)

    def count(self) -> None:
        """Count reports of change."""
        self.changes += 1

    def pass_time(self, seconds: float, step: float = 0.25) -> None:
        """Let time pass, in the kernel as well."""
        end = self.clock.seconds() + seconds
        while (left := end - self.clock.seconds()) > 1e-9:
            self.clock.advance(min(step, left))
            self.kernel.age()

    def put(self, objects: list[Wanted] | None = None) -> None:
        """Have something installed, and all be quiet again."""
        self.applier.want("wan", wants() if objects is None else objects)
        self.pass_time(1)
        self.privilege.take()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def there(self) -> set[object]:
        """Addresses and routes in the kernel."""
        return set(self.kernel.true.addresses) | set(self.kernel.true.routes)


class FakesTests(SynchronousTestCase):
    def test_provider(self) -> None:
        """The recording provider is a privilege provider."""
        verifyObject(IPrivilege, RecordingPrivilege())


class WantTests(ApplierTestCase):
    def test_at_once(self) -> None:
        """What a lease wants has been asked for when C{want} returns: unreachable routes first (WPD-5)."""
        self.applier.want("wan", wants())
        self.assertEqual(
            self.privilege.take(),
            [
                PutUnreachable(link="eth0", prefix=IPv6Network("2001:db8::/56"), expires=1000, table=254, metric=4096),
                PutAddress(link="lan0", index=2, address=ADDRESS, preferred=0, valid=1000),
                PutRoute(link="lan0", index=2, prefix=ADDRESS.network, expires=1000, table=254, metric=512),
            ],
        )

    def test_one_call(self) -> None:
        """All operations of a change go to the provider in one call, so that they travel together."""
        self.applier.want("wan", wants())
        self.assertEqual(len(self.privilege.batches), 1)

    def test_ledger_before(self) -> None:
        """What is about to be made stands in the ledger before the provider hears of it (design 5)."""
        seen: list[set[object]] = []

        def look(operation: Operation) -> None:
            seen.append(set(self.ledger.entries))

        self.privilege.refuses = look
        self.applier.want("wan", [address()])
        self.assertEqual(seen, [{(2, ADDRESS.ip)}])

    def test_idle(self) -> None:
        """When all is as wanted, there is no timer and nothing more is asked for."""
        self.put()
        self.pass_time(100, step=10)
        self.assertEqual((self.privilege.take(), self.clock.getDelayedCalls()), ([], []))

    def test_restart(self) -> None:
        """What is found as wanted after a kill is left alone: no operation at all, no address ever missing."""
        self.put()
        self.kernel.dump(blur=0.99)
        self.applier.stop()
        again = self.make()
        again.keep_only(["wan"])
        again.want("wan", wants())
        self.assertEqual(self.privilege.take(), [])

    def test_renewed(self) -> None:
        """A Reply that extends the lease makes the same objects live longer, in place."""
        self.put()
        self.applier.want("wan", wants(valid=5000.0))
        self.assertEqual([type(o) for o in self.privilege.take()], [PutAddress, PutRoute])
        self.assertEqual(self.kernel.true.addresses[2, ADDRESS.ip].valid_until, 5000.0)

    def test_new_before_old(self) -> None:
        """At a renumbering the new objects are there before the old ones go."""
        self.put()
        self.applier.want("wan", wants(text="2001:db8:1:1::1/64"))
        kinds = [type(o) for o in self.privilege.take()]
        self.assertEqual(kinds, [PutUnreachable, PutAddress, PutRoute, RemoveRoute, RemoveAddress, RemoveUnreachable])

    def test_nothing_wanted(self) -> None:
        """What nobody wants any more is removed, routes with their addresses, and struck out of the ledger."""
        self.put()
        self.applier.want("wan", [])
        self.assertEqual((self.there(), dict(self.ledger.entries)), (set(), {}))

    def test_expiry(self) -> None:
        """When the lease ends nothing is left, not even the unreachable route, which the kernel would keep for ever."""
        self.put(wants(valid=1010.0))
        self.pass_time(9)
        self.applier.want("wan", [])
        self.assertEqual(self.there(), set())

    def test_from_within(self) -> None:
        """A want that comes while operations are being asked for is looked at right after."""

        def want_more(operation: Operation) -> None:
            self.privilege.refuses = lambda operation: None
            self.applier.want("dsl", wants(text="2001:db8:5:1::1/64", uplink="dsl"))

        self.privilege.refuses = want_more
        self.put()
        self.assertIn((2, IPv6Address("2001:db8:5:1::1")), self.there())

    def test_own_two_uplinks(self) -> None:
        """The wants of one uplink do not disturb another's."""
        self.put()
        self.applier.want("dsl", wants(text="2001:db8:5:1::1/64", uplink="dsl"))
        self.applier.want("wan", [])
        self.assertIn((2, IPv6Address("2001:db8:5:1::1")), self.there())
        self.assertNotIn((2, ADDRESS.ip), self.there())


class LeftoverTests(ApplierTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.put()
        self.applier.stop()
        self.applier = self.make()

    def test_unsettled(self) -> None:
        """What an earlier run left of an uplink stays until it is known what the uplink holds (R-8987-04)."""
        self.applier.keep_only(["wan"])
        self.applier.kernel_changed()
        self.pass_time(10)
        self.assertEqual(self.privilege.take(), [])

    def test_nothing_configured_yet(self) -> None:
        """Before it is told which uplinks there are, the applier removes nothing."""
        self.applier.want("dsl", [])
        self.assertEqual(self.privilege.take(), [])

    def test_settled(self) -> None:
        """Once it is known, what is left and not wanted goes."""
        self.applier.keep_only(["wan"])
        self.applier.want("wan", [])
        self.assertEqual(self.there(), set())

    def test_wanted_but_unsettled(self) -> None:
        """While it is not known what an uplink holds, what is left of it stays beside what is wanted already."""
        before = self.there()
        self.applier.keep_only(["wan"])
        self.applier.want("wan", [], is_settled=False)
        self.assertEqual(self.there(), before)
        self.applier.want("wan", [])
        self.assertEqual(self.there(), set())

    def test_not_configured(self) -> None:
        """What was left of an uplink that is not configured any more goes at once."""
        self.applier.keep_only(["dsl"])
        self.assertEqual(self.there(), set())

    def test_uplink_removed(self) -> None:
        """What an uplink held in this run goes when it is not configured any more."""
        self.applier.keep_only(["wan"])
        self.applier.want("wan", wants())
        self.applier.keep_only([])
        self.assertEqual(self.there(), set())

    def test_uplink_renamed(self) -> None:
        """
        An uplink that got another name and holds the same keeps its objects without any operation, and from then on
        they are that uplink's.
        """
        self.applier.want("wan2", wants(uplink="wan2"))
        self.applier.keep_only(["wan2"])
        again = self.make()
        again.keep_only(["wan2"])
        self.assertEqual(self.privilege.take(), [])
        self.assertEqual({entry.uplink for entry in self.ledger.entries.values()}, {"wan2"})

    def test_renamed_while_away(self) -> None:
        """An object on a link that was renamed meanwhile is found by its index, and removed."""
        self.kernel.rename("lan0", "old0")
        self.kernel.add_link("lan0")
        self.applier.want("wan", wants())
        self.assertEqual([key[0] for key in self.kernel.true.addresses], [3])


class KernelTests(ApplierTestCase):
    def test_flushed(self) -> None:
        """An address that somebody flushed is back within a second; its route stays."""
        self.put()
        self.kernel.flush("lan0")
        self.pass_time(GATHER)
        self.assertEqual(
            self.privilege.take(), [PutAddress(link="lan0", index=2, address=ADDRESS, preferred=0, valid=998)]
        )

    def test_late_link(self) -> None:
        """A downstream link that appears late gets its share within a second."""
        self.put(wants("lan1"))
        self.kernel.add_link("lan1")
        self.pass_time(GATHER)
        self.assertEqual(len(self.kernel.true.addresses), 1)

    def test_down_and_up(self) -> None:
        """A link that is set down loses all; when it is up again it has address and on-link route back (D50)."""
        self.put()
        before = self.there()
        self.kernel.set_up("lan0", False)
        self.pass_time(1)
        self.assertEqual(self.privilege.take(), [])
        self.kernel.set_up("lan0", True)
        self.pass_time(GATHER)
        self.assertEqual(self.there(), before)

    def test_up_again_makes_all_again(self) -> None:
        """On a link that came up everything is made again, since a kernel may drop routes without a notice."""
        self.put()
        index = self.lan.index
        for is_up in (False, True):
            self.kernel.heard.links[index] = self.kernel.true.links[index] = type(self.lan)(
                index=index, name="lan0", is_up=is_up
            )
            self.applier.kernel_changed()
            self.pass_time(1)
        self.assertEqual([type(o) for o in self.privilege.take()], [PutAddress, PutRoute])

    def test_ipv6_disabled(self) -> None:
        """Where IPv6 is off it is switched on first, and off again when nothing is wanted there any more."""
        self.kernel.add_link("lan1", ipv6_disabled=True)
        self.put(wants("lan1"))
        self.assertEqual(len(self.kernel.true.addresses), 1)
        self.applier.want("wan", [])
        self.assertEqual(self.privilege.take()[-1], DisableIPv6(link="lan1", index=3))
        self.assertTrue(self.kernel.true.links[3].ipv6_disabled)

    def test_ipv6_disabled_while_down(self) -> None:
        """IPv6 is switched on once for a link that is down, though the kernel gives no notice of it."""
        self.kernel.add_link("lan1", is_up=False, ipv6_disabled=True)
        self.applier.want("wan", wants("lan1"))
        self.pass_time(60)
        switched = [operation for operation in self.privilege.take() if isinstance(operation, EnableIPv6)]
        self.assertEqual(switched, [EnableIPv6(link="lan1", index=3)])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_ipv6_disabled_later(self) -> None:
        """IPv6 switched off by somebody is switched on again, and what went with it is put back."""
        self.put()
        before = self.there()
        self.kernel.set_ipv6("lan0", False)
        self.pass_time(GATHER)
        self.assertEqual(self.privilege.take()[0], EnableIPv6(link="lan0", index=2))
        self.assertEqual(self.there(), before)

    def test_renamed(self) -> None:
        """A link that gets another name loses what was ours; the one that carries the name now has it."""
        self.put()
        self.kernel.rename("lan0", "other")
        self.kernel.add_link("lan0")
        self.pass_time(GATHER)
        self.assertEqual({key[0] for key in self.kernel.true.addresses}, {3})
        self.assertEqual({key[1] for key in self.kernel.true.routes}, {3, None})

    def test_deleted_and_made_again(self) -> None:
        """A link made again under another index gets all again, and entries of the old index are struck out."""
        self.put()
        self.kernel.remove_link("lan0")
        self.kernel.add_link("lan0")
        self.pass_time(GATHER)
        self.assertEqual({key[0] for key in self.kernel.true.addresses}, {3})
        self.assertNotIn((2, ADDRESS.ip), self.ledger.entries)

    def test_unreachable_removed(self) -> None:
        """An unreachable route that somebody removed is put back (D50)."""
        self.put()
        self.privilege.kernel.execute(
            RemoveUnreachable(link="eth0", prefix=IPv6Network("2001:db8::/56"), table=254, metric=4096)
        )
        self.pass_time(GATHER)
        self.assertEqual([type(o) for o in self.privilege.take()], [PutUnreachable])

    def test_burst(self) -> None:
        """A burst of notices is answered once, and no later for being long."""
        self.put()
        self.kernel.flush("lan0")
        for _ in range(100):
            self.applier.kernel_changed()
            self.clock.advance(GATHER / 50)
        self.assertEqual([type(o) for o in self.privilege.take()], [PutAddress])

    def test_resumed(self) -> None:
        """After a suspend the kernel is told all lifetimes anew, as its own time stood still (design 13)."""
        self.put()
        self.clock.advance(500)
        self.applier.resumed()
        self.assertEqual(
            [getattr(o, "valid", getattr(o, "expires", None)) for o in self.privilege.take()], [499, 499, 499]
        )
        self.pass_time(1)
        self.assertEqual(self.privilege.take(), [])


class AnswerTests(ApplierTestCase):
    def test_one_at_a_time(self) -> None:
        """While something is under way for an object nothing else is asked for it; then the latest want counts."""
        self.privilege.holding = True
        self.applier.want("wan", [address()])
        self.applier.want("wan", [address(valid=3000.0)])
        self.applier.kernel_changed()
        self.pass_time(5)
        self.assertEqual(len(self.privilege.take()), 1)
        self.privilege.answer()
        self.clock.advance(0)
        self.assertEqual(
            self.privilege.take(), [PutAddress(link="lan0", index=2, address=ADDRESS, preferred=495, valid=1995)]
        )

    def test_unwanted_meanwhile(self) -> None:
        """What is not wanted any more when it has been made is removed."""
        self.privilege.holding = True
        self.applier.want("wan", [address()])
        self.applier.want("wan", [])
        self.privilege.take()
        self.privilege.answer()
        self.clock.advance(0)
        self.assertEqual([type(o) for o in self.privilege.take()], [RemoveAddress])

    def test_answer_before_notice(self) -> None:
        """What was acknowledged is not asked for again because its notice is late."""
        self.kernel.held_back = True
        self.applier.want("wan", wants())
        self.privilege.take()
        self.applier.kernel_changed()
        self.pass_time(0.25)
        self.kernel.deliver()
        self.pass_time(5)
        self.assertEqual(self.privilege.take(), [])

    def test_notice_before_answer(self) -> None:
        """A notice that comes before the answer makes nothing be asked for again either."""
        self.privilege.holding = True
        self.applier.want("wan", [address()])
        self.privilege.take()
        self.kernel.execute(PutAddress(link="lan0", index=2, address=ADDRESS, preferred=0, valid=1000))
        self.pass_time(1)
        self.privilege.answer()
        self.pass_time(5)
        self.assertEqual(self.privilege.take(), [])

    def test_made_and_flushed_unseen(self) -> None:
        """What was acknowledged and is gone before it was heard of is made again within a second."""
        self.kernel.held_back = True
        self.applier.want("wan", [address()])
        self.privilege.take()
        self.kernel.flush("lan0")
        self.kernel.deliver()
        self.kernel.held_back = False
        self.pass_time(1)
        self.assertEqual([type(o) for o in self.privilege.take()], [PutAddress])

    def test_refused(self) -> None:
        """A refusal is kept with the object, in the kernel's words, and tried again after 1, 2, 4 ... 60 s."""
        self.privilege.refuses = lambda operation: PrivilegeError(str(operation), EPERM, "not today")
        self.applier.want("wan", [address()])
        state = self.applier.state_of(address())
        self.assertEqual(state.condition, Condition.REFUSED)
        self.assertEqual(state.problem, Problem(operation=f"add {ADDRESS} to lan0", errno=EPERM, text="not today"))
        times = []
        for _ in range(2000):
            if self.privilege.take():
                times.append(round(self.clock.seconds()))
            self.clock.advance(0.1)
        waits = [b - a for a, b in pairwise(times)]
        self.assertEqual(waits, [1, 2, 4, 8, 16, 32, 60, 60])

    def test_refused_then_link_changes(self) -> None:
        """When the link changes, what was refused on it is tried at once."""
        self.privilege.refuses = lambda operation: PrivilegeError(str(operation), EACCES, "no")
        self.applier.want("wan", [address()])
        self.pass_time(100)
        self.privilege.take()
        self.privilege.refuses = lambda operation: None
        self.kernel.rename("lan0", "x")
        self.kernel.rename("x", "lan0")
        self.kernel._set_link(type(self.lan)(index=2, name="lan0", mtu=1280))
        self.pass_time(GATHER)
        self.assertEqual(len(self.privilege.take()), 1)
        self.assertEqual(self.applier.state_of(address()).condition, Condition.INSTALLED)

    def test_retry(self) -> None:
        """After a reload what was refused is tried at once, as the policy may be another."""
        self.privilege.refuses = lambda operation: PrivilegeError(str(operation), 0, "outside the policy")
        self.applier.want("wan", [address()])
        self.pass_time(100)
        self.privilege.refuses = lambda operation: None
        self.applier.retry()
        self.assertEqual(self.applier.state_of(address()).condition, Condition.INSTALLED)

    def test_refusal_forgotten(self) -> None:
        """What is not wanted any more is not remembered as refused: wanted again, it is tried at once."""
        self.privilege.refuses = lambda operation: PrivilegeError(str(operation), EPERM, "no")
        self.applier.want("wan", [address()])
        self.pass_time(100)
        self.applier.want("wan", [])
        self.pass_time(1)
        self.privilege.take()
        self.applier.want("wan", [address()])
        self.assertEqual(len(self.privilege.take()), 1)

    def test_other_failure(self) -> None:
        """Any other failure of the provider is a refusal too."""
        answers: list[Deferred[None]] = []

        def perform(operations: list[Operation]) -> list[Deferred[None]]:
            answers.extend(Deferred() for _ in operations)
            return answers

        self.privilege.perform = perform  # type: ignore[method-assign, assignment]
        self.applier.want("wan", [address()])
        answers[0].errback(ConnectionError("the helper is gone"))
        state = self.applier.state_of(address())
        self.assertEqual(state.problem, Problem(operation=f"add {ADDRESS} to lan0", errno=0, text="the helper is gone"))

    def test_provider_raises(self) -> None:
        """A provider that raises ends nothing: everything is tried again later."""

        def perform(operations: list[Operation]) -> list[Deferred[None]]:
            raise RuntimeError("broken")

        works = self.privilege.perform
        self.privilege.perform = perform  # type: ignore[method-assign, assignment]
        self.applier.want("wan", [address()])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.privilege.perform = works  # type: ignore[method-assign]
        self.pass_time(1)
        self.assertEqual(self.applier.state_of(address()).condition, Condition.INSTALLED)

    def test_length_changed(self) -> None:
        """Another prefix length means removing and adding, since replacing keeps the old length."""
        self.put([address()])
        self.applier.want("wan", [address(text="2001:db8:0:1::1/60")])
        self.assertEqual([type(o) for o in self.privilege.take()], [RemoveAddress, PutAddress])
        self.assertEqual(str(self.kernel.true.addresses[2, ADDRESS.ip].address), "2001:db8:0:1::1/60")

    def test_length_refused(self) -> None:
        """Where the removal is refused that is the problem, whatever the addition says."""
        self.put([address()])
        self.privilege.refuses = lambda operation: (
            PrivilegeError(str(operation), EPERM, "no") if isinstance(operation, RemoveAddress) else None
        )
        wanted = address(text="2001:db8:0:1::1/60")
        self.applier.want("wan", [wanted])
        self.assertEqual(
            self.applier.state_of(wanted).problem,
            Problem(operation=f"remove {ADDRESS} from lan0", errno=EPERM, text="no"),
        )


class OtherHandsTests(ApplierTestCase):
    def test_foreign(self) -> None:
        """An address that is there and not ours is never touched, only reported."""
        self.kernel.add_foreign_address("lan0", str(ADDRESS))
        self.kernel.add_foreign_address("lan0", "fe80::1/64", protocol=3)
        self.applier.want("wan", [address()])
        self.applier.want("wan", [])
        self.applier.want("wan", [address()])
        self.assertEqual(self.privilege.take(), [])
        self.assertEqual(self.applier.state_of(address()).condition, Condition.FOREIGN)

    def test_another_instance(self) -> None:
        """What carries our mark but does not stand in our ledger is another instance's."""
        self.kernel.add_foreign_address("lan0", str(ADDRESS), protocol=154)
        self.kernel.add_foreign_route("lan0", str(ADDRESS.network))
        self.applier.want("wan", wants()[2:])
        self.applier.keep_only(["wan"])
        self.assertEqual(self.privilege.take(), [])
        self.assertEqual([s.condition for _, s in self.applier.problems], [Condition.FOREIGN] * 2)

    def test_foreign_goes(self) -> None:
        """When the foreign address goes, ours takes its place."""
        self.kernel.add_foreign_address("lan0", str(ADDRESS))
        self.kernel.add_foreign_address("lan0", "fe80::1/64", protocol=3)
        self.applier.want("wan", [address()])
        self.kernel.flush("lan0")
        self.pass_time(GATHER)
        self.assertEqual([type(o) for o in self.privilege.take()], [PutAddress])

    def test_replaced_by_foreign(self) -> None:
        """An address of ours that somebody replaced by one without our mark is theirs."""
        self.put([address()])
        self.kernel.flush("lan0")
        self.kernel.add_foreign_address("lan0", str(ADDRESS))
        self.kernel.add_foreign_address("lan0", "fe80::1/64", protocol=3)
        self.pass_time(1)
        self.applier.want("wan", [])
        self.assertEqual(self.privilege.take(), [])
        self.assertEqual(dict(self.ledger.entries), {})

    def test_another_duplicate(self) -> None:
        """A duplicate that is none of our wants is none of our business."""
        self.put([address()])
        self.kernel.heard.duplicates[2, IPv6Address("2001:db8:9::9")] = 1000.0
        self.kernel.flush("lan0")
        self.pass_time(GATHER)
        self.assertEqual([type(o) for o in self.privilege.take()], [PutAddress])

    def test_contested(self) -> None:
        """What somebody takes away five times in a minute is put back with growing delay, and reported."""
        lasting = address(valid=inf)
        self.put([lasting])
        for _ in range(4):
            self.kernel.flush("lan0")
            self.pass_time(1)
            self.assertEqual(len(self.privilege.take()), 1)
        self.assertEqual(self.applier.state_of(lasting).condition, Condition.INSTALLED)
        waits = []
        for _ in range(8):
            self.kernel.flush("lan0")
            begun = self.clock.seconds()
            while not self.privilege.take():
                self.pass_time(0.25)
            waits.append(round(self.clock.seconds() - begun))
            state = self.applier.state_of(lasting)
            self.assertEqual((state.condition, state.is_installed), (Condition.CONTESTED, True))
        self.assertEqual(waits, [5, 10, 20, 40, 80, 160, 300, 300])
        self.pass_time(361, step=1)
        self.assertEqual(self.applier.state_of(lasting).condition, Condition.INSTALLED)

    def test_made_again_is_no_contest(self) -> None:
        """Suspends, however often, are not somebody who changes lifetimes."""
        self.put([address(valid=inf)])
        for _ in range(20):
            self.applier.resumed()
            self.pass_time(1)
        self.assertEqual(self.applier.state_of(address(valid=inf)).condition, Condition.INSTALLED)

    def test_flapping_is_no_contest(self) -> None:
        """A link that goes down and up often is not somebody who takes addresses away."""
        self.put([address()])
        for _ in range(20):
            self.kernel.set_up("lan0", False)
            self.pass_time(0.5)
            self.kernel.set_up("lan0", True)
            self.pass_time(0.5)
            self.assertEqual(self.applier.state_of(address()).condition, Condition.INSTALLED)

    def test_lifetimes_contested(self) -> None:
        """Somebody who keeps changing lifetimes is a contest as well."""
        self.put([address()])
        for _ in range(5):
            self.kernel.execute(PutAddress(link="lan0", index=2, address=ADDRESS, preferred=10, valid=10))
            self.pass_time(1)
        self.assertEqual(self.applier.state_of(address()).condition, Condition.CONTESTED)


class DetectionTests(ApplierTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.kernel.detects = True

    def test_tentative(self) -> None:
        """An address that is being detected is shown as such, and nothing is done about it."""
        self.applier.want("wan", [address()])
        self.pass_time(0.5)
        self.assertEqual(self.applier.state_of(address()).condition, Condition.TENTATIVE)
        self.assertFalse(self.applier.state_of(address()).is_installed)
        self.pass_time(1)
        self.assertTrue(self.applier.state_of(address()).is_installed)
        self.assertEqual(len(self.privilege.take()), 1)

    def test_refreshed_while_tentative(self) -> None:
        """New lifetimes of a tentative address are told once, though the kernel gives no notice of them."""
        self.rivals_for_ever()
        self.applier.want("wan", [address(valid=inf)])
        self.pass_time(2)
        self.applier.want("wan", [address(valid=3000.0)])
        self.privilege.take()
        self.pass_time(100)
        self.assertEqual((self.privilege.take(), self.clock.getDelayedCalls()), ([], []))

    def rivals_for_ever(self) -> None:
        """Another host holds the address."""
        self.kernel.rivals.add((2, ADDRESS.ip))

    def test_duplicate(self) -> None:
        """
        An address that another host holds is gone from the kernel at once; it is shown as a duplicate and not added
        again, not even by a Reply within a minute.
        """
        self.rivals_for_ever()
        self.applier.want("wan", [address()])
        self.pass_time(30)
        self.applier.want("wan", [address(valid=3000.0)])
        self.pass_time(10)
        self.assertEqual(len(self.privilege.take()), 1)
        self.assertEqual(self.applier.state_of(address()).condition, Condition.DUPLICATE)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_duplicate_renewed(self) -> None:
        """The first Reply after a minute lets it be tried once more."""
        self.rivals_for_ever()
        self.applier.want("wan", [address()])
        self.pass_time(DUPLICATE_WAIT + 2)
        self.privilege.take()
        self.applier.want("wan", [address(valid=3000.0)])
        self.pass_time(100)
        self.assertEqual(len(self.privilege.take()), 1)

    def test_duplicate_not_renewed(self) -> None:
        """Without a Reply it is left alone for good, whatever else the kernel says."""
        self.rivals_for_ever()
        self.applier.want("wan", [address()])
        self.pass_time(3 * DUPLICATE_WAIT)
        self.privilege.take()
        self.kernel.add_link("lan7")
        self.pass_time(10)
        self.assertEqual(self.privilege.take(), [])

    def test_duplicate_link_flaps(self) -> None:
        """When the link has been down the address is tried again: the other host may be gone."""
        self.rivals_for_ever()
        self.applier.want("wan", [address()])
        self.pass_time(5)
        self.kernel.rivals.clear()
        self.kernel.set_up("lan0", False)
        self.kernel.set_up("lan0", True)
        self.pass_time(2)
        self.assertTrue(self.applier.state_of(address()).is_installed)

    def test_permanent_duplicate(self) -> None:
        """A permanent duplicate stays in the kernel, unusable; it is shown as such and left there."""
        self.rivals_for_ever()
        self.applier.want("wan", [address(valid=inf)])
        self.pass_time(5)
        self.assertEqual(self.applier.state_of(address(valid=inf)).condition, Condition.DUPLICATE)
        self.assertEqual(len(self.privilege.take()), 1)


class CleanupTests(ApplierTestCase):
    def test_all_gone(self) -> None:
        """Cleaning up removes all that is ours and nothing else."""
        self.put()
        self.kernel.add_foreign_address("lan0", "2001:db8:9::1/64")
        self.privilege.holding = True
        cleaned = self.applier.cleanup()
        self.assertNoResult(cleaned)
        self.privilege.answer()
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(cleaned), ())
        self.assertEqual(self.there(), {(2, IPv6Address("2001:db8:9::1"))})

    def test_nothing_to_do(self) -> None:
        """With nothing of ours there it is done at once."""
        self.assertEqual(self.successResultOf(self.applier.cleanup()), ())

    def test_refused(self) -> None:
        """What cannot be removed is named."""
        self.put([address()])
        self.privilege.refuses = lambda operation: PrivilegeError(str(operation), EPERM, "no")
        cleaned = self.applier.cleanup()
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(cleaned), (f"remove {ADDRESS} from lan0: no",))


class StopTests(ApplierTestCase):
    def test_left(self) -> None:
        """Stopping leaves everything in the kernel and no timer; nothing is done after it."""
        self.put()
        before = self.there()
        self.kernel.flush("lan0")
        self.applier.stop()
        self.applier.want("wan", [])
        self.applier.kernel_changed()
        self.assertEqual((self.privilege.take(), self.clock.getDelayedCalls()), ([], []))
        self.assertEqual(self.there(), before - {(2, ADDRESS.ip)})

    def test_reports(self) -> None:
        """Whoever shows states is told when they may have changed."""
        self.put()
        before = self.changes
        self.kernel.flush("lan0")
        self.pass_time(1)
        self.assertGreater(self.changes, before)


class StateTests(ApplierTestCase):
    def test_installed(self) -> None:
        """What is there as wanted is installed."""
        self.put()
        self.assertEqual([self.applier.state_of(w).condition for w in wants()], [Condition.INSTALLED] * 4)
        self.assertEqual(self.applier.problems, ())

    def test_no_link(self) -> None:
        """What is for a link that does not exist waits for it, and so does what is on a link that is down."""
        self.kernel.set_up("lan0", False)
        self.applier.want("wan", [*wants(), *wants("lan1")])
        conditions = {s.problem.text for _, s in self.applier.problems if s.problem is not None}
        self.assertEqual(conditions, {"link lan0 is down", "there is no link lan1"})

    def test_pending(self) -> None:
        """What has been asked for and not been answered is pending."""
        self.privilege.holding = True
        self.applier.want("wan", wants())
        self.assertEqual(self.applier.state_of(address()).condition, Condition.PENDING)

    def test_unanswered(self) -> None:
        """
        What has not been answered for some seconds says so, also where it is there and only to be refreshed: a helper
        that hangs is seen; with the answer that is over.
        """
        self.put()
        self.privilege.holding = True
        self.applier.want("wan", wants(valid=9000.0))
        self.clock.advance(2.0)
        self.assertEqual(self.applier.problems, ())
        self.clock.advance(10.0)
        state = self.applier.state_of(address(valid=9000.0))
        assert state.problem is not None
        self.assertEqual((state.condition, state.is_installed), (Condition.PENDING, True))
        self.assertEqual(state.problem.text, "the privilege provider has not answered for 12 s")
        self.privilege.answer()
        self.clock.advance(1.0)
        self.assertEqual(self.applier.state_of(address(valid=9000.0)).condition, Condition.INSTALLED)

    def test_deprecated(self) -> None:
        """An address whose preferred lifetime is over is deprecated by the kernel and left so."""
        self.put([address(valid=2000.0)])
        self.assertTrue(self.kernel.true.addresses[2, ADDRESS.ip].flags & ADDRESS_DEPRECATED)
        self.assertEqual(self.applier.state_of(address()).condition, Condition.INSTALLED)

    def test_unreachable_kind(self) -> None:
        """The route for a delegated prefix is an unreachable one (WPD-5)."""
        self.put()
        route = self.kernel.true.routes[IPv6Network("2001:db8::/56"), None, 254, 4096]
        self.assertEqual(route.kind, UNREACHABLE)


class OldKernelTests(ApplierTestCase):
    def test_no_marks(self) -> None:
        """On a kernel that shows no marks (before Linux 5.18) the ledger alone tells what is ours."""
        real = self.kernel.execute

        def execute(operation: Operation) -> None:
            real(operation)
            for key, there in self.kernel.true.addresses.items():
                unmarked = type(there)(
                    index=there.index,
                    address=there.address,
                    preferred_until=there.preferred_until,
                    valid_until=there.valid_until,
                )
                self.kernel.true.addresses[key] = self.kernel.heard.addresses[key] = unmarked

        self.kernel.execute = execute  # type: ignore[method-assign]
        self.put([address()])
        self.applier.want("wan", [address(valid=3000.0)])
        self.assertEqual(self.kernel.true.addresses[2, ADDRESS.ip].valid_until, 3000.0)
        self.applier.want("wan", [])
        self.assertEqual(self.there(), set())


class LogTests(ApplierTestCase):
    def test_new_and_refreshed(self) -> None:
        """What is new or goes is told at info level, refreshed lifetimes at debug."""
        events: list[tuple[str, str]] = []
        globalLogPublisher.addObserver(
            observer := lambda event: events.append((event["log_level"].name, str(event["operation"])))
        )
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.addCleanup(set_level, level())
        set_level("debug")
        self.put([address()])
        self.applier.want("wan", [address(valid=3000.0)])
        self.applier.want("wan", [])
        self.assertEqual(
            events,
            [
                ("info", f"add {ADDRESS} to lan0"),
                ("debug", f"add {ADDRESS} to lan0"),
                ("info", f"remove {ADDRESS} from lan0"),
            ],
        )

    def test_retries(self) -> None:
        """What is refused again and again is told once, however often it is tried."""
        events: list[str] = []
        globalLogPublisher.addObserver(observer := lambda event: events.append(event["log_level"].name))
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.privilege.refuses = lambda operation: PrivilegeError(str(operation), EPERM, "Operation not permitted")
        self.applier.want("wan", [address()])
        self.pass_time(100)
        self.assertGreater(len(self.privilege.take()), 4)
        self.assertEqual(events, ["warn"])


class TogetherTests(ApplierTestCase):
    """Several uplinks want something of the same kernel; each change is compared by itself, and then all together."""

    def test_same_address(self) -> None:
        """
        Where two want the same address, one that has less claim asks for nothing; when the other lets go it gets the
        address, and nothing is taken away between.
        """
        self.put([address(valid=2000.0)])
        self.applier.want("dsl", [address(valid=1900.0, uplink="dsl")])
        self.pass_time(1)
        self.assertEqual(self.privilege.take(), [])
        self.applier.want("wan", [])
        self.pass_time(1)
        self.assertEqual(
            [type(operation) for operation in self.privilege.take()], [PutAddress], "its lifetimes, without a removal"
        )
        self.assertEqual({entry.uplink for entry in self.ledger.entries.values()}, {"dsl"})

    def test_better_claim(self) -> None:
        """One that has more claim to an address gets it at once."""
        self.put([address(valid=2000.0)])
        self.applier.want("dsl", [address(valid=2100.0, uplink="dsl")])
        self.assertEqual([type(operation) for operation in self.privilege.take()], [PutAddress])
        self.pass_time(1)
        self.assertEqual(self.privilege.take(), [])

    def test_shared_link(self) -> None:
        """IPv6 on a link stays on as long as any uplink wants something there."""
        self.kernel.set_ipv6("lan0", False)
        self.put(wants())
        self.applier.want("dsl", wants(text="2001:db8:9:1::1/64", uplink="dsl"))
        self.pass_time(1)
        self.privilege.take()
        self.applier.want("wan", [])
        self.pass_time(1)
        self.assertNotIn(DisableIPv6, map(type, self.privilege.take()))
        self.applier.want("dsl", [])
        self.pass_time(1)
        self.assertIn(DisableIPv6, map(type, self.privilege.take()))

    def test_wanted_again_before_it_is_heard_of(self) -> None:
        """What was removed and is wanted again is made at once, though no notice of its end has come yet."""
        self.put([address()])
        self.kernel.held_back = True
        self.applier.want("wan", [])
        self.assertEqual([type(operation) for operation in self.privilege.take()], [RemoveAddress])
        self.applier.want("wan", [address(valid=3000.0)])
        self.assertEqual([type(operation) for operation in self.privilege.take()], [PutAddress])


class CostTests(SynchronousTestCase):
    """What a change costs, among many."""

    def calls(self, others: int) -> int:
        """How many functions are called for one uplink's change beside so many others that are installed."""
        clock, table = Clock(), Table()
        for number in range(others + 1):
            table.fold(LinkNotice(Link(index=number + 2, name=f"lan{number}")))
        applier = Applier(clock, RecordingPrivilege(), Ledger(None), table, lambda: None)
        for number in range(others):
            applier.want(f"wan{number}", wants(f"lan{number}", f"2001:db8:{number:x}:1::1/64", uplink=f"wan{number}"))
        clock.advance(GATHER)
        count = 0

        def called(frame: object, event: str, argument: object) -> None:
            nonlocal count
            count += event == "call"

        mine = wants(f"lan{others}", "2001:db8:ffff:1::1/64", uplink="mine")
        profile = sys.getprofile()
        sys.setprofile(called)
        try:
            applier.want("mine", mine)
        finally:
            sys.setprofile(profile)
        applier.stop()
        return count

    def test_one_of_many(self) -> None:
        """An uplink's new lease costs as much beside three hundred others as beside three."""
        few, many = self.calls(3), self.calls(300)
        self.assertGreater(few, 50)
        self.assertLess(many, 1.1 * few)

    def test_pace(self) -> None:
        """
        However often the kernel speaks, everything is compared again only after several times as long as comparing it
        took; what was said meanwhile is answered then.
        """
        clock = Clock()
        passes: list[float] = []

        class Slow(MemoryKernel):
            """A kernel of which it takes a tenth of a second to compare everything."""

            @property
            def duplicates(self) -> Mapping[AddressKey, float]:
                passes.append(clock.seconds())
                clock.rightNow += 0.1
                return self.heard.duplicates

        applier = Applier(clock, RecordingPrivilege(), Ledger(None), Slow(clock), lambda: None)
        applier.keep_only(())
        passes.clear()
        for _ in range(200):
            applier.kernel_changed()
            clock.advance(0.01)
        self.assertLessEqual(len(passes), 5)
        self.assertGreaterEqual(len(passes), 3)
        applier.stop()
