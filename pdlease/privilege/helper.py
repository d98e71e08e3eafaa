"""
The C{helper} provider: asks a small process that keeps the privilege when the daemon gives it up (design 7).

The process itself is L{pdlease.privilege.helpermain}.  Questions are written as they come and answered in order, so
many operations cost little more than one.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
from collections.abc import Callable, Sequence
from errno import ESTALE
from types import ModuleType
from typing import Any, NoReturn

import attr
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ProcessDone
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, ProcessProtocol
from twisted.protocols import amp
from twisted.python.failure import Failure
from zope.interface import implementer

import pdlease
from pdlease.interfaces import IPrivilege, IPrivilegeFactory, PrivilegeContext
from pdlease.logs import Logger
from pdlease.operations import Operation, PrivilegeError
from pdlease.privilege.commands import COMMANDS, REFUSED, RefusedByHelper
from pdlease.privilege.vocabulary import CARRIERS, READ_SINCE, write_fields

# Where the helper finds its end of the socket pair.
CONNECTION = 3

# So many operations of a batch are written one by one: the helper begins with the first while the next is packed.
EAGER = 4

# The helper is started without site packages and environment (-I -S): it imports from the folders given to it, and from
# nowhere else.
START = "import sys; sys.path += sys.argv[2:]; from pdlease.privilege.helpermain import main; main(sys.argv[1])"


def import_folders(modules: Sequence[ModuleType] = (pdlease, attr), *, is_root: bool = False) -> list[str]:
    """
    The folders that the helper imports from: those that this process has these packages from.

    @param is_root: whether the helper will start as root.
    @raise PrivilegeError: when everybody may write such a folder and the helper will start as root.
    """
    folders: list[str] = []
    for module in modules:
        assert module.__file__ is not None
        package = os.path.dirname(os.path.abspath(module.__file__))
        folder = os.path.dirname(package)
        for path in (folder, package):
            if is_root and os.stat(path).st_mode & stat.S_IWOTH:
                raise PrivilegeError("start the helper", 0, f"everybody may write {path}, where its program is")
        if folder not in folders:
            folders.append(folder)
    return folders


class _Link(amp.AMP):
    """The daemon's end of the socket pair."""

    def fileDescriptorReceived(self, descriptor: int) -> None:
        # Twisted receives descriptors inheritable.
        os.set_inheritable(descriptor, False)
        super().fileDescriptorReceived(descriptor)  # type: ignore[no-untyped-call]


class _OneLink(Factory[_Link]):
    """Makes the one protocol of the one connection that there is."""

    noisy = False

    def __init__(self) -> None:
        self.link = _Link()  # type: ignore[no-untyped-call]

    def buildProtocol(self, addr: IAddress | None) -> _Link:
        return self.link


class _Process(ProcessProtocol):
    """Hears what the helper writes to its standard error, and its end."""

    log = Logger()

    def __init__(self, owner: HelperPrivilege) -> None:
        self._owner = owner
        self._line = b""

    def errReceived(self, data: bytes) -> None:
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest[-4096:]
        for line in lines:
            self.log.warn("helper: {line}", line=line.decode("utf-8", "replace"))

    def processEnded(self, reason: Failure) -> None:
        self._owner._process_ended(reason)


@implementer(IPrivilege)
class HelperPrivilege:
    """
    Asks the helper process.

    @ivar report: how the helper says that it is confined; empty before L{start} has fired.
    """

    log = Logger()

    def __init__(self, context: PrivilegeContext) -> None:
        self.report: tuple[str, ...] = ()
        self._context = context
        self._reactor: Any = context.reactor
        self._link: _Link | None = None
        self._stopping = False
        self._has_ended = False
        self._stopped: list[Deferred[None]] = []
        self._process: Any = None
        # the bytes of the latest reading of the configuration, and the helper's number of it
        self._ready: tuple[bytes, int] | None = None

    def start(self) -> Deferred[bytes]:
        try:
            self._spawn()
        except PrivilegeError:
            return fail()
        except OSError as error:
            return fail(PrivilegeError("start the helper", error.errno or 0, error.strerror or str(error)))
        return self._hello()

    def perform(self, operations: Sequence[Operation]) -> Sequence[Deferred[None]]:
        answers = []
        for operation in operations:
            answers.append(self._perform(operation))
            if len(answers) <= EAGER:
                self._flush()
        self._flush()
        return answers

    def _flush(self) -> None:
        """Write now and not at the reactor's next turn: the helper works while the daemon goes on."""
        transport: Any = self._link.transport if self._link is not None else None
        if transport is not None:
            transport.doWrite()

    def open_client_socket(self, link: str, index: int) -> Deferred[socket.socket]:
        return self._open(f"open port 546 on {link}", "open-client-socket", link=link, index=index)

    def open_route_socket(self) -> Deferred[socket.socket]:
        return self._open("open a route socket", "open-route-socket")

    def reload(self) -> Deferred[bytes]:
        operation = f"read {self._context.configuration_path}"

        def read(answer: dict[str, Any]) -> Deferred[bytes]:
            def whole(source: bytes) -> bytes:
                self._ready = source, answer["number"]
                return source

            return self._all_pages(operation, answer).addCallback(whole)

        return self._ask(operation, "reload").addCallback(read)

    def adopt(self, source: bytes) -> Deferred[None]:
        operation = "adopt the configuration"
        if self._link is None:
            return fail(_not_running(operation))
        if self._ready is None or self._ready[0] != source:
            return fail(PrivilegeError(operation, ESTALE, READ_SINCE))
        return self._ask(operation, "adopt", number=self._ready[1]).addCallback(lambda _: None)

    def stop(self) -> Deferred[None]:
        self._stopping = True
        if self._process is None or self._has_ended:
            return succeed(None)
        stopped: Deferred[None] = Deferred()
        self._stopped.append(stopped)
        # nothing more is asked: what were written now would keep the connection from being closed
        link, self._link = self._link, None
        if link is not None and link.transport is not None:
            link.transport.loseConnection()
        return stopped

    def _spawn(self) -> None:
        folders = import_folders(is_root=os.geteuid() == 0)
        ours, theirs = socket.socketpair()
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            path = self._context.configuration_path
            self._process = self._reactor.spawnProcess(
                _Process(self),
                sys.executable,
                [sys.executable, "-I", "-S", "-c", START, path, *folders],
                env={name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
                childFDs={0: null, 1: null, 2: 2 if _has_standard_error(null) else "r", CONNECTION: theirs.fileno()},
            )
            connection = _OneLink()
            self._reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, connection)
            self._link = connection.link
        finally:
            os.close(null)
            theirs.close()
            ours.close()

    def _hello(self) -> Deferred[bytes]:
        answered = self._ask("start the helper", "hello", version=pdlease.__version__)

        def heard(answer: dict[str, Any]) -> Deferred[bytes]:
            if answer["version"] != pdlease.__version__:
                problem = f"it is of version {answer['version']}, the daemon of {pdlease.__version__}"
                raise PrivilegeError("start the helper", 0, problem)
            self.report = tuple(answer["report"].splitlines())
            self.log.info("the helper runs as {what}", what=self.report[0])
            for remark in self.report[1:]:
                self.log.warn("the helper: {remark}", remark=remark)
            return self._all_pages("read the configuration", answer)

        return answered.addCallback(heard)

    def _all_pages(self, operation: str, answer: dict[str, Any]) -> Deferred[bytes]:
        """Ask for the rest of a configuration that is larger than one answer."""
        number, data, size = answer["number"], answer["page"], answer["size"]
        if len(data) >= size or not answer["page"]:
            return succeed(data)

        def more(page: dict[str, Any]) -> Deferred[bytes]:
            joined = {"number": number, "page": data + page["page"], "size": size if page["page"] else 0}
            return self._all_pages(operation, joined)

        return self._ask(operation, "configuration", number=number, offset=len(data)).addCallback(more)

    def _perform(self, operation: Operation) -> Deferred[None]:
        # without amp.Command: four times as fast, and an operation's answer has no fields to read
        word, fields = CARRIERS[type(operation)].name.encode(), write_fields(operation)

        def send(link: _Link) -> Deferred[Any]:
            return link.callRemoteString(word, **fields)  # type: ignore[no-any-return, no-untyped-call]

        return self._send(operation, send).addCallback(lambda _: None)

    def _open(self, operation: str, word: str, **fields: object) -> Deferred[socket.socket]:
        def opened(answer: dict[str, Any]) -> socket.socket:
            made = socket.socket(fileno=answer["socket"])
            made.setblocking(False)
            return made

        return self._ask(operation, word, **fields).addCallback(opened)

    def _ask(self, operation: object, word: str, **fields: object) -> Deferred[dict[str, Any]]:
        """
        Ask one question of the vocabulary.

        @param operation: what it is about, for errors.
        """

        def send(link: _Link) -> Deferred[Any]:
            return link.callRemote(COMMANDS[word], **fields)  # type: ignore[no-any-return, no-untyped-call]

        return self._send(operation, send)

    def _send(self, operation: object, send: Callable[[_Link], Deferred[Any]]) -> Deferred[Any]:
        """Send a question, and have every failure tell what it was about."""
        if self._link is None or self._has_ended:
            return fail(_not_running(operation))
        try:
            answered = send(self._link)
        except Exception:  # the connection is closed
            answered = fail()
        answered.addErrback(_failed, operation)
        return answered

    def _process_ended(self, reason: Failure) -> None:
        self._has_ended = True
        stopped, self._stopped = self._stopped, []
        for deferred in stopped:
            deferred.callback(None)
        if not self._stopping:
            self._context.ended(f"the helper process ended ({_how(reason)})")


def _has_standard_error(null: int) -> bool:
    """
    Whether standard error leads somewhere: there the helper writes past the daemon, else the daemon logs its lines.
    """
    try:
        return os.fstat(2).st_rdev != os.fstat(null).st_rdev
    except OSError:
        return False


def _not_running(operation: object) -> PrivilegeError:
    return PrivilegeError(str(operation), 0, "the helper is not running")


def _failed(failure: Failure, operation: object) -> NoReturn:
    error = failure.value
    if isinstance(error, amp.RemoteAmpError) and error.errorCode == REFUSED:
        error = RefusedByHelper(error.description)
    if isinstance(error, RefusedByHelper):
        raise PrivilegeError(str(operation), error.errno, error.reason)
    if isinstance(error, PrivilegeError):
        raise error
    raise PrivilegeError(str(operation), 0, f"the helper does not answer ({failure.getErrorMessage()})")


def _how(reason: Failure) -> str:
    if reason.check(ProcessDone):
        return "status 0"
    signal, status = getattr(reason.value, "signal", None), getattr(reason.value, "exitCode", None)
    return f"killed by signal {signal}" if signal else f"status {status}"


@implementer(IPrivilegeFactory)
class HelperFactory:
    """Builds L{HelperPrivilege}."""

    name = "helper"
    summary = "a small process with a sandbox of its own keeps the privilege; the daemon has none"
    argument = ""

    def build(self, argument: str, context: PrivilegeContext) -> IPrivilege:
        if argument:
            raise ValueError(f"the privilege provider helper takes no argument, not {argument!r}")
        return HelperPrivilege(context)


factory = HelperFactory()
