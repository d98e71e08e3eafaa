"""
What happens instead, where a row does not apply to pdlease.
"""

from __future__ import annotations

from attrs import fields
from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.settings import Settings
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.options import InformationRefreshTime, ReconfigureAccept, Status
from tests.conformance.test_reconfigure import agreed, reconfigure
from tests.scenarios.conversation import CLIENT, PREFIX, Conversation, association, bound, names, prefix

GOOD = association(1, prefix())

OF_ADDRESSES = {OptionCode.IA_NA, OptionCode.IA_TA, OptionCode.IA_ADDRESS, OptionCode.CLIENT_FQDN}


def long_life() -> Conversation:
    """A conversation that has seen every message but Information-request and Release."""
    c = bound()
    c.until_sent(MessageType.REBIND)
    c.link_down()
    c.link_up()
    c.reply(association(1, Status(3)))
    c.until_sent(MessageType.SOLICIT)
    return c


class NotOfferedTests(SynchronousTestCase):
    def test_no_addresses(self) -> None:
        """
        R-17.1-01, R-18.2.8-02, R-18.2.10.1-19, R-18.2.12-03, R-4704-01, R-8168-07, R-7844-06, WPD-6: no addresses are
        asked for: no IA_NA, no FQDN, no Confirm and no Decline in anything that is sent.
        """
        c = long_life()
        for _, message in c.sent:
            self.assertEqual({option.code for option in message.options} & OF_ADDRESSES, set())
        self.assertEqual(set(c.types()), {"REQUEST", "RENEW", "REBIND", "SOLICIT"})

    def test_always_identified(self) -> None:
        """R-16.10-04, R-7844-07: our Client Identifier is in every message, Information-request as well."""
        c = agreed()
        c.hear(reconfigure(11))
        c.until_sent(MessageType.INFORMATION_REQUEST)
        self.assertEqual({message.client_id for _, message in [*c.sent, *long_life().sent]}, {CLIENT})

    def test_nothing_is_refreshed(self) -> None:
        """
        R-21.23-02, R-21.23-03, R-21.23-04, R-21.23-05: with or without a refresh time, no Information-request follows
        the one that a Reconfigure asked for.
        """
        for options in ((), (InformationRefreshTime(10),), (InformationRefreshTime(700),)):
            c = agreed()
            c.hear(reconfigure(11))
            c.until_sent(MessageType.INFORMATION_REQUEST)
            c.reply(ReconfigureAccept(), *options)
            c.wait(3000)
            self.assertEqual(len(c.times(MessageType.INFORMATION_REQUEST)), 1)

    def test_not_anonymous(self) -> None:
        """
        R-7844-01, R-7844-02, R-7844-03, R-7844-04, R-7844-05, R-7844-08, R-7844-09, R-7844-10: there is no anonymity
        profile: the same DUID and IAID at every start, and an old prefix is asked for by name.
        """
        self.assertEqual([each.name for each in fields(Settings) if "anonym" in each.name], [])
        one, two = long_life(), Conversation(seed=9)
        two.link_up()
        self.assertEqual(one.last.client_id, two.last.client_id)
        self.assertEqual([ia.iaid for ia in one.last.ia_pds], [ia.iaid for ia in two.last.ia_pds])
        self.assertEqual(names(one.last), [PREFIX])
