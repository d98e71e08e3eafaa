"""Tests of pdleasectl: every command, every exit code, every JSON answer against its schema."""

from __future__ import annotations

import io
import json
import os
import sys
import types
from importlib.resources import files
from typing import Any

from jsonschema import validate
from twisted.internet import reactor  # noqa: TID251 - real sockets need the real one
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

import pdlease
from pdlease.control.cli import main, parser
from pdlease.control.peers import Roles
from pdlease.control.server import ControlService, listen_socket
from tests.control.daemons import FakeDaemon

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


def schema(name: str) -> Any:
    """One of the schemas that are shipped."""
    return json.loads((files("pdlease.control") / "schemas" / f"{name}.json").read_text())


class Outcome:
    """What a run of pdleasectl came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def json(self, name: str) -> Any:
        """The answer, which must be one JSON document of this schema."""
        document = json.loads(self.out)
        validate(document, schema(name))
        return document

    def error(self) -> dict[str, Any]:
        """The error, which must be all that was printed."""
        assert self.err == "", self.err
        error: dict[str, Any] = self.json("error")["error"]
        return error


def run(*arguments: str) -> Outcome:
    """Run pdleasectl."""
    out, err = io.StringIO(), io.StringIO()
    code = main(arguments, out, err, {})
    return Outcome(code, out.getvalue(), err.getvalue())


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

    def test_unreachable(self) -> None:
        """Without a daemon every command that needs one is exit code 3, and doctor says so."""
        for command in (["status"], ["why"], ["renew"], ["release", "wan"], ["watch"], ["log", "debug"], ["guests"]):
            outcome = run("--control", "/nonexistent/socket", "--json", *command)
            self.assertEqual((outcome.code, outcome.error()["code"]), (3, "unreachable"), command)
        findings = run("--control", "/nonexistent/socket", "doctor", "--json").json("doctor")["findings"]
        self.assertEqual(findings[0]["code"], "daemon_unreachable")

    def test_socket_from_environment(self) -> None:
        """The control socket is --control, else $PDLEASE_CONTROL, else the usual place."""
        self.patch(os, "environ", {"PDLEASE_CONTROL": "/elsewhere"})
        self.assertEqual(parser().parse_args(["status"]).control, "/elsewhere")
        self.assertEqual(parser().parse_args(["--control", "/here", "status"]).control, "/here")
        self.patch(os, "environ", {})
        self.assertEqual(parser().parse_args(["status"]).control, "/run/pdlease/control.sock")

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


class DaemonCase(TestCase):
    """pdleasectl in a thread, a daemon that only answers on a real socket."""

    def setUp(self) -> None:
        folder = self.mktemp()
        os.mkdir(folder)
        before = os.getcwd()
        os.chdir(folder)
        self.addCleanup(os.chdir, before)
        self.daemon = FakeDaemon()
        self.serve(Roles(admin_uids=frozenset({os.geteuid()})))

    def serve(self, roles: Roles) -> None:
        """Start a service."""
        self.service = ControlService(
            reactor=reactor,  # type: ignore[arg-type]
            clock=reactor,  # type: ignore[arg-type]
            daemon=self.daemon,
            listening=listen_socket("c.sock", ""),
            path="c.sock",
            roles=roles,
        )
        self.service.startService()
        self.addCleanup(lambda: self.service.running and self.service.stopService())

    def ctl(self, *arguments: str) -> Deferred[Outcome]:
        """Run pdleasectl against the daemon."""
        return deferToThread(run, "--control", "c.sock", *arguments)


class CommandTests(DaemonCase):
    async def test_json(self) -> None:
        """Every command that asks the daemon answers --json by its schema, with exit code 0."""
        self.daemon.happen(1)
        for arguments, name in (
            (["status"], "status"),
            (["status", "wan"], "status"),
            (["plan"], "plan"),
            (["why"], "why"),
            (["renew"], "outcomes"),
            (["rebind", "wan"], "outcomes"),
            (["release", "wan", "--force"], "outcomes"),
            (["reload"], "reload"),
            (["reload", "--dry-run"], "reload"),
            (["history"], "history"),
            (["history", "1"], "history"),
            (["log", "debug"], "log"),
            (["identity"], "identity"),
            (["guests"], "guests"),
            (["doctor"], "doctor"),
        ):
            outcome = await self.ctl(*arguments, "--json")
            self.assertEqual(outcome.code, 0, arguments)
            outcome.json(name)
        self.assertEqual(
            self.daemon.calls,
            [
                ("renew", None),
                ("rebind", "wan"),
                ("release", "wan", True),
                ("reload", False),
                ("reload", True),
                ("set_log_level", "debug"),
            ],
        )

    async def test_text(self) -> None:
        """Every command says something to people, without colours where it is no terminal."""
        self.daemon.happen(1)
        for arguments, words in (
            (["status"], "wan on eth0: bound"),
            (["status", "--tree"], "lan0, router 2001:db8::1"),
            (["plan"], "lan0, router 2001:db8::1"),
            (["why"], "wan is bound."),
            (["renew"], "wan: Renew was sent."),
            (["rebind"], "wan: Rebind was sent."),
            (["release", "wan", "--force"], "wan: The prefixes were given back."),
            (["reload"], "add 2001:db8::1/64 to lan0"),
            (["history"], "1  wan  moved"),
            (["identity"], "IAID  1  wan, delegation lan0"),
            (["guests"], "No guests are configured."),
        ):
            outcome = await self.ctl(*arguments)
            self.assertEqual((outcome.code, outcome.err), (0, ""))
            self.assertIn(words, outcome.out)
            self.assertNotIn("\x1b", outcome.out)

    async def test_wait(self) -> None:
        """Wait ends with 0 when the uplink is ready."""
        waiting = self.ctl("wait", "wan", "--json")

        def ready() -> None:
            if self.daemon.waits:
                self.daemon.waits.pop().callback(self.daemon.status("wan"))
            else:
                reactor.callLater(0.01, ready)  # type: ignore[attr-defined]

        ready()
        outcome = await waiting
        self.assertEqual(outcome.code, 0)
        outcome.json("status")

    async def test_wait_too_long(self) -> None:
        """Wait --timeout is exit code 1 when the time is over (D55)."""
        outcome = await self.ctl("wait", "wan", "--timeout", "0.05", "--json")
        self.assertEqual((outcome.code, outcome.error()["code"]), (1, "timed_out"))
        self.assertEqual((await self.ctl("wait", "wan", "--timeout", "-1")).code, 2)

    async def test_unknown_uplink(self) -> None:
        """An unknown uplink is exit code 2 on every command that takes one (D55)."""
        for command in ("status", "why", "wait", "renew", "rebind", "release"):
            outcome = await self.ctl(command, "lan", "--json")
            self.assertEqual((outcome.code, outcome.error()["code"]), (2, "unknown_uplink"))

    async def test_refused(self) -> None:
        """What the daemon refuses is exit code 1 with its sentence."""
        outcome = await self.ctl("release", "wan")
        self.assertEqual((outcome.code, outcome.out), (1, ""))
        self.assertIn("web1", outcome.err)

    async def test_not_allowed(self) -> None:
        """A viewer sees, and is refused what changes something: exit code 1."""
        await self.service.stopService()
        self.serve(Roles(admin_uids=frozenset(), viewer_gids=frozenset({os.getegid()})))
        self.assertEqual((await self.ctl("status")).code, 0)
        outcome = await self.ctl("renew", "--json")
        self.assertEqual((outcome.code, outcome.error()["code"]), (1, "not_allowed"))

    async def test_watch(self) -> None:
        """Watch shows a line an event, and is exit code 3 with the reason when the daemon goes."""
        self.daemon.happen(1)
        for flags, check in (([], self.is_text), (["--json"], self.is_json)):
            watching = self.ctl("watch", "--since", "0", *flags)

            def stop_once_watched() -> None:
                if self.service._connections:
                    reactor.callLater(0.05, self.service.stopService)  # type: ignore[attr-defined]
                else:
                    reactor.callLater(0.01, stop_once_watched)  # type: ignore[attr-defined]

            stop_once_watched()
            outcome = await watching
            self.assertEqual(outcome.code, 3)
            check(outcome)
            self.serve(Roles(admin_uids=frozenset({os.geteuid()})))
            self.daemon.happen(1)

    def is_text(self, outcome: Outcome) -> None:
        """One event as text."""
        self.assertRegex(outcome.out, r"^[0-9:]{8}  1  wan  moved\n$")
        self.assertIn("stopping", outcome.err)

    def is_json(self, outcome: Outcome) -> None:
        """One event and the error, a line each."""
        first, last = outcome.out.splitlines()
        validate(json.loads(first), schema("event"))
        validate(json.loads(last), schema("error"))

    async def test_hook(self) -> None:
        """With --exec a program is called, first with the whole state; one that cannot be run is exit code 1."""
        outcome = await self.ctl("watch", "--exec", "/nonexistent/hook", "--json")
        self.assertEqual((outcome.code, outcome.error()["code"]), (1, "failed"))

    async def test_gone(self) -> None:
        """A daemon that stops while it is waited for is exit code 3."""
        waiting = self.ctl("wait", "wan", "--json")

        def stop() -> None:
            if self.daemon.waits:
                self.service.stopService()
            else:
                reactor.callLater(0.01, stop)  # type: ignore[attr-defined]

        stop()
        outcome = await waiting
        self.assertEqual((outcome.code, outcome.error()["code"]), (3, "gone"))
