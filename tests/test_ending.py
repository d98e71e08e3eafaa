"""
Tests of L{pdlease.ending}.
"""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

import pdlease

TOP = os.path.dirname(os.path.dirname(os.path.abspath(pdlease.__file__)))


def ran(text: str) -> subprocess.CompletedProcess[str]:
    """What becomes of a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", text], cwd=TOP, capture_output=True, text=True, timeout=60, check=False
    )


class EndingTests(SynchronousTestCase):
    """Tests of L{Ending}; the status of a process needs a process."""

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
