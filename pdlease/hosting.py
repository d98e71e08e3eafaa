"""
Switches and guests while the daemon runs: what they want, and which /64 each guest keeps.

What is wanted is worked out by L{pdlease.guests}, carried out by L{pdlease.applier}, and told by
L{pdlease.guestreport}.  A guest's /64 comes with the lease of an uplink (L{pdlease.router}); which one it is, is
remembered here, and written down after it was applied (design 18).
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from pdlease.applier import Applier
from pdlease.config import model
from pdlease.guests import Groups, Numbers, UnknownGroup, numbers_after, shares_of, shortened, wanted_by_owner
from pdlease.identity import Identity, KnownSubnet
from pdlease.logs import Logger
from pdlease.places import CannotStart
from pdlease.subnets import GuestShare
from pdlease.wanted import CarvedPrefix, Wanted

RETRY = 60.0
"""After so many seconds numbers that could not be written down are tried again."""


def numbers_of(identity: Identity) -> Numbers:
    """Which /64 each guest has, as it is remembered."""
    return {(known.guest, known.nic, known.uplink, known.delegation): known.number for known in identity.subnets}


def known_subnets(numbers: Numbers) -> tuple[KnownSubnet, ...]:
    """The same as it is written down."""
    return tuple(
        KnownSubnet(guest=guest, nic=nic, uplink=uplink, delegation=delegation, number=number)
        for (guest, nic, uplink, delegation), number in sorted(numbers.items())
    )


class Hosting:
    """
    @ivar wants: what each switch and guest wants, by owner.
    @ivar numbers: which /64 each guest has.
    """

    log = Logger()

    def __init__(
        self,
        applier: Applier,
        clock: IReactorTime,
        keep: Callable[[Numbers], Deferred[None]],
        groups: Groups,
        numbers: Numbers,
    ) -> None:
        """
        @param applier: brings the kernel to what is wanted.
        @param clock: the boot-time clock.
        @param keep: writes numbers down.
        @param groups: the numbers of link groups by name.
        @param numbers: what is written down.
        """
        self.wants: dict[str, tuple[Wanted, ...]] = {}
        self.numbers = numbers
        self._applier = applier
        self._clock = clock
        self._keep = keep
        self._groups = groups
        self._kept = numbers
        self._config = model.Config()
        self._writing = False
        self._retry: IDelayedCall | None = None
        self._stopped = False

    def check(self, config: model.Config) -> None:
        """
        Find out whether a configuration can be put in place.

        @raise CannotStart: when it names a link group that this machine has no number for.
        """
        try:
            wanted_by_owner(config, self._groups)
        except UnknownGroup as problem:
            raise CannotStart(str(problem)) from None

    def prepare(self, config: model.Config) -> frozenset[str]:
        """
        Take a configuration over; nothing is done yet.

        @return: the owners of whatever will be wanted.
        """
        self._config = config
        self.wants = wanted_by_owner(config, self._groups)
        for sentence in shortened(config):
            self.log.warn("{sentence}", sentence=sentence)
        return frozenset(self.wants)

    def foresee(self, config: model.Config) -> dict[str, tuple[Wanted, ...]]:
        """What switches and guests would want under a configuration that was checked, by owner."""
        return wanted_by_owner(config, self._groups)

    def put(self) -> None:
        """Have everything wanted of the kernel."""
        for owner, objects in self.wants.items():
            self._applier.want(owner, objects)

    def shares(self, config: model.Config, uplink: model.Uplink) -> tuple[GuestShare, ...]:
        """What guests want of an uplink's first delegation."""
        if not uplink.delegations:
            return ()
        return shares_of(config, uplink.name, uplink.delegations[0].key, self.numbers)

    def carved(self, uplink: str, carvings: tuple[CarvedPrefix, ...]) -> None:
        """Remember what guests got out of an uplink's prefixes."""
        self.numbers = numbers_after(self.numbers, uplink, carvings)
        self._write()

    def stop(self) -> None:
        """Write no more."""
        self._stopped = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _write(self) -> None:
        if self._writing or self._stopped or self._retry is not None or self.numbers == self._kept:
            return
        self._writing = True
        numbers = self.numbers
        maybeDeferred(self._keep, numbers).addCallbacks(self._written, self._failed, callbackArgs=(numbers,))

    def _written(self, _: None, numbers: Numbers) -> None:
        self._writing = False
        self._kept = numbers
        self._write()

    def _failed(self, failure: Failure) -> None:
        """The numbers stay in use; only a restart would forget them."""
        self._writing = False
        self.log.error("the subnets of guests are not written down: {problem}", problem=failure.getErrorMessage())
        if not self._stopped:
            self._retry = self._clock.callLater(RETRY, self._again)

    def _again(self) -> None:
        self._retry = None
        self._write()
