"""
What can be set about a link and cannot carry our mark: how it is read, written down, and put back.

A setting is known by a name and has a value as text, in which form the ledger keeps it (L{pdlease.ledger}).  When one
is set, and when its earlier value returns, is L{pdlease.settling}; IPv6, which is switched by other means, is
L{pdlease.difference}'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import evolve

from pdlease.kernel import Link
from pdlease.operations import (
    LONGEST_DESCRIPTION,
    ClearMaster,
    LinkSetting,
    SetDescription,
    SetDown,
    SetGroup,
    SetLinkAddress,
    SetMaster,
    SetUp,
)

MASTER = "master"
"""The bridge or VRF that a link belongs to, by name; empty for none."""

DESCRIPTION = "description"
"""Its ifalias; empty for none."""

GROUP = "group"
"""The number of its link group."""

LINK_ADDRESS = "link-layer address"
"""Its octets in hexadecimal digits."""

STATE = "state"
"""L{UP} or L{DOWN}."""

UP, DOWN = "up", "down"

_ATTRIBUTES: Mapping[str, str] = {
    MASTER: "master",
    DESCRIPTION: "alias",
    GROUP: "group",
    LINK_ADDRESS: "link_layer_address",
    STATE: "is_up",
}

SETTINGS = tuple(_ATTRIBUTES)
"""Every setting."""

_NIC, _BRIDGE = re.compile(r"vm\d+-if\d+-."), re.compile(r"switch\d+-.")

Raw = int | str | bytes | bool | None
"""A setting as L{Link} has it."""


def raw(link: Link, setting: str) -> Raw:
    """A setting as the kernel told it."""
    value: Raw = getattr(link, _ATTRIBUTES[setting])
    return value


def with_raw(link: Link, setting: str, value: Raw) -> Link:
    """A link with another value of a setting."""
    changes: dict[str, Any] = {_ATTRIBUTES[setting]: value}
    return evolve(link, **changes)


def raw_after(operation: LinkSetting) -> Raw:
    """What L{raw} will be when an operation has been carried out."""
    if isinstance(operation, SetMaster):
        return operation.master_index
    if isinstance(operation, SetDescription):
        return operation.text or None
    if isinstance(operation, SetGroup):
        return operation.group
    if isinstance(operation, SetLinkAddress):
        return operation.address
    if isinstance(operation, ClearMaster):
        return None
    return isinstance(operation, SetUp)


def value_of(link: Link, setting: str, links: Mapping[int, Link]) -> str:
    """
    The value of a setting as text.

    @param links: all links by index, for the name of a bridge or VRF.
    """
    if setting == MASTER:
        if link.master is None:
            return ""
        master = links.get(link.master)
        return master.name if master is not None else f"#{link.master}"
    if setting == DESCRIPTION:
        return link.alias or ""
    if setting == GROUP:
        return str(link.group)
    if setting == LINK_ADDRESS:
        return link.link_layer_address.hex()
    return UP if link.is_up else DOWN


def operation_for(link: Link, setting: str, value: str, master: Link | None) -> LinkSetting | None:
    """
    What gives a setting a value.

    @param master: the bridge or VRF of that name, for L{MASTER}.
    @return: C{None} where that cannot be: a bridge that does not exist, a description that nobody could have written.
    """
    name, index = link.name, link.index
    if setting == MASTER:
        if not value:
            return ClearMaster(link=name, index=index)
        if master is None:
            return None
        return SetMaster(link=name, index=index, master=master.name, master_index=master.index)
    if setting == DESCRIPTION:
        if not value.isprintable() or len(value.encode("utf-8", "replace")) > LONGEST_DESCRIPTION:
            return None
        return SetDescription(link=name, index=index, text=value)
    if setting == GROUP:
        return SetGroup(link=name, index=index, group=int(value)) if value.isdigit() else None
    if setting == LINK_ADDRESS:
        return SetLinkAddress(link=name, index=index, address=bytes.fromhex(value)) if len(value) == 12 else None
    return (SetUp if value == UP else SetDown)(link=name, index=index)


def bears_our_description(alias: str, kind: str | None) -> bool:
    """
    Whether a link is described as pdlease describes the links of guests (P19) and bridges (P20).  Nobody without
    privileges can describe a link, so this is a mark: pdlease had it in hand, in this life or an earlier one.

    @param kind: as the kernel reports it.
    """
    return bool((_BRIDGE if kind == "bridge" else _NIC).match(alias))


def description(text: str) -> str:
    """A description as long as a link can have one: cut at a whole character (W17)."""
    return text.encode()[:LONGEST_DESCRIPTION].decode("utf-8", "ignore")
