"""
The contract of all privilege providers, for this one, on a real kernel: in a network namespace made for it, with

    unshare --net python -m twisted.trial test_pdlease_audit

as root, or C{unshare --map-root-user --net} as anybody else.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile

from twisted.internet import reactor  # noqa: TID251
from twisted.trial.unittest import TestCase

from pdlease.config.toml import parse
from pdlease.interfaces import IPrivilege, IPrivilegeFactory, PrivilegeContext
from pdlease.providers import find
from pdlease.testing import PrivilegeContract

CONFIGURATION = b"""
[daemon]
user = "nobody"
helper_user = "nobody"
[uplinks.wan]
link = "wan0"
[[uplinks.wan.delegations]]
downstreams = ["lan0"]
[switches.lab]
link = "br0"
[guests.web1]
id = 1
[[guests.web1.nics]]
link = "tap0"
switch = "lab"
[[guests.web1.nics]]
link = "tap1"
local = true
"""


def ip(*words: str) -> None:
    """Run C{ip}."""
    subprocess.run(["ip", *words], check=True)


class AuditedPrivilegeTests(PrivilegeContract, TestCase):
    """C{privileges = "audit:FILE"}, found as the daemon finds it."""

    source = CONFIGURATION
    link, nic, port, bridge = "lan0", "tap1", "tap0", "br0"
    nic_address = "100.64.1.4/31"

    def setUp(self) -> None:
        for name in ("wan0", "lan0", "tap0", "tap1"):
            ip("link", "add", name, "type", "veth", "peer", "name", f"{name}p")
            self.addCleanup(ip, "link", "delete", name)
        ip("link", "add", "br0", "type", "bridge")
        self.addCleanup(ip, "link", "delete", "br0")
        ip("link", "set", "lan0", "up")
        indexes = (socket.if_nametoindex(name) for name in (self.link, self.nic, self.port, self.bridge))
        self.index, self.nic_index, self.port_index, self.bridge_index = indexes
        # not trial's folder: the helper reads the file again as its own user
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)
        self.path = os.path.join(self.folder, "pdlease.toml")
        with open(self.path, "wb") as file:
            file.write(CONFIGURATION)
        os.chmod(self.path, 0o644)

    def create(self) -> IPrivilege:
        context = PrivilegeContext(
            reactor=reactor,
            configuration_path=self.path,
            configuration=parse(CONFIGURATION, self.path),
            ended=self.fail,
        )
        return self.factory().build(os.path.join(self.folder, "audit"), context)

    def factory(self) -> IPrivilegeFactory:
        return find("privileges", "audit")

    async def test_written_down(self) -> None:
        """
        What was done and what was refused is written down, in order.
        """
        provider = await self.started()
        await self.outcomes(provider, self.address(), self.address("ff02::1/64"))
        with open(os.path.join(self.folder, "audit")) as file:
            noted = [json.loads(line)[1:] for line in file]
        self.assertEqual(noted[0], ["add 2001:db8:77::1/64 to lan0", None])
        self.assertIn("ff02::1/64", noted[1][0])
        self.assertIn("is not inside", noted[1][1])

    def test_argument(self) -> None:
        """
        Without the path of a file there is no such provider.
        """
        self.assertRaises(ValueError, self.factory().build, "", None)
