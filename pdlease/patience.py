"""
When something that failed may be tried again.

Two things make an object wait: the kernel or the helper refused it, or somebody else takes it away again and again.
Both are only counted here; what is done and when the clock is looked at is L{pdlease.applier}.

Times are seconds of the boot-time clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import inf

from attrs import evolve, frozen

from pdlease.kernel import Link, ObjectKey

REFUSED_WAIT = (1.0, 60.0)
"""First and longest wait (seconds) after a refusal; each is twice the one before."""

CONTEST = (5, 60.0)
"""An object taken away so many times in so many seconds is contested."""

CONTESTED_WAIT = (5.0, 300.0)
"""First and longest wait (seconds) before a contested object is put back; each is twice the one before."""


@frozen(kw_only=True)
class Problem:
    """
    Why an object is not as wanted.

    @ivar operation: what was to be done, in words.
    @ivar errno: the kernel's error number; 0 where it is not the kernel that is in the way.
    @ivar text: the reason, in the kernel's own words where it had some.
    """

    operation: str
    errno: int
    text: str


@frozen(kw_only=True)
class _Refusal:
    problem: Problem
    link: Link | None
    wait: float
    until: float


@frozen(kw_only=True)
class _Contest:
    times: tuple[float, ...]
    wait: float = 0.0


class Patience:
    """What has to wait, and for how long."""

    def __init__(self) -> None:
        self._refusals: dict[ObjectKey, _Refusal] = {}
        self._contests: dict[ObjectKey, _Contest] = {}

    def __bool__(self) -> bool:
        return bool(self._refusals or self._contests)

    def refused(self, key: ObjectKey, problem: Problem, link: Link | None, now: float) -> bool:
        """
        An operation was refused.

        @param link: the link as it was then; a change of it is reason to try at once.
        @return: whether this is news, rather than the same refusal again.
        """
        earlier = self._refusals.get(key)
        wait = REFUSED_WAIT[0] if earlier is None else min(2 * earlier.wait, REFUSED_WAIT[1])
        self._refusals[key] = _Refusal(problem=problem, link=link, wait=wait, until=now + wait)
        return earlier is None or earlier.problem != problem

    def accepted(self, key: ObjectKey) -> None:
        """An operation succeeded."""
        self._refusals.pop(key, None)

    def disturbed(self, key: ObjectKey, now: float) -> bool:
        """
        An object of ours was taken away or changed by somebody else.

        @return: whether it is contested and therefore has to wait.
        """
        contest = self._contests.get(key)
        if contest is None or now - contest.times[-1] > contest.wait + CONTEST[1]:
            contest = _Contest(times=())
        times = (*contest.times, now)[-CONTEST[0] :]
        if contest.wait:
            wait = min(2 * contest.wait, CONTESTED_WAIT[1])
        elif len(times) == CONTEST[0] and now - times[0] <= CONTEST[1]:
            wait = CONTESTED_WAIT[0]
        else:
            wait = 0.0
        self._contests[key] = _Contest(times=times, wait=wait)
        return wait > 0

    def links_changed(self, links: Mapping[int, Link]) -> None:
        """Whatever was refused on a link that is not as it was then may be tried now; what was refused stays known."""
        for key, refusal in self._refusals.items():
            if refusal.link is not None and links.get(refusal.link.index) != refusal.link:
                self._refusals[key] = evolve(
                    refusal, link=links.get(refusal.link.index), wait=REFUSED_WAIT[0] / 2, until=-inf
                )

    def forgive(self) -> None:
        """Everything may be tried now."""
        self._refusals = {
            key: evolve(refusal, wait=REFUSED_WAIT[0] / 2, until=-inf) for key, refusal in self._refusals.items()
        }
        self._contests.clear()

    def keep(self, keys: Collection[ObjectKey]) -> None:
        """Forget whatever is not among C{keys}."""
        for known in (self._refusals, self._contests):
            for key in [key for key in known if key not in keys]:
                del known[key]

    def barred(self, now: float) -> set[ObjectKey]:
        """What has to wait now."""
        return {key for key, refusal in self._refusals.items() if refusal.until > now} | {
            key for key, contest in self._contests.items() if contest.times[-1] + contest.wait > now
        }

    def is_barred(self, key: ObjectKey, now: float) -> bool:
        """Whether one object has to wait now."""
        refusal, contest = self._refusals.get(key), self._contests.get(key)
        return (refusal is not None and refusal.until > now) or (
            contest is not None and contest.times[-1] + contest.wait > now
        )

    def due(self, now: float) -> float:
        """When the next wait ends; C{inf} if there is none."""
        return min(
            (
                until
                for until in (
                    *(refusal.until for refusal in self._refusals.values()),
                    *(contest.times[-1] + contest.wait for contest in self._contests.values()),
                )
                if until > now
            ),
            default=inf,
        )

    def problem(self, key: ObjectKey) -> Problem | None:
        """Why an object was refused, or C{None}."""
        refusal = self._refusals.get(key)
        return refusal.problem if refusal is not None else None

    def is_contested(self, key: ObjectKey, now: float) -> bool:
        """Whether somebody else keeps taking an object away, until it has been left alone for a while."""
        contest = self._contests.get(key)
        return contest is not None and contest.wait > 0 and now - contest.times[-1] <= contest.wait + CONTEST[1]
