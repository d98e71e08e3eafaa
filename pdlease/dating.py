"""
Leases that nobody could date when the daemon started, dated once the wall clock can be believed (R-12-06).

A router without a battery starts in 1970: a lease from before the boot is asked for, not used.  When the wall clock has
been set, the store is read again: what it says of times is now as good as if it had been so from the start.  When that
moment is, L{pdlease.clock} tells; what a session makes of it is L{pdlease.client.progress}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pdlease.interfaces import ILeaseStore

if TYPE_CHECKING:
    from pdlease.uplink import Uplink


async def date_leases(uplinks: Mapping[str, Uplink], store: ILeaseStore) -> None:
    """
    Give every uplink that only asks for a lease from before the restart that lease with its times.

    @param uplinks: all of them, by name.
    @param store: where the leases were read from.
    @raise StoreError: when that cannot be read again.
    """
    if not any(uplink.is_undated for uplink in uplinks.values()):
        return
    stored = await store.load()
    for name, record in stored.uplinks:
        uplink = uplinks.get(name)
        if uplink is not None and uplink.is_undated and record.trusted:
            uplink.date(record.lease)
