"""
What L{tests.live.test_sandbox_live} runs as a process of its own: all that a daemon does in its life, in the sandbox.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from ipaddress import IPv6Interface
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import react
from twisted.logger import Logger, globalLogBeginner, textFileLogObserver

from pdlease.clock import BootClock, SystemTimes
from pdlease.config.model import Config
from pdlease.config.toml import parse
from pdlease.interfaces import PrivilegeContext
from pdlease.lease import Lease, UplinkRecord
from pdlease.operations import EnableIPv6, PutAddress
from pdlease.sandbox.daemon import enter
from pdlease.stores.file import FileStore
from pdlease.testing import IDENTITY

Step = Callable[[], Any]


class Echo(Protocol):
    """Sends back what comes."""

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


async def live(reactor: Any, config: Config, path: str, say: Callable[..., None], tried: dict[str, Step]) -> None:
    """Get everything ready, close the sandbox, then do everything once."""
    log = Logger()
    with open(path, "rb") as file:
        source = file.read()
    context = PrivilegeContext(reactor=reactor, configuration_path=path, configuration=config, ended=say)
    privilege = import_module(f"pdlease.privilege.{config.daemon.privileges}").factory.build("", context)
    await privilege.start()
    index = {name: socket.if_nametoindex(name) for name in ("wan0", "lan0")}
    store = FileStore(config.daemon.state, SystemTimes())
    await store.load()
    clock = BootClock(reactor)
    listening = reactor.listenUNIX(config.daemon.control, Factory.forProtocol(Echo))
    observed: list[str] = []
    with open(f"{config.daemon.state}/log", "a") as log_file:
        globalLogBeginner.beginLoggingTo([textFileLogObserver(log_file)], redirectStandardIO=False)
        in_process = config.daemon.privileges == "inprocess"
        report = enter(config.daemon, readable=[os.path.dirname(path)] if in_process else [])
        say("report", str(report), list(report.remarks))
        say("uid", os.getresuid(), os.getresgid(), os.getgroups())
        log.info("inside")

        def fails(name: str, step: Step) -> None:
            try:
                step()
            except OSError as error:
                say("fails", name, error.errno)
            else:
                say("works", name)

        for name, step in tried.items():
            fails(name, step)
        client = await privilege.open_client_socket("wan0", index["wan0"])
        client.sendto(b"x", ("ff02::1:2", 547))
        by_name = (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lan0")
        by_index = (socket.SOL_SOCKET, 62, index["lan0"])  # SO_BINDTOIFINDEX
        fails("bind the client socket to another link by name", lambda: client.setsockopt(*by_name))
        fails("bind the client socket to another link by index", lambda: client.setsockopt(*by_index))
        route_socket = await privilege.open_route_socket()
        put = PutAddress(
            link="lan0", index=index["lan0"], address=IPv6Interface("2001:db8:0:1::1/64"), preferred=1, valid=2
        )
        for waited in privilege.perform([EnableIPv6(link="lan0", index=index["lan0"]), put]):
            await waited
        observed.append(f"{len(route_socket.recv(65536)) > 16}")
        assert await privilege.reload() == source
        await privilege.adopt(source)
        await store.save_identity(IDENTITY)
        await store.save_uplink("wan", UplinkRecord(lease=Lease(), sol_max_rt=61))
        await store.save_uplink("old", UplinkRecord(lease=Lease()))
        await store.forget_uplink("old")
        stored = await store.load()
        assert stored.identity == IDENTITY and stored.uplinks[0][1].sol_max_rt == 61, stored
        fired: Deferred[None] = Deferred()
        clock.callLater(0.01, fired.callback, None)
        await fired
        say("ready", observed)
        # until the test has spoken with the control socket
        spoken: Deferred[None] = Deferred()
        reactor.addReader(Input(spoken))
        await spoken
        await listening.stopListening()
        await privilege.stop()
        clock.close()
        log.info("outside")
    say("left", os.path.exists(config.daemon.control))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


class Input:
    """Hears a line on standard input."""

    def __init__(self, heard: Deferred[None]) -> None:
        self._heard = heard

    def fileno(self) -> int:
        return 0

    def doRead(self) -> None:
        os.read(0, 100)
        if not self._heard.called:
            self._heard.callback(None)

    def connectionLost(self, reason: object) -> None:
        """Nothing to do."""

    def logPrefix(self) -> str:
        return "input"


def forbidden(path: str, state: str) -> dict[str, Step]:
    """What must not work inside, by name."""
    netlink = (socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    # as those that are kept for names of uplinks
    spare = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    return {
        "read the configuration": lambda: os.open(path, os.O_RDONLY),
        "read /etc/passwd": lambda: os.open("/etc/passwd", os.O_RDONLY),
        "list /": lambda: os.listdir("/"),
        "write beside the state folder": lambda: os.open(f"{state}/../x", os.O_CREAT | os.O_WRONLY),
        "make a link in the state folder": lambda: os.symlink("/etc/passwd", f"{state}/link"),
        "give a socket a name in the state folder": lambda: spare.bind(f"{state}/name"),
        "signal another process": lambda: os.kill(os.getppid(), 0),
        "start a program": lambda: os.execv("/bin/true", ["true"]),
        "start a process": os.fork,
        "make a socket": lambda: socket.socket(*netlink),
        "make an internet socket": socket.socket,
        "become root": lambda: os.setresuid(0, 0, 0),
    }


def main() -> None:
    """The argument is the path of the configuration."""
    path = sys.argv[1]
    with open(path, "rb") as file:
        config = parse(file.read(), path)

    def say(*words: object) -> None:
        os.write(1, json.dumps(words).encode() + b"\n")

    # where the answer to them is death, they are not tried
    tried = {} if config.daemon.sandbox_action == "kill" else forbidden(path, config.daemon.state)
    react(lambda reactor: Deferred.fromCoroutine(live(reactor, config, path, say, tried)))


if __name__ == "__main__":
    main()
