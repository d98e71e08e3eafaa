"""
What each command of C{pdleasectl} does: ask, then print for people or as one JSON document.

The command line is L{pdlease.control.cli}.  Three commands lead out of this room and upwards in the house: C{cleanup}
(C{pdlease.cleaning}), C{identity} (C{pdlease.becoming}) and C{demo} (C{pdlease.demo.demonstration}).  This is the door
to the street, where programs start, and not a room that others build on; so these are imported by name in L{_street}
when they are called, and nowhere else.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib import import_module
from math import inf
from signal import SIGTERM, signal
from typing import IO, TYPE_CHECKING, Any, NoReturn

from pdlease.control import render
from pdlease.control.blocking import Control
from pdlease.control.errors import FailedError, UnknownUplinkError
from pdlease.control.eventlines import event_text
from pdlease.control.offline import UsageError
from pdlease.control.terminal import fitted, width_of
from pdlease.control.tree import space_of, tree_text
from pdlease.control.wording import Colour, Paint, plain

if TYPE_CHECKING:
    from argparse import Namespace

    from pdlease.config.model import Config


class Invocation:
    """
    One run of one command.

    @ivar options: the command line.
    @ivar out: where the answer goes.
    @ivar paint: colours, or none.
    """

    def __init__(self, options: Namespace, out: IO[str], paint: Paint) -> None:
        self.options = options
        self.out = out
        self.paint = paint

    def connect(self) -> Control:
        """A connection to the daemon."""
        return Control(self.options.control, host=self.options.host)

    def answer(self, document: object, text: Callable[[], str], *, is_file: bool = False) -> int:
        """
        Print the document, or the text for people; exit code 0.

        @param is_file: whether the text is a file, whose lines are not to be broken.
        """
        if self.options.json:
            self.out.write(json.dumps(document) + "\n")
        else:
            self.out.write(text() if is_file else fitted(text(), width_of(self.out)))
        return 0


def _forewarn(config: Config) -> Iterable[tuple[str, str]]:
    """What a configuration would make of who this client is; found only where that can be said at all."""
    warnings: Iterable[tuple[str, str]] = _street("pdlease.forewarning", "forewarnings")(config)
    return warnings


def _check(call: Invocation) -> int:
    from pdlease.control.offline import check

    document = check(call.options.file, call.options.verbose, _forewarn)

    def text() -> str:
        lines = [
            f"{call.options.file}: warning: " + (f"{piece['path']}: " if piece["path"] else "") + piece["message"]
            for piece in document["warnings"]
        ]
        if document["configuration"] is not None:
            # as comments, so that all of it is a configuration again
            return "".join(f"# {plain(line)}\n" for line in lines) + str(document["configuration"])
        return "".join(f"{plain(line)}\n" for line in [*lines, f"{call.options.file}: ok"])

    return call.answer(document, text, is_file=document["configuration"] is not None)


def _convert(call: Invocation) -> int:
    from pdlease.control.offline import convert

    document = convert(call.options.file)
    return call.answer(
        document,
        lambda: f"# Made of {plain(document['file'])} by pdleasectl convert.\n\n{document['toml']}",
        is_file=True,
    )


def _plan(call: Invocation) -> int:
    from pdlease.control.offline import plan

    options = call.options
    if options.file is not None:
        document = plan(options.file, options.prefix, options.excluded)
    elif options.prefix or options.excluded:
        given = "--prefix" if options.prefix else "--excluded"
        raise UsageError(f"{given} needs FILE: the daemon's plan has the prefixes that it holds")
    else:
        with call.connect() as daemon:
            document = daemon.plan()
    # programs are told who gets what; what is free besides is in `status --tree`
    shown = {key: value for key, value in document.items() if key != "space"}
    return call.answer(shown, lambda: render.plan_text(document, call.paint))


def _status(call: Invocation) -> int:
    with call.connect() as daemon:
        if call.options.tree:
            return _tree(call, daemon.plan())
        document = daemon.status(call.options.uplink)
    return call.answer(document, lambda: render.status_text(document, call.paint))


def _tree(call: Invocation, plan: Mapping[str, Any]) -> int:
    name, space = call.options.uplink, space_of(plan)
    if name is not None:
        if name not in space:
            raise UnknownUplinkError(f"no uplink {name} is configured")
        space = {name: space[name]}
    document = {"schema": 1, "uplinks": space}
    return call.answer(document, lambda: tree_text(space, call.paint) or "No uplinks are configured.\n")


def _wait(call: Invocation) -> int:
    timeout = call.options.timeout
    if timeout is not None and not 0 <= timeout <= 1e7:
        raise UsageError("--timeout must be a number of seconds from 0 on")
    with call.connect() as daemon:
        document = daemon.wait(call.options.uplink, timeout)
    return call.answer(document, lambda: render.status_text(document, call.paint))


def _why(call: Invocation) -> int:
    with call.connect() as daemon:
        sentences = daemon.why(call.options.uplink)
    return call.answer(
        {"schema": 1, "sentences": sentences}, lambda: "".join(f"{plain(sentence)}\n" for sentence in sentences)
    )


def _renew(call: Invocation) -> int:
    with call.connect() as daemon:
        return _outcomes(call, daemon.renew(call.options.uplink))


def _rebind(call: Invocation) -> int:
    with call.connect() as daemon:
        return _outcomes(call, daemon.rebind(call.options.uplink))


def _request(call: Invocation) -> int:
    with call.connect() as daemon:
        return _outcomes(call, daemon.request(call.options.uplink))


def _release(call: Invocation) -> int:
    with call.connect() as daemon:
        return _outcomes(call, daemon.release(call.options.uplink, call.options.force))


def _outcomes(call: Invocation, outcomes: Mapping[str, str]) -> int:
    return call.answer({"schema": 1, "uplinks": outcomes}, lambda: render.outcomes_text(outcomes))


def _reload(call: Invocation) -> int:
    dry_run = call.options.dry_run
    with call.connect() as daemon:
        document = daemon.reload(dry_run)
    return call.answer({"schema": 1, **document}, lambda: render.reload_text(document, dry_run))


def _watch(call: Invocation) -> int:
    from pdlease.control.watching import Follower

    if call.options.program is not None:
        return _hook(call)

    def told(event: Mapping[str, Any]) -> None:
        call.answer(event, lambda: event_text(event, call.paint) + "\n")
        call.out.flush()

    follower = Follower(call.connect, told)
    if call.options.follow:
        follower.forever(call.options.since)
    else:
        follower.once(call.options.since)
    return 0


def _hook(call: Invocation) -> int:
    from pdlease.control.hooks import Hooks

    options = call.options
    if not options.program:
        raise UsageError("--exec needs a program")
    if options.since is not None:
        raise UsageError("--since and --exec do not go together: a hook is told the whole state")
    every = inf if options.every is None else options.every
    if not (0 < options.timeout <= 1e7 and every > 0):
        raise UsageError("--timeout and --every must be numbers of seconds above 0")

    def say(sentence: str) -> None:
        print(f"pdleasectl: {plain(sentence)}", file=sys.stderr, flush=True)

    def end(number: int, frame: object) -> NoReturn:
        # so that a program that is running is ended first
        sys.exit(128 + number)

    with suppress(ValueError):
        # not in the main thread: whoever started that one minds the signals
        signal(SIGTERM, end)
    Hooks(call.connect, options.program, say, options.timeout, every).forever()
    return 0


def _history(call: Invocation) -> int:
    with call.connect() as daemon:
        document = daemon.history(call.options.count)
    return call.answer(
        {"schema": 1, **document},
        lambda: "".join(f"{event_text(event, call.paint, dated=True)}\n" for event in document["events"]),
    )


def _log(call: Invocation) -> int:
    with call.connect() as daemon:
        daemon.set_log_level(call.options.level)
    return call.answer({"schema": 1, "level": call.options.level}, str)


def _identity(call: Invocation) -> int:
    if call.options.deed in ("renew", "import"):
        return _become(call)
    with call.connect() as daemon:
        document = daemon.identity()
    return call.answer({"schema": 1, **document}, lambda: render.identity_text(document))


def _become(call: Invocation) -> int:
    options = call.options
    become: Callable[..., Mapping[str, Any]] = _street(
        "pdlease.becoming", "renew" if options.deed == "renew" else "take_over"
    )
    further = () if options.deed == "renew" else (options.client, options.path, options.uplink)
    try:
        document = become(options.config, *further)
    except Exception as problem:
        raise _explained(problem, options.config) from problem
    return call.answer(document, lambda: render.becoming_text(document))


def _guests(call: Invocation) -> int:
    with call.connect() as daemon:
        document = daemon.guests()
    return call.answer(document, lambda: render.guests_text(document, call.paint))


def _counters(call: Invocation) -> int:
    with call.connect() as daemon:
        document = daemon.counters(call.options.uplink)
    return call.answer(document, lambda: render.counters_text(document, call.paint))


def _doctor(call: Invocation) -> int:
    from pdlease.control.checkup import Machine
    from pdlease.control.doctor import examine

    is_here, is_root = call.options.host is None, os.geteuid() == 0
    findings = examine(call.connect, Machine() if is_here else Machine.unseen())

    def text() -> str:
        lines = [
            f"{call.paint(finding['text'], Colour.WAITING)}\n    {plain(finding['mend'])}" for finding in findings
        ] or ["Nothing suspicious was found."]
        if not is_here:
            lines.append("Only what the daemon itself tells was looked at: the rest is seen on its own machine.")
        elif not is_root:
            lines.append("Firewalls and other programs' sockets were not looked at: only root sees them.")
        return "".join(f"{line}\n" for line in lines)

    return call.answer({"schema": 1, "findings": findings, "is_root": is_here and is_root}, text)


def _cleanup(call: Invocation) -> int:
    cleanup: Callable[[str], Iterable[str]] = _street("pdlease.cleaning", "cleanup")
    try:
        removed = list(cleanup(call.options.config))
    except Exception as problem:
        raise _explained(problem, call.options.config) from problem
    return call.answer(
        {"schema": 1, "removed": removed},
        lambda: "".join(f"removed: {plain(line)}\n" for line in removed) or "There was nothing to remove.\n",
    )


def _explained(problem: Exception, path: str) -> Exception:
    """What the operator can mend becomes an error with its exit code; what is ours stays as it is."""
    from pdlease.config.errors import ConfigErrors
    from pdlease.control.offline import ConfigurationError

    if isinstance(problem, ConfigErrors):
        errors = [{"path": error.path, "message": error.problem} for error in problem.errors]
        return ConfigurationError(str(problem), errors)
    if isinstance(problem, OSError):
        words = problem.strerror or str(problem)
        if problem.filename == path:
            return ConfigurationError(f"{path}: {words}", [{"path": "", "message": words}])
        return FailedError(f"{problem.filename}: {words}" if problem.filename else words)
    # These are of rooms above, known here by name only: sentences for the operator.
    if type(problem).__name__ in ("CannotStart", "AlreadyRunning", "PrivilegeError", "Refused"):
        return FailedError(str(problem))
    return problem


def demonstrate(arguments: list[str]) -> int:
    """
    Run the demonstration.

    @param arguments: its own command line.
    @return: the exit code.
    """
    run: Callable[[list[str]], int | None] = _street("pdlease.demo.demonstration", "main")
    return run(arguments) or 0


def _demo(call: Invocation) -> int:
    return demonstrate(["--json"] if call.options.json else [])


def _street(module: str, name: str) -> Callable[..., Any]:
    """A command that lives above this room."""
    command: Callable[..., Any] = getattr(import_module(module), name)
    return command


#: What each command does; each answers with the exit code.
COMMANDS: dict[str, Callable[[Invocation], int]] = {
    "check": _check,
    "convert": _convert,
    "plan": _plan,
    "status": _status,
    "wait": _wait,
    "why": _why,
    "renew": _renew,
    "rebind": _rebind,
    "request": _request,
    "release": _release,
    "reload": _reload,
    "watch": _watch,
    "history": _history,
    "log": _log,
    "identity": _identity,
    "guests": _guests,
    "counters": _counters,
    "doctor": _doctor,
    "cleanup": _cleanup,
    "demo": _demo,
}
