"""
Reads the configuration file for whoever holds the privilege: only where nobody else could have written it.

What the file may say is L{pdlease.config}.  The bytes read here are those that the daemon is given, so both always go
by the same text.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection

from pdlease.config.checks import LARGEST
from pdlease.config.errors import ConfigErrors
from pdlease.config.load import load
from pdlease.config.model import Config
from pdlease.operations import PrivilegeError
from pdlease.privilege.opening import words_of
from pdlease.privilege.policy import Policy
from pdlease.privilege.vocabulary import READ_SINCE


def read_configuration(path: str, owners: Collection[int]) -> tuple[bytes, Config]:
    """
    Read and check a configuration file.

    The file must be a plain file that belongs to one of C{owners} and that neither its group nor others may write.  The
    same goes for its folder, and for that of the file that a symbolic link leads to, except that a sticky folder may be
    writable.

    @param path: absolute path.
    @param owners: user ids; root and whoever started the program.
    @return: the bytes and what they say.
    @raise PrivilegeError: when it is unreadable, unsafe or wrong; all that is wrong with it is in the reason.
    """
    operation = f"read {path}"
    try:
        data = _read_safely(operation, path, owners)
        return data, load(data, path)
    except OSError as error:
        raise PrivilegeError(operation, error.errno or errno.EIO, words_of(error)) from None
    except ConfigErrors as errors:
        raise PrivilegeError(operation, errno.EINVAL, "\n".join(map(str, errors.errors))) from None


def ready_policy(source: bytes, ready: tuple[bytes, Policy] | None) -> Policy:
    """
    The policy that was made ready when the configuration was last read.

    @param source: what it must have been made of.
    @param ready: what was read last, and the policy.
    @raise PrivilegeError: with ESTALE when it was made of something else.
    """
    if ready is None or ready[0] != source:
        raise PrivilegeError("adopt the configuration", errno.ESTALE, READ_SINCE)
    return ready[1]


def _read_safely(operation: str, path: str, owners: Collection[int]) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PrivilegeError(operation, errno.EINVAL, "it is no plain file")
        _check(operation, path, status, owners)
        for folder in {os.path.dirname(path), os.path.dirname(os.path.realpath(path))}:
            _check(operation, folder, os.stat(folder), owners)
        if status.st_size > LARGEST:
            raise PrivilegeError(operation, errno.EFBIG, f"{status.st_size} octets; {LARGEST} is the most")
        return _read_all(descriptor)
    finally:
        os.close(descriptor)


def _check(operation: str, path: str, status: os.stat_result, owners: Collection[int]) -> None:
    if status.st_uid not in owners:
        raise PrivilegeError(operation, errno.EPERM, f"{path} belongs to user {status.st_uid}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not (
        stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    ):
        mode = stat.S_IMODE(status.st_mode)
        raise PrivilegeError(operation, errno.EPERM, f"{path} may be written by others (mode {mode:04o})")


def _read_all(descriptor: int) -> bytes:
    parts = []
    left = LARGEST
    while left > 0 and (part := os.read(descriptor, min(left, 65536))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
