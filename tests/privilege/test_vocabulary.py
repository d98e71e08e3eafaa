"""
Tests for L{pdlease.privilege.vocabulary}.
"""

from __future__ import annotations

from ipaddress import IPv6Interface, IPv6Network
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.operations import Operation
from pdlease.privilege.vocabulary import (
    ADDRESS,
    CARRIERS,
    INDEX,
    LINK,
    METRIC,
    PREFIX,
    SECONDS,
    SIZE,
    TABLE,
    TEXT,
    VOCABULARY,
    WORDS,
    Kind,
    VocabularyError,
    field_names,
    read_fields,
    write_fields,
)
from tests.privilege.values import EVERY, PUT_ADDRESS


class TableTests(SynchronousTestCase):
    """L{VOCABULARY}."""

    def test_every_operation_has_a_row(self) -> None:
        """
        Each class of L{pdlease.operations} is carried by one word, with the same fields in the same order.
        """
        self.assertEqual(set(CARRIERS), set(get_args(Operation)))
        for operation, word in CARRIERS.items():
            self.assertEqual(tuple(name for name, _ in word.fields), field_names(operation))

    def test_names(self) -> None:
        """
        Words are named like their operations, in lower case with hyphens, and no two alike.
        """
        self.assertEqual(
            [word.name for word in WORDS],
            [
                "check-link",
                "put-address",
                "remove-address",
                "put-route",
                "remove-route",
                "put-unreachable",
                "remove-unreachable",
                "enable-ipv6",
                "disable-ipv6",
                "put-ipv4",
                "remove-ipv4",
                "set-master",
                "clear-master",
                "set-description",
                "set-group",
                "set-up",
                "set-down",
                "set-link-address",
                "hello",
                "configuration",
                "reload",
                "adopt",
                "open-client-socket",
                "open-route-socket",
            ],
        )
        self.assertEqual(len(VOCABULARY), len(WORDS))

    def test_no_free_words(self) -> None:
        """
        No word has a field for a path, a program or a piece of text to act on; C{hello} has
        text, the version, and a description is shown to people.
        """
        for word in WORDS:
            texts = [name for name, kind in word.fields if kind is TEXT]
            self.assertEqual(texts, ["version"] if word.name == "hello" else [])


class FieldTests(SynchronousTestCase):
    """Reading and writing the fields of a box."""

    def test_operations_travel(self) -> None:
        """
        Every operation comes out as it went in.
        """
        for operation in EVERY:
            word = CARRIERS[type(operation)]
            assert word.operation is not None
            self.assertEqual(word.operation(**read_fields(word, write_fields(operation))), operation)

    def test_missing_field(self) -> None:
        """
        A field that is missing is named.
        """
        values = write_fields(PUT_ADDRESS)
        del values["valid"]
        error = self.assertRaises(VocabularyError, read_fields, VOCABULARY["put-address"], values)
        self.assertEqual((error.field, str(error)), ("valid", "valid: missing"))

    def test_surplus_field(self) -> None:
        """
        A field that the word does not have is named, with odd octets made readable.
        """
        values = {**write_fields(PUT_ADDRESS), "flags\xff": b"1"}
        error = self.assertRaises(VocabularyError, read_fields, VOCABULARY["put-address"], values)
        self.assertEqual(str(error), "'flags\\xff': no field of put-address")

    def refused(self, kind: Kind, data: bytes) -> str:
        """What is said of octets that are no value of a kind."""
        return str(self.assertRaises(ValueError, kind.decode, data))

    def test_link_names(self) -> None:
        """
        A link's name has 1 to 15 octets of UTF-8 and nothing that the kernel does not take in one, nor what would lead
        out of a folder; nothing is cut, and no end of a string is looked for (W11, W13).
        """
        for name in ("lan0", "eth0.835", "wlp3s0", "x" * 15, "br-lan", "\N{GREEK SMALL LETTER MU}"):
            self.assertEqual(LINK.decode(LINK.encode(name)), name)
        for data in (b"", b"x" * 16, b".", b"..", b"a/b", b"/", b"a:b", b"a b", b"a\n", b"a\0", b"\0", b"\x1b"):
            self.refused(LINK, data)
        self.assertEqual(self.refused(LINK, b"\xff"), "'\\xff' is not UTF-8")
        self.assertEqual(self.refused(LINK, b"x" * 16), f"'{'x' * 16}' has 16 octets; a link's name has 1 to 15")

    def test_numbers(self) -> None:
        """
        Numbers are plain decimal within their bounds.
        """
        for kind, low, high in (
            (INDEX, 1, 2**31 - 1),
            (SECONDS, 0, 2**32 - 1),
            (TABLE, 1, 2**32 - 1),
            (METRIC, 1, 2**32 - 1),
            (SIZE, 0, 2**31 - 1),
        ):
            for value in (low, high):
                self.assertEqual(kind.decode(kind.encode(value)), value)
            for data in (b"%d" % (low - 1), b"%d" % (high + 1)):
                self.refused(kind, data)
        for data in (b"", b"-1", b"+1", b" 1", b"1.0", b"0x1", b"1_0", b"\xd9\xa1", b"1" * 4000, b"00000000001"):
            self.refused(INDEX, data)
        self.assertEqual(self.refused(INDEX, b"0"), "0 is not from 1 to 2147483647")

    def test_addresses_and_prefixes(self) -> None:
        """
        Addresses and prefixes are 16 octets and a length; a prefix has no host bits.
        """
        self.assertEqual(ADDRESS.decode(ADDRESS.encode(IPv6Interface("::1/0"))), IPv6Interface("::1/0"))
        self.assertEqual(PREFIX.decode(PREFIX.encode(IPv6Network("::/0"))), IPv6Network("::/0"))
        for data in (b"", bytes(16), bytes(18), bytes(16) + b"\x81", b"::1/64"):
            self.refused(ADDRESS, data)
            self.refused(PREFIX, data)
        self.refused(PREFIX, bytes(15) + b"\x01\x40")

    @settings(deadline=None)
    @given(kind=st.sampled_from([LINK, INDEX, SECONDS, ADDRESS, PREFIX, TEXT]), data=st.binary(max_size=40))
    def test_any_octets(self, kind: Kind, data: bytes) -> None:
        """
        Any octets are a value or a C{ValueError} of at most a line; a value travels back unchanged.
        """
        try:
            value = kind.decode(data)
        except ValueError as error:
            self.assertLess(len(str(error)), 200)
            self.assertNotIn("\n", str(error))
        else:
            self.assertEqual(kind.decode(kind.encode(value)), value)
