"""
Tests of L{pdlease.observers}.
"""

from __future__ import annotations

import io
import os
import sys
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from twisted.application.service import Application, IService
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, Logger, LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from pdlease.logs import level, set_level
from pdlease.observers import BURST, EACH, KINDS, LineObserver, LogFile, ObservedService, choose, is_journal


class Broken(io.StringIO):
    """A place that takes no lines any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


class ObserverCase(SynchronousTestCase):
    """An observer in the form for the journal, which has no time in it."""

    def setUp(self) -> None:
        self.addCleanup(set_level, level())
        set_level("brief")
        self.clock = Clock()
        self.out = io.StringIO()
        self.observer = LineObserver(self.out, "journal", self.clock.seconds)

    def log(self, namespace: str = "pdlease.uplink.Uplink") -> Logger:
        """A logger of this namespace."""
        return Logger(namespace=namespace, observer=self.observer)  # type: ignore[arg-type]

    def lines(self) -> list[str]:
        """What was written since the last question."""
        lines = self.out.getvalue().splitlines()
        self.out.seek(0)
        self.out.truncate()
        return lines

    def discard(self, reason: str = "no_transaction", uplink: str = "wan") -> None:
        """A datagram is dropped."""
        self.log().debug(
            "{uplink}: {event} {fields}",
            uplink=uplink,
            event="discarded",
            fields={"reason": reason, "source": "fe80::1"},
        )


class ForeignTests(ObserverCase):
    """What Twisted has to say."""

    def test_brief(self) -> None:
        """
        That the helper's link began, that a port was opened, that a factory started is not shown; a warning is, and so
        is what was printed.
        """
        for namespace in ("twisted.protocols.amp", "twisted.internet.protocol.Factory", "-", "log_legacy"):
            self.log(namespace).info("connection established")
            self.log(namespace).warn("careful")
        self.log("stdout").info("printed")
        self.assertEqual(self.lines(), ["<4>careful"] * 4 + ["<6>printed"])

    def test_debug(self) -> None:
        """With C{debug} all of it is."""
        set_level("debug")
        self.log("twisted.protocols.amp").info("connection established")
        self.assertEqual(self.lines(), ["<6>connection established"])

    def test_namesake(self) -> None:
        """What only begins like our name is not ours."""
        self.log("pdleasenot").info("hello")
        self.assertEqual(self.lines(), [])


class RateTests(ObserverCase):
    """The network does not fill the log."""

    def test_flood(self) -> None:
        """The first few of a kind are shown, then one a minute, with how many were left out."""
        for _ in range(1000):
            self.discard()
        self.assertEqual(len(self.lines()), BURST)
        self.clock.advance(EACH)
        self.discard()
        summary, line = self.lines()
        self.assertEqual(summary, f"<4>wan: {1000 - BURST} more like this were not shown: no_transaction")
        self.assertTrue(line.startswith("<7>wan: discarded"))

    def test_apart(self) -> None:
        """Another reason and another uplink are other kinds."""
        for _ in range(2 * BURST):
            self.discard()
        self.lines()
        self.discard("malformed")
        self.discard(uplink="dsl")
        self.assertEqual(len(self.lines()), 2)

    def test_over(self) -> None:
        """When the flood is over the next line of any kind tells how many there were; nothing wakes up for it."""
        for _ in range(BURST + 3):
            self.discard()
        self.lines()
        self.log().info("something else")
        self.clock.advance(EACH)
        self.log().info("something else")
        self.assertEqual(
            self.lines(),
            ["<6>something else", "<4>wan: 3 more like this were not shown: no_transaction", "<6>something else"],
        )

    def test_end(self) -> None:
        """At the end nothing is left untold."""
        for _ in range(BURST + 1):
            self.discard()
        self.lines()
        self.log("twisted.application").info("Server Shut Down.")
        self.assertEqual(self.lines(), ["<4>wan: 1 more like this were not shown: no_transaction"])

    def test_warnings(self) -> None:
        """Warnings of an uplink, and faults with datagrams, are limited as well; what operators caused is not."""
        for _ in range(100):
            self.log().warn("{uplink}: a message could not be sent: {problem}", uplink="wan", problem="x")
            self.log("pdlease.udp").error("a datagram could not be dealt with")
        self.assertEqual(len(self.lines()), 2 * BURST)
        for number in range(100):
            self.log("pdlease.applier").info("{operation}", operation=number)
            self.log().info("{uplink}: {old} -> {new}", uplink="wan", old=1, new=2)
        self.assertEqual(len(self.lines()), 200)

    def test_recovers(self) -> None:
        """After a quiet time there is room for the first few again, and no more."""
        for _ in range(100):
            self.discard()
        self.clock.advance(100 * EACH)
        self.lines()
        for _ in range(100):
            self.discard()
        self.assertEqual(len(self.lines()), 1 + BURST)

    def test_bounded(self) -> None:
        """Invented reasons fill no memory: beyond a number of kinds all are one, and quiet ones are forgotten."""
        for number in range(4 * KINDS):
            self.discard(f"reason{number}")
        self.assertEqual(len(self.lines()), KINDS + BURST)
        self.assertLessEqual(len(self.observer._patience._tallies), KINDS + 1)
        self.clock.advance(EACH * BURST)
        self.log().info("told")
        self.discard("new")
        self.lines()
        self.discard("newer")
        self.assertEqual(len(self.lines()), 1)
        self.assertLess(len(self.observer._patience._tallies), KINDS)


class PlaceTests(ObserverCase):
    """Where lines go."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = mkdtemp()
        self.addCleanup(rmtree, self.folder)
        self.path = os.path.join(self.folder, "log")

    def read(self, name: str = "log") -> str:
        """What a file holds."""
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return file.read()

    def to_file(self, **twistd: Any) -> LineObserver:
        """The observer that twistd's options lead to, writing to a file."""
        observer = choose("journal", {"logfile": self.path, **twistd})
        assert observer is not None and isinstance(observer._out, LogFile)
        self.addCleanup(observer._out.close)
        self.observer = observer
        return observer

    def test_broken(self) -> None:
        """A place that takes no lines any more costs the lines and nothing else."""
        LineObserver(Broken(), "text")({"log_namespace": "pdlease", "log_format": "x", "log_level": LogLevel.info})

    def test_file(self) -> None:
        """C{--logfile} is obeyed: lines are added to what is there, in the foreground as in the background."""
        for nodaemon in (True, False):
            self.to_file(nodaemon=nodaemon)
            self.log().info("one")
        self.assertEqual(self.read(), "<6>one\n<6>one\n")
        self.assertEqual(os.stat(self.path).st_mode & 0o137, 0)
        self.assertEqual(self.observer.folder, self.folder)

    def test_emptied(self) -> None:
        """Whoever empties the file, as logrotate's C{copytruncate} does, gets no hole in it."""
        self.to_file()
        self.log().info("one")
        os.truncate(self.path, 0)
        self.log().info("two")
        self.assertEqual(self.read(), "<6>two\n")

    def test_renamed(self) -> None:
        """After a rotation the file that has the name is written to."""
        self.to_file()
        self.log().info("one")
        os.rename(self.path, f"{self.path}.1")
        self.observer.reopen()
        self.log().info("two")
        self.assertEqual((self.read("log.1"), self.read()), ("<6>one\n", "<6>two\n"))

    def test_cannot_reopen(self) -> None:
        """A file that cannot be opened again is told, and the earlier one goes on."""
        self.to_file()
        globalLogPublisher.addObserver(self.observer)  # type: ignore[arg-type]
        self.addCleanup(globalLogPublisher.removeObserver, self.observer)
        os.rename(self.path, f"{self.path}.1")
        os.mkdir(self.path)
        self.observer.reopen()
        self.assertIn(f"<4>the log {self.path} cannot be opened again (Is a directory)", self.read("log.1"))

    def test_cannot_open(self) -> None:
        """A file that cannot be opened is an error at the start."""
        problem = self.assertRaises(OSError, choose, "", {"logfile": f"{self.folder}/no/log"})
        self.assertEqual(problem.filename, f"{self.folder}/no/log")

    def test_background(self) -> None:
        """In the background without a word about it, the file is twistd's."""
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        self.to_file(logfile=None)
        self.assertEqual(os.listdir(self.folder), ["twistd.log"])

    def test_twistds_own(self) -> None:
        """An observer or the system log that twistd was given is left to it, and so is what it refuses."""
        for twistd in (
            {"logger": object, "nodaemon": True},
            {"syslog": True, "nodaemon": True},
            {"logfile": "-", "nodaemon": False},
        ):
            self.assertIsNone(choose("json", twistd))

    def test_foreground(self) -> None:
        """In the foreground lines for people go to standard output."""
        for name in ("-", None):
            observer = choose("", {"nodaemon": True, "logfile": name}, {})
            assert observer is not None
            self.assertIs(observer._out, sys.stdout)
            self.assertEqual((observer.folder, observer._lines.__name__), ("", "text_lines"))
            observer.reopen()

    def test_locale(self) -> None:
        """A locale that lacks a letter costs that letter, not its line."""
        raw = io.BytesIO()
        before, sys.stdout = sys.stdout, io.TextIOWrapper(raw, "ascii")
        try:
            observer = choose("journal", {"nodaemon": True}, {})
            assert observer is not None
            observer({"log_namespace": "pdlease", "log_format": "größer", "log_level": LogLevel.info})
        finally:
            sys.stdout.detach()  # type: ignore[attr-defined]
            sys.stdout = before
        self.assertEqual(raw.getvalue(), b"<6>gr\\xf6\\xdfer\n")

    def test_journal(self) -> None:
        """Where standard error leads to the journal, lines for it go there, or in the form that was asked for."""
        status = os.fstat(2)
        environment = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        for form, name in (("", "journal_lines"), ("json", "json_lines")):
            observer = choose(form, {"nodaemon": True}, environment)
            assert observer is not None
            self.assertIs(observer._out, sys.stderr)
            self.assertEqual(observer._lines.__name__, name)

    def test_not_the_journal(self) -> None:
        """Standard error that was led elsewhere, or is closed, is not the journal, whatever was inherited."""
        self.assertFalse(is_journal(2, {"JOURNAL_STREAM": "1:2"}))
        self.assertFalse(is_journal(2, {}))
        self.assertFalse(is_journal(987654, {"JOURNAL_STREAM": "1:2"}))


class ServiceTests(SynchronousTestCase):
    """Tests of L{ObservedService}."""

    def test_brought_along(self) -> None:
        """The application has the service's observer, as twistd asks it for one."""
        service, application = ObservedService(), Application("pdlease")
        service.observer = LineObserver(io.StringIO(), "text")
        service.setServiceParent(application)
        self.assertIs(ILogObserver(application), service.observer)  # type: ignore[call-overload]
        self.assertEqual(list(IService(application)), [service])  # type: ignore[call-overload]

    def test_none(self) -> None:
        """Without one it is left to twistd."""
        application = Application("pdlease")
        ObservedService().setServiceParent(application)
        self.assertIsNone(application.getComponent(ILogObserver, None))
