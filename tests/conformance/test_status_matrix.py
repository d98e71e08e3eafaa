"""
Table C.8.1: where a status code is found, which code, in answer to what; every cell has its expectation.
"""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.occurrences import Released, Request
from pdlease.client.states import State
from pdlease.wire.chain import Option
from pdlease.wire.codes import MessageType
from pdlease.wire.options import RapidCommit, Status
from tests.scenarios.conversation import PREFIX, Conversation, association, bound, names, prefix, settings

CODES = (0, 1, 2, 3, 4, 5, 6, 22, 65535)
PLACES = ("message", "IA_PD", "IAPREFIX")
ASKED = ("SOLICIT", "RAPID SOLICIT", "REQUEST", "RENEW", "REBIND", "CONFIRMING", "RELEASE")
WITH_PREFIX = (True, False)

SUCCESS, USE_MULTICAST, NO_BINDING, UNSPEC_FAIL = 0, 5, 3, 1


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


def content(place: str, code: int, with_prefix: bool) -> tuple[Option, ...]:
    """The options of an answer: one association, with its prefix (valid 5000 s) or without, and one status."""
    status = Status(code, "words")
    if place == "message":
        return (status, association(1, prefix(valid=5000))) if with_prefix else (status, association(1))
    if place == "IA_PD":
        return (association(1, status, prefix(valid=5000)),) if with_prefix else (association(1, status),)
    return (association(1, prefix(PREFIX, 3000, 5000, status)),)


def expected(what: str, place: str, code: int, with_prefix: bool) -> str:
    """
    What the table says that becomes of it.

    C{used}: the prefix is offered, given or extended.  C{ignored}: the search goes on.  C{goes on}: the exchange goes
    on at its pace, what is held stays.  C{refused}: a new search, hold-off.  C{anew}: Request to the answering server.
    C{done}: the Release is over.
    """
    if what == "RELEASE":
        return "done"
    extending = what in {"RENEW", "REBIND", "CONFIRMING"}
    advertise = what == "SOLICIT"
    nothing = {True: "goes on", False: "refused"}[extending]
    if advertise or what == "RAPID SOLICIT":
        nothing = "ignored"
    if place == "message":
        if advertise:
            return "used" if with_prefix else "ignored"
        if code in {UNSPEC_FAIL, USE_MULTICAST}:
            return "ignored" if what == "RAPID SOLICIT" else "goes on"
        if code == NO_BINDING and extending:
            return "anew"
        return "used" if with_prefix else nothing
    if place == "IA_PD":
        if code == NO_BINDING and extending:
            return "anew"
        harmless = code == SUCCESS or (advertise and code == USE_MULTICAST)
        return "used" if harmless and with_prefix else nothing
    return "used" if code == SUCCESS else nothing


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
    def test_every_cell(self) -> None:
        """C.8.1, R-18.2.7-06, R-18.2.10.1-10, R-18.2.10.1-24: each place, code and answered message."""
        cells = 0
        for what, place, code, with_prefix in product(ASKED, PLACES, CODES, WITH_PREFIX):
            if place == "IAPREFIX" and not with_prefix:
                continue
            c = asked(what)
            count, due = len(c.sent), c.session.due
            options = content(place, code, with_prefix)
            if what == "SOLICIT":
                c.advertise(*options, preference=255)
            else:
                c.reply(*((RapidCommit(),) if what == "RAPID SOLICIT" else ()), *options)
            cell = (what, place, code, with_prefix)
            self.assertEqual((cell, found(c, what, count, due)), (cell, expected(*cell)))
            cells += 1
        self.assertEqual(cells, 7 * 9 * 5)
