"""
Tests for L{pdlease.client.reasons}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import pdlease.client
from pdlease.client.reasons import Change, DiscardReason, Reason


class ReasonTests(SynchronousTestCase):
    def test_sentences(self) -> None:
        """Every reason makes a sentence, with or without a detail, and no template is left in it."""
        for reason in Reason:
            for detail in ("", "NoPrefixAvail"):
                sentence = reason.sentence(detail)
                self.assertNotIn("{", sentence)
                self.assertTrue(sentence[0].isalnum() and not sentence.endswith("."))

    def test_details_are_not_templates(self) -> None:
        """What a server says is put in once, and not read as a template."""
        self.assertEqual(Reason.NOTHING_OFFERED.sentence("{detail} {x}"), "server said {detail} {x}")

    def test_every_member_is_used(self) -> None:
        """No reason is there that nothing gives: every member is named in the room, or by who feeds it."""
        room = Path(pdlease.client.__file__).parent
        feeders = (room.parent / name for name in ("udp.py", "uplink.py"))
        source = "".join(path.read_text() for path in (*room.glob("*.py"), *feeders) if path.name != "reasons.py")
        for kind, short in ((Reason, "R"), (Change, "Change"), (DiscardReason, "DiscardReason")):
            for member in kind:
                names = (f"{kind.__name__}.{member.name}", f"{short}.{member.name}")
                if member is not Reason.NEVER_UP:
                    self.assertTrue(any(name in source for name in names), member)
