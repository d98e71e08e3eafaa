"""
Tests of the table of conformance itself.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.table import NOT_APPLICABLE, REFUSED, SHOWING, documented, judged, named, namings, rows


class TableTests(SynchronousTestCase):
    def test_rows(self) -> None:
        """Every row stands once, under a heading, with all its fields."""
        names = [row.name for row in rows()]
        self.assertEqual(len(names), len(set(names)))
        self.assertGreater(len(names), 300)
        for row in rows():
            self.assertTrue(all((row.name, row.section, row.source, row.level, row.concerns, row.text)), row)

    def test_names_at_the_beginning(self) -> None:
        """A docstring names rows at its beginning, up to the colon; what it mentions later is not claimed."""
        self.assertEqual(named("R-18.2.1-12, A.2 and WPD-5: more than R-15-01."), ("R-18.2.1-12", "WPD-5"))
        self.assertEqual(named("R-16.10-02 (D6 of the original): so it is."), ("R-16.10-02",))
        self.assertEqual(named("Something like R-15-01: no."), ())

    def test_documented(self) -> None:
        """The tests of a module are the methods of its classes that are called so; their docstrings are read."""
        source = (
            'class A:\n    def test_a(self):\n        """R-15-01: so."""\n    def help(self):\n        "R-15-02: no."\n'
        )
        self.assertEqual(list(documented(source)), [("test_a", "R-15-01: so.")])

    def test_tests_name_rows_that_exist(self) -> None:
        """What tests name is a row of the table."""
        known = {row.name for row in rows()}
        here = f"{__name__}."
        self.assertEqual(
            {each for each in namings() if each.row not in known and not each.test.startswith(here)}, set()
        )

    def test_only_own_tests_show(self) -> None:
        """
        A row is shown where its name begins the docstring of a test in certain folders, and by nothing else: not where
        it is mentioned, nor by a test of some part of the program.
        """
        found = {(each.row, each.test): each.is_shown for each in namings()}
        self.assertTrue(found["R-18.2.1-12", "tests.conformance.test_timing.test_solicit"])
        self.assertFalse(found["R-16-02", "tests.test_udp.test_wrong_link"])
        self.assertLessEqual({test.split(".")[1] for (_, test), shown in found.items() if shown}, set(SHOWING))

    def test_reasons_for_what_is_not_done(self) -> None:
        """What does not apply or is refused has a reason and is a row."""
        reasons = {*NOT_APPLICABLE, *REFUSED}
        self.assertEqual(len(reasons), len(NOT_APPLICABLE) + len(REFUSED))
        self.assertEqual(reasons - {row.name for row in rows()}, set())

    def test_nothing_is_open(self) -> None:
        """Every row is shown by a test; by one of what happens instead where there is a reason."""
        shown = {each.row for each in namings() if each.is_shown}
        self.assertEqual({row.name for row in rows()} - shown, set())

    def test_judgements(self) -> None:
        """A row is met where a test shows it, not applicable or refused where there is a reason; else it is open."""
        by_name = {row.name: row for row in rows()}
        self.assertEqual(judged(by_name["R-15-01"], ("a test",)), "met")
        self.assertEqual(judged(by_name["R-15-01"], ()), "open")
        self.assertEqual(judged(by_name["R-17.1-01"], ()), "open")
        self.assertIn("not applicable: ", judged(by_name["R-17.1-01"], ("a test",)))
        self.assertIn("refused: ", judged(by_name["PF-08"], ("a test",)))
