"""
Tests of L{pdlease.config.reading}.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.reading import Reading, did_you_mean, edits, joined, written

WORDS = st.text("abc", max_size=6)

TOP = Path(__file__).parents[2]

SCRIPT = """
import sys
from pdlease.config.compare import changed_uplinks, restart_needed
from pdlease.config.toml import ConfigErrors, parse

before = set(sys.modules)
right = "[uplinks.a]\\n[[uplinks.a.delegations]]\\ndownstreams = ['b/60', {link = 'c', host = '::1'}]"
config = parse(right.encode(), "x")
changed_uplinks(config, config), restart_needed(config, config)
for wrong in (
    "[uplinks.a.b]\\nx = 2026-01-01T00:00:00Z\\n[uplink]\\n[daemon]\\nstat = 1\\n[identity]\\nduid = 'x'",
    "[guests.a]\\nid = 1\\n[local]\\nprefix = 3",
    "[",
    "a = " + "[" * 9000,
    "a = " + "1" * 9000,
):
    try:
        parse(wrong.encode(), "x")
    except ConfigErrors as errors:
        str(errors)
    else:
        sys.exit("no error: " + wrong)
late = set(sys.modules) - before
sys.exit(f"imported late: {sorted(late)}" if late else 0)
"""


class DidYouMeanTests(SynchronousTestCase):
    """
    Which known word an unknown one was meant to be.
    """

    def test_near(self) -> None:
        """
        A letter too many, too few or wrong, and in long words some of them, are taken for slips of the pen.
        """
        known = ["rapid_commit", "link", "solicit_delay", "iaid"]
        for word, meant in [
            ("rapid_comit", "rapid_commit"),
            ("rapidcommit", "rapid_commit"),
            ("rapid-commit", "rapid_commit"),
            ("links", "link"),
            ("lnk", "link"),
            ("solicitdelays", "solicit_delay"),
            ("iad", "iaid"),
        ]:
            self.assertEqual(did_you_mean(word, known), f'; did you mean "{meant}"?')

    def test_far(self) -> None:
        """
        A word that is like none of them is not.
        """
        for word in ("", "x", "interface", "commit", "delay", "x" * 1000):
            self.assertEqual(did_you_mean(word, ["rapid_commit", "link", "solicit_delay", "iaid"]), "", word)
        self.assertEqual(did_you_mean("x", []), "")

    @given(WORDS, WORDS, WORDS)
    @settings(deadline=None)
    def test_edits_are_a_distance(self, one: str, two: str, three: str) -> None:
        """
        The number of edits is a distance: nothing for equal words only, the same both ways, no longer than a detour.
        """
        self.assertEqual(edits(one, two) == 0, one == two)
        self.assertEqual(edits(one, two), edits(two, one))
        self.assertLessEqual(edits(one, three), edits(one, two) + edits(two, three))
        self.assertLessEqual(edits(one, two), max(len(one), len(two)))


class PathsTests(SynchronousTestCase):
    """
    Dotted paths.
    """

    def test_quotes(self) -> None:
        """
        A key that cannot stand bare is quoted as in TOML, and what cannot be printed is written out.
        """
        self.assertEqual([written(key) for key in ("a-b_1", "a.b", "", 'a"b', "a\\b", "a\nb", "\u00fc")], [
            "a-b_1", '"a.b"', '""', '"a\\"b"', '"a\\\\b"', '"a\\nb"', '"\u00fc"',
        ])  # fmt: skip
        self.assertEqual(joined("", "a"), "a")
        self.assertEqual(joined("a", "b.c"), 'a."b.c"')


class ReadingTests(SynchronousTestCase):
    """
    Collecting errors.
    """

    def test_claims(self) -> None:
        """
        A value may be used once for each purpose; each further use names the first.
        """
        reading = Reading()
        reading.claim("link", "a", "p1", "used at")
        reading.claim("id", "a", "p2", "used at")
        reading.claim("link", "a", "p3", "used at")
        reading.claim("link", "a", "p4", "used at")
        self.assertEqual([str(error) for error in reading.errors], ["p3: used at p1", "p4: used at p1"])


class ImportsTests(SynchronousTestCase):
    """
    Reading a file behind the sandbox.
    """

    def test_nothing_is_imported_late(self) -> None:
        """
        Neither a right file nor one with every kind of error makes the reader import anything: behind the sandbox it
        could not.
        """
        done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=TOP, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
