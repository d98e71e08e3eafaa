"""
Tests of L{pdlease.config.load}.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.errors import ConfigErrors
from pdlease.config.load import load

TOP = Path(__file__).parents[2]

CONF = b"request prefix delegation on em0 for em1\n"

TOML = b'[uplinks.em0]\n[[uplinks.em0.delegations]]\nhint = "exact"\ndownstreams = ["em1"]\n'

SCRIPT = """
import sys
from pdlease.config.errors import ConfigErrors
from pdlease.config.load import load

load(b"request prefix delegation on em0 for em1", "x.conf")
before = set(sys.modules)
if "tomllib" in before:
    sys.exit("tomllib is imported, and not needed")
load(b"a = em1\\nrequest prefix delegation on em0 for { $a 'b'/60 }".replace(b"'b'/60", b"'b/60'"), "x.conf")
for wrong in (b"}", b"$x", b"'", b"'\\0'", b"x" * 9000, b"#" * 2000000, b"}\\n" * 1000, b"\\xff", b"a a = 5",
              b"request prefix delegation on em0 for { '\\xff' em1/0 a/1 a/1 b/1 c/1 }"):
    try:
        load(wrong, "x.conf")
    except ConfigErrors as errors:
        str(errors)
    else:
        sys.exit("no error: " + repr(wrong))
late = set(sys.modules) - before
sys.exit(f"imported late: {sorted(late)}" if late else 0)
"""


class LoadTests(SynchronousTestCase):
    """
    Which form a file has.
    """

    def test_by_name(self) -> None:
        """
        A file named C{*.conf} is read as dhcp6leased.conf, any other as TOML, into the same model.
        """
        config = load(CONF, "/etc/dhcp6leased.conf")
        for name in ("x.toml", "x", "conf", "x.conf.toml"):
            self.assertEqual(load(TOML, name), config)
            self.assertRaises(ConfigErrors, load, CONF, name)
        self.assertRaises(ConfigErrors, load, TOML, "x.conf")

    def test_nothing_is_imported_late(self) -> None:
        """
        Once a file in the form of dhcp6leased.conf was read, reading it again imports nothing, be it right or wrong:
        behind the sandbox nothing could be; and what only TOML needs is not imported at all.
        """
        done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=TOP, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
