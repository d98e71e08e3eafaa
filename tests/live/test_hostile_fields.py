"""
Valid words with hostile fields, said to the helper process on a real kernel.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface

from pdlease.config.model import ON_LINK_METRIC
from pdlease.operations import (
    ClearMaster,
    SetDescription,
    SetDown,
    SetGroup,
    SetLinkAddress,
    SetMaster,
    SetUp,
)
from pdlease.privilege.vocabulary import (
    ADDRESS,
    DESCRIPTION,
    GROUP,
    INDEX,
    IPV4,
    LINK,
    LINK_ADDRESS,
    METRIC,
    PREFIX,
    SECONDS,
    TABLE,
    WORDS,
    Kind,
    Word,
)
from tests.live.attacked import Attacked
from tests.live.privilege import TOML, ip

GUESTS = """
[switches.lab]
link = "br0"
[guests.web1]
id = 1
[[guests.web1.nics]]
link = "tap0"
switch = "lab"
[[guests.web1.nics]]
link = "tap1"
local = true
"""

SETTINGS = (ClearMaster, SetDescription, SetDown, SetGroup, SetLinkAddress, SetMaster, SetUp)

FOREIGN = IPv6Interface("2001:db8:99::1/64")
FOREIGN_IPV4 = IPv4Interface("192.0.2.1/24")

ADDRESSES = (
    *("ff00::/8", "ff02::1/64", "fe80::/10", "fe80::1/64", "::/0", "::1/128", "2000::/3", "fc00::/7"),
    *("::ffff:192.0.2.1/128", "2002:c000:201::1/64", "2001:db8::1/27", str(FOREIGN)),
)
ADDRESSES_IPV4 = ("0.0.0.0/0", "127.0.0.1/8", "224.0.0.1/4", "10.0.0.1/31", str(FOREIGN_IPV4))

# What each kind of field might be, and must not be taken for.  Indexes of links are added.
HOSTILE: Mapping[Kind, Sequence[bytes]] = {
    LINK: (
        *(b"", b"/", b".", b"..", b"../all", b"a/b", b"lan0\0", b"\0", b"x" * 16, b"\xff\xfe", b"lan 0", b"lan0:1"),
        *(b"all", b"default", b"lo", b"wan0", b"other0", b"br1", b"lan0", b"tap0", b"tap1", b"br0"),
    ),
    INDEX: (b"", b"0", b"-1", b"1", b"2147483647", b"2147483648", b"4294967297", b"0x3", b" 3", b"9" * 400, b"\xb2"),
    ADDRESS: (
        *(ADDRESS.encode(IPv6Interface(text)) for text in ADDRESSES),
        *(b"", bytes(16), bytes(16) + b"\x81", bytes(18), b"x" * 300),
    ),
    SECONDS: (b"0", b"1", b"4294967294", b"4294967295", b"4294967296", b"-1", b"", b"1e3", b"9" * 40),
    TABLE: (b"0", b"1", b"7", b"253", b"254", b"255", b"4294967295", b"4294967296"),
    METRIC: (b"0", b"1", b"256", b"512", b"1024", b"4096", b"4294967295"),
    IPV4: (
        *(IPV4.encode(IPv4Interface(text)) for text in ADDRESSES_IPV4),
        *(b"", bytes(4), bytes(4) + b"\x21", bytes(6)),
    ),
    GROUP: (b"0", b"1", b"2147483647", b"2147483648", b"-1", b""),
    DESCRIPTION: (b"", b"x", b"x" * 255, b"x" * 256, b"\0", b"a\nb", b"\x1b[2J", b"\xff", b"$(reboot)"),
    LINK_ADDRESS: (b"", bytes(6), b"\xff" * 6, b"\1" + bytes(5), b"\2" + bytes(5), bytes(7)),
}


class HostileFieldTests(Attacked):
    """
    Every word of the vocabulary with every field hostile, beside objects of others.
    """

    toml = TOML + GUESTS

    def prepare(self) -> None:
        for name in ("br0", "br1"):
            ip("link", "add", name, "type", "bridge")
        for name in ("tap0", "tap1", "tap2"):
            ip("link", "add", name, "type", "veth", "peer", "name", f"{name}p")
        ip("link", "set", "tap2", "master", "br1", "up")
        for name in ("lan0", "lan1", "other0", "wan0"):
            ip("address", "add", str(FOREIGN), "dev", name)
        for name in ("lan0", "other0", "tap1"):
            ip("address", "add", str(FOREIGN_IPV4), "dev", name)
        prefix = str(FOREIGN.network)
        ip("-6", "route", "add", prefix, "dev", "other0", "metric", str(ON_LINK_METRIC), "proto", "static")
        ip("-6", "route", "add", "unreachable", prefix, "metric", "4096", "proto", "static")
        ip("-6", "route", "add", "2000::/3", "dev", "other0", "metric", "4096", "proto", "static")
        self.links = {name.encode(): b"%d" % index for index, name in socket.if_nameindex()}

    def values_of(self, kind: Kind) -> Sequence[bytes]:
        """What a field of a kind might be."""
        if kind is PREFIX:
            kind = ADDRESS
        return (*HOSTILE[kind], *self.links.values()) if kind is INDEX else HOSTILE[kind]

    def is_allowed(self, word: Word, box: Mapping[str, bytes]) -> bool:
        """Whether the daemon may ask this: set a link of a guest as it likes, open its own socket."""
        own = ("wan0",) if word.name == "open-client-socket" else ("tap0", "tap1", "br0")
        is_setting = word.operation in SETTINGS or word.name == "open-client-socket"
        return is_setting and any(
            box["link"] == name.encode() and box["index"] == self.links[name.encode()] for name in own
        )

    def ask_all(self, word: Word, boxes: Iterable[dict[str, bytes]]) -> int:
        """Ask all that is not allowed; how many of them were refused."""
        asked = [box for box in boxes if not self.is_allowed(word, box)]
        refused = sum(b"_error" in self.ask(word.name.encode(), **box) for box in asked)
        self.assertIsNone(self.process.poll())
        return refused

    def test_one_at_a_time(self) -> None:
        """
        Names with slashes, dots, NUL or too many octets, links that are the loopback, an uplink or nobody's, multicast,
        link-local, everything, a third of everything, lifetimes that are over: in each field of each word, the others
        being well-formed; nothing changes (issue 4, point 8).
        """
        usual = {LINK: b"lan0", INDEX: self.links[b"lan0"], ADDRESS: ADDRESS.encode(FOREIGN), SECONDS: b"600"}
        usual |= {PREFIX: PREFIX.encode(FOREIGN.network), TABLE: b"254", METRIC: b"%d" % ON_LINK_METRIC}
        usual |= {IPV4: IPV4.encode(FOREIGN_IPV4), GROUP: b"7", DESCRIPTION: b"x", LINK_ADDRESS: b"\2" + bytes(5)}
        asked = refused = 0
        for word in WORDS:
            if word.operation is None and word.name != "open-client-socket":
                continue
            base = {name: usual[kind] for name, kind in word.fields}
            boxes = [{**base, name: value} for name, kind in word.fields for value in self.values_of(kind)]
            asked += len(boxes)
            refused += self.ask_all(word, boxes)
        # the rest asked for what is so already, or for the removal of what is not there
        self.assertGreater(refused, asked * 3 // 4)
        self.assert_unharmed()

    def test_at_random(self) -> None:
        """
        Three thousand questions with every field drawn from what is hostile, and some left out: nothing changes, what
        is not ours is not removed, and the helper does not grow.
        """
        chance = random.Random(4)
        words = [word for word in WORDS if word.operation is not None]
        before = self.memory()
        for _ in range(3000):
            word = chance.choice(words)
            box = {name: chance.choice(self.values_of(kind)) for name, kind in word.fields}
            if chance.random() < 0.05:
                del box[chance.choice(list(box))]
                self.ask(word.name.encode(), **box)
            else:
                self.ask_all(word, [box])
        self.assert_unharmed()
        self.assertLess(self.memory(), before + 1024)
