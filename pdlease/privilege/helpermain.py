"""
The helper process: reads the configuration, gives its other rights away, and answers boxes until nobody asks any
more.

Started by L{pdlease.privilege.helper} with one end of a socket pair as descriptor 3 and the path of the configuration
as its argument.  What is answered is L{pdlease.privilege.answering}.  A plain blocking loop: neither Twisted nor zope
is imported here, so that the process stays small and its program short.

Its end ends the daemon, and the daemon's end its own: it leaves when the socket pair is closed.  Where the daemon ends
while it is still root, the kernel kills the helper as well; later the daemon has no right to signal it, not even so.
Signals that are sent to the whole process group (TERM, INT, HUP) are the daemon's to answer.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from errno import ETOOMANYREFS
from time import monotonic, sleep
from typing import NoReturn

import pdlease
from pdlease.operations import PrivilegeError
from pdlease.privilege.answering import Answering, refuse
from pdlease.privilege.box import Box, BoxReader, encode_box
from pdlease.privilege.configuration import read_configuration
from pdlease.privilege.confinement import closing_of
from pdlease.privilege.execute import Executor
from pdlease.privilege.policy import Policy
from pdlease.privilege.refusals import RefusalLog
from pdlease.sandbox.closing import close
from pdlease.sandbox.libc import give_memory_back
from pdlease.sandbox.users import SandboxError

CONNECTION = 3

# Answers are sent when so many octets are waiting, and when no whole box is left.
ENOUGH = 1024

# How many descriptors it may have at most.
DESCRIPTORS = 32

# How long it waits for the daemon to read descriptors that are under way, and for how long at a time (seconds).
PATIENCE = 30.0
PAUSE = 0.002

Answer = Callable[[Box, Callable[[bytes, socket.socket], None]], bytes]


def serve(connection: socket.socket, answer: Answer) -> None:
    """
    Answer boxes until the other end is closed.

    Descriptors that are sent along are never taken in: the kernel closes them, since nothing here asks for them.
    """
    reader = BoxReader()
    waiting = bytearray()
    sent = 0

    def send_descriptor(tag: bytes, made: socket.socket) -> None:
        nonlocal sent
        flush()
        data = encode_box({"_answer": tag, "socket": b"%d" % sent})
        # The first octets take the descriptor along.
        rest = pass_on(connection, data, made)
        connection.sendall(data[rest:])
        sent += 1

    def flush() -> None:
        connection.sendall(waiting)
        waiting.clear()

    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while data := connection.recv(65536):
            for box in reader.feed(data):
                waiting += answer(box, send_descriptor)
                if len(waiting) >= ENOUGH:
                    flush()
            flush()


def pass_on(connection: socket.socket, data: bytes, made: socket.socket, wait: Callable[[float], None] = sleep) -> int:
    """
    Send a descriptor along with the first octets of a box.

    The kernel lets a user have no more descriptors under way than it may have open: what the daemon has not read yet
    counts, and when there are too many uplinks at once it is waited for.

    @param wait: waits so many seconds.
    @return: how many octets went with it.
    @raise OSError: when it cannot be sent, or the daemon does not read for L{PATIENCE} seconds.
    """
    for _ in range(round(PATIENCE / PAUSE)):
        try:
            return socket.send_fds(connection, [data], [made.fileno()])
        except OSError as error:
            if error.errno != ETOOMANYREFS:
                raise
        wait(PAUSE)
    return socket.send_fds(connection, [data], [made.fileno()])


def log(line: str) -> None:
    """Write to standard error; a line that nobody takes is lost."""
    with contextlib.suppress(OSError):
        os.write(2, f"pdlease helper: {line.rstrip()}\n".encode("utf-8", "backslashreplace"))


def prepare(path: str) -> Answering:
    """
    Read the configuration, open what must be open, and give the other rights away.

    @raise PrivilegeError: with a sentence for the operator.
    """
    owners = frozenset((0, os.getuid()))
    data, config = read_configuration(path, owners)
    try:
        executor = Executor.open(Policy.of(config), monotonic)
    except OSError as error:
        raise PrivilegeError("open a route socket", error.errno or 0, error.strerror or str(error)) from None
    try:
        report = close(closing_of(config.daemon, path))
    except SandboxError as error:
        raise PrivilegeError("start the helper", 0, str(error)) from None
    remarks = report.remarks
    if not os.access(path, os.R_OK):
        remarks += (f"{path} cannot be read by user {report.user}: reload will not work",)
    return Answering(
        executor,
        data,
        lambda: read_configuration(path, owners),
        RefusalLog(log, monotonic),
        pdlease.__version__,
        "\n".join((str(report), *remarks)),
    )


def main(path: str) -> NoReturn:
    """Be the helper."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    # What it has open, its few files and sockets to pass on, is less than this; it leaves no memory image.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    descriptors = DESCRIPTORS if most == resource.RLIM_INFINITY else min(DESCRIPTORS, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = socket.socket(fileno=CONNECTION)
    try:
        answer: Answer = prepare(path).answer
        # reading the program and the configuration has left more than a megabyte behind
        give_memory_back()
    except PrivilegeError as error:
        answer = refuse(error)
    serve(connection, answer)
    sys.stderr.flush()
    # No interpreter shutdown: nothing is to be saved, and it would need files that are closed to us.
    os._exit(0)
