"""
Whether the rules of a firewall let a server's answers in: a guess, made by following one such packet through them.

The packet is UDP over IPv6, from port 547 of a link-local address to port 546 of another, new to connection tracking:
servers answer to what was sent to a group, which no tracker puts together.  What a rule asks that is not known here
makes the guess milder, never bolder: then nothing is said.  Rules are read by L{pdlease.control.checkup}.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from ipaddress import IPv6Network, ip_network
from typing import Any

from attrs import frozen

_LINK_LOCAL = IPv6Network("fe80::/10")
_ENDS = ("accept", "drop", "reject", "return", "jump", "goto")
_DEEPEST = 16

Truth = bool | None
"""Whether something is so; C{None} where that is not known."""


@frozen
class Barrier:
    """
    Where the packet is dropped.

    @ivar place: table and chain, in words.
    @ivar mend: the command that lets it in.
    """

    place: str
    mend: str


@frozen
class _Rule:
    """A rule: whether it is about the packet, and what it does then: a verdict, and a chain for C{jump} and C{goto}."""

    matches: Truth
    verdict: str
    target: str = ""


def _follow(chain: str, rules: Callable[[str], Iterable[_Rule]], depth: int = 0) -> tuple[str, bool]:
    """
    What becomes of the packet in a chain.

    @return: C{accept}, C{drop} or C{return}, and whether it may have been accepted before by what is not known.
    """
    maybe = False
    for rule in rules(chain) if depth < _DEEPEST else ():
        if rule.matches is False:
            continue
        verdict = "drop" if rule.verdict == "reject" else rule.verdict
        if rule.verdict in ("jump", "goto"):
            verdict, inside = _follow(rule.target, rules, depth + 1)
            maybe = maybe or inside
            if verdict == "return" and rule.verdict == "jump":
                continue
        if rule.matches:
            return ("policy" if verdict == "return" and not depth else verdict), maybe
        # not known whether this rule is about it: it may be let in here
        maybe = maybe or verdict in ("accept", "return")
    return ("return" if depth else "policy"), maybe


# nftables


def nft_barriers(document: Mapping[str, Any], link: str) -> Iterator[Barrier]:
    """
    Where the rules of C{nft -j list ruleset} drop the packet.

    @param link: the uplink that it comes in by.
    """
    entries = [entry for entry in document.get("nftables") or () if isinstance(entry, dict)]
    rules = [entry["rule"] for entry in entries if "rule" in entry]
    sets = {
        (one.get("family"), one.get("table"), one.get("name")): one.get("elem") or []
        for entry in entries
        for one in (entry.get("set") or entry.get("map") or {},)
    }
    for chain in (entry["chain"] for entry in entries if "chain" in entry):
        family, table, name = chain.get("family"), chain.get("table"), chain.get("name")
        if chain.get("hook") != "input" or family not in ("inet", "ip6"):
            continue
        known: dict[str, Any] = {str(key[2]): value for key, value in sets.items() if key[:2] == (family, table)}

        own = [rule for rule in rules if (rule.get("family"), rule.get("table")) == (family, table)]
        verdict, maybe = _follow(str(name), partial(_nft_chain, own, link, known))
        if verdict == "policy":
            verdict = str(chain.get("policy", "accept"))
        if verdict == "drop" and not maybe:
            mend = f"nft insert rule {family} {table} {name} iifname {link} ip6 saddr fe80::/10 udp dport 546 accept"
            if table == "firewalld":
                mend = "firewall-cmd --permanent --add-service=dhcpv6-client && firewall-cmd --reload"
            yield Barrier(f"chain {name} of nftables' table {family} {table}", mend)


def _nft_chain(rules: Sequence[Mapping[str, Any]], link: str, sets: Mapping[str, Any], chain: str) -> Iterator[_Rule]:
    """The rules of a chain, out of those of its table."""
    for rule in rules:
        if rule.get("chain") == chain:
            yield from _nft_rule(rule.get("expr") or (), link, sets)


def _nft_rule(expressions: Iterable[Any], link: str, sets: Mapping[str, Any]) -> Iterator[_Rule]:
    """What a rule does with the packet; one with a map of verdicts is a rule for each that may be meant."""
    matches: Truth = True
    for expression in expressions:
        ((kind, value),) = expression.items() if isinstance(expression, dict) and len(expression) == 1 else (("", 0),)
        if kind == "match" and isinstance(value, dict):
            matches = _and(matches, _nft_match(value, link, sets))
        elif kind in _ENDS:
            yield _Rule(matches, kind, value.get("target", "") if isinstance(value, dict) else "")
        elif kind == "vmap":
            for matched, verdict in _nft_map(value, link, sets):
                for one, target in verdict.items():
                    yield _Rule(_and(matches, matched), one, target.get("target", "") if target else "")
        elif kind not in ("counter", "log", "comment", "notrack"):
            matches = _and(matches, None)
        if matches is False:
            return


def _nft_map(value: Any, link: str, sets: Mapping[str, Any]) -> Iterator[tuple[Truth, dict[str, Any]]]:
    data = value.get("data")
    pairs = sets.get(data[1:], []) if isinstance(data, str) else (data or {}).get("set", [])
    for pair in pairs:
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], dict):
            yield _nft_equals(value.get("key"), pair[0], link, sets), pair[1]


def _nft_match(match: Mapping[str, Any], link: str, sets: Mapping[str, Any]) -> Truth:
    result = _nft_equals(match.get("left"), match.get("right"), link, sets)
    if match.get("op") in ("==", "in"):
        return result
    return _not(result) if match.get("op") == "!=" else None


def _nft_equals(left: Any, right: Any, link: str, sets: Mapping[str, Any]) -> Truth:
    """Whether a field of the packet is, or is among, what a rule names."""
    if not isinstance(left, dict) or len(left) != 1:
        return None
    ((kind, value),) = left.items()
    if kind == "payload" and isinstance(value, dict):
        protocol, field = value.get("protocol"), value.get("field")
        if protocol in ("tcp", "icmpv6", "icmp", "ip", "sctp", "dccp", "arp", "igmp"):
            return False
        if protocol in ("udp", "th") and field in ("sport", "dport"):
            return _among(right, sets, lambda one: _is_port(one, 547 if field == "sport" else 546))
        if protocol == "ip6" and field in ("saddr", "daddr"):
            return _among(right, sets, _is_link_local)
        if protocol == "ip6" and field == "nexthdr":
            return _among(right, sets, lambda one: one in ("udp", 17))
        return None
    key = value.get("key") if isinstance(value, dict) else None
    if kind == "ct" and key == "state":
        return _state(right if isinstance(right, list) else _elements(right, sets))
    if kind == "meta":
        known: Mapping[str, tuple[Any, ...]] = {
            "l4proto": ("udp", 17),
            "nfproto": ("ipv6", 10),
            "protocol": ("ip6", "ipv6"),
            "pkttype": ("host", "unicast"),
        }
        if key in ("iifname", "iif"):
            return _among(right, sets, lambda one: _is_link(str(one), link, "*"))
        if key in known:
            return _among(right, sets, lambda one: one in known[str(key)])
    return None


def _elements(right: Any, sets: Mapping[str, Any]) -> list[Any]:
    """What a rule names, one by one."""
    if isinstance(right, str) and right.startswith("@"):
        right = sets.get(right[1:], [None])
    if isinstance(right, dict) and "set" in right:
        right = right["set"]
    found = right if isinstance(right, list) else [right]
    return [one["elem"].get("val") if isinstance(one, dict) and "elem" in one else one for one in found]


def _among(right: Any, sets: Mapping[str, Any], equals: Callable[[Any], Truth]) -> Truth:
    return _or(equals(one) for one in _elements(right, sets))


def _is_port(one: Any, port: int) -> Truth:
    if isinstance(one, dict) and isinstance(one.get("range"), list) and len(one["range"]) == 2:
        low, high = one["range"]
        return low <= port <= high if isinstance(low, int) and isinstance(high, int) else None
    if isinstance(one, str):
        return {"dhcpv6-client": 546, "dhcpv6-server": 547}.get(one) == port
    return one == port if isinstance(one, int) else None


def _is_link_local(one: Any) -> Truth:
    if isinstance(one, dict) and isinstance(one.get("prefix"), dict):
        one = f"{one['prefix'].get('addr')}/{one['prefix'].get('len')}"
    try:
        network = ip_network(str(one), strict=False)
    except ValueError:
        return None
    if network.version != 6:
        return False
    if _LINK_LOCAL.subnet_of(network):
        return True
    return None if network.overlaps(_LINK_LOCAL) else False


def _is_link(pattern: str, link: str, wildcard: str) -> bool:
    return link.startswith(pattern[:-1]) if pattern.endswith(wildcard) else pattern == link


def _state(states: Sequence[Any]) -> Truth:
    """Whether the packet's connection is in one of these states: it is new, unless it is not tracked."""
    words = {str(state).lower() for state in states}
    if "new" in words:
        return True
    return None if words & {"untracked", "invalid"} else False


# ip6tables


def ip6tables_barriers(text: str, link: str) -> Iterator[Barrier]:
    """
    Where the rules of C{ip6tables-save} drop the packet.

    @param link: the uplink that it comes in by.
    """
    table, policies, rules = "", dict[str, str](), list[tuple[str, _Rule]]()
    for line in text.splitlines():
        if line.startswith("*"):
            table, policies, rules = line[1:].strip(), {}, []
        elif line.startswith(":"):
            name, _, rest = line[1:].partition(" ")
            policies[name] = rest.partition(" ")[0]
        elif line.startswith("-A"):
            found = _ip6tables_rule(line, link)
            rules += [] if found is None else [found]
        elif line.startswith("COMMIT") and "INPUT" in policies:
            verdict, maybe = _follow("INPUT", partial(_of_chain, tuple(rules)))
            if (policies["INPUT"].lower() if verdict == "policy" else verdict) == "drop" and not maybe:
                where = "" if table == "filter" else f"-t {table} "
                yield Barrier(
                    f"chain INPUT of ip6tables' table {table}",
                    f"ip6tables {where}-I INPUT -i {link} -p udp -s fe80::/10 --dport 546 -j ACCEPT",
                )


def _of_chain(rules: Sequence[tuple[str, _Rule]], chain: str) -> Iterator[_Rule]:
    """The rules of a chain."""
    return (rule for name, rule in rules if name == chain)


def _ip6tables_rule(line: str, link: str) -> tuple[str, _Rule] | None:
    """The chain of a rule, and the rule; C{None} for one that cannot be read or does nothing."""
    try:
        words = shlex.split(line)[1:]
    except ValueError:
        return None
    if not words:
        return None
    chain, verdict, target = words.pop(0), "", ""
    truth: Truth = True
    negated = False
    while words:
        word = words.pop(0)
        if word == "!":
            negated = True
            continue
        value = words.pop(0) if words and not words[0].startswith("-") else ""
        if word in ("-j", "-g"):
            verdict, target = _target(word, value)
            # what follows are options of the target
            break
        asked = _asks(word, value, link)
        truth = _and(truth, _not(asked) if negated else asked)
        negated = False
    return (chain, _Rule(truth, verdict, target)) if verdict else None


def _target(word: str, value: str) -> tuple[str, str]:
    lower = value.lower()
    if lower in ("accept", "drop", "reject", "return"):
        return lower, ""
    if value in ("LOG", "NFLOG", "MARK", "CONNMARK", "TRACE", "CT", "SET"):
        return "", ""
    return ("goto" if word == "-g" else "jump"), value


def _asks(word: str, value: str, link: str) -> Truth:
    """Whether the packet is what an option of a rule asks for."""
    if word in ("-m", "--comment"):
        return True
    if word in ("-i", "--in-interface"):
        return _is_link(value, link, "+")
    if word in ("-p", "--protocol"):
        return value.lower() in ("udp", "17", "all")
    if word in ("-s", "-d"):
        return _is_link_local(value)
    if word in ("--dport", "--dports", "--destination-port"):
        return _or(_is_port(_port_range(one), 546) for one in value.split(","))
    if word in ("--sport", "--sports", "--source-port"):
        return _or(_is_port(_port_range(one), 547) for one in value.split(","))
    if word in ("--ctstate", "--state"):
        return _state(value.split(","))
    if word == "--pkt-type":
        return value == "unicast"
    return None


def _port_range(text: str) -> Any:
    low, colon, high = text.partition(":")
    if colon:
        return {"range": [int(low or 0), int(high or 65535)]} if (low + high).isdigit() else None
    return int(text) if text.isdigit() else text


def _and(one: Truth, other: Truth) -> Truth:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _or(several: Iterable[Truth]) -> Truth:
    found = list(several)
    if any(found):
        return True
    return None if None in found else False


def _not(one: Truth) -> Truth:
    return None if one is None else not one
