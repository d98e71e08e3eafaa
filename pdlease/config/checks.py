"""
What a configuration must be as a whole, in whichever form its file is: sizes and numbers that no server, packet or
machine could do with (seed-behaviour 2.4, 2.5; D8, D43).

What a single value must look like is L{pdlease.config.values}; who tells in which place of the file it is wrong are
L{pdlease.config.toml} and L{pdlease.config.leasedconf}.
"""

from __future__ import annotations

from collections.abc import Sequence

from pdlease.config import packets
from pdlease.config.duidform import parse_form
from pdlease.config.model import Uplink
from pdlease.subnets import DoesNotFit, Downstream, needed_length

# More than any configuration needs; a larger file is a mistake, such as the wrong path.
LARGEST = 1024 * 1024

MOST_DELEGATIONS = 32

# No registry has given an address block this large to anyone, so no server delegates it (D43).
SHORTEST_NEEDED = 16

# What IPv6 carries everywhere without fragments, less its own header and UDP's (D8).
LARGEST_SOLICIT = 1280 - 40 - 8


def delegation_key(downstreams: Sequence[Downstream], index: int) -> str:
    """What the delegation with this index within its uplink is remembered by."""
    return next((downstream.link for downstream in downstreams if downstream.link is not None), f"#{index}")


def too_large(downstreams: Sequence[Downstream], guests: int = 0) -> str:
    """What is wrong with the size of all this together, as a sentence; empty if nothing is."""
    try:
        needed = needed_length(downstreams, guests)
    except DoesNotFit as problem:
        return str(problem)
    if needed < SHORTEST_NEEDED:
        return f"these need a /{needed}, and no server delegates more than a /{SHORTEST_NEEDED}"
    return ""


def solicit_size(uplink: Uplink, duid_size: int) -> int:
    """
    How many bytes a Solicit of this uplink has at most: header, client id, elapsed time, rapid commit, Reconfigure
    accept, an option request of sixteen codes, what the operator adds, and an IA_PD for each delegation, with its
    hint (D8).
    """
    fixed = 4 + (4 + duid_size) + 6 + 4 + 4 + (4 + 2 * 16)
    added = packets.size(
        uplink.vendor_class, uplink.user_class, uplink.vendor_options, uplink.raw_options, uplink.request_options
    )
    return fixed + added + sum(16 + (29 if delegation.hint != "none" else 0) for delegation in uplink.delegations)


def turns_back(uplink: Uplink) -> bool:
    """Whether a prefix that the P flag promised would be used on the link that it came from (RFC 9762, PF-10)."""
    return uplink.start == "p-flag" and uplink.link in uplink.links


def does_not_fit(uplink: Uplink, duid: str) -> str:
    """
    Why a Solicit of this uplink would not fit a packet, as a sentence; empty if it does.

    @param duid: the client's DUID, in the form of C{identity.duid}.
    """
    size = solicit_size(uplink, parse_form(uplink.duid or duid).size)
    if size <= LARGEST_SOLICIT:
        return ""
    return (
        f"a Solicit for these {len(uplink.delegations)} delegations has {size} bytes, and {LARGEST_SOLICIT} fit an "
        "IPv6 packet of 1280: expected fewer"
    )
