"""Tests of one control connection: versions, roles, pages, limits, watching."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.boxes import encode_box
from pdlease.control.connection import BURST, IN_FLIGHT
from pdlease.control.roles import Role
from pdlease.control.vocabulary import WORDS
from pdlease.interfaces import UnknownUplink
from tests.control.daemons import Line


class VersionTests(SynchronousTestCase):
    def test_version_first(self) -> None:
        """Any command before Version is answered with VERSION_MISMATCH and is not carried out."""
        line = Line()
        self.assertEqual(line.ask("Renew")[b"_error_code"], b"VERSION_MISMATCH")
        self.assertEqual(line.daemon.calls, [])

    def test_agrees(self) -> None:
        """Version answers with the newest protocol that both speak, the software and the role."""
        answer = Line(Role.VIEWER).ask("Version", oldest=0, newest=7, software="future 9")
        self.assertEqual((answer[b"protocol"], answer[b"role"]), (b"1", b"viewer"))
        self.assertTrue(answer[b"software"].startswith(b"pdlease "))

    def test_newer_client(self) -> None:
        """A client that speaks only newer versions gets VERSION_MISMATCH that names both ranges."""
        answer = Line().ask("Version", oldest=2, newest=3, software="future")
        self.assertEqual(answer[b"_error_code"], b"VERSION_MISMATCH")
        self.assertIn(b"2 to 3", answer[b"_error_description"])

    def test_older_client(self) -> None:
        """A client that speaks only older versions gets VERSION_MISMATCH."""
        self.assertEqual(
            Line().ask("Version", oldest=0, newest=0, software="past")[b"_error_code"], b"VERSION_MISMATCH"
        )

    def test_once(self) -> None:
        """After Version, Version is no command of the connection any more."""
        self.assertIn(b"_error", Line().greet().ask("Version", oldest=1, newest=1, software="again"))

    def test_too_late(self) -> None:
        """A connection that has not said its version within 10 s is told so and ended, whatever trickles in."""
        line = Line()
        line.clock.advance(9)
        line.connection.dataReceived(b"\0")
        line.clock.advance(1)
        (box,) = line.received()
        self.assertEqual(box[b"reason"], b"NO_VERSION")
        self.assertTrue(line.transport.is_lost)


class RoleTests(SynchronousTestCase):
    def test_viewer_changes_nothing(self) -> None:
        """Each command of the admin role is NOT_ALLOWED for a viewer and reaches nothing."""
        for word in WORDS:
            if word.role is Role.ADMIN:
                line = Line(Role.VIEWER).greet()
                arguments = {field.name: True for field in word.arguments}
                self.assertEqual(line.ask(word.name, **arguments)[b"_error_code"], b"NOT_ALLOWED", word.name)
                self.assertEqual(line.daemon.calls, [])

    def test_by_construction(self) -> None:
        """What a viewer's connection holds is exactly the commands of that role, an admin's all but Version."""
        for role in Role:
            line = Line(role).greet()
            names = line.connection._questions.locator.names
            allowed = {
                word.name for word in WORDS if word.role is not None and word.role <= role and not word.is_pushed
            }
            self.assertEqual(names, allowed)

    def test_unknown_command(self) -> None:
        """A command of a newer release gets AMP's UNHANDLED and the connection goes on."""
        line = Line().greet()
        self.assertEqual(line.ask("Teleport")[b"_error_code"], b"UNHANDLED")
        self.assertIn(b"page", line.ask("Status"))


class AnswerTests(SynchronousTestCase):
    def document(self, line: Line, command: str, **arguments: object) -> Any:
        """The whole document that a command answers with."""
        answer = line.ask(command, **arguments)
        text = answer[b"page"]
        while b"more" in answer:
            answer = line.ask("Page", token=answer[b"more"].decode())
            text += answer[b"page"]
        return json.loads(text)

    def test_documents(self) -> None:
        """Every command that answers with a document gives what the daemon says."""
        line = Line().greet()
        daemon = line.daemon
        self.assertEqual(self.document(line, "Status"), daemon.status(None))
        self.assertEqual(self.document(line, "Status", uplink="wan"), daemon.status("wan"))
        self.assertEqual(self.document(line, "Plan"), daemon.plan())
        self.assertEqual(self.document(line, "Why"), ["wan is bound."])
        self.assertEqual(self.document(line, "Identity"), daemon.identity())
        self.assertEqual(self.document(line, "Renew"), {"wan": "Renew was sent."})
        self.assertEqual(self.document(line, "Rebind", uplink="wan"), {"wan": "Rebind was sent."})
        self.assertEqual(self.document(line, "Request"), {"wan": "Rebind was sent."})
        self.assertEqual(self.document(line, "Guests"), daemon.guests())
        self.assertEqual(self.document(line, "Counters", uplink="wan"), daemon.counters("wan"))
        self.assertEqual(self.document(line, "Reload", dry_run=True)["changed"], ["wan"])
        self.assertEqual(
            self.document(line, "Release", uplink="wan", force=True), {"wan": "The prefixes were given back."}
        )
        line.ask("SetLogLevel", level="debug")
        self.assertEqual(
            daemon.calls,
            [
                ("renew", None),
                ("rebind", "wan"),
                ("request", None),
                ("reload", True),
                ("release", "wan", True),
                ("set_log_level", "debug"),
            ],
        )

    def test_large(self) -> None:
        """A document of far more than 65,535 octets comes in pages that each fit into an AMP value."""
        line = Line().greet()
        line.daemon.padding = 200_000
        self.assertEqual(self.document(line, "Status"), line.daemon.status(None))

    def test_tokens(self) -> None:
        """A token is good once, and only for the last four documents of its own connection."""
        line = Line().greet()
        line.daemon.padding = 100_000
        tokens = [line.ask("Status")[b"more"].decode() for _ in range(5)]
        self.assertEqual(line.ask("Page", token=tokens[0])[b"_error_code"], b"INVALID")
        self.assertIn(b"page", line.ask("Page", token=tokens[4]))
        self.assertEqual(line.ask("Page", token=tokens[4])[b"_error_code"], b"INVALID")
        self.assertEqual(Line().greet().ask("Page", token=tokens[3])[b"_error_code"], b"INVALID")

    def test_errors(self) -> None:
        """Unknown uplinks, refusals and bad arguments have codes of their own and end nothing."""
        line = Line().greet()
        self.assertEqual(line.ask("Status", uplink="lan")[b"_error_code"], b"UNKNOWN_UPLINK")
        self.assertEqual(line.ask("Counters", uplink="lan")[b"_error_code"], b"UNKNOWN_UPLINK")
        self.assertEqual(line.ask("Wait", uplink="lan")[b"_error_code"], b"UNKNOWN_UPLINK")
        refusal = line.ask("Release", uplink="wan", force=False)
        self.assertEqual(refusal[b"_error_code"], b"REFUSED")
        self.assertIn(b"web1", refusal[b"_error_description"])
        self.assertEqual(line.ask("SetLogLevel", level="loud")[b"_error_code"], b"INVALID")
        self.assertEqual(line.ask("SetLogLevel")[b"_error_code"], b"INVALID")
        self.assertEqual(line.ask("History", count="many")[b"_error_code"], b"INVALID")
        self.assertEqual(line.ask("History", count=0)[b"_error_code"], b"INVALID")
        self.assertEqual(line.ask("Wait", uplink="wan", timeout="nan")[b"_error_code"], b"INVALID")
        self.assertEqual(line.ask("Wait", uplink="wan", timeout=-1)[b"_error_code"], b"INVALID")
        line.connection.dataReceived(encode_box({b"_ask": b"9", b"_command": b"Status", b"uplink": b"\xff"}))
        self.assertEqual(line.received()[0][b"_error_code"], b"INVALID")
        self.assertFalse(line.transport.is_lost)

    def test_unknown_uplink_in_words(self) -> None:
        """A daemon that names only the uplink is answered for with a sentence."""
        line = Line().greet()

        def status(uplink: str | None) -> dict[str, Any]:
            raise UnknownUplink("lan")

        line.daemon.status = status  # type: ignore[method-assign]
        self.assertEqual(line.ask("Status", uplink="lan")[b"_error_description"], b"There is no uplink lan.")

    def test_failure_of_ours(self) -> None:
        """An error of the daemon's own is FAILED without details, is logged, and the connection goes on."""
        line = Line().greet()
        line.daemon.sentences = [object()]  # type: ignore[list-item]
        self.assertEqual(line.ask("Why")[b"_error_code"], b"FAILED")
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
        self.assertIn(b"page", line.ask("Status"))


class WaitTests(SynchronousTestCase):
    def test_answer(self) -> None:
        """Wait answers when the daemon says that the uplink is ready."""
        line = Line().greet()
        tag = line.send("Wait", uplink="wan")
        self.assertEqual(line.received(), [])
        line.daemon.waits.pop().callback({"state": "bound"})
        (box,) = line.received()
        self.assertEqual((box[b"_answer"], box[b"page"]), (tag, b'{"state":"bound"}'))

    def test_timeout(self) -> None:
        """After its timeout a wait is TIMED_OUT and the daemon need not remember it."""
        line = Line().greet()
        line.send("Wait", uplink="wan", timeout=5)
        line.clock.advance(4.9)
        self.assertEqual(line.received(), [])
        line.clock.advance(0.2)
        self.assertEqual(line.received()[0][b"_error_code"], b"TIMED_OUT")
        self.assertEqual(line.daemon.waits, [])

    def test_disconnected(self) -> None:
        """When the client leaves, its waits end, and no timer stays."""
        from twisted.internet.error import ConnectionDone
        from twisted.python.failure import Failure

        line = Line().greet()
        line.send("Wait", uplink="wan", timeout=5)
        line.connection.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(line.daemon.waits, [])
        self.assertEqual(line.clock.getDelayedCalls(), [])
        self.assertEqual(line.ended, [line.connection])

    def test_too_many(self) -> None:
        """More than 16 commands under way are refused one by one; the connection lives."""
        line = Line().greet()
        for _ in range(IN_FLIGHT + 1):
            line.send("Wait", uplink="wan")
        (box,) = line.received()
        self.assertEqual(box[b"_error_code"], b"REFUSED")
        self.assertEqual(len(line.daemon.waits), IN_FLIGHT)
        line.daemon.waits[0].callback({})
        line.received()
        self.assertIn(b"page", line.ask("Status"))


class LimitTests(SynchronousTestCase):
    def refused(self, octets: bytes) -> None:
        """These octets end the connection with BAD_BOX."""
        line = Line().greet()
        line.connection.dataReceived(octets)
        (box,) = line.received()
        self.assertEqual(box[b"reason"], b"BAD_BOX")
        self.assertTrue(line.transport.is_lost)
        line.send("Renew")
        self.assertEqual(line.daemon.calls, [])

    def test_large_value(self) -> None:
        """A value that says it is larger than 4096 octets ends the connection before it comes."""
        self.refused(b"\0\1a\xff\xff")

    def test_large_key(self) -> None:
        """A key that says it is longer than 64 octets ends the connection before it comes."""
        self.refused(b"\0\x41")

    def test_endless_box(self) -> None:
        """A box of more than 16 keys ends the connection, however small they are."""
        self.refused(b"".join(b"\0\1%c\0\0" % (65 + n) for n in range(17)))

    def test_not_a_command(self) -> None:
        """An answer that nobody asked for, an empty box and a command without a tag end the connection quietly."""
        for box in ({b"_answer": b"1"}, {}, {b"_command": b"Status"}, {b"_error": b"1"}):
            self.refused(encode_box(box))

    def test_nothing_to_log(self) -> None:
        """No octets from a client make a traceback."""
        for octets in (b"\xff" * 70, b"GET / HTTP/1.1\r\n\r\n", b"\0\0" * 500):
            line = Line()
            line.connection.dataReceived(octets)
            self.assertTrue(line.transport.is_lost)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_rate(self) -> None:
        """Commands beyond a burst are read at 50 a second, the rest of the chunk waiting while nothing is read."""
        line = Line().greet()
        octets = b"".join(encode_box({b"_ask": b"%x" % n, b"_command": b"Why"}) for n in range(BURST + 50))
        line.connection.dataReceived(octets)
        self.assertEqual(len(line.received()), BURST - 1)
        self.assertEqual(line.transport.producerState, "paused")
        for _ in range(30):
            line.clock.advance(0.02)
        self.assertAlmostEqual(len(line.received()), 30, delta=2)
        for _ in range(30):
            line.clock.advance(0.02)
        self.assertEqual(line.transport.producerState, "producing")

    def test_unread_answers(self) -> None:
        """While the client does not read its answers no further command is taken, even of the same chunk."""
        line = Line().greet()
        line.connection.pauseProducing()
        line.connection.dataReceived(encode_box({b"_ask": b"1", b"_command": b"Status"}) * 3)
        self.assertEqual(line.received(), [])
        self.assertEqual(line.transport.producerState, "paused")
        line.connection.resumeProducing()
        self.assertEqual(len(line.received()), 3)
        self.assertEqual(line.transport.producerState, "producing")

    def test_never_reads(self) -> None:
        """A client that reads nothing for 30 s is ended, and cut off if it does not read the reason either."""
        line = Line().greet()
        line.connection.pauseProducing()
        line.clock.advance(30)
        self.assertTrue(line.transport.is_lost)
        self.assertFalse(line.transport.is_aborted)
        line.clock.advance(5)
        self.assertTrue(line.transport.is_aborted)

    def test_unfinished(self) -> None:
        """A command that is begun and not finished within 10 s ends the connection, however it trickles."""
        line = Line().greet()
        line.connection.dataReceived(b"\0\4_a")
        line.clock.advance(9)
        line.connection.dataReceived(b"s")
        line.clock.advance(1)
        self.assertEqual(line.received()[0][b"reason"], b"UNFINISHED")

    def test_idle(self) -> None:
        """A connection that asks nothing for ten minutes is ended; one that waits or watches is not."""
        idle, waiting, watching = Line().greet(), Line().greet(), Line().greet()
        waiting.send("Wait", uplink="wan")
        watching.ask("Watch")
        for line in (idle, waiting, watching):
            line.clock.advance(600)
        self.assertEqual(idle.received()[0][b"reason"], b"IDLE")
        self.assertEqual(waiting.received(), [])
        self.assertEqual(watching.received(), [])
        self.assertEqual(watching.clock.getDelayedCalls(), [])

    def test_any_division(self) -> None:
        """Commands are understood however they are divided into chunks."""
        line = Line().greet()
        for octet in encode_box({b"_ask": b"1", b"_command": b"Why"}) * 2:
            line.connection.dataReceived(bytes([octet]))
        self.assertEqual(len(line.received()), 2)
