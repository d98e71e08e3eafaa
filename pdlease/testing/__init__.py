"""
Contract tests for providers: what every lease store and every privilege provider must do.

For authors of plugins as for our own: a test class takes the mixin and a test case of L{twisted.trial.unittest} as
bases (L{SynchronousTestCase} for stores, L{TestCase} for privileges) and says how a provider is made.  The interfaces
are in L{pdlease.interfaces}.
"""

from pdlease.testing.privileges import PrivilegeContract
from pdlease.testing.samples import IDENTITY, SERVER, SetTimes, record
from pdlease.testing.stores import LeaseStoreContract

__all__ = ["IDENTITY", "SERVER", "LeaseStoreContract", "PrivilegeContract", "SetTimes", "record"]
