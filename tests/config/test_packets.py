"""
Tests of L{pdlease.config.packets}.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.advice import advice as all_advice
from pdlease.config.errors import ConfigErrors
from pdlease.config.packets import (
    OWN_CODES,
    RawOption,
    VendorClass,
    VendorOptions,
    advice,
    raw_options,
    request_options,
    user_class,
    vendor_class,
    vendor_options,
    word,
    written_word,
)
from pdlease.config.toml import parse

UPLINK = "[uplinks.wan]\n{}\n[[uplinks.wan.delegations]]\n{}\ndownstreams = ['lan0']\n"


class ReadersTests(SynchronousTestCase):
    """
    Single values.
    """

    def assertWrong(self, read: Callable[[object], object], value: object, problem: str) -> None:
        """Reading a value fails, with this in the sentence."""
        self.assertIn(problem, str(self.assertRaises(ValueError, read, value)))

    def test_vendor_class(self) -> None:
        """
        One table or an array of them; R-21.16-01: never two with one number.
        """
        one = {"enterprise": 1368, "data": ["sagem", "hex:00ff"]}
        self.assertEqual(vendor_class(one), (VendorClass(enterprise=1368, data=(b"sagem", b"\0\xff")),))
        self.assertEqual(vendor_class([one, {"enterprise": 1}])[1], VendorClass(enterprise=1))
        self.assertWrong(vendor_class, [one, one], "enterprise 1368 stands in two of these")
        for value, problem in (
            ({}, "enterprise is missing"),
            ({"enterprise": -1}, "enterprise: expected a whole number from 0"),
            ({"enterprise": 1, "date": []}, "unknown key"),
            ({"enterprise": 1, "data": "x"}, "data: expected an array"),
            ({"enterprise": 1, "data": ["x", ""]}, "data: entry 1: expected text"),
            ("x", "expected a table"),
        ):
            self.assertWrong(vendor_class, value, problem)

    def test_vendor_options(self) -> None:
        """
        Options of a vendor, in hexadecimal digits; R-21.16-01: never two with one number.
        """
        one = {"enterprise": 9, "options": [{"code": 1, "data": "00:ff"}, {"code": 2, "data": ""}]}
        self.assertEqual(vendor_options(one), (VendorOptions(enterprise=9, options=((1, b"\0\xff"), (2, b""))),))
        self.assertWrong(vendor_options, [one, one], "enterprise 9")
        self.assertWrong(vendor_options, {"enterprise": 9}, "options is missing")
        self.assertWrong(
            vendor_options,
            {"enterprise": 9, "options": [{"code": 1, "data": "0"}]},
            "options: entry 0: data: expected pairs of hexadecimal digits",
        )

    def test_user_class(self) -> None:
        """
        R-21.15-01: texts, none of them empty; no option at all for none.
        """
        self.assertEqual(user_class(["a", "hex:01"]), (b"a", b"\1"))
        self.assertWrong(user_class, "a", "expected an array of texts")
        self.assertWrong(user_class, [""], "not empty")

    def test_raw_options(self) -> None:
        """
        R-18.2.1-08: any option may be written out, but those that the client writes by itself.
        """
        self.assertEqual(
            raw_options([{"code": 11, "data": "0a 0B", "messages": ["solicit", "renew"]}, {"code": 999, "data": ""}]),
            (RawOption(code=11, data=b"\x0a\x0b", messages=("solicit", "renew")), RawOption(code=999, data=b"")),
        )
        for code in OWN_CODES:
            self.assertWrong(raw_options, [{"code": code, "data": ""}], f"the client writes option {code} by itself")
        for entry, problem in (
            ({"code": 0, "data": ""}, "code: expected a whole number from 1"),
            ({"code": 11}, "data is missing"),
            ({"code": 11, "data": "xx"}, "data: expected pairs"),
            ({"code": 11, "data": "00" * 65536}, "an option has at most 65535 octets"),
            ({"code": 11, "data": "", "messages": []}, "messages: expected at least one message"),
            ({"code": 11, "data": "", "messages": ["confirm"]}, 'messages: entry 0: expected "solicit"'),
        ):
            self.assertWrong(raw_options, [entry], problem)
            self.assertWrong(raw_options, [entry], "entry 0: ")

    def test_request_options(self) -> None:
        """
        Codes, each once.
        """
        self.assertEqual(request_options([23, 24]), (23, 24))
        self.assertWrong(request_options, [23, 23], "every code once")
        self.assertWrong(request_options, [0], "entry 0")

    def test_words(self) -> None:
        """
        What is written of octets is read as the same octets.
        """
        for data in (b"sagem", b"hex:00", b"\0", "\u00e4".encode(), b"\xff", b"a\nb"):
            self.assertEqual(word(written_word(data)), data)


class FileTests(SynchronousTestCase):
    """
    A whole file.
    """

    def problems(self, keys: str, delegation: str = "") -> str:
        """What is wrong with a file."""
        return str(self.assertRaises(ConfigErrors, parse, UPLINK.format(keys, delegation).encode(), "x"))

    def test_place(self) -> None:
        """
        What is wrong is told with its place.
        """
        self.assertEqual(
            self.problems('raw_options = [{ code = 1, data = "" }]\ndscp = 64\npriority = 7\nprofile = "x"'),
            "x: uplinks.wan.raw_options: entry 0: code: the client writes option 1 by itself: identity.duid says "
            "what it is\n"
            "x: uplinks.wan.dscp: expected a whole number from 0 to 63, not 64\n"
            "x: uplinks.wan.priority: expected a whole number from 0 to 6, not 7\n"
            'x: uplinks.wan.profile: expected "" or "dhcp6leased", not "x"',
        )

    def test_size(self) -> None:
        """
        D8: what is added counts for the size of a Solicit, if Solicits carry it.
        """
        big = f'raw_options = [{{ code = 99, data = "{"00" * 1200}", messages = ["%s"] }}]'
        self.assertIn("fit an IPv6 packet of 1280", self.problems(big % "solicit"))
        parse(UPLINK.format(big % "release", "").encode(), "x")
        for keys in (
            f'user_class = ["{"u" * 1200}"]',
            f'vendor_class = {{ enterprise = 1, data = ["{"u" * 1200}"] }}',
            f'vendor_options = {{ enterprise = 1, options = [{{ code = 1, data = "{"00" * 1200}" }}] }}',
            f"request_options = {list(range(100, 700))}",
        ):
            self.assertIn("fit an IPv6 packet of 1280", self.problems(keys))

    def test_profile(self) -> None:
        """
        Under the profile of the original a delegation asks for what it needs, unless its table says something else.
        """
        for delegation, hint in (("", "exact"), ("hint = 56", 56), ('hint = "nibble"', "nibble")):
            config = parse(UPLINK.format('profile = "dhcp6leased"', delegation).encode(), "x")
            self.assertEqual(config.uplinks[0].delegations[0].hint, hint)

    def test_advice(self) -> None:
        """
        R-21.7-01, R-18.2.1-08: what is none of a client's is sent as written, with a warning.
        """
        self.assertEqual(
            list(advice((RawOption(code=15, data=b""), RawOption(code=11, data=b"")), (23, 11, 26, 94, 89, 32))),
            [
                (
                    "raw_options[1]",
                    "option 11 is for authentication, of which this client does none with it; it is sent as written",
                ),
                ("request_options", "no option request should list 11 (RFC 9915 section 21.7); it is sent"),
                ("request_options", "no option request should list 26 (RFC 9915 section 21.7); it is sent"),
                ("request_options", "89 is a part of other options, which are to be listed; it is sent"),
                (
                    "request_options",
                    "32 is for Information-requests alone, which list it anyway; it is left out elsewhere",
                ),
            ],
        )

    def test_profile_alone(self) -> None:
        """
        A profile without delegations, or with what are none, is told of like any other uplink.
        """
        for rest in ("", "delegations = [5]", "delegations = 7", "delegations = []"):
            text = f'[uplinks.wan]\nprofile = "dhcp6leased"\n{rest}\n'
            self.assertIn("uplinks.wan.delegations", str(self.assertRaises(ConfigErrors, parse, text.encode(), "x")))


class ProvidersTests(SynchronousTestCase):
    """
    The page on providers.
    """

    def test_examples(self) -> None:
        """
        Every example of a file is one, and only the one that breaks rules on purpose is warned of.
        """
        page = (Path(__file__).parents[2] / "docs" / "providers.rst").read_text()
        blocks = [dedent(block) for block in re.findall(r"::\n\n((?:(?: {4}.*)?\n)+)", page)]
        files = [block for block in blocks if block.lstrip().startswith("[")]
        self.assertEqual(len(files), 5)
        warned = [all_advice(parse(text.encode(), "x")) for text in files]
        self.assertEqual([len(found) for found in warned], [2, 0, 0, 0, 0])
