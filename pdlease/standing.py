"""
How a wanted object stands in the kernel, for those who ask: status, C{wait} and C{why}.

Nothing is done here; what is done about it is L{pdlease.applier}.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from enum import Enum

from attrs import evolve, frozen

from pdlease.belief import shown
from pdlease.difference import Marking
from pdlease.kernel import KernelAddress, KernelTable, Link, ObjectKey
from pdlease.linksettings import MASTER, value_of
from pdlease.patience import Patience, Problem
from pdlease.placement import in_its_table, key_of
from pdlease.wanted import Wanted, WantedAddress, WantedIPv6, WantedRoute, WantedSetting, WantedUnreachable

UNANSWERED = 3.0
"""After so many seconds without an answer it is said that there is none; one takes less than a millisecond."""


class Condition(Enum):
    """How far an object has come; the value is a sentence on it."""

    INSTALLED = "it is there"
    TENTATIVE = "duplicate address detection is going on"
    UNPLUGGED = "its link has no carrier, and duplicate address detection waits for that"
    PENDING = "it has been asked for"
    WAITING = "its link is not ready"
    DUPLICATE = "another host on the link holds the address"
    FOREIGN = "it is there, but not ours, and stays as it is"
    REFUSED = "the kernel or the helper refuses it; it is tried again"
    CHANGED = "somebody else has changed it since; it is set again on reload"
    CONTESTED = "somebody else keeps taking it away; it is put back with growing delay"


@frozen(kw_only=True)
class ObjectState:
    """
    How a wanted object stands.

    @ivar condition: how far it has come.
    @ivar is_installed: whether it is there, ours and usable, whatever else there is to say.
    @ivar problem: what is in the way, or C{None}.
    """

    condition: Condition
    is_installed: bool = False
    problem: Problem | None = None


def standing(
    item: Wanted,
    table: KernelTable,
    ours: Container[ObjectKey],
    patience: Patience,
    now: float,
    marking: Marking,
    settled: Container[ObjectKey] = (),
    unanswered: Callable[[ObjectKey], float] = lambda key: 0.0,
) -> ObjectState:
    """
    Tell how a wanted object stands.

    @param ours: keys of the ledger.
    @param patience: what was refused or is contested.
    @param now: boot-clock second.
    @param marking: how our mark is told.
    @param settled: keys of the settings of links that have been set.
    @param unanswered: tells for how long (seconds) the provider has owed an answer about a key.
    """
    link = None
    if not isinstance(item, WantedUnreachable):
        link = table.link_named(item.link)
        if link is None:
            return _in_the_way(Condition.WAITING, item, f"there is no link {item.link}")
    placed = in_its_table(item, link, table)
    if placed is None:
        assert isinstance(item, (WantedRoute, WantedUnreachable))
        return _in_the_way(Condition.WAITING, item, f"there is no VRF {item.table}")
    item = placed
    key = key_of(item, link)
    there = shown(table, key)
    if isinstance(item, WantedIPv6):
        is_there, is_ours = there is False, True
    elif isinstance(item, WantedSetting):
        assert link is not None
        is_there, is_ours = value_of(link, item.setting, table.links) == item.value, True
    else:
        is_there = there is not None
        is_ours = key in ours and not (isinstance(there, KernelAddress) and not marking.is_on(there))
    if is_there and not is_ours:
        return _in_the_way(Condition.FOREIGN, item)
    if key in table.duplicates or (isinstance(there, KernelAddress) and there.duplicate):
        return _in_the_way(Condition.DUPLICATE, item)
    is_tentative = isinstance(there, KernelAddress) and there.tentative
    is_installed = is_there and not is_tentative
    refusal = patience.problem(key)
    if refusal is not None:
        return ObjectState(condition=Condition.REFUSED, is_installed=is_installed, problem=refusal)
    if patience.is_contested(key, now):
        return evolve(_in_the_way(Condition.CONTESTED, item), is_installed=is_installed)
    seconds = unanswered(key)
    if seconds > UNANSWERED:
        text = f"the privilege provider has not answered for {seconds:.0f} s"
        return evolve(_in_the_way(Condition.PENDING, item, text), is_installed=is_installed)
    if is_tentative:
        unplugged = link is not None and not link.has_carrier
        return ObjectState(condition=Condition.UNPLUGGED if unplugged else Condition.TENTATIVE)
    if is_installed:
        return ObjectState(condition=Condition.INSTALLED, is_installed=True)
    return _absent(item, link, table, key in settled)


def _absent(item: Wanted, link: Link | None, table: KernelTable, is_settled: bool) -> ObjectState:
    """What is not there, and not refused either: it waits for its link, or for an answer."""
    if isinstance(item, WantedSetting):
        if item.setting == MASTER and item.value and table.link_named(item.value) is None:
            return _in_the_way(Condition.WAITING, item, f"there is no link {item.value}")
        return _in_the_way(Condition.CHANGED, item) if is_settled else ObjectState(condition=Condition.PENDING)
    if link is not None and not link.is_up:
        return _in_the_way(Condition.WAITING, item, f"link {link.name} is down")
    return ObjectState(condition=Condition.PENDING)


def _in_the_way(condition: Condition, item: Wanted, text: str = "") -> ObjectState:
    if isinstance(item, WantedAddress):
        operation = f"add {item.address} to {item.link}"
    elif isinstance(item, WantedRoute):
        operation = f"add on-link route {item.prefix} on {item.link}"
    elif isinstance(item, WantedUnreachable):
        operation = f"add unreachable route {item.prefix}"
    elif isinstance(item, WantedSetting):
        operation = f"set {item.setting} of {item.link} to {item.value or 'none'}"
    else:
        operation = f"enable IPv6 on {item.link}"
    return ObjectState(condition=condition, problem=Problem(operation=operation, errno=0, text=text or condition.value))
