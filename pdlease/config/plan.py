"""
The plan of a configuration as a document: who would get what out of given prefixes.

This is C{pdleasectl plan --json}; what people are shown is L{pdlease.config.space}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv6Network
from typing import TypeAlias

from pdlease.config.model import Config, Delegation
from pdlease.local import local_addresses
from pdlease.subnets import Carving, carve

# JSON, as it is written by the standard library.
Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"

# What was delegated: (uplink name, delegation key) to prefix.
Prefixes = Mapping[tuple[str, str], IPv6Network]


def in_file_order(config: Config, prefixes: Sequence[IPv6Network]) -> dict[tuple[str, str], IPv6Network]:
    """
    Give prefixes to delegations in file order, for a plan without a server.

    @raise ValueError: when there are more prefixes than delegations.
    """
    places = [(uplink.name, delegation.key) for uplink in config.uplinks for delegation in uplink.delegations]
    if len(prefixes) > len(places):
        raise ValueError(f"{len(prefixes)} prefixes for {len(places)} delegations")
    return dict(zip(places, prefixes, strict=False))


def carvings(config: Config, prefixes: Prefixes, excluded: Prefixes | None = None) -> dict[tuple[str, str], Carving]:
    """
    Carve every prefix that is given, as for somebody who has nothing yet.

    @param excluded: the excluded part of a prefix (RFC 6603), where there is one.
    """
    result = {}
    for uplink in config.uplinks:
        for index, delegation in enumerate(uplink.delegations):
            place = (uplink.name, delegation.key)
            if place in prefixes:
                result[place] = carve(
                    prefixes[place],
                    delegation.downstreams,
                    excluded=(excluded or {}).get(place),
                    excluded_host=delegation.excluded_host,
                    guests=config.guest_shares(uplink.name) if index == 0 else (),
                )
    return result


def number_of(
    numbers: Mapping[tuple[str, int, str, str], int], guest: str, nic: int, uplink: str, delegation: str
) -> int | None:
    """
    Which /64 of a delegation a NIC has already; C{None} for none.

    A delegation that is known by another name now, since its first downstream is another, is the same for guests: only
    the first of an uplink has any.
    """
    exact = numbers.get((guest, nic, uplink, delegation))
    if exact is not None:
        return exact
    former = (number for key, number in numbers.items() if key[:3] == (guest, nic, uplink))
    return next(former, None)


def plan_document(
    config: Config,
    prefixes: Prefixes,
    iaids: Mapping[tuple[str, str], int] | None = None,
    excluded: Prefixes | None = None,
    carved: Mapping[tuple[str, str], Carving] | None = None,
) -> dict[str, Plain]:
    """
    The plan document of the design.

    @param prefixes: what is delegated; delegations without one have C{prefix} null and nothing assigned.
    @param iaids: the IAIDs in use; without it, the configured ones.
    @param excluded: as for L{carvings}.
    @param carved: how it has been carved already; without it C{prefixes} are carved here.
    """
    if carved is None:
        carved = carvings(config, prefixes, excluded)
    uplinks: dict[str, Plain] = {
        uplink.name: [
            _delegation(delegation, (iaids or {}).get(place), carved.get(place))
            for delegation in uplink.delegations
            for place in [(uplink.name, delegation.key)]
        ]
        for uplink in config.uplinks
    }
    switches: dict[str, Plain] = {
        switch.name: {"link": switch.link, "group": switch.group, "vrf": switch.vrf or None, "up": switch.up}
        for switch in config.switches
    }
    return {"schema": 1, "uplinks": uplinks, "guests": _guests(config, carved.values()), "switches": switches}


def _delegation(delegation: Delegation, iaid: int | None, carving: Carving | None) -> dict[str, Plain]:
    """One delegation in the plan document."""
    assignments: list[Plain] = [
        {"link": a.link, "subnet": str(a.subnet), "address": str(a.address.ip)}
        for a in (carving.assignments if carving else ())
    ]
    unassigned: list[Plain] = list(carving.unassigned) if carving else []
    document: dict[str, Plain] = {
        "iaid": delegation.iaid if iaid is None else iaid,
        "needed_length": delegation.needed_length,
        "requested_length": delegation.requested_length,
        "prefix": str(carving.prefix) if carving else None,
        "assignments": assignments,
        "unassigned": unassigned,
    }
    if carving is not None and carving.excluded is not None:
        own = carving.excluded_address
        document["excluded"] = str(carving.excluded)
        document["excluded_address"] = None if own is None else str(own.ip)
    return document


def _guests(config: Config, carved: Iterable[Carving]) -> dict[str, Plain]:
    """The guests in the plan document."""
    delegated = {(guest.guest, guest.nic): str(guest.subnet) for carving in carved for guest in carving.guests}
    result: dict[str, Plain] = {}
    for guest in config.guests:
        nics: list[Plain] = []
        for index, nic in enumerate(guest.nics):
            local = local_addresses(config.local.prefix, config.local.inet6, guest.id, index) if nic.local else None
            nics.append(
                {
                    "link": nic.link,
                    "ipv4": str(local.ipv4) if local else None,
                    "ipv6": str(local.ipv6) if local and local.ipv6 else None,
                    "delegated": delegated.get((guest.name, index)),
                }
            )
        result[guest.name] = nics
    return result
