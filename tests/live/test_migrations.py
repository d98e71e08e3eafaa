"""
A router changes to pdlease and keeps its prefix: each other client really runs and writes its own files, its identity
is imported, and the server takes pdlease for it.
"""

from __future__ import annotations

import json
import subprocess
import sys

from pdlease.wire.codes import MessageType
from tests.live.case import WithKea
from tests.live.daemon import Daemon
from tests.live.network import TOP, until
from tests.live.others import Dhclient, Dhcp6c, Dhcpcd, Networkd, Other, client
from tests.live.require import needs

IMPORT = ("-m", "pdlease.control.cli", "--json", "identity", "import", "--from")


class Migrating(WithKea):
    """Goes from another client to pdlease."""

    def migrate(self, other: Other, remembers: bool) -> tuple[int, list[str]]:
        """
        Have another client bound, end it, import it, and start the daemon: same DUID, same IAID, same prefix.

        @param remembers: whether its files tell what it held.
        @return: the IAID, and what the import remarked.
        """
        self.kea.start()
        other.start()
        _, given = self.first(self.heard, MessageType.REPLY, 0, 20)
        (association,) = given.ia_pds
        (prefix,) = association.prefixes
        told = (str(given.client_id), [str(prefix.network)] if remembers else [])
        # it writes its files a moment after the Reply; they can be read while it runs
        early = Daemon(self.network, name="early")
        until(lambda: self.told(early, other)[:2] == told, 5, f"{other.name} to have written its files", every=0.3)
        other.stop()
        self.daemon = self.make_daemon(self.network)
        *said, remarks = self.told(self.daemon, other)
        self.assertEqual(tuple(said), told)
        since = self.now()
        held = self.daemon.start().bound()["prefixes"]
        asked = self.heard.first(MessageType.SOLICIT, since)
        assert asked is not None
        self.assertEqual(asked[1].client_id, given.client_id)
        self.assertEqual([ia.iaid for ia in asked[1].ia_pds], [association.iaid])
        named = [each.network for ia in asked[1].ia_pds for each in ia.prefixes if each.network == prefix.network]
        self.assertEqual(bool(named), remembers)
        self.assertEqual([each["prefix"] for each in held], [str(prefix.network)])
        self.assertNotIn(MessageType.RELEASE, self.heard.types())
        return association.iaid, remarks

    def told(self, daemon: Daemon, other: Other) -> tuple[str, list[str], list[str]]:
        """What C{identity import} says of another client: DUID, prefixes, remarks."""
        words = (*IMPORT, other.name, "--config", str(daemon.path))
        done = other.run(sys.executable, *words)
        document = json.loads(done.stdout)
        return document.get("duid", done.stdout), document.get("prefixes", []), document.get("remarks", [])


@needs(client("dhcpcd"))
class DhcpcdTests(Migrating):
    """dhcpcd."""

    def test_migration(self) -> None:
        """From dhcpcd's own files: DUID, IAID of the configuration, and the prefix of the last lease, asked for."""
        iaid, _ = self.migrate(Dhcpcd(self.network), remembers=True)
        self.assertEqual(iaid, 2002)


@needs(client("systemd-networkd"))
class NetworkdTests(Migrating):
    """systemd-networkd."""

    def test_migration(self) -> None:
        """From the state that networkd leaves behind: DUID and IAID; the server still knows the prefix."""
        self.migrate(Networkd(self.network), remembers=False)


@needs(client("dhcp6c"))
class Dhcp6cTests(Migrating):
    """WIDE dhcp6c."""

    def test_migration(self) -> None:
        """From its DUID file and its configuration; the server still knows the prefix of one that was killed."""
        iaid, _ = self.migrate(Dhcp6c(self.network), remembers=False)
        self.assertEqual(iaid, 7)


@needs(client("dhclient"))
class DhclientTests(Migrating):
    """ISC dhclient."""

    def test_migration(self) -> None:
        """From its file of leases: DUID, IAID made of the link's address, and the prefix, asked for."""
        self.migrate(Dhclient(self.network), remembers=True)


class LeasedTests(WithKea):
    """dhcp6leased, which runs on OpenBSD: a client with its identity and its packets stands in for it."""

    def test_migration(self) -> None:
        """
        From its UUID and its lease file, in the form that its source writes them (seed-behaviour 3.11): DUID, IAID 0
        and the prefix, asked for by name, although its host bits are not cleared.
        """
        uuid = "00112233-4455-6677-8899-aabbccddeeff"
        duid = "0004" + uuid.replace("-", "")
        self.kea.start()
        original = self.make_daemon(
            self.network,
            name="original",
            extra=f'on_stop = "remove"\n[identity]\nduid = "raw:{duid}"',
            uplink_extra='profile = "dhcp6leased"',
        )
        prefix = original.start().bound()["prefixes"][0]["prefix"]
        original.stop()
        folder = self.network.folder / "dhcp6leased"
        folder.mkdir()
        (folder / "uuid").write_text(f"{uuid}\n")
        (folder / "wan0").write_text(f"ia_pd 0 {prefix.partition('/')[0]}1 56\n")
        self.daemon = self.make_daemon(self.network)
        words = (*IMPORT, "dhcp6leased", "--path", str(folder / "uuid"), "--config", str(self.daemon.path))
        done = subprocess.run([sys.executable, *words], cwd=TOP, capture_output=True, text=True, check=True)
        said = json.loads(done.stdout)
        self.assertEqual((said["duid"], said["prefixes"], said["remarks"]), (duid, [prefix], []))
        since = self.now()
        status = self.daemon.start().bound()
        _, asked = self.first(self.heard, MessageType.SOLICIT, since, 3)
        (association,) = asked.ia_pds
        self.assertEqual((str(asked.client_id), association.iaid), (duid, 0))
        self.assertIn(prefix, [str(each.network) for each in association.prefixes])
        self.assertEqual([each["prefix"] for each in status["prefixes"]], [prefix])
