"""
Who this client is to servers: its DUID and the IAID of each delegation.

How identities are kept is L{pdlease.stores}; the byte form of a DUID is L{pdlease.wire.duid}.
"""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

from attrs import evolve, frozen

from pdlease.wire.duid import DUID


@frozen(kw_only=True)
class KnownIAID:
    """
    The IAID that a delegation got once and keeps (R-12-02, WPD-10).

    @ivar uplink: name of the uplink.
    @ivar delegation: what the delegation is known by within the uplink: the name of its first downstream link, or
        C{#N} for one without any.
    @ivar iaid: the number.
    """

    uplink: str
    delegation: str
    iaid: int


@frozen(kw_only=True)
class Identity:
    """
    @ivar duid: the client's DUID.
    @ivar iaids: every IAID ever given out, so that a delegation that comes back finds its own.
    """

    duid: DUID
    iaids: tuple[KnownIAID, ...] = ()


def with_iaids(
    identity: Identity, delegations: Iterable[tuple[str, str, int | None]]
) -> tuple[Identity, dict[tuple[str, str], int]]:
    """
    Give every delegation its IAID: the configured one, else the remembered one, else one derived from the names.

    Derived numbers do not depend on the order of the configuration; a clash with a number in use is solved upwards, and
    what was chosen is remembered (R-12-01, R-12-02).  All IAIDs of this client are distinct, over all uplinks, since the
    DUID is the same on all of them (D25).

    @param delegations: (uplink, delegation key, configured IAID or C{None}).
    @return: the identity with what was newly given out, and the IAID of each (uplink, key).
    """
    wanted = list(delegations)
    known = {(entry.uplink, entry.delegation): entry.iaid for entry in identity.iaids}
    chosen: dict[tuple[str, str], int] = {}
    taken: set[int] = set()
    for uplink, key, configured in wanted:
        if configured is not None:
            chosen[uplink, key] = configured
            taken.add(configured)
    for uplink, key, configured in wanted:
        remembered = known.get((uplink, key))
        if configured is None and remembered is not None and remembered not in taken:
            chosen[uplink, key] = remembered
            taken.add(remembered)
    reserved = taken | set(known.values())
    for uplink, key, _ in sorted((entry for entry in wanted if (entry[0], entry[1]) not in chosen), key=lambda e: e[:2]):
        iaid = crc32(f"{uplink}/{key}".encode()) or 1
        while iaid in reserved:
            iaid = (iaid + 1) & 0xFFFFFFFF
        chosen[uplink, key] = iaid
        reserved.add(iaid)
    known.update(chosen)
    iaids = tuple(KnownIAID(uplink=u, delegation=k, iaid=i) for (u, k), i in sorted(known.items()))
    return evolve(identity, iaids=iaids), chosen
