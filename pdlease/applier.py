"""
Bringing the kernel to what is wanted, and keeping it there.

Here is what L{pdlease.difference} does not know: what is under way, what was acknowledged but not heard of yet
(L{pdlease.belief}), what was refused and must wait (L{pdlease.patience}).  Each pass compares everything anew, so that
a first assignment, a link that appears late, an address that somebody flushed and a restart are one and the same case.
What is wanted comes from L{pdlease.wanted}; who carries it out is L{pdlease.privilege}; how things stand is
L{pdlease.standing}.

A change of wants is carried out in the same call.  Notices of the kernel come in bursts, and are answered once, no
later than L{GATHER} seconds after the first.  With nothing to do there is no timer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from math import inf

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pdlease.belief import Belief, Beliefs, Believed, shown
from pdlease.claims import Claims
from pdlease.difference import Act, Comparison, Marking, compare
from pdlease.duplicates import Duplicates
from pdlease.flights import Flight, Flights
from pdlease.interfaces import IPrivilege
from pdlease.kernel import ADDRESS_PROTOCOL, IPV6_ENABLED, KernelTable, ObjectKey
from pdlease.ledger import Ledger
from pdlease.linksettings import SETTINGS
from pdlease.logs import Logger
from pdlease.occupancy import Occupancy
from pdlease.operations import DisableIPv6, EnableIPv6, Operation
from pdlease.patience import Patience
from pdlease.placement import falls_with_link, place
from pdlease.settling import Token, token_of
from pdlease.standing import ObjectState, standing
from pdlease.wanted import Wanted, WantedIPv6, WantedSetting

GATHER = 0.02
"""How long (seconds) notices of the kernel are gathered before they are answered."""

PACE = 4.0
"""
So many times as long as comparing everything took, it is not done again: what happens meanwhile is compared at once.
With thousands of objects that bounds what comparing costs; with a few it is nothing.
"""


class Applier:
    """Holds the kernel to what all uplinks together want."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        privilege: IPrivilege,
        ledger: Ledger,
        table: KernelTable,
        changed: Callable[[], None],
        *,
        protocol: int = ADDRESS_PROTOCOL,
    ) -> None:
        """
        Nothing is done, and nothing of an earlier run removed, before L{want} or L{keep_only} is called.

        @param clock: the boot-time clock.
        @param privilege: carries out operations.
        @param ledger: what is ours.
        @param table: what the kernel holds; complete before the first call.
        @param changed: called when the state of some object may have changed.
        @param protocol: our mark on addresses.
        """
        self._clock = clock
        self._ledger = ledger
        self._table = table
        self._changed = changed
        self._marking = Marking(protocol=protocol, is_shown=False)
        self._wants: dict[str, tuple[Wanted, ...]] = {}
        self._unsettled: set[str] = set()
        self._configured: frozenset[str] | None = None
        self._flights = Flights(privilege, self._ended)
        self._beliefs = Beliefs(table)
        self._patience = Patience()
        self._claims = Claims()
        self._occupancy = Occupancy()
        self._push: set[ObjectKey] = set()
        self._up: dict[int, bool] = {}
        self._duplicates = Duplicates()
        self._settled: dict[ObjectKey, Token] = {}
        self._timer: IDelayedCall | None = None
        self._due = inf
        self._paced = -inf
        self._passing = False
        self._stopped = False
        self._cleaned: list[Deferred[tuple[str, ...]]] = []

    # What is wanted.

    def want(self, uplink: str, objects: Iterable[Wanted], *, is_settled: bool = True) -> None:
        """
        Hold the kernel to these objects of an uplink from now on, in place of the earlier ones.

        What can be asked for now has been asked for when this returns.

        @param is_settled: whether it is known what the uplink holds: whatever an earlier run left of it and is not
            wanted is removed then.
        """
        self._wants[uplink] = tuple(objects)
        if is_settled:
            self._unsettled.discard(uplink)
        else:
            self._unsettled.add(uplink)
        # what one gives up and another wants must not be taken away in between
        is_passed_on = self._claims.change(uplink, self._wants[uplink], self._ledger.entries_of(uplink).values())
        self._pass(None if is_passed_on else uplink)

    def keep_only(self, uplinks: Iterable[str]) -> None:
        """
        Tell which uplinks are configured.  What belongs to others, of this run or an earlier one, is removed at once;
        what an earlier run left of these stays until L{want} says what becomes of it.
        """
        self._configured = frozenset(uplinks)
        for uplink in [uplink for uplink in self._wants if uplink not in self._configured]:
            del self._wants[uplink]
            self._claims.change(uplink, ())
        self._pass()

    def cleanup(self) -> Deferred[tuple[str, ...]]:
        """
        Remove all that is ours, and put back the settings that were changed.

        @return: fires when everything has been answered, with a sentence for each thing that could not be undone.
        """
        cleaned: Deferred[tuple[str, ...]] = Deferred()
        self._cleaned.append(cleaned)
        self.keep_only(())
        return cleaned

    # What happens.

    def kernel_changed(self) -> None:
        """Look again soon: the kernel's table has changed.  May be called any number of times."""
        self._look_at(max(self._clock.seconds() + GATHER, self._paced))

    def resumed(self) -> None:
        """Tell the kernel all lifetimes anew: the machine slept, and the kernel's own time stood still."""
        self._push.update(
            key
            for key, (item, _) in self._occupancy.placed.items()
            if not isinstance(item, (WantedIPv6, WantedSetting))
        )
        self._pass()

    def retry(self) -> None:
        """Try at once whatever has to wait: rules or rights have changed."""
        self._patience.forgive()
        self._settled.clear()
        self._pass()

    def stop(self) -> None:
        """Do nothing more and leave everything as it is."""
        self._stopped = True
        self._set_timer(inf)
        self._ledger.close()

    def foresee(self, wants: Mapping[str, tuple[Wanted, ...]], unsettled: Collection[str]) -> tuple[Operation, ...]:
        """
        The operations that would follow if nothing but this were wanted, with refusals forgotten; nothing is done.

        @param wants: as for L{want}, by uplink; L{keep_only} would get these names.
        @param unsettled: the uplinks of which it would not be known yet what they hold.
        """
        now, current = self._clock.seconds(), Believed(self._table, self._beliefs.all)
        placed = place((item for objects in wants.values() for item in objects), current, now)
        acts = compare(
            placed,
            current,
            self._ledger.entries,
            now,
            marking=self._marking,
            skip=self._duplicates.alone,
            kept=unsettled,
        ).acts
        return tuple(operation for act in acts for operation in act.operations)

    # How things stand.

    def state_of(self, item: Wanted) -> ObjectState:
        """How a wanted object stands."""
        now = self._clock.seconds()
        return standing(
            item,
            self._table,
            self._ledger.entries,
            self._patience,
            now,
            self._marking,
            self._settled,
            lambda key: self._flights.lasting(key, now),
        )

    @property
    def problems(self) -> tuple[tuple[Wanted, ObjectState], ...]:
        """Whatever is wanted and has something in its way."""
        states = ((item, self.state_of(item)) for objects in self._wants.values() for item in objects)
        return tuple((item, state) for item, state in states if state.problem is not None)

    # One pass.

    def _pass(self, owner: str | None = None) -> None:
        """
        Compare, and ask for what is to be done.

        @param owner: whose wants have changed, where that is all; everything is compared a little later all the same,
            for what wants have to do with one another.  C{None} for everything now.
        """
        if self._stopped:
            return
        if self._passing:
            # Answers and wants may come while operations are being asked for; they are looked at right after.
            self._look_at(self._clock.seconds())
            return
        self._passing = True
        began = self._clock.seconds()
        try:
            self._read_marks()
            if owner is not None:
                self._compare_wants_of(owner, began)
                self._look_at(max(began + GATHER, self._paced))
            else:
                self._set_timer(inf)
                self._compare_all(began)
                ended = self._clock.seconds()
                self._paced = ended + PACE * (ended - began)
        finally:
            self._passing = False
        self._report()

    def _compare_wants_of(self, owner: str, now: float) -> None:
        """Compare what one uplink wants, and what is ours for it; costs no more for there being others."""
        own = self._ledger.entries_of(owner)
        names = {item.link for item in self._wants[owner]}
        links = {link.index for name in names if (link := self._table.link_named(name)) is not None}
        links.update(entry.index for entry in own.values() if entry.index is not None)
        settings = [(setting, index) for setting in (IPV6_ENABLED, *SETTINGS) for index in links]
        placed = place(self._wants[owner], Believed(self._table, self._beliefs.about(settings, now)), now)
        keys = own.keys() | placed.keys()
        current = Believed(self._table, self._beliefs.about((*settings, *keys), now))
        placed = self._occupancy.claimed(owner, placed)
        for key in self._occupancy.change(owner, placed):
            # Putting it was refused; that says nothing of removing it.
            self._patience.accepted(key)
            self._settled.pop(key, None)
        skip = {key for key in keys if key in self._flights or self._patience.is_barred(key, now)}
        skip.update(self._occupancy.of_others(owner, own), self._left_alone(now))
        found = compare(
            placed,
            current,
            self._ledger.entries,
            now,
            marking=self._marking,
            skip=skip,
            push=self._push,
            kept=(owner,) if owner in self._unsettled else (),
            settled=self._settled,
            among=own,
        )
        self._conclude(found, now, placed)

    def _compare_all(self, now: float) -> None:
        """Compare everything that anybody wants, and all that is ours."""
        ours = self._ledger.entries
        self._beliefs.drop_old(now)
        current = Believed(self._table, self._beliefs.all)
        placed = place((item for objects in self._wants.values() for item in objects), current, now)
        for key in self._occupancy.begin(placed):
            self._patience.accepted(key)
        self._note_links()
        self._push.intersection_update(placed)
        if self._patience:
            self._patience.keep(placed.keys() | ours.keys())
            self._patience.links_changed(self._table.links)
        skip = self._patience.barred(now).union(self._flights.keys, self._left_alone(now))
        self._settled = {key: token for key, token in self._settled.items() if key in placed}
        found = compare(
            placed,
            current,
            ours,
            now,
            marking=self._marking,
            skip=skip,
            push=self._push,
            kept=self._kept(),
            settled=self._settled,
        )
        self._conclude(found, now)
        self._look_at(min(self._beliefs.end, self._patience.due(now)))

    def _conclude(self, found: Comparison, now: float, looked_at: Iterable[ObjectKey] | None = None) -> None:
        """Do what a comparison says; C{looked_at} are the keys that were wanted in it, C{None} for all."""
        self._settled.update(found.settled)
        acts = [act for act in found.acts if not self._is_contested(act, now)]
        self._occupancy.found(found.held, looked_at)
        self._ledger.forget(found.gone)
        self._ledger.note(found.inherited)
        if acts:
            self._carry_out(acts, now)

    def _read_marks(self) -> None:
        """Find out whether this kernel tells marks: since Linux 5.18 it marks addresses of its own as well."""
        if not self._marking.is_shown and any(a.protocol is not None for a in self._table.addresses.values()):
            self._marking = evolve(self._marking, is_shown=True)

    def _note_links(self) -> None:
        """Have everything made again on a link that came up: the kernel may have dropped routes without a word."""
        up: dict[int, bool] = {}
        for key, (item, link) in self._occupancy.placed.items():
            if link is not None:
                up[link.index] = link.is_up
                if link.is_up and self._up.get(link.index) is False and falls_with_link(item):
                    self._push.add(key)
        self._up = up

    def _left_alone(self, now: float) -> Collection[ObjectKey]:
        """The addresses that another host holds."""
        return self._duplicates.among(self._occupancy.placed, self._table.duplicates, now)

    def _kept(self) -> Collection[str]:
        """The uplinks of which it is not settled yet what they hold."""
        settled = self._wants.keys() - self._unsettled
        if self._configured is not None:
            return self._configured - settled
        return {entry.uplink for entry in self._ledger.entries.values()} - settled

    def _is_contested(self, act: Act, now: float) -> bool:
        """Whether this act would put back, once too often, what was there and as it should be a moment ago."""
        if act.wanted is None or act.key in self._push or self._occupancy.held.get(act.key) != act.wanted:
            return False
        if isinstance(act.wanted, WantedSetting):
            return False
        was_contested = self._patience.is_contested(act.key, now)
        is_contested = self._patience.disturbed(act.key, now)
        if is_contested and not was_contested:
            self.log.warn("{operation}: somebody else keeps undoing this", operation=str(act.operations[-1]))
        return is_contested

    # What is under way.

    def _carry_out(self, acts: list[Act], now: float) -> None:
        self._ledger.note(act.entry for act in acts if act.entry is not None)
        flights = [
            Flight(act=act, started=now, seen=shown(self._table, act.key), missing=len(act.operations)) for act in acts
        ]
        for act in acts:
            self._beliefs.drop(act.key)
        self._flights.begin(flights)
        for flight in flights:
            act = flight.act
            is_retry = self._patience.problem(act.key) is not None
            # an address or a route that is there already is only refreshed
            is_change = act.wanted is None or isinstance(act.wanted, WantedSetting)
            is_news = not is_retry and (flight.seen is None or is_change)
            for operation in act.operations:
                (self.log.info if is_news else self.log.debug)("{operation}", operation=operation)

    def _ended(self, flight: Flight) -> None:
        """An act is over."""
        act, now = flight.act, self._clock.seconds()
        if flight.problem is None:
            self._patience.accepted(act.key)
            self._push.discard(act.key)
            self._beliefs.learn(
                act.key,
                Belief.after(act.operations[-1], flight.seen, flight.started, now, self._marking.protocol),
            )
            if act.wanted is None:
                self._ledger.forget((act.key,))
            elif isinstance(act.wanted, WantedSetting) and (token := token_of(act.wanted, self._table)) is not None:
                self._settled[act.key] = token
            if isinstance(act.operations[-1], (EnableIPv6, DisableIPv6)):
                self._table.ask_link(act.operations[-1].index)
        else:
            index = getattr(act.operations[-1], "index", None)
            link = self._table.links.get(index) if index is not None else None
            if self._patience.refused(act.key, flight.problem, link, now):
                self.log.warn("{operation}: {text}", operation=flight.problem.operation, text=flight.problem.text)
        self._look_at(max(now, self._paced))

    # The end of a pass.

    def _report(self) -> None:
        if self._cleaned and not self._flights:
            left = (self._patience.problem(key) for key in self._ledger.entries)
            sentences = tuple(f"{problem.operation}: {problem.text}" for problem in left if problem is not None)
            waiting, self._cleaned = self._cleaned, []
            for cleaned in waiting:
                cleaned.callback(sentences)
        self._changed()

    def _look_at(self, when: float) -> None:
        """Make a pass at this time at the latest."""
        if when < self._due and not self._stopped:
            self._set_timer(when)

    def _set_timer(self, when: float) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self._due = when
        if when != inf:
            self._timer = self._clock.callLater(max(0.0, when - self._clock.seconds()), self._fall_due)

    def _fall_due(self) -> None:
        self._timer = None
        self._due = inf
        self._pass()
