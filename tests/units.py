"""
Reads unit files of systemd, as far as tests ask about them.
"""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

TOP = Path(__file__).parents[1]
UNITS = TOP / "systemd"


class Unit:
    """A unit file; settings that stand there several times are put together."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._settings: dict[str, list[str]] = {}
        for line in path.read_text(encoding="ascii").splitlines():
            name, sign, value = line.partition("=")
            if sign and not line.startswith("#"):
                self._settings.setdefault(name, []).append(value)

    def words(self, name: str) -> list[str]:
        """The words of a setting."""
        return " ".join(self._settings.get(name, ())).split()

    def text(self, name: str) -> str:
        """A setting that stands there once."""
        (value,) = self._settings[name]
        return value

    def is_on(self, name: str) -> bool:
        """Whether a setting says yes."""
        return self.words(name) == ["yes"]

    def calls(self) -> set[str]:
        """The system calls that it leaves, groups spelled out by this machine's systemd."""
        return {call for word in self.words("SystemCallFilter") for call in _spelled_out(word)}


@cache
def _spelled_out(word: str) -> frozenset[str]:
    if not word.startswith("@"):
        return frozenset((word,))
    done = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True)
    words = [line.strip() for line in done.stdout.splitlines()[1:]]
    return frozenset(call for one in words if one and not one.startswith("#") for call in _spelled_out(one))
