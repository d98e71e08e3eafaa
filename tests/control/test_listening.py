"""Tests of the control socket: made with the right permissions, never in place of a live one."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

import pdlease
from pdlease.config.remote import Listen
from pdlease.control.listening import _let_everybody_in, listen_remote, listen_socket
from pdlease.control.peers import ControlSocketError


class ListenTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = self.mktemp()
        # A socket's path is at most 107 octets; trial's folders can be longer.
        os.mkdir(folder)
        self.before = os.getcwd()
        os.chdir(folder)
        self.addCleanup(os.chdir, self.before)
        self.path = "c.sock"

    def listen(self, group: str = "") -> socket.socket:
        """Make the socket, closed at the end of the test."""
        listening = listen_socket(self.path, group)
        self.addCleanup(listening.close)
        return listening

    def test_mode(self) -> None:
        """Without a group the socket is for its owner alone, with one it is 0660 and of that group."""
        self.listen()
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        other = self.path = "d.sock"
        self.listen(str(os.getegid()))
        self.assertEqual(stat.S_IMODE(os.stat(other).st_mode), 0o660)
        self.assertEqual(os.stat(other).st_gid, os.getegid())

    def test_nonblocking_and_closed_on_exec(self) -> None:
        """The socket blocks nobody and is not inherited."""
        listening = self.listen()
        self.assertFalse(listening.getblocking())
        self.assertFalse(listening.get_inheritable())

    def test_stale(self) -> None:
        """A socket file that nobody listens on any more is replaced."""
        self.listen().close()
        self.assertTrue(os.path.exists(self.path))
        self.listen()

    def test_live(self) -> None:
        """A socket that another daemon listens on is left alone, with an error that says so."""
        first = self.listen()
        inode = os.stat(self.path).st_ino
        with self.assertRaisesRegex(ControlSocketError, "Another daemon listens"):
            listen_socket(self.path, "")
        self.assertEqual(os.stat(self.path).st_ino, inode)
        first.close()

    def test_something_else(self) -> None:
        """A file that is no socket is never removed, nor what a symbolic link points to."""
        with open("file", "w"):
            pass
        os.symlink("file", self.path)
        with self.assertRaisesRegex(ControlSocketError, "something else"):
            listen_socket(self.path, "")
        self.assertTrue(os.path.exists("file"))

    def test_folder(self) -> None:
        """A missing folder is made."""
        self.path = "run/pdlease/c.sock"
        self.listen()

    def test_impossible(self) -> None:
        """A path that cannot be had is one sentence with the path (D56)."""
        for path in ("file/c.sock", "x" * 200):
            with open("file", "w"):
                pass
            with self.assertRaisesRegex(ControlSocketError, "cannot be made"):
                listen_socket(path, "")

    def test_no_such_group(self) -> None:
        """A control group that does not exist is an error that says what to do, and no socket is made."""
        with self.assertRaisesRegex(ControlSocketError, "groupadd"):
            listen_socket(self.path, "no-such-group-here")
        self.assertFalse(os.path.exists(self.path))

    def test_access_list(self) -> None:
        """
        Further users and groups are on an access list of the file, which stays closed to everybody else; where the file
        system has no such lists everybody can open it, and the daemon alone tells who is who.
        """
        self.addCleanup(listen_socket(self.path, "4711", [4712], [4713]).close)
        acl = os.getxattr(self.path, "system.posix_acl_access")
        entries = {acl[at : at + 8] for at in range(4, len(acl), 8)}
        for tag, rights, number in ((2, 6, 4712), (8, 6, 4713), (4, 6, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)):
            packed = tag.to_bytes(2, "little") + rights.to_bytes(2, "little") + number.to_bytes(4, "little")
            self.assertIn(packed, entries)
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode) & 0o007, 0)
        # a file system without them
        os.mkdir("ram")
        code = (
            "import os, stat\n"
            "from pdlease.control.listening import listen_socket\n"
            "listen_socket('ram/c.sock', '4711', [4712])\n"
            "listen_socket('ram/d.sock', '4711')\n"
            "print([oct(stat.S_IMODE(os.stat(f'ram/{name}.sock').st_mode)) for name in 'cd'])\n"
        )
        done = subprocess.run(
            ["unshare", "-m", "sh", "-ec", 'mount -t ramfs none ram; exec "$@"', "sh", sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(pdlease.__file__))},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((done.stdout, done.stderr), ("['0o666', '0o660']\n", ""))

    def test_replaced_meanwhile(self) -> None:
        """
        Where the folder belongs to somebody else, who puts a link in the socket's place before everybody is let in, no
        other file is opened to anybody.
        """
        with open("file", "w"):
            pass
        os.chmod("file", 0o600)
        os.symlink("file", "link")
        for name in ("link", "file"):
            _let_everybody_in(name)
        self.assertEqual(stat.S_IMODE(os.stat("file").st_mode), 0o600)

    if os.geteuid() != 0:
        test_access_list.skip = "only root names other users, and mounts"  # type: ignore[attr-defined]


class RemoteTests(SynchronousTestCase):
    """Listening for other machines."""

    def listen(self, place: Listen) -> socket.socket:
        """Listen, closed at the end of the test."""
        listening = listen_remote(place)
        self.addCleanup(listening.close)
        return listening

    def reached(self, listening: socket.socket, address: str) -> bool:
        """Whether an address of this machine leads there."""
        try:
            with socket.create_connection((address, listening.getsockname()[1]), 5):
                return True
        except ConnectionRefusedError:
            return False

    def test_everywhere(self) -> None:
        """Without an address it is all of them, of IPv4 as well; nothing blocks, and no child inherits it."""
        listening = self.listen(Listen(port=0))
        self.assertTrue(self.reached(listening, "127.0.0.1"))
        self.assertTrue(self.reached(listening, "::1"))
        self.assertFalse(listening.getblocking())
        self.assertFalse(os.get_inheritable(listening.fileno()))

    def test_one_address(self) -> None:
        """With an address it is that one."""
        listening = self.listen(Listen(port=0, interface="127.0.0.2"))
        self.assertTrue(self.reached(listening, "127.0.0.2"))
        self.assertFalse(self.reached(listening, "127.0.0.1"))
        one = self.listen(Listen(port=0, interface="::1"))
        self.assertEqual((self.reached(one, "::1"), self.reached(one, "127.0.0.1")), (True, False))
        # the unit for systemd allows no other family
        self.assertEqual((listening.family, one.family), (socket.AF_INET6, socket.AF_INET6))

    def test_not_there_yet(self) -> None:
        """The address need not be there yet: it may be one that the daemon itself is going to assign."""
        for address in ("2001:db8:1::1", "192.0.2.77"):
            bound = self.listen(Listen(port=0, interface=address)).getsockname()[0]
            self.assertEqual(bound.removeprefix("::ffff:"), address)

    def test_in_use(self) -> None:
        """A port that somebody has, or a link that there is not, is one sentence with the setting (D56)."""
        port = self.listen(Listen(port=0, interface="127.0.0.1")).getsockname()[1]
        with self.assertRaisesRegex(ControlSocketError, f"control.remote.listen, ssl:port={port}.*in use"):
            listen_remote(Listen(port=port, interface="127.0.0.1"))
        with self.assertRaisesRegex(ControlSocketError, "control.remote.listen"):
            listen_remote(Listen(port=0, interface="fe80::1%nosuch"))
