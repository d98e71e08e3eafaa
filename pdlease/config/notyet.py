"""
What a configuration may say but this version does not do yet, so that it is refused by name and not left undone.

What is wrong for good is L{pdlease.config.toml}.
"""

from __future__ import annotations

from collections.abc import Iterator

from pdlease.config.errors import ConfigError
from pdlease.config.model import Config
from pdlease.config.reading import joined


def not_yet(config: Config) -> tuple[ConfigError, ...]:
    """Every key of a configuration that asks for something that is not supported yet."""
    return tuple(ConfigError(path, f"{what} not yet supported in this version") for path, what in _found(config))


def _found(config: Config) -> Iterator[tuple[str, str]]:
    """Path and name of each."""
    for uplink in config.uplinks:
        path = joined("uplinks", uplink.name)
        if uplink.start != "link":
            yield joined(path, "start"), f'start = "{uplink.start}" is'
        if uplink.profile:
            yield joined(path, "profile"), "packet profiles are"
        if uplink.vrf:
            yield joined(path, "vrf"), "uplinks in a VRF are"
    for switch in config.switches:
        yield joined("switches", switch.name), "switches are"
    for guest in config.guests:
        yield joined("guests", guest.name), "guests are"
