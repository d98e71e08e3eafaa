"""
The system calls that every process of pdlease makes for being a Python program that reads and writes.

What a process makes beside them is in L{pdlease.sandbox.daemon} and L{pdlease.privilege.confinement}.  None of these
opens a socket, starts a program or a thread, or reaches another process.
"""

from __future__ import annotations

from pdlease.sandbox.seccomp import Only, Rule

# Non-blocking and close-on-exec by ioctl, how much can be read, whether it is a terminal.
_IOCTLS = (0x5421, 0x5451, 0x5450, 0x541B, 0x5401)

MEMORY: tuple[Rule, ...] = ("brk", "madvise", "mmap", "mprotect", "mremap", "munmap")

DESCRIPTORS: tuple[Rule, ...] = (
    "close",
    "dup",
    "dup3",
    "fcntl",
    "fstat",
    Only("ioctl", 1, _IOCTLS),
    "lseek",
    "poll",
    "ppoll",
    "pread64",
    "pwrite64",
    "read",
    "readv",
    "write",
    "writev",
)

FILES: tuple[Rule, ...] = (
    "access",
    "faccessat",
    "faccessat2",
    "fstatfs",
    "getcwd",
    "getdents64",
    "lstat",
    "newfstatat",
    "open",
    "openat",
    "readlink",
    "readlinkat",
    "stat",
    "statfs",
    "statx",
)

SOCKETS: tuple[Rule, ...] = (
    "getpeername",
    "getsockname",
    "getsockopt",
    "recvfrom",
    "recvmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
)

ITSELF: tuple[Rule, ...] = (
    "exit",
    "exit_group",
    "futex",
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getpid",
    "getppid",
    "getresgid",
    "getresuid",
    "getrusage",
    "gettid",
    "getuid",
    "restart_syscall",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "sigaltstack",
    "sysinfo",
    "umask",
    "uname",
)

TIME: tuple[Rule, ...] = (
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "getrandom",
    "gettimeofday",
    "nanosleep",
    "time",
)

COMMON: tuple[Rule, ...] = (*MEMORY, *DESCRIPTORS, *FILES, *SOCKETS, *ITSELF, *TIME)

AF_INET6 = 10
AF_NETLINK = 16

# What whoever holds the privilege makes beside them: the request socket, the route socket, client sockets.
PRIVILEGED: tuple[Rule, ...] = (Only("socket", 0, (AF_INET6, AF_NETLINK)), "bind")


def to_itself(pid: int) -> tuple[Rule, ...]:
    """Signals to this process alone."""
    return (Only("kill", 0, (pid,)), Only("tgkill", 0, (pid,)))
