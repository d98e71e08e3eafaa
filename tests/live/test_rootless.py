"""
With fewer rights than root has: in a user namespace, and in containers that lack capabilities.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile

from twisted.trial.unittest import SynchronousTestCase

from tests.live.network import TOP, until
from tests.live.require import needs, program, root, stop_without
from tests.live.scripted import WithServer

# env: setpriv itself still has root's rights when it looks for the command
ORDINARY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "env")

# `ip netns` keeps its names under /run; in a mount namespace of one's own that may be a folder of one's own
PREPARED = 'mount -t tmpfs none /run && mkdir /run/netns && exec "$@"'

# What Docker leaves to a container.
CONTAINER = tuple(
    "chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot".split()  # noqa: SIM905
)


def bounded(*kept: str) -> tuple[str, ...]:
    """The words that run a command with these capabilities at most."""
    return ("setpriv", f"--bounding-set=-all,{','.join(f'+{name}' for name in kept)}")


@needs(root, program("setpriv"))
class UserNamespaceTests(SynchronousTestCase):
    """An ordinary user, who is root in a user namespace of nobody else."""

    def test_a_whole_life(self) -> None:
        """
        Everything works: sandbox, leases, reload, control commands, kill -9 and the same prefix again, Release, 143.
        Only nobody else can be become, which both processes say; whoever the configuration names need not exist
        (issue 4, point 6).
        """
        allowed = subprocess.run([*ORDINARY, "unshare", "-Ur", "true"], capture_output=True, text=True, check=False)
        stop_without(self, f"user namespaces cannot be made ({allowed.stderr.strip()})" if allowed.returncode else None)
        folder = tempfile.mkdtemp(prefix="pdlease-rootless-")
        self.addCleanup(shutil.rmtree, folder)
        shutil.chown(folder, 65534, 65534)
        words = ("PYTHONDONTWRITEBYTECODE=1", f"HOME={folder}", f"TMPDIR={folder}", "unshare", "-Urnm")
        done = subprocess.run(
            [*ORDINARY, *words, "sh", "-c", PREPARED, "sh", sys.executable, "-m", "tests.live.rootless"],
            cwd=TOP,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        told = json.loads(done.stdout)
        self.assertRegex(told["sandbox"], "^user root, no capabilities, Landlock [1-9].*, seccomp kill$")
        self.assertEqual((len(told["first"]), told["second"]), (1, told["first"]))
        self.assertEqual([len(addresses) for addresses in told["links"]], [1, 1])
        self.assertEqual((told["released"], told["status"]), ([[], []], -15))
        warnings = set(re.findall("warning: (.*)", told["said"]))
        without = "in a user namespace of one user: does not become nosuchuser"
        group = "in a user namespace without a group nosuchgroup: it cannot control the daemon"
        self.assertEqual(warnings, {f"the helper: {without}", f"the daemon: {without}", group})
        self.assertNotIn("error", told["said"])


class ContainerTests(WithServer):
    """Root with some of his capabilities, as in a container."""

    def setUp(self) -> None:
        super().setUp()
        self.server.start()
        self.daemon = self.make_daemon(self.network)

    def launch(self, *kept: str, privileges: str = "helper") -> str:
        """Start the daemon with these capabilities at most; what it has said when it holds a prefix, or cannot."""
        extra = f'sandbox_action = "kill"\nprivileges = "{privileges}"'
        self.daemon.write({"wan0": ['["lan0", "lan1"]']}, extra=extra)
        began = len(self.daemon.said()) if self.daemon.program is not None else 0
        self.daemon.start(before=bounded(*kept))
        until(lambda: self.daemon.status()["prefixes"] or "net_bind_service" not in kept, 10, "a prefix")
        return self.daemon.said()[began:]

    def test_as_it_should_be(self) -> None:
        """A container with NET_ADMIN is enough, with the helper as without."""
        for privileges in ("helper", "inprocess"):
            said = self.launch(*CONTAINER, "net_admin", privileges=privileges)
            self.daemon.bound()
            self.assertNotIn("warning", said)
            self.daemon.stop()

    def test_without_net_admin(self) -> None:
        """
        Without NET_ADMIN one sentence at the start says so, and where to get it; what the kernel refuses is told of
        each address in its own words.
        """
        for privileges, who in (("helper", "the helper"), ("inprocess", "the daemon")):
            said = self.launch(*CONTAINER, privileges=privileges)
            self.assertIn(
                f"warning: {who}: without the capability NET_ADMIN the kernel refuses every address, route and setting "
                "of a link (in a container: --cap-add=NET_ADMIN)\n",
                said,
            )
            until(lambda: self.assignment("lan0").get("problem"), 5, "the kernel's refusal in the status")
            self.assertEqual(self.assignment("lan0")["problem"]["text"], "Operation not permitted")
            self.daemon.stop()

    def test_without_the_port(self) -> None:
        """Without NET_BIND_SERVICE, the same of port 546; root without any capability is told of both."""
        said = self.launch("net_admin")
        self.assertIn("the helper: without the capability NET_BIND_SERVICE port 546 cannot be opened", said)
        self.assertIn("open port 546 on wan0: Permission denied", self.daemon.ctl("why").stdout)
