"""
When a message is sent again: the parameters of each exchange (RFC 9915 section 7.6), the randomised retransmission time
(section 15), and the value that keeps count of one exchange.

Nothing here knows what a message contains (L{pdlease.client.outgoing}) or what an answer means.  The limit on messages
over all exchanges is L{pdlease.client.ratelimit}.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from attrs import evolve, frozen

from pdlease.wire.codes import MessageType
from pdlease.wire.duid import DUID

DEFAULT_SOL_MAX_RT = 3600
"""SOL_MAX_RT where no server said otherwise, seconds."""

DEFAULT_INF_MAX_RT = 3600
"""INF_MAX_RT where no server said otherwise, seconds."""


@frozen(kw_only=True)
class Parameters:
    """
    How one kind of message is sent again (R-15-01).  All times in seconds.

    @ivar delay: a random time up to this passes before the first transmission.
    @ivar initial: IRT, the first retransmission time before randomising.
    @ivar longest: MRT, what the retransmission time is capped at (plus or minus a tenth); 0 for no cap.
    @ivar count: MRC, how often the message is transmitted in all; 0 for no limit.
    @ivar duration: MRD, how long after the first transmission the exchange fails; C{None} for no limit.  (An exchange
        whose computed duration is 0 is not begun at all; that decision is not made here.)
    @ivar first_is_longer: whether the first retransmission time must be longer than C{initial} (R-18.2.1-12).
    """

    initial: float
    longest: float
    delay: float = 0.0
    count: int = 0
    duration: float | None = None
    first_is_longer: bool = False


SOLICIT = Parameters(delay=1.0, initial=1.0, longest=DEFAULT_SOL_MAX_RT, first_is_longer=True)
REQUEST = Parameters(initial=1.0, longest=30.0, count=10)
RENEW = Parameters(initial=10.0, longest=600.0)
REBIND = Parameters(initial=10.0, longest=600.0)
CONFIRMING_REBIND = Parameters(delay=1.0, initial=1.0, longest=4.0, duration=10.0)
INFORMATION_REQUEST = Parameters(delay=1.0, initial=1.0, longest=DEFAULT_INF_MAX_RT)
RELEASE = Parameters(initial=1.0, longest=0.0, count=4)


LEAST_EXCESS = 0.005
"""
By what part of it, at least, a first retransmission time that must be longer than IRT is longer.  The first packet of a
daemon leaves some milliseconds after its moment, the second does not, and between them must be more than a second.
"""


def first_timeout(parameters: Parameters, random: float) -> float:
    """
    The time from the first transmission to the second.

    @param random: uniform in [0, 1).
    """
    if parameters.first_is_longer:
        return parameters.initial * (1.1 - (0.1 - LEAST_EXCESS) * random)
    return parameters.initial * (0.9 + 0.2 * random)


def next_timeout(parameters: Parameters, previous: float, random: float) -> float:
    """
    The time from one transmission to the next, from the time before (itself randomised).

    @param random: uniform in [0, 1).
    """
    spread = 0.2 * random - 0.1
    timeout = 2.0 * previous + spread * previous
    if parameters.longest and timeout > parameters.longest:
        return parameters.longest * (1.0 + spread)
    return timeout


@frozen(kw_only=True)
class Exchange:
    """
    One message, its retransmissions, and the answer that is waited for.

    @ivar message_type: what is sent.
    @ivar parameters: how it is sent again.
    @ivar transaction_id: the same in all transmissions (R-15-06).
    @ivar server: the server that is addressed and alone may answer (R-16.10-05), or C{None} for any.
    @ivar next_at: boot-clock second at which to transmit next.
    @ivar started_at: boot-clock second of the first transmission, or C{None} before it.
    @ivar transmissions: how often it was transmitted.
    @ivar timeout: the last retransmission time, seconds.
    """

    message_type: MessageType
    parameters: Parameters
    transaction_id: int
    next_at: float
    server: DUID | None = None
    started_at: float | None = None
    transmissions: int = 0
    timeout: float = 0.0

    @property
    def ends_at(self) -> float:
        """The boot-clock second at which its duration is over; C{inf} where that has no limit or nothing was sent."""
        if self.started_at is None or self.parameters.duration is None:
            return inf
        return self.started_at + self.parameters.duration

    @property
    def due(self) -> float:
        """When something is to be done about it."""
        return min(self.next_at, self.ends_at)

    def is_spent(self, now: float) -> bool:
        """Whether its tries or its time are used up (the last timeout must have run out as well, R-15-04)."""
        out_of_tries = 0 < self.parameters.count <= self.transmissions and now >= self.next_at
        return out_of_tries or now >= self.ends_at

    def elapsed(self, now: float) -> int:
        """The content of the Elapsed Time option: hundredths since the first transmission, at most 0xffff (A.4)."""
        if self.started_at is None:
            return 0
        return min(0xFFFF, max(0, int((now - self.started_at) * 100)))

    def transmitted(self, now: float, random: Callable[[], float], longest: float | None = None) -> Exchange:
        """
        The exchange after one more transmission.

        @param random: uniform in [0, 1), drawn anew each time (R-15-02).
        @param longest: an MRT that holds instead of that of the parameters (a server's SOL_MAX_RT), seconds.
        """
        parameters = self.parameters if longest is None else evolve(self.parameters, longest=longest)
        if self.transmissions == 0:
            timeout = first_timeout(parameters, random())
        else:
            timeout = next_timeout(parameters, self.timeout, random())
        return evolve(
            self,
            started_at=now if self.started_at is None else self.started_at,
            transmissions=self.transmissions + 1,
            timeout=timeout,
            next_at=now + timeout,
        )
