"""
Who this client is to servers: its DUID and the IAID of each delegation.

How identities are kept is L{pdlease.stores}; the byte form of a DUID is L{pdlease.wire.duid}.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol
from zlib import crc32

from attrs import evolve, frozen

from pdlease.wire.duid import DUID, LINK_LAYER, LINK_LAYER_TIME, UUID

IAIDs = Mapping[tuple[str, str], int]
"""The IAID of every delegation by (uplink name, delegation key)."""

SECONDS_TO_2000 = 946684800
"""Seconds from 1970 to 2000, where the time of a DUID-LLT begins (RFC 9915 section 11.2)."""


@frozen(kw_only=True)
class KnownIAID:
    """
    The IAID that a delegation got once and keeps (R-12-02, WPD-10).

    @ivar uplink: name of the uplink.
    @ivar delegation: what the delegation is known by within the uplink: the name of its first downstream link, or
        C{#N} for one without any.
    @ivar iaid: the number.
    @ivar links: the downstream links that it has, or had last; empty where that is not known.
    """

    uplink: str
    delegation: str
    iaid: int
    links: tuple[str, ...] = ()


@frozen(kw_only=True)
class KnownDUID:
    """
    The DUID that one uplink has of its own (R-11-09).

    @ivar uplink: name of the uplink.
    @ivar duid: the DUID.
    @ivar asked: as L{Identity.asked}.
    """

    uplink: str
    duid: DUID
    asked: str = ""


@frozen(kw_only=True)
class KnownSubnet:
    """
    The /64 of a delegation that a guest's NIC got once and keeps while it fits.

    @ivar guest: name of the guest.
    @ivar nic: index of the NIC.
    @ivar uplink: name of the uplink.
    @ivar delegation: as L{KnownIAID.delegation}.
    @ivar number: which /64, counted from the start of the delegated prefix.
    """

    guest: str
    nic: int
    uplink: str
    delegation: str
    number: int


@frozen(kw_only=True)
class Identity:
    """
    @ivar duid: the client's DUID.
    @ivar iaids: every IAID ever given out, so that a delegation that comes back finds its own.
    @ivar asked: which kind of DUID the configuration asked for when this one was made or taken over: one that was taken
        over from another client may be of any type.  Empty where that is not known: the type tells then.
    @ivar duids: the DUIDs of uplinks that have their own, in order of their names.
    @ivar subnets: which /64 each guest has: kept here since it outlives every lease.
    """

    duid: DUID
    iaids: tuple[KnownIAID, ...] = ()
    asked: str = ""
    duids: tuple[KnownDUID, ...] = ()
    subnets: tuple[KnownSubnet, ...] = ()

    def duid_of(self, uplink: str) -> DUID:
        """The DUID that servers see on an uplink."""
        return next((entry.duid for entry in self.duids if entry.uplink == uplink), self.duid)


def with_iaids(
    identity: Identity,
    delegations: Iterable[tuple[str, str, int | None]],
    links: Mapping[tuple[str, str], Sequence[str]] = MappingProxyType({}),
) -> tuple[Identity, dict[tuple[str, str], int]]:
    """
    Give every delegation its IAID: the configured one, else the remembered one, else one derived from the names.

    One whose downstreams were put into another order, or whose first one is another, is remembered by any that it had:
    servers see the association that they know.

    Derived numbers do not depend on the order of the configuration; a clash with a number in use is solved upwards, and
    what was chosen is remembered (R-12-01, R-12-02).  All IAIDs of this client are distinct, over all uplinks, since
    the DUID is the same on all of them (D25).

    @param delegations: (uplink, delegation key, configured IAID or C{None}).
    @param links: the downstream links of each delegation, by (uplink, key).
    @return: the identity with what was newly given out, and the IAID of each (uplink, key).
    """
    wanted = list(delegations)
    known = {(entry.uplink, entry.delegation): entry for entry in identity.iaids}
    chosen: dict[tuple[str, str], int] = {}
    taken: set[int] = set()
    for uplink, key, configured in wanted:
        if configured is not None:
            chosen[uplink, key] = configured
            taken.add(configured)
    for uplink, key, configured in wanted:
        remembered = known.get((uplink, key))
        if configured is None and remembered is not None and remembered.iaid not in taken:
            chosen[uplink, key] = remembered.iaid
            taken.add(remembered.iaid)
    keys = {(uplink, key) for uplink, key, _ in wanted}
    for uplink, key in sorted(keys - chosen.keys()):
        former = _former(uplink, links.get((uplink, key), ()), [e for k, e in known.items() if k not in keys], taken)
        if former is not None:
            del known[uplink, former.delegation]
            chosen[uplink, key] = former.iaid
            taken.add(former.iaid)
    reserved = taken | {entry.iaid for entry in known.values()}
    for uplink, key, _ in sorted(
        (entry for entry in wanted if (entry[0], entry[1]) not in chosen), key=lambda e: e[:2]
    ):
        iaid = crc32(f"{uplink}/{key}".encode()) or 1
        while iaid in reserved:
            iaid = (iaid + 1) & 0xFFFFFFFF
        chosen[uplink, key] = iaid
        reserved.add(iaid)
    for (uplink, key), iaid in chosen.items():
        known[uplink, key] = KnownIAID(
            uplink=uplink, delegation=key, iaid=iaid, links=tuple(links.get((uplink, key), ()))
        )
    iaids = tuple(known[place] for place in sorted(known))
    return evolve(identity, iaids=iaids), chosen


def _former(uplink: str, links: Iterable[str], orphans: Iterable[KnownIAID], taken: Container[int]) -> KnownIAID | None:
    """What a delegation with these links was before, under another name: the one that it has most in common with."""
    own = set(links)
    common = [
        (len(own & {entry.delegation, *entry.links}), entry)
        for entry in orphans
        if entry.uplink == uplink and entry.iaid not in taken
    ]
    most, former = max(common, key=lambda pair: pair[0], default=(0, None))
    return former if most else None


class Described(Protocol):
    """
    How a DUID is asked for, as the configuration's C{identity.duid} is taken apart (L{pdlease.config.duidform}).
    """

    @property
    def kind(self) -> str:
        """C{uuid}, C{llt}, C{ll}, C{en} or C{raw}."""

    @property
    def link(self) -> str:
        """The link whose address is used, for C{llt} and C{ll}."""

    @property
    def enterprise(self) -> int:
        """The enterprise number, for C{en}."""

    @property
    def data(self) -> bytes:
        """The identifier for C{en}, all octets for C{raw}."""


class NoLinkAddress(Exception):
    """
    The link that a DUID is to be made of has no address that can stand in one; the text is a sentence for the operator.
    """


def fitting_duid(
    form: Described,
    kept: DUID | None,
    *,
    asked: str = "",
    octets: Callable[[int], bytes],
    link_address: Callable[[str], tuple[int, bytes] | None],
    wall: float,
) -> DUID:
    """
    The DUID that the configuration asks for: the kept one wherever it is of that kind, so that it stays the same for
    ever (R-11-04, R-11-05, R-6355-01); a new one at the first start and when the operator asked for another kind.

    A written-out one (C{en}, C{raw}) is always what is written.  Of a link only the first start needs the address: the
    link may be gone or replaced later.

    @param kept: the DUID in the lease store, or C{None} at the first start.
    @param asked: which kind the kept one stands for (L{Identity.asked}).
    @param octets: random octets, as many as asked for, of a quality fit for identifiers.
    @param link_address: a link's hardware type (ARPHRD) and address, or C{None} where it is missing or has none.
    @param wall: seconds since 1970, for C{llt}.
    @raise NoLinkAddress: when an address is needed and the link has none (R-11-08).
    """
    if form.kind == "raw":
        return DUID(form.data)
    if form.kind == "en":
        return DUID.from_enterprise(form.enterprise, form.data)
    kinds = {"uuid": UUID, "llt": LINK_LAYER_TIME, "ll": LINK_LAYER}
    if kept is not None and (asked == form.kind if asked else kept.kind == kinds[form.kind]):
        return kept
    if form.kind == "uuid":
        random = bytearray(octets(16))
        # RFC 9562 sections 4.1 and 5.4: the variant, and version 4, of a random UUID.
        random[6] = random[6] & 0x0F | 0x40
        random[8] = random[8] & 0x3F | 0x80
        return DUID.from_uuid(bytes(random))
    found = link_address(form.link)
    if found is None:
        raise NoLinkAddress(
            f"identity.duid: link {form.link} is missing or has no link-layer address to make a DUID of"
        )
    hardware, address = found
    # R-11-08: a number of ARPHRD above 255 is Linux's own (PPP, tunnels, none), no hardware type of IANA.
    if hardware > 255 or not any(address):
        raise NoLinkAddress(f"identity.duid: link {form.link} has no hardware address that can stand in a DUID")
    if form.kind == "ll":
        return DUID.from_link_layer(hardware, address)
    return DUID.from_link_layer_time(hardware, int(wall) - SECONDS_TO_2000, address)
