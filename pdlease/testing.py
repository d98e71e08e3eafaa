"""
Contract tests for providers: what every lease store and every privilege provider must do.

For authors of plugins as for our own: a test class takes the mixin and a test case of L{twisted.trial.unittest} as
bases (L{SynchronousTestCase} for stores, L{TestCase} for privileges) and says how a provider is made.  The interfaces
are in L{pdlease.interfaces}.
"""

# mypy: disallow-untyped-calls=False
# (trial's assertions carry no types)

from __future__ import annotations

from errno import ENODEV, ESTALE
from ipaddress import IPv4Interface, IPv6Interface, IPv6Network
from math import inf
from typing import TYPE_CHECKING, Any

from attrs import define, evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from pdlease.identity import Identity, KnownIAID, KnownSubnet
from pdlease.interfaces import (
    ILeaseStore,
    ILeaseStoreFactory,
    IPrivilege,
    IPrivilegeFactory,
    ITimeSource,
    StoreContext,
    Stored,
)
from pdlease.lease import Binding, DelegatedPrefix, Lease, ReconfigureKey, UplinkRecord
from pdlease.operations import (
    LONGEST_DESCRIPTION,
    CheckLink,
    ClearMaster,
    Operation,
    PrivilegeError,
    PutAddress,
    PutIPv4,
    RemoveAddress,
    RemoveIPv4,
    RemoveRoute,
    SetDescription,
    SetDown,
    SetGroup,
    SetLinkAddress,
    SetMaster,
    SetUp,
)
from pdlease.wire.duid import DUID


@implementer(ITimeSource)
@define(kw_only=True)
class SetTimes:
    """
    Clocks that stand where a test sets them.

    @ivar booted: what L{ITimeSource.boot} answers.
    @ivar walled: what L{ITimeSource.wall} answers.
    @ivar boot_name: what L{ITimeSource.boot_id} answers.
    @ivar trusted: what L{ITimeSource.wall_is_trusted} answers.
    """

    booted: float = 1000.0
    walled: float = 1_790_000_000.0
    boot_name: str = "first-boot"
    trusted: bool = True

    def boot(self) -> float:
        return self.booted

    def wall(self) -> float:
        return self.walled

    def boot_id(self) -> str:
        return self.boot_name

    def wall_is_trusted(self) -> bool:
        return self.trusted

    def pass_time(self, seconds: float) -> None:
        """Let both clocks run on."""
        self.booted += seconds
        self.walled += seconds

    def reboot(self, away: float) -> None:
        """Another boot, C{away} seconds later by the wall clock, 10 seconds after it started."""
        self.boot_name += "+"
        self.booted = 10.0
        self.walled += away


SERVER = DUID(bytes.fromhex("0003000166778899aabb"))
"""The server of L{record}."""

IDENTITY = Identity(
    duid=DUID(bytes.fromhex("000400112233445566778899aabbccddeeff")),
    iaids=(
        KnownIAID(uplink="wan", delegation="lan0", iaid=1, links=("lan0", "lan1")),
        KnownIAID(uplink="other wan/\N{SNOWMAN}", delegation="#0", iaid=2**32 - 1),
    ),
    subnets=(KnownSubnet(guest="web1", nic=1, uplink="wan", delegation="lan0", number=9),),
)
"""An identity with more than one IAID, and the subnet of a guest."""


def record(now: float, *, valid: float = 7200.0, preferred: float = 3600.0) -> UplinkRecord:
    """
    What an uplink holds just after a Reply: two bindings, three prefixes, one of them without end.

    @param now: boot-clock second of the Reply.
    @param valid: the valid lifetime in seconds of the prefixes that end.
    @param preferred: the preferred lifetime in seconds.
    """

    def prefix(text: str, until: float = valid, excluded: str | None = None) -> DelegatedPrefix:
        return DelegatedPrefix(
            prefix=IPv6Network(text),
            preferred_until=now + min(preferred, until),
            valid_until=now + until,
            mentioned_at=now,
            server=SERVER,
            excluded=None if excluded is None else IPv6Network(excluded),
        )

    return UplinkRecord(
        lease=Lease(
            bindings=(
                Binding(
                    iaid=1,
                    prefixes=(prefix("2001:db8::/56", excluded="2001:db8:0:ff::/64"), prefix("2001:db8:1::/56")),
                    t1_at=now + preferred / 2,
                    t2_at=now + preferred * 0.8,
                    received_at=now,
                ),
                Binding(iaid=7, prefixes=(prefix("2001:db8:2::/64", until=inf),), received_at=now),
            ),
            server=SERVER,
        ),
        sol_max_rt=600,
        inf_max_rt=None,
        key=ReconfigureKey(server=SERVER, secret=bytes(range(16)), replay=2**63),
    )


if TYPE_CHECKING:
    _Case = SynchronousTestCase
    _ReactorCase = TestCase
else:
    _Case = _ReactorCase = object


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


class PrivilegeContract(_ReactorCase):
    """
    What every privilege provider must do.

    Say how one is made in L{create}, and name a link of the test's own network that its configuration allows.

    @ivar link: the name of a downstream link.
    @ivar index: the kernel's number of it.
    @ivar source: the bytes of the configuration file.
    @ivar nic: the name of a guest's link without a switch that gets local addresses; empty if the configuration has
        none: what is done to links is not tested then.
    @ivar nic_index: the kernel's number of it.
    @ivar nic_address: its local IPv4 address, with length.
    @ivar port: the name of a guest's link that belongs to a switch.
    @ivar port_index: the kernel's number of it.
    @ivar bridge: the name of the switch's bridge.
    @ivar bridge_index: the kernel's number of it.
    """

    link = "lan0"
    index = 0
    nic = ""
    nic_index = 0
    nic_address = ""
    port = ""
    port_index = 0
    bridge = ""
    bridge_index = 0
    source = b""
    carries_out = True
    """Whether operations happen; a provider that only writes them down refuses nothing."""

    def create(self) -> IPrivilege:
        """A provider that is not started yet; the test stops it."""
        raise NotImplementedError

    def factory(self) -> IPrivilegeFactory:
        """The factory by which the configuration finds the provider."""
        raise NotImplementedError

    async def started(self) -> IPrivilege:
        """A provider that is ready, and stopped after the test."""
        provider = self.create()
        self.addCleanup(provider.stop)
        self.assertEqual(await provider.start(), self.source)
        return provider

    async def outcomes(self, provider: IPrivilege, *operations: Operation) -> list[PrivilegeError | None]:
        """What became of operations asked for at once."""
        waited = provider.perform(operations)
        self.assertEqual(len(waited), len(operations))
        return [await _outcome(one) for one in waited]

    def address(self, text: str = "2001:db8:77::1/64", valid: int = 600, index: int | None = None) -> PutAddress:
        """An address for the link."""
        return PutAddress(
            link=self.link,
            index=self.index if index is None else index,
            address=IPv6Interface(text),
            preferred=valid // 2,
            valid=valid,
        )

    def test_provides_the_interface(self) -> None:
        """
        A provider provides L{IPrivilege} before it is started, and can be stopped then.
        """
        provider = self.create()
        self.addCleanup(provider.stop)
        verifyObject(IPrivilege, provider)

    def test_factory_provides_the_interface(self) -> None:
        """
        Its factory provides L{IPrivilegeFactory} and says what it is in one line.
        """
        factory = self.factory()
        verifyObject(IPrivilegeFactory, factory)
        self.assertTrue(factory.name)
        self.assertNotIn(":", factory.name)
        self.assertTrue(factory.summary)
        self.assertNotIn("\n", factory.summary)

    async def test_starting_gives_the_configuration(self) -> None:
        """
        What start answers is the configuration file as the provider read it, byte for byte.
        """
        await self.started()

    async def test_nothing_to_do(self) -> None:
        """
        Performing no operation gives no outcome.
        """
        self.assertEqual(list((await self.started()).perform(())), [])

    async def test_link_that_exists(self) -> None:
        """
        A link of the configuration that is there is found; one that is not in it is refused (P7).
        """
        provider = await self.started()
        found = CheckLink(link=self.link, index=self.index)
        self.assertEqual(await self.outcomes(provider, found), [None])
        (refusal,) = await self.outcomes(provider, CheckLink(link="lo", index=1))
        self.assertIsInstance(refusal, PrivilegeError)

    async def test_link_that_does_not_exist(self) -> None:
        """
        One that is not there is the kernel's error, and the provider goes on (P7, W7).
        """
        if not self.carries_out:
            return
        provider = await self.started()
        missing = CheckLink(link=self.link, index=2**31 - 1)
        refusal, found = await self.outcomes(provider, missing, evolve(missing, index=self.index))
        assert refusal is not None
        self.assertEqual((refusal.errno, found), (ENODEV, None))
        self.assertTrue(refusal.reason)

    async def test_doing_twice_is_doing_once(self) -> None:
        """
        The same operation may be performed again, in one go and later; so may removal.
        """
        provider = await self.started()
        put = self.address()
        remove = RemoveAddress(link=self.link, index=self.index, address=put.address)
        self.assertEqual(await self.outcomes(provider, put, put), [None, None])
        self.assertEqual(await self.outcomes(provider, put), [None])
        self.assertEqual(await self.outcomes(provider, remove, remove), [None, None])

    async def test_links_of_guests(self) -> None:
        """
        A guest's link is put into its bridge, described, grouped, given a link-layer address, set up and down, and
        taken out again; each may be done twice, and for those that are undone an earlier value is as good as a new one.
        """
        if not self.nic:
            return
        provider = await self.started()
        port: dict[str, Any] = {"link": self.port, "index": self.port_index}
        operations: tuple[Operation, ...] = (
            SetMaster(**port, master=self.bridge, master_index=self.bridge_index),
            SetDescription(**port, text="vm1-if0-\N{SNOWMAN}"),
            SetDescription(**port, text=""),
            SetDescription(**port, text="x" * LONGEST_DESCRIPTION),
            SetGroup(**port, group=7),
            SetGroup(**port, group=0),
            SetLinkAddress(**port, address=bytes.fromhex("02005e100001")),
            SetUp(**port),
            SetDown(**port),
            ClearMaster(**port),
        )
        for _ in range(2):
            self.assertEqual(await self.outcomes(provider, *operations), [None] * len(operations))

    async def test_ipv4_of_guests(self) -> None:
        """
        A guest's local IPv4 address comes and goes, and each may be done twice.
        """
        if not self.nic:
            return
        provider = await self.started()
        own = IPv4Interface(self.nic_address)
        for operation in (
            PutIPv4(link=self.nic, index=self.nic_index, address=own),
            RemoveIPv4(link=self.nic, index=self.nic_index, address=own),
        ):
            self.assertEqual(await self.outcomes(provider, operation, operation), [None, None])

    async def test_links_of_others(self) -> None:
        """
        Nothing is set on a link that is no guest's and no switch's, no link but a port is put into the bridge, and no
        address but its own is given to a guest's link.
        """
        if not self.nic:
            return
        provider = await self.started()
        other: dict[str, Any] = {"link": self.link, "index": self.index}
        nic: dict[str, Any] = {"link": self.nic, "index": self.nic_index}
        for operation in (
            SetDescription(**other, text="x"),
            SetGroup(**other, group=7),
            SetLinkAddress(**other, address=bytes.fromhex("02005e100001")),
            SetUp(**other),
            SetDown(**other),
            SetMaster(**other, master=self.bridge, master_index=self.bridge_index),
            SetMaster(**nic, master=self.bridge, master_index=self.bridge_index),
            PutIPv4(**nic, address=IPv4Interface("192.0.2.1/24")),
        ):
            (refusal,) = await self.outcomes(provider, operation)
            self.assertIsInstance(refusal, PrivilegeError, str(operation))
            assert refusal is not None
            self.assertEqual(refusal.errno, 0)
            self.assertTrue(refusal.reason)

    async def test_removing_what_is_not_there(self) -> None:
        """
        Removing an address or a route that is already gone is success.
        """
        provider = await self.started()
        gone = "2001:db8:78::1/64"
        outcomes = await self.outcomes(
            provider,
            RemoveAddress(link=self.link, index=self.index, address=IPv6Interface(gone)),
            RemoveRoute(link=self.link, index=self.index, prefix=IPv6Interface(gone).network, table=254, metric=256),
        )
        self.assertEqual(outcomes, [None, None])

    async def test_one_failure_does_not_stop_the_next(self) -> None:
        """
        An operation that is refused fails with L{PrivilegeError}, which says in words what was to be done; what was
        asked for before and after it is done.
        """
        if not self.carries_out:
            return
        provider = await self.started()
        refused = self.address("2001:db8:79::1/64", index=2**31 - 1)
        before, failure, after = await self.outcomes(
            provider, self.address(), refused, self.address("2001:db8:77::2/64")
        )
        self.assertIsNone(before)
        self.assertIsInstance(failure, PrivilegeError)
        assert failure is not None
        self.assertIn("2001:db8:79::1/64", failure.operation)
        self.assertTrue(failure.reason)
        self.assertIsNone(after)

    async def test_calls_may_overlap(self) -> None:
        """
        Operations may be asked for while earlier ones are under way; they are carried out in order.
        """
        provider = await self.started()
        put = self.address()
        first = provider.perform((put,))
        second = provider.perform((RemoveAddress(link=self.link, index=self.index, address=put.address),))
        self.assertEqual([await _outcome(one) for one in (*first, *second)], [None, None])

    async def test_route_socket(self) -> None:
        """
        The routing socket does not block.
        """
        provider = await self.started()
        with await provider.open_route_socket() as route_socket:
            self.assertFalse(route_socket.getblocking())

    async def test_client_socket_of_a_stranger(self) -> None:
        """
        There is no client socket for a link that is no configured uplink.
        """
        provider = await self.started()
        with self.assertRaises(PrivilegeError) as caught:
            await provider.open_client_socket("lo", 1)
        self.assertIn("lo", caught.exception.operation)
        self.assertTrue(caught.exception.reason)

    async def test_reload_gives_the_configuration(self) -> None:
        """
        A reload answers the file's bytes as start did.
        """
        provider = await self.started()
        self.assertEqual(await provider.reload(), self.source)

    async def test_reload_alone_changes_nothing(self) -> None:
        """
        What a reload read is not in force before it is adopted, and then whatever was allowed by it before still is;
        adopting twice is adopting once.
        """
        provider = await self.started()
        source = await provider.reload()
        self.assertEqual(await self.outcomes(provider, self.address()), [None])
        for _ in range(2):
            await provider.adopt(source)
        self.assertEqual(await self.outcomes(provider, self.address()), [None])

    async def test_adopting_what_was_not_read(self) -> None:
        """
        A configuration that no reload has read, or not the latest one, is not adopted.
        """
        provider = await self.started()
        for source in (b"", self.source + b"#"):
            with self.assertRaises(PrivilegeError) as caught:
                await provider.adopt(source)
            self.assertEqual(caught.exception.errno, ESTALE)
            await provider.reload()
        await provider.adopt(self.source)

    async def test_reloads_at_once(self) -> None:
        """
        Of two reloads at once each gives what it read, and the latest can be adopted.
        """
        provider = await self.started()
        first, second = provider.reload(), provider.reload()
        self.assertEqual([await first, await second], [self.source, self.source])
        await provider.adopt(self.source)

    async def test_stopping_twice(self) -> None:
        """
        A provider may be stopped more than once.
        """
        provider = await self.started()
        await provider.stop()
        await provider.stop()


async def _outcome(waited: Deferred[None]) -> PrivilegeError | None:
    """What became of one operation."""
    try:
        await waited
    except PrivilegeError as error:
        return error
    return None
