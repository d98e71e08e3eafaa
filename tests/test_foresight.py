"""
Tests of L{pdlease.foresight}: what a dry run tells is what the reload then does.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.operations import Operation, PrivilegeError, PutAddress
from pdlease.wire.duid import DUID
from tests.house import ONE, TWO, House

BOTH = TWO.replace('["lan0"]', '["lan0", "lan3"]')
"""L{TWO}, with two downstreams on the first uplink."""

HOSTS = (
    ONE
    + """
[switches.lab]
link = "br0"
[guests.web]
id = 1
[[guests.web.nics]]
link = "tap0"
switch = "lab"
group = 7
delegate = "wan"
"""
)
"""One uplink, a switch, and a guest that has a /64 of it."""


class ForeseeTests(SynchronousTestCase):
    """Every kind of change, foretold and then made."""

    def bound(self, text: str) -> House:
        """A house, every uplink bound, every link there that a test could want."""
        house = House(text)
        for link in ("eth0", "eth1", "ppp0"):
            house.add_uplink(link)
        for link in ("lan0", "lan1", "lan2", "lan3", "lan9", "tap0", "br0", "br1"):
            house.kernel.add_link(link)
        house.begin()
        house.wait(5)
        self.assertEqual({uplink.session.state.name for uplink in house.router.uplinks.values()}, {"BOUND"})
        house.privilege.take()
        return house

    def foretold(self, before: str, after: str) -> tuple[list[str], list[str]]:
        """
        The steps and the operations that are foretold for a change.

        The foretelling changes nothing; then the change is made, and its operations are those that were foretold.
        """
        house = self.bound(before)
        state = {name: (uplink, uplink.session) for name, uplink in house.router.uplinks.items()}
        sent, config, entries = len(house.sent), house.router.config, dict(house.ledger.entries)
        told = house.foresee(after)
        house.wait(1)
        self.assertEqual(house.privilege.take(), [])
        self.assertEqual((len(house.sent), house.router.config), (sent, config))
        self.assertEqual(house.ledger.entries, entries)
        self.assertEqual({name: (uplink, uplink.session) for name, uplink in house.router.uplinks.items()}, state)
        house.replace(after)
        # what the kernel tells of the first operations is answered in the next turn
        house.clock.advance(0)
        done = [str(operation) for operation in house.privilege.take()]
        self.house = house
        count = len(told) - len(done)
        steps, operations = list(told[:count]), list(told[count:])
        self.assertEqual(sorted(operations), sorted(done))
        return steps, operations

    def test_nothing(self) -> None:
        """The same configuration does nothing."""
        self.assertEqual(self.foretold(HOSTS, HOSTS), ([], []))

    def test_added(self) -> None:
        """An uplink that is new looks for a server; of its downstreams nothing is known yet (D41)."""
        steps, operations = self.foretold(ONE, TWO)
        self.assertEqual(steps, ["begin dsl on ppp0, and look for a server"])
        self.assertEqual(operations, [])
        self.house.wait(2)
        self.assertEqual(self.house.types(link="ppp0")[0], "SOLICIT")

    def test_removed(self) -> None:
        """Of an uplink that is gone all is removed, and nothing is sent (D38, D39)."""
        steps, operations = self.foretold(TWO, ONE)
        self.assertEqual(steps, ["end dsl: its socket is closed, and its prefixes are not given back"])
        self.assertEqual({line.partition(" ")[0] for line in operations}, {"remove"})
        for link in ("lan1", "lan2"):
            self.assertTrue([line for line in operations if line.endswith(f"::1/64 from {link}") or link in line])

    def test_downstream_more(self) -> None:
        """A downstream more that has room in what is held is served at once, and the rest stays (D37)."""
        steps, operations = self.foretold(ONE, ONE.replace('["lan0"]', '["lan0", "lan9/66"]'))
        self.assertEqual(steps, ["send Renew on wan, which asks for what is wanted now"])
        self.assertEqual(operations, [])
        self.house.wait(2)
        self.assertEqual(self.house.types()[-1], "RENEW")

    def test_downstreams_moved(self) -> None:
        """Downstreams in another order change their subnets: what is new comes first, the old goes (D40)."""
        three = BOTH.replace('"lan3"', '"lan3", "lan9"')
        self.foretold(three, three.replace('"lan0", "lan3", "lan9"', '"lan9", "lan3", "lan0"'))
        steps, operations = self.foretold(three, three.replace('"lan3", "lan9"', '"lan9", "lan3"'))
        self.assertEqual(steps, ["go on with wan under other settings; nothing is sent now"])
        kinds = [line.partition(" ")[0] for line in operations]
        self.assertEqual(kinds, sorted(kinds))
        self.assertEqual(kinds.count("add"), kinds.count("remove"))
        self.assertIn("add 2001:db8:0:2::1/64 to lan3", operations)
        self.assertIn("remove 2001:db8:0:1::1/64 from lan3", operations)

    def test_first_downstream(self) -> None:
        """A new first downstream changes who has which subnet, and not the association (R-12-02)."""
        steps, operations = self.foretold(BOTH, BOTH.replace('"lan0", "lan3"', '"lan9/65", "lan0", "lan3/65"'))
        self.assertEqual(steps, ["send Renew on wan, which asks for what is wanted now"])
        self.assertIn("add 2001:db8::1/65 to lan9", operations)
        self.assertEqual(len(self.house.identity.iaids), 2)

    def test_rapid_commit(self) -> None:
        """Rapid Commit is a matter of the next Solicit: nothing is done (D37)."""
        after = ONE.replace("solicit_delay", "rapid_commit = true\nsolicit_delay")
        steps, operations = self.foretold(ONE, after)
        self.assertEqual(steps, ["go on with wan under other settings; nothing is sent now"])
        self.assertEqual(operations, [])
        self.assertTrue(self.house.uplink().session.settings.rapid_commit)

    def test_another_link(self) -> None:
        """An uplink that moves begins anew there, with what it holds; addresses stay."""
        steps, operations = self.foretold(ONE, ONE.replace("eth0", "eth1"))
        (step,) = steps
        self.assertRegex(step, r"^begin wan anew on eth1, and ask for 2001:db8::/\d+ there$")
        self.assertEqual(operations, [])

    def test_another_client(self) -> None:
        """What the old client was given is removed when the DUID is another one."""
        house = self.bound(ONE)
        other = DUID.from_uuid(bytes(16))
        config, iaids = house.router.config, house.iaids
        after = ONE.replace("solicit_delay", 'duid = "raw:00040000"\nsolicit_delay')
        house.config = config
        steps = house.router.foresee(_parsed(after), iaids, lambda uplink: other)
        self.assertIn("as another client, which does not have what the old one was given", steps[0])
        self.assertIn("remove 2001:db8::1/64 from lan0", steps)

    def test_order_of_uplinks(self) -> None:
        """Another order of the uplinks changes only the order in which they are listed."""
        first, second = TWO[: TWO.index("[uplinks.dsl]")], TWO[TWO.index("[uplinks.dsl]") :]
        steps, operations = self.foretold(TWO, second + first)
        self.assertEqual((steps, operations), (["list the uplinks in the order dsl, wan"], []))

    def test_guest(self) -> None:
        """A guest that is new gets its link set up and its /64; one that is gone leaves nothing behind."""
        for before, after in ((ONE, HOSTS), (HOSTS, ONE)):
            _, operations = self.foretold(before, after)
            self.assertTrue([line for line in operations if "tap0" in line], operations)
            self.assertTrue([line for line in operations if "br0" in line], operations)
        self.foretold(HOSTS, HOSTS.replace("group = 7", "group = 8"))
        self.foretold(HOSTS, HOSTS.replace('"br0"', '"br1"'))
        self.foretold(HOSTS, HOSTS.replace("group = 7", "group = 7\nup = false"))

    def test_refused_before(self) -> None:
        """What was refused is foretold as well, since a reload tries it again."""
        house = House(ONE)
        house.add_links()
        rule = PrivilegeError("add", 0, "policy")

        def refuses(operation: Operation) -> PrivilegeError | None:
            return rule if isinstance(operation, PutAddress) else None

        house.privilege.refuses = refuses
        house.begin()
        house.wait(3)
        self.assertIn("add 2001:db8::1/64 to lan0", house.foresee(ONE))


def _parsed(text: str):  # type: ignore[no-untyped-def]
    from tests.house import configuration

    return configuration(text)
