"""
Kea as the provider of a live test.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.live.network import Network, Program, until

KEA = shutil.which("kea-dhcp6") or shutil.which("kea-dhcp6", path="/usr/sbin:/sbin")


def configuration(links: list[str], folder: Path, pool: str, **changes: Any) -> dict[str, Any]:
    """
    A Kea configuration that delegates /56 prefixes.

    @param pool: the prefix that delegations are taken from.
    @param changes: keys of Kea's C{Dhcp6} map to replace, such as C{renew_timer} (written with underscores).
    """
    network, length = pool.split("/")
    settings: dict[str, Any] = {
        "interfaces-config": {"interfaces": links},
        "lease-database": {"type": "memfile", "persist": True, "name": str(folder / "leases6.csv"), "lfc-interval": 0},
        "server-id": {"type": "LLT", "persist": False, "htype": 1, "identifier": "0200000000aa", "time": 1},
        "preferred-lifetime": 100,
        "valid-lifetime": 200,
        "renew-timer": 50,
        "rebind-timer": 80,
        "subnet6": [
            {
                "id": number + 1,
                "subnet": f"2001:db8:ffff:{number:x}::/64",
                "interface": link,
                "pd-pools": [{"prefix": network, "prefix-len": int(length), "delegated-len": 56}],
            }
            for number, link in enumerate(links)
        ],
        "loggers": [{"name": "kea-dhcp6", "severity": "INFO", "output_options": [{"output": "stdout", "flush": True}]}],
        "control-socket": {"socket-type": "unix", "socket-name": str(folder / "kea.sock")},
    }
    settings.update({key.replace("_", "-"): value for key, value in changes.items()})
    return {"Dhcp6": settings}


class Kea:
    """A Kea server on the provider's side of a network; C{start} and C{stop} may be called again and again."""

    def __init__(self, network: Network, uplinks: int = 1, pool: str = "2001:db8:1000::/44", **changes: Any) -> None:
        self.network = network
        self.links = [f"cpe{number}" for number in range(uplinks)]
        self.folder = network.folder / "kea"
        self.folder.mkdir(exist_ok=True)
        self.configure(pool, **changes)
        self.program: Program | None = None

    def configure(self, pool: str, **changes: Any) -> None:
        """Write another configuration; in force from the next start."""
        text = json.dumps(configuration(self.links, self.folder, pool, **changes), indent=1)
        (self.folder / "kea.json").write_text(text)

    def forget(self) -> None:
        """Lose every lease, as a provider does that was rebuilt."""
        for file in self.folder.glob("leases6.csv*"):
            file.unlink()

    def start(self) -> Kea:
        """Start the server and wait until it listens."""
        assert KEA is not None
        env = {
            "KEA_PIDFILE_DIR": str(self.folder),
            "KEA_LOCKFILE_DIR": str(self.folder),
            "KEA_LOGGER_DESTINATION": "stdout",
        }
        began = len(self.program.said()) if self.program is not None else 0
        program = self.network.run("kea", self.network.isp, KEA, "-c", str(self.folder / "kea.json"), env=env)
        self.program = program
        until(lambda: "DHCP6_STARTED" in program.said()[began:], 20, "Kea to start")
        return self

    def stop(self) -> None:
        """End the server."""
        if self.program is not None:
            self.program.stop()
