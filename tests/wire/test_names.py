"""
Tests for L{pdlease.wire.names}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.wire.names import DomainName, read_names
from pdlease.wire.reader import WireError
from tests.packets import octets

EXAMPLE = octets("07 6578616d706c65 03 6e6574 00")


class DomainNameTests(SynchronousTestCase):
    def test_parse(self) -> None:
        """A name is read with or without the final dot."""
        self.assertEqual(DomainName.parse("example.net"), DomainName((b"example", b"net")))
        self.assertEqual(DomainName.parse("example.net."), DomainName((b"example", b"net")))

    def test_root(self) -> None:
        """The root is a name without labels, one zero octet."""
        self.assertEqual(DomainName.parse("."), DomainName(()))
        self.assertEqual(DomainName(()).encode(), b"\0")
        self.assertEqual(str(DomainName(())), ".")

    def test_encode(self) -> None:
        """R-10-01, B.8-01: a name goes out as labels with their lengths and a zero octet, uncompressed."""
        self.assertEqual(DomainName.parse("example.net").encode(), EXAMPLE)

    def test_too_long(self) -> None:
        """A label of 64 octets, an empty one, or a name of 256 octets is refused."""
        self.assertEqual(len(DomainName.parse("a" * 63 + ".net").labels[0]), 63)
        error = self.assertRaises(ValueError, DomainName.parse, "a" * 64)
        self.assertIn("a label has 1 to 63 bytes", str(error))
        self.assertRaises(ValueError, DomainName.parse, "a..net")
        self.assertRaises(ValueError, DomainName.parse, "")
        self.assertEqual(len(DomainName.parse(".".join(["a"] * 127)).encode()), 255)
        error = self.assertRaises(ValueError, DomainName.parse, ".".join(["a"] * 126) + ".bc")
        self.assertIn("at most 255 bytes", str(error))

    def test_text(self) -> None:
        """A name prints with dots between its labels, and nothing that would steer a terminal."""
        self.assertEqual(str(DomainName((b"ex\x1bample", b"net"))), "example.net")


class ReadNamesTests(SynchronousTestCase):
    def read(self, data: bytes) -> tuple[DomainName, ...]:
        """Read names that stand at byte 4 of a datagram."""
        return read_names(b"head" + data, 4, 4 + len(data), "DOMAIN_LIST")

    def test_several(self) -> None:
        """B.8-01: names stand one after the other to the end of the option."""
        self.assertEqual(
            self.read(EXAMPLE + octets("03 6e6574 00")), (DomainName((b"example", b"net")), DomainName((b"net",)))
        )

    def test_none(self) -> None:
        """An option without any name is an error."""
        error = self.assertRaises(WireError, self.read, b"")
        self.assertEqual(str(error), "DOMAIN_LIST, name at byte 4: at least one name wanted, none there")

    def test_compressed(self) -> None:
        """R-10-01, B.8-01: a compression pointer is an error, and so are the two reserved forms."""
        error = self.assertRaises(WireError, self.read, octets("03 6e6574 c000"))
        self.assertEqual(
            str(error),
            "DOMAIN_LIST, label at byte 8: length of at most 63 wanted (no compression here), 192 there (c0 00)",
        )
        self.assertRaises(WireError, self.read, octets("40") + bytes(64))
        self.assertRaises(WireError, self.read, octets("80") + bytes(128))

    def test_no_end(self) -> None:
        """R-10-01: a name that no zero octet ends is an error, be it cut between labels or in one."""
        for data in (EXAMPLE[:-1], EXAMPLE[:-2], EXAMPLE[:1]):
            error = self.assertRaises(WireError, self.read, data)
            self.assertEqual((error.field, error.problem), ("DOMAIN_LIST, name", "no zero byte ends it"))

    def test_longest_label(self) -> None:
        """A label of 63 octets is read."""
        self.assertEqual(self.read(octets("3f") + b"a" * 63 + b"\0"), (DomainName((b"a" * 63,)),))

    def test_too_long(self) -> None:
        """R-10-01, B.8-01: a name of 255 octets is read, one of 256 is an error."""
        longest = octets("01 61") * 127 + b"\0"
        self.assertEqual(len(self.read(longest)[0].labels), 127)
        error = self.assertRaises(WireError, self.read, octets("02 6161") + octets("01 61") * 126 + b"\0")
        self.assertEqual(error.problem, "at most 255 bytes wanted, more there")
