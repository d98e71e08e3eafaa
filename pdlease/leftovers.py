"""
What is ours in the kernel and nobody wants any more: how it is taken away, and settings put back.

What is wanted and missing is L{pdlease.difference}.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pdlease.acts import Act, Current, Marking, is_ours, removal_of
from pdlease.kernel import IPV6_ENABLED, ObjectKey
from pdlease.ledger import Owned, OwnedAddress, OwnedSetting
from pdlease.operations import DisableIPv6, Operation, RemoveRoute, RemoveUnreachable
from pdlease.placement import Placed
from pdlease.settling import restored


def leftovers(
    placed: Placed,
    current: Current,
    ours: Mapping[ObjectKey, Owned],
    marking: Marking,
    skip: Collection[ObjectKey],
    kept: Collection[str],
    among: Mapping[ObjectKey, Owned],
) -> tuple[tuple[Act, ...], tuple[ObjectKey, ...]]:
    """
    What is ours and not wanted any more: its removal, and the keys of what is not there any more anyway.

    @param among: the entries that are looked at.
    """
    routes: list[Act] = []
    addresses: list[Act] = []
    refusing: list[Act] = []
    settings: list[Act] = []
    links: list[Act] = []
    gone: list[ObjectKey] = []
    inhabited: set[int] | None = None
    for key, entry in among.items():
        if key in placed or key in skip or entry.uplink in kept:
            continue
        # An index without a link is that of a link that was deleted, and everything on it with it.
        link = current.links.get(entry.index) if entry.index is not None else None
        name = link.name if link else entry.link
        if isinstance(entry, OwnedSetting) and entry.setting != IPV6_ENABLED:
            back = restored(entry, link, current) if link else None
            if back is not None:
                # What was set last is put back first.
                links.insert(0, Act(key=key, operations=(back,)))
            else:
                gone.append(key)
        elif isinstance(entry, OwnedSetting):
            if link and not link.ipv6_disabled:
                # Switching IPv6 off takes everybody's addresses along: it waits until nobody else has any.
                if inhabited is None:
                    guarded = {entry.index for entry in ours.values() if entry.uplink in kept and entry.index}
                    inhabited = _inhabited(current, ours, marking) | guarded
                if entry.index in inhabited:
                    continue
                settings.append(Act(key=key, operations=(DisableIPv6(link=name, index=link.index),)))
            else:
                gone.append(key)
        elif isinstance(entry, OwnedAddress):
            address = current.addresses.get(entry.key)
            if link and address and marking.is_on(address):
                removed = removal_of(name, entry.index, address.address)
                addresses.append(Act(key=key, operations=(removed,)))
            else:
                gone.append(key)
        elif current.routes.get(entry.key) is None or (entry.index is not None and link is None):
            gone.append(key)
        elif entry.index is None:
            removal: Operation = RemoveUnreachable(
                link=name, prefix=entry.prefix, table=entry.table, metric=entry.metric
            )
            refusing.append(Act(key=key, operations=(removal,)))
        else:
            removal = RemoveRoute(
                link=name, index=entry.index, prefix=entry.prefix, table=entry.table, metric=entry.metric
            )
            routes.append(Act(key=key, operations=(removal,)))
    return (*routes, *addresses, *refusing, *settings, *links), tuple(gone)


def _inhabited(current: Current, ours: Mapping[ObjectKey, Owned], marking: Marking) -> set[int]:
    """The links on which others have addresses or routes; the kernel's own link-local addresses do not count."""
    found = {
        index
        for (index, ip), address in current.addresses.items()
        if address and ip.version == 6 and not ip.is_link_local and not is_ours((index, ip), address, ours, marking)
    }
    found.update(route.index for key, route in current.routes.items() if route and route.index and key not in ours)
    return found
