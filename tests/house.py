"""
A whole daemon on virtual time: router, applier, a kernel in memory, a delegating server at the end of each uplink.

Datagrams really go through L{pdlease.udp.ClientPort} and the wire codec; there is no thread, no process, no descriptor,
and no second that is not counted by L{House.clock}.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from errno import EADDRINUSE
from ipaddress import IPv6Address, IPv6Network
from random import Random
from types import MappingProxyType
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from pdlease.applier import Applier
from pdlease.asking import numbered
from pdlease.client.settings import Chance
from pdlease.config.model import Config
from pdlease.config.toml import parse
from pdlease.demo.delegating import DelegatingServer
from pdlease.desk import Desk, Journal
from pdlease.guests import Numbers
from pdlease.hosting import Hosting
from pdlease.identity import Identity
from pdlease.interfaces import StoreError
from pdlease.kernel import AdvertisedPrefix
from pdlease.lease import UplinkRecord
from pdlease.ledger import Ledger
from pdlease.operations import PrivilegeError
from pdlease.router import Means, Router
from pdlease.stores.memory import MemoryStore
from pdlease.testing import SetTimes
from pdlease.uplink import Uplink
from pdlease.wire.codes import MessageType
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode
from tests.descriptors import FakeReactor, FakeSocket
from tests.fakes import MemoryKernel, RecordingPrivilege

MOST_TURNS, MOST_TURNS_A_SECOND = 1000, 10
"""Turns that a wait may take, and for each of its seconds; a daemon that takes more turns in circles."""

CLIENT = DUID.from_uuid(bytes(range(16)))

SERVER_ADDRESS = "fe80::5e"

FLIGHT = 0.01
"""Seconds that a datagram takes, each way."""

OWN = IPv6Address("fe80::1")
"""The link-local address of every uplink."""

ONE = """
[uplinks.wan]
link = "eth0"
solicit_delay = false
[[uplinks.wan.delegations]]
downstreams = ["lan0"]
"""
"""The least configuration: one uplink, one downstream."""

TWO = (
    ONE
    + """
[uplinks.dsl]
link = "ppp0"
solicit_delay = false
[[uplinks.dsl.delegations]]
downstreams = ["lan1", "lan2/60"]
"""
)
"""Two uplinks."""


def configuration(text: str) -> Config:
    """The configuration of a text."""
    return parse(text.encode(), "/etc/pdlease/pdlease.toml")


def datagram(
    data: bytes, index: int, source: str = SERVER_ADDRESS, *, to: str = str(OWN), port: int = 547
) -> tuple[Any, ...]:
    """A datagram as the kernel hands it over, sent to the client's own address if not to another."""
    info = struct.pack("=16sI", IPv6Address(to).packed, index)
    return data, (source, port, 0, index), 0, [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)]


class Line(FakeSocket):
    """A client socket with the server of its link at the other end."""

    def __init__(self, house: Street, link: str, index: int) -> None:
        super().__init__()
        self.link = link
        self.index = index
        self._house = house

    def sendto(self, data: bytes, destination: Any) -> int:
        if self.refusing is not None:
            raise self.refusing
        return self._house.carry(self, data, super().sendto(data, destination))


class HouseKernel(MemoryKernel):
    """
    A kernel in memory that can be watched as L{pdlease.netlink.links.LinkWatch} is.

    @ivar stopped: how often the watch was stopped.
    @ivar prefix_listeners: called with each prefix that is advertised.
    """

    stopped = 0

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.prefix_listeners: list[Callable[[AdvertisedPrefix], object]] = []

    def start(self) -> Deferred[None]:
        """The table is complete."""
        return succeed(None)

    def listen(self, listener: Callable[[None], object]) -> None:
        """Have C{listener} called soon after each change."""
        self.listeners.append(lambda: self.clock.callLater(0, listener, None))  # type: ignore[attr-defined]

    def listen_to_prefixes(self, listener: Callable[[AdvertisedPrefix], object]) -> None:
        """Have C{listener} called with each prefix that L{advertise} names."""
        self.prefix_listeners.append(listener)

    def advertise(self, name: str, prefix: str, preferred: int = 600, flags: int = 0xC0) -> None:
        """A Router Advertisement names a prefix on a link."""
        heard = AdvertisedPrefix(
            index=self._named(name).index,
            prefix=IPv6Network(prefix),
            flags=flags,
            preferred=preferred,
            valid=2 * preferred,
        )
        for listener in self.prefix_listeners:
            listener(heard)

    def stop(self) -> None:
        """Watch no more."""
        self.stopped += 1

    def carrier(self, name: str, has_carrier: bool) -> None:
        """A link gets or loses carrier."""
        self._set_link(evolve(self._named(name), has_carrier=has_carrier))


class HousePrivilege(RecordingPrivilege):
    """
    A provider whose client sockets are L{Line}s.

    @ivar refusals: the refusals of the next sockets that are asked for.
    @ivar slow: whether sockets are opened only by L{open_one}.
    @ivar asked_sockets: sockets that were asked for and not opened yet.
    @ivar lines: every socket that was opened.
    @ivar reloads: what L{reload} answers, from the first on; then C{configuration}.
    """

    def __init__(self, house: Street) -> None:
        super().__init__(house.kernel)
        self.refusals: list[Exception] = []
        self.slow = False
        self.asked_sockets: list[tuple[str, int, Deferred[Any]]] = []
        self.lines: list[Line] = []
        self.reloads: list[bytes | PrivilegeError] = []
        self._house = house

    def open_client_socket(self, link: str, index: int) -> Deferred[Any]:
        self.opened.append((link, index))
        if self.slow:
            asked: Deferred[Any] = Deferred()
            self.asked_sockets.append((link, index, asked))
            return asked
        return self._socket(link, index)

    def open_one(self) -> None:
        """Open the socket that was asked for first, or refuse it."""
        link, index, asked = self.asked_sockets.pop(0)
        self._socket(link, index).chainDeferred(asked)

    def open_route_socket(self) -> Deferred[Any]:
        return succeed(FakeSocket())

    def reload(self) -> Deferred[bytes]:
        if not self.reloads:
            return succeed(self.configuration)
        answer = self.reloads.pop(0)
        return fail(answer) if isinstance(answer, PrivilegeError) else succeed(answer)

    def _socket(self, link: str, index: int) -> Deferred[Any]:
        if self.refusals:
            return fail(self.refusals.pop(0))
        line = Line(self._house, link, index)
        self.lines.append(line)
        return succeed(line)


def held_port(link: str = "eth0") -> PrivilegeError:
    """The refusal of a socket whose port somebody else holds."""
    return PrivilegeError(f"open port 546 on {link}", EADDRINUSE, "Address already in use")


class Street:
    """
    What is around a daemon: links, a server at the end of each, and time.

    @ivar clock: the only time there is; it begins at second 1000.
    @ivar kernel: links, addresses, routes.
    @ivar server: whoever answers on every uplink.
    @ivar silent: links on which nothing comes through.
    @ivar sent: second, link and message of everything the daemon sent.
    """

    def __init__(self, text: str = ONE, *, seed: int = 1) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.times = SetTimes()
        self.kernel = HouseKernel(self.clock)
        self.privilege = HousePrivilege(self)
        self.reactor = FakeReactor()
        self.store: Any = MemoryStore(self.times)
        self.server = DelegatingServer()
        self.silent: set[str] = set()
        self.sent: list[tuple[float, str, Message]] = []
        self.holder = ""
        self.config = configuration(text)
        source = Random(seed)
        self.randomness = Chance(random=source.random, transaction_id=lambda: source.getrandbits(24))

    # What happens around.

    def add_uplink(self, name: str = "eth0") -> None:
        """An upstream link appears, with carrier and a link-local address."""
        self.kernel.add_link(name)
        self.kernel.add_foreign_address(name, f"{OWN}/64")

    def add_links(self, *downstreams: str) -> None:
        """The links of every uplink appear, and these, or else those of every delegation."""
        for uplink in self.config.uplinks:
            self.add_uplink(uplink.link)
            for link in downstreams or uplink.links:
                self.kernel.add_link(link)

    def carry(self, line: Line, data: bytes, size: int) -> int:
        """Take a datagram to the server, and bring what it answers."""
        self.sent.append((self.clock.seconds(), line.link, decode(data)))
        self.clock.callLater(FLIGHT, self._answer, line, data)
        return size

    def _answer(self, line: Line, data: bytes) -> None:
        if line.link in self.silent:
            return
        for answer in self.server.answer(data, self.clock.seconds()):
            self.clock.callLater(FLIGHT, self.arrive, line, answer)

    def arrive(self, line: Line, data: bytes, source: str = SERVER_ADDRESS) -> None:
        """A datagram comes in on a socket."""
        line.arrive(datagram(data, line.index, source))
        self.reactor.turn()

    def wait(self, seconds: float) -> None:
        """Let time pass, everything being done at its own second."""
        end = self.clock.seconds() + seconds
        for _ in range(MOST_TURNS + int(MOST_TURNS_A_SECOND * seconds)):
            due = [call.getTime() for call in self.clock.getDelayedCalls() if call.getTime() <= end]
            if due:
                self._pass(min(due))
            elif self.clock.seconds() < end:
                self._pass(end)
            else:
                return
        raise AssertionError(f"never at rest: {[str(call) for call in self.clock.getDelayedCalls()][:5]}")

    def _pass(self, moment: float) -> None:
        passed = max(0.0, moment - self.clock.seconds())
        self.times.pass_time(passed)
        self.clock.advance(passed)
        self.clock.rightNow = max(self.clock.rightNow, moment)
        self.kernel.age()

    # What is to be seen.

    def line(self, link: str = "eth0") -> Line:
        """The newest socket on a link."""
        return next(line for line in reversed(self.privilege.lines) if line.link == link)

    def types(self, since: float = 0.0, link: str = "eth0") -> list[str]:
        """What kinds of messages were sent on a link since then."""
        return [
            MessageType(message.message_type).name
            for moment, there, message in self.sent
            if moment >= since and there == link
        ]

    def addresses(self, link: str = "lan0") -> dict[str, tuple[float, float]]:
        """The addresses on a link and the seconds for which they are preferred and valid."""
        index = self.kernel._named(link).index
        now = self.clock.seconds()
        return {
            str(address.address): (address.preferred_until - now, address.valid_until - now)
            for (there, _), address in self.kernel.true.addresses.items()
            if there == index
        }

    def routes(self) -> set[str]:
        """The routes of ours, with what becomes of packets or the name of the link."""
        links = self.kernel.true.links
        return {
            f"{route.prefix} {links[route.index].name if route.index is not None else route.kind}"
            for route in self.kernel.true.routes.values()
        }


class House(Street):
    """
    A daemon without what is particular to processes: router, applier and desk.

    @ivar events: every event that the daemon told.
    @ivar kept: what was written down of which guest has which /64, each time.
    @ivar refuses_numbers: whether nothing of that can be written down.
    """

    def __init__(self, text: str = ONE, *, seed: int = 1, numbers: Numbers = MappingProxyType({})) -> None:
        super().__init__(text, seed=seed)
        self.kept: list[Numbers] = []
        self.refuses_numbers = False
        self.events: list[dict[str, Any]] = []
        self.levels: list[str] = []
        self.identity, self.iaids = numbered(Identity(duid=CLIENT), self.config)
        self.journal = Journal(self.times)
        self.journal.subscribe(self.events.append)
        self.ledger = Ledger(None)
        self.applier = Applier(self.clock, self.privilege, self.ledger, self.kernel, self._changed)
        self.desk: Desk | None = None
        self.router = Router(
            Means(
                clock=self.clock,
                reactor=self.reactor,
                privilege=self.privilege,
                store=self.store,
                table=self.kernel,
                applier=self.applier,
                chance=self.randomness,
                port_holder=lambda: self.holder,
                told=self.journal.record,
                hosting=Hosting(self.applier, self.clock, self.keep_numbers, {"guests": 12}, numbers),
            ),
            self.config,
            lambda uplink: self.identity.duid,
        )
        self.desk = Desk(
            self.router,
            self.applier,
            self.journal,
            clock=self.clock,
            sandbox=lambda: "off",
            who=lambda: self.identity,
            reload=self.reload,
            set_log_level=self.levels.append,
        )
        self.kernel.listen(self.router.links_changed)
        self.kernel.listen_to_prefixes(self.router.prefix_heard)

    def _changed(self) -> None:
        if self.desk is not None:
            self.desk.changed()

    def keep_numbers(self, numbers: Numbers) -> Deferred[None]:
        """Write down which guest has which /64."""
        if self.refuses_numbers:
            return fail(StoreError("no room left"))
        self.kept.append(numbers)
        return succeed(None)

    async def reload(self, dry_run: bool) -> dict[str, Any]:
        """A reload that the desk can ask for."""
        return {"schema": 1, "changed": [], "dry_run": dry_run}

    def begin(self, records: dict[str, UplinkRecord] | None = None) -> House:
        """Start the router, and read."""
        self.router.begin(self.iaids, records or {})
        self.router.read()
        return self

    def replace(self, text: str) -> Any:
        """Put another configuration in place."""
        self.config = configuration(text)
        self.identity, self.iaids = numbered(self.identity, self.config)
        return self.router.replace(self.config, self.iaids)

    def foresee(self, text: str) -> tuple[str, ...]:
        """What another configuration would do."""
        config = configuration(text)
        identity, iaids = numbered(self.identity, config)
        return self.router.foresee(config, iaids, lambda uplink: identity.duid_of(uplink.name))

    def uplink(self, name: str = "wan") -> Uplink:
        """An uplink."""
        return self.router.uplinks[name]

    def told(self, event: str) -> list[dict[str, Any]]:
        """Every event of a name."""
        return [document for document in self.events if document["event"] == event]
