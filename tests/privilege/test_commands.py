"""
Tests for L{pdlease.privilege.commands}.
"""

from __future__ import annotations

from twisted.protocols import amp
from twisted.trial.unittest import SynchronousTestCase

from pdlease.privilege.commands import COMMANDS, RefusedByHelper
from pdlease.privilege.vocabulary import CARRIERS, VOCABULARY, read_fields, write_fields
from tests.privilege.values import EVERY


class CommandTests(SynchronousTestCase):
    """L{COMMANDS}."""

    def test_one_for_each_word(self) -> None:
        """
        There is a command for each word, with its name, fields and answer.
        """
        self.assertEqual(set(COMMANDS), set(VOCABULARY))
        for name, command in COMMANDS.items():
            word = VOCABULARY[name]
            self.assertEqual(command.commandName, name.encode())
            self.assertEqual([key for key, _ in command.arguments], [key.encode() for key, _ in word.fields])
            self.assertEqual([key for key, _ in command.response], [key.encode() for key, _ in word.answer])

    def test_same_octets_on_both_sides(self) -> None:
        """
        What Twisted makes of an operation the helper reads as that operation.
        """
        for operation in EVERY:
            word = CARRIERS[type(operation)]
            values = {name: getattr(operation, name) for name, _ in word.fields}
            box = COMMANDS[word.name].makeArguments(values, None)
            octets = {key.decode(): value for key, value in box.items()}
            self.assertEqual(octets, write_fields(operation))
            assert word.operation is not None
            self.assertEqual(word.operation(**read_fields(word, octets)), operation)

    def test_sockets_are_descriptors(self) -> None:
        """
        Sockets come as AMP descriptors.
        """
        for name in ("open-client-socket", "open-route-socket"):
            ((_, argument),) = COMMANDS[name].response
            self.assertIsInstance(argument, amp.Descriptor)


class RefusedByHelperTests(SynchronousTestCase):
    """L{RefusedByHelper}."""

    def test_number_and_words(self) -> None:
        """
        The description is an error number and words; without a number it is all words.
        """
        error = RefusedByHelper("17 File exists")
        self.assertEqual((error.errno, error.reason), (17, "File exists"))
        error = RefusedByHelper("odd words")
        self.assertEqual((error.errno, error.reason), (0, "odd words"))
