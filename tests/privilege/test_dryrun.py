"""
Tests for L{pdlease.privilege.dryrun}, which needs no kernel and no right.
"""

from __future__ import annotations

import errno
import os

from attrs import evolve
from twisted.internet import reactor  # noqa: TID251
from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase

from pdlease.interfaces import IPrivilegeFactory, PrivilegeContext
from pdlease.operations import PrivilegeError
from pdlease.privilege.dryrun import KEPT, DryRunPrivilege, factory
from pdlease.testing import PrivilegeContract
from tests.privilege.values import BR0, EVERY, LAN0, LOCAL, PUT_ADDRESS, TAP0, TAP1, TOML, config


class DryRunTests(PrivilegeContract, TestCase):
    """L{DryRunPrivilege}."""

    source = TOML
    index = LAN0
    carries_out = False
    nic, nic_index, nic_address = "tap1", TAP1, str(LOCAL)
    port, port_index = "tap0", TAP0
    bridge, bridge_index = "br0", BR0

    def setUp(self) -> None:
        folder = os.path.abspath(self.mktemp())
        os.mkdir(folder, 0o755)
        self.path = os.path.join(folder, "pdlease.toml")
        with open(self.path, "wb") as file:
            file.write(TOML)
        os.chmod(self.path, 0o644)

    def create(self, argument: str = "") -> DryRunPrivilege:
        context = PrivilegeContext(
            reactor=reactor, configuration_path=self.path, configuration=config(), ended=self.fail
        )
        made = factory.build(argument, context)
        assert isinstance(made, DryRunPrivilege)
        return made

    def factory(self) -> IPrivilegeFactory:
        return factory

    def test_written_down(self) -> None:
        """
        What is allowed is kept and logged in words, in order.
        """
        provider = self.create()
        self.successResultOf(provider.start())
        with capturedLogs() as logs:
            for waited in provider.perform(EVERY):
                self.successResultOf(waited)
        self.assertEqual(provider.performed, list(EVERY))
        self.assertEqual([event["operation"] for event in logs], [str(operation) for operation in EVERY])

    def test_memory_is_bounded(self) -> None:
        """
        The latest operations are kept, not all.
        """
        provider = self.create()
        self.successResultOf(provider.start())
        for waited in provider.perform([PUT_ADDRESS] * (KEPT + 10)):
            self.successResultOf(waited)
        self.assertEqual(len(provider.performed), KEPT)

    def test_policy_holds(self) -> None:
        """
        What the others would refuse by the configuration is refused here as well.
        """
        provider = self.create()
        self.successResultOf(provider.start())
        (waited,) = provider.perform([evolve(PUT_ADDRESS, link="other0")])
        error = self.failureResultOf(waited, PrivilegeError).value
        self.assertEqual((error.errno, error.reason), (0, "link: other0 is no configured downstream"))
        self.assertEqual(provider.performed, [])

    def test_nothing_is_sent(self) -> None:
        """
        Without the argument C{ask} there is no client socket, so that no server hands anything out for show.
        """
        provider = self.create()
        self.successResultOf(provider.start())
        error = self.failureResultOf(provider.open_client_socket("wan0", 2), PrivilegeError).value
        self.assertEqual(error.errno, errno.EPERM)
        self.assertIn("dryrun:ask", error.reason)
        error = self.failureResultOf(provider.open_client_socket("lan0", 2), PrivilegeError).value
        self.assertEqual(error.reason, "link: lan0 is no configured uplink")

    def test_asking(self) -> None:
        """
        With C{ask} a client socket is really opened; here there is no such link, which is the kernel's error.
        """
        provider = self.create("ask")
        self.successResultOf(provider.start())
        error = self.failureResultOf(provider.open_client_socket("wan0", 2**31 - 1), PrivilegeError).value
        self.assertEqual(error.errno, errno.ENXIO)

    def test_argument(self) -> None:
        """
        Another argument is an error.
        """
        self.assertRaises(ValueError, self.create, "wet")

    def test_not_started(self) -> None:
        """
        Before start every question fails with an answer.
        """
        provider = self.create()
        for waited in (
            *provider.perform([PUT_ADDRESS]),
            provider.open_client_socket("wan0", 2),
            provider.open_route_socket(),
            provider.reload(),
            provider.adopt(b""),
        ):
            error = self.failureResultOf(waited, PrivilegeError).value
            self.assertEqual(error.reason, "the privilege provider is not started")
