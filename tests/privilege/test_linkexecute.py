"""
Tests for L{pdlease.privilege.linkexecute} and L{pdlease.privilege.linkpolicy}, on a kernel in memory; on a real one,
L{tests.live.test_guests}.
"""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface
from typing import Any

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.model import ON_LINK_METRIC
from pdlease.operations import (
    INFINITE,
    ClearMaster,
    DisableIPv6,
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
from tests.privilege.fakekernel import BLUE_TABLE, FakeKernel
from tests.privilege.values import (
    BR0,
    CLEAR_MASTER,
    DESCRIBE,
    LAN0,
    LOCAL6,
    PUT_ADDRESS,
    PUT_IPV4,
    PUT_ROUTE,
    PUT_UNREACHABLE,
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
        """Nothing is set on a link that is no switch's and no guest's: uplink, downstream or loopback (P3, W5)."""
        for operation in SETTINGS:
            for index, name in ((1, "lo"), (2, "wan0"), (3, "lan0"), (5, "other0")):
                reason = self.refused(evolve(operation, link=name, index=index))
                self.assertIn(f"link: {name} is no configured link", reason)

    def test_name_and_index_go_together(self) -> None:
        """A link that has become another one is left alone."""
        self.assertIn("not tap0", self.refused(evolve(SET_UP, index=5)))

    def test_kinds(self) -> None:
        """P3, P16, P17, W22: a link of another kind is refused, whatever it is called: hardware, a bridge for a tap."""
        for kind in (None, "bridge", "vlan", "vxlan", "bond"):
            self.kernel.kinds["tap0"] = kind
            self.assertIn(f"is of kind {kind or 'none'}", self.refused(SET_UP))
        for kind in NIC_KINDS:
            self.kernel.kinds["tap0"] = kind
            self.executor.perform(SET_UP)
        self.kernel.kinds["br0"] = "tun"
        self.assertIn("it must be bridge", self.refused(evolve(SET_UP, link="br0", index=BR0)))

    def test_after_a_reload(self) -> None:
        """A link that left the configuration can still be put back to what it was (P31, W8)."""
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

    def test_index_of_another(self) -> None:
        """A link of another kind that was given the index of a guest's link is not taken for that one."""
        self.executor.perform(DESCRIBE)
        self.reload(WITHOUT_GUESTS)
        self.kernel.links[TAP0] = "eth7"
        for kind in (None, "vlan", "wireguard"):
            self.kernel.kinds["eth7"] = kind
            for operation in SETTINGS:
                self.assertIn("eth7 is no configured link", self.refused(evolve(operation, link="eth7")))

    def test_link_gone(self) -> None:
        """On a link that is gone nothing can be set, and the kernel says so (P7, W7)."""
        del self.kernel.links[TAP0]
        self.assertRaises(PrivilegeError, self.executor.perform, SET_UP)

    def test_kernels_words(self) -> None:
        """What the kernel refuses is refused with its error number and its words (P12, W6, W12)."""
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
        self.assertIn("no link that is put into", self.refused(evolve(CLEAR_MASTER, link="other0", index=5)))
        self.executor.perform(evolve(CLEAR_MASTER, index=99))


UNDOING: tuple[Operation, ...] = (SET_DOWN, evolve(SET_GROUP, group=0), evolve(DESCRIBE, text=""), CLEAR_MASTER)


class EarlierLifeTests(LinkCase):
    """What an earlier process left on links that are not in the configuration any more (W8, P31)."""

    def setUp(self) -> None:
        super().setUp()
        self.executor.policy = Policy.of(config(WITHOUT_GUESTS))
        self.kernel.masters[TAP0] = BR0
        self.kernel.aliases = {TAP0: "vm1-if0-web1", BR0: "switch1-lab"}

    def test_undone(self) -> None:
        """A link that has our description is put back, in the order in which the daemon does it."""
        for operation in UNDOING:
            self.executor.perform(operation)
        self.assertEqual((self.kernel.masters[TAP0], self.kernel.aliases[TAP0], len(self.kernel.asked)), (0, "", 4))

    def test_bridge(self) -> None:
        """So is the bridge of a switch."""
        for operation in UNDOING:
            self.executor.perform(evolve(operation, link="br0", index=BR0))
        self.assertEqual(self.kernel.aliases[BR0], "")

    def test_described_by_others(self) -> None:
        """One that somebody else has described is not ours to change."""
        for alias in ("", "mine", "switch1-lab", "xvm1-if0-web1", "vm-if0-web1"):
            self.kernel.aliases[TAP0] = alias
            for operation in UNDOING:
                self.assertIn("tap0", self.refused(operation))

    def test_other_kinds(self) -> None:
        """Hardware and tunnels with such a description are not."""
        for kind in (None, "vlan", "vxlan", "vrf"):
            self.kernel.kinds["tap0"] = kind
            for operation in UNDOING:
                self.assertIn("tap0", self.refused(operation))

    def test_only_undone(self) -> None:
        """It is not put into a bridge, and gets no address."""
        self.kernel.masters.clear()
        for operation in (SET_MASTER, PUT_IPV4, evolve(PUT_ADDRESS, link="tap0", index=TAP0)):
            self.assertIn("no", self.refused(operation))

    def test_bridge_of_others(self) -> None:
        """Out of somebody else's bridge it is not taken; out of a VRF it is, and out of a switch of the file."""
        self.kernel.masters[TAP0] = VIRBR0
        self.assertIn("tap0 belongs to virbr0, and stays there", self.refused(CLEAR_MASTER))
        self.kernel.masters[TAP0] = BLUE
        self.executor.perform(CLEAR_MASTER)
        self.kernel.masters[TAP0] = BR0
        self.kernel.aliases[BR0] = ""
        self.assertIn("tap0 belongs to br0, and stays there", self.refused(CLEAR_MASTER))
        self.executor.policy = Policy.of(config(WITHOUT_GUESTS + b'[switches.lab]\nlink = "br0"\n'))
        self.executor.perform(CLEAR_MASTER)

    def test_still_in_the_file(self) -> None:
        """A link that the file still names stays in a VRF that it does not: somebody else may have put it there."""
        self.executor.policy = Policy.of(config())
        self.kernel.masters[TAP0] = BLUE
        for operation in (CLEAR_MASTER, SET_MASTER):
            self.assertIn("tap0 belongs to blue, and stays there", self.refused(operation))

    def test_other_switch(self) -> None:
        """A guest whose switch is another one in the file now is moved there, out of the bridge of the earlier one."""
        self.executor.policy = Policy.of(config(TOML.replace(b'"br0"', b'"virbr0"')))
        self.executor.perform(evolve(SET_MASTER, master="virbr0", master_index=VIRBR0))
        self.assertEqual(self.kernel.masters[TAP0], VIRBR0)


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


IN_BLUE = TOML.replace(b'link = "wan0"\nroute_table = 254', b'link = "wan0"\nvrf = "blue"')
UPLINK_INTO_BLUE = SetMaster(link="wan0", index=2, master="blue", master_index=BLUE)
UPLINK_OUT = ClearMaster(link="wan0", index=2)


class UplinkTests(LinkCase):
    """The link of an uplink that is in a VRF (P5)."""

    def test_into_its_vrf(self) -> None:
        """It is put into the VRF of the configuration, and into nothing else."""
        self.assertIn("no link that is put into", self.refused(UPLINK_INTO_BLUE))
        self.reload(IN_BLUE)
        self.executor.perform(UPLINK_INTO_BLUE)
        self.assertEqual(self.kernel.masters[2], BLUE)
        self.executor.perform(UPLINK_OUT)
        self.assertEqual(self.kernel.masters[2], 0)
        for master, index in (("br0", BR0), ("virbr0", VIRBR0)):
            operation = evolve(UPLINK_INTO_BLUE, master=master, master_index=index)
            self.assertIn("not the configured bridge or VRF of wan0", self.refused(operation))

    def test_any_kind(self) -> None:
        """An uplink may be of any kind; what it is put into must be a VRF."""
        self.reload(IN_BLUE)
        for kind in (None, "vlan", "bridge", "ppp"):
            self.kernel.kinds["wan0"] = kind
            self.kernel.masters.clear()
            self.executor.perform(UPLINK_INTO_BLUE)
        self.kernel.masters.clear()
        self.kernel.kinds["blue"] = "bridge"
        self.assertIn("it must be vrf", self.refused(UPLINK_INTO_BLUE))

    def test_not_stolen(self) -> None:
        """One that belongs to somebody else's bridge or VRF stays there, in and out."""
        self.reload(IN_BLUE)
        self.kernel.masters[2] = VIRBR0
        for operation in (UPLINK_INTO_BLUE, UPLINK_OUT):
            self.assertIn("wan0 belongs to virbr0, and stays there", self.refused(operation))

    def test_nothing_else(self) -> None:
        """Its description, group, state and link-layer address are not ours to set, before and after (design 9)."""
        self.reload(IN_BLUE)
        settings = [evolve(operation, link="wan0", index=2) for operation in SETTINGS]
        for operation in settings:
            self.assertIn("wan0 is no configured link", self.refused(operation))
        self.executor.perform(UPLINK_INTO_BLUE)
        for operation in settings:
            self.assertIn("wan0 is no configured link", self.refused(operation))
        self.assertIn("no downstream of ours", self.refused(DisableIPv6(link="wan0", index=2)))

    def test_out_after_a_reload(self) -> None:
        """When it has left the configuration it can still be taken out, also under another name."""
        self.reload(IN_BLUE)
        self.executor.perform(UPLINK_INTO_BLUE)
        self.reload(TOML)
        self.kernel.links[2] = "renamed0"
        self.executor.perform(evolve(UPLINK_OUT, link="renamed0"))
        self.assertEqual(self.kernel.masters[2], 0)


class VRFTableTests(LinkCase):
    """In which tables routes may be put where VRFs are about."""

    def route(self, **changes: Any) -> Operation:
        """An on-link route on lan0."""
        return evolve(PUT_ROUTE, **changes)

    def test_unreachable(self) -> None:
        """Unreachable routes of an uplink in a VRF go to the table that the kernel tells of it, and nowhere else."""
        self.reload(IN_BLUE)
        self.executor.perform(evolve(PUT_UNREACHABLE, table=BLUE_TABLE))
        for table in (254, BLUE_TABLE + 1):
            self.assertIn("is not what wan0 is configured with", self.refused(evolve(PUT_UNREACHABLE, table=table)))
        self.kernel.kinds["blue"] = "bridge"
        self.assertIn("is not what wan0", self.refused(evolve(PUT_UNREACHABLE, table=BLUE_TABLE)))

    def test_on_link(self) -> None:
        """
        An on-link route goes to the table of the uplink's VRF, or of the VRF that its own link is in; the kernel says
        which those are.
        """
        self.assertIn("nor of its VRF", self.refused(self.route(table=BLUE_TABLE)))
        self.kernel.masters[LAN0] = BLUE
        self.executor.perform(self.route(table=BLUE_TABLE))
        self.assertIn("nor of its VRF", self.refused(self.route(table=BLUE_TABLE + 1)))
        self.kernel.masters[LAN0] = BR0
        self.assertIn("nor of its VRF", self.refused(self.route(table=BLUE_TABLE)))
        self.kernel.masters.clear()
        self.reload(IN_BLUE)
        self.executor.perform(self.route(table=BLUE_TABLE))

    def test_local(self) -> None:
        """The route of a local /96 goes to the main table, or to that of the VRF that its link is in."""
        local = PutRoute(
            link="tap1",
            index=TAP1,
            prefix=LOCAL6.network,
            expires=INFINITE,
            table=BLUE_TABLE,
            metric=ON_LINK_METRIC,
        )
        self.refused(local)
        self.executor.perform(evolve(local, table=254))
        self.kernel.masters[TAP1] = BLUE
        self.executor.perform(local)
        self.refused(evolve(local, prefix=IPv6Interface("fd12:3456:789a:bcdf::1/64").network))


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

    def test_uplinks(self) -> None:
        """An uplink without a VRF has no bounds here; one in a VRF has that, and nothing that may be set."""
        self.assertNotIn("wan0", links_of(config()))
        bounds = links_of(config(IN_BLUE))["wan0"]
        self.assertEqual((bounds.masters, bounds.is_settable, bounds.kinds), ({"blue": "vrf"}, False, frozenset()))

    def test_uplink_on_a_switch(self) -> None:
        """An uplink on the bridge of a switch may be put into its VRF, and set as the switch says."""
        text = IN_BLUE.replace(b'link = "wan0"', b'link = "br0"')
        bounds = links_of(config(text))["br0"]
        self.assertEqual((bounds.masters, bounds.is_settable, bounds.kinds), ({"blue": "vrf"}, True, {"bridge"}))

    def test_earlier(self) -> None:
        """What an earlier configuration allowed is known beside what this one does."""
        earlier = links_of(config())
        now = links_of(config(TOML.replace(b'"br0"', b'"virbr0"')))
        both = with_earlier(now, earlier)
        self.assertEqual(both["tap0"].masters, {"br0": "bridge", "virbr0": "bridge"})
        self.assertEqual(set(both), {"br0", "virbr0", "tap0", "tap1"})
