"""
Tests for L{tests.live.require}.
"""

from __future__ import annotations

import os

from twisted.trial.reporter import TestResult
from twisted.trial.unittest import SynchronousTestCase

from tests.live.require import link_kind, needs, program, stop_without


def outcome(*lacks: str | None) -> TestResult:
    """What becomes of a test where this is lacking."""

    @needs(*(lambda lack=lack: lack for lack in lacks))
    class Inner(SynchronousTestCase):
        def test_it(self) -> None:
            pass

    result = TestResult()
    Inner("test_it").run(result)
    return result


class RequireTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(os, "environ", {**os.environ})
        os.environ.pop("PDLEASE_REQUIRE_LIVE", None)

    def test_nothing_lacks(self) -> None:
        """A live test that has all it needs is run."""
        self.assertEqual((outcome(None, None).successes, outcome().successes), (1, 1))

    def test_skipped(self) -> None:
        """A live test that lacks something is skipped, with the reason."""
        result = outcome(None, "there is no kea")
        self.assertEqual([reason for _, reason in result.skips], ["there is no kea"])
        self.assertEqual((result.failures, result.errors), ([], []))

    def test_failed(self) -> None:
        """With PDLEASE_REQUIRE_LIVE=1 it fails with that reason instead; 0 and nothing are no."""
        os.environ["PDLEASE_REQUIRE_LIVE"] = "1"
        result = outcome("there is no kea")
        self.assertEqual((len(result.failures), result.skips), (1, []))
        self.assertIn("there is no kea", str(result.failures[0][1].value))
        self.assertEqual(outcome(None).successes, 1)
        for value in ("0", ""):
            os.environ["PDLEASE_REQUIRE_LIVE"] = value
            self.assertEqual(len(outcome("there is no kea").skips), 1)

    def test_within(self) -> None:
        """The same rule holds for what turns out to be lacking within a test."""
        os.environ["PDLEASE_REQUIRE_LIVE"] = "1"
        self.assertRaises(self.failureException, stop_without, self, "there is no kea")
        stop_without(self, None)

    def test_lacks(self) -> None:
        """A program, and a kind of link, that nobody has are lacking, in words."""
        self.assertIsNone(program("sh")())
        self.assertEqual(program("pdlease-nothing")(), "there is no pdlease-nothing program")
        self.assertEqual(link_kind("nothing")(), "the kernel has no links of kind nothing")
