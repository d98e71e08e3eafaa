"""
What another configuration would do, told before it is done.

The judgement on each uplink is one for the reload and for its dry run.  What is told of the kernel comes of the same
comparison that will be made, and what is told of a session of a step that is then forgotten: nothing here changes
anything.  What does is L{pdlease.router}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from attrs import frozen

from pdlease.asking import settings_of
from pdlease.client.occurrences import NewSettings, Send
from pdlease.client.session import Session, step
from pdlease.config import model
from pdlease.config.compare import changed_uplinks
from pdlease.identity import IAIDs
from pdlease.lease import Lease
from pdlease.subnets import GuestShare, Taken
from pdlease.wanted import Wanted, share
from pdlease.wire.duid import DUID

DuidOf = Callable[[model.Uplink], DUID]
"""Tells the DUID that an uplink is to have."""

SharesOf = Callable[[model.Config, model.Uplink], tuple[GuestShare, ...]]
"""Tells what guests want of an uplink's first delegation."""

TakenOf = Callable[[model.Uplink, Lease], Iterable[Taken]]
"""Tells what is in use already where an uplink's prefixes are carved."""


@frozen(kw_only=True)
class Change:
    """
    What another configuration does to the uplinks.

    @ivar added: names of uplinks that are new.
    @ivar removed: names of uplinks that are gone; what they held is taken from the kernel.
    @ivar replaced: names of uplinks that are stopped and begun anew with their lease.
    @ivar kept: names of uplinks that nothing happens to.
    @ivar adapted: names of uplinks that go on with socket, session and timers under other settings.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()


def change(old: model.Config, new: model.Config, sessions: Mapping[str, Session], duid_of: DuidOf) -> Change:
    """
    Sort the uplinks by what becomes of them.

    @param sessions: those of the earlier configuration, by uplink.
    @param duid_of: tells the DUIDs of the new one.
    """
    difference = changed_uplinks(old, new)
    adapted = tuple(name for name in difference.changed if _goes_on(name, old, new, sessions[name], duid_of))
    return Change(
        added=difference.added,
        removed=difference.removed,
        replaced=tuple(name for name in difference.changed if name not in adapted),
        kept=difference.unchanged,
        adapted=adapted,
    )


def _goes_on(name: str, old: model.Config, new: model.Config, session: Session, duid_of: DuidOf) -> bool:
    """Whether an uplink that changed can go on as it is, with other settings."""
    before, after = old.uplink(name), new.uplink(name)
    if before is None or after is None or session.settings.duid != duid_of(after):
        return False
    same = ("link", "vrf", "start", "dscp", "priority")
    return all(getattr(before, name) == getattr(after, name) for name in same)


@frozen(kw_only=True)
class Foreseen:
    """
    What L{foresee} found.

    @ivar steps: what each uplink that changes would do, as sentences without full stop.
    @ivar wants: what would be wanted of the kernel for each uplink, by its name.
    @ivar unsettled: the uplinks of which it would not be known yet what they hold.
    """

    steps: tuple[str, ...] = ()
    wants: Mapping[str, tuple[Wanted, ...]]
    unsettled: frozenset[str] = frozenset()


def foresee(
    old: model.Config,
    new: model.Config,
    iaids: IAIDs,
    sessions: Mapping[str, Session],
    duid_of: DuidOf,
    shares_of: SharesOf,
    taken_of: TakenOf,
    now: float,
) -> Foreseen:
    """
    Find out what would become of every uplink under another configuration.

    @param iaids: the IAIDs under the new configuration.
    @param sessions: those of the earlier configuration, by uplink.
    @param duid_of: tells the DUIDs of the new one.
    @param now: boot-clock second.
    """
    becoming = change(old, new, sessions, duid_of)
    steps = [f"end {name}: its socket is closed, and its prefixes are not given back" for name in becoming.removed]
    wants: dict[str, tuple[Wanted, ...]] = {}
    for configured in new.uplinks:
        name = configured.name
        session = sessions.get(name)
        lease = session.lease if session is not None else Lease()
        if name in becoming.added:
            steps.append(f"begin {name} on {configured.link}, and look for a server")
        elif session is not None and name in becoming.replaced:
            same = session.settings.duid == duid_of(configured)
            lease = lease if same else Lease()
            steps.append(f"begin {name} anew on {configured.link}, {_with_what(lease, same)}")
        elif session is not None and name in becoming.adapted:
            settings = settings_of(configured, duid_of(configured), iaids, None)
            after, effects = step(session, NewSettings(settings), now)
            lease = after.lease
            sent = [effect.message.name for effect in effects if isinstance(effect, Send)]
            steps += [f"send {kind} on {name}, which asks for what is wanted now" for kind in sent]
            if not sent:
                steps.append(f"go on with {name} under other settings; nothing is sent now")
        own = {entry.key: iaids[name, entry.key] for entry in configured.delegations}
        wants[name] = share(
            configured, lease, own, now, shares_of(new, configured), tuple(taken_of(configured, lease))
        ).wanted
    return Foreseen(
        steps=(*steps, *_order(old, new)),
        wants=wants,
        unsettled=frozenset(name for name in becoming.added),
    )


def _with_what(lease: Lease, same: bool) -> str:
    """With what an uplink is begun anew."""
    if not same:
        return "as another client, which does not have what the old one was given"
    held = ", ".join(str(held.prefix) for held in lease.prefixes)
    return f"and ask for {held} there" if held else "and look for a server"


def _order(old: model.Config, new: model.Config) -> Iterator[str]:
    """That uplinks which are in both files stand in another order."""
    before, after = ([uplink.name for uplink in config.uplinks] for config in (old, new))
    if [name for name in before if name in after] != [name for name in after if name in before]:
        yield f"list the uplinks in the order {', '.join(after)}"
