"""Tests of pdleasectl as far as it needs no daemon."""

from __future__ import annotations

import io
import os
import sys
import types
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from twisted.trial.unittest import SynchronousTestCase

import pdlease
from pdlease.control.blocking import default_path
from pdlease.control.cli import main, parser
from pdlease.control.manual import subcommands
from tests.control.running import run, schema

GOOD = """
[uplinks.wan]
link = "eth0"
[[uplinks.wan.delegations]]
downstreams = ["lan0", "lan1/60"]
"""


BAD = """
[uplinks.wan]
lnk = "eth0"
[[uplinks.wan.delegations]]
downstreams = ["lan0/300"]
"""


SCHEMAS = {
    **{name: name for name in ("check", "convert", "plan", "status", "why", "reload", "history", "log", "guests")},
    **{name: name for name in ("counters", "doctor", "cleanup", "demo")},
    **dict.fromkeys(("renew", "rebind", "request", "release"), "outcomes"),
    "wait": "status",
    "watch": "event",
}
"""Which schema the answer of a command has; those of C{identity} have two."""


class OfflineTests(SynchronousTestCase):
    def file(self, text: str) -> str:
        """A configuration file."""
        path = self.mktemp()
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o644)
        return path

    def test_check_good(self) -> None:
        """A good file is ok, exit code 0."""
        path = self.file(GOOD)
        outcome = run("check", path)
        self.assertEqual((outcome.code, outcome.err), (0, ""))
        self.assertIn(f"{path}: ok", outcome.out)
        self.assertEqual(run("check", path, "--json").json("check")["file"], path)

    def test_check_bad(self) -> None:
        """A bad file is exit code 2 with every error on standard error, each with its dotted path."""
        outcome = run("check", self.file(BAD))
        self.assertEqual((outcome.code, outcome.out), (2, ""))
        self.assertIn("uplinks.wan.lnk", outcome.err)
        self.assertIn("uplinks.wan.delegations[0].downstreams[0]", outcome.err)

    def test_check_bad_json(self) -> None:
        """With --json the errors are one document on standard output, the path of the first one in `path`."""
        outcome = run("--json", "check", self.file(BAD))
        error = outcome.error()
        self.assertEqual((outcome.code, error["code"]), (2, "configuration"))
        self.assertEqual(len(error["errors"]), 2)
        self.assertEqual(error["path"], error["errors"][0]["path"])

    def test_check_missing(self) -> None:
        """A file that is not there is exit code 2."""
        self.assertEqual(run("check", "/nonexistent/file.toml").code, 2)

    def test_check_writable(self) -> None:
        """A file that others may write is warned of, since the daemon's helper will refuse it."""
        path = self.file(GOOD)
        os.chmod(path, 0o666)
        self.assertIn("chmod go-w", run("check", path).out)

    def test_plan(self) -> None:
        """A plan of a file needs no daemon: a tree for people, the design's document for programs."""
        path = self.file(GOOD)
        outcome = run("plan", path, "--prefix", "2001:db8::/56")
        self.assertEqual(outcome.code, 0)
        self.assertIn("lan1, router 2001:db8:0:10::1", outcome.out)
        document = run("plan", path, "--prefix", "2001:db8::/56", "--json").json("plan")
        self.assertEqual(document["uplinks"]["wan"][0]["assignments"][0]["address"], "2001:db8::1")

    def test_plan_wrong_prefix(self) -> None:
        """What is no prefix, and more prefixes than delegations, are exit code 2."""
        path = self.file(GOOD)
        self.assertEqual(run("plan", path, "--prefix", "lan0").code, 2)
        self.assertEqual(run("plan", path, "--prefix", "2001:db8::/56", "--prefix", "2001:db8:1::/56").code, 2)
        self.assertEqual(run("plan", "--prefix", "2001:db8::/56").code, 2)

    def test_usage(self) -> None:
        """A wrong command line is exit code 2, and with --json a document."""
        for arguments in ([], ["teleport"], ["status", "a", "b"], ["log", "loud"], ["wait"]):
            self.assertEqual(run(*arguments).code, 2, arguments)
            self.assertEqual(run("--json", *arguments).error()["code"], "usage")

    def test_version(self) -> None:
        """--version tells it, also as JSON."""
        self.assertTrue(run("--version").out.startswith("pdleasectl "))
        self.assertEqual(run("--version", "--json").json("version")["protocol"], {"oldest": 1, "newest": 1})

    def test_help(self) -> None:
        """Help names every command and ends with 0."""
        with self.captured_output() as out:
            self.assertEqual(run("--help").code, 0)
        for name in ("check", "plan", "status", "wait", "why", "watch", "cleanup", "demo", "doctor"):
            self.assertIn(name, out.getvalue())

    def captured_output(self) -> Any:
        """What argparse prints itself."""
        from contextlib import redirect_stdout

        return redirect_stdout(io.StringIO())

    def test_interrupted(self) -> None:
        """An interrupt ends quietly with 130; so does a reader that goes away, with 1."""

        class Interrupted(io.StringIO):
            def write(self, text: str) -> int:
                raise KeyboardInterrupt

        class Closed(io.StringIO):
            def write(self, text: str) -> int:
                raise BrokenPipeError

        self.assertEqual(main(["--version"], Interrupted(), io.StringIO(), {}), 130)
        self.assertEqual(main(["--version"], Closed(), io.StringIO(), {}), 1)

    def test_writes_to_a_closed_pipe(self) -> None:
        """As a program, too, it says nothing when its reader has gone."""
        import subprocess

        top = os.path.dirname(os.path.dirname(pdlease.__file__))
        command = f"{sys.executable} -m pdlease.control.cli --version --json | true"
        finished = subprocess.run(["sh", "-c", command], check=False, capture_output=True, cwd=top)
        self.assertEqual(finished.stderr, b"")

    def test_schemas(self) -> None:
        """Every command has a schema of its answer, with a version and a description, and no schema is of nothing."""
        for name in {"error", *SCHEMAS.values()}:
            document = schema(name)
            Draft202012Validator.check_schema(document)
            self.assertEqual(document["$id"], f"urn:pdlease:{name}:1")
            self.assertTrue(document["description"])
        own = {"identity": "", "identity show": "identity", "identity renew": "becoming", "identity import": "becoming"}
        commands = {name: own.get(name, SCHEMAS.get(name)) for name in subcommands(parser())}
        self.assertNotIn(None, commands.values())
        shipped = {entry.name.removesuffix(".json") for entry in (files("pdlease.control") / "schemas").iterdir()}
        others = {"error", "hook", "version", "tree"}
        self.assertEqual(shipped, {*filter(None, commands.values()), *others})

    def test_unreachable(self) -> None:
        """Without a daemon every command that needs one is exit code 3, and doctor says so."""
        for command in (["status"], ["why"], ["renew"], ["release", "wan"], ["watch"], ["log", "debug"], ["guests"]):
            outcome = run("--control", "/nonexistent/socket", "--json", *command)
            self.assertEqual((outcome.code, outcome.error()["code"]), (3, "unreachable"), command)
        findings = run("--control", "/nonexistent/socket", "doctor", "--json").json("doctor")["findings"]
        self.assertEqual(findings[0]["code"], "daemon_unreachable")

    def test_which_socket(self) -> None:
        """The control socket is --control, wherever it stands, else $PDLEASE_CONTROL, else the usual one."""

        def reached(*arguments: str, environment: dict[str, str]) -> str:
            err = io.StringIO()
            self.assertEqual(main(arguments, io.StringIO(), err, environment), 3)
            return err.getvalue()

        elsewhere = {"PDLEASE_CONTROL": "/nonexistent/elsewhere"}
        self.assertIn("at /nonexistent/elsewhere:", reached("status", environment=elsewhere))
        for arguments in (["--control", "/nonexistent/here", "status"], ["status", "--control", "/nonexistent/here"]):
            self.assertIn("at /nonexistent/here:", reached(*arguments, environment=elsewhere))
        self.assertEqual(default_path({}), "/run/pdlease/control.sock")

    def test_no_twisted(self) -> None:
        """Pdleasectl starts without importing Twisted or zope."""
        import subprocess

        code = (
            "import sys, pdlease.control.cli as cli; cli.main(['--control', '/nonexistent', '--json', 'status']);"
            "sys.exit(any(name.split('.')[0] in ('twisted', 'zope', 'pyroute2') for name in sys.modules))"
        )
        top = os.path.dirname(os.path.dirname(pdlease.__file__))
        finished = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, cwd=top)
        self.assertEqual(finished.returncode, 0, finished.stderr)


class StreetTests(SynchronousTestCase):
    def module(self, name: str, **content: object) -> None:
        """Put a module of a room above in place."""
        module = types.ModuleType(name)
        for key, value in content.items():
            setattr(module, key, value)
        self.patch(sys, "modules", {**sys.modules, name: module})

    def test_cleanup(self) -> None:
        """Cleanup tells what was removed, from the configuration that is named."""
        asked: list[str] = []

        def cleanup(path: str) -> list[str]:
            asked.append(path)
            return ["remove 2001:db8::1/64 from lan0"]

        self.module("pdlease.cleaning", cleanup=cleanup)
        self.assertIn("remove 2001:db8::1/64", run("cleanup", "--config", "x.toml").out)
        self.assertEqual(len(run("cleanup", "--json").json("cleanup")["removed"]), 1)
        self.assertEqual(asked, ["x.toml", "/etc/pdlease/pdlease.toml"])

    def test_cleanup_refused(self) -> None:
        """While a daemon runs, cleanup is exit code 1 with the reason; a wrong file is 2."""
        from pdlease.config.errors import ConfigError, ConfigErrors

        class AlreadyRunning(Exception):
            """As the service raises it."""

        def running(path: str) -> list[str]:
            raise AlreadyRunning("a daemon runs")

        def wrong(path: str) -> list[str]:
            raise ConfigErrors(path, [ConfigError("daemon", "wrong")])

        self.module("pdlease.cleaning", cleanup=running)
        outcome = run("cleanup", "--json")
        self.assertEqual((outcome.code, outcome.error()["message"]), (1, "a daemon runs"))
        self.module("pdlease.cleaning", cleanup=wrong)
        self.assertEqual(run("cleanup", "--json").error()["path"], "daemon")

    def test_cleanup_without_file(self) -> None:
        """A configuration file that is not there is exit code 2, anything else that fails 1."""

        def missing(path: str) -> list[str]:
            raise FileNotFoundError(2, "No such file or directory", path)

        def ledger(path: str) -> list[str]:
            raise PermissionError(13, "Permission denied", "/var/lib/pdlease/ledger")

        self.module("pdlease.cleaning", cleanup=missing)
        self.assertEqual(run("cleanup", "--config", "x.toml", "--json").code, 2)
        self.module("pdlease.cleaning", cleanup=ledger)
        outcome = run("cleanup")
        self.assertEqual((outcome.code, outcome.err), (1, "pdleasectl: /var/lib/pdlease/ledger: Permission denied\n"))

    def test_demo(self) -> None:
        """Demo hands its arguments on and ends as the demonstration does."""
        asked: list[list[str]] = []

        def demonstration(arguments: list[str]) -> int:
            asked.append(arguments)
            return 7

        self.module("pdlease.demo.demonstration", main=demonstration)
        self.assertEqual(run("demo", "--slow", "x").code, 7)
        self.assertEqual(asked, [["--slow", "x"]])
