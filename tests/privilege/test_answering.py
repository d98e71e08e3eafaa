"""
Tests for L{pdlease.privilege.answering}.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.protocols.amp import AmpBox, parseString
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.model import Config
from pdlease.operations import PrivilegeError
from pdlease.privilege.answering import LONGEST_REASON, Answering, refuse
from pdlease.privilege.box import Box
from pdlease.privilege.execute import Executor
from pdlease.privilege.policy import Policy
from pdlease.privilege.refusals import RefusalLog
from pdlease.privilege.vocabulary import CARRIERS, PAGE, READ_SINCE, VOCABULARY, write_fields
from tests.privilege.fakekernel import FakeKernel
from tests.privilege.values import EVERY, LAN1, PUT_ADDRESS, TOML, config

WORD_NAMES = [name.encode() for name in VOCABULARY if not name.startswith("open-")]


class AnsweringCase(SynchronousTestCase):
    """An L{Answering} on a kernel in memory."""

    def setUp(self) -> None:
        self.kernel = FakeKernel()
        self.lines: list[str] = []
        self.sent: list[tuple[bytes, int]] = []
        self.file: bytes | Exception = TOML
        settings_folder = self.mktemp()
        for name in self.kernel.links.values():
            os.makedirs(f"{settings_folder}/{name}")
            with open(f"{settings_folder}/{name}/disable_ipv6", "w") as file:
                file.write("0\n")
        executor = Executor(
            Policy.of(config()), self.kernel, marks_addresses=True, settings=settings_folder, seconds=lambda: 0.0
        )
        self.executor = executor
        log = RefusalLog(self.lines.append, lambda: 0.0)
        self.answering = Answering(executor, TOML, self.read, log, "1.2", "confined")
        self.send_problem: OSError | None = None

    def read(self) -> tuple[bytes, Config]:
        """Read the configuration file again."""
        if isinstance(self.file, Exception):
            raise self.file
        return self.file, config(self.file)

    def send(self, tag: bytes, made: socket.socket) -> None:
        """Take a socket that is sent."""
        if self.send_problem is not None:
            raise self.send_problem
        self.sent.append((tag, made.fileno()))

    def say(self, values: Mapping[str, bytes], problem: str = "") -> dict[bytes, bytes]:
        """What is answered to a box."""
        data = self.answering.answer(Box(values=values, problem=problem), self.send)
        if not data:
            return {}
        (box,) = parseString(data)
        self.assertIsInstance(box, AmpBox)
        return dict(box)

    def ask(self, command: bytes, **values: bytes) -> dict[bytes, bytes]:
        """What is answered to a question, less the tag."""
        answer = self.say({"_ask": b"7", "_command": command, **values})
        tag = answer.pop(b"_answer", None) or answer.pop(b"_error")
        self.assertEqual(tag, b"7")
        return answer

    def refused(self, command: bytes, **values: bytes) -> str:
        """Why a question is refused."""
        answer = self.ask(command, **values)
        self.assertEqual(answer[b"_error_code"], b"REFUSED")
        return answer[b"_error_description"].decode()


class AnsweringTests(AnsweringCase):
    """L{Answering}."""

    def test_operations(self) -> None:
        """
        Every operation is carried out, and answered without a field.
        """
        for operation in EVERY:
            self.assertEqual(self.ask(CARRIERS[type(operation)].name.encode(), **write_fields(operation)), {})
        self.assertEqual(
            [asked for asked in self.kernel.asked if "address" not in asked],
            [
                *("add 2001:db8:0:1::1/64", "remove 2001:db8:0:1::1/64"),
                *("list routes", "add route", "remove route", "add route", "remove route"),
                *("add 100.64.1.4/31", "remove 100.64.1.4/31"),
                *("set tap0 10=08000000", "set tap0 10=00000000"),
                f"set tap0 20={b'vm1-if0-web1'.hex()}",
                *("set tap0 27=07000000", "set tap0 up", "set tap0 down", "set tap0 1=020000000001"),
            ],
        )

    def test_policys_refusal(self) -> None:
        """
        What policy refuses is answered with errno 0 and the field, and logged with the operation.
        """
        refused = evolve(PUT_ADDRESS, link="other0", index=5)
        self.assertEqual(
            self.refused(b"put-address", **write_fields(refused)), "0 link: other0 is no configured downstream"
        )
        self.assertEqual(self.lines, [f"refusal 1: {refused}: link: other0 is no configured downstream"])

    def test_kernels_refusal(self) -> None:
        """
        What the kernel refuses is answered with its number and words, and is not logged as a refusal.
        """
        self.kernel.words = (errno.EACCES, "ipv6: IPv6 is disabled on this device")
        said = self.refused(b"put-address", **write_fields(PUT_ADDRESS))
        self.assertEqual(said, f"{errno.EACCES} ipv6: IPv6 is disabled on this device")
        self.assertEqual(self.lines, [])

    def test_hello(self) -> None:
        """
        Hello is answered with version, confinement, and the first page of the configuration.
        """
        self.assertEqual(
            self.ask(b"hello", version=b"9"),
            {b"version": b"1.2", b"report": b"confined", b"number": b"0", b"size": b"%d" % len(TOML), b"page": TOML},
        )

    def test_pages(self) -> None:
        """
        A large configuration is handed over page by page; beyond its end a page is empty.
        """
        text = TOML + b"#" * 3 * PAGE
        self.file = text
        first = self.ask(b"reload")
        data = first[b"page"]
        while page := self.ask(b"configuration", number=b"1", offset=b"%d" % len(data))[b"page"]:
            self.assertLessEqual(len(page), PAGE)
            data += page
        self.assertEqual((data, int(first[b"size"])), (text, len(text)))

    def test_pages_of_another_reading(self) -> None:
        """
        Pages of a configuration that was read again since are not to be had: nobody puts two readings together.
        """
        self.file = TOML + b"#" * 3 * PAGE
        self.ask(b"reload")
        self.ask(b"reload")
        self.assertEqual(self.refused(b"configuration", number=b"1", offset=b"0"), f"{errno.ESTALE} {READ_SINCE}")

    def test_reload(self) -> None:
        """
        A reload hands the new bytes over and changes nothing; the new policy is in force once it is adopted (P13).
        """
        self.file = TOML.replace(b'"lan0", ', b"")
        answer = self.ask(b"reload")
        self.assertEqual((answer[b"page"], answer[b"number"]), (self.file, b"1"))
        self.assertEqual(self.ask(b"put-address", **write_fields(PUT_ADDRESS)), {})
        for _ in range(2):
            self.assertEqual(self.ask(b"adopt", number=b"1"), {})
            self.assertIn("no configured downstream", self.refused(b"put-address", **write_fields(PUT_ADDRESS)))

    def test_only_the_latest_reading_is_adopted(self) -> None:
        """
        What was read before the latest reload is not adopted any more, nor what was never read.
        """
        self.file = TOML.replace(b'"lan0", ', b"")
        self.ask(b"reload")
        self.file = TOML
        self.ask(b"reload")
        for number in (b"0", b"1", b"3"):
            self.assertEqual(self.refused(b"adopt", number=number), f"{errno.ESTALE} {READ_SINCE}")
        self.assertEqual(self.ask(b"adopt", number=b"2"), {})
        self.assertEqual(self.ask(b"put-address", **write_fields(PUT_ADDRESS)), {})

    def test_reload_of_a_wrong_file(self) -> None:
        """
        A file that cannot be taken leaves everything as it was.
        """
        self.file = PrivilegeError("read pdlease.toml", errno.EINVAL, "daemon.sandbox: expected something else")
        self.assertEqual(self.refused(b"reload"), f"{errno.EINVAL} daemon.sandbox: expected something else")
        self.assertEqual(self.ask(b"put-address", **write_fields(PUT_ADDRESS)), {})
        self.assertEqual(self.ask(b"configuration", number=b"0", offset=b"0")[b"page"], TOML)

    def test_long_reasons(self) -> None:
        """
        A reason that is longer than an AMP value holds is cut.
        """
        self.file = PrivilegeError("read pdlease.toml", errno.EINVAL, "x" * 100_000)
        self.assertEqual(len(self.refused(b"reload")), LONGEST_REASON)

    def test_sockets(self) -> None:
        """
        A socket is sent along, with the tag of the question, and closed here.
        """
        made = socket.socket()
        self.executor.open_route_socket = lambda: made  # type: ignore[method-assign]
        number = made.fileno()
        self.assertEqual(self.say({"_ask": b"9", "_command": b"open-route-socket"}), {})
        self.assertEqual(self.sent, [(b"9", number)])
        self.assertEqual(made.fileno(), -1)

    def test_socket_not_passed_on(self) -> None:
        """
        A socket that cannot be passed on is closed, answered with the reason, and does not end the helper; a connection
        that is gone does.
        """
        for number, ends in ((errno.ETOOMANYREFS, False), (errno.EPERM, False), (errno.EPIPE, True)):
            made = socket.socket()
            self.executor.open_route_socket = lambda made=made: made  # type: ignore[misc]
            self.send_problem = OSError(number, os.strerror(number))
            if ends:
                self.assertRaises(BrokenPipeError, self.ask, b"open-route-socket")
            else:
                said = self.refused(b"open-route-socket")
                self.assertEqual(said, f"{number} the socket cannot be passed on: {os.strerror(number)}")
            self.assertEqual(made.fileno(), -1)

    def test_socket_refused(self) -> None:
        """
        A socket that is refused is an error like any other.
        """
        said = self.refused(b"open-client-socket", link=b"lan1", index=b"%d" % LAN1)
        self.assertEqual(said, "0 link: lan1 is no configured uplink")
        self.assertEqual(self.sent, [])

    def test_not_in_the_vocabulary(self) -> None:
        """
        Unknown words and fields are refused by name and logged, and that is all (P15, W7).
        """
        self.assertEqual(self.refused(b"execute"), f"{errno.EINVAL} _command: 'execute' is not in the vocabulary")
        self.assertEqual(self.refused(b"reload", path=b"/etc/shadow"), f"{errno.EINVAL} 'path': no field of reload")
        self.assertEqual(len(self.lines), 2)

    def test_no_command(self) -> None:
        """
        A question without a command is refused.
        """
        answer = self.say({"_ask": b"1"})
        self.assertIn(b"is not in the vocabulary", answer[b"_error_description"])

    def test_box_out_of_bounds(self) -> None:
        """
        A box with a problem is refused with it, whatever else it says.
        """
        answer = self.say({"_ask": b"1", "_command": b"reload"}, "a key of 300 octets; 40 is the most")
        self.assertEqual(answer[b"_error_description"], b"22 box: a key of 300 octets; 40 is the most")

    def test_no_question(self) -> None:
        """
        What asks nothing is not done and not answered, but logged.
        """
        self.assertEqual(self.say({"_command": b"put-address", **write_fields(PUT_ADDRESS)}), {})
        self.assertEqual(self.say({"_answer": b"1"}), {})
        self.assertEqual((self.kernel.held, len(self.lines)), ({}, 2))

    def test_errors_of_ours(self) -> None:
        """
        An error in the program is an answer and a traceback in the log; the next question is answered.
        """
        self.file = ZeroDivisionError("oops")
        said = self.refused(b"reload")
        self.assertEqual(said, f"{errno.EIO} an error of the helper itself: ZeroDivisionError('oops')")
        self.assertIn("Traceback", self.lines[0])
        self.file = TOML
        self.ask(b"reload")

    @settings(deadline=None, max_examples=150)
    @given(
        command=st.sampled_from(WORD_NAMES) | st.binary(max_size=20),
        values=st.dictionaries(
            st.sampled_from(
                ["link", "index", "address", "prefix", "valid", "preferred", "table", "metric", "offset", "number"]
            )
            | st.text(st.characters(max_codepoint=255), max_size=5),
            st.binary(max_size=20) | st.sampled_from([b"lan0", b"3", b"254", b"wan0"]),
            max_size=8,
        ),
    )
    def test_any_box(self, command: bytes, values: dict[str, bytes]) -> None:
        """
        Every question is answered, whatever it says, without an error in the program.
        """
        self.lines.clear()
        answer = self.say({**values, "_ask": b"5", "_command": command})
        self.assertEqual(answer.get(b"_answer", answer.get(b"_error")), b"5")
        self.assertNotIn("Traceback", "".join(self.lines))


class RefuseTests(SynchronousTestCase):
    """L{refuse}."""

    def test_every_question(self) -> None:
        """
        A helper that could not get ready says why to every question.
        """
        answer = refuse(PrivilegeError("read x", errno.ENOENT, "No such file or directory"))
        (box,) = parseString(answer(Box(values={"_ask": b"1"}, problem=""), lambda tag, made: None))
        self.assertEqual(box[b"_error_description"], b"2 read x: No such file or directory")
        self.assertEqual(answer(Box(values={}, problem=""), lambda tag, made: None), b"")
