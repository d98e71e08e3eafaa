"""
What a configuration that is only looked at would make of who this client is: warnings of C{pdleasectl check}.

Nothing is locked, made or mended here; what cannot be read is not spoken of.  Who a client is under a configuration is
L{pdlease.identification}; what a running daemon would do is L{pdlease.foresight}.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from pdlease.asking import numbered
from pdlease.clock import SystemTimes
from pdlease.config.model import Config
from pdlease.config.reading import joined
from pdlease.identification import identified, strangers, unclaimed
from pdlease.identity import Identity, NoLinkAddress
from pdlease.lease import Lease
from pdlease.migrate.found import Files
from pdlease.stores.fields import Damaged
from pdlease.stores.file import IDENTITY, file_name
from pdlease.stores.serial import Clocks, Foreign, load_identity, load_uplink


def forewarnings(config: Config, files: Files | None = None) -> tuple[tuple[str, str], ...]:
    """
    What servers would take this client for under a configuration, where that is another one than now.

    @return: dotted path and sentence of each warning; none where nothing is kept, or only others may read it.
    """
    kept = _kept(config)
    return () if kept is None else tuple(_warnings(config, kept, files or Files()))


def _kept(config: Config) -> Identity | None:
    """The identity in the state folder, if it can be read."""
    if config.daemon.store.partition(":")[0] != "file":
        return None
    try:
        with open(os.path.join(config.daemon.state, IDENTITY), "rb") as file:
            return load_identity(file.read())
    except (OSError, Damaged, Foreign):
        return None


def _lease(config: Config, uplink: str, now: Clocks) -> Lease:
    """What is kept of the lease of an uplink."""
    try:
        with open(os.path.join(config.daemon.state, file_name(uplink)), "rb") as file:
            return load_uplink(file.read(), now)[1].lease
    except (OSError, Damaged, Foreign):
        return Lease()


def _warnings(config: Config, kept: Identity, machine: Files) -> Iterator[tuple[str, str]]:
    times = SystemTimes()
    try:
        identity, iaids = numbered(
            identified(kept, config, octets=os.urandom, link_address=machine.link_address, wall=times.wall()), config
        )
    except NoLinkAddress as problem:
        yield "identity.duid", f"the daemon would not start now: {problem}"
        return
    names = tuple(uplink.name for uplink in config.uplinks)
    others = strangers(kept, identity, names)
    for name in others:
        known = any(entry.uplink == name for entry in kept.duids) or config.uplinks[names.index(name)].duid
        path = joined(joined("uplinks", name), "duid") if known else "identity.duid"
        yield path, f"servers will see another client on {name} than {kept.duid_of(name)}, and give other prefixes"
    clocks = Clocks.read(times)
    for sentence in unclaimed({name: _lease(config, name, clocks) for name in names if name not in others}, iaids):
        yield "uplinks", sentence
