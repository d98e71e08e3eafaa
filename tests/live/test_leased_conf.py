"""
A whole daemon that goes by a dhcp6leased.conf, with the places and users that such a file cannot change.

It runs where it has C{/var/lib}, C{/run} and the list of users for itself.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.live.network import TOP, until
from tests.live.scripted import WithServer

USERS = (("pdlease", 60961), ("pdlease-helper", 60962))

# Makes its own /var/lib, /run and users ($1 and $2), and becomes the rest of its command line.
AROUND = """
mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/group &&
mount -t tmpfs -o mode=755 none /var/lib && mount -t tmpfs -o mode=755 none /run && shift 2 && exec "$@"
"""

CONF = """
lan = lan0
request rapid commit
request prefix delegation on wan0 for {
        $lan/64         # a comment
        reserve
}
"""


class LeasedConfTests(WithServer):
    """The form of dhcp6leased.conf, from the start to a reload behind the sandbox."""

    def setUp(self) -> None:
        super().setUp()
        self.server.start()
        self.daemon = self.make_daemon(self.network)
        self.daemon.path = self.daemon.folder / "dhcp6leased.conf"
        self.write(CONF)
        lists = []
        for name, line in (("passwd", "{0}:x:{1}:{1}::/:/bin/false\n"), ("group", "{0}:x:{1}:\n")):
            path = self.daemon.folder / name
            path.write_text(Path("/etc", name).read_text() + "".join(line.format(*user) for user in USERS))
            lists.append(str(path))
        self.daemon.start(ready=False, before=("unshare", "-m", "sh", "-c", AROUND, "sh", *lists))
        self.daemon.control = Path(f"/proc/{self.daemon.pid}/root/run/pdlease/control.sock")
        until(self.daemon.answers, 15, "the daemon to answer")

    def write(self, text: str) -> None:
        """Write the configuration."""
        self.daemon.path.write_text(text)
        self.daemon.path.chmod(0o644)

    def lans(self) -> set[str]:
        """The addresses of both LANs, with lengths."""
        return self.on_lan(self.network, "lan0") | self.on_lan(self.network, "lan1")

    def tool(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run dhcp6leasectl."""
        words = [sys.executable, "-m", "pdlease.control.leasectl", "-s", str(self.daemon.control), *arguments]
        return subprocess.run(words, cwd=TOP, capture_output=True, text=True, timeout=30, check=False)

    def test_serves_and_reloads(self) -> None:
        """
        The prefix is asked for and used as the file says, in the sandbox; a reload takes over another file of this
        form, and one that is wrong changes nothing and is told with its lines.
        """
        self.daemon.bound()
        self.assertEqual(self.lans(), {"2001:db8:1000::1/64"})
        self.assertIn("user pdlease", self.daemon.said())
        self.write(CONF.replace("reserve", "lan1"))
        self.daemon.ctl("reload")
        until(lambda: len(self.lans()) == 2, 10, "both LANs to be served")
        self.write(CONF.replace("reserve", ", lan1/0\n") + "request rapid comit")
        refused = self.daemon.ctl("reload", check=False)
        self.assertEqual(refused.returncode, 2)
        for line in ("line 6: syntax error", "line 9: syntax error"):
            self.assertIn(line, refused.stderr)
        self.assertEqual(len(self.lans()), 2)

    def test_leasectl(self) -> None:
        """The program of the original reports the lease."""
        self.daemon.bound()
        done = self.tool("-l", "wan0")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"\Awan0 \[Bound\]\n\tIA_PD \d+: 2001:db8:1000::/63\n\tlease \d+ \w+\n\Z")
        done = self.tool("wan0")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("wan0 [Bound]\n", done.stdout)
        self.assertEqual(self.tool("lan0").returncode, 1)
