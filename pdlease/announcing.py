"""
That it is known, kept and told which subnets hosts must still hear the end of (RFC 9096 section 3.5).

One value for each uplink (L{pdlease.stale.Announced}), and one timer for when the first of them was told long enough.
Who tells hosts is whoever sends Router Advertisements on the links; it learns it from C{status} and C{watch}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from attrs import evolve
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pdlease.lease import StaleSubnet
from pdlease.stale import Announced, Place


class Announcing:
    """What hosts behind each uplink may know of."""

    def __init__(
        self, clock: IReactorTime, changed: Callable[[str], None], is_there: Callable[[str], bool] = lambda name: True
    ) -> None:
        """
        @param changed: called with the name of an uplink whose stale subnets are others than before.
        @param is_there: whether a link exists; behind one that does not there are no hosts to be told.
        """
        self._clock = clock
        self._is_there = is_there
        self._changed = changed
        self._known: dict[str, Announced] = {}
        self._timer: IDelayedCall | None = None

    def stale(self, name: str) -> tuple[StaleSubnet, ...]:
        """The stale subnets of an uplink; the newest last."""
        known = self._known.get(name)
        return () if known is None else known.stale

    def begin(self, name: str, subnets: Mapping[Place, float], stale: Iterable[StaleSubnet]) -> None:
        """
        An uplink begins, maybe after a restart.

        @param subnets: what was on links until now, and when each ends.
        @param stale: what hosts had to be told of then.
        """
        self._known[name] = Announced(stale=tuple(stale))
        self._become(name, Announced(subnets=dict(subnets), stale=tuple(stale)))
        self._set_timer()

    def carved(self, name: str, subnets: Mapping[Place, float]) -> None:
        """An uplink's subnets are these from now on."""
        self._become(name, self._of(name).after(subnets, self._clock.seconds()))

    def disowned(self, name: str, places: Iterable[Place]) -> None:
        """A server took back what would have been these subnets."""
        self._become(name, self._of(name).told_over(places, self._clock.seconds()))

    def leave(self, name: str, heirs: Mapping[str, Iterable[str]]) -> None:
        """
        An uplink is configured no more: what it had on links is told of by the first other uplink that serves the link.

        @param heirs: the links that each other uplink serves, in order of configuration.
        """
        left = self._known.pop(name, None)
        claimed: set[str] = set()
        for heir, links in heirs.items():
            mine = frozenset(links) - claimed
            claimed |= mine
            if left is not None:
                self._become(heir, self._of(heir).taking_over(left, mine, self._clock.seconds()))

    def stop(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _of(self, name: str) -> Announced:
        return self._known.get(name) or Announced()

    def _become(self, name: str, announced: Announced) -> None:
        before = self.stale(name)
        told = tuple(stale for stale in announced.stale if stale in before or self._is_there(stale.link))
        self._known[name] = announced = evolve(announced, stale=told)
        if announced.stale != before:
            self._set_timer()
            self._changed(name)

    def _set_timer(self) -> None:
        self.stop()
        ends = [end for known in self._known.values() if (end := known.next_end()) is not None]
        if ends:
            self._timer = self._clock.callLater(max(0.0, min(ends) - self._clock.seconds()), self._due)

    def _due(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        for name, known in tuple(self._known.items()):
            self._become(name, known.after(known.subnets, now))
        self._set_timer()
