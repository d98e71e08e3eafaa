"""
The daemon as twistd runs it: in which order it starts, what it gives up on the way, how it ends.

The order is design decision 6: as root the locks, the state folder, the helper and the control socket; then the routing
socket and the first Solicits; then everything that is still to be imported, the change of user and the sandbox; only
then the first datagram and the first control connection are read.

What runs then is L{pdlease.router}; what operators are answered is L{pdlease.desk}; what is asked of the machine is
L{pdlease.machine}.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred
from twisted.python.failure import Failure

from pdlease.config import model
from pdlease.config.errors import ConfigErrors
from pdlease.instance import AlreadyRunning, Instance
from pdlease.logs import Logger
from pdlease.machine import Machine
from pdlease.observers import ObservedService
from pdlease.places import CannotStart, account, hand_over, make_folder

if TYPE_CHECKING:
    from pdlease.control.server import ControlService
    from pdlease.desk import Desk
    from pdlease.netlink.links import LinkWatch
    from pdlease.rereading import Reading
    from pdlease.router import Router


class Daemon(ObservedService):
    """
    The whole daemon as one Twisted service.

    @ivar config: the configuration in force.
    @ivar path: absolute path of its file.
    """

    log = Logger()

    def __init__(
        self, config: model.Config, path: str, source: bytes, machine: Machine, end: Callable[[int], None]
    ) -> None:
        """
        @param source: the bytes that C{config} was read from.
        @param machine: where everything comes from that touches the machine.
        @param end: ends the process with a status, at once when the reactor is not running.
        """
        self.config = config
        self.path = path
        self.router: Router | None = None
        self.desk: Desk | None = None
        self.sandbox = "not yet closed"
        self._source = source
        self._machine = machine
        self._end = end
        self._instance = Instance()
        self._watch: LinkWatch | None = None
        self._control: ControlService | None = None
        self._starting: Deferred[None] | None = None
        self._reloading = DeferredLock()
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
        from pdlease.interfaces import PrivilegeContext, StoreContext
        from pdlease.sandbox.users import why_not

        settings = self.config.daemon
        self._owner = account(settings.user, why_not=why_not)
        account(settings.helper_user, why_not=why_not)
        make_folder(settings.state, 0o700, self._owner)
        make_folder(os.path.dirname(settings.control), 0o755, self._owner)
        try:
            self._instance.hold_state(settings.state)
        except OSError as problem:
            raise CannotStart(f"{settings.state}: {problem.strerror}") from None
        self._instance.hold_uplinks(uplink.link for uplink in self.config.uplinks)
        self._clock = self._machine.clock()
        self._times = self._machine.times()
        self._notifier = self._machine.notifier(self._clock)
        context = PrivilegeContext(
            reactor=self._machine.reactor,
            configuration_path=self.path,
            configuration=self.config,
            ended=self._helper_ended,
        )
        self._privilege = self._machine.privilege(settings.privileges, context)
        self._store = self._machine.store(settings.store, StoreContext(state=settings.state, times=self._times))
        self._helper_ready = self._privilege.start()
        self._access = self._machine.listen(self.config, self._owner)

    # With the reactor.

    def startService(self) -> None:
        """Begin; what goes wrong from here on ends the process with status 1 and one sentence."""
        Service.startService(self)
        self._machine.reactor.callWhenRunning(self._begin)

    def _begin(self) -> None:
        if not self._ending:
            self._starting = ensureDeferred(self._start())
            self._starting.addErrback(self._not_started)

    async def _start(self) -> None:
        """From the helper's first word to the closed sandbox."""
        from pdlease.applier import Applier
        from pdlease.asking import numbered
        from pdlease.desk import Desk, Journal
        from pdlease.hosting import Hosting, numbers_of
        from pdlease.identification import suspicion, unclaimed
        from pdlease.ledger import Ledger
        from pdlease.ownidentity import OwnIdentity
        from pdlease.router import Means, Router

        settings = self.config.daemon
        stored = await self._store.load()
        await self._take_configuration()
        for remark in (*stored.remarks, *filter(None, (self.config.remote_problem,))):
            self.log.warn("{remark}", remark=remark)
        route_socket = await self._privilege.open_route_socket()
        self._watch = watch = self._machine.watch(self._clock, route_socket, settings.route_protocol)
        await watch.start()
        self._own = own = OwnIdentity(self._store, self._times, watch.link_named)
        identity, iaids = numbered(own.under(self.config, stored.identity), self.config)
        lost = suspicion(stored.identity, settings.state, bool(watch.routes))
        if lost:
            self.log.warn("{lost}", lost=lost)
        records = dict(stored.uplinks)
        await own.begin(identity, stored.identity, records)
        for sentence in unclaimed({name: record.lease for name, record in records.items()}, iaids):
            self.log.warn("{sentence}", sentence=sentence)
        await own.keep(identity, stored.identity)
        self._journal = journal = Journal(self._times)
        ledger = Ledger(
            os.path.join(settings.state, "ledger"),
            boot=self._times.boot_id(),
            tell=lambda sentence: self.log.warn("{sentence}", sentence=sentence),
        )
        self._applier = applier = Applier(
            self._clock, self._privilege, ledger, watch, self._changed, protocol=settings.route_protocol
        )
        hosting = Hosting(applier, self._clock, own.keep_numbers, self._machine.groups(), numbers_of(identity))
        hosting.check(self.config)
        means = Means(
            clock=self._clock,
            reactor=self._machine.reactor,
            privilege=self._privilege,
            store=self._store,
            table=watch,
            applier=applier,
            chance=self._machine.chance(),
            port_holder=self._machine.port_holder,
            told=journal.record,
            hosting=hosting,
        )
        self.router = Router(means, self.config, lambda uplink: own.in_force.duid_of(uplink.name))
        self.desk = Desk(
            self.router,
            applier,
            journal,
            clock=self._clock,
            sandbox=lambda: self.sandbox,
            who=lambda: own.in_force,
            reload=self._reload,
            set_log_level=self._set_log_level,
        )
        self._clock.on_resume(lambda slept: self.router.resumed() if self.router is not None else None)
        self._clock.on_jump(self._clock_jumped)
        watch.listen(self.router.links_changed)
        watch.listen_to_prefixes(self.router.prefix_heard)
        self.router.begin(iaids, records)
        await self.router.attempted()
        if self._ending:
            return
        ledger.prepare()
        try:
            self._instance.prepare()
        except OSError as problem:
            raise CannotStart(f"sockets for uplinks that a reload may add: {problem.strerror}") from None
        hand_over(settings.state, self._owner)
        folders = self._access.prepare(self.config)
        self.sandbox = self._machine.close_sandbox(settings, self.path, folders)
        self.router.read()
        self._machine.on_hangup(self._hangup)
        self._control = self._machine.serve(self.config, self._access, self._clock, self._times, self.desk)
        self._notifier.ready(self.sandbox)
        self.log.info("ready; sandbox: {sandbox}", sandbox=self.sandbox)

    async def _take_configuration(self) -> None:
        """
        Wait for the provider, and go by the configuration as it read it: daemon and policy never differ.

        @raise CannotStart: when it became another file since it was checked, one that is wrong.
        """
        from pdlease.config.load import load
        from pdlease.operations import PrivilegeError

        try:
            source = await self._helper_ready
        except PrivilegeError as problem:
            raise CannotStart(str(problem)) from None
        if source != self._source:
            try:
                config = load(source, self.path)
            except ConfigErrors as problems:
                raise CannotStart(str(problems)) from None
            for table in ("daemon", "remote"):
                if getattr(config, table) != getattr(self.config, table):
                    heading = "[daemon]" if table == "daemon" else "[control.remote]"
                    raise CannotStart(
                        f"{self.path}: {heading} has changed while the daemon was starting; start it again"
                    )
            self._instance.hold_uplinks(uplink.link for uplink in config.uplinks)
            self.config, self._source = config, source

    def _clock_jumped(self) -> None:
        """The wall clock was set: what could not be dated may be dated now (R-12-06)."""
        from pdlease.dating import date_leases

        if self.router is not None and self._times.wall_is_trusted():
            ensureDeferred(date_leases(self.router.uplinks, self._store)).addErrback(
                lambda failure: self.log.error("leases stay undated: {problem}", problem=failure.getErrorMessage())
            )

    # Reload.

    def _hangup(self) -> None:
        # what is wrong stands in the log already
        ensureDeferred(self._reload(False)).addErrback(lambda _: None)

    async def _reload(self, dry_run: bool) -> dict[str, Any]:
        """
        Read the configuration again, through the provider, and put it in place; one reload after the other.

        @param dry_run: only tell what would change.
        @raise Refused: when the file is wrong or asks for what only a restart can do; nothing has changed then.
        """
        await self._reloading.acquire()
        try:
            with self._notifier.reloading():
                return await self._read_again(dry_run)
        except Exception as problem:
            if not dry_run:
                self.log.error("reload: {problem}", problem=str(problem))
            raise
        finally:
            self._reloading.release()

    async def _read_again(self, dry_run: bool) -> dict[str, Any]:
        from pdlease.interfaces import Refused, StoreError
        from pdlease.operations import PrivilegeError
        from pdlease.rereading import read_again

        assert self.router is not None
        reading = await read_again(
            self._privilege,
            self.path,
            self.router,
            self._access,
            self._own.under,
        )
        if not dry_run:
            try:
                await self._put_in_place(reading)
            except (AlreadyRunning, CannotStart, StoreError, PrivilegeError) as problem:
                raise Refused(str(problem)) from None
            words = {"added": "added", "removed": "removed", "replaced": "changed"}
            moved = {words[kind]: names for kind, names in reading.changed.items() if names and kind in words}
            self.log.info("configuration read again: {fields}", fields=moved or {"text": "nothing changed"})
            for sentence in reading.warnings:
                self.log.warn("{sentence}", sentence=sentence)
            self._journal.record(None, "reload", {"changed": reading.changed})
        return reading.document(dry_run)

    async def _put_in_place(self, reading: Reading) -> None:
        """
        Go by another configuration from now on.

        @raise AlreadyRunning: when another instance has an uplink of it; nothing has changed then.
        @raise CannotStart: when the daemon is ending.
        @raise StoreError: when the identity cannot be kept; nothing has changed then.
        @raise PrivilegeError: when the provider does not accept it; likewise.
        """
        assert self.router is not None
        config = reading.config
        held, wanted = ({uplink.link for uplink in one.uplinks} for one in (self.config, config))
        saved = False
        self._check_not_ending()
        try:
            self._instance.hold_uplinks(held | wanted)
            saved = await self._own.keep(reading.identity, self._own.in_force)
            # last of what can be refused: policy and daemon go by the same file, the old one or the new one
            await self._privilege.adopt(reading.source)
            self._check_not_ending()
        except Exception:
            self._instance.hold_uplinks(() if self._ending else held)
            if saved:
                await self._own.take_back()
            raise
        self._instance.hold_uplinks(wanted)
        self._own.become(reading.identity)
        self.config, self._source = config, reading.source
        self.router.replace(config, reading.iaids)
        reading.access.put_in_place()

    def _check_not_ending(self) -> None:
        """An answer may be so late that the daemon has come to its end meanwhile."""
        if self._ending:
            raise CannotStart("the daemon is ending")

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

        if self._ending:
            return
        if failure.check(CannotStart, AlreadyRunning, StoreError, PrivilegeError):
            print(f"pdlease: {failure.getErrorMessage()}", file=sys.stderr, flush=True)
        else:
            self.log.failure("pdlease cannot start", failure)
        self._end(1)

    def stopService(self) -> Deferred[None]:
        """Stop, with leases, addresses and routes left as they are, or removed where C{on_stop} says so."""
        self._ending = True
        self._notifier.stopping()
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
        if self._control is not None:
            await self._control.stopService()
        else:
            self._access.close()
            with suppress(OSError):
                os.unlink(self.config.daemon.control)
        if self.desk is not None:
            self.desk.stop()
        if self.router is not None:
            self.router.stop()
            if self.config.daemon.on_stop == "remove" and not await self._answered(self._applier.cleanup()):
                self.log.warn("not everything is known to be removed; `pdleasectl cleanup` does it")
            self._applier.stop()
        if self._watch is not None:
            self._watch.stop()
        if not await self._answered(self._privilege.stop()):
            # it leaves as soon as it goes on, since nobody holds the other end of its connection any more
            self.log.warn("the helper does not end; ending without it")
        self._instance.close()
        Service.stopService(self)

    def _answered(self, waited: Deferred[Any]) -> Coroutine[Deferred[Any], Any, bool]:
        from pdlease.ending import answered_in_time

        return answered_in_time(waited, self._clock)
