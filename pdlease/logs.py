"""
How much is logged: the one threshold of this process, and the logger that obeys it.

What is logged is said where it happens; where it goes is twistd's to decide (C{--logfile}, C{--syslog}).
"""

from __future__ import annotations

from constantly import NamedConstant
from twisted.logger import Logger as TwistedLogger
from twisted.logger import LogLevel

LEVELS = ("debug", "verbose", "brief")
"""The words by which operators choose (those of dhcp6leased's control program)."""

MESSAGES = ("pdlease.uplink", "pdlease.telling")
"""Namespaces beginning so tell of DHCPv6 messages; C{verbose} shows their details, C{debug} everybody's."""

_chosen = "brief"


def set_level(word: str) -> None:
    """
    Choose how much is logged from now on.

    @param word: C{brief}: what an operator must know; C{verbose}: every DHCPv6 message as well; C{debug}: everything.
    @raise ValueError: for another word.
    """
    global _chosen  # noqa: PLW0603 - the one threshold of the process
    if word not in LEVELS:
        raise ValueError(f"{word}: expected one of {', '.join(LEVELS)}")
    _chosen = word


def level() -> str:
    """The word that is in force."""
    return _chosen


class Logger(TwistedLogger):
    """A logger that keeps details to itself until they are asked for."""

    def emit(self, level: NamedConstant, format: str | None = None, **kwargs: object) -> None:
        """See L{TwistedLogger.emit}; details below the threshold cost no more than this question."""
        wanted = _chosen == "debug" or (_chosen == "verbose" and self.namespace.startswith(MESSAGES))
        if level is LogLevel.debug and not wanted:
            return
        super().emit(level, format, **kwargs)
