"""
What differs between two configurations: what a reload has to do, and what it cannot do (D37 to D40).

A whole value is compared, so nothing that a table says can be overlooked.  What is done about a difference is
L{pdlease.service}.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from attrs import fields, frozen

from pdlease.config.model import Config, Daemon
from pdlease.subnets import GuestShare

# Settings that a running daemon takes over; all others of [daemon] need a restart.
LIVE = frozenset({"on_stop", "control_users", "control_viewers"})


@frozen(kw_only=True)
class Changes:
    """
    What became of named tables of one kind.

    @ivar added: names that are new, in order of the new file.
    @ivar removed: names that are gone, in order of the old file.
    @ivar changed: names whose table says something else now, in order of the new file.
    @ivar unchanged: names whose table says the same, in order of the new file.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.added or self.removed or self.changed)


class _Named(Protocol):
    """A table with a name."""

    @property
    def name(self) -> str:
        """Its name."""


def _changes(old: Iterable[_Named], new: Iterable[_Named]) -> Changes:
    """Compare the tables of one kind; their order in the file does not matter."""
    before = {table.name: table for table in old}
    after = {table.name: table for table in new}
    return Changes(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed=tuple(name for name, table in after.items() if name in before and before[name] != table),
        unchanged=tuple(name for name, table in after.items() if name in before and before[name] == table),
    )


def changed_uplinks(old: Config, new: Config) -> Changes:
    """
    What became of the uplinks.

    An uplink that got another name is one removed and one added.  One whose guests are others now, or have their
    addresses on other links, is changed as well, as its first delegation is carved for them.
    """
    changes = _changes(old.uplinks, new.uplinks)
    moved = {name for name in changes.unchanged if _guests_of(old, name) != _guests_of(new, name)}
    return Changes(
        added=changes.added,
        removed=changes.removed,
        changed=tuple(u.name for u in new.uplinks if u.name in moved or u.name in changes.changed),
        unchanged=tuple(name for name in changes.unchanged if name not in moved),
    )


def _guests_of(config: Config, uplink: str) -> list[tuple[GuestShare, str]]:
    """The guests that an uplink's first delegation is carved for, each with the link that bears the address."""
    nics = {(guest.name, index): nic for guest in config.guests for index, nic in enumerate(guest.nics)}
    return [(share, config.address_link(nics[share.guest, share.nic])) for share in config.guest_shares(uplink)]


def changed_switches(old: Config, new: Config) -> Changes:
    """What became of the switches."""
    return _changes(old.switches, new.switches)


def changed_guests(old: Config, new: Config) -> Changes:
    """
    What became of the guests.

    One is changed also where its switch or the local prefixes are others now, since its links follow from them.
    """
    changes = _changes(old.guests, new.guests)
    switches = changed_switches(old, new)
    other = {*switches.added, *switches.removed, *switches.changed}
    touched = {
        guest.name
        for guest in new.guests
        if any(nic.switch in other or (nic.local and old.local != new.local) for nic in guest.nics)
    }
    return Changes(
        added=changes.added,
        removed=changes.removed,
        changed=tuple(
            g.name
            for g in new.guests
            if g.name in changes.changed or (g.name in touched and g.name in changes.unchanged)
        ),
        unchanged=tuple(name for name in changes.unchanged if name not in touched),
    )


def changed_tables(old: Config, new: Config) -> dict[str, list[str]]:
    """
    What became of uplinks, by name, and of switches and guests, by kind and name: the answer of C{reload}.
    """
    named = (
        ("", changed_uplinks(old, new)),
        ("switches/", changed_switches(old, new)),
        ("guests/", changed_guests(old, new)),
    )
    return {
        "added": [f"{kind}{name}" for kind, changes in named for name in changes.added],
        "removed": [f"{kind}{name}" for kind, changes in named for name in changes.removed],
        "replaced": [f"{kind}{name}" for kind, changes in named for name in changes.changed],
        "kept": [f"{kind}{name}" for kind, changes in named for name in changes.unchanged],
    }


def restart_needed(old: Config, new: Config) -> tuple[str, ...]:
    """The dotted names of changed settings that take effect only when the daemon is started again."""
    names = [
        f"daemon.{attribute.name}"
        for attribute in fields(Daemon)
        if attribute.name not in LIVE and getattr(old.daemon, attribute.name) != getattr(new.daemon, attribute.name)
    ]
    if old.identity != new.identity:
        names.append("identity.duid")
    if new.remote is not None and (old.remote is None or old.remote.place != new.remote.place):
        # no socket can be made behind the sandbox; one that is there can be closed
        names.append("control.remote" if old.remote is None else "control.remote.listen")
    return tuple(names)
