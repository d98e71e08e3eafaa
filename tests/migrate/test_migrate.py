"""
Tests of L{pdlease.migrate}: files as each client writes them, made for these tests.
"""

from __future__ import annotations

import contextlib
import os
import sys
from ipaddress import IPv6Network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.migrate import dhclient, dhcpcd, leased, networkd, odhcp6c, wide
from pdlease.migrate.found import Association, Files, NothingFound
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, encode
from pdlease.wire.options import ClientId
from pdlease.wire.prefixes import IAPD, IAPrefix

LLT = DUID.parse_hex("000100012ad1c3e452540012345f")
HELD = IPv6Network("2001:db8:ab00::/56")


class MigrateCase(SynchronousTestCase):
    """A machine of which nothing is there but some files."""

    def setUp(self) -> None:
        """An empty root folder."""
        self.root = self.mktemp()
        os.mkdir(self.root)

    def put(self, path: str, content: str | bytes) -> None:
        """Write a file."""
        whole = os.path.join(self.root, path.lstrip("/"))
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)

    def card(self, address: str = "52:54:00:12:34:5f", name: str = "eth0") -> None:
        """A link is there."""
        for key, value in (("type", "1"), ("address", address), ("ifindex", "2")):
            self.put(f"/sys/class/net/{name}/{key}", value + "\n")

    @property
    def files(self) -> Files:
        """The files of the machine."""
        return Files(self.root)

    def assertMissing(self, problem: str, *arguments: object) -> None:
        """Reading finds nothing, and says this."""
        read, *rest = arguments
        self.assertIn(problem, str(self.assertRaises(NothingFound, read, *rest)))


class DhcpcdTests(MigrateCase):
    """dhcpcd."""

    def test_lease(self) -> None:
        """DUID, IAIDs and prefixes, of the DUID file and the last Reply."""
        self.put("/var/lib/dhcpcd/duid", "00:01:00:01:2a:d1:c3:e4:52:54:00:12:34:5f\n")
        prefix = IAPrefix(1, 2, 56, HELD.network_address.packed)
        reply = Message(7, 1, (ClientId(LLT), IAPD(0x12345F, 1, 2, (prefix,)), IAPD(9, 1, 2, ())))
        self.put("/var/lib/dhcpcd/eth0.lease6", encode(reply))
        found = dhcpcd.read(self.files, "eth0")
        self.assertEqual(found.duid, LLT)
        self.assertEqual(found.associations, (Association(iaid=0x12345F, prefixes=(HELD,)), Association(iaid=9)))
        self.assertEqual(found.files, ("/var/lib/dhcpcd/duid", "/var/lib/dhcpcd/eth0.lease6"))
        self.assertEqual(found.remarks, ())

    def test_configuration(self) -> None:
        """Without a lease the numbers of the configuration are taken, those of other links not."""
        self.put("/etc/dhcpcd.duid", str(LLT))
        self.put(
            "/etc/dhcpcd.conf", "duid\ninterface eth1\n ia_pd 5 lan0/0\ninterface eth0\n ia_pd 7 lan0/0/64\n ia_pd 8\n"
        )
        self.assertEqual([one.iaid for one in dhcpcd.read(self.files, "eth0").associations], [7, 8])
        found = dhcpcd.read(self.files, "eth2")
        self.assertEqual(found.associations, ())
        self.assertIn("the IAID is not known", found.remarks[0])

    def test_iaid_of_the_link(self) -> None:
        """
        Without lease and number the IAID is that which dhcpcd makes of the link: the number of its VLAN, else the last
        four octets of its address.
        """
        self.card()
        self.put("/etc/dhcpcd.duid", str(LLT))
        for configured in ("", "ia_pd\n", "interface eth0\n\tia_pd\n"):
            self.put("/etc/dhcpcd.conf", configured)
            found = dhcpcd.read(self.files, "eth0")
            self.assertEqual([one.iaid for one in found.associations], [0x0012345F])
            self.assertIn("the IAID was made of the link", found.remarks[0])
        self.put("/proc/net/vlan/eth0", "eth0  VID: 835\t REORD_HDR: 1  dev->priv_flags: 1021\n")
        self.assertEqual([one.iaid for one in dhcpcd.read(self.files, "eth0").associations], [0xFF000343])

    def test_written_iaid(self) -> None:
        """An IAID is written as a number in the forms of C, with a prefix behind it or not, or in four characters."""
        self.put("/etc/dhcpcd.duid", str(LLT))
        self.put("/etc/dhcpcd.conf", "ia_pd 2/::/56 lan0\nia_pd 0x1f\nia_pd 017\nia_pd wxyz lan0\nia_pd ab\n")
        found = dhcpcd.read(self.files, "eth0")
        self.assertEqual([one.iaid for one in found.associations], [2, 31, 15, 0x7778797A, 0x61620000])

    def test_broken(self) -> None:
        """A lease that is none is said; a DUID that is none, or missing, is the end."""
        self.put("/var/lib/dhcpcd/duid", str(LLT))
        self.put("/var/lib/dhcpcd/eth0.lease6", b"\x07")
        self.assertIn("/var/lib/dhcpcd/eth0.lease6 is not understood", dhcpcd.read(self.files, "eth0").remarks[0])
        self.put("/var/lib/dhcpcd/duid", "nonsense")
        self.assertMissing("/var/lib/dhcpcd/duid: ", dhcpcd.read, self.files, "eth0")
        self.assertMissing("there is none of /x", dhcpcd.read, self.files, "eth0", "/x")


class NetworkdTests(MigrateCase):
    """systemd-networkd."""

    def test_state(self) -> None:
        """While networkd runs, DUID and IAID stand in the state of the link, in the words of any version."""
        self.card()
        for name, kind in (("DUID-EN/Vendor", 2), ("DUID-EN", 2), ("DUID-LLT", 1), ("DUID-LL", 3), ("UUID", 4)):
            state = f"ADMIN_STATE=configured\nDHCP6_CLIENT_IAID=0x1a2b3c4d\nDHCP6_CLIENT_DUID={name}:0000ab1100ff\n"
            self.put("/run/systemd/netif/links/2", state)
            found = networkd.read(self.files, "eth0")
            self.assertEqual(found.duid, DUID.parse_hex(f"{kind:04x}0000ab1100ff"))
            self.assertEqual(found.associations, (Association(iaid=0x1A2B3C4D),))
        self.put("/copy", state)
        self.assertEqual(networkd.read(self.files, "eth9", "/copy").duid, found.duid)
        self.put("/run/systemd/netif/links/2", state.replace("UUID:", "DUID-9:"))
        self.assertMissing("the type of DUID DUID-9:", networkd.read, self.files, "eth0")
        self.assertMissing("names no DHCP6_CLIENT_DUID", networkd.read, self.files, "eth0", "/nothing")

    def test_machine_id(self) -> None:
        """Without any state the default DUID is that of the machine id: the vector of systemd's own tests."""
        self.put("/etc/machine-id", bytes(range(1, 17)).hex() + "\n")
        found = networkd.read(self.files, "eth0")
        self.assertEqual(found.duid, DUID.parse_hex("00020000ab11617740de1342c3a2"))
        self.assertEqual(found.associations, ())
        self.assertIn("names the IAID", found.remarks[-1])

    def test_made_iaid(self) -> None:
        """
        Once networkd has ended, its IAID is made anew: of the name in udev that it takes, else of the link's address.
        The first is the vector of systemd's own tests, the second one was seen on the wire (systemd 252).
        """
        self.put("/etc/machine-id", bytes(range(1, 17)).hex())
        for address, iaid in (("41:42:43:31:32:33", 0xA84BDE8D), ("a2:e7:f3:44:e8:23", 0x70CEAE83)):
            self.card(address)
            found = networkd.read(self.files, "eth0")
            self.assertEqual(found.associations, (Association(iaid=iaid),))
            self.assertEqual(found.remarks[-1], "the IAID was made of the address of eth0, as networkd does")
        # siphash of this name is that of the address above: what is hashed is its octets
        self.put("/run/udev/data/n2", "I:1\nE:ID_NET_NAME_MAC=enx0\nE:ID_NET_NAME_PATH=ABC123\nG:systemd\n")
        found = networkd.read(self.files, "eth0")
        self.assertEqual(found.associations, (Association(iaid=0xA84BDE8D),))
        self.assertIn("the name ABC123 in udev", found.remarks[-1])

    def test_siphash(self) -> None:
        """The vectors of the authors of SipHash: 0, 8 and 15 octets."""
        key = bytes(range(16))
        self.assertEqual(networkd.siphash(key, b""), 0x726FDB47DD0E0E31)
        self.assertEqual(networkd.siphash(key, bytes(range(8))), 0x93F5F5799A932462)
        self.assertEqual(networkd.siphash(key, bytes(range(15))), 0xA129CA6149BE45E5)

    def test_configuration(self) -> None:
        """The configuration says which kind of DUID, and may say the IAID; the link's own file wins."""
        self.card()
        self.put("/etc/machine-id", bytes(range(1, 17)).hex())
        self.put("/etc/systemd/networkd.conf", "[DHCPv6]\n# x\nDUIDType=uuid\n")
        kind = networkd.read(self.files, "eth0").duid
        self.assertEqual((kind.kind, len(kind.data), kind.data[8] >> 4, kind.data[10] >> 6), (4, 18, 4, 2))
        self.put("/etc/systemd/network/10-other.network", "[Match]\nName=eth1\n[DHCPv6]\nIAID=4\n")
        self.put("/etc/systemd/network/20-wan.network", "[Match]\nName=en* eth0\n[DHCPv6]\nDUIDType=link-layer\nIAID=7")
        self.put("/usr/lib/systemd/network/20-wan.network", "[Match]\nName=eth0\n[DHCPv6]\nIAID=8\n")
        found = networkd.read(self.files, "eth0")
        self.assertEqual((str(found.duid), found.associations), ("0003000152540012345f", (Association(iaid=7),)))
        self.assertNotIn("/etc/systemd/network/10-other.network", found.files)
        self.put("/etc/systemd/network/20-wan.network", "[Match]\nName=eth0\n[DHCPv6]\nDUIDRawData=00:01\nIAID=9")
        self.assertEqual(str(networkd.read(self.files, "eth0").duid), "00040001")

    def test_unknown(self) -> None:
        """What cannot be known from files is said."""
        self.assertMissing("/etc/machine-id", networkd.read, self.files, "eth0")
        self.put("/etc/systemd/networkd.conf.d/x.conf", "[DHCPv6]\nDUIDType=link-layer-time\n")
        self.assertMissing("cannot be known from files", networkd.read, self.files, "eth0")
        self.put("/etc/systemd/networkd.conf.d/x.conf", "[DHCPv6]\nDUIDType=link-layer\n")
        self.assertMissing("eth0 has no address", networkd.read, self.files, "eth0")


class WideTests(MigrateCase):
    """WIDE dhcp6c."""

    def put_duid(self, data: bytes = LLT.data, length: int = len(LLT.data)) -> None:
        """Write its DUID file."""
        self.put("/var/lib/dhcpv6/dhcp6c_duid", length.to_bytes(2, sys.byteorder) + data)

    def test_found(self) -> None:
        """The DUID of its file, the IAIDs that are sent on the link, comments aside."""
        self.put_duid()
        self.put(
            "/etc/wide-dhcpv6/dhcp6c.conf",
            "interface eth1 { send ia-pd 3; };\ninterface eth0 { # send ia-pd 4;\n"
            " send ia-na 1, ia-pd 5;\n send rapid-commit;\n send ia-pd 0; };\n"
            "id-assoc pd 0 { prefix-interface l {}; };\n",
        )
        found = wide.read(self.files, "eth0")
        self.assertEqual((found.duid, [one.iaid for one in found.associations]), (LLT, [5, 0]))
        self.assertEqual(found.remarks, ("dhcp6c keeps no leases: what it held is not known",))
        self.assertIn("the IAID is not known", wide.read(self.files, "eth9").remarks[1])

    def test_broken(self) -> None:
        """A length that does not fit, and a DUID that is none."""
        self.put_duid(length=9)
        self.assertMissing("its length says 9 octets, and there are 14", wide.read, self.files, "eth0")
        self.put_duid(b"\0", 1)
        self.assertMissing("a DUID has 3 to 130 octets", wide.read, self.files, "eth0")


OPENWRT = """
config globals 'globals'
\toption ula_prefix 'fdfb:bfdd:24e2::/48'
{}
config interface 'lan'
\toption device 'br-lan'
\toption proto 'static'

config interface 'wan6'
\toption device 'eth0'
\toption proto "dhcpv6"
{}
"""


class Odhcp6cTests(MigrateCase):
    """odhcp6c."""

    def found(self, globally: str = "", here: str = "", link: str = "eth0") -> tuple[str, list[int]]:
        """The DUID and the IAIDs that a configuration means."""
        self.put("/etc/config/network", OPENWRT.format(globally, here))
        found = odhcp6c.read(self.files, link)
        return str(found.duid), [one.iaid for one in found.associations]

    def test_duid(self) -> None:
        """The client id of the interface, else the machine's DUID, else a DUID-LL of the link."""
        self.card()
        ours, default = "\toption clientid '000301'", "\toption dhcp_default_duid '000412'"
        self.assertEqual(self.found(default, ours), ("000301", [1]))
        self.assertEqual(self.found(default), ("000412", [1]))
        self.assertEqual(self.found(default, "\toption clientid '*'"), ("000412", [1]))
        self.assertEqual(self.found("\toption dhcp_default_duid 'auto'"), ("0003000152540012345f", [1]))
        self.assertEqual(self.found(here=ours, link="pppoe-wan"), ("000301", [1]))
        self.assertMissing("pppoe-wan has no address", self.found, "", "", "pppoe-wan")

    def test_iaid(self) -> None:
        """Counted from 1, or as it is written behind the length."""
        ours = "\toption clientid '000301'\n\toption reqprefix '{}'"
        for wish, iaids in (
            ("auto", [1]),
            ("56", [1]),
            ("56:beef", [0xBEEF]),
            ("56,ab", [0x61620000]),
            ("no", []),
            ("56:x", []),
        ):
            self.assertEqual(self.found(here=ours.format(wish))[1], iaids, wish)

    def test_none(self) -> None:
        """No interface that asks, or several and none on the link."""
        self.put("/etc/config/network", "config interface lan\n option proto static\n")
        self.assertMissing("no interface with proto dhcpv6 has the device eth0", odhcp6c.read, self.files, "eth0")
        self.assertMissing("there is none of /x", odhcp6c.read, self.files, "eth0", "/x")


DHCLIENT = r"""default-duid "\000\001\000\001*\321\303\344RT\000\0224_";
lease6 {
  interface "eth0";
  ia-pd 00:12:34:5e {
    starts 1700000000;
    renew 1800;
    rebind 2880;
    iaprefix 2001:db8:1::/56 {
      starts 1700000000;
      preferred-life 3600;
      max-life 7200;
    }
  }
  option dhcp6.client-id 0:1:0:1:2a:d1:c3:e4:52:54:0:12:34:5f;
}
lease6 {
  interface "eth0";
  ia-na 00:12:34:5f {
    starts 1700000000;
  }
  ia-pd 00:12:34:5f {
    starts 1700000000;
    iaprefix 2001:db8:ab00::/56 {
      starts 1700000000;
    }
  }
  ia-pd "ab\001}" {
    starts 1700000000;
  }
  option dhcp6.client-id 0:1:0:1:2a:d1:c3:e4:52:54:0:12:34:5f;
  option dhcp6.server-id 0:1:0:1;
}
lease6 {
  interface "eth1";
  ia-pd 00:00:00:01 {
  }
}
"""


class DhclientTests(MigrateCase):
    """ISC dhclient."""

    def test_last_lease(self) -> None:
        """The last lease of the link counts; the DUID is the one that was sent."""
        self.put("/var/lib/dhcp/dhclient6.leases", DHCLIENT)
        found = dhclient.read(self.files, "eth0")
        self.assertEqual(found.duid, LLT)
        self.assertEqual(
            found.associations,
            (Association(iaid=0x12345F, prefixes=(HELD,)), Association(iaid=int.from_bytes(b"ab\x01}", "big"))),
        )

    def test_default(self) -> None:
        """Without a lease of the link there is the default, in quotes with escapes, or in digits."""
        self.put("/var/lib/dhcp/dhclient6.leases", DHCLIENT)
        found = dhclient.read(self.files, "eth7")
        self.assertEqual((found.duid, found.associations), (LLT, ()))
        self.assertIn("the IAID is not known", found.remarks[0])
        self.card(name="eth7")
        found = dhclient.read(self.files, "eth7")
        self.assertEqual(found.associations, (Association(iaid=0x0012345F),))
        self.assertIn("made of the link's address", found.remarks[0])
        self.put("/l", "default-duid 00:03:12;\n")
        self.assertEqual(str(dhclient.read(self.files, "eth0", "/l").duid), "000312")

    def test_broken(self) -> None:
        """No DUID, or one that is none."""
        for text, problem in (("lease6 {\n}\n", "it names no DUID"), ('default-duid "a";', "a DUID has 3 to 130")):
            self.put("/l", text)
            self.assertMissing(problem, dhclient.read, self.files, "eth0", "/l")


class LeasedTests(MigrateCase):
    """dhcp6leased."""

    def test_found(self) -> None:
        """The UUID, and a line for each association; lines that are wrong are left out."""
        self.put("/var/db/dhcp6leased/uuid", "00112233-4455-6677-8899-aabbccddeeff\n")
        self.put(
            "/var/db/dhcp6leased/em0",
            "ia_pd 1 2001:db8:0:1000:: 54\nia_pd 0 2001:db8:ab00:: 56\nia_pd 32 2001:db8:: 56\nia_pd 2 x 56\nx\n",
        )
        found = leased.read(self.files, "em0")
        self.assertEqual(str(found.duid), "000400112233445566778899aabbccddeeff")
        self.assertEqual(
            found.associations,
            (
                Association(iaid=0, prefixes=(HELD,)),
                Association(iaid=1, prefixes=(IPv6Network("2001:db8:0:1000::/54"),)),
            ),
        )
        self.assertEqual(found.remarks, ())

    def test_without_prefix(self) -> None:
        """An association without a prefix has no line; the next keeps its number, and without a file there is 0."""
        self.put("/var/db/dhcp6leased/uuid", "00112233-4455-6677-8899-aabbccddeeff\n")
        self.put("/var/db/dhcp6leased/em0", "ia_pd 1 2001:db8:ab00:: 56\n")
        found = leased.read(self.files, "em0")
        self.assertEqual(found.associations, (Association(iaid=0), Association(iaid=1, prefixes=(HELD,))))
        found = leased.read(self.files, "em9")
        self.assertEqual(found.associations, (Association(iaid=0),))
        self.assertIn("em9 names no prefix: IAID 0 was taken", found.remarks[0])

    def test_broken(self) -> None:
        """What is no UUID."""
        self.put("/u", "zz")
        self.assertMissing("/u: it holds no UUID", leased.read, self.files, "em0", "/u")


class FilesTests(MigrateCase):
    """Any content of files."""

    @given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
    def test_any_content(self, data: bytes) -> None:
        """Whatever stands in a file, something is found or nothing; no reader fails."""
        root = self.mktemp()
        os.makedirs(root)
        with open(os.path.join(root, "f"), "wb") as file:
            file.write(data)
        for module in (dhcpcd, networkd, wide, odhcp6c, dhclient, leased):
            with contextlib.suppress(NothingFound):
                module.read(Files(root), "eth0", "/f")

    def test_large(self) -> None:
        """A file that is far too large is not taken."""
        self.put("/f", b"0" * (1024 * 1024 + 1))
        self.assertMissing("it has more than", leased.read, self.files, "eth0", "/f")

    def test_folder(self) -> None:
        """What cannot be read is said."""
        self.put("/f/x", "")
        self.assertMissing("/f: Is a directory", leased.read, self.files, "eth0", "/f")
