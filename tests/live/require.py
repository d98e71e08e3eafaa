"""
What a live test needs, and what becomes of it where that is not there.

The one rule: a live test that cannot run is skipped, with the reason; with C{PDLEASE_REQUIRE_LIVE=1} in the environment
it fails with that reason instead.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.trial.unittest import SkipTest, SynchronousTestCase

Lack = Callable[[], "str | None"]
"""Says what is lacking, or C{None} when nothing is."""

Tests = TypeVar("Tests", bound="type[SynchronousTestCase]")

CLONE_NEWNET = 0x40000000


def is_required() -> bool:
    """Whether live tests must run."""
    return os.environ.get("PDLEASE_REQUIRE_LIVE", "") not in ("", "0")


def needs(*lacks: Lack) -> Callable[[Tests], Tests]:
    """
    Decorate a class of live tests with what it needs: where one of these lacks, its tests are skipped, or fail (see
    above).

    The question is asked when the first test of the class is about to run, not when the module is imported.
    """

    def decorate(tests: Tests) -> Tests:
        original = tests.setUp

        @functools.wraps(original)
        def set_up(self: Any) -> Any:
            for lack in lacks:
                stop_without(self, lack())
            return original(self)

        tests.setUp = set_up  # type: ignore[method-assign]
        return tests

    return decorate


def stop_without(test: Any, reason: str | None) -> None:
    """From within a test: skip it for this reason, or fail it; go on if there is no reason."""
    if reason is None:
        return
    if is_required():
        test.fail(f"PDLEASE_REQUIRE_LIVE is set, and {reason}")
    raise SkipTest(reason)


@functools.cache
def network_namespaces() -> str | None:
    """Network namespaces can be made by this process: it is root, or runs under C{unshare -Urn}."""
    child = os.fork()
    if child == 0:
        os._exit(0 if ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0 else 1)
    if os.waitpid(child, 0)[1]:
        return "network namespaces cannot be made (be root, or run under: unshare -Urn)"
    return None if shutil.which("ip") else "there is no ip program (iproute2)"


@functools.cache
def named_namespaces() -> str | None:
    """Network namespaces with names can be made (C{ip netns}), for which /run must be writable."""
    lack = network_namespaces()
    if lack is not None:
        return lack
    name = f"pdlease-probe-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "ip netns cannot make a namespace (be root)"
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return None


def root() -> str | None:
    """The process is root outside of any user namespace, so that it can become other users."""
    if os.geteuid() != 0:
        return "this test must be root"
    with open("/proc/self/uid_map", encoding="ascii") as uid_map:
        return None if uid_map.read().split() == ["0", "0", "4294967295"] else "this test needs all user ids"


def program(name: str) -> Lack:
    """A program is installed."""
    return lambda: None if shutil.which(name) else f"there is no {name} program"


def link_kind(kind: str, *words: str) -> Lack:
    """The kernel can make links of this kind (C{vrf}, C{dummy}, C{vlan}...); C{words} are its arguments."""

    @functools.cache
    def lack() -> str | None:
        child = os.fork()
        if child == 0:
            if ctypes.CDLL(None).unshare(CLONE_NEWNET):
                os._exit(1)
            command = ["ip", "link", "add", "probe", "type", kind, *words]
            done = subprocess.run(command, capture_output=True, check=False)
            os._exit(1 if done.returncode else 0)
        return f"the kernel has no links of kind {kind}" if os.waitpid(child, 0)[1] else None

    return lack
