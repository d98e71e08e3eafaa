"""
Tests of L{pdlease.places}.
"""

from __future__ import annotations

import os
import pwd
from errno import EINVAL, EIO, ELOOP, EPERM

from twisted.trial.unittest import SynchronousTestCase

from pdlease.places import MOST_LINKS, Account, CannotStart, account, give, hand_over, make_folder, open_folder, opened

OURS = Account(os.geteuid(), os.getegid())
STRANGER = Account(54321, 54322)


class AccountTests(SynchronousTestCase):
    """Tests of L{account}."""

    def test_not_root(self) -> None:
        """Where the process is not root nothing is handed over, and nobody is looked for."""
        self.assertIsNone(account("nosuchuser", user_id=lambda: 1000))

    def test_nobody_to_become(self) -> None:
        """In a user namespace of one user, root there cannot become anybody, and who does not exist is not missed."""
        self.assertIsNone(account("nosuchuser", user_id=lambda: 0, why_not=lambda name: "in a user namespace"))

    def test_known(self) -> None:
        """A user is found with its primary group."""
        entry = pwd.getpwuid(os.getuid())
        self.assertEqual(
            account(entry.pw_name, user_id=lambda: 0, why_not=lambda name: None), Account(entry.pw_uid, entry.pw_gid)
        )

    def test_unknown(self) -> None:
        """Of a user that there is not it is said how to make it (exit 1)."""
        problem = self.assertRaises(CannotStart, account, "nosuchuser", user_id=lambda: 0, why_not=lambda n: None)
        self.assertIn("there is no user nosuchuser; make it (useradd --system nosuchuser)", str(problem))


class FolderTests(SynchronousTestCase):
    """Tests of L{make_folder}."""

    def setUp(self) -> None:
        self.top = os.path.abspath(self.mktemp())
        self.folder = os.path.join(self.top, "lib", "pdlease")

    def test_made(self) -> None:
        """A missing folder is made with its mode, and what is above it for everybody to look into."""
        make_folder(self.folder, 0o700, OURS)
        self.assertEqual(os.stat(self.folder).st_mode & 0o777, 0o700)
        self.assertEqual(os.stat(os.path.dirname(self.folder)).st_mode & 0o777, 0o755)

    def test_there(self) -> None:
        """A folder that is there stays as it is."""
        os.makedirs(self.folder, 0o750)
        make_folder(self.folder, 0o700, None)
        self.assertEqual(os.stat(self.folder).st_mode & 0o777, 0o750)

    def test_file_in_the_way(self) -> None:
        """A file in its place, or above it, is told with path and reason."""
        os.makedirs(os.path.dirname(self.folder))
        with open(self.folder, "w"):
            pass
        problem = self.assertRaises(CannotStart, make_folder, self.folder, 0o700, None)
        self.assertEqual(str(problem), f"{self.folder}: File exists")
        problem = self.assertRaises(CannotStart, make_folder, f"{self.folder}/state", 0o700, None)
        self.assertIn(f"{self.folder}/state: ", str(problem))


class GiveTests(SynchronousTestCase):
    """Tests of L{give} and L{hand_over}."""

    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.mkdir(self.folder)
        self.path = os.path.join(self.folder, "ledger")
        with open(self.path, "w"):
            pass
        self.given: list[str] = []

    def change(self, descriptor: int, uid: int, gid: int) -> None:
        """Note a change of owner."""
        self.assertEqual((uid, gid), (STRANGER.uid, STRANGER.gid))
        self.given.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    def test_folder_and_files(self) -> None:
        """The folder and the plain files in it are given away; folders in it, links and their targets are not."""
        os.mkdir(os.path.join(self.folder, "folder"))
        os.symlink("/etc/passwd", os.path.join(self.folder, "link"))
        hand_over(self.folder, STRANGER, change_owner=self.change)
        self.assertEqual(self.given, [self.folder, self.path])

    def test_hard_links(self) -> None:
        """
        A file with a second name is not given away: whoever may write the folder could have put another's file there.
        """
        os.link(self.path, os.path.join(self.folder, "second"))
        hand_over(self.folder, STRANGER, change_owner=self.change)
        self.assertEqual(self.given, [self.folder])

    def test_nobody_to_give_to(self) -> None:
        """Where nothing can be handed over, nothing is looked at."""
        hand_over("/nosuch", None, change_owner=self.change)
        self.assertEqual(self.given, [])

    def test_folder_gone(self) -> None:
        """A folder that is not to be had is told with path and reason."""
        problem = self.assertRaises(CannotStart, hand_over, "/nosuch", STRANGER)
        self.assertEqual(str(problem), "/nosuch: No such file or directory")

    def test_already_theirs(self) -> None:
        """What belongs to the account already is left alone, and is not even opened."""
        os.chmod(self.path, 0)
        theirs = os.stat(self.path)
        hand_over(self.folder, Account(theirs.st_uid, theirs.st_gid), change_owner=self.change)
        self.assertEqual(self.given, [])

    def test_number_unknown_to_the_namespace(self) -> None:
        """What a user namespace cannot give away stays ours; any other refusal is told."""

        def refusing(number: int) -> None:
            def change(descriptor: int, uid: int, gid: int) -> None:
                raise OSError(number, os.strerror(number))

            with opened(self.folder) as descriptor:
                give(descriptor, STRANGER, change_owner=change)

        refusing(EINVAL)
        refusing(EPERM)
        self.assertRaises(OSError, refusing, EIO)

    def test_refusal_is_told(self) -> None:
        """A folder that cannot be given away is told with its path."""

        def change(descriptor: int, uid: int, gid: int) -> None:
            raise OSError(EIO, os.strerror(EIO))

        problem = self.assertRaises(CannotStart, hand_over, self.folder, STRANGER, change_owner=change)
        self.assertEqual(str(problem), f"{self.folder}: Input/output error")


class LinkTests(SynchronousTestCase):
    """Symbolic links on the way to a folder."""

    def setUp(self) -> None:
        self.top = os.path.abspath(self.mktemp())
        self.target = os.path.join(self.top, "data", "state")
        os.makedirs(self.target)
        self.link = os.path.join(self.top, "link")

    def reached(self, path: str) -> str:
        """Where a path leads."""
        with opened(path) as descriptor:
            return os.readlink(f"/proc/self/fd/{descriptor}")

    def test_ours(self) -> None:
        """Links of root and our own are followed wherever they stand, absolute or relative: /var may be elsewhere."""
        for target in (self.target, "data/state", "./data/../data/state/."):
            os.symlink(target, self.link)
            self.assertEqual(self.reached(self.link), self.target)
            os.unlink(self.link)
        os.symlink("data", self.link)
        self.assertEqual(self.reached(f"{self.link}/state"), self.target)
        self.assertEqual(self.reached("/"), "/")

    def test_in_a_circle(self) -> None:
        """Links without end end."""
        os.symlink("link", self.link)
        self.assertEqual(self.assertRaises(OSError, open_folder, self.link).errno, ELOOP)
        self.assertGreaterEqual(MOST_LINKS, 8)

    def test_second_name(self) -> None:
        """A link that has a second name is nobody's to trust: anybody may have given it that name."""
        os.symlink("data/state", self.link)
        os.link(self.link, f"{self.link}2", follow_symlinks=False)
        self.assertRaises(CannotStart, open_folder, self.link)

    def test_of_others(self) -> None:
        """
        A link of somebody else is not followed, neither at the end nor on the way, whether the folder is there or is to
        be made, and nothing that it leads to changes hands.
        """
        if os.geteuid() != 0:
            self.skipTest("this test must be root to make links of others")
        given: list[int] = []
        os.symlink("data", self.link)
        os.chown(self.link, STRANGER.uid, STRANGER.gid, follow_symlinks=False)
        for path in (self.link, f"{self.link}/state", f"{self.link}/new"):
            problem = self.assertRaises(CannotStart, make_folder, path, 0o700, STRANGER)
            self.assertEqual(
                str(problem), f"{path}: link in it is a symbolic link that is not root's, and is not followed"
            )
            self.assertRaises(CannotStart, hand_over, path, STRANGER, change_owner=lambda *what: given.append(1))
        self.assertEqual((given, os.listdir(f"{self.top}/data")), ([], ["state"]))
