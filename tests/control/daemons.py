"""A daemon that only answers, and the pieces that tests of this room put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from zope.interface import implementer

from pdlease.control.connection import ControlConnection
from pdlease.control.history import EventRing
from pdlease.control.roles import Role
from pdlease.interfaces import IDaemonControl, Refused, UnknownUplink

WAN = {
    "link": "eth0",
    "state": "bound",
    "reason": "lease_held",
    "reason_text": "The lease is good.",
    "server_duid": "000200000001aabb",
    "prefixes": [
        {
            "prefix": "2001:db8::/56",
            "iaid": 1,
            "preferred_seconds": 1000,
            "valid_seconds": 6180,
            "infinite": False,
        }
    ],
    "excluded": None,
    "t1_seconds": 500,
    "t2_seconds": 800,
    "next_message": "renew",
    "next_message_seconds": 500.5,
    "counters": {"sent_solicit": 1, "wrong_transaction": 0},
    "assignments": [
        {
            "link": "lan0",
            "subnet": "2001:db8::/64",
            "address": "2001:db8::1",
            "installed": True,
            "tentative": False,
            "problem": None,
        }
    ],
}


SPACE: dict[str, Any] = {
    "wan": {
        "link": "eth0",
        "delegations": [
            {
                "iaid": 1,
                "needed_length": 64,
                "requested_length": 64,
                "prefixes": [
                    {
                        "prefix": "2001:db8::/63",
                        "parts": [
                            {
                                "kind": "downstream",
                                "first": "2001:db8::",
                                "last": "2001:db8::ffff:ffff:ffff:ffff",
                                "subnet": "2001:db8::/64",
                                "link": "lan0",
                                "guest": None,
                                "address": "2001:db8::1",
                            },
                            {
                                "kind": "free",
                                "first": "2001:db8:0:1::",
                                "last": "2001:db8:0:1:ffff:ffff:ffff:ffff",
                                "subnet": None,
                                "link": None,
                                "guest": None,
                                "address": None,
                            },
                        ],
                        "without": [],
                    }
                ],
                "planned": [],
            }
        ],
    }
}
"""The space beside the plan."""


@implementer(IDaemonControl)
class FakeDaemon:
    """
    Provides L{IDaemonControl} with one uplink, C{wan}.

    @ivar calls: what was asked that changes something.
    @ivar waits: the waits not yet answered.
    @ivar padding: octets of filling in the status document.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.waits: list[Deferred[dict[str, Any]]] = []
        self.listeners: list[Callable[[dict[str, Any]], None]] = []
        self.padding = 0
        self.wan: dict[str, Any] = dict(WAN)
        self.sentences = ["wan is bound."]

    def _known(self, uplink: str | None) -> None:
        if uplink not in (None, "wan"):
            raise UnknownUplink(f"There is no uplink {uplink}; there is wan.")

    def status(self, uplink: str | None) -> dict[str, Any]:
        self._known(uplink)
        document: dict[str, Any] = {
            "schema": 1,
            "version": "0.1",
            "sandbox": "off",
            "uplinks": {"wan": self.wan},
            "guests": {},
            "switches": {},
        }
        if self.padding:
            document["padding"] = "x" * self.padding
        return document

    def plan(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "uplinks": {
                "wan": [
                    {
                        "iaid": 1,
                        "needed_length": 64,
                        "requested_length": 64,
                        "prefix": "2001:db8::/56",
                        "assignments": [{"link": "lan0", "subnet": "2001:db8::/64", "address": "2001:db8::1"}],
                        "unassigned": [],
                    }
                ]
            },
            "guests": {},
            "switches": {},
            "space": SPACE,
        }

    def wait(self, uplink: str) -> Deferred[dict[str, Any]]:
        self._known(uplink)
        wait: Deferred[dict[str, Any]] = Deferred(self.waits.remove)
        self.waits.append(wait)
        return wait

    def why(self, uplink: str | None) -> list[str]:
        self._known(uplink)
        return self.sentences

    def renew(self, uplink: str | None) -> dict[str, str]:
        self._known(uplink)
        self.calls.append(("renew", uplink))
        return {"wan": "Renew was sent."}

    def rebind(self, uplink: str | None) -> dict[str, str]:
        self._known(uplink)
        self.calls.append(("rebind", uplink))
        return {"wan": "Rebind was sent."}

    def request(self, uplink: str | None) -> dict[str, str]:
        self._known(uplink)
        self.calls.append(("request", uplink))
        return {"wan": "Rebind was sent."}

    def guests(self) -> dict[str, Any]:
        return {"schema": 1, "guests": {}, "switches": {}}

    def counters(self, uplink: str | None) -> dict[str, Any]:
        self._known(uplink)
        return {"schema": 1, "uplinks": {"wan": {"sent_solicit": 1}}}

    def release(self, uplink: str, force: bool) -> Deferred[dict[str, str]]:
        self._known(uplink)
        self.calls.append(("release", uplink, force))
        if not force:
            raise Refused("Guest web1 holds 2001:db8:0:1::/64; release with force.")
        return succeed({"wan": "The prefixes were given back."})

    def reload(self, dry_run: bool) -> Deferred[dict[str, Any]]:
        self.calls.append(("reload", dry_run))
        return succeed({"changed": ["wan"], "operations": ["add 2001:db8::1/64 to lan0"]})

    def set_log_level(self, level: str) -> None:
        self.calls.append(("set_log_level", level))

    def identity(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "duid": "0004aabb",
            "iaids": [{"uplink": "wan", "delegation": "lan0", "iaid": 1}],
        }

    def subscribe(self, listener: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def happen(self, sequence: int, **more: object) -> None:
        """Tell every listener of an event."""
        for listener in tuple(self.listeners):
            listener({"sequence": sequence, "time": 1.5, "uplink": "wan", "event": "moved", **more})


def event(sequence: int, **more: object) -> dict[str, object]:
    """An event document."""
    return {"sequence": sequence, "time": 1.5, "uplink": "wan", "event": "moved", **more}


class Transport(StringTransport):
    """A transport that remembers how it was ended and whether it is read."""

    is_lost = False
    is_aborted = False

    def loseConnection(self) -> None:
        self.is_lost = True

    def abortConnection(self) -> None:
        self.is_aborted = True


class Line:
    """
    One control connection over a transport in memory.

    @ivar ended: the connections that have ended.
    """

    def __init__(self, role: Role = Role.ADMIN, daemon: FakeDaemon | None = None) -> None:
        self.daemon = daemon or FakeDaemon()
        self.clock = Clock()
        self.events = EventRing("run1")
        self.ended: list[ControlConnection] = []
        self.connection = ControlConnection(self.daemon, self.clock, self.events, role, "uid 0", self.ended.append)
        self.transport = Transport()
        self.connection.makeConnection(self.transport)
        self._tag = 0

    def send(self, command: str, **arguments: object) -> bytes:
        """Send a command; the tag that its answer will have."""
        from pdlease.control.boxes import encode_box

        self._tag += 1
        tag = b"%x" % self._tag
        box = {b"_ask": tag, b"_command": command.encode()}
        box.update({key.encode(): str(value).encode() for key, value in arguments.items()})
        self.connection.dataReceived(encode_box(box))
        return tag

    def received(self) -> list[dict[bytes, bytes]]:
        """Every box that was written since the last time."""
        boxes = read_boxes(self.transport.value())
        self.transport.clear()
        return boxes

    def ask(self, command: str, **arguments: object) -> dict[bytes, bytes]:
        """Send a command and take its answer, which must be the only box."""
        tag = self.send(command, **arguments)
        (box,) = self.received()
        assert tag in (box.get(b"_answer"), box.get(b"_error")), box
        return box

    def greet(self) -> Line:
        """Say the version."""
        assert self.ask("Version", oldest=1, newest=1, software="test")[b"protocol"] == b"1"
        return self


def read_boxes(octets: bytes) -> list[dict[bytes, bytes]]:
    """Every box in octets, which must end with one."""
    from pdlease.control.boxes import read_box

    position = 0

    def read_exactly(count: int) -> bytes:
        nonlocal position
        part = octets[position : position + count]
        assert len(part) == count
        position += count
        return part

    boxes = []
    while position < len(octets):
        boxes.append(read_box(read_exactly))
    return boxes
