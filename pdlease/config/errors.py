"""
What is wrong with a configuration, as values for messages.

What is checked is L{pdlease.config.schema}, L{pdlease.config.values} and L{pdlease.config.checks}.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen


@frozen
class ConfigError:
    """
    One thing that is wrong.

    @ivar path: where, as a dotted path (C{uplinks.wan.delegations[0].downstreams[1]}), or C{line N} where the text
        could not be read as TOML, or empty for the file as a whole.
    @ivar problem: what, as a sentence without a full stop, with what was expected.
    @ivar line: the line in the file, from 1, where that says it all (the path is then C{line N}); else 0.
    """

    path: str
    problem: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem

    def of(self, file: str) -> str:
        """The error with the name of its file: C{FILE:LINE: problem}, or C{FILE: path: problem}."""
        return f"{file}:{self.line}: {self.problem}" if self.line else f"{file}: {self}"


class ConfigErrors(Exception):
    """
    Everything that is wrong with one file.

    @ivar path: name of the file.
    @ivar errors: at least one L{ConfigError}, in file order as far as that is known.
    """

    def __init__(self, path: str, errors: Iterable[ConfigError]) -> None:
        self.path = path
        self.errors = tuple(errors)
        super().__init__(path, self.errors)

    def __str__(self) -> str:
        return "\n".join(error.of(self.path) for error in self.errors)
