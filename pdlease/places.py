"""
Users and folders that the daemon needs: found, made and handed over while it is still root.

How a process becomes another user is L{pdlease.sandbox.users}; what is written into the folders, L{pdlease.stores} and
L{pdlease.ledger}.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable

from attrs import frozen


class CannotStart(Exception):
    """The daemon cannot start; the text is one sentence for the operator."""


@frozen
class Account:
    """A user and its primary group, as numbers."""

    uid: int
    gid: int


def account(
    name: str,
    *,
    user_id: Callable[[], int] = os.geteuid,
    why_not: Callable[[str], str | None] = lambda name: None,
) -> Account | None:
    """
    The account that things are handed to; C{None} where the process is not root, or cannot become anybody else, as in a
    user namespace of one user: nothing can be handed over then, and nobody needs to be there.

    @param user_id: tells who the process is.
    @param why_not: tells why it cannot become that user.
    @raise CannotStart: when there is no such user.
    """
    if user_id() != 0 or why_not(name) is not None:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise CannotStart(
            f"there is no user {name}; make it (useradd --system {name}) or set `user` and `helper_user` in [daemon]"
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def make_folder(path: str, mode: int, owner: Account | None) -> None:
    """
    Make a folder where it is missing, with what is above it, and hand it to its owner; one that is there stays.

    @param mode: permission bits of a folder that is made.
    @raise CannotStart: when it cannot be made or is no folder.
    """
    try:
        if os.path.isdir(path):
            return
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        os.mkdir(path, mode)
        if owner is not None:
            give(path, owner)
    except OSError as problem:
        raise CannotStart(f"{path}: {problem.strerror}") from None


def hand_over(folder: str, owner: Account | None, *, change_owner: Callable[..., None] = os.chown) -> None:
    """
    Give a folder and the plain files in it to an account.

    Links are not followed, and a file with a second name stays as it is: whoever may write the folder, as the account
    may from an earlier run on, could have put a name of another's file there.

    @param change_owner: the system call, as in L{os}.
    @raise CannotStart: when the folder is not to be had.
    """
    if owner is None:
        return
    try:
        with os.scandir(folder) as entries:
            plain = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
        paths = [entry.path for entry in plain if entry.stat(follow_symlinks=False).st_nlink == 1]
        for path in (folder, *paths):
            give(path, owner, change_owner=change_owner)
    except OSError as problem:
        raise CannotStart(f"{folder}: {problem.strerror}") from None


def give(path: str, owner: Account, *, change_owner: Callable[..., None] = os.chown) -> None:
    """
    Make a path belong to an account; what cannot be given in a user namespace without that account stays ours.

    @raise OSError: when the kernel refuses for another reason.
    """
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode) or (status.st_uid, status.st_gid) == (owner.uid, owner.gid):
        return
    try:
        change_owner(path, owner.uid, owner.gid, follow_symlinks=False)
    except OSError as problem:
        from errno import EINVAL, EPERM

        # EINVAL: a user namespace does not know the number; EPERM: it knows but may not give
        if problem.errno not in (EINVAL, EPERM):
            raise
