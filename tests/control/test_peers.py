"""Tests of who is who on the control socket, as the kernel tells."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from twisted.internet import reactor  # noqa: TID251 - real sockets need the real one
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

import pdlease
from pdlease.control.listening import listen_socket
from pdlease.control.peers import group_id, peer_of, resolve_roles
from pdlease.control.roles import Peer, Role, Roles
from pdlease.control.server import ControlService
from tests.control.serving import SocketCase

IS_ROOT = os.geteuid() == 0


class PeerTests(SynchronousTestCase):
    def test_kernel_tells(self) -> None:
        """User, group and supplementary groups of a peer come from the kernel, not from the client (D54)."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        peer = peer_of(ours)
        self.assertEqual((peer.pid, peer.uid), (os.getpid(), os.geteuid()))
        self.assertEqual(peer.gids, {os.getegid(), *os.getgroups()})

    def test_roles(self) -> None:
        """Root and the control group's members are admins, viewer groups' members viewers, nobody else anything."""
        roles = Roles(admin_uids=frozenset({0}), admin_gids=frozenset({10}), viewer_gids=frozenset({20}))

        def role(uid: int, *gids: int) -> Role | None:
            return roles.role_of(Peer(pid=1, uid=uid, gids=frozenset(gids)))

        self.assertEqual(role(0, 5), Role.ADMIN)
        self.assertEqual(role(1000, 1000, 10, 20), Role.ADMIN)
        self.assertEqual(role(1000, 1000, 20), Role.VIEWER)
        self.assertIsNone(role(1000, 1000))

    def test_names(self) -> None:
        """Groups go by name or number; whoever starts the daemon may control it."""
        self.assertEqual(group_id("root"), 0)
        self.assertEqual(group_id("4711"), 4711)
        roles = resolve_roles("", ["root"])
        self.assertEqual(roles.admin_uids, {0, os.geteuid()})
        self.assertEqual((roles.admin_gids, roles.viewer_gids), (frozenset(), {0}))


class IdentityTests(SocketCase):
    """Users and groups as the kernel sees them; needs root, to become somebody else."""

    if not IS_ROOT:
        skip = "only root can become another user"

    def as_nobody(self, *groups: int) -> Deferred[str]:
        """The role, or the error, that user 65534 with these supplementary groups gets."""
        code = (
            "import os, sys, encodings.idna\n"
            "from pdlease.control.blocking import Control\n"
            f"os.setgroups({list(groups)}); os.setgid(65534); os.setuid(65534)\n"
            "try: print(Control('c.sock').role)\n"
            "except Exception as problem: print(type(problem).__name__, problem)\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(pdlease.__file__))}
        finished = deferToThread(
            subprocess.run, [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
        )
        return finished.addCallback(lambda process: process.stdout.strip())

    async def restart(self, roles: Roles, group: str) -> None:
        """Serve these roles, with the socket file open to a group."""
        await self.service.stopService()
        self.service = ControlService(
            reactor=reactor,  # type: ignore[arg-type]
            clock=reactor,  # type: ignore[arg-type]
            daemon=self.daemon,
            listening=listen_socket(self.path, group),
            path=self.path,
            roles=roles,
        )
        self.service.startService()

    async def test_control_group(self) -> None:
        """A supplementary group makes an admin; without it not even the file can be opened."""
        await self.restart(resolve_roles("4711"), "4711")
        self.assertEqual(await self.as_nobody(4711), "admin")
        self.assertIn("Permission denied", await self.as_nobody(4712))

    async def test_file_alone_is_not_enough(self) -> None:
        """Who can open the file but has no role is refused by the daemon (D54)."""
        await self.restart(resolve_roles("4711"), "4711")
        os.chmod(self.path, 0o666)
        self.assertIn("GoneError", await self.as_nobody(4712))

    async def test_viewer_group(self) -> None:
        """A viewer group's member is a viewer."""
        await self.restart(resolve_roles("4711", ["4712"]), "4711")
        os.chmod(self.path, 0o666)
        self.assertEqual(await self.as_nobody(4712), "viewer")
