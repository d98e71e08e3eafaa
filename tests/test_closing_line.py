"""
Tests of C{scripts/closing_line.py}, which runs every other test.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

SCRIPT = Path(__file__).parents[1] / "scripts" / "closing_line.py"


def trial(*lines: str, status: int = 0) -> list[str]:
    """A command that prints these lines and ends with this status."""
    return [sys.executable, "-c", f"import sys; [print(line) for line in {lines!r}]; sys.exit({status})"]


class ClosingLineTests(SynchronousTestCase):
    """The line by which it is known how the tests went."""

    def closing(self, *words: str) -> tuple[int, list[str]]:
        """Exit status and output."""
        command = [sys.executable, str(SCRIPT), *words]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        return ran.returncode, ran.stdout.splitlines()

    def test_one(self) -> None:
        """The numbers are those of trial's summary."""
        status, lines = self.closing(*trial("a test", "PASSED (skips=2, successes=40)"))
        self.assertEqual((status, lines[0], lines[-1]), (0, "a test", "40 passed, 0 failed, 2 skipped"))

    def test_together(self) -> None:
        """Several run at the same time; their numbers add up, and the status is that of one that failed."""
        first = trial("first", "PASSED (successes=3)")
        second = trial("second", "FAILED (failures=1, errors=2, skips=1, successes=5)", status=1)
        self.assertEqual(
            self.closing(*first, "+", *second),
            (
                1,
                [
                    "first",
                    "PASSED (successes=3)",
                    "second",
                    "FAILED (failures=1, errors=2, skips=1, successes=5)",
                    "8 passed, 3 failed, 1 skipped",
                ],
            ),
        )

    def test_no_summary(self) -> None:
        """A trial that ends without a summary has failed, whatever its status and whatever the other one did."""
        good = trial("PASSED (successes=3)")
        for words in ((*trial("died"), "+", *good), (*good, "+", *trial())):
            status, lines = self.closing(*words)
            self.assertEqual((status, lines[-1]), (1, "3 passed, 1 failed, 0 skipped"))

    def test_nothing(self) -> None:
        """A run of no test has not passed."""
        self.assertEqual(self.closing(*trial("PASSED (ran=0)"))[0], 1)
