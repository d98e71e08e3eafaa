"""
Tests for L{pdlease.wire.codes}.
"""

from __future__ import annotations

from ipaddress import IPv6Address

from twisted.trial.unittest import SynchronousTestCase

from pdlease.wire import codes
from pdlease.wire.codes import MessageType, OptionCode, StatusCode


class CodesTests(SynchronousTestCase):
    def test_message_types(self) -> None:
        """B.1-02: the message types have the numbers of RFC 9915 section 7.3, without a gap."""
        self.assertEqual([kind.value for kind in MessageType], list(range(1, 14)))
        self.assertEqual((MessageType.ADVERTISE, MessageType.REPLY, MessageType.RECONFIGURE), (2, 7, 10))

    def test_option_codes(self) -> None:
        """The option codes that matter to prefix delegation have their registered numbers (B.3)."""
        self.assertEqual(
            (
                OptionCode.CLIENT_ID,
                OptionCode.SERVER_ID,
                OptionCode.OPTION_REQUEST,
                OptionCode.STATUS_CODE,
                OptionCode.RAPID_COMMIT,
                OptionCode.IA_PD,
                OptionCode.IA_PREFIX,
                OptionCode.PD_EXCLUDE,
                OptionCode.SOL_MAX_RT,
                OptionCode.INF_MAX_RT,
            ),
            (1, 2, 6, 13, 14, 25, 26, 67, 82, 83),
        )

    def test_other_option_codes(self) -> None:
        """The option codes that are only shown have their registered numbers as well (B.3)."""
        self.assertEqual(
            [code.value for code in OptionCode],
            [
                *(*range(1, 10), *range(11, 27), 31, 32, 39, 41, 42, 56, 59, 64, 67, 79, 82, 83, 86, *range(88, 97)),
                *(103, 111, 112, 113, 144, 148),
            ],
        )

    def test_status_codes(self) -> None:
        """B.7-01: the status codes run from Success 0 to NoPrefixAvail 6."""
        self.assertEqual([status.value for status in StatusCode], list(range(7)))
        self.assertEqual(StatusCode.NO_PREFIX_AVAIL, 6)

    def test_where_servers_listen(self) -> None:
        """Servers and relays are reached at the group ff02::1:2, port 547; clients listen on 546."""
        self.assertEqual((codes.CLIENT_PORT, codes.SERVER_PORT), (546, 547))
        self.assertTrue(IPv6Address(codes.ALL_AGENTS_AND_SERVERS).is_multicast)
        self.assertEqual(IPv6Address(codes.ALL_AGENTS_AND_SERVERS).packed.hex(), "ff02" + "00" * 11 + "010002")
