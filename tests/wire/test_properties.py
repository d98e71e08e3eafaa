"""
What holds of L{pdlease.wire} for any octets and for any message, shown by hypothesis.

How many examples each test draws is in the environment variable C{PDLEASE_EXAMPLES}: 200 if it is absent, so that the
tests stay quick; 5000 in .ci/run; 200000 for a long run.
"""

from __future__ import annotations

import os
from ipaddress import IPv6Address, IPv6Network
from time import process_time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.wire import options as simple
from pdlease.wire.chain import MalformedOption, OpaqueOption, Option
from pdlease.wire.describe import LONGEST_LINE, describe
from pdlease.wire.duid import DUID
from pdlease.wire.messages import AT_TOP, Message, decode, encode
from pdlease.wire.names import DomainName
from pdlease.wire.prefixes import IAPD, IN_IA_PD, IN_PREFIX, IAPrefix, PDExclude
from pdlease.wire.reader import LONGEST_EXCERPT, WireError
from pdlease.wire.text import LONGEST_TEXT, plain_text
from tests import packets
from tests.packets import octets

EXAMPLES = int(os.environ.get("PDLEASE_EXAMPLES", "200"))

ordinary = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

elaborate = settings(ordinary, max_examples=max(200, EXAMPLES // 5))
"""For tests whose every example is a whole message, which takes long to draw."""

u8, u16, u32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))
lifetimes = st.one_of(st.sampled_from([0, 1, 3600, 2**32 - 1]), u32)
duids = st.builds(DUID, st.binary(min_size=3, max_size=130))
short = st.binary(max_size=40)
names = st.builds(DomainName, st.lists(st.binary(min_size=1, max_size=15), max_size=4).map(tuple))
addresses = st.lists(st.builds(IPv6Address, st.integers(0, 2**128 - 1)), min_size=1, max_size=3).map(tuple)
stray = st.binary(max_size=3)
statuses = st.builds(simple.Status, u16, st.one_of(st.text(max_size=20), short))


def opaque(known: dict[int, object]) -> st.SearchStrategy[Option]:
    """Draw options that a table does not know."""
    return st.builds(OpaqueOption, u16.filter(lambda code: code not in known), short)


@st.composite
def ia_prefixes(draw: st.DrawFn) -> IAPrefix:
    """Draw a prefix, some with an excluded part that fits."""
    length = draw(st.integers(0, 128))
    inner: list[Option] = draw(st.lists(st.one_of(statuses, opaque(IN_PREFIX)), max_size=2))
    if length < 128 and draw(st.booleans()):
        longer = draw(st.integers(length + 1, 128))
        width = (longer - length - 1) // 8 + 1
        inner.insert(0, PDExclude(longer, draw(st.binary(min_size=width, max_size=width))))
    return IAPrefix(
        draw(lifetimes),
        draw(lifetimes),
        length,
        draw(st.binary(min_size=16, max_size=16)),
        tuple(inner),
        draw(stray),
    )


ia_pds = st.builds(
    IAPD,
    u32,
    lifetimes,
    lifetimes,
    st.lists(st.one_of(ia_prefixes(), statuses, opaque(IN_IA_PD)), max_size=4).map(tuple),
    stray,
)

simple_options = st.one_of(
    st.builds(simple.ClientId, duids),
    st.builds(simple.ServerId, duids),
    st.builds(simple.OptionRequest, st.lists(u16, max_size=6).map(tuple)),
    st.builds(simple.Preference, u8),
    st.builds(simple.ElapsedTime, u16),
    st.builds(simple.Authentication, u8, u8, u8, st.binary(min_size=8, max_size=8), short),
    statuses,
    st.just(simple.RapidCommit()),
    st.just(simple.ReconfigureAccept()),
    st.builds(simple.ReconfigureMessage, u8),
    st.builds(simple.UserClass, st.lists(short, min_size=1, max_size=3).map(tuple)),
    st.builds(simple.VendorClass, u32, st.lists(short, max_size=3).map(tuple)),
    st.builds(simple.VendorOptions, u32, st.lists(st.tuples(u16, short), max_size=3).map(tuple)),
    st.builds(simple.SolMaxRt, u32),
    st.builds(simple.InfMaxRt, u32),
    st.builds(simple.InformationRefreshTime, u32),
    st.builds(simple.DnsServers, addresses),
    st.builds(simple.SntpServers, addresses),
    st.builds(simple.DomainList, st.lists(names, min_size=1, max_size=3).map(tuple)),
    st.builds(simple.AftrName, names.filter(lambda name: len(name.encode()) > 3)),
)

messages = st.builds(
    Message,
    st.integers(1, 255).filter(lambda number: number not in {12, 13}),
    st.integers(0, 2**24 - 1),
    st.lists(st.one_of(simple_options, ia_pds, opaque(AT_TOP)), max_size=8).map(tuple),
    stray,
)


def use(message: Message) -> None:
    """Call everything that can be asked of a message."""
    for name in dir(Message):
        if isinstance(getattr(Message, name), property):
            getattr(message, name)
    for association in message.options_of(IAPD):
        _ = association.status
        for prefix in association.prefixes:
            _ = (prefix.network, prefix.status, prefix.excluded)
    hash(message)
    repr(message)


class PropertyTests(SynchronousTestCase):
    def check_any(self, data: bytes) -> None:
        """
        What holds for any octets: a message, or a L{WireError} with field, offset and octets; a message is written
        again as it was read, and nothing that can be asked of it fails.
        """
        try:
            message = decode(data)
        except WireError as error:
            problems = [error]
        else:
            self.assertEqual(encode(message), data)
            self.assertEqual(decode(data), message)
            use(message)
            line = describe(message)
            self.assertTrue(line.isprintable())
            self.assertLessEqual(len(line), LONGEST_LINE)
            problems = [option.problem for option in message.malformed]
        for problem in problems:
            self.assertTrue(problem.field)
            self.assertTrue(0 <= problem.offset <= len(data))
            self.assertLessEqual(len(problem.data), LONGEST_EXCERPT)
            self.assertEqual(problem.data, data[problem.offset : problem.offset + len(problem.data)])
            self.assertTrue(str(problem).isprintable())

    @ordinary
    @given(st.binary(max_size=400))
    def test_any_octets(self, data: bytes) -> None:
        """Any octets are a message or a L{WireError}, and nothing else (R-16-20)."""
        self.check_any(data)

    @ordinary
    @given(st.lists(st.tuples(st.sampled_from(sorted(AT_TOP)), st.binary(max_size=80), st.integers(-3, 3)), max_size=6))
    def test_known_codes(self, parts: list[tuple[int, bytes, int]]) -> None:
        """Known options with any content, and lengths that are nearly right, are read or refused."""
        data = b"\7abc"
        for code, body, wrong in parts:
            data += code.to_bytes(2, "big") + max(len(body) + wrong, 0).to_bytes(2, "big") + body
        self.check_any(data)

    @ordinary
    @given(st.lists(st.tuples(st.sampled_from([13, 25, 26, 67]), st.binary(max_size=40)), max_size=5), stray)
    def test_any_nesting(self, parts: list[tuple[int, bytes]], rest: bytes) -> None:
        """Containers within containers, in any order, are read or refused (R-16-24)."""
        data = rest
        for code, body in parts:
            data = code.to_bytes(2, "big") + (len(body) + len(data)).to_bytes(2, "big") + body + data
        self.check_any(b"\7abc" + data)

    @ordinary
    @given(st.sampled_from(sorted(packets.EVERYTHING)), st.data())
    def test_damaged(self, name: str, source: st.DataObject) -> None:
        """A good message with some octets changed, put in, or taken out is read or refused."""
        data = bytearray(packets.EVERYTHING[name])
        for _ in range(source.draw(st.integers(1, 4))):
            at = source.draw(st.integers(0, len(data)))
            data[at : at + source.draw(st.integers(0, 3))] = source.draw(st.binary(max_size=3))
        self.check_any(bytes(data))

    @elaborate
    @given(messages)
    def test_any_message(self, message: Message) -> None:
        """B.9-11: any message is read as it was written."""
        data = encode(message)
        again = decode(data)
        self.assertEqual(again, message)
        self.assertEqual(again.malformed, ())
        self.check_any(data)

    @elaborate
    @given(messages, st.data())
    def test_cut(self, message: Message, source: st.DataObject) -> None:
        """R-16-20: any message, cut anywhere, is read up to an option's end or refused; nothing is half read."""
        data = encode(message)
        cut = data[: source.draw(st.integers(0, len(data)))]
        try:
            shorter = decode(cut)
        except WireError:
            return
        self.assertEqual(shorter.options, message.options[: len(shorter.options)])
        self.check_any(cut)

    @ordinary
    @given(
        st.integers(0, 127).flatmap(
            lambda length: st.tuples(st.just(length), st.integers(length + 1, 128), st.integers(0, 2**128 - 1))
        )
    )
    def test_excluded(self, drawn: tuple[int, int, int]) -> None:
        """B.4-01: whatever part is excluded from a prefix, the same comes out again; option-len is 2 to 17."""
        length, longer, number = drawn
        excluded = IPv6Network((number >> (128 - longer) << (128 - longer), longer))
        network = excluded.supernet(new_prefix=length)
        option = PDExclude.for_network(network, excluded)
        self.assertEqual(option.excluded(network), excluded)
        self.assertTrue(2 <= len(option.body()) <= 17)

    @ordinary
    @given(st.binary(max_size=200), st.integers(1, 60))
    def test_text(self, data: bytes, longest: int) -> None:
        """R-18.2.9-11, B.9-08: whatever octets come as text, what is shown is printable and bounded."""
        text = plain_text(data, longest)
        self.assertTrue(text.isprintable())
        self.assertLessEqual(len(text), longest)
        self.assertLessEqual(len(plain_text(data * 30)), LONGEST_TEXT)


class LinearTimeTests(SynchronousTestCase):
    def patterns(self) -> dict[str, bytes]:
        """Make what fills a message with as much work an octet as can be."""
        prefix = octets("001a 0019") + bytes(25)
        association = octets("0019 000c") + bytes(12)
        return {
            "empty options": octets("ffff 0000"),
            "malformed options": octets("0007 0000"),
            "associations": association,
            "prefixes": prefix,
            "labels": octets("0018 0006 0161 0162 01 00"),
            "statuses": octets("000d 0002 0000"),
        }

    def test_64_kib(self) -> None:
        """
        B.9-09: a message of 64 KiB, whatever fills it, takes about eight times as long as one of 8 KiB: nothing is
        quadratic.
        """
        for name, pattern in self.patterns().items():
            self.assertLess(self.seconds(pattern, 65000) / self.seconds(pattern, 65000 // 8), 24, name)

    def test_64_kib_within(self) -> None:
        """The same holds of what fills one association."""
        for name in ("empty options", "prefixes", "statuses"):
            pattern = self.patterns()[name]
            ratio = self.seconds(pattern, 65000, within=True) / self.seconds(pattern, 65000 // 8, within=True)
            self.assertLess(ratio, 24, name)

    def seconds(self, pattern: bytes, size: int, within: bool = False) -> float:
        """Measure how much of the processor it takes to read a message, use and write it."""
        body = pattern * (size // len(pattern))
        if within:
            body = octets("0019") + (12 + len(body)).to_bytes(2, "big") + bytes(12) + body
        data = b"\7abc" + body
        best = float("inf")
        for _ in range(3):
            start = process_time()
            message = decode(data)
            use(message)
            describe(message)
            encode(message)
            best = min(best, process_time() - start)
        return best


class MalformedPropertyTests(SynchronousTestCase):
    @ordinary
    @given(st.sampled_from(sorted(set(AT_TOP) - {IAPD.code})), st.binary(max_size=60))
    def test_malformed_or_whole(self, code: int, body: bytes) -> None:
        """An option of known code is a value that is written as it came, or malformed with the same octets."""
        (option,) = decode(b"\7abc" + code.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body).options
        self.assertEqual((option.code, option.body()), (code, body))
        self.assertNotIsInstance(option, OpaqueOption)
        if isinstance(option, MalformedOption):
            self.assertTrue(8 <= option.problem.offset <= 8 + len(body))
