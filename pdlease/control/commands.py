"""
The AMP side of the vocabulary: one C{amp.Command} for each word, and errors as AMP errors.

Which commands there are is L{pdlease.control.vocabulary}; these classes are made from it, so that the two cannot
differ.  Who answers them is L{pdlease.control.responders}, who calls them L{pdlease.control.client}.
"""

from __future__ import annotations

from types import new_class

from twisted.protocols import amp

from pdlease.control.errors import ERRORS
from pdlease.control.vocabulary import CLOSING, WORDS, Closing, Field, Kind, Word

_ARGUMENTS: dict[Kind, type[amp.Argument]] = {
    Kind.TEXT: amp.Unicode,
    Kind.INTEGER: amp.Integer,
    Kind.NUMBER: amp.Float,
    Kind.FLAG: amp.Boolean,
    Kind.OCTETS: amp.String,
}


def _arguments(fields: tuple[Field, ...]) -> list[tuple[bytes, amp.Argument]]:
    return [(field.name.encode(), _ARGUMENTS[field.kind](optional=field.optional)) for field in fields]


def _command(word: Word) -> type[amp.Command]:
    body = {
        "__doc__": word.meaning,
        "__module__": __name__,
        "commandName": word.name.encode(),
        "arguments": _arguments(word.arguments),
        "response": _arguments(word.answer),
        "errors": {} if word.is_pushed else {kind: code.encode() for code, kind in ERRORS.items()},
        "requiresAnswer": not word.is_pushed,
    }
    return new_class(word.name, (amp.Command,), exec_body=lambda namespace: namespace.update(body))


#: The command class of every word, by its name.
COMMANDS: dict[str, type[amp.Command]] = {word.name: _command(word) for word in WORDS}


def command_of(word: Word) -> type[amp.Command]:
    """The AMP command of a word."""
    return COMMANDS[word.name]


def goodbye(reason: Closing) -> bytes:
    """The box that says why a connection ends."""
    command = command_of(CLOSING)
    box = command.makeArguments({"reason": reason.name, "text": reason.value}, None)
    box[amp.COMMAND] = command.commandName
    octets: bytes = box.serialize()
    return octets
