"""
Tests for L{pdlease.privilege.policy}.
"""

from __future__ import annotations

from ipaddress import IPv6Interface, IPv6Network

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.model import ON_LINK_METRIC
from pdlease.netlink.requests import LinkFacts
from pdlease.operations import INFINITE, Operation
from pdlease.privilege.policy import Policy, judge_link
from tests.privilege.values import EVERY, PUT_ADDRESS, PUT_ROUTE, PUT_UNREACHABLE, TOML, config


class PolicyTests(SynchronousTestCase):
    """L{Policy.judge}."""

    policy = Policy.of(config())

    def refused(self, operation: Operation) -> str:
        """What is said against an operation."""
        refusal = self.policy.judge(operation)
        assert refusal is not None, f"{operation} is allowed"
        return str(refusal)

    def address(self, text: str, link: str = "lan0") -> Operation:
        """An address for a link."""
        return evolve(PUT_ADDRESS, link=link, address=IPv6Interface(text))

    def test_what_the_daemon_does_is_allowed(self) -> None:
        """
        Every operation that follows from the configuration is within bounds.
        """
        for operation in EVERY:
            self.assertIsNone(self.policy.judge(operation), str(operation))

    def test_links(self) -> None:
        """
        Addresses and on-link routes go to downstream links, unreachable routes belong to uplinks, IPv6 is switched on
        for downstream links; whatever else a link is called, it is refused.
        """
        for link in ("wan0", "ppp0", "lo", "lan", "other", "all", "default"):
            said = f"link: {link} is no configured downstream"
            self.assertEqual(self.refused(evolve(PUT_ADDRESS, link=link)), said)
            self.assertEqual(self.refused(evolve(PUT_ROUTE, link=link)), said)
            self.assertEqual(self.refused(evolve(EVERY[6], link=link)), said)
        self.assertEqual(self.refused(evolve(PUT_UNREACHABLE, link="lan0")), "link: lan0 is no configured uplink")

    def test_prefixes(self) -> None:
        """
        By default global and unique local addresses are allowed (design 9), with [policy] prefixes those inside them.
        """
        for text in ("ff02::1/64", "fe80::1/64", "::1/128", "::/64", "::ffff:1.2.3.4/128", "fec0::1/64", "4000::1/64"):
            self.assertIn("is not inside 2000::/3, fc00::/7", self.refused(self.address(text)))
        self.assertIsNone(self.policy.judge(self.address("fd12:3456::1/64")))
        narrow = Policy.of(config(TOML + b'[policy]\nprefixes = ["2001:db8::/48", "fd12::/16"]\n'))
        self.assertIsNone(narrow.judge(self.address("2001:db8:0:1::1/64")))
        self.assertIsNotNone(narrow.judge(self.address("2001:db8:1::1/64")))

    def test_prefixes_for_no_hosts(self) -> None:
        """
        Even where [policy] prefixes allow everything, multicast, link-local, loopback and unspecified are refused.
        """
        wide = Policy.of(config(TOML + b'[policy]\nprefixes = ["::/0"]\n'))
        for text in ("ff02::1/128", "fe80::1/128", "::1/128", "::/128"):
            refusal = wide.judge(self.address(text))
            self.assertEqual(str(refusal), f"address: {IPv6Interface(text).network} is not for hosts of a network")

    def test_lengths(self) -> None:
        """
        A link gets no shorter prefix than the shortest that is configured for it; an unreachable route is no shorter
        than /28, or than its uplink asks for.
        """
        self.assertEqual(self.refused(self.address("2001:db8::1/63")), "address: 2001:db8::/63 is shorter than /64")
        self.assertIsNone(self.policy.judge(self.address("2001:db8::1/60", "lan1")))
        self.assertIsNotNone(self.policy.judge(self.address("2001:db8::1/59", "lan1")))
        self.assertIsNone(self.policy.judge(self.address("2001:db8::1/128")))
        self.refused(evolve(PUT_ROUTE, prefix=IPv6Network("2001:db8::/48")))
        for text in ("::/0", "2000::/3", "fc00::/7", "2001:d80::/27"):
            self.refused(evolve(PUT_UNREACHABLE, prefix=IPv6Network(text)))
        self.assertIsNone(self.policy.judge(evolve(PUT_UNREACHABLE, prefix=IPv6Network("2001:db0::/28"))))
        asked = evolve(PUT_UNREACHABLE, link="ppp0", table=7, metric=4096, prefix=IPv6Network("2001:d00::/24"))
        self.assertIsNone(self.policy.judge(asked))

    def test_lifetimes(self) -> None:
        """
        Lifetimes are not over and not inverted.
        """
        self.assertIn("valid: a valid lifetime of 0", self.refused(evolve(PUT_ADDRESS, preferred=0, valid=0)))
        said = self.refused(evolve(PUT_ADDRESS, preferred=601))
        self.assertEqual(said, "preferred: preferred for 601 s but valid for 600 s")
        self.refused(evolve(PUT_ADDRESS, preferred=INFINITE))
        self.assertIsNone(self.policy.judge(evolve(PUT_ADDRESS, preferred=0)))
        self.assertIsNone(self.policy.judge(evolve(PUT_ADDRESS, preferred=INFINITE, valid=INFINITE)))
        self.refused(evolve(PUT_ROUTE, expires=0))
        self.refused(evolve(PUT_UNREACHABLE, expires=0))

    def test_tables_and_metrics(self) -> None:
        """
        An on-link route goes to a table of an uplink that serves the link, behind the kernel's own routes; an
        unreachable route has its uplink's table and metric.
        """
        self.assertEqual(
            self.refused(evolve(PUT_ROUTE, table=7)), "table: 7 is not the table of an uplink of lan0, nor of its VRF"
        )
        for table in (254, 7):
            self.assertIsNone(
                self.policy.judge(evolve(PUT_ROUTE, link="lan1", table=table, prefix=IPv6Network("2001:db8::/60")))
            )
        self.refused(evolve(PUT_ROUTE, metric=ON_LINK_METRIC - 1))
        for wrong in ({"table": 7}, {"metric": 4096}, {"table": 255, "metric": 1}):
            self.assertIn("is not what wan0 is configured with", self.refused(evolve(PUT_UNREACHABLE, **wrong)))

    def test_excluded_host(self) -> None:
        """
        Where the file has C{excluded_host} for an uplink, its link may have addresses with just that host part, of what
        a server could keep for a link, and their on-link routes in its table; every other link is as before (PDX-12).
        """
        text = TOML.replace(b'"lan1/60"]', b'"lan1/60"]\nexcluded_host = "::2"', 1)
        policy = Policy.of(config(text))
        for address in ("2001:db8::2/64", "2001:db8::2/126", "2001:db8::2/56"):
            self.assertIsNone(policy.judge(self.address(address, "wan0")), address)
            self.refused(self.address(address, "wan0"))
            route = evolve(PUT_ROUTE, link="wan0", prefix=IPv6Interface(address).network)
            self.assertIsNone(policy.judge(route), address)
            self.refused(route)
        for address in ("2001:db8::1/64", "2001:db8:0:1:2::/64", "2001:db8::2/128"):
            said = str(policy.judge(self.address(address, "wan0")))
            self.assertEqual(said, "link: wan0 is no configured downstream", address)
        for address in ("2001:db8::2/55", "fe80::2/64", "4000::2/64"):
            self.assertIsNotNone(policy.judge(self.address(address, "wan0")), address)
        for wrong in ({"table": 7}, {"prefix": IPv6Network("2001:db8::/55")}, {"metric": 1}, {"expires": 0}):
            self.assertIsNotNone(policy.judge(evolve(PUT_ROUTE, **{"link": "wan0", **wrong})), wrong)
        for link in ("ppp0", "other"):
            self.assertIsNotNone(policy.judge(self.address("2001:db8::2/64", link)))
        self.assertIsNotNone(policy.judge(evolve(EVERY[6], link="wan0")))

    def test_client_sockets(self) -> None:
        """
        Client sockets are for uplinks.
        """
        self.assertIsNone(self.policy.judge_client_socket("wan0"))
        for link in ("lan0", "lo", "wan"):
            self.assertEqual(str(self.policy.judge_client_socket(link)), f"link: {link} is no configured uplink")

    @settings(deadline=None, max_examples=100)
    @given(
        link=st.sampled_from(["lan0", "lan1", "wan0", "lo"]),
        address=st.integers(0, 2**128 - 1),
        length=st.integers(0, 128),
        preferred=st.integers(0, INFINITE),
        valid=st.integers(0, INFINITE),
    )
    def test_bounds_hold(self, link: str, address: int, length: int, preferred: int, valid: int) -> None:
        """
        Whatever address is allowed is on a downstream link, inside the prefixes, no shorter than configured, and has
        lifetimes in order.
        """
        put = evolve(PUT_ADDRESS, link=link, address=IPv6Interface((address, length)), preferred=preferred, valid=valid)
        if self.policy.judge(put) is None:
            self.assertIn(link, ("lan0", "lan1"))
            self.assertTrue(put.address.is_global or put.address.ip.is_private)
            self.assertGreaterEqual(length, {"lan0": 64, "lan1": 60}[link])
            self.assertTrue(valid > 0 and preferred <= valid)


class ReloadTests(SynchronousTestCase):
    """L{Policy.of} with an earlier policy."""

    def test_links_come_and_go(self) -> None:
        """
        The new configuration counts, and nothing of earlier ones but the names of downstream links, for what is left on
        them (P14, P30, W23).
        """
        first = Policy.of(config())
        second = Policy.of(config(TOML.replace(b'"lan0"', b'"lan7"')), first)
        self.assertIsNotNone(second.judge(PUT_ADDRESS))
        self.assertIsNone(second.judge(evolve(PUT_ADDRESS, link="lan7")))
        third = Policy.of(config(TOML.replace(b'"lan0", ', b"")), second)
        self.assertEqual(third.former, frozenset(("lan0", "lan1", "lan7")))

    def test_the_mark_stays(self) -> None:
        """
        Another route_protocol takes a restart: what was made with the first stays ours.
        """
        second = Policy.of(config(TOML.replace(b"155", b"156")), Policy.of(config()))
        self.assertEqual(second.route_protocol, 155)

    def test_guests(self) -> None:
        """
        The link of a guest that is given a /64 is a downstream link.
        """
        text = TOML.replace(b'switch = "lab"', b'delegate = "wan"')
        self.assertIsNone(Policy.of(config(text)).judge(evolve(PUT_ADDRESS, link="tap0")))


class LinkTests(SynchronousTestCase):
    """L{judge_link}."""

    def test_name_and_index_go_together(self) -> None:
        """
        The name that the kernel has for an index must be the one that was asked for.
        """
        self.assertIsNone(judge_link("lan0", LinkFacts(index=3, name="lan0", kind="veth")))
        refusal = judge_link("lan0", LinkFacts(index=3, name="eth0", kind=None))
        self.assertEqual(str(refusal), "link: index 3 is eth0, not lan0")

    def test_loopback(self) -> None:
        """
        The loopback link is refused even if it were configured.
        """
        self.assertIsNotNone(judge_link("lo", LinkFacts(index=1, name="lo", kind=None)))
