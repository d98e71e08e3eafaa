"""
Tests of L{pdlease.subnets}.
"""

from __future__ import annotations

from ipaddress import IPv6Interface, IPv6Network
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.subnets import (
    Carving,
    DoesNotFit,
    Downstream,
    GuestShare,
    block_size,
    carve,
    needed_length,
    offsets,
    parts,
    requested_length,
)

BLOCK = 1 << 64


def plan(*lengths: int) -> tuple[Downstream, ...]:
    """Downstreams of these lengths, named lan0 and so on."""
    return tuple(Downstream(link=f"lan{index}", length=length) for index, length in enumerate(lengths))


def original(lengths: list[int]) -> tuple[list[int], int]:
    """
    The original's plan, written from the six steps of seed-behaviour 2.6 with its two counters: offsets and length.
    """
    hi = lo = 0
    result = [0]
    for before, length in pairwise(lengths):
        deciding = length if before > length else before
        if deciding > 64:
            step = 1 << (128 - deciding)
            lo = (lo + step) & ~(step - 1)
            if lo >= BLOCK:
                hi, lo = hi + 1, 0
        else:
            step = 1 << (64 - deciding)
            hi, lo = (hi + step) & ~(step - 1), 0
        result.append((hi << 64) | lo)
    if hi:
        return result, 64 - hi.bit_length()
    return result, 128 - lo.bit_length() if lo else lengths[0]


LENGTHS = st.lists(st.integers(20, 128), min_size=1, max_size=12)
DOWNSTREAMS = st.lists(st.tuples(st.booleans(), st.integers(50, 80)), max_size=10).map(
    lambda rows: tuple(
        Downstream(link=None if reserve else f"lan{index}", length=length)
        for index, (reserve, length) in enumerate(rows)
    )
)
PREFIXES = st.tuples(st.integers(0, (1 << 45) - 1), st.integers(48, 72)).map(
    lambda pair: IPv6Network((((1 << 125) | (pair[0] << 80)), pair[1]))
)


@st.composite
def exclusions(draw: st.DrawFn, prefix: IPv6Network) -> IPv6Network | None:
    """A part of a prefix, or none; often at the start, where downstreams are."""
    if draw(st.booleans()):
        return None
    length = draw(st.integers(prefix.prefixlen + 1, min(prefix.prefixlen + 24, 128)))
    number = draw(st.integers(0, min((1 << (length - prefix.prefixlen)) - 1, 40)))
    return IPv6Network((int(prefix.network_address) + number * block_size(length), length))


class OffsetsTests(SynchronousTestCase):
    """
    Where blocks are placed.
    """

    def test_worked_examples(self) -> None:
        """
        Every worked example of seed-behaviour 2.6 comes out as it stands there.
        """
        half = 1 << 63
        for lengths, needed, expected in [
            ((64,), 64, (0,)),
            ((64, 64), 63, (0, BLOCK)),
            ((64, 64, 64), 62, (0, BLOCK, 2 * BLOCK)),
            ((64,) * 5, 61, tuple(range(0, 5 * BLOCK, BLOCK))),
            ((64, 60), 59, (0, 0x10 * BLOCK)),
            ((60, 64), 59, (0, 0x10 * BLOCK)),
            ((72, 72), 71, (0, 0x0100000000000000)),
            ((65, 65, 65), 63, (0, half, BLOCK)),
            ((64, 72), 63, (0, BLOCK)),
            ((128, 128, 128), 126, (0, 1, 2)),
        ]:
            self.assertEqual(offsets(plan(*lengths)), expected, lengths)
            self.assertEqual(needed_length(plan(*lengths)), needed, lengths)

    @given(LENGTHS)
    @settings(deadline=None)
    def test_as_the_original(self, lengths: list[int]) -> None:
        """
        Offsets and needed length are those of the original's two-counter plan, for lengths from 20 to 128.
        """
        expected, needed = original(lengths)
        self.assertEqual(offsets(plan(*lengths)), tuple(expected))
        self.assertEqual(needed_length(plan(*lengths)), needed)

    @given(LENGTHS)
    @settings(deadline=None)
    def test_properties(self, lengths: list[int]) -> None:
        """
        Every block is aligned to its size and begins behind the one before it, the needed length covers them all, and
        no longer one does.
        """
        end = 0
        for start, length in zip(offsets(plan(*lengths)), lengths, strict=True):
            self.assertEqual(start % block_size(length), 0)
            self.assertGreaterEqual(start, end)
            end = start + block_size(length)
        needed = needed_length(plan(*lengths))
        self.assertGreaterEqual(block_size(needed), end)
        self.assertTrue(needed == 128 or block_size(needed + 1) < end)

    def test_nothing_to_place(self) -> None:
        """
        A delegation without downstreams needs a /64.
        """
        self.assertEqual(needed_length(()), 64)

    def test_beyond_the_address_space(self) -> None:
        """
        Lengths that together exceed the address space are diagnosed, not wrapped around (D43).
        """
        self.assertEqual(needed_length(plan(1, 1)), 0)
        self.assertRaises(DoesNotFit, needed_length, plan(1, 1, 128))

    def test_guests_fill_gaps(self) -> None:
        """
        Guests count in the needed length, but not where alignment left them room.
        """
        self.assertEqual(needed_length(plan(64, 60), 15), 59)
        self.assertEqual(needed_length(plan(64, 60), 16), 58)
        self.assertEqual(needed_length((), 1), 64)
        self.assertEqual(needed_length((), 3), 62)
        self.assertEqual(needed_length(plan(72), 1), 63)

    def test_requested_length(self) -> None:
        """
        WPD-2: a computed hint is a whole nibble; C{exact} is not; a configured length wins; there may be none.
        """
        self.assertEqual(
            [requested_length("nibble", n) for n in (64, 63, 60, 59, 58, 56, 71)], [64, 60, 60, 56, 56, 56, 68]
        )
        self.assertEqual(requested_length("exact", 59), 59)
        self.assertEqual(requested_length(48, 59), 48)
        self.assertIsNone(requested_length("none", 59))

    def test_wpd_2(self) -> None:
        """
        WPD-2: 1 LAN asks for a /64, 2 to 16 for a /60, 17 to 256 for a /56.
        """
        asked = {count: requested_length("nibble", needed_length(plan(*[64] * count))) for count in (1, 2, 16, 17, 256)}
        self.assertEqual(asked, {1: 64, 2: 60, 16: 60, 17: 56, 256: 56})


class CarveTests(SynchronousTestCase):
    """
    Laying out a delegated prefix.
    """

    def test_full_example(self) -> None:
        """
        The full example of seed-behaviour 2.6 comes out as it stands there; the reserve gets no address.
        """
        downstreams = (
            Downstream(link="em1"),
            Downstream(link="em2", length=60),
            Downstream(),
            Downstream(link="em3", length=56),
            Downstream(link="em4"),
        )
        self.assertEqual(needed_length(downstreams), 54)
        carving = carve(IPv6Network("2001:db8:0:1000::/54"), downstreams)
        self.assertEqual(
            [(a.link, str(a.subnet), str(a.address)) for a in carving.assignments],
            [
                ("em1", "2001:db8:0:1000::/64", "2001:db8:0:1000::1/64"),
                ("em2", "2001:db8:0:1010::/60", "2001:db8:0:1010::1/60"),
                ("em3", "2001:db8:0:1100::/56", "2001:db8:0:1100::1/56"),
                ("em4", "2001:db8:0:1200::/64", "2001:db8:0:1200::1/64"),
            ],
        )
        self.assertEqual(carving.reserves, (IPv6Network("2001:db8:0:1020::/64"),))
        self.assertEqual(carving.unassigned, ())

    def test_larger_delegation(self) -> None:
        """
        Out of a larger delegation the same offsets are used at its start.
        """
        carving = carve(IPv6Network("2001:db8::/48"), plan(64, 60))
        self.assertEqual([str(a.subnet) for a in carving.assignments], ["2001:db8::/64", "2001:db8:0:10::/60"])

    def test_too_small(self) -> None:
        """
        WPD-3: six LANs out of a /62 are served in file order while there is room, and the others are named.
        """
        carving = carve(IPv6Network("2001:db8::/62"), plan(*[64] * 6))
        self.assertEqual([a.link for a in carving.assignments], ["lan0", "lan1", "lan2", "lan3"])
        self.assertEqual(carving.unassigned, ("lan4", "lan5"))

    def test_too_small_for_a_large_one(self) -> None:
        """
        A downstream behind one that found no room gets none either: its subnet would move once there is room.
        """
        carving = carve(IPv6Network("2001:db8::/60"), plan(64, 60, 64))
        self.assertEqual([a.link for a in carving.assignments], ["lan0"])
        self.assertEqual(carving.unassigned, ("lan1", "lan2"))

    def test_smaller_than_one_subnet(self) -> None:
        """
        A delegation that is smaller than the first downstream serves nobody.
        """
        carving = carve(IPv6Network("2001:db8::/80"), plan(64, 96))
        self.assertEqual((carving.assignments, carving.unassigned), ((), ("lan0", "lan1")))

    def test_127_and_128(self) -> None:
        """
        D49: neighbouring /128 and /127 never share an address, and every address is inside its subnet.
        """
        carving = carve(IPv6Network("2001:db8::/124"), plan(128, 128, 127, 127, 128))
        self.assertEqual(
            [str(a.address) for a in carving.assignments],
            ["2001:db8::/128", "2001:db8::1/128", "2001:db8::3/127", "2001:db8::5/127", "2001:db8::6/128"],
        )

    def test_host_part(self) -> None:
        """
        A configured host part is the router's own (D49).
        """
        carving = carve(IPv6Network("2001:db8::/64"), (Downstream(link="lan0", host=0x53),))
        self.assertEqual(carving.assignments[0].address, IPv6Interface("2001:db8::53/64"))

    def test_excluded_at_the_start(self) -> None:
        """
        A downstream that would get the excluded part moves behind it (RFC 6603 section 4.1).
        """
        carving = carve(IPv6Network("2001:db8::/60"), plan(64, 64), excluded=IPv6Network("2001:db8::/64"))
        self.assertEqual([str(a.subnet) for a in carving.assignments], ["2001:db8:0:1::/64", "2001:db8:0:2::/64"])

    def test_excluded_beside(self) -> None:
        """
        An excluded part that nobody would have got moves nobody.
        """
        carving = carve(IPv6Network("2001:db8::/60"), plan(64, 64), excluded=IPv6Network("2001:db8:0:f::/64"))
        self.assertEqual([str(a.subnet) for a in carving.assignments], ["2001:db8::/64", "2001:db8:0:1::/64"])

    def test_reserve_over_excluded(self) -> None:
        """
        A reserve may lie over the excluded part, so that one can be written for it in advance.
        """
        downstreams = (Downstream(), Downstream(link="lan0"))
        carving = carve(IPv6Network("2001:db8::/60"), downstreams, excluded=IPv6Network("2001:db8::/64"))
        self.assertEqual(carving.assignments[0].subnet, IPv6Network("2001:db8:0:1::/64"))

    def test_excluded_elsewhere(self) -> None:
        """
        An excluded prefix that is not inside the delegated one is ignored.
        """
        carving = carve(IPv6Network("2001:db8::/60"), plan(64), excluded=IPv6Network("2001:db9::/64"))
        self.assertIsNone(carving.excluded)
        self.assertEqual(carving, carve(IPv6Network("2001:db8::/60"), plan(64)))

    def test_excluded_host(self) -> None:
        """
        The uplink's own link has the configured host part in the excluded part, of whatever length that is, as long as
        it fits; without an excluded part it has nothing.
        """

        def own(excluded: str | None, host: int | None = 2) -> str:
            part = None if excluded is None else IPv6Network(excluded)
            return str(
                carve(IPv6Network("2001:db8::/60"), plan(64), excluded=part, excluded_host=host).excluded_address
            )

        self.assertEqual(own("2001:db8:0:f::/64"), "2001:db8:0:f::2/64")
        self.assertEqual(own("2001:db8::/62", 0x1_0000_0000_0000_0001), "2001:db8:0:1::1/62")
        self.assertEqual(own("2001:db8::4/126", 3), "2001:db8::7/126")
        for without in (own("2001:db8::4/127"), own("2001:db8:0:f::/64", None), own(None), own("2001:db9::/64")):
            self.assertEqual(without, "None")

    @given(st.data(), PREFIXES, DOWNSTREAMS, st.integers(0, 5))
    @settings(deadline=None)
    def test_properties(
        self, data: st.DataObject, prefix: IPv6Network, downstreams: tuple[Downstream, ...], count: int
    ) -> None:
        """
        Whatever is delegated and excluded: what is handed out is inside, aligned, overlaps nothing and not the excluded
        part; every link and guest is either served or named; served links are the first of the file.
        """
        excluded = data.draw(exclusions(prefix))
        guests = tuple(GuestShare(guest=f"g{n}", nic=0, link=f"tap{n}") for n in range(count))
        carving = carve(prefix, downstreams, excluded=excluded, guests=guests)
        subnets = [a.subnet for a in carving.assignments] + [g.subnet for g in carving.guests]
        if excluded is not None:
            subnets.append(excluded)
        else:
            subnets += carving.reserves
        for subnet in subnets:
            self.assertTrue(subnet.subnet_of(prefix), subnet)
        ordered = sorted(subnets)
        for first, second in pairwise(ordered):
            self.assertFalse(first.overlaps(second), (first, second))
        for assignment in carving.assignments:
            self.assertIn(assignment.address.ip, assignment.subnet)
        links = [d.link for d in downstreams if d.link is not None]
        self.assertEqual([a.link for a in carving.assignments] + list(carving.unassigned), links)
        self.assertEqual(len(carving.guests) + len(carving.guests_without), count)

    @given(PREFIXES, DOWNSTREAMS, st.integers(0, 40))
    @settings(deadline=None)
    def test_needed_length_is_enough(
        self, prefix: IPv6Network, downstreams: tuple[Downstream, ...], count: int
    ) -> None:
        """
        A delegation of the needed length has room for everybody.
        """
        needed = needed_length(downstreams, count)
        roomy = IPv6Network((int(prefix.network_address) >> (128 - needed) << (128 - needed), needed))
        guests = tuple(GuestShare(guest=f"g{n}", nic=0, link=f"tap{n}") for n in range(count))
        carving = carve(roomy, downstreams, guests=guests)
        self.assertEqual((carving.unassigned, carving.guests_without), ((), ()))


class GuestsTests(SynchronousTestCase):
    """
    Which /64 a guest gets.
    """

    def numbers(self, carving: Carving) -> dict[str, int]:
        """The /64 of each guest."""
        return {guest.guest: guest.number for guest in carving.guests}

    def shares(self, **numbers: int | None) -> tuple[GuestShare, ...]:
        """One NIC for each guest, with the /64 it had."""
        return tuple(GuestShare(guest=g, nic=0, link=f"tap-{g}", number=n) for g, n in numbers.items())

    def test_lowest_free(self) -> None:
        """
        Guests take the lowest /64 that no downstream, reserve or exclusion covers, in their order.
        """
        downstreams = (Downstream(link="lan0"), Downstream(), Downstream(link="lan1", length=62))
        carving = carve(
            IPv6Network("2001:db8::/59"),
            downstreams,
            excluded=IPv6Network("2001:db8:0:2::/64"),
            guests=self.shares(a=None, b=None, c=None),
        )
        self.assertEqual(self.numbers(carving), {"a": 3, "b": 8, "c": 9})
        self.assertEqual(carving.guests[0].subnet, IPv6Network("2001:db8:0:3::/64"))

    def test_remembered(self) -> None:
        """
        A guest keeps the /64 it had, whoever comes before it, and a newcomer never takes it.
        """
        carving = carve(IPv6Network("2001:db8::/60"), plan(64), guests=self.shares(new=None, old=1, older=7))
        self.assertEqual(self.numbers(carving), {"new": 2, "old": 1, "older": 7})

    def test_remembered_no_longer_fits(self) -> None:
        """
        A remembered /64 that is a downstream's now, outside of the prefix, or somebody else's, is given up for another.
        """
        carving = carve(IPv6Network("2001:db8::/61"), plan(64), guests=self.shares(a=0, b=8, c=5, d=5, e=-1))
        self.assertEqual(self.numbers(carving), {"a": 1, "b": 2, "c": 5, "d": 3, "e": 4})

    def test_no_room(self) -> None:
        """
        Guests without room are named.
        """
        carving = carve(IPv6Network("2001:db8::/63"), plan(64), guests=self.shares(a=None, b=None))
        self.assertEqual(self.numbers(carving), {"a": 1})
        self.assertEqual([share.guest for share in carving.guests_without], ["b"])

    def test_smaller_than_a_64(self) -> None:
        """
        A delegation longer than /64 has nothing for guests, remembered or not.
        """
        carving = carve(IPv6Network("2001:db8::/72"), (), guests=self.shares(a=None, b=0))
        self.assertEqual(carving.guests, ())

    @given(st.sets(st.integers(0, 8), min_size=1), st.sets(st.integers(0, 8)))
    @settings(deadline=None)
    def test_stable(self, first: set[int], second: set[int]) -> None:
        """
        Whoever else comes or goes, in whatever order, a guest that stays keeps its /64.
        """
        prefix = IPv6Network("2001:db8::/59")
        before = self.numbers(carve(prefix, plan(64, 62), guests=self.shares(**{f"g{n}": None for n in sorted(first)})))
        again = {f"g{n}": before.get(f"g{n}") for n in sorted(first | second, reverse=True)}
        after = self.numbers(carve(prefix, plan(64, 62), guests=self.shares(**again)))
        self.assertEqual({guest: after[guest] for guest in before}, before)

    def test_thousands(self) -> None:
        """
        Thousands of guests are placed without a search through all of them for each.
        """
        guests = tuple(GuestShare(guest=f"g{n}", nic=0, link="tap") for n in range(5000))
        self.assertEqual(len(carve(IPv6Network("2001:db8::/48"), plan(64), guests=guests).guests), 5000)
        self.assertEqual(needed_length(plan(64), 5000), 51)


class PartsTests(SynchronousTestCase):
    """
    A delegated prefix as a sequence of parts.
    """

    @given(st.data(), PREFIXES, DOWNSTREAMS, st.integers(0, 3))
    @settings(deadline=None)
    def test_nothing_is_left_out(
        self, data: st.DataObject, prefix: IPv6Network, downstreams: tuple[Downstream, ...], count: int
    ) -> None:
        """
        The parts cover the whole prefix, and where no reserve lies over the excluded part, every address once.
        """
        excluded = data.draw(exclusions(prefix))
        guests = tuple(GuestShare(guest=f"g{n}", nic=0, link=f"tap{n}") for n in range(count))
        found = parts(carve(prefix, downstreams, excluded=excluded, guests=guests))
        self.assertEqual(found[0].first, prefix.network_address)
        self.assertEqual(max(part.last for part in found), prefix.broadcast_address)
        following = int(found[0].first)
        for part in found:
            self.assertLessEqual(int(part.first), following)
            if excluded is None:
                self.assertEqual(int(part.first), following)
            following = max(following, int(part.last) + 1)

    def test_kinds(self) -> None:
        """
        Each part says what it is used for and by whom.
        """
        carving = carve(
            IPv6Network("2001:db8::/61"),
            (Downstream(link="lan0"), Downstream()),
            excluded=IPv6Network("2001:db8:0:7::/64"),
            guests=(GuestShare(guest="g", nic=0, link="tap0"),),
        )
        self.assertEqual(
            [(part.kind, part.link, part.guest, str(part.first)) for part in parts(carving)],
            [
                ("downstream", "lan0", "", "2001:db8::"),
                ("reserve", "", "", "2001:db8:0:1::"),
                ("guest", "tap0", "g", "2001:db8:0:2::"),
                ("free", "", "", "2001:db8:0:3::"),
                ("excluded", "", "", "2001:db8:0:7::"),
            ],
        )
