"""
Write states.rst anew, from the tables that the client goes by.

Run it in the project's folder: python docs/generate_states.py
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pdlease.client.reasons import Change, DiscardReason, Reason, Wait
from pdlease.client.states import ASSOCIATION, EXCHANGE, IAState, IATrigger, State, Trigger
from pdlease.client.turn import EXCHANGES

FILE = Path(__file__).with_name("states.rst")

HEAD = """\
The client's states
===================

..
   Written by docs/generate_states.py from pdlease/client/states.py; do not edit.

A session is always in one of these states, and each of them but three has one exchange of messages:

{states}

The exchange table
------------------

Where there is no row nothing happens: what arrived is dropped and counted. "Gives up" means that the lease is given up
before anything is sent. Entering a state begins its exchange anew, with a new transaction id.

{exchange}

The table of identity associations
----------------------------------

Each IA_PD of the uplink has a state of its own. What a Reply says about all of them together decides the trigger in the
table above: one that was given or extended is enough for *served*, one NoBinding in the answer to Renew or Rebind for
*unbound*.

{associations}

{association}

Reasons
-------

Why a session is as it is (``reason`` in the status document and in the event ``waiting``, in lower case; how often is
``reason_...`` among the counters):

{reasons}

Why nothing can be sent on a link at present (the same, and ``reason`` of the event ``link``):

{waits}

Why a lease changed (``change`` of the event ``lease``):

{changes}

Why something received was dropped (``discarded_...`` among the counters):

{discards}
"""


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A simple table."""
    body = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in [list(head), *body]) for column in range(len(head))]
    rule = "  ".join("=" * width for width in widths)

    def line(row: Sequence[str]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

    return "\n".join([rule, line(head), rule, *(line(row) for row in body), rule])


def message(state: State) -> str:
    """The message that a state sends."""
    if state not in EXCHANGES:
        return "none"
    return EXCHANGES[state][0].name.capitalize().replace("_", "-")


def page() -> str:
    """The whole page."""
    return HEAD.format(
        states=grid(("state", "message", "meaning"), ((state.name, message(state), state.value) for state in State)),
        exchange=grid(
            ("state", "trigger", "next state", "gives up", "reason"),
            (
                (state.name, trigger.value, step.to.name, "yes" if step.gives_up else "no", step.reason.name)
                for state in State
                for trigger in Trigger
                for step in [EXCHANGE.get((state, trigger))]
                if step is not None
            ),
        ),
        associations=grid(("state", "meaning"), ((state.name, state.value) for state in IAState)),
        association=grid(
            ("what a Reply says, or time does", *(state.name for state in IAState)),
            ((trigger.value, *(ASSOCIATION[state, trigger].name for state in IAState)) for trigger in IATrigger),
        ),
        reasons=grid(("reason", "sentence"), ((reason.name, reason.value) for reason in Reason)),
        waits=grid(("reason", "waiting for"), ((wait.name, wait.value) for wait in Wait)),
        changes=grid(("change", "meaning"), ((change.name, change.value) for change in Change)),
        discards=grid(("reason", "meaning"), ((reason.name, reason.value) for reason in DiscardReason)),
    )


if __name__ == "__main__":
    FILE.write_text(page())
