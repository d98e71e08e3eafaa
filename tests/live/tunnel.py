"""
A point-to-point link without hardware addresses between provider and router, as PPP is one: two tun devices and a
thread that carries packets from one to the other.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import socket
import struct
import threading
import time

from pdlease.wire.messages import decode
from pdlease.wire.reader import WireError
from tests.live.network import Heard, Network, ip
from tests.live.require import CLONE_NEWNET

DEVICE = "/dev/net/tun"
_SET_DEVICE = 0x400454CA
_TUN_WITHOUT_HEADER = 0x0001 | 0x1000
_LIBC = ctypes.CDLL(None, use_errno=True)


def tun_devices() -> str | None:
    """Tun devices can be made."""
    return None if os.access(DEVICE, os.R_OK | os.W_OK) else f"there is no {DEVICE}"


def tun_device(namespace: str, name: str) -> int:
    """A descriptor of a tun device in a named namespace; the device goes when the descriptor is closed."""
    made: list[int] = []

    def make() -> None:
        with open(f"/run/netns/{namespace}", "rb") as file:
            if _LIBC.setns(file.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        descriptor = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        fcntl.ioctl(descriptor, _SET_DEVICE, struct.pack("16sH22x", name.encode(), _TUN_WITHOUT_HEADER))
        made.append(descriptor)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


class Tunnel(Heard):
    """
    The link and what passes it: a L{Heard} of its own.

    Its ends are C{wan0} in the router's namespace, which can be taken away and made again, and C{cpe0} in the
    provider's, which stays.
    """

    def __init__(self, network: Network) -> None:
        self.messages = []
        self._network = network
        self._ending = False
        self._provider = tun_device(network.isp, "cpe0")
        self._router: int | None = None
        ip("-n", network.isp, "link", "set", "cpe0", "up")
        self.make()
        network.ready(network.isp, "cpe0")
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def make(self) -> None:
        """Make the router's end, with an index and a link-local address that it never had before."""
        self._router = tun_device(self._network.router, "wan0")
        ip("-n", self._network.router, "link", "set", "wan0", "up")

    def take_away(self) -> None:
        """Let the router's end vanish, as a PPP link does when the session ends."""
        router, self._router = self._router, None
        # not while the thread looks at it
        time.sleep(0.1)
        if router is not None:
            os.close(router)

    def stop(self) -> None:
        """Carry nothing any more, and remove both ends."""
        self._ending = True
        self._thread.join()
        self.take_away()
        os.close(self._provider)

    def _carry(self) -> None:
        while not self._ending:
            router = self._router
            ends = [self._provider] + ([] if router is None else [router])
            for readable in select.select(ends, [], [], 0.05)[0]:
                try:
                    packet = os.read(readable, 65600)
                    self._note(packet)
                    other = router if readable == self._provider else self._provider
                    if other is not None:
                        os.write(other, packet)
                except OSError:
                    # an end that is down takes nothing
                    continue

    def _note(self, packet: bytes) -> None:
        """Keep a DHCPv6 message: IPv6 40 octets (next header UDP), UDP 8."""
        if len(packet) < 52 or packet[6] != 17 or not {packet[40:42], packet[42:44]} & {b"\x02\x22", b"\x02\x23"}:
            return
        try:
            message = decode(packet[48:])
        except WireError:
            return
        self.messages.append((time.monotonic(), socket.inet_ntop(socket.AF_INET6, packet[8:24]), message))
