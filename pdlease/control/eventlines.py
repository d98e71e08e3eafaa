"""
Events as lines for people, for C{watch} and C{history}.

The daemon says most of it in words; what it does not is said here.  An event of another release that is not known here
is shown with everything that it has.  What an event is, is told by C{pdlease.uplink} and L{pdlease.control.history}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pdlease.control.wording import Colour, Paint, moment, plain, time_of_day, words

Event = Mapping[str, Any]

_HEAD = ("sequence", "time", "uplink", "event")

_STATE_COLOURS = {"bound": Colour.GOOD, "down": Colour.BAD}


def event_text(event: Event, paint: Paint, *, dated: bool = False) -> str:
    """
    One event as one line, without the newline: when, its number, its uplink, what happened.

    @param dated: with the date, for what may be of another day.
    """
    when = (moment if dated else time_of_day)(event.get("time"))
    place = plain(event.get("uplink") or "daemon")
    head = f"{paint(when, Colour.FAINT)}  {plain(event.get('sequence')):>4}  {paint(place, Colour.NAME)}  "
    known = _KNOWN.get(str(event.get("event")))
    return (head + (known(event, paint) if known is not None else _whatever(event, paint))).rstrip()


def _whatever(event: Event, paint: Paint) -> str:
    """An event that is not known here, with all that it has."""
    details = "  ".join(
        f"{words(key)}={_value(value)}" for key, value in event.items() if key not in _HEAD and value not in (None, "")
    )
    return f"{words(event.get('event'))}  {details}"


def _value(value: object) -> str:
    if isinstance(value, list):
        return ",".join(_value(item) for item in value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{plain(key)}={_value(item)}" for key, item in value.items()) + "}"
    return plain(value)


def _listed(values: object) -> str:
    return ", ".join(map(plain, values)) if isinstance(values, list) else ""


def _state(event: Event, paint: Paint) -> str:
    new = str(event.get("new"))
    reached = paint(words(new), _STATE_COLOURS.get(new, Colour.WAITING))
    return f"{words(event.get('old'))} -> {reached}: {plain(event.get('text') or words(event.get('reason')))}"


def _link(event: Event, paint: Paint) -> str:
    waits = event.get("waits_for")
    return f"waiting for {paint(waits, Colour.WAITING)}" if waits else "link is ready"


def _sent(event: Event, paint: Paint) -> str:
    problem = event.get("problem")
    if problem:
        return f"{paint('not sent', Colour.BAD)} ({plain(problem)}): {plain(event.get('message'))}"
    return f"sent {plain(event.get('message'))}"


def _received(event: Event, paint: Paint) -> str:
    return f"received {plain(event.get('message'))}, from {plain(event.get('source') or 'unknown')}"


def _discarded(event: Event, paint: Paint) -> str:
    if event.get("text"):
        return paint(event["text"], Colour.WAITING)
    source = f", from {plain(event['source'])}" if event.get("source") else ""
    return f"{paint('dropped', Colour.WAITING)}: {words(event.get('reason'))}{source}"


def _waiting(event: Event, paint: Paint) -> str:
    return paint(event.get("text") or words(event.get("reason")), Colour.WAITING)


def _lease(event: Event, paint: Paint) -> str:
    held = _listed(event.get("prefixes")) or "none left"
    excluded = _listed(event.get("excluded"))
    kept = f", without {excluded}, which is kept for the uplink" if excluded else ""
    return f"lease: {plain(event.get('text') or words(event.get('change')))}: {held}{kept}"


def _upstream(event: Event, paint: Paint) -> str:
    return f"upstream: {plain(event.get('text') or _listed(event.get('signs')))}"


def _released(event: Event, paint: Paint) -> str:
    return "released: the prefixes were given back"


def _store(event: Event, paint: Paint) -> str:
    problem = event.get("problem")
    return f"{paint('the lease is not kept', Colour.BAD)}: {plain(problem)}" if problem else "the lease is kept again"


def _information(event: Event, paint: Paint) -> str:
    told = (
        f"{words(option.get('name') or option.get('code'))} {_listed(option.get('values'))}"
        for option in event.get("options") or ()
        if isinstance(option, Mapping)
    )
    return f"told: {'; '.join(told) or 'nothing any more'}"


def _assignments(event: Event, paint: Paint) -> str:
    """How addresses stand now, and those that are gone."""
    told = []
    for one in _objects(event.get("changed")):
        condition = str(one.get("condition") or ("installed" if one.get("installed") else "not installed"))
        colour = Colour.GOOD if condition == "installed" else Colour.WAITING
        problem = one.get("problem")
        why = f" ({plain(problem.get('text'))})" if isinstance(problem, Mapping) else ""
        told.append(f"{plain(one.get('address'))} on {plain(one.get('link'))} {paint(words(condition), colour)}{why}")
    told += [f"{plain(one)} {paint('gone', Colour.WAITING)}" for one in _list(event.get("gone"))]
    return f"addresses: {', '.join(told) or 'none'}"


def _guests(event: Event, paint: Paint) -> str:
    """Guests and switches that stand otherwise now, and those that are gone."""
    told = []
    for one in _objects(event.get("changed")):
        kind = "switch" if "switch" in one else "guest"
        links = _objects(one.get("nics")) if kind == "guest" else [one]
        ready = all(link.get("ready") for link in links)
        shown = paint("ready", Colour.GOOD) if ready else paint("not ready", Colour.WAITING)
        told.append(f"{kind} {plain(one.get(kind))} {shown}")
    told += [f"{plain(one)} {paint('gone', Colour.WAITING)}" for one in _list(event.get("gone"))]
    return ", ".join(told) or "guests"


def _stale(event: Event, paint: Paint) -> str:
    told = [f"{plain(one.get('subnet'))} on {plain(one.get('link'))}" for one in _objects(event.get("stale"))]
    return f"over for hosts: {', '.join(told)}" if told else "nothing is over for hosts any more"


def _reload(event: Event, paint: Paint) -> str:
    changed = event.get("changed")
    moved = changed if isinstance(changed, Mapping) else {}
    told = [
        f"{'changed' if kind == 'replaced' else words(kind)} {_listed(names)}"
        for kind, names in moved.items()
        if names and kind != "kept"
    ]
    return f"configuration read again: {'; '.join(told) or 'nothing changed'}"


def _list(values: object) -> list[Any]:
    return values if isinstance(values, list) else []


def _objects(values: object) -> list[Mapping[str, Any]]:
    return [value for value in _list(values) if isinstance(value, Mapping)]


_KNOWN: Mapping[str, Callable[[Event, Paint], str]] = {
    "state": _state,
    "link": _link,
    "waiting": _waiting,
    "sent": _sent,
    "received": _received,
    "discarded": _discarded,
    "lease": _lease,
    "upstream": _upstream,
    "released": _released,
    "store": _store,
    "information": _information,
    "assignments": _assignments,
    "guests": _guests,
    "stale": _stale,
    "reload": _reload,
}
