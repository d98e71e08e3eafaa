"""
Whether a Reconfigure is to be obeyed: the Reconfigure Key Authentication Protocol (RFC 9915 section 20.4).

What obeying means is L{pdlease.client.turn}.  MD5 is what the protocol prescribes; no other algorithm exists for it.
"""

from __future__ import annotations

from pdlease.client.reasons import DiscardReason
from pdlease.client.settings import Settings
from pdlease.client.verdicts import Remark
from pdlease.lease import ReconfigureKey
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message
from pdlease.wire.options import Authentication

PROTOCOL, ALGORITHM, COUNTER = 3, 1, 0
"""Protocol, algorithm and replay detection method that section 20.4 defines."""

KEY, DIGEST = 1, 2
"""Types of authentication information: a key (in a Reply), a digest (in a Reconfigure)."""

OBEYED = frozenset({MessageType.RENEW, MessageType.REBIND, MessageType.INFORMATION_REQUEST})
"""What a Reconfigure may ask for (R-16.11-05)."""


def _signed(message: Message, kind: int) -> Authentication | None:
    """
    The one authentication of RKAP in a message, or C{None} if there is none, another, or several (R-20-04, R-20-05).
    """
    found = [option for option in message.options if option.code == OptionCode.AUTHENTICATION]
    if len(found) != 1 or not isinstance(found[0], Authentication):
        return None
    option = found[0]
    suits = (option.protocol, option.algorithm, option.rdm) == (PROTOCOL, ALGORITHM, COUNTER)
    return option if suits and len(option.information) == 17 and option.information[0] == kind else None


def key_after(message: Message, settings: Settings, server: DUID, key: ReconfigureKey | None) -> ReconfigureKey | None:
    """
    The key after an accepted Reply: a new one, the same, or none any more.

    A Reply without Reconfigure Accept says that its server will not send Reconfigure (R-21.20-01).

    @param server: who answered.
    @param key: the key so far.
    """
    if not settings.reconfigure or not message.reconfigure_accept:
        return None
    option = _signed(message, KEY)
    if option is not None:
        return ReconfigureKey(server=server, secret=option.information[1:], replay=int.from_bytes(option.replay, "big"))
    return key if key is not None and key.server == server else None


def reconfigure_problem(
    message: Message, datagram: bytes, settings: Settings, key: ReconfigureKey | None
) -> Remark | None:
    """
    Why a Reconfigure is dropped, or C{None} if it is genuine (section 16.11).

    @param datagram: the message as received, for its digest.
    """
    server = message.server_id
    if not settings.reconfigure:
        return DiscardReason.RECONFIGURE_UNWANTED, "not configured"
    if server is None or message.client_id != settings.duid:
        return DiscardReason.RECONFIGURE_MALFORMED, "Server Identifier or our Client Identifier missing"
    if message.reconfigure_message not in OBEYED:
        return DiscardReason.RECONFIGURE_MALFORMED, f"asks for message type {message.reconfigure_message}"
    if key is None or key.server != server:
        return DiscardReason.RECONFIGURE_UNWANTED, f"no key from server {server}"
    option = _signed(message, DIGEST)
    if option is None:
        return DiscardReason.RECONFIGURE_UNSIGNED, "no usable authentication"
    at = datagram.find(option.body())
    if at < 0:
        return DiscardReason.RECONFIGURE_UNSIGNED, "authentication is not in the datagram"
    # Imported here: few uplinks ever see a Reconfigure, and OpenSSL is slow to load.
    from hmac import compare_digest
    from hmac import new as hmac

    digest = at + len(option.body()) - 16
    zeroed = datagram[:digest] + bytes(16) + datagram[digest + 16 :]
    if not compare_digest(hmac(key.secret, zeroed, "md5").digest(), option.information[1:]):
        return DiscardReason.RECONFIGURE_UNSIGNED, "wrong digest"
    if int.from_bytes(option.replay, "big") <= key.replay:
        return DiscardReason.RECONFIGURE_REPLAYED, f"counter not above {key.replay}"
    return None


def replay_of(message: Message) -> int:
    """
    The counter in a Reconfigure that was found genuine.
    """
    option = _signed(message, DIGEST)
    return 0 if option is None else int.from_bytes(option.replay, "big")
