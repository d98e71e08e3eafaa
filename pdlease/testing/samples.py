"""
What contract tests work with: clocks that stand still, an identity, a record of a lease.
"""

from __future__ import annotations

from ipaddress import IPv6Network
from math import inf

from attrs import define
from zope.interface import implementer

from pdlease.identity import Identity, KnownIAID, KnownSubnet
from pdlease.interfaces import ITimeSource
from pdlease.lease import Binding, DelegatedPrefix, Lease, ReconfigureKey, StaleSubnet, UplinkRecord
from pdlease.wire.duid import DUID


@implementer(ITimeSource)
@define(kw_only=True)
class SetTimes:
    """
    Clocks that stand where a test sets them.

    @ivar booted: what L{ITimeSource.boot} answers.
    @ivar walled: what L{ITimeSource.wall} answers.
    @ivar boot_name: what L{ITimeSource.boot_id} answers.
    @ivar trusted: what L{ITimeSource.wall_is_trusted} answers.
    """

    booted: float = 1000.0
    walled: float = 1_790_000_000.0
    boot_name: str = "first-boot"
    trusted: bool = True

    def boot(self) -> float:
        return self.booted

    def wall(self) -> float:
        return self.walled

    def boot_id(self) -> str:
        return self.boot_name

    def wall_is_trusted(self) -> bool:
        return self.trusted

    def pass_time(self, seconds: float) -> None:
        """Let both clocks run on."""
        self.booted += seconds
        self.walled += seconds

    def reboot(self, away: float) -> None:
        """Another boot, C{away} seconds later by the wall clock, 10 seconds after it started."""
        self.boot_name += "+"
        self.booted = 10.0
        self.walled += away


SERVER = DUID(bytes.fromhex("0003000166778899aabb"))
"""The server of L{record}."""

IDENTITY = Identity(
    duid=DUID(bytes.fromhex("000400112233445566778899aabbccddeeff")),
    iaids=(
        KnownIAID(uplink="wan", delegation="lan0", iaid=1, links=("lan0", "lan1")),
        KnownIAID(uplink="other wan/\N{SNOWMAN}", delegation="#0", iaid=2**32 - 1),
    ),
    subnets=(KnownSubnet(guest="web1", nic=1, uplink="wan", delegation="lan0", number=9),),
)
"""An identity with more than one IAID, and the subnet of a guest."""


def record(now: float, *, valid: float = 7200.0, preferred: float = 3600.0) -> UplinkRecord:
    """
    What an uplink holds just after a Reply: two bindings, three prefixes, one of them without end.

    @param now: boot-clock second of the Reply.
    @param valid: the valid lifetime in seconds of the prefixes that end.
    @param preferred: the preferred lifetime in seconds.
    """

    def prefix(text: str, until: float = valid, excluded: str | None = None) -> DelegatedPrefix:
        return DelegatedPrefix(
            prefix=IPv6Network(text),
            preferred_until=now + min(preferred, until),
            valid_until=now + until,
            mentioned_at=now,
            server=SERVER,
            excluded=None if excluded is None else IPv6Network(excluded),
        )

    return UplinkRecord(
        lease=Lease(
            bindings=(
                Binding(
                    iaid=1,
                    prefixes=(prefix("2001:db8::/56", excluded="2001:db8:0:ff::/64"), prefix("2001:db8:1::/56")),
                    t1_at=now + preferred / 2,
                    t2_at=now + preferred * 0.8,
                    received_at=now,
                ),
                Binding(iaid=7, prefixes=(prefix("2001:db8:2::/64", until=inf),), received_at=now),
            ),
            server=SERVER,
        ),
        sol_max_rt=600,
        inf_max_rt=None,
        key=ReconfigureKey(server=SERVER, secret=bytes(range(16)), replay=2**63),
        stale=(StaleSubnet(link="lan0", subnet=IPv6Network("2001:db8:3::/64"), until=99_000.0),),
    )
