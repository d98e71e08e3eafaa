"""A control service on a real socket, for tests of both clients."""

from __future__ import annotations

import os

from twisted.internet import reactor  # noqa: TID251 - real sockets need the real one
from twisted.trial.unittest import TestCase

from pdlease.control.client import ControlClient, connect
from pdlease.control.listening import listen_socket
from pdlease.control.roles import Roles
from pdlease.control.server import ControlService
from tests.control.daemons import FakeDaemon


class SocketCase(TestCase):
    """A service on a real socket."""

    def setUp(self) -> None:
        folder = self.mktemp()
        os.mkdir(folder)
        self.before = os.getcwd()
        os.chdir(folder)
        self.addCleanup(os.chdir, self.before)
        self.path = "c.sock"
        self.daemon = FakeDaemon()
        self.service = self.serve(Roles(admin_uids=frozenset({os.geteuid()})))
        self.service.startService()
        self.addCleanup(lambda: self.service.running and self.service.stopService())

    def serve(self, roles: Roles) -> ControlService:
        """A service that is not yet started."""
        return ControlService(
            reactor=reactor,  # type: ignore[arg-type]
            clock=reactor,  # type: ignore[arg-type]
            daemon=self.daemon,
            listening=listen_socket(self.path, ""),
            path=self.path,
            roles=roles,
        )

    async def client(self) -> ControlClient:
        """A connected client, disconnected at the end."""
        client = await connect(reactor, self.path)  # type: ignore[arg-type]
        self.addCleanup(client.disconnect)
        return client
