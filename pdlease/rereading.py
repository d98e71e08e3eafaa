"""
A configuration that is read again while the daemon runs: what it would change, and what speaks against it.

Nothing is changed here; L{pdlease.service} puts in place what comes out.  Which settings a running daemon can take over
is L{pdlease.config.compare}, what the uplinks would do L{pdlease.foresight}.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EINVAL, EPERM
from typing import Any

from attrs import frozen

from pdlease.asking import numbered
from pdlease.config import model
from pdlease.config.compare import changed_tables, restart_needed
from pdlease.config.errors import ConfigErrors
from pdlease.config.load import load
from pdlease.control.access import Access, Renewal
from pdlease.control.peers import ControlSocketError
from pdlease.identification import unclaimed
from pdlease.identity import IAIDs, Identity
from pdlease.interfaces import IPrivilege, Misconfigured, Refused
from pdlease.operations import PrivilegeError
from pdlease.places import CannotStart
from pdlease.router import Router


@frozen(kw_only=True)
class Reading:
    """
    What was read, with nothing against it.

    @ivar source: the bytes of the file.
    @ivar config: what they say.
    @ivar identity: who the client would be.
    @ivar iaids: the IAIDs in use then.
    @ivar access: who might do what on the control channel then.
    @ivar changed: names of uplinks, switches, guests and more, by what would become of them.
    @ivar operations: what would be done, in words.
    @ivar warnings: what is allowed and probably not meant, in words.
    """

    source: bytes
    config: model.Config
    identity: Identity
    iaids: IAIDs
    access: Renewal
    changed: dict[str, list[str]]
    operations: tuple[str, ...]
    warnings: tuple[str, ...]

    def document(self, dry_run: bool) -> dict[str, Any]:
        """What is answered to whoever asked for it."""
        return {
            "schema": 1,
            "changed": self.changed,
            "operations": list(self.operations),
            "warnings": list(self.warnings),
            "dry_run": dry_run,
        }


async def read_again(
    privilege: IPrivilege,
    path: str,
    router: Router,
    access: Access,
    identified: Callable[[model.Config], Identity],
) -> Reading:
    """
    Read the configuration again, through the provider, and judge it.

    @param path: of the file; its name tells its form.
    @param router: has the configuration in force.
    @param access: who may do what on the control channel.
    @param identified: makes of a configuration who the client is by it; raises L{CannotStart}.
    @raise Misconfigured: when the file is wrong, or others may write it.
    @raise Refused: when it asks for what only a restart can do, or for what cannot be had here.
    """
    try:
        source = await privilege.reload()
        config = load(source, path)
    except PrivilegeError as problem:
        # EINVAL, EPERM: what the file says, or who may write it
        raise (Misconfigured if problem.errno in (EINVAL, EPERM) else Refused)(str(problem)) from None
    except ConfigErrors as problems:
        raise Misconfigured(str(problems)) from None
    frozen_settings = restart_needed(router.config, config)
    if frozen_settings:
        raise Refused(f"only a restart can change {', '.join(frozen_settings)}")
    changed = changed_tables(router.config, config)
    try:
        renewal = access.renew(config)
        changed["replaced"] += renewal.changed
        identity, iaids = numbered(identified(config), config)
        router.hosting.check(config)
    except (CannotStart, ControlSocketError) as problem:
        raise Refused(str(problem)) from None
    return Reading(
        source=source,
        config=config,
        identity=identity,
        iaids=iaids,
        access=renewal,
        changed=changed,
        operations=tuple(router.foresee(config, iaids, lambda uplink: identity.duid_of(uplink.name))),
        warnings=(
            *unclaimed({name: one.session.lease for name, one in router.uplinks.items()}, iaids),
            *filter(None, (config.remote_problem,)),
        ),
    )
