"""
Configuration in the form of dhcp6leased.conf(5): from its text to the model, or to everything that is wrong with it.

The grammar is the original's (seed-behaviour 2.1 to 2.5)::

    config      = { [ statement ] NEWLINE }
    statement   = NAME "=" WORD { WORD }
                | "request" "rapid" "commit"
                | "request" "prefix" "delegation" "on" WORD "for" block
    block       = "{" { NEWLINE } target { NEWLINE } { target { NEWLINE } } "}" | target
    target      = WORD, an interface name and perhaps "/" and a prefix length

The words are read by L{pdlease.config.tokens}.  After an error reading goes on at the next line, within the same block,
so that everything is told at once; a name that is too long is an error like any other (D42).  All that this form cannot
say has its default, and every delegation asks for just the length that it needs, as the original does.  The way back is
L{pdlease.config.toconf}.
"""

from __future__ import annotations

from attrs import define, evolve, field

from pdlease.config import values
from pdlease.config.checks import LARGEST, MOST_DELEGATIONS, delegation_key, does_not_fit, too_large
from pdlease.config.errors import ConfigError, ConfigErrors
from pdlease.config.model import Config, Delegation, IdentitySettings, Uplink
from pdlease.config.tokens import Kind, Token, Tokens, decoded
from pdlease.subnets import Downstream

# Nobody mends more at once, and a file that is none would have one in every line.
MOST_ERRORS = 100


def parse(data: bytes, path: str) -> Config:
    """
    Read a configuration.

    @param data: the bytes of the file.
    @param path: its name, for messages.
    @raise ConfigErrors: with everything that is wrong, each with its line.
    """
    parser = _read(data, path)
    return Config(uplinks=tuple(found.uplink for found in parser.uplinks.values()))


def unused_macros(data: bytes, path: str) -> tuple[ConfigError, ...]:
    """
    The macros that nothing uses, for a warning each, which the original has only at a reload (D45).

    @raise ConfigErrors: as L{parse}.
    """
    macros = _read(data, path).tokens.macros
    return tuple(_error(macro.line, f"macro '{name}' not used") for name, macro in macros.items() if not macro.is_used)


def _read(data: bytes, path: str) -> _Parser:
    """Read all of a file."""
    if len(data) > LARGEST:
        raise ConfigErrors(path, [ConfigError("", f"the file is larger than {LARGEST} bytes")])
    parser = _Parser(data)
    try:
        parser.configuration()
    except _TooMany:
        parser.errors.append(ConfigError("", "too many errors; the rest of the file was not read"))
    if parser.errors:
        raise ConfigErrors(path, parser.errors)
    return parser


def _error(line: int, problem: str) -> ConfigError:
    """An error in a line."""
    return ConfigError(f"line {line}", problem, line)


class _TooMany(Exception):
    """There is no point in reading on."""


class _Wrong(Exception):
    """The rest of the line makes no sense."""


class _NextStatement(Exception):
    """A statement has no end, and here another one begins, or the file ends."""


@define
class _Found:
    """
    What was found on one uplink.

    @ivar uplink: the uplink so far.
    @ivar links: the line in which each downstream was named, or the delegation that is known by such a name.
    """

    uplink: Uplink
    links: dict[str, int] = field(factory=dict)


class _Parser:
    """
    One reading of one file.

    @ivar errors: what was found wrong so far.
    @ivar uplinks: what was found, by link, in file order.
    @ivar tokens: where the words come from.
    """

    def __init__(self, data: bytes) -> None:
        self.errors: list[ConfigError] = []
        self.uplinks: dict[str, _Found] = {}
        self.tokens = Tokens(data, self._wrong)
        self._token = self.tokens.next()

    def configuration(self) -> None:
        """Read all statements."""
        rapid_commit = False
        lines: dict[str, int] = {}
        while self._token.kind is not Kind.END:
            try:
                if self._token.is_word("request"):
                    line = self._token.line
                    self._advance()
                    if self._token.is_word("rapid"):
                        self._advance()
                        self._keyword("commit")
                        rapid_commit = True
                    else:
                        self._delegation(line, lines)
                elif self._token.kind is Kind.WORD:
                    self._macro()
                self._end_of_line()
            except _Wrong:
                self._resynchronise()
            except _NextStatement:
                pass
        for link, found in self.uplinks.items():
            found.uplink = evolve(found.uplink, rapid_commit=rapid_commit)
            problem = does_not_fit(found.uplink, IdentitySettings().duid)
            if problem:
                self._wrong(lines[link], problem)
        if not self.uplinks and not self.errors:
            self.errors.append(
                ConfigError("", "nothing to do: expected at least one `request prefix delegation on LINK for ...`")
            )

    # Tokens.

    def _wrong(self, line: int, problem: str) -> None:
        """Note an error."""
        self.errors.append(_error(line, problem))
        if len(self.errors) >= MOST_ERRORS:
            raise _TooMany

    def _advance(self) -> Token:
        """The token that stands here; the next one takes its place."""
        token, self._token = self._token, self.tokens.next()
        return token

    def _unexpected(self, expected: str) -> _Wrong:
        """Tell that something else was expected here; what is returned is to be raised."""
        kind = self._token.kind
        if kind is not Kind.BROKEN:
            found = kind.value
            if kind is Kind.NUMBER:
                found = f"the number {self._token.text[:40]} (a word of digits must be quoted)"
            elif kind is Kind.KEYWORD:
                found = f'the keyword "{self._token.text}" (as a name it must be quoted)'
            elif kind in (Kind.WORD, Kind.MARK):
                found = values.shown(decoded(self._token.text))
            self._wrong(self._token.line, f"syntax error: expected {expected}, not {found}")
        return _Wrong()

    def _keyword(self, text: str) -> None:
        """A certain keyword."""
        if not self._token.is_word(text):
            raise self._unexpected(f'"{text}"')
        self._advance()

    def _word(self, expected: str) -> Token:
        """A word, or one that could not be read, of which nothing more is to be told."""
        if self._token.kind not in (Kind.WORD, Kind.BROKEN):
            raise self._unexpected(expected)
        return self._advance()

    def _end_of_line(self) -> None:
        """The end of a line."""
        if self._token.kind is not Kind.NEWLINE:
            raise self._unexpected('a macro, "request" or the end of the line')
        self._advance()

    def _resynchronise(self, or_brace: bool = False) -> None:
        """
        Leave out the rest of the line.

        @param or_brace: only up to a closing brace, if there is one.
        """
        while self._token.kind not in (Kind.NEWLINE, Kind.END) and not (or_brace and self._token.is_mark("}")):
            self._advance()

    # Statements.

    def _macro(self) -> None:
        """C{NAME = VALUE}."""
        name = self._advance()
        if not self._token.is_mark("="):
            raise self._unexpected(f'"=" behind {values.shown(decoded(name.text))}')
        self._advance()
        parts = [self._word("the value of the macro").text]
        while self._token.kind in (Kind.WORD, Kind.BROKEN):
            parts.append(self._advance().text)
        if any(character.isspace() for character in name.text):
            self._wrong(name.line, "macro name cannot contain whitespace")
            return
        try:
            self.tokens.define(name.text, " ".join(parts), name.line)
        except ValueError as problem:
            self._wrong(name.line, str(problem))

    def _delegation(self, line: int, lines: dict[str, int]) -> None:
        """
        C{prefix delegation on LINK for BLOCK}, behind C{request}.

        @param line: where the statement begins.
        @param lines: is given the line of the first delegation on each uplink.
        """
        for word in ("prefix", "delegation", "on"):
            self._keyword(word)
        found = self._uplink(self._word("the name of an interface"))
        self._keyword("for")
        index = len(found.uplink.delegations)
        lines.setdefault(found.uplink.link, line)
        downstreams = tuple(self._block(found))
        if index == MOST_DELEGATIONS:
            self._wrong(line, f"Too many prefix delegation requests on {found.uplink.link}: {MOST_DELEGATIONS} at most")
        key = delegation_key(downstreams, index)
        if downstreams and all(downstream.link is None for downstream in downstreams):
            # what is remembered goes by the key alone, and a link may be called "#0"
            self._claim(found, key, line)
        problem = too_large(downstreams)
        if problem:
            self._wrong(line, problem)
        delegation = Delegation(key=key, hint="exact", downstreams=downstreams)
        found.uplink = evolve(found.uplink, delegations=(*found.uplink.delegations, delegation))

    def _uplink(self, word: Token) -> _Found:
        """The uplink of that name; after an error one that is counted nowhere."""
        name = decoded(word.text)
        if name in self.uplinks:
            return self.uplinks[name]
        found = _Found(Uplink(name=name, link=name))
        if word.kind is Kind.BROKEN:
            return found
        try:
            values.link_name(name)
            values.table_name(name)
        except ValueError as problem:
            self._wrong(word.line, str(problem))
            return found
        self.uplinks[name] = found
        return found

    def _block(self, found: _Found) -> list[Downstream]:
        """What a prefix is for: one interface, or several in braces."""
        downstreams: list[Downstream] = []
        if not self._token.is_mark("{"):
            self._target(found, downstreams)
            return downstreams
        self._advance()
        targets = 0
        begins_line = False
        while not self._token.is_mark("}"):
            if self._token.kind is Kind.NEWLINE:
                self._advance()
                begins_line = True
                continue
            if self._token.kind is Kind.END or (begins_line and self._token.is_word("request")):
                self._unexpected('"}"')
                raise _NextStatement
            begins_line = False
            targets += 1
            try:
                self._target(found, downstreams)
            except _Wrong:
                self._resynchronise(or_brace=True)
        if not targets:
            self._unexpected("the name of an interface")
        self._advance()
        return downstreams

    def _target(self, found: _Found, downstreams: list[Downstream]) -> None:
        """C{INTERFACE} or C{INTERFACE/LENGTH}, or C{reserve} in the place of the interface."""
        word = self._word("the name of an interface")
        if word.kind is Kind.BROKEN:
            return
        text = decoded(word.text)
        name, slash, digits = text.partition("/")
        try:
            link = values.link_name(name)
        except ValueError as problem:
            self._wrong(word.line, str(problem))
            return
        length = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0
        if slash and not 1 <= length <= 128:
            self._wrong(
                word.line, f"error parsing interface {values.shown(text)}: expected a prefix length from 1 to 128"
            )
            return
        if link != "reserve":
            self._claim(found, link, word.line)
        downstreams.append(Downstream(link=None if link == "reserve" else link, length=length if slash else 64))

    def _claim(self, found: _Found, name: str, line: int) -> None:
        """Note that a name stands in a line; within one uplink it may do so once."""
        if name in found.links:
            self._wrong(line, f"duplicate interface {name}, which stands in line {found.links[name]} already")
        found.links.setdefault(name, line)
