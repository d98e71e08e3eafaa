"""
Where a daemon is reached: its local socket, or another machine with the keys of this user.

Neither Twisted nor zope is imported here; C{ssl} is when it is needed.  What is said then is
L{pdlease.control.blocking}, or with Twisted L{pdlease.control.client}.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from ipaddress import ip_address

from attrs import frozen

from pdlease.config.remote import PORT
from pdlease.control.credentials import CredentialsError, Files, client_context
from pdlease.control.errors import ControlError, GoneError, UnreachableError

#: Where a user's keys are, below the folder for configurations.
FOLDER = "pdlease"

# Seconds of silence, and between tries, before the other side is taken for gone.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))

# What a daemon says of a certificate that it does not like, by OpenSSL's name of the alert.
_ALERTS = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "this client's certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "this client's certificate is revoked",
    "SSLV3_ALERT_BAD_CERTIFICATE": "this client's certificate is not good for this",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "this client's certificate is not one for clients",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not know the CA of this client's certificate",
}


class NotReached(ControlError):
    """What was given is no machine to be reached."""

    code = "USAGE"
    exit_code = 2


@frozen(kw_only=True)
class Host:
    """
    A daemon on another machine.

    @ivar name: what its certificate must bear: a name or an address.
    @ivar port: the port.
    @ivar is_plain: whether without TLS, which is for the loopback link alone.
    """

    name: str
    port: int = PORT
    is_plain: bool = False

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


def parse_host(text: str) -> Host:
    """
    C{NAME}, C{NAME:PORT}, an address, or C{[ADDRESS]:PORT}; with C{tcp:} in front, without TLS.

    @raise NotReached: for anything else.
    """
    is_plain = text.startswith("tcp:")
    rest = text.removeprefix("tcp:") if is_plain else text
    if rest.startswith("["):
        name, bracket, port = rest[1:].partition("]")
        has_port, port = port.startswith(":"), port[1:]
        wrong = not bracket or bool(not has_port and rest[-1] != "]") or not _is_address(name)
    elif _is_address(rest):
        name, has_port, port, wrong = rest, False, "", False
    else:
        name, colon, port = rest.partition(":")
        has_port, wrong = bool(colon), not name or any(not "!" <= letter <= "~" for letter in name)
    if has_port:
        wrong = wrong or not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 0xFFFF)
    if wrong:
        raise NotReached(f"{text[:80]!r} is no NAME, NAME:PORT or [ADDRESS]:PORT")
    if is_plain and name != "localhost" and not (_is_address(name) and ip_address(name).is_loopback):
        raise NotReached(f"without TLS only this machine itself can be asked, and not {name}")
    return Host(name=name, port=int(port) if has_port else PORT, is_plain=is_plain)


def _is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def keys_of_user(environment: Mapping[str, str] = os.environ) -> Files:
    """The files of this user: C{certificate.pem}, C{key.pem} and C{ca.pem} in C{~/.config/pdlease}."""
    base = environment.get("XDG_CONFIG_HOME") or os.path.join(
        environment.get("HOME") or os.path.expanduser("~"), ".config"
    )
    folder = os.path.join(base, FOLDER)
    names = (os.path.join(folder, f"{name}.pem") for name in ("certificate", "key", "ca"))
    certificate, key, ca = names
    return Files(certificate=certificate, key=key, ca=ca)


def context_of(files: Files) -> ssl.SSLContext:
    """
    What a client speaks TLS by.

    @raise UnreachableError: when the files cannot be used.
    """
    try:
        return client_context(files)
    except CredentialsError as problem:
        raise UnreachableError(f"No daemon can be reached without keys: {problem}") from None


def reach(host: Host, files: Files, seconds: float) -> socket.socket:
    """
    Connect to a daemon on another machine, and see that it is the one.

    @param files: this side's keys.
    @param seconds: how long to try.
    @raise UnreachableError: when it cannot be reached, or is another one.
    """
    context = None if host.is_plain else context_of(files)
    try:
        connection = socket.create_connection((host.name, host.port), seconds)
    except (OSError, UnicodeError) as problem:
        raise UnreachableError(f"No daemon is reachable at {host}: {words(problem)}") from None
    try:
        keep_alive(connection)
        if context is None:
            return connection
        return context.wrap_socket(connection, server_hostname=host.name)
    except (OSError, ValueError) as problem:
        connection.close()
        raise UnreachableError(f"No daemon is reachable at {host}: {words(problem)}") from None


def keep_alive(connection: socket.socket) -> None:
    """
    Have the kernel notice when the other side of a connection is gone without a word, and send what is small at once.

    @raise OSError: when it is gone already.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def words(problem: Exception) -> str:
    """What went wrong with a connection, for people."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"its certificate is not to be believed ({problem.verify_message})"
    if isinstance(problem, ssl.SSLEOFError):
        return "it ended the connection"
    if isinstance(problem, ssl.SSLError):
        reason = problem.reason or ""
        return _ALERTS.get(reason) or f"no TLS ({reason.lower().replace('_', ' ') or problem})"
    if isinstance(problem, TimeoutError):
        return "it does not answer"
    return (problem.strerror if isinstance(problem, OSError) else None) or str(problem)


def refused_by_daemon(problem: Exception) -> ControlError | None:
    """The error for a certificate that the daemon does not take, which it says only after its own handshake."""
    if isinstance(problem, ssl.SSLError) and problem.reason in _ALERTS:
        return UnreachableError(f"The daemon refuses: {_ALERTS[problem.reason]}.")
    return GoneError(f"The connection is not sound: {words(problem)}.") if isinstance(problem, ssl.SSLError) else None
