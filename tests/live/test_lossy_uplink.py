"""
An uplink that loses, delays, reorders and repeats packets, on a kernel that has netem.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.live.laboratory import run_there


class LossyUplinkTests(SynchronousTestCase):
    """What becomes of the exchanges on a bad line."""

    def test_exchanges(self) -> None:
        """
        With one packet in five lost, delays of up to half a second, and many packets out of order or twice, bind,
        renew, rebind and release come to their end, and nothing is dropped but what came late or twice.
        """
        done = run_there("tests.live.inside_lossy", 300)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:])
        for step in ("bound", "renewed and rebound", "released"):
            self.assertIn(f"netem: {step}\n", done.stdout)

    # the laboratory fetches its kernel when it is used for the first time
    test_exchanges.timeout = 500  # type: ignore[attr-defined]
