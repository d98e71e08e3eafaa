"""
What the kernel of this machine may not have, on one that has it: VLANs, VRFs, PPPoE, a clock that may be stepped.

Everything is tried in one machine, which is booted once (L{tests.live.inside_lab}); each test here looks at what was
said of its part.
"""

from __future__ import annotations

from functools import cache
from subprocess import CompletedProcess

from twisted.trial.unittest import SynchronousTestCase

from tests.live.laboratory import run_there


@cache
def machine() -> CompletedProcess[str]:
    """The machine after everything was tried in it."""
    # pppoe-server runs its sessions through a terminal
    return run_there("tests.live.inside_lab", 600, "ppp_async")


class LaboratoryTests(SynchronousTestCase):
    """One part each."""

    # the laboratory fetches its kernel when it is used for the first time
    timeout = 900

    def assert_told(self, part: str, *steps: str) -> None:
        """All steps of a part were taken."""
        told = machine().stdout
        for step in steps:
            self.assertIn(f"{part}: {step}\n", told, told[-8000:])

    def test_vlan_uplink(self) -> None:
        """
        An uplink that is a VLAN of an Ethernet port binds, and is rebound when the port below loses its carrier; its
        messages have the configured IEEE 802.1p priority and DSCP.
        """
        self.assert_told("VLAN", "bound", "marked", "bound again")

    def test_pppoe_uplink(self) -> None:
        """
        An uplink by PPPoE binds when the session comes; the next session, which is another link, is rebound, and the
        LAN keeps its addresses meanwhile (R-D-03).
        """
        self.assert_told("PPPoE", "bound", "bound again")

    def test_vrf_uplink(self) -> None:
        """
        P5: an uplink is put into its VRF when that appears, binds there, and has its routes in the VRF's table or in
        the one that is configured; it moves with the configuration, waits when the VRF goes, and is taken out when it
        leaves the file.
        """
        self.assert_told("VRF uplink", "waits", "bound", "answers", "moved", "lost", "left", "removed")

    def test_vrf_of_guests(self) -> None:
        """
        P5: bridge and link are put into their VRF, a port into the bridge, a local /96 into the VRF's table; a reload
        takes all of it out.
        """
        self.assert_told("VRF", "entered", "local", "left")

    def test_clock(self) -> None:
        """Steps of that machine's clock, to 1970 and back, do nothing at all."""
        self.assert_told("clock", "stepped")

    def test_all_went_well(self) -> None:
        """Nothing else went wrong there."""
        done = machine()
        self.assertEqual(done.returncode, 0, done.stdout[-8000:])
