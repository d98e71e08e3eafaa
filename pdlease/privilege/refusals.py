"""
What the helper has to say to the log, in lines, so that a flood of refusals stays a trickle.

Where the lines go is chosen by L{pdlease.privilege.helper}.
"""

from __future__ import annotations

from collections.abc import Callable

# So many lines at once, then one for each so many seconds.
BURST = 10
INTERVAL = 5.0


class RefusalLog:
    """
    Writes lines at a bounded rate and counts the rest.

    @ivar count: how many refusals there were.
    """

    def __init__(self, write: Callable[[str], None], seconds: Callable[[], float]) -> None:
        """
        @param write: takes one line.
        @param seconds: a clock that does not jump.
        """
        self.count = 0
        self._write = write
        self._seconds = seconds
        self._tokens = float(BURST)
        self._at = seconds()
        self._silent = 0

    def refused(self, sentence: str) -> None:
        """Note a refusal."""
        self.count += 1
        now = self._seconds()
        self._tokens = min(BURST, self._tokens + (now - self._at) / INTERVAL)
        self._at = now
        if self._tokens < 1:
            self._silent += 1
            return
        self._tokens -= 1
        if self._silent:
            self._write(f"refused {self._silent} more that are not listed")
            self._silent = 0
        self._write(f"refusal {self.count}: {sentence}")
