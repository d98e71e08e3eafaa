"""
Times and colours for people, and what makes foreign text safe for a terminal.

What is drawn with these is L{pdlease.control.render}.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from time import localtime, strftime
from typing import IO

from pdlease.durations import duration

__all__ = ["Colour", "Paint", "duration", "moment", "paint_for", "plain", "time_of_day", "words"]


def time_of_day(seconds: float | None) -> str:
    """Seconds since 1970 as a local time of day, C{--:--:--} if there is none or it makes no sense."""
    try:
        return strftime("%H:%M:%S", localtime(seconds)) if seconds is not None else "--:--:--"
    except (ValueError, OverflowError, OSError, TypeError):
        return "--:--:--"


def moment(seconds: float | None) -> str:
    """The same with the date before it."""
    try:
        return strftime("%Y-%m-%d %H:%M:%S", localtime(seconds)) if seconds is not None else "---------- --:--:--"
    except (ValueError, OverflowError, OSError, TypeError):
        return "---------- --:--:--"


def words(name: object) -> str:
    """A name of a document's key or value as words."""
    return plain(name).replace("_", " ")


def plain(text: object) -> str:
    """
    Text with everything that is not printable written as an escape.

    Status texts of servers, link names and file contents reach the operator's terminal; a control sequence in one must
    not.  Unicode's formatting characters (which can reverse a line) are not printable either.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in str(text)
    )


class Colour(Enum):
    """What a word means, as the colour it is shown in."""

    GOOD = "32"
    WAITING = "33"
    BAD = "31"
    NAME = "1"
    FAINT = "2"


class Paint:
    """
    Puts words into colour, or leaves them.

    @ivar is_on: whether there are colours.
    """

    def __init__(self, is_on: bool) -> None:
        self.is_on = is_on

    def __call__(self, text: object, colour: Colour) -> str:
        """The text, made safe for a terminal, in a colour if there are colours."""
        safe = plain(text)
        return f"\x1b[{colour.value}m{safe}\x1b[0m" if self.is_on and safe else safe


def paint_for(stream: IO[str], environment: Mapping[str, str]) -> Paint:
    """Colours for a terminal, unless C{NO_COLOR} is set to anything or the terminal is C{dumb}."""
    return Paint(stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb")
