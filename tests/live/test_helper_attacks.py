"""
Attacks on the helper process, on a real kernel: whatever is said to it, nothing changes and it goes on.

Valid words with hostile fields are in L{tests.live.test_hostile_fields}.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import sys

from pdlease.config.toml import parse
from pdlease.operations import (
    PutAddress,
)
from pdlease.privilege import helper
from pdlease.privilege.box import encode_box
from pdlease.privilege.vocabulary import (
    CARRIERS,
    write_fields,
)
from tests.live.attacked import Attacked
from tests.live.privilege import kernel_state


class AttackTests(Attacked):
    """
    A daemon that was taken over says what it likes to the helper.
    """

    def test_random_octets(self) -> None:
        """
        Random octets are some boxes or other; none of them does anything.
        """
        chance = random.Random(1)
        for _ in range(200):
            self.ours.sendall(chance.randbytes(chance.randrange(1, 2000)))
        # whatever is unfinished is at most a key and a value: after so many zeros the next box is whole
        self.ours.sendall(bytes(200_000))
        self.ours.settimeout(0.5)
        try:
            while self.ours.recv(65536):
                continue
        except TimeoutError:
            self.ours.settimeout(10)
        self.assert_unharmed()

    def test_over_long(self) -> None:
        """
        Keys and values beyond the bounds, and boxes that never end, are answered with an error and take no memory.
        """
        self.assertIn(b"the most", self.ask(b"hello", version=b"x" * 65535))
        self.assertIn(b"the most", self.ask(b"hello", **{"k" * 255: b""}))
        self.assertIn(b"more than", self.ask(b"hello", **{f"k{n}": b"" for n in range(30)}))
        before = self.memory()
        pair = struct.pack("!H", 40) + b"k" * 40 + struct.pack("!H", 512) + b"v" * 512
        for _ in range(200):
            self.ours.sendall(pair * 100)
        self.ours.sendall(b"\0\0")
        self.assert_unharmed()
        self.assertLess(self.memory(), before + 1024)

    def test_unknown_words(self) -> None:
        """
        Words and fields that are not in the vocabulary, and fields of the wrong kind, are refused by name.
        """
        self.assertIn(b"is not in the vocabulary", self.ask(b"execute", program=b"/bin/sh"))
        self.assertIn(b"is not in the vocabulary", self.ask(b""))
        self.assertIn(b"link: missing", self.ask(b"enable-ipv6", index=b"1"))
        self.assertIn(b"no field of", self.ask(b"reload", path=b"/etc/shadow"))
        for name in (
            b"../../../../etc",
            b"a/b",
            b".",
            b"..",
            b"",
            b"lan0\0",
            b"x" * 16,
            b"\xff\xfe",
            b"lan 0",
            b"lan0:1",
        ):
            answer = self.ask(b"enable-ipv6", link=name, index=b"%d" % self.indexes["lan0"])
            self.assertIn(b"_error", answer)
            self.assertIn(b"link: ", answer)
        for index in (b"0", b"-1", b"4294967296", b"0x3", b" 3", b"9" * 400, b"\xb2"):
            self.assertIn(b"index: ", self.ask(b"enable-ipv6", link=b"lan0", index=index))
        for address in (b"", b"x" * 16, bytes(16) + b"\x81", bytes(18)):
            put = write_fields(self.address())
            self.assertIn(b"address: ", self.ask(b"put-address", **{**put, "address": address}))
        self.assert_unharmed()

    def test_no_question(self) -> None:
        """
        A box that asks nothing, and answers that nobody asked for, are passed over.
        """
        for values in ({}, {"_answer": b"1"}, {"_error": b"1"}, {"_command": b"reload"}):
            self.ours.sendall(encode_box(values))
        put = self.address()
        word = CARRIERS[PutAddress].name.encode()
        self.ours.sendall(encode_box({"_command": word, **write_fields(put)}))
        self.assert_unharmed()

    def test_descriptors(self) -> None:
        """
        Descriptors that are sent along are not taken in, however many.
        """
        with open(os.devnull) as file:
            for _ in range(2000):
                socket.send_fds(self.ours, [b"\0\0"], [file.fileno()] * 4)
        self.assert_unharmed()

    def test_cut_box(self) -> None:
        """
        A connection that ends in the middle of a box ends the helper in peace, with nothing done.
        """
        self.ours.sendall(self.box(b"put-address", **write_fields(self.address()))[:-1])
        self.ours.shutdown(socket.SHUT_WR)
        self.assertEqual(self.process.wait(10), 0)
        self.assertEqual(kernel_state(), self.before)

    def test_flood_of_refusals(self) -> None:
        """
        Two thousand refusals are two thousand answers and a few lines of log.
        """
        refused_ = self.box(b"put-address", **write_fields(self.address("ff02::1/64")))
        before = self.memory()
        for _ in range(20):
            self.ours.sendall(refused_ * 100)
            answers = b""
            while answers.count(b"_error_code") < 100 or not answers.endswith(b"\0\0"):
                answers += self.ours.recv(1 << 20)
        self.assert_unharmed()
        self.assertLess(self.memory(), before + 1024)
        self.errors.seek(0)
        lines = self.errors.read().splitlines()
        self.assertLess(len(lines), 20)
        self.assertIn(b"address: ff02::/64 is not inside 2000::/3, fc00::/7", lines[0])

    def test_silent_reader(self) -> None:
        """
        Who asks without reading the answers stops the helper's work, not its bounds.
        """
        before = self.memory()
        question = self.box(b"configuration", offset=b"0") * 50
        self.ours.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            while True:
                self.ours.sendall(question)
        self.assertLess(self.memory(), before + 2048)
        self.assertIsNone(self.process.poll())

    def test_forbidden_calls(self) -> None:
        """
        The filter that the helper is under has no way to start a program or a process (its action here is to kill).
        """
        from pdlease.privilege.confinement import closing_of
        from pdlease.sandbox.seccomp import names

        allowed = names(closing_of(parse(self.source, self.path).daemon, self.path).calls)
        for name in ("execve", "execveat", "fork", "vfork", "clone", "clone3", "ptrace", "kill", "tgkill", "prctl"):
            self.assertNotIn(name, allowed)

    def test_parent_gone(self) -> None:
        """
        A helper whose parent ends before it gave its own rights away is killed, even where somebody else holds the
        other end of the socket pair.
        """
        ours, theirs = socket.socketpair()
        child = os.fork()
        if not child:
            grandchild = os.fork()
            if not grandchild:
                null = os.open(os.devnull, os.O_RDWR)
                os.dup2(null, 2)
                os.dup2(theirs.fileno(), 3)
                os.set_inheritable(3, True)
                python = sys.executable
                os.execv(python, [python, "-I", "-S", "-c", helper.START, self.path, *helper.import_folders()])
            signal.pause()
        theirs.close()
        try:
            ours.settimeout(10)
            ours.sendall(self.box(b"hello", version=b"0"))
            self.assertTrue(ours.recv(65536))
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        # the helper's end of the pair closes with it
        self.assertEqual(ours.recv(65536), b"")
        ours.close()
