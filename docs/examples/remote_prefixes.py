"""
Print every prefix that a daemon on another machine holds, with the keys in ~/.config/pdlease.

Usage: python remote_prefixes.py HOST
"""

import sys

from pdlease.control.blocking import Control

with Control(host=sys.argv[1]) as daemon:
    for name, uplink in daemon.status()["uplinks"].items():
        for held in uplink["prefixes"]:
            print(name, held["prefix"])
