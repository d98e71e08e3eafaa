"""
The status document, and what it is made of.

Its shape is the design's public surface; the plan document is L{pdlease.config.plan}, and why things are as they are
says L{pdlease.explanation}.  How they are drawn for
people is L{pdlease.control.render}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from pdlease import __version__
from pdlease.applier import Applier
from pdlease.client.states import State
from pdlease.lease import DelegatedPrefix
from pdlease.standing import Condition
from pdlease.wanted import CarvedPrefix, Share, WantedAddress
from pdlease.wire.information import information

if TYPE_CHECKING:
    from pdlease.client.session import Session
    from pdlease.uplink import Uplink

Document = dict[str, Any]

SCHEMA = 1


def status_document(
    uplinks: Mapping[str, Uplink],
    shares: Mapping[str, Share],
    applier: Applier,
    now: float,
    sandbox: str,
    guests: Document,
    switches: Document,
    state_folder: str,
) -> Document:
    """
    The status document of the design for these uplinks.

    @param shares: what became of each uplink's lease.
    @param now: boot-clock second.
    @param sandbox: what of the sandbox is in force.
    @param guests: the part about guests (L{pdlease.guestreport}).
    @param switches: the part about switches.
    @param state_folder: where leases and identity are kept.
    """
    return {
        "schema": SCHEMA,
        "version": __version__,
        "sandbox": sandbox,
        "state_folder": state_folder,
        "uplinks": {
            name: uplink_document(uplink, shares.get(name, Share(uplink=name)), applier, now)
            for name, uplink in uplinks.items()
        },
        "guests": guests,
        "switches": switches,
    }


def uplink_document(uplink: Uplink, share: Share, applier: Applier, now: float) -> Document:
    """The part of the status document that is about one uplink."""
    session = uplink.session
    coming = session.next_message
    waiting = uplink.waiting
    excluded = [str(held.excluded) for held in session.lease.prefixes if held.excluded is not None]
    return {
        "link": uplink.link_name,
        "state": session.state.name.lower(),
        "reason": (session.reason if waiting is None else waiting.reason).name.lower(),
        "reason_text": session.explain(now) if waiting is None else f"waiting for {waiting.text}",
        "server_duid": str(session.server) if session.server is not None else None,
        "server_address": session.source or None,
        "prefixes": [
            prefix_document(held, binding.iaid, now) for binding in session.lease.bindings for held in binding.prefixes
        ],
        "excluded": excluded[0] if excluded else None,
        "t1_seconds": seconds_until(session.lease.t1_at, now),
        "t2_seconds": seconds_until(session.lease.t2_at, now),
        "next_message": coming[0].name.lower() if coming else None,
        "next_message_seconds": seconds_until(coming[1], now) if coming else None,
        "sol_max_rt_seconds": session.sol_max_rt_in_force,
        "sol_max_rt_server": _setter(session),
        "counters": counters(uplink),
        "last_dropped": {
            reason.name.lower(): {"source": last.source, "detail": last.detail, "text": last.text}
            for reason, last in uplink.telling.last_dropped.items()
        },
        "assignments": assignments(share, applier, now),
        "stale": [
            {"link": one.link, "subnet": str(one.subnet), "seconds": seconds_until(one.until, now)}
            for one in uplink.stale
        ],
        "excluded_addresses": [
            assignment_document(carved.excluded, applier, now)
            for carved in share.carvings
            if carved.excluded is not None
        ],
        "unassigned": unassigned(share.carvings),
        "information": information(session.information),
        "store_problem": uplink.keeper.problem or None,
        "advertisements_problem": uplink.upstream.deafness() or None,
    }


def _setter(session: Session) -> str | None:
    """Who set the SOL_MAX_RT in force; C{None} if nobody did."""
    known = session.sol_max_rt is not None and session.max_rt_server is not None
    return str(session.max_rt_server) if known else None


def prefix_document(held: DelegatedPrefix, iaid: int, now: float) -> Document:
    """One prefix that is held; remaining lifetimes in whole seconds, null for ever."""
    return {
        "prefix": str(held.prefix),
        "iaid": iaid,
        "preferred_seconds": seconds_until(held.preferred_until, now),
        "valid_seconds": seconds_until(held.valid_until, now),
        "infinite": held.valid_until == inf,
    }


def assignments(share: Share, applier: Applier, now: float) -> list[Document]:
    """Every address of an uplink's lease, and how it stands in the kernel."""
    return [assignment_document(address, applier, now) for carved in share.carvings for address in carved.addresses]


def assignment_document(address: WantedAddress, applier: Applier, now: float) -> Document:
    """
    One address on a downstream or the uplink's own link, how long hosts may be told that its subnet lasts (L-15), and
    how it stands in the kernel.
    """
    state = applier.state_of(address)
    problem = state.problem
    return {
        "link": address.link,
        "subnet": str(address.address.network),
        "address": str(address.address.ip),
        "preferred_seconds": seconds_until(address.preferred_until, now),
        "valid_seconds": seconds_until(address.valid_until, now),
        "installed": state.is_installed,
        "tentative": state.condition in (Condition.TENTATIVE, Condition.UNPLUGGED),
        "condition": state.condition.name.lower(),
        "problem": None
        if problem is None
        else {"operation": problem.operation, "errno": problem.errno, "text": problem.text},
    }


def seconds_until(moment: float, now: float) -> int | None:
    """Whole seconds from now, not below 0; C{None} for never."""
    return None if moment == inf else max(0, int(moment - now))


def counters(uplink: Uplink) -> dict[str, int]:
    """What was counted on an uplink, by name; what is zero is left out."""
    counted = uplink.session.counters
    named: list[tuple[str, int]] = [
        *((f"sent_{kind.name.lower()}", number) for kind, number in counted.sent.items()),
        *((f"received_{kind.name.lower()}", number) for kind, number in counted.received.items()),
        *((f"discarded_{reason.name.lower()}", number) for reason, number in counted.discarded.items()),
        *((f"reason_{reason.name.lower()}", number) for reason, number in counted.reasons.items()),
        *uplink.telling.counted.items(),
    ]
    return {name: number for name, number in sorted(named) if number}


def unassigned(carvings: Iterable[CarvedPrefix]) -> list[str]:
    """The downstream links for which a delegation had no room (WPD-3)."""
    return list(dict.fromkeys(link for carved in carvings for link in carved.carving.unassigned))


def is_served(uplink: Uplink, share: Share | None, applier: Applier) -> bool:
    """
    Whether an uplink is bound and every assignment of it is in the kernel, usable.

    On a link that nothing is plugged into the kernel detects no duplicates, and an address stays tentative until
    something is: nobody is there to miss it, and whoever waits would wait for a cable.
    """
    serving = (State.BOUND, State.RENEWING, State.REBINDING, State.INFORMING)
    if uplink.session.state not in serving or share is None:
        return False
    addresses = [address for carved in share.carvings for address in carved.router_addresses]
    states = [applier.state_of(address) for address in addresses]
    return all(state.is_installed or state.condition is Condition.UNPLUGGED for state in states)
