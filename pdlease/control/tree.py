"""
The delegated space as a tree of text, for people: every part of it, what is free or kept free included.

What is drawn is the document of L{pdlease.config.space}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address
from typing import Any

from pdlease.control.wording import Colour, Paint, plain

Document = Mapping[str, Any]

_BRANCH, _LAST, _DOWN, _NOTHING = "├─ ", "└─ ", "│  ", "   "


def tree_text(space: Document, paint: Paint) -> str:
    """
    Draw the space of every uplink.

    @return: lines, each with its newline; empty without uplinks.
    """
    lines: list[str] = []
    for name, uplink in space.items():
        link = plain(uplink.get("link") or name)
        lines.append(paint(name, Colour.NAME) + ("" if link == plain(name) else f" on {link}"))
        branches = [branch for delegation in uplink.get("delegations") or () for branch in _delegation(delegation)]
        for index, (title, rows) in enumerate(branches):
            is_last = index == len(branches) - 1
            lines.append((_LAST if is_last else _BRANCH) + plain(title))
            width = max((len(extent) for extent, _, _ in rows), default=0)
            for place, (extent, use, colour) in enumerate(rows):
                branch = _LAST if place == len(rows) - 1 else _BRANCH
                cells = f"{plain(extent):<{width}}  {paint(use, colour) if colour else plain(use)}"
                lines.append((_NOTHING if is_last else _DOWN) + branch + (cells if extent else cells.lstrip()))
    return "".join(f"{line.rstrip()}\n" for line in lines)


Row = tuple[str, str, Colour | None]
"""Where, what for, and the colour of that."""


def _delegation(delegation: Document) -> Iterator[tuple[str, list[Row]]]:
    """The title and the rows of each prefix of a delegation, or of the one that it has not got yet."""
    asked = delegation.get("requested_length")
    wish = f"needs a /{delegation.get('needed_length')}, asks for {'no length' if asked is None else f'a /{asked}'}"
    iaid = "" if delegation.get("iaid") is None else f"IAID {delegation.get('iaid')}, "
    for held in delegation.get("prefixes") or ():
        rows = [(_extent(part), *_use(part)) for part in held.get("parts") or ()]
        rows += [("", f"no room for {_whom(left)}", Colour.BAD) for left in held.get("without") or ()]
        yield f"{held.get('prefix')} ({iaid}{wish})", rows
    if not delegation.get("prefixes"):
        yield (
            f"no prefix yet ({iaid}{wish})",
            [(f"/{one.get('length')}", *_use(one)) for one in delegation.get("planned") or ()],
        )


def _whom(part: Document) -> str:
    guest = part.get("guest")
    return f"{part.get('link')}, guest {guest}" if guest else str(part.get("link"))


def _use(part: Document) -> tuple[str, Colour | None]:
    """What a part is used for, and its colour."""
    kind = part.get("kind")
    if kind == "guest":
        return _whom(part), Colour.GOOD
    if kind == "free":
        blocks = _blocks(part)
        return (f"free, {blocks} subnets of /64" if blocks > 1 else "free"), Colour.FAINT
    if kind == "reserve":
        return "reserved", Colour.WAITING
    address = part.get("address")
    if kind == "excluded":
        own = f", this router {address}" if address else ""
        return f"excluded, kept for the uplink{own}", Colour.WAITING
    return (f"{part.get('link')}, router {address}" if address else str(part.get("link"))), Colour.GOOD


def _extent(part: Document) -> str:
    """The prefix of a part, or where it begins and ends."""
    first, last = str(part.get("first")), str(part.get("last"))
    if part.get("subnet"):
        return str(part["subnet"])
    blocks = _blocks(part)
    if blocks == 1:
        return f"{first}/64"
    if blocks:
        return f"{first}/64 to {IPv6Address((int(IPv6Address(last)) >> 64) << 64)}/64"
    return f"{first} to {last}" if first != last else first


def _blocks(part: Document) -> int:
    """How many /64s a part consists of; 0 where it does not, or is not known."""
    try:
        first, end = int(IPv6Address(part.get("first") or "")), int(IPv6Address(part.get("last") or "")) + 1
    except ValueError:
        return 0
    return (end - first) >> 64 if not (first | end) & ((1 << 64) - 1) else 0


def space_of(plan: Document) -> Document:
    """The space that stands beside a plan; of a plan alone, which does not tell what is free, as much as is known."""
    if "space" in plan:
        space: Document = plan["space"]
        return space
    return {
        name: {
            "delegations": [
                {
                    **delegation,
                    "prefixes": [
                        {
                            "prefix": delegation["prefix"],
                            "parts": [
                                *({**one, "kind": "downstream"} for one in delegation.get("assignments") or ()),
                                *_excluded(delegation),
                            ],
                            "without": [{"link": link} for link in delegation.get("unassigned") or ()],
                        }
                    ]
                    if delegation.get("prefix")
                    else [],
                }
                for delegation in delegations
            ]
        }
        for name, delegations in (plan.get("uplinks") or {}).items()
    }


def _excluded(delegation: Document) -> Iterator[Document]:
    """The excluded part of a delegation in a plan."""
    if delegation.get("excluded"):
        yield {"kind": "excluded", "subnet": delegation["excluded"], "address": delegation.get("excluded_address")}
