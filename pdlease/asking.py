"""
What a configuration has a client ask for: the numbers of its associations, and the settings of an uplink's session.

What an operator writes is L{pdlease.config.model}; what messages become of settings is L{pdlease.client.outgoing}.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from pdlease.client.settings import ExtraOption, IAWish, Settings
from pdlease.config import model
from pdlease.config.packets import PROFILE
from pdlease.identity import IAIDs, Identity, with_iaids
from pdlease.lease import UplinkRecord
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.duid import DUID
from pdlease.wire.options import OpaqueOption
from pdlease.wire.vendor import UserClass, VendorClass, VendorOptions

ORIGINAL_ORDER = (
    OptionCode.CLIENT_ID,
    OptionCode.SERVER_ID,
    OptionCode.IA_PD,
    OptionCode.OPTION_REQUEST,
    OptionCode.ELAPSED_TIME,
    OptionCode.RAPID_COMMIT,
    OptionCode.VENDOR_CLASS,
)
"""In which order the original has its options (seed-behaviour 4.4)."""

ORIGINAL_REQUEST = (OptionCode.SOL_MAX_RT, OptionCode.INF_MAX_RT)
"""What the original requests."""

LAN_LENGTH = 64
"""The length of a prefix from which hosts on a LAN can make addresses."""

_REQUESTED = (OptionCode.SOL_MAX_RT, OptionCode.PD_EXCLUDE)


def numbered(identity: Identity, config: model.Config) -> tuple[Identity, IAIDs]:
    """
    Give every delegation of a configuration its IAID (L{with_iaids}).

    Under the profile of the original those without a configured one are counted from 0, over all uplinks, since one
    DUID stands for all of them (D25); what a file gives out by itself is passed over.
    """
    taken = {entry.iaid for uplink in config.uplinks for entry in uplink.delegations if entry.iaid is not None}
    counted = (number for number in range(2**32) if number not in taken)
    links = {(uplink.name, entry.key): entry.links for uplink in config.uplinks for entry in uplink.delegations}
    return with_iaids(identity, tuple(_numbers(config, counted)), links)


def _numbers(config: model.Config, counted: Iterator[int]) -> Iterator[tuple[str, str, int | None]]:
    """Uplink, key and configured IAID of every delegation."""
    for uplink in config.uplinks:
        for entry in uplink.delegations:
            iaid = entry.iaid
            if iaid is None and uplink.profile == PROFILE:
                iaid = next(counted)
            yield uplink.name, entry.key, iaid


def system_words() -> bytes:
    """Name, release and machine of the operating system, as the original says them (seed-behaviour F2)."""
    system = os.uname()
    return f"{system.sysname} {system.release} {system.machine}".encode(errors="replace")


def settings_of(
    uplink: model.Uplink,
    duid: DUID,
    iaids: IAIDs,
    record: UplinkRecord | None,
    system: Callable[[], bytes] = system_words,
) -> Settings:
    """
    What the session of an uplink is told.

    @param iaids: the IAIDs in use.
    @param record: what is remembered of the uplink, or C{None}.
    @param system: what stands in a vendor class that the configuration leaves empty.
    """
    original = uplink.profile == PROFILE
    requested = ORIGINAL_REQUEST if original else _REQUESTED
    return Settings(
        uplink=uplink.name,
        duid=duid,
        wishes=tuple(_wish(entry, iaids[uplink.name, entry.key], uplink) for entry in uplink.delegations),
        rapid_commit=uplink.rapid_commit,
        solicit_delay=uplink.solicit_delay,
        reconfigure=uplink.reconfigure,
        rate_limit=uplink.rate_limit,
        renumbering_silence=uplink.renumbering_silence,
        requested_options=tuple(dict.fromkeys((*requested, *uplink.request_options))),
        sol_max_rt=record.sol_max_rt if record is not None else None,
        inf_max_rt=record.inf_max_rt if record is not None else None,
        max_rt_server=record.max_rt_server if record is not None else None,
        extra_options=tuple(_added(uplink, system)),
        option_order=ORIGINAL_ORDER if original else (),
        names_lost=not original,
    )


def _wish(entry: model.Delegation, iaid: int, uplink: model.Uplink) -> IAWish:
    """
    What is wished for one association; the original has no use for a prefix that is smaller than it asked for
    (seed-behaviour V14), and a client that the P flag started for none that a LAN cannot use (RFC 9762: PF-06, PF-09).
    """
    length, further, longest = entry.requested_length, entry.further_lengths, None
    if uplink.profile == PROFILE:
        longest = length
    elif uplink.start == "p-flag":
        length, longest = min(length or LAN_LENGTH, LAN_LENGTH), LAN_LENGTH
        further = tuple(each for each in further if each <= LAN_LENGTH)
    return IAWish(
        iaid=iaid,
        hint_length=length,
        further_lengths=further,
        needed_length=entry.needed_length,
        longest=longest,
    )


def _added(uplink: model.Uplink, system: Callable[[], bytes]) -> Iterator[ExtraOption]:
    """What the operator has a client say, in the order of the codes, then what is written out, in file order."""
    if uplink.user_class:
        yield ExtraOption(option=UserClass(uplink.user_class))
    for vendor in uplink.vendor_class:
        yield ExtraOption(option=VendorClass(vendor.enterprise, vendor.data or (system(),)))
    for options in uplink.vendor_options:
        yield ExtraOption(option=VendorOptions(options.enterprise, options.options))
    for raw in uplink.raw_options:
        names = (name.upper().replace("-", "_") for name in raw.messages)
        yield ExtraOption(
            option=OpaqueOption(raw.code, raw.data), message_types=tuple(MessageType[name] for name in names)
        )
