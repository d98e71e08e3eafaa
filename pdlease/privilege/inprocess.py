"""
The C{inprocess} provider: the daemon itself does it, with the capabilities that it keeps.

For machines where one process is wanted (containers that are given NET_ADMIN and nothing else, tests).  The same
policy holds and the same code carries operations out as in the helper (L{pdlease.privilege.execute}), but a daemon that
is taken over has the capabilities of the helper.  Calls block, for some 30 microseconds each.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from socket import socket
from time import monotonic

from twisted.internet.defer import Deferred, execute, succeed
from zope.interface import implementer

from pdlease.interfaces import IPrivilege, IPrivilegeFactory, PrivilegeContext
from pdlease.operations import Operation, PrivilegeError
from pdlease.privilege.configuration import read_configuration, ready_policy
from pdlease.privilege.execute import Executor
from pdlease.privilege.opening import words_of
from pdlease.privilege.policy import Policy


@implementer(IPrivilege)
class InProcessPrivilege:
    """
    Does everything in this process.
    """

    def __init__(self, context: PrivilegeContext) -> None:
        self._context = context
        self._executor: Executor | None = None
        self._ready: tuple[bytes, Policy] | None = None
        # Whoever started the program, before it becomes another user.
        self._owners = frozenset((0, os.getuid()))

    def start(self) -> Deferred[bytes]:
        def begin() -> bytes:
            data, config = read_configuration(self._context.configuration_path, self._owners)
            try:
                self._executor = Executor.open(Policy.of(config), monotonic)
            except OSError as error:
                raise PrivilegeError("open a route socket", error.errno or 0, words_of(error)) from None
            return data

        return execute(begin)

    def perform(self, operations: Sequence[Operation]) -> Sequence[Deferred[None]]:
        return [execute(self._perform, operation) for operation in operations]

    def open_client_socket(self, link: str, index: int) -> Deferred[socket]:
        return execute(lambda: self._started(f"open port 546 on {link}").open_client_socket(link, index))

    def open_route_socket(self) -> Deferred[socket]:
        return execute(lambda: self._started("open a route socket").open_route_socket())

    def reload(self) -> Deferred[bytes]:
        return execute(self._reload)

    def adopt(self, source: bytes) -> Deferred[None]:
        return execute(self._adopt, source)

    def stop(self) -> Deferred[None]:
        if self._executor is not None:
            self._executor.close()
            self._executor = None
        return succeed(None)

    def _perform(self, operation: Operation) -> None:
        self._started(operation).perform(operation)

    def _reload(self) -> bytes:
        executor = self._started(f"read {self._context.configuration_path}")
        data, config = read_configuration(self._context.configuration_path, self._owners)
        self._ready = data, Policy.of(config, executor.policy)
        return data

    def _adopt(self, source: bytes) -> None:
        executor = self._started("adopt the configuration")
        executor.policy = ready_policy(source, self._ready)

    def _started(self, operation: object) -> Executor:
        if self._executor is None:
            raise PrivilegeError(str(operation), 0, "the privilege provider is not started")
        return self._executor


@implementer(IPrivilegeFactory)
class InProcessFactory:
    """Builds L{InProcessPrivilege}."""

    name = "inprocess"
    summary = "the daemon itself keeps the capabilities and changes the kernel"
    argument = ""

    def build(self, argument: str, context: PrivilegeContext) -> IPrivilege:
        if argument:
            raise ValueError(f"the privilege provider inprocess takes no argument, not {argument!r}")
        return InProcessPrivilege(context)


factory = InProcessFactory()
