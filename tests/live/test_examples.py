"""
A store and a privilege provider of other distributions: those in C{docs/examples}, installed, tested, and used.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pdlease.plugins
from pdlease.providers import first_unsafe
from pdlease.testing import LeaseStoreContract, PrivilegeContract
from pdlease.wire.codes import MessageType
from tests.live.network import TOP
from tests.live.require import stop_without
from tests.live.scripted import WithServer

EXAMPLES = TOP / "docs" / "examples"


def tests_of(contract: type) -> int:
    """How many tests a contract has."""
    return len([name for name in vars(contract) if name.startswith("test_")])


@functools.cache
def installed() -> Path:
    """A folder with the examples, installed in its folder C{installed}; removed when the process ends."""
    # not trial's folder: the daemon becomes another user, who must be able to reach it
    folder = Path(tempfile.mkdtemp(prefix="pdlease-examples-"))
    atexit.register(shutil.rmtree, folder)
    folder.chmod(0o755)
    # building leaves files beside the source
    sources = [shutil.copytree(EXAMPLES / name, folder / name) for name in ("pdlease-sqlite", "pdlease-audit")]
    words = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", f"{folder}/installed")
    pip = [sys.executable, "-m", "pip", "install", *words, *map(str, sources)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False, umask=0o022)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class ExampleTests(WithServer):
    """The examples are found by C{twisted.plugin}, pass the contracts, and serve a daemon."""

    def setUp(self) -> None:
        super().setUp()
        unsafe = first_unsafe(pdlease.plugins.__path__)
        stop_without(self, f"others than root may write {unsafe}: plugins are not loaded" if unsafe else None)
        self.folder = installed()
        self.environment = {"PYTHONPATH": f"{self.folder}/installed:{TOP}", "PYTHONDONTWRITEBYTECODE": "1"}

    def passed(self, name: str, *before: str) -> int:
        """Run an example's own tests, which must pass, all of them; how many there were."""
        trial = [*before, sys.executable, "-m", "twisted.trial", f"--temp-directory={self.folder}/trial-{name}"]
        done = subprocess.run(
            [*trial, f"test_{name.replace('-', '_')}"],
            cwd=self.folder / name,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr)
        found = re.search(r"^PASSED \(successes=(\d+)\)$", done.stdout, re.MULTILINE)
        assert found is not None, done.stdout[-500:]
        return int(found[1])

    def test_contract(self) -> None:
        """
        Store and provider pass every test of their contract, the provider on a real kernel, and none is skipped
        (issue 4, point 7).
        """
        self.assertGreater(self.passed("pdlease-sqlite"), tests_of(LeaseStoreContract))
        self.assertGreater(self.passed("pdlease-audit", "unshare", "--net"), tests_of(PrivilegeContract))

    def test_used(self) -> None:
        """
        A daemon that is told to use both does, behind its sandbox, whose answer is death; after kill -9 it has the same
        identity and the same prefix again.
        """
        audit = self.folder / "audit"
        self.server.start()
        extra = f'sandbox_action = "kill"\nstore = "sqlite"\nprivileges = "audit:{audit}"'
        self.daemon = self.make_daemon(self.network, extra=extra)
        self.daemon.start(env=self.environment)
        held = self.daemon.bound()["prefixes"]
        identity = self.daemon.ctl("identity", "--json").stdout
        self.assertFalse((self.daemon.state / "identity.json").exists())
        self.daemon.ctl("reload")
        self.daemon.kill()
        since = self.now()
        self.daemon.start(env=self.environment)
        self.first(self.heard, MessageType.REBIND, since, 5)
        self.assertEqual([one["prefix"] for one in self.daemon.bound()["prefixes"]], [one["prefix"] for one in held])
        self.assertEqual(self.daemon.ctl("identity", "--json").stdout, identity)
        noted = [json.loads(line)[1:] for line in audit.read_text().splitlines()]
        for address in self.on_lan(self.network):
            self.assertIn([f"add {address} to lan0", None], noted)
        self.assertIn(["put the configuration in force", None], noted)
