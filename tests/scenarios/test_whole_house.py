"""
The whole daemon on virtual time, from the first Solicit to the last address, between a server and a kernel in memory.

Units are tested beside their modules; here it is shown that they fit together.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from errno import ENETDOWN
from importlib.resources import files
from ipaddress import IPv6Network
from random import Random
from typing import Any

from attrs import evolve
from jsonschema import validate
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import Request
from pdlease.client.states import State
from pdlease.demo.delegating import Terms
from pdlease.lease import UplinkRecord
from tests.house import ONE, OWN, TWO, House, held_port


def schema(name: str) -> Any:
    """One of the schemas that are shipped."""
    return json.loads((files("pdlease.control") / "schemas" / f"{name}.json").read_text())


class BoundCase(SynchronousTestCase):
    """A house with one uplink."""

    def setUp(self) -> None:
        self.house = House()
        self.house.add_links()

    def bound(self) -> House:
        """The house with one uplink bound."""
        self.house.begin()
        self.house.wait(3)
        self.assertEqual(self.state(), "bound")
        return self.house

    def state(self, name: str = "wan") -> str:
        """What an uplink does."""
        return self.house.uplink(name).session.state.name.lower()

    def status(self) -> dict[str, Any]:
        """The status document, which must be of its schema."""
        assert self.house.desk is not None
        document = self.house.desk.status(None)
        validate(document, schema("status"))
        return document


class LifeTests(BoundCase):
    """The life of one lease."""

    def test_from_solicit_to_addresses(self) -> None:
        """
        Solicit, Advertise, Request and Reply end with an address, an on-link route and an unreachable route that bear
        the lifetimes of the Reply from its arrival on (D52, L-15, WPD-5).
        """
        house = self.bound()
        self.assertEqual(house.types(), ["SOLICIT", "REQUEST"])
        ((address, (preferred, valid)),) = house.addresses().items()
        self.assertEqual(address, "2001:db8::1/64")
        replied = next(event["time"] for event in house.told("lease")) - house.times.walled
        self.assertTrue(-1.01 < preferred - (3600 + replied) < 0.01, preferred)
        self.assertTrue(-1.01 < valid - (7200 + replied) < 0.01, valid)
        self.assertEqual(house.routes(), {"2001:db8::/64 lan0", "2001:db8::/64 unreachable"})

    def test_applied_in_the_turn_of_the_reply(self) -> None:
        """A Reply is applied before anything else is done: address and routes are asked for in the same turn."""
        house = self.house.begin()
        for _ in range(1000):
            if house.told("lease"):
                break
            house.wait(0.005)
        self.assertEqual(
            [type(operation).__name__ for operation in house.privilege.asked],
            ["PutUnreachable", "PutAddress", "PutRoute"],
        )

    def test_status_document(self) -> None:
        """The status document shows what is held, until when, from whom, and how each assignment stands."""
        self.bound()
        document = self.status()
        wan = document["uplinks"]["wan"]
        self.assertEqual((document["schema"], document["guests"], document["switches"]), (1, {}, {}))
        self.assertEqual(
            [(wan[key]) for key in ("link", "state", "reason", "server_duid", "excluded", "next_message")],
            ["eth0", "bound", "served", str(self.house.server.terms.server), None, "renew"],
        )
        (prefix,) = wan["prefixes"]
        self.assertEqual((prefix["prefix"], prefix["infinite"]), ("2001:db8::/64", False))
        self.assertEqual(prefix["preferred_seconds"] - wan["t1_seconds"], 1800)
        self.assertEqual(wan["next_message_seconds"], wan["t1_seconds"])
        self.assertEqual(
            wan["assignments"],
            [
                {
                    "link": "lan0",
                    "subnet": "2001:db8::/64",
                    "address": "2001:db8::1",
                    "preferred_seconds": wan["prefixes"][0]["preferred_seconds"],
                    "valid_seconds": wan["prefixes"][0]["valid_seconds"],
                    "installed": True,
                    "tentative": False,
                    "condition": "installed",
                    "problem": None,
                }
            ],
        )
        self.assertEqual(wan["counters"]["sent_solicit"], 1)

    def test_every_key_before_anything_happened(self) -> None:
        """Every key of the status document is there from the start, null where nothing is known."""
        self.house.begin()
        before = self.status()["uplinks"]["wan"]
        self.house.wait(3)
        self.assertEqual(before.keys(), self.status()["uplinks"]["wan"].keys())
        self.assertIsNone(before["server_duid"])
        self.assertEqual((before["prefixes"], before["assignments"]), ([], []))

    def test_for_ever(self) -> None:
        """An infinite lifetime is shown as null and infinite, and makes no renewal (RFC 9915, section 7.7)."""
        self.house.server.terms = Terms(preferred=0xFFFFFFFF, valid=0xFFFFFFFF)
        self.bound()
        wan = self.status()["uplinks"]["wan"]
        self.assertEqual(
            [wan["prefixes"][0][key] for key in ("preferred_seconds", "valid_seconds", "infinite")], [None, None, True]
        )
        self.assertEqual((wan["t1_seconds"], wan["next_message"]), (None, None))
        # whoever asks for the status has the kernel asked
        self.house.wait(1)
        self.assertEqual(self.house.clock.getDelayedCalls(), [])

    def test_idle(self) -> None:
        """Bound and settled, the one thing that will wake the daemon is T1 (issue 2: no wake-ups of our own making)."""
        house = self.bound()
        self.assertEqual([round(call.getTime()) for call in house.clock.getDelayedCalls()], [2801])

    def test_renew_at_t1(self) -> None:
        """At T1 the lease is renewed and the lifetimes in the kernel begin anew (R-18.2.4-01)."""
        house = self.bound()
        t1 = house.uplink().lease.t1_at
        house.wait(t1 - house.clock.seconds() + 1)
        self.assertEqual(house.types(), ["SOLICIT", "REQUEST", "RENEW"])
        self.assertEqual(house.sent[-1][0], t1)
        self.assertGreater(house.addresses()["2001:db8::1/64"][1], 7198)

    def test_rebind_at_t2_and_expiry(self) -> None:
        """
        A server that is gone is asked by Renew, then everybody by Rebind from T2; at the end of the valid lifetime
        address and routes are gone and Solicit begins (R-18.2.5-01, R-18.2.5-02).
        """
        house = self.bound()
        house.silent.add("eth0")
        ends = house.uplink().lease.valid_until
        t2 = house.uplink().lease.t2_at
        house.wait(ends - house.clock.seconds() - 2)
        self.assertEqual(next(m for m, _, s in house.sent if s.message_type == 6), t2)
        self.assertIn("2001:db8::1/64", house.addresses())
        house.wait(2.5)
        self.assertEqual((house.addresses(), house.routes()), ({}, set()))
        self.assertEqual(self.state(), "soliciting")
        self.assertEqual(house.types(since=ends)[0], "SOLICIT")

    def test_renumbering_deprecates(self) -> None:
        """
        R-18.2.10.1-05: at a renumbering the new prefix is put on the LAN before the old one goes; the old one stays,
        deprecated, until its own end (L-13).
        """
        house = self.bound()
        house.server.renumber([IPv6Network("2001:db8:ff00::/40")], "deprecate")
        house.privilege.take()
        house.wait(1900)
        addresses = house.addresses()
        self.assertEqual(list(addresses), ["2001:db8::1/64", "2001:db8:ff00::1/64"])
        self.assertLessEqual(addresses["2001:db8::1/64"][0], 0)
        self.assertGreater(addresses["2001:db8::1/64"][1], 5000)
        house.wait(6000)
        self.assertEqual(list(house.addresses()), ["2001:db8:ff00::1/64"])

    def test_renumbering_withdraws(self) -> None:
        """R-18.2.10.1-04: a prefix that the server names with lifetimes 0/0 is removed at once."""
        house = self.bound()
        house.server.renumber([IPv6Network("2001:db8:ff00::/40")], "withdraw")
        house.wait(1900)
        self.assertEqual(list(house.addresses()), ["2001:db8:ff00::1/64"])
        self.assertEqual(house.routes(), {"2001:db8:ff00::/64 lan0", "2001:db8:ff00::/64 unreachable"})

    def test_release(self) -> None:
        """
        R-18.2.7-03: a Release comes after the addresses are gone and ends when the server has answered (design 19).
        """
        house = self.bound()
        assert house.desk is not None
        released = house.desk.release("wan", False)
        self.assertNoResult(released)
        self.assertEqual(house.addresses(), {})
        house.wait(1)
        self.assertEqual(self.successResultOf(released), {"wan": "released"})
        self.assertEqual(house.types()[-1], "RELEASE")
        self.assertEqual(self.state(), "stopped")
        self.assertEqual(house.server.bindings, {})

    def test_release_asked_twice(self) -> None:
        """Whoever asks for a Release while one is under way is answered at its end as well."""
        house = self.bound()
        first, second = house.uplink().release(), house.uplink().release()
        house.wait(1)
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertEqual(house.types().count("RELEASE"), 1)

    def test_release_while_the_link_goes(self) -> None:
        """A Release that the link cuts short is over: nobody waits for it any more."""
        house = self.bound()
        house.silent.add("eth0")
        released = house.uplink().release()
        house.kernel.carrier("eth0", False)
        house.wait(0.1)
        self.successResultOf(released)

    def test_restart_with_a_lease(self) -> None:
        """
        R-RST-01, C.15-08: after a restart the addresses are there before the first message, which is a Rebind.
        """
        record = self.bound().uplink().record
        again = House()
        again.server = self.house.server
        again.add_links()
        again.clock.advance(self.house.clock.seconds() - again.clock.seconds())
        again.begin({"wan": record})
        self.assertIn("2001:db8::1/64", again.addresses())
        again.wait(2)
        self.assertEqual(again.types(), ["REBIND"])
        self.assertEqual(again.uplink().session.state.name, "BOUND")

    def test_restart_with_an_untrusted_lease(self) -> None:
        """
        A lease that nobody can date is asked for but not installed before a server confirms it (R-12-06, design 14).
        """
        record = self.bound().uplink().record
        again = House()
        again.server = self.house.server
        again.add_links()
        again.begin({"wan": evolve(record, trusted=False)})
        self.assertEqual((again.addresses(), again.routes()), ({}, set()))
        self.assertEqual(again.uplink().record, evolve(record, trusted=False))
        again.wait(2)
        self.assertEqual(again.types(), ["REBIND"])
        self.assertIn("2001:db8::1/64", again.addresses())
        self.assertTrue(again.uplink().record.trusted)

    def test_untrusted_and_unconfirmed(self) -> None:
        """An untrusted lease that nobody confirms is never used, and a Solicit names it (R-8168-02)."""
        record = self.bound().uplink().record
        again = House()
        again.silent.add("eth0")
        again.add_links()
        again.begin({"wan": evolve(record, trusted=False)})
        again.wait(30)
        self.assertEqual((again.types()[0], again.types()[-1]), ("REBIND", "SOLICIT"))
        self.assertEqual(again.addresses(), {})
        self.assertEqual([str(p.network) for p in again.sent[-1][2].ia_pds[0].prefixes], ["2001:db8::/64"])


class LinkTests(BoundCase):
    """What links do to leases."""

    def test_carrier_lost_and_back(self) -> None:
        """R-18.2.12-01: carrier lost for two seconds takes nothing from the LAN; a Rebind follows its return."""
        house = self.bound()
        house.kernel.carrier("eth0", False)
        house.wait(2)
        self.assertEqual(self.state(), "down")
        self.assertIn("2001:db8::1/64", house.addresses())
        back = house.clock.seconds()
        house.kernel.carrier("eth0", True)
        house.wait(1.1)
        self.assertEqual(house.types(since=back), ["REBIND"])
        self.assertEqual(self.state(), "bound")

    def test_made_again_with_another_index(self) -> None:
        """
        An uplink that is deleted and made again, as PPP does, gets a new socket for its new index; the lease is kept
        and confirmed by a Rebind (design 16).
        """
        house = self.bound()
        old = house.line()
        house.kernel.remove_link("eth0")
        house.wait(0.1)
        self.assertEqual(old.closed, 1)
        self.assertIn("2001:db8::1/64", house.addresses())
        house.add_uplink("eth0")
        house.wait(2)
        self.assertIsNot(house.line(), old)
        self.assertEqual(house.privilege.opened, [("eth0", old.index), ("eth0", house.line().index)])
        self.assertEqual(house.types()[-1], "REBIND")
        self.assertEqual(self.state(), "bound")

    def test_link_local_address_is_waited_for(self) -> None:
        """
        R-5-04: while the link-local address is tentative nothing is sent; with its confirmation, which is heard and not
        polled, the Solicit goes out (D3).
        """
        house = House()
        house.kernel.detects = True
        house.kernel.add_link("lan0")
        link = house.kernel.add_link("eth0")
        house.begin()
        self.assertEqual(house.uplink().waits_for, "a link-local address on eth0")
        house.wait(10)
        self.assertEqual((house.sent, house.clock.getDelayedCalls()), ([], []))
        address = house.kernel.add_foreign_address("eth0", f"{OWN}/64")
        house.kernel._set_address(evolve(address, flags=0x40))
        house.wait(0.1)
        self.assertEqual(house.uplink().waits_for, "duplicate address detection on eth0")
        house.kernel._set_address(evolve(address, flags=0x48))
        house.wait(0.1)
        self.assertEqual(house.uplink().waits_for, "a link-local address on eth0 that no other host has")
        house.kernel._set_address(address)
        house.wait(0.1)
        self.assertEqual((house.types(), link.index), (["SOLICIT"], house.line().index))

    def test_late_downstream(self) -> None:
        """A downstream link that appears after the Reply gets its address within a second."""
        house = House()
        house.add_uplink()
        house.begin()
        house.wait(3)
        assert house.desk is not None
        waiting = house.desk.wait("wan")
        self.assertNoResult(waiting)
        house.kernel.add_link("lan0")
        house.wait(1)
        self.assertIn("2001:db8::1/64", house.addresses())
        self.assertEqual(self.successResultOf(waiting)["uplinks"]["wan"]["state"], "bound")

    def test_flushed(self) -> None:
        """An address that C{ip addr flush} took is back within a second."""
        house = self.bound()
        house.kernel.flush("lan0")
        self.assertEqual(house.addresses(), {})
        house.wait(1)
        self.assertIn("2001:db8::1/64", house.addresses())

    def test_two_uplinks(self) -> None:
        """Two uplinks get prefixes of their own and touch nothing of each other's."""
        house = House(TWO)
        house.add_links("lan0")
        house.kernel.add_link("lan1")
        house.kernel.add_link("lan2")
        house.begin()
        house.wait(4)
        self.assertEqual([uplink.session.state.name for uplink in house.router.uplinks.values()], ["BOUND", "BOUND"])
        before = house.addresses("lan1"), house.addresses("lan2")
        self.assertEqual([len(addresses) for addresses in before], [1, 1])
        released = house.uplink("wan").release()
        house.wait(1)
        self.successResultOf(released)
        self.assertEqual(house.addresses("lan0"), {})
        self.assertEqual(
            (house.addresses("lan1").keys(), house.addresses("lan2").keys()), tuple(b.keys() for b in before)
        )

    def test_slept(self) -> None:
        """
        R-18.2.12-01: after a suspend the kernel is told all lifetimes anew, and the lease is asked for by Rebind with
        the times of Confirm, for the machine may be elsewhere; a lease that has ended meanwhile is gone at once, and
        who was told to be silent stays so.
        """
        house = self.bound()
        house.privilege.take()
        since = house.clock.seconds()
        house.silent.add("eth0")
        house.router.resumed()
        self.assertEqual(
            {type(operation).__name__ for operation in house.privilege.take()},
            {"PutAddress", "PutRoute", "PutUnreachable"},
        )
        house.wait(9)
        self.assertEqual(set(house.types(since)), {"REBIND"})
        self.assertIn(len(house.types(since)), (4, 5))
        self.assertIn("2001:db8::1/64", house.addresses())
        house.silent.clear()
        house.wait(5)
        self.assertEqual(self.state(), "bound")
        house.clock.rightNow += 10_000
        house.router.resumed()
        self.assertEqual((house.addresses(), house.types()[-1]), ({}, "SOLICIT"))
        house.uplink().ask(Request.STOP)
        count = len(house.sent)
        house.router.resumed()
        house.wait(10)
        self.assertEqual((len(house.sent), self.state()), (count, "stopped"))

    def test_stop_releases_nothing(self) -> None:
        """A stop sends nothing and leaves addresses and routes where they are (design 19)."""
        house = self.bound()
        house.wait(1)
        sent = len(house.sent)
        house.router.stop()
        house.applier.stop()
        house.kernel.listeners.clear()
        house.wait(5000)
        self.assertIn("2001:db8::1/64", house.addresses())
        self.assertEqual(len(house.sent), sent)
        self.assertEqual((house.line().closed, house.reactor.readers), (1, []))
        self.assertEqual(house.clock.getDelayedCalls(), [])


class RecordTests(SynchronousTestCase):
    """What is remembered."""

    def test_kept_after_it_was_applied(self) -> None:
        """A Reply is applied first and written afterwards (design 18)."""
        house = House()
        house.add_links()
        order: list[str] = []
        save = house.store.save_uplink

        def noted(name: str, record: UplinkRecord) -> Any:
            order.extend(house.addresses())
            order.append(name)
            return save(name, record)

        house.store = _Noting(noted)
        house.router._around = evolve(house.router._around, store=house.store)
        house.begin()
        house.wait(3)
        self.assertEqual(order, ["2001:db8::1/64", "wan"])


class _Noting:
    """A store that only saves."""

    def __init__(self, save_uplink: Any) -> None:
        self.save_uplink = save_uplink


class WalkTests(SynchronousTestCase):
    """Whatever happens, in whatever order."""

    def deeds(self, house: House, chosen: Random) -> dict[str, Callable[[], object]]:
        """What can happen to a house; what makes no sense just now is nothing."""
        kernel, privilege = house.kernel, house.privilege
        link = chosen.choice(["eth0", "ppp0"])
        is_there = kernel.link_named(link) is not None
        uplink = chosen.choice(list(house.router.uplinks.values()))
        line = chosen.choice(privilege.lines) if privilege.lines else None
        deeds: dict[str, Callable[[], object]] = {
            "wait": lambda: house.wait(chosen.random() * 5),
            "wait long": lambda: house.wait(chosen.random() * 90),
            "sockets are slow": lambda: setattr(privilege, "slow", not privilege.slow),
            "the port is held": lambda: privilege.refusals.append(held_port(link)),
            "the server is silent, or not": lambda: house.silent.symmetric_difference_update({link}),
            "the server forgets": house.server.forget,
            "the server renumbers": lambda: house.server.renumber(
                [IPv6Network((0x20010DB8 << 96 | chosen.randrange(1, 9) << 92, 40))],
                chosen.choice(["deprecate", "withdraw", "forget"]),
            ),
            "reload": lambda: house.replace(chosen.choice([ONE, TWO, ONE.replace('"lan0"', '"lan0", "lan9"')])),
            "release": lambda: self.waiting.append(uplink.release()),
            "renew": lambda: house.desk is not None and house.desk.renew(None),
            "the machine slept": house.router.resumed,
            "addresses are flushed": lambda: kernel.flush("lan0"),
        }
        if is_there:
            deeds["carrier"] = lambda: kernel.carrier(link, chosen.random() < 0.5)
            deeds["the link goes"] = lambda: kernel.remove_link(link)
        else:
            deeds["the link comes"] = lambda: house.add_uplink(link)
        if privilege.asked_sockets:
            deeds["a socket is opened"] = privilege.open_one
        if line is not None:
            deeds["sending fails, or not"] = lambda: setattr(
                line, "refusing", None if line.refusing else OSError(ENETDOWN, "Network is down")
            )
        return deeds

    def settle(self, house: House) -> None:
        """Nothing stands in the way any more."""
        house.privilege.slow = False
        house.privilege.refusals.clear()
        house.silent.clear()
        for _ in tuple(house.privilege.asked_sockets):
            house.privilege.open_one()
        for line in house.privilege.lines:
            line.refusing = None
        for link in ("eth0", "ppp0"):
            if house.kernel.link_named(link) is None:
                house.add_uplink(link)
            else:
                house.kernel.carrier(link, True)
        house.wait(1)
        for uplink in house.router.uplinks.values():
            if uplink.session.state is State.STOPPED:
                uplink.ask(Request.SOLICIT)
        house.wait(4000)

    def walk(self, seed: int) -> None:
        """One walk."""
        chosen = Random(seed)
        house = House(TWO, seed=seed)
        self.waiting: list[Deferred[None]] = []
        house.add_links("lan0")
        for link in ("lan1", "lan2", "lan9"):
            house.kernel.add_link(link)
        house.server.terms = Terms(preferred=60, valid=120)
        house.begin()
        trace = [f"seed {seed}"]
        for _ in range(60):
            deeds = self.deeds(house, chosen)
            trace.append(chosen.choice(sorted(deeds)))
            deeds[trace[-1]]()
        self.settle(house)
        states = {uplink.session.state for uplink in house.router.uplinks.values()}
        self.assertTrue(states <= {State.BOUND, State.RENEWING}, (states, trace))
        self.assertTrue(all(waiting.called for waiting in self.waiting), trace)
        self.assertEqual(sum(not line.closed for line in house.privilege.lines), len(house.router.uplinks), trace)
        wanted = {
            str(address.address)
            for share in house.router.shares.values()
            for carved in share.carvings
            for address in carved.addresses
        }
        there = {address for link in ("lan0", "lan1", "lan2", "lan9") for address in house.addresses(link)}
        self.assertEqual(there, wanted, trace)
        house.kernel.listeners.clear()
        house.router.stop()
        house.applier.stop()
        house.wait(0)
        self.assertEqual(house.clock.getDelayedCalls(), [], trace)

    def test_comes_to_rest(self) -> None:
        """
        After any walk through failures of links, sockets, sending and servers, reloads and Releases, every uplink is
        bound once nothing stands in the way; the kernel holds just what is wanted, each uplink has one socket, nobody
        waits for ever, and a stop leaves no timer.
        """
        for seed in range(8):
            self.walk(seed)
