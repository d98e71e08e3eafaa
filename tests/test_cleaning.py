"""
Tests of L{pdlease.cleaning}.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from ipaddress import IPv6Interface, IPv6Network
from typing import Any

from twisted.internet.defer import fail
from twisted.trial.unittest import SynchronousTestCase

from pdlease.cleaning import cleanup, sentence
from pdlease.config.errors import ConfigErrors
from pdlease.instance import AlreadyRunning, Instance
from pdlease.kernel import IPV6_ENABLED
from pdlease.ledger import Ledger, OwnedAddress, OwnedRoute, OwnedSetting
from pdlease.operations import PrivilegeError
from pdlease.places import CannotStart
from tests.descriptors import FakeReactor
from tests.house import ONE, House

BOOT = "first-boot"


class TurningReactor(FakeReactor):
    """A reactor that runs for as long as it must, on a house's time."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self._house = house
        self._begun: list[Callable[[], object]] = []
        self._is_stopped = False

    def callWhenRunning(self, callable: Callable[[], object]) -> None:
        self._begun.append(callable)

    def stop(self) -> None:
        self._is_stopped = True

    def run(self, installSignalHandlers: bool = True) -> None:
        """Run until it is stopped."""
        for callable in self._begun:
            callable()
        for _ in range(200):
            if self._is_stopped:
                return
            self._house.wait(0.1)
        raise AssertionError("it never ends")


class DeadMachine:
    """The machine of a house whose daemon is dead: the methods of L{pdlease.machine.Machine} that are needed."""

    def __init__(self, house: House) -> None:
        self.reactor = TurningReactor(house)
        self.house = house
        self.chosen: list[str] = []

    def clock(self) -> Any:
        return self.house.clock

    def times(self) -> Any:
        return self.house.times

    def privilege(self, chosen: str, context: Any) -> Any:
        self.chosen.append(chosen)
        self.configured = context.configuration.daemon.privileges
        return self.house.privilege

    def watch(self, clock: Any, route_socket: Any, route_protocol: int) -> Any:
        return self.house.kernel


class CleanupTests(SynchronousTestCase):
    """Tests of L{cleanup}."""

    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.makedirs(f"{self.folder}/state")
        self.path = f"{self.folder}/pdlease.toml"
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(f'[daemon]\nstate = "{self.folder}/state"\ncontrol = "/run/x.sock"\n{ONE}')
        self.house = House()
        self.house.ledger = self.house.applier._ledger = Ledger(f"{self.folder}/state/ledger", boot=BOOT)
        self.machine = DeadMachine(self.house)

    def live_and_die(self) -> None:
        """A daemon lives and is killed."""
        self.house.add_links()
        self.house.begin()
        self.house.wait(3)
        self.assertIn("2001:db8::1/64", self.house.addresses())
        self.house.router.stop()
        self.house.applier.stop()
        self.house.kernel.listeners.clear()

    def cleanup(self) -> tuple[str, ...]:
        """The cleanup."""
        return cleanup(self.path, self.machine)  # type: ignore[arg-type]

    def test_everything_of_ours(self) -> None:
        """Every address and route of ours goes, by this process's privilege, and is told; others' stay (design 5)."""
        self.live_and_die()
        self.house.kernel.add_foreign_address("lan0", "2001:db8:77::1/64")
        self.assertEqual(
            sorted(self.cleanup()),
            ["address 2001:db8::1/64 on lan0", "route 2001:db8::/64 on lan0", "route 2001:db8::/64 unreachable"],
        )
        self.assertEqual((list(self.house.addresses()), self.house.routes()), (["2001:db8:77::1/64"], set()))
        self.assertEqual((self.machine.chosen, self.machine.configured), (["inprocess"], "inprocess"))
        self.assertEqual((self.house.privilege.stopped, self.house.kernel.stopped), (1, 1))

    def test_gone_already(self) -> None:
        """What is not there any more is not said to have been removed."""
        self.live_and_die()
        self.house.kernel.flush("lan0")
        removed = self.cleanup()
        self.assertNotIn("address 2001:db8::1/64 on lan0", removed)
        self.assertIn("route 2001:db8::/64 unreachable", removed)

    def test_twice(self) -> None:
        """The second time there is nothing left to remove."""
        self.live_and_die()
        self.cleanup()
        self.machine = DeadMachine(self.house)
        self.assertEqual(self.cleanup(), ())

    def test_elsewhere(self) -> None:
        """Called in another network namespace than the daemon's it removes nothing and forgets nothing."""
        self.live_and_die()
        here = self.machine
        elsewhere = House()
        elsewhere.add_links()
        self.machine = DeadMachine(elsewhere)
        self.assertEqual(self.cleanup(), ())
        self.machine = here
        self.assertIn("address 2001:db8::1/64 on lan0", self.cleanup())

    def test_settings(self) -> None:
        """A setting that was changed is put back to what it was."""
        self.house.add_links()
        self.house.kernel.set_ipv6("lan0", False)
        self.house.begin()
        self.house.wait(3)
        self.assertFalse(self.house.kernel._named("lan0").ipv6_disabled)
        self.house.router.stop()
        self.house.applier.stop()
        self.assertIn("ipv6 of lan0, back to what it was", self.cleanup())
        self.assertTrue(self.house.kernel._named("lan0").ipv6_disabled)

    def test_daemon_alive(self) -> None:
        """While the daemon is alive nothing is touched."""
        self.live_and_die()
        other = Instance()
        other.hold_state(f"{self.folder}/state")
        self.addCleanup(other.close)
        self.assertRaises(AlreadyRunning, self.cleanup)
        self.assertIn("2001:db8::1/64", self.house.addresses())

    def test_lock_is_given_back(self) -> None:
        """Afterwards the daemon can start, even if the cleanup failed."""
        self.house.privilege.start = lambda: fail(  # type: ignore[method-assign]
            PrivilegeError("open a route socket", 1, "Operation not permitted")
        )
        self.assertRaises(PrivilegeError, self.cleanup)
        Instance().hold_state(f"{self.folder}/state")

    def test_what_cannot_be_removed(self) -> None:
        """What the kernel refuses to remove is told, operation and words."""
        self.live_and_die()
        self.house.privilege.refuses = lambda operation: PrivilegeError(str(operation), 1, "Operation not permitted")
        problem = self.assertRaises(CannotStart, self.cleanup)
        self.assertIn("remove 2001:db8::1/64 from lan0: Operation not permitted", str(problem))

    def test_no_state_folder(self) -> None:
        """Without a state folder nothing is known to be ours, and none is made."""
        os.rmdir(f"{self.folder}/state")
        problem = self.assertRaises(CannotStart, self.cleanup)
        self.assertIn("there is no state folder", str(problem))
        self.assertFalse(os.path.exists(f"{self.folder}/state"))

    def test_wrong_file(self) -> None:
        """A configuration that is wrong or missing is told before anything is looked at."""
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("[uplinks.wan]\nlnk = 1\n")
        self.assertRaises(ConfigErrors, self.cleanup)
        os.unlink(self.path)
        self.assertRaises(OSError, self.cleanup)
        self.assertEqual(self.machine.chosen, [])


class SentenceTests(SynchronousTestCase):
    """Tests of L{sentence}."""

    def test_kinds(self) -> None:
        """Whatever stands in the ledger has words."""
        network = IPv6Network("2001:db8::/64")
        entries = (
            OwnedAddress(uplink="wan", link="lan0", index=3, address=IPv6Interface("2001:db8::1/64")),
            OwnedRoute(uplink="wan", link="lan0", index=3, prefix=network, table=254, metric=256),
            OwnedRoute(uplink="wan", link="eth0", index=None, prefix=network, table=254, metric=4096),
            OwnedSetting(uplink="wan", link="lan0", index=3, setting=IPV6_ENABLED, earlier="1"),
        )
        self.assertEqual(
            [sentence(entry) for entry in entries],
            [
                "address 2001:db8::1/64 on lan0",
                "route 2001:db8::/64 on lan0",
                "route 2001:db8::/64 unreachable",
                "ipv6 of lan0, back to what it was",
            ],
        )
