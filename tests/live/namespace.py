"""
A network namespace of its own for a test that runs in this process.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twisted.trial.unittest import SynchronousTestCase

from tests.live.require import CLONE_NEWNET

_LIBRARY = ctypes.CDLL(None, use_errno=True)


def enter_namespace(test: SynchronousTestCase) -> None:
    """
    Put this process into a new, empty network namespace until the end of the test; there is no duplicate address
    detection in it, and loopback is up.
    """
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if _LIBRARY.unshare(CLONE_NEWNET):
        os.close(home)
        raise OSError(ctypes.get_errno(), "unshare")

    def leave() -> None:
        _LIBRARY.setns(home, CLONE_NEWNET)
        os.close(home)

    test.addCleanup(leave)
    for which in ("all", "default"):
        set_ipv6(which, "accept_dad", 0)
    ip("link set lo up")


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Be in a network namespace that has a name; open sockets stay where they are."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _LIBRARY.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        yield
    finally:
        _LIBRARY.setns(home, CLONE_NEWNET)
        os.close(home)
        os.close(there)


def ip(command: str) -> str:
    """
    Run C{ip} with these words, and say what it printed.

    @raise AssertionError: when it fails.
    """
    done = subprocess.run(["ip", *command.split()], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {command}: {done.stderr}"
    return done.stdout


def set_ipv6(link: str, name: str, value: int) -> None:
    """Change a setting under C{net.ipv6.conf} in the namespace."""
    with open(f"/proc/sys/net/ipv6/conf/{link}/{name}", "w", encoding="ascii") as setting:
        setting.write(str(value))


def wait_for(condition: Callable[[], object], turn: Callable[[float], object], seconds: float = 5.0) -> None:
    """
    Take turns until a condition holds.

    @param turn: called with the seconds that it may wait.
    @raise AssertionError: when the condition does not come to hold in time.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{condition} did not come to hold within {seconds} seconds"
        turn(0.02)
