"""
Real servers: bind, renew, rebind and release with each, and what each does in its own way (docs/servers.rst).
"""

from __future__ import annotations

import time
from ipaddress import IPv6Network
from typing import Any, Protocol

from pdlease.wire.codes import MessageType, StatusCode
from pdlease.wire.messages import Message
from tests.live.case import LiveCase, WithKea
from tests.live.network import ip, until
from tests.live.require import needs
from tests.live.servers import CLIENT, Dhcp6s, Dhcpd, Dibbler, server

IDENTITY = f'[identity]\nduid = "raw:{CLIENT}"'

PREFIX = "2001:db8:1000::/56"

ASKING = {
    MessageType.SOLICIT,
    MessageType.REQUEST,
    MessageType.RENEW,
    MessageType.REBIND,
    MessageType.RELEASE,
}


class Startable(Protocol):
    """A server, as far as it is the same for all."""

    def start(self) -> object:
        """Start it."""

    def stop(self) -> None:
        """End it."""


class Talking(LiveCase):
    """Goes through the exchanges with whatever server there is."""

    server: Startable

    def setUp(self) -> None:
        super().setUp()
        self.network = self.make_network()
        self.heard = self.network.hear()

    def begin(self, server: Startable, **choices: Any) -> dict[str, Any]:
        """Start server and daemon; the daemon's status once it is bound."""
        self.server = server
        server.start()
        self.daemon = self.make_daemon(self.network, extra=IDENTITY, **choices).start()
        return self.daemon.bound()

    def ask(self, what: str, sent: MessageType) -> tuple[Message, Message]:
        """Have an operator ask for an exchange; the message that was sent and its answer."""
        since = time.monotonic()
        self.daemon.ctl(what, "wan0")
        asked, question = self.first(self.heard, sent, since, 3)
        _, answer = self.first(self.heard, MessageType.REPLY, asked, 3)
        self.assertEqual(question.transaction_id, answer.transaction_id)
        until(lambda: self.daemon.status()["state"] in ("bound", "stopped"), 3, "the exchange to end")
        return question, answer

    def go_through(self, length: int = 56, rebinds: bool = True) -> None:
        """
        Renew, rebind and release a lease that is held.

        @param rebinds: whether the server answers a Rebind with the prefix.
        """
        held = self.daemon.status()["prefixes"][0]["prefix"]
        on_lan = self.on_lan(self.network)
        self.assertEqual(IPv6Network(held).prefixlen, length)
        self.assertEqual(len(on_lan), 1)
        self.assertEqual(self.daemon.status()["counters"].get("sent_request", 0), 1)
        asked = (("renew", MessageType.RENEW), ("rebind", MessageType.REBIND))
        for what, kind in asked if rebinds else asked[:1]:
            _, answer = self.ask(what, kind)
            self.assertEqual([str(p.network) for ia in answer.ia_pds for p in ia.prefixes], [held], what)
            status = self.daemon.status()
            self.assertEqual([each["prefix"] for each in status["prefixes"]], [held])
            self.assertEqual((status["state"], self.on_lan(self.network)), ("bound", on_lan))
        question, answer = self.ask("release", MessageType.RELEASE)
        self.assertEqual([str(p.network) for ia in question.ia_pds for p in ia.prefixes], [held])
        assert answer.status is not None
        self.assertEqual(answer.status.status, StatusCode.SUCCESS)
        self.assertEqual((self.daemon.status()["prefixes"], self.on_lan(self.network)), ([], set()))
        # nothing is held against the client: the prefix can be had again
        self.server.stop()
        self.server.start()
        self.daemon.ctl("renew", "wan0")
        self.assertEqual(len(self.daemon.bound()["prefixes"]), 1)

    def forget(self) -> None:
        """Have the server lose its leases."""
        self.server.stop()
        self.lose()
        self.server.start()

    def lose(self) -> None:
        """Remove what the server keeps of its leases."""

    def statuses(self, answer: Message) -> list[int]:
        """The status codes in the IA_PDs of a message."""
        return [ia.status.status for ia in answer.ia_pds if ia.status is not None]

    def discarded(self) -> list[str]:
        """What was dropped, by name; but for second answers to what a busy machine made the client ask twice."""
        counters = self.daemon.status()["counters"]
        asked = [m.transaction_id for _, _, m in list(self.heard.messages) if m.message_type in ASKING]
        again = len(asked) - len(set(asked))
        late = {"discarded_transaction_id"} if counters.get("discarded_transaction_id", 0) <= again else set()
        return [name for name in counters if name.startswith("discarded") and name not in late]


@needs(server("dhcpd"))
class DhcpdTests(Talking):
    """ISC dhcpd."""

    def lose(self) -> None:
        (self.network.folder / "dhcpd" / "leases").write_text("")

    def test_exchanges(self) -> None:
        """Bind, renew, rebind, release, bind again; nothing that it sends is dropped."""
        self.begin(Dhcpd(self.network))
        self.go_through()
        self.assertEqual(self.discarded(), [])

    def test_same_prefix_twice(self) -> None:
        """
        It advertises one prefix for two IA_PDs at once, and gives two: each IA_PD is bound with its own.
        """
        self.begin(Dhcpd(self.network), uplinks={"wan0": ['["lan0"]', '["lan1"]']})
        advertise = self.heard.first(MessageType.ADVERTISE)
        assert advertise is not None
        offered = [str(p.network) for ia in advertise[1].ia_pds for p in ia.prefixes]
        self.assertEqual((len(offered), len(set(offered))), (2, 1))
        self.assertEqual(len({held["prefix"] for held in self.daemon.status()["prefixes"]}), 2)
        self.assertEqual((len(self.on_lan(self.network)), len(self.on_lan(self.network, "lan1"))), (1, 1))

    def test_forgotten(self) -> None:
        """
        Without its lease file it is another server to clients and does not answer a Renew for the old one; it answers
        the Rebind, with the same prefix.
        """
        held = self.begin(Dhcpd(self.network))
        self.forget()
        since = time.monotonic()
        self.daemon.ctl("renew", "wan0")
        self.first(self.heard, MessageType.RENEW, since, 3)
        time.sleep(1)
        self.assertNotIn(MessageType.REPLY, self.heard.types(since))
        self.ask("rebind", MessageType.REBIND)
        status = self.daemon.bound()
        self.assertEqual(status["prefixes"][0]["prefix"], held["prefixes"][0]["prefix"])
        self.assertNotEqual(status["server_duid"], held["server_duid"])

    def test_rapid_commit(self) -> None:
        """It answers a Solicit with Rapid Commit by an Advertise, and the lease takes four messages (R-18.2.1-21)."""
        self.begin(Dhcpd(self.network), uplink_extra="rapid_commit = true")
        kinds = [MessageType.SOLICIT, MessageType.ADVERTISE, MessageType.REQUEST, MessageType.REPLY]
        self.assertEqual(self.heard.types(), kinds)


@needs(server("dhcp6s"))
class Dhcp6sTests(Talking):
    """WIDE dhcp6s."""

    def test_exchanges(self) -> None:
        """Bind, renew, rebind, release, bind again; nothing that it sends is dropped."""
        self.begin(Dhcp6s(self.network))
        self.go_through()
        self.assertEqual(self.discarded(), [])

    def test_rapid_commit(self) -> None:
        """Told to allow Rapid Commit, two messages do (R-18.2.1-20)."""
        status = self.begin(
            Dhcp6s(self.network, "interface cpe0 { allow rapid-commit; };"), uplink_extra="rapid_commit = true"
        )
        self.assertEqual(status["prefixes"][0]["prefix"], PREFIX)
        self.assertEqual(self.heard.types(), [MessageType.SOLICIT, MessageType.REPLY])

    def test_second_delegation(self) -> None:
        """
        R-18.2.10.1-07: it leaves an IA_PD that it has nothing for out of its Advertise, and refuses it in its Reply:
        the other one is in use, and the lack is shown.
        """
        self.server = Dhcp6s(self.network)
        self.server.start()
        uplinks = {"wan0": ['["lan0"]', '["lan1"]']}
        self.daemon = self.make_daemon(self.network, uplinks, extra=IDENTITY).start()
        until(lambda: self.on_lan(self.network), 10, "the first prefix on the LAN")
        _, answer = self.first(self.heard, MessageType.REPLY, 0, 3)
        self.assertEqual(self.statuses(answer), [StatusCode.NO_PREFIX_AVAIL])
        self.assertEqual([held["prefix"] for held in self.daemon.status()["prefixes"]], [PREFIX])
        self.assertEqual(self.daemon.status()["state"], "bound")

    def test_forgotten(self) -> None:
        """
        R-18.2.10.1-10, R-RST-02: it keeps leases in memory only. After a restart it answers a Renew with NoBinding,
        whereupon a Request brings the prefix back; a Rebind it does not answer, and the prefix is used on.
        """
        self.begin(Dhcp6s(self.network))
        before = self.on_lan(self.network)
        self.forget()
        _, answer = self.ask("renew", MessageType.RENEW)
        self.assertEqual(self.statuses(answer), [StatusCode.NO_BINDING])
        self.assertEqual(self.daemon.bound()["prefixes"][0]["prefix"], PREFIX)
        self.assertIn(MessageType.REQUEST, self.heard.types()[4:])
        self.forget()
        since = time.monotonic()
        self.daemon.ctl("rebind", "wan0")
        self.first(self.heard, MessageType.REBIND, since, 3)
        time.sleep(1)
        self.assertNotIn(MessageType.REPLY, self.heard.types(since))
        self.assertEqual((self.daemon.status()["state"], self.on_lan(self.network)), ("rebinding", before))


@needs(server("dibbler-server"))
class DibblerTests(Talking):
    """dibbler-server."""

    def test_exchanges(self) -> None:
        """Bind, renew, release, bind again; nothing that it sends is dropped."""
        self.begin(Dibbler(self.network))
        self.go_through(rebinds=False)
        self.assertEqual(self.discarded(), [])

    def test_rebind(self) -> None:
        """
        It answers a Rebind with an IA_PD in which nothing is, whether it has the lease or not: the prefix is used on
        (R-18.2.10.1-05), and the Renew that an operator asks for extends it.
        """
        held = self.begin(Dibbler(self.network))["prefixes"][0]["prefix"]
        before = self.on_lan(self.network)
        since = time.monotonic()
        self.daemon.ctl("rebind", "wan0")
        asked, _ = self.first(self.heard, MessageType.REBIND, since, 3)
        _, answer = self.first(self.heard, MessageType.REPLY, asked, 3)
        (association,) = answer.ia_pds
        self.assertEqual((association.prefixes, association.status), ((), None))
        until(lambda: self.daemon.status()["reason"] == "not_extended", 3, "the answer to be judged")
        self.assertEqual(self.on_lan(self.network), before)
        _, answer = self.ask("renew", MessageType.RENEW)
        self.assertEqual([str(p.network) for ia in answer.ia_pds for p in ia.prefixes], [held])
        self.assertEqual((self.daemon.status()["state"], self.on_lan(self.network)), ("bound", before))

    def test_restart(self) -> None:
        """
        After a crash the Rebind brings nothing, and at T1 the Renew does: nobody on the LAN notices (R-RST-02).
        """
        self.begin(Dibbler(self.network, t1=5))
        before = self.on_lan(self.network)
        self.daemon.kill()
        since = time.monotonic()
        self.daemon.start()
        self.first(self.heard, MessageType.REBIND, since, 3)
        until(lambda: self.daemon.status()["reason"] == "not_extended", 3, "the empty answer to be judged")
        self.first(self.heard, MessageType.RENEW, since, 20)
        until(lambda: self.daemon.status()["state"] == "bound", 3, "the lease to be extended")
        self.assertEqual(self.on_lan(self.network), before)
        self.assertNotIn(MessageType.SOLICIT, self.heard.types(since))

    def test_two_delegations(self) -> None:
        """Two IA_PDs get a prefix each, and both are renewed."""
        status = self.begin(Dibbler(self.network), uplinks={"wan0": ['["lan0"]', '["lan1"]']})
        held = {each["prefix"] for each in status["prefixes"]}
        self.assertEqual(len(held), 2)
        _, answer = self.ask("renew", MessageType.RENEW)
        self.assertEqual({str(p.network) for ia in answer.ia_pds for p in ia.prefixes}, held)

    def lose(self) -> None:
        for file in (self.network.folder / "dibbler-server" / "lib").glob("*.xml"):
            file.unlink()

    def test_forgotten(self) -> None:
        """Without its lease file it answers a Renew with NoBinding; a Request brings the prefix back."""
        held = self.begin(Dibbler(self.network))["prefixes"][0]["prefix"]
        self.forget()
        _, answer = self.ask("renew", MessageType.RENEW)
        self.assertEqual(self.statuses(answer), [StatusCode.NO_BINDING])
        self.assertEqual(self.daemon.bound()["prefixes"][0]["prefix"], held)

    def test_rapid_commit(self) -> None:
        """Told to allow Rapid Commit, two messages do (R-18.2.1-20)."""
        self.begin(Dibbler(self.network, "rapid-commit yes"), uplink_extra="rapid_commit = true")
        self.assertEqual(self.heard.types(), [MessageType.SOLICIT, MessageType.REPLY])


class KeaTests(WithKea, Talking):
    """Kea, with what the main job does not need."""

    def setUp(self) -> None:
        WithKea.setUp(self)

    def subnet(self, *pools: dict[str, Any], **more: Any) -> None:
        """Have Kea delegate from these pools."""
        subnet = {"id": 1, "subnet": "2001:db8:ffff::/64", "interface": "cpe0", "pd-pools": list(pools)}
        subnet.update({key.replace("_", "-"): value for key, value in more.items()})
        self.kea.configure("2001:db8:1000::/44", subnet6=[subnet])

    def test_exchanges(self) -> None:
        """Bind, renew, rebind, release, bind again; nothing that it sends is dropped."""
        self.begin(self.kea)
        self.go_through()
        self.assertEqual(self.discarded(), [])

    def test_rapid_commit(self) -> None:
        """Where it allows Rapid Commit, two messages do (R-18.2.1-20)."""
        self.subnet(pool("2001:db8:1000::/44"), rapid_commit=True)
        self.begin(self.kea, uplink_extra="rapid_commit = true")
        self.assertEqual(self.heard.types(), [MessageType.SOLICIT, MessageType.REPLY])

    def lose(self) -> None:
        self.kea.forget()

    def test_forgotten(self) -> None:
        """
        Without its leases it extends what it is asked for, by Renew and by Rebind, and has NoBinding for a Release,
        after which nothing is held all the same.
        """
        held = self.begin(self.kea)["prefixes"][0]["prefix"]
        for what, kind in (("renew", MessageType.RENEW), ("rebind", MessageType.REBIND)):
            self.forget()
            _, answer = self.ask(what, kind)
            self.assertEqual([str(p.network) for ia in answer.ia_pds for p in ia.prefixes], [held], what)
        self.forget()
        _, answer = self.ask("release", MessageType.RELEASE)
        self.assertEqual(self.statuses(answer), [StatusCode.NO_BINDING])
        self.assertEqual((self.daemon.status()["prefixes"], self.on_lan(self.network)), ([], set()))

    def test_several_pools(self) -> None:
        """When the first pool is empty the next one serves, with prefixes of another length, each as it comes."""
        self.subnet(pool(PREFIX), pool("2001:db8:2000::/48", 60))
        status = self.begin(self.kea, uplinks={"wan0": ['["lan0"]', '["lan1"]']})
        held = {each["prefix"] for each in status["prefixes"]}
        self.assertEqual(held, {PREFIX, "2001:db8:2000::/60"})
        self.assertEqual((len(self.on_lan(self.network)), len(self.on_lan(self.network, "lan1"))), (1, 1))
        _, answer = self.ask("renew", MessageType.RENEW)
        self.assertEqual({str(p.network) for ia in answer.ia_pds for p in ia.prefixes}, held)

    def test_reservation(self) -> None:
        """A prefix that is reserved for our DUID is the one we get."""
        reserved = "2001:db8:3000::/56"
        duid = ":".join(f"{octet:02x}" for octet in CLIENT.data)
        self.subnet(pool("2001:db8:1000::/44"), reservations=[{"duid": duid, "prefixes": [reserved]}])
        status = self.begin(self.kea)
        self.assertEqual([each["prefix"] for each in status["prefixes"]], [reserved])
        self.go_through()

    def test_excluded_host(self) -> None:
        """
        With C{excluded_host} the uplink's link has that address of the excluded part, of Kea's lifetimes, and the
        provider's router can be reached by it; it is put back, renewed, moved by a reload, and taken away with the
        prefix (RFC 6603, PDX-12).
        """
        own = "2001:db8:1000::2/64"
        ip("-n", self.network.isp, "address", "add", "2001:db8:1000::1/64", "dev", "cpe0", "nodad")
        self.subnet({**pool(PREFIX), "excluded-prefix": "2001:db8:1000::", "excluded-prefix-len": 64})
        status = self.begin(self.kea, uplinks={"wan0": ['["lan0"]\nexcluded_host = "::2"']})
        (shown,) = status["excluded_addresses"]
        self.assertEqual((shown["link"], shown["address"], shown["installed"]), ("wan0", "2001:db8:1000::2", True))
        before = self.network.global_addresses("wan0")[own]["valid_life_time"]
        self.assertTrue(190 <= before <= 200)
        (route,) = self.network.routes("2001:db8:1000::/64")
        self.assertEqual((route["dev"], route["expires"] <= 200), ("wan0", True))
        ping = ("ping", "-6", "-c", "1", "-W", "2", "-I", own.partition("/")[0], "2001:db8:1000::1")
        self.assertEqual(self.network.run("ping", self.network.router, *ping).ended(), 0)
        ip("-n", self.network.router, "address", "delete", own, "dev", "wan0")
        until(lambda: self.on_lan(self.network, "wan0") == {own}, 5, "the address to be put back")
        time.sleep(2.1)
        self.ask("renew", MessageType.RENEW)
        until(lambda: self.network.global_addresses("wan0")[own]["valid_life_time"] >= before - 1, 2, "the renewal")
        self.daemon.write({"wan0": ['["lan0"]\nexcluded_host = "::5"']}, extra=IDENTITY)
        self.daemon.ctl("reload")
        until(lambda: self.on_lan(self.network, "wan0") == {"2001:db8:1000::5/64"}, 5, "the other address")
        self.ask("release", MessageType.RELEASE)
        self.assertEqual((self.on_lan(self.network, "wan0"), self.network.routes()), (set(), []))

    def test_exclusion(self) -> None:
        """
        A prefix that it excludes is shown, never carved, and not under an unreachable route (RFC 6603 section 4.2).
        """
        excluded = IPv6Network("2001:db8:1000::/64")
        self.subnet({**pool(PREFIX), "excluded-prefix": "2001:db8:1000::", "excluded-prefix-len": 64})
        status = self.begin(self.kea)
        self.assertEqual(status["excluded"], str(excluded))
        unreachable = [IPv6Network(r["dst"]) for r in self.network.routes() if r.get("type") == "unreachable"]
        self.assertTrue(unreachable)
        self.assertFalse(any(route.overlaps(excluded) for route in unreachable), unreachable)
        for entry in status["assignments"]:
            self.assertFalse(IPv6Network(entry["subnet"]).overlaps(excluded), entry)
        covered = sum(route.num_addresses for route in unreachable)
        self.assertEqual(covered, IPv6Network(PREFIX).num_addresses - excluded.num_addresses)
        _, answer = self.ask("renew", MessageType.RENEW)
        (prefix,) = answer.ia_pds[0].prefixes
        self.assertEqual((prefix.excluded, self.daemon.status()["excluded"]), (excluded, str(excluded)))


def pool(prefix: str, length: int = 56) -> dict[str, Any]:
    """A pool of Kea's."""
    network, size = prefix.split("/")
    return {"prefix": network, "prefix-len": int(size), "delegated-len": length}
