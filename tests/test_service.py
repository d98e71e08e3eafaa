"""
Tests of L{pdlease.service}: in which order the daemon starts, what ends it, what a reload does.

The machine under it is L{Ground}; locks, folders and the ledger are real.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from errno import ESTALE
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from pdlease.client.states import State
from pdlease.control.access import Renewal
from pdlease.control.peers import ControlSocketError
from pdlease.ending import PATIENCE
from pdlease.identity import Identity
from pdlease.instance import Instance
from pdlease.interfaces import IdentityLost, Refused, Stored, StoreError
from pdlease.logs import level, set_level
from pdlease.notify import Notifier
from pdlease.operations import PrivilegeError
from pdlease.places import CannotStart
from pdlease.service import Daemon
from pdlease.testing import record
from pdlease.wire.duid import DUID
from tests.descriptors import FakeReactor
from tests.house import CLIENT, ONE, TWO, Street, configuration

OTHER = ONE.replace('"lan0"', '"lan9"')


class ResumingClock(Clock):
    """A clock that can be told that the machine slept."""

    listeners: list[Callable[[float], None]]
    jump: Callable[[], None]

    def on_resume(self, listener: Callable[[float], None]) -> None:
        """Have C{listener} called after a suspend."""
        self.listeners.append(listener)

    def on_jump(self, listener: Callable[[], None]) -> None:
        """Have C{listener} called after a jump of the wall clock."""
        self.jump = listener


class StartingReactor(FakeReactor):
    """A reactor that has not begun yet."""

    def __init__(self, order: list[str]) -> None:
        super().__init__()
        self._order = order
        self.begun: list[Callable[[], None]] = []

    def callWhenRunning(self, callable: Callable[[], None]) -> None:
        self.begun.append(callable)

    def addReader(self, reader: Any) -> None:
        self._order.append("read")
        super().addReader(reader)

    def run(self) -> None:
        """Begin."""
        while self.begun:
            self.begun.pop(0)()


class Listening:
    """The control sockets, made and not answered yet."""

    def __init__(self, order: list[str]) -> None:
        self._order = order
        self.closed = 0
        self.refusal = ""
        self.changed: tuple[str, ...] = ()

    def prepare(self, config: Any) -> tuple[str, ...]:
        """Note."""
        self._order.append("prepare")
        return ()

    def renew(self, config: Any) -> Renewal:
        """Refuse if told to."""
        if self.refusal:
            raise ControlSocketError(self.refusal)
        return Renewal(self.changed, lambda: self._order.append("access renewed"))

    def close(self) -> None:
        """Count."""
        self.closed += 1


class Control:
    """The control service."""

    def __init__(self, order: list[str]) -> None:
        self._order = order

    def stopService(self) -> Deferred[None]:
        self._order.append("control stopped")
        return succeed(None)


class NotingStore:
    """The store, with what is asked of it noted; C{refusals} are what its calls come to first."""

    def __init__(self, store: Any, order: list[str]) -> None:
        self._store = store
        self._order = order
        self.refusals: dict[str, Exception] = {}

    def __getattr__(self, name: str) -> Any:
        def ask(*arguments: Any) -> Any:
            self._order.append(name)
            refusal = self.refusals.pop(name, None)
            return fail(refusal) if refusal is not None else getattr(self._store, name)(*arguments)

        return ask


class Ground(Street):
    """
    The machine under a daemon.

    @ivar order: what was done, in order.
    @ivar told: what the supervisor was told.
    @ivar cannot: sentences with which methods of this name refuse to start.
    """

    def __init__(self, text: str = ONE) -> None:
        super().__init__(text)
        self.order: list[str] = []
        self.told: list[str] = []
        self.cannot: dict[str, str] = {}
        self.reactor: Any = StartingReactor(self.order)
        clock = ResumingClock()
        clock.listeners = []
        clock.rightNow = self.clock.rightNow
        self.clock = self.kernel.clock = clock
        self.store = NotingStore(self.store, self.order)
        self.listening = Listening(self.order)
        self.hangup: Callable[[], None] = lambda: None
        self.served: dict[str, Any] = {}
        self.privilege.start = self.start_privilege  # type: ignore[method-assign]
        self.privilege.configuration = text.encode()
        self.started: Deferred[bytes] | None = None
        self.make_clock = lambda: clock

    def note(self, what: str) -> None:
        """Note something, or refuse it."""
        self.order.append(what)
        if what in self.cannot:
            raise CannotStart(self.cannot[what])

    def start_privilege(self) -> Deferred[bytes]:
        """The provider's start."""
        self.note("helper")
        return self.started or succeed(self.privilege.configuration)

    def carry(self, line: Any, data: bytes, size: int) -> int:
        self.order.append("send")
        return super().carry(line, data, size)


class Machine:
    """What the daemon is given of a L{Ground}: the methods of L{pdlease.machine.Machine}."""

    def __init__(self, made: Ground) -> None:
        self._made = made
        self.reactor = made.reactor

    def clock(self) -> Any:
        return self._made.clock

    def times(self) -> Any:
        return self._made.times

    def notifier(self, clock: Any) -> Any:
        return Notifier(clock, lambda told: self._made.told.append(told.decode()), 30.0)

    def privilege(self, chosen: str, context: Any) -> Any:
        self._made.note(f"privilege {chosen}")
        self.ended = context.ended
        return self._made.privilege

    def store(self, chosen: str, context: Any) -> Any:
        self._made.note(f"store {chosen}")
        return self._made.store

    def listen(self, config: Any, owner: Any) -> Any:
        self._made.note("listen")
        return self._made.listening

    def watch(self, clock: Any, route_socket: Any, route_protocol: int) -> Any:
        self._made.note("watch")
        return self._made.kernel

    def groups(self) -> dict[str, int]:
        return {"guests": 12}

    def chance(self) -> Any:
        return self._made.randomness

    def port_holder(self) -> str:
        return self._made.holder

    def close_sandbox(self, settings: Any, path: str, readable: tuple[str, ...] = ()) -> str:
        self._made.note("sandbox")
        return "closed"

    def serve(self, config: Any, access: Any, clock: Any, times: Any, daemon: Any) -> Any:
        self._made.note("serve")
        self._made.served = {"access": access, "daemon": daemon}
        return Control(self._made.order)

    def on_hangup(self, heard: Callable[[], None]) -> None:
        self._made.hangup = heard


class DaemonCase(SynchronousTestCase):
    """A daemon on a machine of its own."""

    def setUp(self) -> None:
        self.statuses: list[int] = []
        # not trial's own folder: the path of a socket must be short
        self.folder = mkdtemp()
        self.addCleanup(rmtree, self.folder)

    def whole(self, text: str, daemon: str = "") -> str:
        """A whole configuration."""
        return (
            (
                f'[daemon]\nstate = "{self.folder}/state"\ncontrol = "{self.folder}/run/control.sock"\n'
                f'user = "root"\nhelper_user = "root"\n{daemon}\n{text}'
            )
            .replace("eth0", self.link)
            .replace("ppp0", self.second)
        )

    @property
    def link(self) -> str:
        """A name for the uplink that no other test has, as the lock on it is real."""
        return f"up{os.getpid() % 1000000}"

    @property
    def second(self) -> str:
        """A name for the second uplink, likewise."""
        return f"pp{os.getpid() % 1000000}"

    def make(self, text: str = ONE, daemon: str = "", arrange: Callable[[Ground], None] | None = None) -> Daemon:
        """A daemon, nothing done yet."""
        source = self.whole(text, daemon)
        self.machine = Ground(source)
        self.machine.add_links()
        for link in ("lan1", "lan2", "lan9"):
            self.machine.kernel.add_link(link)
        if arrange is not None:
            arrange(self.machine)
        self.made = Machine(self.machine)
        self.daemon = Daemon(
            configuration(source),
            "/etc/pdlease/pdlease.toml",
            source.encode(),
            self.made,  # type: ignore[arg-type]
            self.statuses.append,
        )
        self.addCleanup(self.daemon._instance.close)
        return self.daemon

    def start(self, *arguments: Any, **choices: Any) -> Daemon:
        """A daemon, started; what it prints is in C{self.errors}."""
        daemon = self.make(*arguments, **choices)
        self.errors = self.printed(self.run_it)
        return daemon

    def run_it(self) -> None:
        """Do as twistd does with a service."""
        self.daemon.privilegedStartService()
        self.daemon.startService()
        self.machine.reactor.run()

    def printed(self, do: Callable[[], object]) -> str:
        """What is printed on standard error meanwhile."""
        before, sys.stderr = sys.stderr, io.StringIO()
        try:
            do()
            return sys.stderr.getvalue()
        finally:
            sys.stderr = before

    def bound(self, *arguments: Any, **choices: Any) -> Daemon:
        """A daemon, bound."""
        daemon = self.start(*arguments, **choices)
        self.machine.wait(4)
        assert daemon.router is not None
        self.assertEqual({uplink.session.state for uplink in daemon.router.uplinks.values()}, {State.BOUND})
        return daemon

    def write(self, text: str) -> None:
        """The configuration file says something else now."""
        self.machine.privilege.configuration = self.whole(text).encode()


class SupervisorTests(DaemonCase):
    """What a supervisor such as systemd is told."""

    def test_whole_life(self) -> None:
        """
        That the daemon is ready, once operators are answered; that it lives; when it reads its configuration again,
        even one that is wrong; and that it stops.
        """
        daemon = self.start()
        self.assertEqual(self.machine.told, ["READY=1\nSTATUS=closed", "WATCHDOG=1"])
        self.machine.wait(61)
        self.assertEqual(self.machine.told[2:], ["WATCHDOG=1"] * 2)
        for text in (OTHER, "wrong"):
            del self.machine.told[:]
            self.write(text)
            self.machine.hangup()
            self.assertEqual([told.partition("=")[0] for told in self.machine.told], ["RELOADING", "READY"])
        self.flushLoggedErrors()
        daemon.stopService()
        self.assertEqual(self.machine.told[2:], ["STOPPING=1"])

    def test_not_started(self) -> None:
        """A daemon that cannot close its sandbox never says that it is ready."""
        self.start(arrange=lambda machine: machine.cannot.update(sandbox="no sandbox"))
        self.assertEqual((self.statuses, self.machine.told), ([1], []))


class StartTests(DaemonCase):
    """The order of the start (design 6)."""

    def test_order(self) -> None:
        """
        Locks, then the helper, then the control socket; the identity is kept before the first message; only behind the
        sandbox is the first datagram read, and only then are operators answered (design 6, 18).
        """
        self.start()
        self.assertEqual(
            self.machine.order,
            [
                "privilege helper",
                "store file",
                "helper",
                "listen",
                "load",
                "watch",
                "save_identity",
                "send",
                "prepare",
                "sandbox",
                "read",
                "serve",
            ],
        )
        self.assertEqual((self.errors, self.statuses, self.daemon.sandbox), ("", [], "closed"))

    def test_nothing_before_the_reactor(self) -> None:
        """Before the reactor runs nothing is read from the store and nothing is sent."""
        daemon = self.make()
        daemon.privilegedStartService()
        daemon.startService()
        self.assertEqual(self.machine.order, ["privilege helper", "store file", "helper", "listen"])

    def test_folders(self) -> None:
        """Folders that are missing are made: the state folder for nobody else, that of the control socket for all."""
        self.start()
        self.assertEqual(os.stat(f"{self.folder}/state").st_mode & 0o777, 0o700)
        self.assertTrue(os.path.isdir(f"{self.folder}/run"))

    def test_answers(self) -> None:
        """The control service is given the desk, the socket that was made as root, and the roles."""
        daemon = self.start()
        self.assertIs(self.machine.served["daemon"], daemon.desk)
        self.assertIs(self.machine.served["access"], self.machine.listening)
        assert daemon.desk is not None
        self.assertEqual(daemon.desk.status(None)["sandbox"], "closed")

    def test_bound(self) -> None:
        """The daemon gets a prefix and puts it on the LAN."""
        self.bound()
        self.assertIn("2001:db8::1/64", self.machine.addresses())
        self.assertTrue(os.path.exists(f"{self.folder}/state/ledger"))

    def test_unclaimed(self) -> None:
        """
        R-12-02: a lease of which a delegation has lost its number is told of at the start, with what would keep it.
        """
        heard: list[str] = []

        def observe(event: Any) -> None:
            heard.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        kept = Identity(duid=DUID.from_uuid(bytes(16)), asked="uuid")

        def arrange(machine: Ground) -> None:
            held = record(machine.clock.seconds())
            machine.store.load = lambda: succeed(Stored(identity=kept, uplinks=(("wan", held),)))

        self.start(arrange=arrange)
        said = [line for line in heard if "no delegation has any more" in line]
        self.assertEqual(
            [line.partition(" is held")[0] for line in said],
            [
                "wan: 2001:db8::/56, 2001:db8:1::/56",
                "wan: 2001:db8:2::/64",
            ],
        )

    def test_remarks(self) -> None:
        """What the store has to remark, as of a damaged file that was set aside, is logged."""
        heard: list[str] = []

        def observe(event: Any) -> None:
            heard.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

        def arrange(machine: Ground) -> None:
            machine.store.load = lambda: succeed(Stored(remarks=("uplink-wan.json: it was set aside",)))

        self.start(arrange=arrange)
        self.assertIn("uplink-wan.json: it was set aside", heard)

    def test_incomplete_remote_control(self) -> None:
        """Where the table for remote control lacks keys there is none, which is told at the start and at a reload."""
        heard: list[str] = []

        def observe(event: Any) -> None:
            heard.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        daemon = self.start(f"{ONE}[control.remote]\nlisten = 'ssl:port=4546'\n")
        sentence = "remote control is off: [control.remote] lacks certificate, key, client_ca, roles"
        self.assertIn(sentence, heard)
        assert daemon.desk is not None
        self.assertEqual(self.successResultOf(daemon.desk.reload(True))["warnings"], [sentence])

    def test_identity_of_an_earlier_run(self) -> None:
        """The identity of an earlier run is used."""

        def arrange(machine: Ground) -> None:
            machine.store._store.save_identity(Identity(duid=CLIENT))

        self.bound(arrange=arrange)
        self.assertEqual(self.machine.sent[0][2].client_id, CLIENT)

    def test_lease_of_an_earlier_run(self) -> None:
        """A stored lease is applied at once and asked for by Rebind (design 19)."""
        daemon = self.bound()
        assert daemon.router is not None
        record, identity = daemon.router.uplinks["wan"].record, daemon._own.in_force
        self.successResultOf(daemon.stopService())

        def arrange(machine: Ground) -> None:
            machine.store._store.save_identity(identity)
            machine.store._store.save_uplink("wan", record)

        self.start(arrange=arrange)
        self.assertIn("2001:db8::1/64", self.machine.addresses())
        self.assertEqual(self.machine.types(link=self.link), ["REBIND"])

    def test_helper_that_is_slow(self) -> None:
        """Nothing is sent before the helper is ready."""
        ready: Deferred[bytes] = Deferred()

        def arrange(machine: Ground) -> None:
            machine.started = ready

        self.start(arrange=arrange)
        self.assertNotIn("send", self.machine.order)
        ready.callback(self.machine.privilege.configuration)
        self.assertIn("serve", self.machine.order)

    def test_slept(self) -> None:
        """A suspend reaches the uplinks and the applier (design 13)."""
        self.bound()
        self.machine.privilege.take()
        for listener in self.machine.clock.listeners:  # type: ignore[attr-defined]
            listener(100.0)
        self.assertEqual(len(self.machine.privilege.take()), 3)

    def test_clock_is_set(self) -> None:
        """
        A lease that nobody could date is used as soon as the wall clock was set to what can be believed, whether or not
        a server has answered (R-12-06); a store that cannot be read then is no end.
        """
        kept = record(1000.0)

        def arrange(machine: Ground) -> None:
            machine.times.trusted = False
            machine.silent.add(self.link)
            machine.store.save_identity(Identity(duid=CLIENT))
            machine.store.save_uplink("wan", evolve(kept, trusted=False))

        daemon = self.start(ONE.replace("downstreams", "iaid = 1\ndownstreams"), arrange=arrange)
        self.machine.wait(2)
        jump = self.machine.clock.jump  # type: ignore[attr-defined]
        self.machine.store.save_uplink("wan", kept)
        jump()
        self.assertEqual(self.machine.addresses(), {})
        self.machine.times.trusted = True
        self.machine.store.refusals["load"] = StoreError("no such folder")
        jump()
        self.assertEqual((self.machine.addresses(), self.statuses), ({}, []))
        jump()
        self.assertEqual(list(self.machine.addresses()), ["2001:db8::1/64", "2001:db8:1::1/64"])
        assert daemon.router is not None
        self.assertFalse(daemon.router.uplinks["wan"].is_undated)

    def test_waits_are_answered(self) -> None:
        """What changes in the kernel reaches whoever waits for it."""
        daemon = self.start()
        assert daemon.desk is not None
        waiting = daemon.desk.wait("wan")
        self.assertNoResult(waiting)
        self.machine.wait(3)
        self.successResultOf(waiting)

    def test_log_level(self) -> None:
        """How much is logged can be changed through the desk."""
        self.addCleanup(set_level, level())
        desk = self.start().desk
        assert desk is not None
        desk.set_log_level("verbose")
        self.assertEqual(level(), "verbose")

    def test_identity(self) -> None:
        """The identity in use can be asked for."""
        desk = self.start().desk
        assert desk is not None
        self.assertEqual(desk.identity()["duid"], str(self.machine.sent[0][2].client_id))


class CannotStartTests(DaemonCase):
    """What keeps the daemon from starting: one sentence and status 1 (design 20)."""

    def refused(self) -> str:
        """What is printed when a start as root is refused with status 1."""
        errors = self.printed(lambda: self.assertRaises(SystemExit, self.daemon.privilegedStartService))
        self.assertEqual(self.daemon._instance._state, None)
        return errors

    def ended(self, **choices: Any) -> str:
        """What is printed when a start ends the process with status 1."""
        self.start(**choices)
        self.assertEqual(self.statuses, [1])
        return self.errors

    def test_second_instance(self) -> None:
        """Another instance on the same state folder keeps this one from starting, before its helper is started."""
        self.make()
        os.mkdir(f"{self.folder}/state")
        other = Instance()
        other.hold_state(f"{self.folder}/state")
        self.addCleanup(other.close)
        self.assertEqual(self.refused(), f"pdlease: another pdlease uses the state folder {self.folder}/state\n")
        self.assertEqual(self.machine.order, [])

    def test_second_instance_on_the_uplink(self) -> None:
        """Another instance on the same uplink likewise, and the lock on the state folder is given back."""
        self.make()
        other = Instance()
        other.hold_uplinks([self.link])
        self.addCleanup(other.close)
        self.assertEqual(self.refused(), f"pdlease: another pdlease serves the uplink {self.link}\n")
        self.assertEqual(self.machine.order, [])

    def test_sentences_of_the_machine(self) -> None:
        """A provider, a store or a control socket that cannot be had ends the start with its sentence."""
        for step in ("privilege helper", "store file", "listen"):
            self.make()
            self.machine.cannot = {step: "it is not to be had"}
            self.assertEqual(self.refused(), "pdlease: it is not to be had\n")

    def test_no_state_folder(self) -> None:
        """A state folder that cannot be made, or locked, ends the start with path and reason."""
        self.make()
        os.mkdir(f"{self.folder}/state")
        os.mkdir(f"{self.folder}/state/lock")
        self.assertEqual(self.refused(), f"pdlease: {self.folder}/state: Is a directory\n")

    def test_identity_lost(self) -> None:
        """A lost identity ends the start; nothing was sent and no new one was made (design 18)."""

        def arrange(machine: Ground) -> None:
            machine.store.refusals["load"] = IdentityLost("identity.json: it is gone")

        self.assertEqual(self.ended(arrange=arrange), "pdlease: identity.json: it is gone\n")
        self.assertEqual((self.machine.sent, "save_identity" in self.machine.order), ([], False))

    def test_identity_not_kept(self) -> None:
        """An identity that cannot be kept is not used (design 18)."""

        def arrange(machine: Ground) -> None:
            machine.store.refusals["save_identity"] = StoreError("identity.json: No space left on device")

        self.assertEqual(self.ended(arrange=arrange), "pdlease: identity.json: No space left on device\n")
        self.assertEqual(self.machine.sent, [])

    def test_helper_refuses(self) -> None:
        """A helper that cannot do its work ends the start with its sentence: here that NET_ADMIN is missing."""

        def arrange(machine: Ground) -> None:
            machine.started = fail(PrivilegeError("start the helper", 1, "NET_ADMIN is missing"))

        self.assertEqual(self.ended(arrange=arrange), "pdlease: start the helper: NET_ADMIN is missing\n")

    def test_no_route_socket(self) -> None:
        """A route socket that cannot be had likewise."""

        def arrange(machine: Ground) -> None:
            machine.privilege.open_route_socket = lambda: fail(  # type: ignore[method-assign]
                PrivilegeError("open a route socket", 24, "Too many open files")
            )

        self.assertEqual(self.ended(arrange=arrange), "pdlease: open a route socket: Too many open files\n")

    def test_sandbox(self) -> None:
        """A sandbox that is required and cannot be closed ends the start; no datagram has been read."""

        def arrange(machine: Ground) -> None:
            machine.cannot["sandbox"] = "Landlock is missing"

        self.assertEqual(self.ended(arrange=arrange), "pdlease: Landlock is missing\n")
        self.assertNotIn("read", self.machine.order)

    def test_duid_of_a_missing_link(self) -> None:
        """A DUID that is to be made of a link that is missing ends the start (R-11-08)."""
        text = '[identity]\nduid = "ll:nosuch0"\n' + ONE
        self.assertIn("identity.duid: link nosuch0 is missing", self.ended(text=text))

    def test_fault_of_ours(self) -> None:
        """What is our own fault is logged with its traceback, and ends with status 1 as well."""

        def arrange(machine: Ground) -> None:
            machine.store.refusals["load"] = RuntimeError("boom")

        self.assertEqual(self.ended(arrange=arrange), "")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_configuration_became_wrong(self) -> None:
        """A file that became wrong between check and use ends the start with what is wrong in it."""

        def arrange(machine: Ground) -> None:
            machine.privilege.configuration = b"[uplinks.wan]\nlnk = 1\n"

        self.assertIn("uplinks.wan", self.ended(arrange=arrange))

    def test_settings_changed_meanwhile(self) -> None:
        """Settings of the daemon that changed while it was starting are not half taken over."""

        def arrange(machine: Ground) -> None:
            machine.privilege.configuration = self.whole(ONE, "route_protocol = 155").encode()

        self.assertIn("[daemon] has changed while the daemon was starting", self.ended(arrange=arrange))

    def test_remote_control_changed_meanwhile(self) -> None:
        """Nor is remote control, whose socket was made before."""
        table = "[control.remote]\nlisten = 'tcp:4546:interface=127.0.0.1'\nroles = { '*' = 'viewer' }\n"

        def arrange(machine: Ground) -> None:
            machine.privilege.configuration = (self.whole(ONE) + table).encode()

        self.assertIn("[control.remote] has changed while the daemon was starting", self.ended(arrange=arrange))

    def test_uplinks_changed_meanwhile(self) -> None:
        """Uplinks that changed while the daemon was starting are served as the helper read them."""

        def arrange(machine: Ground) -> None:
            machine.privilege.configuration = self.whole(OTHER).encode()

        self.bound(arrange=arrange)
        self.assertIn("2001:db8::1/64", self.machine.addresses("lan9"))


class EndTests(DaemonCase):
    """How the daemon ends."""

    def test_stop(self) -> None:
        """
        A stop closes the control channel first, sends no Release, leaves the kernel as it is, and gives every lock and
        socket back (design 19).
        """
        daemon = self.bound()
        self.machine.privilege.take()
        self.successResultOf(daemon.stopService())
        self.assertEqual(self.machine.privilege.take(), [])
        self.assertIn("2001:db8::1/64", self.machine.addresses())
        self.assertEqual(self.machine.types(link=self.link), ["SOLICIT", "REQUEST"])
        self.assertEqual((self.machine.privilege.stopped, self.machine.kernel.stopped), (1, 1))
        self.assertEqual((self.machine.line(self.link).closed, daemon._instance._state), (1, None))
        self.assertEqual((self.statuses, self.machine.order[-1]), ([], "control stopped"))
        self.machine.kernel.listeners.clear()
        self.machine.wait(1)
        self.assertEqual(self.machine.clock.getDelayedCalls(), [])

    def test_remove_on_stop(self) -> None:
        """With C{on_stop = "remove"} everything of ours has left the kernel when the stop is over; still no Release."""
        daemon = self.bound(daemon='on_stop = "remove"')
        self.machine.privilege.holding = True
        stopped = daemon.stopService()
        self.assertNoResult(stopped)
        self.machine.privilege.answer()
        self.machine.wait(1)
        self.machine.privilege.answer()
        self.machine.wait(1)
        self.successResultOf(stopped)
        self.assertEqual((self.machine.addresses(), self.machine.routes()), ({}, set()))
        self.assertNotIn("RELEASE", self.machine.types(link=self.link))

    def test_stop_without_answers(self) -> None:
        """
        A helper that hangs keeps the daemon from ending for some seconds and no longer, nor does what it was to remove;
        both are told.
        """
        daemon = self.bound(daemon='on_stop = "remove"')
        self.machine.privilege.holding = True
        self.machine.privilege.stop = Deferred
        with capturedLogs() as logs:
            stopped = daemon.stopService()
            self.machine.wait(PATIENCE + 1)
            self.assertNoResult(stopped)
            self.machine.wait(PATIENCE + 1)
        self.successResultOf(stopped)
        said = [event["log_format"] for event in logs]
        self.assertEqual(
            said[-2:],
            [
                "not everything is known to be removed; `pdleasectl cleanup` does it",
                "the helper does not end; ending without it",
            ],
        )

    def test_helper_ends(self) -> None:
        """The end of the helper ends the daemon with status 1; addresses stay (design 7)."""
        self.bound()
        self.made.ended("the helper process ended (killed by signal 9)")
        self.assertEqual(self.statuses, [1])
        self.assertIn("2001:db8::1/64", self.machine.addresses())

    def test_helper_ends_with_us(self) -> None:
        """The helper's end after our own is nothing to tell of."""
        daemon = self.bound()
        self.successResultOf(daemon.stopService())
        self.made.ended("the helper process ended (status 0)")
        self.assertEqual(self.statuses, [])

    def test_stopped_while_starting(self) -> None:
        """
        A stop while the start waits for something ends it: what comes later is not used, and the process does not end
        as if the start had failed.
        """
        ready: Deferred[bytes] = Deferred()

        def arrange(machine: Ground) -> None:
            machine.started = ready

        daemon = self.start(arrange=arrange)
        self.successResultOf(daemon.stopService())
        if not ready.called:
            ready.callback(b"")
        self.assertEqual((self.statuses, self.errors), ([], ""))
        self.assertEqual(("watch" in self.machine.order, self.machine.listening.closed), (False, 1))

    def test_stopped_while_sockets_are_opened(self) -> None:
        """A stop while the first socket is being opened leaves no socket open, closes no sandbox, answers nobody."""

        def arrange(machine: Ground) -> None:
            machine.privilege.slow = True

        daemon = self.start(arrange=arrange)
        self.successResultOf(daemon.stopService())
        self.machine.privilege.open_one()
        self.machine.wait(1)
        self.assertEqual(self.machine.line(self.link).closed, 1)
        self.assertEqual([step for step in self.machine.order if step in {"sandbox", "serve", "send"}], [])
        self.assertEqual(self.statuses, [])

    def test_stopped_before_the_reactor(self) -> None:
        """A stop before the reactor runs begins nothing."""
        daemon = self.make()
        daemon.privilegedStartService()
        daemon.startService()
        self.successResultOf(daemon.stopService())
        self.machine.reactor.run()
        self.assertNotIn("load", self.machine.order)


class ReloadTests(DaemonCase):
    """What a reload does."""

    def reload(self, text: str | None = None, dry_run: bool = False) -> Any:
        """A reload, by the control channel."""
        if text is not None:
            self.write(text)
        assert self.daemon.desk is not None
        return self.daemon.desk.reload(dry_run)

    def refused(self, text: str | None = None) -> str:
        """Why a reload is refused; nothing has changed then."""
        router = self.daemon.router
        assert router is not None
        before = self.daemon.config, dict(router.uplinks), self.daemon._own.in_force, set(self.daemon._instance._names)
        failure = self.failureResultOf(self.reload(text), Refused)
        self.assertEqual(self.machine.privilege.adopted, [], "the helper goes by a file that the daemon refused")
        after = self.daemon.config, dict(router.uplinks), self.daemon._own.in_force, set(self.daemon._instance._names)
        self.assertEqual(before, after)
        return failure.getErrorMessage()

    def test_changed(self) -> None:
        """A changed uplink is served by the new configuration at once; the answer names what was done."""
        self.bound()
        answer = self.successResultOf(self.reload(OTHER))
        self.assertEqual(answer["changed"], {"added": [], "removed": [], "replaced": ["wan"], "kept": []})
        self.machine.wait(3)
        self.assertEqual((self.machine.addresses("lan0"), len(self.machine.addresses("lan9"))), ({}, 1))

    def test_access(self) -> None:
        """
        Who may control the daemon, and by which certificates, is asked anew at every reload; what cannot be used is
        refused before anything changes, by a dry run as well.
        """
        self.bound()
        self.machine.listening.refusal = "/etc/server.key may be read by others"
        self.assertIn("server.key", self.refused(OTHER))
        self.failureResultOf(self.reload(OTHER, dry_run=True), Refused)
        self.machine.listening.refusal = ""
        self.machine.listening.changed = ("control/remote",)
        answer = self.successResultOf(self.reload(dry_run=True))
        self.assertIn("control/remote", answer["changed"]["replaced"])
        self.assertEqual(self.machine.order.count("access renewed"), 0)
        self.assertEqual(self.successResultOf(self.reload())["changed"], answer["changed"])
        self.assertEqual(self.machine.order.count("access renewed"), 1)

    def test_other_iaid(self) -> None:
        """
        R-12-02: whose first downstream is renamed is another one to servers: it is said at the reload, once.
        """
        heard: list[str] = []

        def observe(event: Any) -> None:
            heard.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.bound()
        (warning,) = self.successResultOf(self.reload(OTHER))["warnings"]
        self.assertRegex(warning, r"^wan: 2001:db8::/\d+ is held under IAID \d+, which no delegation has any more")
        self.assertIn(warning, heard)
        self.assertEqual(self.successResultOf(self.reload(OTHER))["warnings"], [])

    def test_unchanged(self) -> None:
        """A reload of the same file keeps every session."""
        daemon = self.bound()
        assert daemon.router is not None
        before = daemon.router.uplinks["wan"]
        answer = self.successResultOf(self.reload())
        self.assertEqual((answer["changed"]["kept"], daemon.router.uplinks["wan"]), (["wan"], before))

    def test_added_and_removed(self) -> None:
        """The lock on an uplink comes and goes with it."""
        daemon = self.bound()
        self.machine.add_uplink(self.second)
        self.successResultOf(self.reload(TWO))
        self.assertEqual(set(daemon._instance._names), {self.link, self.second})
        self.machine.wait(4)
        self.assertEqual(len(self.machine.addresses("lan1")), 1)
        self.assertEqual({known.uplink for known in daemon._own.in_force.iaids}, {"wan", "dsl"})
        self.successResultOf(self.reload(ONE))
        self.assertEqual(set(daemon._instance._names), {self.link})
        self.assertEqual(self.machine.addresses("lan1"), {})

    def test_hangup(self) -> None:
        """SIGHUP reloads as well; one that is refused is logged and changes nothing."""
        daemon = self.bound()
        self.write(OTHER)
        self.machine.hangup()
        self.assertEqual(daemon.config.uplinks[0].links, ("lan9",))
        self.machine.privilege.configuration = b"wrong"
        self.machine.hangup()
        self.assertEqual(daemon.config.uplinks[0].links, ("lan9",))

    def test_wrong_file(self) -> None:
        """A wrong file is refused with everything that is wrong in it (design 20)."""
        self.bound()
        self.machine.privilege.configuration = b"[uplinks.wan]\nlnk = 1\nrapid = 2\n"
        message = self.refused()
        self.assertIn("lnk", message)
        self.assertIn("rapid", message)

    def test_provider_refuses(self) -> None:
        """A file that the provider does not accept is refused with its reason."""
        self.bound()
        self.machine.privilege.reloads = [PrivilegeError("read it", 0, "others may write it")]
        self.assertEqual(self.refused(), "read it: others may write it")

    def test_needs_a_restart(self) -> None:
        """What only a restart can change is named."""
        self.bound()
        self.machine.privilege.configuration = self.whole(ONE, "route_protocol = 155").encode()
        self.assertEqual(self.refused(), "only a restart can change daemon.route_protocol")

    def test_uplink_of_another_instance(self) -> None:
        """An uplink that another instance serves is refused."""
        self.bound()
        other = Instance()
        other.hold_uplinks([f"{self.link}x"])
        self.addCleanup(other.close)
        self.assertEqual(
            self.refused(TWO.replace("ppp0", f"{self.link}x")), f"another pdlease serves the uplink {self.link}x"
        )

    def test_duid_of_a_missing_link(self) -> None:
        """An uplink whose DUID is to be made of a missing link is refused before anything is touched (R-11-08)."""
        self.bound()
        text = TWO.replace('link = "ppp0"', 'link = "ppp0"\nduid = "ll:nosuch0"')
        self.assertIn("link nosuch0 is missing", self.refused(text))

    def test_identity_not_kept(self) -> None:
        """A new IAID that cannot be kept is not used (design 18)."""
        self.bound()
        self.machine.store.refusals["save_identity"] = StoreError("No space left on device")
        self.assertEqual(self.refused(TWO), "No space left on device")

    def test_not_adopted(self) -> None:
        """
        A file that the provider does not put in force after all is refused, and the identity that is kept is the one
        in use.
        """
        daemon = self.bound()
        self.machine.privilege.adopt = lambda source: fail(  # type: ignore[method-assign]
            PrivilegeError("adopt the configuration", ESTALE, "read since")
        )
        self.assertEqual(self.refused(TWO), "adopt the configuration: read since")
        self.assertEqual(self.successResultOf(self.machine.store.load()).identity, daemon._own.in_force)

    def test_adopted_last(self) -> None:
        """
        The provider puts in force what the daemon took, after all that can still be refused, and before anything is
        asked for by it.
        """
        daemon = self.bound()
        seen: list[tuple[bool, bool]] = []

        def adopt(source: bytes) -> Deferred[None]:
            saved = self.successResultOf(self.machine.store.load()).identity != daemon._own.in_force
            seen.append((source == self.whole(TWO).encode(), saved and "dsl" not in daemon.router.uplinks))
            return succeed(None)

        self.machine.privilege.adopt = adopt  # type: ignore[method-assign]
        assert daemon.router is not None
        self.machine.add_uplink(self.second)
        self.successResultOf(self.reload(TWO))
        self.assertEqual(seen, [(True, True)])
        self.assertIn("dsl", daemon.router.uplinks)

    def test_late_answers(self) -> None:
        """A reload of which the daemon's end came first does nothing, however late the provider answers."""
        for method in ("reload", "adopt"):
            daemon = self.bound()
            late: Deferred[Any] = Deferred()
            setattr(self.machine.privilege, method, lambda *_, late=late: late)
            asked = self.reload(TWO)
            self.assertNoResult(asked)
            self.successResultOf(daemon.stopService())
            late.callback(self.whole(TWO).encode() if method == "reload" else None)
            self.assertEqual(self.failureResultOf(asked, Refused).getErrorMessage(), "the daemon is ending")
            assert daemon.router is not None
            self.assertEqual((list(daemon.router.uplinks), set(daemon._instance._names)), (["wan"], set()))

    def test_one_after_the_other(self) -> None:
        """Reloads that are asked for at once are done one after the other, each with the file as it is then."""
        daemon = self.bound()
        first: Deferred[bytes] = Deferred()
        answers = [first, succeed(self.whole(ONE).encode())]
        self.machine.privilege.reload = lambda: answers.pop(0)  # type: ignore[method-assign]
        one, two = self.reload(), self.reload()
        self.assertEqual(len(answers), 1)
        first.callback(self.whole(OTHER).encode())
        self.successResultOf(one)
        self.successResultOf(two)
        self.assertEqual(daemon.config.uplinks[0].links, ("lan0",))

    def test_refusal_frees_the_way(self) -> None:
        """A reload that is refused does not keep the next one waiting."""
        self.bound()
        self.machine.privilege.reloads = [PrivilegeError("read it", 0, "others may write it")]
        self.refused()
        self.successResultOf(self.reload(OTHER))

    def test_dry_run(self) -> None:
        """A dry run tells what would change by the file as the provider reads it, and changes nothing there, either."""
        daemon = self.bound()
        before = daemon.config
        answer = self.successResultOf(self.reload(OTHER, dry_run=True))
        self.assertEqual((answer["changed"]["replaced"], answer["dry_run"]), (["wan"], True))
        (warning,) = answer["warnings"]
        self.assertIn("which no delegation has any more, and will not be asked for", warning)
        self.assertIs(daemon.config, before)
        self.assertEqual(self.machine.privilege.adopted, [])


class DuidTests(DaemonCase):
    """Who the client is."""

    def duid(self, line: str, uplink: str = "", kept: Identity | None = None) -> DUID:
        """The DUID in the first message of a daemon of its own."""

        def arrange(machine: Ground) -> None:
            if kept is not None:
                machine.store._store.save_identity(kept)
            link = machine.kernel._named(self.link)
            machine.kernel._set_link(evolve(link, link_layer_address=bytes.fromhex("02005e005301")))

        text = f'[identity]\nduid = "{line}"\n' + ONE.replace("solicit_delay", f'duid = "{uplink}"\nsolicit_delay')
        daemon = self.start(text=text, arrange=arrange)
        (sent, *_) = self.machine.sent
        self.successResultOf(daemon.stopService())
        duid = sent[2].client_id
        assert duid is not None
        return duid

    def test_kept(self) -> None:
        """A kept DUID stays for as long as the configuration asks for its kind (R-11-04)."""
        self.assertEqual(self.duid("uuid", kept=Identity(duid=CLIENT)), CLIENT)

    def test_another_kind(self) -> None:
        """A DUID of another kind than the kept one is made where the configuration asks for it."""
        duid = self.duid("ll:" + self.link, kept=Identity(duid=CLIENT))
        self.assertEqual(str(duid), "0003000102005e005301")

    def test_lease_of_another_client(self) -> None:
        """
        What was given to another client than this one is now is forgotten at the start, before the new identity is
        kept, and said: the first message is a Solicit (R-11-10).
        """
        daemon = self.bound()
        assert daemon.router is not None
        record, identity = daemon.router.uplinks["wan"].record, daemon._own.in_force
        self.successResultOf(daemon.stopService())

        def arrange(machine: Ground) -> None:
            machine.store._store.save_identity(identity)
            machine.store._store.save_uplink("wan", record)

        self.start(text='[identity]\nduid = "raw:00020000ab11c9"\n' + ONE, arrange=arrange)
        self.assertEqual((self.machine.types(link=self.link), self.machine.addresses()), (["SOLICIT"], {}))
        order = [step for step in self.machine.order if step in {"forget_uplink", "save_identity", "send"}]
        self.assertEqual(order, ["forget_uplink", "save_identity", "send"])

    def test_of_one_uplink(self) -> None:
        """An uplink can have a DUID of its own (R-11-09)."""
        self.assertEqual(str(self.duid("uuid", "raw:00020000ab11c9")), "00020000ab11c9")

    def test_of_one_uplink_stays(self) -> None:
        """
        A DUID of an uplink's own that has something random or a time in it is the same at every start, and not that of
        the client (R-11-04, R-11-05).
        """
        for form in ("uuid", f"llt:{self.link}"):
            first = self.duid("uuid", form, Identity(duid=CLIENT))
            self.machine.times.pass_time(1000)
            self.assertEqual(self.duid("uuid", form, self.daemon._own.in_force), first)
            self.assertNotEqual(first, CLIENT)
