"""
What has been asked of the privilege provider and not been answered yet.

An act (L{pdlease.acts}) may need several operations; it is over with the last answer.  What is asked for and what
follows from an answer is L{pdlease.applier}'s to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

from attrs import define
from twisted.python.failure import Failure

from pdlease.acts import Act
from pdlease.belief import Shown
from pdlease.interfaces import IPrivilege
from pdlease.kernel import ObjectKey
from pdlease.logs import Logger
from pdlease.operations import Operation, PrivilegeError
from pdlease.patience import Problem


@define(kw_only=True, eq=False)
class Flight:
    """
    An act under way.

    @ivar started: boot-clock second at which it began.
    @ivar seen: what the table showed then.
    @ivar missing: how many answers are.
    @ivar problem: the first refusal, or C{None}.
    """

    act: Act
    started: float
    seen: Shown
    missing: int
    problem: Problem | None = None


class Flights:
    """
    All that is under way, by the key of its object.
    """

    log = Logger()

    def __init__(self, privilege: IPrivilege, ended: Callable[[Flight], None]) -> None:
        """
        @param ended: called with each act that is over, maybe before L{begin} returns.
        """
        self._privilege = privilege
        self._ended = ended
        self._flights: dict[ObjectKey, Flight] = {}

    @property
    def keys(self) -> Iterable[ObjectKey]:
        """The keys of all objects that something is under way about."""
        return self._flights.keys()

    def __contains__(self, key: ObjectKey) -> bool:
        return key in self._flights

    def __bool__(self) -> bool:
        return bool(self._flights)

    def lasting(self, key: ObjectKey, now: float) -> float:
        """For how long (seconds) an answer about an object has been owed; 0 where none is."""
        flight = self._flights.get(key)
        return now - flight.started if flight is not None else 0.0

    def begin(self, flights: Iterable[Flight]) -> None:
        """Ask for everything that these acts need, in order."""
        asked: list[tuple[Flight, Operation]] = []
        for flight in flights:
            self._flights[flight.act.key] = flight
            asked.extend((flight, operation) for operation in flight.act.operations)
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

    def _refused(self, failure: Failure, flight: Flight, operation: Operation) -> None:
        if failure.check(PrivilegeError):
            refusal = cast(PrivilegeError, failure.value)
            problem = Problem(operation=str(operation), errno=refusal.errno, text=refusal.reason)
        else:
            problem = Problem(operation=str(operation), errno=0, text=failure.getErrorMessage())
        flight.problem = flight.problem or problem
        self._answered(flight)

    def _answered(self, flight: Flight) -> None:
        """One answer for an act has come; with the last one the act is over."""
        flight.missing -= 1
        if not flight.missing:
            del self._flights[flight.act.key]
            self._ended(flight)
