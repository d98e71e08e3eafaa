"""
Tests of L{pdlease.instance}.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from pdlease.instance import SPARES, AlreadyRunning, Instance


class InstanceTests(SynchronousTestCase):
    """Tests of L{Instance}."""

    def setUp(self) -> None:
        self.first, self.second = Instance(), Instance()
        self.addCleanup(self.first.close)
        self.addCleanup(self.second.close)
        self.folder = self.mktemp()
        os.mkdir(self.folder)

    def test_a_state_folder_serves_one_instance(self) -> None:
        """A second instance on the same state folder is refused with the folder's name (R-D-01)."""
        self.first.hold_state(self.folder)
        problem = self.assertRaises(AlreadyRunning, self.second.hold_state, self.folder)
        self.assertIn(self.folder, str(problem))

    def test_a_state_folder_is_given_back(self) -> None:
        """When the first instance has ended, the next may use the folder."""
        self.first.hold_state(self.folder)
        self.first.close()
        self.second.hold_state(self.folder)

    def test_an_uplink_serves_one_instance(self) -> None:
        """A second instance on the same uplink is refused with the link's name (R-D-01)."""
        self.first.hold_uplinks(["pdt-wan0"])
        problem = self.assertRaises(AlreadyRunning, self.second.hold_uplinks, ["pdt-wan1", "pdt-wan0"])
        self.assertIn("pdt-wan0", str(problem))

    def test_a_refusal_changes_nothing(self) -> None:
        """Uplinks of a request that was refused in part stay free for others."""
        self.first.hold_uplinks(["pdt-wan3"])
        self.assertRaises(AlreadyRunning, self.second.hold_uplinks, ["pdt-wan2", "pdt-wan3"])
        self.first.hold_uplinks(["pdt-wan2", "pdt-wan3"])

    def test_what_is_not_named_again_is_given_back(self) -> None:
        """An uplink that a reload removed is free for another instance."""
        self.first.hold_uplinks(["pdt-wan4", "pdt-wan5"])
        self.first.hold_uplinks(["pdt-wan5"])
        self.second.hold_uplinks(["pdt-wan4"])
        self.assertRaises(AlreadyRunning, self.second.hold_uplinks, ["pdt-wan5"])

    def test_spares(self) -> None:
        """
        Behind the sandbox, where no socket can be made, uplinks are held with sockets that were made before; these can
        neither send nor receive.  When they are used up, a restart is asked for, and nothing has changed.
        """
        self.first.prepare()
        self.first.prepare()
        spares = list(self.first._spares or ())
        self.assertEqual(len(spares), SPARES)
        self.assertRaises(BrokenPipeError, spares[0].sendto, b"x", "\0anybody")
        names = [f"pdt-s{number}" for number in range(SPARES)]
        self.first.hold_uplinks(names)
        self.assertRaises(AlreadyRunning, self.second.hold_uplinks, names[:1])
        problem = self.assertRaises(AlreadyRunning, self.first.hold_uplinks, [*names, "pdt-more"])
        self.assertIn("only a restart can add the uplink pdt-more", str(problem))
        self.second.hold_uplinks(["pdt-more"])
        self.assertRaises(AlreadyRunning, self.second.hold_uplinks, names[-1:])
        self.first.close()
        self.second.hold_uplinks(names)
