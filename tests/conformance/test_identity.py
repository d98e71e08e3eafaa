"""
Section C.4: DUID and IAID, and what is kept of them and of leases.

A daemon is started on a machine in memory as often as a test wants, with what its store held at the end of the run
before.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from math import inf
from pathlib import Path
from pwd import getpwuid
from struct import unpack
from typing import Any
from zlib import crc32

from attrs import evolve

from pdlease.asking import numbered
from pdlease.becoming import renew
from pdlease.clock import SystemTimes
from pdlease.config.errors import ConfigErrors
from pdlease.identity import SECONDS_TO_2000, Identity, KnownIAID
from pdlease.interfaces import Stored, StoreError
from pdlease.lease import ReconfigureKey
from pdlease.service import Daemon
from pdlease.stores.file import FileStore
from pdlease.testing import IDENTITY, SERVER, SetTimes, record
from pdlease.wire.codes import MessageType
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message
from tests.house import ONE, TWO, House, configuration
from tests.stores.test_file import FailingSystem
from tests.test_service import DaemonCase, Ground, NotingStore

MAC = bytes.fromhex("02005e005301")

THREE_LANS = ONE.replace('["lan0"]', '["lan0", "lan1", "lan2"]')


def of_client(line: str, text: str = ONE) -> str:
    """A configuration with a DUID for the client."""
    return f'[identity]\nduid = "{line}"\n{text}'


class RestartedCase(DaemonCase):
    """A daemon that is started again and again."""

    stored = Stored()

    @property
    def other(self) -> str:
        """A name for a second uplink that no other test has."""
        return f"pp{os.getpid() % 1000000}"

    def whole(self, text: str, daemon: str = "") -> str:
        return super().whole(text, daemon).replace("ppp0", self.other)

    def run_once(
        self, text: str, *, bound: bool = False, arrange: Callable[[Ground], object] = lambda machine: None
    ) -> list[Message]:
        """Start it, with what is stored, let it send, and stop it; what was sent."""

        def prepare(machine: Ground) -> None:
            if any(link.name == self.link for link in machine.kernel.true.links.values()):
                link = machine.kernel._named(self.link)
                machine.kernel._set_link(evolve(link, link_layer_address=MAC))
            if self.stored.identity is not None:
                machine.store._store.save_identity(self.stored.identity)
            for name, kept in self.stored.uplinks:
                machine.store._store.save_uplink(name, kept)
            arrange(machine)

        daemon = self.start(text=text, arrange=prepare)
        self.machine.wait(4 if bound else 0.1)
        self.stored = self.successResultOf(self.machine.store._store.load())
        self.successResultOf(daemon.stopService())
        return [message for _, _, message in self.machine.sent]

    def client(self, text: str, **how: Any) -> DUID:
        """The DUID in the first message of a run."""
        duid = self.run_once(text, **how)[0].client_id
        assert duid is not None
        return duid


class DuidTests(RestartedCase):
    """Who the client is, and for how long."""

    def test_stays(self) -> None:
        """
        R-11-04, R-11-05: a DUID made of a link's address and the time stays the same over restarts when the network
        card is replaced, when the link is gone, and when time has passed.
        """
        text = of_client(f"llt:{self.link}")
        first = self.client(text)
        self.assertEqual(first.data[8:], MAC)

        def other_card(machine: Ground) -> None:
            machine.times.pass_time(1000)
            link = machine.kernel._named(self.link)
            machine.kernel._set_link(evolve(link, link_layer_address=bytes.fromhex("02005e0053ff")))

        self.assertEqual(self.client(text, arrange=other_card), first)
        text = of_client(f"llt:{self.link}", ONE.replace("eth0", self.other))

        def gone(machine: Ground) -> None:
            if any(link.name == self.link for link in machine.kernel.true.links.values()):
                machine.kernel.remove_link(self.link)

        self.assertEqual(self.client(text, arrange=gone), first)

    def test_not_without_a_store(self) -> None:
        """
        R-11-06: where a DUID with a time in it cannot be kept, the folder read-only or full, the daemon does not start,
        says why, and has sent nothing; a store that forgets is refused with the file.
        """

        def arrange(machine: Ground) -> None:
            machine.kernel._set_link(evolve(machine.kernel._named(self.link), link_layer_address=MAC))
            machine.store.refusals["save_identity"] = StoreError("identity.json: Read-only file system")

        self.start(text=of_client(f"llt:{self.link}"), arrange=arrange)
        self.assertEqual((self.statuses, self.machine.sent), ([1], []))
        self.assertEqual(self.errors, "pdlease: identity.json: Read-only file system\n")
        text = '[daemon]\nstore = "memory"\n' + of_client("llt:eth0")
        self.assertRaises(ConfigErrors, configuration, text)

    def test_time(self) -> None:
        """R-11-07, R-11-08: the time in it counts seconds since 2000, modulo 2**32; then hardware type and address."""
        before = 0.0

        def arrange(machine: Ground) -> None:
            nonlocal before
            before = machine.times.wall()

        kind, hardware, seconds = unpack("!HHI", self.client(of_client(f"llt:{self.link}"), arrange=arrange).data[:8])
        self.assertEqual((kind, hardware), (1, 1))
        self.assertEqual(seconds, int(before - SECONDS_TO_2000) % 2**32)
        for year, expected in ((-1, 2**32 - 1), (2**32 + 5, 5)):
            self.assertEqual(unpack("!I", DUID.from_link_layer_time(1, year, MAC).data[4:8]), (expected,))

    def test_hardware_type(self) -> None:
        """R-11-08: a link without a hardware type of IANA's, such as PPP, or without an address makes no DUID."""
        self.assertEqual(self.client(of_client(f"ll:{self.link}")).data, b"\0\3\0\1" + MAC)
        for hardware, address in ((512, MAC), (65534, MAC), (1, bytes(6)), (1, b"")):
            self.statuses.clear()

            def arrange(machine: Ground, hardware: int = hardware, address: bytes = address) -> None:
                link = machine.kernel._named(self.link)
                machine.kernel._set_link(evolve(link, hardware_type=hardware, link_layer_address=address))

            self.start(text=of_client(f"ll:{self.link}"), arrange=arrange)
            self.assertEqual((self.statuses, self.machine.sent), ([1], []), (hardware, address))
            self.assertIn("identity.duid: link ", self.errors)
            self.daemon._instance.close()

    def test_same_everywhere(self) -> None:
        """R-11-09: the DUID is the same on all uplinks; one that is given for an uplink is there on it alone."""
        for own, expected in (("", 1), ('duid = "raw:00020000ab11c9"\n', 2)):
            house = House(TWO.replace('link = "ppp0"\n', f'link = "ppp0"\n{own}'))
            self.assertEqual(len({uplink.duid for uplink in house.config.uplinks}), expected)
        text = TWO.replace('link = "ppp0"\n', 'link = "ppp0"\nduid = "raw:00020000ab11c9"\n')
        for source, other in ((TWO, None), (text, "00020000ab11c9")):
            self.run_once(source)
            clients = {link: str(message.client_id) for _, link, message in self.machine.sent}
            self.assertEqual(len(clients), 2)
            own_duid = str(self.stored.identity.duid if self.stored.identity else "")
            self.assertEqual(clients, {self.link: own_duid, self.other: other or own_duid})

    def test_replaced(self) -> None:
        """
        R-11-10: C{pdleasectl identity renew} makes another DUID of the kind that is configured: the next Solicit has
        it, and nothing of what the old client held is used or named.
        """
        old = self.client(ONE, bound=True)
        self.assertEqual([name for name, _ in self.stored.uplinks], ["wan"])
        state = os.path.abspath(self.mktemp())
        os.mkdir(state)
        store = FileStore(state, SystemTimes())
        assert self.stored.identity is not None
        self.successResultOf(store.save_identity(self.stored.identity))
        self.successResultOf(store.save_uplink("wan", record(SystemTimes().boot())))
        path = Path(state).with_suffix(".toml")
        user = getpwuid(os.geteuid()).pw_name
        path.write_text(f'[daemon]\nstate = "{state}"\nuser = "{user}"\nhelper_user = "{user}"\n{ONE}')
        renew(str(path))
        self.stored = self.successResultOf(FileStore(state, SystemTimes()).load())
        sent = self.run_once(ONE)
        self.assertEqual([message.message_type for message in sent], [MessageType.SOLICIT])
        self.assertNotEqual(sent[0].client_id, old)
        self.assertEqual([str(named.network) for ia in sent[0].ia_pds for named in ia.prefixes], ["::/64"])
        self.assertEqual(self.machine.addresses(), {})

    def test_replaced_in_the_file(self) -> None:
        """
        R-11-10: the same is so where the file asks for another DUID: what the old client held is not used, and neither
        renewed nor named; with the DUID as it was the lease is used and asked for.
        """
        self.run_once(ONE, bound=True)
        (kept,) = self.stored.uplinks
        self.assertEqual(len(kept[1].lease.prefixes), 1)
        before = self.stored
        for text, kind, addresses in ((ONE, "REBIND", 1), (of_client("raw:00020000ab11c9"), "SOLICIT", 0)):
            self.stored = before
            sent = self.run_once(text, arrange=lambda machine: machine.silent.add(self.link))
            self.assertEqual(MessageType(sent[0].message_type).name, kind)
            self.assertEqual(len(self.machine.addresses()), addresses)
            names = [str(named.network) for ia in sent[0].ia_pds for named in ia.prefixes]
            self.assertEqual(names, ["2001:db8::/64"] if addresses else ["::/64"])

    def test_default(self) -> None:
        """
        R-11-11, R-6355-01: without a word about it the DUID is a UUID (type 4, 18 octets), not a link's address; it is
        the same at the next start, with another configuration too, and every new installation has another.
        """
        first = self.client(ONE)
        self.assertEqual((len(first.data), first.data[:2]), (18, b"\0\4"))
        # drawn, by RFC 9562: version 4, and the variant of its table
        self.assertEqual((first.data[8] >> 4, first.data[10] >> 6), (4, 0b10))
        self.assertEqual(self.client(ONE), first)
        self.assertEqual(self.client(THREE_LANS.replace("lan0", "lan9")), first)
        self.stored = Stored()
        self.assertNotEqual(self.client(ONE), first)

    def test_written_out(self) -> None:
        """
        R-11-03, R-11-11, R-11-12, R-6355-01: any DUID of 3 to 130 octets can be given, so that all agents of a machine
        can have one UUID, and one of an enterprise can be formed; longer and shorter ones are refused.
        """
        uuid = "000400112233445566778899aabbccddeeff"
        for text, expected in (
            (f"raw:{uuid}", uuid),
            ("raw:0003000102005e005301", "0003000102005e005301"),
            ("raw:00ff01", "00ff01"),
            ("raw:" + "00" * 130, "00" * 130),
            ("en:32473:6162", "000200007ed96162"),
        ):
            self.assertEqual(str(self.client(of_client(text))), expected)
            self.stored = Stored()
        for text in ("raw:0001", "raw:" + "00" * 131, "en:32473:", "en:32473:" + "00" * 125):
            self.assertRaises(ConfigErrors, configuration, of_client(text))

    def test_enterprise_is_kept(self) -> None:
        """R-11-12: a DUID of an enterprise is stored before the first message that has it."""
        self.run_once(of_client("en:32473:6162"))
        steps = [step for step in self.machine.order if step in {"save_identity", "send"}]
        self.assertEqual(steps[:2], ["save_identity", "send"])
        assert self.stored.identity is not None
        self.assertEqual(str(self.stored.identity.duid), "000200007ed96162")


class IaidTests(RestartedCase):
    """The numbers of identity associations."""

    def test_unique(self) -> None:
        """R-12-01: all IAIDs of a client are distinct, over all uplinks; one number twice in a file is refused."""
        text = TWO.replace('["lan0"]', '["lan0"]\n[[uplinks.wan.delegations]]\ndownstreams = ["lan9"]')
        sent = self.run_once(text)
        iaids = [ia.iaid for message in sent for ia in message.ia_pds]
        self.assertEqual((len(sent), len(iaids), len(set(iaids))), (2, 3, 3))
        twice = ONE + "iaid = 0\n[[uplinks.wan.delegations]]\niaid = 0\n"
        self.assertRaises(ConfigErrors, configuration, twice)

    def test_unique_whatever_is_remembered(self) -> None:
        """
        R-12-01: a number that the file gives to one association is taken from another that had it, and numbers stay
        distinct where names clash; those of associations that are away stay theirs.
        """
        two = ONE + '[[uplinks.wan.delegations]]\ndownstreams = ["lan1"]\n'
        identity, first = numbered(Identity(duid=DUID(b"\0\4" + bytes(16))), configuration(two))
        taken = first["wan", "lan0"]
        given = two.replace('["lan1"]', f'["lan1"]\niaid = {taken}')
        _, second = numbered(identity, configuration(given))
        self.assertEqual(second["wan", "lan1"], taken)
        self.assertEqual(len(set(second.values())), 2)
        derived = crc32(b"wan/lan0")
        away = tuple(KnownIAID(uplink="old", delegation=f"lan{n}", iaid=derived + n) for n in range(3))
        _, third = numbered(evolve(identity, iaids=away), configuration(ONE))
        self.assertEqual(third["wan", "lan0"], derived + 3)

    def test_consistent(self) -> None:
        """
        R-12-02: IAIDs are the same after a restart, with sections in another order, with another association before
        them, and with another link renamed.
        """
        text = ONE + '[[uplinks.wan.delegations]]\ndownstreams = ["lan1"]\n'
        swapped = ONE.replace('"lan0"', '"lan1"') + '[[uplinks.wan.delegations]]\ndownstreams = ["lan0"]\n'
        first = [ia.iaid for ia in self.run_once(text)[0].ia_pds]
        self.assertEqual([ia.iaid for ia in self.run_once(text)[0].ia_pds], first)
        self.assertEqual([ia.iaid for ia in self.run_once(swapped)[0].ia_pds], first[::-1])
        more = ONE.replace('"lan0"', '"lan9"') + swapped.partition("solicit_delay = false\n")[2]
        self.assertEqual([ia.iaid for ia in self.run_once(more)[0].ia_pds][1:], first[::-1])
        renamed = text.replace('"lan1"', '"lan2"')
        self.assertEqual([ia.iaid for ia in self.run_once(renamed)[0].ia_pds][:1], first[:1])
        # without anything remembered as well: they follow from the names alone
        _, derived = numbered(Identity(duid=DUID(b"\0\4" + bytes(16))), configuration(swapped))
        self.assertEqual([derived["wan", "lan0"], derived["wan", "lan1"]], first)

    def test_another_prefix(self) -> None:
        """
        R-12-03: who wants another prefix releases the old one under its IAID, gives the association another number,
        reloads and asks again: the Solicit has the new number and names nothing of the old.
        """
        house = House(ONE)
        house.add_links()
        house.begin().wait(3)
        (old,) = house.uplink().lease.prefixes
        (number,) = house.iaids.values()
        assert house.desk is not None
        house.desk.release("wan", force=False)
        house.wait(1)
        (release,) = (message for _, _, message in house.sent if message.message_type == MessageType.RELEASE)
        self.assertEqual([(ia.iaid, ia.prefixes[0].network) for ia in release.ia_pds], [(number, old.prefix)])
        count = len(house.sent)
        house.replace(ONE + "iaid = 9\n")
        house.desk.renew("wan")
        house.wait(3)
        self.assertEqual(house.types()[count:], ["SOLICIT", "REQUEST"])
        (ia,) = house.sent[count][2].ia_pds
        self.assertEqual((ia.iaid, [str(named.network) for named in ia.prefixes]), (9, ["::/64"]))

    def test_one_for_three_links(self) -> None:
        """R-12-04: one association may serve three downstream links: one IA_PD, and each link has a subnet of it."""
        house = House(THREE_LANS)
        house.add_links()
        house.begin().wait(3)
        self.assertEqual([len(message.ia_pds) for _, _, message in house.sent], [1, 1])
        subnets = {link: set(house.addresses(link)) for link in ("lan0", "lan1", "lan2")}
        self.assertEqual({len(each) for each in subnets.values()}, {1})
        self.assertEqual(len(set.union(*subnets.values())), 3)


WRITER = """
import sys, time
from pdlease.clock import SystemTimes
from pdlease.stores.file import FileStore
from pdlease.testing import IDENTITY, record
store = FileStore(sys.argv[1], SystemTimes())
store.save_identity(IDENTITY)
number = 0
while True:
    store.save_uplink("wan", record(SystemTimes().boot(), valid=7200.0 + number % 2))
    number += 1
    if number == 1:
        print("begun", flush=True)
"""


class PersistenceTests(RestartedCase):
    """What is kept."""

    def folder_of(self, name: str = "kept") -> str:
        """A new state folder."""
        return os.path.abspath(os.path.join(self.mktemp(), name))

    def test_dated(self) -> None:
        """
        R-12-06: within one boot the boot clock alone says whether a stored lease is still valid, whatever the wall
        clock shows; after another boot a wall clock that can be trusted says so; what is over is not used.
        """
        times, folder = SetTimes(), self.folder_of()
        self.begin(folder, times, wait=4)
        for away, wall, passed, used in (
            (None, 0.0, 0, True),
            (None, 0.0, 7000, True),
            (None, 1_790_000_000.0, 7300, False),
            (7000, None, 0, True),
            (7300, None, 0, False),
        ):
            later, copied = evolve(times), self.folder_of("copied")
            shutil.copytree(folder, copied)
            later.pass_time(passed)
            if away is not None:
                later.reboot(away)
            if wall is not None:
                later.walled, later.trusted = wall, False
            self.begin(copied, later)
            found = list(self.machine.addresses()), self.machine.types(link=self.link)[:1]
            self.assertEqual(found, (["2001:db8::1/64"], ["REBIND"]) if used else ([], ["SOLICIT"]), (away, passed))

    def test_undated(self) -> None:
        """
        R-12-06: after another boot with a clock that cannot be trusted, set back or in 1970, the stored prefix is asked
        for by Rebind and not installed; after 10 s of silence a Solicit names it, and it is still kept; a Reply, or the
        clock set right, has it used.
        """
        times, folder = SetTimes(), self.folder_of()
        self.begin(folder, times, wait=4)
        for wall, ending in ((0.0, "silence"), (times.walled - 86400, "reply"), (0.0, "clock")):
            later, copied = evolve(times), self.folder_of("copied")
            shutil.copytree(folder, copied)
            later.reboot(100)
            right, later.walled, later.trusted = later.walled, wall, False
            daemon = self.begin(copied, later, silent=True)
            self.assertEqual((self.machine.addresses(), self.machine.types(link=self.link)), ({}, ["REBIND"]))
            self.assertEqual(self.names(), ["2001:db8::/64"])
            if ending == "reply":
                self.machine.silent.clear()
                self.machine.wait(3)
            else:
                self.machine.wait(12)
                self.assertEqual((self.machine.addresses(), self.machine.types(link=self.link)[-1]), ({}, "SOLICIT"))
                self.assertEqual(self.names(), ["2001:db8::/64"])
                assert daemon.router is not None
                self.assertEqual(len(daemon.router.uplinks["wan"].record.lease.prefixes), 1)
            if ending == "clock":
                later.walled, later.trusted = right + 12, True
                self.machine.clock.jump()  # type: ignore[attr-defined]
                self.machine.wait(0.1)
            self.assertEqual(len(self.machine.addresses()), 0 if ending == "silence" else 1)
            self.successResultOf(daemon.stopService())

    def names(self) -> list[str]:
        """The prefixes that the message sent last names."""
        (ia,) = self.machine.sent[-1][2].ia_pds
        return [str(named.network) for named in ia.prefixes]

    def begin(self, folder: str, times: SetTimes, *, wait: float = 0.1, silent: bool = False) -> Daemon:
        """Start a daemon that keeps what it has in a folder; stop it, unless its server is silent."""

        def arrange(machine: Ground) -> None:
            machine.times = times
            machine.clock.rightNow = times.booted
            machine.store = NotingStore(FileStore(folder, times), machine.order)
            if silent:
                machine.silent.add(self.link)

        daemon = self.start(arrange=arrange)
        self.machine.wait(wait)
        if not silent:
            self.successResultOf(daemon.stopService())
        return daemon

    def test_whole(self) -> None:
        """
        R-12-05: DUID, IAIDs, prefixes with absolute times, T1 and T2, servers, the key of Reconfigure with its counter,
        and SOL_MAX_RT: all of it is read back as it was written.
        """
        folder = self.folder_of()
        times = SystemTimes()
        key = ReconfigureKey(server=SERVER, secret=bytes(range(16)), replay=2**64 - 2)
        kept = evolve(record(times.boot()), key=key, sol_max_rt=120, inf_max_rt=600, max_rt_server=SERVER)
        lease = kept.lease
        self.assertEqual((lease.server, {held.server for held in lease.prefixes}), (SERVER, {SERVER}))
        self.assertTrue(lease.t1_at < lease.t2_at < inf and len(lease.prefixes) == 3)
        self.run_once(TWO)
        assert self.stored.identity is not None
        store = FileStore(folder, times)
        self.successResultOf(store.load())
        self.successResultOf(store.save_identity(self.stored.identity))
        self.successResultOf(store.save_uplink("wan", kept))
        found = self.successResultOf(FileStore(folder, times).load())
        self.assertEqual((found.identity, dict(found.uplinks)["wan"]), (self.stored.identity, kept))
        self.assertEqual(os.stat(os.path.join(folder, "uplink-wan.json")).st_mode & 0o777, 0o600)

    def test_maximum_is_kept(self) -> None:
        """A.3-02, A.3-06: SOL_MAX_RT and who set it outlive a restart: it is in force and shown before any answer."""

        def arrange(machine: Ground) -> None:
            machine.server.terms = evolve(machine.server.terms, sol_max_rt=600)

        self.run_once(ONE, bound=True, arrange=arrange)
        shown: list[tuple[int, str | None]] = []

        def look(machine: Ground) -> None:
            machine.silent.add(self.link)
            machine.clock.callLater(0.05, self.look, shown)

        self.run_once(ONE, arrange=look)
        self.assertEqual(shown, [(600, str(self.machine.server.terms.server))])

    def look(self, shown: list[tuple[int, str | None]]) -> None:
        """Note what the status says of SOL_MAX_RT."""
        document = self.machine.served["daemon"].status("wan")["uplinks"]["wan"]
        shown.append((document["sol_max_rt_seconds"], document["sol_max_rt_server"]))

    def test_fails_anywhere(self) -> None:
        """R-12-05: whichever call to the system fails while a lease is written, the old one is there, or the new."""
        times = SystemTimes()
        old, new = record(times.boot()), record(times.boot(), valid=9000.0)
        for call in ("open", "write", "fsync", "replace"):
            folder = self.folder_of(call)
            store = FileStore(folder, times)
            self.successResultOf(store.load())
            self.successResultOf(store.save_identity(IDENTITY))
            self.successResultOf(store.save_uplink("wan", old))
            self.failureResultOf(FileStore(folder, times, FailingSystem(call)).save_uplink("wan", new), StoreError)
            found = self.successResultOf(FileStore(folder, times).load())
            self.assertIn(dict(found.uplinks)["wan"], (old, new), call)

    def test_killed_while_writing(self) -> None:
        """R-12-05: a process that is killed at any moment while it writes leaves a lease that is whole."""
        source = random.Random(1)
        folder = self.folder_of()
        os.makedirs(folder)
        for _ in range(6):
            with subprocess.Popen(
                [sys.executable, "-c", WRITER, folder], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
            ) as writer:
                assert writer.stdout is not None
                writer.stdout.readline()
                time.sleep(0.05 * source.random())
                writer.kill()
            found = self.successResultOf(FileStore(folder, SystemTimes()).load())
            self.assertEqual(found.remarks, ())
            self.assertIsNotNone(found.identity)
            self.assertEqual(len(dict(found.uplinks)["wan"].lease.prefixes), 3)

    def test_damaged(self) -> None:
        """
        R-12-05: a damaged lease is set aside and said, the identity beside it is used: the daemon starts clean as the
        same client.
        """
        folder = self.folder_of()
        times = SystemTimes()
        store = FileStore(folder, times)
        self.run_once(ONE)
        identity = self.stored.identity
        assert identity is not None
        path = Path(folder, "uplink-wan.json")
        source = random.Random(2)
        for number in range(20):
            self.successResultOf(store.load() if number == 0 else store.save_identity(identity))
            self.successResultOf(store.save_identity(identity))
            self.successResultOf(store.save_uplink("wan", record(times.boot())))
            data = bytearray(path.read_bytes())
            data[source.randrange(len(data))] ^= 1 << source.randrange(8)
            path.write_bytes(data[: source.choice((len(data), source.randrange(len(data))))])
            found = self.successResultOf(FileStore(folder, times).load())
            self.assertEqual((found.identity, found.uplinks, len(found.remarks)), (identity, (), 1), number)
        self.stored = found
        sent = self.run_once(ONE)
        self.assertEqual((sent[0].message_type, sent[0].client_id), (MessageType.SOLICIT, identity.duid))
