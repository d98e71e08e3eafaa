"""Tests of what pdleasectl makes of a dhcp6leased.conf without a daemon: check -v, convert, plan."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path
from tempfile import mkdtemp

from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.load import load
from tests.control.certificates import certificates
from tests.control.running import run

CONF = """\
lan = em1
request rapid commit
request prefix delegation on em0 for { $lan em2/60 reserve em3/56 em4 }
"""

PRINTED = """\
request rapid commit

request prefix delegation on em0 for {
\tem1/64
\tem2/60
\treserve/64
\tem3/56
\tem4/64
}
"""

TOML = '[uplinks.em0]\n[[uplinks.em0.delegations]]\ndownstreams = ["em1", "em2/60"]\n'


class ConfTests(SynchronousTestCase):
    def file(self, text: str, suffix: str = ".conf") -> str:
        """A configuration file."""
        path = self.mktemp() + suffix
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o644)
        return path

    def test_check(self) -> None:
        """A file named *.conf is checked as dhcp6leased.conf; its errors have file and line."""
        path = self.file(CONF)
        self.assertIn(f"{path}: ok", run("check", path).out)
        path = self.file("request prefix delegation on em0 for {\n em1/0\n em2/0\n}\n")
        outcome = run("check", path)
        self.assertEqual((outcome.code, outcome.out), (2, ""))
        for line in (2, 3):
            self.assertIn(f"{path}:{line}: error parsing interface", outcome.err)
        self.assertEqual(run("check", path, "--json").error()["path"], "line 2")

    def test_unused_macro(self) -> None:
        """A macro that nothing uses is warned of (D45)."""
        path = self.file("wan = em9\n" + CONF)
        self.assertIn(f"{path}: warning: line 1: macro 'wan' not used", run("check", path).out)

    def test_unsafe(self) -> None:
        """The file and its folder are looked at as the helper will: others may write neither, unless it is sticky."""
        folder = self.mktemp()
        os.mkdir(folder)
        path = os.path.join(folder, "x.conf")
        with open(path, "w") as file:
            file.write(CONF)
        for mode, expected in ((0o755, False), (0o775, True), (0o757, True), (0o1777, False)):
            os.chmod(folder, mode)
            self.assertEqual(f"chmod go-w {os.path.abspath(folder)}" in run("check", path).out, expected, oct(mode))
        link = self.mktemp() + ".conf"
        os.symlink(os.path.abspath(path), link)
        os.chmod(folder, 0o777)
        self.assertIn(f"chmod go-w {os.path.abspath(folder)}", run("check", link).out)
        os.chmod(path, 0o646)
        self.assertIn(f"chmod go-w {link})", run("check", link).out)

    def test_printed(self) -> None:
        """With -v, check prints the configuration as the original's -n -v does; warnings are comments."""
        path = self.file(CONF)
        lines = run("check", "-v", path).out.splitlines(keepends=True)
        # whoever runs the tests need not be root, which is worth a warning
        self.assertEqual("".join(line for line in lines if not line.startswith("# ")), PRINTED)
        self.assertEqual(run("check", "-v", path, "--json").json("check")["configuration"], PRINTED)
        self.assertIsNone(run("check", path, "--json").json("check")["configuration"])

    def test_printed_with_plan(self) -> None:
        """With -vv, check adds lengths and subnets as comments; its output, warnings too, is the same file again."""
        path = self.file("x = y\n" + CONF)
        os.chmod(path, 0o666)
        out = run("check", "-vv", path).out
        self.assertIn("# prefix length = 54\n", out)
        self.assertIn("\tem3/56\t# 2001:db8:0:100::/56\n", out)
        self.assertIn("warning", out)
        self.assertEqual(load(out.encode(), "x.conf"), load(CONF.encode(), "x.conf"))

    def test_printed_toml(self) -> None:
        """For a TOML file check -v prints TOML, which says the same."""
        path = self.file(TOML, ".toml")
        for flag in ("-v", "-vv"):
            self.assertEqual(load(run("check", flag, path).out.encode(), "x"), load(TOML.encode(), "x"))

    def test_convert(self) -> None:
        """What convert writes is TOML that says the same as the file."""
        path = self.file(CONF)
        expected = load(CONF.encode(), "x.conf")
        outcome = run("convert", path)
        self.assertEqual((outcome.code, load(outcome.out.encode(), "x.toml")), (0, expected))
        self.assertTrue(outcome.out.startswith(f"# Made of {path} by pdleasectl convert.\n"))
        document = run("convert", path, "--json").json("convert")
        self.assertEqual(load(document["toml"].encode(), "x.toml"), expected)

    def test_convert_wrong(self) -> None:
        """A wrong file is not converted: exit code 2, with its errors."""
        path = self.file("request\n")
        outcome = run("convert", path)
        self.assertEqual((outcome.code, outcome.out), (2, ""))
        self.assertIn(f"{path}:1: syntax error", outcome.err)

    def test_excluded(self) -> None:
        """
        A plan may be of a prefix of which the server keeps a part, with the uplink's own address in it; what is no part
        of a given prefix is refused.
        """
        path = self.file('[[uplinks.wan.delegations]]\ndownstreams = ["lan0"]\nexcluded_host = "::2"\n', ".toml")
        words = ("plan", path, "--prefix", "2001:db8::/56", "--excluded", "2001:db8::/64")
        (delegation,) = run(*words, "--json").json("plan")["uplinks"]["wan"]
        self.assertEqual((delegation["excluded"], delegation["excluded_address"]), ("2001:db8::/64", "2001:db8::2"))
        self.assertEqual(delegation["assignments"][0]["subnet"], "2001:db8:0:1::/64")
        self.assertIn("2001:db8::/64  ", run(*words).out)
        self.assertIn("excluded, kept for the uplink, this router 2001:db8::2\n", run(*words).out)
        for wrong in ("2001:db9::/64", "2001:db8::/56", "2001:db8::/48", "x"):
            outcome = run(*words[:-1], wrong)
            self.assertEqual((outcome.code, outcome.out), (2, ""))
            self.assertIn("--excluded: ", outcome.err)
        self.assertEqual(run(*words, "--excluded", "2001:db8:0:1::/64").code, 2)
        self.assertIn("--excluded needs FILE", run("plan", "--excluded", "2001:db8::/64").err)

    def test_plan(self) -> None:
        """The example of the original's manual gets the same addresses from the same prefix (seed-behaviour 2.6)."""
        document = run("plan", self.file(CONF), "--prefix", "2001:db8:0:1000::/54", "--json").json("plan")
        (delegation,) = document["uplinks"]["em0"]
        self.assertEqual((delegation["needed_length"], delegation["requested_length"]), (54, 54))
        self.assertEqual(
            [(entry["link"], entry["subnet"], entry["address"]) for entry in delegation["assignments"]],
            [
                ("em1", "2001:db8:0:1000::/64", "2001:db8:0:1000::1"),
                ("em2", "2001:db8:0:1010::/60", "2001:db8:0:1010::1"),
                ("em3", "2001:db8:0:1100::/56", "2001:db8:0:1100::1"),
                ("em4", "2001:db8:0:1200::/64", "2001:db8:0:1200::1"),
            ],
        )


class RemoteTests(SynchronousTestCase):
    """What C{check} says of the files of remote control."""

    if os.geteuid() != 0:
        skip = "only root can tell what the daemon's user may read"

    def test_files(self) -> None:
        """Root is told what would keep remote control off, and nothing where everything is as it must be."""
        folder = Path(mkdtemp(prefix="pdlease-check-"))
        self.addCleanup(shutil.rmtree, folder)
        remote = folder / "remote"
        remote.mkdir(mode=0o755)
        server = certificates(self).server
        for name, source, mode in (
            ("server.pem", server.certificate, 0o644),
            ("server.key", server.key, 0o600),
            ("ca.pem", server.ca, 0o644),
        ):
            shutil.copy(source, remote / name)
            (remote / name).chmod(mode)
        path = folder / "pdlease.toml"
        table = (
            f"[control.remote]\nlisten = 'ssl:4546'\ncertificate = '{remote}/server.pem'\n"
            f"key = '{remote}/server.key'\nclient_ca = '{remote}/ca.pem'\nroles = {{ a = 'viewer' }}\n"
        )
        path.write_text(f'[daemon]\nuser = "nobody"\n{TOML}{table}')

        def warnings() -> list[dict[str, str]]:
            found = run("check", str(path), "--json").json("check")["warnings"]
            return [one for one in found if one["path"] == "control.remote"]

        (warning,) = warnings()
        self.assertIn(f"{remote}/server.key cannot be read by user nobody", warning["message"])
        group = pwd.getpwnam("nobody").pw_gid
        os.chown(remote / "server.key", 0, group)
        (remote / "server.key").chmod(0o640)
        self.assertEqual(warnings(), [])
        (remote / "server.key").chmod(0o644)
        self.assertIn("may be read by others", warnings()[0]["message"])
