"""
The gate for clients of other machines: TLS with their certificate first, then a control connection.

A handshake has a place of its own, few of them and few for each network, and so long and no longer; what has come
through takes one of the places for remote clients at L{pdlease.control.server}, never one of local ones.  With plain
TCP, which is for the loopback link alone, there is no handshake.  Imported only where remote control is configured.
"""

from __future__ import annotations

import socket
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.interfaces import IProtocol, IReactorTime

from pdlease.config.remote import ANYBODY, Remote
from pdlease.control.commands import goodbye
from pdlease.control.connection import GOODBYE_SECONDS, ControlConnection
from pdlease.control.credentials import Files, Loaded, Owners, good_until, load_server, names_in
from pdlease.control.door import ControlReactor, Door, ForOne, Refusals
from pdlease.control.places import Places
from pdlease.control.reaching import keep_alive
from pdlease.control.roles import Certified
from pdlease.control.tls import TLSProtocol
from pdlease.control.vocabulary import Closing

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

#: Handshakes under way, and of one network.
HANDSHAKES = 16
NETWORK_HANDSHAKES = 8
#: Seconds in which a handshake must be over.
HANDSHAKE_SECONDS = 10.0
#: Handshakes begun in a second, and of one network: each costs a millisecond or several.
HANDSHAKES_A_SECOND = 40
NETWORK_HANDSHAKES_A_SECOND = 20
#: Connections accepted in a second, to be turned away for the most part.
ACCEPTED_A_SECOND = 256

Admit = Callable[[Certified], "ControlConnection | Closing"]


def network_of(address: str) -> str:
    """What addresses of one holder have in common: the /64, or all of an IPv4 address."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped or IPv6Network((int(found) >> 64 << 64, 64)))
    return str(found)


class Credentials:
    """
    What TLS is spoken by, read from the files anew at every reload.

    @ivar context: the context; C{None} as long as the files could not be used.
    @ivar problem: why there is none.
    """

    def __init__(self, owners: Owners) -> None:
        self.context: ssl.SSLContext | None = None
        self.problem = ""
        self._owners = owners
        self._loaded: Loaded | None = None

    def read(self, remote: Remote) -> Loaded:
        """
        Read the files; nothing is changed yet.

        @raise CredentialsError: when they cannot be used.
        """
        return load_server(Files(certificate=remote.certificate, key=remote.key, ca=remote.client_ca), self._owners)

    def is_news(self, loaded: Loaded) -> bool:
        """Whether other certificates than before were read."""
        before = self._loaded
        return before is None or (before.certificate, before.authorities) != (loaded.certificate, loaded.authorities)

    def use(self, loaded: Loaded) -> bool:
        """
        Go by what was read.

        @return: whether other authorities than before decide about clients.
        """
        is_other = self._loaded is not None and self._loaded.authorities != loaded.authorities
        self._loaded, self.context, self.problem = loaded, loaded.context, ""
        return is_other


class Handshake:
    """
    One client that has not shown who it is, or was turned away and has not heard why.

    @param wall: tells the seconds since 1970, by which certificates are dated.
    @param refusals: where it is told if it is turned away.
    @param admit: given who it is when that is known; answers with the protocol for it, or with why there is none.
    @param over: called once when it is over, well or not.
    """

    #: It waits for nobody but its client.
    is_idle = True

    def __init__(
        self,
        context: ssl.SSLContext,
        clock: IReactorTime,
        address: str,
        wall: Callable[[], float],
        refusals: Refusals,
        admit: Admit,
        over: Callable[[Handshake], None],
    ) -> None:
        self.protocol = TLSProtocol(context, self._shaken, self._failed, self._lost)
        self._address = address
        self._clock = clock
        self._wall = wall
        self._refusals = refusals
        self._admit = admit
        self._over = over
        self._deadline: IDelayedCall | None = clock.callLater(HANDSHAKE_SECONDS, self._too_late)

    def give_way(self) -> None:
        """A newcomer needs the place."""
        self._cut("too many knock at once")

    def abandon(self) -> None:
        """It never got a transport."""
        self._drop_deadline()
        self._over(self)

    def _too_late(self) -> None:
        self._cut(f"no handshake within {HANDSHAKE_SECONDS:.0f} s")

    def _cut(self, reason: str) -> None:
        self._refusals.tell(self._address, reason)
        self.protocol.abortConnection()

    def _lost(self, reason: Failure) -> None:
        self.abandon()

    def _drop_deadline(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None

    def _shaken(self, protocol: TLSProtocol) -> IProtocol | None:
        shown = protocol.certificate
        good_for = max(0.0, good_until(shown) - self._wall())
        admitted = self._admit(Certified(names=names_in(shown), address=self._address, good_for=good_for))
        if isinstance(admitted, Closing):
            protocol.write(goodbye(admitted))
            protocol.finish()
            self._linger()
            return None
        self.abandon()
        return cast("IProtocol", admitted)

    def _failed(self, problem: ssl.SSLError) -> None:
        """What came is no TLS, or a certificate that is not to be believed."""
        if self._deadline is None:  # a connection that had been let in
            self.protocol.loseConnection()
            return
        self._refusals.tell(self._address, _words(problem))
        self._linger()

    def _linger(self) -> None:
        """
        End when the client has heard why: its last words are taken in, since the kernel would cut ours off if any were
        left unread.
        """
        self._drop_deadline()
        self._deadline = self._clock.callLater(GOODBYE_SECONDS, self.protocol.abortConnection)
        cast("Any", self.protocol.transport).loseWriteConnection()


class Gate:
    """
    Lets clients of other machines in.

    @param listening: what L{listen_remote<pdlease.control.listening.listen_remote>} gave.
    @param credentials: what TLS is spoken by; C{None} for plain TCP.
    @param wall: tells the seconds since 1970, by which certificates are dated.
    """

    def __init__(
        self,
        reactor: ControlReactor,
        clock: IReactorTime,
        listening: socket.socket,
        credentials: Credentials | None,
        wall: Callable[[], float],
    ) -> None:
        self.credentials = credentials
        self._wall = wall
        self._reactor = reactor
        self._clock = clock
        self._door = Door(reactor, clock, listening, self._receive, ACCEPTED_A_SECOND)
        self._refusals = Refusals(clock, "Remote control connection")
        self._handshakes: Places[Handshake] = Places(HANDSHAKES, NETWORK_HANDSHAKES)
        self._begun: deque[tuple[float, str]] = deque(maxlen=HANDSHAKES_A_SECOND)
        self._admit: Admit = lambda peer: Closing.STOPPING

    def open(self, admit: Admit) -> None:
        """
        Begin to accept.

        @param admit: given each client that has shown who it is; answers with its protocol, or with why there is none.
        """
        self._admit = admit
        self._door.open()

    def close(self) -> None:
        """Accept no more, and end what has not come through; may be called again."""
        self._admit = lambda peer: Closing.STOPPING
        self._door.close()
        for handshake in self._handshakes:
            handshake.protocol.abortConnection()

    def _let_in(self, peer: Certified) -> ControlConnection | Closing:
        admitted = self._admit(peer)
        return self._refusals.refuse(peer, admitted) if isinstance(admitted, Closing) else admitted

    def _receive(self, connection: socket.socket) -> None:
        """Somebody has come."""
        address = str(connection.getpeername()[0]).removeprefix("::ffff:")
        if self.credentials is None:
            self._receive_plain(connection, address)
            return
        context = self.credentials.context
        if context is None:
            self._refusals.tell(address, self.credentials.problem)
            return
        network = network_of(address)
        if not self._may_begin(network) or not self._handshakes.make_room(network):
            self._refusals.tell(address, "too many knock at once")
            return
        keep_alive(connection)
        handshake = Handshake(
            context, self._clock, address, self._wall, self._refusals, self._let_in, self._handshakes.leave
        )
        self._handshakes.take(handshake, network)
        try:
            self._reactor.adoptStreamConnection(connection.fileno(), connection.family, ForOne(handshake.protocol))
        except OSError:
            handshake.abandon()
            raise

    def _receive_plain(self, connection: socket.socket, address: str) -> None:
        admitted = self._let_in(Certified(names=frozenset({ANYBODY}), address=address))
        if isinstance(admitted, Closing):
            with suppress(OSError):
                connection.send(goodbye(admitted))
            return
        try:
            self._reactor.adoptStreamConnection(connection.fileno(), connection.family, ForOne(admitted))
        except OSError:
            admitted.abandon()
            raise

    def _may_begin(self, network: str) -> bool:
        """Whether another handshake may begin now; if so, it counts."""
        now = self._clock.seconds()
        while self._begun and now - self._begun[0][0] >= 1.0:
            self._begun.popleft()
        of_network = sum(other == network for _, other in self._begun)
        if len(self._begun) >= HANDSHAKES_A_SECOND or of_network >= NETWORK_HANDSHAKES_A_SECOND:
            return False
        self._begun.append((now, network))
        return True


def _words(problem: ssl.SSLError) -> str:
    """Why a handshake failed, in OpenSSL's words."""
    verdict = getattr(problem, "verify_message", "")
    reason = (problem.reason or str(problem)).lower().replace("_", " ")
    return f"its certificate: {verdict}" if verdict else reason
