"""
Control from another machine, on a whole daemon in its sandbox: as docs/remote.rst tells how to set it up, and as
strangers try to get in.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from pdlease.control.blocking import Control
from pdlease.control.credentials import Files
from pdlease.control.errors import ControlError
from tests.control.certificates import certificates
from tests.live.daemon import Daemon
from tests.live.namespace import inside
from tests.live.network import TOP, ip, until
from tests.live.require import needs, program
from tests.live.scripted import WithServer, resident

PAGE = TOP / "docs" / "remote.rst"

ROUTER = "2001:db8:1000::1"
"""The address of the router on its first LAN: of the prefix that it gets, and not there when it starts to listen."""

# Everything that is told of remote control's bounds: handshakes, sessions, and some for one moment.
MOST_DESCRIPTORS = 40


def blocks(language: str) -> list[str]:
    """The blocks of code of the page that are in a language."""
    found = re.findall(rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", PAGE.read_text())
    return ["".join(line[4:] for line in block.splitlines(keepends=True)) for block in found]


def descriptors(pid: int) -> int:
    """How many descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))


@needs(program("openssl"), program("useradd"))
class HowToTests(WithServer):
    """
    The page, followed word by word.
    """

    def test_page(self) -> None:
        """
        The commands of docs/remote.rst, run as they stand there on a machine with an C{/etc} of its own, make a daemon
        that pdleasectl controls over the network by its name, and let a new certificate be put in place.
        """
        *commands, ask = blocks("sh")
        (table,) = blocks("toml")
        self.server.start()
        daemon = self.make_daemon(self.network)
        text = daemon.path.read_text()
        for name in ("user", "helper_user"):
            text = re.sub(rf"^{name} = .*$", f'{name} = "pdlease"', text, flags=re.M)
        (self.network.folder / "pdlease.toml").write_text(text + table)
        home = self.network.folder / "home"
        home.mkdir()
        # what an operator has done before, on a copy of /etc that is gone with the last process that sees it
        before = f"""
        set -e
        mkdir {home}/etc && mount -t tmpfs none {home}/etc && cp -a /etc/. {home}/etc/ && mount --move {home}/etc /etc
        useradd --system --user-group pdlease
        mkdir -p /etc/pdlease && install -m 0644 {self.network.folder}/pdlease.toml /etc/pdlease/pdlease.toml
        echo '{ROUTER} router.example.org' >> /etc/hosts
        export HOME={home}; cd ~
        """
        script = home / "script"
        script.write_text(before + "\n".join(commands) + f"\ncd {TOP}\n" + 'exec "$@"\n')
        daemon.path = Path("/etc/pdlease/pdlease.toml")
        daemon.start(before=("sh", str(script)))
        daemon.bound()
        # pdleasectl on a host of the LAN, with the /etc of the router for want of another one
        ip("-n", self.network.lan, "address", "add", f"{ROUTER[:-1]}2/64", "dev", "host0", "nodad")
        lines = ask.replace("pdleasectl", f"{sys.executable} -m pdlease.control.cli")
        lan = f"--net=/run/netns/{self.network.lan}"
        inside = ("nsenter", "-t", str(daemon.pid), lan, "-m", f"--wd={TOP}", "sh", "-ec")
        environment = {**os.environ, "HOME": str(home)}

        def run(line: str) -> str:
            done = subprocess.run([*inside, line], env=environment, capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), daemon.said())
            return done.stdout

        self.assertRegex(run(lines), "(?s)wan0.*bound.*2001:db8:1000:")
        self.assertEqual(run(lines.replace("status", "log debug")), "")
        renewed = re.search(r"openssl req -x509 -CA(?:.*\\\n)*.*server\.pem", "\n".join(commands))
        assert renewed is not None
        run(f"cd ~/pdlease-ca; {renewed[0]} 2>/dev/null")
        run("cd ~/pdlease-ca; install -m 0640 -g pdlease server.key /etc/pdlease/remote/")
        done = subprocess.run(
            [*inside, lines.replace("status", "reload")], env=environment, capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 1, "a key that does not fit must be refused")
        self.assertIn("KEY_VALUES_MISMATCH", done.stderr)
        run("cd ~/pdlease-ca; install -m 0644 server.pem /etc/pdlease/remote/")
        self.assertIn("changed: control/remote", run(lines.replace("status", "reload")))
        self.assertRegex(run(lines), "(?s)wan0.*bound")

    test_page.timeout = 120  # type: ignore[attr-defined]


class StrangerTests(WithServer):
    """
    A daemon under C{sandbox_action = "kill"} with remote control, and everybody who should not have it.
    """

    def setUp(self) -> None:
        super().setUp()
        self.set = certificates(self)
        # the daemon's user has no group of its own here: it owns the key
        self.server_files = self.network.folder / "remote"
        self.server_files.mkdir(mode=0o755)
        self.install(self.set.server)
        interface = ROUTER.replace(":", "\\:")
        table = f"""
            [control.remote]
            listen = 'ssl:port=4546:interface={interface}'
            certificate = "{self.server_files}/server.pem"
            key = "{self.server_files}/server.key"
            client_ca = "{self.server_files}/ca.pem"
            roles = {{ "email:alice@example.org" = "admin", "DNS:monitor.example.org" = "viewer" }}
            """
        self.server.start()
        self.daemon: Daemon = self.make_daemon(self.network, {"wan0": ['["lan0", "lan1"]']})
        self.daemon.path.write_text(self.daemon.path.read_text() + table)
        self.daemon.start()
        self.daemon.bound()

    def install(self, files: Files) -> None:
        """Put a certificate of the daemon's in place, as a program that renews one does."""
        for name, source, mode in (
            ("server.pem", files.certificate, 0o644),
            ("server.key", files.key, 0o400),
            ("ca.pem", files.ca, 0o644),
        ):
            new = self.server_files / f"{name}.new"
            new.write_bytes(Path(source).read_bytes())
            new.chmod(mode)
            if name == "server.key":
                os.chown(new, 65534, 65534)
            new.rename(self.server_files / name)

    def ctl(self, files: Files, *words: str) -> subprocess.CompletedProcess[str]:
        """Run pdleasectl with these keys on the router, against its address on the LAN."""
        keys = self.network.folder / "keys" / "pdlease"
        keys.mkdir(parents=True, exist_ok=True)
        for name, source in (("certificate.pem", files.certificate), ("key.pem", files.key), ("ca.pem", files.ca)):
            (keys / name).write_bytes(Path(source).read_bytes())
            (keys / name).chmod(0o600)
        command = (sys.executable, "-m", "pdlease.control.cli", "--host", ROUTER, *words)
        return subprocess.run(
            ["ip", "netns", "exec", self.network.router, *command],
            cwd=TOP,
            env={**os.environ, "XDG_CONFIG_HOME": str(keys.parent)},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def test_strangers(self) -> None:
        """
        Roles go by certificates; wrong, expired and missing ones, half-open handshakes, oversized boxes and ten
        thousand connections are refused, while local control answers and neither memory, descriptors nor the log grow;
        a certificate is renewed by SIGHUP under a session that watches (issue 5, point 2).
        """
        self.assertIn("bound", self.ctl(self.set.alice, "status").stdout)
        self.assertEqual(self.ctl(self.set.alice, "renew").returncode, 0)
        viewer = self.ctl(self.set.monitor, "renew")
        self.assertEqual((viewer.returncode, "viewer" in viewer.stderr), (1, True))
        self.assertEqual(self.ctl(self.set.monitor, "why").returncode, 0)
        for files, words in (
            (self.set.expired, "expired"),
            (self.set.forged, "does not know the CA"),
            (self.set.stranger, "no role"),
        ):
            done = self.ctl(files, "status")
            self.assertEqual((done.returncode, words in done.stderr), (3, True), done.stderr)
        # from here on this process is on the router, as a client there
        with inside(self.network.router):
            self.attack()
            self.renew()
        self.assertEqual(self.daemon.stop(), -signal.SIGTERM)

    def attack(self) -> None:
        """Strangers by the thousand."""
        pid = self.daemon.pid
        with Control(host=ROUTER, keys=self.set.alice) as alice, Control(str(self.daemon.control)) as local:
            before, size, said = descriptors(pid), resident(pid), len(self.daemon.said().splitlines())
            half_open = [socket.create_connection((ROUTER, 4546)) for _ in range(8)]
            time.sleep(0.2)
            slowest = 0.0
            for _ in range(20):
                self.knock(500)
                began = time.monotonic()
                self.assertEqual(local.status()["uplinks"]["wan0"]["state"], "bound")
                slowest = max(slowest, time.monotonic() - began)
                self.assertLess(descriptors(pid), before + MOST_DESCRIPTORS)
            self.assertLess(slowest, 1.0)
            self.assertLess(resident(pid) - size, 8192)
            self.assertEqual(alice.role, "admin")
            self.assertEqual(alice.status()["uplinks"]["wan0"]["state"], "bound")
            for connection in half_open:
                connection.close()
            # whoever has a certificate gets in when the flood is over
            until(self.gets_in, 10, "a client with a certificate to get in")
            until(lambda: descriptors(pid) <= before + 2, 20, "the connections of strangers to be closed")
            self.assertLess(len(self.daemon.said().splitlines()) - said, 12)
            # until the flood no longer counts
            time.sleep(1.0)

    def knock(self, count: int) -> None:
        """So many connections at once, of which nothing is heard any more."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        knocking = []
        for _ in range(count):
            connection = socket.socket(socket.AF_INET6)
            connection.setblocking(False)
            connection.connect_ex((ROUTER, 4546))
            knocking.append(connection)
        time.sleep(0.05)
        for connection in knocking:
            connection.close()

    def gets_in(self) -> bool:
        """Whether a new connection of a client with a certificate is let in."""
        try:
            with Control(host=ROUTER, keys=self.set.alice, seconds=2):
                return True
        except ControlError:
            return False

    def renew(self) -> None:
        """A new certificate, and a spoilt one."""
        with (
            Control(host=ROUTER, keys=self.set.alice) as watching,
            Control(host=ROUTER, keys=self.set.alice) as alice,
        ):
            _, events = watching.watch()
            before = self.serial()
            self.install(self.set.renewed)
            os.kill(self.daemon.pid, signal.SIGHUP)
            until(lambda: self.serial() != before, 5, "the new certificate")
            self.assertEqual(next(events)["event"], "reload")
            (self.server_files / "server.pem").write_text("spoilt")
            with self.assertRaisesRegex(ControlError, "no certificate"):
                alice.reload()
            self.assertEqual(alice.status()["uplinks"]["wan0"]["state"], "bound")
            self.assertTrue(self.gets_in())

    def serial(self) -> str:
        """Which certificate the daemon shows."""
        with Control(host=ROUTER, keys=self.set.alice) as daemon:
            certificate = daemon._socket.getpeercert()  # type: ignore[attr-defined]
            return str(certificate["serialNumber"])

    test_strangers.timeout = 120  # type: ignore[attr-defined]
