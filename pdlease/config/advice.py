"""
What is allowed in a configuration but probably not meant: sentences for a log, no errors.

What is wrong is L{pdlease.config.toml}.
"""

from __future__ import annotations

from collections.abc import Iterator

from pdlease.config import packets
from pdlease.config.errors import ConfigError
from pdlease.config.model import Config, Delegation
from pdlease.config.reading import joined
from pdlease.wire.codes import OptionCode

# Relays and servers keep at least so many delegations of one client (R-8987-03).
SAFE_DELEGATIONS = 8

# No ISP gives its customer this much without an agreement (D43).
LARGE = 32


def advice(config: Config) -> tuple[ConfigError, ...]:
    """Everything that is worth a warning, with its dotted path."""
    return tuple(_all(config))


def _all(config: Config) -> Iterator[ConfigError]:
    """Each piece of advice."""
    if config.remote_problem:
        yield ConfigError("control.remote", config.remote_problem)
    for uplink in config.uplinks:
        path = joined("uplinks", uplink.name)
        for key, sentence in packets.advice(uplink.raw_options, uplink.request_options):
            yield ConfigError(f"{path}.{key}", sentence)
        path = joined(path, "delegations")
        if len(uplink.delegations) > SAFE_DELEGATIONS:
            yield ConfigError(
                path,
                f"{len(uplink.delegations)} delegations: many relays and servers allow {SAFE_DELEGATIONS} or fewer",
            )
        for index, delegation in enumerate(uplink.delegations):
            yield from _delegation(f"{path}[{index}]", delegation)
            if (
                delegation.excluded_host is not None
                and uplink.profile
                and OptionCode.PD_EXCLUDE not in uplink.request_options
            ):
                yield ConfigError(
                    f"{path}[{index}].excluded_host",
                    f"without effect: profile {uplink.profile} asks no server for what it excludes; "
                    f"request_options = [{OptionCode.PD_EXCLUDE:d}] does",
                )
    if config.local.inet6 is None and any(nic.local for guest in config.guests for nic in guest.nics):
        yield ConfigError("local.inet6", "not given: guests get local IPv4 addresses only")
    for guest in config.guests:
        for index, nic in enumerate(guest.nics):
            switch = config.switch(nic.switch)
            if switch is not None and nic.vrf not in ("", switch.vrf):
                path = f"{joined('guests', guest.name)}.nics[{index}].vrf"
                yield ConfigError(path, f"without effect: a port is in its bridge's VRF, that of switch {nic.switch}")


def _delegation(path: str, delegation: Delegation) -> Iterator[ConfigError]:
    """Advice on one delegation."""
    needed, asked = delegation.needed_length, delegation.requested_length
    if needed < LARGE:
        yield ConfigError(joined(path, "downstreams"), f"these need a /{needed}, more than most servers delegate")
    if asked is not None and asked > needed:
        yield ConfigError(
            joined(path, "hint"),
            f"asks for a /{asked}, but a /{needed} is needed: some links will stay without a subnet",
        )
    if not delegation.downstreams and not delegation.guests:
        yield ConfigError(path, "no downstreams: the prefix will be held, and nothing made of it")
