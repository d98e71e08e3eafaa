"""
Table C{[control.remote]}: its values, and what single ones must look like.

Its rows are L{pdlease.config.remoteschema}.  Nothing here listens or opens a file: what the files must be is
L{pdlease.control.credentials}, who listens L{pdlease.control.listening}.
"""

from __future__ import annotations

from ipaddress import ip_address

from attrs import frozen

from pdlease.config.values import shown, wrong

#: The port where C{listen} says none, and where clients look.
PORT = 4546

#: The one name in C{roles} where there are no certificates: whoever connects.
ANYBODY = "*"

ROLES = ("viewer", "admin")

_FORM = '"ssl:port=NUMBER", with :interface=ADDRESS where it shall be one address alone'
_NAMES = '"DNS:NAME", "email:ADDRESS", "URI:URI" or "IP:ADDRESS"'


@frozen(kw_only=True)
class Listen:
    """
    Where to listen.

    @ivar is_plain: whether without TLS.
    @ivar port: the port.
    @ivar interface: address of this machine; empty for all.
    """

    is_plain: bool = False
    port: int = PORT
    interface: str = ""

    @property
    def written(self) -> str:
        """The endpoint string that says this."""
        words = ["tcp" if self.is_plain else "ssl", f"port={self.port}"]
        if self.interface:
            words.append("interface=" + self.interface.replace(":", "\\:"))
        return ":".join(words)


@frozen(kw_only=True)
class Remote:
    """
    Remote control, as the file says it.

    @ivar listen: where, as text; L{parse_listen} takes it apart.
    @ivar certificate: absolute path of the daemon's certificate, with those between it and the CA; empty without TLS.
    @ivar key: absolute path of its key; likewise.
    @ivar client_ca: absolute path of the certificates that those of clients must go back to; likewise.
    @ivar roles: pairs of a name in a client's certificate (with its type) and C{"viewer"} or C{"admin"}.
    """

    listen: str
    certificate: str = ""
    key: str = ""
    client_ca: str = ""
    roles: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> Listen:
        """Where to listen."""
        return parse_listen(self.listen)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that are read."""
        return tuple(filter(None, (self.certificate, self.key, self.client_ca)))


def parse_listen(text: str) -> Listen:
    """
    Take an endpoint string apart, in the form of Twisted's C{serverFromString}: words between colons, a colon within
    one behind a backslash; C{ssl:4546} is C{ssl:port=4546}.

    @raise ValueError: for what is none, or asks for what is not offered.
    """
    kind, *words = _words(text)
    if kind not in ("ssl", "tcp"):
        raise wrong(_FORM, text)
    given: dict[str, str] = {}
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if not equals and index == 0:
            name, value = "port", word
        if name not in ("port", "interface"):
            raise ValueError(f"expected {_FORM}; {shown(word)} cannot be said here (a colon in an address is \\:)")
        if name in given:
            raise ValueError(f"{name} is said twice")
        given[name] = value
    port = given.get("port", "")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 0xFFFF):
        raise ValueError(f"expected {_FORM}, with a port from 1 to 65535, not {shown(text)}")
    interface = given.get("interface", "")
    is_loopback = False
    if interface:
        try:
            address = ip_address(interface)
        except ValueError:
            raise ValueError(f"interface must be an address of this machine, not {shown(interface)}") from None
        is_loopback = address.is_loopback
        interface = str(address)
    if kind == "tcp" and not is_loopback:
        raise ValueError(
            "without TLS only on the loopback link: tcp:port=NUMBER:interface=127.0.0.1, or interface=\\:\\:1"
        )
    return Listen(is_plain=kind == "tcp", port=int(port), interface=interface)


def _words(text: str) -> list[str]:
    words, escaped = [""], False
    for character in text:
        if escaped or character not in ":\\":
            words[-1] += character
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            words.append("")
    return words


def listen(value: object) -> str:
    """An endpoint string."""
    if not isinstance(value, str):
        raise wrong(_FORM, value)
    parse_listen(value)
    return value


def name_in_certificate(text: str) -> str:
    """
    A name that a certificate can bear, as it is compared: its type, a colon, and the name.

    A name without a type is that of a machine, or with an at sign in it an address of electronic mail.

    @raise ValueError: for any other.
    """
    kind, colon, name = text.partition(":")
    if not colon:
        kind, name = ("email" if "@" in text else "DNS"), text
    if not name or not all("!" <= character <= "~" for character in name) or "*" in name:
        raise ValueError(f"expected {_NAMES}, in ASCII and without wildcards, not {shown(text)}")
    if kind == "DNS":
        return f"DNS:{name.lower()}"
    if kind == "IP":
        try:
            return f"IP:{ip_address(name)}"
        except ValueError:
            raise ValueError(f"expected IP:ADDRESS, not {shown(text)}") from None
    if kind in ("email", "URI"):
        return f"{kind}:{name}"
    raise ValueError(f"expected {_NAMES}, not {shown(text)}")


def roles(value: object) -> tuple[tuple[str, str], ...]:
    """A table of names in certificates and the role of each."""
    if not isinstance(value, dict) or not value:
        raise wrong("a table that says for each name which role it has, with one entry or more", value)
    found: dict[str, str] = {}
    for text, role in value.items():
        name = ANYBODY if text == ANYBODY else name_in_certificate(text)
        if role not in ROLES:
            raise ValueError(f'{shown(text)}: expected "viewer" or "admin", not {shown(role)}')
        if name in found:
            raise ValueError(f"{shown(text)} is named twice")
        found[name] = role
    return tuple(found.items())
