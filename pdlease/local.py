"""
Local addresses of guests: a /31 and a /96 for each NIC, by vmd's arithmetic (seed-behaviour P21, P22).

Each guest has a block of 256 addresses at its number, each NIC a /31 in it from the second one on; the host's side is
the even address.  The IPv6 subnet carries the guest's IPv4 address in its middle.  What a guest gets out of a delegated
prefix is L{pdlease.subnets}.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network

from attrs import frozen

# Indexes 0 to 125: the last /31 of the block would have the block's last address (W4).
NICS = 126


class OutOfRange(ValueError):
    """There is no address for this guest and NIC in the prefix."""


@frozen(kw_only=True)
class LocalAddresses:
    """
    Both sides of a NIC's local addresses.

    @ivar ipv4: the host's own address, with /31.
    @ivar guest_ipv4: the address for the guest to use.
    @ivar ipv6: the host's own address, with /96; C{None} without an IPv6 prefix.
    @ivar guest_ipv6: the address for the guest to use, or C{None}.
    """

    ipv4: IPv4Interface
    guest_ipv4: IPv4Interface
    ipv6: IPv6Interface | None = None
    guest_ipv6: IPv6Interface | None = None


def local_addresses(prefix: IPv4Network, inet6: IPv6Network | None, guest: int, nic: int) -> LocalAddresses:
    """
    The local addresses of one NIC.

    Unlike the original, ranges are checked before anything is combined, so that two guests never get the same address
    (W1 to W4).

    @param prefix: the IPv4 prefix.
    @param inet6: the IPv6 prefix, at most /64; C{None} for none.
    @param guest: number of the guest, from 1.
    @param nic: index of the NIC, 0 to 125.
    @raise OutOfRange: when there is no such address; the text says which number is too large.
    """
    if not 0 <= nic < NICS:
        raise OutOfRange(f"NIC {nic} has no local address: a guest has {NICS} at most, counted from 0")
    last = (prefix.num_addresses >> 8) - 1
    if not 1 <= guest <= last:
        raise OutOfRange(f"guest {guest} has no local address in {prefix}: its numbers are 1 to {last}")
    host = int(prefix.network_address) + (guest << 8) + (nic + 1) * 2
    ipv4 = IPv4Interface((host, 31))
    guest_ipv4 = IPv4Interface((host + 1, 31))
    if inet6 is None:
        return LocalAddresses(ipv4=ipv4, guest_ipv4=guest_ipv4)
    middle = int(inet6.network_address) + (int(IPv4Address(host + 1)) << 32)
    return LocalAddresses(
        ipv4=ipv4,
        guest_ipv4=guest_ipv4,
        ipv6=IPv6Interface((middle + 1, 96)),
        guest_ipv6=IPv6Interface((middle + 2, 96)),
    )
