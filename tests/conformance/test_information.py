"""
Section C.12, as far as a client for prefixes is concerned: options beside the lease, and their end.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from itertools import pairwise

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import Informed, LeaseChanged, Request
from pdlease.client.settings import ExtraOption
from pdlease.config.advice import advice
from pdlease.config.errors import ConfigErrors
from pdlease.config.toml import parse
from pdlease.wire.chain import OpaqueOption, Option
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.options import (
    DnsServers,
    InfMaxRt,
    InformationRefreshTime,
    OptionRequest,
    ReconfigureAccept,
    SolMaxRt,
    Status,
    UserClass,
)
from pdlease.wire.prefixes import IAPD
from tests.conformance.test_downstream import Scripted
from tests.conformance.test_downstream import prefix as given_prefix
from tests.conformance.test_reconfigure import agreed, key, reconfigure
from tests.house import ONE, House
from tests.scenarios.conversation import OTHER, PREFIX, Conversation, association, bound, prefix, settings

GOOD = association(1, prefix())
DNS = DnsServers((IPv6Address("2001:db8::53"),))
OTHER_DNS = DnsServers((IPv6Address("2001:db8::54"),))
NTP = OpaqueOption(OptionCode.NTP_SERVER, b"\0\1\0\x10" + bytes(16))

WANTED = settings(requested_options=(82, 67, 23, 56))
WILLING_TO_HEAR = settings(reconfigure=True, requested_options=(82, 67, 23, 56))


def informed(*options: Option) -> Conversation:
    """A bound conversation that wants DNS and NTP servers, and was given some options."""
    c = Conversation(WANTED)
    c.link_up()
    c.advertise(*options, GOOD, preference=255)
    c.reply(*options, GOOD)
    return c


class InformationTests(SynchronousTestCase):
    def test_updated(self) -> None:
        """R-18.2.10-05: other values in a Renew Reply are told at once, the same values are not told again."""
        c = informed(DNS)
        self.assertEqual(c.of(Informed), [Informed((DNS,))])
        for given in (DNS, OTHER_DNS):
            c.until_sent(MessageType.RENEW)
            c.reply(given, GOOD)
        self.assertEqual(c.of(Informed), [Informed((DNS,)), Informed((OTHER_DNS,))])
        self.assertEqual(c.session.information, (OTHER_DNS,))

    def test_after_the_lease(self) -> None:
        """R-18.2.10-05: the lease is told first: its addresses are what is waited for."""
        kinds = [type(effect) for _, effect in informed(DNS).effects]
        self.assertLess(kinds.index(LeaseChanged), kinds.index(Informed))

    def test_no_longer_given(self) -> None:
        """R-18.2.10.5-01, R-18.2.10.5-02, R-18.2.10.5-03: what is not in the Renew Reply ends; a prefix does not."""
        c = informed(DNS, NTP)
        c.until_sent(MessageType.RENEW)
        c.reply(association(1, prefix("2001:db8:200::/56")), DNS)
        self.assertEqual(c.of(Informed)[-1], Informed((DNS,)))
        self.assertEqual(c.held, [PREFIX, "2001:db8:200::/56"])
        c.until_sent(MessageType.RENEW)
        c.reply(GOOD)
        self.assertEqual(c.of(Informed)[-1], Informed(()))

    def test_new_search(self) -> None:
        """R-18.2.13-01: discovery begins again: the other configuration of the old server ends as well."""
        c = informed(DNS)
        c.ask(Request.SOLICIT)
        self.assertEqual((c.of(Informed)[-1], c.session.information), (Informed(()), ()))

    def test_link_loss_keeps(self) -> None:
        """R-RST-02: losing the link ends nothing."""
        c = informed(DNS)
        c.link_down()
        c.link_up()
        self.assertEqual(c.session.information, (DNS,))

    def test_repeated(self) -> None:
        """R-21-01, R-5908-01: repeated options are not joined: the first counts; NTP servers may stand repeatedly."""
        c = informed(DNS, OTHER_DNS, NTP, NTP)
        self.assertEqual(c.session.information, (DNS, NTP, NTP))

    def test_softwires(self) -> None:
        """
        R-7598-01: containers of softwires are requested where the operator wants that, in every message that asks for
        something, and told as they came; nothing is made of them.
        """
        container = OpaqueOption(OptionCode.S46_CONTAINER_MAPE, bytes.fromhex("0059 0001 00"))
        c = Conversation(settings(requested_options=(82, 67, 94)))
        c.link_up()
        c.advertise(container, GOOD, preference=255)
        c.reply(container, GOOD)
        self.assertEqual(c.of(Informed), [Informed((container,))])
        c.until_sent(MessageType.REBIND)
        for _, message in c.sent:
            (request,) = message.options_of(OptionRequest)
            self.assertIn(94, request.codes)
        self.assertLessEqual({"SOLICIT", "REQUEST", "RENEW", "REBIND"}, set(c.types()))

    def test_only_what_was_requested(self) -> None:
        """R-21.7-03: what was not requested, or is malformed, or is the client's own business, is no information."""
        bad = OpaqueOption(OptionCode.DNS_SERVERS, b"123")
        c = informed(SolMaxRt(120), OpaqueOption(OptionCode.DOMAIN_LIST, b"\1a\0"), bad)
        self.assertEqual((c.session.information, c.of(Informed)), ((), []))

    def test_refresh_time(self) -> None:
        """R-21.23-06: option 32 in a Reply with associations means nothing: no Information-request follows."""
        c = bound()
        c.until_sent(MessageType.RENEW)
        c.reply(InformationRefreshTime(700), GOOD)
        c.wait(900)
        self.assertEqual(c.times(MessageType.INFORMATION_REQUEST), [])

    def test_information_maximum(self) -> None:
        """
        R-21.25-01: INF_MAX_RT from 60 to 86400 s caps the gaps between Information-requests of its uplink; any other
        value leaves the one before.
        """
        for value, cap in ((60, 60), (86400, 3600), (59, 3600), (86401, 3600), (0, 3600)):
            c = agreed(ReconfigureAccept(), key(), InfMaxRt(value))
            self.assertEqual(c.session.inf_max_rt, value if value in {60, 86400} else None)
            c.hear(reconfigure(11))
            c.until(1900.0)
            moments = c.times(MessageType.INFORMATION_REQUEST)
            longest = max(later - earlier for earlier, later in pairwise(moments))
            self.assertTrue(longest <= 66 if cap == 60 else longest > 100, (value, longest))
        self.assertIsNone(bound().session.inf_max_rt)

    def test_one_for_each_vendor(self) -> None:
        """R-21.16-01: two Vendor Classes or Vendor-specific options of one vendor are a configuration error."""
        for each in (
            'vendor_class = [{ enterprise = 9, data = ["a"] }, { enterprise = 9, data = ["b"] }]',
            "vendor_options = [{ enterprise = 9, options = [] }, { enterprise = 9, options = [] }]",
        ):
            text = f'[uplinks.wan]\n{each}\n[[uplinks.wan.delegations]]\ndownstreams = ["lan0"]\n'
            errors = self.assertRaises(ConfigErrors, parse, text.encode(), "x")
            self.assertIn("enterprise 9 stands in two of these", str(errors))
            self.assertTrue(parse(text.replace("= 9", "= 8", 1).encode(), "x").uplinks)

    def test_told_by_inform(self) -> None:
        """R-18.2.10.5-01: what is not in the Reply to an Information-request ends as well; the lease does not."""
        c = agreed(ReconfigureAccept(), key(), DNS, NTP, wanted=WILLING_TO_HEAR)
        self.assertEqual(c.session.information, (DNS, NTP))
        c.hear(reconfigure(11))
        c.until_sent(MessageType.INFORMATION_REQUEST)
        c.reply(ReconfigureAccept(), OTHER_DNS)
        self.assertEqual((c.session.information, c.held), ((OTHER_DNS,), [PREFIX]))

    def test_hostile_texts(self) -> None:
        """
        R-23-01: names and status words full of shell and terminal syntax reach events and status escaped: one line,
        printable, no quote, dollar sign or blank in a name.
        """
        house = House(ONE.replace("solicit_delay", "request_options = [24, 23]\nsolicit_delay"))
        house.add_links()
        hostile = b"$(rm -rf /);`x`\n\x1b[2J'\""
        domain = OpaqueOption(OptionCode.DOMAIN_LIST, bytes([len(hostile)]) + hostile + b"\0")
        house.server = Scripted(
            lambda asked: (
                IAPD(asked.ia_pds[0].iaid, 100, 200, (given_prefix("2001:db8::/56"),)),
                domain,
                IAPD(77, 0, 0, (Status(6, hostile),)),
            )
        )
        house.begin().wait(3)
        assert house.desk is not None
        (told,) = house.desk.status("wan")["uplinks"]["wan"]["information"]
        (name,) = told["values"]
        self.assertRegex(name, r"^[A-Za-z0-9_.\\-]+$")
        (event,) = house.told("information")
        self.assertEqual(event["options"], [told])
        texts = [*house.desk.why("wan"), *(str(event.get("detail", "")) for event in house.told("discarded"))]
        self.assertTrue(any("rm -rf" in text for text in texts))
        self.assertTrue(all(text.isprintable() for text in texts), texts)

    def test_vendor_options_are_requested(self) -> None:
        """R-21.17-01: code 17 goes into the option request where vendor options are wanted."""
        c = Conversation(settings(requested_options=(82, 67, 17)))
        c.link_up()
        self.assertIn(17, c.last.options_of(OptionRequest)[0].codes)

    def test_user_class(self) -> None:
        """R-21.15-01: User Class is sent as configured."""
        option = UserClass((b"one", b"two"))
        c = Conversation(settings(extra_options=(ExtraOption(option=option),)))
        c.link_up()
        self.assertEqual(c.last.option(UserClass), option)


class RelayTests(SynchronousTestCase):
    """
    Section C.14: what relays do to a client.
    """

    def test_no_binding_from_a_relay(self) -> None:
        """R-8987-01: a relay that answers NoBinding itself is asked for everything anew; nothing is lost by it."""
        c = bound()
        c.until_sent(MessageType.REBIND)
        c.reply(association(1, Status(3)), server=OTHER)
        self.assertEqual((c.last.message_type, c.last.server_id, c.held), (MessageType.REQUEST, OTHER, [PREFIX]))

    def test_relay_that_forgot(self) -> None:
        """R-8987-02: a relay that lost its routes hears of them again: Rebind after a carrier flap, or when asked."""
        c = bound()
        c.wait(5)
        c.link_down()
        c.link_up()
        self.assertEqual(c.types()[-1], "REBIND")
        c.reply(GOOD)
        for request in (Request.RENEW, Request.REBIND):
            c.ask(request)
            self.assertEqual(c.types()[-1], request.name)
            c.reply(GOOD)

    def test_several_small_associations(self) -> None:
        """R-8987-03: eight associations of one /64 each, whatever was wished for, work."""
        iaids = range(1, 9)
        given = [association(iaid, prefix(f"2001:db8:0:{iaid}::/64")) for iaid in iaids]
        c = Conversation(settings(*iaids))
        c.link_up()
        c.advertise(*given, preference=255)
        c.reply(*given)
        self.assertEqual(len(c.held), 8)
        self.assertEqual([ia.iaid for ia in c.until_sent(MessageType.RENEW).ia_pds], list(iaids))

    def test_too_many_associations(self) -> None:
        """R-8987-03: more than eight IA_PDs on one uplink are warned of; eight are not, and one is the default."""

        def advised(count: int) -> str:
            delegations = "".join(
                f'[[uplinks.wan.delegations]]\ndownstreams = ["lan{number}"]\n' for number in range(count)
            )
            config = parse(f"[uplinks.wan]\n{delegations}".encode(), "x")
            return " ".join(str(each) for each in advice(config))

        self.assertIn("8", advised(9))
        self.assertEqual(advised(8), "")
