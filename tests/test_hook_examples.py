"""
Tests of the hooks in C{docs/examples/hooks} for Incus and libvirt, with programs in the place of theirs that keep what
they are told and answer as LXD 5.0.2 and libvirt 9.0.0 did; and of what every example has in common.

Those for programs that every test machine has are run with them in L{tests.live.test_hook_examples}.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples" / "hooks"

#: Answers as C{lxc network get} and C{set} do.
INCUS = """#!/bin/sh
echo "$*" >> calls
case "$2" in
get) test -e "$3" && cat "$3" || { echo "Error: Network not found" >&2; exit 1; } ;;
set) echo "$5" > "$3" ;;
esac
"""

#: Answers as C{virsh} does.
VIRSH = """#!/bin/sh
test "$1 $2" = "-c network:///system" || exit 9
shift 2
echo "$1" >> calls
case "$1" in
net-dumpxml) cat lab.xml ;;
net-define) cp "$2" lab.xml; echo "Network lab defined from $2" ;;
net-list) printf 'lab\\n\\n' ;;
net-destroy | net-start) ;;
*) exit 9 ;;
esac
"""

#: What C{virsh net-dumpxml --inactive} printed.
LAB = """<network>
  <name>lab</name>
  <uuid>452ba16d-db53-481d-9103-e6c3dea9392f</uuid>
  <forward mode='open'/>
  <bridge name='virbr7' stp='on' delay='0'/>
  <mac address='52:54:00:87:2a:1a'/>
  <ip address='192.168.77.1' netmask='255.255.255.0'>
    <dhcp>
      <range start='192.168.77.2' end='192.168.77.9'/>
    </dhcp>
  </ip>
  <ip family='ipv6' address='fd00:77::1' prefix='64'>
  </ip>
</network>
"""


def state(*subnets: tuple[str, str]) -> dict[str, Any]:
    """A state with these subnets on links."""
    assignments = [
        {"link": link, "subnet": subnet, "address": subnet.replace("/64", "2"), "installed": True}
        for link, subnet in subnets
    ]
    return {"uplinks": {"wan": {"prefixes": [], "stale": [], "assignments": assignments}}}


class ExampleCase(SynchronousTestCase):
    """An example with a program of ours in the place of what it calls."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def put(self, name: str, text: str) -> None:
        """Put a program where it is found."""
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def hook(self, name: str, state: dict[str, Any], *arguments: str) -> int:
        """Run a hook; its status."""
        return subprocess.run(
            [sys.executable, EXAMPLES / name, *arguments],
            input=json.dumps({"state": state}),
            text=True,
            cwd=self.folder,
            env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"},
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode

    def calls(self) -> list[str]:
        """What was called since the last question."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


class IncusTests(ExampleCase):
    """C{incus.py}."""

    def test_incus(self) -> None:
        """A network gets the first address of its bridge's subnet, C{none} when there is none, and nothing twice."""
        self.put("incus", INCUS)
        network = self.folder / "br7"
        network.write_text("none\n")
        for given, address in (
            (state(("lan0", "2001:db8:1::/64"), ("virbr7", "2001:db8:1:1::/64")), "2001:db8:1:1::1/64"),
            (state(("virbr7", "2001:db8:2:1::/64")), "2001:db8:2:1::1/64"),
            (state(), "none"),
        ):
            self.assertEqual(self.hook("incus.py", given, "incus", "br7=virbr7"), 0)
            self.assertEqual(network.read_text(), f"{address}\n")
            self.assertEqual(self.calls()[1:], [f"network set br7 ipv6.address {address}"])
            self.assertEqual(self.hook("incus.py", given, "incus", "br7=virbr7"), 0)
            self.assertEqual(self.calls(), ["network get br7 ipv6.address"])

    def test_refused(self) -> None:
        """What the tool refuses is a failure, so that the hook is run again."""
        self.put("incus", INCUS)
        self.assertNotEqual(self.hook("incus.py", state(), "incus", "other=virbr7"), 0)


class LibvirtTests(ExampleCase):
    """C{libvirt.py}."""

    def setUp(self) -> None:
        super().setUp()
        self.put("virsh", VIRSH)
        (self.folder / "lab.xml").write_text(LAB)

    def addresses(self) -> list[str]:
        """The addresses in the definition."""
        return [part.split('"')[1] for part in (self.folder / "lab.xml").read_text().split(" address=")[2:]]

    def test_libvirt(self) -> None:
        """
        The definition gets the subnet of its bridge in the place of the one before, and nothing twice; what else stands
        there stays, ULAs included.
        """
        one, two = state(("virbr7", "2001:db8:1:1::/64")), state(("virbr7", "2001:db8:2:1::/64"))
        for given, own in ((one, ["2001:db8:1:1::1"]), (two, ["2001:db8:2:1::1"]), (state(), [])):
            self.assertEqual(self.hook("libvirt.py", given, "lab=virbr7"), 0)
            self.assertEqual(self.addresses(), ["192.168.77.1", "fd00:77::1", *own])
            self.assertEqual(self.calls(), ["net-dumpxml", "net-define"])
            self.assertEqual(self.hook("libvirt.py", given, "lab=virbr7"), 0)
            self.assertEqual(self.calls(), ["net-dumpxml"])
        self.assertIn("192.168.77.9", (self.folder / "lab.xml").read_text())

    def test_restart(self) -> None:
        """Only who asks for it has the network started anew, and only when something changed."""
        given = state(("virbr7", "2001:db8:1:1::/64"))
        self.assertEqual(self.hook("libvirt.py", given, "--restart", "lab=virbr7"), 0)
        self.assertEqual(self.calls(), ["net-dumpxml", "net-define", "net-list", "net-destroy", "net-start"])
        self.assertEqual(self.hook("libvirt.py", given, "--restart", "lab=virbr7"), 0)
        self.assertEqual(self.calls(), ["net-dumpxml"])


class CommonTests(ExampleCase):
    """What all examples have in common."""

    def test_described(self) -> None:
        """Each can be run as it is, says how, and stands on the page."""
        page = (EXAMPLES.parents[1] / "hooks.rst").read_text()
        for path in sorted(EXAMPLES.glob("*.py")):
            self.assertTrue(os.access(path, os.X_OK), path.name)
            self.assertTrue(path.read_text().startswith("#!/usr/bin/python3\n"), path.name)
            self.assertIn(f"--exec {path.name}", path.read_text(), path.name)
            self.assertIn(f"``{path.name}``", page)

    def test_program_that_fails(self) -> None:
        """Where the program that is to be told cannot be, the hook fails; its file is written all the same."""
        prefix = {"prefix": "2001:db8::/56"}
        given = {"uplinks": {"wan": {"prefixes": [prefix], "stale": [], "assignments": []}}}
        for name, *words in (("radvd.py", "false"), ("dnsmasq.py", "router.lan", "false")):
            self.assertNotEqual(self.hook(name, given, f"{name}.out", *words), 0)
            self.assertTrue((self.folder / f"{name}.out").exists())
        self.put("nft", "#!/bin/sh\nexit 1\n")
        self.put("nsupdate", "#!/bin/sh\nexit 2\n")
        self.assertNotEqual(self.hook("nftables.py", given, "out", "inet", "filter", "delegated"), 0)
        self.assertNotEqual(self.hook("dynamic_dns.py", given, "::1", "example.net", "key", "a.example.net=lan0"), 0)

    def test_lifetimes(self) -> None:
        """L-15, L-16: radvd is told what is left of a lifetime, up to a cap, also of what never ends."""
        for left, told in (
            ((100, 200), "AdvPreferredLifetime 100; AdvValidLifetime 200; DecrementLifetimes on;"),
            ((86400, 172800), "AdvPreferredLifetime 2700; AdvValidLifetime 5400; DecrementLifetimes on;"),
            ((None, None), "AdvPreferredLifetime 2700; AdvValidLifetime 5400; DecrementLifetimes on;"),
            ((0, 300), "AdvPreferredLifetime 0; AdvValidLifetime 300; }"),
        ):
            given = state(("lan0", "2001:db8:1::/64"), ("lan1", "2001:db8:2::/60"))
            for one in given["uplinks"]["wan"]["assignments"]:
                one.update(preferred_seconds=left[0], valid_seconds=left[1])
            self.assertEqual(self.hook("radvd.py", given, "out", "true"), 0)
            text = (self.folder / "out").read_text()
            self.assertIn(told, text)
            self.assertNotIn("lan1", text)
