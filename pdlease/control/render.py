"""
The daemon's documents as text for people.

Every text that comes from the daemon goes through L{pdlease.control.wording.plain}, since parts of it came from the
network.  A document of another release may lack a key or have more of them: what is missing is not shown.  For programs
there is C{--json}; the delegated space is drawn by L{pdlease.control.tree}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pdlease.control.tree import space_of, tree_text
from pdlease.control.wording import Colour, Paint, duration, plain, words

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
_LINK_STATE = ("link", "present", "ready", "reason_text", "problems")


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
    title = paint(name, Colour.NAME) + ("" if link == plain(name) else f" on {link}")
    yield f"{title}: {paint(state, _STATE_COLOURS.get(state, Colour.BAD))}"
    rows: list[tuple[str, str]] = []
    if uplink.get("reason_text"):
        # what comes next has a line of its own
        why = (
            _NEXT.sub("", plain(uplink["reason_text"])) if uplink.get("next_message") else plain(uplink["reason_text"])
        )
        rows.append(("why", why))
    if uplink.get("next_message"):
        seconds = uplink.get("next_message_seconds")
        rows.append(
            ("next", _message(uplink["next_message"]) + ("" if seconds is None else f" in {duration(seconds)}"))
        )
    if uplink.get("server_duid"):
        address = f" at {plain(uplink['server_address'])}" if uplink.get("server_address") else ""
        rows.append(("server", plain(uplink["server_duid"]) + address))
    rows += [("prefix", _prefix(held, paint)) for held in uplink.get("prefixes") or ()] or [("prefix", "none")]
    if uplink.get("excluded"):
        rows.append(("excluded", f"{plain(uplink['excluded'])} (kept for the uplink)"))
    rows += [
        (plain(assignment.get("link")), _assignment(assignment, paint))
        for assignment in uplink.get("assignments") or ()
    ]
    for own in uplink.get("excluded_addresses") or ():
        rows.append((plain(own.get("link")), f"{_assignment(own, paint)}, in the excluded part"))
    for one in uplink.get("stale") or ():
        over = f"{plain(one.get('subnet'))}  {paint('not here any more', Colour.WAITING)}"
        rows.append((plain(one.get("link")), f"{over}, hosts should hear so for {duration(one.get('seconds'))}"))
    rows += [(plain(link), paint("no room in the prefix", Colour.BAD)) for link in uplink.get("unassigned") or ()]
    for option in uplink.get("information") or ():
        told = words(option.get("name") or f"option {option.get('code')}")
        rows.append(("told", f"{told}: {', '.join(plain(value) for value in option.get('values') or ())}"))
    rows += [("sent", line) for line in _counted(uplink, "sent_", message=True)]
    rows += [("received", line) for line in _counted(uplink, "received_", message=True)]
    rows += [("dropped", paint(line, Colour.WAITING)) for line in _counted(uplink, "discarded_")]
    rows += [("counted", line) for line in _counted(uplink, "")]
    rows += [("reasons", line) for line in _counted(uplink, "reason_")]
    if uplink.get("store_problem"):
        rows.append(("not kept", paint(uplink["store_problem"], Colour.BAD)))
    deaf = uplink.get("advertisements_problem")
    if deaf and deaf not in (uplink.get("reason_text") or ""):
        rows.append(("not heard", paint(plain(deaf), Colour.WAITING)))
    width = max(8, *(len(label) for label, _ in rows))
    yield from (f"  {label:<{width}}  {value}" for label, value in rows)


_COUNTED = ("sent_", "received_", "discarded_", "reason_")
_NEXT = re.compile(r", next [A-Z][\w-]* in [\w. ]+$")


def _counted(uplink: Document, stem: str, *, message: bool = False) -> list[str]:
    """The counters of a kind that are not zero, on one line; with an empty stem those of no kind."""
    found = []
    for key, value in sorted((uplink.get("counters") or {}).items()):
        kind = next((known for known in _COUNTED if str(key).startswith(known)), "")
        # "send_failed" is no message
        if value and kind == stem:
            name = str(key).removeprefix(stem)
            found.append(f"{_message(name) if message else words(name)} {plain(value)}")
    return [", ".join(found)] if found else []


def _message(name: object) -> str:
    """A type of message as the RFC spells it."""
    return plain(name).capitalize().replace("_", "-")


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
    shown = paint(_CONDITIONS.get(condition, condition), _CONDITION_COLOURS.get(condition, Colour.BAD))
    why = f" ({plain(problem.get('operation'))}: {plain(problem.get('text'))})" if problem else ""
    length = plain(assignment.get("subnet") or "").rpartition("/")[2]
    address = plain(assignment.get("address")) + (f"/{length}" if length else "")
    return f"{address}  {shown}{why}"


def _condition(assignment: Document) -> str:
    """What an assignment without C{condition} is, from the keys that are always there."""
    if assignment.get("installed"):
        return "installed"
    if assignment.get("tentative"):
        return "tentative"
    return "refused" if assignment.get("problem") else "waiting"


def counters_text(document: Document, paint: Paint) -> str:
    """What was counted on each uplink, one line for each counter that is not zero."""
    lines = []
    for name, counted in (document.get("uplinks") or {}).items():
        lines.append(paint(name, Colour.NAME))
        lines += [f"  {words(key)}  {plain(value)}" for key, value in sorted(counted.items())] or ["  nothing yet"]
    return "\n".join(lines or ["There are no uplinks."]) + "\n"


def guests_text(document: Document, paint: Paint) -> str:
    """One line for each link of a guest, from a status document."""
    lines = []
    for name, nics in sorted((document.get("guests") or {}).items()):
        lines.append(paint(name, Colour.NAME))
        for nic in nics if isinstance(nics, list) else [nics]:
            details = ", ".join(
                _setting(key, value) for key, value in nic.items() if key not in _LINK_STATE and value is not None
            )
            cells = (plain(nic.get("link")), _readiness(nic, paint), details)
            lines.append("  " + "  ".join(cell for cell in cells if cell))
            lines += _problems(nic, paint)
    return "\n".join(lines or ["No guests are configured."]) + "\n"


def _setting(key: str, value: object) -> str:
    """What is said of a link; of one that is to be up or not, that."""
    return f"{'' if value else 'not '}{words(key)}" if isinstance(value, bool) else f"{words(key)} {plain(value)}"


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
    if not link.get("present"):
        return paint("no such link", Colour.WAITING)
    reason = link.get("reason_text")
    return paint(f"not ready: {plain(reason)}" if reason else "not ready", Colour.WAITING)


def _problems(link: Document, paint: Paint) -> list[str]:
    """A line for each problem."""
    return [
        f"    {paint('problem', Colour.BAD)} {plain(problem.get('operation'))}: {plain(problem.get('text'))}"
        for problem in link.get("problems") or ()
    ]


def plan_text(document: Document, paint: Paint) -> str:
    """The delegated space as a tree, then what guests have."""
    pieces = [tree_text(space_of(document), paint) or "No uplinks are configured.\n"]
    if document.get("guests"):
        pieces.append(guests_text(document, paint))
    return "\n".join(pieces)


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
    lines += [f"warning: {plain(sentence)}" for sentence in document.get("warnings") or ()]
    return "\n".join(lines or ["Nothing would change." if dry_run else "Nothing changed."]) + "\n"
