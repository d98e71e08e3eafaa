"""
Tests of L{pdlease.control.eventlines}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.eventlines import event_text
from pdlease.control.wording import Paint

PLAIN = Paint(False)

KNOWN = (
    "link",
    "waiting",
    "state",
    "sent",
    "received",
    "discarded",
    "lease",
    "upstream",
    "store",
    "information",
    "released",
    "assignments",
    "guests",
    "stale",
    "reload",
)


class EventTests(SynchronousTestCase):
    """One line for each event."""

    def line(self, event: str, **fields: Any) -> str:
        """What is said of an event, without its head."""
        text = event_text({"sequence": 7, "time": 1.0, "uplink": "wan", "event": event, **fields}, PLAIN)
        head, said = text[: len("00:00:01     7  wan  ")], text[len("00:00:01     7  wan  ") :]
        self.assertRegex(head, r"^\d\d:\d\d:01     7  wan  $")
        return said

    def test_known(self) -> None:
        """What happens on an uplink is said in words: what was sent, received, dropped and why, and what came of it."""
        for said, event, fields in (
            ("link is ready", "link", {"waits_for": ""}),
            ("waiting for carrier on eth0", "link", {"waits_for": "carrier on eth0"}),
            (
                "down -> soliciting: the link came up",
                "state",
                {"old": "down", "new": "soliciting", "reason": "link_came_up", "text": "the link came up"},
            ),
            ("sent SOLICIT 0b5be3", "sent", {"message": "SOLICIT 0b5be3", "problem": None}),
            (
                "not sent (Network is down): SOLICIT 0b5be3",
                "sent",
                {"message": "SOLICIT 0b5be3", "problem": "Network is down"},
            ),
            ("received REPLY 1, from fe80::1", "received", {"message": "REPLY 1", "source": "fe80::1"}),
            (
                "Reply from fe80::1 dropped: transaction id",
                "discarded",
                {"reason": "transaction_id", "text": "Reply from fe80::1 dropped: transaction id", "detail": "Reply"},
            ),
            (
                "waiting: server said NoPrefixAvail, next Solicit in 41 s",
                "waiting",
                {"text": "waiting: server said NoPrefixAvail, next Solicit in 41 s", "reason": "nothing_offered"},
            ),
            ("dropped: too long", "discarded", {"reason": "too_long", "source": "", "detail": ""}),
            (
                "lease: prefixes were delegated: 2001:db8::/56",
                "lease",
                {
                    "change": "gained",
                    "text": "prefixes were delegated",
                    "prefixes": ["2001:db8::/56"],
                    "excluded": [],
                },
            ),
            (
                "lease: shrunk: 2001:db8::/56, without 2001:db8::/64, which is kept for the uplink",
                "lease",
                {"change": "shrunk", "prefixes": ["2001:db8::/56"], "excluded": ["2001:db8::/64"]},
            ),
            ("lease: expired: none left", "lease", {"change": "expired", "prefixes": [], "excluded": []}),
            ("upstream: another router", "upstream", {"signs": ["router"], "text": "another router"}),
            ("waiting: T1 passed, next Renew in 10 s", "waiting", {"text": "waiting: T1 passed, next Renew in 10 s"}),
            ("t1 passed", "waiting", {"reason": "t1_passed"}),
            (
                "addresses: 2001:db8::1 on lan0 installed, 2001:db8:1::1 on lan1 refused (no), lan2 fd00::1 gone",
                "assignments",
                {
                    "changed": [
                        {"address": "2001:db8::1", "link": "lan0", "condition": "installed", "problem": None},
                        {
                            "address": "2001:db8:1::1",
                            "link": "lan1",
                            "condition": "refused",
                            "problem": {"text": "no"},
                        },
                    ],
                    "gone": ["lan2 fd00::1"],
                },
            ),
            (
                "over for hosts: 2001:db8::/64 on lan0",
                "stale",
                {"stale": [{"subnet": "2001:db8::/64", "link": "lan0"}]},
            ),
            (
                "guest web1 not ready, switch lab ready, guest old gone",
                "guests",
                {
                    "changed": [
                        {"guest": "web1", "nics": [{"ready": True}, {"ready": False}]},
                        {"switch": "lab", "ready": True},
                    ],
                    "gone": ["guest old"],
                },
            ),
            ("nothing is over for hosts any more", "stale", {"stale": []}),
            (
                "configuration read again: added dsl; changed wan",
                "reload",
                {"changed": {"added": ["dsl"], "removed": [], "replaced": ["wan"], "kept": ["lte"]}},
            ),
            ("configuration read again: nothing changed", "reload", {"changed": {"kept": ["wan"]}}),
            ("released: the prefixes were given back", "released", {}),
            ("the lease is not kept: disk full", "store", {"problem": "disk full"}),
            ("the lease is kept again", "store", {"problem": ""}),
            (
                "told: dns servers 2001:db8::53",
                "information",
                {"options": [{"code": 23, "name": "dns_servers", "values": ["2001:db8::53"]}]},
            ),
        ):
            self.assertEqual(self.line(event, **fields), said)

    def test_unknown(self) -> None:
        """An event that is not known here is shown with all that it has."""
        self.assertEqual(self.line("link_up", old="a", more={"b": [1, 2]}, none=None), "link up  old=a  more={b=1,2}")

    def test_head(self) -> None:
        """What is of no uplink is the daemon's; a time without sense is left out; the date is there if wanted."""
        event = {"sequence": 7, "time": 1.0, "uplink": None, "event": "moved"}
        self.assertIn("  daemon  moved", event_text(event, PLAIN))
        self.assertRegex(event_text(event, PLAIN, dated=True), r"^(1970-01-01|1969-12-31) \d\d:\d\d:01     7")
        for time in (None, float("nan"), 1e300, "noon"):
            self.assertTrue(event_text({**event, "time": time}, PLAIN).startswith("--:--:--     7"))
            self.assertTrue(event_text({**event, "time": time}, PLAIN, dated=True).startswith("---------- --:--:--"))

    def test_foreign_text(self) -> None:
        """No text of an event reaches the terminal raw, nor breaks its line (R-23-01)."""
        evil = "\x1b]0;x\x07\n"
        fields = dict.fromkeys(
            ("waits_for", "old", "new", "text", "message", "source", "detail", "problem", evil), evil
        )
        place = {"address": evil, "link": evil, "subnet": evil, "condition": evil, "problem": {"text": evil}}
        lists = {"prefixes": [evil], "excluded": [evil], "options": [{"name": evil, "values": [evil]}]}
        lists |= {"changed": [place], "gone": [place], "stale": [place]}
        for name in (
            "link",
            "waiting",
            "state",
            "sent",
            "received",
            "discarded",
            "lease",
            "upstream",
            "store",
            "information",
            evil,
        ):
            text = event_text({"sequence": evil, "event": name, "uplink": evil, **fields, **lists}, Paint(False))
            self.assertTrue(text.isprintable(), (name, text))

    def test_nothing_known(self) -> None:
        """An event that lacks its fields is a line all the same."""
        for name in (*KNOWN, "released"):
            self.assertTrue(self.line(name))
