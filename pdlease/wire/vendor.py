"""
Options in which a client says what it is, and vendors say things of their own (RFC 9915 sections 21.15 to 21.17).
"""

from __future__ import annotations

from struct import Struct
from typing import ClassVar, Self

from attrs import frozen

from pdlease.wire.codes import OptionCode
from pdlease.wire.reader import Layout, WireError, counted, excerpt

_LENGTH = Struct(">H")


def _read_sized(data: bytes, start: int, end: int, name: str) -> tuple[bytes, ...]:
    """
    Read fields that each begin with two octets of length, to the end.

    @raise WireError: if the last one is cut.
    """
    found = []
    size = Layout(name, ("length", 2))
    while start < end:
        (length,) = size.read(data, start, end)
        following = start + 2 + length
        if following > end:
            raise WireError(
                f"{name}, data",
                start + 2,
                excerpt(data, start + 2, end),
                f"{counted(length)} wanted, {end - start - 2} left",
            )
        found.append(data[start + 2 : following])
        start = following
    return tuple(found)


def _write_sized(fields: tuple[bytes, ...]) -> bytes:
    """
    Do the inverse of L{_read_sized}.
    """
    return b"".join([_LENGTH.pack(len(data)) + data for data in fields])


@frozen
class UserClass:
    """
    What kinds of user the client serves (section 21.15).

    @ivar data: one or more opaque values.
    """

    code: ClassVar[int] = OptionCode.USER_CLASS
    data: tuple[bytes, ...]

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read one value or more."""
        if start == end:
            raise WireError("USER_CLASS", start, b"", "at least one class wanted, none there")
        return cls(_read_sized(data, start, end, "USER_CLASS"))

    def body(self) -> bytes:
        """Give the values, each behind its length."""
        return _write_sized(self.data)


@frozen
class VendorClass:
    """
    What made the client (section 21.16).

    @ivar enterprise: the private enterprise number of the vendor.
    @ivar data: opaque values.
    """

    code: ClassVar[int] = OptionCode.VENDOR_CLASS
    enterprise: int
    data: tuple[bytes, ...]

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read the number and the values."""
        (enterprise,) = _VENDOR_CLASS.read(data, start, end)
        return cls(enterprise, _read_sized(data, start + 4, end, "VENDOR_CLASS"))

    def body(self) -> bytes:
        """Give the number, and the values, each behind its length."""
        return _VENDOR_CLASS.pack(self.enterprise) + _write_sized(self.data)


_VENDOR_CLASS = Layout("VENDOR_CLASS", ("enterprise-number", 4))


@frozen
class VendorOptions:
    """
    Options of a vendor's own (section 21.17).

    @ivar enterprise: the private enterprise number of the vendor.
    @ivar options: code and content of each.
    """

    code: ClassVar[int] = OptionCode.VENDOR_OPTIONS
    enterprise: int
    options: tuple[tuple[int, bytes], ...]

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read the number and the options."""
        (enterprise,) = _VENDOR_OPTIONS.read(data, start, end)
        start += _VENDOR_OPTIONS.size
        options = []
        while start < end:
            code, length = _VENDOR_OPTION.read(data, start, end)
            body = start + _VENDOR_OPTION.size
            start = body + length
            if start > end:
                raise WireError(
                    f"VENDOR_OPTIONS, option {code}",
                    body,
                    excerpt(data, body, end),
                    f"{counted(length)} wanted, {end - body} left",
                )
            options.append((code, data[body:start]))
        return cls(enterprise, tuple(options))

    def body(self) -> bytes:
        """Give the number and the options."""
        return _VENDOR_OPTIONS.pack(self.enterprise) + b"".join(
            [_VENDOR_OPTION.pack(code, len(data)) + data for code, data in self.options]
        )


_VENDOR_OPTIONS = Layout("VENDOR_OPTIONS", ("enterprise-number", 4))
_VENDOR_OPTION = Layout("VENDOR_OPTIONS", ("option-code", 2), ("option-len", 2))
