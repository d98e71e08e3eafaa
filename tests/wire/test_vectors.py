"""
Messages that other programs sent or test themselves with: L{pdlease.wire} reads and writes them all.

The octets are in C{vectors.json}, whose head names source and licence of each; the licences are in
C{vectors-licences.txt}.
"""

from __future__ import annotations

import json
import os
from ipaddress import IPv6Network
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from pdlease.wire.chain import MalformedOption
from pdlease.wire.describe import describe
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.reader import WireError
from tests.packets import octets

VECTORS = Path(__file__).with_name("vectors.json")
PERMISSIVE = {"BSD-2-Clause", "BSD-3-Clause", "MIT", "ISC", "Apache-2.0"}


PUBLIC = os.environ.get("PDLEASE_PUBLIC_VECTORS")
"""A collection of octets that may not be copied into the project; C{.ci/run} names it where it is at hand."""


def vectors(kind: str, path: Path = VECTORS) -> list[dict[str, str]]:
    """Load the vectors of a kind."""
    return [packet for packet in json.loads(path.read_bytes())["packets"] if packet["kind"] == kind]


class VectorTests(SynchronousTestCase):
    def test_licences(self) -> None:
        """Every vector names a source under a permissive licence whose text is here."""
        document = json.loads(VECTORS.read_bytes())
        licences = VECTORS.with_name("vectors-licences.txt").read_text()
        for source, facts in document["sources"].items():
            self.assertIn(facts["licence"], PERMISSIVE)
            self.assertIn(source, licences)
        for packet in document["packets"]:
            self.assertEqual(packet["licence"], document["sources"][packet["source"]]["licence"])

    def test_messages(self) -> None:
        """Every message without a problem is read, and written again octet for octet."""
        good = [packet for packet in vectors("message") if "problem" not in packet]
        self.assertGreater(len(good), 100)
        for packet in good:
            data = bytes.fromhex(packet["hex"])
            message = decode(data)
            self.assertEqual(encode(message), data, packet["name"])
            self.assertEqual(message.malformed, (), packet["name"])
            self.assertEqual(message.surplus, 0, packet["name"])
            self.assertTrue(describe(message).isprintable())

    def test_public_messages(self) -> None:
        """
        B.9-11: every message without a problem in the public collection is read, and written again octet for octet; the
        others are read or refused with a L{WireError}.
        """
        if PUBLIC is None:
            raise SkipTest("PDLEASE_PUBLIC_VECTORS names no collection of public packets")
        packets = vectors("message", Path(PUBLIC))
        good = [packet for packet in packets if "problem" not in packet]
        self.assertGreater(len(good), 150)
        for packet in good:
            data = bytes.fromhex(packet["hex"])
            self.assertEqual(encode(decode(data)), data, packet["name"])
        for packet in (*packets, *vectors("option", Path(PUBLIC)), *vectors("options", Path(PUBLIC))):
            self.read(bytes.fromhex(packet["hex"]))

    def test_troubled_messages(self) -> None:
        """A message with a problem is read or refused with a L{WireError}; what is read is written again."""
        for packet in vectors("message"):
            if "problem" in packet:
                self.assertLessEqual(self.read(bytes.fromhex(packet["hex"])), 1, packet["name"])

    def test_options(self) -> None:
        """Octets that test parsers of options do no harm: as the options of a message and of an association."""
        self.assertGreater(len(vectors("options")), 40)
        for packet in vectors("options"):
            data = bytes.fromhex(packet["hex"])
            self.read(b"\7abc" + data)
            self.read(b"\7abc" + octets("0019") + (12 + len(data)).to_bytes(2, "big") + bytes(12) + data)

    def read(self, data: bytes) -> int:
        """Read and write; say how many options were malformed."""
        try:
            message = decode(data)
        except WireError:
            return 0
        self.assertEqual(encode(message), data)
        self.assertTrue(describe(message).isprintable())
        return len(message.malformed)


class LikenessTests(SynchronousTestCase):
    """
    Packets of real servers whose captures may not be copied, made anew with the same peculiarity.
    """

    def test_stray_zero(self) -> None:
        """A large cloud's Advertise ends in a zero octet behind its last option; its prefix is there (R-16-20)."""
        message = decode(
            octets("""
                02 0f0e0d
                0001 000e 0002 0000ab11 0102030405060708       # CLIENT_ID
                0002 000a 0003 0001 02001715b2d1               # SERVER_ID
                0019 0029 00000007 0000a8c0 00010e00           # IA_PD
                  001a 0019 00015180 00015180 38 20010db8003400000000000000000000
                000e 0000                                      # RAPID_COMMIT
                00
            """)
        )
        self.assertEqual(message.surplus, 1)
        self.assertEqual(message.ia_pds[0].prefixes[0].network, IPv6Network("2001:db8:34::/56"))
        self.assertEqual(message.malformed, ())

    def test_refused_addresses(self) -> None:
        """
        A Reply that refuses addresses in an IA_NA with a status, repeats the options in another order, and holds
        unknown ones, still delegates its prefix.
        """
        message = decode(
            octets("""
                02 34ffee
                000e 0000                                      # RAPID_COMMIT
                0038 0014 0001 0010 20010db8000000000000000000000123   # NTP_SERVER
                0001 000e 0002 0000ab11 0102030405060708       # CLIENT_ID
                0002 000a 0003 0001 02001715b2d1               # SERVER_ID
                0007 0001 00                                   # PREFERENCE 0
                0056 0010 20010db8000000000000000000000099     # PCP_SERVERS
                0003 001a 00000007 00000000 00000000           # IA_NA
                  000d 000a 0002 6e6f2061 64647273             #   STATUS_CODE NoAddrsAvail
                0019 0029 00000007 00000000 00000000           # IA_PD
                  001a 0019 00015180 00015180 38 20010db8003400000000000000000000
            """)
        )
        self.assertIsNone(message.status)
        self.assertEqual(len(message.ia_pds[0].prefixes), 1)
        self.assertEqual(message.malformed, ())

    def test_fuzzed_association(self) -> None:
        """A prefix of length 255 whose inner option runs past its end is set aside; the association stays."""
        message = decode(
            octets("""
                07 000000
                0019 0036 ffffffff ffffffff ffffffff
                  001a 0026 00000000 00000000 ff 00000000000000000000000000000000 2020 ffff 0000000000 00000000
            """)
        )
        self.assertEqual(message.ia_pds[0].prefixes, ())
        (option,) = message.ia_pds[0].options
        assert isinstance(option, MalformedOption)
        self.assertEqual(option.problem.field, "IA_PREFIX, prefix-length")

    def test_short_server_identifier(self) -> None:
        """A Server Identifier of one octet is none (R-11-03); the message is read without a server."""
        message = decode(octets("07 000000 0002 0001 00 0007 0001 05"))
        self.assertIsNone(message.server_id)
        self.assertEqual(message.preference, 5)

    def test_relayed(self) -> None:
        """Relay messages, well-formed or not, are values without options."""
        for rest in ("", "0012 0002 6669 0009 0004 01000001", "0009 ffff"):
            data = octets("0c 00") + bytes(32) + octets(rest)
            self.assertEqual(encode(decode(data)), data)
            self.assertEqual(decode(data), Message(12, 0, (), data[4:]))
