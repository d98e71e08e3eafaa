"""Tests of dhcp6leasectl."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.states import State
from pdlease.control.leasectl import STATES, duration, main, report
from pdlease.control.roles import Roles
from tests.control.daemons import WAN
from tests.control.running import Outcome
from tests.control.test_answers import DaemonCase

TOP = Path(__file__).parents[2]

REPORT = "eth0 [Bound]\n\tIA_PD 1: 2001:db8::/56\n\tlease 2 hours\n"


class ReportTests(SynchronousTestCase):
    def test_duration(self) -> None:
        """A time is told in the largest unit of which there is more than one, to the nearest, a half being no whole."""
        for seconds, words in (
            (-1, "0 second"),
            (0, "0 second"),
            (1, "1 second"),
            (60, "60 seconds"),
            (61, "1 minute"),
            (90, "1 minute"),
            (91, "2 minutes"),
            (3600, "60 minutes"),
            (3601, "1 hour"),
            (7200, "2 hours"),
            (86400, "24 hours"),
            (86401, "1 day"),
            (86400 * 3 // 2, "1 day"),
            (86400 * 3 // 2 + 1, "2 days"),
            (604800, "7 days"),
        ):
            self.assertEqual(duration(seconds), words, seconds)

    def test_report(self) -> None:
        """The report has the state, each prefix in the order of its IAID, and the lifetime that ends first."""
        first, second = WAN["prefixes"][0], {"prefix": "2001:db8:1::/64", "iaid": 0, "valid_seconds": 3600.0}
        uplink = {**WAN, "prefixes": [first, {**second, "infinite": False}]}
        self.assertEqual(
            report("eth0", uplink),
            "eth0 [Bound]\n\tIA_PD 0: 2001:db8:1::/64\n\tIA_PD 1: 2001:db8::/56\n\tlease 60 minutes\n",
        )
        self.assertEqual(report("eth0", {**WAN, "prefixes": [], "state": "soliciting"}), "eth0 [Init]\n")
        forever = {**WAN, "prefixes": [{**first, "valid_seconds": None, "infinite": True}]}
        self.assertTrue(report("eth0", forever).endswith("\n\tlease infinite\n"))
        self.assertNotIn("\x1b", report("eth\x1b", {**WAN, "state": "b\x1b"}))

    def test_states(self) -> None:
        """Every state has the name that the original has for it."""
        self.assertEqual(set(STATES), {state.name.lower() for state in State})


class ToolTests(DaemonCase):
    def setUp(self) -> None:
        super().setUp()
        self.pauses: list[float] = []
        self.answers: list[dict[str, Any]] = []

    def pause(self, seconds: float) -> None:
        """Pass a second; the daemon's next state comes."""
        self.pauses.append(seconds)
        if self.answers:
            self.daemon.wan = self.answers.pop(0)

    def tool(self, *arguments: str) -> Deferred[Outcome]:
        """Run dhcp6leasectl against the daemon."""

        def run() -> Outcome:
            out, err = io.StringIO(), io.StringIO()
            code = main(["-s", "c.sock", *arguments], out, err, self.pause)
            return Outcome(code, out.getvalue(), err.getvalue())

        return deferToThread(run)

    async def test_look(self) -> None:
        """With -l it asks for nothing and reports at once, whatever the state; 0 means that there is a lease."""
        outcome = await self.tool("-l", "eth0")
        self.assertEqual((outcome.code, outcome.out, outcome.err), (0, REPORT, ""))
        self.daemon.wan = {**WAN, "state": "renewing"}
        self.assertEqual((await self.tool("-l", "eth0")).code, 0)
        self.daemon.wan = {**WAN, "state": "soliciting", "prefixes": []}
        outcome = await self.tool("-l", "eth0")
        self.assertEqual((outcome.code, outcome.out), (1, "eth0 [Init]\n"))
        self.assertEqual((self.daemon.calls, self.pauses), ([], []))

    async def test_ask(self) -> None:
        """Without -l it asks, and looks again every second, a dot each, until the lease is there; then it reports."""
        self.daemon.wan = {**WAN, "state": "rebinding"}
        self.answers = [self.daemon.wan, dict(WAN)]
        outcome = await self.tool("eth0")
        self.assertEqual((outcome.code, outcome.out, self.pauses), (0, "..\n" + REPORT, [1, 1]))
        self.assertEqual(self.daemon.calls, [("request", "wan")])

    async def test_maxwait(self) -> None:
        """It looks again ten times, or as often as -w says, also with -l; what came to nothing ends with 1 (D55)."""
        self.daemon.wan = {**WAN, "state": "confirming"}
        for arguments, tries in (((), 10), (("-w", "3"), 3), (("-l", "-w2"), 2)):
            outcome = await self.tool(*arguments, "eth0")
            self.assertEqual(outcome.out.splitlines()[:2], ["." * tries, "eth0 [Rebooting]"])
            self.assertEqual(outcome.code, 0 if "-l" in arguments else 1)

    async def test_name(self) -> None:
        """The name of the uplink does for that of its link."""
        self.assertEqual((await self.tool("-l", "wan")).out, REPORT.replace("eth0", "wan"))

    async def test_unknown(self) -> None:
        """An interface without an uplink is an error, and nothing is waited for (D55)."""
        for arguments in (("-l", "eth9"), ("eth9",)):
            outcome = await self.tool(*arguments)
            self.assertEqual((outcome.code, outcome.out), (1, ""))
            self.assertEqual(outcome.err, "dhcp6leasectl: non-autoconf interface eth9\n")
        self.assertEqual((self.daemon.calls, self.pauses), ([], []))

    async def test_errors(self) -> None:
        """A viewer may look only, and without a daemon there is nothing to see; both end with 1."""
        self.assertEqual((await self.tool("-s", "/nonexistent", "eth0")).code, 1)
        self.service.stopService()
        self.serve(Roles(admin_uids=frozenset(), viewer_gids=frozenset({os.getegid()})))
        self.assertEqual((await self.tool("-l", "eth0")).code, 0)
        outcome = await self.tool("eth0")
        self.assertEqual((outcome.code, outcome.out), (1, ""))

    async def test_interrupted(self) -> None:
        """An interrupt ends it with 130, a reader that goes away with 1, both without a word."""

        class Full(io.StringIO):
            def write(self, text: str) -> int:
                raise BrokenPipeError

        def interrupt(seconds: float) -> None:
            raise KeyboardInterrupt

        self.daemon.wan = {**WAN, "state": "rebinding"}
        err = io.StringIO()
        code = await deferToThread(main, ["-s", "c.sock", "eth0"], io.StringIO(), err, interrupt)
        self.assertEqual((code, err.getvalue()), (130, ""))
        code = await deferToThread(main, ["-s", "c.sock", "eth0"], Full(), err, self.pause)
        self.assertEqual((code, err.getvalue()), (1, ""))

    async def test_closed_pipe(self) -> None:
        """As a program, too, it says nothing when its reader has gone."""
        command = f"{sys.executable} -m pdlease.control.leasectl -s c.sock -l eth0"
        environment = {**os.environ, "PYTHONPATH": str(TOP)}
        finished = await deferToThread(
            subprocess.run, ["sh", "-c", f"{{ sleep 0.1; {command}; }} | :"], capture_output=True, env=environment
        )
        self.assertEqual(finished.stderr, b"")

    def test_usage(self) -> None:
        """A wrong command line ends with 1 and the usage, as the original's."""
        for arguments in ((), ("a", "b"), ("-x", "a"), ("-w", "0", "a"), ("-w", "x", "a"), ("-w", "2147483648", "a")):
            err = io.StringIO()
            self.patch(sys, "stderr", err)
            self.assertEqual(self.assertRaises(SystemExit, main, arguments).code, 1, arguments)
            self.assertIn("usage: dhcp6leasectl [-l] [-s socket] [-w maxwait] interface", err.getvalue())
