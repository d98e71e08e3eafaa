"""
TLS on a stream, for the daemon and for Twisted programs alike: a protocol that deciphers for another one.

The standard library does the deciphering, between two buffers in memory, so that neither pyOpenSSL nor cryptography is
needed.  No octets are kept: what comes in is handed on in the same turn, what goes out goes into the transport's own
buffer, whose filling tells the inner protocol to pause.  Which certificates, is L{pdlease.control.credentials}.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

# How much is deciphered at a time: a record of TLS.
_RECORD = 16384


class TLSProtocol(Protocol):
    """
    Speaks TLS on its transport, and is the transport of an inner protocol.

    @param context: certificates and rules.
    @param shaken: called once when both sides have agreed; answers with the inner protocol, or C{None} for none.
    @param failed: called at most once, with why, when they do not, or when what comes is no TLS; by default the
        connection is ended.
    @param lost: called once when the connection is over, before the inner protocol is told.
    @param server_name: as a client: what the other side must be called.  C{None} as a server.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        shaken: Callable[[TLSProtocol], IProtocol | None],
        failed: Callable[[ssl.SSLError], None] | None = None,
        lost: Callable[[Failure], None] = lambda reason: None,
        server_name: str | None = None,
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_name is None, server_hostname=server_name
        )
        self._shaken = shaken
        self._failed = failed or (lambda problem: self.loseConnection())
        self._lost = lost
        self._is_shaken = False
        self._is_over = False
        self._inner: IProtocol | None = None

    @property
    def certificate(self) -> dict[str, Any] | None:
        """The other side's, verified."""
        return self._tls.getpeercert()

    # What the transport says.

    def connectionMade(self) -> None:
        self._go_on()

    def dataReceived(self, data: bytes) -> None:
        if not self._is_over:
            self._incoming.write(data)
            self._go_on()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_over = True
        self._lost(reason)
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.connectionLost(reason)

    def _go_on(self) -> None:
        """Do what can be done with what has come."""
        try:
            if not self._is_shaken:
                self._shake()
            self._read()
        except ssl.SSLWantReadError:
            self._flush()
        except (ssl.SSLError, ssl.CertificateError) as problem:
            self._fail(problem)

    def _shake(self) -> None:
        self._tls.do_handshake()
        self._is_shaken = True
        self._flush()
        self._inner = self._shaken(self)
        if self._inner is not None:
            self._inner.makeConnection(cast("Any", self))

    def _read(self) -> None:
        parts: list[bytes] = []
        problem: ssl.SSLError | None = None
        is_end = False
        try:
            while not self._is_over and not is_end:
                parts.append(self._tls.read(_RECORD))
                is_end = not parts[-1]
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            problem = error
        self._flush()
        octets = b"".join(parts)
        if octets and self._inner is not None:
            self._inner.dataReceived(octets)
        if is_end:
            self.loseConnection()
        elif problem is not None:
            self._fail(problem)

    def _fail(self, problem: ssl.SSLError) -> None:
        self._flush()
        if not self._is_over:
            self._is_over = True
            self._failed(problem)

    def _flush(self) -> None:
        if self._outgoing.pending and self.transport is not None:
            self.transport.write(self._outgoing.read())

    # What the inner protocol says.

    def write(self, data: bytes) -> None:
        """Send."""
        if self._is_over or not data:
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as problem:
            self._fail(problem)
        self._flush()

    def writeSequence(self, data: list[bytes]) -> None:
        """Send what is in these."""
        self.write(b"".join(data))

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """Have the inner protocol paused while the other side does not read."""
        cast("Any", self.transport).registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Have it paused no more."""
        cast("Any", self.transport).unregisterProducer()

    def pauseProducing(self) -> None:
        """Read no more for now."""
        cast("Any", self.transport).pauseProducing()

    def resumeProducing(self) -> None:
        """Read on."""
        cast("Any", self.transport).resumeProducing()

    def finish(self) -> None:
        """Say the end in TLS, and decipher nothing more; the connection stays until it is ended."""
        if self._is_shaken and not self._is_over:
            with suppress(ssl.SSLError):
                # it wants the other side's end as well, which is not waited for
                self._tls.unwrap()
            self._flush()
        self._is_over = True

    def loseConnection(self) -> None:
        """Say the end in TLS, and end when all is sent."""
        self.finish()
        if self.transport is not None:
            self.transport.loseConnection()

    def abortConnection(self) -> None:
        """End at once."""
        self._is_over = True
        cast("Any", self.transport).abortConnection()

    def getPeer(self) -> Any:
        """Who is at the other end."""
        return cast("Any", self.transport).getPeer()

    def getHost(self) -> Any:
        """Where this end is."""
        return cast("Any", self.transport).getHost()
