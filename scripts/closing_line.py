"""
Run trial as given on the command line and close with the line C{N passed, N failed, N skipped}.

Trial's own closing line is not read by tools that look for that one.  The exit status is trial's.
"""

from __future__ import annotations

import re
import subprocess
import sys

COUNT = re.compile(r"(\w+)=(\d+)")


def tally(summary: str) -> tuple[int, int, int]:
    """The numbers of passed, failed and skipped tests in trial's last line, such as C{FAILED (skips=1, failures=2)}."""
    counts = {word: int(number) for word, number in COUNT.findall(summary)}
    passed = counts.get("successes", 0) + counts.get("expectedFailures", 0)
    failed = counts.get("failures", 0) + counts.get("errors", 0) + counts.get("unexpectedSuccesses", 0)
    return passed, failed, counts.get("skips", 0)


def main(command: list[str]) -> int:
    """Run the command, pass its output on, print the closing line, and return its exit status."""
    summary = ""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as trial:
        assert trial.stdout is not None
        for line in trial.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            if line.startswith(("PASSED", "FAILED")):
                summary = line
    passed, failed, skipped = tally(summary)
    if not summary:
        print("trial ended without a summary")
        failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return trial.returncode or (1 if failed or not passed else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
