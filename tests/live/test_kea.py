"""
The main job against Kea: prefixes from a real server, on real links, through outages and restarts.
"""

from __future__ import annotations

import time
from ipaddress import IPv6Network

from pdlease.wire.codes import MessageType
from tests.live.case import WithKea
from tests.live.network import TOP, ip, until

POOL = IPv6Network("2001:db8:1000::/44")
OTHER_POOL = "2001:db8:2000::/44"


class BindTests(WithKea):
    """From Solicit to addresses on the LANs."""

    def test_bind(self) -> None:
        """
        R-18.2.10.1-16, WPD-5: a prefix of Kea's is carved over both LANs: an address with Kea's lifetimes on each, its
        on-link route, and an unreachable route for the whole delegation.
        """
        status = self.start()
        self.assertEqual(status["state"], "bound")
        (held,) = status["prefixes"]
        prefix = IPv6Network(held["prefix"])
        self.assertTrue(prefix.subnet_of(POOL) and prefix.prefixlen == 56)
        self.assertTrue(190 <= held["valid_seconds"] <= 200 and 90 <= held["preferred_seconds"] <= 100)
        for number, link in enumerate(("lan0", "lan1")):
            subnet = list(prefix.subnets(new_prefix=64))[number]
            (address,) = self.network.global_addresses(link).values()
            self.assertEqual(address["local"], str(subnet[1]))
            self.assertTrue(180 <= address["valid_life_time"] <= 200)
            self.assertTrue(address.get("noprefixroute"))
            (route,) = self.network.routes(str(subnet))
            self.assertEqual(route["dev"], link)
            self.assertTrue(180 <= route["expires"] <= 200)
        (refused,) = self.network.routes(str(prefix))
        self.assertEqual(refused["type"], "unreachable")
        kinds = self.heard.types()
        wanted = [MessageType.SOLICIT, MessageType.ADVERTISE, MessageType.REQUEST, MessageType.REPLY]
        self.assertEqual([kind for kind in kinds if kind in wanted][:4], wanted)

    def test_several_delegations(self) -> None:
        """R-17.2-01: two IA_PDs of one uplink get a prefix each, from one Solicit."""
        status = self.start(uplinks={"wan0": ['["lan0"]', '["lan1"]']})
        self.assertEqual(len({held["prefix"] for held in status["prefixes"]}), 2)
        self.assertEqual(len({held["iaid"] for held in status["prefixes"]}), 2)
        self.assertEqual(self.heard.types().count(MessageType.SOLICIT), 1)
        for link in ("lan0", "lan1"):
            self.assertEqual(len(self.on_lan(self.network, link)), 1)

    def test_eight_delegations(self) -> None:
        """R-8987-03: eight IA_PDs of one uplink get eight prefixes from one Solicit."""
        self.kea.configure("2001:db8:1000::/44")
        delegations = ['["lan0"]', '["lan1"]', *[f'["none{number}"]' for number in range(6)]]
        self.kea.start()
        self.daemon = self.make_daemon(self.network, {"wan0": delegations}).start()
        until(lambda: len(self.daemon.status()["prefixes"]) == 8, 15, "eight prefixes", every=0.3)
        self.assertEqual(len({held["prefix"] for held in self.daemon.status()["prefixes"]}), 8)
        self.assertEqual(self.heard.types().count(MessageType.SOLICIT), 1)

    def test_sigterm_keeps_everything(self) -> None:
        """
        R-18.2.7-08: SIGTERM ends the daemon by that signal, without a Release; addresses and routes stay. In the
        foreground there is no pidfile.
        """
        self.start()
        before = self.on_lan(self.network)
        self.assertFalse((TOP / "twistd.pid").exists())
        self.assertEqual(self.daemon.stop(), -15)
        time.sleep(1)
        self.assertNotIn(MessageType.RELEASE, self.heard.types())
        self.assertEqual(self.on_lan(self.network), before)
        self.assertEqual(len(self.network.routes()), 3)

    def test_release(self) -> None:
        """R-18.2.7-03: Release as a command takes addresses and routes away first, then gives the prefix back."""
        self.start()
        self.daemon.ctl("release", "wan0")
        asked = self.heard.first(MessageType.RELEASE)
        assert asked is not None
        self.assertEqual(self.on_lan(self.network), set())
        self.assertEqual(self.network.routes(), [])
        self.assertEqual(self.daemon.status()["prefixes"], [])
        self.assertTrue(any(ia.prefixes for ia in asked[1].ia_pds))


class ShortLeaseTests(WithKea):
    """Leases of seconds: what T1, T2 and the end of the valid lifetime bring."""

    kea_changes = {"renew_timer": 4, "rebind_timer": 8, "preferred_lifetime": 12, "valid_lifetime": 16}

    def test_t1_is_honoured(self) -> None:
        """R-18.2.4-08: Renew is sent when T1 is over, not before and not a second later."""
        self.start()
        reply, _ = self.first(self.heard, MessageType.REPLY, 0, 5)
        renew, _ = self.first(self.heard, MessageType.RENEW, reply, 8)
        self.assertTrue(3.9 <= renew - reply <= 4.5, renew - reply)
        answer, _ = self.first(self.heard, MessageType.REPLY, renew, 3)
        self.assertEqual(self.daemon.bound()["state"], "bound")
        (address,) = self.network.global_addresses("lan0").values()
        self.assertTrue(address["valid_life_time"] >= 16 - (self.now() - answer) - 2)

    def test_server_restarted(self) -> None:
        """A server that is restarted with its leases goes on with the same prefix."""
        prefix = self.start()["prefixes"][0]["prefix"]
        self.kea.stop()
        self.kea.start()
        since = self.now()
        self.first(self.heard, MessageType.REPLY, since, 8)
        self.assertEqual(self.daemon.status()["prefixes"][0]["prefix"], prefix)

    def test_server_gone(self) -> None:
        """
        R-18.2.4-10, R-18.2.5-02, R-18.2.10.1-18: without its server the client renews until T2, then asks any server,
        and takes addresses and routes away within a second of the end of the valid lifetime, not before.
        """
        self.start()
        self.kea.stop()
        reply = [heard for heard, _, message in self.heard.messages if message.message_type == MessageType.REPLY][-1]
        renew, _ = self.first(self.heard, MessageType.RENEW, reply, 8)
        rebind, _ = self.first(self.heard, MessageType.REBIND, reply, 10)
        self.assertTrue(3.9 <= renew - reply <= 4.5 and 7.9 <= rebind - reply <= 8.5, (renew - reply, rebind - reply))
        time.sleep(max(0.0, reply + 14.5 - self.now()))
        self.assertEqual(len(self.on_lan(self.network)), 1)
        until(
            lambda: not self.on_lan(self.network) and not self.network.routes(),
            max(0.1, reply + 17.0 - self.now()),
            "addresses and routes gone within a second of the valid lifetime",
        )
        self.first(self.heard, MessageType.SOLICIT, rebind, 4)
        self.assertEqual(self.daemon.status()["state"], "soliciting")

    def test_renumbering(self) -> None:
        """
        R-18.2.10.1-10: a server that forgot the lease and has another pool renumbers: the new prefix is on the LAN, the
        old one is not preferred any more, and is gone at its end at the latest.
        """
        old = self.start()["prefixes"][0]["prefix"]
        self.kea.stop()
        self.kea.forget()
        self.kea.configure(OTHER_POOL, **self.kea_changes)
        self.kea.start()

        def fresh() -> set[str]:
            return {a for a in self.on_lan(self.network) if IPv6Network(OTHER_POOL).supernet_of(IPv6Network(a, False))}

        until(fresh, 12, "an address of the new prefix")
        for name, address in self.network.global_addresses("lan0").items():
            if name not in fresh():
                self.assertTrue(address.get("deprecated"), address)
        until(lambda: self.on_lan(self.network) == fresh(), 18, "the old address to go")
        self.assertNotIn(old, [held["prefix"] for held in self.daemon.status()["prefixes"]])


class UplinkTests(WithKea):
    """What happens to the uplink's link."""

    def carrier(self, state: str) -> None:
        """Take the carrier away at the provider's end, or give it back."""
        ip("-n", self.network.isp, "link", "set", "cpe0", state)

    def test_carrier_lost(self) -> None:
        """R-18.2.12-01: two seconds without carrier: the LAN keeps its addresses; a Rebind follows within 1.1 s."""
        self.start()
        before = self.on_lan(self.network)
        self.carrier("down")
        time.sleep(1)
        self.assertEqual(self.daemon.status()["state"], "down")
        time.sleep(1)
        self.assertEqual(self.on_lan(self.network), before)
        since = self.now()
        self.carrier("up")
        rebind, _ = self.first(self.heard, MessageType.REBIND, since, 3)
        self.assertTrue(rebind - since < 1.1, rebind - since)
        self.daemon.bound()
        self.assertEqual(self.on_lan(self.network), before)
        self.assertNotIn(MessageType.SOLICIT, self.heard.types(since))

    def test_uplink_made_again(self) -> None:
        """R-D-03: a link that is deleted and made again with another index, as PPP does: the lease is kept, Rebind."""
        prefix = self.start()["prefixes"][0]["prefix"]
        before = self.on_lan(self.network)
        self.kea.stop()
        ip("-n", self.network.router, "link", "delete", "wan0")
        until(lambda: self.daemon.status()["state"] == "down", 3, "the session to notice", every=0.2)
        self.assertEqual(self.on_lan(self.network), before)
        self.network.pair(self.network.router, "wan0", self.network.isp, "cpe0")
        ip("-n", self.network.isp, "address", "add", "2001:db8:ffff:0::1/64", "dev", "cpe0", "nodad")
        heard = self.network.hear()
        self.kea.start()
        found = self.first(heard, MessageType.REBIND, 0, 8)
        self.assertEqual([str(p.network) for ia in found[1].ia_pds for p in ia.prefixes], [prefix])
        self.assertEqual(self.daemon.bound(seconds=20)["prefixes"][0]["prefix"], prefix)

    def test_silence_after_link_up(self) -> None:
        """R-RST-02: thirty seconds of silence after link up, as with spanning tree, do not end a lease (D17)."""
        prefix = self.start()["prefixes"][0]["prefix"]
        self.kea.stop()
        self.carrier("down")
        time.sleep(0.5)
        since = self.now()
        self.carrier("up")
        time.sleep(30)
        status = self.daemon.status()
        self.assertEqual([held["prefix"] for held in status["prefixes"]], [prefix])
        self.assertEqual(len(self.on_lan(self.network)), 1)
        self.assertNotIn(MessageType.SOLICIT, self.heard.types(since))
        self.kea.start()
        self.assertEqual(self.daemon.bound(seconds=40)["prefixes"][0]["prefix"], prefix)
        self.assertNotIn(MessageType.SOLICIT, self.heard.types(since))

    test_silence_after_link_up.timeout = 150  # type: ignore[attr-defined]


class TwoUplinksTests(WithKea):
    """Two uplinks of one daemon."""

    uplinks = 2

    def test_two_uplinks(self) -> None:
        """R-18-00, R-12-01: each uplink has a prefix and a session of its own, same DUID, distinct IAIDs."""
        self.start(uplinks={"wan0": ['["lan0"]'], "wan1": ['["lan1"]']})
        second = self.daemon.bound("wan1")
        first = self.daemon.status("wan0")
        self.assertNotEqual(first["prefixes"][0]["prefix"], second["prefixes"][0]["prefix"])
        self.assertNotEqual(first["prefixes"][0]["iaid"], second["prefixes"][0]["iaid"])
        ip("-n", self.network.isp, "link", "set", "cpe0", "down")
        until(lambda: self.daemon.status("wan0")["state"] == "down", 3, "wan0 to be down", every=0.2)
        self.assertEqual(self.daemon.status("wan1")["state"], "bound")
