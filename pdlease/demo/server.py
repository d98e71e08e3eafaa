"""
The delegating server as a program: C{python -m pdlease.demo.server --link LINK --prefix PREFIX ...}.

It serves one link from C{[::]:547}, takes commands as lines on standard input and from a FIFO, and prints one JSON
object a line for everything that happens.  What it answers is L{pdlease.demo.delegating}, what it can be told is
L{pdlease.demo.script}.  A plain loop without Twisted, so that it is up in a moment.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import signal
import socket
import stat
import sys
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from ipaddress import IPv6Address, IPv6Network
from time import monotonic
from typing import Any

from pdlease.demo.delegating import SERVER, DelegatingServer, Terms
from pdlease.demo.description import describe
from pdlease.demo.script import CommandError, Outgoing, ScriptedServer
from pdlease.wire.codes import ALL_AGENTS_AND_SERVERS, INFINITY, SERVER_PORT
from pdlease.wire.duid import DUID

LONGEST_LINE = 200_000
"""Octets of the longest command; a datagram in hexadecimal digits fits."""


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m pdlease.demo.server",
        description="A small DHCPv6 server that delegates prefixes, for tests and demonstrations.",
        epilog="Commands are lines on standard input; see the documentation of pdlease.demo.script.",
    )
    parser.add_argument("--link", required=True, help="the link to serve")
    parser.add_argument(
        "--prefix",
        action="append",
        type=IPv6Network,
        metavar="PREFIX",
        help="delegate from this prefix; may be repeated",
    )
    parser.add_argument("--length", type=int, default=56, help="of a prefix for a client without a wish (56)")
    parser.add_argument(
        "--preferred", type=_seconds, default=3600, help="preferred lifetime in seconds (3600), or infinite"
    )
    parser.add_argument("--valid", type=_seconds, default=7200, help="valid lifetime in seconds (7200), or infinite")
    parser.add_argument("--t1", type=int, help="seconds to Renew (half of the preferred lifetime)")
    parser.add_argument("--t2", type=int, help="seconds to Rebind (four fifths of it)")
    parser.add_argument("--preference", type=int, help="0 to 255")
    parser.add_argument("--rapid-commit", action="store_true", help="answer a Solicit by a Reply if the client agrees")
    parser.add_argument("--sol-max-rt", type=int, help="seconds")
    parser.add_argument(
        "--exclude", type=int, metavar="LENGTH", help="keep the last part of this length of each prefix"
    )
    parser.add_argument(
        "--dns", action="append", type=IPv6Address, metavar="ADDRESS", help="a resolver; may be repeated"
    )
    parser.add_argument("--adopt", action="store_true", help="accept Renew and Rebind for a prefix that nobody holds")
    parser.add_argument("--duid", type=DUID.parse_hex, default=SERVER, metavar="HEX", help="the server's DUID")
    parser.add_argument(
        "--script", action="append", default=[], metavar="LINE", help="a command to begin with; may be repeated"
    )
    parser.add_argument(
        "--control", metavar="FIFO", help="take commands from this FIFO as well; made where it is missing"
    )
    parser.add_argument("--port", type=int, default=SERVER_PORT, help=argparse.SUPPRESS)
    parser.add_argument("--end-with-stdin", action="store_true", help="end when standard input does")
    return parser


def _seconds(text: str) -> int:
    """A lifetime."""
    return INFINITY if text == "infinite" else int(text)


def terms(options: argparse.Namespace) -> Terms:
    """What the command line says of the server's terms."""
    return Terms(
        server=options.duid,
        pools=tuple(options.prefix or Terms().pools),
        length=options.length,
        preferred=options.preferred,
        valid=options.valid,
        t1=options.t1,
        t2=options.t2,
        preference=options.preference,
        rapid_commit=options.rapid_commit,
        sol_max_rt=options.sol_max_rt,
        exclude=options.exclude,
        dns=tuple(options.dns or ()),
        adopt=options.adopt,
    )


class Lines:
    """
    Lines out of a descriptor that is read when there is something to read.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._rest = b""

    def read(self) -> tuple[list[str], bool]:
        """
        The whole lines that are there, and whether that was the end.
        """
        data = os.read(self.descriptor, 65536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not data and self._rest:
            lines, self._rest = [self._rest], b""
        if len(self._rest) > LONGEST_LINE:
            self._rest = b""
        return [line.decode("utf-8", "replace") for line in lines if line.strip()], not data


class Shell:
    """
    A scripted server on a socket.
    """

    def __init__(
        self, scripted: ScriptedServer, served: socket.socket, tell: Callable[[dict[str, Any]], object]
    ) -> None:
        """
        @param served: a UDP socket that does not block.
        @param tell: called with everything that happens.
        """
        self.scripted = scripted
        self.running = True
        self._socket = served
        self._tell = tell
        self._selector = selectors.DefaultSelector()
        self._selector.register(served, selectors.EVENT_READ, self._receive)
        self._due: list[tuple[float, int, bytes, tuple[Any, ...]]] = []
        self._count = 0
        self._client: tuple[Any, ...] | None = None

    def obey(self, lines: Lines, ending: bool) -> None:
        """
        Take commands from a descriptor.

        @param ending: whether its end is the end of the server.
        """

        def readable() -> None:
            read, over = lines.read()
            for line in read:
                self.command(line)
            if over:
                self._selector.unregister(lines.descriptor)
                self.running = self.running and not ending

        try:
            self._selector.register(lines.descriptor, selectors.EVENT_READ, readable)
        except PermissionError:
            # A plain file or /dev/null cannot be waited for: it is read once.
            over = False
            while not over:
                read, over = lines.read()
                for line in read:
                    self.command(line)

    def command(self, line: str) -> None:
        """Do as one line tells."""
        if line.split() == ["quit"]:
            self.running = False
            return
        try:
            outgoing = self.scripted.command(line, monotonic())
        except CommandError as error:
            self._tell({"event": "refused", "command": line, "problem": str(error)})
            return
        self._tell({"event": "command", "command": line})
        if outgoing and self._client is None:
            self._tell({"event": "refused", "command": line, "problem": "no client has been heard yet"})
            return
        for one in outgoing:
            client = self._client or ()
            self._send_later(one, client if one.group is None else (one.group, *client[1:]))

    def run(self) -> None:
        """Serve until told to stop."""
        while self.running:
            timeout = max(0.0, self._due[0][0] - monotonic()) if self._due else None
            for key, _ in self._selector.select(timeout):
                key.data()
            while self._due and self._due[0][0] <= monotonic():
                _, _, data, to = heappop(self._due)
                self._send(data, to)

    def _receive(self) -> None:
        """Answer one datagram."""
        try:
            data, sender = self._socket.recvfrom(65536)
        except OSError as error:
            self._tell({"event": "failed", "problem": f"receive: {error.strerror}"})
            return
        self._client = sender
        self._tell({"event": "received", "from": sender[0].partition("%")[0], **describe(data)})
        for one in self.scripted.answer(data, monotonic()):
            self._send_later(one, sender)

    def _send_later(self, outgoing: Outgoing, to: tuple[Any, ...]) -> None:
        """Send at once, or put by."""
        if outgoing.delay <= 0:
            self._send(outgoing.data, to)
        elif len(self._due) < 10_000:
            self._count += 1
            heappush(self._due, (monotonic() + outgoing.delay, self._count, outgoing.data, to))

    def _send(self, data: bytes, to: tuple[Any, ...]) -> None:
        """Send a datagram; one that cannot be sent is told of."""
        where = to[0].partition("%")[0]
        try:
            self._socket.sendto(data, to)
        except OSError as error:
            self._tell({"event": "failed", "to": where, "problem": f"send: {error.strerror}", **describe(data)})
        else:
            self._tell({"event": "sent", "to": where, **describe(data)})


def serving_socket(link: str, port: int) -> socket.socket:
    """
    The server's socket: bound to the device, member of All_DHCP_Relay_Agents_and_Servers on it.

    @raise OSError: when the link is missing or the port taken.
    """
    served = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        index = socket.if_nametoindex(link)
        served.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        served.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
        served.bind(("::", port))
        group = IPv6Address(ALL_AGENTS_AND_SERVERS).packed + index.to_bytes(4, sys.byteorder)
        served.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    except OSError:
        served.close()
        raise
    return served


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the server.

    @return: the process's exit status: 1 when it cannot serve the link.
    """
    options = arguments().parse_args(argv)
    try:
        served = serving_socket(options.link, options.port)
    except OSError as error:
        print(f"{options.link}: cannot serve it: {error.strerror or error}", file=sys.stderr)
        return 1
    started = monotonic()

    def tell(event: dict[str, Any]) -> None:
        print(json.dumps({"seconds": round(monotonic() - started, 6), **event}), flush=True)

    shell = Shell(ScriptedServer(DelegatingServer(terms(options))), served, tell)
    for line in options.script:
        shell.command(line)
    if options.control is not None:
        if not (os.path.exists(options.control) and stat.S_ISFIFO(os.stat(options.control).st_mode)):
            os.mkfifo(options.control, 0o600)
        # Open for writing as well: so it has no end when the last writer leaves.
        shell.obey(Lines(os.open(options.control, os.O_RDWR | os.O_CLOEXEC)), ending=False)
    if sys.stdin is not None:
        shell.obey(Lines(sys.stdin.fileno()), ending=options.end_with_stdin)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    tell({"event": "ready", "link": options.link, "pools": [str(pool) for pool in shell.scripted.server.terms.pools]})
    try:
        shell.run()
    except (KeyboardInterrupt, BrokenPipeError):
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
