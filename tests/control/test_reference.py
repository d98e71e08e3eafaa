"""Tests of the page for authors of control clients, and of the commands made from the same table."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

from twisted.protocols import amp
from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.blocking import Control
from pdlease.control.client import ControlClient
from pdlease.control.commands import COMMANDS
from pdlease.control.errors import ERRORS, ControlError, error_from_wire
from pdlease.control.reference import BEGIN, methods, reference
from pdlease.control.vocabulary import WORDS, Kind

PAGE = Path(__file__).parents[2] / "docs" / "control.rst"


class ReferenceTests(SynchronousTestCase):
    def test_page_is_up_to_date(self) -> None:
        """The page holds what the tables say.  (To write it anew: C{python docs/write_control.py}.)"""
        self.assertEqual(BEGIN + PAGE.read_text().partition(BEGIN)[2], reference())

    def test_complete(self) -> None:
        """Every command, argument and error stands on it."""
        page = reference()
        for word in WORDS:
            self.assertIn(f"\n{word.name}\n~", page)
            for field in (*word.arguments, *word.answer):
                self.assertIn(f"``{field.name}``", page)
        for code in ERRORS:
            self.assertIn(f"``{code}``", page)


class MethodTests(SynchronousTestCase):
    def test_both_clients(self) -> None:
        """
        Every command that a client calls is a method of both, with the same typed arguments as on the page; that of the
        Twisted client answers with a Deferred of the same (issue 5, point 3).
        """
        without = {"Version", "Page", *(word.name for word in WORDS if word.is_pushed)}
        self.assertEqual(set(methods()), {word.name for word in WORDS} - without)
        for word in WORDS:
            text = methods().get(word.name)
            if text is None:
                continue
            blocking, deferring = (
                signature(getattr(client, text.partition("(")[0])) for client in (Control, ControlClient)
            )
            parameters = [parameter for parameter in deferring.parameters.values() if parameter.name != "told"]
            self.assertEqual(list(blocking.parameters.values()), parameters, word.name)
            self.assertEqual([one.name for one in parameters[1:]], [field.name for field in word.arguments])
            if word.name != "Watch":
                self.assertEqual(deferring.return_annotation, f"Deferred[{blocking.return_annotation}]")


class CommandTests(SynchronousTestCase):
    def test_each_word(self) -> None:
        """Every word is an AMP command of its name, with its arguments, its answer and all errors that travel."""
        types = {
            Kind.TEXT: amp.Unicode,
            Kind.INTEGER: amp.Integer,
            Kind.NUMBER: amp.Float,
            Kind.FLAG: amp.Boolean,
            Kind.OCTETS: amp.String,
        }
        for word in WORDS:
            command = COMMANDS[word.name]
            self.assertEqual(command.commandName, word.name.encode())
            for fields, entries in ((word.arguments, command.arguments), (word.answer, command.response)):
                self.assertEqual([name for name, _ in entries], [field.name.encode() for field in fields])
                for field, (_, argument) in zip(fields, entries, strict=True):
                    self.assertIs(type(argument), types[field.kind])
                    self.assertEqual(argument.optional, field.optional)
            self.assertEqual(command.requiresAnswer, not word.is_pushed)
            self.assertTrue(set(word.errors) <= set(ERRORS))

    def test_errors_round_trip(self) -> None:
        """A code makes the exception that had it; one of a newer daemon is kept as it is."""
        for code, kind in ERRORS.items():
            self.assertIs(type(error_from_wire(code, "x")), kind)
        older = error_from_wire("UNHANDLED", "Unhandled Command: b'Teleport'")
        self.assertEqual(
            (str(older), older.exit_code),
            ("The daemon does not know this command: it is older than this program, and should be restarted.", 2),
        )
        strange = error_from_wire("STRANGE", "words")
        self.assertEqual((type(strange), strange.code, str(strange)), (ControlError, "STRANGE", "words"))
