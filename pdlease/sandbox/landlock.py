"""
Landlock: no file but those below a few folders, no TCP, no signals and abstract sockets to the outside.

Degrades by the kernel's ABI number (1 is Linux 5.13); L{abi} is 0 where there is none.  Which folders a process needs
is said by its owner.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Mapping
from enum import IntFlag

from pdlease.sandbox.libc import syscall
from pdlease.sandbox.syscalls import number_of


class Right(IntFlag):
    """What may be done with files and folders (LANDLOCK_ACCESS_FS_*)."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


READ = Right.READ_FILE | Right.READ_DIR
WRITE = READ | Right.WRITE_FILE | Right.MAKE_REG | Right.REMOVE_FILE | Right.TRUNCATE

_OF_FILES = Right.EXECUTE | Right.WRITE_FILE | Right.READ_FILE | Right.TRUNCATE | Right.IOCTL_DEV
_HANDLED = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}

_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_NET_TCP = 0b11
_SCOPES = 0b11


def abi() -> int:
    """The kernel's Landlock ABI; 0 where Landlock is not there or switched off."""
    number = number_of("landlock_create_ruleset")
    if number is None:
        return 0
    try:
        return syscall(number, None, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


class Ruleset:
    """
    What stays allowed.  Made while everything can still be opened, enforced later.

    @ivar missing: the paths that are not there, which therefore are not allowed either.
    """

    def __init__(self, paths: Mapping[str, Right], version: int) -> None:
        """
        @param paths: what may be done with and below each.
        @param version: the kernel's ABI, 1 or more.
        @raise OSError: when the kernel refuses.
        """
        self.missing: list[str] = []
        self._all = (1 << _HANDLED[min(version, max(_HANDLED))]) - 1
        attributes = struct.pack("=Q", self._all)
        if version >= 4:
            attributes += struct.pack("=Q", _NET_TCP)
        if version >= 6:
            attributes += struct.pack("=Q", _SCOPES)
        number = number_of("landlock_create_ruleset")
        assert number is not None
        self._descriptor = syscall(number, ctypes.create_string_buffer(attributes, len(attributes)), len(attributes), 0)
        try:
            for path, rights in paths.items():
                self._allow(path, rights)
        except OSError:
            os.close(self._descriptor)
            raise

    def enforce(self) -> None:
        """
        Allow nothing else, for good; no-new-privileges must be on.

        @raise OSError: when the kernel refuses.
        """
        number = number_of("landlock_restrict_self")
        assert number is not None
        try:
            syscall(number, self._descriptor, 0)
        finally:
            os.close(self._descriptor)

    def _allow(self, path: str, rights: Right) -> None:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            self.missing.append(path)
            return
        try:
            allowed = rights if stat.S_ISDIR(os.fstat(descriptor).st_mode) else rights & _OF_FILES
            rule = struct.pack("=Qi", allowed & self._all, descriptor)
            number = number_of("landlock_add_rule")
            assert number is not None
            syscall(number, self._descriptor, _RULE_PATH_BENEATH, ctypes.create_string_buffer(rule, len(rule)), 0)
        finally:
            os.close(descriptor)
