"""
Identity and leases as bytes that outlive the process, and the conversion of their times from one boot to another.

A document is one head line, C{pdlease KIND VERSION CHECKSUM}, and a JSON object.  The checksum is over everything else,
so that damage is noticed rather than believed: a wrong digit in a DUID would make us another client.  Which file a
document goes to is L{pdlease.stores.file}; the values are L{pdlease.lease} and L{pdlease.identity}.

Times are stored as boot-clock seconds, beside the clocks as they stood at storing (L{Clocks}).  Loading shifts them all
by one amount (R-12-06): none within the same boot; by the wall clock after another boot, where both ends of that
reckoning can be trusted; else by as little as is certain, and the record is marked as not trusted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import IPv6Network
from math import isfinite
from zlib import crc32

from attrs import asdict, evolve, frozen

from pdlease.identity import Identity, KnownDUID, KnownIAID, KnownSubnet
from pdlease.interfaces import ITimeSource
from pdlease.lease import Binding, DelegatedPrefix, Lease, ReconfigureKey, StaleSubnet, UplinkRecord
from pdlease.stores.fields import (
    Damaged,
    read_flag,
    read_number,
    read_object,
    read_objects,
    read_optional_whole,
    read_text,
    read_time,
    read_whole,
    write_time,
)
from pdlease.wire.duid import DUID

VERSION = 1
"""The version of both kinds of documents.  Keys may be added to a version; one that changes meaning makes a new one."""


class Foreign(ValueError):
    """A document whose version this program does not know, such as that of a later pdlease."""


@frozen(kw_only=True)
class Clocks:
    """
    The clocks of the machine at one moment.

    @ivar boot: boot-clock second.
    @ivar wall: seconds since 1970 by the wall clock.
    @ivar boot_id: which boot that was.
    @ivar wall_trusted: whether the wall clock could be believed.
    """

    boot: float
    wall: float
    boot_id: str
    wall_trusted: bool

    @classmethod
    def read(cls, times: ITimeSource) -> Clocks:
        """The clocks as they stand now."""
        return cls(boot=times.boot(), wall=times.wall(), boot_id=times.boot_id(), wall_trusted=times.wall_is_trusted())


def elapsed(stored: Clocks, now: Clocks) -> tuple[float, bool]:
    """
    How much time went by since a record was stored (R-12-06).

    Within one boot the boot clock alone decides.  After another boot the wall clock does, if it could be trusted both
    then and now and did not go backwards; whatever it says, at least the time since this boot went by.

    @return: seconds, and whether that is known rather than the least it can be.
    """
    if stored.boot_id == now.boot_id:
        passed = now.boot - stored.boot
        # A boot clock that ran backwards within one boot happens to a time namespace with another offset.
        return (passed, True) if passed >= 0 else (0.0, False)
    passed = now.wall - stored.wall
    if stored.wall_trusted and now.wall_trusted and passed >= 0:
        return max(passed, now.boot), True
    return max(now.boot, 0.0), False


def dump_identity(identity: Identity) -> bytes:
    """The document of an identity."""
    return _document(
        "identity",
        {
            "duid": str(identity.duid),
            "iaids": [
                {
                    "uplink": known.uplink,
                    "delegation": known.delegation,
                    "iaid": known.iaid,
                    "links": " ".join(known.links),
                }
                for known in identity.iaids
            ],
            "asked": identity.asked,
            "duids": [
                {"uplink": known.uplink, "duid": str(known.duid), "asked": known.asked} for known in identity.duids
            ],
            "subnets": [asdict(known) for known in identity.subnets],
        },
    )


def load_identity(data: bytes) -> Identity:
    """
    Read the document of an identity.

    @raise Damaged: see there.
    @raise Foreign: see there.
    """
    body = _body("identity", data)
    try:
        return Identity(
            duid=DUID(bytes.fromhex(read_text(body, "duid"))),
            iaids=tuple(
                KnownIAID(
                    uplink=read_text(one, "uplink"),
                    delegation=read_text(one, "delegation"),
                    iaid=read_whole(one, "iaid"),
                    links=tuple(read_text(one, "links", "").split()),
                )
                for one in read_objects(body, "iaids")
            ),
            asked=read_text(body, "asked", ""),
            duids=tuple(
                KnownDUID(
                    uplink=read_text(one, "uplink"),
                    duid=DUID(bytes.fromhex(read_text(one, "duid"))),
                    asked=read_text(one, "asked"),
                )
                for one in read_objects(body, "duids", ())
            ),
            subnets=tuple(
                KnownSubnet(
                    guest=read_text(one, "guest"),
                    nic=read_whole(one, "nic"),
                    uplink=read_text(one, "uplink"),
                    delegation=read_text(one, "delegation"),
                    number=read_whole(one, "number"),
                )
                for one in read_objects(body, "subnets", ())
            ),
        )
    except Damaged:
        raise
    except ValueError as error:
        raise Damaged(str(error)) from error


def dump_uplink(name: str, record: UplinkRecord, now: Clocks) -> bytes:
    """
    The document of what is remembered of an uplink.

    @param now: the clocks; for a record that is not trusted they say so, since its times are only an upper bound.
    """
    lease = record.lease
    return _document(
        "uplink",
        {
            "name": name,
            "clocks": {
                "boot": now.boot,
                "wall": now.wall,
                "boot_id": now.boot_id,
                "wall_trusted": now.wall_trusted,
            },
            "trusted": record.trusted,
            "sol_max_rt": record.sol_max_rt,
            "inf_max_rt": record.inf_max_rt,
            "max_rt_server": None if record.max_rt_server is None else str(record.max_rt_server),
            "server": None if lease.server is None else str(lease.server),
            "bindings": [_binding_out(binding) for binding in lease.bindings],
            "former": [{"iaid": iaid, "prefix": str(prefix)} for iaid, prefix in record.former],
            "key": None if record.key is None else _key_out(record.key),
            "stale": [{"link": one.link, "subnet": str(one.subnet), "until": one.until} for one in record.stale],
        },
    )


def load_uplink(data: bytes, now: Clocks) -> tuple[str, UplinkRecord]:
    """
    Read the document of an uplink, its times converted to this boot; prefixes that ended meanwhile are left out, and
    remembered as lost where an association has no other (R-8168-02).

    @return: the uplink's name and what is remembered of it.
    @raise Damaged: see there.
    @raise Foreign: see there.
    """
    body = _body("uplink", data)
    try:
        clocks = read_object(body, "clocks")
        stored = Clocks(
            boot=read_number(clocks, "boot"),
            wall=read_number(clocks, "wall"),
            boot_id=read_text(clocks, "boot_id"),
            wall_trusted=read_flag(clocks, "wall_trusted"),
        )
        passed, known = elapsed(stored, now)
        shift = 0.0 if known and stored.boot_id == now.boot_id else now.boot - passed - stored.boot
        lease = Lease(
            bindings=tuple(_binding_in(one, shift) for one in read_objects(body, "bindings")),
            server=_duid_in(body, "server"),
        )
        left = lease.without_expired(now.boot)
        former = [
            (read_whole(one, "iaid"), IPv6Network(read_text(one, "prefix"))) for one in read_objects(body, "former", ())
        ]
        former += [
            (binding.iaid, held.prefix)
            for binding in lease.bindings
            if not left.holds(binding.iaid)
            for held in binding.prefixes
            if held.valid_until <= now.boot
        ]
        return read_text(body, "name"), UplinkRecord(
            lease=left,
            sol_max_rt=read_optional_whole(body, "sol_max_rt"),
            inf_max_rt=read_optional_whole(body, "inf_max_rt"),
            max_rt_server=_duid_in(body, "max_rt_server"),
            trusted=known and read_flag(body, "trusted"),
            key=None if body.get("key") is None else _key_in(read_object(body, "key")),
            former=tuple(dict.fromkeys(former)),
            stale=tuple(
                stale for one in read_objects(body, "stale", ()) if (stale := _stale_in(one, shift)).until > now.boot
            ),
        )
    except Damaged:
        raise
    except ValueError as error:
        raise Damaged(str(error)) from error


def _duid_in(body: Mapping[str, object], name: str) -> DUID | None:
    """A DUID that may be missing."""
    return None if body.get(name) is None else DUID(bytes.fromhex(read_text(body, name)))


def worth_writing(stored: UplinkRecord, new: UplinkRecord, since: float, now: float) -> bool:
    """
    Whether a record says something that the stored one does not say well enough (design 18).

    Not worth it is only a plain renewal: same prefixes from the same server, nothing shorter than stored, less than
    L{QUIET} seconds after the last writing, with at least half of every lifetime still on disk.  What a crash then
    restores ends earlier than it might, never later.

    @param since: boot-clock second of the last writing.
    @param now: boot-clock second.
    """
    if now - since >= QUIET or _outline(stored) != _outline(new):
        return True
    return any(
        fresh.valid_until < old.valid_until
        or fresh.preferred_until < old.preferred_until
        or old.valid_until - now < (fresh.valid_until - now) / 2
        or old.preferred_until - now < (fresh.preferred_until - now) / 2
        for old, fresh in zip(stored.lease.prefixes, new.lease.prefixes, strict=True)
    )


QUIET = 300.0
"""Seconds within which a plain renewal is not written again; see L{worth_writing}."""


def _outline(record: UplinkRecord) -> UplinkRecord:
    """A record without what a plain renewal changes: finite times become 0, order of mention stays."""
    return evolve(
        record,
        lease=evolve(
            record.lease,
            bindings=tuple(
                evolve(
                    binding,
                    t1_at=_finite_as_zero(binding.t1_at),
                    t2_at=_finite_as_zero(binding.t2_at),
                    received_at=0.0,
                    prefixes=tuple(
                        evolve(
                            prefix,
                            preferred_until=_finite_as_zero(prefix.preferred_until),
                            valid_until=_finite_as_zero(prefix.valid_until),
                            mentioned_at=float(prefix.mentioned_at >= binding.received_at),
                        )
                        for prefix in binding.prefixes
                    ),
                )
                for binding in record.lease.bindings
            ),
        ),
    )


def _finite_as_zero(time: float) -> float:
    """0 for any moment, C{inf} for never."""
    return 0.0 if isfinite(time) else time


def _document(kind: str, body: Mapping[str, object]) -> bytes:
    """Head line and body; JSON without NaN and infinities, which are no JSON."""
    text = json.dumps(body, indent=1, allow_nan=False).encode() + b"\n"
    return _head(kind, VERSION, text) + text


def _head(kind: str, version: int, text: bytes) -> bytes:
    """The head line of a document: what it is and the checksum of that and the rest."""
    title = f"pdlease {kind} {version}".encode()
    return title + f" {crc32(text, crc32(title)):08x}\n".encode()


def _body(kind: str, data: bytes) -> Mapping[str, object]:
    """
    The checked JSON object of a document.

    @raise Damaged: see there.
    @raise Foreign: see there.
    """
    head, _, text = data.partition(b"\n")
    words = head.split(b" ")
    if words[:2] != [b"pdlease", kind.encode()] or len(words) != 4 or not words[2].isdigit() or len(words[2]) > 9:
        raise Damaged(f"it does not begin like a pdlease {kind} file")
    version = int(words[2])
    if head + b"\n" != _head(kind, version, text):
        raise Damaged("its checksum is wrong")
    if version != VERSION:
        raise Foreign(f"it has version {version}, this program knows version {VERSION}")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"its JSON cannot be read: {error}") from error
    if not isinstance(body, dict):
        raise Damaged("it holds no JSON object")
    return body


def _key_out(key: ReconfigureKey) -> Mapping[str, object]:
    """A key of Reconfigure as plain data (R-20-01)."""
    return {"server": str(key.server), "secret": key.secret.hex(), "replay": key.replay}


def _key_in(one: Mapping[str, object]) -> ReconfigureKey:
    """A key of Reconfigure from plain data."""
    secret, replay = bytes.fromhex(read_text(one, "secret")), one.get("replay")
    if len(secret) != 16 or isinstance(replay, bool) or not isinstance(replay, int) or not 0 <= replay < 2**64:
        raise Damaged("key is no key of Reconfigure")
    return ReconfigureKey(server=DUID(bytes.fromhex(read_text(one, "server"))), secret=secret, replay=replay)


def _stale_in(one: Mapping[str, object], shift: float) -> StaleSubnet:
    """A stale subnet from plain data, its time moved by C{shift} seconds."""
    return StaleSubnet(
        link=read_text(one, "link"),
        subnet=IPv6Network(read_text(one, "subnet")),
        until=read_number(one, "until") + shift,
    )


def _binding_out(binding: Binding) -> Mapping[str, object]:
    """One binding as plain data; C{null} stands for never."""
    return {
        "iaid": binding.iaid,
        "t1_at": write_time(binding.t1_at),
        "t2_at": write_time(binding.t2_at),
        "received_at": binding.received_at,
        "prefixes": [
            {
                "prefix": str(prefix.prefix),
                "preferred_until": write_time(prefix.preferred_until),
                "valid_until": write_time(prefix.valid_until),
                "mentioned_at": prefix.mentioned_at,
                "server": str(prefix.server),
                "excluded": None if prefix.excluded is None else str(prefix.excluded),
            }
            for prefix in binding.prefixes
        ],
    }


def _binding_in(one: Mapping[str, object], shift: float) -> Binding:
    """One binding from plain data, every time moved by C{shift} seconds."""
    return Binding(
        iaid=read_whole(one, "iaid"),
        t1_at=read_time(one, "t1_at") + shift,
        t2_at=read_time(one, "t2_at") + shift,
        received_at=read_number(one, "received_at") + shift,
        prefixes=tuple(
            DelegatedPrefix(
                prefix=IPv6Network(read_text(entry, "prefix")),
                preferred_until=read_time(entry, "preferred_until") + shift,
                valid_until=read_time(entry, "valid_until") + shift,
                mentioned_at=read_number(entry, "mentioned_at") + shift,
                server=DUID(bytes.fromhex(read_text(entry, "server"))),
                excluded=None if entry.get("excluded") is None else IPv6Network(read_text(entry, "excluded")),
            )
            for entry in read_objects(one, "prefixes")
        ),
    )
