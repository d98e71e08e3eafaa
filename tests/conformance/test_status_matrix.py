"""
Table C.8.1: where a status code is found, which code, in answer to what; every cell has its expectation, which is
written out here as in the table and asks nothing of the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import Discarded, Released, Request
from pdlease.client.reasons import DiscardReason
from pdlease.client.states import State
from pdlease.wire.chain import Option
from pdlease.wire.codes import MessageType
from pdlease.wire.options import RapidCommit, Status
from tests.scenarios.conversation import PREFIX, Conversation, association, bound, names, prefix, settings

CODES = (0, 1, 2, 3, 4, 5, 6, 22, 65535)
PLACES = ("message", "IA_PD", "IAPREFIX")
ASKED = ("SOLICIT", "RAPID SOLICIT", "REQUEST", "RENEW", "REBIND", "CONFIRMING", "RELEASE")
WITHIN = {"message": ("prefix", "nothing", "no IA"), "IA_PD": ("prefix", "nothing"), "IAPREFIX": ("prefix",)}
"""What the answer holds beside the status."""


def asked(what: str) -> Conversation:
    """A conversation that waits for the answer to a message."""
    if what in {"SOLICIT", "RAPID SOLICIT", "REQUEST"}:
        c = Conversation(settings(rapid_commit=what == "RAPID SOLICIT"))
        c.link_up()
        if what == "REQUEST":
            c.advertise(association(1, prefix()), preference=255)
        return c
    c = bound()
    c.wait(10)
    if what == "CONFIRMING":
        c.link_up()
    elif what == "RELEASE":
        c.ask(Request.RELEASE)
    else:
        c.until_sent(MessageType[what])
    return c


def content(place: str, code: int, within: str) -> tuple[Option, ...]:
    """The options of an answer: one association, with its prefix (valid 5000 s) or without, and one status."""
    status = Status(code, "words")
    prefixes = (prefix(valid=5000),) if within == "prefix" else ()
    if place == "message":
        return (status,) if within == "no IA" else (status, association(1, *prefixes))
    if place == "IA_PD":
        return (association(1, status, *prefixes),)
    return (association(1, prefix(PREFIX, 3000, 5000, status)),)


# The table, column by column, for the codes in their order; what each word comes to is said by L{expected}.
TABLE: Mapping[tuple[str, str], tuple[str, ...]] = {
    # 0, 1, 2, 3, 4, 5, 6, 22, 65535
    ("message", "Advertise"): ("judge", "judge", "judge", "judge", "judge", "judge", "judge", "judge", "judge"),
    ("IA_PD", "Advertise"): ("judge", "failed", "failed", "failed", "failed", "judge", "failed", "failed", "failed"),
    ("message", "asking"): ("judge", "unread", "judge", "failed", "failed", "unread", "judge", "judge", "judge"),
    ("message", "extending"): ("judge", "unread", "judge", "anew", "judge", "unread", "judge", "judge", "judge"),
    ("IA_PD", "asking"): ("judge", "failed", "failed", "failed", "failed", "failed", "failed", "failed", "failed"),
    ("IA_PD", "extending"): ("judge", "failed", "failed", "anew", "failed", "failed", "failed", "failed", "failed"),
    # R-18.2.10.1-24: a failure inside a prefix concerns that prefix.
    ("IAPREFIX", "Advertise"): ("judge", *("failed",) * 8),
    ("IAPREFIX", "asking"): ("judge", *("failed",) * 8),
    ("IAPREFIX", "extending"): ("judge", *("failed",) * 8),
}

COLUMN = {
    "SOLICIT": "Advertise",
    "RAPID SOLICIT": "asking",
    "REQUEST": "asking",
    "RENEW": "extending",
    "REBIND": "extending",
    "CONFIRMING": "extending",
}

NOTHING = {"SOLICIT": "ignored", "RAPID SOLICIT": "ignored", "REQUEST": "refused"}
"""What becomes of an answer with nothing to use; of one that was to extend: C{goes on}."""


def expected(what: str, place: str, code: int, within: str) -> str:
    """
    What the table says that becomes of it.

    C{used}: the prefix is offered, given or extended.  C{ignored}: the search goes on.  C{goes on}: the exchange goes
    on at its pace, what is held stays.  C{refused}: a new search, hold-off.  C{anew}: Request to the answering server.
    C{done}: the Release is over.
    """
    if what == "RELEASE":
        return "done"
    word = TABLE[place, COLUMN[what]][CODES.index(code)]
    if word == "judge" and within == "prefix":
        return "used"
    if word == "anew":
        return "anew"
    if word == "unread":
        return "ignored" if what == "RAPID SOLICIT" else "goes on"
    return NOTHING.get(what, "goes on")


def found(c: Conversation, what: str, count: int, due: float | None) -> str:
    """What became of it, by what can be observed."""
    sent = [message.message_type for _, message in c.sent[count:]]
    if what == "RELEASE":
        return "done" if len(c.of(Released)) == 1 and c.state is State.STOPPED and not sent else "not done"
    if what == "SOLICIT":
        if sent == [MessageType.REQUEST]:
            return "used"
        return "ignored" if not sent and c.state is State.SOLICITING and c.session.due == due else "odd"
    if c.state is State.BOUND and c.session.lease.prefixes[0].valid_until == c.now + 5000 and not sent:
        return "used"
    if sent == [MessageType.REQUEST] and c.held == [PREFIX] and names(c.last) == [PREFIX]:
        return "anew"
    if sent == [MessageType.SOLICIT] and not c.held and len(c.session.hold_offs) == 1:
        return "refused"
    if not sent and c.session.due == due:
        if what == "RAPID SOLICIT":
            return "ignored"
        held = [] if what == "REQUEST" else [PREFIX]
        return "goes on" if c.held == held else "odd"
    return "odd"


class StatusMatrixTests(SynchronousTestCase):
    """Each place, each code, each message that is answered, with a prefix, an empty IA_PD, or none."""

    cells = 0

    def check(self, code: int) -> None:
        """All cells of one code."""
        for what, (place, within) in product(ASKED, [(where, each) for where in PLACES for each in WITHIN[where]]):
            c = asked(what)
            count, due = len(c.sent), c.session.due
            options = content(place, code, within)
            if what == "SOLICIT":
                c.advertise(*options, preference=255)
            else:
                c.reply(*((RapidCommit(),) if what == "RAPID SOLICIT" else ()), *options)
            cell = (what, place, code, within)
            self.assertEqual((cell, found(c, what, count, due)), (cell, expected(*cell)))
            self.cells += 1
        self.assertEqual(self.cells, len(ASKED) * 6)

    def test_success(self) -> None:
        """C.8.1-00, R-18.2.10-01: Success."""
        self.check(0)

    def test_unspecified_failure(self) -> None:
        """C.8.1-01, R-18.2.10-03: UnspecFail."""
        self.check(1)

    def test_no_addresses(self) -> None:
        """C.8.1-02, C.15-13: NoAddrsAvail."""
        self.check(2)

    def test_no_binding(self) -> None:
        """C.8.1-03, R-18.2.10.1-10, R-18.2.7-06: NoBinding."""
        self.check(3)

    def test_not_on_link(self) -> None:
        """C.8.1-04: NotOnLink."""
        self.check(4)

    def test_use_multicast(self) -> None:
        """C.8.1-05, R-18.2.10-06: UseMulticast."""
        self.check(5)

    def test_no_prefix(self) -> None:
        """C.8.1-06, R-18.2.10.1-24: NoPrefixAvail."""
        self.check(6)

    def test_unknown(self) -> None:
        """C.8.1-07, R-18.2.10-04: a code that this client does not know."""
        self.check(22)

    def test_unknown_to_all(self) -> None:
        """C.8.1-07: a code that nobody knows."""
        self.check(65535)

    def test_failed_with_prefix(self) -> None:
        """
        C.8.1-08: a prefix beside NoPrefixAvail or NoAddrsAvail is no offer, and is not used, by Request or Renew; the
        server is held off, and both facts are told, each time, with another prefix in each Reply as well.
        """
        for code in (2, 6):
            c = asked("SOLICIT")
            c.advertise(association(1, Status(code, "none left"), prefix()), preference=255)
            self.assertEqual(
                (c.types(), c.discards()),
                (["SOLICIT"], [DiscardReason.IA_STATUS_WITH_PREFIX, DiscardReason.NOTHING_OFFERED]),
            )
            c = asked("REQUEST")
            for number in range(3):
                c.forget()
                c.reply(association(1, Status(code, "none left"), prefix(f"2001:db8:{number + 1:x}00::/56")))
                self.assertEqual((c.held, c.types()[-1]), ([], "SOLICIT"))
                (dropped,) = c.of(Discarded)
                self.assertIs(dropped.reason, DiscardReason.IA_STATUS_WITH_PREFIX)
                self.assertIn("none left", dropped.detail)
                self.assertIn("none left", c.session.explain(c.now))
                c.advertise(association(1, prefix()), preference=255)
                self.assertEqual(c.types()[-1], "SOLICIT")
                c.until_sent(MessageType.SOLICIT)
                c.wait(8)
                c.advertise(association(1, prefix()))
                c.until_sent(MessageType.REQUEST)
            c = asked("RENEW")
            c.reply(association(1, Status(code, "none left"), prefix(valid=9000)))
            self.assertEqual((c.session.lease.prefixes[0].valid_until, len(c.of(Discarded))), (5000.0, 1))
