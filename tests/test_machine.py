"""
Tests of L{pdlease.machine}.
"""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from shutil import rmtree
from tempfile import mkdtemp

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

import pdlease
from pdlease.clock import BootClock, SystemTimes
from pdlease.config import model
from pdlease.interfaces import PrivilegeContext, StoreContext
from pdlease.machine import Machine
from pdlease.netlink.links import LinkWatch
from pdlease.places import CannotStart
from pdlease.privilege.dryrun import DryRunPrivilege
from pdlease.stores.memory import MemoryStore
from pdlease.testing import SetTimes
from tests.control.daemons import FakeDaemon
from tests.descriptors import FakeReactor, FakeSocket
from tests.house import ONE, configuration

TOP = os.path.dirname(os.path.dirname(os.path.abspath(pdlease.__file__)))


class ThreadedReactor(FakeReactor):
    """A reactor that does at once what other threads, or signals, ask for."""

    def callFromThread(self, callable: Callable[[], object]) -> None:
        callable()


class MachineTests(SynchronousTestCase):
    """Tests of L{Machine}."""

    def setUp(self) -> None:
        self.reactor = ThreadedReactor()
        self.machine = Machine(self.reactor)
        self.folder = mkdtemp()
        self.addCleanup(rmtree, self.folder)
        self.settings = model.Daemon(
            state=self.folder, control=f"{self.folder}/control.sock", control_group="", user="root", sandbox="off"
        )

    def context(self) -> PrivilegeContext:
        """What a provider is given."""
        return PrivilegeContext(
            reactor=self.reactor,  # type: ignore[arg-type]
            configuration_path="/etc/pdlease/pdlease.toml",
            configuration=configuration(ONE),
            ended=lambda sentence: None,
        )

    def test_clocks(self) -> None:
        """The clocks are those of the machine."""
        clock = self.machine.clock()
        self.assertIsInstance(clock, BootClock)
        self.assertIsInstance(self.machine.times(), SystemTimes)
        self.assertLess(abs(clock.seconds() - self.machine.times().boot()), 60)

    def test_providers(self) -> None:
        """Providers are found by name."""
        self.assertIsInstance(self.machine.privilege("dryrun", self.context()), DryRunPrivilege)
        context = StoreContext(state=self.folder, times=SetTimes())
        self.assertIsInstance(self.machine.store("memory", context), MemoryStore)

    def test_no_such_provider(self) -> None:
        """A provider that there is not, or that does not take its argument, is told in a sentence."""
        context = StoreContext(state=self.folder, times=SetTimes())
        for ask in (
            lambda: self.machine.store("nosuch", context),
            lambda: self.machine.privilege("nosuch", self.context()),
        ):
            self.assertIn("there is no 'nosuch'", str(self.assertRaises(CannotStart, ask)))
        for ask in (
            lambda: self.machine.store("memory:x", context),
            lambda: self.machine.privilege("inprocess:x", self.context()),
        ):
            self.assertIn("takes no argument, not 'x'", str(self.assertRaises(CannotStart, ask)))

    def test_control_socket(self) -> None:
        """The control socket is made, and nobody but root may use it where there is no group."""
        config = model.Config(daemon=self.settings)
        access = self.machine.listen(config, None)
        self.addCleanup(access.close)
        self.assertEqual(os.stat(self.settings.control).st_mode & 0o777, 0o600)
        self.assertEqual(access.prepare(config), ())
        service = self.machine.serve(config, access, Clock(), SetTimes(), FakeDaemon())  # type: ignore[arg-type]
        self.assertEqual(len(self.reactor.readers), 1)
        self.successResultOf(service.stopService())
        self.assertFalse(os.path.exists(self.settings.control))

    def test_no_control_socket(self) -> None:
        """A control socket that cannot be made, or a group that there is not, is told in a sentence."""
        config = model.Config(daemon=self.settings)
        wrong = evolve(config, daemon=evolve(self.settings, control_group="nosuchgroup"))
        self.assertIn("nosuchgroup", str(self.assertRaises(CannotStart, self.machine.listen, wrong, None)))
        self.assertFalse(os.path.exists(self.settings.control))
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.settings.control)
            other.listen()
            problem = self.assertRaises(CannotStart, self.machine.listen, config, None)
        self.assertIn("Another daemon listens", str(problem))

    def test_watch(self) -> None:
        """The table of what the kernel holds reads the socket that it is given."""
        watch = self.machine.watch(self.machine.clock(), FakeSocket(), 154)  # type: ignore[arg-type]
        self.assertIsInstance(watch, LinkWatch)

    def test_chance_and_port(self) -> None:
        """Randomness is made at every start; who holds port 546 is told as far as can be seen."""
        self.assertTrue(0 <= self.machine.chance().random() < 1)
        self.assertIsInstance(self.machine.port_holder(), str)

    def test_hangup(self) -> None:
        """SIGHUP is heard in the reactor, every time."""
        self.addCleanup(signal.signal, signal.SIGHUP, signal.getsignal(signal.SIGHUP))
        heard: list[str] = []
        self.machine.on_hangup(lambda: heard.append("hangup"))
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGHUP)
        self.assertEqual(heard, ["hangup", "hangup"])

    def test_rotation(self) -> None:
        """So is SIGUSR1."""
        self.addCleanup(signal.signal, signal.SIGUSR1, signal.getsignal(signal.SIGUSR1))
        heard: list[str] = []
        self.machine.on_rotation(lambda: heard.append("rotated"))
        os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual(heard, ["rotated"])

    def test_no_supervisor(self) -> None:
        """Where no supervisor wants to be told, none is."""
        self.assertIsNone(self.machine.notifier(self.machine.clock()).every)

    def sandboxed(self, user: str, privileges: str = "helper") -> str:
        """What becomes of a process that closes its sandbox, and what it logs; C{inprocess} has no capabilities."""
        text = (
            "from pdlease.machine import Machine; from pdlease.config import model; from pdlease.places import *\n"
            "from pdlease.sandbox import capabilities; from twisted.logger import globalLogPublisher, formatEvent\n"
            "globalLogPublisher.addObserver(lambda event: print(formatEvent(event)))\n"
            f"settings = model.Daemon(state={self.folder!r}, control='{self.folder}/c', user={user!r}, sandbox='off', "
            f"privileges={privileges!r})\n"
            "if settings.privileges == 'inprocess':\n"
            "    capabilities.limit(frozenset())\n"
            "try:\n"
            "    print('closed:', Machine(None).close_sandbox(settings, '/etc/pdlease/pdlease.toml'))\n"
            "except CannotStart as problem:\n"
            "    print('cannot start:', problem)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", text], cwd=TOP, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout

    def test_sandbox(self) -> None:
        """Closing the sandbox ends with what is in force, in words."""
        self.assertIn("closed: ", self.sandboxed(pwd.getpwuid(os.getuid()).pw_name))

    def test_self_test(self) -> None:
        """A daemon that is to change the kernel itself, and may not, says so in one sentence at its start."""
        name = pwd.getpwuid(os.getuid()).pw_name
        self.assertIn("--cap-add=NET_ADMIN)\nclosed: ", self.sandboxed(name, "inprocess"))
        self.assertNotIn("without the capability", self.sandboxed(name))

    def test_no_sandbox(self) -> None:
        """A user that the process cannot become is told in a sentence."""
        self.assertIn("cannot start: ", self.sandboxed("nosuchuser"))

    if os.geteuid() != 0:
        test_no_sandbox.skip = "only root becomes another user"  # type: ignore[attr-defined]
