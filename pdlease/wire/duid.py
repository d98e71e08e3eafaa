"""
The DHCP Unique Identifier, by which clients and servers know each other (RFC 9915 section 11).

A DUID received from the network is opaque: nothing here looks inside one (R-11-02), it is compared by its bytes.  The
constructors make our own.  Which kind an instance uses, and that it stays the same for ever, is L{pdlease.identity}.
"""

from __future__ import annotations

from attrs import field, frozen

SHORTEST = 3
"""Octets of the shortest DUID: the type and one more (RFC 9915 section 11.1)."""

LONGEST = 130
"""Octets of the longest DUID: the type and 128 more (RFC 9915 section 11.1)."""

LINK_LAYER_TIME, ENTERPRISE, LINK_LAYER, UUID = 1, 2, 3, 4
"""The types that RFC 9915 sections 11.2 to 11.5 define."""


def _check_length(instance: object, attribute: object, data: bytes) -> None:
    """
    Refuse what is no DUID; only the length can be wrong.
    """
    if not SHORTEST <= len(data) <= LONGEST:
        raise ValueError(f"a DUID has {SHORTEST} to {LONGEST} octets, this one has {len(data)}")


@frozen
class DUID:
    """
    One identifier (B.6).

    @ivar data: all octets of it, the two of the type included; 3 to 130.
    @raise ValueError: if C{data} is shorter or longer.
    """

    data: bytes = field(validator=_check_length)

    @classmethod
    def from_uuid(cls, uuid: bytes) -> DUID:
        """
        Make a DUID-UUID (RFC 9915 section 11.5).

        @param uuid: the 16 octets of the UUID.
        @raise ValueError: for another number of octets.
        """
        if len(uuid) != 16:
            raise ValueError(f"a UUID has 16 octets, this one has {len(uuid)}")
        return cls(UUID.to_bytes(2, "big") + uuid)

    @classmethod
    def from_link_layer(cls, hardware_type: int, address: bytes) -> DUID:
        """
        Make a DUID-LL (RFC 9915 section 11.4).

        @param hardware_type: the IANA hardware type, 1 for Ethernet.
        @param address: the link-layer address.
        @raise ValueError: if C{address} is empty or too long.
        """
        return cls(LINK_LAYER.to_bytes(2, "big") + hardware_type.to_bytes(2, "big") + _some("address", address))

    @classmethod
    def from_link_layer_time(cls, hardware_type: int, seconds_since_2000: int, address: bytes) -> DUID:
        """
        Make a DUID-LLT (RFC 9915 section 11.2).

        @param hardware_type: the IANA hardware type, 1 for Ethernet.
        @param seconds_since_2000: seconds since midnight UTC of 1 January 2000; taken modulo 2**32.
        @param address: the link-layer address.
        @raise ValueError: if C{address} is empty or too long.
        """
        return cls(
            LINK_LAYER_TIME.to_bytes(2, "big")
            + hardware_type.to_bytes(2, "big")
            + (seconds_since_2000 % 2**32).to_bytes(4, "big")
            + _some("address", address)
        )

    @classmethod
    def from_enterprise(cls, number: int, identifier: bytes) -> DUID:
        """
        Make a DUID-EN (RFC 9915 section 11.3).

        @param number: the private enterprise number that IANA registered.
        @param identifier: what makes it unique within the enterprise.
        @raise ValueError: if C{identifier} is empty or too long.
        """
        return cls(ENTERPRISE.to_bytes(2, "big") + number.to_bytes(4, "big") + _some("identifier", identifier))

    @classmethod
    def parse_hex(cls, text: str) -> DUID:
        """
        Read a DUID as a person writes it: hexadecimal digits, with or without colons (or dashes) between octets.

        With separators an octet may be written with one digit (C{0:3:0:1:...}).

        @raise ValueError: with a sentence that says what is wrong.
        """
        octets = text.strip().replace("-", ":").split(":")
        digits = octets[0] if len(octets) == 1 else "".join(octet.zfill(2) for octet in octets)
        separated = len(octets) > 1
        if (
            not digits.isascii()
            or not digits.isalnum()
            or (separated and any(len(octet) not in {1, 2} for octet in octets))
        ):
            raise ValueError(f"{text!r} is no DUID: write pairs of hexadecimal digits, with or without colons between")
        try:
            data = bytes.fromhex(digits)
        except ValueError:
            raise ValueError(
                f"{text!r} is no DUID: write pairs of hexadecimal digits, with or without colons between"
            ) from None
        return cls(data)

    @property
    def kind(self) -> int:
        """The type in the first two octets: 1 LLT, 2 EN, 3 LL, 4 UUID, others as they come."""
        return int.from_bytes(self.data[:2], "big")

    def __str__(self) -> str:
        return self.data.hex()


def _some(what: str, octets: bytes) -> bytes:
    """
    C{octets}, which must not be empty.

    @raise ValueError: naming C{what} is empty.
    """
    if not octets:
        raise ValueError(f"a DUID needs at least one octet of {what}")
    return octets
