"""
The protocol's mind: what to send, when, and what to make of an answer.

Pure: no socket, no clock, no Twisted; time and chance come in as arguments.  Where the bytes go is L{pdlease.udp}, who
holds the session L{pdlease.uplink}.
"""
