"""
Tests for L{pdlease.client.states}: the tables, walked cell by cell.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from runpy import run_path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from pdlease.client.states import ASSOCIATION, EXCHANGE, IAState, IATrigger, State, Trigger
from pdlease.client.turn import EXCHANGES

S, T = State, Trigger

LOSING = {T.REFUSED, T.RENUMBERED, T.SOLICIT_ASKED, T.RELEASE_ASKED}
"""The triggers that give the lease up."""

AFTER_LOSS = {T.EXPIRED, T.WITHDRAWN, T.LINK_UP_EMPTY, T.SPENT_EMPTY, T.SETTINGS_CHANGED_EMPTY}
"""The triggers that say that nothing is held."""


class ExchangeTableTests(SynchronousTestCase):
    def test_square(self) -> None:
        """The table, cell by cell, is the square written down here; what is blank changes nothing."""
        order = list(S)
        square = {
            #                         DOWN SOL  REQ  BND  REN  REB  CNF  INF  REL  STO
            T.LINK_UP_EMPTY: "        SOL  SOL  SOL  SOL  SOL  SOL  SOL  SOL  .    SOL",
            T.LINK_UP_HOLDING: "      CNF  CNF  CNF  CNF  CNF  CNF  CNF  CNF  .    CNF",
            T.LINK_DOWN: "            .    DWN  DWN  DWN  DWN  DWN  DWN  DWN  DWN  DWN",
            T.SERVER_CHOSEN: "        .    REQ  REQ  .    .    .    .    .    .    .  ",
            T.SERVED: "               .    BND  BND  .    BND  BND  BND  .    .    .  ",
            T.UNBOUND: "              .    .    .    .    REQ  REQ  REQ  .    .    .  ",
            T.REFUSED: "              .    .    SOL  .    .    .    .    .    .    .  ",
            T.REFUSED_HOLDING: "      .    .    BND  .    .    .    .    .    .    .  ",
            T.WITHDRAWN: "            .    .    SOL  .    SOL  SOL  SOL  .    .    .  ",
            T.T1: "                   .    .    .    REN  .    .    .    REN  .    .  ",
            T.T1_IN_VAIN: "           .    .    .    .    .    REN  REN  .    .    .  ",
            T.T2: "                   .    .    .    REB  REB  .    .    REB  .    .  ",
            T.SPENT: "                .    .    .    .    .    .    REB  .    .    .  ",
            T.SPENT_EMPTY: "          .    STO  .    .    .    .    SOL  .    .    .  ",
            T.EXPIRED: "              .    .    .    SOL  SOL  SOL  SOL  SOL  .    .  ",
            T.RENUMBERED: "           .    .    SOL  SOL  SOL  SOL  SOL  SOL  .    .  ",
            T.RENEW_ASKED: "          .    .    REN  REN  REN  REN  REN  REN  .    REN",
            T.REBIND_ASKED: "         .    .    REB  REB  REB  REB  REB  REB  .    REB",
            T.SOLICIT_ASKED: "        .    SOL  SOL  SOL  SOL  SOL  SOL  SOL  SOL  SOL",
            T.RELEASE_ASKED: "        DWN  .    REL  REL  REL  REL  REL  REL  .    REL",
            T.RELEASE_ASKED_EMPTY: "  .    STO  STO  STO  STO  STO  STO  STO  .    STO",
            T.RELEASED: "             .    .    .    .    .    .    .    .    STO  .  ",
            T.STOP_ASKED: "           .    STO  STO  STO  STO  STO  STO  STO  STO  STO",
            T.UPSTREAM_CHANGED: "     .    .    .    REN  .    .    .    REN  .    .  ",
            T.UPSTREAM_CHANGED_EMPTY: ".    SOL  .    .    .    .    .    .    .    .  ",
            T.SETTINGS_CHANGED: "     .    .    .    REN  .    .    .    REN  .    .  ",
            T.SETTINGS_CHANGED_EMPTY: ".    SOL  SOL  SOL  SOL  SOL  SOL  SOL  .    .  ",
            T.DATED: "                .    CNF  CNF  .    .    .    .    .    .    .  ",
            T.TOLD_TO_RENEW: "        .    .    .    REN  .    .    .    .    .    .  ",
            T.TOLD_TO_REBIND: "       .    .    .    REB  .    .    .    .    .    .  ",
            T.TOLD_TO_INFORM: "       .    .    .    INF  .    .    .    .    .    .  ",
            T.INFORMED: "             .    .    .    .    .    .    .    BND  .    .  ",
        }
        short = {
            "DWN": S.DOWN,
            "SOL": S.SOLICITING,
            "REQ": S.REQUESTING,
            "BND": S.BOUND,
            "REN": S.RENEWING,
            "REB": S.REBINDING,
            "CNF": S.CONFIRMING,
            "INF": S.INFORMING,
            "REL": S.RELEASING,
            "STO": S.STOPPED,
        }
        self.assertEqual(set(square), set(T))
        for trigger, row in square.items():
            cells = row.split()
            self.assertEqual(len(cells), len(order), trigger)
            for state, cell in zip(order, cells, strict=True):
                step = EXCHANGE.get((state, trigger))
                self.assertEqual((state, trigger, step and step.to), (state, trigger, short.get(cell)))

    def test_what_gives_up(self) -> None:
        """R-18-01, R-18.2.7-03: a lease is given up by just the triggers that begin anew or release it."""
        for (state, trigger), step in EXCHANGE.items():
            self.assertEqual(step.gives_up, trigger in LOSING and state is not S.RELEASING, (state, trigger))

    def test_no_search_beside_a_lease(self) -> None:
        """R-18-01: whatever leads to a Solicit either finds nothing held or gives it up first."""
        for (state, trigger), step in EXCHANGE.items():
            if step.to is S.SOLICITING and state not in {S.SOLICITING, S.RELEASING}:
                self.assertTrue(step.gives_up or trigger in AFTER_LOSS, (state, trigger))

    def test_states_with_an_exchange(self) -> None:
        """Every state has its one exchange of messages, but DOWN, BOUND and STOPPED."""
        self.assertEqual(set(S) - set(EXCHANGES), {S.DOWN, S.BOUND, S.STOPPED})

    def test_every_trigger_and_state_occurs(self) -> None:
        """Every state can be entered and every trigger does something."""
        self.assertEqual({step.to for step in EXCHANGE.values()}, set(S))
        self.assertEqual({trigger for _, trigger in EXCHANGE}, set(T))


class AssociationTableTests(SynchronousTestCase):
    def test_square(self) -> None:
        """The table of associations, cell by cell; it is complete."""
        order = list(IAState)
        square = {
            #                     WANTED   REFUSED  HELD        UNEXTENDED  UNBOUND
            IATrigger.SERVED: "   HELD     HELD     HELD        HELD        HELD",
            IATrigger.WITHDRAWN: "WANTED   WANTED   WANTED      WANTED      WANTED",
            IATrigger.REFUSED: "  REFUSED  REFUSED  UNEXTENDED  UNEXTENDED  UNBOUND",
            IATrigger.UNBOUND: "  REFUSED  REFUSED  UNBOUND     UNBOUND     UNBOUND",
            IATrigger.ABSENT: "   WANTED   REFUSED  UNEXTENDED  UNEXTENDED  UNBOUND",
            IATrigger.LOST: "     WANTED   WANTED   WANTED      WANTED      WANTED",
        }
        for trigger, row in square.items():
            for state, cell in zip(order, row.split(), strict=True):
                self.assertEqual((state, trigger, ASSOCIATION[state, trigger].name), (state, trigger, cell))
        self.assertEqual(set(ASSOCIATION), set(product(IAState, IATrigger)))


class PageTests(SynchronousTestCase):
    def test_page_is_generated(self) -> None:
        """The page of states holds exactly what the tables say.  (To write it anew: docs/generate_states.py.)"""
        docs = Path(__file__).parents[2] / "docs"
        if not docs.is_dir():
            raise SkipTest("the documentation is not beside the tests")
        page = run_path(str(docs / "generate_states.py"))["page"]
        self.assertEqual((docs / "states.rst").read_text(), page())
