"""
What can happen to a session (occurrences), and what it wants done (effects).

Both are plain values.  L{pdlease.client.session.step} turns one occurrence into effects, in the order in which they are
to be carried out; L{pdlease.uplink} carries them out.
"""

from __future__ import annotations

from enum import Enum, unique
from ipaddress import IPv6Network
from typing import Union

from attrs import frozen

from pdlease.client.reasons import Change, DiscardReason, Reason
from pdlease.client.settings import Settings
from pdlease.client.states import State
from pdlease.lease import Lease, ReconfigureKey
from pdlease.wire.chain import Option
from pdlease.wire.messages import Message


@unique
class Request(Enum):
    """
    What an operator can ask of a session.
    """

    RENEW = "renew"
    REBIND = "rebind"
    SOLICIT = "solicit"
    RELEASE = "release"
    STOP = "stop"


@frozen
class LinkUp:
    """
    The link carries again, or may lead elsewhere than before (carrier, wake from sleep, a new interface).

    @ivar new_link: whether there are signs of another upstream: a new PPP session or interface, another router
        (R-RST-02).
    """

    new_link: bool = False


@frozen
class LinkDown:
    """The link carries no more, or is gone."""


@frozen
class UpstreamChanged:
    """
    The upstream network changed without a change of link: an on-link prefix came or was deprecated (R-18.2.12-04), a
    router spoke after silence (R-18.2.12-07), our link-local address is another one (R-18.2.4-09).
    """


@frozen
class Arrived:
    """
    A message came in, by unicast, on this uplink.

    @ivar message: the message.
    @ivar source: the address of its sender, for texts.
    @ivar datagram: the octets as received; only a Reconfigure needs them, for its signature.
    """

    message: Message
    source: str
    datagram: bytes = b""


@frozen
class Due:
    """The time has come that L{Session.due <pdlease.client.session.Session.due>} named; too early does no harm."""


@frozen
class Ask:
    """
    An operator asks.

    @ivar request: for what.
    """

    request: Request


@frozen
class NewSettings:
    """
    The configuration of the uplink is another one.

    What is no longer wanted is dropped from the lease without a Release; with another DUID that is all of it.

    @ivar settings: how the uplink is to be served from now on.
    """

    settings: Settings


@frozen
class Dated:
    """
    The clock can be trusted by now, and the lease from before the restart could be dated after all (R-12-06).

    @ivar lease: that lease, in boot-clock seconds.
    """

    lease: Lease


Occurrence = Union[LinkUp, LinkDown, UpstreamChanged, Arrived, Due, Ask, NewSettings, Dated]


@frozen
class Send:
    """
    Send a message to all servers; failure to do so is a lost message and is not told (R-D-04).

    @ivar message: the message.
    """

    message: Message


@frozen
class LeaseChanged:
    """
    The lease is another one than before.  Comes before the L{Send} of a Release (R-18.2.7-03) and of a Solicit for the
    same prefixes (R-18-01).

    @ivar lease: all that is held now.
    @ivar change: why.
    """

    lease: Lease
    change: Change


@frozen
class Discarded:
    """
    A message, or a part of one, was dropped.

    @ivar reason: why.
    @ivar source: where it came from.
    @ivar detail: what exactly, in words; may be empty.
    @ivar message: the name of the message's type.
    """

    reason: DiscardReason
    source: str
    detail: str = ""
    message: str = ""


@frozen
class Moved:
    """
    The session went from one state to another, or began the exchange of the same state again.

    @ivar old: where it was.
    @ivar new: where it is.
    @ivar reason: why.
    @ivar detail: what belongs into the reason's sentence.
    """

    old: State
    new: State
    reason: Reason
    detail: str = ""


@frozen
class Remembered:
    """
    Something beside the lease wants to be kept over restarts: SOL_MAX_RT and INF_MAX_RT (A.3), the key of Reconfigure
    (R-20-01).

    @ivar sol_max_rt: seconds, or C{None} for the default.
    @ivar inf_max_rt: likewise.
    @ivar key: what the server signs Reconfigure with, or C{None}.
    """

    sol_max_rt: int | None
    inf_max_rt: int | None
    key: ReconfigureKey | None = None


@frozen
class Informed:
    """
    Configuration beside the lease is another than before (R-18.2.10-05): what was requested and given, in full.

    What is not here any more is not to be used any more (R-18.2.10.5-01).

    @ivar options: the options; of those that may stand once the first (R-21-01).
    """

    options: tuple[Option, ...]


@frozen
class Disowned:
    """
    A Reply took back prefixes that we do not hold; hosts may know of them all the same (9096-STALE-4).

    @ivar prefixes: each with the IAID of the association that it came in.
    """

    prefixes: tuple[tuple[int, IPv6Network], ...]


@frozen
class Released:
    """The Release is over: answered, given up, or impossible."""


Effect = Union[Send, LeaseChanged, Disowned, Discarded, Moved, Remembered, Informed, Released]
