"""
Time that neither the wall clock nor a suspend can bend: the boot-time clock, and calls that are due by it.

Twisted's reactor counts wall-clock time, so a clock that is stepped (a router without a battery starts in 1970) moves
its timers.  L{BootClock} is the C{IReactorTime} that everything in pdlease is given instead; L{SystemTimes} tells the
clocks of the machine for what must be converted between them.  What falls due when is decided in L{pdlease.client} and
L{pdlease.applier}; nothing here knows what it wakes.  Calls that wait are kept in L{pdlease.pending}.

Row R-15-11; design 13 and 14.

How it works.  One timerfd on CLOCK_BOOTTIME is armed, absolutely, for the earliest call, and is not armed at all when
there is none: an idle daemon is never woken.  CLOCK_BOOTTIME goes on while the machine sleeps, so what became overdue
in a suspend fires at resume.  The kernel's own lifetimes of addresses and routes stand still in a suspend, so somebody
must hear of it even when nothing is due: a second timerfd, on CLOCK_REALTIME and set to be cancelled when that clock
jumps (TFD_TIMER_CANCEL_ON_SET), becomes readable at resume, and at a step of the wall clock: that moves no call, but
whoever could not believe the wall clock so far may want to look at it again (L{BootClock.on_jump}).

Forks.  twistd leaves its terminal by fork before any service starts.  Descriptors and the reactor's epoll survive that,
but the clock opens its timers at first use all the same, which is later; making a clock touches no descriptor.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from ctypes import CDLL, Structure, byref, c_int, c_long, get_errno, sizeof
from errno import EAGAIN, ECANCELED
from math import ceil, inf
from time import CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime
from typing import Protocol

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IDelayedCall, IReactorFDSet, IReactorTime, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from pdlease import RELEASED
from pdlease.interfaces import ITimeSource
from pdlease.logs import Logger
from pdlease.pending import PendingCalls

SUSPENDED = 0.5
"""A suspend shorter than this many seconds is not worth telling; the lifetimes of DHCPv6 are whole seconds."""

_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_ABSOLUTE, _CANCEL_ON_SET = 1, 2
_FAR = 2.0 ** (33 if sizeof(c_long) > 4 else 31) - 1  # seconds: no timer is armed for later, and a C long holds it
_UNSYNCHRONISED = 0x40


class Timers(Protocol):
    """The system calls under a L{BootClock}: L{KernelTimers}, or a fake that is held to the same tests."""

    def boot(self) -> float:
        """Tell the seconds since boot, suspends included."""

    def monotonic(self) -> float:
        """Tell the seconds since boot, suspends left out."""

    def open(self) -> tuple[int, int]:
        """Make both timers; the descriptors of the one that L{arm} arms and of the one that tells of jumps."""

    def arm(self, when: float | None) -> None:
        """Have the first descriptor readable from this second of the boot clock on; C{None}: not at all."""

    def clear(self) -> bool:
        """Have neither descriptor readable until the next time or jump; whether there was a jump."""

    def close(self) -> None:
        """Give both descriptors back."""


class _Timespec(Structure):
    _fields_ = [("seconds", c_long), ("nanoseconds", c_long)]


class _Setting(Structure):
    _fields_ = [("interval", _Timespec), ("value", _Timespec)]


class KernelTimers:
    """L{Timers} of the kernel, through the C library: Python has C{os.timerfd_create} only from 3.13 on."""

    def __init__(self) -> None:
        # Looked up now: later the sandbox may be closed.
        library = CDLL(None, use_errno=True)
        self._create = library.timerfd_create
        self._set = library.timerfd_settime
        self._due = self._jump = -1

    def boot(self) -> float:
        return clock_gettime(CLOCK_BOOTTIME)

    def monotonic(self) -> float:
        return clock_gettime(CLOCK_MONOTONIC)

    def open(self) -> tuple[int, int]:
        self._due = self._checked(self._create(CLOCK_BOOTTIME, _NONBLOCK_CLOEXEC), "timerfd_create")
        self._jump = self._checked(self._create(CLOCK_REALTIME, _NONBLOCK_CLOEXEC), "timerfd_create")
        self._watch_jumps()
        return self._due, self._jump

    def arm(self, when: float | None) -> None:
        # Rounded up, so that the timer is never early; 0 would disarm it.
        nanoseconds = 0 if when is None else max(1, ceil(min(when, _FAR) * 1e9))
        self._settime(self._due, _ABSOLUTE, nanoseconds)

    def clear(self) -> bool:
        self._read(self._due)
        jumped = self._read(self._jump)
        if jumped:
            self._watch_jumps()
        return jumped

    def close(self) -> None:
        for descriptor in (self._due, self._jump):
            if descriptor >= 0:
                os.close(descriptor)
        self._due = self._jump = -1

    def _watch_jumps(self) -> None:
        self._settime(self._jump, _ABSOLUTE | _CANCEL_ON_SET, int(_FAR * 1e9))

    def _settime(self, descriptor: int, flags: int, nanoseconds: int) -> None:
        setting = _Setting(_Timespec(0, 0), _Timespec(*divmod(nanoseconds, 1_000_000_000)))
        self._checked(self._set(descriptor, flags, byref(setting), None), "timerfd_settime")

    @staticmethod
    def _checked(result: int, call: str) -> int:
        if result < 0:
            number = get_errno()
            raise OSError(number, f"{call}: {os.strerror(number)}")
        return result

    @staticmethod
    def _read(descriptor: int) -> bool:
        """Read the count of a timer; whether there was one (or a jump, ECANCELED)."""
        try:
            os.read(descriptor, 8)
        except OSError as problem:
            if problem.errno not in (EAGAIN, ECANCELED):
                raise
            return problem.errno == ECANCELED
        return True


@implementer(IReadDescriptor)
class _Wake:
    """One descriptor of a L{BootClock}, as the reactor knows it."""

    def __init__(self, descriptor: int, woken: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._woken = woken

    def fileno(self) -> int:
        return self._descriptor

    def doRead(self) -> None:
        self._woken()

    def connectionLost(self, reason: Failure) -> None:
        """Nothing to do: the descriptors are L{Timers}'s."""

    def logPrefix(self) -> str:
        return "clock"


@implementer(IReactorTime)
class BootClock:
    """
    C{IReactorTime} by the boot-time clock (R-15-11); see the head of this module.

    C{seconds()} counts from the machine's boot.  A call is never made before its time; a machine that slept makes what
    is overdue as soon as it wakes.
    """

    log = Logger()

    def __init__(self, reactor: IReactorFDSet, timers: Timers | None = None) -> None:
        """
        @param reactor: watches the timers' descriptors; it is not asked for the time.
        @param timers: the system calls, by default the kernel's.
        """
        self._reactor = reactor
        self._timers = timers if timers is not None else KernelTimers()
        self._calls = PendingCalls(self._timers.boot, self._arm)
        self._wakes: tuple[_Wake, ...] = ()
        self._armed: float | None = None
        self._listeners: list[Callable[[float], None]] = []
        self._jump_listeners: list[Callable[[], None]] = []
        self._slept = self._timers.boot() - self._timers.monotonic()

    def seconds(self) -> float:
        return self._timers.boot()

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kwargs: object) -> IDelayedCall:
        return self._calls.add(delay, callable, args, kwargs)

    def getDelayedCalls(self) -> list[DelayedCall]:
        return self._calls.active()

    def on_resume(self, listener: Callable[[float], None]) -> None:
        """
        Have C{listener} called after each suspend with the seconds it lasted, before anything that is overdue; shorter
        ones than L{SUSPENDED} add up.
        """
        self._listeners.append(listener)
        self._open()

    def on_jump(self, listener: Callable[[], None]) -> None:
        """Have C{listener} called after each jump of the wall clock: somebody set it, or the machine slept."""
        self._jump_listeners.append(listener)
        self._open()

    def close(self) -> None:
        """Forget every call and give the descriptors back."""
        for call in self._calls.active():
            call.cancel()
        for wake in self._wakes:
            self._reactor.removeReader(wake)
        if self._wakes:
            self._timers.close()
        self._wakes = ()

    def _open(self) -> None:
        if not self._wakes:
            self._wakes = tuple(_Wake(descriptor, self._woken) for descriptor in self._timers.open())
            for wake in self._wakes:
                self._reactor.addReader(wake)

    def _arm(self) -> None:
        """Arm the timer for the earliest call, if it is not."""
        when = self._calls.next_time()
        if when == inf:
            when = None
        if when != self._armed:
            self._open()
            self._timers.arm(when)
            self._armed = when

    def _woken(self) -> None:
        """Do what is due.  Nothing may be raised here: the reactor would drop the descriptor for good."""
        try:
            self._armed = None
            jumped = self._timers.clear()
            self._notice_suspend()
            self._calls.run(self._timers.boot())
            self._arm()
            for listener in tuple(self._jump_listeners) if jumped else ():
                listener()
        except Exception:
            self.log.failure("the clock was woken and failed")

    def _notice_suspend(self) -> None:
        slept = self._timers.boot() - self._timers.monotonic()
        lasted = slept - self._slept
        if lasted < SUSPENDED:
            return
        self._slept = slept
        for listener in tuple(self._listeners):
            try:
                listener(lasted)
            except Exception:
                self.log.failure("a listener failed after a suspend")


class _Timex(Structure):
    """The head of C{struct timex} (adjtimex(2)); the rest is room."""

    _fields_ = [
        ("modes", c_int),
        ("offset", c_long),
        ("frequency", c_long),
        ("maximum_error", c_long),
        ("estimated_error", c_long),
        ("status", c_int),
        ("room", c_long * 40),
    ]


@implementer(ITimeSource)
class SystemTimes:
    """
    The clocks of this machine.

    Making one reads the boot id and finds C{adjtimex}; afterwards no file is opened.
    """

    def __init__(self, boot_id_path: str = "/proc/sys/kernel/random/boot_id") -> None:
        """
        @raise OSError: when the kernel's boot id cannot be read.
        """
        with open(boot_id_path, encoding="ascii") as boot_id:
            self._boot_id = boot_id.read().strip()
        self._adjtimex = CDLL(None, use_errno=True).adjtimex

    def boot(self) -> float:
        return clock_gettime(CLOCK_BOOTTIME)

    def wall(self) -> float:
        return clock_gettime(CLOCK_REALTIME)

    def boot_id(self) -> str:
        return self._boot_id

    def wall_is_trusted(self) -> bool:
        return self.kernel_is_synchronised() or self.wall() >= RELEASED

    def kernel_is_synchronised(self) -> bool:
        """Whether the kernel says that something disciplines its wall clock (STA_UNSYNC is not set)."""
        timex = _Timex(modes=0)
        return self._adjtimex(byref(timex)) >= 0 and not timex.status & _UNSYNCHRONISED
