"""
Tests for L{pdlease.settling} and L{pdlease.linksettings}, through the applier that they work for.
"""

from __future__ import annotations

from errno import EBUSY
from ipaddress import IPv4Interface
from math import inf

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from pdlease.applier import Applier
from pdlease.kernel import Link
from pdlease.ledger import Ledger
from pdlease.linksettings import (
    DESCRIPTION,
    DOWN,
    GROUP,
    LINK_ADDRESS,
    MASTER,
    STATE,
    UP,
    description,
    operation_for,
    value_of,
)
from pdlease.operations import (
    LONGEST_DESCRIPTION,
    ClearMaster,
    Operation,
    PrivilegeError,
    PutIPv4,
    RemoveIPv4,
    SetDescription,
    SetDown,
    SetGroup,
    SetLinkAddress,
    SetMaster,
    SetUp,
)
from pdlease.standing import Condition
from pdlease.wanted import Wanted, WantedAddress, WantedSetting
from tests.fakes import MemoryKernel, RecordingPrivilege

WEB1 = "guests/web1"
MAC = "020000000001"
EVENTS = ("gone", "back", "kill", "reload", "refuse", "agree", "drop", "want")
LOCAL = IPv4Interface("100.64.1.2/31")


def setting(name: str, value: str) -> WantedSetting:
    """A setting of the guest's link."""
    return WantedSetting(link="tap0", setting=name, value=value, uplink=WEB1)


INTO_BR0, DESCRIBED, GROUPED = setting(MASTER, "br0"), setting(DESCRIPTION, "vm1-if0-web1"), setting(GROUP, "7")
READDRESSED, SET_UP = setting(LINK_ADDRESS, MAC), setting(STATE, UP)
ALL: tuple[Wanted, ...] = (INTO_BR0, DESCRIBED, GROUPED, READDRESSED, SET_UP)
OWN = WantedAddress(link="tap0", address=LOCAL, preferred_until=inf, valid_until=inf, uplink=WEB1)


class SettlingCase(SynchronousTestCase):
    """A bridge, a kernel that does as it is told, and an applier."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.kernel = MemoryKernel(self.clock)
        self.privilege = RecordingPrivilege(self.kernel)
        self.ledger = Ledger(None)
        self.bridge = self.kernel.add_link("br0")
        self.applier = self.begin()
        self.kernel.listeners.append(self.heard)

    def heard(self) -> None:
        """The kernel said something."""
        self.applier.kernel_changed()

    def begin(self) -> Applier:
        """An applier, as for the first time or after a kill."""
        applier = Applier(self.clock, self.privilege, self.ledger, self.kernel, lambda: None)
        applier.keep_only([WEB1])
        return applier

    def want(self, *objects: Wanted) -> None:
        """The guest wants this."""
        self.applier.want(WEB1, objects)
        self.clock.pump([0.1] * 20)

    def rest(self) -> list[Operation]:
        """What has been asked for when time has passed."""
        self.clock.pump([0.1] * 20)
        return self.privilege.take()

    def appear(self, **values: object) -> Link:
        """The guest's link appears, set down as links are."""
        self.kernel.add_link("tap0", is_up=False)
        self.kernel.change("tap0", has_carrier=False, **values)
        return self.tap

    @property
    def tap(self) -> Link:
        """The guest's link."""
        link = self.kernel.link_named("tap0")
        assert link is not None
        return link


class AppearanceTests(SettlingCase):
    """A setting is set when its link appears (design 4)."""

    def test_order(self) -> None:
        """Nothing happens without the link; when it appears all is done at once, in order (P19, section 7)."""
        self.want(*ALL, OWN)
        self.assertEqual(self.rest(), [])
        tap = self.appear()
        self.assertEqual(
            self.rest(),
            [
                SetMaster(link="tap0", index=tap.index, master="br0", master_index=self.bridge.index),
                SetDescription(link="tap0", index=tap.index, text="vm1-if0-web1"),
                SetGroup(link="tap0", index=tap.index, group=7),
                SetLinkAddress(link="tap0", index=tap.index, address=bytes.fromhex(MAC)),
                SetUp(link="tap0", index=tap.index),
                PutIPv4(link="tap0", index=tap.index, address=LOCAL),
            ],
        )
        for item in (*ALL, OWN):
            self.assertEqual(self.applier.state_of(item).condition, Condition.INSTALLED)

    def test_told(self) -> None:
        """Each value of a setting is told in the log, also where it takes the place of another: it is no refresh."""
        events: list[tuple[str, str]] = []
        globalLogPublisher.addObserver(
            observer := lambda event: events.append((event["log_level"].name, str(event["operation"])))
        )
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.appear()
        for name in ("one", "two"):
            self.want(setting(DESCRIPTION, name))
        self.assertEqual(events, [("info", f"describe tap0 as '{name}'") for name in ("one", "two")])

    def test_left_alone_afterwards(self) -> None:
        """What somebody else makes of a setting stays, is told, and is set again when the configuration is read."""
        self.appear()
        self.want(*ALL)
        self.rest()
        self.kernel.change("tap0", group=3, alias="mine", master=None)
        self.kernel.set_up("tap0", False)
        self.assertEqual(self.rest(), [])
        for item in (INTO_BR0, DESCRIBED, GROUPED, SET_UP):
            self.assertEqual(self.applier.state_of(item).condition, Condition.CHANGED)
        self.applier.retry()
        self.assertEqual([type(operation) for operation in self.rest()], [SetMaster, SetDescription, SetGroup, SetUp])

    def test_as_wanted_already(self) -> None:
        """What is as wanted costs no operation, and is left alone afterwards as well (W9)."""
        self.appear(group=7, alias="vm1-if0-web1")
        self.want(DESCRIBED, GROUPED)
        self.assertEqual(self.rest(), [])
        self.kernel.change("tap0", group=3)
        self.assertEqual(self.rest(), [])

    def test_comes_back(self) -> None:
        """A link that goes away and comes back is set up again, as another link."""
        self.want(*ALL)
        for _ in range(3):
            self.appear()
            self.assertEqual(len(self.rest()), 5)
            self.kernel.remove_link("tap0")
            self.assertEqual(self.rest(), [])
            self.assertEqual(self.ledger.entries, {})

    def test_bridge_comes_late(self) -> None:
        """A port waits for its bridge; one that is made anew gets its port again."""
        self.kernel.remove_link("br0")
        self.appear()
        self.want(INTO_BR0)
        self.assertEqual(self.rest(), [])
        state = self.applier.state_of(INTO_BR0)
        assert state.problem is not None
        self.assertEqual((state.condition, state.problem.text), (Condition.WAITING, "there is no link br0"))
        for _ in range(2):
            bridge = self.kernel.add_link("br0")
            self.assertEqual([type(operation) for operation in self.rest()], [SetMaster])
            self.assertEqual(self.tap.master, bridge.index)
            self.kernel.remove_link("br0")
            self.kernel.change("tap0", master=None)
            self.assertEqual(self.rest(), [])

    def test_other_value(self) -> None:
        """Another value in the configuration is set at once."""
        self.appear()
        self.want(GROUPED)
        self.want(setting(GROUP, "8"))
        self.assertEqual([getattr(operation, "group", None) for operation in self.rest()], [7, 8])
        self.want()
        self.assertEqual(self.tap.group, 0)

    def test_refused(self) -> None:
        """A refusal is told with its reason and tried again; it keeps nothing else from being set (W6, W18)."""
        self.privilege.refuses = lambda operation: (
            PrivilegeError(str(operation), EBUSY, "busy") if isinstance(operation, SetLinkAddress) else None
        )
        self.appear()
        self.want(*ALL)
        self.rest()
        state = self.applier.state_of(READDRESSED)
        assert state.problem is not None
        self.assertEqual((state.condition, state.problem.errno), (Condition.REFUSED, EBUSY))
        self.assertEqual((self.tap.group, self.tap.is_up), (7, True))
        self.privilege.refuses = lambda operation: None
        self.clock.pump([1.0] * 70)
        self.assertEqual(self.tap.link_layer_address.hex(), MAC)


class UndoingTests(SettlingCase):
    """The earlier value returns when a setting is no longer wanted (design 5, W8)."""

    def test_restored(self) -> None:
        """All is as it was, in the opposite order; what is ours is gone."""
        before = self.appear(group=4, alias="before", link_layer_address=bytes.fromhex("020000000009"))
        self.want(*ALL, OWN)
        self.rest()
        self.applier.keep_only([])
        self.assertEqual(
            [type(operation) for operation in self.rest()],
            [RemoveIPv4, SetDown, SetLinkAddress, SetGroup, SetDescription, ClearMaster],
        )
        self.assertEqual(self.tap, before)
        self.assertEqual(self.ledger.entries, {})

    def test_restored_after_a_kill(self) -> None:
        """The ledger knows the earlier value after a restart, however often a value was set since."""
        before = self.appear(group=4)
        self.want(GROUPED)
        self.want(setting(GROUP, "8"))
        self.applier.stop()
        self.applier = self.begin()
        self.want(setting(GROUP, "9"))
        self.assertEqual(self.tap.group, 9)
        self.applier.keep_only([])
        self.rest()
        self.assertEqual(self.tap, before)

    def test_not_over_others(self) -> None:
        """What somebody else has changed since is theirs, and stays."""
        self.appear()
        self.want(*ALL)
        self.kernel.change("tap0", group=3, alias="mine")
        self.rest()
        self.applier.keep_only([])
        self.rest()
        self.assertEqual((self.tap.group, self.tap.alias, self.tap.master, self.tap.is_up), (3, "mine", None, False))

    def test_as_it_was_anyway(self) -> None:
        """What was as wanted before stays so."""
        self.appear(group=7)
        self.want(GROUPED)
        self.rest()
        self.applier.keep_only([])
        self.assertEqual(self.rest(), [])
        self.assertEqual(self.tap.group, 7)

    def test_renamed(self) -> None:
        """A link that is called otherwise now is put back to what it was; the one that has its name is set up."""
        self.appear()
        self.want(GROUPED)
        self.rest()
        self.kernel.rename("tap0", "moved0")
        other = self.appear()
        self.assertEqual(
            self.rest(),
            [
                SetGroup(link="tap0", index=other.index, group=7),
                SetGroup(link="moved0", index=other.index - 1, group=0),
            ],
        )

    def test_strange_description(self) -> None:
        """A description that cannot be written is not put back, and nothing is stuck for it."""
        self.appear(alias="a\x07b")
        self.want(DESCRIBED)
        self.rest()
        self.applier.keep_only([])
        self.assertEqual(self.rest(), [])
        self.assertEqual(self.ledger.entries, {})

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.sampled_from(("gone", "back", "kill", "reload", "refuse", "agree", "drop", "want")), max_size=12)
    )
    def test_whatever_happens(self, events: list[str]) -> None:
        """Links come and go, the daemon is killed, operations are refused: in the end all is as it was before."""
        self.setUp()
        before = evolve(self.appear(group=4, alias="before"), index=0)
        for event in events:
            is_there = self.kernel.link_named("tap0") is not None
            if event == "gone" and is_there:
                self.kernel.remove_link("tap0")
            elif event == "back" and not is_there:
                self.appear(group=4, alias="before")
            elif event == "kill":
                self.applier.stop()
                self.applier = self.begin()
            elif event == "reload":
                self.applier.retry()
            elif event in ("refuse", "agree"):
                refuse = event == "refuse"
                self.privilege.refuses = lambda operation, refuse=refuse: (
                    PrivilegeError(str(operation), EBUSY, "busy") if refuse else None
                )
            elif event in ("want", "drop"):
                self.want(*(ALL if event == "want" else ()))
            self.rest()
        self.privilege.refuses = lambda operation: None
        if self.kernel.link_named("tap0") is None:
            self.appear(group=4, alias="before")
        self.want(*ALL)
        self.clock.pump([1.0] * 70)
        tap = self.tap
        self.assertEqual(
            (tap.group, tap.alias, tap.master, tap.is_up, tap.link_layer_address.hex()),
            (7, "vm1-if0-web1", self.bridge.index, True, MAC),
        )
        # a link without an address of its own is given none back
        self.kernel.change("tap0", link_layer_address=b"")
        self.applier.keep_only([])
        self.clock.pump([1.0] * 70)
        self.assertEqual(evolve(self.tap, index=0), before)
        self.assertEqual(self.ledger.entries, {})


class ValueTests(SynchronousTestCase):
    """Settings as text."""

    def test_round_trip(self) -> None:
        """Every value that a link shows can be set again."""
        bridge = Link(index=9, name="br0")
        link = Link(
            index=3, name="tap0", master=9, alias="x", group=5, link_layer_address=bytes.fromhex(MAC), is_up=False
        )
        links = {3: link, 9: bridge}
        values = {name: value_of(link, name, links) for name in (MASTER, DESCRIPTION, GROUP, LINK_ADDRESS, STATE)}
        self.assertEqual(values, {MASTER: "br0", DESCRIPTION: "x", GROUP: "5", LINK_ADDRESS: MAC, STATE: DOWN})
        self.assertEqual(value_of(evolve(link, master=8), MASTER, links), "#8")
        for name, value in values.items():
            self.assertIsNotNone(operation_for(link, name, value, bridge))

    def test_impossible(self) -> None:
        """What cannot be given back is no operation."""
        link = Link(index=3, name="tap0")
        for name, value in ((MASTER, "#8"), (DESCRIPTION, "\udcff"), (GROUP, "x"), (LINK_ADDRESS, "00" * 8)):
            self.assertIsNone(operation_for(link, name, value, None))

    @given(st.text(max_size=300))
    def test_descriptions_are_cut(self, text: str) -> None:
        """A description has 255 octets at most, and is cut between two characters (W17)."""
        cut = description(text.encode("utf-8", "replace").decode())
        self.assertLessEqual(len(cut.encode()), LONGEST_DESCRIPTION)
        self.assertTrue(text.encode("utf-8", "replace").decode().startswith(cut))
        self.assertEqual(description("x" * 300), "x" * LONGEST_DESCRIPTION)
