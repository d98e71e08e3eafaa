"""
Networks for live tests: namespaces C{isp}, C{router} and C{lan} with veth pairs, what runs in them, and what is heard.

Nothing here touches the links of the machine; every process that is started is ended by its process id, every namespace
is removed.  Which live tests may be skipped is L{tests.live.require}.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pdlease.wire.messages import Message, decode
from pdlease.wire.reader import WireError

TOP = Path(__file__).resolve().parents[2]
COUNTER = itertools.count(1)
_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
# Outgoing packets are seen only by a socket that sees all protocols.
_EVERYTHING = 0x0003


def ip(*words: str, check: bool = True) -> str:
    """Run C{ip} with these words and return what it printed."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def until(question: Callable[[], Any], seconds: float, what: str, every: float = 0.05) -> Any:
    """Ask until the answer is true, and return it; fail with C{what} after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)


def socket_in(namespace: str, *arguments: int) -> socket.socket:
    """A socket made inside a named network namespace."""
    made: list[socket.socket] = []

    def make() -> None:
        with open(f"/run/netns/{namespace}", "rb") as file:
            if _LIBC.setns(file.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.socket(*arguments))

    # a thread has a network namespace of its own: ours stays where it is
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


class Heard:
    """
    The DHCPv6 messages that pass a link, with the time of each.

    @ivar messages: (second of CLOCK_MONOTONIC, source address, message), in order.
    @ivar frames: the same as they came, from the Ethernet header on.
    """

    def __init__(self, namespace: str, link: str) -> None:
        self.messages: list[tuple[float, str, Message]] = []
        self.frames: list[bytes] = []
        self._socket = socket_in(namespace, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERYTHING))
        self._socket.bind((link, _EVERYTHING))
        self._socket.settimeout(0.2)
        self._ending = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._ending:
            try:
                frame = self._socket.recv(65600)
            except OSError:
                # nothing to hear, or the link is down for a while
                time.sleep(0.01)
                continue
            heard = time.monotonic()
            # Ethernet 14, IPv6 40 (next header UDP), UDP 8
            if (
                len(frame) < 66
                or frame[12:14] != b"\x86\xdd"
                or frame[20] != 17
                or not {546, 547} & {_port(frame, 54), _port(frame, 56)}
            ):
                continue
            try:
                message = decode(frame[62:])
            except WireError:
                continue
            self.frames.append(frame)
            self.messages.append((heard, socket.inet_ntop(socket.AF_INET6, frame[22:38]), message))

    def types(self, since: float = 0.0) -> list[int]:
        """The message types heard since a second of CLOCK_MONOTONIC."""
        return [message.message_type for heard, _, message in list(self.messages) if heard >= since]

    def first(self, message_type: int, since: float = 0.0) -> tuple[float, Message] | None:
        """The first message of a type since then, with its time."""
        for heard, _, message in list(self.messages):
            if message.message_type == message_type and heard >= since:
                return heard, message
        return None

    def stop(self) -> None:
        """Hear no more."""
        self._ending = True
        self._thread.join()
        self._socket.close()


def _port(frame: bytes, offset: int) -> int:
    return int.from_bytes(frame[offset : offset + 2], "big")


class Program:
    """
    A process inside a namespace, with what it printed.

    @ivar process: the process; ended with L{stop}.
    @ivar output: path of the file with what it printed.
    """

    def __init__(
        self, folder: Path, name: str, namespace: str, *command: str, env: dict[str, str] | None = None
    ) -> None:
        self.output = folder / f"{name}.out"
        self.started = time.monotonic()
        with open(self.output, "ab") as out:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", namespace, *command],
                cwd=TOP,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
            )

    def said(self) -> str:
        """What it printed so far."""
        return self.output.read_text(errors="replace")

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def ended(self, seconds: float = 10.0) -> int:
        """Wait for its end and return its status (negative for a signal)."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s; it said:\n{self.said()[-4000:]}") from None

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the status; one that does not end in time is killed."""
        if self.running():
            self.process.send_signal(number)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        if self.process.stdin is not None:
            self.process.stdin.close()
            self.process.stdin = None
        return self.process.returncode


def with_folders(folders: Mapping[str, Path], *command: str) -> list[str]:
    """
    The words that run a command with folders of ours in the place of the machine's; in a namespace only, since C{ip
    netns exec} makes it a mount namespace of its own.

    @param folders: ours, by the path of the machine's.
    """
    script = 'while [ "$1" != -- ]; do mkdir -p "$2"; mount --bind "$1" "$2" || exit 1; shift 2; done; shift; exec "$@"'
    return ["sh", "-c", script, "sh", *(w for path, ours in folders.items() for w in (str(ours), path)), "--", *command]


def children_of(pid: int) -> list[int]:
    """The process ids of the children of a process."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


class Network:
    """
    Three namespaces in a row: C{isp} -wan- C{router} -lan0, lan1...- C{lan}.

    @ivar folder: where files of this network live; removed with it.
    @ivar isp: name of the provider's namespace; its link is C{wan} with a further number for each more uplink.
    @ivar router: name of the namespace in which the daemon runs.
    @ivar lan: name of the namespace of the LAN hosts.
    """

    def __init__(self, uplinks: int = 1, downstreams: int = 2, accept_dad: bool = False) -> None:
        # not in trial's folder: the daemon becomes another user, who must be able to reach its state folder
        self.folder = Path(tempfile.mkdtemp(prefix="pdlease-live-"))
        self.folder.chmod(0o755)
        stem = f"pdl{os.getpid()}x{next(COUNTER)}"
        self.isp, self.router, self.lan = (f"{stem}-{role}" for role in ("isp", "router", "lan"))
        self._programs: list[Program] = []
        self._heard: list[Heard] = []
        for namespace in (self.isp, self.router, self.lan):
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
            if not accept_dad:
                for which in ("all", "default"):
                    self.sysctl(namespace, f"net/ipv6/conf/{which}/accept_dad", "0")
                    self.sysctl(namespace, f"net/ipv6/conf/{which}/dad_transmits", "0")
        self.sysctl(self.router, "net/ipv6/conf/all/forwarding", "1")
        for number in range(uplinks):
            self.pair(self.router, f"wan{number}", self.isp, f"cpe{number}")
            ip("-n", self.isp, "address", "add", f"2001:db8:ffff:{number:x}::1/64", "dev", f"cpe{number}", "nodad")
        for number in range(downstreams):
            self.pair(self.router, f"lan{number}", self.lan, f"host{number}")

    @staticmethod
    def sysctl(namespace: str, name: str, value: str) -> None:
        """Set a kernel setting inside a namespace."""
        subprocess.run(["ip", "netns", "exec", namespace, "sh", "-c", f"echo {value} > /proc/sys/{name}"], check=True)

    def pair(self, namespace: str, name: str, peer_namespace: str, peer: str) -> None:
        """Make a veth pair between two namespaces, both ends up."""
        ip("-n", namespace, "link", "add", name, "type", "veth", "peer", "name", peer, "netns", peer_namespace)
        ip("-n", namespace, "link", "set", name, "up")
        ip("-n", peer_namespace, "link", "set", peer, "up")
        self.ready(namespace, name)
        self.ready(peer_namespace, peer)

    def ready(self, namespace: str, link: str) -> None:
        """Wait for a link-local address that can be used."""
        until(
            lambda: "fe80" in self.addresses(namespace, link, "scope", "link", "-tentative"),
            10,
            f"link-local on {link}",
        )

    def addresses(self, namespace: str, link: str, *words: str) -> str:
        """The IPv6 addresses of a link as C{ip} shows them."""
        return ip("-n", namespace, "-6", "-o", "address", "show", "dev", link, *words, check=False)

    def global_addresses(self, link: str) -> dict[str, dict[str, Any]]:
        """The global addresses of a link of the router: address with length to what C{ip -json} tells of it."""
        text = ip("-n", self.router, "-6", "-json", "address", "show", "dev", link, "scope", "global", check=False)
        found = {}
        for entry in json.loads(text or "[]"):
            for address in entry.get("addr_info", ()):
                if "local" in address:
                    found[f"{address['local']}/{address['prefixlen']}"] = address
        return found

    def routes(self, *words: str) -> list[dict[str, Any]]:
        """The router's IPv6 routes that carry pdlease's protocol number."""
        text = ip(
            "-n", self.router, "-6", "-json", "route", "show", "table", "all", "proto", "154", *words, check=False
        )
        return list(json.loads(text or "[]"))

    def run(self, name: str, namespace: str, *command: str, env: dict[str, str] | None = None) -> Program:
        """Start a program in a namespace; it is ended with the network."""
        program = Program(self.folder, name, namespace, *command, env=env)
        self._programs.append(program)
        return program

    def hear(self, number: int = 0) -> Heard:
        """Listen on the provider's end of an uplink."""
        heard = Heard(self.isp, f"cpe{number}")
        self._heard.append(heard)
        return heard

    def close(self) -> None:
        """End every program, then remove the namespaces."""
        for program in reversed(self._programs):
            program.stop()
        for heard in self._heard:
            heard.stop()
        for namespace in (self.isp, self.router, self.lan):
            for pid in ip("netns", "pids", namespace, check=False).split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            ip("netns", "delete", namespace, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
