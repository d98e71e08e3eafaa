"""
Hypothesis strategies for configurations that can be written in the form of dhcp6leased.conf, and for its text.
"""

from __future__ import annotations

from hypothesis import strategies as st

from pdlease.config.checks import delegation_key, too_large
from pdlease.config.model import Config, Delegation, Uplink
from pdlease.config.tokens import KEYWORDS
from pdlease.subnets import Downstream

# Names that ask something of a reader: dots, digits only, quotes, keywords, no ASCII, as long as can be.
ODD = ("eth0.835", "0", "1234", "a#b", "#0", "a'b", 'a"b', "$x", "a=b", "br{0}", "\u00e4\u00f6", "x" * 15, *KEYWORDS)

NAMES = st.sampled_from(("em0", "em1", "lan0", "wg0@if3", "br-lan", *ODD))

DOWN_NAMES = NAMES | st.sampled_from(("a\\b", "-", "a\\"))

LENGTHS = st.sampled_from((64, 64, 64, 60, 56, 63, 65, 72, 127, 128)) | st.integers(20, 128)


@st.composite
def uplinks(draw: st.DrawFn, name: str, rapid_commit: bool) -> Uplink:
    """An uplink with delegations that a server could serve."""
    names = iter(draw(st.lists(DOWN_NAMES, unique=True, max_size=6)))
    delegations: list[Delegation] = []
    for index in range(draw(st.integers(1, 4))):
        downstreams = []
        for _ in range(draw(st.integers(1, 4))):
            link = next(names, None) if draw(st.integers(0, 4)) else None
            downstreams.append(Downstream(link=link, length=draw(LENGTHS)))
        key = delegation_key(downstreams, index)
        if too_large(downstreams) or any(key in other.links for other in delegations):
            downstreams = [Downstream(length=64)]
            key = f"#{index}"
        delegations.append(Delegation(key=key, hint="exact", downstreams=tuple(downstreams)))
    taken = {link for delegation in delegations for link in delegation.links}
    if any(f"#{index}" in taken for index in range(4)):
        delegations = delegations[:1]
    return Uplink(name=name, link=name, rapid_commit=rapid_commit, delegations=tuple(delegations))


@st.composite
def configurations(draw: st.DrawFn) -> Config:
    """A configuration that the form of dhcp6leased.conf can say."""
    names = draw(st.lists(NAMES, unique=True, min_size=1, max_size=4))
    rapid_commit = draw(st.booleans())
    return Config(uplinks=tuple(draw(uplinks(name, rapid_commit)) for name in names))


# Text that is made of the pieces of the form, right and wrong.
PIECES = st.lists(
    st.sampled_from((
        *KEYWORDS, "{", "}", "=", "\n", "\n", " ", "\t", "\\", "\\\n", "#", '"', "'", "$x", "$", "x", "x = y", "em0",
        "em1/64", "reserve", "request prefix delegation on em0 for ", "request rapid commit\n", "64", "-", "-1", "0em",
        ",", "\0", "\xff", "x" * 16,
    )),
    max_size=30,
).map(lambda pieces: "".join(pieces).encode("latin-1"))  # fmt: skip
