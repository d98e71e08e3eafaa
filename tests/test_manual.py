"""
Tests of the manual pages, and of the parts of them that are written from what they tell of.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from shutil import which
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.manual import BEGIN, END, reference, replaced, roff, written_part
from pdlease.config.reference import TABLES
from pdlease.control import cli, leasectl
from pdlease.control.manual import commands, flags, subcommands
from pdlease.tap import Options

FOLDER = Path(__file__).parents[1] / "docs" / "man"

PAGES = {path.name: path.read_text() for path in sorted(FOLDER.iterdir())}


class PagesTests(SynchronousTestCase):
    """
    The pages.
    """

    def test_there(self) -> None:
        """
        There is a page for the daemon, for its configuration, and for each program.
        """
        self.assertEqual(set(PAGES), {"pdlease.8", "pdleasectl.8", "dhcp6leasectl.8", "pdlease.toml.5"})
        for name, page in PAGES.items():
            self.assertTrue(page.startswith(f".TH {name.rpartition('.')[0].upper()} {name[-1]} "), name)

    def test_up_to_date(self) -> None:
        """
        Their written parts are what keys and command lines are now.  (To write them anew:
        C{python docs/write_configuration.py} and C{docs/write_manual.py}.)
        """
        for name, part in (
            ("pdlease.toml.5", reference()),
            ("pdleasectl.8", commands(cli.parser())),
            ("dhcp6leasectl.8", flags(leasectl.parser())),
        ):
            self.assertEqual(written_part(PAGES[name]), part, name)

    def test_complete(self) -> None:
        """
        Every key, every command and every option is in its page.
        """
        for table in TABLES:
            for row in table.rows:
                self.assertIn(f".TP\n\\fB{row.name}\\fR\n", PAGES["pdlease.toml.5"], row.name)
        for name, command in subcommands(cli.parser()).items():
            self.assertIn(f".SS \\fB{name}\\fR", PAGES["pdleasectl.8"], name)
            for option in re.findall(r"--[a-z-]+", command.format_usage()):
                self.assertIn(roff(option), PAGES["pdleasectl.8"], option)
        for long, short, default, _ in Options.optParameters:
            for said in (f"\\-\\-{long}", f"\\-{short}" if short else "", default):
                self.assertIn(said, PAGES["pdlease.8"], said)

    def test_see_also(self) -> None:
        """
        Every page that another one of ours is referred to is there.
        """
        for name, page in PAGES.items():
            for other, section in re.findall(r"^\.BR ((?:pd|dhcp6)lease\S*) \((\d)\)", page, re.MULTILINE):
                self.assertIn(f"{other}.{section}", PAGES, name)

    def test_plain_text(self) -> None:
        """
        The pages are ASCII without blanks at the end of a line, as every formatter takes them.
        """
        for name, page in PAGES.items():
            self.assertTrue(page.isascii(), name)
            self.assertEqual([line for line in page.splitlines() if line != line.rstrip()], [], name)

    @skipUnless(which("groff"), "groff is not installed")
    def test_formatted(self) -> None:
        """
        They are formatted without a warning.
        """
        for name in PAGES:
            done = subprocess.run(
                ["groff", "-man", "-Tutf8", "-ww", "-z", FOLDER / name], capture_output=True, text=True, check=False
            )
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)


class WritingTests(SynchronousTestCase):
    """
    Writing the parts.
    """

    def test_roff(self) -> None:
        """
        What means something to a formatter is escaped, literals are bold, and no line looks like a request.
        """
        self.assertEqual(roff("``--a``: a\\b"), "\\fB\\-\\-a\\fR: a\\eb")
        self.assertEqual(roff(".conf it's"), "\\&.conf it\\(aqs")
        self.assertEqual(roff("One.  ``Two``."), "One.\n\\fBTwo\\fR.")
        self.assertEqual(roff("'x"), "\\(aqx")

    def test_replaced(self) -> None:
        """
        What stands before and behind the written part stays.
        """
        page = f"before\n{BEGIN}\nold\n{END}\nbehind\n"
        part = f"{BEGIN}\nnew\n{END}\n"
        self.assertEqual(written_part(page), f"{BEGIN}\nold\n{END}\n")
        self.assertEqual(replaced(page, part), f"before\n{part}behind\n")

    def test_commands(self) -> None:
        """
        A command is told with its own arguments, options first, and so are commands within it; what all have in common
        is told once.
        """
        common = argparse.ArgumentParser(add_help=False)
        common.add_argument("--json", action="store_true", help="as JSON")
        top = argparse.ArgumentParser(prog="x", parents=[common])
        outer = top.add_subparsers().add_parser("outer", description="An outer one.", parents=[common])
        outer.add_argument("place", nargs="?")
        outer.add_argument("-q", "--quiet", action="store_true", help="100%% quiet")
        inner = outer.add_subparsers().add_parser("inner", description="An inner one.")
        inner.add_argument("--to", required=True, choices=("a", "b"), help="default %(default)s", default="a")
        inner.add_argument("FILE")
        self.assertEqual(
            commands(top).splitlines()[1:-1],
            [
                ".SH OPTIONS",
                ".TP",
                "\\fB\\-\\-json\\fR",
                "As JSON.",
                ".SH COMMANDS",
                ".SS \\fBouter\\fR [\\fB\\-q\\fR] [\\fIplace\\fR]",
                "An outer one.",
                ".TP",
                "\\fB\\-q\\fR, \\fB\\-\\-quiet\\fR",
                "100% quiet.",
                ".SS \\fBouter inner\\fR \\fB\\-\\-to\\fR \\fBa\\fR|\\fBb\\fR \\fIFILE\\fR",
                "An inner one.",
                ".TP",
                "\\fB\\-\\-to\\fR \\fBa\\fR|\\fBb\\fR",
                "Default a.",
            ],
        )

    def test_any_environment(self) -> None:
        """
        What is written does not depend on the environment of the writer.
        """
        script = "from pdlease.control import cli, manual; print(manual.commands(cli.parser()), end='')"
        environment = {"PDLEASE_CONTROL": "/elsewhere", "COLUMNS": "30", "PYTHONPATH": str(FOLDER.parents[1])}
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
        )
        self.assertEqual(done.stdout, commands(cli.parser()))
