"""
Where the running daemon's randomness comes from; everything else is given it as an argument.
"""

from __future__ import annotations

import random
import secrets

from pdlease.client.settings import Chance


def chance() -> Chance:
    """
    Chance for sessions: a new sequence at every start (R-15-02), transaction ids from the kernel's generator
    (R-16.1-01).
    """
    generator = random.Random(secrets.randbits(128))
    return Chance(random=generator.random, transaction_id=lambda: secrets.randbits(24))
