"""
Section D: the part of a prefix that the server keeps for the uplink (RFC 6603), as far as a session sees it.
"""

from __future__ import annotations

from ipaddress import IPv6Network

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import LeaseChanged
from pdlease.client.reasons import DiscardReason
from pdlease.subnets import Downstream, carve
from pdlease.wire.chain import OpaqueOption, Option
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.prefixes import PDExclude
from tests.scenarios.conversation import PREFIX, Conversation, association, bound, prefix

FIRST = PDExclude(64, b"\x00")
SECOND = PDExclude(64, b"\x01")


def excluding(*options: Option) -> Conversation:
    """A bound conversation whose prefix came with some options inside."""
    return bound(association(1, prefix(PREFIX, 3000, 4000, *options)))


def excluded(c: Conversation) -> list[str]:
    """What is kept back of what is held."""
    return [str(held.excluded) for held in c.session.lease.prefixes]


class ExclusionTests(SynchronousTestCase):
    def test_first_counts(self) -> None:
        """PDX-03, WPD-8: of two exclusions inside a prefix the first counts."""
        self.assertEqual(excluded(excluding(FIRST, SECOND)), ["2001:db8:100::/64"])

    def test_out_of_place(self) -> None:
        """PDX-03: an exclusion inside the IA_PD, or in the message itself, is ignored."""
        stray = OpaqueOption(OptionCode.PD_EXCLUDE, b"\x40\x00")
        c = Conversation()
        c.link_up()
        c.advertise(association(1, prefix()), preference=255)
        c.reply(stray, association(1, stray, prefix()))
        self.assertEqual((c.held, excluded(c)), ([PREFIX], ["None"]))

    def test_impossible(self) -> None:
        """PDX-04: an exclusion that cannot be a part of the prefix is ignored and counted, the prefix used."""
        for body in (b"\x38\x00", b"\x30\x00", b"\x81\x00", b"\x40\x00\x00", b"\x40"):
            c = excluding(OpaqueOption(OptionCode.PD_EXCLUDE, body))
            self.assertEqual((c.held, excluded(c)), ([PREFIX], ["None"]), body)
            c.until_sent(MessageType.RENEW)
            c.reply(association(1, prefix(PREFIX, 3000, 4000, OpaqueOption(OptionCode.PD_EXCLUDE, body))))
            self.assertEqual(c.discards(), [DiscardReason.MALFORMED_OPTION])

    def test_lifetime(self) -> None:
        """PDX-05: an exclusion ends with the prefix that it is a part of."""
        c = excluding(FIRST)
        c.until(4999.9)
        self.assertEqual(excluded(c), ["2001:db8:100::/64"])
        c.until(5000.0)
        self.assertEqual(c.held, [])

    def test_in_a_64(self) -> None:
        """
        PDX-11: a /64 with a small part kept back has no /64 left for a LAN; subnets that were configured to be smaller
        are made, beside that part.
        """
        network, kept = IPv6Network("2001:db8::/64"), IPv6Network("2001:db8::/127")
        self.assertEqual(carve(network, [Downstream(link="lan0")], excluded=kept).unassigned, ("lan0",))
        carving = carve(network, [Downstream(link="lan0", length=65)], excluded=kept)
        self.assertEqual([str(each.subnet) for each in carving.assignments], ["2001:db8:0:0:8000::/65"])

    def test_changes(self) -> None:
        """PDX-10: an exclusion that appears, changes or vanishes in a Renew Reply is told with the lease."""
        c = excluding()
        for options, expected in (((FIRST,), "2001:db8:100::/64"), ((SECOND,), "2001:db8:100:1::/64"), ((), "None")):
            c.until_sent(MessageType.RENEW)
            c.reply(association(1, prefix(PREFIX, 3000, 4000, *options)))
            self.assertEqual(excluded(c), [expected])
            self.assertEqual(c.of(LeaseChanged)[-1].lease, c.session.lease)
