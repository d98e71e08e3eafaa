"""
The delegated space of every uplink as a document: what each part is used for, what is free or kept free included.

It stands beside the plan (L{pdlease.config.plan}), which names only what somebody gets.  For people it is drawn by
C{pdlease.control.tree}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pdlease.config.model import Config, Delegation
from pdlease.config.plan import Plain
from pdlease.subnets import Carving, Part, parts

Carvings = Mapping[tuple[str, str], Sequence[Carving]]
"""What became of each delegation's prefixes: (uplink name, delegation key) to their carvings."""


def space_document(
    config: Config, carvings: Carvings, iaids: Mapping[tuple[str, str], int] | None = None
) -> dict[str, Plain]:
    """
    The space of every uplink, by its name: its link, and its delegations in file order.

    Each delegation has its C{prefixes}, and each of those C{parts} in order of address and who stays C{without}; one
    without any prefix has what is C{planned}.

    @param iaids: the IAIDs in use; without it, the configured ones.
    """
    return {
        uplink.name: {
            "link": uplink.link,
            "delegations": [
                _delegation(config, uplink.name, index, delegation, carvings.get((uplink.name, delegation.key), ()))
                | {"iaid": (iaids or {}).get((uplink.name, delegation.key), delegation.iaid)}
                for index, delegation in enumerate(uplink.delegations)
            ],
        }
        for uplink in config.uplinks
    }


def _delegation(
    config: Config, uplink: str, index: int, delegation: Delegation, carvings: Sequence[Carving]
) -> dict[str, Plain]:
    return {
        "needed_length": delegation.needed_length,
        "requested_length": delegation.requested_length,
        "prefixes": [
            {
                "prefix": str(carving.prefix),
                "parts": [_part(part) for part in parts(carving)],
                "without": list(_without(carving)),
            }
            for carving in carvings
        ],
        "planned": [] if carvings else list(_planned(config, uplink, index, delegation)),
    }


def _part(part: Part) -> dict[str, Plain]:
    """A part of a prefix."""
    return {
        "kind": part.kind,
        "first": str(part.first),
        "last": str(part.last),
        "subnet": None if part.subnet is None else str(part.subnet),
        "link": part.link or None,
        "guest": part.guest or None,
        "address": None if part.address is None else str(part.address),
    }


def _without(carving: Carving) -> Iterator[Plain]:
    """Who got nothing."""
    for link in carving.unassigned:
        yield {"link": link, "guest": None}
    for share in carving.guests_without:
        yield {"link": share.link, "guest": share.guest}


def _planned(config: Config, uplink: str, index: int, delegation: Delegation) -> Iterator[Plain]:
    """What a delegation without a prefix is going to be used for."""
    for downstream in delegation.downstreams:
        kind = "reserve" if downstream.link is None else "downstream"
        yield {"kind": kind, "length": downstream.length, "link": downstream.link, "guest": None}
    if index == 0:
        for share in config.guest_shares(uplink):
            yield {"kind": "guest", "length": 64, "link": share.link, "guest": share.guest}
