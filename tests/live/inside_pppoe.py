"""
An uplink by PPPoE, for L{tests.live.inside_lab}: Debian's own pppd on both sides.  Nothing here is about time.
"""

from __future__ import annotations

from tests.live.daemon import Daemon
from tests.live.laboratory import PATIENCE, begin
from tests.live.network import Network, Program, ip, until
from tests.live.scripted import Server

OPTIONS = """\
noauth
noip
+ipv6
lcp-echo-interval 0
"""


def pppoe() -> None:
    """
    A session that comes after the daemon is bound at once; one that is closed is noticed, with the LAN as it was, and
    the next one, another link by the same name, is asked for the same prefix with a Rebind.
    """
    network = Network()
    options = network.folder / "ppp-options"
    options.write_text(OPTIONS)
    try:
        provider = network.run("pppoe-server", network.isp, "pppoe-server", "-F", "-I", "cpe0", "-O", str(options))
        daemon = Daemon(network, {"ppp0": ['["lan0", "lan1"]']})
        said = [provider]

        def dial() -> Program:
            words = ("plugin", "pppoe.so", "nic-wan0", "file", str(options), "nodetach", "ifname", "ppp0")
            session = network.run(f"pppd{len(said)}", network.router, "pppd", *words)
            said.append(session)
            until(lambda: "fe80" in network.addresses(network.router, "ppp0"), PATIENCE, "the session")
            return session

        def provider_end() -> str:
            """The provider's end of the session, by whatever number it has."""
            lines = ip("-n", network.isp, "-6", "-o", "address", "show", "scope", "link").splitlines()
            return next((name for name in (line.split()[1] for line in lines) if name.startswith("ppp")), "")

        def answering() -> Server:
            end = until(provider_end, PATIENCE, "the provider's end of the session")
            return Server(network, end, "--preference", "255").start()

        try:
            begin(daemon)
            session = dial()
            server = answering()
            daemon.bound("ppp0", PATIENCE)
            assert "2001:db8:1000::1/64" in network.global_addresses("lan0"), network.global_addresses("lan0")
            assert "link/ppp" in ip("-n", network.router, "link", "show", "ppp0")
            print("PPPoE: bound", flush=True)
            index = ip("-n", network.router, "-o", "link", "show", "ppp0").split(":")[0]
            session.stop()
            server.stop()
            until(lambda: daemon.status("ppp0")["state"] == "down", PATIENCE, "the end to be noticed")
            until(lambda: not provider_end(), PATIENCE, "the provider's end to go")
            assert "2001:db8:1000::1/64" in network.global_addresses("lan0"), network.global_addresses("lan0")
            dial()
            answering()
            until(lambda: daemon.status("ppp0")["state"] == "bound", PATIENCE, "to be bound by the next session")
            assert ip("-n", network.router, "-o", "link", "show", "ppp0").split(":")[0] != index
            assert daemon.status("ppp0")["counters"]["sent_rebind"] >= 1
            assert "2001:db8:1000::1/64" in network.global_addresses("lan0"), network.global_addresses("lan0")
            print("PPPoE: bound again", flush=True)
        except BaseException:
            print(*(one.said() for one in said), daemon.said()[-4000:], flush=True)
            raise
    finally:
        network.close()
