"""
Options that name servers and domains (RFC 3646, RFC 4075, RFC 6334): shown to people, not acted upon.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import ClassVar, Self

from attrs import frozen

from pdlease.wire.codes import OptionCode
from pdlease.wire.names import DomainName, read_names
from pdlease.wire.reader import WireError, excerpt


@frozen
class _Addresses:
    """
    What the options that list servers by address have in common.
    """

    addresses: tuple[IPv6Address, ...]

    name: ClassVar[str]

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read one address or more."""
        if start == end or (end - start) % 16:
            raise WireError(
                cls.name, start, excerpt(data, start, end), f"a multiple of 16 bytes wanted, {end - start} there"
            )
        return cls(tuple([IPv6Address(data[at : at + 16]) for at in range(start, end, 16)]))

    def body(self) -> bytes:
        """Sixteen octets for each."""
        return b"".join([address.packed for address in self.addresses])


class DnsServers(_Addresses):
    """
    Recursive name servers (RFC 3646).

    @ivar addresses: one or more, the best first.
    """

    __slots__ = ()
    code: ClassVar[int] = OptionCode.DNS_SERVERS
    name: ClassVar[str] = "DNS_SERVERS"


class SntpServers(_Addresses):
    """
    Time servers, the old way (RFC 4075).

    @ivar addresses: one or more, the best first.
    """

    __slots__ = ()
    code: ClassVar[int] = OptionCode.SNTP_SERVERS
    name: ClassVar[str] = "SNTP_SERVERS"


@frozen
class DomainList:
    """
    Domains in which to look for a short name (RFC 3646).

    @ivar names: one or more, in the order of the search.
    """

    code: ClassVar[int] = OptionCode.DOMAIN_LIST
    names: tuple[DomainName, ...]

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read whole names, uncompressed (R-10-01)."""
        return cls(read_names(data, start, end, "DOMAIN_LIST"))

    def body(self) -> bytes:
        """Give the names, one after the other."""
        return b"".join([name.encode() for name in self.names])


@frozen
class AftrName:
    """
    The far end of a DS-Lite tunnel (RFC 6334).

    @ivar name: its name.
    @ivar further: names that a server put behind it, of no use (R-6334-01).
    """

    code: ClassVar[int] = OptionCode.AFTR_NAME
    name: DomainName
    further: tuple[DomainName, ...] = ()

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read the name, which is not the root's (R-6334-01)."""
        if end - start <= 3:
            raise WireError(
                "AFTR_NAME", start, excerpt(data, start, end), f"more than 3 bytes wanted, {end - start} there"
            )
        first, *others = read_names(data, start, end, "AFTR_NAME")
        if not first.labels:
            raise WireError("AFTR_NAME", start, excerpt(data, start, end), "a name wanted, none but the root's there")
        return cls(first, tuple(others))

    def body(self) -> bytes:
        """Give the name, and what is behind it."""
        return b"".join([name.encode() for name in (self.name, *self.further)])
