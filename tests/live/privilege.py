"""
What the live tests of privilege providers share: a namespace with links, a configuration, operations on them.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable
from ipaddress import IPv6Interface, IPv6Network

from twisted.internet import reactor  # noqa: TID251
from twisted.trial.unittest import TestCase

from pdlease.config.model import ON_LINK_METRIC
from pdlease.config.toml import parse
from pdlease.interfaces import IPrivilege, IPrivilegeFactory, PrivilegeContext
from pdlease.operations import INFINITE, Operation, PrivilegeError, PutAddress, PutRoute, PutUnreachable
from tests.live.require import needs, network_namespaces, stop_without

TOML = """
[daemon]
user = "nobody"
helper_user = "nobody"
sandbox_action = "kill"

[uplinks.wan]
link = "wan0"

[[uplinks.wan.delegations]]
downstreams = ["lan0", "lan1/60"]
"""

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


def ip(*words: str, check: bool = True) -> str:
    """Run C{ip} in the namespace of this thread."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr}")
    return done.stdout


def kernel_state() -> str:
    """Everything that an operation could change: links, addresses (without what counts down), routes, settings."""
    _come_to_rest()
    lines = ip("-6", "-o", "address", "show").splitlines()
    addresses = [line.split("valid_lft")[0] for line in lines]
    routes = [line.split(" expires")[0] for line in ip("-6", "route", "show", "table", "all").splitlines()]
    return "\n".join([*ip("-o", "link", "show").splitlines(), *addresses, *routes])


def _come_to_rest() -> None:
    """Wait until links that were just made and set up have carrier, of which the kernel tells a moment later."""
    for _ in range(200):
        if not any("NO-CARRIER" in line for line in ip("-o", "link", "show", "type", "veth").splitlines()):
            return
        time.sleep(0.02)


@needs(network_namespaces)
class NamespaceCase(TestCase):
    """
    Runs each test in a network namespace with the links wan0, lan0, lan1 and other0, all up.

    @ivar indexes: the kernel's number of each link.
    @ivar path: of the configuration file.
    @ivar source: its bytes.
    @ivar ends: what was said when a provider came to its end unasked.
    """

    toml = TOML

    def setUp(self) -> None:
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.addCleanup(os.close, before)
        if _LIBC.unshare(_CLONE_NEWNET):
            stop_without(self, f"cannot make a network namespace: {os.strerror(ctypes.get_errno())}")
        self.addCleanup(_LIBC.setns, before, _CLONE_NEWNET)
        for setting in ("accept_dad", "dad_transmits"):
            for which in ("all", "default"):
                with open(f"/proc/sys/net/ipv6/conf/{which}/{setting}", "w") as file:
                    file.write("0")
        ip("link", "set", "lo", "up")
        self.indexes: dict[str, int] = {}
        for name in ("wan0", "lan0", "lan1", "other0"):
            ip("link", "add", name, "type", "veth", "peer", "name", f"{name}p")
            ip("link", "set", name, "up")
            ip("link", "set", f"{name}p", "up")
            self.indexes[name] = socket.if_nametoindex(name)
        folder = tempfile.mkdtemp(prefix="pdlease-privilege-", dir="/run" if os.access("/run", os.W_OK) else None)
        self.addCleanup(os.rmdir, folder)
        os.chmod(folder, 0o755)
        self.path = f"{folder}/pdlease.toml"
        self.addCleanup(os.unlink, self.path)
        self.write(self.toml)
        self.ends: list[str] = []

    def write(self, text: str) -> None:
        """Write the configuration file."""
        self.source = text.encode()
        with open(self.path, "wb") as file:
            file.write(self.source)
        os.chmod(self.path, 0o644)

    def build(self, factory: IPrivilegeFactory, argument: str = "") -> IPrivilege:
        """A provider for the configuration file, stopped after the test."""
        context = PrivilegeContext(
            reactor=reactor,
            configuration_path=self.path,
            configuration=parse(self.source, self.path),
            ended=self.ends.append,
        )
        provider = factory.build(argument, context)
        self.addCleanup(provider.stop)
        return provider

    def address(self, text: str = "2001:db8:0:1::1/64", link: str = "lan0", valid: int = 600) -> PutAddress:
        """An address for a link."""
        return PutAddress(
            link=link, index=self.indexes[link], address=IPv6Interface(text), preferred=valid // 2, valid=valid
        )

    def route(self, text: str = "2001:db8:0:1::/64", link: str = "lan0") -> PutRoute:
        """An on-link route for a link."""
        return PutRoute(
            link=link,
            index=self.indexes[link],
            prefix=IPv6Network(text),
            expires=600,
            table=254,
            metric=ON_LINK_METRIC,
        )

    def unreachable(self, text: str = "2001:db8::/56", link: str = "wan0") -> PutUnreachable:
        """The unreachable route of a delegated prefix."""
        return PutUnreachable(link=link, prefix=IPv6Network(text), expires=INFINITE, table=254, metric=4096)


async def outcome(waited: Awaitable[object]) -> PrivilegeError | None:
    """What became of a question."""
    try:
        await waited
    except PrivilegeError as error:
        return error
    return None


async def done(provider: IPrivilege, *operations: Operation) -> None:
    """Do operations that must succeed."""
    for waited in provider.perform(operations):
        await waited


async def refused(provider: IPrivilege, operation: Operation) -> PrivilegeError:
    """Ask for an operation that must fail."""
    error = await outcome(provider.perform([operation])[0])
    assert error is not None, f"{operation} was done"
    return error
