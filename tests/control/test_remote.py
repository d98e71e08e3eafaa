"""Tests of control from other machines: TLS with certificates on both sides, over real sockets."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import subprocess
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor  # noqa: TID251 - real sockets need the real one
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock, deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase, TestCase

from pdlease.config.remote import Listen, Remote
from pdlease.control.blocking import Control
from pdlease.control.boxes import encode_box
from pdlease.control.client import ControlClient, connect_remote
from pdlease.control.credentials import Files, Owners
from pdlease.control.errors import ControlError, GoneError, NotAllowedError, UnreachableError
from pdlease.control.listening import listen_remote, listen_socket
from pdlease.control.reaching import NotReached
from pdlease.control.remote import (
    HANDSHAKE_SECONDS,
    HANDSHAKES,
    NETWORK_HANDSHAKES,
    NETWORK_HANDSHAKES_A_SECOND,
    Credentials,
    Gate,
    network_of,
)
from pdlease.control.roles import Role, Roles
from pdlease.control.server import ControlService
from pdlease.control.vocabulary import Closing
from tests.control.certificates import certificates
from tests.control.daemons import FakeDaemon, read_boxes
from tests.control.test_server import Readers

ROLES = Roles(
    admin_uids=frozenset({os.geteuid()}),
    names={"email:alice@example.org": Role.ADMIN, "DNS:monitor.example.org": Role.VIEWER, "*": Role.VIEWER},
)

VERSION = encode_box({b"_ask": b"1", b"_command": b"Version", b"oldest": b"1", b"newest": b"1", b"software": b"t"})


def remote(server: Files, client_ca: str | None = None) -> Remote:
    """The configuration of a daemon with this certificate."""
    return Remote(
        listen="ssl:port=4546", certificate=server.certificate, key=server.key, client_ca=client_ca or server.ca
    )


class RemoteCase(TestCase):
    """
    A service with a gate.

    @cvar server: name of the daemon's certificate; empty for plain TCP.
    @ivar clock: of the gate.
    """

    server = "server"
    timeout = 60

    def setUp(self) -> None:
        self.set = certificates(self)
        folder = self.mktemp()
        os.mkdir(folder)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder)
        self.daemon = FakeDaemon()
        self.clock = Clock()
        self.credentials: Credentials | None = None
        if self.server:
            self.credentials = Credentials(Owners(writers=frozenset((0, os.geteuid()))))
            self.credentials.use(self.credentials.read(remote(getattr(self.set, self.server))))
        listening = listen_remote(Listen(port=0, interface="127.0.0.1"))
        self.port = listening.getsockname()[1]
        self.wall = 0.0
        self.gate = Gate(reactor, self.clock, listening, self.credentials, lambda: self.wall)  # type: ignore[arg-type]
        self.service = ControlService(
            reactor=reactor,  # type: ignore[arg-type]
            clock=self.clock,
            daemon=self.daemon,
            listening=listen_socket("c.sock", ""),
            path="c.sock",
            roles=ROLES,
            gate=self.gate,
        )
        self.service.startService()
        self.addCleanup(lambda: self.service.running and self.service.stopService())

    @property
    def host(self) -> str:
        """Where the daemon is."""
        return f"localhost:{self.port}"

    def ask(self, files: Files, work: Callable[[Control], Any] = lambda daemon: daemon.role) -> Deferred[Any]:
        """Use the blocking client, with these files, in a thread."""

        def whole() -> Any:
            with Control(host=self.host, keys=files, seconds=5) as daemon:
                return work(daemon)

        return deferToThread(whole)

    async def client(self, files: Files) -> ControlClient:
        """A connected Twisted client, disconnected at the end."""
        client = await connect_remote(reactor, self.host, files)
        self.addCleanup(client.disconnect)
        return client

    def knock(self) -> socket.socket:
        """A connection without anything said."""
        knocking = socket.create_connection(("127.0.0.1", self.port))
        knocking.setblocking(False)
        self.addCleanup(knocking.close)
        return knocking

    async def turn(self, until: Callable[[], object]) -> None:
        """Let the reactor run until something is so."""
        for _ in range(1000):
            if until():
                return
            await deferLater(reactor, 0.005)  # type: ignore[arg-type]
        self.fail("it never came to be so")

    def is_over(self, knocking: socket.socket) -> bool:
        """Whether the daemon ended a connection."""
        try:
            return knocking.recv(65536) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True


class RoleTests(RemoteCase):
    """Who may do what."""

    async def test_admin(self) -> None:
        """The holder of a certificate with a name that is an admin does everything, with documents of 300 kB."""
        self.daemon.padding = 300_000

        def work(daemon: Control) -> list[object]:
            return [daemon.role, daemon.status(), daemon.renew(), daemon.history(3)["events"]]

        expected = ["admin", self.daemon.status(None), {"wan": "Renew was sent."}, []]
        self.assertEqual(await self.ask(self.set.alice, work), expected)
        client = await self.client(self.set.alice)
        found = [client.role, await client.status(), await client.renew(), (await client.history(3))["events"]]
        self.assertEqual(found, expected)
        self.assertEqual(self.daemon.calls, [("renew", None)] * 2)

    async def test_viewer(self) -> None:
        """A viewer looks, and is refused every command that changes something."""

        def work(daemon: Control) -> object:
            self.assertEqual(daemon.status()["uplinks"]["wan"]["state"], "bound")
            return daemon.renew()

        await self.assertFailure(self.ask(self.set.monitor, work), NotAllowedError)
        client = await self.client(self.set.monitor)
        await self.assertFailure(client.reload(), NotAllowedError)
        self.assertEqual(self.daemon.calls, [])

    async def test_watch(self) -> None:
        """Events come as they happen, and the end with its reason."""
        told: list[int] = []
        client = await self.client(self.set.monitor)
        await client.watch(lambda event: told.append(event["sequence"]))
        self.daemon.happen(1)
        self.daemon.happen(2, text="x" * 40_000)
        await self.turn(lambda: told == [1, 2])
        stopped = self.service.stopService()
        self.assertIn("stopping", str(await client.closed))
        await stopped

    async def test_slow_watcher(self) -> None:
        """A watcher that does not read is told that it was too slow, and what waits for it is bounded."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.set.alice.ca)
        context.load_cert_chain(self.set.alice.certificate, self.set.alice.key)

        def begin() -> ssl.SSLSocket:
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(("127.0.0.1", self.port))
            watching = context.wrap_socket(raw, server_hostname="localhost")
            watching.sendall(VERSION + encode_box({b"_ask": b"2", b"_command": b"Watch"}))
            watching.recv(10)
            return watching

        watching = await deferToThread(begin)
        self.addCleanup(watching.close)
        await self.turn(lambda: self.service.events._added)
        (connection,) = self.service._connections
        for sequence in range(1, 1500):
            self.daemon.happen(sequence, text="x" * 8000)
            if sequence % 50 == 0:
                await deferLater(reactor, 0)  # type: ignore[arg-type]

        def drain() -> bytes:
            octets = b""
            while part := watching.recv(65536):
                octets += part
            return octets

        self.assertIn(Closing.TOO_SLOW.name.encode(), await deferToThread(drain))
        await self.turn(lambda: connection not in self.service._connections)

    async def test_exactly_the_name(self) -> None:
        """Good certificates with names that are not listed, or with none, get no role and are told so."""
        for files in (self.set.stranger, self.set.nameless):
            gone = await self.assertFailure(self.ask(files), GoneError)
            self.assertIn("no role", str(gone))
            client = connect_remote(reactor, self.host, files)
            self.assertIn("no role", str(await self.assertFailure(client, GoneError)))


class CertificateTests(RemoteCase):
    """Whose certificates are believed."""

    async def refused(self, files: Files, words: str) -> None:
        """Both clients are refused with these words, and nothing reached the daemon."""
        for trying in (self.ask(files), connect_remote(reactor, self.host, files)):
            problem = await self.assertFailure(trying, UnreachableError)
            self.assertIn(words, str(problem))
        self.assertEqual(len(self.service._connections), 0)

    async def test_client_certificates(self) -> None:
        """
        A certificate that has expired, is of another CA, or is one for servers is refused; the client hears why, and
        the log as well.
        """
        with capturedLogs() as events:
            await self.refused(self.set.expired, "certificate has expired")
            self.clock.advance(11)
            await self.refused(self.set.forged, "does not know the CA")
            self.clock.advance(11)
            await self.refused(self.set.for_servers, "not one for clients")
        lines = [formatEvent(event) or "" for event in events if "refused" in (formatEvent(event) or "")]
        self.assertEqual(len(lines), 3)
        for line, words in zip(lines, ("expired", "unable to get", "purpose"), strict=True):
            self.assertIn("127.0.0.1", line)
            self.assertIn(words, line)

    async def test_no_certificate(self) -> None:
        """A client without a certificate is refused by the handshake."""
        context = ssl.create_default_context(cafile=self.set.alice.ca)

        def whole() -> str:
            with (
                socket.create_connection(("127.0.0.1", self.port)) as raw,
                context.wrap_socket(raw, server_hostname="localhost") as wrapped,
            ):
                wrapped.sendall(VERSION)
                try:
                    return repr(wrapped.recv(100))
                except ssl.SSLError as problem:
                    return str(problem.reason)

        self.assertEqual(await deferToThread(whole), "TLSV13_ALERT_CERTIFICATE_REQUIRED")

    async def test_single_certificate(self) -> None:
        """What client_ca lists is believed as it is: the certificate of one client alone, or a CA below another one."""
        assert self.credentials is not None
        self.credentials.use(self.credentials.read(remote(self.set.server, self.set.alice.certificate)))
        self.assertEqual(await self.ask(self.set.alice), "admin")
        await self.refused(self.set.monitor, "does not know the CA")

    async def test_older_tls(self) -> None:
        """TLS 1.3 is spoken, and nothing older."""
        context = ssl.create_default_context(cafile=self.set.alice.ca)
        context.load_cert_chain(self.set.alice.certificate, self.set.alice.key)
        context.maximum_version = ssl.TLSVersion.TLSv1_2

        def whole() -> None:
            with socket.create_connection(("127.0.0.1", self.port)) as raw:
                context.wrap_socket(raw, server_hostname="localhost")

        problem = await self.assertFailure(deferToThread(whole), ssl.SSLError)
        self.assertEqual(problem.reason, "TLSV1_ALERT_PROTOCOL_VERSION")

    async def test_no_resumption(self) -> None:
        """No session is resumed: every connection shows its certificate and is judged anew."""
        context = ssl.create_default_context(cafile=self.set.alice.ca)
        context.load_cert_chain(self.set.alice.certificate, self.set.alice.key)

        def connect(session: ssl.SSLSession | None) -> tuple[bool | None, ssl.SSLSession | None, bool]:
            with (
                socket.create_connection(("127.0.0.1", self.port)) as raw,
                context.wrap_socket(raw, server_hostname="localhost", session=session) as wrapped,
            ):
                wrapped.sendall(VERSION)
                wrapped.recv(1000)
                found = wrapped.session
                return wrapped.session_reused, found, bool(found and found.has_ticket)

        _, session, has_ticket = await deferToThread(connect, None)
        reused, _, _ = await deferToThread(connect, session)
        self.assertEqual((has_ticket, reused), (False, False))

    async def test_end_of_tls(self) -> None:
        """A client that says the end within TLS, and keeps its connection, is taken at its word."""
        context = ssl.create_default_context(cafile=self.set.alice.ca)
        context.load_cert_chain(self.set.alice.certificate, self.set.alice.key)

        def end() -> socket.socket:
            raw = socket.create_connection(("127.0.0.1", self.port))
            wrapped = context.wrap_socket(raw, server_hostname="localhost")
            wrapped.sendall(VERSION)
            wrapped.recv(1000)
            return wrapped.unwrap()

        left = await deferToThread(end)
        self.addCleanup(left.close)
        self.assertEqual(await deferToThread(left.recv, 1), b"")
        await self.turn(lambda: len(self.service._connections) == 0)

    async def test_no_tls(self) -> None:
        """What is no TLS at all is hung up on, and nothing of it is answered."""
        for octets in (b"GET / HTTP/1.1\r\n\r\n", VERSION, b"\x16\x03\x01\xff\xff" + b"\0" * 70_000):
            knocking = self.knock()
            knocking.setblocking(True)
            await deferToThread(knocking.sendall, octets)
            knocking.setblocking(False)
            await self.turn(lambda: self.is_over(knocking))  # noqa: B023 - called before it goes on
            knocking.close()
        await self.turn(lambda: len(self.gate._handshakes) == 0)
        self.assertEqual(self.flushLoggedErrors(), [])


class ServerTests(RemoteCase):
    """What a client believes of a daemon."""

    async def refused(self, server: Files, words: str) -> None:
        """Both clients leave a daemon that shows this certificate, with these words."""
        assert self.credentials is not None
        self.credentials.use(self.credentials.read(remote(server, self.set.alice.ca)))
        for trying in (self.ask(self.set.alice), connect_remote(reactor, self.host, self.set.alice)):
            self.assertIn(words, str(await self.assertFailure(trying, UnreachableError)))
        self.assertEqual(len(self.service._connections), 0)

    async def test_name(self) -> None:
        """The daemon's certificate must name what the client calls it."""
        await self.refused(self.set.misnamed, "Hostname mismatch")

    async def test_expired(self) -> None:
        """It must be good today."""
        await self.refused(self.set.expired_server, "certificate has expired")

    async def test_purpose(self) -> None:
        """The certificate of a client is not that of a daemon: no client can pass itself off as one."""
        await self.refused(self.set.alice, "unsuitable certificate purpose")

    async def test_authority(self) -> None:
        """It must go back to the CA that the client knows."""
        await self.refused(self.set.forged, "unable to get local issuer")

    async def test_nobody(self) -> None:
        """Where nobody listens, or nobody speaks TLS, that is one sentence with the place; nothing hangs."""
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            self.port = silent.getsockname()[1]
            for trying in (self.ask(self.set.alice), connect_remote(reactor, self.host, self.set.alice)):
                problem = await self.assertFailure(trying, UnreachableError)
                self.assertIn(f"localhost:{self.port}", str(problem))
            silent.listen()
            silent.setblocking(True)

            def answer() -> None:
                for _ in range(2):
                    connection, _ = silent.accept()
                    connection.recv(1)
                    connection.sendall(b"220 smtp.example.org ESMTP\r\n")
                    connection.recv(65536)
                    connection.close()

            answering = deferToThread(answer)
            for trying in (self.ask(self.set.alice), connect_remote(reactor, self.host, self.set.alice)):
                problem = await self.assertFailure(trying, UnreachableError)
                self.assertIn("no TLS", str(problem))
            await answering

    async def test_no_keys(self) -> None:
        """Without keys, or for what is no host, nobody is asked: both clients fail at once."""
        none = Files(certificate="/nonexistent/c.pem", key="/nonexistent/k.pem", ca="/nonexistent/a.pem")
        for trying in (self.ask(none), connect_remote(reactor, self.host, none)):
            self.assertIn("/nonexistent/c.pem", str(await self.assertFailure(trying, UnreachableError)))
        await self.assertFailure(connect_remote(reactor, "router:0", none), NotReached)
        self.assertEqual(len(self.gate._begun), 0)

    async def test_given_up(self) -> None:
        """Who stops waiting for a connection leaves none behind."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            connecting = connect_remote(reactor, f"localhost:{silent.getsockname()[1]}", self.set.alice)
            accepted, _ = await deferToThread(silent.accept)
            with accepted:
                await deferToThread(accepted.recv, 5)
                connecting.cancel()
                await self.assertFailure(connecting, CancelledError)
                accepted.setblocking(False)
                await self.turn(lambda: self.is_over(accepted))

    async def test_silence(self) -> None:
        """A host that accepts and never says anything is given up after a while."""
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            self.port = silent.getsockname()[1]

            def whole() -> None:
                Control(host=self.host, keys=self.set.alice, seconds=0.1)

            self.assertIn("does not answer", str(await self.assertFailure(deferToThread(whole), UnreachableError)))
            problem = await self.assertFailure(
                connect_remote(reactor, self.host, self.set.alice, seconds=0.1), UnreachableError
            )
            self.assertIn("does not answer", str(problem))


class BoundTests(RemoteCase):
    """What keeps strangers from filling memory and descriptors."""

    async def test_half_open(self) -> None:
        """A handshake that is not over after 10 s is cut off, however it trickles."""
        silent, trickling = self.knock(), self.knock()
        await self.turn(lambda: len(self.gate._handshakes) == 2)
        for _ in range(9):
            trickling.send(b"\x16")
            self.clock.advance(1)
        self.assertEqual(len(self.gate._handshakes), 2)
        self.clock.advance(HANDSHAKE_SECONDS - 9)
        await self.turn(lambda: self.is_over(silent) and self.is_over(trickling))
        self.assertEqual((len(self.gate._handshakes), self.clock.getDelayedCalls()), (0, []))

    async def test_places(self) -> None:
        """
        One network has 8 handshakes at most; the oldest makes room for the next, so that whoever does get through is
        not kept out by those who never will.
        """
        knocking = [self.knock() for _ in range(NETWORK_HANDSHAKES)]
        await self.turn(lambda: len(self.gate._handshakes) == NETWORK_HANDSHAKES)
        self.assertEqual(await self.ask(self.set.alice), "admin")
        await self.turn(lambda: self.is_over(knocking[0]))
        self.assertFalse(self.is_over(knocking[1]))
        self.assertLessEqual(NETWORK_HANDSHAKES * 2, HANDSHAKES)

    async def test_rate(self) -> None:
        """
        One network begins 20 handshakes in a second at most; who comes then is hung up on at once, and in the next
        second served again.
        """
        for count in range(1, NETWORK_HANDSHAKES_A_SECOND + 1):
            self.knock()
            await self.turn(lambda: len(self.gate._begun) == count)  # noqa: B023 - called before it goes on
        late = self.knock()
        await self.turn(lambda: self.is_over(late))
        await self.assertFailure(self.ask(self.set.alice), ControlError)
        self.clock.advance(1)
        self.assertEqual(await self.ask(self.set.alice), "admin")

    async def test_refusals_are_bounded(self) -> None:
        """A hundred bad certificates are one line in the log, with their number in the next."""
        with capturedLogs() as events:
            for _ in range(30):
                await self.assertFailure(self.ask(self.set.forged), ControlError)
                self.clock.advance(0.1)
            self.clock.advance(10)
            await self.assertFailure(self.ask(self.set.forged), ControlError)
        counts = [event["count"] for event in events if "count" in event]
        self.assertEqual(counts, [1, 30])
        await self.turn(lambda: len(self.gate._handshakes) == 0)

    async def test_oversized(self) -> None:
        """A box beyond the bounds ends the connection before it comes, as it does on the local socket."""

        def work(daemon: Control) -> object:
            daemon._socket.sendall(b"\0\1a\xff\xff" + b"x" * 100)
            return daemon.status()

        gone = await self.assertFailure(self.ask(self.set.alice, work), GoneError)
        self.assertIn("larger than any command", str(gone))

    async def test_garbled(self) -> None:
        """What is no TLS any more ends a session, on both sides, without a traceback."""
        client = await self.client(self.set.alice)
        stream: Any = client.transport
        stream.transport.write(b"\x17\x03\x03\0\x20" + b"x" * 32)
        self.assertIsInstance(await client.closed, ControlError)
        await self.turn(lambda: len(self.service._connections) == 0)
        other = await self.client(self.set.alice)
        (connection,) = self.service._connections
        connection.transport.transport.write(b"\x17\x03\x03\0\x20" + b"x" * 32)  # type: ignore[union-attr]
        self.assertIn("not sound", str(await other.closed))
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_not_adopted(self) -> None:
        """A connection that the reactor cannot take, for want of descriptors, keeps no place and no timer."""
        readers = Readers(OSError(errno.EMFILE, "none left"))
        self.gate._reactor = readers
        knocking = self.knock()
        await self.turn(lambda: self.is_over(knocking))
        self.assertEqual((len(self.gate._handshakes), len(self.service._connections)), (0, 0))
        self.assertLessEqual(len(self.clock.getDelayedCalls()), 1)

    async def test_turned_away_is_not_kept(self) -> None:
        """Who is turned away and does not hang up is cut off after 5 s."""
        context = ssl.create_default_context(cafile=self.set.stranger.ca)
        context.load_cert_chain(self.set.stranger.certificate, self.set.stranger.key)

        def begin() -> ssl.SSLSocket:
            return context.wrap_socket(socket.create_connection(("127.0.0.1", self.port)), server_hostname="localhost")

        staying = await deferToThread(begin)
        self.addCleanup(staying.close)
        (box,) = read_boxes(await deferToThread(staying.recv, 4096))
        self.assertEqual(box[b"reason"], b"NOT_ALLOWED")
        self.assertEqual(await deferToThread(staying.recv, 4096), b"")
        self.assertEqual(len(self.gate._handshakes), 1)
        self.clock.advance(5)
        await self.turn(lambda: len(self.gate._handshakes) == 0)


class RenewalTests(RemoteCase):
    """What a reload changes."""

    async def test_certificate(self) -> None:
        """New connections see the new certificate; the listener and the sessions stay as they are."""
        assert self.credentials is not None
        client = await self.client(self.set.alice)

        def serial() -> str:
            context = ssl.create_default_context(cafile=self.set.alice.ca)
            context.load_cert_chain(self.set.alice.certificate, self.set.alice.key)
            with (
                socket.create_connection(("127.0.0.1", self.port)) as raw,
                context.wrap_socket(raw, server_hostname="localhost") as wrapped,
            ):
                return str((wrapped.getpeercert() or {})["serialNumber"])

        before = await deferToThread(serial)
        self.assertFalse(self.credentials.use(self.credentials.read(remote(self.set.renewed))))
        self.assertNotEqual(await deferToThread(serial), before)
        self.assertEqual(await client.why(), ["wan is bound."])

    async def test_roles(self) -> None:
        """A session whose role is another now is ended with the reason; others go on."""
        alice, monitor = await self.client(self.set.alice), await self.client(self.set.monitor)
        self.service.roles = Roles(names={"email:alice@example.org": Role.ADMIN})
        self.assertIn("another role", str(await monitor.closed))
        self.assertEqual(await alice.why(), ["wan is bound."])

    async def test_expiry(self) -> None:
        """A session ends with the certificate that it was begun with, however busy it is, and is told so."""
        words = ("openssl", "x509", "-enddate", "-noout", "-in", self.set.alice.certificate)
        told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        end = ssl.cert_time_to_seconds(told.strip().removeprefix("notAfter="))
        self.wall = end - 1000
        alice = await self.client(self.set.alice)
        self.assertEqual((await alice.watch(lambda event: None)).missed, False)
        self.clock.advance(999)
        self.assertEqual(await alice.why(), ["wan is bound."])
        self.clock.advance(2)
        self.assertIn("no longer good", str(await alice.closed))
        await self.turn(lambda: len(self.service._connections) == 0)
        self.assertEqual([call for call in self.clock.getDelayedCalls() if call.getTime() > 2000], [])

    async def test_authorities(self) -> None:
        """Where others than before decide about certificates, every session has to be begun anew."""
        assert self.credentials is not None
        alice = await self.client(self.set.alice)
        self.assertTrue(
            self.credentials.use(self.credentials.read(remote(self.set.server, self.set.forged.certificate)))
        )
        self.service.close_remote(Closing.AUTHORITIES_CHANGED)
        self.assertIn("Other authorities", str(await alice.closed))
        await self.assertFailure(self.ask(self.set.alice), UnreachableError)

    async def test_unusable(self) -> None:
        """As long as there is no usable certificate everybody is turned away, and the log says why."""
        assert self.credentials is not None
        self.credentials.context, self.credentials.problem = None, "there is no usable certificate: /x"
        with capturedLogs() as events:
            await self.assertFailure(self.ask(self.set.alice), ControlError)
        self.assertIn("/x", "".join(formatEvent(event) or "" for event in events))
        self.credentials.use(self.credentials.read(remote(self.set.server)))
        self.assertEqual(await self.ask(self.set.alice), "admin")


class PlainTests(RemoteCase):
    """Without TLS, on the loopback link."""

    server = ""

    @property
    def host(self) -> str:
        return f"tcp:127.0.0.1:{self.port}"

    async def test_everybody(self) -> None:
        """Everybody has the role of C{*}, with both clients."""
        self.assertEqual(await self.ask(self.set.stranger), "viewer")
        client = await self.client(self.set.stranger)
        await self.assertFailure(client.renew(), NotAllowedError)

    async def test_nobody(self) -> None:
        """Without a role for C{*} it is nobody."""
        self.service.roles = Roles()
        self.assertIn("no role", str(await self.assertFailure(self.ask(self.set.stranger), GoneError)))


class NetworkTests(SynchronousTestCase):
    """Whose addresses are one."""

    def test_network(self) -> None:
        """A /64 is one holder, a single address of IPv4 is one, mapped into IPv6 as well."""
        self.assertEqual(network_of("2001:db8:0:1:2:3:4:5"), network_of("2001:db8:0:1::1"))
        self.assertNotEqual(network_of("2001:db8:0:1::1"), network_of("2001:db8:0:2::1"))
        self.assertEqual(network_of("::ffff:192.0.2.1"), network_of("192.0.2.1"))
        self.assertNotEqual(network_of("192.0.2.2"), network_of("192.0.2.1"))
        self.assertEqual(network_of("fe80::1%lan0"), network_of("fe80::2%lan1"))
