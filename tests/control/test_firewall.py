"""
Tests of L{pdlease.control.firewall}: a server's answer, followed through rules.

Rule sets are as C{nft -j list ruleset} of nftables 1.0.6 and C{ip6tables-save} of iptables 1.8.9 print them.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.firewall import Barrier, ip6tables_barriers, nft_barriers

ESTABLISHED = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}
FROM_LINK_LOCAL = {
    "match": {
        "op": "==",
        "left": {"payload": {"protocol": "ip6", "field": "saddr"}},
        "right": {"prefix": {"addr": "fe80::", "len": 10}},
    }
}
ACCEPT: dict[str, Any] = {"accept": None}
DROP: dict[str, Any] = {"drop": None}


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    """An expression."""
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key: str, right: Any, op: str = "==") -> dict[str, Any]:
    """An expression about what is known of a packet beside itself."""
    return match({"meta": {"key": key}}, right, op)


def port(right: Any, op: str = "==", protocol: str = "udp") -> dict[str, Any]:
    """An expression about the destination port."""
    return match({"payload": {"protocol": protocol, "field": "dport"}}, right, op)


class NftTests(SynchronousTestCase):
    """Rules of nftables."""

    def barriers(self, *rules: Any, policy: str = "drop", more: tuple[Any, ...] = (), **chain: Any) -> list[Barrier]:
        """What drops the packet, with these rules in the input chain."""
        base = {"family": "inet", "table": "f", "name": "input", "hook": "input", "prio": 0, "policy": policy, **chain}
        where = {"family": base["family"], "table": base["table"], "chain": "input"}
        document = {
            "nftables": [
                {"metainfo": {"json_schema_version": 1}},
                {"chain": base},
                *({"rule": {**where, "expr": list(rule)}} for rule in rules),
                *more,
            ]
        }
        return list(nft_barriers(document, "eth0"))

    def lets_in(self, *rules: Any, **choices: Any) -> bool:
        """Whether nothing is said."""
        return not self.barriers(*rules, **choices)

    def test_usual(self) -> None:
        """
        The usual rule set, which lets in what was asked for, drops answers of DHCPv6: they are new to tracking.  The
        chain is named, and a command that mends it.
        """
        rules = ((ESTABLISHED, ACCEPT), (meta("iifname", "lo"), ACCEPT), (meta("l4proto", "ipv6-icmp"), ACCEPT))
        (barrier,) = self.barriers(*rules)
        self.assertEqual(barrier.place, "chain input of nftables' table inet f")
        self.assertEqual(
            barrier.mend, "nft insert rule inet f input iifname eth0 ip6 saddr fe80::/10 udp dport 546 accept"
        )
        self.assertTrue(self.lets_in(*rules, policy="accept"))
        (barrier,) = self.barriers(*rules, table="firewalld")
        self.assertIn("--add-service=dhcpv6-client", barrier.mend)

    def test_let_in(self) -> None:
        """Ports, sets, ranges, addresses and links that let the packet in are understood."""
        sport = match({"payload": {"protocol": "udp", "field": "sport"}}, 547)
        ports = {"set": {"family": "inet", "table": "f", "name": "ok", "elem": [22, {"elem": {"val": 546}}]}}
        for rule in (
            (FROM_LINK_LOCAL, sport, port(546), ACCEPT),
            (port({"set": [22, 546]}), {"counter": {"packets": 0, "bytes": 0}}, ACCEPT),
            (port({"set": [{"range": [500, 600]}]}), ACCEPT),
            (port("dhcpv6-client"), ACCEPT),
            (port(546, protocol="th"), ACCEPT),
            (port(22, "!="), ACCEPT),
            (meta("iifname", "eth*"), ACCEPT),
            (meta("iifname", {"set": ["wlan0", "eth0"]}), ACCEPT),
            (meta("l4proto", {"set": ["tcp", "udp"]}), ACCEPT),
            (meta("nfproto", "ipv6"), meta("pkttype", "host"), ACCEPT),
            (match({"ct": {"key": "state"}}, {"set": ["new", "established"]}, "in"), ACCEPT),
            (match({"payload": {"protocol": "ip6", "field": "nexthdr"}}, "udp"), ACCEPT),
            (ACCEPT,),
        ):
            self.assertTrue(self.lets_in(rule), rule)
        self.assertTrue(self.lets_in((port("@ok"), ACCEPT), more=(ports,)))

    def test_not_let_in(self) -> None:
        """Rules about something else let nothing in."""
        for rule in (
            (port(547), ACCEPT),
            (port(546, "!="), ACCEPT),
            (port(546, protocol="tcp"), ACCEPT),
            (port({"set": [{"range": [600, 700]}]}), ACCEPT),
            (meta("iifname", "eth1"), ACCEPT),
            (meta("iifname", "eth0", "!="), ACCEPT),
            (meta("nfproto", "ipv4"), ACCEPT),
            (match({"payload": {"protocol": "ip6", "field": "saddr"}}, "2001:db8::1"), ACCEPT),
            (match({"payload": {"protocol": "ip", "field": "saddr"}}, "10.0.0.1"), ACCEPT),
            ({"counter": None},),
        ):
            self.assertFalse(self.lets_in(rule), rule)

    def test_dropped_on_purpose(self) -> None:
        """A rule that drops or rejects counts in front of one that lets in, not behind it, whatever the policy."""
        let_in = (port(546), ACCEPT)
        for verdict in (DROP, {"reject": {"type": "icmpv6", "expr": "port-unreachable"}}):
            self.assertFalse(self.lets_in((meta("iifname", "eth0"), verdict), let_in, policy="accept"))
            self.assertTrue(self.lets_in(let_in, (verdict,), policy="accept"))

    def test_unknown(self) -> None:
        """Where something is asked that is not known here, and it may let the packet in, nothing is said."""
        fib = match({"fib": {"result": "type", "flags": ["daddr"]}}, "local")
        for rule in (
            (fib, ACCEPT),
            ({"xt": {"type": "match", "name": "set"}}, ACCEPT),
            (port({"concat": [1, 2]}), ACCEPT),
            (match({"payload": {"protocol": "ip6", "field": "saddr"}}, "fe80::1"), ACCEPT),
            (match({"ct": {"key": "state"}}, ["untracked"], "in"), ACCEPT),
            (port("@nosuch"), ACCEPT),
            (port(500, ">"), ACCEPT),
        ):
            self.assertTrue(self.lets_in(rule), rule)
        self.assertTrue(self.lets_in((fib, DROP), policy="accept"))
        self.assertFalse(self.lets_in((fib, DROP)))

    def test_chains(self) -> None:
        """Other chains are followed: what they return goes on behind the jump, and goes no further behind a goto."""

        def other(*expressions: Any) -> tuple[Any, ...]:
            return ({"rule": {"family": "inet", "table": "f", "chain": "other", "expr": list(expressions)}},)

        jump, goto = {"jump": {"target": "other"}}, {"goto": {"target": "other"}}
        self.assertTrue(self.lets_in((jump,), more=other(port(546), ACCEPT)))
        self.assertTrue(self.lets_in((jump,), (ACCEPT,), more=other({"return": None})))
        self.assertFalse(self.lets_in((goto,), (ACCEPT,), more=other({"return": None})))
        self.assertFalse(self.lets_in((jump,), (ACCEPT,), more=other(DROP)))
        self.assertFalse(self.lets_in(({"return": None},), (ACCEPT,)))
        self.assertFalse(self.lets_in((jump,), more=other(jump)))

    def test_map(self) -> None:
        """A map of verdicts is looked up, written out or by its name."""
        pairs = [["eth1", DROP], ["eth0", {"jump": {"target": "wan"}}]]
        key = {"meta": {"key": "iifname"}}
        wan = {"rule": {"family": "inet", "table": "f", "chain": "wan", "expr": [port(546), ACCEPT]}}
        named = {"map": {"family": "inet", "table": "f", "name": "links", "elem": pairs}}
        self.assertTrue(self.lets_in(({"vmap": {"key": key, "data": {"set": pairs}}},), more=(wan,)))
        self.assertTrue(self.lets_in(({"vmap": {"key": key, "data": "@links"}},), more=(wan, named)))
        self.assertFalse(self.lets_in(({"vmap": {"key": key, "data": {"set": pairs[:1]}}},), more=(wan,)))

    def test_others(self) -> None:
        """Chains that no packet for this host passes are passed over, and so is what is no rule set."""
        for chain in ({"hook": "forward"}, {"family": "ip"}, {"hook": None}):
            self.assertEqual(self.barriers(**chain), [])
        for document in ({}, {"nftables": None}, {"nftables": [1, {}, {"chain": {}}, {"rule": {}}]}):
            self.assertEqual(list(nft_barriers(document, "eth0")), [])


class Ip6tablesTests(SynchronousTestCase):
    """Rules of ip6tables."""

    def barriers(self, *rules: str, policy: str = "DROP", table: str = "filter") -> list[Barrier]:
        """What drops the packet, with these rules."""
        chains = f":INPUT {policy} [0:0]\n:FORWARD DROP [0:0]\n:WAN - [0:0]"
        text = f"# Generated\n*{table}\n{chains}\n" + "".join(f"{rule}\n" for rule in rules) + "COMMIT\n# Completed\n"
        return list(ip6tables_barriers(text, "eth0"))

    def test_usual(self) -> None:
        """The usual rules drop the packet; the command that mends it is named."""
        (barrier,) = self.barriers(
            "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-A INPUT -i lo -j ACCEPT",
            "-A INPUT -p ipv6-icmp -j ACCEPT",
            "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
        )
        self.assertEqual(barrier.place, "chain INPUT of ip6tables' table filter")
        self.assertEqual(barrier.mend, "ip6tables -I INPUT -i eth0 -p udp -s fe80::/10 --dport 546 -j ACCEPT")
        self.assertEqual(self.barriers(policy="ACCEPT"), [])
        self.assertIn("-t mangle -I INPUT", self.barriers(table="mangle")[0].mend)

    def test_let_in(self) -> None:
        """Rules that let the packet in are understood."""
        for rule in (
            "-A INPUT -s fe80::/10 -i eth0 -p udp -m udp --sport 547 --dport 546 -j ACCEPT",
            "-A INPUT -d fe80::/64 -p udp -m udp --dport 546 -j ACCEPT",
            "-A INPUT -i eth+ -j ACCEPT",
            "-A INPUT ! -i eth1 -j ACCEPT",
            '-A INPUT -p udp -m multiport --dports 22,500:600 -m comment --comment "DHCPv6 and more" -j ACCEPT',
            "-A INPUT -m state --state NEW -j ACCEPT",
            "-A INPUT -m pkttype --pkt-type unicast -j ACCEPT",
            "-A INPUT -m set --match-set ok src -j ACCEPT",
            "-A INPUT -j ACCEPT",
        ):
            self.assertEqual(self.barriers(rule), [], rule)

    def test_not_let_in(self) -> None:
        """Rules about something else let nothing in."""
        for rule in (
            "-A INPUT -p udp -m udp --dport 547 -j ACCEPT",
            "-A INPUT ! -p udp -j ACCEPT",
            "-A INPUT -i eth1 -j ACCEPT",
            "-A INPUT -s 2001:db8::/32 -j ACCEPT",
            '-A INPUT -j LOG --log-prefix "dropped: "',
            "-A FORWARD -j ACCEPT",
            '-A INPUT -m comment --comment "unfinished -j ACCEPT',
            "-A",
        ):
            self.assertEqual(len(self.barriers(rule)), 1, rule)

    def test_chains(self) -> None:
        """Other chains are followed."""
        self.assertEqual(self.barriers("-A INPUT -j WAN", "-A WAN -p udp -j ACCEPT"), [])
        self.assertEqual(len(self.barriers("-A INPUT -j WAN", "-A WAN -j DROP", "-A INPUT -j ACCEPT")), 1)
        self.assertEqual(len(self.barriers("-A INPUT -g WAN", "-A WAN -j RETURN", "-A INPUT -j ACCEPT")), 1)
        self.assertEqual(
            len(self.barriers("-A INPUT -j REJECT --reject-with icmp6-port-unreachable", policy="ACCEPT")), 1
        )
