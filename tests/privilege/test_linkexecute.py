"""
Tests for L{pdlease.privilege.linkexecute} and L{pdlease.privilege.linkpolicy}, on a kernel in memory; on a real one,
L{tests.live.test_guests}.
"""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.model import ON_LINK_METRIC
from pdlease.operations import (
    INFINITE,
    EnableIPv6,
    Operation,
    PrivilegeError,
    PutAddress,
    PutRoute,
    SetMaster,
)
from pdlease.privilege.execute import Executor
from pdlease.privilege.linkpolicy import NIC_KINDS, links_of, with_earlier
from pdlease.privilege.policy import Policy
from tests.privilege.fakekernel import FakeKernel
from tests.privilege.values import (
    BR0,
    CLEAR_MASTER,
    DESCRIBE,
    LOCAL6,
    PUT_IPV4,
    REMOVE_IPV4,
    SET_DOWN,
    SET_GROUP,
    SET_LINK_ADDRESS,
    SET_MASTER,
    SET_UP,
    TAP0,
    TAP1,
    TOML,
    config,
)

VIRBR0, BLUE = 9, 10
WITHOUT_GUESTS = TOML[: TOML.index(b"[switches.lab]")]
SETTINGS: tuple[Operation, ...] = (DESCRIBE, SET_GROUP, SET_UP, SET_DOWN, SET_LINK_ADDRESS)


class LinkCase(SynchronousTestCase):
    """An executor with the bounds of a switch and a guest."""

    def setUp(self) -> None:
        self.kernel = FakeKernel()
        self.executor = Executor(
            Policy.of(config()), self.kernel, marks_addresses=True, settings="/nowhere", seconds=Clock().seconds
        )

    def refused(self, operation: Operation) -> str:
        """The reason why an operation is refused by policy, nothing having been asked of the kernel."""
        before = list(self.kernel.asked)
        error = self.assertRaises(PrivilegeError, self.executor.perform, operation)
        self.assertEqual(error.errno, 0)
        self.assertEqual(self.kernel.asked, before)
        return error.reason

    def reload(self, text: bytes) -> None:
        """The configuration becomes another one."""
        self.executor.policy = Policy.of(config(text), self.executor.policy)


class SettingTests(LinkCase):
    """Description, group, state and link-layer address (P4, P8, P9, P12)."""

    def test_set(self) -> None:
        """Each is one request about the link's index."""
        for operation in SETTINGS:
            self.executor.perform(operation)
        self.assertEqual(
            self.kernel.asked,
            [
                f"set tap0 20={b'vm1-if0-web1'.hex()}",
                "set tap0 27=07000000",
                "set tap0 up",
                "set tap0 down",
                "set tap0 1=020000000001",
            ],
        )

    def test_links_of_the_configuration_only(self) -> None:
        """Nothing is set on a link that is no switch's and no guest's, be it uplink, downstream or loopback (W5)."""
        for operation in SETTINGS:
            for index, name in ((1, "lo"), (2, "wan0"), (3, "lan0"), (5, "other0")):
                reason = self.refused(evolve(operation, link=name, index=index))
                self.assertIn(f"link: {name} is no configured link", reason)

    def test_name_and_index_go_together(self) -> None:
        """A link that has become another one is left alone."""
        self.assertIn("not tap0", self.refused(evolve(SET_UP, index=5)))

    def test_kinds(self) -> None:
        """A link of another kind is refused, whatever it is called (W22): hardware, a bridge in a guest's place."""
        for kind in (None, "bridge", "vlan", "vxlan", "bond"):
            self.kernel.kinds["tap0"] = kind
            self.assertIn(f"is of kind {kind or 'none'}", self.refused(SET_UP))
        for kind in NIC_KINDS:
            self.kernel.kinds["tap0"] = kind
            self.executor.perform(SET_UP)
        self.kernel.kinds["br0"] = "tun"
        self.assertIn("it must be bridge", self.refused(evolve(SET_UP, link="br0", index=BR0)))

    def test_after_a_reload(self) -> None:
        """A link that left the configuration can still be put back to what it was (W8)."""
        self.reload(WITHOUT_GUESTS)
        for operation in SETTINGS:
            self.executor.perform(operation)
        self.assertEqual(len(self.kernel.asked), len(SETTINGS))

    def test_renamed(self) -> None:
        """So can a link that something was set on and that was renamed since, but no other of that name."""
        self.executor.perform(SET_GROUP)
        self.kernel.links[TAP0] = "moved0"
        self.executor.perform(evolve(SET_GROUP, link="moved0", group=0))
        self.assertIn("no configured link", self.refused(evolve(SET_GROUP, link="other0", index=5)))

    def test_link_gone(self) -> None:
        """On a link that is gone nothing can be set, and the kernel says so."""
        del self.kernel.links[TAP0]
        self.assertRaises(PrivilegeError, self.executor.perform, SET_UP)

    def test_kernels_words(self) -> None:
        """What the kernel refuses is refused with its error number and its words (W6)."""
        self.kernel.words = (16, "Device is busy with that")
        error = self.assertRaises(PrivilegeError, self.executor.perform, SET_LINK_ADDRESS)
        self.assertEqual((error.errno, error.reason), (16, "Device is busy with that"))


class MasterTests(LinkCase):
    """Bridges and VRFs (P5, P6)."""

    def test_put_and_taken_out(self) -> None:
        """A link is put into its configured bridge, once, and taken out of it, once."""
        for operation in (SET_MASTER, SET_MASTER, CLEAR_MASTER, CLEAR_MASTER):
            self.executor.perform(operation)
        self.assertEqual(self.kernel.asked, ["set tap0 10=08000000", "set tap0 10=00000000"])

    def test_bridge_into_its_vrf(self) -> None:
        """A switch's bridge is put into the switch's VRF."""
        self.executor.perform(SetMaster(link="br0", index=BR0, master="blue", master_index=BLUE))
        self.assertEqual(self.kernel.masters, {BR0: BLUE})

    def test_other_bridges(self) -> None:
        """Into no other bridge than the configured one, and no other link into it (W5)."""
        other = evolve(SET_MASTER, master="virbr0", master_index=VIRBR0)
        self.assertIn("master: virbr0 is not the configured bridge", self.refused(other))
        for index, name in ((2, "wan0"), (3, "lan0"), (5, "other0"), (TAP1, "tap1")):
            self.refused(evolve(SET_MASTER, link=name, index=index))

    def test_not_stolen(self) -> None:
        """A port of somebody else's bridge stays there: it is neither moved nor taken out."""
        self.kernel.masters[TAP0] = VIRBR0
        self.assertIn("tap0 belongs to virbr0", self.refused(SET_MASTER))
        self.assertIn("tap0 belongs to virbr0", self.refused(CLEAR_MASTER))

    def test_kind_of_the_bridge(self) -> None:
        """What is called like the bridge and is none is refused; so is a bridge that is called like the VRF."""
        self.kernel.kinds["br0"] = "veth"
        self.assertIn("br0 is of kind veth", self.refused(SET_MASTER))
        self.kernel.kinds["br0"] = "bridge"
        self.kernel.kinds["blue"] = "bridge"
        self.assertIn(
            "it must be vrf", self.refused(SetMaster(link="br0", index=BR0, master="blue", master_index=BLUE))
        )

    def test_moved_between_our_own(self) -> None:
        """By reload a link moves from one configured bridge to another, without being taken out in between."""
        self.executor.perform(SET_MASTER)
        self.reload(TOML.replace(b'"br0"', b'"virbr0"'))
        self.executor.perform(evolve(SET_MASTER, master="virbr0", master_index=VIRBR0))
        self.assertEqual(self.kernel.masters, {TAP0: VIRBR0})
        self.refused(SET_MASTER)

    def test_taken_out_after_a_reload(self) -> None:
        """A link that left the configuration is taken out of the bridge that it was put into (W8)."""
        self.executor.perform(SET_MASTER)
        self.reload(WITHOUT_GUESTS)
        self.executor.perform(CLEAR_MASTER)
        self.assertEqual(self.kernel.masters, {TAP0: 0})

    def test_taken_out_where_nothing_is_known(self) -> None:
        """A stranger is not taken out of anything; a link that is gone is out."""
        self.kernel.masters[5] = BR0
        self.assertIn("no configured link", self.refused(evolve(CLEAR_MASTER, link="other0", index=5)))
        self.executor.perform(evolve(CLEAR_MASTER, index=99))


class LocalAddressTests(LinkCase):
    """Local addresses of guests (P10, P11, P21, P22)."""

    def test_ipv4(self) -> None:
        """The configured IPv4 address comes and goes; twice is as good as once (W19)."""
        for operation in (PUT_IPV4, PUT_IPV4, REMOVE_IPV4, REMOVE_IPV4):
            self.executor.perform(operation)
        self.assertEqual(self.kernel.asked, ["add 100.64.1.4/31", "remove 100.64.1.4/31"])

    def test_no_other_ipv4(self) -> None:
        """Every other IPv4 address is refused, on this link and on others."""
        other = IPv4Interface("100.64.1.2/31")
        for operation in (
            evolve(PUT_IPV4, address=other),
            evolve(PUT_IPV4, address=IPv4Interface("100.64.1.4/10")),
            evolve(PUT_IPV4, link="tap0", index=TAP0),
            evolve(PUT_IPV4, link="wan0", index=2),
        ):
            self.refused(operation)

    def test_foreign_ipv4(self) -> None:
        """The same address without our mark is somebody else's: neither taken over nor removed."""
        self.kernel.hold_ipv4(TAP1, "100.64.1.4/31")
        self.assertIn("not ours", self.refused(PUT_IPV4))
        self.assertIn("not ours", self.refused(REMOVE_IPV4))

    def test_ipv4_without_marks(self) -> None:
        """On a kernel that keeps no marks, an address that the link was configured to have counts as ours."""
        self.kernel.keeps_marks = False
        self.executor = Executor(
            Policy.of(config()), self.kernel, marks_addresses=False, settings="/nowhere", seconds=Clock().seconds
        )
        for operation in (PUT_IPV4, PUT_IPV4, REMOVE_IPV4):
            self.executor.perform(operation)
        self.assertEqual(self.kernel.held4, {})
        self.kernel.hold_ipv4(5, "100.64.1.4/31")
        self.refused(evolve(REMOVE_IPV4, link="other0", index=5))

    def test_ipv6(self) -> None:
        """The local IPv6 address and its on-link route are allowed for ever, and IPv6 itself; no other, no shorter."""
        policy = self.executor.policy
        put = PutAddress(link="tap1", index=TAP1, address=LOCAL6, preferred=INFINITE, valid=INFINITE)
        route = PutRoute(
            link="tap1", index=TAP1, prefix=LOCAL6.network, expires=INFINITE, table=254, metric=ON_LINK_METRIC
        )
        self.assertIsNone(policy.judge(put))
        self.assertIsNone(policy.judge(route))
        self.assertIsNone(policy.judge(EnableIPv6(link="tap1", index=TAP1)))
        for operation in (
            evolve(put, valid=600, preferred=300),
            evolve(put, address=IPv6Interface("fd12:3456:789a:bcde:6440:103:0:1/96")),
            evolve(put, link="tap0", index=TAP0),
            evolve(route, table=7),
            evolve(route, prefix=IPv6Interface("fd12:3456:789a:bcde::/64").network),
            EnableIPv6(link="tap0", index=TAP0),
        ):
            self.assertIsNotNone(policy.judge(operation))


class BoundsTests(SynchronousTestCase):
    """L{links_of} and L{with_earlier}."""

    def test_vrf_of_a_nic(self) -> None:
        """A NIC without a switch may be put into its own VRF; on a switch, into the bridge alone (W10)."""
        text = TOML.replace(b'link = "tap1"', b'link = "tap1"\nvrf = "blue"')
        bounds = links_of(config(text))
        self.assertEqual(bounds["tap1"].masters, {"blue": "vrf"})
        self.assertEqual(bounds["tap0"].masters, {"br0": "bridge"})
        self.assertEqual(bounds["br0"].masters, {"blue": "vrf"})

    def test_local_addresses_of_a_port(self) -> None:
        """The local addresses of a port are allowed on its bridge, and not on the port."""
        bounds = links_of(config(TOML.replace(b'switch = "lab"', b'switch = "lab"\nlocal = true')))
        self.assertEqual(bounds["br0"].ipv4, {IPv4Interface("100.64.1.2/31")})
        self.assertEqual(len(bounds["br0"].ipv6), 1)
        self.assertEqual((bounds["tap0"].ipv4, bounds["tap0"].ipv6), (frozenset(), frozenset()))

    def test_earlier(self) -> None:
        """What an earlier configuration allowed is known beside what this one does."""
        earlier = links_of(config())
        now = links_of(config(TOML.replace(b'"br0"', b'"virbr0"')))
        both = with_earlier(now, earlier)
        self.assertEqual(both["tap0"].masters, {"br0": "bridge", "virbr0": "bridge"})
        self.assertEqual(set(both), {"br0", "virbr0", "tap0", "tap1"})
