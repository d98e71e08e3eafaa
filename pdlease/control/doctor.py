"""
C{pdleasectl doctor}: looks at the system for what commonly keeps delegated prefixes from working.

Only reads: the daemon's own documents, and files below C{/proc}.  What an uplink itself knows to say is C{why}.  Each
finding comes with the command that mends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pdlease.control.blocking import Control
from pdlease.control.errors import ControlError

Finding = dict[str, str]

_SETTINGS = "sys/net/ipv6/conf"


def examine(connect: Callable[[], Control], root: str = "/proc") -> list[Finding]:
    """
    Everything that looks wrong, the worst first.

    @param connect: makes a connection to the daemon.
    @param root: where C{/proc} is.
    @return: C{{"code", "text", "mend"}} each.
    """
    try:
        with connect() as daemon:
            status = daemon.status()
    except ControlError as problem:
        found = [
            _finding("daemon_unreachable", str(problem), "systemctl status pdlease, or twistd -n pdlease --config FILE")
        ]
        return found + list(_system(root, {}))
    return [*_uplinks(status, root), *_system(root, status)]


def _finding(code: str, text: str, mend: str) -> Finding:
    return {"code": code, "text": text, "mend": mend}


def _uplinks(status: Mapping[str, Any], root: str) -> Iterator[Finding]:
    forwards = _read(root, f"{_SETTINGS}/all/forwarding") == "1"
    local = _links_with_local_address(root)
    for name, uplink in status["uplinks"].items():
        link = uplink["link"]
        if not uplink["prefixes"]:
            yield _finding("no_prefix", f"{name} holds no prefix.", f"pdleasectl why {name}")
        if local is not None and link not in local:
            yield _finding(
                "no_link_local",
                f"{link}, the link of {name}, has no IPv6 link-local address, and DHCPv6 needs one.",
                f"ip link set {link} up; sysctl -w net.ipv6.conf.{link}.disable_ipv6=0",
            )
        if forwards and _read(root, f"{_SETTINGS}/{link}/accept_ra") in ("0", "1"):
            yield _finding(
                "accept_ra",
                f"{link} forwards and therefore ignores router advertisements: there will be no default route.",
                f"sysctl -w net.ipv6.conf.{link}.accept_ra=2",
            )
        for assignment in (*uplink["assignments"], *(uplink.get("excluded_addresses") or ())):
            if _read(root, f"{_SETTINGS}/{assignment['link']}/disable_ipv6") == "1":
                yield _finding(
                    "ipv6_disabled",
                    f"IPv6 is disabled on {assignment['link']}.",
                    f"sysctl -w net.ipv6.conf.{assignment['link']}.disable_ipv6=0",
                )
            problem = assignment["problem"]
            if problem:
                yield _finding(
                    "not_installed",
                    f"{assignment['address']} is not on {assignment['link']}: {problem['text']}.",
                    f"pdleasectl why {name}",
                )
        for unserved in uplink.get("unassigned") or ():
            yield _finding(
                "too_small",
                f"The prefix of {name} has no room for {unserved}.",
                "ask the provider for a shorter prefix, or put fewer or longer downstreams into the configuration",
            )
        if uplink.get("store_problem"):
            yield _finding("not_kept", f"The lease of {name} is not kept: {uplink['store_problem']}.", "df; ls -ld")


def _system(root: str, status: Mapping[str, Any]) -> Iterator[Finding]:
    if _read(root, f"{_SETTINGS}/all/forwarding") == "0":
        yield _finding(
            "forwarding_off",
            "IPv6 forwarding is off: hosts behind this router reach nothing.",
            "sysctl -w net.ipv6.conf.all.forwarding=1",
        )
    routes = _read(root, "net/ipv6_route")
    if routes is not None and not any(map(_is_default_route, routes.splitlines())):
        yield _finding(
            "no_default_route",
            "There is no IPv6 default route.",
            "see that router advertisements arrive (rdisc6, tcpdump icmp6) and accept_ra is 2 on the uplink",
        )


def _is_default_route(line: str) -> bool:
    """Whether a line of C{/proc/net/ipv6_route} is a default route that is not a rejecting one."""
    fields = line.split()
    rejects = 0x0200
    return len(fields) == 10 and fields[0] == "0" * 32 and fields[1] == "00" and not int(fields[8], 16) & rejects


def _links_with_local_address(root: str) -> set[str] | None:
    """The links that have a link-local address; C{None} when that cannot be read."""
    addresses = _read(root, "net/if_inet6")
    if addresses is None:
        return None
    return {line.split()[5] for line in addresses.splitlines() if line.startswith("fe80") and len(line.split()) == 6}


def _read(root: str, path: str) -> str | None:
    if ".." in path:
        return None
    try:
        with open(f"{root}/{path}", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None
