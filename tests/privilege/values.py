"""
Operations of every kind, for tests of the privilege room.
"""

from __future__ import annotations

from ipaddress import IPv6Interface, IPv6Network

from pdlease.config.model import ON_LINK_METRIC, Config
from pdlease.config.toml import parse
from pdlease.operations import (
    DisableIPv6,
    EnableIPv6,
    Operation,
    PutAddress,
    PutRoute,
    PutUnreachable,
    RemoveAddress,
    RemoveRoute,
    RemoveUnreachable,
)

TOML = b"""
[daemon]
route_protocol = 155

[uplinks.wan]
link = "wan0"
route_table = 254
route_metric = 1024

[[uplinks.wan.delegations]]
downstreams = ["lan0", "lan1/60"]

[uplinks.dsl]
link = "ppp0"
route_table = 7

[[uplinks.dsl.delegations]]
hint = 24
downstreams = ["lan1"]
"""

WAN, LAN0, LAN1 = 2, 3, 4

ADDRESS = IPv6Interface("2001:db8:0:1::1/64")
SUBNET = IPv6Network("2001:db8:0:1::/64")
DELEGATED = IPv6Network("2001:db8::/56")

PUT_ADDRESS = PutAddress(link="lan0", index=LAN0, address=ADDRESS, preferred=300, valid=600)
REMOVE_ADDRESS = RemoveAddress(link="lan0", index=LAN0, address=ADDRESS)
PUT_ROUTE = PutRoute(link="lan0", index=LAN0, prefix=SUBNET, expires=600, table=254, metric=ON_LINK_METRIC)
REMOVE_ROUTE = RemoveRoute(link="lan0", index=LAN0, prefix=SUBNET, table=254, metric=ON_LINK_METRIC)
PUT_UNREACHABLE = PutUnreachable(link="wan0", prefix=DELEGATED, expires=600, table=254, metric=1024)
REMOVE_UNREACHABLE = RemoveUnreachable(link="wan0", prefix=DELEGATED, table=254, metric=1024)
ENABLE = EnableIPv6(link="lan0", index=LAN0)
DISABLE = DisableIPv6(link="lan0", index=LAN0)

EVERY: tuple[Operation, ...] = (
    PUT_ADDRESS,
    REMOVE_ADDRESS,
    PUT_ROUTE,
    REMOVE_ROUTE,
    PUT_UNREACHABLE,
    REMOVE_UNREACHABLE,
    ENABLE,
    DISABLE,
)


def config(text: bytes = TOML) -> Config:
    """The configuration that these operations are allowed by."""
    return parse(text, "pdlease.toml")
