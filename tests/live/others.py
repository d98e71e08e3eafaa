"""
Other DHCPv6 clients of Debian, as who ran on a router before pdlease.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.live.network import TOP, Network, Program, with_folders
from tests.live.require import Lack

PLACES = "/usr/sbin:/sbin:/usr/lib/systemd:/lib/systemd"
"""Where such programs are."""


def client(name: str) -> Lack:
    """A client program is installed."""
    return lambda: None if shutil.which(name, path=PLACES) else f"there is no {name} program"


class Other:
    """
    Another client on the uplink C{wan0} of a network's router, with files of its own in the usual places.

    @ivar folders: the folders that stand for the machine's, by the path that they have for it.
    """

    name = ""
    program = ""
    paths: Sequence[str] = ()
    ends_with = signal.SIGTERM

    def __init__(self, network: Network) -> None:
        self.network = network
        self.folder = network.folder / self.name
        self.folders: dict[str, Path] = {}
        for path in self.paths:
            folder = self.folders[path] = self.folder / path.lstrip("/").replace("/", "-")
            folder.mkdir(parents=True)
        self.running: Program | None = None

    def files(self) -> Mapping[str, str]:
        """What stands in its files before it starts, by path."""
        return {}

    def command(self) -> Sequence[str]:
        """The words after the program's name."""
        raise NotImplementedError

    def place(self, path: str) -> Path:
        """Where a file of the machine really is."""
        folder = next(folder for folder in self.folders if path.startswith(folder + "/"))
        return self.folders[folder] / path[len(folder) + 1 :]

    def inside(self, *command: str) -> list[str]:
        """The words that run a command with this client's folders in place, in the router's namespace."""
        return with_folders(self.folders, *command)

    def start(self) -> Program:
        """Start it."""
        for path, text in self.files().items():
            self.place(path).parent.mkdir(parents=True, exist_ok=True)
            self.place(path).write_text(text)
        found = shutil.which(self.program, path=PLACES)
        assert found is not None
        self.running = self.network.run(self.name, self.network.router, *self.inside(found, *self.command()))
        return self.running

    def stop(self) -> None:
        """End it as an operator would who wants to keep the prefix."""
        assert self.running is not None
        self.running.stop(self.ends_with)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end where this client's folders are in place."""
        words = ["ip", "netns", "exec", self.network.router, *self.inside(*command)]
        return subprocess.run(words, cwd=TOP, capture_output=True, text=True, timeout=30, check=False)


class Dhcpcd(Other):
    """dhcpcd."""

    name = "dhcpcd"
    program = "dhcpcd"
    paths = ("/var/lib/dhcpcd", "/run/dhcpcd")

    def command(self) -> Sequence[str]:
        conf = self.folder / "dhcpcd.conf"
        conf.write_text("duid\nnoipv6rs\nnohook resolv.conf\ninterface wan0\n ia_pd 2002 lan0/0/64\n")
        return "-6", "-B", "-d", "-f", str(conf), "wan0"


class Networkd(Other):
    """systemd-networkd."""

    name = "networkd"
    program = "systemd-networkd"
    paths = ("/run/systemd", "/etc/systemd/network")

    def files(self) -> Mapping[str, str]:
        return {
            "/etc/systemd/network/10-wan.network": "[Match]\nName=wan0\n[Network]\nDHCP=ipv6\nIPv6AcceptRA=no\n"
            "[DHCPv6]\nWithoutRA=solicit\nUseAddress=no\n",
            "/etc/systemd/network/20-lan.network": "[Match]\nName=lan0\n[Network]\nDHCPPrefixDelegation=yes\n",
        }

    def command(self) -> Sequence[str]:
        return ()

    def start(self) -> Program:
        """Start it with the folders that the service manager makes, and no udev to wait for."""
        for name in ("links", "leases", "lldp"):
            (self.place("/run/systemd/netif") / name).mkdir(parents=True)
        shutil.chown(self.place("/run/systemd/netif"), "systemd-network")
        for folder in self.place("/run/systemd/netif").iterdir():
            shutil.chown(folder, "systemd-network")
        return super().start()

    def inside(self, *command: str) -> list[str]:
        words = super().inside(*command)
        words[2] = "mount -o remount,ro /sys; " + words[2]
        return words


class Dhcp6c(Other):
    """WIDE dhcp6c, which gives its prefix back unless it is killed."""

    name = "wide"
    program = "dhcp6c"
    paths = ("/var/lib/dhcpv6", "/etc/wide-dhcpv6")
    ends_with = signal.SIGKILL

    def files(self) -> Mapping[str, str]:
        return {
            "/etc/wide-dhcpv6/dhcp6c.conf": "interface wan0 {\n\tsend ia-pd 7;\n};\n"
            "id-assoc pd 7 {\n\tprefix-interface lan0 {\n\t\tsla-id 1;\n\t\tsla-len 8;\n\t};\n};\n",
        }

    def command(self) -> Sequence[str]:
        return "-f", "-D", "-p", str(self.folder / "pid"), "wan0"


class Dhclient(Other):
    """ISC dhclient."""

    name = "dhclient"
    program = "dhclient"
    paths = ("/var/lib/dhcp",)

    def command(self) -> Sequence[str]:
        return "-6", "-P", "-d", "-v", "-pf", str(self.folder / "pid"), "-sf", "/bin/true", "wan0"
