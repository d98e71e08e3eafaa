"""
Tests for L{pdlease.wire.describe}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.wire.codes import INFINITY
from pdlease.wire.describe import LONGEST_LINE, LONGEST_WORDS, MOST_SHOWN, describe
from pdlease.wire.messages import Message, decode
from pdlease.wire.options import OpaqueOption, ReconfigureMessage, Status
from pdlease.wire.prefixes import IAPD, IAPrefix
from tests import packets
from tests.packets import octets


class DescribeTests(SynchronousTestCase):
    def test_solicit(self) -> None:
        """A Solicit shows its wishes."""
        self.assertEqual(
            describe(decode(packets.ORIGINAL_SOLICIT)),
            "SOLICIT a1b2c3: IA_PD 0 ::/59; rapid commit; elapsed 0 s",
        )

    def test_advertise(self) -> None:
        """An Advertise shows its server, the offer and the preference."""
        self.assertEqual(
            describe(decode(packets.ADVERTISE)),
            "ADVERTISE a1b2c3: server 0003000166778899aabb; IA_PD 1 (T1 3600 s, T2 5760 s) 2001:db8:1200::/40 "
            "(preferred 7200 s, valid 10800 s); preference 255",
        )

    def test_rich_reply(self) -> None:
        """A Reply shows every association with its prefixes, what is excluded, and every status with its words."""
        self.assertEqual(
            describe(decode(packets.RICH_REPLY)),
            "REPLY a1b2c4: server 000200007ed90cc084d303000912; IA_PD 1 (T1 3600 s, T2 5760 s) 2001:db8::/56 "
            "(preferred 7200 s, valid 10800 s, less 2001:db8:0:ff::/64), 2001:db8:0:100::/56 (preferred 0 s, "
            'valid 0 s, status SUCCESS "thanks!"); IA_PD 2 (T1 0 s, T2 0 s) status NO_PREFIX_AVAIL "out of it"; '
            'status SUCCESS "all well"; reconfigure accept; SOL_MAX_RT 3600 s; INF_MAX_RT 7200 s',
        )

    def test_reconfigure(self) -> None:
        """A Reconfigure shows what it asks for, by name if it has one."""
        self.assertTrue(describe(decode(packets.RECONFIGURE)).endswith("; asks for RENEW"))
        self.assertEqual(describe(Message(10, 0, (ReconfigureMessage(99),))), "RECONFIGURE 000000: asks for 99")

    def test_elapsed(self) -> None:
        """Elapsed time is shown in seconds."""
        self.assertTrue(describe(decode(packets.ORIGINAL_REQUEST)).endswith("; elapsed 1 s"))

    def test_bare(self) -> None:
        """A message without anything to tell is its type and transaction; an unknown type is its number."""
        self.assertEqual(describe(Message(7, 0xABC)), "REPLY 000abc")
        self.assertEqual(describe(Message(99, 1)), "99 000001")

    def test_unknown(self) -> None:
        """What is not understood is shown as it came, at every level, bounded in number and in length (B.1-02)."""
        data = octets(
            """
            07 000001
            fde8 0002 cafe                          # at the top
            0019 0035 00000001 00000000 00000000    # IA_PD
              001a 0021 0000000a 00000014 38 20010db8000000000000000000000000
                fde9 0004 0badcafe                  # in the prefix
              fdea 0000                             # in the association
            """
        )
        self.assertEqual(
            describe(decode(data)),
            "REPLY 000001: IA_PD 1 (T1 0 s, T2 0 s) 2001:db8::/56 (preferred 10 s, valid 20 s, option 65001 "
            "(0badcafe)), option 65002 (empty); option 65000 (cafe)",
        )
        many = Message(7, 1, tuple(OpaqueOption(9000 + number, bytes(999)) for number in range(MOST_SHOWN + 2)))
        self.assertTrue(describe(many).startswith(f"REPLY 000001: option 9000 ({'00' * 16}…); option 9001 "))
        self.assertTrue(describe(many).endswith("; 2 more unknown options"))

    def test_empty_association(self) -> None:
        """An association without a prefix or a status is shown all the same; what has no end is said so."""
        self.assertEqual(
            describe(Message(7, 1, (IAPD(7, INFINITY, INFINITY),))),
            "REPLY 000001: IA_PD 7 (T1 for ever, T2 for ever)",
        )

    def test_unknown_status(self) -> None:
        """A status code without a name is its number, and an empty text is not shown."""
        self.assertEqual(describe(Message(7, 1, (Status(22),))), "REPLY 000001: status 22")

    def test_hostile_words(self) -> None:
        """R-18.2.9-11: words from the network are one printable line and bounded."""
        line = describe(Message(7, 1, (Status(1, b"\x1b[2J\xff\nok" + b"x" * 60000),)))
        self.assertTrue(line.isprintable())
        self.assertTrue(line.startswith('REPLY 000001: status UNSPEC_FAIL "[2J\N{REPLACEMENT CHARACTER} okxxx'))
        self.assertTrue(line.endswith('x…"'))
        self.assertLess(len(line), 200)

    def test_faults(self) -> None:
        """What could not be read is told: field, offset, octets; stray octets are counted."""
        self.assertEqual(
            describe(decode(octets("02 000001 0007 0002 0505 00"))),
            "ADVERTISE 000001: ignored PREFERENCE at byte 9: 1 byte wanted, 2 there (05); 1 stray bytes at the end",
        )

    def test_many(self) -> None:
        """Of many associations, prefixes and malformed options some are shown and the others counted."""
        prefixes = tuple(IAPrefix(1, 2, 128, number.to_bytes(16, "big")) for number in range(10))
        line = describe(Message(7, 1, (IAPD(1, 0, 0, prefixes),)))
        self.assertIn("::7/128 (preferred 1 s, valid 2 s), 2 more prefixes", line)
        self.assertNotIn("::8/128", line)
        line = describe(Message(7, 1, tuple(IAPD(number, 0, 0) for number in range(11))))
        self.assertTrue(line.endswith("; IA_PD 7 (T1 0 s, T2 0 s); 3 more IA_PD"), line)
        line = describe(decode(b"\7abc" + octets("0007 0000") * 9))
        self.assertTrue(line.endswith("; 1 more malformed options"), line)

    def test_just_so_many(self) -> None:
        """Of associations as many as are shown, none is left out; words as long as are shown are whole."""
        line = describe(Message(7, 1, tuple(IAPD(number, 0, 0) for number in range(MOST_SHOWN))))
        self.assertNotIn("more", line)
        words = "x" * LONGEST_WORDS
        self.assertTrue(describe(Message(7, 1, (Status(1, words),))).endswith(f'"{words}"'))
        self.assertTrue(describe(Message(7, 1, (Status(1, words + "x"),))).endswith(f' "{words[1:]}…"'))

    def test_bounded(self) -> None:
        """R-18.2.9-11: however much is in a message, its description ends."""
        prefixes = tuple(
            IAPrefix(1, 2, 128, bytes(15) + bytes((number,)), (Status(1, "x" * 999),)) for number in range(8)
        )
        line = describe(Message(7, 1, tuple(IAPD(number, 0, 0, prefixes) for number in range(8))))
        self.assertEqual(len(line), LONGEST_LINE)
        self.assertTrue(line.endswith("…"))
