"""
The plan of a configuration as a tree of text, for people: every part of the delegated space, what is free included.

For programs it is L{pdlease.config.plan}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address

from pdlease.config.model import Config, Delegation
from pdlease.config.plan import Prefixes, carvings
from pdlease.subnets import Carving, Part, parts

_BRANCH, _LAST, _DOWN, _NOTHING = "├─ ", "└─ ", "│  ", "   "


def plan_tree(
    config: Config,
    prefixes: Prefixes,
    excluded: Prefixes | None = None,
    numbers: Mapping[tuple[str, int, str, str], int] | None = None,
) -> str:
    """
    Draw the delegated space of every uplink.

    Arguments are as for L{pdlease.config.plan.plan_document}.

    @return: lines, each with its newline; empty without uplinks.
    """
    carved = carvings(config, prefixes, excluded, numbers)
    lines: list[str] = []
    for uplink in config.uplinks:
        lines.append(uplink.name if uplink.link == uplink.name else f"{uplink.name} on {uplink.link}")
        for index, delegation in enumerate(uplink.delegations):
            is_last = index == len(uplink.delegations) - 1
            carving = carved.get((uplink.name, delegation.key))
            lines.append((_LAST if is_last else _BRANCH) + _title(delegation, carving))
            inner = list(_planned(config, uplink.name, index, delegation) if carving is None else _carved(carving))
            for place, line in enumerate(inner):
                branch = _LAST if place == len(inner) - 1 else _BRANCH
                lines.append((_NOTHING if is_last else _DOWN) + branch + line)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _title(delegation: Delegation, carving: Carving | None) -> str:
    """The line of a delegation."""
    asked = delegation.requested_length
    wish = f"needs a /{delegation.needed_length}, asks for {'no length' if asked is None else f'a /{asked}'}"
    return f"no prefix yet ({wish})" if carving is None else f"{carving.prefix} ({wish})"


def _planned(config: Config, uplink: str, index: int, delegation: Delegation) -> Iterator[str]:
    """What a delegation without a prefix is going to be used for."""
    for downstream in delegation.downstreams:
        yield f"/{downstream.length}  " + ("reserved" if downstream.link is None else downstream.link)
    if index == 0:
        for share in config.guest_shares(uplink):
            yield f"/64  {share.link}, guest {share.guest}"


def _carved(carving: Carving) -> Iterator[str]:
    """Every part of a delegated prefix, then who got none."""
    rows = [(_extent(part), _use(part)) for part in parts(carving)]
    width = max((len(extent) for extent, _ in rows), default=0)
    for extent, use in rows:
        yield f"{extent:<{width}}  {use}"
    for link in carving.unassigned:
        yield f"no room for {link}"
    for share in carving.guests_without:
        yield f"no room for {share.link}, guest {share.guest}"


def _extent(part: Part) -> str:
    """The prefix of a part, or where it begins and ends."""
    if part.subnet is not None:
        return str(part.subnet)
    blocks = _blocks(part)
    if blocks == 1:
        return f"{part.first}/64"
    if blocks:
        return f"{part.first}/64 to {IPv6Address((int(part.last) >> 64) << 64)}/64"
    return f"{part.first} to {part.last}" if part.first != part.last else str(part.first)


def _blocks(part: Part) -> int:
    """How many /64s a part consists of; 0 where it does not."""
    first, end = int(part.first), int(part.last) + 1
    return (end - first) >> 64 if not (first | end) & ((1 << 64) - 1) else 0


def _use(part: Part) -> str:
    """What a part is used for."""
    if part.kind == "downstream":
        return f"{part.link}, router {part.address}"
    if part.kind == "guest":
        return f"{part.link}, guest {part.guest}"
    if part.kind == "free":
        blocks = _blocks(part)
        return f"free, {blocks} subnets of /64" if blocks > 1 else "free"
    if part.kind == "excluded" and part.address is not None:
        return f"excluded, kept for the uplink, this router {part.address}"
    return {"reserve": "reserved", "excluded": "excluded, kept for the uplink"}[part.kind]
