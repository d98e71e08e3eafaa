"""
Prefixes, the associations that hold them (RFC 9915 sections 21.21 and 21.22), and the part kept back (RFC 6603).

The options say what a server wrote; what a client makes of it (which prefix is usable, what an absent one means) is
L{pdlease.client}.
"""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import ClassVar, Self

from attrs import frozen

from pdlease.wire.chain import MalformedOption, Option, OptionReader, read_options, write_options
from pdlease.wire.codes import OptionCode
from pdlease.wire.options import Status
from pdlease.wire.reader import Layout, WireError, counted, excerpt


def _first_status(options: tuple[Option, ...]) -> Status | None:
    """
    Find the first well-formed status among options (R-16-21), or C{None}.
    """
    return next((option for option in options if isinstance(option, Status)), None)


@frozen
class PDExclude:
    """
    The part of a delegated prefix that the delegating router keeps for the uplink (RFC 6603; B.4).

    Only the bits that follow the delegated prefix are sent, so it means nothing without the prefix around it.

    @ivar length: length of the excluded prefix.
    @ivar subnet_id: the bits between the two lengths, left-aligned, 1 to 16 octets.
    """

    code: ClassVar[int] = OptionCode.PD_EXCLUDE
    length: int
    subnet_id: bytes

    @classmethod
    def for_network(cls, network: IPv6Network, excluded: IPv6Network) -> Self:
        """
        Make the option that says C{excluded} is kept back from C{network}.

        @raise ValueError: if it is not a part of it, or all of it.
        """
        if network.prefixlen >= excluded.prefixlen or not excluded.subnet_of(network):
            raise ValueError(f"{excluded} is not a part of {network}")
        width = (excluded.prefixlen - network.prefixlen - 1) // 8 + 1
        bits = (int(excluded.network_address) << network.prefixlen) & (2**128 - 1)
        return cls(excluded.prefixlen, bits.to_bytes(16, "big")[:width])

    def fits(self, length: int) -> bool:
        """
        Whether this can be a part of a prefix of C{length}: longer, and with just the octets needed (B.4).
        """
        return length < self.length <= 128 and len(self.subnet_id) == (self.length - length - 1) // 8 + 1

    def excluded(self, network: IPv6Network) -> IPv6Network | None:
        """
        Give the prefix kept back from C{network}, or C{None} if this cannot be a part of it.

        Bits behind its length count as zero.
        """
        if not self.fits(network.prefixlen):
            return None
        bits = int.from_bytes(self.subnet_id.ljust(16, b"\0"), "big") >> network.prefixlen
        return _network(int(network.network_address) | bits, self.length)

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read a length, and 1 to 16 octets."""
        (length,) = _PD_EXCLUDE.read(data, start, end)
        if not 2 <= end - start <= 17:
            raise WireError(
                "PD_EXCLUDE, subnet ID",
                start + 1,
                excerpt(data, start + 1, end),
                f"1 to 16 bytes wanted, {end - start - 1} there",
            )
        return cls(length, data[start + 1 : end])

    def body(self) -> bytes:
        """Give the length and the octets."""
        return _PD_EXCLUDE.pack(self.length) + self.subnet_id


_PD_EXCLUDE = Layout("PD_EXCLUDE", ("prefix-len", 1))


def _network(number: int, length: int) -> IPv6Network:
    """
    Give the network of a 128-bit number, bits behind C{length} cleared.
    """
    return IPv6Network((number >> (128 - length) << (128 - length), length))


@frozen
class IAPrefix:
    """
    One prefix of an association (section 21.22): a delegation from a server, a wish from a client.

    @ivar preferred: seconds for which it is preferred; 0xffffffff for ever.
    @ivar valid: seconds for which it is valid; 0xffffffff for ever, 0 to take it away.
    @ivar length: bits of it that count, 0 to 128.
    @ivar prefix: its 16 octets, as received; bits behind C{length} need not be zero.
    @ivar options: what it holds, in order.
    @ivar remainder: octets behind the last of them, too few for another.
    """

    code: ClassVar[int] = OptionCode.IA_PREFIX
    preferred: int
    valid: int
    length: int
    prefix: bytes
    options: tuple[Option, ...] = ()
    remainder: bytes = b""

    @property
    def network(self) -> IPv6Network:
        """The prefix, bits behind its length cleared (B.9 rule 6)."""
        return _network(int.from_bytes(self.prefix, "big"), self.length)

    @property
    def status(self) -> Status | None:
        """The first status in it, or C{None}."""
        return _first_status(self.options)

    @property
    def excluded(self) -> IPv6Network | None:
        """What the delegating router keeps of it (RFC 6603), or C{None}; the first usable statement counts."""
        network = None
        for option in self.options:
            if isinstance(option, PDExclude):
                network = network or self.network
                excluded = option.excluded(network)
                if excluded is not None:
                    return excluded
        return None

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read lifetimes, prefix and the options in it."""
        preferred, valid, length, prefix = _IA_PREFIX.read(data, start, end)
        if length > 128:
            raise WireError("IA_PREFIX, prefix-length", start + 8, data[start + 8 : start + 9], "at most 128 wanted")
        start += _IA_PREFIX.size
        if start == end:
            return cls(preferred, valid, length, prefix)
        options, remainder = read_options(data, start, end, IN_PREFIX, "IA_PREFIX")
        return cls(preferred, valid, length, prefix, _fitting(options, length, start), remainder)

    def body(self) -> bytes:
        """Give the fields, then the options."""
        fields = _IA_PREFIX.pack(self.preferred, self.valid, self.length, self.prefix)
        return fields + write_options(self.options) + self.remainder if self.options or self.remainder else fields


def _fitting(options: tuple[Option, ...], length: int, offset: int) -> tuple[Option, ...]:
    """
    Judge the options of a prefix of C{length}: a PD_EXCLUDE that cannot be a part of that is malformed (B.4).

    @param offset: where the first option begins.
    """
    judged: list[Option] = []
    for option in options:
        body = option.body()
        if isinstance(option, PDExclude) and not option.fits(length):
            problem = f"a /{option.length} in {counted(len(option.subnet_id))} cannot be a part of a /{length}"
            judged.append(MalformedOption(option.code, body, WireError("PD_EXCLUDE", offset + 4, body, problem)))
        else:
            judged.append(option)
        offset += 4 + len(body)
    return tuple(judged)


_IA_PREFIX = Layout(
    "IA_PREFIX", ("preferred-lifetime", 4), ("valid-lifetime", 4), ("prefix-length", 1), ("IPv6-prefix", "16s")
)

IN_PREFIX: dict[int, OptionReader] = {
    Status.code: Status.read,
    PDExclude.code: PDExclude.read,
}
"""What is known inside an IA Prefix; no container, which bounds the depth (R-16-24)."""


@frozen
class IAPD:
    """
    An identity association for prefix delegation (section 21.21).

    @ivar iaid: its number, unique among the client's associations of this kind.
    @ivar t1: seconds until the client is to renew; 0 leaves it to the client, 0xffffffff is never.
    @ivar t2: seconds until the client is to rebind; likewise.
    @ivar options: what it holds, in order.
    @ivar remainder: octets behind the last of them, too few for another.
    """

    code: ClassVar[int] = OptionCode.IA_PD
    iaid: int
    t1: int
    t2: int
    options: tuple[Option, ...] = ()
    remainder: bytes = b""

    @property
    def prefixes(self) -> tuple[IAPrefix, ...]:
        """
        The well-formed prefixes in it, each once (B.9 rules 6 and 7).

        Of the same prefix said twice the first counts, except that one that is valid wins over one that takes it away.
        A prefix of length 0 is no delegation and no wish, and is left out.
        """
        found: dict[tuple[int, int], IAPrefix] = {}
        for option in self.options:
            if isinstance(option, IAPrefix) and option.length:
                key = (option.length, int.from_bytes(option.prefix, "big") >> (128 - option.length))
                earlier = found.get(key)
                if earlier is None or (earlier.valid == 0 and option.valid):
                    found[key] = option
        return tuple(found.values())

    @property
    def status(self) -> Status | None:
        """The first status in it, or C{None}."""
        return _first_status(self.options)

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> Self:
        """Read the numbers and the options in it."""
        iaid, t1, t2 = _IA_PD.read(data, start, end)
        return cls(iaid, t1, t2, *read_options(data, start + _IA_PD.size, end, IN_IA_PD, "IA_PD"))

    def body(self) -> bytes:
        """Give the numbers, then the options."""
        return _IA_PD.pack(self.iaid, self.t1, self.t2) + write_options(self.options) + self.remainder


_IA_PD = Layout("IA_PD", ("IAID", 4), ("T1", 4), ("T2", 4))

IN_IA_PD: dict[int, OptionReader] = {
    Status.code: Status.read,
    IAPrefix.code: IAPrefix.read,
}
"""What is known inside an IA_PD."""
