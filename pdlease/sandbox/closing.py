"""
Gives the rights of this process away, in the one order in which that works, and says what is in force then.

What a process keeps is said by its owner: L{pdlease.sandbox.daemon} and L{pdlease.privilege.helpermain}.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

from attrs import frozen

from pdlease.sandbox import capabilities, landlock, seccomp
from pdlease.sandbox.landlock import Right
from pdlease.sandbox.libc import PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, prctl
from pdlease.sandbox.seccomp import Rule
from pdlease.sandbox.users import SandboxError, become, find_account, group_name, user_name, why_not


@frozen(kw_only=True)
class Closing:
    """
    What a process keeps.

    @ivar user: the user that it becomes.
    @ivar kept: the capabilities that it keeps.
    @ivar paths: what it may still do with files (Landlock), by path.
    @ivar calls: the system calls that it may still make (seccomp).
    @ivar mode: C{require}, C{try} or C{off}, of Landlock and seccomp.
    @ivar action: C{errno} or C{kill}: what any other system call leads to.
    @ivar dies_with_parent: whether the kernel kills it when its parent is gone, where that one has the right to.
    """

    user: str
    kept: frozenset[int] = frozenset()
    paths: Mapping[str, Right]
    calls: tuple[Rule, ...]
    mode: str
    action: str
    dies_with_parent: bool = False


@frozen(kw_only=True)
class Report:
    """
    What is in force.

    @ivar user: name of the user that the process is.
    @ivar group: name of its group.
    @ivar capabilities: names of the capabilities that it has.
    @ivar landlock: the Landlock ABI in force; 0 for none.
    @ivar seccomp: C{errno}, C{kill} or C{none}.
    @ivar remarks: sentences on what is not as it was asked for.
    """

    user: str
    group: str
    capabilities: tuple[str, ...]
    landlock: int
    seccomp: str
    remarks: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(
            (
                f"user {self.user}",
                "no capabilities" if not self.capabilities else "capabilities " + " ".join(self.capabilities),
                f"Landlock {self.landlock}" if self.landlock else "no Landlock",
                f"seccomp {self.seccomp}" if self.seccomp != "none" else "no seccomp",
            )
        )


def available() -> tuple[int, bool]:
    """The Landlock ABI of this kernel (0 for none), and whether there can be a seccomp filter."""
    return landlock.abi(), seccomp.available()


def close(closing: Closing, offered: tuple[int, bool] | None = None) -> Report:
    """
    Give the rights away.

    @param offered: what this machine has, as L{available} says; asked here if C{None}.
    @raise SandboxError: when the user is not there, when the kernel refuses, or when the sandbox is required and this
        machine has none.
    """
    remarks: list[str] = []
    parent = os.getppid()
    if closing.mode == "off":
        offered = (0, False)
    abi, has_seccomp = available() if offered is None else offered
    if closing.mode != "off":
        lacking = [what for what, has in (("Landlock", abi), ("seccomp", has_seccomp)) if not has]
        if lacking and closing.mode == "require":
            raise SandboxError(f"the sandbox is required and this machine has no {' and no '.join(lacking)}")
        remarks += [f"this machine has no {what}" for what in lacking]
    others = _other_threads() if abi else 0
    if others:
        remarks.append(f"{others} other threads of this process are not under Landlock")
    try:
        # While every path can still be opened, and the bounding set changed.
        ruleset = landlock.Ruleset(closing.paths, abi) if abi else None
        _change_user(closing, remarks)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        prctl(PR_SET_DUMPABLE, 0)
        if closing.dies_with_parent:
            # After the change of user, which forgets it.
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                raise SandboxError("the process that started this one is gone")
        report = Report(
            user=user_name(os.getuid()),
            group=group_name(os.getgid()),
            capabilities=tuple(capabilities.name(number) for number in sorted(capabilities.effective())),
            landlock=abi,
            seccomp=closing.action if has_seccomp else "none",
            remarks=tuple(remarks),
        )
        program = seccomp.compile_filter(closing.calls, closing.action) if has_seccomp else b""
        if ruleset is not None:
            ruleset.enforce()
        if program:
            seccomp.install(program)
    except OSError as error:
        raise SandboxError(f"the sandbox cannot be closed: {error}") from None
    return report


def _other_threads() -> int:
    """How many threads there are beside this one: Landlock is for one thread and those that it starts."""
    try:
        return len(os.listdir("/proc/self/task")) - 1
    except OSError:
        return 0


def _change_user(closing: Closing, remarks: list[str]) -> None:
    """Become the user, with the capabilities that are kept and no others."""
    reason = why_not(closing.user)
    account = None
    if reason is None:
        account = find_account(closing.user)
    elif os.geteuid() != find_uid(closing.user):
        remarks.append(reason)
    capabilities.limit_bounding(closing.kept)
    if account is not None:
        prctl(PR_SET_KEEPCAPS, 1)
        become(account)
        prctl(PR_SET_KEEPCAPS, 0)
    capabilities.limit(closing.kept)
    remarks.extend(capabilities.lack(number) for number in sorted(closing.kept - capabilities.effective()))


def find_uid(name: str) -> int | None:
    """The number of a user; C{None} if there is none of that name."""
    try:
        return find_account(name).uid
    except SandboxError:
        return None
