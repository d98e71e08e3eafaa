"""
From the bytes of a configuration file to the model, by the name of the file.

A file named C{*.conf} is in the form of dhcp6leased.conf(5), L{pdlease.config.leasedconf}; every other one is TOML,
L{pdlease.config.toml}.  Only the reader that is needed is imported, at the first call: a daemon reads its file once
before its sandbox closes, and the same file again at a reload.
"""

from __future__ import annotations

from pdlease.config.model import Config

SUFFIX = ".conf"


def is_conf(path: str) -> bool:
    """Whether a file of this name is in the form of dhcp6leased.conf(5)."""
    return path.endswith(SUFFIX)


def load(data: bytes, path: str) -> Config:
    """
    Read a configuration.

    @param data: the bytes of the file.
    @param path: its name, which says what form it has; also for messages.
    @raise ConfigErrors: with everything that is wrong.
    """
    if is_conf(path):
        from pdlease.config.leasedconf import parse
    else:
        from pdlease.config.toml import parse
    return parse(data, path)
