"""Tests of the files of remote control: whose they may be, who may read them, and what is made of them."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from pathlib import Path
from tempfile import mkdtemp

from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.credentials import (
    LARGEST,
    CredentialsError,
    Files,
    Owners,
    client_context,
    folders_of,
    good_until,
    load_server,
    names_in,
)
from tests.control.certificates import certificates

IS_ROOT = os.geteuid() == 0

NOBODY = 65534
SOMEBODY = 4711


def files_in(folder: Path) -> Files:
    """The files of a server in a folder."""
    return Files(certificate=str(folder / "server.pem"), key=str(folder / "server.key"), ca=str(folder / "ca.pem"))


class FileTests(SynchronousTestCase):
    """The files as they are found."""

    def setUp(self) -> None:
        # not below /tmp itself, whose stickiness would excuse everything
        self.folder = Path(mkdtemp(prefix="pdlease-credentials-")) / "remote"
        self.addCleanup(shutil.rmtree, self.folder.parent)
        self.folder.mkdir(mode=0o755)
        made = certificates(self).server
        for name, source in (("server.pem", made.certificate), ("server.key", made.key), ("ca.pem", made.ca)):
            shutil.copy(source, self.folder / name)
            (self.folder / name).chmod(0o600 if name == "server.key" else 0o644)
        self.files = files_in(self.folder)
        self.owners = Owners(writers=frozenset((0, os.geteuid())), keepers=frozenset((NOBODY,)), group=NOBODY)

    def refused(self, words: str, files: Files | None = None) -> None:
        """The files cannot be used, with these words in a sentence that names a path."""
        problem = str(self.assertRaises(CredentialsError, load_server, files or self.files, self.owners))
        self.assertIn(words, problem)
        self.assertIn("/", problem)

    def change(self, name: str, mode: int, uid: int = -1, gid: int = -1) -> None:
        """Change a file, or with an empty name the folder."""
        os.chown(self.folder / name, uid, gid)
        (self.folder / name).chmod(mode)

    def test_good(self) -> None:
        """Files as docs/remote.rst makes them are taken, and TLS 1.3 is all that is spoken by them."""
        loaded = load_server(self.files, self.owners)
        context = loaded.context
        self.assertEqual(context.minimum_version, ssl.TLSVersion.TLSv1_3)
        self.assertEqual((context.verify_mode, context.num_tickets), (ssl.CERT_REQUIRED, 0))
        self.assertEqual(loaded.authorities, Path(self.files.ca).read_bytes())
        self.assertEqual(loaded.certificate, Path(self.files.certificate).read_bytes())
        client = client_context(self.files)
        self.assertEqual((client.minimum_version, client.check_hostname), (ssl.TLSVersion.TLSv1_3, True))
        self.assertEqual(client.verify_mode, ssl.CERT_REQUIRED)

    def test_key_is_secret(self) -> None:
        """A key that others can read is refused, with the command that mends it."""
        self.change("server.key", 0o644)
        self.refused("chmod o=,g=")
        self.change("server.key", 0o640, gid=0)
        self.refused("may be read by others")
        self.change("server.key", 0o660)
        self.refused("may be written by others")

    def test_readers_of_the_key(self) -> None:
        """The daemon's user may own the key, and its group may read it."""
        self.change("server.key", 0o640, gid=NOBODY)
        load_server(self.files, self.owners)
        self.change("server.key", 0o400, uid=NOBODY)
        load_server(self.files, self.owners)
        self.change("server.key", 0o400, uid=SOMEBODY)
        self.refused(f"belongs to user {SOMEBODY}")

    def test_writers(self) -> None:
        """Nobody but root and whoever started the daemon may change the certificates, not the daemon's user either."""
        for name in ("server.pem", "ca.pem"):
            self.change(name, 0o644, uid=NOBODY)
            self.refused(f"belongs to user {NOBODY}")
            self.change(name, 0o664, uid=0)
            self.refused("may be written by others")
            self.change(name, 0o644)

    def test_folder(self) -> None:
        """Nor may others exchange them in their folder, or in that which a symbolic link leads to."""
        self.change("", 0o775)
        self.refused("may be written by others")
        self.change("", 0o755, uid=NOBODY)
        self.refused(f"belongs to user {NOBODY}")
        elsewhere = self.folder.parent / "elsewhere"
        elsewhere.mkdir(mode=0o755)
        linked = files_in(elsewhere)
        for name in ("server.pem", "server.key", "ca.pem"):
            os.symlink(self.folder / name, elsewhere / name)
        self.refused(f"belongs to user {NOBODY}", linked)
        self.change("", 0o755, uid=0)
        load_server(linked, self.owners)
        self.assertEqual(folders_of([linked.key]), tuple(sorted((str(elsewhere), str(self.folder)))))

    def test_missing(self) -> None:
        """A file that is not there, or is no file, is named."""
        os.unlink(self.files.ca)
        self.refused("No such file")
        os.mkfifo(self.files.ca)
        self.refused("no plain file")
        os.unlink(self.files.ca)
        with open(self.files.ca, "wb") as file:
            file.truncate(LARGEST + 1)
        self.refused("no plain file")

    def test_rubbish(self) -> None:
        """A file without what it should hold is named; nothing is asked on a terminal."""
        original = Path(self.files.ca).read_text()
        for rubbish in ("", "rubbish", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "ÿ"):
            Path(self.files.ca).write_text(rubbish)
            self.refused("no certificates in PEM")
        Path(self.files.ca).write_text(original)
        Path(self.files.certificate).write_text("rubbish")
        self.refused("no certificate and its key")

    def test_other_key(self) -> None:
        """A key of another certificate is refused, as while one of the two has been exchanged and not yet the other."""
        shutil.copy(certificates(self).renewed.key, self.files.key)
        self.refused("KEY_VALUES_MISMATCH")

    def test_passphrase(self) -> None:
        """A key with a passphrase is refused, since nobody is there to say it."""
        secret = self.folder / "secret.key"
        words = ("openssl", "pkey", "-aes256", "-passout", "pass:x", "-in", self.files.key, "-out", str(secret))
        subprocess.run(words, check=True, capture_output=True)
        shutil.move(secret, self.files.key)
        self.refused("passphrase")

    if not IS_ROOT:
        for test in (test_readers_of_the_key, test_writers, test_folder):
            test.skip = "only root gives files away"  # type: ignore[attr-defined]


class NameTests(SynchronousTestCase):
    """Who a certificate is of."""

    def test_names(self) -> None:
        """Names are those of roles: typed, machines in lower case, addresses in one form; other kinds are nobody's."""
        certificate = {
            "subject": ((("commonName", "root"),),),
            "subjectAltName": (
                ("DNS", "Router.Example.ORG"),
                ("email", "Alice@example.org"),
                ("URI", "spiffe://example.org/a"),
                ("IP Address", "2001:DB8:0:0:0:0:0:1"),
                ("IP Address", "<invalid>"),
                ("DirName", ((("commonName", "x"),),)),
                ("othername", "<unsupported>"),
            ),
        }
        self.assertEqual(
            names_in(certificate),
            {"DNS:router.example.org", "email:Alice@example.org", "URI:spiffe://example.org/a", "IP:2001:db8::1"},
        )

    def test_date(self) -> None:
        """A certificate says until when it is good as OpenSSL writes it; one that says nothing is over."""
        for text in ("Nov 29 12:47:08 2027 GMT", "Jan  1 00:00:00 2000 GMT", "Dec 31 23:59:59 9999 GMT"):
            self.assertEqual(good_until({"notAfter": text}), ssl.cert_time_to_seconds(text))
        self.assertEqual(good_until(None), 0)

    def test_none(self) -> None:
        """Without alternative names there is no name: the common name is nobody's."""
        self.assertEqual(names_in({"subject": ((("commonName", "DNS:a"),),)}), frozenset())
        self.assertEqual(names_in(None), frozenset())
