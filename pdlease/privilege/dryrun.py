"""
The C{dryrun} provider: changes nothing and writes down what it would do.

It judges by the same policy as the others (L{pdlease.privilege.policy}); of links it asks the kernel only which routing
table their VRF has, and whether they are described as ours.  The route socket is a real one, since listening changes
nothing and needs no right.  A client socket is refused: nothing is sent, so no server hands anything out for show.
With C{dryrun:ask} the client socket is opened as the others do, which needs the right to bind port 546: servers are
asked, and the daemon shows what it would do with their answers.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from socket import if_indextoname, socket

from twisted.internet.defer import Deferred, execute, fail, succeed
from zope.interface import implementer

from pdlease.interfaces import IPrivilege, IPrivilegeFactory, PrivilegeContext
from pdlease.logs import Logger
from pdlease.operations import Operation, PrivilegeError
from pdlease.privilege.configuration import read_configuration, ready_policy
from pdlease.privilege.linkexecute import LinkSetter
from pdlease.privilege.opening import open_client_socket, open_route_socket, words_of
from pdlease.privilege.policy import Policy, Refusal, Refused
from pdlease.privilege.requestsocket import KernelVRFs, RequestSocket

# How many of the latest operations are kept.
KEPT = 1000


@implementer(IPrivilege)
class DryRunPrivilege:
    """
    Writes down.

    @ivar performed: the latest operations that were allowed, oldest first.
    """

    log = Logger()

    def __init__(self, context: PrivilegeContext, asks: bool) -> None:
        """
        @param asks: whether client sockets are opened.
        """
        self.performed: list[Operation] = []
        self._context = context
        self._asks = asks
        self._policy: Policy | None = None
        self._requests: RequestSocket | None = None
        self._ready: tuple[bytes, Policy] | None = None
        self._owners = frozenset((0, os.getuid()))

    def start(self) -> Deferred[bytes]:
        def begin() -> bytes:
            source = self._read()
            self._policy = ready_policy(source, self._ready)
            self._requests = RequestSocket()
            return source

        return execute(begin)

    def perform(self, operations: Sequence[Operation]) -> Sequence[Deferred[None]]:
        return [execute(self._perform, operation) for operation in operations]

    def open_client_socket(self, link: str, index: int) -> Deferred[socket]:
        return execute(self._open_client_socket, link, index)

    def open_route_socket(self) -> Deferred[socket]:
        if self._policy is None:
            return fail(_not_started("open a route socket"))
        return execute(open_route_socket)

    def reload(self) -> Deferred[bytes]:
        if self._policy is None:
            return fail(_not_started(f"read {self._context.configuration_path}"))
        return execute(self._read)

    def adopt(self, source: bytes) -> Deferred[None]:
        if self._policy is None:
            return fail(_not_started("adopt the configuration"))
        return execute(self._adopt, source)

    def stop(self) -> Deferred[None]:
        self._policy = None
        if self._requests is not None:
            self._requests.close()
            self._requests = None
        return succeed(None)

    def _read(self) -> bytes:
        data, config = read_configuration(self._context.configuration_path, self._owners)
        self._ready = data, Policy.of(config, self._policy)
        return data

    def _adopt(self, source: bytes) -> None:
        self._policy = ready_policy(source, self._ready)

    def _perform(self, operation: Operation) -> None:
        if self._policy is None or self._requests is None:
            raise _not_started(operation)
        refusal = self._policy.judge(operation, KernelVRFs(self._requests))
        if refusal is not None and not LinkSetter(self._requests, lambda _: None).has_touched(operation):
            raise Refused(str(operation), refusal)
        self.log.info("dry run: would {operation}", operation=str(operation))
        self.performed.append(operation)
        del self.performed[:-KEPT]

    def _open_client_socket(self, link: str, index: int) -> socket:
        operation = f"open port 546 on {link}"
        if self._policy is None:
            raise _not_started(operation)
        refusal = self._policy.judge_client_socket(link)
        if refusal is not None:
            raise Refused(operation, refusal)
        if not self._asks:
            problem = "this is a dry run: nothing is sent (the provider dryrun:ask would)"
            raise PrivilegeError(operation, errno.EPERM, problem)
        try:
            if if_indextoname(index) != link:
                raise Refused(operation, Refusal(field="link", problem=f"index {index} is not {link}"))
            return open_client_socket(index)
        except OSError as error:
            raise PrivilegeError(operation, error.errno or errno.EIO, words_of(error)) from None


def _not_started(operation: object) -> PrivilegeError:
    return PrivilegeError(str(operation), 0, "the privilege provider is not started")


@implementer(IPrivilegeFactory)
class DryRunFactory:
    """Builds L{DryRunPrivilege}."""

    name = "dryrun"
    summary = "changes nothing and logs what it would do"
    argument = "ask, to send and receive DHCPv6 all the same; nothing, to send nothing"

    def build(self, argument: str, context: PrivilegeContext) -> IPrivilege:
        if argument not in ("", "ask"):
            raise ValueError(f"the privilege provider dryrun takes the argument ask or none, not {argument!r}")
        return DryRunPrivilege(context, asks=argument == "ask")


factory = DryRunFactory()
