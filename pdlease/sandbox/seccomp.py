"""
seccomp: a list of the system calls that a process may still make; everything else is refused or ends it.

The list is compiled to the kernel's packet filter language here, for x86-64 and aarch64
(L{pdlease.sandbox.syscalls}); on other machines there is no filter.  Which calls a process needs is said by its owner.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterable, Sequence

from attrs import frozen

from pdlease.sandbox.libc import syscall
from pdlease.sandbox.syscalls import AUDIT_NUMBERS, MACHINE, number_of


@frozen
class Only:
    """
    A system call that is allowed with some values of one argument only; the lower 32 bits are compared.

    @ivar name: its name.
    @ivar argument: which argument, from 0.
    @ivar values: the values allowed.
    """

    name: str
    argument: int
    values: tuple[int, ...]


Rule = str | Only

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUALS = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000

# Offsets in the kernel's struct seccomp_data.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

# Above this are the calls of x32, another way of making the same calls on x86-64.
_X32 = 0x40000000

_SET_MODE_FILTER, _GET_ACTION_AVAIL, _TSYNC = 1, 2, 1


def available() -> bool:
    """Whether there can be a filter on this machine and kernel."""
    number = number_of("seccomp")
    if number is None or MACHINE not in AUDIT_NUMBERS:
        return False
    try:
        syscall(number, _GET_ACTION_AVAIL, 0, ctypes.byref(ctypes.c_uint32(_KILL_PROCESS)))
    except OSError:
        return False
    return True


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def compile_filter(rules: Iterable[Rule], action: str, machine: str = MACHINE) -> bytes:
    """
    Compile an allow-list.

    @param rules: what is allowed; names that the machine does not have are passed over.
    @param action: C{errno} (EPERM) or C{kill}, for everything else.
    @param machine: as C{uname -m} says.
    """
    deny = _instruction(_RETURN, _KILL_PROCESS if action == "kill" else _ERRNO | errno.EPERM)
    allow = _instruction(_RETURN, _ALLOW)
    program = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_EQUALS, AUDIT_NUMBERS[machine], 1, 0),
        _instruction(_RETURN, _KILL_PROCESS),
        _instruction(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        program += [_instruction(_AT_LEAST, _X32, 0, 1), deny]
    for rule in rules:
        name = rule if isinstance(rule, str) else rule.name
        number = number_of(name, machine)
        if number is None:
            continue
        if isinstance(rule, str):
            program += [_instruction(_EQUALS, number, 0, 1), allow]
        else:
            program += _with_argument(number, rule, allow, deny)
    return b"".join((*program, deny))


def _with_argument(number: int, rule: Only, allow: bytes, deny: bytes) -> list[bytes]:
    """Four instructions and two for each value: enter only for this call, and end here."""
    body = [_instruction(_LOAD, _ARGUMENTS + 8 * rule.argument)]
    for value in rule.values:
        body += [_instruction(_EQUALS, value, 0, 1), allow]
    body.append(deny)
    return [_instruction(_EQUALS, number, 0, len(body)), *body]


def install(program: bytes) -> None:
    """
    Put a filter into force for every thread of this process, for good; no-new-privileges must be on.

    @raise OSError: when the kernel refuses.
    """
    number = number_of("seccomp")
    assert number is not None
    code = ctypes.create_string_buffer(program, len(program))
    description = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    syscall(number, _SET_MODE_FILTER, _TSYNC, ctypes.create_string_buffer(description, len(description)))


def names(rules: Sequence[Rule]) -> tuple[str, ...]:
    """The names of the system calls in an allow-list."""
    return tuple(rule if isinstance(rule, str) else rule.name for rule in rules)
