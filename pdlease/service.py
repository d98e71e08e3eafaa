"""
The daemon as twistd runs it: in which order it starts, what it gives up on the way, how it ends.

The order is design decision 6: as root the locks, the state folder, the helper and the control socket; then the routing
socket and the first Solicits; then everything that is still to be imported, the change of user and the sandbox; only
then the first datagram and the first control connection are read.

What runs then is L{pdlease.router}; what operators are answered is L{pdlease.desk}; who finds providers by name,
L{pdlease.providers}.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.python.failure import Failure

from pdlease.config import model
from pdlease.config.errors import ConfigErrors
from pdlease.instance import AlreadyRunning, Instance
from pdlease.logs import Logger
from pdlease.places import CannotStart, account, hand_over, make_folder

if TYPE_CHECKING:
    from socket import socket

    from pdlease.control.server import ControlService
    from pdlease.desk import Desk
    from pdlease.identity import Identity
    from pdlease.netlink.links import LinkWatch
    from pdlease.router import Router
    from pdlease.wire.duid import DUID


class Daemon(Service):
    """
    The whole daemon as one Twisted service.

    @ivar config: the configuration in force.
    @ivar path: absolute path of its file.
    """

    log = Logger()

    def __init__(
        self, config: model.Config, path: str, source: bytes, reactor: Any, end: Callable[[int], None]
    ) -> None:
        """
        @param source: the bytes that C{config} was read from.
        @param reactor: the reactor that twistd runs.
        @param end: ends the process with a status, at once when the reactor is not running.
        """
        self.config = config
        self.path = path
        self.router: Router | None = None
        self.desk: Desk | None = None
        self.sandbox = "not yet closed"
        self._source = source
        self._reactor = reactor
        self._end = end
        self._instance = Instance()
        self._watch: LinkWatch | None = None
        self._control: ControlService | None = None
        self._ending = False

    # As root.

    def privilegedStartService(self) -> None:
        """
        What only root can do, before the reactor runs.

        @raise SystemExit: with status 1 and one sentence on standard error when the daemon cannot start.
        """
        try:
            self._claim()
        except (CannotStart, AlreadyRunning) as problem:
            self._instance.close()
            print(f"pdlease: {problem}", file=sys.stderr)
            raise SystemExit(1) from None
        Service.privilegedStartService(self)

    def _claim(self) -> None:
        """Take locks, make folders, start the helper, open the control socket."""
        from pdlease.clock import BootClock, SystemTimes
        from pdlease.interfaces import PrivilegeContext, StoreContext
        from pdlease.providers import NoSuchProvider, resolve

        settings = self.config.daemon
        self._owner = account(settings.user)
        account(settings.helper_user)
        make_folder(settings.state, 0o700, self._owner)
        make_folder(os.path.dirname(settings.control), 0o755, self._owner)
        try:
            self._instance.hold_state(settings.state)
        except OSError as problem:
            raise CannotStart(f"{settings.state}: {problem.strerror}") from None
        self._instance.hold_uplinks(uplink.link for uplink in self.config.uplinks)
        self._clock = BootClock(self._reactor)
        self._times = SystemTimes()
        context = PrivilegeContext(
            reactor=self._reactor,
            configuration_path=self.path,
            configuration=self.config,
            ended=self._helper_ended,
        )
        try:
            self._privilege = resolve("privileges", settings.privileges, context)
            self._helper_ready = self._privilege.start()
            self._store = resolve("store", settings.store, StoreContext(state=settings.state, times=self._times))
        except (NoSuchProvider, ValueError) as problem:
            raise CannotStart(str(problem)) from None

        from pdlease.control.peers import ControlSocketError, resolve_roles
        from pdlease.control.server import listen_socket

        try:
            self._listening: socket = listen_socket(settings.control, settings.control_group)
            self._roles = resolve_roles(settings.control_group)
        except ControlSocketError as problem:
            raise CannotStart(str(problem)) from None

    # With the reactor.

    def startService(self) -> None:
        """Begin; what goes wrong from here on ends the process with status 1 and one sentence."""
        Service.startService(self)
        self._reactor.callWhenRunning(lambda: ensureDeferred(self._start()).addErrback(self._not_started))

    async def _start(self) -> None:
        """From the helper's first word to the closed sandbox."""
        from pdlease.applier import Applier
        from pdlease.desk import Desk, Journal
        from pdlease.ledger import Ledger
        from pdlease.netlink.links import LinkWatch
        from pdlease.procfs import port_holder
        from pdlease.router import Means, Router, numbered
        from pdlease.sources import chance

        settings = self.config.daemon
        stored = await self._store.load()
        for remark in stored.remarks:
            self.log.warn("{remark}", remark=remark)
        await self._take_configuration()
        route_socket = await self._privilege.open_route_socket()
        self._watch = watch = LinkWatch(self._reactor, self._clock, route_socket, settings.route_protocol)
        await watch.start()
        self._identity, iaids = numbered(self._identity_of(stored.identity), self.config)
        if self._identity != stored.identity:
            # persisted before the first packet that bears it (design 18)
            await self._store.save_identity(self._identity)
        journal = Journal(self._times)
        ledger = Ledger(
            os.path.join(settings.state, "ledger"),
            boot=self._times.boot_id(),
            tell=lambda sentence: self.log.warn("{sentence}", sentence=sentence),
        )
        self._applier = applier = Applier(
            self._clock, self._privilege, ledger, watch, self._changed, protocol=settings.route_protocol
        )
        means = Means(
            clock=self._clock,
            reactor=self._reactor,
            privilege=self._privilege,
            store=self._store,
            table=watch,
            applier=applier,
            chance=chance(),
            port_holder=port_holder,
            told=journal.record,
        )
        self.router = Router(means, self.config, self._duid_of)
        self.desk = Desk(
            self.router,
            applier,
            journal,
            seconds=self._clock.seconds,
            sandbox=lambda: self.sandbox,
            who=lambda: self._identity,
            reload=self._reload,
            set_log_level=self._set_log_level,
        )
        self._clock.on_resume(lambda slept: self.router.resumed() if self.router is not None else None)
        watch.listen(self.router.links_changed)
        self.router.begin(iaids, dict(stored.uplinks))
        await self.router.attempted()
        ledger.prepare()
        self._close_sandbox()
        self.router.read()
        self._serve(self.desk)
        self.log.info("ready; sandbox: {sandbox}", sandbox=self.sandbox)

    async def _take_configuration(self) -> None:
        """
        Wait for the provider, and go by the configuration as it read it: daemon and policy never differ.

        @raise CannotStart: when it became another file since it was checked, one that is wrong.
        """
        from pdlease.config.notyet import runnable
        from pdlease.config.toml import parse
        from pdlease.operations import PrivilegeError

        try:
            source = await self._helper_ready
        except PrivilegeError as problem:
            raise CannotStart(str(problem)) from None
        if source != self._source:
            try:
                self.config, self._source = runnable(parse(source, self.path), self.path), source
            except ConfigErrors as problems:
                raise CannotStart(str(problems)) from None

    def _identity_of(self, kept: Identity | None) -> Identity:
        """
        The identity that the configuration asks for, the kept one wherever it fits.

        @raise CannotStart: when it cannot be made.
        """
        from attrs import evolve

        from pdlease.identity import Identity

        duid = self._duid(self.config.identity.duid, kept.duid if kept is not None else None)
        if kept is None:
            return Identity(duid=duid)
        if duid != kept.duid:
            self.log.warn(
                "the DUID changes from {old} to {new}: servers will see another client", old=kept.duid, new=duid
            )
        return evolve(kept, duid=duid)

    def _duid(self, text: str, kept: DUID | None) -> DUID:
        from pdlease.config.duidform import parse_form
        from pdlease.identity import NoLinkAddress, fitting_duid

        def link_address(name: str) -> tuple[int, bytes] | None:
            link = self._watch.link_named(name) if self._watch is not None else None
            return (link.hardware_type, link.link_layer_address) if link is not None else None

        try:
            return fitting_duid(
                parse_form(text), kept, octets=os.urandom, link_address=link_address, wall=self._times.wall()
            )
        except NoLinkAddress as problem:
            raise CannotStart(str(problem)) from None

    def _duid_of(self, uplink: model.Uplink) -> DUID:
        """The DUID of an uplink: its own where the configuration gives one (R-11-09)."""
        return self._duid(uplink.duid, self._identity.duid) if uplink.duid else self._identity.duid

    def _close_sandbox(self) -> None:
        """Import what is still to come, become the daemon's user, close the sandbox (design 10)."""
        from pdlease.latecomers import import_the_rest
        from pdlease.sandbox.daemon import enter
        from pdlease.sandbox.users import SandboxError

        settings = self.config.daemon
        hand_over(settings.state, self._owner)
        import_the_rest()
        try:
            # with the provider `inprocess` it is this process that reads the configuration again
            report = enter(settings, readable=(os.path.dirname(self.path),))
        except SandboxError as problem:
            raise CannotStart(str(problem)) from None
        self.sandbox = str(report)
        for remark in report.remarks:
            self.log.warn("the daemon: {remark}", remark=remark)

    def _serve(self, desk: Desk) -> None:
        """Answer operators, and SIGHUP."""
        from pdlease.control.server import ControlService

        signal.signal(signal.SIGHUP, lambda number, frame: self._reactor.callFromThread(self._hangup))
        self._control = ControlService(
            reactor=self._reactor,
            clock=self._clock,
            daemon=desk,
            listening=self._listening,
            path=self.config.daemon.control,
            roles=self._roles,
        )
        self._control.startService()

    # Reload.

    def _hangup(self) -> None:
        ensureDeferred(self._reload(False)).addErrback(
            lambda failure: self.log.error("reload: {problem}", problem=failure.getErrorMessage())
        )

    async def _reload(self, dry_run: bool) -> dict[str, Any]:
        """
        Read the configuration again, through the provider, and put it in place.

        @param dry_run: only tell what would change.
        @raise Refused: when the file is wrong or asks for what only a restart can do; nothing has changed then.
        """
        from pdlease.config.compare import changed_uplinks, restart_needed
        from pdlease.config.notyet import runnable
        from pdlease.config.toml import parse
        from pdlease.interfaces import Refused
        from pdlease.operations import PrivilegeError
        from pdlease.router import numbered

        assert self.router is not None
        try:
            source = self._read() if dry_run else await self._privilege.reload()
            config = runnable(parse(source, self.path), self.path)
        except PrivilegeError as problem:
            raise Refused(str(problem)) from None
        except OSError as problem:
            raise Refused(f"{self.path}: {problem.strerror}; `pdleasectl check` can tell as root") from None
        except ConfigErrors as problems:
            raise Refused(str(problems)) from None
        frozen = restart_needed(self.config, config)
        if frozen:
            raise Refused(f"only a restart can change {', '.join(frozen)}")
        difference = changed_uplinks(self.config, config)
        changed = {
            "added": list(difference.added),
            "removed": list(difference.removed),
            "replaced": list(difference.changed),
            "kept": list(difference.unchanged),
        }
        if not dry_run:
            try:
                self._instance.hold_uplinks(uplink.link for uplink in config.uplinks)
            except AlreadyRunning as problem:
                raise Refused(str(problem)) from None
            identity, iaids = numbered(self._identity, config)
            if identity != self._identity:
                await self._store.save_identity(identity)
                self._identity = identity
            self.config, self._source = config, source
            self.router.replace(config, iaids)
            self.log.info("configuration read again: {changed}", changed=changed)
        return {"schema": 1, "changed": changed, "dry_run": dry_run}

    def _read(self) -> bytes:
        """The configuration file, for a look; the provider reads it for use."""
        with open(self.path, "rb") as file:
            return file.read()

    # The end.

    def _changed(self) -> None:
        if self.desk is not None:
            self.desk.changed()

    def _set_log_level(self, level: str) -> None:
        from pdlease.logs import set_level

        set_level(level)

    def _helper_ended(self, sentence: str) -> None:
        """Without its helper the daemon is nothing: it ends, and leaves everything in place (design 7)."""
        if not self._ending:
            self.log.critical("{sentence}; ending, with addresses and routes left in place", sentence=sentence)
            self._end(1)

    def _not_started(self, failure: Failure) -> None:
        """One sentence for what is the operator's, a traceback for what is ours."""
        from pdlease.interfaces import StoreError
        from pdlease.operations import PrivilegeError

        if failure.check(CannotStart, StoreError, PrivilegeError):
            print(f"pdlease: {failure.getErrorMessage()}", file=sys.stderr, flush=True)
        else:
            self.log.failure("pdlease cannot start", failure)
        self._end(1)

    def stopService(self) -> Deferred[None]:
        """Stop, with leases, addresses and routes left as they are, or removed where C{on_stop} says so."""
        self._ending = True
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        if self._control is not None:
            await self._control.stopService()
        if self.router is not None:
            self.router.stop()
            if self.config.daemon.on_stop == "remove":
                await self._applier.cleanup()
            self._applier.stop()
        if self._watch is not None:
            self._watch.stop()
        await self._privilege.stop()
        self._instance.close()
        Service.stopService(self)
