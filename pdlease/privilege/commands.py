"""
The vocabulary as Twisted's AMP commands: the daemon's side of L{pdlease.privilege.vocabulary}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.protocols import amp

from pdlease.privilege.vocabulary import DESCRIPTOR, WORDS, Kind, Word

REFUSED = b"REFUSED"
"""The error code of everything that is refused."""


class RefusedByHelper(Exception):
    """
    The helper refuses.

    @ivar errno: the kernel's error number; 0 when it is policy's refusal.
    @ivar reason: the kernel's or policy's words.
    """

    def __init__(self, description: str) -> None:
        super().__init__(description)
        number, _, reason = description.partition(" ")
        self.errno = int(number) if number.isdigit() else 0
        self.reason = reason if number.isdigit() else description


class Value(amp.Argument):
    """An AMP argument that travels as a L{Kind} says."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kind = kind

    def toString(self, inObject: object) -> bytes:
        return self._kind.encode(inObject)

    def fromString(self, inString: bytes) -> object:
        return self._kind.decode(inString)


def _arguments(word: Word, kinds: tuple[tuple[str, Kind], ...]) -> list[tuple[bytes, amp.Argument]]:
    sockets = word.name.endswith("-socket")
    return [
        (name.encode(), amp.Descriptor() if sockets and kind is DESCRIPTOR else Value(kind)) for name, kind in kinds
    ]


def _command(word: Word) -> type[amp.Command]:
    name = "".join(part.capitalize() for part in word.name.split("-"))
    members: dict[str, Any] = {
        "__doc__": f"The word {word.name} of L{{pdlease.privilege.vocabulary}}.",
        "commandName": word.name.encode(),
        "arguments": _arguments(word, word.fields),
        "response": _arguments(word, word.answer),
        "errors": {RefusedByHelper: REFUSED},
    }
    return type(name, (amp.Command,), members)


COMMANDS: Mapping[str, type[amp.Command]] = {word.name: _command(word) for word in WORDS}
