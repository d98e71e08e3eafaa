"""
The daemon's documents as text for people.

Every text that comes from the daemon goes through L{pdlease.control.wording.plain}, since parts of it came from the
network.  A document of another release may lack a key or have more of them: what is missing is not shown.  For programs
there is C{--json}; a plan made offline is drawn by L{pdlease.config.tree}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pdlease.control.wording import Colour, Paint, duration, plain, time_of_day

Document = Mapping[str, Any]

_STATE_COLOURS = {
    "bound": Colour.GOOD,
    "renewing": Colour.GOOD,
    "rebinding": Colour.WAITING,
    "confirming": Colour.WAITING,
    "soliciting": Colour.WAITING,
    "requesting": Colour.WAITING,
    "releasing": Colour.WAITING,
}
_CONDITIONS = {
    "installed": "installed",
    "tentative": "tentative: duplicate address detection is going on",
    "unplugged": "tentative: nothing is plugged into the link",
    "pending": "asked for",
    "waiting": "waiting: the link is not ready",
    "duplicate": "duplicate: another host on the link has this address",
    "foreign": "there already, and not ours",
    "refused": "refused",
    "contested": "contested: something else keeps removing it",
    "changed": "changed by somebody else since; set again on reload",
}
_CONDITION_COLOURS = {
    "installed": Colour.GOOD,
    "tentative": Colour.WAITING,
    "waiting": Colour.WAITING,
    "unplugged": Colour.WAITING,
}
# an uplink that changed goes on where it can: what is done with it stands among the operations
_KINDS_OF_CHANGE = {"replaced": "changed"}
_LINK_STATE = ("link", "present", "ready", "problems")
_EVENT_HEAD = ("sequence", "time", "uplink", "event")


def status_text(document: Document, paint: Paint) -> str:
    """One block for each uplink, in the order of the file."""
    blocks = ["\n".join(_uplink(name, uplink, paint)) for name, uplink in (document.get("uplinks") or {}).items()]
    if document.get("guests"):
        blocks.append(guests_text(document, paint).rstrip("\n"))
    if document.get("switches"):
        blocks.append(switches_text(document, paint).rstrip("\n"))
    return "\n\n".join(blocks or ["No uplinks are configured."]) + "\n"


def _uplink(name: str, uplink: Document, paint: Paint) -> Iterator[str]:
    state = plain(uplink.get("state") or "unknown")
    link = plain(uplink.get("link") or name)
    title = paint(name, Colour.NAME) + ("" if link == name else f" on {link}")
    yield f"{title}: {paint(state, _STATE_COLOURS.get(state, Colour.BAD))}"
    if uplink.get("reason_text"):
        yield f"  why       {plain(uplink['reason_text'])}"
    if uplink.get("server_duid") or uplink.get("server_address"):
        address = f" at {plain(uplink['server_address'])}" if uplink.get("server_address") else ""
        yield f"  server    {plain(uplink.get('server_duid') or 'unknown')}{address}"
    if not uplink.get("prefixes"):
        yield "  prefix    none"
    for held in uplink.get("prefixes") or ():
        yield f"  prefix    {_prefix(held, paint)}"
    if uplink.get("excluded"):
        yield f"  excluded  {plain(uplink['excluded'])} (kept for the uplink)"
    if uplink.get("next_message"):
        seconds = uplink.get("next_message_seconds")
        when = "" if seconds is None else f" in {duration(seconds)}"
        yield f"  next      {_words(uplink['next_message'])}{when}"
    for assignment in uplink.get("assignments") or ():
        yield f"  link      {_assignment(assignment, paint)}"
    for assignment in uplink.get("excluded_addresses") or ():
        yield f"  uplink    {_assignment(assignment, paint)}"
    for option in uplink.get("information") or ():
        name = _words(option.get("name") or f"option {option.get('code')}")
        yield f"  told      {name}: {', '.join(plain(value) for value in option.get('values') or ())}"
    for link in uplink.get("unassigned") or ():
        yield f"  link      {paint(link, Colour.NAME)}: {paint('no room in the prefix', Colour.BAD)}"
    counters = {key: value for key, value in (uplink.get("counters") or {}).items() if value}
    if counters:
        yield "  counted   " + ", ".join(f"{_words(key)} {value}" for key, value in sorted(counters.items()))
    if uplink.get("store_problem"):
        yield f"  {paint('not kept', Colour.BAD)}  {plain(uplink['store_problem'])}"


def _words(name: object) -> str:
    return plain(name).replace("_", " ")


def _prefix(held: Document, paint: Paint) -> str:
    prefix = paint(held.get("prefix"), Colour.NAME)
    valid = held.get("valid_seconds")
    if held.get("infinite"):
        return f"{prefix}  for ever"
    preferred = held.get("preferred_seconds")
    if preferred == 0:
        return f"{prefix}  {paint('deprecated', Colour.WAITING)}, valid for {duration(valid)}"
    return f"{prefix}  valid for {duration(valid)}, preferred for {duration(preferred)}"


def _assignment(assignment: Document, paint: Paint) -> str:
    condition = assignment.get("condition")
    problem = assignment.get("problem")
    if condition is None:
        condition = _condition(assignment)
    words = paint(_CONDITIONS.get(condition, condition), _CONDITION_COLOURS.get(condition, Colour.BAD))
    why = f" ({plain(problem.get('operation'))}: {plain(problem.get('text'))})" if problem else ""
    length = plain(assignment.get("subnet") or "").rpartition("/")[2]
    address = plain(assignment.get("address")) + (f"/{length}" if length else "")
    return f"{paint(assignment.get('link'), Colour.NAME)} {address}  {words}{why}"


def _condition(assignment: Document) -> str:
    """What an assignment without C{condition} is, from the keys that are always there."""
    if assignment.get("installed"):
        return "installed"
    if assignment.get("tentative"):
        return "tentative"
    return "refused" if assignment.get("problem") else "waiting"


def guests_text(document: Document, paint: Paint) -> str:
    """One line for each link of a guest, from a status document."""
    lines = []
    for name, nics in sorted((document.get("guests") or {}).items()):
        lines.append(paint(name, Colour.NAME))
        for nic in nics if isinstance(nics, list) else [nics]:
            details = ", ".join(
                f"{_words(key)} {plain(value)}"
                for key, value in nic.items()
                if key not in _LINK_STATE and value is not None
            )
            words = (plain(nic.get("link")), _readiness(nic, paint), details)
            lines.append("  " + "  ".join(word for word in words if word))
            lines += _problems(nic, paint)
    return "\n".join(lines or ["No guests are configured."]) + "\n"


def switches_text(document: Document, paint: Paint) -> str:
    """One line for each switch, from a status document."""
    lines = []
    for name, switch in sorted((document.get("switches") or {}).items()):
        ports = ", ".join(map(plain, switch.get("ports") or ())) or "no ports"
        lines.append(f"{paint(name, Colour.NAME)}  {plain(switch.get('link'))}  {_readiness(switch, paint)}  {ports}")
        lines += _problems(switch, paint)
    return "".join(f"{line}\n" for line in lines)


def _readiness(link: Document, paint: Paint) -> str:
    """How far the link of a switch or guest has come."""
    if "ready" not in link:
        return ""
    if link.get("ready"):
        return paint("ready", Colour.GOOD)
    return paint("not ready", Colour.WAITING) if link.get("present") else paint("no such link", Colour.WAITING)


def _problems(link: Document, paint: Paint) -> list[str]:
    """A line for each problem."""
    return [
        f"    {paint('problem', Colour.BAD)} {plain(problem.get('operation'))}: {plain(problem.get('text'))}"
        for problem in link.get("problems") or ()
    ]


def plan_text(document: Document, paint: Paint) -> str:
    """The plan that the daemon carries out, one part of a prefix on a line."""
    lines = []
    for name, delegations in (document.get("uplinks") or {}).items():
        lines.append(paint(name, Colour.NAME))
        for delegation in delegations:
            asked = delegation.get("requested_length")
            wish = f"needs a /{delegation.get('needed_length')}, asks for {f'a /{asked}' if asked else 'no length'}"
            prefix = plain(delegation.get("prefix") or "no prefix yet")
            lines.append(f"  {prefix} (IAID {delegation.get('iaid')}, {wish})")
            lines += [
                f"    {plain(entry.get('subnet'))}  {plain(entry.get('link'))}, router {plain(entry.get('address'))}"
                for entry in delegation.get("assignments") or ()
            ]
            if delegation.get("excluded"):
                own = delegation.get("excluded_address")
                words = f", this router {plain(own)}" if own else ""
                lines.append(f"    {plain(delegation['excluded'])}  excluded, kept for the uplink{words}")
            lines += [f"    no room for {plain(link)}" for link in delegation.get("unassigned") or ()]
    if document.get("guests"):
        lines.append(guests_text(document, paint).rstrip("\n"))
    return "\n".join(lines or ["No uplinks are configured."]) + "\n"


def identity_text(document: Document) -> str:
    """The DUID, the DUIDs that uplinks have of their own, and one line for each IAID."""
    lines = [f"DUID  {plain(document.get('duid'))}"]
    lines += [f"DUID  {plain(duid)}  {plain(uplink)} only" for uplink, duid in (document.get("uplinks") or {}).items()]
    lines += [
        f"IAID  {entry.get('iaid')}  {plain(entry.get('uplink'))}, delegation {plain(entry.get('delegation'))}"
        for entry in document.get("iaids") or ()
    ]
    return "\n".join(lines) + "\n"


def becoming_text(document: Document) -> str:
    """Who this client is from now on, what is known of the one before, and what there is to do."""
    lines = [identity_text(document).rstrip("\n")]
    if document.get("earlier") not in (None, document.get("duid")):
        lines.append(f"before: {plain(document.get('earlier'))}")
    lines += [f"read: {plain(path)}" for path in document.get("files") or ()]
    lines += [f"forgotten: the lease of {plain(uplink)}" for uplink in document.get("forgotten") or ()]
    lines += [f"will be asked for: {plain(prefix)}" for prefix in document.get("prefixes") or ()]
    lines += [f"note: {plain(remark)}" for remark in document.get("remarks") or ()]
    return "\n".join(lines) + "\n"


def outcomes_text(document: Document) -> str:
    """What was started, one line for each uplink."""
    return "".join(f"{plain(name)}: {plain(words)}\n" for name, words in document.items()) or "There are no uplinks.\n"


def reload_text(document: Document, dry_run: bool) -> str:
    """What changed, by kind of change, and the operations that follow from it."""
    changed = document.get("changed") or {}
    kinds = changed if isinstance(changed, dict) else {"changed": changed}
    lines = [
        f"{'would be ' if dry_run else ''}{_KINDS_OF_CHANGE.get(kind, plain(kind))}: {', '.join(map(plain, names))}"
        for kind, names in kinds.items()
        if names and kind != "kept"
    ]
    lines += [f"  {plain(operation)}" for operation in document.get("operations") or ()]
    return "\n".join(lines or ["Nothing would change." if dry_run else "Nothing changed."]) + "\n"


def event_text(event: Document, paint: Paint) -> str:
    """One event as one line, without the newline: time, number, uplink, what happened, details."""
    place = plain(event.get("uplink") or "daemon")
    details = "  ".join(
        f"{_words(key)}={_value(value)}"
        for key, value in event.items()
        if key not in _EVENT_HEAD and value not in (None, "")
    )
    when = paint(time_of_day(event.get("time")), Colour.FAINT)
    head = f"{when}  {event.get('sequence')}  {paint(place, Colour.NAME)}  {_words(event.get('event'))}"
    return f"{head}  {details}".rstrip()


def _value(value: object) -> str:
    if isinstance(value, list):
        return ",".join(_value(item) for item in value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{plain(key)}={_value(item)}" for key, item in value.items()) + "}"
    return plain(value)
