"""
Tests of L{pdlease.desk}; those of its journal are in L{tests.test_journal} as well.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from attrs import evolve
from jsonschema import validate
from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pdlease.client.states import State
from pdlease.config.model import NIC, Guest
from pdlease.desk import Desk, Journal
from pdlease.interfaces import IDaemonControl, Refused, UnknownUplink
from pdlease.testing import SetTimes
from tests.house import CLIENT, ONE, TWO, House


def schema(name: str) -> Any:
    """One of the schemas that are shipped."""
    return json.loads((files("pdlease.control") / "schemas" / f"{name}.json").read_text())


class JournalTests(SynchronousTestCase):
    """Tests of L{Journal}."""

    def test_numbers(self) -> None:
        """Every event has the next number, the wall clock's time, and the name of its uplink or null."""
        times = SetTimes()
        journal = Journal(times)
        heard: list[dict[str, Any]] = []
        journal.subscribe(heard.append)
        journal.record("wan", "link", {"waits_for": ""})
        journal.record(None, "reload", {})
        for event in heard:
            validate(event, schema("event"))
        self.assertEqual([(event["sequence"], event["uplink"]) for event in heard], [(1, "wan"), (2, None)])
        self.assertEqual((heard[0]["time"], heard[0]["waits_for"]), (times.walled, ""))

    def test_listener_that_leaves(self) -> None:
        """Who has ended its subscription hears no more; ending it twice does no harm."""
        journal = Journal(SetTimes())
        heard: list[dict[str, Any]] = []
        end = journal.subscribe(heard.append)
        end()
        end()
        journal.record("wan", "link", {})
        self.assertEqual(heard, [])

    def test_listener_that_fails(self) -> None:
        """A listener that fails keeps no other from hearing, nor the daemon from its work."""
        journal = Journal(SetTimes())
        heard: list[dict[str, Any]] = []

        def failing(event: dict[str, Any]) -> None:
            raise RuntimeError("boom")

        journal.subscribe(failing)
        journal.subscribe(heard.append)
        journal.record("wan", "link", {})
        self.assertEqual(len(heard), 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class DeskCase(SynchronousTestCase):
    """A house with its desk at hand."""

    def setUp(self) -> None:
        self.house = House(TWO)
        self.house.add_links("lan0")
        for link in ("lan1", "lan2"):
            self.house.kernel.add_link(link)

    @property
    def desk(self) -> Desk:
        """The desk."""
        assert self.house.desk is not None
        return self.house.desk

    def begin(self, seconds: float = 4.0) -> Desk:
        """The desk of a house that has run for a while."""
        self.house.begin()
        self.house.wait(seconds)
        return self.desk


class LookTests(DeskCase):
    """What can be seen."""

    def test_interface(self) -> None:
        """The desk does all that the control channel may ask of a daemon."""
        self.assertTrue(verifyObject(IDaemonControl, self.desk))

    def test_status(self) -> None:
        """The status is of all uplinks, or of the one asked for, and of its schema in every state."""
        desk = self.begin(0)
        for _ in range(40):
            document = desk.status(None)
            validate(document, schema("status"))
            self.assertEqual(list(document["uplinks"]), ["wan", "dsl"])
            self.house.wait(0.1)
        self.assertEqual(list(desk.status("dsl")["uplinks"]), ["dsl"])

    def test_parts(self) -> None:
        """Guests and counters are those of the status document, of their own schemas, and counters of one uplink."""
        desk = self.begin()
        status, guests, counters = desk.status(None), desk.guests(), desk.counters(None)
        validate(guests, schema("guests"))
        validate(counters, schema("counters"))
        self.assertEqual((guests["guests"], guests["switches"]), (status["guests"], status["switches"]))
        self.assertEqual(counters["uplinks"], {name: one["counters"] for name, one in status["uplinks"].items()})
        self.assertEqual(counters["uplinks"]["wan"]["sent_request"], 1)
        self.assertEqual(list(desk.counters("dsl")["uplinks"]), ["dsl"])

    def test_unknown(self) -> None:
        """The name of an uplink that there is not is told back, by every question that takes one."""
        desk = self.begin(0)
        for ask in (
            *(desk.status, desk.wait, desk.why, desk.counters, desk.renew, desk.rebind, desk.request),
            lambda name: desk.release(name, False),
        ):
            self.assertEqual(str(self.assertRaises(UnknownUplink, ask, "nope")), "nope")

    def test_plan(self) -> None:
        """The plan shows what is held now, and what is asked for where nothing is."""
        desk = self.begin(0)
        document = desk.plan()
        validate(document, schema("plan"))
        self.assertEqual([entry["prefix"] for entry in document["uplinks"]["wan"]], [None])
        self.house.wait(4)
        document = desk.plan()
        validate(document, schema("plan"))
        held = {name: str(uplink.lease.prefixes[0].prefix) for name, uplink in self.house.router.uplinks.items()}
        self.assertEqual({name: entries[0]["prefix"] for name, entries in document["uplinks"].items()}, held)
        self.assertEqual(document["uplinks"]["wan"][0]["iaid"], self.house.iaids["wan", "lan0"])

    def test_plan_with_exclusion(self) -> None:
        """What the server keeps for the uplink of a prefix is left out of the plan (RFC 6603)."""
        self.house.server.terms = evolve(self.house.server.terms, exclude=64, longest=60)
        desk = self.begin()
        (entry,) = desk.plan()["uplinks"]["wan"]
        self.assertEqual(entry["assignments"][0]["address"], self.status_address())
        self.assertIsNotNone(desk.status("wan")["uplinks"]["wan"]["excluded"])

    def status_address(self) -> str:
        """The first address of wan by its status."""
        address: str = self.desk.status("wan")["uplinks"]["wan"]["assignments"][0]["address"]
        return address

    def test_why(self) -> None:
        """Why is told for all uplinks or for one, in sentences."""
        desk = self.begin(0)
        everything = desk.why(None)
        validate({"schema": 1, "sentences": everything}, schema("why"))
        self.assertEqual([line for line in everything if line.startswith("dsl:")], desk.why("dsl"))
        self.assertTrue(all(line.endswith((".", "?")) for line in everything))

    def test_identity(self) -> None:
        """The identity is the DUID and every IAID in use."""
        document = self.begin(0).identity()
        validate(document, schema("identity"))
        self.assertEqual(document["duid"], str(CLIENT))
        self.assertEqual({entry["uplink"] for entry in document["iaids"]}, {"wan", "dsl"})

    def test_events(self) -> None:
        """Who subscribes hears every event until it ends that."""
        heard: list[dict[str, Any]] = []
        end = self.desk.subscribe(heard.append)
        self.begin(2)
        self.assertEqual(heard, self.house.events)
        end()
        self.desk.renew(None)
        self.house.wait(0.1)
        self.assertLess(len(heard), len(self.house.events))


class WaitTests(DeskCase):
    """Tests of L{Desk.wait}."""

    def test_until_served(self) -> None:
        """A wait ends with the status as soon as the uplink is bound and every assignment is installed."""
        self.house.kernel.detects = True
        self.house.begin()
        waiting = self.desk.wait("wan")
        self.house.wait(1.5)
        self.assertEqual(self.house.uplink("wan").session.state, State.BOUND)
        self.assertNoResult(waiting)
        self.house.wait(1.0)
        self.house.wait(0.1)
        document = self.successResultOf(waiting)
        validate(document, schema("status"))
        self.assertTrue(document["uplinks"]["wan"]["assignments"][0]["installed"])

    def test_already(self) -> None:
        """A wait for what is so already ends at once."""
        self.successResultOf(self.begin().wait("wan"))

    def test_removed(self) -> None:
        """A wait for an uplink that a reload removes ends with the news."""
        self.house.silent.add("ppp0")
        waiting = self.begin().wait("dsl")
        self.house.replace(ONE)
        self.assertEqual(str(self.failureResultOf(waiting, UnknownUplink).value), "dsl")

    def test_replaced(self) -> None:
        """A wait for an uplink that a reload replaces goes on with the new one."""
        self.house.silent.add("ppp0")
        waiting = self.begin().wait("dsl")
        self.house.silent.clear()
        self.house.replace(TWO.replace('"lan1", ', '"lan2/64", "lan1", ').replace(', "lan2/60"', ""))
        self.house.wait(60)
        self.assertEqual(self.successResultOf(waiting)["uplinks"]["dsl"]["state"], "bound")

    def test_served_again_without_a_change(self) -> None:
        """
        A session that becomes one that serves, with nothing changing in the kernel, ends a wait as well: here the
        Rebind after a link up that nobody answers.
        """
        self.begin()
        self.house.silent.add("eth0")
        self.house.kernel.carrier("eth0", False)
        self.house.wait(1)
        self.house.kernel.carrier("eth0", True)
        self.house.wait(1)
        waiting = self.desk.wait("wan")
        self.house.wait(5)
        self.assertNoResult(waiting)
        self.house.wait(10)
        self.assertEqual(self.successResultOf(waiting)["uplinks"]["wan"]["state"], "rebinding")

    def test_given_up(self) -> None:
        """Who goes away leaves nothing behind."""
        self.house.silent.add("ppp0")
        desk = self.begin()
        waiting = [desk.wait("dsl") for _ in range(3)]
        for one in waiting[:2]:
            one.cancel()
            self.failureResultOf(one, CancelledError)
        self.assertEqual([waiter for _, waiter in desk._waiters], waiting[2:])

    def test_given_up_by_another(self) -> None:
        """One that is answered may take the others with it, as a connection that closes does."""
        self.house.begin()
        first, second = self.desk.wait("wan"), self.desk.wait("wan")
        first.addCallback(lambda _: second.cancel())
        self.house.wait(4)
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)
        self.assertEqual(self.desk._waiters, [])


class AnnounceTests(DeskCase):
    """What is told of addresses."""

    def told(self) -> list[dict[str, Any]]:
        """What was told of the addresses of wan, of its schema."""
        events = [event for event in self.house.told("assignments") if event["uplink"] == "wan"]
        for event in events:
            validate(event, schema("event"))
        return events

    def test_installed(self) -> None:
        """That the addresses of a lease are there is an event, with each as in the status."""
        desk = self.begin()
        told = self.told()[-1]
        for one, shown in zip(told["changed"], desk.status("wan")["uplinks"]["wan"]["assignments"], strict=True):
            self.assertLessEqual(one.items(), shown.items())
        self.assertTrue(all(one["installed"] for one in told["changed"]))

    def test_put_right(self) -> None:
        """What is put right at once is no event."""
        self.begin()
        before = len(self.told())
        self.house.kernel.flush("lan0")
        self.house.wait(2)
        self.assertTrue(self.house.addresses("lan0"))
        self.assertEqual(len(self.told()), before)

    def test_down(self) -> None:
        """A downstream that goes down and comes back is told, both times."""
        self.begin()
        before = len(self.told())
        self.house.kernel.set_up("lan0", False)
        self.house.wait(1)
        self.house.kernel.set_up("lan0", True)
        self.house.wait(1)
        conditions = [one["condition"] for event in self.told()[before:] for one in event["changed"]]
        self.assertEqual(conditions, ["waiting", "installed"])

    def test_quiet(self) -> None:
        """Without a change nothing is told, and no timer waits for one."""
        self.begin()
        before = len(self.told())
        self.house.wait(100)
        self.assertEqual(len(self.told()), before)
        self.assertIsNone(self.desk._pictures._call)
        self.desk.changed()
        self.desk.stop()
        self.assertFalse([call for call in self.house.clock.getDelayedCalls() if "_compare" in str(call.func)])


class AskTests(DeskCase):
    """What can be asked for."""

    def test_renew(self) -> None:
        """Renew is sent at once on every uplink, or on the one asked for."""
        desk = self.begin()
        self.assertEqual(desk.renew("dsl"), {"dsl": "renewing"})
        self.assertEqual((self.house.types(link="ppp0")[-1], self.house.types()[-1]), ("RENEW", "REQUEST"))
        self.house.wait(1)
        outcomes = desk.renew(None)
        validate({"schema": 1, "uplinks": outcomes}, schema("outcomes"))
        self.assertEqual(outcomes, {"wan": "renewing", "dsl": "renewing"})

    def test_rebind(self) -> None:
        """Rebind likewise."""
        self.assertEqual(self.begin().rebind("wan"), {"wan": "rebinding"})
        self.assertEqual(self.house.types()[-1], "REBIND")

    def test_request(self) -> None:
        """The original's request: a Rebind where prefixes are held, else a search for servers; nothing while down."""
        desk = self.begin()
        self.assertEqual(desk.request("wan"), {"wan": "rebinding"})
        self.assertEqual(self.house.types()[-1], "REBIND")
        self.house.wait(1)
        released = desk.release("wan", False)
        self.house.wait(5)
        self.successResultOf(released)
        self.assertEqual(desk.request("wan"), {"wan": "soliciting"})
        self.house.kernel.carrier("eth0", False)
        self.house.wait(0.1)
        self.assertEqual(desk.request("wan"), {"wan": "not possible now: waiting for carrier on eth0"})

    def test_without_a_link(self) -> None:
        """Where nothing can be sent, the answer says what is waited for."""
        desk = self.begin()
        self.house.kernel.carrier("eth0", False)
        self.house.wait(0.1)
        self.assertEqual(desk.renew("wan"), {"wan": "not possible now: waiting for carrier on eth0"})

    def test_while_releasing(self) -> None:
        """Who asks for a renewal while everything is being given back gets a new search for servers."""
        desk = self.begin()
        self.house.silent.add("eth0")
        released = desk.release("wan", False)
        self.assertNoResult(released)
        self.assertEqual(desk.renew("wan"), {"wan": "soliciting"})
        self.successResultOf(released)

    def test_release(self) -> None:
        """A Release is answered when it is over."""
        desk = self.begin()
        released = desk.release("wan", False)
        self.assertNoResult(released)
        self.house.wait(1)
        self.assertEqual(self.successResultOf(released), {"wan": "released"})

    def test_release_with_guests(self) -> None:
        """While guests hold parts of its prefixes, an uplink is released only by force (R-18.2.7-07)."""
        desk = self.begin()
        guest = Guest(name="web1", id=1, nics=(NIC(link="tap0", delegate="wan"),))
        self.house.router.config = evolve(self.house.router.config, guests=(guest,))
        self.assertIn("web1", str(self.assertRaises(Refused, desk.release, "wan", False)))
        self.assertNotIn("RELEASE", self.house.types())
        self.assertNoResult(desk.release("wan", True))

    def test_reload(self) -> None:
        """A reload is answered with what it did."""
        self.assertEqual(self.successResultOf(self.begin(0).reload(True))["dry_run"], True)

    def test_log_level(self) -> None:
        """How much is logged is changed at once."""
        self.begin(0).set_log_level("debug")
        self.assertEqual(self.house.levels, ["debug"])
