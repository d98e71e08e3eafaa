"""
What an uplink hears of the network it leads to: its routers, the prefixes they name, its own link-local addresses.

L{Upstream} says what is missing before anything can be sent, and tells the uplink what a session has to know: that
something changed (R-18.2.12-04, R-18.2.12-07, R-18.2.4-09), or that the link leads elsewhere (R-RST-02).  All of it is
heard from the kernel (L{pdlease.kernel.KernelTable} and its notices of prefixes); Router Advertisements themselves are
not read.  What a session does about it is L{pdlease.client.progress}.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, unique
from ipaddress import IPv6Address, IPv6Interface, IPv6Network
from math import inf

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pdlease.client.occurrences import Ask, LinkUp, Occurrence, Request, UpstreamChanged
from pdlease.client.reasons import Wait
from pdlease.kernel import Advertised, AdvertisedPrefix, KernelTable, Link
from pdlease.waiting import Waiting, usable_link_local, what_is_missing

SETTLE = 0.5
"""
Seconds from the first sign of a change until it is judged: one Router Advertisement is told in several notices, and
several routers answer one solicitation within half a second (RFC 4861 section 6.2.6).
"""

FRESH = 10.0
"""Seconds after the link came up in which routers and prefixes appear that were there all along."""

INTERVAL = 30.0
"""Seconds between two Rebinds for what is heard here, at least (R-18.2.12-05); a session spaces Renews by itself."""

MANY = 64
"""So many prefixes are remembered of a link, and no more."""

KERNEL_MARKS = 3
"""Marks of addresses (IFA_PROTO) up to this are the kernel's own; a greater one is that of a daemon, such as ours."""


@unique
class Sign(Enum):
    """
    Something that changed upstream.
    """

    OWN_ADDRESS = "a link-local address of ours is another one"
    ROUTER_SPEAKS = "a router speaks after silence"
    ROUTER_ADDED = "there is another router"
    PREFIX_ADDED = "there is another prefix on the link"
    PREFIX_DEPRECATED = "a prefix on the link is not preferred any more"
    DELEGATING_CHANGED = "the prefixes with the P flag are others"
    OTHER_ROUTERS = "all routers are others"
    OTHER_PREFIXES = "all prefixes on the link are others"


ELSEWHERE = frozenset({Sign.OTHER_ROUTERS, Sign.OTHER_PREFIXES})
"""Evidence of another upstream."""

URGENT = ELSEWHERE | {Sign.DELEGATING_CHANGED}
"""What a Rebind is sent for, not a Renew."""


@frozen(kw_only=True)
class View:
    """
    What was known of a link's surroundings at some moment.

    @ivar own: our link-local addresses that can be used.
    @ivar routers: the link-local addresses of the routers.
    @ivar prefixes: the prefixes they named that are preferred.
    @ivar delegating: those of them with the P flag (RFC 9762).
    @ivar heard: whether any router was heard since IPv6 came up.
    """

    own: frozenset[IPv6Address] = frozenset()
    routers: frozenset[IPv6Address] = frozenset()
    prefixes: frozenset[IPv6Network] = frozenset()
    delegating: frozenset[IPv6Network] = frozenset()
    heard: bool = False


def signs(before: View, now: View, known: frozenset[IPv6Address], fresh: frozenset[IPv6Network] | None) -> set[Sign]:
    """
    Tell what is different.  What is known for the first time is no change.

    @param before: the surroundings when they were last judged.
    @param now: the surroundings now.
    @param known: the routers that were there last, if not C{before} then earlier.
    @param fresh: the prefixes named since the link came up, when they are judged for the first time since then; or
        C{None}.
    """
    found = set()
    if now.own and not before.own <= now.own:
        found.add(Sign.OWN_ADDRESS)
    if now.routers and known and not now.routers & known:
        found.add(Sign.OTHER_ROUTERS)
    elif known and not now.routers <= known:
        found.add(Sign.ROUTER_ADDED)
    elif (now.routers and not before.routers) or (now.heard and not before.heard):
        found.add(Sign.ROUTER_SPEAKS)
    if before.prefixes:
        remaining = now.prefixes & before.prefixes if fresh is None else fresh & before.prefixes
        added = now.prefixes - before.prefixes
        if added and not remaining:
            found.add(Sign.OTHER_PREFIXES)
        elif added:
            found.add(Sign.PREFIX_ADDED)
        if before.prefixes - now.prefixes:
            found.add(Sign.PREFIX_DEPRECATED)
    if before.delegating and now.delegating and before.delegating != now.delegating:
        found.add(Sign.DELEGATING_CHANGED)
    return found


class Upstream:
    """
    The watch over what is at the other end of one uplink.

    @ivar link_name: what the kernel calls the link.
    @ivar on_link: every prefix that was seen on the link, named by a router or that of an address: none of them may be
        on a downstream link as well.  One that was seen once stays: a subnet that came and went would move links.
    """

    def __init__(
        self,
        link_name: str,
        start: str,
        clock: IReactorTime,
        table: KernelTable,
        *,
        happened: Callable[[Occurrence, tuple[Sign, ...]], None],
        changed: Callable[[], None],
        vrf: str = "",
    ) -> None:
        """
        @param start: what the client waits for before it begins: C{"link"}, C{"ra"} or C{"p-flag"}
            (L{pdlease.config.model.Uplink}).
        @param clock: the boot-time clock.
        @param table: what the kernel says.
        @param happened: called with what the session has to be told, and why; only while the link is in use.
        @param changed: called when what L{missing} says may have changed without a notice about the link.
        @param vrf: name of the VRF that the link must be in, or the empty string.
        """
        self.link_name = link_name
        self._start = start
        self._vrf = vrf
        self._clock = clock
        self._table = table
        self._happened = happened
        self._changed = changed
        self._timer: IDelayedCall | None = None
        self._forget()

    def _forget(self) -> None:
        """Nothing is known of the link."""
        self._index: int | None = None
        self._view = View()
        self._known: frozenset[IPv6Address] = frozenset()
        self._until: dict[IPv6Network, float] = {}
        self._delegating: dict[IPv6Network, float] = {}
        self._fresh: set[IPv6Network] = set()
        self._is_first = True
        self._has_begun = False
        self._up_at: float | None = None
        self._leads_elsewhere = False
        self._asked_at = -inf
        self._has_delegated = False
        self._is_reduced = False
        self.on_link: tuple[IPv6Network, ...] = ()

    # What the uplink asks and tells.

    def missing(self, link: Link | None, holding: bool) -> Waiting | None:
        """
        Why nothing can be sent on the link now, or C{None}.

        A lease that is held is confirmed without waiting for any router (R-18.2.12-01), unless the prefixes with the P
        flag that there were are gone (PF-04).

        @param holding: whether a lease is held, or one from before a restart is to be asked for.
        """
        problem = what_is_missing(self.link_name, link, self._table, self._vrf)
        if problem is not None or link is None:
            return problem
        wanted = self._wanted_advertisement(link.index, holding)
        if not wanted:
            return None
        deaf = self.deafness()
        return Waiting(Wait.WAITS_FOR_ROUTER, self.link_name, f"{wanted}, but {deaf}" if deaf else wanted)

    def ask_anew(self) -> None:
        """
        Have the kernel tell anew whether it hears Router Advertisements, of which it gives no notice: what is said of
        it now may be old, what is said next time is not.
        """
        link = self._table.link_named(self.link_name)
        if link is not None:
            self._table.ask_link(link.index)

    def deafness(self) -> str:
        """Why Router Advertisements are not heard, in words; or the empty string."""
        link = self._table.link_named(self.link_name)
        if link is None or not link.ignores_routers:
            return ""
        return (
            f"the kernel ignores Router Advertisements on {self.link_name}: "
            f"/proc/sys/net/ipv6/conf/{self.link_name}/accept_ra would have to be 2"
        )

    def came_up(self) -> bool:
        """
        The link is in use from now on.

        @return: whether there is evidence that it leads elsewhere than before.
        """
        self._has_begun = True
        self._up_at = self._clock.seconds()
        elsewhere, self._leads_elsewhere = self._leads_elsewhere, False
        return elsewhere

    def went_down(self) -> None:
        """The link is not in use any more; what it leads to has to be seen anew."""
        self._up_at = None
        self._fresh.clear()
        self._is_first = True

    def link_changed(self, link: Link | None) -> None:
        """The kernel told something of the link, or of what is on it."""
        if link is None or link.index != self._index:
            self.stop()
            self._forget()
            if link is None:
                return
            self._index = link.index
            # what is there when the link is first looked at is no change
            self._view = self._current()
            self._known = self._view.routers
        elif self._current() != self._view:
            self._judge_at(self._clock.seconds() + SETTLE)
        for address in self._table.addresses_on(link.index):
            is_ours = address.protocol is not None and address.protocol > KERNEL_MARKS
            if isinstance(address.address, IPv6Interface) and not is_ours:
                self._note(address.address.network)

    def _note(self, prefix: IPv6Network) -> None:
        """A prefix is on the link; what is one address long, or of link-local scope, is of no interest."""
        known = prefix in self.on_link or len(self.on_link) >= MANY
        if not (known or prefix.prefixlen == 128 or prefix.is_link_local):
            self.on_link = (*self.on_link, prefix)

    def prefix_heard(self, heard: AdvertisedPrefix) -> None:
        """A Router Advertisement named a prefix."""
        if heard.index != self._index or heard.prefix.is_link_local:
            return
        now = self._clock.seconds()
        if heard.valid:
            self._note(heard.prefix)
        self._is_reduced = self._is_reduced or not heard.tells_flags
        if heard.prefix not in self._until and len(self._until) >= MANY:
            return
        self._until[heard.prefix] = now + heard.preferred
        if self._is_first:
            self._fresh.add(heard.prefix)
        if heard.is_for_delegation:
            self._delegating[heard.prefix] = now + heard.preferred
        else:
            self._delegating.pop(heard.prefix, None)
        # a router may repeat itself thousands of times a second: that must cost next to nothing
        was = heard.prefix in self._view.prefixes, heard.prefix in self._view.delegating
        if self._is_first or was != (heard.preferred > 0, heard.preferred > 0 and heard.is_for_delegation):
            self._judge_at(now + SETTLE)

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    # Judging.

    def _wanted_advertisement(self, index: int, holding: bool) -> str:
        """What the Router Advertisement that is waited for has, in words; or the empty string."""
        if self._start == "ra" and not (holding or self._has_begun):
            advertised = self._table.advertised.get(index, Advertised())
            if not (advertised.managed or advertised.other):
                return "the M or O flag"
        if self._start == "p-flag" and not self._view.delegating and (self._has_delegated or not holding):
            blind = ", which this kernel does not tell of" if self._is_reduced else ""
            return f"a prefix that has the P flag{blind}"
        return ""

    def _current(self) -> View:
        """What is known now."""
        if self._index is None:
            return View()
        now = self._clock.seconds()
        advertised = self._table.advertised.get(self._index, Advertised())
        return View(
            own=frozenset(usable_link_local(self._table, self._index)),
            routers=self._table.routers.get(self._index, frozenset()),
            prefixes=frozenset(prefix for prefix, until in self._until.items() if until > now),
            delegating=frozenset(
                prefix for prefix, until in self._delegating.items() if until > now and prefix in self._until
            ),
            heard=advertised.heard,
        )

    def _judge_at(self, moment: float) -> None:
        """Have it judged then, or earlier."""
        if self._timer is not None and self._timer.active():
            if self._timer.getTime() <= moment:
                return
            self._timer.cancel()
        self._timer = self._clock.callLater(max(0.0, moment - self._clock.seconds()), self._judge)

    def _judge(self) -> None:
        """Compare what is known with what was, and tell what follows."""
        self._timer = None
        now, before, view = self._clock.seconds(), self._view, self._current()
        fresh = frozenset(self._fresh) if self._is_first and self._fresh else None
        found = signs(before, view, self._known, fresh)
        if self._start != "p-flag":
            found.discard(Sign.DELEGATING_CHANGED)
        if found & URGENT:
            if now < self._asked_at + INTERVAL:
                self._judge_at(self._asked_at + INTERVAL)
                return
            self._asked_at = now
        self._accept(view, found, fresh)
        if self._start == "p-flag" and self._view.delegating:
            self._has_delegated = True
            self._judge_at(min(self._delegating[prefix] for prefix in self._view.delegating))
        if before.delegating != self._view.delegating:
            self._changed()
        self._tell(found, now)

    def _accept(self, view: View, found: set[Sign], fresh: frozenset[IPv6Network] | None) -> None:
        """Take what is known now for what is."""
        if fresh is not None:
            self._is_first = False
            self._fresh.clear()
            if Sign.OTHER_PREFIXES in found:
                # what was named before the link was down belongs to the other upstream
                self._until = {prefix: until for prefix, until in self._until.items() if prefix in fresh}
                view = self._current()
        # what is not preferred any more need not be remembered
        self._until = {prefix: self._until[prefix] for prefix in view.prefixes}
        self._delegating = {prefix: self._delegating[prefix] for prefix in view.delegating}
        self._known = view.routers or self._known
        self._view = view

    def _tell(self, found: set[Sign], now: float) -> None:
        """Tell the session, as far as it has to know."""
        if self._up_at is None:
            self._leads_elsewhere = self._leads_elsewhere or bool(found & ELSEWHERE)
            return
        if now < self._up_at + FRESH:
            # everything has been asked for just now
            found = found & {Sign.OWN_ADDRESS, *URGENT}
        if not found:
            return
        occurrence: Occurrence = UpstreamChanged()
        if found & ELSEWHERE:
            occurrence = LinkUp(new_link=True)
        elif Sign.DELEGATING_CHANGED in found:
            occurrence = Ask(Request.REBIND)
        self._happened(occurrence, tuple(sign for sign in Sign if sign in found))
