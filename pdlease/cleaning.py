"""
Removing all that is ours from the kernel, with the daemon dead: C{pdleasectl cleanup}.

What is ours is what the ledger says (L{pdlease.ledger}); how it is removed, and settings put back, is the applier's
usual work for uplinks that are no longer configured (L{pdlease.applier}).  Leases and identity stay on disk.
"""

from __future__ import annotations

import os
from typing import Any

from attrs import evolve
from twisted.internet.defer import ensureDeferred
from twisted.internet.epollreactor import EPollReactor
from twisted.python.failure import Failure

from pdlease.applier import Applier
from pdlease.belief import shown
from pdlease.config.load import load
from pdlease.config.model import Config
from pdlease.instance import Instance
from pdlease.interfaces import PrivilegeContext
from pdlease.ledger import Ledger, Owned, OwnedAddress, OwnedSetting
from pdlease.machine import Machine
from pdlease.places import CannotStart


def cleanup(path: str, machine: Machine | None = None) -> tuple[str, ...]:
    """
    Remove every address and route of ours, and put back what was set.

    @param path: the configuration file, for the state folder and our marks.
    @param machine: what to work on, by default this machine with a reactor of its own.
    @return: what was there and was removed, a line each.
    @raise ConfigErrors: when the file is wrong.
    @raise AlreadyRunning: when the daemon is alive.
    @raise CannotStart: when something could not be removed, or there is no state folder.
    @raise PrivilegeError: when this process may not change the kernel.
    @raise OSError: when a file cannot be read.
    """
    with open(path, "rb") as file:
        config = load(file.read(), path)
    if not os.path.isdir(config.daemon.state):
        raise CannotStart(f"there is no state folder {config.daemon.state}, so nothing is known to be ours")
    instance = Instance()
    instance.hold_state(config.daemon.state)
    machine = machine if machine is not None else Machine(EPollReactor())
    outcome: list[Any] = []

    def over(result: Any) -> None:
        outcome.append(result)
        machine.reactor.stop()

    machine.reactor.callWhenRunning(lambda: ensureDeferred(_remove(machine, config, path)).addBoth(over))
    try:
        machine.reactor.run(installSignalHandlers=False)
    finally:
        instance.close()
    (result,) = outcome
    if isinstance(result, Failure):
        result.raiseException()
    removed: tuple[str, ...] = result
    return removed


async def _remove(machine: Machine, config: Config, path: str) -> tuple[str, ...]:
    """The removal itself, by this process's own privilege."""
    clock, times = machine.clock(), machine.times()
    context = PrivilegeContext(
        reactor=machine.reactor,
        configuration_path=path,
        configuration=evolve(config, daemon=evolve(config.daemon, privileges="inprocess")),
        ended=lambda sentence: None,
    )
    privilege = machine.privilege("inprocess", context)
    await privilege.start()
    protocol = config.daemon.route_protocol
    watch = machine.watch(clock, await privilege.open_route_socket(), protocol)
    await watch.start()
    ledger = Ledger(os.path.join(config.daemon.state, "ledger"), boot=times.boot_id())
    # of what the ledger names some may be gone already, and all of it in another network namespace than the daemon's
    ours = [
        sentence(entry)
        for key, entry in ledger.entries.items()
        if isinstance(entry, OwnedSetting) or shown(watch, key) is not None
    ]
    left: tuple[str, ...] = ()
    if ours:
        applier = Applier(clock, privilege, ledger, watch, lambda: None, protocol=protocol)
        left = await applier.cleanup()
        applier.stop()
    # With nothing of it here this may be the wrong network namespace: the ledger keeps what it knows for the right one.
    watch.stop()
    await privilege.stop()
    if left:
        raise CannotStart("; ".join(left))
    return tuple(ours)


def sentence(entry: Owned) -> str:
    """An entry of the ledger in words, for the list of what was removed."""
    if isinstance(entry, OwnedAddress):
        return f"address {entry.address} on {entry.link}"
    if isinstance(entry, OwnedSetting):
        return f"{entry.setting} of {entry.link}, back to what it was"
    where = "unreachable" if entry.index is None else f"on {entry.link}"
    return f"route {entry.prefix} {where}"
