"""
Print every prefix that is held: a script without Twisted.

Usage: python prefixes.py [CONTROL_SOCKET]
"""

import sys

from pdlease.control.blocking import Control

with Control(*sys.argv[1:]) as daemon:
    for name, uplink in daemon.status()["uplinks"].items():
        for held in uplink["prefixes"]:
            print(name, held["prefix"])
