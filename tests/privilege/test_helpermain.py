"""
Tests for L{pdlease.privilege.helpermain}; the whole process on a real kernel is in L{tests.live.test_helper_live}.
"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import cast

from twisted.protocols.amp import parseString
from twisted.trial.unittest import SynchronousTestCase

from pdlease.privilege.box import Box, encode_box
from pdlease.privilege.helper import START, import_folders
from pdlease.privilege.helpermain import Answer, pass_on, serve


class ServeTests(SynchronousTestCase):
    """L{serve}."""

    def serving(self, answer: Answer) -> socket.socket:
        """The other end of a connection that is served by a thread, which ends with the test."""
        ours, theirs = socket.socketpair()
        thread = threading.Thread(target=serve, args=(theirs, answer))
        thread.start()
        self.addCleanup(theirs.close)
        self.addCleanup(thread.join, 5)
        self.addCleanup(ours.close)
        ours.settimeout(5)
        return ours

    def read(self, connection: socket.socket, boxes: int) -> list[dict[bytes, bytes]]:
        """The next so many boxes."""
        data = b""
        while data.count(b"\0\0") < boxes or not data.endswith(b"\0\0"):
            data += connection.recv(65536)
        return [dict(box) for box in parseString(data)]

    def test_in_order(self) -> None:
        """
        Questions that arrive together are answered in order.
        """

        def answer(box: Box, send: Callable[[bytes, socket.socket], None]) -> bytes:
            return encode_box({"_answer": box.values["_ask"]})

        connection = self.serving(answer)
        connection.sendall(b"".join(encode_box({"_ask": b"t%d" % number}) for number in range(300)))
        answers = self.read(connection, 300)
        self.assertEqual([box[b"_answer"] for box in answers], [b"t%d" % number for number in range(300)])

    def test_descriptors(self) -> None:
        """
        Sockets travel with the box that names their ordinal, in order with other answers.
        """

        def answer(box: Box, send: Callable[[bytes, socket.socket], None]) -> bytes:
            if box.values["_ask"] == b"s":
                with socket.socket() as made:
                    send(b"s", made)
                return b""
            return encode_box({"_answer": box.values["_ask"]})

        connection = self.serving(answer)
        connection.sendall(b"".join(encode_box({"_ask": tag}) for tag in (b"a", b"s", b"s", b"b")))
        data, descriptors = b"", []
        while data.count(b"_answer") < 4 or not data.endswith(b"\0\0"):
            part, found, _, _ = socket.recv_fds(connection, 65536, 4)
            data += part
            descriptors += found
        for descriptor in descriptors:
            os.close(descriptor)
        self.assertEqual(len(descriptors), 2)
        boxes = [dict(box) for box in parseString(data)]
        self.assertEqual(
            boxes,
            [
                {b"_answer": b"a"},
                {b"_answer": b"s", b"socket": b"0"},
                {b"_answer": b"s", b"socket": b"1"},
                {b"_answer": b"b"},
            ],
        )

    def test_ends_with_the_connection(self) -> None:
        """
        Serving is over when the other end is closed, also when answers could not be delivered.
        """
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        ours.sendall(encode_box({"_ask": b"1"}) + b"\0")
        ours.close()
        serve(theirs, lambda box, send: encode_box({"_answer": b"1"}))


class ImportTests(SynchronousTestCase):
    """What the helper process loads."""

    def test_neither_twisted_nor_zope(self) -> None:
        """
        The helper loads neither Twisted nor zope, pyroute2, asyncio, subprocess or ssl, and less than 175 modules
        (design 7).
        """
        program = START.replace("main(sys.argv[1])", "print(' '.join(sys.modules))")
        loaded = subprocess.run(
            [sys.executable, "-I", "-S", "-c", program, "unused", *import_folders()],
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout.split()
        self.assertIn("pdlease.privilege.helpermain", loaded)
        for name in ("twisted", "zope", "pyroute2", "asyncio", "subprocess", "ssl", "pdlease.interfaces", "site"):
            self.assertNotIn(name, loaded)
        self.assertLess(len(loaded), 175)

    def test_nothing_is_imported_later(self) -> None:
        """
        When the sandbox is closed nothing can be imported: neither a good nor a wrong configuration needs anything
        then that is not there.
        """
        program = START.replace("main(sys.argv[1])", "") + PROBE
        ran = subprocess.run(
            [sys.executable, "-I", "-S", "-c", program, "unused", *import_folders()],
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        self.assertEqual(ran.stdout, "/etc/pdlease.toml []\n/etc/dhcp6leased.conf []\n")


PROBE = r"""
from pdlease.config.errors import ConfigErrors
from pdlease.config.load import load
from pdlease.privilege.policy import Policy

toml = b'[uplinks.wan]\nlink = "wan0"\n[[uplinks.wan.delegations]]\ndownstreams = ["lan0"]\n'
conf = b'request prefix delegation on wan0 for { lan0/64 }\n'
for path, good in (("/etc/pdlease.toml", toml), ("/etc/dhcp6leased.conf", conf)):
    Policy.of(load(good, path))
    before = set(sys.modules)
    for data in (
        good,
        b"\xff",
        b"[",
        b"[uplnks.wan]",
        b'[uplinks.wan]\nlinnk = "wan0"\nduid = "llt:eth0"',
        b'[uplinks.wan]\nduid = "raw:zz"\nrate_limit = [1]\n[[uplinks.wan.delegations]]\ndownstreams = ["l/200", 7]',
        b'[uplinks.a.b]\nlink = "x"\n[daemon]\nroute_protocol = 4\nuser = ""\n[policy]\nprefixes = ["2001:db8::1/32"]',
        b'[guests.web]\nid = 0\n[[guests.web.nics]]\nlink = "t"\nswitch = "none"\n[switches.lab]\ngroup = "x1"\n',
        b'[local]\nprefix = "10.0.0.0/33"\ninet6 = "fe80::/10"\n[identity]\nduid = "uuuid"\n[control.remote]\nlisten=1',
        b'request prefix delegation on wan0 for { lan0/200 }\nrequst rapid commit\n',
    ):
        try:
            load(data, path)
        except ConfigErrors as errors:
            str(errors)
    print(path, sorted(set(sys.modules) - before))
"""


class Crowded:
    """A connection on which a few sends find too many descriptors under way."""

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)
        self.sent: list[bytes] = []

    def sendmsg(self, buffers: list[bytes], ancillary: object, flags: int = 0) -> int:
        if self.errors:
            number = self.errors.pop(0)
            raise OSError(number, os.strerror(number))
        self.sent.extend(buffers)
        return len(b"".join(buffers))


class PassOnTests(SynchronousTestCase):
    """Tests of L{pass_on}."""

    def pass_on(self, connection: Crowded) -> list[float]:
        """Pass a descriptor on; the waits that it took."""
        waits: list[float] = []
        with socket.socket() as made:
            pass_on(cast("socket.socket", connection), b"box", made, waits.append)
        return waits

    def test_too_many_under_way(self) -> None:
        """While too many descriptors are under way it waits for the daemon to read them, and then sends."""
        connection = Crowded(errno.ETOOMANYREFS, errno.ETOOMANYREFS)
        self.assertEqual((len(self.pass_on(connection)), connection.sent), (2, [b"box"]))

    def test_never_read(self) -> None:
        """A daemon that does not read any more is not waited for without end."""
        connection = Crowded(*[errno.ETOOMANYREFS] * 100_000)
        self.assertRaises(OSError, self.pass_on, connection)
        self.assertTrue(connection.errors)

    def test_other_errors(self) -> None:
        """Any other error is one."""
        self.assertRaises(OSError, self.pass_on, Crowded(errno.EPIPE))
