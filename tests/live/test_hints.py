"""
Every way of asking for a length or a prefix, as it is on the wire, with what real servers make of it.
"""

from __future__ import annotations

from typing import Any

from pdlease.wire.codes import MessageType, StatusCode
from pdlease.wire.messages import Message
from tests.live.case import LiveCase, WithKea
from tests.live.network import until
from tests.live.require import needs
from tests.live.servers import Dhcpd, server


def wishes(message: Message) -> list[list[str]]:
    """What each association of a message names, in order."""
    return [[str(prefix.network) for prefix in ia.prefixes] for ia in message.ia_pds]


def downstreams(*links: str, more: str = "") -> str:
    """The text of a delegation."""
    return "[" + ", ".join(f'"{link}"' for link in links) + f"]\n{more}"


@needs(server("dhcpd"))
class StagedTests(LiveCase):
    """ISC dhcpd, told to have no prefix but of the length that is asked for."""

    def test_staged(self) -> None:
        """
        It has no /48 and no /52: one length after the other is asked for, until the /56 that it has (issue 3, hints).
        """
        network = self.make_network()
        heard = network.hear()
        Dhcpd(network, "prefix-length-mode exact;").start()
        daemon = self.make_daemon(network, {"wan0": [downstreams("lan0", more="hint = [48, 52, 56]")]}).start()
        status = daemon.bound(seconds=30)
        self.assertTrue(status["prefixes"][0]["prefix"].endswith("/56"))
        asked = [wishes(message) for _, _, message in heard.messages if message.message_type == MessageType.SOLICIT]
        self.assertEqual(
            [each for n, each in enumerate(asked) if each not in asked[:n]], [[["::/48"]], [["::/52"]], [["::/56"]]]
        )
        _, refusal = self.first(heard, MessageType.ADVERTISE, 0, 1)
        found = (refusal.status, *(ia.status for ia in refusal.ia_pds))
        self.assertIn(StatusCode.NO_PREFIX_AVAIL, [each.status for each in found if each is not None])


class HintTests(WithKea):
    """Kea, which delegates what its pool has."""

    def solicit(self, since: float = 0.0) -> list[list[str]]:
        """What the first Solicit since then names."""
        _, message = self.first(self.heard, MessageType.SOLICIT, since, 10)
        return wishes(message)

    def pools(self, prefix: str, delegated: int, **more: Any) -> None:
        """Have Kea delegate prefixes of this length."""
        network, length = prefix.split("/")
        pools = [{"prefix": network, "prefix-len": int(length), "delegated-len": delegated}]
        subnet = {"id": 1, "subnet": "2001:db8:ffff::/64", "interface": "cpe0", "pd-pools": pools}
        self.kea.configure(prefix, subnet6=[subnet], **more)

    def test_none(self) -> None:
        """No hint: the association names nothing (R-18.2.1-07)."""
        self.start(uplinks={"wan0": [downstreams("lan0", more='hint = "none"')]})
        self.assertEqual(self.solicit(), [[]])

    def test_needed(self) -> None:
        """By default the needed length rounded up to a nibble, with "exact" the needed one (WPD-2, R-8168-01)."""
        both = [downstreams("lan0", "lan1/60"), downstreams("x", "y/60", more='hint = "exact"')]
        self.make_daemon(self.network, {"wan0": both}).start()
        self.assertEqual(self.solicit(), [["::/56"], ["::/59"]])

    def test_split(self) -> None:
        """
        A server that gives nothing but /64s, one for each association: each LAN has its own, and is as large as it
        (R-8987-03, issue 3, hints).
        """
        self.pools("2001:db8:1000::/48", 64)
        status = self.start(uplinks={"wan0": [downstreams("lan0", "lan1", more="split = true")]})
        self.assertEqual(self.solicit(), [["::/64"], ["::/64"]])
        held = {each["prefix"] for each in status["prefixes"]}
        self.assertEqual(held, {"2001:db8:1000::/64", "2001:db8:1000:1::/64"})
        self.assertEqual({entry["subnet"] for entry in status["assignments"]}, held)
        self.assertEqual([len(self.on_lan(self.network, link)) for link in ("lan0", "lan1")], [1, 1])

    def test_another_length(self) -> None:
        """
        Another length while bound: a reload brings a Renew that names what is held and the new length; Kea extends the
        old one, which stays in use; every later Renew asks again (R-8168-04, R-8168-08, R-8168-09).
        """
        held = self.start(uplinks={"wan0": [downstreams("lan0")]})["prefixes"][0]["prefix"]
        before = self.on_lan(self.network)
        since = self.now()
        self.daemon.write({"wan0": [downstreams("lan0", more="hint = 48")]})
        self.daemon.ctl("reload")
        _, renew = self.first(self.heard, MessageType.RENEW, since, 5)
        self.assertEqual(wishes(renew), [[held, "::/48"]])
        status = self.daemon.bound()
        self.assertEqual(([each["prefix"] for each in status["prefixes"]], self.on_lan(self.network)), ([held], before))
        since = self.now()
        self.daemon.ctl("rebind", "wan0")
        _, rebind = self.first(self.heard, MessageType.REBIND, since, 3)
        self.assertEqual(wishes(rebind), [[held, "::/48"]])

    def test_lost(self) -> None:
        """
        After a loss the Solicit names the prefix that was held, and the length beside it where that is larger; a server
        that remembers nothing gives that very prefix, although another one would be its turn (R-8168-02, R-8168-03).
        """
        short = {"renew_timer": 3, "rebind_timer": 4, "preferred_lifetime": 5, "valid_lifetime": 6}
        self.pools("2001:db8:1005::/48", 56, **short)
        held = self.start(uplinks={"wan0": [downstreams("lan0", more="hint = 52")]})["prefixes"][0]["prefix"]
        self.assertEqual((held, self.solicit()), ("2001:db8:1005::/56", [["::/52"]]))
        self.kea.stop()
        since = self.now()
        until(lambda: not self.on_lan(self.network), 9, "the end of the lease")
        self.assertEqual(self.solicit(since), [[held, "::/52"]])
        self.kea.forget()
        self.pools("2001:db8:1000::/44", 56)
        self.kea.start()
        self.assertEqual(self.daemon.bound(seconds=30)["prefixes"][0]["prefix"], held)
