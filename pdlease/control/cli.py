"""
C{pdleasectl}: reads the command line, asks, prints, and ends with an exit code of the design.

Exit codes: 0 done; 1 refused or failed; 2 usage, configuration, unknown uplink; 3 daemon not reachable or gone.  What
each command does is L{pdlease.control.answers}; how it is drawn, L{pdlease.control.render}; how it travels,
L{pdlease.control.blocking}.  Twisted is not imported: a status is there in a fraction of the time that would take.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any, NoReturn

from pdlease import __version__
from pdlease.control.answers import COMMANDS, Invocation, demonstrate
from pdlease.control.blocking import DEFAULT_PATH, ENVIRONMENT, default_path
from pdlease.control.errors import ControlError
from pdlease.control.offline import ConfigurationError, UsageError
from pdlease.control.vocabulary import NEWEST_PROTOCOL, OLDEST_PROTOCOL
from pdlease.control.wording import Colour, paint_for, plain

DEFAULT_CONFIGURATION = "/etc/pdlease/pdlease.toml"

CLIENTS = ("dhcpcd", "networkd", "wide", "odhcp6c", "dhclient", "dhcp6leased")
"""The clients whose identity can be taken over (C{pdlease.becoming})."""


HERE = ("check", "convert", "doctor", "cleanup")
"""The commands that ask no daemon, or look at the machine as well."""


class Parser(argparse.ArgumentParser):
    """Raises what argparse would print, so that C{--json} can answer with it."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\n{self.format_usage().strip()}")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    # These may stand before and behind the command; without a default, so that neither place overrules the other.
    everywhere = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    everywhere.add_argument("--json", action="store_true", help="answer with one JSON document (watch: lines)")
    everywhere.add_argument(
        "--control", metavar="PATH", help=f"the daemon's control socket (default ${ENVIRONMENT}, else {DEFAULT_PATH})"
    )
    everywhere.add_argument(
        "--host", metavar="NAME", help="the daemon of another machine (NAME:PORT), with the keys in ~/.config/pdlease"
    )
    top = Parser(prog="pdleasectl", description="Look at and steer the pdlease daemon.", parents=[everywhere])
    top.add_argument("--version", action="store_true", help="tell the version and end")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)

    def add(name: str, words: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=words, description=words, parents=[everywhere])

    check = add("check", "Say everything that is wrong with a configuration file.")
    check.add_argument("file", metavar="FILE", help="a configuration file; one named *.conf is a dhcp6leased.conf")
    check.add_argument(
        "-v", "--verbose", action="count", default=0, help="print the configuration as understood; twice: with its plan"
    )
    convert = add("convert", "Write a configuration file as TOML, a dhcp6leased.conf above all.")
    convert.add_argument("file", metavar="FILE", help="a configuration file")
    plan = add("plan", "Show who gets what: of the daemon, or of FILE without any daemon.")
    plan.add_argument("file", metavar="FILE", nargs="?", help="a configuration file")
    plan.add_argument(
        "--prefix", metavar="PREFIX", action="append", default=[], help="as if delegated; several in file order"
    )
    plan.add_argument(
        "--excluded", metavar="PREFIX", action="append", default=[], help="as if a part of it were kept for the uplink"
    )
    status = add("status", "Show what each uplink holds and does.")
    status.add_argument("uplink", metavar="UPLINK", nargs="?")
    status.add_argument("--tree", action="store_true", help="show the delegated space instead")
    wait = add(
        "wait", "Wait until an uplink is bound and its addresses are installed (on links without carrier: put there)."
    )
    wait.add_argument("uplink", metavar="UPLINK")
    wait.add_argument("--timeout", metavar="SECONDS", type=float, help="give up after this time (exit 1)")
    add("why", "Say why things are as they are, and what to check.").add_argument("uplink", metavar="UPLINK", nargs="?")
    add("renew", "Send Renew now.").add_argument("uplink", metavar="UPLINK", nargs="?")
    add("rebind", "Send Rebind now.").add_argument("uplink", metavar="UPLINK", nargs="?")
    request = add("request", "Ask at once, as the original: by Rebind where prefixes are held, else from Solicit on.")
    request.add_argument("uplink", metavar="UPLINK", nargs="?")
    release = add("release", "Remove an uplink's addresses and give its prefixes back.")
    release.add_argument("uplink", metavar="UPLINK")
    release.add_argument("--force", action="store_true", help="even while guests hold parts of the prefixes")
    reload = add("reload", "Have the daemon read its configuration again.")
    reload.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    watch = add("watch", "Show events as they happen.")
    watch.add_argument("--since", metavar="NUMBER", type=int, help="begin behind this sequence number")
    watch.add_argument("--follow", action="store_true", help="connect again when the daemon goes")
    watch.add_argument(
        "--timeout", metavar="SECONDS", type=float, default=60.0, help="end a run of --exec after this (default 60)"
    )
    watch.add_argument(
        "--every", metavar="SECONDS", type=float, help="run --exec again after this, although nothing changed"
    )
    watch.add_argument(
        "--exec",
        metavar="PROGRAM",
        dest="program",
        nargs=argparse.REMAINDER,
        help="run this for what changes, the rest of the line its arguments, with the whole state on its input",
    )
    history = add("history", "Show the last events.")
    history.add_argument("count", metavar="COUNT", type=int, nargs="?", help="how many (default all that are kept)")
    add("log", "Change how much the daemon logs.").add_argument("level", choices=("debug", "verbose", "brief"))
    identity = add("identity", "Show the DUID and the IAIDs, or become another client.")
    deeds = identity.add_subparsers(dest="deed", metavar="DEED", parser_class=Parser)
    for name, words in (
        ("show", "Show the DUID and the IAIDs (what the command alone does)."),
        ("renew", "With the daemon down: make a new DUID, and forget what the old one was given."),
        ("import", "With the daemon down: go on as the client that ran on an uplink before."),
    ):
        deed = deeds.add_parser(name, help=words, description=words, parents=[everywhere])
        if name != "show":
            deed.add_argument("--config", metavar="FILE", default=DEFAULT_CONFIGURATION, help="default %(default)s")
        if name == "import":
            deed.add_argument(
                "--from", dest="client", choices=CLIENTS, required=True, help="the client that ran before"
            )
            deed.add_argument("--path", metavar="FILE", help="its file, where that is not in its usual place")
            deed.add_argument("--uplink", metavar="NAME", help="which uplink it ran on, where there are several")
    add("guests", "Show the links of guests.")
    add("counters", "Show what was counted on each uplink.").add_argument("uplink", metavar="UPLINK", nargs="?")
    add("doctor", "Look for what commonly keeps prefixes from working.")
    cleanup = add(
        "cleanup",
        "With the daemon dead: remove every address and route that it made, and put back what it set on links.",
    )
    cleanup.add_argument("--config", metavar="FILE", default=DEFAULT_CONFIGURATION, help="default %(default)s")
    add("demo", "Show the whole way of a prefix on a demonstration network (must come first; has its own --help).")
    return top


def main(
    arguments: Sequence[str] | None = None,
    stdout: IO[str] | None = None,
    stderr: IO[str] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> int:
    """
    Run C{pdleasectl}.

    @param arguments: the command line without the program's name; by default the process's own.
    @return: the exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    out, err = stdout or sys.stdout, stderr or sys.stderr
    wants_json = "--json" in given
    try:
        code = _run(given, out, environment)
        out.flush()
        return code
    except ControlError as problem:
        _show_error(problem, out if wants_json else err, wants_json, environment)
        return problem.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not try to flush it again at exit.
        if stdout is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(given: list[str], out: IO[str], environment: Mapping[str, str]) -> int:
    if given[:1] == ["demo"]:
        # argparse would take the options of the demonstration, its --help among them, for ours
        return demonstrate(given[1:])
    try:
        options = parser().parse_args(given)
    except SystemExit as done:
        return int(done.code or 0)
    options.json = getattr(options, "json", False)
    options.host = getattr(options, "host", None)
    if options.host is not None and getattr(options, "control", None):
        raise UsageError("--host and --control are two daemons")
    if options.host is not None and options.command in HERE:
        raise UsageError(f"{options.command} is about this machine, and --host another one")
    options.control = getattr(options, "control", None) or default_path(environment)
    if options.version:
        return _version(options.json, out)
    if options.command is None:
        raise UsageError("a command is needed: see pdleasectl --help")
    return COMMANDS[options.command](Invocation(options, out, paint_for(out, environment)))


def _version(wants_json: bool, out: IO[str]) -> int:
    document = {"schema": 1, "version": __version__, "protocol": {"oldest": OLDEST_PROTOCOL, "newest": NEWEST_PROTOCOL}}
    print(json.dumps(document) if wants_json else f"pdleasectl {__version__}", file=out)
    return 0


def _show_error(problem: ControlError, stream: IO[str], wants_json: bool, environment: Mapping[str, str]) -> None:
    if wants_json:
        error: dict[str, Any] = {"code": problem.code.lower(), "message": str(problem), "path": None}
        if isinstance(problem, ConfigurationError):
            error["path"] = problem.errors[0]["path"] or None
            error["errors"] = problem.errors
        print(json.dumps({"error": error}), file=stream)
        return
    paint = paint_for(stream, environment)
    for line in str(problem).splitlines():
        print(paint("pdleasectl:", Colour.BAD), plain(line), file=stream)


if __name__ == "__main__":
    sys.exit(main())
