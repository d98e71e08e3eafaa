"""Tests of the control socket: made with the right permissions, never in place of a live one."""

from __future__ import annotations

import os
import socket
import stat

from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.listening import listen_socket
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
