"""
The contract of all lease stores, for this one: C{python -m twisted.trial test_pdlease_sqlite}.
"""

import os

from twisted.trial.unittest import SynchronousTestCase

from pdlease.interfaces import IdentityLost, ILeaseStore, ILeaseStoreFactory, ITimeSource, StoreContext
from pdlease.providers import find
from pdlease.testing import IDENTITY, LeaseStoreContract, SetTimes


class SQLiteStoreTests(LeaseStoreContract, SynchronousTestCase):
    """C{store = "sqlite"}, found as the daemon finds it."""

    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())

    def create(self, times: ITimeSource) -> ILeaseStore:
        return self.factory().build("", StoreContext(state=self.folder, times=times))

    def factory(self) -> ILeaseStoreFactory:
        return find("store", "sqlite")

    def test_damaged(self) -> None:
        """
        A file that is damaged, or no database at all, is a lost identity, and stays as it is.
        """
        store = self.create(SetTimes())
        self.loaded(store)
        self.kept(store.save_identity(IDENTITY))
        path = os.path.join(self.folder, "leases.sqlite")
        for damage in (b"no database" * 100, bytes(8192)):
            with open(path, "r+b") as file:
                file.write(damage)
            self.failureResultOf(self.create(SetTimes()).load(), IdentityLost)
            with open(path, "rb") as file:
                self.assertTrue(file.read().startswith(damage))

    def test_argument(self) -> None:
        """
        The argument is a name in the state folder, and nothing else.
        """
        context = StoreContext(state=self.folder, times=SetTimes())
        self.assertRaises(ValueError, self.factory().build, "../elsewhere", context)
        self.loaded(self.factory().build("other", context))
        self.assertEqual(os.listdir(self.folder), ["other"])
