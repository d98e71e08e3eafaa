"""Tests of L{pdlease.demo.server}."""

from __future__ import annotations

import os
import socket
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pdlease.demo.delegating import SERVER, Terms
from pdlease.demo.script import ScriptedServer
from pdlease.demo.server import LONGEST_LINE, Lines, Shell, arguments, terms
from pdlease.wire.codes import INFINITY, MessageType
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import ClientId
from pdlease.wire.prefixes import IAPD

SOLICIT = encode(Message(MessageType.SOLICIT, 0x123456, (ClientId(DUID(b"\0\4client")), IAPD(1, 0, 0))))


class CommandLineTests(SynchronousTestCase):
    """
    L{arguments} and L{terms}.
    """

    def parsed(self, *words: str) -> Terms:
        """The terms that a command line gives."""
        return terms(arguments().parse_args(["--link", "eth0", *words]))

    def test_defaults(self) -> None:
        """
        Without further options the terms are the usual ones.
        """
        self.assertEqual(self.parsed(), Terms())

    def test_everything(self) -> None:
        """
        Every term has an option.
        """
        words = (
            "--prefix 2001:db8:1::/48 --prefix 2001:db8:2::/48 --length 60 --preferred 10 --valid infinite"
            " --t1 3 --t2 4 --preference 5 --rapid-commit --sol-max-rt 600 --exclude 64 --dns 2001:db8::53"
            " --adopt --duid 00:03:00:01:aa"
        )
        self.assertEqual(
            self.parsed(*words.split()),
            Terms(
                server=DUID(bytes.fromhex("00030001aa")),
                pools=(IPv6Network("2001:db8:1::/48"), IPv6Network("2001:db8:2::/48")),
                length=60,
                preferred=10,
                valid=INFINITY,
                t1=3,
                t2=4,
                preference=5,
                rapid_commit=True,
                sol_max_rt=600,
                exclude=64,
                dns=(IPv6Address("2001:db8::53"),),
                adopt=True,
            ),
        )


class LinesTests(SynchronousTestCase):
    """
    L{Lines}.
    """

    def setUp(self) -> None:
        """A pipe."""
        descriptor, self.writing = os.pipe()
        self.addCleanup(os.close, descriptor)
        self.lines = Lines(descriptor)

    def test_lines_in_pieces(self) -> None:
        """
        A line counts when it is whole; empty ones do not; the last one needs no end.
        """
        read = []
        for piece in (b"silent", b" on\nwe", b"ll\n\n \nforget"):
            os.write(self.writing, piece)
            read.append(self.lines.read())
        os.close(self.writing)
        read.append(self.lines.read())
        self.assertEqual(read, [([], False), (["silent on"], False), (["well"], False), (["forget"], True)])

    def test_endless_line(self) -> None:
        """
        A line without end takes no memory without bound.
        """
        os.set_blocking(self.writing, False)
        for _ in range(LONGEST_LINE // 60000 + 10):
            os.write(self.writing, b"x" * 60000)
            self.lines.read()
        self.assertLessEqual(len(self.lines._rest), LONGEST_LINE + 65536)
        os.close(self.writing)


class ShellTests(SynchronousTestCase):
    """
    L{Shell}, on a socket whose other end is a file name.
    """

    def setUp(self) -> None:
        """A server and a client."""
        folder = self.mktemp()
        os.mkdir(folder)
        # a socket's name may have 107 octets
        before = os.getcwd()
        os.chdir(folder)
        self.addCleanup(os.chdir, before)
        self.served, self.client = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
        for one, name in ((self.served, "server"), (self.client, "client")):
            one.bind(name)
            self.addCleanup(one.close)
        self.client.settimeout(5)
        self.told: list[dict[str, Any]] = []
        self.shell = Shell(ScriptedServer(), self.served, self.tell)
        self.left = 0

    def tell(self, event: dict[str, Any]) -> None:
        """Note what happens; stop the server after as many events as the test waits for."""
        self.told.append(event)
        self.left -= 1
        self.shell.running = self.left > 0

    def run_for(self, events: int) -> None:
        """Let the server run until that many things have happened."""
        self.left = events
        self.shell.running = True
        self.shell.run()

    def events(self) -> list[tuple[str, str | None]]:
        """What happened, and the type of message."""
        return [(event["event"], event.get("type")) for event in self.told]

    def test_answering(self) -> None:
        """
        A datagram is told of and answered, and the answer told of.
        """
        self.client.sendto(SOLICIT, "server")
        self.run_for(2)
        self.assertEqual(self.events(), [("received", "SOLICIT"), ("sent", "ADVERTISE")])
        answer = decode(self.client.recv(2000))
        self.assertEqual((answer.transaction_id, answer.server_id), (0x123456, SERVER))

    def test_commands(self) -> None:
        """
        Lines that come in while the server runs are obeyed; wrong ones are told of and do no harm.
        """
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.shell.obey(Lines(reading), ending=False)
        os.write(writing, b"preference 9\nnonsense\n")
        self.run_for(2)
        self.assertEqual([event["event"] for event in self.told], ["command", "refused"])
        self.client.sendto(SOLICIT, "server")
        self.run_for(2)
        self.assertEqual(decode(self.client.recv(2000)).preference, 9)
        os.close(writing)

    def test_end_of_the_commands(self) -> None:
        """
        The end of standard input ends the server only if that was wanted; C{quit} always does.
        """
        for ending in (False, True):
            reading, writing = os.pipe()
            self.shell.obey(Lines(reading), ending=ending)
            os.close(writing)
            if ending:
                self.shell.running = True
                self.shell.run()
            else:
                self.client.sendto(SOLICIT, "server")
                self.run_for(2)
            self.assertEqual(self.told != [], True)
            os.close(reading)
        self.shell.running = True
        self.shell.command("quit")
        self.assertFalse(self.shell.running)

    def test_commands_from_what_cannot_be_waited_for(self) -> None:
        """
        Commands from a plain file are read at once; C{/dev/null} holds none.
        """
        with open("commands", "w+b") as file:
            file.write(b"preference 1\npreference 2")
            file.seek(0)
            self.shell.obey(Lines(file.fileno()), ending=False)
        with open("/dev/null", "rb") as nothing:
            self.shell.obey(Lines(nothing.fileno()), ending=False)
        self.assertEqual(self.shell.scripted.server.terms.preference, 2)

    def test_later(self) -> None:
        """
        A delayed answer is sent when it is due.
        """
        self.shell.command("delay 0.05")
        self.client.sendto(SOLICIT, "server")
        self.run_for(2)
        self.assertEqual(self.events()[1:], [("received", "SOLICIT"), ("sent", "ADVERTISE")])

    def test_raw(self) -> None:
        """
        Octets are sent to the last client that was heard; without one that is told.
        """
        self.shell.command("raw 0a000000")
        self.assertEqual(self.told[-1]["problem"], "no client has been heard yet")
        self.client.sendto(SOLICIT, "server")
        self.run_for(2)
        self.shell.command("raw 0a000000")
        self.assertEqual([self.client.recv(2000)[0], self.client.recv(2000)], [2, b"\x0a\0\0\0"])

    def test_client_that_went(self) -> None:
        """
        An answer that cannot be sent is told of, and the server goes on.
        """
        self.client.sendto(SOLICIT, "server")
        os.unlink("client")
        self.run_for(2)
        self.assertEqual(self.events(), [("received", "SOLICIT"), ("failed", "ADVERTISE")])
        self.assertIn("No such file", self.told[1]["problem"])
