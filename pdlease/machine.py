"""
What the daemon takes from the machine it runs on: clocks, providers, sockets, the sandbox, signals.

Nothing is decided here; L{pdlease.service} decides when each of these is asked for.  A test gives the daemon another
machine.  Every import is made where it is needed, since the first Solicit waits for all that is imported before it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pdlease.config import model
from pdlease.logs import Logger
from pdlease.places import CannotStart

if TYPE_CHECKING:
    from socket import socket

    from pdlease.client.settings import Chance
    from pdlease.clock import BootClock, SystemTimes
    from pdlease.control.access import Access
    from pdlease.control.server import ControlService
    from pdlease.interfaces import IDaemonControl, ILeaseStore, IPrivilege, ITimeSource, PrivilegeContext, StoreContext
    from pdlease.netlink.links import LinkWatch
    from pdlease.notify import Notifier
    from pdlease.places import Account


class Machine:
    """
    The machine as it is.

    @ivar reactor: the reactor that twistd runs.
    """

    log = Logger()

    def __init__(self, reactor: Any, writable: tuple[str, ...] = ()) -> None:
        """
        @param writable: folders that are written to beside those of the configuration, such as that of the log.
        """
        self.reactor = reactor
        self._writable = writable

    def clock(self) -> BootClock:
        """Make the boot-time clock."""
        from pdlease.clock import BootClock

        return BootClock(self.reactor)

    def times(self) -> SystemTimes:
        """Find the machine's clocks."""
        from pdlease.clock import SystemTimes

        return SystemTimes()

    def notifier(self, clock: BootClock) -> Notifier:
        """Find the supervisor that wants to be told how the daemon is."""
        from pdlease.notify import notifier

        return notifier(clock)

    def privilege(self, chosen: str, context: PrivilegeContext) -> IPrivilege:
        """
        Make the privilege provider that the configuration chose.

        @raise CannotStart: when there is none of that name, or it does not understand its argument.
        """
        from pdlease.providers import NoSuchProvider, resolve

        try:
            return resolve("privileges", chosen, context)
        except (NoSuchProvider, ValueError) as problem:
            raise CannotStart(str(problem)) from None

    def store(self, chosen: str, context: StoreContext) -> ILeaseStore:
        """
        Make the lease store that the configuration chose.

        @raise CannotStart: when there is none of that name, or it does not understand its argument.
        """
        from pdlease.providers import NoSuchProvider, resolve

        try:
            return resolve("store", chosen, context)
        except (NoSuchProvider, ValueError) as problem:
            raise CannotStart(str(problem)) from None

    def listen(self, config: model.Config, owner: Account | None) -> Access:
        """
        Make the control sockets, and find out who may do what on them.

        @param owner: the user that the daemon becomes.
        @raise CannotStart: when that cannot be done.
        """
        from pdlease.control.access import Access
        from pdlease.control.peers import ControlSocketError

        try:
            return Access(config, owner)
        except ControlSocketError as problem:
            raise CannotStart(str(problem)) from None

    def watch(self, clock: BootClock, route_socket: socket, route_protocol: int) -> LinkWatch:
        """Make the table of what the kernel holds."""
        from pdlease.netlink.links import LinkWatch

        return LinkWatch(self.reactor, clock, route_socket, route_protocol)

    def groups(self) -> Mapping[str, int]:
        """Find the link groups that have a name here."""
        from pdlease.groups import read_groups

        return read_groups()

    def chance(self) -> Chance:
        """Make the randomness of this run."""
        from pdlease.sources import chance

        return chance()

    def port_holder(self) -> str:
        """Find out who holds UDP port 546, in words; the empty string if that cannot be seen."""
        from pdlease.procfs import port_holder

        return port_holder()

    def close_sandbox(self, settings: model.Daemon, path: str, readable: tuple[str, ...] = ()) -> str:
        """
        Import what is still to come, become the daemon's user, close the sandbox (design 10).

        @param path: the configuration file.
        @param readable: folders that are read from, beside that of the configuration.
        @return: what is in force, in words.
        @raise CannotStart: when the configuration asks for more than can be had.
        """
        from pdlease.latecomers import import_the_rest
        from pdlease.rehearsal import rehearse
        from pdlease.sandbox.daemon import enter
        from pdlease.sandbox.users import SandboxError

        import_the_rest()
        rehearse()
        try:
            # with the provider `inprocess` it is this process that reads the configuration again
            report = enter(settings, readable=(os.path.dirname(path), *readable), writable=self._writable)
        except SandboxError as problem:
            raise CannotStart(str(problem)) from None
        for remark in report.remarks:
            self.log.warn("the daemon: {remark}", remark=remark)
        return str(report)

    def serve(
        self, config: model.Config, access: Access, clock: BootClock, times: ITimeSource, daemon: IDaemonControl
    ) -> ControlService:
        """Begin to answer operators."""
        return access.serve(config, self.reactor, clock, times.wall, daemon)

    def on_rotation(self, heard: Callable[[], None]) -> None:
        """Have C{heard} called, by the reactor, at every SIGUSR1 from now on."""
        signal.signal(signal.SIGUSR1, lambda number, frame: self.reactor.callFromThread(heard))

    def on_hangup(self, heard: Callable[[], None]) -> None:
        """Have C{heard} called, by the reactor, at every SIGHUP from now on."""
        signal.signal(signal.SIGHUP, lambda number, frame: self.reactor.callFromThread(heard))
