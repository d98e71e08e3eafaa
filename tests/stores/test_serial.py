"""Tests of L{pdlease.stores.serial}."""

from __future__ import annotations

import json
from ipaddress import IPv6Network
from math import inf

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.identity import Identity, KnownDUID, KnownIAID, KnownSubnet
from pdlease.lease import Binding, DelegatedPrefix, Lease, ReconfigureKey, StaleSubnet, UplinkRecord
from pdlease.stores import fields, serial
from pdlease.testing import IDENTITY, SetTimes, record
from pdlease.wire.duid import DUID

NOW = serial.Clocks(boot=500.0, wall=1_790_000_000.0, boot_id="one", wall_trusted=True)

duids = st.binary(min_size=3, max_size=130).map(DUID)
whole = st.integers(0, 2**32 - 1)
moments = st.floats(501.0, 1e10) | st.just(inf)
pasts = st.floats(0.0, 500.0)


@st.composite
def prefixes(draw: st.DrawFn) -> DelegatedPrefix:
    """Any prefix that a lease can hold at L{NOW}."""
    length = draw(st.integers(1, 127))
    prefix = IPv6Network((draw(st.integers(0, 2**128 - 1)), length), strict=False)
    return DelegatedPrefix(
        prefix=prefix,
        preferred_until=draw(moments),
        valid_until=draw(moments),
        mentioned_at=draw(pasts),
        server=draw(duids),
        excluded=draw(st.none() | st.just(next(prefix.subnets()))),
    )


records = st.builds(
    UplinkRecord,
    lease=st.builds(
        Lease,
        bindings=st.lists(
            st.builds(
                Binding,
                iaid=whole,
                prefixes=st.lists(prefixes(), max_size=3).map(tuple),
                t1_at=moments,
                t2_at=moments,
                received_at=pasts,
            ),
            max_size=3,
        ).map(tuple),
        server=st.none() | duids,
    ),
    sol_max_rt=st.none() | whole,
    inf_max_rt=st.none() | whole,
    trusted=st.booleans(),
    key=st.none()
    | st.builds(
        ReconfigureKey, server=duids, secret=st.binary(min_size=16, max_size=16), replay=st.integers(0, 2**64 - 1)
    ),
    former=st.lists(st.tuples(whole, prefixes().map(lambda one: one.prefix)), unique=True, max_size=3).map(tuple),
    stale=st.lists(
        st.builds(
            StaleSubnet, link=st.text(), subnet=prefixes().map(lambda one: one.prefix), until=st.floats(501.0, 1e10)
        ),
        max_size=3,
    ).map(tuple),
)


class RoundTripTests(SynchronousTestCase):
    """
    What is written is read again.
    """

    @settings(deadline=None, max_examples=100)
    @given(name=st.text(), stored=records)
    def test_uplinks(self, name: str, stored: UplinkRecord) -> None:
        """
        Every record comes back exactly, within the same boot (R-12-05), the key of Reconfigure too (R-20-01, R-20-02).
        """
        self.assertEqual(serial.load_uplink(serial.dump_uplink(name, stored, NOW), NOW), (name, stored))

    @settings(deadline=None, max_examples=100)
    @given(
        st.builds(
            Identity,
            duid=duids,
            iaids=st.lists(st.builds(KnownIAID, uplink=st.text(), delegation=st.text(), iaid=whole)).map(tuple),
            asked=st.text(),
            duids=st.lists(st.builds(KnownDUID, uplink=st.text(), duid=duids, asked=st.text()), max_size=3).map(tuple),
            subnets=st.lists(
                st.builds(
                    KnownSubnet,
                    guest=st.text(),
                    nic=st.integers(0, 125),
                    uplink=st.text(),
                    delegation=st.text(),
                    number=st.integers(0, 2**32 - 1),
                ),
                max_size=3,
            ).map(tuple),
        )
    )
    def test_identities(self, identity: Identity) -> None:
        """
        Every identity comes back exactly; the DUID's type does not matter (R-11-02).
        """
        self.assertEqual(serial.load_identity(serial.dump_identity(identity)), identity)

    def test_earlier_identity(self) -> None:
        """
        An identity of an earlier version says neither what was asked for nor DUIDs of uplinks; it is read all the same.
        """
        text = b'{"duid": "000312", "iaids": []}\n'
        found = serial.load_identity(serial._head("identity", 1, text) + text)
        self.assertEqual(found, Identity(duid=DUID(b"\0\3\x12")))

    def test_never_is_never(self) -> None:
        """
        A time without end has none after any number of reboots.
        """
        times = SetTimes()
        kept = record(times.boot())
        for _ in range(5):
            data = serial.dump_uplink("wan", kept, serial.Clocks.read(times))
            times.reboot(1.0)
            _, kept = serial.load_uplink(data, serial.Clocks.read(times))
        self.assertEqual(kept.lease.bindings[1].prefixes[0].valid_until, inf)
        self.assertEqual(kept.lease.bindings[1].t1_at, inf)

    def test_expired_meanwhile(self) -> None:
        """
        R-8168-02: what ended while nobody ran is remembered as lost, but not where an association has more.
        """
        stored = record(NOW.boot)
        later = evolve(NOW, boot=NOW.boot + 1e7)
        _, found = serial.load_uplink(serial.dump_uplink("wan", stored, NOW), later)
        gone = [(b.iaid, p.prefix) for b in stored.lease.bindings for p in b.prefixes if not found.lease.holds(b.iaid)]
        self.assertTrue(gone)
        self.assertEqual(found.former, tuple(gone))
        self.assertEqual(serial.load_uplink(serial.dump_uplink("wan", found, later), later)[1].former, tuple(gone))

    def test_without_former(self) -> None:
        """
        A file of an earlier version, which does not know of lost prefixes, has none.
        """
        data = serial.dump_uplink("wan", record(NOW.boot), NOW).partition(b"\n")[2].replace(b',\n "former": []', b"")
        self.assertNotIn(b"former", data)
        self.assertEqual(serial.load_uplink(serial._head("uplink", 1, data) + data, NOW)[1].former, ())


class ClockTests(SynchronousTestCase):
    """
    Times after a restart (R-12-06, design 14).
    """

    def setUp(self) -> None:
        """A lease of 7200 seconds, stored 200 seconds after the Reply."""
        self.times = SetTimes()
        stored = record(self.times.boot())
        self.times.pass_time(200.0)
        self.data = serial.dump_uplink("wan", stored, serial.Clocks.read(self.times))

    def left(self) -> tuple[list[float], bool]:
        """Seconds of valid lifetime that each prefix has left now, and whether they are believed."""
        _, found = serial.load_uplink(self.data, serial.Clocks.read(self.times))
        return [prefix.valid_until - self.times.boot() for prefix in found.lease.prefixes], found.trusted

    def test_same_boot_asks_the_boot_clock_alone(self) -> None:
        """
        Within the same boot the wall clock is not asked, wherever it was set to and however little it is trusted.
        """
        self.times.booted += 300.0
        for wall in (0.0, 4e9):
            self.times.walled = wall
            self.times.trusted = wall > 0
            self.assertEqual(self.left(), ([6700.0, 6700.0, inf], True))

    def test_boot_clock_that_ran_backwards(self) -> None:
        """
        A boot clock behind the stored one (another time namespace) gives no lease more time, and no trust.
        """
        self.times.booted -= 1000.0
        self.assertEqual(self.left(), ([7000.0, 7000.0, inf], False))

    def test_other_boot_asks_a_trusted_wall_clock(self) -> None:
        """
        After a reboot the trusted wall clock tells what is left, of T1 and T2 as well.
        """
        self.times.reboot(1000.0)
        self.assertEqual(self.left(), ([6000.0, 6000.0, inf], True))
        _, found = serial.load_uplink(self.data, serial.Clocks.read(self.times))
        self.assertEqual(found.lease.t1_at - self.times.boot(), 600.0)
        self.assertEqual(found.lease.t2_at - self.times.boot(), 1680.0)

    def test_other_boot_after_the_end(self) -> None:
        """
        What ended while the machine was off is not used.
        """
        self.times.reboot(7000.0)
        self.assertEqual(self.left(), ([inf], True))

    def test_other_boot_and_no_clock(self) -> None:
        """
        Without a trusted wall clock lifetimes are at most those at storing, less the time since boot, and not trusted.
        """
        self.times.reboot(86400.0)
        self.times.trusted = False
        self.assertEqual(self.left(), ([6990.0, 6990.0, inf], False))

    def test_other_boot_and_a_clock_set_back(self) -> None:
        """
        A wall clock before the moment of storing is not trusted, whatever it says of itself.
        """
        self.times.reboot(-1.0)
        self.assertEqual(self.left(), ([6990.0, 6990.0, inf], False))

    def test_stored_without_a_clock(self) -> None:
        """
        A lease stored while the clock stood at 1970 is not taken for fifty years old when the clock is right.
        """
        self.times.walled = 100.0
        self.times.trusted = False
        self.data = serial.dump_uplink("wan", record(self.times.boot()), serial.Clocks.read(self.times))
        self.times.reboot(1.79e9)
        self.times.trusted = True
        self.assertEqual(self.left(), ([7190.0, 7190.0, inf], False))

    def test_distrust_stays(self) -> None:
        """
        A record that was not trusted when it was stored is not trusted by being stored.
        """
        doubtful = evolve(record(self.times.boot()), trusted=False)
        self.data = serial.dump_uplink("wan", doubtful, serial.Clocks.read(self.times))
        self.assertFalse(self.left()[1])


class DocumentTests(SynchronousTestCase):
    """
    What is no document of ours.
    """

    def uplink(self, **changes: object) -> bytes:
        """The document of an uplink with some keys changed, its checksum right."""
        body = json.loads(serial.dump_uplink("wan", record(500.0), NOW).partition(b"\n")[2])
        body.update(changes)
        text = json.dumps(body).encode()
        return serial._head("uplink", serial.VERSION, text) + text

    def test_it_is_text(self) -> None:
        """
        A document says in its first line what it is, and is JSON from the second on.
        """
        head, _, text = serial.dump_uplink("wan", record(500.0), NOW).partition(b"\n")
        self.assertEqual(head.split()[:3], [b"pdlease", b"uplink", b"1"])
        self.assertEqual(json.loads(text)["bindings"][0]["prefixes"][0]["prefix"], "2001:db8::/56")

    def test_other_kinds(self) -> None:
        """
        An identity is no uplink, an uplink no identity, and anything else neither.
        """
        self.assertRaises(fields.Damaged, serial.load_uplink, serial.dump_identity(IDENTITY), NOW)
        self.assertRaises(fields.Damaged, serial.load_identity, self.uplink())
        for data in (
            b"",
            b"\n",
            b"pdlease",
            b"pdlease uplink 1\n{}",
            b"pdlease uplink x 00000000\n{}",
            b"ia_pd 0 :: 56",
        ):
            self.assertRaises(fields.Damaged, serial.load_uplink, data, NOW)

    def test_every_octet(self) -> None:
        """
        Cut off, turned over, lost, doubled or followed by zeros, as after a power cut, at whatever octet: a document is
        damaged or foreign, never another one (design 18).
        """
        for data, load in (
            (serial.dump_identity(IDENTITY), serial.load_identity),
            (serial.dump_uplink("wan", record(500.0), NOW), lambda data: serial.load_uplink(data, NOW)),
        ):
            for place in range(len(data)):
                before, octet, after = data[:place], data[place], data[place + 1 :]
                for damaged in (
                    before,
                    before + bytes([octet ^ 1]) + after,
                    before + bytes([octet ^ 0x80]) + after,
                    before + bytes(len(after) + 1),
                    before + after,
                    before + bytes([octet, octet]) + after,
                ):
                    with self.assertRaises((fields.Damaged, serial.Foreign), msg=f"octet {place}"):
                        load(damaged)  # type: ignore[operator]

    def test_later_versions(self) -> None:
        """
        A whole document of another version is foreign, not damaged, and says both versions.
        """
        text = b"anything"
        error = self.assertRaises(serial.Foreign, serial.load_uplink, serial._head("uplink", 2, text) + text, NOW)
        self.assertIn("version 2", str(error))
        self.assertIn("version 1", str(error))

    def test_unknown_keys_are_left_alone(self) -> None:
        """
        Keys that a later program of the same version adds do not keep an earlier one from reading.
        """
        _, found = serial.load_uplink(self.uplink(reconfigure_key="00"), NOW)
        self.assertEqual(len(found.lease.bindings), 2)

    def test_wrong_values(self) -> None:
        """
        A document whose values are not what they should be is damaged, even with a right checksum, and says which one.
        """
        bindings = json.loads(self.uplink().partition(b"\n")[2])["bindings"]
        for key, value in (
            ("name", 5),
            ("name", None),
            ("clocks", []),
            ("clocks", {"boot": True, "wall": 1.0, "boot_id": "x", "wall_trusted": True}),
            ("clocks", {"boot": 10**400, "wall": 1.0, "boot_id": "x", "wall_trusted": True}),
            ("trusted", 1),
            ("sol_max_rt", -1),
            ("sol_max_rt", 1.5),
            ("sol_max_rt", True),
            ("server", "00"),
            ("server", "zz"),
            ("key", 1),
            ("key", {"server": "000300010203", "secret": "00" * 15, "replay": 1}),
            ("key", {"server": "000300010203", "secret": "00" * 16, "replay": -1}),
            ("key", {"server": "000300010203", "secret": "00" * 16, "replay": 2**64}),
            ("key", {"server": "000300010203", "secret": "00" * 16, "replay": True}),
            ("key", {"server": "000300010203", "secret": "zz" * 16, "replay": 1}),
            ("key", {"server": "00", "secret": "00" * 16, "replay": 1}),
            ("bindings", {}),
            ("bindings", [1]),
            ("bindings", [{**bindings[0], "iaid": 2**32}]),
            ("bindings", [{**bindings[0], "t1_at": "soon"}]),
            ("bindings", [{**bindings[0], "prefixes": [{**bindings[0]["prefixes"][0], "prefix": "10.0.0.0/8"}]}]),
            ("bindings", [{**bindings[0], "prefixes": [{**bindings[0]["prefixes"][0], "prefix": "2001:db8::1/56"}]}]),
        ):
            self.assertRaises(fields.Damaged, serial.load_uplink, self.uplink(**{key: value}), NOW)

    def test_no_duid(self) -> None:
        """
        An identity whose DUID is none, or no hexadecimal digits, is damaged.
        """
        for duid in ("00", "0004zz"):
            text = json.dumps({"duid": duid, "iaids": []}).encode()
            self.assertRaises(fields.Damaged, serial.load_identity, serial._head("identity", 1, text) + text)

    def test_hostile_json(self) -> None:
        """
        JSON of endless depth, of infinities, or of no object at all is damaged and nothing worse (CVE class of D51).
        """
        for text in (b"[" * 100_000, b"[]", b"5", b'{"clocks": NaN}', b"\xff", b"9" * 5000):
            for kind, load in (
                ("identity", serial.load_identity),
                ("uplink", lambda data: serial.load_uplink(data, NOW)),
            ):
                self.assertRaises(fields.Damaged, load, serial._head(kind, serial.VERSION, text) + text)
