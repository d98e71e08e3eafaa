"""Tests of L{pdlease.stores.memory}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.interfaces import ILeaseStore, ILeaseStoreFactory, ITimeSource, StoreContext
from pdlease.stores import memory
from pdlease.testing import LeaseStoreContract, SetTimes, record


class MemoryStoreTests(LeaseStoreContract, SynchronousTestCase):
    """
    L{memory.MemoryStore} keeps the contract, but for outliving the process.
    """

    outlives = False

    def create(self, times: ITimeSource) -> ILeaseStore:
        """A store of this process."""
        return self.factory().build("", StoreContext(state="/nonexistent", times=times))

    def factory(self) -> ILeaseStoreFactory:
        """The built-in factory."""
        return memory.factory

    def test_takes_no_argument(self) -> None:
        """
        C{store = "memory:something"} is refused with a sentence.
        """
        context = StoreContext(state="/nonexistent", times=SetTimes())
        error = self.assertRaises(ValueError, memory.factory.build, "something", context)
        self.assertIn("takes no argument", str(error))

    def test_a_second_store_knows_nothing(self) -> None:
        """
        Two stores share nothing: each start is the first.
        """
        times = SetTimes()
        store = self.create(times)
        self.kept(store.save_uplink("wan", record(0.0)))
        self.assertEqual(self.loaded(self.create(times)).uplinks, ())
