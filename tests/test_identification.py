"""
Tests of L{pdlease.identification}.
"""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.toml import parse
from pdlease.identification import identified, strangers, suspicion
from pdlease.identity import Identity, KnownDUID, NoLinkAddress
from pdlease.stores import serial
from pdlease.wire.duid import DUID

CARDS = {"eth0": (1, bytes(range(6))), "eth1": (1, bytes(range(6, 12)))}
IMPORTED = DUID.parse_hex("0001000111223344aabbccddeeff")


def config_of(identity: str = "uuid", **uplinks: str) -> bytes:
    """A file with uplinks, each with its own DUID or none."""
    lines = [f'[identity]\nduid = "{identity}"\n[switches.lab]']
    for name, duid in uplinks.items():
        lines.append(f'[uplinks.{name}]\nduid = "{duid}"\n[[uplinks.{name}.delegations]]\ndownstreams = ["{name}d"]')
    return "\n".join(lines).encode()


class IdentifiedTests(SynchronousTestCase):
    """
    The identity under a configuration.
    """

    def setUp(self) -> None:
        """The machine: its cards, and random octets that are never the same."""
        self.cards = dict(CARDS)
        self.drawn = 0

    def octets(self, count: int) -> bytes:
        """Octets that were not given before."""
        self.drawn += 1
        return bytes([self.drawn]) * count

    def identified(self, kept: Identity | None, text: bytes) -> Identity:
        """The identity."""
        return identified(kept, parse(text, "x"), octets=self.octets, link_address=self.cards.get, wall=1e9)

    def test_restart(self) -> None:
        """
        R-11-04, R-11-05: whatever kinds are asked for, a restart changes nothing, with all cards gone or replaced.
        """
        text = config_of("llt:eth0", a="ll:eth1", b="uuid", c="", d="llt:eth1", e="raw:000312")
        first = self.identified(None, text)
        self.assertEqual([entry.uplink for entry in first.duids], ["a", "b", "d", "e"])
        self.cards = {"eth0": (1, b"\x02other")}
        again = self.identified(serial.load_identity(serial.dump_identity(first)), text)
        self.assertEqual(again, first)

    def test_per_uplink(self) -> None:
        """
        R-11-09, R-11-11: a DUID of its own is there on its uplink only.
        """
        found = self.identified(None, config_of(a="ll:eth0", b=""))
        self.assertEqual(found.duid_of("a"), DUID.from_link_layer(1, CARDS["eth0"][1]))
        self.assertEqual((found.duid_of("b"), found.duid.kind), (found.duid, 4))

    def test_other_kind(self) -> None:
        """
        Another kind asked for makes another DUID; the same kind of another link does not (R-11-04).
        """
        first = self.identified(None, config_of(a="ll:eth0"))
        self.assertEqual(self.identified(first, config_of(a="ll:eth1")), first)
        self.assertNotEqual(self.identified(first, config_of(a="uuid")).duid_of("a"), first.duid_of("a"))

    def test_taken_over(self) -> None:
        """
        A DUID that was taken over from another client stays, of whatever type it is, until another kind is asked for.
        """
        kept = Identity(duid=IMPORTED, asked="uuid")
        self.assertEqual(self.identified(kept, config_of()).duid, IMPORTED)
        self.assertNotEqual(self.identified(kept, config_of("llt:eth0")).duid, IMPORTED)
        self.assertNotEqual(self.identified(evolve(kept, asked=""), config_of()).duid, IMPORTED)

    def test_gone_for_a_while(self) -> None:
        """
        An uplink that leaves the file and comes back has its own DUID again; one that gives it up has it no longer.
        """
        first = self.identified(None, config_of(a="uuid", b=""))
        without = self.identified(first, config_of(b=""))
        self.assertEqual(self.identified(without, config_of(a="uuid", b="")), first)
        self.assertEqual(self.identified(first, config_of(a="")).duids, ())

    def test_no_address(self) -> None:
        """
        R-11-08: a link without an address that can be used is an error, once, and not where the DUID is kept.
        """
        self.assertRaises(NoLinkAddress, self.identified, None, config_of(a="ll:ppp0"))

    def test_strangers(self) -> None:
        """
        R-11-10: uplinks whose DUID is another one, and only these, have what they held forgotten.
        """
        first = self.identified(None, config_of(a="uuid", b="", c="ll:eth0"))
        after = evolve(first, duid=IMPORTED, duids=(KnownDUID(uplink="a", duid=first.duid_of("a")), *first.duids[1:]))
        self.assertEqual(strangers(first, after, ("a", "b", "c")), ("b",))
        self.assertEqual(strangers(first, self.identified(first, config_of(a="", b="", c="")), ("a", "b")), ("a",))
        self.assertEqual(strangers(None, first, ("a", "b")), ())


class SuspicionTests(SynchronousTestCase):
    """
    An identity that may have been lost.
    """

    def test_traces_of_an_earlier_run(self) -> None:
        """
        Where there is no identity and the kernel holds routes with our mark, the state folder may have been lost: that
        is told with its path; a true first start and a restart are no reason for words (design 18).
        """
        self.assertRegex(suspicion(None, "/var/lib/pdlease", True), "no identity in /var/lib/pdlease, .* a new client")
        self.assertEqual(suspicion(None, "/var/lib/pdlease", False), "")
        self.assertEqual(suspicion(Identity(duid=IMPORTED), "/var/lib/pdlease", True), "")
