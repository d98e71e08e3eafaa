"""
System calls that Python has no name for, through the C library.
"""

from __future__ import annotations

import ctypes
import os

_LIBRARY = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_SECCOMP = 22
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39
PR_CAP_AMBIENT = 47


def prctl(option: int, second: int = 0, third: int = 0) -> int:
    """
    Control this process (prctl(2)).

    @raise OSError: when it fails.
    """
    numbers = (ctypes.c_ulong(second), ctypes.c_ulong(third), ctypes.c_ulong(0), ctypes.c_ulong(0))
    return _checked(_LIBRARY.prctl(ctypes.c_int(option), *numbers), "prctl")


def syscall(number: int, *arguments: object) -> int:
    """
    Call a system call by its number; arguments are integers or ctypes values.

    @raise OSError: when it fails.
    """
    return _checked(
        _LIBRARY.syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)),
        f"system call {number}",
    )


def give_memory_back() -> None:
    """Give memory that was freed back to the kernel, where the C library can."""
    trim = getattr(_LIBRARY, "malloc_trim", None)
    if trim is not None:
        trim(0)


def _checked(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return int(result)
