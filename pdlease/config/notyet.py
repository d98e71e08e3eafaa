"""
What a configuration may say but this version does not do yet, so that it is refused by name and not left undone.

What is wrong for good is L{pdlease.config.toml}.
"""

from __future__ import annotations

from collections.abc import Iterator

from pdlease.config.errors import ConfigError
from pdlease.config.model import Config
from pdlease.config.reading import joined


def refused(config: Config) -> Iterator[ConfigError]:
    """Every value that nothing in this version can make use of: a file with one of them is refused."""
    for uplink in config.uplinks:
        path = joined("uplinks", uplink.name)
        if uplink.vrf:
            yield _error(joined(path, "vrf"), "an uplink in a VRF is")


def _error(path: str, what: str) -> ConfigError:
    """The error for one of them."""
    return ConfigError(path, f"{what} not yet supported in this version")
