"""
What a session is told before it begins: who it is, what it wants, where its chance comes from.

What the operator writes is L{pdlease.config.model}; L{pdlease.uplink} makes these values from it.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Network

from attrs import frozen

from pdlease.wire.chain import Option
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.duid import DUID


@frozen(kw_only=True)
class Chance:
    """
    Where randomness comes from.

    @ivar random: uniform in [0, 1).
    @ivar transaction_id: 24 bits that are hard to predict (R-16.1-01).
    """

    random: Callable[[], float]
    transaction_id: Callable[[], int]


@frozen(kw_only=True)
class IAWish:
    """
    One identity association that is wanted (one IA_PD).

    @ivar iaid: its number.
    @ivar hint_length: the prefix length asked for, or C{None} for no wish (R-21.22-01).
    @ivar hint_prefix: a prefix asked for by name although it was never held in this session, or C{None}.
    @ivar further_lengths: lengths to ask for one after the other, and then again from the first, while servers say that
        they have no prefix of the length asked for; some refuse a large one instead of giving a smaller.
    @ivar needed_length: the length of a prefix that has just room for everything downstream, or C{None} if that is not
        known: an offer with less room, what the server keeps for itself taken off, ranks lower (PDX-09).
    @ivar longest: the longest prefix length that is of use, or C{None} if any is: a longer prefix that is offered is
        then no offer (R-8168-06).
    """

    iaid: int
    hint_length: int | None = None
    hint_prefix: IPv6Network | None = None
    further_lengths: tuple[int, ...] = ()
    needed_length: int | None = None
    longest: int | None = None

    def length(self, stage: int) -> int | None:
        """
        The length to ask for.

        @param stage: how often a server refused one.
        """
        if self.hint_length is None:
            return None
        lengths = (self.hint_length, *self.further_lengths)
        return lengths[stage % len(lengths)]


@frozen(kw_only=True)
class ExtraOption:
    """
    An option that the operator wrote out, sent as written (R-18.2.1-08).

    @ivar option: the option.
    @ivar message_types: the messages that carry it; empty for all.
    """

    option: Option
    message_types: tuple[MessageType, ...] = ()


@frozen(kw_only=True)
class Settings:
    """
    How one uplink is to be served.

    @ivar uplink: its name, for texts.
    @ivar duid: who we are there.
    @ivar wishes: the identity associations wanted, in order of configuration, at least one, IAIDs unique (R-12-01).
    @ivar rapid_commit: whether Solicit offers the exchange of two messages (R-18.2.1-10).
    @ivar solicit_delay: whether the first message after link up waits a random time of up to 1 s (R-18.2.1-11).
    @ivar reconfigure: whether Reconfigure is accepted (R-21.20-01).
    @ivar rate_limit: messages, and the seconds in which no more than these are sent (R-14.1-02).
    @ivar requested_options: codes in the option request of Solicit, Request, Renew and Rebind (R-18.2.1-05, R-21.7-03).
    @ivar sol_max_rt: SOL_MAX_RT remembered from before (seconds), or C{None} (A.3).
    @ivar inf_max_rt: INF_MAX_RT remembered from before (seconds), or C{None}.
    @ivar max_rt_server: the server that set them, or C{None}.
    @ivar solicit_count: MRC of Solicit; 0 for no limit (R-18.2.1-19).
    @ivar solicit_duration: MRD of Solicit in seconds; C{None} for no limit.
    @ivar renumbering_silence: seconds of silence after signs of another upstream that end a lease (R-RST-02).
    @ivar extra_options: options that the operator wrote out.
    @ivar option_order: codes in the order in which options are to stand in messages, for servers (and comparisons) that
        want another than ours; options not named come last, in our order.  Empty for our order.
    @ivar names_lost: whether a Solicit names the prefixes that were lost (R-8168-02).
    """

    uplink: str
    duid: DUID
    wishes: tuple[IAWish, ...]
    rapid_commit: bool = False
    solicit_delay: bool = True
    reconfigure: bool = False
    rate_limit: tuple[int, float] = (20, 20.0)
    requested_options: tuple[int, ...] = (OptionCode.SOL_MAX_RT, OptionCode.PD_EXCLUDE)
    sol_max_rt: int | None = None
    inf_max_rt: int | None = None
    max_rt_server: DUID | None = None
    solicit_count: int = 0
    solicit_duration: float | None = None
    renumbering_silence: float = 60.0
    extra_options: tuple[ExtraOption, ...] = ()
    option_order: tuple[int, ...] = ()
    names_lost: bool = True

    def wish(self, iaid: int) -> IAWish | None:
        """The wish of one identity association, or C{None} if it is not ours."""
        return next((wish for wish in self.wishes if wish.iaid == iaid), None)
