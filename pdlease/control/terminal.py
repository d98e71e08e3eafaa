"""
Fits lines to the width of a terminal, with the help of rich where that is installed (the extra C{terminal}).

Without it, and where there is no terminal, lines are as long as they are.  Colours are L{pdlease.control.wording}'s.
"""

from __future__ import annotations

import os
import re
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_ESCAPE = re.compile("\x1b\\[[0-9;]*m")
_BRANCHES = re.compile(r"[│├└─ ]*")
_COLUMN = re.compile(r"\S {2,}(?=\S)")

NARROWEST = 40
"""Narrower than this many columns, nothing is fitted."""

INDENT = 4
"""By so much lines without columns go on."""


def width_of(stream: IO[str]) -> int | None:
    """How many columns the terminal behind a stream has; C{None} where there is none."""
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return None


def fitted(text: str, width: int | None) -> str:
    """
    Break lines that are too long at blanks, and go on below the column that they broke in.

    @param text: lines, each with its newline, perhaps with colours.
    @param width: columns; C{None} for any number.
    """
    if width is None or width < NARROWEST or all(_length(line) <= width for line in text.splitlines()):
        return text
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        return text
    console = Console(width=width, force_terminal=True, color_system="standard", highlight=False, legacy_windows=False)
    return "".join(
        f"{line}\n" if _length(line) <= width else _broken(Text.from_ansi(line), width, console)
        for line in text.splitlines()
    )


def _length(line: str) -> int:
    return len(_ESCAPE.sub("", line))


def _broken(line: Text, width: int, console: Console) -> str:
    """One line as several."""
    branches = _BRANCHES.match(line.plain)
    columns = [match.end() for match in _COLUMN.finditer(line.plain, 0, width // 2)]
    indent = max((branches.end() if branches is not None else 0) or INDENT, *columns, 0)
    from rich.text import Text

    # the branches of a tree go on
    margin = "".join("│" if character in "│├" else " " for character in line.plain[:indent])
    pieces = line[indent:].wrap(console, width - indent, overflow="fold")
    with console.capture() as captured:
        for number, piece in enumerate(pieces):
            piece.rstrip()
            head = line[:indent] if number == 0 else Text(margin)
            console.print(head + piece, soft_wrap=True)
    return captured.get()
