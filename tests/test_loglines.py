"""
Tests of L{pdlease.loglines}.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pdlease.loglines import LINES, LONGEST, journal_lines, json_lines, plain, text_lines


def event(text: str = "{what} happened", level: Any = LogLevel.info, /, **fields: Any) -> dict[str, Any]:
    """An event as Twisted's logger makes it, with what it adds for observers of old."""
    return {
        "log_time": 1000000000.5,
        "log_level": level,
        "log_namespace": "pdlease.uplink",
        "log_format": text,
        "log_logger": object(),
        "message": (),
        "isError": 0,
        "time": 1000000000.5,
        "system": "pdlease.uplink#info",
        **fields,
    }


def failed() -> Failure:
    """A fault of ours."""
    try:
        raise RuntimeError("boom")
    except RuntimeError:
        return Failure()


class PlainTests(SynchronousTestCase):
    """What a line may hold."""

    def test_left_alone(self) -> None:
        """Ordinary text stays, in whatever script."""
        self.assertEqual(plain("wan: Präfix 2001:db8::/56 für das 局域网"), "wan: Präfix 2001:db8::/56 für das 局域网")

    def test_hostile(self) -> None:
        """What a terminal would obey is written out, and a second line is none."""
        self.assertEqual(plain("a\x1b[2Jb\x07\x9bc\n<0>d\te\r\u202ef"), r"a\x1b[2Jb\x07\x9bc <0>d e\r\u202ef")

    def test_bounded(self) -> None:
        """Nothing fills the log by its length."""
        self.assertEqual(plain("x" * 9000), "x" * LONGEST + "...")


class TextTests(SynchronousTestCase):
    """Lines for people."""

    def line(self, *arguments: Any, **fields: Any) -> str:
        """The one line of an event."""
        (line,) = text_lines(event(*arguments, **fields))
        return line

    def test_fields(self) -> None:
        """The fields of an event are told in words, and those that say nothing are left out."""
        fields = {
            "message": "REPLY 1",
            "source": "fe80::1",
            "problem": None,
            "prefixes": ["2001:db8::/56", "fd00::/48"],
        }
        self.assertTrue(
            self.line("{event}: {fields}", event="received", fields=fields).endswith(
                " received: REPLY 1; source fe80::1; prefixes 2001:db8::/56, fd00::/48"
            )
        )

    def test_fields_within(self) -> None:
        """What an event has several of is told in words as well, and one that has nothing to tell ends there."""
        stale = [{"link": "lan0", "subnet": "2001:db8::/64"}, {"link": "lan1", "subnet": "fd00::/64", "why": None}]
        self.assertTrue(
            self.line("{event}: {fields}", event="stale", fields={"stale": stale}).endswith(
                " stale: stale link lan0 subnet 2001:db8::/64, link lan1 subnet fd00::/64"
            )
        )
        self.assertTrue(
            self.line("{event}: {fields}", event="link", fields={"reason": None, "waits_for": []}).endswith(" link")
        )

    def test_line(self) -> None:
        """When and what; the name of a module is nobody's business."""
        self.assertRegex(self.line(what="it"), r"\A2001-09-0\dT\d\d:\d\d:40[+-]\d{4} it happened\Z")

    def test_severity(self) -> None:
        """What is wrong says how wrong it is."""
        for level, word in ((LogLevel.warn, "warning"), (LogLevel.error, "error"), (LogLevel.critical, "critical")):
            self.assertTrue(self.line("so", level).endswith(f" {word}: so"))

    def test_traceback(self) -> None:
        """A traceback follows, indented, so that a line with a time always begins an event."""
        first, *rest = text_lines(event("pdlease cannot start", LogLevel.critical, log_failure=failed()))
        self.assertTrue(first.endswith(" critical: pdlease cannot start"))
        self.assertIn("RuntimeError: boom", rest[-1])
        self.assertTrue(all(line.startswith("  ") for line in rest))


class JournalTests(SynchronousTestCase):
    """Lines for the journal."""

    def test_levels(self) -> None:
        """Each line bears its severity in front, as sd-daemon(3) has it, and no time."""
        for level, number in (
            (LogLevel.debug, 7),
            (LogLevel.info, 6),
            (LogLevel.warn, 4),
            (LogLevel.error, 3),
            (LogLevel.critical, 2),
        ):
            self.assertEqual(
                list(journal_lines(event("{what} happened", level, what="it"))), [f"<{number}>it happened"]
            )

    def test_traceback(self) -> None:
        """Every line of a traceback has the severity of its event."""
        lines = list(journal_lines(event("so", LogLevel.critical, log_failure=failed())))
        self.assertGreater(len(lines), 2)
        self.assertTrue(all(line.startswith("<2>") for line in lines))

    def test_no_forgery(self) -> None:
        """Nobody writes a line of a severity of their choice."""
        self.assertEqual(list(journal_lines(event(what="x\n<0>panic"))), ["<6>x <0>panic happened"])


class JSONTests(SynchronousTestCase):
    """Lines for programs."""

    def document(self, *arguments: Any, **fields: Any) -> dict[str, Any]:
        """The document of an event."""
        (line,) = json_lines(event(*arguments, **fields))
        document: dict[str, Any] = json.loads(line)
        return document

    def test_flat(self) -> None:
        """Time, level, source, text, and each field under its name; those in a table stand beside the others."""
        self.assertEqual(
            self.document("{uplink}: {event}", uplink="wan", event="discarded", fields={"reason": "x", "size": 7}),
            {
                "time": 1000000000.5,
                "level": "info",
                "source": "pdlease.uplink",
                "text": "wan: discarded",
                "uplink": "wan",
                "event": "discarded",
                "reason": "x",
                "size": 7,
            },
        )

    def test_several(self) -> None:
        """What holds more than one value is words with commas between: the object is flat."""
        stale = [{"link": "lan0", "subnet": "fd00::/64"}]
        document = self.document("so", fields={"prefixes": ["2001:db8::/56", "fd00::/48"], "stale": stale})
        self.assertEqual(document["prefixes"], "2001:db8::/56, fd00::/48")
        self.assertEqual(document["stale"], "link lan0 subnet fd00::/64")

    def test_clash(self) -> None:
        """A field takes the place of none that every line has."""
        document = self.document("{text}", text="mine", source="fe80::1", fields={"time": 3})
        self.assertEqual((document["text"], document["text_"]), ("mine", "mine"))
        self.assertEqual((document["source"], document["source_"]), ("pdlease.uplink", "fe80::1"))
        self.assertEqual((document["time"], document["time_"]), (1000000000.5, 3))

    def test_traceback(self) -> None:
        """A traceback is a field."""
        self.assertIn("RuntimeError: boom", self.document("so", LogLevel.critical, log_failure=failed())["traceback"])

    def test_unprintable(self) -> None:
        """A value that cannot be told costs no line."""

        class Shy:
            def __str__(self) -> str:
                raise RuntimeError("no")

        self.assertEqual(self.document("so", shy=Shy(), pair=(1, Shy()))["pair"], "1, Shy")

    @settings(deadline=None)
    @given(
        st.sampled_from(sorted(LINES)),
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    )
    def test_whatever(self, form: str, text: str, value: Any) -> None:
        """Whatever an event holds, each of its lines is one line of printable text, and JSON is one flat object."""
        for line in LINES[form](event(text, value=value)):
            self.assertTrue(line.isprintable(), line)
            if form == "json":
                self.assertFalse([one for one in json.loads(line).values() if isinstance(one, dict | list)], line)
