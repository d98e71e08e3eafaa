"""
The daemon's sandbox: what it keeps when it has begun (design 10).

Called once by L{pdlease.service}, after everything was imported: what is imported later is not found any more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from pdlease.config.model import Daemon
from pdlease.sandbox.calls import COMMON, PRIVILEGED, to_itself
from pdlease.sandbox.capabilities import NET_ADMIN, NET_BIND_SERVICE
from pdlease.sandbox.closing import Closing, Report, close
from pdlease.sandbox.landlock import READ, WRITE, Right
from pdlease.sandbox.seccomp import Rule

# Beside what every process makes: the reactor, the store, the clock, the control socket, the end of a child.
CALLS: tuple[Rule, ...] = (
    "accept4",
    # only read: whether the wall clock is synchronised; setting it needs a capability
    "adjtimex",
    # names for uplinks that a reload adds, of sockets that were made before and can bear a name only
    "bind",
    "clock_adjtime",
    "dup2",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "fchmod",
    "fdatasync",
    "flock",
    "fsync",
    "ftruncate",
    "mkdir",
    "mkdirat",
    # how the reactor hears of signals, where it was not running before
    "pipe2",
    "pselect6",
    "recvmmsg",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "select",
    "sendmmsg",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_settime",
    "unlink",
    "unlinkat",
    "utimensat",
    "wait4",
    "waitid",
)

IPV6_SETTINGS = "/proc/sys/net/ipv6/conf"


def closing_of(settings: Daemon, *, readable: Iterable[str] = (), writable: Iterable[str] = ()) -> Closing:
    """
    What the daemon keeps, by its settings.

    With the privilege provider C{inprocess} it keeps the capabilities and calls of the helper as well.

    @param readable: further folders and files that it reads.
    @param writable: further folders in which it makes, writes and removes files, e.g. that of a log that is rotated.
    """
    in_process = settings.privileges.partition(":")[0] == "inprocess"
    paths: dict[str, Right] = {
        "/proc": Right.READ_DIR,
        "/proc/self": READ,
        "/proc/sys/kernel/random": READ,
        "/etc/localtime": READ,
        **dict.fromkeys(readable, READ),
        os.path.dirname(settings.control): Right.READ_DIR | Right.REMOVE_FILE,
        settings.state: WRITE | Right.MAKE_DIR | Right.REMOVE_DIR,
        **dict.fromkeys(writable, WRITE),
    }
    if in_process:
        paths[IPV6_SETTINGS] = READ | Right.WRITE_FILE
    return Closing(
        user=settings.user,
        kept=frozenset((NET_ADMIN, NET_BIND_SERVICE)) if in_process else frozenset(),
        paths=paths,
        calls=(*COMMON, *CALLS, *to_itself(os.getpid()), *(PRIVILEGED if in_process else ())),
        mode=settings.sandbox,
        action=settings.sandbox_action,
    )


def enter(settings: Daemon, *, readable: Iterable[str] = (), writable: Iterable[str] = ()) -> Report:
    """
    Become the daemon's user, give the capabilities away, and close the sandbox.

    @param readable: see L{closing_of}; with C{inprocess}, the configuration's folder.
    @param writable: see L{closing_of}.
    @return: what is in force; its text is one line for C{status}.
    @raise pdlease.sandbox.users.SandboxError: see L{close}.
    """
    return close(closing_of(settings, readable=readable, writable=writable))
