"""
The demonstration's network: three network namespaces in a row, and what runs in them.

Everything is made inside mount, network and process namespaces of the demonstration's own (L{enclosed}), as an ordinary
user inside a user namespace as well.  Nothing of it can be seen from outside, and when the demonstration ends, however
it ends, the kernel ends every process in it and removes it all (where process namespaces can be had; else the
demonstration ends them itself).  What is shown is L{pdlease.demo.demonstration}.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from ipaddress import IPv6Interface
from time import sleep
from typing import IO

INSIDE = "PDLEASE_DEMONSTRATION_INSIDE"
"""The environment variable by which the demonstration knows that it is enclosed already."""

ISP, ROUTER, LAN = "isp", "router", "lan"
"""The three namespaces; their names are private to the demonstration."""

LANS = ("lan0", "lan1")
"""The router's links to the LAN; the LAN's ends are called C{host0} and C{host1}."""


class CannotDemonstrate(Exception):
    """The demonstration cannot be made on this machine; the text says what is missing."""


def found(program: str) -> str | None:
    """Where a program is, also in the folders that an ordinary user's path leaves out; C{None} for nowhere."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin:/usr/bin:/bin")


def enclosed(command: Sequence[str], where: Callable[[str], str | None] = found) -> list[str]:
    """
    The words that run a command in namespaces of its own, where it is root.

    @param where: tells where a program is.
    @raise CannotDemonstrate: when a program is missing or the kernel does not allow it.
    """
    for program, package in (("unshare", "util-linux"), ("nsenter", "util-linux"), ("ip", "iproute2")):
        if where(program) is None:
            raise CannotDemonstrate(f"the program {program} is missing; install {package}")
    base = [where("unshare") or "unshare", "--net", "--mount"]
    # A process namespace ends all that runs in it with its first process; where /proc is half hidden, as in some
    # containers, there can be none.  Root in a container without rights needs a user namespace like anybody else.
    processes, user = ["--pid", "--fork", "--kill-child", "--mount-proc"], ["--user", "--map-root-user"]
    as_root = (processes, []) if os.geteuid() == 0 else ()
    for further in (*as_root, [*user, *processes], user):
        tried = subprocess.run([*base, *further, where("true") or "true"], capture_output=True, text=True, check=False)
        if tried.returncode == 0:
            return [*base, *further, *command]
    raise CannotDemonstrate(
        f"the kernel does not let this user make namespaces ({tried.stderr.strip()}); run it as root"
    )


def run(*words: str) -> str:
    """
    Run a program and return what it printed.

    @raise CannotDemonstrate: when it fails, with what it said.
    """
    done = subprocess.run(
        [found(words[0]) or words[0], *words[1:]],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise CannotDemonstrate(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def in_namespace(namespace: str, *words: str) -> list[str]:
    """The words that run a command in one of the network namespaces."""
    return [found("nsenter") or "nsenter", f"--net=/run/netns/{namespace}", "--", *words]


class Network:
    """
    C{isp} - C{router} - C{lan}, joined by veth pairs, all links up.

    Must be made inside L{enclosed}.
    """

    def __init__(self) -> None:
        run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
        self._running: list[subprocess.Popen[str]] = []
        for namespace in (ISP, ROUTER, LAN):
            run("ip", "netns", "add", namespace)
            self._quick(namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        self._join(ROUTER, "wan", ISP, "customer")
        for number, link in enumerate(LANS):
            self._join(ROUTER, link, LAN, f"host{number}")
        self._ready(ISP, "customer")
        self._ready(ROUTER, "wan")

    def _ready(self, namespace: str, link: str) -> None:
        """
        Wait for the link-local address, without which nothing is sent.

        @raise CannotDemonstrate: when it does not come.
        """
        for _ in range(200):
            if "fe80" in run(
                "ip", "-n", namespace, "-6", "address", "show", "dev", link, "scope", "link", "-tentative"
            ):
                return
            sleep(0.05)
        raise CannotDemonstrate(f"link {link} gets no link-local address; is IPv6 switched off here?")

    def _quick(self, namespace: str) -> None:
        """
        Leave out the seconds in which a new address is looked for on the link; where that may not be set, they pass.
        """
        setting = "for which in all default; do echo 0 > /proc/sys/net/ipv6/conf/$which/accept_dad; done"
        subprocess.run(in_namespace(namespace, "sh", "-c", setting), capture_output=True, check=False)

    def _join(self, namespace: str, link: str, other: str, end: str) -> None:
        """Make a veth pair between two namespaces."""
        run("ip", "-n", namespace, "link", "add", "name", link, "type", "veth", "peer", "name", end, "netns", other)
        run("ip", "-n", namespace, "link", "set", link, "up")
        run("ip", "-n", other, "link", "set", end, "up")

    def start(self, namespace: str, *command: str, errors: IO[str] | None = None) -> subprocess.Popen[str]:
        """
        Start a program, its standard input and output as pipes.

        @param errors: where its standard error goes; to its standard output if not given.
        """
        process = subprocess.Popen(
            in_namespace(namespace, *command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if errors is None else errors,
            text=True,
        )
        self._running.append(process)
        return process

    def addresses(self, link: str) -> list[str]:
        """The global addresses of one of the router's links, as the kernel has them, remaining lifetimes in words."""
        shown = json.loads(
            run("ip", "-n", ROUTER, "-6", "-json", "address", "show", "dev", link, "scope", "global") or "[]"
        )
        return [
            f"{IPv6Interface((entry['local'], entry['prefixlen']))} "
            f"({'deprecated, ' if entry.get('deprecated') else ''}valid for {entry['valid_life_time']} s)"
            for one in shown
            for entry in one.get("addr_info", ())
            if "local" in entry
        ]

    def close(self) -> None:
        """End what was started, the last first; the namespaces go with the demonstration's process."""
        for process in reversed(self._running):
            end(process)


def end(process: subprocess.Popen[str], seconds: float = 10.0) -> int:
    """
    End a process that is still there; one that does not end in time is killed.

    @return: its status.
    """
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    return process.returncode


def children(pid: int) -> list[int]:
    """The process ids of the children of a process; none where it is gone."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []
