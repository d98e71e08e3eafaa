"""
Tests for L{pdlease.sandbox.seccomp} and L{pdlease.sandbox.syscalls}.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import struct
from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.model import Daemon
from pdlease.privilege import confinement
from pdlease.sandbox import daemon, seccomp
from pdlease.sandbox.calls import COMMON
from pdlease.sandbox.libc import PR_SET_NO_NEW_PRIVS, prctl
from pdlease.sandbox.seccomp import Only, compile_filter, install
from pdlease.sandbox.syscalls import AUDIT_NUMBERS, NUMBERS, number_of
from tests.sandbox.child import in_child

ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM

RULES = ("read", "write", Only("ioctl", 1, (0x5421, 0x5401)), "exit_group", Only("kill", 0, (42,)))


def verdict(program: bytes, machine: str, number: int, arguments: Sequence[int] = (), audit: int | None = None) -> int:
    """What a filter says of a system call, by the rules of the kernel's packet filter language."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, AUDIT_NUMBERS[machine] if audit is None else audit, 0, *padded)
    value, at = 0, 0
    while True:
        code, if_true, if_false, operand = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        if code == 0x20:
            (value,) = struct.unpack_from("=I", data, operand)
        elif code == 0x15:
            at += if_true if value == operand else if_false
        elif code == 0x35:
            at += if_true if value >= operand else if_false
        else:
            assert code == 0x06, hex(code)
            return int(operand)


class CompileTests(SynchronousTestCase):
    """L{compile_filter}, for each machine."""

    def test_allow_list(self) -> None:
        """
        What is listed is allowed, everything else refused with EPERM or by death.
        """
        for machine in AUDIT_NUMBERS:
            for action, answer in (("errno", REFUSE), ("kill", KILL)):
                program = compile_filter(RULES, action, machine)
                for name in NUMBERS:
                    number = number_of(name, machine)
                    if number is None:
                        continue
                    expected = ALLOW if name in RULES else answer
                    self.assertEqual(verdict(program, machine, number), expected, (machine, name))

    def test_arguments(self) -> None:
        """
        A call that is allowed with some values of an argument is refused with others; the lower 32 bits count, since
        the kernel looks at no more of an int.
        """
        for machine in AUDIT_NUMBERS:
            program = compile_filter(RULES, "errno", machine)
            ioctl, kill = number_of("ioctl", machine), number_of("kill", machine)
            assert ioctl is not None and kill is not None
            for arguments, expected in (
                ((3, 0x5421), ALLOW),
                ((3, 0x5401), ALLOW),
                ((3, 0x5421 | 7 << 32), ALLOW),
                ((3, 0x5412), REFUSE),
                ((0x5421, 0), REFUSE),
            ):
                self.assertEqual(verdict(program, machine, ioctl, arguments), expected)
            self.assertEqual(verdict(program, machine, kill, (42, 15)), ALLOW)
            for pid in (1, 43, 2**32 - 1, 2**64 - 1, 0):
                self.assertEqual(verdict(program, machine, kill, (pid, 15)), REFUSE)

    def test_other_tables(self) -> None:
        """
        Calls by another architecture's numbers end the process; x32 numbers are refused.
        """
        for machine, other in (("x86_64", "aarch64"), ("aarch64", "x86_64")):
            program = compile_filter(RULES, "errno", machine)
            self.assertEqual(verdict(program, machine, 0, audit=AUDIT_NUMBERS[other]), KILL)
            # 32-bit x86
            self.assertEqual(verdict(program, machine, 0, audit=0x40000003), KILL)
        self.assertEqual(verdict(compile_filter(RULES, "errno", "x86_64"), "x86_64", 0x40000000), REFUSE)

    def test_jumps_fit(self) -> None:
        """
        The filters that are used are not longer than the kernel takes, on either machine.
        """
        settings = Daemon(privileges="inprocess")
        for calls in (daemon.closing_of(settings).calls, confinement.closing_of(settings, "/etc/x").calls, COMMON):
            for machine in AUDIT_NUMBERS:
                self.assertLess(len(compile_filter(calls, "kill", machine)) // 8, 4096)


class TableTests(SynchronousTestCase):
    """L{NUMBERS}."""

    def check(self, header: Path, column: int, pattern: str, names: dict[str, str]) -> None:
        """Compare a column with a kernel header."""
        if not header.exists():
            self.skipTest(f"no {header}")
        found = {name: int(number) for name, number in re.findall(pattern, header.read_text())}
        found.update({ours: found[theirs] for ours, theirs in names.items() if theirs in found})
        for name, numbers in NUMBERS.items():
            if name in found or numbers[column] is not None:
                self.assertEqual(numbers[column], found.get(name), name)

    def test_x86_64(self) -> None:
        """
        The numbers for x86-64 are those of the kernel's header.
        """
        header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
        self.check(header, 0, r"#define __NR_(\w+) (\d+)", {})

    def test_aarch64(self) -> None:
        """
        The numbers for aarch64 are those of the kernel's generic header.
        """
        header = Path("/usr/include/asm-generic/unistd.h")
        self.check(header, 1, r"#define __NR(?:3264)?_(\w+) (\d+)", {"newfstatat": "fstatat"})

    def test_unknown_machine(self) -> None:
        """
        Other machines have no numbers; a name that is not in the table is a mistake of ours.
        """
        self.assertIsNone(number_of("read", "riscv64"))
        self.assertRaises(KeyError, number_of, "raed")

    def test_every_rule_has_a_number(self) -> None:
        """
        Every call in an allow-list is in the table.
        """
        for calls in (COMMON, daemon.closing_of(Daemon(privileges="inprocess")).calls):
            for name in seccomp.names(calls):
                self.assertIn(name, NUMBERS)

    def test_what_no_process_may(self) -> None:
        """
        No allow-list has a call that starts a program, a process or a thread, traces, or changes users; the daemon
        makes and connects no socket, and has signals for itself alone.
        """
        for settings in (Daemon(), Daemon(privileges="inprocess")):
            for calls in (daemon.closing_of(settings).calls, confinement.closing_of(settings, "/etc/x").calls):
                for name in ("execve", "execveat", "fork", "vfork", "clone", "clone3", "ptrace", "prctl", "setresuid"):
                    self.assertNotIn(name, seccomp.names(calls))
        calls = daemon.closing_of(Daemon()).calls
        for name in ("socket", "connect", "listen"):
            self.assertNotIn(name, seccomp.names(calls))
        for name in ("kill", "tgkill"):
            self.assertIn(Only(name, 0, (os.getpid(),)), calls)


class InstallTests(SynchronousTestCase):
    """L{install}, in a child process."""

    def setUp(self) -> None:
        if not seccomp.available():
            self.skipTest("no seccomp filters on this machine")

    def confined(self, action: str) -> None:
        """Put the common allow-list into force."""
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        install(compile_filter(COMMON, action))

    def test_refusal(self) -> None:
        """
        A call that is not listed fails with EPERM, and the process goes on.
        """

        def act() -> list[object]:
            self.confined("errno")
            tried: list[object] = []
            for what in (lambda: os.execv("/bin/true", ["true"]), os.fork, lambda: os.kill(os.getpid(), 0), os.setsid):
                try:
                    what()
                    tried.append("done")
                except OSError as error:
                    tried.append(error.errno)
            return [*tried, os.getpid() > 0]

        self.assertEqual(in_child(act), ([errno.EPERM] * 4 + [True], 0))

    def test_death(self) -> None:
        """
        With the action C{kill} the process ends by SIGSYS.
        """

        def act() -> None:
            self.confined("kill")
            os.setsid()

        self.assertEqual(in_child(act), (None, signal.SIGSYS))
