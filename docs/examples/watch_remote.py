"""
Print what happens on another machine, with the keys in ~/.config/pdlease, until it hangs up: a Twisted program.

Usage: python watch_remote.py HOST
"""

import sys

from twisted.internet.task import react

from pdlease.control.client import connect_remote


async def main(reactor, host):
    """Connect, watch, say why it ended."""
    client = await connect_remote(reactor, host)
    watched = await client.watch(lambda event: print(event["sequence"], event["uplink"], event["event"], flush=True))
    print(f"{client.role}, from event {watched.sequence} on", flush=True)
    print(await client.closed)


if __name__ == "__main__":
    react(main, sys.argv[1:])
