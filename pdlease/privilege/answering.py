"""
The helper's side of the vocabulary: one box in, one box out, whatever the box says.

Process, user and sandbox are L{pdlease.privilege.helpermain}; what carries operations out is
L{pdlease.privilege.execute}.  Twisted-free.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from socket import socket
from traceback import format_exception
from typing import Any

from pdlease.config.model import Config
from pdlease.operations import PrivilegeError
from pdlease.privilege.box import Box, encode_box
from pdlease.privilege.execute import Executor
from pdlease.privilege.policy import Policy, Refused
from pdlease.privilege.refusals import RefusalLog
from pdlease.privilege.vocabulary import PAGE, READ_SINCE, VOCABULARY, VocabularyError, read_fields

# The error code of everything that is refused; its description is errno, a blank, and the reason.
REFUSED = "REFUSED"

# An AMP value holds 65,535 octets; the errors of a whole configuration may be longer.
LONGEST_REASON = 16384


class Answering:
    """
    Answers boxes.

    Keeps what the file said when it was last read, and the policy that follows; that is not in force before it is
    adopted.
    """

    def __init__(
        self,
        executor: Executor,
        configuration: bytes,
        read: Callable[[], tuple[bytes, Config]],
        refusals: RefusalLog,
        version: str,
        report: str,
    ) -> None:
        """
        @param executor: does what is allowed.
        @param configuration: the bytes that its policy was made from.
        @param read: reads the configuration file again; raises L{PrivilegeError}.
        @param refusals: where refusals are logged.
        @param version: this program's version.
        @param report: how this process is confined, in words.
        """
        self._executor = executor
        self._number = 0
        self._configuration = configuration
        self._policy = executor.policy
        self._read = read
        self._refusals = refusals
        self._version = version
        self._report = report

    def answer(self, box: Box, send_descriptor: Callable[[bytes, socket], None]) -> bytes:
        """
        Answer one box.

        @param send_descriptor: called with the tag of the question and the socket that answers it, in place of a return
            value; raises C{OSError} when it has sent nothing.
        @return: the octets of the answer; empty where nobody asked or where C{send_descriptor} was called.
        """
        values = dict(box.values)
        tag = values.pop("_ask", None)
        if tag is None:
            self._refusals.refused(f"a box without a question; {box.problem or 'nothing to answer'}")
            return b""
        try:
            if box.problem:
                raise VocabularyError("box", box.problem)
            found = self._do(values)
        except VocabularyError as error:
            self._refusals.refused(str(error))
            return _error(tag, errno.EINVAL, str(error))
        except Refused as error:
            self._refusals.refused(str(error))
            return _error(tag, error.errno, error.reason)
        except PrivilegeError as error:
            return _error(tag, error.errno, error.reason)
        except Exception as error:
            # Ours: no box may end the process, so that this one is answered and told instead.
            self._refusals.refused("".join(format_exception(error)))
            return _error(tag, errno.EIO, f"an error of the helper itself: {error!r}")
        if isinstance(found, socket):
            try:
                with found:
                    send_descriptor(tag, found)
            except (BrokenPipeError, ConnectionResetError):
                raise
            except OSError as error:
                # nothing has been sent yet: the daemon is answered, and asks again
                return _error(tag, error.errno or errno.EIO, f"the socket cannot be passed on: {error.strerror}")
            return b""
        return encode_box({"_answer": tag, **found})

    def _do(self, values: dict[str, bytes]) -> Mapping[str, bytes] | socket:
        name = values.pop("_command", b"").decode("latin-1")
        word = VOCABULARY.get(name)
        if word is None:
            raise VocabularyError("_command", f"{name[:40]!a} is not in the vocabulary")
        fields = read_fields(word, values)
        if word.operation is not None:
            self._executor.perform(word.operation(**fields))
            return {}
        answer = _ANSWERS[name](self, **fields)
        if isinstance(answer, socket):
            return answer
        return {field: kind.encode(answer[field]) for field, kind in word.answer}

    def _hello(self, version: str) -> dict[str, Any]:
        return {"version": self._version, "report": self._report, **self._first_page()}

    def _page(self, number: int, offset: int) -> dict[str, Any]:
        self._check_latest("read the configuration", number)
        return {"page": self._configuration[offset : offset + PAGE]}

    def _reload(self) -> dict[str, Any]:
        data, config = self._read()
        self._policy = Policy.of(config, self._executor.policy)
        self._configuration = data
        self._number += 1
        return self._first_page()

    def _adopt(self, number: int) -> dict[str, Any]:
        self._check_latest("adopt the configuration", number)
        self._executor.policy = self._policy
        return {}

    def _check_latest(self, operation: str, number: int) -> None:
        if number != self._number:
            raise PrivilegeError(operation, errno.ESTALE, READ_SINCE)

    def _first_page(self) -> dict[str, Any]:
        page = self._configuration[:PAGE]
        return {"number": self._number, "size": len(self._configuration), "page": page}

    def _open_client_socket(self, link: str, index: int) -> socket:
        return self._executor.open_client_socket(link, index)

    def _open_route_socket(self) -> socket:
        return self._executor.open_route_socket()


_ANSWERS: Mapping[str, Callable[..., Any]] = {
    "hello": Answering._hello,
    "configuration": Answering._page,
    "reload": Answering._reload,
    "adopt": Answering._adopt,
    "open-client-socket": Answering._open_client_socket,
    "open-route-socket": Answering._open_route_socket,
}


def _error(tag: bytes, number: int, reason: str) -> bytes:
    description = f"{number} {reason}".encode("utf-8", "replace")[:LONGEST_REASON]
    return encode_box({"_error": tag, "_error_code": REFUSED.encode(), "_error_description": description})


def refuse(error: PrivilegeError) -> Callable[[Box, Callable[[bytes, socket], None]], bytes]:
    """What answers every box with an error: for a helper that could not get ready."""

    def answer(box: Box, send_descriptor: Callable[[bytes, socket], None]) -> bytes:
        tag = box.values.get("_ask")
        return b"" if tag is None else _error(tag, error.errno, str(error))

    return answer
