"""
The parts of the status document, and of C{why}, that are about switches and guests.

What is about uplinks is L{pdlease.report}; how both are drawn is L{pdlease.control.render}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pdlease.applier import Applier
from pdlease.config.model import Config
from pdlease.guests import guest_owner, switch_owner
from pdlease.kernel import KernelTable
from pdlease.linksettings import GROUP, LINK_ADDRESS
from pdlease.local import LocalAddresses, local_addresses
from pdlease.standing import Condition
from pdlease.wanted import CarvedPrefix, Share, Wanted, WantedAddress, WantedRoute, WantedSetting

Document = dict[str, Any]
Wants = Mapping[str, tuple[Wanted, ...]]


def switches_document(config: Config, wants: Wants, applier: Applier, table: KernelTable) -> Document:
    """Every switch by name."""
    return {
        switch.name: {
            "link": switch.link,
            "vrf": switch.vrf or None,
            "up": switch.up,
            "ports": sorted(_ports(switch.link, table)),
            **_standing(switch.link, wants.get(switch_owner(switch.name), ()), applier, table),
        }
        for switch in config.switches
    }


def guests_document(
    config: Config, wants: Wants, shares: Mapping[str, Share], applier: Applier, table: KernelTable
) -> Document:
    """Every guest by name, with its links in file order."""
    document: Document = {}
    for guest in config.guests:
        nics = []
        for index, nic in enumerate(guest.nics):
            switch = config.switch(nic.switch)
            local = local_addresses(config.local.prefix, config.local.inet6, guest.id, index) if nic.local else None
            wanted = wants.get(guest_owner(guest.name), ())
            own = tuple(item for item in wanted if _is_setting_of(item, nic.link) or _is_local(item, local))
            delegated = _delegated(shares.get(nic.delegate), guest.name, index)
            nics.append(
                {
                    "link": nic.link,
                    "switch": nic.switch or None,
                    "vrf": (nic.vrf if switch is None else switch.vrf) or None,
                    "group": _number(_value(own, GROUP)),
                    "up": nic.up,
                    "mac": _with_colons(_value(own, LINK_ADDRESS)),
                    "ipv4": str(local.ipv4) if local else None,
                    "ipv6": str(local.ipv6) if local and local.ipv6 else None,
                    "delegated": str(delegated[-1].address.network) if delegated else None,
                    "address": str(delegated[-1].address.ip) if delegated else None,
                    **_standing(nic.link, (*own, *delegated), applier, table),
                }
            )
        document[guest.name] = nics
    return document


def guests_explanation(
    config: Config, wants: Wants, shares: Mapping[str, Share], applier: Applier, table: KernelTable
) -> Iterator[str]:
    """Sentences on whatever is in the way of switches and guests."""
    for name, switch in switches_document(config, wants, applier, table).items():
        yield from _sentences(f"switch {name}", switch)
    for name, nics in guests_document(config, wants, shares, applier, table).items():
        for nic in nics:
            yield from _sentences(f"guest {name}", nic)
            if nic["delegated"] is None and _wants_delegated(config, name, nic["link"]):
                yield f"guest {name}: {nic['link']} has no /64 yet: none is held, or it has no room for one more."


def _sentences(who: str, standing: Document) -> Iterator[str]:
    if not standing["present"]:
        yield f"{who}: there is no link {standing['link']}; it is set up when it appears."
        return
    for problem in standing["problems"]:
        yield f"{who}: {problem['operation']}: {problem['text']}."
    if standing["reason_text"] is not None:
        yield f"{who}: {standing['link']} is not ready: {standing['reason_text']}."


def _standing(link: str, wanted: Iterable[Wanted], applier: Applier, table: KernelTable) -> Document:
    """Whether a link is there, whether all is as wanted, and what is in the way."""
    present = table.link_named(link) is not None
    states = [applier.state_of(item) for item in wanted] if present else []
    problems = [state.problem for state in states if state.problem is not None]
    missing = [state for state in states if state.condition is not Condition.INSTALLED]
    waiting = next((state.condition.value for state in missing if state.problem is None), None)
    return {
        "present": present,
        "ready": present and not missing,
        "reason_text": waiting,
        "problems": [
            {"operation": problem.operation, "errno": problem.errno, "text": problem.text} for problem in problems
        ],
    }


def _ports(bridge: str, table: KernelTable) -> Iterator[str]:
    """The links that are ports of a bridge."""
    master = table.link_named(bridge)
    if master is not None:
        yield from (link.name for link in table.links.values() if link.master == master.index)


def _is_setting_of(item: Wanted, link: str) -> bool:
    return isinstance(item, WantedSetting) and item.link == link


def _is_local(item: Wanted, local: LocalAddresses | None) -> bool:
    """Whether this is one of a NIC's local addresses or the route of one, on whatever link they are."""
    if local is None:
        return False
    if isinstance(item, WantedAddress):
        return item.address in (local.ipv4, local.ipv6)
    return isinstance(item, WantedRoute) and local.ipv6 is not None and item.prefix == local.ipv6.network


def _value(wanted: Iterable[Wanted], setting: str) -> str | None:
    return next((item.value for item in wanted if isinstance(item, WantedSetting) and item.setting == setting), None)


def _with_colons(address: str | None) -> str | None:
    """A link-layer address as it is written in the file."""
    return None if address is None else bytes.fromhex(address).hex(":")


def _number(value: str | None) -> int | None:
    return None if value is None else int(value)


def _delegated(share: Share | None, guest: str, nic: int) -> tuple[WantedAddress, ...]:
    """The address of this host in each /64 that a NIC has, the newest prefix last."""
    carvings: tuple[CarvedPrefix, ...] = share.carvings if share is not None else ()
    return tuple(
        address
        for carved in carvings
        for part, address in zip(carved.carving.guests, carved.guests, strict=True)
        if (part.guest, part.nic) == (guest, nic)
    )


def _wants_delegated(config: Config, guest: str, link: str) -> bool:
    return any(
        nic.delegate and nic.link == link for entry in config.guests if entry.name == guest for nic in entry.nics
    )
