"""
All uplinks together, and the kernel that they share.

A lease that changed becomes wants (L{pdlease.wanted}) and goes to the applier; a link that changed is shown to the
uplink on it and to the applier.  Here a configuration is put in place, and replaced.  How the process starts, what it
gives up and what it listens on is L{pdlease.service}; what operators are answered is L{pdlease.desk}.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IReactorFDSet, IReactorTime

from pdlease.announcing import Announcing
from pdlease.applier import Applier
from pdlease.asking import settings_of
from pdlease.client.session import Session
from pdlease.client.settings import Chance
from pdlease.config import model
from pdlease.hosting import Hosting
from pdlease.identity import IAIDs
from pdlease.interfaces import ILeaseStore, IPrivilege
from pdlease.kernel import AdvertisedPrefix, KernelTable
from pdlease.lease import Lease, UplinkRecord
from pdlease.logs import Logger
from pdlease.stale import places_of, subnets_of
from pdlease.subnets import Taken, carve
from pdlease.surroundings import Surroundings
from pdlease.udp import Marks
from pdlease.uplink import Uplink
from pdlease.wanted import Share, share, taken_by

if TYPE_CHECKING:
    from pdlease.foresight import Change, DuidOf


@frozen(kw_only=True)
class Means:
    """
    What the router works with.

    @ivar clock: the boot-time clock.
    @ivar reactor: where descriptors are read.
    @ivar privilege: opens client sockets.
    @ivar store: keeps leases.
    @ivar table: the kernel's links, addresses and routes.
    @ivar applier: brings the kernel to what is wanted.
    @ivar chance: randomness for the sessions.
    @ivar port_holder: who holds UDP port 546, in words, or the empty string.
    @ivar told: called with the name of an uplink, of an event, and its fields.
    @ivar hosting: switches and guests.
    """

    clock: IReactorTime
    reactor: IReactorFDSet
    privilege: IPrivilege
    store: ILeaseStore
    table: KernelTable
    applier: Applier
    chance: Chance
    port_holder: Callable[[], str]
    told: Callable[[str, str, dict[str, Any]], None]
    hosting: Hosting


class Router:
    """
    @ivar config: the configuration that is in place.
    @ivar uplinks: by name.
    @ivar shares: what became of each uplink's lease: carvings and wants, by name.
    @ivar hosting: switches and guests.
    @ivar table: the kernel's links, addresses and routes.
    @ivar announcing: the subnets that hosts must still be told are over.
    """

    log = Logger()

    def __init__(self, means: Means, config: model.Config, duid_of: DuidOf) -> None:
        self.config = config
        self.uplinks: dict[str, Uplink] = {}
        self.shares: dict[str, Share] = {}
        self.iaids: IAIDs = {}
        self.hosting = means.hosting
        self.table = means.table
        self._means = means
        self._duid_of = duid_of
        self._reading = False
        self._settled: set[str] = set()
        self.announcing = Announcing(
            means.clock, self._stale_changed, lambda link: means.table.link_named(link) is not None
        )
        self._on_link: dict[str, tuple[IPv6Network, ...]] = {}
        self._around = Surroundings(
            clock=means.clock,
            reactor=means.reactor,
            privilege=means.privilege,
            store=means.store,
            table=means.table,
            leased=self.leased,
            disowned=self._disowned,
            stale=lambda uplink: self.announcing.stale(uplink.name),
            told=lambda uplink, event, fields: means.told(uplink.name, event, fields),
            port_holder=means.port_holder,
        )

    def begin(self, iaids: IAIDs, records: Mapping[str, UplinkRecord]) -> None:
        """Put the configuration in place, with the leases that are remembered."""
        self.iaids = iaids
        for uplink in self.config.uplinks:
            self._add(uplink, records.get(uplink.name))
        owners = self._means.hosting.prepare(self.config)
        self._means.applier.keep_only(owners.union(uplink.name for uplink in self.config.uplinks))
        self._means.hosting.put()
        self.links_changed(None)

    async def attempted(self) -> None:
        """Done when every uplink has sent its first message or cannot send yet."""
        await DeferredList([uplink.attempted() for uplink in self.uplinks.values()], consumeErrors=True)

    def read(self) -> None:
        """Begin to read datagrams: the sandbox is closed."""
        self._reading = True
        for uplink in self.uplinks.values():
            uplink.read()

    def links_changed(self, links: Collection[str] | None) -> None:
        """
        The kernel said something new.

        @param links: names of the links that it was about; C{None} for any.
        """
        for uplink in tuple(self.uplinks.values()):
            if links is None or uplink.link_name in links or uplink.vrf in links:
                uplink.link_changed()
                self._look_upstream(uplink)
        self._means.applier.kernel_changed()

    def prefix_heard(self, heard: AdvertisedPrefix) -> None:
        """A Router Advertisement named a prefix."""
        for uplink in tuple(self.uplinks.values()):
            uplink.upstream.prefix_heard(heard)
            self._look_upstream(uplink)

    def _look_upstream(self, uplink: Uplink) -> None:
        """What is on an upstream link must not be on a downstream one as well (PDX-04)."""
        on_link = uplink.upstream.on_link
        if on_link is not self._on_link.get(uplink.name):
            self._on_link[uplink.name] = on_link
            if _inside(on_link, uplink.lease):
                self._want(uplink)

    def leased(self, uplink: Uplink) -> None:
        """An uplink's lease changed: the kernel is brought to it at once."""
        self._settled.add(uplink.name)
        self._want(uplink)

    def _want(self, uplink: Uplink) -> None:
        configured = self.config.uplink(uplink.name)
        if configured is None or self.uplinks.get(uplink.name) is not uplink:
            return
        outcome = self._share(configured, uplink.lease)
        before, self.shares[uplink.name] = self.shares.get(uplink.name), outcome
        self._log_lack(before, outcome)
        self._means.applier.want(uplink.name, outcome.wanted, is_settled=uplink.name in self._settled)
        self._means.hosting.carved(uplink.name, outcome.carvings)
        if not uplink.is_undated:
            # before that it is not known what is over
            self.announcing.carved(uplink.name, subnets_of(outcome))

    def _log_lack(self, before: Share | None, after: Share) -> None:
        """A delegation that is too small is an error that is logged, once for those that it leaves out (WPD-3)."""
        for carved in after.carvings:
            without = carved.carving.unassigned
            known = before is not None and any(
                (other.prefix.prefix, other.carving.unassigned) == (carved.prefix.prefix, without)
                for other in before.carvings
            )
            if without and not known:
                self.log.error(
                    "{uplink}: {prefix} is too small: without a subnet: {links}",
                    uplink=after.uplink,
                    prefix=str(carved.prefix.prefix),
                    links=", ".join(without),
                )

    def _disowned(self, uplink: Uplink, prefixes: tuple[tuple[int, IPv6Network], ...]) -> None:
        """What these prefixes would have been cut into is over for hosts, whoever told them of it."""
        configured = self.config.uplink(uplink.name)
        if configured is None:
            return
        guests = self._means.hosting.shares(self.config, configured)
        for index, delegation in enumerate(configured.delegations):
            for iaid, prefix in prefixes:
                if iaid == self.iaids[uplink.name, delegation.key]:
                    carving = carve(prefix, delegation.downstreams, guests=guests if index == 0 else ())
                    self.announcing.disowned(uplink.name, places_of(carving))

    def _stale_changed(self, name: str) -> None:
        if name in self.uplinks:
            self.uplinks[name].stale_changed()

    def _share(self, configured: model.Uplink, lease: Lease) -> Share:
        """What a lease means for the kernel."""
        iaids = {entry.key: self.iaids[configured.name, entry.key] for entry in configured.delegations}
        guests = self._means.hosting.shares(self.config, configured)
        taken = tuple(self._taken_beside(configured, lease))
        return share(configured, lease, iaids, self._means.clock.seconds(), guests, taken)

    def _taken_beside(self, configured: model.Uplink, lease: Lease) -> Iterator[Taken]:
        """What is in use already where an uplink's prefixes are carved: upstream, of other uplinks, and locally."""
        uplink = self.uplinks.get(configured.name)
        if uplink is not None:
            yield from (Taken(configured.link, there) for there in _inside(uplink.upstream.on_link, lease))
        for name, other in self.shares.items():
            if name != configured.name:
                yield from (part for carved in other.carvings for part in taken_by(carved.carving))
        if self.config.local.inet6 is not None:
            yield from (Taken(None, there) for there in _inside((self.config.local.inet6,), lease))

    def replace(self, config: model.Config, iaids: IAIDs) -> Change:
        """
        Put another configuration in place; an uplink that did not change keeps session, socket and timers (D37-D40).

        One that has the same link, VRF and DUID still, and marks its packets alike, keeps them as well, and asks for
        what it wants otherwise now (R-8168-08).
        """
        from pdlease.foresight import change

        becoming = change(self.config, config, self._sessions, self._duid_of)
        replaced = {name: self.uplinks.pop(name) for name in becoming.replaced}
        removed = {name: self.uplinks.pop(name) for name in becoming.removed}
        for uplink in (*replaced.values(), *removed.values()):
            uplink.stop()
        for name, uplink in removed.items():
            self.announcing.leave(name, {each.name: each.links for each in config.uplinks})
            self.shares.pop(name, None)
            self._settled.discard(name)
            uplink.keeper.finished().addCallback(self._forget, name)
        self.config, self.iaids = config, iaids
        for configured in config.uplinks:
            name = configured.name
            if name in replaced:
                # what another client was given is not ours (R-11-10)
                before, after = replaced[name].session.settings.duid, self._duid_of(configured)
                same = before == after
                if not same:
                    self.log.warn(
                        "{uplink}: the DUID changes from {old} to {new}: servers will see another client, and what the "
                        "old one held is forgotten",
                        uplink=name,
                        old=before,
                        new=after,
                    )
                self._add(configured, replaced[name].record if same else UplinkRecord(lease=Lease()))
                self.uplinks[name].keeper.follow(replaced[name].keeper)
            elif name not in self.uplinks:
                self._add(configured, None)
            elif name in becoming.adapted:
                self.uplinks[name].adapt(settings_of(configured, self._duid_of(configured), iaids, None))
                self._want(self.uplinks[name])
        self.uplinks = {configured.name: self.uplinks[configured.name] for configured in config.uplinks}
        self._means.applier.keep_only({*self.uplinks, *self._means.hosting.prepare(config)})
        self._means.hosting.put()
        for name in (*becoming.added, *replaced):
            self.uplinks[name].link_changed()
        # the rules of the privilege provider have changed with the configuration
        self._means.applier.retry()
        return becoming

    def foresee(self, config: model.Config, iaids: IAIDs, duid_of: DuidOf) -> tuple[str, ...]:
        """
        What L{replace} would do with a configuration, in words, one for each act; nothing is done.

        @param duid_of: tells the DUID that an uplink will have.
        """
        hosting, now = self._means.hosting, self._means.clock.seconds()
        from pdlease.foresight import foresee

        foreseen = foresee(self.config, config, iaids, self._sessions, duid_of, hosting.shares, self._taken_beside, now)
        wants = {**foreseen.wants, **hosting.foresee(config)}
        unsettled = (foreseen.wants.keys() - self._settled) | foreseen.unsettled
        operations = self._means.applier.foresee(wants, unsettled)
        return (*foreseen.steps, *map(str, operations))

    @property
    def _sessions(self) -> dict[str, Session]:
        return {name: uplink.session for name, uplink in self.uplinks.items()}

    def resumed(self) -> None:
        """The machine slept: overdue work runs at once, and the kernel is told the lifetimes anew (design 13)."""
        for uplink in tuple(self.uplinks.values()):
            uplink.resumed()
        self._means.applier.resumed()

    def stop(self) -> None:
        """Stop every session; the kernel and the servers are left as they are."""
        for uplink in self.uplinks.values():
            uplink.stop()
        self._means.hosting.stop()
        self.announcing.stop()

    def _forget(self, _: None, name: str) -> None:
        """Have the store forget an uplink, unless it was configured again meanwhile."""
        if name not in self.uplinks:
            forgotten: Deferred[None] = maybeDeferred(self._means.store.forget_uplink, name)
            forgotten.addErrback(lambda failure: self.log.error("{problem}", problem=failure.getErrorMessage()))

    def _add(self, configured: model.Uplink, record: UplinkRecord | None) -> None:
        settings = settings_of(configured, self._duid_of(configured), self.iaids, record)
        marks = Marks(dscp=configured.dscp, priority=configured.priority)
        uplink = Uplink(
            configured.link,
            settings,
            self._means.chance,
            record,
            self._around,
            marks,
            configured.start,
            configured.vrf,
        )
        self.uplinks[configured.name] = uplink
        if record is not None and configured.name not in self.shares:
            self.announcing.begin(configured.name, subnets_of(self._share(configured, record.lease)), record.stale)
        # What is left of an earlier run stays until it is known what is held: an untrusted lease is asked for first;
        # where nothing is remembered, the run may have ended before its first lease was written.
        if record is not None and record.trusted:
            self._settled.add(configured.name)
        self._want(uplink)
        if self._reading:
            uplink.read()


def _inside(networks: Iterable[IPv6Network], lease: Lease) -> list[IPv6Network]:
    """Those that are a delegated prefix or a part of one.  What covers one is routed by the longer of the two."""
    held = [each.prefix for each in lease.prefixes]
    return [network for network in networks if any(network.subnet_of(prefix) for prefix in held)]
