"""
What L{tests.live.test_rootless} has an ordinary user run in a user namespace: network, server, and a daemon's life.
"""

from __future__ import annotations

import json

from tests.live.daemon import Daemon
from tests.live.network import Network
from tests.live.scripted import Server


def main() -> None:
    """Live, and print what came of it as one JSON document."""
    network = Network()
    server = Server(network, "cpe0", "--preference", "255").start()
    daemon = Daemon(network)
    # users who do not exist, as where pdlease was never installed by root
    text = daemon.path.read_text()
    text = text.replace('control_group = "root"', 'control_group = "nosuchgroup"')
    daemon.path.write_text(text.replace('user = "nobody"', 'user = "nosuchuser"'))
    told: dict[str, object] = {}
    try:
        daemon.start()
        told["first"] = [one["prefix"] for one in daemon.bound()["prefixes"]]
        with_one, with_two = '["lan0"]', '["lan0", "lan1"]'
        for downstreams in (with_one, with_two):
            daemon.path.write_text(
                daemon.path.read_text().replace(with_two, downstreams).replace(with_one, downstreams)
            )
            daemon.ctl("reload")
        for command in ("renew", "rebind", "why", "identity"):
            daemon.ctl(command)
        told["sandbox"] = json.loads(daemon.ctl("status", "--json").stdout)["sandbox"]
        daemon.kill()
        daemon.start()
        told["second"] = [one["prefix"] for one in daemon.bound()["prefixes"]]
        told["links"] = [sorted(network.global_addresses(link)) for link in ("lan0", "lan1")]
        daemon.ctl("release", "wan0")
        told["released"] = [sorted(network.global_addresses(link)) for link in ("lan0", "lan1")]
        told["status"] = daemon.stop()
    finally:
        told["said"] = daemon.said()
        server.stop()
        network.close()
        print(json.dumps(told))


if __name__ == "__main__":
    main()
