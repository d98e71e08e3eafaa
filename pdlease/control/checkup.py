"""
What C{pdleasectl doctor} reads of the machine: settings, tables and mounts below C{/proc}, firewalls, the clock.

What is made of it is L{pdlease.control.doctor}.  Nothing here changes anything; what cannot be read is not guessed.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any

from pdlease.control.firewall import Barrier, ip6tables_barriers, nft_barriers
from pdlease.procfs import port_holder, socket_inodes

_SETTINGS = "sys/net/ipv6/conf"
_PATIENCE = 10.0
_ICMPV6 = 58
_REJECTS = 0x0200
_VOLATILE = ("tmpfs", "ramfs", "rootfs")
_NFT = ("nft", "-j", "list", "ruleset")
_IP6TABLES = ("ip6tables-save",)


def run(command: Sequence[str]) -> str | None:
    """What a program prints; C{None} where there is none, or it fails."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
            env={**os.environ, "PATH": path, "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


class Machine:
    """The machine, as far as it can be looked at by whoever asks."""

    def __init__(
        self,
        root: str = "/proc",
        run: Callable[[Sequence[str]], str | None] = run,
        wall: Callable[[], float] = time.time,  # noqa: TID251 - the clock itself is looked at
    ) -> None:
        """
        @param root: where C{/proc} is.
        @param run: runs a program.
        @param wall: the wall clock.
        """
        self._root = root
        self._run = run
        self.wall = wall

    @classmethod
    def unseen(cls) -> Machine:
        """A machine that cannot be looked at from here."""
        return cls(root="", run=lambda command: None, wall=lambda: inf)

    def read(self, path: str) -> str | None:
        """The text of a file below C{/proc}; C{None} where that cannot be read."""
        if ".." in path or not self._root:
            return None
        try:
            with open(f"{self._root}/{path}", encoding="utf-8", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return None

    def setting(self, link: str, name: str) -> str | None:
        """An IPv6 setting of a link, or of C{all}."""
        return self.read(f"{_SETTINGS}/{link}/{name}")

    def has_link(self, link: str) -> bool | None:
        """Whether there is such a link in this network namespace; C{None} where that cannot be told."""
        devices = self.read("net/dev")
        if devices is None:
            return None
        return any(line.partition(":")[0].strip() == link for line in devices.splitlines()[2:])

    def has_link_local(self, link: str) -> bool | None:
        """Whether a link has a link-local address; C{None} where that cannot be told."""
        addresses = self.read("net/if_inet6")
        if addresses is None:
            return None
        rows = [line.split() for line in addresses.splitlines() if line.startswith("fe80")]
        return any(len(row) == 6 and row[5] == link for row in rows)

    def has_default_route(self) -> bool | None:
        """Whether there is an IPv6 default route that does not reject; C{None} where that cannot be told."""
        routes = self.read("net/ipv6_route")
        if routes is None:
            return None
        return any(map(_is_default_route, routes.splitlines()))

    def holder_of_port(self) -> str:
        """Who holds the port of DHCPv6 clients, in words; empty where nobody is known to."""
        return port_holder(root=self._root) if self._root else ""

    def may_send_advertisements(self) -> bool | None:
        """
        Whether a program of this network namespace could send Router Advertisements: it would have a raw ICMPv6 socket.

        C{None} where that cannot be told.
        """
        raw = self.read("net/raw6")
        return None if raw is None else bool(socket_inodes(f"{raw}\n", _ICMPV6))

    def file_system(self, folder: str) -> str | None:
        """The kind of file system that a folder is on; C{None} where that cannot be told."""
        mounts = self.read("self/mountinfo")
        best, kind = -1, None
        for line in (mounts or "").splitlines():
            fields, dash, rest = line.partition(" - ")
            words = fields.split()
            if not dash or len(words) < 5 or not rest.split():
                continue
            point = words[4].replace("\\040", " ")
            inside = folder == point or folder.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= best:
                best, kind = len(point), rest.split()[0]
        return kind

    def is_volatile(self, folder: str) -> bool:
        """Whether what is in a folder is gone after a restart of the machine."""
        return self.file_system(folder) in _VOLATILE

    def barriers(self, link: str) -> Iterator[Barrier]:
        """Where firewalls probably drop what servers answer on a link."""
        yield from nft_barriers(self._nft(), link)
        text = self._run(_IP6TABLES)
        if text is not None:
            yield from ip6tables_barriers(text, link)

    def _nft(self) -> dict[str, Any]:
        text = self._run(_NFT)
        try:
            document = json.loads(text or "{}")
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


def _is_default_route(line: str) -> bool:
    """Whether a line of C{/proc/net/ipv6_route} is a default route that is not a rejecting one."""
    fields = line.split()
    return len(fields) == 10 and fields[0] == "0" * 32 and fields[1] == "00" and not int(fields[8], 16) & _REJECTS
