"""Certificates of a private CA for tests, made with openssl as docs/remote.rst makes them."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import mkdtemp

from pdlease.control.credentials import Files
from tests.live.require import program, stop_without

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")


def openssl(*words: object) -> None:
    """Run openssl."""
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


class CertificateAuthority:
    """
    A CA in a folder.

    @ivar folder: where everything is.
    @ivar certificate: path of the CA's own certificate.
    """

    def __init__(self, folder: Path, name: str = "test CA") -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.certificate = folder / "ca.pem"
        openssl(
            *("req", "-x509", *NEW_KEY, "-days", 30, "-subj", f"/CN={name}"),
            *("-addext", "basicConstraints=critical,CA:TRUE,pathlen:0"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", folder / "ca.key", "-out", self.certificate),
        )

    def issue(self, name: str, alternative: str, usage: str = "clientAuth", days: int = 30) -> Files:
        """
        Issue a certificate.

        @param name: of its files.
        @param alternative: its subjectAltName; empty for none.
        @param usage: what it is for.
        @param days: how long it is good; -1 for one that has expired.
        """
        key, request, certificate = (self.folder / f"{name}.{ending}" for ending in ("key", "csr", "pem"))
        more = ["-addext", f"subjectAltName={alternative}"] if alternative else []
        openssl(
            *("req", "-new", *NEW_KEY, "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:FALSE"),
            *(*more, "-addext", f"extendedKeyUsage={usage}", "-keyout", key, "-out", request),
        )
        openssl(
            *("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.folder / "ca.key"),
            *("-days", days, "-copy_extensions", "copy", "-out", certificate),
        )
        os.chmod(key, 0o600)
        return Files(certificate=str(certificate), key=str(key), ca=str(self.certificate))


class Set:
    """
    What tests of remote control need, made once for a run of tests.

    @ivar server: of the daemon, for C{localhost} and 127.0.0.1.
    @ivar alice: of an admin.
    @ivar monitor: of a viewer.
    """

    def __init__(self) -> None:
        self._maker = os.getpid()
        self.folder = Path(mkdtemp(prefix="pdlease-ca-"))
        self.folder.chmod(0o755)
        self.ca = CertificateAuthority(self.folder / "ca")
        self.other = CertificateAuthority(self.folder / "other", "another CA")
        # the last one is of the router in live tests
        local = "DNS:localhost,IP:127.0.0.1,IP:::1,IP:2001:db8:1000::1"
        self.server = self.ca.issue("server", local, "serverAuth")
        self.renewed = self.ca.issue("renewed", local, "serverAuth")
        self.misnamed = self.ca.issue("misnamed", "DNS:router.example.org", "serverAuth")
        self.expired_server = self.ca.issue("expired-server", local, "serverAuth", days=-1)
        self.alice = self.ca.issue("alice", "email:alice@example.org,DNS:alices-laptop")
        self.monitor = self.ca.issue("monitor", "DNS:Monitor.example.org")
        self.stranger = self.ca.issue("stranger", "DNS:stranger.example.org")
        self.nameless = self.ca.issue("nameless", "")
        self.expired = self.ca.issue("expired", "email:alice@example.org", days=-1)
        self.for_servers = self.ca.issue("for-servers", "email:alice@example.org", "serverAuth")
        forged = self.other.issue("forged", "email:alice@example.org")
        # it knows the daemon's CA, and shows a certificate of another
        self.forged = Files(certificate=forged.certificate, key=forged.key, ca=str(self.ca.certificate))

    def remove(self) -> None:
        """Remove them, at the end of the process that made them; a child that was forked meanwhile leaves them."""
        if os.getpid() == self._maker:
            shutil.rmtree(self.folder, ignore_errors=True)


def certificates(test: object) -> Set:
    """The one set of this run; a test is skipped, or fails, where there is no openssl to make it."""
    stop_without(test, program("openssl")())
    return _made()


@functools.cache
def _made() -> Set:
    made = Set()
    atexit.register(made.remove)
    return made
