"""
A helper process as a daemon that was taken over has it: the other end of its connection.
"""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import tempfile

from pdlease.privilege import helper
from pdlease.privilege.box import encode_box
from tests.live.privilege import NamespaceCase, kernel_state

# A shell's redirection would do, did every shell know descriptors above 9.
ON_3 = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.execv(sys.argv[2], sys.argv[2:])"


class Attacked(NamespaceCase):
    """
    A helper, and the end of its connection that a daemon which was taken over has.
    """

    def setUp(self) -> None:
        NamespaceCase.setUp(self)
        self.prepare()
        self.ours, theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.ours.settimeout(10)
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.addCleanup(self.errors.close)
        command = [sys.executable, "-I", "-S", "-c", helper.START, self.path, *helper.import_folders()]
        keep = theirs.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_3, str(keep), *command],
            pass_fds=[keep],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.errors,
        )
        theirs.close()
        self.addCleanup(self._end)
        self.tags = itertools.count(1)
        self.assertIn(b"size", self.ask(b"hello", version=b"0"))
        self.before = kernel_state()

    def prepare(self) -> None:
        """Make what else there is to be in the namespace."""

    def _end(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def box(self, command: bytes, **values: bytes) -> bytes:
        """The octets of a question."""
        tag = b"%d" % next(self.tags)
        return encode_box({"_ask": tag, "_command": command, **values})

    def read_box(self) -> bytes:
        """The octets of the next answer."""
        data = b""
        while not data.endswith(b"\0\0"):
            more = self.ours.recv(65536)
            if not more:
                raise AssertionError("the helper hung up")
            data += more
        return data

    def ask(self, command: bytes, **values: bytes) -> bytes:
        """Ask and return the answer's octets."""
        self.ours.sendall(self.box(command, **values))
        return self.read_box()

    def memory(self) -> int:
        """Private memory of the helper in KiB."""
        with open(f"/proc/{self.process.pid}/smaps_rollup") as file:
            sizes = {line.split()[0]: int(line.split()[1]) for line in file.readlines()[1:]}
        return sizes["Private_Dirty:"]

    def assert_unharmed(self) -> None:
        """The helper lives, answers, has no further descriptors, and the kernel is as before."""
        self.assertIsNone(self.process.poll())
        self.assertIn(b"_answer", self.ask(b"configuration", number=b"0", offset=b"0"))
        self.assertLess(len(os.listdir(f"/proc/{self.process.pid}/fd")), 8)
        self.assertEqual(kernel_state(), self.before)
