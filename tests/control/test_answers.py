"""Tests of pdleasectl against a daemon that only answers: every command, exit code and JSON schema."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from jsonschema import validate
from twisted.internet import reactor  # noqa: TID251 - real sockets need the real one
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

import pdlease
from pdlease.control.listening import listen_socket
from pdlease.control.roles import Roles
from pdlease.control.server import ControlService
from tests.control.daemons import SPACE, FakeDaemon
from tests.control.running import Outcome, run, schema
from tests.live.network import children_of


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
            (["counters"], "counters"),
            (["counters", "wan"], "counters"),
            (["request"], "outcomes"),
            (["request", "wan"], "outcomes"),
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
                ("request", None),
                ("request", "wan"),
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

    async def test_tree(self) -> None:
        """
        The delegated space is a tree with what is free, of all uplinks or of one; for programs it is a document of its
        own, and the plan stays what the design says, without it.
        """
        tree = "wan on eth0\n└─ 2001:db8::/63 (IAID 1, needs a /64, asks for a /64)\n"
        tree += "   ├─ 2001:db8::/64      lan0, router 2001:db8::1\n   └─ 2001:db8:0:1::/64  free\n"
        for arguments in (("plan",), ("status", "--tree"), ("status", "wan", "--tree")):
            self.assertEqual((await self.ctl(*arguments)).out, tree)
        document = (await self.ctl("status", "--tree", "--json")).json("tree")
        self.assertEqual(document, {"schema": 1, "uplinks": SPACE})
        self.assertNotIn("space", (await self.ctl("plan", "--json")).json("plan"))
        outcome = await self.ctl("status", "lan", "--tree", "--json")
        self.assertEqual((outcome.code, outcome.error()["code"]), (2, "unknown_uplink"))

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
        self.assertRegex(outcome.out, r"^[0-9:]{8}     1  wan  moved\n$")
        self.assertIn("stopping", outcome.err)

    def is_json(self, outcome: Outcome) -> None:
        """One event and the error, a line each."""
        first, last = outcome.out.splitlines()
        validate(json.loads(first), schema("event"))
        validate(json.loads(last), schema("error"))

    async def test_hook(self) -> None:
        """With --exec a program that cannot be run is exit code 1; what makes no sense with it is a usage error."""
        outcome = await self.ctl("watch", "--json", "--exec", "/nonexistent/hook", "--an-argument")
        self.assertEqual((outcome.code, outcome.error()["code"]), (1, "failed"))
        for words in (["--exec"], ["--since", "3", "--exec", "true"], ["--every", "0", "--exec", "true"]):
            self.assertEqual((await self.ctl("watch", *words)).code, 2, words)

    async def test_hook_run(self) -> None:
        """
        With --exec a program is run with its arguments and the whole state on its input; SIGTERM ends it first, and
        then the watching, with 143.
        """
        path = os.path.abspath(self.mktemp())
        program = "import sys, time; open(sys.argv[1], 'w').write(sys.stdin.read()); time.sleep(300)"
        words = ("--control", os.path.abspath("c.sock"), "watch", "--exec", sys.executable, "-c", program, path)
        top = os.path.dirname(os.path.dirname(pdlease.__file__))

        def watch() -> int:
            with subprocess.Popen([sys.executable, "-m", "pdlease.control.cli", *words], cwd=top) as watching:
                end = time.monotonic() + 20
                while not (os.path.exists(path) and os.path.getsize(path)) and time.monotonic() < end:
                    time.sleep(0.05)
                (running,) = children_of(watching.pid)
                watching.terminate()
                code = watching.wait(10)
                self.assertFalse(os.path.exists(f"/proc/{running}"))
                return code

        self.assertEqual(await deferToThread(watch), 143)
        with open(path) as file:
            document = json.load(file)
        validate(document, schema("hook"))
        validate(document["state"], schema("status"))
        self.assertEqual(document["cause"], "start")

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
