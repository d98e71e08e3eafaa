"""
What every privilege provider must do.
"""

# mypy: disallow-untyped-calls=False
# (trial's assertions carry no types)

from __future__ import annotations

from errno import ENODEV, ESTALE
from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING, Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from pdlease.interfaces import (
    IPrivilege,
    IPrivilegeFactory,
)
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

if TYPE_CHECKING:
    _Case = TestCase
else:
    _Case = object


class PrivilegeContract(_Case):
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
