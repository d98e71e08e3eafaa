"""
The limit on messages sent on one uplink (RFC 9915 section 14.1), over all exchanges.

The recommended token bucket lets twice its size through within one window (a full bucket, then the refill).  Here the
times of the last messages are kept instead, so that no window at all ever holds more than the limit (R-14.1-01);
average and burst are bounded as there (R-14.1-05).
"""

from __future__ import annotations

from attrs import evolve, frozen


@frozen(kw_only=True)
class RateLimit:
    """
    At most C{messages} in any C{seconds}.

    @ivar messages: the limit, at least 1.
    @ivar seconds: the length of the window.
    @ivar sent_at: boot-clock seconds of the last messages, at most C{messages} of them, oldest first.
    """

    messages: int = 20
    seconds: float = 20.0
    sent_at: tuple[float, ...] = ()

    @property
    def free_at(self) -> float:
        """The boot-clock second from which one more message may be sent; C{-inf} when there is no need to wait."""
        if len(self.sent_at) < self.messages:
            return float("-inf")
        return self.sent_at[0] + self.seconds

    def spent(self, now: float) -> RateLimit:
        """The limit after one more message."""
        return evolve(self, sent_at=(*self.sent_at, now)[-self.messages :])
