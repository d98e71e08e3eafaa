"""Tests of L{pdlease.providers}."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import pdlease
from pdlease import plugins
from pdlease.interfaces import ILeaseStore, ILeaseStoreFactory, StoreContext
from pdlease.providers import BUILT_IN, NoSuchProvider, UnsafePlugins, find, first_unsafe, resolve
from pdlease.stores.memory import MemoryStore
from pdlease.testing import SetTimes

PLUGIN = """
from twisted.plugin import IPlugin
from zope.interface import implementer
from pdlease.interfaces import ILeaseStoreFactory
from pdlease.stores.memory import MemoryStore


@implementer(IPlugin, ILeaseStoreFactory)
class Factory:
    name = "cloud"
    summary = "keeps leases far away"
    argument = "HOST"

    def build(self, argument, context):
        if not argument:
            raise ValueError("cloud needs a host")
        return MemoryStore(context.times)


factory = Factory()
"""


class ResolveTests(SynchronousTestCase):
    """
    From the configuration's text to a provider.
    """

    def setUp(self) -> None:
        """The context of a store."""
        self.context = StoreContext(state="/nonexistent", times=SetTimes())

    def plugin(self) -> Path:
        """Install a plugin of another package for this test."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir(mode=0o755)
        (folder / "cloud.py").write_text(PLUGIN)
        (folder / "cloud.py").chmod(0o644)
        plugins.__path__.append(str(folder))
        self.addCleanup(plugins.__path__.remove, str(folder))
        self.addCleanup(sys.modules.pop, "pdlease.plugins.cloud", None)
        return folder

    def safe(self) -> None:
        """Skip where the checkout itself is not root's alone and the test runs as root."""
        if os.geteuid() == 0 and (unsafe := first_unsafe(plugins.__path__)):
            self.skipTest(f"run as root, and others may write {unsafe}")

    def test_built_in(self) -> None:
        """
        A built-in store is made by its name alone.
        """
        self.assertIsInstance(resolve("store", "memory", self.context), MemoryStore)

    def test_every_built_in_store(self) -> None:
        """
        Every built-in store's factory bears the name by which it is found.
        """
        for name in BUILT_IN["store"]:
            factory = find("store", name)
            self.assertTrue(ILeaseStoreFactory.providedBy(factory))
            self.assertEqual(factory.name, name)

    def test_built_in_imports_nothing_else(self) -> None:
        """
        Finding a built-in name neither looks for plugins nor imports another provider (design 12).
        """
        program = (
            "import sys; from pdlease.providers import find; find('store', 'memory');"
            "print([m for m in sys.modules if m in ('twisted.plugin', 'pdlease.plugins', 'pdlease.stores.file')"
            " or m.startswith('pdlease.privilege')])"
        )
        folder = os.path.dirname(os.path.dirname(os.path.abspath(pdlease.__file__)))
        found = subprocess.run(
            [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
        ).stdout
        self.assertEqual(found, "[]\n")

    def test_unknown_name_lists_the_known(self) -> None:
        """
        A name that nothing bears is answered with what there is.
        """
        self.safe()
        self.plugin()
        error = self.assertRaises(NoSuchProvider, resolve, "store", "mermory", self.context)
        self.assertEqual(error.known, ("cloud", "file", "memory"))
        self.assertIn("'mermory'", str(error))
        self.assertIn("cloud, file, memory", str(error))

    def test_plugin(self) -> None:
        """
        A store of another package is found by its name and given what stands after the first colon.
        """
        self.safe()
        self.plugin()
        store = resolve("store", "cloud:[2001:db8::1]:80", self.context)
        self.assertTrue(ILeaseStore.providedBy(store))
        error = self.assertRaises(ValueError, resolve, "store", "cloud", self.context)
        self.assertEqual(str(error), "cloud needs a host")

    def test_plugin_of_the_other_kind(self) -> None:
        """
        A store is no privilege provider.
        """
        self.safe()
        self.plugin()
        error = self.assertRaises(NoSuchProvider, find, "privileges", "cloud")
        self.assertNotIn("cloud", error.known)

    def test_unsafe_plugins_are_refused_to_root(self) -> None:
        """
        As root no plugin is imported when others may write one (design 12); the error names the file.
        """
        if os.geteuid() != 0:
            self.skipTest("the rule is for root")
        self.safe()
        folder = self.plugin()
        (folder / "cloud.py").chmod(0o666)
        error = self.assertRaises(UnsafePlugins, find, "store", "cloud")
        self.assertEqual(error.path, str(folder / "cloud.py"))
        self.assertIn("cloud.py", str(error))
        self.assertNotIn("pdlease.plugins.cloud", sys.modules)


class FirstUnsafeTests(SynchronousTestCase):
    """
    L{first_unsafe}.
    """

    def setUp(self) -> None:
        """A folder with a module and a cache in it, below a sticky folder for all."""
        self.above = Path(self.mktemp()).absolute()
        self.folder = self.above / "plugins"
        (self.folder / "__pycache__").mkdir(parents=True)
        self.module = self.folder / "one.py"
        self.compiled = self.folder / "__pycache__" / "one.pyc"
        for file in (self.module, self.compiled):
            file.touch(0o644)
        for path in (self.above, self.folder, self.compiled.parent):
            path.chmod(0o755)
        if first_unsafe([str(self.folder)], os.geteuid()) is not None:
            self.skipTest("the folder of the tests itself is below one that others may write")

    def unsafe(self) -> str | None:
        """What is found."""
        return first_unsafe([str(self.folder), "/nonexistent"], os.geteuid())

    def test_whatever_others_may_write(self) -> None:
        """
        Group and world, a module, its compiled form, the folder, a folder above: each is found.
        """
        for path in (self.module, self.compiled, self.compiled.parent, self.folder, self.above):
            for bit in (0o020, 0o002):
                mode = path.stat().st_mode
                path.chmod(mode | bit)
                self.assertEqual(self.unsafe(), str(path))
                path.chmod(mode)
        self.assertIsNone(self.unsafe())

    def test_sticky(self) -> None:
        """
        A sticky folder above is like C{/tmp}; the folder of plugins itself may not be one.
        """
        self.above.chmod(0o1777)
        self.assertIsNone(self.unsafe())
        self.folder.chmod(0o1777)
        self.assertEqual(self.unsafe(), str(self.folder))

    def test_other_owner(self) -> None:
        """
        What belongs to somebody else is unsafe whatever its mode.
        """
        self.assertIsNotNone(first_unsafe([str(self.folder)], os.geteuid() + 1))
