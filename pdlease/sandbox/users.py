"""
Becoming another user for good: groups, then group, then user.

Which capabilities survive that is L{pdlease.sandbox.capabilities}.
"""

from __future__ import annotations

import grp
import os
import pwd

from attrs import frozen

from pdlease.sandbox.capabilities import SETGID, SETUID, effective


class SandboxError(Exception):
    """A process cannot give its rights away as it was told to; the text is a sentence for the operator."""


@frozen(kw_only=True)
class Account:
    """
    A user to become.

    @ivar name: its name.
    @ivar uid: its number.
    @ivar gid: the number of its primary group, the only one that is kept.
    """

    name: str
    uid: int
    gid: int


def find_account(name: str) -> Account:
    """
    Look a user up.

    @raise SandboxError: when there is none of that name.
    """
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        problem = f"there is no user {name}; make it with: useradd --system --shell /usr/sbin/nologin {name}"
        raise SandboxError(problem) from None
    return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)


def why_not(name: str) -> str | None:
    """
    Why this process cannot become another user at all, in words; C{None} if it can, or if that must end in an error.

    So it is for a process that was not started as root, and within a user namespace that has no other users.
    """
    if not {SETUID, SETGID} <= effective():
        return f"started without the right to become {name}: stays user {user_name(os.getuid())}"
    spans = _spans("/proc/self/uid_map")
    if sum(count for _, count in spans) <= 1:
        return f"in a user namespace of one user: does not become {name}"
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        return None
    if not any(first <= uid < first + count for first, count in spans):
        return f"in a user namespace that does not have {name} (user {uid}): stays user {user_name(os.getuid())}"
    return None


def why_no_group(name: str, map_path: str = "/proc/self/gid_map") -> str | None:
    """
    Why nothing here can be given to a group, in words; C{None} if it can, or if that must end in an error.

    So it is within a user namespace that does not have it.

    @param name: or its number.
    """
    spans = _spans(map_path)
    try:
        gid = int(name) if name.isascii() and name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        return f"in a user namespace without a group {name}" if sum(count for _, count in spans) <= 1 else None
    if not any(first <= gid < first + count for first, count in spans):
        return f"in a user namespace that does not have the group {name} ({gid})"
    return None


def become(account: Account) -> None:
    """
    Become a user, with its primary group and no other, for good.

    @raise SandboxError: when the kernel refuses or it did not work.
    """
    try:
        if _may_set_groups():
            os.setgroups([])
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    except OSError as error:
        raise SandboxError(f"cannot become {account.name}: {error.strerror}") from None
    if os.getresuid() != (account.uid,) * 3 or os.getresgid() != (account.gid,) * 3:
        raise SandboxError(f"cannot become {account.name}: the kernel says done and it is not")


def user_name(uid: int) -> str:
    """The name of a user, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """The name of a group, or its number where it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _may_set_groups() -> bool:
    try:
        with open("/proc/self/setgroups", encoding="ascii") as file:
            return file.read().strip() != "deny"
    except OSError:
        return True


def _spans(path: str) -> list[tuple[int, int]]:
    """The user or group ids that this namespace has: first and count of each run."""
    try:
        with open(path, encoding="ascii") as file:
            return [(int(line.split()[0]), int(line.split()[2])) for line in file]
    except OSError:  # no /proc: believe that all are there, and let the kernel say otherwise
        return [(0, 0xFFFFFFFF)]
