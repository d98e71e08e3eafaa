"""
Tests for L{pdlease.standing}; L{tests.test_applier} shows the same through the applier.
"""

from __future__ import annotations

from ipaddress import IPv6Interface, IPv6Network
from math import inf

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.difference import Marking
from pdlease.kernel import ObjectKey
from pdlease.operations import PutAddress, PutUnreachable
from pdlease.patience import Patience, Problem
from pdlease.standing import Condition, ObjectState, standing
from pdlease.wanted import Wanted, WantedAddress, WantedIPv6, WantedRoute, WantedUnreachable
from tests.fakes import MemoryKernel

ADDRESS = IPv6Interface("2001:db8::1/64")
WANTED = WantedAddress(link="lan0", address=ADDRESS, preferred_until=inf, valid_until=inf, uplink="wan")
ROUTE = WantedRoute(link="lan0", prefix=ADDRESS.network, valid_until=inf, table=254, metric=512, uplink="wan")
REFUSE = WantedUnreachable(
    link="eth0", prefix=IPv6Network("2001:db8::/56"), valid_until=inf, table=254, metric=4096, uplink="wan"
)
IPV6 = WantedIPv6(link="lan0", uplink="wan")
KEY = (2, ADDRESS.ip)


class StandingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.kernel = MemoryKernel(self.clock)
        self.patience = Patience()
        self.ours: set[ObjectKey] = set()

    def state(self, item: Wanted = WANTED) -> ObjectState:
        """How something stands."""
        return standing(item, self.kernel, self.ours, self.patience, self.clock.seconds(), Marking())

    def condition(self, item: Wanted = WANTED) -> tuple[Condition, bool, str | None]:
        """Condition, whether it is installed, and what is in the way."""
        state = self.state(item)
        return state.condition, state.is_installed, state.problem.text if state.problem else None

    def install(self) -> None:
        """Have the address installed as ours."""
        self.kernel.execute(PutAddress(link="lan0", index=2, address=ADDRESS, preferred=100, valid=100))
        self.ours.add(KEY)

    def test_no_link(self) -> None:
        """Without its link an object waits; what was to be done is named in the operation's words."""
        self.assertEqual(
            [self.state(item).problem for item in (WANTED, ROUTE, IPV6)],
            [
                Problem(operation=operation, errno=0, text="there is no link lan0")
                for operation in (
                    "add 2001:db8::1/64 to lan0",
                    "add on-link route 2001:db8::/64 on lan0",
                    "enable IPv6 on lan0",
                )
            ],
        )

    def test_down(self) -> None:
        """On a link that is down it waits too."""
        self.kernel.add_link("lan0", is_up=False)
        self.assertEqual(self.condition(), (Condition.WAITING, False, "link lan0 is down"))

    def test_pending(self) -> None:
        """With its link ready and nothing in the way it has been asked for; the unreachable route needs no link."""
        self.kernel.add_link("lan0", ipv6_disabled=True)
        for item in (WANTED, ROUTE, REFUSE, IPV6):
            self.assertEqual(self.condition(item), (Condition.PENDING, False, None))

    def test_installed(self) -> None:
        """What is there and ours is installed; a setting is nobody's."""
        self.kernel.add_link("lan0")
        self.install()
        for item in (WANTED, IPV6):
            self.assertEqual(self.condition(item), (Condition.INSTALLED, True, None))

    def test_foreign(self) -> None:
        """What is there and lacks our mark or our ledger's entry is foreign."""
        self.kernel.add_link("lan0")
        self.kernel.add_foreign_address("lan0", str(ADDRESS))
        self.kernel.add_foreign_route("lan0", str(ADDRESS.network))
        self.ours.add(KEY)
        for item in (WANTED, ROUTE):
            self.assertEqual(self.condition(item), (Condition.FOREIGN, False, Condition.FOREIGN.value))

    def test_foreign_refusing(self) -> None:
        """The same holds for an unreachable route."""
        self.kernel.execute(PutUnreachable(link="eth0", prefix=REFUSE.prefix, expires=100, table=254, metric=4096))
        self.assertEqual(
            self.state(REFUSE).problem,
            Problem(operation="add unreachable route 2001:db8::/56", errno=0, text=Condition.FOREIGN.value),
        )

    def test_tentative(self) -> None:
        """What is being detected is not installed yet."""
        self.kernel.detects = True
        self.kernel.add_link("lan0")
        self.install()
        self.assertEqual(self.condition(), (Condition.TENTATIVE, False, None))

    def test_unplugged(self) -> None:
        """Without carrier the detection does not go on, and that is said."""
        self.kernel.detects = True
        link = self.kernel.add_link("lan0")
        self.install()
        self.kernel.heard.links[link.index] = evolve(link, has_carrier=False)
        self.assertEqual(self.condition(), (Condition.UNPLUGGED, False, None))

    def test_duplicate(self) -> None:
        """What another host holds is a duplicate, though the kernel has nothing left of it."""
        self.kernel.detects = True
        self.kernel.add_link("lan0")
        self.kernel.rivals.add(KEY)
        self.install()
        self.clock.advance(2)
        self.kernel.age()
        self.assertEqual(self.condition(), (Condition.DUPLICATE, False, Condition.DUPLICATE.value))

    def test_refused(self) -> None:
        """A refusal is told whether the object is there, with older lifetimes, or not."""
        link = self.kernel.add_link("lan0")
        problem = Problem(operation="add", errno=1, text="no")
        self.patience.refused(KEY, problem, link, 0.0)
        self.assertEqual(self.condition(), (Condition.REFUSED, False, "no"))
        self.install()
        self.assertEqual(self.condition(), (Condition.REFUSED, True, "no"))

    def test_contested(self) -> None:
        """A contest is told while it lasts, also when the object is back."""
        self.kernel.add_link("lan0")
        for _ in range(5):
            self.patience.disturbed(KEY, 0.0)
        self.assertEqual(self.condition(), (Condition.CONTESTED, False, Condition.CONTESTED.value))
        self.install()
        self.assertEqual(self.condition(), (Condition.CONTESTED, True, Condition.CONTESTED.value))
