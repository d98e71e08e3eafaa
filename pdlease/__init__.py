"""
pdlease: a DHCPv6 prefix-delegation client daemon.

The way of the data is the layout.  A packet comes in at L{pdlease.udp}, is read by L{pdlease.wire}, judged by
L{pdlease.client} and becomes a L{pdlease.lease}; L{pdlease.subnets} carves it, L{pdlease.wanted} says what the kernel
should hold, L{pdlease.difference} what is to be done about it, L{pdlease.applier} does it through a provider of
L{pdlease.privilege}.  A setting comes in at L{pdlease.config}.  L{pdlease.uplink} is the hall where these meet, one for
each upstream link; L{pdlease.service} builds the house; L{pdlease.control} is the door for operators.

C{docs/house.rst} walks the whole way with one packet.
"""

__version__ = "0.1.0"

RELEASED = 1790812800.0
"""A wall clock earlier than this (2026-10-01) is wrong: the program did not exist then."""
