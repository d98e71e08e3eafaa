"""
The store C{memory}: remembers until the process ends.

For tests and for laboratories where every start is to be the first.  The one that outlives the process is
L{pdlease.stores.file}.
"""

from __future__ import annotations

from attrs import define, evolve
from attrs import field as attribute
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from pdlease.identity import Identity
from pdlease.interfaces import ILeaseStore, ILeaseStoreFactory, ITimeSource, StoreContext, Stored
from pdlease.lease import UplinkRecord


@implementer(ILeaseStore)
@define
class MemoryStore:
    """
    Keeps the values themselves.

    @ivar times: the clock by which prefixes expire.
    """

    times: ITimeSource
    _identity: Identity | None = attribute(default=None, init=False)
    _uplinks: dict[str, UplinkRecord] = attribute(factory=dict, init=False)

    def load(self) -> Deferred[Stored]:
        now = self.times.boot()
        uplinks = tuple(
            (name, evolve(record, lease=record.lease.without_expired(now))) for name, record in self._uplinks.items()
        )
        return succeed(Stored(identity=self._identity, uplinks=uplinks))

    def save_identity(self, identity: Identity) -> Deferred[None]:
        self._identity = identity
        return succeed(None)

    def save_uplink(self, name: str, record: UplinkRecord) -> Deferred[None]:
        self._uplinks[name] = record
        return succeed(None)

    def forget_uplink(self, name: str) -> Deferred[None]:
        self._uplinks.pop(name, None)
        return succeed(None)


@implementer(ILeaseStoreFactory)
class MemoryStoreFactory:
    """Makes L{MemoryStore}s."""

    name = "memory"
    summary = "forgets identity and leases when the daemon ends"
    argument = ""

    def build(self, argument: str, context: StoreContext) -> MemoryStore:
        if argument:
            raise ValueError(f"the store memory takes no argument, not {argument!r}")
        return MemoryStore(context.times)


factory = MemoryStoreFactory()
