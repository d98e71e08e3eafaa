"""
The ways in which a configuration may say what the DUID shall be.

Only the form is taken apart here; the DUID itself is made where the machine can be asked (the link-layer address of a
link, a random number) and kept by the lease store.
"""

from __future__ import annotations

from attrs import frozen

# A DUID has at most 130 octets with its type (RFC 9915 section 11.1).
LONGEST = 130

FORMS = "uuid, llt:LINK, ll:LINK, en:NUMBER:HEX or raw:HEX"


@frozen(kw_only=True)
class DUIDForm:
    """
    A DUID as a configuration describes it.

    @ivar kind: C{"uuid"}, C{"llt"}, C{"ll"}, C{"en"} or C{"raw"}.
    @ivar link: the link whose link-layer address is used (llt, ll), else empty.
    @ivar enterprise: enterprise number (en), else 0.
    @ivar data: identifier (en) or the whole DUID with its type (raw), else empty.
    """

    kind: str
    link: str = ""
    enterprise: int = 0
    data: bytes = b""

    @property
    def size(self) -> int:
        """How many octets the DUID will have; for ll and llt with a link-layer address of six."""
        return {"uuid": 18, "llt": 14, "ll": 10, "en": 6 + len(self.data), "raw": len(self.data)}[self.kind]


def parse_form(text: str) -> DUIDForm:
    """
    Take apart the text of C{identity.duid}.

    @raise ValueError: with a sentence on what was expected.
    """
    kind, separator, rest = text.partition(":")
    if kind == "uuid" and not separator:
        return DUIDForm(kind=kind)
    if kind in ("llt", "ll"):
        if not rest:
            raise ValueError(f"expected {kind}:LINK, with the name of a link")
        return DUIDForm(kind=kind, link=rest)
    if kind == "en":
        number, _, identifier = rest.partition(":")
        if not (number.isascii() and number.isdigit() and len(number) <= 10 and int(number) <= 0xFFFFFFFF):
            raise ValueError("expected en:NUMBER:HEX, with an enterprise number from 0 to 4294967295")
        data = _octets(identifier)
        if not 1 <= len(data) <= LONGEST - 6:
            raise ValueError(f"expected en:NUMBER:HEX, with an identifier of 1 to {LONGEST - 6} octets")
        return DUIDForm(kind=kind, enterprise=int(number), data=data)
    if kind == "raw":
        data = _octets(rest)
        if not 3 <= len(data) <= LONGEST:
            raise ValueError(f"expected raw:HEX, a whole DUID of 3 to {LONGEST} octets")
        return DUIDForm(kind=kind, data=data)
    raise ValueError(f"expected {FORMS}")


def _octets(text: str) -> bytes:
    """Octets from hexadecimal digits, with or without colons between octets."""
    pairs = text.split(":") if ":" in text else [text[index : index + 2] for index in range(0, len(text), 2)]
    try:
        if any(len(pair) != 2 or not pair.isalnum() for pair in pairs):
            raise ValueError
        return bytes.fromhex("".join(pairs))
    except ValueError:
        raise ValueError("expected pairs of hexadecimal digits, with or without colons between them") from None
