"""
Tests of L{pdlease.config.notyet}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.errors import ConfigErrors
from pdlease.config.model import Config, Guest, Switch, Uplink
from pdlease.config.notyet import not_yet, refused, runnable


class NotYetTests(SynchronousTestCase):
    """
    What is refused by name, as it is not done yet.
    """

    def test_tables(self) -> None:
        """
        Every switch and every guest is named, for the daemon to refuse.
        """
        config = Config(switches=(Switch(name="lab", link="br0"),), guests=(Guest(name="web.1", id=1),))
        self.assertEqual(
            [str(error) for error in not_yet(config)],
            [
                "switches.lab: a switch is not yet supported in this version",
                'guests."web.1": a guest is not yet supported in this version',
            ],
        )
        self.assertEqual(list(refused(config)), [])

    def test_uplinks(self) -> None:
        """
        An ordinary uplink is not refused.
        """
        config = Config(uplinks=(Uplink(name="wan", link="eth0"),))
        self.assertEqual((list(refused(config)), not_yet(config)), ([], ()))

    def test_runnable(self) -> None:
        """
        The daemon takes a configuration without such tables as it is, and refuses one with them, naming the file.
        """
        config = Config(uplinks=(Uplink(name="wan", link="eth0"),))
        self.assertIs(runnable(config, "x.toml"), config)
        errors = self.assertRaises(ConfigErrors, runnable, Config(guests=(Guest(name="a", id=1),)), "x.toml")
        self.assertEqual(str(errors), "x.toml: guests.a: a guest is not yet supported in this version")
