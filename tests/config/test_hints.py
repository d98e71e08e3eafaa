"""
Tests of what a configuration says about lengths to ask for, and of delegations that are split.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.errors import ConfigErrors
from pdlease.config.model import Config
from pdlease.config.plan import plan_document
from pdlease.config.toml import parse
from pdlease.config.totoml import to_toml

UPLINK = "[uplinks.wan]\n[[uplinks.wan.delegations]]\n{}\n"


def read(keys: str) -> Config:
    """A configuration with one delegation table."""
    return parse(UPLINK.format(keys).encode(), "x")


class HintTests(SynchronousTestCase):
    """
    Lengths to ask for.
    """

    def lengths(self, hint: str) -> tuple[int | None, tuple[int, ...]]:
        """What is asked for at first, and then."""
        delegation = read(f'hint = {hint}\ndownstreams = ["a", "b/60"]').uplinks[0].delegations[0]
        return delegation.requested_length, delegation.further_lengths

    def test_one(self) -> None:
        """
        The words and a single length leave nothing to ask for afterwards.
        """
        for hint, length in (('"nibble"', 56), ('"exact"', 59), ('"none"', None), ("48", 48)):
            self.assertEqual(self.lengths(hint), (length, ()))

    def test_several(self) -> None:
        """
        Several lengths are asked for one after the other.
        """
        self.assertEqual(self.lengths("[48, 56, 60]"), (48, (56, 60)))
        self.assertEqual(self.lengths("[56]"), (56, ()))

    def test_wrong(self) -> None:
        """
        No length, one twice, or more than eight are refused.
        """
        for hint in ("[]", "[48, 48]", "[0]", '["nibble"]', "[1, 2, 3, 4, 5, 6, 7, 8, 9]", "[true]"):
            self.assertIn("hint: expected", str(self.assertRaises(ConfigErrors, self.lengths, hint)))

    def test_written(self) -> None:
        """
        What is written of several lengths says the same.
        """
        config = read('hint = [48, 56]\ndownstreams = ["a"]')
        self.assertEqual(parse(to_toml(config).encode(), "x"), config)


class SplitTests(SynchronousTestCase):
    """
    One delegation of each downstream.
    """

    def test_split(self) -> None:
        """
        R-8987-03: one association for each LAN, known by its link, each asking for what that link needs.
        """
        config = read('split = true\ndownstreams = ["a", "b/60", { link = "c", host = "::2" }]')
        delegations = config.uplinks[0].delegations
        self.assertEqual([entry.key for entry in delegations], ["a", "b", "c"])
        self.assertEqual([entry.links for entry in delegations], [("a",), ("b",), ("c",)])
        self.assertEqual([entry.requested_length for entry in delegations], [64, 60, 64])
        self.assertEqual(parse(to_toml(config).encode(), "x"), config)

    def test_stable(self) -> None:
        """
        R-12-02: what a downstream is known by does not depend on the others, nor on delegations beside.
        """
        first = read('split = true\ndownstreams = ["a", "b"]').uplinks[0].delegations
        second = read('downstreams = ["x"]\n[[uplinks.wan.delegations]]\nsplit = true\ndownstreams = ["b", "c", "a"]')
        self.assertEqual([entry.key for entry in second.uplinks[0].delegations], ["x", "b", "c", "a"])
        self.assertLessEqual(set(first), set(second.uplinks[0].delegations))

    def test_plan(self) -> None:
        """
        The plan shows every one of them.
        """
        plan = plan_document(read('split = true\ndownstreams = ["a", "b"]'), {})
        uplinks = plan["uplinks"]
        assert isinstance(uplinks, dict) and isinstance(uplinks["wan"], list)
        self.assertEqual(len(uplinks["wan"]), 2)

    def test_wrong(self) -> None:
        """
        Neither an IAID, nor a reserve, nor nothing at all can be split; 32 are the most.
        """
        many = ", ".join(f'"l{number}"' for number in range(33))
        for keys, problem in (
            ('iaid = 1\nsplit = true\ndownstreams = ["a"]', "delegations[0].iaid: one IAID does not do"),
            ('split = true\ndownstreams = ["a", "reserve"]', "delegations[0].downstreams: a reserve has no use"),
            ("split = true", "delegations[0].downstreams: expected at least one downstream"),
            ('split = true\ndownstreams = ["a", "a"]', "a is a downstream already"),
            (f"split = true\ndownstreams = [{many}]", "more than 32 delegations"),
            ('split = true\ndownstreams = ["a/8"]', "delegations[0].downstreams: these need a /8"),
        ):
            self.assertIn(problem, str(self.assertRaises(ConfigErrors, read, keys)))
