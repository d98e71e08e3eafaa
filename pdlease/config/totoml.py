"""
A configuration as TOML that says the same: what differs from its default, in the order of the reference.

How such text is read is L{pdlease.config.toml}; both go by the rows of L{pdlease.config.schema}.  C{pdleasectl convert}
is this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from attrs import AttrsInstance, fields

from pdlease.config import guestschema, schema, values
from pdlease.config.model import Config, Delegation, Guest, Switch, Uplink
from pdlease.config.packets import RawOption, VendorClass, VendorOptions, written_word
from pdlease.config.remoteschema import REMOTE
from pdlease.config.toconf import subnets
from pdlease.subnets import Downstream

_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def to_toml(config: Config, with_plan: bool = False) -> str:
    """
    Write a configuration.

    @param with_plan: whether comments tell what each delegation needs, and the subnet that each downstream would get
        out of 2001:db8::.
    @return: text from which L{pdlease.config.toml.parse} makes the same configuration.
    """
    tables = [
        *_section("daemon", config.daemon, schema.DAEMON),
        *_section("identity", config.identity, schema.IDENTITY),
        *(table for uplink in config.uplinks for table in _uplink(uplink, with_plan)),
        *(_named("switches", switch, guestschema.SWITCH) for switch in config.switches),
        *(table for guest in config.guests for table in _guest(guest)),
        *_section("local", config.local, guestschema.LOCAL),
        *_section("policy", config.policy, schema.POLICY),
        *(() if config.remote is None else _section("control.remote", config.remote, REMOTE)),
    ]
    return "\n".join(tables)


def key(name: str) -> str:
    """A key, quoted where it must be."""
    return name if name and _BARE.issuperset(name) else text(name)


def text(value: str) -> str:
    """Text in quotes."""
    inner = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in inner) + '"'


def value(it: object) -> str:
    """A value of the model."""
    if isinstance(it, bool):
        return "true" if it else "false"
    if isinstance(it, (str, IPv4Network, IPv6Network)):
        return text(str(it))
    if isinstance(it, (tuple, list)):
        return "[" + ", ".join(map(value, it)) + "]"
    if isinstance(it, bytes):
        return text(written_word(it))
    if isinstance(it, (VendorClass, VendorOptions, RawOption)):
        return value(it.written())
    if isinstance(it, dict):
        return "{ " + ", ".join(f"{key(name)} = {value(inner)}" for name, inner in it.items()) + " }"
    return str(int(it)) if isinstance(it, float) and it.is_integer() else str(it)


def _keys(model: AttrsInstance, rows: Iterable[schema.Key], *always: str) -> Iterator[str]:
    """A line for each key that must be there, differs from its default, or is always to be written."""
    defaults = {attribute.name: attribute.default for attribute in fields(type(model))}
    for row in rows:
        mine = getattr(model, row.name)
        if row.name == "roles":
            yield f"roles = {value(dict(mine))}"
        elif row.name == "link" and not row.required:
            if mine != getattr(model, "name", None):
                yield f"link = {value(mine)}"
        elif row.required or row.name in always or mine != defaults[row.name]:
            yield f"{row.name} = {_host(mine) if row.read is values.host_part else value(mine)}"


def _host(part: int) -> str:
    """The host part of an address."""
    return text(str(IPv6Address(part)))


def _table(heading: str, lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in (heading, *lines))


def _section(name: str, model: AttrsInstance, rows: Iterable[schema.Key]) -> Iterator[str]:
    """A table that is left out where it says nothing."""
    lines = list(_keys(model, rows))
    if lines:
        yield _table(f"[{name}]", lines)


def _named(kind: str, model: Uplink | Switch | Guest, rows: Iterable[schema.Key]) -> str:
    return _table(f"[{kind}.{key(model.name)}]", _keys(model, rows))


def _uplink(uplink: Uplink, with_plan: bool) -> Iterator[str]:
    yield _named("uplinks", uplink, schema.UPLINK)
    # A profile has its own default.
    always = ("hint",) if uplink.profile else ()
    for delegation in uplink.delegations:
        heading = f"[[uplinks.{key(uplink.name)}.delegations]]"
        if with_plan:
            heading += f"  # needs a /{delegation.needed_length}"
        yield _table(heading, (*_keys(delegation, schema.DELEGATION, *always), *_downstreams(delegation, with_plan)))


def _downstreams(delegation: Delegation, with_plan: bool) -> Iterator[str]:
    entries = [_downstream(downstream) for downstream in delegation.downstreams]
    if not entries:
        return
    if not with_plan:
        yield f"downstreams = [{', '.join(entries)}]"
        return
    yield "downstreams = ["
    for entry, subnet in zip(entries, subnets(delegation), strict=True):
        yield f"    {entry}," + (f"  # {subnet}" if subnet else "")
    yield "]"


def _downstream(downstream: Downstream) -> str:
    """One entry of C{downstreams}, in its shortest form."""
    if downstream.link == "reserve" or downstream.host is not None:
        pairs = [f"link = {value(downstream.link)}"]
        if downstream.length != 64:
            pairs.append(f"length = {downstream.length}")
        if downstream.host is not None:
            pairs.append(f"host = {_host(downstream.host)}")
        return "{ " + ", ".join(pairs) + " }"
    return text((downstream.link or "reserve") + (f"/{downstream.length}" if downstream.length != 64 else ""))


def _guest(guest: Guest) -> Iterator[str]:
    yield _named("guests", guest, guestschema.GUEST)
    for nic in guest.nics:
        yield _table(f"[[guests.{key(guest.name)}.nics]]", _keys(nic, guestschema.NIC))
