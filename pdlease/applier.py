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
from typing import cast

from attrs import define, evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from pdlease.belief import Belief, Believed, Shown, shown
from pdlease.difference import Act, Marking, compare
from pdlease.interfaces import IPrivilege
from pdlease.kernel import ADDRESS_PROTOCOL, KernelTable, ObjectKey
from pdlease.ledger import Ledger
from pdlease.logs import Logger
from pdlease.operations import DisableIPv6, EnableIPv6, Operation, PrivilegeError
from pdlease.patience import Patience, Problem
from pdlease.placement import Placed, falls_with_link, place
from pdlease.settling import Token, token_of
from pdlease.standing import ObjectState, standing
from pdlease.wanted import Wanted, WantedIPv6, WantedSetting

GATHER = 0.02
"""How long (seconds) notices of the kernel are gathered before they are answered."""

DUPLICATE_WAIT = 60.0
"""
How long (seconds) at least an address stays away after another host was found to hold it; even then it is tried again
only when a Reply has renewed it.
"""


@define(kw_only=True, eq=False)
class _Flight:
    """An act under way: when it began, what the table showed then, how many answers are missing, the first refusal."""

    act: Act
    started: float
    seen: Shown
    missing: int
    problem: Problem | None = None


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
        self._privilege = privilege
        self._ledger = ledger
        self._table = table
        self._changed = changed
        self._marking = Marking(protocol=protocol, is_shown=False)
        self._wants: dict[str, tuple[Wanted, ...]] = {}
        self._unsettled: set[str] = set()
        self._configured: frozenset[str] | None = None
        self._flights: dict[ObjectKey, _Flight] = {}
        self._beliefs: dict[ObjectKey, Belief] = {}
        self._patience = Patience()
        self._held: Mapping[ObjectKey, Wanted] = {}
        self._placed: Placed = {}
        self._push: set[ObjectKey] = set()
        self._up: dict[int, bool] = {}
        self._duplicates: dict[ObjectKey, Wanted] = {}
        self._settled: dict[ObjectKey, Token] = {}
        self._timer: IDelayedCall | None = None
        self._due = inf
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
        self._pass()

    def keep_only(self, uplinks: Iterable[str]) -> None:
        """
        Tell which uplinks are configured.  What belongs to others, of this run or an earlier one, is removed at once;
        what an earlier run left of these stays until L{want} says what becomes of it.
        """
        self._configured = frozenset(uplinks)
        for uplink in [uplink for uplink in self._wants if uplink not in self._configured]:
            del self._wants[uplink]
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
        self._look_at(self._clock.seconds() + GATHER)

    def resumed(self) -> None:
        """Tell the kernel all lifetimes anew: the machine slept, and the kernel's own time stood still."""
        self._push.update(
            key for key, (item, _) in self._placed.items() if not isinstance(item, (WantedIPv6, WantedSetting))
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
        now, current = self._clock.seconds(), Believed(self._table, self._beliefs)
        placed = place((item for objects in wants.values() for item in objects), current, now)
        acts = compare(
            placed, current, self._ledger.entries, now, marking=self._marking, skip=self._duplicates, kept=unsettled
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
            lambda key: now - self._flights[key].started if key in self._flights else 0.0,
        )

    @property
    def problems(self) -> tuple[tuple[Wanted, ObjectState], ...]:
        """Whatever is wanted and has something in its way."""
        states = ((item, self.state_of(item)) for objects in self._wants.values() for item in objects)
        return tuple((item, state) for item, state in states if state.problem is not None)

    # One pass.

    def _pass(self) -> None:
        """Compare everything, and ask for what is to be done."""
        if self._stopped:
            return
        if self._passing:
            # Answers and wants may come while operations are being asked for; they are looked at right after.
            self._look_at(self._clock.seconds())
            return
        self._passing = True
        try:
            self._set_timer(inf)
            self._compare(self._clock.seconds())
        finally:
            self._passing = False
        self._report()

    def _compare(self, now: float) -> None:
        ours = self._ledger.entries
        self._drop_beliefs(now)
        self._read_marks()
        current = Believed(self._table, self._beliefs)
        placed = place((item for objects in self._wants.values() for item in objects), current, now)
        if self._patience:
            # Putting it was refused; that says nothing of removing it.
            for key in self._placed.keys() - placed.keys():
                self._patience.accepted(key)
        self._placed = placed
        self._note_links()
        self._push.intersection_update(placed)
        if self._patience:
            self._patience.keep(placed.keys() | ours.keys())
            self._patience.links_changed(self._table.links)
        skip = self._patience.barred(now) | self._flights.keys() | self._duplicates_among(now)
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
        self._settled.update(found.settled)
        acts = [act for act in found.acts if not self._is_contested(act, now)]
        self._held = found.held
        self._ledger.forget(found.gone)
        self._ledger.note(found.inherited)
        if acts:
            self._carry_out(acts, now)
        beliefs = min((belief.until for belief in self._beliefs.values()), default=inf)
        self._look_at(min(beliefs, self._patience.due(now)))

    def _drop_beliefs(self, now: float) -> None:
        """Let go of beliefs that the table has caught up with, or should have."""
        for key, belief in tuple(self._beliefs.items()):
            if now >= belief.until or shown(self._table, key) != belief.seen:
                del self._beliefs[key]

    def _read_marks(self) -> None:
        """Find out whether this kernel tells marks: since Linux 5.18 it marks addresses of its own as well."""
        if not self._marking.is_shown and any(a.protocol is not None for a in self._table.addresses.values()):
            self._marking = evolve(self._marking, is_shown=True)

    def _note_links(self) -> None:
        """Have everything made again on a link that came up: the kernel may have dropped routes without a word."""
        up: dict[int, bool] = {}
        for key, (item, link) in self._placed.items():
            if link is not None:
                up[link.index] = link.is_up
                if link.is_up and self._up.get(link.index) is False and falls_with_link(item):
                    self._push.add(key)
        self._up = up

    def _duplicates_among(self, now: float) -> set[ObjectKey]:
        """The addresses that another host holds: left alone until a Reply renews them, and for a while at least."""
        alone: dict[ObjectKey, Wanted] = {}
        for key, since in self._table.duplicates.items():
            if key not in self._placed:
                continue
            item = self._placed[key][0]
            if key not in self._duplicates:
                self.log.warn("{address}: another host on {link} holds it", address=str(key[1]), link=item.link)
            first = self._duplicates.get(key, item)
            if first == item or now - since < DUPLICATE_WAIT:
                alone[key] = first
        self._duplicates = alone
        return set(alone)

    def _kept(self) -> Collection[str]:
        """The uplinks of which it is not settled yet what they hold."""
        settled = self._wants.keys() - self._unsettled
        if self._configured is not None:
            return self._configured - settled
        return {entry.uplink for entry in self._ledger.entries.values()} - settled

    def _is_contested(self, act: Act, now: float) -> bool:
        """Whether this act would put back, once too often, what was there and as it should be a moment ago."""
        if act.wanted is None or act.key in self._push or self._held.get(act.key) != act.wanted:
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
        asked: list[tuple[_Flight, Operation]] = []
        for act in acts:
            flight = _Flight(act=act, started=now, seen=shown(self._table, act.key), missing=len(act.operations))
            self._flights[act.key] = flight
            self._beliefs.pop(act.key, None)
            asked.extend((flight, operation) for operation in act.operations)
        try:
            answers = self._privilege.perform([operation for _, operation in asked])
        except Exception:
            # A provider that fails as a whole is one that refuses everything: tried again, with growing delay.
            failure = Failure()
            self.log.failure("asking for operations", failure)
            for flight, operation in asked:
                self._refused(failure, flight, operation)
            return
        for (flight, operation), answer in zip(asked, answers, strict=True):
            answer.addCallbacks(
                lambda _, flight=flight: self._answered(flight), self._refused, errbackArgs=(flight, operation)
            )
        for flight, operation in asked:
            is_retry = self._patience.problem(flight.act.key) is not None
            is_news = not is_retry and (flight.seen is None or flight.act.wanted is None)
            (self.log.info if is_news else self.log.debug)("{operation}", operation=operation)

    def _refused(self, failure: Failure, flight: _Flight, operation: Operation) -> None:
        if failure.check(PrivilegeError):
            refusal = cast(PrivilegeError, failure.value)
            problem = Problem(operation=str(operation), errno=refusal.errno, text=refusal.reason)
        else:
            problem = Problem(operation=str(operation), errno=0, text=failure.getErrorMessage())
        flight.problem = flight.problem or problem
        self._answered(flight)

    def _answered(self, flight: _Flight) -> None:
        """One answer for an act has come; with the last one the act is over."""
        flight.missing -= 1
        if flight.missing:
            return
        act = flight.act
        del self._flights[act.key]
        now = self._clock.seconds()
        if flight.problem is None:
            self._patience.accepted(act.key)
            self._push.discard(act.key)
            self._beliefs[act.key] = Belief.after(
                act.operations[-1], flight.seen, flight.started, now, self._marking.protocol
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
        self._look_at(now)

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
