"""
systemd-networkd: what it sends stands in the state of the link while it runs; else it follows from the machine id, the
name that udev has for the link or its address, and the configuration.
"""

from __future__ import annotations

import hmac
import re
import sys
from fnmatch import fnmatchcase
from typing import Literal

from pdlease.migrate.found import Association, Files, Found, NothingFound, duid_of
from pdlease.wire.duid import DUID, ENTERPRISE, LINK_LAYER, LINK_LAYER_TIME, UUID

STATE = "/run/systemd/netif/links/{}"

CONFIGURATION = ("/etc/systemd/networkd.conf", "/etc/systemd/networkd.conf.d")

NETWORKS = ("/etc/systemd/network", "/run/systemd/network", "/usr/lib/systemd/network")

DATABASE = "/run/udev/data/n{}"

SYSTEMD = 43793
"""The enterprise number of systemd."""

_KEY = bytes.fromhex("80118cc2fe4a03ee3ed60c6f36391409")
_APPLICATION = bytes.fromhex("a50ad112bf604577a2fb741ab1955b03")

_PERSISTENT = ("ID_NET_NAME_ONBOARD", "ID_NET_NAME_SLOT", "ID_NET_NAME_PATH", "ID_NET_NAME_MAC")

_SHOWN = {"DUID-LLT": LINK_LAYER_TIME, "DUID-EN/Vendor": ENTERPRISE, "DUID-EN": ENTERPRISE, "DUID-LL": LINK_LAYER}
_SHOWN["UUID"] = _SHOWN["DUID-UUID"] = UUID

_ASKED = {"link-layer-time": LINK_LAYER_TIME, "vendor": ENTERPRISE, "link-layer": LINK_LAYER, "uuid": UUID}

_MASK = (1 << 64) - 1

_ORDER: Literal["little", "big"] = "big" if sys.byteorder == "little" else "little"

Settings = dict[tuple[str, str], str]
"""The last value of each (section, key)."""


def read(files: Files, link: str, path: str | None = None) -> Found:
    """
    Find networkd.

    @param link: the uplink's link.
    @param path: a copy of the state of the link, where it is not in the usual place.
    @raise NothingFound: when the DUID is not to be known.
    """
    index = files.link_index(link)
    where = path or (STATE.format(index) if index is not None else "")
    state = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", (where and files.text(where)) or "", re.MULTILINE))
    if path and "DHCP6_CLIENT_DUID" not in state:
        raise NothingFound(f"{path}: it is not there, or names no DHCP6_CLIENT_DUID")
    settings = _settings(files, link)
    remarks = ["networkd keeps no leases: what it held is not known"]
    duid = _shown(where, state["DHCP6_CLIENT_DUID"]) if "DHCP6_CLIENT_DUID" in state else None
    if duid is None:
        remarks.append(
            "networkd does not run its client on the link: the DUID was made of machine id and configuration"
        )
        duid = _made(files, link, settings)
    number = state.get("DHCP6_CLIENT_IAID") or settings.get(("DHCPv6", "IAID")) or settings.get(("DHCP", "IAID"), "")
    try:
        iaid = int(number, 0) & 0xFFFFFFFF
    except ValueError:
        made, said = _made_iaid(files, link, index)
        remarks.append(said)
        if made is None:
            return Found(duid=duid, files=tuple(files.read), remarks=tuple(remarks))
        iaid = made
    associations = (Association(iaid=iaid),)
    return Found(duid=duid, associations=associations, files=tuple(files.read), remarks=tuple(remarks))


def _shown(path: str, words: str) -> DUID:
    """A DUID as the state shows it: its type in words, and hexadecimal digits."""
    name, _, digits = words.rpartition(":")
    kind = _SHOWN.get(name)
    if kind is None:
        raise NothingFound(f"{path}: the type of DUID {words[:40]} is not known")
    return duid_of(path, f"{kind:04x}{digits}")


def _settings(files: Files, link: str) -> Settings:
    """What networkd is told about its client on a link: in general, then for the link."""
    main, folder = CONFIGURATION
    paths = [main, *(f"{folder}/{name}" for name in files.names(folder) if name.endswith(".conf"))]
    settings: Settings = {}
    for path in paths:
        settings.update(_sections(files.text(path) or ""))
    named = {name: place for place in reversed(NETWORKS) for name in files.names(place) if name.endswith(".network")}
    for name in sorted(named):
        before = len(files.read)
        mine = _sections(files.text(f"{named[name]}/{name}") or "")
        if any(fnmatchcase(link, pattern) for pattern in mine.get(("Match", "Name"), "").split()):
            settings.update(mine)
            break
        del files.read[before:]
    return settings


def _sections(text: str) -> Settings:
    """The keys of a file in the form of systemd's."""
    found: Settings = {}
    section = ""
    for line in text.splitlines():
        words = line.strip()
        if words.startswith("[") and words.endswith("]"):
            section = words[1:-1]
        elif "=" in words and words[0] not in "#;":
            key, _, value = words.partition("=")
            found[section, key.strip()] = value.strip()
    return found


def _made(files: Files, link: str, settings: Settings) -> DUID:
    """
    The DUID as networkd would make it.

    @raise NothingFound: when that cannot be done.
    """
    kind = raw = ""
    for section in ("DHCP", "DHCPv6"):
        kind = settings.get((section, "DUIDType"), kind)
        raw = settings.get((section, "DUIDRawData"), raw)
    kind = kind or "vendor"
    if raw and kind in _ASKED:
        return duid_of("DUIDRawData", f"{_ASKED[kind]:04x}{raw.replace(':', '')}")
    if kind == "link-layer":
        address = files.link_address(link)
        if address is None:
            raise NothingFound(f"{link} has no address that networkd would make a DUID-LL of")
        return DUID.from_link_layer(*address)
    if kind not in ("vendor", "uuid"):
        raise NothingFound(f"DUIDType={kind}: what networkd makes of it cannot be known from files; start it once more")
    machine = (files.text("/etc/machine-id") or "").strip()
    if not re.fullmatch("[0-9a-f]{32}", machine):
        raise NothingFound("/etc/machine-id: there is none, or it is not 32 hexadecimal digits")
    if kind == "vendor":
        return DUID.from_enterprise(SYSTEMD, siphash(_KEY, bytes.fromhex(machine)).to_bytes(8, "little"))
    made = bytearray(hmac.digest(bytes.fromhex(machine), _APPLICATION, "sha256")[:16])
    made[6] = made[6] & 0x0F | 0x40
    made[8] = made[8] & 0x3F | 0x80
    return DUID.from_uuid(bytes(made))


def _made_iaid(files: Files, link: str, index: int | None) -> tuple[int | None, str]:
    """The IAID as networkd would make it, and what is to be said of it."""
    known = (files.text(DATABASE.format(index)) if index is not None else None) or ""
    named = dict(re.findall(r"^E:([A-Z0-9_]+)=(.*)$", known, re.MULTILINE))
    name = next((named[key] for key in _PERSISTENT if key in named), "")
    address = files.link_address(link)
    if not name and address is None:
        return None, (
            f"neither the state of {link} nor its configuration names the IAID, and the link has neither a name in "
            "udev nor an address that networkd makes one of; start networkd once more"
        )
    data = name.encode() if name or address is None else address[1]
    hashed = siphash(_KEY, data)
    # networkd swaps the octets and sends them in the order of the machine
    iaid = int.from_bytes(((hashed ^ hashed >> 32) & 0xFFFFFFFF).to_bytes(4, "big"), _ORDER)
    return (
        iaid,
        f"the IAID was made of {f'the name {name} in udev' if name else f'the address of {link}'}, as networkd does",
    )


def siphash(key: bytes, data: bytes) -> int:
    """
    SipHash-2-4 (Aumasson and Bernstein, 2012), which networkd hashes machine ids with.

    @param key: 16 octets.
    """
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for start in range(0, len(padded), 8):
        word = int.from_bytes(padded[start : start + 8], "little")
        v[3] ^= word
        _rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    _rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _rounds(v: list[int], count: int) -> None:
    """Some rounds of SipHash."""
    for _ in range(count):
        for a, b, left in ((0, 1, 13), (2, 3, 16)):
            v[a] = (v[a] + v[b]) & _MASK
            v[b] = _turned(v[b], left) ^ v[a]
        v[0] = _turned(v[0], 32)
        for a, b, left in ((2, 1, 17), (0, 3, 21)):
            v[a] = (v[a] + v[b]) & _MASK
            v[b] = _turned(v[b], left) ^ v[a]
        v[2] = _turned(v[2], 32)


def _turned(word: int, left: int) -> int:
    """Rotate 64 bits to the left."""
    return (word << left | word >> (64 - left)) & _MASK
