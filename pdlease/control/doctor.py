"""
C{pdleasectl doctor}: says what commonly keeps delegated prefixes from working, and the command that mends it.

It reads the daemon's own documents and the machine (L{pdlease.control.checkup}).  What an uplink itself knows to say is
C{why}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pdlease import RELEASED
from pdlease.control.blocking import Control
from pdlease.control.checkup import Machine
from pdlease.control.errors import ControlError, NotAllowedError

Finding = dict[str, str]
"""C{code}, C{text} and C{mend}."""

_ANEW = ("addr_gen_mode=0", "disable_ipv6=1", "disable_ipv6=0")
"""What makes the kernel give a link a link-local address once more."""

Status = Mapping[str, Any]


def examine(connect: Callable[[], Control], machine: Machine | None = None) -> list[Finding]:
    """
    Everything that looks wrong, the worst first.

    @param connect: makes a connection to the daemon.
    @param machine: what is looked at beside the daemon; by default this machine.
    @return: C{{"code", "text", "mend"}} each.
    """
    machine = machine or Machine()
    try:
        with connect() as daemon:
            status = daemon.status()
    except ControlError as problem:
        text = str(problem)
        if isinstance(problem, NotAllowedError) or "be root" in text:
            found = [_finding("not_allowed", text, "sudo pdleasectl doctor")]
        else:
            mend = "systemctl status pdlease, or twistd -n pdlease --config FILE"
            found = [_finding("daemon_unreachable", text, mend)]
        holder = machine.holder_of_port()
        if holder:
            found.append(_port_taken("every uplink", holder))
        return [*found, *_system(machine, {"uplinks": {}})]
    folder = status.get("state_folder") or "/var/lib/pdlease"
    return [
        *(finding for name, uplink in status["uplinks"].items() for finding in _uplink(name, uplink, folder, machine)),
        *_system(machine, status),
    ]


def _finding(code: str, text: str, mend: str) -> Finding:
    return {"code": code, "text": text, "mend": mend}


def _port_taken(whose: str, holder: str) -> Finding:
    return _finding(
        "port_taken",
        f"UDP port 546, which {whose} needs, is held by {holder or 'another program'}.",
        "stop that program, or have it leave the uplink alone: ss -H6unlp sport = :546",
    )


def _uplink(name: str, uplink: Status, folder: str, machine: Machine) -> Iterator[Finding]:
    if not uplink["prefixes"]:
        yield _finding("no_prefix", f"{name} holds no prefix.", f"pdleasectl why {name}")
    yield from _upstream(name, uplink, machine)
    for assignment in uplink["assignments"]:
        yield from _assignment(name, assignment, machine)
    for unserved in uplink.get("unassigned") or ():
        yield _finding(
            "too_small",
            f"The prefix of {name} has no room for {unserved}.",
            "ask the provider for a shorter prefix (hint = LENGTH), or put fewer or longer downstreams into the "
            "configuration, and see pdleasectl plan FILE --prefix PREFIX before pdleasectl reload",
        )
    if uplink.get("store_problem"):
        yield _finding(
            "not_kept",
            f"The lease of {name} is not kept: {uplink['store_problem']}.",
            "df -h /var/lib; ls -ld /var/lib",
        )


def _upstream(name: str, uplink: Status, machine: Machine) -> Iterator[Finding]:
    """What is wrong with the uplink's own link."""
    link = uplink["link"]
    if machine.has_link(link) is False:
        yield _finding("no_link", f"{name}'s link {link} does not exist here.", f"ip link show; pdleasectl why {name}")
        return
    if machine.setting(link, "disable_ipv6") == "1":
        yield _disabled(link)
    elif machine.has_link_local(link) is False:
        yield _finding(
            "no_link_local",
            f"{link}, the link of {name}, has no IPv6 link-local address, and DHCPv6 needs one.",
            f"ip link set {link} up; sysctl -w{''.join(f' net.ipv6.conf.{link}.{pair}' for pair in _ANEW)}",
        )
    said = str(uplink.get("reason_text") or "")
    if "UDP port 546" in said:
        yield _port_taken(name, machine.holder_of_port() or said.partition("held by ")[2])
    for barrier in machine.barriers(link):
        yield _finding(
            "firewall",
            f"A firewall probably drops what servers answer on {link}: {barrier.place} seems to let no UDP to port 546 "
            "in (a guess from its rules).",
            barrier.mend,
        )
    if machine.setting(link, "forwarding") == "1" and machine.setting(link, "accept_ra") in ("0", "1"):
        yield _finding(
            "accept_ra",
            f"{link} forwards and therefore ignores router advertisements: there will be no default route.",
            f"sysctl -w net.ipv6.conf.{link}.accept_ra=2",
        )


def _disabled(link: str) -> Finding:
    return _finding("ipv6_disabled", f"IPv6 is disabled on {link}.", f"sysctl -w net.ipv6.conf.{link}.disable_ipv6=0")


def _assignment(name: str, assignment: Status, machine: Machine) -> Iterator[Finding]:
    """What is wrong with an address on a downstream link."""
    link, address, problem = assignment["link"], assignment["address"], assignment["problem"]
    if machine.setting(link, "disable_ipv6") == "1":
        yield _disabled(link)
    if assignment.get("condition") == "contested":
        yield _finding(
            "contested",
            f"Something else keeps removing {address} from {link}: another program manages that link.",
            f"ip monitor address dev {link} shows when; have it leave {link} alone, such as: nmcli device set {link} "
            f"managed no; networkctl status {link}",
        )
    elif problem:
        is_down = f"link {link} is down" in problem["text"]
        yield _finding(
            "not_installed",
            f"{address} is not on {link}: {problem['text']}.",
            f"ip link set {link} up" if is_down else f"pdleasectl why {name}",
        )


def _system(machine: Machine, status: Status) -> Iterator[Finding]:
    """What is wrong with the machine as a whole."""
    uplinks = status["uplinks"].values()
    if machine.setting("all", "forwarding") == "0":
        yield _finding(
            "forwarding_off",
            "IPv6 forwarding is off: hosts behind this router reach nothing.",
            "sysctl -w net.ipv6.conf.all.forwarding=1",
        )
    if machine.has_default_route() is False:
        settings = "".join(f" net.ipv6.conf.{uplink['link']}.accept_ra=2" for uplink in uplinks)
        yield _finding(
            "no_default_route",
            "There is no IPv6 default route: no router advertisement has made one.",
            f"sysctl -w{settings}; ip -6 route show default" if settings else "ip -6 route show default",
        )
    served = sorted({one["link"] for uplink in uplinks for one in uplink["assignments"] if one["installed"]})
    if served and machine.may_send_advertisements() is False:
        yield _finding(
            "no_advertiser",
            f"No program here can send router advertisements (none has a raw ICMPv6 socket): hosts on "
            f"{', '.join(served)} get no addresses.",
            "systemctl start radvd, or dnsmasq with enable-ra; the README has a stanza for each",
        )
    if machine.wall() < RELEASED:
        shown = datetime.fromtimestamp(machine.wall(), UTC).strftime("%Y-%m-%d")
        yield _finding(
            "clock_not_set",
            f"The clock says {shown}, which is before this program was made: after a restart a lease cannot be dated, "
            "and is asked for before it is used.",
            "systemctl start systemd-timesyncd, or chronyd -q 'pool pool.ntp.org iburst'",
        )
    folder = status.get("state_folder")
    if folder and machine.is_volatile(folder):
        yield _finding(
            "state_not_durable",
            f"The state folder {folder} is in memory ({machine.file_system(folder)}): after a restart of the machine "
            "this client is another one to the provider, and may get another prefix.",
            'set daemon.state to a folder on a disk, such as "/var/lib/pdlease", and systemctl restart pdlease',
        )
