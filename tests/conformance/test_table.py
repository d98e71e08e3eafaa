"""
Tests of the table of conformance itself.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.table import NOT_APPLICABLE, REFUSED, judged, named, rows, tests


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

    def test_tests_name_rows_that_exist(self) -> None:
        """In this folder every row named is a row of the table."""
        known = {row.name for row in rows()}
        here = {(name, test) for name, test in tests() if ".conformance." in test and "test_table" not in test}
        self.assertEqual({each for each in here if each[0] not in known}, set())

    def test_reasons_for_what_is_not_done(self) -> None:
        """What does not apply or is refused has a reason, is a row, and is named by a test of what happens instead."""
        shown = {name for name, _ in tests()}
        reasons = {*NOT_APPLICABLE, *REFUSED}
        self.assertEqual(len(reasons), len(NOT_APPLICABLE) + len(REFUSED))
        self.assertEqual(reasons - {row.name for row in rows()}, set())
        self.assertEqual(reasons - shown, set())

    def test_nothing_is_open(self) -> None:
        """Every row is met by a test that names it, or there is a reason; no test names what is no row."""
        shown = {name for name, _ in tests()}
        names = {row.name for row in rows()}
        self.assertEqual((names - shown, shown - names), (set(), set()))

    def test_judgements(self) -> None:
        """A row is met where a test shows it, not applicable or refused where there is a reason, else open."""
        by_name = {row.name: row for row in rows()}
        self.assertEqual(judged(by_name["R-15-01"], ("a test",)), "met")
        self.assertEqual(judged(by_name["R-15-01"], ()), "open")
        self.assertIn("not applicable: ", judged(by_name["R-17.1-01"], ("a test",)))
        self.assertIn("refused: ", judged(by_name["PF-08"], ("a test",)))
