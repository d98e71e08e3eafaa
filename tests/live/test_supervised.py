"""
A whole daemon as a supervisor runs it: what it logs, what it tells, and with no more rights than its unit gives it.

The unit itself is checked in L{tests.test_units}.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from pathlib import Path

from tests.live.network import TOP, Network, ip, until
from tests.live.scripted import WithServer
from tests.units import Unit

# Becomes the rest of its command line, its standard error a stream that stands for the journal.
JOURNAL = """
import os, sys
status = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
os.execv(sys.argv[1], sys.argv[1:])
"""

# PR_SET_MDWE, since Linux 6.3, does what MemoryDenyWriteExecute= is for; 1: new mappings are refused.
CONFINED = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""

KILL = 'sandbox_action = "kill"'


def link_local(network: Network, link: str) -> str:
    """The link-local address of a link of the router."""
    text = ip("-n", network.router, "-6", "-json", "address", "show", "dev", link, "scope", "link")
    address: str = json.loads(text)[0]["addr_info"][0]["local"]
    return address


class Supervised(WithServer):
    """Our own server, and the daemon under C{sandbox_action = "kill"}."""

    def launch(self, *words: str, twistd: tuple[str, ...] = (), before: tuple[str, ...] = (), **env: str) -> None:
        """Start the daemon with further words on its command line, and wait until it is bound."""
        self.server.start()
        self.daemon = self.make_daemon(self.network, extra=KILL)
        self.daemon.start(words=words, of_twistd=twistd, before=before, env=env)
        self.daemon.bound()

    def flood(self, count: int) -> None:
        """Have the provider's side send datagrams that are nothing."""
        address = link_local(self.network, "wan0")
        program = (
            "import socket, sys\n"
            "port = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
            "port.bind(('::', 0))\n"
            "target = (sys.argv[1], 546, 0, socket.if_nametoindex('cpe0'))\n"
            f"for _ in range({count}): port.sendto(b'\\x07\\x00\\x1b[2J', target)\n"
        )
        self.network.run("flood", self.network.isp, sys.executable, "-c", program, address).ended()


class LogTests(Supervised):
    """What the daemon logs."""

    def test_json(self) -> None:
        """
        With C{--log-format json} every line is one flat JSON object, from the first line to the last; a thousand
        datagrams that are nothing cost a handful of lines and a sum.
        """
        self.launch("--log-format", "json", "--log-level", "verbose")
        self.flood(1000)
        until(lambda: self.daemon.status()["counters"], 5, "the datagrams to be counted")
        self.daemon.stop()
        lines = [json.loads(line) for line in self.daemon.said().splitlines()]
        self.assertGreater(len(lines), 10)
        for line in lines:
            self.assertLessEqual({"time", "level", "source", "text"}, line.keys())
            self.assertFalse([one for one in line.values() if isinstance(one, dict | list)], line)
        self.assertTrue([line for line in lines if line.get("uplink") == "wan0" and line.get("new") == "bound"])
        discarded = [line for line in lines if line.get("event") == "discarded"]
        self.assertTrue(0 < len(discarded) <= 10, len(discarded))
        # most of them: on a slow machine the socket's buffer does not hold them all
        self.assertGreater(sum(line.get("count", 0) for line in lines), 100)

    def test_people(self) -> None:
        """Lines for people tell of the lease, and neither of Twisted's ports nor of the helper's link."""
        self.launch()
        said = self.daemon.said()
        self.assertRegex(said, r"(?m)^20\d\d-\S+ wan0: requesting -> bound: ")
        for noise in ("connection established", "Starting factory", "reactor class", "[pdlease"):
            self.assertNotIn(noise, said)

    def test_journal(self) -> None:
        """Where standard error is the journal, each line begins with its severity."""
        self.launch(before=(sys.executable, "-c", JOURNAL))
        said = self.daemon.said()
        self.assertRegex(said, r"(?m)^<6>wan0: requesting -> bound: ")
        self.assertEqual([line for line in said.splitlines() if not re.match("<[2-7]>", line)], [])

    def test_rotation(self) -> None:
        """After SIGUSR1 the daemon goes on in the file that has the log's name, behind the sandbox as well."""
        folder = self.network.folder / "log"
        folder.mkdir()
        os.chmod(folder, 0o777)
        log = folder / "pdlease.log"
        self.launch(twistd=("--logfile", str(log)))
        log.rename(folder / "pdlease.log.1")
        os.kill(self.daemon.pid, signal.SIGUSR1)
        until(log.exists, 5, "the log to be opened again")
        self.daemon.ctl("renew")
        until(lambda: "renewing" in log.read_text(), 5, "the renewal to be logged")
        self.assertNotIn("renewing", (folder / "pdlease.log.1").read_text())

    def test_no_rotation(self) -> None:
        """Where the folder is not the daemon's to write in, it says so and goes on in the earlier file."""
        folder = self.network.folder / "log"
        folder.mkdir()
        log = folder / "pdlease.log"
        self.launch(twistd=("--logfile", str(log)))
        rotated = log.rename(folder / "pdlease.log.1")
        os.kill(self.daemon.pid, signal.SIGUSR1)
        until(lambda: "cannot be opened again (Permission denied)" in rotated.read_text(), 5, "a word on that")
        self.assertFalse(log.exists())


class NotifyTests(Supervised):
    """What the daemon tells its supervisor."""

    def setUp(self) -> None:
        super().setUp()
        self.path = str(self.network.folder / "notify")
        self.supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.supervisor.close)
        self.supervisor.bind(self.path)
        os.chmod(self.path, 0o777)
        self.told: list[str] = []

    def hears(self, wanted: str, seconds: float = 10.0) -> str:
        """Wait for a word; what was told with it."""
        self.supervisor.settimeout(seconds)
        while True:
            told = self.supervisor.recv(4096).decode()
            self.told.append(told)
            if wanted in told.splitlines():
                return told

    def test_whole_life(self) -> None:
        """Ready, signs of life, a reload and the end are told from behind the sandbox that kills."""
        self.launch(NOTIFY_SOCKET=self.path, WATCHDOG_USEC="400000")
        self.assertIn("seccomp kill", self.hears("READY=1"))
        for _ in range(3):
            self.hears("WATCHDOG=1", 1.0)
        self.daemon.ctl("reload")
        self.hears("READY=1")
        self.assertTrue([told for told in self.told if told.startswith("RELOADING=1\nMONOTONIC_USEC=")])
        self.assertEqual(self.daemon.stop(), -signal.SIGTERM)
        self.hears("STOPPING=1")


class UnitTests(Supervised):
    """The daemon with what C{systemd/pdlease.service} leaves it."""

    def test_rights(self) -> None:
        """
        With the unit's capabilities, no new privileges, and no memory that is written and executed, the daemon binds,
        goes behind its sandbox, comes back after a stop with a state folder that is another user's, and stops.
        """
        unit = Unit(Path(TOP, "systemd", "pdlease.service"))
        self.assertTrue(unit.is_on("NoNewPrivileges") and unit.is_on("MemoryDenyWriteExecute"))
        names = [name.removeprefix("CAP_").lower() for name in unit.words("CapabilityBoundingSet")]
        bounding = ",".join(["-all", *(f"+{name}" for name in names)])
        before = ("setpriv", "--no-new-privs", "--bounding-set", bounding, sys.executable, "-c", CONFINED)
        self.launch(before=before)
        self.assertIn("user nobody, no capabilities", self.daemon.said())
        self.assertEqual(self.daemon.stop(), -signal.SIGTERM)
        self.daemon.start(before=before)
        self.daemon.bound()
        self.assertNotIn("warning:", self.daemon.said())
