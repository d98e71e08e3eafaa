"""Tests of what is different between two status documents."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from math import inf
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.changes import Snapshot, compare
from tests.control.daemons import WAN


def snapshot(
    taken: float = 0.0, change: Callable[[dict[str, Any]], object] = lambda wan: None, **more: Any
) -> Snapshot:
    """A status with one uplink, after a change of it."""
    wan = deepcopy(WAN)
    change(wan)
    return Snapshot(status={"uplinks": {"wan": wan}, "guests": {}, "switches": {}, **more}, taken=taken)


def lifetimes(preferred: float | None, valid: float | None) -> Callable[[dict[str, Any]], object]:
    """Sets what is left of the only prefix."""
    return lambda wan: wan["prefixes"][0].update(preferred_seconds=preferred, valid_seconds=valid)


class CompareTests(SynchronousTestCase):
    """Tests of L{compare}."""

    def whats(self, old: Snapshot, new: Snapshot) -> list[str]:
        """What is told to be different."""
        return [entry["what"] for entry in compare(old, new)]

    def test_nothing(self) -> None:
        """Time that passes, counters and the next message are no changes, however much of it."""

        def later(wan: dict[str, Any]) -> None:
            lifetimes(10, 5190)(wan)
            wan.update(t1_seconds=0, next_message="rebind", next_message_seconds=3, counters={"sent_renew": 9})

        self.assertEqual(compare(snapshot(), snapshot()), [])
        self.assertEqual(compare(snapshot(100.0), snapshot(1090.0, later)), [])

    def test_from_nothing(self) -> None:
        """Against nothing, everything is new, and so is the reverse gone."""
        entries = compare(Snapshot(), snapshot())
        self.assertEqual([entry["what"] for entry in entries], ["uplink", "prefixes", "assignments"])
        self.assertEqual(entries[0], {"uplink": "wan", "what": "uplink", "old": None, "new": "eth0"})
        self.assertEqual(entries[1]["new"], ["2001:db8::/56"])
        for entry, reverse in zip(entries, compare(snapshot(), Snapshot()), strict=True):
            self.assertEqual((entry["old"], entry["new"]), (reverse["new"], reverse["old"]))

    def test_plain(self) -> None:
        """State, server, link and what is told beside the lease are told as they were and are."""
        (entry,) = compare(snapshot(), snapshot(change=lambda wan: wan.update(state="rebinding")))
        self.assertEqual(entry, {"uplink": "wan", "what": "state", "old": "bound", "new": "rebinding"})
        for key in ("link", "server_duid", "excluded", "unassigned", "information"):
            self.assertEqual(
                self.whats(snapshot(), snapshot(change=lambda wan, key=key: wan.update({key: "x"}))), [key]
            )

    def test_lifetimes(self) -> None:
        """A lifetime that ends at another time is told with both; whole seconds and a slow answer are no change."""
        old, new = snapshot(50.0, lifetimes(100, 200)), snapshot(80.0, lifetimes(100, 200))
        (entry,) = compare(old, new)
        self.assertEqual((entry["what"], entry["old"]), ("lifetimes", {"2001:db8::/56": [100, 200]}))
        self.assertEqual(self.whats(old, snapshot(81.2, lifetimes(67, 170))), [])
        self.assertEqual(self.whats(old, snapshot(80.0, lifetimes(70, 270))), ["lifetimes"])
        self.assertEqual(self.whats(old, snapshot(80.0, lifetimes(70, None))), ["lifetimes"])
        self.assertEqual(self.whats(snapshot(0, lifetimes(None, None)), snapshot(9e9, lifetimes(None, None))), [])

    def test_deprecated(self) -> None:
        """A prefix whose preferred lifetime has ended has changed, once."""
        old = snapshot(50.0, lifetimes(100, 200))
        deprecated = snapshot(151.0, lifetimes(0, 99))
        self.assertEqual(self.whats(old, deprecated), ["lifetimes"])
        self.assertEqual(self.whats(deprecated, snapshot(170.0, lifetimes(0, 80))), [])

    def test_assignments(self) -> None:
        """Of assignments only those are told that differ; the words of a problem are no difference."""

        def lost(wan: dict[str, Any]) -> None:
            wan["assignments"][0].update(installed=False, problem={"text": "x"})

        def more(wan: dict[str, Any]) -> None:
            wan["assignments"].append({**wan["assignments"][0], "link": "lan1"})

        (entry,) = compare(snapshot(), snapshot(change=lost))
        self.assertEqual(list(entry["new"]), ["lan0 2001:db8::1"])
        self.assertFalse(entry["new"]["lan0 2001:db8::1"]["installed"])
        (entry,) = compare(snapshot(), snapshot(change=more))
        self.assertEqual((entry["old"], list(entry["new"])), ({}, ["lan1 2001:db8::1"]))
        words = snapshot(change=lambda wan: wan["assignments"][0].update(problem={"text": "x"}))
        self.assertEqual(compare(snapshot(), words), [])

    def test_stale(self) -> None:
        """Subnets that hosts must be told are over are told when there are others; not for how much longer."""
        one = {"link": "lan0", "subnet": "2001:db8:9::/64", "seconds": 5400}
        old = snapshot(change=lambda wan: wan.update(stale=[one]))
        later = snapshot(change=lambda wan: wan.update(stale=[{**one, "seconds": 5391}]))
        (entry,) = compare(snapshot(), old)
        self.assertEqual((entry["what"], entry["old"], entry["new"]), ("stale", [], ["lan0 2001:db8:9::/64"]))
        self.assertEqual(compare(old, later), [])

    def test_guests(self) -> None:
        """Guests and switches that differ are told by name."""
        web = {"web1": [{"link": "tap0", "ready": True}]}
        (entry,) = compare(snapshot(), snapshot(guests=web))
        self.assertEqual(entry, {"uplink": None, "what": "guests", "old": {}, "new": web})
        (entry,) = compare(snapshot(switches={"lab": 1, "other": 1}), snapshot(switches={"lab": 2, "other": 1}))
        self.assertEqual(entry, {"uplink": None, "what": "switches", "old": {"lab": 1}, "new": {"lab": 2}})


class NextEndTests(SynchronousTestCase):
    """When to look without an event."""

    def test_next_end(self) -> None:
        """A second after the next lifetime has ended, for whole seconds are told; never if all are for ever."""
        self.assertEqual(snapshot(50.0, lifetimes(100, 200)).next_end, 151.0)
        self.assertEqual(snapshot(50.0, lifetimes(0, 200)).next_end, 251.0)
        self.assertEqual(snapshot(50.0, lifetimes(None, None)).next_end, inf)
        self.assertEqual(Snapshot().next_end, inf)
