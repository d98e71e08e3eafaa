"""
The words of a file in the form of dhcp6leased.conf(5): quoting, joined lines, comments, macros (seed-behaviour 2.2 and
2.3), and how to write a word so that it is read as it was.

What sentences are made of these words is L{pdlease.config.leasedconf}.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, unique

from attrs import define, frozen

KEYWORDS = frozenset(("commit", "delegation", "for", "on", "prefix", "rapid", "request"))

LONGEST_WORD = 8096
"""How many bytes one word or the value of one macro may have."""

LARGEST_EXPANSION = 1024 * 1024
"""How many bytes all macros of one file may expand to: a small file can say a very large one."""

# Stands behind the value of a macro that is being read; no byte is such a character.
_END_OF_VALUE = "\u0100"

_BLANK = " \t"
_DIGITS = frozenset("0123456789")
_NAME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") | _DIGITS
_FIRST = _NAME | frozenset(":_")
_INSIDE = _NAME | (frozenset(map(chr, range(0x21, 0x7F))) - _NAME - frozenset("(){}!=#,"))
_AFTER_NUMBER = frozenset(" \t\n\v\f\r),/}=")


@unique
class Kind(Enum):
    """
    What a token is.
    """

    WORD = "a word"
    KEYWORD = "a keyword"
    NUMBER = "a number"
    MARK = "a mark"
    NEWLINE = "the end of the line"
    END = "the end of the file"
    BROKEN = "what could not be read, and was told already"


@frozen
class Token:
    """
    One token.

    @ivar kind: what it is.
    @ivar text: the word, keyword, number or mark, without quotes; each byte is one character (L{decoded}).
    @ivar line: number of the line where it begins, from 1.
    """

    kind: Kind
    text: str
    line: int

    def is_word(self, text: str) -> bool:
        """Whether this is a certain keyword."""
        return self.kind is Kind.KEYWORD and self.text == text

    def is_mark(self, text: str) -> bool:
        """Whether this is a certain mark."""
        return self.kind is Kind.MARK and self.text == text


@define
class Macro:
    """
    A macro.

    @ivar value: what it stands for, each byte one character.
    @ivar line: where it was defined last.
    @ivar is_used: whether anything used it since.
    """

    value: str
    line: int
    is_used: bool = False


class _Skip(Exception):
    """What stands here makes no sense."""


def decoded(text: str) -> str:
    """The text that the bytes of a token are, in UTF-8; what is none becomes characters that no name may have."""
    return text.encode("latin-1").decode("utf-8", "surrogateescape")


class Tokens:
    """
    Reads tokens.

    @ivar line: number of the line that is being read.
    @ivar macros: those that are defined by now.
    @param data: the file.
    @param wrong: called with a line and a sentence for what is wrong.
    """

    def __init__(self, data: bytes, wrong: Callable[[int, str], None]) -> None:
        self.line = 1
        self.macros: dict[str, Macro] = {}
        self._text = data.decode("latin-1")
        self._place = 0
        self._ended = False
        self._returned: list[str] = []
        self._is_expanding = False
        self._expanded = 0
        self._wrong = wrong

    def define(self, name: str, value: str, line: int) -> None:
        """
        Define a macro, or define it anew.

        @raise ValueError: when the value is too long.
        """
        if len(value) > LONGEST_WORD:
            raise ValueError("string too long")
        self.macros[name] = Macro(value, line)

    def next(self) -> Token:
        """The next token; after the last one L{Kind.END} for ever."""
        try:
            return self._token()
        except _Skip:
            return Token(Kind.BROKEN, "", self.line)

    # Characters.

    def _raw(self) -> str:
        """The next character as it stands in the file or in a macro's value; empty at the end."""
        while self._returned:
            character = self._returned.pop()
            if character != _END_OF_VALUE:
                return character
            self._is_expanding = False
        if self._place >= len(self._text):
            return ""
        self._place += 1
        return self._text[self._place - 1]

    def _character(self) -> str:
        """
        The next character outside of quotes: lines joined, backslashes taken away.

        At the end of the file there is one more end of line, so that the last line need not have one; then nothing.
        """
        while (character := self._raw()) == "\\":
            following = self._raw()
            if following != "\n":
                character = following or "\\"
                break
            self.line += 1
        if not character and not self._ended:
            self._ended = True
            return "\n"
        return character

    def _give_back(self, character: str) -> None:
        """Have a character read again."""
        if character:
            self._returned.append(character)

    def _skip_line(self, problem: str, line: int | None = None) -> _Skip:
        """Tell what is wrong, and go to the end of the line; what is returned is to be raised."""
        self._wrong(self.line if line is None else line, problem)
        while (character := self._character()) not in ("\n", ""):
            pass
        self._give_back(character)
        return _Skip()

    # Tokens.

    def _token(self) -> Token:
        character = self._character()
        while True:
            while character and character in _BLANK:
                character = self._character()
            if character == "#":
                while character not in ("\n", ""):
                    character = self._character()
            if character != "$" or self._is_expanding:
                break
            self._expand()
            character = self._character()
        line = self.line
        if not character:
            return Token(Kind.END, "", line - 1)
        if character == "\n":
            self.line += 1
            return Token(Kind.NEWLINE, "", line)
        if character in "\"'":
            return Token(Kind.WORD, self._quoted(character), line)
        if character == "-" or character in _DIGITS:
            number = self._number(character)
            if number:
                return Token(Kind.NUMBER, number, line)
        if character in _FIRST:
            word = self._run(character, _INSIDE)
            return Token(Kind.KEYWORD if word in KEYWORDS else Kind.WORD, word, line)
        return Token(Kind.MARK, character, line)

    def _run(self, first: str, allowed: frozenset[str]) -> str:
        """C{first} and all that follows of C{allowed}."""
        characters = [first] if first else []
        while (character := self._character()) in allowed:
            characters.append(character)
            if len(characters) > LONGEST_WORD:
                raise self._skip_line("string too long")
        self._give_back(character)
        return "".join(characters)

    def _number(self, first: str) -> str:
        """A whole number; empty, with all but C{first} given back, where there is none."""
        text = self._run(first, _DIGITS)
        following = self._character()
        self._give_back(following)
        if text != "-" and (not following or following in _AFTER_NUMBER):
            return text
        self._returned.extend(reversed(text[1:]))
        return ""

    def _expand(self) -> None:
        """Put the value of the macro whose name follows in the place of its name."""
        name = self._run("", _NAME | {"_"})
        macro = self.macros.get(name)
        if macro is None:
            # What is glued to it goes with it, and the rest of the line is read on.
            self._run("", _INSIDE)
            self._wrong(self.line, f"macro '{name[:60]}' not defined")
            raise _Skip
        macro.is_used = True
        self._expanded += len(macro.value)
        if self._expanded > LARGEST_EXPANSION:
            raise self._skip_line(f"macros stand for more than {LARGEST_EXPANSION} bytes")
        self._returned.append(_END_OF_VALUE)
        self._returned.extend(reversed(macro.value))
        self._is_expanding = True

    def _quoted(self, quote: str) -> str:
        """The rest of a quoted string."""
        begin = self.line
        characters: list[str] = []
        while (character := self._raw()) != quote:
            if not character:
                raise self._skip_line("reached end of file while parsing quoted string", begin)
            if character == "\0":
                raise self._skip_line("syntax error: a NUL in quotes")
            if character == "\\":
                following = self._raw()
                if (following and following in (quote, " ", "\t")) or following == "\n":
                    character = following
                else:
                    self._give_back(following)
            if character == "\n":
                self.line += 1
                continue
            characters.append(character)
            if len(characters) > LONGEST_WORD:
                raise self._skip_line("string too long")
        return "".join(characters)


def written(text: str) -> str:
    """
    A word as it is written in a file: quoted where it must be.

    @param text: any text without NUL and without an end of line.
    """
    if (
        text
        and text[0] in _FIRST
        and _INSIDE.issuperset(text)
        and "\\" not in text
        and text not in KEYWORDS
        and not _DIGITS.issuperset(text.partition("/")[0])
    ):
        return text
    inner = text.replace('"', '\\"').replace("\\ ", "\\\\ ").replace("\\\t", "\\\\\t")
    # Behind a last backslash stands a joined line, for the quote that closes would be taken for one inside.
    return f'"{inner}\\\n"' if text.endswith("\\") else f'"{inner}"'
