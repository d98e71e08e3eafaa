"""
Tests of L{pdlease.config.compare}.
"""

from __future__ import annotations

from attrs import evolve, fields
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.compare import Changes, changed_guests, changed_switches, changed_uplinks, restart_needed
from pdlease.config.model import NIC, Config, Daemon, Delegation, Guest, IdentitySettings, Local, Switch, Uplink
from pdlease.config.values import local_prefix
from pdlease.subnets import Downstream

LAN0, LAN1 = Downstream(link="lan0"), Downstream(link="lan1")
DELEGATION = Delegation(key="lan0", downstreams=(LAN0, LAN1))
WAN = Uplink(name="wan", link="eth0", delegations=(DELEGATION,))
LTE = Uplink(name="lte", link="wwan0", delegations=(Delegation(key="#0"),))


class UplinksTests(SynchronousTestCase):
    """
    What became of uplinks (D37 to D40).
    """

    def changes(self, old: tuple[Uplink, ...], new: tuple[Uplink, ...]) -> Changes:
        """Compare two files with these uplinks."""
        return changed_uplinks(Config(uplinks=old), Config(uplinks=new))

    def test_same(self) -> None:
        """
        Uplinks that say the same are unchanged, in whatever order they stand.
        """
        changes = self.changes((WAN, LTE), (LTE, WAN))
        self.assertEqual(changes, Changes(unchanged=("lte", "wan")))
        self.assertFalse(changes.any)

    def test_added_and_removed(self) -> None:
        """
        D39: uplinks that are new and uplinks that are gone are told apart; one with another name is both.
        """
        self.assertEqual(self.changes((WAN,), (WAN, LTE)), Changes(added=("lte",), unchanged=("wan",)))
        self.assertEqual(self.changes((WAN, LTE), (LTE,)), Changes(removed=("wan",), unchanged=("lte",)))
        self.assertEqual(self.changes((WAN,), (evolve(WAN, name="isp"),)), Changes(added=("isp",), removed=("wan",)))
        self.assertTrue(self.changes((), (WAN,)).any)

    def test_every_change_counts(self) -> None:
        """
        D37, D40: a change of link, flags, delegations, downstreams, their lengths, their order or the hint is a change.
        """
        for other in (
            evolve(WAN, link="eth1"),
            evolve(WAN, rapid_commit=True),
            evolve(WAN, rate_limit=(10, 20.0)),
            evolve(WAN, delegations=(DELEGATION, Delegation(key="#1"))),
            evolve(WAN, delegations=(evolve(DELEGATION, hint=56),)),
            evolve(WAN, delegations=(evolve(DELEGATION, iaid=7),)),
            evolve(WAN, delegations=(evolve(DELEGATION, downstreams=(LAN0,)),)),
            evolve(WAN, delegations=(evolve(DELEGATION, downstreams=(LAN1, LAN0)),)),
            evolve(WAN, delegations=(evolve(DELEGATION, downstreams=(LAN0, evolve(LAN1, length=60))),)),
            evolve(WAN, delegations=(evolve(DELEGATION, downstreams=(LAN0, evolve(LAN1, host=3))),)),
        ):
            self.assertEqual(self.changes((WAN, LTE), (other, LTE)), Changes(changed=("wan",), unchanged=("lte",)))

    def test_guests(self) -> None:
        """
        Another guest that asks an uplink for a /64 is a change of that uplink, also where their number is the same.
        """
        old = Config(uplinks=(WAN, LTE), guests=(Guest(name="a", id=1, nics=(NIC(link="tap0", delegate="wan"),)),))
        new = evolve(old, guests=(Guest(name="b", id=2, nics=(NIC(link="tap1", delegate="wan"),)),))
        self.assertEqual(changed_uplinks(old, new), Changes(changed=("wan",), unchanged=("lte",)))


class GuestsTests(SynchronousTestCase):
    """
    What became of switches and guests.
    """

    def test_switches(self) -> None:
        """
        Switches are compared by all they say.
        """
        lab, old = Switch(name="lab", link="br0"), Switch(name="old", link="br1")
        self.assertEqual(
            changed_switches(Config(switches=(lab, old)), Config(switches=(evolve(lab, group=7),))),
            Changes(changed=("lab",), removed=("old",)),
        )

    def test_guests_follow_switch_and_prefix(self) -> None:
        """
        A guest has changed where it says something else, or its switch does, or the local prefixes that it uses.
        """
        old = Config(
            switches=(Switch(name="lab", link="br0"),),
            guests=(
                Guest(name="a", id=1, nics=(NIC(link="tap0", switch="lab"),)),
                Guest(name="b", id=2, nics=(NIC(link="tap1", local=True),)),
                Guest(name="c", id=3, nics=(NIC(link="tap2"),)),
            ),
        )
        self.assertEqual(changed_guests(old, old), Changes(unchanged=("a", "b", "c")))
        switched = evolve(old, switches=(Switch(name="lab", link="br0", vrf="blue"),))
        self.assertEqual(changed_guests(old, switched), Changes(changed=("a",), unchanged=("b", "c")))
        renumbered = evolve(old, local=Local(prefix=local_prefix("10.0.0.0/8")))
        self.assertEqual(changed_guests(old, renumbered), Changes(changed=("b",), unchanged=("a", "c")))
        down = Guest(name="c", id=3, nics=(NIC(link="tap2", up=False),))
        self.assertEqual(
            changed_guests(old, evolve(old, guests=(old.guests[0], down))),
            Changes(changed=("c",), removed=("b",), unchanged=("a",)),
        )


class RestartNeededTests(SynchronousTestCase):
    """
    What a reload cannot take over.
    """

    def test_nothing(self) -> None:
        """
        Nothing needs a restart where nothing of the daemon changed, nor for C{on_stop}.
        """
        self.assertEqual(restart_needed(Config(), Config(uplinks=(WAN,), daemon=Daemon(on_stop="remove"))), ())

    def test_every_setting(self) -> None:
        """
        Every other setting of the daemon, and the DUID, is named.
        """
        other = Daemon(
            **{attribute.name: 7 if attribute.name == "route_protocol" else "other" for attribute in fields(Daemon)}
        )
        new = Config(daemon=other, identity=IdentitySettings(duid="ll:eth0"))
        self.assertEqual(
            restart_needed(Config(), new),
            (
                "daemon.state",
                "daemon.control",
                "daemon.control_group",
                "daemon.privileges",
                "daemon.store",
                "daemon.user",
                "daemon.helper_user",
                "daemon.route_protocol",
                "daemon.sandbox",
                "daemon.sandbox_action",
                "identity.duid",
            ),
        )
