"""
Tests for L{pdlease.privilege.helper} and L{pdlease.privilege.inprocess} as far as they need no process and no right;
the rest is in C{tests/live}.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

from twisted.internet import reactor  # noqa: TID251
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.testing import MemoryReactor
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

import pdlease
from pdlease.interfaces import IPrivilege, IPrivilegeFactory, PrivilegeContext
from pdlease.operations import PrivilegeError
from pdlease.privilege import helper, inprocess
from tests.privilege.values import PUT_ADDRESS, config


def context(path: str, said: list[str]) -> PrivilegeContext:
    """A context for a configuration that nobody reads."""
    return PrivilegeContext(reactor=reactor, configuration_path=path, configuration=config(), ended=said.append)


class FactoryTests(SynchronousTestCase):
    """The factories."""

    def test_interfaces(self) -> None:
        """
        Factories and what they build provide the interfaces, and take no argument.
        """
        for factory in (helper.factory, inprocess.factory):
            verifyObject(IPrivilegeFactory, factory)
            verifyObject(IPrivilege, factory.build("", context("/nowhere", [])))
            self.assertRaises(ValueError, factory.build, "x", context("/nowhere", []))

    def test_not_started(self) -> None:
        """
        Before start every question fails with an answer, and stopping is done.
        """
        for factory, said in (
            (helper.factory, "the helper is not running"),
            (inprocess.factory, "the privilege provider is not started"),
        ):
            provider = factory.build("", context("/nowhere", []))
            for waited in (
                *provider.perform([PUT_ADDRESS]),
                provider.open_client_socket("wan0", 2),
                provider.open_route_socket(),
                provider.reload(),
                provider.adopt(b""),
            ):
                error = self.failureResultOf(waited, PrivilegeError).value
                self.assertEqual(error.reason, said)
            self.assertIsNone(self.successResultOf(provider.stop()))

    def test_no_configuration(self) -> None:
        """
        In this process a configuration that is not there is an error of the start.
        """
        provider = inprocess.factory.build("", context("/nowhere/pdlease.toml", []))
        error = self.failureResultOf(provider.start(), PrivilegeError).value
        self.assertEqual(str(error), "read /nowhere/pdlease.toml: No such file or directory")


class ImportFolderTests(SynchronousTestCase):
    """L{helper.import_folders}."""

    def test_where_these_packages_are(self) -> None:
        """
        The folders are those that pdlease and attrs were imported from, each once.
        """
        folders = helper.import_folders()
        assert pdlease.__file__ is not None
        self.assertEqual(folders[0], os.path.dirname(os.path.dirname(os.path.abspath(pdlease.__file__))))
        for name in folders:
            self.assertIn(os.path.realpath(name), [os.path.realpath(entry or ".") for entry in sys.path])

    def test_folders_that_everybody_may_write(self) -> None:
        """
        A folder that everybody may write is refused for a helper that starts as root, and only then.
        """
        package = os.path.join(os.path.abspath(self.mktemp()), "some")
        os.makedirs(package)
        module = ModuleType("some")
        module.__file__ = os.path.join(package, "__init__.py")
        self.assertEqual(helper.import_folders([module], is_root=True), [os.path.dirname(package)])
        for folder in (package, os.path.dirname(package)):
            os.chmod(folder, 0o777)
            error = self.assertRaises(PrivilegeError, helper.import_folders, [module], is_root=True)
            self.assertEqual(error.reason, f"everybody may write {folder}, where its program is")
            self.assertEqual(len(helper.import_folders([module])), 1)
            os.chmod(folder, 0o755)


class ProcessTests(SynchronousTestCase):
    """What is heard of the helper process."""

    def setUp(self) -> None:
        self.said: list[str] = []
        self.provider = helper.HelperPrivilege(context("/nowhere", self.said))

    def test_end(self) -> None:
        """
        Its end is told in words, with status or signal.
        """
        for reason, said in (
            (ProcessDone(0), "the helper process ended (status 0)"),
            (ProcessTerminated(3, None, None), "the helper process ended (status 3)"),
            (ProcessTerminated(None, 9, None), "the helper process ended (killed by signal 9)"),
        ):
            helper._Process(self.provider).processEnded(Failure(reason))
            self.assertEqual(self.said.pop(), said)

    def test_standard_error(self) -> None:
        """
        Lines that the helper writes are logged whole, however they arrive, and an endless one takes no memory.
        """
        process = helper._Process(self.provider)
        with capturedLogs() as logs:
            for part in (b"one\ntw", b"o\n", b"x" * 100_000):
                process.errReceived(part)
        self.assertEqual([event["line"] for event in logs], ["one", "two"])
        self.assertLess(len(process._line), 5000)

    def test_cannot_be_started(self) -> None:
        """
        A process that cannot be made is an error of the start in the system's words.
        """

        class NoProcesses(MemoryReactor):
            def spawnProcess(self, *args: object, **kwargs: object) -> None:
                raise OSError(11, "Resource temporarily unavailable")

        self.provider._reactor = NoProcesses()
        error = self.failureResultOf(self.provider.start(), PrivilegeError).value
        self.assertEqual(str(error), "start the helper: Resource temporarily unavailable")
