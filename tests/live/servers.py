"""
Other DHCPv6 servers of Debian as the provider of a live test: ISC dhcpd, WIDE dhcp6s, dibbler-server.  Kea is
L{tests.live.kea}.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from pdlease.wire.duid import DUID
from tests.live.network import Network, Program, until, with_folders
from tests.live.require import Lack

CLIENT = DUID.from_uuid(bytes(range(16)))
"""Who the client is for servers that delegate to those only whom they know."""


def server(name: str) -> Lack:
    """A server program is installed, in a folder for those of root at least."""
    return lambda: None if _find(name) else f"there is no {name} program"


def _find(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


class Server:
    """
    A server on the provider's side of a network.

    @ivar folder: where its files are.
    """

    name = ""
    ready = ""
    paths: Mapping[str, str] = {}
    """Folders that its program has built in, and what of C{folder} stands for them."""

    def __init__(self, network: Network, configuration: str) -> None:
        self.network = network
        self.folder = network.folder / self.name
        self.folder.mkdir()
        self.configuration = self.folder / "configuration"
        self.configuration.write_text(configuration)
        self.program: Program | None = None

    def command(self, folder: Path) -> tuple[str, ...]:
        """The words after the program's name."""
        raise NotImplementedError

    def start(self) -> Server:
        """Start the server and wait until it listens."""
        path = _find(self.name)
        assert path is not None
        places = {place: self.folder / inner for place, inner in self.paths.items()}
        for place in places.values():
            place.mkdir(exist_ok=True)
        command = with_folders(places, path, *self.command(self.folder))
        program = self.network.run(self.name, self.network.isp, *command)
        self.program = program
        until(lambda: self.ready in program.said() or not program.running(), 10, f"{self.name} to start")
        assert program.running(), program.said()
        return self

    def stop(self) -> None:
        """End the server."""
        if self.program is not None:
            self.program.stop()


class Dhcpd(Server):
    """ISC dhcpd, delegating from a pool of /56."""

    name = "dhcpd"
    ready = "Server starting service"

    def __init__(self, network: Network, more: str = "") -> None:
        super().__init__(
            network,
            f"""
            default-lease-time 200; preferred-lifetime 100;
            option dhcp-renewal-time 50; option dhcp-rebinding-time 80;
            authoritative; {more}
            subnet6 2001:db8:ffff::/64 {{ prefix6 2001:db8:1000:: 2001:db8:1000:ff00:: /56; }}
            """,
        )
        (self.folder / "leases").touch()

    def command(self, folder: Path) -> tuple[str, ...]:
        leases = ("-lf", str(folder / "leases"), "--no-pid")
        return "-6", "-f", "-d", "-cf", str(self.configuration), *leases, "cpe0"


class Dhcp6s(Server):
    """WIDE dhcp6s, which delegates what it is told to, to the client it is told of."""

    name = "dhcp6s"
    ready = "skip opening control port"

    def __init__(self, network: Network, more: str = "") -> None:
        duid = ":".join(f"{octet:02x}" for octet in CLIENT.data)
        super().__init__(network, f"host cpe {{ duid {duid}; prefix 2001:db8:1000::/56 100 200; }};\n{more}\n")

    def command(self, folder: Path) -> tuple[str, ...]:
        return "-f", "-D", "-c", str(self.configuration), "-k", str(folder / "key"), "-P", str(folder / "pid"), "cpe0"


class Dibbler(Server):
    """dibbler-server, delegating from a pool of /56."""

    name = "dibbler-server"
    ready = "Accepting connections"
    paths = {"/etc/dibbler": "etc", "/var/lib/dibbler": "lib", "/var/log/dibbler": "log"}

    def __init__(self, network: Network, more: str = "", t1: int = 50) -> None:
        super().__init__(
            network,
            f"""
            log-level 8
            iface "cpe0" {{
                t1 {t1} t2 80 prefered-lifetime 100 valid-lifetime 200
                pd-class {{ pd-pool 2001:db8:1000::/44 pd-length 56 }}
                {more}
            }}
            """,
        )

    def command(self, folder: Path) -> tuple[str, ...]:
        (folder / "etc" / "server.conf").write_text(self.configuration.read_text())
        return ("run",)
