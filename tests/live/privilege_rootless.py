"""
What C{unshare -Urn} runs for L{tests.live.test_privilege_live}: the helper in a user namespace of one user.
"""

from __future__ import annotations

import socket
import subprocess
from ipaddress import IPv6Interface

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore
from twisted.internet.task import react

from pdlease.config.toml import parse
from pdlease.interfaces import PrivilegeContext
from pdlease.operations import EnableIPv6, PutAddress, RemoveAddress
from pdlease.privilege.helper import HelperPrivilege


async def run(reactor: IReactorCore, path: str) -> None:
    """Do one of each, and say C{done}."""
    for name in ("wan0", "lan0"):
        subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p"], check=True)
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
    with open(path, "rb") as file:
        source = file.read()
    context = PrivilegeContext(
        reactor=reactor,
        configuration_path=path,
        configuration=parse(source, path),
        ended=print,
    )
    provider = HelperPrivilege(context)
    print(await provider.start() == source, provider.report)
    index = socket.if_nametoindex("lan0")
    address = IPv6Interface("2001:db8:0:1::1/64")
    for waited in provider.perform(
        [
            EnableIPv6(link="lan0", index=index),
            PutAddress(link="lan0", index=index, address=address, preferred=1, valid=2),
            RemoveAddress(link="lan0", index=index, address=address),
        ]
    ):
        await waited
    (await provider.open_client_socket("wan0", socket.if_nametoindex("wan0"))).close()
    (await provider.open_route_socket()).close()
    print(await provider.reload() == source)
    await provider.adopt(source)
    await provider.stop()
    print("done")


def main(path: str) -> None:
    """Run it all on the global reactor of a process of its own."""
    react(lambda reactor: Deferred.fromCoroutine(run(reactor, path)))
