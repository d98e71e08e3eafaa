"""
Tests of L{pdlease.config.remote}: what C{[control.remote]} and the keys of local control may say.
"""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.advice import advice
from pdlease.config.compare import restart_needed
from pdlease.config.model import Config
from pdlease.config.remote import Listen, Remote, name_in_certificate, parse_listen
from pdlease.config.toml import parse
from pdlease.config.totoml import to_toml
from tests.config.test_editors import is_valid
from tests.config.test_toml import SMALLEST, problems

FILES = 'certificate = "/r/server.pem"\nkey = "/r/server.key"\nclient_ca = "/r/clients.pem"\n'


def remote(listen: str = "ssl:port=4546", files: str = FILES, roles: str = '"DNS:a" = "admin"') -> str:
    """A file with remote control."""
    return f"{SMALLEST}[control.remote]\nlisten = '{listen}'\n{files}roles = {{ {roles} }}\n"


class ListenTests(SynchronousTestCase):
    """
    Where to listen.
    """

    def test_forms(self) -> None:
        """
        It is the endpoint string of Twisted, with C{interface} where one address alone shall do; it can be written
        back.
        """
        for text, expected in {
            "ssl:4546": Listen(),
            "ssl:port=853": Listen(port=853),
            "ssl:port=4546:interface=192.0.2.1": Listen(interface="192.0.2.1"),
            "ssl:4546:interface=2001\\:db8\\:0\\:\\:1": Listen(interface="2001:db8::1"),
            "ssl:interface=fe80\\:\\:1%lan0:port=1": Listen(interface="fe80::1%lan0", port=1),
            "tcp:port=4546:interface=127.0.0.1": Listen(is_plain=True, interface="127.0.0.1"),
            "tcp:4546:interface=\\:\\:1": Listen(is_plain=True, interface="::1"),
        }.items():
            found = parse_listen(text)
            self.assertEqual(found, expected)
            self.assertEqual(parse_listen(found.written), expected)

    def test_wrong(self) -> None:
        """
        What is no such string, or asks for what is not offered, is an error that says so.
        """
        for text, words in {
            "": "expected",
            "4546": "expected",
            "unix:/run/x": "expected",
            "ssl": "port from 1 to 65535",
            "ssl:port=0": "port from 1 to 65535",
            "ssl:port=65536": "port from 1 to 65535",
            "ssl:port=4546:privateKey=/x": "cannot be said here",
            "ssl:4546:port=1": "said twice",
            "ssl:4546:interface=eth0": "must be an address",
            "ssl:4546:interface=2001:db8::1": "a colon in an address is \\:",
        }.items():
            self.assertIn(words, str(self.assertRaises(ValueError, parse_listen, text)), text)

    def test_plain_on_loopback_alone(self) -> None:
        """
        Without TLS it is for the loopback link: no other address, nor all of them, is taken.
        """
        for text in ("tcp:port=4546", "tcp:4546:interface=192.0.2.1", "tcp:4546:interface=\\:\\:"):
            self.assertIn("loopback", str(self.assertRaises(ValueError, parse_listen, text)))


class RemoteTests(SynchronousTestCase):
    """
    The table.
    """

    def assertProblems(self, text: str, *expected: str) -> None:
        """Exactly these are wrong."""
        self.assertEqual(problems(text), list(expected))

    def test_whole(self) -> None:
        """
        All five keys make remote control; names are compared in one form.
        """
        text = remote(
            roles='"email:A@example.org" = "admin", "Monitor.example.org" = "viewer", "IP:2001:DB8:0::1" = "viewer"'
        )
        expected = Remote(
            listen="ssl:port=4546",
            certificate="/r/server.pem",
            key="/r/server.key",
            client_ca="/r/clients.pem",
            roles=(
                ("email:A@example.org", "admin"),
                ("DNS:monitor.example.org", "viewer"),
                ("IP:2001:db8::1", "viewer"),
            ),
        )
        config = parse(text.encode(), "x.toml")
        self.assertEqual(config.remote, expected)
        self.assertEqual(parse(to_toml(config).encode(), "x.toml"), config)
        self.assertTrue(is_valid(text))
        self.assertFalse(is_valid(remote(roles='"DNS:a" = "root"')))

    def test_off_unless_all_is_said(self) -> None:
        """
        Without the table there is none; nor is there with part of it, and the keys that lack are a warning.  What is
        wrong in it is an error all the same.
        """
        self.assertIsNone(parse(SMALLEST.encode(), "x.toml").remote)
        self.assertIsNone(parse(f"{SMALLEST}[control]\n".encode(), "x.toml").remote)
        for text, lacking in (
            ("listen = 'ssl:port=4546'\n", "certificate, key, client_ca, roles"),
            (f'{FILES}roles = {{ "DNS:a" = "admin" }}\n', "listen"),
            ("listen = 'tcp:port=4546:interface=127.0.0.1'\n", "roles"),
        ):
            config = parse(f"{SMALLEST}[control.remote]\n{text}".encode(), "x.toml")
            self.assertIsNone(config.remote)
            (warning,) = advice(config)
            self.assertEqual(warning.path, "control.remote")
            self.assertEqual(warning.problem, f"remote control is off: [control.remote] lacks {lacking}")
            self.assertEqual(parse(to_toml(config).encode(), "x.toml"), config)
        wrong = problems(f"{SMALLEST}[control.remote]\nlisten = 'ssl:port=0'\ncertificat = 'x'\n")
        self.assertEqual(len(wrong), 2, wrong)
        self.assertIn('control.remote.certificat: unknown key; did you mean "certificate"?', wrong)

    def test_unknown(self) -> None:
        """
        A key that is not known is an error, with what may have been meant.
        """
        text = remote().replace("client_ca", "clientca")
        self.assertIn('control.remote.clientca: unknown key; did you mean "client_ca"?', problems(text))
        self.assertProblems(f"{SMALLEST}[control]\nremot = 1\n", 'control.remot: unknown key; did you mean "remote"?')

    def test_roles(self) -> None:
        """
        A role is admin or viewer, a name whole and of a kind that certificates have, and no name stands twice.
        """
        for roles, words in {
            '"DNS:a" = "root"': 'expected "viewer" or "admin"',
            '"DNS:*.example.org" = "admin"': "without wildcards",
            '"CN:alice" = "admin"': "expected",
            '"IP:alice" = "admin"': "expected IP:ADDRESS",
            '"DNS:" = "admin"': "expected",
            '"DNS:a b" = "admin"': "expected",
            '"DNS:a" = "admin", "A" = "viewer"': "named twice",
            "": "expected a table",
        }.items():
            (problem,) = problems(remote(roles=roles))
            self.assertIn(words, problem)
        self.assertEqual(name_in_certificate("alice@example.org"), "email:alice@example.org")

    def test_plain(self) -> None:
        """
        Without TLS the only name is C{*}, and there are no files; with TLS everybody must be named.
        """
        plain = "tcp:port=4546:interface=127.0.0.1"
        config = parse(remote(plain, "", '"*" = "viewer"').encode(), "x.toml")
        self.assertEqual(config.remote, Remote(listen=plain, roles=(("*", "viewer"),)))
        self.assertProblems(
            remote(plain, 'key = "/r/server.key"\n', '"*" = "viewer"'),
            "control.remote.key: has no meaning without TLS",
        )
        self.assertProblems(
            remote(plain, "", '"DNS:a" = "viewer"'),
            'control.remote.roles: without TLS nobody is known: expected { "*" = ROLE }',
        )
        self.assertProblems(remote(roles='"*" = "viewer"'), 'control.remote.roles: "*": everybody must be named')


class LiveTests(SynchronousTestCase):
    """
    What a reload takes over.
    """

    def test_restart(self) -> None:
        """
        Beginning to listen, and listening elsewhere, need a restart; other files and roles do not, nor does listening
        no more; and no change of control_users and control_viewers.
        """
        none = parse(SMALLEST.encode(), "x.toml")
        one = parse(remote().encode(), "x.toml")
        other = parse(remote("ssl:port=4547").encode(), "x.toml")
        same = parse(remote("ssl:4546", FILES.replace("/r/", "/s/"), '"DNS:b" = "viewer"').encode(), "x.toml")
        self.assertEqual(restart_needed(none, one), ("control.remote",))
        self.assertEqual(restart_needed(one, other), ("control.remote.listen",))
        self.assertEqual((restart_needed(one, same), restart_needed(one, none)), ((), ()))
        users = evolve(none.daemon, control_users=("alice",), control_viewers=("adm",))
        self.assertEqual(restart_needed(none, evolve(none, daemon=users)), ())

    def test_local(self) -> None:
        """
        control_users and control_viewers are arrays of names.
        """
        text = '[daemon]\ncontrol_users = ["alice", "alice"]\ncontrol_viewers = ["adm"]\n' + SMALLEST
        config: Config = parse(text.encode(), "x.toml")
        self.assertEqual((config.daemon.control_users, config.daemon.control_viewers), (("alice",), ("adm",)))
        self.assertEqual(
            problems('[daemon]\ncontrol_users = "alice"\n' + SMALLEST),
            ['daemon.control_users: expected an array of names, not "alice"'],
        )
