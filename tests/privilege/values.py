"""
Operations of every kind, for tests of the privilege room.
"""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface, IPv6Network

from pdlease.config.model import ON_LINK_METRIC, Config
from pdlease.config.toml import parse
from pdlease.operations import (
    CheckLink,
    ClearMaster,
    DisableIPv6,
    EnableIPv6,
    Operation,
    PutAddress,
    PutIPv4,
    PutRoute,
    PutUnreachable,
    RemoveAddress,
    RemoveIPv4,
    RemoveRoute,
    RemoveUnreachable,
    SetDescription,
    SetDown,
    SetGroup,
    SetLinkAddress,
    SetMaster,
    SetUp,
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

[switches.lab]
link = "br0"
vrf = "blue"

[guests.web1]
id = 1

[[guests.web1.nics]]
link = "tap0"
switch = "lab"

[[guests.web1.nics]]
link = "tap1"
local = true

[local]
inet6 = "fd12:3456:789a:bcde::/64"
"""

WAN, LAN0, LAN1, TAP0, TAP1, BR0 = 2, 3, 4, 6, 7, 8

ADDRESS = IPv6Interface("2001:db8:0:1::1/64")
SUBNET = IPv6Network("2001:db8:0:1::/64")
DELEGATED = IPv6Network("2001:db8::/56")

CHECK_LINK = CheckLink(link="wan0", index=WAN)
PUT_ADDRESS = PutAddress(link="lan0", index=LAN0, address=ADDRESS, preferred=300, valid=600)
REMOVE_ADDRESS = RemoveAddress(link="lan0", index=LAN0, address=ADDRESS)
PUT_ROUTE = PutRoute(link="lan0", index=LAN0, prefix=SUBNET, expires=600, table=254, metric=ON_LINK_METRIC)
REMOVE_ROUTE = RemoveRoute(link="lan0", index=LAN0, prefix=SUBNET, table=254, metric=ON_LINK_METRIC)
PUT_UNREACHABLE = PutUnreachable(link="wan0", prefix=DELEGATED, expires=600, table=254, metric=1024)
REMOVE_UNREACHABLE = RemoveUnreachable(link="wan0", prefix=DELEGATED, table=254, metric=1024)
ENABLE = EnableIPv6(link="lan0", index=LAN0)
DISABLE = DisableIPv6(link="lan0", index=LAN0)
LOCAL = IPv4Interface("100.64.1.4/31")
LOCAL6 = IPv6Interface("fd12:3456:789a:bcde:6440:105:0:1/96")
PUT_IPV4 = PutIPv4(link="tap1", index=TAP1, address=LOCAL)
REMOVE_IPV4 = RemoveIPv4(link="tap1", index=TAP1, address=LOCAL)
SET_MASTER = SetMaster(link="tap0", index=TAP0, master="br0", master_index=BR0)
CLEAR_MASTER = ClearMaster(link="tap0", index=TAP0)
DESCRIBE = SetDescription(link="tap0", index=TAP0, text="vm1-if0-web1")
SET_GROUP = SetGroup(link="tap0", index=TAP0, group=7)
SET_UP = SetUp(link="tap0", index=TAP0)
SET_DOWN = SetDown(link="tap0", index=TAP0)
SET_LINK_ADDRESS = SetLinkAddress(link="tap0", index=TAP0, address=bytes.fromhex("020000000001"))

EVERY: tuple[Operation, ...] = (
    PUT_ADDRESS,
    REMOVE_ADDRESS,
    PUT_ROUTE,
    REMOVE_ROUTE,
    PUT_UNREACHABLE,
    REMOVE_UNREACHABLE,
    ENABLE,
    DISABLE,
    PUT_IPV4,
    REMOVE_IPV4,
    SET_MASTER,
    CLEAR_MASTER,
    DESCRIBE,
    SET_GROUP,
    SET_UP,
    SET_DOWN,
    SET_LINK_ADDRESS,
    CHECK_LINK,
)


def config(text: bytes = TOML) -> Config:
    """The configuration that these operations are allowed by."""
    return parse(text, "pdlease.toml")
