"""
The control channel for plain scripts, without Twisted: every method returns the answer or raises.

Three lines do::

    from pdlease.control.blocking import Control

    with Control() as daemon:
        print(daemon.status()["uplinks"]["wan"]["state"])

It speaks the same protocol as L{pdlease.control.client} and imports neither Twisted nor zope, so that a script (and
C{pdleasectl}) starts in a fraction of the time.  Errors are those of L{pdlease.control.errors}.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Iterator, Mapping
from select import select
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pdlease import __version__
from pdlease.control.boxes import encode_box, read_box
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
    Kind,
    Word,
)

if TYPE_CHECKING:
    from pdlease.control.credentials import Files

#: Where the daemon listens unless it is told otherwise.
DEFAULT_PATH = "/run/pdlease/control.sock"
#: What names another path.
ENVIRONMENT = "PDLEASE_CONTROL"
#: Seconds in which the daemon must answer what it can answer at once.
ANSWER_SECONDS = 30.0


def default_path(environment: Mapping[str, str] = os.environ) -> str:
    """The path of the control socket: C{$PDLEASE_CONTROL}, or the usual one."""
    return environment.get(ENVIRONMENT) or DEFAULT_PATH


class Control:
    """
    A connection to the daemon.

    @param path: its control socket; C{None} for L{default_path}.
    @param seconds: how long to wait for an answer; C{Release}, C{Wait} and events may take any time.
    @param host: a daemon on another machine instead, as L{pdlease.control.reaching.parse_host} takes it.
    @param keys: what to show it and to know it by; C{None} for L{pdlease.control.reaching.keys_of_user}.
    @ivar software: name and version of the daemon.
    @ivar role: C{viewer} or C{admin}.
    @raise UnreachableError: when nobody listens or the socket may not be opened, when a host is another one than it
        should be, does not take the certificate, or there are no keys.
    @raise VersionMismatchError: when client and daemon have no version of the protocol in common.
    """

    def __init__(
        self,
        path: str | None = None,
        seconds: float = ANSWER_SECONDS,
        *,
        host: str | None = None,
        keys: Files | None = None,
    ) -> None:
        self._seconds = seconds
        self._is_remote = host is not None
        self._tag = 0
        self._farewell = ""
        self._events: deque[dict[str, Any]] = deque()
        self._socket = _reach_local(path or default_path(), seconds) if host is None else _reach(host, keys, seconds)
        try:
            answer = self._ask(
                VERSION, oldest=OLDEST_PROTOCOL, newest=NEWEST_PROTOCOL, software=f"pdleasectl {__version__}"
            )
        except BaseException:
            self._socket.close()
            raise
        self.software: str = answer["software"]
        self.role: str = answer["role"]

    def __enter__(self) -> Control:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def status(self, uplink: str | None = None) -> dict[str, Any]:
        """The status document, of all uplinks or of one."""
        return self._mapping(STATUS, uplink=uplink)

    def plan(self) -> dict[str, Any]:
        """The plan document, with the prefixes held now."""
        return self._mapping(PLAN)

    def why(self, uplink: str | None = None) -> list[str]:
        """Sentences on what each uplink does or waits for."""
        sentences: list[str] = self._document(WHY, uplink=uplink)
        return sentences

    def identity(self) -> dict[str, Any]:
        """DUID and IAIDs in use."""
        return self._mapping(IDENTITY)

    def guests(self) -> dict[str, Any]:
        """The links of guests and switches: C{{"guests", "switches"}}."""
        return self._mapping(GUESTS)

    def counters(self, uplink: str | None = None) -> dict[str, Any]:
        """What was counted on each uplink: C{{"uplinks"}}, without zeros."""
        return self._mapping(COUNTERS, uplink=uplink)

    def history(self, count: int | None = None) -> dict[str, Any]:
        """The last events: C{{"events", "sequence", "instance"}}."""
        return self._mapping(HISTORY, count=count)

    def wait(self, uplink: str, timeout: float | None = None) -> dict[str, Any]:
        """
        Return the uplink's status once it is bound and every assignment is installed.

        @param timeout: seconds until L{TimedOutError<pdlease.control.errors.TimedOutError>}; C{None} for never.
        """
        return self._mapping(
            WAIT, seconds=None if timeout is None else timeout + self._seconds, uplink=uplink, timeout=timeout
        )

    def renew(self, uplink: str | None = None) -> dict[str, str]:
        """Send Renew now."""
        return self._mapping(RENEW, uplink=uplink)

    def rebind(self, uplink: str | None = None) -> dict[str, str]:
        """Send Rebind now."""
        return self._mapping(REBIND, uplink=uplink)

    def request(self, uplink: str | None = None) -> dict[str, str]:
        """Ask at once, by Rebind where prefixes are held, else from Solicit on; what the original's control does."""
        return self._mapping(REQUEST, uplink=uplink)

    def release(self, uplink: str, force: bool = False) -> dict[str, str]:
        """Deprecate, remove, then Release; returns when the exchange is over."""
        return self._mapping(RELEASE, seconds=None, uplink=uplink, force=force)

    def reload(self, dry_run: bool = False) -> dict[str, Any]:
        """Read the configuration again and apply what changed."""
        return self._mapping(RELOAD, dry_run=dry_run)

    def set_log_level(self, level: str) -> None:
        """One of C{debug}, C{verbose}, C{brief}."""
        self._ask(SET_LOG_LEVEL, level=level)

    def watch(self, since: int | None = None) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
        """
        Begin to watch, as the last thing that this connection is used for.

        @param since: sequence number of the last event that is known.
        @return: C{{"sequence", "instance", "missed"}}, and the events as they come.  The iterator ends with
            L{GoneError} when the connection does.
        """
        return self.begin_to_watch(since), self._watched()

    def begin_to_watch(self, since: int | None = None) -> dict[str, Any]:
        """
        Begin to watch, for who waits for the connection to become readable and then takes L{events_at_hand}; other
        questions may be asked meanwhile.

        @return: C{{"sequence", "instance", "missed"}}.
        """
        return self._ask(WATCH, since=since)

    def events_at_hand(self, *, read: bool = True) -> Iterator[dict[str, Any]]:
        """
        The events that have come in; ends when the next would have to be waited for.

        @param read: C{False}: only those that came before the answer to the last question.
        @raise GoneError: when the connection has ended.
        """
        while self._events or (read and select([self._socket], [], [], 0)[0]):
            if not self._events:
                # a box that has begun is there in a moment
                self._socket.settimeout(self._seconds)
                self._receive()
            if self._events:
                yield self._events.popleft()

    def fileno(self) -> int:
        """The descriptor that becomes readable when something comes."""
        return self._socket.fileno()

    def _watched(self) -> Iterator[dict[str, Any]]:
        self._socket.settimeout(None)
        while True:
            while not self._events:
                self._receive()
            yield self._events.popleft()

    def _mapping(self, word: Word, seconds: float | None = -1, **arguments: object) -> dict[str, Any]:
        document: dict[str, Any] = self._document(word, seconds, **arguments)
        return document

    def _document(self, word: Word, seconds: float | None = -1, **arguments: object) -> Any:
        answer = self._ask(word, seconds, **arguments)
        pages = [answer["page"]]
        while answer["more"] is not None:
            answer = self._ask(PAGE_COMMAND, token=answer["more"])
            pages.append(answer["page"])
        return decode_document(b"".join(pages))

    def _ask(self, word: Word, seconds: float | None = -1, **arguments: object) -> dict[str, Any]:
        self._tag += 1
        tag = b"%x" % self._tag
        box = {b"_ask": tag, b"_command": word.name.encode()}
        for field in word.arguments:
            value = arguments[field.name]
            if value is not None:
                box[field.name.encode()] = str(value).encode()
        self._socket.settimeout(self._seconds if seconds == -1 else seconds)
        try:
            self._socket.sendall(encode_box(box))
        except BrokenPipeError:
            pass  # The daemon hung up; what it said first, if anything, is read below.
        except OSError as problem:
            raise self._gone(problem) from None
        while True:
            answer = self._receive()
            if answer.get(b"_answer") == tag:
                return {field.name: _value(field.kind, answer.get(field.name.encode())) for field in word.answer}
            if answer.get(b"_error") == tag:
                code = answer.get(b"_error_code", b"").decode("ascii", "replace")
                raise error_from_wire(code, answer.get(b"_error_description", b"").decode("utf-8", "replace"))

    def _receive(self) -> dict[bytes, bytes]:
        """Read one box; events are put aside, a goodbye is remembered."""
        try:
            box = read_box(self._read_exactly)
            command = box.get(b"_command", b"").decode("ascii", "replace")
            if command == EVENT.name:
                event = decode_document(box[b"event"])
                if isinstance(event, dict):
                    self._events.append(event)
            elif command == CLOSING.name:
                self._farewell = box[b"text"].decode("utf-8", "replace")
        except (OSError, ValueError, KeyError) as problem:
            raise self._gone(problem) from None
        return box

    def _read_exactly(self, count: int) -> bytes:
        octets = b""
        while len(octets) < count:
            received = self._socket.recv(count - len(octets))
            if not received:
                raise ConnectionResetError(0, "it ended the connection")
            octets += received
        return octets

    def _gone(self, problem: Exception) -> ControlError:
        if self._farewell:
            return GoneError(f"The daemon hung up: {self._farewell}")
        if isinstance(problem, TimeoutError):
            return GoneError("The daemon does not answer.")
        if self._is_remote:
            from pdlease.control.reaching import refused_by_daemon

            refusal = refused_by_daemon(problem)
            if refusal is not None:
                return refusal
        words = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
        return GoneError(f"The daemon is gone: {words}.")


def _reach_local(path: str, seconds: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(seconds)
    try:
        connection.connect(path)
    except OSError as problem:
        connection.close()
        words = problem.strerror or str(problem)
        hint = ""
        if isinstance(problem, PermissionError):
            hint = " (be root, or a member of the daemon's control_group)"
        raise UnreachableError(f"No daemon is reachable at {path}: {words}{hint}") from None
    return connection


def _reach(host: str, keys: Files | None, seconds: float) -> socket.socket:
    # ssl costs as much time as all the rest
    from pdlease.control.reaching import keys_of_user, parse_host, reach

    return reach(parse_host(host), keys or keys_of_user(), seconds)


def _value(kind: Kind, octets: bytes | None) -> Any:
    if octets is None or kind is Kind.OCTETS:
        return octets
    text = octets.decode("utf-8", "replace")
    if kind is Kind.INTEGER:
        return int(text)
    if kind is Kind.NUMBER:
        return float(text)
    return text == "True" if kind is Kind.FLAG else text
