"""
What is found of another client, and how its files are looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from ipaddress import IPv6Network

from attrs import frozen

from pdlease.wire.duid import DUID

LARGEST = 1024 * 1024
"""Octets that are read of a file; a larger one is none of a DHCPv6 client's."""


class NothingFound(Exception):
    """There is no client to be found, or its files cannot be understood; the text is a sentence for the operator."""


@frozen(kw_only=True)
class Association:
    """
    One association of the other client (IA_PD).

    @ivar iaid: its number.
    @ivar prefixes: what it held last.
    """

    iaid: int
    prefixes: tuple[IPv6Network, ...] = ()


@frozen(kw_only=True)
class Found:
    """
    Who another client is to servers.

    @ivar duid: its DUID.
    @ivar associations: those for prefixes on the link asked about, in the order of its files.
    @ivar files: what this was read from.
    @ivar remarks: what the files do not tell, as sentences.
    """

    duid: DUID
    associations: tuple[Association, ...] = ()
    files: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class Files:
    """
    The files of a machine.

    @ivar read: the paths of those that were read, in order.
    """

    def __init__(self, root: str = "/") -> None:
        """
        @param root: what stands for the root folder.
        """
        self.read: list[str] = []
        self._root = root

    def octets(self, path: str) -> bytes | None:
        """
        The content of a file; C{None} where there is none.

        @raise NothingFound: when there is one that cannot be read.
        """
        try:
            with open(os.path.join(self._root, path.lstrip("/")), "rb") as file:
                data = file.read(LARGEST + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as problem:
            raise NothingFound(f"{path}: {problem.strerror}") from None
        if len(data) > LARGEST:
            raise NothingFound(f"{path}: it has more than {LARGEST} octets")
        self.read.append(path)
        return data

    def text(self, path: str) -> str | None:
        """The content of a text file; C{None} where there is none."""
        data = self.octets(path)
        return None if data is None else data.decode(errors="replace")

    def first(self, paths: Iterable[str]) -> tuple[str, bytes]:
        """
        The first of some files that is there, with its path.

        @raise NothingFound: when none is.
        """
        tried = tuple(paths)
        for path in tried:
            data = self.octets(path)
            if data is not None:
                return path, data
        raise NothingFound(f"there is none of {', '.join(tried)}")

    def any_of(self, paths: Iterable[str]) -> tuple[str, bytes] | None:
        """As L{first}, but C{None} when none is."""
        try:
            return self.first(paths)
        except NothingFound as problem:
            if not str(problem).startswith("there is none of "):
                raise
            return None

    def names(self, folder: str) -> tuple[str, ...]:
        """The names in a folder, in order; none where there is no such folder."""
        try:
            return tuple(sorted(os.listdir(os.path.join(self._root, folder.lstrip("/")))))
        except OSError:
            return ()

    def link_address(self, link: str) -> tuple[int, bytes] | None:
        """The hardware type (ARPHRD) and the link-layer address of a link, or C{None}."""
        kind, address = (self._link(link, name) for name in ("type", "address"))
        try:
            found = bytes.fromhex((address or "").strip().replace(":", ""))
            return (int(kind or ""), found) if found else None
        except ValueError:
            return None

    def address_iaid(self, link: str) -> int | None:
        """The last four octets of a link's address, of which several clients make an IAID; C{None} without one."""
        address = self.link_address(link)
        return int.from_bytes(address[1][-4:], "big") if address is not None and len(address[1]) >= 4 else None

    def link_index(self, link: str) -> int | None:
        """The index of a link, or C{None}."""
        text = self._link(link, "ifindex")
        return int(text) if text is not None and text.strip().isdigit() else None

    def _link(self, link: str, name: str) -> str | None:
        """What the kernel says of a link."""
        if "/" in link or link in ("", ".", ".."):
            return None
        data = self.text(f"/sys/class/net/{link}/{name}")
        if data is not None:
            self.read.pop()
        return data


def duid_of(path: str, text: str) -> DUID:
    """
    A DUID in hexadecimal digits.

    @param path: the file that it stands in.
    @raise NothingFound: when it is none.
    """
    try:
        return DUID.parse_hex(text)
    except ValueError as problem:
        raise NothingFound(f"{path}: {problem}") from None


def network_of(address: str, length: int | str) -> IPv6Network | None:
    """A prefix of an address and a length; C{None} for what is none."""
    try:
        return IPv6Network(f"{address}/{length}", strict=False)
    except ValueError:
        return None
