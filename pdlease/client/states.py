"""
The two tables that are the whole of the client's decisions: one for the exchange with the servers, one for each
identity association.

Both can be printed (C{docs/states.rst} is made from them) and are walked cell by cell in a test.  A pair that is not in
L{EXCHANGE} means: nothing happens; what arrived is dropped and counted.  What finds out which trigger it is lives in
L{pdlease.client.turn}, the only place that changes state, and in L{pdlease.client.verdicts}.
"""

from __future__ import annotations

from enum import Enum, unique

from attrs import frozen

from pdlease.client.reasons import Reason


@unique
class State(Enum):
    """
    What the client is doing on one uplink; every state but DOWN, BOUND and STOPPED has its one exchange of messages.
    """

    DOWN = "the link is down"
    SOLICITING = "looking for servers (Solicit)"
    REQUESTING = "asking one server for prefixes (Request)"
    BOUND = "holding prefixes"
    RENEWING = "extending the lease at its server (Renew, from T1)"
    REBINDING = "extending the lease at any server (Rebind, from T2)"
    CONFIRMING = "asking whether the lease still holds on this link (Rebind with the timing of Confirm)"
    INFORMING = "asking the server for other configuration, lease held (Information-request)"
    RELEASING = "giving the lease back (Release)"
    STOPPED = "asked to be silent"


@unique
class Trigger(Enum):
    """
    What can move the exchange.
    """

    LINK_UP_EMPTY = "link up, nothing held"
    LINK_UP_HOLDING = "link up (or maybe another link), lease held"
    LINK_DOWN = "link down"
    SERVER_CHOSEN = "an Advertise was chosen"
    SERVED = "a Reply gave or extended prefixes"
    UNBOUND = "a Reply said NoBinding"
    REFUSED = "a Reply gave nothing, or the tries are used up; nothing usable is held"
    REFUSED_HOLDING = "a Reply gave nothing, or the tries are used up; sound prefixes are held"
    WITHDRAWN = "a Reply took every prefix away (lifetimes 0)"
    T1 = "T1 passed"
    T1_IN_VAIN = "T1 passed; a Rebind that began before has brought nothing"
    T2 = "T2 passed"
    SPENT = "the exchange's time or tries are used up; a lease is held"
    SPENT_EMPTY = "the exchange's time or tries are used up; nothing is held"
    EXPIRED = "the last valid lifetime ended"
    RENUMBERED = "signs of another upstream, and silence"
    RENEW_ASKED = "Renew asked for"
    REBIND_ASKED = "Rebind asked for"
    SOLICIT_ASKED = "a new search for servers asked for"
    RELEASE_ASKED = "Release asked for, lease held"
    RELEASE_ASKED_EMPTY = "Release asked for, nothing held"
    RELEASED = "the Release is over"
    STOP_ASKED = "silence asked for"
    UPSTREAM_CHANGED = "the upstream network changed, lease held"
    UPSTREAM_CHANGED_EMPTY = "the upstream network changed, nothing held"
    SETTINGS_CHANGED = "other settings, lease held"
    SETTINGS_CHANGED_EMPTY = "other settings, nothing held"
    DATED = "the lease from before the restart could be dated after all"
    TOLD_TO_RENEW = "Reconfigure: Renew"
    TOLD_TO_REBIND = "Reconfigure: Rebind"
    TOLD_TO_INFORM = "Reconfigure: Information-request"
    INFORMED = "the answer to an Information-request"


@frozen
class Step:
    """
    One cell of the exchange table.

    @ivar to: the state that is entered, its exchange begun anew; the same state as before means: begin again.
    @ivar reason: what is told about it.
    @ivar gives_up: whether the lease is given up first, before anything is sent (R-18-01, R-18.2.7-03).
    """

    to: State
    reason: Reason
    gives_up: bool = False


def _exchange() -> dict[tuple[State, Trigger], Step]:
    """
    Write the exchange table down; rows that hold for several states are written once.
    """
    S, T, R = State, Trigger, Reason
    extending = (S.RENEWING, S.REBINDING, S.CONFIRMING)
    resting = (S.BOUND, S.INFORMING)
    holding = (*resting, *extending)
    running = (S.SOLICITING, S.REQUESTING, *holding, S.STOPPED)
    table: dict[tuple[State, Trigger], Step] = {}

    for state in (S.DOWN, *running):
        table[state, T.LINK_UP_EMPTY] = Step(S.SOLICITING, R.LINK_CAME_UP)
        table[state, T.LINK_UP_HOLDING] = Step(S.CONFIRMING, R.LINK_CAME_UP)
    for state in (*running, S.RELEASING):
        table[state, T.LINK_DOWN] = Step(S.DOWN, R.LINK_IS_DOWN)

    table[S.SOLICITING, T.SERVER_CHOSEN] = Step(S.REQUESTING, R.OFFER_CHOSEN)
    table[S.SOLICITING, T.SERVED] = Step(S.BOUND, R.SERVED)
    table[S.SOLICITING, T.SPENT_EMPTY] = Step(S.STOPPED, R.NOBODY_ANSWERED)
    table[S.REQUESTING, T.SERVER_CHOSEN] = Step(S.REQUESTING, R.NEXT_OFFER_CHOSEN)
    table[S.REQUESTING, T.SERVED] = Step(S.BOUND, R.SERVED)
    table[S.REQUESTING, T.REFUSED] = Step(S.SOLICITING, R.REFUSED, gives_up=True)
    table[S.REQUESTING, T.REFUSED_HOLDING] = Step(S.BOUND, R.REFUSED_PARTLY)
    table[S.REQUESTING, T.WITHDRAWN] = Step(S.SOLICITING, R.WITHDRAWN)

    for state in resting:
        table[state, T.T1] = Step(S.RENEWING, R.T1_PASSED)
    for state in (*resting, S.RENEWING):
        table[state, T.T2] = Step(S.REBINDING, R.T2_PASSED)
    for state in extending:
        table[state, T.SERVED] = Step(S.BOUND, R.SERVED)
        table[state, T.UNBOUND] = Step(S.REQUESTING, R.NO_BINDING)
        table[state, T.WITHDRAWN] = Step(S.SOLICITING, R.WITHDRAWN)
    for state in (S.REBINDING, S.CONFIRMING):
        table[state, T.T1_IN_VAIN] = Step(S.RENEWING, R.T1_PASSED)
    table[S.CONFIRMING, T.SPENT] = Step(S.REBINDING, R.NOBODY_CONFIRMED)
    table[S.CONFIRMING, T.SPENT_EMPTY] = Step(S.SOLICITING, R.NOBODY_CONFIRMED)
    for state in holding:
        table[state, T.EXPIRED] = Step(S.SOLICITING, R.EXPIRED)
    for state in (S.REQUESTING, *holding):
        table[state, T.RENUMBERED] = Step(S.SOLICITING, R.RENUMBERED, gives_up=True)

    for state in (S.SOLICITING, S.REQUESTING):
        table[state, T.DATED] = Step(S.CONFIRMING, R.DATED)
    table[S.BOUND, T.TOLD_TO_RENEW] = Step(S.RENEWING, R.SERVER_ASKED)
    table[S.BOUND, T.TOLD_TO_REBIND] = Step(S.REBINDING, R.SERVER_ASKED)
    table[S.BOUND, T.TOLD_TO_INFORM] = Step(S.INFORMING, R.SERVER_ASKED)
    table[S.INFORMING, T.INFORMED] = Step(S.BOUND, R.SERVED)
    table[S.SOLICITING, T.UPSTREAM_CHANGED_EMPTY] = Step(S.SOLICITING, R.UPSTREAM_CHANGED)
    table[S.SOLICITING, T.SETTINGS_CHANGED_EMPTY] = Step(S.SOLICITING, R.SETTINGS_CHANGED)
    table[S.REQUESTING, T.SETTINGS_CHANGED_EMPTY] = Step(S.SOLICITING, R.SETTINGS_CHANGED)
    for state in holding:
        # Whatever was being extended when the last association that held something was dropped from the settings.
        table[state, T.SETTINGS_CHANGED_EMPTY] = Step(S.SOLICITING, R.SETTINGS_CHANGED)
    for state in resting:
        table[state, T.UPSTREAM_CHANGED] = Step(S.RENEWING, R.UPSTREAM_CHANGED)
        table[state, T.SETTINGS_CHANGED] = Step(S.RENEWING, R.SETTINGS_CHANGED)

    for state in (S.REQUESTING, *holding, S.STOPPED):
        table[state, T.RENEW_ASKED] = Step(S.RENEWING, R.ASKED)
        table[state, T.REBIND_ASKED] = Step(S.REBINDING, R.ASKED)
        table[state, T.RELEASE_ASKED] = Step(S.RELEASING, R.ASKED, gives_up=True)
    table[S.DOWN, T.RELEASE_ASKED] = Step(S.DOWN, R.LINK_IS_DOWN, gives_up=True)
    for state in running:
        table[state, T.RELEASE_ASKED_EMPTY] = Step(S.STOPPED, R.RELEASED)
        table[state, T.SOLICIT_ASKED] = Step(S.SOLICITING, R.ASKED, gives_up=True)
    table[S.RELEASING, T.SOLICIT_ASKED] = Step(S.SOLICITING, R.ASKED)
    table[S.RELEASING, T.RELEASED] = Step(S.STOPPED, R.RELEASED)
    for state in (*running, S.RELEASING):
        table[state, T.STOP_ASKED] = Step(S.STOPPED, R.ASKED_TO_STOP)
    return table


EXCHANGE = _exchange()
"""The exchange table: state and trigger to what then happens; a pair that is not here changes nothing."""


@unique
class IAState(Enum):
    """
    How one identity association stands.  The first two hold nothing, the last three hold prefixes.
    """

    WANTED = "wanted, nothing held"
    REFUSED = "a server said no; asked for again with the others"
    HELD = "holding prefixes"
    UNEXTENDED = "holding prefixes that the server did not extend when last asked"
    UNBOUND = "holding prefixes that the server does not know (NoBinding)"


@unique
class IATrigger(Enum):
    """
    What a Reply, or time, does to one identity association.
    """

    SERVED = "given or extended"
    WITHDRAWN = "every prefix taken away (valid lifetime 0)"
    REFUSED = "present without a usable prefix, or with a failure status"
    UNBOUND = "NoBinding"
    ABSENT = "not in the Reply"
    LOST = "expired or given up"


def _associations() -> dict[tuple[IAState, IATrigger], IAState]:
    """
    Write the table of the associations down; every pair is in it.
    """
    S, T = IAState, IATrigger
    table: dict[tuple[IAState, IATrigger], IAState] = {}
    for state in S:
        table[state, T.SERVED] = S.HELD
        table[state, T.WITHDRAWN] = S.WANTED
        table[state, T.LOST] = S.WANTED
    for empty in (S.WANTED, S.REFUSED):
        table[empty, T.REFUSED] = table[empty, T.UNBOUND] = S.REFUSED
        table[empty, T.ABSENT] = empty
    for held in (S.HELD, S.UNEXTENDED):
        table[held, T.REFUSED] = table[held, T.ABSENT] = S.UNEXTENDED
        table[held, T.UNBOUND] = S.UNBOUND
    for trigger in (T.REFUSED, T.ABSENT, T.UNBOUND):
        table[S.UNBOUND, trigger] = S.UNBOUND
    return table


ASSOCIATION = _associations()
"""The table of the identity associations: state and trigger to the next state; complete."""
