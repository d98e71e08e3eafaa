"""
A privilege provider for pdlease that has another one do the work and writes down what became of it:
C{privileges = "audit:/var/log/pdlease-audit"} in C{[daemon]}.

One line of JSON for each operation: second since 1970, what was asked for, and C{null} or why it was not done.
"""

import json
import os
from collections.abc import Sequence
from socket import socket
from typing import TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pdlease.interfaces import IPrivilege, ITimeSource
from pdlease.operations import Operation, PrivilegeError

Outcome = TypeVar("Outcome")


@implementer(IPrivilege)
class AuditedPrivilege:
    """
    Asks another provider.

    The file is opened in L{start}, which comes while the daemon is still root.  Later, behind its sandbox, no file can
    be opened but those of the state folder, and nothing can be imported; what is open stays so.
    """

    log = Logger()

    def __init__(self, provider: IPrivilege, path: str, times: ITimeSource) -> None:
        self._provider = provider
        self._path = path
        self._times = times
        self._descriptor: int | None = None

    def start(self) -> Deferred[bytes]:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._descriptor = os.open(self._path, flags, 0o600)
        except OSError as error:
            return fail(PrivilegeError(f"open {self._path}", error.errno or 0, error.strerror or str(error)))
        return self._provider.start()

    def perform(self, operations: Sequence[Operation]) -> Sequence[Deferred[None]]:
        waited = self._provider.perform(operations)
        return [answer.addBoth(self._note, str(one)) for one, answer in zip(operations, waited, strict=True)]

    def open_client_socket(self, link: str, index: int) -> Deferred[socket]:
        return self._provider.open_client_socket(link, index).addBoth(self._note, f"open port 546 on {link}")

    def open_route_socket(self) -> Deferred[socket]:
        return self._provider.open_route_socket()

    def reload(self) -> Deferred[bytes]:
        return self._provider.reload().addBoth(self._note, "read the configuration again")

    def adopt(self, source: bytes) -> Deferred[None]:
        return self._provider.adopt(source).addBoth(self._note, "put the configuration in force")

    def stop(self) -> Deferred[None]:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        return self._provider.stop()

    def _note(self, outcome: Outcome | Failure, operation: str) -> Outcome | Failure:
        """Write one line; what was done is done, whether or not it can be written down."""
        problem = outcome.getErrorMessage() if isinstance(outcome, Failure) else None
        line = json.dumps([round(self._times.wall(), 3), operation, problem])
        try:
            if self._descriptor is not None:
                os.write(self._descriptor, line.encode() + b"\n")
        except OSError as error:
            self.log.error("{path}: {problem}", path=self._path, problem=error.strerror)
        return outcome
