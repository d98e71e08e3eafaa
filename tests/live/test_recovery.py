"""
What survives: crashes of the daemon and of its helper, restarts, stores that fail.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from pdlease.wire.codes import MessageType
from tests.live.case import LiveCase, WithKea
from tests.live.network import TOP, ip, until


class CrashTests(WithKea):
    """The daemon or its helper is killed."""

    def test_killed_and_started_again(self) -> None:
        """
        R-RST-01, R-8987-04: after kill -9 the first message is a Rebind for the same prefix, and at no time is an
        address or a route missing on the LAN.
        """
        prefix = self.start()["prefixes"][0]["prefix"]
        monitor = self.network.run("monitor", self.network.router, "ip", "-6", "-o", "monitor", "address", "route")
        before = (self.on_lan(self.network), self.on_lan(self.network, "lan1"))
        self.daemon.kill()
        since = self.now()
        self.daemon.start()
        self.first(self.heard, MessageType.REBIND, since, 3)
        self.assertEqual(
            next(kind for kind in self.heard.types(since) if kind != MessageType.REPLY), MessageType.REBIND
        )
        self.assertEqual(self.daemon.bound()["prefixes"][0]["prefix"], prefix)
        self.assertEqual((self.on_lan(self.network), self.on_lan(self.network, "lan1")), before)
        monitor.stop()
        gone = [line for line in monitor.said().splitlines() if "Deleted" in line and "2001:db8:1" in line]
        self.assertEqual(gone, [])

    def test_killed_before_the_lease_was_written(self) -> None:
        """
        A crash after the first Reply was applied and before it was written leaves nothing to go by but what is in the
        kernel: it stays there until the server has spoken again (design 18).
        """
        self.start()
        before = self.on_lan(self.network)
        self.daemon.kill()
        (self.daemon.state / "uplink-wan0.json").unlink()
        monitor = self.network.run("monitor", self.network.router, "ip", "-6", "-o", "monitor", "address", "route")
        self.daemon.start()
        self.daemon.bound()
        self.assertEqual(self.on_lan(self.network), before)
        monitor.stop()
        self.assertEqual([line for line in monitor.said().splitlines() if "Deleted 2001:db8:1" in line], [])

    def test_left_overs_are_found_again(self) -> None:
        """
        What an earlier run made and the configuration no longer asks for is removed after a crash; what others made
        stays (design 5).
        """
        self.start()
        ip("-n", self.network.router, "address", "add", "2001:db8:77::1/64", "dev", "lan1")
        self.daemon.kill()
        self.daemon.write({"wan0": ['["lan0"]']})
        self.daemon.start()
        self.daemon.bound()
        until(lambda: self.on_lan(self.network, "lan1") == {"2001:db8:77::1/64"}, 3, "the left-over address to go")
        self.assertEqual(len(self.on_lan(self.network)), 1)

    def test_reload_of_a_wrong_file(self) -> None:
        """A wrong file is refused with exit code 2 and every error, and changes nothing (D42)."""
        self.start()
        before = self.on_lan(self.network)
        self.daemon.path.write_text(self.daemon.path.read_text() + "[uplinks.x]\nbogus = 1\n")
        done = self.daemon.ctl("reload", "--json", check=False)
        self.assertEqual(done.returncode, 2)
        error = json.loads(done.stdout)["error"]
        self.assertEqual(error["code"], "configuration")
        self.assertIn("uplinks.x.bogus", error["message"])
        self.assertIn("uplinks.x.delegations", error["message"])
        self.assertEqual((self.daemon.status()["state"], self.on_lan(self.network)), ("bound", before))

    def test_helper_killed(self) -> None:
        """The end of the helper ends the daemon, with a status and a sentence, and addresses stay (design 7)."""
        self.start()
        before = self.on_lan(self.network)
        os.kill(self.daemon.helper(), signal.SIGKILL)
        assert self.daemon.program is not None
        self.assertEqual(self.daemon.program.ended(), 1)
        self.assertIn("helper process ended", self.daemon.said())
        self.assertEqual(self.on_lan(self.network), before)

    def test_second_instance(self) -> None:
        """R-D-01: a second daemon on the same state folder or on the same uplink is refused with status 1."""
        self.start()
        same_state = self.make_daemon(self.network, name="second")
        same_state.state = self.daemon.state
        same_state.write({"wan9": ['["lan0"]']})
        same_state.start(ready=False)
        assert same_state.program is not None
        self.assertEqual(same_state.program.ended(), 1)
        self.assertIn("another pdlease uses the state folder", same_state.said())
        same_uplink = self.make_daemon(self.network, name="third").start(ready=False)
        assert same_uplink.program is not None
        self.assertEqual(same_uplink.program.ended(), 1)
        self.assertIn("another pdlease serves the uplink wan0", same_uplink.said())
        self.assertEqual(self.daemon.status()["state"], "bound")

    def test_two_instances_on_two_uplinks(self) -> None:
        """Two instances with uplinks and state folders of their own never touch each other's objects (design 5)."""
        self.network.pair(self.network.router, "wan1", self.network.isp, "cpe1")
        ip("-n", self.network.isp, "address", "add", "2001:db8:ffff:1::1/64", "dev", "cpe1", "nodad")
        self.kea.links = ["cpe0", "cpe1"]
        self.kea.configure("2001:db8:1000::/44")
        self.start(uplinks={"wan0": ['["lan0"]']})
        other = self.make_daemon(self.network, {"wan1": ['["lan1"]']}, name="other").start()
        other.bound("wan1")
        first, second = self.on_lan(self.network), self.on_lan(self.network, "lan1")
        self.assertEqual((len(first), len(second)), (1, 1))
        self.daemon.kill()
        self.daemon.start()
        self.daemon.bound()
        other.ctl("release", "wan1")
        self.assertEqual(self.on_lan(self.network), first)
        self.assertEqual(self.on_lan(self.network, "lan1"), set())

    def test_cleanup(self) -> None:
        """C{pdleasectl cleanup} removes all that is ours when the daemon is dead, and nothing else."""
        self.start()
        ip("-n", self.network.router, "address", "add", "2001:db8:77::1/64", "dev", "lan0")
        self.daemon.kill()
        words = self.daemon.ctl_words("cleanup", "--config", str(self.daemon.path))
        done = subprocess.run(
            ["ip", "netns", "exec", self.network.router, *words], cwd=TOP, capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.on_lan(self.network), {"2001:db8:77::1/64"})
        self.assertEqual(self.network.routes(), [])


class StoreTests(WithKea):
    """The state folder is damaged, read-only, full, or gone."""

    def identity_file(self) -> Path:
        """The file that holds the identity."""
        return self.daemon.state / "identity.json"

    def test_same_identity_after_restart(self) -> None:
        """R-12-02: DUID and IAIDs are the same after a restart and after a change of order in the file (W-5)."""
        first = self.start(uplinks={"wan0": ['["lan0"]', '["lan1"]']})
        known = json.loads(self.daemon.ctl("identity", "--json").stdout)
        self.daemon.stop()
        self.daemon.write({"wan0": ['["lan1"]', '["lan0"]']})
        self.daemon.start()
        second = self.daemon.bound()
        self.assertEqual(json.loads(self.daemon.ctl("identity", "--json").stdout), known)
        self.assertEqual(
            {held["iaid"]: held["prefix"] for held in first["prefixes"]},
            {held["iaid"]: held["prefix"] for held in second["prefixes"]},
        )

    def test_damaged_identity(self) -> None:
        """A damaged identity is never replaced silently: the daemon refuses to start and says so (design 18)."""
        self.start()
        self.daemon.stop()
        self.identity_file().write_text("nonsense")
        self.daemon.start(ready=False)
        assert self.daemon.program is not None
        self.assertEqual(self.daemon.program.ended(), 1)
        self.assertIn("identity", self.daemon.said().splitlines()[-1] + self.daemon.said()[-2000:])

    def test_damaged_lease(self) -> None:
        """R-12-05: a damaged lease file is set aside with a remark; the client asks anew with the same identity."""
        prefix = self.start()["prefixes"][0]["prefix"]
        self.daemon.stop()
        files = [p for p in self.daemon.state.iterdir() if "wan0" in p.name]
        self.assertEqual(len(files), 1)
        files[0].write_bytes(b"\x00garbage")
        self.daemon.start()
        self.assertEqual(self.daemon.bound()["prefixes"][0]["prefix"], prefix)
        self.assertTrue([p for p in self.daemon.state.iterdir() if "damaged" in p.name])

    def test_state_folder_gone(self) -> None:
        """A state folder that is removed underneath never ends the daemon nor drops its lease; status says so."""
        self.start()
        before = self.on_lan(self.network)
        os.rename(self.daemon.state, f"{self.daemon.state}.elsewhere")
        self.daemon.ctl("renew", "wan0")
        until(lambda: self.daemon.status()["store_problem"], 5, "the store's problem in the status", every=0.2)
        self.assertEqual(self.daemon.status()["state"], "bound")
        self.assertEqual(self.on_lan(self.network), before)
        os.rename(f"{self.daemon.state}.elsewhere", self.daemon.state)

    def test_state_folder_full(self) -> None:
        """A full file system never ends the daemon nor drops its lease; the lease is written when there is room."""
        self.daemon = self.make_daemon(self.network)
        self.daemon.state.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", str(self.daemon.state)], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.daemon.state)], check=False)
        self.kea.start()
        self.daemon.start()
        self.daemon.bound()
        filler = self.daemon.state / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1024))
            except OSError:
                pass
        before = self.on_lan(self.network)
        self.daemon.ctl("renew", "wan0")
        time.sleep(1.5)
        self.assertEqual(self.daemon.status()["state"], "bound")
        self.assertEqual(self.on_lan(self.network), before)
        filler.unlink()
        until(lambda: not self.daemon.status()["store_problem"], 20, "the lease to be written again", every=0.5)

    def test_state_folder_read_only(self) -> None:
        """A read-only state folder at the first start is a start failure in one sentence, and no identity is made."""
        self.daemon = self.make_daemon(self.network)
        self.daemon.state.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(self.daemon.state)], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.daemon.state)], check=False)
        self.daemon.start(ready=False)
        assert self.daemon.program is not None
        self.assertEqual(self.daemon.program.ended(), 1)
        self.assertIn("Read-only file system", self.daemon.said())
        self.assertNotIn(MessageType.SOLICIT, self.heard.types())


class StartTests(LiveCase):
    """What keeps a daemon from starting, or from being heard."""

    def test_wrong_configuration(self) -> None:
        """A wrong configuration ends with status 2, names every error with its path, and touches nothing."""
        network = self.make_network()
        daemon = self.make_daemon(network)
        daemon.path.write_text('[uplinks.wan0]\nrapid = 1\n[[uplinks.wan0.delegations]]\ndownstreams = ["lan0/200"]\n')
        daemon.start(ready=False)
        assert daemon.program is not None
        self.assertEqual(daemon.program.ended(), 2)
        self.assertIn("uplinks.wan0.rapid", daemon.said())
        self.assertIn("uplinks.wan0.delegations[0].downstreams[0]", daemon.said())
        self.assertFalse(daemon.state.exists())

    def test_port_held(self) -> None:
        """Port 546 held by another client: the daemon says by whom, tries again, and gets it when it is free (D26)."""
        network = self.make_network()
        code = (
            "import socket,time\n"
            "s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)\n"
            "s.bind(('::',546))\nprint('holding',flush=True)\ntime.sleep(60)"
        )
        holder = network.run("holder", network.router, "python3", "-c", code)
        until(lambda: "holding" in holder.said(), 5, "the other client to hold the port")
        heard = network.hear()
        daemon = self.make_daemon(network).start()
        text = until(lambda: [t for t in [daemon.status()["reason_text"]] if "546" in t], 5, "why", every=0.2)[0]
        self.assertIn("held by python3", text)
        time.sleep(2.5)
        self.assertIn("held by python3", daemon.status()["reason_text"])
        self.assertEqual(daemon.status()["reason"], "waits_for_port")
        holder.stop()
        self.first(heard, MessageType.SOLICIT, 0, 10)

    def test_no_such_user(self) -> None:
        """A user that does not exist is a clear error with status 1."""
        network = self.make_network()
        daemon = self.make_daemon(network)
        daemon.path.write_text(daemon.path.read_text().replace('user = "nobody"\nhelper', 'user = "nosuch"\nhelper'))
        daemon.start(ready=False)
        assert daemon.program is not None
        self.assertEqual(daemon.program.ended(), 1)
        self.assertIn("there is no user nosuch", daemon.said())
