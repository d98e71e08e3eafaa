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
from pdlease.config.model import Daemon
from pdlease.control.listening import listen_socket
from pdlease.control.peers import ControlSocketError, group_id, look_up, peer_of, user_id
from pdlease.control.roles import Peer, Role, Roles
from pdlease.control.server import ControlService
from tests.control.serving import SocketCase

IS_ROOT = os.geteuid() == 0


def roles_by(group: str, *viewers: str, users: tuple[str, ...] = ()) -> Roles:
    """The roles of a configuration."""
    settings = Daemon(control_group=group, control_viewers=viewers, control_users=users)
    return look_up(settings).roles(settings)


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
        roles = roles_by("", "root")
        self.assertEqual(roles.admin_uids, {0, os.geteuid()})
        self.assertEqual((roles.admin_gids, roles.viewer_gids), (frozenset(), {0}))
        self.assertEqual(roles_by("", users=("nobody", "4711")).admin_uids, {0, os.geteuid(), user_id("nobody"), 4711})

    def test_no_such_user(self) -> None:
        """A user of control_users or a group of control_viewers that does not exist is one sentence with its name."""
        with self.assertRaisesRegex(ControlSocketError, "no-such-user"):
            look_up(Daemon(control_group="", control_users=("no-such-user",)))
        with self.assertRaisesRegex(ControlSocketError, "no-such-group of daemon.control_viewers does not exist"):
            look_up(Daemon(control_group="", control_viewers=("no-such-group",)))

    def test_group_of_no_namespace(self) -> None:
        """A control group that a user namespace does not have lets nobody in, need not exist, and is told of."""
        settings = Daemon(control_group="no-such-group", control_viewers=("root",))
        accounts = look_up(settings, lambda name: f"in a user namespace without a group {name}")
        self.assertEqual(
            accounts.remark, "in a user namespace without a group no-such-group: it cannot control the daemon"
        )
        self.assertEqual((accounts.roles(settings).admin_gids, accounts.groups), (frozenset(), {"root": 0}))
        self.assertEqual(look_up(Daemon(control_group="root"), lambda name: None).remark, "")

    def test_again(self) -> None:
        """
        Users and groups that were named at the start can be taken out and put back by a reload; a new one would have to
        be looked up, which only a restart can.
        """
        accounts = look_up(Daemon(control_group="", control_users=("4711", "4712"), control_viewers=("4713",)))
        fewer = accounts.roles(Daemon(control_group="", control_users=("4712",)))
        self.assertEqual((fewer.admin_uids - {0, os.geteuid()}, fewer.viewer_gids), ({4712}, frozenset()))
        with self.assertRaisesRegex(ControlSocketError, "only a restart can let in user 4714, group 4715"):
            accounts.roles(Daemon(control_group="", control_users=("4714",), control_viewers=("4713", "4715")))


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

    async def restart(self, roles: Roles, group: str, *more: int) -> None:
        """Serve these roles, with the socket file open to a group, and to more groups and users of these numbers."""
        await self.service.stopService()
        self.service = ControlService(
            reactor=reactor,  # type: ignore[arg-type]
            clock=reactor,  # type: ignore[arg-type]
            daemon=self.daemon,
            listening=listen_socket(self.path, group, more, more),
            path=self.path,
            roles=roles,
        )
        self.service.startService()

    async def test_control_group(self) -> None:
        """A supplementary group makes an admin; without it not even the file can be opened."""
        await self.restart(roles_by("4711"), "4711")
        self.assertEqual(await self.as_nobody(4711), "admin")
        self.assertIn("Permission denied", await self.as_nobody(4712))

    async def test_hoard(self) -> None:
        """Forty forgotten connections of somebody in the control group keep root out no more than they did before."""
        await self.restart(roles_by("4711"), "4711")
        code = (
            "import os, socket, sys\n"
            "os.setgroups([4711]); os.setgid(65534); os.setuid(65534)\n"
            "held = [socket.socket(socket.AF_UNIX) for _ in range(40)]\n"
            "for one in held: one.connect('c.sock')\n"
            "print('held', flush=True); sys.stdin.read()\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as hoarder:
            assert hoarder.stdout is not None and hoarder.stdin is not None
            self.assertEqual(await deferToThread(hoarder.stdout.readline), "held\n")
            clients = [await self.client() for _ in range(8)]
            self.assertEqual([len(await client.why()) for client in clients], [1] * 8)
            self.assertEqual(await self.as_nobody(4711), "admin")
            hoarder.stdin.close()

    async def test_file_alone_is_not_enough(self) -> None:
        """Who can open the file but has no role is refused by the daemon (D54)."""
        await self.restart(roles_by("4711"), "4711")
        os.chmod(self.path, 0o666)
        self.assertIn("GoneError", await self.as_nobody(4712))

    async def test_viewer_group(self) -> None:
        """A viewer group's member is a viewer, and can open the file by its access list; others still cannot."""
        await self.restart(roles_by("4711", "4712"), "4711", 4712)
        self.assertEqual(await self.as_nobody(4712), "viewer")
        self.assertEqual(await self.as_nobody(4711), "admin")
        self.assertIn("Permission denied", await self.as_nobody(4713))

    async def test_user(self) -> None:
        """A user of control_users is an admin in whatever groups, and can open the file."""
        await self.restart(roles_by("", users=("65534",)), "", 65534)
        self.assertEqual(await self.as_nobody(), "admin")

    async def test_taken_out(self) -> None:
        """Who has another role after a reload is hung up on and told so; who has the same stays."""
        await self.restart(roles_by("4711"), "4711")
        client = await self.client()
        self.service.roles = roles_by("")
        self.assertEqual(len(await client.why()), 1)
        self.service.roles = Roles()
        self.assertIn("another role", str(await client.closed))
