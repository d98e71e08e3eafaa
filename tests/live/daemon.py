"""
The daemon under test, run as an operator runs it, and C{pdleasectl} beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pdlease.control.blocking import Control
from pdlease.control.errors import ControlError
from tests.live.network import TOP, Network, Program, children_of, until

USER = "nobody"


def toml(uplinks: dict[str, list[str]], state: Path, extra: str = "", uplink_extra: str = "") -> str:
    """
    A configuration.

    @param uplinks: name and link of each uplink to its delegations, each the text of a C{downstreams} value.
    @param extra: further text for the C{[daemon]} table.
    @param uplink_extra: further text for every uplink's table.
    """
    lines = [
        "[daemon]",
        f'state = "{state}"',
        f'control = "{state.parent}/run/control.sock"',
        'control_group = "root"',
        f'user = "{USER}"',
        f'helper_user = "{USER}"',
        # a call that the sandbox lacks shall end the daemon, and not go by unseen
        *([] if "sandbox" in extra else ['sandbox_action = "kill"']),
        extra,
    ]
    for name, delegations in uplinks.items():
        lines += [f"[uplinks.{name}]", "solicit_delay = false", uplink_extra]
        for downstreams in delegations:
            lines += [f"[[uplinks.{name}.delegations]]", f"downstreams = {downstreams}"]
    return "\n".join(lines) + "\n"


class Daemon:
    """
    C{twistd -n pdlease} in the router's namespace.

    @ivar path: of the configuration file.
    @ivar state: the state folder.
    """

    def __init__(
        self, network: Network, uplinks: dict[str, list[str]] | None = None, name: str = "pdlease", **texts: str
    ) -> None:
        self.network = network
        self.name = name
        self.folder = network.folder / name
        self.folder.mkdir(exist_ok=True)
        self.state = self.folder / "state"
        self.control = self.folder / "run" / "control.sock"
        self.path = self.folder / "pdlease.toml"
        self.program: Program | None = None
        self.write(uplinks or {"wan0": ['["lan0", "lan1"]']}, **texts)

    def write(self, uplinks: dict[str, list[str]], **texts: str) -> None:
        """Write the configuration file."""
        self.path.write_text(toml(uplinks, self.state, **texts))
        self.path.chmod(0o644)

    def start(
        self,
        *,
        ready: bool = True,
        env: dict[str, str] | None = None,
        before: tuple[str, ...] = (),
        of_twistd: tuple[str, ...] = (),
        words: tuple[str, ...] = (),
    ) -> Daemon:
        """
        Start the daemon.

        @param ready: whether to wait until it answers.
        @param before: words in front of the command, such as C{faketime}'s.
        @param of_twistd: further options of twistd itself.
        @param words: further options of the daemon.
        """
        command = (*before, *twistd(), "-n", *of_twistd, "pdlease", "--config", str(self.path), *words)
        self.program = self.network.run(self.name, self.network.router, *command, env=env)
        if ready:
            until(self.answers, 15, "the daemon to answer")
        return self

    def answers(self) -> bool:
        """Whether the control channel answers; fails when the daemon has ended."""
        assert self.program is not None
        if not self.program.running():
            raise AssertionError(f"the daemon ended with {self.program.process.returncode}: {self.program.said()}")
        try:
            with Control(str(self.control)) as control:
                return bool(control.status())
        except ControlError:
            return False

    def ctl_words(self, *words: str) -> list[str]:
        """The command line of C{pdleasectl} with these words."""
        return [sys.executable, "-m", "pdlease.control.cli", "--control", str(self.control), *words]

    def ctl(self, *words: str, check: bool = True, seconds: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run C{pdleasectl} against the daemon."""
        done = subprocess.run(
            self.ctl_words(*words),
            cwd=TOP,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"pdleasectl {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done

    def status(self, uplink: str = "wan0") -> dict[str, Any]:
        """The status document of one uplink."""
        with Control(str(self.control)) as control:
            document: dict[str, Any] = control.status(uplink)["uplinks"][uplink]
            return document

    def bound(self, uplink: str = "wan0", seconds: float = 15.0) -> dict[str, Any]:
        """Wait until an uplink is bound with every assignment installed; its status."""
        try:
            with Control(str(self.control)) as control:
                control.wait(uplink, seconds)
        except ControlError as problem:
            raise AssertionError(f"{uplink} is not bound: {problem}; {self.status(uplink)}") from None
        return self.status(uplink)

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        assert self.program is not None
        return self.program.process.pid

    def helper(self) -> int:
        """The helper's process id."""
        (helper,) = children_of(self.pid)
        return helper

    def said(self) -> str:
        """What the daemon printed."""
        assert self.program is not None
        return self.program.said()

    def kill(self) -> None:
        """End the daemon as a crash does."""
        os.kill(self.pid, 9)
        assert self.program is not None
        self.program.ended()

    def stop(self) -> int:
        """End the daemon with SIGTERM; its status."""
        assert self.program is not None
        return self.program.stop()


def twistd() -> tuple[str, ...]:
    """The words that run twistd so that it sees the plugin of this checkout."""
    return (sys.executable, "-c", "import sys; sys.path.insert(0, ''); from twisted.scripts.twistd import run; run()")
