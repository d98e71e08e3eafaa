"""Tests of who may control the daemon and from where, from the start on and through reloads."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from attrs import evolve
from twisted.internet import reactor  # noqa: TID251 - real sockets need the real one
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import TestCase

from pdlease.config.model import Config, Daemon
from pdlease.config.remote import Remote
from pdlease.control.access import Access
from pdlease.control.blocking import Control
from pdlease.control.client import connect_remote
from pdlease.control.credentials import Files
from pdlease.control.errors import ControlError, UnreachableError
from pdlease.control.peers import ControlSocketError
from tests.control.certificates import certificates
from tests.control.daemons import FakeDaemon

ALICE = ("email:alice@example.org", "admin")
MONITOR = ("DNS:monitor.example.org", "viewer")


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class AccessCase(TestCase):
    """
    A way in.

    @ivar config: with remote control on a free port.
    """

    timeout = 60

    def setUp(self) -> None:
        self.set = certificates(self)
        self.folder = Path(mkdtemp(prefix="pdlease-access-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.remote = self.folder / "remote"
        self.remote.mkdir(mode=0o755)
        self.install(self.set.server)
        self.port = free_port()
        self.config = Config(
            daemon=Daemon(control=f"{self.folder}/c.sock", control_group=""),
            remote=Remote(
                listen=f"ssl:port={self.port}:interface=127.0.0.1",
                certificate=str(self.remote / "server.pem"),
                key=str(self.remote / "server.key"),
                client_ca=str(self.remote / "ca.pem"),
                roles=(ALICE, MONITOR),
            ),
        )

    def install(self, files: Files) -> None:
        """Put a certificate of the daemon's in place."""
        for name, source, mode in (
            ("server.pem", files.certificate, 0o644),
            ("server.key", files.key, 0o600),
            ("ca.pem", files.ca, 0o644),
        ):
            shutil.copy(source, self.remote / name)
            (self.remote / name).chmod(mode)

    def open(self) -> Access:
        """Open, read and serve."""
        access = Access(self.config, None)
        self.addCleanup(access.close)
        self.assertEqual(access.prepare(self.config), (str(self.remote),))
        self.service = access.serve(self.config, reactor, Clock(), lambda: 0.0, FakeDaemon())  # type: ignore[arg-type]
        self.addCleanup(lambda: self.service.running and self.service.stopService())
        return access

    def role(self, files: Files) -> Deferred[Any]:
        """The role that the holder of a certificate gets."""

        def ask() -> str:
            with Control(host=f"localhost:{self.port}", keys=files, seconds=5) as daemon:
                return daemon.role

        return deferToThread(ask)

    def with_remote(self, **changes: Any) -> Config:
        """The configuration with another table of remote control."""
        assert self.config.remote is not None
        return evolve(self.config, remote=evolve(self.config.remote, **changes))


class StartTests(AccessCase):
    """From the start on."""

    async def test_both(self) -> None:
        """The local socket and the port are answered, each by its own rule."""
        self.open()
        self.assertEqual(await self.role(self.set.alice), "admin")
        self.assertEqual(await self.role(self.set.monitor), "viewer")
        local = await deferToThread(lambda: Control(self.config.daemon.control).role)
        self.assertEqual(local, "admin")

    async def test_spoilt(self) -> None:
        """
        A certificate that cannot be used does not keep the daemon from starting: it is told, remote clients are turned
        away, local ones are not, and a reload that finds a good one lets them in.
        """
        (self.remote / "server.pem").write_text("spoilt")
        with capturedLogs() as events:
            access = self.open()
            await self.assertFailure(self.role(self.set.alice), ControlError)
        told = "\n".join(formatEvent(event) or "" for event in events)
        self.assertEqual(told.count(str(self.remote / "server.pem")), 2, told)
        self.assertIn("remote control is off until a reload", told)
        self.assertEqual(await deferToThread(lambda: Control(self.config.daemon.control).role), "admin")
        with self.assertRaisesRegex(ControlSocketError, "server.pem"):
            access.renew(self.config)
        self.install(self.set.server)
        access.renew(self.config).put_in_place()
        self.assertEqual(await self.role(self.set.alice), "admin")

    async def test_unreadable(self) -> None:
        """A key that the daemon's user cannot read is told of at the start, and not only when it is to be renewed."""
        (self.remote / "server.key").unlink()
        with capturedLogs() as events:
            self.open()
        told = "\n".join(formatEvent(event) or "" for event in events)
        self.assertRegex(told, "remote control is off until a reload: .*server.key: No such file")

    def test_port_in_use(self) -> None:
        """A port that somebody has keeps the daemon from starting; the sentence has the setting, no socket is left."""
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.port))
            other.listen()
            problem = self.assertRaises(ControlSocketError, Access, self.config, None)
        self.assertIn("control.remote.listen", str(problem))
        self.assertFalse(os.path.exists(self.config.daemon.control))

    def test_no_local_socket(self) -> None:
        """Where the local socket cannot be made the port is free again."""
        config = evolve(self.config, daemon=evolve(self.config.daemon, control="/proc/nosuch/c.sock"))
        self.assertRaises(ControlSocketError, Access, config, None)
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.port))

    def test_never_served(self) -> None:
        """A daemon that ends before it serves leaves no socket open."""
        Access(self.config, None).close()
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.port))

    async def test_plain(self) -> None:
        """Without TLS no file is read, and everybody on this machine has the one role."""
        self.config = evolve(
            self.config,
            remote=Remote(listen=f"tcp:port={self.port}:interface=127.0.0.1", roles=(("*", "viewer"),)),
        )
        access = Access(self.config, None)
        self.addCleanup(access.close)
        self.assertEqual(access.prepare(self.config), ())
        service = access.serve(self.config, reactor, Clock(), lambda: 0.0, FakeDaemon())  # type: ignore[arg-type]
        self.addCleanup(service.stopService)
        role = await deferToThread(lambda: Control(host=f"tcp:127.0.0.1:{self.port}").role)
        self.assertEqual(role, "viewer")
        access.renew(self.config).put_in_place()


class ReloadTests(AccessCase):
    """Through reloads."""

    async def test_nothing_before_it_is_put_in_place(self) -> None:
        """Reading again changes nothing by itself, so that a reload that is refused elsewhere is without effect."""
        access = self.open()
        access.renew(self.with_remote(roles=(MONITOR,)))
        self.assertEqual(await self.role(self.set.alice), "admin")

    async def test_roles(self) -> None:
        """Who is taken out is ended and does not get in again; who stays, stays."""
        access = self.open()
        host = f"localhost:{self.port}"
        alice = await connect_remote(reactor, host, self.set.alice)
        monitor = await connect_remote(reactor, host, self.set.monitor)
        access.renew(self.with_remote(roles=(MONITOR,))).put_in_place()
        self.assertIn("another role", str(await alice.closed))
        self.assertEqual(await monitor.why(), ["wan is bound."])
        await self.assertFailure(self.role(self.set.alice), ControlError)
        await monitor.disconnect()

    async def test_renewed(self) -> None:
        """A renewed certificate, at the same place or at another in the folder, ends no session."""
        access = self.open()
        alice = await connect_remote(reactor, f"localhost:{self.port}", self.set.alice)
        self.assertEqual(access.renew(self.config).changed, ())
        self.install(self.set.renewed)
        renewal = access.renew(self.config)
        self.assertEqual(renewal.changed, ("control/remote",))
        renewal.put_in_place()
        self.assertEqual(access.renew(self.config).changed, ())
        (self.remote / "server.pem").rename(self.remote / "new.pem")
        access.renew(self.with_remote(certificate=str(self.remote / "new.pem"))).put_in_place()
        self.assertEqual(await alice.why(), ["wan is bound."])
        self.assertEqual(await self.role(self.set.alice), "admin")
        await alice.disconnect()

    async def test_authorities(self) -> None:
        """Where others decide about certificates, sessions end; local ones do not."""
        access = self.open()
        alice = await connect_remote(reactor, f"localhost:{self.port}", self.set.alice)
        with await deferToThread(lambda: Control(self.config.daemon.control)) as local:
            shutil.copy(self.set.other.certificate, self.remote / "ca.pem")
            access.renew(self.config).put_in_place()
            self.assertIn("Other authorities", str(await alice.closed))
            self.assertEqual(await deferToThread(local.why), ["wan is bound."])
        await self.assertFailure(self.role(self.set.alice), UnreachableError)

    async def test_switched_off(self) -> None:
        """Where the table is gone nobody listens any more, and sessions end."""
        access = self.open()
        alice = await connect_remote(reactor, f"localhost:{self.port}", self.set.alice)
        renewal = access.renew(evolve(self.config, remote=None))
        self.assertEqual(renewal.changed, ("control/remote",))
        renewal.put_in_place()
        await alice.closed
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.port))
        access.renew(evolve(self.config, remote=None)).put_in_place()

    async def test_local(self) -> None:
        """Local users and groups are asked for anew as well, and one that would have to be looked up is refused."""
        self.config = evolve(self.config, daemon=evolve(self.config.daemon, control_users=("4711",)))
        access = self.open()
        self.assertIn(4711, self.service.roles.admin_uids)
        renewal = access.renew(evolve(self.config, daemon=evolve(self.config.daemon, control_users=())))
        self.assertEqual(renewal.changed, ("daemon/control_users",))
        renewal.put_in_place()
        self.assertNotIn(4711, self.service.roles.admin_uids)
        access.renew(self.config).put_in_place()
        self.assertIn(4711, self.service.roles.admin_uids)
        other = evolve(self.config, daemon=evolve(self.config.daemon, control_users=("4712",)))
        with self.assertRaisesRegex(ControlSocketError, "only a restart can let in user 4712"):
            access.renew(other)
