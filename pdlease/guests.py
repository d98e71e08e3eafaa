"""
What the kernel should hold for switches and guests (seed-behaviour P19, P20; design "Public surfaces").

A switch's bridge and a guest's links are described, put into their bridge or VRF, grouped and set up or down, and get
their local addresses: all of it as wanted objects, in the order in which it is to be done (section 7: master, alias,
group, up, addresses).  Their /64 out of a delegation comes with the lease of the uplink (L{pdlease.wanted}).  How
settings differ from addresses is L{pdlease.settling}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Interface, IPv6Interface
from math import inf

from attrs import evolve

from pdlease.config.model import MAIN_TABLE, NIC, ON_LINK_METRIC, Config, Guest, Switch
from pdlease.config.plan import number_of
from pdlease.linksettings import DESCRIPTION, DOWN, GROUP, LINK_ADDRESS, MASTER, STATE, UP, description
from pdlease.local import local_addresses
from pdlease.subnets import GuestShare
from pdlease.wanted import CarvedPrefix, Wanted, WantedAddress, WantedIPv6, WantedRoute, WantedSetting

Groups = Mapping[str, int]
"""The numbers of link groups that have a name on this machine."""

Numbers = Mapping[tuple[str, int, str, str], int]
"""
Which /64 of a delegation a NIC has, counted from 0, by guest, index of the NIC, uplink, and key of the delegation.
"""


class UnknownGroup(Exception):
    """A group is configured by a name that this machine does not know; the text is a sentence for the operator."""


def switch_owner(name: str) -> str:
    """What the objects of a switch are known by where those of an uplink go by its name; no uplink's name has a "/"."""
    return f"switches/{name}"


def guest_owner(name: str) -> str:
    """The same for a guest."""
    return f"guests/{name}"


def wanted_by_owner(config: Config, groups: Groups) -> dict[str, tuple[Wanted, ...]]:
    """
    Everything that switches and guests want, by owner; switches first, since their bridges take the guests' links.

    @raise UnknownGroup: see there.
    """
    found: dict[str, tuple[Wanted, ...]] = {}
    for number, switch in enumerate(config.switches, 1):
        found[switch_owner(switch.name)] = tuple(switch_wants(switch, number))
    for guest in config.guests:
        found[guest_owner(guest.name)] = tuple(
            wanted for index in range(len(guest.nics)) for wanted in nic_wants(config, guest, index, groups)
        )
    return found


def switch_description(switch: Switch, number: int) -> str:
    """The description of a bridge (P20); switches are counted from 1."""
    return description(f"switch{number}-{switch.name}")


def nic_description(guest: Guest, index: int) -> str:
    """The description of a guest's link (P19)."""
    return description(f"vm{guest.id}-if{index}-{guest.name}")


def shortened(config: Config) -> Iterator[str]:
    """A sentence on each description that does not fit and is cut (W17)."""
    for number, switch in enumerate(config.switches, 1):
        if not switch_description(switch, number).endswith(f"-{switch.name}"):
            yield f"switches.{switch.name}: the description of {switch.link} is cut: the name is too long"
    for guest in config.guests:
        for index, nic in enumerate(guest.nics):
            if not nic_description(guest, index).endswith(f"-{guest.name}"):
                yield f"guests.{guest.name}: the description of {nic.link} is cut: the name is too long"


def switch_wants(switch: Switch, number: int) -> Iterator[WantedSetting]:
    """
    What a switch wants of its bridge.

    @param number: its number in the file, from 1.
    """
    owner = switch_owner(switch.name)
    if switch.vrf:
        yield WantedSetting(link=switch.link, setting=MASTER, value=switch.vrf, uplink=owner)
    yield WantedSetting(link=switch.link, setting=DESCRIPTION, value=switch_description(switch, number), uplink=owner)
    yield WantedSetting(link=switch.link, setting=STATE, value=UP if switch.up else DOWN, uplink=owner)


def nic_wants(config: Config, guest: Guest, index: int, groups: Groups) -> Iterator[Wanted]:
    """
    What one NIC of a guest wants.

    @raise UnknownGroup: see there.
    """
    nic = guest.nics[index]
    owner = guest_owner(guest.name)
    switch = config.switch(nic.switch)
    # A link belongs to one master: what is in a bridge is in the bridge's VRF by that.
    master = switch.link if switch is not None else nic.vrf
    group = group_number(config, nic, groups)
    settings = (
        (MASTER, master or None),
        (DESCRIPTION, nic_description(guest, index)),
        (GROUP, None if group is None else str(group)),
        (LINK_ADDRESS, link_address(guest, index)),
        (STATE, UP if nic.up else DOWN),
    )
    for setting, value in settings:
        if value is not None:
            yield WantedSetting(link=nic.link, setting=setting, value=value, uplink=owner)
    if nic.local:
        local = local_addresses(config.local.prefix, config.local.inet6, guest.id, index)
        link = config.address_link(nic)
        yield _for_ever(link, local.ipv4, owner)
        if local.ipv6 is not None:
            yield _for_ever(link, local.ipv6, owner)
            yield WantedRoute(
                link=link,
                prefix=local.ipv6.network,
                valid_until=inf,
                table=MAIN_TABLE,
                metric=ON_LINK_METRIC,
                uplink=owner,
            )
            yield WantedIPv6(link=link, uplink=owner)


def _for_ever(link: str, address: IPv4Interface | IPv6Interface, owner: str) -> WantedAddress:
    return WantedAddress(link=link, address=address, preferred_until=inf, valid_until=inf, uplink=owner)


def group_number(config: Config, nic: NIC, groups: Groups) -> int | None:
    """
    The number of a NIC's link group: its own, else its switch's, else none (W10).

    @raise UnknownGroup: see there.
    """
    group = config.group_of(nic)
    if isinstance(group, str):
        if group not in groups:
            raise UnknownGroup(f'there is no link group "{group}" in /etc/iproute2/group: give its number')
        return groups[group]
    return group


def link_address(guest: Guest, index: int) -> str | None:
    """The link-layer address of a NIC in hexadecimal digits: given, derived, or C{None} to leave it alone (P28)."""
    mac = guest.nics[index].mac
    if mac != "derived":
        return mac.replace(":", "") or None
    from hashlib import sha256

    octets = bytearray(sha256(f"{guest.id}/{index}/{guest.name}".encode()).digest()[:6])
    # RFC 7042 section 2.1: administered here, of one station.
    octets[0] = octets[0] & 0xFC | 0x02
    return octets.hex()


def shares_of(config: Config, uplink: str, delegation: str, numbers: Numbers) -> tuple[GuestShare, ...]:
    """What guests want of an uplink's first delegation, each with the /64 that it had before, and where to put it."""
    links = {
        (guest.name, index): config.address_link(nic) for guest in config.guests for index, nic in enumerate(guest.nics)
    }
    return tuple(
        evolve(
            share,
            link=links[share.guest, share.nic],
            number=number_of(numbers, share.guest, share.nic, uplink, delegation),
        )
        for share in config.guest_shares(uplink)
    )


def numbers_after(
    numbers: Numbers, uplink: str, carvings: tuple[CarvedPrefix, ...]
) -> dict[tuple[str, int, str, str], int]:
    """
    What is to be remembered after an uplink's prefixes were carved.

    A number stays as long as it is in use in any of the prefixes; else that in the first of them counts.  A NIC that is
    not there at the moment keeps its number until somebody else needs it.
    """
    used: dict[tuple[str, int, str, str], list[int]] = {}
    for carved in carvings:
        for guest in carved.carving.guests:
            used.setdefault((guest.guest, guest.nic, uplink, carved.delegation), []).append(guest.number)
    chosen = {key: numbers[key] if numbers.get(key) in given else given[0] for key, given in used.items()}
    # Whoever was away while another took its place has no claim to it any more.
    taken = {(*key[2:], number) for key, number in chosen.items()}
    kept = {key: number for key, number in numbers.items() if (*key[2:], number) not in taken}
    return {**kept, **chosen}
