"""
Where log lines go, and which are left out: what is not ours, and what the network has somebody say again and again.

How a line looks is L{pdlease.loglines}; what is logged at all, L{pdlease.logs}.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import TextIOWrapper
from time import monotonic
from typing import IO, Any

from twisted.application.service import Service
from twisted.logger import ILogObserver, LogLevel
from zope.interface import implementer

from pdlease.loglines import LINES
from pdlease.logs import Logger, level

FORMATS = tuple(LINES)
"""The words for C{--log-format}."""

BURST = 5
"""How many lines of a kind are shown at once."""

EACH = 60.0
"""Seconds after which one more of them is shown, with the number of those that were not."""

KINDS = 256
"""How many kinds are told apart; all others are one."""

# Twisted's own words for what was printed after the log was begun
_PRINTED = ("stdout", "stderr")


def is_wanted(event: Mapping[str, Any]) -> bool:
    """
    Whether an event is shown.  What is not ours (Twisted tells of every connection) is shown from warnings on, or with
    C{debug}.
    """
    namespace = str(event.get("log_namespace", ""))
    ours = namespace.partition(".")[0] == "pdlease" or namespace in _PRINTED
    severe = event.get("log_level") not in (LogLevel.debug, LogLevel.info)
    return ours or severe or level() == "debug"


def kind_of(event: Mapping[str, Any]) -> tuple[str, str] | None:
    """
    What an event is one of many of: its uplink and reason, if the network can have it said as often as it likes.

    Those are what was discarded, and warnings and faults of an uplink or of reading datagrams.
    """
    fields = event.get("fields")
    uplink = str(event.get("uplink", ""))
    if event.get("event") == "discarded" and isinstance(fields, Mapping):
        return uplink, str(fields.get("reason", ""))
    if event.get("log_level") in (LogLevel.debug, LogLevel.info):
        return None
    if "uplink" in event or event.get("log_namespace", "").startswith("pdlease.udp"):
        return uplink, str(event.get("log_format", ""))
    return None


class _Tally:
    """How many lines of a kind may still be shown, since when that is so, and how many were left out."""

    __slots__ = ("left", "omitted", "since")

    def __init__(self, left: int, since: float) -> None:
        self.left = left
        self.since = since
        self.omitted = 0


class Patience:
    """Counts lines of each kind, and says which are to be left out."""

    def __init__(self, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._tallies: dict[tuple[str, str], _Tally] = {}

    def judge(self, kind: tuple[str, str]) -> int | None:
        """
        Judge one more line of a kind.

        @return: how many were left out since the last one that was shown, or C{None} if this one is left out as well.
        """
        now = self._seconds()
        if kind not in self._tallies and len(self._tallies) >= KINDS:
            self._forget(now)
            if len(self._tallies) >= KINDS:
                kind = ("", "")
        tally = self._tallies.setdefault(kind, _Tally(BURST, now))
        gained = int((now - tally.since) / EACH)
        if gained > 0:
            tally.left = min(BURST, tally.left + gained)
            tally.since += gained * EACH
        if tally.left == 0:
            tally.omitted += 1
            return None
        if tally.left == BURST:
            tally.since = now
        tally.left -= 1
        omitted, tally.omitted = tally.omitted, 0
        return omitted

    def overdue(self, *, all_of_them: bool = False) -> list[tuple[tuple[str, str], int]]:
        """
        The kinds of which lines were left out while there could have been one again, with how many; each is told once.

        @param all_of_them: those that are still too many as well, e.g. at the end.
        """
        now = self._seconds()
        found = []
        for kind, tally in self._tallies.items():
            if tally.omitted and (all_of_them or now - tally.since >= EACH):
                found.append((kind, tally.omitted))
                tally.omitted = 0
        return found

    def _forget(self, now: float) -> None:
        """Forget the kinds that have been quiet for long."""
        for kind in [
            kind for kind, tally in self._tallies.items() if not tally.omitted and now - tally.since >= BURST * EACH
        ]:
            del self._tallies[kind]


class LogFile:
    """
    A file that lines are added to; whoever renames it says so, and whoever empties it need not.

    @ivar path: its absolute path.
    """

    def __init__(self, path: str) -> None:
        """
        @raise OSError: when it cannot be opened.
        """
        self.path = os.path.abspath(path)
        self._descriptor = self._open()

    def write(self, text: str) -> None:
        """Add a text at the end."""
        os.write(self._descriptor, text.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        """There is nothing to wait for."""

    def reopen(self) -> None:
        """
        Go on in the file that has the name now.

        @raise OSError: when it cannot be opened; the earlier file is kept then.
        """
        before, self._descriptor = self._descriptor, self._open()
        os.close(before)

    def close(self) -> None:
        """Close it for good."""
        os.close(self._descriptor)

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


@implementer(ILogObserver)
class LineObserver:
    """Writes events as lines; a place that takes no lines any more costs the lines, never the daemon."""

    log = Logger()

    def __init__(self, out: IO[str] | LogFile, form: str, seconds: Callable[[], float] = monotonic) -> None:
        """
        @param form: one of L{FORMATS}.
        @param seconds: counts seconds, for L{Patience}.
        """
        self._out = out
        self._lines = LINES[form]
        self._patience = Patience(seconds)

    def __call__(self, event: Mapping[str, Any]) -> None:
        kind = kind_of(event)
        omitted = self._patience.judge(kind) if kind is not None else 0
        for (uplink, reason), count in self._patience.overdue(all_of_them=_is_last(event)):
            self._sum_up(event, uplink, reason, count)
        if omitted is None or not is_wanted(event):
            return
        if kind is not None and omitted:
            self._sum_up(event, *kind, omitted)
        self._write(event)

    @property
    def folder(self) -> str:
        """The folder of the file that is written to; empty where it is none that has a name."""
        return os.path.dirname(self._out.path) if isinstance(self._out, LogFile) else ""

    def reopen(self) -> None:
        """Go on in the file that has the name now; without one that can be opened, in the earlier."""
        if isinstance(self._out, LogFile):
            try:
                self._out.reopen()
            except OSError as problem:
                self.log.warn(
                    "the log {path} cannot be opened again ({problem}): going on in the earlier file",
                    path=self._out.path,
                    problem=problem.strerror,
                )

    def _sum_up(self, now: Mapping[str, Any], uplink: str, reason: str, count: int) -> None:
        self._write(
            {
                "log_time": now.get("log_time"),
                "log_level": LogLevel.warn,
                "log_namespace": "pdlease.observers",
                "log_format": "{uplink}: {count} more like this were not shown: {reason}"
                if uplink
                else "{count} more like this were not shown: {reason}",
                "uplink": uplink,
                "count": count,
                "reason": reason,
            }
        )

    def _write(self, event: Mapping[str, Any]) -> None:
        with suppress(OSError, ValueError):
            self._out.write("".join(f"{line}\n" for line in self._lines(event)))
            self._out.flush()


def _is_last(event: Mapping[str, Any]) -> bool:
    """Whether this is what twistd says when nothing more will come."""
    return event.get("log_format") == "Server Shut Down."


def is_journal(descriptor: int, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a descriptor leads to the journal, as it says in C{JOURNAL_STREAM} (systemd.exec(5))."""
    stream = environment.get("JOURNAL_STREAM", "")
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return stream == f"{status.st_dev}:{status.st_ino}"


def choose(form: str, twistd: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> LineObserver | None:
    """
    The observer that the command line asks for.

    @param form: what C{--log-format} says; empty: C{journal} where standard error leads to the journal, else C{text}.
    @param twistd: the options of twistd itself.
    @return: C{None} where twistd has been told what to do by C{--logger} or C{--syslog}, or will refuse.
    @raise OSError: when the file cannot be opened.
    """
    name = twistd.get("logfile")
    is_foreground = bool(twistd.get("nodaemon"))
    if twistd.get("logger") or twistd.get("syslog") or (name == "-" and not is_foreground):
        return None
    if (name and name != "-") or not is_foreground:
        return LineObserver(LogFile(name or "twistd.log"), form or "text")
    to_journal = is_journal(2, environment)
    out = sys.stderr if to_journal else sys.stdout
    if isinstance(out, TextIOWrapper):
        # in a locale without them, letters are written out rather than their line left out
        out.reconfigure(errors="backslashreplace")
    return LineObserver(out, form or ("journal" if to_journal else "text"))


class ObservedService(Service):
    """
    A service that brings the observer along which its application logs to.

    @ivar observer: the observer; C{None}: twistd's own.
    """

    observer: LineObserver | None = None

    def setServiceParent(self, parent: Any) -> None:
        """Become part of an application."""
        Service.setServiceParent(self, parent)
        if self.observer is not None:
            parent.setComponent(ILogObserver, self.observer)
