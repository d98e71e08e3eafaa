"""
Hypothesis strategies for configurations that can be written in the form of dhcp6leased.conf, and for its text.
"""

from __future__ import annotations

from hypothesis import strategies as st

from pdlease.config.checks import delegation_key, too_large
from pdlease.config.model import Config, Delegation, Uplink
from pdlease.config.tokens import KEYWORDS, written
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


@st.composite
def layouts(draw: st.DrawFn, config: Config) -> str:
    """The text of a configuration in any layout: macros, quotes of either kind, joined lines, comments, empty lines."""
    between = st.sampled_from((" ", "\t", "  ", " \\\n", "\\\n\t"))
    inside = between | st.sampled_from(("\n", "\n\n ", " # c\n", " # c \\\n d\n", "#\n"))
    ends = st.sampled_from(("\n", " \n\n", " # c { \n", "#'\n"))
    text = draw(st.sampled_from(("", "\n", "# c\n")))
    count = 0

    def word(name: str) -> str:
        nonlocal text, count
        kind = draw(st.integers(0, 3))
        if kind == 0 and "'" not in name and "\\" not in name:
            return f"'{name}'"
        if kind == 1 and "\n" not in written(name):
            count += 1
            text += f"m{count}{draw(st.sampled_from(('', ' ')))}= {written(written(name))}{draw(ends)}"
            return f"$m{count}"
        return written(name)

    if any(uplink.rapid_commit for uplink in config.uplinks):
        text += f"request{draw(between)}rapid{draw(between)}commit{draw(ends)}"
    for uplink in config.uplinks:
        for delegation in uplink.delegations:
            targets = [
                word(f"{downstream.link or 'reserve'}" + (f"/{downstream.length}" if downstream.length != 64 else ""))
                for downstream in delegation.downstreams
            ]
            head = "".join(f"{part}{draw(between)}" for part in ("request", "prefix", "delegation", "on"))
            head += f"{word(uplink.link)}{draw(between)}for{draw(between)}"
            if len(targets) == 1 and draw(st.booleans()):
                block = targets[0]
            else:
                block = "{" + "".join(draw(inside) + target for target in targets) + draw(inside) + "}"
            text += head + block + draw(ends)
    return text.rstrip("\n") if draw(st.booleans()) else text


# Text that is made of the pieces of the form, right and wrong.
PIECES = st.lists(
    st.sampled_from((
        *KEYWORDS, "{", "}", "=", "\n", "\n", " ", "\t", "\\", "\\\n", "#", '"', "'", "$x", "$", "x", "x = y", "em0",
        "em1/64", "reserve", "request prefix delegation on em0 for ", "request rapid commit\n", "64", "-", "-1", "0em",
        ",", "\0", "\xff", "x" * 16,
    )),
    max_size=30,
).map(lambda pieces: "".join(pieces).encode("latin-1"))  # fmt: skip
