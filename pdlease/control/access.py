"""
Who may control the daemon and from where: opened as root, and put in place anew at a reload.

Imported before the first Solicit, so what only remote control needs is imported when it is needed: after that, and
before the sandbox closes.  Who has connections then is L{pdlease.control.server}.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pdlease.control.listening import listen_remote, listen_socket
from pdlease.control.peers import Accounts, ControlSocketError, look_up
from pdlease.control.roles import Role, Roles
from pdlease.logs import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from pdlease.config.model import Config
    from pdlease.control.door import ControlReactor
    from pdlease.control.remote import Credentials, Gate
    from pdlease.control.server import ControlService
    from pdlease.interfaces import IDaemonControl
    from pdlease.places import Account


@frozen
class Renewal:
    """
    What a reload makes of who may control the daemon.

    @ivar changed: what is another now, by table and key.
    @ivar put_in_place: goes by it from now on.
    """

    changed: tuple[str, ...]
    put_in_place: Callable[[], None]


class Access:
    """
    The way in: sockets that listen, and who may do what.

    @raise ControlSocketError: when a socket cannot be made, or a user or group does not exist.
    """

    log = Logger()

    def __init__(self, config: Config, owner: Account | None) -> None:
        """
        @param owner: the user that the daemon becomes; C{None} when it stays who it is.
        """
        settings = config.daemon
        self._accounts: Accounts = look_up(settings)
        if self._accounts.remark:
            self.log.warn("{remark}", remark=self._accounts.remark)
        self._config = config
        self._roles = self._roles_by(config)
        self._path = settings.control
        self._owner = owner
        self._remote = listen_remote(config.remote.place) if config.remote is not None else None
        self._credentials: Credentials | None = None
        self._gate: Gate | None = None
        self._service: ControlService | None = None
        group = settings.control_group if settings.control_group in self._accounts.groups else ""
        try:
            self._local = listen_socket(self._path, group, self._accounts.users.values(), self._roles.viewer_gids)
        except ControlSocketError:
            self._close(self._remote)
            raise

    def prepare(self, config: Config) -> tuple[str, ...]:
        """
        Import what remote control needs, before nothing can be imported any more.

        @return: the folders that are read from.
        """
        remote = config.remote
        if remote is None:
            return ()
        from pdlease.control.credentials import folders_of, owners_of_daemon
        from pdlease.control.remote import Credentials

        if remote.place.is_plain:
            return ()
        owner = self._owner
        user = None if owner is None else (owner.uid, owner.gid)
        self._credentials = Credentials(owners_of_daemon(self._accounts.starter, user))
        return folders_of(remote.files)

    def serve(
        self,
        config: Config,
        reactor: ControlReactor,
        clock: IReactorTime,
        wall: Callable[[], float],
        daemon: IDaemonControl,
    ) -> ControlService:
        """
        Begin to answer, behind the sandbox: what is read here can be read at a reload as well, and none of it by root.

        Files that cannot be used are told of, and no reason not to start: a certificate that was spoilt while nobody
        looked must not cost the LAN its prefix.
        """
        from pdlease.control.server import ControlService

        if self._credentials is not None and config.remote is not None:
            from pdlease.control.credentials import CredentialsError

            try:
                self._credentials.use(self._credentials.read(config.remote))
            except CredentialsError as problem:
                self._credentials.problem = f"there is no usable certificate: {problem}"
                self.log.error("remote control is off until a reload: {problem}", problem=str(problem))
        if self._remote is not None:
            from pdlease.control.remote import Gate

            self._gate = Gate(reactor, clock, self._remote, self._credentials, wall)
        self._service = ControlService(
            reactor=reactor,
            clock=clock,
            daemon=daemon,
            listening=self._local,
            path=self._path,
            roles=self._roles,
            gate=self._gate,
        )
        self._service.startService()
        return self._service

    def renew(self, config: Config) -> Renewal:
        """
        Read the files again and find out who may do what by a new configuration; nothing is changed yet.

        Whoever keeps the same role keeps the connection.

        @raise ControlSocketError: when the files cannot be used, or for a name that only a restart can look up.
        """
        roles = self._roles_by(config)
        credentials, loaded = self._credentials, None
        if credentials is not None and config.remote is not None:
            from pdlease.control.credentials import CredentialsError

            try:
                loaded = credentials.read(config.remote)
            except CredentialsError as problem:
                raise ControlSocketError(str(problem)) from None
        changed = [
            f"daemon/{name}"
            for name in ("control_users", "control_viewers")
            if getattr(config.daemon, name) != getattr(self._config.daemon, name)
        ]
        is_news = credentials is not None and loaded is not None and credentials.is_news(loaded)
        if config.remote != self._config.remote or is_news:
            changed.append("control/remote")

        def put_in_place() -> None:
            from pdlease.control.vocabulary import Closing

            self._config, self._roles = config, roles
            is_other = credentials is not None and loaded is not None and credentials.use(loaded)
            if config.remote is None and self._gate is not None:
                self._gate.close()
                self._gate = None
            if self._service is not None:
                if is_other:
                    self._service.close_remote(Closing.AUTHORITIES_CHANGED)
                self._service.roles = roles

        return Renewal(tuple(changed), put_in_place)

    def close(self) -> None:
        """Listen no more, where nobody ever answered."""
        self._close(self._local)
        self._close(self._remote)

    def _roles_by(self, config: Config) -> Roles:
        remote = config.remote.roles if config.remote is not None else ()
        return evolve(self._accounts.roles(config.daemon), names={name: Role[role.upper()] for name, role in remote})

    @staticmethod
    def _close(listening: socket.socket | None) -> None:
        if listening is not None:
            listening.close()
