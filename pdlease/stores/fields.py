"""
The fields of a stored document, one reader for each kind: what is missing or of another kind is damage.

What the documents mean is L{pdlease.stores.serial}.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf


class Damaged(ValueError):
    """The bytes are not a document of the wanted kind, or not as they were written; the text says why."""


def write_time(time: float) -> float | None:
    """A moment, or C{None} for never."""
    return None if time == inf else time


def read_time(data: Mapping[str, object], key: str) -> float:
    """A moment, or C{inf} for null."""
    return inf if key in data and data[key] is None else read_number(data, key)


def read_number(data: Mapping[str, object], key: str) -> float:
    """
    A finite number.

    @raise Damaged: when it is missing or something else.
    """
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e18:
        raise Damaged(f"{key} is no number")
    return float(value)


def read_whole(data: Mapping[str, object], key: str) -> int:
    """
    A number of 32 bits.

    @raise Damaged: when it is missing or something else.
    """
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
        raise Damaged(f"{key} is no number from 0 to 4294967295")
    return value


def read_optional_whole(data: Mapping[str, object], key: str) -> int | None:
    """A number of 32 bits, or C{None} for null or absent."""
    return None if data.get(key) is None else read_whole(data, key)


def read_text(data: Mapping[str, object], key: str, absent: str | None = None) -> str:
    """
    A string.

    @param absent: what a missing one stands for, where it may be missing.
    @raise Damaged: when it is missing or something else.
    """
    value = data.get(key, absent)
    if not isinstance(value, str):
        raise Damaged(f"{key} is no text")
    return value


def read_flag(data: Mapping[str, object], key: str) -> bool:
    """
    True or false.

    @raise Damaged: when it is missing or something else.
    """
    value = data.get(key)
    if not isinstance(value, bool):
        raise Damaged(f"{key} is neither true nor false")
    return value


def read_object(data: Mapping[str, object], key: str) -> Mapping[str, object]:
    """
    A JSON object.

    @raise Damaged: when it is missing or something else.
    """
    value = data.get(key)
    if not isinstance(value, dict):
        raise Damaged(f"{key} is no object")
    return value


def read_objects(
    data: Mapping[str, object], key: str, absent: tuple[Mapping[str, object], ...] | None = None
) -> tuple[Mapping[str, object], ...]:
    """
    A JSON array of objects.

    @param absent: what a missing one stands for, where it may be missing.
    @raise Damaged: when it is missing or something else.
    """
    if absent is not None and key not in data:
        return absent
    value = data.get(key)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Damaged(f"{key} is no list of objects")
    return tuple(value)
