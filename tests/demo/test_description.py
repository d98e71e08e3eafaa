"""Tests of L{pdlease.demo.description}."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.demo.description import describe

ADVERTISE = bytes.fromhex(
    "02 a1b2c3"
    # client and server identifier
    "0001 000a 0003 0001 001122334455"
    "0002 000a 0003 0001 66778899aabb"
    # preference 255, status 0 with a text
    "0007 0001 ff"
    "000d 0004 0000 6f6b"
    # IA_PD 1, T1 3600, T2 5760: 2001:db8:1200::/40 for 7200 and 10800 s, less 2001:db8:12ff:ffff::/64
    "0019 0031 00000001 00000e10 00001680"
    "001a 0021 00001c20 00002a30 28 20010db8120000000000000000000000"
    "0043 0004 40 ffffff"
)


class DescribeTests(SynchronousTestCase):
    """
    L{describe}.
    """

    def test_advertise(self) -> None:
        """
        A message is described by everything that matters in it, in plain data.
        """
        self.assertEqual(
            describe(ADVERTISE),
            {
                "octets": len(ADVERTISE),
                "type": "ADVERTISE",
                "xid": "a1b2c3",
                "client": "00030001001122334455",
                "server": "0003000166778899aabb",
                "preference": 255,
                "status": {"code": 0, "text": "ok"},
                "ia_pds": [
                    {
                        "iaid": 1,
                        "t1": 3600,
                        "t2": 5760,
                        "prefixes": [
                            {
                                "prefix": "2001:db8:1200::/40",
                                "preferred": 7200,
                                "valid": 10800,
                                "excluded": "2001:db8:12ff:ffff::/64",
                            }
                        ],
                    }
                ],
                "options": [1, 2, 7, 13, 25],
            },
        )

    def test_request_of_a_client(self) -> None:
        """
        Elapsed time, requested options, Rapid Commit and the status of an association are described where they are.
        """
        described = describe(
            bytes.fromhex("01000001 0008 0002 0064 0006 0004 0052 0043 000e 0000 0019 0012 00000001 00000000 00000000")
            + bytes.fromhex("000d 0002 0006")
        )
        self.assertEqual(
            (described["elapsed"], described["requested"], described["rapid_commit"]), (100, [82, 67], True)
        )
        self.assertEqual(described["ia_pds"][0]["status"], {"code": 6, "text": ""})

    def test_what_cannot_be_read(self) -> None:
        """
        An unknown type is given as its number; what is no message, with the problem.
        """
        self.assertEqual(describe(b"\x63\0\0\1")["type"], "99")
        self.assertIn("problem", describe(b""))

    @settings(deadline=None, max_examples=100)
    @given(st.binary(max_size=200))
    def test_any_octets(self, data: bytes) -> None:
        """
        Any datagram can be described, in what JSON can carry.
        """
        json.dumps(describe(data), allow_nan=False)
