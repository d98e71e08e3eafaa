"""
What an operator has the client say, on the wire and to a server that insists on it: the examples of docs/providers.rst.
"""

from __future__ import annotations

import os
import re

from pdlease.wire.codes import MessageType
from tests.live.case import WithKea
from tests.live.daemon import Daemon
from tests.live.network import TOP

CLASS = "FSVDSL_livebox.Internet.softathome.Livebox4"

LIVEBOX = (
    "option[11].hex == 0x00000000000000000000001a0900000558010341010d6674692f31323334353637",
    f"option[15].hex == 0x002b{CLASS.encode().hex()}",
    "vendor-class[1038].data == 'sagem'",
    "option[1].hex == 0x00030001001122334455",
)
"""What Orange's servers look at, as conditions of Kea."""


def example(link: str) -> str:
    """The tables of docs/providers.rst for an uplink on this link, here on C{wan0}."""
    page = (TOP / "docs" / "providers.rst").read_text()
    (block,) = [
        block
        for block in re.findall(r"::\n\n((?:    .*\n|\n)+)", page)
        if f'link = "{link}"' in block or f".{link}]" in block
    ]
    text = re.sub(r"^    ", "", block, flags=re.MULTILINE)
    return text.replace(f'"{link}"', '"wan0"')


class OrangeTests(WithKea):
    """Orange, as far as a server that answers only its box can show it."""

    def serve(self, *conditions: str) -> None:
        """Have Kea serve only clients of which all of this is so."""
        self.kea.configure(
            "2001:db8:1000::/44",
            client_classes=[{"name": "livebox", "test": " and ".join(f"({one})" for one in conditions)}],
            subnet6=[
                {
                    "id": 1,
                    "subnet": "2001:db8:ffff::/64",
                    "interface": "cpe0",
                    "client-class": "livebox",
                    "pd-pools": [{"prefix": "2001:db8:1000::", "prefix-len": 44, "delegated-len": 56}],
                }
            ],
        )
        self.kea.start()

    def run_example(self) -> Daemon:
        """A daemon with the example's own tables."""
        daemon = self.make_daemon(self.network, {"none": []})
        text = daemon.path.read_text().partition("[uplinks.none]")[0]
        daemon.path.write_text(text + example("eth0.832"))
        return daemon.start()

    def test_served(self) -> None:
        """The example is served where the options that make a box of Orange's are asked for to the octet."""
        self.serve(*LIVEBOX)
        daemon = self.run_example()
        status = daemon.bound("orange")
        self.assertEqual(status["prefixes"][0]["prefix"], "2001:db8:1000::/56")
        daemon.ctl("renew", "orange")
        self.first(self.heard, MessageType.RENEW, 0, 3)
        marked = [frame for frame in self.heard.frames if frame[54:56] == (546).to_bytes(2, "big")]
        self.assertEqual({frame[14] << 4 & 0xF0 | frame[15] >> 4 for frame in marked}, {48 << 2})
        self.assertEqual(len(marked), 3)

    def test_refused(self) -> None:
        """Without one of these options, here the user class, the same server hears nobody it knows."""
        self.serve(*LIVEBOX)
        daemon = self.make_daemon(self.network, {"none": []})
        text = daemon.path.read_text().partition("[uplinks.none]")[0]
        daemon.path.write_text(text + re.sub("(?m)^user_class.*\n", "", example("eth0.832")))
        daemon.start()
        self.first(self.heard, MessageType.SOLICIT, 0, 5)
        self.first(self.heard, MessageType.SOLICIT, self.now(), 5)
        self.assertEqual(daemon.status("orange")["prefixes"], [])


class Spoken(WithKea):
    """Looks at octets."""

    def octets(self, kind: MessageType) -> bytes:
        """The first message of a kind, as it was on the wire."""
        self.first(self.heard, kind, 0, 5)
        return next(frame[62:] for frame in self.heard.frames if frame[62] == kind)


class OwnWordsTests(Spoken):
    """Every kind of option that an operator can have sent, in octets written down by hand."""

    def test_every_kind(self) -> None:
        """
        Vendor class, user class, vendor options, options written out for all messages or for some, and requested codes
        are on the wire as the file has them (R-18.2.1-08, R-21.7-03, R-21.15-01).
        """
        self.start(
            uplink_extra='vendor_class = [{ enterprise = 32473, data = ["ab", "hex:00ff"] }, { enterprise = 9 }]\n'
            'user_class = ["x", "hex:0102"]\n'
            "vendor_options = { enterprise = 32473, options = ["
            '{ code = 7, data = "c0ffee" }, { code = 8, data = "" }] }\n'
            'raw_options = [{ code = 65000, data = "0badcafe", messages = ["solicit", "renew"] },'
            ' { code = 65001, data = "" }]\n'
            "request_options = [23, 56]\n"
        )
        self.daemon.ctl("renew", "wan0")
        self.daemon.ctl("release", "wan0")
        for kind, limited in (
            (MessageType.SOLICIT, True),
            (MessageType.REQUEST, False),
            (MessageType.RENEW, True),
            (MessageType.RELEASE, False),
        ):
            data = self.octets(kind)
            for octets in (
                "0010 000c 00007ed9 0002 6162 0002 00ff",
                "000f 0007 0001 78 0002 0102",
                "0011 000f 00007ed9 0007 0003 c0ffee 0008 0000",
                "fde9 0000",
            ):
                self.assertEqual(data.count(bytes.fromhex(octets)), 1, (kind, octets))
            words = f"{os.uname().sysname} {os.uname().release} {os.uname().machine}".encode()
            self.assertIn(b"\x00\x10" + (6 + len(words)).to_bytes(2, "big") + b"\x00\x00\x00\x09", data)
            self.assertIn(len(words).to_bytes(2, "big") + words, data)
            self.assertEqual(bytes.fromhex("fde8 0004 0badcafe") in data, limited, kind)
            self.assertEqual(bytes.fromhex("0006 0008 0052 0043 0017 0038") in data, kind is not MessageType.RELEASE)


class OriginalTests(Spoken):
    """Profile C{dhcp6leased} in a whole conversation with Kea, byte for byte (seed-behaviour 4.4)."""

    def test_conversation(self) -> None:
        """
        Solicit, Request, Renew and Rebind have the original's options in its order, each with its content, and nothing
        else; the time and the transaction are the conversation's own.
        """
        identifier, requested, vendor = (
            "0001 0012 0004 00112233445566778899aabbccddeeff",
            "0006 0004 0052 0053",
            "0010 0017 000075cb 0011 4f70656e42534420372e3520616d643634",
        )
        server = "0002 000e 0001 0001 00000001 0200000000aa"
        wished = "0019 0029 00000000 00000000 00000000  001a 0019 00000000 00000000 3b" + "00" * 16
        held = "0019 0029 00000000 00000000 00000000  001a 0019 00000000 00000000 38 20010db810000000" + "00" * 8
        self.start(
            uplinks={"wan0": ['["lan0", "lan1/60"]']},
            extra='[identity]\nduid = "raw:000400112233445566778899aabbccddeeff"',
            uplink_extra='profile = "dhcp6leased"\nrapid_commit = true\n'
            'vendor_class = { enterprise = 30155, data = ["OpenBSD 7.5 amd64"] }',
        )
        self.daemon.ctl("renew", "wan0")
        self.first(self.heard, MessageType.RENEW, 0, 3)
        self.daemon.bound()
        self.daemon.ctl("rebind", "wan0")
        for kind, before, association, rapid in (
            (MessageType.SOLICIT, "", wished, "000e 0000"),
            (MessageType.REQUEST, server, held, ""),
            (MessageType.RENEW, server, held, ""),
            (MessageType.REBIND, "", held, ""),
        ):
            data = self.octets(kind)
            elapsed = "0008 0002" + data[data.index(bytes.fromhex("0006 0004 0052 0053 0008")) + 12 :][:2].hex()
            wanted = "".join((identifier, before, association, requested, elapsed, rapid, vendor))
            self.assertEqual(data[4:].hex(), bytes.fromhex(wanted).hex(), kind)
            self.assertEqual(data[0], kind)
