"""
What a configuration may say but this version does not do yet, so that it is refused by name and not left undone.

What is wrong for good is L{pdlease.config.toml}.
"""

from __future__ import annotations

from collections.abc import Iterator

from pdlease.config.errors import ConfigError, ConfigErrors
from pdlease.config.model import Config
from pdlease.config.reading import joined


def refused(config: Config) -> Iterator[ConfigError]:
    """Every value that nothing in this version can make use of: a file with one of them is refused."""
    for uplink in config.uplinks:
        path = joined("uplinks", uplink.name)
        if uplink.vrf:
            yield _error(joined(path, "vrf"), "an uplink in a VRF is")


def not_yet(config: Config) -> tuple[ConfigError, ...]:
    """
    Every table that can be read and planned, but that the daemon does not act upon yet: it refuses to start with one.
    """
    return (
        *(_error(joined("switches", switch.name), "a switch is") for switch in config.switches),
        *(_error(joined("guests", guest.name), "a guest is") for guest in config.guests),
    )


def runnable(config: Config, path: str) -> Config:
    """
    A configuration that the daemon can act upon in full.

    @param path: name of the file, for messages.
    @raise ConfigErrors: where it has tables that the daemon does not act upon yet.
    """
    errors = not_yet(config)
    if errors:
        raise ConfigErrors(path, errors)
    return config


def _error(path: str, what: str) -> ConfigError:
    """The error for one of them."""
    return ConfigError(path, f"{what} not yet supported in this version")
