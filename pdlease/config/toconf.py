"""
A configuration in the form of dhcp6leased.conf(5), as the original prints its own with C{-n -v} and C{-n -vv}
(seed-behaviour 2.7).

The text is valid input again.  How such text is read is L{pdlease.config.leasedconf}; the other form is written by
L{pdlease.config.totoml}.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, IPv6Network

from pdlease.config.model import Config, Delegation, Uplink
from pdlease.config.tokens import written
from pdlease.subnets import offsets

# Out of this the plan is shown (RFC 3849), where it is large enough.
EXAMPLE = IPv6Network("2001:db8::/32")


def to_conf(config: Config, with_plan: bool = False) -> str:
    """
    Write a configuration that was read from this form; of any other, what this form cannot say is left out.

    @param with_plan: whether comments tell the length of each prefix, and the subnet that each interface would get out
        of 2001:db8::.
    """
    return "".join(f"{line}\n" for line in _lines(config, with_plan))


def _lines(config: Config, with_plan: bool) -> Iterator[str]:
    if any(uplink.rapid_commit for uplink in config.uplinks):
        yield "request rapid commit"
        yield ""
    for uplink in config.uplinks:
        for index, delegation in enumerate(uplink.delegations):
            if index:
                yield ""
            yield from _delegation(uplink, delegation, with_plan)


def _delegation(uplink: Uplink, delegation: Delegation, with_plan: bool) -> Iterator[str]:
    comment = f"\t# prefix length = {delegation.needed_length}" if with_plan else ""
    yield f"request prefix delegation on {written(uplink.link)} for {{{comment}"
    for downstream, subnet in zip(delegation.downstreams, subnets(delegation), strict=True):
        comment = f"\t# {subnet}" if with_plan and subnet else ""
        target = f"{downstream.link or 'reserve'}/{downstream.length}"
        yield f"\t{written(target)}{comment}"
    yield "}"


def subnets(delegation: Delegation) -> tuple[IPv6Network | None, ...]:
    """
    The subnet of each downstream of a delegation out of 2001:db8::; C{None} for all where that is not large enough.
    """
    if delegation.needed_length < EXAMPLE.prefixlen:
        return (None,) * len(delegation.downstreams)
    base = int(EXAMPLE.network_address)
    return tuple(
        IPv6Network((IPv6Address(base + offset), downstream.length))
        for offset, downstream in zip(offsets(delegation.downstreams), delegation.downstreams, strict=True)
    )
