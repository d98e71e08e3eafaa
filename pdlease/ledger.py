"""
What is ours in the kernel, written down before it is made (design 5).

An object is ours when it carries our mark I{and} stands in the ledger of this state folder; of a setting that cannot be
marked the ledger keeps the earlier value.  The file is a line of JSON for each entry made or struck out, appended
without fsync: it outlives a kill, and after a power cut the kernel's objects are gone as well.  Leases are kept
elsewhere and with more care (L{pdlease.stores}); when something is to be made or removed is L{pdlease.difference}.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from ipaddress import IPv4Interface, IPv6Interface, IPv6Network, ip_interface
from typing import Any

from attrs import frozen

from pdlease.kernel import AddressKey, ObjectKey, RouteKey, SettingKey

FILE_LIMIT = 16 << 20
"""No more octets than this are read of a ledger; ours stays far below."""

SPARE_LINES = 64
"""The file is written anew when it has this many lines more than twice its entries."""


@frozen(kw_only=True)
class OwnedAddress:
    """
    An address that we made.

    @ivar index: of the link it is on.
    @ivar address: with its prefix length.
    @ivar link: what the link was called.
    @ivar uplink: name of the uplink whose lease it came of.
    """

    index: int
    address: IPv6Interface | IPv4Interface
    link: str
    uplink: str

    @property
    def key(self) -> AddressKey:
        """What it is found by."""
        return self.index, self.address.ip


@frozen(kw_only=True)
class OwnedRoute:
    """
    A route that we made.

    @ivar prefix: its destination.
    @ivar index: of the link it goes out by, or C{None} for an unreachable one.
    @ivar table: its routing table.
    @ivar metric: its metric.
    @ivar link: what the link was called; of an unreachable route the uplink's.
    @ivar uplink: name of the uplink whose lease it came of.
    """

    prefix: IPv6Network
    index: int | None
    table: int
    metric: int
    link: str
    uplink: str

    @property
    def key(self) -> RouteKey:
        """What it is found by."""
        return self.prefix, self.index, self.table, self.metric


@frozen(kw_only=True)
class OwnedSetting:
    """
    A setting of a link that we changed.

    @ivar setting: its name, e.g. L{IPV6_ENABLED<pdlease.kernel.IPV6_ENABLED>}.
    @ivar index: of the link.
    @ivar earlier: its value before, as text.
    @ivar link: what the link was called.
    @ivar uplink: name of the uplink, switch or guest that it was changed for.
    @ivar value: the value that it was given, as text; empty for the one that the setting can only be given.
    """

    setting: str
    index: int
    earlier: str
    link: str
    uplink: str
    value: str = ""

    @property
    def key(self) -> SettingKey:
        """What it is found by."""
        return self.setting, self.index


Owned = OwnedAddress | OwnedRoute | OwnedSetting


class Ledger:
    """
    The entries, in memory and in the file.

    The file falling away (folder removed, read-only, full) never keeps anything from being done: the entries then live
    in memory only, L{problem} says so, and the next entry tries the file again.

    @ivar entries: what is ours, by key.
    @ivar problem: why the entries are not in the file, as a sentence, or the empty string.
    """

    def __init__(
        self, path: str | None, *, boot: str = "", tell: Callable[[str], None] = lambda sentence: None
    ) -> None:
        """
        Read the file, if there is one.

        @param path: the file, or C{None} to keep the entries in memory only.
        @param boot: what tells this boot from others; entries of another boot are dropped, as what they stand for is
            gone.  Empty if unknown.
        @param tell: called with a sentence when the file falls away, and when it is back.
        """
        self._path = path
        self._boot = boot
        self._tell = tell
        self._entries: dict[ObjectKey, Owned] = {}
        self._of: dict[str, dict[ObjectKey, Owned]] = {}
        self._descriptor: int | None = None
        self._lines = 0
        self._whole = False
        self.problem = ""
        if path is not None:
            self._load(path)

    @property
    def entries(self) -> Mapping[ObjectKey, Owned]:
        """What is ours, by key; a live view."""
        return self._entries

    def entries_of(self, uplink: str) -> Mapping[ObjectKey, Owned]:
        """What is ours for one uplink, switch or guest, by key."""
        return dict(self._of.get(uplink, {}))

    def prepare(self) -> None:
        """Have the file there and open before it is needed in a hurry; what is in the way is told, as always."""
        self._append([])

    def note(self, entries: Iterable[Owned]) -> None:
        """Write down what is about to be made; an entry that stands there already costs nothing."""
        fresh = [entry for entry in entries if self._entries.get(entry.key) != entry]
        if fresh:
            for entry in fresh:
                self._put(entry)
            self._append([_line(entry) for entry in fresh])

    def forget(self, keys: Iterable[ObjectKey]) -> None:
        """Strike out what is no longer there; a key that does not stand there is passed over."""
        struck = [entry for entry in map(self._strike, keys) if entry is not None]
        if struck:
            self._append([_line(entry, gone=True) for entry in struck])

    def _put(self, entry: Owned) -> None:
        self._strike(entry.key)
        self._entries[entry.key] = entry
        self._of.setdefault(entry.uplink, {})[entry.key] = entry

    def _strike(self, key: ObjectKey) -> Owned | None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            of = self._of[entry.uplink]
            del of[key]
            if not of:
                del self._of[entry.uplink]
        return entry

    def close(self) -> None:
        """Close the file; it is opened again when there is something to write."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    # The file.

    def _load(self, path: str) -> None:
        try:
            with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
                data = file.read(FILE_LIMIT)
        except FileNotFoundError:
            return
        except OSError as error:
            self._fell_away(error)
            return
        lines = data.split(b"\n")
        if self._is_of_another_boot(lines[0]):
            return
        self._lines = len(lines) - 1
        # What does not end in a newline was torn by a kill or a full disk; nothing may be appended to it.
        self._whole = not lines[-1] and len(data) < FILE_LIMIT
        for line in lines:
            if line and not self._read(line):
                self._whole = False

    def _is_of_another_boot(self, line: bytes) -> bool:
        fields = _fields(line)
        boot = fields.get("boot") if fields else None
        return bool(self._boot and boot and boot != self._boot)

    def _read(self, line: bytes) -> bool:
        """Take in one line; false if it is damaged or foreign."""
        fields = _fields(line)
        if fields is None:
            return False
        if "ledger" in fields:
            return True
        try:
            entry = _entry(fields)
        except (ValueError, KeyError, TypeError):
            return False
        if fields.get("gone"):
            self._strike(entry.key)
        else:
            self._put(entry)
        return True

    def _append(self, lines: list[str]) -> None:
        if self._path is None:
            return
        try:
            is_long = self._lines + len(lines) > 2 * len(self._entries) + SPARE_LINES
            if is_long or not self._whole or not self._is_there(self._path):
                self._write_anew(self._path)
            else:
                self._write(lines)
        except OSError as error:
            self._whole = False
            self.close()
            self._fell_away(error)
            return
        if self.problem:
            self.problem = ""
            self._tell(f"the ledger {self._path} is written again")

    def _is_there(self, path: str) -> bool:
        """
        Whether the file can be appended to: opened before and not removed since, or opened now; one that has a second
        name may be somebody else's, under a name that the folder's owner gave it for root to write to.
        """
        if self._descriptor is None:
            try:
                self._descriptor = os.open(
                    path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
                )
            except OSError:
                return False
        return os.fstat(self._descriptor).st_nlink == 1

    def _write(self, lines: list[str]) -> None:
        assert self._descriptor is not None
        data = "".join(lines).encode("utf-8", "surrogateescape")
        self._lines += len(lines)
        if os.write(self._descriptor, data) != len(data):
            raise OSError(28, os.strerror(28), self._path)

    def _write_anew(self, path: str) -> None:
        """Replace the file by one with nothing but what is ours now."""
        self.close()
        new = path + ".new"
        # Never what is there already: root would write to, and hand over, another name of somebody's file.
        with suppress(FileNotFoundError):
            os.unlink(new)
        self._descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._hand_over(path)
        self._lines = 0
        self._write([f'{{"ledger": 1, "boot": {_text(self._boot)}}}\n', *map(_line, self._entries.values())])
        os.rename(new, path)
        self._whole = True

    def _hand_over(self, path: str) -> None:
        """Give a file made as root to the folder's owner: the daemon begins as root and goes on as its own user."""
        assert self._descriptor is not None
        folder = os.stat(os.path.dirname(os.path.abspath(path)))
        if os.geteuid() == 0 and folder.st_uid != 0:
            os.fchown(self._descriptor, folder.st_uid, folder.st_gid)

    def _fell_away(self, error: OSError) -> None:
        problem = (
            f"the ledger {self._path} cannot be used ({error.strerror}); what is ours is remembered in memory only"
        )
        if problem != self.problem:
            self.problem = problem
            self._tell(problem)


def _text(value: str) -> str:
    """A string as JSON has it; written by hand, since the json module costs more to import than a Reply to apply."""
    escaped = "".join(
        character if character >= " " and character not in '"\\' else f"\\u{ord(character):04x}" for character in value
    )
    return f'"{escaped}"'


def _line(entry: Owned, gone: bool = False) -> str:
    """One line of the file."""
    if isinstance(entry, OwnedAddress):
        own = f'"kind": "address", "index": {entry.index}, "address": "{entry.address}"'
    elif isinstance(entry, OwnedRoute):
        index = "null" if entry.index is None else entry.index
        own = (
            f'"kind": "route", "prefix": "{entry.prefix}", "index": {index}, '
            f'"table": {entry.table}, "metric": {entry.metric}'
        )
    else:
        own = (
            f'"kind": "setting", "setting": {_text(entry.setting)}, "index": {entry.index}, '
            f'"earlier": {_text(entry.earlier)}, "value": {_text(entry.value)}'
        )
    end = ', "gone": true' if gone else ""
    return f'{{{own}, "link": {_text(entry.link)}, "uplink": {_text(entry.uplink)}{end}}}\n'


def _fields(line: bytes) -> dict[str, Any] | None:
    """The JSON object on a line, or C{None} if there is none."""
    import json

    try:
        fields = json.loads(line.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 32:
        raise ValueError(value)
    return value


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _entry(fields: dict[str, Any]) -> Owned:
    """
    The entry of one line.

    @raise ValueError, KeyError, TypeError: when it is none.
    """
    kind = fields["kind"]
    link, uplink = _word(fields["link"]), _word(fields["uplink"])
    if kind == "address":
        address = ip_interface(_word(fields["address"]))
        return OwnedAddress(index=_number(fields["index"]), address=address, link=link, uplink=uplink)
    if kind == "route":
        return OwnedRoute(
            prefix=IPv6Network(_word(fields["prefix"])),
            index=None if fields["index"] is None else _number(fields["index"]),
            table=_number(fields["table"]),
            metric=_number(fields["metric"]),
            link=link,
            uplink=uplink,
        )
    if kind == "setting":
        return OwnedSetting(
            setting=_word(fields["setting"]),
            index=_number(fields["index"]),
            earlier=_word(fields["earlier"]),
            link=link,
            uplink=uplink,
            value=_word(fields.get("value", "")),
        )
    raise ValueError(kind)
