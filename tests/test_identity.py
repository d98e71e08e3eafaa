"""Tests of L{pdlease.identity}."""

from __future__ import annotations

from zlib import crc32

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.duidform import parse_form
from pdlease.identity import Identity, KnownIAID, NoLinkAddress, fitting_duid, with_iaids
from pdlease.wire.duid import DUID

MAC = bytes.fromhex("001122334455")
KEPT = DUID(bytes.fromhex("0004000102030405460788090a0b0c0d0e0f"))


class FittingDUIDTests(SynchronousTestCase):
    """
    L{fitting_duid}.
    """

    def setUp(self) -> None:
        """A machine with an Ethernet link, a PPP link and a link without an address."""
        self.asked: list[object] = []
        self.links = {"eth0": (1, MAC), "ppp0": (512, b"\0\0\0\0\0\1"), "dummy": (1, bytes(6))}

    def duid(self, form: str, kept: DUID | None = None, wall: float = 946684800.0 + 5.5) -> DUID:
        """The DUID for a configuration."""

        def octets(count: int) -> bytes:
            self.asked.append(count)
            return b"\xff" * count

        def link_address(link: str) -> tuple[int, bytes] | None:
            self.asked.append(link)
            return self.links.get(link)

        return fitting_duid(parse_form(form), kept, octets=octets, link_address=link_address, wall=wall)

    def test_uuid(self) -> None:
        """
        The default is a random UUID: type 4, 18 octets, with the marks of a random one (R-6355-01, R-11-11).
        """
        self.assertEqual(str(self.duid("uuid")), "0004" + "ffffffffffff4fffbfffffffffffffff")
        self.assertEqual(self.asked, [16])

    def test_kept(self) -> None:
        """
        A DUID of the kind asked for stays, whatever became of the link it was made of (R-11-04, R-11-05).
        """
        self.links.clear()
        for form, kept in (
            ("uuid", KEPT),
            ("llt:eth0", DUID.from_link_layer_time(1, 7, MAC)),
            ("ll:eth0", DUID.from_link_layer(1, MAC)),
        ):
            self.assertEqual(self.duid(form, kept), kept)
        self.assertEqual(self.asked, [])

    def test_another_kind(self) -> None:
        """
        Who asks for another kind of DUID gets another DUID (R-11-10).
        """
        self.assertEqual(self.duid("ll:eth0", KEPT), DUID.from_link_layer(1, MAC))
        self.assertEqual(self.duid("uuid", DUID.from_link_layer(1, MAC)).kind, 4)

    def test_link_layer_time(self) -> None:
        """
        The time of a DUID-LLT counts from the year 2000, modulo 2**32; a clock that says 1970 is no error (R-11-07).
        """
        self.assertEqual(str(self.duid("llt:eth0")), "0001" + "0001" + "00000005" + MAC.hex())
        self.assertEqual(str(self.duid("llt:eth0", wall=0.0))[8:16], f"{2**32 - 946684800:08x}")

    def test_link_without_an_address(self) -> None:
        """
        A link that is missing, is no hardware or has an address of zeros makes no DUID: one sentence (R-11-08).
        """
        for link in ("eth9", "ppp0", "dummy"):
            error = self.assertRaises(NoLinkAddress, self.duid, f"llt:{link}")
            self.assertIn(link, str(error))

    def test_written_out(self) -> None:
        """
        What the operator writes out is used as written, whatever was kept (R-11-11, R-11-12).
        """
        self.assertEqual(str(self.duid("en:32473:0cc084d3", KEPT)), "0002" + "00007ed9" + "0cc084d3")
        self.assertEqual(str(self.duid("raw:00:ff:01:02", KEPT)), "00ff0102")
        self.assertEqual(self.asked, [])


names = st.sampled_from(["wan", "dsl", "lte"])
keys = st.sampled_from(["lan0", "lan1", "#0", "#1"])
numbers = st.integers(0, 5) | st.integers(0, 2**32 - 1)


class WithIAIDsTests(SynchronousTestCase):
    """
    L{with_iaids}.
    """

    nobody = Identity(duid=KEPT)

    def test_configured(self) -> None:
        """
        A configured IAID is used, and remembered.
        """
        identity, chosen = with_iaids(self.nobody, [("wan", "lan0", 0)])
        self.assertEqual(chosen, {("wan", "lan0"): 0})
        self.assertEqual(identity.iaids, (KnownIAID(uplink="wan", delegation="lan0", iaid=0),))

    def test_derived(self) -> None:
        """
        Without one it is derived from the names, so that it is the same even on a machine that forgot (R-12-02).
        """
        _, chosen = with_iaids(self.nobody, [("wan", "lan0", None)])
        self.assertEqual(chosen["wan", "lan0"], crc32(b"wan/lan0"))

    def test_clash_with_a_configured_one(self) -> None:
        """
        A derived IAID that another delegation was given by the operator moves upwards.
        """
        number = crc32(b"wan/lan0")
        _, chosen = with_iaids(self.nobody, [("wan", "lan0", None), ("wan", "lan1", number)])
        self.assertEqual(chosen, {("wan", "lan0"): number + 1, ("wan", "lan1"): number})

    def test_number_of_one_that_went_is_not_reused(self) -> None:
        """
        The IAID of a delegation that left the configuration is kept for it (R-12-02).
        """
        number = crc32(b"wan/lan0")
        known = Identity(duid=KEPT, iaids=(KnownIAID(uplink="wan", delegation="gone", iaid=number),))
        identity, chosen = with_iaids(known, [("wan", "lan0", None)])
        self.assertEqual(chosen["wan", "lan0"], number + 1)
        _, back = with_iaids(identity, [("wan", "lan0", None), ("wan", "gone", None)])
        self.assertEqual(back, {("wan", "gone"): number, ("wan", "lan0"): number + 1})

    def test_most_in_common(self) -> None:
        """Of several that are gone, the one with most links in common goes on (R-12-02)."""
        links = {("wan", "a"): ("a", "x"), ("wan", "b"): ("b", "y", "z"), ("dsl", "c"): ("c", "y", "z", "x")}
        before, numbers = with_iaids(self.nobody, [("wan", "a", None), ("wan", "b", None), ("dsl", "c", None)], links)
        _, chosen = with_iaids(before, [("wan", "x", None)], {("wan", "x"): ("x", "z", "y")})
        self.assertEqual(chosen["wan", "x"], numbers["wan", "b"])

    def test_other_order(self) -> None:
        """
        R-12-02: a delegation whose downstreams stand in another order, or that has a new first one, keeps its number;
        one that shares nothing with it, or whose link is the first of another, has its own.
        """
        before, _ = with_iaids(self.nobody, [("wan", "lan0", None), ("wan", "lan5", None)])
        numbers = {entry.delegation: entry.iaid for entry in before.iaids}
        for links in (("lan1", "lan0"), ("lan1", "lan9", "lan0")):
            after, chosen = with_iaids(
                before,
                [("wan", "lan1", None), ("wan", "lan5", None)],
                {("wan", "lan1"): links, ("wan", "lan5"): ("lan5",)},
            )
            self.assertEqual(chosen, {("wan", "lan1"): numbers["lan0"], ("wan", "lan5"): numbers["lan5"]})
            self.assertEqual({entry.delegation for entry in after.iaids}, {"lan1", "lan5"})
            # and back again
            _, chosen = with_iaids(after, [("wan", "lan0", None)], {("wan", "lan0"): ("lan0", "lan1")})
            self.assertEqual(chosen["wan", "lan0"], numbers["lan0"])
            # the first one is gone: what was behind it is remembered as well
            for left in links[1:]:
                _, chosen = with_iaids(after, [("wan", left, None)], {("wan", left): (left,)})
                self.assertEqual(chosen["wan", left], numbers["lan0"])
        for wanted, links in (
            ([("wan", "lan1", None)], {("wan", "lan1"): ("lan1", "lan2")}),
            ([("dsl", "lan1", None)], {("dsl", "lan1"): ("lan1", "lan0")}),
            ([("wan", "lan1", None), ("wan", "lan0", None)], {("wan", "lan1"): ("lan1", "lan0")}),
            ([("wan", "lan1", None), ("wan", "x", numbers["lan0"])], {("wan", "lan1"): ("lan1", "lan0")}),
        ):
            _, chosen = with_iaids(before, wanted, links)
            self.assertNotIn(chosen[wanted[0][:2]], numbers.values())

    def test_nothing_new(self) -> None:
        """
        The identity is equal when nothing was given out, so that nothing need be written.
        """
        identity, _ = with_iaids(self.nobody, [("wan", "lan0", None), ("dsl", "lan0", 7)])
        self.assertEqual(with_iaids(identity, [("wan", "lan0", None), ("dsl", "lan0", 7)])[0], identity)

    @settings(deadline=None, max_examples=200)
    @given(
        known=st.dictionaries(st.tuples(names, keys), numbers, max_size=6),
        wanted=st.dictionaries(st.tuples(names, keys), st.none() | numbers, max_size=8),
        order=st.randoms(use_true_random=False),
    )
    def test_distinct_stable_and_without_order(
        self, known: dict[tuple[str, str], int], wanted: dict[tuple[str, str], int | None], order: object
    ) -> None:
        """
        IAIDs are distinct over all uplinks, do not depend on the order of the configuration, stay the same at the next
        start and when delegations leave and come back (R-12-01, R-12-02, D25).
        """
        distinct = {number: place for place, number in known.items()}
        before = Identity(
            duid=KEPT,
            iaids=tuple(
                KnownIAID(uplink=uplink, delegation=key, iaid=number) for number, (uplink, key) in distinct.items()
            ),
        )
        used: set[int | None] = set()
        rows = []
        for (uplink, key), number in wanted.items():
            rows.append((uplink, key, None if number in used else number))
            used.add(number)
        identity, chosen = with_iaids(before, rows)
        self.assertEqual(len(set(chosen.values())), len(rows))
        for uplink, key, number in rows:
            if number is not None:
                self.assertEqual(chosen[uplink, key], number)
        order.shuffle(rows)  # type: ignore[attr-defined]
        self.assertEqual(with_iaids(before, rows), (identity, chosen))
        self.assertEqual(with_iaids(identity, rows), (identity, chosen))
        fewer = rows[: len(rows) // 2]
        left, _ = with_iaids(identity, fewer)
        self.assertEqual(with_iaids(left, rows)[1], chosen)
