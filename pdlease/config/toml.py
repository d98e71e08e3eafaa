"""
The configuration file: from TOML to a checked L{Config}, or to everything that is wrong with it.

Which keys there are is L{pdlease.config.schema}, what a single value must look like L{pdlease.config.values}.  What
lives here is how tables hang together and what values must be to one another: no two delegations with one IAID, no link
twice under one uplink, a guest's switch that exists (seed-behaviour 2.4, 2.5; D42).  What does not depend on the form
of the file is L{pdlease.config.checks}; files in another form go through L{pdlease.config.load}.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Network
from typing import Any

from pdlease.config import guestschema, schema, values
from pdlease.config.checks import LARGEST, MOST_DELEGATIONS, delegation_key, does_not_fit, too_large, turns_back
from pdlease.config.errors import ConfigError, ConfigErrors
from pdlease.config.model import (
    NIC,
    Config,
    Daemon,
    Delegation,
    Guest,
    IdentitySettings,
    Local,
    Policy,
    Switch,
    Uplink,
)
from pdlease.config.packets import PROFILE
from pdlease.config.reading import Reading, did_you_mean, joined
from pdlease.config.remote import ANYBODY, Remote, parse_listen
from pdlease.config.remoteschema import REMOTE
from pdlease.local import OutOfRange, local_addresses
from pdlease.subnets import Downstream

__all__ = ["ConfigError", "ConfigErrors", "parse"]

TABLES = ("daemon", "identity", "uplinks", "switches", "guests", "local", "policy", "control")


def parse(data: bytes, path: str) -> Config:
    """
    Read a configuration.

    @param data: the bytes of the file.
    @param path: its name, for messages.
    @raise ConfigErrors: with everything that is wrong.
    """
    try:
        document = _document(data)
    except NotTOML as problem:
        raise ConfigErrors(path, [problem.error]) from None
    reading = Reading()
    config = _config(reading, document)
    if reading.errors:
        raise ConfigErrors(path, reading.errors)
    return config


class NotTOML(Exception):
    """
    The file is not TOML at all.

    @ivar error: where and why.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.error = ConfigError(path, problem)


def _document(data: bytes) -> dict[str, object]:
    """The TOML document, or L{NotTOML}."""
    if len(data) > LARGEST:
        raise NotTOML("", f"the file is larger than {LARGEST} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise NotTOML(f"line {line}", f"not UTF-8 (byte {data[problem.start]:#04x})") from None
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise NotTOML("", "not TOML: arrays or tables are nested too deeply") from None
    except tomllib.TOMLDecodeError as problem:
        reason, _, place = str(problem).rpartition(" (at ")
        number, _, column = place.removeprefix("line ").rstrip(")").partition(", column ")
        if not column:
            raise NotTOML(f"line {text.count(chr(10)) + 1}", f"not TOML: {reason} (end of file)") from None
        raise NotTOML(f"line {number}", f"not TOML: {reason} (column {column})") from None
    except ValueError as problem:
        # A number of thousands of digits, which Python refuses to convert.
        raise NotTOML("", f"not TOML: {problem}") from None


def _config(reading: Reading, document: dict[str, object]) -> Config:
    """The whole configuration; what could not be read is left out, and is an error already."""
    reading.keys(document, "", (), TABLES)
    sections: dict[str, Any] = {}
    for name, rows, model in (
        ("daemon", schema.DAEMON, Daemon),
        ("identity", schema.IDENTITY, IdentitySettings),
        ("local", guestschema.LOCAL, Local),
        ("policy", schema.POLICY, Policy),
    ):
        if name in document:
            sections[name] = model(**reading.keys(reading.table(document[name], name), name, rows))
    names = {name: _names(document, name) for name in ("uplinks", "switches")}
    before = len(reading.errors)
    guests = tuple(_guests(reading, document.get("guests", {}), names))
    guest_errors, reading.errors[before:] = reading.errors[before:], []
    duid = sections.get("identity", IdentitySettings()).duid
    remote, remote_lacks = _remote(reading, document)
    config = Config(
        uplinks=tuple(_uplinks(reading, document.get("uplinks", {}), guests, duid)),
        switches=tuple(_switches(reading, document.get("switches", {}))),
        guests=guests,
        remote=remote,
        remote_lacks=remote_lacks,
        **sections,
    )
    _kept(reading, config)
    reading.errors += guest_errors
    _guest_links(reading, config)
    _vrfs(reading, config)
    if not any(name in document for name in ("uplinks", "switches", "guests")):
        reading.wrong("", "nothing to do: expected at least one table [uplinks.NAME], [switches.NAME] or [guests.NAME]")
    return config


def _kept(reading: Reading, config: Config) -> None:
    """No DUID with a time in it where nothing is kept (R-11-06)."""
    if config.daemon.store.partition(":")[0] != "memory":
        return
    wanted = {"identity.duid": config.identity.duid}
    wanted |= {joined(joined("uplinks", uplink.name), "duid"): uplink.duid for uplink in config.uplinks}
    for path, text in wanted.items():
        if text.startswith("llt:"):
            reading.wrong(path, 'a DUID with a time must be kept, and store = "memory" keeps nothing (RFC 9915 11.2)')


def _names(document: Mapping[str, object], table: str) -> tuple[str, ...]:
    """The names that a table of tables defines, right or wrong, for those who refer to them."""
    value = document.get(table)
    return tuple(value) if isinstance(value, dict) else ()


def _link(
    reading: Reading, path: str, name: str, keys: Mapping[str, object], table: Mapping[str, object]
) -> str | None:
    """The link of a table that by default is called as the table; C{None} after an error."""
    if "link" in table:
        link = keys.get("link")
        return link if isinstance(link, str) else None
    try:
        return values.link_name(name)
    except ValueError as problem:
        reading.wrong(path, f'{problem}; give the link with link = "..."')
        return None


# Uplinks.


def _uplinks(reading: Reading, value: object, guests: tuple[Guest, ...], duid: str) -> Iterable[Uplink]:
    """Every table of C{[uplinks]}."""
    for path, name, table in reading.named(value, "uplinks"):
        keys = reading.keys(table, path, schema.UPLINK, ("delegations",), dotted=True)
        link = _link(reading, path, name, keys, table)
        if link is not None:
            reading.claim("uplink", link, joined(path, "link"), "this link has an uplink already:")
        asking = sum(nic.delegate == name for guest in guests for nic in guest.nics)
        # the original asks for just the length that it needs
        hint = "exact" if keys.get("profile") == PROFILE else "nibble"
        delegations = tuple(_delegations(reading, path, name, table, asking, hint))
        uplink = Uplink(**{**keys, "name": name, "link": link or "", "delegations": delegations})
        problem = does_not_fit(uplink, duid)
        if problem:
            reading.wrong(joined(path, "delegations"), f'{problem}, or hint = "none"')
        if turns_back(uplink):
            reading.wrong(joined(path, "delegations"), f'{link} is the uplink: start = "p-flag" forbids it downstream')
        yield uplink


def _delegations(
    reading: Reading, path: str, uplink: str, table: Mapping[str, object], asking: int, hint: str
) -> Iterable[Delegation]:
    """
    The delegations of one uplink, the first with the guests that ask it for a /64.

    @param hint: the hint of those whose tables do not say one.
    """
    path = joined(path, "delegations")
    if "delegations" not in table:
        if not any(isinstance(value, dict) for value in table.values()):
            reading.wrong(path, f"missing: expected at least one [[{path}]]")
        return
    found = 0
    for inner, value in reading.array(table["delegations"], path, "tables"):
        whole = {"hint": hint, **reading.table(value, inner)}
        for delegation in _delegation(reading, inner, uplink, found, whole, 0 if found else asking):
            found += 1
            if found == MOST_DELEGATIONS + 1:
                reading.wrong(path, f"more than {MOST_DELEGATIONS} delegations on one uplink")
            yield delegation
    if table["delegations"] == []:
        reading.wrong(path, "expected at least one delegation, not an empty array")


def _delegation(
    reading: Reading, path: str, uplink: str, index: int, table: Mapping[str, object], guests: int
) -> Iterable[Delegation]:
    """
    One delegation of an uplink, or one of each downstream where the table is to be split.

    @param index: how many the uplink has already.
    """
    keys = reading.keys(table, path, schema.DELEGATION, ("downstreams",))
    if "iaid" in keys:
        reading.claim("iaid", keys["iaid"], joined(path, "iaid"), "this IAID is in use already:")
    if keys.get("excluded_host") == 0:
        reading.wrong(joined(path, "excluded_host"), "host part zero is the subnet-router anycast address")
    downstreams = []
    inner = joined(path, "downstreams")
    for entry, value in reading.array(table.get("downstreams", []), inner, "downstreams"):
        downstream = _downstream(reading, entry, value)
        if downstream is None:
            continue
        downstreams.append(downstream)
        if downstream.link is not None:
            reading.claim(
                f"downstream of {uplink}", downstream.link, entry, f"{downstream.link} is a downstream already:"
            )
    if keys.get("split"):
        yield from _split(reading, path, keys, downstreams, guests)
        return
    key = delegation_key(downstreams, index)
    if all(downstream.link is None for downstream in downstreams):
        # what is remembered goes by the key alone, and a link may be called "#0"
        reading.claim(f"downstream of {uplink}", key, path, f"would be known as {key}, and so is:")
    problem = too_large(downstreams, guests)
    if problem:
        reading.wrong(inner, problem)
    yield Delegation(**{**keys, "key": key, "downstreams": tuple(downstreams), "guests": guests})


def _split(
    reading: Reading, path: str, keys: Mapping[str, Any], downstreams: list[Downstream], guests: int
) -> Iterable[Delegation]:
    """A delegation of each downstream, known by its link, so that nothing changes for it when another comes or goes."""
    if "iaid" in keys:
        reading.wrong(joined(path, "iaid"), "one IAID does not do for several delegations; leave out this or split")
    for downstream in downstreams:
        if downstream.link is None:
            reading.wrong(joined(path, "downstreams"), "a reserve has no use where every downstream has its own prefix")
            continue
        problem = too_large((downstream,), guests)
        if problem:
            reading.wrong(joined(path, "downstreams"), problem)
        yield Delegation(**{**keys, "key": downstream.link, "downstreams": (downstream,), "guests": guests})
        guests = 0
    if not downstreams:
        reading.wrong(joined(path, "downstreams"), "expected at least one downstream to split")


def _downstream(reading: Reading, path: str, value: object) -> Downstream | None:
    """One entry of C{downstreams}: C{"LINK"}, C{"LINK/LENGTH"}, C{"reserve"}, C{"reserve/LENGTH"} or a table."""
    if isinstance(value, dict):
        return _downstream_table(reading, path, value)
    if not isinstance(value, str):
        reading.wrong(
            path, f'expected "LINK", "LINK/LENGTH", "reserve" or {{ link = "LINK" }}, not {values.shown(value)}'
        )
        return None
    name, slash, digits = value.partition("/")
    try:
        link = values.link_name(name)
        if slash and not (digits.isascii() and digits.isdigit() and len(digits) <= 3):
            raise ValueError(f"expected LINK/LENGTH with a prefix length from 1 to 128, not {values.shown(value)}")
        length = values.length(int(digits)) if slash else 64
    except ValueError as problem:
        reading.wrong(path, str(problem))
        return None
    return Downstream(link=None if link == "reserve" else link, length=length)


def _downstream_table(reading: Reading, path: str, table: Mapping[str, object]) -> Downstream | None:
    """A downstream that is written as a table."""
    before = len(reading.errors)
    downstream = Downstream(**reading.keys(table, path, schema.DOWNSTREAM))
    if len(reading.errors) > before:
        return None
    host, length = downstream.host, downstream.length
    if host is not None:
        if host >> (128 - length):
            reading.wrong(joined(path, "host"), f"the host part does not fit behind a /{length}")
        elif host == 0 and length < 127:
            reading.wrong(joined(path, "host"), "host part zero is the subnet-router anycast address")
    return downstream


# Switches and guests.


def _switches(reading: Reading, value: object) -> Iterable[Switch]:
    """Every table of C{[switches]}."""
    for path, name, table in reading.named(value, "switches"):
        keys = reading.keys(table, path, guestschema.SWITCH, ("locked",), dotted=True)
        _refuse_lock(reading, path, table)
        link = _link(reading, path, name, keys, table)
        if link is not None:
            reading.claim("port or switch", link, joined(path, "link"), "this link is in use already:")
        yield Switch(**{**keys, "name": name, "link": link or ""})


def _guests(reading: Reading, value: object, names: Mapping[str, tuple[str, ...]]) -> Iterable[Guest]:
    """Every table of C{[guests]}."""
    for path, name, table in reading.named(value, "guests"):
        keys = reading.keys(table, path, guestschema.GUEST, ("nics",), dotted=True)
        if "id" in keys:
            reading.claim("guest", keys["id"], joined(path, "id"), "this id has a guest already:")
        nics = tuple(_nics(reading, joined(path, "nics"), table, names))
        yield Guest(name=name, id=keys.get("id", 1), nics=nics)


def _nics(
    reading: Reading, path: str, table: Mapping[str, object], names: Mapping[str, tuple[str, ...]]
) -> Iterable[NIC]:
    """The NICs of one guest; one that could not be read keeps its place, since indexes count."""
    if "nics" not in table:
        if not any(isinstance(value, dict) for value in table.values()):
            reading.wrong(path, f"missing: expected at least one [[{path}]]")
        return
    for inner, value in reading.array(table["nics"], path, "tables"):
        nic = reading.table(value, inner)
        keys = reading.keys(nic, inner, guestschema.NIC, ("locked",))
        _refuse_lock(reading, inner, nic)
        if "link" in keys:
            reading.claim("port or switch", keys["link"], joined(inner, "link"), "this link is in use already:")
        for key, kind, known in (("switch", "switch", names["switches"]), ("delegate", "uplink", names["uplinks"])):
            if keys.get(key) and keys[key] not in known:
                question = did_you_mean(keys[key], known)
                reading.wrong(joined(inner, key), f"there is no {kind} {values.shown(keys[key])}{question}")
        yield NIC(**{"link": "", **keys})


def _refuse_lock(reading: Reading, path: str, table: Mapping[str, object]) -> None:
    """The C{locked} of vmd, which no port of a Linux bridge can have without more than is known here (P23, P24)."""
    if "locked" in table:
        reading.wrong(
            joined(path, "locked"),
            "cannot be offered: a locked port of a Linux bridge lets in only what its forwarding table names, and the "
            "guest's own address is not known here; use bridge(8): bridge link set dev LINK locked on, and bridge fdb "
            "add ADDRESS dev LINK master static",
        )


def _guest_links(reading: Reading, config: Config) -> None:
    """No guest has an uplink's link; every local address exists, and is allowed."""
    uplinks = {uplink.link: uplink.name for uplink in config.uplinks}
    for guest in config.guests:
        for index, nic in enumerate(guest.nics):
            path = f"{joined('guests', guest.name)}.nics[{index}]"
            if nic.link and nic.link in uplinks:
                reading.wrong(f"{path}.link", f"this is the link of uplink {values.shown(uplinks[nic.link])}")
            if nic.local:
                try:
                    local_addresses(config.local.prefix, config.local.inet6, guest.id, index)
                except OutOfRange as problem:
                    reading.wrong(f"{path}.local", str(problem))
    inet6 = config.local.inet6
    if inet6 is not None and not _inside(inet6, config.policy.prefixes):
        reading.wrong("local.inet6", "outside of every prefix of policy.prefixes, so no address of it would be allowed")


def _vrfs(reading: Reading, config: Config) -> None:
    """A link is in one VRF, and not in itself."""
    switches = {switch.link: switch for switch in config.switches}
    for uplink in config.uplinks:
        path = joined(joined("uplinks", uplink.name), "vrf")
        if uplink.vrf and uplink.vrf == uplink.link:
            reading.wrong(path, "this is the uplink's own link")
        switch = switches.get(uplink.link)
        if switch is not None and uplink.vrf and switch.vrf not in ("", uplink.vrf):
            other = f"switch {values.shown(switch.name)} has the same link in VRF {values.shown(switch.vrf)}"
            reading.wrong(path, other)


def _inside(prefix: IPv6Network, allowed: Iterable[IPv6Network]) -> bool:
    """Whether a prefix is inside one of C{allowed}."""
    return any(prefix.subnet_of(outer) for outer in allowed)


def _remote(reading: Reading, document: Mapping[str, object]) -> tuple[Remote | None, tuple[str, ...]]:
    """Table C{[control.remote]}, which is all or nothing: where keys lack there is none, and they are named."""
    if "control" not in document:
        return None, ()
    outer = reading.table(document["control"], "control")
    reading.keys(outer, "control", (), ("remote",))
    if "remote" not in outer:
        return None, ()
    path = "control.remote"
    before = len(reading.errors)
    table = reading.table(outer["remote"], path)
    keys = reading.keys(table, path, REMOTE)
    is_plain = "listen" in keys and parse_listen(keys["listen"]).is_plain
    files = ("certificate", "key", "client_ca")
    for name in files if is_plain else ():
        if name in table:
            reading.wrong(joined(path, name), "has no meaning without TLS")
    names = [name for name, _ in keys.get("roles", ())]
    if is_plain and names and names != [ANYBODY]:
        reading.wrong(joined(path, "roles"), f'without TLS nobody is known: expected {{ "{ANYBODY}" = ROLE }}')
    elif not is_plain and ANYBODY in names:
        reading.wrong(joined(path, "roles"), f'"{ANYBODY}": everybody must be named')
    lacks = tuple(name for name in ("listen", *(() if is_plain else files), "roles") if name not in table)
    return (None if lacks or len(reading.errors) > before else Remote(**keys)), lacks
