"""
Who this client is under a configuration: the kept identity wherever it fits, and what is new about it.

How one DUID is made is L{pdlease.identity}; how identities are kept is L{pdlease.stores}; becoming another client on
purpose is L{pdlease.becoming}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import evolve

from pdlease.config.duidform import parse_form
from pdlease.config.model import Config
from pdlease.identity import IAIDs, Identity, KnownDUID, fitting_duid
from pdlease.lease import Lease
from pdlease.wire.duid import DUID


def identified(
    kept: Identity | None,
    config: Config,
    *,
    octets: Callable[[int], bytes],
    link_address: Callable[[str], tuple[int, bytes] | None],
    wall: float,
) -> Identity:
    """
    The identity that a configuration asks for: each DUID is the kept one as long as the same kind is asked for, the
    client's as well as those that single uplinks have of their own (R-11-04, R-11-05, R-11-09).

    @param kept: what the store has, or C{None} at the first start.
    @param octets: as for L{fitting_duid}, like the two others.
    @raise NoLinkAddress: when a DUID cannot be made.
    """

    def fitting(text: str, known: DUID | None, asked: str) -> tuple[DUID, str]:
        form = parse_form(text)
        duid = fitting_duid(form, known, asked=asked, octets=octets, link_address=link_address, wall=wall)
        return duid, form.kind

    duid, asked = fitting(config.identity.duid, kept.duid if kept else None, kept.asked if kept else "")
    known = {entry.uplink: entry for entry in kept.duids} if kept else {}
    own = []
    for uplink in config.uplinks:
        if uplink.duid:
            before = known.get(uplink.name)
            theirs, kind = fitting(uplink.duid, before.duid if before else None, before.asked if before else "")
            own.append(KnownDUID(uplink=uplink.name, duid=theirs, asked=kind))
    # that of an uplink that is gone for a while stays its own
    own += [entry for name, entry in known.items() if config.uplink(name) is None]
    duids = tuple(sorted(own, key=lambda entry: entry.uplink))
    return evolve(kept or Identity(duid=duid), duid=duid, asked=asked, duids=duids)


def strangers(before: Identity | None, after: Identity, names: tuple[str, ...]) -> tuple[str, ...]:
    """
    The uplinks on which this client is another one than before: what the old one was given is not theirs (R-11-10).

    @param names: the uplinks to look at.
    """
    if before is None:
        return ()
    return tuple(name for name in names if before.duid_of(name) != after.duid_of(name))


def unclaimed(leases: Mapping[str, Lease], iaids: IAIDs) -> tuple[str, ...]:
    """
    Sentences on prefixes that no delegation asks for any more, although there is a new one that might: to servers an
    IAID is who asks (R-12-02), and it follows from the name of the first downstream link.

    @param leases: what each uplink holds, by its name; uplinks that are configured no more are passed over.
    @param iaids: the IAIDs of all delegations from now on.
    """
    sentences = []
    for uplink, lease in leases.items():
        asking = {iaid for (name, _), iaid in iaids.items() if name == uplink}
        if all(lease.holds(iaid) for iaid in asking):
            continue
        for binding in lease.bindings:
            if binding.prefixes and binding.iaid not in asking:
                held = ", ".join(str(prefix.prefix) for prefix in binding.prefixes)
                sentences.append(
                    f"{uplink}: {held} is held under IAID {binding.iaid}, which no delegation has any more, and will "
                    f"not be asked for: iaid = {binding.iaid} in a delegation keeps it"
                )
    return tuple(sentences)


def suspicion(before: Identity | None, state: str, has_traces: bool) -> str:
    """
    What is said where an identity seems to have been lost; the empty string where nothing speaks for that.

    A state folder that is gone, or whose file system is not mounted, looks like a first start; what an earlier run left
    in the kernel tells one from the other (design 18).

    @param state: the state folder.
    @param has_traces: whether the kernel holds routes with our mark.
    """
    if before is not None or not has_traces:
        return ""
    return (
        f"there is no identity in {state}, but the kernel holds routes of an earlier run: servers see a new client now;"
        " if the folder was lost or its file system is not mounted, stop, bring it back, and start again"
    )
