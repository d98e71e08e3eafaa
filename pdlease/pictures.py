"""
Tells what has become of addresses and guests in the kernel, as events: installed, taken away, contested.

What an uplink's session does is told by L{pdlease.uplink}; how a thing stands, L{pdlease.standing} finds out.  Here the
two pictures before and after are compared, a moment after something has changed, so that what was put right at once is
told to nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

LOOK_AFTER = 0.2
"""Seconds after a change until the picture is compared: what changes in between is compared with it."""

Picture = Mapping[str, Mapping[str, Any]]
"""Documents by owner and by what they are about."""


class Pictures:
    """
    Compares pictures, and tells what differs.

    @param clock: calls later.
    @param look: makes a picture.
    @param tell: called with an owner and its documents that are new or another, and the names of those that are gone.
    """

    def __init__(
        self,
        clock: IReactorTime,
        look: Callable[[], Picture],
        tell: Callable[[str, list[Any], list[str]], None],
    ) -> None:
        self._clock = clock
        self._look = look
        self._tell = tell
        self._before: Picture = {}
        self._call: IDelayedCall | None = None
        self._stopped = False

    def changed(self) -> None:
        """Something may be another than it was."""
        if self._call is None and not self._stopped:
            self._call = self._clock.callLater(LOOK_AFTER, self._compare)

    def stop(self) -> None:
        """Tell nothing more."""
        self._stopped = True
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _compare(self) -> None:
        self._call = None
        before, self._before = self._before, self._look()
        for owner in dict.fromkeys((*before, *self._before)):
            was, now = before.get(owner, {}), self._before.get(owner, {})
            differ = [document for name, document in now.items() if was.get(name) != document]
            gone = [name for name in was if name not in now]
            if differ or gone:
                self._tell(owner, differ, gone)
