"""Tests of the page for authors of control clients, and of the commands made from the same table."""

from __future__ import annotations

from pathlib import Path

from twisted.protocols import amp
from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.commands import COMMANDS
from pdlease.control.errors import ERRORS, ControlError, error_from_wire
from pdlease.control.reference import BEGIN, reference
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
        strange = error_from_wire("STRANGE", "words")
        self.assertEqual((type(strange), strange.code, str(strange)), (ControlError, "STRANGE", "words"))
