"""
One conversation in memory, before the first real Reply is read: from Solicit to what the kernel should hold.

Whatever runs for the first time runs slowly, five times and more: the interpreter has not adapted to the code yet, nor
the processor's caches.  The first Reply is the one that hosts on the LAN wait for, so that its way through the pure
rooms is gone once with made-up values, while the servers think about the first Solicit.  Nothing is sent or kept.
"""

from __future__ import annotations

from ipaddress import IPv6Network
from itertools import count

from pdlease.client.occurrences import Arrived, Due, LinkUp, Send
from pdlease.client.session import Session, step
from pdlease.client.settings import Chance, IAWish, Settings
from pdlease.config.model import Delegation, Uplink
from pdlease.subnets import Downstream
from pdlease.wanted import Share, share
from pdlease.wire.codes import MessageType
from pdlease.wire.describe import describe
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import ClientId, ServerId
from pdlease.wire.prefixes import IAPD, IAPrefix

TIMES = 4
"""How often it is played; more gains little."""

_CLIENT = DUID.from_uuid(bytes(16))
_SERVER = DUID.from_uuid(bytes(range(16)))
_PREFIX = IPv6Network("2001:db8::/56")


def rehearse(times: int = TIMES) -> Share:
    """
    Play the conversation.

    @return: what the lease of the last one wants of the kernel.
    """
    delegation = Delegation(key="lan", downstreams=(Downstream(link="lan"),))
    uplink = Uplink(name="rehearsal", link="wan", delegations=(delegation,))
    for _ in range(times):
        outcome = share(uplink, _bound().lease, {"lan": 1}, 2.0)
    return outcome


def _bound() -> Session:
    """A session from its first Solicit to its first lease."""
    numbers = count(1)
    chance = Chance(random=lambda: 0.5, transaction_id=lambda: next(numbers))
    wish = IAWish(iaid=1, hint_length=56)
    settings = Settings(uplink="rehearsal", duid=_CLIENT, wishes=(wish,), solicit_delay=False)
    session, effects = step(Session.begin(settings, chance), LinkUp(), 0.0)
    for kind in (MessageType.ADVERTISE, MessageType.REPLY):
        (asked,) = (effect.message for effect in effects if isinstance(effect, Send))
        offered = IAPrefix(3600, 7200, 56, _PREFIX.network_address.packed)
        answer = Message(
            kind, asked.transaction_id, (ClientId(_CLIENT), ServerId(_SERVER), IAPD(1, 1800, 2880, (offered,)))
        )
        arrived = decode(encode(answer))
        describe(arrived)
        session, effects = step(session, Arrived(arrived, "fe80::1"), 0.5 if kind is MessageType.ADVERTISE else 2.0)
        if kind is MessageType.ADVERTISE:
            session, effects = step(session, Due(), session.due or 1.5)
    return session
