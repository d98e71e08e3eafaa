"""
A whole message between client and server (RFC 9915 section 8), from a datagram and back.

L{decode} takes any octets and raises nothing but L{WireError}.  It decides only what can be read; whether a message may
be acted upon (types, identifiers, transaction, R-16-01 and on) is L{pdlease.client}.
"""

from __future__ import annotations

from typing import TypeVar

from attrs import frozen

from pdlease.wire import options as simple
from pdlease.wire.chain import MalformedOption, Option, OptionReader, read_options, write_options
from pdlease.wire.codes import MessageType
from pdlease.wire.duid import DUID
from pdlease.wire.prefixes import IAPD, IAPrefix
from pdlease.wire.reader import WireError

_Kind = TypeVar("_Kind", bound=Option)

SHORTEST = 4
"""Octets of the shortest message: type and transaction."""

_RELAYED = frozenset({MessageType.RELAY_FORWARD, MessageType.RELAY_REPLY})


@frozen
class Message:
    """
    One message.

    Of an option that may stand once the first well-formed instance counts (R-16-21); all of them are in C{options}.

    @ivar message_type: the type (L{pdlease.wire.codes.MessageType}, or any other number up to 255).
    @ivar transaction_id: 24 bits that an answer repeats; 0 in a Reconfigure.
    @ivar options: its options, in order.
    @ivar remainder: octets that are no option: up to three behind the last one, or all of a relay's message, which has
        another form and which a client discards by its type.
    """

    message_type: int
    transaction_id: int
    options: tuple[Option, ...] = ()
    remainder: bytes = b""

    def option(self, kind: type[_Kind]) -> _Kind | None:
        """
        Find the first well-formed option of a class, or C{None}.
        """
        for option in self.options:
            if isinstance(option, kind):
                return option
        return None

    def options_of(self, kind: type[_Kind]) -> tuple[_Kind, ...]:
        """
        Find all well-formed options of a class, in order.
        """
        return tuple([option for option in self.options if isinstance(option, kind)])

    @property
    def name(self) -> str:
        """The name of its type, as RFCs write it; C{message of type 99} for one that nobody knows."""
        try:
            return MessageType(self.message_type).name.capitalize().replace("_", "-")
        except ValueError:
            return f"message of type {self.message_type}"

    @property
    def surplus(self) -> int:
        """How many stray octets stood behind the last option; they do no harm, and are counted (R-16-20)."""
        return 0 if self.message_type in _RELAYED else len(self.remainder)

    @property
    def client_id(self) -> DUID | None:
        """Whom it is from or for, or C{None}."""
        option = self.option(simple.ClientId)
        return None if option is None else option.duid

    @property
    def server_id(self) -> DUID | None:
        """Which server it is from or for, or C{None}."""
        option = self.option(simple.ServerId)
        return None if option is None else option.duid

    @property
    def preference(self) -> int:
        """The server's preference; 0 if it does not say (section 18.2.9)."""
        option = self.option(simple.Preference)
        return 0 if option is None else option.value

    @property
    def status(self) -> simple.Status | None:
        """The status of the whole message, or C{None}, which means success (section 7.5)."""
        return self.option(simple.Status)

    @property
    def ia_pds(self) -> tuple[IAPD, ...]:
        """The associations, the first of each IAID (R-16-22)."""
        found: dict[int, IAPD] = {}
        for option in self.options:
            if isinstance(option, IAPD):
                found.setdefault(option.iaid, option)
        return tuple(found.values())

    @property
    def rapid_commit(self) -> bool:
        """Whether Rapid Commit is in it."""
        return self.option(simple.RapidCommit) is not None

    @property
    def reconfigure_accept(self) -> bool:
        """Whether Reconfigure Accept is in it."""
        return self.option(simple.ReconfigureAccept) is not None

    @property
    def reconfigure_message(self) -> int | None:
        """The type of message that a Reconfigure asks for, or C{None}."""
        option = self.option(simple.ReconfigureMessage)
        return None if option is None else option.message_type

    @property
    def sol_max_rt(self) -> int | None:
        """The SOL_MAX_RT in it (seconds, as received), or C{None}."""
        option = self.option(simple.SolMaxRt)
        return None if option is None else option.seconds

    @property
    def inf_max_rt(self) -> int | None:
        """The INF_MAX_RT in it (seconds, as received), or C{None}."""
        option = self.option(simple.InfMaxRt)
        return None if option is None else option.seconds

    @property
    def malformed(self) -> tuple[MalformedOption, ...]:
        """The options that could not be read, at every level, to be counted and logged."""
        found: list[MalformedOption] = []
        for option in self.options:
            if isinstance(option, MalformedOption):
                found.append(option)
            elif isinstance(option, IAPD):
                for inner in option.options:
                    if isinstance(inner, MalformedOption):
                        found.append(inner)
                    elif isinstance(inner, IAPrefix):
                        found.extend(innermost for innermost in inner.options if isinstance(innermost, MalformedOption))
        return tuple(found)


AT_TOP: dict[int, OptionReader] = {
    kind.code: kind.read
    for kind in (
        simple.ClientId,
        simple.ServerId,
        simple.OptionRequest,
        simple.Preference,
        simple.ElapsedTime,
        simple.Authentication,
        simple.Status,
        simple.RapidCommit,
        simple.UserClass,
        simple.VendorClass,
        simple.VendorOptions,
        simple.ReconfigureMessage,
        simple.ReconfigureAccept,
        simple.DnsServers,
        simple.DomainList,
        IAPD,
        simple.SntpServers,
        simple.InformationRefreshTime,
        simple.AftrName,
        simple.SolMaxRt,
        simple.InfMaxRt,
    )
}
"""What is known directly in a message."""


def decode(data: bytes | bytearray | memoryview) -> Message:
    """
    Read a datagram.

    @param data: its octets, up to 65535.
    @raise WireError: if it is shorter than a message, or one of its options reaches past its end (R-16-20).
    """
    data = bytes(data)  # Free for bytes; from a buffer that is used again, parts must be copied in any case.
    if len(data) < SHORTEST:
        raise WireError("message", 0, data, f"at least {SHORTEST} bytes wanted, {len(data)} there")
    message_type = data[0]
    transaction_id = int.from_bytes(data[1:4], "big")
    if message_type in _RELAYED:
        return Message(message_type, transaction_id, (), data[4:])
    return Message(message_type, transaction_id, *read_options(data, 4, len(data), AT_TOP, "message"))


def encode(message: Message) -> bytes:
    """
    Write a message; options keep the order given.

    @raise ValueError: if a number does not fit into its field, or a content into its option.
    """
    if not (0 <= message.message_type <= 0xFF and 0 <= message.transaction_id <= 0xFFFFFF):
        raise ValueError(f"no message has type {message.message_type} and transaction {message.transaction_id}")
    header = message.message_type << 24 | message.transaction_id
    return header.to_bytes(4, "big") + write_options(message.options) + message.remainder
