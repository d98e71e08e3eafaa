"""
An uplink that loses, delays, reorders and repeats packets, on a kernel that has netem.
"""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.live.network import TOP
from tests.live.test_links import kernel_laboratory


class LossyUplinkTests(SynchronousTestCase):
    """What becomes of the exchanges on a bad line."""

    def test_exchanges(self) -> None:
        """
        With one packet in five lost, delays of up to half a second, and many packets out of order or twice, bind,
        renew, rebind and release come to their end, and nothing is dropped but what came late or twice.
        """
        lack = kernel_laboratory()
        if lack is not None:
            # without the laboratory the project's own tests must be able to pass
            raise SkipTest(lack)
        done = subprocess.run(
            [os.environ["PDLEASE_KERNEL_LAB"], "-t", "300", sys.executable, "-m", "tests.live.inside_lossy"],
            cwd=TOP,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout[-6000:])
        for step in ("bound", "renewed and rebound", "released"):
            self.assertIn(f"netem: {step}\n", done.stdout)

    # the laboratory fetches its kernel when it is used for the first time
    test_exchanges.timeout = 500  # type: ignore[attr-defined]
