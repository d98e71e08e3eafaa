"""
Property tests for L{pdlease.applier}: whatever happens, in whatever order, the kernel ends up as wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EBUSY
from ipaddress import IPv6Interface, IPv6Network
from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.applier import Applier
from pdlease.difference import difference
from pdlease.ledger import Ledger
from pdlease.operations import INFINITE, Operation, PrivilegeError, PutAddress
from pdlease.wanted import Wanted, WantedAddress, WantedIPv6, WantedRoute, WantedUnreachable
from tests.fakes import MemoryKernel, RecordingPrivilege

LINKS = ("lan0", "lan1")
FOREIGN = "2001:db8:ffff::1/64"

Event = Callable[["Machine"], None]


def wants(uplink: str, site: int, link: str, left: float, now: float) -> tuple[Wanted, ...]:
    """Whatever is wanted of one prefix on one link, for so long."""
    network = IPv6Network(f"2001:db8:{site}::/64")
    until = now + left
    return (
        WantedUnreachable(
            link="eth0", prefix=network.supernet(8), valid_until=until, table=254, metric=4096, uplink=uplink
        ),
        WantedIPv6(link=link, uplink=uplink),
        WantedAddress(
            link=link,
            address=IPv6Interface((network[1], 64)),
            preferred_until=now + left / 2,
            valid_until=until,
            uplink=uplink,
        ),
        WantedRoute(link=link, prefix=network, valid_until=until, table=254, metric=512, uplink=uplink),
    )


class Machine:
    """A kernel, a provider and an applier, to which anything may happen."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.kernel = MemoryKernel(self.clock, detects=True)
        self.privilege = RecordingPrivilege(self.kernel)
        self.ledger = Ledger(None)
        self.wanted: dict[str, tuple[Wanted, ...]] = {}
        self.excess: list[Operation] = []
        self.kernel.add_link("lan0")
        self.applier = self.begin()
        self.kernel.listeners.append(self.heard)

    def heard(self) -> None:
        """The kernel said something."""
        self.applier.kernel_changed()

    def begin(self) -> Applier:
        """Start, as for the first time or after a kill."""
        applier = Applier(self.clock, self.privilege, self.ledger, self.kernel, lambda: None)
        applier.keep_only(["wan", "dsl"])
        return applier

    def restart(self) -> None:
        """Be killed and started again: the ledger is all that is known; answers to the killed one are lost."""
        self.privilege.answer()
        self.kernel.dump(0.9)
        self.applier.stop()
        self.applier = self.begin()
        for uplink, objects in self.wanted.items():
            self.applier.want(uplink, objects)

    def want(self, uplink: str, objects: tuple[Wanted, ...]) -> None:
        """Have something else wanted."""
        self.wanted[uplink] = objects
        self.applier.want(uplink, objects)
        self.check_asked()

    def check_asked(self) -> None:
        """Note what was asked to live longer than is wanted (L-15), or for no time."""
        now = self.clock.seconds()
        for operation in self.privilege.take():
            if isinstance(operation, PutAddress):
                left = inf if operation.valid == INFINITE else operation.valid
                end = max(
                    (
                        item.valid_until
                        for objects in self.wanted.values()
                        for item in objects
                        if isinstance(item, WantedAddress)
                        and (item.link, item.address) == (operation.link, operation.address)
                    ),
                    default=now,
                )
                if not 0 < left <= end - now or operation.preferred > operation.valid:
                    self.excess.append(operation)

    def pass_time(self, seconds: float, step: float) -> None:
        """Let time pass; expired wants are dropped, as a session does."""
        end = self.clock.seconds() + seconds
        while (left := end - self.clock.seconds()) > 1e-9:
            self.clock.advance(min(step, left))
            self.check_asked()
            self.kernel.age()
            now = self.clock.seconds()
            for uplink, objects in tuple(self.wanted.items()):
                live = tuple(o for o in objects if isinstance(o, WantedIPv6) or o.valid_until > now)
                if live != objects:
                    self.want(uplink, live if len(live) > 1 else ())

    def refuse(self, refuse: bool) -> None:
        """Have everything refused, or nothing."""
        self.privilege.refuses = lambda operation: PrivilegeError(str(operation), EBUSY, "busy") if refuse else None

    def named(self, name: str, act: Callable[[str], object]) -> None:
        """Do something to a link, if it is there."""
        if any(link.name == name for link in self.kernel.true.links.values()):
            act(name)

    def missing(self, name: str, act: Callable[[str], object]) -> None:
        """Do something if there is no link of this name."""
        if all(link.name != name for link in self.kernel.true.links.values()):
            act(name)

    def come_to_rest(self) -> None:
        """Nothing is held back or refused any more, and time passes."""
        self.kernel.held_back = False
        self.kernel.deliver()
        self.privilege.holding = False
        self.refuse(False)
        self.privilege.answer()
        self.pass_time(5, step=0.1)
        # A contest may last a while.
        self.pass_time(900, step=10)


names = st.sampled_from(LINKS)
events = st.one_of(
    st.builds(
        lambda uplink, site, link, left: lambda m: m.want(uplink, wants(uplink, site, link, left, m.clock.seconds())),
        st.sampled_from(("wan", "dsl")),
        st.integers(1, 3),
        names,
        st.sampled_from((0.5, 3.0, 30.0, 1e5, inf)),
    ),
    st.builds(lambda uplink: lambda m: m.want(uplink, ()), st.sampled_from(("wan", "dsl"))),
    st.builds(lambda name, up: lambda m: m.named(name, lambda n: m.kernel.set_up(n, up)), names, st.booleans()),
    st.builds(lambda name, on: lambda m: m.named(name, lambda n: m.kernel.set_ipv6(n, on)), names, st.booleans()),
    st.builds(lambda name: lambda m: m.named(name, m.kernel.flush), names),
    st.builds(lambda name: lambda m: m.named(name, m.kernel.remove_link), names),
    st.builds(lambda name: lambda m: m.missing(name, m.kernel.add_link), names),
    st.builds(
        lambda name, new: lambda m: m.missing(new, lambda _: m.named(name, lambda n: m.kernel.rename(n, new))),
        names,
        st.sampled_from((*LINKS, "other")),
    ),
    st.builds(lambda seconds: lambda m: m.pass_time(seconds, 0.5), st.sampled_from((0.01, 0.6, 5.0))),
    st.builds(lambda held: lambda m: setattr(m.kernel, "held_back", held), st.booleans()),
    st.builds(lambda: lambda m: m.kernel.deliver()),
    st.builds(lambda holding: lambda m: setattr(m.privilege, "holding", holding), st.booleans()),
    st.builds(lambda count: lambda m: m.privilege.answer(count), st.integers(1, 3)),
    st.builds(lambda refuse: lambda m: m.refuse(refuse), st.booleans()),
    st.builds(lambda: lambda m: m.applier.resumed()),
    st.builds(lambda: lambda m: m.restart()),
)


class AnythingTests(SynchronousTestCase):
    @settings(deadline=None)
    @given(st.lists(events, max_size=25))
    def test_comes_to_rest(self, happening: list[Event]) -> None:
        """
        After any sequence of events the kernel holds what is wanted and nothing else of ours, no timer runs, what is
        foreign is untouched, and nothing was ever asked to live longer than its lease (R-18.2.10.1-17).
        """
        machine = Machine()
        machine.kernel.add_link("lan9")
        foreign = machine.kernel.add_foreign_address("lan9", FOREIGN)
        for event in happening:
            event(machine)
            machine.check_asked()
        machine.come_to_rest()
        now = machine.clock.seconds()
        everything = [item for objects in machine.wanted.values() for item in objects]
        self.assertEqual(difference(everything, machine.kernel, machine.ledger.entries, now), ())
        self.assertEqual(machine.clock.getDelayedCalls(), [])
        self.assertEqual(machine.excess, [])
        self.assertEqual(machine.kernel.true.addresses[foreign.key], foreign)
        self.assertEqual(machine.kernel.true.addresses, machine.kernel.heard.addresses)
