"""
When a setting of a link is set, and when its earlier value returns (design 4, 5).

A setting is not held like an address: others manage links too.  It is set once when its link appears, when the
bridge or VRF that it names appears, and when the configuration is read; what somebody makes of it afterwards stays.
The ledger has its earlier value, which returns when it is no longer wanted, unless somebody else has changed it since.
How settings look is L{pdlease.linksettings}; who asks is L{pdlease.difference}.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from attrs import evolve, field, frozen

from pdlease.kernel import Link, ObjectKey
from pdlease.ledger import Owned, OwnedSetting
from pdlease.linksettings import MASTER, operation_for, value_of
from pdlease.operations import LinkSetting
from pdlease.wanted import WantedSetting

Token = tuple[str, int | None]
"""What was set: the value and, of a bridge or VRF, its index: one that is made anew is another one."""

Settled = Mapping[ObjectKey, Token]
"""What has been set since the link appeared or the configuration was read."""


class Links(Protocol):
    """What knows links."""

    @property
    def links(self) -> Mapping[int, Link]:
        """Every link by index."""

    def link_named(self, name: str) -> Link | None:
        """Find the link that is called C{name} now; C{None} if there is none."""


@frozen(kw_only=True)
class Setting:
    """
    A setting that is to be set.

    @ivar key: its key.
    @ivar operation: what sets it.
    @ivar entry: what must stand in the ledger before.
    @ivar wanted: what it is done for.
    """

    key: ObjectKey
    operation: LinkSetting
    entry: OwnedSetting
    wanted: WantedSetting


@frozen(kw_only=True)
class Settlement:
    """
    What L{settle} found.

    @ivar due: what is to be set, in the order in which it is wanted.
    @ivar held: what is as wanted, by key.
    @ivar settled: what was found as wanted and had not been known to be.
    @ivar entries: what must stand in the ledger for that.
    """

    due: tuple[Setting, ...] = ()
    held: Mapping[ObjectKey, WantedSetting] = field(factory=dict)
    settled: Settled = field(factory=dict)
    entries: tuple[OwnedSetting, ...] = ()


def token_of(item: WantedSetting, current: Links) -> Token | None:
    """What L{Settled} says of a setting once it is set; C{None} while its bridge or VRF does not exist."""
    if item.setting != MASTER or not item.value:
        return item.value, None
    master = current.link_named(item.value)
    return None if master is None else (item.value, master.index)


def settle(
    wanted: Mapping[ObjectKey, tuple[WantedSetting, Link]],
    current: Links,
    ours: Mapping[ObjectKey, Owned],
    settled: Settled,
    skip: Collection[ObjectKey],
) -> Settlement:
    """
    Find out what is to be set.

    @param wanted: each setting by its key, with its link.
    @param ours: the ledger's entries.
    @param settled: what has been set already.
    @param skip: keys that nothing is to be done about now.
    """
    due: list[Setting] = []
    held: dict[ObjectKey, WantedSetting] = {}
    found: dict[ObjectKey, Token] = {}
    entries: list[OwnedSetting] = []
    for key, (item, link) in wanted.items():
        token = token_of(item, current)
        shown = value_of(link, item.setting, current.links)
        if shown == item.value:
            held[key] = item
        if token is None or settled.get(key) == token:
            continue
        entry = _entry(item, link, shown, ours.get(key))
        if shown == item.value:
            found[key] = token
            entries.append(entry)
            continue
        operation = operation_for(link, item.setting, item.value, current.link_named(item.value))
        if operation is not None and key not in skip:
            due.append(Setting(key=key, operation=operation, entry=entry, wanted=item))
    return Settlement(due=tuple(due), held=held, settled=found, entries=tuple(entries))


def _entry(item: WantedSetting, link: Link, shown: str, earlier: Owned | None) -> OwnedSetting:
    """What the ledger says of a setting: the value that was there before the first of ours."""
    if isinstance(earlier, OwnedSetting):
        return evolve(earlier, value=item.value, link=link.name, uplink=item.uplink)
    return OwnedSetting(
        setting=item.setting,
        index=link.index,
        earlier=shown,
        value=item.value,
        link=link.name,
        uplink=item.uplink,
    )


def restored(entry: OwnedSetting, link: Link, current: Links) -> LinkSetting | None:
    """
    What puts a setting back; C{None} where nothing is to be put back: it was so before, somebody else has changed it
    since, or what it was is not there any more.
    """
    if entry.earlier == entry.value or value_of(link, entry.setting, current.links) != entry.value:
        return None
    return operation_for(link, entry.setting, entry.earlier, current.link_named(entry.earlier))
