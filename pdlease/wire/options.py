"""
The options of fixed or simple content, one class each (RFC 9915 section 21).

Every class has C{code}, C{read} (octets between two offsets to a value; L{WireError} if they are not what the code
promises) and C{body} (back to octets).  The classes check nothing when they are built: the reader has checked already,
and what does not fit is refused when it is encoded.  Which options a message knows is the table in
L{pdlease.wire.messages}; prefixes and what holds them are L{pdlease.wire.prefixes}.  Options about vendors
(L{pdlease.wire.vendor}) and about servers by name or address (L{pdlease.wire.services}) can be had from here as well.
"""

from __future__ import annotations

from typing import ClassVar, Self

from attrs import field, frozen

from pdlease.wire.chain import MalformedOption, OpaqueOption, Option
from pdlease.wire.codes import OptionCode
from pdlease.wire.duid import DUID, LONGEST, SHORTEST
from pdlease.wire.reader import Layout, WireError, excerpt
from pdlease.wire.services import AftrName, DnsServers, DomainList, SntpServers
from pdlease.wire.text import plain_text
from pdlease.wire.vendor import UserClass, VendorClass, VendorOptions

__all__ = [
    "AftrName",
    "Authentication",
    "ClientId",
    "DnsServers",
    "DomainList",
    "ElapsedTime",
    "InfMaxRt",
    "InformationRefreshTime",
    "MalformedOption",
    "OpaqueOption",
    "Option",
    "OptionRequest",
    "Preference",
    "RapidCommit",
    "ReconfigureAccept",
    "ReconfigureMessage",
    "ServerId",
    "SntpServers",
    "SolMaxRt",
    "Status",
    "UserClass",
    "VendorClass",
    "VendorOptions",
]


@frozen
class _Identifier:
    """
    What Client Identifier and Server Identifier have in common.

    A subclass like these adds no field and is not decorated again: attrs would compile the same methods once more, at
    every start of every process.
    """

    duid: DUID

    name: ClassVar[str]

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read a DUID of any type (R-11-02); a length outside 3 to 130 is no DUID (R-11-03)."""
        if not SHORTEST <= end - start <= LONGEST:
            raise WireError(
                f"{cls.name}, DUID",
                start,
                excerpt(data, start, end),
                f"{SHORTEST} to {LONGEST} bytes wanted, {end - start} there",
            )
        return cls(DUID(data[start:end]))

    def body(self) -> bytes:
        """Give the octets of the DUID."""
        return self.duid.data


class ClientId(_Identifier):
    """
    Who the client is (section 21.2).

    @ivar duid: its identifier.
    """

    __slots__ = ()
    code: ClassVar[int] = OptionCode.CLIENT_ID
    name: ClassVar[str] = "CLIENT_ID"


class ServerId(_Identifier):
    """
    Who the server is (section 21.3).

    @ivar duid: its identifier.
    """

    __slots__ = ()
    code: ClassVar[int] = OptionCode.SERVER_ID
    name: ClassVar[str] = "SERVER_ID"


@frozen
class OptionRequest:
    """
    Which options the client would like (section 21.7).

    @ivar codes: their codes, in the order given.
    """

    code: ClassVar[int] = OptionCode.OPTION_REQUEST
    codes: tuple[int, ...]

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read pairs of octets."""
        if (end - start) % 2:
            raise WireError(
                "OPTION_REQUEST",
                start,
                excerpt(data, start, end),
                f"an even number of bytes wanted, {end - start} there",
            )
        return cls(tuple(int.from_bytes(data[at : at + 2], "big") for at in range(start, end, 2)))

    def body(self) -> bytes:
        """Two octets for each code."""
        return b"".join([_CODE.pack(code) for code in self.codes])


_CODE = Layout("OPTION_REQUEST", ("code", 2))


@frozen
class Preference:
    """
    How much a server wants to be chosen (section 21.8).

    @ivar value: 0 to 255; 255 ends the choice at once.
    """

    code: ClassVar[int] = OptionCode.PREFERENCE
    value: int

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read one octet."""
        return cls(*_PREFERENCE.read_whole(data, start, end))

    def body(self) -> bytes:
        """One octet."""
        return _PREFERENCE.pack(self.value)


_PREFERENCE = Layout("PREFERENCE", ("value", 1))


@frozen
class ElapsedTime:
    """
    For how long the client has been trying (section 21.9).

    @ivar hundredths: hundredths of a second, 0 to 65535.
    """

    code: ClassVar[int] = OptionCode.ELAPSED_TIME
    hundredths: int

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read two octets."""
        return cls(*_ELAPSED_TIME.read_whole(data, start, end))

    def body(self) -> bytes:
        """Two octets."""
        return _ELAPSED_TIME.pack(self.hundredths)


_ELAPSED_TIME = Layout("ELAPSED_TIME", ("elapsed-time", 2))


@frozen
class Authentication:
    """
    Proof of origin, or a key for it (section 21.11; RKAP: B.5).

    @ivar protocol: 3 for the Reconfigure Key Authentication Protocol.
    @ivar algorithm: 1 for HMAC-MD5.
    @ivar rdm: how replays are detected; 0 for a counter that only grows.
    @ivar replay: 8 octets of it.
    @ivar information: what the protocol makes of the rest.
    """

    code: ClassVar[int] = OptionCode.AUTHENTICATION
    protocol: int
    algorithm: int
    rdm: int
    replay: bytes
    information: bytes

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read 11 octets and what follows them."""
        protocol, algorithm, rdm, replay = _AUTHENTICATION.read(data, start, end)
        return cls(protocol, algorithm, rdm, replay, data[start + _AUTHENTICATION.size : end])

    def body(self) -> bytes:
        """Give the 11 octets, and the information."""
        return _AUTHENTICATION.pack(self.protocol, self.algorithm, self.rdm, self.replay) + self.information


_AUTHENTICATION = Layout("AUTHENTICATION", ("protocol", 1), ("algorithm", 1), ("RDM", 1), ("replay detection", "8s"))


def _octets(text: str | bytes) -> bytes:
    """
    C{text} as it goes over the wire.
    """
    return text if isinstance(text, bytes) else text.encode()


@frozen
class Status:
    """
    How it went (section 21.13).

    @ivar status: the code (L{pdlease.wire.codes.StatusCode}, or any other number).
    @ivar octets: the server's words, verbatim; may be given as C{text}, a string or octets.
    """

    code: ClassVar[int] = OptionCode.STATUS_CODE
    status: int
    octets: bytes = field(alias="text", default=b"", converter=_octets)

    @property
    def text(self) -> str:
        """The server's words, fit for a log (R-18.2.9-11): one line, printable, bounded."""
        return plain_text(self.octets)

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read a code and the words."""
        (status,) = _STATUS.read(data, start, end)
        return cls(status, data[start + _STATUS.size : end])

    def body(self) -> bytes:
        """Give the code and the words."""
        return _STATUS.pack(self.status) + self.octets


_STATUS = Layout("STATUS_CODE", ("status-code", 2))


@frozen
class _Flag:
    """
    What the options without content have in common: to be there is all they say.
    """

    layout: ClassVar[Layout]

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read nothing; content makes the option void (B.9 rule 3)."""
        cls.layout.read_whole(data, start, end)
        return cls()

    def body(self) -> bytes:
        """No octets."""
        return b""


class RapidCommit(_Flag):
    """
    Two messages instead of four: offered by the client, and said of the Reply by the server (section 21.14).
    """

    __slots__ = ()
    code: ClassVar[int] = OptionCode.RAPID_COMMIT
    layout: ClassVar[Layout] = Layout("RAPID_COMMIT")


class ReconfigureAccept(_Flag):
    """
    The client would listen to Reconfigure; the server would send it (section 21.20).
    """

    __slots__ = ()
    code: ClassVar[int] = OptionCode.RECONFIGURE_ACCEPT
    layout: ClassVar[Layout] = Layout("RECONFIGURE_ACCEPT")


@frozen
class ReconfigureMessage:
    """
    With what a client is to answer a Reconfigure (section 21.19).

    @ivar message_type: 5 Renew, 6 Rebind, 11 Information-request; others are kept, and no valid demand.
    """

    code: ClassVar[int] = OptionCode.RECONFIGURE_MESSAGE
    message_type: int

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read one octet."""
        return cls(*_RECONFIGURE_MESSAGE.read_whole(data, start, end))

    def body(self) -> bytes:
        """One octet."""
        return _RECONFIGURE_MESSAGE.pack(self.message_type)


_RECONFIGURE_MESSAGE = Layout("RECONFIGURE_MESSAGE", ("msg-type", 1))


@frozen
class _Seconds:
    """
    What the options that hold a number of seconds have in common.
    """

    seconds: int

    layout: ClassVar[Layout]

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read four octets; whether the value is a sensible one is for others to say."""
        return cls(*cls.layout.read_whole(data, start, end))

    def body(self) -> bytes:
        """Four octets."""
        return self.layout.pack(self.seconds)


class SolMaxRt(_Seconds):
    """
    The longest pause between Solicits that the server wants (section 21.24).

    @ivar seconds: as received; only 60 to 86400 is to be used (A.3).
    """

    __slots__ = ()
    code: ClassVar[int] = OptionCode.SOL_MAX_RT
    layout: ClassVar[Layout] = Layout("SOL_MAX_RT", ("value", 4))


class InfMaxRt(_Seconds):
    """
    The longest pause between Information-requests that the server wants (section 21.25).

    @ivar seconds: as received; only 60 to 86400 is to be used (A.3).
    """

    __slots__ = ()
    code: ClassVar[int] = OptionCode.INF_MAX_RT
    layout: ClassVar[Layout] = Layout("INF_MAX_RT", ("value", 4))


class InformationRefreshTime(_Seconds):
    """
    When to ask again for what an Information-request brought (section 21.23).

    @ivar seconds: as received; 0xffffffff for never.
    """

    __slots__ = ()
    code: ClassVar[int] = OptionCode.INFORMATION_REFRESH_TIME
    layout: ClassVar[Layout] = Layout("INFORMATION_REFRESH_TIME", ("value", 4))
