"""
A lease store for pdlease in one SQLite file: C{store = "sqlite"} or C{store = "sqlite:NAME"} in C{[daemon]}.

What is kept of an identity or an uplink is the document that L{pdlease.stores.serial} makes of it, with checksum,
version and clocks: converting times from one boot to another is nothing that each store should do again.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twisted.internet.defer import Deferred, execute
from zope.interface import implementer

from pdlease.identity import Identity
from pdlease.interfaces import IdentityLost, ILeaseStore, ITimeSource, Stored, StoreError
from pdlease.lease import UplinkRecord
from pdlease.stores import serial
from pdlease.stores.fields import Damaged

TABLE = "CREATE TABLE IF NOT EXISTS documents (kind TEXT, name BLOB, document BLOB, PRIMARY KEY (kind, name))"


@implementer(ILeaseStore)
class SQLiteStore:
    """
    Identity and leases as rows of one table.

    The file is opened anew for each call: one that was removed or became read-only underneath is noticed then, and
    tried again when pdlease does.
    """

    def __init__(self, folder: str, name: str, times: ITimeSource) -> None:
        self._folder = folder
        self._path = os.path.join(folder, name)
        self._times = times

    def load(self) -> Deferred[Stored]:
        return execute(self._load)

    def save_identity(self, identity: Identity) -> Deferred[None]:
        return execute(self._save, "identity", "", lambda: serial.dump_identity(identity))

    def save_uplink(self, name: str, record: UplinkRecord) -> Deferred[None]:
        return execute(self._save, "uplink", name, lambda: serial.dump_uplink(name, record, self._now()))

    def forget_uplink(self, name: str) -> Deferred[None]:
        def forget() -> None:
            with self._opened("forget an uplink") as file:
                file.execute("DELETE FROM documents WHERE kind = 'uplink' AND name = ?", (_blob(name),))

        return execute(forget)

    def _load(self) -> Stored:
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{self._folder}: {error.strerror}") from None
        was_there = os.path.exists(self._path)
        try:
            with self._opened("read it", "rwc") as file:
                file.execute(TABLE)
                rows = file.execute("SELECT kind, document FROM documents ORDER BY name").fetchall()
        except StoreError as error:
            if not was_there or not isinstance(error.__cause__, sqlite3.DatabaseError):
                raise
            # damaged, or no database: never answered with a new identity
            raise IdentityLost(f"{error}; restore it, or remove it to become a new client on purpose") from None
        identity, uplinks, remarks = None, [], []
        for kind, document in rows:
            try:
                if kind == "identity":
                    identity = serial.load_identity(document)
                else:
                    uplinks.append(serial.load_uplink(document, self._now()))
            except (Damaged, serial.Foreign) as error:
                if kind == "identity":
                    raise IdentityLost(f"{self._path}: the identity in it cannot be used: {error}") from None
                remarks.append(f"{self._path}: {error}; that lease is not used")
        if identity is None and uplinks:
            raise IdentityLost(f"{self._path}: there are leases in it and no identity")
        return Stored(identity=identity, uplinks=tuple(uplinks), remarks=tuple(remarks))

    def _save(self, kind: str, name: str, dump: Callable[[], bytes]) -> None:
        with self._opened("keep the lease" if name else "keep the identity") as file:
            file.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, _blob(name), dump()))

    def _now(self) -> serial.Clocks:
        return serial.Clocks.read(self._times)

    @contextmanager
    def _opened(self, deed: str, mode: str = "rw") -> Iterator[sqlite3.Connection]:
        """
        The file, for one transaction that is on the disk when this ends.

        @raise StoreError: for whatever SQLite says.
        """
        try:
            file = sqlite3.connect(f"file:{_quoted(self._path)}?mode={mode}", uri=True, timeout=1.0)
            try:
                file.execute("PRAGMA synchronous = EXTRA")
                with file:
                    yield file
            finally:
                file.close()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: cannot {deed}: {error}") from error


def _blob(name: str) -> bytes:
    """An uplink's name as octets: SQLite compares text in ways of its own."""
    return name.encode("utf-8", "surrogatepass")


def _quoted(path: str) -> str:
    """A path as SQLite's URIs have it."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
