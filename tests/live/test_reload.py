"""
Reload on a real kernel: what did not change in the file does not move, told by the kernel and by the wire themselves.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.live.case import LiveCase
from tests.live.network import Heard, ip, until
from tests.live.notices import Notices
from tests.live.scripted import Server

POOLS = {number: f"2001:db8:{number + 1}000::/44" for number in range(3)}

UPLINKS = {"wan0": '["lan0", "lan1/60"]', "wan1": '["lan2"]', "wan2": '["lan4"]'}

GUEST = """
[switches.lab]
link = "br0"
[guests.web]
id = 1
[[guests.web.nics]]
link = "tap0"
switch = "lab"
group = 7
delegate = "wan2"
"""


class ReloadTests(LiveCase):
    """Three uplinks with a server each; the first is never touched."""

    def setUp(self) -> None:
        super().setUp()
        self.network = self.make_network(uplinks=3, downstreams=6)
        self.heard: list[Heard] = []
        for number, pool in POOLS.items():
            self.heard.append(self.network.hear(number))
            Server(self.network, f"cpe{number}", "--preference", "255", pool=pool).start()
        self.daemon = self.make_daemon(self.network)
        self.head = self.daemon.path.read_text().partition("[uplinks")[0]
        self.notices = Notices(self.network.router)
        self.addCleanup(self.notices.stop)

    def write(self, *uplinks: str, more: str = "", **downstreams: str) -> None:
        """Write a configuration with these uplinks in this order, other downstreams for some."""
        # what the kernel does by itself about the change before is over
        time.sleep(0.5)
        text = self.head
        for name in uplinks:
            text += f"[uplinks.{name}]\nsolicit_delay = false\n{more if name == 'wan1' else ''}\n"
            text += f"[[uplinks.{name}.delegations]]\nhint = 56\ndownstreams = {downstreams.get(name, UPLINKS[name])}\n"
        self.daemon.path.write_text(text + downstreams.get("guest", ""))

    def index(self, link: str) -> int:
        """The kernel's number of a link of the router."""
        return int(ip("-n", self.network.router, "-o", "link", "show", link).partition(":")[0])

    def socket_of(self, link: str) -> str:
        """The socket on port 546 of a link as the kernel lists it: its inode tells it from every other."""
        words = ("ip", "netns", "exec", self.network.router, "ss", "-H6uane", "sport", "=", ":546")
        listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        (line,) = [line for line in listed.splitlines() if f"%{link}:546" in line]
        return line.strip()

    def standing(self, uplink: str) -> tuple[Any, ...]:
        """What must not change of an uplink, and the second at which its next message is due."""
        status = self.daemon.status(uplink)
        due = time.monotonic() + status["next_message_seconds"]
        keys = ("state", "reason", "server_duid", "counters", "next_message")
        places = [(one["link"], one["address"], one["condition"]) for one in status["assignments"]]
        return self.socket_of(uplink), [*(status[key] for key in keys), places], due

    @contextmanager
    def untouched(self, *uplinks: str, seconds: float = 0.8) -> Iterator[None]:
        """
        What happens meanwhile leaves these uplinks alone: the kernel tells nothing of their links and prefixes, nothing
        is on their wires, and session, socket, timers and counters are as they were.
        """
        before = {name: self.standing(name) for name in uplinks}
        began = time.monotonic()
        yield
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        links = {"wan0": ("wan0", "lan0", "lan1"), "wan1": ("wan1", "lan2"), "wan2": ("wan2", "lan4")}
        indices = {self.index(link) for name in uplinks for link in links[name]}
        stems = tuple(POOLS[int(name[3:])].partition("000:")[0] for name in uplinks)
        moved = [n for n in self.notices.since(began) if n.index in indices or n.address.startswith(stems)]
        self.assertEqual(moved, [])
        for name in uplinks:
            self.assertEqual(self.heard[int(name[3:])].types(began), [], name)
            (socket, shown, due), (socket_before, shown_before, due_before) = self.standing(name), before[name]
            self.assertEqual((socket, shown), (socket_before, shown_before), name)
            # whole seconds, asked for at two times
            self.assertLess(abs(due - due_before), 2.0)

    def start(self, *uplinks: str) -> None:
        """Begin with these uplinks, bound."""
        self.write(*uplinks)
        self.daemon.start()
        for name in uplinks:
            self.daemon.bound(name)
        # what the kernel does about new addresses by itself is over
        time.sleep(0.5)

    def test_what_changed_and_nothing_else(self) -> None:
        """
        Uplinks, downstreams, their order, rapid commit, switches and guests come, change and go, and every time the
        uplinks of which the file says the same are left alone, by the kernel's own word and by the wire's (D37 to D41).
        A dry run of each change tells the operations that follow, and moves nothing.
        """
        self.start("wan0", "wan1")
        router, daemon = self.network.router, self.daemon

        def told(*uplinks: str) -> str:
            with self.untouched(*uplinks, seconds=0.2):
                return daemon.ctl("reload", "--dry-run").stdout

        # nothing
        self.assertEqual(told("wan0", "wan1"), "Nothing would change.\n")
        with self.untouched("wan0", "wan1"):
            self.assertEqual(daemon.ctl("reload").stdout, "Nothing changed.\n")

        # one more uplink (D41: one Solicit, no more)
        self.write("wan0", "wan1", "wan2")
        self.assertIn("begin wan2 on wan2, and look for a server", told("wan0", "wan1"))
        with self.untouched("wan0", "wan1"):
            daemon.ctl("reload")
            daemon.bound("wan2")
        self.assertEqual(self.heard[2].types().count(1), 1)
        self.assertEqual(self.on_lan(self.network, "lan4"), {"2001:db8:3000::1/64"})

        # rapid commit: a matter of the next Solicit
        self.write("wan0", "wan1", "wan2", more="rapid_commit = true")
        with self.untouched("wan0", "wan1", "wan2"):
            self.assertIn("changed: wan1", daemon.ctl("reload").stdout)

        # two downstreams more, another order, one less: what is new is there at once, the old is gone (D40)
        self.write("wan0", "wan1", "wan2", wan1='["lan2", "lan3", "lan5"]')
        self.assertIn("send Renew on wan1", told("wan0", "wan1", "wan2"))
        with self.untouched("wan0", "wan2"):
            daemon.ctl("reload")
            daemon.bound("wan1")
            until(lambda: self.on_lan(self.network, "lan5"), 10, "an address on lan5")
        first = self.on_lan(self.network, "lan2")
        three, five = self.on_lan(self.network, "lan3"), self.on_lan(self.network, "lan5")
        self.write("wan0", "wan1", "wan2", wan1='["lan2", "lan5", "lan3"]')
        foretold = told("wan0", "wan1", "wan2")
        for line in (*(f"remove {a} from lan3" for a in three), *(f"add {a} to lan3" for a in five)):
            self.assertIn(line, foretold)
        with self.untouched("wan0", "wan2"):
            daemon.ctl("reload")
            until(lambda: self.on_lan(self.network, "lan3") == five, 5, "lan3 to have what lan5 had")
        self.assertEqual((self.on_lan(self.network, "lan2"), self.on_lan(self.network, "lan5")), (first, three))
        # who is first may change, the prefix stays (R-12-02)
        before = [one["prefix"] for one in daemon.status("wan1")["prefixes"]]
        self.write("wan0", "wan1", "wan2", wan1='["lan3", "lan5", "lan2"]')
        with self.untouched("wan0", "wan2"):
            daemon.ctl("reload")
            until(lambda: self.on_lan(self.network, "lan3") == first, 5, "lan3 to have what lan2 had")
        self.assertEqual([one["prefix"] for one in daemon.status("wan1")["prefixes"]], before)
        self.write("wan0", "wan1", "wan2", wan1='["lan2"]')
        with self.untouched("wan0", "wan2"):
            daemon.ctl("reload")
            until(lambda: not self.on_lan(self.network, "lan3"), 5, "nothing to be left on lan3")
        self.assertEqual(self.on_lan(self.network, "lan2"), first)

        # a switch and a guest
        ip("-n", router, "link", "add", "br0", "type", "bridge")
        ip("-n", router, "tuntap", "add", "tap0", "mode", "tap")
        self.write("wan0", "wan1", "wan2", guest=GUEST)
        self.assertIn("put tap0 into br0", told("wan0", "wan1"))
        with self.untouched("wan0", "wan1", seconds=1.5):
            daemon.ctl("reload")
            until(lambda: "master br0" in ip("-n", router, "link", "show", "tap0"), 5, "tap0 to be in br0")
        self.write("wan0", "wan1", "wan2", guest=GUEST.replace("group = 7", "group = 8"))
        with self.untouched("wan0", "wan1", "wan2"):
            daemon.ctl("reload")
            until(lambda: "group 8" in ip("-n", router, "link", "show", "tap0"), 5, "tap0 to be in group 8")
        self.write("wan0", "wan1", "wan2")
        with self.untouched("wan0", "wan1", seconds=1.5):
            daemon.ctl("reload")
            until(lambda: "master br0" not in ip("-n", router, "link", "show", "tap0"), 5, "tap0 to be free")

        # an uplink less: all of it goes, nothing is released (D38, D39)
        self.write("wan2", "wan0")
        self.assertIn("end wan1", told("wan0", "wan1", "wan2"))
        began = time.monotonic()
        with self.untouched("wan0", "wan2"):
            daemon.ctl("reload")
            until(lambda: not self.on_lan(self.network, "lan2"), 5, "nothing to be left on lan2")
        self.assertEqual(self.heard[1].types(began), [])
        self.assertEqual([route for route in self.network.routes() if "2001:db8:2" in route["dst"]], [])
        self.assertEqual(list(daemon.ctl("status").stdout.split(":")[0:1]), ["wan2"])

    def test_wrong_file(self) -> None:
        """A file that is wrong changes nothing, and every error is told with its path, in the log as well."""
        self.start("wan0", "wan1")
        self.write("wan0", "wan1", more='rapid_comit = true\nlink = ""')
        with self.untouched("wan0", "wan1"):
            for words in (("reload", "--dry-run"), ("reload",)):
                self.assertNotIn("rapid_comit", self.daemon.said())
                done = self.daemon.ctl(*words, check=False)
                self.assertEqual(done.returncode, 2)
                self.assertIn('uplinks.wan1.rapid_comit: unknown key; did you mean "rapid_commit"?', done.stderr)
                self.assertIn("uplinks.wan1.link", done.stderr)
            until(lambda: "error: reload: " in self.daemon.said(), 5, "the log to tell why")
            before = len(self.daemon.said())
            self.daemon.program.process.send_signal(1)  # type: ignore[union-attr]
            until(lambda: "rapid_comit" in self.daemon.said()[before:], 5, "the log to tell why")
        self.assertIn("wan0", self.daemon.ctl("status").stdout)
