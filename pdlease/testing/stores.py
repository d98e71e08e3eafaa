"""
What every lease store must do.
"""

# mypy: disallow-untyped-calls=False
# (trial's assertions carry no types)

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pdlease.identity import KnownIAID
from pdlease.interfaces import (
    ILeaseStore,
    ILeaseStoreFactory,
    ITimeSource,
    StoreContext,
    Stored,
)
from pdlease.lease import Lease, UplinkRecord
from pdlease.testing.samples import IDENTITY, SetTimes, record

if TYPE_CHECKING:
    _Case = SynchronousTestCase
else:
    _Case = object


class LeaseStoreContract(_Case):
    """
    What every lease store must do.

    Say how one is made in L{create}; set L{outlives} where it remembers beyond its own life.
    """

    outlives = True
    """Whether a second store at the same place finds what the first one kept."""

    def create(self, times: ITimeSource) -> ILeaseStore:
        """
        A new store.  Each call within one test is for the same place, as if the daemon had been started again.
        """
        raise NotImplementedError

    def factory(self) -> ILeaseStoreFactory:
        """The factory by which the configuration finds the store."""
        raise NotImplementedError

    def loaded(self, store: ILeaseStore) -> Stored:
        """What a store remembers now."""
        return self.successResultOf(store.load())

    def kept(self, waited: Deferred[None]) -> None:
        """Something was kept."""
        self.assertIsNone(self.successResultOf(waited))

    def started_again(self, store: ILeaseStore, times: ITimeSource) -> ILeaseStore:
        """A store as after a restart; the same one where it does not outlive the process."""
        return self.create(times) if self.outlives else store

    def test_provides_the_interface(self) -> None:
        """
        A store provides L{ILeaseStore}.
        """
        verifyObject(ILeaseStore, self.create(SetTimes()))

    def test_factory_provides_the_interface(self) -> None:
        """
        Its factory provides L{ILeaseStoreFactory} and says what it is in one line.
        """
        factory = self.factory()
        verifyObject(ILeaseStoreFactory, factory)
        self.assertTrue(factory.name)
        self.assertNotIn(":", factory.name)
        self.assertTrue(factory.summary)
        self.assertNotIn("\n", factory.summary)

    def test_factory_builds_without_reading(self) -> None:
        """
        The factory makes a store for a state folder that does not exist yet: nothing is read before it is loaded.
        """
        context = StoreContext(state="/nonexistent/pdlease", times=SetTimes())
        verifyObject(ILeaseStore, self.factory().build("", context))

    def test_begins_empty(self) -> None:
        """
        A store that was never written to knows no identity and no uplink, and has nothing to remark.
        """
        self.assertEqual(self.loaded(self.create(SetTimes())), Stored())

    def test_identity_is_kept(self) -> None:
        """
        DUID and every IAID come back as they were saved (R-11-05, R-12-02).
        """
        times = SetTimes()
        store = self.create(times)
        self.loaded(store)
        self.kept(store.save_identity(IDENTITY))
        self.assertEqual(self.loaded(self.started_again(store, times)).identity, IDENTITY)

    def test_identity_may_grow(self) -> None:
        """
        A second saving of the identity replaces the first.
        """
        times = SetTimes()
        store = self.create(times)
        self.loaded(store)
        self.kept(store.save_identity(IDENTITY))
        more = evolve(IDENTITY, iaids=(*IDENTITY.iaids, KnownIAID(uplink="wan", delegation="lan1", iaid=9)))
        self.kept(store.save_identity(more))
        self.assertEqual(self.loaded(self.started_again(store, times)).identity, more)

    def test_lease_is_kept(self) -> None:
        """
        Prefixes, exclusions, lifetimes, T1, T2, server and SOL_MAX_RT come back as they were saved (R-12-05).
        """
        times = SetTimes()
        store = self.create(times)
        self.loaded(store)
        self.kept(store.save_identity(IDENTITY))
        saved = record(times.boot())
        self.kept(store.save_uplink("wan", saved))
        again = self.loaded(self.started_again(store, times))
        self.assertEqual(again.uplinks, (("wan", saved),))
        self.assertEqual(again.remarks, ())

    def test_uplinks_are_kept_apart(self) -> None:
        """
        Uplinks whose names differ in case, in separators, or not much at all have a record each.
        """
        times = SetTimes()
        store = self.create(times)
        self.loaded(store)
        self.kept(store.save_identity(IDENTITY))
        names = [
            "wan",
            "WAN",
            "wan ",
            "wan/0",
            "wan.0",
            "../wan",
            "",
            ".",
            "%77an",
            "w\N{SNOWMAN}",
            "x" * 300,
            "x" * 301,
        ]
        for number, name in enumerate(names):
            self.kept(store.save_uplink(name, evolve(record(times.boot()), sol_max_rt=60 + number)))
        found = {name: kept.sol_max_rt for name, kept in self.loaded(self.started_again(store, times)).uplinks}
        self.assertEqual(found, {name: 60 + number for number, name in enumerate(names)})

    def test_later_record_replaces_the_earlier(self) -> None:
        """
        What counts is the last record of an uplink.
        """
        times = SetTimes()
        store = self.create(times)
        self.loaded(store)
        self.kept(store.save_identity(IDENTITY))
        self.kept(store.save_uplink("wan", record(times.boot())))
        times.pass_time(5.0)
        self.kept(store.save_uplink("wan", UplinkRecord(lease=Lease(), sol_max_rt=77)))
        again = self.loaded(self.started_again(store, times))
        self.assertEqual(again.uplinks, (("wan", UplinkRecord(lease=Lease(), sol_max_rt=77)),))

    def test_renewals_never_restore_longer_lifetimes(self) -> None:
        """
        However often a lease is renewed and saved, what is loaded never ends later than the last record, and has at
        least half of its time left (design 18).
        """
        times = SetTimes()
        store = self.create(times)
        self.loaded(store)
        self.kept(store.save_identity(IDENTITY))
        for _ in range(40):
            last = record(times.boot(), valid=40.0, preferred=20.0)
            self.kept(store.save_uplink("wan", last))
            ((_, found),) = self.loaded(self.started_again(store, times)).uplinks
            for kept, said in zip(found.lease.prefixes, last.lease.prefixes, strict=True):
                self.assertLessEqual(kept.valid_until, said.valid_until)
                self.assertLessEqual(kept.preferred_until, said.preferred_until)
                self.assertGreaterEqual(kept.preferred_until - times.boot(), 10.0)
            times.pass_time(3.0)

    def test_shorter_lifetimes_are_kept_at_once(self) -> None:
        """
        A renewal that shortens a lifetime is not put off (R-18.2.10.1-03).
        """
        times = SetTimes()
        store = self.create(times)
        self.loaded(store)
        self.kept(store.save_identity(IDENTITY))
        self.kept(store.save_uplink("wan", record(times.boot())))
        shorter = record(times.boot(), valid=7199.0)
        self.kept(store.save_uplink("wan", shorter))
        self.assertEqual(self.loaded(self.started_again(store, times)).uplinks, (("wan", shorter),))

    def test_expired_prefixes_are_left_out(self) -> None:
        """
        Prefixes whose valid lifetime ended since are not loaded; what never ends stays (R-12-06).
        """
        times = SetTimes()
        store = self.create(times)
        self.loaded(store)
        self.kept(store.save_identity(IDENTITY))
        self.kept(store.save_uplink("wan", record(times.boot())))
        times.pass_time(7200.0)
        ((_, found),) = self.loaded(self.started_again(store, times)).uplinks
        self.assertEqual([str(prefix.prefix) for prefix in found.lease.prefixes], ["2001:db8:2::/64"])
        self.assertEqual([binding.iaid for binding in found.lease.bindings], [1, 7])

    def test_forgotten_uplink_is_gone(self) -> None:
        """
        A forgotten uplink does not come back; the others and the identity stay.
        """
        times = SetTimes()
        store = self.create(times)
        self.loaded(store)
        self.kept(store.save_identity(IDENTITY))
        for name in ("wan", "other"):
            self.kept(store.save_uplink(name, record(times.boot())))
        self.kept(store.forget_uplink("wan"))
        again = self.loaded(self.started_again(store, times))
        self.assertEqual([name for name, _ in again.uplinks], ["other"])
        self.assertEqual(again.identity, IDENTITY)

    def test_forgetting_the_unknown_is_success(self) -> None:
        """
        Forgetting an uplink that is not known does nothing.
        """
        store = self.create(SetTimes())
        self.loaded(store)
        self.kept(store.forget_uplink("wan"))
        self.assertEqual(self.loaded(store).uplinks, ())
