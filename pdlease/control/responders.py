"""
What each role's connection can ask, and how an answer or an error gets into its box.

A connection holds one L{Responders}, made from its role: a viewer's does not contain the commands that change anything,
so that no check can be forgotten.  Reading and writing the connection is L{pdlease.control.connection}; what the
commands do is behind L{pdlease.interfaces.IDaemonControl}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.protocols import amp
from twisted.python.failure import Failure
from zope.interface import implementer

from pdlease.control.commands import COMMANDS
from pdlease.control.errors import (
    ControlError,
    FailedError,
    InvalidError,
    MisconfiguredError,
    NotAllowedError,
    RefusedError,
    TimedOutError,
    UnknownUplinkError,
    VersionMismatchError,
)
from pdlease.control.history import KEPT_EVENTS, EventRing
from pdlease.control.paging import PageStore
from pdlease.control.roles import Role
from pdlease.control.vocabulary import (
    COUNTERS,
    GUESTS,
    HISTORY,
    IDENTITY,
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
from pdlease.interfaces import IDaemonControl, Misconfigured, Refused, UnknownUplink
from pdlease.logs import Logger

#: The longest wait that a client may ask for, in seconds (some 115 days).
LONGEST_WAIT = 10_000_000.0

LOG_LEVELS = ("debug", "verbose", "brief")

Answers = Mapping[Word, Callable[..., object]]


class Watching(Protocol):
    """What a connection lets its commands do to it."""

    def watch_from(self, position: int) -> None:
        """
        Push events from this position of the ring on.

        @raise InvalidError: when it does so already.
        """


@implementer(amp.IResponderLocator)
class Responders:
    """
    The commands that one connection can call, and no others.

    @param answers: what answers each.
    @param refusal: the error for a command that exists but is not among them.
    """

    _log = Logger()

    def __init__(self, answers: Answers, refusal: ControlError) -> None:
        self._answers = {word.name: answer for word, answer in answers.items()}
        self._refusal = refusal

    @property
    def names(self) -> frozenset[str]:
        """The names of the commands that can be called."""
        return frozenset(self._answers)

    def locateResponder(self, name: bytes) -> Callable[[amp.AmpBox], Deferred[amp.AmpBox]] | None:
        key = name.decode("ascii", "replace")
        command = COMMANDS.get(key)
        if command is None:
            return None
        answer = self._answers.get(key, self._refuse)
        return lambda box: self._respond(command, answer, box)

    def _refuse(self, **arguments: object) -> object:
        raise self._refusal

    def _respond(
        self, command: type[amp.Command], answer: Callable[..., object], box: amp.AmpBox
    ) -> Deferred[amp.AmpBox]:
        try:
            arguments = command.parseArguments(box, None)
        except (KeyError, ValueError, TypeError) as problem:
            return maybeDeferred(self._explain, Failure(InvalidError(_what_is_wrong(problem))), command)
        answered: Deferred[object] = maybeDeferred(answer, **arguments)
        return answered.addCallback(lambda values: command.makeResponse(values or {}, None)).addErrback(
            self._explain, command
        )

    def _explain(self, failure: Failure, command: type[amp.Command]) -> amp.AmpBox:
        error = self._as_control_error(failure, command)
        raise amp.RemoteAmpError(error.code.encode("ascii"), str(error)[:2000], local=failure)

    def _as_control_error(self, failure: Failure, command: type[amp.Command]) -> ControlError:
        problem = failure.value
        if isinstance(problem, ControlError):
            return problem
        if isinstance(problem, UnknownUplink):
            return UnknownUplinkError(_unknown(str(problem)))
        if isinstance(problem, Misconfigured):
            return MisconfiguredError(_sentence(problem, "The configuration is wrong."))
        if isinstance(problem, Refused):
            return RefusedError(_sentence(problem, "The daemon refuses."))
        if isinstance(problem, CancelledError):
            return RefusedError("The daemon gave up doing this.")
        self._log.failure("Control command {command} failed", failure, command=command.__name__)
        return FailedError("The daemon met an error of its own; its log has the details.")


def _what_is_wrong(problem: Exception) -> str:
    if isinstance(problem, KeyError):
        key = problem.args[0]
        return f"The argument {key.decode() if isinstance(key, bytes) else key} is missing."
    return "An argument is not of the type that the command takes."


def _unknown(words: str) -> str:
    """A sentence, from a sentence or from the name alone."""
    return words if " " in words else f"There is no uplink {words}."


def _sentence(problem: Exception, otherwise: str) -> str:
    return str(problem) or otherwise


class ViewerDesk:
    """The answers to what only looks."""

    def __init__(
        self, daemon: IDaemonControl, clock: IReactorTime, events: EventRing, pages: PageStore, connection: Watching
    ) -> None:
        self._daemon = daemon
        self._clock = clock
        self._events = events
        self._pages = pages
        self._connection = connection
        self._waits: set[Deferred[dict[str, Any]]] = set()

    def answers(self) -> dict[Word, Callable[..., object]]:
        """What this desk answers."""
        return {
            PAGE_COMMAND: self._pages.next,
            STATUS: lambda uplink: self._document(self._daemon.status, uplink),
            PLAN: lambda: self._document(self._daemon.plan),
            WHY: lambda uplink: self._document(self._daemon.why, uplink),
            IDENTITY: lambda: self._document(self._daemon.identity),
            GUESTS: lambda: self._document(self._daemon.guests),
            COUNTERS: lambda uplink: self._document(self._daemon.counters, uplink),
            HISTORY: self._history,
            WAIT: self._wait,
            WATCH: self._watch,
        }

    def close(self) -> None:
        """The connection is over: nobody waits here any more."""
        for wait in tuple(self._waits):
            wait.cancel()

    def _document(self, ask: Callable[..., object], *arguments: object) -> Deferred[dict[str, object]]:
        asked: Deferred[object] = maybeDeferred(ask, *arguments)
        return asked.addCallback(self._pages.first)

    def _history(self, count: int | None) -> dict[str, object]:
        if count is not None and not 1 <= count <= KEPT_EVENTS:
            raise InvalidError(f"count must be between 1 and {KEPT_EVENTS}.")
        events = self._events
        return self._pages.first(
            {"events": events.latest(count), "sequence": events.sequence, "instance": events.instance}
        )

    def _wait(self, uplink: str, timeout: float | None) -> Deferred[dict[str, object]]:
        if timeout is not None and not 0 <= timeout <= LONGEST_WAIT:
            raise InvalidError(f"timeout must be between 0 and {LONGEST_WAIT:.0f} seconds.")
        waiting: Deferred[dict[str, Any]] = self._daemon.wait(uplink)
        self._waits.add(waiting)

        def over(result: object) -> object:
            self._waits.discard(waiting)
            return result

        def too_late(failure: Failure) -> None:
            failure.trap(TimeoutError)
            raise TimedOutError(f"{uplink} was not ready within {timeout:g} s.")

        if timeout is not None:
            waiting.addTimeout(timeout, self._clock)
        waiting.addBoth(over).addErrback(too_late)
        return waiting.addCallback(self._pages.first)

    def _watch(self, since: int | None) -> dict[str, object]:
        position, missed = self._events.position_after(since)
        self._connection.watch_from(position)
        return {"sequence": self._events.sequence, "instance": self._events.instance, "missed": missed}


class AdminDesk(ViewerDesk):
    """The answers to what changes something, and all that a viewer can ask."""

    def answers(self) -> dict[Word, Callable[..., object]]:
        return {
            **super().answers(),
            RENEW: lambda uplink: self._document(self._daemon.renew, uplink),
            REBIND: lambda uplink: self._document(self._daemon.rebind, uplink),
            REQUEST: lambda uplink: self._document(self._daemon.request, uplink),
            RELEASE: lambda uplink, force: self._document(self._daemon.release, uplink, force),
            RELOAD: lambda dry_run: self._document(self._daemon.reload, dry_run),
            SET_LOG_LEVEL: self._set_log_level,
        }

    def _set_log_level(self, level: str) -> None:
        if level not in LOG_LEVELS:
            raise InvalidError(f"level must be one of {', '.join(LOG_LEVELS)}.")
        self._daemon.set_log_level(level)


#: The desk of each role.
DESKS: dict[Role, type[ViewerDesk]] = {Role.VIEWER: ViewerDesk, Role.ADMIN: AdminDesk}


def responders_of(desk: ViewerDesk, role: Role) -> Responders:
    """The commands of a connection that has said its version."""
    return Responders(desk.answers(), NotAllowedError(f"The role {role.name.lower()} does not include this command."))


def responders_before_version(version: Callable[..., object]) -> Responders:
    """The one command of a connection that has not."""
    return Responders({VERSION: version}, VersionMismatchError("Version must be the first command."))
