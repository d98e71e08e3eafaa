"""
What L{tests.live.test_lossy_uplink} has done on a kernel with netem: C{python -m tests.live.inside_lossy}, as root, in
a machine that is thrown away.  It computes many times slower than usual: nothing here is about time.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress

from tests.live.daemon import Daemon
from tests.live.laboratory import PATIENCE, begin
from tests.live.network import Network, until
from tests.live.scripted import Server

SPOILT = ("delay", "300ms", "250ms", "loss", "20%", "reorder", "40%", "50%", "duplicate", "30%")
"""A bad line: late by 50 to 550 ms, one packet in five lost, many out of order or twice; both ways."""

TRIES = 5
"""How often an exchange is asked for."""

LATE = {f"discarded_{reason}" for reason in ("transaction_id", "nothing_asked", "advertise_out_of_place")}
"""What may be wrong with answers that come late, or twice."""


def spoil(network: Network, *words: str) -> None:
    """Make the uplink a bad line in both directions."""
    for namespace, link in ((network.router, "wan0"), (network.isp, "cpe0")):
        subprocess.run(["tc", "-n", namespace, "qdisc", "replace", "dev", link, "root", "netem", *words], check=True)


def exchange(daemon: Daemon, what: str) -> None:
    """Have an operator ask for an exchange, and ask again where it does not end soon: all of it may get lost."""
    before = daemon.status()["counters"]["received_reply"]

    def served() -> bool:
        status = daemon.status()
        return status["state"] == "bound" and status["counters"]["received_reply"] > before

    for _ in range(TRIES):
        daemon.ctl(what, "wan0", seconds=PATIENCE)
        with suppress(AssertionError):
            until(served, PATIENCE / TRIES, f"the end of {what}")
            return
    raise AssertionError(f"{what} did not end: {daemon.status()}")


def lossy() -> None:
    """Bind, renew, rebind and release over a bad line; what is dropped is dropped for a reason that is one here."""
    network = Network()
    try:
        server = Server(network, "cpe0").start()
        spoil(network, *SPOILT)
        daemon = Daemon(network)
        try:
            begin(daemon)
            status = daemon.bound(seconds=PATIENCE)
            prefix = status["prefixes"][0]["prefix"]
            print("netem: bound", flush=True)
            for what in ("renew", "rebind", "renew", "rebind"):
                exchange(daemon, what)
                status = daemon.status()
                assert [held["prefix"] for held in status["prefixes"]] == [prefix], status
                assert "2001:db8:1000::1/64" in network.global_addresses("lan0"), network.global_addresses("lan0")
            print("netem: renewed and rebound", flush=True)
            daemon.ctl("release", "wan0", seconds=PATIENCE)
            until(lambda: daemon.status()["state"] == "stopped", PATIENCE, "the end of the release")
            status = daemon.status()
            assert not status["prefixes"] and not network.global_addresses("lan0"), status
            print("netem: released", flush=True)
            print("counters:", status["counters"], "server heard:", server.received(), flush=True)
            discarded = {name for name in status["counters"] if name.startswith("discarded_")}
            assert discarded <= LATE, discarded
        except BaseException:
            print(daemon.said()[-4000:], flush=True)
            raise
    finally:
        network.close()


if __name__ == "__main__":
    lossy()
