"""
Hosts are told when a subnet of theirs is over (RFC 9096 section 3.5): the daemon's part, over whole conversations.

pdlease sends no Router Advertisements: what is shown here is what it tells those who do, in C{status} and events.
"""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.demo.delegating import Terms
from pdlease.lease import UplinkRecord
from pdlease.stores.serial import Clocks, dump_uplink, load_uplink
from tests.house import ONE, TWO, House

OTHER = IPv6Network("2001:db8:ff00::/40")

LANS = ONE.replace('["lan0"]', '["lan0", "lan1"]')


class StaleCase(SynchronousTestCase):
    """A house whose provider changes its mind."""

    def bound(self, text: str = ONE, records: dict[str, UplinkRecord] | None = None) -> House:
        """A house that holds a prefix on every uplink."""
        self.house = House(text)
        self.house.add_links()
        if records is None:
            self.house.begin()
            self.house.wait(3)
        else:
            self.house.begin(records)
        return self.house

    def stale(self, name: str = "wan") -> list[str]:
        """The stale subnets that status names, with the seconds for which hosts are to be told."""
        assert self.house.desk is not None
        document = self.house.desk.status(name)["uplinks"][name]
        return [f"{one['subnet']} on {one['link']} {one['seconds']}" for one in document["stale"]]

    def restarted(self, text: str = ONE, seconds: float = 10.0, name: str = "wan") -> House:
        """The house after kill -9: what the store holds, as read again in the same boot a while later."""
        self.house.wait(1)
        now = self.house.clock.seconds()
        stored = dict(self.house.store.load().result.uplinks)[name]
        clocks = Clocks(boot=now, wall=self.house.times.wall(), boot_id="one", wall_trusted=True)
        document = dump_uplink(name, stored, clocks)
        _, record = load_uplink(document, evolve(clocks, boot=1000.0, boot_id="two", wall=clocks.wall + seconds))
        server = self.house.server
        self.house = House(text)
        self.house.server = server
        self.house.add_links()
        self.house.begin({name: record})
        return self.house


class ChangeTests(StaleCase):
    """A prefix goes before its time."""

    def test_withdrawn(self) -> None:
        """
        9096-STALE-2, 9096-STALE-3, 9096-STALE-6: when a server replaces a prefix, one event names the new prefix and
        the subnets that hosts must be told are over; status names them for 5400 s, and not longer.
        """
        house = self.bound(LANS)
        house.server.renumber([OTHER], "withdraw")
        asked = house.clock.seconds()
        house.desk.renew("wan")  # type: ignore[union-attr]
        house.wait(1)
        event = house.told("lease")[-1]
        self.assertEqual(event["prefixes"], ["2001:db8:ff00::/60"])
        over = [{"link": "lan0", "subnet": "2001:db8::/64"}, {"link": "lan1", "subnet": "2001:db8:0:1::/64"}]
        self.assertEqual(event["stale"], over)
        self.assertEqual(house.told("stale"), [])
        self.assertEqual(self.stale(), ["2001:db8::/64 on lan0 5399", "2001:db8:0:1::/64 on lan1 5399"])
        for held in house.server.bindings.values():
            # once is enough; a server that goes on saying so keeps them stale
            held.leaving.clear()
        house.wait(5400 - (house.clock.seconds() - asked))
        self.assertEqual(len(self.stale()), 2)
        house.wait(1)
        self.assertEqual(self.stale(), [])
        self.assertEqual([one["stale"] for one in house.told("stale")], [[]])

    def test_deprecated(self) -> None:
        """
        L-13, L-15: a prefix that is only passed over stays until its end: its assignment has no preferred seconds left
        while that of the new one has, and nothing is stale.
        """
        house = self.bound()
        house.server.renumber([OTHER], "deprecate")
        house.desk.renew("wan")  # type: ignore[union-attr]
        house.wait(1)
        document: Any = house.desk.status("wan")["uplinks"]["wan"]  # type: ignore[union-attr]
        shown = [(one["subnet"], one["preferred_seconds"], one["valid_seconds"]) for one in document["assignments"]]
        self.assertEqual([one[0] for one in shown], ["2001:db8::/64", "2001:db8:ff00::/64"])
        self.assertEqual(shown[0][1], 0)
        self.assertTrue(7100 < shown[0][2] < 7200, shown)
        self.assertEqual(shown[1][1:], (3599, 7199))
        self.assertEqual(self.stale(), [])

    def test_unheard_of(self) -> None:
        """
        9096-STALE-4: of a prefix that a Reply takes back (0/0) without our knowing it, the subnets that it would have
        been cut into are stale on their links.
        """
        house = self.bound(LANS)
        house.server.renumber([OTHER], "withdraw")
        house.store.forget_uplink("wan")
        server, self.house = house.server, House(LANS)
        self.house.server = server
        self.house.add_links()
        self.house.begin()
        self.house.wait(3)
        self.assertEqual(
            [prefix["prefix"] for prefix in self.house.desk.status("wan")["uplinks"]["wan"]["prefixes"]],  # type: ignore[union-attr]
            ["2001:db8:ff00::/60"],
        )
        self.assertEqual(
            [one.rpartition(" ")[0] for one in self.stale()], ["2001:db8::/64 on lan0", "2001:db8:0:1::/64 on lan1"]
        )
        self.assertEqual(len(self.house.told("stale")), 1)

    def test_back(self) -> None:
        """9096-STALE-3: a prefix that is given again is not stale any more."""
        house = self.bound()
        first = house.server.terms.pools
        house.server.renumber([OTHER], "withdraw")
        house.desk.renew("wan")  # type: ignore[union-attr]
        house.wait(1)
        self.assertEqual(self.stale(), ["2001:db8::/64 on lan0 5399"])
        house.server.forget()
        house.server.renumber(first, "forget")
        house.desk.renew("wan")  # type: ignore[union-attr]
        house.wait(3)
        self.assertEqual(house.told("lease")[-1]["prefixes"], ["2001:db8::/64"])
        self.assertEqual([one.rpartition(" ")[0] for one in self.stale()], ["2001:db8:ff00::/64 on lan0"])

    def test_run_out(self) -> None:
        """L-15: a prefix that runs out leaves nothing stale: hosts were never told a longer time."""
        house = self.bound()
        house.silent.add("eth0")
        house.wait(7300)
        self.assertEqual(house.addresses(), {})
        self.assertEqual(self.stale(), [])

    def test_released(self) -> None:
        """What is released is over for hosts at once."""
        house = self.bound()
        house.desk.release("wan", False)  # type: ignore[union-attr]
        house.wait(1)
        self.assertEqual(self.stale(), ["2001:db8::/64 on lan0 5399"])


class RestartTests(StaleCase):
    """The daemon begins again."""

    def test_other_prefix(self) -> None:
        """9096-STALE-2: when the server gives another prefix after a crash, the old subnet is stale on its link."""
        self.bound()
        self.house.server.renumber([OTHER], "withdraw")
        house = self.restarted()
        house.wait(15)
        self.assertEqual(house.told("lease")[-1]["prefixes"], ["2001:db8:ff00::/64"])
        self.assertEqual([one.rpartition(" ")[0] for one in self.stale()], ["2001:db8::/64 on lan0"])

    def test_survives(self) -> None:
        """9096-STALE-1, 9096-STALE-3: what is stale stays so over kill -9, twice, for the rest of its time."""
        self.bound()
        self.house.server.renumber([OTHER], "withdraw")
        self.house.desk.renew("wan")  # type: ignore[union-attr]
        self.house.wait(1)
        self.restarted(seconds=1000.0)
        self.assertEqual(self.stale(), ["2001:db8::/64 on lan0 4398"])
        self.restarted(seconds=1000.0)
        self.assertEqual(self.stale(), ["2001:db8::/64 on lan0 3397"])
        self.restarted(seconds=4000.0)
        self.assertEqual(self.stale(), [])

    def test_undated(self) -> None:
        """
        9096-STALE-2: of a lease that nobody can date nothing is stale before it is known whether the server confirms
        it; then what it had put on links is, if it does not.
        """
        self.bound()
        record = self.house.uplink().record
        server = self.house.server
        server.renumber([OTHER], "forget")
        self.house = House(ONE)
        self.house.server = server
        self.house.add_links()
        self.house.silent.add("eth0")
        self.house.begin({"wan": evolve(record, trusted=False)})
        self.house.wait(5)
        self.assertEqual(self.stale(), [])
        self.house.silent.clear()
        self.house.wait(30)
        self.assertEqual(self.house.told("lease")[-1]["prefixes"], ["2001:db8:ff00::/64"])
        self.assertEqual([one.rpartition(" ")[0] for one in self.stale()], ["2001:db8::/64 on lan0"])


class ReloadTests(StaleCase):
    """The configuration changes."""

    def test_downstream_gone(self) -> None:
        """DS-12: the subnet of a downstream that leaves the configuration is stale on its link."""
        house = self.bound(LANS)
        house.replace(ONE)
        house.wait(1)
        self.assertEqual(self.stale(), ["2001:db8:0:1::/64 on lan1 5399"])
        self.assertEqual(len(house.told("stale")), 1)

    def test_uplink_gone(self) -> None:
        """DS-12: what an uplink that leaves the configuration had on a link, another uplink of that link tells of."""
        shared = TWO.replace('"lan1", "lan2/60"', '"lan0"')
        house = self.bound(shared)
        gone = house.uplink("dsl").lease.prefixes[0].prefix
        house.replace(ONE)
        house.wait(1)
        self.assertEqual(self.stale(), [f"{gone} on lan0 5399"])

    def test_unchanged(self) -> None:
        """A reload that changes nothing about the subnets leaves nothing stale, and tells nothing."""
        house = self.bound()
        house.replace(ONE.replace("solicit_delay = false", "solicit_delay = false\nrapid_commit = true"))
        house.wait(1)
        self.assertEqual(self.stale(), [])
        self.assertEqual(house.told("stale"), [])


class BoundTests(StaleCase):
    """A server says what it likes."""

    def test_flood(self) -> None:
        """9096-RTR: however many prefixes are given and taken, what is remembered of each link is bounded."""
        house = self.bound()
        house.server.terms = Terms(pools=house.server.terms.pools)
        for number in range(1, 60):
            house.server.renumber([IPv6Network((0x20010DB8 << 96 | number << 88, 40))], "withdraw")
            house.desk.renew("wan")  # type: ignore[union-attr]
            house.wait(25)
        self.assertTrue(20 < len(self.stale()) <= 32, len(self.stale()))
