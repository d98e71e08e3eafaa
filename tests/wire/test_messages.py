"""
Tests for L{pdlease.wire.messages}.
"""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

from twisted.trial.unittest import SynchronousTestCase

from pdlease.wire import options as simple
from pdlease.wire.chain import MalformedOption, OpaqueOption
from pdlease.wire.codes import MessageType, OptionCode, StatusCode
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.names import DomainName
from pdlease.wire.options import (
    Authentication,
    ClientId,
    DnsServers,
    DomainList,
    ElapsedTime,
    InfMaxRt,
    OptionRequest,
    Preference,
    RapidCommit,
    ReconfigureAccept,
    ReconfigureMessage,
    ServerId,
    SolMaxRt,
    Status,
    VendorClass,
)
from pdlease.wire.prefixes import IAPD, IAPrefix, PDExclude
from pdlease.wire.reader import WireError
from tests import packets
from tests.packets import octets

CLIENT = ClientId(DUID(packets.CLIENT_DUID))
SERVER = ServerId(DUID(packets.SERVER_DUID))
DB8_1200 = octets("20010db8 12000000 00000000 00000000")

VALUES = {
    "SOLICIT": Message(
        MessageType.SOLICIT,
        0xA1B2C3,
        (
            CLIENT,
            ElapsedTime(0),
            OptionRequest((82, 67, 23, 24)),
            IAPD(1, 0, 0, (IAPrefix(0, 0, 56, bytes(16)),)),
        ),
    ),
    "ADVERTISE": Message(
        MessageType.ADVERTISE,
        0xA1B2C3,
        (CLIENT, SERVER, Preference(255), IAPD(1, 3600, 5760, (IAPrefix(7200, 10800, 40, DB8_1200),))),
    ),
    "RICH_REPLY": Message(
        MessageType.REPLY,
        0xA1B2C4,
        (
            CLIENT,
            ServerId(DUID(packets.OTHER_SERVER_DUID)),
            Status(StatusCode.SUCCESS, "all well"),
            ReconfigureAccept(),
            Authentication(3, 1, 0, bytes(7) + b"\1", b"\1" + bytes(range(16))),
            IAPD(
                1,
                3600,
                5760,
                (
                    IAPrefix(7200, 10800, 56, octets("20010db8" + "0" * 24), (PDExclude(64, b"\xff"),)),
                    IAPrefix(0, 0, 56, octets("20010db800000100" + "0" * 16), (Status(0, "thanks!"),)),
                ),
            ),
            IAPD(2, 0, 0, (Status(StatusCode.NO_PREFIX_AVAIL, "out of it"),)),
            DnsServers((IPv6Address("2001:db8::53"), IPv6Address("2001:db8::54"))),
            DomainList((DomainName((b"example", b"net")),)),
            SolMaxRt(3600),
            InfMaxRt(7200),
        ),
    ),
    "RECONFIGURE": Message(
        MessageType.RECONFIGURE,
        0,
        (
            CLIENT,
            SERVER,
            ReconfigureMessage(MessageType.RENEW),
            Authentication(3, 1, 0, bytes(7) + b"\2", b"\2" + bytes(16)),
        ),
    ),
    "ORIGINAL_SOLICIT": Message(
        MessageType.SOLICIT,
        0xA1B2C3,
        (
            ClientId(DUID.from_uuid(octets("00112233445566778899aabbccddeeff"))),
            IAPD(0, 0, 0, (IAPrefix(0, 0, 59, bytes(16)),)),
            OptionRequest((82, 83)),
            ElapsedTime(0),
            RapidCommit(),
            VendorClass(30155, (b"OpenBSD 7.5 amd64",)),
        ),
    ),
    "ORIGINAL_REQUEST": Message(
        MessageType.REQUEST,
        0xA1B2C3,
        (
            ClientId(DUID.from_uuid(octets("00112233445566778899aabbccddeeff"))),
            ServerId(DUID(octets("0003 0001 525400123456"))),
            IAPD(0, 0, 0, (IAPrefix(0, 0, 59, octets("20010db8 00000020 00000000 00000000")),)),
            OptionRequest((82, 83)),
            ElapsedTime(100),
            VendorClass(30155, (b"OpenBSD 7.5 amd64",)),
        ),
    ),
}
"""What some of L{packets.EVERYTHING} mean."""


class BothDirectionsTests(SynchronousTestCase):
    def test_decode(self) -> None:
        """B.10-01, B.9-11: octets written out by hand are read as what they were written for."""
        for name, message in VALUES.items():
            self.assertEqual(decode(packets.EVERYTHING[name]), message, name)

    def test_encode(self) -> None:
        """
        B.10-01, B.9-10: values are written as the octets written out by hand, options in the order given; so the
        original's first two messages can be made octet for octet (seed-behaviour 10).
        """
        for name, message in VALUES.items():
            self.assertEqual(encode(message), packets.EVERYTHING[name], name)

    def test_round_trip(self) -> None:
        """B.9-11: every good message is written again as it was read."""
        for name, data in packets.EVERYTHING.items():
            message = decode(data)
            self.assertEqual(encode(message), data, name)
            self.assertEqual(message.malformed, (), name)

    def test_views(self) -> None:
        """A message read from another kind of buffer is the same, and holds nothing of the buffer."""
        for data in (bytearray(packets.RICH_REPLY), memoryview(packets.RICH_REPLY)):
            message = decode(data)
            self.assertEqual(message, VALUES["RICH_REPLY"])
            self.assertEqual(hash(message), hash(VALUES["RICH_REPLY"]))

    def test_immutable(self) -> None:
        """B.9-10: messages and options are values: nothing of them can be changed, and equal ones have one hash."""
        message = decode(packets.RICH_REPLY)
        association = message.ia_pds[0]
        for value in (message, *message.options, association.prefixes[0], *association.prefixes[0].options):
            for name in ("options", "data", "code", "extra"):
                self.assertRaises((AttributeError, TypeError), setattr, value, name, ())
        self.assertEqual(hash(message), hash(decode(packets.RICH_REPLY)))

    def test_shortest(self) -> None:
        """B.1-01: a message may have no options."""
        self.assertEqual(decode(octets("0b 00000f")), Message(MessageType.INFORMATION_REQUEST, 15))
        self.assertEqual(encode(Message(MessageType.INFORMATION_REQUEST, 15)), octets("0b 00000f"))

    def test_extremes(self) -> None:
        """B.1-01, B.1-02: the least and the greatest type and transaction go both ways."""
        for data in (bytes(4), b"\xff" * 4):
            self.assertEqual(encode(decode(data)), data)

    def test_what_cannot_be_encoded(self) -> None:
        """A type of more than eight bits or a transaction of more than 24 is refused."""
        for message_type, transaction_id in ((256, 0), (-1, 0), (1, 2**24), (1, -1)):
            error = self.assertRaises(ValueError, encode, Message(message_type, transaction_id))
            self.assertEqual(str(error), f"no message has type {message_type} and transaction {transaction_id}")

    def test_too_great_within(self) -> None:
        """A number that does not fit into an option in an option is refused by name of the innermost option."""
        message = Message(1, 1, (IAPD(1, 0, 0, (IAPrefix(0, 2**32, 56, bytes(16)),)),))
        error = self.assertRaises(ValueError, encode, message)
        self.assertIn("IAPrefix cannot be encoded: ", str(error))


class HeaderTests(SynchronousTestCase):
    def test_too_short(self) -> None:
        """R-16-20, B.1-01, B.9-01: fewer than four octets are no message."""
        for length in range(4):
            data = b"\7\1\2"[:length]
            error = self.assertRaises(WireError, decode, data)
            self.assertEqual((error.field, error.offset, error.data), ("message", 0, data))
        self.assertEqual(str(error), "message at byte 0: at least 4 bytes wanted, 3 there (07 01 02)")

    def test_unknown_type(self) -> None:
        """B.1-02: a message of unknown type is read like any other; discarding it is the client's business."""
        self.assertEqual(decode(octets("ff 000001 000e 0000")), Message(255, 1, (RapidCommit(),)))

    def test_relayed(self) -> None:
        """A relay's message has another form; its octets are kept, and it has no options and no stray octets."""
        for message_type in (MessageType.RELAY_FORWARD, MessageType.RELAY_REPLY):
            data = bytes((message_type,)) + octets("00") + bytes(32) + octets("0009 ffff 00")
            message = decode(data)
            self.assertEqual((message.message_type, message.options, message.surplus), (message_type, (), 0))
            self.assertEqual(encode(message), data)


class DamageTests(SynchronousTestCase):
    """
    R-16-20: what is done to messages on their way, or by servers that cannot write them.
    """

    def boundaries(self, data: bytes) -> list[int]:
        """Find where the options of a message end, and its header."""
        found = [4]
        while found[-1] < len(data):
            found.append(found[-1] + 4 + int.from_bytes(data[found[-1] + 2 : found[-1] + 4], "big"))
        return found

    def test_truncated(self) -> None:
        """R-16-20: cut 0 to 3 octets behind an option the shorter message is read; cut elsewhere it is dropped."""
        for data in packets.EVERYTHING.values():
            boundaries = self.boundaries(data)
            whole = decode(data)
            for length in range(len(data)):
                options = [index for index, boundary in enumerate(boundaries) if 0 <= length - boundary <= 3]
                if not options:
                    self.assertRaises(WireError, decode, data[:length])
                    continue
                shorter = decode(data[:length])
                self.assertEqual(shorter.options, whole.options[: options[0]])
                self.assertEqual(shorter.surplus, length - boundaries[options[0]])
                self.assertEqual(encode(shorter), data[:length])

    def test_lengths(self) -> None:
        """
        R-16-20: an option's length set to 0, 1, one less, one more or 65535, at every level, spoils the message or
        the option, and never what stands before it.
        """
        for data in packets.EVERYTHING.values():
            whole = decode(data)
            starts = self.boundaries(data)[:-1]
            for index, start in enumerate(starts):
                length = int.from_bytes(data[start + 2 : start + 4], "big")
                for wrong in {0, 1, max(length - 1, 0), length + 1, 0xFFFF} - {length}:
                    damaged = data[: start + 2] + wrong.to_bytes(2, "big") + data[start + 4 :]
                    try:
                        message = decode(damaged)
                    except WireError:
                        continue
                    self.assertEqual(message.options[:index], whole.options[:index])
                    self.assertEqual(encode(message), damaged)

    def test_lengths_within(self) -> None:
        """R-16-20: the same within an association spoils that association at most; the others and the rest stay."""
        at = packets.RICH_REPLY.index(octets("001a 001f"))
        length = 0x1F
        for wrong in (0, 1, length - 1, length + 1, 0xFFFF):
            message = decode(packets.RICH_REPLY[: at + 2] + wrong.to_bytes(2, "big") + packets.RICH_REPLY[at + 4 :])
            self.assertEqual(message.ia_pds[-1].iaid, 2)
            self.assertEqual(message.sol_max_rt, 3600)
            self.assertTrue(message.malformed)
            for association in message.ia_pds:
                self.assertNotIn(IPv6Network("2001:db8::/56"), [option.network for option in association.prefixes])

    def test_stray_octets(self) -> None:
        """R-16-20, B.9-02: one to three octets at the end are counted and ignored: a large cloud's servers need it."""
        for stray in (b"\0", b"\0\0", b"\0\0\0"):
            message = decode(packets.REPLY + stray)
            self.assertEqual(message.options, decode(packets.REPLY).options)
            self.assertEqual(message.surplus, len(stray))
            self.assertEqual(encode(message), packets.REPLY + stray)
        self.assertEqual(decode(packets.REPLY).surplus, 0)

    def test_overrun(self) -> None:
        """R-16-20, B.9-02: an option that reaches past the end of the datagram spoils the message."""
        error = self.assertRaises(WireError, decode, octets("07 000001 0007 0001 05 0052 0005 00000e10"))
        self.assertEqual(
            str(error),
            "message, option 82 at byte 9: 5 bytes of content wanted, 4 left (00 52 00 05 00 00 0e 10)",
        )

    def test_filled_rapid_commit(self) -> None:
        """B.9-03: Rapid Commit with content, as one server sends it, is as good as absent."""
        message = decode(octets("07 000001 000e 0001 00"))
        self.assertFalse(message.rapid_commit)
        self.assertEqual([option.code for option in message.malformed], [OptionCode.RAPID_COMMIT])

    def test_longest(self) -> None:
        """B.9-09: a message of 64 KiB is read and written, be it one option or thousands."""
        for body in (b"\0\0" + (65507 - 8).to_bytes(2, "big") + bytes(65507 - 8), octets("0007 0002 0000") * 10917):
            data = b"\7abc" + body
            self.assertEqual(encode(decode(data)), data)


class GetterTests(SynchronousTestCase):
    def test_rich(self) -> None:
        """Every part of a rich Reply is found by its name."""
        message = decode(packets.RICH_REPLY)
        self.assertEqual(message.client_id, DUID(packets.CLIENT_DUID))
        self.assertEqual(message.server_id, DUID(packets.OTHER_SERVER_DUID))
        self.assertEqual(message.status, Status(0, "all well"))
        self.assertEqual([association.iaid for association in message.ia_pds], [1, 2])
        self.assertEqual(message.ia_pds[0].prefixes[0].excluded, IPv6Network("2001:db8:0:ff::/64"))
        self.assertEqual(message.ia_pds[1].status, Status(6, "out of it"))
        self.assertIs(message.reconfigure_accept, True)
        self.assertEqual((message.sol_max_rt, message.inf_max_rt), (3600, 7200))
        self.assertEqual(message.option(simple.DnsServers), VALUES["RICH_REPLY"].options[7])

    def test_nothing(self) -> None:
        """What is not in a message is absent, no preference is 0, and nothing is malformed."""
        message = Message(MessageType.REPLY, 1)
        for name in ("client_id", "server_id", "status", "sol_max_rt", "inf_max_rt", "reconfigure_message"):
            self.assertIsNone(getattr(message, name), name)
        self.assertEqual(message.preference, 0)
        self.assertEqual((message.ia_pds, message.malformed, message.options_of(Status)), ((), (), ()))
        self.assertIs(message.rapid_commit, False)
        self.assertIs(message.reconfigure_accept, False)

    def test_others(self) -> None:
        """Preference, Rapid Commit and what a Reconfigure asks for are found."""
        self.assertEqual(decode(packets.ADVERTISE).preference, 255)
        self.assertIs(decode(packets.RAPID_REPLY).rapid_commit, True)
        self.assertEqual(decode(packets.RECONFIGURE).reconfigure_message, MessageType.RENEW)

    def test_first_counts(self) -> None:
        """R-16-21, B.9-07: of a singleton that stands twice the first counts, and both can be had."""
        message = Message(
            MessageType.ADVERTISE,
            1,
            (
                SERVER,
                ServerId(DUID(b"other")),
                Preference(1),
                Preference(2),
                Status(1),
                Status(0),
                SolMaxRt(60),
                SolMaxRt(70),
            ),
        )
        self.assertEqual(message.server_id, SERVER.duid)
        self.assertEqual(message.preference, 1)
        self.assertEqual(message.status, Status(1))
        self.assertEqual(message.sol_max_rt, 60)
        self.assertEqual(message.options_of(Preference), (Preference(1), Preference(2)))

    def test_first_well_formed_counts(self) -> None:
        """R-16-20, R-16-21: a malformed instance is no instance."""
        message = decode(octets("02 000001 0007 0002 0505 0007 0001 06"))
        self.assertEqual(message.preference, 6)

    def test_same_association_twice(self) -> None:
        """R-16-22: of associations with the same IAID the first counts."""
        first, second, third = IAPD(1, 10, 20), IAPD(2, 0, 0), IAPD(1, 30, 40)
        self.assertEqual(Message(7, 1, (first, second, third)).ia_pds, (first, second))

    def test_malformed(self) -> None:
        """What could not be read is found at every level: message, association, prefix."""
        data = octets("""
            07 000001
            0007 0000                                   # PREFERENCE without a value
            0019 0038 00000001 00000000 00000000
              000d 0001 00                              # STATUS_CODE, half
              001a 001f 00000001 00000002 38 20010db8000000000000000000000000
                0043 0002 30 00                         # PD_EXCLUDE, too short a prefix
              ffff 0000
            0019 0004 00000002                          # IA_PD, a third
        """)
        message = decode(data)
        self.assertEqual([option.code for option in message.malformed], [7, 13, 67, 25])
        self.assertEqual([association.iaid for association in message.ia_pds], [1])
        self.assertEqual(message.ia_pds[0].options[2], OpaqueOption(0xFFFF, b""))
        self.assertIsInstance(message.options[2], MalformedOption)
        self.assertEqual(encode(message), data)
