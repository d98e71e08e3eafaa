"""
Tests of L{pdlease.tap}, and that twistd finds it.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Any

from twisted.application.service import IService, IServiceMaker
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

from pdlease.logs import level, set_level
from pdlease.service import Daemon
from pdlease.tap import DEFAULT_PATH, Options, makeService
from tests.house import ONE

WRONG = """
[uplinks.wan]
lnk = "eth0"
rate_limit = [0, 20]
[[uplinks.wan.delegations]]
downstreams = ["lan0/300"]
"""


class OptionsTests(SynchronousTestCase):
    """Tests of L{Options}: exit 2 is for configuration, told on standard error, before anything is touched."""

    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.mkdir(self.folder)
        self.path = os.path.join(self.folder, "pdlease.toml")

    def write(self, text: str) -> None:
        """The configuration file says this."""
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)

    def parsed(self, parent: dict[str, Any] | None = None, *words: str) -> Options:
        """The options."""
        options = Options()
        options.parent = parent
        options.parseOptions(["--config", self.path, *words])
        return options

    def refused(self, parent: dict[str, Any] | None = None, *words: str) -> str:
        """What is told when the options are refused with status 2."""
        before, sys.stderr = sys.stderr, io.StringIO()
        try:
            problem = self.assertRaises(SystemExit, self.parsed, parent, *words)
            told: str = sys.stderr.getvalue()  # type: ignore[attr-defined]
        finally:
            sys.stderr = before
        self.assertEqual(problem.code, 2)
        return told

    def test_good(self) -> None:
        """A good file is read once: model, bytes and absolute path are kept."""
        self.write(ONE)
        options = self.parsed({})
        self.assertEqual([uplink.name for uplink in options.config.uplinks], ["wan"])
        self.assertEqual((options.source, options["config"]), (ONE.encode(), self.path))

    def test_relative(self) -> None:
        """A path is made absolute, since a daemon changes its folder."""
        self.write(ONE)
        self.path = os.path.relpath(self.path)
        self.assertTrue(os.path.isabs(self.parsed()["config"]))

    def test_default(self) -> None:
        """Without a word the file is that of the system."""
        self.assertEqual((Options()["config"], DEFAULT_PATH), (DEFAULT_PATH, "/etc/pdlease/pdlease.toml"))

    def test_every_error(self) -> None:
        """All that is wrong is told at once, each with its dotted path."""
        self.write(WRONG)
        lines = self.refused().splitlines()
        self.assertEqual(len(lines), 3)
        for path in ("uplinks.wan.lnk", "uplinks.wan.rate_limit", "uplinks.wan.delegations[0].downstreams[0]"):
            self.assertTrue([line for line in lines if line.startswith(f"{self.path}: {path}")], path)

    def test_not_toml(self) -> None:
        """What is no TOML at all is told with the place."""
        self.write("[uplinks.wan\n")
        self.assertIn(f"{self.path}: ", self.refused())

    def test_missing(self) -> None:
        """A missing file is told with its path."""
        self.assertEqual(self.refused(), f"{self.path}: No such file or directory\n")

    def test_root_only(self) -> None:
        """C{--uid} and C{--gid} of twistd are refused, with what to do instead (design 6)."""
        self.write(ONE)
        for parent in ({"uid": 0, "gid": None}, {"uid": None, "gid": 33}):
            self.assertIn("set `user` in the configuration", self.refused(parent))

    def test_pidfile(self) -> None:
        """In the foreground no pidfile is written unless one is asked for; in the background twistd's own stays."""
        self.write(ONE)
        for nodaemon, pidfile, outcome in (
            (True, "twistd.pid", ""),
            (True, "/run/other.pid", "/run/other.pid"),
            (False, "twistd.pid", "twistd.pid"),
        ):
            parent = {"nodaemon": nodaemon, "pidfile": pidfile}
            self.parsed(parent)
            self.assertEqual(parent["pidfile"], outcome)

    def test_log(self) -> None:
        """The form of log lines and how much is logged at first are words out of a few; others are refused."""
        self.write(ONE)
        options = self.parsed({}, "--log-format", "json", "--log-level", "verbose")
        self.assertEqual((options["log-format"], options["log-level"]), ("json", "verbose"))
        self.assertEqual(
            self.refused({}, "--log-format", "xml"), "--log-format xml: expected one of text, journal, json\n"
        )
        self.assertEqual(
            self.refused({}, "--log-level", "loud"), "--log-level loud: expected one of debug, verbose, brief\n"
        )


class ServiceTests(SynchronousTestCase):
    """Tests of L{makeService} and of the plugin."""

    def test_made(self) -> None:
        """The service that is made is the daemon, with nothing started."""
        path = os.path.abspath(self.mktemp())
        with open(path, "w", encoding="utf-8") as file:
            file.write(ONE)
        options = Options()
        options.parseOptions(["--config", path])
        service = makeService(options)
        self.assertTrue(IService.providedBy(service))
        assert isinstance(service, Daemon)
        self.assertEqual((service.path, service.config, service.running), (path, options.config, 0))
        self.assertIsNone(service.router)

    def test_log(self) -> None:
        """The service brings its log along: to the file of C{--logfile}, which is opened again at SIGUSR1."""
        self.addCleanup(set_level, level())
        self.addCleanup(signal.signal, signal.SIGUSR1, signal.getsignal(signal.SIGUSR1))
        path, log = os.path.abspath(self.mktemp()), os.path.abspath(self.mktemp())
        with open(path, "w", encoding="utf-8") as file:
            file.write(ONE)
        options = Options()
        options.parent = {"logfile": log, "nodaemon": True}
        options.parseOptions(["--config", path, "--log-level", "verbose"])
        service = makeService(options)
        assert isinstance(service, Daemon) and service.observer is not None
        self.addCleanup(service.observer._out.close)
        self.assertEqual((level(), service.observer.folder), ("verbose", os.path.dirname(log)))
        self.assertTrue(callable(signal.getsignal(signal.SIGUSR1)))

    def test_no_log(self) -> None:
        """A log that cannot be opened is told in a sentence, with status 1."""
        path = os.path.abspath(self.mktemp())
        with open(path, "w", encoding="utf-8") as file:
            file.write(ONE)
        options = Options()
        options.parent = {"logfile": f"{path}/log"}
        options.parseOptions(["--config", path])
        before, sys.stderr = sys.stderr, io.StringIO()
        try:
            problem = self.assertRaises(SystemExit, makeService, options)
            told = sys.stderr.getvalue()  # type: ignore[attr-defined]
        finally:
            sys.stderr = before
        self.assertEqual((problem.code, told), (1, f"pdlease: the log {path}/log: Not a directory\n"))

    def test_plugin(self) -> None:
        """Twistd knows C{pdlease}, and where its options are."""
        (found,) = (maker for maker in getPlugins(IServiceMaker) if maker.tapname == "pdlease")
        self.assertIs(found.options, Options)
