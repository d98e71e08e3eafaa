"""
One line about a message, for people: debug log, demonstration, test failures.

What is shown came from the network, so it is printable, on one line, and bounded (R-18.2.9-11).  Nothing parses it.
"""

from __future__ import annotations

from enum import IntEnum

from pdlease.wire.chain import OpaqueOption, Option
from pdlease.wire.codes import INFINITY, MessageType, StatusCode
from pdlease.wire.messages import Message
from pdlease.wire.options import ElapsedTime, Status
from pdlease.wire.prefixes import IAPD, IAPrefix

LONGEST_LINE = 2000
"""Characters of a description at most."""

LONGEST_WORDS = 120
"""Characters of a server's words that a description shows."""

MOST_SHOWN = 8
"""
Associations, prefixes in one of them, malformed and unknown options that a description spells out; the rest is counted.
"""

LONGEST_CONTENT = 16
"""Octets of an unknown option that a description shows."""

_ASKING = frozenset(
    (MessageType.SOLICIT, MessageType.REQUEST, MessageType.RENEW, MessageType.REBIND, MessageType.RELEASE)
)


def describe(message: Message) -> str:
    """
    Say in one line what a message is about.

    Type and transaction first, then the server, every association with its prefixes, the status, and whatever else
    steers the exchange, and what is not understood at any level; at most L{LONGEST_LINE} characters.
    """
    head = f"{_name(MessageType, message.message_type)} {message.transaction_id:06x}"
    details = _server(message) + _associations(message) + _steering(message)
    details += _unknown(message.options) + _faults(message)
    line = f"{head}: {'; '.join(details)}" if details else head
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…"


def _name(numbers: type[IntEnum], number: int) -> str:
    """
    Name a number; one that has no name stays a number.
    """
    try:
        return numbers(number).name
    except ValueError:
        return str(number)


def _server(message: Message) -> list[str]:
    """
    Name the server.
    """
    server = message.server_id
    return [] if server is None else [f"server {server}"]


def _associations(message: Message) -> list[str]:
    """
    Spell out the associations.
    """
    associations = message.ia_pds
    asks = message.message_type in _ASKING
    told = [_association(association, asks) for association in associations[:MOST_SHOWN]]
    return told + _left_out(len(associations), "IA_PD")


def _association(association: IAPD, asks: bool) -> str:
    """
    Spell out one association; times of 0 say nothing in what a client asks for, and all in what it is answered.
    """
    prefixes = association.prefixes
    told = [_prefix(prefix, asks) for prefix in prefixes[:MOST_SHOWN]] + _left_out(len(prefixes), "prefixes")
    told += _status(association.status) + _unknown(association.options)
    head = f"IA_PD {association.iaid}"
    if not asks or association.t1 or association.t2:
        head += f" (T1 {_seconds(association.t1)}, T2 {_seconds(association.t2)})"
    return f"{head} {', '.join(told)}" if told else head


def _prefix(prefix: IAPrefix, asks: bool) -> str:
    """
    Spell out one prefix, likewise.
    """
    told = []
    if not asks or prefix.preferred or prefix.valid:
        told.append(f"preferred {_seconds(prefix.preferred)}, valid {_seconds(prefix.valid)}")
    if prefix.excluded is not None:
        told.append(f"less {prefix.excluded}")
    told += _status(prefix.status) + _unknown(prefix.options)
    return f"{prefix.network} ({', '.join(told)})" if told else str(prefix.network)


def _steering(message: Message) -> list[str]:
    """
    Tell what else steers the exchange.
    """
    told = _status(message.status)
    if message.preference:
        told.append(f"preference {message.preference}")
    if message.rapid_commit:
        told.append("rapid commit")
    elapsed = message.option(ElapsedTime)
    if elapsed is not None:
        told.append(f"elapsed {elapsed.hundredths / 100:g} s")
    if message.reconfigure_accept:
        told.append("reconfigure accept")
    if message.reconfigure_message is not None:
        told.append(f"asks for {_name(MessageType, message.reconfigure_message)}")
    if message.sol_max_rt is not None:
        told.append(f"SOL_MAX_RT {message.sol_max_rt} s")
    if message.inf_max_rt is not None:
        told.append(f"INF_MAX_RT {message.inf_max_rt} s")
    return told


def _unknown(options: tuple[Option, ...]) -> list[str]:
    """
    Show what nobody here understands, as it came.
    """
    opaque = [option for option in options if isinstance(option, OpaqueOption)]
    told = []
    for option in opaque[:MOST_SHOWN]:
        more = "…" if len(option.data) > LONGEST_CONTENT else ""
        told.append(f"option {option.code} ({option.data[:LONGEST_CONTENT].hex() or 'empty'}{more})")
    return told + _left_out(len(opaque), "unknown options")


def _faults(message: Message) -> list[str]:
    """
    Tell what could not be read.
    """
    malformed = message.malformed
    told = [f"ignored {option.problem}" for option in malformed[:MOST_SHOWN]]
    told += _left_out(len(malformed), "malformed options")
    if message.surplus:
        told.append(f"{message.surplus} stray bytes at the end")
    return told


def _status(status: Status | None) -> list[str]:
    """
    Tell a status, if there is one.
    """
    if status is None:
        return []
    words = status.text
    if len(words) > LONGEST_WORDS:
        words = words[: LONGEST_WORDS - 1] + "…"
    name = _name(StatusCode, status.status)
    return [f'status {name} "{words}"' if words else f"status {name}"]


def _seconds(seconds: int) -> str:
    """
    Tell a span of time.
    """
    return "for ever" if seconds == INFINITY else f"{seconds} s"


def _left_out(number: int, what: str) -> list[str]:
    """
    Tell how many were left out.
    """
    return [f"{number - MOST_SHOWN} more {what}"] if number > MOST_SHOWN else []
