"""
Tests for L{pdlease.netlink.requests}.
"""

from __future__ import annotations

import errno
import struct
import subprocess
import sys
from ipaddress import IPv4Interface, IPv6Interface, IPv6Network
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST
from pyroute2.netlink.rtnl import (
    RTM_DELADDR,
    RTM_DELROUTE,
    RTM_GETLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
)
from pyroute2.netlink.rtnl.ifaddrmsg import IFA_F_NOPREFIXROUTE
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg
from twisted.trial.unittest import SynchronousTestCase

import pdlease
from pdlease.netlink.requests import (
    Answer,
    LinkFacts,
    Marks,
    answers,
    attribute,
    attributes,
    encode,
    encode_link_query,
    is_done,
    is_request,
    message,
    messages,
    read_link,
)
from pdlease.operations import (
    INFINITE,
    LONGEST_DESCRIPTION,
    ClearMaster,
    DisableIPv6,
    EnableIPv6,
    LinkSetting,
    Operation,
    PutAddress,
    PutIPv4,
    PutRoute,
    PutUnreachable,
    RemoveAddress,
    RemoveIPv4,
    RemoveRoute,
    RemoveUnreachable,
    SetDescription,
    SetDown,
    SetGroup,
    SetLinkAddress,
    SetMaster,
    SetUp,
)
from tests.netlink.theirs import AddressMessage, packed

TOP = Path(pdlease.__file__).parents[1]
MARKS = Marks(route=154, address=155)
ADDRESS = IPv6Interface("2001:db8:0:1::1/64")
SUBNET = IPv6Network("2001:db8:0:1::/64")
PREFIX = IPv6Network("2001:db8::/56")
ASKING = NLM_F_REQUEST | NLM_F_ACK
PUTTING = ASKING | NLM_F_CREATE | NLM_F_REPLACE
UNICAST, UNREACHABLE = 1, 7

ADDRESSES = st.builds(
    lambda octets, length: IPv6Interface((octets, length)), st.binary(min_size=16, max_size=16), st.integers(0, 128)
)
IPV4 = st.builds(
    lambda octets, length: IPv4Interface((octets, length)), st.binary(min_size=4, max_size=4), st.integers(0, 32)
)
PREFIXES = st.builds(lambda interface: interface.network, ADDRESSES)
LIFETIMES = st.integers(0, INFINITE)
INDEXES = st.integers(1, 2**31 - 1)
NUMBERS = st.integers(1, 2**32 - 1)


LIGHT = settings(max_examples=30, deadline=None)


def meaning(kind: Any, data: bytes) -> dict[str, Any]:
    """What pyroute2 reads from a request: header, fields, and attributes in no order."""
    read = kind(data)
    read.decode()
    return {
        "type": read["header"]["type"],
        "asks": read["header"]["flags"],
        "sequence": read["header"]["sequence_number"],
        "length": read["header"]["length"],
        **{name: read[name] for name, _ in kind.fields},
        **{name: _plain(value) for name, value in read["attrs"]},
    }


def _plain(value: Any) -> Any:
    return {name: value[name] for name, _ in value.fields} if hasattr(value, "fields") and value.fields else value


class MeaningTests(SynchronousTestCase):
    """Every request means to pyroute2 what pyroute2 itself would have packed for the same words (design 17)."""

    def check(self, operation: Operation, kind: Any, number: int, asks: int, fields: Any, attrs: list[Any]) -> None:
        ours = encode(operation, 77, MARKS)
        theirs = packed(kind, number, fields, attrs, asks, 77)
        self.assertEqual(meaning(kind, ours), meaning(kind, theirs))
        self.assertEqual(len(ours) % 4, 0)

    @LIGHT
    @given(ADDRESSES, INDEXES, LIFETIMES, LIFETIMES)
    def test_put_address(self, address: IPv6Interface, index: int, preferred: int, valid: int) -> None:
        """An address is made or replaced with lifetimes, our mark, all its flags, and without a route."""
        # pyroute2 itself refuses to pack an address that is preferred for longer than it is valid
        preferred = min(preferred, valid)
        self.check(
            PutAddress(link="lan0", index=index, address=address, preferred=preferred, valid=valid),
            AddressMessage,
            RTM_NEWADDR,
            PUTTING,
            {"family": 10, "prefixlen": address.network.prefixlen, "index": index},
            [
                ("IFA_ADDRESS", str(address.ip)),
                ("IFA_CACHEINFO", {"ifa_preferred": preferred, "ifa_valid": valid, "cstamp": 0, "tstamp": 0}),
                ("IFA_FLAGS", IFA_F_NOPREFIXROUTE),
                ("IFA_PROTO", MARKS.address),
            ],
        )

    @LIGHT
    @given(ADDRESSES, INDEXES)
    def test_remove_address(self, address: IPv6Interface, index: int) -> None:
        """An address is removed by link, address and length."""
        self.check(
            RemoveAddress(link="lan0", index=index, address=address),
            AddressMessage,
            RTM_DELADDR,
            ASKING,
            {"family": 10, "prefixlen": address.network.prefixlen, "index": index},
            [("IFA_ADDRESS", str(address.ip))],
        )

    @LIGHT
    @given(PREFIXES, INDEXES, LIFETIMES, NUMBERS, NUMBERS)
    def test_put_route(self, prefix: IPv6Network, index: int, expires: int, table: int, metric: int) -> None:
        """An on-link route is made or replaced with our protocol number and its lifetime, if it has one."""
        self.check(
            PutRoute(link="lan0", index=index, prefix=prefix, expires=expires, table=table, metric=metric),
            rtmsg,
            RTM_NEWROUTE,
            PUTTING,
            self.route_fields(prefix, table, UNICAST),
            [
                *self.route_attributes(prefix, table, metric),
                ("RTA_OIF", index),
                *([] if expires == INFINITE else [("RTA_EXPIRES", struct.pack("=I", expires))]),
            ],
        )

    @LIGHT
    @given(PREFIXES, INDEXES, NUMBERS, NUMBERS)
    def test_remove_route(self, prefix: IPv6Network, index: int, table: int, metric: int) -> None:
        """An on-link route is removed by prefix, link, table, metric and our protocol number."""
        self.check(
            RemoveRoute(link="lan0", index=index, prefix=prefix, table=table, metric=metric),
            rtmsg,
            RTM_DELROUTE,
            ASKING,
            self.route_fields(prefix, table, UNICAST),
            [*self.route_attributes(prefix, table, metric), ("RTA_OIF", index)],
        )

    @LIGHT
    @given(PREFIXES, LIFETIMES, NUMBERS, NUMBERS)
    def test_put_unreachable(self, prefix: IPv6Network, expires: int, table: int, metric: int) -> None:
        """An unreachable route is made or replaced with our protocol number, on no link (WPD-5)."""
        self.check(
            PutUnreachable(link="wan", prefix=prefix, expires=expires, table=table, metric=metric),
            rtmsg,
            RTM_NEWROUTE,
            PUTTING,
            self.route_fields(prefix, table, UNREACHABLE),
            [
                *self.route_attributes(prefix, table, metric),
                *([] if expires == INFINITE else [("RTA_EXPIRES", struct.pack("=I", expires))]),
            ],
        )

    @LIGHT
    @given(PREFIXES, NUMBERS, NUMBERS)
    def test_remove_unreachable(self, prefix: IPv6Network, table: int, metric: int) -> None:
        """An unreachable route is removed as one of the loopback link, so that no on-link route is hit."""
        self.check(
            RemoveUnreachable(link="wan", prefix=prefix, table=table, metric=metric),
            rtmsg,
            RTM_DELROUTE,
            ASKING,
            self.route_fields(prefix, table, UNREACHABLE),
            [*self.route_attributes(prefix, table, metric), ("RTA_OIF", 1)],
        )

    @LIGHT
    @given(IPV4, INDEXES)
    def test_ipv4(self, address: IPv4Interface, index: int) -> None:
        """An IPv4 address is made with our mark, for ever, and removed by link, address and length."""
        fields = {"family": 2, "prefixlen": address.network.prefixlen, "index": index}
        attrs = [("IFA_LOCAL", str(address.ip)), ("IFA_ADDRESS", str(address.ip))]
        put = PutIPv4(link="tap0", index=index, address=address)
        self.check(put, AddressMessage, RTM_NEWADDR, PUTTING, fields, [*attrs, ("IFA_PROTO", MARKS.address)])
        remove = RemoveIPv4(link="tap0", index=index, address=address)
        self.check(remove, AddressMessage, RTM_DELADDR, ASKING, fields, attrs)

    def check_link(self, operation: LinkSetting, *attrs: Any, flags: int = 0, change: int = 0) -> None:
        """A change of a link is one request about its index."""
        fields = {"family": 0, "index": operation.index, "flags": flags, "change": change}
        self.check(operation, ifinfmsg, RTM_NEWLINK, ASKING, fields, list(attrs))

    @LIGHT
    @given(INDEXES, INDEXES, st.integers(0, 2**31 - 1), st.binary(min_size=6, max_size=6))
    def test_links(self, index: int, master: int, group: int, address: bytes) -> None:
        """Master, group, state and link-layer address of a link are set by index."""
        link = {"link": "tap0", "index": index}
        self.check_link(SetMaster(**link, master="br0", master_index=master), ("IFLA_MASTER", master))
        self.check_link(ClearMaster(**link), ("IFLA_MASTER", 0))
        self.check_link(SetGroup(**link, group=group), ("IFLA_GROUP", group))
        self.check_link(SetUp(**link), flags=1, change=1)
        self.check_link(SetDown(**link), flags=0, change=1)
        self.check_link(SetLinkAddress(**link, address=address), ("IFLA_ADDRESS", address.hex(":")))

    @LIGHT
    @given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=LONGEST_DESCRIPTION // 4))
    def test_description(self, text: str) -> None:
        """A description travels without the zero at its end that pyroute2 adds: 255 octets leave no room for one."""
        ours = encode(SetDescription(link="tap0", index=3, text=text), 77, MARKS)
        ((kind, asks, sequence, body),) = messages(ours)
        self.assertEqual((kind, asks, sequence), (RTM_NEWLINK, ASKING, 77))
        self.assertEqual(attributes(body, 16), {20: text.encode()})
        theirs = packed(ifinfmsg, RTM_NEWLINK, {"index": 3}, [("IFLA_IFALIAS", text)], ASKING, 77)
        ((_, _, _, other),) = messages(theirs)
        self.assertEqual(attributes(other, 16), {20: text.encode() + b"\0"})
        self.assertEqual(body[:16], other[:16])

    def route_fields(self, prefix: IPv6Network, table: int, kind: int) -> dict[str, Any]:
        return {
            "family": 10,
            "dst_len": prefix.prefixlen,
            "src_len": 0,
            "tos": 0,
            "table": table if table < 256 else 252,
            "proto": MARKS.route,
            "scope": 0,
            "type": kind,
            "flags": 0,
        }

    def route_attributes(self, prefix: IPv6Network, table: int, metric: int) -> list[Any]:
        return [("RTA_DST", str(prefix.network_address)), ("RTA_TABLE", table), ("RTA_PRIORITY", metric)]

    def test_link_queries(self) -> None:
        """A link is asked for by index or by name, without its statistics."""
        skip = ("IFLA_EXT_MASK", 8)
        by_index = packed(ifinfmsg, RTM_GETLINK, {"index": 3}, [skip], NLM_F_REQUEST, 5)
        self.assertEqual(meaning(ifinfmsg, encode_link_query(5, index=3)), meaning(ifinfmsg, by_index))
        by_name = packed(ifinfmsg, RTM_GETLINK, {}, [("IFLA_IFNAME", "eth0.835"), skip], NLM_F_REQUEST, 5)
        self.assertEqual(meaning(ifinfmsg, encode_link_query(5, name="eth0.835")), meaning(ifinfmsg, by_name))


class RequestTests(SynchronousTestCase):
    def test_two_are_no_requests(self) -> None:
        """Switching IPv6 on and off is no netlink request: the kernel takes it through /proc only."""
        switches = (EnableIPv6(link="lan0", index=3), DisableIPv6(link="lan0", index=3))
        self.assertEqual([is_request(operation) for operation in switches], [False, False])
        for operation in switches:
            self.assertRaises(KeyError, encode, operation, 1, MARKS)
        self.assertTrue(is_request(RemoveAddress(link="lan0", index=3, address=ADDRESS)))

    def test_gone_is_done(self) -> None:
        """Removing what is gone already is done, whether it, or its link, is what is gone; other errors are errors."""
        address = RemoveAddress(link="lan0", index=3, address=ADDRESS)
        route = RemoveRoute(link="lan0", index=3, prefix=SUBNET, table=254, metric=256)
        unreachable = RemoveUnreachable(link="wan", prefix=PREFIX, table=254, metric=4096)
        put = PutAddress(link="lan0", index=3, address=ADDRESS, preferred=1, valid=2)
        done = {
            (operation, number)
            for operation in (address, route, unreachable, put)
            for number in (0, errno.EPERM, errno.ESRCH, errno.ENODEV, errno.EADDRNOTAVAIL, errno.EINVAL)
            if is_done(operation, number)
        }
        self.assertEqual(
            done,
            {
                (address, 0), (address, errno.EADDRNOTAVAIL), (address, errno.ENODEV),
                (route, 0), (route, errno.ESRCH), (route, errno.ENODEV),
                (unreachable, 0), (unreachable, errno.ESRCH),
                (put, 0),
            },
        )  # fmt: skip

    def test_impossible_names(self) -> None:
        """A name that no link can have is refused before the kernel is asked."""
        for name in ("", "a" * 16, "a\0b", "ü" * 8):
            self.assertRaises(ValueError, encode_link_query, 1, name=name)
        encode_link_query(1, name="a" * 15)

    def test_light(self) -> None:
        """The helper loads this module, so it brings neither Twisted, zope, nor pyroute2 along (design 7)."""
        code = "import sys, pdlease.netlink.requests; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TOP)
        loaded = {name.split(".")[0] for name in done.stdout.split()}
        self.assertEqual(loaded & {"twisted", "zope", "pyroute2", "asyncio", "ctypes"}, set())


def refusal(sequence: int, number: int, attrs: bytes = b"", request: bytes = b"", flags: int = 0) -> bytes:
    """An NLMSG_ERROR as the kernel sends it: error number, header of the request (and its rest), attributes."""
    header = struct.pack("=IHHII", 16 + len(request), RTM_NEWADDR, 5, sequence, 0)
    return message(2, flags, sequence, struct.pack("=i", -number) + header + request + attrs)


class AnswerTests(SynchronousTestCase):
    def test_acknowledgement(self) -> None:
        """Error number 0 is an acknowledgement."""
        self.assertEqual(answers(refusal(9, 0)), (Answer(sequence=9, errno=0, reason=""),))

    def test_words_of_the_kernel(self) -> None:
        """An error has the kernel's own words where there are some (NETLINK_EXT_ACK), else those of its number."""
        words = attribute(1, b"ipv6: address lifetime invalid\0") + attribute(2, b"\0\0\0\0")
        self.assertEqual(
            answers(refusal(1, errno.EINVAL, words, flags=0x300) + refusal(2, errno.EINVAL)),
            (
                Answer(sequence=1, errno=errno.EINVAL, reason="ipv6: address lifetime invalid"),
                Answer(sequence=2, errno=errno.EINVAL, reason="Invalid argument"),
            ),
        )

    def test_whole_request_in_error(self) -> None:
        """Where the answer carries the whole request (no NETLINK_CAP_ACK) the words are found after it."""
        words = attribute(1, b"no\0")
        answer = answers(refusal(1, errno.EINVAL, words, request=b"q" * 24, flags=0x200))
        self.assertEqual([found.reason for found in answer], ["no"])

    def test_remark(self) -> None:
        """The kernel may have words for what it did as well."""
        answer = answers(refusal(1, 0, attribute(1, b"but\0"), flags=0x300))
        self.assertEqual(answer, (Answer(sequence=1, errno=0, reason="but"),))

    def test_other_messages(self) -> None:
        """Whatever else is in the buffer is passed over."""
        data = message(RTM_NEWADDR, 0, 1, b"x" * 8) + refusal(3, 0)
        self.assertEqual([answer.sequence for answer in answers(data)], [3])

    def test_short_error(self) -> None:
        """An error that is cut short says nothing."""
        self.assertEqual(answers(message(2, 0, 1, b"\0\0\0\0")), ())

    @given(st.binary(max_size=200))
    def test_any_octets(self, data: bytes) -> None:
        """No octets whatever make the reading of answers fail."""
        answers(data)
        read_link(data)
        attributes(data)

    @given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=30)), max_size=5), st.integers(0, 40))
    def test_messages(self, parts: list[tuple[int, bytes]], cut: int) -> None:
        """A buffer falls into its messages; a tail that is cut off is dropped."""
        data = b"".join(message(kind, 0, 3, body) + bytes(-len(body) % 4) for kind, body in parts)
        self.assertEqual([(kind, body) for kind, _, _, body in messages(data)], parts)
        if cut and parts:
            whole = messages(data[: max(0, len(data) - cut)])
            self.assertEqual([(kind, body) for kind, _, _, body in whole], parts[: len(whole)])

    @given(st.dictionaries(st.integers(0, 0x3FFF), st.binary(max_size=30), max_size=5))
    def test_attributes(self, parts: dict[int, bytes]) -> None:
        """Attributes are read as they were written."""
        self.assertEqual(attributes(b"".join(attribute(kind, value) for kind, value in parts.items())), parts)

    def test_link(self) -> None:
        """The facts of a link are its index, its name, the kind that the kernel says it is, and the table of a VRF."""
        made = packed(
            ifinfmsg,
            16,
            {"index": 7},
            [("IFLA_IFNAME", "br0"), ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "bridge")]})],
        )
        plain = packed(ifinfmsg, 16, {"index": 8}, [("IFLA_IFNAME", "eth0")])
        described = packed(ifinfmsg, 16, {"index": 8}, [("IFLA_IFNAME", "tap0"), ("IFLA_IFALIAS", "vm1-if0-web1")])
        self.assertEqual(read_link(described), LinkFacts(index=8, name="tap0", kind=None, alias="vm1-if0-web1"))
        info = {"attrs": [("IFLA_INFO_KIND", "vrf"), ("IFLA_INFO_DATA", {"attrs": [("IFLA_VRF_TABLE", 1000)]})]}
        vrf = packed(ifinfmsg, 16, {"index": 9}, [("IFLA_IFNAME", "blue"), ("IFLA_LINKINFO", info)])
        self.assertEqual(read_link(vrf), LinkFacts(index=9, name="blue", kind="vrf", vrf_table=1000))
        self.assertEqual(read_link(refusal(1, 0) + made), LinkFacts(index=7, name="br0", kind="bridge"))
        self.assertEqual(read_link(plain), LinkFacts(index=8, name="eth0", kind=None))
        self.assertIsNone(read_link(refusal(1, errno.ENODEV)))
