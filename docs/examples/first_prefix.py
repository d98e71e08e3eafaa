"""
Wait for an uplink to be ready, then print its addresses: a Twisted program.

Usage: python first_prefix.py CONTROL_SOCKET UPLINK
"""

import sys

from twisted.internet.task import react

from pdlease.control.client import connect


async def main(reactor, path, uplink):
    """Connect, wait, print."""
    client = await connect(reactor, path)
    status = await client.wait(uplink, timeout=60)
    for assignment in status["uplinks"][uplink]["assignments"]:
        print(assignment["link"], assignment["address"])
    await client.disconnect()


if __name__ == "__main__":
    react(main, sys.argv[1:])
