"""
Certificates and keys: read from files that nobody else could have written or read, and made TLS contexts of, for both
sides.

TLS is the standard library's, version 1.3 and no other.  Neither Twisted nor zope is imported here; C{ssl} is, so the
daemon imports this only where remote control is configured.  What is spoken through the contexts is
L{pdlease.control.tls} and L{pdlease.control.reaching}.
"""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Collection, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from ipaddress import ip_address

from attrs import frozen

#: No certificate, key or list of them is larger than this (octets).
LARGEST = 1 << 20

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class CredentialsError(Exception):
    """A certificate or key cannot be used; the text is a sentence with its path."""


@frozen(kw_only=True)
class Files:
    """
    Where the certificates and the key of one side are.

    @ivar certificate: its certificate, with those between it and the CA.
    @ivar key: its key.
    @ivar ca: the certificates that the other side's must go back to.
    """

    certificate: str
    key: str
    ca: str


@frozen(kw_only=True)
class Owners:
    """
    Whose the files may be, by number.

    @ivar writers: who may own certificates and folders, since whoever may write them decides who is let in.
    @ivar keepers: who may own the key besides.
    @ivar group: the group that may read the key; C{None} for none.
    """

    writers: frozenset[int]
    keepers: frozenset[int] = frozenset()
    group: int | None = None


def owners_of_daemon(starter: int, user: tuple[int, int] | None) -> Owners:
    """
    Whose the files of a daemon may be.

    @param starter: the number of whoever starts it.
    @param user: the numbers of the user that it becomes, and of the group of that user; C{None} if it becomes none.
    """
    return Owners(
        writers=frozenset((0, starter)),
        keepers=frozenset() if user is None else frozenset(user[:1]),
        group=None if user is None else user[1],
    )


def folders_of(files: Collection[str]) -> tuple[str, ...]:
    """The folders that files are in, and those that symbolic links lead to."""
    return tuple(sorted({os.path.dirname(path) for name in files for path in (name, os.path.realpath(name))}))


@frozen(kw_only=True)
class Loaded:
    """
    What the files of a server held.

    @ivar context: what it speaks TLS by.
    @ivar certificate: the octets of its certificate.
    @ivar authorities: the octets of the certificates that those of clients must go back to.
    """

    context: ssl.SSLContext
    certificate: bytes
    authorities: bytes


def load_server(files: Files, owners: Owners) -> Loaded:
    """
    Read what a server needs.

    @raise CredentialsError: for what is missing, unsafe or wrong.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # No session is resumed: each connection shows its certificate anew, and is judged by today's files.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    certificate, authorities = _furnish(context, files, owners)
    return Loaded(context=context, certificate=certificate, authorities=authorities)


def client_context(files: Files) -> ssl.SSLContext:
    """
    Read what a client needs; what it connects to must be named by the other side's certificate.

    @raise CredentialsError: for what is missing, unsafe or wrong.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _furnish(context, files, Owners(writers=frozenset((0, os.geteuid()))))
    return context


def names_in(certificate: Mapping[str, object] | None) -> frozenset[str]:
    """The subjectAltNames of a certificate that was verified, in the form of C{control.remote.roles}."""
    found = set()
    alternatives = (certificate or {}).get("subjectAltName", ())
    assert isinstance(alternatives, tuple)
    for kind, value in alternatives:
        if kind in ("email", "URI"):
            found.add(f"{kind}:{value}")
        elif kind == "DNS":
            found.add(f"DNS:{value.lower()}")
        elif kind == "IP Address":
            with suppress(ValueError):
                found.add(f"IP:{ip_address(value)}")
    return frozenset(found)


def good_until(certificate: Mapping[str, object] | None) -> float:
    """
    The second of 1970 until which a certificate is good.

    Not C{ssl.cert_time_to_seconds}, which imports what it needs when it is called: behind the sandbox nothing can be.
    """
    month, day, time, year, _ = str((certificate or {}).get("notAfter", "Jan 1 00:00:00 1970 GMT")).split()
    hour, minute, second = map(int, time.split(":"))
    return datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC).timestamp()


def _furnish(context: ssl.SSLContext, files: Files, owners: Owners) -> tuple[bytes, bytes]:
    """Give a context its certificates and key; the octets of its own certificate, and of the others."""
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    # whatever the file of CAs lists is trusted as it is, be it a CA below another one or a single certificate
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with ExitStack() as opened:
        certificate = _open(files.certificate, owners, is_secret=False)
        opened.callback(os.close, certificate)
        key = _open(files.key, owners, is_secret=True)
        opened.callback(os.close, key)
        ca = _open(files.ca, owners, is_secret=False)
        opened.callback(os.close, ca)
        authorities = os.read(ca, LARGEST)
        try:
            context.load_verify_locations(cadata=authorities.decode("ascii"))
        except (ssl.SSLError, ValueError) as problem:
            raise CredentialsError(f"{files.ca}: no certificates in PEM ({_words(problem)})") from None
        try:
            # The very files that were looked at: OpenSSL takes nothing but paths.
            context.load_cert_chain(f"/proc/self/fd/{certificate}", f"/proc/self/fd/{key}", password=_no_password)
        except (ssl.SSLError, ValueError) as problem:
            raise CredentialsError(
                f"{files.certificate} and {files.key}: no certificate and its key in PEM ({_words(problem)})"
            ) from None
        except OSError as problem:
            raise CredentialsError(f"{files.certificate}, {files.key}: {problem.strerror or problem}") from None
        return os.pread(certificate, LARGEST, 0), authorities


def _no_password() -> str:
    raise ValueError("the key has a passphrase, and nobody is there to say it")


def _words(problem: Exception) -> str:
    return getattr(problem, "reason", None) or str(problem)


def _open(path: str, owners: Owners, *, is_secret: bool) -> int:
    """
    A descriptor of a file that is as it must be.

    @raise CredentialsError: when it is not.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as problem:
        whose = f" for user {os.geteuid()}" if isinstance(problem, PermissionError) else ""
        raise CredentialsError(f"{path}: {problem.strerror}{whose}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            raise CredentialsError(f"{path}: no plain file of at most {LARGEST} octets")
        for folder in folders_of([path]):
            _check(folder, os.stat(folder), owners.writers)
        _check(path, status, owners.writers | owners.keepers if is_secret else owners.writers)
        if is_secret:
            _check_secret(path, status, owners.group)
    except BaseException as problem:
        os.close(descriptor)
        if isinstance(problem, OSError):
            raise CredentialsError(f"{problem.filename or path}: {problem.strerror}") from None
        raise
    return descriptor


def _check(path: str, status: os.stat_result, owners: Collection[int]) -> None:
    if status.st_uid not in owners:
        raise CredentialsError(f"{path} belongs to user {status.st_uid}, which must not be (chown root {path})")
    is_sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_mode & _OTHERS_WRITE and not is_sticky:
        raise CredentialsError(f"{path} may be written by others (chmod go-w {path})")


def _check_secret(path: str, status: os.stat_result, group: int | None) -> None:
    if status.st_mode & stat.S_IROTH or (status.st_mode & stat.S_IRGRP and status.st_gid != group):
        mode = stat.S_IMODE(status.st_mode)
        raise CredentialsError(f"{path} may be read by others (mode {mode:04o}; chmod o=,g= {path})")
