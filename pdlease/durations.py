"""
Durations for people.
"""

from __future__ import annotations

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float | None) -> str:
    """
    A duration in at most two neighbouring units: C{1 h 43 min}, C{2 d 1 h}, C{12 s}.

    Below ten seconds tenths are shown if there are any.  C{None} is C{for ever}.
    """
    if seconds is None:
        return "for ever"
    if 0 < seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    left = max(0, int(seconds))
    for index, (size, name) in enumerate(_UNITS):
        if left >= size:
            words = f"{left // size} {name}"
            if index + 1 < len(_UNITS):
                next_size, next_name = _UNITS[index + 1]
                rest = left % size // next_size
                if rest:
                    words += f" {rest} {next_name}"
            return words
    return "0 s"
