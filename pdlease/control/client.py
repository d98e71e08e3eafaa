"""
The control channel as a Python interface for Twisted programs: typed methods that return Deferreds.

The same without a reactor is L{pdlease.control.blocking}.  What each command does is documented with
L{pdlease.interfaces.IDaemonControl} and in C{docs/control.rst}; errors are those of L{pdlease.control.errors}.

To begin::

    from pdlease.control.client import connect

    def main(reactor):
        return connect(reactor, "/run/pdlease/control.sock").addCallback(lambda client: client.status())
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, cast

from attrs import frozen
from twisted.internet.defer import Deferred, TimeoutError, fail
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IAddress, IProtocol, IReactorUNIX, IStreamClientEndpoint
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols import amp
from twisted.python.failure import Failure

from pdlease import __version__
from pdlease.control.commands import command_of
from pdlease.control.errors import ControlError, GoneError, UnreachableError, error_from_wire
from pdlease.control.paging import decode_document
from pdlease.control.vocabulary import (
    CLOSING,
    COUNTERS,
    EVENT,
    GUESTS,
    HISTORY,
    IDENTITY,
    NEWEST_PROTOCOL,
    OLDEST_PROTOCOL,
    PAGE_COMMAND,
    PLAN,
    REBIND,
    RELEASE,
    RELOAD,
    RENEW,
    REQUEST,
    SET_LOG_LEVEL,
    STATUS,
    VERSION,
    WAIT,
    WATCH,
    WHY,
    Word,
)
from pdlease.logs import Logger

if TYPE_CHECKING:
    from ssl import SSLContext, SSLError

    from pdlease.control.credentials import Files
    from pdlease.control.tls import TLSProtocol

#: Seconds to connect in.
CONNECT_SECONDS = 10

Event = dict[str, Any]


@frozen(kw_only=True)
class Watched:
    """
    How a watch began.

    @ivar sequence: sequence number of the newest event so far.
    @ivar instance: differs for every run of the daemon.
    @ivar missed: whether events after the number that was given are no longer kept: ask for the status then.
    """

    sequence: int
    instance: str
    missed: bool


class ControlClient(amp.AMP):
    """
    A connection to the daemon; made by L{connect}.

    Every method's Deferred fails with a L{ControlError}: one of those that travel, or L{GoneError}.

    @ivar software: name and version of the daemon.
    @ivar role: C{viewer} or C{admin}.
    @ivar closed: fires with the L{GoneError} that says why, when the connection has ended.
    """

    _log = Logger()

    def __init__(self, begun: Callable[[], None] = lambda: None) -> None:
        """
        @param begun: called when there is a transport.
        """
        amp.AMP.__init__(self)
        self._begun = begun
        self.software = ""
        self.role = ""
        self.closed: Deferred[ControlError] = Deferred()
        self._farewell = ""
        self._refusal: ControlError | None = None
        self._told: Callable[[Event], None] | None = None

    def greet(self) -> Deferred[ControlClient]:
        """Agree on a version of the protocol; L{connect} has done it."""
        greeting = self._ask(
            VERSION, oldest=OLDEST_PROTOCOL, newest=NEWEST_PROTOCOL, software=f"pdlease.control.client {__version__}"
        )

        def greeted(answer: dict[str, Any]) -> ControlClient:
            self.software = answer["software"]
            self.role = answer["role"]
            return self

        return greeting.addCallback(greeted)

    def status(self, uplink: str | None = None) -> Deferred[dict[str, Any]]:
        """The status document, of all uplinks or of one."""
        return self._mapping(STATUS, uplink=uplink)

    def plan(self) -> Deferred[dict[str, Any]]:
        """The plan document, with the prefixes held now."""
        return self._mapping(PLAN)

    def why(self, uplink: str | None = None) -> Deferred[list[str]]:
        """Sentences on what each uplink does or waits for."""
        return cast("Deferred[list[str]]", self._document(WHY, uplink=uplink))

    def identity(self) -> Deferred[dict[str, Any]]:
        """DUID and IAIDs in use."""
        return self._mapping(IDENTITY)

    def guests(self) -> Deferred[dict[str, Any]]:
        """The links of guests and switches: C{{"guests", "switches"}}."""
        return self._mapping(GUESTS)

    def counters(self, uplink: str | None = None) -> Deferred[dict[str, Any]]:
        """What was counted on each uplink: C{{"uplinks"}}, without zeros."""
        return self._mapping(COUNTERS, uplink=uplink)

    def history(self, count: int | None = None) -> Deferred[dict[str, Any]]:
        """The last events: C{{"events", "sequence", "instance"}}."""
        return self._mapping(HISTORY, count=count)

    def wait(self, uplink: str, timeout: float | None = None) -> Deferred[dict[str, Any]]:
        """
        Fires with the uplink's status once it is bound and every assignment is installed.

        @param timeout: seconds until L{TimedOutError<pdlease.control.errors.TimedOutError>}; C{None} for never.
        """
        # amp.Float takes nothing but floats
        return self._mapping(WAIT, uplink=uplink, timeout=None if timeout is None else float(timeout))

    def renew(self, uplink: str | None = None) -> Deferred[dict[str, str]]:
        """Send Renew now."""
        return self._mapping(RENEW, uplink=uplink)

    def rebind(self, uplink: str | None = None) -> Deferred[dict[str, str]]:
        """Send Rebind now."""
        return self._mapping(REBIND, uplink=uplink)

    def request(self, uplink: str | None = None) -> Deferred[dict[str, str]]:
        """Ask at once, by Rebind where prefixes are held, else from Solicit on; what the original's control does."""
        return self._mapping(REQUEST, uplink=uplink)

    def release(self, uplink: str, force: bool = False) -> Deferred[dict[str, str]]:
        """Deprecate, remove, then Release; fires when the exchange is over."""
        return self._mapping(RELEASE, uplink=uplink, force=force)

    def reload(self, dry_run: bool = False) -> Deferred[dict[str, Any]]:
        """Read the configuration again and apply what changed."""
        return self._mapping(RELOAD, dry_run=dry_run)

    def set_log_level(self, level: str) -> Deferred[None]:
        """One of C{debug}, C{verbose}, C{brief}."""
        return self._ask(SET_LOG_LEVEL, level=level).addCallback(lambda _: None)

    def watch(self, told: Callable[[Event], None], since: int | None = None) -> Deferred[Watched]:
        """
        Have C{told} called with every event document from now on, or from behind one that is known.

        Events may come before the Deferred fires.  When the connection ends so does the watch: see C{closed}, and watch
        again with the last sequence number.
        """
        self._told = told
        return self._ask(WATCH, since=since).addCallback(lambda answer: Watched(**answer))

    def disconnect(self) -> Deferred[ControlError]:
        """End the connection; fires when it has ended."""
        if self.transport is not None:
            self.transport.loseConnection()
        return self.closed

    def locateResponder(self, name: bytes) -> Callable[[amp.AmpBox], Any] | None:
        if name == EVENT.name.encode():
            return self._event
        if name == CLOSING.name.encode():
            return self._closing
        return None

    def makeConnection(self, transport: Any) -> None:
        """Without the line that AMP logs for every connection."""
        amp.BinaryBoxProtocol.makeConnection(self, transport)
        self._begun()

    def refused(self, problem: ControlError) -> None:
        """The daemon did not take the certificate, as it says when its own side of the handshake is over."""
        self._refusal = problem

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        gone = self._refusal or GoneError(self._farewell or "The daemon ended the connection.")
        amp.BinaryBoxProtocol.connectionLost(self, Failure(gone))
        self.transport = None
        self.closed.callback(gone)

    def _event(self, box: amp.AmpBox) -> amp.AmpBox:
        told = self._told
        if told is not None:
            event = decode_document(command_of(EVENT).parseArguments(box, self)["event"])
            try:
                told(cast("Event", event))
            except Exception:
                self._log.failure("A watcher failed on an event")
        return amp.AmpBox()

    def _closing(self, box: amp.AmpBox) -> amp.AmpBox:
        self._farewell = command_of(CLOSING).parseArguments(box, self)["text"]
        return amp.AmpBox()

    def _ask(self, word: Word, **arguments: object) -> Deferred[dict[str, Any]]:
        if self.transport is None:
            return fail(GoneError(self._farewell or "The connection is over."))
        asked: Deferred[dict[str, Any]] = amp.AMP.callRemote(self, command_of(word), **arguments)
        return asked.addErrback(_as_control_error)

    def _document(self, word: Word, **arguments: object) -> Deferred[object]:
        pages: list[bytes] = []

        def more(answer: dict[str, Any]) -> object:
            pages.append(answer["page"])
            if answer["more"] is None:
                return decode_document(b"".join(pages))
            return self._ask(PAGE_COMMAND, token=answer["more"]).addCallback(more)

        return self._ask(word, **arguments).addCallback(more)

    def _mapping(self, word: Word, **arguments: object) -> Deferred[dict[str, Any]]:
        return cast("Deferred[dict[str, Any]]", self._document(word, **arguments))


def _as_control_error(failure: Failure) -> NoReturn:
    problem = failure.value
    if isinstance(problem, ControlError):
        raise problem
    if isinstance(problem, amp.RemoteAmpError):
        description = problem.description
        raise error_from_wire(problem.errorCode.decode("ascii", "replace"), str(description)) from None
    if isinstance(problem, amp.UnhandledCommand):
        raise error_from_wire("UNHANDLED", str(problem)) from None
    raise GoneError(f"The connection to the daemon failed: {failure.getErrorMessage()}") from None


def connect(reactor: IReactorUNIX, path: str) -> Deferred[ControlClient]:
    """
    Connect to the daemon and agree on a version.

    @param path: its control socket.
    @return: fires with the client; fails with L{UnreachableError} when nobody listens or the socket may not be opened,
        with L{GoneError} when the daemon closed the connection, with C{VersionMismatchError} when there is no common
        version.
    """
    endpoint = UNIXClientEndpoint(reactor, path, timeout=CONNECT_SECONDS)
    connecting: Deferred[ControlClient] = endpoint.connect(Factory.forProtocol(ControlClient))
    return _greeted(connecting, path)


def connect_remote(
    reactor: Any, host: str, keys: Files | None = None, seconds: float = CONNECT_SECONDS
) -> Deferred[ControlClient]:
    """
    Connect to the daemon of another machine, see that it is the one, and agree on a version.

    @param host: C{NAME}, C{NAME:PORT} and the like (L{pdlease.control.reaching.parse_host}).
    @param keys: what to show it and to know it by; C{None} for L{pdlease.control.reaching.keys_of_user}.
    @param seconds: to connect in.
    @return: fires and fails as that of L{connect}; also with L{UnreachableError} where the host is another one than it
        should be, does not take the certificate, or there are no keys.
    """
    from pdlease.control.reaching import context_of, keys_of_user, parse_host

    try:
        chosen = parse_host(host)
        context = None if chosen.is_plain else context_of(keys or keys_of_user())
    except ControlError as problem:
        return fail(problem)
    endpoint = HostnameEndpoint(reactor, chosen.name, chosen.port, timeout=seconds)
    if context is None:
        plain = cast("Deferred[ControlClient]", endpoint.connect(Factory.forProtocol(ControlClient)))
        return _greeted(plain, str(chosen))
    shaking = _Shaking(endpoint, context, chosen.name)
    return _greeted(shaking.client.addTimeout(seconds, reactor), str(chosen))


class _Shaking(Factory):
    """
    Connects with TLS.

    @ivar client: fires with the client when the handshake is over.
    """

    noisy = False

    def __init__(self, endpoint: IStreamClientEndpoint, context: SSLContext, name: str) -> None:
        self._context = context
        self._name = name
        self._client = ControlClient(self._begun)
        self._stream: TLSProtocol | None = None
        self.client: Deferred[ControlClient] = Deferred(lambda _: self._cancel())
        self._connecting = cast("Deferred[object]", endpoint.connect(self))
        self._connecting.addErrback(self._unreached)

    def buildProtocol(self, addr: IAddress | None) -> Any:
        from pdlease.control.tls import TLSProtocol

        self._stream = TLSProtocol(self._context, self._shaken, self._failed, self._lost, self._name)
        return self._stream

    def _shaken(self, stream: TLSProtocol) -> IProtocol:
        from pdlease.control.reaching import keep_alive

        with suppress(OSError):
            keep_alive(cast("Any", stream.transport).getHandle())
        return cast("IProtocol", self._client)

    def _begun(self) -> None:
        self.client.callback(self._client)

    def _unreached(self, failure: Failure) -> None:
        self._fail(cast("Exception", failure.value))

    def _failed(self, problem: SSLError) -> None:
        from pdlease.control.reaching import refused_by_daemon

        refusal = refused_by_daemon(problem)
        if self.client.called and refusal is not None:
            self._client.refused(refusal)
        else:
            self._fail(problem)
        if self._stream is not None:
            self._stream.loseConnection()

    def _lost(self, reason: Failure) -> None:
        self._fail(OSError(0, "it ended the connection"))

    def _fail(self, problem: Exception) -> None:
        from pdlease.control.reaching import words

        if not self.client.called:
            known = isinstance(problem, OSError)
            self.client.errback(ConnectError(string=words(problem)) if known else Failure(problem))

    def _cancel(self) -> None:
        self._connecting.cancel()
        if self._stream is not None:
            self._stream.abortConnection()


def _greeted(connecting: Deferred[ControlClient], where: str) -> Deferred[ControlClient]:
    """Agree on a version with whoever was connected to."""

    def unreachable(failure: Failure) -> NoReturn:
        failure.trap(ConnectError, OSError, TimeoutError)
        words = "it does not answer" if failure.check(TimeoutError) else failure.getErrorMessage()
        raise UnreachableError(f"No daemon is reachable at {where}: {words}") from None

    def greet(client: ControlClient) -> Deferred[ControlClient]:
        def hang_up(failure: Failure) -> Failure:
            client.disconnect()
            return failure

        return client.greet().addErrback(hang_up)

    return connecting.addErrback(unreachable).addCallback(greet)
