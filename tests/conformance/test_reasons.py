"""
That nothing is dropped and nothing is waited for without a reason: every reason has a stimulus here, is counted for its
uplink, and is shown by C{status}, C{why} and C{watch}.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EPERM
from ipaddress import IPv6Address

from attrs import evolve
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from pdlease import report
from pdlease.client.occurrences import Discarded, Request
from pdlease.client.reasons import DiscardReason, Reason, Wait
from pdlease.client.selection import MOST_OFFERS
from pdlease.client.settings import IAWish
from pdlease.operations import PrivilegeError
from pdlease.wire.chain import OpaqueOption, Option
from pdlease.wire.codes import MessageType
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import ClientId, Preference, ReconfigureAccept, ServerId, Status
from pdlease.wire.prefixes import IAPD, IAPrefix
from tests.conformance.test_downstream import HouseCase, Scripted, giving
from tests.conformance.test_downstream import prefix as given
from tests.conformance.test_reconfigure import agreed, reconfigure
from tests.house import CLIENT, ONE, OWN, SERVER_ADDRESS, House, datagram, held_port
from tests.scenarios.conversation import OTHER, SERVER, Conversation, association, bound, prefix, settings

GOOD = association(1, prefix())
SECOND = "2001:db8:200::/56"


def soliciting(**more: object) -> Conversation:
    """A conversation that has sent its first Solicit."""
    c = Conversation(settings(**more))
    c.link_up()
    return c


def hearing(kind: int, *options: Option, flip: int = 0, **more: object) -> Conversation:
    """One that has then heard a message with these options."""
    c = soliciting(**more)
    c.hear(Message(kind, c.last.transaction_id ^ flip, options))
    return c


def answered(*options: Option, **more: object) -> Conversation:
    """One whose Request was answered with these options."""
    c = soliciting(**more)
    c.advertise(GOOD, preference=255)
    c.forget()
    c.reply(*options)
    return c


def refusing_after_offering() -> Conversation:
    """One whose server offers again what it has just refused."""
    c = answered(association(1, Status(6)))
    c.advertise(GOOD)
    return c


def crowded() -> Conversation:
    """One that is offered prefixes by more servers than it remembers."""
    c = soliciting()
    for number in range(MOST_OFFERS + 1):
        c.advertise(GOOD, server=DUID.from_enterprise(9, bytes([number])), preference=0)
    return c


def told(*messages: Message) -> Conversation:
    """One that has agreed upon Reconfigure, and was told these."""
    c = agreed()
    for message in messages:
        c.hear(message)
    return c


def told_too_often() -> Conversation:
    """One that obeyed a Reconfigure a moment ago."""
    c = told(reconfigure(5, 11))
    c.reply(GOOD, ReconfigureAccept())
    c.hear(reconfigure(5, 12))
    return c


def told_for_nothing() -> Conversation:
    """One that holds nothing any more when it is told to renew."""
    c = agreed()
    c.until_sent(MessageType.SOLICIT)
    c.hear(reconfigure(5, 12))
    return c


def renewing(*options: Option) -> Conversation:
    """One whose Renew was answered with these options."""
    c = bound()
    c.until_sent(MessageType.RENEW)
    c.reply(*options)
    return c


def with_surplus() -> Conversation:
    """One that heard an Advertise with an octet behind its last option."""
    c = soliciting()
    c.hear(decode(encode(c.message(MessageType.ADVERTISE, GOOD)) + b"\0"))
    return c


BOTH = (ClientId(DUID.from_uuid(bytes(range(16)))), ServerId(SERVER))
ADVERTISE, REPLY = MessageType.ADVERTISE, MessageType.REPLY

STIMULI: dict[DiscardReason, Callable[[], Conversation]] = {
    DiscardReason.UNKNOWN_TYPE: lambda: hearing(99, *BOTH),
    DiscardReason.CLIENT_TYPE: lambda: hearing(MessageType.RENEW, *BOTH),
    DiscardReason.NO_SERVER_ID: lambda: hearing(ADVERTISE, BOTH[0], GOOD),
    DiscardReason.NO_CLIENT_ID: lambda: hearing(ADVERTISE, BOTH[1], GOOD),
    DiscardReason.OTHER_CLIENT: lambda: hearing(ADVERTISE, ClientId(OTHER), BOTH[1], GOOD),
    DiscardReason.TRANSACTION_ID: lambda: hearing(ADVERTISE, *BOTH, GOOD, flip=1),
    DiscardReason.NOTHING_ASKED: lambda: _then(bound(), lambda c: c.reply(GOOD)),
    DiscardReason.OTHER_SERVER: lambda: _then(
        _then(soliciting(), lambda c: c.advertise(GOOD, preference=255)), lambda c: c.reply(GOOD, server=OTHER)
    ),
    DiscardReason.ADVERTISE_OUT_OF_PLACE: lambda: _then(
        _then(soliciting(), lambda c: c.advertise(GOOD, preference=255)), lambda c: c.advertise(GOOD)
    ),
    DiscardReason.RAPID_COMMIT_UNASKED: lambda: hearing(REPLY, *BOTH, GOOD),
    DiscardReason.RAPID_COMMIT_MISSING: lambda: hearing(REPLY, *BOTH, GOOD, rapid_commit=True),
    DiscardReason.NOTHING_OFFERED: lambda: hearing(ADVERTISE, *BOTH, association(1, Status(6))),
    DiscardReason.HELD_OFF: refusing_after_offering,
    DiscardReason.TOO_MANY_OFFERS: crowded,
    DiscardReason.SERVER_FAILED: lambda: answered(Status(1)),
    DiscardReason.NOTHING_IN_REPLY: renewing,
    DiscardReason.IA_NOT_OURS: lambda: answered(GOOD, association(77, Status(6))),
    DiscardReason.IA_REPEATED: lambda: answered(GOOD, association(1, Status(6))),
    DiscardReason.IA_TIMES: lambda: answered(association(1, prefix(), t1=2, t2=1)),
    DiscardReason.IA_TIMES_LATE: lambda: answered(association(1, prefix(), t1=5000, t2=6000)),
    DiscardReason.IA_STATUS_WITH_PREFIX: lambda: answered(association(1, Status(6), prefix())),
    DiscardReason.PREFIX_LIFETIMES: lambda: answered(association(1, prefix(preferred=2, valid=1))),
    DiscardReason.PREFIX_KIND: lambda: answered(association(1, prefix("fe80::/64"))),
    DiscardReason.PREFIX_HOST_BITS: lambda: answered(association(1, IAPrefix(1, 2, 56, b"\x20\1" + b"\1" * 14))),
    DiscardReason.PREFIX_STATUS: lambda: answered(association(1, prefix(SECOND, 1, 2, Status(1)))),
    DiscardReason.PREFIX_OVERLAP: lambda: answered(GOOD, association(2, prefix()), wishes=settings(1, 2).wishes),
    DiscardReason.PREFIX_TOO_LONG: lambda: answered(
        association(1, prefix("2001:db8::/64")), wishes=(IAWish(iaid=1, longest=60),)
    ),
    DiscardReason.TOO_MANY_PREFIXES: lambda: answered(
        association(1, *(prefix(f"2001:db8:{number:x}::/64") for number in range(100)))
    ),
    DiscardReason.MALFORMED_OPTION: lambda: answered(GOOD, OpaqueOption(7, b"")),
    DiscardReason.REPEATED_OPTION: lambda: answered(GOOD, Preference(1), Preference(2)),
    DiscardReason.SURPLUS: with_surplus,
    DiscardReason.RECONFIGURE_UNWANTED: lambda: _then(bound(), lambda c: c.hear(reconfigure())),
    DiscardReason.RECONFIGURE_MALFORMED: lambda: told(reconfigure(None)),
    DiscardReason.RECONFIGURE_UNSIGNED: lambda: told(reconfigure(secret=bytes(16))),
    DiscardReason.RECONFIGURE_REPLAYED: lambda: told(reconfigure(5, 10)),
    DiscardReason.RECONFIGURE_BUSY: lambda: told(reconfigure(5, 11), reconfigure(5, 12)),
    DiscardReason.RECONFIGURE_TOO_OFTEN: told_too_often,
    DiscardReason.RECONFIGURE_POINTLESS: told_for_nothing,
}
"""What brings each reason that a session drops for."""

BEFORE_THE_SESSION = {
    DiscardReason.TRUNCATED,
    DiscardReason.MULTICAST,
    DiscardReason.WRONG_LINK,
    DiscardReason.EMPTY,
    DiscardReason.MALFORMED,
}


def _then(c: Conversation, deed: Callable[[Conversation], object]) -> Conversation:
    """The conversation after one more deed."""
    deed(c)
    return c


class DiscardTests(SynchronousTestCase):
    """What a session drops."""

    def test_every_reason(self) -> None:
        """R-16-12, R-16-20: each reason to drop is given for its stimulus, counted, and told with the sender."""
        self.assertEqual(set(STIMULI) | BEFORE_THE_SESSION, set(DiscardReason))
        for reason, stimulus in STIMULI.items():
            c = stimulus()
            dropped = [each for each in c.of(Discarded) if each.reason is reason]
            self.assertTrue(dropped, reason)
            self.assertGreaterEqual(c.session.counters.discarded[reason], len(dropped))
            for each in dropped:
                sentence = each.reason.sentence(each.message, each.source, each.detail)
                self.assertIn("fe80::1 ", sentence)
                self.assertTrue(sentence.startswith(f"part of {each.message}" if reason.is_part else each.message))
                self.assertTrue(sentence.isprintable())

    def test_sentence(self) -> None:
        """R-16.3-04: a dropped message is told as what it was, from whom, and why."""
        (dropped,) = STIMULI[DiscardReason.TRANSACTION_ID]().of(Discarded)
        sentence = dropped.reason.sentence(dropped.message, dropped.source, dropped.detail)
        self.assertEqual(sentence, "Advertise from fe80::1 dropped: transaction id")


class ShownTests(HouseCase):
    """What an operator is shown of it."""

    def test_dropped(self) -> None:
        """R-16.3-04, R-16.10-02: C{status}, C{why} and C{watch} tell what was dropped, from whom and why, and count."""
        house = self.bound(giving(given("2001:db8::/56")))
        stray = Message(REPLY, 5, (ClientId(CLIENT), ServerId(SERVER)))
        for _ in range(2):
            house.arrive(house.line(), encode(stray))
        sentence = f"Reply from {SERVER_ADDRESS} dropped: nothing was asked"
        self.assertIn(f"wan: {sentence}; the last of 2.", self.why())
        self.assertEqual(self.status()["counters"]["discarded_nothing_asked"], 2)
        self.assertEqual(self.status()["last_dropped"]["nothing_asked"]["text"], sentence)
        events = house.told("discarded")
        self.assertEqual([(each["reason"], each["text"]) for each in events], [("nothing_asked", sentence)] * 2)

    def test_logged(self) -> None:
        """
        PDX-04, B.9-03, R-18.2.10.1-20, R-18.2.10.1-21: what a server gives that cannot be used is in the log unasked,
        as a warning with the server's address: a broken PD_EXCLUDE, bits behind a length, a prefix that is none.
        """
        logged: list[dict[str, object]] = []
        globalLogPublisher.addObserver(logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, logged.append)
        broken = OpaqueOption(67, b"\x40")
        crooked = IAPrefix(3600, 7200, 56, IPv6Address("2001:db8:1::1").packed)
        self.bound(giving(given("2001:db8::/56", 7200, 3600, broken), crooked, given("fe80::/64"), given("::/0")))
        lines = [formatEvent(event) for event in logged if event["log_level"] is LogLevel.warn]
        for words in ("PD_EXCLUDE", "2001:db8:1::/56", "fe80::/64 in IA_PD", "and 1 more"):
            self.assertTrue(any(words in line and SERVER_ADDRESS in line for line in lines), (words, lines))

    def test_dropped_before_it_was_read(self) -> None:
        """R-16-01, R-16-20, R-D-06: the same of datagrams that no session saw."""
        house = self.bound(giving(given("2001:db8::/56")))
        line = house.line()
        whole = datagram(b"\7abc", line.index)
        for reason, arriving in (
            ("multicast", datagram(b"\7abc", line.index, to="ff02::1")),
            ("wrong_link", datagram(b"\7abc", line.index + 1)),
            ("truncated", (*whole[:2], 0x20, whole[3])),
            ("empty", datagram(b"", line.index)),
            ("malformed", datagram(b"\7ab", line.index)),
        ):
            line.arrive(arriving)
            house.reactor.turn()
            self.assertEqual(self.status()["counters"][f"discarded_{reason}"], 1)
            text = self.status()["last_dropped"][reason]["text"]
            self.assertTrue(text.startswith(f"datagram from {SERVER_ADDRESS} dropped: "), text)
            self.assertIn(f"wan: {text}.", self.why())
            self.assertEqual(house.told("discarded")[-1]["text"], text)

    def test_server_without_prefixes(self) -> None:
        """R-18.2.9-03: a server without prefixes: C{waiting: server said NoPrefixAvail, next Solicit in N s}."""
        house = House(ONE)
        house.add_links()
        house.server = Scripted(lambda asked: (IAPD(asked.ia_pds[0].iaid, 0, 0, (Status(6),)),))
        self.house = house
        house.begin().wait(100)
        (_, at) = house.uplink().session.next_message or (None, 0.0)
        sentence = f"waiting: server said NoPrefixAvail, next Solicit in {round(at - house.clock.seconds())} s"
        self.assertEqual((self.status()["reason"], self.status()["reason_text"]), ("nothing_offered", sentence))
        self.assertIn(sentence, self.why())
        (event, *_) = [each for each in house.told("waiting") if each["reason"] == "nothing_offered"]
        self.assertRegex(event["text"], r"^waiting: server said NoPrefixAvail, next Solicit in \d+ s$")
        self.assertEqual(self.status()["counters"]["reason_nothing_offered"], len(house.told("discarded")))

    def test_limit(self) -> None:
        """R-14.1-01: that the limit on messages holds one back is told and counted."""
        house = self.bound(giving(given("2001:db8::/56")))
        for _ in range(30):
            house.uplink().ask(Request.RENEW)
            house.wait(0.05)
        self.assertIn("too many messages in a short time (rate limit)", self.why())
        self.assertIn("rate_limited", [event["reason"] for event in house.told("waiting")])
        house.silent.add("eth0")
        house.wait(30)
        self.assertGreaterEqual(self.status()["counters"]["reason_rate_limited"], 1)

    def test_every_wait_for_the_link(self) -> None:
        """R-5-04: each thing that a link can lack has a reason, which status and event name, and which is counted."""
        house = House(ONE.replace("solicit_delay", 'start = "ra"\nsolicit_delay'))
        self.house = house
        house.begin()
        seen = [self.status()["reason"]]

        def look() -> None:
            house.wait(0.1)
            seen.append(self.status()["reason"])

        kernel = house.kernel
        kernel.detects = True
        kernel.add_link("eth0", is_up=False)
        look()
        kernel.set_up("eth0", True)
        kernel.carrier("eth0", False)
        look()
        kernel.carrier("eth0", True)
        look()
        address = kernel.add_foreign_address("eth0", f"{OWN}/64")
        for flags in (0x40, 0x48, 0):
            kernel._set_address(evolve(address, flags=flags))
            look()
        refused = House(ONE)
        refused.add_links()
        refused.privilege.refusals += [held_port(), PrivilegeError("open port 546 on eth0", EPERM, "no")]
        refused.begin().wait(10)
        inside = House(ONE.replace("solicit_delay", 'vrf = "blue"\nsolicit_delay'))
        inside.add_links()
        inside.begin().wait(0.1)
        blue = inside.kernel.add_link("blue")
        inside.wait(0.1)
        inside.kernel.change("eth0", master=blue.index)
        inside.wait(1)
        self.assertEqual(inside.types()[:1], ["SOLICIT"])
        houses = (house, refused, inside)
        told = {event["reason"] for each in houses for event in each.told("link")} - {None}
        self.assertEqual({*seen, *told}, {wait.name.lower() for wait in Wait})
        for each in houses:
            counters = report.counters(each.uplink())
            for event in each.told("link"):
                self.assertTrue(event["reason"] is None or counters[f"reason_{event['reason']}"], event)


class ReasonTests(SynchronousTestCase):
    """Why a session is as it is."""

    def test_counted(self) -> None:
        """R-18.2.11-04: every reason that a session comes to be as it is for is counted, by name."""
        c = bound()
        c.until_sent(MessageType.SOLICIT)
        counted = c.session.counters.reasons
        for reason in (Reason.LINK_CAME_UP, Reason.NO_ANSWER_YET, Reason.SERVED, Reason.T1_PASSED, Reason.EXPIRED):
            self.assertEqual(counted[reason], 1, reason)

    def test_evidence(self) -> None:
        """R-RST-02: while silence counts against a lease the status says so, and how long it has."""
        c = bound()
        c.link_up(new_link=True)
        c.wait(20)
        self.assertIn("signs of another upstream: given up in 40 s", c.session.explain(c.now))
        c.reply(GOOD)
        self.assertNotIn("another upstream", c.session.explain(c.now))
