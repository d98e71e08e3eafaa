"""Tests of what people see: durations, colours, safety of foreign text, one block an uplink."""

from __future__ import annotations

import io
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pdlease.control import render
from pdlease.control.wording import Colour, Paint, duration, paint_for, plain
from tests.control.daemons import WAN

PLAIN = Paint(False)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class WordingTests(SynchronousTestCase):
    def test_duration(self) -> None:
        """Durations are in at most two units that follow each other."""
        for seconds, words in (
            (0, "0 s"),
            (-5, "0 s"),
            (0.5, "0.5 s"),
            (5.0, "5 s"),
            (59.9, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3600, "1 h"),
            (3601, "1 h"),
            (6180, "1 h 43 min"),
            (86400, "1 d"),
            (200_000, "2 d 7 h"),
            (None, "for ever"),
        ):
            self.assertEqual(duration(seconds), words, seconds)

    def test_plain(self) -> None:
        """Control sequences, line ends and characters that reverse a line are shown as escapes."""
        self.assertEqual(plain("a\x1b[31mb\r\n\x07"), "a\\x1b[31mb\\r\\n\\x07")
        self.assertEqual(plain("\u202eabc\x9b"), "\\u202eabc\\x9b")
        self.assertEqual(plain("Präfix 2001:db8::/56 ist gut"), "Präfix 2001:db8::/56 ist gut")

    def test_colours_only_on_a_terminal(self) -> None:
        """There are colours only on a terminal, not under NO_COLOR and not on a dumb one."""
        self.assertTrue(paint_for(Terminal(), {}).is_on)
        self.assertTrue(paint_for(Terminal(), {"NO_COLOR": ""}).is_on)
        self.assertFalse(paint_for(Terminal(), {"NO_COLOR": "1"}).is_on)
        self.assertFalse(paint_for(Terminal(), {"TERM": "dumb"}).is_on)
        self.assertFalse(paint_for(io.StringIO(), {}).is_on)
        self.assertEqual(Paint(True)("x", Colour.BAD), "\x1b[31mx\x1b[0m")
        self.assertEqual(Paint(True)("\x1b", Colour.BAD), "\x1b[31m\\x1b\x1b[0m")


class StatusTests(SynchronousTestCase):
    def text(self, **changes: Any) -> str:
        """The status of wan with these changes."""
        return render.status_text({"uplinks": {"wan": {**WAN, **changes}}}, PLAIN)

    def assignment(self, **changes: Any) -> str:
        """The line of an assignment with these changes."""
        text = self.text(assignments=[{**WAN["assignments"][0], **changes}])  # type: ignore[index]
        return next(line for line in text.splitlines() if line.startswith("  lan0 "))

    def test_block(self) -> None:
        """A bound uplink is one block: state, reason, next message, server, prefix, links, counters not zero."""
        self.assertEqual(
            self.text(),
            "wan on eth0: bound\n"
            "  why       The lease is good.\n"
            "  next      Renew in 8 min 20 s\n"
            "  server    000200000001aabb\n"
            "  prefix    2001:db8::/56  valid for 1 h 43 min, preferred for 16 min 40 s\n"
            "  lan0      2001:db8::1/64  installed\n"
            "  sent      Solicit 1\n",
        )

    def test_nothing_yet(self) -> None:
        """An uplink without anything says so, and keys that are null are not shown."""
        text = self.text(
            state="soliciting", server_duid=None, prefixes=[], next_message=None, assignments=[], counters={}
        )
        self.assertEqual(text, "wan on eth0: soliciting\n  why       The lease is good.\n  prefix    none\n")

    def test_prefix(self) -> None:
        """A deprecated prefix is shown as such, an infinite one as for ever."""
        held = dict(WAN["prefixes"][0])  # type: ignore[index,call-overload]
        self.assertIn("deprecated, valid for 1 h 43 min", self.text(prefixes=[{**held, "preferred_seconds": 0}]))
        self.assertIn(
            "2001:db8::/56  for ever\n", self.text(prefixes=[{**held, "infinite": True, "valid_seconds": None}])
        )

    def test_assignments(self) -> None:
        """Installed, tentative, waiting and refused are told apart, the refusal with the kernel's words."""
        problem = {"operation": "add 2001:db8::1/64 to lan0", "errno": 13, "text": "Permission denied"}
        self.assertIn("tentative", self.assignment(installed=False, tentative=True))
        self.assertIn("waiting", self.assignment(installed=False))
        self.assertIn(
            "refused (add 2001:db8::1/64 to lan0: Permission denied)", self.assignment(installed=False, problem=problem)
        )
        self.assertIn("contested", self.assignment(installed=False, condition="contested"))
        self.assertIn("somehow_new", self.assignment(installed=False, condition="somehow_new"))

    def test_excluded_address(self) -> None:
        """The address of the uplink's own link has a line of its own, with how it stands."""
        own = {"link": "wan0", "subnet": "2001:db8::/64", "address": "2001:db8::2", "condition": "installed"}
        self.assertIn(
            "  wan0      2001:db8::2/64  installed, in the excluded part\n", self.text(excluded_addresses=[own])
        )
        self.assertNotIn("  uplink ", self.text())
        part = {"prefix": "2001:db8::/56", "excluded": "2001:db8::/64", "excluded_address": "2001:db8::2"}
        shown = render.plan_text({"uplinks": {"wan": [part]}}, PLAIN)
        self.assertIn("2001:db8::/64  excluded, kept for the uplink, this router 2001:db8::2\n", shown)

    def test_stale(self) -> None:
        """A subnet that is over stands behind its link, with how long hosts should still be told."""
        gone = {"link": "lan0", "subnet": "2001:db8:9::/64", "seconds": 5399}
        self.assertIn(
            "lan0      2001:db8:9::/64  not here any more, hosts should hear so for 1 h 29 min", self.text(stale=[gone])
        )

    def test_unassigned(self) -> None:
        """Links that get nothing are named."""
        self.assertIn("  lan9      no room", self.text(unassigned=["lan9"]))

    def test_deaf(self) -> None:
        """That Router Advertisements are not heard is said, once: not where it is what is waited for."""
        deaf = "the kernel ignores Router Advertisements on eth0"
        self.assertIn(f"  not heard  {deaf}", self.text(advertisements_problem=deaf))
        waits = self.text(advertisements_problem=deaf, reason_text=f"waiting for the M or O flag, but {deaf}")
        self.assertEqual(waits.count(deaf), 1)

    def test_next_message(self) -> None:
        """What comes next is said once, by itself; a reason that only looks like it is left alone."""
        for said, shown in (
            ("waiting: T1 passed, next Renew in 1 h 43 min", "waiting: T1 passed"),
            ("waiting: no answer, next Information-request in 0.5 s", "waiting: no answer"),
            ("server said next Renew in a year, maybe", "server said next Renew in a year, maybe"),
        ):
            self.assertIn(f"  why       {shown}\n", self.text(reason_text=said))
        alone = "done, next Renew in 5 s"
        self.assertIn(f"  why       {alone}\n", self.text(reason_text=alone, next_message=None))

    def test_counters(self) -> None:
        """Messages are counted by the names that RFC 9915 gives them; what was dropped is told by its reason."""
        counters = {
            "sent_information_request": 2,
            "sent_solicit": 1,
            "received_advertise": 3,
            "discarded_transaction_id": 4,
            "discarded_malformed": 0,
            "send_failed": 5,
            "reason_link_came_up": 1,
        }
        lines = self.text(counters=counters).splitlines()[-5:]
        self.assertEqual(
            lines,
            [
                "  sent      Information-request 2, Solicit 1",
                "  received  Advertise 3",
                "  dropped   transaction id 4",
                "  counted   send failed 5",
                "  reasons   link came up 1",
            ],
        )

    def test_information(self) -> None:
        """What else the server told is shown by name, or by number where it has no name here."""
        shown = self.text(
            information=[
                {"code": 23, "name": "dns_servers", "values": ["2001:db8::53", "fe80::1"]},
                {"code": 65000, "name": None, "values": ["01"]},
            ]
        )
        self.assertIn("dns servers: 2001:db8::53, fe80::1\n", shown)
        self.assertIn("option 65000: 01\n", shown)

    def test_foreign_text(self) -> None:
        """No text of the document reaches the terminal raw (R-23-01)."""
        evil = "\x1b]0;x\x07"
        text = self.text(
            link=evil,
            reason_text=evil,
            server_duid=evil,
            next_message=evil,
            counters={evil: 1},
            unassigned=[evil],
            information=[{"code": 23, "name": evil, "values": [evil]}],
            assignments=[{**WAN["assignments"][0], "link": evil, "address": evil, "subnet": evil}],  # type: ignore[index]
        )
        for shown in (text, render.outcomes_text({evil: evil})):
            self.assertNotIn("\x1b", shown)
            self.assertNotIn("\x07", shown)

    def test_missing_keys(self) -> None:
        """A document of another release with keys missing is shown as far as it goes."""
        self.assertEqual(render.status_text({"uplinks": {"wan": {}}}, PLAIN), "wan: unknown\n  prefix    none\n")
        self.assertEqual(render.status_text({}, PLAIN), "No uplinks are configured.\n")

    def test_switches_and_problems(self) -> None:
        """A switch has its ports in one line; what is in the way of a link stands below it."""
        problem = {"operation": "put tap0 into br0", "errno": 0, "text": "tap0 belongs to virbr0, and stays there"}
        nic = {"link": "tap0", "up": True, "mac": None, "present": True, "ready": False, "problems": [problem]}
        switch = {"link": "br0", "ports": ["tap1", "tap2"], "present": True, "ready": True, "problems": []}
        gone = {"link": "br1", "ports": [], "present": False, "ready": False, "problems": []}
        document = {"guests": {"web1": [nic]}, "switches": {"lab": switch, "spare": gone}}
        self.assertEqual(
            render.status_text(document, PLAIN),
            "web1\n  tap0  not ready  up\n"
            "    problem put tap0 into br0: tap0 belongs to virbr0, and stays there\n\n"
            "lab  br0  ready  tap1, tap2\nspare  br1  no such link  no ports\n",
        )

    def test_guests(self) -> None:
        """Guests are shown with each of their links."""
        text = render.guests_text({"guests": {"web1": [{"link": "tap0", "delegated": "2001:db8:0:1::/64"}]}}, PLAIN)
        self.assertEqual(text, "web1\n  tap0  delegated 2001:db8:0:1::/64\n")
        text = render.guests_text({"guests": {"web1": [{"link": "tap0", "up": False}]}}, PLAIN)
        self.assertEqual(text, "web1\n  tap0  not up\n")
        nic = {"link": "tap0", "up": True, "present": True, "ready": False, "reason_text": "it has been asked for"}
        text = render.guests_text({"guests": {"web1": [nic]}}, PLAIN)
        self.assertEqual(text, "web1\n  tap0  not ready: it has been asked for  up\n")


class OtherTests(SynchronousTestCase):
    def test_counters(self) -> None:
        """Counters are a line each, in words, below the name of their uplink."""
        document = {"uplinks": {"wan": {"sent_solicit": 2, "discarded_wrong_client": 1}, "dsl": {}}}
        self.assertEqual(
            render.counters_text(document, Paint(False)),
            "wan\n  discarded wrong client  1\n  sent solicit  2\ndsl\n  nothing yet\n",
        )
        self.assertEqual(render.counters_text({}, Paint(False)), "There are no uplinks.\n")

    def test_reload(self) -> None:
        """A reload names what changed by kind; a dry run says that it would."""
        changed = {"added": ["lte"], "replaced": ["wan"], "removed": []}
        self.assertEqual(render.reload_text({"changed": changed}, False), "added: lte\nchanged: wan\n")
        self.assertEqual(render.reload_text({"changed": changed}, True), "would be added: lte\nwould be changed: wan\n")
        warned = {"changed": changed, "operations": ["x"], "warnings": ["wan: y"]}
        self.assertEqual(render.reload_text(warned, False), "added: lte\nchanged: wan\n  x\nwarning: wan: y\n")
        for unchanged in ({}, {"kept": ["wan"]}, []):
            self.assertEqual(render.reload_text({"changed": unchanged}, False), "Nothing changed.\n")

    def test_plan_of_another_release(self) -> None:
        """A plan without the space beside it is drawn as far as it goes."""
        delegation = {"iaid": 1, "needed_length": 63, "requested_length": 60, "prefix": "2001:db8::/60"}
        served = {"link": "lan0", "subnet": "2001:db8::/64", "address": "2001:db8::1"}
        plan = {
            "uplinks": {
                "wan": [
                    {**delegation, "assignments": [served], "unassigned": ["lan1"]},
                    {**delegation, "prefix": None, "assignments": [], "unassigned": []},
                ]
            }
        }
        self.assertEqual(
            render.plan_text(plan, PLAIN),
            "wan\n"
            "├─ 2001:db8::/60 (IAID 1, needs a /63, asks for a /60)\n"
            "│  ├─ 2001:db8::/64  lan0, router 2001:db8::1\n"
            "│  └─ no room for lan1\n"
            "└─ no prefix yet (IAID 1, needs a /63, asks for a /60)\n",
        )
