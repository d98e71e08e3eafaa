"""
Tests of the files in systemd/: that they agree with the program, with one another, and with what systemd knows.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.model import Daemon
from pdlease.control.cli import parser
from pdlease.privilege.confinement import closing_of as helper_closing
from pdlease.sandbox.capabilities import name as capability
from pdlease.sandbox.closing import Closing
from pdlease.sandbox.daemon import closing_of
from pdlease.tap import DEFAULT_PATH, Options
from tests.units import TOP, UNITS, Unit

DAEMON = Unit(UNITS / "pdlease.service")
HOOKS = Unit(UNITS / "pdlease-hooks.service")
DEFAULTS = Daemon()

IN_THE_OPEN = re.compile(r"(?m)^``systemd-analyze security`` gives the daemon ([\d.]+) and the hooks ([\d.]+)")


class AgreementTests(SynchronousTestCase):
    """The units and the program."""

    def test_command(self) -> None:
        """The daemon runs in the foreground, isolated, without a pidfile, with the default configuration."""
        words = DAEMON.text("ExecStart").split()
        self.assertEqual(words[1], "-I")
        self.assertEqual(os.path.dirname(words[0]), os.path.dirname(words[2]))
        self.assertEqual(words[3:6], ["-n", "--pidfile=", "pdlease"])
        self.assertEqual(words[6:], ["--config", DEFAULT_PATH])
        self.assertIn("config", Options().longOpt[0])

    def test_tool(self) -> None:
        """Reloads and hooks use the tool with words that it knows."""
        for command, expected in (
            (DAEMON.text("ExecReload"), "reload"),
            (HOOKS.text("ExecStart"), "watch"),
        ):
            words = command.split()
            self.assertEqual(words[1:4], ["-I", "-m", "pdlease.control.cli"])
            self.assertEqual(parser().parse_args(words[4:]).command, expected)

    def test_places(self) -> None:
        """Folders are those of the configuration's defaults, each made by its own line, for whom it belongs to."""
        self.assertEqual(f"/var/lib/{DAEMON.text('StateDirectory')}", DEFAULTS.state)
        self.assertEqual(f"/run/{DAEMON.text('RuntimeDirectory')}", os.path.dirname(DEFAULTS.control))
        made = {
            fields[1]: (fields[2], fields[3])
            for line in (UNITS / "tmpfiles.d/pdlease.conf").read_text().splitlines()
            if (fields := line.split())[0] == "d"
        }
        self.assertEqual(
            made,
            {
                os.path.dirname(DEFAULT_PATH): ("0755", "root"),
                os.path.dirname(DEFAULTS.control): ("0755", DEFAULTS.user),
                DEFAULTS.state: ("0700", DEFAULTS.user),
            },
        )
        self.assertLessEqual({DEFAULTS.state, os.path.dirname(DEFAULT_PATH)}, set(DAEMON.words("RequiresMountsFor")))

    def test_users(self) -> None:
        """Users are those of the configuration's defaults; hooks are in no group that may change anything."""
        lines = (UNITS / "sysusers.d/pdlease.conf").read_text().splitlines()
        users = [line.split()[1] for line in lines if line.startswith("u ")]
        self.assertEqual(users, [DEFAULTS.user, DEFAULTS.helper_user, HOOKS.text("User")])
        self.assertEqual(HOOKS.words("SupplementaryGroups"), [])
        self.assertEqual([line for line in lines if line.startswith("m ")], [])

    def test_capabilities(self) -> None:
        """What the helper keeps is left to it, beside what it takes to become the users and hand the folder over."""
        kept = {f"CAP_{capability(number)}" for number in helper_closing(DEFAULTS, DEFAULT_PATH).kept}
        start = {"CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_CHOWN", "CAP_DAC_OVERRIDE"}
        self.assertEqual(set(DAEMON.words("CapabilityBoundingSet")), kept | start)

    def test_what_would_break(self) -> None:
        """What the daemon or its helper could not live with is not set."""
        for name in ("ProtectKernelTunables", "ProtectClock", "PrivateNetwork", "PrivateUsers", "User", "DynamicUser"):
            self.assertEqual(DAEMON.words(name), [], name)
        self.assertLessEqual({"AF_UNIX", "AF_INET6", "AF_NETLINK"}, set(DAEMON.words("RestrictAddressFamilies")))

    def test_installation(self) -> None:
        """The commands of the page put every file in its place, on a machine that has none of the folders."""
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        page = (TOP / "docs" / "systemd.rst").read_text()
        commands = re.findall(r"(?m)^    (install -.*) (/etc\S*) (.*)$", page)
        for command, place, files in commands:
            there = files.replace("pdlease.toml", "docs/examples/pdlease.toml")
            subprocess.run(f"{command} {folder}{place} {there}", shell=True, check=True, cwd=TOP)
        found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        self.assertEqual(
            found,
            {
                "etc/sysusers.d/pdlease.conf",
                "etc/tmpfiles.d/pdlease.conf",
                "etc/systemd/system/pdlease.service",
                "etc/systemd/system/pdlease-hooks.service",
                "etc/pdlease/pdlease.toml",
            },
        )

    def test_in_the_package(self) -> None:
        """The source distribution has the files."""
        self.assertIn("recursive-include systemd *", (TOP / "MANIFEST.in").read_text().splitlines())


class SystemdTests(SynchronousTestCase):
    """What systemd makes of the files, where it is installed."""

    if shutil.which("systemd-analyze") is None:
        skip = "there is no systemd-analyze"

    def setUp(self) -> None:
        self.folder = Path(mkdtemp())
        self.addCleanup(rmtree, self.folder)

    def said(self, *command: str) -> str:
        """What a program says; it must end well."""
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return done.stdout + done.stderr

    def test_verified(self) -> None:
        """There is nothing in the units that systemd does not know or warns of."""
        paths = []
        for unit in (DAEMON, HOOKS):
            paths.append(self.folder / unit.path.name)
            # a program that is there on every machine
            paths[-1].write_text(unit.path.read_text().replace("/opt/pdlease/bin/python", "/bin/true"))
        said = self.said("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, paths))
        self.assertEqual([line for line in said.splitlines() if "pdlease" in line], [])

    def test_exposure(self) -> None:
        """What docs/systemd.rst says of the exposure is what systemd says, or systemd here judges by other measures."""
        page = (TOP / "docs" / "systemd.rst").read_text()
        figures = IN_THE_OPEN.search(page)
        assert figures is not None
        for unit, figure in zip((DAEMON, HOOKS), figures.groups(), strict=True):
            said = self.said("systemd-analyze", "security", "--offline=true", "--no-pager", str(unit.path))
            found = re.search(r"exposure level for \S+: ([\d.]+)", said)
            assert found is not None, said
            self.assertLessEqual(abs(float(found[1]) - float(figure)), 0.3, unit.path.name)

    def test_calls(self) -> None:
        """Whatever the sandboxes of daemon and helper leave to them, the unit leaves as well."""
        calls = DAEMON.calls()
        closings: tuple[Closing, ...] = (closing_of(DEFAULTS), helper_closing(DEFAULTS, DEFAULT_PATH))
        for closing in closings:
            wanted = {getattr(rule, "call", getattr(rule, "name", rule)) for rule in closing.calls}
            self.assertEqual(wanted - calls, set())
        self.assertLessEqual({"seccomp", "prctl", "capset", "execve", "setresuid", "setgroups"}, calls)

    def test_users(self) -> None:
        """The users and groups are made."""
        if shutil.which("systemd-sysusers") is None:
            self.skipTest("there is no systemd-sysusers")
        (self.folder / "etc").mkdir()
        self.said("systemd-sysusers", f"--root={self.folder}", str(UNITS / "sysusers.d/pdlease.conf"))
        users = [line.split(":")[0] for line in (self.folder / "etc/passwd").read_text().splitlines()]
        self.assertEqual(sorted(users), ["pdlease", "pdlease-helper", "pdlease-hooks"])
        groups = [line.split(":") for line in (self.folder / "etc/group").read_text().splitlines()]
        self.assertEqual({group[0]: group[3] for group in groups}, dict.fromkeys(users, ""))
