"""
A server in the hands of a test: it sees what the client sends and answers whatever the test likes, lies included.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from ipaddress import IPv6Network

from attrs import evolve

from pdlease.demo.delegating import DelegatingServer, Terms
from pdlease.demo.script import SPOILERS
from pdlease.wire.codes import CLIENT_PORT, MessageType
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, encode
from tests.live.network import Heard, Network, ip, socket_in, until


class Liar:
    """
    @ivar server: answers by the book, for what is to be true.
    @ivar reason: the name of the counter in the status for each kind of lie.
    """

    reason: Mapping[str, str] = {
        "wrong-xid": "discarded_transaction_id",
        "wrong-client": "discarded_other_client",
        "no-client": "discarded_no_client_id",
        "no-server": "discarded_no_server_id",
        "other-server": "discarded_other_server",
        "empty": "discarded_empty",
        "unknown-type": "discarded_unknown_type",
        "truncated": "discarded_malformed",
    }

    def __init__(self, network: Network, heard: Heard, pool: str = "2001:db8:1000::/44") -> None:
        self.server = DelegatingServer(Terms(pools=(IPv6Network(pool),), preference=255))
        self._heard = heard
        self._socket = socket_in(network.isp, socket.AF_INET6, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"cpe0")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        words = network.addresses(network.router, "wan0", "scope", "link").split()
        scope = int(ip("-n", network.isp, "-o", "link", "show", "cpe0").split(":")[0])
        self._client = (words[3].partition("/")[0], CLIENT_PORT, 0, scope)

    def heard(self, message_type: MessageType, since: float = 0.0, seconds: float = 5.0) -> Message:
        """The first message of a type since then (CLOCK_MONOTONIC), which must come within so many seconds."""
        found: tuple[float, Message] = until(
            lambda: self._heard.first(message_type, since), seconds, f"{message_type.name} on the uplink", every=0.01
        )
        return found[1]

    def truth(self, message: Message, server: DUID | None = None) -> Message:
        """What a server answers that goes by the book; by another name if one is given."""
        if server is not None:
            self.server.terms = evolve(self.server.terms, server=server)
        answer = self.server.reply(message, time.monotonic())
        assert answer is not None
        return answer

    def lies(self, message: Message) -> dict[str, bytes]:
        """What it answers spoiled in every way, by kind."""
        truth = self.truth(message)
        lies = {kind: spoil(truth) for kind, spoil in SPOILERS.items() if kind in self.reason}
        # a server that was not asked may well offer: of an Advertise that is no lie
        if message.message_type in (MessageType.SOLICIT, MessageType.REBIND):
            del lies["other-server"]
        return lies

    def send(self, data: bytes) -> None:
        """Send a datagram to the client."""
        self._socket.sendto(data, self._client)

    def answer(self, message: Message) -> None:
        """Answer by the book."""
        self.send(encode(self.truth(message)))

    def close(self) -> None:
        """Send no more."""
        self._socket.close()
