"""
Tests for L{pdlease.privilege.configuration}.
"""

from __future__ import annotations

import errno
import os

from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.checks import LARGEST
from pdlease.operations import PrivilegeError
from pdlease.privilege.configuration import read_configuration
from tests.privilege.values import TOML, config


class ReadConfigurationTests(SynchronousTestCase):
    """L{read_configuration}."""

    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.mkdir(self.folder, 0o755)
        self.path = self.write("pdlease.toml", TOML)
        self.owners = {os.getuid()}

    def write(self, name: str, data: bytes) -> str:
        """Make a file in the folder."""
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, 0o644)
        return path

    def refused(self, path: str | None = None, owners: set[int] | None = None) -> PrivilegeError:
        """Why a file is not taken."""
        return self.assertRaises(PrivilegeError, read_configuration, path or self.path, owners or self.owners)

    def test_bytes_and_meaning(self) -> None:
        """
        The bytes come with what they say.
        """
        self.assertEqual(read_configuration(self.path, self.owners), (TOML, config()))

    def test_writable_by_others(self) -> None:
        """
        A file that its group or others may write is refused.
        """
        for mode in (0o664, 0o646, 0o666):
            os.chmod(self.path, mode)
            error = self.refused()
            self.assertEqual(error.reason, f"{self.path} may be written by others (mode {mode:04o})")
            self.assertEqual(str(error), f"read {self.path}: {error.reason}")

    def test_folder_writable_by_others(self) -> None:
        """
        So is one in a folder that others may write, unless the folder is sticky: who owns the file must remove it.
        """
        os.chmod(self.folder, 0o777)
        self.assertEqual(self.refused().reason, f"{self.folder} may be written by others (mode 0777)")
        os.chmod(self.folder, 0o1777)
        read_configuration(self.path, self.owners)

    def test_owner(self) -> None:
        """
        The file must belong to root or to whoever started the program.
        """
        error = self.refused(owners={os.getuid() + 1})
        self.assertEqual((error.errno, error.reason), (errno.EPERM, f"{self.path} belongs to user {os.getuid()}"))

    def test_link_to_a_writable_folder(self) -> None:
        """
        Behind a symbolic link the folder that it leads to counts as well.
        """
        other = os.path.join(self.folder, "other")
        os.mkdir(other)
        os.rename(self.path, os.path.join(other, "real.toml"))
        os.symlink("other/real.toml", self.path)
        read_configuration(self.path, self.owners)
        os.chmod(other, 0o777)
        self.assertIn("other may be written by others", self.refused().reason)

    def test_no_plain_file(self) -> None:
        """
        Folders, pipes and devices are refused without waiting for anybody.
        """
        pipe = os.path.join(self.folder, "pipe.toml")
        os.mkfifo(pipe, 0o600)
        for path in (pipe, self.folder, "/dev/null"):
            self.assertEqual(self.refused(path).reason, "it is no plain file")

    def test_not_there(self) -> None:
        """
        A file that is not there is an error in the system's words.
        """
        error = self.refused(os.path.join(self.folder, "none.toml"))
        self.assertEqual((error.errno, error.reason), (errno.ENOENT, "No such file or directory"))

    def test_too_large(self) -> None:
        """
        A file larger than any configuration is not read.
        """
        os.truncate(self.path, LARGEST + 1)
        self.assertEqual(self.refused().errno, errno.EFBIG)

    def test_wrong(self) -> None:
        """
        All that is wrong in a file is in the reason.
        """
        path = self.write("wrong.toml", b'[daemon]\nsandbox = "maybe"\n[uplinks.wan]\nlinnk = "x"\n')
        error = self.refused(path)
        self.assertEqual(error.errno, errno.EINVAL)
        self.assertIn("daemon.sandbox", error.reason)
        self.assertIn("uplinks.wan.linnk", error.reason)
