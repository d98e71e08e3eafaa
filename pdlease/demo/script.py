"""
What a delegating server can be told to do while it runs, misbehaviour included: one line of words for each command.

L{ScriptedServer} wraps a server that goes by the book (L{pdlease.demo.delegating}) and bends or holds back its answers.
It is as pure as that; who reads commands and sends datagrams is L{pdlease.demo.server}.

Commands::

    silent on | off | N | SECONDSs          answer nothing: until told, N messages, or for a time
    spoil KIND [N]                          instead of the next N answers (for ever without N), a spoiled one
    before KIND [N]                         a spoiled one before each of the next N answers
    duplicate [N]                           each of the next N answers twice
    replace HEX [N]                         these octets instead of the next N answers, with their transaction id
    well                                    no silence, no spoiling, no delay, no status any more
    delay SECONDS                           answer that much later
    status NAME [N]                         noprefix, nobinding: in every IA_PD; unspec or a number: of the message
    renumber PREFIX [HOW]                   another pool; old prefixes are said by withdraw, deprecate or forget
    withdraw                                take all prefixes away with lifetimes 0/0
    forget                                  lose all bindings
    lifetimes PREFERRED VALID [T1 T2]       seconds, or infinite
    preference N | none                     rapid-commit on | off        adopt on | off
    sol-max-rt N | none                     inf-max-rt N | none
    exclude LENGTH | none                   keep that part of each prefix for the uplink
    length LENGTH                           give prefixes of this length, whatever is wished
    raw HEX                                 send these octets to the last client at once
    reconfigure WHAT [HOW ...]              send it a signed Reconfigure: renew, rebind, information or a number
    agree on | off                          whether clients that accept Reconfigure get that option and a key
    auth static | key | off                 say unasked: a provider's token in every answer, a key in Replies

HOW is wrong-digest, replay (the counter of the one before), multicast (to all nodes), without PART (client-id,
server-id, reconfigure-message, auth) or count N; WHAT and HOW are worked out in L{pdlease.demo.reconfiguring}.
KIND is one of wrong-xid, wrong-client, no-client, other-server, no-server, empty, unknown-type, huge, truncated.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Network
from math import inf
from typing import get_args

from attrs import define, evolve, field, frozen

from pdlease.demo.delegating import DelegatingServer, Departure, Terms
from pdlease.demo.reconfiguring import Reconfiguring
from pdlease.wire.chain import OpaqueOption
from pdlease.wire.codes import INFINITY, MessageType, StatusCode
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import ClientId, ServerId, Status
from pdlease.wire.prefixes import IAPD
from pdlease.wire.reader import WireError

STRANGER = DUID(bytes.fromhex("00030001020000000bad"))
"""The DUID that stands in spoiled answers in place of the client's or the server's."""

LARGEST = 65527
"""Octets of the largest UDP datagram over IPv6 without jumbo payload."""


class CommandError(ValueError):
    """A command that is not understood; the text says what is."""


@frozen
class Outgoing:
    """
    A datagram to be sent.

    @ivar data: its octets.
    @ivar delay: seconds from now.
    @ivar group: the multicast address to send it to instead of the client, or C{None}.
    """

    data: bytes
    delay: float = 0.0
    group: str | None = None


def _without(kind: type[ClientId] | type[ServerId]) -> Callable[[Message], bytes]:
    """Leaves an identifier out."""
    return lambda message: encode(
        evolve(message, options=tuple(option for option in message.options if not isinstance(option, kind)))
    )


def _replaced(kind: type[ClientId] | type[ServerId]) -> Callable[[Message], bytes]:
    """Puts somebody else's identifier in."""
    return lambda message: encode(
        evolve(
            message,
            options=tuple(kind(STRANGER) if isinstance(option, kind) else option for option in message.options),
        )
    )


def _huge(message: Message) -> bytes:
    """Fills a message up to the largest datagram, with an option that nobody knows."""
    room = LARGEST - len(encode(message)) - 4
    return encode(evolve(message, options=(*message.options, OpaqueOption(65000, bytes(room)))))


SPOILERS: dict[str, Callable[[Message], bytes]] = {
    "wrong-xid": lambda message: encode(evolve(message, transaction_id=message.transaction_id ^ 1)),
    "wrong-client": _replaced(ClientId),
    "no-client": _without(ClientId),
    "other-server": _replaced(ServerId),
    "no-server": _without(ServerId),
    "empty": lambda message: b"",
    "unknown-type": lambda message: encode(evolve(message, message_type=99)),
    "huge": _huge,
    "truncated": lambda message: encode(message)[:-1],
}
"""What can be done to an answer, by name."""

_STATUSES = {
    "noprefix": StatusCode.NO_PREFIX_AVAIL,
    "nobinding": StatusCode.NO_BINDING,
    "unspec": StatusCode.UNSPEC_FAIL,
}


@define
class _Turn:
    """
    Something that is done to answers a number of times.

    @ivar what: what is done.
    @ivar left: how many times more.
    """

    what: Callable[[Message], bytes]
    left: float = inf


@define
class ScriptedServer:
    """
    A server and what it was told to do.

    @ivar server: the server that goes by the book.
    @ivar reconfiguring: what it agreed with clients about Reconfigure.
    """

    server: DelegatingServer = field(factory=DelegatingServer)
    reconfiguring: Reconfiguring = field(factory=Reconfiguring)
    _silent_messages: float = field(default=0, init=False)
    _silent_until: float = field(default=-inf, init=False)
    _instead: list[_Turn] = field(factory=list, init=False)
    _before: list[_Turn] = field(factory=list, init=False)
    _duplicates: float = field(default=0, init=False)
    _delay: float = field(default=0.0, init=False)
    _status: tuple[int, float] | None = field(default=None, init=False)

    def answer(self, data: bytes, now: float) -> tuple[Outgoing, ...]:
        """
        What to send for a datagram that came in.

        @param now: seconds of any steady clock.
        """
        if now < self._silent_until:
            return ()
        if self._silent_messages > 0:
            self._silent_messages -= 1
            return ()
        try:
            message = decode(data)
        except WireError:
            return ()
        reply = self.server.reply(message, now)
        if reply is None:
            return ()
        reply = self.reconfiguring.complete(message, self._with_status(reply))
        datagrams = [turn(reply) for turn in self._due(self._before)]
        instead = self._due(self._instead[:1])
        self._instead = [turn for turn in self._instead if turn.left > 0]
        self._before = [turn for turn in self._before if turn.left > 0]
        datagrams.append(instead[0](reply) if instead else encode(reply))
        if self._duplicates > 0:
            self._duplicates -= 1
            datagrams.append(datagrams[-1])
        return tuple(Outgoing(datagram, self._delay) for datagram in datagrams)

    def command(self, line: str, now: float) -> tuple[Outgoing, ...]:
        """
        Do as told.

        @return: what is to be sent at once.
        @raise CommandError: when the line is not understood; nothing has been changed then.
        """
        words = line.split()
        name = words[0] if words else ""
        if name not in _ORDERS and name not in _SENDING:
            raise CommandError(f"{line!r} is none of: {', '.join(sorted((*_ORDERS, *_SENDING)))}")
        try:
            if name == "raw":
                (octets,) = words[1:]
                return (Outgoing(bytes.fromhex(octets)),)
            if name == "reconfigure":
                datagrams, group = self.reconfiguring.order(words[1:], self.server.terms.server)
                return tuple(Outgoing(datagram, group=group) for datagram in datagrams)
            _ORDERS[name](self, words[1:], now)
        except (IndexError, KeyError, ValueError) as error:
            raise CommandError(f"{line!r}: {error}") from error
        return ()

    def _due(self, turns: list[_Turn]) -> list[Callable[[Message], bytes]]:
        """What is to be done now, counted down."""
        for turn in turns:
            turn.left -= 1
        return [turn.what for turn in turns]

    def _with_status(self, reply: Message) -> Message:
        """A reply with the status that was ordered, where there is one."""
        if self._status is None:
            return reply
        code, left = self._status
        self._status = (code, left - 1) if left > 1 else None
        status = Status(code, "as ordered")
        if code in {StatusCode.NO_PREFIX_AVAIL, StatusCode.NO_BINDING}:
            return evolve(
                reply,
                options=tuple(
                    IAPD(option.iaid, 0, 0, (status,)) if isinstance(option, IAPD) else option
                    for option in reply.options
                ),
            )
        kept = tuple(option for option in reply.options if not isinstance(option, (IAPD, Status)))
        if reply.message_type == MessageType.ADVERTISE:
            kept = tuple(option for option in reply.options if not isinstance(option, Status))
        return evolve(reply, options=(*kept, status))

    # The orders: each takes the words behind its name, and the time.

    def _silent(self, words: list[str], now: float) -> None:
        """Answer nothing."""
        (how,) = words
        if how == "on":
            self._silent_messages, self._silent_until = inf, -inf
        elif how == "off":
            self._silent_messages, self._silent_until = 0, -inf
        elif how.endswith("s"):
            self._silent_messages, self._silent_until = 0, now + float(how[:-1])
        else:
            self._silent_messages, self._silent_until = int(how), -inf

    def _spoil(self, words: list[str], now: float) -> None:
        """Spoil answers."""
        self._instead.append(_Turn(SPOILERS[words[0]], _times(words[1:])))

    def _precede(self, words: list[str], now: float) -> None:
        """Send a spoiled answer first."""
        self._before.append(_Turn(SPOILERS[words[0]], _times(words[1:])))

    def _replace(self, words: list[str], now: float) -> None:
        """Answer with given octets; the transaction id is put in where there is room for one."""
        octets = bytes.fromhex(words[0])

        def patched(message: Message) -> bytes:
            if len(octets) < 4:
                return octets
            return octets[:1] + message.transaction_id.to_bytes(3, "big") + octets[4:]

        self._instead.append(_Turn(patched, _times(words[1:])))

    def _duplicate(self, words: list[str], now: float) -> None:
        """Answer twice."""
        self._duplicates = _times(words)

    def _well(self, words: list[str], now: float) -> None:
        """Behave again."""
        self._silent_messages, self._silent_until, self._duplicates, self._delay = 0, -inf, 0, 0.0
        self._instead.clear()
        self._before.clear()
        self._status = None

    def _later(self, words: list[str], now: float) -> None:
        """Answer later."""
        seconds = float(words[0])
        if not 0 <= seconds <= 3600:
            raise ValueError("0 to 3600 seconds")
        self._delay = seconds

    def _ordered_status(self, words: list[str], now: float) -> None:
        """Answer with a status."""
        code = _STATUSES.get(words[0])
        self._status = (int(words[0]) & 0xFFFF if code is None else code, _times(words[1:]))

    def _renumber(self, words: list[str], now: float) -> None:
        """Delegate from another pool."""
        departure: Departure = "withdraw"
        for known in get_args(Departure):
            if words[1:] == [known]:
                departure = known
                break
        else:
            if words[1:]:
                raise ValueError(f"one of {', '.join(get_args(Departure))} is wanted")
        self.server.renumber((IPv6Network(words[0]),), departure)

    def _withdraw(self, words: list[str], now: float) -> None:
        """Take all away."""
        self.server.withdraw()

    def _forget(self, words: list[str], now: float) -> None:
        """Lose the memory."""
        self.server.forget()
        self.reconfiguring.forget()
        self.reconfiguring.keys.clear()

    def _lifetimes(self, words: list[str], now: float) -> None:
        """Give prefixes for another time."""
        seconds = [INFINITY if word == "infinite" else int(word) for word in words]
        if not all(0 <= number <= INFINITY for number in seconds):
            raise ValueError("0 to 4294967295 seconds")
        preferred, valid, *times = seconds
        t1, t2 = times or (None, None)
        self.server.terms = evolve(self.server.terms, preferred=preferred, valid=valid, t1=t1, t2=t2)


def _times(words: list[str]) -> float:
    """How often: a number, or for ever where there is none."""
    if not words:
        return inf
    (number,) = words
    return int(number)


_Order = Callable[[ScriptedServer, list[str], float], None]


def _number(highest: int, changed: Callable[[Terms, int], Terms]) -> _Order:
    """An order that sets a number of the terms."""

    def order(scripted: ScriptedServer, words: list[str], now: float) -> None:
        (word,) = words
        value = int(word)
        if not 0 <= value <= highest:
            raise ValueError(f"0 to {highest} is wanted")
        scripted.server.terms = changed(scripted.server.terms, value)

    return order


def _number_or_none(highest: int, changed: Callable[[Terms, int | None], Terms]) -> _Order:
    """An order that sets a number of the terms, or takes it away."""
    numbered = _number(highest, changed)

    def order(scripted: ScriptedServer, words: list[str], now: float) -> None:
        if words == ["none"]:
            scripted.server.terms = changed(scripted.server.terms, None)
        else:
            numbered(scripted, words, now)

    return order


def _switch(changed: Callable[[Terms, bool], Terms]) -> _Order:
    """An order that switches one of the terms on or off."""

    def order(scripted: ScriptedServer, words: list[str], now: float) -> None:
        (word,) = words
        scripted.server.terms = changed(scripted.server.terms, {"on": True, "off": False}[word])

    return order


_SENDING = ("raw", "reconfigure")
"""The commands that send something by themselves."""

_ORDERS: dict[str, _Order] = {
    "adopt": _switch(lambda terms, on: evolve(terms, adopt=on)),
    "agree": lambda scripted, words, now: scripted.reconfiguring.agree(words),
    "auth": lambda scripted, words, now: scripted.reconfiguring.authenticate(words),
    "before": ScriptedServer._precede,
    "delay": ScriptedServer._later,
    "duplicate": ScriptedServer._duplicate,
    "exclude": _number_or_none(128, lambda terms, length: evolve(terms, exclude=length)),
    "forget": ScriptedServer._forget,
    "inf-max-rt": _number_or_none(INFINITY, lambda terms, seconds: evolve(terms, inf_max_rt=seconds)),
    "length": _number(128, lambda terms, bits: evolve(terms, length=bits, shortest=bits, longest=bits)),
    "lifetimes": ScriptedServer._lifetimes,
    "preference": _number_or_none(255, lambda terms, value: evolve(terms, preference=value)),
    "rapid-commit": _switch(lambda terms, on: evolve(terms, rapid_commit=on)),
    "renumber": ScriptedServer._renumber,
    "replace": ScriptedServer._replace,
    "silent": ScriptedServer._silent,
    "sol-max-rt": _number_or_none(INFINITY, lambda terms, seconds: evolve(terms, sol_max_rt=seconds)),
    "spoil": ScriptedServer._spoil,
    "status": ScriptedServer._ordered_status,
    "well": ScriptedServer._well,
    "withdraw": ScriptedServer._withdraw,
}
