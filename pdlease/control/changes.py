"""
What is different between two status documents, as far as somebody beyond the daemon could want to act on it.

Pure: two snapshots in, plain data out.  Counters, the session's next message and the mere passing of time are no
changes; a lifetime that ends at another time than before is one, and so is its end.  When hooks are run for what is
found is L{pdlease.control.hooks}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from attrs import frozen

Document = Mapping[str, Any]

SLACK = 2.0
"""Seconds by which the end of a lifetime may seem to move: documents tell whole seconds, and take time to arrive."""

PLAIN = ("link", "state", "server_duid", "excluded", "unassigned", "information")
"""The keys of an uplink that are compared as they are."""

NOTHING: Document = {"uplinks": {}, "guests": {}, "switches": {}}


@frozen(kw_only=True)
class Snapshot:
    """
    A status document.

    @ivar status: the document.
    @ivar taken: boot-clock second at which it was asked for.
    """

    status: Document = NOTHING
    taken: float = 0.0

    @property
    def next_end(self) -> float:
        """
        Boot-clock second by which the next lifetime has ended, C{inf} for never: no event tells that a prefix has
        become deprecated.
        """
        ends = (
            seconds
            for uplink in self.status["uplinks"].values()
            for prefix in uplink["prefixes"]
            for seconds in (prefix["preferred_seconds"], prefix["valid_seconds"])
            if seconds
        )
        return self.taken + min(ends, default=inf) + 1


def compare(old: Snapshot, new: Snapshot) -> list[dict[str, Any]]:
    """
    Tell what is different, as entries C{{"uplink", "what", "old", "new"}}; C{uplink} is C{None} for guests and
    switches.  C{what} is a key of the status document, or C{uplink} for one that has come or gone, or C{lifetimes}.
    Of lists and tables only those entries are told that differ.
    """
    return list(_differences(old, new))


def _differences(old: Snapshot, new: Snapshot) -> Iterator[dict[str, Any]]:
    before, after = old.status["uplinks"], new.status["uplinks"]
    for name in dict.fromkeys((*before, *after)):
        was, now = before.get(name), after.get(name)
        if was is None or now is None:
            links = [one and one["link"] for one in (was, now)]
            yield _entry(name, "uplink", *links)
        for key in PLAIN if was and now else ():
            if was.get(key) != now.get(key):
                yield _entry(name, key, was.get(key), now.get(key))
        held, holds = (_prefixes(one) for one in (was, now))
        if held.keys() != holds.keys():
            yield _entry(name, "prefixes", list(held), list(holds))
        moved = [
            prefix
            for prefix in held.keys() & holds.keys()
            if _has_moved(held[prefix], old.taken, holds[prefix], new.taken)
        ]
        if moved:
            yield _entry(
                name, "lifetimes", *({prefix: one[prefix] for prefix in sorted(moved)} for one in (held, holds))
            )
        yield from _tables(name, "assignments", _assignments(was), _assignments(now))
        stale = [_stale(one) for one in (was, now)]
        if stale[0] != stale[1]:
            yield _entry(name, "stale", *stale)
    for key in ("guests", "switches"):
        yield from _tables(None, key, old.status.get(key) or {}, new.status.get(key) or {})


def _tables(uplink: str | None, what: str, was: Document, now: Document) -> Iterator[dict[str, Any]]:
    """The entries of two tables that differ, if any do."""
    differ = [key for key in dict.fromkeys((*was, *now)) if was.get(key) != now.get(key)]
    if differ:
        yield _entry(uplink, what, *({key: one[key] for key in differ if key in one} for one in (was, now)))


def _prefixes(uplink: Document | None) -> dict[str, list[float | None]]:
    """Each prefix with the seconds that it is still preferred and valid; C{None} for ever."""
    prefixes = uplink["prefixes"] if uplink is not None else ()
    return {one["prefix"]: [one["preferred_seconds"], one["valid_seconds"]] for one in prefixes}


def _assignments(uplink: Document | None) -> dict[str, Any]:
    """Each address on a link, and how it stands."""
    assignments = uplink["assignments"] if uplink is not None else ()
    return {
        f"{one['link']} {one['address']}": {key: one.get(key) for key in ("subnet", "installed", "condition")}
        for one in assignments
    }


def _stale(uplink: Document | None) -> list[str]:
    """The subnets that hosts must be told are over."""
    return sorted(f"{one['link']} {one['subnet']}" for one in (uplink or {}).get("stale", ()))


def _has_moved(was: list[float | None], then: float, now: list[float | None], at: float) -> bool:
    """Whether a lifetime ends at another time than it did, or has ended meanwhile."""
    for old, new in zip(was, now, strict=True):
        if old is None or new is None:
            if old is not new:
                return True
        elif (old == 0) != (new == 0) or abs(max(then + old, at) - (at + new)) > SLACK:
            return True
    return False


def _entry(uplink: str | None, what: str, old: object, new: object) -> dict[str, Any]:
    return {"uplink": uplink, "what": what, "old": old, "new": new}
