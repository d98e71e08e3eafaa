"""
Everything that is imported after the first Solicits are out and before the sandbox closes.

Behind the sandbox nothing can be imported any more, and a Python that was upgraded underneath would not fit; before the
first Solicit every import costs time.  What is needed earlier is imported where it is needed.
"""

from __future__ import annotations

import gc
from importlib import import_module

MODULES = (
    # ours
    "pdlease.config.compare",
    "pdlease.config.toml",  # what reads a *.conf has been imported to read it
    "pdlease.control.server",
    "pdlease.dating",
    "pdlease.desk",
    "pdlease.foresight",
    "pdlease.report",
    "pdlease.rereading",
    # what Twisted and the standard library import when something first happens
    "encodings.idna",
    "hashlib",
    "json.encoder",
    "linecache",
    "shutil",
    "traceback",
    "twisted.internet._signals",
    "twisted.internet.tcp",
    "twisted.internet.unix",
    "twisted.logger",
    "twisted.protocols.amp",
    "twisted.python.failure",
)


def import_the_rest() -> None:
    """
    Import them, and tell the collector that all this is here to stay: it would look through it again and again, for
    milliseconds, in the middle of a Reply.
    """
    for name in MODULES:
        import_module(name)
    gc.collect()
    gc.freeze()
