"""
A daemon whose Python goes away underneath it, as in an upgrade: standard library, site-packages and pdlease.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
from typing import Any

from pdlease.wire.codes import MessageType
from tests.live.network import TOP, ip, until
from tests.live.scripted import WithServer

GUESTS = """
[switches.lab]
link = "br0"
[guests.web1]
id = 1
[[guests.web1.nics]]
link = "tap0"
switch = "lab"
delegate = "wan0"
"""

# Runs what follows, which is twistd, and writes down what is imported after the change of user, right before the
# sandbox closes: each attempt as it is made, and when the daemon ends itself by a signal, what is loaded that was not
# at the lock.
NOTING = r"""
import os, sys
notes = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
program = sys.argv[4]
sys.argv[1:] = sys.argv[5:]
locked = set()
def note(event, arguments):
    if os.geteuid() == 0:
        return
    if not locked:
        locked.update(sys.modules)
        os.write(notes, b"locked\n")
    if event == "import":
        os.write(notes, f"imports {arguments[0]}\n".encode())
    elif event == "os.kill":
        os.write(notes, f"new: {sorted(set(sys.modules) - locked)}\n".encode())
sys.addaudithook(note)
exec(program)
"""

RUBBISH = r"""
import socket
port = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
for rubbish in (b"", b"\7", b"\7\0\0\0\0\1\377\377", bytes(range(256))):
    port.sendto(rubbish, (ADDRESS, 546, 0, socket.if_nametoindex("cpe0")))
"""


class UpgradeTests(WithServer):
    """Behind the sandbox nothing of Python is there any more."""

    privileges = "helper"

    def hide(self) -> None:
        """Put an empty folder over each folder of Python, for the daemon and its helper alone."""
        folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
        inside = ("nsenter", "--target", str(self.daemon.pid), "--mount", "--")
        hidden: list[str] = []
        for folder in sorted({*folders, str(TOP)}):
            if os.path.isdir(folder) and not any(folder.startswith(f"{above}/") for above in hidden):
                subprocess.run([*inside, "mount", "-t", "tmpfs", "none", folder], check=True)
                left = subprocess.run([*inside, "ls", "-A", folder], check=True, capture_output=True, text=True)
                self.assertEqual(left.stdout, "", folder)
                hidden.append(folder)

    def asks(self, *words: str) -> Any:
        """What C{pdleasectl --json} answers."""
        return json.loads(self.daemon.ctl(*words, "--json").stdout)

    def test_a_whole_life(self) -> None:
        """
        With standard library, site-packages and pdlease gone after the lock, and death for any call that the sandbox
        lacks, everything in a daemon's life goes on: Renew, Rebind, reloads good and wrong, control commands, a guest
        that appears, a log that is rotated, rubbish from the network, a link that goes and comes, Release, and the end
        by SIGTERM.  At that end no module is loaded that was not at the lock (issue 4, point 5).
        """
        log = self.network.folder / "log" / "pdlease.log"
        log.parent.mkdir()
        log.parent.chmod(0o777)
        notes = self.network.folder / "notes"
        router = self.network.router
        ip("-n", router, "link", "add", "br0", "type", "bridge")
        self.server.start()
        extra = f'sandbox_action = "kill"\nprivileges = "{self.privileges}"'
        self.daemon = self.make_daemon(self.network, {"wan0": ['["lan0", "reserve"]']}, extra=extra)
        self.daemon.start(before=(sys.executable, "-c", NOTING, str(notes)), of_twistd=("--logfile", str(log)))
        self.hide()
        (held,) = self.daemon.bound()["prefixes"]

        for word, kind in (("renew", MessageType.RENEW), ("rebind", MessageType.REBIND)):
            since = self.now()
            self.daemon.ctl(word)
            self.first(self.heard, kind, since, 5)
            self.until_state("bound")
        with self.daemon.path.open("a") as file:
            file.write(GUESTS)
        self.daemon.ctl("reload")
        ip("-n", router, "link", "add", "tap0", "type", "veth", "peer", "name", "tap0p")
        until(lambda: "master br0" in ip("-n", router, "link", "show", "tap0"), 5, "the guest's link in its bridge")
        self.daemon.write({"wan0": ['["lan0", "lan1"]']}, extra=extra)
        os.kill(self.daemon.pid, signal.SIGHUP)
        until(lambda: self.on_lan(self.network, "lan1"), 5, "the address of a downstream that came by reload")
        good = self.daemon.path.read_text()
        self.daemon.path.write_text(f"{good}bogus = 1\n")
        self.assertEqual(self.daemon.ctl("reload", check=False).returncode, 2)
        self.daemon.path.write_text(good)

        for words in (("status",), ("why",), ("plan",), ("identity",), ("history",), ("guests",), ("log", "debug")):
            self.asks(*words)
        self.asks("reload", "--dry-run")
        self.assertEqual(self.daemon.ctl("status", "nosuch", check=False).returncode, 2)
        address = next(iter(self.on_link()))
        rubbish = RUBBISH.replace("ADDRESS", repr(address))
        self.network.run("rubbish", self.network.isp, sys.executable, "-c", rubbish).ended()
        until(lambda: "malformed" in json.dumps(self.daemon.status()["counters"]), 5, "the rubbish to be counted")
        log.rename(log.with_suffix(".1"))
        os.kill(self.daemon.pid, signal.SIGUSR1)
        until(log.exists, 5, "the log to be opened again")
        since = self.now()
        for state in ("down", "up"):
            ip("-n", router, "link", "set", "wan0", state)
        self.first(self.heard, MessageType.REBIND, since, 10)
        self.assertEqual([one["prefix"] for one in self.until_state("bound")["prefixes"]], [held["prefix"]])
        for link in ("lan0", "lan1"):
            self.assertEqual(len(self.on_lan(self.network, link)), 1)
        self.daemon.ctl("release", "wan0")
        until(lambda: not self.on_lan(self.network), 5, "the released prefix to leave the LAN")

        self.assertEqual(self.daemon.stop(), -signal.SIGTERM)
        self.assertFalse(self.daemon.control.exists())
        self.assertEqual(notes.read_text().splitlines(), ["locked", "new: []"])
        self.assertIn("Server Shut Down", log.read_text())

    def on_link(self) -> set[str]:
        """The link-local addresses of the uplink."""
        shown = json.loads(ip("-n", self.network.router, "-6", "-json", "address", "show", "dev", "wan0"))
        return {one["local"] for one in shown[0]["addr_info"] if one["scope"] == "link"}


class InProcessUpgradeTests(UpgradeTests):
    """The same where the daemon keeps the privilege itself."""

    privileges = "inprocess"
