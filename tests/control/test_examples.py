"""Tests that run the examples of the documentation."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys

from twisted.internet import reactor  # noqa: TID251 - real sockets need the real one
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

import pdlease
from pdlease.control.commands import COMMANDS
from pdlease.control.vocabulary import WORDS
from tests.control.serving import SocketCase
from tests.control.test_remote import RemoteCase

TOP = os.path.dirname(os.path.dirname(pdlease.__file__))


def run_example(name: str, *arguments: str, **environment: str) -> Deferred[str]:
    """What an example prints."""
    return deferToThread(
        lambda: (
            subprocess.run(
                [sys.executable, os.path.join(TOP, "docs", "examples", name), *arguments],
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": TOP, **environment},
            ).stdout
        )
    )


class ExampleTests(SocketCase):
    """The examples of the documentation, run."""

    async def test_script(self) -> None:
        """The script without Twisted prints the prefixes."""
        self.assertEqual(await run_example("prefixes.py", os.path.abspath("c.sock")), "wan 2001:db8::/56\n")

    async def test_twisted(self) -> None:
        """The Twisted program waits and prints the addresses."""
        running = run_example("first_prefix.py", os.path.abspath("c.sock"), "wan")

        def ready() -> None:
            if self.daemon.waits:
                self.daemon.waits.pop().callback(self.daemon.status("wan"))
            else:
                reactor.callLater(0.02, ready)  # type: ignore[attr-defined]

        ready()
        self.assertEqual(await running, "lan0 2001:db8::1\n")

    async def test_generic_client(self) -> None:
        """
        A client that knows AMP and nothing of pdlease speaks with the daemon as the page says: documents of many pages,
        and events (issue 5, points 1 and 3).
        """
        self.daemon.padding = 200_000
        running = run_example("plain_amp.py", "c.sock")

        def watched() -> None:
            if self.service.events._added:
                self.daemon.happen(1)
            else:
                reactor.callLater(0.02, watched)  # type: ignore[attr-defined]

        watched()
        self.assertEqual(await running, "admin of pdlease\nwan bound\nwan moved\n")

    def test_generic_client_is_generic(self) -> None:
        """That client imports nothing of pdlease, and says what the vocabulary says."""
        path = os.path.join(TOP, "docs", "examples", "plain_amp.py")
        with open(path) as file:
            self.assertNotRegex(file.read(), "(?m)^(from|import) pdlease")
        names = runpy.run_path(path)
        for word in WORDS:
            if word.name in names:
                theirs, ours = names[word.name], COMMANDS[word.name]
                for one, other in ((theirs.arguments, ours.arguments), (theirs.response, ours.response)):
                    self.assertEqual(
                        [(name, type(kind), kind.optional) for name, kind in one],
                        [(name, type(kind), kind.optional) for name, kind in other],
                    )
                self.assertEqual(theirs.requiresAnswer, ours.requiresAnswer)


class RemoteExampleTests(RemoteCase):
    """Those that speak with another machine, with keys where a user has them."""

    def setUp(self) -> None:
        super().setUp()
        keys = os.path.abspath("config/pdlease")
        os.makedirs(keys)
        alice = self.set.alice
        for name, source in (("certificate", alice.certificate), ("key", alice.key), ("ca", alice.ca)):
            shutil.copy(source, f"{keys}/{name}.pem")
        self.environment = {"XDG_CONFIG_HOME": os.path.dirname(keys)}

    async def test_script(self) -> None:
        """The script prints the prefixes of the other machine."""
        told = await run_example("remote_prefixes.py", self.host, **self.environment)
        self.assertEqual(told, "wan 2001:db8::/56\n")

    async def test_twisted(self) -> None:
        """The Twisted program prints events until the daemon stops, and why it ended."""
        running = run_example("watch_remote.py", self.host, **self.environment)
        await self.turn(lambda: self.service.events._added)
        self.daemon.happen(1)
        await self.service.stopService()
        self.assertEqual(await running, "admin, from event 0 on\n1 wan moved\nThe daemon is stopping.\n")
