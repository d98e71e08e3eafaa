"""
Routers on the provider's side of a live test: radvd, and Router Advertisements made by hand for what it cannot say.
"""

from __future__ import annotations

import signal
import socket
import struct
from ipaddress import IPv6Network

from tests.live.network import Network, Program, ip, socket_in, until

P, L, A = 0x10, 0x80, 0x40
"""Flags of a prefix (RFC 9762, RFC 4861 section 4.6.2)."""


def hear_routers(network: Network) -> None:
    """Have the router's kernel take Router Advertisements on the uplink although it forwards."""
    network.sysctl(network.router, "net/ipv6/conf/wan0/accept_ra", "2")


class Radvd:
    """radvd on the provider's end of the uplink."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.program: Program | None = None
        self._configuration = network.folder / "radvd.conf"
        network.sysctl(network.isp, "net/ipv6/conf/all/forwarding", "1")

    def say(self, *prefixes: str, flags: str = "AdvManagedFlag on;") -> Radvd:
        """Advertise these prefixes, each preferred for an hour or for the seconds after a C{+}; begin or go on."""
        text = ""
        for entry in prefixes:
            prefix, _, preferred = entry.partition("+")
            text += f"prefix {prefix} {{ AdvPreferredLifetime {preferred or 3600}; AdvValidLifetime 7200; }};\n"
        self._configuration.write_text(
            f"interface cpe0 {{ AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; {flags}\n{text} }};\n"
        )
        if self.program is not None and self.program.running():
            self.program.process.send_signal(signal.SIGHUP)
        else:
            words = ("-n", "-m", "stderr", "-C", str(self._configuration), "-p", str(self.network.folder / "radvd.pid"))
            self.program = self.network.run("radvd", self.network.isp, "radvd", *words)
        return self

    def until_heard(self) -> None:
        """Wait until the router's kernel has a default route."""
        until(lambda: ip("-n", self.network.router, "-6", "route", "show", "default"), 10, "a Router Advertisement")

    def fall_silent(self) -> None:
        """End it without another word."""
        assert self.program is not None
        self.program.stop(signal.SIGKILL)

    def stop(self) -> None:
        """End it; it says that it is no router any more."""
        assert self.program is not None
        self.program.stop()


def advertise(network: Network, prefix: str, flags: int, preferred: int = 600) -> None:
    """Send one Router Advertisement from the provider's end of the uplink, with one prefix."""
    with socket_in(network.isp, socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sender:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"cpe0")
        network_prefix = IPv6Network(prefix)
        option = struct.pack("!BBBBIII", 3, 4, network_prefix.prefixlen, flags, 2 * preferred, preferred, 0)
        # type, code, checksum, hop limit, no flags, lifetime; reachable and retransmission time unspecified
        header = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
        sender.sendto(header + option + network_prefix.network_address.packed, ("ff02::1", 0))
