"""
The daemon's sandbox in a process of its own: what goes on working in it and what does not.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pdlease.sandbox import landlock, seccomp
from tests.live.namespace import enter_namespace, ip
from tests.live.network import TOP
from tests.live.require import needs, network_namespaces, root


def _landlock() -> str | None:
    return None if landlock.abi() else "the kernel has no Landlock"


def _seccomp() -> str | None:
    return None if seccomp.available() else "the kernel has no seccomp filters for this machine"


@needs(network_namespaces, root, _landlock, _seccomp)
class SandboxTests(SynchronousTestCase):
    """L{pdlease.sandbox.daemon.enter}."""

    def setUp(self) -> None:
        enter_namespace(self)
        for name in ("wan0", "lan0"):
            ip(f"link add {name} type veth peer name {name}p")
            ip(f"link set {name} up")
            ip(f"link set {name}p up")
        self.folder = tempfile.mkdtemp(prefix="pdlease-sandbox-", dir="/run" if os.access("/run", os.W_OK) else None)
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)
        for name in ("state", "run"):
            os.mkdir(f"{self.folder}/{name}")
            os.chown(f"{self.folder}/{name}", 65534, 65534)

    def run_daemon(self, action: str, privileges: str = "helper") -> tuple[int, dict[str, list[Any]]]:
        """Run the process with one action; its status and what it said, by first word."""
        path = f"{self.folder}/pdlease.toml"
        with open(path, "w") as file:
            file.write(
                f'[daemon]\nuser = "nobody"\nhelper_user = "nobody"\nsandbox_action = "{action}"\n'
                f'privileges = "{privileges}"\n'
                f'state = "{self.folder}/state"\ncontrol = "{self.folder}/run/control.sock"\n'
                '[uplinks.wan]\nlink = "wan0"\n[[uplinks.wan.delegations]]\ndownstreams = ["lan0"]\n'
            )
        os.chmod(path, 0o644)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.live.sandboxed", path],
            cwd=TOP,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None and process.stderr is not None and process.stdin is not None
        said: dict[str, list[Any]] = {}
        for line in process.stdout:
            first, *words = json.loads(line)
            said.setdefault(first, []).append(words)
            if first == "ready":
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(f"{self.folder}/run/control.sock")
                    client.sendall(b"hello")
                    said["echo"] = [client.recv(100)]
                process.stdin.write(b"go on\n")
                process.stdin.flush()
        said["errors"] = process.stderr.read().decode().splitlines()
        status = process.wait(10)
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
        return status, said

    def test_everything_the_daemon_does(self) -> None:
        """
        Sockets and operations through the helper, reload, the store, the clock, the control socket, logging, and the
        end by its own signal all work under a filter whose answer is death (design 10).
        """
        status, said = self.run_daemon("kill")
        self.assertEqual((status, said["errors"]), (-15, []))
        (((report, remarks)),) = said["report"]
        self.assertRegex(report, "^user nobody, no capabilities, Landlock .*, seccomp kill$")
        self.assertEqual(remarks, [])
        self.assertEqual(said["uid"], [[[65534] * 3, [os.stat(f"{self.folder}/state").st_gid] * 3, []]])
        self.assertEqual(said["ready"], [[["True"]]])
        self.assertEqual(said["echo"], [b"hello"])
        self.assertEqual(said["left"], [[False]])
        with open(f"{self.folder}/state/log") as file:
            self.assertRegex(file.read(), "inside(.|\n)*outside")

    def test_in_process(self) -> None:
        """
        With the provider C{inprocess} the daemon keeps the two capabilities, and does all of that itself.
        """
        status, said = self.run_daemon("kill", "inprocess")
        self.assertEqual((status, said["errors"]), (-15, []))
        (((report, remarks)),) = said["report"]
        self.assertRegex(
            report, "^user nobody, capabilities NET_BIND_SERVICE NET_ADMIN, Landlock [0-9]+, seccomp kill$"
        )
        self.assertEqual((remarks, said["left"]), ([], [[False]]))

    def test_what_it_may_not(self) -> None:
        """
        Files outside its folders, programs, processes, sockets, signals to others and other users are refused, and a
        client socket stays on its link.
        """
        status, said = self.run_daemon("errno")
        self.assertEqual((status, said["errors"], said.get("works")), (-15, [], None))
        failed = dict(said["fails"])
        self.assertEqual(len(failed), 14)
        self.assertLessEqual(set(failed.values()), {errno.EPERM, errno.EACCES})
