"""
Router Advertisements on the uplink, as the kernel tells of them: what starts the client, and what makes it ask anew.
"""

from __future__ import annotations

import time

from pdlease.upstream import FRESH
from pdlease.wire.codes import MessageType
from tests.live.network import ip, until
from tests.live.require import needs, program
from tests.live.routers import A, L, P, Radvd, advertise, hear_routers
from tests.live.scripted import WithServer

RA = 'start = "ra"'
P_FLAG = 'start = "p-flag"'


@needs(program("radvd"))
class StartTests(WithServer):
    """What the client waits for before it begins."""

    def test_router_first(self) -> None:
        """
        WPD-4, R-18-02: with C{start = "ra"} nothing is sent before a Router Advertisement with M or O; where the kernel
        ignores them the status says so, and the client begins with the first one that it does not ignore.
        """
        radvd = Radvd(self.network).say("2001:db8:aaaa::/64")
        self.start(bound=False, uplink_extra=RA)
        status = until(
            lambda: [s for s in [self.daemon.status()] if "Router Advertisement" in s["reason_text"]], 5, "the wait"
        )[0]
        self.assertEqual(status["reason"], "waits_for_router")
        self.assertIn("/proc/sys/net/ipv6/conf/wan0/accept_ra would have to be 2", status["reason_text"])
        self.assertIn("accept_ra", self.daemon.ctl("why").stdout)
        time.sleep(1.5)
        self.assertEqual(self.heard.types(), [])
        radvd.say(flags="")
        time.sleep(0.5)
        hear_routers(self.network)
        radvd.until_heard()
        time.sleep(1)
        self.assertEqual(self.heard.types(), [])
        radvd.say(flags="AdvOtherConfigFlag on;")
        self.daemon.bound()
        self.assertEqual(self.heard.types()[0], MessageType.SOLICIT)
        self.assertIsNone(self.daemon.status()["advertisements_problem"])
        # the kernel tells nobody that accept_ra was set
        self.network.sysctl(self.network.router, "net/ipv6/conf/wan0/accept_ra", "1")
        until(lambda: self.daemon.status()["advertisements_problem"], 5, "the problem", every=0.1)
        hear_routers(self.network)
        until(lambda: not self.daemon.status()["advertisements_problem"], 5, "its end", every=0.1)

    def test_heard_before(self) -> None:
        """WPD-4: what the kernel heard before the daemon started will do: nobody repeats it in time."""
        hear_routers(self.network)
        radvd = Radvd(self.network).say()
        radvd.until_heard()
        radvd.fall_silent()
        self.start(uplink_extra=RA)

    def test_p_flag(self) -> None:
        """
        PF-01, PF-03, PF-04: with C{start = "p-flag"} a prefix with the P flag starts the client, none without does;
        when it is gone the client asks no more, and keeps what it has.
        """
        hear_routers(self.network)
        self.start(bound=False, uplink_extra=P_FLAG)
        advertise(self.network, "2001:db8:aaaa::/64", L | A)
        time.sleep(1.5)
        status = self.daemon.status()
        if "this kernel does not tell of" in status["reason_text"]:
            # older kernels make two bits of their own out of the octet
            self.assertEqual(status["reason"], "waits_for_router")
            return
        self.assertEqual(self.heard.types(), [])
        self.assertIn("the P flag", status["reason_text"])
        advertise(self.network, "2001:db8:bbbb::/64", L | A | P)
        self.daemon.bound()
        on_lan = self.on_lan(self.network)
        advertise(self.network, "2001:db8:bbbb::/64", L | A | P, preferred=0)
        until(lambda: self.daemon.status()["reason"] == "waits_for_router", 3, "the client to stop")
        self.assertEqual((self.on_lan(self.network), len(on_lan)), (on_lan, 1))


@needs(program("radvd"))
class ChangeTests(WithServer):
    """What makes a client that holds a lease ask anew."""

    def setUp(self) -> None:
        super().setUp()
        hear_routers(self.network)

    def test_prefix_and_router(self) -> None:
        """
        R-18.2.12-04, R-RST-02: another prefix on the uplink brings a Renew, another router in place of the old one a
        Rebind; the lease stays, as the server answers.
        """
        radvd = Radvd(self.network).say("2001:db8:aaaa::/64")
        self.start()
        radvd.until_heard()
        time.sleep(FRESH)
        since = self.now()
        radvd.say("2001:db8:aaaa::/64", "2001:db8:bbbb::/64")
        self.first(self.heard, MessageType.RENEW, since, 6)
        self.until_state("bound")
        self.assertNotIn(MessageType.REBIND, self.heard.types(since))
        since = self.now()
        radvd.stop()
        for entry in ip("-n", self.network.isp, "-6", "-o", "address", "show", "dev", "cpe0", "scope", "link").split():
            if entry.startswith("fe80"):
                ip("-n", self.network.isp, "address", "delete", entry, "dev", "cpe0")
        ip("-n", self.network.isp, "address", "add", "fe80::99/64", "dev", "cpe0", "nodad")
        radvd.say("2001:db8:aaaa::/64", "2001:db8:bbbb::/64")
        self.first(self.heard, MessageType.REBIND, since, 10)
        self.until_state("bound")
        self.assertNotIn(MessageType.SOLICIT, self.heard.types(since))
        self.assertEqual(len(self.on_lan(self.network)), 1)

    def test_own_address(self) -> None:
        """R-18.2.4-09, R-8987-05: another link-local address of ours brings a Renew from it."""
        self.start()
        (old,) = [
            word
            for word in self.network.addresses(self.network.router, "wan0", "scope", "link").split()
            if word.startswith("fe80")
        ]
        ip("-n", self.network.router, "address", "add", "fe80::77/64", "dev", "wan0", "nodad")
        time.sleep(1)
        since = self.now()
        ip("-n", self.network.router, "address", "delete", old, "dev", "wan0")
        self.first(self.heard, MessageType.RENEW, since, 3)
        self.until_state("bound")
        sources = {
            source
            for heard, source, message in self.heard.messages
            if heard >= since and message.message_type == MessageType.RENEW
        }
        self.assertEqual(sources, {"fe80::77"})
