"""
What /proc tells of other programs: who holds a UDP port.

Needs the right to look at other processes' descriptors (root, or the same user); without it the answer is that nothing
is known.  Everything about links comes from L{pdlease.netlink}.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from pdlease.wire.codes import CLIENT_PORT


def socket_inodes(table: str, port: int) -> set[str]:
    """The inodes of the sockets bound to C{port}, from the text of C{/proc/net/udp6}."""
    wanted = f":{port:04X}"
    return {
        fields[9] for fields in map(str.split, table.splitlines()[1:]) if len(fields) > 9 and fields[1].endswith(wanted)
    }


def _descriptors(root: str, pid: str) -> Iterator[str]:
    """What the descriptors of a process point to; nothing for one that is gone or not ours to look at."""
    folder = f"{root}/{pid}/fd"
    try:
        for name in os.listdir(folder):
            yield os.readlink(f"{folder}/{name}")
    except OSError:
        return


def port_holder(port: int = CLIENT_PORT, root: str = "/proc") -> str:
    """
    Who holds a UDP port in this network namespace.

    @return: names and process ids, such as C{dhclient (412)}, joined by commas; empty when it cannot be told.
    """
    try:
        with open(f"{root}/net/udp6", encoding="ascii") as file:
            targets = {f"socket:[{inode}]" for inode in socket_inodes(file.read(), port)}
    except OSError:
        return ""
    holders = []
    for pid in filter(str.isdigit, os.listdir(root)) if targets else ():
        if int(pid) != os.getpid() and any(target in targets for target in _descriptors(root, pid)):
            try:
                with open(f"{root}/{pid}/comm", encoding="utf-8", errors="replace") as file:
                    holders.append(f"{file.read().strip()} ({pid})")
            except OSError:
                continue
    return ", ".join(holders)
