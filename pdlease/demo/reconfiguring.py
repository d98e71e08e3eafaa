"""
The server's side of Reconfigure: keys that it gives and messages that it signs (RFC 9915 sections 18.3.11 and 20.4).

As pure as L{pdlease.demo.delegating}, whose answers are completed here.  What can be ordered is described in
L{pdlease.demo.script}; the client's side of the same protocol is L{pdlease.client.reconfigure}, of which nothing is
used here, so that a mistake there is not made here as well.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from os import urandom

from attrs import define, evolve, field

from pdlease.wire.chain import Option
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, encode
from pdlease.wire.options import Authentication, ClientId, ReconfigureAccept, ReconfigureMessage, ServerId

ALL_NODES = "ff02::1"
"""Where a Reconfigure must not be sent (R-16.11-01), and where every host hears it."""

STATIC = Authentication(0, 0, 0, bytes(8), b"a token of the provider")
"""An option as a provider puts into all that it sends: a configuration token, and a counter that never counts."""

MOST_AT_ONCE = 1000
"""How many Reconfigures one order sends at most."""

MOST_KEYS = 4096
"""How many clients get a key."""

_TYPES = {
    "renew": MessageType.RENEW,
    "rebind": MessageType.REBIND,
    "information": MessageType.INFORMATION_REQUEST,
}

_PARTS = {
    "client-id": OptionCode.CLIENT_ID,
    "server-id": OptionCode.SERVER_ID,
    "reconfigure-message": OptionCode.RECONFIGURE_MESSAGE,
    "auth": OptionCode.AUTHENTICATION,
}
"""What a Reconfigure consists of, by the names that C{without} takes."""

_NO_KEY = bytes(16)
"""What a Reconfigure for a client that was given no key is signed with."""


@define(kw_only=True)
class Reconfiguring:
    """
    What was agreed with each client.

    @ivar agrees: whether clients that would listen to Reconfigure get the option and a key.
    @ivar static: whether every message carries an authentication option that nobody asked for.
    @ivar unasked: whether clients that would not listen get a key nevertheless.
    @ivar keys: the key of each client.
    @ivar counter: what the last message had for the detection of replays; it only grows.
    @ivar client: who was answered last.
    @ivar new_key: gives 16 octets that nobody can guess.
    """

    agrees: bool = True
    static: bool = False
    unasked: bool = False
    keys: dict[DUID, bytes] = field(factory=dict)
    counter: int = 0
    client: DUID | None = None
    new_key: Callable[[], bytes] = lambda: urandom(16)

    def complete(self, message: Message, reply: Message) -> Message:
        """
        Add to an answer what it says about Reconfigure.

        A key goes with the first Reply to a client, and again whenever it begins anew, as it may have lost it then.

        @param message: what is answered.
        """
        self.client = message.client_id or self.client
        return evolve(reply, options=(*reply.options, *self._agreed(message, reply)))

    def order(self, words: list[str], server: DUID) -> tuple[list[bytes], str | None]:
        """
        The Reconfigures that an order describes, and the group to send them to instead of the client, or C{None}.

        @param words: the order, without its name.
        @raise ValueError: when it is not understood, or no client is known.
        @raise KeyError: when a name in it is unknown.
        """
        if self.client is None:
            raise ValueError("no client was answered yet")
        kind = int(words[0]) if words[0].isdigit() else _TYPES[words[0]]
        if not 0 <= kind <= 255:
            raise ValueError("a message type has 0 to 255")
        count, missing, seen = 1, set[int](), set[str]()
        rest = iter(words[1:])
        for word in rest:
            if word == "count":
                count = int(next(rest, ""))
                if not 1 <= count <= MOST_AT_ONCE:
                    raise ValueError(f"1 to {MOST_AT_ONCE} at once")
            elif word == "without":
                missing.add(_PARTS[next(rest, "")])
            elif word in {"wrong-digest", "replay", "multicast"}:
                seen.add(word)
            else:
                raise ValueError(f"{word!r} is none of: count, multicast, replay, without, wrong-digest")
        datagrams = []
        for _ in range(count):
            self.counter += "replay" not in seen
            datagram = self._signed(self.client, server, kind, missing)
            if "wrong-digest" in seen:
                datagram = datagram[:-1] + bytes((datagram[-1] ^ 1,))
            datagrams.append(datagram)
        return datagrams, ALL_NODES if "multicast" in seen else None

    def agree(self, words: list[str]) -> None:
        """
        Begin or cease to agree on Reconfigure: C{on} or C{off}.

        @raise ValueError: when it is neither.
        """
        if words not in (["on"], ["off"]):
            raise ValueError("on or off is wanted")
        self.agrees = words == ["on"]

    def authenticate(self, words: list[str]) -> None:
        """
        Send authentication that nobody asked for: C{static}, C{key} or C{off}.

        @raise ValueError: when it is none of these.
        """
        if words not in (["static"], ["key"], ["off"]):
            raise ValueError("static, key or off is wanted")
        self.static, self.unasked = words == ["static"], words == ["key"]

    def forget(self) -> None:
        """Lose all keys, as a server that was restarted without its memory."""
        self.keys.clear()

    def _agreed(self, message: Message, reply: Message) -> Iterator[Option]:
        """The options that an answer gets."""
        if self.static:
            yield STATIC
        client = message.client_id
        willing = self.agrees and message.reconfigure_accept
        if client is None or reply.message_type != MessageType.REPLY or message.message_type == MessageType.RELEASE:
            return
        if willing:
            yield ReconfigureAccept()
        beginning = message.message_type in {MessageType.SOLICIT, MessageType.REQUEST}
        known = client in self.keys
        if (willing or self.unasked) and (beginning or not known) and (known or len(self.keys) < MOST_KEYS):
            key = self.keys[client] = self.new_key()
            yield Authentication(3, 1, 0, self.counter.to_bytes(8, "big"), b"\1" + key)

    def _signed(self, client: DUID, server: DUID, kind: int, missing: set[int]) -> bytes:
        """
        A Reconfigure with the digest of itself, which is computed with zeros in its place (section 20.4.2).

        The authentication is the last option, so that the digest ends the datagram.
        """
        options: tuple[Option, ...] = (
            ServerId(server),
            ClientId(client),
            ReconfigureMessage(kind),
            Authentication(3, 1, 0, self.counter.to_bytes(8, "big"), b"\2" + bytes(16)),
        )
        kept = tuple(option for option in options if option.code not in missing)
        unsigned = encode(Message(MessageType.RECONFIGURE, 0, kept))
        if OptionCode.AUTHENTICATION in missing:
            return unsigned
        return unsigned[:-16] + hmac.digest(self.keys.get(client, _NO_KEY), unsigned, "md5")
