"""Tests of how a client finds a daemon on another machine, and the keys of its user."""

from __future__ import annotations

import os
import shutil

from twisted.trial.unittest import SynchronousTestCase

from pdlease.control.credentials import Files
from pdlease.control.errors import UnreachableError
from pdlease.control.reaching import Host, NotReached, context_of, keys_of_user, parse_host
from tests.control.certificates import certificates
from tests.control.running import run


class HostTests(SynchronousTestCase):
    """What C{--host} takes."""

    def test_forms(self) -> None:
        """A name or an address, with a port or without; what is shown of it can be given again."""
        for text, expected in {
            "router": Host(name="router"),
            "router.example.org:853": Host(name="router.example.org", port=853),
            "192.0.2.1:1": Host(name="192.0.2.1", port=1),
            "2001:db8::1": Host(name="2001:db8::1"),
            "[2001:db8::1]": Host(name="2001:db8::1"),
            "[2001:db8::1]:853": Host(name="2001:db8::1", port=853),
            "fe80::1%lan0": Host(name="fe80::1%lan0"),
            "tcp:127.0.0.1:4547": Host(name="127.0.0.1", port=4547, is_plain=True),
            "tcp:localhost": Host(name="localhost", is_plain=True),
            "tcp:[::1]:4547": Host(name="::1", port=4547, is_plain=True),
        }.items():
            self.assertEqual(parse_host(text), expected, text)
            if not expected.is_plain:
                self.assertEqual(parse_host(str(expected)), expected)

    def test_wrong(self) -> None:
        """Anything else is an error of usage, exit code 2, and nobody is asked."""
        for text in (
            "",
            ":1",
            "router:",
            "router:0",
            "router:65536",
            "router:1:2",
            "[router]:1",
            "[::1",
            "[::1]x",
            "a b",
        ):
            problem = self.assertRaises(NotReached, parse_host, text)
            self.assertEqual((problem.exit_code, problem.code), (2, "USAGE"), text)

    def test_plain_is_for_this_machine(self) -> None:
        """Without TLS no other machine is asked: nobody would know who answers, or who listens."""
        for text in ("tcp:router", "tcp:192.0.2.1", "tcp:[2001:db8::1]:1", "tcp:127.0.0.1.example.org"):
            self.assertIn("without TLS", str(self.assertRaises(NotReached, parse_host, text)), text)


class KeyTests(SynchronousTestCase):
    """The keys of a user."""

    def setUp(self) -> None:
        self.home = os.path.abspath(self.mktemp())
        self.folder = f"{self.home}/.config/pdlease"
        os.makedirs(self.folder)
        alice = certificates(self).alice
        for name, source in (("certificate", alice.certificate), ("key", alice.key), ("ca", alice.ca)):
            shutil.copy(source, f"{self.folder}/{name}.pem")

    def test_place(self) -> None:
        """They are in ~/.config/pdlease, or where XDG_CONFIG_HOME says."""
        expected = Files(**{name: f"{self.folder}/{name}.pem" for name in ("certificate", "key", "ca")})
        self.assertEqual(keys_of_user({"HOME": self.home}), expected)
        elsewhere = keys_of_user({"HOME": "/nonexistent", "XDG_CONFIG_HOME": f"{self.home}/.config"})
        self.assertEqual(elsewhere, expected)
        context_of(expected)

    def test_open_key(self) -> None:
        """A key that others can read is not used, with the command that mends it."""
        os.chmod(f"{self.folder}/key.pem", 0o644)
        problem = self.assertRaises(UnreachableError, context_of, keys_of_user({"HOME": self.home}))
        self.assertIn(f"chmod o=,g= {self.folder}/key.pem", str(problem))

    def test_none(self) -> None:
        """Without keys nobody is asked, and the sentence names the file that lacks."""
        os.unlink(f"{self.folder}/ca.pem")
        problem = self.assertRaises(UnreachableError, context_of, keys_of_user({"HOME": self.home}))
        self.assertIn(f"{self.folder}/ca.pem: No such file", str(problem))


class CommandLineTests(SynchronousTestCase):
    """C{pdleasectl --host}."""

    def test_wrong_host(self) -> None:
        """What is no host is exit code 2, as text and as JSON."""
        self.assertEqual(run("--host", "router:0", "status").code, 2)
        self.assertEqual(run("status", "--host", "router:0", "--json").error()["code"], "usage")

    def test_two_daemons(self) -> None:
        """A host and a local socket are two daemons."""
        outcome = run("--host", "router", "--control", "/run/x", "status")
        self.assertEqual((outcome.code, "two daemons" in outcome.err), (2, True))

    def test_this_machine(self) -> None:
        """A command that looks at the machine it runs on does not go with another one."""
        for command in (["doctor"], ["cleanup"], ["check", "/x"], ["convert", "/x"]):
            outcome = run("--host", "router", *command)
            self.assertEqual((outcome.code, "about this machine" in outcome.err), (2, True), command)

    def test_unreachable(self) -> None:
        """A host that cannot be asked, for want of keys or otherwise, is exit code 3."""
        self.patch(os, "environ", {**os.environ, "XDG_CONFIG_HOME": "/nonexistent"})
        outcome = run("--host", "localhost", "status", "--json")
        self.assertEqual((outcome.code, outcome.error()["code"]), (3, "unreachable"))
