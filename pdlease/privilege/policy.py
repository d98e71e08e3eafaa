"""
Who may do what to which link: the bounds that the configuration sets to the helper (design 9).

Pure: the facts of links come in as values, and whether an object is ours is asked of the kernel by
L{pdlease.privilege.execute}, which calls this first.  What can be asked at all is L{pdlease.privilege.vocabulary}.

Additions are allowed on configured downstream links (addresses, on-link routes, IPv6 switched on) and for configured
uplinks (unreachable routes, client sockets, and where C{excluded_host} says so addresses with just that host part);
what may be done to the links of switches and guests is L{pdlease.privilege.linkpolicy}.  Removals are not judged by
links at all, since their link may have left the configuration: there it counts that the object is ours.  A daemon that
was taken over can still claim any prefix inside these bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv6Network
from typing import Protocol

from attrs import field, frozen

from pdlease.config.model import MAIN_TABLE, ON_LINK_METRIC, Config
from pdlease.netlink.requests import LinkFacts
from pdlease.operations import (
    CheckLink,
    ClearMaster,
    EnableIPv6,
    Operation,
    PrivilegeError,
    PutAddress,
    PutIPv4,
    PutRoute,
    PutUnreachable,
    SetDescription,
    SetDown,
    SetGroup,
    SetLinkAddress,
    SetMaster,
    SetUp,
)
from pdlease.privilege.linkpolicy import (
    Links,
    is_local_address,
    is_local_route,
    links_of,
    with_earlier,
    wrong_ipv4,
    wrong_master,
)

# The shortest prefix that an unreachable route may have, unless an uplink's configured length is shorter: one /28 is
# more than registries give to most providers.
SHORTEST_DELEGATION = 28

# The shortest prefix that an address on an uplink's own link may have: RFC 6603 is about a link, which has a /64.
SHORTEST_EXCLUDED = 56

# How many addresses, and how many routes, there may be with our mark.
MOST_OBJECTS = 4096

LOOPBACK_INDEX = 1

Table = int | str
"""A routing table: its number, or the VRF whose table it is, by name."""


@frozen(kw_only=True)
class Refusal:
    """
    Why something is not allowed.

    @ivar field: the field of the operation that is out of bounds.
    @ivar problem: a sentence about it.
    """

    field: str
    problem: str

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


class Refused(PrivilegeError):
    """
    Policy refuses an operation.

    @ivar field: the field that is out of bounds.
    """

    def __init__(self, operation: str, refusal: Refusal) -> None:
        super().__init__(operation, 0, str(refusal))
        self.field = refusal.field


class VRFs(Protocol):
    """What knows the routing tables of VRFs; the kernel does."""

    def table_of(self, vrf: str) -> int | None:
        """The table of a VRF by name; C{None} if there is none."""

    def table_around(self, index: int) -> int | None:
        """The table of the VRF that a link is in; C{None} if it is in none."""


class _NoVRFs:
    """A kernel without VRFs."""

    def table_of(self, vrf: str) -> int | None:
        return None

    def table_around(self, index: int) -> int | None:
        return None


NO_VRFS: VRFs = _NoVRFs()


@frozen(kw_only=True)
class UplinkBounds:
    """
    What an uplink's configuration allows: the routing table of its routes (a number, or the VRF whose table it is, by
    name), the metric of the unreachable ones, the shortest prefix of one.
    """

    table: Table
    metric: int
    shortest: int


@frozen(kw_only=True)
class Policy:
    """
    The bounds of one configuration.

    @ivar downstreams: for each downstream link the shortest subnet length and the tables of its uplinks, by number or
        by the name of a VRF.
    @ivar uplinks: bounds of each uplink, by the name of its link (several uplinks may share one link's name).
    @ivar prefixes: addresses and routes must be inside one of these.
    @ivar route_protocol: the mark, see L{pdlease.netlink.requests.Marks}.
    @ivar excluded: for each uplink's link on which an address is wanted, its host part and the table of its route as
        above.
    @ivar former: names of downstream links of earlier configurations of this process.
    @ivar links: bounds of the links of switches and guests, and of uplinks that are in a VRF.
    @ivar known_links: the same, with those of earlier configurations of this process.
    """

    downstreams: Mapping[str, tuple[int, frozenset[Table]]]
    uplinks: Mapping[str, tuple[UplinkBounds, ...]]
    prefixes: tuple[IPv6Network, ...]
    route_protocol: int
    excluded: Mapping[str, frozenset[tuple[int, Table]]] = field(factory=dict)
    former: frozenset[str] = frozenset()
    links: Links = field(factory=dict)
    known_links: Links = field(factory=dict)

    @classmethod
    def of(cls, config: Config, earlier: Policy | None = None) -> Policy:
        """Derive the bounds from a configuration; C{earlier} is the policy that it replaces."""
        downstreams: dict[str, tuple[int, frozenset[Table]]] = {}
        uplinks: dict[str, tuple[UplinkBounds, ...]] = {}
        excluded: dict[str, frozenset[tuple[int, Table]]] = {}
        for uplink in config.uplinks:
            requested = [d.requested_length for d in uplink.delegations]
            bounds = UplinkBounds(
                table=uplink.table,
                metric=uplink.route_metric,
                shortest=min([SHORTEST_DELEGATION, *(length for length in requested if length is not None)]),
            )
            uplinks[uplink.link] = (*uplinks.get(uplink.link, ()), bounds)
            for link, length in _subnets(config, uplink.name):
                shortest, tables = downstreams.get(link, (128, frozenset()))
                downstreams[link] = (min(shortest, length), tables | {uplink.table})
            hosts = {(d.excluded_host, uplink.table) for d in uplink.delegations if d.excluded_host is not None}
            if hosts:
                excluded[uplink.link] = excluded.get(uplink.link, frozenset()) | hosts
        links = links_of(config)
        return cls(
            downstreams=downstreams,
            uplinks=uplinks,
            prefixes=config.policy.prefixes,
            excluded=excluded,
            # The mark stays for the life of the process: what was made with it must stay ours.
            route_protocol=config.daemon.route_protocol if earlier is None else earlier.route_protocol,
            former=frozenset() if earlier is None else earlier.former | frozenset(earlier.downstreams),
            links=links,
            known_links=links if earlier is None else with_earlier(links, earlier.known_links),
        )

    @property
    def known_downstreams(self) -> frozenset[str]:
        """The links that may have had IPv6 addresses of ours, in this configuration or an earlier one."""
        hosts = (name for name, bounds in self.known_links.items() if bounds.is_settable)
        return self.former | self.downstreams.keys() | frozenset(hosts)

    def judge(self, operation: Operation, vrfs: VRFs = NO_VRFS) -> Refusal | None:
        """
        Say why an operation is out of bounds; C{None} when it is not, as far as can be told without the kernel.

        @param vrfs: asked for the tables of VRFs, where the configuration names some or a link is in one.
        """
        rule = _RULES.get(type(operation))
        return None if rule is None else rule(self, operation, vrfs)

    def judge_client_socket(self, link: str) -> Refusal | None:
        """Say why no client socket may be had for a link."""
        return None if link in self.uplinks else Refusal(field="link", problem=f"{link} is no configured uplink")


def judge_link(link: str, facts: LinkFacts) -> Refusal | None:
    """
    Say why a name and the link behind an index do not go together: the kernel's name of that index counts, and it must
    not be the loopback link.
    """
    if facts.name != link:
        return Refusal(field="link", problem=f"index {facts.index} is {facts.name}, not {link}")
    if facts.index == LOOPBACK_INDEX or link == "lo":
        return Refusal(field="link", problem=f"{link} is the loopback link")
    return None


def _subnets(config: Config, uplink_name: str) -> Iterable[tuple[str, int]]:
    uplink = config.uplink(uplink_name)
    assert uplink is not None
    for delegation in uplink.delegations:
        for downstream in delegation.downstreams:
            if downstream.link is not None:
                yield downstream.link, downstream.length
    for guest in config.guests:
        for nic in guest.nics:
            if nic.delegate == uplink_name:
                yield config.address_link(nic), 64


def _judge_prefix(policy: Policy, field: str, prefix: IPv6Network, shortest: int) -> Refusal | None:
    if not any(prefix.subnet_of(allowed) for allowed in policy.prefixes):
        allowed = ", ".join(map(str, policy.prefixes))
        return Refusal(field=field, problem=f"{prefix} is not inside {allowed}")
    first = prefix.network_address
    if first.is_multicast or first.is_link_local or first.is_loopback or first.is_unspecified:
        return Refusal(field=field, problem=f"{prefix} is not for hosts of a network")
    if prefix.prefixlen < shortest:
        return Refusal(field=field, problem=f"{prefix} is shorter than /{shortest}")
    return None


def _judge_downstream(policy: Policy, link: str) -> Refusal | None:
    if link not in policy.downstreams:
        return Refusal(field="link", problem=f"{link} is no configured downstream")
    return None


def _judge_address(policy: Policy, operation: PutAddress, vrfs: VRFs) -> Refusal | None:
    if is_local_address(policy.links, operation):
        return None
    host = int(operation.address.ip) & int(operation.address.hostmask)
    if any(host == allowed for allowed, _ in policy.excluded.get(operation.link, ())):
        shortest = SHORTEST_EXCLUDED
    else:
        refusal = _judge_downstream(policy, operation.link)
        if refusal is not None:
            return refusal
        shortest = policy.downstreams[operation.link][0]
    refusal = _judge_prefix(policy, "address", operation.address.network, shortest)
    if refusal is not None:
        return refusal
    if operation.valid == 0:
        return Refusal(field="valid", problem="a valid lifetime of 0; an address that is over is removed")
    if operation.preferred > operation.valid:
        return Refusal(
            field="preferred", problem=f"preferred for {operation.preferred} s but valid for {operation.valid} s"
        )
    return None


def _is_table(table: int, allowed: Iterable[Table], vrfs: VRFs) -> bool:
    """Whether a routing table is one of these."""
    allowed = tuple(allowed)
    return table in allowed or any(vrfs.table_of(one) == table for one in allowed if isinstance(one, str))


def _judge_route(policy: Policy, operation: PutRoute, vrfs: VRFs) -> Refusal | None:
    is_local = is_local_route(policy.links, operation)
    if is_local and operation.table == MAIN_TABLE:
        return None
    around = vrfs.table_around(operation.index) if operation.table != MAIN_TABLE else None
    is_of_vrf = around == operation.table
    if is_local and is_of_vrf:
        return None
    excluded = policy.excluded.get(operation.link, frozenset())
    refusal = None if excluded else _judge_downstream(policy, operation.link)
    if refusal is not None:
        return refusal
    shortest, tables = policy.downstreams.get(operation.link, (SHORTEST_EXCLUDED, frozenset()))
    if excluded:
        shortest, tables = min(shortest, SHORTEST_EXCLUDED), tables | {table for _, table in excluded}
    refusal = _judge_prefix(policy, "prefix", operation.prefix, shortest)
    if refusal is not None:
        return refusal
    if not is_of_vrf and not _is_table(operation.table, tables, vrfs):
        problem = f"{operation.table} is not the table of an uplink of {operation.link}, nor of its VRF"
        return Refusal(field="table", problem=problem)
    if operation.metric < ON_LINK_METRIC:
        return Refusal(
            field="metric", problem=f"{operation.metric} would go before the kernel's own routes ({ON_LINK_METRIC})"
        )
    if operation.expires == 0:
        return Refusal(field="expires", problem="a lifetime of 0; a route that is over is removed")
    return None


def _judge_unreachable(policy: Policy, operation: PutUnreachable, vrfs: VRFs) -> Refusal | None:
    bounds = policy.uplinks.get(operation.link)
    if bounds is None:
        return Refusal(field="link", problem=f"{operation.link} is no configured uplink")
    refusal = _judge_prefix(policy, "prefix", operation.prefix, min(bound.shortest for bound in bounds))
    if refusal is not None:
        return refusal
    tables = [bound.table for bound in bounds if bound.metric == operation.metric]
    if not _is_table(operation.table, tables, vrfs):
        return Refusal(
            field="table",
            problem=f"table {operation.table} with metric {operation.metric} is not what {operation.link} is "
            f"configured with",
        )
    if operation.expires == 0:
        return Refusal(field="expires", problem="a lifetime of 0; a route that is over is removed")
    return None


def _judge_enable(policy: Policy, operation: EnableIPv6, vrfs: VRFs) -> Refusal | None:
    bounds = policy.links.get(operation.link)
    return None if bounds is not None and bounds.ipv6 else _judge_downstream(policy, operation.link)


def _judge_check(policy: Policy, operation: CheckLink, vrfs: VRFs) -> Refusal | None:
    if any(operation.link in known for known in (policy.uplinks, policy.downstreams, policy.links)):
        return None
    return Refusal(field="link", problem=f"{operation.link} is not in the configuration")


def _judge_ipv4(policy: Policy, operation: PutIPv4, vrfs: VRFs) -> Refusal | None:
    return _refusal(wrong_ipv4(policy.links, operation))


def _judge_master(policy: Policy, operation: SetMaster, vrfs: VRFs) -> Refusal | None:
    return _refusal(wrong_master(policy.links, operation))


def _judge_release(policy: Policy, operation: ClearMaster, vrfs: VRFs) -> Refusal | None:
    if operation.link not in policy.known_links:
        return Refusal(field="link", problem=f"{operation.link} is no link that is put into a bridge or VRF")
    return None


def _judge_setting(
    policy: Policy, operation: SetDescription | SetGroup | SetUp | SetDown | SetLinkAddress, vrfs: VRFs
) -> Refusal | None:
    bounds = policy.known_links.get(operation.link)
    if bounds is None or not bounds.is_settable:
        return Refusal(field="link", problem=f"{operation.link} is no configured link of a switch or guest")
    return None


def _refusal(wrong: tuple[str, str] | None) -> Refusal | None:
    return None if wrong is None else Refusal(field=wrong[0], problem=wrong[1])


_RULES: Mapping[type, Callable[..., Refusal | None]] = {
    CheckLink: _judge_check,
    PutAddress: _judge_address,
    PutRoute: _judge_route,
    PutUnreachable: _judge_unreachable,
    EnableIPv6: _judge_enable,
    PutIPv4: _judge_ipv4,
    SetMaster: _judge_master,
    ClearMaster: _judge_release,
    SetDescription: _judge_setting,
    SetGroup: _judge_setting,
    SetUp: _judge_setting,
    SetDown: _judge_setting,
    SetLinkAddress: _judge_setting,
}
