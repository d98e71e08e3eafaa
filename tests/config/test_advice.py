"""
Tests of L{pdlease.config.advice}.
"""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.advice import advice
from pdlease.config.model import NIC, Config, Delegation, Guest, Switch, Uplink
from pdlease.subnets import Downstream


def one(*delegations: Delegation) -> Config:
    """A configuration with one uplink."""
    return Config(uplinks=(Uplink(name="wan", link="eth0", delegations=delegations),))


class AdviceTests(SynchronousTestCase):
    """
    What is worth a warning.
    """

    def assertAdvice(self, config: Config, *expected: str) -> None:
        """Exactly these warnings are given."""
        self.assertEqual([str(entry) for entry in advice(config)], list(expected))

    def test_nothing(self) -> None:
        """
        An ordinary configuration is worth none.
        """
        self.assertAdvice(one(Delegation(key="a", downstreams=(Downstream(link="a"),))))

    def test_many_delegations(self) -> None:
        """
        R-8987-03: more than eight delegations are more than many relays and servers allow.
        """
        delegations = [Delegation(key=f"{n}", downstreams=(Downstream(link=f"{n}"),)) for n in range(9)]
        self.assertAdvice(one(*delegations[:8]))
        self.assertAdvice(
            one(*delegations), "uplinks.wan.delegations: 9 delegations: many relays and servers allow 8 or fewer"
        )

    def test_large(self) -> None:
        """
        D43: a delegation that needs more than a /32 is warned of.
        """
        self.assertAdvice(one(Delegation(key="a", downstreams=(Downstream(link="a", length=32),))))
        self.assertAdvice(
            one(Delegation(key="a", downstreams=(Downstream(link="a", length=31),))),
            "uplinks.wan.delegations[0].downstreams: these need a /31, more than most servers delegate",
        )

    def test_hint_too_small(self) -> None:
        """
        A configured length wins, and is warned of where it has no room for everybody.
        """
        downstreams = (Downstream(link="a"), Downstream(link="b"))
        self.assertAdvice(one(Delegation(key="a", hint=63, downstreams=downstreams)))
        self.assertAdvice(
            one(Delegation(key="a", hint=64, downstreams=downstreams)),
            "uplinks.wan.delegations[0].hint: asks for a /64, but a /63 is needed: "
            "some links will stay without a subnet",
        )

    def test_nothing_made_of_it(self) -> None:
        """
        A delegation without downstreams and guests is warned of.
        """
        self.assertAdvice(one(Delegation(key="#0", guests=1)))
        self.assertAdvice(
            one(Delegation(key="#0")),
            "uplinks.wan.delegations[0]: no downstreams: the prefix will be held, and nothing made of it",
        )

    def test_local_without_ipv6(self) -> None:
        """
        Local guests without a local IPv6 prefix are warned of, once.
        """
        guests = tuple(Guest(name=f"g{n}", id=n, nics=(NIC(link=f"tap{n}", local=True),)) for n in (1, 2))
        found = [str(entry) for entry in advice(Config(guests=guests)) if entry.path.startswith("local")]
        self.assertEqual(found, ["local.inet6: not given: guests get local IPv4 addresses only"])

    def test_excluded_host_unasked(self) -> None:
        """
        Under a profile that does not ask for exclusions (PDX-01) the uplink's link gets no address out of one.
        """
        delegation = Delegation(key="a", downstreams=(Downstream(link="a"),), excluded_host=2)
        uplink = Uplink(name="wan", link="wan0", profile="dhcp6leased", delegations=(delegation,))
        self.assertAdvice(
            Config(uplinks=(uplink,)),
            "uplinks.wan.delegations[0].excluded_host: without effect: profile dhcp6leased asks no server for what it "
            "excludes; request_options = [67] does",
        )
        self.assertAdvice(Config(uplinks=(evolve(uplink, request_options=(67,)),)))
        self.assertAdvice(Config(uplinks=(evolve(uplink, profile=""),)))

    def test_vrf_of_a_port(self) -> None:
        """
        P5: a link has one master, so that a port of a bridge cannot be put into a VRF of its own.
        """
        nics = (NIC(link="tap0", switch="lab", vrf="red"), NIC(link="tap1", switch="lab", vrf="blue"))
        switches = (Switch(name="lab", link="br0", vrf="blue"),)
        config = Config(switches=switches, guests=(Guest(name="g", id=1, nics=nics),))
        problem = "guests.g.nics[0].vrf: without effect: a port is in its bridge's VRF, that of switch lab"
        self.assertAdvice(config, problem)
