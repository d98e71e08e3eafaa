"""
The helper process on a real kernel: how it is confined, what it costs, how it ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

from twisted.internet import reactor  # noqa: TID251
from twisted.internet.task import deferLater

from pdlease.interfaces import IPrivilege
from pdlease.privilege import helper
from tests.live.network import TOP
from tests.live.privilege import TOML, NamespaceCase, done, outcome, refused
from tests.live.require import needs, root, stop_without


@needs(root)
class HelperTests(NamespaceCase):
    """L{pdlease.privilege.helper} and the process that it starts."""

    async def started(self) -> IPrivilege:
        """A provider that is ready."""
        provider = self.build(helper.factory)
        self.assertEqual(await provider.start(), self.source)
        return provider

    def pid(self) -> int:
        """The helper's process id."""
        with open("/proc/thread-self/children") as file:
            (pid,) = file.read().split()
        return int(pid)

    def status(self) -> dict[str, str]:
        """What the kernel says of the helper process."""
        with open(f"/proc/{self.pid()}/status") as file:
            return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}

    async def test_confined(self) -> None:
        """
        The helper has its own user, no further groups, two capabilities, no new privileges, a seccomp filter, and says
        so (design 7; P1, P2, W21).
        """
        provider: Any = await self.started()
        status = self.status()
        self.assertEqual(set(status["Uid"].split()), {"65534"})
        self.assertEqual(status["Groups"], "")
        for name in ("CapPrm", "CapEff", "CapBnd"):
            self.assertEqual(int(status[name], 16), 1 << 10 | 1 << 12, name)
        for name in ("CapInh", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        # not dumpable: its memory belongs to root, so that nobody else may look into it
        self.assertEqual(os.stat(f"/proc/{self.pid()}/mem").st_uid, 0)
        self.assertIn("user nobody, capabilities NET_BIND_SERVICE NET_ADMIN, Landlock", provider.report[0])
        self.assertIn("seccomp kill", provider.report[0])

    async def test_small(self) -> None:
        """
        The helper's share of memory is below 16 MiB where it shares the interpreter with the daemon alone, and what it
        has for itself below 12 MiB; measured are 13.6 and 10.3 (issue 4, point 4).
        """
        await self.started()
        with open(f"/proc/{self.pid()}/smaps_rollup") as file:
            sizes = {line.split()[0]: int(line.split()[1]) for line in file.readlines()[1:]}
        alone = sizes["Private_Clean:"] + sizes["Private_Dirty:"]
        shared = sizes["Shared_Clean:"] + sizes["Shared_Dirty:"]
        self.assertLess(alone + shared / 2, 16 * 1024)
        self.assertLess(sizes["Private_Dirty:"], 12 * 1024)

    async def test_signals_of_the_group_are_ignored(self) -> None:
        """
        TERM, INT and HUP, which may be sent to the whole process group, are the daemon's: the helper stays.
        """
        provider = await self.started()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(self.pid(), number)
        await done(provider, self.address())
        self.assertEqual(self.ends, [])

    async def test_its_end_is_told(self) -> None:
        """
        When the helper dies, the provider says so once, and every question then and later fails with an answer (D57).
        """
        provider = await self.started()
        os.kill(self.pid(), signal.SIGKILL)
        waiting = provider.perform([self.address()])[0]
        error = await outcome(waiting)
        assert error is not None
        for _ in range(100):
            if self.ends:
                break
            await deferLater(reactor, 0.02)
        self.assertEqual(self.ends, ["the helper process ended (killed by signal 9)"])
        error = await refused(provider, self.address())
        self.assertEqual(error.reason, "the helper is not running")

    async def test_stopping_is_no_end(self) -> None:
        """
        A helper that is stopped is gone when stop says so, without a word about its end.
        """
        provider = await self.started()
        pid = self.pid()
        stopped = provider.stop()
        error = await refused(provider, self.address())
        self.assertEqual(error.reason, "the helper is not running")
        await stopped
        self.assertRaises(ProcessLookupError, os.kill, pid, 0)
        self.assertEqual(self.ends, [])

    async def test_round_trip(self) -> None:
        """
        A round trip waits for nothing but the work: its median, 0.2 ms on a quiet machine, is below 3 ms on a busy one
        (0.4 ms is the budget, which the benchmark measures).
        """
        provider = await self.started()
        await done(provider, self.address())
        times = []
        for _ in range(101):
            begin = time.perf_counter()
            await done(provider, self.address())
            times.append(time.perf_counter() - begin)
        self.assertLess(sorted(times)[50], 0.003)

    async def test_rootless(self) -> None:
        """
        In a user namespace of one user the change of user is skipped and said so; everything else works.
        """
        script = "import sys; sys.path.insert(0, '.');from tests.live.privilege_rootless import main; main(sys.argv[1])"
        ran = subprocess.run(
            ["unshare", "-Urn", sys.executable, "-c", script, self.path],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=30,
            cwd=TOP,
        )
        if ran.stdout.startswith("unshare: "):
            stop_without(self, f"user namespaces cannot be made ({ran.stdout.strip()})")
        self.assertIn("in a user namespace of one user: does not become nobody", ran.stdout)
        self.assertIn("done", ran.stdout)


@needs(root)
class HelperStartTests(NamespaceCase):
    """How long the helper takes and what it loads."""

    async def test_first_answer(self) -> None:
        """
        From start to the configuration's bytes it takes 65 ms on a quiet machine and is below 3 s on a busy one; the
        daemon is held up for a small part of that.
        """
        provider = self.build(helper.factory)
        begin = time.perf_counter()
        answered = provider.start()
        spawned = time.perf_counter() - begin
        await answered
        self.assertLess(time.perf_counter() - begin, 3)
        self.assertLess(spawned, 0.5)

    async def test_absent_user(self) -> None:
        """
        A helper user that does not exist is an error of the start, in one sentence.
        """
        self.write(TOML.replace('helper_user = "nobody"', 'helper_user = "no-such-user"'))
        provider = self.build(helper.factory)
        error = await outcome(provider.start())
        assert error is not None
        self.assertIn("there is no user no-such-user; make it with", error.reason)
        await provider.stop()
