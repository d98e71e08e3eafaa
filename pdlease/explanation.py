"""
Why an uplink is as it is, in sentences: what it does or waits for, what was dropped, and what to check.

What is said of switches and guests is L{pdlease.guestreport}; how the system around looks is C{pdleasectl doctor}'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pdlease.applier import Applier
from pdlease.client.reasons import DiscardReason as D
from pdlease.client.reasons import Reason, Wait
from pdlease.client.states import State
from pdlease.durations import duration
from pdlease.report import counters
from pdlease.standing import Condition
from pdlease.wanted import Share

if TYPE_CHECKING:
    from pdlease.uplink import Uplink

_ASKING = (State.SOLICITING, State.REQUESTING, State.CONFIRMING, State.RENEWING, State.REBINDING)

# What to check where an uplink waits.
_WAITING: Mapping[Wait, str] = {
    Wait.WAITS_FOR_LINK: (
        "Is that its name (`ip link`)?  Links of PPP, USB and VLANs appear when they are dialled, plugged in or made"
    ),
    Wait.WAITS_FOR_UP: "Set it up: `ip link set {link} up`",
    Wait.WAITS_FOR_CARRIER: "Is the cable plugged in, and the modem or switch on?  `ip link show {link}`",
    Wait.WAITS_FOR_OTHER_ADDRESS: (
        "Another host has this one's link-local address: are two links bridged, or is this machine a clone?"
    ),
    Wait.WAITS_FOR_DETECTION: "That takes a second or two",
    Wait.WAITS_FOR_ADDRESS: (
        "IPv6 may be off there, or told to make no addresses: `sysctl net.ipv6.conf.{link}.disable_ipv6 "
        "net.ipv6.conf.{link}.addr_gen_mode` should both say 0"
    ),
    Wait.WAITS_FOR_PORT: (
        "Two DHCPv6 clients cannot share a link: have the other one leave {link} alone, or stop it; it is tried again"
    ),
}

_LATE = "answers to somebody else, or to what was asked before: is another client on {link}, or does the server lag?"
_BROKEN = "the server breaks the protocol; to show it to the provider: `tcpdump -ni {link} -vv udp port 546`"
_REFUSED = (
    "ask the provider whether this line has prefix delegation and which length; where the prefix belongs to the DUID "
    "of an earlier client, see `pdleasectl identity import`"
)
_FORGED = "somebody on {link} sends what no server of ours would; nothing was changed by it"

_CHECK: Mapping[D, str] = {
    D.TRANSACTION_ID: _LATE,
    D.NOTHING_ASKED: _LATE,
    D.OTHER_CLIENT: _LATE,
    D.OTHER_SERVER: _LATE,
    D.MALFORMED: _BROKEN,
    D.NO_SERVER_ID: _BROKEN,
    D.NO_CLIENT_ID: _BROKEN,
    D.IA_TIMES: _BROKEN,
    D.IA_NOT_OURS: _BROKEN,
    D.IA_REPEATED: _BROKEN,
    D.IA_TIMES_LATE: _BROKEN,
    D.IA_STATUS_WITH_PREFIX: _BROKEN,
    D.REPEATED_OPTION: _BROKEN,
    D.PREFIX_LIFETIMES: _BROKEN,
    D.PREFIX_OVERLAP: _BROKEN,
    D.MALFORMED_OPTION: _BROKEN,
    D.RAPID_COMMIT_UNASKED: _BROKEN,
    D.PREFIX_KIND: "the server gives what is no prefix for a LAN: ask the provider, and see [policy] prefixes",
    D.NOTHING_OFFERED: _REFUSED,
    D.SERVER_FAILED: _REFUSED,
    D.PREFIX_TOO_LONG: "the server gives less than is needed: ask for another length (hint), or for fewer downstreams",
    D.RECONFIGURE_UNSIGNED: _FORGED,
    D.RECONFIGURE_REPLAYED: _FORGED,
    D.RECONFIGURE_MALFORMED: _FORGED,
}


def explanation(uplink: Uplink, share: Share | None, applier: Applier, now: float) -> list[str]:
    """
    Sentences on one uplink, the most telling first.

    @param share: what became of its lease, or C{None}.
    @param now: boot-clock second.
    """
    lines = [
        *_state(uplink, now),
        *_silence(uplink, now),
        *_dropped(uplink),
        *_on_links(uplink, share, applier),
    ]
    if uplink.keeper.problem:
        lines.append(f"the lease is in use but not kept: {uplink.keeper.problem}.")
    return [f"{uplink.name}: {line}" for line in lines]


def _state(uplink: Uplink, now: float) -> Iterator[str]:
    """What it does, or waits for."""
    session, link = uplink.session, uplink.link_name
    if uplink.waiting is not None:
        yield f"waiting for {uplink.waits_for}."
        if uplink.waiting.reason in _WAITING:
            yield f"{_WAITING[uplink.waiting.reason].format(link=link)}."
        for held in session.lease.prefixes:
            yield f"{held.prefix} stays in use meanwhile, {_for(held.valid_until, now)}."
    else:
        words = session.explain(now)
        yield f"{session.state.value}{'; ' if words.startswith('waiting: ') else ': '}{words}."
        if deaf := uplink.upstream.deafness():
            yield f"{deaf}; until then changes upstream are not noticed."
    if session.is_rate_limited:
        messages, seconds = session.settings.rate_limit
        yield f"no more than {messages} messages are sent in {duration(seconds)} (rate_limit)."
    for held_off in session.hold_offs:
        if held_off.until > now:
            yield (
                f"offers of server {held_off.server} are passed over for {duration(round(held_off.until - now))} more: "
                "it offered and then refused."
            )
    if session.reason is Reason.NOTHING_OFFERED and D.NOTHING_OFFERED not in session.counters.discarded:
        yield f"{_REFUSED}."


def _for(until: float, now: float) -> str:
    return "for ever" if until == float("inf") else f"for {duration(int(until - now))} at most"


def _silence(uplink: Uplink, now: float) -> Iterator[str]:
    """What was sent in vain."""
    session, counted = uplink.session, uplink.session.counters
    if session.state not in _ASKING or uplink.waits_for:
        return
    failed = uplink.telling.counted.get("send_failed", 0)
    if failed:
        yield f"{_times(failed)} a message could not be sent; the log says why."
    if not counted.sent:
        return
    sent = ", ".join(f"{kind.name.capitalize()} {number}" for kind, number in counted.sent.items())
    if not counted.received and not uplink.telling.last_dropped:
        yield (
            f"no DHCPv6 message has been received at all (sent: {sent}): does a firewall drop UDP port 546, and does "
            f"the provider delegate prefixes on {uplink.link_name}?  `pdleasectl doctor` looks for the firewall; "
            f"`tcpdump -ni {uplink.link_name} udp port 546` shows whether answers arrive."
        )
        return
    exchange = session.exchange
    if exchange is None or exchange.started_at is None or session.offers:
        return
    kind, number = exchange.message_type.name.capitalize(), exchange.transmissions
    if number > 1:
        time = duration(round(now - exchange.started_at))
        yield (
            f"{number} {kind} messages in {time} were not answered (sent since the start: {sent}); "
            f"`tcpdump -ni {uplink.link_name} udp port 546` shows whether answers arrive."
        )
    else:
        yield f"the {kind} has not been answered yet (sent since the start: {sent})."


def _dropped(uplink: Uplink) -> Iterator[str]:
    """What was dropped, how often and why; where something is lacking, once for each kind of reason what to check."""
    session, said, counted = uplink.session, set[str](), counters(uplink)
    for reason, last in uplink.telling.last_dropped.items():
        number = counted[f"discarded_{reason.name.lower()}"]
        yield f"{last.text}{'' if number == 1 else f'; the last of {number}'}."
        check = _CHECK.get(reason)
        if check is not None:
            said.add(check)
    lacking = any(not session.lease.holds(wish.iaid) for wish in session.settings.wishes)
    if session.state not in _ASKING and not lacking:
        return
    for check in dict.fromkeys(_CHECK.values()):
        if check in said:
            text = check.format(link=uplink.link_name)
            yield f"{text[0].upper()}{text[1:]}" + ("" if text.endswith("?") else ".")


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _on_links(uplink: Uplink, share: Share | None, applier: Applier) -> Iterator[str]:
    """What is not as wanted on links."""
    for carved in share.carvings if share is not None else ():
        for link in carved.carving.unassigned:
            yield f"{carved.prefix.prefix} is too small: {link} stays without a subnet."
        if carved.carving.excluded_host is not None and carved.excluded is None:
            part = carved.carving.excluded
            kept = (
                f"{part} is too small for its excluded_host" if part else "the server keeps no part of it for this link"
            )
            yield f"no address of {carved.prefix.prefix} on {uplink.link_name}: {kept}."
        for address in carved.router_addresses:
            state = applier.state_of(address)
            if state.condition is not Condition.INSTALLED:
                detail = state.problem.text if state.problem is not None else ""
                words = f" ({detail})" if detail not in ("", state.condition.value) else ""
                yield f"{address.address} on {address.link}: {state.condition.value}{words}."
