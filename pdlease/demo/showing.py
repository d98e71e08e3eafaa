"""
The demonstration itself: what is started in which order, and what is told of it.

Where it happens is L{pdlease.demo.network}, the sentences are L{pdlease.demo.story}; how the program gets into
namespaces of its own and out again is L{pdlease.demo.demonstration}.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv6Interface, IPv6Network
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from pdlease.demo.network import ISP, LANS, ROUTER, Network, end
from pdlease.demo.story import PICTURE, sentence

FOLDER = Path("/run/pdlease-demonstration")
"""Where configuration and state live; on a file system in memory that goes with the demonstration."""

FIRST, SECOND = "2001:db8:1000::/40", "2001:db8:2000::/40"
"""What the provider delegates from, before and after its change."""

RENEW, PREFERRED, VALID = 5, 30, 60
"""T1 and lifetimes in seconds: short, so that something happens while one watches."""

PATIENCE = 20.0
"""Seconds after which something that should have happened is given up."""

CONFIGURATION = """\
[daemon]
state = "{folder}/state"
control = "{folder}/control.sock"
control_group = "root"
user = "{user}"
helper_user = "{user}"

[uplinks.wan]
solicit_delay = false

[[uplinks.wan.delegations]]
downstreams = {downstreams}
"""


class Failed(Exception):
    """Something that should have happened did not; the text says what, and what the daemon printed."""


class Telling:
    """
    Says what happens, to people or to programs.
    """

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._began = monotonic()

    def heading(self, text: str) -> None:
        """A new part of the story."""
        self._say({"step": "heading", "text": text}, f"\n{text}")

    def text(self, text: str) -> None:
        """Lines as they are."""
        self._say({"step": "text", "text": text}, text.rstrip("\n"))

    def happened(self, text: str, **facts: Any) -> None:
        """Something happened just now."""
        self._say({"step": "happened", "text": text, **facts}, f"  {monotonic() - self._began:5.1f} s  {text}")

    def _say(self, document: Mapping[str, Any], line: str) -> None:
        seconds = round(monotonic() - self._began, 3)
        print(json.dumps({"seconds": seconds, **document}) if self._json else line, flush=True)


class Demonstration:
    """
    The story from beginning to end.
    """

    def __init__(
        self,
        telling: Telling,
        make_network: Callable[[], Network] = Network,
        folder: Path = FOLDER,
        control: Sequence[str] = (sys.executable, "-m", "pdlease.control.cli"),
        patience: float = PATIENCE,
    ) -> None:
        """
        @param telling: who tells what happens.
        @param make_network: makes the network, in namespaces of this process's own.
        @param folder: where configuration and state are to live; it is made.
        @param control: the words that run C{pdleasectl}.
        @param patience: seconds after which something that should have happened is given up.
        """
        self._telling = telling
        self._make_network = make_network
        self._folder = folder
        self._configuration = folder / "pdlease.toml"
        self._pdleasectl = (*control, "--control", str(folder / "control.sock"))
        self._patience = patience
        self._events: queue.Queue[Mapping[str, Any]] = queue.Queue()
        self._daemon: subprocess.Popen[str] | None = None
        self._log = folder / "daemon.log"

    def show(self) -> None:
        """
        Show all of it.

        @raise CannotDemonstrate: when the network cannot be made.
        @raise Failed: when something does not happen.
        """
        say = self._telling
        say.text("pdlease asks a provider for IPv6 prefixes and gives them to your own links.\n")
        say.text(PICTURE)
        network = self._make_network()
        self._folder.mkdir(mode=0o755)
        try:
            self._story(network)
        finally:
            network.close()
        say.happened("Everything is taken down: no link, no namespace, no process is left.")

    def _story(self, network: Network) -> None:
        """What happens, in order."""
        say = self._telling
        say.heading("1. Asking for a prefix")
        server = self._start_server(network)
        self._start_daemon(network)
        self._until("the first Reply", lambda event: _is(event, "sent", "REPLY"))
        self._settled()

        say.heading("2. The plan: which link gets what")
        self._tree()
        say.heading("3. The addresses that the kernel has now")
        self._addresses(network)

        say.heading(f"4. Keeping it: a Renew after {RENEW} s")
        self._until("a Renew and its Reply", _after("RENEW"))

        say.heading(f"5. The provider changes its mind: from now on it delegates from {SECOND}")
        assert server.stdin is not None
        server.stdin.write(f"renumber {SECOND} withdraw\n")
        server.stdin.flush()
        self._until("the change of prefix", _after("RENEW"))
        self._until_addresses(network, SECOND)
        self._tree()
        self._addresses(network)

        say.heading("6. The end")
        assert self._daemon is not None
        end(self._daemon)
        say.happened(
            "The daemon is stopped. It keeps its lease in a file and releases nothing: a router that comes back"
        )
        say.happened("asks for the same prefix, and the hosts behind it keep their addresses.")

    def _start_server(self, network: Network) -> subprocess.Popen[str]:
        """Start the provider's server and a thread that reads what it prints."""
        server = network.start(
            ISP,
            sys.executable,
            "-m",
            "pdlease.demo.server",
            *("--link", "customer", "--prefix", FIRST, "--end-with-stdin"),
            *("--t1", str(RENEW), "--preferred", str(PREFERRED), "--valid", str(VALID)),
        )

        def read() -> None:
            assert server.stdout is not None
            for line in server.stdout:
                try:
                    self._events.put(json.loads(line))
                except ValueError:
                    self._events.put({"event": "said", "text": line.strip()})
            self._events.put({"event": "ended"})

        threading.Thread(target=read, daemon=True).start()
        self._until("the provider's server", lambda event: event["event"] == "ready")
        self._telling.happened(f"The provider's server is ready. It delegates prefixes from {FIRST}.")
        return server

    def _start_daemon(self, network: Network) -> None:
        """Start C{twistd -n pdlease} in the router."""
        path = self._configuration
        path.write_text(
            CONFIGURATION.format(folder=self._folder, user=_user(), downstreams=json.dumps([LANS[0], f"{LANS[1]}/62"]))
        )
        path.chmod(0o644)
        self._telling.happened(f"twistd -n pdlease starts in the router; {LANS[0]} is to get a /64, {LANS[1]} a /62.")
        with open(self._log, "w", encoding="utf-8") as log:
            self._daemon = network.start(
                ROUTER,
                sys.executable,
                "-c",
                "from twisted.scripts.twistd import run; run()",
                *("-n", "--pidfile=", "pdlease", "--config", str(path)),
                errors=log,
            )
        threading.Thread(target=self._keep_log, daemon=True).start()

    def _keep_log(self) -> None:
        """Write the daemon's standard output, its log, behind its errors."""
        assert self._daemon is not None
        assert self._daemon.stdout is not None
        with open(self._log, "a", encoding="utf-8") as log:
            for line in self._daemon.stdout:
                log.write(line)
                log.flush()

    def _until(self, what: str, is_it: Callable[[Mapping[str, Any]], bool]) -> None:
        """
        Tell every message until something happens.

        @raise Failed: when it does not.
        """
        end_of_patience = monotonic() + self._patience
        while True:
            try:
                event = self._events.get(timeout=0.2)
            except queue.Empty:
                event = {"event": "nothing"}
            if event["event"] in {"received", "sent"}:
                self._telling.happened(sentence(event), message=event)
            if is_it(event):
                return
            if event["event"] in {"ended", "failed"} or event.get("event") == "said":
                raise self._failure(f"the server: {event.get('problem') or event.get('text') or 'it ended'}")
            self._check_daemon()
            if monotonic() > end_of_patience:
                raise self._failure(f"{what} did not come within {self._patience:.0f} s")

    def _check_daemon(self) -> None:
        """
        See that the daemon is still there.

        @raise Failed: when it is not.
        """
        if self._daemon is not None and self._daemon.poll() is not None:
            raise self._failure(f"the daemon ended with status {self._daemon.returncode}")

    def _settled(self) -> None:
        """
        Wait until every address is in place.

        @raise Failed: when that does not happen.
        """
        self._control("wait", "wan", "--timeout", str(int(self._patience)))

    def _control(self, *words: str) -> str:
        """
        Run C{pdleasectl} and return what it printed.

        @raise Failed: when it fails.
        """
        done = subprocess.run(
            [*self._pdleasectl, *words],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise self._failure(f"pdleasectl {' '.join(words)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def _tree(self) -> None:
        """
        Draw what is delegated now, the free parts included.

        @raise Failed: when the daemon does not answer.
        """
        ((delegation, *_),) = json.loads(self._control("plan", "--json"))["uplinks"].values()
        tree = self._control("plan", str(self._configuration), "--prefix", delegation["prefix"])
        self._telling.text("".join(f"           {line}\n" for line in tree.splitlines()))

    def _addresses(self, network: Network) -> None:
        """Tell what the kernel has."""
        for link in LANS:
            for address in network.addresses(link):
                self._telling.happened(f"{link}  {address}", link=link, address=address.split()[0])

    def _until_addresses(self, network: Network, pool: str) -> None:
        """
        Wait until every LAN has an address of the pool, and only of that.

        @raise Failed: when that does not happen.
        """
        end_of_patience = monotonic() + self._patience
        while True:
            found = [[IPv6Interface(text.split()[0]) for text in network.addresses(link)] for link in LANS]
            if all(one and all(address.ip in IPv6Network(pool) for address in one) for one in found):
                return
            self._check_daemon()
            if monotonic() > end_of_patience:
                raise self._failure(f"the LAN did not get addresses of {pool} alone")
            sleep(0.1)

    def _failure(self, what: str) -> Failed:
        """A failure with the end of the daemon's log."""
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-25:]
        except OSError:
            lines = []
        return Failed("\n".join([what, *(f"  | {line}" for line in lines)]))


def _is(event: Mapping[str, Any], what: str, kind: str) -> bool:
    """Whether an event is a message of this type, sent or received by the server."""
    return event["event"] == what and event.get("type") == kind


def _after(kind: str) -> Callable[[Mapping[str, Any]], bool]:
    """Waits for a message of the client and then for the server's Reply."""
    seen: list[bool] = []

    def is_it(event: Mapping[str, Any]) -> bool:
        if _is(event, "received", kind):
            seen.append(True)
        return bool(seen) and _is(event, "sent", "REPLY")

    return is_it


def _user() -> str:
    """
    The user that the daemon becomes: C{nobody}, or root where there is no other number in this user namespace.
    """
    numbers = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    return "nobody" if sum(int(count) for _, _, count in numbers) > 1 else "root"
