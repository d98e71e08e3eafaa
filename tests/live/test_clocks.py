"""
A wall clock that is stepped from 1970 to today and back moves no timer, loses no lease and changes no lifetime.

The daemon runs under libfaketime, which bends nothing but CLOCK_REALTIME here.  It takes every absolute timer for one
of the wall clock, though (0.9.10), so the calls that arm timers are taken from the C library directly.  Real steps of a
real clock are made in the kernel laboratory (L{tests.live.test_laboratory}); the arithmetic is in
C{tests/test_clock.py}.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from pdlease.wire.codes import MessageType
from tests.live.daemon import USER, Daemon
from tests.live.liar import Liar
from tests.live.network import until
from tests.live.require import needs
from tests.live.scripted import WithServer

LAN0 = "2001:db8:1000::1/64"

_PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/lib64/faketime", "/usr/local/lib/faketime")

_START = (
    "import sys; sys.path.insert(0, ''); import ctypes; import pdlease.clock; "
    "pdlease.clock.CDLL = lambda name, **choices: ctypes.CDLL('libc.so.6', **choices); "
    "from twisted.scripts.twistd import run; run()"
)


def faketime() -> str | None:
    """The path of libfaketime, where it is installed."""
    found = [path for place in _PLACES for path in Path("/").glob(f"{place[1:]}/libfaketime.so.1")]
    return str(found[0]) if found else None


def libfaketime() -> str | None:
    """The library libfaketime is installed."""
    return None if faketime() else "there is no libfaketime"


class BentDaemon(Daemon):
    """
    The daemon with a wall clock of its own.
    """

    def __init__(self, *arguments: Any, **choices: Any) -> None:
        super().__init__(*arguments, **choices)
        # The sandbox lets the daemon read here and nowhere else, and libfaketime looks at every call.
        self.state.mkdir(mode=0o700)
        os.chown(self.state, _uid(USER), -1)
        self._offset = self.state / "faketime"
        self.year = 0

    def step(self, year: int) -> None:
        """Step the wall clock to 1970 or to today."""
        new = self._offset.with_suffix(".new")
        wall = time.clock_gettime(time.CLOCK_REALTIME)
        new.write_text("+0\n" if year != 1970 else f"-{int(wall) - 100}\n")
        new.chmod(0o644)
        new.rename(self._offset)
        self.year = year

    def other(self) -> None:
        """Step it to wherever it is not."""
        self.step(2026 if self.year == 1970 else 1970)

    def start(self, *, ready: bool = True, env: dict[str, str] | None = None, before: tuple[str, ...] = ()) -> Daemon:
        self.program = self.network.run(
            *(self.name, self.network.router, *before, sys.executable, "-c", _START),
            *("-n", "--pidfile=", "pdlease", "--config", str(self.path)),
            env={
                **(env or {}),
                "LD_PRELOAD": str(faketime()),
                "FAKETIME_TIMESTAMP_FILE": str(self._offset),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            },
        )
        if ready:
            until(self.answers, 15, "the daemon to answer")
        return self


@needs(libfaketime)
class SteppedClockTests(WithServer):
    """The wall clock is stepped while something is waited for."""

    def bent(self, year: int) -> BentDaemon:
        """A daemon whose wall clock begins in a year."""
        self.daemon = daemon = BentDaemon(self.network)
        self.addCleanup(self._tell_of, daemon)
        daemon.step(year)
        daemon.start()
        return daemon

    def times(self, message_type: MessageType) -> list[float]:
        """When messages of a type were heard."""
        return [heard for heard, _, message in list(self.heard.messages) if message.message_type == message_type]

    def nth(self, message_type: MessageType, number: int, seconds: float) -> float:
        """When the message of this number and type was heard, from 0, which must come within so many seconds."""
        until(lambda: len(self.times(message_type)) > number, seconds, f"{message_type.name} number {number}", 0.02)
        return self.times(message_type)[number]

    def assert_window(self, lasted: float, low: float, high: float) -> None:
        """
        A wait must have been as long as the RFC has it, or up to 0.4 s longer for the machine's sake; the first of the
        two messages may have been heard late.
        """
        self.assertTrue(low - 0.1 <= lasted <= high + 0.4, (low, lasted, high))

    def assert_bent(self) -> None:
        """The daemon must have lived in both times, by its own log."""
        self.assertIn("1970-01-01T", self.daemon.said())
        self.assertRegex(self.daemon.said(), "(?m)^20[2-9][0-9]-")

    def test_soliciting(self) -> None:
        """R-15-11: Solicits keep their times (A.2) while the clock goes from 1970 to today and back."""
        self.server.start("--script", "silent on")
        daemon = self.bent(1970)
        first = self.nth(MessageType.SOLICIT, 0, 5)
        daemon.step(2026)
        second = self.nth(MessageType.SOLICIT, 1, 5)
        daemon.step(1970)
        third = self.nth(MessageType.SOLICIT, 2, 5)
        self.assert_window(second - first, 1.0, 1.1)
        self.assert_window(third - second, 1.9, 2.31)
        daemon.step(2026)
        self.server.tell("well")
        fourth = self.nth(MessageType.SOLICIT, 3, 8)
        self.assert_window(fourth - third, 1.9 * 1.9, 2.31 * 2.1)
        daemon.bound()
        self.assert_bent()

    def test_retransmission(self) -> None:
        """R-15-01, R-15-11: Requests keep their times just so: 1 s, then twice that, a tenth more or less."""
        liar = Liar(self.network, self.heard)
        self.addCleanup(liar.close)
        daemon = self.bent(2026)
        liar.answer(liar.heard(MessageType.SOLICIT))
        first = self.nth(MessageType.REQUEST, 0, 5)
        daemon.step(1970)
        second = self.nth(MessageType.REQUEST, 1, 5)
        daemon.step(2026)
        third = self.nth(MessageType.REQUEST, 2, 5)
        daemon.step(1970)
        self.assert_window(second - first, 0.9, 1.1)
        self.assert_window(third - second, 0.9 * 1.9, 1.1 * 2.1)
        liar.answer(liar.heard(MessageType.REQUEST))
        daemon.bound()
        self.assert_bent()

    def test_bound(self) -> None:
        """
        R-15-11: T1 is honoured, the lease is kept, and the kernel's lifetimes go on as if nothing had happened, with
        the clock stepped back and forth all the while.
        """
        self.server.start("--t1", "4", "--t2", "10", "--preferred", "50", "--valid", "60")
        daemon = self.bent(1970)
        daemon.bound()
        reply = self.nth(MessageType.REPLY, 0, 5)
        monitor = self.monitor("address", "route")
        while self.now() < reply + 3.5:
            daemon.other()
            time.sleep(0.25)
            (address,) = self.network.global_addresses("lan0").values()
            left = 60 - (self.now() - reply)
            self.assertTrue(left - 2.1 <= address["valid_life_time"] <= left + 1.1, (left, address))
            self.assertEqual(daemon.status()["state"], "bound")
        self.assertEqual([line for line in monitor.lines() if "2001:db8:1000:" in line], [])
        daemon.step(2026)
        renew = self.nth(MessageType.RENEW, 0, 5)
        self.assert_window(renew - reply, 4.0, 4.0)
        daemon.step(1970)
        again = self.nth(MessageType.RENEW, 1, 8)
        self.assert_window(again - self.nth(MessageType.REPLY, 1, 1), 4.0, 4.0)
        self.assertEqual(self.times(MessageType.SOLICIT)[1:], [])
        self.assert_bent()

    def test_until_the_end(self) -> None:
        """R-15-11: T2 and the end of the valid lifetime are honoured as well when the server is gone."""
        self.server.start("--t1", "3", "--t2", "5", "--preferred", "6", "--valid", "8")
        daemon = self.bent(2026)
        daemon.bound()
        self.server.stop()
        reply = self.nth(MessageType.REPLY, 0, 5)
        daemon.step(1970)
        self.assert_window(self.nth(MessageType.RENEW, 0, 5) - reply, 3.0, 3.0)
        daemon.step(2026)
        self.assert_window(self.nth(MessageType.REBIND, 0, 5) - reply, 5.0, 5.0)
        daemon.step(1970)
        # the kernel counts whole seconds, rounded down, and drops what is over within the next
        time.sleep(max(0.0, reply + 6.0 - self.now()))
        self.assertEqual(self.on_lan(self.network), {LAN0})
        until(lambda: not self.on_lan(self.network), reply + 9.0 - self.now(), "the address to go at its end")
        self.nth(MessageType.SOLICIT, 1, 3)
        self.assert_bent()


def _uid(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_uid
