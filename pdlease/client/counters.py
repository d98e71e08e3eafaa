"""
What a session counts: messages sent and received by type, everything dropped by reason, and every reason to wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from attrs import evolve, field, frozen

from pdlease.client.reasons import DiscardReason, Reason
from pdlease.wire.codes import MessageType

_Counted = TypeVar("_Counted")


@frozen(kw_only=True)
class Counters:
    """
    What was counted since the session began.

    @ivar sent: messages sent, by type.
    @ivar received: messages that could be looked at, by type.
    @ivar discarded: messages and parts of messages dropped, by reason.
    @ivar reasons: how often the session came to be as it is for a reason, and messages held back by the limit.
    """

    sent: Mapping[MessageType, int] = field(factory=dict)
    received: Mapping[MessageType, int] = field(factory=dict)
    discarded: Mapping[DiscardReason, int] = field(factory=dict)
    reasons: Mapping[Reason, int] = field(factory=dict)

    def one_sent(self, kind: MessageType) -> Counters:
        """The counters after one more message sent."""
        return evolve(self, sent=_one_more(self.sent, kind))

    def one_received(self, kind: MessageType) -> Counters:
        """The counters after one more message received."""
        return evolve(self, received=_one_more(self.received, kind))

    def one_discarded(self, reason: DiscardReason) -> Counters:
        """The counters after one more message, or part of one, dropped."""
        return evolve(self, discarded=_one_more(self.discarded, reason))

    def one_more(self, reason: Reason) -> Counters:
        """The counters after a reason was given once more."""
        return evolve(self, reasons=_one_more(self.reasons, reason))


def _one_more(counts: Mapping[_Counted, int], key: _Counted) -> Mapping[_Counted, int]:
    """
    The counts with one more of something.
    """
    return {**counts, key: counts.get(key, 0) + 1}
