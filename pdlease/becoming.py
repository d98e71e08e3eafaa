"""
Becoming another client on purpose, with the daemon down: C{pdleasectl identity renew} and C{... import}.

Both change what the lease store holds, under the lock of the state folder, so that a running daemon refuses them.  What
other clients' files say is L{pdlease.migrate}; which identity a configuration asks for is L{pdlease.identification}.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from pdlease.asking import numbered
from pdlease.clock import SystemTimes
from pdlease.config.duidform import parse_form
from pdlease.config.load import load
from pdlease.config.model import Config, IdentitySettings, Uplink
from pdlease.identification import identified, strangers
from pdlease.identity import Identity, KnownDUID, KnownIAID, NoLinkAddress
from pdlease.instance import AlreadyRunning, Instance
from pdlease.interfaces import ILeaseStore, StoreContext, Stored, StoreError
from pdlease.lease import Lease, UplinkRecord
from pdlease.migrate.found import Association, Files, Found, NothingFound
from pdlease.places import CannotStart, account, hand_over, make_folder
from pdlease.providers import NoSuchProvider, resolve

Document = dict[str, Any]

CLIENTS = {
    "dhcpcd": "dhcpcd",
    "networkd": "networkd",
    "wide": "wide",
    "odhcp6c": "odhcp6c",
    "dhclient": "dhclient",
    "dhcp6leased": "leased",
}
"""The clients that can be followed, and the module of L{pdlease.migrate} for each."""

_One = TypeVar("_One")


class Refused(Exception):
    """What was asked for cannot be; the text is a sentence for the operator."""


@frozen
class _Place:
    """
    The store of a configuration, which nobody else uses meanwhile.

    @ivar config: the configuration.
    @ivar store: the store.
    @ivar stored: what it holds.
    """

    config: Config
    store: ILeaseStore
    stored: Stored

    def become(self, identity: Identity, others: Iterable[str] = ()) -> tuple[str, ...]:
        """
        Keep an identity, after what belongs to the one before is forgotten (R-11-10).

        @param others: further uplinks to forget.
        @return: the uplinks that were forgotten.
        """
        held = tuple(name for name, _ in self.stored.uplinks)
        changed = {*strangers(self.stored.identity, identity, held), *others}
        forgotten = tuple(name for name in held if name in changed)
        for name in forgotten:
            _now(self.store.forget_uplink(name))
        _now(self.store.save_identity(identity))
        return forgotten


def _now(asked: Deferred[_One]) -> _One:
    """What a store answers at once; without a reactor there is no later."""
    answers: list[_One | Failure] = []
    asked.addBoth(answers.append)
    if not answers:
        raise Refused("this store answers only while the daemon runs: what it keeps cannot be changed from here")
    (answer,) = answers
    if isinstance(answer, Failure):
        answer.raiseException()
    return answer


@contextmanager
def _place(path: str) -> Iterator[_Place]:
    """
    Open the store of a configuration file, locked.

    @raise ConfigErrors: when the file is wrong.
    @raise OSError: when it cannot be read.
    @raise Refused: for everything else.
    """
    with open(path, "rb") as file:
        config = load(file.read(), path)
    settings = config.daemon
    if settings.store.partition(":")[0] == "memory":
        raise Refused('store = "memory" keeps no identity')
    instance = Instance()
    try:
        owner = account(settings.user)
        make_folder(settings.state, 0o700, owner)
        instance.hold_state(settings.state)
        try:
            store = resolve("store", settings.store, StoreContext(state=settings.state, times=SystemTimes()))
            yield _Place(config, store, _now(store.load()))
        finally:
            hand_over(settings.state, owner)
    except (AlreadyRunning, CannotStart, StoreError, NoSuchProvider, NothingFound, NoLinkAddress) as problem:
        raise Refused(str(problem)) from None
    finally:
        instance.close()


def renew(path: str, files: Files | None = None) -> Document:
    """
    Make a new DUID of the kind that the configuration asks for, and new ones for uplinks that have their own; forget
    what the old ones were given (R-11-10).

    @param path: the configuration file.
    @return: a document as the schema C{becoming} has it.
    @raise Refused: when the daemon runs, there is no identity yet, or the DUID could not be another one.
    """
    machine = files or Files()
    with _place(path) as place:
        kept = place.stored.identity
        if kept is None:
            raise Refused("there is no identity yet: the daemon makes one when it starts")
        fresh = identified(
            # made for no kind that there is, so that none is kept
            evolve(kept, asked="none", duids=()),
            place.config,
            octets=os.urandom,
            link_address=machine.link_address,
            wall=SystemTimes().wall(),
        )
        if fresh.duid == kept.duid:
            raise Refused(
                f'identity.duid = "{place.config.identity.duid}" makes the same DUID again: change it there, and the '
                "daemon will be another client when it is started next"
            )
        same = [entry.uplink for entry in fresh.duids if kept.duid_of(entry.uplink) == entry.duid]
        forgotten = place.become(fresh)
    remarks = [f"{name} keeps its own DUID, which the configuration makes the same again" for name in same]
    return _document(kept, fresh, forgotten, remarks)


def take_over(
    path: str, client: str, source: str | None = None, uplink: str | None = None, files: Files | None = None
) -> Document:
    """
    Go on as another client, which ran on the link of an uplink before: its DUID, and its IAIDs for the delegations in
    file order.  The prefixes that it held are asked for by name.

    @param path: the configuration file.
    @param client: one of L{CLIENTS}.
    @param source: its file, where that is not in its usual place.
    @param uplink: the uplink; it may be left out where there is only one.
    @return: a document as the schema C{becoming} has it.
    @raise Refused: when the daemon runs, nothing is found, or the configuration rules it out.
    """
    machine = files or Files()
    with _place(path) as place:
        chosen = _chosen(place.config, uplink)
        found = _reader(client)(machine, chosen.link, source)
        kept = place.stored.identity
        base = kept or identified(
            None,
            evolve(place.config, identity=IdentitySettings()),
            octets=os.urandom,
            link_address=machine.link_address,
            wall=SystemTimes().wall(),
        )
        identity = _with_duid(base, place.config, chosen, found)
        identity, remarks = _with_iaids(identity, place.config, chosen, found)
        forgotten = place.become(identity, (chosen.name,))
        former = tuple((one.iaid, prefix) for one in found.associations for prefix in one.prefixes)
        if former:
            _now(place.store.save_uplink(chosen.name, UplinkRecord(lease=Lease(), former=former)))
    return _document(kept, identity, forgotten, [*found.remarks, *remarks], found)


def _reader(client: str) -> Callable[[Files, str, str | None], Found]:
    """What reads a client's files."""
    reader: Callable[[Files, str, str | None], Found] = import_module(f"pdlease.migrate.{CLIENTS[client]}").read
    return reader


def _chosen(config: Config, name: str | None) -> Uplink:
    """The uplink that is meant."""
    names = ", ".join(uplink.name for uplink in config.uplinks) or "none"
    if name is None:
        if len(config.uplinks) != 1:
            raise Refused(f"say with --uplink which one the other client ran on; there are {names}")
        return config.uplinks[0]
    found = config.uplink(name)
    if found is None:
        raise Refused(f"there is no uplink {name}; there are {names}")
    return found


def _with_duid(base: Identity, config: Config, uplink: Uplink, found: Found) -> Identity:
    """The identity with the DUID that was found, for the uplink alone where that has its own."""
    text = uplink.duid or config.identity.duid
    form = parse_form(text)
    where = f"uplinks.{uplink.name}.duid" if uplink.duid else "identity.duid"
    if form.kind in ("raw", "en"):
        written = form.data if form.kind == "raw" else None
        if written != found.duid.data:
            raise Refused(f'{where} = "{text}" leaves no choice: take it out, or write "raw:{found.duid}" there')
    if not uplink.duid:
        return evolve(base, duid=found.duid, asked=form.kind)
    own = KnownDUID(uplink=uplink.name, duid=found.duid, asked=form.kind)
    others = tuple(entry for entry in base.duids if entry.uplink != uplink.name)
    return evolve(base, duids=tuple(sorted((*others, own), key=lambda entry: entry.uplink)))


def _with_iaids(identity: Identity, config: Config, uplink: Uplink, found: Found) -> tuple[Identity, list[str]]:
    """The identity with the IAIDs that were found, each for a delegation of the uplink, and what is to be said."""
    pairs = list(zip(uplink.delegations, found.associations, strict=False))
    given = {(uplink.name, entry.key): one.iaid for entry, one in pairs}
    numbers = set(given.values())
    others = tuple(
        entry for entry in identity.iaids if (entry.uplink, entry.delegation) not in given and entry.iaid not in numbers
    )
    known = (*others, *(KnownIAID(uplink=name, delegation=key, iaid=iaid) for (name, key), iaid in given.items()))
    changed, chosen = numbered(evolve(identity, iaids=known), config)
    remarks = []
    for (name, key), iaid in given.items():
        if chosen[name, key] != iaid:
            remarks.append(
                f"delegation {key} of {name} has IAID {chosen[name, key]} by the configuration, and the other client "
                f"used {iaid}: write iaid = {iaid} there, or servers may give another prefix"
            )
    for entry in uplink.delegations[len(pairs) :]:
        remarks.append(f"delegation {entry.key} of {uplink.name} has no IAID of the other client")
    remarks += [_unused(one, uplink) for one in found.associations[len(pairs) :]]
    for known_one in identity.iaids:
        place = (known_one.uplink, known_one.delegation)
        if place in chosen and place not in given and chosen[place] != known_one.iaid:
            remarks.append(f"delegation {place[1]} of {place[0]} gets another IAID: {chosen[place]}")
    return changed, remarks


def _unused(one: Association, uplink: Uplink) -> str:
    """The sentence on an association that has no delegation."""
    held = " and held " + ", ".join(map(str, one.prefixes)) if one.prefixes else ""
    return f"the other client used IAID {one.iaid} as well{held}: there is no delegation of {uplink.name} for it"


def _document(
    before: Identity | None,
    after: Identity,
    forgotten: tuple[str, ...],
    remarks: list[str],
    found: Found | None = None,
) -> Document:
    """What was done."""
    return {
        "schema": 1,
        "duid": str(after.duid),
        "earlier": None if before is None else str(before.duid),
        "uplinks": {entry.uplink: str(entry.duid) for entry in after.duids},
        "iaids": [
            {"uplink": entry.uplink, "delegation": entry.delegation, "iaid": entry.iaid} for entry in after.iaids
        ],
        "prefixes": [str(prefix) for one in (found.associations if found else ()) for prefix in one.prefixes],
        "files": list(found.files if found else ()),
        "forgotten": list(forgotten),
        "remarks": remarks,
    }
