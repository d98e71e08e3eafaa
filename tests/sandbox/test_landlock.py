"""
Tests for L{pdlease.sandbox.landlock}, in child processes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from pdlease.sandbox.landlock import READ, WRITE, Right, Ruleset, abi
from pdlease.sandbox.libc import PR_SET_NO_NEW_PRIVS, prctl
from tests.sandbox.child import in_child


class RulesetTests(SynchronousTestCase):
    """L{Ruleset}."""

    def setUp(self) -> None:
        if not abi():
            self.skipTest("no Landlock on this kernel")
        self.folder = os.path.abspath(self.mktemp())
        for name in ("read", "write", "neither"):
            os.makedirs(f"{self.folder}/{name}")
            with open(f"{self.folder}/{name}/file", "w") as file:
                file.write("x")

    def outcomes(self, *acts: Callable[[], object], version: int | None = None) -> object:
        """Error numbers of acts in a child that may read one folder, write in another and touch no third."""

        def act() -> list[int]:
            paths = {
                f"{self.folder}/read": READ,
                f"{self.folder}/write": WRITE,
                f"{self.folder}/neither/file": Right.WRITE_FILE,
            }
            ruleset = Ruleset(paths, version or abi())
            prctl(PR_SET_NO_NEW_PRIVS, 1)
            ruleset.enforce()
            found = []
            for one in acts:
                try:
                    one()
                    found.append(0)
                except OSError as error:
                    found.append(error.errno or -1)
            return found

        return in_child(act)[0]

    def open(self, name: str, flags: int = os.O_RDONLY) -> Callable[[], int]:
        """Opening a file in the folder."""
        return lambda: os.open(f"{self.folder}/{name}", flags, 0o600)

    def test_reading(self) -> None:
        """
        What may be read can be read and listed, not written; what is not named can do nothing.
        """
        self.assertEqual(
            self.outcomes(
                self.open("read/file"),
                lambda: os.listdir(f"{self.folder}/read"),
                self.open("read/file", os.O_WRONLY),
                self.open("read/new", os.O_WRONLY | os.O_CREAT),
                lambda: os.unlink(f"{self.folder}/read/file"),
                self.open("neither/file"),
                lambda: os.listdir(self.folder),
                lambda: os.listdir("/"),
                self.open("../" * 40 + "etc/passwd"),
            ),
            [0, 0, *[errno.EACCES] * 7],
        )

    def test_writing(self) -> None:
        """
        Where it may be written files can be made, written, renamed and removed, but nothing else than files.
        """
        where = f"{self.folder}/write"
        self.assertEqual(
            self.outcomes(
                self.open("write/new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
                lambda: os.rename(f"{where}/new", f"{where}/file"),
                lambda: os.unlink(f"{where}/file"),
                lambda: os.symlink("/etc/passwd", f"{where}/link"),
                lambda: os.mkfifo(f"{where}/pipe"),
                lambda: os.mkdir(f"{where}/folder"),
                lambda: os.rename(f"{self.folder}/read/file", f"{where}/file"),
            ),
            [0, 0, 0, errno.EACCES, errno.EACCES, errno.EACCES, errno.EACCES],
        )

    def test_one_file(self) -> None:
        """
        A single file can be named; what is for folders only is left out of its rights.
        """
        self.assertEqual(
            self.outcomes(self.open("neither/file", os.O_WRONLY), self.open("neither/file")), [0, errno.EACCES]
        )

    def test_older_kernels(self) -> None:
        """
        What an older ABI does not know is left out of the rules, and the rest holds.
        """
        for version in range(1, abi() + 1):
            outcomes = self.outcomes(self.open("read/file"), self.open("neither/file"), version=version)
            self.assertEqual(outcomes, [0, errno.EACCES], version)

    def test_missing_path(self) -> None:
        """
        A path that is not there is named and is no error.
        """
        self.assertEqual(in_child(lambda: Ruleset({"/nowhere/at/all": READ}, abi()).missing)[0], ["/nowhere/at/all"])
