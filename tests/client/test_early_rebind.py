"""
Rebinds that began before T1 and bring nothing: the times of the lease hold as ever (R-RST-02).
"""

from __future__ import annotations

from ipaddress import IPv6Network

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import Request
from pdlease.client.states import State
from pdlease.lease import Binding, DelegatedPrefix, Lease
from pdlease.wire.codes import MessageType
from pdlease.wire.options import Status
from tests.scenarios.conversation import PREFIX, SERVER, Conversation, association, bound, prefix

REBIND, RENEW = MessageType.REBIND, MessageType.RENEW


def stored(t1: float = 1500.0, t2: float = 2000.0) -> Lease:
    """A lease that is remembered at second 1000, valid until second 4000."""
    held = DelegatedPrefix(
        prefix=IPv6Network(PREFIX), preferred_until=2500.0, valid_until=4000.0, mentioned_at=400.0, server=SERVER
    )
    return Lease(bindings=(Binding(iaid=1, prefixes=(held,), t1_at=t1, t2_at=t2),), server=SERVER)


class EarlyRebindTests(SynchronousTestCase):
    """From link up to T1 and on."""

    def test_silence(self) -> None:
        """
        R-RST-02: nobody answers the Rebind after link up: at T1 the server of the lease is asked by Renew, from T2 on
        all are again, once and for all.
        """
        c = Conversation(lease=stored())
        c.link_up()
        c.until(1499.0)
        self.assertIs(c.state, State.REBINDING)
        self.assertEqual(c.session.next_message, (RENEW, 1500.0))
        c.until_sent(RENEW)
        self.assertEqual((c.now, c.state, c.last.server_id), (1500.0, State.RENEWING, SERVER))
        since = len(c.types())
        c.until(1999.0)
        self.assertEqual(set(c.types()[since:]), {"RENEW"})
        c.until_sent(REBIND)
        self.assertEqual((c.now, c.state), (2000.0, State.REBINDING))
        since = len(c.types())
        c.until(3999.0)
        self.assertEqual((set(c.types()[since:]), c.held), ({"REBIND"}, [PREFIX]))

    def test_extended(self) -> None:
        """An IA_PD in which nothing is, as dibbler-server answers every Rebind, does not keep the Renew from coming."""
        c = Conversation(lease=stored())
        c.link_up()
        c.until_sent(REBIND)
        c.reply(association(1))
        c.until_sent(RENEW)
        self.assertEqual((c.now, c.held), (1500.0, [PREFIX]))
        c.reply(association(1, prefix()))
        self.assertEqual((c.state, c.held), (State.BOUND, [PREFIX]))

    def test_unknown(self) -> None:
        """A server that answers no Rebind for what it forgot, as WIDE dhcp6s, says NoBinding to the Renew."""
        c = Conversation(lease=stored())
        c.link_up()
        c.until_sent(RENEW)
        c.reply(association(1, Status(3)))
        self.assertEqual((c.state, c.last.message_type), (State.REQUESTING, MessageType.REQUEST))

    def test_confirming(self) -> None:
        """T1 that passed before the ten seconds of confirming are over waits for their end."""
        c = Conversation(lease=stored(t1=1004.0))
        c.link_up()
        c.until(1008.0)
        self.assertIs(c.state, State.CONFIRMING)
        self.assertEqual(c.session.next_message, (RENEW, 1010.0))
        c.until_sent(RENEW)
        self.assertEqual(c.now, 1010.0)

    def test_confirming_beyond_t2(self) -> None:
        """When T2 has passed as well, all servers are asked on."""
        c = Conversation(lease=stored(t1=1004.0, t2=1009.0))
        c.link_up()
        c.until(1500.0)
        self.assertEqual((c.state, set(c.types())), (State.REBINDING, {"REBIND"}))

    def test_asked_for(self) -> None:
        """A Rebind that an operator asked for before T1 gives way at T1; one asked for after it does not."""
        c = bound()
        t1, t2 = c.session.lease.t1_at, c.session.lease.t2_at
        c.ask(Request.REBIND)
        c.until_sent(RENEW)
        self.assertEqual(c.now, t1)
        c.ask(Request.REBIND)
        since = len(c.types())
        c.until(t2 + 1)
        self.assertEqual((c.state, set(c.types()[since:])), (State.REBINDING, {"REBIND"}))
