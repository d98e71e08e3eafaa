"""
Hooks on a real daemon: run for what changes, and for nothing else.

What the examples in C{docs/examples/hooks} do with it is L{tests.live.test_hook_examples}.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jsonschema import validate

from tests.control.running import schema
from tests.live.network import Program, ip, until
from tests.live.scripted import WithServer

TELL = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"
"""A hook that keeps what it is told, a line each."""

VIEWER = ("setpriv", "--reuid", "daemon", "--regid", "daemon", "--clear-groups")
"""Becomes a user who may look at the daemon with C{control_viewers = ["daemon"]}."""


class WithHook(WithServer):
    """A daemon, and a hook that watches it."""

    def watch(
        self, *command: str, timeout: str = "20", env: dict[str, str] | None = None, before: tuple[str, ...] = ()
    ) -> Program:
        """
        Run C{pdleasectl watch --exec} in the router's namespace, beside the daemon.

        @param before: words in front of the command.
        """
        words = self.daemon.ctl_words("watch", "--timeout", timeout, "--exec", *command)
        return self.network.run("hook", self.network.router, *before, *words, env=env)


class HookTests(WithHook):
    """Tests of when and with what a hook is run."""

    def setUp(self) -> None:
        super().setUp()
        self.path = self.network.folder / "told"
        self.seen = 1

    def told(self, count: int, seconds: float = 30.0) -> list[dict[str, Any]]:
        """Wait for so many runs; what they were told, each of its schema."""
        until(lambda: len(self.lines()) >= count, seconds, f"{count} runs of the hook; {self.hook.said()}")
        documents = [json.loads(line) for line in self.lines()]
        for document in documents:
            validate(document, schema("hook"))
            validate(document["state"], schema("status"))
        return documents

    def lines(self) -> list[str]:
        """What the hook has kept, without what it is writing."""
        return self.path.read_text().rpartition("\n")[0].splitlines() if self.path.exists() else []

    def begin(self) -> None:
        """A bound daemon, and the hook behind its first run, as a user who may do no more than look."""
        self.start(extra='control_viewers = ["daemon"]')
        self.path.touch()
        self.path.chmod(0o666)
        self.hook = self.watch(sys.executable, "-c", TELL, str(self.path), before=VIEWER)
        self.told(1)

    def test_life(self) -> None:
        """
        A hook is told of the start, a renewal, a link that goes down, a restart of the daemon, even by C{kill -9}, and
        the end of a lease; each time with the whole state, and in between of nothing.
        """
        self.begin()
        first = self.told(1)[0]
        self.assertEqual((first["cause"], first["state"]["uplinks"]["wan0"]["state"]), ("start", "bound"))
        time.sleep(2.5)
        self.daemon.ctl("renew")
        renewed = self.told_that(lambda one: "lifetimes" in [entry["what"] for entry in one["changed"]])
        self.assertIn("refreshed", [event.get("change") for event in renewed["events"]])
        self.daemon.kill()
        self.daemon.start()
        self.daemon.bound()
        restarted = self.told_that(lambda one: one["cause"] == "resync")
        self.assertNotEqual(restarted["instance"], first["instance"])
        self.told_that(lambda one: one["instance"] != first["instance"] and self.wan0(one)["state"] == "bound")
        self.seen = len(self.lines())
        self.network_link("down")
        down = self.told_that(lambda one: not self.wan0(one)["assignments"][0]["installed"])
        self.assertIn("assignments", [entry["what"] for entry in down["changed"]])
        self.network_link("up")
        self.told_that(lambda one: self.wan0(one)["assignments"][0]["installed"])
        self.daemon.ctl("release", "wan0")
        self.told_that(lambda one: not self.wan0(one)["prefixes"])

    def wan0(self, document: dict[str, Any]) -> dict[str, Any]:
        """The state of the uplink in what a run was told."""
        status: dict[str, Any] = document["state"]["uplinks"]["wan0"]
        return status

    def told_that(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait until a run was told what a condition holds for, from the run on that was found before."""

        def find() -> list[int]:
            later = enumerate(self.lines()[self.seen :], self.seen)
            return [index for index, line in later if condition(json.loads(line))]

        found = until(find, 30, "the hook to be told", every=0.2)[0]
        self.seen = found
        return self.told(1)[found]

    def network_link(self, state: str) -> None:
        """Set lan0 up or down."""
        ip("-n", self.network.router, "link", "set", "lan0", state)

    def test_hangs(self) -> None:
        """A hook that hangs is ended with what it started, and told of; the next change is told to the next run."""
        self.start()
        child = self.network.folder / "child"
        script = f"sleep 300 & echo $! > {child}; wait"
        self.hook = self.watch("/bin/sh", "-c", script, timeout="3")
        until(lambda: "took longer than 3 s and was ended" in self.hook.said(), 30, "a word on the hook that hangs")
        until(lambda: not Path(f"/proc/{child.read_text().strip()}").exists(), 30, "the end of its child")
        os.kill(self.hook.process.pid, 0)
