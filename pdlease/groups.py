"""
The system's table of link groups: which number goes by which name.

It is iproute2's, C{/etc/iproute2/group}, in the absence of which the one that iproute2 ships counts.  It is read once,
while the daemon starts: the sandbox closes the folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

PLACES = ("/etc/iproute2/group", "/usr/share/iproute2/group", "/usr/lib/iproute2/group")

LARGEST = 1 << 20
"""No more octets than this are read of a table."""


def read_groups(places: Iterable[str] = PLACES) -> Mapping[str, int]:
    """Read the first table that there is; without one no group has a name."""
    for place in places:
        try:
            with open(place, encoding="utf-8", errors="replace") as file:
                return dict(_groups(file.read(LARGEST)))
        except OSError:
            continue
    return {}


def _groups(text: str) -> Iterable[tuple[str, int]]:
    """Name and number of each line; what is no such line is passed over, as iproute2 does."""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) != 2:
            continue
        try:
            number = int(words[0], 0)
        except ValueError:
            continue
        if 0 <= number <= 0x7FFFFFFF:
            yield words[1], number
