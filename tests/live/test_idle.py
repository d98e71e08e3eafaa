"""
A daemon that has nothing to do does nothing.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.live.scripted import WithServer, resident


def switches(pid: int) -> int:
    """How often the threads of a process began to run after a wait of their own."""
    count = 0
    for task in os.scandir(f"/proc/{pid}/task"):
        for line in Path(task.path, "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                count += int(line.split()[1])
    return count


def processor_time(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class IdleTests(WithServer):
    """Bound, with T1 half an hour away."""

    def test_no_wake_ups(self) -> None:
        """
        Neither the daemon nor its helper wakes up by itself while nothing happens: for ten seconds, or for as many as
        C{PDLEASE_IDLE_SECONDS} says.
        """
        self.start()
        processes = (self.daemon.pid, self.daemon.helper())
        # the control connection is closed, the lease is written
        time.sleep(2)
        before = [switches(pid) for pid in processes], [processor_time(pid) for pid in processes]
        size = [resident(pid) for pid in processes]
        time.sleep(float(os.environ.get("PDLEASE_IDLE_SECONDS", "10")))
        after = [switches(pid) for pid in processes], [processor_time(pid) for pid in processes]
        woken = [now - then for then, now in zip(before[0], after[0], strict=True)]
        self.assertLessEqual(max(woken), 1, f"wake-ups of daemon and helper: {woken}")
        self.assertEqual(before[1], after[1])
        self.assertEqual(size, [resident(pid) for pid in processes])

    test_no_wake_ups.timeout = 150  # type: ignore[attr-defined]
