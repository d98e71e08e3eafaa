"""
Whether a received message may be looked at: type, identifiers, transaction (RFC 9915 section 16).

All of it is checked before any content counts (D6 of the original).  What the content means is
L{pdlease.client.selection} for an Advertise, L{pdlease.client.verdicts} for a Reply, and
L{pdlease.client.reconfigure} for a Reconfigure.
"""

from __future__ import annotations

from attrs import frozen

from pdlease.client.reasons import DiscardReason
from pdlease.client.retransmission import Exchange
from pdlease.client.settings import Settings
from pdlease.client.verdicts import Remark
from pdlease.wire.chain import MalformedOption, Option
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message
from pdlease.wire.prefixes import IAPD

_FROM_SERVERS = frozenset({MessageType.ADVERTISE, MessageType.REPLY, MessageType.RECONFIGURE})

_KNOWN = frozenset(MessageType)

_OF_THE_PROTOCOL = frozenset(
    {OptionCode.SOL_MAX_RT, OptionCode.INF_MAX_RT, OptionCode.PD_EXCLUDE, OptionCode.INFORMATION_REFRESH_TIME}
)
"""Options that are requested for the client's own use."""

_REPEATED = frozenset({OptionCode.NTP_SERVER, OptionCode.VENDOR_OPTIONS})
"""Options of which each instance counts (R-5908-01, R-21.16-01)."""

_SINGLE = frozenset(
    {
        OptionCode.CLIENT_ID,
        OptionCode.SERVER_ID,
        OptionCode.PREFERENCE,
        OptionCode.STATUS_CODE,
        OptionCode.RAPID_COMMIT,
        OptionCode.RECONFIGURE_MESSAGE,
        OptionCode.RECONFIGURE_ACCEPT,
        OptionCode.INFORMATION_REFRESH_TIME,
        OptionCode.SOL_MAX_RT,
        OptionCode.INF_MAX_RT,
    }
)
"""Options that a client goes by, and of which a message has one; of Authentication see R-20-04."""

LONGEST_MAX_RT = 86400
"""The longest SOL_MAX_RT and INF_MAX_RT that count, seconds (A.3)."""

SHORTEST_MAX_RT = 60
"""The shortest of them, seconds."""


@frozen
class Answer:
    """
    What is known of a message that may be looked at.

    @ivar server: who sent it.
    @ivar exchange: what it answers.
    """

    server: DUID
    exchange: Exchange


def type_problem(message: Message) -> Remark | None:
    """
    Why a message of this type is dropped, or C{None} if servers send such messages to clients.
    """
    if message.message_type not in _KNOWN:
        return DiscardReason.UNKNOWN_TYPE, f"type {message.message_type}"
    if message.message_type not in _FROM_SERVERS:
        return DiscardReason.CLIENT_TYPE, message.name
    return None


def answer(message: Message, settings: Settings, exchange: Exchange | None) -> Answer | Remark:
    """
    Whose answer to what an Advertise or Reply is, or why it is dropped.

    @param exchange: the exchange under way, or C{None}.
    """
    name = message.name
    server = message.server_id
    client = message.client_id
    if server is None:
        return DiscardReason.NO_SERVER_ID, name
    if client is None:
        return DiscardReason.NO_CLIENT_ID, name
    if client != settings.duid:
        return DiscardReason.OTHER_CLIENT, name
    if exchange is None or exchange.transmissions == 0:
        return DiscardReason.NOTHING_ASKED, name
    if message.transaction_id != exchange.transaction_id:
        return DiscardReason.TRANSACTION_ID, name
    soliciting = exchange.message_type is MessageType.SOLICIT
    if message.message_type == MessageType.ADVERTISE:
        return Answer(server, exchange) if soliciting else (DiscardReason.ADVERTISE_OUT_OF_PLACE, name)
    if soliciting and not settings.rapid_commit:
        return DiscardReason.RAPID_COMMIT_UNASKED, name
    if soliciting and not message.rapid_commit:
        return DiscardReason.RAPID_COMMIT_MISSING, name
    if exchange.server is not None and server != exchange.server:
        return DiscardReason.OTHER_SERVER, f"{name} of {server}, asked was {exchange.server}"
    return Answer(server, exchange)


def requested(message: Message, settings: Settings) -> tuple[Option, ...]:
    """
    The configuration beside the lease that a Reply holds: what was requested, repeated options once (R-21-01).
    """
    wanted = set(settings.requested_options) - _OF_THE_PROTOCOL
    found: list[Option] = []
    seen: set[int] = set()
    for option in message.options:
        if option.code in wanted and not isinstance(option, MalformedOption):
            if option.code not in seen or option.code in _REPEATED:
                found.append(option)
            seen.add(option.code)
    return tuple(found)


def repeated(message: Message) -> tuple[Remark, ...]:
    """
    What stands in a message more often than it may, and is passed over but for the first (R-16-21, R-16-22).
    """
    remarks: list[Remark] = []
    seen: set[tuple[int, int]] = set()
    for option in message.options:
        if isinstance(option, IAPD):
            key, remark = (option.code, option.iaid), (DiscardReason.IA_REPEATED, f"IA_PD {option.iaid}")
        elif option.code in _SINGLE and not isinstance(option, MalformedOption):
            key, remark = (option.code, 0), (DiscardReason.REPEATED_OPTION, f"option {option.code}")
        else:
            continue
        if key in seen:
            remarks.append(remark)
        seen.add(key)
    return tuple(remarks)


def valid_max_rt(value: int | None) -> int | None:
    """
    A SOL_MAX_RT or INF_MAX_RT that counts, or C{None} if there is none or it is out of bounds (A.3).
    """
    return value if value is not None and SHORTEST_MAX_RT <= value <= LONGEST_MAX_RT else None
