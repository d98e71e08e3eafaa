"""
Tests of L{pdlease.logs}.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pdlease.logs import LEVELS, Logger, level, set_level


class LevelTests(SynchronousTestCase):
    """How much is logged."""

    def setUp(self) -> None:
        self.addCleanup(set_level, level())
        self.heard: list[dict[str, Any]] = []

    def logger(self, namespace: str) -> Logger:
        """A logger whose events are gathered."""
        return Logger(namespace=namespace, observer=self.heard.append)

    def shown(self, namespace: str) -> dict[str, bool]:
        """At which level a detail of this namespace is shown."""
        shown = {}
        for word in LEVELS:
            set_level(word)
            self.heard.clear()
            self.logger(namespace).debug("a detail")
            shown[word] = bool(self.heard)
        return shown

    def test_messages(self) -> None:
        """Details of DHCPv6 messages are shown from C{verbose} on."""
        for namespace in ("pdlease.uplink.Uplink", "pdlease.telling.Telling"):
            self.assertEqual(self.shown(namespace), {"debug": True, "verbose": True, "brief": False})

    def test_other_details(self) -> None:
        """Other details only with C{debug}."""
        self.assertEqual(self.shown("pdlease.applier.Applier"), {"debug": True, "verbose": False, "brief": False})

    def test_what_must_be_known(self) -> None:
        """What an operator must know is shown always."""
        set_level("brief")
        log = self.logger("pdlease.applier")
        log.info("{what}", what="address")
        log.warn("careful")
        log.error("wrong")
        self.assertEqual([event["log_level"] for event in self.heard], [LogLevel.info, LogLevel.warn, LogLevel.error])

    def test_words(self) -> None:
        """Another word is refused with those there are, and changes nothing."""
        set_level("verbose")
        problem = self.assertRaises(ValueError, set_level, "loud")
        self.assertEqual(str(problem), "loud: expected one of debug, verbose, brief")
        self.assertEqual(level(), "verbose")
