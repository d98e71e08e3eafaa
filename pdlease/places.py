"""
Users and folders that the daemon needs: found, made and handed over while it is still root.

How a process becomes another user is L{pdlease.sandbox.users}; what is written into the folders, L{pdlease.stores} and
L{pdlease.ledger}.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import ELOOP

from attrs import frozen

MOST_LINKS = 40
"""So many symbolic links may be on the way to a folder, as for the kernel."""


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
    @raise CannotStart: when it cannot be made, is no folder, or is reached by somebody's symbolic link.
    """
    try:
        if owner is not None:
            # as far as it is there already
            with suppress(FileNotFoundError, NotADirectoryError):
                os.close(open_folder(path))
        if os.path.isdir(path):
            return
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        os.mkdir(path, mode)
        if owner is not None:
            with opened(path) as descriptor:
                give(descriptor, owner)
    except OSError as problem:
        raise CannotStart(f"{path}: {problem.strerror}") from None


def hand_over(folder: str, owner: Account | None, *, change_owner: Callable[..., None] = os.fchown) -> None:
    """
    Give a folder and the plain files in it to an account.

    Links in it are not followed, and a file with a second name stays as it is: whoever may write the folder, as the
    account may from an earlier run on, could have put a name of another's file there.

    @param change_owner: the system call, as in L{os}.
    @raise CannotStart: when the folder is not to be had, or is reached by somebody's symbolic link.
    """
    if owner is None:
        return
    try:
        with opened(folder) as descriptor:
            give(descriptor, owner, change_owner=change_owner)
            for name in os.listdir(descriptor):
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and not _is_theirs(status, owner):
                    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descriptor)
                    try:
                        if os.fstat(file).st_nlink == 1:
                            give(file, owner, change_owner=change_owner)
                    finally:
                        os.close(file)
    except OSError as problem:
        raise CannotStart(f"{folder}: {problem.strerror}") from None


def give(descriptor: int, owner: Account, *, change_owner: Callable[..., None] = os.fchown) -> None:
    """
    Make what is open belong to an account; what cannot be given in a user namespace without that account stays ours.

    @raise OSError: when the kernel refuses for another reason.
    """
    if _is_theirs(os.fstat(descriptor), owner):
        return
    try:
        change_owner(descriptor, owner.uid, owner.gid)
    except OSError as problem:
        from errno import EINVAL, EPERM

        # EINVAL: a user namespace does not know the number; EPERM: it knows but may not give
        if problem.errno not in (EINVAL, EPERM):
            raise


@contextmanager
def opened(path: str) -> Iterator[int]:
    """A folder, open for as long as this lasts; see L{open_folder}."""
    descriptor = open_folder(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_folder(path: str) -> int:
    """
    Open a folder by way of no symbolic link but root's and our own.

    Whoever may write a folder on the way, as the daemon's own user may after an earlier run, could put a link there to
    lead root to files that are not to be handed to anybody.

    @raise CannotStart: when there is such a link; a link with a second name is one, since the name may be anybody's.
    @raise OSError: when it is not to be had.
    """
    descriptor = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    waiting = [part for part in reversed(os.path.abspath(path).split("/")) if part]
    links = 0
    try:
        while waiting:
            name = waiting.pop()
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            flags = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            if stat.S_ISLNK(status.st_mode):
                if status.st_uid not in (0, os.geteuid()) or status.st_nlink != 1:
                    raise CannotStart(
                        f"{path}: {name} in it is a symbolic link that is not root's, and is not followed"
                    )
                links += 1
                if links > MOST_LINKS:
                    raise OSError(ELOOP, os.strerror(ELOOP))
                target = os.readlink(name, dir_fd=descriptor)
                waiting += [part for part in reversed(target.split("/")) if part]
                if not target.startswith("/"):
                    continue
                name, flags = "/", flags & ~os.O_NOFOLLOW
            # what is only on the way need not be readable
            further = os.open(name, flags | (os.O_PATH if waiting else os.O_RDONLY), dir_fd=descriptor)
            os.close(descriptor)
            descriptor = further
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _is_theirs(status: os.stat_result, owner: Account) -> bool:
    return (status.st_uid, status.st_gid) == (owner.uid, owner.gid)
