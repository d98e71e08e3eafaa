"""
The main job on a network made for it: C{pdleasectl demo}, or C{python -m pdlease.demo.demonstration}.

A provider's server, this daemon and a LAN are put into namespaces of their own; every message, the plan, the addresses,
a Renew and a change of prefix are shown as they happen; then all is taken down.  Here is the door: into the namespaces,
and out when something interrupts.  What is shown is L{pdlease.demo.showing}, the network L{pdlease.demo.network}.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pdlease
from pdlease.demo.network import INSIDE, CannotDemonstrate, children, enclosed
from pdlease.demo.showing import Demonstration, Failed, Telling

ENDING = 40.0
"""Seconds that taking everything down may need after an interruption."""


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the demonstration.

    @return: 0 when everything was shown, 1 when something failed or this machine does not allow it.
    """
    parser = argparse.ArgumentParser(
        prog="pdleasectl demo",
        description="Show the main job on a demonstration network; nothing outside it is touched.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of sentences")
    options = parser.parse_args(argv)
    try:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, _interrupt)
        if INSIDE not in os.environ:
            return _enter(["--json"] if options.json else [])
        Demonstration(Telling(options.json)).show()
    except CannotDemonstrate as problem:
        return _wrong(options.json, f"the demonstration cannot be made here: {problem}")
    except Failed as problem:
        return _wrong(options.json, f"the demonstration failed: {problem}")
    except KeyboardInterrupt:
        print("\ninterrupted; everything is taken down", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # whoever read along has gone; the interpreter must not try to flush it again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _enter(words: Sequence[str]) -> int:
    """
    Run the same program inside namespaces of its own.

    @return: its status.
    @raise CannotDemonstrate: see there.
    """
    environment = {**os.environ, INSIDE: "1"}
    above = str(Path(pdlease.__file__).parents[1])
    if above != sysconfig.get_path("purelib"):
        # A checkout: what is started from elsewhere must find it too.
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (above, os.environ.get("PYTHONPATH"))))
    inner = subprocess.Popen(
        enclosed([sys.executable, "-m", "pdlease.demo.demonstration", *words]),
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    try:
        return inner.wait()
    except KeyboardInterrupt:
        # `unshare` itself hears no signal; its child, the first process inside, takes everything down.
        for pid in (*children(inner.pid), inner.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        try:
            inner.wait(ENDING)
        except subprocess.TimeoutExpired:
            inner.kill()
            inner.wait()
        return 1


def _interrupt(number: int, frame: object) -> None:
    """
    Leave off, once: a second signal does not interrupt the clearing away.

    @raise KeyboardInterrupt: always.
    """
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


def _wrong(as_json: bool, sentence_: str) -> int:
    """Tell what went wrong, as the control client does."""
    if as_json:
        print(json.dumps({"error": {"code": "failed", "message": sentence_, "path": None}}), flush=True)
    else:
        print(f"pdleasectl: {sentence_}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
