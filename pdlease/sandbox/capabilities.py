"""
Capabilities: which this process has, and giving all away but a few.

When that happens relative to the change of user is L{pdlease.sandbox.closing}.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from pdlease.sandbox.libc import PR_CAP_AMBIENT, PR_CAPBSET_DROP, PR_CAPBSET_READ, prctl

SETGID = 6
SETUID = 7
SETPCAP = 8
NET_BIND_SERVICE = 10
NET_ADMIN = 12

NAMES = {
    SETGID: "SETGID",
    SETUID: "SETUID",
    SETPCAP: "SETPCAP",
    NET_BIND_SERVICE: "NET_BIND_SERVICE",
    NET_ADMIN: "NET_ADMIN",
}

WITHOUT = {
    NET_BIND_SERVICE: "port 546 cannot be opened",
    NET_ADMIN: "the kernel refuses every address, route and setting of a link",
}
"""What does not work without a capability."""

_VERSION_3 = 0x20080522
_AMBIENT_CLEAR_ALL = 4

_LIBRARY = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def effective() -> frozenset[int]:
    """The capabilities that this process can use now."""
    data = _get()
    return _numbers(data[0].effective | data[1].effective << 32)


def permitted() -> frozenset[int]:
    """The capabilities that this process has, used or not."""
    data = _get()
    return _numbers(data[0].permitted | data[1].permitted << 32)


def limit_bounding(kept: Iterable[int]) -> None:
    """
    Take every capability out of the bounding set but these; needs SETPCAP, without which nothing is done.

    @raise OSError: when the kernel refuses.
    """
    if SETPCAP not in effective():
        return
    wanted = frozenset(kept)
    for number in range(64):
        try:
            is_there = prctl(PR_CAPBSET_READ, number)
        except OSError:  # the kernel has no more
            return
        if is_there and number not in wanted:
            prctl(PR_CAPBSET_DROP, number)


def limit(kept: Iterable[int]) -> None:
    """
    Give every capability away but these, as far as this process has them; none is inherited by anything.

    @raise OSError: when the kernel refuses.
    """
    mask = sum(1 << number for number in permitted() & frozenset(kept))
    prctl(PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    data = (_Data * 2)(
        _Data(effective=mask & 0xFFFFFFFF, permitted=mask & 0xFFFFFFFF, inheritable=0),
        _Data(effective=mask >> 32, permitted=mask >> 32, inheritable=0),
    )
    if _LIBRARY.capset(ctypes.byref(_Header(version=_VERSION_3, pid=0)), data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "capset")


def name(number: int) -> str:
    """What a capability is called."""
    return NAMES.get(number, str(number))


def lack(number: int) -> str:
    """What it means that a capability is not there, and where to get it in a container, in a sentence."""
    consequence = WITHOUT.get(number, "something that it needs does not work")
    return f"without the capability {name(number)} {consequence} (in a container: --cap-add={name(number)})"


def _get() -> ctypes.Array[_Data]:
    data = (_Data * 2)()
    if _LIBRARY.capget(ctypes.byref(_Header(version=_VERSION_3, pid=0)), data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "capget")
    return data


def _numbers(mask: int) -> frozenset[int]:
    return frozenset(number for number in range(64) if mask >> number & 1)
