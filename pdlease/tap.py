"""
What C{twistd pdlease} takes on its command line, and the service it makes.

The service itself is L{pdlease.service}; what the configuration may say is L{pdlease.config}.  Importing this module
must stay cheap: C{twistd --help} does it too.
"""

from __future__ import annotations

import os
import sys

from twisted.application.service import IService
from twisted.python import usage

from pdlease.config.errors import ConfigErrors
from pdlease.config.load import load
from pdlease.config.model import Config
from pdlease.loglines import LINES
from pdlease.logs import LEVELS, set_level

DEFAULT_PATH = "/etc/pdlease/pdlease.toml"

TWISTDS_PIDFILE = "twistd.pid"
"""What twistd writes its process id to unless it is told otherwise."""


class Options(usage.Options):
    """
    Options of C{twistd pdlease}.

    @ivar config: the configuration, checked.
    @ivar source: the bytes it was read from.
    """

    synopsis = "[--config FILE] [--log-format FORMAT] [--log-level LEVEL]"
    optParameters = [
        ["config", "c", DEFAULT_PATH, "The configuration file; pdlease.toml(5) tells what it may say."],
        [
            "log-format",
            None,
            "",
            "text, journal or json; by default journal where standard error leads to the journal.",
        ],
        ["log-level", None, "brief", "How much is logged at first: debug, verbose or brief."],
    ]
    longdesc = "A DHCPv6 prefix-delegation client: asks for prefixes on uplinks and puts them on downstream links."

    config: Config
    source: bytes

    def postOptions(self) -> None:
        """
        Read and check the configuration.

        @raise SystemExit: with status 2 and every error on standard error; nothing has been touched then.
        """
        path = os.path.abspath(self["config"])
        for name, words in (("log-format", ("", *LINES)), ("log-level", LEVELS)):
            if self[name] not in words:
                wrong(f"--{name} {self[name]}: expected one of {', '.join(filter(None, words))}")
        if self.parent is not None and (self.parent.get("uid") is not None or self.parent.get("gid") is not None):
            wrong(
                "--uid and --gid of twistd are not for pdlease: it must start as root; set `user` in the configuration"
            )
        try:
            with open(path, "rb") as file:
                self.source = file.read()
        except OSError as problem:
            wrong(f"{path}: {problem.strerror}")
        try:
            self.config = load(self.source, path)
        except ConfigErrors as problems:
            wrong(str(problems))
        self["config"] = path
        if self.parent is not None and self.parent.get("nodaemon") and self.parent.get("pidfile") == TWISTDS_PIDFILE:
            # in the foreground a supervisor knows the process; a file in the current folder helps nobody
            self.parent["pidfile"] = ""


def wrong(sentence: str) -> None:
    """
    The configuration cannot be used.

    @raise SystemExit: always, with status 2.
    """
    print(sentence, file=sys.stderr)
    raise SystemExit(2)


def makeService(options: Options) -> IService:
    """Make the daemon of a checked configuration; nothing is started yet."""
    from twisted.internet import reactor  # noqa: TID251 - twistd has chosen it; everybody else is given it

    from pdlease.ending import Ending
    from pdlease.machine import Machine
    from pdlease.observers import choose
    from pdlease.service import Daemon

    set_level(options["log-level"])
    try:
        observer = choose(options["log-format"], options.parent or {})
    except OSError as problem:
        print(f"pdlease: the log {problem.filename}: {problem.strerror}", file=sys.stderr)
        raise SystemExit(1) from None
    folder = observer.folder if observer is not None else ""
    machine = Machine(reactor, (folder,) if folder else ())
    daemon = Daemon(options.config, options["config"], options.source, machine, Ending(reactor).end)
    daemon.observer = observer
    if folder and observer is not None:
        machine.on_rotation(observer.reopen)
    return daemon
