"""
Tests of L{pdlease.ending}.
"""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.internet.error import ReactorNotRunning
from twisted.trial.unittest import SynchronousTestCase

import pdlease
from pdlease.ending import Ending

TOP = os.path.dirname(os.path.dirname(os.path.abspath(pdlease.__file__)))


def ran(text: str) -> subprocess.CompletedProcess[str]:
    """What becomes of a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", text], cwd=TOP, capture_output=True, text=True, timeout=60, check=False
    )


class Reactor:
    """A reactor that is stopped once."""

    stopped = 0

    def stop(self) -> None:
        """Stop."""
        self.stopped += 1
        if self.stopped > 1:
            raise ReactorNotRunning("Can't stop reactor that isn't running.")


class EndingTests(SynchronousTestCase):
    """Tests of L{Ending}; the status of a process needs a process."""

    def test_steps(self) -> None:
        """The reactor is stopped at once, the process is left last of all, with the first status asked for."""
        reactor, last, left = Reactor(), [], []
        ending = Ending(reactor, last.append, left.append)  # type: ignore[arg-type]
        ending.end(3)
        ending.end(4)
        self.assertEqual((reactor.stopped, len(last), left), (1, 1, []))
        last[0]()
        self.assertEqual(left, [3])

    def test_stopped_before(self) -> None:
        """A reactor that is being stopped already is no problem."""
        reactor, last = Reactor(), []
        reactor.stop()
        Ending(reactor, last.append).end(1)  # type: ignore[arg-type]
        self.assertEqual(len(last), 1)

    def test_status(self) -> None:
        """The process ends with the status that was asked for first, everything printed before it kept."""
        done = ran(
            "from twisted.internet import reactor\n"
            "from pdlease.ending import Ending\n"
            "ending = Ending(reactor)\n"
            "reactor.callWhenRunning(ending.end, 3)\n"
            "reactor.callWhenRunning(ending.end, 4)\n"
            "reactor.addSystemEventTrigger('before', 'shutdown', print, 'services stop', end='')\n"
            "reactor.run()\n"
        )
        self.assertEqual((done.returncode, done.stdout, done.stderr), (3, "services stop", ""))

    def test_asked_while_it_ends(self) -> None:
        """Where the reactor is being stopped already, the status counts all the same."""
        done = ran(
            "from twisted.internet import reactor\n"
            "from pdlease.ending import Ending\n"
            "ending = Ending(reactor)\n"
            "reactor.callWhenRunning(reactor.stop)\n"
            "reactor.addSystemEventTrigger('before', 'shutdown', ending.end, 1)\n"
            "reactor.run()\n"
        )
        self.assertEqual((done.returncode, done.stderr), (1, ""))

    def test_nobody_asks(self) -> None:
        """Where no status was asked for, the process ends as it would."""
        done = ran("from pdlease.ending import Ending\nEnding(None)\n")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
