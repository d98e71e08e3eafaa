"""
The store C{file}: one file for the identity and one for each uplink, in the daemon's state folder.

Every file is written under a temporary name, synced, renamed over the old one, and the folder synced: after a crash at
any moment the old content is there or the new, whole.  What stands in the files is L{pdlease.stores.serial}; the ledger
of kernel objects, in the same folder, is L{pdlease.ledger}.

What cannot be read is never a reason to end, nor to become another client silently.  A damaged lease is set aside under
another name and said; a damaged or vanished identity is L{IdentityLost}, with what the operator can do about it.  Work
is done at once, in the reactor's thread: a few small files, written when something changed (design 18).
"""

from __future__ import annotations

import os
from contextlib import suppress
from stat import S_ISREG

from twisted.internet.defer import Deferred, execute
from zope.interface import implementer

from pdlease.identity import Identity
from pdlease.interfaces import (
    IdentityLost,
    ILeaseStore,
    ILeaseStoreFactory,
    ITimeSource,
    StoreContext,
    Stored,
    StoreError,
)
from pdlease.lease import UplinkRecord
from pdlease.stores import fields, serial

IDENTITY = "identity.json"
"""Name of the identity's file."""

MARKER = "identity.made"
"""Name of the file that says that there was an identity here once."""

LARGEST = 4 * 1024 * 1024
"""Octets above which a file is none of ours; the largest lease there can be is far below."""

MOST_SET_ASIDE = 9
"""How many damaged files of one name are kept; the last one is replaced from then on."""

_MARKER_TEXT = """\
pdlease made its identity in this folder and keeps it in identity.json.  Servers know this client by it: with another
one they give other prefixes.  If identity.json is lost, restore it from a backup.  To become a new client on purpose,
remove identity.json*, every uplink-*.json* and this file while the daemon is not running.
"""

_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-")


def file_name(uplink: str) -> str:
    """
    The name of an uplink's file: safe whatever the uplink is called, and different for different uplinks.

    Everything but C{a-z}, digits, underscore and hyphen is written as percent and two hexadecimal digits, capitals too,
    so that names differ on a file system that ignores case.  A name too long for a file ends in its hash instead.
    """
    octets = uplink.encode("utf-8", "surrogatepass")
    quoted = "".join(chr(octet) if octet in _SAFE else f"%{octet:02x}" for octet in octets)
    if len(quoted) > 160:
        from hashlib import sha256

        quoted = f"{quoted[:90]}~{sha256(octets).hexdigest()}"
    return f"uplink-{quoted}.json"


class FileSystem:
    """
    The system calls that can fail in ways a test must arrange; each as in L{os}.
    """

    fsync = staticmethod(os.fsync)
    open = staticmethod(os.open)
    replace = staticmethod(os.replace)
    write = staticmethod(os.write)


@implementer(ILeaseStore)
class FileStore:
    """
    Identity and leases in a folder.

    A plain renewal is not written more than once in five minutes (L{serial.worth_writing}).
    """

    def __init__(self, folder: str, times: ITimeSource, system: FileSystem | None = None) -> None:
        """
        @param folder: absolute path of the state folder.
        @param times: the clocks.
        @param system: the system calls; the real ones if not given.
        """
        self.folder = folder
        self.times = times
        self.system = system or FileSystem()
        self._written: dict[str, tuple[UplinkRecord, float]] = {}

    def load(self) -> Deferred[Stored]:
        return execute(self._load)

    def save_identity(self, identity: Identity) -> Deferred[None]:
        return execute(self._save_identity, identity)

    def save_uplink(self, name: str, record: UplinkRecord) -> Deferred[None]:
        return execute(self._save_uplink, name, record)

    def forget_uplink(self, name: str) -> Deferred[None]:
        return execute(self._forget_uplink, name)

    def _load(self) -> Stored:
        """See L{ILeaseStore.load}."""
        with _worded(self.folder, "use the state folder"):
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            names = sorted(os.listdir(self.folder))
        identity = self._load_identity(names)
        now = serial.Clocks.read(self.times)
        uplinks: list[tuple[str, UplinkRecord]] = []
        remarks: list[str] = []
        for file in names:
            if not (file.startswith("uplink-") and file.endswith(".json")):
                continue
            path = os.path.join(self.folder, file)
            try:
                name, record = serial.load_uplink(self._read(path), now)
                if file_name(name) != file:
                    raise fields.Damaged(f"it is the file of uplink {name!r} and should be called {file_name(name)}")
            except (fields.Damaged, serial.Foreign) as error:
                remarks.append(f"{path}: {error}; {self._set_aside(path)}, its lease is not used")
            except OSError as error:
                remarks.append(f"{path}: cannot read it: {error.strerror}; its lease is not used")
            else:
                uplinks.append((name, record))
        return Stored(identity=identity, uplinks=tuple(uplinks), remarks=tuple(remarks))

    def _load_identity(self, names: list[str]) -> Identity | None:
        """
        The identity, or C{None} where there never was one.

        The file stays where it is when it cannot be read, so that every start says the same.

        @raise IdentityLost: see there.
        """
        path = os.path.join(self.folder, IDENTITY)
        advice = f"restore it from a backup; to become a new client instead, do as {MARKER} beside it says"
        if IDENTITY not in names:
            traces = [name for name in names if name == MARKER or name.startswith((IDENTITY + ".", "uplink-"))]
            if traces:
                raise IdentityLost(f"{path}: it is gone, but {traces[0]} shows that there was one: {advice}")
            return None
        try:
            return serial.load_identity(self._read(path))
        except (fields.Damaged, serial.Foreign) as error:
            raise IdentityLost(f"{path}: {error}: {advice}") from error
        except OSError as error:
            raise IdentityLost(f"{path}: cannot read it: {error.strerror}") from error

    def _save_identity(self, identity: Identity) -> None:
        """The marker goes second: one without an identity that was ever used would stop the next start for nothing."""
        path = os.path.join(self.folder, IDENTITY)
        data = serial.dump_identity(identity)
        with _worded(path, "keep the identity"):
            with suppress(FileNotFoundError):
                self._keep_unreadable(path)
            self._write(IDENTITY, data)
            if not os.path.exists(os.path.join(self.folder, MARKER)):
                self._write(MARKER, _MARKER_TEXT.encode())

    def _keep_unreadable(self, path: str) -> None:
        """Never write over an identity that could not be read: somebody may still want to look at it."""
        try:
            serial.load_identity(self._read(path))
        except (fields.Damaged, serial.Foreign):
            self._set_aside(path)

    def _save_uplink(self, name: str, record: UplinkRecord) -> None:
        """See L{ILeaseStore.save_uplink}."""
        now = serial.Clocks.read(self.times)
        path = os.path.join(self.folder, file_name(name))
        stored, since = self._written.get(name, (None, 0.0))
        if stored is not None and not serial.worth_writing(stored, record, since, now.boot) and os.path.exists(path):
            return
        with _worded(path, "keep the lease"):
            self._write(file_name(name), serial.dump_uplink(name, record, now))
        self._written[name] = (record, now.boot)

    def _forget_uplink(self, name: str) -> None:
        """See L{ILeaseStore.forget_uplink}."""
        self._written.pop(name, None)
        path = os.path.join(self.folder, file_name(name))
        with _worded(path, "remove the lease"), suppress(FileNotFoundError):
            os.unlink(path)
            self._sync_folder()

    def _read(self, path: str) -> bytes:
        """
        A file's content.

        @raise fields.Damaged: when it is no plain file or too large to be ours.
        @raise OSError: when it cannot be read.
        """
        if not S_ISREG(os.stat(path).st_mode):
            raise fields.Damaged("it is no plain file")
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise fields.Damaged(f"it has more than {LARGEST} octets")
        return data

    def _write(self, name: str, data: bytes) -> None:
        """Put a file in place, whole or not at all."""
        temporary = os.path.join(self.folder, f".{name}.new")
        # Never what is there already: root would write through another name that the folder's owner gave to some file.
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = self.system.open(temporary, flags, 0o600)
        try:
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[self.system.write(descriptor, rest) :]
                self.system.fsync(descriptor)
            finally:
                os.close(descriptor)
            self.system.replace(temporary, os.path.join(self.folder, name))
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        self._sync_folder()

    def _sync_folder(self) -> None:
        """Make renames and removals in the folder outlive a power cut."""
        descriptor = self.system.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, 0)
        try:
            self.system.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _set_aside(self, path: str) -> str:
        """
        Rename a file that cannot be used.

        @return: what was done, in words that fit after a semicolon.
        """
        for number in range(1, MOST_SET_ASIDE + 1):
            aside = f"{path}.damaged-{number}"
            if not os.path.lexists(aside) or number == MOST_SET_ASIDE:
                break
        try:
            self.system.replace(path, aside)
        except OSError as error:
            return f"it cannot be set aside ({error.strerror})"
        return f"it was set aside as {os.path.basename(aside)}"


class _worded:
    """Turns an L{OSError} into a L{StoreError} with path, deed and the error's words."""

    def __init__(self, path: str, deed: str) -> None:
        self._path = path
        self._deed = deed

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise StoreError(f"{self._path}: cannot {self._deed}: {error.strerror or error}") from error


@implementer(ILeaseStoreFactory)
class FileStoreFactory:
    """Makes L{FileStore}s."""

    name = "file"
    summary = "keeps identity and leases as files in the state folder"
    argument = ""

    def build(self, argument: str, context: StoreContext) -> FileStore:
        if argument:
            raise ValueError(f"the store file takes no argument, not {argument!r}: it uses the state folder")
        return FileStore(context.state, context.times)


factory = FileStoreFactory()
