"""
Tests for L{pdlease.ledger}.
"""

from __future__ import annotations

import json
import os
from ipaddress import IPv6Interface, IPv6Network
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from unittest import skipIf

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.ledger import SPARE_LINES, Ledger, Owned, OwnedAddress, OwnedRoute, OwnedSetting

ADDRESS = OwnedAddress(index=3, address=IPv6Interface("2001:db8:0:1::1/64"), link="lan0", uplink="wan")
ROUTE = OwnedRoute(prefix=IPv6Network("2001:db8:0:1::/64"), index=3, table=254, metric=512, link="lan0", uplink="wan")
REFUSING = OwnedRoute(
    prefix=IPv6Network("2001:db8::/56"), index=None, table=254, metric=4096, link="eth0", uplink="wan"
)
SETTING = OwnedSetting(setting="ipv6", index=3, earlier="0", link="lan0", uplink="wan")


def numbered(number: int) -> OwnedAddress:
    """One of many entries."""
    return OwnedAddress(
        index=number, address=IPv6Interface(f"2001:db8::{number:x}/64"), link=f"lan{number}", uplink="wan"
    )


class LedgerTestCase(SynchronousTestCase):
    """A folder, and what was told."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "ledger"
        self.told: list[str] = []

    def open(self, boot: str = "") -> Ledger:
        """The ledger as another process would find it."""
        ledger = Ledger(str(self.path), boot=boot, tell=self.told.append)
        self.addCleanup(ledger.close)
        return ledger

    def entries(self) -> set[Owned]:
        """What another process would find."""
        return set(self.open().entries.values())


class LedgerTests(LedgerTestCase):
    def test_found_again(self) -> None:
        """What was noted is found by the next process, whatever became of this one (design 5)."""
        self.open().note([ADDRESS, ROUTE, REFUSING, SETTING])
        self.assertEqual(self.entries(), {ADDRESS, ROUTE, REFUSING, SETTING})

    def test_on_disk_at_once(self) -> None:
        """When C{note} returns the entry is in the file: the operation comes after it."""
        ledger = self.open()
        ledger.note([ADDRESS])
        ledger.note([ROUTE])
        self.assertEqual(self.entries(), {ADDRESS, ROUTE})

    def test_prepared(self) -> None:
        """A ledger that was prepared has its file, with what it knows, before anything is noted."""
        self.open().prepare()
        self.assertTrue(self.path.exists())
        ledger = self.open()
        ledger.note([ADDRESS])
        ledger.prepare()
        self.assertEqual(self.entries(), {ADDRESS})

    def test_forgotten(self) -> None:
        """What was struck out is not found again."""
        ledger = self.open()
        ledger.note([ADDRESS, ROUTE])
        ledger.forget([ADDRESS.key, REFUSING.key])
        self.assertEqual((self.entries(), set(ledger.entries.values())), ({ROUTE}, {ROUTE}))

    def test_noted_again(self) -> None:
        """What stands there already costs no write."""
        ledger = self.open()
        ledger.note([ADDRESS])
        size = self.path.stat().st_size
        ledger.note([ADDRESS])
        ledger.forget([ROUTE.key])
        self.assertEqual(self.path.stat().st_size, size)

    def test_changed(self) -> None:
        """An object that another uplink wants now has one entry, the new one."""
        ledger = self.open()
        other = OwnedAddress(index=3, address=ADDRESS.address, link="lan0", uplink="dsl")
        ledger.note([ADDRESS])
        ledger.note([other])
        self.assertEqual(self.entries(), {other})

    def test_by_uplink(self) -> None:
        """What is ours for one uplink is found, after a restart too, and goes with its entry to another uplink."""
        self.ledger = self.open()
        self.ledger.note([ADDRESS, ROUTE])
        self.assertEqual(self.ledger.entries_of(ADDRESS.uplink), self.ledger.entries)
        moved = evolve(ADDRESS, uplink="another")
        self.ledger.note([moved])
        for ledger in (self.ledger, self.open()):
            self.assertEqual(ledger.entries_of("another"), {ADDRESS.key: moved})
            self.assertEqual(ledger.entries_of(ROUTE.uplink), {ROUTE.key: ROUTE})
        self.ledger.forget([ADDRESS.key])
        self.assertEqual(self.ledger.entries_of("another"), {})

    def test_memory_only(self) -> None:
        """Without a path the entries live in memory."""
        ledger = Ledger(None)
        ledger.note([ADDRESS])
        ledger.forget([ADDRESS.key])
        ledger.note([ROUTE])
        self.assertEqual((dict(ledger.entries), ledger.problem), ({ROUTE.key: ROUTE}, ""))

    def test_private(self) -> None:
        """The file is for its owner only."""
        self.open().note([ADDRESS])
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_lines_are_json(self) -> None:
        """Each line is one JSON document, for those who look."""
        ledger = self.open("boot-1")
        ledger.note([ADDRESS])
        ledger.forget([ADDRESS.key])
        documents = [json.loads(line) for line in self.path.read_text().splitlines()]
        address = {"kind": "address", "index": 3, "address": "2001:db8:0:1::1/64", "link": "lan0", "uplink": "wan"}
        self.assertEqual(documents, [{"ledger": 1, "boot": "boot-1"}, address, {**address, "gone": True}])

    def test_stays_short(self) -> None:
        """The file does not grow with the number of changes, only with that of objects."""
        ledger = self.open()
        for number in range(1, 1000):
            ledger.note([numbered(number)])
            ledger.forget([numbered(number - 1).key])
        self.assertLess(len(self.path.read_bytes().splitlines()), SPARE_LINES + 10)
        self.assertEqual(self.entries(), {numbered(999)})

    def test_nothing_left_beside(self) -> None:
        """Writing anew leaves no other file behind."""
        self.open().note([ADDRESS])
        self.assertEqual(os.listdir(self.folder), ["ledger"])

    @given(st.text(max_size=15), st.text(max_size=15))
    def test_any_names(self, link: str, uplink: str) -> None:
        """Whatever links and uplinks are called, the entry is found again."""
        path = self.folder / "names"
        path.unlink(missing_ok=True)
        entry = OwnedSetting(setting="ipv6", index=1, earlier=uplink, link=link, uplink=uplink)
        ledger = Ledger(str(path))
        ledger.note([entry])
        ledger.close()
        self.assertEqual(set(Ledger(str(path)).entries.values()), {entry})

    def test_name_that_is_no_text(self) -> None:
        """A link name that is not UTF-8 is kept as it is."""
        entry = OwnedSetting(
            setting="ipv6", index=1, earlier="0", link=b"la\xffn".decode("utf-8", "surrogateescape"), uplink="w"
        )
        self.open().note([entry])
        self.assertEqual(self.entries(), {entry})


class BootTests(LedgerTestCase):
    def test_same_boot(self) -> None:
        """Entries of this boot count."""
        self.open("boot-1").note([ADDRESS])
        self.assertEqual(set(self.open("boot-1").entries), {ADDRESS.key})

    def test_other_boot(self) -> None:
        """Entries of another boot stand for objects that are gone, perhaps on links with other numbers."""
        self.open("boot-1").note([ADDRESS])
        ledger = self.open("boot-2")
        self.assertEqual(dict(ledger.entries), {})
        ledger.note([ROUTE])
        self.assertEqual(set(self.open("boot-2").entries), {ROUTE.key})

    def test_unknown_boot(self) -> None:
        """Where no boot is known, on either side, everything counts."""
        self.open("").note([ADDRESS])
        self.assertEqual(set(self.open("boot-2").entries), {ADDRESS.key})


class DamageTests(LedgerTestCase):
    def test_torn_tail(self) -> None:
        """A line torn by a kill is left out, and the next entry does not grow onto it."""
        self.open().note([ADDRESS, ROUTE])
        data = self.path.read_bytes()
        self.path.write_bytes(data[:-20])
        ledger = self.open()
        self.assertEqual(set(ledger.entries.values()), {ADDRESS})
        ledger.note([REFUSING])
        self.assertEqual(self.entries(), {ADDRESS, REFUSING})

    def test_any_bytes(self) -> None:
        """Whatever stands in the file, reading it raises nothing, and what can be read counts."""
        good = b'{"kind": "setting", "setting": "ipv6", "index": 3, "earlier": "0", "link": "lan0", "uplink": "wan"}'
        bad = [
            b"\xff\x00",
            b"null",
            b"[]",
            b'"ledger"',
            b"7",
            b"{}",
            b'{"ledger": 1}',
            b'{"kind": "wall", "link": "a", "uplink": "b"}',
            b'{"kind": "address", "index": -1, "address": "::1/128", "link": "a", "uplink": "b"}',
            b'{"kind": "address", "index": true, "address": "::1/128", "link": "a", "uplink": "b"}',
            b'{"kind": "address", "index": 1, "address": 7, "link": "a", "uplink": "b"}',
            b'{"kind": "address", "index": 1, "address": "::1/129", "link": "a", "uplink": "b"}',
            b'{"kind": "route", "prefix": "2001:db8::1/64", "index": 1, "table": 1, "metric": 1, "link": "a", '
            b'"uplink": "b"}',
            b"[" * 100_000,
        ]
        self.path.write_bytes(b"\n".join([*bad, good, *bad]))
        ledger = self.open("boot-1")
        self.assertEqual(set(ledger.entries.values()), {SETTING})
        ledger.note([ADDRESS])
        self.assertEqual(self.entries(), {SETTING, ADDRESS})

    def test_removed_folder(self) -> None:
        """A folder that is gone costs nothing but a sentence, said once; what is ours stays known in memory."""
        ledger = self.open()
        ledger.note([ADDRESS])
        self.path.unlink()
        self.folder.rmdir()
        ledger.note([ROUTE])
        ledger.note([REFUSING])
        self.assertEqual(set(ledger.entries), {ADDRESS.key, ROUTE.key, REFUSING.key})
        self.assertEqual(self.told, [ledger.problem])
        self.assertIn("No such file or directory", ledger.problem)

    def test_back(self) -> None:
        """When the folder is there again the next entry writes everything, and that is said."""
        ledger = self.open()
        ledger.note([ADDRESS])
        self.path.unlink()
        self.folder.rmdir()
        ledger.note([ROUTE])
        self.folder.mkdir()
        ledger.note([REFUSING])
        self.assertEqual(self.entries(), {ADDRESS, ROUTE, REFUSING})
        self.assertEqual((len(self.told), ledger.problem), (2, ""))

    def test_removed_file(self) -> None:
        """A file that somebody removed is written anew, whole."""
        ledger = self.open()
        ledger.note([ADDRESS])
        self.path.unlink()
        ledger.note([ROUTE])
        self.assertEqual(self.entries(), {ADDRESS, ROUTE})

    def test_full(self) -> None:
        """On a full disk the entries live in memory, and a line that was written in part is not added to."""
        ledger = self.open()
        ledger.note([ADDRESS])
        ledger.close()
        self.path.unlink()
        self.path.symlink_to("/dev/full")
        ledger.note([ROUTE])
        self.assertEqual(set(ledger.entries), {ADDRESS.key, ROUTE.key})
        self.assertEqual(self.entries(), {ADDRESS, ROUTE})

    def test_written_in_part(self) -> None:
        """A write that stops half way counts as a full disk; the file is written anew at the next entry."""
        ledger = self.open()
        ledger.note([ADDRESS])
        whole, os_write = [False], os.write
        self.patch(
            os, "write", lambda fd, data: os_write(fd, data) if whole[0] else os_write(fd, data[: len(data) // 2])
        )
        ledger.note([ROUTE])
        self.assertIn("No space left", ledger.problem)
        whole[0] = True
        ledger.note([REFUSING])
        self.assertEqual((self.entries(), ledger.problem), ({ADDRESS, ROUTE, REFUSING}, ""))

    def test_unreadable(self) -> None:
        """A path that cannot be read as a file is told; entries live in memory."""
        self.path.mkdir()
        ledger = self.open()
        ledger.note([ADDRESS])
        self.assertEqual((set(ledger.entries), len(self.told)), ({ADDRESS.key}, 1))

    def test_other_names_of_files(self) -> None:
        """
        Whoever owns the folder cannot have root write, by the ledger, to another file that a name in it leads to: a
        second name of it, or a symbolic link.
        """
        other = self.folder / "other"
        other.write_text("somebody's\n")
        for make in (os.link, os.symlink):
            for name in ("ledger", "ledger.new"):
                make(other.absolute(), self.folder / name)
            self.open().note([ADDRESS])
            self.assertEqual((other.read_text(), self.entries()), ("somebody's\n", {ADDRESS}))
            self.path.unlink()

    def test_pipe(self) -> None:
        """Pipes in the place of the ledger do not keep the daemon from starting."""
        for name in ("ledger", "ledger.new"):
            os.mkfifo(self.folder / name)
        self.open().note([ADDRESS])
        self.assertEqual(self.entries(), {ADDRESS})

    @skipIf(os.geteuid() != 0, "needs root to act for two users")
    def test_left_by_root(self) -> None:
        """What root makes it gives to the folder's owner, and what root left behind does not lock the daemon out."""
        self.folder = Path(mkdtemp())
        self.addCleanup(rmtree, self.folder)
        self.path = self.folder / "ledger"
        os.chown(self.folder, 65534, 65534)
        self.open().note([ADDRESS])
        self.assertEqual(self.path.stat().st_uid, 65534)
        os.chown(self.path, 0, 0)
        (self.folder / "ledger.new").write_text("left behind")
        (self.folder / "ledger.new").chmod(0o600)
        self.path.chmod(0o644)
        os.seteuid(65534)
        self.addCleanup(os.seteuid, 0)
        ledger = self.open()
        ledger.note([ROUTE])
        os.seteuid(0)
        self.assertEqual((self.entries(), ledger.problem), ({ADDRESS, ROUTE}, ""))
