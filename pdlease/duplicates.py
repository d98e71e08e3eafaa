"""
Addresses that another host on the link holds: for how long they are left alone.

The kernel says so only once (L{pdlease.kernel.KernelTable.duplicates}); putting such an address back at once would ask
the same question for ever.  What else has to wait is L{pdlease.patience}.
"""

from __future__ import annotations

from collections.abc import Mapping

from pdlease.kernel import AddressKey, ObjectKey
from pdlease.logs import Logger
from pdlease.placement import Placed
from pdlease.wanted import Wanted

DUPLICATE_WAIT = 60.0
"""
How long (seconds) at least an address stays away after another host was found to hold it; even then it is tried again
only when a Reply has renewed it.
"""


class Duplicates:
    """
    @ivar alone: the addresses that are left alone, with what was wanted when they were found to be another's.
    """

    log = Logger()

    def __init__(self) -> None:
        self.alone: Mapping[ObjectKey, Wanted] = {}

    def among(self, placed: Placed, found: Mapping[AddressKey, float], now: float) -> Mapping[ObjectKey, Wanted]:
        """
        Those that are left alone now.

        @param placed: what is wanted.
        @param found: when the kernel took an address away because another host holds it.
        """
        alone: dict[ObjectKey, Wanted] = {}
        for key, since in found.items():
            if key not in placed:
                continue
            item = placed[key][0]
            if key not in self.alone:
                self.log.warn("{address}: another host on {link} holds it", address=str(key[1]), link=item.link)
            first = self.alone.get(key, item)
            if first == item or now - since < DUPLICATE_WAIT:
                alone[key] = first
        self.alone = alone
        return alone
