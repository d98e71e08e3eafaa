"""
Tests for L{pdlease.client.selection}: hold-offs to the second, offers remembered.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.reasons import DiscardReason
from pdlease.client.selection import (
    MOST_HOLD_OFFS,
    HoldOff,
    Offer,
    forgiven,
    held_off,
    is_held_off,
    remembered,
)
from pdlease.wire.duid import DUID
from pdlease.wire.options import Status
from tests.scenarios.conversation import OTHER, SERVER, Conversation, association, prefix


def offer(server: DUID, preference: int = 0) -> Offer:
    """An offer of nothing in particular."""
    return Offer(server=server, source="fe80::1", preference=preference, prefixes=())


class HoldOffTests(SynchronousTestCase):
    def test_doubles(self) -> None:
        """R-14.1-04: 1 s after the first refusal, twice that after each further one, up to SOL_MAX_RT."""
        hold_offs: tuple[HoldOff, ...] = ()
        lengths = []
        for _ in range(9):
            hold_offs = held_off(hold_offs, SERVER, 100.0, 120.0)
            lengths.append(hold_offs[0].until - 100.0)
        self.assertEqual(lengths, [1, 2, 4, 8, 16, 32, 64, 120, 120])
        self.assertEqual([each.failures for each in hold_offs], [9])
        for _ in range(2000):
            hold_offs = held_off(hold_offs, SERVER, 100.0, 120.0)
        self.assertEqual(hold_offs[0].until, 220.0)

    def test_ends(self) -> None:
        """R-14.1-04: it ends at its second, is of one server, and can be forgiven."""
        hold_offs = held_off(held_off((), SERVER, 100.0, 3600.0), OTHER, 105.0, 3600.0)
        self.assertEqual([is_held_off(hold_offs, SERVER, at) for at in (100.9, 101.0)], [True, False])
        self.assertEqual([is_held_off(hold_offs, OTHER, at) for at in (100.9, 105.5, 106.0)], [True, True, False])
        self.assertEqual(forgiven(hold_offs, OTHER), hold_offs[:1])

    def test_many_servers(self) -> None:
        """R-14.1-04: anybody can pretend to be any number of servers; the oldest hold-offs are forgotten."""
        hold_offs: tuple[HoldOff, ...] = ()
        servers = [DUID(b"\0\2" + number.to_bytes(2, "big")) for number in range(40)]
        for server in servers:
            hold_offs = held_off(hold_offs, server, 100.0, 3600.0)
        self.assertEqual([each.server for each in hold_offs], servers[-MOST_HOLD_OFFS:])

    def test_said(self) -> None:
        """R-14.1-04: that an offer is passed over for an earlier refusal is told, with its server."""
        c = Conversation()
        c.link_up()
        c.advertise(association(1, prefix()), preference=255)
        c.reply(association(1, Status(6)))
        c.advertise(association(1, prefix()), preference=255)
        self.assertIn(f"server {SERVER} offers what it refused before", c.session.explain(c.now))

    def test_offers_held_off_are_forgotten(self) -> None:
        """R-18.2.9-07, R-14.1-04: what remains of the offers is from servers that refused: a new search."""
        c = Conversation()
        c.link_up()
        c.advertise(association(1, prefix()), preference=9)
        c.advertise(association(1, prefix()), server=OTHER)
        c.wait(1.2)
        c.advertise(association(1, prefix()), server=OTHER)
        self.assertEqual(c.discards(), [DiscardReason.ADVERTISE_OUT_OF_PLACE])
        c.reply(association(1, Status(6)))
        c.reply(association(1, Status(6)), server=OTHER)
        self.assertEqual((c.types()[-1], c.session.offers, len(c.session.hold_offs)), ("SOLICIT", (), 2))


class RememberedTests(SynchronousTestCase):
    def test_replacement(self) -> None:
        """R-18.2.9-07: a later offer stands in the place of the earlier one; the others stay, in order."""
        third = DUID(b"\0\2third")
        offers = (offer(SERVER), offer(OTHER), offer(third))
        self.assertEqual(remembered(offers, offer(OTHER, 7)), (offer(SERVER), offer(OTHER, 7), offer(third)))
        self.assertEqual(remembered(offers[:1], offer(OTHER)), offers[:2])
