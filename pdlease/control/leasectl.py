"""
C{dhcp6leasectl}: the control program of the original, with exactly its flags and its report, for scripts that use it
(seed-behaviour 5)::

    dhcp6leasectl [-l] [-s socket] [-w maxwait] interface

What it did wrong it does not: an interface without an uplink is an error and no endless loop, answers belong to the
connection and not to a process number, and the exit code is 0 only when there is a lease (D54, D55).  For everything
else there is C{pdleasectl}, L{pdlease.control.cli}.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from math import inf
from time import sleep
from typing import IO, Any, NoReturn

from pdlease.control.blocking import Control, default_path
from pdlease.control.errors import ControlError
from pdlease.control.wording import plain

PROGRAM = "dhcp6leasectl"

MAXWAIT = 10
"""How often it looks for a lease unless it is told otherwise, once a second."""

# INT_MAX, as the original has it.
LONGEST_MAXWAIT = 0x7FFFFFFF

#: What the original calls the states of pdlease; where it knows none, the word is pdlease's.
STATES = {
    "down": "Down",
    "stopped": "Down",
    "soliciting": "Init",
    "requesting": "Requesting",
    "bound": "Bound",
    "informing": "Bound",
    "renewing": "Renewing",
    "rebinding": "Rebinding",
    "confirming": "Rebooting",
    "releasing": "Releasing",
}

UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


class Parser(argparse.ArgumentParser):
    """Ends with 1 on a wrong command line, as the original does."""

    def error(self, message: str) -> NoReturn:
        self.exit(1, f"{PROGRAM}: {message}\n{self.format_usage()}")


def parser() -> Parser:
    """The whole command line."""
    top = Parser(prog=PROGRAM, add_help=False, allow_abbrev=False, description="Ask for prefixes and report the lease.")
    top.add_argument("-l", dest="only_look", action="store_true", help="report at once, without asking for anything")
    top.add_argument("-s", dest="socket", metavar="socket", default=default_path(), help="the daemon's control socket")
    top.add_argument(
        "-w", dest="maxwait", metavar="maxwait", type=_maxwait, help="how many seconds to wait for a lease, from 1 on"
    )
    top.add_argument("interface", help="the upstream link, or the name of its uplink")
    return top


def _maxwait(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= LONGEST_MAXWAIT):
        raise argparse.ArgumentTypeError(f"maxwait is not a number from 1 to {LONGEST_MAXWAIT}: {text[:40]}")
    return int(text)


def main(
    arguments: Sequence[str] | None = None,
    stdout: IO[str] | None = None,
    stderr: IO[str] | None = None,
    pause: Callable[[float], None] = sleep,
) -> int:
    """
    Run C{dhcp6leasectl}.

    @param arguments: the command line without the program's name; by default the process's own.
    @param pause: waits for so many seconds.
    @return: the exit code: 0 for a lease, 1 for none and for every error.
    """
    out, err = stdout or sys.stdout, stderr or sys.stderr
    options = parser().parse_args(arguments)
    try:
        with Control(options.socket) as daemon:
            return _run(daemon, options, out, pause)
    except ControlError as problem:
        print(f"{PROGRAM}: {plain(problem)}", file=err)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The interpreter must not try to flush it again at exit.
        if stdout is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _run(daemon: Control, options: argparse.Namespace, out: IO[str], pause: Callable[[float], None]) -> int:
    name = _name(daemon.status(), options.interface)
    if not options.only_look:
        daemon.request(name)
    tries = options.maxwait or (0 if options.only_look else MAXWAIT)
    uplink = daemon.status(name)["uplinks"][name]
    waited = 0
    while uplink["state"] != "bound" and waited < tries:
        out.write(".")
        out.flush()
        pause(1)
        waited += 1
        uplink = daemon.status(name)["uplinks"][name]
    if waited:
        out.write("\n")
    out.write(report(options.interface, uplink))
    out.flush()
    has_lease = uplink["state"] == "bound" or (options.only_look and bool(uplink["prefixes"]))
    return 0 if has_lease else 1


def _name(document: Mapping[str, Any], interface: str) -> str:
    """
    The name of the uplink on a link, or of that name.

    @raise ControlError: when there is none.
    """
    for name, uplink in document["uplinks"].items():
        if uplink["link"] == interface:
            return str(name)
    if interface in document["uplinks"]:
        return interface
    raise ControlError(f"non-autoconf interface {interface}")


def report(interface: str, uplink: Mapping[str, Any]) -> str:
    """
    The report of one uplink: its state, its prefixes, and for how long the first of them to end is good.

    @param uplink: its part of the status document.
    """
    state = str(uplink["state"])
    lines = [f"{plain(interface)} [{STATES.get(state) or plain(state.capitalize())}]"]
    prefixes = sorted(uplink["prefixes"], key=lambda prefix: prefix["iaid"])
    lines += [f"\tIA_PD {prefix['iaid']}: {plain(prefix['prefix'])}" for prefix in prefixes]
    if prefixes:
        left = min(inf if prefix["infinite"] else prefix["valid_seconds"] or 0 for prefix in prefixes)
        lines.append(f"\tlease {'infinite' if left == inf else duration(int(left))}")
    return "".join(f"{line}\n" for line in lines)


def duration(seconds: int) -> str:
    """A time in the largest unit of which there is more than one, to the nearest, halves down."""
    size, name = next((unit for unit in UNITS if seconds > unit[0]), (1, "second"))
    count, rest = divmod(max(0, seconds), size)
    count += 2 * rest > size
    return f"{count} {name}{'s' if count > 1 else ''}"


if __name__ == "__main__":
    sys.exit(main())
