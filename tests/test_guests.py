"""
Tests for L{pdlease.guests}.
"""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface, IPv6Network
from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.model import NIC, Config, Guest
from pdlease.config.toml import parse
from pdlease.guests import (
    UnknownGroup,
    guest_owner,
    link_address,
    numbers_after,
    shares_of,
    switch_owner,
    wanted_by_owner,
)
from pdlease.lease import DelegatedPrefix
from pdlease.linksettings import DESCRIPTION, DOWN, GROUP, LINK_ADDRESS, MASTER, STATE, UP
from pdlease.subnets import Downstream, GuestShare, carve
from pdlease.wanted import CarvedPrefix, Wanted, WantedAddress, WantedIPv6, WantedRoute, WantedSetting
from pdlease.wire.duid import DUID

TOML = b"""
[switches.lab]
link = "br0"
group = 7
vrf = "blue"

[switches.quiet]
link = "br1"
up = false

[guests.web1]
id = 1
[[guests.web1.nics]]
link = "tap0"
switch = "lab"
local = true
[[guests.web1.nics]]
link = "tap1"
vrf = "blue"
group = "guests"
up = false
mac = "02:00:5E:10:00:01"

[local]
inet6 = "fd12:3456:789a:bcde::/64"
"""
GROUPS = {"guests": 12}
PREFIX = IPv6Network("2001:db8::/56")


def configured(text: bytes = TOML) -> Config:
    """A configuration."""
    return parse(text, "pdlease.toml")


def settings_of(wanted: tuple[Wanted, ...], link: str) -> list[tuple[str, str]]:
    """The settings that are wanted of a link, in order."""
    return [(item.setting, item.value) for item in wanted if isinstance(item, WantedSetting) and item.link == link]


class WantedTests(SynchronousTestCase):
    """L{wanted_by_owner}."""

    def setUp(self) -> None:
        self.wanted = wanted_by_owner(configured(), GROUPS)

    def test_owners(self) -> None:
        """Switches come before guests, and neither is ever taken for an uplink."""
        self.assertEqual(list(self.wanted), ["switches/lab", "switches/quiet", "guests/web1"])
        self.assertEqual((switch_owner("lab"), guest_owner("web1")), ("switches/lab", "guests/web1"))
        for owner, objects in self.wanted.items():
            self.assertEqual({item.uplink for item in objects}, {owner})

    def test_switch(self) -> None:
        """A bridge is put into its VRF, described and set up or down (P20); its group is for its ports."""
        self.assertEqual(
            settings_of(self.wanted["switches/lab"], "br0"),
            [(MASTER, "blue"), (DESCRIPTION, "switch1-lab"), (STATE, UP)],
        )
        self.assertEqual(
            settings_of(self.wanted["switches/quiet"], "br1"), [(DESCRIPTION, "switch2-quiet"), (STATE, DOWN)]
        )

    def test_port(self) -> None:
        """A NIC on a switch is put into its bridge, which has the VRF, and inherits the group (P19, W10)."""
        self.assertEqual(
            settings_of(self.wanted["guests/web1"], "tap0"),
            [(MASTER, "br0"), (DESCRIPTION, "vm1-if0-web1"), (GROUP, "7"), (STATE, UP)],
        )

    def test_nic_of_its_own(self) -> None:
        """A NIC without a switch has its own VRF, group and link-layer address, and may be down."""
        self.assertEqual(
            settings_of(self.wanted["guests/web1"], "tap1"),
            [
                (MASTER, "blue"),
                (DESCRIPTION, "vm1-if1-web1"),
                (GROUP, "12"),
                (LINK_ADDRESS, "02005e100001"),
                (STATE, DOWN),
            ],
        )

    def test_local(self) -> None:
        """
        A local NIC has the host's side of a /31 and a /96 for ever, after everything else (P21, P22); that of a port is
        on the bridge, since on a port Linux answers nobody.
        """
        local6 = IPv6Interface("fd12:3456:789a:bcde:6440:103:0:1/96")
        objects = [item for item in self.wanted["guests/web1"] if not isinstance(item, WantedSetting)]
        owner = "guests/web1"
        self.assertEqual(
            objects,
            [
                WantedAddress(
                    link="br0",
                    address=IPv4Interface("100.64.1.2/31"),
                    preferred_until=inf,
                    valid_until=inf,
                    uplink=owner,
                ),
                WantedAddress(link="br0", address=local6, preferred_until=inf, valid_until=inf, uplink=owner),
                WantedRoute(link="br0", prefix=local6.network, valid_until=inf, table=254, metric=512, uplink=owner),
                WantedIPv6(link="br0", uplink=owner),
            ],
        )

    def test_local_without_a_switch(self) -> None:
        """Without a switch the NIC's own link has the addresses."""
        text = TOML.replace(b'switch = "lab"\n', b"")
        wanted = wanted_by_owner(configured(text), GROUPS)["guests/web1"]
        self.assertEqual({item.link for item in wanted if isinstance(item, WantedAddress)}, {"tap0"})

    def test_local_ipv4_only(self) -> None:
        """Without an IPv6 prefix there is no local IPv6 address."""
        wanted = wanted_by_owner(configured(TOML[: TOML.index(b"[local]")]), GROUPS)["guests/web1"]
        self.assertEqual([type(item) for item in wanted if not isinstance(item, WantedSetting)], [WantedAddress])

    def test_unknown_group(self) -> None:
        """A group that the machine has no name for is an error, with the name and what to do."""
        error = self.assertRaises(UnknownGroup, wanted_by_owner, configured(), {})
        self.assertIn('"guests"', str(error))

    def test_long_names(self) -> None:
        """A description is cut at what a link can have, not at vmd's 63 characters (W17)."""
        guest = Guest(name="g" * 64, id=1, nics=(NIC(link="tap0"),))
        (told,) = settings_of(wanted_by_owner(Config(guests=(guest,)), {})[guest_owner(guest.name)], "tap0")[:1]
        self.assertEqual(told, (DESCRIPTION, f"vm1-if0-{'g' * 64}"))


class LinkAddressTests(SynchronousTestCase):
    """L{link_address} (P28)."""

    def test_left_alone(self) -> None:
        """Without one nothing is set."""
        self.assertIsNone(link_address(Guest(name="a", id=1, nics=(NIC(link="tap0"),)), 0))

    @settings(max_examples=50, deadline=None)
    @given(st.integers(1, 2**32 - 1), st.text(min_size=1, max_size=10), st.integers(0, 3))
    def test_derived(self, number: int, name: str, index: int) -> None:
        """A derived one is administered here, of one station, always the same, and differs from NIC to NIC."""
        guest = Guest(name=name, id=number, nics=tuple(NIC(link=f"tap{n}", mac="derived") for n in range(4)))
        derived = link_address(guest, index)
        assert derived is not None
        octets = bytes.fromhex(derived)
        self.assertEqual((len(octets), octets[0] & 0x03), (6, 0x02))
        self.assertEqual(derived, link_address(guest, index))
        self.assertEqual(len({link_address(guest, n) for n in range(4)}), 4)


def carved(prefix: IPv6Network, *shares: GuestShare) -> CarvedPrefix:
    """A prefix that guests have parts of."""
    held = DelegatedPrefix(prefix=prefix, preferred_until=inf, valid_until=inf, mentioned_at=0.0, server=DUID(bytes(4)))
    downstreams = (Downstream(link="lan0"),)
    carving = carve(prefix, downstreams, guests=shares)
    return CarvedPrefix(delegation="lan0", iaid=1, prefix=held, carving=carving)


def key(guest: str) -> tuple[str, int, str, str]:
    """What a guest's first NIC is remembered by."""
    return guest, 0, "wan", "lan0"


class NumberTests(SynchronousTestCase):
    """L{shares_of} and L{numbers_after}: a /64 never moves while it fits."""

    def share(self, guest: str, number: int | None = None) -> GuestShare:
        """What a guest asks for."""
        return GuestShare(guest=guest, nic=0, link=f"tap-{guest}", number=number)

    def test_first(self) -> None:
        """What was given is remembered."""
        after = numbers_after({}, "wan", (carved(PREFIX, self.share("a"), self.share("b")),))
        self.assertEqual(after, {key("a"): 1, key("b"): 2})

    def test_stays_in_one_of_two(self) -> None:
        """A number that is in use in one of several prefixes stays, though another has no room for it."""
        small = IPv6Network("2001:db8:1::/63")
        both = (carved(small, self.share("a", 9)), carved(PREFIX, self.share("a", 9)))
        self.assertEqual(numbers_after({key("a"): 9}, "wan", both), {key("a"): 9})
        self.assertEqual(numbers_after({key("a"): 9}, "wan", both[:1]), {key("a"): 1})

    def test_absent_ones_are_remembered(self) -> None:
        """A guest that has no part at the moment keeps its number for when it comes back, if nobody takes it."""
        self.assertEqual(numbers_after({key("z"): 7}, "wan", ()), {key("z"): 7})
        taken = (carved(PREFIX, self.share("a", 7)),)
        self.assertEqual(numbers_after({key("z"): 7, key("y"): 8}, "wan", taken), {key("a"): 7, key("y"): 8})

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=20))
    def test_whatever_order(self, events: list[tuple[str, bool]]) -> None:
        """Guests come and go in any order: nobody who is there is ever moved, and no two share a /64."""
        present: dict[str, int] = {}
        numbers: dict[tuple[str, int, str, str], int] = {}
        for guest, comes in events:
            if not comes:
                present.pop(guest, None)
                continue
            present.setdefault(guest, -1)
            shares = tuple(self.share(name, numbers.get(key(name))) for name in sorted(present))
            outcome = carved(PREFIX, *shares)
            numbers = numbers_after(numbers, "wan", (outcome,))
            given = {entry.guest: entry.number for entry in outcome.carving.guests}
            for name, number in present.items():
                if number >= 0:
                    self.assertEqual(given[name], number)
            present = {name: given[name] for name in present}
            self.assertEqual(len(set(given.values())), len(given))

    def test_shares(self) -> None:
        """A NIC asks for the number that it had of this delegation."""
        text = b"""
[uplinks.wan]
[[uplinks.wan.delegations]]
downstreams = ["lan0"]
[guests.b]
id = 2
[[guests.b.nics]]
link = "tap2"
delegate = "wan"
[guests.a]
id = 1
[[guests.a.nics]]
link = "tap1"
delegate = "wan"
"""
        shares = shares_of(configured(text), "wan", "lan0", {key("b"): 5})
        self.assertEqual([(share.guest, share.number) for share in shares], [("a", None), ("b", 5)])
        ported = configured(
            text.replace(b'link = "tap2"', b'link = "tap2"\nswitch = "lab"') + TOML[: TOML.index(b"[guests")]
        )
        shares = shares_of(ported, "wan", "lan0", {})
        self.assertEqual([(share.guest, share.link) for share in shares], [("a", "tap1"), ("b", "br0")])
