"""
A JSON Schema of the configuration file, for editors that complete and underline, made from the rows that the file is
read by.

C{docs/pdlease.schema.json} holds what L{json_schema} returns, and a test compares the two; the script
C{docs/write_configuration.py} puts it there.  What an editor cannot know (numbers used twice, names of links that are
too long in bytes) C{pdleasectl check} tells.  The daemon never imports this.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from inspect import getclosurevars
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias

from attrs import NOTHING, fields

from pdlease.config import remote, schema, values
from pdlease.config.checks import MOST_DELEGATIONS
from pdlease.config.reference import TABLES, Table

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
Fragment: TypeAlias = "dict[str, Plain]"

LINK: Fragment = {"type": "string", "minLength": 1, "maxLength": values.LONGEST_LINK_NAME}
LENGTH: Fragment = {"type": "integer", "minimum": 1, "maximum": 128}
PREFIX: Fragment = {"type": "string", "pattern": "/[0-9]+$"}
PATH: Fragment = {"type": "string", "pattern": "^/"}
DUID: Fragment = {"type": "string", "pattern": "^(uuid|(llt|ll|en|raw):.+)$"}

#: What the readers of single values accept, as far as a schema can say it.
ACCEPTED: Mapping[Callable[[object], object], Fragment] = {
    values.flag: {"type": "boolean"},
    values.text: {"type": "string"},
    values.account: {"type": "string", "minLength": 1},
    values.accounts: {"type": "array", "items": {"type": "string", "minLength": 1}},
    values.provider: {"type": "string", "minLength": 1},
    values.absolute_path: PATH,
    values.socket_path: {**PATH, "maxLength": values.LONGEST_SOCKET_PATH},
    values.link_name: LINK,
    values.optional_link: {"type": "string", "maxLength": values.LONGEST_LINK_NAME},
    values.duid: DUID,
    values.optional_duid: {"anyOf": [DUID, {"const": ""}]},
    values.route_protocol: {
        "type": "integer",
        "minimum": 1,
        "maximum": 255,
        "not": {"enum": list(values.KNOWN_PROTOCOLS)},
    },
    values.route_table: {"type": "integer", "minimum": 1, "maximum": 0xFFFFFFFF, "not": {"const": 255}},
    values.rate_limit: {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    values.hint: {
        "anyOf": [
            {"enum": ["nibble", "exact", "none"]},
            LENGTH,
            {"type": "array", "items": LENGTH, "minItems": 1, "uniqueItems": True},
        ]
    },
    values.host_part: {"type": "string", "pattern": "^[0-9a-fA-F:.]+$"},
    values.group: {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 0x7FFFFFFF},
            {"type": "string", "minLength": 1, "maxLength": 15, "pattern": "[^0-9]$"},
        ]
    },
    values.local_prefix: PREFIX,
    values.local_prefix6: PREFIX,
    values.prefixes6: {"type": "array", "items": PREFIX, "minItems": 1},
    remote.listen: {"type": "string", "pattern": "^(ssl|tcp):"},
    remote.roles: {"type": "object", "minProperties": 1, "additionalProperties": {"enum": list(remote.ROLES)}},
}

# How an entry of downstreams is written as text.
_DOWNSTREAM: Fragment = {"type": "string", "pattern": "^[^/:\\s]{1,15}(/[0-9]{1,3})?$"}

_NAMES: Fragment = {"pattern": "^[^./\\\\\\s-][^/\\\\\\s]{0,63}$"}


def json_schema() -> Fragment:
    """The schema, in the dialect that editors understand."""
    by_heading = {table.heading: table for table in TABLES}
    delegations = _list(
        _table(
            by_heading["[[uplinks.NAME.delegations]]"],
            downstreams={
                "type": "array",
                "description": "What the prefix is carved into, in this order.",
                "items": {"anyOf": [_DOWNSTREAM, _table(by_heading["An entry of downstreams"])]},
            },
        ),
        MOST_DELEGATIONS,
    )
    nics = _list(_table(by_heading["[[guests.NAME.nics]]"]))
    properties: Fragment = {
        "daemon": _table(by_heading["[daemon]"]),
        "identity": _table(by_heading["[identity]"]),
        "uplinks": _named(_table(by_heading["[uplinks.NAME]"], "delegations", delegations=delegations)),
        "switches": _named(_table(by_heading["[switches.NAME]"])),
        "guests": _named(_table(by_heading["[guests.NAME]"], "nics", nics=nics)),
        "local": _table(by_heading["[local]"]),
        "policy": _table(by_heading["[policy]"]),
        "control": {
            "type": "object",
            "description": "Further ways to control the daemon.",
            "properties": {"remote": _table(by_heading["[control.remote]"])},
            "additionalProperties": False,
        },
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "pdlease.toml",
        "description": "Configuration of pdlease, a DHCPv6 prefix-delegation client.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "anyOf": [{"required": [name]} for name in ("uplinks", "switches", "guests")],
    }


def as_text() -> str:
    """The schema as the text of its file."""
    return json.dumps(json_schema(), indent=1) + "\n"


def accepted(row: schema.Key) -> Fragment:
    """What the value of a key may be; anything of the example's type where its reader is not known here."""
    found = ACCEPTED.get(row.read)
    if found is not None:
        return found
    given = getclosurevars(row.read).nonlocals
    if {"lowest", "highest"} <= given.keys():
        return {"type": "integer", "minimum": given["lowest"], "maximum": given["highest"]}
    if "words" in given:
        return {"enum": list(given["words"])}
    example = tomllib.loads(f"x = {row.example}")["x"]
    return {"type": ["object", "array"]} if isinstance(example, dict) else {"type": _TYPES[type(example)]}


_TYPES: Mapping[type, str] = {str: "string", int: "integer", float: "number", list: "array", bool: "boolean"}


def _table(table: Table, *required: str, **more: Fragment) -> Fragment:
    """A table with the keys of its rows and some more."""
    properties: Fragment = {row.name: _key(table, row) for row in table.rows}
    needed: list[Plain] = [*(row.name for row in table.rows if row.required), *required]
    return {
        "type": "object",
        "description": _plain(table.text),
        "properties": {**properties, **more},
        "additionalProperties": False,
        **({"required": needed} if needed else {}),
    }


def _key(table: Table, row: schema.Key) -> Fragment:
    """One key."""
    default = {attribute.name: attribute.default for attribute in fields(table.model)}.get(row.name)
    said: Fragment = {} if default in (None, "", ()) or default is NOTHING else {"default": _json(default)}
    return {"description": f"{_plain(row.meaning)}  ({_plain(row.kind)})", **accepted(row), **said}


def _named(table: Fragment) -> Fragment:
    """A table of tables."""
    return {"type": "object", "propertyNames": _NAMES, "additionalProperties": table}


def _list(table: Fragment, most: int | None = None) -> Fragment:
    """An array of tables that is not empty."""
    return {"type": "array", "items": table, "minItems": 1, **({} if most is None else {"maxItems": most})}


def _json(value: object) -> Plain:
    """A default of the model in JSON."""
    if isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, (IPv4Network, IPv6Network)):
        return str(value)
    if isinstance(value, Iterable):
        return [_json(entry) for entry in value]
    raise TypeError(f"no default can be {value!r}")


def _plain(words: str) -> str:
    """Text without the marks of reStructuredText."""
    return words.replace("``", "")
