"""
Faults of the machine and of its other programs: what hangs, what is used up, what is lost; the LAN keeps what is right.

Crashes, and disks that are full, read-only or gone are in L{tests.live.test_recovery}.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from typing import Any

from tests.live.network import ip, until
from tests.live.scripted import WithServer


class FaultTests(WithServer):
    """One daemon, bound, with addresses and routes of somebody else beside its own."""

    server_words = ("--preference", "255", "--adopt")

    def begin(self, **how: Any) -> None:
        """Start server and daemon, and note how everything is."""
        for link in ("lan0", "lan1"):
            ip("-n", self.network.router, "address", "add", "2001:db8:77::1/64", "dev", link, "nodad")
        ip("-n", self.network.router, "-6", "route", "add", "unreachable", "2001:db8:88::/48", "proto", "static")
        self.server.start()
        self.daemon = self.make_daemon(self.network)
        self.daemon.start(**how)
        self.prefixes = [held["prefix"] for held in self.daemon.bound()["prefixes"]]
        self.identity = (self.daemon.state / "identity.json").read_bytes()
        self.before = self.all_there_is()

    def all_there_is(self) -> Any:
        """Global addresses and routes of the router, ours and others'."""
        routes = json.loads(ip("-n", self.network.router, "-6", "-json", "route", "show"))
        known = sorted((one["dst"], one.get("dev"), one["protocol"]) for one in routes if one["protocol"] != "kernel")
        return [self.on_lan(self.network, link) for link in ("lan0", "lan1")], known

    def all_is_well(self) -> None:
        """The same prefix, identity, addresses and routes as at the beginning; nothing of ours failed."""
        self.assertEqual([held["prefix"] for held in self.daemon.bound()["prefixes"]], self.prefixes)
        until(
            lambda: self.all_there_is() == self.before, 5, f"{self.before} to be there; there is {self.all_there_is()}"
        )
        self.assertEqual((self.daemon.state / "identity.json").read_bytes(), self.identity)
        self.assertNotIn("Traceback", self.daemon.said())

    def take_away(self) -> str:
        """Take away an address of ours, which the daemon will want to put back."""
        (address,) = self.before[0][0] - {"2001:db8:77::1/64"}
        ip("-n", self.network.router, "address", "delete", address, "dev", "lan0")
        return str(address)

    def test_helper_hangs(self) -> None:
        """
        A helper that hangs is told by status and C{why}, while the daemon goes on to answer; when it goes on everything
        is made up for.  When it hangs at the end, the daemon ends with 143 all the same, within seconds, and no process
        stays behind that could still do anything.
        """
        self.begin()
        helper = self.daemon.helper()
        os.kill(helper, signal.SIGSTOP)
        self.take_away()
        self.daemon.ctl("renew")
        until(
            lambda: (self.assignment("lan0")["problem"] or {}).get("text", "").startswith("the privilege"), 10, "word"
        )
        self.assertIn("has not answered for", self.daemon.ctl("why").stdout)
        os.kill(helper, signal.SIGCONT)
        self.all_is_well()
        os.kill(helper, signal.SIGSTOP)
        began = time.monotonic()
        self.assertEqual(self.daemon.stop(), -signal.SIGTERM)
        self.assertLess(time.monotonic() - began, 9)
        os.kill(helper, signal.SIGCONT)
        until(lambda: not os.path.exists(f"/proc/{helper}"), 5, "the helper to leave")
        self.assertEqual(self.all_there_is(), self.before)

    def test_stopped_and_continued(self) -> None:
        """
        A daemon that stood still while links flapped, an address was taken away and more notices came than its socket
        holds looks at everything anew and puts it right.
        """
        self.begin()
        os.kill(self.daemon.pid, signal.SIGSTOP)
        self.take_away()
        for state in ("down", "up"):
            ip("-n", self.network.router, "link", "set", "lan1", state)
        ip("-n", self.network.router, "address", "replace", "2001:db8:77::1/64", "dev", "lan1", "nodad")
        many = self.network.folder / "many"
        lines = [f"address {do} 2001:db8:78::{n:x}/128 dev lan1" for n in range(6000) for do in ("add", "delete")]
        many.write_text("\n".join(lines))
        ip("-n", self.network.router, "-6", "-batch", str(many))
        os.kill(self.daemon.pid, signal.SIGCONT)
        self.all_is_well()

    def test_hangups(self) -> None:
        """Hundreds of hangups in a second, with the file changing under them, lead to what the file says at last."""
        self.begin()
        for number in range(300):
            if number % 10 == 0:
                self.daemon.write({"wan0": [('["lan0", "lan1"]', '["lan0"]')[number // 10 % 2]]})
            os.kill(self.daemon.pid, signal.SIGHUP)
            time.sleep(0.002)
        self.daemon.write({"wan0": ['["lan0", "lan1"]']})
        self.daemon.ctl("reload")
        self.all_is_well()

    def test_uplink_made_anew(self) -> None:
        """
        An uplink that is deleted and made anew in the middle of exchanges, over and over, gets the same prefix in the
        end, and at no time does the LAN lose what is valid.
        """
        self.begin()
        monitor = self.monitor("address")
        for number in range(4):
            self.daemon.ctl("rebind")
            ip("-n", self.network.router, "link", "delete", "wan0")
            time.sleep(0.05 * number)
            self.network.pair(self.network.router, "wan0", self.network.isp, "cpe0")
            self.server.stop()
            self.server.start()
        self.all_is_well()
        gone = [line for line in monitor.lines() if line.startswith("Deleted") and "lan" in line and "fe80" not in line]
        self.assertEqual(gone, [])

    def test_downstream_made_anew(self) -> None:
        """A downstream that goes while its address is being put there, over and over, has it in the end, once."""
        self.begin()
        router, lan = self.network.router, self.network.lan
        for number in range(12):
            ip("-n", router, "link", "delete", "lan0")
            ip("-n", router, "link", "add", "lan0", "type", "veth", "peer", "name", "host0", "netns", lan)
            ip("-n", router, "link", "set", "lan0", "up")
            ip("-n", lan, "link", "set", "host0", "up")
            time.sleep(0.003 * number)
        ip("-n", router, "address", "add", "2001:db8:77::1/64", "dev", "lan0", "nodad")
        self.all_is_well()

    def test_few_descriptors(self) -> None:
        """
        With fewer descriptors to be had than it needs, the daemon ends at its start, in one sentence and no traceback.
        """
        self.daemon = self.make_daemon(self.network)
        self.daemon.start(ready=False, before=("prlimit", "--nofile=20:20", "--"))
        assert self.daemon.program is not None
        self.assertEqual(self.daemon.program.ended(), 1)
        self.assertRegex(self.daemon.said(), "pdlease: .*Too many open files")
        self.assertNotIn("Traceback", self.daemon.said())

    def test_state_folder_lost(self) -> None:
        """
        After a loss of the whole state folder a new identity is never made in silence: what an earlier run left in the
        kernel gives it away, and a warning says what it may mean (design 18).
        """
        self.begin()
        self.daemon.kill()
        shutil.rmtree(self.daemon.state)
        self.daemon.start()
        self.assertIn(f"there is no identity in {self.daemon.state}, but the kernel holds", self.daemon.said())
