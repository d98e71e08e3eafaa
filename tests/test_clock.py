"""
Tests for L{pdlease.clock}.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from math import inf, nan
from typing import Any
from unittest import skipUnless

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IReactorTime, IReadDescriptor
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pdlease.clock import RELEASED, SUSPENDED, BootClock, KernelTimers, SystemTimes
from pdlease.interfaces import ITimeSource

NEVER = 3600.0


class Readers:
    """The part of a reactor that a clock may use; what it reads is read when a test says so."""

    def __init__(self) -> None:
        self.readers: list[Any] = []

    def addReader(self, reader: object) -> None:
        verifyObject(IReadDescriptor, reader)
        self.readers.append(reader)

    def removeReader(self, reader: object) -> None:
        self.readers.remove(reader)

    def read(self, ready: Callable[[int], bool]) -> int:
        """Have every descriptor read that is ready; how many that were."""
        due = [reader for reader in self.readers if ready(reader.fileno())]
        for reader in due:
            reader.doRead()
        return len(due)


class FakeTimers:
    """
    The system calls of a clock, under a test's thumb.

    @ivar calls: every call that sets something, in order.
    @ivar failing: whether the next L{clear} fails.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 50.0
        self.armed: float | None = None
        self.jumped = False
        self.failing = False
        self.calls: list[tuple[object, ...]] = []

    def boot(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now - self.slept

    def open(self) -> tuple[int, int]:
        self.calls.append(("open",))
        return 7, 8

    def arm(self, when: float | None) -> None:
        self.calls.append(("arm", when))
        self.armed = when

    def clear(self) -> bool:
        if self.failing:
            self.failing = False
            raise OSError(5, "broken")
        if self.is_due():
            self.armed = None
        jumped, self.jumped = self.jumped, False
        return jumped

    def close(self) -> None:
        self.calls.append(("close",))

    def is_due(self) -> bool:
        return self.armed is not None and self.armed <= self.now

    def is_ready(self, descriptor: int) -> bool:
        return self.is_due() if descriptor == 7 else self.jumped


class TimersContract:
    """What a clock expects of its system calls; the fake passes the same tests as the kernel."""

    def create(self) -> Any:
        """Make what is tested."""
        raise NotImplementedError

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass."""
        raise NotImplementedError

    def is_ready(self, descriptor: int) -> bool:
        """Whether a descriptor is readable now."""
        raise NotImplementedError

    def opened(self: Any) -> tuple[Any, int, int]:
        timers = self.create()
        self.addCleanup(timers.close)
        return (timers, *timers.open())

    def test_not_armed(self: Any) -> None:
        """Timers that nobody armed never become readable: an idle daemon is not woken."""
        _, due, jump = self.opened()
        self.pass_time(0.05)
        self.assertEqual([self.is_ready(due), self.is_ready(jump)], [False, False])

    def test_fires(self: Any) -> None:
        """A timer becomes readable when its second has come, and not before (R-15-11)."""
        timers, due, _ = self.opened()
        when = timers.boot() + 0.03
        timers.arm(when)
        self.assertFalse(self.is_ready(due))
        self.pass_time(0.05)
        self.assertTrue(self.is_ready(due))
        self.assertGreaterEqual(timers.boot(), when)

    def test_past(self: Any) -> None:
        """A timer armed for what is past is readable at once; second 0, which disarms a timerfd, as well."""
        timers, due, _ = self.opened()
        timers.arm(timers.boot() - 1)
        self.assertTrue(self.is_ready(due))
        timers.clear()
        self.assertFalse(self.is_ready(due))
        timers.arm(0.0)
        self.pass_time(0.001)
        self.assertTrue(self.is_ready(due))

    def test_disarm(self: Any) -> None:
        """A timer that was disarmed does not become readable."""
        timers, due, _ = self.opened()
        timers.arm(timers.boot() + 0.01)
        timers.arm(None)
        self.pass_time(0.03)
        self.assertFalse(self.is_ready(due))

    def test_armed_anew(self: Any) -> None:
        """The last time a timer was armed for is the one that counts."""
        timers, due, _ = self.opened()
        timers.arm(timers.boot() + NEVER)
        timers.arm(timers.boot() + 0.01)
        self.pass_time(0.03)
        self.assertTrue(self.is_ready(due))

    def test_far(self: Any) -> None:
        """A time beyond what the kernel counts (2**63 nanoseconds) can be armed for."""
        timers, due, _ = self.opened()
        timers.arm(1e300)
        self.assertFalse(self.is_ready(due))

    def test_clear_when_nothing_is_due(self: Any) -> None:
        """Clearing when nothing was readable does nothing, and does not wait."""
        timers, due, _ = self.opened()
        timers.arm(timers.boot() + NEVER)
        timers.clear()
        self.assertFalse(self.is_ready(due))

    def test_clocks(self: Any) -> None:
        """The boot clock is never behind the monotonic one, which leaves suspends out."""
        timers, _, _ = self.opened()
        monotonic = timers.monotonic()
        self.assertLessEqual(monotonic, timers.boot())


class FakeTimersTests(TimersContract, SynchronousTestCase):
    def create(self) -> FakeTimers:
        self.timers = FakeTimers()
        return self.timers

    def pass_time(self, seconds: float) -> None:
        self.timers.now += seconds

    def is_ready(self, descriptor: int) -> bool:
        return self.timers.is_ready(descriptor)


class KernelTimersTests(TimersContract, SynchronousTestCase):
    def create(self) -> KernelTimers:
        return KernelTimers()

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)

    def is_ready(self, descriptor: int) -> bool:
        return bool(select.select([descriptor], [], [], 0)[0])

    def test_descriptors(self) -> None:
        """The descriptors are not inherited by programs that are started."""
        _, due, jump = self.opened()
        self.assertEqual([os.get_inheritable(due), os.get_inheritable(jump)], [False, False])

    def test_errors(self) -> None:
        """A system call that fails raises C{OSError} with its number and its name."""
        timers = KernelTimers()
        problem = self.assertRaises(OSError, timers.arm, 5.0)
        self.assertEqual((problem.errno, str(problem)), (9, "[Errno 9] timerfd_settime: Bad file descriptor"))

    def test_closed_twice(self) -> None:
        """Closing timers that are closed, or were never opened, does nothing."""
        timers = KernelTimers()
        timers.close()
        timers.open()
        timers.close()
        timers.close()


class BootClockTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.readers = Readers()
        self.timers = FakeTimers()
        self.clock = BootClock(self.readers, self.timers)  # type: ignore[arg-type]
        self.made: list[object] = []

    def turn(self, seconds: float = 0.0) -> int:
        """Let time pass and the reactor take one turn; how many descriptors were ready."""
        self.timers.now += seconds
        return self.readers.read(self.timers.is_ready)

    def test_interface(self) -> None:
        """The clock is an C{IReactorTime}."""
        self.assertTrue(verifyObject(IReactorTime, self.clock))

    def test_lazy(self) -> None:
        """Making a clock opens nothing: twistd forks after that; its timers are opened with the first call."""
        self.assertEqual((self.timers.calls, self.readers.readers), ([], []))
        self.clock.callLater(1, self.made.append, 1)
        self.assertEqual(self.timers.calls, [("open",), ("arm", 1001.0)])
        self.assertEqual([reader.fileno() for reader in self.readers.readers], [7, 8])
        self.assertEqual({reader.logPrefix() for reader in self.readers.readers}, {"clock"})

    def test_on_time(self) -> None:
        """A call is made when its second has come, with its arguments, and not before (R-15-11)."""
        self.clock.callLater(2, lambda *words, **more: self.made.append((words, more)), 1, 2, three=3)
        self.assertEqual(self.turn(1.999), 0)
        self.assertEqual(self.made, [])
        self.turn(0.001)
        self.assertEqual(self.made, [((1, 2), {"three": 3})])

    def test_early_wake(self) -> None:
        """A wake-up before the time makes no call, and the timer is armed again for the same time."""
        self.clock.callLater(2, self.made.append, 1)
        self.timers.armed = 1001.0
        self.turn(1)
        self.assertEqual(self.made, [])
        self.assertEqual(self.timers.armed, 1002.0)
        self.turn(1)
        self.assertEqual(self.made, [1])

    def test_idle(self) -> None:
        """Without calls the timer is not armed: after the last one was made, and after the last one was cancelled."""
        self.clock.callLater(1, self.made.append, 1)
        self.turn(1)
        self.assertIsNone(self.timers.armed)
        self.clock.callLater(1, self.made.append, 2).cancel()
        self.assertIsNone(self.timers.armed)
        self.clock.callLater(inf, self.made.append, 3)
        self.assertIsNone(self.timers.armed)
        self.assertEqual(self.turn(1e9), 0)
        self.assertEqual(self.made, [1])

    def test_cancelled_earliest(self) -> None:
        """When the earliest call is cancelled, the timer waits for the next one instead of waking for nothing."""
        first = self.clock.callLater(1, self.made.append, 1)
        self.clock.callLater(5, self.made.append, 2)
        first.cancel()
        self.assertEqual(self.timers.armed, 1005.0)
        self.assertEqual(self.turn(1), 0)

    def test_armed_once(self) -> None:
        """Later calls and the calls made in one turn do not set the timer more often than needed."""
        self.clock.callLater(1, lambda: [self.clock.callLater(delay, self.made.append, 0) for delay in (3, 2, 4)])
        self.clock.callLater(9, self.made.append, 1)
        self.turn(1)
        self.assertEqual(self.timers.calls, [("open",), ("arm", 1001.0), ("arm", 1003.0)])

    def test_order(self) -> None:
        """Calls are made in the order of their times, and of those due together the one asked for first is first."""
        for delay, name in ((3, "d"), (1, "a"), (2, "b"), (2, "c")):
            self.clock.callLater(delay, self.made.append, name)
        self.turn(5)
        self.assertEqual(self.made, ["a", "b", "c", "d"])

    def test_added_meanwhile(self) -> None:
        """What is asked for by a call waits for the next turn, even if due: nothing starves the rest."""

        def again() -> None:
            self.made.append(1)
            self.clock.callLater(0, again)

        self.clock.callLater(0, again)
        self.turn()
        self.assertEqual(self.made, [1])
        self.turn()
        self.assertEqual(self.made, [1, 1])

    def test_cancelled_meanwhile(self) -> None:
        """A due call that an earlier one cancels is not made."""
        self.clock.callLater(1, lambda: doomed.pop().cancel())
        doomed = [self.clock.callLater(1, self.made.append, 2)]
        self.turn(1)
        self.assertEqual(self.made, [])

    def test_moved(self) -> None:
        """A call can be moved earlier and later, and is made once, at its last time."""
        call = self.clock.callLater(10, self.made.append, 1)
        call.reset(2)
        self.assertEqual(self.timers.armed, 1002.0)
        call.reset(5)
        call.delay(1)
        self.turn(5)
        self.assertEqual(self.made, [])
        self.turn(1)
        self.assertEqual(self.made, [1])
        self.turn(20)
        self.assertEqual(self.made, [1])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_delayed_back(self) -> None:
        """A negative delay brings a call forward."""
        call = self.clock.callLater(10, self.made.append, 1)
        call.delay(-8)
        self.assertEqual((call.getTime(), self.timers.armed), (1002.0, 1002.0))

    def test_call_states(self) -> None:
        """Cancelling what was made or cancelled already is an error, as with Twisted's own calls."""
        call = self.clock.callLater(1, self.made.append, 1)
        self.assertTrue(call.active())
        self.turn(1)
        self.assertFalse(call.active())
        self.assertRaises(AlreadyCalled, call.cancel)
        other = self.clock.callLater(1, self.made.append, 1)
        other.cancel()
        self.assertRaises(AlreadyCancelled, other.cancel)

    def test_wrong_delays(self) -> None:
        """A negative delay, or none at all, is refused."""
        self.assertRaises(ValueError, self.clock.callLater, -0.1, self.made.append, 1)
        self.assertRaises(ValueError, self.clock.callLater, nan, self.made.append, 1)

    def test_failing_call(self) -> None:
        """A call that raises is logged; the others are made and the clock goes on."""
        self.clock.callLater(1, lambda: 1 // 0)
        self.clock.callLater(1, self.made.append, 1)
        self.clock.callLater(2, self.made.append, 2)
        self.turn(1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.turn(1)
        self.assertEqual(self.made, [1, 2])

    def test_failing_system_call(self) -> None:
        """An error of the system is logged and not raised: the reactor would drop the descriptor for good."""
        self.clock.callLater(1, self.made.append, 1)
        self.timers.failing = True
        self.turn(1)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertEqual(len(self.readers.readers), 2)
        self.turn()
        self.assertEqual(self.made, [1])

    def test_calls(self) -> None:
        """All calls that are to be made can be listed."""
        first, second = self.clock.callLater(1, int), self.clock.callLater(2, int)
        second.reset(0.5)
        self.assertEqual(set(self.clock.getDelayedCalls()), {first, second})
        self.turn(0.5)
        self.assertEqual(self.clock.getDelayedCalls(), [first])

    def test_close(self) -> None:
        """A closed clock makes no call, and has given everything back."""
        self.clock.callLater(1, self.made.append, 1)
        self.clock.close()
        self.assertEqual((self.readers.readers, self.timers.calls[-1]), ([], ("close",)))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_suspend(self) -> None:
        """After a suspend what is overdue is done at once, after the listeners have heard how long it was (R-15-11)."""
        self.clock.on_resume(lambda slept: self.made.append(("slept", slept)))
        self.clock.callLater(100, self.made.append, "due")
        self.timers.slept += 3600
        self.turn(3600)
        self.assertEqual(self.made, [("slept", 3600.0), "due"])

    def test_suspend_with_nothing_due(self) -> None:
        """A suspend is heard of even if nothing is due for long: the kernel's own lifetimes stood still meanwhile."""
        self.clock.on_resume(self.made.append)
        self.timers.slept += 60
        self.timers.jumped = True
        self.turn(60)
        self.assertEqual(self.made, [60.0])
        self.timers.jumped = True
        self.turn(1)
        self.assertEqual(self.made, [60.0])

    def test_wall_clock_steps(self) -> None:
        """A step of the wall clock, forward or back, moves no call and is no suspend (R-15-11)."""
        self.clock.on_resume(self.made.append)
        self.clock.callLater(100, self.made.append, "due")
        self.timers.jumped = True
        self.assertEqual(self.turn(50), 1)
        self.assertEqual((self.made, self.timers.armed), ([], 1100.0))

    def test_jumps_are_told(self) -> None:
        """Who asked to hear of jumps of the wall clock hears of each, after what is due (R-12-06)."""
        self.clock.on_jump(lambda: self.made.append("jump"))
        self.clock.callLater(10, self.made.append, "due")
        self.turn(5)
        self.timers.jumped = True
        self.turn(5)
        self.assertEqual(self.made, ["due", "jump"])
        self.turn(5)
        self.assertEqual(self.made, ["due", "jump"])

    def test_failing_jump_listener(self) -> None:
        """What fails in whoever hears of a jump is logged, and the next jump is told as well."""
        self.clock.on_jump(lambda: self.made.append(1) or 1 // 0)  # type: ignore[func-returns-value]
        for _ in range(2):
            self.timers.jumped = True
            self.turn(1)
        self.assertEqual((self.made, len(self.flushLoggedErrors(ZeroDivisionError))), ([1, 1], 2))

    def test_short_suspends(self) -> None:
        """Suspends too short to be told add up to one that is told."""
        self.clock.on_resume(self.made.append)
        for _ in range(3):
            self.timers.slept += SUSPENDED * 0.4
            self.timers.jumped = True
            self.turn(SUSPENDED * 0.4)
        self.assertEqual([round(slept, 6) for slept in self.made], [SUSPENDED * 1.2])  # type: ignore[call-overload]

    def test_failing_listener(self) -> None:
        """A listener that raises is logged, and keeps neither the others nor the calls that are due from being run."""
        self.clock.on_resume(lambda slept: 1 // 0)
        self.clock.on_resume(self.made.append)
        self.clock.callLater(1, self.made.append, "due")
        self.timers.slept += 10
        self.turn(10)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.made, [10.0, "due"])

    def test_lost_connection(self) -> None:
        """A reactor that lets go of its readers at its end is no concern of the clock's."""
        self.clock.callLater(1, self.made.append, 1)
        for reader in self.readers.readers:
            reader.connectionLost(None)
        self.turn(1)
        self.assertEqual(self.made, [1])


class RealClockTests(SynchronousTestCase):
    def test_real(self) -> None:
        """On the kernel's own timers calls are made in order, at their time and at most a little later."""
        readers = Readers()
        clock = BootClock(readers)  # type: ignore[arg-type]
        self.addCleanup(clock.close)
        begun = clock.seconds()
        made: list[tuple[str, float]] = []
        clock.callLater(0.06, lambda: made.append(("b", clock.seconds())))
        clock.callLater(0.02, lambda: made.append(("a", clock.seconds())))
        clock.callLater(0.03, lambda: made.append(("never", clock.seconds()))).cancel()
        while len(made) < 2:
            ready = select.select(readers.readers, [], [], 5)[0]
            self.assertTrue(ready, "the timer did not fire")
            for reader in ready:
                reader.doRead()
        self.assertEqual([name for name, _ in made], ["a", "b"])
        self.assertGreaterEqual(made[0][1], begun + 0.02)
        self.assertGreaterEqual(made[1][1], begun + 0.06)
        self.assertEqual(select.select(readers.readers, [], [], 0.05)[0], [])

    @skipUnless(hasattr(time, "CLOCK_BOOTTIME"), "no CLOCK_BOOTTIME")
    def test_seconds(self) -> None:
        """The time is that of CLOCK_BOOTTIME."""
        clock = BootClock(Readers())  # type: ignore[arg-type]
        before = time.clock_gettime(time.CLOCK_BOOTTIME)
        self.assertTrue(before <= clock.seconds() <= time.clock_gettime(time.CLOCK_BOOTTIME))


class SystemTimesTests(SynchronousTestCase):
    def test_interface(self) -> None:
        """The clocks of the machine are an L{ITimeSource}."""
        self.assertTrue(verifyObject(ITimeSource, SystemTimes()))

    def test_clocks(self) -> None:
        """Boot and wall clock are the machine's."""
        times = SystemTimes()
        self.assertLess(abs(times.boot() - time.clock_gettime(time.CLOCK_BOOTTIME)), 1)
        self.assertLess(abs(times.wall() - time.clock_gettime(time.CLOCK_REALTIME)), 1)

    def test_boot_id(self) -> None:
        """The boot id is read once, when the source is made: later the sandbox may be closed."""
        path = self.mktemp()
        with open(path, "w", encoding="ascii") as boot_id:
            boot_id.write("0f3e-1\n")
        times = SystemTimes(path)
        os.unlink(path)
        self.assertEqual(times.boot_id(), "0f3e-1")
        self.assertRaises(OSError, SystemTimes, path)

    def test_trust(self) -> None:
        """
        The wall clock is believed when the kernel says it is synchronised, or when it is later than the release of this
        program (R-12-06).
        """

        class Times(SystemTimes):
            def __init__(self, wall: float, synchronised: bool) -> None:
                super().__init__()
                self.told = wall, synchronised

            def wall(self) -> float:
                return self.told[0]

            def kernel_is_synchronised(self) -> bool:
                return self.told[1]

        cases = ((0.0, False), (0.0, True), (RELEASED - 1, False), (RELEASED, False))
        self.assertEqual([Times(*case).wall_is_trusted() for case in cases], [False, True, False, True])

    def test_synchronised(self) -> None:
        """The kernel can be asked whether its clock is synchronised."""
        self.assertIn(SystemTimes().kernel_is_synchronised(), (True, False))
