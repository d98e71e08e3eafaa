"""
Tests for L{pdlease.netlink.codec} and L{pdlease.netlink.hotpath}.
"""

from __future__ import annotations

import errno
import struct
import subprocess
import sys
from ipaddress import IPv4Interface, IPv6Address, IPv6Interface, IPv6Network
from math import inf
from pathlib import Path
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg
from twisted.trial.unittest import SynchronousTestCase

import pdlease
from pdlease.kernel import AdvertisedPrefix, KernelAddress, KernelRoute, Link
from pdlease.netlink import codec
from pdlease.netlink.notices import (
    AddressNotice,
    Damaged,
    DumpDone,
    DumpInterrupted,
    Inet6Doubt,
    Inet6Notice,
    LinkGone,
    LinkNotice,
    Notice,
    PrefixNotice,
    Refusal,
    RouteNotice,
    RouteReplaced,
    RouterNotice,
)
from pdlease.netlink.requests import attribute, message
from tests.netlink.theirs import AddressMessage, packed

TOP = Path(pdlease.__file__).parents[1]
NEWLINK, DELLINK, NEWADDR, DELADDR, NEWROUTE, DELROUTE, NEWPREFIX = 16, 17, 20, 21, 24, 25, 52
UP, LOWER_UP, RUNNING = 0x1, 0x10000, 0x40
NOW = 5000.0
OURS = 154
LIGHT = settings(max_examples=50, deadline=None)


def heard(data: bytes) -> list[Notice]:
    """What a buffer says."""
    return list(codec.decode(data, NOW, OURS))


def inet6_settings(disabled: int) -> bytes:
    """IFLA_INET6_CONF as the kernel fills it: some sixty numbers, of which the 27th is disable_ipv6."""
    numbers = [7] * 60
    numbers[26] = disabled
    return struct.pack("=60i", *numbers)


def link_message(
    number: int = NEWLINK,
    family: int = 0,
    index: int = 3,
    flags: int = UP | LOWER_UP,
    rest: bytes = b"",
    name: str = "lan0",
) -> bytes:
    """RTM_NEWLINK or RTM_DELLINK packed by hand."""
    return message(
        number, 0, 0, struct.pack("=BxHiII", family, 1, index, flags, 0) + attribute(3, name.encode() + b"\0") + rest
    )


class LinkTests(SynchronousTestCase):
    def test_whole(self) -> None:
        """A link is told with all that is known of it."""
        data = packed(
            ifinfmsg,
            NEWLINK,
            {"family": 0, "ifi_type": 1, "index": 4, "flags": UP | LOWER_UP | RUNNING},
            [
                ("IFLA_IFNAME", "eth0.835"),
                ("IFLA_MTU", 1492),
                ("IFLA_OPERSTATE", "UP"),
                ("IFLA_CARRIER", 1),
                ("IFLA_GROUP", 7),
                ("IFLA_MASTER", 9),
                ("IFLA_ADDRESS", "02:00:00:00:00:01"),
                ("IFLA_IFALIAS", "the other side"),
                ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "vlan")]}),
            ],
        )
        self.assertEqual(
            heard(data),
            [
                LinkNotice(
                    Link(
                        index=4,
                        name="eth0.835",
                        kind="vlan",
                        is_up=True,
                        has_carrier=True,
                        link_layer_address=b"\x02\0\0\0\0\x01",
                        hardware_type=1,
                        mtu=1492,
                        master=9,
                        alias="the other side",
                        group=7,
                        ipv6_disabled=False,
                    )
                )
            ],
        )

    def test_bare(self) -> None:
        """What is not told has no value: no kind, no master, no description, no address."""
        (notice,) = heard(link_message())
        assert isinstance(notice, LinkNotice)
        link = notice.link
        self.assertEqual((link.kind, link.master, link.alias, link.link_layer_address), (None, None, None, b""))

    def test_carrier(self) -> None:
        """
        A link has carrier when it is up, its lower layer is up, and its operational state is up or not told by the
        driver; not when it is dormant (IEEE 802.1X) or down.
        """
        cases = {
            (UP | LOWER_UP, 6, 1): True,
            (UP | LOWER_UP, 0, 1): True,
            (UP | LOWER_UP, 5, 1): False,
            (UP | LOWER_UP, 2, 1): False,
            (UP | LOWER_UP, 6, 0): False,
            (UP, 6, 1): False,
            (LOWER_UP, 6, 1): False,
        }
        for (flags, state, carrier), expected in cases.items():
            rest = attribute(16, bytes((state,))) + attribute(33, bytes((carrier,)))
            (notice,) = heard(link_message(flags=flags, rest=rest))
            assert isinstance(notice, LinkNotice)
            self.assertEqual(notice.link.has_carrier, expected, (flags, state, carrier))

    def test_ignores_routers(self) -> None:
        """Router Advertisements are ignored with accept_ra 0, and on a link that forwards with 1 as well (R-18-02)."""
        for forwarding, accepts, deaf in (
            (0, 0, True), (0, 1, False), (0, 2, False), (1, 0, True), (1, 1, True), (1, 2, False)
        ):  # fmt: skip
            data = struct.pack("=4i", forwarding, 64, 1500, accepts) + inet6_settings(0)[16:]
            rest = attribute(3, b"lan0\0") + attribute(26, attribute(10, attribute(2, data)))
            (notice,) = heard(link_message(rest=rest))
            assert isinstance(notice, LinkNotice)
            self.assertEqual(notice.link.ignores_routers, deaf, (forwarding, accepts))

    def test_ipv6_disabled(self) -> None:
        """Whether IPv6 is disabled is told with the link (IFLA_AF_SPEC)."""
        for value in (0, 1):
            rest = attribute(26, attribute(2, b"four") + attribute(10, attribute(2, inet6_settings(value))))
            (notice,) = heard(link_message(rest=rest))
            assert isinstance(notice, LinkNotice)
            self.assertEqual(notice.link.ipv6_disabled, bool(value))

    def test_odd_names(self) -> None:
        """A link's name need not be text: whatever octets it has come through."""
        data = link_message().replace(b"lan0\0", b"l\xffn0\0")
        (notice,) = heard(data)
        assert isinstance(notice, LinkNotice)
        self.assertEqual(notice.link.name.encode("utf-8", "surrogateescape"), b"l\xffn0")

    def test_departures(self) -> None:
        """
        RTM_DELLINK is a departure only without a family: with AF_BRIDGE the link has left its bridge, with AF_INET6 it
        has lost IPv6, and it is still there.
        """
        self.assertEqual(heard(link_message(DELLINK)), [LinkGone(3)])
        self.assertEqual(heard(link_message(DELLINK, family=7)), [])
        self.assertEqual(heard(link_message(DELLINK, family=10)), [])

    def test_vrf(self) -> None:
        """A VRF is told with its routing table."""
        info = {"attrs": [("IFLA_INFO_KIND", "vrf"), ("IFLA_INFO_DATA", {"attrs": [("IFLA_VRF_TABLE", 1000)]})]}
        data = packed(ifinfmsg, NEWLINK, {"family": 0, "index": 9}, [("IFLA_IFNAME", "blue"), ("IFLA_LINKINFO", info)])
        (notice,) = heard(data)
        assert isinstance(notice, LinkNotice)
        self.assertEqual((notice.link.kind, notice.link.vrf_table), ("vrf", 1000))

    def test_bridge_port(self) -> None:
        """What the bridge says of its port is no news of the link: it lacks most of what a link has."""
        self.assertEqual(heard(link_message(family=7)), [])


class Inet6Tests(SynchronousTestCase):
    def test_settings(self) -> None:
        """IPv6 tells of a link whether it is disabled, and what the last Router Advertisement said (M and O flags)."""
        for flags, told in ((0, (False, False, False)), (0xE0, (True, True, True)), (0x60, (True, True, False))):
            rest = attribute(12, attribute(1, struct.pack("=I", flags)) + attribute(2, inet6_settings(1)))
            self.assertEqual(heard(link_message(family=10, rest=rest)), [Inet6Notice(3, True, *told)])

    def test_unknown_settings(self) -> None:
        """A kernel that tells fewer settings leaves open whether IPv6 is disabled."""
        rest = attribute(12, attribute(1, struct.pack("=I", 0)) + attribute(2, b"\0" * 8))
        self.assertEqual(heard(link_message(family=10, rest=rest)), [Inet6Notice(3, None, False, False, False)])
        self.assertEqual(heard(link_message(family=10)), [])

    def test_doubt(self) -> None:
        """The removal of the kernel's own route of ff00::/8 is the only sign that IPv6 was disabled."""
        fields = {"family": 10, "dst_len": 8, "table": 255, "proto": 2, "type": 5}
        data = packed(rtmsg, DELROUTE, fields, [("RTA_DST", "ff00::"), ("RTA_OIF", 3)])
        self.assertEqual(heard(data), [Inet6Doubt(3)])
        self.assertEqual(heard(packed(rtmsg, NEWROUTE, fields, [("RTA_DST", "ff00::"), ("RTA_OIF", 3)])), [])
        other = packed(rtmsg, DELROUTE, {**fields, "type": 1}, [("RTA_DST", "ff00::"), ("RTA_OIF", 3)])
        self.assertEqual(heard(other), [])

    def test_router(self) -> None:
        """A default route that the kernel took from a Router Advertisement tells of the router; no other route does."""
        fields = {"family": 10, "dst_len": 0, "table": 254, "proto": codec.RTPROT_RA, "type": 1}
        way = [("RTA_GATEWAY", "fe80::9"), ("RTA_OIF", 3)]
        router = RouterNotice(3, IPv6Address("fe80::9"))
        self.assertEqual(heard(packed(rtmsg, NEWROUTE, fields, way)), [router])
        self.assertEqual(heard(packed(rtmsg, DELROUTE, fields, way)), [evolve(router, removed=True)])
        self.assertEqual(heard(packed(rtmsg, NEWROUTE, fields, way[1:])), [])
        longer = [*way, ("RTA_DST", "2001:db8::")]
        self.assertEqual(heard(packed(rtmsg, NEWROUTE, {**fields, "dst_len": 32}, longer)), [])
        self.assertEqual(heard(packed(rtmsg, NEWROUTE, {**fields, "proto": 3}, way)), [])

    def test_prefix(self) -> None:
        """A prefix of a Router Advertisement is told with its flags and lifetimes."""
        body = struct.pack("=BBHiBBBB", 10, 0, 0, 3, 3, 64, 3, 0)
        rest = attribute(1, IPv6Address("2001:db8:5::").packed) + attribute(2, struct.pack("=II", 600, 1200))
        self.assertEqual(
            heard(message(NEWPREFIX, 0, 0, body + rest)),
            [
                PrefixNotice(
                    AdvertisedPrefix(index=3, prefix=IPv6Network("2001:db8:5::/64"), flags=3, preferred=600, valid=1200)
                )
            ],
        )
        self.assertEqual(heard(message(NEWPREFIX, 0, 0, body)), [])


class AddressTests(SynchronousTestCase):
    @LIGHT
    @given(
        st.binary(min_size=16, max_size=16),
        st.integers(0, 128),
        st.integers(1, 2**31 - 1),
        st.integers(0, 0xFFFF),
        st.integers(1, 2**31),
        st.integers(1, 2**31),
        st.one_of(st.none(), st.integers(0, 255)),
        st.booleans(),
    )
    def test_any(
        self,
        octets: bytes,
        length: int,
        index: int,
        flags: int,
        preferred: int,
        longer: int,
        protocol: int | None,
        removed: bool,
    ) -> None:
        """Every address that pyroute2 can pack is read as it was meant, with absolute times."""
        valid = min(preferred + longer, 2**32 - 2)
        attrs = [
            ("IFA_ADDRESS", str(IPv6Address(octets))),
            ("IFA_CACHEINFO", {"ifa_preferred": preferred, "ifa_valid": valid, "cstamp": 0, "tstamp": 0}),
            ("IFA_FLAGS", flags),
            *([] if protocol is None else [("IFA_PROTO", protocol)]),
        ]
        fields = {"family": 10, "prefixlen": length, "flags": flags & 0xFF, "index": index}
        data = packed(AddressMessage, DELADDR if removed else NEWADDR, fields, attrs)
        address = KernelAddress(
            index=index,
            address=IPv6Interface((octets, length)),
            flags=flags,
            preferred_until=NOW + preferred,
            valid_until=NOW + valid,
            protocol=protocol,
        )
        self.assertEqual(heard(data), [AddressNotice(address, removed)])

    def read(self, *attrs: Any, flags: int = 0) -> KernelAddress:
        data = packed(AddressMessage, NEWADDR, {"family": 10, "prefixlen": 64, "index": 3, "flags": flags}, list(attrs))
        (notice,) = heard(data)
        assert isinstance(notice, AddressNotice)
        return notice.address

    def test_for_ever(self) -> None:
        """A lifetime of 2**32 - 1 seconds, or none told, is for ever."""
        times = {"ifa_preferred": 2**32 - 1, "ifa_valid": 2**32 - 1, "cstamp": 0, "tstamp": 0}
        for attrs in ([("IFA_CACHEINFO", times)], []):
            address = self.read(("IFA_ADDRESS", "2001:db8::1"), *attrs)
            self.assertEqual((address.preferred_until, address.valid_until), (inf, inf))

    def test_over(self) -> None:
        """A deprecated address is told with the same time whenever it is told: long past."""
        times = {"ifa_preferred": 0, "ifa_valid": 60, "cstamp": 0, "tstamp": 0}
        address = self.read(("IFA_ADDRESS", "2001:db8::1"), ("IFA_CACHEINFO", times))
        self.assertEqual((address.preferred_until, address.valid_until), (0.0, NOW + 60))

    def test_peer(self) -> None:
        """On a point-to-point link our address is IFA_LOCAL; IFA_ADDRESS is the peer's."""
        address = self.read(("IFA_ADDRESS", "2001:db8::2"), ("IFA_LOCAL", "2001:db8::1"))
        self.assertEqual(address.address, IPv6Interface("2001:db8::1/64"))

    def test_short_flags(self) -> None:
        """Where IFA_FLAGS is not told, the eight flags of the header count."""
        self.assertEqual(self.read(("IFA_ADDRESS", "2001:db8::1"), flags=0x80).flags, 0x80)

    def test_ipv4(self) -> None:
        """An IPv4 address is read as well: local addresses of guests are such (P10)."""
        attrs = [("IFA_ADDRESS", "192.0.2.2"), ("IFA_LOCAL", "192.0.2.1"), ("IFA_PROTO", 155)]
        data = packed(AddressMessage, NEWADDR, {"family": 2, "prefixlen": 31, "index": 3}, attrs)
        (notice,) = heard(data)
        assert isinstance(notice, AddressNotice)
        expected = KernelAddress(index=3, address=IPv4Interface("192.0.2.1/31"), protocol=155)
        self.assertEqual(notice.address, expected)

    def test_other_families(self) -> None:
        """Addresses of families other than IPv6 and IPv4 are none of our business."""
        data = packed(AddressMessage, NEWADDR, {"family": 2, "prefixlen": 8, "index": 3}, [])
        self.assertEqual(heard(data[:16] + b"\x0d" + data[17:]), [])


class RouteTests(SynchronousTestCase):
    def notices(self, number: int = NEWROUTE, ticks: int = 0, oif: int = 3, **fields: int) -> list[Notice]:
        all_fields = {"family": 10, "dst_len": 64, "table": 254, "proto": OURS, "type": 1, "flags": 0, **fields}
        cache = {
            "rta_clntref": 0, "rta_lastuse": 0, "rta_expires": ticks, "rta_error": 0,
            "rta_used": 0, "rta_id": 0, "rta_ts": 0, "rta_tsage": 0,
        }  # fmt: skip
        attrs = [("RTA_DST", "2001:db8:1::"), ("RTA_TABLE", 1000), ("RTA_PRIORITY", 256), ("RTA_OIF", oif)]
        return heard(packed(rtmsg, number, all_fields, [*attrs, ("RTA_CACHEINFO", cache)]))

    def test_on_link(self) -> None:
        """An on-link route is told with link, table, metric and lifetime, which the kernel counts in hundredths."""
        route = KernelRoute(
            prefix=IPv6Network("2001:db8:1::/64"),
            index=3,
            table=1000,
            metric=256,
            kind="unicast",
            protocol=OURS,
            valid_until=NOW + 12.34,
        )
        self.assertEqual(self.notices(ticks=1234), [RouteNotice(route)])
        self.assertEqual(self.notices(DELROUTE, ticks=1234), [RouteNotice(route, removed=True)])

    def test_unreachable(self) -> None:
        """An unreachable route belongs to no link, though the kernel shows it on loopback, and has no end."""
        (notice,) = self.notices(type=7, oif=1)
        assert isinstance(notice, RouteNotice)
        self.assertEqual((notice.route.kind, notice.route.index, notice.route.valid_until), ("unreachable", None, inf))

    def test_other_kinds(self) -> None:
        """Routes of other kinds are told by the kernel's names, unknown ones by number."""
        kinds = [self.notices(type=number)[0].route.kind for number in (6, 8, 99)]  # type: ignore[union-attr]
        self.assertEqual(kinds, ["blackhole", "prohibit", "type 99"])

    def test_others(self) -> None:
        """Routes of other protocols, of IPv4, and those learnt for single destinations are passed over."""
        self.assertEqual(self.notices(proto=3), [])
        self.assertEqual(self.notices(flags=0x200), [])
        body = struct.pack("=BBBBBBBBI", 2, 24, 0, 0, 254, OURS, 0, 1, 0)
        self.assertEqual(heard(message(NEWROUTE, 0, 0, body)), [])

    def test_replacing(self) -> None:
        """A route that took the place of another is marked so, and is told even if it is not ours."""
        fields = {"family": 10, "dst_len": 64, "table": 254, "proto": OURS, "type": 1}
        attrs = [("RTA_DST", "2001:db8:1::"), ("RTA_OIF", 3), ("RTA_PRIORITY", 256)]
        (ours,) = heard(packed(rtmsg, NEWROUTE, fields, attrs, flags=0x100))
        assert isinstance(ours, RouteNotice)
        self.assertTrue(ours.replaces)
        (theirs,) = heard(packed(rtmsg, NEWROUTE, {**fields, "proto": 3}, attrs, flags=0x100))
        assert isinstance(theirs, RouteReplaced)
        self.assertEqual(theirs.route, evolve(ours.route, protocol=3))
        self.assertEqual(heard(packed(rtmsg, NEWROUTE, {**fields, "family": 2, "proto": 3}, [], flags=0x100)), [])

    def test_default(self) -> None:
        """A route without destination is the default route."""
        body = struct.pack("=BBBBBBBBI", 10, 0, 0, 0, 254, OURS, 0, 1, 0)
        (notice,) = heard(message(NEWROUTE, 0, 0, body))
        assert isinstance(notice, RouteNotice)
        self.assertEqual((notice.route.prefix, notice.route.index), (IPv6Network("::/0"), None))


class BufferTests(SynchronousTestCase):
    def test_end_of_dump(self) -> None:
        """The end of a dump is told with the sequence number of the request, and with the error that ended it."""
        data = (
            message(3, 2, 8, struct.pack("=i", 0))
            + message(3, 2, 9, struct.pack("=i", -errno.EINVAL))
            + message(3, 2, 10, b"")
        )
        self.assertEqual(heard(data), [DumpDone(8, 0), DumpDone(9, errno.EINVAL), DumpDone(10, 0)])

    def test_interrupted_dump(self) -> None:
        """A dump into which a change fell is told as such, with the message that says so."""
        data = message(NEWLINK, 0x12, 8, link_message()[16:]) + message(3, 2, 8, struct.pack("=i", 0))
        self.assertEqual([type(notice) for notice in heard(data)], [DumpInterrupted, LinkNotice, DumpDone])

    def test_refusal(self) -> None:
        """A refusal has sequence number, error number, and words."""
        body = struct.pack("=i", -errno.EBUSY) + struct.pack("=IHHII", 16, 18, 0x301, 8, 0)
        self.assertEqual(heard(message(2, 0, 8, body)), [Refusal(8, errno.EBUSY, "Device or resource busy")])
        self.assertEqual(heard(message(2, 0, 8, b"")), [Damaged(2, "too short for an error")])

    def test_other_types(self) -> None:
        """Messages of other types are passed over, and those behind them are read."""
        self.assertEqual(len(heard(message(28, 0, 0, b"neighbour...") + link_message())), 1)

    def test_damaged(self) -> None:
        """A message that makes no sense is told as damaged, and the next one is read."""
        bad = message(NEWLINK, 0, 0, b"\0\0\0\0")
        nameless = message(NEWLINK, 0, 0, struct.pack("=BxHiII", 0, 1, 3, 0, 0))
        torn = message(NEWADDR, 0, 0, struct.pack("=BBBBIHH", 10, 64, 0, 0, 3, 99, 1))
        notices = heard(bad + nameless + torn + link_message())
        self.assertEqual([type(notice) for notice in notices], [Damaged, Damaged, Damaged, LinkNotice])
        self.assertEqual([notice.kind for notice in notices[:3]], [NEWLINK, NEWLINK, NEWADDR])  # type: ignore[union-attr]

    def test_torn_buffer(self) -> None:
        """A message that is longer than the buffer ends the reading."""
        data = link_message() + struct.pack("=IHHII", 500, NEWLINK, 0, 0, 0)
        self.assertEqual([type(notice) for notice in heard(data)], [LinkNotice, Damaged])

    @settings(deadline=None)
    @given(st.binary(max_size=120), st.sampled_from([2, 3, 16, 17, 20, 21, 24, 25, 52]), st.integers(0, 255))
    def test_any_octets(self, body: bytes, kind: int, family: int) -> None:
        """No octets whatever make decoding fail."""
        for data in (body, message(kind, 0, 0, bytes((family,)) + body), message(kind, 0x10, 1, b"\x0a" + body)):
            heard(data)


class DumpRequestTests(SynchronousTestCase):
    def test_packed(self) -> None:
        """Dumps are asked for of links without statistics, of all addresses, and of our own routes."""
        links, addresses, routes = (
            ifinfmsg(codec.request_links(4)),
            AddressMessage(codec.request_addresses(5)),
            rtmsg(codec.request_routes(6, OURS)),
        )
        for request in (links, addresses, routes):
            request.decode()
        told = [
            (m["header"]["type"], m["header"]["flags"], m["header"]["sequence_number"], m["family"])
            for m in (links, addresses, routes)
        ]
        self.assertEqual(told, [(18, 0x301, 4, 0), (22, 0x301, 5, 0), (26, 0x301, 6, 10)])
        self.assertEqual(links.get_attr("IFLA_EXT_MASK"), 8)
        self.assertEqual((routes["proto"], routes["table"]), (OURS, 0))


class DoorTests(SynchronousTestCase):
    """The door to pyroute2 (design 17)."""

    def run_python(self, *lines: str) -> list[str]:
        """Run lines in a fresh interpreter; what it printed, in words."""
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(("import sys", *lines))],
            capture_output=True,
            text=True,
            check=False,
            cwd=TOP,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def test_narrow(self) -> None:
        """
        The installed pyroute2 lets itself be loaded by the narrow way.  If this fails a new pyroute2 has broken the
        door: the daemon still works, by the wide one, and starts 150 ms later.
        """
        told = self.run_python(
            "from pdlease.netlink import codec",
            "print(codec.NARROW, 'pyroute2' in sys.modules, 'multiprocessing' in sys.modules)",
        )
        self.assertEqual(told, ["True", "False", "False"])

    def test_leaves_nothing(self) -> None:
        """Whoever imports pyroute2 after us gets a whole one, and the codec goes on with its own."""
        told = self.run_python(
            "from pdlease.netlink import codec",
            "import pyroute2, pyroute2.netlink",
            "print(hasattr(pyroute2, 'IPRoute'), len(codec.request_links(1)))",
        )
        self.assertEqual(told, ["True", "40"])

    def test_after_others(self) -> None:
        """Where pyroute2 is loaded already, that one is used, and stays."""
        told = self.run_python(
            "import pyroute2.netlink",
            "from pdlease.netlink import codec",
            "print(codec._nlmsg is pyroute2.netlink.nlmsg, sys.modules['pyroute2'] is pyroute2)",
        )
        self.assertEqual(told, ["True", "True"])

    def test_wide(self) -> None:
        """Where the narrow way fails, pyroute2 is imported as it is; so too where it has lost what we need."""
        told = self.run_python(
            "import importlib, types",
            "from pdlease.netlink.codec import open_door",
            "tries = []",
            "def load(name):",
            "    tries.append(name)",
            "    if len(tries) == 1: raise RuntimeError('changed')",
            "    return importlib.import_module(name)",
            "module, narrow = open_door(load)",
            "print(narrow, len(tries), hasattr(module, 'nlmsg'), 'pyroute2.ndb' in sys.modules)",
            "for name in [name for name in sys.modules if name.startswith('pyroute2')]: del sys.modules[name]",
            "print(open_door(lambda name: types.ModuleType(name))[1])",
        )
        self.assertEqual(told, ["False", "2", "True", "True", "False"])

    def test_none(self) -> None:
        """Without pyroute2 the error says so."""
        told = self.run_python(
            "from pdlease.netlink.codec import open_door",
            "try: open_door(find=lambda name: None)",
            "except ImportError as problem: print(problem)",
        )
        self.assertEqual(told, ["pyroute2", "is", "not", "installed"])
