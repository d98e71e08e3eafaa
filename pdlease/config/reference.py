"""
The reference of the configuration file, written from the rows that the file is read by.

C{docs/configuration.rst} holds what L{reference} returns, and a test compares the two; C{docs/write_configuration.py}
puts it there.  The rows are L{pdlease.config.schema}; the daemon never imports this.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network

from attrs import fields, frozen

from pdlease.config import guestschema, schema
from pdlease.config.model import (
    NIC,
    Daemon,
    Delegation,
    Guest,
    IdentitySettings,
    Local,
    Policy,
    Switch,
    Uplink,
)
from pdlease.config.remote import Remote
from pdlease.config.remoteschema import REMOTE
from pdlease.subnets import Downstream

BEGIN = ".. Written by pdlease.config.reference from here on; do not edit."


@frozen
class Table:
    """
    One kind of table of the file.

    @ivar heading: how it is written.
    @ivar model: the class of its model, which has the defaults.
    @ivar rows: its keys.
    @ivar text: what it is for.
    """

    heading: str
    model: type
    rows: tuple[schema.Key, ...]
    text: str


TABLES = (
    Table("[daemon]", Daemon, schema.DAEMON, "The daemon itself.  All of it is optional."),
    Table("[identity]", IdentitySettings, schema.IDENTITY, "Who the client is to servers."),
    Table(
        "[uplinks.NAME]",
        Uplink,
        schema.UPLINK,
        "A link on which prefixes are asked for.  NAME is what you call it; one with a dot in it is written in quotes, "
        'as in ``[uplinks."eth0.835"]``.  An uplink has at least one delegation.  A link can have one uplink only.',
    ),
    Table(
        "[[uplinks.NAME.delegations]]",
        Delegation,
        schema.DELEGATION,
        "One prefix to ask for, at most 32 an uplink.  Its further key ``downstreams`` is an array of what the prefix "
        'is carved into, in this order: ``"LINK"`` for a /64, ``"LINK/LENGTH"``, ``"reserve"`` or '
        '``"reserve/LENGTH"`` for space that is kept free, or a table as below.  A link may stand once under one '
        "uplink.",
    ),
    Table(
        "An entry of downstreams",
        Downstream,
        schema.DOWNSTREAM,
        'Written as a table, such as ``{ link = "lan2", length = 64, host = "::1" }``.  This is also how to write a '
        "link that is really called ``reserve``.",
    ),
    Table(
        "[switches.NAME]",
        Switch,
        guestschema.SWITCH,
        "A bridge that is made ready for guests.",
    ),
    Table(
        "[guests.NAME]",
        Guest,
        guestschema.GUEST,
        "A virtual machine or container whose links are configured the moment they appear.",
    ),
    Table("[[guests.NAME.nics]]", NIC, guestschema.NIC, "One link of a guest, as the host sees it."),
    Table("[local]", Local, guestschema.LOCAL, "What the local addresses of guests are made from."),
    Table("[policy]", Policy, schema.POLICY, "What the helper allows at all."),
    Table(
        "[control.remote]",
        Remote,
        REMOTE,
        "Control from other machines, over TLS 1.3 with certificates on both sides.  Without this table, or with one "
        "that lacks a key, there is none.  `remote.rst <remote.rst>`_ makes the certificates.  A reload reads the "
        "three files again; ``listen`` needs a restart.",
    ),
)

# Defaults that no value can show.
SPECIAL = {
    ("[uplinks.NAME]", "link"): "the table's name",
    ("[switches.NAME]", "link"): "the table's name",
    ("[uplinks.NAME]", "route_table"): "that of ``vrf``; without one 254",
    ("[[uplinks.NAME.delegations]]", "iaid"): "derived from the names",
    ("An entry of downstreams", "host"): '``"::1"``; ``"::"`` for a /128',
    **{
        ("[control.remote]", name): "none: without it remote control is off"
        for name in ("listen", "certificate", "key", "client_ca", "roles")
    },
}


def written(value: object) -> str:
    """A value of the model, as it is written in a file."""
    if value is None or value == "":
        return "none" if value is None else 'empty: ``""``'
    return f"``{_toml(value)}``"


def _toml(value: object) -> str:
    """A value in TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, IPv4Network, IPv6Network)):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def default_of(table: Table, row: schema.Key) -> str:
    """The default of a key, in words or as it is written."""
    if row.required:
        return "none: must be given"
    special = SPECIAL.get((table.heading, row.name))
    if special is not None:
        return special
    return written(getattr(fields(table.model), row.name).default)


def _wrapped(words: str, first: str, indent: str) -> Iterable[str]:
    """Lines of at most 118 characters."""
    line = first
    for word in words.split():
        if len(line) + 1 + len(word) > 118 and line.strip():
            yield line.rstrip()
            line = indent
        line += word if line in (first, indent) else f" {word}"
    yield line.rstrip()


def reference() -> str:
    """All tables with all their keys, as reStructuredText."""
    lines = [BEGIN, ""]
    for table in TABLES:
        heading = f"``{table.heading}``" if table.heading.startswith("[") else table.heading
        lines += [heading, "-" * len(heading), "", *_wrapped(table.text, "", ""), ""]
        for row in table.rows:
            lines.append(f"``{row.name}``")
            lines += _wrapped(row.meaning, "    ", "    ")
            lines.append("")
            for name, value in (
                ("Type", row.kind),
                ("Default", default_of(table, row)),
                ("Example", f"``{row.name} = {row.example}``"),
            ):
                lines += _wrapped(value, f"    :{name}: ", "        ")
            lines.append("")
    return "\n".join(lines)
