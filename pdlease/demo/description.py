"""
A datagram in plain data, for logs and programs: what the demonstration server prints of every message.

Reading the octets is L{pdlease.wire}; the sentences that a newcomer reads are L{pdlease.demo.demonstration}.
"""

from __future__ import annotations

from typing import Any

from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.messages import Message, decode
from pdlease.wire.options import ElapsedTime, OptionRequest, Status
from pdlease.wire.prefixes import IAPD
from pdlease.wire.reader import WireError


def describe(data: bytes) -> dict[str, Any]:
    """
    What a datagram says; C{problem} says why where nothing can be read.

    Keys: C{octets}, C{type} (its name in capitals, or the number), C{xid}, C{client}, C{server}, C{elapsed} (hundredths
    of a second), C{requested} (option codes), C{preference}, C{rapid_commit}, C{status}, C{ia_pds}, C{options} (all
    codes).  Keys without a value are left out.
    """
    try:
        message = decode(data)
    except WireError as error:
        return {"octets": len(data), "problem": str(error)}
    elapsed = message.option(ElapsedTime)
    requested = message.option(OptionRequest)
    return {
        "octets": len(data),
        "type": _type(message),
        "xid": f"{message.transaction_id:06x}",
        **({} if message.client_id is None else {"client": str(message.client_id)}),
        **({} if message.server_id is None else {"server": str(message.server_id)}),
        **({} if elapsed is None else {"elapsed": elapsed.hundredths}),
        **({} if requested is None else {"requested": list(requested.codes)}),
        **({"preference": message.preference} if OptionCode.PREFERENCE in _codes(message) else {}),
        **({"rapid_commit": True} if message.rapid_commit else {}),
        **({} if message.status is None else {"status": _status(message.status)}),
        "ia_pds": [_association(ia) for ia in message.ia_pds],
        "options": _codes(message),
    }


def _type(message: Message) -> str:
    """The name of a message's type, its number where it has none."""
    try:
        return MessageType(message.message_type).name
    except ValueError:
        return str(message.message_type)


def _codes(message: Message) -> list[int]:
    """The codes of all options, in order."""
    return [int(option.code) for option in message.options]


def _status(status: Status) -> dict[str, Any]:
    """A status as plain data."""
    return {"code": status.status, "text": status.text}


def _association(ia: IAPD) -> dict[str, Any]:
    """An association as plain data."""
    return {
        "iaid": ia.iaid,
        "t1": ia.t1,
        "t2": ia.t2,
        **({} if ia.status is None else {"status": _status(ia.status)}),
        "prefixes": [
            {
                "prefix": str(prefix.network),
                "preferred": prefix.preferred,
                "valid": prefix.valid,
                **({} if prefix.excluded is None else {"excluded": str(prefix.excluded)}),
            }
            for prefix in ia.prefixes
        ],
    }
