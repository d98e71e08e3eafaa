"""
Why nothing can be sent on a link at present: the link itself, its carrier, its link-local address.

What is waited for of the network upstream is L{pdlease.upstream}; why a session waits is L{pdlease.client.reasons}.
"""

from __future__ import annotations

from ipaddress import IPv6Address

from attrs import frozen

from pdlease.client.reasons import Wait
from pdlease.kernel import KernelTable, Link


@frozen
class Waiting:
    """
    Something that is waited for.

    @ivar reason: what.
    @ivar link: on which link.
    @ivar detail: what is known besides.
    """

    reason: Wait
    link: str
    detail: str = ""

    @property
    def text(self) -> str:
        """It in words."""
        return self.reason.sentence(self.link, self.detail)


def usable_link_local(table: KernelTable, index: int) -> list[IPv6Address]:
    """The link-local addresses of a link that packets can be sent from."""
    return [
        ip
        for address in table.addresses_on(index)
        if isinstance(ip := address.address.ip, IPv6Address)
        and ip.is_link_local
        and not address.tentative
        and not address.duplicate
    ]


def what_is_missing(name: str, link: Link | None, table: KernelTable, vrf: str = "") -> Waiting | None:
    """Why nothing can be sent on a link now, or C{None} (R-5-04); C{vrf} is the VRF that it must be in."""
    if link is None:
        return Waiting(Wait.WAITS_FOR_LINK, name)
    if vrf and (link.master is None or link.master not in table.links or table.links[link.master].name != vrf):
        return Waiting(Wait.WAITS_FOR_MASTER if table.link_named(vrf) else Wait.WAITS_FOR_VRF, name, vrf)
    if not link.is_up:
        return Waiting(Wait.WAITS_FOR_UP, name)
    if not link.has_carrier:
        return Waiting(Wait.WAITS_FOR_CARRIER, name)
    if usable_link_local(table, link.index):
        return None
    own = [
        address
        for address in table.addresses_on(link.index)
        if address.address.version == 6 and address.address.is_link_local
    ]
    if any(address.duplicate for address in own):
        return Waiting(Wait.WAITS_FOR_OTHER_ADDRESS, name)
    return Waiting(Wait.WAITS_FOR_DETECTION if own else Wait.WAITS_FOR_ADDRESS, name)
