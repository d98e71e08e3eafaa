"""Tests of L{pdlease.demo.network}."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from pdlease.demo.network import CannotDemonstrate, children, enclosed, end, found, run


class EnclosedTests(SynchronousTestCase):
    """
    L{enclosed}.
    """

    def test_missing_programs(self) -> None:
        """
        A program that is missing is named, with the package that brings it.
        """
        for missing, package in (("ip", "iproute2"), ("unshare", "util-linux"), ("nsenter", "util-linux")):
            error = self.assertRaises(
                CannotDemonstrate,
                enclosed,
                ["true"],
                lambda program, missing=missing: None if program == missing else "/bin/true",
            )
            self.assertEqual(str(error), f"the program {missing} is missing; install {package}")

    def test_allowed(self) -> None:
        """
        Where the kernel allows it, the command is the end of what is to be run; an ordinary user becomes root inside.
        """
        words = enclosed(["demo", "--json"], lambda program: "/bin/true")
        self.assertEqual((words[0], words[-2:]), ("/bin/true", ["demo", "--json"]))
        self.assertIn("--net", words)
        self.assertEqual("--user" in words, os.geteuid() != 0)

    def test_not_allowed(self) -> None:
        """
        Where the kernel does not, the error says what to do.
        """
        error = self.assertRaises(CannotDemonstrate, enclosed, ["demo"], lambda program: "/bin/false")
        self.assertIn("run it as root", str(error))


class ProgramTests(SynchronousTestCase):
    """
    Running and ending programs.
    """

    def test_found(self) -> None:
        """
        A program is found where it is; one that is nowhere is not.
        """
        self.assertIsNotNone(found("sh"))
        self.assertIsNone(found("pdlease-no-such-program"))

    def test_run(self) -> None:
        """
        A program's output is returned; a failure says what it said.
        """
        self.assertEqual(run("sh", "-c", "echo well"), "well\n")
        error = self.assertRaises(CannotDemonstrate, run, "sh", "-c", "echo why >&2; exit 3")
        self.assertIn("why", str(error))

    def test_end(self) -> None:
        """
        A process that ends on SIGTERM gives its status, one that ignores it is killed, one that has ended is let be.
        """
        stubborn = "import signal; signal.signal(15, signal.SIG_IGN); print(1, flush=True); input()"
        for program, status in (("print(1, flush=True); input()", -15), (stubborn, -9)):
            process = subprocess.Popen(
                [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            assert process.stdout is not None
            process.stdout.readline()
            self.assertEqual(end(process, 0.5), status)
            self.assertEqual(end(process), status)

    def test_children(self) -> None:
        """
        The children of a process are known; of one that is gone there are none.
        """
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True)
        self.assertIn(process.pid, children(os.getpid()))
        process.kill()
        process.communicate()
        self.assertEqual(children(process.pid), [])
