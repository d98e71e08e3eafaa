"""
Reconfigure on a real kernel: what a server can make the daemon do, and what nobody else can (RFC 9915 section 20.4).
"""

from __future__ import annotations

import time

from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.messages import Message
from tests.live.network import until
from tests.live.scripted import FIRST, WithServer

BETWEEN = 2.1
"""Seconds after which the next Reconfigure is obeyed (R-18.2.11-09)."""

ANSWERS = {
    "renew": MessageType.RENEW,
    "rebind": MessageType.REBIND,
    "information": MessageType.INFORMATION_REQUEST,
}


class WithReconfigure(WithServer):
    """The daemon accepts Reconfigure."""

    def agreed(self) -> None:
        """Start both, with a key agreed upon."""
        self.start(uplink_extra="reconfigure = true")

    def told(self, order: str, seconds: float = 1.0) -> Message:
        """The message with which the daemon answers a Reconfigure, and which must come within a second."""
        since = self.now()
        self.server.tell(f"reconfigure {order}")
        return self.first(self.heard, ANSWERS[order.split(maxsplit=1)[0]], since, seconds)[1]

    def counted(self, name: str) -> int:
        """How many messages were dropped for a reason."""
        number: int = self.daemon.status()["counters"].get(f"discarded_{name}", 0)
        return number

    def dropped(self, order: str, reason: str, number: int = 1) -> None:
        """Show that Reconfigures are dropped for a reason, and that nothing is sent for them."""
        before, since = self.counted(reason), self.now()
        self.server.tell(f"reconfigure {order}")
        until(lambda: self.counted(reason) == before + number, 3, f"{order!r} to be counted as {reason}")
        time.sleep(0.2)
        sent = set(self.heard.types(since)) & set(ANSWERS.values())
        self.assertEqual(sent, set(), f"the daemon answered {order!r}")

    def holds(self) -> None:
        """Show that the lease is as it was."""
        self.assertEqual([one["prefix"] for one in self.daemon.bound()["prefixes"]], [str(FIRST)])


class ObeyedTests(WithReconfigure):
    """A genuine Reconfigure."""

    def test_each_type(self) -> None:
        """
        R-18.2.11-01, R-18.2.11-05, R-18.2.11-06: a genuine Reconfigure leads within a second to the message that it
        asks for: Renew, Rebind without a Server Identifier, Information-request with one; the lease stays.
        """
        self.agreed()
        renew = self.told("renew")
        self.assertIsNotNone(renew.server_id)
        self.assertNotEqual(renew.transaction_id, 0)
        self.holds()
        time.sleep(BETWEEN)
        self.assertIsNone(self.told("rebind").server_id)
        self.holds()
        time.sleep(BETWEEN)
        self.assertEqual(self.told("information").server_id, renew.server_id)
        self.holds()

    def test_many_at_once(self) -> None:
        """
        R-18.2.11-02, R-18.2.11-09: of a hundred genuine ones in a row one is obeyed; the others are dropped and
        counted.
        """
        self.agreed()
        since = self.now()
        self.server.tell("reconfigure renew count 100")
        until(
            lambda: self.counted("reconfigure_busy") + self.counted("reconfigure_too_often") == 99,
            5,
            "99 to be dropped",
        )
        self.assertEqual(self.heard.types(since).count(MessageType.RENEW), 1)
        self.holds()

    def test_silent_server(self) -> None:
        """R-18.2.11-03: a server that asks for a Renew and does not answer it costs nothing: the lease stays."""
        self.agreed()
        before = self.on_lan(self.network)
        self.server.tell("silent on")
        self.told("renew")
        time.sleep(1)
        self.assertEqual(self.on_lan(self.network), before)
        self.assertEqual([one["prefix"] for one in self.daemon.status()["prefixes"]], [str(FIRST)])


class DroppedTests(WithReconfigure):
    """A Reconfigure that is not genuine."""

    def test_dropped_by_reason(self) -> None:
        """
        R-16.11-01, R-16.11-02, R-16.11-03, R-16.11-04, R-16.11-05, R-16.11-06, R-20-02, R-20-03: what is signed
        wrongly, seen before, sent to a group, incomplete, or asks for another message is dropped and counted by reason,
        and the next genuine one is obeyed.
        """
        self.agreed()
        for order, reason in (
            # the key's own counter: nothing was sent above it yet
            ("renew replay", "reconfigure_replayed"),
            ("renew wrong-digest", "reconfigure_unsigned"),
            ("renew without auth", "reconfigure_unsigned"),
            ("renew without client-id", "reconfigure_malformed"),
            ("renew without server-id", "reconfigure_malformed"),
            ("renew without reconfigure-message", "reconfigure_malformed"),
            *((str(kind), "reconfigure_malformed") for kind in (0, 1, 3, 255)),
            ("renew multicast", "multicast"),
        ):
            self.dropped(order, reason)
        self.told("renew")
        self.holds()
        self.dropped("renew replay", "reconfigure_replayed")
        self.dropped("rebind replay", "reconfigure_replayed")

    def test_not_configured(self) -> None:
        """
        R-20-06, R-21.20-01: without C{reconfigure = true} no Reconfigure is obeyed, even where the server gave a key
        that nobody asked for, and no message offers to accept it.
        """
        self.server.start("--script", "auth key")
        self.daemon = self.make_daemon(self.network, {"wan0": ['["lan0", "lan1"]']}).start()
        self.daemon.bound()
        self.dropped("renew", "reconfigure_unwanted")
        for kind in (MessageType.SOLICIT, MessageType.REQUEST):
            found = self.heard.first(kind)
            assert found is not None
            self.assertFalse(found[1].reconfigure_accept)

    def test_no_longer_agreed(self) -> None:
        """R-21.20-01: after a Reply without Reconfigure Accept the key counts no more."""
        self.agreed()
        self.server.tell("agree off")
        self.told("renew")
        self.holds()
        time.sleep(BETWEEN)
        self.dropped("renew", "reconfigure_unwanted")


class UnaskedTests(WithReconfigure):
    """A provider that puts an authentication option into all that it sends."""

    server_words = ("--preference", "255", "--script", "auth static")

    def test_costs_nothing_when_not_configured(self) -> None:
        """R-20-04: without C{reconfigure = true} it costs neither an Advertise nor a Reply."""
        self.costs_nothing("")

    def test_costs_nothing_when_configured(self) -> None:
        """
        R-20-04: with C{reconfigure = true} it costs neither an Advertise nor a Reply; no key is taken where there are
        two such options.
        """
        self.costs_nothing("reconfigure = true")

    def costs_nothing(self, extra: str) -> None:
        """Show it for a configuration."""
        self.start(uplink_extra=extra)
        self.daemon.ctl("renew", "wan0")
        # a slow machine may have sent a second Solicit before the first answer came
        kinds = self.heard.types()
        self.assertEqual((sorted(set(kinds)), kinds[-3:]), ([1, 2, 3, 5, 7], [7, 5, 7]))
        for event in self.server.events():
            if event["event"] == "sent":
                self.assertIn(OptionCode.AUTHENTICATION, event["options"])
        self.holds()
        dropped = {name for name in self.daemon.status()["counters"] if name.startswith("discarded_")}
        self.assertEqual(dropped - {"discarded_advertise_out_of_place", "discarded_transaction_id"}, set())
        self.dropped("renew", "reconfigure_unwanted")


class RestartTests(WithReconfigure):
    """What is kept for the next life."""

    def test_key_survives(self) -> None:
        """
        R-20-01, R-20-02: after kill -9 and a restart a replayed Reconfigure is dropped and a genuine one is obeyed: key
        and counter were kept, in a file that only its owner reads.
        """
        self.agreed()
        self.told("renew")
        self.holds()
        record = self.daemon.state / "uplink-wan0.json"
        self.assertEqual(record.stat().st_mode & 0o077, 0)
        self.daemon.kill()
        since = self.now()
        self.daemon.start()
        _, rebind = self.first(self.heard, MessageType.REBIND, since, 3)
        self.assertTrue(rebind.reconfigure_accept)
        self.holds()
        self.dropped("renew replay", "reconfigure_replayed")
        self.told("renew")
        self.holds()
        # no key was given again: it is the one of the first life that counts
        keys = [event for event in self.server.events() if event["event"] == "sent" and 11 in event["options"]]
        self.assertEqual([event["type"] for event in keys if event["type"] == "REPLY"], ["REPLY"])
