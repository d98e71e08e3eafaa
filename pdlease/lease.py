"""
What a server delegated: prefixes, the identity associations that hold them, and when each of them ends.

All times here are seconds of the boot-time clock (L{pdlease.clock}), as floats, C{math.inf} for "never".  What a lease
looks like on disk, with wall clock and boot id, is L{pdlease.stores.serial}; what is made of it for the kernel is
L{pdlease.wanted}; the rules by which it changes are L{pdlease.client}.
"""

from __future__ import annotations

from ipaddress import IPv6Network
from math import inf

from attrs import evolve, field, frozen

from pdlease.wire.duid import DUID


@frozen(kw_only=True)
class DelegatedPrefix:
    """
    One prefix that a server delegated, with absolute times of expiry.

    @ivar prefix: the prefix, host bits cleared.
    @ivar preferred_until: boot-clock second at which it becomes deprecated.
    @ivar valid_until: boot-clock second at which it must not be used any more.
    @ivar mentioned_at: boot-clock second of the last Reply that named this prefix.
    @ivar server: the server that gave or last extended it (a Renew to another server must not name it, R-18.2.4-05).
    @ivar excluded: the part that the delegating router keeps for the uplink (RFC 6603), or C{None}.
    """

    prefix: IPv6Network
    preferred_until: float
    valid_until: float
    mentioned_at: float
    server: DUID
    excluded: IPv6Network | None = None


@frozen(kw_only=True)
class Binding:
    """
    One identity association and the prefixes it holds (one IA_PD, RFC 9915 section 12.2).

    @ivar iaid: the IAID, 0 to 2**32 - 1.
    @ivar prefixes: what it holds, in the order in which the server first named them.
    @ivar t1_at: boot-clock second at which to renew; C{inf} for never.
    @ivar t2_at: boot-clock second at which to rebind; C{inf} for never.
    @ivar received_at: boot-clock second of the last Reply that served this association.
    """

    iaid: int
    prefixes: tuple[DelegatedPrefix, ...] = ()
    t1_at: float = inf
    t2_at: float = inf
    received_at: float = 0.0


@frozen(kw_only=True)
class Lease:
    """
    All that one uplink holds.

    @ivar bindings: one for each identity association that holds or held something, in order of configuration.
    @ivar server: the server most recently communicated with (R-18.2.4-02), or C{None}.
    """

    bindings: tuple[Binding, ...] = ()
    server: DUID | None = None

    @property
    def prefixes(self) -> tuple[DelegatedPrefix, ...]:
        """Every prefix of every binding."""
        return tuple(prefix for binding in self.bindings for prefix in binding.prefixes)

    @property
    def valid_until(self) -> float:
        """The boot-clock second at which the last prefix ends; C{-inf} when there is none."""
        return max((prefix.valid_until for prefix in self.prefixes), default=-inf)

    @property
    def t1_at(self) -> float:
        """The earliest T1 over all bindings that hold a prefix (R-18.2.4-08)."""
        return min((binding.t1_at for binding in self.bindings if binding.prefixes), default=inf)

    @property
    def t2_at(self) -> float:
        """The earliest T2 over all bindings that hold a prefix (R-18.2.4-08)."""
        return min((binding.t2_at for binding in self.bindings if binding.prefixes), default=inf)

    def binding(self, iaid: int) -> Binding | None:
        """The binding of one identity association, or C{None}."""
        return next((binding for binding in self.bindings if binding.iaid == iaid), None)

    def holds(self, iaid: int) -> bool:
        """Whether one identity association holds a prefix."""
        binding = self.binding(iaid)
        return binding is not None and bool(binding.prefixes)

    def without_expired(self, now: float) -> Lease:
        """The same lease less the prefixes whose valid lifetime is over (R-15-08)."""
        if all(prefix.valid_until > now for prefix in self.prefixes):
            return self
        return evolve(
            self,
            bindings=tuple(
                evolve(binding, prefixes=tuple(p for p in binding.prefixes if p.valid_until > now))
                for binding in self.bindings
            ),
        )


@frozen(kw_only=True)
class ReconfigureKey:
    """
    What a server signs its Reconfigure messages with (RFC 9915 section 20.4).  Secret: kept where only we read it.

    @ivar server: the server.
    @ivar secret: 16 octets.
    @ivar replay: the last value of its counter; a Reconfigure must have a greater one (R-20-02).
    """

    server: DUID
    secret: bytes = field(repr=False)
    replay: int


@frozen(kw_only=True)
class StaleSubnet:
    """
    A subnet that is over for the hosts of a link, which must still be told so (RFC 9096 section 3.5).

    @ivar link: name of the downstream link.
    @ivar subnet: the subnet.
    @ivar until: boot-clock second until which they are to be told.
    """

    link: str
    subnet: IPv6Network
    until: float


@frozen(kw_only=True)
class UplinkRecord:
    """
    What is remembered of one uplink across restarts.

    @ivar lease: what it holds.
    @ivar sol_max_rt: the SOL_MAX_RT in force (seconds), or C{None} for the default (A.3).
    @ivar inf_max_rt: the INF_MAX_RT in force (seconds), or C{None}.
    @ivar max_rt_server: the server that set them, or C{None}.
    @ivar trusted: false where the clock cannot tell how much of the lifetimes is left (another boot and no trustworthy
        wall clock, R-12-06); such a lease is asked for again, not installed.
    @ivar key: what the server signs Reconfigure with, or C{None}.
    @ivar former: prefixes that were lost, each with the IAID of its association, to be asked for by name (R-8168-02).
    @ivar stale: subnets that hosts must still be told are over (9096-STALE-1).
    """

    lease: Lease
    sol_max_rt: int | None = None
    inf_max_rt: int | None = None
    max_rt_server: DUID | None = None
    trusted: bool = True
    key: ReconfigureKey | None = None
    former: tuple[tuple[int, IPv6Network], ...] = ()
    stale: tuple[StaleSubnet, ...] = ()
