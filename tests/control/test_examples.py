"""Tests that run the examples of the documentation."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.internet import reactor  # noqa: TID251 - real sockets need the real one
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

import pdlease
from tests.control.serving import SocketCase


class ExampleTests(SocketCase):
    """The examples of the documentation, run."""

    def run_example(self, name: str, *arguments: str) -> Deferred[str]:
        """What an example prints."""
        top = os.path.dirname(os.path.dirname(pdlease.__file__))
        return deferToThread(
            lambda: (
                subprocess.run(
                    [sys.executable, os.path.join(top, "docs", "examples", name), *arguments],
                    check=True,
                    capture_output=True,
                    text=True,
                    env={**os.environ, "PYTHONPATH": top},
                ).stdout
            )
        )

    async def test_script(self) -> None:
        """The script without Twisted prints the prefixes."""
        self.assertEqual(await self.run_example("prefixes.py", os.path.abspath("c.sock")), "wan 2001:db8::/56\n")

    async def test_twisted(self) -> None:
        """The Twisted program waits and prints the addresses."""
        running = self.run_example("first_prefix.py", os.path.abspath("c.sock"), "wan")

        def ready() -> None:
            if self.daemon.waits:
                self.daemon.waits.pop().callback(self.daemon.status("wan"))
            else:
                reactor.callLater(0.02, ready)  # type: ignore[attr-defined]

        ready()
        self.assertEqual(await running, "lan0 2001:db8::1\n")
