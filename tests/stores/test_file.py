"""Tests of L{pdlease.stores.file}."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.identity import Identity
from pdlease.interfaces import IdentityLost, ILeaseStoreFactory, ITimeSource, StoreContext, Stored, StoreError
from pdlease.stores import file, serial
from pdlease.testing import IDENTITY, LeaseStoreContract, SetTimes, record
from pdlease.wire.duid import DUID


class FailingSystem(file.FileSystem):
    """
    System calls of which one fails; the others happen.

    @ivar calls: what was called, with the names of files.
    """

    def __init__(self, failing: str = "", error: int = errno.ENOSPC) -> None:
        self.calls: list[tuple[str, ...]] = []
        self._failing = failing
        self._error = error

    def _happen(self, call: str, *names: str) -> None:
        self.calls.append((call, *map(os.path.basename, names)))
        if call == self._failing:
            raise OSError(self._error, os.strerror(self._error))

    def open(self, path: str, flags: int, mode: int) -> int:  # type: ignore[override]
        self._happen("open", path)
        return os.open(path, flags, mode)

    def write(self, descriptor: int, data: memoryview) -> int:  # type: ignore[override]
        self._happen("write")
        return os.write(descriptor, data[:100])

    def fsync(self, descriptor: int) -> None:  # type: ignore[override]
        self._happen("fsync")

    def replace(self, old: str, new: str) -> None:  # type: ignore[override]
        self._happen("replace", old, new)
        os.replace(old, new)


class FolderCase(SynchronousTestCase):
    """
    A state folder for each test.
    """

    def setUp(self) -> None:
        """The folder is not made yet."""
        self.folder = os.path.join(os.path.abspath(self.mktemp()), "state")
        self.times = SetTimes()

    def path(self, name: str) -> Path:
        """A file in the state folder."""
        return Path(self.folder, name)

    def store(self, system: file.FileSystem | None = None) -> file.FileStore:
        """A store as after a start of the daemon."""
        return file.FileStore(self.folder, self.times, system or file.FileSystem())

    def loaded(self) -> Stored:
        """What a new store finds."""
        return self.successResultOf(self.store().load())

    def filled(self) -> file.FileStore:
        """A store that knows an identity and the uplink C{wan}."""
        store = self.store()
        self.successResultOf(store.load())
        self.successResultOf(store.save_identity(IDENTITY))
        self.successResultOf(store.save_uplink("wan", record(self.times.boot())))
        return store


class FileStoreTests(LeaseStoreContract, SynchronousTestCase):
    """
    L{file.FileStore} keeps the contract.
    """

    def setUp(self) -> None:
        """One folder for all stores of a test."""
        self.folder = os.path.join(os.path.abspath(self.mktemp()), "state")

    def create(self, times: ITimeSource) -> file.FileStore:
        """A store on the test's folder."""
        return file.FileStore(self.folder, times)

    def factory(self) -> ILeaseStoreFactory:
        """The built-in factory."""
        return file.factory

    def test_takes_no_argument(self) -> None:
        """
        C{store = "file:something"} is refused with a sentence.
        """
        context = StoreContext(state=self.folder, times=SetTimes())
        error = self.assertRaises(ValueError, file.factory.build, "/elsewhere", context)
        self.assertIn("state folder", str(error))


class FolderTests(FolderCase):
    """
    What happens to the folder and the files in it.
    """

    def test_missing_folder_is_made(self) -> None:
        """
        The state folder is made at the first start, for its owner alone.
        """
        self.assertEqual(self.loaded(), Stored())
        self.assertEqual(os.stat(self.folder).st_mode & 0o777, 0o700)

    def test_files_are_the_owners_alone(self) -> None:
        """
        Nobody else reads what is kept, whatever the umask.
        """
        self.filled()
        self.assertEqual(
            {entry.name: entry.stat().st_mode & 0o777 for entry in os.scandir(self.folder)},
            {"identity.json": 0o600, "identity.made": 0o600, "uplink-wan.json": 0o600},
        )

    def test_order_of_writing(self) -> None:
        """
        A file gets its content under another name, is synced, renamed, and the folder is synced last; a short write is
        gone on with.
        """
        self.loaded()
        system = FailingSystem()
        self.successResultOf(self.store(system).save_identity(IDENTITY))
        first = system.calls[: system.calls.index(("replace", ".identity.json.new", "identity.json")) + 3]
        writes = [call for call in first if call == ("write",)]
        self.assertGreater(len(writes), 1)
        self.assertEqual(
            first,
            [
                ("open", ".identity.json.new"),
                *writes,
                ("fsync",),
                ("replace", ".identity.json.new", "identity.json"),
                ("open", "state"),
                ("fsync",),
            ],
        )
        self.assertEqual(self.loaded().identity, IDENTITY)

    def test_failures_are_told_and_leave_the_old(self) -> None:
        """
        When any system call fails (disk full, read-only, broken), the caller hears of it with path and the error's
        words, the earlier record stays whole, and the next try succeeds (R-12-05, design 18).
        """
        for call in ("open", "write", "fsync", "replace"):
            for error in (errno.ENOSPC, errno.EROFS, errno.EIO):
                self.setUp()
                earlier = record(self.times.boot())
                self.filled()
                later = record(self.times.boot() + 1000.0)
                store = self.store(FailingSystem(call, error))
                told = str(self.failureResultOf(store.save_uplink("wan", later), StoreError).value)
                self.assertIn("uplink-wan.json", told)
                self.assertIn(os.strerror(error), told)
                self.assertEqual(self.loaded().uplinks, (("wan", earlier),), call)
                self.assertEqual(sorted(os.listdir(self.folder)), ["identity.json", "identity.made", "uplink-wan.json"])
                store.system = file.FileSystem()
                self.successResultOf(store.save_uplink("wan", later))
                self.assertEqual(self.loaded().uplinks, (("wan", later),))

    def test_vanished_folder_is_told_and_not_made_anew(self) -> None:
        """
        When the state folder is gone later, saving fails, nothing is written where a disk may be missing, and saving
        works again when it is back (design 18).
        """
        store = self.filled()
        os.rename(self.folder, self.folder + ".away")
        later = record(self.times.boot() + 1.0)
        self.times.pass_time(1000.0)
        for waited in (store.save_uplink("wan", later), store.save_identity(IDENTITY)):
            self.assertIn("No such file or directory", str(self.failureResultOf(waited, StoreError).value))
        self.assertFalse(os.path.exists(self.folder))
        os.rename(self.folder + ".away", self.folder)
        self.successResultOf(store.save_uplink("wan", later))
        self.assertEqual(self.loaded().uplinks, (("wan", later),))

    def test_unusable_folder(self) -> None:
        """
        A state folder that cannot be made is a L{StoreError} that names it.
        """
        os.makedirs(os.path.dirname(self.folder))
        Path(self.folder).write_text("in the way")
        told = self.failureResultOf(self.store().load(), StoreError).value
        self.assertIn(self.folder, str(told))

    def test_left_over_temporary_file(self) -> None:
        """
        What a crash left of an unfinished write is neither read nor in the way.
        """
        self.filled()
        self.path(".uplink-wan.json.new").write_text("half a rec")
        self.path(".identity.json.new").write_text("half an id")
        self.assertEqual(self.loaded().remarks, ())
        later = record(self.times.boot() + 400.0)
        self.successResultOf(self.store().save_uplink("wan", later))
        self.assertEqual(self.loaded().uplinks, (("wan", later),))

    def test_other_names_of_files(self) -> None:
        """
        Whoever owns the folder cannot have root write to another file that a name in it leads to, be it a second name
        of it or a symbolic link, nor wait for a pipe.
        """
        self.filled()
        other = self.path("other")
        other.write_text("somebody's")
        for number, make in enumerate((os.link, os.symlink, lambda _, name: os.mkfifo(name)), 1):
            make(other.absolute(), self.path(".uplink-wan.json.new"))
            later = record(self.times.boot() + 400.0 * number)
            self.successResultOf(self.store().save_uplink("wan", later))
            self.assertEqual((other.read_text(), self.loaded().uplinks), ("somebody's", (("wan", later),)))

    def test_plain_renewals_are_coalesced(self) -> None:
        """
        A renewal that says nothing new is written at most once in five minutes (design 18).
        """
        store = self.filled()
        store.system = system = FailingSystem()
        written = 0
        for _ in range(100):
            self.times.pass_time(30.0)
            self.successResultOf(store.save_uplink("wan", record(self.times.boot())))
            written = sum(call[0] == "replace" for call in system.calls)
        self.assertEqual(written, 10)

    def test_renewal_is_written_when_the_file_is_gone(self) -> None:
        """
        A file that somebody removed is written again by the next renewal.
        """
        store = self.filled()
        self.path("uplink-wan.json").unlink()
        self.times.pass_time(30.0)
        self.successResultOf(store.save_uplink("wan", record(self.times.boot())))
        self.assertTrue(self.path("uplink-wan.json").exists())

    def test_changes_are_never_coalesced(self) -> None:
        """
        Another prefix, another server, a prefix that the Reply did not mention, another SOL_MAX_RT: each is written.
        """
        now = self.times.boot()
        base = record(now)
        binding = base.lease.bindings[0]

        def changed(**changes: object) -> object:
            prefixes = (evolve(binding.prefixes[0], **changes), *binding.prefixes[1:])
            return evolve(
                base,
                lease=evolve(base.lease, bindings=(evolve(binding, prefixes=prefixes), *base.lease.bindings[1:])),
            )

        other = DUID(b"\0\4other")
        for new in (
            changed(mentioned_at=now - 1.0),
            changed(excluded=None),
            changed(server=other),
            changed(valid_until=float("inf")),
            evolve(base, lease=evolve(base.lease, server=other)),
            evolve(base, lease=evolve(base.lease, bindings=base.lease.bindings[:1])),
            evolve(base, sol_max_rt=60),
            evolve(base, trusted=False),
        ):
            self.assertTrue(serial.worth_writing(base, new, now, now), new)
        self.assertFalse(serial.worth_writing(base, record(now + 1.0), now, now + 1.0))


class IdentityLostTests(FolderCase):
    """
    An identity is never made anew silently (R-11-04, R-12-05).
    """

    def lost(self) -> str:
        """The sentence with which loading fails."""
        return str(self.failureResultOf(self.store().load(), IdentityLost).value)

    def test_missing_identity_beside_a_lease(self) -> None:
        """
        A folder with a lease and no identity is a loss, not a first start.
        """
        self.filled()
        self.path("identity.json").unlink()
        self.path("identity.made").unlink()
        self.assertIn("uplink-wan.json", self.lost())

    def test_missing_identity_beside_the_marker(self) -> None:
        """
        The marker alone tells that there was an identity; it says itself what to do, and doing it helps.
        """
        self.filled()
        self.path("identity.json").unlink()
        self.path("uplink-wan.json").unlink()
        self.assertIn("identity.made", self.lost())
        self.assertIn("remove", self.path("identity.made").read_text())
        self.path("identity.made").unlink()
        self.assertIsNone(self.loaded().identity)

    def test_damaged_identity(self) -> None:
        """
        A damaged identity is named with what is wrong with it, each time anew, and stays where it is.
        """
        self.filled()
        data = self.path("identity.json").read_bytes().replace(b"0011", b"0012")
        self.path("identity.json").write_bytes(data)
        for _ in range(2):
            self.assertIn("checksum", self.lost())
        self.assertEqual(self.path("identity.json").read_bytes(), data)

    def test_identity_of_a_later_version(self) -> None:
        """
        An identity that a later pdlease wrote is not damaged by an earlier one.
        """
        self.filled()
        text = self.path("identity.json").read_bytes().partition(b"\n")[2]
        self.path("identity.json").write_bytes(serial._head("identity", 2, text) + text)
        self.assertIn("version 2", self.lost())

    def test_unreadable_identity(self) -> None:
        """
        An identity that is there but cannot be read is a loss as well.
        """
        self.filled()
        self.path("identity.json").unlink()
        self.path("identity.json").mkdir()
        self.assertIn("no plain file", self.lost())
        self.path("identity.json").rmdir()
        self.path("identity.json").symlink_to("identity.json")
        self.assertIn("cannot read it", self.lost())

    def test_unreadable_identity_is_not_written_over(self) -> None:
        """
        When the operator chose to go on with another identity, the unreadable one is kept beside it.
        """
        store = self.filled()
        self.path("identity.json").write_bytes(b"rubbish")
        self.successResultOf(store.save_identity(IDENTITY))
        self.assertEqual(self.loaded().identity, IDENTITY)
        self.assertEqual(self.path("identity.json.damaged-1").read_bytes(), b"rubbish")


class DamageTests(FolderCase):
    """
    Damaged and foreign lease files.
    """

    def test_damaged_lease_is_set_aside(self) -> None:
        """
        A damaged lease is moved to another name with a remark that names both; identity and other uplinks stay.
        """
        store = self.filled()
        self.successResultOf(store.save_uplink("other", record(self.times.boot())))
        self.path("uplink-wan.json").write_bytes(b"\0" * 100)
        again = self.loaded()
        self.assertEqual([name for name, _ in again.uplinks], ["other"])
        self.assertEqual(again.identity, IDENTITY)
        (remark,) = again.remarks
        self.assertIn("uplink-wan.json", remark)
        self.assertIn("uplink-wan.json.damaged-1", remark)
        self.assertTrue(self.path("uplink-wan.json.damaged-1").exists())
        self.assertEqual(self.loaded().remarks, ())

    def test_damaged_files_do_not_pile_up(self) -> None:
        """
        Of one name at most nine damaged files are kept.
        """
        self.filled()
        for number in range(15):
            self.path("uplink-wan.json").write_text(f"rubbish {number}")
            self.assertEqual(len(self.loaded().remarks), 1)
        self.assertEqual(len([name for name in os.listdir(self.folder) if "damaged" in name]), 9)
        self.assertEqual(self.path("uplink-wan.json.damaged-9").read_text(), "rubbish 14")

    def test_file_under_another_uplinks_name(self) -> None:
        """
        A lease that was copied to the name of another uplink is not taken for that uplink's.
        """
        self.filled()
        os.link(self.path("uplink-wan.json"), self.path("uplink-other.json"))
        again = self.loaded()
        self.assertEqual([name for name, _ in again.uplinks], ["wan"])
        self.assertIn("uplink-other.json.damaged-1", again.remarks[0])

    def test_what_is_no_plain_file(self) -> None:
        """
        A FIFO under a lease's name does not block the start, a folder does not break it, a huge file is not read.
        """
        self.filled()
        os.mkfifo(self.path("uplink-fifo.json"))
        self.path("uplink-folder.json").mkdir()
        with open(self.path("uplink-huge.json"), "wb") as huge:
            huge.truncate(10**12)
        again = self.loaded()
        self.assertEqual([name for name, _ in again.uplinks], ["wan"])
        self.assertEqual(len(again.remarks), 3)

    def test_damage_on_a_read_only_disk(self) -> None:
        """
        Where a damaged file cannot be renamed, the remark says so and the start goes on.
        """
        self.filled()
        self.path("uplink-wan.json").write_bytes(b"rubbish")
        store = self.store(FailingSystem("replace", errno.EROFS))
        (remark,) = self.successResultOf(store.load()).remarks
        self.assertIn("Read-only file system", remark)

    def test_unreadable_lease(self) -> None:
        """
        A lease that cannot be opened is remarked and left in place.
        """
        self.filled()
        self.path("uplink-loop.json").symlink_to("uplink-loop.json")
        again = self.loaded()
        self.assertIn("cannot read it", again.remarks[0])
        self.assertTrue(self.path("uplink-loop.json").is_symlink())

    @settings(deadline=None, max_examples=150)
    @given(
        name=st.sampled_from(["identity.json", "identity.made", "uplink-wan.json"]),
        changes=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=6)), max_size=4),
        length=st.none() | st.integers(0, 2000),
    )
    def test_random_damage(self, name: str, changes: list[tuple[int, bytes]], length: int | None) -> None:
        """
        Whatever is done to the bytes of a file, loading raises nothing but L{StoreError} and its kinds, and never
        yields another identity or another lease (R-12-05).
        """
        self.setUp()
        self.filled()
        whole = self.loaded()
        data = bytearray(self.path(name).read_bytes())
        for place, octets in changes:
            data[place : place + len(octets)] = octets
        self.path(name).write_bytes(data[:length])
        outcome: list[object] = []
        self.store().load().addBoth(outcome.append)
        (found,) = outcome
        if isinstance(found, Stored):
            self.assertEqual(found.identity, whole.identity)
            self.assertIn(found.uplinks, (whole.uplinks, ()))
        else:
            self.assertIsNotNone(found.check(StoreError), found)  # type: ignore[attr-defined]

    @settings(deadline=None, max_examples=150)
    @given(one=st.text(max_size=200), other=st.text(max_size=200))
    def test_file_names(self, one: str, other: str) -> None:
        """
        Different uplinks have different files, even where capitals do not count; every name is plain and short.
        """
        name = file.file_name(one)
        self.assertEqual(name.lower(), name)
        self.assertNotIn("/", name)
        self.assertLess(len(f".{name}.damaged-9.new"), 250)
        self.assertTrue(name.isascii())
        if one != other:
            self.assertNotEqual(name, file.file_name(other))


class SameIdentityTests(FolderCase):
    """
    Two starts.
    """

    def test_two_starts(self) -> None:
        """
        The same DUID is found at every start (R-6355-01, R-11-04).
        """
        self.filled()
        self.assertEqual(self.loaded().identity, IDENTITY)
        self.assertEqual(self.loaded().identity, IDENTITY)
        self.assertIsInstance(self.loaded().identity, Identity)
