"""
Run trial as given on the command line and close with the line C{N passed, N failed, N skipped}.

Several commands, with C{+} between them, run at the same time; what the first prints is passed on as it comes, what the
others print when they have ended.  Trial's own closing line is not read by tools that look for that one.  The exit
status is that of the first command that failed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import groupby

COUNT = re.compile(r"(\w+)=(\d+)")


def tally(summary: str) -> tuple[int, int, int]:
    """The numbers of passed, failed and skipped tests in trial's last line, such as C{FAILED (skips=1, failures=2)}."""
    counts = {word: int(number) for word, number in COUNT.findall(summary)}
    passed = counts.get("successes", 0) + counts.get("expectedFailures", 0)
    failed = counts.get("failures", 0) + counts.get("errors", 0) + counts.get("unexpectedSuccesses", 0)
    return passed, failed, counts.get("skips", 0)


def passed_on(lines: Iterable[str]) -> tuple[int, int, int]:
    """Pass the output of one trial on, and tell its numbers; a trial that ended without a summary has failed."""
    summary = ""
    for line in lines:
        sys.stdout.write(line)
        sys.stdout.flush()
        if line.startswith(("PASSED", "FAILED")):
            summary = line
    if not summary:
        print("trial ended without a summary")
    passed, failed, skipped = tally(summary)
    return passed, failed + (not summary), skipped


def main(words: list[str]) -> int:
    """Run the commands, pass their output on, print the closing line, and return the exit status."""
    first, *others = (list(group) for is_between, group in groupby(words, "+".__eq__) if not is_between)
    with ExitStack() as stack:
        behind = []
        for command in others:
            output = stack.enter_context(tempfile.TemporaryFile("w+", errors="replace"))
            trial = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            behind.append((stack.enter_context(trial), output))
        before = subprocess.Popen(first, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        with before:
            assert before.stdout is not None
            counts = [passed_on(before.stdout)]
        for trial, output in behind:
            trial.wait()
            output.seek(0)
            counts.append(passed_on(output))
    passed, failed, skipped = map(sum, zip(*counts, strict=True))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    statuses = (trial.returncode for trial in (before, *(trial for trial, _ in behind)))
    return next(filter(None, statuses), 0) or (1 if failed or not passed else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
