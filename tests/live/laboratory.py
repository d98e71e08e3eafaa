"""
What is tried on another kernel (L{tests.live.test_laboratory}, L{tests.live.test_lossy_uplink}) has in common: a
script that runs a command there, and that machine's slowness.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest

from tests.live.daemon import Daemon
from tests.live.network import TOP, until

PATIENCE = 120.0
"""Seconds in which anything must happen."""


def begin(daemon: Daemon) -> None:
    """Start a daemon with more patience than usual."""
    daemon.start(ready=False)
    until(daemon.answers, PATIENCE, "the daemon to answer")


UNSEEN = Path("/tmp")
"""What the kernel laboratory has a file system of its own for."""


def kernel_laboratory() -> str | None:
    """The script that runs a command on another kernel is at hand."""
    script = os.environ.get("PDLEASE_KERNEL_LAB")
    if not script:
        return "PDLEASE_KERNEL_LAB names no script that runs a command on a kernel with VLANs"
    if any(path.is_relative_to(UNSEEN) for path in (Path(sys.executable), TOP)):
        return f"the kernel laboratory sees nothing below {UNSEEN}, where this interpreter or project is"
    return None


def run_there(module: str, seconds: int, *modules: str) -> subprocess.CompletedProcess[str]:
    """
    Run a module of ours on the other kernel.

    @param seconds: the most it may take.
    @param modules: kernel modules to load besides those that the laboratory always has.
    @raise SkipTest: where there is no laboratory: without it the project's own tests must be able to pass.
    """
    lack = kernel_laboratory()
    if lack is not None:
        raise SkipTest(lack)
    loaded = [word for name in modules for word in ("-m", name)]
    return subprocess.run(
        [os.environ["PDLEASE_KERNEL_LAB"], *loaded, "-t", str(seconds), sys.executable, "-m", module],
        cwd=TOP,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
