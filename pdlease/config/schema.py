"""
The keys of the configuration file: one row for each, with what it means.

L{pdlease.config.toml} reads files by these rows and L{pdlease.config.reference} writes the documentation from them, so
that neither can know a key that the other does not.  Defaults are those of L{pdlease.config.model}.  The rows of
switches and guests are L{pdlease.config.guestschema}, those of remote control L{pdlease.config.remoteschema}.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from pdlease.config import packets, values
from pdlease.config.model import ON_LINK_METRIC


@frozen
class Key:
    """
    One key of a table.

    @ivar name: the key.
    @ivar read: makes the model's value of the file's, or raises C{ValueError} with what was expected.
    @ivar kind: its type, in words, with its unit where it has one.
    @ivar example: a value as it is written in a file.
    @ivar meaning: what it does.
    @ivar required: whether it must be there.
    """

    name: str
    read: Callable[[object], object]
    kind: str
    example: str
    meaning: str
    required: bool = False


DAEMON = (
    Key(
        "state",
        values.absolute_path,
        "absolute path",
        '"/var/lib/pdlease"',
        "Folder in which DUID, IAIDs, leases and the ledger are kept.  It is made at the first start.",
    ),
    Key(
        "control",
        values.socket_path,
        "absolute path, at most 107 bytes",
        '"/run/pdlease/control.sock"',
        "Local socket of the control channel, made with mode 0660.",
    ),
    Key(
        "control_group",
        values.account,
        "name of a group",
        '"pdlease"',
        "Members of this group, and root, may use the control channel.",
    ),
    Key("control_users", values.accounts, "array of names", '["alice"]', "Further users who may use it."),
    Key(
        "control_viewers",
        values.accounts,
        "array of names of groups",
        '["adm"]',
        "Their members may look, and change nothing.  A reload can take users and groups out and back in again; who "
        "was not named at the start needs a restart.",
    ),
    Key(
        "privileges",
        values.provider,
        "provider, or provider:argument",
        '"helper"',
        "What may touch the kernel: ``helper`` (a small process of its own), ``inprocess`` (the daemon itself), "
        "``dryrun`` (nobody; what would be done is written to the log), or one from a plugin.",
    ),
    Key(
        "store",
        values.provider,
        "provider, or provider:argument",
        '"file"',
        "Where leases are kept: ``file``, ``memory`` (forgotten when the daemon ends), or one from a plugin.",
    ),
    Key("user", values.account, "name of a user", '"pdlease"', "User that the daemon becomes once it has started."),
    Key(
        "helper_user",
        values.account,
        "name of a user",
        '"pdlease-helper"',
        "User that the helper becomes, keeping CAP_NET_ADMIN and CAP_NET_BIND_SERVICE only.",
    ),
    Key(
        "on_stop",
        values.choice("keep", "remove"),
        '``"keep"`` or ``"remove"``',
        '"remove"',
        "What becomes of addresses and routes when the daemon is stopped.  Kept ones end with their lifetimes.",
    ),
    Key(
        "route_protocol",
        values.route_protocol,
        "whole number, 1 to 255, no other program's",
        "154",
        "Number that marks our routes and addresses in the kernel.  Numbers that the kernel or a well-known routing "
        "daemon uses are refused: "
        + ", ".join(f"{number} ({name})" for number, name in values.KNOWN_PROTOCOLS.items())
        + ".",
    ),
    Key(
        "sandbox",
        values.choice("require", "try", "off"),
        '``"require"``, ``"try"`` or ``"off"``',
        '"require"',
        "Whether the daemon shuts itself in: ``require`` refuses to run where the kernel cannot do it, ``try`` warns.",
    ),
    Key(
        "sandbox_action",
        values.choice("errno", "kill"),
        '``"errno"`` or ``"kill"``',
        '"kill"',
        "What a system call that the sandbox forbids leads to: an error, or the end of the process.",
    ),
)

IDENTITY = (
    Key(
        "duid",
        values.duid,
        "``uuid``, ``llt:LINK``, ``ll:LINK``, ``en:NUMBER:HEX`` or ``raw:HEX``",
        '"ll:eth0"',
        "How the DUID comes to be where none is remembered yet: a random UUID, the link-layer address of a link with "
        "or without the time, an enterprise number with an identifier, or the octets of a whole DUID.",
    ),
)

UPLINK = (
    Key("link", values.link_name, "name of a link", '"eth0.835"', "The link on which prefixes are asked for."),
    Key(
        "rapid_commit",
        values.flag,
        "true or false",
        "true",
        "Whether a server may answer the Solicit with a lease at once.",
    ),
    Key(
        "solicit_delay",
        values.flag,
        "true or false",
        "false",
        "Whether the first Solicit waits for a random time of 0 to 1 s, counted from process start or link up, as "
        "RFC 9915 section 18.2.1 wants it.",
    ),
    Key(
        "start",
        values.choice("link", "ra", "p-flag"),
        '``"link"``, ``"ra"`` or ``"p-flag"``',
        '"link"',
        "What the client waits for before it begins: the link being up, a Router Advertisement with M or O set "
        "(RFC 7084 WPD-4), or one with a prefix that has the P flag (RFC 9762).  Both are heard from the kernel, which "
        "ignores Router Advertisements on a link that forwards unless its ``accept_ra`` is 2; ``status`` and "
        "``why`` say so.  A lease that is held is confirmed without waiting.  With ``p-flag`` no length beyond 64 is "
        "asked for or taken, the uplink's own link is refused as a downstream, "
        "and where the last such prefix goes, nothing more is asked; a kernel that tells of the "
        "flag is needed (Linux 6.18 and Debian's 6.1 do), and the next Router Advertisement is waited for even if the "
        "kernel heard one before the daemon started.",
    ),
    Key(
        "rate_limit",
        values.rate_limit,
        "array of two numbers: messages, seconds",
        "[20, 20]",
        "At most so many messages in so many seconds on this uplink (RFC 9915 section 14.1).",
    ),
    Key(
        "renumbering_silence",
        values.whole(1, 86400),
        "seconds, 1 to 86400",
        "60",
        "For how long nobody answers, where the link seems to lead to another provider or session, before the lease is "
        "given up and new prefixes are asked for.  Without such signs silence never ends a lease.",
    ),
    Key(
        "reconfigure",
        values.flag,
        "true or false",
        "true",
        "Whether servers are told that this client accepts Reconfigure messages.",
    ),
    Key(
        "duid",
        values.optional_duid,
        "as ``identity.duid``, or empty",
        '"ll:eth0"',
        "A DUID for this uplink only; empty for the client's own.",
    ),
    Key(
        "profile",
        values.choice("", packets.PROFILE),
        '``"dhcp6leased"``, or empty',
        '"dhcp6leased"',
        "Layout of the messages sent.  ``dhcp6leased`` is that of the original, for migration and comparison: its "
        "order of options, IAIDs counted from 0 over the file, options 82 and 83 requested and nothing else, the "
        'length that is needed (hint "exact") and never an earlier prefix as a hint.',
    ),
    Key(
        "vendor_class",
        packets.vendor_class,
        "table, or array of tables with different numbers",
        '{ enterprise = 1038, data = ["sagem"] }',
        "Says in option 16 what made this client.  ``data`` is an array of texts, of octets where one begins with "
        "``hex:``; without it, it is name, release and machine of the operating system.",
    ),
    Key(
        "user_class",
        packets.user_class,
        "array of texts",
        '["FSVDSL_livebox.Internet.softathome.Livebox4"]',
        "Says in option 15 whom this client serves.  A text that begins with ``hex:`` stands for octets.",
    ),
    Key(
        "vendor_options",
        packets.vendor_options,
        "table, or array of tables with different numbers",
        '{ enterprise = 32473, options = [{ code = 1, data = "00ff" }] }',
        "Sends option 17 with options that a vendor defined, whose content is given in hexadecimal digits.",
    ),
    Key(
        "raw_options",
        packets.raw_options,
        "array of tables",
        '[{ code = 11, data = "00000000000000", messages = ["solicit", "request"] }]',
        "Options that are sent as they are written, in hexadecimal digits, in the messages named ("
        + ", ".join(f"``{message}``" for message in packets.MESSAGES)
        + "), without ``messages`` in all.  The client understands no answer to them.",
    ),
    Key(
        "request_options",
        packets.request_options,
        "array of option codes",
        "[17, 23, 24]",
        "Options that servers are asked for besides those that this client needs.",
    ),
    Key(
        "dscp",
        values.whole(0, 63),
        "whole number, 0 to 63",
        "48",
        "Differentiated services code point in the header of the packets sent.",
    ),
    Key(
        "priority",
        values.whole(0, 6),
        "whole number, 0 to 6",
        "6",
        "Priority of the packets sent, within the kernel (``SO_PRIORITY``).  A VLAN link puts on the wire what its "
        "``egress-qos-map`` makes of it: ``ip link set eth0.832 type vlan egress-qos-map 6:6`` for IEEE 802.1p "
        "priority 6.",
    ),
    Key(
        "vrf",
        values.optional_link,
        "name of a link, or empty",
        '"blue"',
        "VRF that the link is put into when it appears.  Nothing is sent before it is there.",
    ),
    Key(
        "route_table",
        values.route_table,
        "whole number, 1 to 4294967295 except 255",
        "1000",
        "Routing table for the on-link routes of subnets and the unreachable routes of prefixes; 254 is main.  The "
        "on-link route of a link that is in a VRF is always in the table of that VRF.",
    ),
    Key(
        "route_metric",
        values.whole(1, 0xFFFFFFFF),
        "whole number, 1 to 4294967295",
        "4096",
        f"Metric of the unreachable route of a delegated prefix.  On-link routes have metric {ON_LINK_METRIC}.",
    ),
)

DELEGATION = (
    Key(
        "iaid",
        values.whole(0, 0xFFFFFFFF),
        "whole number, 0 to 4294967295",
        "1",
        "Number of the identity association.  Without it one is derived from the names of uplink and first downstream "
        "link, remembered, and kept as long as one of the delegation's links stays.  All IAIDs of a file must differ.  "
        "To servers the number is who asks: where all links get other names, or another number is written, a prefix "
        "that is held is not asked for any more; ``pdleasectl check``, ``reload`` and the log warn of it.  For one "
        "that is new altogether: "
        "``pdleasectl release``, another number here, ``pdleasectl reload``, ``pdleasectl renew``.",
    ),
    Key(
        "hint",
        values.hint,
        '``"nibble"``, ``"exact"``, ``"none"``, a prefix length, 1 to 128 bits, or an array of at most 8 of them',
        "56",
        "The prefix length to ask for: the needed length rounded up to a whole nibble (/64, /60, /56 ...), the needed "
        "length itself, nothing, or this length.  Of several lengths, as in ``[48, 56, 60]``, the next one is asked "
        "for when a server says that it has no such prefix, or four Solicits in a row brought no offer; after the "
        "last one it is the first one's turn again.  A prefix that was lost is asked for by name, and the length "
        "besides where that is larger; while a prefix smaller than the length is held, every Renew asks for the "
        "length as well.",
    ),
    Key(
        "split",
        values.flag,
        "true or false",
        "true",
        "Whether each downstream gets a delegation of its own instead of a part of a common one, for servers that "
        "delegate nothing but /64s, one for each association.  The IAID of each follows from the name of its link.  "
        "``iaid`` and ``reserve`` cannot be used then.",
    ),
    Key(
        "excluded_host",
        values.host_part,
        "host part of an address, not zero",
        '"::2"',
        "Puts an address on the uplink's own link, with this host part, out of the part of the prefix that the server "
        "keeps for that link (RFC 6603), with an on-link route, for as long as the prefix is valid.  The provider's "
        "router has another one there, often ``::1``.  Without it, and where a server keeps nothing, no address of a "
        "prefix is ever put on the uplink's link.",
    ),
)

DOWNSTREAM = (
    Key("link", values.link_name, "name of a link", '"lan2"', "The downstream link.", True),
    Key("length", values.length, "prefix length, 1 to 128 bits", "60", "Length of its subnet."),
    Key(
        "host",
        values.host_part,
        "host part of an address",
        '"::1"',
        "The router's own address within the subnet.  It must fit behind the length, and only a /127 or /128 may have "
        "host part zero, which elsewhere is the subnet-router anycast address.",
    ),
)

POLICY = (
    Key(
        "prefixes",
        values.prefixes6,
        "array of IPv6 prefixes",
        '["2000::/3", "fc00::/7"]',
        "Addresses and routes outside of these are refused, whoever asks for them.",
    ),
)
