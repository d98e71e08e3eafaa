"""
Tests of L{pdlease.notify}.
"""

from __future__ import annotations

import os
import socket
from shutil import rmtree
from tempfile import mkdtemp

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.notify import Notifier, notifier


class NotifierTests(SynchronousTestCase):
    """What the supervisor is told."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[str] = []

    def make(self, every: float | None = None) -> Notifier:
        """A notifier."""
        return Notifier(self.clock, lambda data: self.told.append(data.decode()), every)

    def test_ready(self) -> None:
        """That the start is over, with a line for C{systemctl status}."""
        self.make().ready("user pdlease")
        self.assertEqual(self.told, ["READY=1\nSTATUS=user pdlease"])

    def test_no_watchdog(self) -> None:
        """Where no signs of life were asked for nothing is due, and nothing ever wakes up."""
        self.make().ready("")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_watchdog(self) -> None:
        """Signs of life begin when the start is over and go on until the end begins."""
        notifier = self.make(5.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        notifier.ready("")
        self.clock.pump([5.0, 5.0])
        self.assertEqual(self.told[1:], ["WATCHDOG=1"] * 3)
        notifier.stopping()
        self.clock.advance(60)
        self.assertEqual(self.told[4:], ["STOPPING=1"])

    def test_reloading(self) -> None:
        """When a reload begins, by the clock systemd compares it with, and when it is over, good or bad."""
        notifier = self.make()
        with self.assertRaises(ValueError), notifier.reloading():
            raise ValueError
        self.assertRegex(self.told[0], r"\ARELOADING=1\nMONOTONIC_USEC=\d+\Z")
        self.assertEqual(self.told[1:], ["READY=1"])

    def test_gone(self) -> None:
        """A supervisor that is gone or does not read ends nothing."""

        def refuse(data: bytes) -> None:
            raise ConnectionRefusedError(111, "Connection refused")

        notifier = Notifier(self.clock, refuse, 1.0)
        notifier.ready("")
        self.clock.advance(1.0)
        notifier.stopping()

    def test_nobody(self) -> None:
        """Without a supervisor nothing is told, and nothing is due."""
        notifier = Notifier(self.clock, None, 1.0)
        notifier.ready("")
        notifier.stopping()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class EnvironmentTests(SynchronousTestCase):
    """Tests of L{notifier}: how the supervisor asks."""

    def setUp(self) -> None:
        # not trial's own folder: the path of a socket must be short
        self.folder = mkdtemp()
        self.addCleanup(rmtree, self.folder)
        self.path = f"{self.folder}/notify"
        self.supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.supervisor.close)
        self.supervisor.settimeout(5)

    def ready(self, **environment: str) -> Notifier:
        """A notifier by this environment, ready."""
        made = notifier(Clock(), environment)
        self.assertEqual(environment, {})
        if made._send is not None:
            self.addCleanup(made._send.__self__.close)  # type: ignore[attr-defined]
        made.ready("so")
        return made

    def test_path(self) -> None:
        """By a path; the environment is cleaned, so that no child speaks for the daemon."""
        self.supervisor.bind(self.path)
        self.ready(NOTIFY_SOCKET=self.path)
        self.assertEqual(self.supervisor.recv(100), b"READY=1\nSTATUS=so")

    def test_abstract(self) -> None:
        """By a name in the abstract namespace."""
        self.supervisor.bind(f"\0pdlease-test-{os.getpid()}")
        self.ready(NOTIFY_SOCKET=f"@pdlease-test-{os.getpid()}")
        self.assertEqual(self.supervisor.recv(100), b"READY=1\nSTATUS=so")

    def test_watchdog(self) -> None:
        """Two signs of life in the time that is given."""
        self.supervisor.bind(self.path)
        for process in ({}, {"WATCHDOG_PID": str(os.getpid())}):
            self.assertEqual(self.ready(NOTIFY_SOCKET=self.path, WATCHDOG_USEC="60000000", **process).every, 30.0)

    def test_no_watchdog(self) -> None:
        """None if another process is meant, or what is said is no time."""
        self.supervisor.bind(self.path)
        for environment in (
            {"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"},
            {"WATCHDOG_USEC": "soon"},
            {"WATCHDOG_USEC": "0"},
            {},
        ):
            self.assertIsNone(self.ready(NOTIFY_SOCKET=self.path, **environment).every)

    def test_nobody(self) -> None:
        """Without a supervisor, with one that does not listen, or one elsewhere, the daemon runs all the same."""
        for environment in (
            {},
            {"WATCHDOG_USEC": "60000000"},
            {"NOTIFY_SOCKET": self.path},
            {"NOTIFY_SOCKET": "vsock:2:1234"},
        ):
            self.assertIsNone(self.ready(**environment)._send)

    def test_never_waits(self) -> None:
        """A supervisor that does not read holds nothing up."""
        self.supervisor.bind(self.path)
        made = self.ready(NOTIFY_SOCKET=self.path)
        for _ in range(5000):
            made.stopping()
