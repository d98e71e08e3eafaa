"""
Tests of L{pdlease.config.notyet}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.model import NIC, Config, Guest, Switch, Uplink
from pdlease.config.notyet import refused


class NotYetTests(SynchronousTestCase):
    """
    What is refused by name, as it is not done yet.
    """

    def test_uplinks(self) -> None:
        """
        An uplink in a VRF is refused; an ordinary one is not.
        """
        config = Config(uplinks=(Uplink(name="wan", link="eth0"), Uplink(name="dsl", link="ppp0", vrf="blue")))
        self.assertEqual(
            [str(error) for error in refused(config)],
            ["uplinks.dsl.vrf: an uplink in a VRF is not yet supported in this version"],
        )

    def test_switches_and_guests(self) -> None:
        """
        Switches and guests are not refused, nor is a VRF of theirs.
        """
        guest = Guest(name="web1", id=1, nics=(NIC(link="tap0", vrf="blue"),))
        config = Config(switches=(Switch(name="lab", link="br0", vrf="blue"),), guests=(guest,))
        self.assertEqual(list(refused(config)), [])
