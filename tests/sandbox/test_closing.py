"""
Tests for L{pdlease.sandbox.closing}, L{pdlease.sandbox.users} and L{pdlease.sandbox.capabilities}, in child processes.
"""

from __future__ import annotations

import os
import pwd
import threading

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.model import Daemon
from pdlease.sandbox import capabilities, daemon, landlock
from pdlease.sandbox.calls import COMMON
from pdlease.sandbox.capabilities import NET_ADMIN, NET_BIND_SERVICE, SETUID
from pdlease.sandbox.closing import Closing, close
from pdlease.sandbox.landlock import READ, Right
from pdlease.sandbox.libc import PR_GET_NO_NEW_PRIVS, prctl
from pdlease.sandbox.users import (
    Account,
    SandboxError,
    become,
    find_account,
    group_name,
    user_name,
    why_no_group,
    why_not,
)
from tests.sandbox.child import in_child

ME = user_name(os.getuid())

CLOSING = Closing(user="nobody", paths={}, calls=COMMON, mode="off", action="errno")


class RootCase(SynchronousTestCase):
    """Tests that become other users."""

    def setUp(self) -> None:
        if SETUID not in capabilities.effective() or why_not("nobody"):
            self.skipTest("this test must be root, with all user ids")


class UserTests(RootCase):
    """Becoming another user."""

    def test_for_good(self) -> None:
        """
        All of real, effective and saved user and group are the new ones, there is no further group, and there is no way
        back.
        """

        def act() -> list[object]:
            become(find_account("nobody"))
            try:
                os.setresuid(0, 0, 0)
            except PermissionError:
                return [os.getresuid(), os.getresgid(), os.getgroups()]
            return []

        entry = pwd.getpwnam("nobody")
        self.assertEqual(in_child(act)[0], [[entry.pw_uid] * 3, [entry.pw_gid] * 3, []])

    def test_absent_user(self) -> None:
        """
        A user that does not exist is an error with the command that makes it.
        """
        error = self.assertRaises(SandboxError, find_account, "no-such-user")
        self.assertEqual(
            str(error),
            "there is no user no-such-user; make it with: useradd --system --shell /usr/sbin/nologin no-such-user",
        )
        said, _ = in_child(lambda: close(evolve(CLOSING, user="no-such-user")) and None)
        self.assertIn("there is no user no-such-user", said)

    def test_refused(self) -> None:
        """
        Where the kernel refuses, that is an error.
        """

        def act() -> None:
            become(find_account("nobody"))
            become(Account(name="root", uid=0, gid=0))

        self.assertEqual(in_child(act)[0], "SandboxError: cannot become root: Operation not permitted")

    def test_names(self) -> None:
        """
        Users and groups without a name go by number.
        """
        self.assertEqual((user_name(0), group_name(0)), ("root", "root"))
        self.assertEqual((user_name(4_000_000), group_name(4_000_000)), ("4000000", "4000000"))


class GroupTests(SynchronousTestCase):
    """Groups of a user namespace."""

    def test_missing(self) -> None:
        """A group that the namespace does not have is told as such, by name or number; any other may be looked for."""
        for text, group, expected in (
            ("0 1000 1\n", "root", None),
            ("0 1000 1\n", "0", None),
            ("0 1000 1\n", "4711", "in a user namespace that does not have the group 4711 (4711)"),
            ("0 1000 1\n", "nosuchgroup", "in a user namespace without a group nosuchgroup"),
            ("0 0 10\n10 5000 10\n", "19", None),
            ("0 0 10\n10 5000 10\n", "20", "in a user namespace that does not have the group 20 (20)"),
            ("0 0 4294967295\n", "nosuchgroup", None),
        ):
            path = self.mktemp()
            with open(path, "w") as file:
                file.write(text)
            self.assertEqual(why_no_group(group, path), expected)


class CapabilityTests(RootCase):
    """Capabilities kept and given away."""

    def test_some_are_kept(self) -> None:
        """
        Two capabilities are kept over the change of user, the others are out of every set.
        """

        def act() -> list[object]:
            kept = frozenset((NET_ADMIN, NET_BIND_SERVICE))
            report = close(evolve(CLOSING, kept=kept))
            with open("/proc/self/status") as file:
                status = {name: value.strip() for name, _, value in (line.partition(":") for line in file)}
            sets = [int(status[f"Cap{name}"], 16) for name in ("Prm", "Eff", "Bnd", "Inh", "Amb")]
            return [list(report.capabilities), *sets]

        both = 1 << NET_ADMIN | 1 << NET_BIND_SERVICE
        self.assertEqual(in_child(act)[0], [["NET_BIND_SERVICE", "NET_ADMIN"], both, both, both, 0, 0])

    def test_none_are_kept(self) -> None:
        """
        A process that keeps none has none, also where it stays root.
        """
        for user in ("nobody", "root"):

            def act(user: str = user) -> list[object]:
                close(evolve(CLOSING, user=user))
                return [sorted(capabilities.permitted()), prctl(PR_GET_NO_NEW_PRIVS)]

            self.assertEqual(in_child(act)[0], [[], 1])

    def test_lacking(self) -> None:
        """
        A process that is to keep what it does not have is told so.
        """

        def act() -> list[str]:
            capabilities.limit(capabilities.permitted() - {NET_ADMIN})
            return list(close(evolve(CLOSING, kept=frozenset((NET_ADMIN,)))).remarks)

        self.assertEqual(
            in_child(act)[0],
            [
                "without the capability NET_ADMIN the kernel refuses every address, route and setting of a link (in a "
                "container: --cap-add=NET_ADMIN)"
            ],
        )

    def test_not_root(self) -> None:
        """
        A process that was not started as root stays who it is and says so; as the user it should become it is silent.
        """

        def act(user: str) -> list[object]:
            become(find_account("nobody"))
            report = close(evolve(CLOSING, user=user))
            return [report.user, *report.remarks]

        self.assertEqual(in_child(lambda: act("nobody"))[0], ["nobody"])
        self.assertEqual(
            in_child(lambda: act("root"))[0],
            ["nobody", "started without the right to become root: stays user nobody"],
        )


class ModeTests(SynchronousTestCase):
    """C{require}, C{try} and C{off}."""

    def closed(self, mode: str, abi: int, has_seccomp: bool) -> object:
        """Report of a child that closes its sandbox on a machine that has this."""

        def act() -> list[object]:
            report = close(evolve(CLOSING, user=ME, mode=mode), (abi, has_seccomp))
            return [report.landlock, report.seccomp, list(report.remarks)]

        return in_child(act)[0]

    def test_try(self) -> None:
        """
        What is lacking is remarked and the rest is in force (one warning for each).
        """
        self.assertEqual(
            self.closed("try", 0, False),
            [0, "none", ["this machine has no Landlock", "this machine has no seccomp"]],
        )

    def test_require(self) -> None:
        """
        What is lacking is an error.
        """
        self.assertEqual(
            self.closed("require", 0, False),
            "SandboxError: the sandbox is required and this machine has no Landlock and no seccomp",
        )

    def test_off(self) -> None:
        """
        Neither Landlock nor seccomp is in force, without a remark; users and capabilities are given up all the same.
        """
        self.assertEqual(self.closed("off", 7, True), [0, "none", []])

    def test_threads(self) -> None:
        """
        Threads that are there already are beyond Landlock's reach, which is remarked.
        """
        if not landlock.abi():
            self.skipTest("no Landlock on this kernel")

        def act() -> list[str]:
            stop = threading.Event()
            threading.Thread(target=stop.wait, daemon=True).start()
            return list(close(evolve(CLOSING, user=ME, mode="try"), (landlock.abi(), False)).remarks)

        said = ["this machine has no seccomp", "1 other threads of this process are not under Landlock"]
        self.assertEqual(in_child(act)[0], said)

    def test_in_words(self) -> None:
        """
        What is in force is one line.
        """
        said = in_child(lambda: str(close(evolve(CLOSING, user=ME))))[0]
        self.assertEqual(said, f"user {ME}, no capabilities, no Landlock, no seccomp")


class DaemonTests(SynchronousTestCase):
    """L{daemon.closing_of}."""

    settings = Daemon(state="/var/lib/pdlease", control="/run/pdlease/control.sock")

    def test_with_helper(self) -> None:
        """
        The daemon keeps no capability, may write in its state folder, and remove its control socket.
        """
        closing = daemon.closing_of(self.settings)
        self.assertEqual(
            (closing.user, closing.kept, closing.mode, closing.action), ("pdlease", frozenset(), "try", "errno")
        )
        self.assertTrue(closing.paths["/var/lib/pdlease"] & Right.MAKE_REG)
        self.assertEqual(closing.paths["/run/pdlease"], Right.READ_DIR | Right.REMOVE_FILE)
        self.assertNotIn("/etc/pdlease", closing.paths)

    def test_in_process(self) -> None:
        """
        With the provider C{inprocess} it keeps what the helper would have.
        """
        closing = daemon.closing_of(evolve(self.settings, privileges="inprocess"), readable=["/etc/pdlease"])
        self.assertEqual(closing.kept, frozenset((NET_ADMIN, NET_BIND_SERVICE)))
        self.assertEqual(closing.paths["/etc/pdlease"], READ)
        self.assertTrue(closing.paths[daemon.IPV6_SETTINGS] & Right.WRITE_FILE)

    def test_one_folder_for_all(self) -> None:
        """
        Where state and control socket are in one folder it has the rights of the state folder.
        """
        closing = daemon.closing_of(evolve(self.settings, control="/var/lib/pdlease/control.sock"))
        self.assertTrue(closing.paths["/var/lib/pdlease"] & Right.MAKE_REG)
