"""
Tests of L{pdlease.ownidentity}; in a daemon's life, see L{tests.test_service}.
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import Deferred, ensureDeferred, fail
from twisted.trial.unittest import SynchronousTestCase

from pdlease.identity import KnownDUID
from pdlease.interfaces import StoreError
from pdlease.ownidentity import OwnIdentity
from pdlease.places import CannotStart
from pdlease.stores.memory import MemoryStore
from pdlease.testing import IDENTITY, SERVER, SetTimes, record
from tests.house import ONE, configuration


class OwnIdentityTests(SynchronousTestCase):
    """Who this client is."""

    def setUp(self) -> None:
        self.times = SetTimes()
        self.store = MemoryStore(self.times)
        self.own = OwnIdentity(self.store, self.times, lambda name: None)

    def done(self, coroutine: object) -> object:
        """What a coroutine returned."""
        return self.successResultOf(ensureDeferred(coroutine))  # type: ignore[arg-type]

    def test_kept_until_one_is_in_force(self) -> None:
        """What the store has is who the client is, until one is in force; then that is (R-11-04)."""
        config = configuration(ONE)
        self.assertEqual(self.own.under(config, evolve(IDENTITY, asked="uuid")).duid, IDENTITY.duid)
        self.done(self.own.begin(evolve(IDENTITY, duid=SERVER, asked="uuid"), None, {}))
        self.assertEqual(self.own.under(config, evolve(IDENTITY, asked="uuid")).duid, SERVER)

    def test_no_address(self) -> None:
        """A DUID of a link that is not there cannot be made: the daemon cannot start, in one sentence."""
        with self.assertRaises(CannotStart):
            self.own.under(configuration('[identity]\nduid = "ll:eth9"\n' + ONE))

    def test_stranger(self) -> None:
        """R-11-10: what was given to another client is forgotten before this one is kept; the rest stays."""
        mine = record(1000.0)
        for name in ("wan", "dsl"):
            self.successResultOf(self.store.save_uplink(name, mine))
        records = {"wan": mine, "dsl": mine}
        other = evolve(IDENTITY, duids=(KnownDUID(uplink="dsl", duid=SERVER, asked="raw"),))
        self.done(self.own.begin(other, IDENTITY, records))
        self.assertEqual(list(records), ["wan"])
        self.assertEqual([name for name, _ in self.successResultOf(self.store.load()).uplinks], ["wan"])

    def test_keep(self) -> None:
        """Only another identity is written; what cannot be written is not passed over."""
        self.assertFalse(self.done(self.own.keep(IDENTITY, IDENTITY)))
        self.assertTrue(self.done(self.own.keep(IDENTITY, None)))
        self.assertEqual(self.successResultOf(self.store.load()).identity, IDENTITY)
        self.refusing()
        self.failureResultOf(ensureDeferred(self.own.keep(evolve(IDENTITY, duid=SERVER), IDENTITY)), StoreError)

    def refusing(self) -> None:
        """The store writes nothing any more."""

        class Refusing(MemoryStore):
            def save_identity(self, identity: object) -> Deferred[None]:
                return fail(StoreError("no room left"))

        self.own._store = Refusing(self.times)

    def test_taken_back(self) -> None:
        """An identity that did not come into force after all is written over; a failure is logged."""
        self.done(self.own.begin(IDENTITY, None, {}))
        self.done(self.own.keep(evolve(IDENTITY, duid=SERVER), IDENTITY))
        self.done(self.own.take_back())
        self.assertEqual(self.successResultOf(self.store.load()).identity, IDENTITY)
        self.refusing()
        self.done(self.own.take_back())

    def test_subnets(self) -> None:
        """Guests' numbers that became known meanwhile stay when another identity is put in force."""
        self.done(self.own.begin(evolve(IDENTITY, subnets=()), None, {}))
        self.successResultOf(self.own.keep_numbers({("web1", 0, "wan", "lan0"): 7}))
        known = self.own.in_force.subnets
        self.assertEqual([(each.guest, each.number) for each in known], [("web1", 7)])
        self.own.become(evolve(IDENTITY, duid=SERVER, subnets=()))
        self.assertEqual((self.own.in_force.duid, self.own.in_force.subnets), (SERVER, known))
