"""Tests of the Twisted client over a real socket, and of the service around it."""

from __future__ import annotations

import os
import stat
from typing import Any

from twisted.internet import reactor  # noqa: TID251 - real sockets need the real one
from twisted.internet.defer import Deferred

from pdlease.control.client import connect
from pdlease.control.errors import (
    GoneError,
    RefusedError,
    TimedOutError,
    UnknownUplinkError,
    UnreachableError,
)
from pdlease.control.roles import Roles
from tests.control.serving import SocketCase


class ClientTests(SocketCase):
    async def test_everything(self) -> None:
        """Each typed method gives what the daemon says."""
        client = await self.client()
        self.assertTrue(client.software.startswith("pdlease "))
        self.assertEqual(client.role, "admin")
        self.assertEqual(await client.status(), self.daemon.status(None))
        self.assertEqual(await client.status("wan"), self.daemon.status("wan"))
        self.assertEqual(await client.plan(), self.daemon.plan())
        self.assertEqual(await client.why(), ["wan is bound."])
        self.assertEqual(await client.identity(), self.daemon.identity())
        self.assertEqual(await client.renew(), {"wan": "Renew was sent."})
        self.assertEqual(await client.rebind("wan"), {"wan": "Rebind was sent."})
        self.assertEqual(await client.request("wan"), {"wan": "Rebind was sent."})
        self.assertEqual(await client.guests(), self.daemon.guests())
        self.assertEqual(await client.counters("wan"), self.daemon.counters("wan"))
        self.assertEqual(await client.release("wan", force=True), {"wan": "The prefixes were given back."})
        self.assertEqual((await client.reload(dry_run=True))["changed"], ["wan"])
        self.assertIsNone(await client.set_log_level("brief"))
        self.assertEqual((await client.history(3))["events"], [])

    async def test_pages(self) -> None:
        """A document of 300 kB arrives whole."""
        self.daemon.padding = 300_000
        client = await self.client()
        self.assertEqual(await client.status(), self.daemon.status(None))

    async def test_errors(self) -> None:
        """What the daemon refuses arrives as an exception of its own kind with the daemon's sentence."""
        client = await self.client()
        await self.assertFailure(client.status("lan"), UnknownUplinkError)
        refusal = await self.assertFailure(client.release("wan"), RefusedError)
        self.assertIn("web1", str(refusal))
        await self.assertFailure(client.wait("wan", timeout=0.01), TimedOutError)

    async def test_watch(self) -> None:
        """Events are told as they happen."""
        client = await self.client()
        told: Deferred[dict[str, Any]] = Deferred()
        watched = await client.watch(told.callback)
        self.assertEqual((watched.sequence, watched.missed), (0, False))
        self.daemon.happen(1)
        self.assertEqual((await told)["sequence"], 1)

    async def test_stopping(self) -> None:
        """When the daemon stops, its clients are told why, the file goes, and later calls fail at once."""
        client = await self.client()
        waiting = client.wait("wan")
        while not self.daemon.waits:
            await client.why()
        stopped = self.service.stopService()
        gone = await self.assertFailure(waiting, GoneError)
        self.assertIn("stopping", str(gone))
        self.assertIn("stopping", str(await client.closed))
        await stopped
        self.assertFalse(os.path.exists(self.path))
        await self.assertFailure(client.why(), GoneError)
        self.assertEqual(self.daemon.listeners, [])

    async def test_nobody_there(self) -> None:
        """Where nobody listens there is UnreachableError with the path."""
        problem = await self.assertFailure(connect(reactor, "nothing.sock"), UnreachableError)  # type: ignore[arg-type]
        self.assertIn("nothing.sock", str(problem))

    async def test_file_may_stay(self) -> None:
        """Where the file cannot be removed at stop, the stop is quiet all the same."""
        os.unlink(self.path)
        os.mkdir(self.path)
        await self.service.stopService()
        os.rmdir(self.path)

    async def test_early_connections_wait(self) -> None:
        """A client that connects before the service starts is answered once it does."""
        await self.service.stopService()
        self.service = self.serve(Roles(admin_uids=frozenset({os.geteuid()})))
        connecting = connect(reactor, self.path)  # type: ignore[arg-type]
        self.service.startService()
        client = await connecting
        await client.disconnect()

    async def test_mode_is_kept(self) -> None:
        """Starting to accept does not change the socket file's mode."""
        await self.client()
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
