"""
Tests for L{pdlease.wire.options}.
"""

from __future__ import annotations

from pdlease.wire.codes import OptionCode
from pdlease.wire.duid import DUID
from pdlease.wire.options import (
    Authentication,
    ClientId,
    ElapsedTime,
    InfMaxRt,
    InformationRefreshTime,
    OptionRequest,
    Preference,
    RapidCommit,
    ReconfigureAccept,
    ReconfigureMessage,
    ServerId,
    SolMaxRt,
    Status,
)
from tests.packets import octets
from tests.wire.optioncase import OptionCase


class IdentifierTests(OptionCase):
    def test_both_directions(self) -> None:
        """Client and Server Identifier hold a DUID and nothing else (sections 21.2 and 21.3)."""
        duid = DUID(octets("0003 0001 001122334455"))
        self.assert_option(ClientId(duid), "0001 000a 0003 0001 001122334455")
        self.assert_option(ServerId(duid), "0002 000a 0003 0001 001122334455")

    def test_unknown_type(self) -> None:
        """R-11-01, R-11-02: a DUID of unknown type and greatest length goes through octet for octet."""
        self.assert_option(
            ServerId(DUID(octets("00ff") + bytes(range(128)))), "0002 0082 00ff" + bytes(range(128)).hex()
        )

    def test_length(self) -> None:
        """R-11-03: 3 octets are a DUID; fewer, or more than 130, are none."""
        self.assert_option(ClientId(DUID(octets("000301"))), "0001 0003 000301")
        self.assert_malformed("0001 0002 0003", "CLIENT_ID, DUID at byte 8: 3 to 130 bytes wanted, 2 there (00 03)")
        self.assert_malformed(
            "0002 0083" + "00" * 131,
            f"SERVER_ID, DUID at byte 8: 3 to 130 bytes wanted, 131 there ({' '.join(['00'] * 16)})",
        )
        self.assert_malformed("0002 0000", "SERVER_ID, DUID at byte 8: 3 to 130 bytes wanted, 0 there")

    def test_different(self) -> None:
        """A Client Identifier is never equal to a Server Identifier."""
        duid = DUID(b"abc")
        self.assertNotEqual(ClientId(duid), ServerId(duid))


class OptionRequestTests(OptionCase):
    def test_both_directions(self) -> None:
        """Codes are asked for in the order given (section 21.7)."""
        self.assert_option(OptionRequest((82, 67, 23)), "0006 0006 0052 0043 0017")
        self.assert_option(OptionRequest(()), "0006 0000")

    def test_odd(self) -> None:
        """An odd number of octets cannot be codes."""
        self.assert_malformed(
            "0006 0003 0052 00", "OPTION_REQUEST at byte 8: an even number of bytes wanted, 3 there (00 52 00)"
        )


class FixedTests(OptionCase):
    """
    Options of one fixed size (B.9 rule 3).
    """

    def test_preference(self) -> None:
        """A preference is one octet (section 21.8)."""
        self.assert_option(Preference(255), "0007 0001 ff")
        self.assert_malformed("0007 0000", "PREFERENCE, value at byte 8: 1 byte wanted, 0 left")
        self.assert_malformed("0007 0002 ff00", "PREFERENCE at byte 9: 1 byte wanted, 2 there (00)")

    def test_elapsed_time(self) -> None:
        """Elapsed time is two octets, hundredths of a second (section 21.9)."""
        self.assert_option(ElapsedTime(65535), "0008 0002 ffff")
        self.assert_malformed("0008 0001 64", "ELAPSED_TIME, elapsed-time at byte 8: 2 bytes wanted, 1 left (64)")

    def test_flags(self) -> None:
        """Rapid Commit and Reconfigure Accept are empty (sections 21.14 and 21.20); with content they do not count."""
        self.assert_option(RapidCommit(), "000e 0000")
        self.assert_option(ReconfigureAccept(), "0014 0000")
        self.assert_malformed("000e 0001 00", "RAPID_COMMIT at byte 8: 0 bytes wanted, 1 there (00)")
        self.assert_malformed("0014 0001 00", "RECONFIGURE_ACCEPT at byte 8: 0 bytes wanted, 1 there (00)")
        self.assertNotEqual(RapidCommit(), ReconfigureAccept())

    def test_reconfigure_message(self) -> None:
        """The message a Reconfigure asks for is one octet, whatever it says (section 21.19)."""
        self.assert_option(ReconfigureMessage(5), "0013 0001 05")
        self.assert_option(ReconfigureMessage(200), "0013 0001 c8")
        self.assert_malformed("0013 0002 0505", "RECONFIGURE_MESSAGE at byte 9: 1 byte wanted, 2 there (05)")

    def test_seconds(self) -> None:
        """SOL_MAX_RT, INF_MAX_RT and Information Refresh Time are four octets, any value (sections 21.23 to 21.25)."""
        self.assert_option(SolMaxRt(3600), "0052 0004 00000e10")
        self.assert_option(InfMaxRt(59), "0053 0004 0000003b")
        self.assert_option(InformationRefreshTime(2**32 - 1), "0020 0004 ffffffff")
        self.assert_malformed("0052 0003 000e10", "SOL_MAX_RT, value at byte 8: 4 bytes wanted, 3 left (00 0e 10)")
        self.assert_malformed("0053 0005 0000003b00", "INF_MAX_RT at byte 12: 4 bytes wanted, 5 there (00)")
        self.assert_malformed("0020 0000", "INFORMATION_REFRESH_TIME, value at byte 8: 4 bytes wanted, 0 left")
        self.assertNotEqual(SolMaxRt(60), InfMaxRt(60))


class AuthenticationTests(OptionCase):
    def test_both_directions(self) -> None:
        """B.5-01: a reconfigure key is protocol 3, algorithm 1, RDM 0, a counter and 17 octets."""
        self.assert_option(
            Authentication(3, 1, 0, octets("0000000000000001"), b"\1" + bytes(16)),
            "000b 001c 03 01 00 0000000000000001 01 00000000000000000000000000000000",
        )

    def test_other_protocols(self) -> None:
        """What follows the replay detection is opaque, and may be nothing."""
        self.assert_option(Authentication(0, 0, 0, bytes(8), b""), "000b 000b 00 00 00 0000000000000000")

    def test_short(self) -> None:
        """Less than 11 octets are no authentication, and the field that is cut is named."""
        self.assert_shortest(OptionCode.AUTHENTICATION, 11, bytes(11))
        self.assert_malformed(
            "000b 0005 030100 0001", "AUTHENTICATION, replay detection at byte 11: 8 bytes wanted, 2 left (00 01)"
        )


class StatusTests(OptionCase):
    def test_both_directions(self) -> None:
        """A status is a code and words in UTF-8 (section 21.13)."""
        self.assert_option(Status(6, "no prefix"), "000d 000b 0006 6e6f20707265666978")
        self.assert_option(Status(0), "000d 0002 0000")
        self.assert_option(Status(65535, "é"), "000d 0004 ffff c3a9")

    def test_short(self) -> None:
        """A status without its code is malformed."""
        self.assert_shortest(OptionCode.STATUS_CODE, 2, b"\0\6")
        self.assert_malformed("000d 0001 06", "STATUS_CODE, status-code at byte 8: 2 bytes wanted, 1 left (06)")

    def test_text(self) -> None:
        """R-18.2.9-11: the words are shown without control characters, and the octets are kept verbatim."""
        status = Status(1, b"no\x1b[2J\xff prefix\n\0")
        self.assertEqual(status.text, "no[2J\N{REPLACEMENT CHARACTER} prefix")
        self.assertEqual(status.octets, b"no\x1b[2J\xff prefix\n\0")
        self.assert_option(status, "000d 0012 0001 6e6f1b5b324aff2070726566 69780a00")

    def test_by_name(self) -> None:
        """A status can be made with the words as text."""
        self.assertEqual(Status(status=6, text="none"), Status(6, b"none"))
