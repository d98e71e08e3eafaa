"""
Who this client is while the daemon runs: what of it is in force, and that the store has it.

What an identity is under a configuration is L{pdlease.identification}; when another one is put in force,
L{pdlease.service}.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import evolve
from twisted.internet.defer import Deferred

from pdlease.config import model
from pdlease.hosting import known_subnets
from pdlease.identification import identified, strangers
from pdlease.identity import Identity, NoLinkAddress
from pdlease.interfaces import ILeaseStore, ITimeSource, StoreError
from pdlease.kernel import Link
from pdlease.logs import Logger
from pdlease.places import CannotStart

if TYPE_CHECKING:
    from pdlease.guests import Numbers
    from pdlease.lease import UplinkRecord


class OwnIdentity:
    """
    @ivar current: the identity in force; C{None} before the first.
    """

    log = Logger()

    def __init__(self, store: ILeaseStore, times: ITimeSource, link_named: Callable[[str], Link | None]) -> None:
        """
        @param link_named: finds a link, of whose address a DUID may be made.
        """
        self.current: Identity | None = None
        self._store = store
        self._times = times
        self._link_named = link_named

    @property
    def in_force(self) -> Identity:
        """The identity in force; there is one."""
        assert self.current is not None
        return self.current

    def under(self, config: model.Config, kept: Identity | None = None) -> Identity:
        """
        The identity that a configuration asks for.

        @param kept: what the store has, where none is in force yet.
        @raise CannotStart: when it cannot be made.
        """

        def link_address(name: str) -> tuple[int, bytes] | None:
            link = self._link_named(name)
            return (link.hardware_type, link.link_layer_address) if link is not None else None

        try:
            return identified(
                self.current or kept,
                config,
                octets=os.urandom,
                link_address=link_address,
                wall=self._times.wall(),
            )
        except NoLinkAddress as problem:
            raise CannotStart(str(problem)) from None

    async def begin(self, identity: Identity, kept: Identity | None, records: dict[str, UplinkRecord]) -> None:
        """
        Put the first identity in force, persisted before the first packet that bears it (design 18).  What was given to
        another client than this one is now is forgotten before that (R-11-10).

        @param kept: what the store has.
        @param records: what is remembered of uplinks, less that from now on.
        """
        self.current = identity
        for name in strangers(kept, identity, tuple(records)):
            self.log.warn(
                "{uplink}: the DUID changes from {old} to {new}: servers will see another client, and what the old one "
                "held is forgotten",
                uplink=name,
                old=kept.duid_of(name) if kept is not None else "",
                new=identity.duid_of(name),
            )
            del records[name]
            await self._store.forget_uplink(name)

    async def keep(self, identity: Identity, kept: Identity | None) -> bool:
        """
        Have the store hold an identity that may come into force.

        @return: whether it had another one.
        @raise StoreError: when it cannot.
        """
        if identity == kept:
            return False
        await self._store.save_identity(identity)
        return True

    def become(self, identity: Identity) -> None:
        """Put another one in force, with the guests' subnets as they are known by now."""
        self.current = evolve(identity, subnets=self.in_force.subnets)

    async def take_back(self) -> None:
        """Have the store hold again what is in force."""
        try:
            await self._store.save_identity(self.in_force)
        except StoreError as problem:
            self.log.error("{problem}", problem=problem)

    def keep_numbers(self, numbers: Numbers) -> Deferred[None]:
        """Write down which /64 each guest has."""
        self.current = evolve(self.in_force, subnets=known_subnets(numbers))
        return self._store.save_identity(self.in_force)
